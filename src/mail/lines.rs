//! Walks over the lines of a mail, whatever ends them, without copying.

use memchr::memchr;

/// The lines that are left. Copying it is a look ahead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    /// All lines of the bytes.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The bytes that no line was taken of.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    /// The next line with its line end.
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let feed = memchr(b'\n', self.rest);
        let (line, rest) = self.rest.split_at(feed.map_or(self.rest.len(), |at| at + 1));
        self.rest = rest;
        Some(line)
    }
}

/// A line without its line end.
pub(super) fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Nothing but a line end; `\r\r\n` of a broken gateway counts, spaces do not: they fold.
pub(super) fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_lines_of_any_end() {
        let lines: Vec<&[u8]> = Lines::new(b"a\r\nb\n\nc").map(without_end).collect();
        assert_eq!(lines, [b"a".as_slice(), b"b", b"", b"c"]);
    }

    #[test]
    fn knows_blank_lines() {
        for (line, expected) in
            [("\n", true), ("\r\n", true), ("\r\r\n", true), (" \n", false), ("a", false)]
        {
            assert_eq!(is_blank(line.as_bytes()), expected, "{line:?}");
        }
    }
}
