//! Where a connection may go when its host was named by a customer: a webhook's URL, a mail server that
//! was typed in. Private, loopback and link-local networks and clouds' metadata are behind the
//! perimeter, unless the operator's configuration opens it for them.
//!
//! What counts is the address that is connected to, not the name: a name is resolved here, and only
//! addresses that were looked at are handed on. Hosts of the operator's own configuration do not pass
//! through here.

mod http;
mod network;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use hickory_resolver::TokioResolver;
use tokio::net::TcpStream;

pub use network::{Network, is_public, share_of};

/// Which addresses may be connected to. Clones share it.
#[derive(Clone)]
pub struct Perimeter {
    /// Networks that are open although they are not public.
    allowed: Arc<[Network]>,
    resolver: Arc<dyn Resolve>,
}

/// Asks for the addresses of a name.
pub trait Resolve: Send + Sync {
    /// The addresses in the order in which they are to be tried.
    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>>;
}

/// As the system resolves names: its hosts file, and its name servers.
pub struct System;

/// Why nothing was connected to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It stays so: the operator may allow the network, or the customer name another host.
    #[error("{host} is at {address}, which is no public address")]
    Refused { host: String, address: IpAddr },
    /// It may be otherwise in a while.
    #[error("the addresses of {host} cannot be found: {source}")]
    Unresolved { host: String, source: io::Error },
    #[error("{host} cannot be reached: {source}")]
    Unreachable { host: String, source: io::Error },
}

impl Error {
    /// Will it do any good to try again later, without a person's help?
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unresolved { .. } | Self::Unreachable { .. } => true,
            Self::Refused { .. } => false,
        }
    }
}

impl Perimeter {
    /// One that is open for these networks beside the public ones.
    pub fn new(allowed: &[Network], resolver: Arc<dyn Resolve>) -> Self {
        Self { allowed: allowed.into(), resolver }
    }

    /// May this address be connected to?
    pub fn admits(&self, address: IpAddr) -> bool {
        is_public(address) || self.allowed.iter().any(|network| network.contains(address))
    }

    /// The addresses of a host that may be connected to. They hold for one connection only: the next
    /// asks again, because a name can be given other addresses at any time.
    pub async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, Error> {
        let found = match literal(host) {
            Some(address) => vec![address],
            None => self
                .resolver
                .addresses(host)
                .await
                .map_err(|source| Error::Unresolved { host: host.to_owned(), source })?,
        };
        let refused = found.iter().copied().find(|address| !self.admits(*address));
        let admitted: Vec<IpAddr> =
            found.into_iter().filter(|address| self.admits(*address)).collect();
        match (admitted.is_empty(), refused) {
            (false, _) => Ok(admitted),
            (true, Some(address)) => Err(Error::Refused { host: host.to_owned(), address }),
            (true, None) => {
                let source = io::Error::new(io::ErrorKind::NotFound, "it has no address");
                Err(Error::Unresolved { host: host.to_owned(), source })
            }
        }
    }

    /// Connects to a host, by one of its addresses that may be connected to. Takes as long as the
    /// system lets it: the caller has a time limit.
    pub async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, Error> {
        let mut failed = io::Error::from(io::ErrorKind::NotFound);
        for address in self.resolve(host).await? {
            match TcpStream::connect(SocketAddr::new(address, port)).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failed = error,
            }
        }
        Err(Error::Unreachable { host: host.to_owned(), source: failed })
    }
}

/// The address that a host's text is. Other spellings (`127.1`, `0x7f.1`, `2130706433`) are names to
/// us; a resolver that takes them for addresses is answered as for any name.
fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

impl Resolve for System {
    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// A resolver that the operator named (`dns.resolver`).
impl Resolve for TokioResolver {
    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        Box::pin(async move {
            let found = self.lookup_ip(host).await.map_err(io::Error::other)?;
            Ok(found.iter().collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Answers each question with the next of its answers.
    struct Answers(Vec<Vec<&'static str>>, AtomicUsize);

    impl Resolve for Answers {
        fn addresses<'a>(&'a self, _: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
            let Self(answers, asked) = self;
            let answer = &answers[asked.fetch_add(1, Ordering::Relaxed)];
            let answer = answer.iter().map(|text| text.parse().unwrap()).collect();
            Box::pin(async move { Ok(answer) })
        }
    }

    fn perimeter(allowed: &[&str], answers: &[&[&'static str]]) -> Perimeter {
        let allowed: Vec<Network> = allowed.iter().map(|text| text.parse().unwrap()).collect();
        let answers = answers.iter().map(|answer| answer.to_vec()).collect();
        Perimeter::new(&allowed, Arc::new(Answers(answers, AtomicUsize::new(0))))
    }

    #[tokio::test]
    async fn looks_at_the_address_each_time_it_connects() {
        // D7, DNS rebinding: public first, private second.
        let perimeter = perimeter(&[], &[&["198.41.0.4"], &["127.0.0.1"], &[]]);
        let first = perimeter.resolve("hook.example").await.unwrap();
        assert_eq!(first, ["198.41.0.4".parse::<IpAddr>().unwrap()]);
        let second = perimeter.resolve("hook.example").await.unwrap_err();
        assert!(matches!(&second, Error::Refused { .. }) && !second.is_transient());
        let third = perimeter.resolve("hook.example").await.unwrap_err();
        assert!(matches!(&third, Error::Unresolved { .. }) && third.is_transient());
    }

    #[tokio::test]
    async fn hands_on_only_what_it_admits() {
        let perimeter = perimeter(&[], &[&["10.0.0.1", "2606:4700::1111", "::1"]]);
        let found = perimeter.resolve("mixed.example").await.unwrap();
        assert_eq!(found, ["2606:4700::1111".parse::<IpAddr>().unwrap()]);
        for literal in ["127.0.0.1", "[::1]", "::ffff:127.0.0.1", "169.254.169.254"] {
            let refused = perimeter.resolve(literal).await.unwrap_err();
            assert!(matches!(refused, Error::Refused { .. }), "{literal}");
        }
    }

    #[tokio::test]
    async fn every_spelling_of_loopback_is_refused_by_the_system_s_resolver() {
        let perimeter = Perimeter::new(&[], Arc::new(System));
        for host in ["localhost", "127.1", "0x7f.1", "2130706433", "0", "0177.0.0.1"] {
            let refused = perimeter.resolve(host).await.unwrap_err();
            assert!(
                matches!(refused, Error::Refused { .. } | Error::Unresolved { .. }),
                "{host}: {refused}"
            );
        }
    }

    #[tokio::test]
    async fn connects_where_the_operator_allows_it() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answers: &[&[&str]] = &[&["127.0.0.1"], &["127.0.0.1"]];
        assert!(perimeter(&[], answers).connect("here.example", port).await.is_err());
        perimeter(&["127.0.0.0/8"], answers).connect("here.example", port).await.unwrap();
    }
}
