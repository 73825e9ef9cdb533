//! Contacts, their conversations, and the threads inside them.

use std::collections::BTreeSet;

use super::{Address, ConnectionId, ContactId, ConversationId, ThreadId, Time};

/// An outside person, one per address per sub-account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    pub id: ContactId,
    pub email: Address,
    /// From the display name; never replaces what the CRM has (B4).
    pub name: Option<String>,
    /// What made it: `smart_bcc`, `import`, `api`.
    pub source: &'static str,
    pub created_at: Time,
}

/// The exchange with one contact; a contact has exactly one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    pub id: ConversationId,
    pub contact_id: ContactId,
    pub created_at: Time,
}

/// Is the thread followed in a mailbox?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    Tracked,
    Stopped,
    None,
}

impl Sync {
    /// Its name in the API and the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tracked => "tracked",
            Self::Stopped => "stopped",
            Self::None => "none",
        }
    }

    /// The value of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Tracked, Self::Stopped, Self::None].into_iter().find(|sync| sync.name() == name)
    }
}

/// A chain of messages joined by their ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    pub id: ThreadId,
    pub conversation_id: ConversationId,
    /// The subject of its first message.
    pub subject: String,
    /// The GUID in Outlook's Thread-Index, when a message carries one.
    pub thread_index: Option<[u8; 16]>,
    /// Normal forms of the addresses on its messages, at most [`PARTICIPANTS_MAX`].
    pub participants: BTreeSet<String>,
    /// The connection it is tracked in; `None` when it is not tracked.
    pub connection: Option<ConnectionId>,
    pub created_at: Time,
}

/// More people than this are not kept with a thread.
pub const PARTICIPANTS_MAX: usize = 1_000;
