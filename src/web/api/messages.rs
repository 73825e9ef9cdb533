//! Messages: what the store knows of them, with text and HTML read from the raw mail.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::mail::{self, Forward, Limits};
use crate::model::{self, SubAccountId, Time};
use crate::store::Position;
use crate::web::State;
use crate::web::auth::Reader;
use crate::web::error::{Code, Problem};
use crate::web::input::{Id, Json};
use crate::web::page::{List, Listing};

#[derive(Serialize, ToSchema)]
pub struct Message {
    id: Uuid,
    /// `filed`; `skipped`: shown as left out, for an attachment that is too large; `held`.
    state: &'static str,
    /// Null while it is held.
    #[schema(required)]
    conversation_id: Option<Uuid>,
    #[schema(required)]
    thread_id: Option<Uuid>,
    /// Without angle brackets, as all ids of mail.
    message_id: String,
    in_reply_to: Vec<String>,
    references: Vec<String>,
    /// `inbound` or `outbound`.
    #[schema(required)]
    direction: Option<&'static str>,
    /// `mail`, `auto_reply` or `delivery_report`.
    kind: &'static str,
    #[schema(required)]
    from: Option<Person>,
    to: Vec<Person>,
    cc: Vec<Person>,
    subject: String,
    /// The sender's date, or else when it was received.
    #[schema(value_type = String, format = DateTime)]
    date: Time,
    /// Null when the message was left out.
    #[schema(required)]
    text: Option<String>,
    /// As it came: never show it without sanitising.
    #[schema(required)]
    html: Option<String>,
    /// The text without quoted history and signature.
    #[schema(required)]
    new_text: Option<String>,
    /// The ways in which it was seen: `smtp`, `import` and others.
    doors: Vec<&'static str>,
    #[schema(required)]
    user_id: Option<Uuid>,
    /// How far its sending is; null for mail that the CRM did not send.
    #[schema(required)]
    status: Option<&'static str>,
    attachments: Vec<Attachment>,
}

