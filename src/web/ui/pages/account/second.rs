//! Setting the second factor up: the app proves that it has the secret before it is asked for.

use std::sync::Arc;

use askama::Template;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::cookie::CookieJar;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock;
use crate::web::State;
use crate::web::ui::failure::Failure;
use crate::web::ui::sign_in::proof;
use crate::web::ui::sign_in::second::{self, AppSecret};
use crate::web::ui::{Errors, Fields, Shell, SignedIn, Tab, done, filters, page, text};

#[derive(Template)]
#[template(path = "second.html", config = "src/web/ui/askama.toml")]
struct Second {
    shell: Shell,
    picture: String,
    letters: String,
    /// The secret, sealed for this user: it is kept once the app has proved it.
    sealed: String,
    error: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "recovery.html", config = "src/web/ui/askama.toml")]
struct Recovery {
    shell: Shell,
    codes: Vec<String>,
}

/// Shows a new secret. One that is in use is replaced by who proves to be the user.
pub async fn begin(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    parts: Parts,
    fields: Fields,
) -> Result<Response, Failure> {
    let (of, user) = (signed_in.sub_account(), signed_in.user.id);
    let is_in_use = state.store.credentials(of, user).await?.totp.is_some();
    if is_in_use
        && let Some(errors) = objection(&state, (&signed_in, &parts), &fields, "again").await?
    {
        return super::shown(&state, &signed_in, errors).await;
    }
    let secret = AppSecret::random();
    let sealed = secret.offer(&state.secrets, (of, user), (clock::now(), is_in_use));
    shown(&signed_in, secret, &sealed, None)
}

fn shown(
    signed_in: &SignedIn,
    secret: AppSecret,
    sealed: &[u8],
    error: Option<&'static str>,
) -> Result<Response, Failure> {
    let shown = Second {
        shell: signed_in.shell(Tab::Account),
        picture: secret.picture(signed_in.user.email.normal()).ok_or_else(Failure::internal)?,
        letters: secret.in_letters(),
        sealed: URL_SAFE_NO_PAD.encode(sealed),
        error,
    };
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok((status, page(&shown)).into_response())
}

/// Keeps the secret that the app has proved, and shows recovery codes, this once.
pub async fn confirm(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    fields: Fields,
) -> Result<Response, Failure> {
    let whose @ (of, user) = (signed_in.sub_account(), signed_in.user.id);
    let sealed = URL_SAFE_NO_PAD.decode(fields.text("secret")).unwrap_or_default();
    let now = clock::now();
    let offer = AppSecret::accept(&state.secrets, whose, (&sealed, now));
    // A form that was opened before there was a factor must not replace the one that is in use.
    let is_in_use = state.store.credentials(of, user).await?.totp.is_some();
    let offer = offer.filter(|(_, is_proved)| *is_proved || !is_in_use);
    let (secret, _) = offer.ok_or_else(|| Failure::new(StatusCode::BAD_REQUEST, "error.form"))?;
    let Some(step) = secret.step(fields.text("code"), now) else {
        return shown(&signed_in, secret, &sealed, Some(text::words("error.code")));
    };
    let (codes, hashes) = second::recovery_codes();
    let sealed = secret.seal(&state.secrets, whose);
    let kept = signed_in.session.hash;
    state.store.set_second_factor((of, user), Some((sealed, step)), &hashes, kept).await?;
    Ok(page(&Recovery { shell: signed_in.shell(Tab::Account), codes }))
}

/// Turns it off, for who proves to be the user.
pub async fn remove(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    parts: Parts,
    jar: CookieJar,
    fields: Fields,
) -> Result<Response, Failure> {
    if let Some(errors) = objection(&state, (&signed_in, &parts), &fields, "off").await? {
        return super::shown(&state, &signed_in, errors).await;
    }
    let (of, user) = (signed_in.sub_account(), signed_in.user.id);
    let kept = signed_in.session.hash;
    state.store.set_second_factor((of, user), None, &[], kept).await?;
    Ok(done(jar, "flash.second_removed", "/settings/account"))
}

async fn objection(
    state: &State,
    who: (&SignedIn, &Parts),
    fields: &Fields,
    field: &str,
) -> Result<Option<Errors>, Failure> {
    let objection = proof::by_password_or_code(state, who, fields.raw("current")).await?;
    Ok(objection.map(|key| Errors::of_field(field, text::words(key))))
}
