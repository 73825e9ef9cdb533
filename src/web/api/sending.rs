//! Sending: a mail is asked for, cancelled, resolved; and how a bulk sending stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::decide::send::Refusal;
use crate::mail::compose::NewFile;
use crate::model::{
    self, ConversationId, EventId, SendKind, SendStatus, StoredMessageId, SubAccountId, Time,
    UserId,
};
use crate::send::flow::{self, Queued, Request};
use crate::store::{Answered, Cancelled, Resolution, Resolved};
use crate::web::auth::Account;
use crate::web::error::{Code, Problem};
use crate::web::input::{self, Id, LargeJson, or_default};
use crate::web::{State, now_and_ids};

/// A mail that is to be sent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMessage {
    /// `individual`: through the user's mailbox, or else the relay. `bulk`: one mail to each of `to`.
    /// `workflow`: through the relay.
    #[schema(value_type = SendKindName)]
    kind: SendKind,
    user_id: Uuid,
    /// Of bulk and workflow mail; individual mail is from the mailbox's own address.
    from: Option<Recipient>,
    to: Vec<Recipient>,
    #[serde(default, deserialize_with = "or_default")]
    #[schema(nullable)]
    cc: Vec<Recipient>,
    #[serde(default, deserialize_with = "or_default")]
    #[schema(nullable)]
    bcc: Vec<Recipient>,
    #[serde(default, deserialize_with = "or_default")]
    #[schema(nullable)]
    subject: String,
    /// Made from `html` when there is only that.
    text: Option<String>,
    html: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    #[schema(nullable)]
    attachments: Vec<NewAttachment>,
    conversation_id: Option<Uuid>,
    /// The message that is answered: the mail joins its thread.
    reply_to_message_id: Option<Uuid>,
    /// Not before then.
    #[schema(value_type = Option<String>, format = DateTime)]
    send_at: Option<Time>,
}

/// Why it is sent.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "describes the model's enum to clients")]
enum SendKindName {
    Individual,
    Bulk,
    Workflow,
}

/// An address, alone or with the name beside it.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Recipient {
    Address(String),
    Person(NamedRecipient),
}

impl Recipient {
    /// Nobody is named.
    fn is_blank(&self) -> bool {
        matches!(self, Self::Address(email) if email.trim().is_empty())
    }
}

/// A recipient with a name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedRecipient {
    email: String,
    name: Option<String>,
}

/// A file that is to be sent.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAttachment {
    file_name: String,
    content_type: String,
    content_base64: String,
    /// Of a picture of the body, to which the HTML refers as `cid:`.
    content_id: Option<String>,
}

/// What was taken. Of bulk mail to several, `id` and `message_id` are the first mail's.
#[derive(Serialize, ToSchema)]
pub struct SendReceipt {
    id: Uuid,
    message_id: String,
    /// `queued`.
    status: &'static str,
    /// Of bulk mail: `GET /bulk/{id}` says how it stands.
    #[schema(required)]
    bulk_id: Option<Uuid>,
    /// Each mail, in the order of `to`.
    messages: Vec<QueuedMessage>,
    /// Who has unsubscribed gets no bulk mail.
    unsubscribed: Vec<String>,
}

/// A message that was queued, for one recipient of bulk mail.
#[derive(Serialize, ToSchema)]
pub struct QueuedMessage {
    id: Uuid,
    message_id: String,
    status: &'static str,
    #[schema(required)]
    to: Option<String>,
}

/// How a bulk sending stands.
#[derive(Serialize, ToSchema)]
pub struct BulkProgress {
    id: Uuid,
    total: i64,
    /// How many of its messages have which status.
    statuses: BTreeMap<&'static str, i64>,
}

/// What became of a message whose outcome is not known.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolveMessage {
    r#as: ResolutionName,
}

/// What a user says of a message whose outcome is not known.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResolutionName {
    /// It arrived.
    Sent,
    /// It did not: send it again.
    Resend,
}

