//! `/sign-in`: the link that the first start prints. It works once, and shows the user's smart BCC
//! address and an API token. A link is only used up by the button, so that programs that look at
//! links do not use it up.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Form, Query, State as Shared};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use secrecy::ExposeSecret;
use serde::Deserialize;

use super::State;
use super::auth::{new_token, token_hash};
use crate::clock;
use crate::model::{NewIds, SubAccountId, TokenId, UserId};
use crate::store::NewToken;

/// The routes of signing in.
pub fn router() -> Router<Arc<State>> {
    Router::new().route("/sign-in", get(ask).post(sign_in))
}

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    code: String,
}

/// Shows the button.
async fn ask(Query(link): Query<Link>) -> Response {
    let code = escape(&link.code);
    let body = match link.code.is_empty() {
        true => "<p>Open the sign-in link that <code>mailweave serve</code> printed on its first \
                 start.</p>"
            .to_owned(),
        false => format!(
            "<p>This link works once. It shows your smart BCC address and an API token.</p>\
             <form method=post><input type=hidden name=code value=\"{code}\">\
             <button autofocus>Sign in</button></form>"
        ),
    };
    page(StatusCode::OK, "Sign in", &body)
}

/// Uses the link up.
async fn sign_in(Shared(state): Shared<Arc<State>>, Form(link): Form<Link>) -> Response {
    let taken = state.store.take_sign_in_link(token_hash(&link.code), clock::now()).await;
    match taken {
        Ok(Some((sub_account, user))) => welcome(&state, sub_account, user).await,
        Ok(None) => page(
            StatusCode::GONE,
            "This link has been used",
            "<p>A sign-in link works once, for a day. Make an API token on the machine itself:</p>\
             <pre>mailweave token create --sub-account ID</pre>",
        ),
        Err(_) => unavailable(),
    }
}

async fn welcome(state: &State, sub_account: SubAccountId, user: UserId) -> Response {
    let token = new_token();
    let mut ids = NewIds::new(clock::now(), clock::seed());
    let id = TokenId(ids.next_id());
    let hash = token_hash(token.expose_secret());
    let new = NewToken { id, hash, name: "first sign-in".to_owned() };
    let added = state.store.add_token(sub_account, new, clock::now()).await;
    let found = state.store.user(sub_account, user).await;
    let (Ok(true), Ok(Some(user))) = (added, found) else { return unavailable() };
    let address = user.bcc_address.map(|address| address.to_string()).unwrap_or_default();
    let (address, url) = (escape(&address), escape(&state.public_url));
    let (name, token) = (escape(&user.name), escape(token.expose_secret()));
    let body = format!(
        "<p>Welcome, {name}. Put this address in Bcc of any mail, or forward a mail to it, and the \
         contact and the conversation appear by themselves:</p>\
         <pre>{address}</pre>\
         <p>Your API token, shown once:</p><pre>{token}</pre>\
         <p>See what has arrived, and why what did not arrive did not:</p>\
         <pre>curl -H 'Authorization: Bearer {token}' {url}/api/v1/conversations\n\
         curl -H 'Authorization: Bearer {token}' {url}/api/v1/verdicts</pre>\
         <p>The API is described at <a href=\"/api/v1/openapi.json\">/api/v1/openapi.json</a>.</p>"
    );
    page(StatusCode::OK, "You are signed in", &body)
}

fn unavailable() -> Response {
    let body = "<p>The store cannot be reached just now. Try again in a moment.</p>";
    page(StatusCode::SERVICE_UNAVAILABLE, "Not just now", body)
}

const STYLE: &str = "body{font:1.05rem/1.6 system-ui,sans-serif;max-width:44rem;margin:12vh auto;\
    padding:0 1.5rem;color-scheme:light dark}h1{font-size:1.6rem;line-height:1.2}\
    pre{padding:.9rem 1.1rem;border:1px solid #8886;border-radius:.5rem;overflow-x:auto;\
    user-select:all}button{font:inherit;padding:.6rem 1.6rem;border:0;border-radius:.5rem;\
    background:#1d5fd1;color:#fff;cursor:pointer}button:focus-visible{outline:3px solid #7fb0ff;\
    outline-offset:2px}";

/// A page on which nothing runs and nothing is fetched.
fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width\"><title>{title} - Mailweave</title>\
         <style>{STYLE}</style><main><h1>{title}</h1>{body}</main></html>"
    );
    let policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; \
                  frame-ancestors 'none'; base-uri 'none'";
    let headers: [(HeaderName, HeaderValue); 3] = [
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (status, headers, Html(html)).into_response()
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}
