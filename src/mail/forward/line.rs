//! The lines of a text, each with what it is by itself: quoted, a label, a rule with or without words.
//! What lines mean together is for others.

use super::language::{self, Field};
use super::phrase;

/// A line without its quote marks.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// How many `>` stood before it.
    pub depth: u32,
    pub text: &'a str,
    pub kind: Kind,
}

/// What a line is by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Blank,
    /// `Label: value` with a label that mail programs use.
    Field(Field),
    /// Says that a forwarded mail follows.
    Forwarded,
    /// Says that it is over.
    EndForwarded,
    /// Says that the mail follows that is answered or forwarded.
    Original,
    /// A rule of underscores: Outlook on the web puts it over the header block.
    Underscores,
    /// A rule of dashes and the like.
    Rule,
    Plain,
}

/// No label and no phrase is longer, in characters, decoration included.
const LABEL_MAX: usize = 48;
/// A rule without words is not shorter, in characters; one of HTML (`<hr>`) is as long.
const RULE_MIN: usize = 4;
/// No rule with words in it is longer, in bytes; what follows the rule on its line not counted.
const MARKER_MAX: usize = 300;

/// The lines of a text.
pub fn read(text: &str) -> Vec<Line<'_>> {
    text.lines().map(Line::read).collect()
}

impl<'a> Line<'a> {
    fn read(line: &'a str) -> Self {
        let (depth, text) = unquoted(line);
        Self { depth, text, kind: kind(text) }
    }

    /// The label of a field, in lower case, and its value.
    pub fn field(&self) -> Option<(String, &'a str)> {
        field(self.text)
    }

    /// What stands on the line behind the marker: Yahoo glues the whole block to it.
    pub fn behind_marker(&self) -> &'a str {
        marker(self.text).map_or("", |(_, tail)| tail)
    }

    pub fn is_blank(&self) -> bool {
        self.kind == Kind::Blank
    }
}

/// Takes the quote marks off: how many, and the rest of the line.
pub fn unquoted(line: &str) -> (u32, &str) {
    let mut depth = 0;
    let mut rest = line;
    while let Some(inner) = rest.trim_start_matches(' ').strip_prefix('>') {
        rest = inner;
        depth += 1;
    }
    // RFC 3676 4.5: one space after the marks is stuffing.
    (depth, if depth > 0 { rest.strip_prefix(' ').unwrap_or(rest) } else { rest })
}

/// Takes so many quote marks off, and leaves deeper ones.
pub fn unquoted_by(line: &str, depth: u32) -> &str {
    let mut rest = line;
    for _ in 0..depth {
        match rest.trim_start_matches(' ').strip_prefix('>') {
            Some(inner) => rest = inner,
            None => break,
        }
    }
    if depth > 0 { rest.strip_prefix(' ').unwrap_or(rest) } else { rest }
}

/// White space, and marks that cannot be seen but stand in labels and names.
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || is_unseen(c) || c == '│'
}

/// Zero-width marks and marks of direction.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{ad}')
}

/// White space as one space each, without unseen marks, trimmed.
pub fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !is_unseen(*c)) {
        match is_space(c) {
            true if clean.ends_with(' ') || clean.is_empty() => {}
            true => clean.push(' '),
            false => clean.push(c),
        }
    }
    clean.truncate(clean.trim_end().len());
    clean
}

/// In lower case and clean: as phrases are compared. The Turkish İ, in lower case an i and a dot, is an i.
pub fn folded(text: &str) -> String {
    let folded = clean(text).to_lowercase();
    if folded.contains(DOT_ABOVE) { folded.replace(DOT_ABOVE, "") } else { folded }
}

const DOT_ABOVE: char = '\u{307}';

fn kind(text: &str) -> Kind {
    if text.chars().all(is_space) {
        return Kind::Blank;
    }
    if let Some((kind, _)) = marker(text) {
        return kind;
    }
    let label = field(text).and_then(|(label, _)| language::field(&label));
    label.map_or_else(|| announcement(text), Kind::Field)
}

/// `Label: value`, also `**Label:** value`, and with the wide colon of Chinese and Japanese.
fn field(text: &str) -> Option<(String, &str)> {
    let text = text.trim_start_matches(|c| is_space(c) || "*_|#•·".contains(c));
    let (end, colon) =
        text.char_indices().take(LABEL_MAX).find(|(_, c)| matches!(c, ':' | '：' | '﹕' | '︰'))?;
    let (label, value) = text.split_at_checked(end)?;
    let label = label.trim_end_matches(|c| is_space(c) || "*_".contains(c));
    let value = value.strip_prefix(colon)?;
    let value = value.trim_start_matches(|c| is_space(c) || c == '*');
    Some((folded(label), value.trim_end_matches(is_space)))
}

