//! Words that mail is found by, in one normal form, so that every database finds the same. What is typed
//! into a search is words, too, whatever it looks like (C19).

use std::collections::BTreeSet;

use super::{SubAccountId, UserId};

/// The longest word; of longer ones the beginning counts.
const WORD_CHARS_MAX: usize = 40;
/// Different words of one message.
const WORDS_MAX: usize = 2_000;
/// As much of one text as is read.
const TEXT_BYTES_MAX: usize = 200_000;
/// Words of one search.
const ASKED_MAX: usize = 12;
/// A beginning must be as long as this to stand for the whole word.
const PREFIX_CHARS_MIN: usize = 3;

/// The different words of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(BTreeSet<String>);

impl Words {
    /// The words of a sub-account's message, which are those of its user, too.
    pub fn new(of: SubAccountId, user: Option<UserId>) -> Self {
        Self([Some(account_word(of)), user.map(of_user)].into_iter().flatten().collect())
    }

    /// They are of this user, too.
    pub fn add_user(&mut self, user: UserId) {
        self.0.insert(of_user(user));
    }

    /// Adds those of a text.
    pub fn add(&mut self, text: &str) {
        for piece in pieces(clipped(text)) {
            each_word(piece, |word| {
                if self.0.len() < WORDS_MAX && !self.0.contains(word) {
                    self.0.insert(word.to_owned());
                }
            });
        }
    }

    /// One after the other, with spaces between.
    pub fn joined(&self) -> String {
        self.0.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

/// What is searched for: every one of these words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    words: Vec<String>,
    /// The last word is still being typed.
    is_open: bool,
}

impl Query {
    /// Reads what somebody typed; `None` when there is no word in it.
    pub fn parse(text: &str) -> Option<Self> {
        let text = clipped(text);
        let mut found: Vec<String> = Vec::new();
        for piece in pieces(text) {
            each_word(piece, |word| {
                if found.len() < ASKED_MAX && !found.iter().any(|known| known == word) {
                    found.push(word.to_owned());
                }
            });
        }
        let is_open = text.ends_with(char::is_alphanumeric)
            && found.last().is_some_and(|word| word.chars().count() >= PREFIX_CHARS_MIN);
        (!found.is_empty()).then_some(Self { words: found, is_open })
    }

    /// The last word, when it may go on.
    pub fn open_word(&self) -> Option<&str> {
        self.words.last().filter(|_| self.is_open).map(String::as_str)
    }

    /// The search as FTS5 reads it. The last word, when it may go on, is one of `endings`; with none, whatever
    /// begins with it, which FTS5 finds by sorting all mail that has any of these.
    pub fn for_sqlite(&self, of: SubAccountId, user: Option<UserId>, endings: &[String]) -> String {
        let endings: Vec<String> = endings.iter().map(|word| quoted(word, '"')).collect();
        let last = |word: String| match endings.is_empty() {
            true => word + "*",
            false => format!("({})", endings.join(" OR ")),
        };
        self.written(of, user, '"', last).join(" AND ")
    }

    /// The search as a `tsquery`.
    pub fn for_postgres(&self, of: SubAccountId, user: Option<UserId>) -> String {
        self.written(of, user, '\'', |word| word + ":*").join(" & ")
    }

    /// Every word in quotes, the last as `open` makes it when it may go on.
    fn written(
        &self,
        of: SubAccountId,
        user: Option<UserId>,
        quote: char,
        open: impl FnOnce(String) -> String,
    ) -> Vec<String> {
        let own = [Some(account_word(of)), user.map(of_user)];
        let all = own.into_iter().flatten().chain(self.words.iter().cloned());
        let mut written: Vec<String> = all.map(|word| quoted(&word, quote)).collect();
        if let Some(last) = self.is_open.then(|| written.pop()).flatten() {
            written.push(open(last));
        }
        written
    }
}

fn quoted(word: &str, quote: char) -> String {
    format!("{quote}{word}{quote}")
}

/// No word of a text is so long.
fn account_word(of: SubAccountId) -> String {
    format!("subaccount0000000{}", of.0.simple())
}

/// The word that all mail of a user has.
pub fn of_user(user: UserId) -> String {
    format!("user000000000000{}", user.0.simple())
}

/// The beginning of a text, up to the end of a word.
fn clipped(text: &str) -> &str {
    if text.len() <= TEXT_BYTES_MAX {
        return text;
    }
    let mut end = TEXT_BYTES_MAX;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().trim_end_matches(char::is_alphanumeric)
}

/// What stands between spaces, dots and the like.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|piece| !piece.is_empty())
}

/// The words of a piece: it is one, but in languages that put no space between words, where every two
/// neighbours are one. Most pieces are ASCII, and every piece of every mail comes here.
fn each_word(piece: &str, mut take: impl FnMut(&str)) {
    if piece.is_ascii() {
        let word = piece.get(..WORD_CHARS_MAX).unwrap_or(piece);
        return match word.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => take(&word.to_ascii_lowercase()),
            false => take(word),
        };
    }
    let normal: String = piece.chars().flat_map(char::to_lowercase).map(plain).collect();
    if normal.chars().any(is_ideograph) {
        return pairs(&normal).iter().for_each(|pair| take(pair));
    }
    let letters = normal.chars().filter(|c| c.is_alphanumeric());
    let word: String = letters.take(WORD_CHARS_MAX).collect();
    if !word.is_empty() {
        take(&word);
    }
}

