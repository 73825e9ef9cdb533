//! Runs `dialogs/*.smtp` against the session, whole and byte by byte.
//!
//! One line, one thing, in a script:
//! - `@ KEY VALUE` sets an option before the session begins: `size`, `errors`, `recipients`, `hops`, `tls`.
//! - `C: TEXT` the client sends TEXT and CRLF; `C| TEXT` without CRLF. `\r \n \0 \t \\ \xHH` are escapes;
//!   `{N*TEXT}` at the end repeats TEXT N times.
//! - `S: TEXT` the server answers this line.
//! - `?? ADDRESS ANSWER` it asks whose the address is; `?? mail ANSWER` it delivers; `?? memory ANSWER`.
//! - `== TEXT` the content delivered (escaped as above); `!! REASON ADDRESS…` a rejection.
//! - `-- tls` and `-- close`: the handshake, the end.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use mailweave::model::{Route, SubAccountId, Time, UserId};
use mailweave::smtp::limits::Limits;
use mailweave::smtp::reply::Starttls;
use mailweave::smtp::session::{Action, Options, Session};
use mailweave::smtp::{Delivery, Unavailable};
use uuid::Uuid;

/// What a script says.
struct Script {
    options: Options,
    /// What the client sends; between two of them TLS starts.
    segments: Vec<Vec<u8>>,
    answers: VecDeque<(String, String)>,
    /// The server's lines.
    replies: Vec<String>,
    /// What the driver is asked, in order.
    asks: Vec<String>,
}

pub fn options() -> Options {
    Options {
        hostname: "mx.example".to_owned(),
        domains: vec!["bcc.example".to_owned()],
        max_message_bytes: 1000,
        starttls: Starttls::Offered,
        limits: Limits::default(),
    }
}

impl Script {
    fn parse(text: &str) -> Self {
        let mut script = Self {
            options: options(),
            segments: vec![Vec::new()],
            answers: VecDeque::new(),
            replies: Vec::new(),
            asks: Vec::new(),
        };
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (kind, rest) = line.split_at(2);
            script.take(kind, rest.strip_prefix(' ').unwrap_or(rest));
        }
        script
    }

    fn take(&mut self, kind: &str, rest: &str) {
        match kind {
            "@ " => self.set(rest),
            "C:" => self.send(&[unescape(rest), b"\r\n".to_vec()].concat()),
            "C|" => self.send(&unescape(rest)),
            "S:" => self.replies.push(rest.to_owned()),
            "??" => {
                let (what, answer) = rest.rsplit_once(' ').unwrap();
                self.asks.push(format!("?? {what}"));
                self.answers.push_back((what.to_owned(), answer.to_owned()));
            }
            "==" => self.asks.push(format!("== {}", unescape(rest).escape_ascii())),
            "!!" => self.asks.push(format!("!! {rest}")),
            "--" => {
                self.asks.push(format!("-- {rest}"));
                if rest == "tls" {
                    self.segments.push(Vec::new());
                }
            }
            other => panic!("no such kind of line: {other}"),
        }
    }

    fn set(&mut self, rest: &str) {
        let (key, value) = rest.split_once(' ').unwrap();
        let limits = &mut self.options.limits;
        match key {
            "size" => self.options.max_message_bytes = value.parse().unwrap(),
            "errors" => limits.errors = value.parse().unwrap(),
            "junk" => limits.junk_commands = value.parse().unwrap(),
            "mails" => limits.mails_per_connection = value.parse().unwrap(),
            "recipients" => limits.recipients = value.parse().unwrap(),
            "hops" => limits.hops = value.parse().unwrap(),
            "tls" => self.options.starttls = Starttls::Absent,
            other => panic!("no such option: {other}"),
        }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.segments.last_mut().unwrap().extend_from_slice(bytes);
    }

    /// Runs it in pieces of `size`: the replies and the asks.
    fn run(&self, size: usize) -> (Vec<String>, Vec<String>) {
        let mut session = Session::new(Arc::new(self.options.clone()), [192, 0, 2, 1].into());
        let mut answers = self.answers.clone();
        let mut segments = self.segments.iter();
        let mut pieces = segments.next().unwrap().chunks(size);
        let (mut output, mut asks) = (Vec::new(), Vec::new());
        loop {
            match session.poll(Time::default()) {
                Action::Write(bytes) => output.extend(bytes),
                Action::NeedInput => match pieces.next() {
                    Some(piece) => session.handle_bytes(piece),
                    None => break,
                },
                Action::AskRecipient(address) => {
                    asks.push(format!("?? {address}"));
                    session.handle_recipient(route(&next(&mut answers)));
                }
                Action::SetAside { .. } => {
                    asks.push("?? room".to_owned());
                    if next(&mut answers) == "none" {
                        session.handle_no_room();
                    }
                }
                Action::Deliver { mail, .. } => {
                    asks.push(format!("== {}", mail.content.escape_ascii()));
                    asks.push("?? mail".to_owned());
                    session.handle_delivery(delivery(&next(&mut answers)));
                }
                Action::Reject(rejection) => {
                    let to: Vec<_> =
                        rejection.recipients.iter().map(|r| r.address.to_string()).collect();
                    asks.push(format!("!! {} {}", rejection.reason.name(), to.join(" ")));
                }
                Action::Note(_) => {}
                Action::StartTls => {
                    asks.push("-- tls".to_owned());
                    session.handle_tls();
                    pieces = segments.next().unwrap().chunks(size);
                }
                Action::Close => {
                    asks.push("-- close".to_owned());
                    break;
                }
            }
        }
        let text = String::from_utf8(output).unwrap();
        assert!(text.ends_with("\r\n"), "a reply without CRLF");
        (text.split_terminator("\r\n").map(str::to_owned).collect(), asks)
    }
}

