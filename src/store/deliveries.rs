//! The queues of webhooks. Each is worked off by whoever holds its lease, in rounds: a round puts what is
//! new into the queue and takes what is due; when it was attempted, what became of it is settled.
//!
//! A round that is never settled, because the gateway ended, is taken again once its lease has run out:
//! events are delivered at least once, with the same id.

use uuid::Uuid;

use super::tx::Tx;
use super::value::values;
use super::webhooks::types_from_json;
use super::{Error, Result, Store, StoredEvent};
use crate::model::{DeliveryState, EventId, EventType, SubAccountId, Time, WebhookId};

statements! {
    DUE_QUEUES = "select webhooks.sub_account, webhooks.id from webhooks \
        where webhooks.leased_until <= $1 and webhooks.rests_until <= $1 \
            and (webhooks.position < (select max(events.position) from events \
                    where events.sub_account = webhooks.sub_account) \
                or exists (select 1 from webhook_deliveries as due \
                    where due.sub_account = webhooks.sub_account and due.webhook_id = webhooks.id \
                        and due.next_attempt_at is not null and due.next_attempt_at <= $1)) \
        order by webhooks.rests_until limit $2";
    LEASE_QUEUE = "update webhooks set leased_until = $4 where sub_account = $1 and id = $2 \
        and (leased_until <= $3 or leased_until = $5)";
    QUEUE = "select url, types, secret, position, failures from webhooks \
        where sub_account = $1 and id = $2";
    EVENTS_BEHIND = "select position, id, type, object_id, at from events \
        where sub_account = $1 and position > $2 order by position limit $3";
    ADVANCE_QUEUE = "update webhooks set position = $3 where sub_account = $1 and id = $2";
    ADD_DELIVERIES = "insert into webhook_deliveries (sub_account, webhook_id, id, position, type, \
            state, attempts, since, next_attempt_at) \
        select added.column1, added.column2, added.column3, added.column4, added.column5, \
            'pending', 0, added.column6, added.column7 \
        from {rows uuid uuid uuid bigint text bigint bigint} as added where added.column1 is not null \
        on conflict do nothing";
    DUE_DELIVERIES = "select due.id, due.position, due.type, due.attempts, due.since, \
            events.object_id, events.at \
        from webhook_deliveries as due left join events \
            on events.sub_account = due.sub_account and events.position = due.position \
        where due.sub_account = $1 and due.webhook_id = $2 \
            and due.next_attempt_at is not null and due.next_attempt_at <= $3 \
        order by due.position limit $4";
    SETTLE = "update webhook_deliveries set state = $4, attempts = $5, status = $6, \
            error = $7, attempted_at = coalesce($8, attempted_at), next_attempt_at = $9 \
        where sub_account = $1 and webhook_id = $2 and id = $3";
    /// What waited behind a target that is dead for longer than is waited for it.
    GIVE_UP = "update webhook_deliveries set state = 'failed', next_attempt_at = null, error = $4 \
        where sub_account = $1 and webhook_id = $2 and next_attempt_at is not null and since <= $3";
    RELEASE_QUEUE = "update webhooks set failures = $4, rests_until = $5, leased_until = $6 \
        where sub_account = $1 and id = $2 and leased_until = $3";
    ALL_QUEUES = "select sub_account, id from webhooks";
    REMOVE_OLD_DELIVERIES = "delete from webhook_deliveries where sub_account = $1 \
        and webhook_id = $2 and id < $3 and next_attempt_at is null";
    WAITING = "select (select count(*) from webhook_deliveries where next_attempt_at is not null)";
}

/// Events looked at in a round for what the webhook wants.
const LOOKED_AT: usize = 256;

/// A webhook's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Queue {
    pub sub_account: SubAccountId,
    pub webhook: WebhookId,
}

/// The right to work a queue off. It is known by its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLease {
    pub until: Time,
    /// The lease that it follows, if the holder has one.
    pub follows: Option<Time>,
}

