//! The tail of one sub-account's events: read once from the store and made into what is told once,
//! however many readers there are. It lives as long as it has a reader.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::ring::{After, Frame, Ring};
use super::{Error, Objects, tell};
use crate::model::SubAccountId;
use crate::store::{Store, StoredEvent};

/// Events read at once.
const PAGE: u32 = 64;
/// Before the store is asked again after it failed.
const PAUSE: Duration = Duration::from_secs(1);

/// What the readers of a sub-account share.
pub(super) struct Tail {
    pub of: SubAccountId,
    pub source: Source,
    /// Bounds its readers.
    pub places: Arc<Semaphore>,
    /// The latest position, for those who wait for the next.
    last: watch::Sender<i64>,
    // A mutex: held for as long as a frame is put or taken, never while waiting.
    ring: Mutex<Ring>,
    news: Arc<Notify>,
    /// Ends the task with the last reader.
    _task: DropGuard,
}

/// Where events and what they are about are read.
#[derive(Clone)]
pub(super) struct Source {
    pub store: Arc<Store>,
    pub objects: Arc<dyn Objects>,
}

impl Source {
    /// An event as it is told. What cannot be read for good is told as nothing, so that it does not
    /// stand in the way of those behind it.
    pub async fn frame(&self, of: SubAccountId, event: &StoredEvent) -> Result<Frame, Error> {
        let told = match tell(self.objects.as_ref(), of, event).await {
            Ok(told) => told,
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => {
                tracing::error!(code = "event_not_told", event.id = %event.id, %error,
                    "Event {} cannot be told.", event.id);
                None
            }
        };
        let told = told.map(Arc::from);
        Ok(Frame { position: event.position, event_type: event.event_type, told })
    }
}

impl Tail {
    /// Starts to follow the events behind that position.
    pub fn start(
        of: SubAccountId,
        source: Source,
        last: i64,
        bytes: usize,
        readers: usize,
    ) -> Arc<Self> {
        let ended = CancellationToken::new();
        let news = Arc::new(Notify::new());
        let tail = Arc::new(Self {
            of,
            source,
            places: Arc::new(Semaphore::new(readers)),
            last: watch::Sender::new(last),
            ring: Mutex::new(Ring::new(last, bytes)),
            news: Arc::clone(&news),
            _task: ended.clone().drop_guard(),
        });
        tokio::spawn(follow(Arc::downgrade(&tail), news, ended));
        // What was committed between the look at the position and now.
        tail.wake();
        tail
    }

    /// There may be more events.
    pub fn wake(&self) {
        self.news.notify_one();
    }

    /// Objects were erased: what is held may tell them.
    pub fn forget(&self) {
        self.ring().forget();
        self.wake();
    }

    /// The position of the latest event that was read.
    pub fn last(&self) -> i64 {
        *self.last.borrow()
    }

    /// Says when there is more.
    pub fn changes(&self) -> watch::Receiver<i64> {
        self.last.subscribe()
    }

    /// What follows that position.
    pub fn after(&self, position: i64) -> After {
        self.ring().after(position)
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a page of what is new; answers whether there may be more.
    async fn read_on(&self) -> Result<bool, Error> {
        let (last, generation) = self.ring().last();
        let events = self.source.store.events_after(self.of, last, PAGE).await?;
        for event in &events {
            let frame = self.source.frame(self.of, event).await?;
            if !self.ring().push(frame, generation) {
                return Ok(true);
            }
            self.last.send_replace(event.position);
        }
        Ok(!events.is_empty())
    }
}

/// Reads on whenever there is news, until the tail is dropped.
async fn follow(tail: Weak<Tail>, news: Arc<Notify>, ended: CancellationToken) {
    while ended.run_until_cancelled(news.notified()).await.is_some() {
        while let Some(tail) = tail.upgrade() {
            match tail.read_on().await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(code = "events_not_read", %error, "Events could not be read; they are read again.");
                    drop(tail);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}
