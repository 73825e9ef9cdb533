//! The people of a header block: addresses as mail programs show them to eyes, in many shapes.
//! An address that is not shown is not guessed.

use std::collections::BTreeSet;

use crate::model::{Address, Person};

use super::line::clean;

/// People of a block that are kept.
const PEOPLE_MAX: usize = 1_000;
/// Characters of a display name that are kept.
const NAME_MAX: usize = 200;

/// Whom a From line names.
#[derive(Debug, PartialEq, Eq)]
pub enum Author {
    /// Exactly one address.
    One(Person),
    /// None, several, or one that sent on behalf of another.
    Unclear(Vec<Person>),
}

/// Reads the value of a From line.
pub fn author(value: &str) -> Author {
    let value = clean(value);
    let found: Vec<Found<'_>> = found(&value).collect();
    let distinct: BTreeSet<&str> = found.iter().map(|found| found.address.normal()).collect();
    let behind = found.last().map_or("", |last| last.behind);
    // "a@b On Behalf Of Ann Lee" names two people, whatever the language: words behind the address.
    let is_followed = behind.trim_start_matches(['>', ']', ')', '"', '\'', ';', ',', ' ']);
    let is_followed = !is_followed.is_empty() && !is_followed.starts_with(['(', '<', '[']);
    match found.first() {
        Some(first) if distinct.len() == 1 && !is_followed => {
            Author::One(Person { email: first.address.clone(), name: name(first.before) })
        }
        _ => Author::Unclear(people(&value)),
    }
}

/// Reads a list: everybody in it who has an address, each once.
pub fn people(value: &str) -> Vec<Person> {
    let value = clean(value);
    let mut known = BTreeSet::new();
    let mut people = Vec::new();
    for found in found(&value) {
        if people.len() < PEOPLE_MAX && known.insert(found.address.normal().to_owned()) {
            people.push(Person { name: name(found.before), email: found.address });
        }
    }
    people
}

/// Addresses anywhere in a text, at most so many, each once and without a name.
pub fn mentioned(text: &str, count_max: usize) -> Vec<Person> {
    let mut known = BTreeSet::new();
    let addresses = found(text).map(|found| found.address);
    let new = addresses.filter(|address| known.insert(address.normal().to_owned()));
    new.take(count_max).map(Person::new).collect()
}

/// An address in a text.
struct Found<'a> {
    address: Address,
    /// The words between it and the address before it.
    before: &'a str,
    /// What follows it, up to the end of the text.
    behind: &'a str,
}

/// Every address in a text, in order. One run of the characters of an address is looked at once.
fn found(text: &str) -> impl Iterator<Item = Found<'_>> {
    let mut rest = text;
    let mut since_last = text;
    std::iter::from_fn(move || {
        loop {
            let (_, run) = rest.split_at_checked(rest.find(is_address_char)?)?;
            let length = run.find(|c| !is_address_char(c)).unwrap_or(run.len());
            let (word, behind) = run.split_at_checked(length)?;
            rest = behind;
            if let Some(address) = address(word) {
                let before = since_last.get(..since_last.len() - run.len()).unwrap_or_default();
                since_last = behind;
                return Some(Found { address, before, behind });
            }
        }
    })
}

fn is_address_char(c: char) -> bool {
    c.is_alphanumeric() || "@.!#$%&'*+-/=?^_`{|}~:".contains(c)
}

/// An address, perhaps with `mailto:` before it and a full stop behind it.
fn address(word: &str) -> Option<Address> {
    if !word.contains('@') {
        return None;
    }
    let word = word.rsplit_once(':').map_or(word, |(_scheme, word)| word);
    let word = word.trim_matches(['\'', '.', '*', '_', '`', '/']);
    let address = Address::parse(word)?;
    address.domain().contains('.').then_some(address)
}

/// The display name in what stands before an address; `None` when there is none, or when it is an
/// address once more.
fn name(before: &str) -> Option<String> {
    let before = before.rsplit(';').next()?;
    let name = before.rsplit(['>', ']']).map(bare).find(|piece| !piece.is_empty())?;
    let name = bare(name.strip_suffix("mailto").unwrap_or(name));
    let name: String = name.chars().filter(|c| !c.is_control()).take(NAME_MAX).collect();
    (!name.is_empty() && !name.contains('@')).then_some(name)
}

/// A name without the marks around it: the brackets of the addresses beside it, quotes, stars.
fn bare(piece: &str) -> &str {
    let is_mark = |c: char| c.is_whitespace() || "<>[],;:'\"„“”«»*".contains(c);
    let piece = piece.trim_start_matches(|c| is_mark(c) || c == ')');
    piece.trim_end_matches(|c| is_mark(c) || c == '(')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_author_in_the_shapes_of_the_programs() {
        for text in [
            "Ann Lee <ann@example.com>",
            "\"Ann Lee\" <ann@example.com>",
            "'Ann Lee' <ann@example.com>",
            "Ann Lee [mailto:ann@example.com]",
            "Ann Lee <mailto:ann@example.com>",
            "Ann Lee <ann@example.com<mailto:ann@example.com>>",
            "Ann Lee <ann@example.com <mailto:ann@example.com> >",
            "Ann Lee (ann@example.com)",
            "Ann Lee <[ann@example.com](mailto:ann@example.com)>",
            "Ann Lee <ann@example.com>;",
            "*Ann Lee* <ann@example.com>",
        ] {
            let Author::One(person) = author(text) else { panic!("{text}") };
            assert_eq!(person.email.normal(), "ann@example.com", "{text}");
            assert_eq!(person.name.as_deref(), Some("Ann Lee"), "{text}");
        }
        for text in ["ann@example.com", "<ann@example.com>", "ann@example.com <ann@example.com>"] {
            let Author::One(person) = author(text) else { panic!("{text}") };
            assert_eq!((person.email.normal(), person.name), ("ann@example.com", None), "{text}");
        }
    }

    #[test]
    fn does_not_guess_an_author() {
        for (text, candidates) in [
            ("Ann Lee", 0),
            ("", 0),
            ("Ann Lee/ACME@ACME", 0),
            ("ann@example.com <bob@example.com>", 2),
            ("assistant@example.com On Behalf Of Ann Lee", 1),
            ("office@example.com im Auftrag von Ann Lee <ann@example.com>", 2),
            ("ann@example.com, bob@example.com", 2),
        ] {
            let Author::Unclear(people) = author(text) else { panic!("{text}") };
            assert_eq!(people.len(), candidates, "{text}");
        }
    }

    #[test]
    fn reads_lists() {
        let list = "\"Lee, Ann\" <ann@example.com>; 'bob@example.com' <bob@example.com>; Known Contact; \
            c@example.com, <d@example.com>, Ann <ANN@example.com>";
        let people = people(list);
        let names: Vec<_> = people.iter().map(|person| person.name.as_deref()).collect();
        assert_eq!(people.len(), 4);
        assert_eq!(names, [Some("Lee, Ann"), None, None, None]);
    }
}
