//! Webhooks: where the sub-account's events are delivered, and what became of each.

use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::users::ListQuery;
use crate::events::secret_place;
use crate::model::{self, EventId, EventType, SubAccountId, Time, WebhookId};
use crate::store::{NewWebhook, Position};
use crate::web::auth::Account;
use crate::web::error::{Code, Problem, ProblemDetails};
use crate::web::input::{Id, Json, Query, or_default};
use crate::web::page::{List, Listing};
use crate::web::{State, now_and_ids};

/// A URL that is told of events.
#[derive(Serialize, ToSchema)]
pub struct Webhook {
    id: Uuid,
    url: String,
    /// The types of events that it is told; empty for all.
    events: Vec<&'static str>,
    /// Attempts that failed in a row; 0 when all is well.
    failures: u32,
    /// Nothing is attempted before, because the target failed again and again.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    rests_until: Option<Time>,
    /// Events that wait to be delivered.
    pending: i64,
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
}

/// A webhook that is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhookRequest {
    url: String,
    /// Types of events; left out or empty: all.
    #[serde(default, deserialize_with = "or_default")]
    #[schema(nullable)]
    events: Vec<String>,
}

/// A webhook that was made, with its secret.
#[derive(Serialize, ToSchema)]
pub struct MadeWebhook {
    id: Uuid,
    url: String,
    events: Vec<&'static str>,
    /// What deliveries are signed with (Standard Webhooks); it is shown this once.
    secret: String,
}

/// An event that was, or is to be, delivered to a webhook.
#[derive(Serialize, ToSchema)]
pub struct Delivery {
    /// The event's, which is `webhook-id` of every attempt.
    id: Uuid,
    r#type: &'static str,
    /// `pending`, `delivered`, `failed`, or `dropped` when its object was erased.
    state: &'static str,
    attempts: u32,
    /// The status of the last answer.
    #[schema(required)]
    status: Option<u16>,
    /// What went wrong with the last attempt.
    #[schema(required)]
    error: Option<String>,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    attempted_at: Option<Time>,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Time>,
}

impl Webhook {
    fn new(webhook: model::Webhook, now: Time) -> Self {
        Self {
            id: webhook.id.0,
            url: webhook.url,
            events: names(&webhook.types),
            failures: webhook.failures,
            rests_until: Some(webhook.rests_until).filter(|until| *until > now),
            pending: webhook.pending,
            created_at: webhook.created_at,
        }
    }
}

impl From<model::Delivery> for Delivery {
    fn from(delivery: model::Delivery) -> Self {
        Self {
            id: delivery.id.0,
            r#type: delivery.event_type.name(),
            state: delivery.state.name(),
            attempts: delivery.attempts,
            status: delivery.status,
            error: delivery.error,
            attempted_at: delivery.attempted_at,
            next_attempt_at: delivery.next_attempt_at,
        }
    }
}

fn names(types: &[EventType]) -> Vec<&'static str> {
    types.iter().map(|event_type| event_type.name()).collect()
}

/// The names of all event types, for a caller who gave another.
pub(super) fn all_types() -> String {
    EventType::ALL.map(EventType::name).join(", ")
}

fn types(names: &[String]) -> Result<Vec<EventType>, Problem> {
    let mut types = Vec::new();
    for name in names {
        let unknown = || Problem::field("events", &format!("must hold some of {}", all_types()));
        let event_type = EventType::parse(name).ok_or_else(unknown)?;
        if !types.contains(&event_type) {
            types.push(event_type);
        }
    }
    Ok(types)
}

/// Lists the webhooks, oldest first.
#[utoipa::path(get, path = "/webhooks", tag = "webhooks", params(ListQuery),
    responses((status = 200, description = "A page of webhooks.", body = List<Webhook>)))]
pub async fn list(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<Webhook>>, Problem> {
    let listing = Listing::open(of, &["webhooks"], query.limit, query.cursor.as_deref())?;
    let (now, start) = (crate::clock::now(), listing.window().ascending_start().id);
    let mut webhooks = state.store.webhooks(of).await?;
    webhooks.retain(|webhook| webhook.id.0 > start);
    let position = |webhook: &model::Webhook| Position { at: 0, id: webhook.id.0 };
    Ok(Json(listing.page(webhooks, position, |webhook| Webhook::new(webhook, now))))
}

/// Adds a webhook: the URL gets every event from now on, as a `POST` of `{type, timestamp, data}`, signed
/// as the Standard Webhooks specification says. Anything but a 2xx is attempted again for 24 hours, with
/// the same `webhook-id`. Events come in their order, except for those that are attempted again.
#[utoipa::path(post, path = "/webhooks", tag = "webhooks",
    responses(
        (status = 201, description = "It was made; keep its secret.", body = MadeWebhook),
        (status = 409, description = "There are as many as there may be.",
            content_type = "application/problem+json", body = ProblemDetails)))]
