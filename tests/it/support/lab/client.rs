//! An IMAP client as small as the tests need: blocking, without TLS, every answer waited for.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::PASSWORD;
use super::mailbox::crlf;

/// A session that is signed in.
pub struct Client {
    socket: BufReader<TcpStream>,
    commands: u32,
}

/// A mail of a folder.
#[derive(Clone, Debug)]
pub struct Mail {
    pub uid: u32,
    pub content: String,
}

/// What came back: the lines, each with the literals that stand in it, and the words of the tagged end.
pub struct Said {
    pub lines: Vec<(String, Vec<Vec<u8>>)>,
    pub end: String,
}

impl Client {
    pub fn sign_in(server: SocketAddr, address: &str) -> Self {
        let socket = TcpStream::connect(server).expect("Dovecot answers");
        socket.set_nodelay(true).expect("a socket");
        socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
        let mut client = Self { socket: BufReader::new(socket), commands: 0 };
        client.line();
        client.done(&format!("LOGIN {} {PASSWORD}", quoted(address)));
        client
    }

    /// Runs a command, whatever comes of it.
    pub fn run(&mut self, command: &str) -> Said {
        let tag = self.begin(command);
        self.end(&tag)
    }

    /// Runs a command that must succeed.
    #[track_caller]
    pub fn done(&mut self, command: &str) -> Said {
        let said = self.run(command);
        assert!(said.end.starts_with("OK"), "{command}: {}", said.end);
        said
    }

    /// Makes a folder that may be there already.
    pub fn create(&mut self, folder: &str) {
        self.run(&format!("CREATE {}", quoted(folder)));
    }

    /// Opens a folder.
    #[track_caller]
    pub fn select(&mut self, folder: &str) {
        self.done(&format!("SELECT {}", quoted(folder)));
    }

    /// Puts a mail into a folder; its UID (RFC 4315).
    #[track_caller]
    pub fn append(&mut self, folder: &str, content: &str) -> u32 {
        let content = crlf(content);
        let command = format!("APPEND {} (\\Seen) {{{}+}}", quoted(folder), content.len());
        let tag = self.begin(&command);
        self.write(&content);
        let said = self.end(&tag);
        assert!(said.end.starts_with("OK"), "{}: {}", folder, said.end);
        let (_, uid) = said.end.split_once("APPENDUID ").expect("a UID");
        let uid = uid.split([' ', ']']).nth(1).expect("a UID");
        uid.parse().expect("a number")
    }

    /// Moves a mail of the open folder (RFC 6851).
    #[track_caller]
    pub fn move_to(&mut self, uid: u32, folder: &str) {
        self.done(&format!("UID MOVE {uid} {}", quoted(folder)));
    }

    /// Removes a mail of the open folder for good.
    #[track_caller]
    pub fn expunge(&mut self, uid: u32) {
        self.done(&format!("UID STORE {uid} +FLAGS.SILENT (\\Deleted)"));
        self.done("EXPUNGE");
    }

    /// All mails of a folder; none if there is no such folder.
    pub fn mails(&mut self, folder: &str) -> Vec<Mail> {
        if !self.run(&format!("EXAMINE {}", quoted(folder))).end.starts_with("OK") {
            return Vec::new();
        }
        let said = self.run("UID FETCH 1:* (UID BODY.PEEK[])");
        let mail = |(line, mut literals): (String, Vec<Vec<u8>>)| {
            let uid = line.split_once("UID ")?.1.split([' ', ')']).next()?.parse().ok()?;
            let content = String::from_utf8_lossy(&literals.pop()?).into_owned();
            Some(Mail { uid, content })
        };
        said.lines.into_iter().filter_map(mail).collect()
    }

    /// Sends a line of its own: to end IDLE, say.
    pub fn write(&mut self, line: &str) {
        self.socket.get_mut().write_all(format!("{line}\r\n").as_bytes()).expect("Dovecot reads");
    }

    /// Writes a command; its tag.
    pub fn begin(&mut self, command: &str) -> String {
        self.commands += 1;
        let tag = format!("T{}", self.commands);
        self.write(&format!("{tag} {command}"));
        tag
    }

    /// Reads up to the end of a command.
    pub fn end(&mut self, tag: &str) -> Said {
        let mut lines = Vec::new();
        loop {
            let (line, literals) = self.line();
            if let Some(end) = line.strip_prefix(&format!("{tag} ")) {
                return Said { lines, end: end.to_owned() };
            }
            lines.push((line, literals));
        }
    }

    /// One line, with the literals in it (RFC 3501 4.3).
    pub fn line(&mut self) -> (String, Vec<Vec<u8>>) {
        let mut line = String::new();
        let mut literals = Vec::new();
        loop {
            let mut part = Vec::new();
            let count = self.socket.read_until(b'\n', &mut part).expect("Dovecot answers");
            assert!(count > 0, "Dovecot closed the connection");
            line.push_str(String::from_utf8_lossy(&part).trim_end_matches(['\r', '\n']));
            let Some(size) = announced(&line) else { return (line, literals) };
            let mut literal = vec![0; size];
            self.socket.read_exact(&mut literal).expect("a literal");
            literals.push(literal);
        }
    }
}

/// The size of the literal that a line ends with.
fn announced(line: &str) -> Option<usize> {
    line.strip_suffix('}')?.rsplit_once('{')?.1.parse().ok()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
