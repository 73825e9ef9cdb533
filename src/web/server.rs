//! The HTTP server: connections, each in a task, within limits. HTTP/1.1 only: what sits before it speaks
//! HTTP/2 to the world, and its floods end there.

mod forwarded;
mod patience;
mod places;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

pub use self::patience::Lasting;
use self::patience::Patient;
pub use self::places::Limits as Connections;
use self::places::Places;
use crate::perimeter::Network;

/// Where a request comes from, as far as is known.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub IpAddr);

/// Limits on connections.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many there may be; the others are told so.
    pub connections: Connections,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For the header of a request, and for the pause before it.
    pub header: Duration,
    /// The same for connections that come when few places are left.
    pub header_when_few: Duration,
    /// Bytes of a request's line and header.
    pub header_bytes: usize,
    /// For a client to read something of what waits to be sent to it.
    pub write: Duration,
    /// Until a connection is asked to end after its request; a stream of events lasts longer.
    pub connection: Duration,
    /// Until it is ended after that, and for requests that run when the server stops.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: Connections::default(),
            handshake: Duration::from_secs(10),
            header: Duration::from_secs(10),
            header_when_few: Duration::from_secs(2),
            header_bytes: 65_536,
            write: Duration::from_secs(30),
            connection: Duration::from_secs(600),
            grace: Duration::from_secs(60),
        }
    }
}

/// What requests pass before they are here.
#[derive(Clone, Default)]
pub struct Front {
    /// `None`: they come in clear.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The proxies that are believed when they say who the client is.
    pub proxies: Arc<[Network]>,
}

/// Answers requests until `stop`, and then those that run.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    front: Front,
    limits: Limits,
    stop: CancellationToken,
) {
    let Front { tls, proxies } = front;
    let tls = tls.map(TlsAcceptor::from);
    let places = Places::new(limits.connections);
    let tasks = TaskTracker::new();
    while let Some((stream, peer)) = accept(&listener, &stop).await {
        // Everybody comes from a proxy: it has no share of its own.
        let is_proxy = proxies.iter().any(|network| network.contains(peer.0));
        let place = match places.take((!is_proxy).then_some(peer.0)) {
            Ok(place) => place,
            // In clear nobody who speaks TLS understands it.
            Err(_) if tls.is_some() => continue,
            Err(why) => {
                places.refuse(stream, why);
                continue;
            }
        };
        let header = if places.are_few() { limits.header_when_few } else { limits.header };
        let limits = Limits { header, ..limits };
        let connection = Connection {
            router: router.clone(),
            tls: tls.clone(),
            peer,
            proxies: Arc::clone(&proxies),
            limits,
            stop: stop.clone(),
        };
        tasks.spawn(async move {
            connection.run(stream).await;
            drop(place);
        });
    }
    tasks.close();
    tasks.wait().await;
}

/// The next connection; `None` once the server stops.
async fn accept(listener: &TcpListener, stop: &CancellationToken) -> Option<(TcpStream, Peer)> {
    let next = async {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => return (stream, Peer(peer.ip())),
                // No file descriptors left, or the client is gone: neither ends the server.
                Err(error) => {
                    tracing::warn!(%error, "An HTTP connection could not be accepted.");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    };
    stop.run_until_cancelled(next).await
}

struct Connection {
    router: Router,
    tls: Option<TlsAcceptor>,
    peer: Peer,
    proxies: Arc<[Network]>,
    limits: Limits,
    stop: CancellationToken,
}

impl Connection {
    async fn run(self, stream: TcpStream) {
        // Small answers go out at once; a socket that refuses this works all the same.
        let _ = stream.set_nodelay(true);
        match self.tls.clone() {
            None => self.answer(stream).await,
            Some(tls) => {
                let handshake = tokio::time::timeout(self.limits.handshake, tls.accept(stream));
                match handshake.await {
                    Ok(Ok(stream)) => self.answer(stream).await,
                    Ok(Err(_)) | Err(_) => tracing::debug!("A TLS handshake came to nothing."),
                }
            }
        }
    }

    async fn answer(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let (peer, proxies) = (self.peer, self.proxies);
        let stream = Patient::new(stream, self.limits.write);
        let lasting = Lasting::default();
        let mark = lasting.clone();
        let router = self.router.map_request(move |mut request: hyper::Request<Incoming>| {
            let client = forwarded::client(peer.0, request.headers(), &proxies);
            request.extensions_mut().insert(Peer(client));
            request.extensions_mut().insert(mark.clone());
            request.map(Body::new)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header)
            .max_buf_size(self.limits.header_bytes)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            _ = connection.as_mut() => return,
            () = self.stop.cancelled() => {}
            () = grows_old(self.limits.connection, &lasting) => {}
        }
        connection.as_mut().graceful_shutdown();
        // A client that does not read its answer is cut off: no answer needs that long.
        let _ = tokio::time::timeout(self.limits.grace, connection).await;
    }
}

/// Waits until a connection is so old, and carries nothing that lasts.
async fn grows_old(age: Duration, lasting: &Lasting) {
    tokio::time::sleep(age).await;
    while lasting.is_on() {
        tokio::time::sleep(age).await;
    }
}
