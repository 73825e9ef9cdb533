//! Events as they happen (`GET /events`): server-sent events, and the form in which an event's object is
//! told, here and by webhooks.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State as Shared;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use tokio::time::{Interval, MissedTickBehavior, interval};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::contacts::Contact;
use super::conversations::Conversation;
use super::mailboxes::Mailbox;
use super::messages::{self, Message};
use super::verdicts::Verdict;
use crate::events::{self, Objects, Refused, Start, Told, Types};
use crate::model::{ContactId, ConversationId, EventType, MailboxId, SubAccountId, VerdictId};
use crate::web::auth::{Caller, Reader};
use crate::web::error::{Code, Problem};
use crate::web::input::Query;
use crate::web::{Lasting, State};

/// A sign of life this often, so that nobody between us and the reader takes the silence for an end.
const SIGN_EVERY: Duration = Duration::from_secs(15);
/// How long a reader waits before it connects again, in milliseconds.
const RETRY_MS: u32 = 1_000;

/// Something that became true.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is written; events::tell writes it")]
pub struct Event {
    /// Its name, such as `message.filed`.
    r#type: String,
    #[schema(format = DateTime)]
    timestamp: String,
    data: Object,
}

/// What an event is about, as it is now.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum Object {
    Contact(Contact),
    Conversation(Conversation),
    Message(Box<Message>),
    Verdict(Box<Verdict>),
    Mailbox(Box<Mailbox>),
}

/// From where on, and which, events are told.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// Only events of these types, comma-separated.
    types: Option<String>,
    /// Only events behind this one, for readers that cannot set `Last-Event-ID`, which stands over it.
    after: Option<String>,
}

/// nginx keeps an answer back until it has some of it, unless it is told not to.
pub const UNBUFFERED: [(&str, &str); 1] = [("x-accel-buffering", "no")];

/// Tells events as they happen, in the order in which they became true. A reader that comes back with
/// the `id` of the last event it has, in `Last-Event-ID`, misses none of 30 days. What was erased since
/// is not told.
#[utoipa::path(get, path = "/events", tag = "events",
    params(EventsQuery, ("Last-Event-ID" = Option<String>, Header,
        description = "The `id` of the last event the reader has.")),
    responses(
        (status = 200, description = "Server-sent events; the data of each is an `Event`.",
            content_type = "text/event-stream", body = Event),
        (status = 410, description = "The events behind that one are not kept.",
            content_type = "application/problem+json", body = crate::web::error::ProblemDetails),
        (status = 429, description = "Too many read events at once.",
            content_type = "application/problem+json", body = crate::web::error::ProblemDetails)))]
