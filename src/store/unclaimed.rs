//! Ids that private mail names and that nobody here has seen. Such a mail may come later, in another folder,
//! and be of a CRM thread: the order of arrival changes nothing (T2). What was named is kept by a keyed hash
//! alone, for as long as the verdicts on private mail are (T1), and searched for when it comes.
//!
//! It was remembered in memory for an hour once, two thousand ids a connection: a restart, or an outage after
//! which thousands of mails come at once, lost what it was for. Of each id there is one row for a mailbox,
//! however many of its mails name it.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::tx::Tx;
use super::value::{Value, values};
use super::{Error, Result};
use crate::model::{ConnectionId, MessageKey, StoredMessageId, SubAccountId, Time};

statements! {
    /// Named again a day later, it is kept for longer.
    NAME = "insert into unclaimed (sub_account, key, connection_id, expires_at) \
        select * from {rows uuid bytea uuid bigint} as added where column1 is not null \
        on conflict (sub_account, key, connection_id) do update \
            set expires_at = excluded.expires_at \
            where unclaimed.expires_at < excluded.expires_at - 86400000000";
    NAMED = "select unclaimed.sub_account, unclaimed.key, unclaimed.connection_id \
        from {rows uuid bytea} as asked cross join unclaimed \
        where unclaimed.sub_account = asked.column1 and unclaimed.key = asked.column2";
    FORGET = "delete from unclaimed where (sub_account, key) in {rows uuid bytea}";
    /// In mailboxes that are still connected, for threads that are followed.
    SEARCH = "insert into searches (sub_account, connection_id, thread_id, created_at) \
        select messages.sub_account, connections.id, messages.thread_id, max(added.column4) \
        from {rows uuid uuid uuid bigint} as added cross join connections cross join messages \
        cross join threads \
        where connections.sub_account = added.column1 and connections.id = added.column2 \
            and connections.state <> 'disconnected' \
            and messages.sub_account = added.column1 and messages.id = added.column3 \
            and threads.sub_account = messages.sub_account and threads.id = messages.thread_id \
            and threads.sync = 'tracked' \
        group by messages.sub_account, connections.id, messages.thread_id \
        on conflict (sub_account, connection_id, thread_id) do update \
            set created_at = excluded.created_at \
            where searches.created_at < excluded.created_at";
}

/// What private mail names in which mailbox, and until when that is kept.
pub(super) type Names = BTreeMap<(SubAccountId, MessageKey, ConnectionId), Time>;

/// Keeps what was named.
pub(super) async fn name(tx: &mut Tx<'_>, names: &Names) -> Result<()> {
    let rows = names.iter().flat_map(|((of, key, at), until)| values![*of, *key, *at, *until]);
    tx.execute_rows(NAME, rows.collect()).await.map(drop)
}

/// By which ids messages are known from now on.
pub(super) type Claims = BTreeMap<(SubAccountId, MessageKey), StoredMessageId>;

/// Has the threads of these messages searched for where one of their ids was named before (T10).
pub(super) async fn claim(tx: &mut Tx<'_>, claims: &Claims, now: Time) -> Result<()> {
    let asked = claims.keys().flat_map(|(of, key)| values![*of, *key]).collect();
    let found: Vec<(Uuid, Vec<u8>, Uuid)> = tx.all_of_rows(NAMED, asked).await?;
    let mut searches: Vec<Value> = Vec::new();
    let mut claimed = BTreeSet::new();
    for (of, key, connection) in found {
        let key: [u8; 16] =
            key.try_into().map_err(|_| Error::damaged("a key of another length"))?;
        let (of, key) = (SubAccountId(of), MessageKey(key));
        if let Some(message) = claims.get(&(of, key)) {
            searches.extend(values![of, connection, *message, now]);
        }
        claimed.insert((of, key));
    }
    let claimed = claimed.into_iter().flat_map(|(of, key)| values![of, key]);
    tx.execute_rows(FORGET, claimed.collect()).await?;
    tx.execute_rows(SEARCH, searches).await.map(drop)
}
