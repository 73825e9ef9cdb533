//! What the CRM sends, as bytes: the headers that a person's mail client would write (S8), text and
//! HTML side by side, files, and nothing that could be taken for a header of somebody else's. Who sends
//! it and to whom is decided elsewhere.

use jiff::tz::TimeZone;
use mail_builder::MessageBuilder;
use mail_builder::headers::address::Address as Mailbox;
use mail_builder::headers::content_type::ContentType;
use mail_builder::headers::message_id::MessageId as Ids;
use mail_builder::headers::raw::Raw;
use mail_builder::headers::text::Text;
use mail_builder::mime::{BodyPart, MimePart};

use super::thread_index::{self, ThreadIndex};
use super::{Limits, html};
use crate::model::{MessageId, Person, Time};

/// A mail that is to be written.
#[derive(Clone, Debug)]
pub struct Draft {
    pub message_id: MessageId,
    pub from: Person,
    pub reply_to: Option<Person>,
    pub to: Vec<Person>,
    pub cc: Vec<Person>,
    pub subject: String,
    pub date: Time,
    /// A name of the IANA time zone database: the user's.
    pub time_zone: String,
    pub in_reply_to: Option<MessageId>,
    /// Oldest first.
    pub references: Vec<MessageId>,
    pub thread_index: ThreadIndex,
    pub text: Option<String>,
    pub html: Option<String>,
    pub files: Vec<NewFile>,
    /// Where one click unsubscribes (RFC 8058); on bulk mail.
    pub unsubscribe_url: Option<String>,
}

/// A file that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFile {
    pub file_name: String,
    /// `type/subtype`.
    pub content_type: String,
    pub content: Vec<u8>,
    /// Set for a picture of the body: its HTML says `cid:` and this.
    pub content_id: Option<String>,
}

/// References of a mail, at most (S8): its first, and the newest.
const REFERENCES_MAX: usize = 20;
/// Where our own id stands, too, so that its Sent copy is known whatever a server makes of it (S7).
const OWN_ID: &str = "X-Mailweave-Message-ID";

/// The mail, with CRLF line ends, no line longer than 998 bytes (RFC 5322 2.1.1).
pub fn write(draft: &Draft) -> Vec<u8> {
    let ids = |ids: &[MessageId]| Ids::new_list(ids.iter().map(|id| id.as_str().to_owned()));
    let own = draft.message_id.as_str();
    let mut mail = MessageBuilder::new()
        .header("Date", Raw::new(date(draft.date, &draft.time_zone)))
        .message_id(own.to_owned())
        .header(OWN_ID, Ids::new(own.to_owned()))
        .from(mailbox(&draft.from))
        .to(mailboxes(&draft.to))
        .subject(draft.subject.as_str());
    if !draft.cc.is_empty() {
        mail = mail.cc(mailboxes(&draft.cc));
    }
    if let Some(person) = &draft.reply_to {
        mail = mail.reply_to(mailbox(person));
    }
    if let Some(parent) = &draft.in_reply_to {
        mail = mail.in_reply_to(parent.as_str().to_owned());
    }
    if !draft.references.is_empty() {
        mail = mail.references(ids(&bounded(&draft.references)));
    }
    mail = mail
        .header("Thread-Topic", Text::new(thread_index::topic(&draft.subject)))
        .header("Thread-Index", Raw::new(draft.thread_index.to_base64()));
    if let Some(url) = &draft.unsubscribe_url {
        // RFC 8058 3.1.
        mail = mail
            .header("List-Unsubscribe", Raw::new(format!("<{url}>")))
            .header("List-Unsubscribe-Post", Raw::new("List-Unsubscribe=One-Click"));
    }
    let mut bytes = Vec::new();
    mail.body(body(draft)).serialize(&mut bytes);
    bytes
}

/// The first id and the newest: what lies between is in the mails themselves.
fn bounded(references: &[MessageId]) -> Vec<MessageId> {
    let newest = references.iter().skip(1).rev().take(REFERENCES_MAX - 1);
    let mut kept: Vec<MessageId> = newest.cloned().collect();
    kept.extend(references.first().cloned());
    kept.reverse();
    kept
}

fn mailbox(person: &Person) -> Mailbox<'static> {
    Mailbox::new_address(person.name.clone(), person.email.on_the_wire())
}

fn mailboxes(people: &[Person]) -> Mailbox<'static> {
    Mailbox::new_list(people.iter().map(mailbox).collect())
}

