//! Who may sign in now: at each server so many at once. A thousand mailboxes do not come back in one second,
//! and a server that does not answer keeps nobody from another.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::model::Host;

/// Sign-ins under way at once at one server, with the renewal of their tokens.
const SIGN_INS_MAX: usize = 32;

/// The turns at all servers.
#[derive(Default)]
pub struct Turns {
    // A mutex: it is held for a look-up only.
    hosts: Mutex<BTreeMap<String, Weak<Semaphore>>>,
}

impl Turns {
    /// Waits for a turn at a server, which lasts as long as the answer is kept. `None` never comes: nobody
    /// closes it.
    pub async fn of(&self, host: &Host) -> Option<OwnedSemaphorePermit> {
        self.at(host).acquire_owned().await.ok()
    }

    fn at(&self, host: &Host) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = format!("{}:{}", host.name.to_ascii_lowercase(), host.port);
        if let Some(turns) = hosts.get(&key).and_then(Weak::upgrade) {
            return turns;
        }
        // Where nobody signs in and nobody waits, nothing is remembered.
        hosts.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(SIGN_INS_MAX));
        hosts.insert(key, Arc::downgrade(&turns));
        turns
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
        let take = |host| turns.of(host).now_or_never().flatten();
        let held: Vec<_> = (0..SIGN_INS_MAX).map(|_| take(&dead).unwrap()).collect();
        assert!(take(&dead).is_none());
        assert!(take(&good).is_some());
        drop(held);
        assert!(take(&dead).is_some());
        assert!(turns.hosts.lock().unwrap().len() <= 2);
    }
}
