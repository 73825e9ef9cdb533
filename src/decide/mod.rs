//! Policy: facts and a mail in, a decision out. Pure: no IO, no clock, no randomness.
//!
#![doc = include_str!("rules.md")]

mod case;
pub mod facts;
pub mod files;
mod filing;
pub mod ingest;
mod people;
mod plan;
mod same;
pub mod send;
mod sender;
pub mod submission;
mod thread;
pub mod track;

pub use facts::{Facts, Question};
pub use ingest::ingest;
pub use send::send;
pub use submission::{Again, Fetched, Found, Submission};
pub use track::{Part, Tracked, track};

use crate::model::{
    ConnectionId, Contact, ContactId, Conversation, ConversationId, Door, Event, Message,
    MessageKey, Outgoing, RecipientReport, StoredMessageId, SubAccountId, Thread, ThreadId, Time,
    UserId, Verdict,
};

/// What is to become true because of one mail in one sub-account.
#[derive(Clone, Debug)]
pub struct Decision {
    pub sub_account: SubAccountId,
    pub verdict: Verdict,
    pub changes: Vec<Change>,
    pub events: Vec<Event>,
}

/// One change to the store. Merges are written in their order; of the others the store chooses it.
#[derive(Clone, Debug)]
pub enum Change {
    AddContact(Contact),
    AddConversation(Conversation),
    AddThread(Thread),
    /// The message, its files, and that its conversation has one more (unless it is held).
    AddMessage(Box<Message>),
    /// The message has this id (`own`), or names it. `first`: no other message has it as its own; the
    /// store refuses a second first.
    AddAlias {
        key: MessageKey,
        message: StoredMessageId,
        own: bool,
        first: bool,
    },
    /// The message is listed with this contact too (B4).
    LinkContact {
        contact: ContactId,
        message: StoredMessageId,
    },
    /// These addresses (normal forms) are on the thread, too; and its Thread-Index, when it had none.
    ExtendThread {
        thread: ThreadId,
        participants: Vec<String>,
        thread_index: Option<[u8; 16]>,
    },
    /// Two threads of one conversation are one (T2).
    MergeThread {
        from: ThreadId,
        into: ThreadId,
        conversation: ConversationId,
    },
    /// The thread is tracked in this connection from now on; `search`: what was in the mailbox before is
    /// to be looked for (T10).
    TrackThread {
        thread: ThreadId,
        connection: ConnectionId,
        search: bool,
    },
    /// The thread had stopped with another connection; it goes on in this one.
    ReopenThread {
        thread: ThreadId,
        connection: ConnectionId,
    },
    /// A mail that was seen in the user's mailbox and not kept is kept after all: the verdict that said
    /// otherwise goes (V1).
    Keep {
        key: MessageKey,
        user: UserId,
    },
    /// A mail in a mailbox that is not kept names an id, here by its keyed hash (T1).
    Name {
        key: MessageKey,
        connection: ConnectionId,
        until: Time,
    },
    /// The message brings an id to its thread, by its keyed hash: what named it before, in whichever mailbox,
    /// is to be looked for (T2, T10).
    Claim {
        key: MessageKey,
        message: StoredMessageId,
    },
    /// The mail is in a user's Sent folder: if it is held as unverified, it is judged again (B2).
    AskAgain {
        key: MessageKey,
        at: Time,
    },
    /// The Sent copy of what the CRM sent was seen: it is sent, whatever was known before (S5).
    SentCopySeen {
        message: StoredMessageId,
        /// The server gave it another id (S7).
        is_renamed: bool,
    },
    /// A delivery report says that the message did not arrive (B8).
    Bounced {
        message: StoredMessageId,
        report: Vec<RecipientReport>,
        at: Time,
    },
    /// The message is to be sent.
    Enqueue(Box<Outgoing>),
    /// A stored message was seen by one more way (B9).
    SeenAt {
        message: StoredMessageId,
        door: Door,
    },
}
