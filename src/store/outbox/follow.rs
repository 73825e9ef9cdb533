//! What a mailbox that is disconnected and connected again had not done. Mail that waits, most of it for a later
//! time, goes out through the new connection, as it is the same mailbox with the same address (S1); mail of
//! which nobody knows whether it went is looked for there (S5), and copies that the Sent folder lacks are filed
//! there (S6). What became due in between has failed, and says so; what is from another address cannot go
//! through it at all (M4).

use crate::model::{Address, ConnectionId, MailboxId, SubAccountId};
use crate::store::Result;
use crate::store::tx::Tx;
use crate::store::value::values;

/// The connections of the mailbox that have ended, of the same address.
macro_rules! former {
    () => {
        "(select former.id from connections as former \
            where former.sub_account = $1 and former.mailbox_id = $2 and former.address = $4 \
                and former.state = 'disconnected')"
    };
}

statements! {
    FOLLOW = concat!("update outbox set connection_id = $3 \
        where sub_account = $1 and due_at is not null \
            and coalesce(connection_id, sub_account) in ", former!());
    /// What the former connection found out in its Sent folder, or did not, counts no more: the absence of a
    /// mail is to be proved anew before it is sent again. What is in hand just now is in doubt soon.
    FOLLOW_IN_DOUBT = concat!("update outbox set connection_id = $3, searched_at = null \
        where sub_account = $1 and id in (select unknown.id from outbox as unknown \
                where unknown.sub_account = $1 and unknown.status = 'unknown' \
            union all select leased.id from outbox as leased where leased.sub_account = $1 \
                and leased.leased_until is not null and leased.due_at is null) \
            and connection_id in ", former!());
    FOLLOW_COPIES = concat!("update outbox set connection_id = $3 \
        where sub_account = $1 and copy_wanted and connection_id in ", former!());
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

/// What earlier connections of the mailbox, as this address, have left to do is this one's.
pub(in crate::store) async fn follow(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    (mailbox, connection): (MailboxId, ConnectionId),
    address: &Address,
) -> Result<()> {
    let values = values![of, mailbox, connection, address.normal()];
    tx.execute(FOLLOW_IN_DOUBT, values.clone()).await?;
    tx.execute(FOLLOW_COPIES, values.clone()).await?;
    if tx.execute(FOLLOW, values).await? > 0 {
        tx.execute(OPEN_THREADS, values![of, connection]).await?;
    }
    Ok(())
}
