//! The real binary, run as an operator runs it: `mailweave serve` with a throw-away data directory, on
//! ports that the system chooses, configured through the environment.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::http::Caller;

/// How long a debug binary on a busy machine may take to be ready, or to stop.
const PATIENCE: Duration = Duration::from_secs(60);
const ADMIN_TOKEN: &str = "the-admin-token-of-the-tests";

/// How a gateway is to be run.
pub struct Setup {
    environment: BTreeMap<String, String>,
    /// What the gateway is run under: `strace …`, `prlimit …`.
    wrapper: Vec<String>,
    directory: TempDir,
}

/// A gateway that runs. Dropping it kills it.
pub struct Gateway {
    setup: Setup,
    process: Process,
}

/// A sub-account with one user, and what is needed to act as either.
#[derive(Clone, Debug)]
pub struct Account {
    pub user_id: String,
    /// The user's sign-in address.
    pub email: String,
    pub bcc_address: String,
    /// Calls the API with the sub-account's token.
    pub api: Caller,
}

/// The process, and where it listens.
struct Process {
    child: Child,
    http: SocketAddr,
    smtp: SocketAddr,
    /// What it printed before it was ready.
    greeting: String,
}

impl Setup {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let setup = Self { environment: BTreeMap::new(), wrapper: Vec::new(), directory };
        let data = setup.data_dir().display().to_string();
        setup
            .with("DATA_DIR", data)
            .with("SMTP__LISTEN", "127.0.0.1:0")
            .with("HTTP__LISTEN", "127.0.0.1:0")
            .with("HTTP__ADMIN_TOKEN", ADMIN_TOKEN)
    }

    /// A key of the configuration: `SMTP__VERIFY`, and its value.
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.environment.insert(format!("MAILWEAVE_{key}"), value.into());
        self
    }

    /// Runs the gateway under another program: `strace …`, `prlimit …`.
    pub fn under<const N: usize>(mut self, command: [&str; N]) -> Self {
        self.wrapper = command.map(str::to_owned).to_vec();
        self
    }

    pub fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    pub fn start(self) -> Gateway {
        let process = Process::start(&self);
        Gateway { setup: self, process }
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn command(&self) -> Command {
        let mut words = self.wrapper.iter().map(String::as_str).collect::<Vec<_>>();
        words.extend([env!("CARGO_BIN_EXE_mailweave"), "serve"]);
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).current_dir(self.directory.path()).envs(&self.environment);
        command
    }
}

impl Gateway {
    /// One with the defaults: embedded SQLite, certificates of its own.
    pub fn start() -> Self {
        Self::setup().start()
    }

    /// One that is still to be described.
    pub fn setup() -> Setup {
        Setup::new()
    }

    pub fn smtp(&self) -> SocketAddr {
        self.process.smtp
    }

    pub fn http(&self) -> SocketAddr {
        self.process.http
    }

    pub fn process_id(&self) -> u32 {
        self.process.child.id()
    }

    pub fn directory(&self) -> &Path {
        self.setup.directory.path()
    }

    /// The variables that it is configured with, for commands beside it.
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.setup.environment
    }

    pub fn data_dir(&self) -> PathBuf {
        self.setup.data_dir()
    }

    /// What it printed before it was ready.
    pub fn greeting(&self) -> &str {
        &self.process.greeting
    }

    /// Everything it has logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.setup.log()).unwrap_or_default()
    }

    /// Calls the API as the operator.
    pub fn admin(&self) -> Caller {
        Caller { address: self.http(), token: ADMIN_TOKEN.to_owned() }
    }

    /// Makes a sub-account with one user.
    pub fn account(&self, email: &str) -> Account {
        let made = self.admin().post("/api/v1/sub-accounts", &json!({"name": email})).expect(201);
        let api = Caller { address: self.http(), token: text(&made["api_token"]) };
        let user = json!({"name": "Anna Actor", "email": email});
        let user = api.post("/api/v1/users", &user).expect(201);
        Account {
            user_id: text(&user["id"]),
            email: email.to_owned(),
            bcc_address: text(&user["bcc_address"]),
            api,
        }
    }

    /// The same account, at the port where the gateway listens now.
    pub fn again(&self, account: &Account) -> Account {
        let mut account = account.clone();
        account.api.address = self.http();
        account
    }

    /// Sends it a signal by name: `TERM`, `HUP`, `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        let order = format!("kill -{name} {}", self.process_id());
        let status = Command::new("sh").args(["-c", &order]).status().expect("sh");
        assert!(status.success(), "{order}: {status}");
    }

    /// `kill -9`, and gone.
    pub fn kill9(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same data, at other ports; says how long that took.
    pub fn restart(&mut self) -> Duration {
        self.process.kill();
        let began = Instant::now();
        self.process = Process::start(&self.setup);
        began.elapsed()
    }

    /// Waits until it has ended by itself.
    pub fn wait_for_exit(&mut self, patience: Duration) -> ExitStatus {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.process.child.try_wait().expect("a status") {
                return status;
            }
            assert!(Instant::now() < deadline, "still running after {patience:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.process.kill();
        if std::thread::panicking() {
            eprintln!("--- what the gateway logged ---\n{}", self.log());
        }
    }
}

impl Process {
    fn start(setup: &Setup) -> Self {
        let log = File::options().create(true).append(true).open(setup.log()).expect("a log");
        let mut child = setup
            .command()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the binary runs");
        match ready_line(&mut child) {
            Some((greeting, http, smtp)) => Self { child, http, smtp, greeting },
            None => {
                let _ = child.kill();
                let log = std::fs::read_to_string(setup.log()).unwrap_or_default();
                panic!("the gateway was not ready; it logged:\n{log}");
            }
        }
    }

    fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for `ready http=ADDR smtp=ADDR`. Whatever else is printed is read, so that no pipe fills up.
fn ready_line(child: &mut Child) -> Option<(String, SocketAddr, SocketAddr)> {
    let lines = BufReader::new(child.stdout.take()?).lines();
    let (found, wait) = mpsc::channel();
    std::thread::spawn(move || {
        let mut greeting = String::new();
        for line in lines.map_while(Result::ok) {
            if let Some((http, smtp)) = parse_ready(&line) {
                let _ = found.send((std::mem::take(&mut greeting), http, smtp));
            }
            greeting += &line;
            greeting.push('\n');
        }
    });
    wait.recv_timeout(PATIENCE).ok()
}

fn parse_ready(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let (http, smtp) = line.strip_prefix("ready http=")?.split_once(" smtp=")?;
    Some((http.trim().parse().ok()?, smtp.trim().parse().ok()?))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text, not {value}")).to_owned()
}
