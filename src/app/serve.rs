//! `mailweave serve`: listeners up, one line when they are, and an orderly end.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::first_start::FirstStart;
use super::reload::{Reload, SetFilter};
use super::{App, Error, admin_token, outgoing};
use crate::clock;
use crate::config::{Config, Resolver, Verify};
use crate::events::{self, Hub};
use crate::ingest::batch::Batch;
use crate::ingest::rate::Rate;
use crate::ingest::receiver::Gateway;
use crate::ingest::trust::{self, Verifier};
use crate::ingest::{dns, index, maintain};
use crate::send::Bell;
use crate::smtp::driver::{self, Proxy};
use crate::store::Holder;
use crate::tls::{self, Certificates};
use crate::web;

/// The end of everything, counted from the signal: sessions have 30 s of it.
const STOP_MAX: Duration = Duration::from_secs(35);
/// Connections that may wait to be accepted; the system may allow fewer.
const BACKLOG: u32 = 1024;
/// Between two looks at the metrics' own memory.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Runs the gateway until it is told to stop.
pub async fn serve(config: Config, set_filter: SetFilter) -> Result<(), Error> {
    run(config, set_filter, Samples::None).await
}

/// The same with a conversation in it.
pub async fn demo(config: Config, set_filter: SetFilter) -> Result<(), Error> {
    run(config, set_filter, Samples::Sent).await
}

/// Is there mail from the start?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Samples {
    None,
    Sent,
}

async fn run(config: Config, set_filter: SetFilter, samples: Samples) -> Result<(), Error> {
    tls::install_provider();
    raise_descriptors();
    let metrics = PrometheusBuilder::new().install_recorder().map_err(std::io::Error::other)?;
    let mut signals = Signals::catch()?;
    let mut app = tokio::select! {
        opened = App::open(config, Holder::Gateway) => opened?,
        () = signals.end() => return Ok(()),
    };
    let parts = Parts::open(&app)?;
    app.config.http.bound_to(parts.http_address);
    let first_start = app.first_start().await?;
    app.take_over().await?;

    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let ready = Arc::new(AtomicBool::new(false));
    let (http, smtp) = (parts.http_address, parts.smtp_addresses.clone());
    let certificates = Arc::clone(&parts.certificates);
    let smtp_settings = start(&app, parts, &metrics, &ready, (&tasks, &stop))?;
    ready.store(true, Ordering::Release);
    if let (Samples::Sent, Some(first), Some(smtp)) = (samples, &first_start, smtp.first()) {
        super::demo::send(*smtp, &first.user_email, &first.bcc_address).await?;
    }
    greet(first_start.as_ref(), http, &smtp)?;
    let config = app.config.clone();
    signals.wait_for_end(Reload { config, certificates, smtp: smtp_settings, set_filter }).await;
    tracing::info!(code = "stopping", "Stopping: mail under way may end, new mail is sent away.");
    stop.cancel();
    tasks.close();
    let ended = async {
        tasks.wait().await;
        app.store.close().await;
    };
    // What was answered is durable; whoever still waits for something comes again.
    if tokio::time::timeout(STOP_MAX, ended).await.is_err() {
        tracing::warn!(
            code = "stopped_hard",
            "Not everything had ended by itself; it was cut off."
        );
    }
    Ok(())
}

/// A thousand SMTP connections, as many HTTP ones and the store need more descriptors than the usual
/// soft limit; the hard limit is the operator's.
fn raise_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(code = "descriptors_kept", %error, "The limit of open files stays as it is.");
    }
}

/// What can fail before anything is served.
struct Parts {
    certificates: Arc<Certificates>,
    verifier: Option<Arc<Verifier>>,
    smtp: Vec<TcpListener>,
    smtp_addresses: Vec<SocketAddr>,
    http: TcpListener,
    http_address: SocketAddr,
}

impl Parts {
    fn open(app: &App) -> Result<Self, Error> {
        let config = &app.config;
        let names = [config.smtp.hostname.clone()];
        let certificates = Certificates::open(&config.tls.certificate, &config.tls.key, &names)?;
        let verifier = verifier(config)?;
        let mut smtp = Vec::new();
        for address in &config.smtp.listen {
            smtp.push(listen("smtp.listen", *address)?);
        }
        let http = listen("http.listen", config.http.listen)?;
        let addresses = smtp.iter().map(TcpListener::local_addr);
        Ok(Self {
            certificates,
            verifier,
            smtp_addresses: addresses.collect::<Result<_, _>>()?,
            smtp,
            http_address: http.local_addr()?,
            http,
        })
    }
}

