//! The mark of a browser that has signed in to an account before. It proves nothing but that: whoever holds it
//! is counted for itself when passwords are tried, so that guesses of others do not keep the owner out.

use axum_extra::extract::cookie::{Cookie, CookieJar, SameSite};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::model::UserId;
use crate::web::State;

const COOKIE: &str = "known-browser";
const PLACE: &[u8] = b"known browser";

/// Marks a browser that has signed in.
pub fn leave(state: &State, jar: CookieJar, user: UserId) -> CookieJar {
    let sealed = state.secrets.seal(PLACE, user.0.as_bytes());
    let cookie = Cookie::build((COOKIE, URL_SAFE_NO_PAD.encode(sealed)))
        .path("/")
        .http_only(true)
        .secure(state.is_https())
        .same_site(SameSite::Lax)
        .permanent()
        .build();
    jar.add(cookie)
}

/// The user of whom the browser has a mark, if it is the only one of these. An address that has several users
/// is tried for all of them at once: the mark of one says nothing about the others.
pub fn of(state: &State, jar: &CookieJar, users: &[UserId]) -> Option<UserId> {
    let [user] = users else { return None };
    let value = jar.get(COOKIE)?.value();
    let sealed = URL_SAFE_NO_PAD.decode(value).ok()?;
    let plain = state.secrets.unseal(PLACE, &sealed)?;
    (user.0.as_bytes().as_slice() == plain).then_some(*user)
}
