//! A real browser: headless Chromium through its own driver, on a port that the system chooses.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::json;
use tempfile::TempDir;
use thirtyfour::common::capabilities::chromium::ChromiumLikeCapabilities;
use thirtyfour::prelude::*;
use thirtyfour::{ChromeCapabilities, LoggingPrefsLogLevel};

use super::gateway::Gateway;

/// A browser that runs. Dropping it ends it.
pub struct Chrome {
    pub driver: WebDriver,
    process: Child,
    profile: TempDir,
}

/// What a browser is like.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub width: u32,
    pub height: u32,
    pub is_dark: bool,
    pub has_scripts: bool,
}

impl Look {
    pub const DESK: Self = Self { width: 1024, height: 900, is_dark: false, has_scripts: true };
    pub const DARK: Self = Self { is_dark: true, ..Self::DESK };
    pub const PHONE: Self = Self { width: 390, height: 844, ..Self::DESK };

    fn capabilities(self, profile: &Path) -> ChromeCapabilities {
        let mut wanted = DesiredCapabilities::chrome();
        let fixed = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
        ];
        let own = [
            format!("--window-size={},{}", self.width, self.height),
            format!("--user-data-dir={}", profile.display()),
            format!("--blink-settings=preferredColorScheme={}", u8::from(!self.is_dark)),
        ];
        for argument in fixed.into_iter().chain(own.iter().map(String::as_str)) {
            wanted.add_arg(argument).expect("an argument");
        }
        // A window is never as narrow as a telephone.
        if self.width < 500 {
            let metrics = json!({"width": self.width, "height": self.height, "pixelRatio": 2.0});
            let emulated = json!({"deviceMetrics": metrics});
            wanted.add_experimental_option("mobileEmulation", emulated).expect("an option");
        }
        // The laboratory's pages have a certificate of its own.
        wanted.accept_insecure_certs(true).expect("an option");
        wanted.set_browser_log_level(LoggingPrefsLogLevel::All).expect("a log level");
        wanted
    }
}

impl Chrome {
    pub async fn start() -> Self {
        Self::looking(Look::DESK).await
    }

    pub async fn looking(look: Look) -> Self {
        mailweave::tls::install_provider();
        let (process, port) = start_driver();
        let profile = tempfile::tempdir().expect("a profile");
        let url = format!("http://127.0.0.1:{port}");
        let driver = WebDriver::new(&url, look.capabilities(profile.path())).await;
        let chrome = Self { driver: driver.expect("Chromium starts"), process, profile };
        if !look.has_scripts {
            chrome.refuse_scripts(&url).await;
        }
        chrome
    }

    /// No script of a page is loaded. The driver itself needs scripts to run, so they are not turned off:
    /// pages have none but those they load.
    async fn refuse_scripts(&self, server: &str) {
        let url = format!("{server}/session/{}/goog/cdp/execute", self.driver.session_id());
        let client = reqwest::Client::new();
        for (command, params) in [
            ("Network.enable", json!({})),
            ("Network.setBlockedURLs", json!({"urls": ["*.js", "*.js?*"]})),
        ] {
            let order = json!({"cmd": command, "params": params});
            let done = client.post(&url).json(&order).send().await.expect("the driver answers");
            assert!(done.status().is_success(), "{command}: {}", done.status());
        }
    }

    /// One in which the first user of a new gateway is signed in.
    pub async fn signed_in(gateway: &Gateway) -> Self {
        let chrome = Self::start().await;
        let code = gateway.greeting().split("code=").nth(1).expect("a sign-in link");
        let code = code.split_whitespace().next().expect("its code");
        chrome.open(gateway, &format!("/sign-in?code={code}")).await;
        chrome.click("form button").await;
        chrome.wait_for("#new").await;
        chrome
    }

    pub async fn open(&self, gateway: &Gateway, path: &str) {
        self.goto(&format!("http://{}{path}", gateway.http())).await;
    }

    pub async fn goto(&self, address: &str) {
        self.driver.goto(address).await.expect("the page loads");
    }

    pub async fn click(&self, selector: &str) {
        self.wait_for(selector).await.click().await.expect(selector);
    }

    /// Waits patiently until there is such an element.
    pub async fn wait_for(&self, selector: &str) -> WebElement {
        let found = self.driver.query(By::Css(selector));
        let found =
            found.wait(std::time::Duration::from_secs(60), std::time::Duration::from_millis(100));
        found.first().await.expect(selector)
    }

    /// Runs a script in the page; answers what it returns.
    pub async fn run(&self, script: &str) -> serde_json::Value {
        let done = self.driver.execute(script, Vec::new()).await.expect("the script runs");
        done.json().clone()
    }

    /// Waits patiently until a script says yes.
    pub async fn until(&self, script: &str) {
        for _ in 0..600 {
            if self.run(script).await == true {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("never: {script}");
    }

    /// What the page complained about since this was asked last.
    pub async fn complaints(&self) -> Vec<String> {
        let entries = self.driver.browser_log().await.expect("the log");
        let bad =
            entries.into_iter().filter(|entry| entry.level == "SEVERE" || entry.level == "WARNING");
        bad.map(|entry| entry.message).collect()
    }
}

impl Drop for Chrome {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // The driver, when it is killed, leaves its browser behind.
        let profile = self.profile.path().display().to_string();
        for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            let id = process.file_name().to_str().and_then(|name| name.parse().ok());
            if String::from_utf8_lossy(&command).contains(&profile)
                && let Some(id) = id.and_then(rustix::process::Pid::from_raw)
            {
                let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL);
            }
        }
    }
}

fn start_driver() -> (Child, u16) {
    let mut command = Command::new("chromedriver");
    command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("chromedriver: install chromium and chromium-driver");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let port = lines.by_ref().find_map(|line| {
        let line = line.ok()?;
        let port = line.split("started successfully on port ").nth(1)?;
        port.trim_end_matches('.').parse().ok()
    });
    // What it says later is nobody's to read, but it must not wait for a reader.
    std::thread::spawn(move || for _ in lines {});
    (child, port.expect("chromedriver says its port"))
}
