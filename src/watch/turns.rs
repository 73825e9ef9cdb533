//! Who may sign in now: at each server so many at once. A thousand mailboxes do not come back in one second,
//! and a server that does not answer keeps nobody from another. Where one of them is let in after an outage,
//! the others wait no longer (F14).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Duration, Instant, sleep, timeout_at};

use crate::clock;
use crate::model::Host;

/// Sign-ins under way at once at one server, with the renewal of their tokens.
const SIGN_INS_MAX: usize = 32;
/// Who is called because a server is back comes within this time, each at another moment.
const CALLED_WITHIN: Duration = Duration::from_secs(90);
/// A server calls so often at most: whose mailbox alone fails there is tried rarely all the same (F6).
const CALL_AGAIN: Duration = Duration::from_secs(600);

/// The turns at all servers.
#[derive(Default)]
pub struct Turns {
    // A mutex: it is held for a look-up only.
    hosts: Mutex<BTreeMap<String, Weak<Place>>>,
}

/// One server.
struct Place {
    turns: Arc<Semaphore>,
    /// Told when it let somebody in.
    back: Notify,
    // A mutex: it is held for a line.
    called_at: Mutex<Option<Instant>>,
}

/// A turn at a server.
pub struct Turn {
    place: Arc<Place>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Turn {
    /// It let us in: who waits there for the end of an outage is called.
    pub fn succeeded(self) {
        let mut called_at = self.place.called_at.lock().unwrap_or_else(PoisonError::into_inner);
        if called_at.is_none_or(|at| at.elapsed() >= CALL_AGAIN) {
            *called_at = Some(Instant::now());
            self.place.back.notify_waiters();
        }
    }
}

impl Turns {
    /// Waits for a turn at a server, which lasts as long as the answer is kept.
    pub async fn of(&self, host: &Host) -> Turn {
        let place = self.at(host);
        // Nobody closes it, so that there always is one.
        let permit = Arc::clone(&place.turns).acquire_owned().await.ok();
        Turn { place, _permit: permit }
    }

    /// Waits so long, or until the server lets somebody else in.
    pub async fn wait(&self, host: &Host, time: Duration) {
        let until = Instant::now() + time;
        let place = self.at(host);
        if timeout_at(until, place.back.notified()).await.is_ok() {
            let left = until.saturating_duration_since(Instant::now()).min(CALLED_WITHIN);
            sleep(left.mul_f64(f64::from(clock::seed() as u16) / f64::from(u16::MAX))).await;
        }
    }

    fn at(&self, host: &Host) -> Arc<Place> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = format!("{}:{}", host.name.to_ascii_lowercase(), host.port);
        if let Some(place) = hosts.get(&key).and_then(Weak::upgrade) {
            return place;
        }
        // Where nobody signs in and nobody waits, nothing is remembered.
        hosts.retain(|_, place| place.strong_count() > 0);
        let place = Arc::new(Place {
            turns: Arc::new(Semaphore::new(SIGN_INS_MAX)),
            back: Notify::new(),
            called_at: Mutex::default(),
        });
        hosts.insert(key, Arc::downgrade(&place));
        place
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_server_that_does_not_answer_keeps_nobody_from_another() {
        let turns = Turns::default();
        let [dead, good] = ["dead.example:993", "good.example:993"].map(|it| it.parse().unwrap());
        let take = |host| turns.of(host).now_or_never();
        let held: Vec<_> = (0..SIGN_INS_MAX).map(|_| take(&dead).unwrap()).collect();
        assert!(take(&dead).is_none());
        assert!(take(&good).is_some());
        drop(held);
        assert!(take(&dead).is_some());
        assert!(turns.hosts.lock().unwrap().len() <= 2);
    }

    #[tokio::test]
    async fn who_waits_is_called_once_one_is_let_in_and_not_each_time() {
        let turns = Turns::default();
        let host = "back.example:993".parse().unwrap();
        let (all, soon) = (Duration::from_secs(6), Duration::from_millis(50));
        let wait = async || {
            let began = Instant::now();
            turns.wait(&host, all).await;
            began.elapsed()
        };
        let waiting = futures_util::future::join_all((0..100).map(|_| wait()));
        let lets_in = async {
            sleep(soon).await;
            turns.of(&host).await.succeeded();
            let again = async {
                sleep(soon).await;
                turns.of(&host).await.succeeded();
            };
            tokio::join!(wait(), again).0
        };
        let (ends, again) = tokio::join!(waiting, lets_in);
        let early = ends.iter().filter(|it| **it < all / 2).count();
        assert!((10..90).contains(&early), "they are called, and spread: {ends:?}");
        assert!(again >= all, "whose mailbox alone fails there is not called each time");
    }
}
