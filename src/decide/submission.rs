//! A mail that stands before judgement, and what must be known to judge it.

use std::sync::Arc;

use crate::mail::{Email, Forward};
use crate::model::{
    Address, ConnectionId, Door, FolderRole, MessageId, MessageKey, Pepper, Person,
    StoredMessageId, SubAccountId, Time, TrustResults, UserId, VerdictId,
};

use super::facts::Question;
use super::send::Sending;

/// A mail before one sub-account. Everything in it is known without the store.
#[derive(Clone, Debug)]
pub struct Submission {
    pub sub_account: SubAccountId,
    pub door: Door,
    /// The users whose smart BCC addresses it was sent to, or whose mail is imported; never empty
    /// but for the operator's own.
    pub owners: Vec<UserId>,
    pub trust: TrustResults,
    pub email: Arc<Email>,
    /// Its own Message-ID, or one made for it.
    pub message_id: MessageId,
    /// What it forwards, when it went to the smart BCC address alone (B6).
    pub forward: Forward,
    /// Our own domains: their addresses are nobody's contacts.
    pub bcc_domains: Arc<[String]>,
    pub received_at: Time,
    /// Makes the keys of mail that is not kept.
    pub pepper: Pepper,
    /// Set when a stored mail is judged again.
    pub again: Option<Again>,
    /// Set when it was found in a connected mailbox.
    pub found: Option<Found>,
    /// Set when the CRM sends it.
    pub sending: Option<Sending>,
}

/// Where a mail was found, and how much of it is known.
#[derive(Clone, Debug)]
pub struct Found {
    pub connection: ConnectionId,
    /// The mailbox's own address, as far as it is signed in to by one.
    pub mailbox: Option<Address>,
    pub folder: FolderRole,
    /// It is known which folder holds sent mail (T8).
    pub knows_sent: bool,
    /// When the mailbox got it, as its server says.
    pub received_at: Option<Time>,
    pub fetched: Fetched,
    /// The mail that a delivery report is about, by the ids of the header it gives back.
    pub reports_on: Vec<MessageId>,
}

/// How much of a mail was fetched, each more than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fetched {
    /// The header fields that decide, but for To and Cc.
    Ids,
    /// To and Cc, too; and of a delivery report, which mail it is about.
    People,
    /// All of it.
    Whole,
    /// All of it is more than is taken: its header.
    TooLarge,
}

/// A stored mail that is judged again: somebody released it, or its sender was checked again.
#[derive(Clone, Debug)]
pub struct Again {
    pub verdict: VerdictId,
    pub message: StoredMessageId,
    /// When it first came.
    pub at: Time,
    /// Somebody of the sub-account says that it belongs here.
    pub released: bool,
    /// The contact that was chosen, with the name it has on the mail.
    pub contact: Option<Person>,
    /// File it without the files that are too large (A2).
    pub without_files: bool,
}

impl Submission {
    /// The owner of the address, or the user of the import.
    pub fn owner(&self) -> Option<UserId> {
        self.owners.first().copied()
    }

    /// Under which a mailbox's mail is known that is not kept (T1).
    pub fn private_key(&self) -> MessageKey {
        self.pepper.key(self.sub_account, &self.message_id)
    }

    /// Was it found in its user's folder of sent mail?
    pub fn is_in_sent(&self) -> bool {
        self.found.as_ref().is_some_and(|found| found.folder == FolderRole::Sent)
    }

    /// Did somebody release it?
    pub fn is_released(&self) -> bool {
        self.again.as_ref().is_some_and(|again| again.released)
    }

    /// Is the address one of our smart BCC domains'?
    pub fn is_ours(&self, address: &Address) -> bool {
        self.bcc_domains.iter().any(|domain| domain == address.domain())
    }

    /// What must be known to judge it.
    pub fn question(&self) -> Question {
        let mut question = Question::default();
        let headers = &self.email.headers;
        let authors = headers.from.iter().chain(&headers.other_authors);
        question.ask_people(authors.chain(&headers.to).chain(&headers.cc));
        question.ask_ids([&self.message_id]);
        question.ask_ids(headers.in_reply_to.iter().chain(&headers.references));
        question.ask_ids(&headers.original_ids);
        question.thread_indexes.extend(headers.thread_index);
        if let Some(found) = &self.found {
            question.ask_ids(&found.reports_on);
        }
        question.ask_ids(self.email.reports_on());
        // Rarely asked at the smart BCC address: whoever is believed needs no mailbox to say so (B2).
        if self.found.is_some() || !self.trust.trust.is_believed() {
            question.private_keys.insert(self.private_key());
        }
        if self.found.is_some() {
            question.private_keys.insert(self.message_id.key());
        }
        match &self.forward {
            Forward::None => {}
            Forward::Unsure(candidates) => question.ask_people(candidates),
            Forward::Of(mail) => {
                question.ask_people([&mail.from].into_iter().chain(&mail.to).chain(&mail.cc));
                question.ask_ids(mail.message_id.iter().chain(&mail.in_reply_to));
                question.ask_ids(&mail.references);
            }
        }
        if let Some(contact) = self.again.as_ref().and_then(|again| again.contact.as_ref()) {
            question.addresses.insert(contact.email.normal().to_owned());
        }
        question
    }
}

impl Question {
    fn ask_people<'a>(&mut self, people: impl IntoIterator<Item = &'a Person>) {
        let normal = people.into_iter().map(|person| person.email.normal().to_owned());
        self.addresses.extend(normal);
    }

    fn ask_ids<'a>(&mut self, ids: impl IntoIterator<Item = &'a MessageId>) {
        self.keys.extend(ids.into_iter().map(MessageId::key));
    }
}
