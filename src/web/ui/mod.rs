//! The web app: pages for people, made on the server, that work without JavaScript and fetch nothing from
//! elsewhere. What they do, they do by the same functions as the API.
//!
//! # How to add a page
//!
//! 1. **Words** go to `src/text/en/<part>.txt`, a line `part.key = words` each; a new file is named in `text.rs`.
//!    A template writes `{{ "part.key"|t }}`, or `{{ "part.key"|with(name) }}` where the words have a `{}`.
//! 2. **A template** in `templates/` that begins so, and has no inline style or script (the policy of
//!    `guard` forbids them, but for the one stylesheet):
//!
//!    ```text
//!    {% extends "layout.html" %}
//!    {% block title %}{{ "part.title"|t }}{% endblock %}
//!    {% block main %}<h1>{{ "part.title"|t }}</h1> … {% endblock %}
//!    ```
//!
//! 3. **A file** in `pages/` with the handlers. Whoever takes [`SignedIn`] gets only people who are signed in,
//!    [`Admin`] only admins of the sub-account, [`Operator`] only those who run the gateway; the others are
//!    led to the sign-in, or told. Everything is looked up with `signed_in.sub_account()`, and for people who
//!    are no admins by `signed_in.scope()` too.
//!
//!    ```text
//!    #[derive(Template)]
//!    #[template(path = "part.html", config = "src/web/ui/askama.toml")]
//!    struct Part { shell: Shell, items: Vec<Item> }
//!
//!    async fn show(Shared(state): Shared<Arc<State>>, signed_in: SignedIn) -> Result<Response, Failure> {
//!        let items = state.store.items(signed_in.sub_account()).await?;
//!        Ok(page(&Part { shell: signed_in.shell(Tab::Part), items }))
//!    }
//!
//!    async fn change(…, signed_in: SignedIn, jar: CookieJar, fields: Fields) -> Result<Response, Failure> {
//!        …                                        // the function that the API calls
//!        Ok(done(jar, "flash.part_changed", "/part"))   // the message, and on which page it is shown
//!    }
//!    ```
//!
//!    A form that is wrong is shown again with [`form::Errors`] beside its fields. The file needs
//!    `use crate::web::ui::filters;` for its template.
//! 4. **Its routes** are merged in [`router`]; a new [`Tab`] stands in `shell.rs` with its way.
//!
//! Times are written `{{ shell.time(item.at) }}` and shown in the reader's zone; drawings `{{ "mail"|icon }}`
//! (see `icons.rs`). The classes of the stylesheet are described at the top of `static/parts.css`.

mod assets;
pub mod failure;
pub mod filters;
mod flash;
pub mod form;
mod guard;
mod icons;
mod live;
mod notices;
mod pages;
mod people;
pub mod session;
pub mod shell;
pub mod sign_in;
pub mod time;

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use axum_extra::extract::cookie::CookieJar;
use secrecy::{ExposeSecret, SecretString};
use tower_http::compression::CompressionLayer;
use tower_http::timeout::{RequestBodyDeadlineLayer, RequestBodyTimeoutLayer};

use super::State;
use failure::Failure;

pub use form::{Errors, Fields};
pub use live::Live;
pub use pages::Readings;
pub use session::{Admin, Operator, SignedIn};
pub use shell::{Shell, Tab};
pub use sign_in::Doors;

pub use crate::text;

/// The largest form, in bytes.
const FORM_BYTES_MAX: usize = 1_048_576;
/// How long a form may pause while it arrives; and how long all of one may take that anybody can send, which is
/// small.
const FORM_PAUSE: Duration = Duration::from_secs(30);

/// All pages.
pub fn router(state: &Arc<State>) -> Router<Arc<State>> {
    Router::new()
        .route("/", get(async || Redirect::to("/conversations")))
        .route("/settings", get(async || Redirect::to("/settings/email")))
        .merge(sign_in::router().layer(RequestBodyDeadlineLayer::new(FORM_PAUSE)))
        .merge(pages::router())
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(RequestBodyTimeoutLayer::new(FORM_PAUSE))
        .layer(middleware::from_fn_with_state(Arc::clone(state), guard::guard))
        .merge(assets::router())
        .layer(CompressionLayer::new())
}

/// A template as an answer.
pub fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => {
            ([(header::CONTENT_SECURITY_POLICY, guard::policy())], Html(html)).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "A page could not be written.");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A secret that its owner is shown, this once.
fn exposed(secret: &SecretString) -> &str {
    secret.expose_secret()
}

/// After a form: on to a page, which shows a message once.
pub fn done(jar: CookieJar, message: &'static str, to: &str) -> Response {
    (flash::leave(jar, message), Redirect::to(to)).into_response()
}

/// Is it a browser that asks, who wants a page rather than a problem in JSON?
pub fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// The page for who opens the address that a form is sent to, as a browser does that brings back its tabs.
pub fn method_not_allowed() -> Response {
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, "error.form_only").into_response()
}

/// The page for what is not there.
pub fn not_found() -> Response {
    Failure::not_found().into_response()
}
