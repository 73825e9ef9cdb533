//! How often somebody may try to sign in (ATTACKS D15). Tries are counted for the account from one address,
//! for the account from everywhere, and for the address. A browser that has signed in to the account before
//! holds a mark of it and is counted for itself alone, so that nobody locks the owner out by guessing.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use sha2::{Digest, Sha256};

use crate::model::{Address, UserId};

/// Tries at once; then one in each of so many seconds.
const ACCOUNT_HERE: (u32, u64) = (10, 60);
const ACCOUNT_ANYWHERE: (u32, u64) = (100, 30);
const ADDRESS: (u32, u64) = (100, 5);
const KNOWN_BROWSER: (u32, u64) = (10, 30);
/// Keys that are remembered at most; beyond them those without recent tries are forgotten.
const KEYS_MAX: usize = 100_000;

type Limiter = DefaultKeyedRateLimiter<[u8; 32]>;

/// The counts.
pub struct Limits {
    account_here: Limiter,
    account_anywhere: Limiter,
    address: Limiter,
    known_browser: Limiter,
}

/// Who tries.
pub struct Try<'a> {
    /// The sign-in address as it was typed.
    pub email: &'a str,
    pub peer: Option<IpAddr>,
    /// The one user of this address, where the browser has signed in as that user before.
    pub known: Option<UserId>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            account_here: limiter(ACCOUNT_HERE),
            account_anywhere: limiter(ACCOUNT_ANYWHERE),
            address: limiter(ADDRESS),
            known_browser: limiter(KNOWN_BROWSER),
        }
    }
}

impl Limits {
    /// May anything be tried from there now? It counts.
    pub fn allows_from(&self, peer: Option<IpAddr>) -> bool {
        if self.address.len() > KEYS_MAX {
            self.address.retain_recent();
        }
        self.address.check_key(&key(&[&network(peer)])).is_ok()
    }

    /// May this be tried now? It counts.
    pub fn allows(&self, tried: &Try<'_>) -> bool {
        for limiter in
            [&self.account_here, &self.account_anywhere, &self.address, &self.known_browser]
        {
            if limiter.len() > KEYS_MAX {
                limiter.retain_recent();
            }
        }
        if let Some(user) = tried.known {
            return self.known_browser.check_key(&key(&[user.0.as_bytes()])).is_ok();
        }
        let account = key(&[account(tried.email).as_bytes()]);
        let peer = network(tried.peer);
        // All three count each time: which of them refuses is nobody's business.
        let here = self.account_here.check_key(&key(&[&account, &peer])).is_ok();
        let address = self.address.check_key(&key(&[&peer])).is_ok();
        here && address && self.account_anywhere.check_key(&account).is_ok()
    }
}

/// The account that is named, by whatever spelling of its address it is found.
fn account(typed: &str) -> String {
    let address = Address::parse(typed).map(|address| address.normal().to_owned());
    address.unwrap_or_else(|| typed.trim().to_lowercase())
}

fn limiter((burst, seconds): (u32, u64)) -> Limiter {
    let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    let quota = Quota::with_period(Duration::from_secs(seconds.max(1)));
    let quota = quota.unwrap_or(Quota::per_second(NonZeroU32::MIN));
    RateLimiter::keyed(quota.allow_burst(burst))
}

fn key(parts: &[&[u8]]) -> [u8; 32] {
    let hash = parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part));
    hash.finalize().into()
}

/// The address, or the /64 of one of IPv6: whoever has one has all of it.
fn network(peer: Option<IpAddr>) -> [u8; 16] {
    let address = match peer.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(address)) => address.to_ipv6_mapped(),
        Some(IpAddr::V6(address)) => Ipv6Addr::from(u128::from(address) & !u128::from(u64::MAX)),
        None => Ipv6Addr::UNSPECIFIED,
    };
    address.octets()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(email: &str, peer: &str) -> bool {
        LIMITS.with(|limits| limits.allows(&Try { email, peer: peer.parse().ok(), known: None }))
    }

    thread_local!(static LIMITS: Limits = Limits::default());

    #[test]
    fn guessing_ends_soon_and_the_owner_still_gets_in() {
        let allowed = (0..1_000).filter(|_| tried("ann@example.com", "192.0.2.1")).count();
        assert!((10..15).contains(&allowed), "{allowed}");
        assert!(!tried("ANN@example.com ", "192.0.2.1"), "the same account");
        assert!(!tried("ann@EXAMPLE.com.", "192.0.2.1"), "another spelling");
        assert!(tried("ann@example.com", "192.0.2.2"), "another place");
        assert!(tried("bob@example.com", "192.0.2.3"), "another account");
        // From everywhere at once.
        let anywhere = (0..1_000_u32)
            .filter(|n| tried("ann@example.com", &format!("10.0.{}.{}", n / 250, n % 250)));
        assert!(anywhere.count() < 150);
        let known = Some(UserId(uuid::Uuid::from_u128(1)));
        let owner = Try { email: "ann@example.com", peer: "192.0.2.1".parse().ok(), known };
        assert!(LIMITS.with(|limits| limits.allows(&owner)));
    }

    #[test]
    fn a_network_of_ipv6_is_one_peer() {
        let of = |text: &str| network(text.parse().ok());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
    }
}
