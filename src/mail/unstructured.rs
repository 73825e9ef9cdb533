//! Unstructured text (RFC 2047 6.2): encoded words among others, wherever they stand. Many programs set
//! them against brackets and colons, `[=?utf-8?Q?=E2=82=AC?=]`, where mail-parser adds spaces.

use memchr::memmem;

use super::charset;
use super::pieces::Word;

/// The text, unfolded and decoded. A character may be cut in two by the end of a word, so words that only
/// white space parts are decoded together.
pub(super) fn decoded(value: &[u8]) -> String {
    let mut text = Text::default();
    let mut rest = value;
    while let Some(at) = memmem::find(rest, b"=?") {
        let (before, behind) = rest.split_at(at);
        let word = Word::read(behind).and_then(|(word, after)| Some((word.bytes()?, word, after)));
        rest = match word {
            Some((bytes, word, after)) => {
                text.plain_before_word(before);
                text.word(word.charset, &bytes);
                after
            }
            None => {
                text.plain(before);
                text.plain(b"=?");
                behind.get(2..).unwrap_or_default()
            }
        };
    }
    text.plain(rest);
    text.decoded
}

#[derive(Default)]
struct Text<'a> {
    decoded: String,
    /// The words that stand last, not decoded yet.
    open: Option<(&'a [u8], Vec<u8>)>,
}

impl<'a> Text<'a> {
    /// White space between two words is none of the text.
    fn plain_before_word(&mut self, text: &[u8]) {
        if self.open.is_none() || !text.trim_ascii().is_empty() {
            self.plain(text);
        }
    }

    fn plain(&mut self, text: &[u8]) {
        self.close();
        let text = String::from_utf8_lossy(text);
        let mut lines = text.split('\n').peekable();
        let mut is_first = true;
        // RFC 5322 2.2.3: a fold is one space, whatever white space stands around it.
        while let Some(line) = lines.next() {
            let line = if is_first { line } else { line.trim_start() };
            let is_last = lines.peek().is_none();
            self.decoded.push_str(if is_last { line } else { line.trim_end() });
            self.decoded.extend((!is_last).then_some(' '));
            is_first = false;
        }
    }

    fn word(&mut self, charset: &'a [u8], bytes: &[u8]) {
        if self.open.as_ref().is_some_and(|(open, _)| !open.eq_ignore_ascii_case(charset)) {
            self.close();
        }
        self.open.get_or_insert_with(|| (charset, Vec::new())).1.extend(bytes);
    }

    fn close(&mut self) {
        let Some((charset, bytes)) = self.open.take() else { return };
        let name = String::from_utf8_lossy(charset);
        // RFC 2231 5: a language may follow, `utf-8*de`.
        let name = name.split('*').next();
        self.decoded.push_str(&charset::characters(&bytes, name).0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_words_wherever_they_stand() {
        for (value, expected) in [
            ("plain", "plain"),
            ("Re: [=?utf-8?Q?=E2=82=AC?=] x", "Re: [\u{20ac}] x"),
            ("=?utf-8?Q?=E2=82=AC?=: x", "\u{20ac}: x"),
            ("=?utf-8?Q?=E2=82?=\r\n =?utf-8?Q?=AC?= 5", "\u{20ac} 5"),
            ("=?utf-8?Q?a?= =?iso-8859-1?Q?=E9?=", "a\u{e9}"),
            ("=?utf-8?Q?a?= b =?utf-8?Q?c?=", "a b c"),
            ("=?utf-8*de?Q?a=5Fb_c?=", "a_b c"),
            ("=?x-nope?Q?caf=E9?=", "caf\u{e9}"),
            ("=?utf-8?Q?=3D=3Futf-8=3FQ=3Fa=3F=3D?=", "=?utf-8?Q?a?="),
            ("=?utf-8?X?a?= =?utf-8?Q?open", "=?utf-8?X?a?= =?utf-8?Q?open"),
            ("fold\r\n\ted", "fold ed"),
            ("two  \r\n  folds \n ", "two folds "),
            ("=?utf-8?Q?a?=\r\n b", "a b"),
        ] {
            assert_eq!(decoded(value.as_bytes()), expected, "{value:?}");
        }
    }
}
