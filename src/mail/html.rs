//! The text of an HTML body, in one pass over its tags: no tree is built, so a million nested
//! elements cost what a million words cost. It is for reading and comparing, never shown as HTML.
//! A library that lays HTML out (html2text) was tried: it recurses, and builds a tree of all of it.

use mail_parser::decoders::html::add_html_token;

/// Levels of quotation that are marked.
const QUOTES_MAX: usize = 30;
/// The longest name of a character reference, with `&` and `;`.
const REFERENCE_BYTES_MAX: usize = 34;

/// The text of the HTML, at most about `bytes_max` of it: paragraphs and lines as lines, quotations
/// with `> `, no scripts and no styles.
pub(super) fn to_text(html: &str, bytes_max: usize) -> String {
    let mut page = Page::default();
    let mut tags = Tags::new(html);
    while page.text.len() < bytes_max {
        match tags.next() {
            Some(Token::Text(text)) => page.write(text),
            Some(Token::Open { name, attributes }) => {
                if matches!(name.as_str(), "script" | "style" | "title" | "template") {
                    tags.skip_to_close(&name);
                } else {
                    page.open(&name, attributes);
                }
            }
            Some(Token::Close { name }) => page.close(&name),
            None => break,
        }
    }
    page.text.truncate(page.text.trim_end().len());
    page.text
}

/// Every `cid:` that the HTML refers to.
pub(super) fn content_ids(html: &str) -> std::collections::BTreeSet<&str> {
    let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '>' | ')' | '<');
    let references = html.split("cid:").skip(1);
    references.filter_map(|rest| rest.split(is_end).next()).filter(|id| !id.is_empty()).collect()
}

/// A tag, or what stands between tags.
pub(super) enum Token<'a> {
    Text(&'a str),
    Open { name: String, attributes: &'a str },
    Close { name: String },
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
        let end = self.rest.find('<').unwrap_or(self.rest.len());
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
        if !self.no_quote_ends {
            let mut quote = None;
            for (at, byte) in tag.bytes().enumerate() {
                match (byte, quote) {
                    (b'>', None) => return at,
                    (b'"' | b'\'', None) => quote = Some(byte),
                    (byte, Some(open)) if byte == open => quote = None,
                    _ => {}
                }
            }
            self.no_quote_ends = true;
        }
        tag.find('>').unwrap_or(tag.len())
    }

    /// Skips an element whose content is no text; all that is left, if it never closes.
    pub(super) fn skip_to_close(&mut self, name: &str) {
        while let Some((_, rest)) = self.rest.split_once("</") {
            self.rest = rest;
            if tag_name(rest).0 == name {
                self.rest = rest.split_once('>').map_or("", |(_, rest)| rest);
                return;
            }
        }
        self.rest = "";
    }
}

/// The name of a tag in lower case, and what follows it.
fn tag_name(inside: &str) -> (String, &str) {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b':' || byte == b'-';
    let end = inside.bytes().take(LONGEST_NAME).position(|byte| !is_name(byte));
    let end = end.unwrap_or(inside.len().min(LONGEST_NAME));
    let (name, attributes) = inside.split_at_checked(end).unwrap_or((inside, ""));
    (name.to_ascii_lowercase(), attributes)
}

/// No element has a name that long.
const LONGEST_NAME: usize = 32;

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
    fn open(&mut self, name: &str, attributes: &str) {
        match name {
            "br" => self.feed(),
            "hr" => self.rule(),
            "li" => {
                self.block();
                self.push_str("- ");
            }
            // Outlook writes each line as a paragraph without space around it.
            "p" if attributes.contains("MsoNormal") => self.block(),
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.paragraph(),
            "td" | "th" => self.is_spaced = self.is_written,
            "blockquote" => {
                self.block();
                self.quotes += 1;
            }
            "pre" => {
                self.block();
                self.kept += 1;
            }
            name if is_block(name) => self.block(),
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "li" => self.block(),
            "blockquote" => {
                self.block();
                self.quotes = self.quotes.saturating_sub(1);
            }
            "pre" => {
                self.block();
                self.kept = self.kept.saturating_sub(1);
            }
            name if is_block(name) => self.block(),
            _ => {}
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
        for word in text.split(is_space).filter(|word| !word.is_empty()) {
            self.push_str(word);
            self.is_spaced = true;
        }
        self.is_spaced &= text.ends_with(is_space) || text.is_empty();
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

pub(super) fn is_reference(name: &str) -> bool {
    name.len() <= REFERENCE_BYTES_MAX
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'#')
}

fn is_block(name: &str) -> bool {
    matches!(
        name,
        "div"
            | "tr"
            | "table"
            | "ul"
            | "ol"
            | "dl"
            | "dt"
            | "dd"
            | "body"
            | "head"
            | "html"
            | "section"
            | "article"
            | "header"
            | "footer"
            | "center"
            | "address"
            | "form"
            | "fieldset"
            | "figure"
            | "nav"
            | "main"
            | "aside"
            | "tbody"
            | "thead"
            | "tfoot"
    )
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
    }
}