#[derive(Serialize, ToSchema)]
pub struct Person {
    email: String,
    #[schema(required)]
    name: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct Attachment {
    id: Uuid,
    file_name: String,
    content_type: String,
    /// Bytes, decoded.
    size: u64,
    /// In hexadecimal.
    sha256: String,
    /// A picture of the body.
    inline: bool,
    /// `stored` or `left_out`.
    state: &'static str,
    /// Why it was left out: `attachment_too_large`, `type_not_allowed`.
    #[schema(required)]
    reason: Option<&'static str>,
}

/// What only the raw mail says.
#[derive(Default)]
struct Content {
    text: Option<String>,
    html: Option<String>,
    new_text: Option<String>,
}

impl Content {
    fn len(&self) -> usize {
        let parts = [&self.text, &self.html, &self.new_text];
        parts.into_iter().flatten().map(String::len).sum()
    }
}

impl From<&model::Person> for Person {
    fn from(person: &model::Person) -> Self {
        Self { email: person.email.normal().to_owned(), name: person.name.clone() }
    }
}

impl From<&model::Attachment> for Attachment {
    fn from(file: &model::Attachment) -> Self {
        Self {
            id: file.id.0,
            file_name: file.file_name.clone(),
            content_type: file.content_type.clone(),
            size: file.size,
            sha256: file.sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
            inline: file.inline,
            state: file.state.name(),
            reason: file.reason,
        }
    }
}

impl Message {
    fn new(message: &model::Message, content: Content) -> Self {
        let ids = |ids: &[model::MessageId]| ids.iter().map(|id| id.to_string()).collect();
        Self {
            id: message.id.0,
            state: message.state.name(),
            conversation_id: message.conversation_id.map(|id| id.0),
            thread_id: message.thread_id.map(|id| id.0),
            message_id: message.message_id.to_string(),
            in_reply_to: ids(&message.in_reply_to),
            references: ids(&message.references),
            direction: message.direction.map(|direction| direction.name()),
            kind: message.kind.name(),
            from: message.from.as_ref().map(Person::from),
            to: message.to.iter().map(Person::from).collect(),
            cc: message.cc.iter().map(Person::from).collect(),
            subject: message.subject.clone(),
            date: message.date.unwrap_or(message.at),
            text: content.text,
            html: content.html,
            new_text: content.new_text,
            doors: message.doors.iter().map(|door| door.name()).collect(),
            user_id: message.user_id.map(|id| id.0),
            status: None,
            attachments: message.attachments.iter().map(Attachment::from).collect(),
        }
    }
}

/// Text of a page at most, in bytes: a page of long mails ends early.
const PAGE_BYTES_MAX: usize = 8 * 1_048_576;

/// A page of messages with their texts, read one after the other.
pub async fn pages(
    state: &State,
    of: SubAccountId,
    listing: &Listing,
    found: Vec<model::Message>,
) -> Result<List<Message>, Problem> {
    let mut items = Vec::new();
    let mut last = None;
    let mut bytes = 0;
    let count = found.len();
    for message in &found {
        if items.len() == listing.limit() || bytes > PAGE_BYTES_MAX {
            break;
        }
        let content = content(state, of, message).await?;
        bytes += content.len();
        last = Some(Position { at: message.at.as_micros(), id: message.id.0 });
        items.push(Message::new(message, content));
    }
    let is_more = items.len() < count;
    let next_cursor = last.filter(|_| is_more).map(|last| listing.cursor(last));
    Ok(List { items, next_cursor })
}

/// What a message says without its history, of one that was not left out.
pub async fn new_text(
    state: &Arc<State>,
    of: SubAccountId,
    message: &model::Message,
) -> Result<Option<String>, Problem> {
    Ok(content(state, of, message).await?.new_text)
}

/// The texts of a message. One that was left out shows none (A2).
async fn content(
    state: &State,
    of: SubAccountId,
    message: &model::Message,
) -> Result<Content, Problem> {
    if message.state == model::State::Skipped {
        return Ok(Content::default());
    }
    let is_forwarded = message.forwarded;
    let turn = state.raw_reads.turn().await;
    let Some(raw) = state.store.raw(of, message.id).await? else { return Ok(Content::default()) };
    let read = tokio::task::spawn_blocking(move || read(&raw, is_forwarded)).await;
    drop(turn);
    read.map_err(|_| Problem::internal())
}

fn read(raw: &[u8], is_forwarded: bool) -> Content {
    let email = mail::parse::read(raw, &Limits::default());
    let new_text = match is_forwarded.then(|| mail::forward::find(&email)) {
        // B6: what is shown is the mail that was forwarded, without the words of who did.
        Some(Forward::Of(forwarded)) => mail::text::new_text(&forwarded.text),
        _ => email.new_text(),
    };
    Content { text: Some(email.text), html: email.html, new_text: Some(new_text) }
}

/// Shows a message; what is held, too.
#[utoipa::path(get, path = "/messages/{id}", tag = "messages", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The message.", body = Message)))]
pub async fn show(
    Shared(state): Shared<Arc<State>>,
    reader: Reader,
    Id(id): Id,
) -> Result<Json<Message>, Problem> {
    let of = reader.sub_account();
    object(&state, of, id).await?.map(Json).ok_or_else(Problem::not_found)
}

/// A message as it is shown.
pub async fn object(state: &State, of: SubAccountId, id: Uuid) -> Result<Option<Message>, Problem> {
    let Some(message) = state.store.message(of, model::StoredMessageId(id)).await? else {
        return Ok(None);
    };
    let content = content(state, of, &message).await?;
    Ok(Some(Message::new(&message, content)))
}

/// The mail as it came.
#[utoipa::path(get, path = "/messages/{id}/raw", tag = "messages", params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The mail (RFC 5322).", content_type = "message/rfc822",
            body = Vec<u8>),
        (status = 410, description = "The message was left out.",
            content_type = "application/problem+json", body = crate::web::error::ProblemDetails)))]
pub async fn raw(
    Shared(state): Shared<Arc<State>>,
    reader: Reader,
    Id(id): Id,
) -> Result<impl IntoResponse, Problem> {
    let (of, id) = (reader.sub_account(), model::StoredMessageId(id));
    let message = state.store.message(of, id).await?.ok_or_else(Problem::not_found)?;
    if message.state == model::State::Skipped {
        let detail = "Release its verdict with `without_files` to file it without the file.";
        return Err(Problem::new(Code::MessageLeftOut, detail));
    }
    let raw = state.store.raw(of, id).await?.ok_or_else(Problem::not_found)?;
    let headers = [
        (header::CONTENT_TYPE, "message/rfc822".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{id}.eml\"")),
        (header::CONTENT_SECURITY_POLICY, super::attachments::SANDBOX.to_owned()),
    ];
    Ok((headers, raw))
}
