//! HTML of mail, made safe to show; and plain text as HTML. What may run is taken out, what would be
//! loaded is not loaded until somebody asks, links say where they lead.
//!
//! It is done twice. `rewrite` reads the mail in one pass without building a tree, so that hostile
//! nesting costs nothing, and writes plain, closed, shallow HTML of its own making. That is then read by
//! a real HTML parser ([`ammonia`]), which leaves out whatever is not on its list. The second would be
//! enough, but takes a time that grows with the square of the nesting: 250 KB of `<div>` took it 9.5
//! seconds. Whoever shows the result does so in a frame in which nothing may run: that is the other wall.

mod attributes;
mod link;
mod paper;
mod rewrite;
mod style;
pub mod text;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use ammonia::{Builder, UrlRelative};

/// The pictures of a mail that stand in its body: by Content-ID, as `data:` URLs.
pub type Pictures = BTreeMap<String, String>;

/// What becomes of pictures on other people's servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remote {
    /// They are left out and counted.
    Blocked,
    /// The reader asked for them.
    Shown,
}

/// HTML that is safe to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Safe {
    /// What belongs into `<body>`.
    pub html: String,
    /// How the paper below it looks: a style.
    pub paper: String,
    /// Pictures on other people's servers, shown or not.
    pub remote: usize,
    /// Pictures too small to see: they report that the mail was read, and are never shown.
    pub trackers: usize,
    /// The mail is longer than what is shown of it.
    pub is_shortened: bool,
}

impl Safe {
    /// The tag of the body that it is shown in.
    pub fn body_tag(&self) -> String {
        paper::tag(&self.paper)
    }
}

/// The policy under which it is shown, in a frame: no scripts, no forms, no frames, no origin of ours; links
/// open outside. Whoever shows pictures of others adds where they may come from.
pub const POLICY: &str = "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; \
    style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; img-src data:";

/// As much of the HTML as is looked at, in bytes.
const HTML_BYTES_MAX: usize = 1_048_576;

/// Makes the HTML of a mail safe.
pub fn html(source: &str, pictures: &Arc<Pictures>, remote: Remote) -> Safe {
    let source_shown = clipped(source, HTML_BYTES_MAX);
    let mut safe = rewrite::rewrite(source_shown, pictures, remote, Notes::Written);
    safe.is_shortened |= source_shown.len() < source.len();
    safe.html = second_wall(&safe.html, Arc::clone(pictures));
    safe
}

/// Makes HTML that somebody writes here safe: pasted, it may come from anywhere. Nothing is added to it.
pub fn tidy(source: &str) -> String {
    let pictures = Arc::default();
    let source = clipped(source, HTML_BYTES_MAX);
    let safe = rewrite::rewrite(source, &pictures, Remote::Blocked, Notes::None);
    second_wall(&safe.html, pictures)
}

/// Is it said where links lead that pretend?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Notes {
    Written,
    None,
}

/// Lets through what is on the lists, as a real HTML parser understands it.
fn second_wall(html: &str, pictures: Arc<Pictures>) -> String {
    let filter = move |element: &str, attribute: &str, value: &str| -> Option<String> {
        let is_picture = (element, attribute) == ("img", "src");
        match value.split_once(':') {
            Some(("cid", id)) => pictures.get(id).filter(|_| is_picture).cloned(),
            Some(("data", _)) if attribute == "href" || attribute == "src" => {
                (is_picture && attributes::is_picture_data(value)).then(|| value.to_owned())
            }
            _ if attribute == "style" => Some(style::filtered(value, Remote::Shown).css),
            _ => Some(value.to_owned()),
        }
    };
    let elements = rewrite::ELEMENTS.iter().copied().collect::<HashSet<_>>();
    let own: HashMap<&str, HashSet<&str>> = HashMap::from([
        ("a", HashSet::from(["href"])),
        ("img", HashSet::from(["src", "alt"])),
        ("span", HashSet::from(["class"])),
    ]);
    Builder::empty()
        .tags(elements)
        .tag_attributes(own)
        .generic_attributes(attributes::PLAIN.iter().copied().collect())
        .add_generic_attributes(["style"])
        .add_allowed_classes("img", ["off"])
        .add_allowed_classes("p", ["MsoNormal"])
        .add_allowed_classes("div", ["MsoNormal"])
        .add_allowed_classes("li", ["MsoNormal"])
        .url_schemes(HashSet::from(["http", "https", "mailto", "cid", "data"]))
        .url_relative(UrlRelative::Deny)
        .link_rel(Some("noopener noreferrer nofollow"))
        .set_tag_attribute_value("a", "target", "_blank")
        .attribute_filter(move |element, attribute, value| {
            filter(element, attribute, value).map(Cow::Owned)
        })
        .clean(html)
        .to_string()
}

/// The first bytes of a text, up to a character's end.
fn clipped(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Writes text so that HTML takes it for text, in an attribute's quotes, too.
fn escape_into(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}
