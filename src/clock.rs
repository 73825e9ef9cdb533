//! The clock and the source of randomness: the drivers ask here, the pure parts are handed the answer.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::Time;

/// Now.
#[expect(clippy::disallowed_methods, reason = "this is the one place that asks the clock")]
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// A seed for ids that nobody can guess.
#[expect(clippy::disallowed_methods, reason = "this is the one place that asks for randomness")]
pub fn seed() -> u128 {
    rand::random()
}

/// Bytes that nobody can guess: keys, tokens, addresses.
#[expect(clippy::disallowed_methods, reason = "this is the one place that asks for randomness")]
pub fn random_bytes<const LENGTH: usize>() -> [u8; LENGTH] {
    rand::random()
}