fn pairs(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    match chars.len() {
        0 | 1 => vec![text.to_owned()],
        _ => chars.windows(2).map(|pair| pair.iter().collect()).collect(),
    }
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// The letter without its accent, as people type it who do not have it on their keyboard.
fn plain(c: char) -> char {
    match c {
        '\u{e0}'..='\u{e5}' | '\u{101}' | '\u{103}' | '\u{105}' => 'a',
        '\u{e7}' | '\u{107}' | '\u{109}' | '\u{10b}' | '\u{10d}' => 'c',
        '\u{10f}' | '\u{111}' => 'd',
        '\u{e8}'..='\u{eb}' | '\u{113}' | '\u{115}' | '\u{117}' | '\u{119}' | '\u{11b}' => 'e',
        '\u{11d}' | '\u{11f}' | '\u{121}' | '\u{123}' => 'g',
        '\u{ec}'..='\u{ef}' | '\u{129}' | '\u{12b}' | '\u{12d}' | '\u{12f}' | '\u{131}' => 'i',
        '\u{13a}' | '\u{13c}' | '\u{13e}' | '\u{142}' => 'l',
        '\u{f1}' | '\u{144}' | '\u{146}' | '\u{148}' => 'n',
        '\u{f2}'..='\u{f6}' | '\u{f8}' | '\u{14d}' | '\u{14f}' | '\u{151}' => 'o',
        '\u{155}' | '\u{157}' | '\u{159}' => 'r',
        '\u{15b}' | '\u{15d}' | '\u{15f}' | '\u{161}' | '\u{219}' => 's',
        '\u{163}' | '\u{165}' | '\u{21b}' => 't',
        '\u{f9}'..='\u{fc}'
        | '\u{169}'
        | '\u{16b}'
        | '\u{16d}'
        | '\u{16f}'
        | '\u{171}'
        | '\u{173}' => 'u',
        '\u{fd}' | '\u{ff}' => 'y',
        '\u{17a}' | '\u{17c}' | '\u{17e}' => 'z',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        pieces(text).for_each(|piece| each_word(piece, |word| found.push(word.to_owned())));
        found
    }

    #[test]
    fn words_have_one_normal_form() {
        for (text, expected) in [
            ("Hello, World!", vec!["hello", "world"]),
            ("ann@x.example", vec!["ann", "x", "example"]),
            ("M\u{dc}LLER \u{141}\u{f3}d\u{17a}", vec!["muller", "lodz"]),
            ("\u{6771}\u{4eac}\u{90fd}", vec!["\u{6771}\u{4eac}", "\u{4eac}\u{90fd}"]),
            ("\"NEAR(a b)\" * col:x %_", vec!["near", "a", "b", "col", "x"]),
            ("", vec![]),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
        assert_eq!(of(&"x".repeat(1_000))[0].len(), WORD_CHARS_MAX);
    }

    #[test]
    fn a_search_is_words_whatever_it_looks_like() {
        let account = SubAccountId(uuid::Uuid::nil());
        let written = |text: &str| Query::parse(text).map(|it| it.for_sqlite(account, None, &[]));
        let own = format!("\"{}\"", account_word(account));
        assert_eq!(written("Offer"), Some(format!("{own} AND \"offer\"*")));
        assert_eq!(written("the of"), Some(format!("{own} AND \"the\" AND \"of\"")));
        assert_eq!(
            written("a\" OR NEAR(b) "),
            Some(format!("{own} AND \"a\" AND \"or\" AND \"near\" AND \"b\""))
        );
        assert_eq!(written("\"*():^-"), None);
        assert!(written(&"word ".repeat(200_000)).unwrap().len() < 2_000);
    }

    #[test]
    fn a_word_that_may_go_on_is_one_of_its_endings() {
        let account = SubAccountId(uuid::Uuid::nil());
        let own = format!("\"{}\"", account_word(account));
        let endings = ["offer".to_owned(), "offers".to_owned()];
        let written = |text: &str| Query::parse(text).unwrap().for_sqlite(account, None, &endings);
        assert_eq!(
            written("new offer"),
            format!("{own} AND \"new\" AND (\"offer\" OR \"offers\")")
        );
        assert_eq!(written("new offer "), format!("{own} AND \"new\" AND \"offer\""));
    }

    #[test]
    fn a_message_has_its_owners_for_words() {
        let (account, user) = (SubAccountId(uuid::Uuid::nil()), UserId(uuid::Uuid::max()));
        let mut words = Words::new(account, Some(user));
        words.add("b a b");
        assert_eq!(words.joined(), format!("a b {} {}", account_word(account), of_user(user)));
        // A text cannot pretend to be another's.
        words.add(&account_word(SubAccountId(uuid::Uuid::max())));
        assert!(!words.joined().contains(&account_word(SubAccountId(uuid::Uuid::max()))));
    }
}
