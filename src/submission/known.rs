//! What Exchange Online and Outlook.com are known to refuse (PROTOCOL A9), in words, and what helps. Pure.

use crate::text;

/// What a refusal says of the server, and what to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The key of what is said, of the server's name and its reply.
    pub what: &'static str,
    pub remedy: &'static str,
}

/// The refusal that a reply is, known by its enhanced code, or by the words where several share one.
pub fn known(reply: &str) -> Option<Known> {
    let lower = reply.to_ascii_lowercase();
    let is_it = |words: &[&str]| words.iter().any(|word| has(&lower, word));
    let (_, what, remedy) = KNOWN.iter().find(|(words, ..)| is_it(words))?;
    Some(Known { what, remedy: text::words(remedy) })
}

/// Does a reply say that, and not within a longer number or address?
fn has(reply: &str, word: &str) -> bool {
    let is_within = |before: &str| before.ends_with(|c: char| c.is_ascii_digit() || c == '.');
    reply.match_indices(word).any(|(at, _)| reply.get(..at).is_some_and(|it| !is_within(it)))
}

/// By what it is known, and the keys of what is said and of what helps.
const KNOWN: [(&[&str], &str, &str); 11] = [
    (&["5.7.139", "smtpclientauthentication is disabled"], "remedy.auth_off", "remedy.smtp_off"),
    (
        &["5.7.30", "basic authentication is not supported"],
        "remedy.no_passwords",
        "remedy.no_passwords_do",
    ),
    (&["5.7.60", "sendasdenied"], "remedy.no_send_as", "remedy.no_send_as_do"),
    (&["432 4.3.2", "concurrent connections"], "remedy.too_many", "remedy.too_many_do"),
    (&["554 5.2.0 "], "remedy.day_limit", "remedy.day_limit_do"),
    (&["5.2.251"], "remedy.blocked", "remedy.blocked_full_do"),
    (&["5.2.252"], "remedy.blocked", "remedy.blocked_send_as_do"),
    (&["5.2.253"], "remedy.blocked", "remedy.blocked_licence_do"),
    (&["5.2.254"], "remedy.blocked", "remedy.blocked_many_do"),
    (&["5.2.255"], "remedy.blocked", "remedy.blocked_unknown_do"),
    (&["5.2.25"], "remedy.blocked", "remedy.blocked_do"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_has_its_words() {
        for (_, what, remedy) in KNOWN {
            assert!(text::known(what).is_some() && text::known(remedy).is_some(), "{what}");
        }
    }
}
