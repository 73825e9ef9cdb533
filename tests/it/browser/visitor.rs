//! What somebody does before a browser: reads, fills in, presses; and what every page is held to.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use thirtyfour::prelude::*;

use crate::support::browser::{Chrome, Look};

/// How long a page may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// Somebody before a browser.
pub struct Visitor(pub Chrome);

impl Visitor {
    pub async fn with(look: Look) -> Self {
        Self(Chrome::looking(look).await)
    }

    pub async fn go(&self, url: &str) {
        self.0.driver.goto(url).await.unwrap();
    }

    /// Waits until the page says that.
    pub async fn sees(&self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // The page may be on its way out.
            let text = match self.0.driver.find(By::Tag("body")).await {
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
        let found =
            self.0.driver.query(By::Css(selector)).wait(PATIENCE, Duration::from_millis(100));
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
        let found = self.0.driver.query(By::XPath(path)).wait(PATIENCE, Duration::from_millis(100));
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
            let place = format!("{} ({caller})", self.0.driver.current_url().await.unwrap());
            let mut said = self.0.complaints().await;
            // A form that is refused answers so, and the browser notes it.
            said.retain(|words| {
                // The provider's pages have no icon; ours name theirs.
                let is_the_providers = words.contains("/favicon.ico");
                !words.contains("status of 422")
                    && !words.contains("status of 409")
                    && !is_the_providers
            });
            assert!(said.is_empty(), "{place}: {said:#?}");
            let width = "return document.documentElement.scrollWidth - window.innerWidth";
            let over = self.0.driver.execute(width, vec![]).await.unwrap();
            assert!(over.json().as_i64().unwrap() <= 0, "{place} is too wide by {}", over.json());
            let broken = axe(&self.0.driver).await;
            assert_eq!(broken, json!([]), "{place}: {broken:#}");
        }
    }

    /// Keeps a picture of the page where SCREENSHOTS names a folder.
    pub async fn picture(&self, name: &str) {
        let Ok(folder) = std::env::var("SCREENSHOTS") else { return };
        std::fs::create_dir_all(&folder).unwrap();
        let path = Path::new(&folder).join(format!("{name}.png"));
        self.0.driver.screenshot(&path).await.unwrap();
    }
}

/// What axe-core finds broken on the page: rule, and the elements that break it.
async fn axe(web: &WebDriver) -> Value {
    static SOURCE: LazyLock<String> = LazyLock::new(axe_source);
    web.execute(SOURCE.as_str(), vec![]).await.unwrap();
    let run = r#"
        const done = arguments[arguments.length - 1];
        const runOnly = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
        axe.run(document, { runOnly, resultTypes: ["violations"] }).then(
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
fn axe_source() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/axe-core");
    let file = folder.join("package/axe.min.js");
    if !file.exists() {
        std::fs::create_dir_all(&folder).unwrap();
        let order = "npm pack --silent axe-core@4.11.1 && tar xzf axe-core-*.tgz";
        let done = Command::new("sh").args(["-c", order]).current_dir(&folder).output().unwrap();
        assert!(done.status.success(), "npm: {}", String::from_utf8_lossy(&done.stderr));
    }
    std::fs::read_to_string(file).unwrap()
}
