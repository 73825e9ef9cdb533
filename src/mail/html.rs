//! The text of an HTML body, in one pass over its tags: no tree is built, so a million nested
//! elements cost what a million words cost. It is for reading and comparing, never shown as HTML.
//! A library that lays HTML out (html2text) was tried: it recurses, and builds a tree of all of it.

use std::collections::BTreeSet;

use mail_parser::decoders::html::add_html_token;
use memchr::{memchr, memchr3};

use super::charset;

/// Levels of quotation that are marked.
const QUOTES_MAX: usize = 30;
/// The longest name of a character reference, with `&` and `;`.
const REFERENCE_BYTES_MAX: usize = 34;

/// Pictures in one text, and the longest name of one.
const CONTENT_IDS_MAX: usize = 1_000;
const CONTENT_ID_BYTES_MAX: usize = 998;

/// The text of the HTML, at most about `bytes_max` of it: paragraphs and lines as lines, quotations
/// with `> `, no scripts and no styles.
pub(super) fn to_text(html: &str, bytes_max: usize) -> String {
    let mut page = Page { text: String::with_capacity(html.len() / 2), ..Page::default() };
    let mut tags = Tags::new(html);
    while page.text.len() < bytes_max {
        match tags.next() {
            Some(Token::Text(text)) => page.write(text),
            Some(Token::Open { name, attributes }) => match Element::named(name) {
                Element::Hidden => tags.skip_to_close(name),
                element => page.open(element, attributes),
            },
            Some(Token::Close { name }) => page.close(Element::named(name)),
            None => break,
        }
    }
    page.text.truncate(page.text.trim_end().len());
    page.text
}

/// Every `cid:` that the HTML refers to, the first thousand; what is too long to be one (RFC 5322 2.1.1)
/// is none.
pub(super) fn content_ids(html: &str) -> BTreeSet<&str> {
    const SCHEME: &str = "cid:";
    let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '>' | ')' | '<');
    let mut ids = BTreeSet::new();
    let mut rest = html;
    while ids.len() < CONTENT_IDS_MAX
        && let Some((_, behind)) = rest.split_once(SCHEME)
    {
        // The search goes on behind it: in `cid:cid:cid:…` every end would be looked for anew.
        let (id, after) = behind.split_at(behind.find(is_end).unwrap_or(behind.len()));
        if (1..=CONTENT_ID_BYTES_MAX).contains(&id.len()) {
            ids.insert(id);
        }
        rest = after;
    }
    ids
}

/// A number of a control character means what Windows has there (HTML 13.2.5.80).
fn of_windows(name: &str) -> Option<char> {
    let number = name.strip_prefix('#')?;
    let byte: u8 = match number.strip_prefix(['x', 'X']) {
        Some(digits) => u8::from_str_radix(digits, 16).ok()?,
        None => number.parse().ok()?,
    };
    (128..160).contains(&byte).then(|| charset::windows_1252(&[byte]).chars().next())?
}

/// A tag, its name as written, or what stands between tags.
pub(super) enum Token<'a> {
    Text(&'a str),
    Open { name: &'a str, attributes: &'a str },
    Close { name: &'a str },
}

/// Cuts HTML into tags and what stands between them.
pub(super) struct Tags<'a> {
    rest: &'a str,
    /// There is no `-->` in what is left; nor is there any quote that closes. Once known it is not
    /// looked for again, or hostile input would be searched to its end at every tag.
    no_comment_ends: bool,
    no_quote_ends: bool,
}

impl<'a> Tags<'a> {
    pub(super) fn new(html: &'a str) -> Self {
        Self { rest: html, no_comment_ends: false, no_quote_ends: false }
    }