/// A rule, with words within or without, and what follows it on the line.
fn marker(text: &str) -> Option<(Kind, &str)> {
    let text = text.trim_start_matches(|c| is_space(c) || c == '*');
    let rule = text.chars().next().filter(|c| "-_=—–~─".contains(*c))?;
    let inner = text.trim_start_matches(rule);
    let width = (text.len() - inner.len()) / rule.len_utf8();
    if inner.chars().all(is_space) {
        let kind = match rule {
            _ if width < RULE_MIN => return None,
            '_' if width >= 30 => Kind::Underscores,
            _ => Kind::Rule,
        };
        return Some((kind, ""));
    }
    if width < 2 {
        return None;
    }
    let closing: String = [rule, rule].iter().collect();
    let (words, tail) = match inner.find(&closing) {
        Some(end) if end < MARKER_MAX => inner.split_at_checked(end)?,
        _ if inner.len() < MARKER_MAX => (inner, ""),
        _ => return None,
    };
    let tail = tail.trim_start_matches(rule).trim_matches(|c| is_space(c) || c == '*');
    Some((phrase_kind(&folded(words))?, tail))
}

fn phrase_kind(words: &str) -> Option<Kind> {
    let words = words.trim_end_matches([':', ' ', '：']);
    let is_by = || phrase::FORWARDED_BY.iter().any(|start| words.starts_with(start));
    if phrase::FORWARDED.contains(&words) || is_by() {
        return Some(Kind::Forwarded);
    }
    if phrase::END_FORWARDED.contains(&words) {
        return Some(Kind::EndForwarded);
    }
    phrase::ORIGINAL.contains(&words).then_some(Kind::Original)
}

/// Apple Mail and MailMate announce a forwarded mail without rules.
fn announcement(text: &str) -> Kind {
    let text = text.trim_matches(|c| is_space(c) || c == '*');
    let Some(words) = text.strip_suffix([':', '：']) else { return Kind::Plain };
    let is_short = words.len() <= MARKER_MAX;
    let words = if is_short { folded(words) } else { return Kind::Plain };
    let lists = [phrase::BEGIN_FORWARDED, phrase::FORWARDED];
    let begins = lists.iter().any(|list| list.contains(&words.as_str()));
    if begins { Kind::Forwarded } else { Kind::Plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_a_line_is() {
        for (text, expected) in [
            ("", Kind::Blank),
            (" \u{a0}\u{200b}", Kind::Blank),
            ("From: Ann", Kind::Field(Field::From)),
            ("**From:** Ann", Kind::Field(Field::From)),
            ("*Von:* Ann", Kind::Field(Field::From)),
            ("De\u{a0}: Ann", Kind::Field(Field::From)),
            ("发件人：Ann", Kind::Field(Field::From)),
            ("\u{feff}De la: Ann", Kind::Field(Field::From)),
            ("        Subject: │Offer", Kind::Field(Field::Subject)),
            ("Note: this", Kind::Plain),
            ("---------- Forwarded message ---------", Kind::Forwarded),
            ("-----Original Message-----", Kind::Original),
            ("-----Ursprüngliche Nachricht-----", Kind::Original),
            ("Begin forwarded message:", Kind::Forwarded),
            ("----- Forwarded by Ann Lee/ACME on 01/05/2026 -----", Kind::Forwarded),
            ("---------- Weitergeleitete Nachricht ---------- Von: Ann", Kind::Forwarded),
            ("________________________________", Kind::Underscores),
            ("----------------------", Kind::Rule),
            ("----", Kind::Rule),
            ("---", Kind::Plain),
            ("-- ", Kind::Plain),
            ("- a point: of a list", Kind::Plain),
        ] {
            assert_eq!(kind(text), expected, "{text:?}");
        }
    }

    #[test]
    fn takes_quote_marks_off() {
        assert_eq!(unquoted("> > a"), (2, "a"));
        assert_eq!(unquoted(">>  a"), (2, " a"));
        assert_eq!(unquoted("a > b"), (0, "a > b"));
        assert_eq!(unquoted_by("> > a", 1), "> a");
    }
}
