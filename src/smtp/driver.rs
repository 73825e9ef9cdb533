//! The listener: accepts connections within the limits and runs a session on each. The only IO of way
//! 1's front; the protocol is `session`'s, one connection is `connection`'s.

mod admission;
mod aside;
mod connection;
mod pace;
mod proxy;
mod stream;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::admission::{Admission, Place};
use self::connection::Connection;
use super::Receiver;
use super::limits::Limits;
use super::reply::{self, Reply, Starttls};
use super::session;
use crate::perimeter::Network;
use crate::tls::{self, Certificates};

/// What the listener is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Our name in the greeting.
    pub hostname: String,
    /// The smart BCC domains, in the normal form of `Address`.
    pub domains: Vec<String>,
    /// The greatest mail, in bytes.
    pub max_message_bytes: usize,
    pub proxy: Proxy,
    pub limits: Limits,
    /// Where the beginnings of large mails are kept until their end.
    pub directory: PathBuf,
    /// For STARTTLS, which is not offered without.
    pub certificates: Option<Arc<Certificates>>,
}

/// Whether a load balancer stands in front and says who the client is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proxy {
    Absent,
    /// Every connection comes from one of these networks, and begins with a PROXY header. Whoever else
    /// reaches the listener could write any address into one.
    From(Vec<Network>),
}

impl Proxy {
    /// May that address connect?
    fn admits(&self, peer: IpAddr) -> bool {
        match self {
            Self::Absent => true,
            Self::From(networks) => networks.iter().any(|network| network.contains(peer)),
        }
    }
}

/// What all connections share.
struct Shared<R> {
    settings: Arc<Settings>,
    proxy: Proxy,
    tls: Option<TlsAcceptor>,
    directory: PathBuf,
    receiver: Arc<R>,
}

/// What can be changed while the listener runs. Connections that are open keep what they began with.
pub struct Settings {
    session: ArcSwap<session::Options>,
    admission: Arc<Admission>,
}

/// Between two tries to accept when the system has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// A listener with the options of its start.
pub struct Listener<R> {
    shared: Arc<Shared<R>>,
    patience: Duration,
}

/// Serves with those options until `stop`.
pub async fn serve<R: Receiver>(
    listeners: Vec<TcpListener>,
    options: Options,
    receiver: Arc<R>,
    stop: CancellationToken,
) -> Result<(), tls::Error> {
    Listener::new(options, receiver)?.serve(listeners, stop).await;
    Ok(())
}

impl<R: Receiver> Listener<R> {
    /// A listener that does not serve yet.
    pub fn new(options: Options, receiver: Arc<R>) -> Result<Self, tls::Error> {
        let patience = Duration::from_secs(options.limits.stop_seconds);
        Ok(Self { shared: Arc::new(Shared::new(options, receiver)?), patience })
    }

    /// What can be changed while it serves.
    pub fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.shared.settings)
    }

    /// Serves until `stop`; then sessions end as RULES and `Limits::stop_seconds` have it.
    pub async fn serve(self, listeners: Vec<TcpListener>, stop: CancellationToken) {
        let Self { shared, patience } = self;
        let connections = TaskTracker::new();
        let loops = TaskTracker::new();
        for listener in listeners {
            loops.spawn(accept_all(
                listener,
                Arc::clone(&shared),
                connections.clone(),
                stop.clone(),
            ));
        }
        let admission = &shared.settings.admission;
        loops.spawn(forget(Arc::clone(admission), stop.clone()));
        stop.cancelled().await;
        admission.stop(Instant::now() + patience);
        loops.close();
        connections.close();
        loops.wait().await;
        // Every connection ends by itself by then; a receiver that hangs does not hold up the gateway.
        if timeout(patience + Duration::from_secs(1), connections.wait()).await.is_err() {
            tracing::warn!(code = "smtp_stopped_hard", "Sessions were cut off at the stop.");
        }
    }
}

impl Settings {
    /// The greatest mail and the limits of connections from now on.
    pub fn change(&self, max_message_bytes: usize, limits: Limits) {
        self.admission.change(limits.clone());
        let former = session::Options::clone(&self.session.load());
        let max_message_bytes = max_message_bytes as u64;
        self.session.store(Arc::new(session::Options { max_message_bytes, limits, ..former }));
    }
}

