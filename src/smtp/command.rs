//! Commands (RFC 5321 4.1), read from one line. Whether one is in its place is `session`'s matter.

use super::path::{self, Path};
use super::reply::{self, Reply};
use crate::model::Address;

/// A command with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Ehlo(String),
    Helo(String),
    Mail(Mail),
    Rcpt(Path),
    Data,
    /// RFC 3030: so many bytes follow.
    Bdat {
        bytes: u64,
        last: bool,
    },
    StartTls,
    Rset,
    Noop,
    Quit,
    Help,
    Vrfy,
    /// Known, and not served here: AUTH, EXPN and the like.
    Unserved,
    /// The first line of an HTTP request.
    Http,
}

/// MAIL FROM with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// `None` for `<>`.
    pub reverse_path: Option<Address>,
    /// RFC 1870: the size that was announced; what no `u64` holds is `u64::MAX`.
    pub size: Option<u64>,
    pub encoding: Encoding,
}

/// The characters that a mail's envelope and header may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Ascii,
    /// RFC 6531.
    Utf8,
}

/// RFC 5321 4.5.3.1.2.
const NAME_MAX: usize = 255;

/// Reads a line without its CRLF; what cannot be read has its reply.
pub fn parse(line: &[u8]) -> Result<Command, Reply> {
    if line.iter().any(u8::is_ascii_control) {
        return Err(reply::UNREADABLE);
    }
    let line = str::from_utf8(line).map_err(|_| reply::NOT_ASCII)?;
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    // RFC 5321 4.1.1: trailing white space is tolerated.
    let rest = rest.trim();
    match verb.to_ascii_uppercase().as_str() {
        "EHLO" => Ok(Command::Ehlo(name(rest)?)),
        "HELO" => Ok(Command::Helo(name(rest)?)),
        "MAIL" => Ok(Command::Mail(mail(rest)?)),
        "RCPT" => Ok(Command::Rcpt(recipient(rest)?)),
        "DATA" => bare(rest, Command::Data),
        "BDAT" => bdat(rest),
        "STARTTLS" => bare(rest, Command::StartTls),
        "RSET" => bare(rest, Command::Rset),
        "QUIT" => bare(rest, Command::Quit),
        "NOOP" => Ok(Command::Noop),
        "HELP" => Ok(Command::Help),
        "VRFY" => Ok(Command::Vrfy),
        "EXPN" | "AUTH" | "ETRN" | "TURN" | "ATRN" | "SEND" | "SOML" | "SAML" => {
            Ok(Command::Unserved)
        }
        "GET" | "POST" | "PUT" | "HEAD" | "DELETE" | "OPTIONS" | "PATCH" | "CONNECT" | "TRACE"
        | "PRI" => Ok(Command::Http),
        _ if !line.is_ascii() => Err(reply::NOT_ASCII),
        _ => Err(reply::UNKNOWN_COMMAND),
    }
}

fn bare(rest: &str, command: Command) -> Result<Command, Reply> {
    if rest.is_empty() { Ok(command) } else { Err(reply::BAD_ARGUMENT) }
}

/// The client's name: anything, for spam filters judge it and we do not; cut for the record.
fn name(rest: &str) -> Result<String, Reply> {
    if rest.is_empty() {
        return Err(reply::BAD_ARGUMENT);
    }
    if !rest.is_ascii() {
        return Err(reply::NOT_ASCII);
    }
    Ok(rest.chars().take(NAME_MAX).collect())
}

fn mail(rest: &str) -> Result<Mail, Reply> {
    let (path, parameters) =
        after(rest, "FROM:").and_then(path::parse).ok_or(reply::BAD_ARGUMENT)?;
    let reverse_path = match path {
        Path::Null => None,
        Path::Mailbox(address) => Some(address),
        Path::Postmaster | Path::Invalid => return Err(reply::BAD_SENDER),
    };
    let mut mail = Mail { reverse_path, size: None, encoding: Encoding::Ascii };
    for (key, value) in path::parameters(parameters) {
        mail.take(key, value)?;
    }
    let is_ascii = mail.reverse_path.as_ref().is_none_or(|address| address.written().is_ascii());
    if mail.encoding == Encoding::Ascii && !is_ascii {
        return Err(reply::NEEDS_SMTPUTF8);
    }
    Ok(mail)
}

impl Mail {
    fn take(&mut self, key: &str, value: Option<&str>) -> Result<(), Reply> {
        let upper = value.map(str::to_ascii_uppercase);
        match (key.to_ascii_uppercase().as_str(), upper.as_deref()) {
            ("SIZE", Some(digits)) if self.size.is_none() => {
                self.size = Some(number(digits).ok_or(reply::BAD_ARGUMENT)?);
            }
            // RFC 6152: the content is kept byte by byte, whichever is announced.
            ("BODY", Some("7BIT" | "8BITMIME")) => {}
            ("SMTPUTF8", None) => self.encoding = Encoding::Utf8,
            ("SIZE" | "BODY" | "SMTPUTF8", _) => return Err(reply::BAD_ARGUMENT),
            _ => return Err(reply::BAD_PARAMETER),
        }
        Ok(())
    }
}

