//! Signing in by the account that one has at one's organisation (OpenID Connect). The request belongs to the
//! browser that began it, for ten minutes and once; nobody becomes a user by it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::{by_code, by_password};
use crate::clock;
use crate::model::{Address, Time};
use crate::oauth::openid::{Answer, Provider};
use crate::oauth::{Asked, Error};
use crate::web::State;
use crate::web::auth::token_hash;
use crate::web::server::Peer;
use crate::web::ui::Fields;
use crate::web::ui::failure::Failure;

const SECONDS: i64 = 600;
const PLACE: &[u8] = b"sign-in at an organisation";
/// Of a longer path it goes on at the beginning: a cookie holds 4 KB.
const NEXT_BYTES_MAX: usize = 1_024;
/// Requests that are remembered as used. The provider takes a code once, too.
const USED_MAX: usize = 10_000;

/// A request that was made and not answered, as the browser keeps it, sealed.
#[derive(Serialize, Deserialize)]
struct Pending {
    state: String,
    verifier: String,
    nonce: String,
    next: String,
    until: i64,
}

/// The states that were answered, by their hashes, until they would have run out.
#[derive(Default)]
pub struct Used(Mutex<BTreeMap<[u8; 32], Time>>);

impl Used {
    /// Uses a state up; `false`: it was used before.
    fn take(&self, state: &str, now: Time) -> bool {
        // Nothing panics while it is held; and nothing but this is lost.
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, until| now < *until);
        if used.len() >= USED_MAX {
            used.pop_first();
        }
        used.insert(token_hash(state), now.plus_seconds(SECONDS)).is_none()
    }
}

/// Sends the browser to the organisation's provider.
pub async fn begin(Shared(state): Shared<Arc<State>>, parts: Parts) -> Result<Response, Failure> {
    let provider = state.doors.organisation.as_ref().ok_or_else(Failure::not_found)?;
    let next = super::next(query(&parts).text("next"));
    let next = Some(next).filter(|next| next.len() <= NEXT_BYTES_MAX).unwrap_or("/".to_owned());
    match provider.ask(&redirect(&state), clock::now()).await {
        Ok(asked) => {
            let jar = CookieJar::from_headers(&parts.headers);
            let jar = jar.add(cookie(&state, Pending::of(&asked, next).seal(&state)));
            Ok((jar, Redirect::to(&asked.url)).into_response())
        }
        Err(error) => Ok(refused(&state, next, words(&error), &error.to_string())),
    }
}

/// Signs in whom the provider vouches for, if it is a user.
pub async fn finish(Shared(state): Shared<Arc<State>>, parts: Parts) -> Result<Response, Failure> {
    let provider = state.doors.organisation.as_ref().ok_or_else(Failure::not_found)?;
    let (query, now) = (query(&parts), clock::now());
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
    if !state.doors.limits.allows_from(peer) {
        let key = "error.too_many_tries";
        return Ok(again(&state, "/".to_owned(), StatusCode::TOO_MANY_REQUESTS, key));
    }
    let jar = CookieJar::from_headers(&parts.headers);
    let pending = Pending::of_browser(&state, &jar).filter(|it| it.is_answered(&query, now));
    let Some(pending) = pending.filter(|it| state.doors.used.take(&it.state, now)) else {
        return Ok(refused(&state, "/".to_owned(), "error.openid_state", "no such request"));
    };
    if let Some(error) = query.filled("error") {
        let key = match error {
            "access_denied" => "error.openid_declined",
            _ => "error.openid_broken",
        };
        return Ok(refused(&state, pending.next, key, &crate::oauth::in_words(error, "")));
    }
    match member(&state, provider, &pending, &query).await {
        Ok(address) => welcome(&state, &parts, &address, &pending.next).await,
        Err(error) => Ok(refused(&state, pending.next, words(&error), &error.to_string())),
    }
}

async fn member(
    state: &State,
    provider: &Provider,
    pending: &Pending,
    query: &Fields,
) -> Result<Address, Error> {
    let (verifier, nonce) = (pending.verifier.as_str().into(), pending.nonce.as_str().into());
    let answer = Answer {
        redirect: &redirect(state),
        code: query.text("code"),
        issuer: query.filled("iss"),
        verifier: &verifier,
        nonce: &nonce,
    };
    provider.member(&answer, clock::now()).await
}