/// RFC 5321 4.5.3.1.8 asks servers for at least 100; Exchange Online takes 500.
const RECIPIENTS_MAX: usize = 500;
/// Of bulk mail: more are another call.
const BULK_MAX: usize = 1_000;
const FILES_MAX: usize = 50;
/// RFC 5322 2.1.1.
const SUBJECT_CHARS_MAX: usize = 998;
const TEXT_BYTES_MAX: usize = 4 * 1_048_576;
/// Nobody plans mail for longer than this.
const SEND_AT_SECONDS_MAX: i64 = 366 * 24 * 3_600;

/// Takes a mail to be sent. It is durable when this is answered, and goes out as soon as it may.
#[utoipa::path(post, path = "/messages", tag = "messages",
    responses((status = 202, description = "It is in the outbox.", body = SendReceipt)))]
pub async fn create(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    headers: HeaderMap,
    LargeJson(new): LargeJson<NewMessage>,
) -> Result<(StatusCode, input::Json<SendReceipt>), Problem> {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    let request = request(&state, of, key, new)?;
    let queued = flow::enqueue(&state.office, request).await?;
    state.bell.notify_one();
    receipt(queued).map(|receipt| (StatusCode::ACCEPTED, input::Json(receipt)))
}

fn receipt(queued: Queued) -> Result<SendReceipt, Problem> {
    let first = queued.mails.first().ok_or_else(Problem::internal)?;
    let message = |mail: &Answered| QueuedMessage {
        id: mail.message.0,
        message_id: mail.message_id.to_string(),
        status: mail.status.name(),
        to: mail.to.as_ref().map(|to| to.normal().to_owned()),
    };
    Ok(SendReceipt {
        id: first.message.0,
        message_id: first.message_id.to_string(),
        status: first.status.name(),
        bulk_id: first.bulk,
        messages: queued.mails.iter().map(message).collect(),
        unsubscribed: queued.unsubscribed.iter().map(|it| it.email.normal().to_owned()).collect(),
    })
}

fn request(
    state: &State,
    of: SubAccountId,
    key: Option<&str>,
    new: NewMessage,
) -> Result<Request, Problem> {
    let is_bulk = new.kind == SendKind::Bulk;
    check_count(&new, is_bulk)?;
    let people = |field: &str, all: &[Recipient]| -> Result<Vec<model::Person>, Problem> {
        all.iter().map(|it| recipient(state, field, it)).collect()
    };
    Ok(Request {
        sub_account: of,
        kind: new.kind,
        user: UserId(new.user_id),
        from: new
            .from
            .as_ref()
            .filter(|it| !it.is_blank())
            .map(|it| person("from", it))
            .transpose()?,
        to: people("to", &new.to)?,
        cc: people("cc", &new.cc)?,
        bcc: people("bcc", &new.bcc)?,
        subject: subject(&new.subject)?,
        text: body("text", new.text)?,
        html: body("html", new.html)?,
        files: new.attachments.into_iter().map(file).collect::<Result<_, _>>()?,
        conversation: new.conversation_id.map(ConversationId),
        reply_to: new.reply_to_message_id.map(StoredMessageId),
        send_at: new.send_at.map(send_at).transpose()?,
        key: key.map(str::to_owned),
    })
}

fn check_count(new: &NewMessage, is_bulk: bool) -> Result<(), Problem> {
    let count = new.to.len() + new.cc.len() + new.bcc.len();
    if new.to.is_empty() {
        return Err(Problem::field("to", "must name somebody"));
    }
    if is_bulk && count > new.to.len() {
        let detail = "Bulk mail goes to each of `to` alone: leave `cc` and `bcc` out.";
        return Err(Problem::new(Code::InvalidValue, detail));
    }
    if is_bulk && new.conversation_id.or(new.reply_to_message_id).is_some() {
        let detail = "Bulk mail opens a thread for each recipient: leave `conversation_id` and `reply_to_message_id` out.";
        return Err(Problem::new(Code::InvalidValue, detail));
    }
    if count > if is_bulk { BULK_MAX } else { RECIPIENTS_MAX } {
        return Err(Problem::field(
            "to",
            "has too many recipients: at most 500, of bulk mail 1000",
        ));
    }
    if new.attachments.len() > FILES_MAX {
        return Err(Problem::field("attachments", "must be at most 50"));
    }
    Ok(())
}

