//! The SMTP server's side of a session (RFC 5321) as a machine without IO: bytes and answers go in by
//! `handle_*`, `poll` says what to do next. Sockets, clocks, TLS and the look-up of recipients are
//! `driver`'s; what becomes of a mail is the `Receiver`'s.

mod commands;
mod content;
mod data;
mod incoming;
mod input;
mod transaction;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;

use self::data::DataReader;
use self::input::{Input, Line};
use self::transaction::{Stage, Transaction};
use super::command;
use super::limits::Limits;
use super::reply::{self, Reply, Starttls};
use super::{Delivery, MailObject, Rejection, Unavailable};
use crate::model::{Address, Reason, Recipient, Route, Time};

pub use self::content::SET_ASIDE_FROM;

/// What all sessions of a listener have in common.
#[derive(Clone, Debug)]
pub struct Options {
    /// Our name in the greeting.
    pub hostname: String,
    /// The smart BCC domains, in the normal form of `Address`.
    pub domains: Vec<String>,
    /// The greatest mail, in bytes.
    pub max_message_bytes: u64,
    /// Whether there is a certificate.
    pub starttls: Starttls,
    pub limits: Limits,
}

/// What the driver is asked to do. It is done before `poll` is called again.
#[derive(Debug)]
pub enum Action {
    /// Send these bytes.
    Write(Vec<u8>),
    /// Whose is this address? The answer goes to `handle_recipient`.
    AskRecipient(Address),
    /// Keep this of a large mail until its end, behind so many bytes of it that were set aside before. If there
    /// is no room, `handle_no_room` says so.
    SetAside { bytes: Vec<u8>, behind: u64 },
    /// Make this mail durable, its content behind the bytes that were set aside; the answer goes to
    /// `handle_delivery`.
    Deliver { mail: MailObject, aside: u64 },
    /// Tell the receiver of a refusal.
    Reject(Rejection),
    /// Note for the operator that the client was refused something.
    Note(Reply),
    /// Start the TLS handshake; then `handle_tls`.
    StartTls,
    /// Read more for `handle_bytes`.
    NeedInput,
    /// Close the connection.
    Close,
}

/// What the client is at, for the driver's deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It sends a command, or none.
    Command,
    /// It sends the content of a mail.
    Content,
}

/// Why the driver ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    Stopping,
    TooSlow,
    TooManyUnknown,
}

/// One client's session.
#[derive(Debug)]
pub struct Session {
    options: Arc<Options>,
    peer: IpAddr,
    is_tls: bool,
    /// The name of EHLO or HELO.
    helo: Option<String>,
    transaction: Option<Transaction>,
    state: State,
    /// What the driver was asked and has not answered.
    asked: Option<Asked>,
    input: Input,
    output: Vec<u8>,
    actions: VecDeque<Action>,
    /// Commands handled, mails accepted, and errors and junk since the last mail.
    commands: u64,
    mails: u32,
    errors: u32,
    junk: u32,
}

#[derive(Debug)]
enum State {
    Command,
    Data(DataReader),
    Chunk(Chunk),
    Closed,
}

/// A chunk of BDAT that arrives (RFC 3030).
#[derive(Clone, Copy, Debug)]
struct Chunk {
    bytes: u64,
    left: u64,
    last: bool,
    /// Why its bytes are dropped: they must be read all the same.
    refused: Option<Reply>,
}

#[derive(Debug)]
enum Asked {
    Recipient(Address),
    Delivery,
    Tls,
}

/// What one step of the machine came to.
enum Step {
    /// Go on.
    Again,
    /// Nothing to go on with.
    Starved,
    /// Ask the driver.
    Ask(Action),
}

/// So much output is sent even though more replies of its group are to come.
const OUTPUT_MAX: usize = 16_384;

impl Session {
    /// A session that begins with the greeting.
    pub fn new(options: Arc<Options>, peer: IpAddr) -> Self {
        let mut output = Vec::new();
        reply::greeting(&mut output, &options.hostname);
        Self {
            options,
            peer,
            is_tls: false,
            helo: None,
            transaction: None,
            state: State::Command,
            asked: None,
            input: Input::default(),
            output,
            actions: VecDeque::new(),
            commands: 0,
            mails: 0,
            errors: 0,
            junk: 0,
        }
    }

    /// The client's true address, when a load balancer told it.
    pub fn handle_peer(&mut self, peer: IpAddr) {
        self.peer = peer;
    }

