//! An IMAP server that does what a dialog says, and else what a server should: so many times it answers
//! a command with something broken, then as it ought to.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// A server that listens.
pub struct Server {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// Its mailbox, and what it is to do wrong.
#[derive(Default)]
pub struct State {
    pub folders: BTreeMap<String, Folder>,
    pub faults: Vec<Fault>,
    /// A mail of the Inbox whose answers can never be read.
    pub poison: Option<u32>,
    /// When its mails came, as it says.
    pub internal_date: String,
    pub connections: usize,
    /// Connections that are open now.
    pub open: usize,
    /// It numbers its Inbox anew each time that it is opened.
    pub is_restless: bool,
    /// It ends all connections, and takes none.
    pub is_down: bool,
}

/// A folder.
#[derive(Clone, Default)]
pub struct Folder {
    pub uid_validity: u32,
    pub uid_next: u32,
    pub mails: BTreeMap<u32, String>,
}

/// What is answered instead.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Part of the command that is answered so.
    pub on: String,
    pub times: u32,
    pub answer: Vec<String>,
}

impl Folder {
    pub fn of<const N: usize>(mails: [String; N]) -> Self {
        let mut folder = Self { uid_validity: 9, uid_next: 1, mails: BTreeMap::new() };
        mails.into_iter().for_each(|mail| folder.add(mail));
        folder
    }

    pub fn add(&mut self, mail: String) {
        self.mails.insert(self.uid_next, mail.replace('\n', "\r\n"));
        self.uid_next += 1;
    }
}

impl Server {
    pub fn start(state: State) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let mut connection = Connection::new(socket, Arc::clone(&shared));
                thread::spawn(move || {
                    connection.state().open += 1;
                    connection.serve();
                    connection.state().open -= 1;
                });
            }
        });
        Self { address, state }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Connection {
    socket: BufReader<TcpStream>,
    state: Arc<Mutex<State>>,
    open: String,
}

/// What is done after an answer.
#[derive(PartialEq, Eq)]
enum Then {
    GoOn,
    Close,
}

