//! DATA (RFC 5321 4.5.2): finds the end of the mail and takes the doubled dots away. Nothing but
//! CRLF.CRLF ends a mail. A line that is a dot, with CR or LF alone on one of its sides, may be an end to
//! another server ("SMTP smuggling", CVE-2023-51764 to 51766): then the mail is refused at its true end.
//!
//! CR or LF alone anywhere else is content and kept as it is, as signatures are made over it (RFC 6376
//! 3.7): real mail has both, of gateways that end lines by CR CR LF and of clients that paste text.
//! Refusing every CR that stands alone, as some servers do, would refuse that mail and stop nothing more.

use memchr::memchr2;

use super::content::{Content, Fault};

/// Where in a line we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Behind CRLF, or at the very start.
    LineStart,
    /// Inside a line.
    Text,
    /// Behind a CR inside a line.
    Cr,
    /// Behind a dot that begins a line.
    Dot,
    /// Behind a dot that begins a line, and CR.
    DotCr,
    /// Behind LF without CR.
    BareLf,
    /// Behind CR or LF alone, and a dot.
    BareDot,
    /// Behind CRLF.CRLF.
    End,
}

/// Reads the content that follows DATA.
#[derive(Debug)]
pub struct DataReader {
    state: State,
}

impl DataReader {
    /// A reader at the start of the content.
    // RFC 5321 4.1.1.4: the CRLF of the DATA line is the one before the first line.
    pub fn new() -> Self {
        Self { state: State::LineStart }
    }

    /// The end of the mail was read.
    pub fn is_done(&self) -> bool {
        self.state == State::End
    }

    /// Reads `input` into `content` up to its end or the mail's, and says how many bytes it took.
    pub fn read(&mut self, input: &[u8], content: &mut Content) -> usize {
        let mut rest = input;
        while self.state != State::End {
            if self.state == State::Text {
                rest = text(rest, content);
            }
            let Some((byte, after)) = rest.split_first() else { break };
            rest = after;
            self.step(*byte, content);
        }
        input.len() - rest.len()
    }

    fn step(&mut self, byte: u8, content: &mut Content) {
        self.state = match self.state {
            State::Cr => behind_cr(byte, content),
            State::Dot => behind_dot(byte, content),
            State::DotCr if byte == b'\n' => State::End,
            // <CRLF>.<CR>: an end to the careless.
            State::DotCr => {
                content.refuse(Fault::Smuggling);
                content.push(b"\r");
                behind_cr(byte, content)
            }
            State::BareLf if byte == b'.' => keep(byte, State::BareDot, content),
            // <LF>.<LF>, <LF>.<CRLF>, <CR>.<CR> and the like: ends to the careless.
            State::BareDot if matches!(byte, b'\r' | b'\n') => {
                content.refuse(Fault::Smuggling);
                in_text(byte, content)
            }
            // RFC 5321 4.5.2: a dot that begins a line is taken away.
            State::LineStart if byte == b'.' => State::Dot,
            State::LineStart | State::Text | State::BareLf | State::BareDot => {
                in_text(byte, content)
            }
            State::End => State::End,
        };
    }
}

/// Takes what stands before the next CR or LF, and gives the rest.
fn text<'a>(input: &'a [u8], content: &mut Content) -> &'a [u8] {
    let end = memchr2(b'\r', b'\n', input).unwrap_or(input.len());
    let (line, rest) = input.split_at_checked(end).unwrap_or((input, &[]));
    content.push(line);
    rest
}

fn keep(byte: u8, state: State, content: &mut Content) -> State {
    content.push(&[byte]);
    state
}

fn in_text(byte: u8, content: &mut Content) -> State {
    let state = match byte {
        b'\r' => State::Cr,
        b'\n' => State::BareLf,
        _ => State::Text,
    };
    keep(byte, state, content)
}

fn behind_cr(byte: u8, content: &mut Content) -> State {
    match byte {
        b'\n' => keep(byte, State::LineStart, content),
        b'.' => keep(byte, State::BareDot, content),
        byte => in_text(byte, content),
    }
}

