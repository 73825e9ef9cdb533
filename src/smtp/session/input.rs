//! Bytes that have come and are not used up: lines are cut from them here, content elsewhere.

use memchr::memchr;

/// What the next line is.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// Its end has not come yet.
    Partial,
    /// A line without its CRLF.
    Whole(&'a [u8]),
    /// Longer than it may be; it is dropped, and the line after it is the next.
    TooLong,
    /// It ends with LF alone.
    BareLf,
    /// So long that its end is not waited for.
    Endless,
}

/// Of a line that is too long so many bytes are dropped before we give up.
const DROPPED_MAX: usize = 65_536;
/// An idle session keeps no more room than this.
const IDLE_CAPACITY: usize = 8_192;

/// What has come from the client.
#[derive(Debug, Default)]
pub struct Input {
    bytes: Vec<u8>,
    /// Up to here they are used up.
    start: usize,
    /// Up to here no LF has been found.
    searched: usize,
    /// Bytes dropped of a line that is too long.
    dropped: usize,
    /// The last dropped byte was CR.
    ends_in_cr: bool,
}

impl Input {
    /// Adds what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start == self.bytes.len() {
            self.clear_used();
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// What is there.
    pub fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Marks so many bytes as used up.
    pub fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.bytes.len());
        self.searched = self.start;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Gives back memory; called when nothing more can be done with what is there.
    pub fn trim(&mut self) {
        self.clear_used();
        if self.bytes.capacity() > IDLE_CAPACITY && self.bytes.len() < IDLE_CAPACITY {
            self.bytes.shrink_to(self.bytes.len());
        }
    }

    fn clear_used(&mut self) {
        self.bytes.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
    }

    /// Cuts the next line, of at most `limit` bytes with its CRLF.
    pub fn line(&mut self, limit: usize) -> Line<'_> {
        let unsearched = self.bytes.get(self.searched..).unwrap_or_default();
        let Some(at) = memchr(b'\n', unsearched).map(|at| self.searched + at) else {
            self.searched = self.bytes.len();
            return self.without_end(limit);
        };
        let first = self.start;
        self.consume(at + 1 - first);
        let line = self.bytes.get(first..at).unwrap_or_default();
        let dropped = std::mem::take(&mut self.dropped);
        let is_dropped_cr = std::mem::take(&mut self.ends_in_cr) && line.is_empty();
        if dropped + line.len() >= DROPPED_MAX {
            return Line::Endless;
        }
        // RFC 5321 2.3.8: nothing but CRLF ends a line.
        match line.strip_suffix(b"\r") {
            Some(_) if dropped + line.len() >= limit => Line::TooLong,
            Some(line) => Line::Whole(line),
            None if is_dropped_cr => Line::TooLong,
            None => Line::BareLf,
        }
    }

    fn without_end(&mut self, limit: usize) -> Line<'_> {
        let count = self.rest().len();
        if self.dropped + count >= limit {
            self.dropped += count;
            self.ends_in_cr = match self.rest().last() {
                Some(last) => *last == b'\r',
                None => self.ends_in_cr,
            };
            self.consume(count);
        }
        if self.dropped >= DROPPED_MAX { Line::Endless } else { Line::Partial }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of `bytes`, fed in pieces of `size`.
    fn lines(bytes: &[u8], size: usize) -> Vec<String> {
        let mut input = Input::default();
        let mut found = Vec::new();
        for piece in bytes.chunks(size) {
            input.push(piece);
            loop {
                match input.line(8) {
                    Line::Partial => break,
                    Line::Whole(line) => found.push(String::from_utf8_lossy(line).into_owned()),
                    other => found.push(format!("{other:?}")),
                }
            }
            input.trim();
        }
        found
    }

    #[test]
    fn cuts_the_same_lines_whatever_the_pieces() {
        let text = b"NOOP\r\n123456\r\n1234567\r\n12345678901234\r\n\r\nlf\n123456789\r\r\n12345678\nx\rx\r\n";
        let expected =
            ["NOOP", "123456", "TooLong", "TooLong", "", "BareLf", "TooLong", "BareLf", "x\rx"];
        for size in 1..text.len() + 1 {
            assert_eq!(lines(text, size), expected, "pieces of {size}");
        }
    }

    #[test]
    fn keeps_nothing_of_a_line_without_end() {
        let mut input = Input::default();
        let mut last = Line::Partial;
        for _ in 0..DROPPED_MAX / 1024 {
            input.push(&[b'x'; 1024]);
            last = input.line(4096);
            if last == Line::Endless {
                break;
            }
        }
        assert_eq!(last, Line::Endless);
        assert!(input.bytes.capacity() <= 16_384);
    }
}
