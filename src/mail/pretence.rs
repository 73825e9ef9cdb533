//! Names and addresses that pretend to be others (B11, B25): a display name that is another address,
//! letters that look like Latin ones, characters that cannot be seen.

use crate::model::{Address, Person};

/// What somebody's name or address makes one believe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pretence {
    /// The name holds this address, which is not the person's.
    OtherAddress(String),
    /// The domain looks like this one.
    LookalikeDomain(String),
    /// The domain is not ASCII: this is how it was written.
    ForeignDomain(String),
    /// The name mixes alphabets within a word.
    MixedLetters,
    /// Characters that cannot be seen, or that turn the direction of the others.
    HiddenCharacters,
}

/// What a person pretends, the worst first.
pub fn of(person: &Person) -> Option<Pretence> {
    let name = person.name.as_deref().unwrap_or_default();
    other_address(name, &person.email)
        .or_else(|| lookalike(&person.email))
        .or_else(|| name.contains(is_hidden).then_some(Pretence::HiddenCharacters))
        .or_else(|| name.split_whitespace().any(is_mixed).then_some(Pretence::MixedLetters))
}

/// The text with what cannot be seen in it made visible, for names, subjects and files.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match is_hidden(c) {
            true => shown.push_str(&visible_one(c)),
            false => shown.push(c),
        }
    }
    shown
}

/// Does the character turn the direction of what follows, whatever that is?
pub fn is_forced(c: char) -> bool {
    matches!(c, '\u{202d}' | '\u{202e}')
}

/// Running text with what turns its direction made visible; what else cannot be seen in it does no harm.
pub fn straight(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        match is_forced(c) {
            true => shown.push_str(&visible_one(c)),
            false => shown.push(c),
        }
        shown
    })
}

/// A character that cannot be seen, so that it is.
pub fn visible_one(c: char) -> String {
    format!("\u{27e8}U+{:04X}\u{27e9}", u32::from(c))
}

/// Words of a name that are looked at.
const WORDS_MAX: usize = 30;

fn other_address(name: &str, email: &Address) -> Option<Pretence> {
    let words = name.split(|c: char| c.is_whitespace() || "<>()[],;\"'".contains(c));
    let named = words.take(WORDS_MAX).filter(|word| word.contains('@')).find_map(|word| {
        let address = Address::parse(word.trim_matches(['.', ':', '!']))?;
        (address.domain().contains('.') && address != *email).then_some(address)
    });
    named.map(|address| Pretence::OtherAddress(address.normal().to_owned()))
}

fn lookalike(email: &Address) -> Option<Pretence> {
    let domain = email.domain();
    if !domain.split('.').any(|label| label.starts_with("xn--")) {
        return None;
    }
    let (written, _) = idna::domain_to_unicode(domain);
    let latin: String = written.chars().map(|c| latin_twin(c).unwrap_or(c)).collect();
    match latin.is_ascii() && latin != written {
        true => Some(Pretence::LookalikeDomain(latin)),
        false => Some(Pretence::ForeignDomain(written)),
    }
}

/// Soft hyphen, zero width, and the marks and controls of direction.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}' | '\u{200e}'
        | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}'
        | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e007f}')
}

/// Latin letters and letters that look like them in one word.
fn is_mixed(word: &str) -> bool {
    word.chars().any(|c| c.is_ascii_alphabetic()) && word.chars().any(|c| latin_twin(c).is_some())
}

/// The Latin letter that a Cyrillic, Greek or Armenian one cannot be told from.
fn latin_twin(c: char) -> Option<char> {
    let at = FOREIGN.chars().position(|twin| twin == c)?;
    LATIN.chars().nth(at)
}

const FOREIGN: &str = "\u{430}\u{435}\u{43e}\u{440}\u{441}\u{443}\u{445}\u{456}\u{458}\u{455}\
    \u{4bb}\u{501}\u{51b}\u{51d}\u{4cf}\u{3bf}\u{3bd}\u{3b1}\u{3c1}\u{585}\u{261}\u{410}\u{412}\
    \u{415}\u{41a}\u{41c}\u{41d}\u{41e}\u{420}\u{421}\u{422}\u{425}\u{406}\u{408}\u{405}";
const LATIN: &str = "aeopcyxijshdqwlovapogABEKMHOPCTXIJS";

#[cfg(test)]
mod tests {
    use super::*;

    fn pretence(name: &str, email: &str) -> Option<Pretence> {
        let name = Some(name.to_owned()).filter(|name| !name.is_empty());
        of(&Person { email: Address::parse(email).unwrap(), name })
    }

    #[test]
    fn names_that_pretend_are_known() {
        let other = |address: &str| Some(Pretence::OtherAddress(address.to_owned()));
        for (name, email, expected) in [
            ("Ann", "ann@x.example", None),
            ("ann@x.example", "Ann@X.example", None),
            ("Ann <ceo@victim.example>", "evil@x.example", other("ceo@victim.example")),
            ("ceo@victim.example", "evil@x.example", other("ceo@victim.example")),
            ("Ann @ Home", "ann@x.example", None),
            ("P\u{430}ypal", "a@x.example", Some(Pretence::MixedLetters)),
            ("\u{410}\u{43d}\u{43d}\u{430}", "a@x.example", None),
            ("Ann\u{202e}nnA", "a@x.example", Some(Pretence::HiddenCharacters)),
            ("", "a@\u{430}pple.com", Some(Pretence::LookalikeDomain("apple.com".to_owned()))),
            (
                "",
                "a@b\u{fc}cher.example",
                Some(Pretence::ForeignDomain("b\u{fc}cher.example".to_owned())),
            ),
        ] {
            assert_eq!(pretence(name, email), expected, "{name} {email}");
        }
        assert_eq!(LATIN.chars().count(), FOREIGN.chars().count());
    }

    #[test]
    fn what_is_hidden_becomes_visible() {
        assert_eq!(straight("a\u{200b}\u{202e}b"), "a\u{200b}\u{27e8}U+202E\u{27e9}b");
        assert_eq!(visible("invoice\u{202e}gpj.exe"), "invoice\u{27e8}U+202E\u{27e9}gpj.exe");
    }
}