/// RFC 5322 3.3, in the user's zone; in UTC when the zone is not known.
fn date(time: Time, zone: &str) -> String {
    let timestamp = jiff::Timestamp::from_second(time.as_seconds()).unwrap_or_default();
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    timestamp.to_zoned(zone).strftime("%a, %-d %b %Y %H:%M:%S %z").to_string()
}

fn body(draft: &Draft) -> MimePart<'static> {
    let (inline, attached): (Vec<_>, Vec<_>) =
        draft.files.iter().partition(|file| file.content_id.is_some() && draft.html.is_some());
    let text = text_part("text/plain", &plain(draft));
    let words = match &draft.html {
        Some(html) => {
            let html = with_pictures(text_part("text/html", html), &inline);
            MimePart::new("multipart/alternative", vec![text, html])
        }
        None => text,
    };
    if attached.is_empty() {
        return words;
    }
    let files = attached.into_iter().map(|file| file_part(file).attachment(file.file_name.clone()));
    let parts: Vec<MimePart<'static>> = std::iter::once(words).chain(files).collect();
    MimePart::new("multipart/mixed", parts)
}

/// RFC 2387: the HTML and the pictures in it.
fn with_pictures(html: MimePart<'static>, pictures: &[&NewFile]) -> MimePart<'static> {
    if pictures.is_empty() {
        return html;
    }
    let picture = |file: &&NewFile| {
        let disposition = ContentType::new("inline").attribute("filename", file.file_name.clone());
        let id = file.content_id.clone().unwrap_or_default();
        file_part(file).header("Content-Disposition", disposition).cid(id)
    };
    let parts: Vec<MimePart<'static>> =
        std::iter::once(html).chain(pictures.iter().map(picture)).collect();
    MimePart::new("multipart/related", parts)
}

fn file_part(file: &NewFile) -> MimePart<'static> {
    MimePart::new(file.content_type.clone(), BodyPart::Binary(file.content.clone().into()))
}

