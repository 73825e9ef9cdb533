//! What programs cut into pieces is put together before it is decoded: a character may be cut in two.
//! Encoded words that stand side by side (RFC 2047 5) become one, and so do the pieces of a parameter
//! (RFC 2231 3).

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::quoted_printable::quoted_printable_decode_char;
use memchr::{memchr_iter, memmem};

use super::charset;

/// Joins encoded words of one character set that only white space parts, and puts those in UTF-8 whose
/// character set mail-parser does not know. Others stay as they are.
pub(super) fn join(value: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    // A word has four of these; most fields have none.
    if memchr_iter(b'?', &value).nth(3).is_none() {
        return value;
    }
    let mut joined = Vec::with_capacity(value.len());
    let mut rest = value.as_ref();
    while let Some(at) = memmem::find(rest, b"=?") {
        let (before, behind) = rest.split_at(at);
        joined.extend(before);
        let Some((first, mut after)) = Word::read(behind) else {
            joined.extend(b"=?");
            rest = behind.get(2..).unwrap_or_default();
            continue;
        };
        let mut bytes = first.bytes();
        let mut is_alone = true;
        while let (Some(so_far), Some((next, behind))) =
            (&mut bytes, Word::read(after.trim_ascii_start()))
            && next.charset.eq_ignore_ascii_case(first.charset)
            && let Some(more) = next.bytes()
        {
            so_far.extend(more);
            (after, is_alone) = (behind, false);
        }
        match bytes.filter(|_| !is_alone || !charset::is_of_parser(first.charset)) {
            Some(bytes) => write(&mut joined, first.charset, &bytes),
            None => joined.extend(behind.get(..behind.len() - after.len()).unwrap_or_default()),
        }
        rest = after;
    }
    joined.extend(rest);
    joined.into()
}

fn write(to: &mut Vec<u8>, charset: &[u8], bytes: &[u8]) {
    let (charset, encoded) = match std::str::from_utf8(charset) {
        Ok(name) if !charset::is_of_parser(charset) => {
            let (text, _) = charset::characters(bytes, Some(name));
            (b"utf-8".as_slice(), STANDARD.encode(text.as_bytes()))
        }
        _ => (charset, STANDARD.encode(bytes)),
    };
    to.extend([b"=?".as_slice(), charset, b"?B?", encoded.as_bytes(), b"?="].concat());
}

/// An encoded word that does not close within so many bytes is text. RFC 2047 allows 75, but whole
/// subjects are in use. mail-parser looks for the end of each anew, so this keeps it linear.
pub(super) const WORD_BYTES_MAX: usize = 2_048;

/// An encoded word (RFC 2047 2).
pub(super) struct Word<'a> {
    pub charset: &'a [u8],
    encoding: u8,
    text: &'a [u8],
}

impl<'a> Word<'a> {
    /// The word that stands first, and what stands behind it.
    pub(super) fn read(value: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let rest = value.strip_prefix(b"=?")?;
        let (charset, rest) = until(rest, b'?')?;
        let (encoding, rest) = until(rest, b'?')?;
        let end = memmem::find(rest.get(..WORD_BYTES_MAX).unwrap_or(rest), b"?=")?;
        let (text, after) = rest.split_at_checked(end)?;
        let [encoding] = encoding else { return None };
        let is_word = |bytes: &[u8]| !bytes.iter().any(u8::is_ascii_whitespace);
        let word = Self { charset, encoding: encoding.to_ascii_uppercase(), text };
        (is_word(charset) && !charset.is_empty()).then_some((word, after.get(2..)?))
    }

    /// What it encodes.
    pub(super) fn bytes(&self) -> Option<Vec<u8>> {
        match self.encoding {
            b'B' => base64_decode(self.text),
            b'Q' => Some(unquoted(self.text)),
            _ => None,
        }
    }
}

fn until(value: &[u8], end: u8) -> Option<(&[u8], &[u8])> {
    /// No name of a character set is longer.
    const NAME_MAX: usize = 64;
    let at = value.iter().take(NAME_MAX).position(|byte| *byte == end)?;
    Some((value.get(..at)?, value.get(at + 1..)?))
}

/// RFC 2047 4.2: `_` is a space, and `=5F` an underscore.
fn unquoted(text: &[u8]) -> Vec<u8> {
    let text: Vec<u8> = text.iter().map(|byte| if *byte == b'_' { b' ' } else { *byte }).collect();
    percent(&text, b'=')
}

/// Bytes of which some are written as two hexadecimal digits behind a sign.
fn percent(text: &[u8], sign: u8) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let written = match after {
            [high, low, after @ ..] if *first == sign => {
                quoted_printable_decode_char(*high, *low).map(|byte| (byte, after))
            }
            _ => None,
        };
        let (byte, after) = written.unwrap_or((*first, after));
        bytes.push(byte);
        rest = after;
    }
    bytes
}

