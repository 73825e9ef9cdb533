//! What the content of a file is, by its signature (A3). `infer` knows most; what it does not know,
//! or finds only where one program puts it, is found here. Nothing is unpacked.

/// An extension such as `pdf` or `exe`; `None` for text and for what nobody knows.
pub(super) fn extension(content: &[u8]) -> Option<&'static str> {
    match infer::get(content).map(|kind| kind.extension()) {
        // Two letters, with which a text may begin (BMW); the header behind them has zeros.
        Some("bmp" | "exe") if !content.contains(&0) => None,
        Some("zip" | "docx" | "xlsx" | "pptx") => Some(in_zip(content)),
        // The root storage's class names the program; old files often leave it out.
        Some("msi") | None if content.starts_with(&COMPOUND_FILE) => Some(in_compound(content)),
        Some(known) => Some(known),
        None => unknown_to_infer(content),
    }
}

/// Is that extension a picture's?
pub(super) fn is_picture(extension: &str) -> bool {
    matches!(
        extension,
        "jpg"
            | "png"
            | "gif"
            | "webp"
            | "tif"
            | "bmp"
            | "ico"
            | "svg"
            | "heif"
            | "avif"
            | "jxl"
            | "jp2"
            | "jxr"
            | "psd"
    )
}

const COMPOUND_FILE: [u8; 8] = [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];
/// Readers of PDF look for its header that far; mails with junk before it are in use.
const PDF_HEADER_WITHIN: usize = 1_024;

fn unknown_to_infer(content: &[u8]) -> Option<&'static str> {
    let start = content.get(..PDF_HEADER_WITHIN).unwrap_or(content);
    if has(start, b"%PDF-") {
        return Some("pdf");
    }
    // ISO/IEC 14496-12 4.3: any brand that infer has no name for.
    if content.get(4..8) == Some(b"ftyp") {
        return Some("mp4");
    }
    if content.starts_with(b"#!") {
        return Some("sh");
    }
    let text = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start).trim_ascii_start();
    let lower: Vec<u8> = text.iter().take(16).map(u8::to_ascii_lowercase).collect();
    let marks = [("<svg", "svg"), ("<?xml", "xml"), ("<!doctype html", "html"), ("<html", "html")];
    let mark = marks.iter().find(|(mark, _)| lower.starts_with(mark.as_bytes()));
    mark.map(|(_, extension)| *extension)
}

/// Office documents are archives; their directory says which. Its entries may come in any order.
fn in_zip(content: &[u8]) -> &'static str {
    if !has_entry(content, b"[Content_Types].xml") {
        return "zip";
    }
    let kinds: [(&[u8], &str); 3] = [(b"word/", "docx"), (b"xl/", "xlsx"), (b"ppt/", "pptx")];
    let kind = kinds.iter().find(|(folder, _)| has_entry(content, folder));
    kind.map_or("zip", |(_, extension)| extension)
}

/// Has the central directory (APPNOTE 4.3.12) an entry whose name begins so?
fn has_entry(content: &[u8], name: &[u8]) -> bool {
    /// From the signature of an entry to its name.
    const NAME_AT: usize = 46;
    let entries = content.windows(4).enumerate().filter(|(_, window)| window == b"PK\x01\x02");
    entries
        .into_iter()
        .any(|(at, _)| content.get(at + NAME_AT..).is_some_and(|entry| entry.starts_with(name)))
}

/// Old Office documents (MS-CFB) are told apart by the streams that they have.
fn in_compound(content: &[u8]) -> &'static str {
    let streams = [("WordDocument", "doc"), ("Workbook", "xls"), ("PowerPoint Document", "ppt")];
    let stream = streams.iter().find(|(name, _)| {
        let utf_16: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
        has(content, &utf_16)
    });
    stream.map_or("ole", |(_, extension)| extension)
}

fn has(content: &[u8], needle: &[u8]) -> bool {
    content.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zip(names: &[&str]) -> Vec<u8> {
        let mut bytes = b"PK\x03\x04".to_vec();
        bytes.resize(64, 0);
        for name in names {
            bytes.extend_from_slice(b"PK\x01\x02");
            bytes.extend_from_slice(&[0; 42]);
            bytes.extend_from_slice(name.as_bytes());
        }
        bytes
    }

    fn compound(stream: &str) -> Vec<u8> {
        let mut bytes = COMPOUND_FILE.to_vec();
        bytes.resize(1_024, 0);
        bytes.extend(stream.encode_utf16().flat_map(u16::to_le_bytes));
        bytes
    }

    #[test]
    fn knows_files_by_their_content() {
        let cases: Vec<(Vec<u8>, Option<&str>)> = vec![
            (b"%PDF-1.7".to_vec(), Some("pdf")),
            (b"\n\n%PDF-1.4 after junk".to_vec(), Some("pdf")),
            (b"\x89PNG\r\n\x1a\n".to_vec(), Some("png")),
            (b"\xFF\xD8\xFF\xE0".to_vec(), Some("jpg")),
            (b"MZ\x90\0".to_vec(), Some("exe")),
            (b"BM\x46\0\0\0\0\0".to_vec(), Some("bmp")),
            (b"BMW offer, as discussed".to_vec(), None),
            (b"MZ 5 is the part".to_vec(), None),
            (b"Rar!\x1a\x07\x00".to_vec(), Some("rar")),
            (b"\0\0\0\x18ftypmp42\0\0\0\0".to_vec(), Some("mp4")),
            (b"\0\0\0\x18ftypnone\0\0\0\0".to_vec(), Some("mp4")),
            (b"\0\0\x01\xBA".to_vec(), Some("mpg")),
            (b"{\\rtf1".to_vec(), Some("rtf")),
            (zip(&["a.txt"]), Some("zip")),
            (zip(&["word/a.txt"]), Some("zip")),
            (zip(&["docProps/app.xml", "word/document.xml", "[Content_Types].xml"]), Some("docx")),
            (zip(&["[Content_Types].xml", "xl/workbook.xml"]), Some("xlsx")),
            (zip(&["[Content_Types].xml", "ppt/presentation.xml"]), Some("pptx")),
            (compound("WordDocument"), Some("doc")),
            (compound("Workbook"), Some("xls")),
            (compound("Other"), Some("ole")),
            (b"<html><body>".to_vec(), Some("html")),
            (b"  <!DOCTYPE HTML>".to_vec(), Some("html")),
            (b"<svg onload=x>".to_vec(), Some("svg")),
            (b"#!/usr/bin/perl".to_vec(), Some("sh")),
            (b"plain text".to_vec(), None),
            (b"PK".to_vec(), None),
            (b"".to_vec(), None),
        ];
        for (content, expected) in cases {
            let shown = String::from_utf8_lossy(content.get(..8).unwrap_or(&content)).into_owned();
            assert_eq!(extension(&content), expected, "{shown:?}");
        }
    }
}
