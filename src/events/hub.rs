//! Where readers of events come to: it has one tail for each sub-account that is read, and wakes it when
//! there is news. News of this process come with the commit; what other processes write is looked for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Semaphore, broadcast};
use tokio_util::sync::CancellationToken;

use super::Objects;
use super::reader::{Reader, Types};
use super::tail::{Source, Tail};
use crate::model::SubAccountId;
use crate::store::{Error, News, Store};

/// Bounds of what readers cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Readers at once.
    pub readers: usize,
    /// Readers at once of one sub-account.
    pub readers_of_one: usize,
    /// Bytes of events that a tail holds for its readers.
    pub tail_bytes: usize,
    /// How often events of other processes are looked for.
    pub look_every: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            readers: 800,
            readers_of_one: 600,
            tail_bytes: 4 * 1_048_576,
            look_every: Duration::from_secs(1),
        }
    }
}

/// All who read events.
pub struct Hub {
    store: Arc<Store>,
    limits: Limits,
    places: Arc<Semaphore>,
    // A mutex: held while a tail is looked up, never while waiting.
    tails: Mutex<BTreeMap<SubAccountId, Weak<Tail>>>,
    closed: CancellationToken,
}

/// Where a reader starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With what is written from now on.
    Now,
    /// Behind the event at this position.
    After(i64),
}

/// Why there is no reader.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("there are as many readers as there may be")]
    Full,
    /// Events behind the position were removed, or there never was one at it.
    #[error("the events behind that position are not kept")]
    Gone,
    #[error(transparent)]
    Store(#[from] Error),
}

impl Hub {
    /// One without readers; [`Self::run`] keeps it going.
    pub fn new(store: Arc<Store>, limits: Limits) -> Self {
        Self {
            store,
            limits,
            places: Arc::new(Semaphore::new(limits.readers)),
            tails: Mutex::default(),
            closed: CancellationToken::new(),
        }
    }

    /// A new reader of a sub-account's events.
    pub async fn read(
        &self,
        of: SubAccountId,
        start: Start,
        types: Types,
        objects: Arc<dyn Objects>,
    ) -> Result<Reader, Refused> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Refused::Full)?;
        let bounds = self.store.event_bounds(of).await?;
        let position = match start {
            Start::Now => bounds.last,
            Start::After(position) if (bounds.first - 1..=bounds.last).contains(&position) => {
                position
            }
            Start::After(_) => return Err(Refused::Gone),
        };
        let tail = self.tail(of, bounds.last, objects);
        if position < bounds.last {
            // What was erased a moment ago may be held still: the news of it is on its way here.
            tail.forget();
        }
        let own = Arc::clone(&tail.places).try_acquire_owned().map_err(|_| Refused::Full)?;
        Ok(Reader::new(tail, types, position, self.closed.clone(), [place, own]))
    }

    /// How many readers there are.
    pub fn readers(&self) -> usize {
        self.limits.readers - self.places.available_permits()
    }

    fn tail(&self, of: SubAccountId, last: i64, objects: Arc<dyn Objects>) -> Arc<Tail> {
        let mut tails = self.tails();
        if let Some(tail) = tails.get(&of).and_then(Weak::upgrade) {
            return tail;
        }
        tails.retain(|_, tail| tail.strong_count() > 0);
        let source = Source { store: Arc::clone(&self.store), objects };
        let limits = self.limits;
        let tail = Tail::start(of, source, last, limits.tail_bytes, limits.readers_of_one);
        tails.insert(of, Arc::downgrade(&tail));
        tail
    }

    fn tails(&self) -> MutexGuard<'_, BTreeMap<SubAccountId, Weak<Tail>>> {
        self.tails.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn living(&self) -> Vec<Arc<Tail>> {
        self.tails().values().filter_map(Weak::upgrade).collect()
    }

    /// Wakes tails until it is told to stop; then all readers end.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut news = self.store.news();
        let mut look = tokio::time::interval(self.limits.look_every);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                news = news.recv() => self.hear(news),
                _ = look.tick() => self.look().await,
                () = stop.cancelled() => break,
            }
        }
        self.closed.cancel();
    }

    fn hear(&self, news: Result<News, broadcast::error::RecvError>) {
        let tail = |of| self.tails().get(&of).and_then(Weak::upgrade);
        match news {
            Ok(News::Written(of)) => {
                if let Some(tail) = tail(of) {
                    tail.wake();
                }
            }
            Ok(News::Forgotten(of)) => {
                if let Some(tail) = tail(of) {
                    tail.forget();
                }
            }
            // Some news was missed: it may have been of any of them.
            Err(_) => self.living().iter().for_each(|tail| tail.forget()),
        }
    }

    /// Looks for what other processes have written.
    async fn look(&self) {
        let tails: BTreeMap<SubAccountId, Arc<Tail>> =
            self.living().into_iter().map(|tail| (tail.of, tail)).collect();
        let Ok(lasts) = self.store.last_positions(tails.keys().copied()).await else { return };
        for (of, last) in lasts {
            if let Some(tail) = tails.get(&of).filter(|tail| tail.last() < last) {
                tail.wake();
            }
        }
    }
}
