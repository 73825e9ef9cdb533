//! Forwards, quotations and `winmail.dat`: mails as programs write them, in `tests/data`, each with
//! what is to be read from it beside it. `BLESS=1` writes the expectations anew.

mod html;
mod languages;
mod properties;
mod quotes;
mod tnef;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use mailweave::mail::{Email, Forward, Headers, Limits, forward, parse};
use mailweave::model::{Address, MessageId, Person, Time};

/// A mail of Bob, who forwards, with this subject and text, sent in a zone one hour ahead of UTC.
fn mail(subject: &str, text: &str) -> Email {
    let bob = Address::parse("bob@seller.example").unwrap();
    let headers = Headers {
        from: Some(Person::new(bob)),
        subject: subject.to_owned(),
        date: Time::parse_rfc3339("2026-01-06T09:00:00Z"),
        date_offset_seconds: 3_600,
        ..Headers::default()
    };
    Email { headers, text: text.to_owned(), ..Email::default() }
}

/// The files of a folder of `tests/data` with this ending, in order.
fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder);
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|it| it == ending)).collect();
    files.sort();
    files
}

/// Holds a result against the file beside the mail, or writes that file.
fn compare(mail: &Path, actual: &str, faults: &mut String) {
    let beside = mail.with_extension("expected");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&beside, actual).unwrap();
    }
    let expected = fs::read_to_string(&beside).unwrap_or_default();
    if actual != expected {
        let name = mail.file_name().unwrap().to_string_lossy();
        writeln!(faults, "== {name}\n-- expected\n{expected}\n-- actual\n{actual}").unwrap();
    }
}

/// The mail of a file: its subject on the first line, its text after an empty one.
fn read_mail(path: &Path) -> Email {
    let content = fs::read_to_string(path).unwrap();
    let (subject, text) = content.split_once("\n\n").unwrap();
    mail(subject.strip_prefix("Subject: ").unwrap(), text)
}

