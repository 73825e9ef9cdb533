//! Text in the form in which it is searched: the same for all ways to write it in capitals or small
//! letters, in any script, on both databases.

use crate::model::Address;

/// An index of PostgreSQL holds no more of a row than 2,704 bytes.
const BYTES_MAX: usize = 2_000;

/// Small letters. Greek has two small sigmas for one capital.
pub(super) fn folded(text: &str) -> String {
    text.to_lowercase().replace('ς', "σ")
}

/// What a contact is found by: its name, and its address as it is looked up and as it was written.
pub(super) fn of_contact(name: Option<&str>, email: &Address) -> String {
    let (normal, written) = (email.normal(), email.written());
    let mut text = folded(&format!("{}\n{normal}", name.unwrap_or_default()));
    let written = folded(written);
    if written != normal {
        text.push('\n');
        text.push_str(&written);
    }
    text.truncate(text.floor_char_boundary(BYTES_MAX));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_every_script() {
        for (one, other) in [("MÜLLER", "müller"), ("Иван", "ИВАН"), ("ΟΔΥΣΣΕΥΣ", "οδυσσευσ")]
        {
            assert_eq!(folded(one), folded(other));
        }
    }

    #[test]
    fn finds_a_contact_by_both_forms_of_its_domain_and_stays_short() {
        let email = Address::parse("Jörg@münchen.example").unwrap();
        let text = of_contact(Some("Jörg ÄHRE"), &email);
        assert!(text.contains("jörg ähre") && text.contains("xn--mnchen-3ya"), "{text}");
        let long = of_contact(Some(&"Ä".repeat(5_000)), &email);
        assert!(long.len() <= BYTES_MAX && long.starts_with('ä'));
    }
}
