//! Private mail that answers mails which nobody here has seen yet. Such a mail may come a moment later, in
//! another folder, and be of a CRM thread: the order of arrival changes nothing (T2). What was named is
//! remembered for a while, by key and in memory alone, so that it is searched for then.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::model::{MessageKey, Time};

/// So many ids are remembered of one connection.
const KEYS_MAX: usize = 2_000;
/// So long.
const SECONDS_MAX: i64 = 3_600;

/// The ids that were named lately.
#[derive(Debug, Default)]
pub struct Unclaimed {
    /// Both sessions of a connection look here, within the store's lock and without waiting.
    named: Mutex<VecDeque<(Time, MessageKey)>>,
}

impl Unclaimed {
    /// A private mail names these.
    pub fn note(&self, keys: impl Iterator<Item = MessageKey>, now: Time) {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        named.extend(keys.map(|key| (now, key)));
        let oldest = now.plus_seconds(-SECONDS_MAX);
        while named.len() > KEYS_MAX || named.front().is_some_and(|(at, _)| *at < oldest) {
            named.pop_front();
        }
    }

    /// Was one of these named?
    pub fn has(&self, keys: &[MessageKey]) -> bool {
        let named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        named.iter().any(|(_, key)| keys.contains(key))
    }

    /// These are in a thread now, and what named them is searched for.
    pub fn forget(&self, keys: &[MessageKey]) {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        named.retain(|(_, key)| !keys.contains(key));
        if named.is_empty() {
            // Thousands of connections wait, and hardly one has anything here.
            *named = VecDeque::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> MessageKey {
        MessageKey([n; 16])
    }

    #[test]
    fn what_was_named_is_known_until_it_is_claimed_or_old() {
        let unclaimed = Unclaimed::default();
        let now = Time::from_seconds(1_000_000);
        unclaimed.note([key(1), key(2), key(1)].into_iter(), now);
        assert!(!unclaimed.has(&[key(3)]));
        assert!(unclaimed.has(&[key(3), key(1)]));
        unclaimed.forget(&[key(1)]);
        assert!(!unclaimed.has(&[key(1)]));
        unclaimed.note(std::iter::once(key(4)), now.plus_seconds(SECONDS_MAX + 1));
        assert!(!unclaimed.has(&[key(2)]));
        unclaimed.note((0..=255).cycle().take(10_000).map(key), now);
        assert!(unclaimed.named.lock().unwrap().len() <= KEYS_MAX);
    }
}
