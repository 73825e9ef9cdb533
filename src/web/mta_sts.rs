//! `/.well-known/mta-sts.txt` (RFC 8461 3.2): senders that honour it deliver to our host over TLS, or not at
//! all. It binds only domains whose operator has published the DNS record that points here.

use std::sync::Arc;

use axum::Router;
use axum::extract::State as Shared;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::State;

/// For so long senders hold on to the policy: a week, so that a change of hosts is known in time.
const MAX_AGE_SECONDS: u32 = 604_800;

/// The route of the policy.
pub fn router() -> Router<Arc<State>> {
    Router::new().route("/.well-known/mta-sts.txt", get(policy))
}

async fn policy(Shared(state): Shared<Arc<State>>) -> Response {
    let text = format!(
        "version: STSv1\r\nmode: enforce\r\nmx: {}\r\nmax_age: {MAX_AGE_SECONDS}\r\n",
        state.running.hostname
    );
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}
