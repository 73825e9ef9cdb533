//! Every mail is read and decided, twice the same, within bounds, and only what is to be kept makes
//! rows. Line ends make no difference.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mailweave::decide::{Change, Decision};
use mailweave::mail::{Email, Limits};
use mailweave::model::Outcome;
use mailweave_fuzz::judge::{judge, read};

fuzz_target!(|content: &[u8]| {
    let mail = read(content);
    let decision = judge(&mail);
    assert_eq!(format!("{decision:?}"), format!("{:?}", judge(&read(content))));
    is_bounded(&mail.email);
    keeps_only_what_it_says(&decision);
    if !content.contains(&b'\r') {
        let crlf = content.split(|byte| *byte == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..]);
        let other = judge(&read(&crlf));
        assert_eq!(decision.verdict.reason, other.verdict.reason, "by line ends");
    }
});

fn is_bounded(email: &Email) {
    let limits = Limits::default();
    assert!(email.headers.to.len() <= limits.addresses_max);
    assert!(email.headers.references.len() <= limits.references_max);
    assert!(email.files.len() <= limits.files_max);
    assert!(email.text.chars().count() <= limits.text_chars_max);
    assert!(!email.text.contains(['\0', '\r']), "{:?}", email.text);
    assert!(!email.headers.subject.chars().any(char::is_control), "{:?}", email.headers.subject);
    for file in &email.files {
        let name = &file.file_name;
        assert!(!name.is_empty() && name.chars().count() <= 255, "{name:?}");
        assert!(!name.chars().any(char::is_control), "{name:?}");
    }
}

/// B3: what is ignored leaves nothing but its verdict. What is held is a message without a contact.
fn keeps_only_what_it_says(decision: &Decision) {
    let messages = decision.changes.iter().filter(|change| matches!(change, Change::AddMessage(_)));
    let contacts = decision.changes.iter().filter(|change| matches!(change, Change::AddContact(_)));
    let (messages, contacts) = (messages.count(), contacts.count());
    match decision.verdict.outcome() {
        Outcome::Filed | Outcome::Skipped => assert_eq!(messages, 1),
        Outcome::Held => assert_eq!((messages, contacts), (1, 0)),
        Outcome::Ignored => assert!(decision.changes.is_empty(), "{:?}", decision.changes),
        Outcome::Duplicate | Outcome::Rejected => panic!("nothing came before: {decision:?}"),
    }
}