/// What is due of a queue.
#[derive(Clone, Debug)]
pub struct Round {
    pub url: String,
    /// Sealed.
    pub secret: Vec<u8>,
    /// Attempts that failed in a row.
    pub failures: u32,
    /// In the order of events.
    pub due: Vec<Due>,
    /// There may be more.
    pub is_more: bool,
}

/// A delivery that is due.
#[derive(Clone, Debug)]
pub struct Due {
    pub event: StoredEvent,
    /// Attempts before this one.
    pub attempts: u32,
    /// From when its 24 hours count.
    pub since: Time,
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    pub id: EventId,
    pub state: DeliveryState,
    /// With this one, if one was made.
    pub attempts: u32,
    pub status: Option<u16>,
    pub error: Option<String>,
    pub attempted_at: Option<Time>,
    pub next_attempt_at: Option<Time>,
}

/// What became of a round.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub settled: Vec<Settled>,
    pub failures: u32,
    pub rests_until: Time,
    /// What has waited since before then is given up.
    pub give_up: Option<(Time, &'static str)>,
    /// The lease goes on.
    pub keeps_lease: bool,
}

type QueueRow = (String, String, Vec<u8>, i64, i64);
type EventRow = (i64, Uuid, String, Option<Uuid>, i64);
type DueRow = (Uuid, i64, String, i64, i64, Option<Uuid>, Option<i64>);

impl Store {
    /// Queues with something to do that nobody has in hand, at most so many.
    pub async fn due_queues(&self, now: Time, limit: u32) -> Result<Vec<Queue>> {
        let mut tx = self.reader().await?;
        let rows: Vec<(Uuid, Uuid)> = tx.all(DUE_QUEUES, values![now, limit]).await?;
        Ok(rows.into_iter().map(queue).collect())
    }

    /// Takes what is due of a queue, at most so many; `None` when somebody else has it in hand, or it is
    /// gone.
    pub async fn take_round(
        &self,
        queue: Queue,
        lease: QueueLease,
        now: Time,
        limit: u32,
    ) -> Result<Option<Round>> {
        let Queue { sub_account: of, webhook: id } = queue;
        let mut tx = self.writer().await?;
        // No lease ends before time began.
        let follows = lease.follows.unwrap_or(Time::from_micros(-1));
        let leased = tx.execute(LEASE_QUEUE, values![of, id, now, lease.until, follows]).await?;
        if leased == 0 {
            return Ok(None);
        }
        let row: Option<QueueRow> = tx.optional(QUEUE, values![of, id]).await?;
        let Some((url, types, secret, position, failures)) = row else { return Ok(None) };
        let mut due = due_now(&mut tx, queue, now, limit).await?;
        let mut is_more = due.len() >= limit as usize;
        if !is_more {
            let types = types_from_json(&types)?;
            is_more = fill(&mut tx, queue, (position, now), &types).await?;
            due = due_now(&mut tx, queue, now, limit).await?;
            is_more |= due.len() >= limit as usize;
        }
        tx.commit().await?;
        let failures = u32::try_from(failures).map_err(Error::damaged)?;
        Ok(Some(Round { url, secret, failures, due, is_more }))
    }

    /// Settles a round.
    pub async fn settle_round(
        &self,
        queue: Queue,
        lease: QueueLease,
        outcome: Outcome,
    ) -> Result<()> {
        let Queue { sub_account: of, webhook: id } = queue;
        let mut tx = self.writer().await?;
        for one in outcome.settled {
            let (name, status) = (one.state.name(), one.status.map(i64::from));
            let (attempted, next) = (one.attempted_at, one.next_attempt_at);
            let values =
                values![of, id, one.id, name, one.attempts, status, one.error, attempted, next];
            tx.execute(SETTLE, values).await?;
        }
        if let Some((before, why)) = outcome.give_up {
            tx.execute(GIVE_UP, values![of, id, before, why]).await?;
        }
        let until = if outcome.keeps_lease { lease.until } else { Time::default() };
        let (failures, rests_until) = (outcome.failures, outcome.rests_until);
        let values = values![of, id, lease.until, failures, rests_until, until];
        tx.execute(RELEASE_QUEUE, values).await?;
        tx.commit().await
    }

