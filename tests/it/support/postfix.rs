//! Debian's Postfix as a private instance: its own configuration, queue and port, nothing of the
//! system's. It relays to a gateway, or throws away what it takes.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A Postfix that runs. Dropping it stops it.
pub struct Postfix {
    directory: TempDir,
    address: SocketAddr,
}

/// Debian's master.cf with every service outside the chroot and nothing that leaves the instance.
const SERVICES: &str = "\
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
verify    unix  -       -       n       -       1       verify
flush     unix  n       -       n       1000?   0       flush
proxymap  unix  -       -       n       -       -       proxymap
smtp      unix  -       -       n       -       -       smtp
showq     unix  n       -       n       -       -       showq
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
discard   unix  -       -       n       -       -       discard
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
postlog   unix-dgram n  -       n       -       1       postlogd
";

impl Postfix {
    /// One that relays mail for `bcc.localhost` to the gateway and soon tries again what was put off.
    /// `settings` are further lines of main.cf.
    pub fn relaying_to(gateway: SocketAddr, settings: &str) -> Self {
        let next_hop = format!("smtp:[{}]:{}", gateway.ip(), gateway.port());
        Self::start(&format!(
            "relay_domains = bcc.localhost\n\
             relay_transport = {next_hop}\n\
             default_transport = error:this instance sends nothing else\n\
             minimal_backoff_time = 1s\nmaximal_backoff_time = 1s\nqueue_run_delay = 1s\n\
             {settings}\n"
        ))
    }

    /// One with default settings that accepts everything and delivers it to nowhere.
    pub fn discarding() -> Self {
        Self::start("default_transport = discard:\n")
    }

    fn start(settings: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path();
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).expect("permissions");
        for part in ["config", "queue", "data"] {
            fs::create_dir(root.join(part)).expect("a directory");
        }
        let owned = as_root("chown").arg("postfix").arg(root.join("data")).status();
        assert!(owned.expect("chown").success(), "Postfix needs its user: run ./test as root");
        let address = free_address();
        let listener = format!("{address} inet  n       -       n       -       -       smtpd\n");
        fs::write(root.join("config/master.cf"), listener + SERVICES).expect("master.cf");
        fs::write(root.join("config/main.cf"), main_cf(root, settings)).expect("main.cf");
        let postfix = Self { directory, address };
        postfix.order("start");
        postfix.wait_until_ready();
        postfix
    }

    /// Where it takes mail.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process id of its master.
    pub fn process_id(&self) -> u32 {
        let file = fs::read_to_string(self.directory.path().join("queue/pid/master.pid"));
        file.expect("a pid file").trim().parse().expect("a process id")
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Has it passed on everything it took?
    pub fn is_idle(&self) -> bool {
        is_empty(&self.directory.path().join("queue"))
    }

    /// Waits until the log says so; the log.
    pub fn wait_for_log(&self, words: &str, patience: Duration) -> String {
        let deadline = Instant::now() + patience;
        loop {
            let log = self.log();
            if log.contains(words) {
                return log;
            }
            assert!(Instant::now() < deadline, "Postfix never said {words:?}:\n{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn order(&self, word: &str) {
        let config = self.directory.path().join("config");
        let output = as_root("postfix").arg("-c").arg(config).arg(word).output().expect("postfix");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "postfix {word}: {said}\n{}", self.log());
    }

    fn wait_until_ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(self.address).is_err() {
            assert!(Instant::now() < deadline, "Postfix does not listen:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let config = self.directory.path().join("config");
        let _ = as_root("postfix").arg("-c").arg(config).arg("stop").output();
        if std::thread::panicking() {
            eprintln!("--- what Postfix logged ---\n{}", self.log());
        }
    }
}

/// Is there nothing in the queue of a Postfix?
pub fn is_empty(queue: &Path) -> bool {
    let mut folders =
        ["incoming", "active", "deferred", "maildrop"].map(|it| queue.join(it)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                _ => return false,
            }
        }
    }
    true
}

fn main_cf(root: &Path, settings: &str) -> String {
    let root = root.display();
    format!(
        "compatibility_level = 3.6\n\
         queue_directory = {root}/queue\n\
         data_directory = {root}/data\n\
         maillog_file = {root}/log\n\
         maillog_file_prefixes = {root}\n\
         myhostname = relay.test\n\
         mydestination =\n\
         mynetworks = 127.0.0.0/8\n\
         inet_interfaces = 127.0.0.1\n\
         inet_protocols = ipv4\n\
         smtputf8_enable = yes\n\
         alias_maps =\n\
         smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n\
         {settings}\n"
    )
}

/// A port that is free now. The system hands them out in turn, so nobody else gets it at once.
fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    listener.local_addr().expect("an address")
}

/// Postfix' master starts as root only.
fn as_root(program: &str) -> Command {
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let root = fs::metadata("/proc/self").is_ok_and(|own| {
        use std::os::unix::fs::MetadataExt;
        own.uid() == 0
    });
    let mut command = if root {
        Command::new(program)
    } else {
        let mut command = Command::new("sudo");
        command.args(["-n", program]);
        command
    };
    command.env("PATH", path);
    command
}
