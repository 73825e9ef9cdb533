//! Sessions that send without pause, as Postfix's smtp-source does: every command is sent when the
//! reply to the one before has come, the content goes out whole. One thread drives them all, so that
//! the load costs little beside what it measures.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};

use super::mail::Mail;

/// How a load is given.
#[derive(Clone)]
pub struct Load {
    pub target: SocketAddr,
    pub from: String,
    pub to: String,
    pub sessions: usize,
    /// A connection for each mail, or one for all mails of a session.
    pub one_per_connection: bool,
    pub size: usize,
    pub until: Until,
}

/// When a load ends. Mails under way are finished.
#[derive(Clone, Copy)]
pub enum Until {
    Elapsed(Duration),
    Mails(u64),
}

/// What came of it.
#[derive(Default)]
pub struct Outcome {
    /// Mails answered 250.
    pub accepted: u64,
    /// Mails and connections answered otherwise, or cut.
    pub refused: u64,
    pub elapsed: Duration,
    /// From the final dot to its reply, in microseconds, sorted.
    pub latencies: Vec<u32>,
}

impl Outcome {
    /// Mails a second.
    pub fn rate(&self) -> f64 {
        self.accepted as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency in milliseconds below which this share of the mails stayed.
    pub fn latency_ms(&self, share: f64) -> f64 {
        let last = self.latencies.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        self.latencies.get(at).map_or(f64::NAN, |micros| f64::from(*micros) / 1_000.0)
    }
}

/// What the sessions share.
struct Shared {
    load: Load,
    first: u64,
    taken: Cell<u64>,
    began: Instant,
    outcome: RefCell<Outcome>,
}

impl Load {
    /// Gives the load; mails are numbered from `first` on, which moves past those that were sent.
    pub fn give(self, first: &mut u64) -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let shared = Rc::new(Shared {
            load: self,
            first: *first,
            taken: Cell::new(0),
            began: Instant::now(),
            outcome: RefCell::default(),
        });
        LocalSet::new().block_on(&runtime, Shared::run_all(Rc::clone(&shared)));
        *first += shared.taken.get();
        let mut outcome = shared.outcome.take();
        outcome.elapsed = shared.began.elapsed();
        outcome.latencies.sort_unstable();
        outcome
    }
}

impl Shared {
    async fn run_all(shared: Rc<Self>) {
        let mut sessions = JoinSet::new();
        for _ in 0..shared.load.sessions {
            let shared = Rc::clone(&shared);
            sessions.spawn_local(async move { shared.run().await });
        }
        sessions.join_all().await;
    }

    async fn run(&self) {
        let mut mail = Mail::new(&self.load.from, self.load.size);
        let mut connection = None;
        while let Some(number) = self.next() {
            if let Err(error) = self.send(&mut connection, mail.numbered(number)).await {
                self.refused(&error);
                connection = None;
            }
        }
        if let Some(connection) = connection {
            let _ = Connection::quit(connection).await;
        }
    }

    /// The number of the next mail, if there is to be one.
    fn next(&self) -> Option<u64> {
        let taken = self.taken.get();
        let over = match self.load.until {
            Until::Elapsed(time) => self.began.elapsed() >= time,
            Until::Mails(mails) => taken >= mails,
        };
        if over {
            return None;
        }
        self.taken.set(taken + 1);
        Some(self.first + taken)
    }

    async fn send(&self, slot: &mut Option<Connection>, mail: &[u8]) -> std::io::Result<()> {
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => Connection::open(self.load.target).await?,
        };
        let latency = connection.send(&self.load, mail).await?;
        self.accepted(latency);
        if self.load.one_per_connection {
            connection.quit().await?;
        } else {
            *slot = Some(connection);
        }
        Ok(())
    }

    fn accepted(&self, latency: Duration) {
        let mut outcome = self.outcome.borrow_mut();
        outcome.accepted += 1;
        outcome.latencies.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
    }

    fn refused(&self, error: &std::io::Error) {
        let mut outcome = self.outcome.borrow_mut();
        if outcome.refused == 0 {
            eprintln!("  refused: {error}");
        }
        outcome.refused += 1;
    }
}

/// A connection after EHLO.
struct Connection {
    socket: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(target: SocketAddr) -> std::io::Result<Self> {
        let socket = TcpStream::connect(target).await?;
        socket.set_nodelay(true)?;
        let mut connection = Self { socket, buffer: Vec::with_capacity(1_024) };
        connection.wanted(b'2').await?;
        connection.command(b"EHLO load.test\r\n", b'2').await?;
        Ok(connection)
    }

    /// Sends one mail; the time from its final dot to the reply.
    async fn send(&mut self, load: &Load, mail: &[u8]) -> std::io::Result<Duration> {
        self.command(format!("MAIL FROM:<{}>\r\n", load.from).as_bytes(), b'2').await?;
        self.command(format!("RCPT TO:<{}>\r\n", load.to).as_bytes(), b'2').await?;
        self.command(b"DATA\r\n", b'3').await?;
        self.socket.write_all(mail).await?;
        let dot = Instant::now();
        self.wanted(b'2').await?;
        Ok(dot.elapsed())
    }

    async fn quit(mut self) -> std::io::Result<()> {
        self.command(b"QUIT\r\n", b'2').await
    }

    async fn command(&mut self, line: &[u8], wanted: u8) -> std::io::Result<()> {
        self.socket.write_all(line).await?;
        self.wanted(wanted).await
    }

    /// Reads one reply, which must begin with this digit.
    async fn wanted(&mut self, digit: u8) -> std::io::Result<()> {
        self.buffer.clear();
        while !is_whole(&self.buffer) {
            if self.socket.read_buf(&mut self.buffer).await? == 0 {
                return Err(std::io::Error::other("closed by the server"));
            }
        }
        if self.buffer.first() == Some(&digit) {
            return Ok(());
        }
        Err(std::io::Error::other(String::from_utf8_lossy(&self.buffer).into_owned()))
    }
}

/// The last line of a reply has a blank after its code (RFC 5321 4.2).
fn is_whole(reply: &[u8]) -> bool {
    let Some(lines) = reply.strip_suffix(b"\r\n") else { return false };
    let last = lines.rsplit(|byte| *byte == b'\n').next().unwrap_or(lines);
    last.get(3) != Some(&b'-')
}