fn person(field: &str, recipient: &Recipient) -> Result<model::Person, Problem> {
    let (email, name) = match recipient {
        Recipient::Address(email) => (email, None),
        Recipient::Person(person) => (&person.email, person.name.as_deref()),
    };
    let name = name.filter(|name| !name.trim().is_empty());
    let name = name.map(|name| input::line(field, name)).transpose()?;
    Ok(model::Person { email: input::address(field, email)?, name })
}

/// An address that mail can be sent to; not one of ours, where it would come back.
fn recipient(state: &State, field: &str, it: &Recipient) -> Result<model::Person, Problem> {
    let person = person(field, it)?;
    let domain = person.email.domain();
    if state.bcc_domains.iter().any(|ours| ours == domain) {
        let detail =
            format!("`{field}` has an address of this gateway; what is sent is in the CRM anyway.");
        return Err(Problem::new(Code::OwnDomain, detail));
    }
    // What lettre could not write in SMTP would be refused at the first try.
    let local = person.email.written().rsplit_once('@').map_or("", |(local, _)| local);
    match format!("{local}@{domain}").parse::<lettre::Address>() {
        Ok(_) => Ok(person),
        Err(_) => Err(Problem::field(field, "must be an address that mail can be sent to")),
    }
}

fn subject(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if text.chars().any(char::is_control) {
        return Err(Problem::field("subject", "must be one line without control characters"));
    }
    if text.chars().count() > SUBJECT_CHARS_MAX {
        return Err(Problem::field("subject", "must have at most 998 characters"));
    }
    Ok(text.to_owned())
}

fn body(field: &str, text: Option<String>) -> Result<Option<String>, Problem> {
    if text.as_ref().is_some_and(|text| text.len() > TEXT_BYTES_MAX) {
        return Err(Problem::field(field, "must have at most 4 MiB"));
    }
    Ok(text.filter(|text| !text.is_empty()))
}

fn file(new: NewAttachment) -> Result<NewFile, Problem> {
    let bytes = STANDARD.decode(new.content_base64.trim());
    let content = bytes.map_err(|_| Problem::field("content_base64", "must be base64"))?;
    let is_media = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+/".contains(&byte);
    let content_type = new.content_type.trim().to_ascii_lowercase();
    let is_good = content_type.matches('/').count() == 1
        && content_type.len() <= 127
        && !content_type.starts_with('/')
        && !content_type.ends_with('/')
        && content_type.bytes().all(is_media);
    // RFC 2045 5.2: parts of mail within mail are not files.
    if !is_good || content_type.starts_with("multipart/") || content_type.starts_with("message/") {
        return Err(Problem::field("content_type", "must be a media type such as application/pdf"));
    }
    let is_id = |id: &String| {
        !id.is_empty()
            && id.len() <= 255
            && id.bytes().all(|b| b.is_ascii_graphic() && !b"<>\"'()".contains(&b))
    };
    if new.content_id.as_ref().is_some_and(|id| !is_id(id)) {
        return Err(Problem::field("content_id", "must be one word, without brackets"));
    }
    let file_name = input::line("file_name", &new.file_name)?;
    Ok(NewFile { file_name, content_type, content, content_id: new.content_id })
}

fn send_at(at: Time) -> Result<Time, Problem> {
    match at > crate::clock::now().plus_seconds(SEND_AT_SECONDS_MAX) {
        true => Err(Problem::field("send_at", "must be within a year")),
        false => Ok(at),
    }
}

impl From<flow::Error> for Problem {
    fn from(error: flow::Error) -> Self {
        match error {
            flow::Error::Store(error) => error.into(),
            flow::Error::NotFound(what) => {
                Self::new(Code::InvalidValue, format!("There is no such {what}."))
            }
            flow::Error::Unfit(detail) => Self::new(Code::InvalidValue, detail),
            flow::Error::Unsubscribed => {
                let detail = "Everybody in `to` has unsubscribed from bulk mail.";
                Self::new(Code::Unsubscribed, detail)
            }
            flow::Error::TooLarge => {
                Self::new(Code::MessageTooLarge, "Send smaller files, or links to them.")
            }
            flow::Error::Failed => Self::internal(),
            flow::Error::Refused(refusal) => refused(&refusal),
        }
    }
}

