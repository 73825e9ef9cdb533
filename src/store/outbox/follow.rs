//! Mail that waits, most of it for a later time, while its mailbox is disconnected and connected again: as it
//! is the same mailbox with the same address, it goes out through the new connection (S1). What became due in
//! between has failed, and says so; what is from another address cannot go through it at all (M4).

use crate::model::{Address, ConnectionId, MailboxId, SubAccountId};
use crate::store::Result;
use crate::store::tx::Tx;
use crate::store::value::values;

statements! {
    FOLLOW = "update outbox set connection_id = $3 where sub_account = $1 and due_at is not null \
        and coalesce(connection_id, sub_account) in (select former.id from connections as former \
            where former.sub_account = $1 and former.mailbox_id = $2 and former.address = $4 \
                and former.state = 'disconnected')";
    /// S4: a thread of which nothing has gone out yet is opened by the mail that waits, and through the
    /// connection that this goes through. Others stay as they are until somebody resumes them (M5).
    OPEN_THREADS = "update threads set sync = 'tracked', sync_reason = null, connection_id = $2 \
        where sub_account = $1 and sync = 'stopped' \
            and id in (select messages.thread_id from outbox cross join messages \
                where outbox.sub_account = $1 and outbox.due_at is not null \
                    and coalesce(outbox.connection_id, outbox.sub_account) = $2 \
                    and messages.sub_account = outbox.sub_account and messages.id = outbox.id \
                    and messages.thread_id is not null) \
            and not exists (select 1 from messages left join outbox \
                    on outbox.sub_account = messages.sub_account and outbox.id = messages.id \
                    and outbox.due_at is not null and outbox.attempts = 0 \
                where messages.sub_account = threads.sub_account \
                    and messages.thread_id = threads.id and messages.thread_id is not null \
                    and outbox.id is null)";
}

/// What waits to go out as this address through earlier connections of the mailbox goes through this one.
pub(in crate::store) async fn follow(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    (mailbox, connection): (MailboxId, ConnectionId),
    address: &Address,
) -> Result<()> {
    let values = values![of, mailbox, connection, address.normal()];
    if tx.execute(FOLLOW, values).await? > 0 {
        tx.execute(OPEN_THREADS, values![of, connection]).await?;
    }
    Ok(())
}