    pub(super) fn next(&mut self) -> Option<Token<'a>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let Some(tag) = self.rest.strip_prefix('<') else {
                return Some(Token::Text(self.text()));
            };
            match tag.bytes().next() {
                Some(b'!' | b'?') => self.skip_declaration(tag),
                Some(b'/') => return Some(self.close(tag.get(1..).unwrap_or_default())),
                Some(first) if first.is_ascii_alphabetic() => return Some(self.open(tag)),
                _ => {
                    self.rest = tag;
                    return Some(Token::Text("<"));
                }
            }
        }
    }

    /// The text up to the next tag.
    fn text(&mut self) -> &'a str {
        let end = memchr(b'<', self.rest.as_bytes()).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        text
    }

    fn skip_declaration(&mut self, tag: &'a str) {
        if tag.starts_with("!--") && !self.no_comment_ends {
            match tag.split_once("-->") {
                Some((_, rest)) => {
                    self.rest = rest;
                    return;
                }
                None => self.no_comment_ends = true,
            }
        }
        self.rest = tag.split_once('>').map_or("", |(_, rest)| rest);
    }

    fn close(&mut self, tag: &'a str) -> Token<'a> {
        let (inside, rest) = tag.split_once('>').unwrap_or((tag, ""));
        self.rest = rest;
        Token::Close { name: tag_name(inside).0 }
    }

    fn open(&mut self, tag: &'a str) -> Token<'a> {
        let end = self.tag_end(tag);
        let (inside, rest) = tag.split_at(end);
        self.rest = rest.strip_prefix('>').unwrap_or(rest);
        let (name, attributes) = tag_name(inside);
        Token::Open { name, attributes }
    }

    /// Where the tag ends: at a `>` outside quotes; where quotes do not close, at any.
    fn tag_end(&mut self, tag: &str) -> usize {
        let bytes = tag.as_bytes();
        let any = memchr(b'>', bytes).unwrap_or(tag.len());
        if self.no_quote_ends {
            return any;
        }
        let mut from = 0;
        loop {
            let rest = bytes.get(from..).unwrap_or_default();
            let Some(at) = memchr3(b'>', b'"', b'\'', rest) else { break };
            let (Some(found), Some(inside)) = (rest.get(at), rest.get(at + 1..)) else { break };
            if *found == b'>' {
                return from + at;
            }
            match memchr(*found, inside) {
                Some(length) => from += at + 1 + length + 1,
                None => break,
            }
        }
        self.no_quote_ends = true;
        any
    }

    /// Skips an element whose content is no text; all that is left, if it never closes.
    pub(super) fn skip_to_close(&mut self, name: &str) {
        while let Some((_, rest)) = self.rest.split_once("</") {
            self.rest = rest;
            if tag_name(rest).0.eq_ignore_ascii_case(name) {
                self.rest = rest.split_once('>').map_or("", |(_, rest)| rest);
                return;
            }
        }
        self.rest = "";
    }
}

/// The name of a tag as written, and what follows it.
fn tag_name(inside: &str) -> (&str, &str) {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b':' || byte == b'-';
    let end = inside.bytes().take(LONGEST_NAME).position(|byte| !is_name(byte));
    let end = end.unwrap_or(inside.len().min(LONGEST_NAME));
    inside.split_at_checked(end).unwrap_or((inside, ""))
}

/// No element has a name that long.
const LONGEST_NAME: usize = 32;

/// What an element does to the text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Element {
    Line,
    Rule,
    Item,
    Paragraph,
    Heading,
    Cell,
    Quote,
    Preformatted,
    Block,
    /// What is in it is no text.
    Hidden,
    Inline,
}

impl Element {
    fn named(name: &str) -> Self {
        /// That of `blockquote`.
        const LENGTH_MAX: usize = 10;
        let mut lower = [0; LENGTH_MAX];
        let Some(lower) = lower.get_mut(..name.len()) else { return Self::Inline };
        lower.copy_from_slice(name.as_bytes());
        lower.make_ascii_lowercase();
        match &*lower {
            b"br" => Self::Line,
            b"hr" => Self::Rule,
            b"li" => Self::Item,
            b"p" => Self::Paragraph,
            b"h1" | b"h2" | b"h3" | b"h4" | b"h5" | b"h6" => Self::Heading,
            b"td" | b"th" => Self::Cell,
            b"blockquote" => Self::Quote,
            b"pre" => Self::Preformatted,
            b"script" | b"style" | b"title" | b"template" => Self::Hidden,
            b"div" | b"tr" | b"table" | b"tbody" | b"thead" | b"tfoot" | b"ul" | b"ol" | b"dl"
            | b"dt" | b"dd" | b"html" | b"head" | b"body" | b"section" | b"article" | b"header"
            | b"footer" | b"center" | b"address" | b"form" | b"fieldset" | b"figure" | b"nav"
            | b"main" | b"aside" => Self::Block,
            _ => Self::Inline,
        }
    }
}

