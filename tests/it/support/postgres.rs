//! A private PostgreSQL for the tests: one cluster a run, a database a test, nothing left behind.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// The URL of a new, empty database.
pub async fn fresh_database() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(Cluster::start);
    let mut connection = cluster.connect().await;
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    sqlx::query(AssertSqlSafe(format!("create database {name}")))
        .execute(&mut connection)
        .await
        .unwrap();
    cluster.url(&name)
}

/// A server of one's own, which can be taken away. It goes when it is dropped.
pub struct Server {
    directory: tempfile::TempDir,
    user: Option<&'static str>,
}

impl Server {
    /// A running one.
    pub fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("mailweave-pg-").tempdir().unwrap();
        let user = initialise(directory.path());
        let server = Self { directory, user };
        server.again();
        server
    }

    /// The URL of its database.
    pub fn url(&self) -> String {
        let directory = self.directory.path().display();
        format!("postgres://mailweave@localhost/postgres?host={directory}")
    }

    /// Starts it again.
    pub fn again(&self) {
        let options = format!("-k {} -c listen_addresses=", self.directory.path().display());
        self.control(&["start", "-w", "-o", &options]);
    }

    /// It is gone, as if its machine were.
    pub fn stop(&self) {
        self.control(&["stop", "-m", "immediate"]);
    }

    fn control(&self, words: &[&str]) {
        let done = as_user(self.user, &programs().join("pg_ctl"))
            .arg("-D")
            .arg(self.directory.path().join("data"))
            .arg("-l")
            .arg(self.directory.path().join("log"))
            .args(words)
            .current_dir("/")
            .stdout(Stdio::null())
            .status();
        assert!(done.unwrap().success(), "pg_ctl {words:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.directory.path().join("data/postmaster.pid").exists() {
            self.stop();
        }
    }
}

struct Cluster {
    directory: PathBuf,
    /// Stops the server and removes its files when our end of its standard input is closed, which the
    /// kernel does even if the tests are killed.
    _keeper: Child,
}

const KEEPER: &str = r#"
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c max_connections=200 >"$2/log" 2>&1 &
cat
kill -QUIT $!
wait
rm -rf "$2"
"#;

impl Cluster {
    fn start() -> Self {
        let programs = programs();
        let directory = tempfile::Builder::new().prefix("mailweave-pg-").tempdir().unwrap().keep();
        let user = initialise(&directory);
        let keeper = as_user(user, Path::new("/bin/sh"))
            .args(["-c", KEEPER, "keeper"])
            .args([&programs, &directory])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { directory, _keeper: keeper }
    }

    fn url(&self, database: &str) -> String {
        format!("postgres://mailweave@localhost/{database}?host={}", self.directory.display())
    }

    async fn connect(&self) -> PgConnection {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            match PgConnection::connect(&self.url("postgres")).await {
                Ok(connection) => return connection,
                Err(error) if Instant::now() > deadline => {
                    let log = std::fs::read_to_string(self.directory.join("log"));
                    panic!("PostgreSQL does not start: {error}\n{}", log.unwrap_or_default());
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

/// Makes the files of a server; answers whose they are: initdb refuses root.
fn initialise(directory: &Path) -> Option<&'static str> {
    let user = id(&["-u"]).eq("0").then_some("nobody");
    if let Some(user) = user {
        let (uid, gid) = (id(&["-u", user]), id(&["-g", user]));
        let owner = (uid.parse().ok(), gid.parse().ok());
        std::os::unix::fs::chown(directory, owner.0, owner.1).unwrap();
    }
    let made = as_user(user, &programs().join("initdb"))
        .args(["-U", "mailweave", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
        .arg(directory.join("data"))
        .current_dir("/")
        .output()
        .unwrap();
    assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
    user
}

/// Where PostgreSQL's programs are: Debian keeps them out of the path.
fn programs() -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .chain(["/usr/local/bin", "/usr/bin"].map(PathBuf::from))
        .filter(|bin| bin.join("postgres").exists() && bin.join("initdb").exists())
        .collect();
    found.sort();
    let Some(bin) = found.pop() else {
        panic!("the tests need PostgreSQL: apt-get install postgresql");
    };
    bin
}

fn as_user(user: Option<&str>, program: &Path) -> Command {
    let Some(user) = user else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.args(["--reuid", user, "--regid", &id(&["-g", user]), "--clear-groups"]).arg(program);
    command
}

fn id(arguments: &[&str]) -> String {
    let output = Command::new("id").args(arguments).output().unwrap();
    std::io::stderr().write_all(&output.stderr).unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