    /// Takes what was read.
    pub fn handle_bytes(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Closed) {
            self.input.push(bytes);
        }
    }

    /// Takes the answer to `AskRecipient`.
    pub fn handle_recipient(&mut self, answer: Result<Route, Unavailable>) {
        let Some(Asked::Recipient(address)) = self.asked.take() else { return };
        let Some(transaction) = &mut self.transaction else { return };
        match answer {
            Ok(route @ (Route::User { .. } | Route::Postmaster)) => {
                transaction.accept(address, route);
                self.reply(reply::RECIPIENT_OK);
            }
            Ok(Route::Unknown) => self.reply(reply::UNKNOWN_RECIPIENT),
            Ok(route @ Route::Revoked { .. }) => {
                self.actions.push_back(Action::Reject(Rejection {
                    recipients: vec![Recipient { address, route }],
                    reason: Reason::UnknownRecipient,
                    what: "sent to a smart BCC address that is no more".to_owned(),
                    header: Vec::new(),
                }));
                self.reply(reply::UNKNOWN_RECIPIENT);
            }
            // RULES B1: never 550 for a look-up that failed.
            Err(Unavailable) => self.reply(reply::UNAVAILABLE),
        }
    }

    /// What was to be set aside is lost: there is no room.
    pub fn handle_no_room(&mut self) {
        if let Some(transaction) = &mut self.transaction {
            transaction.content.refuse(content::Fault::NoRoom);
        }
    }

    /// Takes the answer to `Deliver`.
    pub fn handle_delivery(&mut self, delivery: Delivery) {
        let Some(Asked::Delivery) = self.asked.take() else { return };
        match delivery {
            Delivery::Durable => {
                self.mails = self.mails.saturating_add(1);
                self.errors = 0;
                self.junk = 0;
                self.reply(reply::ACCEPTED);
            }
            Delivery::Unavailable => self.reply(reply::UNAVAILABLE),
            Delivery::Full => self.reply(reply::FULL),
            Delivery::Busy => self.reply(reply::NO_MEMORY),
            Delivery::Throttled => self.reply(reply::THROTTLED),
        }
    }

    /// The TLS handshake succeeded.
    pub fn handle_tls(&mut self) {
        let Some(Asked::Tls) = self.asked.take() else { return };
        // RFC 3207 4.2: everything known of the client is forgotten. What it sent in clear behind
        // STARTTLS is no command inside TLS (CVE-2011-0411).
        self.input.clear();
        self.helo = None;
        self.transaction = None;
        self.is_tls = true;
    }

    /// The driver ends the session; the client is told why.
    pub fn handle_closing(&mut self, why: Closing) {
        self.asked = None;
        self.close_with(match why {
            Closing::Stopping => reply::STOPPING,
            Closing::TooSlow => reply::TOO_SLOW,
            Closing::TooManyUnknown => reply::TOO_MANY_UNKNOWN,
        });
    }

    /// What the client is at.
    pub fn phase(&self) -> Phase {
        let has_chunks = self.transaction.as_ref().is_some_and(|t| t.stage == Stage::Chunks);
        match self.state {
            State::Data(_) | State::Chunk(_) => Phase::Content,
            State::Command if has_chunks => Phase::Content,
            State::Command | State::Closed => Phase::Command,
        }
    }

    /// How many commands there were, so that a deadline is that of one command.
    pub fn commands(&self) -> u64 {
        self.commands
    }

    /// How many mails were accepted.
    pub fn mails(&self) -> u32 {
        self.mails
    }

    /// The name of EHLO or HELO, or nothing; written by the client.
    pub fn helo(&self) -> &str {
        self.helo.as_deref().unwrap_or_default()
    }

    /// What to do next. `now` is the time at which a mail that ends is received.
    pub fn poll(&mut self, now: Time) -> Action {
        loop {
            if let Some(action) = self.actions.pop_front() {
                return action;
            }
            if self.output.len() >= OUTPUT_MAX {
                return self.flush();
            }
            match self.step(now) {
                Step::Again => {}
                Step::Ask(action) => return action,
                // RFC 2920 3.2: the replies of a group of commands go out together.
                Step::Starved if !self.output.is_empty() => return self.flush(),
                Step::Starved => return self.idle_action(),
            }
        }
    }

    fn flush(&mut self) -> Action {
        Action::Write(std::mem::take(&mut self.output))
    }

    fn idle_action(&mut self) -> Action {
        self.input.trim();
        match (&self.state, &self.asked) {
            (State::Closed, _) => Action::Close,
            (_, Some(Asked::Tls)) => Action::StartTls,
            _ => Action::NeedInput,
        }
    }

    fn step(&mut self, now: Time) -> Step {
        if self.asked.is_some() {
            return Step::Starved;
        }
        match &self.state {
            State::Command => self.step_command(),
            State::Data(_) => self.step_data(now),
            State::Chunk(chunk) => {
                let chunk = *chunk;
                self.step_chunk(chunk, now)
            }
            State::Closed => Step::Starved,
        }
    }

    fn step_command(&mut self) -> Step {
        let command = match self.input.line(self.options.limits.command_bytes) {
            Line::Partial => return Step::Starved,
            Line::Whole(line) => command::parse(line),
            Line::TooLong => Err(reply::LINE_TOO_LONG),
            Line::BareLf => return self.close_with(reply::BARE_LF),
            Line::Endless => return self.close_with(reply::LINE_TOO_LONG),
        };
        self.commands = self.commands.wrapping_add(1);
        match command {
            Ok(command) => self.obey(command),
            Err(reply) => self.say(reply),
        }
    }

    fn say(&mut self, reply: Reply) -> Step {
        self.reply(reply);
        Step::Again
    }

    fn reply(&mut self, reply: Reply) {
        reply.write(&mut self.output);
        if reply.is_refusal() {
            self.actions.push_back(Action::Note(reply));
        }
        if reply.is_error() {
            self.count_error();
        }
        if self.errors >= self.options.limits.errors {
            self.close_with(reply::TOO_MANY_ERRORS);
        }
    }

    fn count_error(&mut self) {
        self.errors = self.errors.saturating_add(1);
    }

    fn close_with(&mut self, reply: Reply) -> Step {
        if !matches!(self.state, State::Closed) {
            reply.write(&mut self.output);
            if reply.is_refusal() {
                self.actions.push_back(Action::Note(reply));
            }
        }
        self.state = State::Closed;
        self.transaction = None;
        self.input.clear();
        Step::Again
    }
}