/// Signs the user of that address in: of several sub-accounts, in the oldest. A second factor that was set up
/// here is asked for here, whatever was asked there.
async fn welcome(
    state: &State,
    parts: &Parts,
    address: &Address,
    next: &str,
) -> Result<Response, Failure> {
    let users = state.store.users_signing_in(address).await?;
    let gone = |jar: CookieJar| {
        let mut gone = cookie(state, String::new());
        gone.make_removal();
        jar.add(gone)
    };
    match users.into_iter().next() {
        Some((of, user, credentials)) if credentials.totp.is_some() => {
            let jar = gone(CookieJar::from_headers(&parts.headers));
            Ok(by_code::ask(state, jar, (of, user), next))
        }
        Some((of, user, _)) => super::welcome(state, parts, (of, user), gone, next).await,
        None => Ok(refused(state, next.to_owned(), "error.openid_unknown", "no user")),
    }
}

/// The sign-in page again, with what helps; why stands in the log.
fn refused(state: &State, next: String, key: &'static str, why: &str) -> Response {
    tracing::warn!(code = "openid_refused", why, "A sign-in by OpenID Connect was refused.");
    again(state, next, StatusCode::FORBIDDEN, key)
}

fn again(state: &State, next: String, status: StatusCode, key: &'static str) -> Response {
    (status, by_password::form_after(state, next, key)).into_response()
}

/// What a person is told.
const fn words(error: &Error) -> &'static str {
    match error {
        Error::Consent(_) => "error.openid_stranger",
        Error::Unavailable { .. } => "error.openid_unavailable",
        Error::Application(_) | Error::Broken(_) => "error.openid_broken",
    }
}

impl Pending {
    fn of(asked: &Asked, next: String) -> Self {
        let text = |secret: &SecretString| secret.expose_secret().to_owned();
        Self {
            state: text(&asked.state),
            verifier: text(&asked.verifier),
            nonce: text(&asked.nonce),
            next,
            until: clock::now().plus_seconds(SECONDS).as_micros(),
        }
    }

    fn seal(&self, state: &State) -> String {
        let plain = serde_json::to_vec(self).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(state.secrets.seal(PLACE, &plain))
    }

    fn of_browser(state: &State, jar: &CookieJar) -> Option<Self> {
        let sealed = URL_SAFE_NO_PAD.decode(jar.get(name(state))?.value()).ok()?;
        serde_json::from_slice(&state.secrets.unseal(PLACE, &sealed)?).ok()
    }

    /// RFC 6749 10.12: is it this request that is answered, in time?
    fn is_answered(&self, query: &Fields, now: Time) -> bool {
        let is_same: bool = self.state.as_bytes().ct_eq(query.text("state").as_bytes()).into();
        is_same && now < Time::from_micros(self.until)
    }
}

/// Where the provider sends the browser back to; registered there, letter by letter.
fn redirect(state: &State) -> String {
    format!("{}/sign-in/openid/callback", state.public_url)
}

fn query(parts: &Parts) -> Fields {
    Fields::parse(parts.uri.query().unwrap_or_default().as_bytes()).unwrap_or_default()
}

/// As the session's: no other host sets it, so that nobody is signed in as somebody else.
fn name(state: &State) -> &'static str {
    if state.is_https() { "__Host-openid" } else { "openid" }
}

fn cookie(state: &State, sealed: String) -> Cookie<'static> {
    Cookie::build((name(state), sealed))
        .path("/")
        .http_only(true)
        .secure(state.is_https())
        .same_site(SameSite::Lax)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_good_once_and_memory_is_bounded() {
        let (used, now) = (Used::default(), Time::from_seconds(1_000));
        assert!(used.take("a", now) && !used.take("a", now));
        for number in 0..USED_MAX * 2 {
            assert!(used.take(&number.to_string(), now));
        }
        assert!(used.0.lock().unwrap().len() <= USED_MAX);
        assert!(used.take("b", now.plus_seconds(SECONDS)));
        assert_eq!(used.0.lock().unwrap().len(), 1, "what has run out is forgotten");
    }
}