/// Puts a space into quotes behind other words of a name, `Ann "Annie" Lee` (RFC 5322 3.2.5): mail-parser loses
/// the one before them. Comments may hold a quote alone, so a value that has some stays as it is.
pub(super) fn space_quotes(value: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let is_open = |at: usize| is_within_name(value.get(..at).unwrap_or_default());
    if value.contains(&b'(') || !memchr_iter(b'"', &value).any(is_open) {
        return value;
    }
    let mut spaced = Vec::with_capacity(value.len() + 8);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for byte in value.iter() {
        let is_quote = *byte == b'"' && !is_escaped;
        let is_first = is_quote && !is_quoted && is_within_name(&spaced);
        spaced.push(*byte);
        spaced.extend(is_first.then_some(b' '));
        is_quoted ^= is_quote;
        is_escaped = *byte == b'\\' && is_quoted && !is_escaped;
    }
    spaced.into()
}

/// Do words of a name and a space stand there last?
fn is_within_name(text: &[u8]) -> bool {
    let words = text.trim_ascii_end();
    let is_begun = words.last().is_some_and(|byte| !matches!(byte, b',' | b';' | b':' | b'<'));
    is_begun && words.len() < text.len()
}

/// Takes out white space around the `=` of a parameter. RFC 2045 5.1 has none there, and Exchange folds there
/// before a long file name: `filename=\r\n\t"…"`.
pub(super) fn close_up(value: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let is_space = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
    let mut signs = memchr_iter(b'=', value.trim_ascii_end());
    let is_loose =
        |at: usize| is_space(value.get(at + 1)) || is_space(value.get(at.wrapping_sub(1)));
    if !signs.any(is_loose) {
        return value;
    }
    let mut closed: Vec<u8> = Vec::with_capacity(value.len());
    let (mut is_quoted, mut is_behind_sign) = (false, false);
    for byte in value.trim_ascii_end() {
        is_quoted ^= *byte == b'"';
        if is_behind_sign && byte.is_ascii_whitespace() {
            continue;
        }
        is_behind_sign = *byte == b'=' && !is_quoted && ends_with_name(&closed);
        if is_behind_sign {
            closed.truncate(closed.trim_ascii_end().len());
        }
        closed.push(*byte);
    }
    closed.push(b'\n');
    closed.into()
}

/// Does the name of a parameter stand there last? Of two encoded words the first ends with `?=`.
fn ends_with_name(text: &[u8]) -> bool {
    let last = text.trim_ascii_end().last();
    last.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'*')
}

/// Puts a parameter that was cut into pieces (`filename*0*=…; filename*1*=…`) together as one
/// (`filename*=…`), in the place of its first piece.
pub(super) fn join_pieces(value: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if memmem::find(&value, b"*0").is_none() {
        return value;
    }
    let mut parameters: BTreeMap<Vec<u8>, BTreeMap<u32, Piece<'_>>> = BTreeMap::new();
    let mut others = Vec::new();
    for part in parts(&value) {
        match Piece::read(part) {
            Some((name, number, piece)) => {
                parameters.entry(name).or_default().insert(number, piece);
            }
            None => others.push(part),
        }
    }
    let mut joined = others.join(&b';');
    for (name, pieces) in parameters {
        joined.truncate(joined.trim_ascii_end().len());
        joined.extend([b"; ".as_slice(), &name, b"*="].concat());
        let (charset, mut bytes) = (pieces.get(&0).and_then(Piece::charset), Vec::new());
        for piece in pieces.values() {
            bytes.extend(piece.bytes());
        }
        joined.extend(charset.unwrap_or(b"utf-8"));
        joined.extend(b"''");
        joined.extend(bytes.iter().flat_map(|byte| format!("%{byte:02X}").into_bytes()));
    }
    joined.push(b'\n');
    joined.into()
}

struct Piece<'a> {
    is_first: bool,
    is_encoded: bool,
    text: &'a [u8],
}

impl<'a> Piece<'a> {
    /// `name*7*=text`: the name in lower case, its number, and the text.
    fn read(part: &'a [u8]) -> Option<(Vec<u8>, u32, Self)> {
        let at = part.iter().position(|byte| *byte == b'=')?;
        let (name, text) = (part.get(..at)?.trim_ascii(), part.get(at + 1..)?.trim_ascii());
        let (name, is_encoded) = match name.strip_suffix(b"*") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let star = name.iter().position(|byte| *byte == b'*')?;
        let number = std::str::from_utf8(name.get(star + 1..)?).ok()?.parse().ok()?;
        let quoted = text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\""));
        let piece = Self { is_first: number == 0, is_encoded, text: quoted.unwrap_or(text) };
        Some((name.get(..star)?.to_ascii_lowercase(), number, piece))
    }

    /// RFC 2231 4: `charset'language'` stands before the first piece.
    fn charset(&self) -> Option<&'a [u8]> {
        let charset = self.text.split(|byte| *byte == b'\'').next()?;
        (self.is_encoded && charset.len() < self.text.len() && !charset.is_empty())
            .then_some(charset)
    }

    fn bytes(&self) -> Vec<u8> {
        if !self.is_encoded {
            return self.text.to_vec();
        }
        let text = match self.is_first {
            true => self.text.splitn(3, |byte| *byte == b'\'').last().unwrap_or_default(),
            false => self.text,
        };
        percent(text, b'%')
    }
}

