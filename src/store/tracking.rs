//! What is recorded of threads that are followed in mailboxes: that they are, what was seen there and
//! not kept, and what became of mail that the CRM sent.

use std::collections::BTreeSet;

use super::tx::Tx;
use super::value::{Value, values};
use super::{Result, outbox, unclaimed};
use crate::decide::Change;
use crate::model::{Event, EventType, StoredMessageId, SubAccountId, Time};

statements! {
    /// A thread whose connection has ended stays stopped until somebody resumes it (M5).
    TRACK = "update threads set sync = 'tracked', connection_id = $3 \
        where sub_account = $1 and id = $2 and sync = 'none'";
    /// Unless the connection has ended meanwhile: the mail that reopens the thread will not go out.
    REOPEN = "update threads set sync = 'tracked', sync_reason = null, connection_id = $3 \
        where sub_account = $1 and id = $2 and sync = 'stopped' \
            and exists (select 1 from connections where connections.sub_account = $1 \
                and connections.id = $3 and connections.state in ('active', 'needs_reauth'))";
    /// A search that is under way is to be made once more; one that is put off stays so.
    ADD_SEARCHES = "insert into searches (sub_account, connection_id, thread_id, created_at) \
        select column1, column2, column3, max(column4) \
        from {rows uuid uuid uuid bigint} as added where column1 is not null \
        group by column1, column2, column3 \
        on conflict (sub_account, connection_id, thread_id) do update \
            set created_at = excluded.created_at \
            where searches.created_at < excluded.created_at";
    KEEP = "delete from verdicts where sub_account = $1 and message_key = $2 and user_id = $3 \
        and outcome = 'ignored' and message_id is null";
    ASK_AGAIN = "update verdicts set recheck_at = $3 where sub_account = $1 and message_key = $2 \
        and outcome = 'held' and reason = 'unverified_sender'";
    INHERIT = "update threads set sync = $3, connection_id = $4 \
        where sub_account = $1 and id = $2 and sync = 'none'";
}

/// What a batch says of tracking; rare, but for the searches and the ids, so one statement each.
#[derive(Default)]
pub(super) struct Tracking {
    changes: Vec<(SubAccountId, Change)>,
    searches: Vec<Value>,
    named: unclaimed::Names,
    claims: unclaimed::Claims,
    /// When the first of them was decided.
    at: Time,
}

/// What only the store could tell: these messages are known to be sent from now on (S5).
#[derive(Default)]
pub(super) struct News(BTreeSet<(SubAccountId, StoredMessageId)>);

impl News {
    /// Is the event true? That a message was sent is no news when it was known.
    pub(super) fn is_told(&self, of: SubAccountId, event: &Event) -> bool {
        event.event_type != EventType::MessageSent
            || self.0.contains(&(of, StoredMessageId(event.object_id)))
    }
}

impl Tracking {
    pub(super) fn add(&mut self, of: SubAccountId, change: &Change, now: Time) {
        self.at = now;
        match change {
            Change::Name { key, connection, until } => {
                self.named.insert((of, *key, *connection), *until);
                return;
            }
            Change::Claim { key, message } => {
                self.claims.insert((of, *key), *message);
                return;
            }
            Change::TrackThread { thread, connection, search: true } => {
                self.searches.extend(values![of, *connection, *thread, now]);
            }
            _ => {}
        }
        self.changes.push((of, change.clone()));
    }

    pub(super) async fn write(self, tx: &mut Tx<'_>) -> Result<News> {
        let mut news = News::default();
        for (of, change) in self.changes {
            match change {
                Change::SentCopySeen { message, is_renamed } => {
                    if outbox::copy_seen(tx, of, message, is_renamed, self.at).await? {
                        news.0.insert((of, message));
                    }
                }
                Change::Bounced { message, report, at } => {
                    outbox::bounced(tx, of, message, &report, at).await?;
                }
                change => write_one(tx, of, &change).await?,
            }
        }
        tx.execute_rows(ADD_SEARCHES, self.searches).await?;
        // What this batch names it may also bring, in the order that the folder has it.
        unclaimed::name(tx, &self.named).await?;
        unclaimed::claim(tx, &self.claims, self.at).await?;
        Ok(news)
    }
}

async fn write_one(tx: &mut Tx<'_>, of: SubAccountId, change: &Change) -> Result<()> {
    match change {
        Change::TrackThread { thread, connection, .. } => {
            tx.execute(TRACK, values![of, *thread, *connection]).await?;
        }
        Change::ReopenThread { thread, connection } => {
            tx.execute(REOPEN, values![of, *thread, *connection]).await?;
        }
        Change::Keep { key, user } => {
            tx.execute(KEEP, values![of, *key, *user]).await?;
        }
        Change::AskAgain { key, at } => {
            tx.execute(ASK_AGAIN, values![of, *key, *at]).await?;
        }
        _ => {}
    }
    Ok(())
}
