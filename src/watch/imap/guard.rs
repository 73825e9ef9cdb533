//! Stands under the IMAP parser and lets nothing through that would exhaust memory or stack: announced
//! literals, lines, nesting and the bytes of an answer are bounded before they are parsed.
//!
//! The parser recurses without limit (400 open parentheses end the process) and makes room for a literal
//! of any size as soon as it is announced.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The largest literal: bodies are fetched in pieces that are smaller.
pub const LITERAL_BYTES_MAX: u64 = 1_100_000;
/// The longest line; a long list of search results is one.
const LINE_BYTES_MAX: u64 = 1_100_000;
/// The deepest nesting of lists. What we ask for needs five.
const DEPTH_MAX: u32 = 32;
/// Answers whose data may hold literals (RFC 3501 7.2, 7.4). In all others a `{9}` is text.
const WITH_LITERALS: [&[u8]; 5] = [b"FETCH", b"LIST", b"LSUB", b"STATUS", b"ID"];

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Hostile {
    #[error("the server announces a literal that is too large")]
    Literal,
    #[error("the server sends a line that does not end")]
    Line,
    #[error("the server nests lists too deeply")]
    Depth,
    #[error("the server answers with more than was asked for")]
    Flood,
    #[error("the server sends a line end inside a quoted string")]
    Quote,
}

/// The machine: bytes in, the first fault out. However the bytes are cut, the fault is the same.
#[derive(Debug, Default)]
pub struct Guard {
    place: Place,
    line_bytes: u64,
    depth: u32,
    /// The first words of the answer, in capitals, while they may still tell what it is.
    head: Vec<u8>,
    may_have_literals: bool,
    /// The number of a `{…}` that may end the line; `None` when the last bytes are none.
    announced: Option<Announced>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Line,
    Quoted,
    /// After a backslash in a quoted string.
    Escaped,
    Literal(u64),
}

#[derive(Debug, Clone, Copy)]
enum Announced {
    Open(u64),
    Closed(u64),
}

/// The words before the data are not longer.
const HEAD_BYTES_MAX: usize = 32;

impl Guard {
    /// Looks at what came.
    pub fn handle_bytes(&mut self, mut bytes: &[u8]) -> Result<(), Hostile> {
        while let Some((&byte, rest)) = bytes.split_first() {
            if let Place::Literal(left) = self.place {
                let taken = left.min(bytes.len() as u64);
                bytes = bytes.get(usize::try_from(taken).unwrap_or(bytes.len())..).unwrap_or(&[]);
                let left = left - taken;
                self.place = if left == 0 { Place::Line } else { Place::Literal(left) };
                continue;
            }
            self.handle_byte(byte)?;
            bytes = rest;
        }
        Ok(())
    }

    fn handle_byte(&mut self, byte: u8) -> Result<(), Hostile> {
        self.line_bytes += 1;
        if self.line_bytes > LINE_BYTES_MAX {
            return Err(Hostile::Line);
        }
        match self.place {
            Place::Quoted | Place::Escaped if matches!(byte, b'\r' | b'\n') => {
                return Err(Hostile::Quote);
            }
            Place::Escaped => self.place = Place::Quoted,
            Place::Quoted if byte == b'\\' => self.place = Place::Escaped,
            Place::Quoted if byte == b'"' => self.place = Place::Line,
            Place::Quoted => {}
            Place::Line => return self.handle_in_line(byte),
            Place::Literal(_) => {}
        }
        Ok(())
    }

    fn handle_in_line(&mut self, byte: u8) -> Result<(), Hostile> {
        if byte == b'\n' {
            return self.handle_line_end();
        }
        self.read_head(byte);
        self.read_announcement(byte)?;
        match byte {
            b'"' if self.may_have_literals => self.place = Place::Quoted,
            b'(' | b'[' => {
                self.depth += 1;
                if self.depth > DEPTH_MAX {
                    return Err(Hostile::Depth);
                }
            }
            b')' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        Ok(())
    }

    /// `* 1 FETCH `, `* LIST `: what kind of answer is it?
    fn read_head(&mut self, byte: u8) {
        if self.head.len() >= HEAD_BYTES_MAX {
            return;
        }
        self.head.push(byte.to_ascii_uppercase());
        if byte == b' ' || byte == b'(' {
            let words = self.head.split(|byte| matches!(byte, b' ' | b'('));
            let mut words = words.filter(|word| !word.is_empty());
            let is_untagged = words.next() == Some(b"*");
            let is_number = |word: &&[u8]| word.iter().all(u8::is_ascii_digit);
            let kind = words.find(|word| !is_number(word));
            if kind.is_some() {
                self.may_have_literals =
                    is_untagged && kind.is_some_and(|kind| WITH_LITERALS.contains(&kind));
                self.head.resize(HEAD_BYTES_MAX, 0);
            }
        }
    }

    fn read_announcement(&mut self, byte: u8) -> Result<(), Hostile> {
        self.announced = match (byte, self.announced) {
            (b'{', _) => Some(Announced::Open(0)),
            (b'0'..=b'9', Some(Announced::Open(size))) => {
                let size = size.saturating_mul(10).saturating_add(u64::from(byte - b'0'));
                Some(Announced::Open(size))
            }
            (b'+', Some(Announced::Open(size))) => Some(Announced::Open(size)),
            (b'}', Some(Announced::Open(size))) => Some(Announced::Closed(size)),
            (b'\r', Some(Announced::Closed(size))) => {
                // Refused as soon as the parser could act on it, which does not wait for the LF.
                if self.may_have_literals && size > LITERAL_BYTES_MAX {
                    return Err(Hostile::Literal);
                }
                Some(Announced::Closed(size))
            }
            _ => None,
        };
        Ok(())
    }

    fn handle_line_end(&mut self) -> Result<(), Hostile> {
        let announced = self.announced.take();
        if let (true, Some(Announced::Closed(size))) = (self.may_have_literals, announced) {
            if size > LITERAL_BYTES_MAX {
                return Err(Hostile::Literal);
            }
            if size > 0 {
                self.place = Place::Literal(size);
            }
            return Ok(());
        }
        *self = Self { head: std::mem::take(&mut self.head), ..Self::default() };
        self.head.clear();
        Ok(())
    }
}

/// A stream whose other end is watched by a [`Guard`].
pub struct Guarded<S> {
    stream: S,
    guard: Guard,
    /// Bytes that the answers to the present command may still have.
    budget: u64,
    fault: Option<Hostile>,
    /// A command is written in pieces; they leave together.
    pending: Vec<u8>,
}

impl<S> Guarded<S> {
    /// Watches a stream.
    pub fn new(stream: S) -> Self {
        let guard = Guard::default();
        Self { stream, guard, budget: BUDGET_AT_START, fault: None, pending: Vec::new() }
    }

