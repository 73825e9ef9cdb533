//! The parts of a mail (RFC 2046 5.1): where each begins and ends, and what it says it is. One pass
//! over the lines with a stack of our own, never a recursion, so that depth and count are bounded
//! before anything is built. Attached mails are leaves here: nobody descends into them.

use super::fields::{Head, is_of_header};
use super::lines::{Lines, without_end};
use super::values::MediaType;
use super::{Defect, Limits, values};

/// RFC 2045 5.2: what a part is that does not say; and what a multipart is shown as that cannot be
/// taken apart.
const PLAIN: &str = "text/plain";

/// A part that has no parts.
#[derive(Clone, Debug)]
pub(super) struct Part<'a> {
    pub media: MediaType,
    pub disposition: Option<MediaType>,
    /// Content-Transfer-Encoding in lower case; empty when there is none.
    pub encoding: String,
    /// Without brackets.
    pub content_id: Option<String>,
    /// As it came, still encoded.
    pub body: &'a [u8],
    /// The outermost `multipart/alternative` that it is in.
    pub alternative: Option<usize>,
    /// It is the mail: there is no multipart around it.
    pub is_whole: bool,
}

/// The parts of a mail in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Structure<'a> {
    /// The media type of the mail itself.
    pub media: MediaType,
    pub parts: Vec<Part<'a>>,
    pub defects: Vec<Defect>,
}

impl<'a> Structure<'a> {
    /// Finds the parts of the mail with that header, whose body is what `lines` has left.
    pub(super) fn read(head: &Head<'a>, lines: Lines<'a>, limits: &Limits) -> Self {
        let mut walk = Walk::new(lines, limits);
        let media = walk.run(head);
        Self { media, parts: walk.parts, defects: walk.defects }
    }
}

/// A multipart that is not yet at its end.
struct Frame<'a> {
    boundary: Vec<u8>,
    is_digest: bool,
    alternative: Option<usize>,
    /// A delimiter was seen.
    has_parts: bool,
    /// What it would be if no delimiter came.
    part: Part<'a>,
}

struct Walk<'a, 'l> {
    lines: Lines<'a>,
    limits: &'l Limits,
    frames: Vec<Frame<'a>>,
    /// The leaf whose end was not seen yet; its body is all that follows.
    open: Option<Part<'a>>,
    parts: Vec<Part<'a>>,
    /// Parts of both kinds that were begun.
    begun: usize,
    defects: Vec<Defect>,
}

impl<'a, 'l> Walk<'a, 'l> {
    fn new(lines: Lines<'a>, limits: &'l Limits) -> Self {
        Self {
            lines,
            limits,
            frames: Vec::new(),
            open: None,
            parts: Vec::new(),
            begun: 0,
            defects: Vec::new(),
        }
    }

    /// Goes through all of it; answers the media type of the mail.
    fn run(&mut self, head: &Head<'a>) -> MediaType {
        let whole = self.part(head);
        let media = whole.media.clone();
        self.begin(whole);
        while self.seek_part() {
            let frames = &self.frames;
            // Some programs leave the empty line out: what is no field begins the text.
            let is_end = |line: &[u8]| delimiter(frames, line).is_some() || !is_of_header(line);
            let head = Head::read(&mut self.lines, self.limits, is_end);
            self.begin(self.part(&head));
        }
        media
    }

    /// Begins a part: opens a multipart, or notes a leaf.
    fn begin(&mut self, mut part: Part<'a>) {
        self.begun += 1;
        let Some(boundary) = boundary(&part.media) else {
            if part.media.is_of("multipart") {
                part.media = MediaType::named(PLAIN);
            }
            self.open = Some(part);
            return;
        };
        if self.frames.len() >= self.limits.depth_max {
            self.defects.push(Defect::TooDeep);
            self.open = Some(part);
            return;
        }
        let is_alternative = part.media.name == "multipart/alternative";
        self.frames.push(Frame {
            boundary,
            is_digest: part.media.name == "multipart/digest",
            alternative: part.alternative.or_else(|| is_alternative.then_some(self.begun)),
            has_parts: false,
            part,
        });
    }

