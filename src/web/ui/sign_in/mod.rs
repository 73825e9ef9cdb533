//! Signing in: by a link that works once, by password, or by one's account at an organisation; the latter two with
//! a one-time password where the user has set one up. Unknown users are answered as known ones are, in the same time.

mod browser_mark;
mod by_code;
mod by_link;
mod by_organisation;
mod by_password;
mod limits;
pub mod password;
pub mod proof;
pub mod second;

use std::sync::Arc;

use axum::Router;
use axum::extract::State as Shared;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum_extra::extract::cookie::CookieJar;

use super::failure::Failure;
use super::flash;
use super::form::Fields;
use super::session::{self, SignedIn};
use crate::model::{SubAccountId, UserId};
use crate::oauth::openid::Provider;
use crate::web::State;
use by_organisation::Used;
use limits::Limits;
use password::Passwords;

/// What signing in needs beside the store.
#[derive(Default)]
pub struct Doors {
    pub passwords: Passwords,
    limits: Limits,
    /// Whose people sign in by their accounts there.
    organisation: Option<Provider>,
    used: Used,
}

impl Doors {
    /// With the organisation that is configured.
    pub fn new(organisation: Option<Provider>) -> Self {
        Self { organisation, ..Self::default() }
    }
}

/// The routes of signing in and out.
pub fn router() -> Router<Arc<State>> {
    Router::new()
        .route("/sign-in", get(show).post(sign_in))
        .route("/sign-in/code", get(by_code::show).post(by_code::check))
        .route("/sign-in/openid", get(by_organisation::begin))
        .route("/sign-in/openid/callback", get(by_organisation::finish))
        .route("/sign-out", post(sign_out))
        .route("/sign-out/everywhere", post(sign_out_everywhere))
}

/// The form, or the page of a link.
async fn show(Shared(state): Shared<Arc<State>>, parts: Parts) -> Response {
    let query = Fields::parse(parts.uri.query().unwrap_or_default().as_bytes()).unwrap_or_default();
    if let Some(code) = query.filled("code") {
        return by_link::ask(code);
    }
    let jar = CookieJar::from_headers(&parts.headers);
    by_password::form(&state, next(query.text("next")), flash::read(&jar))
}

async fn sign_in(
    Shared(state): Shared<Arc<State>>,
    parts: Parts,
    fields: Fields,
) -> Result<Response, Failure> {
    match fields.filled("code") {
        Some(code) => by_link::sign_in(&state, &parts, code).await,
        None => by_password::sign_in(&state, &parts, &fields).await,
    }
}

async fn sign_out(
    Shared(state): Shared<Arc<State>>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let jar = CookieJar::from_headers(&headers);
    session::end(&state, &jar).await?;
    let jar = flash::leave(session::forget(&state, jar), "flash.signed_out");
    Ok((jar, Redirect::to("/sign-in")).into_response())
}

/// Signs a browser in whose user has proved to be the user, and goes on.
async fn welcome(
    state: &State,
    parts: &Parts,
    (of, user): (SubAccountId, UserId),
    change: impl FnOnce(CookieJar) -> CookieJar,
    next: &str,
) -> Result<Response, Failure> {
    let jar = session::begin(state, (of, user), parts).await?;
    let jar = browser_mark::leave(state, change(jar), user);
    Ok((jar, Redirect::to(next)).into_response())
}

/// Every other browser, and then this one.
async fn sign_out_everywhere(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    jar: CookieJar,
) -> Result<Response, Failure> {
    let (of, user) = (signed_in.sub_account(), signed_in.user.id);
    state.store.end_other_sessions(of, user, signed_in.session.hash).await?;
    session::end(&state, &jar).await?;
    let jar = flash::leave(session::forget(&state, jar), "flash.signed_out_everywhere");
    Ok((jar, Redirect::to("/sign-in")).into_response())
}

/// Where to go on after signing in: a path of ours, nothing that a browser takes for another host.
fn next(asked: &str) -> String {
    let is_path = asked.starts_with('/')
        && !asked.starts_with("//")
        && asked.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_path { asked.to_owned() } else { "/".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::next;

    #[test]
    fn goes_on_nowhere_else() {
        assert_eq!(next("/activity?q=a%40b"), "/activity?q=a%40b");
        for bad in
            ["", "//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil", "@evil"]
        {
            assert_eq!(next(bad), "/", "{bad}");
        }
    }
}
