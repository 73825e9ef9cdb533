//! From paths to files of mail, without holding the list of them: an archive may have millions.

use std::fs::{self, File, ReadDir};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::vec::IntoIter;

use super::{Problem, is_field};

/// Folders within folders that are followed.
const DEPTH_MAX: usize = 64;

/// A file of mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Many mails.
    Mbox(Arc<Path>),
    /// One mail: an .eml file, or a file of a Maildir.
    Single(Arc<Path>),
}

impl Source {
    /// The file.
    pub const fn path(&self) -> &Arc<Path> {
        match self {
            Self::Mbox(path) | Self::Single(path) => path,
        }
    }
}

/// Walks the paths that were named and the folders below them.
pub struct Walk {
    named: IntoIter<PathBuf>,
    /// The folders that we are inside of, the innermost last.
    open: Vec<Folder>,
}

struct Folder {
    entries: ReadDir,
    /// `cur` or `new` of a Maildir: every file in it is a mail.
    is_maildir: bool,
}

type Found = Result<Source, (Arc<Path>, Problem)>;

impl Walk {
    /// Starts before the first path.
    pub fn new(paths: &[PathBuf]) -> Self {
        Self { named: Vec::from(paths).into_iter(), open: Vec::new() }
    }

    fn enter(&mut self, path: &Path) -> Option<Found> {
        if self.open.len() >= DEPTH_MAX {
            return Some(Err((path.into(), Problem::TooDeep)));
        }
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        match fs::read_dir(path) {
            Ok(entries) => {
                let is_maildir = matches!(name, "cur" | "new");
                self.open.push(Folder { entries, is_maildir });
                None
            }
            Err(error) => Some(Err((path.into(), Problem::Unreadable(error)))),
        }
    }

    /// Something inside a folder. Links to folders are not followed: they may lead back.
    fn visit(&mut self, path: &Path, is_maildir: bool) -> Option<Found> {
        let kind = match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_symlink() => fs::metadata(path).map(|to| (to, true)),
            Ok(metadata) => Ok((metadata, false)),
            Err(error) => Err(error),
        };
        match kind {
            // A Maildir's `tmp` holds mails that are being written (maildir(5)).
            Ok((metadata, false)) if metadata.is_dir() => {
                if path.file_name().is_some_and(|name| name == "tmp") {
                    return None;
                }
                self.enter(path)
            }
            Ok((metadata, _)) if metadata.is_file() && is_maildir => {
                Some(Ok(Source::Single(path.into())))
            }
            Ok((metadata, _)) if metadata.is_file() => source_in_folder(path),
            Ok(_) => None,
            // A link into nowhere, or a mail that another program moved meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => Some(Err((path.into(), Problem::Unreadable(error)))),
        }
    }

    /// A path that was named: what it is must be clear, else it is a problem.
    fn visit_named(&mut self, path: &Path) -> Option<Found> {
        if path.is_dir() {
            return self.enter(path);
        }
        let source = first_line(path).map_err(Problem::Unreadable).and_then(|line| {
            if has_extension(path, "eml") {
                Ok(Source::Single(path.into()))
            } else if line.starts_with(b"From ") {
                Ok(Source::Mbox(path.into()))
            } else if is_field(&line) {
                Ok(Source::Single(path.into()))
            } else {
                Err(Problem::NotMail)
            }
        });
        Some(source.map_err(|problem| (path.into(), problem)))
    }
}

impl Iterator for Walk {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        loop {
            let Some(folder) = self.open.last_mut() else {
                let path = self.named.next()?;
                if let Some(found) = self.visit_named(&path) {
                    return Some(found);
                }
                continue;
            };
            let is_maildir = folder.is_maildir;
            // An entry that cannot be read ends its folder: the error would come again for ever.
            let Some(Ok(entry)) = folder.entries.next() else {
                self.open.pop();
                continue;
            };
            if let Some(found) = self.visit(&entry.path(), is_maildir) {
                return Some(found);
            }
        }
    }
}

/// A file among others: what is not mail (indexes, flags, pictures) is passed over.
fn source_in_folder(path: &Path) -> Option<Found> {
    if has_extension(path, "eml") {
        return Some(Ok(Source::Single(path.into())));
    }
    match first_line(path) {
        Ok(line) if line.starts_with(b"From ") => Some(Ok(Source::Mbox(path.into()))),
        // Spools of one mail a file, without a name that tells (MH, Cyrus, the Enron archive).
        Ok(line) if is_field(&line) && begins_a_mail(&line) => {
            Some(Ok(Source::Single(path.into())))
        }
        Ok(_) => None,
        Err(error) => Some(Err((path.into(), Problem::Unreadable(error)))),
    }
}

