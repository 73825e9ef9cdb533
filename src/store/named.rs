//! The ids that mails of a thread name (T2), when the mail that had them goes. Mail that goes takes the ids
//! it was known by along; those that others of its thread name stay the thread's, or a further answer to
//! it would belong to no thread any more.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::messages::json;
use super::record::ADD_ALIASES;
use super::tx::Tx;
use super::value::values;
use super::{Error, Result};
use crate::model::{MessageId, MessageKey, SubAccountId};

statements! {
    KEYS = "select aliases.key from {rows uuid uuid} as asked cross join aliases \
        where aliases.sub_account = asked.column1 and aliases.message_id = asked.column2";
    NAMING = "select messages.thread_id, messages.id, messages.in_reply_to, messages.reference_ids \
        from {rows uuid uuid} as asked cross join messages \
        where messages.sub_account = asked.column1 and messages.thread_id = asked.column2 \
            and messages.thread_id is not null order by messages.at, messages.id";
}

type Naming = (Uuid, Uuid, String, String);

/// The keys that lead to these messages. They are asked for before the messages go.
pub(super) async fn keys(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    messages: &[(Uuid,)],
) -> Result<BTreeSet<MessageKey>> {
    let asked = messages.iter().flat_map(|(message,)| values![of, *message]).collect();
    let rows: Vec<(Vec<u8>,)> = tx.all_of_rows(KEYS, asked).await?;
    let key = |(bytes,): (Vec<u8>,)| {
        let bytes = bytes.try_into().map_err(|_| Error::damaged("a key of another length"))?;
        Ok(MessageKey(bytes))
    };
    rows.into_iter().map(key).collect()
}

/// Attaches those of the keys that a thread's mails name to the first that does.
pub(super) async fn keep(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    threads: &[(Uuid,)],
    keys: &BTreeSet<MessageKey>,
) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let asked = threads.iter().flat_map(|(thread,)| values![of, *thread]).collect();
    let naming: Vec<Naming> = tx.all_of_rows(NAMING, asked).await?;
    let mut rows = Vec::new();
    for (thread, message, in_reply_to, references) in naming {
        let mut named: Vec<MessageId> = json(&in_reply_to)?;
        named.extend(json::<Vec<MessageId>>(&references)?);
        let kept = named.iter().map(MessageId::key).filter(|key| keys.contains(key));
        for key in kept.collect::<BTreeSet<_>>() {
            rows.extend(values![of, key, thread, message, false]);
        }
    }
    tx.execute_rows(ADD_ALIASES, rows).await.map(drop)
}
