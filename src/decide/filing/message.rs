//! The row of a mail, and those of its files.

use super::{Copy, Draft, files};
use crate::mail::Automatic;
use crate::model::{Attachment, AttachmentId, Door, Doors, Kind, Message, State, Time};

/// T10: mail is searched for 30 days back. A server's clock that says something older is wrong.
const FOUND_LATE_SECONDS_MAX: i64 = 30 * 24 * 3_600;
const FOUND_LATE_SECONDS_MIN: i64 = 120;

impl Draft<'_, '_> {
    /// The row of the mail, as held; `dated` is the time of a mail that was forwarded.
    pub(super) fn message(&mut self, copy: &Copy<'_>, dated: Option<Time>) -> Message {
        let submission = self.case.submission;
        let email = &submission.email;
        let imported = (submission.door == Door::Import).then_some(copy.date).flatten();
        let arrived = submission.found.as_ref().and_then(|found| found.received_at);
        // What is found late stands where it arrived (T10), not where it was found. Servers tell that to
        // the second: of what is found at once, the order in which it was found is the better one.
        let late = -FOUND_LATE_SECONDS_MAX..-FOUND_LATE_SECONDS_MIN;
        let age = |at: Time| at.as_seconds() - self.verdict.at.as_seconds();
        let arrived = arrived.filter(|at| late.contains(&age(*at)));
        // A date that is yet to come would stand on top of every list until then.
        let written = dated.or(imported).or(arrived).filter(|at| *at <= self.verdict.at);
        Message {
            id: self.stored_id(),
            state: State::Held,
            conversation_id: None,
            thread_id: None,
            message_id: copy.message_id.clone(),
            in_reply_to: copy.in_reply_to.to_vec(),
            references: copy.references.to_vec(),
            direction: None,
            kind: match email.automatic {
                Some(Automatic::AutoReply(_)) => Kind::AutoReply,
                Some(Automatic::DeliveryReport) => Kind::DeliveryReport,
                _ => Kind::Mail,
            },
            from: copy.from.or(email.headers.other_authors.first()).cloned(),
            to: copy.to.to_vec(),
            cc: copy.cc.to_vec(),
            subject: copy.subject.to_owned(),
            date: copy.date,
            at: written.unwrap_or(self.verdict.at),
            doors: Doors::only(submission.door),
            user_id: submission.owner(),
            text_hash: email.text_hash,
            id_conflict: false,
            forwarded: copy.carrier.is_some(),
            attachments: self.attachments(copy),
        }
    }

    fn attachments(&mut self, copy: &Copy<'_>) -> Vec<Attachment> {
        let settings = &self.case.account.settings;
        let ids = &mut *self.ids;
        let attachment = |(position, file): (usize, &crate::mail::File)| {
            let (state, reason) = files::rule(file, settings);
            Attachment {
                id: AttachmentId(ids.next_id()),
                position: u32::try_from(position).unwrap_or(u32::MAX),
                file_name: file.file_name.clone(),
                content_type: file.content_type.clone(),
                size: file.size,
                sha256: file.sha256,
                inline: file.inline,
                state,
                reason,
            }
        };
        (copy.first_file..).zip(copy.files).map(attachment).collect()
    }
}
