//! A submission beside the facts of its sub-account: the questions that every rule asks.

use crate::model::{
    Address, Candidate, Door, FolderRole, Matched, Person, Reason, StoredMessageId, UserId,
};

use super::facts::AccountFacts;
use super::plan::Plan;
use super::submission::{Found, Submission};

/// What is judged, and what is known.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    pub submission: &'a Submission,
    pub account: &'a AccountFacts,
}

/// What is to become of a mail.
#[derive(Clone, Debug)]
pub enum Ruling<'a> {
    /// Nothing is stored but the verdict.
    Ignore(Reason, Matched),
    /// It is kept, and waits for somebody.
    Hold(Reason, Matched, Vec<Candidate>),
    /// It is this message.
    Duplicate(StoredMessageId),
    /// It is the Sent copy of this message, which the CRM sent (S7).
    SentCopy(StoredMessageId),
    /// It is nobody's business here: only the key of its id is kept (T1).
    Private(Reason),
    File(Plan<'a>),
}

impl<'a> Case<'a> {
    /// The user who writes from that address. A shared address is the owner's, if the owner has it (B2).
    pub fn user_of(&self, address: &Address) -> Option<UserId> {
        let users = self.account.users.get(address.normal())?;
        let owners = &self.submission.owners;
        owners.iter().find(|owner| users.contains(owner)).or(users.first()).copied()
    }

    /// A user, or of a colleague domain (B3).
    pub fn is_colleague(&self, address: &Address) -> bool {
        self.account.is_colleague(address)
    }

    /// A smart BCC address, of now or of before, or of our domains.
    pub fn is_ours(&self, address: &Address) -> bool {
        self.submission.is_ours(address) || self.account.bcc_addresses.contains(address.normal())
    }

    /// Is it what the CRM sent through this mailbox?
    pub fn is_sent_copy(&self, message: StoredMessageId) -> bool {
        let mut known = self.account.ids.values().flatten().filter(|fact| fact.message == message);
        known.any(|fact| fact.doors.contains(Door::Send))
            && self.submission.found.as_ref().is_some_and(|it| self.may_be_sent_copy(it))
    }

    /// What is in the Sent folder was sent. Rules move anybody's mail to other folders: there only what
    /// the user wrote may be a copy, and only until it is known where copies are kept (T8).
    pub fn may_be_sent_copy(&self, found: &Found) -> bool {
        match found.folder {
            FolderRole::Sent => true,
            FolderRole::Inbox => false,
            FolderRole::Other => !found.knows_sent && self.is_by_owner(found),
        }
    }

    fn is_by_owner(&self, found: &Found) -> bool {
        let from = self.submission.email.headers.from.as_ref().map(|person| &person.email);
        from.is_some_and(|from| {
            found.mailbox.as_ref() == Some(from)
                || self.user_of(from).is_some_and(|it| self.submission.owner() == Some(it))
        })
    }

    /// On the never-log list.
    pub fn is_never_log(&self, address: &Address) -> bool {
        self.account.never_log.contains(address.normal())
    }

    /// Neither ours nor a colleague: somebody who may be a contact.
    pub fn is_outsider(&self, address: &Address) -> bool {
        !self.is_ours(address) && !self.is_colleague(address)
    }
}

impl Ruling<'_> {
    /// Ignored for what matched.
    pub fn ignore(reason: Reason, what: &str) -> Self {
        Self::Ignore(reason, Matched { what: Some(what.to_owned()), ..Matched::default() })
    }

    /// Held because of an address.
    pub fn hold(reason: Reason, address: Option<&Address>) -> Self {
        let address = address.map(|address| address.normal().to_owned());
        Self::Hold(reason, Matched { address, ..Matched::default() }, Vec::new())
    }

    /// The same by another rule than the reason's own, if it is a hold.
    pub fn by(mut self, rule: &str) -> Self {
        if let Self::Hold(_, matched, _) = &mut self {
            matched.rule = Some(rule.to_owned());
        }
        self
    }

    /// Held until somebody chooses among these people.
    pub fn choose<'p>(reason: Reason, candidates: impl IntoIterator<Item = &'p Person>) -> Self {
        let candidates = candidates.into_iter().map(|person| Candidate {
            email: person.email.normal().to_owned(),
            name: person.name.clone(),
        });
        Self::Hold(reason, Matched::default(), candidates.take(CANDIDATES_MAX).collect())
    }

    /// The same, which names somebody if it is a hold.
    pub fn naming(mut self, person: Option<&Person>) -> Self {
        if let Self::Hold(_, matched, _) = &mut self {
            matched.address = person.map(|person| person.email.normal().to_owned());
        }
        self
    }
}

/// More people than this are not offered.
const CANDIDATES_MAX: usize = 20;
