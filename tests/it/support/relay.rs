//! A scripted SMTP server: it takes mail as any relay does, but for the steps at which the script says
//! otherwise.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What is done at a step instead of what a relay does.
#[derive(Clone, Debug)]
pub enum Act {
    /// Says this.
    Say(String),
    /// Closes without a word.
    Close,
    /// Says this, again and again, without end.
    Flood(String),
}

/// Where a session is: `connect`, a command in capitals, or `.` for the end of a mail; and how many times
/// the relay has come to it, from 1.
pub type Script = dyn Fn(&str, usize) -> Option<Act> + Send + Sync;

/// A mail that came.
#[derive(Clone, Debug, Default)]
pub struct Received {
    pub from: String,
    pub to: Vec<String>,
    pub content: String,
}

/// A relay that runs as long as it is there.
pub struct Relay {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    script: Box<Script>,
    mails: Mutex<Vec<Received>>,
    /// Every step in order.
    steps: Mutex<Vec<String>>,
    /// Connections that are open, and the most that were.
    open: Mutex<(usize, usize)>,
    /// It signs in whoever comes with a token.
    takes_tokens: bool,
}

impl Relay {
    /// One that takes everything.
    pub fn start() -> Self {
        Self::scripted(|_, _| None)
    }

    pub fn scripted(script: impl Fn(&str, usize) -> Option<Act> + Send + Sync + 'static) -> Self {
        Self::listen(Box::new(script), false)
    }

    /// One that a mailbox sends through: it signs in whoever comes with a token.
    pub fn of_mailboxes(
        script: impl Fn(&str, usize) -> Option<Act> + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Box::new(script), true)
    }

    fn listen(script: Box<Script>, takes_tokens: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            script,
            mails: Mutex::default(),
            steps: Mutex::default(),
            open: Mutex::default(),
            takes_tokens,
        });
        let served = Arc::clone(&shared);
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&served);
                std::thread::spawn(move || {
                    shared.opened();
                    shared.session(socket);
                    shared.closed();
                });
            }
        });
        Self { address, shared }
    }

    /// What came so far.
    pub fn mails(&self) -> Vec<Received> {
        self.shared.mails.lock().expect("no panic").clone()
    }

    /// How often it came to a step.
    pub fn count(&self, step: &str) -> usize {
        self.shared.steps.lock().expect("no panic").iter().filter(|it| *it == step).count()
    }

    /// How many connections there were at once, at most.
    pub fn most_at_once(&self) -> usize {
        self.shared.open.lock().expect("no panic").1
    }

    /// Waits until so many mails have come.
    pub fn wait_for(&self, count: usize) -> Vec<Received> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let mails = self.mails();
            if mails.len() >= count {
                return mails;
            }
            assert!(Instant::now() < deadline, "only {} of {count} mails came", mails.len());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Shared {
    fn opened(&self) {
        let mut open = self.open.lock().expect("no panic");
        open.0 += 1;
        open.1 = open.1.max(open.0);
    }

    fn closed(&self) {
        self.open.lock().expect("no panic").0 -= 1;
    }

    /// What is said at a step; `None` closes.
    fn act(&self, socket: &mut TcpStream, step: &str, usual: &str) -> Option<u16> {
        let count = {
            let mut steps = self.steps.lock().expect("no panic");
            steps.push(step.to_owned());
            steps.iter().filter(|it| *it == step).count()
        };
        let said = match (self.script)(step, count) {
            None => usual.to_owned(),
            Some(Act::Say(text)) => text,
            Some(Act::Close) => return None,
            Some(Act::Flood(text)) => loop {
                socket.write_all(text.as_bytes()).ok()?;
            },
        };
        socket.write_all(format!("{said}\r\n").as_bytes()).ok()?;
        said.get(..3).and_then(|code| code.parse().ok())
    }

    fn session(&self, mut socket: TcpStream) -> Option<()> {
        socket.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
        let mut lines = BufReader::new(socket.try_clone().ok()?);
        self.act(&mut socket, "connect", "220 relay.test ESMTP")?;
        let mut mail = Received::default();
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let command = line.trim().to_owned();
            let word = command.split(' ').next().unwrap_or_default().to_uppercase();
            let usual = match word.as_str() {
                "EHLO" if self.takes_tokens => "250-relay.test\r\n250-8BITMIME\r\n250 AUTH XOAUTH2",
                "AUTH" => "235 2.7.0 Welcome",
                "EHLO" => "250-relay.test\r\n250-8BITMIME\r\n250 SMTPUTF8",
                "DATA" => "354 go on",
                "QUIT" => "221 bye",
                _ => "250 2.0.0 Ok",
            };
            let code = self.act(&mut socket, &word, usual)?;
            let argument = || command.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
            match (word.as_str(), code) {
                ("MAIL", 250) => mail = Received { from: argument(), ..Received::default() },
                ("RCPT", 250) => mail.to.push(argument()),
                ("DATA", 354) => {
                    mail.content = content(&mut lines)?;
                    let code = self.act(&mut socket, ".", "250 2.0.0 Ok: queued as 4F1C");
                    if code.is_none_or(|code| code == 250) {
                        self.mails.lock().expect("no panic").push(std::mem::take(&mut mail));
                    }
                    code?;
                }
                ("QUIT", _) => return Some(()),
                _ => {}
            }
        }
    }
}

/// The mail up to its final dot, unstuffed, its line ends as they came.
fn content(lines: &mut impl BufRead) -> Option<String> {
    let mut content = String::new();
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == ".\r\n" {
            return Some(content);
        }
        content += line.strip_prefix('.').unwrap_or(&line);
    }
}
