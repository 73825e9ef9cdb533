//! What each command does in a session (RFC 5321 4.1 and its extensions), and in which order they may
//! come (4.1.4).

use super::data::DataReader;
use super::transaction::{Stage, Transaction};
use super::{Action, Asked, Chunk, Options, Session, State, Step};
use crate::model::{Address, Route};
use crate::smtp::command::{Command, Encoding, Mail};
use crate::smtp::path::Path;
use crate::smtp::reply::{self, Reply, Starttls};

impl Session {
    /// Does what a command says.
    pub(super) fn obey(&mut self, command: Command) -> Step {
        match command {
            Command::Ehlo(name) => self.ehlo(name),
            Command::Helo(name) => self.helo_command(name),
            Command::Mail(mail) => self.mail(mail),
            Command::Rcpt(path) => self.rcpt(path),
            Command::Data => self.data(),
            Command::Bdat { bytes, last } => self.bdat(bytes, last),
            Command::StartTls => self.starttls(),
            Command::Rset => {
                self.transaction = None;
                self.junk(reply::OK)
            }
            Command::Noop => self.junk(reply::OK),
            Command::Help => self.junk(reply::HELP),
            Command::Vrfy => self.junk(reply::CANNOT_VERIFY),
            Command::Unserved => self.say(reply::NOT_IMPLEMENTED),
            Command::Http => self.close_with(reply::HTTP),
            Command::Quit => self.close_with(reply::GOODBYE),
        }
    }

    fn ehlo(&mut self, name: String) -> Step {
        let Options { hostname, max_message_bytes, starttls, .. } = &*self.options;
        let starttls = if self.is_tls { Starttls::Absent } else { *starttls };
        reply::ehlo(&mut self.output, hostname, *max_message_bytes, starttls);
        self.greeted(name)
    }

    fn helo_command(&mut self, name: String) -> Step {
        reply::helo(&mut self.output, &self.options.hostname);
        self.greeted(name)
    }

    fn greeted(&mut self, name: String) -> Step {
        if self.helo.replace(name).is_some() {
            self.count_junk();
        }
        // RFC 5321 4.1.4: as if RSET had been sent.
        self.transaction = None;
        Step::Again
    }

    fn mail(&mut self, mail: Mail) -> Step {
        if self.helo.is_none() || self.transaction.is_some() {
            return self.say(reply::BAD_SEQUENCE);
        }
        if self.mails >= self.options.limits.mails_per_connection {
            return self.close_with(reply::TOO_MANY_MAILS);
        }
        let limit = self.options.max_message_bytes;
        // RFC 1870 6.1: what is announced as too large is not waited for.
        if mail.size.is_some_and(|size| size > limit) {
            return self.say(reply::TOO_LARGE);
        }
        self.transaction = Some(Transaction::new(mail, limit));
        self.say(reply::SENDER_OK)
    }

    fn rcpt(&mut self, path: Path) -> Step {
        let Some(transaction) = &mut self.transaction else {
            return self.say(reply::BAD_SEQUENCE);
        };
        if transaction.stage == Stage::Chunks {
            return self.say(reply::BAD_SEQUENCE);
        }
        transaction.stage = Stage::Recipients;
        let address = match self.options.recipient(path, transaction.encoding) {
            Ok(address) => address,
            Err(reply) => return self.say(reply),
        };
        let most = self.options.limits.recipients;
        if transaction.has(&address) {
            // Harmless, but not without end.
            let is_enough = transaction.repeat() > most;
            return self.say(if is_enough {
                reply::TOO_MANY_RECIPIENTS
            } else {
                reply::RECIPIENT_OK
            });
        }
        if transaction.count() >= most {
            return self.say(reply::TOO_MANY_RECIPIENTS);
        }
        // RFC 5321 4.5.1: always accepted, even while the store is away.
        if address.local() == "postmaster" {
            transaction.accept(address, Route::Postmaster);
            return self.say(reply::RECIPIENT_OK);
        }
        self.asked = Some(Asked::Recipient(address.clone()));
        Step::Ask(Action::AskRecipient(address))
    }

    fn data(&mut self) -> Step {
        match &self.transaction {
            None => self.say(reply::BAD_SEQUENCE),
            // RFC 3030 2: DATA and BDAT do not mix.
            Some(Transaction { stage: Stage::Sender | Stage::Chunks, .. }) => {
                self.say(reply::BAD_SEQUENCE)
            }
            Some(transaction) if transaction.count() == 0 => self.say(reply::NO_RECIPIENTS),
            Some(_) => {
                reply::start_mail(&mut self.output);
                self.state = State::Data(DataReader::new());
                Step::Again
            }
        }
    }

    fn bdat(&mut self, bytes: u64, last: bool) -> Step {
        let refused = match &mut self.transaction {
            None | Some(Transaction { stage: Stage::Sender, .. }) => Some(reply::BAD_SEQUENCE),
            Some(transaction) if transaction.count() == 0 => Some(reply::NO_RECIPIENTS),
            Some(transaction) => {
                transaction.stage = Stage::Chunks;
                None
            }
        };
        self.state = State::Chunk(Chunk { bytes, left: bytes, last, refused });
        Step::Again
    }

    fn starttls(&mut self) -> Step {
        if self.is_tls {
            return self.say(reply::BAD_SEQUENCE);
        }
        if self.options.starttls == Starttls::Absent {
            return self.say(reply::NOT_IMPLEMENTED);
        }
        self.asked = Some(Asked::Tls);
        self.say(reply::READY_FOR_TLS)
    }

    /// Answers a command that brings no mail nearer.
    fn junk(&mut self, reply: Reply) -> Step {
        self.count_junk();
        self.say(reply)
    }

    fn count_junk(&mut self) {
        self.junk = self.junk.saturating_add(1);
        if self.junk > self.options.limits.junk_commands {
            self.count_error();
        }
    }
}

impl Options {
    /// The address that a path of RCPT names, when it is one of ours.
    fn recipient(&self, path: Path, encoding: Encoding) -> Result<Address, Reply> {
        let address = match path {
            Path::Mailbox(address) if self.is_own_postmaster(&address) => {
                self.postmaster().ok_or(reply::BAD_RECIPIENT)?
            }
            Path::Mailbox(address) => address,
            Path::Postmaster => self.postmaster().ok_or(reply::BAD_RECIPIENT)?,
            Path::Null | Path::Invalid => return Err(reply::BAD_RECIPIENT),
        };
        if encoding == Encoding::Ascii && !address.written().is_ascii() {
            return Err(reply::NEEDS_SMTPUTF8);
        }
        let is_ours = self.domains.iter().any(|domain| domain == address.domain());
        // Ways of old to make a server pass mail on: user%other@ours, other!user@ours, "user@other"@ours.
        let is_relay = address.local().contains(['%', '!', '@']);
        if is_ours && !is_relay { Ok(address) } else { Err(reply::NOT_OURS) }
    }

    /// Who greets with a name can be written to there, although no other mail is for it.
    fn is_own_postmaster(&self, address: &Address) -> bool {
        address.local() == "postmaster" && address.domain().eq_ignore_ascii_case(&self.hostname)
    }

    fn postmaster(&self) -> Option<Address> {
        Address::parse(&format!("postmaster@{}", self.domains.first()?))
    }
}
