//! Answers of writing calls, kept for a day so that a call repeated with its key is done once.

use super::value::values;
use super::{Result, Store};
use crate::model::{SubAccountId, Time};

statements! {
    REMOVE_STALE_ANSWER = "delete from idempotency where sub_account = $1 and key = $2
        and (created_at < $3 or (status = 0 and created_at < $4))";
    RESERVE_KEY = "insert into idempotency
        (sub_account, key, request_hash, status, body, created_at)
        values ($1, $2, $3, 0, '', $4) on conflict do nothing";
    ANSWER = "select request_hash, status, body from idempotency
        where sub_account = $1 and key = $2";
    KEEP_ANSWER = "update idempotency set status = $3, body = $4
        where sub_account = $1 and key = $2";
    RELEASE_KEY = "delete from idempotency where sub_account = $1 and key = $2 and status = 0";
}

/// How long an answer is kept, in seconds.
const KEPT_SECONDS: i64 = 24 * 3600;
/// After so many seconds without an answer, a call was cut off: it is not running any more.
const RUNNING_SECONDS_MAX: i64 = 300;

/// What is known of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reservation {
    /// Nothing; it is the caller's now, until [`Store::keep_answer`] or [`Store::release_key`].
    New,
    /// The call is running.
    Running,
    /// It was answered so.
    Answered { status: i64, body: String },
    /// It was used for another request.
    OtherRequest,
}

impl Store {
    /// Takes the key for a request, unless it was taken before.
    pub async fn reserve_key(
        &self,
        of: SubAccountId,
        key: &str,
        request_hash: [u8; 32],
        now: Time,
    ) -> Result<Reservation> {
        let (oldest, cut_off) =
            (now.plus_seconds(-KEPT_SECONDS), now.plus_seconds(-RUNNING_SECONDS_MAX));
        let mut tx = self.writer().await?;
        tx.execute(REMOVE_STALE_ANSWER, values![of, key, oldest, cut_off]).await?;
        if tx.execute(RESERVE_KEY, values![of, key, request_hash, now]).await? > 0 {
            tx.commit().await?;
            return Ok(Reservation::New);
        }
        let row: Option<(Vec<u8>, i64, String)> = tx.optional(ANSWER, values![of, key]).await?;
        Ok(match row {
            Some((hash, ..)) if hash != request_hash => Reservation::OtherRequest,
            Some((_, status, body)) if status > 0 => Reservation::Answered { status, body },
            _ => Reservation::Running,
        })
    }

    /// Keeps the answer to the request of a key.
    pub async fn keep_answer(
        &self,
        of: SubAccountId,
        key: &str,
        status: i64,
        body: String,
    ) -> Result<()> {
        let mut tx = self.writer().await?;
        tx.execute(KEEP_ANSWER, values![of, key, status, body]).await?;
        tx.commit().await
    }

    /// Gives a key back whose request came to nothing, so that it can be tried again.
    pub async fn release_key(&self, of: SubAccountId, key: &str) -> Result<()> {
        let mut tx = self.writer().await?;
        tx.execute(RELEASE_KEY, values![of, key]).await?;
        tx.commit().await
    }
}
