//! What a client sends by DATA or BDAT is what is delivered, byte by byte; refused is what holds a dot
//! between line ends of which the first is CR or LF alone, and nothing else. The session is in step
//! afterwards.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mailweave_fuzz::dialog::{Dialog, ample};

const ENVELOPE: &[u8] = b"EHLO c\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<k@bcc.example>\r\n";

fuzz_target!(|content: &[u8]| {
    let mut data = Dialog::new(ample());
    data.send(ENVELOPE);
    data.send(b"DATA\r\n");
    data.send(&stuffed(content));
    if data.last_code() == b"550" {
        assert!(has_bare_dot(content) && data.mails.is_empty());
    } else {
        assert!(!has_bare_dot(content));
        is_delivered(&data, &ended(content));
    }
    in_step(data);

    let mut chunks = Dialog::new(ample());
    chunks.send(ENVELOPE);
    let (first, second) = content.split_at(content.len() / 2);
    chunks.send(format!("BDAT {}\r\n", first.len()).as_bytes());
    chunks.send(first);
    chunks.send(format!("BDAT {} LAST\r\n", second.len()).as_bytes());
    chunks.send(second);
    is_delivered(&chunks, content);
    in_step(chunks);
});

fn is_delivered(dialog: &Dialog, content: &[u8]) {
    let [mail] = dialog.mails.as_slice() else {
        panic!("{} mails: {}", dialog.mails.len(), String::from_utf8_lossy(&dialog.replies));
    };
    assert_eq!(mail.content.escape_ascii().to_string(), content.escape_ascii().to_string());
}

fn in_step(mut dialog: Dialog) {
    let before = dialog.replies.len();
    dialog.send(b"NOOP\r\n");
    assert_eq!(&dialog.replies[before..before + 3], b"250");
}

/// A dot alone between line ends, the first of which is not CRLF: behind CRLF it is doubled.
fn has_bare_dot(content: &[u8]) -> bool {
    let content = ended(content);
    let is_end = |byte: u8| matches!(byte, b'\r' | b'\n');
    content.windows(3).enumerate().any(|(at, window)| {
        let behind_crlf = window[0] == b'\n' && at > 0 && content[at - 1] == b'\r';
        window[1] == b'.' && is_end(window[0]) && is_end(window[2]) && !behind_crlf
    })
}

/// DATA ends after a line end, so content without one gets it.
fn ended(content: &[u8]) -> Vec<u8> {
    let mut bytes = content.to_vec();
    if !bytes.is_empty() && !bytes.ends_with(b"\r\n") {
        bytes.extend(b"\r\n");
    }
    bytes
}

/// RFC 5321 4.5.2: a dot after CRLF is doubled. A dot after anything else is no line's first.
fn stuffed(content: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut line_start = true;
    let mut before = 0;
    for &byte in &ended(content) {
        if line_start && byte == b'.' {
            bytes.push(b'.');
        }
        bytes.push(byte);
        line_start = before == b'\r' && byte == b'\n';
        before = byte;
    }
    bytes.extend(b".\r\n");
    bytes
}
