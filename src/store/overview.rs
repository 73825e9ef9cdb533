//! How everything is going, for who runs the gateway: across sub-accounts, in numbers alone.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::deliveries::first_id_at;
use super::value::values;
use super::{Error, Result, Store};
use crate::model::{MailboxState, Outcome, SubAccountId, Time};

statements! {
    /// Those that had mail last; those that never had any come after them, the newest first.
    LATEST_ACCOUNTS = "select sub_accounts.sub_account, sub_accounts.name, \
            (select verdicts.id from verdicts where verdicts.sub_account = sub_accounts.sub_account \
                order by verdicts.id desc limit 1) as latest \
        from sub_accounts where sub_accounts.sub_account <> $1 \
        order by 3 desc nulls last, sub_accounts.created_at desc limit $2";
    /// Without `coalesce` SQLite reads the connections of all for each; and what waits in the order of its index, by
    /// which it takes that one and reads nothing that was delivered.
    NUMBERS = "select asked.column1, \
            (select count(*) from users where users.sub_account = asked.column1), \
            (select count(*) from connections where connections.sub_account = asked.column1 \
                and coalesce(connections.state, null) = 'active'), \
            (select count(*) from (select 1 as one from webhook_deliveries as due \
                where due.sub_account = asked.column1 and due.next_attempt_at is not null \
                order by due.webhook_id, due.position) as waiting) \
        from {rows uuid} as asked where asked.column1 is not null";
    SUB_ACCOUNTS = "select count(*) from sub_accounts where sub_account <> $1";
    CONNECTION_STATES = "select state, count(*) from connections group by state";
    OUTBOX_WAITING = "select (select count(*) from outbox where due_at is not null), \
        (select count(*) from outbox where status = 'unknown'), \
        (select min(coalesce(send_at, created_at)) from outbox where due_at is not null)";
    DELIVERIES_FAILING = "select count(*) from webhook_deliveries \
        where next_attempt_at is not null and attempts > 0";
    /// Hours by their ids, which carry the time: read from the index alone.
    VERDICTS_BETWEEN = "select asked.column1, asked.column2, asked.column5, \
            (select count(*) from verdicts where verdicts.sub_account = asked.column1 \
                and verdicts.outcome = asked.column2 \
                and verdicts.id >= asked.column3 and verdicts.id < asked.column4) \
        from {rows uuid text uuid uuid bigint} as asked where asked.column1 is not null";
}

/// Hours of the rates.
pub const HOURS: usize = 24;
const HOUR_SECONDS: i64 = 3_600;
/// Sub-accounts shown.
const ACCOUNTS_MAX: u32 = 50;

/// A sub-account in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountOverview {
    pub id: SubAccountId,
    pub name: String,
    pub users: i64,
    /// Mailboxes that are watched.
    pub mailboxes: i64,
    /// Deliveries to webhooks that wait.
    pub waiting: i64,
    pub rates: Rates,
}

/// What is in the outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxWaiting {
    /// Mails that wait to be sent.
    pub waiting: i64,
    /// Those of which it is not known whether they were.
    pub unknown: i64,
    /// From when on the oldest that waits was to be sent.
    pub since: Option<Time>,
}

/// Mails an hour, the oldest hour first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rates {
    pub filed: [i64; HOURS],
    pub held: [i64; HOURS],
    /// Duplicates, ignored, skipped and refused.
    pub other: [i64; HOURS],
}

impl Rates {
    /// All mails of each hour.
    pub fn total(&self) -> [i64; HOURS] {
        let mut total = [0; HOURS];
        for hours in [&self.filed, &self.held, &self.other] {
            total.iter_mut().zip(hours).for_each(|(sum, count)| *sum += count);
        }
        total
    }

    /// Both together.
    pub fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.filed, &other.filed),
            (&mut self.held, &other.held),
            (&mut self.other, &other.other),
        ];
        for (own, theirs) in pairs {
            own.iter_mut().zip(theirs).for_each(|(sum, count)| *sum += count);
        }
    }

    fn of(&mut self, outcome: &str) -> &mut [i64; HOURS] {
        match Outcome::parse(outcome) {
            Some(Outcome::Filed) => &mut self.filed,
            Some(Outcome::Held) => &mut self.held,
            _ => &mut self.other,
        }
    }
}

