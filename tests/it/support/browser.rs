//! A real browser: headless Chromium through its own driver, on a port that the system chooses.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use thirtyfour::LoggingPrefsLogLevel;
use thirtyfour::prelude::*;

use super::gateway::Gateway;

/// A browser that runs. Dropping it ends it.
pub struct Chrome {
    pub driver: WebDriver,
    process: Child,
}

impl Chrome {
    pub async fn start() -> Self {
        mailweave::tls::install_provider();
        let (process, port) = start_driver();
        let mut capabilities = DesiredCapabilities::chrome();
        for argument in
            ["--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1024,900"]
        {
            capabilities.add_arg(argument).expect("an argument");
        }
        capabilities.set_browser_log_level(LoggingPrefsLogLevel::All).expect("a log level");
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities).await;
        Self { driver: driver.expect("Chromium starts"), process }
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
        // The driver ends its browser with itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
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
