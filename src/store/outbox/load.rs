//! What each way carries already. A provider's limits hold for its mailbox, in however many sub-accounts it is
//! connected (M6), and however often (M5): connections of one address at one server are counted together.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{connection, via};
use crate::decide::send::{Lane, Load, Loads};
use crate::model::{Account, ConnectionId, SubAccountId, Time, Via};
use crate::store::Result;
use crate::store::messages::json;
use crate::store::tx::Tx;
use crate::store::value::values;

statements! {
    /// Grouped in this order SQLite, left the choice, reads what is leased, and in the other all that waits.
    IN_FLIGHT = "select flying.sub_account, flying.connection_id, connections.address, flying.mails \
        from (select sub_account, connection_id, count(*) as mails from outbox \
            where leased_until >= $1 group by connection_id, sub_account) as flying \
        left join connections on connections.sub_account = flying.sub_account \
            and connections.id = flying.connection_id";
    /// Beside those that are in flight.
    RECENT = "select handed.sub_account, handed.connection_id, connections.address, handed.mails, \
            handed.since \
        from (select sub_account, connection_id, count(*) as mails, min(handed_at) as since \
            from outbox where handed_at > $1 and connection_id is not null \
                and (leased_until is null or leased_until < $2) \
            group by sub_account, connection_id) as handed \
        left join connections on connections.sub_account = handed.sub_account \
            and connections.id = handed.connection_id";
    ACCOUNTS = "select connections.sub_account, connections.id, connections.account \
        from {rows uuid uuid} as asked cross join connections \
        where connections.sub_account = asked.column1 and connections.id = asked.column2";
}

/// A way, and the address of its mailbox.
pub(super) type Addressed = (Lane, Option<String>);

/// What is under way and what was handed over in the last minute, with `lanes` those that have mail.
pub(super) async fn loads(tx: &mut Tx<'_>, lanes: &[Addressed], now: Time) -> Result<Loads> {
    let mut carried = Vec::new();
    let flying: Vec<(Uuid, Option<Uuid>, Option<String>, i64)> =
        tx.all(IN_FLIGHT, values![now]).await?;
    for (of, connection, address, mails) in flying {
        let in_flight = usize::try_from(mails).unwrap_or(usize::MAX);
        let load = Load { in_flight, ..Load::default() };
        carried.push((((SubAccountId(of), via(connection)), address), load));
    }
    let recent: Vec<(Uuid, Option<Uuid>, Option<String>, i64, i64)> =
        tx.all(RECENT, values![now.plus_seconds(-60), now]).await?;
    for (of, connection, address, mails, first) in recent {
        let recent = usize::try_from(mails).unwrap_or(usize::MAX);
        let load = Load { recent, first_recent: Some(Time::from_micros(first)), in_flight: 0 };
        carried.push((((SubAccountId(of), via(connection)), address), load));
    }
    let all = lanes.iter().chain(carried.iter().map(|(lane, _)| lane));
    let mut loads = Loads::new(same_mailboxes(tx, all).await?);
    for ((lane, _), load) in carried {
        loads.add(lane, load);
    }
    Ok(loads)
}

/// Of the ways through a mailbox that others go through, too, the first of them. Hardly any: only then it is
/// looked at which server they lead to.
async fn same_mailboxes<'a>(
    tx: &mut Tx<'_>,
    ways: impl Iterator<Item = &'a Addressed>,
) -> Result<BTreeMap<Lane, Lane>> {
    let mut addresses: BTreeMap<Lane, &str> = BTreeMap::new();
    addresses.extend(ways.filter_map(|(lane, address)| Some((*lane, address.as_deref()?))));
    let mut lanes: BTreeMap<&str, Vec<Lane>> = BTreeMap::new();
    for (lane, address) in &addresses {
        lanes.entry(address).or_default().push(*lane);
    }
    let shared = lanes.into_values().filter(|lanes| lanes.len() > 1).flatten();
    let asked = shared.flat_map(|(of, via)| values![of, connection(via)]).collect();
    let rows: Vec<(Uuid, Uuid, String)> = tx.all_of_rows(ACCOUNTS, asked).await?;
    let mut firsts = BTreeMap::new();
    let mut same = BTreeMap::new();
    for (of, id, account) in rows {
        let lane = (SubAccountId(of), Via::Mailbox(ConnectionId(id)));
        let account: Account = json(&account)?;
        let mailbox = (addresses.get(&lane).copied(), account.smtp.name);
        same.insert(lane, *firsts.entry(mailbox).or_insert(lane));
    }
    Ok(same)
}
