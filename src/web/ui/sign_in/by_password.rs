//! Signing in by password. Whatever is wrong, the answer is the same, after the same time.

use askama::Template;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::cookie::CookieJar;

use super::limits::Try;
use super::{browser_mark, by_code};
use crate::model::{Address, SubAccountId, UserId};
use crate::oauth::openid::Provider;
use crate::store::Credentials;
use crate::web::State;
use crate::web::server::Peer;
use crate::web::ui::failure::Failure;
use crate::web::ui::flash::Flash;
use crate::web::ui::{Fields, assets, filters, page, text};

#[derive(Template)]
#[template(path = "sign_in.html", config = "src/web/ui/askama.toml")]
struct SignIn<'a> {
    next: String,
    email: &'a str,
    flash: Option<Flash>,
    error: Option<&'static str>,
    /// Whose people sign in by their account there.
    organisation: Option<&'a str>,
}

impl<'a> SignIn<'a> {
    fn new(state: &'a State, next: String, email: &'a str) -> Self {
        let organisation = state.doors.organisation.as_ref().map(Provider::name);
        Self { next, email, flash: None, error: None, organisation }
    }

    /// Where one goes on to the organisation.
    fn organisation_url(&self) -> String {
        let next: String = url::form_urlencoded::byte_serialize(self.next.as_bytes()).collect();
        format!("/sign-in/openid?next={next}")
    }
}

/// A user of the address that was typed, and what the user signs in with.
type Found = (SubAccountId, UserId, Credentials);

/// The form; afterwards it goes on at `next`.
pub fn form(state: &State, next: String, flash: Option<Flash>) -> Response {
    page(&SignIn { flash, ..SignIn::new(state, next, "") })
}

/// The form after another way of signing in has failed.
pub fn form_after(state: &State, next: String, error: &'static str) -> Response {
    page(&SignIn { error: Some(text::words(error)), ..SignIn::new(state, next, "") })
}

/// Signs in who knows the password.
pub async fn sign_in(state: &State, parts: &Parts, fields: &Fields) -> Result<Response, Failure> {
    let (email, password) = (fields.text("email"), fields.raw("password"));
    let next = super::next(fields.text("next"));
    let again = |status, key| {
        let shown = SignIn::new(state, next.clone(), email);
        let shown = SignIn { error: Some(text::words(key)), ..shown };
        Ok((status, page(&shown)).into_response())
    };
    let users = match Address::parse(email) {
        Some(address) => state.store.users_signing_in(&address).await?,
        None => Vec::new(),
    };
    let jar = CookieJar::from_headers(&parts.headers);
    let ids: Vec<UserId> = users.iter().map(|(_, user, _)| *user).collect();
    let known = browser_mark::of(state, &jar, &ids);
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
    if !state.doors.limits.allows(&Try { email, peer, known }) {
        return again(StatusCode::TOO_MANY_REQUESTS, "error.too_many_tries");
    }
    match who(state, users, password).await {
        Some((of, user, credentials)) if credentials.totp.is_some() => {
            Ok(by_code::ask(state, jar, (of, user), &next))
        }
        Some((of, user, _)) => super::welcome(state, parts, (of, user), |jar| jar, &next).await,
        None => again(StatusCode::UNPROCESSABLE_ENTITY, "error.sign_in"),
    }
}

/// Who has that password. Of a person with one password in several sub-accounts, the oldest.
async fn who(state: &State, users: Vec<Found>, password: &str) -> Option<Found> {
    let passwords = &state.doors.passwords;
    let mut with_password = users.into_iter().filter(|(_, _, it)| it.password.is_some()).peekable();
    if with_password.peek().is_none() {
        passwords.is_right(password, None).await;
    }
    for found in with_password {
        if passwords.is_right(password, found.2.password.as_deref()).await {
            return Some(found);
        }
    }
    None
}
