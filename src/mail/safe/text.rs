//! Plain text as HTML: escaped first, then linked. What is no plain address of a page or of a mailbox
//! stays text (D3).

use super::escape_into;
use super::link::Link;
use crate::mail::pretence::{is_forced, visible_one};

/// Links in one text.
const LINKS_MAX: usize = 1_000;

/// The text, safe to put into a page. Lines stay lines: show it with `white-space: pre-wrap`.
pub fn linked(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + text.len() / 8);
    let mut links = 0;
    for word in text.split_inclusive(|c: char| c.is_whitespace() || "<>\"'()[]".contains(c)) {
        let (before, url, after) = parts(word);
        match url.and_then(read).filter(|_| links < LINKS_MAX) {
            Some(link) => {
                links += 1;
                push(&mut html, before);
                push_link(&mut html, &link, url.unwrap_or_default());
                push(&mut html, after);
            }
            None => push(&mut html, word),
        }
    }
    html
}

/// What stands before what may be an address, that, and what stands behind.
fn parts(word: &str) -> (&str, Option<&str>, &str) {
    let is_around = |c: char| c.is_whitespace() || "<>\"'()[],;.!?:*_".contains(c);
    let start = word.len() - word.trim_start_matches(is_around).len();
    let (before, rest) = word.split_at_checked(start).unwrap_or(("", word));
    let (url, after) =
        rest.split_at_checked(rest.trim_end_matches(is_around).len()).unwrap_or((rest, ""));
    (before, Some(url).filter(|url| url.len() > 3), after)
}

fn read(word: &str) -> Option<Link> {
    let lower = word.get(..8).unwrap_or(word).to_ascii_lowercase();
    if lower.starts_with("http://") || lower.starts_with("https://") {
        return Link::read(word);
    }
    if lower.starts_with("www.") {
        return Link::read(&format!("https://{word}"));
    }
    let address = lower_mailto(word).unwrap_or(word);
    // A word with an `@` in it; what `Link` makes of it must be an address.
    (address.contains('@') && !address.contains(':'))
        .then(|| Link::read(&format!("mailto:{address}")))
        .flatten()
}

fn lower_mailto(word: &str) -> Option<&str> {
    let (start, rest) = word.split_at_checked(7)?;
    start.eq_ignore_ascii_case("mailto:").then_some(rest)
}

fn push_link(html: &mut String, link: &Link, said: &str) {
    html.push_str("<a target=\"_blank\" rel=\"noopener noreferrer nofollow\" href=\"");
    escape_into(html, &link.href);
    html.push_str("\">");
    push(html, said);
    html.push_str("</a>");
    if let Some(target) = link.betrayed_by(said) {
        html.push_str(" <span class=\"leads-to\">leads to ");
        escape_into(html, target);
        html.push_str("</span>");
    }
}

fn push(html: &mut String, text: &str) {
    let mut rest = text;
    while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_forced(*c)) {
        let (before, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        escape_into(html, before);
        html.push_str(&visible_one(c));
        rest = after.get(c.len_utf8()..).unwrap_or_default();
    }
    escape_into(html, rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(href: &str, text: &str) -> String {
        format!(
            "<a target=\"_blank\" rel=\"noopener noreferrer nofollow\" href=\"{href}\">{text}</a>"
        )
    }

    #[test]
    fn links_pages_and_addresses_and_escapes_first() {
        for (text, expected) in [
            ("a < b & c", "a &lt; b &amp; c".to_owned()),
            (
                "see https://x.example/a?b=1&c=2.",
                format!(
                    "see {}.",
                    link("https://x.example/a?b=1&amp;c=2", "https://x.example/a?b=1&amp;c=2")
                ),
            ),
            ("(www.x.example)", format!("({})", link("https://www.x.example/", "www.x.example"))),
            (
                "<ann@x.example>,",
                format!("&lt;{}&gt;,", link("mailto:ann@x.example", "ann@x.example")),
            ),
            ("javascript:alert(1)", "javascript:alert(1)".to_owned()),
            ("a\u{202e}b", "a\u{27e8}U+202E\u{27e9}b".to_owned()),
        ] {
            assert_eq!(linked(text), expected, "{text}");
        }
    }

    #[test]
    fn hostile_addresses_stay_text() {
        for text in [
            "http://x\" onmouseover=alert(1)",
            "mailto:x@y') && alert(1)",
            "<script>alert(1)</script>",
            "https://x'onclick='y",
        ] {
            let html = linked(text);
            assert!(
                !html.contains("<script") && !html.contains("\" on") && !html.contains("'on"),
                "{html}"
            );
        }
    }
}
