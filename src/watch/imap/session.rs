//! One session: a command is written, its answers are read to the tagged one, in time and in bounds.
//! After anything else the session cannot be used any more.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use async_imap::Client;
use async_imap::imap_proto::{
    MailboxDatum, Outcome, RequestId, Response, ResponseCode, Status as Answered, StatusAttribute,
};
use futures_util::FutureExt as _;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::folders::Listed;
use super::guard::Guarded;
use super::idle::is_change;
use super::wire;
use super::{Error, Options};
use crate::model::{Host, Login};
use crate::reach::Wire;

/// Bytes that the answers to a small command may have.
pub(super) const SMALL: u64 = 262_144;
/// Bytes of a list of folders, or of UIDs.
const LIST_BYTES_MAX: u64 = 8 * 1_048_576;
/// So fast a mail is written to the slowest server.
const APPENDED_BYTES_PER_SECOND_MIN: usize = 32_768;
/// More folders than this are not looked at.
const FOLDERS_MAX: usize = 1_000;

const INTRODUCTION: &str =
    concat!("ID (\"name\" \"Mailweave\" \"version\" \"", env!("CARGO_PKG_VERSION"), "\")");

/// A session that is signed in.
pub struct Session {
    client: Client<Guarded<Wire>>,
    options: Options,
    pub(super) capabilities: BTreeSet<String>,
    commands: u64,
    /// Set while a command is under way: whoever drops it there leaves answers behind, which must not be
    /// taken for those of the next.
    is_lost: bool,
    /// The server told of new mail while it was asked for something else: nobody has looked at that yet.
    pub(super) has_news: bool,
    /// What the server said in its BYE.
    pub(super) bye: Option<String>,
}

/// What an opened folder says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Selected {
    pub uid_validity: u32,
    /// 0 when the server does not say.
    pub uid_next: u32,
    pub exists: u32,
}

/// What STATUS says of a folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    pub uid_validity: u32,
    pub uid_next: u32,
}

/// An untagged answer, or the end of the command.
pub(super) enum Step {
    /// The server waits for more (`+`).
    Continue(Option<String>),
    Done,
    Data,
}

impl Session {
    /// Connects and signs in.
    pub async fn open(options: &Options, host: &Host, login: &Login) -> Result<Self, Error> {
        let mut session = Self::signed_in(options, host, login).await?;
        let introduced = timeout(options.open_time, session.introduce()).await;
        match introduced {
            Ok(Ok(())) => Ok(session),
            // What it says of itself cannot be read: then neither is told who the other is.
            Ok(Err(Error::Hostile(_))) => {
                drop(session);
                Self::signed_in(options, host, login).await
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::Silent(format!("{host} does not answer in time"))),
        }
    }

    async fn signed_in(options: &Options, host: &Host, login: &Login) -> Result<Self, Error> {
        let open = async {
            let greeted = wire::connect(options, host).await?;
            let mut session = Self {
                client: Client::new(Guarded::new(greeted.wire)),
                options: options.clone(),
                capabilities: greeted.capabilities.into_iter().collect(),
                commands: 0,
                is_lost: false,
                has_news: false,
                bye: None,
            };
            session.sign_in(login).await?;
            // Exchange offers more once somebody is signed in.
            session.read_capabilities().await?;
            Ok(session)
        };
        match timeout(options.open_time, open).await {
            Ok(opened) => opened,
            Err(_) => Err(Error::Silent(format!("{host} does not answer in time"))),
        }
    }

    /// Does the server offer this?
    pub fn can(&self, capability: &str) -> bool {
        self.capabilities.contains(capability)
    }

    async fn read_capabilities(&mut self) -> Result<(), Error> {
        let mut words = BTreeSet::new();
        self.run("CAPABILITY", SMALL, |response| {
            if let Response::Capabilities(all) = response {
                words.extend(all.iter().map(word));
            }
        })
        .await?;
        self.capabilities = words;
        Ok(())
    }

    /// RFC 2971 3.1: who we are. Gmail refuses IDLE to clients that it thinks ill of, and others let in nobody
    /// without a name; who does not want to know it is asked no more.
    async fn introduce(&mut self) -> Result<(), Error> {
        if !self.can("ID") {
            return Ok(());
        }
        match self.run(INTRODUCTION, SMALL, |_| {}).await {
            Err(Error::Refused { .. }) => Ok(()),
            introduced => introduced,
        }
    }

    /// Every folder, by its name on the wire.
    pub async fn folders(&mut self) -> Result<Vec<Listed>, Error> {
        // RFC 6154 2: a server need not say what a folder is for until it is asked.
        if self.can("LIST-EXTENDED") && self.can("SPECIAL-USE") {
            match self.list("LIST \"\" \"*\" RETURN (SPECIAL-USE)").await {
                Err(Error::Refused { .. }) => {}
                listed => return listed,
            }
        }
        self.list("LIST \"\" \"*\"").await
    }

