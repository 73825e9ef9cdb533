//! The REST API (`/api/v1`), the pages, health and metrics: the router and what every request goes through.
//! Decides nothing about mail, and holds no SQL.

mod api;
pub mod auth;
pub mod error;
pub mod health;
mod idempotency;
mod input;
mod mta_sts;
mod openapi;
mod page;
mod server;
pub mod ui;
mod unsubscribe;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::SecretString;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::connect::Connector;
use crate::model::{NewIds, Time};
use crate::secrets::Secrets;
use crate::store::Store;
use error::{Code, Problem};

pub use api::new_bcc_address;
pub use server::{Connections, Front, Lasting, Limits, serve};

/// What requests are answered with.
pub struct State {
    pub store: Arc<Store>,
    pub secrets: Secrets,
    pub admin_token: SecretString,
    /// The smart BCC domains, in their normal form; new addresses are made in the first.
    pub bcc_domains: Vec<String>,
    pub public_url: String,
    pub metrics: PrometheusHandle,
    /// The listeners are up.
    pub ready: Arc<AtomicBool>,
    /// How mail is read, for what is released.
    pub reader: crate::ingest::prepare::Reader,
    /// Those who read events.
    pub events: Arc<crate::events::Hub>,
    /// What runs, for the page of who runs it.
    pub running: Running,
    /// Knows where a webhook may be.
    pub webhook_client: crate::events::Client,
    /// One raw mail is read at a time, so that memory stays bounded.
    pub raw_reads: RawReads,
    /// Connects mailboxes.
    pub connector: Connector,
    /// Where mail that is to be sent is taken.
    pub office: crate::send::flow::Office,
    /// Rings when mail was put into the outbox.
    pub bell: crate::send::Bell,
    /// Sends what the gateway itself has to say.
    pub notices: crate::send::notice::Notices,
    /// What signing in to the pages needs.
    pub doors: ui::Doors,
    /// What open pages listen to.
    pub live: Arc<ui::Live>,
    /// What pages have read of mails lately.
    pub readings: ui::Readings,
}

impl State {
    /// Do browsers come by HTTPS?
    pub fn is_https(&self) -> bool {
        self.public_url.starts_with("https://")
    }
}

/// What runs, as the gateway's own page shows it.
#[derive(Default)]
pub struct Running {
    pub started_at: Time,
    /// The name of the mail listener, as the MX record has it.
    pub hostname: String,
    /// Each listener's name and address.
    pub listeners: Vec<(&'static str, std::net::SocketAddr)>,
    pub certificates: Option<Arc<crate::tls::Certificates>>,
}

/// A turn at reading a raw mail.
pub struct RawReads(tokio::sync::Semaphore);

impl Default for RawReads {
    fn default() -> Self {
        Self(tokio::sync::Semaphore::new(1))
    }
}

impl RawReads {
    /// Waits for the turn, which lasts as long as what is returned.
    pub async fn turn(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        self.0.acquire().await.ok()
    }
}

/// The time now, and a source of ids for what is made now.
fn now_and_ids() -> (Time, NewIds) {
    let now = crate::clock::now();
    (now, NewIds::new(now, crate::clock::seed()))
}

/// Everything that is answered by HTTP.
pub fn router(state: impl Into<Arc<State>>) -> Router {
    let state: Arc<State> = state.into();
    let (calls, description) = api::router().split_for_parts();
    let calls = calls
        .route_layer(middleware::from_fn_with_state(Arc::clone(&state), idempotency::once))
        .route_layer(middleware::from_fn(input::whole_body))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&state), auth::authenticate));
    Router::new()
        .merge(calls)
        .merge(openapi::router(description))
        .merge(health::router())
        .merge(mta_sts::router())
        .merge(ui::router(&state))
        .merge(unsubscribe::router())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(state)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(set(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(set(header::CACHE_CONTROL, "no-store"))
        .layer(set(header::REFERRER_POLICY, "no-referrer"))
        .layer(set(header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"))
}

/// Adds a header to answers that do not say it themselves.
fn set(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

async fn not_found(uri: Uri, headers: HeaderMap) -> Response {
    match is_of_a_page(&uri, &headers) {
        true => ui::not_found(),
        false => Problem::not_found().into_response(),
    }
}

async fn method_not_allowed(uri: Uri, headers: HeaderMap) -> Response {
    if is_of_a_page(&uri, &headers) {
        return ui::method_not_allowed();
    }
    let detail = "See /api/v1/openapi.json for the methods of this path.";
    Problem::new(Code::MethodNotAllowed, detail).into_response()
}

/// Whoever calls the API wants a problem, whatever their client accepts by default.
fn is_of_a_page(uri: &Uri, headers: &HeaderMap) -> bool {
    ui::wants_page(headers) && !uri.path().starts_with("/api/")
}

fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("A request ended in a panic; the panic's own message says where.");
    Problem::internal().into_response()
}
