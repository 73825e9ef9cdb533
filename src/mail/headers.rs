//! The header fields that decide, from the header of a mail. It judges nothing: what is missing or
//! said twice is a [`Defect`].

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::fields::Head;
use super::{Defect, Headers, Limits, references, values};
use crate::model::{MessageId, Person, Time};

/// Our own mark in what we send; mail that has it has been here.
const LOOP_MARK: &str = "x-mailweave-loop";

/// Where the former ids of a mail stand in its Sent copy (S7).
const ORIGINAL_IDS: [&str; 2] = ["x-mailweave-message-id", "x-microsoft-original-message-id"];

/// Reads the fields, and says what was wrong with them.
pub(super) fn read(head: &Head<'_>, limits: &Limits) -> (Headers, Vec<Defect>) {
    let mut reader = Reader { head, limits, defects: Vec::new() };
    let headers = reader.headers();
    let mut defects = reader.defects;
    if head.is_clipped {
        defects.push(Defect::Clipped);
    }
    (headers, defects)
}

fn starts_with(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|it| it.eq_ignore_ascii_case(start))
}

struct Reader<'a> {
    head: &'a Head<'a>,
    limits: &'a Limits,
    defects: Vec<Defect>,
}

impl Reader<'_> {
    fn headers(&mut self) -> Headers {
        let (from, other_authors) = self.authors();
        let (date, date_offset_seconds) = self.date().unzip();
        Headers {
            message_id: self.message_id(),
            in_reply_to: self.answered(),
            references: self.ids("references"),
            from,
            other_authors,
            to: self.people("to"),
            cc: self.people("cc"),
            reply_to: self.people("reply-to"),
            subject: self.head.first("subject").map(values::line).unwrap_or_default(),
            date,
            date_offset_seconds: date_offset_seconds.unwrap_or_default(),
            thread_index: self.head.first("thread-index").and_then(conversation_guid),
            original_ids: ORIGINAL_IDS.iter().filter_map(|field| self.id(field)).collect(),
            hops: self.head.all("received").count(),
            loop_marks: self.head.all(LOOP_MARK).map(|mark| values::raw(mark).into()).collect(),
        }
    }

    /// The author, or everybody that is named as one. RFC 9989 4.2: a mail with several From
    /// fields or several authors has none that could be authenticated.
    fn authors(&mut self) -> (Option<Person>, Vec<Person>) {
        let fields = self.head.all("from").count();
        let mut people = Vec::new();
        let mut count = 0;
        for value in self.head.all("from") {
            let (named, written) = values::people(value, self.limits.addresses_max);
            people.extend(named);
            count += written;
        }
        people.truncate(self.limits.addresses_max);
        if fields > 1 || count > 1 {
            self.defects.push(Defect::SeveralFroms);
            return (None, people);
        }
        let from = people.pop();
        if from.is_none() {
            self.defects.push(Defect::NoFrom);
        }
        (from, Vec::new())
    }

    /// Everybody that all fields of a name name.
    fn people(&mut self, field: &str) -> Vec<Person> {
        let mut people = Vec::new();
        for value in self.head.all(field) {
            let left = self.limits.addresses_max.saturating_sub(people.len());
            let (named, count) = values::people(value, left);
            if count > left {
                self.defects.push(Defect::Clipped);
            }
            people.extend(named);
        }
        people
    }

    fn ids(&self, field: &str) -> Vec<MessageId> {
        let mut all = self.head.all(field);
        let first = all.next().unwrap_or_default();
        let text = all.fold(String::from_utf8_lossy(first), |text, next| {
            text + " " + String::from_utf8_lossy(next)
        });
        references::ids(&text, self.limits.references_max)
    }

    /// Some programs say in words whose mail it answers, with an address in brackets: `Message from Ann
    /// <ann@x.org> of "Sat, 21 Apr" <id@x.org>`. The id is last.
    fn answered(&self) -> Vec<MessageId> {
        let mut ids = self.ids("in-reply-to");
        if ids.len() < 2 {
            return ids;
        }
        let text = self.head.first("in-reply-to").map(values::raw).unwrap_or_default();
        let words = text.trim_start().split('<').next().unwrap_or_default();
        let is_told = ["message from", "your message", "message of", "from"];
        if is_told.iter().any(|told| starts_with(words, told)) {
            ids.drain(..ids.len() - 1);
        }
        ids
    }

    fn id(&self, field: &str) -> Option<MessageId> {
        let value = self.head.first(field)?;
        references::ids(&values::raw(value), 1).pop()
    }

    fn message_id(&mut self) -> Option<MessageId> {
        let read = |value| {
            let text = values::raw(value);
            references::ids(&text, 1).pop().or_else(|| MessageId::parse(&text))
        };
        let id = self.head.all("message-id").find_map(read);
        if id.is_none() {
            self.defects.push(Defect::NoMessageId);
        }
        id
    }

    fn date(&mut self) -> Option<(Time, i32)> {
        let value = self.head.first("date")?;
        let date = values::time(value);
        if date.is_none() {
            self.defects.push(Defect::BadDate);
        }
        date
    }
}