    async fn list(&mut self, command: &str) -> Result<Vec<Listed>, Error> {
        let mut folders = Vec::new();
        self.run(command, LIST_BYTES_MAX, |response| {
            let Response::MailboxData(MailboxDatum::List(list)) = response else { return };
            // A name that cannot be asked for is none (F11).
            if list.name.is_empty() || quoted(&list.name).is_err() {
                return;
            }
            let folder = Listed::read(list);
            if folders.len() < FOLDERS_MAX || folder.may_be_sent() {
                folders.push(folder);
            }
        })
        .await?;
        Ok(folders)
    }

    /// Opens a folder to be read only: nothing that is done marks a mail as seen.
    pub async fn examine(&mut self, name: &str) -> Result<Selected, Error> {
        let mut selected = Selected::default();
        self.run(&format!("EXAMINE {}", quoted(name)?), SMALL, |response| match response {
            Response::MailboxData(MailboxDatum::Exists(count)) => selected.exists = *count,
            Response::Data { outcome: Outcome { code: Some(code), .. }, .. } => match code {
                ResponseCode::UidValidity(number) => selected.uid_validity = *number,
                ResponseCode::UidNext(number) => selected.uid_next = *number,
                _ => {}
            },
            _ => {}
        })
        .await?;
        // How many mails there are is no news: the folder is read from where it was left.
        self.has_news = false;
        Ok(selected)
    }

    /// How far a folder is, without opening it.
    pub async fn status(&mut self, name: &str) -> Result<Status, Error> {
        let mut found = Status::default();
        let command = format!("STATUS {} (UIDNEXT UIDVALIDITY)", quoted(name)?);
        self.run(&command, SMALL, |response| {
            let Response::MailboxData(MailboxDatum::Status { status, .. }) = response else {
                return;
            };
            for attribute in status {
                match attribute {
                    StatusAttribute::UidNext(number) => found.uid_next = *number,
                    StatusAttribute::UidValidity(number) => found.uid_validity = *number,
                    _ => {}
                }
            }
        })
        .await?;
        Ok(found)
    }

    /// UIDs that a search finds. Never ESEARCH: its answers are wrong at several servers.
    pub(super) async fn search_uids(&mut self, what: &str) -> Result<Vec<u32>, Error> {
        let mut uids = BTreeSet::new();
        self.run(&format!("UID SEARCH {what}"), LIST_BYTES_MAX, |response| {
            if let Response::MailboxData(MailboxDatum::Search(found)) = response {
                uids.extend(found.iter().copied());
            }
        })
        .await?;
        Ok(uids.into_iter().collect())
    }

    /// Makes a folder.
    pub async fn create(&mut self, name: &str) -> Result<(), Error> {
        self.run(&format!("CREATE {}", quoted(name)?), SMALL, |_| {}).await
    }

    /// Adds a mail to a folder, as read (S6).
    pub async fn append(&mut self, name: &str, content: &[u8]) -> Result<(), Error> {
        let command = format!("APPEND {} (\\Seen) {{{}}}", quoted(name)?, content.len());
        let seconds = content.len() / APPENDED_BYTES_PER_SECOND_MIN;
        let time = self.options.command_time + Duration::from_secs(seconds as u64);
        let append = async {
            let tag = self.begin(&command, SMALL).await?;
            while !matches!(self.step(&tag, &command, &mut |_| {}).await?, Step::Continue(_)) {}
            let stream = self.client.get_mut();
            stream.write_all(content).await?;
            stream.write_all(b"\r\n").await?;
            stream.flush().await?;
            while !matches!(self.step(&tag, &command, &mut |_| {}).await?, Step::Done) {}
            Ok(())
        };
        in_time(time, append).await?;
        self.is_lost = false;
        Ok(())
    }

    /// Says goodbye; nobody waits for the answer.
    pub async fn logout(mut self) {
        let _ = timeout(self.options.command_time, self.run("LOGOUT", SMALL, |_| {})).await;
    }