pub async fn create(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    Json(new): Json<NewWebhookRequest>,
) -> Result<(StatusCode, Json<MadeWebhook>), Problem> {
    let types = types(&new.events)?;
    let made = add(&state, of, &new.url, types.clone()).await?;
    let (id, url, secret) = made;
    let secret = secret.expose_secret().to_owned();
    let made = MadeWebhook { id: id.0, url, events: names(&types), secret };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Adds a webhook; answers its id, its URL in normal form, and its secret.
pub async fn add(
    state: &State,
    of: SubAccountId,
    url: &str,
    types: Vec<EventType>,
) -> Result<(WebhookId, String, SecretString), Problem> {
    let checked = state.webhook_client.check(url.trim()).await;
    let url = checked.map_err(|bad| Problem::field("url", &bad.to_string()))?.to_string();
    let (now, mut ids) = now_and_ids();
    let id = WebhookId(ids.next_id());
    let secret = new_secret();
    let sealed = state.secrets.seal(&secret_place(of, id), secret.expose_secret().as_bytes());
    let new = NewWebhook { id, url: url.clone(), types, secret: sealed };
    match state.store.add_webhook(of, new, now).await? {
        true => Ok((id, url, secret)),
        false => Err(Problem::new(Code::TooManyWebhooks, "Delete one that is not needed.")),
    }
}

/// Standard Webhooks, "Signature Scheme": 24 to 64 random bytes, in Base64.
fn new_secret() -> SecretString {
    let bits: [u8; 32] = crate::clock::random_bytes();
    format!("whsec_{}", STANDARD.encode(bits)).into()
}

/// Deletes a webhook, with what waits to be delivered to it.
#[utoipa::path(delete, path = "/webhooks/{id}", tag = "webhooks", params(("id" = Uuid, Path)),
    responses((status = 204, description = "The webhook is gone.")))]
pub async fn delete(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    match state.store.remove_webhook(of, WebhookId(id)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found()),
    }
}

/// Lists what became of the events of a webhook, newest first; 30 days of them.
#[utoipa::path(get, path = "/webhooks/{id}/deliveries", tag = "webhooks",
    params(("id" = Uuid, Path), ListQuery),
    responses((status = 200, description = "A page of deliveries.", body = List<Delivery>)))]
pub async fn deliveries(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    Id(id): Id,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<Delivery>>, Problem> {
    let list = ["deliveries", &id.to_string()];
    let listing = Listing::open(of, &list, query.limit, query.cursor.as_deref())?;
    let id = WebhookId(id);
    if !state.store.webhooks(of).await?.iter().any(|webhook| webhook.id == id) {
        return Err(Problem::not_found());
    }
    let found = state.store.deliveries(of, id, listing.window()).await?;
    let position = |delivery: &model::Delivery| Position { at: 0, id: delivery.id.0 };
    Ok(Json(listing.page(found, position, Delivery::from)))
}

/// Delivers an event once more, whatever became of it, with the same `webhook-id`.
#[utoipa::path(post, path = "/webhooks/{id}/deliveries/{event_id}/resend", tag = "webhooks",
    params(("id" = Uuid, Path), ("event_id" = Uuid, Path)),
    responses((status = 202, description = "It is delivered once more.", body = Delivery)))]
pub async fn resend(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    path: Result<Path<(Uuid, Uuid)>, axum::extract::rejection::PathRejection>,
) -> Result<(StatusCode, Json<Delivery>), Problem> {
    let Path((id, event)) = path.map_err(|_| Problem::not_found())?;
    let now = crate::clock::now();
    let again = state.store.deliver_again(of, WebhookId(id), EventId(event), now).await?;
    let delivery = again.ok_or_else(Problem::not_found)?;
    Ok((StatusCode::ACCEPTED, Json(delivery.into())))
}