/// MS-OXOMSG 2.2.1.3: a byte and five of the time, then the conversation's GUID, then 5 bytes for
/// each answer. Both layouts in use have the GUID at byte 6.
fn conversation_guid(value: &[u8]) -> Option<[u8; 16]> {
    let mut compact: Vec<u8> =
        value.iter().filter(|byte| !byte.is_ascii_whitespace()).copied().collect();
    compact.truncate(GUID_CHARS);
    STANDARD.decode(compact).ok()?.get(6..22)?.try_into().ok()
}

/// As many characters of base64 as hold the first 22 bytes.
const GUID_CHARS: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::lines::Lines;

    fn of(raw: &str) -> (Headers, Vec<Defect>) {
        let limits = Limits::default();
        read(&Head::of_mail(&mut Lines::new(raw.as_bytes()), &limits), &limits)
    }

    #[test]
    fn there_is_one_author_or_none() {
        for (raw, author, others) in [
            ("From: ann@x.org\n", Some("ann@x.org"), 0),
            ("From: ann@x.org, bob@x.org\n", None, 2),
            ("From: ann@x.org\nFrom: bob@x.org\n", None, 2),
            ("From: ann@x.org\nFrom: ann@x.org\n", None, 2),
            ("From: ann@x.org\nFrom: broken\n", None, 1),
            ("From: ceo@victim.example,<evil@x.org>\n", None, 2),
            ("From: a@b\0@c, <evil@x.org>\n", None, 1),
            ("From: Team: ann@x.org;\n", Some("ann@x.org"), 0),
            ("From:\n", None, 0),
            ("Subject: none\n", None, 0),
        ] {
            let (headers, _) = of(raw);
            let from = headers.from.as_ref().map(|person| person.email.normal());
            assert_eq!((from, headers.other_authors.len()), (author, others), "{raw:?}");
        }
    }

    #[test]
    fn all_fields_of_a_name_count() {
        let (headers, _) = of("To: a@x.org\nCc: b@x.org\nTo: c@x.org\nCC: d@x.org\n");
        assert_eq!((headers.to.len(), headers.cc.len()), (2, 2));
    }

    #[test]
    fn reads_the_conversation_of_outlook() {
        let guid = Some([6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21]);
        for (value, expected) in [
            ("AAECAwQFBgcICQoLDA0ODxAREhMUFQ==", guid),
            ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBka", guid),
            ("AAECAwQFBgcICQoL\r\n DA0ODxAREhMUFRYXGBka", guid),
            ("AAECAwQF", None),
            ("not base64!", None),
            ("", None),
        ] {
            assert_eq!(conversation_guid(value.as_bytes()), expected, "{value:?}");
        }
    }

    #[test]
    fn names_what_is_wrong() {
        for (raw, expected) in [
            ("From: a@x.org\nMessage-ID: <1@x>\n", vec![]),
            ("From: a@x.org\n", vec![Defect::NoMessageId]),
            ("From: a@x.org\nMessage-ID: <>\n", vec![Defect::NoMessageId]),
            ("Message-ID: <1@x>\n", vec![Defect::NoFrom]),
            ("From: a@x.org\nMessage-ID: 1@x\nDate: soon\n", vec![Defect::BadDate]),
        ] {
            assert_eq!(of(raw).1, expected, "{raw:?}");
        }
    }
}