fn listen(key: &'static str, address: SocketAddr) -> Result<TcpListener, Error> {
    let bound = bind(address);
    bound.map_err(|source| Error::Listen { key, address: address.to_string(), source })
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn verifier(config: &Config) -> Result<Option<Arc<Verifier>>, Error> {
    if config.smtp.verify == Verify::Off {
        return Ok(None);
    }
    let server = match config.dns_resolver {
        Resolver::System => None,
        Resolver::Server(address) => Some(address),
    };
    let options = trust::Options {
        dns: dns::Options { server, ..dns::Options::default() },
        hostname: config.smtp.hostname.clone(),
        ..trust::Options::default()
    };
    Ok(Some(Arc::new(Verifier::new(&options)?)))
}

/// Starts every task.
fn start(
    app: &App,
    parts: Parts,
    metrics: &PrometheusHandle,
    ready: &Arc<AtomicBool>,
    (tasks, stop): (&TaskTracker, &CancellationToken),
) -> Result<Arc<driver::Settings>, Error> {
    let config = &app.config;
    let running = running(config, &parts);
    let gateway = gateway(app, parts.verifier.clone());
    let options = smtp_options(config, &parts.certificates);
    let smtp = driver::Listener::new(options, gateway)?;
    let settings = smtp.settings();
    tasks.spawn(smtp.serve(parts.smtp, stop.clone()));
    let (office, bell) = (app.office(), Bell::default());
    let connector = app.connector()?;
    tasks.spawn(app.send(Arc::new(connector.clone()), Arc::clone(&bell), stop.clone())?);
    tasks.spawn(app.watch(connector.clone(), stop.clone()));
    let live = Arc::<web::ui::Live>::default();
    let state = Arc::new(web::State {
        store: Arc::clone(&app.store),
        secrets: app.secrets.clone(),
        admin_token: admin_token::open(config)?,
        bcc_domains: config.smtp.domains.clone(),
        public_url: config.http.public_url.clone(),
        metrics: metrics.clone(),
        ready: Arc::clone(ready),
        reader: app.reader.clone(),
        events: follow_events(app, tasks, stop),
        running,
        webhook_client: outgoing::webhook_client(config)?,
        raw_reads: web::RawReads::default(),
        office,
        bell,
        notices: app.notices()?,
        live: Arc::clone(&live),
        readings: web::ui::Readings::default(),
        connector,
        doors: web::ui::Doors::new(outgoing::organisation(config)?),
    });
    tasks.spawn(outgoing::deliveries(app, &state).run(stop.clone()));
    let tls = match config.http.tls {
        true => Some(parts.certificates.server_config(&[b"http/1.1"])?),
        false => None,
    };
    let front = web::Front { tls, proxies: config.http.proxy_from.clone().into() };
    tasks.spawn(web::serve(
        parts.http,
        web::router(state),
        front,
        web::Limits { connections: config.http.limits, ..web::Limits::default() },
        stop.clone(),
    ));
    let (store, reader) = (Arc::clone(&app.store), app.reader.clone());
    tasks.spawn(maintain::run(store, reader, parts.verifier, stop.clone()));
    tasks.spawn(index::run(Arc::clone(&app.store), stop.clone()));
    let (store, stopped) = (Arc::clone(&app.store), stop.clone());
    tasks.spawn(async move { live.follow(store, stopped).await });
    tasks.spawn(parts.certificates.watch(stop.clone()));
    tasks.spawn(keep_up(metrics.clone(), stop.clone()));
    Ok(settings)
}

/// What the SMTP listener hands its mail to.
fn gateway(app: &App, verifier: Option<Arc<Verifier>>) -> Arc<Gateway> {
    let limits = &app.config.smtp.limits;
    Arc::new(Gateway {
        store: Arc::clone(&app.store),
        batch: Batch::start(Arc::clone(&app.store)),
        reader: app.reader.clone(),
        verifier,
        rate: Rate::new(
            limits.mails_per_sub_account_per_minute,
            limits.contacts_per_sub_account_per_minute,
        ),
    })
}

/// What the gateway's own page shows of it.
fn running(config: &Config, parts: &Parts) -> web::Running {
    let smtp = parts.smtp_addresses.iter().map(|address| ("smtp", *address));
    web::Running {
        started_at: clock::now(),
        hostname: config.smtp.hostname.clone(),
        listeners: std::iter::once(("http", parts.http_address)).chain(smtp).collect(),
        certificates: Some(Arc::clone(&parts.certificates)),
    }
}

/// Tells those who listen what is written.
fn follow_events(app: &App, tasks: &TaskTracker, stop: &CancellationToken) -> Arc<Hub> {
    let hub = Arc::new(Hub::new(Arc::clone(&app.store), events::Limits::default()));
    tasks.spawn(Arc::clone(&hub).run(stop.clone()));
    hub
}

fn smtp_options(config: &Config, certificates: &Arc<Certificates>) -> driver::Options {
    driver::Options {
        hostname: config.smtp.hostname.clone(),
        domains: config.smtp.domains.clone(),
        max_message_bytes: config.smtp.max_message_bytes,
        proxy: match config.smtp.proxy_protocol {
            true => Proxy::From(config.smtp.proxy_from.clone()),
            false => Proxy::Absent,
        },
        limits: config.smtp.limits.clone(),
        directory: config.data_dir.clone(),
        certificates: Some(Arc::clone(certificates)),
    }
}

/// The recorder keeps samples until it is asked to sum them up.
async fn keep_up(metrics: PrometheusHandle, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(UPKEEP_EVERY)).await.is_some() {
        metrics.run_upkeep();
    }
}

/// Says on standard output where everything is; the last line is for programs.
fn greet(first: Option<&FirstStart>, http: SocketAddr, smtp: &[SocketAddr]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let mail = smtp.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",");
    if let Some(first) = first {
        let to = smtp.first().map(SocketAddr::to_string).unwrap_or_default();
        writeln!(out, "{}", first.welcome(&to))?;
    }
    writeln!(out, "ready http={http} smtp={mail}")?;
    out.flush()
}

/// The number that Linux gives it on every platform but MIPS and PA-RISC (signal(7)).
const SIGXFSZ: i32 = 25;

/// SIGTERM and SIGINT end; SIGHUP reads configuration and certificates again. They are caught from the
/// start on, so that none ends the process in another way.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    /// Once it is caught, a limit of file sizes is an error of the write, as a full disk is, and does
    /// not end the process (setrlimit(2), RLIMIT_FSIZE).
    _too_large: Signal,
}

impl Signals {
    fn catch() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            _too_large: signal(SignalKind::from_raw(SIGXFSZ))?,
        })
    }

    /// Waits until the process is to end.
    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    async fn wait_for_end(mut self, mut reload: Reload) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => reload.run(),
            }
        }
    }
}
