//! Header fields (RFC 5322 2.2): bytes to names and values, bounded. What a value says is read by
//! `values`; a line that is no field is passed over, as sendmail and every reader of mail does.

use super::Limits;
use super::lines::{Lines, is_blank};

/// One header field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    pub name: &'a [u8],
    /// As it stands, with its folding and its last line end.
    pub value: &'a [u8],
}

/// A header: that of a mail or that of a part.
#[derive(Clone, Debug, Default)]
pub(super) struct Head<'a> {
    pub fields: Vec<Field<'a>>,
    /// It had more fields or more bytes than are read.
    pub is_clipped: bool,
}

impl<'a> Head<'a> {
    /// Reads the header of a mail and leaves `lines` at its body. What stands before the first
    /// field is dropped: a byte order mark, empty lines, the `From ` line of an mbox.
    pub(super) fn of_mail(lines: &mut Lines<'a>, limits: &Limits) -> Self {
        skip_before_fields(lines);
        Self::read(lines, limits, |_| false)
    }

    /// Reads a header and leaves `lines` at the body, or at the line that `is_end` says is beyond
    /// it. Where no line is a field, there is no header: all of it is body.
    pub(super) fn read(
        lines: &mut Lines<'a>,
        limits: &Limits,
        is_end: impl Fn(&[u8]) -> bool,
    ) -> Self {
        let start = *lines;
        let mut reader = Reader::new(limits);
        let mut is_behind_spaces = false;
        loop {
            let here = lines.rest();
            let mut ahead = *lines;
            let Some(line) = ahead.next() else { break };
            // Some programs write a space on the empty line: what is no field behind it is the body.
            if is_end(line) || is_behind_spaces && !is_of_header(line) {
                break;
            }
            is_behind_spaces = line.trim_ascii().is_empty();
            *lines = ahead;
            if is_blank(line) {
                break;
            }
            reader.take(line, here);
        }
        let head = reader.finish();
        if head.fields.is_empty() {
            *lines = start;
            let mut ahead = start;
            if ahead.next().is_some_and(is_blank) {
                *lines = ahead;
            }
        }
        head
    }

    /// The values of all fields of a name, in lower case, in their order.
    pub(super) fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'a [u8]> + 's {
        let is_named = move |field: &&Field| field.name.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(is_named).map(|field| field.value)
    }

    /// The value of the first field of a name.
    pub(super) fn first(&self, name: &str) -> Option<&'a [u8]> {
        self.all(name).next()
    }

    /// The first field of a name as trimmed text in lower case; comments and parameters stay.
    pub(super) fn token(&self, name: &str) -> Option<String> {
        let text = String::from_utf8_lossy(self.first(name)?).trim().to_ascii_lowercase();
        (!text.is_empty()).then_some(text)
    }

    /// The first word of such a field, without the comments and parameters behind it.
    pub(super) fn keyword(&self, name: &str) -> Option<String> {
        let mut text = self.token(name)?;
        text.truncate(text.find([';', '(', ' ', '\t', '\r', '\n']).unwrap_or(text.len()));
        (!text.is_empty()).then_some(text)
    }

    /// Has it a field of that name that says something?
    pub(super) fn has(&self, name: &str) -> bool {
        self.all(name).any(|value| !value.trim_ascii().is_empty())
    }
}

/// Drops what some programs put before the first field.
fn skip_before_fields(lines: &mut Lines<'_>) {
    let rest = lines.rest();
    *lines = Lines::new(rest.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(rest));
    let mut ahead = *lines;
    while let Some(line) = ahead.next() {
        if !is_blank(line) && !is_mbox_line(line) {
            break;
        }
        *lines = ahead;
    }
}

/// RFC 4155: the line before each mail of an mbox.
fn is_mbox_line(line: &[u8]) -> bool {
    let line = line.strip_prefix(b">").unwrap_or(line);
    line.strip_prefix(b"From ").is_some_and(|rest| !rest.trim_ascii_start().starts_with(b":"))
}

/// Puts lines together to fields, within the limits.
struct Reader<'a> {
    head: Head<'a>,
    /// The field that a folded line would belong to: its name, and where its value starts.
    open: Option<(&'a [u8], &'a [u8])>,
    open_length: usize,
    bytes_left: usize,
    fields_left: usize,
}

impl<'a> Reader<'a> {
    fn new(limits: &Limits) -> Self {
        Self {
            head: Head::default(),
            open: None,
            open_length: 0,
            bytes_left: limits.header_bytes_max,
            fields_left: limits.fields_max,
        }
    }

