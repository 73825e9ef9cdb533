//! Taking what is due, under a lease, within the limits of its way.

use std::collections::VecDeque;
use std::sync::Arc;

use uuid::Uuid;

use super::load::{self, Addressed};
use super::{connection, via};
use crate::decide::send::{Lane, Pace, admit, deal};
use crate::model::outgoing::Route;
use crate::model::{Address, MailboxState, SendKind, StoredMessageId, SubAccountId, Time, Via};
use crate::store::messages::{json, known};
use crate::store::tx::Tx;
use crate::store::value::values;
use crate::store::{RawMail, Result, Store};

statements! {
    /// One process claims at a time, so that together they keep within the limits.
    LOCK_CLAIMS_ON_POSTGRES = "select cast(1 as bigint) from pg_advisory_xact_lock(7303)";
    /// Every way that has mail to be sent by now, the longest waiting first. Each step of the recursions is
    /// one look into the index, however much mail waits there. A mailbox that must be authorised again is
    /// waited for (S1).
    LANES = "with recursive accounts (account) as ( \
            select (select sub_account from outbox where due_at is not null \
                order by sub_account limit 1) \
            union all select (select sub_account from outbox where due_at is not null \
                    and sub_account > accounts.account order by sub_account limit 1) \
                from accounts where accounts.account is not null), \
        lanes (account, lane) as ( \
            select account, (select coalesce(connection_id, sub_account) from outbox \
                    where due_at is not null and sub_account = accounts.account \
                    order by coalesce(connection_id, sub_account) limit 1) \
                from accounts where account is not null \
            union all select account, (select coalesce(connection_id, sub_account) from outbox \
                    where due_at is not null and sub_account = lanes.account \
                        and coalesce(connection_id, sub_account) > lanes.lane \
                    order by coalesce(connection_id, sub_account) limit 1) \
                from lanes where lanes.lane is not null), \
        waiting as ( \
            select account, lane, (select min(due_at) from outbox where due_at is not null \
                    and sub_account = lanes.account \
                    and coalesce(connection_id, sub_account) = lanes.lane) as due \
                from lanes where lane is not null) \
        select waiting.account, waiting.lane, connections.address from waiting \
        left join connections on connections.sub_account = waiting.account \
            and connections.id = waiting.lane \
        where waiting.due <= $1 \
            and (connections.state is null or connections.state in ('active', 'disconnected')) \
        order by waiting.due limit 1000";
    /// Of one way; within a conversation in the order in which it was written. A mailbox that must be
    /// authorised again, whose mail waits (S1), holds up no relay.
    DUE = "select outbox.id from outbox \
        where outbox.sub_account = $1 and coalesce(outbox.connection_id, outbox.sub_account) = $2 \
            and outbox.due_at <= $3 and outbox.due_at is not null \
            and (outbox.leased_until is null or outbox.leased_until < $3) \
            and not exists (select 1 from outbox as before \
                where before.sub_account = outbox.sub_account \
                and before.conversation_id = outbox.conversation_id and before.id < outbox.id \
                and before.connection_id is not distinct from outbox.connection_id \
                and (before.due_at is not null or before.leased_until is not null) \
                and (before.send_at is null or before.send_at <= $3)) \
        order by outbox.due_at, outbox.id limit $4";
    PAUSE = "update outbox set due_at = $3 where sub_account = $1 \
        and coalesce(connection_id, sub_account) = $2 \
        and due_at < $3 and due_at is not null and (leased_until is null or leased_until < $4)";
    /// What nobody could try when it was due has so much longer: a deadline does not count the time for
    /// which the gateway was off.
    LEASE = "update outbox set lease = added.column3, leased_until = added.column4, \
            deadline = case when outbox.due_at < added.column6 \
                then outbox.deadline + added.column5 - outbox.due_at else outbox.deadline end, \
            due_at = case when outbox.due_at < added.column6 \
                then added.column5 else outbox.due_at end \
        from {rows uuid uuid uuid bigint bigint bigint} as added \
        where outbox.sub_account = coalesce(added.column1, null) \
            and outbox.id = coalesce(added.column2, null)";
    /// With each its relay and its content, unless that is large: in bulk, one by one costs more.
    CLAIMED = "select outbox.sub_account, outbox.id, outbox.connection_id, outbox.kind, \
            outbox.route, outbox.attempts, outbox.deadline, connections.state, \
            case when outbox.connection_id is null then sub_accounts.provider end as relay, \
            case when messages.raw_size <= 131072 then messages.raw end as content, \
            messages.raw_size, \
            (select written from contacts where contacts.sub_account = outbox.sub_account \
                and contacts.unsubscribed and contacts.id = (select conversations.contact_id \
                    from conversations where conversations.sub_account = outbox.sub_account \
                    and conversations.id = outbox.conversation_id)) as unsubscribed \
        from {rows uuid uuid} as asked cross join outbox \
        join sub_accounts on sub_accounts.sub_account = outbox.sub_account \
        join messages on messages.sub_account = outbox.sub_account and messages.id = outbox.id \
        left join connections on connections.sub_account = outbox.sub_account \
            and connections.id = outbox.connection_id \
        where outbox.sub_account = asked.column1 and outbox.id = asked.column2 \
        order by outbox.due_at, outbox.id";
}

/// A try that comes so late was not made for want of anybody to make it.
const LATE_SECONDS: i64 = 600;

