//! When a mailbox is tried again: ever more rarely, and never all mailboxes at once. Pure.

use std::time::Duration;

/// How soon, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The wait after a first failure, on average.
    pub wait_first: Duration,
    /// The longest wait between two tries, on average.
    pub wait_max: Duration,
    /// The longest, on average, where nobody has any work with a try: after an outage all are back in less
    /// than ten minutes (F14).
    pub unready_max: Duration,
    /// An idle connection is proved alive after so long, well within every server's limit and every
    /// NAT's. With the time for an answer a dead one is found out within two minutes.
    pub probe_every: Duration,
    /// Where the server has no IDLE, it is asked so often.
    pub poll_every: Duration,
    /// New tokens must be refused for so long until the user is asked: a provider that could not take any
    /// would have all its users asked. Whose consent has ended is asked when the token is renewed.
    pub ask_after: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            wait_first: Duration::from_secs(5),
            wait_max: Duration::from_secs(15 * 60),
            unready_max: Duration::from_secs(160),
            probe_every: Duration::from_secs(90),
            poll_every: Duration::from_secs(30),
            ask_after: Duration::from_secs(10 * 60),
        }
    }
}

/// A session that had read all and then waited so long was a good one: what ended it, the end of a token
/// or a proxy, is no reason to wait longer.
const GOOD_AFTER: Duration = Duration::from_secs(30);
/// One that was still reading, too: no single command takes so long.
const GOOD_READING_AFTER: Duration = Duration::from_secs(150);
/// Sessions that failed in a row, a minute or two, until the user is told; a broken server is told at once.
const TOLD_AFTER: u32 = 5;
/// Refused sign-ins in a row until the user is asked: the token is renewed and it is tried again.
const DENIALS_MAX: u32 = 3;

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The connection was lost.
    Lost,
    /// There was none: nobody answers there, or there was nothing to sign in with just now.
    Unready,
    /// The sign-in was refused.
    Denied,
    /// The server answers what no server should.
    Broken,
}

/// What is done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Connect after this time; with a new token, if `renew`.
    Connect { after: Duration, renew: bool },
    /// Stop, and ask the user to consent again (M3).
    AskUser,
}

/// The tries of one mailbox.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    pace: Pace,
    failures: u32,
    denials: u32,
    /// How long was waited since the first of them.
    denied_for: Duration,
    /// All was read in the session that goes on.
    has_read_all: bool,
    /// The user may have been told that it fails, by us now or by those before us; the other folder's session
    /// does not take that back.
    is_told: bool,
}

impl Plan {
    /// Before the first try.
    pub const fn new(pace: Pace) -> Self {
        let denied_for = Duration::ZERO;
        Self { pace, failures: 0, denials: 0, denied_for, has_read_all: false, is_told: true }
    }

    /// A session was signed in.
    pub const fn handle_signed_in(&mut self) {
        self.denials = 0;
        self.denied_for = Duration::ZERO;
    }

    /// All that came while nobody watched is read.
    pub const fn handle_read_all(&mut self) {
        self.has_read_all = true;
    }

    /// A session has ended that lasted so long since its sign-in, if it came to that. `random` spreads the
    /// tries of many mailboxes.
    pub fn handle_end(&mut self, end: End, lasted: Duration, random: u32) -> Next {
        let good_after = if self.has_read_all { GOOD_AFTER } else { GOOD_READING_AFTER };
        self.has_read_all = false;
        if lasted >= good_after {
            self.failures = 0;
        }
        match end {
            End::Lost | End::Unready => {}
            End::Denied => self.denials += 1,
            End::Broken => self.failures = self.failures.max(BROKEN_FAILURES),
        }
        if self.denials >= DENIALS_MAX && self.denied_for >= self.pace.ask_after {
            return Next::AskUser;
        }
        let after = self.wait(end, random);
        self.failures = self.failures.saturating_add(1);
        // The first renewal is at once: an expired token is no failure.
        let is_first_denial = end == End::Denied && self.denials == 1;
        let after = if is_first_denial { Duration::ZERO } else { after };
        if self.denials > 0 {
            self.denied_for = self.denied_for.saturating_add(after);
        }
        Next::Connect { after, renew: end == End::Denied }
    }

    /// Should the user know that it fails?
    pub const fn is_in_trouble(&self) -> bool {
        self.failures >= TOLD_AFTER
    }

    /// The user is told that it fails.
    pub const fn handle_told(&mut self) {
        self.is_told = true;
    }

    /// Is there something to take back, now that it works?
    pub const fn takes_back(&mut self) -> bool {
        std::mem::replace(&mut self.is_told, false)
    }

    /// Doubling, from half to one and a half of its length.
    fn wait(&self, end: End, random: u32) -> Duration {
        let Pace { wait_first, wait_max, unready_max, .. } = self.pace;
        let wait_max = if end == End::Unready { unready_max.min(wait_max) } else { wait_max };
        let whole = wait_first.saturating_mul(1 << self.failures.min(10)).min(wait_max);
        let spread = u64::try_from(whole.as_micros()).unwrap_or(u64::MAX);
        whole / 2
            + Duration::from_micros(spread.saturating_mul(u64::from(random)) / u64::from(u32::MAX))
    }
}

