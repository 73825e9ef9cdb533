//! Events out: what the store wrote in the order of commits is told to those who listen, at once. The
//! [`Hub`] serves streams: one tail of a sub-account's events for all its readers. The [`Driver`] works off
//! the queues of webhooks.
//!
//! An event names its object. What is told is the object as it is when it is told, in the API's own
//! form; what was erased meanwhile is told as nothing.

mod driver;
mod hub;
mod reader;
mod retry;
mod ring;
mod tail;
mod webhook;

use futures_util::future::BoxFuture;
use uuid::Uuid;

use crate::model::{EventType, SubAccountId, Time};
use crate::store::{self, StoredEvent};

pub use driver::Driver;
pub use hub::{Hub, Limits, Refused, Start};
pub use reader::{Reader, Told, Types};
pub use webhook::{BadUrl, Client, secret_place};

/// Why an event is not told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    /// It may be read in a while.
    #[error("what it is about cannot be read just now")]
    Busy,
    /// It will not be read, however often it is tried; why is in the log.
    #[error("what it is about cannot be read")]
    Unreadable,
}

impl Error {
    /// Will it do any good to try again later?
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Store(error) => error.is_transient(),
            Self::Busy => true,
            Self::Unreadable => false,
        }
    }
}

/// The form in which the API shows objects: whoever serves the API has it.
pub trait Objects: Send + Sync {
    /// The JSON of the object that events of this type are about; `None` when it is gone.
    fn object(
        &self,
        of: SubAccountId,
        event_type: EventType,
        id: Uuid,
    ) -> BoxFuture<'_, Result<Option<String>, Error>>;
}

/// What is told of an event: `{type, timestamp, data}` on one line; `None` when its object is gone.
pub(crate) async fn tell(
    objects: &dyn Objects,
    of: SubAccountId,
    event: &StoredEvent,
) -> Result<Option<String>, Error> {
    let Some(id) = event.object_id else { return Ok(None) };
    let data = objects.object(of, event.event_type, id).await?;
    Ok(data.map(|data| payload(event.event_type, event.at, &data)))
}

/// Names of types and times need no escapes.
fn payload(event_type: EventType, at: Time, data: &str) -> String {
    let (name, timestamp) = (event_type.name(), at.to_rfc3339());
    format!("{{\"type\":\"{name}\",\"timestamp\":\"{timestamp}\",\"data\":{data}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_of_json() {
        let text = payload(EventType::MessageFiled, Time::from_seconds(0), "{\"id\":1}");
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["type"], "message.filed");
        assert_eq!(json["timestamp"], "1970-01-01T00:00:00.000Z");
        assert_eq!(json["data"]["id"], 1);
    }
}
