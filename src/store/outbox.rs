//! The outbox: what the CRM sends, from the transaction that records it to what became of it.
//!
//! A row is taken by [`Store::claim`] under a lease, so that no two processes have it in hand; before the
//! end of the mail is written, [`Store::hand_over`] says so durably, and only to who still has the lease;
//! [`Store::settle`] records the answer with its event. A process that dies before the hand-over leaves a
//! row that is tried again; one that dies after it leaves one that is `unknown` (S5): nothing is sent
//! twice on a guess.

mod actions;
mod claim;
mod doubt;
mod follow;
mod load;
mod read;
mod settle;

pub use actions::{Cancelled, Resolution, Resolved};
pub use claim::Claimed;
pub use doubt::Wanted;
pub(super) use doubt::{bounced, copy_seen};
pub(super) use follow::follow;
pub use read::{Answered, Progress, Shipment};
pub use settle::Settle;

use uuid::Uuid;

use super::columns::json;
use super::tx::Tx;
use super::value::values;
use super::{Result, Store};
use crate::model::{ConnectionId, ConversationId, Outgoing, SubAccountId, Time, Via};

statements! {
    ADD = "insert into outbox (sub_account, id, conversation_id, user_id, kind, connection_id, \
            bulk_id, status, route, attempts, send_at, due_at, copy_wanted, request_key, \
            request_place, created_at) \
        values ($1, $2, $3, $4, $5, $6, $7, 'queued', $8, 0, $9, $10, $11, $12, $13, $14)";
}

/// Puts a message into the outbox, in the transaction that records it.
pub(super) async fn add(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    outgoing: &Outgoing,
    conversation: ConversationId,
    now: Time,
) -> Result<()> {
    let (key, place) = outgoing.request.clone().unzip();
    let mut values = values![of, outgoing.message, conversation, outgoing.user];
    values.extend(values![outgoing.kind.name(), connection(outgoing.via), outgoing.bulk]);
    values.extend(values![json(&outgoing.route)?, outgoing.send_at]);
    values.extend(values![outgoing.send_at.unwrap_or(now).max(now), false, key, place, now]);
    tx.execute(ADD, values).await.map(drop)
}

/// The column of a way.
const fn connection(via: Via) -> Option<ConnectionId> {
    match via {
        Via::Mailbox(connection) => Some(connection),
        Via::Relay => None,
    }
}

/// The way of a column.
const fn via(connection: Option<Uuid>) -> Via {
    match connection {
        Some(connection) => Via::Mailbox(ConnectionId(connection)),
        None => Via::Relay,
    }
}

/// The statements of its files.
pub(super) fn all_statements() -> Vec<(&'static str, &'static str)> {
    let files = [
        STATEMENTS,
        actions::STATEMENTS,
        claim::STATEMENTS,
        doubt::STATEMENTS,
        follow::STATEMENTS,
        load::STATEMENTS,
        read::STATEMENTS,
        settle::STATEMENTS,
    ];
    files.concat()
}

impl Store {
    /// Which messages a call with this key has made since then (S5).
    pub async fn answered(
        &self,
        of: SubAccountId,
        key: &str,
        since: Time,
    ) -> Result<Vec<Answered>> {
        let mut tx = self.reader().await?;
        read::answered(&mut tx, of, key, since).await
    }
}
