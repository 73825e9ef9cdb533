//! A real browser: Debian's Chromium, headless, through chromedriver, each with a throw-away profile.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::common::capabilities::chromium::ChromiumLikeCapabilities;
use thirtyfour::prelude::*;
use thirtyfour::{ChromeCapabilities, LoggingPrefsLogLevel};

/// How long a page may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a browser is like.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    pub width: u32,
    pub height: u32,
    pub is_dark: bool,
    pub has_scripts: bool,
}

impl Look {
    pub const DESK: Self = Self { width: 1280, height: 900, is_dark: false, has_scripts: true };
    pub const DARK: Self = Self { is_dark: true, ..Self::DESK };
    pub const PHONE: Self = Self { width: 390, height: 844, ..Self::DESK };
}

/// A browser that runs. Dropping it ends its driver, and that ends it.
pub struct Browser {
    pub web: WebDriver,
    driver: Child,
    _profile: TempDir,
}

impl Browser {
    pub async fn open(look: Look) -> Self {
        // The client that speaks to the driver wants one, though it speaks no TLS.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (driver, port) = start_driver();
        let profile = tempfile::tempdir().unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let web = WebDriver::new(url, capabilities(look, profile.path())).await.expect("a browser");
        web.set_implicit_wait_timeout(Duration::ZERO).await.unwrap();
        web.set_page_load_timeout(PATIENCE).await.unwrap();
        Self { web, driver, _profile: profile }
    }

    pub async fn go(&self, url: &str) {
        self.web.goto(url).await.unwrap();
    }

    /// Waits until the page says that.
    pub async fn sees(&self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // The page may be on its way out.
            let text = match self.web.find(By::Tag("body")).await {
                Ok(body) => body.text().await.unwrap_or_default(),
                Err(_) => String::new(),
            };
            if text.contains(words) {
                return;
            }
            assert!(Instant::now() < deadline, "no {words:?} in:\n{text}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub async fn find(&self, selector: &str) -> WebElement {
        let found = self.web.query(By::Css(selector)).wait(PATIENCE, Duration::from_millis(100));
        found.first().await.unwrap_or_else(|error| panic!("{selector}: {error}"))
    }

    pub async fn click(&self, selector: &str) {
        let element = self.find(selector).await;
        element.scroll_into_view().await.unwrap();
        element.click().await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    pub async fn fill(&self, selector: &str, text: &str) {
        let field = self.find(selector).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Clicks the button with these words.
    pub async fn press(&self, words: &str) {
        let path = format!(
            "//*[self::button or self::a or self::summary][contains(normalize-space(), \"{words}\")]"
        );
        let found = self.web.query(By::XPath(path)).wait(PATIENCE, Duration::from_millis(100));
        let button = found.and_displayed().first().await;
        let button = button.unwrap_or_else(|error| panic!("{words}: {error}"));
        button.scroll_into_view().await.unwrap();
        button.click().await.unwrap_or_else(|error| panic!("{words}: {error}"));
    }

    /// Nothing was said on the console, no rule of WCAG 2.2 AA is broken, and nothing sticks out at the side.
    #[track_caller]
    pub fn is_clean(&self) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let place = format!("{} ({caller})", self.web.current_url().await.unwrap());
            let said = self.web.browser_log().await.unwrap();
            let said: Vec<String> = said.iter().map(|entry| format!("{entry:?}")).collect();
            assert!(said.is_empty(), "{place}: {said:#?}");
            let width = "return document.documentElement.scrollWidth - window.innerWidth";
            let over = self.web.execute(width, vec![]).await.unwrap();
            assert!(over.json().as_i64().unwrap() <= 0, "{place} is too wide by {}", over.json());
            let broken = axe(&self.web).await;
            assert_eq!(broken, json!([]), "{place}: {broken:#}");
        }
    }

    /// Keeps a picture of the page where MAILWEAVE_SCREENSHOTS names a folder.
    pub async fn picture(&self, name: &str) {
        let Ok(folder) = std::env::var("MAILWEAVE_SCREENSHOTS") else { return };
        std::fs::create_dir_all(&folder).unwrap();
        let path = Path::new(&folder).join(format!("{name}.png"));
        self.web.screenshot(&path).await.unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// Starts chromedriver at a port of its own choice.
fn start_driver() -> (Child, u16) {
    let mut driver = Command::new("chromedriver")
        .args(["--port=0", "--log-level=SEVERE"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromedriver runs: ./test installs it");
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let rest = line.split("started successfully on port ").nth(1)?;
        rest.trim_end_matches('.').parse().ok()
    });
    // Whatever else it says is read, so that no pipe fills up.
    std::thread::spawn(move || lines.for_each(drop));
    (driver, port.expect("chromedriver says its port"))
}

fn capabilities(look: Look, profile: &Path) -> ChromeCapabilities {
    let mut wanted = DesiredCapabilities::chrome();
    let size = format!("--window-size={},{}", look.width, look.height);
    let profile = format!("--user-data-dir={}", profile.display());
    let scheme = format!("--blink-settings=preferredColorScheme={}", u8::from(!look.is_dark));
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
    for argument in fixed.into_iter().chain([size.as_str(), &profile, &scheme]) {
        wanted.add_arg(argument).unwrap();
    }
    if look.width < 500 {
        let metrics = json!({"width": look.width, "height": look.height, "pixelRatio": 2.0});
        wanted
            .add_experimental_option("mobileEmulation", json!({"deviceMetrics": metrics}))
            .unwrap();
    }
    if !look.has_scripts {
        let prefs = json!({"profile.managed_default_content_settings.javascript": 2});
        wanted.add_experimental_option("prefs", prefs).unwrap();
    }
    wanted.set_browser_log_level(LoggingPrefsLogLevel::All).unwrap();
    wanted
}

/// What axe-core finds broken on the page: rule, and the elements that break it.
async fn axe(web: &WebDriver) -> Value {
    let source = std::fs::read_to_string(axe_file()).unwrap();
    web.execute(source, vec![]).await.unwrap();
    let run = r#"
        const done = arguments[arguments.length - 1];
        const runOnly = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
        axe.run(document, { runOnly }).then(
            (found) => done(found.violations.map((one) => ({
                rule: one.id, help: one.help,
                where: one.nodes.map((node) => node.html + " " + node.failureSummary),
            }))),
            (error) => done([String(error)]),
        );"#;
    web.set_script_timeout(PATIENCE).await.unwrap();
    web.execute_async(run, vec![]).await.unwrap().json().clone()
}

/// axe-core, taken from npm's registry once, and kept beside what is built.
fn axe_file() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/axe-core");
    let file = folder.join("package/axe.min.js");
    if !file.exists() {
        std::fs::create_dir_all(&folder).unwrap();
        let order = "npm pack --silent axe-core@4.11.1 && tar xzf axe-core-*.tgz";
        let done = Command::new("sh").args(["-c", order]).current_dir(&folder).output().unwrap();
        assert!(done.status.success(), "npm: {}", String::from_utf8_lossy(&done.stderr));
    }
    file
}
