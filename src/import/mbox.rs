//! A file of many mails: mboxrd, mboxo and mboxcl, LF or CRLF (RFC 4155 and its relatives). The
//! separator is ambiguous by design; [`is_separator`] says what is taken for one.

use std::io::{BufRead, Read};

use super::{Problem, is_field};

/// Longer lines are read in pieces of this size, so that memory is bounded by the mail's limit.
const PIECE_MAX: usize = 65_536;

/// Takes the file apart, one mail at a time.
pub struct Mbox<R> {
    input: R,
    max_bytes: usize,
    /// The line (or piece of one) after the current one.
    ahead: Line,
    /// How many mails were returned.
    number: u64,
    is_finished: bool,
}

/// A mail of the file.
pub struct Entry {
    /// Counted from 1.
    pub number: u64,
    /// Bytes of the file that it takes.
    pub bytes: u64,
    pub content: Result<Vec<u8>, Problem>,
}

#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    /// It begins where a line begins.
    is_start: bool,
}

impl Line {
    fn is_end(&self) -> bool {
        self.bytes.is_empty()
    }

    fn is_blank(&self) -> bool {
        self.is_start && matches!(self.bytes.as_slice(), b"\n" | b"\r\n")
    }
}

impl<R: BufRead> Mbox<R> {
    /// Mails of at most `max_bytes` each.
    pub fn new(input: R, max_bytes: usize) -> Self {
        let ahead = Line { bytes: Vec::new(), is_start: true };
        Self { input, max_bytes, ahead, number: 0, is_finished: false }
    }

    /// The next line, while the one after it is already known.
    fn advance(&mut self) -> std::io::Result<Line> {
        let was_cut = !self.ahead.bytes.is_empty() && !self.ahead.bytes.ends_with(b"\n");
        let mut next = Line { bytes: Vec::new(), is_start: !was_cut };
        let limit = u64::try_from(PIECE_MAX).unwrap_or(u64::MAX);
        self.input.by_ref().take(limit).read_until(b'\n', &mut next.bytes)?;
        Ok(std::mem::replace(&mut self.ahead, next))
    }

    fn read_mail(&mut self) -> std::io::Result<Option<Entry>> {
        if self.number == 0 && self.ahead.is_end() {
            self.advance()?;
        }
        if self.ahead.is_end() {
            return Ok(None);
        }
        let mut mail = Collector::new(self.max_bytes);
        loop {
            let line = self.advance()?;
            if line.is_end() {
                break;
            }
            mail.add(&line);
            if self.ahead.is_end() {
                break;
            }
            if self.may_separate(line.is_blank()) && self.next_is_mail()? {
                break;
            }
        }
        self.number += 1;
        Ok(Some(mail.into_entry(self.number)))
    }

    fn may_separate(&self, is_after_blank: bool) -> bool {
        self.ahead.is_start && is_separator(&self.ahead.bytes, is_after_blank)
    }

    /// Does the line behind the separator begin a header? Looks into what is buffered.
    fn next_is_mail(&mut self) -> std::io::Result<bool> {
        let buffered = self.input.fill_buf()?;
        let line = buffered.split(|byte| *byte == b'\n').next().unwrap_or_default();
        // Too little is buffered to say: a separator is likelier. Nothing behind it is no mail.
        let is_cut = line.len() == buffered.len() && !buffered.is_empty();
        Ok(is_cut || is_field(line) || line.starts_with(b">From "))
    }
}

impl<R: BufRead> Iterator for Mbox<R> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if self.is_finished {
            return None;
        }
        match self.read_mail() {
            Ok(entry) => {
                self.is_finished = entry.is_none();
                entry
            }
            Err(error) => {
                self.is_finished = true;
                let content = Err(Problem::Unreadable(error));
                Some(Entry { number: self.number + 1, bytes: 0, content })
            }
        }
    }
}

