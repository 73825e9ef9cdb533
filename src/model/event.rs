//! Events: what the CRM is told, written in the transaction that made it true.

use uuid::Uuid;

use super::{EventId, Time};

/// The types of `GET /events` and of webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    ContactCreated,
    ConversationCreated,
    MessageFiled,
    VerdictHeld,
}

impl EventType {
    /// Its name in the API and the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ContactCreated => "contact.created",
            Self::ConversationCreated => "conversation.created",
            Self::MessageFiled => "message.filed",
            Self::VerdictHeld => "verdict.held",
        }
    }
}

/// Something that became true. It names its object; the object is read when the event is told, so
/// that what was erased is not told any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub id: EventId,
    pub event_type: EventType,
    /// The contact, conversation, message or verdict.
    pub object_id: Uuid,
    pub at: Time,
}
