//! Files of a mail: what each is called, what it is, and its bytes. Whether it may be kept is for
//! `decide` to say. A `winmail.dat` is opened, and its files stand in its place.

use std::borrow::Cow;
use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::structure::Part;
use super::{Defect, File, Limits, body, decode, parse, sniff, tnef, values};

const NAME_CHARS_MAX: usize = 255;
/// An extension longer than this is none.
const EXTENSION_CHARS_MAX: usize = 10;

/// The file at a position of [`Email::files`](super::Email::files), and its bytes. Behind those of the
/// mail stand those of the mail attached to it.
pub fn content(raw: &[u8], limits: &Limits, position: usize) -> Option<(File, Vec<u8>)> {
    parse::guarded(|| {
        let mail = parse::Mail::split(raw, limits);
        let own = blobs(&mail.structure.parts).take(limits.files_max).count();
        let Some(position) = position.checked_sub(own) else {
            return nth(&mail, limits, position);
        };
        let attached = attached_mail(&mail.structure.parts)?;
        nth(&parse::Mail::split(&attached, limits), limits, position)
    })
    .flatten()
}

fn nth(mail: &parse::Mail<'_>, limits: &Limits, position: usize) -> Option<(File, Vec<u8>)> {
    let body = mail.body(limits);
    let shown = shown_pictures(body.html.as_deref());
    let blob = blobs(&mail.structure.parts).take(limits.files_max).nth(position)?;
    let file = blob.describe(&shown);
    Some((file, blob.content.into_owned()))
}

/// A picture that stands in the body of its mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub content_id: String,
    /// `image/png` and others, by its content.
    pub media_type: &'static str,
    pub content: Vec<u8>,
}

/// The pictures of the body among the files at these positions.
pub fn pictures(raw: &[u8], limits: &Limits, positions: &[usize]) -> Vec<Picture> {
    let found = parse::guarded(|| {
        let mail = parse::Mail::split(raw, limits);
        let own = blobs(&mail.structure.parts).take(limits.files_max).count();
        let mut found = pictures_at(&mail, limits, |position| positions.contains(&position));
        if let Some(attached) = attached_mail(&mail.structure.parts) {
            let mail = parse::Mail::split(&attached, limits);
            found.extend(pictures_at(&mail, limits, |position| {
                positions.contains(&(own + position))
            }));
        }
        found
    });
    found.unwrap_or_default()
}

fn pictures_at(
    mail: &parse::Mail<'_>,
    limits: &Limits,
    is_asked: impl Fn(usize) -> bool,
) -> Vec<Picture> {
    let files = blobs(&mail.structure.parts).take(limits.files_max).enumerate();
    files.filter(|(at, _)| is_asked(*at)).filter_map(|(_, blob)| blob.picture()).collect()
}

/// Describes the files among the parts, and says what was wrong with them.
pub(super) fn read(
    parts: &[Part<'_>],
    html: Option<&str>,
    limits: &Limits,
) -> (Vec<File>, Vec<Defect>) {
    let shown = shown_pictures(html);
    let mut files = Vec::new();
    let mut defects = Vec::new();
    for blob in blobs(parts) {
        defects.extend(blob.defect);
        if files.len() >= limits.files_max {
            defects.push(Defect::Clipped);
            break;
        }
        files.push(blob.describe(&shown));
    }
    (files, defects)
}

/// The body that is hidden in a `winmail.dat`, for a mail that has no other: text and HTML.
pub(super) fn hidden_body(parts: &[Part<'_>]) -> Option<(Option<String>, Option<String>)> {
    let part = parts.iter().find(|part| is_tnef(part))?;
    let opened = tnef::open(&decode::bytes(part).0)?;
    let clean = |text: String| decode::with_line_feeds(text.into());
    Some((opened.text.map(clean), opened.html.map(clean)))
}

/// The first attached mail (RFC 2046 5.2.1), decoded.
pub(super) fn attached_mail<'a>(parts: &[Part<'a>]) -> Option<Cow<'a, [u8]>> {
    parts.iter().find(|part| is_mail(&part.media.name)).map(|part| decode::bytes(part).0)
}

fn is_mail(media: &str) -> bool {
    matches!(media, "message/rfc822" | "message/global")
}

fn is_tnef(part: &Part<'_>) -> bool {
    matches!(part.media.name.as_str(), "application/ms-tnef" | "application/vnd.ms-tnef")
        || body::file_name(part).is_some_and(|name| name.eq_ignore_ascii_case("winmail.dat"))
}

fn shown_pictures(html: Option<&str>) -> BTreeSet<&str> {
    html.map(super::html::content_ids).unwrap_or_default()
}

/// A file with its bytes.
struct Blob<'a> {
    name: String,
    content_type: String,
    content_id: Option<String>,
    /// The mail wants it shown where it stands.
    is_inline: bool,
    content: Cow<'a, [u8]>,
    defect: Option<Defect>,
}

/// All files of the parts in their order, decoded one after the other.
fn blobs<'a>(parts: &[Part<'a>]) -> impl Iterator<Item = Blob<'a>> {
    let files = parts.iter().filter(|part| !body::is_body(part) && !body::is_rendering(part));
    files.flat_map(|part| {
        let blob = Blob::of_part(part);
        if !is_tnef(part) {
            return vec![blob];
        }
        match tnef::open(&blob.content).filter(|opened| *opened != tnef::Tnef::default()) {
            Some(opened) => opened.files.into_iter().map(Blob::of_tnef).collect(),
            // What cannot be opened, or seems to be empty, is better kept than lost.
            None => vec![Blob { defect: Some(Defect::BadTnef), ..blob }],
        }
    })
}