/// A mail that is in hand.
#[derive(Clone, Debug)]
pub struct Claimed {
    pub sub_account: SubAccountId,
    pub message: StoredMessageId,
    pub lease: Uuid,
    pub via: Via,
    pub kind: SendKind,
    pub route: Route,
    /// Tries before this one.
    pub attempts: u32,
    pub deadline: Option<Time>,
    /// The sub-account's relay, sealed; when it goes that way.
    pub relay: Option<Vec<u8>>,
    /// The mail itself, unless it is large.
    pub content: Option<Arc<Vec<u8>>>,
    /// Its mailbox was disconnected, or replaced by another.
    pub is_stranded: bool,
    /// Its recipient wants no bulk mail any more (S9).
    pub is_unsubscribed: bool,
}

#[derive(sqlx::FromRow)]
struct Row {
    sub_account: Uuid,
    id: Uuid,
    connection_id: Option<Uuid>,
    kind: String,
    route: String,
    attempts: i64,
    deadline: Option<i64>,
    state: Option<String>,
    relay: Option<Vec<u8>>,
    content: Option<Vec<u8>>,
    raw_size: i64,
    unsubscribed: Option<String>,
}

impl Store {
    /// Takes what is due, at most `room` mails. Nobody else has them until the lease ends.
    pub async fn claim(
        &self,
        now: Time,
        leased_until: Time,
        pace: &Pace,
        room: usize,
    ) -> Result<Vec<Claimed>> {
        let mut tx = self.writer().await?;
        if tx.is_postgres() {
            tx.optional::<(i64,)>(LOCK_CLAIMS_ON_POSTGRES, Vec::new()).await?;
        }
        let lanes: Vec<(Uuid, Uuid, Option<String>)> = tx.all(LANES, values![now]).await?;
        if lanes.is_empty() {
            return Ok(Vec::new());
        }
        let lanes: Vec<Addressed> = lanes.into_iter().map(lane).collect();
        let loads = load::loads(&mut tx, &lanes, now).await?;
        let lanes: Vec<Lane> = lanes.into_iter().map(|(lane, _)| lane).collect();
        let admission = admit(&lanes, &loads, pace, room);
        for (of, connection, until) in admission.paused {
            tx.execute(PAUSE, values![of, connection, until, now]).await?;
        }
        let mut offers = Vec::new();
        for open in admission.open {
            offers.push((open.in_flight, due(&mut tx, open.lane, now, open.most).await?));
        }
        let chosen = deal(offers, room);
        let lease = Uuid::from_u128(crate::clock::seed());
        let claimed = take(&mut tx, &chosen, (lease, leased_until), now).await?;
        tx.commit().await?;
        Ok(claimed)
    }
}

/// The way of a row: a sub-account's relay has its id.
fn lane((of, lane, address): (Uuid, Uuid, Option<String>)) -> Addressed {
    ((SubAccountId(of), via((lane != of).then_some(lane))), address)
}

/// The first mails that are due on a way.
async fn due(
    tx: &mut Tx<'_>,
    (of, via): Lane,
    now: Time,
    most: usize,
) -> Result<VecDeque<(SubAccountId, StoredMessageId)>> {
    let lane = connection(via).map_or(of.0, |connection| connection.0);
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows: Vec<(Uuid,)> = tx.all(DUE, values![of, lane, now, most]).await?;
    Ok(rows.into_iter().map(|(id,)| (of, StoredMessageId(id))).collect())
}

async fn take(
    tx: &mut Tx<'_>,
    chosen: &[(SubAccountId, StoredMessageId)],
    (lease, until): (Uuid, Time),
    now: Time,
) -> Result<Vec<Claimed>> {
    let late = now.plus_seconds(-LATE_SECONDS);
    let leased = chosen.iter().flat_map(|(of, id)| values![*of, *id, lease, until, now, late]);
    tx.execute_rows(LEASE, leased.collect()).await?;
    let asked = chosen.iter().flat_map(|(of, id)| values![*of, *id]).collect();
    let rows: Vec<Row> = tx.all_of_rows(CLAIMED, asked).await?;
    rows.into_iter().map(|row| row.read(lease)).collect()
}

impl Row {
    fn read(self, lease: Uuid) -> Result<Claimed> {
        let kind = known(SendKind::parse(&self.kind), &self.kind)?;
        let route: Route = json(&self.route)?;
        let via = via(self.connection_id);
        let disconnected = Some(MailboxState::Disconnected.name());
        let is_gone = self.state.is_none() || self.state.as_deref() == disconnected;
        let unsubscribed = self.unsubscribed.as_deref().and_then(Address::parse);
        let is_to_them =
            unsubscribed.is_some_and(|address| route.waiting().any(|it| *it == address));
        let raw = self.content.map(|raw| RawMail::of_row(raw, self.raw_size));
        let content = raw.map(|raw| raw.unpack()).transpose()?;
        Ok(Claimed {
            sub_account: SubAccountId(self.sub_account),
            message: StoredMessageId(self.id),
            lease,
            via,
            kind,
            route,
            attempts: u32::try_from(self.attempts).unwrap_or(u32::MAX),
            deadline: self.deadline.map(Time::from_micros),
            relay: self.relay,
            content: content.map(Arc::new),
            is_stranded: via != Via::Relay && is_gone,
            is_unsubscribed: kind == SendKind::Bulk && is_to_them,
        })
    }
}
