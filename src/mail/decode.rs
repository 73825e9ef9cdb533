//! Transfer encodings: from the body of a part to its bytes or its text. Broken ones are decoded as
//! far as they go, and said to be broken. Character sets are read by `charset`.

use std::borrow::Cow;

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode_char;
use memchr::{memchr, memchr2, memmem};

use super::Defect;
use super::charset::characters;
use super::lines::{Lines, without_end};
use super::structure::Part;

/// The bytes of a part (RFC 2045 6).
pub(super) fn bytes<'a>(part: &Part<'a>) -> (Cow<'a, [u8]>, Option<Defect>) {
    match part.encoding.as_str() {
        "base64" => {
            let (decoded, is_whole) = base64(part.body);
            (decoded.into(), (!is_whole).then_some(Defect::BadEncoding))
        }
        "quoted-printable" => {
            let (decoded, is_whole) = quoted_printable(part.body);
            (decoded.into(), (!is_whole).then_some(Defect::BadEncoding))
        }
        "" | "7bit" | "8bit" | "binary" => (part.body.into(), None),
        _ => (part.body.into(), Some(Defect::BadEncoding)),
    }
}

/// The text of a part, its line ends LF, without NUL and byte order mark; as much of it as so many bytes are
/// in its character set. One that is longer would take several times its length of memory.
pub(super) fn text(part: &Part<'_>, bytes_max: usize) -> (String, Vec<Defect>) {
    let (bytes, bad_encoding) = match part.encoding == "base64" && is_plain(part.body) {
        true => (part.body.into(), Some(Defect::BadEncoding)),
        false => bytes(part),
    };
    let start = beginning(&bytes, bytes_max);
    let named = part.media.parameter("charset");
    let asks_itself = named.is_none() && part.media.name == "text/html";
    let own = if asks_itself { meta_charset(start) } else { None };
    let (text, bad_charset) = characters(start, named.or(own.as_deref()));
    let is_cut = (start.len() < bytes.len()).then_some(Defect::Clipped);
    let defects = bad_encoding.into_iter().chain(bad_charset).chain(is_cut);
    (with_line_feeds(text), defects.collect())
}

/// Words stand on its first line, so it was never encoded: some gateways only say that it was.
fn is_plain(base64: &[u8]) -> bool {
    let first = Lines::new(base64).map(<[u8]>::trim_ascii).find(|line| !line.is_empty());
    first.is_some_and(|line| line.split(u8::is_ascii_whitespace).count() > WORDS_MAX)
}

/// A line of base64 has no white space within; one that was broken on the way has little.
const WORDS_MAX: usize = 2;

/// The first bytes, and no part of a character of UTF-8.
fn beginning(bytes: &[u8], bytes_max: usize) -> &[u8] {
    let Some((start, rest)) = bytes.split_at_checked(bytes_max) else { return bytes };
    let is_continued = |byte: &u8| byte & 0xC0 == 0x80;
    if !rest.first().is_some_and(is_continued) {
        return start;
    }
    let tail = start.iter().rev().take(3).take_while(|byte| is_continued(byte)).count();
    start.get(..start.len().saturating_sub(tail + 1)).unwrap_or(start)
}

/// The character set that HTML names for itself, where the mail names none.
fn meta_charset(html: &[u8]) -> Option<String> {
    /// As far as browsers look.
    const BEGINNING: usize = 1_024;
    let start = html.get(..BEGINNING).unwrap_or(html).to_ascii_lowercase();
    let at = memmem::find(&start, b"charset=")?;
    let name = start.get(at + 8..)?.trim_ascii_start();
    let name = name.strip_prefix(b"\"").or_else(|| name.strip_prefix(b"'")).unwrap_or(name);
    let is_of_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':');
    let name: Vec<u8> = name.iter().copied().take_while(is_of_name).collect();
    String::from_utf8(name).ok().filter(|name| !name.is_empty())
}

/// RFC 2045 6.8. What is not of the alphabet is dropped, as the RFC asks for; and all that follows
/// the padding, where virus scanners and lists put their words.
fn base64(body: &[u8]) -> (Vec<u8>, bool) {
    if let Some(decoded) = base64_decode(body) {
        return (decoded, true);
    }
    let padding = body.iter().position(|byte| *byte == b'=');
    if let Some(decoded) = padding.and_then(|at| base64_decode(body.get(..at)?)) {
        return (decoded, false);
    }
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
    let clean: Vec<u8> = body.iter().filter(|byte| is_base64(byte)).copied().collect();
    (base64_decode(&clean).unwrap_or_default(), false)
}

