//! Who may come in and how much of us they may have: connections in all and by address, unknown
//! recipients by address, memory for large mails; and how hard pressed we are.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout};

use crate::perimeter::share_of;
use crate::smtp::limits::Limits;

/// How hard pressed the listener is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pressure {
    Normal,
    /// Connections run out: whoever dawdles goes sooner.
    Overload,
    /// The gateway stops: mails under way may end until then.
    Stopping(Instant),
}

/// What all connections share of the limits.
pub struct Admission {
    limits: ArcSwap<Limits>,
    // A mutex: held for a few instructions, at the beginning and the end of a connection.
    open: Mutex<Open>,
    unknown: Option<DefaultKeyedRateLimiter<IpAddr>>,
    /// Lines of the log for those who are turned away.
    lines: DefaultDirectRateLimiter,
    memory: Arc<Semaphore>,
    pressure: watch::Sender<Pressure>,
}

#[derive(Default)]
struct Open {
    count: u32,
    by_network: BTreeMap<IpAddr, u32>,
}

/// Addresses whose unknown recipients are counted one by one; the others are counted together.
const COUNTED_MAX: usize = 65_536;
/// A flood of connections must not become a flood of lines.
const LINES_A_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(4);
/// The unit of the memory budget.
const KIB: u64 = 1024;

impl Admission {
    /// An empty house.
    pub fn new(limits: Limits) -> Arc<Self> {
        let permits = usize::try_from(limits.memory_bytes / KIB).unwrap_or(usize::MAX);
        let per_minute = NonZeroU32::new(limits.unknown_recipients_per_ip_per_minute);
        Arc::new(Self {
            open: Mutex::default(),
            unknown: per_minute
                .map(|count| DefaultKeyedRateLimiter::keyed(Quota::per_minute(count))),
            lines: DefaultDirectRateLimiter::direct(Quota::per_second(LINES_A_SECOND)),
            memory: Arc::new(Semaphore::new(permits.clamp(1, Semaphore::MAX_PERMITS))),
            pressure: watch::Sender::new(Pressure::Normal),
            limits: ArcSwap::from_pointee(limits),
        })
    }

    /// Other limits from now on; those of memory and unknown recipients stay as they were at the start.
    pub fn change(&self, limits: Limits) {
        self.limits.store(Arc::new(limits));
    }

    /// A place among all connections, if there is one.
    pub fn enter(self: &Arc<Self>) -> Option<Place> {
        let mut open = self.open();
        if open.count >= self.limits.load().connections {
            return None;
        }
        open.count += 1;
        self.press(open.count);
        metrics::gauge!("mailweave_smtp_connections").set(open.count);
        Some(Place { admission: Arc::clone(self), network: None })
    }

