//! Stands under the IMAP parser and lets nothing through that would exhaust memory or stack: announced
//! literals, lines, nesting and the bytes of an answer are bounded before they are parsed.
//!
//! The parser recurses without limit (400 open parentheses end the process) and makes room for a literal
//! of any size as soon as it is announced. What the guard takes for the data of a literal it does not look
//! at, so it must never take more for it than the parser does, nor less: where the two could disagree on
//! where a literal or an answer ends, the answer is refused.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The largest literal: bodies are fetched in pieces that are smaller.
pub const LITERAL_BYTES_MAX: u64 = 1_100_000;
/// The longest line; a long list of search results is one.
const LINE_BYTES_MAX: u64 = 1_100_000;
/// The most lists in an answer, so that they cannot nest more deeply. What we ask for needs four.
const LISTS_MAX: u32 = 32;
/// Answers with the name of a folder, which may be a literal (RFC 3501 7.2).
const WITH_NAMES: [&[u8]; 3] = [b"LIST", b"LSUB", b"STATUS"];
/// Answers in which a `{9}` is text (RFC 3501 7.1), or makes them unreadable.
const TEXTS: [&[u8]; 6] = [b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH", b"SEARCH"];

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Hostile {
    #[error("the server announces a literal that is too large, or where none belongs")]
    Literal,
    #[error("the server sends a line that does not end")]
    Line,
    #[error("the server nests lists too deeply")]
    Depth,
    #[error("the server answers with more than was asked for")]
    Flood,
    #[error("the server sends a quoted string that is none")]
    Quote,
    #[error("the server sends mail data that do not end as they began")]
    Shape,
}

/// The machine: bytes in, the first fault out. However the bytes are cut, the fault is the same.
#[derive(Debug, Default)]
pub struct Guard {
    place: Place,
    line_bytes: u64,
    /// Lists that are open, and those that were opened.
    depth: u32,
    lists: u32,
    /// The byte before, but for one of a literal.
    last: u8,
    /// The first words of the answer, in capitals, while they may still tell what it is.
    head: Vec<u8>,
    kind: Option<Kind>,
    /// How much there is of a `{…}` that may end the line.
    announced: Announced,
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

/// What an answer is, as far as literals are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Strings are its values at this depth of lists.
    Values(u32),
    /// It ends with its line, whatever that is.
    Text,
    /// We ask for none of these that may have a literal.
    Other,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Announced {
    #[default]
    Nothing,
    Begun,
    Open(u64),
    Closed(u64),
    /// With the CR behind it.
    Ended(u64),
}

/// The words before the data are not longer.
const HEAD_BYTES_MAX: usize = 32;
const FETCH: Kind = Kind::Values(1);

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
        match (self.place, byte) {
            // The parser begins such a string anew, as something else.
            (Place::Quoted | Place::Escaped, b'\r' | b'\n' | 0) => return Err(Hostile::Quote),
            (Place::Escaped, b'"' | b'\\') => self.place = Place::Quoted,
            (Place::Escaped, _) => return Err(Hostile::Quote),
            (Place::Quoted, b'\\') => self.place = Place::Escaped,
            (Place::Quoted, b'"') => self.place = Place::Line,
            (Place::Quoted, b'(') => self.count_list()?,
            (Place::Quoted | Place::Literal(_), _) => {}
            (Place::Line, b'\n') => return self.handle_line_end(),
            (Place::Line, _) => self.handle_in_line(byte)?,
        }
        self.last = byte;
        Ok(())
    }

    fn handle_in_line(&mut self, byte: u8) -> Result<(), Hostile> {
        self.read_head(byte)?;
        self.read_announcement(byte)?;
        if self.is_whole_fetch() && !matches!(byte, b' ' | b'\r') {
            return Err(Hostile::Shape);
        }
        match byte {
            b'"' if self.is_at_value() => self.place = Place::Quoted,
            b'{' if matches!(self.kind, Some(Kind::Values(_))) && !self.is_at_value() => {
                return Err(Hostile::Literal);
            }
            b'(' => {
                self.depth += 1;
                self.count_list()?;
            }
            b')' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        Ok(())
    }

    /// Not one by one as they end: what looks like an end may be part of a string.
    const fn count_list(&mut self) -> Result<(), Hostile> {
        self.lists += 1;
        if self.lists > LISTS_MAX { Err(Hostile::Depth) } else { Ok(()) }
    }

    /// A string may begin here. Deeper in lists the parser takes quotes and braces for text at times.
    fn is_at_value(&self) -> bool {
        self.last == b' ' && self.kind == Some(Kind::Values(self.depth))
    }

    /// The list of a FETCH has ended, and so must the answer.
    fn is_whole_fetch(&self) -> bool {
        self.kind == Some(FETCH) && self.lists > 0 && self.depth == 0
    }

    /// `* 1 FETCH `, `* LIST `: what kind of answer is it?
    fn read_head(&mut self, byte: u8) -> Result<(), Hostile> {
        if self.kind.is_some() {
            return Ok(());
        }
        if byte == b' ' || self.head.is_empty() {
            self.kind = if byte == b'*' { None } else { kind(&self.head) };
        }
        self.head.push(byte.to_ascii_uppercase());
        if self.head.len() > HEAD_BYTES_MAX { Err(Hostile::Shape) } else { Ok(()) }
    }

    fn read_announcement(&mut self, byte: u8) -> Result<(), Hostile> {
        use Announced::{Begun, Closed, Ended, Nothing, Open};
        self.announced = match (byte, self.announced) {
            (b'{', _) => Begun,
            (b'0'..=b'9', Begun) => Open(u64::from(byte - b'0')),
            (b'0'..=b'9', Open(size)) => {
                Open(size.saturating_mul(10).saturating_add(u64::from(byte - b'0')))
            }
            (b'}', Open(size)) => Closed(size),
            // Refused as soon as the parser could act on it, which does not wait for the LF.
            (b'\r', Closed(size)) if size > LITERAL_BYTES_MAX => return Err(Hostile::Literal),
            (b'\r', Closed(size)) => match self.kind {
                Some(Kind::Values(_)) => Ended(size),
                // Before a text, the list of a response code may have literals; we ask for none.
                Some(Kind::Text) if self.lists == 0 => Nothing,
                _ => return Err(Hostile::Literal),
            },
            _ => Nothing,
        };
        Ok(())
    }

    fn handle_line_end(&mut self) -> Result<(), Hostile> {
        if let Announced::Ended(size) = std::mem::take(&mut self.announced) {
            self.last = 0;
            if size > 0 {
                self.place = Place::Literal(size);
            }
            return Ok(());
        }
        // The parser reads on over the end of the line.
        if self.kind == Some(FETCH) && !self.is_whole_fetch() {
            return Err(Hostile::Shape);
        }
        self.head.clear();
        *self = Self { head: std::mem::take(&mut self.head), ..Self::default() };
        Ok(())
    }
}

/// By the words that were read, once they tell: a number is followed by what it counts.
fn kind(head: &[u8]) -> Option<Kind> {
    let is_number = |word: &&[u8]| word.iter().all(u8::is_ascii_digit);
    let mut words = head.split(|byte| *byte == b' ');
    if words.next() != Some(b"*") {
        return Some(Kind::Text);
    }
    match (words.next()?, words.next()) {
        (number, None) if is_number(&number) => None,
        (number, Some(b"FETCH")) if is_number(&number) => Some(FETCH),
        (word, None) if WITH_NAMES.contains(&word) => Some(Kind::Values(0)),
        (word, None) if TEXTS.contains(&word) => Some(Kind::Text),
        _ => Some(Kind::Other),
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
    use async_imap::imap_proto::Response;
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
    fn what_the_parser_takes_for_a_literal_is_no_place_to_hide() {
        let hidden = "(".repeat(400);
        for (before, fault) in [
            ("* 1 FETCH (X a\"b ", Hostile::Depth),
            ("* 1 FETCH (X {99+}\r\n", Hostile::Shape),
            ("* 1 FETCH (X {}\r\n", Hostile::Shape),
            ("* 1 FETCH (X {99}\n", Hostile::Shape),
            ("* 1 FETCH (X ({99}\r\n) ", Hostile::Literal),
            ("* 1 FETCH (X a{99}\r\n) ", Hostile::Literal),
            ("* 1 FETCH (X a\r\n* OK x y {99}\r\n", Hostile::Shape),
            ("* 1 FETCH (X ((a) Y \"))\" Z c\r\n* OK x y {99}\r\n", Hostile::Shape),
            ("* 1 FETCH (X \"\\a Y (b\" > {99}\r\n", Hostile::Quote),
            ("* 1 FETCH (X \"a\0b (c\" > {99}\r\n", Hostile::Quote),
            ("* 000000000000000000000000000000000000001 FETCH (X a\r\n", Hostile::Shape),
            ("* QUOTAROOT {21}\r\n* 1 FETCH (X {99}\r\n", Hostile::Literal),
            ("* METADATA \"a\" ({21}\r\n* 1 FETCH (X {99}\r\n", Hostile::Literal),
            ("* ID ({21}\r\n", Hostile::Literal),
            ("* OK [BADCHARSET ({21}\r\n* 1 FETCH (X {99}\r\n", Hostile::Literal),
            ("a1 NO [BADCHARSET (a {21}\r\n* 1 FETCH (X {99}\r\n", Hostile::Literal),
            ("+ [BADCHARSET ({21}\r\n* 1 FETCH (X {99}\r\n", Hostile::Literal),
            ("* QUOTAROOT {500000000}\r", Hostile::Literal),
            ("* OK {500000000}\r", Hostile::Literal),
        ] {
            let text = format!("{before}BODYSTRUCTURE {hidden}");
            assert_eq!(judge(text.as_bytes()), Err(fault), "{before}");
        }
    }

    #[test]
    fn what_servers_say_unasked_is_let_through() {
        for text in [
            "* 2 EXISTS\r\n* 0 RECENT\r\n* 3 EXPUNGE\r\n* FLAGS (\\Seen $Forwarded)\r\n",
            "* VANISHED (EARLIER) 41,43:116\r\n* ENABLED CONDSTORE\r\n",
            "* ESEARCH (TAG \"W1\") UID COUNT 2 ALL 3:4\r\n",
            "* QUOTAROOT INBOX \"\"\r\n* QUOTA \"\" (STORAGE 10 512)\r\n",
            "* OK [PERMANENTFLAGS (\\Seen \\*)] Limited. {ok}\r\n* BYE [X] (Error 3)\r\n",
            "* 5 FETCH (FLAGS (\\Seen) MODSEQ (12) UID 7) \r\n",
            "* 5 FETCH (UID 7 INTERNALDATE \" 7-Jul-1996 02:44:25 -0700\" BODY[]<0> \"a(\")\r\n",
            "* 5 FETCH (BODY[3.MIME] NIL UID 7 X-GM-LABELS (\"\\\\Sent\" a))\r\n",
            "* STATUS \"a (b)\" (UIDNEXT 1 UIDVALIDITY 2) \r\n* LIST (\\HasNoChildren) NIL a\r\n",
        ] {
            assert_eq!(judge(text.as_bytes()), Ok(()), "{text}");
        }
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

    /// What the guard lets through: where each answer ends, and the beginning of one that it does not
    /// see the end of.
    fn answers(text: &[u8]) -> (Vec<&[u8]>, &[u8]) {
        let (mut guard, mut whole, mut begun) = (Guard::default(), Vec::new(), 0);
        for (at, byte) in text.iter().enumerate() {
            if guard.handle_bytes(&[*byte]).is_err() {
                return (whole, &text[begun..at]);
            }
            if guard.line_bytes == 0 {
                whole.push(&text[begun..=at]);
                begun = at + 1;
            }
        }
        (whole, &text[begun..])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn an_answer_ends_for_the_parser_where_it_ends_for_the_guard(
            text in "(\\* (1 FETCH \\(|OK |QUOTAROOT |ID \\(|LIST \\(\\) NIL |STATUS )|a OK |\\[BADCHARSET \\(|\
                (UID|X|BODY\\[\\]|BODYSTRUCTURE|FLAGS) |\\((a\\) )?|\\{[0-9]{0,2}\\+?\\}\r?\n|\"|\
                \\\\|\\(|\\)|a|1 | |\r\n|\0|x{20}){0,30}",
        ) {
            let (whole, begun) = answers(text.as_bytes());
            for answer in whole {
                match Response::parse(answer) {
                    Ok((rest, _)) => prop_assert_eq!(rest, b""),
                    Err(error) => {
                        prop_assert!(!error.is_incomplete(), "it reads on");
                        return Ok(());
                    }
                }
            }
            prop_assert!(Response::parse(begun).is_err(), "it ends before");
        }

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
