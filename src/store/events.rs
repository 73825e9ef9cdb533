//! Events: the one place where they are written, and how they are read in order.
//!
//! Every event of a sub-account has a position. Positions ascend in the order of commits, without gaps:
//! who has read up to one misses nothing by asking for those behind it. On SQLite the one writer sees to
//! it; on PostgreSQL writers hold the sub-account's row until they commit, and the key of the table
//! refuses who did not.
//!
//! A transaction that will write events calls [`lock`] before it locks or changes other rows, so that no
//! two wait for each other in a circle; what is committed wakes those who wait for [`Store::news`].

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::broadcast;
use uuid::Uuid;

use super::rows::ROWS_MAX;
use super::tx::Tx;
use super::value::{Value, values};
use super::{Error, Result, Store};
use crate::model::{Event, EventId, EventType, SubAccountId, Time};

statements! {
    /// In the order of ids, so that two batches do not wait for each other in a circle.
    LOCK_ACCOUNTS_ON_POSTGRES = "select sub_accounts.created_at \
        from {rows uuid} as asked join sub_accounts on sub_accounts.sub_account = asked.column1 \
        order by sub_accounts.sub_account for update of sub_accounts";
    /// The sixth column counts the events of each sub-account from 1.
    ADD_EVENTS = "insert into events (sub_account, position, id, type, object_id, at) \
        select added.column1, coalesce((select max(events.position) from events \
                where events.sub_account = added.column1), 0) + added.column6, \
            added.column2, added.column3, added.column4, added.column5 \
        from {rows uuid uuid text uuid bigint bigint} as added where added.column1 is not null";
    /// It keeps its place, so that no position is given twice.
    FORGET_EVENTS = "update events set object_id = null \
        where (sub_account, object_id) in {rows uuid uuid}";
    EVENTS_AFTER = "select position, id, type, object_id, at from events \
        where sub_account = $1 and position > $2 order by position limit $3";
    EVENTS_AT = "select events.position, events.id, events.type, events.object_id, events.at \
        from {rows uuid bigint} as asked cross join events \
        where events.sub_account = asked.column1 and events.position = asked.column2";
    BOUNDS = "select \
        coalesce((select min(position) from events where sub_account = $1), 0) as first, \
        coalesce((select max(position) from events where sub_account = $1), 0) as last";
    LAST_POSITIONS = "select asked.column1, coalesce((select max(events.position) from events \
            where events.sub_account = asked.column1), 0) \
        from {rows uuid} as asked where asked.column1 is not null";
    /// Of each sub-account, up to where its events have expired: those before the first that has not, but
    /// never the last one, and not too many at once.
    EXPIRED_EVENTS = "select accounts.sub_account, (select min(upto.position) from ( \
                select 1000 + (select min(events.position) from events \
                    where events.sub_account = accounts.sub_account) as position \
                union all select (select events.position from events \
                    where events.sub_account = accounts.sub_account and events.at >= $1 \
                    order by events.position limit 1) \
                union all select (select max(events.position) from events \
                    where events.sub_account = accounts.sub_account)) as upto) as position \
        from sub_accounts as accounts where (select events.at from events \
            where events.sub_account = accounts.sub_account order by events.position limit 1) < $1";
    REMOVE_EXPIRED = "delete from events where sub_account = $1 \
        and position >= $2 - 1000 and position < $2";
}

/// Events are kept for so long: 30 days.
const KEPT_SECONDS: i64 = 30 * 24 * 3600;
/// So much news waits for who does not listen just now; beyond, it is told that it missed some.
const NEWS_WAITING_MAX: usize = 4_096;

/// What a commit did to the events of a sub-account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum News {
    /// There are more.
    Written(SubAccountId),
    /// The objects of some were erased, and must not be told any more.
    Forgotten(SubAccountId),
}

/// An event in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    pub position: i64,
    pub id: EventId,
    pub event_type: EventType,
    /// `None`: it was erased.
    pub object_id: Option<Uuid>,
    pub at: Time,
}

/// The positions of the first and the last event that are kept; zero when there never was one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    pub first: i64,
    pub last: i64,
}

type Row = (i64, Uuid, String, Option<Uuid>, i64);

/// Lets no other transaction write events of these sub-accounts before this one has ended.
pub(super) async fn lock(tx: &mut Tx<'_>, accounts: &[SubAccountId]) -> Result<()> {
    if !tx.is_postgres() {
        return Ok(());
    }
    let new: BTreeSet<SubAccountId> =
        accounts.iter().filter(|of| !tx.locked.contains(of)).copied().collect();
    let rows = new.iter().map(|of| Value::from(*of)).collect();
    tx.all_of_rows::<(i64,)>(LOCK_ACCOUNTS_ON_POSTGRES, rows).await?;
    tx.locked.extend(new);
    Ok(())
}