pub async fn stream(
    Shared(state): Shared<Arc<State>>,
    Reader(caller): Reader,
    Query(query): Query<EventsQuery>,
    lasting: Option<Extension<Lasting>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let types = types(query.types.as_deref())?;
    let start = start(&headers, query.after.as_deref())?;
    let objects: Arc<dyn Objects> = Arc::<State>::clone(&state);
    let reader = state.events.read(caller.sub_account(), start, types, objects).await;
    let mut signs = interval(SIGN_EVERY);
    signs.set_missed_tick_behavior(MissedTickBehavior::Delay);
    signs.reset();
    let feed = Feed {
        reader: reader.map_err(refused)?,
        state,
        caller,
        signs,
        told: None,
        _lasting: lasting.map(|Extension(lasting)| lasting.begin()),
    };
    let frames = stream::unfold(feed, async |mut feed| {
        let bytes = feed.next().await?;
        Some((Ok::<_, Infallible>(bytes), feed))
    });
    let media_type = [(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"))];
    Ok((UNBUFFERED, media_type, Body::from_stream(frames)).into_response())
}

fn types(list: Option<&str>) -> Result<Types, Problem> {
    let parse = |name: &str| {
        let all = super::webhooks::all_types;
        let unknown = || Problem::invalid(format!("`types` must hold some of {}.", all()));
        EventType::parse(name.trim()).ok_or_else(unknown)
    };
    let names = list.into_iter().flat_map(|list| list.split(','));
    names.map(parse).collect::<Result<Vec<_>, _>>().map(|types| Types::of(&types))
}

fn start(headers: &HeaderMap, after: Option<&str>) -> Result<Start, Problem> {
    let header = headers.get("last-event-id").map(|value| value.to_str().unwrap_or("?"));
    let Some(id) = header.or(after).filter(|id| !id.is_empty()) else { return Ok(Start::Now) };
    let unknown = || Problem::invalid("`Last-Event-ID` must be the `id` of an event.");
    id.parse().map(Start::After).map_err(|_| unknown())
}

fn refused(refused: Refused) -> Problem {
    match refused {
        Refused::Full => {
            Problem::new(Code::TooManyReaders, "End some streams, or come back later.")
        }
        Refused::Gone => {
            let detail = "Read the lists again, and the events without `Last-Event-ID`.";
            Problem::new(Code::EventsGone, detail)
        }
        Refused::Store(error) => error.into(),
    }
}

/// A reader's stream.
struct Feed<L> {
    reader: events::Reader,
    state: Arc<State>,
    caller: Caller,
    signs: Interval,
    /// The position that the reader knows.
    told: Option<i64>,
    _lasting: Option<L>,
}

impl<L> Feed<L> {
    /// What is written next; `None` ends the stream, and the reader comes back.
    async fn next(&mut self) -> Option<Bytes> {
        if self.told.is_none() {
            return Some(self.opening());
        }
        tokio::select! {
            biased;
            _ = self.signs.tick() => self.sign_of_life().await,
            told = self.reader.next() => self.event(told),
        }
    }

    /// From here on it can resume, even before the first event.
    fn opening(&mut self) -> Bytes {
        let position = self.reader.position();
        self.told = Some(position);
        format!("retry: {RETRY_MS}\nid: {position}\n\n").into()
    }

    fn event(&mut self, told: Result<Option<Told>, events::Error>) -> Option<Bytes> {
        match told {
            Ok(told) => {
                let Told { position, event_type, text } = told?;
                self.told = Some(position);
                let name = event_type.name();
                Some(format!("id: {position}\nevent: {name}\ndata: {text}\n\n").into())
            }
            Err(error) => {
                tracing::warn!(code = "events_not_told", %error, "A stream of events ends; its reader may resume.");
                None
            }
        }
    }

    /// Also moves the reader on over what it does not want, and ends with its token.
    async fn sign_of_life(&mut self) -> Option<Bytes> {
        let is_valid = self.caller.is_valid(&self.state).await;
        // A store that is away for a moment revokes nothing.
        if is_valid.is_ok_and(|is_valid| !is_valid) {
            return None;
        }
        let position = self.reader.position();
        if self.told == Some(position) {
            return Some(Bytes::from_static(b":\n\n"));
        }
        self.told = Some(position);
        Some(format!("id: {position}\n\n").into())
    }
}

impl Objects for State {
    fn object(
        &self,
        of: SubAccountId,
        event_type: EventType,
        id: Uuid,
    ) -> BoxFuture<'_, Result<Option<String>, events::Error>> {
        Box::pin(async move {
            let Some(object) = object(self, of, event_type, id).await.map_err(untold)? else {
                return Ok(None);
            };
            serde_json::to_string(&object).map(Some).map_err(|_| events::Error::Unreadable)
        })
    }
}

async fn object(
    state: &State,
    of: SubAccountId,
    event_type: EventType,
    id: Uuid,
) -> Result<Option<Object>, Problem> {
    let store = &state.store;
    Ok(match event_type {
        EventType::ContactCreated | EventType::ContactUnsubscribed => {
            store.contact(of, ContactId(id)).await?.map(Contact::from).map(Object::Contact)
        }
        EventType::ConversationCreated => {
            let found = store.conversation(of, ConversationId(id)).await?;
            found.map(Conversation::from).map(Object::Conversation)
        }
        EventType::MessageFiled
        | EventType::MessageQueued
        | EventType::MessageSent
        | EventType::MessageFailed
        | EventType::MessageBounced => {
            let found = messages::object(state, of, id).await?;
            found.map(|message| Object::Message(Box::new(message)))
        }
        EventType::VerdictHeld => {
            let found = store.verdict(of, VerdictId(id)).await?;
            found.map(|verdict| Object::Verdict(Box::new(verdict.into())))
        }
        EventType::MailboxActive
        | EventType::MailboxNeedsReauth
        | EventType::MailboxDisconnected => {
            let found = store.mailbox(of, MailboxId(id)).await?;
            found.map(|mailbox| Object::Mailbox(Box::new(Mailbox::new(state, mailbox))))
        }
    })
}

fn untold(problem: Problem) -> events::Error {
    match problem.code {
        Code::Unavailable => events::Error::Busy,
        _ => events::Error::Unreadable,
    }
}
