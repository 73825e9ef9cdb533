//! Attachments: what is kept, left out, or keeps its message out (A1 to A3).

use crate::mail::File;
use crate::model::{FileState, Settings};

/// What becomes of one file, and why.
pub type FileRuling = (FileState, Option<&'static str>);

/// The reason of a tombstone for a file above the limit.
pub const TOO_LARGE: &str = "attachment_too_large";
/// The reason of a tombstone for a file whose type is not wanted, or is not what it says.
pub const NOT_ALLOWED: &str = "type_not_allowed";

/// What becomes of a file.
pub fn rule(file: &File, settings: &Settings) -> FileRuling {
    if file.size > settings.attachment_limit {
        return (FileState::LeftOut, Some(TOO_LARGE));
    }
    // A3: a picture of the body is kept whatever its type of picture.
    if file.inline || is_allowed(file, settings) {
        return (FileState::Stored, None);
    }
    (FileState::LeftOut, Some(NOT_ALLOWED))
}

/// The first file that keeps the whole message from syncing (A2), if the switch says so.
pub fn oversize<'a>(files: &'a [File], settings: &Settings) -> Option<&'a File> {
    if !settings.oversize_attachment.skips_message() {
        return None;
    }
    // A3: pictures of the body never keep a mail out.
    files.iter().find(|file| file.size > settings.attachment_limit && !file.inline)
}

/// A1 and A3: of a wanted type by its name, and its content agrees.
fn is_allowed(file: &File, settings: &Settings) -> bool {
    let extension = extension(&file.file_name).or(file.sniffed.map(str::to_owned));
    let Some(extension) = extension else { return false };
    // One type, two names.
    let other = match extension.as_str() {
        "mpg" => "mpeg",
        "mpeg" => "mpg",
        name => name,
    };
    let is_wanted = settings.attachment_types.iter().any(|it| *it == extension || it == other);
    is_wanted && agrees(&extension, file)
}

fn extension(file_name: &str) -> Option<String> {
    let (stem, extension) = file_name.rsplit_once('.')?;
    (!stem.is_empty() && !extension.is_empty()).then(|| extension.trim().to_lowercase())
}

/// Is the content what the extension says? For types without a signature: it has none of another.
fn agrees(extension: &str, file: &File) -> bool {
    let Some(signatures) = signatures(extension) else {
        return file.sniffed.is_none_or(|sniffed| sniffed == extension);
    };
    match file.sniffed {
        Some(sniffed) => signatures.contains(&sniffed),
        // Text has no signature; NUL is in no text.
        None => extension == "txt" && !file.has_nul,
    }
}

/// What the content of a file of that extension is recognised as.
fn signatures(extension: &str) -> Option<&'static [&'static str]> {
    Some(match extension {
        "jpg" | "jpeg" => &["jpg", "jpeg"],
        "png" => &["png"],
        "gif" => &["gif"],
        "mp4" => &["mp4", "m4v", "mov"],
        "mpeg" | "mpg" => &["mpg", "mpeg"],
        "zip" => &["zip"],
        "rar" => &["rar"],
        "pdf" => &["pdf"],
        // The container of all old Office documents is recognised as `doc` or by its own name.
        "doc" => &["doc", "ole"],
        "docx" => &["docx"],
        "xlsx" => &["xlsx"],
        "pptx" => &["pptx"],
        "txt" => &["txt"],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, sniffed: Option<&'static str>) -> File {
        File {
            file_name: name.to_owned(),
            content_type: "application/octet-stream".to_owned(),
            sniffed,
            has_nul: false,
            size: 10,
            sha256: [0; 32],
            inline: false,
            content_id: None,
        }
    }

    #[test]
    fn keeps_the_types_of_the_list_whose_content_agrees() {
        for (name, sniffed, kept) in [
            ("a.pdf", Some("pdf"), true),
            ("a.PDF", Some("pdf"), true),
            ("a.mpg", Some("mpg"), true),
            ("a.pdf", Some("exe"), false),
            ("a.pdf", None, false),
            ("a.zip", Some("zip"), true),
            ("a.zip", Some("xlsx"), false),
            ("a.xlsx", Some("xlsx"), false),
            ("a.docx", Some("docx"), true),
            ("a.docx", Some("zip"), false),
            ("a.doc", Some("doc"), true),
            ("a.jpg", Some("jpg"), true),
            ("a.jpeg", Some("jpg"), true),
            ("a.txt", None, true),
            ("a.txt", Some("html"), false),
            ("a.exe", Some("exe"), false),
            ("picture", Some("png"), true),
            ("noname", None, false),
            (".txt", None, false),
            ("invoice.pdf.exe", Some("exe"), false),
        ] {
            let ruling = rule(&file(name, sniffed), &Settings::default());
            assert_eq!(ruling.0 == FileState::Stored, kept, "{name} {sniffed:?}");
        }
    }

    #[test]
    fn text_has_no_nul() {
        let with_nul = File { has_nul: true, ..file("a.txt", None) };
        assert_eq!(rule(&with_nul, &Settings::default()).1, Some(NOT_ALLOWED));
    }

    #[test]
    fn the_limit_is_3_mb_inclusive() {
        let settings = Settings::default();
        let at = File { size: 3_145_728, ..file("a.pdf", Some("pdf")) };
        let above = File { size: 3_145_729, ..at.clone() };
        assert_eq!(rule(&at, &settings), (FileState::Stored, None));
        assert_eq!(rule(&above, &settings), (FileState::LeftOut, Some(TOO_LARGE)));
        assert!(oversize(&[at], &settings).is_none() && oversize(&[above], &settings).is_some());
    }

    #[test]
    fn pictures_of_the_body_never_keep_a_mail_out() {
        let settings = Settings::default();
        let picture = File {
            inline: true,
            content_type: "image/webp".to_owned(),
            size: 4_000_000,
            ..file("a.webp", Some("webp"))
        };
        assert!(oversize(std::slice::from_ref(&picture), &settings).is_none());
        assert_eq!(rule(&picture, &settings), (FileState::LeftOut, Some(TOO_LARGE)));
        let small = File { size: 10, ..picture };
        assert_eq!(rule(&small, &settings), (FileState::Stored, None));
    }
}
