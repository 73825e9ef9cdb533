//! The attributes of a tag: read in one pass, decoded, and written only when their element may have
//! them with such a value.

use mail_parser::decoders::html::add_html_token;
use url::Url;

use super::escape_into;
use crate::mail::html::is_reference;

/// Attributes that neither load nor run anything, on any element, as ammonia takes them, too.
pub(super) const PLAIN: [&str; 20] = [
    "align",
    "valign",
    "bgcolor",
    "color",
    "face",
    "size",
    "width",
    "height",
    "border",
    "cellpadding",
    "cellspacing",
    "colspan",
    "rowspan",
    "dir",
    "lang",
    "title",
    "start",
    "type",
    "span",
    "nowrap",
];
/// More attributes than these no tag needs.
const COUNT_MAX: usize = 64;
/// The longest value of one that is plain.
const PLAIN_CHARS_MAX: usize = 200;

/// Names, in lower case, and decoded values. Of two with one name, the first counts (HTML 13.2.5.33).
pub(super) fn read(tag: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut rest = tag;
    while found.len() < COUNT_MAX {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if rest.is_empty() {
            break;
        }
        let is_end = |c: char| c.is_ascii_whitespace() || matches!(c, '=' | '/');
        let (name, after) = split_at_or_end(rest, rest.find(is_end));
        let spaced = after.trim_start_matches(|c: char| c.is_ascii_whitespace());
        let (value, after) = match spaced.strip_prefix('=') {
            Some(value) => one_value(value.trim_start_matches(|c: char| c.is_ascii_whitespace())),
            // A lone `=` begins a name.
            None if name.is_empty() => ("", rest.get(1..).unwrap_or_default()),
            None => ("", after),
        };
        let name = name.to_ascii_lowercase();
        if !name.is_empty() && !found.iter().any(|(known, _)| *known == name) {
            found.push((name, decoded(value)));
        }
        rest = after;
    }
    found
}

fn one_value(rest: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(quoted) = rest.strip_prefix(quote) {
            return quoted.split_once(quote).unwrap_or((quoted, ""));
        }
    }
    split_at_or_end(rest, rest.find(|c: char| c.is_ascii_whitespace()))
}

fn split_at_or_end(text: &str, at: Option<usize>) -> (&str, &str) {
    text.split_at_checked(at.unwrap_or(text.len())).unwrap_or((text, ""))
}

/// The value with its character references read.
fn decoded(value: &str) -> String {
    if !value.contains('&') {
        return value.to_owned();
    }
    let mut pieces = value.split('&');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.split_once(';').filter(|(name, _)| is_reference(name)) {
            Some((name, rest)) => {
                add_html_token(&mut text, format!("&{name};").as_bytes(), false);
                text.push_str(rest);
            }
            None => {
                text.push('&');
                text.push_str(piece);
            }
        }
    }
    text
}

/// Writes an attribute.
pub(super) fn write(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    escape_into(out, value);
    out.push('"');
}

/// Writes those that are plain.
pub(super) fn write_plain(out: &mut String, attributes: &[(String, String)]) {
    for (name, value) in attributes {
        let is_short = value.chars().count() <= PLAIN_CHARS_MAX;
        if PLAIN.contains(&name.as_str()) && is_short && !value.chars().any(char::is_control) {
            write(out, name, value);
        }
    }
}

/// The value of that name.
pub(super) fn value<'a>(attributes: &'a [(String, String)], name: &str) -> Option<&'a str> {
    attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// The style, with the picture of the old `background` attribute.
pub(super) fn css(attributes: &[(String, String)]) -> String {
    let css = value(attributes, "style").unwrap_or_default();
    match value(attributes, "background").and_then(web_address) {
        Some(url) => format!("{css};background-image:url('{url}')"),
        None => css.to_owned(),
    }
}

/// An address on somebody's web server, in the form in which browsers and we read it alike.
pub(super) fn web_address(text: &str) -> Option<Url> {
    let text = text.trim();
    let whole = match text.strip_prefix("//") {
        Some(rest) => format!("https://{rest}"),
        None => text.to_owned(),
    };
    let url = Url::parse(&whole).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
    is_web.then_some(url)
}

/// A picture that is its own address. No SVG: nothing but dots.
pub(super) fn is_picture_data(value: &str) -> bool {
    let kinds = ["png", "jpeg", "jpg", "gif", "webp", "bmp"];
    let is_base64 = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/' | b'=');
    let read = value.strip_prefix("data:image/").and_then(|rest| rest.split_once(";base64,"));
    read.is_some_and(|(kind, data)| kinds.contains(&kind) && data.bytes().all(is_base64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_attributes_as_browsers_do() {
        for (tag, expected) in [
            (" href=x", vec![("href", "x")]),
            (" HREF = 'a b' id=\"c\"", vec![("href", "a b"), ("id", "c")]),
            (" a b=c", vec![("a", ""), ("b", "c")]),
            (" a=1 a=2", vec![("a", "1")]),
            ("/onload=x", vec![("onload", "x")]),
            (" href=\"&#106;avascript&colon;&#x61;\"", vec![("href", "javascript:a")]),
            (" href=\"never closed", vec![("href", "never closed")]),
            (" = = x", vec![("x", "")]),
            ("", vec![]),
        ] {
            let read = read(tag);
            let read: Vec<_> = read.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            assert_eq!(read, expected, "{tag:?}");
        }
    }

    #[test]
    fn takes_web_addresses_and_nothing_else() {
        for good in ["http://x.example/a b", "HTTPS://x.example", "//x.example/y", " https://x "] {
            assert!(web_address(good).is_some(), "{good}");
        }
        for bad in ["javascript:alert(1)", "java\tscript:x", "data:text/html,x", "/x", "x", "cid:x"]
        {
            assert!(web_address(bad).is_none(), "{bad}");
        }
        assert!(is_picture_data("data:image/png;base64,AAAA"));
        for bad in
            ["data:text/html;base64,AAAA", "data:image/svg+xml;base64,AA", "data:image/png,<x>"]
        {
            assert!(!is_picture_data(bad), "{bad}");
        }
    }
}
