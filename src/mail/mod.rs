//! Bytes to nouns. Reading never fails: what cannot be read is a [`Defect`], and the raw mail stays.
//! Everything here is pure, bounded in depth, count and time, and linear in the size of the mail.

pub mod attachment;
mod auto;
mod body;
mod charset;
pub mod compose;
mod decode;
mod fields;
pub mod forward;
mod headers;
mod html;
mod lines;
pub mod parse;
mod pieces;
pub mod pretence;
pub mod references;
mod report;
pub mod safe;
mod sniff;
mod structure;
pub mod text;
pub mod thread_index;
pub mod tnef;
mod unstructured;
mod values;

use crate::model::{Address, MessageId, Person, RecipientReport, Time};

/// A mail that was read.
#[derive(Clone, Debug, Default)]
pub struct Email {
    pub headers: Headers,
    /// The text of the body: `text/plain` parts, else made from the HTML. LF line ends, no NUL.
    pub text: String,
    /// The HTML of the body as it came, decoded; never shown without sanitising. No NUL.
    pub html: Option<String>,
    /// Attachments and inline pictures in the order of the mail, TNEF opened.
    pub files: Vec<File>,
    /// The first attached mail (`message/rfc822`), read; its own attached mails are not opened.
    pub attached_mail: Option<Box<Email>>,
    /// What kind of program wrote it, if one did (B8).
    pub automatic: Option<Automatic>,
    /// What a delivery report or a complaint says of its recipients.
    pub report: Vec<RecipientReport>,
    /// SHA-256 of the text without white space: equal for copies of one mail that came by other ways (B9).
    pub text_hash: [u8; 32],
    /// What was wrong with it.
    pub defects: Vec<Defect>,
}

/// The header fields that decide.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    /// Its Message-ID; `None` when it has none that can be read.
    pub message_id: Option<MessageId>,
    pub in_reply_to: Vec<MessageId>,
    /// Oldest first, the last 100.
    pub references: Vec<MessageId>,
    /// The author, if there is exactly one From field with exactly one address in it: the one that
    /// DMARC was asked about (RFC 9989 4.2). Otherwise `None`.
    pub from: Option<Person>,
    /// Everybody that From fields name, when that is not exactly one; for the person who looks at it.
    pub other_authors: Vec<Person>,
    /// At most 1,000 each; all fields of the name together.
    pub to: Vec<Person>,
    pub cc: Vec<Person>,
    pub reply_to: Vec<Person>,
    /// Decoded, one line, at most 998 characters, no control characters.
    pub subject: String,
    /// The Date field, when it is a time between 1970 and 9999.
    pub date: Option<Time>,
    /// How far the clock of the Date field is ahead of UTC, in seconds; 0 when it does not say. A
    /// forwarded mail's date without a zone is read by it (B6).
    pub date_offset_seconds: i32,
    /// Bytes 6 to 22 of Thread-Index: Outlook's GUID of the conversation.
    pub thread_index: Option<[u8; 16]>,
    /// Other ids of the same mail, as only its sender's server or we can write them: our own id of what
    /// the CRM sent (S7), and Outlook.com's note of the id it replaced. Believed in the Sent folder only.
    pub original_ids: Vec<MessageId>,
    /// How many Received fields it has (RFC 5321 6.3).
    pub hops: usize,
    /// Values of our own `X-Mailweave-Loop` fields.
    pub loop_marks: Vec<String>,
}

/// A file of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// As the mail names it, decoded, control characters and marks of direction removed, at most 255 characters;
    /// `attachment` with a fitting extension when it has none.
    pub file_name: String,
    /// `type/subtype` in lower case, as the mail says.
    pub content_type: String,
    /// What the content is, by its signature: an extension such as `pdf`, `exe`; `None` when unknown.
    pub sniffed: Option<&'static str>,
    /// It has a NUL byte.
    pub has_nul: bool,
    /// Decoded bytes.
    pub size: u64,
    pub sha256: [u8; 32],
    /// A picture of the body: disposition inline, or referred to by Content-ID from the HTML.
    pub inline: bool,
    /// Its Content-ID without brackets.
    pub content_id: Option<String>,
}

/// Why a mail counts as written by a program, in the order of judgement (B8, B11).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Automatic {
    /// A delivery status notification (RFC 3464), also in the shapes that are not quite one.
    DeliveryReport,
    /// A complaint in the abuse reporting format (RFC 5965).
    Complaint,
    /// List mail (RFC 2369, RFC 2919, `Precedence: list` or `bulk`); names the header field.
    MailingList(&'static str),
    /// An answer of a program: vacation, read receipt, calendar response; names the header field.
    AutoReply(&'static str),
}

/// What was wrong with a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Defect {
    /// Not a mail at all: nothing could be read. Held as `unreadable` (V4).
    Unreadable,
    NoFrom,
    SeveralFroms,
    NoMessageId,
    BadDate,
    /// Nested deeper than is followed; the rest is one opaque part.
    TooDeep,
    /// More parts, header fields, addresses or characters than are taken.
    Clipped,
    BadEncoding,
    UnknownCharset,
    BadTnef,
}

