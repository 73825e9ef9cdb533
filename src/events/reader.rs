//! One reader of a sub-account's events: what is held in memory when it keeps up, the store when it is
//! behind. It holds one event at a time, so that a slow reader costs no more than a quick one.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio_util::sync::CancellationToken;

use super::Error;
use super::ring::{After, Frame};
use super::tail::Tail;
use crate::model::EventType;
use crate::store::StoredEvent;

/// Events that a reader who is behind takes from the store at once; their objects are read one by one.
const PAGE: u32 = 64;

/// The types that a reader wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Types(u32);

impl Types {
    /// Every type.
    pub const ALL: Self = Self(u32::MAX);

    /// Those of a list; every type for an empty one.
    pub fn of(types: &[EventType]) -> Self {
        if types.is_empty() {
            return Self::ALL;
        }
        Self(types.iter().fold(0, |all, event_type| all | Self::bit(*event_type)))
    }

    /// Is it among them?
    pub const fn contains(self, event_type: EventType) -> bool {
        self.0 & Self::bit(event_type) != 0
    }

    const fn bit(event_type: EventType) -> u32 {
        1 << event_type as u32
    }
}

/// An event that is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub position: i64,
    pub event_type: EventType,
    /// `{type, timestamp, data}`.
    pub text: Arc<str>,
}

/// A reader, at its position.
pub struct Reader {
    tail: Arc<Tail>,
    types: Types,
    position: i64,
    changes: watch::Receiver<i64>,
    /// What was read ahead from the store; object by object it is told.
    ahead: VecDeque<StoredEvent>,
    closed: CancellationToken,
    _places: [OwnedSemaphorePermit; 2],
}

impl Reader {
    pub(super) fn new(
        tail: Arc<Tail>,
        types: Types,
        position: i64,
        closed: CancellationToken,
        places: [OwnedSemaphorePermit; 2],
    ) -> Self {
        let changes = tail.changes();
        Self { tail, types, position, changes, ahead: VecDeque::new(), closed, _places: places }
    }

    /// Everything up to here was told, or is not wanted.
    pub const fn position(&self) -> i64 {
        self.position
    }

    /// The next event; `None` when the gateway stops. It may be given up while it waits: nothing is
    /// passed over that was not told.
    pub async fn next(&mut self) -> Result<Option<Told>, Error> {
        let closed = self.closed.clone();
        loop {
            let frame = match closed.run_until_cancelled(self.frame()).await {
                None => return Ok(None),
                Some(frame) => frame?,
            };
            self.position = frame.position;
            let is_wanted = self.types.contains(frame.event_type);
            if let (Some(text), true) = (frame.told, is_wanted) {
                let (position, event_type) = (frame.position, frame.event_type);
                return Ok(Some(Told { position, event_type, text }));
            }
        }
    }

    /// The event behind the position, whether or not it is wanted.
    async fn frame(&mut self) -> Result<Frame, Error> {
        loop {
            self.changes.mark_unchanged();
            if let Some(event) = self.next_ahead() {
                let event = event.clone();
                return self.stored_frame(&event).await;
            }
            match self.tail.after(self.position) {
                After::Next(frame) => return Ok(frame),
                After::Elsewhere => self.read_ahead().await?,
                // The sender lives in the tail, which this reader holds.
                After::Nothing => self.changes.changed().await.unwrap_or(()),
            }
        }
    }

    /// The event behind the position, if it was read ahead.
    fn next_ahead(&mut self) -> Option<&StoredEvent> {
        let position = self.position;
        while self.ahead.pop_front_if(|event| event.position <= position).is_some() {}
        self.ahead.front()
    }

    async fn read_ahead(&mut self) -> Result<(), Error> {
        let source = &self.tail.source;
        let events = source.store.events_after(self.tail.of, self.position, PAGE).await?;
        if events.is_empty() {
            // They expired, or the sub-account is gone: there is nothing to tell until there is more.
            self.position = self.tail.last();
        }
        self.ahead = events.into();
        Ok(())
    }

    async fn stored_frame(&self, event: &StoredEvent) -> Result<Frame, Error> {
        if self.types.contains(event.event_type) {
            return self.tail.source.frame(self.tail.of, event).await;
        }
        let (position, event_type) = (event.position, event.event_type);
        Ok(Frame { position, event_type, told: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_types_are_all_types() {
        for event_type in EventType::ALL {
            assert!(Types::of(&[]).contains(event_type));
            let one = Types::of(&[event_type]);
            let count = EventType::ALL.iter().filter(|it| one.contains(**it)).count();
            assert_eq!((count, one.contains(event_type)), (1, true));
        }
    }
}
