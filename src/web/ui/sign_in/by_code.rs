//! The second step of signing in: a code of the user's app, or a recovery code. Who has given the password is
//! remembered for five minutes, sealed in a cookie.

use std::sync::Arc;

use askama::Template;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::limits::Try;
use super::second::{self, AppSecret};
use crate::clock;
use crate::model::{SubAccountId, Time, UserId};
use crate::web::State;
use crate::web::server::Peer;
use crate::web::ui::failure::Failure;
use crate::web::ui::{Fields, assets, filters, page, text};

const COOKIE: &str = "second-step";
const SECONDS: i64 = 300;
const PLACE: &[u8] = b"second step of signing in";

#[derive(Template)]
#[template(path = "code.html", config = "src/web/ui/askama.toml")]
struct Code {
    next: String,
    error: Option<&'static str>,
}

/// Leads to the form for the code, and remembers who has given the password.
pub fn ask(state: &State, jar: CookieJar, whose: (SubAccountId, UserId), next: &str) -> Response {
    let until = clock::now().plus_seconds(SECONDS).as_micros().to_be_bytes();
    let (of, user) = whose;
    let plain = [of.0.as_bytes().as_slice(), user.0.as_bytes(), &until].concat();
    let sealed = URL_SAFE_NO_PAD.encode(state.secrets.seal(PLACE, &plain));
    let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
    let jar = jar.add(cookie(state, sealed));
    (jar, Redirect::to(&format!("/sign-in/code?next={next}"))).into_response()
}

/// Shows the form.
pub async fn show(parts: Parts) -> Response {
    let query = Fields::parse(parts.uri.query().unwrap_or_default().as_bytes()).unwrap_or_default();
    page(&Code { next: super::next(query.text("next")), error: None })
}

/// Takes the code.
pub async fn check(
    Shared(state): Shared<Arc<State>>,
    parts: Parts,
    fields: Fields,
) -> Result<Response, Failure> {
    let jar = CookieJar::from_headers(&parts.headers);
    let Some(whose) = remembered(&state, &jar) else { return Err(Failure::SignIn(None)) };
    let next = super::next(fields.text("next"));
    let again = |status, key| {
        let shown = Code { next: next.clone(), error: Some(text::words(key)) };
        Ok((status, page(&shown)).into_response())
    };
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
    let counted = Try { email: &whose.1.to_string(), peer, known: None };
    if !state.doors.limits.allows(&counted) {
        return again(StatusCode::TOO_MANY_REQUESTS, "error.too_many_tries");
    }
    match is_right(&state, whose, fields.text("code")).await? {
        true => {
            let mut gone = cookie(&state, String::new());
            gone.make_removal();
            super::welcome(&state, &parts, whose, |jar| jar.add(gone), &next).await
        }
        false => again(StatusCode::UNPROCESSABLE_ENTITY, "error.code"),
    }
}

/// Uses a code up, if it is one of the user's.
pub async fn is_right(
    state: &State,
    whose: (SubAccountId, UserId),
    code: &str,
) -> Result<bool, Failure> {
    let (of, user) = whose;
    if second::is_recovery_code(code) {
        let hash = second::recovery_hash(code);
        return Ok(state.store.use_recovery_code(of, user, &hash).await?);
    }
    let credentials = state.store.credentials(of, user).await?;
    let sealed = credentials.totp.unwrap_or_default();
    let secret = AppSecret::unseal(&state.secrets, whose, &sealed);
    let step = secret.and_then(|secret| secret.step(code, clock::now()));
    match step {
        Some(step) => Ok(state.store.use_totp_step(of, user, step).await?),
        None => Ok(false),
    }
}

fn remembered(state: &State, jar: &CookieJar) -> Option<(SubAccountId, UserId)> {
    let sealed = URL_SAFE_NO_PAD.decode(jar.get(COOKIE)?.value()).ok()?;
    let plain = state.secrets.unseal(PLACE, &sealed)?;
    let (of, rest) = plain.split_first_chunk::<16>()?;
    let (user, until) = rest.split_first_chunk::<16>()?;
    let until = Time::from_micros(i64::from_be_bytes(until.try_into().ok()?));
    let whose = (SubAccountId(Uuid::from_bytes(*of)), UserId(Uuid::from_bytes(*user)));
    (clock::now() < until).then_some(whose)
}

fn cookie(state: &State, sealed: String) -> Cookie<'static> {
    Cookie::build((COOKIE, sealed))
        .path("/")
        .http_only(true)
        .secure(state.is_https())
        .same_site(SameSite::Lax)
        .build()
}