/// The text that is being written.
#[derive(Default)]
struct Page {
    text: String,
    quotes: usize,
    /// `<pre>`: white space counts.
    kept: usize,
    /// A space is due before the next word.
    is_spaced: bool,
    /// Something other than quotation marks stands on the line.
    is_written: bool,
}

impl Page {
    fn open(&mut self, element: Element, attributes: &str) {
        match element {
            Element::Line => self.feed(),
            Element::Rule => self.rule(),
            Element::Item => {
                self.block();
                self.push_str("- ");
            }
            // Outlook writes each line as a paragraph without space around it.
            Element::Paragraph if attributes.contains("MsoNormal") => self.block(),
            Element::Paragraph | Element::Heading => self.paragraph(),
            Element::Cell => self.is_spaced = self.is_written,
            Element::Quote => {
                self.block();
                self.quotes += 1;
            }
            Element::Preformatted => {
                self.block();
                self.kept += 1;
            }
            Element::Block => self.block(),
            Element::Hidden | Element::Inline => {}
        }
    }

    fn close(&mut self, element: Element) {
        match element {
            Element::Paragraph | Element::Heading | Element::Item | Element::Block => self.block(),
            Element::Quote => {
                self.block();
                self.quotes = self.quotes.saturating_sub(1);
            }
            Element::Preformatted => {
                self.block();
                self.kept = self.kept.saturating_sub(1);
            }
            Element::Line | Element::Rule | Element::Cell | Element::Hidden | Element::Inline => {}
        }
    }

    /// Writes text with its character references.
    fn write(&mut self, text: &str) {
        let mut pieces = text.split('&');
        self.plain(pieces.next().unwrap_or_default());
        for piece in pieces {
            match piece.split_once(';').filter(|(name, _)| is_reference(name)) {
                Some((name, rest)) => {
                    self.reference(name);
                    self.plain(rest);
                }
                None => {
                    self.plain("&");
                    self.plain(piece);
                }
            }
        }
    }

    fn reference(&mut self, name: &str) {
        if let Some(character) = of_windows(name) {
            return self.push_str(character.encode_utf8(&mut [0; 4]));
        }
        let mut decoded = String::new();
        add_html_token(&mut decoded, format!("&{name};").as_bytes(), false);
        match decoded.as_str() {
            // A space that is kept, as the space it looks like.
            "\u{a0}" => self.push_str(" "),
            "\0" | "\r" => {}
            decoded => self.plain(decoded),
        }
    }

    /// Writes text in which white space is one space.
    fn plain(&mut self, text: &str) {
        if self.kept > 0 {
            return self.preformatted(text);
        }
        self.is_spaced |= self.is_written && text.starts_with(is_space);
        let mut rest = text.trim_start_matches(is_space);
        while !rest.is_empty() {
            let (words, after) = rest.split_at(words_end(rest));
            self.push_str(words);
            self.is_spaced = !after.is_empty();
            rest = after.trim_start_matches(is_space);
        }
    }

    fn preformatted(&mut self, text: &str) {
        let mut lines = text.split('\n');
        self.push_str(lines.next().unwrap_or_default());
        for line in lines {
            self.feed();
            self.push_str(line);
        }
    }

    fn push_str(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if !self.is_written {
            self.text.extend(std::iter::repeat_n("> ", self.quotes.min(QUOTES_MAX)));
        } else if self.is_spaced {
            self.text.push(' ');
        }
        self.text.push_str(text);
        self.is_written = true;
        self.is_spaced = false;
    }

    /// Ends the line, be it empty or not.
    fn feed(&mut self) {
        if !self.is_written && self.quotes > 0 {
            self.text.extend(std::iter::repeat_n(">", self.quotes.min(QUOTES_MAX)));
        }
        self.text.truncate(self.text.trim_end_matches(' ').len());
        self.text.push('\n');
        self.is_written = false;
        self.is_spaced = false;
    }