fn recipient(rest: &str) -> Result<Path, Reply> {
    let (path, parameters) = after(rest, "TO:").and_then(path::parse).ok_or(reply::BAD_ARGUMENT)?;
    if !parameters.is_empty() {
        return Err(reply::BAD_PARAMETER);
    }
    match path {
        Path::Null | Path::Invalid => Err(reply::BAD_RECIPIENT),
        path => Ok(path),
    }
}

fn bdat(rest: &str) -> Result<Command, Reply> {
    let (digits, word) = rest.split_once(' ').unwrap_or((rest, ""));
    let last = word.trim().eq_ignore_ascii_case("LAST");
    if !last && !word.is_empty() {
        return Err(reply::BAD_ARGUMENT);
    }
    // RFC 3030 4.2 `chunk-size`: digits. A number that nobody can mean is refused, and its bytes,
    // which cannot be counted, are read as commands: the client put them there.
    match number(digits) {
        None | Some(u64::MAX) => Err(reply::BAD_ARGUMENT),
        Some(bytes) => Ok(Command::Bdat { bytes, last }),
    }
}

/// RFC 1870 3 `size-value`: 1 to 20 digits; saturates.
fn number(digits: &str) -> Option<u64> {
    let is_number = (1..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// What follows a keyword, in any case.
fn after<'a>(text: &'a str, keyword: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(keyword.len())?;
    head.eq_ignore_ascii_case(keyword).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_commands() {
        for (line, expected) in [
            ("ehlo mx.example", Ok(Command::Ehlo("mx.example".into()))),
            ("EHLO [127.0.0.1] ", Ok(Command::Ehlo("[127.0.0.1]".into()))),
            ("HELO", Err(reply::BAD_ARGUMENT)),
            ("EHLO bücher", Err(reply::NOT_ASCII)),
            ("data", Ok(Command::Data)),
            ("DATA now", Err(reply::BAD_ARGUMENT)),
            ("BDAT 12", Ok(Command::Bdat { bytes: 12, last: false })),
            ("BDAT 0 last", Ok(Command::Bdat { bytes: 0, last: true })),
            ("BDAT -1", Err(reply::BAD_ARGUMENT)),
            ("BDAT 1 FIRST", Err(reply::BAD_ARGUMENT)),
            ("BDAT", Err(reply::BAD_ARGUMENT)),
            ("BDAT 99999999999999999999", Err(reply::BAD_ARGUMENT)),
            ("STARTTLS x", Err(reply::BAD_ARGUMENT)),
            ("NOOP anything", Ok(Command::Noop)),
            ("AUTH PLAIN AAA", Ok(Command::Unserved)),
            ("POST / HTTP/1.1", Ok(Command::Http)),
            ("XCLIENT ADDR=1.2.3.4", Err(reply::UNKNOWN_COMMAND)),
            ("NOOP \0", Err(reply::UNREADABLE)),
            ("", Err(reply::UNKNOWN_COMMAND)),
            ("RCPT TO:<a@b.org> NOTIFY=NEVER", Err(reply::BAD_PARAMETER)),
            ("RCPT TO:<>", Err(reply::BAD_RECIPIENT)),
            ("RCPT TO:<u@other@ours>", Err(reply::BAD_RECIPIENT)),
            ("RCPT FROM:<a@b.org>", Err(reply::BAD_ARGUMENT)),
            ("RCPT", Err(reply::BAD_ARGUMENT)),
        ] {
            assert_eq!(parse(line.as_bytes()), expected, "{line}");
        }
    }

    fn size(line: &str) -> Result<Option<u64>, Reply> {
        match parse(line.as_bytes())? {
            Command::Mail(mail) => Ok(mail.size),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn reads_the_parameters_of_mail() {
        for (line, expected) in [
            ("MAIL FROM:<>", Ok(None)),
            ("mail from: <a@b.org> size=12 body=8bitmime smtputf8", Ok(Some(12))),
            ("MAIL FROM:<> SIZE=99999999999999999999", Ok(Some(u64::MAX))),
            ("MAIL FROM:<> SIZE=-1", Err(reply::BAD_ARGUMENT)),
            ("MAIL FROM:<> SIZE=1e9", Err(reply::BAD_ARGUMENT)),
            ("MAIL FROM:<> SIZE=", Err(reply::BAD_ARGUMENT)),
            ("MAIL FROM:<> SIZE", Err(reply::BAD_ARGUMENT)),
            ("MAIL FROM:<> SIZE=1 SIZE=2", Err(reply::BAD_ARGUMENT)),
            ("MAIL FROM:<> BODY=BINARYMIME", Err(reply::BAD_ARGUMENT)),
            ("MAIL FROM:<> RET=HDRS", Err(reply::BAD_PARAMETER)),
            ("MAIL FROM:<a@b.org>x", Err(reply::BAD_ARGUMENT)),
            ("MAIL FROM:<$(id)@x>", Err(reply::BAD_SENDER)),
            ("MAIL FROM:<josé@x.org>", Err(reply::NEEDS_SMTPUTF8)),
            ("MAIL FROM:<josé@x.org> SMTPUTF8", Ok(None)),
        ] {
            assert_eq!(size(line), expected, "{line}");
        }
    }

    #[test]
    fn refuses_bytes_that_are_no_text() {
        assert_eq!(parse(b"MAIL FROM:<\xff@x.org> SMTPUTF8"), Err(reply::NOT_ASCII));
        assert_eq!(parse(b"NOOP\x1b[2J"), Err(reply::UNREADABLE));
    }
}
