//! Character sets: from the bytes of a text to its characters.

use std::borrow::Cow;

use mail_parser::decoders::charsets::map::charset_decoder;
use memchr::memchr_iter;

use super::Defect;

/// Bytes to characters. A character set is believed when it is named and never guessed, so no text
/// becomes UTF-7 by itself; without a name it is UTF-8, or else what old Windows programs write.
pub(super) fn characters<'a>(
    bytes: &'a [u8],
    charset: Option<&str>,
) -> (Cow<'a, str>, Option<Defect>) {
    let charset = charset.map(|name| name.trim().to_ascii_lowercase()).unwrap_or_default();
    let charset = match charset.as_str() {
        // Japanese mail of old names nothing; its escapes are in no other text (RFC 1468).
        "" | "us-ascii" if has_japanese_escapes(bytes) => "iso-2022-jp",
        "iso-2022-jp-1" | "iso-2022-jp-2" | "iso-2022-jp-3" | "iso-2022-jp-ms" | "cp50220"
        | "cp50221" => "iso-2022-jp",
        "eucjp" => "euc-jp",
        "cp932" | "ms932" => "shift_jis",
        "cp936" => "gbk",
        "cp949" | "ms949" | "ks_c_5601" => "euc-kr",
        "cp950" => "big5",
        "win-1251" | "cp-1251" => "windows-1251",
        "latin9" | "latin-9" => "iso-8859-15",
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
            Some(decode) => (decoded_or_utf_8(decode, bytes), None),
            None => {
                let text = std::str::from_utf8(bytes).map(Cow::Borrowed);
                (text.unwrap_or_else(|_| windows_1252(bytes)), Some(Defect::UnknownCharset))
            }
        },
    }
}

/// Some programs name their own character set over a text of UTF-8. Where the name does not fit the bytes and
/// UTF-8 does, it is that: other texts are not valid in it by chance.
fn decoded_or_utf_8(decode: fn(&[u8]) -> String, bytes: &[u8]) -> Cow<'_, str> {
    let text = decode(bytes);
    match std::str::from_utf8(bytes) {
        Ok(utf_8) if !bytes.is_ascii() && text.contains(char::REPLACEMENT_CHARACTER) => {
            utf_8.into()
        }
        _ => text.into(),
    }
}

/// Does mail-parser read this character set by itself, in encoded words?
pub(super) fn is_of_parser(name: &[u8]) -> bool {
    let is_utf_8 = [b"utf-8".as_slice(), b"utf8"].iter().any(|it| name.eq_ignore_ascii_case(it));
    is_utf_8 || charset_decoder(name).is_some()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn believes_only_a_named_character_set() {
        let cases: [(&[u8], Option<&str>, &str, Option<Defect>); 15] = [
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
            (b"\x83\x6E", Some("CP932"), "\u{30cf}", None),
            (b"\xCF\xF0", Some("win-1251"), "\u{41f}\u{440}", None),
            (
                "\u{4f60}\u{597d}\u{ff01}".as_bytes(),
                Some("GB2312"),
                "\u{4f60}\u{597d}\u{ff01}",
                None,
            ),
            (b"\xC4\xE3\xBA\xC3", Some("GB2312"), "\u{4f60}\u{597d}", None),
        ];
        for (bytes, charset, expected, defect) in cases {
            let (text, found) = characters(bytes, charset);
            assert_eq!((text.as_ref(), found), (expected, defect), "{charset:?}");
        }
    }
}
