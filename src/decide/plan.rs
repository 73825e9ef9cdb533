//! How a mail is to be filed: as which mail, which way it went, and where.

use crate::mail::{File, Forwarded};
use crate::model::{ConversationId, Direction, MessageId, Person, ThreadId, Time, UserId};

use super::submission::Submission;

/// How a mail is to be filed.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    pub copy: Copy<'a>,
    pub direction: Direction,
    /// The actor, or for inbound mail the user it came to.
    pub user: Option<UserId>,
    pub place: Place<'a>,
    /// The rule that found the place, such as `B3`.
    pub rule: &'static str,
    /// Another mail carries its Message-ID (B9).
    pub id_conflict: bool,
}

/// Where a mail is filed.
#[derive(Clone, Debug)]
pub enum Place<'a> {
    /// In a thread that is known (B5).
    Thread(Joined),
    /// In this conversation, in a thread of its own unless its ids lead to one there.
    In(ConversationId),
    /// With these people; the first owns the conversation (B3).
    With(Vec<&'a Person>),
}

/// A known thread that a mail belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    pub thread: ThreadId,
    pub conversation: ConversationId,
    /// Threads of the same conversation that prove to be one with it (T2).
    pub merge: Vec<ThreadId>,
}

/// The mail that is filed: the one that came, or the one that it forwards (B6).
#[derive(Clone, Debug)]
pub struct Copy<'a> {
    pub from: Option<&'a Person>,
    pub to: &'a [Person],
    pub cc: &'a [Person],
    pub subject: &'a str,
    pub date: Option<Time>,
    pub message_id: &'a MessageId,
    pub in_reply_to: &'a [MessageId],
    pub references: &'a [MessageId],
    pub thread_index: Option<[u8; 16]>,
    /// It is the forwarded mail; `carrier` is then the forward's own id.
    pub carrier: Option<&'a MessageId>,
    pub files: &'a [File],
    /// The position of the first of them: those of an attached mail stand behind the carrier's own.
    pub first_file: usize,
}

impl<'a> Copy<'a> {
    /// The mail as it came.
    pub fn of_mail(submission: &'a Submission) -> Self {
        let headers = &submission.email.headers;
        Self {
            from: headers.from.as_ref(),
            to: &headers.to,
            cc: &headers.cc,
            subject: &headers.subject,
            date: headers.date,
            message_id: &submission.message_id,
            in_reply_to: &headers.in_reply_to,
            references: &headers.references,
            thread_index: headers.thread_index,
            carrier: None,
            files: &submission.email.files,
            first_file: 0,
        }
    }

    /// The mail that it forwards. A header block has no Message-ID: the forward's In-Reply-To names it.
    pub fn of_forwarded(submission: &'a Submission, mail: &'a Forwarded) -> Self {
        let email = &submission.email;
        let headers = &email.headers;
        let named = headers.in_reply_to.first();
        let attached = email.attached_mail.as_ref().filter(|_| mail.is_attached);
        let (files, first_file) = match attached {
            Some(attached) => (&attached.files, email.files.len()),
            None => (&email.files, 0),
        };
        Self {
            from: Some(&mail.from),
            to: &mail.to,
            cc: &mail.cc,
            subject: &mail.subject,
            date: mail.date.or(headers.date),
            message_id: mail.message_id.as_ref().or(named).unwrap_or(&submission.message_id),
            in_reply_to: &mail.in_reply_to,
            references: &mail.references,
            thread_index: headers.thread_index,
            carrier: Some(&submission.message_id),
            files,
            first_file,
        }
    }

    /// Everybody on it.
    pub fn people(&self) -> impl Iterator<Item = &'a Person> + use<'a> {
        self.from.into_iter().chain(self.to).chain(self.cc)
    }
}