impl Defect {
    /// The name in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::NoFrom => "no_from",
            Self::SeveralFroms => "several_froms",
            Self::NoMessageId => "no_message_id",
            Self::BadDate => "bad_date",
            Self::TooDeep => "too_deep",
            Self::Clipped => "clipped",
            Self::BadEncoding => "bad_encoding",
            Self::UnknownCharset => "unknown_charset",
            Self::BadTnef => "bad_tnef",
        }
    }
}

/// What a forward says of the mail that was forwarded (B6).
#[derive(Clone, Debug)]
pub enum Forward {
    /// It is no forward.
    None,
    /// It is one, and this is the mail.
    Of(Box<Forwarded>),
    /// It looks like one, but whose mail it is is not certain; the addresses it may be from.
    Unsure(Vec<Person>),
}

/// A mail that was forwarded, as far as the forward tells.
#[derive(Clone, Debug)]
pub struct Forwarded {
    pub from: Person,
    pub to: Vec<Person>,
    pub cc: Vec<Person>,
    pub subject: String,
    /// `None` when the block's date cannot be read.
    pub date: Option<Time>,
    /// Set for an attached mail; for a header block the forward's In-Reply-To names it.
    pub message_id: Option<MessageId>,
    pub in_reply_to: Vec<MessageId>,
    pub references: Vec<MessageId>,
    /// The text of the forwarded mail, without the words of who forwarded it.
    pub text: String,
    /// It is the attached mail, and has that one's files; those of the forward itself are not its own.
    pub is_attached: bool,
}

/// Limits on what is read of one mail.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Levels of multipart and attached mails that are followed.
    pub depth_max: usize,
    /// Parts that are followed.
    pub parts_max: usize,
    /// Files that are kept.
    pub files_max: usize,
    /// Header fields that are read: so many of those that decide, and so many others.
    pub fields_max: usize,
    /// Bytes that are read of one header field.
    pub field_bytes_max: usize,
    /// Bytes of the header that are read: so many of the fields that decide, and so many of others.
    pub header_bytes_max: usize,
    /// Addresses that are kept of each of From, To and Cc.
    pub addresses_max: usize,
    /// Ids of References that are kept, the newest.
    pub references_max: usize,
    /// Characters of text and of HTML that are kept.
    pub text_chars_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth_max: 50,
            parts_max: 1_000,
            files_max: 200,
            fields_max: 2_000,
            field_bytes_max: 131_072,
            header_bytes_max: 1_048_576,
            addresses_max: 1_000,
            references_max: 100,
            text_chars_max: 1_048_576,
        }
    }
}

impl Email {
    /// The id it is known by: its own, or one made from what it says, to whom, and with which files. Each way
    /// that a mail takes puts other fields before it; its bytes are asked only where it has no date.
    pub fn message_id(&self, raw: &[u8]) -> MessageId {
        let Headers { message_id, from, date, subject, .. } = &self.headers;
        match (message_id, date) {
            (Some(id), _) => id.clone(),
            (None, Some(date)) => {
                let mut said = format!("{}\n{subject}\n", date.as_micros()).into_bytes();
                let people = from.iter().map(|person| &person.email).chain(self.recipients());
                for address in people {
                    said.extend_from_slice(address.normal().as_bytes());
                    said.push(b'\n');
                }
                said.extend_from_slice(&self.text_hash);
                said.extend(self.files.iter().flat_map(|file| file.sha256));
                MessageId::synthetic(&said)
            }
            (None, None) => MessageId::synthetic(raw),
        }
    }

    /// What its author wrote just now: the text without quoted history and signature (B10). It is
    /// worked out when it is asked for: judging a mail does not need it.
    pub fn new_text(&self) -> String {
        text::new_text(&self.text)
    }

    /// Of a delivery report, the mail that it gives back (RFC 3464 2), by its id.
    pub fn reports_on(&self) -> Option<&MessageId> {
        let is_report = self.automatic == Some(Automatic::DeliveryReport);
        let mail = self.attached_mail.as_ref().filter(|_| is_report)?;
        mail.headers.message_id.as_ref()
    }

    /// Everybody it was visibly sent to.
    pub fn recipients(&self) -> impl Iterator<Item = &Address> {
        self.headers.to.iter().chain(&self.headers.cc).map(|person| &person.email)
    }
}
