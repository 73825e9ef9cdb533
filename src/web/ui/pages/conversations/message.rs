//! A message as the thread shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use askama::filters::Safe;

use super::reading::Reading;
use crate::decide::send::can_be_answered;
use crate::mail::pretence;
use crate::model::{
    self, Address, Direction, Door, FileState, Kind, SendStatus, State, StoredMessageId, Time,
    User, UserId, VerdictId,
};
use crate::store::Shipment;
use crate::web::ui::people::Shown;
use crate::web::ui::text;

/// What is due within so long is said to be so at once.
const SOON_SECONDS: i64 = 60;

/// One message.
pub struct Message {
    pub id: StoredMessageId,
    pub from: Shown,
    pub to: Vec<Shown>,
    pub cc: Vec<Shown>,
    pub at: Time,
    /// What the sender says, where that is another day: it may say anything (B14).
    pub sender_date: Option<Time>,
    /// It came in from an address that is neither the contact's nor a user's (T5, C6).
    pub is_of_another: bool,
    pub is_own: bool,
    pub can_be_answered: bool,
    /// It is shown open.
    pub is_open: bool,
    /// The first words, for when it is closed.
    pub preview: String,
    pub doors: Vec<Way>,
    /// The user whose mail it is, where it is not the reader's.
    pub owner: Option<String>,
    pub is_auto_reply: bool,
    pub is_id_conflict: bool,
    /// Why it was left out, and by which verdict, when it was (A2).
    pub left_out: Option<VerdictId>,
    pub files: Vec<File>,
    pub status: Option<Status>,
    reading: Arc<Reading>,
}

/// How it came in.
pub struct Way {
    pub words: &'static str,
    pub icon: &'static str,
}

/// A file, or what is known of one that was left out.
pub struct File {
    pub id: uuid::Uuid,
    pub name: String,
    pub size: String,
    pub icon: &'static str,
    pub sha256: String,
    /// Why it is not here, in words.
    pub left_out: Option<&'static str>,
}

/// How far the sending of a message is.
pub struct Status {
    pub words: &'static str,
    /// `good`, `warn`, `bad` or `info`.
    pub tone: &'static str,
    /// What the server said.
    pub detail: Option<String>,
    /// When it is sent, or tried again, where that is not at once.
    pub at: Option<Time>,
    /// When there may be news of it, in milliseconds of Unix time; zero for at any time.
    pub due_ms: Option<i64>,
    /// It is not on its way yet.
    pub can_be_taken_back: bool,
    /// It did not arrive, and can be written again.
    pub can_be_written_again: bool,
    /// Nobody but its author can say whether it was sent (S5).
    pub is_unknown: bool,
}

/// What is known beside the message itself.
pub struct Beside<'a> {
    pub users: &'a BTreeMap<UserId, User>,
    pub left_out: &'a BTreeMap<StoredMessageId, VerdictId>,
    pub shipments: &'a BTreeMap<StoredMessageId, Shipment>,
    /// Of the authors, those who are users: their addresses in the normal form.
    pub colleagues: &'a BTreeSet<String>,
    pub contact: &'a Address,
    pub reader: UserId,
    pub now: Time,
}

impl Message {
    pub fn new(
        message: &model::Message,
        reading: Arc<Reading>,
        beside: &Beside<'_>,
        is_open: bool,
    ) -> Self {
        let unknown = || Shown {
            name: text::words("mail.no_sender").to_owned(),
            ..Shown::contact(&no_address(), None)
        };
        let owner = message.user_id.filter(|id| *id != beside.reader);
        let owner = owner.and_then(|id| beside.users.get(&id));
        let files = message.attachments.iter().filter(|file| !is_shown_in_body(file));
        Self {
            id: message.id,
            from: message.from.as_ref().map_or_else(unknown, Shown::person),
            to: message.to.iter().map(Shown::person).collect(),
            cc: message.cc.iter().map(Shown::person).collect(),
            at: message.at,
            sender_date: message.date.filter(|date| is_another_day(*date, message.at)),
            is_of_another: beside.is_of_another(message),
            is_own: message.direction == Some(Direction::Outbound),
            can_be_answered: can_be_answered(message.state, message.kind),
            is_open,
            preview: pretence::straight(&reading.beginning()),
            doors: message.doors.iter().map(door).collect(),
            owner: owner.map(|user| user.name.clone()),
            is_auto_reply: message.kind == Kind::AutoReply,
            is_id_conflict: message.id_conflict,
            left_out: (message.state == State::Skipped)
                .then(|| beside.left_out.get(&message.id).copied())
                .flatten(),
            files: files.map(File::new).collect(),
            status: beside.shipments.get(&message.id).map(|it| Status::of(it, beside.now)),
            reading,
        }
    }

    /// What its author wrote just now. It was made safe when it was read.
    pub fn new_text(&self) -> Safe<&str> {
        Safe(&self.reading.new)
    }