fn next(answers: &mut VecDeque<(String, String)>) -> String {
    answers.pop_front().expect("the script has no answer left").1
}

fn route(answer: &str) -> Result<Route, Unavailable> {
    let (sub_account, user) = (SubAccountId(Uuid::nil()), UserId(Uuid::nil()));
    match answer {
        "user" => Ok(Route::User { sub_account, user }),
        "revoked" => Ok(Route::Revoked { sub_account, user: Some(user) }),
        "unknown" => Ok(Route::Unknown),
        "unavailable" => Err(Unavailable),
        other => panic!("no such route: {other}"),
    }
}

fn delivery(answer: &str) -> Delivery {
    match answer {
        "durable" => Delivery::Durable,
        "unavailable" => Delivery::Unavailable,
        "full" => Delivery::Full,
        "throttled" => Delivery::Throttled,
        other => panic!("no such delivery: {other}"),
    }
}

/// Reads the escapes of a script.
fn unescape(text: &str) -> Vec<u8> {
    if let Some((head, (count, rest))) = text
        .strip_suffix('}')
        .and_then(|text| text.rsplit_once('{'))
        .and_then(|(head, tail)| Some((head, tail.split_once('*')?)))
    {
        return [unescape(head), unescape(rest).repeat(count.parse().unwrap())].concat();
    }
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            bytes.push(*byte);
            continue;
        }
        let width = if after[0] == b'x' { 3 } else { 1 };
        bytes.push(match after[0] {
            b'r' => b'\r',
            b'n' => b'\n',
            b't' => b'\t',
            b'0' => 0,
            b'\\' => b'\\',
            b'x' => u8::from_str_radix(str::from_utf8(&after[1..3]).unwrap(), 16).unwrap(),
            other => panic!("no such escape: {}", other as char),
        });
        rest = &after[width..];
    }
    bytes
}

#[test]
fn follows_every_dialog_whole_and_byte_by_byte() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/dialogs");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let script = Script::parse(&std::fs::read_to_string(&path).unwrap());
        for size in [usize::MAX, 1, 7] {
            let (replies, asks) = script.run(size);
            let name = path.file_name().unwrap();
            assert_eq!(replies, script.replies, "{name:?} in pieces of {size}: replies");
            assert_eq!(asks, script.asks, "{name:?} in pieces of {size}: asks");
        }
        count += 1;
    }
    assert!(count >= 20, "only {count} dialogs");
}

#[test]
fn reads_the_escapes_of_a_script() {
    assert_eq!(unescape(r"a\r\n\0\xff\\{3*\n.}"), b"a\r\n\0\xff\\\n.\n.\n.");
}