    /// Unknown recipients are refused one by one until an address has had too many of them.
    pub fn may_miss(&self, ip: IpAddr) -> bool {
        let Some(unknown) = &self.unknown else { return false };
        let network = share_of(ip);
        let is_crowded = unknown.len() >= COUNTED_MAX;
        let key = if is_crowded { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { network };
        unknown.check_key(&key).is_ok()
    }

    /// Whether the log has room for one more who is turned away.
    pub fn may_log(&self) -> bool {
        self.lines.check().is_ok()
    }

    /// Forgets the addresses that have had no unknown recipient of late.
    pub fn forget(&self) {
        if let Some(unknown) = &self.unknown {
            unknown.retain_recent();
            unknown.shrink_to_fit();
        }
    }

    /// Waits for memory of so many bytes, for as long as a mail may wait.
    pub async fn memory(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let limits = self.limits.load_full();
        let all = limits.memory_bytes / KIB;
        let permits = u32::try_from(bytes.div_ceil(KIB).min(all)).unwrap_or(u32::MAX);
        let wait = Duration::from_secs(limits.memory_wait_seconds);
        let acquired = timeout(wait, Arc::clone(&self.memory).acquire_many_owned(permits)).await;
        acquired.ok()?.ok()
    }

    /// How hard pressed we are, now and from now on.
    pub fn pressure(&self) -> watch::Receiver<Pressure> {
        self.pressure.subscribe()
    }

    /// The gateway stops.
    pub fn stop(&self, until: Instant) {
        self.pressure.send_replace(Pressure::Stopping(until));
    }

    /// Three quarters of the connections used: overload, until it is less than five eighths.
    fn press(&self, count: u32) {
        let (count, all) = (u64::from(count), u64::from(self.limits.load().connections));
        self.pressure.send_if_modified(|pressure| {
            let next = match *pressure {
                Pressure::Normal if count * 4 > all * 3 => Pressure::Overload,
                Pressure::Overload if count * 8 < all * 5 => Pressure::Normal,
                same => same,
            };
            std::mem::replace(pressure, next) != next
        });
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the connections; dropping it gives it back.
pub struct Place {
    admission: Arc<Admission>,
    network: Option<IpAddr>,
}

impl Place {
    /// Counts the connection to its address; `false` when that has too many.
    pub fn take(&mut self, ip: IpAddr) -> bool {
        let network = share_of(ip);
        let mut open = self.admission.open();
        let count = open.by_network.entry(network).or_default();
        if *count >= self.admission.limits.load().connections_per_ip {
            return false;
        }
        *count += 1;
        self.network = Some(network);
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.admission.open();
        open.count = open.count.saturating_sub(1);
        if let Some(network) = self.network
            && let Some(count) = open.by_network.get_mut(&network)
        {
            *count -= 1;
            if *count == 0 {
                open.by_network.remove(&network);
            }
        }
        self.admission.press(open.count);
        metrics::gauge!("mailweave_smtp_connections").set(open.count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn admission(change: impl FnOnce(&mut Limits)) -> Arc<Admission> {
        let mut limits = Limits::default();
        change(&mut limits);
        Admission::new(limits)
    }

    #[test]
    fn counts_ipv6_by_64_bits_and_mapped_ipv4_as_ipv4() {
        assert_eq!(share_of(ip("2001:db8:1:2:3::4")), ip("2001:db8:1:2::"));
        assert_eq!(share_of(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
    }

    #[test]
    fn gives_places_back() {
        let admission =
            admission(|limits| (limits.connections, limits.connections_per_ip) = (2, 1));
        let mut first = admission.enter().unwrap();
        assert!(first.take(ip("192.0.2.1")));
        let mut second = admission.enter().unwrap();
        assert!(!second.take(ip("192.0.2.1")), "one from an address");
        assert!(admission.enter().is_none(), "two in all");
        drop((first, second));
        assert!(admission.enter().unwrap().take(ip("192.0.2.1")));
        assert!(admission.open().by_network.is_empty());
    }

    #[test]
    fn is_pressed_while_connections_run_out() {
        let admission = admission(|limits| limits.connections = 8);
        let pressure = admission.pressure();
        let mut places: Vec<_> = (0..6).map(|_| admission.enter().unwrap()).collect();
        assert_eq!(*pressure.borrow(), Pressure::Normal);
        places.push(admission.enter().unwrap());
        assert_eq!(*pressure.borrow(), Pressure::Overload);
        places.truncate(5);
        assert_eq!(*pressure.borrow(), Pressure::Overload);
        places.truncate(4);
        assert_eq!(*pressure.borrow(), Pressure::Normal);
    }

    #[test]
    fn counts_unknown_recipients_by_address() {
        let admission = admission(|limits| limits.unknown_recipients_per_ip_per_minute = 2);
        assert!(admission.may_miss(ip("192.0.2.1")) && admission.may_miss(ip("192.0.2.1")));
        assert!(!admission.may_miss(ip("192.0.2.1")));
        assert!(admission.may_miss(ip("192.0.2.2")));
        admission.forget();
        assert!(!admission.may_miss(ip("192.0.2.1")));
    }

    #[tokio::test]
    async fn lets_large_mails_wait_for_memory_and_gives_up() {
        let admission = admission(|limits| {
            (limits.memory_bytes, limits.memory_wait_seconds) = (100 * KIB, 0);
        });
        let all = admission.memory(1_000_000).await;
        assert!(all.is_some(), "more than there is asks for all there is");
        assert!(admission.memory(1).await.is_none());
        drop(all);
        assert!(admission.memory(1).await.is_some());
    }
}
