//! How many mails may be on their way at once: a provider's limits hold for its mailbox, whoever of our
//! processes sends through it; and those who have much to send keep nobody else waiting.

use std::collections::{BTreeMap, VecDeque};

use crate::model::{ConnectionId, SubAccountId, Time, Via};

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

/// What all ways carry. Those that lead through one mailbox carry it together (M6).
#[derive(Clone, Debug, Default)]
pub struct Loads {
    by_mailbox: BTreeMap<Lane, Load>,
    same: BTreeMap<Lane, Lane>,
}

impl Loads {
    /// Nothing yet; `same`: of ways that lead through the same mailbox as others, the first of these.
    pub const fn new(same: BTreeMap<Lane, Lane>) -> Self {
        Self { by_mailbox: BTreeMap::new(), same }
    }

    /// This way carries so much more.
    pub fn add(&mut self, lane: Lane, more: Load) {
        let load = self.by_mailbox.entry(self.mailbox(lane)).or_default();
        load.in_flight = load.in_flight.saturating_add(more.in_flight);
        load.recent = load.recent.saturating_add(more.recent);
        load.first_recent = load.first_recent.into_iter().chain(more.first_recent).min();
    }

    /// The way that stands for all through its mailbox.
    fn mailbox(&self, lane: Lane) -> Lane {
        self.same.get(&lane).copied().unwrap_or(lane)
    }

    fn of(&self, mailbox: Lane) -> Load {
        self.by_mailbox.get(&mailbox).copied().unwrap_or_default()
    }
}

/// Who may send now, and who later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// Who has least on the way first, and of equals who has waited longest.
    pub open: Vec<Open>,
    /// These mailboxes have had their mails of this minute: nothing goes before then.
    pub paused: Vec<(SubAccountId, ConnectionId, Time)>,
}

/// A way on which more may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    pub lane: Lane,
    pub in_flight: usize,
    /// At most so many more.
    pub most: usize,
}

const MINUTE: i64 = 60;

/// Which ways are open, of those that have mail; `lanes` are in the order in which they have waited. More
/// than `room` of them are not needed. What is free of a mailbox is shared by the ways through it.
pub fn admit(lanes: &[Lane], loads: &Loads, pace: &Pace, room: usize) -> Admission {
    let mut admission = Admission::default();
    let mut sharers: BTreeMap<Lane, usize> = BTreeMap::new();
    for lane in lanes {
        *sharers.entry(loads.mailbox(*lane)).or_default() += 1;
    }
    let mut given: BTreeMap<Lane, usize> = BTreeMap::new();
    for lane in lanes {
        let mailbox = loads.mailbox(*lane);
        let load = loads.of(mailbox);
        let (left, given) =
            (sharers.entry(mailbox).or_default(), given.entry(mailbox).or_default());
        let free = free(lane.1, &load, pace).saturating_sub(*given);
        let most = free.div_ceil((*left).max(1)).min(room);
        (*left, *given) = (left.saturating_sub(1), *given + most);
        if most > 0 {
            admission.open.push(Open { lane: *lane, in_flight: load.in_flight, most });
        }
        admission.paused.extend(pause(*lane, &load, pace));
    }
    admission.open.sort_by_key(|it| it.in_flight);
    admission.open.truncate(room);
    admission
}

/// Which mails go now, of what each way has to send beside what is on its way: always one of who has least.
pub fn deal<T>(mut offers: Vec<(usize, VecDeque<T>)>, room: usize) -> Vec<T> {
    let mut dealt = Vec::new();
    while dealt.len() < room {
        let waiting = offers.iter_mut().filter(|(_, mails)| !mails.is_empty());
        let Some((in_flight, mails)) = waiting.min_by_key(|it| it.0) else { break };
        *in_flight += 1;
        dealt.extend(mails.pop_front());
    }
    dealt
}

/// How many more may go on this way.
fn free(via: Via, load: &Load, pace: &Pace) -> usize {
    match via {
        Via::Relay => pace.connections_per_relay.saturating_sub(load.in_flight),
        Via::Mailbox(_) => {
            let connections = pace.connections_per_mailbox.saturating_sub(load.in_flight);
            connections.min(left_of_minute(load, pace))
        }
    }
}

/// What is on its way counts for this minute, too.
const fn left_of_minute(load: &Load, pace: &Pace) -> usize {
    pace.per_mailbox_per_minute.saturating_sub(load.recent.saturating_add(load.in_flight))
}

