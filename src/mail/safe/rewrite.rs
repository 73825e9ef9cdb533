//! The first wall: one pass over the tags of a mail that writes HTML in which every element is known,
//! closed, and not nested too deep, so that any parser reads it alike and in linear time.

use super::attributes::{self, is_picture_data, web_address, write, write_plain};
use super::link::Link;
use super::{Notes, Pictures, Remote, Safe, escape_into, paper, style};
use crate::mail::html::{Tags, Token};
use crate::mail::pretence::{is_forced, visible_one};

/// Elements that are shown.
pub(super) const ELEMENTS: &[&str] = &[
    "a",
    "abbr",
    "acronym",
    "address",
    "article",
    "aside",
    "b",
    "bdi",
    "bdo",
    "big",
    "blockquote",
    "br",
    "caption",
    "center",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "font",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "i",
    "img",
    "ins",
    "kbd",
    "li",
    "main",
    "mark",
    "ol",
    "p",
    "pre",
    "q",
    "s",
    "samp",
    "section",
    "small",
    "span",
    "strike",
    "strong",
    "sub",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "time",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
    "wbr",
];
/// Elements whose content is not for reading, or is read by rules of its own.
const SKIPPED: &[&str] = &[
    "script", "style", "title", "template", "textarea", "select", "noscript", "iframe", "object",
    "svg", "math", "xmp", "noembed", "noframes", "audio", "video", "canvas", "applet", "map",
];
/// Elements without content (HTML 13.1.2).
const VOID: &[&str] = &["br", "col", "hr", "img", "wbr"];
/// Those that end a paragraph which is open (HTML 13.1.2.4).
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "center",
    "dd",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "ul",
];

/// Elements inside elements: deeper ones are left out, their text is not.
const DEPTH_MAX: usize = 100;
/// Elements of a mail.
const ELEMENTS_MAX: usize = 60_000;
/// The pictures of a mail together, as they stand in the page.
const PICTURES_BYTES_MAX: usize = 12 * 1_048_576;
/// The text of a link that is looked at.
const LINK_TEXT_BYTES_MAX: usize = 2_048;
/// A picture of this size in pixels, or a smaller one, is there to be fetched, not to be seen.
const TRACKER_PIXELS_MAX: u32 = 2;

/// Writes the mail anew.
pub(super) fn rewrite(html: &str, pictures: &Pictures, remote: Remote, notes: Notes) -> Safe {
    let mut page = Page::new(pictures, remote, notes);
    let mut tags = Tags::new(html);
    while let Some(token) = tags.next() {
        match token {
            Token::Text(text) => page.text(text),
            Token::Open { name, attributes } => match name.to_ascii_lowercase() {
                lower if SKIPPED.contains(&lower.as_str()) => tags.skip_to_close(name),
                lower if lower == "body" => page.paper(attributes),
                lower => page.open(&lower, attributes),
            },
            Token::Close { name } => page.close(&name.to_ascii_lowercase()),
        }
        if page.elements > ELEMENTS_MAX {
            page.safe.is_shortened = true;
            break;
        }
    }
    page.close_to(0);
    page.safe
}

/// The HTML that is being written.
struct Page<'a> {
    safe: Safe,
    /// The elements that are open.
    open: Vec<&'static str>,
    /// The link that is open, and its text so far.
    link: Option<(Link, String)>,
    pictures: &'a Pictures,
    remote: Remote,
    notes: Notes,
    elements: usize,
    picture_bytes: usize,
}

impl<'a> Page<'a> {
    fn new(pictures: &'a Pictures, remote: Remote, notes: Notes) -> Self {
        Self {
            safe: Safe::default(),
            open: Vec::new(),
            link: None,
            pictures,
            remote,
            notes,
            elements: 0,
            picture_bytes: 0,
        }
    }

    /// Of several bodies, the first that says how it looks.
    fn paper(&mut self, tag: &str) {
        if self.safe.paper.is_empty() {
            let paper = paper::read(tag, self.remote);
            self.safe.remote += paper.remote;
            self.safe.paper = paper.css;
        }
    }

