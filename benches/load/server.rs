//! A server under load: Mailweave with a user to send as, or Debian's Postfix, which throws away what
//! it has queued.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use super::client::{Load, Outcome, Until};
use super::gateway::Gateway;
use super::postfix::Postfix;
use super::process::{Family, Memory};

/// A server, and how many mails it was sent.
pub struct Server {
    kind: Kind,
    from: String,
    to: String,
    sent: u64,
}

enum Kind {
    Mailweave(Gateway),
    Postfix(Postfix),
}

/// The shape of a load, whoever it is given to.
#[derive(Clone, Copy)]
pub struct Shape {
    pub sessions: usize,
    pub one_per_connection: bool,
    pub size: usize,
}

/// What a load came to.
pub struct Round {
    pub outcome: Outcome,
    /// CPU seconds of the server for 1,000 mails, with what it did afterwards.
    pub cpu: f64,
}

impl Server {
    /// A gateway on embedded SQLite that takes From as proof and any number of mails of a sender.
    pub fn mailweave() -> Self {
        let setup = Gateway::setup().with("SMTP__VERIFY", "off").with("LOG__FILTER", "warn");
        let gateway = setup.start();
        let account = gateway.account("anna@acme.test");
        Self {
            from: account.email,
            to: account.bcc_address,
            kind: Kind::Mailweave(gateway),
            sent: 0,
        }
    }

    pub fn postfix() -> Self {
        let kind = Kind::Postfix(Postfix::discarding());
        Self { kind, from: "anna@acme.test".into(), to: "anna@elsewhere.test".into(), sent: 0 }
    }

    /// Gives a load, and waits until what it has left to do is done.
    pub fn load(&mut self, shape: Shape, until: Until) -> Round {
        let before = self.family().cpu_seconds();
        let load = Load {
            target: match &self.kind {
                Kind::Mailweave(gateway) => gateway.smtp(),
                Kind::Postfix(postfix) => postfix.address(),
            },
            from: self.from.clone(),
            to: self.to.clone(),
            sessions: shape.sessions,
            one_per_connection: shape.one_per_connection,
            size: shape.size,
            until,
        };
        let outcome = load.give(&mut self.sent);
        self.family().settle();
        let cpu = (self.family().cpu_seconds() - before) * 1_000.0 / outcome.accepted as f64;
        Round { outcome, cpu }
    }

    pub fn memory(&self) -> Memory {
        self.family().memory()
    }

    /// How many mails it was sent so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    fn family(&self) -> Family {
        Family(match &self.kind {
            Kind::Mailweave(gateway) => gateway.process_id(),
            Kind::Postfix(postfix) => postfix.process_id(),
        })
    }
}

/// The median time in milliseconds that 10 KB and their fdatasync take, where the servers keep theirs.
pub fn fdatasync_ms(times: usize) -> f64 {
    let directory = tempfile::tempdir().expect("a directory");
    let mut file = File::create(directory.path().join("log")).expect("a file");
    let mut all: Vec<Duration> = (0..times).map(|_| one_sync(&mut file)).collect();
    all.sort_unstable();
    all[times / 2].as_secs_f64() * 1_000.0
}

fn one_sync(file: &mut File) -> Duration {
    let began = Instant::now();
    file.write_all(&[b'x'; 10_240]).expect("written");
    file.sync_data().expect("synced");
    began.elapsed()
}
