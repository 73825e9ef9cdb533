//! The body of a mail: its text, its HTML, and which parts are neither. What is quoted and what is
//! new in it is told apart by `text`.

use super::decode;
use super::structure::Part;
use super::{Defect, Limits, html};

/// The body of a mail.
#[derive(Debug, Default)]
pub(super) struct Body {
    pub text: String,
    pub html: Option<String>,
    pub defects: Vec<Defect>,
}

/// A character takes at most so many bytes of any character set, but for what switches between alphabets.
const CHAR_BYTES_MAX: usize = 4;

/// A piece of the body: one part, or the renderings of one `multipart/alternative`.
#[derive(Default)]
struct Piece {
    alternative: Option<usize>,
    plain: Vec<String>,
    html: Vec<String>,
}

/// Reads the body out of the parts that make it.
pub(super) fn read(parts: &[Part<'_>], limits: &Limits) -> Body {
    let mut body = Body::default();
    let mut pieces: Vec<Piece> = Vec::new();
    for part in parts.iter().filter(|part| is_body(part)) {
        let (text, defects) =
            decode::text(part, limits.text_chars_max.saturating_mul(CHAR_BYTES_MAX));
        body.defects.extend(defects);
        let joins = |piece: &&mut Piece| {
            part.alternative.is_some() && piece.alternative == part.alternative
        };
        match pieces.last_mut().filter(joins) {
            Some(piece) => piece.add(part, text),
            None => {
                let mut piece = Piece { alternative: part.alternative, ..Piece::default() };
                piece.add(part, text);
                pieces.push(piece);
            }
        }
    }
    body.gather(pieces, limits);
    body
}

/// Is the part shown as the body, rather than listed as a file?
pub(super) fn is_body(part: &Part<'_>) -> bool {
    let is_text = matches!(part.media.name.as_str(), "text/plain" | "text/html" | "text");
    let is_attached = part.disposition.as_ref().is_some_and(|said| said.name == "attachment");
    is_text && !is_attached && (part.is_whole || file_name(part).is_none())
}

/// Is the part only another rendering of the body, such as AMP or enriched text?
pub(super) fn is_rendering(part: &Part<'_>) -> bool {
    part.alternative.is_some()
        && part.media.is_of("text")
        && part.media.name != "text/calendar"
        && file_name(part).is_none()
}

/// The name of the file that a part is, as the mail says it. RFC 2183 2.3 before RFC 2045.
pub(super) fn file_name<'a>(part: &'a Part<'_>) -> Option<&'a str> {
    let disposed = part.disposition.as_ref().and_then(|said| said.parameter("filename"));
    disposed.or_else(|| part.media.parameter("name")).filter(|name| !name.trim().is_empty())
}

impl Piece {
    fn add(&mut self, part: &Part<'_>, text: String) {
        if part.media.name == "text/html" {
            self.html.push(text);
        } else if part.media.says("format", "flowed") {
            self.plain.push(unflowed(&text, part.media.says("delsp", "yes")));
        } else {
            self.plain.push(text);
        }
    }

    /// Its text: what is plain, unless only the HTML says something. And its HTML.
    fn read(self, limits: &Limits) -> (String, Option<String>) {
        let has_plain = self.plain.iter().any(|text| !text.trim().is_empty());
        let html = (!self.html.is_empty()).then(|| joined(self.html));
        let text = match html.as_deref().filter(|_| !has_plain) {
            Some(html) => {
                html::to_text(clipped(html, limits.text_chars_max), limits.text_chars_max)
            }
            None => joined(self.plain),
        };
        (text, html)
    }
}

impl Body {
    /// A body whose renderings are at hand.
    pub(super) fn of(
        text: Option<String>,
        html: Option<String>,
        defects: Vec<Defect>,
        limits: &Limits,
    ) -> Self {
        let piece = Piece {
            plain: text.into_iter().collect(),
            html: html.into_iter().collect(),
            ..Piece::default()
        };
        let mut body = Self { defects, ..Self::default() };
        body.gather(vec![piece], limits);
        body
    }

    fn gather(&mut self, pieces: Vec<Piece>, limits: &Limits) {
        let (texts, html): (_, Vec<_>) = pieces.into_iter().map(|piece| piece.read(limits)).unzip();
        self.text = joined(texts);
        let html: Vec<String> = html.into_iter().flatten().collect();
        self.html = (!html.is_empty()).then(|| joined(html));
        for text in std::iter::once(&mut self.text).chain(&mut self.html) {
            let length = clipped(text, limits.text_chars_max).len();
            if length < text.len() {
                text.truncate(length);
                // It waits with the mail for its judgement.
                text.shrink_to_fit();
                self.defects.push(Defect::Clipped);
            }
        }
    }
}

/// The texts one after the other, each on lines of its own.
fn joined(texts: Vec<String>) -> String {
    let mut texts = texts.into_iter();
    let mut all = texts.next().unwrap_or_default();
    for text in texts {
        if !all.is_empty() && !all.ends_with('\n') {
            all.push('\n');
        }
        all.push_str(&text);
    }
    all
}

/// The first characters of a text.
fn clipped(text: &str, chars_max: usize) -> &str {
    if text.len() <= chars_max {
        return text;
    }
    let end = text.char_indices().nth(chars_max).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or(text)
}

/// Puts the lines of flowed text together again (RFC 3676 4).
fn unflowed(text: &str, deletes_space: bool) -> String {
    let mut whole = String::with_capacity(text.len());
    // The quote depth of the paragraph that the next line may belong to.
    let mut open: Option<usize> = None;
    for line in text.split_inclusive('\n') {
        let line = line.strip_suffix('\n').unwrap_or(line);
        let (depth, content) = unquoted(line);
        // RFC 3676 4.4: a space was put before what begins with a space, `>` or `From `.
        let content = content.strip_prefix(' ').unwrap_or(content);
        if open != Some(depth) || content == "-- " {
            begin_line(&mut whole, open.is_some(), depth);
        }
        // RFC 3676 4.3: the signature separator does not flow.
        let flows = content.ends_with(' ') && content != "-- ";
        whole.push_str(if flows && deletes_space {
            content.trim_end_matches(' ')
        } else {
            content
        });
        open = flows.then_some(depth);
        if !flows {
            whole.push('\n');
        }
    }
    whole
}

/// How deep a line is quoted, and what is. RFC 3676 4.5 knows only `>>`; `> >` is in use.
fn unquoted(line: &str) -> (usize, &str) {
    let mut depth = 0;
    let mut content = line;
    while let Some(rest) =
        content.strip_prefix('>').or_else(|| content.strip_prefix(" >").filter(|_| depth > 0))
    {
        content = rest;
        depth += 1;
    }
    (depth, content)
}

fn begin_line(whole: &mut String, is_open: bool, depth: usize) {
    if is_open {
        whole.push('\n');
    }
    whole.extend(std::iter::repeat_n('>', depth));
    if depth > 0 {
        whole.push(' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puts_flowed_lines_together() {
        for (text, deletes_space, expected) in [
            ("one \ntwo\nthree\n", false, "one two\nthree\n"),
            ("one \ntwo\n", true, "onetwo\n"),
            ("> a \n> b\nc\n", false, "> a b\nc\n"),
            ("> a \n>> b\n", false, "> a \n>> b\n"),
            ("> > a \n> > b\n", false, ">> a b\n"),
            (" >a\n", false, ">a\n"),
            ("> a \nb\n", false, "> a \nb\n"),
            ("text \n-- \nAnn\n", false, "text \n-- \nAnn\n"),
            (" From here\n", false, "From here\n"),
            ("  kept\n", false, " kept\n"),
            ("\n\na\n", false, "\n\na\n"),
            ("", false, ""),
        ] {
            assert_eq!(unflowed(text, deletes_space), expected, "{text:?}");
        }
    }

    #[test]
    fn clips_at_a_character() {
        assert_eq!(clipped("h\u{e9}llo", 2), "h\u{e9}");
        assert_eq!(clipped("hi", 2), "hi");
    }
}