/// Is the line `From SENDER DATE`, or as much of it as broken programs write? Bodies have lines that
/// begin with `From `, too: so there must be a time and a year, or at least nothing but an address
/// after a blank line; and what follows must be a header (`next_is_mail`).
fn is_separator(line: &[u8], is_after_blank: bool) -> bool {
    let Some(rest) = line.strip_prefix(b"From ") else { return false };
    let mut words = rest.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let sender = words.next().unwrap_or_default();
    let words: Vec<&[u8]> = words.take(12).collect();
    let has_time = words.iter().any(|word| is_time(word));
    let has_year = words.iter().any(|word| is_year(word));
    let is_bare =
        words.is_empty() && (sender.contains(&b'@') || matches!(sender, b"-" | b"MAILER-DAEMON"));
    (has_time && has_year) || (is_after_blank && is_bare)
}

/// `10:00` or `10:00:00`.
fn is_time(word: &[u8]) -> bool {
    let parts: Vec<&[u8]> = word.split(|byte| *byte == b':').collect();
    let is_part =
        |part: &&[u8]| (1..=2).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
    (2..=3).contains(&parts.len()) && parts.iter().all(is_part)
}

fn is_year(word: &[u8]) -> bool {
    word.len() == 4
        && word.iter().all(u8::is_ascii_digit)
        && (word.starts_with(b"19") || word.starts_with(b"20"))
}

/// Puts one mail together out of its lines.
struct Collector {
    content: Vec<u8>,
    max_bytes: usize,
    /// Bytes read, those of the separator included.
    bytes: u64,
    is_first: bool,
    is_too_large: bool,
    /// The rest of a separator line that is longer than a piece.
    skips_line: bool,
}

impl Collector {
    const fn new(max_bytes: usize) -> Self {
        Self {
            content: Vec::new(),
            max_bytes,
            bytes: 0,
            is_first: true,
            is_too_large: false,
            skips_line: false,
        }
    }

    fn add(&mut self, line: &Line) {
        self.bytes = self.bytes.saturating_add(line.bytes.len() as u64);
        let is_separator = self.is_first && line.bytes.starts_with(b"From ");
        self.skips_line = is_separator || self.skips_line && !line.is_start;
        self.is_first = false;
        if self.skips_line || self.is_too_large {
            return;
        }
        let text = if line.is_start { unquoted(&line.bytes) } else { &line.bytes };
        // One blank line more may follow that is not the mail's own.
        if self.content.len() + text.len() > self.max_bytes.saturating_add(2) {
            self.is_too_large = true;
            self.content = Vec::new();
        } else {
            self.content.extend_from_slice(text);
        }
    }

    fn into_entry(mut self, number: u64) -> Entry {
        // The blank line before a separator is the file's, not the mail's.
        for end in [&b"\n\r\n"[..], b"\n\n"] {
            if self.content.ends_with(end) {
                self.content.truncate(self.content.len() + 1 - end.len());
                break;
            }
        }
        let is_too_large = self.is_too_large || self.content.len() > self.max_bytes;
        let content = if is_too_large {
            Err(Problem::TooLarge { size: self.bytes, max: self.max_bytes })
        } else {
            Ok(self.content)
        };
        Entry { number, bytes: self.bytes, content }
    }
}