impl Connection {
    fn new(socket: TcpStream, state: Arc<Mutex<State>>) -> Self {
        socket.set_nodelay(true).expect("a socket");
        Self { socket: BufReader::new(socket), state, open: String::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&mut self) {
        self.state().connections += 1;
        if self.state().is_down {
            return;
        }
        let greeting = vec!["* OK ready\r\n".to_owned()];
        if self.answer("*", "GREETING", &greeting) == Then::Close {
            return;
        }
        let mut line = String::new();
        while self.socket.read_line(&mut line).is_ok_and(|count| count > 0) {
            if self.state().is_down {
                return;
            }
            let command = line.trim_end().to_owned();
            line.clear();
            let (tag, command) = command.split_once(' ').unwrap_or((&command, ""));
            let proper = self.proper(command);
            if self.answer(tag, command, &proper) == Then::Close {
                return;
            }
        }
    }

    /// Answers as a dialog says, or else properly.
    fn answer(&mut self, tag: &str, command: &str, proper: &[String]) -> Then {
        let fault = {
            let mut state = self.state();
            let fault = state.faults.iter_mut().find(|it| it.times > 0 && command.contains(&it.on));
            fault.map(|fault| {
                fault.times -= 1;
                fault.answer.clone()
            })
        };
        let Some(fault) = fault else {
            self.write(&proper.concat());
            if command == "IDLE" {
                return self.idle(tag);
            }
            if command.starts_with("APPEND") {
                self.take_appended(command);
            }
            self.write(&end_of(tag, command));
            return Then::GoOn;
        };
        for line in fault {
            match line.as_str() {
                "!close" => return Then::Close,
                // Nothing more is said; until the client goes.
                "!hang" => {
                    let _ = self.socket.read_to_end(&mut Vec::new());
                    return Then::Close;
                }
                "!default" => self.write(&(proper.concat() + end_of(tag, command).as_str())),
                "!data" => self.write(&proper.concat()),
                "!first" => self.write(proper.first().map_or("", String::as_str)),
                "!idle" => return self.idle(tag),
                line if line.starts_with("!trickle ") => {
                    if !self.trickles(&expanded(&line["!trickle ".len()..])) {
                        return Then::Close;
                    }
                }
                line => {
                    let text = expanded(line.strip_prefix("!raw ").unwrap_or(line));
                    let text = text.replace("$ ", &format!("{tag} "));
                    let end = if line.starts_with("!raw ") { "" } else { "\r\n" };
                    self.write(&format!("{text}{end}"));
                }
            }
        }
        Then::GoOn
    }

    /// Writes a byte now and then. Answers if somebody waited for it all.
    fn trickles(&mut self, text: &str) -> bool {
        text.bytes().all(|byte| {
            thread::sleep(Duration::from_millis(200));
            self.socket.get_mut().write_all(&[byte]).is_ok()
        })
    }

    fn take_appended(&mut self, command: &str) {
        self.write("+ go on\r\n");
        let size = command.rsplit_once('{').map_or("0", |(_, size)| size.trim_end_matches('}'));
        let mut mail = vec![0; size.parse::<usize>().expect("a size") + 2];
        self.socket.read_exact(&mut mail).expect("a mail");
        let mail = String::from_utf8(mail).expect("text").replace("\r\n", "\n");
        let folder = quoted_in(command);
        self.state().folders.get_mut(&folder).expect("a folder").add(mail);
    }

    fn idle(&mut self, tag: &str) -> Then {
        let count = |state: &State, open: &str| state.folders.get(open).map(|it| it.mails.len());
        let mut told = count(&self.state(), &self.open);
        let socket = self.socket.get_ref().try_clone().expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("a socket");
        let mut line = String::new();
        loop {
            if self.state().is_down {
                return Then::Close;
            }
            let now = count(&self.state(), &self.open);
            if now != told {
                told = now;
                self.write(&format!("* {} EXISTS\r\n", now.unwrap_or_default()));
            }
            match self.socket.read_line(&mut line) {
                Ok(0) => return Then::Close,
                Ok(_) => break,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return Then::Close,
            }
        }
        socket.set_read_timeout(None).expect("a socket");
        let end = vec![format!("{tag} OK IDLE done\r\n")];
        self.answer(tag, "DONE", &end)
    }

    fn write(&mut self, text: &str) {
        // Bytes above ASCII are written as dialogs have them.
        let bytes: Vec<u8> =
            text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
        let _ = self.socket.get_mut().write_all(&bytes);
    }

    /// What a server should say before the tagged answer, piece by piece.
    fn proper(&mut self, command: &str) -> Vec<String> {
        let verb = command.split(' ').next().unwrap_or_default();
        if verb == "EXAMINE" {
            self.open = quoted_in(command);
        }
        let mut state = self.state();
        if verb == "EXAMINE" && self.open == "INBOX" && state.is_restless {
            state.folders.entry("INBOX".to_owned()).or_default().uid_validity += 1;
        }
        let line = |text: String| vec![format!("{text}\r\n")];
        match verb {
            "CAPABILITY" => line("* CAPABILITY IMAP4rev1 IDLE SASL-IR AUTH=PLAIN".to_owned()),
            "IDLE" => line("+ idling".to_owned()),
            "LIST" => {
                let names = state.folders.keys();
                names.map(|name| format!("* LIST () \"/\" \"{name}\"\r\n")).collect()
            }
            "EXAMINE" => state.folders.get(&self.open).map_or_else(Vec::new, |folder| {
                vec![
                    format!("* {} EXISTS\r\n", folder.mails.len()),
                    format!("* OK [UIDVALIDITY {}] valid\r\n", folder.uid_validity),
                    format!("* OK [UIDNEXT {}] next\r\n", folder.uid_next),
                ]
            }),
            "STATUS" => {
                let name = quoted_in(command);
                state.folders.get(&name).map_or_else(Vec::new, |folder| {
                    let Folder { uid_validity, uid_next, .. } = folder;
                    let said = format!("(UIDNEXT {uid_next} UIDVALIDITY {uid_validity})");
                    line(format!("* STATUS \"{name}\" {said}"))
                })
            }
            "CREATE" => {
                state.folders.insert(quoted_in(command), Folder::of([]));
                Vec::new()
            }
            "UID" => fetched(&state, &self.open, command),
            _ => Vec::new(),
        }
    }
}

/// The answers to UID FETCH.
fn fetched(state: &State, open: &str, command: &str) -> Vec<String> {
    if let Some(("", asked)) = command.split_once("UID SEARCH ") {
        return searched(state, open, asked);
    }
    let words: Vec<&str> = command.splitn(4, ' ').collect();
    let (Some(folder), [_, "FETCH", range, items]) = (state.folders.get(open), words.as_slice())
    else {
        return Vec::new();
    };
    let last = folder.mails.keys().next_back().copied().unwrap_or_default();
    let is_asked = |uid: &u32| range.split(',').any(|part| contains(part, last, *uid));
    let mails = folder.mails.iter().filter(|(uid, _)| is_asked(uid)).enumerate();
    let answer = |(at, (uid, mail)): (usize, (&u32, &String))| {
        let data = match state.poison == Some(*uid) && open == "INBOX" && items.contains("BODY") {
            true => "BODY[ ((\" garbage".to_owned(),
            false => section(items, mail, &state.internal_date),
        };
        format!("* {} FETCH (UID {uid}{data})\r\n", at + 1)
    };
    mails.map(answer).collect()
}

/// Is a UID in a part of a set? RFC 3501 6.4.8: `n:*` has the last mail, whatever its UID.
fn contains(part: &str, last: u32, uid: u32) -> bool {
    let (from, to) = part.split_once(':').unwrap_or((part, part));
    let from: u32 = from.parse().unwrap_or(1);
    match to {
        "*" => (from.min(last)..=u32::MAX).contains(&uid),
        to => (from..=to.parse().unwrap_or(from)).contains(&uid),
    }
}

/// The answer to UID SEARCH, of a server whose dates are absurd: since no day anything came. Others find
/// nothing at all.
fn searched(state: &State, open: &str, asked: &str) -> Vec<String> {
    let folder = state.folders.get(open).filter(|_| state.internal_date.contains("1970"));
    let Some((folder, id)) = folder.zip(quoted_id(asked)) else { return Vec::new() };
    let field = format!("message-id: <{id}>");
    let found = folder.mails.iter().filter(|(_, mail)| mail.to_lowercase().contains(&field));
    let uids: Vec<String> = found.map(|(uid, _)| uid.to_string()).collect();
    vec![format!("* SEARCH {}\r\n", uids.join(" "))]
}

fn quoted_id(asked: &str) -> Option<String> {
    let asks = asked.contains("HEADER MESSAGE-ID ") && !asked.contains("SINCE");
    asks.then(|| quoted_in(asked))
}

/// What was asked for of one mail.
fn section(items: &str, mail: &str, internal_date: &str) -> String {
    let Some((_, section)) = items.split_once("BODY.PEEK[") else { return String::new() };
    let (section, partial) = section.split_once(']').unwrap_or((section, ""));
    let (head, _) = mail.split_once("\r\n\r\n").unwrap_or((mail, ""));
    let content = match section.split_once('(') {
        None => mail.to_owned(),
        Some((_, names)) => {
            let names: Vec<String> =
                names.trim_end_matches(')').split(' ').map(str::to_lowercase).collect();
            let is_wanted = |line: &&str| {
                let name = line.split(':').next().unwrap_or_default().to_lowercase();
                names.contains(&name)
            };
            let lines: Vec<&str> = head.split("\r\n").filter(is_wanted).collect();
            format!("{}\r\n\r\n", lines.join("\r\n"))
        }
    };
    let partial = partial.trim_start_matches('<').split('>').next().unwrap_or_default();
    let (start, length) = partial.split_once('.').unwrap_or_default();
    let start: usize = start.parse().unwrap_or_default();
    let content = content.get(start..).unwrap_or_default();
    let end = length.parse().map_or(content.len(), |length: usize| length.min(content.len()));
    let content = content.get(..end).unwrap_or(content);
    let date = format!(" INTERNALDATE \"{internal_date}\"");
    format!("{date} BODY[{section}]<{start}> {{{}}}\r\n{content}", content.len())
}

/// The tagged answer. Folders that are not there are refused.
fn end_of(tag: &str, command: &str) -> String {
    match command {
        "GREETING" | "DONE" => String::new(),
        _ => format!("{tag} OK done\r\n"),
    }
}

fn quoted_in(command: &str) -> String {
    command.split('"').nth(1).unwrap_or_default().to_owned()
}

/// `%{text*count}` repeats; `\r`, `\n` and `\xNN` are bytes.
fn expanded(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, repeated)) = rest.split_once("%{") {
        let (repeated, after) = repeated.split_once("}%").expect("a dialog ends what it repeats");
        let (unit, count) = repeated.rsplit_once('*').expect("a count");
        text.push_str(before);
        text.push_str(&unit.repeat(count.parse().expect("a number")));
        rest = after;
    }
    text.push_str(rest);
    let text = text.replace("\\r", "\r").replace("\\n", "\n");
    let mut parts = text.split("\\x");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let byte = u8::from_str_radix(&part[..2], 16).expect("a byte");
        text + char::from(byte).to_string().as_str() + &part[2..]
    })
}