    /// The part with that header; its body is all that follows.
    fn part(&self, head: &Head<'a>) -> Part<'a> {
        let parent = self.frames.last();
        // RFC 2046 5.1.5: in a digest a part is a mail unless it says otherwise.
        let is_digest = parent.is_some_and(|frame| frame.is_digest);
        let default = if is_digest { "message/rfc822" } else { PLAIN };
        let media = head.first("content-type").and_then(MediaType::parse);
        let content_id = head.first("content-id").map(values::raw);
        let content_id = content_id.map(|id| id.trim_matches(['<', '>', ' ']).to_owned());
        Part {
            media: media.unwrap_or_else(|| MediaType::named(default)),
            disposition: head.first("content-disposition").and_then(MediaType::parse),
            encoding: head.keyword("content-transfer-encoding").unwrap_or_default(),
            content_id: content_id.filter(|id| !id.is_empty()),
            body: self.lines.rest(),
            alternative: parent.and_then(|frame| frame.alternative),
            is_whole: parent.is_none(),
        }
    }

    /// Goes on to the next part; `false` when there is none, or no more are taken.
    fn seek_part(&mut self) -> bool {
        loop {
            let here = self.lines.rest();
            // Nothing can end the last leaf: no need to look at its lines.
            let line = if self.frames.is_empty() { None } else { self.lines.next() };
            let Some(line) = line else {
                self.close_to(0, &[]);
                return false;
            };
            let Some((depth, is_last)) = delimiter(&self.frames, line) else { continue };
            self.close_to(depth + 1, here);
            if let Some(frame) = self.frames.last_mut() {
                frame.has_parts = true;
            }
            if is_last {
                self.frames.pop();
            } else if self.begun >= self.limits.parts_max {
                self.defects.push(Defect::Clipped);
                return false;
            } else {
                return true;
            }
            if self.frames.is_empty() {
                return false;
            }
        }
    }

    /// Ends the open leaf and all multiparts above the depth, where only `rest` is left.
    fn close_to(&mut self, depth: usize, rest: &[u8]) {
        if let Some(part) = self.open.take() {
            self.parts.push(ended(part, rest));
        }
        for frame in self.frames.drain(depth.min(self.frames.len())..) {
            if !frame.has_parts {
                let media = MediaType::named(PLAIN);
                self.parts.push(ended(Part { media, ..frame.part }, rest));
            }
        }
    }
}

/// The part without what follows it. RFC 2046 5.1.1: the line end before a delimiter is not part
/// of the part.
fn ended<'a>(part: Part<'a>, rest: &[u8]) -> Part<'a> {
    let length = part.body.len().saturating_sub(rest.len());
    let body = part.body.get(..length).unwrap_or_default();
    let body = if rest.is_empty() { body } else { without_end(body) };
    Part { body, ..part }
}

/// The boundary of a multipart that has one.
fn boundary(media: &MediaType) -> Option<Vec<u8>> {
    if !media.is_of("multipart") {
        return None;
    }
    let boundary = media.parameter("boundary")?.trim_ascii_end();
    (!boundary.is_empty()).then(|| boundary.as_bytes().to_vec())
}

