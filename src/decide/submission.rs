//! A mail that stands before judgement, and what must be known to judge it.

use std::sync::Arc;

use crate::mail::{Email, Forward};
use crate::model::{
    Address, Door, MessageId, Person, StoredMessageId, SubAccountId, Time, TrustResults, UserId,
    VerdictId,
};

use super::facts::Question;

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
    /// Set when a stored mail is judged again.
    pub again: Option<Again>,
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
        question.thread_indexes.extend(headers.thread_index);
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
