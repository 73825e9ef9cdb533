//! Messages as the store keeps them: what the headers say; text and files are read from the raw mail.

use super::{
    AttachmentId, ConversationId, Doors, MessageId, Person, StoredMessageId, ThreadId, Time, UserId,
};

/// Which way a mail went, seen from the sub-account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Inbound,
    Outbound,
}

impl Direction {
    /// Its name in the API and the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }

    /// The value of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Inbound, Self::Outbound].into_iter().find(|direction| direction.name() == name)
    }
}

/// What sort of mail it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Mail,
    AutoReply,
    DeliveryReport,
}

impl Kind {
    /// Its name in the API and the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::AutoReply => "auto_reply",
            Self::DeliveryReport => "delivery_report",
        }
    }

    /// The value of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Mail, Self::AutoReply, Self::DeliveryReport]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// Where a stored mail stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// In a conversation.
    Filed,
    /// In a conversation, shown as left out for its attachment (A2).
    Skipped,
    /// Waits for somebody (or was discarded and can be taken back) until it expires (B13).
    Held,
}

impl State {
    /// Its name in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Filed => "filed",
            Self::Skipped => "skipped",
            Self::Held => "held",
        }
    }

    /// The value of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Filed, Self::Skipped, Self::Held].into_iter().find(|state| state.name() == name)
    }
}

/// One e-mail, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub id: StoredMessageId,
    pub state: State,
    /// `None` while held.
    pub conversation_id: Option<ConversationId>,
    /// `None` while held.
    pub thread_id: Option<ThreadId>,
    pub message_id: MessageId,
    pub in_reply_to: Vec<MessageId>,
    pub references: Vec<MessageId>,
    /// `None` while held for a sender whose place is not known.
    pub direction: Option<Direction>,
    pub kind: Kind,
    /// `None` when the mail has no author that could be read.
    pub from: Option<Person>,
    pub to: Vec<Person>,
    pub cc: Vec<Person>,
    pub subject: String,
    /// The sender's date, when it has one that a calendar holds.
    pub date: Option<Time>,
    /// The time it is ordered by: when it was received, or for imported and forwarded mail its date.
    pub at: Time,
    pub doors: Doors,
    /// The user whose mail it is: the actor, or the owner of the smart BCC address.
    pub user_id: Option<UserId>,
    /// SHA-256 of the normalised text, by which two copies of one mail are known (B9).
    pub text_hash: [u8; 32],
    /// It carries a Message-ID that another mail has too (B9).
    pub id_conflict: bool,
    /// It was taken from the body of a forward (B6): what is shown comes after the forward's header block.
    pub forwarded: bool,
    /// Its files, in order.
    pub attachments: Vec<Attachment>,
}

impl Message {
    /// Whose mail it is, if it was taken from a forward.
    pub fn forwarded_of(&self) -> Option<&Person> {
        self.from.as_ref().filter(|_| self.forwarded)
    }
}

/// Is a file there?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    Stored,
    LeftOut,
}

impl FileState {
    /// Its name in the API and the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::LeftOut => "left_out",
        }
    }
}

/// A file of a message, or its tombstone. Its bytes are read from the raw mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    pub id: AttachmentId,
    /// Which file of the mail it is: its index in `mail::Email::files`.
    pub position: u32,
    /// As the mail names it, without control characters; shown, never a path.
    pub file_name: String,
    pub content_type: String,
    /// Decoded bytes.
    pub size: u64,
    pub sha256: [u8; 32],
    pub inline: bool,
    pub state: FileState,
    /// Why it was left out: `attachment_too_large`, `type_not_allowed`.
    pub reason: Option<&'static str>,
}
