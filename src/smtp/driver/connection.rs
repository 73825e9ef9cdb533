//! One connection: carries bytes and answers between the socket, the session and the receiver, and
//! ends it when the client is too slow.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::admission::{Place, Pressure};
use super::aside::Aside;
use super::pace::{Pace, patience, seconds};
use super::proxy::{self, Parsed};
use super::stream::Stream;
use super::{Log, Proxy, Shared, refused};
use crate::clock;
use crate::model::{Address, Route};
use crate::smtp::limits::Limits;
use crate::smtp::reply::{self, Reply};
use crate::smtp::session::{self, Action, Closing, Phase, SET_ASIDE_FROM, Session};
use crate::smtp::{Delivery, MailObject, Receiver, Rejection, Unavailable};

/// A connection and its session.
pub struct Connection<R> {
    shared: Arc<Shared<R>>,
    /// As they were when it began.
    options: Arc<session::Options>,
    session: Session,
    stream: Stream,
    peer: IpAddr,
    place: Place,
    /// The beginning of a large mail.
    aside: Option<Aside>,
    pressure: watch::Receiver<Pressure>,
    pace: Pace,
    buffer: Vec<u8>,
    /// Lines that this connection may still write to the log.
    lines: u32,
}

/// Why there is nothing more to be said to the client.
enum End {
    /// It is gone, or does not take what is sent.
    Gone,
    /// The session has ended.
    Closed,
}

const COMMAND_BUFFER: usize = 4_096;
const CONTENT_BUFFER: usize = 16_384;
const LARGE_BUFFER: usize = 65_536;
/// A connection that is refused much must not fill the disk with its log.
const LINES_MAX: u32 = 30;

impl<R: Receiver> Connection<R> {
    /// A connection that has just been accepted.
    pub fn new(stream: TcpStream, peer: IpAddr, shared: Arc<Shared<R>>, place: Place) -> Self {
        let options = shared.settings.session.load_full();
        Self {
            session: Session::new(Arc::clone(&options), peer),
            options,
            stream: Stream::Plain(stream),
            peer,
            place,
            aside: None,
            pressure: shared.settings.admission.pressure(),
            pace: Pace::new(),
            buffer: Vec::new(),
            lines: LINES_MAX,
            shared,
        }
    }

    /// Runs it to its end.
    pub async fn run(mut self) {
        if self.shared.proxy != Proxy::Absent && !self.learn_peer().await {
            return;
        }
        loop {
            let action = self.session.poll(clock::now());
            if let Err(end) = self.act(action).await {
                if matches!(end, End::Closed) {
                    self.stream.linger().await;
                }
                tracing::debug!(
                    peer = %self.peer,
                    helo = %self.session.helo().escape_debug(),
                    mails = self.session.mails(),
                    "Connection of {} closed.",
                    self.peer
                );
                return;
            }
        }
    }

    async fn act(&mut self, action: Action) -> Result<(), End> {
        match action {
            Action::Write(bytes) => return self.write(&bytes).await,
            Action::NeedInput => return self.read().await,
            Action::StartTls => return self.start_tls().await,
            Action::Close => return Err(End::Closed),
            Action::AskRecipient(address) => self.look_up(&address).await,
            Action::SetAside { bytes, behind } => self.set_aside(bytes, behind).await,
            Action::Deliver { mail, aside } => self.deliver(mail, aside).await,
            Action::Reject(rejection) => self.reject(rejection).await,
            Action::Note(reply) => self.note(reply),
        }
        Ok(())
    }

    fn limits(&self) -> &Limits {
        &self.options.limits
    }

    /// Learns from the load balancer who the client is. `false`: the connection ends.
    async fn learn_peer(&mut self) -> bool {
        let deadline = Instant::now() + seconds(self.limits().proxy_seconds);
        let source = loop {
            match proxy::parse(&self.buffer) {
                Parsed::Header { source, length } => {
                    self.session.handle_bytes(self.buffer.get(length..).unwrap_or_default());
                    break source;
                }
                Parsed::Invalid => {
                    self.count("proxy_header_missing");
                    return false;
                }
                Parsed::Partial => {}
            }
            let Stream::Plain(stream) = &mut self.stream else { return false };
            match timeout_at(deadline, stream.read_buf(&mut self.buffer)).await {
                Ok(Ok(count)) if count > 0 => {}
                _ => {
                    self.count("proxy_header_missing");
                    return false;
                }
            }
        };
        self.buffer.clear();
        self.come_from(source.map_or(self.peer, |ip| ip.to_canonical())).await
    }