fn behind_dot(byte: u8, content: &mut Content) -> State {
    match byte {
        b'\r' => State::DotCr,
        // <CRLF>.<LF>: an end to the careless.
        b'\n' => {
            content.refuse(Fault::Smuggling);
            keep(byte, State::BareLf, content)
        }
        byte => keep(byte, State::Text, content),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The content (or that it is refused) and what is left of `bytes`, read in pieces of `size`.
    fn read(bytes: &[u8], size: usize) -> (Option<Result<Vec<u8>, Fault>>, Vec<u8>) {
        let mut reader = DataReader::new();
        let mut content = Content::new(1000, None);
        let mut used = 0;
        for piece in bytes.chunks(size) {
            used += reader.read(piece, &mut content);
        }
        let result = content.finish(10).map(|whole| whole.bytes).map_err(|(fault, _)| fault);
        (reader.is_done().then_some(result), bytes[used..].to_vec())
    }

    fn check(bytes: &[u8], expected: Option<Result<&[u8], Fault>>, rest: &[u8]) {
        for size in 1..bytes.len() + 1 {
            let (result, left) = read(bytes, size);
            let result = result.as_ref().map(|r| r.as_ref().map(Vec::as_slice).map_err(|f| *f));
            assert_eq!(result, expected, "{} by {size}", bytes.escape_ascii());
            assert_eq!(left, rest, "{} by {size}", bytes.escape_ascii());
        }
    }

    #[test]
    fn takes_doubled_dots_away_once() {
        for (sent, meant) in [
            (&b".\r\n"[..], &b""[..]),
            (b"a\r\n.\r\n", b"a\r\n"),
            (b"..\r\n.\r\n", b".\r\n"),
            (b"...\r\n..x\r\n.y\r\n.\r\n", b"..\r\n.x\r\ny\r\n"),
            (b"a.b\r\n\r\n\r\n.\r\n", b"a.b\r\n\r\n\r\n"),
            (b"\0\xff\r\n.\r\n", b"\0\xff\r\n"),
            (b"a\nb\n\n.c\n..\n\r\n.\r\n", b"a\nb\n\n.c\n..\n\r\n"),
            (b"\r\n .\r\n\r\n. \r\n.\r\n", b"\r\n .\r\n\r\n \r\n"),
            (b"\r\n\0.\r\n.\0\r\n.\r\n", b"\r\n\0.\r\n\0\r\n"),
            (b"\x0b.\x0b\xc2\x85.\xc2\x85\r\n.\r\n", b"\x0b.\x0b\xc2\x85.\xc2\x85\r\n"),
        ] {
            check(sent, Some(Ok(meant)), b"");
        }
    }

    #[test]
    fn keeps_cr_alone_as_it_is() {
        for content in [
            &b"a\rb\r\n"[..],
            b"a\r\r\nb\r\r\n\r\r\n",
            b"\r\r\r\n",
            b"a\r.b\r..\rc\n.d\r\n",
            b"a\n\r\nb\r\n",
            b"\r\0.\r\n",
        ] {
            check(&[content, b".\r\n"].concat(), Some(Ok(content)), b"");
        }
    }

    #[test]
    fn leaves_what_follows_the_end() {
        check(b"a\r\n.\r\nQUIT\r\n", Some(Ok(b"a\r\n")), b"QUIT\r\n");
    }

    #[test]
    fn refuses_what_others_may_take_for_an_end_and_reads_on() {
        for shape in [
            &b"\n.\n"[..],
            b"\n.\r\n",
            b"\r\n.\n",
            b"\r.\r",
            b"\r.\n",
            b"\n.\r",
            b"\r.\r\n",
            b"\r\n.\r",
            b"\r\r\n.\r\r\n",
            b"\r\n.\r\r\n",
            b"\r\n\r.\r\n",
            b"\n\r.\n",
            b"\r\r.\r\r\n",
            b"\r\n.\r.\n",
        ] {
            let sent = [b"a", shape, b"MAIL FROM:<x@y>\r\n.\r\nNOOP\r\n"].concat();
            check(&sent, Some(Err(Fault::Smuggling)), b"NOOP\r\n");
        }
    }

    #[test]
    fn waits_for_the_true_end() {
        for sent in [&b"a\r\n"[..], b"a\r\n.", b"a\r\n.\r", b"a\n.\n", b".\r"] {
            assert_eq!(read(sent, 1).0, None, "{}", sent.escape_ascii());
        }
    }
}