/// RFC 2045 6.7. An `=` that begins nothing stands for itself.
fn quoted_printable(body: &[u8]) -> (Vec<u8>, bool) {
    let mut decoded = Vec::with_capacity(body.len());
    let mut is_whole = true;
    for line in Lines::new(body) {
        let content = without_end(line);
        let end = line.get(content.len()..).unwrap_or_default();
        // RFC 2045 6.7 (3): white space at the end of a line was added on the way.
        let content = content.trim_ascii_end();
        let (content, end) = match content.strip_suffix(b"=") {
            Some(content) => (content, [].as_slice()),
            None => (content, end),
        };
        is_whole &= decode_quoted(content, &mut decoded);
        decoded.extend_from_slice(end);
    }
    (decoded, is_whole)
}

/// One line without its end; `false` when something in it is no quoted-printable.
fn decode_quoted(mut line: &[u8], decoded: &mut Vec<u8>) -> bool {
    let mut is_whole = true;
    while let Some(at) = memchr(b'=', line) {
        let (plain, quoted) = line.split_at(at);
        decoded.extend_from_slice(plain);
        line = match quoted {
            [_, high, low, rest @ ..] => match quoted_printable_decode_char(*high, *low) {
                Some(byte) => {
                    decoded.push(byte);
                    rest
                }
                None => literal(quoted, decoded, &mut is_whole),
            },
            _ => literal(quoted, decoded, &mut is_whole),
        };
    }
    decoded.extend_from_slice(line);
    is_whole
}

/// Takes the `=` as it stands.
fn literal<'a>(quoted: &'a [u8], decoded: &mut Vec<u8>, is_whole: &mut bool) -> &'a [u8] {
    decoded.push(b'=');
    *is_whole = false;
    quoted.get(1..).unwrap_or_default()
}

/// CRLF and CR become LF; NUL and a byte order mark at the start go.
pub(super) fn with_line_feeds(text: Cow<'_, str>) -> String {
    let text = match text.strip_prefix('\u{feff}') {
        Some(rest) => Cow::Owned(rest.to_owned()),
        None => text,
    };
    if memchr2(b'\r', b'\0', text.as_bytes()).is_none() {
        return text.into_owned();
    }
    let mut rest = text.as_ref();
    let mut plain = String::with_capacity(rest.len());
    while let Some(at) = memchr2(b'\r', b'\0', rest.as_bytes()) {
        let (before, after) = rest.split_at(at);
        plain.push_str(before);
        let is_nul = after.starts_with('\0');
        let after = after.get(1..).unwrap_or_default();
        rest = if is_nul { after } else { after.strip_prefix('\n').unwrap_or(after) };
        if !is_nul {
            plain.push('\n');
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_not_cut_within_a_character() {
        let text = "a\u{20ac}b".as_bytes();
        let lengths: Vec<usize> = (0..6).map(|most| beginning(text, most).len()).collect();
        assert_eq!(lengths, [0, 1, 1, 1, 4, 5]);
    }

    #[test]
    fn decodes_quoted_printable_leniently() {
        for (body, expected, is_whole) in [
            ("a=C3=A9b", "a\u{e9}b", true),
            ("a=\nb", "ab", true),
            ("a= \t\r\nb\r\n", "ab\r\n", true),
            ("trailing  \nb", "trailing\nb", true),
            ("=3d=3D", "==", true),
            ("=ZZ", "=ZZ", false),
            ("a==41", "a=A", false),
            ("end=", "end", true),
            ("=4", "=4", false),
        ] {
            let (decoded, whole) = quoted_printable(body.as_bytes());
            let text = String::from_utf8_lossy(&decoded);
            assert_eq!((text.as_ref(), whole), (expected, is_whole), "{body:?}");
        }
    }

    #[test]
    fn decodes_base64_leniently() {
        for (body, expected, is_whole) in [
            ("aGVsbG8=", "hello", true),
            ("aGVs\r\nbG8", "hello", true),
            ("aGVs!!!bG8=", "hello", false),
            ("aGVsbG8=\n-- \nscanned", "hello", false),
            ("!!!", "", false),
        ] {
            let (decoded, whole) = base64(body.as_bytes());
            let text = String::from_utf8_lossy(&decoded);
            assert_eq!((text.as_ref(), whole), (expected, is_whole), "{body:?}");
        }
    }

    #[test]
    fn every_line_ends_with_a_line_feed() {
        for (text, expected) in [
            ("a\r\nb", "a\nb"),
            ("a\rb\r", "a\nb\n"),
            ("a\r\r\nb\n", "a\n\nb\n"),
            ("a\0b\0", "ab"),
            ("\u{feff}a", "a"),
            ("", ""),
        ] {
            assert_eq!(with_line_feeds(text.into()), expected, "{text:?}");
        }
    }
}