impl<R: Receiver> Shared<R> {
    fn new(options: Options, receiver: Arc<R>) -> Result<Self, tls::Error> {
        let tls = match &options.certificates {
            Some(certificates) => Some(TlsAcceptor::from(certificates.server_config(&[])?)),
            None => None,
        };
        let starttls = if tls.is_some() { Starttls::Offered } else { Starttls::Absent };
        let admission = Admission::new(options.limits.clone());
        let session = ArcSwap::from_pointee(session::Options {
            hostname: options.hostname,
            domains: options.domains,
            max_message_bytes: options.max_message_bytes as u64,
            starttls,
            limits: options.limits,
        });
        let settings = Arc::new(Settings { session, admission });
        let directory = options.directory;
        Ok(Self { settings, proxy: options.proxy, tls, directory, receiver })
    }
}

async fn accept_all<R: Receiver>(
    listener: TcpListener,
    shared: Arc<Shared<R>>,
    connections: TaskTracker,
    stop: CancellationToken,
) {
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, peer)) => admit(stream, peer, &shared, &connections),
            Err(error) => {
                tracing::warn!(code = "smtp_accept_failed", %error, "A connection is not accepted.");
                // Out of descriptors: those that end in the meantime make room.
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn admit<R: Receiver>(
    stream: TcpStream,
    peer: SocketAddr,
    shared: &Arc<Shared<R>>,
    connections: &TaskTracker,
) {
    metrics::counter!("mailweave_smtp_connections_total").increment(1);
    let admission = &shared.settings.admission;
    if !shared.proxy.admits(peer.ip()) {
        return shun(peer.ip(), admission);
    }
    let Some(mut place) = admission.enter() else {
        return turn_away(stream, peer, admission);
    };
    // Behind a balancer the address is known later.
    if shared.proxy == Proxy::Absent && !place.take(peer.ip()) {
        return turn_away(stream, peer, admission);
    }
    connections.spawn(converse(stream, peer, Arc::clone(shared), place));
}

async fn converse<R: Receiver>(
    stream: TcpStream,
    peer: SocketAddr,
    shared: Arc<Shared<R>>,
    place: Place,
) {
    // Replies are whole writes: waiting for more to send would only delay them.
    let _ignored = stream.set_nodelay(true);
    Connection::new(stream, peer.ip().to_canonical(), shared, place).run().await;
}

/// Says 421 without waiting for anything: whoever comes in a flood gets no task.
fn turn_away(stream: TcpStream, peer: SocketAddr, admission: &Admission) {
    use std::io::Write as _;

    let log = if admission.may_log() { Log::Line } else { Log::Nothing };
    refused(peer.ip(), reply::TOO_MANY_CONNECTIONS, log);
    let mut output = Vec::new();
    reply::TOO_MANY_CONNECTIONS.write(&mut output);
    // The socket does not block; its buffer is empty, so that the line fits or nobody reads it.
    if let Ok(mut stream) = stream.into_std() {
        let _ignored = stream.write_all(&output);
    }
}

/// Notes a connection that is closed without a word: it does not come from the load balancer.
fn shun(peer: IpAddr, admission: &Admission) {
    let code = "not_from_the_proxy";
    metrics::counter!("mailweave_smtp_refusals_total", "code" => code).increment(1);
    if admission.may_log() {
        tracing::info!(code, %peer, "Closed a connection of {peer}, which is not in smtp.proxy_from.");
    }
}

/// Whether something is worth a line of the log; it is counted all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Log {
    Line,
    Nothing,
}

/// Notes a refusal: a counter by its stable code, and a line with the same.
fn refused(peer: IpAddr, reply: Reply, log: Log) {
    metrics::counter!("mailweave_smtp_refusals_total", "code" => reply.name).increment(1);
    if log == Log::Line {
        tracing::info!(code = reply.name, %peer, "Refused {peer}: {} {}.", reply.code, reply.text);
    }
}

async fn forget(admission: Arc<Admission>, stop: CancellationToken) {
    let mut ticks = interval(FORGET_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        admission.forget();
    }
}
