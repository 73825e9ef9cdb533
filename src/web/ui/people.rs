//! People as the pages show them: a name, an address, a face made of letters, and what they pretend.

use std::collections::BTreeMap;

use crate::mail::pretence::{self, Pretence};
use crate::model::{Address, Person, SubAccountId, User, UserId};
use crate::store::{Result, Store};
use crate::web::ui::text;

/// A person to be shown. Nothing in it is invisible, and the address is in ASCII (B25).
#[derive(Clone, Debug)]
pub struct Shown {
    /// The name, or the address where there is none.
    pub name: String,
    pub email: String,
    pub face: Face,
    /// What the name or address pretends, in words.
    pub warning: Option<String>,
}

/// Letters on a colour, the same for one address everywhere.
#[derive(Clone, Debug)]
pub struct Face {
    pub letters: String,
    /// One of [`HUES`] colours.
    pub hue: u32,
}

/// Colours of faces.
const HUES: u32 = 8;

impl Shown {
    pub fn person(person: &Person) -> Self {
        let email = pretence::visible(person.email.normal());
        let name = person.name.as_deref().map(str::trim).filter(|name| !name.is_empty());
        let name = name.map_or_else(|| email.clone(), pretence::visible);
        let face = Face::new(&name, &email);
        Self { face, warning: pretence::of(person).map(words), name, email }
    }

    pub fn contact(email: &Address, name: Option<&str>) -> Self {
        Self::person(&Person { email: email.clone(), name: name.map(str::to_owned) })
    }

    /// The name with the address beside it, so that no name pretends.
    pub fn line(&self) -> String {
        match self.is_named() {
            true => format!("{} <{}>", self.name, self.email),
            false => self.email.clone(),
        }
    }

    /// Does it have a name beside the address?
    pub fn is_named(&self) -> bool {
        self.name != self.email
    }
}

impl Face {
    fn new(name: &str, email: &str) -> Self {
        let words = name.split(|c: char| c.is_whitespace() || "@.-_,".contains(c));
        let letters = words.filter_map(|word| word.chars().find(|c| c.is_alphanumeric()));
        let letters: String = letters.take(2).flat_map(char::to_uppercase).collect();
        let hash = email
            .bytes()
            .fold(5_381_u32, |hash, byte| hash.wrapping_mul(33).wrapping_add(u32::from(byte)));
        Self { letters, hue: (hash >> 7) % HUES }
    }
}

fn words(pretence: Pretence) -> String {
    match pretence {
        Pretence::OtherAddress(address) => text::with("mail.other_address", address),
        Pretence::LookalikeDomain(domain) => text::with("mail.lookalike", domain),
        Pretence::ForeignDomain(domain) => text::with("mail.foreign_domain", domain),
        Pretence::MixedLetters => text::words("mail.mixed_letters").to_owned(),
        Pretence::HiddenCharacters => text::words("mail.hidden_characters").to_owned(),
    }
}

/// The users whose ids these are.
pub async fn users(
    store: &Store,
    of: SubAccountId,
    ids: impl Iterator<Item = UserId>,
) -> Result<BTreeMap<UserId, User>> {
    let mut users = BTreeMap::new();
    for id in ids {
        if !users.contains_key(&id)
            && let Some(user) = store.user(of, id).await?
        {
            users.insert(id, user);
        }
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_face_has_the_first_letters_of_the_name() {
        for (name, letters) in [
            ("Ann Lee", "AL"),
            ("ann.lee@x.example", "AL"),
            ("\u{c9}mile", "\u{c9}"),
            ("\u{738b}\u{5c0f}\u{660e}", "\u{738b}"),
            ("!!", ""),
        ] {
            assert_eq!(Face::new(name, "a@x.example").letters, letters, "{name}");
        }
    }

    #[test]
    fn what_pretends_is_said() {
        let person = |name: &str, email: &str| Person {
            email: Address::parse(email).unwrap(),
            name: Some(name.to_owned()),
        };
        let shown = Shown::person(&person("ceo@victim.example", "evil@x.example"));
        assert!(shown.warning.unwrap().contains("ceo@victim.example"));
        let shown = Shown::person(&person("", "a@\u{430}pple.com"));
        assert_eq!(shown.email, "a@xn--pple-43d.com");
        assert!(shown.warning.unwrap().contains("apple.com"));
        assert_eq!(Shown::person(&person("Ann", "ann@x.example")).warning, None);
    }
}
