//! How many mails may be on their way at once: a provider's limits hold for its mailbox, whoever of our
//! processes sends through it.

use std::collections::BTreeMap;

use crate::model::{ConnectionId, StoredMessageId, SubAccountId, Time, Via};

/// The limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Mails through one mailbox in a minute. Exchange Online delays what is more than 30.
    pub per_mailbox_per_minute: usize,
    /// At once through one mailbox. Exchange Online refuses the fourth connection (`432 4.3.2`).
    pub connections_per_mailbox: usize,
    /// At once through the relay of one sub-account.
    pub connections_per_relay: usize,
}

/// A way of one sub-account.
pub type Lane = (SubAccountId, Via);

/// What a way carries already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// On their way now.
    pub in_flight: usize,
    /// Handed over in the last minute, and when the first of them was.
    pub recent: usize,
    pub first_recent: Option<Time>,
}

/// What is done now, and what later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    pub now: Vec<(SubAccountId, StoredMessageId)>,
    /// These mailboxes have had their mails of this minute: nothing goes before then.
    pub paused: Vec<(SubAccountId, ConnectionId, Time)>,
}

const MINUTE: i64 = 60;

/// Which of the mails that are due go now, in their order, at most `room` of them.
pub fn admit(
    due: &[(SubAccountId, StoredMessageId, Via)],
    mut loads: BTreeMap<Lane, Load>,
    pace: &Pace,
    room: usize,
) -> Admission {
    let mut admission = Admission::default();
    for (of, message, via) in due {
        if admission.now.len() >= room {
            break;
        }
        let load = loads.entry((*of, *via)).or_default();
        let (connections, per_minute) = match via {
            Via::Mailbox(_) => (pace.connections_per_mailbox, pace.per_mailbox_per_minute),
            Via::Relay => (pace.connections_per_relay, usize::MAX),
        };
        // What is on its way counts for this minute, too.
        if load.recent.saturating_add(load.in_flight) >= per_minute {
            pause(&mut admission, *of, *via, load);
        } else if load.in_flight < connections {
            load.in_flight += 1;
            admission.now.push((*of, *message));
        }
    }
    admission
}

fn pause(admission: &mut Admission, of: SubAccountId, via: Via, load: &Load) {
    let (Via::Mailbox(connection), Some(first)) = (via, load.first_recent) else { return };
    let pause = (of, connection, first.plus_seconds(MINUTE));
    if !admission.paused.contains(&pause) {
        admission.paused.push(pause);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const PACE: Pace =
        Pace { per_mailbox_per_minute: 30, connections_per_mailbox: 3, connections_per_relay: 10 };
    const OF: SubAccountId = SubAccountId(Uuid::from_u128(1));
    const MAILBOX: ConnectionId = ConnectionId(Uuid::from_u128(2));

    fn due(count: u128, via: Via) -> Vec<(SubAccountId, StoredMessageId, Via)> {
        (0..count).map(|n| (OF, StoredMessageId(Uuid::from_u128(100 + n)), via)).collect()
    }

    fn admitted(via: Via, load: Load) -> Admission {
        admit(&due(100, via), BTreeMap::from([((OF, via), load)]), &PACE, 64)
    }

    #[test]
    fn a_mailbox_has_three_connections_and_thirty_mails_a_minute() {
        let first = Time::from_seconds(1_000);
        let rows =
            [(0, 0, 3), (2, 0, 1), (3, 0, 0), (0, 28, 2), (1, 28, 1), (0, 30, 0), (2, 28, 0)];
        for (in_flight, recent, expected) in rows {
            let first_recent = (recent > 0).then_some(first);
            let load = Load { in_flight, recent, first_recent };
            let admission = admitted(Via::Mailbox(MAILBOX), load);
            assert_eq!(admission.now.len(), expected, "{in_flight} {recent}");
            let is_paused = in_flight + recent + expected >= 30;
            let paused = vec![(OF, MAILBOX, first.plus_seconds(60))];
            assert_eq!(admission.paused, if is_paused { paused } else { Vec::new() });
        }
    }

    #[test]
    fn a_relay_has_connections_and_no_rate() {
        let load = Load { in_flight: 4, recent: 10_000, first_recent: None };
        assert_eq!(admitted(Via::Relay, load).now.len(), 6);
    }

    #[test]
    fn what_is_first_in_the_queue_goes_first() {
        let mut all = due(10, Via::Mailbox(MAILBOX));
        all.extend(due(100, Via::Relay));
        let admission = admit(&all, BTreeMap::new(), &PACE, 5);
        let first: Vec<_> = all[..3].iter().chain(&all[10..12]).map(|it| it.1).collect();
        assert_eq!(admission.now.iter().map(|it| it.1).collect::<Vec<_>>(), first);
    }
}
