//! Is it alive, is it ready, and its counters. Needs no token and says nothing of anybody's mail.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State as Shared;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::State;

/// `/healthz`, `/readyz`, `/metrics`.
pub fn router() -> Router<Arc<State>> {
    Router::new()
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

async fn ready(Shared(state): Shared<Arc<State>>) -> Response {
    match trouble(&state).await {
        None => "ready\n".into_response(),
        Some(trouble) => (StatusCode::SERVICE_UNAVAILABLE, format!("{trouble}\n")).into_response(),
    }
}

/// Why it is not ready, if it is not.
pub async fn trouble(state: &State) -> Option<&'static str> {
    if !state.ready.load(Ordering::Acquire) {
        return Some("the listeners are not up");
    }
    let error = state.store.ping().await.err()?;
    tracing::warn!(%error, "The store cannot be reached.");
    Some("the store cannot be reached")
}

async fn metrics(Shared(state): Shared<Arc<State>>) -> Response {
    // The text format of Prometheus.
    let media_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (media_type, state.metrics.render()).into_response()
}
