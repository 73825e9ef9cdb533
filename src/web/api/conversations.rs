//! Conversations, their threads and their messages.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::messages::{Message, pages};
use super::users::ListQuery;
use crate::model::{ContactId, ConversationId, Time};
use crate::store::{StoredConversation, StoredThread};
use crate::web::State;
use crate::web::auth::Account;
use crate::web::error::Problem;
use crate::web::input::{self, Id, Json, Query};
use crate::web::page::{List, Listing};

/// The exchange with one contact.
#[derive(Serialize, ToSchema)]
pub struct Conversation {
    id: Uuid,
    contact: ContactName,
    /// The subject of its latest message.
    subject: String,
    #[schema(value_type = String, format = DateTime)]
    last_message_at: Time,
    message_count: i64,
    /// `tracked`, `stopped` or `none`.
    sync: &'static str,
}

/// The contact of a conversation.
#[derive(Serialize, ToSchema)]
pub struct ContactName {
    id: Uuid,
    email: String,
    #[schema(required)]
    name: Option<String>,
}

/// A conversation with its threads.
#[derive(Serialize, ToSchema)]
pub struct ConversationThreads {
    #[serde(flatten)]
    conversation: Conversation,
    threads: Vec<Thread>,
}

/// A chain of messages of a conversation, and whether it is followed in a mailbox.
#[derive(Serialize, ToSchema)]
pub struct Thread {
    id: Uuid,
    subject: String,
    /// `tracked`, `stopped` or `none`.
    sync: &'static str,
    /// Why it is no longer followed.
    #[schema(required)]
    reason: Option<String>,
}

impl From<StoredConversation> for Conversation {
    fn from(conversation: StoredConversation) -> Self {
        Self {
            id: conversation.id.0,
            contact: ContactName {
                id: conversation.contact_id.0,
                email: conversation.contact_email.normal().to_owned(),
                name: conversation.contact_name,
            },
            subject: conversation.subject,
            last_message_at: conversation.last_message_at,
            message_count: conversation.message_count,
            sync: conversation.sync.name(),
        }
    }
}

impl From<StoredThread> for Thread {
    fn from(thread: StoredThread) -> Self {
        Self {
            id: thread.id.0,
            subject: thread.subject,
            sync: thread.sync.name(),
            reason: thread.reason,
        }
    }
}

/// Which conversations are listed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConversationsQuery {
    /// The conversation with this contact.
    contact_id: Option<Uuid>,
    /// Text in the subject, or in the contact's name or address.
    q: Option<String>,
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Lists the conversations, the one with the latest message first.
#[utoipa::path(get, path = "/conversations", tag = "conversations", params(ConversationsQuery),
    responses((status = 200, description = "A page of conversations.", body = List<Conversation>)))]
pub async fn list(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    Query(query): Query<ConversationsQuery>,
) -> Result<Json<List<Conversation>>, Problem> {
    let text = input::search(query.q.as_deref())?;
    let contact = query.contact_id.map(|id| id.to_string()).unwrap_or_default();
    let list = ["conversations", &contact, text.unwrap_or("")];
    let listing = Listing::open(of, &list, query.limit, query.cursor.as_deref())?;
    let conversations = match query.contact_id {
        Some(contact) => with_contact(&state, of, ContactId(contact), text).await?,
        None => state.store.conversations(of, text, listing.window()).await?,
    };
    Ok(Json(listing.page(conversations, StoredConversation::position, Conversation::from)))
}

/// The one conversation with a contact, if the text is in it too.
async fn with_contact(
    state: &State,
    of: crate::model::SubAccountId,
    contact: ContactId,
    text: Option<&str>,
) -> Result<Vec<StoredConversation>, Problem> {
    let Some(id) = state.store.conversation_with(of, contact).await? else {
        return Ok(Vec::new());
    };
    let found = state.store.conversation(of, id).await?;
    let text = text.unwrap_or("").to_lowercase();
    let has_text = |conversation: &StoredConversation| {
        let name = conversation.contact_name.as_deref().unwrap_or("").to_lowercase();
        conversation.subject.to_lowercase().contains(&text)
            || conversation.contact_email.normal().contains(&text)
            || name.contains(&text)
    };
    Ok(found.into_iter().filter(has_text).collect())
}

/// Shows a conversation with its threads.
#[utoipa::path(get, path = "/conversations/{id}", tag = "conversations",
    params(("id" = Uuid, Path)),
    responses((status = 200, description = "The conversation.", body = ConversationThreads)))]
pub async fn show(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    Id(id): Id,
) -> Result<Json<ConversationThreads>, Problem> {
    let id = ConversationId(id);
    let found = state.store.conversation(of, id).await?;
    let conversation = found.ok_or_else(Problem::not_found)?.into();
    let threads = state.store.threads(of, id).await?.into_iter().map(Thread::from).collect();
    Ok(Json(ConversationThreads { conversation, threads }))
}

/// Erases a conversation with its mail and files; the contact stays.
#[utoipa::path(delete, path = "/conversations/{id}", tag = "conversations",
    params(("id" = Uuid, Path)),
    responses((status = 204, description = "The conversation is gone.")))]
pub async fn erase(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    match state.store.erase_conversation(of, ConversationId(id)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found()),
    }
}

/// Lists the messages of a conversation, oldest first.
#[utoipa::path(get, path = "/conversations/{id}/messages", tag = "conversations",
    params(("id" = Uuid, Path), ListQuery),
    responses((status = 200, description = "A page of messages.", body = List<Message>)))]
pub async fn messages(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    Id(id): Id,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<Message>>, Problem> {
    let list = ["conversation messages", &id.to_string()];
    let listing = Listing::open(of, &list, query.limit, query.cursor.as_deref())?;
    let id = ConversationId(id);
    if state.store.conversation(of, id).await?.is_none() {
        return Err(Problem::not_found());
    }
    let found = state.store.messages_of_conversation(of, id, listing.window()).await?;
    pages(&state, of, &listing, found).await.map(Json)
}
