//! Events: what the CRM is told, written in the transaction that made it true.

use uuid::Uuid;

use super::{EventId, Time};

/// The types of `GET /events` and of webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    ContactCreated,
    ConversationCreated,
    MessageFiled,
    MessageQueued,
    MessageSent,
    MessageFailed,
    MessageBounced,
    MailboxActive,
    MailboxNeedsReauth,
    MailboxDisconnected,
    VerdictHeld,
    ContactUnsubscribed,
}

impl EventType {
    /// Every type.
    pub const ALL: [Self; 12] = [
        Self::ContactCreated,
        Self::ConversationCreated,
        Self::MessageFiled,
        Self::MessageQueued,
        Self::MessageSent,
        Self::MessageFailed,
        Self::MessageBounced,
        Self::MailboxActive,
        Self::MailboxNeedsReauth,
        Self::MailboxDisconnected,
        Self::VerdictHeld,
        Self::ContactUnsubscribed,
    ];

    /// The type of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event_type| event_type.name() == name)
    }

    /// Its name in the API and the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ContactCreated => "contact.created",
            Self::ConversationCreated => "conversation.created",
            Self::MessageFiled => "message.filed",
            Self::MessageQueued => "message.queued",
            Self::MessageSent => "message.sent",
            Self::MessageFailed => "message.failed",
            Self::MessageBounced => "message.bounced",
            Self::MailboxActive => "mailbox.active",
            Self::MailboxNeedsReauth => "mailbox.needs_reauth",
            Self::MailboxDisconnected => "mailbox.disconnected",
            Self::VerdictHeld => "verdict.held",
            Self::ContactUnsubscribed => "contact.unsubscribed",
        }
    }
}

/// Something that became true. It names its object; the object is read when the event is told, so
/// that what was erased is not told any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub id: EventId,
    pub event_type: EventType,
    /// The contact, conversation, message, mailbox or verdict.
    pub object_id: Uuid,
    pub at: Time,
}