fn refused(refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::NoSender => {
            let detail =
                "Connect a mailbox of the user, or set `sub_account_provider` in the settings.";
            Problem::new(Code::NoSender, detail)
        }
        Refusal::AttachmentTooLarge(name) => {
            let detail =
                format!("{name:?} is larger than `attachment_limit` in the settings allows.");
            Problem::new(Code::AttachmentTooLarge, detail)
        }
        Refusal::TypeNotAllowed(name) => {
            let detail = format!(
                "{name:?} is not of a type in `attachment_types`, or its content is not what its name says."
            );
            Problem::new(Code::TypeNotAllowed, detail)
        }
    }
}

/// Cancels a message that is not sent.
#[utoipa::path(delete, path = "/messages/{id}", tag = "messages", params(("id" = Uuid, Path)),
    responses((status = 204, description = "It will not be sent; what some have already, to nobody else.")))]
pub async fn cancel(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    let cancelled = state.store.cancel(of, StoredMessageId(id), crate::web::now_and_ids()).await?;
    let Some(cancelled) = cancelled else { return Err(not_sent_here(&state, of, id).await?) };
    match cancelled {
        Cancelled::Yes | Cancelled::InPart | Cancelled::TooLate(SendStatus::Cancelled) => {
            Ok(StatusCode::NO_CONTENT)
        }
        Cancelled::UnderWay => {
            Err(Problem::new(Code::MessageUnderWay, "Ask for its status in a moment."))
        }
        Cancelled::TooLate(status) => {
            let detail = format!(
                "It is {}; only what is queued or retrying can be cancelled.",
                status.name()
            );
            Err(Problem::new(Code::StatusDoesNotFit, detail))
        }
    }
}

/// Why what is asked of a message cannot be: there is none, or the CRM did not send it.
async fn not_sent_here(state: &State, of: SubAccountId, id: Uuid) -> Result<Problem, Problem> {
    super::messages::one(state, of, id).await?;
    let detail =
        "The CRM did not send this message; only what it sends can be cancelled or resolved.";
    Ok(Problem::new(Code::StatusDoesNotFit, detail))
}

/// Says what became of a message whose status is `unknown`.
#[utoipa::path(post, path = "/messages/{id}/resolve", tag = "messages",
    params(("id" = Uuid, Path)),
    responses((status = 200, description = "The message.", body = super::messages::Message)))]
pub async fn resolve(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    Id(id): Id,
    input::Json(resolve): input::Json<ResolveMessage>,
) -> Result<input::Json<super::messages::Message>, Problem> {
    let resolution = match resolve.r#as {
        ResolutionName::Sent => Resolution::Sent,
        ResolutionName::Resend => Resolution::Resend,
    };
    let (now, mut ids) = now_and_ids();
    let (id, event) = (StoredMessageId(id), EventId(ids.next_id()));
    let resolved = state.store.resolve(of, id, resolution, event, now).await?;
    let Some(resolved) = resolved else { return Err(not_sent_here(&state, of, id.0).await?) };
    match resolved {
        Resolved::Yes => {
            state.bell.notify_one();
            super::messages::one(&state, of, id.0).await.map(input::Json)
        }
        Resolved::IsKnown(status) => {
            let detail = format!("It is {}; only what is unknown can be resolved.", status.name());
            Err(Problem::new(Code::StatusDoesNotFit, detail))
        }
    }
}

/// Shows how a bulk sending stands.
#[utoipa::path(get, path = "/bulk/{id}", tag = "messages", params(("id" = Uuid, Path)),
    responses((status = 200, description = "How many messages have which status.",
        body = BulkProgress)))]
pub async fn bulk(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    Id(id): Id,
) -> Result<input::Json<BulkProgress>, Problem> {
    let progress = state.store.bulk_progress(of, id).await?;
    if progress.is_empty() {
        return Err(Problem::not_found());
    }
    let total = progress.values().sum();
    let statuses = progress.into_iter().map(|(status, count)| (status.name(), count)).collect();
    Ok(input::Json(BulkProgress { id, total, statuses }))
}
