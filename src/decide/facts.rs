//! What a decision must know of the store, and what it learns from the decisions before it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::{
    Address, ConnectionId, ContactId, ConversationId, Doors, MessageKey, Settings, StoredMessageId,
    SubAccountId, Sync, Thread, ThreadId, Time, UserId,
};

use super::{Change, Decision};

/// What must be known to judge one mail in one sub-account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Normal forms of all addresses on the mail.
    pub addresses: BTreeSet<String>,
    /// Keys of all ids on the mail: its own and those it names.
    pub keys: BTreeSet<MessageKey>,
    /// GUIDs of Thread-Index.
    pub thread_indexes: BTreeSet<[u8; 16]>,
    /// Keys of the mail itself, if it was seen in a mailbox and not kept, or taken out.
    pub private_keys: BTreeSet<MessageKey>,
}

/// What is known, for the mails of one batch.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub accounts: BTreeMap<SubAccountId, AccountFacts>,
}

/// What is known of one sub-account.
#[derive(Clone, Debug, Default)]
pub struct AccountFacts {
    pub settings: Arc<Settings>,
    /// Confirmed addresses and aliases of users, normal form. Several users may share one.
    pub users: BTreeMap<String, Vec<UserId>>,
    /// Contacts by normal form.
    pub contacts: BTreeMap<String, ContactFact>,
    /// Of the addresses asked, those on the never-log list, by address or by domain.
    pub never_log: BTreeSet<String>,
    /// Of the addresses asked, those that are smart BCC addresses, of now or of before.
    pub bcc_addresses: BTreeSet<String>,
    /// Messages that have or name an id.
    pub ids: BTreeMap<MessageKey, Vec<IdFact>>,
    /// Threads by their Thread-Index GUID.
    pub thread_indexes: BTreeMap<[u8; 16], Vec<ThreadId>>,
    /// The threads that `ids` and `thread_indexes` name.
    pub threads: BTreeMap<ThreadId, ThreadFact>,
    /// The active connection of the users asked, if they have one.
    pub connections: BTreeMap<UserId, ConnectionId>,
    /// Of the keys asked, mail that was seen in a mailbox and not kept; and by its plain key, what somebody
    /// took out of the CRM again (V3).
    pub private: BTreeMap<MessageKey, Vec<PrivateFact>>,
}

/// A mail that was seen in a mailbox and not kept (T1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrivateFact {
    /// Whose mailbox it was.
    pub user: Option<UserId>,
    /// It was in the Sent folder: the user did write it (B2).
    pub sent: bool,
}

/// A contact and its conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactFact {
    pub id: ContactId,
    pub conversation: Option<ConversationId>,
}

/// A filed or skipped message that has or names an id. Held mail is not among them (B9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdFact {
    /// The id is the message's own.
    pub own: bool,
    pub message: StoredMessageId,
    pub thread: ThreadId,
    pub conversation: ConversationId,
    /// Normal form of its author.
    pub from: Option<String>,
    pub date: Option<Time>,
    pub text_hash: [u8; 32],
    pub doors: Doors,
    pub forwarded: bool,
    /// The CRM sent it through a mailbox, and its Sent copy was not seen yet: what was seen of it may have
    /// come to somebody here.
    pub lacks_copy: bool,
}

/// A thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadFact {
    pub conversation: ConversationId,
    pub participants: BTreeSet<String>,
    pub created_at: Time,
    pub sync: Sync,
    /// The connection it is or was tracked in.
    pub connection: Option<ConnectionId>,
}

impl Facts {
    /// What is known of a sub-account; nothing, if nothing was asked.
    pub fn account(&self, id: SubAccountId) -> Option<&AccountFacts> {
        self.accounts.get(&id)
    }

    /// Makes the decision a fact for those that follow it in its batch.
    pub fn apply(&mut self, decision: &Decision) {
        let account = self.accounts.entry(decision.sub_account).or_default();
        for change in &decision.changes {
            account.apply(change, &decision.changes);
        }
    }
}

impl AccountFacts {
    /// A user, or of a colleague domain (B3).
    pub fn is_colleague(&self, address: &Address) -> bool {
        let domains = &self.settings.colleague_domains;
        self.users.contains_key(address.normal())
            || domains.iter().any(|domain| domain == address.domain())
    }