    /// Takes one line, which stands at the start of `here`.
    fn take(&mut self, line: &'a [u8], here: &'a [u8]) {
        // RFC 5322 2.2.3: a line that begins with white space belongs to the one before.
        if line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
            self.extend(line.len());
            return;
        }
        self.close();
        let Some((name, skip)) = field_name(line) else { return };
        if self.fields_left == 0 {
            self.head.is_clipped = true;
            return;
        }
        self.fields_left -= 1;
        self.open = Some((name, here.get(skip..).unwrap_or_default()));
        self.extend(line.len() - skip);
    }

    fn extend(&mut self, length: usize) {
        if self.open.is_none() {
            return;
        }
        let taken = length.min(self.bytes_left);
        self.head.is_clipped |= taken < length;
        self.bytes_left -= taken;
        self.open_length += taken;
    }

    fn close(&mut self) {
        if let Some((name, start)) = self.open.take() {
            let value = start.get(..self.open_length).unwrap_or_default();
            self.head.fields.push(Field { name, value });
        }
        self.open_length = 0;
    }

    fn finish(mut self) -> Head<'a> {
        self.close();
        self.head
    }
}

/// It begins a field, goes on with one, or ends the header.
pub(super) fn is_of_header(line: &[u8]) -> bool {
    let is_folded = line.first().is_some_and(u8::is_ascii_whitespace);
    is_folded || field_name(line).is_some()
}

/// The name of the field that the line begins, and where its value starts.
fn field_name(line: &[u8]) -> Option<(&[u8], usize)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    // RFC 5322 4.5.8: white space before the colon is obsolete, and in use.
    let name = line.get(..colon)?.trim_ascii_end();
    // RFC 5322 2.2: printable ASCII without the colon.
    let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    is_name.then_some((name, colon + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> (Vec<(String, String)>, String) {
        let mut lines = Lines::new(raw.as_bytes());
        let head = Head::of_mail(&mut lines, &Limits::default());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let fields =
            head.fields.iter().map(|field| (text(field.name), text(field.value))).collect();
        (fields, text(lines.rest()))
    }

    #[test]
    fn reads_fields_as_they_are_written() {
        for (raw, names, body) in [
            ("A: 1\r\nB: 2\r\n\r\nbody", "A B", "body"),
            ("A: 1\n 2\n\t3\nB: 4\n\nbody", "A B", "body"),
            ("\r\n\r\nA: 1\r\n\r\nbody", "A", "body"),
            ("\u{feff}A: 1\n\nbody", "A", "body"),
            ("From ann@x Mon Jan  1 00:00:00 2024\nA: 1\n\nbody", "A", "body"),
            ("From : ann@x\n\nbody", "From", "body"),
            ("A : 1\nno colon\n folded junk\nB\0: 2\n : 3\nC: 4\n\nbody", "A C", "body"),
            ("A: 1\n \nB: 2\n\nbody", "A B", "body"),
            ("A: 1\n \n--b\nB: 2\n\nbody", "A", "--b\nB: 2\n\nbody"),
            ("A: 1\r\n\t\r\nDear Ann,\r\n\r\nbody", "A", "Dear Ann,\r\n\r\nbody"),
            ("A: 1\n \n folded\nB: 2\n\nbody", "A B", "body"),
            ("A: 1", "A", ""),
            ("Only text.\n\nMore: text.", "", "Only text.\n\nMore: text."),
            ("", "", ""),
        ] {
            let (fields, rest) = read(raw);
            let found: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!((found.join(" ").as_str(), rest.as_str()), (names, body), "{raw:?}");
        }
    }

    #[test]
    fn keeps_a_folded_value_whole() {
        assert_eq!(read("A: 1\r\n 2\r\n\r\n").0, [("A".to_owned(), " 1\r\n 2\r\n".to_owned())]);
    }

    #[test]
    fn reads_no_more_than_the_limits_allow() {
        let limits = Limits { fields_max: 2, header_bytes_max: 8, ..Limits::default() };
        let raw = format!("A: 1\nB: {}\nC: 3\n\nbody", "b".repeat(100));
        let mut lines = Lines::new(raw.as_bytes());
        let head = Head::of_mail(&mut lines, &limits);
        assert!(head.is_clipped);
        assert_eq!(head.fields.len(), 2);
        assert!(head.fields.iter().map(|field| field.value.len()).sum::<usize>() <= 8);
        assert_eq!(lines.rest(), b"body");
    }
}