    /// The answers that come from now on may have so many bytes in all.
    pub const fn allow(&mut self, bytes: u64) {
        self.budget = bytes;
    }

    /// What was wrong, once reading has failed for it.
    pub const fn fault(&self) -> Option<Hostile> {
        self.fault
    }

    fn look(&mut self, bytes: &[u8]) -> Result<(), Hostile> {
        self.budget = self.budget.checked_sub(bytes.len() as u64).ok_or(Hostile::Flood)?;
        self.guard.handle_bytes(bytes)
    }
}

/// Before the first command.
const BUDGET_AT_START: u64 = 65_536;

/// Shows nothing of what passes: tokens do.
impl<S> fmt::Debug for Guarded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guarded")
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(fault) = self.fault {
            return Poll::Ready(Err(io::Error::other(fault)));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let came = buf.filled().get(before..).unwrap_or(&[]);
        if let Err(fault) = self.look(came) {
            self.fault = Some(fault);
            buf.set_filled(before);
            return Poll::Ready(Err(io::Error::other(fault)));
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Guarded<S> {
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.pending))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pending.drain(..written);
        }
        // An idle connection keeps no buffer.
        self.pending = Vec::new();
        Poll::Ready(Ok(()))
    }
}

/// Pieces of a command are gathered up to this.
const PENDING_BYTES_MAX: usize = 16_384;

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.pending.len() + bytes.len() > PENDING_BYTES_MAX {
            ready!(self.poll_drain(cx))?;
            return Pin::new(&mut self.stream).poll_write(cx, bytes);
        }
        self.pending.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judge(text: &[u8]) -> Result<(), Hostile> {
        Guard::default().handle_bytes(text)
    }

    #[test]
    fn lets_honest_answers_through() {
        for text in [
            "* OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2] it's ready \"for\" {you}\r\n",
            "* 1 FETCH (UID 7 BODY[HEADER.FIELDS (FROM)]<0> {11}\r\nFrom: a@b\"( FLAGS (\\Seen))\r\n",
            "* LIST (\\Sent) \"/\" {4}\r\nSent\r\n* LIST () \"/\" \"A (\\\"b\\\" c\"\r\na OK done\r\n",
            "* 2 FETCH (BODY[] {0}\r\n)\r\n",
        ] {
            assert_eq!(judge(text.as_bytes()), Ok(()), "{text}");
        }
        let body = format!("* 1 FETCH (BODY[] {{9000}}\r\n{})\r\n", "(".repeat(9000));
        assert_eq!(judge(body.as_bytes()), Ok(()));
    }

    #[test]
    fn stops_what_would_exhaust_memory_or_stack() {
        let deep = format!("* 1 FETCH (BODYSTRUCTURE {}", "(".repeat(400));
        assert_eq!(judge(deep.as_bytes()), Err(Hostile::Depth));
        for size in ["4294967295", "2147483647", "99999999999999999999", "1100001"] {
            let text = format!("* 1 FETCH (BODY[] {{{size}}}\r\n");
            assert_eq!(judge(text.as_bytes()), Err(Hostile::Literal), "{size}");
        }
        let endless = vec![b'x'; 1_100_001];
        assert_eq!(judge(&endless), Err(Hostile::Line));
        assert_eq!(judge(b"* LIST () \"/\" \"a\r\n"), Err(Hostile::Quote));
    }

    #[test]
    fn a_text_that_looks_like_a_literal_hides_nothing() {
        let hidden = "(".repeat(400);
        for line in
            ["* OK {900}", "* BYE \"{900}", "a1 OK {900}", "+ {900}", "* SEARCH {900}", "{900}"]
        {
            let text = format!("{line}\r\n* 1 FETCH (BODYSTRUCTURE {hidden}");
            assert_eq!(judge(text.as_bytes()), Err(Hostile::Depth), "{line}");
        }
    }

    proptest! {
        #[test]
        fn however_it_is_cut_it_is_judged_the_same(
            text in "(\\* 1 FETCH \\(|\\* OK |\\{[0-9]{1,7}\\}\r\n|\"|\\\\|\\(|\\)|x|\r\n){0,60}",
            cuts in prop::collection::vec(1_usize..9, 0..60),
        ) {
            let whole = judge(text.as_bytes());
            let mut guard = Guard::default();
            let mut left = text.as_bytes();
            let mut cuts = cuts.into_iter().chain(std::iter::repeat(1));
            let mut cut = Ok(());
            while !left.is_empty() && cut.is_ok() {
                let (now, rest) = left.split_at(cuts.next().unwrap().min(left.len()));
                cut = guard.handle_bytes(now);
                left = rest;
            }
            prop_assert_eq!(whole, cut);
        }
    }
}
