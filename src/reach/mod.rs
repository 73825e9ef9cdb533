//! Connections to mail servers. A host that the operator's configuration names may be anywhere; any other
//! was named by a user, and is reached inside the perimeter only (D12).

mod untrusted;
mod wire;

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::net::TcpStream;

use crate::model::Host;
use crate::perimeter::{self, Perimeter};

pub use untrusted::{EXPIRED, NOT_VALID, OTHER_NAME, UNKNOWN_ISSUER};
pub use wire::Wire;

/// Where connections to mail servers may lead.
#[derive(Clone)]
pub struct Reach {
    /// `None`: every host is the operator's own choice.
    perimeter: Option<Perimeter>,
    named: Arc<BTreeSet<(String, u16)>>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers there; or what stands in front of the server does, and hangs up before TLS has begun.
    #[error("{0}")]
    Unreachable(String),
    /// It leads to where no user may send us.
    #[error(
        "{0}. Name a host on the internet, or let the operator add its network to \
         outgoing.allowed_networks"
    )]
    Private(String),
    /// The certificate is not to be believed, or TLS failed otherwise.
    #[error("{0}")]
    Tls(String),
}

impl Reach {
    /// Inside the perimeter, and to the hosts that the operator named.
    pub fn within<'a>(perimeter: Perimeter, named: impl IntoIterator<Item = &'a Host>) -> Self {
        let named = named.into_iter().map(key).collect();
        Self { perimeter: Some(perimeter), named: Arc::new(named) }
    }

    /// Everywhere.
    pub fn anywhere() -> Self {
        Self { perimeter: None, named: Arc::default() }
    }

    /// Connects. Nothing that is written waits for more to be sent with it.
    pub async fn connect(&self, host: &Host) -> Result<TcpStream, Error> {
        let (name, port) = host.dial();
        let unreachable = |error: std::io::Error| Error::Unreachable(format!("{host}: {error}"));
        let guard = self.perimeter.as_ref().filter(|_| !self.named.contains(&key(host)));
        let stream = match guard {
            None => TcpStream::connect((name, port)).await.map_err(unreachable)?,
            Some(perimeter) => {
                perimeter.connect(name, port).await.map_err(|error| match error {
                    perimeter::Error::Refused { .. } => Error::Private(error.to_string()),
                    _ => Error::Unreachable(error.to_string()),
                })?
            }
        };
        stream.set_nodelay(true).map_err(unreachable)?;
        Ok(stream)
    }
}

fn key(host: &Host) -> (String, u16) {
    (host.dial().0.to_owned(), host.port)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn who_hangs_up_before_tls_was_not_reached_and_who_speaks_something_else_has_no_tls() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = format!("127.0.0.1:{}?tls", listener.local_addr().unwrap().port());
        let host: Host = host.parse().unwrap();
        let tls = crate::tls::client_config(None).unwrap();
        for (answer, is_reached) in [(&b""[..], false), (b"* BYE no TLS here\r\n", true)] {
            let tcp = Reach::anywhere().connect(&host).await.unwrap();
            let (mut peer, _) = listener.accept().await.unwrap();
            peer.write_all(answer).await.unwrap();
            // Its hello is read, so that it is told of an end and not of bytes that are lost.
            let hello = async { peer.read(&mut [0; 4_096]).await.map(|_| drop(peer)) };
            let (secured, _) = tokio::join!(Wire::secure(&tls, &host, tcp), hello);
            let error = secured.unwrap_err();
            assert_eq!(matches!(error, Error::Tls(_)), is_reached, "{error:?}");
            assert_eq!(matches!(error, Error::Unreachable(_)), !is_reached, "{error:?}");
        }
    }

    #[tokio::test]
    async fn a_private_host_is_reached_when_the_operator_named_it() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let host: Host = format!("127.0.0.1:{port}?plain").parse().unwrap();
        let perimeter = Perimeter::new(&[], Arc::new(perimeter::System));
        let nobody = Reach::within(perimeter.clone(), []);
        assert!(matches!(nobody.connect(&host).await, Err(Error::Private(_))));
        Reach::within(perimeter, [&host]).connect(&host).await.unwrap();
        Reach::anywhere().connect(&host).await.unwrap();
    }
}
