//! Messages: what the store knows of them, with text and HTML read from the raw mail.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::mail::{self, Limits};
use crate::model::outgoing::{Delivery, DeliveryState};
use crate::model::{self, Address, Door, MailboxState, SendStatus, SubAccountId, Time, Via};
use crate::store::{Position, Shipment};
use crate::web::State;
use crate::web::auth::Reader;
use crate::web::error::{Code, Problem};
use crate::web::input::{Id, Json};
use crate::web::page::{List, Listing};

/// One e-mail, in however many ways it was seen.
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
    /// What could not be read as it was meant: `clipped` where the mail has more text, files or addresses than
    /// are read, `bad_encoding`, `unknown_charset` and others. The raw mail has all of it.
    defects: Vec<&'static str>,
    /// The ways in which it was seen: `smtp`, `import` and others.
    doors: Vec<&'static str>,
    #[schema(required)]
    user_id: Option<Uuid>,
    /// How far its sending is; null for mail that the CRM did not send.
    #[schema(required)]
    status: Option<&'static str>,
    /// What there is to know of its sending; null for mail that the CRM did not send.
    #[schema(required)]
    sending: Option<SendingDetails>,
    attachments: Vec<Attachment>,
}

/// Somebody on a mail.
#[derive(Serialize, ToSchema)]
pub struct Person {
    email: String,
    #[schema(required)]
    name: Option<String>,
}

/// A file of a message, or what is told of one that was left out.
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

/// What there is to know of a mail that the CRM sends.
#[derive(Serialize, ToSchema)]
pub struct SendingDetails {
    /// `individual`, `bulk` or `workflow`.
    kind: &'static str,
    /// `mailbox` or `sub_account_provider`.
    via: &'static str,
    /// What the server said, or why it waits.
    #[schema(required)]
    detail: Option<String>,
    attempts: u32,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    send_at: Option<Time>,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    next_attempt_at: Option<Time>,
    #[schema(required, value_type = Option<String>, format = DateTime)]
    sent_at: Option<Time>,
    #[schema(required)]
    bulk_id: Option<Uuid>,
    /// Everybody it goes to, those in Bcc too.
    recipients: Vec<SendingRecipient>,
}

/// What became of a sent message for one of its recipients.
#[derive(Serialize, ToSchema)]
pub struct SendingRecipient {
    email: String,
    /// `waiting`, `accepted` or `refused`; and `bounced`, when a delivery report said so.
    state: &'static str,
    /// What was said of them alone.
    #[schema(required)]
    reply: Option<String>,
}

/// S1: why a mail waits that nothing else is wrong with.
const NEEDS_REAUTH: &str = "It waits until the mailbox is authorised again.";
/// Of a mail for later.
const DISCONNECTED: &str =
    "It is sent only if its mailbox is connected again, with the same address, before it is due.";

impl From<&Shipment> for SendingDetails {
    fn from(shipment: &Shipment) -> Self {
        let is_waiting = matches!(shipment.status, SendStatus::Queued | SendStatus::Retrying);
        let waits = match shipment.mailbox.filter(|_| is_waiting) {
            Some(MailboxState::NeedsReauth) => Some(NEEDS_REAUTH.to_owned()),
            Some(MailboxState::Disconnected) => Some(DISCONNECTED.to_owned()),
            _ => None,
        };
        let bounce = |address: &Address| {
            let mut hard = shipment.report.iter().filter(|it| it.hard);
            hard.find(|it| Address::parse(&it.address).as_ref() == Some(address))
        };
        let recipient = |it: &Delivery| {
            let bounce = bounce(&it.address).filter(|_| it.state != DeliveryState::Refused);
            SendingRecipient {
                email: it.address.normal().to_owned(),
                state: match (it.state, bounce) {
                    (_, Some(_)) => "bounced",
                    (DeliveryState::Waiting, None) => "waiting",
                    (DeliveryState::Accepted, None) => "accepted",
                    (DeliveryState::Refused, None) => "refused",
                },
                reply: bounce.map(|it| it.status.clone()).or_else(|| it.reply.clone()),
            }
        };
        Self {
            kind: shipment.kind.name(),
            via: match shipment.via {
                Via::Mailbox(_) => "mailbox",
                Via::Relay => "sub_account_provider",
            },
            detail: waits.or_else(|| shipment.detail.clone()),
            attempts: shipment.attempts,
            send_at: shipment.send_at,
            next_attempt_at: shipment.due_at,
            sent_at: shipment.sent_at,
            bulk_id: shipment.bulk,
            recipients: shipment.route.recipients.iter().map(recipient).collect(),
        }
    }
}