/// Which multipart the line delimits, the innermost first, and if it is its last delimiter.
fn delimiter(frames: &[Frame<'_>], line: &[u8]) -> Option<(usize, bool)> {
    let line = line.strip_prefix(b"--")?.trim_ascii_end();
    frames.iter().enumerate().rev().find_map(|(depth, frame)| {
        match line.strip_prefix(frame.boundary.as_slice())? {
            [] => Some((depth, false)),
            [b'-', b'-', ..] => Some((depth, true)),
            // A longer boundary that begins with this one.
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str, limits: &Limits) -> (String, Vec<Defect>) {
        let mut lines = Lines::new(raw.as_bytes());
        let head = Head::of_mail(&mut lines, limits);
        let structure = Structure::read(&head, lines, limits);
        let parts = structure.parts.iter();
        let shown = parts.map(|part| format!("{}={}", part.media.name, show(part.body)));
        (shown.collect::<Vec<_>>().join(" | "), structure.defects)
    }

    fn show(body: &[u8]) -> String {
        String::from_utf8_lossy(body).into_owned()
    }

    #[test]
    fn finds_the_parts_of_well_made_and_of_broken_mails() {
        let mixed = "Content-Type: multipart/mixed; boundary=b\n\n";
        for (body, expected) in [
            (
                "preamble\n--b\n\none\n--b\n\ntwo\n--b--\nepilogue",
                "text/plain=one | text/plain=two",
            ),
            ("--b\r\n\r\none\r\n\r\n--b--\r\n", "text/plain=one\r\n"),
            ("--b\n\nnever closed", "text/plain=never closed"),
            ("--b  \n\none\n--b-- \n", "text/plain=one"),
            ("no delimiter", "text/plain=no delimiter"),
            ("--b\nno empty line\n--b--", "text/plain=no empty line"),
            ("--b\nContent-Type: text/html\n--b--", "text/html="),
            ("--b\nContent-Type: text/html\nno empty line\n\n--b--", "text/html=no empty line\n"),
            ("--b\n--b\n--b--", "text/plain= | text/plain="),
            ("--b\n\n--bb\n--b--", "text/plain=--bb"),
            ("--b\n\n --b\n--b--", "text/plain= --b"),
            (
                "--b\nContent-Type: multipart/x; boundary=bc\n\n--bc\n\nin\n--bc--\n--b\n\nout\n--b--",
                "text/plain=in | text/plain=out",
            ),
            (
                "--b\nContent-Type: multipart/x; boundary=c\n\n--c\n\nin\n--b\n\nout\n--b--",
                "text/plain=in | text/plain=out",
            ),
            (
                "--b\nContent-Type: multipart/x; boundary=c\n\nnothing\n--b\n\nout\n--b--",
                "text/plain=nothing | text/plain=out",
            ),
            (
                "--b\nContent-Type: message/rfc822\n\nA: 1\n\n--c\n--b--",
                "message/rfc822=A: 1\n\n--c",
            ),
        ] {
            let (found, _) = read(&format!("{mixed}{body}"), &Limits::default());
            assert_eq!(found, expected, "{body:?}");
        }
    }

    #[test]
    fn a_mail_without_a_boundary_is_one_part() {
        for (field, expected) in [
            ("multipart/mixed", "text/plain=--b\n\none"),
            ("multipart/mixed; boundary=\"\"", "text/plain=--b\n\none"),
            ("text/html", "text/html=--b\n\none"),
            ("", "text/plain=--b\n\none"),
        ] {
            let raw = format!("Content-Type: {field}\n\n--b\n\none");
            assert_eq!(read(&raw, &Limits::default()).0, expected, "{field}");
        }
    }

    #[test]
    fn parts_of_a_digest_are_mails() {
        let raw = "Content-Type: multipart/digest; boundary=b\n\n--b\n\nA: 1\n--b--";
        assert_eq!(read(raw, &Limits::default()).0, "message/rfc822=A: 1");
    }

    #[test]
    fn what_is_too_deep_is_one_opaque_part() {
        let limits = Limits { depth_max: 2, ..Limits::default() };
        let nested = |n: usize| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n");
        let raw: String = (0..4).map(nested).collect();
        let (found, defects) = read(&(raw + "\ndeep"), &limits);
        assert!(found.starts_with("multipart/mixed=--b2"), "{found}");
        assert_eq!(defects, [Defect::TooDeep]);
    }

    #[test]
    fn no_more_parts_than_the_limit_are_followed() {
        let limits = Limits { parts_max: 10, ..Limits::default() };
        let raw = format!("Content-Type: multipart/mixed; boundary=b\n\n{}", "--b\n".repeat(1_000));
        let (found, defects) = read(&raw, &limits);
        assert_eq!(found.split(" | ").count(), 9);
        assert_eq!(defects, [Defect::Clipped]);
    }
}
