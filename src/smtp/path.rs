//! Paths and parameters of MAIL and RCPT (RFC 5321 4.1.2). Whose an address is, is not asked here.

use crate::model::Address;

/// What stands between the angle brackets of MAIL or RCPT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path {
    /// `<>` (RFC 5321 4.5.5).
    Null,
    /// `<postmaster>` without a domain, in any case (RFC 5321 4.1.1.3).
    Postmaster,
    Mailbox(Address),
    /// No address.
    Invalid,
}

/// Reads `<path>` and the parameters behind it. `None` when the brackets are not as they must be.
pub fn parse(text: &str) -> Option<(Path, &str)> {
    let (inside, after) = split_angle(text.trim_start())?;
    if !after.is_empty() && !after.starts_with(' ') {
        return None;
    }
    Some((parse_inside(inside), after.trim()))
}

/// Splits `<inside>after`; a `>` in a quoted local part does not end it.
fn split_angle(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('<')?;
    let mut is_quoted = false;
    let mut is_escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            '>' if !is_quoted => return Some((text.get(..at)?, text.get(at + 1..)?)),
            _ => {}
        }
    }
    None
}

fn parse_inside(inside: &str) -> Path {
    if inside.is_empty() {
        return Path::Null;
    }
    if inside.eq_ignore_ascii_case("postmaster") {
        return Path::Postmaster;
    }
    match without_route(inside).filter(|mailbox| mailbox.trim() == *mailbox) {
        Some(mailbox) => Address::parse(mailbox).map_or(Path::Invalid, Path::Mailbox),
        None => Path::Invalid,
    }
}

/// RFC 5321 4.1.1.3, appendix C: a source route is dropped, the mailbox behind it counts.
fn without_route(inside: &str) -> Option<&str> {
    if inside.starts_with('@') {
        inside.split_once(':').map(|(_, mailbox)| mailbox)
    } else {
        Some(inside)
    }
}

/// The parameters `KEY` or `KEY=VALUE` (RFC 5321 4.1.2 `esmtp-param`).
pub fn parameters(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    text.split_ascii_whitespace().map(|word| match word.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (word, None),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(text: &str) -> Path {
        Path::Mailbox(Address::parse(text).unwrap())
    }

    #[test]
    fn reads_paths() {
        for (text, expected) in [
            ("<>", Some((Path::Null, ""))),
            ("<ann@x.org>", Some((mailbox("ann@x.org"), ""))),
            (" <ann@x.org> SIZE=3  BODY=7BIT ", Some((mailbox("ann@x.org"), "SIZE=3  BODY=7BIT"))),
            ("<PostMaster>", Some((Path::Postmaster, ""))),
            ("<@a.org,@b.org:ann@x.org>", Some((mailbox("ann@x.org"), ""))),
            ("<\"a>b\\\"c\"@x.org>", Some((mailbox("\"a>b\\\"c\"@x.org"), ""))),
            ("<ann>", Some((Path::Invalid, ""))),
            ("< ann@x.org >", Some((Path::Invalid, ""))),
            ("<@a.org>", Some((Path::Invalid, ""))),
            ("<ann@x.org>SIZE=3", None),
            ("<ann@x.org", None),
            ("ann@x.org", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }
}