fn people(people: &[Person]) -> String {
    let one = |person: &Person| match &person.name {
        Some(name) => format!("{name} <{}>", person.email),
        None => person.email.to_string(),
    };
    people.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn described(forward: &Forward) -> String {
    match forward {
        Forward::None => "no forward\n".to_owned(),
        Forward::Unsure(candidates) => format!("unsure: {}\n", people(candidates)),
        Forward::Of(mail) => format!(
            "from: {}\nto: {}\ncc: {}\nsubject: {}\ndate: {}\n\n{}\n",
            people(std::slice::from_ref(&mail.from)),
            people(&mail.to),
            people(&mail.cc),
            mail.subject,
            mail.date.map_or_else(|| "none".to_owned(), Time::to_rfc3339),
            mail.text
        ),
    }
}

#[test]
fn reads_the_forwards_of_many_programs() {
    let mut faults = String::new();
    let files = files("forwards", "txt");
    assert!(files.len() >= 60, "only {} forwards", files.len());
    for path in files {
        compare(&path, &described(&forward::find(&read_mail(&path))), &mut faults);
    }
    assert!(faults.is_empty(), "{faults}");
}

#[test]
fn does_not_take_replies_and_new_mails_for_forwards() {
    let files = files("forwards/replies", "txt");
    assert!(files.len() >= 30, "only {} replies", files.len());
    for path in files {
        let forward = forward::find(&read_mail(&path));
        assert!(matches!(forward, Forward::None), "{}: {}", path.display(), described(&forward));
    }
}

#[test]
fn reads_the_same_with_other_line_ends() {
    for path in files("forwards", "txt") {
        let mail = read_mail(&path);
        let expected = described(&forward::find(&mail));
        let text = mail.text.replace('\n', "\r\n");
        let actual = described(&forward::find(&Email { text, ..mail }));
        assert_eq!(actual.replace('\r', ""), expected, "{}", path.display());
    }
}

#[test]
fn an_attached_mail_comes_before_a_block() {
    let mut email =
        mail("Fwd: Offer", "From: Zoe <zoe@example.net>\nDate: today\nSubject: Other\n");
    let ann = Person::new(Address::parse("ann@example.com").unwrap());
    let id = MessageId::parse("<1@example.com>");
    let headers = Headers { from: Some(ann.clone()), message_id: id.clone(), ..Headers::default() };
    email.attached_mail = Some(Box::new(Email { headers, ..Email::default() }));
    let Forward::Of(forwarded) = forward::find(&email) else { panic!("no forward") };
    assert_eq!((forwarded.from, forwarded.message_id), (ann, id));
}

#[test]
fn several_attached_mails_are_unsure() {
    let attached = "--b\nContent-Type: message/rfc822\n\nFrom: ann@example.com\n\nHello\n";
    let raw = |count: usize| {
        let attached = attached.repeat(count);
        format!("Subject: Fwd: x\nContent-Type: multipart/mixed; boundary=b\n\n{attached}--b--\n")
    };
    let find = |count| forward::find(&parse::read(raw(count).as_bytes(), &Limits::default()));
    assert!(matches!(find(1), Forward::Of(_)));
    let Forward::Unsure(candidates) = find(2) else { panic!("sure") };
    assert_eq!(people(&candidates), "ann@example.com");
}

/// V3: who released an unclear forward has chosen whose mail it is; the rest is as it says.
#[test]
fn an_unclear_forward_is_of_whom_somebody_chose() {
    let person = |text: &str| Person::new(Address::parse(text).unwrap());
    let block = "Look at this.\n\n---- Forwarded message ----\nFrom: Ann Example\n\
        Date: Mon, 5 Jan 2026 15:04:00 +0100\nSubject: The offer\nTo: Zoe <zoe@example.net>\n\nHi Zoe";
    let email = || mail("Fwd: Offer", block);
    assert!(matches!(forward::find(&email()), Forward::Unsure(_)));
    let ann = person("ann@example.com");
    let Forward::Of(found) = forward::find_by(&email(), &ann) else { panic!("no forward") };
    assert_eq!(
        (&found.from, found.subject.as_str(), found.text.as_str()),
        (&ann, "The offer", "Hi Zoe")
    );
    assert_eq!(forward::shown(email(), Some(&ann)).1.as_deref(), Some("Hi Zoe"));
    // It went to Zoe, so that it is not hers; and where nothing introduces it, nothing is known.
    assert!(matches!(forward::find_by(&email(), &person("zoe@example.net")), Forward::None));
    let bare = mail("Fwd: Offer", "Hi Zoe, I am ann@example.com");
    assert!(matches!(forward::find_by(&bare, &ann), Forward::None));
}

#[test]
fn an_attached_mail_of_several_authors_is_unsure() {
    let mut email = mail("Fwd: Offer", "");
    let authors: Vec<Person> = ["ann@example.com", "zoe@example.net"]
        .map(|text| Person::new(Address::parse(text).unwrap()))
        .into();
    let headers = Headers { other_authors: authors.clone(), ..Headers::default() };
    email.attached_mail = Some(Box::new(Email { headers, ..Email::default() }));
    let Forward::Unsure(candidates) = forward::find(&email) else { panic!("sure") };
    assert_eq!(candidates, authors);
}

#[test]
fn references_are_those_of_the_forward_without_the_original_itself() {
    let ids = |text: &str| text.split(' ').filter_map(MessageId::parse).collect::<Vec<_>>();
    let mut email =
        mail("Fwd: Offer", "---- Forwarded message ----\nFrom: <ann@example.com>\n\nHi");
    email.headers.references = ids("<1@x> <2@x>");
    email.headers.in_reply_to = ids("<2@x>");
    let Forward::Of(forwarded) = forward::find(&email) else { panic!("no forward") };
    assert_eq!(forwarded.references, ids("<1@x>"));
    assert_eq!(forwarded.message_id, None);
}