    /// All of it, when that is more.
    pub fn whole_text(&self) -> Option<Safe<&str>> {
        self.reading.whole.as_deref().map(Safe)
    }

    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    /// Is there nothing to read in it?
    pub fn is_empty(&self) -> bool {
        self.reading.new.is_empty() && self.reading.whole.is_none()
    }

    /// The recipients in a line.
    pub fn to_line(&self) -> String {
        const NAMED: usize = 3;
        let named: Vec<&str> =
            self.to.iter().chain(&self.cc).take(NAMED).map(|it| it.name.as_str()).collect();
        let more = (self.to.len() + self.cc.len()).saturating_sub(NAMED);
        let named = named.join(", ");
        if more == 0 { named } else { text::with("mail.and_more", format!("{named} +{more}")) }
    }
}

impl Beside<'_> {
    fn is_of_another(&self, message: &model::Message) -> bool {
        let from = message.from.as_ref().map(|from| &from.email);
        message.direction != Some(Direction::Outbound)
            && from.is_some_and(|from| {
                from != self.contact && !self.colleagues.contains(from.normal())
            })
    }
}

/// Clocks differ, and mail takes its time; but not a day.
fn is_another_day(date: Time, at: Time) -> bool {
    const DAY_SECONDS: u64 = 24 * 3_600;
    date.as_seconds().abs_diff(at.as_seconds()) > DAY_SECONDS
}

/// Stands for an author who cannot be read; shown by name only.
fn no_address() -> model::Address {
    // An address by every reading.
    #[expect(clippy::expect_used, reason = "a constant that is an address")]
    model::Address::parse("unknown@invalid").expect("invariant: it is an address")
}

/// Pictures of the body are no files, unless they were left out.
fn is_shown_in_body(file: &model::Attachment) -> bool {
    file.inline && file.state == FileState::Stored
}

fn door(door: Door) -> Way {
    let (words, icon) = match door {
        Door::Smtp => ("door.smtp", "copy"),
        Door::Imap | Door::Graph | Door::Ews => ("door.mailbox", "mail"),
        Door::Import => ("door.import", "inbox"),
        Door::Send => ("door.send", "send"),
    };
    Way { words, icon }
}

impl Status {
    fn of(shipment: &Shipment, now: Time) -> Self {
        let later = shipment.due_at.filter(|due| now.plus_seconds(SOON_SECONDS) < *due);
        let (words, tone) = match shipment.status {
            SendStatus::Queued if later.is_some() => ("status.to_be_sent", "info"),
            SendStatus::Queued => ("status.queued", "info"),
            SendStatus::Retrying if later.is_some() => ("status.again_at", "warn"),
            SendStatus::Retrying => ("status.retrying", "warn"),
            SendStatus::Sent => ("status.sent", "good"),
            SendStatus::Failed => ("status.failed", "bad"),
            SendStatus::Unknown => ("status.unknown", "warn"),
            SendStatus::Bounced => ("status.bounced", "bad"),
            SendStatus::Cancelled => ("status.cancelled", ""),
        };
        let report = shipment.report.iter().map(|it| match it.named_status() {
            Some(status) => format!("{} ({status})", it.address),
            None => it.address.clone(),
        });
        let said = shipment.detail.iter().cloned().chain(report).collect::<Vec<_>>().join(" · ");
        let waits = matches!(shipment.status, SendStatus::Queued | SendStatus::Retrying);
        Self {
            words,
            tone,
            at: later.filter(|_| waits),
            due_ms: waits.then(|| shipment.due_at.map_or(0, Time::as_millis)),
            detail: (!said.is_empty() && shipment.status != SendStatus::Sent)
                .then(|| pretence::visible(&said)),
            can_be_taken_back: waits && !shipment.route.is_accepted_by_some(),
            can_be_written_again: matches!(
                shipment.status,
                SendStatus::Failed | SendStatus::Bounced
            ),
            is_unknown: shipment.status == SendStatus::Unknown,
        }
    }
}

impl File {
    fn new(file: &model::Attachment) -> Self {
        Self {
            id: file.id.0,
            name: pretence::visible(&file.file_name),
            size: size(file.size),
            icon: if file.content_type.starts_with("image/") { "picture" } else { "file" },
            sha256: file.sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
            left_out: (file.state == FileState::LeftOut).then_some(match file.reason {
                Some("attachment_too_large") => "mail.file_too_large",
                _ => "mail.file_type",
            }),
        }
    }
}

/// A size as people say it.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes} B"),
        1_024..1_048_576 => format!("{} KB", bytes / 1_024),
        _ => match bytes % 1_048_576 * 10 / 1_048_576 {
            0 => format!("{} MB", bytes / 1_048_576),
            tenths => format!("{}.{tenths} MB", bytes / 1_048_576),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_said_as_people_say_them() {
        let said = [0, 1_023, 1_024, 1_048_575, 1_048_576, 3_145_728, 3_355_443].map(size);
        assert_eq!(said, ["0 B", "1023 B", "1 KB", "1023 KB", "1 MB", "3 MB", "3.1 MB"]);
    }
}