fn text_part(kind: &'static str, text: &str) -> MimePart<'static> {
    MimePart::new(kind, BodyPart::Text(with_crlf(text).into()))
}

/// The text; of a mail that has only HTML, what the HTML says.
fn plain(draft: &Draft) -> String {
    match (&draft.text, &draft.html) {
        (Some(text), _) => text.clone(),
        (None, Some(html)) => html::to_text(html, Limits::default().text_chars_max),
        (None, None) => String::new(),
    }
}

/// RFC 5322 2.3: CR and LF stand together only.
fn with_crlf(text: &str) -> String {
    let unix = text.replace("\r\n", "\n").replace('\r', "\n");
    unix.replace('\n', "\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::parse;
    use crate::model::Address;

    fn person(name: Option<&str>, email: &str) -> Person {
        Person { email: Address::parse(email).unwrap(), name: name.map(str::to_owned) }
    }

    fn id(text: &str) -> MessageId {
        MessageId::parse(text).unwrap()
    }

    fn draft() -> Draft {
        Draft {
            message_id: id("own@acme.example"),
            from: person(Some("Änne, Verkauf"), "anna@acme.example"),
            reply_to: None,
            to: vec![person(Some("Carl \"C\" O'Neil"), "carl@customer.example")],
            cc: Vec::new(),
            subject: "Angebot für Sie".to_owned(),
            date: Time::from_seconds(1_790_000_000),
            time_zone: "Europe/Berlin".to_owned(),
            in_reply_to: None,
            references: Vec::new(),
            thread_index: ThreadIndex::begin(Time::from_seconds(1_790_000_000), [3; 16]),
            text: Some("Hallo\n.\n..\nGrüße\n".to_owned()),
            html: None,
            files: Vec::new(),
            unsubscribe_url: None,
        }
    }

    fn read(draft: &Draft) -> (crate::mail::Email, String) {
        let bytes = write(draft);
        let email = parse::read(&bytes, &Limits::default());
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for line in text.split("\r\n") {
            assert!(line.len() <= 998 && !line.contains(['\r', '\n']), "{line:?}");
        }
        (email, text)
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut draft = draft();
        draft.html = Some("<p>Grüße</p>".to_owned());
        draft.cc = vec![person(None, "dora@customer.example")];
        draft.in_reply_to = Some(id("parent@c"));
        draft.references = vec![id("root@c"), id("parent@c")];
        let (email, text) = read(&draft);
        let headers = &email.headers;
        assert_eq!(headers.message_id, Some(draft.message_id.clone()));
        assert_eq!(headers.original_ids, [draft.message_id.clone()]);
        assert_eq!(headers.from, Some(draft.from.clone()));
        assert_eq!((&headers.to, &headers.cc), (&draft.to, &draft.cc));
        assert_eq!(
            (headers.subject.as_str(), headers.date),
            (draft.subject.as_str(), Some(draft.date))
        );
        assert_eq!(headers.in_reply_to, [id("parent@c")]);
        assert_eq!(headers.references, draft.references);
        assert_eq!(headers.thread_index, Some([3; 16]));
        assert_eq!(
            (email.text.trim_end(), email.html.as_deref().map(str::trim_end)),
            ("Hallo\n.\n..\nGrüße", Some("<p>Grüße</p>"))
        );
        assert!(text.contains("Date: Mon, 21 Sep 2026 16:13:20 +0200\r\n"), "{text}");
        assert!(text.contains("multipart/alternative") && !text.contains("Bcc"));
        assert!(email.defects.is_empty(), "{:?}", email.defects);
    }

    #[test]
    fn a_domain_stands_in_ascii() {
        let to = vec![person(Some("Jörg"), "Info@bücher.example")];
        let (email, text) = read(&Draft { to: to.clone(), ..draft() });
        assert!(text.is_ascii() && text.contains("<Info@xn--bcher-kva.example>"), "{text}");
        assert_eq!(email.headers.to, to);
    }

    #[test]
    fn lines_are_short_and_end_in_crlf_whatever_the_text() {
        for text in [
            "x".repeat(2_000),
            "ü".repeat(2_000),
            "a\rb\nc\r\nd\n.\n".to_owned(),
            format!("{}\n", "word ".repeat(1_000)),
            String::new(),
        ] {
            let (email, _) = read(&Draft { text: Some(text.clone()), ..draft() });
            assert_eq!(
                email.text.trim_end(),
                text.replace("\r\n", "\n").replace('\r', "\n").trim_end()
            );
        }
        let long = Draft { subject: "ä".repeat(400), ..draft() };
        assert_eq!(read(&long).0.headers.subject, long.subject);
    }

    #[test]
    fn html_alone_has_a_text_beside_it() {
        let html = Some("<p>Hello <b>Carl</b></p>".to_owned());
        let (email, text) = read(&Draft { text: None, html, ..draft() });
        assert!(text.contains("text/plain") && text.contains("text/html"));
        assert_eq!(email.text.trim(), "Hello Carl");
    }

    #[test]
    fn files_and_pictures_are_where_they_belong() {
        let file = |name: &str, kind: &str, content: &[u8], content_id: Option<&str>| NewFile {
            file_name: name.to_owned(),
            content_type: kind.to_owned(),
            content: content.to_vec(),
            content_id: content_id.map(str::to_owned),
        };
        let files = vec![
            file("Angebot äöü.pdf", "application/pdf", b"%PDF-1.4 \x00\xff", None),
            file("logo.png", "image/png", b"\x89PNG\r\n\x1a\n \x00\xff", Some("logo@acme")),
        ];
        let html = Some("<img src=\"cid:logo@acme\">".to_owned());
        let (email, _) = read(&Draft { files, html, ..draft() });
        let mut names: Vec<_> = email
            .files
            .iter()
            .map(|file| (file.file_name.as_str(), file.inline, file.size))
            .collect();
        names.sort_unstable();
        assert_eq!(names, [("Angebot äöü.pdf", false, 11), ("logo.png", true, 11)]);
    }

    #[test]
    fn references_are_bounded_and_keep_the_first() {
        let references: Vec<MessageId> = (0..500).map(|n| id(&format!("{n}@c"))).collect();
        let (email, _) = read(&Draft { references, ..draft() });
        let read = email.headers.references;
        assert_eq!((read.len(), read[0].as_str(), read[19].as_str()), (20, "0@c", "499@c"));
    }

    #[test]
    fn bulk_mail_says_how_to_unsubscribe() {
        let url = format!("https://crm.example/unsubscribe/{}", "t".repeat(64));
        let (_, text) = read(&Draft { unsubscribe_url: Some(url.clone()), ..draft() });
        let unfolded = text.replace("\r\n ", " ").replace("\r\n\t", " ");
        assert!(unfolded.contains(&format!("<{url}>")), "{text}");
        assert!(text.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));
    }
}
