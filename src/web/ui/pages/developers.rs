//! `/settings/developers`: tokens of the API and webhooks, each with its secret shown once.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum_extra::extract::cookie::CookieJar;
use secrecy::{ExposeSecret, SecretString};

use crate::model::{EventType, TokenId, TokenScope, Webhook, WebhookId};
use crate::store::{NewToken, Token};
use crate::web::api::webhooks;
use crate::web::auth::{new_token, token_hash};
use crate::web::input::Id;
use crate::web::ui::failure::Failure;
use crate::web::ui::{Admin, Errors, Fields, Shell, SignedIn, Tab, done, filters, page};
use crate::web::{State, input, now_and_ids};

const HERE: &str = "/settings/developers";

/// The routes of the page.
pub fn router() -> Router<Arc<State>> {
    Router::new()
        .route("/settings/developers", get(show))
        .route("/settings/developers/tokens", post(add_token))
        .route("/settings/developers/tokens/{id}/revoke", post(revoke_token))
        .route("/settings/developers/webhooks", post(add_webhook))
        .route("/settings/developers/webhooks/{id}/delete", post(delete_webhook))
}

#[derive(Template)]
#[template(path = "developers.html", config = "src/web/ui/askama.toml")]
struct Developers {
    shell: Shell,
    errors: Errors,
    /// What was filled in, when it has to be shown again.
    name: String,
    url: String,
    tokens: Vec<Token>,
    webhooks: Vec<Webhook>,
    /// All types, and whether each is ticked.
    types: Vec<(&'static str, bool)>,
    made: Option<Made>,
}

/// Something with a secret that its owner is shown this once.
struct Made {
    /// The key of what it is.
    title: &'static str,
    hint: &'static str,
    secret: SecretString,
}

impl Made {
    fn secret(&self) -> &str {
        self.secret.expose_secret()
    }
}

async fn show(Shared(state): Shared<Arc<State>>, Admin(admin): Admin) -> Result<Response, Failure> {
    shown(&state, &admin, &Fields::default(), Errors::default(), None).await
}

async fn shown(
    state: &State,
    admin: &SignedIn,
    fields: &Fields,
    errors: Errors,
    made: Option<Made>,
) -> Result<Response, Failure> {
    let of = admin.sub_account();
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let is_again = !errors.is_empty();
    let ticked: Vec<&str> = fields.all("events").collect();
    let kept = |field: &str| if is_again { fields.text(field).to_owned() } else { String::new() };
    let developers = Developers {
        shell: admin.shell(Tab::Developers),
        name: kept("name"),
        url: kept("url"),
        tokens: state.store.tokens(of).await?,
        webhooks: state.store.webhooks(of).await?,
        types: EventType::ALL
            .map(|event_type| (event_type.name(), is_again && ticked.contains(&event_type.name())))
            .to_vec(),
        errors,
        made,
    };
    Ok((status, page(&developers)).into_response())
}

async fn add_token(
    Shared(state): Shared<Arc<State>>,
    Admin(admin): Admin,
    fields: Fields,
) -> Result<Response, Failure> {
    let name = match input::line("name", fields.text("name")) {
        Ok(name) => name,
        Err(problem) => {
            let errors = Errors::of_problem(&problem);
            return shown(&state, &admin, &fields, errors, None).await;
        }
    };
    let scope = TokenScope::parse(fields.text("scope")).unwrap_or(TokenScope::Read);
    let (now, mut ids) = now_and_ids();
    let secret = new_token();
    let hash = token_hash(secret.expose_secret());
    let token = NewToken { id: TokenId(ids.next_id()), hash, name };
    state.store.add_token(admin.sub_account(), token, scope, now).await?;
    let (title, hint) = ("developers.token_made", "developers.token_made_hint");
    let made = Made { title, hint, secret };
    shown(&state, &admin, &fields, Errors::default(), Some(made)).await
}

async fn revoke_token(
    Shared(state): Shared<Arc<State>>,
    Admin(admin): Admin,
    jar: CookieJar,
    Id(id): Id,
) -> Result<Response, Failure> {
    match state.store.remove_token(admin.sub_account(), TokenId(id)).await? {
        true => Ok(done(jar, "flash.token_revoked", HERE)),
        false => Err(Failure::not_found()),
    }
}

async fn add_webhook(
    Shared(state): Shared<Arc<State>>,
    Admin(admin): Admin,
    fields: Fields,
) -> Result<Response, Failure> {
    let types = fields.all("events").filter_map(EventType::parse).collect();
    match webhooks::add(&state, admin.sub_account(), fields.text("url"), types).await {
        Ok((_, _, secret)) => {
            let (title, hint) = ("developers.webhook_made", "developers.webhook_made_hint");
            let made = Made { title, hint, secret };
            shown(&state, &admin, &fields, Errors::default(), Some(made)).await
        }
        Err(problem) => {
            let errors = Errors::of_problem(&problem);
            shown(&state, &admin, &fields, errors, None).await
        }
    }
}

async fn delete_webhook(
    Shared(state): Shared<Arc<State>>,
    Admin(admin): Admin,
    jar: CookieJar,
    Id(id): Id,
) -> Result<Response, Failure> {
    match state.store.remove_webhook(admin.sub_account(), WebhookId(id)).await? {
        true => Ok(done(jar, "flash.webhook_deleted", HERE)),
        false => Err(Failure::not_found()),
    }
}