impl<'a> Blob<'a> {
    fn of_part(part: &Part<'a>) -> Self {
        let (content, defect) = decode::bytes(part);
        let disposition = part.disposition.as_ref();
        Self {
            name: body::file_name(part).unwrap_or_default().to_owned(),
            content_type: part.media.name.clone(),
            content_id: part.content_id.clone(),
            is_inline: disposition.is_some_and(|said| said.name == "inline"),
            content,
            defect,
        }
    }

    fn of_tnef(file: tnef::TnefFile) -> Self {
        let content_type = file.content_type.unwrap_or_default().trim().to_ascii_lowercase();
        let is_named = content_type.contains('/');
        Self {
            name: file.name,
            content_type: if is_named { content_type } else { "application/octet-stream".into() },
            content_id: file.content_id,
            is_inline: false,
            content: file.content.into(),
            defect: None,
        }
    }

    /// It as a picture that browsers show and that can do nothing else.
    fn picture(self) -> Option<Picture> {
        let media_type = match sniff::extension(&self.content)? {
            "png" => "image/png",
            "jpg" => "image/jpeg",
            "gif" => "image/gif",
            "webp" => "image/webp",
            "bmp" => "image/bmp",
            _ => return None,
        };
        let content_id = self.content_id?;
        Some(Picture { content_id, media_type, content: self.content.into_owned() })
    }

    fn describe(&self, shown: &BTreeSet<&str>) -> File {
        let sniffed = sniff::extension(&self.content);
        let is_shown = self.content_id.as_deref().is_some_and(|id| shown.contains(id));
        // What is no picture is no picture of the body, whatever it calls itself; and what is one, and shown
        // there, is one of the body (A3).
        let is_picture = match self.content_type.starts_with("image/") {
            true => sniffed.is_none_or(sniff::is_picture),
            false => is_shown && sniffed.is_some_and(sniff::is_picture),
        };
        File {
            file_name: file_name(&self.name, &self.content_type, sniffed),
            content_type: self.content_type.clone(),
            sniffed,
            has_nul: self.content.contains(&0),
            size: u64::try_from(self.content.len()).unwrap_or(u64::MAX),
            sha256: Sha256::digest(&self.content).into(),
            inline: is_picture && (self.is_inline || is_shown),
            content_id: self.content_id.clone(),
        }
    }
}

/// The name as the mail says it, fit to show; never a path. Made up when there is none.
fn file_name(written: &str, content_type: &str, sniffed: Option<&str>) -> String {
    let is_shown =
        |c: &char| !c.is_control() && !values::sets_apart(*c) && !values::marks_direction(*c);
    let name: String = written.chars().filter(is_shown).collect();
    let name = name.trim();
    if name.trim_matches(['.', ' ']).is_empty() {
        let extension = sniffed.or_else(|| extension_of(content_type));
        return extension
            .map_or("attachment".into(), |extension| format!("attachment.{extension}"));
    }
    clipped(name)
}

/// At most 255 characters, of which the last are the extension.
fn clipped(name: &str) -> String {
    let length = name.chars().count();
    if length <= NAME_CHARS_MAX {
        return name.to_owned();
    }
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    let extension = extension.filter(|extension| extension.chars().count() <= EXTENSION_CHARS_MAX);
    let Some(extension) = extension else { return name.chars().take(NAME_CHARS_MAX).collect() };
    let kept = NAME_CHARS_MAX - extension.chars().count() - 1;
    let stem: String = name.chars().take(kept).collect();
    format!("{stem}.{extension}")
}

/// The usual extension of media types that have no signature.
fn extension_of(content_type: &str) -> Option<&'static str> {
    Some(match content_type {
        "message/rfc822" | "message/global" => "eml",
        "text/calendar" => "ics",
        "text/vcard" | "text/x-vcard" => "vcf",
        "text/csv" => "csv",
        "text/html" => "html",
        "image/svg+xml" => "svg",
        "application/pgp-signature" => "asc",
        "application/pkcs7-signature" | "application/x-pkcs7-signature" => "p7s",
        kind if kind.starts_with("text/") || kind.starts_with("message/") => "txt",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_fit_to_show() {
        for (written, content_type, sniffed, expected) in [
            ("report.pdf", "application/pdf", None, "report.pdf"),
            ("../../etc/cron.d/x", "text/plain", None, "../../etc/cron.d/x"),
            ("invoice\u{202E}gpj.exe", "image/jpeg", None, "invoice\u{202E}gpj.exe"),
            ("a\0.exe\r\n", "text/plain", None, "a.exe"),
            ("\"; filename=x", "text/plain", None, "\"; filename=x"),
            ("", "message/rfc822", None, "attachment.eml"),
            ("", "application/octet-stream", Some("pdf"), "attachment.pdf"),
            ("", "application/octet-stream", None, "attachment"),
            ("..", "text/csv", None, "attachment.csv"),
            (".", "text/calendar", None, "attachment.ics"),
            (" \u{200f} ", "image/png", Some("png"), "attachment.png"),
        ] {
            assert_eq!(file_name(written, content_type, sniffed), expected, "{written:?}");
        }
    }

    #[test]
    fn long_names_keep_their_extension() {
        let name = file_name(&format!("{}.pdf", "x".repeat(5_000)), "application/pdf", None);
        assert_eq!(name.chars().count(), 255);
        assert!(name.ends_with("x.pdf"));
        assert_eq!(file_name(&"x".repeat(5_000), "text/plain", None).len(), 255);
    }
}
