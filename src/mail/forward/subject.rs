//! The prefixes of a subject: whether a mail is an answer or a forward, and what it is about.

use super::line::folded;
use super::phrase;

/// What the first prefix of a subject says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prefix {
    Forward,
    Reply,
    /// An answer in one language, a forward in another.
    Ambiguous,
    None,
}

/// A prefix is not longer, in characters.
const PREFIX_MAX: usize = 20;
/// Prefixes that are taken off.
const PREFIXES_MAX: usize = 50;

/// The first prefix, and the subject behind it.
pub fn prefix(subject: &str) -> (Prefix, &str) {
    let subject = without_tag(subject.trim());
    let opened = subject.strip_prefix('[').unwrap_or(subject);
    let colon = opened.char_indices().take(PREFIX_MAX).find(|(_, c)| matches!(c, ':' | '：'));
    let parts = colon.and_then(|(end, c)| {
        let (word, rest) = opened.split_at_checked(end)?;
        Some((word, rest.strip_prefix(c)?))
    });
    let Some((word, rest)) = parts else { return (Prefix::None, subject) };
    let prefix = meaning(word);
    if prefix == Prefix::None {
        return (prefix, subject);
    }
    // Netscape and its heirs wrote `[Fwd: Offer]`.
    let is_bracketed = opened.len() < subject.len();
    let rest = if is_bracketed { rest.strip_suffix(']').unwrap_or(rest) } else { rest };
    (prefix, rest.trim())
}

/// The subject without its prefixes, folded: equal for all mails of one matter.
pub fn matter(subject: &str) -> String {
    let mut subject = subject;
    for _ in 0..PREFIXES_MAX {
        match prefix(subject) {
            (Prefix::None, rest) => {
                subject = rest;
                break;
            }
            (_, rest) => subject = rest,
        }
    }
    folded(subject)
}

/// Gateways put `[EXTERNAL]` before everything.
fn without_tag(subject: &str) -> &str {
    let tagged = subject.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    match tagged {
        Some((tag, rest)) if !tag.contains(':') && tag.len() <= 40 && !rest.trim().is_empty() => {
            rest.trim_start()
        }
        _ => subject,
    }
}

fn meaning(word: &str) -> Prefix {
    let word = folded(word);
    // `Re[2]`, `AW(3)`, `Re^2`.
    let is_count = |c: char| c.is_ascii_digit() || "[]()^ ²³".contains(c);
    let word = word.trim_end_matches(is_count);
    let is_in = |list: &[&str]| list.contains(&word) || list.contains(&word.trim_end_matches('.'));
    match word {
        phrase::AMBIGUOUS_PREFIX => Prefix::Ambiguous,
        _ if is_in(phrase::FORWARD_PREFIXES) => Prefix::Forward,
        _ if is_in(phrase::REPLY_PREFIXES) => Prefix::Reply,
        _ => Prefix::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_first_prefix() {
        for (subject, expected) in [
            ("FW: Offer", Prefix::Forward),
            ("Fwd: Re: Offer", Prefix::Forward),
            ("Re: Fwd: Offer", Prefix::Reply),
            ("[Fwd: Offer]", Prefix::Forward),
            ("[EXTERNAL] WG: Angebot", Prefix::Forward),
            ("TR : Offre", Prefix::Forward),
            ("I: Offerta", Prefix::Forward),
            ("R: Offerta", Prefix::Reply),
            ("Re[2]: Offer", Prefix::Reply),
            ("AW: Angebot", Prefix::Reply),
            ("VS: Tarjous", Prefix::Ambiguous),
            ("İLT: Teklif", Prefix::Forward),
            ("转发：报价", Prefix::Forward),
            ("轉寄: 報價", Prefix::Forward),
            ("回复：报价", Prefix::Reply),
            ("転送: 見積", Prefix::Forward),
            ("전달: 견적", Prefix::Forward),
            ("Továbbítás: Ajánlat", Prefix::Forward),
            ("Offer: new", Prefix::None),
            ("Offer", Prefix::None),
            ("", Prefix::None),
        ] {
            assert_eq!(prefix(subject).0, expected, "{subject}");
        }
    }

    #[test]
    fn one_matter_has_one_name() {
        for subject in
            ["Offer", "Re: Offer", "FW: Re: offer ", "[Fwd: Offer]", "[EXT] AW: WG: Offer"]
        {
            assert_eq!(matter(subject), "offer", "{subject}");
        }
        assert!(matter(&"Re:".repeat(1_000)).len() < 3_000);
    }
}