    /// Text keeps its character references; a `<` in it is only that.
    fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '<' => self.safe.html.push_str("&lt;"),
                '>' => self.safe.html.push_str("&gt;"),
                c if is_forced(c) => self.safe.html.push_str(&visible_one(c)),
                c => self.safe.html.push(c),
            }
        }
        if let Some((_, said)) = &mut self.link
            && said.len() < LINK_TEXT_BYTES_MAX
        {
            said.push_str(super::clipped(text, LINK_TEXT_BYTES_MAX));
        }
    }

    fn open(&mut self, name: &str, tag: &str) {
        let Some(name) = ELEMENTS.iter().copied().find(|known| *known == name) else { return };
        self.close_before(name);
        if self.open.len() >= DEPTH_MAX {
            return;
        }
        self.elements += 1;
        let read = attributes::read(tag);
        match name {
            "img" => self.picture(&read),
            "a" => self.link(&read),
            name => {
                self.start(name, &read);
                self.safe.html.push('>');
            }
        }
        if !VOID.contains(&name) {
            self.open.push(name);
        }
    }

    /// Writes a tag but for its end.
    fn start(&mut self, name: &str, read: &[(String, String)]) {
        self.safe.html.push('<');
        self.safe.html.push_str(name);
        write_plain(&mut self.safe.html, read);
        // Outlook writes each line as a paragraph without space around it.
        let is_line = attributes::value(read, "class").is_some_and(|it| it.contains("MsoNormal"));
        if is_line && matches!(name, "p" | "div" | "li") {
            write(&mut self.safe.html, "class", "MsoNormal");
        }
        self.style(read);
    }

    /// Writes the style.
    fn style(&mut self, read: &[(String, String)]) {
        let css = attributes::css(read);
        if css.is_empty() {
            return;
        }
        let kept = style::filtered(&css, self.remote);
        self.safe.remote += kept.remote;
        if !kept.css.is_empty() {
            write(&mut self.safe.html, "style", &kept.css);
        }
    }

    fn picture(&mut self, read: &[(String, String)]) {
        let source = attributes::value(read, "src").unwrap_or_default().trim();
        let kind = self.kind_of_picture(source, read);
        if let Picture::Tracker = kind {
            self.safe.trackers += 1;
            return;
        }
        self.start("img", read);
        let alt = attributes::value(read, "alt").unwrap_or_default();
        write(&mut self.safe.html, "alt", super::clipped(alt, 200));
        match kind {
            Picture::At(source) => write(&mut self.safe.html, "src", &source),
            Picture::Tracker | Picture::Off => write(&mut self.safe.html, "class", "off"),
        }
        self.safe.html.push('>');
    }

    fn kind_of_picture(&mut self, source: &str, read: &[(String, String)]) -> Picture {
        if let Some(id) = strip_scheme(source, "cid:") {
            let bytes = self.pictures.get(id).map_or(PICTURES_BYTES_MAX, String::len);
            let fits = self.picture_bytes + bytes <= PICTURES_BYTES_MAX;
            self.picture_bytes += if fits { bytes } else { 0 };
            let at = self.pictures.contains_key(id) && fits;
            return if at { Picture::At(format!("cid:{id}")) } else { Picture::Off };
        }
        if is_picture_data(source) {
            return Picture::At(source.to_owned());
        }
        let Some(url) = web_address(source) else { return Picture::Off };
        if is_tracker(read) {
            return Picture::Tracker;
        }
        self.safe.remote += 1;
        match self.remote {
            Remote::Shown => Picture::At(url.into()),
            Remote::Blocked => Picture::Off,
        }
    }

    fn link(&mut self, read: &[(String, String)]) {
        self.start("a", read);
        self.link = attributes::value(read, "href").and_then(Link::read).map(|link| {
            write(&mut self.safe.html, "href", &link.href);
            (link, String::new())
        });
        self.safe.html.push('>');
    }

    fn close(&mut self, name: &str) {
        let stops = |open: &str| matches!(open, "table" | "td" | "th" | "caption");
        let is_of_table =
            matches!(name, "table" | "tbody" | "thead" | "tfoot" | "tr" | "td" | "th");
        for (at, open) in self.open.iter().enumerate().rev() {
            if *open == name {
                return self.close_to(at);
            }
            if stops(open) && (!is_of_table || *open == "table") {
                return;
            }
        }
    }

    /// Closes what an element of that name cannot stand in, as browsers do.
    fn close_before(&mut self, name: &'static str) {
        let (closed, within): (&[&str], &[&str]) = match name {
            "li" => (&["li"], &["ul", "ol"]),
            "dd" | "dt" => (&["dd", "dt"], &["dl"]),
            "td" | "th" => (&["td", "th", "caption"], &["tr"]),
            "tr" => (&["tr", "td", "th", "caption"], &["tbody", "thead", "tfoot", "table"]),
            "tbody" | "thead" | "tfoot" => (&["tbody", "thead", "tfoot", "caption"], &["table"]),
            "a" => (&["a"], &[]),
            _ => (&[], &[]),
        };
        self.close_first(closed, within);
        if BLOCKS.contains(&name) {
            self.close_first(&["p"], &["td", "th", "table", "caption"]);
        }
    }

    /// Closes the outermost open element that is one of `closed`, but none outside of `within`.
    fn close_first(&mut self, closed: &[&str], within: &[&str]) {
        let stop = self.open.iter().rposition(|open| within.contains(open) || *open == "table");
        let from = stop.map_or(0, |at| at + 1);
        let inside = self.open.iter().enumerate().skip(from);
        if let Some((at, _)) = inside.into_iter().find(|(_, open)| closed.contains(open)) {
            self.close_to(at);
        }
    }

    /// Closes the innermost elements until so many are open.
    fn close_to(&mut self, depth: usize) {
        while self.open.len() > depth {
            let Some(name) = self.open.pop() else { return };
            self.safe.html.push_str("</");
            self.safe.html.push_str(name);
            self.safe.html.push('>');
            if name == "a" {
                self.say_where_it_leads();
            }
        }
    }

    fn say_where_it_leads(&mut self) {
        let Some((link, said)) = self.link.take() else { return };
        let target = link.betrayed_by(&said).filter(|_| self.notes == Notes::Written);
        if let Some(target) = target {
            self.safe.html.push_str(" <span class=\"leads-to\">leads to ");
            escape_into(&mut self.safe.html, target);
            self.safe.html.push_str("</span>");
        }
    }
}

/// What is written for a picture.
enum Picture {
    At(String),
    Tracker,
    Off,
}

fn strip_scheme<'t>(text: &'t str, scheme: &str) -> Option<&'t str> {
    let (start, rest) = text.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

fn is_tracker(read: &[(String, String)]) -> bool {
    let is_dot = |name| {
        let size = attributes::value(read, name).map(|it| it.trim().trim_end_matches("px"));
        size.and_then(|size| size.parse().ok()).is_some_and(|it: u32| it <= TRACKER_PIXELS_MAX)
    };
    let style = attributes::value(read, "style").unwrap_or_default();
    is_dot("width") || is_dot("height") || style::filtered(style, Remote::Blocked).is_hidden
}
