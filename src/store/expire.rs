//! What goes by itself when its time is over: held mail after 30 days (B13), traces of mail that was
//! never stored, and of what it named (T1), answers kept for their repetition.

use uuid::Uuid;

use super::value::values;
use super::{Result, Store};
use crate::model::Time;

statements! {
    OVERDUE = "select sub_account, id, stored_message_id from verdicts \
        where expires_at is not null and expires_at <= $1 order by expires_at limit 500";
    REMOVE_ATTACHMENTS = "delete from attachments \
        where (sub_account, message_id) in {rows uuid uuid}";
    /// Of what was filed once, and taken back.
    REMOVE_WORDS = "delete from search_messages \
        where (sub_account, message_id) in {rows uuid uuid}";
    REMOVE_MESSAGES = "delete from messages \
        where (sub_account, id) in {rows uuid uuid} and state = 'held'";
    /// What was discarded stays so; it only cannot be taken back any more.
    EXPIRE = "update verdicts set expires_at = null, recheck_at = null, stored_message_id = null, \
            reason = case when outcome = 'held' then 'expired' else reason end \
        where (sub_account, id) in {rows uuid uuid}";
    FORGET = "delete from verdicts where expires_at <= $1 and reason = 'not_a_crm_thread'";
    /// What a first catch-up named is over at once: some thousands, and the rest the next time.
    FORGET_NAMED = "delete from unclaimed where (sub_account, key, connection_id) in \
        (select sub_account, key, connection_id from unclaimed \
            where expires_at <= $1 order by expires_at limit 5000)";
    FORGET_LINKS = "delete from sign_in_links where expires_at <= $1";
    FORGET_ADDRESS_LINKS = "delete from address_links where expires_at <= $1";
    FORGET_SESSIONS = "delete from sessions where expires_at <= $1";
    FORGET_ANSWERS = "delete from idempotency where created_at < $1";
}

/// Answers of writing calls are repeated for so long.
const ANSWERS_KEPT_SECONDS: i64 = 24 * 3_600;

impl Store {
    /// Removes what is held, or kept to be taken back, beyond its time. Answers how many mails went;
    /// at most 500 at once: ask again until none do.
    pub async fn expire_held(&self, now: Time) -> Result<usize> {
        let mut tx = self.writer().await?;
        tx.execute(FORGET, values![now]).await?;
        tx.execute(FORGET_NAMED, values![now]).await?;
        let overdue: Vec<(Uuid, Uuid, Option<Uuid>)> = tx.all(OVERDUE, values![now]).await?;
        let messages: Vec<_> = overdue
            .iter()
            .filter_map(|(of, _, message)| message.map(|message| values![*of, message]))
            .flatten()
            .collect();
        tx.execute_rows(REMOVE_ATTACHMENTS, messages.clone()).await?;
        tx.execute_rows(REMOVE_WORDS, messages.clone()).await?;
        tx.execute_rows(REMOVE_MESSAGES, messages).await?;
        let verdicts = overdue.iter().flat_map(|(of, id, _)| values![*of, *id]).collect();
        tx.execute_rows(EXPIRE, verdicts).await?;
        tx.commit().await?;
        Ok(overdue.len())
    }

    /// Removes answers of writing calls that are too old to be repeated, and sign-in links and
    /// sessions that have run out.
    pub async fn expire_answers(&self, now: Time) -> Result<u64> {
        let mut tx = self.writer().await?;
        let before = now.plus_seconds(-ANSWERS_KEPT_SECONDS);
        let removed = tx.execute(FORGET_ANSWERS, values![before]).await?;
        tx.execute(FORGET_LINKS, values![now]).await?;
        tx.execute(FORGET_ADDRESS_LINKS, values![now]).await?;
        tx.execute(FORGET_SESSIONS, values![now]).await?;
        tx.commit().await?;
        Ok(removed)
    }
}