/// A broken server is first tried again after minutes.
const BROKEN_FAILURES: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT_FIRST: Duration = Duration::from_secs(5);
    const AT_ONCE: Duration = Duration::from_secs(1);

    fn waits(plan: &mut Plan, end: End, lasted: Duration, random: u32) -> Duration {
        match plan.handle_end(end, lasted, random) {
            Next::Connect { after, .. } => after,
            Next::AskUser => panic!("asks"),
        }
    }

    #[test]
    fn waits_double_up_to_a_quarter_of_an_hour_and_are_spread() {
        let mut plan = Plan::default();
        let middle: Vec<u64> =
            (0..10).map(|_| waits(&mut plan, End::Lost, AT_ONCE, u32::MAX / 2).as_secs()).collect();
        assert_eq!(middle[..4], [4, 9, 19, 39]);
        assert_eq!(middle[9], 899);
        let mut low = Plan::default();
        assert_eq!(waits(&mut low, End::Lost, AT_ONCE, 0), WAIT_FIRST / 2);
        let mut high = Plan::default();
        assert_eq!(waits(&mut high, End::Lost, AT_ONCE, u32::MAX), WAIT_FIRST * 3 / 2);
    }

    #[test]
    fn a_session_that_lasted_starts_anew() {
        let mut plan = Plan::default();
        for _ in 0..5 {
            waits(&mut plan, End::Lost, AT_ONCE, 0);
        }
        let hour = Duration::from_secs(3_600);
        assert_eq!(waits(&mut plan, End::Lost, hour, 0), WAIT_FIRST / 2);
    }

    #[test]
    fn a_server_that_ends_each_session_after_minutes_makes_no_wait_grow() {
        for (minutes, has_read_all) in [(1, true), (4, true), (4, false)] {
            let mut plan = Plan::default();
            for _ in 0..20 {
                plan.handle_signed_in();
                if has_read_all {
                    plan.handle_read_all();
                }
                let wait = waits(&mut plan, End::Lost, Duration::from_secs(minutes * 60), u32::MAX);
                assert!(wait <= WAIT_FIRST * 3 / 2, "{minutes} {wait:?}");
            }
        }
    }

    #[test]
    fn after_an_outage_of_any_length_all_are_back_in_ten_minutes() {
        let mut plan = Plan::default();
        for _ in 0..100 {
            let wait = waits(&mut plan, End::Unready, Duration::ZERO, u32::MAX);
            assert!(wait <= Duration::from_secs(5 * 60), "{wait:?}");
        }
    }

    #[test]
    fn a_server_that_answers_nothing_after_the_sign_in_makes_waits_grow() {
        let mut plan = Plan::default();
        for _ in 0..20 {
            plan.handle_signed_in();
            waits(&mut plan, End::Lost, Duration::from_secs(61), 0);
        }
        assert!(waits(&mut plan, End::Lost, AT_ONCE, u32::MAX) >= Duration::from_secs(15 * 60));
    }

    #[test]
    fn a_refused_sign_in_renews_the_token_twice_and_then_asks() {
        let new = || Plan::new(Pace { ask_after: Duration::ZERO, ..Pace::default() });
        let mut plan = new();
        assert_eq!(
            plan.handle_end(End::Denied, Duration::ZERO, 0),
            Next::Connect { after: Duration::ZERO, renew: true }
        );
        assert!(matches!(
            plan.handle_end(End::Denied, Duration::ZERO, 0),
            Next::Connect { renew: true, .. }
        ));
        assert_eq!(plan.handle_end(End::Denied, Duration::ZERO, 0), Next::AskUser);
        let mut plan = new();
        plan.handle_end(End::Denied, Duration::ZERO, 0);
        plan.handle_signed_in();
        plan.handle_end(End::Denied, Duration::ZERO, 0);
        assert!(matches!(plan.handle_end(End::Denied, Duration::ZERO, 0), Next::Connect { .. }));
    }

    #[test]
    fn nobody_is_asked_for_an_outage_of_minutes() {
        for random in [0, u32::MAX] {
            let (mut plan, mut waited) = (Plan::default(), Duration::ZERO);
            while let Next::Connect { after, renew } =
                plan.handle_end(End::Denied, Duration::ZERO, random)
            {
                assert!(renew);
                waited += after;
            }
            let minutes = waited.as_secs() / 60;
            assert!((10..30).contains(&minutes), "{waited:?}");
        }
        let mut plan = Plan::default();
        for _ in 0..100 {
            assert!(matches!(
                plan.handle_end(End::Lost, AT_ONCE, 0),
                Next::Connect { renew: false, .. }
            ));
        }
    }

    #[test]
    fn a_broken_server_is_told_at_once_and_one_that_is_away_after_a_while() {
        let mut plan = Plan::default();
        waits(&mut plan, End::Broken, AT_ONCE, 0);
        assert!(plan.is_in_trouble());
        let mut plan = Plan::default();
        let waited: Duration = std::iter::from_fn(|| {
            let wait = waits(&mut plan, End::Unready, Duration::ZERO, u32::MAX / 2);
            (!plan.is_in_trouble()).then_some(wait)
        })
        .sum();
        assert!((60..180).contains(&waited.as_secs()), "{waited:?}");
    }

    #[test]
    fn a_broken_server_is_left_alone_for_minutes() {
        let mut plan = Plan::default();
        assert!(waits(&mut plan, End::Broken, AT_ONCE, 0) >= Duration::from_secs(60));
    }
}
