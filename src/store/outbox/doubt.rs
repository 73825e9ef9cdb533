//! What nobody knows the outcome of (S5), and the copies that the Sent folder lacks (S6). The watch of
//! the mailbox sees to both: it finds here what to search for and what to add, and knows nothing else of
//! sending.

use uuid::Uuid;

use super::settle::REWRITES;
use crate::model::outgoing::Route;
use crate::model::{
    ConnectionId, Event, EventId, EventType, MessageId, NewIds, RecipientReport, SendStatus,
    StoredMessageId, SubAccountId, Time,
};
use crate::store::columns::json;
use crate::store::messages::{self, known};
use crate::store::tx::Tx;
use crate::store::value::values;
use crate::store::{RawMail, Result, Store, events};

statements! {
    /// Whose mail is about to be in doubt: their events are locked first, as everywhere.
    DOUBTED = "select distinct sub_account from outbox \
        where leased_until < $1 and due_at is null and status in ('queued', 'retrying')";
    /// A lease that has ended after the hand-over: the server may have the mail. Seen in the Sent folder
    /// since, it has; a copy from before is an earlier try's, as one may be where some had it before.
    DOUBT = "update outbox set leased_until = null, \
            status = case when copy_seen_at >= handed_at \
                and route not like '%\"state\":\"accepted\"%' then 'sent' else 'unknown' end, \
            sent_at = copy_seen_at, detail = $2 \
        where leased_until < $1 and due_at is null and status in ('queued', 'retrying') \
        returning sub_account, id, status";
    /// One before the hand-over: nothing has happened.
    RELEASE = "update outbox set leased_until = null where leased_until < $1 and due_at is not null";
    EXPIRE_LEASES = "update outbox set leased_until = $1 where leased_until > $1";
    /// Calls that were cut off with the process that ran them.
    NOTHING_RUNS = "delete from idempotency where status = 0";
    RENEW = "update outbox set leased_until = $2 where lease = $1 and leased_until is not null";
    /// Searched for at once; and once more when it must have been filed, if it ever is.
    SEARCH = "insert into searches (sub_account, connection_id, thread_id, created_at) \
        select distinct outbox.sub_account, outbox.connection_id, messages.thread_id, \
            cast($1 as bigint) \
        from outbox cross join messages \
        where outbox.status = 'unknown' and outbox.connection_id is not null \
            and (outbox.searched_at is null \
                or (outbox.searched_at < outbox.handed_at + $2 and outbox.handed_at + $2 <= $1)) \
            and messages.sub_account = outbox.sub_account and messages.id = outbox.id \
            and messages.thread_id is not null \
        on conflict (sub_account, connection_id, thread_id) do update \
            set created_at = excluded.created_at \
            where searches.created_at < excluded.created_at";
    SEARCHING = "update outbox set searched_at = $1 \
        where status = 'unknown' and connection_id is not null and (searched_at is null \
            or (searched_at < handed_at + $2 and handed_at + $2 <= $1))";
    /// Searched for in vain, late enough, in a mailbox that is known to file what is sent through it, and
    /// among the mails of its thread whose ids are searched for: it was not sent. It goes again, until its
    /// deadline. Where an earlier try left its copy, no other is told from it.
    ABSENT = "update outbox set status = 'retrying', due_at = $1, handed_at = null, \
            searched_at = null, detail = $3 \
        where status = 'unknown' and searched_at >= handed_at + $2 and copy_seen_at is null \
            and (deadline is null or deadline > $1) \
            and exists (select 1 from connections where connections.sub_account = outbox.sub_account \
                and connections.id = outbox.connection_id and connections.state = 'active' \
                and connections.files_sent_at is not null and connections.sent_folder is not null) \
            and not exists (select 1 from searches join messages \
                on messages.sub_account = searches.sub_account \
                and messages.thread_id = searches.thread_id \
                where searches.sub_account = outbox.sub_account \
                and searches.connection_id = outbox.connection_id and messages.id = outbox.id) \
            and 10 > (select count(*) from messages as own join messages as later \
                on later.sub_account = own.sub_account and later.thread_id = own.thread_id \
                and later.at >= own.at and later.id <> own.id \
                where own.sub_account = outbox.sub_account and own.id = outbox.id)";
    COPY_SEEN = "update outbox set copy_seen_at = coalesce(copy_seen_at, $3), copy_wanted = false, \
            status = case when $4 then 'sent' else status end, \
            due_at = case when $4 then null else due_at end, \
            sent_at = coalesce(sent_at, $3), \
            searched_at = case when $4 then null else searched_at end \
        where sub_account = $1 and id = $2";
    STANDING = "select status, route, due_at from outbox where sub_account = $1 and id = $2";
    /// A copy that is wanted still may be ours: put there by a process that died before it could say so.
    FILES_SENT = "update connections set files_sent_at = $3 where sub_account = $1 \
        and files_sent_at is null and id = (select connection_id from outbox \
            where sub_account = $1 and id = $2 and copied_at is null and not copy_wanted)";
    REPORTED = "select status, route, report from outbox where sub_account = $1 and id = $2 \
        and status in ('sent', 'unknown', 'bounced', 'retrying')";
    BOUNCED = "update outbox set status = 'bounced', report = $3, detail = $4, \
            sent_at = coalesce(sent_at, $5), due_at = null \
        where sub_account = $1 and id = $2";
    /// It is settled as bounced when nobody waits any more.
    BOUNCED_IN_PART = "update outbox set report = $3, detail = $4, sent_at = coalesce(sent_at, $5) \
        where sub_account = $1 and id = $2";
    COPIES = "select outbox.id, messages.message_id, messages.raw, messages.raw_size, outbox.sent_at \
        from outbox cross join messages \
        where outbox.sub_account = $1 and outbox.connection_id = $2 and outbox.copy_wanted \
            and messages.sub_account = outbox.sub_account and messages.id = outbox.id \
        order by outbox.id limit 1";
    COPIED = "update outbox set copy_wanted = false, copied_at = $3 \
        where sub_account = $1 and id = $2";
}