    /// Runs a command to its tagged OK.
    pub(super) async fn run(
        &mut self,
        command: &str,
        bytes_max: u64,
        mut take: impl FnMut(&Response<'_>),
    ) -> Result<(), Error> {
        let time = self.options.command_time;
        let run = async {
            let tag = self.begin(command, bytes_max).await?;
            while !matches!(self.step(&tag, command, &mut take).await?, Step::Done) {}
            Ok(())
        };
        in_time(time, run).await?;
        self.is_lost = false;
        Ok(())
    }

    /// Writes a command; the session is lost until its end is read.
    pub(super) async fn begin(&mut self, command: &str, bytes_max: u64) -> Result<String, Error> {
        if self.is_lost {
            return Err(self.lost("an answer was not waited for"));
        }
        self.is_lost = true;
        self.commands += 1;
        let tag = format!("W{}", self.commands);
        let stream = self.client.get_mut();
        stream.allow(bytes_max);
        stream.write_all(format!("{tag} {command}\r\n").as_bytes()).await?;
        stream.flush().await?;
        Ok(tag)
    }

    /// Writes a line that belongs to the command under way.
    pub(super) async fn write_line(&mut self, line: &str) -> Result<(), Error> {
        let stream = self.client.get_mut();
        stream.write_all(line.as_bytes()).await?;
        stream.write_all(b"\r\n").await?;
        stream.flush().await?;
        Ok(())
    }

    /// Reads one answer. A refusal of the command, or the end of the connection, is an error.
    pub(super) async fn step(
        &mut self,
        tag: &str,
        command: &str,
        take: &mut impl FnMut(&Response<'_>),
    ) -> Result<Step, Error> {
        let read = AssertUnwindSafe(self.client.read_response()).catch_unwind().await;
        let response = match read {
            Ok(Ok(Some(response))) => response,
            Ok(Ok(None)) => return Err(self.lost("the server closed it")),
            Ok(Err(error)) => return Err(self.unreadable(&error)),
            // The parser panics at some answers: `INTERNALDATE NIL`, `[ALERT]` with no space behind it.
            Err(_) => return Err(unreadable()),
        };
        match response.parsed() {
            Response::Done { tag: RequestId(of), status, outcome } if of == tag => {
                let text = outcome.information.as_deref().unwrap_or_default();
                // The one code that is taken out of the words and that a caller acts on.
                let is_gone = matches!(outcome.code, Some(ResponseCode::TryCreate));
                let text = if is_gone { &format!("[TRYCREATE] {text}") } else { text };
                match status {
                    Answered::Ok => Ok(Step::Done),
                    _ => {
                        // The command is over all the same.
                        self.is_lost = false;
                        let command = command.split(' ').next().unwrap_or_default().to_owned();
                        let is_bad = matches!(status, Answered::Bad);
                        Err(Error::Refused { command, text: text.to_owned(), is_bad })
                    }
                }
            }
            Response::Continue(outcome) => {
                Ok(Step::Continue(outcome.information.as_deref().map(str::to_owned)))
            }
            Response::Data { status: Answered::Bye, outcome } => {
                self.bye = Some(outcome.information.as_deref().unwrap_or("BYE").to_owned());
                Ok(Step::Data)
            }
            data => {
                // RFC 3501 7: any answer may be followed by what is new.
                self.has_news |= is_change(data);
                take(data);
                Ok(Step::Data)
            }
        }
    }

    /// The command under way is over.
    pub(super) const fn ended(&mut self) {
        self.is_lost = false;
    }

    pub(super) const fn options(&self) -> &Options {
        &self.options
    }

    pub(super) fn allow(&mut self, bytes: u64) {
        self.client.get_mut().allow(bytes);
    }

    pub(super) fn lost(&self, why: &str) -> Error {
        Error::Lost(self.bye.clone().unwrap_or_else(|| why.to_owned()))
    }

    /// What the parser says of bytes it cannot read quotes them, and they may be anybody's mail.
    fn unreadable(&self, error: &std::io::Error) -> Error {
        match self.client.get_ref().fault() {
            Some(fault) => Error::Hostile(fault.to_string()),
            None if error.kind() == std::io::ErrorKind::Other => unreadable(),
            None => self.lost(&error.kind().to_string()),
        }
    }
}

fn unreadable() -> Error {
    Error::Hostile("the server's answer cannot be read".to_owned())
}

pub(super) async fn in_time<T>(
    time: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    timeout(time, work).await.unwrap_or_else(|_| Err(Error::Lost("no answer in time".to_owned())))
}

fn word(capability: &async_imap::imap_proto::Capability<'_>) -> String {
    use async_imap::imap_proto::Capability;
    match capability {
        Capability::Imap4rev1 => "IMAP4REV1".to_owned(),
        Capability::Auth(mechanism) => format!("AUTH={mechanism}").to_ascii_uppercase(),
        Capability::Atom(atom) => atom.to_ascii_uppercase(),
    }
}

/// RFC 3501 4.3: a quoted string. Names on the wire are ASCII (5.1.3).
pub(super) fn quoted(text: &str) -> Result<String, Error> {
    if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(Error::Hostile("a name that cannot be asked for".to_owned()));
    }
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}