impl Store {
    /// The sub-accounts that had mail last, in numbers; and how many there are in all.
    pub async fn overview(&self, now: Time) -> Result<(Vec<AccountOverview>, i64)> {
        let mut tx = self.reader().await?;
        let values = values![SubAccountId::OPERATOR, ACCOUNTS_MAX];
        let latest: Vec<(Uuid, String, Option<Uuid>)> = tx.all(LATEST_ACCOUNTS, values).await?;
        let asked = latest.iter().flat_map(|row| values![SubAccountId(row.0)]).collect();
        let rows: Vec<(Uuid, i64, i64, i64)> = tx.all_of_rows(NUMBERS, asked).await?;
        let numbers: BTreeMap<Uuid, (i64, i64, i64)> = rows
            .into_iter()
            .map(|(id, users, mailboxes, waiting)| (id, (users, mailboxes, waiting)))
            .collect();
        let mut accounts = Vec::new();
        for (id, name, _) in latest {
            let (users, mailboxes, waiting) = numbers.get(&id).copied().unwrap_or_default();
            let id = SubAccountId(id);
            let counted = tx.all_of_rows(VERDICTS_BETWEEN, hours(id, now)).await?;
            let rates = rates(counted)?;
            accounts.push(AccountOverview { id, name, users, mailboxes, waiting, rates });
        }
        let count: Option<(i64,)> =
            tx.optional(SUB_ACCOUNTS, values![SubAccountId::OPERATOR]).await?;
        Ok((accounts, count.map_or(0, |(count,)| count)))
    }

    /// How many connections of mailboxes are in each state.
    pub async fn mailbox_states(&self) -> Result<Vec<(MailboxState, i64)>> {
        let mut tx = self.reader().await?;
        let rows: Vec<(String, i64)> = tx.all(CONNECTION_STATES, Vec::new()).await?;
        rows.into_iter()
            .map(|(state, count)| {
                let unknown = || Error::damaged(format!("a connection is {state:?}"));
                Ok((MailboxState::parse(&state).ok_or_else(unknown)?, count))
            })
            .collect()
    }

    /// What is in the outbox.
    pub async fn outbox_waiting(&self) -> Result<OutboxWaiting> {
        let mut tx = self.reader().await?;
        let row: Option<(i64, i64, Option<i64>)> = tx.optional(OUTBOX_WAITING, Vec::new()).await?;
        let (waiting, unknown, oldest) = row.unwrap_or_default();
        Ok(OutboxWaiting { waiting, unknown, since: oldest.map(Time::from_micros) })
    }

    /// Deliveries to webhooks that were tried and did not arrive yet.
    pub async fn failing_deliveries(&self) -> Result<i64> {
        let mut tx = self.reader().await?;
        let row: Option<(i64,)> = tx.optional(DELIVERIES_FAILING, Vec::new()).await?;
        Ok(row.map_or(0, |(failing,)| failing))
    }

    /// Which database it is.
    pub const fn database(&self) -> &'static str {
        match self.database {
            super::Database::Sqlite(_) => "SQLite",
            super::Database::Postgres(_) => "PostgreSQL",
        }
    }
}

/// What is asked of a sub-account: every outcome in every hour.
fn hours(of: SubAccountId, now: Time) -> Vec<super::value::Value> {
    let hours = i64::try_from(HOURS).unwrap_or(0);
    let first = (now.as_seconds().div_euclid(HOUR_SECONDS) + 1 - hours) * HOUR_SECONDS;
    let mut rows = Vec::new();
    for hour in 0..hours {
        let start = Time::from_seconds(first + hour * HOUR_SECONDS);
        let (from, to) = (first_id_at(start), first_id_at(start.plus_seconds(HOUR_SECONDS)));
        for outcome in Outcome::ALL {
            rows.extend(values![of, outcome.name(), from, to, hour]);
        }
    }
    rows
}

fn rates(counted: Vec<(Uuid, String, i64, i64)>) -> Result<Rates> {
    let mut rates = Rates::default();
    for (_, outcome, hour, count) in counted {
        let hour = usize::try_from(hour).map_err(Error::damaged)?;
        if let Some(sum) = rates.of(&outcome).get_mut(hour) {
            *sum += count;
        }
    }
    Ok(rates)
}
