//! Reading mails: each file of `tests/data/eml` against what it was read as before, and the mails
//! that are too large to keep, made here. `BLESS=1` writes the expectations anew.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mailweave::mail::{Automatic, Defect, Email, File, Limits, attachment, parse};
use mailweave::model::Person;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/eml")
}

/// All mails of the folder, by name.
fn mails() -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mails = files.filter(|path| path.extension().is_some_and(|extension| extension == "eml"));
    let mut mails: Vec<_> = mails
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect();
    mails.sort();
    mails
}

fn read(raw: &[u8]) -> Email {
    parse::read(raw, &Limits::default())
}

fn with_line_ends(raw: &[u8], end: &[u8]) -> Vec<u8> {
    let lines = raw.split(|byte| *byte == b'\n');
    let lines: Vec<&[u8]> = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
    lines.join(end)
}

#[test]
fn reads_every_mail_as_before() {
    let mut wrong = Vec::new();
    for (name, raw) in mails() {
        let path = folder().join(&name).with_extension("txt");
        let found = show(&read(&raw));
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&path, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        if found != expected {
            wrong.push(format!("{name}\n--- expected\n{expected}\n--- found\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_mail_without_an_id_has_the_same_by_every_way() {
    let id = |raw: &str| read(raw.as_bytes()).message_id(raw.as_bytes());
    let date = "Date: Mon, 5 Jan 2026 15:04:00 +0100\r\n";
    let mail = format!("From: a@b.example\r\n{date}Subject: Hi\r\n\r\nHello\r\n");
    let received = format!("Received: from x by y; Mon, 5 Jan 2026 15:04:01 +0100\r\n{mail}");
    assert_eq!(id(&mail), id(&received));
    assert_ne!(id(&mail), id(&mail.replace("Hello", "Hello again")));
    assert_ne!(id(&mail), id(&format!("To: b@c.example\r\n{mail}")));
    // Without a date two mails of the same words may be two.
    assert_ne!(id(&mail.replace(date, "")), id(&received.replace(date, "")));
}

#[test]
fn line_ends_change_nothing() {
    for (name, raw) in mails() {
        let feeds = read(&with_line_ends(&raw, b"\n"));
        let returns = read(&with_line_ends(&raw, b"\r\n"));
        // Only files that are not encoded have other bytes.
        let without_files = |email: &Email| {
            let files = Vec::new();
            show(&Email { files, attached_mail: None, ..email.clone() })
        };
        assert_eq!(without_files(&feeds), without_files(&returns), "{name}");
        assert_eq!(feeds.text_hash, returns.text_hash, "{name}");
        assert_eq!(feeds.files.len(), returns.files.len(), "{name}");
    }
}

#[test]
fn a_mail_cut_anywhere_is_read() {
    for (_, raw) in mails() {
        for tenths in 0..10 {
            read(&raw[..raw.len() * tenths / 10]);
        }
    }
}

#[test]
fn headers_alone_are_those_of_the_mail() {
    for (name, raw) in mails() {
        let alone = parse::headers(&raw, &Limits::default());
        assert_eq!(format!("{alone:?}"), format!("{:?}", read(&raw).headers), "{name}");
    }
}

#[test]
fn the_content_of_each_file_is_what_was_described() {
    let limits = Limits::default();
    for (name, raw) in mails() {
        let email = read(&raw);
        let of_attached = email.attached_mail.iter().flat_map(|attached| &attached.files);
        let files: Vec<_> = email.files.iter().chain(of_attached).collect();
        for (position, described) in files.iter().enumerate() {
            let (file, content) = attachment::content(&raw, &limits, position).unwrap();
            assert_eq!(file, **described, "{name}");
            assert_eq!(content.len() as u64, file.size, "{name}");
        }
        assert!(attachment::content(&raw, &limits, files.len()).is_none(), "{name}");
    }
}

#[test]
fn the_same_text_by_another_door_has_the_same_hash() {
    let hash =
        |part: &str| read(format!("From: a@x.org\nMIME-Version: 1.0\n{part}").as_bytes()).text_hash;
    let plain =
        hash("Content-Type: text/plain; charset=utf-8\n\nGr\u{fc}\u{df}e aus Berlin, \n\n Ann\n");
    for part in [
        "Content-Type: text/plain; charset=utf-8\r\n\r\nGr\u{fc}\u{df}e aus Berlin,\r\n\r\nAnn\r\n\r\n\r\n",
        "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nR3LDvMOfZSBhdXMgQmVybGluLApBbm4K\n",
        "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=C3=9Fe aus=\n Berlin,=20\nAnn\n",
        "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nGr=FC=DFe aus Berlin, Ann\n",
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain; charset=utf-8\n\nGr\u{fc}\u{df}e aus Berlin, Ann\n--b--\n",
        "Content-Type: text/html; charset=utf-8\n\n<p>Gr&uuml;&szlig;e aus Berlin,</p><p>Ann</p>\n",
    ] {
        assert_eq!(hash(part), plain, "{part}");
    }
    assert_ne!(hash("\nOther text."), plain);
}

/// Runs with the stack of a tokio worker, as the gateway does.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(2 * 1_024 * 1_024);
    thread.spawn(test).unwrap().join().unwrap();
}

const HEAD: &str = "From: Ann <ann@example.com>\nMessage-ID: <1@example.com>\nSubject: Deep\n";

/// What must hold for every mail of an attacker: it is read, and nothing grew.
fn read_hostile(raw: &str) -> Email {
    let limits = Limits::default();
    let email = read(raw.as_bytes());
    assert!(email.headers.from.is_some());
    assert!(email.files.len() <= limits.files_max);
    assert!(email.text.chars().count() <= limits.text_chars_max);
    assert!(!email.defects.contains(&Defect::Unreadable));
    // Copying and dropping must not recurse either.
    drop(email.clone());
    email
}

#[test]
fn nested_multiparts_are_followed_so_far_and_no_further() {
    on_a_small_stack(|| {
        for depth in [100, 1_000, 10_000, 100_000] {
            let nested = |n| format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n");
            let raw =
                HEAD.to_owned() + (0..depth).map(nested).collect::<String>().as_str() + "\ntext\n";
            let email = read_hostile(&raw);
            assert!(email.defects.contains(&Defect::TooDeep), "{depth}");
            assert_eq!(email.files.len(), 1, "{depth}");
        }
    });
}

#[test]
fn nested_attached_mails_are_one_file() {
    on_a_small_stack(|| {
        for depth in [1_000, 4_000, 10_000, 50_000] {
            let raw = HEAD.to_owned()
                + "Content-Type: message/rfc822\n\n".repeat(depth).as_str()
                + "text\n";
            let email = read_hostile(&raw);
            assert_eq!(email.files.len(), 1, "{depth}");
            assert!(email.attached_mail.unwrap().attached_mail.is_none());
        }
    });
}

#[test]
fn parts_without_number_are_cut() {
    for count in [100_000, 1_000_000] {
        let head = format!("{HEAD}Content-Type: multipart/mixed; boundary=b\n\n--b\n\nfirst\n");
        let email = read_hostile(&(head + "--b\n\n".repeat(count).as_str()));
        assert!(email.defects.contains(&Defect::Clipped));
        assert_eq!(email.text.trim(), "first");
    }
}

/// B4: who wrote it and which mail it is are read behind whatever stands before them.
#[test]
fn headers_without_end_hide_nothing_behind_them() {
    let people = (0..500_000).map(|n| format!("p{n}@example.com,\r\n ")).collect::<String>();
    let ids = (0..500_000).map(|n| format!("<{n}@x>\r\n ")).collect::<String>();
    for before in [
        "X: y\n".repeat(100_000),
        format!("X: {}\n", "y".repeat(20_000_000)),
        format!("Cc: {people}\n"),
        format!("References: {ids}\n"),
        format!("Subject: =?utf-8?B?{}?=\n", "QUJD".repeat(1_250_000)),
    ] {
        let raw = "From: ann@ours.example\nTo: bob@client.example\nMessage-ID: <a@x>\n\ntext\n";
        let headers = read_hostile(&format!("{before}{raw}")).headers;
        let name = &before[..30.min(before.len())];
        assert_eq!(headers.from.expect(name).email.to_string(), "ann@ours.example");
        assert_eq!(headers.message_id.expect(name).to_string(), "a@x", "{name}");
        assert_eq!(headers.to.len(), 1, "{name}");
    }
}

#[test]
fn headers_without_end_are_cut() {
    let people =
        |count: usize| (0..count).map(|n| format!("p{n}@example.com, ")).collect::<String>();
    let ids = (0..500_000).map(|n| format!("<{n}@x> ")).collect::<String>();
    let parameters = (0..100_000).map(|n| format!("; name*{n}=x")).collect::<String>();
    for (field, is_clipped) in [
        ("X: y\n".repeat(100_000), true),
        (format!("X: {}\n", "y".repeat(20_000_000)), true),
        (format!("Cc: {}\n", people(500_000)), true),
        (format!("Cc: {}\n", people(1_000)), false),
        (format!("References: {ids}\n"), true),
        (format!("Content-Type: text/plain{parameters}\n"), true),
        (format!("X-Subject: x\nSubject: {}\n", "=?utf-8?Q?a?= ".repeat(500_000)), true),
        (format!("To: {}\n", "=?aa?q? ".repeat(100_000)), true),
        (format!("To: {}<\n", "(".repeat(500_000)), true),
        (format!("{}: x\n", "N".repeat(1_000_000)), false),
    ] {
        let email = read_hostile(&format!("{HEAD}{field}\ntext\n"));
        let name = &field[..field.len().min(30)];
        assert_eq!(email.text.trim(), "text", "{name}");
        assert_eq!(email.defects.contains(&Defect::Clipped), is_clipped, "{name}");
        assert!(email.headers.cc.len() <= 1_000 && email.headers.references.len() <= 100, "{name}");
        assert!(email.headers.subject.chars().count() <= 998, "{name}");
    }
}

#[test]
fn bodies_without_end_are_cut() {
    for (kind, body) in [
        ("text/html", "<div>".repeat(1_000_000) + "text"),
        ("text/html", format!("<style>{}</style>text", "p{}".repeat(3_000_000))),
        ("text/html", "<img src=cid:x>".repeat(100_000) + "text"),
        ("text/html", "cid:".repeat(262_144)),
        ("text/plain", "x".repeat(5_000_000)),
        ("text/plain", ">".repeat(1_000_000)),
        ("text/plain", "On ".repeat(1_000_000) + " wrote:"),
        ("text/plain", ">\n".repeat(100_000)),
        ("text/plain; format=flowed", "> \n".repeat(100_000)),
    ] {
        let email = read_hostile(&format!("{HEAD}Content-Type: {kind}\n\n{body}\n"));
        assert!(!email.text.is_empty() || kind == "text/html", "{kind}");
    }
}

#[test]
fn garbage_in_any_encoding_is_read() {
    let garbage: Vec<u8> = b"!!!=A\xff\0".iter().copied().cycle().take(5_000_000).collect();
    for encoding in ["base64", "quoted-printable", "8bit", "x-uuencode"] {
        for kind in ["text/plain", "text/html", "application/pdf", "application/ms-tnef"] {
            let head =
                format!("{HEAD}Content-Type: {kind}\nContent-Transfer-Encoding: {encoding}\n\n");
            let email = read(&[head.as_bytes(), &garbage].concat());
            assert!(email.headers.from.is_some(), "{encoding} {kind}");
            let is_said = |defect: &Defect| matches!(defect, Defect::BadEncoding | Defect::BadTnef);
            let is_said = email.defects.iter().any(is_said);
            assert!(encoding == "8bit" || is_said, "{encoding} {kind}");
        }
    }
}

#[test]
fn many_files_of_one_name_are_cut() {
    let part = "--b\nContent-Disposition: attachment; filename=same.txt\n\nx\n".repeat(999);
    let email =
        read_hostile(&format!("{HEAD}Content-Type: multipart/mixed; boundary=b\n\n{part}--b--\n"));
    assert_eq!(email.files.len(), 200);
    assert!(email.defects.contains(&Defect::Clipped));
}

/// A mail as text that stays the same as long as the mail is read the same.
fn show(email: &Email) -> String {
    let headers = &email.headers;
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            writeln!(out, "{name}: {value}").unwrap();
        }
    };
    let ids = |ids: &[mailweave::model::MessageId]| {
        ids.iter().map(|id| clip(id.as_str())).collect::<Vec<_>>().join(" ")
    };
    line("message-id", headers.message_id.iter().map(|id| clip(id.as_str())).collect());
    line("in-reply-to", ids(&headers.in_reply_to));
    line("references", ids(&headers.references));
    line("from", people(headers.from.as_slice()));
    line("other authors", people(&headers.other_authors));
    line("to", people(&headers.to));
    line("cc", people(&headers.cc));
    line("reply-to", people(&headers.reply_to));
    line("subject", clip(&headers.subject));
    line("date", headers.date.map(|date| date.to_rfc3339()).unwrap_or_default());
    line(
        "zone",
        match headers.date_offset_seconds {
            0 => String::new(),
            seconds => format!("{seconds} s"),
        },
    );
    line("conversation", headers.thread_index.map(|guid| hex(&guid)).unwrap_or_default());
    line("hops", if headers.hops == 0 { String::new() } else { headers.hops.to_string() });
    line("loop marks", headers.loop_marks.join(" "));
    line("automatic", email.automatic.as_ref().map(automatic).unwrap_or_default());
    for report in &email.report {
        let hard = if report.hard { " hard" } else { "" };
        line("report", format!("{} {}{hard}", report.address, report.status));
    }
    line("defects", email.defects.iter().map(|d| format!("{d:?}")).collect::<Vec<_>>().join(" "));
    for file in &email.files {
        line("file", described(file));
    }
    block(&mut out, "text", &email.text);
    block(&mut out, "html", email.html.as_deref().unwrap_or_default());
    if let Some(attached) = &email.attached_mail {
        block(&mut out, "attached", &show(attached));
    }
    out
}

fn people(people: &[Person]) -> String {
    let shown = people.iter().map(|person| match &person.name {
        Some(name) => format!("{name:?} <{}>", clip(person.email.written())),
        None => format!("<{}>", person.email.written()),
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn automatic(automatic: &Automatic) -> String {
    match automatic {
        Automatic::DeliveryReport => "delivery report".to_owned(),
        Automatic::Complaint => "complaint".to_owned(),
        Automatic::MailingList(field) => format!("mailing list by {field}"),
        Automatic::AutoReply(field) => format!("auto-reply by {field}"),
    }
}

fn described(file: &File) -> String {
    let mut shown =
        format!("{:?} {} {} bytes", clip(&file.file_name), file.content_type, file.size);
    write!(shown, ", sniffed {}", file.sniffed.unwrap_or("nothing")).unwrap();
    for (is_so, word) in [(file.has_nul, "NUL"), (file.inline, "inline")] {
        if is_so {
            write!(shown, ", {word}").unwrap();
        }
    }
    if let Some(id) = &file.content_id {
        write!(shown, ", cid {id}").unwrap();
    }
    write!(shown, ", {}", &hex(&file.sha256)[..16]).unwrap();
    shown
}

fn block(out: &mut String, name: &str, content: &str) {
    if content.is_empty() {
        return;
    }
    writeln!(out, "{name}:").unwrap();
    for line in content.lines() {
        writeln!(out, "{}", format!("  {}", clip(line)).trim_end()).unwrap();
    }
}

fn clip(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((at, _)) => format!("{}... ({} characters)", &text[..at], text.chars().count()),
        None => text.to_owned(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
