//! Webhooks: where a CRM is told of events, and what became of each event there.

use super::{EventId, EventType, Time, WebhookId};

/// A place where events are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    pub id: WebhookId,
    pub url: String,
    /// What it is told; empty for every type.
    pub types: Vec<EventType>,
    /// Attempts that failed in a row.
    pub failures: u32,
    /// No attempt is made before.
    pub rests_until: Time,
    /// Events that wait to be told.
    pub pending: i64,
    pub created_at: Time,
}

/// One event on its way to one webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The event's: it is the same however often it is delivered.
    pub id: EventId,
    pub event_type: EventType,
    pub state: DeliveryState,
    pub attempts: u32,
    /// What the last attempt was answered.
    pub status: Option<u16>,
    /// What went wrong with the last attempt.
    pub error: Option<String>,
    pub attempted_at: Option<Time>,
    pub next_attempt_at: Option<Time>,
}

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// It is attempted, at once or again.
    Pending,
    /// It was answered with 2xx.
    Delivered,
    /// It was attempted for as long as it is.
    Failed,
    /// There was nothing to tell any more: the object is gone.
    Dropped,
}

impl DeliveryState {
    /// Its name in the API and the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }

    /// The state of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::Failed, Self::Dropped]
            .into_iter()
            .find(|state| state.name() == name)
    }
}
