//! What lies in an archive and is no correspondence: drafts, spam, what was thrown away, and the mail in
//! which some programs keep notes of their own. As in a mailbox, it is not looked at (T8).

use std::path::Path;

use crate::mail;

/// Folders of a Maildir++ that are not read.
const FOLDERS: [&str; 5] = [".Drafts", ".Trash", ".Junk", ".Spam", ".Deleted Messages"];
/// Labels of Google Takeout.
const LABELS: [&str; 3] = ["Drafts", "Spam", "Trash"];
/// Thunderbird: removed, and not yet gone from the file.
const EXPUNGED: u32 = 0x8;

/// Is it to be left where it is?
pub fn is_left(path: &Path, raw: &[u8]) -> bool {
    is_flagged(path) || is_in_such_a_folder(path) || says_so(raw)
}

/// maildir(5): `:2,` and flags, of which D is a draft and T is trashed.
fn is_flagged(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.rsplit_once(":2,").is_some_and(|(_, flags)| flags.contains(['D', 'T']))
}

fn is_in_such_a_folder(path: &Path) -> bool {
    let mut names = path.components().map(|part| part.as_os_str().to_string_lossy());
    names.any(|name| FOLDERS.iter().any(|folder| name.eq_ignore_ascii_case(folder)))
}

fn says_so(raw: &[u8]) -> bool {
    let names =
        ["x-gmail-labels", "x-mozilla-status", "x-unsent", "x-imap", "x-imapbase", "subject"];
    let [labels, status, unsent, imap, imap_base, subject] = mail::parse::fields(raw, names);
    let has_label = labels.split(',').any(|label| LABELS.contains(&label.trim()));
    let status = u32::from_str_radix(&status, 16).unwrap_or_default();
    let is_internal = !(imap.is_empty() && imap_base.is_empty())
        && subject.starts_with("DON'T DELETE THIS MESSAGE");
    has_label || status & EXPUNGED != 0 || unsent == "1" || is_internal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_what_is_no_correspondence() {
        for (path, mail, expected) in [
            ("m/cur/1.host:2,S", "Subject: a\n\n", false),
            ("m/cur/1.host:2,DS", "Subject: a\n\n", true),
            ("m/cur/1.host:2,ST", "Subject: a\n\n", true),
            ("m/.Drafts/cur/1.host:2,", "Subject: a\n\n", true),
            ("Drafts report/1.eml", "Subject: a\n\n", false),
            ("a", "X-Gmail-Labels: Sent,Important\n\n", false),
            ("a", "X-Gmail-Labels: Sent,\n Spam\n\n", true),
            ("a", "X-Mozilla-Status: 0001\n\n", false),
            ("a", "X-Mozilla-Status: 0009\n\n", true),
            ("a", "X-Unsent: 1\r\n\r\n", true),
            (
                "a",
                "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 0\n\n",
                true,
            ),
            ("a", "Subject: DON'T DELETE THIS MESSAGE\n\n", false),
            ("a", "Subject: a\n\nX-Unsent: 1\n", false),
        ] {
            assert_eq!(is_left(Path::new(path), mail.as_bytes()), expected, "{path} {mail}");
        }
    }
}