    /// Removes what is known of deliveries of events before then, but what still waits.
    pub async fn expire_deliveries(&self, before: Time) -> Result<()> {
        let mut reader = self.reader().await?;
        let queues: Vec<(Uuid, Uuid)> = reader.all(ALL_QUEUES, Vec::new()).await?;
        drop(reader);
        let first = first_id_at(before);
        for (of, id) in queues {
            let mut tx = self.writer().await?;
            tx.execute(REMOVE_OLD_DELIVERIES, values![of, id, first]).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// How many deliveries wait, of all webhooks.
    pub async fn waiting_deliveries(&self) -> Result<i64> {
        let mut tx = self.reader().await?;
        let row: Option<(i64,)> = tx.optional(WAITING, Vec::new()).await?;
        Ok(row.map_or(0, |(count,)| count))
    }
}

const fn queue((sub_account, webhook): (Uuid, Uuid)) -> Queue {
    Queue { sub_account: SubAccountId(sub_account), webhook: WebhookId(webhook) }
}

/// Ids carry their time in their first 48 bits (RFC 9562 5.7).
pub(super) fn first_id_at(time: Time) -> Uuid {
    let milliseconds = u128::try_from(time.as_millis()).unwrap_or(0);
    Uuid::from_u128(milliseconds << 80)
}

/// Puts the next events into the queue; answers whether there may be more behind them.
async fn fill(
    tx: &mut Tx<'_>,
    queue: Queue,
    (position, now): (i64, Time),
    types: &[EventType],
) -> Result<bool> {
    let Queue { sub_account: of, webhook: id } = queue;
    let limit = i64::try_from(LOOKED_AT).unwrap_or(i64::MAX);
    let events: Vec<EventRow> = tx.all(EVENTS_BEHIND, values![of, position, limit]).await?;
    let Some(last) = events.last().map(|event| event.0) else { return Ok(false) };
    let is_more = events.len() == LOOKED_AT;
    let is_wanted = |name: &str| types.is_empty() || types.iter().any(|it| it.name() == name);
    let wanted = events.into_iter().filter(|event| is_wanted(&event.2));
    let rows = wanted.flat_map(|(position, event, event_type, _, at)| {
        values![of, id, event, position, event_type, at, now]
    });
    tx.execute_rows(ADD_DELIVERIES, rows.collect()).await?;
    tx.execute(ADVANCE_QUEUE, values![of, id, last]).await?;
    Ok(is_more)
}

async fn due_now(tx: &mut Tx<'_>, queue: Queue, now: Time, limit: u32) -> Result<Vec<Due>> {
    let values = values![queue.sub_account, queue.webhook, now, limit];
    let rows: Vec<DueRow> = tx.all(DUE_DELIVERIES, values).await?;
    rows.into_iter().map(due).collect()
}

fn due((id, position, event_type, attempts, since, object_id, at): DueRow) -> Result<Due> {
    let unknown = || Error::damaged(format!("a delivery's type is {event_type:?}"));
    Ok(Due {
        event: StoredEvent {
            position,
            id: EventId(id),
            event_type: EventType::parse(&event_type).ok_or_else(unknown)?,
            object_id,
            at: Time::from_micros(at.unwrap_or(since)),
        },
        attempts: u32::try_from(attempts).map_err(Error::damaged)?,
        since: Time::from_micros(since),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NewIds;

    #[test]
    fn ids_of_later_events_are_behind_the_first_of_a_time() {
        let time = Time::from_seconds(1_700_000_000);
        let id = |at: Time| NewIds::new(at, 7).next_id();
        assert!(id(time) >= first_id_at(time));
        assert!(id(time.plus_seconds(-1)) < first_id_at(time));
    }
}