/// S5: so long after the hand-over, a mail that is not in the Sent folder was not sent.
const ABSENT_AFTER_SECONDS: i64 = 15 * 60;

/// A copy that is to be put into the Sent folder.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub message: StoredMessageId,
    pub message_id: MessageId,
    pub content: Vec<u8>,
    pub sent_at: Option<Time>,
}

impl Store {
    /// Nobody has anything in hand any more, and no call is running: for a store that only this process
    /// serves, before it does.
    pub async fn expire_leases(&self, now: Time) -> Result<()> {
        let mut tx = self.writer().await?;
        tx.execute(NOTHING_RUNS, Vec::new()).await?;
        tx.execute(EXPIRE_LEASES, values![now.plus_seconds(-1)]).await?;
        tx.commit().await
    }

    /// Prolongs leases.
    pub async fn renew_leases(&self, leases: &[Uuid], until: Time) -> Result<()> {
        let mut tx = self.writer().await?;
        for lease in leases {
            tx.execute(RENEW, values![*lease, until]).await?;
        }
        tx.commit().await
    }

    /// Looks after what is in doubt.
    pub async fn sweep_outbox(&self, now: Time, ids: NewIds) -> Result<()> {
        self.doubt(now, ids).await?;
        let after = ABSENT_AFTER_SECONDS * 1_000_000;
        let mut tx = self.writer().await?;
        tx.execute(RELEASE, values![now]).await?;
        let absent = "It was not in the Sent folder: it was not sent, and is tried again.";
        tx.execute(ABSENT, values![now, after, absent]).await?;
        tx.execute(SEARCH, values![now, after]).await?;
        tx.execute(SEARCHING, values![now, after]).await?;
        tx.commit().await
    }

    async fn doubt(&self, now: Time, mut ids: NewIds) -> Result<()> {
        let mut tx = self.writer().await?;
        let accounts: Vec<(Uuid,)> = tx.all(DOUBTED, values![now]).await?;
        let accounts: Vec<SubAccountId> = accounts.iter().map(|(of,)| SubAccountId(*of)).collect();
        events::lock(&mut tx, &accounts).await?;
        let words = "The gateway was stopped while the server was answering.";
        let rows: Vec<(Uuid, Uuid, String)> = tx.all(DOUBT, values![now, words]).await?;
        let told: Vec<(SubAccountId, Event)> = rows
            .into_iter()
            .filter(|(.., status)| status == "sent")
            .map(|(of, id, _)| (SubAccountId(of), event(EventType::MessageSent, id, now, &mut ids)))
            .collect();
        events::append(&mut tx, &told).await?;
        tx.commit().await
    }

