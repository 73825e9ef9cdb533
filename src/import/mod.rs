//! Readers of stored mail: out of mbox files, Maildirs and single mails, one mail after the other, in
//! bounded memory whatever the size of the archive. What becomes of a mail is not decided here.
//!
//! `walk` finds the files, `mbox` takes a file of many mails apart, `eml` reads a file of one.

mod eml;
mod leave;
mod mbox;
mod walk;

use std::fmt;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use leave::is_left;
pub use mbox::Mbox;
pub use walk::{Source, Walk};

/// Where a mail stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub path: Arc<Path>,
    /// Counted from 1, in a file of many mails.
    pub number: Option<u64>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        self.number.map_or(Ok(()), |number| write!(f, ", mail {number}"))
    }
}

/// A mail that was found, or why it could not be read. One that cannot be read stops no other.
#[derive(Debug)]
pub struct Piece {
    pub origin: Origin,
    /// Bytes of the archive that are behind us with it.
    pub bytes: u64,
    pub content: Result<Vec<u8>, Problem>,
}

/// Why there is no mail where one was expected.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Somebody must make it readable, or name another path.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] std::io::Error),
    /// Somebody must raise the limit.
    #[error("is {size} bytes long, and the limit is {max} (smtp.max_message_bytes)")]
    TooLarge { size: u64, max: usize },
    /// Somebody must name another file.
    #[error(
        "is neither a mail nor an mbox file (Outlook's .msg and .pst must be exported as .eml or mbox first)"
    )]
    NotMail,
    /// Somebody must name the folder below.
    #[error("is nested more deeply than is followed")]
    TooDeep,
}

/// All mails below some paths.
pub struct Mails {
    walk: Walk,
    mbox: Option<(Arc<Path>, Mbox<BufReader<File>>)>,
    max_bytes: usize,
}

impl Mails {
    /// Mails of at most `max_bytes` each; longer ones are told as problems.
    pub fn new(paths: &[PathBuf], max_bytes: usize) -> Self {
        Self { walk: Walk::new(paths), mbox: None, max_bytes }
    }

    fn open(&mut self, source: Source) -> Option<Piece> {
        let path = Arc::clone(source.path());
        let opened = match source {
            Source::Mbox(_) => File::open(&path).map(BufReader::new),
            Source::Single(_) => return Some(self.read_single(path)),
        };
        match opened {
            Ok(file) => {
                self.mbox = Some((path, Mbox::new(file, self.max_bytes)));
                None
            }
            Err(error) => Some(Piece::problem(path, Problem::Unreadable(error))),
        }
    }

    fn read_single(&self, path: Arc<Path>) -> Piece {
        let bytes = path.metadata().map_or(0, |metadata| metadata.len());
        let content = eml::read(&path, self.max_bytes);
        Piece { origin: Origin { path, number: None }, bytes, content }
    }
}

impl Iterator for Mails {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        loop {
            if let Some((path, mbox)) = &mut self.mbox {
                if let Some(piece) = mbox.next() {
                    let origin = Origin { path: Arc::clone(path), number: Some(piece.number) };
                    return Some(Piece { origin, bytes: piece.bytes, content: piece.content });
                }
                self.mbox = None;
            }
            let piece = match self.walk.next()? {
                Ok(source) => self.open(source),
                Err((path, problem)) => Some(Piece::problem(path, problem)),
            };
            if piece.is_some() {
                return piece;
            }
        }
    }
}

impl Piece {
    fn problem(path: Arc<Path>, problem: Problem) -> Self {
        Self { origin: Origin { path, number: None }, bytes: 0, content: Err(problem) }
    }
}

/// Bytes of all mail below some paths, for the time that is left.
pub fn measure(paths: &[PathBuf]) -> u64 {
    let sources = Walk::new(paths).filter_map(Result::ok);
    sources.map(|source| source.path().metadata().map_or(0, |metadata| metadata.len())).sum()
}

/// Does the line begin like a header field (RFC 5322 2.2)?
fn is_field(line: &[u8]) -> bool {
    let name = line.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii_end();
    name.len() < line.len() && !name.is_empty() && name.iter().all(u8::is_ascii_graphic)
}
