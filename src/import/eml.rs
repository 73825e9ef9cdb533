//! A file of one mail.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::Problem;

/// Reads the mail, without a byte order mark or an mbox separator line before it.
pub fn read(path: &Path, max_bytes: usize) -> Result<Vec<u8>, Problem> {
    let file = File::open(path).map_err(Problem::Unreadable)?;
    let size = file.metadata().map_err(Problem::Unreadable)?.len();
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX);
    let mut content = Vec::with_capacity(usize::try_from(size.min(limit)).unwrap_or(0));
    // It may have grown since it was measured.
    let read = file.take(limit.saturating_add(1)).read_to_end(&mut content);
    read.map_err(Problem::Unreadable)?;
    if content.len() > max_bytes {
        return Err(Problem::TooLarge { size: size.max(limit.saturating_add(1)), max: max_bytes });
    }
    strip_preface(&mut content);
    with_line_feeds(&mut content);
    Ok(content)
}

fn strip_preface(content: &mut Vec<u8>) {
    if content.starts_with(b"\xEF\xBB\xBF") {
        content.drain(..3);
    }
    if content.starts_with(b"From ") {
        let end = content.iter().position(|byte| *byte == b'\n').map_or(content.len(), |at| at + 1);
        content.drain(..end);
    }
}

/// Macs of old ended lines with CR alone.
fn with_line_feeds(content: &mut [u8]) {
    if content.contains(&b'\r') && !content.contains(&b'\n') {
        for byte in content.iter_mut().filter(|byte| **byte == b'\r') {
            *byte = b'\n';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &[u8], max_bytes: usize) -> Result<Vec<u8>, Problem> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.eml");
        std::fs::write(&path, text).unwrap();
        read(&path, max_bytes)
    }

    #[test]
    fn leaves_out_what_stands_before_the_mail() {
        for text in [
            &b"Subject: x\n\nbody"[..],
            b"\xEF\xBB\xBFSubject: x\n\nbody",
            b"Subject: x\r\rbody",
            b"From bea@firm.example Mon Nov  2 10:00:00 2026\r\nSubject: x\n\nbody",
        ] {
            assert_eq!(read_text(text, 100).unwrap(), b"Subject: x\n\nbody");
        }
    }

    #[test]
    fn takes_no_more_than_the_limit() {
        assert_eq!(read_text(b"12345", 5).unwrap().len(), 5);
        let problem = read_text(b"123456", 5).unwrap_err();
        assert!(matches!(problem, Problem::TooLarge { size: 6, max: 5 }), "{problem}");
    }
}
