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
    if !state.ready.load(Ordering::Acquire) {
        return (StatusCode::SERVICE_UNAVAILABLE, "the listeners are not up\n").into_response();
    }
    match state.store.ping().await {
        Ok(()) => "ready\n".into_response(),
        Err(error) => {
            tracing::warn!(%error, "The store cannot be reached.");
            (StatusCode::SERVICE_UNAVAILABLE, "the store cannot be reached\n").into_response()
        }
    }
}

async fn metrics(Shared(state): Shared<Arc<State>>) -> Response {
    // The text format of Prometheus.
    let media_type = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (media_type, state.metrics.render()).into_response()
}