/// What only the raw mail says.
#[derive(Default)]
struct Content {
    text: Option<String>,
    html: Option<String>,
    new_text: Option<String>,
    defects: Vec<&'static str>,
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
    fn new(message: &model::Message, content: Content, shipment: Option<&Shipment>) -> Self {
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
            defects: content.defects,
            new_text: content.new_text,
            doors: message.doors.iter().map(|door| door.name()).collect(),
            user_id: message.user_id.map(|id| id.0),
            status: shipment.map(|shipment| shipment.status.name()),
            sending: shipment.map(SendingDetails::from),
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
    let sent = found.iter().filter(|it| it.doors.contains(Door::Send)).map(|it| it.id);
    let shipments = state.store.shipments(of, sent).await?;
    for message in &found {
        if items.len() == listing.limit() || bytes > PAGE_BYTES_MAX {
            break;
        }
        let content = content(state, of, message).await?;
        bytes += content.len();
        last = Some(Position { at: message.at.as_micros(), id: message.id.0 });
        items.push(Message::new(message, content, shipments.get(&message.id)));
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

/// All that a message says, as text and, where it has one, as HTML.
pub async fn texts(
    state: &State,
    of: SubAccountId,
    message: &model::Message,
) -> Result<(String, Option<String>), Problem> {
    let content = content(state, of, message).await?;
    Ok((content.text.unwrap_or_default(), content.html))
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
    let author = message.forwarded_of().cloned();
    let turn = state.raw_reads.turn().await;
    let Some(raw) = state.store.raw(of, message.id).await? else { return Ok(Content::default()) };
    let read = tokio::task::spawn_blocking(move || read(&raw, author.as_ref())).await;
    drop(turn);
    read.map_err(|_| Problem::internal())
}

fn read(raw: &[u8], author: Option<&model::Person>) -> Content {
    let email = mail::parse::read(raw, &Limits::default());
    let (email, forwarded) = mail::forward::shown(email, author);
    let new_text = forwarded.map_or_else(|| email.new_text(), |text| mail::text::new_text(&text));
    let defects: BTreeSet<_> = email.defects.iter().map(|defect| defect.name()).collect();
    Content {
        text: Some(email.text),
        html: email.html,
        new_text: Some(new_text),
        defects: defects.into_iter().collect(),
    }
}

/// Shows a message; what is held, too.
#[utoipa::path(get, path = "/messages/{id}", tag = "messages", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The message.", body = Message)))]
pub async fn show(
    Shared(state): Shared<Arc<State>>,
    reader: Reader,
    Id(id): Id,
) -> Result<Json<Message>, Problem> {
    one(&state, reader.sub_account(), id).await.map(Json)
}

/// A message as it is shown, which must be there.
pub async fn one(state: &State, of: SubAccountId, id: Uuid) -> Result<Message, Problem> {
    object(state, of, id).await?.ok_or_else(Problem::not_found)
}

/// A message as it is shown.
pub async fn object(state: &State, of: SubAccountId, id: Uuid) -> Result<Option<Message>, Problem> {
    let id = model::StoredMessageId(id);
    let Some(message) = state.store.message(of, id).await? else {
        return Ok(None);
    };
    let content = content(state, of, &message).await?;
    let sent = message.doors.contains(Door::Send).then_some(id);
    let shipments = state.store.shipments(of, sent).await?;
    Ok(Some(Message::new(&message, content, shipments.get(&id))))
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
