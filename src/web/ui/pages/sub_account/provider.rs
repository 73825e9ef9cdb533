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
use crate::web::ui::{Admin, Errors, Fields, done};

/// The routes of the relay.
pub fn router() -> Router<Arc<State>> {
    Router::new()
        .route("/settings/sub-account/provider", post(save))
        .route("/settings/sub-account/provider/remove", post(remove))
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
    }});
    match put(&state, &signed_in, change).await? {
        Ok(()) => Ok(done(jar, "flash.provider_saved", "/settings/sub-account")),
        Err(errors) => {
            let settings = super::stored(&state, &signed_in).await?;
            let typed = super::Typed::of(&settings);
            super::shown(&state, &signed_in, (settings, typed), errors, fields)
        }
    }
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