/// `>From ` was `From `, `>>From ` was `>From ` (mboxrd; mboxo differs from it in the second alone).
fn unquoted(line: &[u8]) -> &[u8] {
    let level = line.iter().take_while(|byte| **byte == b'>').count();
    match line.split_at_checked(level) {
        Some((_, rest)) if level > 0 && rest.starts_with(b"From ") => {
            line.strip_prefix(b">").unwrap_or(line)
        }
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEPARATOR: &str = "From bea@firm.example Mon Nov  2 10:00:00 2026\n";

    fn mails_within(text: &str, max_bytes: usize) -> Vec<String> {
        let entries = Mbox::new(text.as_bytes(), max_bytes);
        entries
            .map(|entry| match entry.content {
                Ok(content) => String::from_utf8(content).unwrap(),
                Err(problem) => format!("{problem}"),
            })
            .collect()
    }

    fn mails(text: &str) -> Vec<String> {
        mails_within(text, 1_000_000)
    }

    #[test]
    fn takes_mails_apart_and_leaves_their_bytes_alone() {
        let text = format!("{SEPARATOR}A: 1\n\none\n\n{SEPARATOR}B: 2\n\ntwo\n\nend\n\n");
        assert_eq!(mails(&text), ["A: 1\n\none\n", "B: 2\n\ntwo\n\nend\n"]);
        let crlf = text.replace('\n', "\r\n");
        assert_eq!(mails(&crlf), ["A: 1\r\n\r\none\r\n", "B: 2\r\n\r\ntwo\r\n\r\nend\r\n"]);
    }

    #[test]
    fn takes_off_one_level_of_quoting() {
        let body = ">From here\n>>From there\n> From me\n>Fromage\nnot >From\n";
        let text = format!("{SEPARATOR}A: 1\n\n{body}");
        let expected = "A: 1\n\nFrom here\n>From there\n> From me\n>Fromage\nnot >From\n";
        assert_eq!(mails(&text), [expected]);
    }

    #[test]
    fn knows_separators_from_sentences() {
        for (line, after_blank, expected) in [
            ("From bea@firm.example Mon Nov  2 10:00:00 2026", true, true),
            ("From bea@firm.example Mon Nov  2 10:00:00 2026", false, true),
            ("From - Mon Nov 02 10:00:00 2026", true, true),
            ("From 178@xxx Mon Nov 02 10:00:00 +0000 2026", true, true),
            ("From \"bea lee\"@firm.example Mon Nov  2 10:00 CET 2026", true, true),
            ("From MAILER-DAEMON", true, true),
            ("From bea@firm.example", true, true),
            ("From bea@firm.example", false, false),
            ("From what I see, it rains", true, false),
            ("From 10:30 on it rains", true, false),
            ("From 2026 on it rains", true, false),
            ("From: bea@firm.example", true, false),
            ("FROM bea Mon Nov  2 10:00:00 2026", true, false),
        ] {
            assert_eq!(is_separator(line.as_bytes(), after_blank), expected, "{line}");
        }
    }

    #[test]
    fn a_sentence_with_a_time_does_not_cut_a_mail() {
        let body = "From Monday 10:00 in 2026 on:\nit rains\n\nFrom x@y 10:00 2026\n\nrain\n";
        let text = format!("{SEPARATOR}A: 1\n\n{body}{SEPARATOR}B: 2\n\n");
        let found = mails(&text);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].ends_with("\n\nrain\n"), "{found:?}");
    }

    #[test]
    fn a_mail_without_a_body_or_a_last_line_end_is_a_mail() {
        assert_eq!(mails(&format!("{SEPARATOR}A: 1")), ["A: 1"]);
        assert_eq!(mails(&format!("{SEPARATOR}A: 1\n\n{SEPARATOR}B: 2\n")), ["A: 1\n", "B: 2\n"]);
        assert_eq!(mails(""), [""; 0]);
    }

    #[test]
    fn a_mail_that_is_too_large_does_not_stop_the_next() {
        let large = "x".repeat(300_000);
        let text = format!("{SEPARATOR}A: 1\n\n{large}\n\n{SEPARATOR}B: 2\n\nok\n");
        let found = mails_within(&text, 1_000);
        assert!(found[0].contains("the limit is 1000"), "{found:?}");
        assert_eq!(found[1..], ["B: 2\n\nok\n"]);
    }

    #[test]
    fn the_limit_is_exact() {
        let text = format!("{SEPARATOR}A: 1\n\n{}\n\n{SEPARATOR}B: 2\n", "x".repeat(93));
        assert_eq!(mails_within(&text, 100).first().map(String::len), Some(100));
        assert!(mails_within(&text, 99).first().unwrap().contains("limit is 99"));
    }

    #[test]
    fn a_line_without_end_is_cut_into_pieces_and_put_together_again() {
        let line = "From ".repeat(60_000);
        let text = format!("{SEPARATOR}A: 1\n\n>{line}\n{SEPARATOR}B: 2\n\n");
        let found = mails(&text);
        assert_eq!((found.len(), found[0].len()), (2, "A: 1\n\n\n".len() + line.len()));
    }

    #[test]
    fn every_byte_of_the_file_is_counted_once() {
        let text = format!("{SEPARATOR}A: 1\n\none\n\n{SEPARATOR}B: 2\n\n>From two\n");
        let bytes: u64 = Mbox::new(text.as_bytes(), 10).map(|entry| entry.bytes).sum();
        assert_eq!(bytes, text.len() as u64);
    }
}
