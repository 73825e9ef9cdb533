//! Attribution lines: "On …, Ann wrote:", over a quotation, in the languages and orders of mail
//! programs, on one line or wrapped over several.

use super::date;
use super::language::{Language, languages};
use super::line::{Kind, Line, clean, folded, is_space};
use super::people;
use super::phrase;
use crate::model::{Person, Time};

/// An attribution.
#[derive(Debug)]
pub struct Attribution {
    /// Its first and its last line.
    pub first: usize,
    pub last: usize,
    /// Its lines as one.
    pub text: String,
    /// It says who and when, so that it is one whatever follows; others need a quotation below them.
    pub is_certain: bool,
}

/// Lines over which an attribution is wrapped at most.
const LINES_MAX: usize = 4;
/// No attribution is longer, in bytes.
const LENGTH_MAX: usize = 600;

impl Attribution {
    /// The attribution whose last line this is.
    pub fn ending_at(lines: &[Line<'_>], last: usize) -> Option<Self> {
        let line = lines.get(last).filter(|line| may_end(line))?;
        let of_line = Evidence::of(&joined(lines, last, last));
        if !of_line.may_be_one() {
            return None;
        }
        let is_part = |above: &&Line<'_>| {
            above.kind == Kind::Plain && above.depth == line.depth && above.text.len() <= LENGTH_MAX
        };
        let wrapped = lines.iter().take(last + 1).rev().take(LINES_MAX).take_while(is_part).count();
        let mut found: Option<Self> = None;
        for first in (last + 1 - wrapped..=last).rev() {
            let text = joined(lines, first, last);
            let evidence = Evidence::of(&text);
            if evidence.is_certain() && of_line.may_be_certain() {
                let certain = Self { first, last, text, is_certain: true };
                if evidence.is_introduced {
                    return Some(certain);
                }
                found = found.filter(|found| found.is_certain).or(Some(certain));
            } else if first == last || starts_with_address(line.text) {
                let is_enough = evidence.is_enough_over_a_quotation();
                let doubtful = is_enough.then_some(Self { first, last, text, is_certain: false });
                found = found.or(doubtful);
            }
        }
        found.map(|found| found.with_name(lines, last + 1 - wrapped))
    }

    /// With the name that was left on the line above the address when the line was wrapped.
    fn with_name(self, lines: &[Line<'_>], first_possible: usize) -> Self {
        if !starts_with_address(&self.text) || self.first <= first_possible {
            return self;
        }
        let first = self.first - 1;
        Self { first, text: joined(lines, first, self.last), ..self }
    }

    /// Whose mail it introduces, when it shows exactly one address.
    pub fn author(&self) -> Option<Person> {
        let mut people = people::people(&self.text);
        let person = people.pop()?;
        // Everything before the address is date and name in one; only their order and quotes tell them
        // apart.
        people.is_empty().then(|| Person { name: name(&self.text), email: person.email })
    }

    /// The date that it says.
    pub fn date(&self, offset_seconds: i32) -> Option<Time> {
        let is_english = folded(&self.text).contains("wrote");
        let languages: Vec<&Language> =
            languages().filter(|language| is_english && language.name == "en").collect();
        date::read(&self.text, &languages, offset_seconds)
    }
}

/// Most end with a colon; Zoho sets them between dashes.
fn may_end(line: &Line<'_>) -> bool {
    let text = line.text.trim_end_matches(is_space);
    line.kind == Kind::Plain
        && text.len() <= LENGTH_MAX
        && (text.ends_with([':', '：']) || (text.starts_with("---") && text.ends_with("---")))
}

/// A long one is wrapped before the address.
fn starts_with_address(text: &str) -> bool {
    text.trim_start_matches('(').starts_with('<')
}

fn joined(lines: &[Line<'_>], first: usize, last: usize) -> String {
    let lines = lines.iter().skip(first).take(last + 1 - first);
    let text: Vec<&str> = lines.map(|line| line.text).collect();
    let text = clean(&text.join(" "));
    text.trim_matches(['-', ' ']).to_owned()
}

/// What speaks for an attribution.
struct Evidence {
    has_verb: bool,
    has_address: bool,
    /// One in angle brackets.
    has_bracketed: bool,
    has_date: bool,
    is_introduced: bool,
    /// It ends with an address in angle brackets and a colon.
    ends_with_address: bool,
}

impl Evidence {
    fn of(text: &str) -> Self {
        let folded = text.to_lowercase();
        let ending = folded.trim_end_matches([':', '：', ' ']);
        let mut words = folded.split(|c: char| !c.is_alphabetic());
        Self {
            has_verb: words.any(|word| phrase::WROTE.contains(&word))
                || phrase::WROTE_WITHIN.iter().any(|verb| folded.contains(verb)),
            has_address: folded.contains('@'),
            has_bracketed: folded.split_once('<').is_some_and(|(_, behind)| behind.contains('@')),
            has_date: has_year_or_clock(&folded),
            is_introduced: phrase::INTRODUCTIONS.iter().any(|start| folded.starts_with(start)),
            ends_with_address: folded.contains('@') && ending.ends_with('>'),
        }
    }

    /// In Russian and Japanese Gmail there is no verb, only a date and an address.
    fn is_certain(&self) -> bool {
        let with_verb = self.has_verb && (self.is_introduced || self.has_address);
        self.has_date && (with_verb || self.ends_with_address)
    }

    /// The last line of one has a verb or an address.
    fn may_be_one(&self) -> bool {
        self.has_verb || self.has_bracketed
    }

    /// An address within it may be one that the author speaks of.
    fn may_be_certain(&self) -> bool {
        self.has_verb || self.ends_with_address
    }

    /// In the many languages whose verb is not known a date and an address tell it as well; Horde writes
    /// "Quoting Ann <ann@example.com>:" without a date.
    fn is_enough_over_a_quotation(&self) -> bool {
        self.has_verb || self.ends_with_address || (self.has_bracketed && self.has_date)
    }
}

/// Four digits of a year of this century or the last, or digits around a colon or a dot.
fn has_year_or_clock(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let has_year = bytes.windows(4).any(|four| {
        four.iter().all(is_digit) && (four.starts_with(b"19") || four.starts_with(b"20"))
    });
    has_year
        || bytes.windows(4).any(|four| {
            matches!(four, [a, b':' | b'.', c, d] if is_digit(a) && is_digit(c) && is_digit(d))
        })
}

/// The name before the address, when quotes or the start of the line tell it from the date.
fn name(text: &str) -> Option<String> {
    let (before, _) = text.split_once('<')?;
    let before = before.trim_end();
    let quoted = before.strip_suffix(['"', '”', '»', '“']).and_then(|before| {
        let start = before.rfind(['"', '„', '«', '“'])?;
        before.get(start..)
    });
    let is_date = |text: &str| text.chars().any(|c| c.is_ascii_digit());
    let name = quoted.or_else(|| Some(before).filter(|before| !is_date(before)))?;
    let name = name.trim_matches(|c: char| c.is_whitespace() || "\"„«“".contains(c));
    (!name.is_empty() && !name.contains('@')).then(|| name.to_owned())
}
