//! `/unsubscribe/{token}`: the link in bulk mail (S9). A mail program's one click is a POST (RFC 8058 3.2);
//! a person who follows the link is shown a button, for programs that look at links must not unsubscribe
//! anybody.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::{State, now_and_ids};
use crate::model::EventId;
use crate::text;

/// The routes of unsubscribing.
pub fn router() -> Router<Arc<State>> {
    Router::new().route("/unsubscribe/{token}", get(ask).post(unsubscribe))
}

/// Shows the button.
async fn ask(Shared(state): Shared<Arc<State>>, Path(token): Path<String>) -> Response {
    match state.office.links.read(&token) {
        Some(_) => page(StatusCode::OK, "unsubscribe.ask", &button("unsubscribe.do")),
        None => unknown(),
    }
}

/// Unsubscribes, once and for all; doing it again changes nothing.
async fn unsubscribe(Shared(state): Shared<Arc<State>>, Path(token): Path<String>) -> Response {
    let Some(named) = state.office.links.read(&token) else { return unknown() };
    let (now, mut ids) = now_and_ids();
    let mail = (named.sub_account, named.mail);
    let event = EventId(ids.next_id());
    match state.store.unsubscribe(mail, named.address, event, now).await {
        // Who was erased gets nothing any more, either.
        Ok(_) => page(StatusCode::OK, "unsubscribe.done", ""),
        Err(error) => {
            tracing::warn!(code = "unsubscribe_failed", %error, "Somebody could not be unsubscribed.");
            page(StatusCode::SERVICE_UNAVAILABLE, "unsubscribe.failed", "")
        }
    }
}

fn unknown() -> Response {
    page(StatusCode::NOT_FOUND, "unsubscribe.unknown", "")
}

fn button(key: &str) -> String {
    format!("<form method=post><button autofocus>{}</button></form>", text::words(key))
}

const STYLE: &str = "body{font:1.05rem/1.6 system-ui,sans-serif;max-width:36rem;margin:12vh auto;\
    padding:0 1.5rem;color-scheme:light dark}h1{font-size:1.6rem;line-height:1.2}\
    button{font:inherit;padding:.6rem 1.6rem;border:0;border-radius:.5rem;background:#1d5fd1;\
    color:#fff;cursor:pointer}button:focus-visible{outline:3px solid #7fb0ff;outline-offset:2px}";

/// A page on which nothing runs and nothing is fetched, and that names nobody. It has the words of `KEY` and
/// `KEY_detail`.
fn page(status: StatusCode, key: &str, form: &str) -> Response {
    let title = text::words(key);
    let detail = format!("{key}_detail");
    let html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width\"><meta name=robots content=noindex>\
         <title>{title}</title><style>{STYLE}</style><main><h1>{title}</h1><p>{}</p>{form}</main></html>",
        text::words(&detail)
    );
    let policy = HeaderValue::from_str(&format!(
        "default-src 'none'; style-src 'sha256-{}'; form-action 'self'; frame-ancestors 'none'; \
         base-uri 'none'",
        STANDARD.encode(Sha256::digest(STYLE))
    ));
    let policy = policy.unwrap_or(HeaderValue::from_static("default-src 'none'"));
    (status, [(header::CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response()
}