/// Until when a mailbox has had its mails of this minute.
fn pause((of, via): Lane, load: &Load, pace: &Pace) -> Option<(SubAccountId, ConnectionId, Time)> {
    let (Via::Mailbox(connection), Some(first)) = (via, load.first_recent) else { return None };
    let is_over = left_of_minute(load, pace) == 0;
    is_over.then(|| (of, connection, first.plus_seconds(MINUTE)))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const PACE: Pace =
        Pace { per_mailbox_per_minute: 30, connections_per_mailbox: 3, connections_per_relay: 10 };
    const OF: SubAccountId = SubAccountId(Uuid::from_u128(1));
    const MAILBOX: ConnectionId = ConnectionId(Uuid::from_u128(2));

    fn loads<const N: usize>(all: [(Lane, Load); N]) -> Loads {
        let mut loads = Loads::default();
        all.into_iter().for_each(|(lane, load)| loads.add(lane, load));
        loads
    }

    fn admitted(via: Via, load: Load) -> Admission {
        admit(&[(OF, via)], &loads([((OF, via), load)]), &PACE, 64)
    }

    #[test]
    fn a_mailbox_has_three_connections_and_thirty_mails_a_minute() {
        let first = Time::from_seconds(1_000);
        let rows =
            [(0, 0, 3), (2, 0, 1), (3, 0, 0), (0, 28, 2), (1, 28, 1), (0, 30, 0), (2, 28, 0)];
        for (in_flight, recent, expected) in rows {
            let first_recent = (recent > 0).then_some(first);
            let load = Load { in_flight, recent, first_recent };
            let via = Via::Mailbox(MAILBOX);
            let admission = admitted(via, load);
            let words = format!("{in_flight} {recent}");
            let open = vec![Open { lane: (OF, via), in_flight, most: expected }];
            assert_eq!(admission.open, if expected > 0 { open } else { Vec::new() }, "{words}");
            let paused = vec![(OF, MAILBOX, first.plus_seconds(60))];
            let is_paused = in_flight + recent >= 30;
            assert_eq!(admission.paused, if is_paused { paused } else { Vec::new() }, "{words}");
        }
    }

    /// M6.
    #[test]
    fn a_mailbox_that_several_have_connected_has_its_limits_once() {
        let [one, two, three, other] = [1, 2, 3, 4].map(|n| {
            let of = SubAccountId(Uuid::from_u128(n));
            (of, Via::Mailbox(ConnectionId(Uuid::from_u128(10 + n))))
        });
        let lanes = [one, two, three, other];
        let same = || BTreeMap::from([one, two, three].map(|lane| (lane, one)));
        let shares = |load: Load| {
            let mut loads = Loads::new(same());
            loads.add(three, load);
            let admission = admit(&lanes, &loads, &PACE, 64);
            let most = |lane: &Lane| {
                let open = admission.open.iter().find(|it| it.lane == *lane);
                open.map_or(0, |open| open.most)
            };
            (lanes.each_ref().map(most), admission.paused.len())
        };
        let first_recent = Some(Time::from_seconds(1_000));
        let recent = |recent, in_flight| Load { in_flight, recent, first_recent };
        assert_eq!(shares(Load::default()), ([1, 1, 1, 3], 0));
        assert_eq!(shares(recent(5, 1)), ([1, 1, 0, 3], 0));
        assert_eq!(shares(recent(29, 0)), ([1, 0, 0, 3], 0));
        assert_eq!(shares(recent(30, 0)), ([0, 0, 0, 3], 3));
        // Who goes alone has all of it.
        let mut loads = Loads::new(same());
        loads.add(two, recent(10, 1));
        loads.add(three, recent(10, 0));
        assert_eq!(admit(&[one], &loads, &PACE, 64).open[0].most, 2);
    }

    #[test]
    fn a_relay_has_connections_and_no_rate() {
        let load = Load { in_flight: 4, recent: 10_000, first_recent: None };
        let open = Open { lane: (OF, Via::Relay), in_flight: 4, most: 6 };
        assert_eq!(admitted(Via::Relay, load).open, [open]);
    }

    #[test]
    fn who_has_much_to_send_keeps_nobody_waiting() {
        let relay = |n| (SubAccountId(Uuid::from_u128(n)), Via::Relay);
        let lanes = [relay(1), relay(2), relay(3), (OF, Via::Mailbox(MAILBOX))];
        let load = |in_flight| Load { in_flight, ..Load::default() };
        let loads = loads([(relay(1), load(8)), (relay(2), load(1))]);
        let admission = admit(&lanes, &loads, &PACE, 100);
        let open: Vec<_> = admission.open.iter().map(|it| (it.lane, it.most)).collect();
        let [much, some, none, mailbox] = lanes;
        assert_eq!(open, [(none, 10), (mailbox, 3), (some, 9), (much, 2)]);
        assert_eq!(admit(&lanes, &loads, &PACE, 1).open.len(), 1);
    }

    #[test]
    fn who_has_least_on_the_way_comes_next() {
        let dealt = |room| {
            let offer = |in_flight, mails: &[u8]| (in_flight, mails.iter().copied().collect());
            let offers = vec![offer(0, &[1, 2]), offer(0, &[11]), offer(2, &[21, 22, 23, 24])];
            deal(offers, room)
        };
        assert_eq!(dealt(0), Vec::<u8>::new());
        assert_eq!(dealt(3), [1, 11, 2]);
        assert_eq!(dealt(100), [1, 11, 2, 21, 22, 23, 24], "nothing is left while there is room");
    }
}
