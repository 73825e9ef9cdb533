//! Transfer encodings and character sets: from the body of a part to its bytes or its text. Broken
//! ones are decoded as far as they go, and said to be broken.

use std::borrow::Cow;

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::quoted_printable::quoted_printable_decode_char;
use memchr::{memchr, memchr_iter, memchr2, memmem};

use super::Defect;
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

/// Bytes to characters. A character set is believed when it is named and never guessed, so no text
/// becomes UTF-7 by itself; without a name it is UTF-8, or else what old Windows programs write.
fn characters<'a>(bytes: &'a [u8], charset: Option<&str>) -> (Cow<'a, str>, Option<Defect>) {
    let charset = charset.map(|name| name.trim().to_ascii_lowercase()).unwrap_or_default();
    let charset = match charset.as_str() {
        // Japanese mail of old names nothing; its escapes are in no other text (RFC 1468).
        "" | "us-ascii" if has_japanese_escapes(bytes) => "iso-2022-jp",
        "iso-2022-jp-2" | "iso-2022-jp-ms" | "cp50220" | "cp50221" => "iso-2022-jp",
        "cp932" | "ms932" => "shift_jis",
        "cp936" => "gbk",
        "cp949" | "ms949" => "euc-kr",
        "cp950" => "big5",
        name => name,
    };
    match charset {
        "" | "us-ascii" | "ascii" | "utf-8" | "utf8" | "unicode-1-1-utf-8" => {
            match std::str::from_utf8(bytes) {
                Ok(text) => (text.into(), None),
                Err(_) if charset.contains("utf") => {
                    (String::from_utf8_lossy(bytes), Some(Defect::BadEncoding))
                }
                Err(_) => (windows_1252(bytes), None),
            }
        }
        // mail-parser reads UTF-16 without a byte order mark in the machine's own order.
        "utf-16" | "utf16" => (utf_16(bytes).into(), None),
        // mail-parser gives one character for all of such a text.
        "iso-2022-kr" | "iso-2022-cn" | "iso-2022-cn-ext" | "hz-gb-2312" => {
            (String::from_utf8_lossy(bytes), Some(Defect::UnknownCharset))
        }
        name => match charset_decoder(name.as_bytes()) {
            Some(decode) => (decode(bytes).into(), None),
            None => {
                let text = std::str::from_utf8(bytes).map(Cow::Borrowed);
                (text.unwrap_or_else(|_| windows_1252(bytes)), Some(Defect::UnknownCharset))
            }
        },
    }
}

fn has_japanese_escapes(bytes: &[u8]) -> bool {
    let mut escapes = memchr_iter(0x1b, bytes).filter_map(|at| bytes.get(at + 1..at + 3));
    escapes.any(|escape| matches!(escape, b"$B" | b"$@"))
}

pub(super) fn windows_1252(bytes: &[u8]) -> Cow<'_, str> {
    match charset_decoder(b"windows-1252") {
        Some(decode) => decode(bytes).into(),
        None => String::from_utf8_lossy(bytes),
    }
}

/// RFC 2781 4.3: big endian unless a byte order mark says otherwise.
fn utf_16(bytes: &[u8]) -> String {
    let (bytes, is_little) = match bytes {
        [0xFF, 0xFE, rest @ ..] => (rest, true),
        [0xFE, 0xFF, rest @ ..] => (rest, false),
        _ => (bytes, false),
    };
    let (pairs, _) = bytes.as_chunks::<2>();
    let unit = |pair: &[u8; 2]| {
        if is_little { u16::from_le_bytes(*pair) } else { u16::from_be_bytes(*pair) }
    };
    let units = pairs.iter().map(unit);
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
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
    fn believes_only_a_named_character_set() {
        let cases: [(&[u8], Option<&str>, &str, Option<Defect>); 11] = [
            (b"caf\xC3\xA9", None, "caf\u{e9}", None),
            (b"caf\xE9", None, "caf\u{e9}", None),
            (b"caf\xE9", Some("us-ascii"), "caf\u{e9}", None),
            (b"caf\xE9", Some("UTF-8"), "caf\u{fffd}", Some(Defect::BadEncoding)),
            (b"caf\xE9", Some("iso-8859-1"), "caf\u{e9}", None),
            (b"caf\xE9", Some("x-unknown"), "caf\u{e9}", Some(Defect::UnknownCharset)),
            (b"+ADw-script+AD4-", None, "+ADw-script+AD4-", None),
            (b"+ADw-b+AD4-", Some("utf-7"), "<b>", None),
            (b"\0h\0i", Some("utf-16"), "hi", None),
            (b"\xFF\xFEh\0i\0", Some("utf-16"), "hi", None),
            (b"\x1b$B%O\x1b(B", Some("iso-2022-jp"), "\u{30cf}", None),
        ];
        for (bytes, charset, expected, defect) in cases {
            let (text, found) = characters(bytes, charset);
            assert_eq!((text.as_ref(), found), (expected, defect), "{charset:?}");
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