    /// Counts the connection to the client's true address.
    async fn come_from(&mut self, peer: IpAddr) -> bool {
        self.peer = peer;
        self.session.handle_peer(peer);
        if self.place.take(peer) {
            return true;
        }
        self.note(reply::TOO_MANY_CONNECTIONS);
        let mut output = Vec::new();
        reply::TOO_MANY_CONNECTIONS.write(&mut output);
        if self.write(&output).await.is_ok() {
            self.stream.linger().await;
        }
        false
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), End> {
        let written = timeout(seconds(self.limits().write_seconds), self.stream.write(bytes)).await;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => {
                self.count("replies_not_read");
                Err(End::Gone)
            }
        }
    }

    async fn read(&mut self) -> Result<(), End> {
        if self.session.phase() == Phase::Command {
            self.aside = None;
        }
        self.pace.wait(&self.session);
        self.fit_buffer();
        loop {
            let pressure = *self.pressure.borrow_and_update();
            if matches!(pressure, Pressure::Stopping(_)) && self.session.phase() == Phase::Command {
                self.session.handle_closing(Closing::Stopping);
                return Ok(());
            }
            let deadline = self.pace.deadline(self.limits(), pressure, self.session.phase());
            tokio::select! {
                biased;
                read = self.stream.read(&mut self.buffer) => return self.take(read),
                // The deadline is another now.
                _ = self.pressure.changed() => {}
                () = tokio::time::sleep_until(deadline) => {
                    self.session.handle_closing(Closing::TooSlow);
                    return Ok(());
                }
            }
        }
    }

    fn take(&mut self, read: io::Result<usize>) -> Result<(), End> {
        match read {
            Ok(0) | Err(_) => Err(End::Gone),
            Ok(count) => {
                self.pace.read(count);
                self.session.handle_bytes(&self.buffer);
                self.buffer.clear();
                Ok(())
            }
        }
    }

    /// Idle connections keep little memory, large mails come in large pieces.
    fn fit_buffer(&mut self) {
        let size = match self.session.phase() {
            Phase::Command => COMMAND_BUFFER,
            Phase::Content if self.pace.received() < SET_ASIDE_FROM as u64 => CONTENT_BUFFER,
            Phase::Content => LARGE_BUFFER,
        };
        if self.buffer.capacity() != size {
            self.buffer = Vec::with_capacity(size);
        }
    }

    async fn start_tls(&mut self) -> Result<(), End> {
        let stream = std::mem::replace(&mut self.stream, Stream::Closed);
        let (Stream::Plain(stream), Some(acceptor)) = (stream, &self.shared.tls) else {
            return Err(End::Gone);
        };
        // Boxed: a handshake is large, and short against the connection.
        let handshake = Box::pin(acceptor.accept(stream));
        let pressure = *self.pressure.borrow();
        let limit = patience(self.limits(), pressure, self.limits().handshake_seconds);
        match timeout(limit, handshake).await {
            Ok(Ok(stream)) => {
                self.stream = Stream::Tls(Box::new(stream));
                self.session.handle_tls();
                Ok(())
            }
            _ => {
                self.count("tls_handshake_failed");
                Err(End::Gone)
            }
        }
    }

    async fn look_up(&mut self, address: &Address) {
        let limit = seconds(self.limits().lookup_seconds);
        let answer = timeout(limit, self.shared.receiver.route(address)).await;
        let answer = answer.unwrap_or(Err(Unavailable));
        let is_miss = matches!(answer, Ok(Route::Unknown | Route::Revoked { .. }));
        if is_miss && !self.shared.settings.admission.may_miss(self.peer) {
            self.session.handle_closing(Closing::TooManyUnknown);
        } else {
            self.session.handle_recipient(answer);
        }
    }

    async fn set_aside(&mut self, bytes: Vec<u8>, behind: u64) {
        let began = Instant::now();
        if behind == 0 {
            // What is left is of a mail that was given up.
            self.aside = None;
        }
        if let Err(error) = self.put_aside(bytes).await {
            tracing::warn!(code = "no_room_aside", %error, "There is no room for a large mail.");
            self.aside = None;
            self.session.handle_no_room();
        }
        self.pace.excuse(began.elapsed());
    }

    async fn put_aside(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        let aside = match &mut self.aside {
            Some(aside) => aside,
            none => none.insert(Aside::open(&self.shared.directory).await?),
        };
        aside.put(bytes).await
    }

    async fn deliver(&mut self, mail: MailObject, aside: u64) {
        let limit = seconds(self.limits().delivery_seconds);
        // Boxed: few mails are large.
        let delivery = match aside {
            0 => timeout(limit, self.shared.receiver.deliver(mail)).await,
            _ => timeout(limit, Box::pin(self.deliver_large(mail, aside))).await,
        };
        let delivery = delivery.unwrap_or(Delivery::Unavailable);
        if delivery == Delivery::Durable {
            metrics::counter!("mailweave_smtp_mails_total").increment(1);
        }
        self.aside = None;
        self.session.handle_delivery(delivery);
    }

    /// Brings the mail together in memory, of which there is so much for all large mails.
    async fn deliver_large(&mut self, mail: MailObject, bytes: u64) -> Delivery {
        let Some(aside) = self.aside.take().filter(|aside| aside.bytes() == bytes) else {
            return Delivery::Unavailable;
        };
        let size = bytes + mail.content.len() as u64;
        let Some(_memory) = self.shared.settings.admission.memory(size).await else {
            return Delivery::Busy;
        };
        match aside.take(mail.content).await {
            Ok(content) => self.shared.receiver.deliver(MailObject { content, ..mail }).await,
            Err(error) => {
                tracing::error!(code = "aside_lost", %error, "A large mail cannot be read back.");
                Delivery::Unavailable
            }
        }
    }

    async fn reject(&mut self, rejection: Rejection) {
        let limit = seconds(self.limits().lookup_seconds);
        if timeout(limit, self.shared.receiver.reject(rejection)).await.is_err() {
            self.count("rejection_not_told");
        }
    }

    fn note(&mut self, reply: Reply) {
        let log = self.log();
        refused(self.peer, reply, log);
    }

    /// Notes an end that the client is not told of.
    fn count(&mut self, code: &'static str) {
        metrics::counter!("mailweave_smtp_refusals_total", "code" => code).increment(1);
        if self.log() == Log::Line {
            tracing::info!(code, peer = %self.peer, "Connection of {} cut off: {code}.", self.peer);
        }
    }

    fn log(&mut self) -> Log {
        let log = if self.lines > 0 { Log::Line } else { Log::Nothing };
        self.lines = self.lines.saturating_sub(1);
        log
    }
}
