//! Contacts.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::messages::{Message, pages};
use super::users::{ListQuery, outside_address};
use crate::model::{ContactId, Event, EventId, EventType, Time};
use crate::store::{Error, Position, StoredContact};
use crate::web::auth::Account;
use crate::web::error::{Code, Problem};
use crate::web::input::{self, Id, Json, Query, given, or_default};
use crate::web::page::{List, Listing};
use crate::web::{State, now_and_ids};

/// An outside person, one for each address.
#[derive(Serialize, ToSchema)]
pub struct Contact {
    id: Uuid,
    email: String,
    #[schema(required)]
    name: Option<String>,
    /// What made it: `smart_bcc`, `import`, `api`.
    source: String,
    /// The CRM's own id.
    #[schema(required)]
    external_id: Option<String>,
    /// Gets no bulk mail.
    unsubscribed: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Time,
}

impl From<StoredContact> for Contact {
    fn from(contact: StoredContact) -> Self {
        Self {
            id: contact.id.0,
            email: contact.email.normal().to_owned(),
            name: contact.name,
            source: contact.source,
            external_id: contact.external_id,
            unsubscribed: contact.unsubscribed,
            created_at: contact.created_at,
        }
    }
}

/// A contact that is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewContact {
    email: String,
    name: Option<String>,
    external_id: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    #[schema(nullable)]
    unsubscribed: bool,
}

/// What is to be changed; what is left out stays, and null removes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactChange {
    email: Option<String>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    name: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    external_id: Option<Option<String>>,
    unsubscribed: Option<bool>,
}

/// Which contacts are listed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ContactsQuery {
    /// Exactly this address.
    email: Option<String>,
    /// Text in the name or the address.
    q: Option<String>,
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    cursor: Option<String>,
}

/// A conflict of the store here means that there is one with the address.
fn contact_exists(error: Error) -> Problem {
    match error {
        Error::Conflict(_) => {
            Problem::new(Code::ContactExists, "Find it with `?email=` and change it.")
        }
        error => error.into(),
    }
}

fn optional_line(field: &str, text: Option<&str>) -> Result<Option<String>, Problem> {
    text.map(|text| input::line(field, text)).transpose()
}

/// Lists the contacts, newest first.
#[utoipa::path(get, path = "/contacts", tag = "contacts", params(ContactsQuery),
    responses((status = 200, description = "A page of contacts.", body = List<Contact>)))]
pub async fn list(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    Query(query): Query<ContactsQuery>,
) -> Result<Json<List<Contact>>, Problem> {
    let text = input::search(query.q.as_deref())?;
    let email = query.email.as_deref().unwrap_or("");
    let list = ["contacts", email, text.unwrap_or("")];
    let listing = Listing::open(of, &list, query.limit, query.cursor.as_deref())?;
    let contacts = match &query.email {
        Some(email) => with_email(&state, of, email, text).await?,
        None => state.store.contacts(of, text, listing.window()).await?,
    };
    let position = |contact: &StoredContact| Position { at: 0, id: contact.id.0 };
    Ok(Json(listing.page(contacts, position, Contact::from)))
}

/// The one contact of an address, if the text is in it too. What is no address is nobody's.
async fn with_email(
    state: &State,
    of: crate::model::SubAccountId,
    email: &str,
    text: Option<&str>,
) -> Result<Vec<StoredContact>, Problem> {
    let Some(email) = crate::model::Address::parse(email) else { return Ok(Vec::new()) };
    let found = state.store.contact_of(of, &email).await?;
    let text = text.unwrap_or("").to_lowercase();
    let has_text = |contact: &StoredContact| {
        let name = contact.name.as_deref().unwrap_or("").to_lowercase();
        contact.email.normal().contains(&text) || name.contains(&text)
    };
    Ok(found.into_iter().filter(has_text).collect())
}

/// Adds a contact.
#[utoipa::path(post, path = "/contacts", tag = "contacts",
    responses((status = 201, description = "The contact was added.", body = Contact)))]
pub async fn create(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    Json(new): Json<NewContact>,
) -> Result<(StatusCode, Json<Contact>), Problem> {
    let (now, mut ids) = now_and_ids();
    let contact = StoredContact {
        id: ContactId(ids.next_id()),
        email: outside_address(&state, "email", &new.email)?,
        name: optional_line("name", new.name.as_deref())?,
        source: "api".to_owned(),
        external_id: optional_line("external_id", new.external_id.as_deref())?,
        unsubscribed: new.unsubscribed,
        created_at: now,
    };
    let event = Event {
        id: EventId(ids.next_id()),
        event_type: EventType::ContactCreated,
        object_id: contact.id.0,
        at: now,
    };
    state.store.add_contact(of, &contact, event).await.map_err(contact_exists)?;
    Ok((StatusCode::CREATED, Json(contact.into())))
}

/// Shows a contact.
#[utoipa::path(get, path = "/contacts/{id}", tag = "contacts", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The contact.", body = Contact)))]
pub async fn show(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    Id(id): Id,
) -> Result<Json<Contact>, Problem> {
    let contact = state.store.contact(of, ContactId(id)).await?;
    contact.map(|contact| Json(contact.into())).ok_or_else(Problem::not_found)
}

/// Changes a contact; what is left out stays.
#[utoipa::path(patch, path = "/contacts/{id}", tag = "contacts", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The contact as it is now.", body = Contact)))]
pub async fn change(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    Id(id): Id,
    Json(change): Json<ContactChange>,
) -> Result<Json<Contact>, Problem> {
    let apply = |contact: &mut StoredContact| {
        if let Some(email) = &change.email {
            contact.email = outside_address(&state, "email", email)?;
        }
        if let Some(name) = &change.name {
            contact.name = optional_line("name", name.as_deref())?;
        }
        if let Some(id) = &change.external_id {
            contact.external_id = optional_line("external_id", id.as_deref())?;
        }
        contact.unsubscribed = change.unsubscribed.unwrap_or(contact.unsubscribed);
        Ok::<(), Problem>(())
    };
    let (_, mut ids) = now_and_ids();
    let event = EventId(ids.next_id());
    let changed = state.store.change_contact(of, ContactId(id), event, apply).await;
    let contact = changed.map_err(contact_exists)?.ok_or_else(Problem::not_found)??;
    Ok(Json(contact.into()))
}

/// Erases a contact, its conversation, and the mail and files in it.
#[utoipa::path(delete, path = "/contacts/{id}", tag = "contacts", params(("id" = Uuid, Path)),
    responses((status = 204, description = "The contact is gone.")))]
pub async fn erase(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    match state.store.erase_contact(of, ContactId(id)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found()),
    }
}

/// Lists the messages of a contact, oldest first: those of its conversation, and those of others'
/// conversations that it is linked to.
#[utoipa::path(get, path = "/contacts/{id}/messages", tag = "contacts",
    params(("id" = Uuid, Path), ListQuery),
    responses((status = 200, description = "A page of messages.", body = List<Message>)))]
pub async fn messages(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    Id(id): Id,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<Message>>, Problem> {
    let list = ["contact messages", &id.to_string()];
    let listing = Listing::open(of, &list, query.limit, query.cursor.as_deref())?;
    if state.store.contact(of, ContactId(id)).await?.is_none() {
        return Err(Problem::not_found());
    }
    let found = state.store.messages_of_contact(of, ContactId(id), listing.window()).await?;
    pages(&state, of, &listing, found).await.map(Json)
}
