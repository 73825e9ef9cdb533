//! Places for connections, in all and by address, and what is said to those who find none.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::perimeter::share_of;
use crate::web::error::{Code, Problem};

/// How many connections there may be (`[http.limits]`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Connections at once; from three quarters of them on, silent ones are closed sooner.
    pub connections: u32,
    /// Connections at once from one address (IPv6: one /64), unless it is a proxy of ours.
    pub connections_per_ip: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 1_000, connections_per_ip: 500 }
    }
}

/// The places that are taken.
pub struct Places {
    limits: Limits,
    // A mutex: held for a few instructions, at the beginning and the end of a connection.
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    count: u32,
    by_network: BTreeMap<IpAddr, u32>,
    /// Those who are being told that there is no place.
    refused: u32,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPlace {
    /// All are taken.
    Full,
    /// This address has its share.
    Share,
}

/// Who is refused beyond these is cut off without a word.
const REFUSED_AT_ONCE_MAX: u32 = 64;
/// So long a client may take to read that it is refused.
const FAREWELL: Duration = Duration::from_secs(1);

impl Places {
    /// All of them free.
    pub fn new(limits: Limits) -> Arc<Self> {
        Arc::new(Self { limits, taken: Mutex::default() })
    }

    /// A place, until what is returned is dropped; in the share of that address, if one is named.
    pub fn take(self: &Arc<Self>, ip: Option<IpAddr>) -> Result<Place, NoPlace> {
        let network = ip.map(share_of);
        let mut taken = self.taken();
        let share = |network| taken.by_network.get(network).copied().unwrap_or(0);
        let share = network.as_ref().map_or(0, share);
        if share >= self.limits.connections_per_ip {
            return Err(NoPlace::Share);
        }
        if taken.count >= self.limits.connections {
            return Err(NoPlace::Full);
        }
        taken.count += 1;
        if let Some(network) = network {
            taken.by_network.insert(network, share + 1);
        }
        Ok(Place { places: Arc::clone(self), network })
    }

    /// Three quarters are taken: whoever dawdles makes room.
    pub fn are_few(&self) -> bool {
        u64::from(self.taken().count) * 4 > u64::from(self.limits.connections) * 3
    }

    /// Tells a client that there is no place; returns at once.
    pub fn refuse(self: &Arc<Self>, stream: TcpStream, why: NoPlace) {
        metrics::counter!("mailweave_http_refusals_total", "code" => why.code()).increment(1);
        let mut taken = self.taken();
        if taken.refused >= REFUSED_AT_ONCE_MAX {
            return;
        }
        taken.refused += 1;
        let places = Arc::clone(self);
        tokio::spawn(async move {
            // Whoever does not listen is gone.
            let _ = timeout(FAREWELL, say(stream, why)).await;
            places.taken().refused -= 1;
        });
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NoPlace {
    const fn code(self) -> &'static str {
        match self {
            Self::Full => "too_many_connections",
            Self::Share => "too_many_connections_of_address",
        }
    }

    /// RFC 9110 15.6.4 (503), RFC 6585 4 (429), RFC 9457.
    fn answer(self) -> String {
        let problem = match self {
            Self::Full => Problem::new(Code::TooManyConnections, "Come back later."),
            Self::Share => {
                Problem::new(Code::TooManyConnectionsOfAddress, "Close some, and try again.")
            }
        };
        let status = problem.code.status();
        let title = status.canonical_reason().unwrap_or_default();
        let status = status.as_u16();
        let body = serde_json::json!(problem.details());
        let body = body.to_string();
        let length = body.len();
        format!(
            "HTTP/1.1 {status} {title}\r\nRetry-After: 5\r\nConnection: close\r\n\
             Content-Type: application/problem+json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    }
}

/// Answers, and reads what the client says meanwhile: a socket closed over unread bytes takes its answer
/// back (RFC 9112 9.6).
async fn say(mut stream: TcpStream, why: NoPlace) -> std::io::Result<()> {
    stream.write_all(why.answer().as_bytes()).await?;
    stream.shutdown().await?;
    let mut unread = [0; 4_096];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

/// A place that is taken; dropping it gives it back.
pub struct Place {
    places: Arc<Places>,
    network: Option<IpAddr>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.count = taken.count.saturating_sub(1);
        if let Some(network) = self.network
            && let Some(share) = taken.by_network.get_mut(&network)
        {
            *share -= 1;
            if *share == 0 {
                taken.by_network.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_in_all_and_by_address_and_gives_places_back() {
        let places = Places::new(Limits { connections: 3, connections_per_ip: 2 });
        let [one, other] = ["192.0.2.1", "2001:db8::1"].map(|text| text.parse::<IpAddr>().unwrap());
        let first = places.take(Some(one)).unwrap();
        let second = places.take(Some(one)).unwrap();
        assert!(!places.are_few());
        assert_eq!(places.take(Some(one)).err(), Some(NoPlace::Share));
        let third = places.take(Some(other)).unwrap();
        assert!(places.are_few());
        assert_eq!(places.take(Some("2001:db8:1::1".parse().unwrap())).err(), Some(NoPlace::Full));
        drop((first, second, third));
        assert!(places.taken().by_network.is_empty() && places.taken().count == 0);
    }
}