/// The value cut at semicolons outside quotes.
fn parts(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut is_quoted = false;
    value.split(move |byte| {
        is_quoted ^= *byte == b'"';
        *byte == b';' && !is_quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: Cow<'_, [u8]>) -> String {
        String::from_utf8(value.into_owned()).unwrap()
    }

    #[test]
    fn joins_words_of_one_character_set() {
        for (value, expected) in [
            ("plain", "plain"),
            ("=?utf-8?Q?a?=", "=?utf-8?Q?a?="),
            ("=?UTF-8?B?5pel5pw=?=\r\n =?utf-8?B?rOiqng==?=", "=?UTF-8?B?5pel5pys6Kqe?="),
            ("x =?utf-8?Q?a_=C3?= =?utf-8?B?qQ==?= y", "x =?utf-8?B?YSDDqQ==?= y"),
            ("=?utf-8?Q?a?= =?koi8-r?Q?b?=", "=?utf-8?Q?a?= =?koi8-r?Q?b?="),
            ("=?utf-8?Q?a=5F?= =?utf-8?Q?b?=", "=?utf-8?B?YV9i?="),
            ("=?utf-8?Q?a?= and =?utf-8?Q?b?=", "=?utf-8?Q?a?= and =?utf-8?Q?b?="),
            ("=? =?utf-8?Q?open", "=? =?utf-8?Q?open"),
            ("=?cp932?B?g24=?= x", "=?utf-8?B?44OP?= x"),
            ("=?windows-1252?Q?=80?=", "=?windows-1252?Q?=80?="),
        ] {
            assert_eq!(text(join(value.as_bytes().into())), expected, "{value}");
        }
    }

    #[test]
    fn joins_the_pieces_of_a_parameter() {
        for (value, expected) in [
            ("attachment; filename=a", "attachment; filename=a"),
            (
                "attachment; filename*0*=iso-8859-1''Gr%FC; filename*1*=%DFe; filename*2=.pdf; size=3",
                "attachment; size=3; filename*=iso-8859-1''%47%72%FC%DF%65%2E%70%64%66\n",
            ),
            (
                "attachment; filename*0=\"a;b\"; filename*1=c",
                "attachment; filename*=utf-8''%61%3B%62%63\n",
            ),
        ] {
            assert_eq!(text(join_pieces(value.as_bytes().into())), expected, "{value}");
        }
    }

    #[test]
    fn keeps_the_space_before_a_quoted_word_of_a_name() {
        for (value, expected) in [
            ("Ann \"Annie\" Lee <a@b.c>", "Ann \" Annie\" Lee <a@b.c>"),
            (
                "\"Lee, \\\"A\\\" Ann\" <a@b.c>, \"Bob\" <b@b.c>",
                "\"Lee, \\\"A\\\" Ann\" <a@b.c>, \"Bob\" <b@b.c>",
            ),
            ("\"Ann\" \"A.\" Lee <a@b.c>", "\"Ann\" \" A.\" Lee <a@b.c>"),
            ("Ann < \"a b\"@b.c>", "Ann < \"a b\"@b.c>"),
            ("Ann (the \" one) \"A\" <a@b.c>", "Ann (the \" one) \"A\" <a@b.c>"),
        ] {
            assert_eq!(text(space_quotes(value.as_bytes().into())), expected, "{value}");
        }
    }

    #[test]
    fn closes_up_what_stands_behind_the_sign_of_a_parameter() {
        for (value, expected) in [
            ("attachment; filename=a; size=1\n", "attachment; filename=a; size=1\n"),
            (
                "attachment; filename=\r\n\t\"a =\r\n b\";\r\n size=1\n",
                "attachment; filename=\"a =\r\n b\";\r\n size=1\n",
            ),
            ("multipart/mixed; boundary= \"b\"\n", "multipart/mixed; boundary=\"b\"\n"),
            ("multipart/mixed; boundary =\"b\"\n", "multipart/mixed; boundary=\"b\"\n"),
            ("attachment; filename*=\r\n utf-8''a\n", "attachment; filename*=utf-8''a\n"),
            (
                "inline; filename==?utf-8?Q?a?=\r\n =?koi8-r?Q?b?=\n",
                "inline; filename==?utf-8?Q?a?=\r\n =?koi8-r?Q?b?=\n",
            ),
            ("attachment; filename=\r\n", "attachment; filename=\n"),
        ] {
            assert_eq!(text(close_up(value.as_bytes().into())), expected, "{value:?}");
        }
    }

    #[test]
    fn many_words_take_no_longer_than_their_length() {
        let hostile = "=?utf-8?q?".repeat(100_000);
        assert_eq!(join(hostile.as_bytes().into()).len(), hostile.len());
        let words = "=?utf-8?Q?a?= ".repeat(50_000);
        assert!(join(words.as_bytes().into()).len() < words.len());
    }
}