/// Writes events, each in the next place of its sub-account. Every event is written here,
/// or with [`rows`].
pub(super) async fn append(tx: &mut Tx<'_>, events: &[(SubAccountId, Event)]) -> Result<()> {
    let rows = rows(tx, events).await?;
    tx.execute_rows(ADD_EVENTS, rows).await.map(drop)
}

/// The rows of `ADD_EVENTS` for a caller that adds them with others, in this transaction.
pub(super) async fn rows(tx: &mut Tx<'_>, events: &[(SubAccountId, Event)]) -> Result<Vec<Value>> {
    let accounts: Vec<SubAccountId> = events.iter().map(|(of, _)| *of).collect();
    lock(tx, &accounts).await?;
    let mut rows = Vec::with_capacity(events.len() * 6);
    let mut orders = BTreeMap::new();
    for (place, (of, event)) in events.iter().enumerate() {
        // Each statement counts from the highest position so far.
        if place % ROWS_MAX == 0 {
            orders.clear();
        }
        let order = orders.entry(*of).or_insert(0_i64);
        *order += 1;
        let name = event.event_type.name();
        rows.extend(values![*of, event.id, name, event.object_id, event.at, *order]);
    }
    tx.news.extend(accounts.into_iter().map(News::Written));
    Ok(rows)
}

/// Lets events name these objects no longer: they were erased.
pub(super) async fn forget(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    objects: impl IntoIterator<Item = Uuid>,
) -> Result<()> {
    let rows = objects.into_iter().flat_map(|object| values![of, object]).collect();
    if tx.execute_rows(FORGET_EVENTS, rows).await? > 0 {
        tx.news.insert(News::Forgotten(of));
    }
    Ok(())
}

/// The news of all commits; made when the store is opened.
pub(super) fn news() -> broadcast::Sender<News> {
    broadcast::Sender::new(NEWS_WAITING_MAX)
}

impl Store {
    /// News of the events that this process commits from now on. Other processes may write, too: their
    /// events are found by looking, see [`Self::last_positions`].
    pub fn news(&self) -> broadcast::Receiver<News> {
        self.news.subscribe()
    }

    /// The events behind a position, in order, at most so many.
    pub async fn events_after(
        &self,
        of: SubAccountId,
        position: i64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>> {
        let mut tx = self.reader().await?;
        let rows: Vec<Row> = tx.all(EVENTS_AFTER, values![of, position, limit]).await?;
        rows.into_iter().map(read).collect()
    }

    /// The events at these positions, in order, as far as they are kept.
    pub async fn events_at(&self, of: SubAccountId, positions: &[i64]) -> Result<Vec<StoredEvent>> {
        let mut tx = self.reader().await?;
        let rows = positions.iter().flat_map(|position| values![of, *position]).collect();
        let rows: Vec<Row> = tx.all_of_rows(EVENTS_AT, rows).await?;
        let mut events = rows.into_iter().map(read).collect::<Result<Vec<_>>>()?;
        events.sort_by_key(|event| event.position);
        Ok(events)
    }

    /// Which events are kept.
    pub async fn event_bounds(&self, of: SubAccountId) -> Result<Bounds> {
        let mut tx = self.reader().await?;
        let row: Option<(i64, i64)> = tx.optional(BOUNDS, values![of]).await?;
        let (first, last) = row.unwrap_or_default();
        Ok(Bounds { first, last })
    }

    /// The position of the last event of each of these sub-accounts.
    pub async fn last_positions(
        &self,
        accounts: impl IntoIterator<Item = SubAccountId>,
    ) -> Result<Vec<(SubAccountId, i64)>> {
        let mut tx = self.reader().await?;
        let rows = accounts.into_iter().map(Value::from).collect();
        let rows: Vec<(Uuid, i64)> = tx.all_of_rows(LAST_POSITIONS, rows).await?;
        Ok(rows.into_iter().map(|(of, position)| (SubAccountId(of), position)).collect())
    }

    /// Removes events that are older than 30 days, some of them; answers how many.
    pub async fn expire_events(&self, now: Time) -> Result<u64> {
        let before = now.plus_seconds(-KEPT_SECONDS);
        let mut reader = self.reader().await?;
        let expired: Vec<(Uuid, i64)> = reader.all(EXPIRED_EVENTS, values![before]).await?;
        drop(reader);
        let mut removed = 0;
        for (of, position) in expired {
            let mut tx = self.writer().await?;
            removed += tx.execute(REMOVE_EXPIRED, values![of, position]).await?;
            tx.commit().await?;
        }
        Ok(removed)
    }
}

fn read((position, id, event_type, object_id, at): Row) -> Result<StoredEvent> {
    let unknown = || Error::damaged(format!("an event's type is {event_type:?}"));
    Ok(StoredEvent {
        position,
        id: EventId(id),
        event_type: EventType::parse(&event_type).ok_or_else(unknown)?,
        object_id,
        at: Time::from_micros(at),
    })
}
