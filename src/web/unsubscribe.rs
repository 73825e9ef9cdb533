//! `/unsubscribe/{token}`: the link in bulk mail (S9). A mail program's one click is a POST (RFC 8058 3.2);
//! a person who follows the link is shown a button, for programs that look at links must not unsubscribe
//! anybody.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use super::{State, now_and_ids};
use crate::model::EventId;

/// The routes of unsubscribing.
pub fn router() -> Router<Arc<State>> {
    Router::new().route("/unsubscribe/{token}", get(ask).post(unsubscribe))
}

/// Shows the button.
async fn ask(Shared(state): Shared<Arc<State>>, Path(token): Path<String>) -> Response {
    match state.office.links.read(&token) {
        Some(_) => page(
            StatusCode::OK,
            "Unsubscribe",
            "<p>You will get no more of these mails. Mail that a person writes to you is not \
             affected.</p><form method=post><button autofocus>Unsubscribe</button></form>",
        ),
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
        Ok(_) => page(
            StatusCode::OK,
            "You are unsubscribed",
            "<p>You will get no more of these mails. You can close this page.</p>",
        ),
        Err(error) => {
            tracing::warn!(code = "unsubscribe_failed", %error, "Somebody could not be unsubscribed.");
            let body = "<p>That did not work just now. Please try again in a moment.</p>";
            page(StatusCode::SERVICE_UNAVAILABLE, "Not just now", body)
        }
    }
}

fn unknown() -> Response {
    let body = "<p>Please use the link as it stands in the mail, to its end.</p>";
    page(StatusCode::NOT_FOUND, "This link is not complete", body)
}

const STYLE: &str = "body{font:1.05rem/1.6 system-ui,sans-serif;max-width:36rem;margin:12vh auto;\
    padding:0 1.5rem;color-scheme:light dark}h1{font-size:1.6rem;line-height:1.2}\
    button{font:inherit;padding:.6rem 1.6rem;border:0;border-radius:.5rem;background:#1d5fd1;\
    color:#fff;cursor:pointer}button:focus-visible{outline:3px solid #7fb0ff;outline-offset:2px}";

/// A page on which nothing runs and nothing is fetched, and that names nobody.
fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width\"><meta name=robots content=noindex>\
         <title>{title}</title><style>{STYLE}</style><main><h1>{title}</h1>{body}</main></html>"
    );
    let policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; \
                  frame-ancestors 'none'; base-uri 'none'";
    let headers: [(HeaderName, HeaderValue); 1] =
        [(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy))];
    (status, headers, Html(html)).into_response()
}