    fn apply(&mut self, change: &Change, all: &[Change]) {
        match change {
            Change::AddContact(contact) => {
                let fact = ContactFact { id: contact.id, conversation: None };
                self.contacts.entry(contact.email.normal().to_owned()).or_insert(fact);
            }
            Change::AddConversation(conversation) => {
                let id = conversation.contact_id;
                for contact in self.contacts.values_mut().filter(|contact| contact.id == id) {
                    contact.conversation = Some(conversation.id);
                }
            }
            Change::AddThread(thread) => self.add_thread(thread),
            // Its aliases make it known.
            Change::AddMessage(_)
            | Change::Enqueue(_)
            | Change::LinkContact { .. }
            | Change::Name { .. }
            | Change::Claim { .. }
            | Change::AskAgain { .. }
            | Change::Bounced { .. } => {}
            Change::SentCopySeen { message, .. } => {
                for fact in self.facts_of(*message) {
                    fact.lacks_copy = false;
                }
            }
            Change::AddAlias { key, message, own, .. } => {
                let added = all.iter().find_map(|change| id_fact(change, *message, *own));
                let known = || self.ids.values().flatten().find(|fact| fact.message == *message);
                let id_fact = added.or_else(|| Some(IdFact { own: *own, ..known()?.clone() }));
                self.ids.entry(*key).or_default().extend(id_fact);
            }
            Change::ExtendThread { thread, participants, thread_index } => {
                if let Some(fact) = self.threads.get_mut(thread) {
                    fact.participants.extend(participants.iter().cloned());
                }
                if let Some(guid) = thread_index {
                    self.thread_indexes.entry(*guid).or_default().push(*thread);
                }
            }
            Change::TrackThread { thread, connection, .. }
            | Change::ReopenThread { thread, connection } => {
                if let Some(fact) = self.threads.get_mut(thread) {
                    fact.sync = Sync::Tracked;
                    fact.connection = Some(*connection);
                }
            }
            Change::Keep { key, user } => {
                if let Some(private) = self.private.get_mut(key) {
                    private.retain(|fact| fact.user != Some(*user));
                }
            }
            Change::MergeThread { from, into, .. } => self.merge(*from, *into),
            Change::SeenAt { message, door } => {
                for fact in self.facts_of(*message) {
                    fact.doors = fact.doors.with(*door);
                }
            }
        }
    }

    fn facts_of(&mut self, message: StoredMessageId) -> impl Iterator<Item = &mut IdFact> {
        self.ids.values_mut().flatten().filter(move |fact| fact.message == message)
    }

    fn add_thread(&mut self, thread: &Thread) {
        if let Some(guid) = thread.thread_index {
            self.thread_indexes.entry(guid).or_default().push(thread.id);
        }
        let fact = ThreadFact {
            conversation: thread.conversation_id,
            participants: thread.participants.clone(),
            created_at: thread.created_at,
            sync: thread.connection.map_or(Sync::None, |_| Sync::Tracked),
            connection: thread.connection,
        };
        self.threads.insert(thread.id, fact);
    }

    fn merge(&mut self, from: ThreadId, into: ThreadId) {
        for fact in self.ids.values_mut().flatten().filter(|fact| fact.thread == from) {
            fact.thread = into;
        }
        for threads in self.thread_indexes.values_mut() {
            threads.iter_mut().filter(|thread| **thread == from).for_each(|thread| *thread = into);
        }
        if let Some(gone) = self.threads.remove(&from)
            && let Some(fact) = self.threads.get_mut(&into)
        {
            fact.participants.extend(gone.participants);
        }
    }
}

/// What is known through an id of the message that a change adds.
fn id_fact(change: &Change, id: StoredMessageId, own: bool) -> Option<IdFact> {
    let Change::AddMessage(message) = change else { return None };
    if message.id != id {
        return None;
    }
    Some(IdFact {
        own,
        message: id,
        thread: message.thread_id?,
        conversation: message.conversation_id?,
        from: message.from.as_ref().map(|from| from.email.normal().to_owned()),
        date: message.date,
        text_hash: message.text_hash,
        doors: message.doors,
        forwarded: message.forwarded,
        lacks_copy: false,
    })
}