/// Is it a field that mail begins with, and hardly anything else?
fn begins_a_mail(line: &[u8]) -> bool {
    const FIRST: [&str; 12] = [
        "received",
        "return-path",
        "message-id",
        "from",
        "date",
        "delivered-to",
        "envelope-to",
        "to",
        "subject",
        "mime-version",
        "content-type",
        "dkim-signature",
    ];
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default().to_ascii_lowercase();
    let name = String::from_utf8(name).unwrap_or_default();
    FIRST.contains(&name.trim_end()) || name.starts_with("x-")
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

/// The first line with something on it, behind a byte order mark, or as much of it as says what the file is.
fn first_line(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::new();
    File::open(path)?.take(256).read_to_end(&mut start)?;
    let text = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&start).trim_ascii_start();
    Ok(text
        .split_inclusive(|byte| matches!(byte, b'\n' | b'\r'))
        .next()
        .unwrap_or_default()
        .to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        directory
    }

    fn found(root: &Path, names: &[&str]) -> Vec<String> {
        let paths: Vec<PathBuf> = names.iter().map(|name| root.join(name)).collect();
        let mut found: Vec<String> = Walk::new(&paths)
            .map(|found| {
                let (kind, path) = match &found {
                    Ok(Source::Mbox(path)) => ("mbox", path),
                    Ok(Source::Single(path)) => ("mail", path),
                    Err((path, _)) => ("problem", path),
                };
                format!("{kind} {}", path.strip_prefix(root).unwrap().display())
            })
            .collect();
        found.sort();
        found
    }

    #[test]
    fn finds_the_mails_of_a_maildir_and_its_folders() {
        let root = tree(&[
            ("m/cur/1.host:2,S", "Subject: a\n\n"),
            ("m/new/2.host", "anything is a mail here"),
            ("m/tmp/3.host", "Subject: half"),
            ("m/dovecot.index", "\0\0"),
            ("m/.Sent/cur/4.host:2,S", "Subject: b\n\n"),
            ("m/.Sent/.Old/new/5.host", "Subject: c\n\n"),
        ]);
        let expected = [
            "mail m/.Sent/.Old/new/5.host",
            "mail m/.Sent/cur/4.host:2,S",
            "mail m/cur/1.host:2,S",
            "mail m/new/2.host",
        ];
        assert_eq!(found(root.path(), &["m"]), expected);
    }

    #[test]
    fn tells_files_of_one_mail_from_files_of_many() {
        let root = tree(&[
            ("d/a.eml", "Subject: a\n\n"),
            ("d/b.EML", "From x@y Mon Nov  2 10:00:00 2026\nSubject: b\n\n"),
            ("d/Inbox", "From - Mon Nov  2 10:00:00 2026\nSubject: c\n\n"),
            ("d/Inbox.msf", "// index"),
            ("d/7.", "Message-ID: <a@x>\nSubject: d\n\n"),
            ("d/8", "\u{feff}\nReturn-Path: <>\n\n"),
            ("d/notes", "Milk: two\n"),
            ("d/picture.png", "\u{89}PNG"),
            ("d/empty", ""),
        ]);
        let expected = ["mail d/7.", "mail d/8", "mail d/a.eml", "mail d/b.EML", "mbox d/Inbox"];
        assert_eq!(found(root.path(), &["d"]), expected);
    }

    #[test]
    fn a_named_path_that_is_no_mail_is_a_problem() {
        let root = tree(&[("a.msg", "\u{d0}\u{cf}"), ("mail", "Subject: a\n\n"), ("empty", "")]);
        let names = ["a.msg", "mail", "empty", "missing"];
        let expected = ["mail mail", "problem a.msg", "problem empty", "problem missing"];
        assert_eq!(found(root.path(), &names), expected);
    }

    #[test]
    fn links_that_lead_back_are_not_followed() {
        let root = tree(&[("d/cur/1", "Subject: a\n\n")]);
        std::os::unix::fs::symlink(root.path(), root.path().join("d/back")).unwrap();
        std::os::unix::fs::symlink("nowhere", root.path().join("d/cur/gone")).unwrap();
        assert_eq!(found(root.path(), &["d"]), ["mail d/cur/1"]);
    }

    #[test]
    fn depth_is_limited() {
        let root = tree(&[]);
        fs::create_dir_all(root.path().join("d/".repeat(DEPTH_MAX + 3))).unwrap();
        let found = found(root.path(), &["d"]);
        assert!(matches!(found.as_slice(), [one] if one.starts_with("problem ")), "{found:?}");
    }
}
