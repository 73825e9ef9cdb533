//! Proving once more who one is, before what a stranger at an open screen would do. Guesses count as those of
//! signing in do (ATTACKS D15).

use axum::http::request::Parts;
use axum_extra::extract::cookie::CookieJar;

use super::limits::Try;
use super::{browser_mark, by_code};
use crate::web::State;
use crate::web::server::Peer;
use crate::web::ui::SignedIn;
use crate::web::ui::failure::Failure;

/// What is wrong with what was given, by the key of its words.
type Objection = Option<&'static str>;

/// Asks for the password, where there is one.
pub async fn by_password(
    state: &State,
    (signed_in, parts): (&SignedIn, &Parts),
    given: &str,
) -> Result<Objection, Failure> {
    let (of, user) = (signed_in.sub_account(), signed_in.user.id);
    let Some(password) = state.store.credentials(of, user).await?.password else {
        return Ok(None);
    };
    if !may_try_password(state, signed_in, parts) {
        return Ok(Some("error.too_many_tries"));
    }
    let is_right = state.doors.passwords.is_right(given, Some(&password)).await;
    Ok((!is_right).then_some("error.password_wrong"))
}

/// Asks for the password, or for a code: whoever signs in by the organisation has no password.
pub async fn by_password_or_code(
    state: &State,
    (signed_in, parts): (&SignedIn, &Parts),
    given: &str,
) -> Result<Objection, Failure> {
    let whose @ (of, user) = (signed_in.sub_account(), signed_in.user.id);
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
    let counted = Try { email: &user.to_string(), peer, known: None };
    let may_try = may_try_password(state, signed_in, parts) && state.doors.limits.allows(&counted);
    if !may_try {
        return Ok(Some("error.too_many_tries"));
    }
    let password = state.store.credentials(of, user).await?.password;
    let is_right = state.doors.passwords.is_right(given, password.as_deref()).await
        || by_code::is_right(state, whose, given.trim()).await?;
    Ok((!is_right).then_some("error.proof_wrong"))
}

fn may_try_password(state: &State, signed_in: &SignedIn, parts: &Parts) -> bool {
    let jar = CookieJar::from_headers(&parts.headers);
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
    let known = browser_mark::of(state, &jar, &[signed_in.user.id]);
    state.doors.limits.allows(&Try { email: signed_in.user.email.normal(), peer, known })
}
