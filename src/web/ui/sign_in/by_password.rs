//! Signing in by password. Whatever is wrong, the answer is the same, after the same time.

use askama::Template;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};

use super::limits::Try;
use crate::model::{Address, SubAccountId, UserId};
use crate::store::Credentials;
use crate::web::State;
use crate::web::server::Peer;
use crate::web::ui::failure::Failure;
use crate::web::ui::flash::Flash;
use crate::web::ui::{Fields, assets, filters, page, session, text};

#[derive(Template)]
#[template(path = "sign_in.html", config = "src/web/ui/askama.toml")]
struct SignIn<'a> {
    next: String,
    email: &'a str,
    flash: Option<Flash>,
    error: Option<&'static str>,
}

/// The form; afterwards it goes on at `next`.
pub fn form(next: String, flash: Option<Flash>) -> Response {
    page(&SignIn { next, email: "", flash, error: None })
}

/// Signs in who knows the password.
pub async fn sign_in(state: &State, parts: &Parts, fields: &Fields) -> Result<Response, Failure> {
    let (email, password) = (fields.text("email"), fields.raw("password"));
    let next = super::next(fields.text("next"));
    let again = |status, key| {
        let shown =
            SignIn { next: next.clone(), email, flash: None, error: Some(text::words(key)) };
        Ok((status, page(&shown)).into_response())
    };
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
    if !state.doors.limits.allows(&Try { email, peer, mark: None }) {
        return again(StatusCode::TOO_MANY_REQUESTS, "error.too_many_tries");
    }
    match who(state, email, password).await? {
        Some((of, user, _)) => {
            let jar = session::begin(state, (of, user), parts).await?;
            Ok((jar, Redirect::to(&next)).into_response())
        }
        None => again(StatusCode::UNPROCESSABLE_ENTITY, "error.sign_in"),
    }
}

/// The user of that address and password. Of a person with one password in several sub-accounts, the oldest.
async fn who(
    state: &State,
    email: &str,
    password: &str,
) -> Result<Option<(SubAccountId, UserId, Credentials)>, Failure> {
    let users = match Address::parse(email) {
        Some(address) => state.store.users_signing_in(&address).await?,
        None => Vec::new(),
    };
    let passwords = &state.doors.passwords;
    let mut with_password = users.into_iter().filter(|(_, _, it)| it.password.is_some()).peekable();
    if with_password.peek().is_none() {
        passwords.is_right(password, None).await;
    }
    for (of, user, credentials) in with_password {
        if passwords.is_right(password, credentials.password.as_deref()).await {
            return Ok(Some((of, user, credentials)));
        }
    }
    Ok(None)
}