    /// The first copy that a mailbox's Sent folder is to be given.
    pub async fn wanted_copy(
        &self,
        of: SubAccountId,
        connection: ConnectionId,
    ) -> Result<Option<Wanted>> {
        let mut tx = self.reader().await?;
        let row: Option<(Uuid, String, Vec<u8>, i64, Option<i64>)> =
            tx.optional(COPIES, values![of, connection]).await?;
        let Some((id, message_id, raw, size, sent_at)) = row else { return Ok(None) };
        let sent_at = sent_at.map(Time::from_micros);
        let message_id = known(MessageId::parse(&message_id), &message_id)?;
        let content = RawMail::of_row(raw, size).unpack()?;
        Ok(Some(Wanted { message: StoredMessageId(id), message_id, content, sent_at }))
    }

    /// The Sent folder has the copy.
    pub async fn copied(&self, of: SubAccountId, id: StoredMessageId, now: Time) -> Result<()> {
        let mut tx = self.writer().await?;
        tx.execute(COPIED, values![of, id, now]).await?;
        tx.commit().await
    }
}

fn event(event_type: EventType, object_id: Uuid, at: Time, ids: &mut NewIds) -> Event {
    Event { id: EventId(ids.next_id()), event_type, object_id, at }
}

/// The Sent copy of a message was seen: it is sent, whatever was known before. `is_renamed`: the server gave
/// it another id (S7). Answers if that is news.
pub(in crate::store) async fn copy_seen(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    id: StoredMessageId,
    is_renamed: bool,
    now: Time,
) -> Result<bool> {
    let before: Option<(String, String, Option<i64>)> =
        tx.optional(STANDING, values![of, id]).await?;
    let is_news = match before {
        // It is not known; or taken for absent, it waits for another try. Where somebody has had it before,
        // the copy may be of that try, and tells nothing of the others; what is on its way is settled with
        // its answer.
        Some((status, route, due_at))
            if status == SendStatus::Unknown.name()
                || (status == SendStatus::Retrying.name() && due_at.is_some()) =>
        {
            !messages::json::<Route>(&route)?.is_accepted_by_some()
        }
        _ => false,
    };
    tx.execute(FILES_SENT, values![of, id, now]).await?;
    tx.execute(COPY_SEEN, values![of, id, now, is_news]).await?;
    if is_renamed {
        tx.execute(REWRITES, values![of, id]).await?;
    }
    Ok(is_news)
}

/// A delivery report says that a message did not arrive (B8). Those for whom it still waits get it all the
/// same.
pub(in crate::store) async fn bounced(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    id: StoredMessageId,
    report: &[RecipientReport],
    now: Time,
) -> Result<()> {
    let row: Option<(String, String, Option<String>)> =
        tx.optional(REPORTED, values![of, id]).await?;
    let Some((status, route, before)) = row else { return Ok(()) };
    let route: Route = messages::json(&route)?;
    let report = merged(before.as_deref(), report)?;
    let word = |it: &RecipientReport| format!("{}: {}", it.address, it.status);
    let words: Vec<String> = report.iter().filter(|it| it.hard).map(word).collect();
    let is_in_part = status == SendStatus::Retrying.name() && route.is_accepted_by_some();
    let sql = if is_in_part { BOUNCED_IN_PART } else { BOUNCED };
    let values = values![of, id, json(&report)?, words.join(", "), now];
    tx.execute(sql, values).await.map(drop)
}

/// What is known of each recipient, the later word on each.
pub(super) fn merged(
    before: Option<&str>,
    report: &[RecipientReport],
) -> Result<Vec<RecipientReport>> {
    let mut all: Vec<RecipientReport> = before.map(messages::json).transpose()?.unwrap_or_default();
    all.retain(|known| !report.iter().any(|it| it.address.eq_ignore_ascii_case(&known.address)));
    all.extend_from_slice(report);
    Ok(all)
}
