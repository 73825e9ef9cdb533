//! The SMTP relay of the sub-account, for bulk and workflow mail (S3).

use std::sync::Arc;

use axum::Router;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use axum_extra::extract::cookie::CookieJar;
use serde_json::json;

use crate::web::State;
use crate::web::api::settings::{self, SettingsChange};
use crate::web::input::Json;
use crate::web::ui::failure::Failure;
use crate::web::ui::notices::{self, Letter};
use crate::web::ui::{Admin, Errors, Fields, done, text};

/// The routes of the relay.
pub fn router() -> Router<Arc<State>> {
    Router::new()
        .route("/settings/sub-account/provider", post(save))
        .route("/settings/sub-account/provider/remove", post(remove))
        .route("/settings/sub-account/provider/test", post(test))
}

async fn save(
    Shared(state): Shared<Arc<State>>,
    Admin(signed_in): Admin,
    jar: CookieJar,
    fields: Fields,
) -> Result<Response, Failure> {
    let password = Some(fields.raw("password")).filter(|password| !password.is_empty());
    let port: u16 = fields.text("port").parse().unwrap_or(0);
    let change = json!({"sub_account_provider": {
        "host": fields.text("host"),
        "port": port,
        "username": fields.text("username"),
        "password": password,
        "default_from": fields.text("default_from"),
        "allowed_domains": fields.entries("allowed_domains"),
        "security": fields.filled("security"),
    }});
    match put(&state, &signed_in, change).await? {
        Ok(()) => Ok(done(jar, "flash.provider_saved", "/settings/sub-account")),
        Err(errors) => {
            let settings = super::stored(&state, &signed_in).await?;
            let typed = super::Typed::of(&settings);
            super::shown(&state, &signed_in, (settings, typed), errors, fields, None)
        }
    }
}

/// Sends who asks a mail, and says what the relay answered.
async fn test(
    Shared(state): Shared<Arc<State>>,
    Admin(signed_in): Admin,
) -> Result<Response, Failure> {
    let user = &signed_in.user;
    let letter = Letter {
        to: notices::person(&user.email, &user.name),
        subject: "mail.test_subject",
        paragraphs: vec![text::with("mail.hello", &user.name), text::with("mail.test", &user.name)],
    };
    let sent = notices::send(&state, &signed_in, letter).await?;
    let settings = super::stored(&state, &signed_in).await?;
    let typed = super::Typed::of(&settings);
    let (errors, fields) = (Errors::default(), Fields::default());
    super::shown(&state, &signed_in, (settings, typed), errors, fields, Some(sent))
}

async fn remove(
    Shared(state): Shared<Arc<State>>,
    Admin(signed_in): Admin,
    jar: CookieJar,
) -> Result<Response, Failure> {
    let change = json!({"sub_account_provider": null});
    match put(&state, &signed_in, change).await? {
        Ok(()) => Ok(done(jar, "flash.provider_removed", "/settings/sub-account")),
        Err(_) => Err(Failure::internal()),
    }
}

async fn put(
    state: &Arc<State>,
    signed_in: &crate::web::ui::SignedIn,
    change: serde_json::Value,
) -> Result<Result<(), Errors>, Failure> {
    let read = serde_json::from_value::<SettingsChange>(change);
    let change = read.map_err(|_| Failure::new(StatusCode::BAD_REQUEST, "error.form"))?;
    let changed = settings::change(Shared(Arc::clone(state)), signed_in.account(), Json(change));
    Ok(changed.await.map(drop).map_err(|problem| Errors::of_problem(&problem)))
}