    /// Ends the line if something stands on it.
    fn block(&mut self) {
        if self.is_written {
            self.feed();
        }
        self.is_spaced = false;
    }

    /// Ends the line and leaves one empty, except at the start.
    fn paragraph(&mut self) {
        self.block();
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.feed();
        }
    }

    fn rule(&mut self) {
        self.block();
        self.push_str("----");
        self.feed();
    }
}

fn is_space(c: char) -> bool {
    c.is_ascii_whitespace()
}

/// Where white space begins that is more, or other, than one space between words.
fn words_end(text: &str) -> usize {
    let is_space = |byte: &u8| byte.is_ascii_whitespace();
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        let is_last = bytes.peek().is_none_or(|(_, next)| is_space(next));
        if is_space(&byte) && (byte != b' ' || is_last) {
            return at;
        }
    }
    text.len()
}

pub(super) fn is_reference(name: &str) -> bool {
    name.len() <= REFERENCE_BYTES_MAX
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_html_as_a_person_does() {
        for (html, expected) in [
            ("Hello", "Hello"),
            ("<p>Hello <b>big</b>\n  world</p>", "Hello big world"),
            ("<div>a</div><div>b</div>", "a\nb"),
            ("<div>a</div><div><br></div><div>b</div>", "a\n\nb"),
            ("a<br>b<br/>c", "a\nb\nc"),
            ("<p>a</p><p>b</p>", "a\n\nb"),
            ("<p class=MsoNormal>a</p><p class=MsoNormal>b</p>", "a\nb"),
            (
                "<p class=MsoNormal>a</p><p class=MsoNormal>&nbsp;</p><p class=MsoNormal>b</p>",
                "a\n\nb",
            ),
            (
                "<b>From:</b> Ann &lt;ann@x.org&gt;<br><b>Sent:</b> Monday",
                "From: Ann <ann@x.org>\nSent: Monday",
            ),
            ("a<blockquote>b<blockquote>c</blockquote></blockquote>d", "a\n> b\n> > c\nd"),
            ("<ul><li>a<li>b</ul>", "- a\n- b"),
            ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>", "a b\nc"),
            (
                "<head><title>t</title><style>p{}</style></head>a<script>if (a<b) x()</script>b",
                "ab",
            ),
            ("a<!-- b > c -->d", "ad"),
            ("a<!-- never closed> b", "a b"),
            ("<![if !mso]>a<![endif]>", "a"),
            ("<a href=\"x>y\">link</a>", "link"),
            ("<a href=\"never closed>a</a>b", "ab"),
            ("1 < 2 &amp; 3 > 2", "1 < 2 & 3 > 2"),
            ("&eacute;&#233;&#xE9;&nope;&", "\u{e9}\u{e9}\u{e9}&nope;&"),
            ("<pre>a\n  b</pre>", "a\n  b"),
            ("a <i> b</i> , <i>c</i>d", "a b , cd"),
            ("<style>never closed", ""),
            ("", ""),
        ] {
            assert_eq!(to_text(html, 10_000), expected, "{html:?}");
        }
    }

    #[test]
    fn hostile_html_is_read_in_one_pass() {
        for (piece, times) in [
            ("<div>", 200_000),
            ("<blockquote><br>", 20_000),
            ("<!--", 100_000),
            ("<a b=\"", 100_000),
            ("<style>", 200_000),
            ("&amp", 100_000),
            ("<", 100_000),
            ("</", 100_000),
        ] {
            assert!(to_text(&piece.repeat(times), 1_000_000).len() < 2_100_000, "{piece}");
        }
    }

    #[test]
    fn finds_the_pictures_of_the_body() {
        let html = "<img src=\"cid:a@b\"> <td style='background:url(cid:c)'> cid:";
        assert_eq!(content_ids(html).into_iter().collect::<Vec<_>>(), ["a@b", "c"]);
        assert_eq!(content_ids(&"cid:".repeat(300_000)).len(), 0);
        let many: String = (0..5_000).map(|n| format!("<img src=cid:{n}>")).collect();
        assert_eq!(content_ids(&many).len(), CONTENT_IDS_MAX);
    }
}
