//! Several sessions that send distinct mails without pause, and go on as a mail server does: what was
//! not answered 250 is sent again until it is.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::gateway::Account;
use super::sender::Sender;

/// How many contacts the mails of a session go to, in turn.
const CONTACTS: usize = 20;

/// Load that runs until it is stopped.
pub struct Load {
    shared: Arc<Shared>,
    sessions: Vec<JoinHandle<Vec<String>>>,
}

struct Shared {
    account: Account,
    /// Where the gateway listens; nowhere while it is down.
    target: Mutex<Option<SocketAddr>>,
    stopping: AtomicBool,
    acknowledged: AtomicUsize,
}

impl Load {
    pub fn start(account: &Account, sessions: usize, target: SocketAddr) -> Self {
        let shared = Arc::new(Shared {
            account: account.clone(),
            target: Mutex::new(Some(target)),
            stopping: AtomicBool::new(false),
            acknowledged: AtomicUsize::new(0),
        });
        let session = |number| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.run(number))
        };
        let sessions = (0..sessions).map(session).collect();
        Self { shared, sessions }
    }

    /// The gateway listens here from now on, or nowhere.
    pub fn aim(&self, target: Option<SocketAddr>) {
        *self.shared.target.lock().expect("no panic") = target;
    }

    /// How many mails were answered 250 so far.
    pub fn acknowledged(&self) -> usize {
        self.shared.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until so many more mails have been answered 250.
    pub fn wait_for(&self, more: usize) {
        let wanted = self.acknowledged() + more;
        while self.acknowledged() < wanted {
            assert!(!self.sessions.iter().any(JoinHandle::is_finished), "a session has failed");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends when each session's mail has been answered 250; all Message-IDs, each answered so once.
    pub fn stop(self) -> Vec<String> {
        self.shared.stopping.store(true, Ordering::Relaxed);
        let ids = self.sessions.into_iter().map(|session| session.join().expect("no panic"));
        ids.flatten().collect()
    }
}

impl Shared {
    fn run(&self, session: usize) -> Vec<String> {
        let mut sent = Vec::new();
        let mut connection = None;
        while !self.stopping.load(Ordering::Relaxed) {
            let id = format!("{session}-{}@load.test", sent.len());
            let content = mail(&self.account.email, &id);
            self.send_until_acknowledged(&mut connection, &content);
            self.acknowledged.fetch_add(1, Ordering::Relaxed);
            sent.push(id);
        }
        sent
    }

    fn send_until_acknowledged(&self, connection: &mut Option<Sender>, content: &str) {
        loop {
            match self.try_send(connection, content) {
                Ok(250) => return,
                // Nothing is refused for good here: that would be a lost mail.
                Ok(code) => assert!((400..500).contains(&code), "answered {code}"),
                Err(_) => *connection = None,
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn try_send(&self, connection: &mut Option<Sender>, content: &str) -> std::io::Result<u16> {
        let target = *self.target.lock().expect("no panic");
        let down = || std::io::Error::other("the gateway is down");
        let sender = match connection {
            Some(sender) => sender,
            None => connection.insert(Sender::connect(target.ok_or_else(down)?)?),
        };
        let Account { email, bcc_address, .. } = &self.account;
        Ok(sender.send(email, bcc_address, content.as_bytes())?.code)
    }
}

/// The number of the contact that a mail goes to, by its Message-ID `SESSION-NUMBER@load.test`.
pub fn contact_of(id: &str) -> usize {
    let number = id.split(['-', '@']).nth(1).and_then(|number| number.parse::<usize>().ok());
    number.expect("an id of this load") % CONTACTS
}

fn mail(from: &str, id: &str) -> String {
    let contact = contact_of(id);
    format!(
        "From: Anna Actor <{from}>\r\nTo: Contact {contact} <contact-{contact}@customer.test>\r\n\
         Subject: Mail {id}\r\nDate: Mon, 16 Nov 2026 10:00:00 +0100\r\nMessage-ID: <{id}>\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\nThis is the mail {id}.\r\n{}",
        "It says nothing else, again and again.\r\n".repeat(40)
    )
}
