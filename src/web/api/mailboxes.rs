//! Mailboxes: connecting, updating, authorising again, resuming, disconnecting (M1 to M6).

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::connect::{self, Again, Started, Wanted};
use crate::model::{Host, MailboxId, MailboxState, SubAccountId, Time, UserId};
use crate::store::{Position, StoredConnection, StoredMailbox};
use crate::web::State;
use crate::web::auth::Account;
use crate::web::error::{Code, Problem};
use crate::web::input::{self, Id, Json, OptionalJson, Query};
use crate::web::page::{List, Listing};

/// How a mailbox stands.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StateName {
    Connecting,
    Active,
    NeedsReauth,
    Disconnected,
}

impl From<MailboxState> for StateName {
    fn from(state: MailboxState) -> Self {
        match state {
            MailboxState::Connecting => Self::Connecting,
            MailboxState::Active => Self::Active,
            MailboxState::NeedsReauth => Self::NeedsReauth,
            MailboxState::Disconnected => Self::Disconnected,
        }
    }
}

/// The e-mail account that a user has connected.
#[derive(Serialize, ToSchema)]
pub struct Mailbox {
    id: Uuid,
    user_id: Uuid,
    provider: String,
    /// Null until the provider has said whose account it is.
    #[schema(required)]
    address: Option<String>,
    state: StateName,
    /// What failed and what helps, in words.
    #[schema(required)]
    detail: Option<String>,
    #[schema(required, format = DateTime)]
    connected_at: Option<String>,
    #[schema(required, format = DateTime)]
    last_sync_at: Option<String>,
    /// Another address that is being connected in its place; it works on until that one is active.
    #[schema(required)]
    pending: Option<Pending>,
    /// Where the user can take the consent back at the provider.
    #[schema(required)]
    consent_url: Option<String>,
}

/// Another address that is being connected to a mailbox.
#[derive(Serialize, ToSchema)]
pub struct Pending {
    provider: String,
    #[schema(required)]
    address: Option<String>,
    /// What failed and what helps, in words.
    #[schema(required)]
    detail: Option<String>,
}

/// A mailbox that is being connected.
#[derive(Serialize, ToSchema)]
pub struct Connecting {
    id: Uuid,
    state: StateName,
    /// What failed and what helps, in words.
    #[schema(required)]
    detail: Option<String>,
    /// Where the user consents; null with a password, which was tried at once.
    #[schema(required)]
    authorization_url: Option<String>,
}

/// A mailbox that is to be connected.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMailbox {
    user_id: Uuid,
    /// `outlook`, `outlook_personal`, `gmail`, `imap`, or another that the operator has set up.
    provider: String,
    /// The account that is expected to consent; whoever does, when left out.
    address: Option<String>,
    /// `HOST:PORT`, for mailboxes with a password.
    imap: Option<String>,
    smtp: Option<String>,
    /// The address, when left out.
    username: Option<String>,
    #[schema(value_type = Option<String>)]
    password: Option<SecretString>,
}

/// Another address for a mailbox.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OtherMailbox {
    /// The mailbox's user, who stays the same.
    user_id: Option<Uuid>,
    /// The provider of the former address, when left out.
    provider: Option<String>,
    /// The account that is expected to consent; whoever does, when left out.
    address: Option<String>,
    /// `HOST:PORT`, for mailboxes with a password.
    imap: Option<String>,
    smtp: Option<String>,
    /// The address, when left out.
    username: Option<String>,
    #[schema(value_type = Option<String>)]
    password: Option<SecretString>,
}

/// How a mailbox is to be connected anew.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reauthorization {
    /// The new password, of a mailbox that has one.
    #[schema(value_type = Option<String>)]
    password: Option<SecretString>,
}

/// Which mailboxes are listed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MailboxQuery {
    /// Only this user's.
    user_id: Option<Uuid>,
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    cursor: Option<String>,
}

impl From<connect::Error> for Problem {
    fn from(error: connect::Error) -> Self {
        use connect::Error;
        let detail = format!("{error}.");
        match error {
            Error::UnknownProvider { .. } => Self::new(Code::InvalidValue, detail),
            Error::NotReady { .. } => Self::new(Code::ProviderNotReady, detail),
            Error::Field { name, what } => Self::field(name, what),
            Error::Taken => Self::new(
                Code::MailboxExists,
                "Change its address with PUT, or disconnect it first.",
            ),
            Error::Nobody => Self::not_found(),
            Error::NotConnected => {
                Self::new(Code::MailboxNotConnected, "Connect a mailbox first: POST /mailboxes.")
            }
            Error::OAuth(_) => {
                tracing::error!(code = "consent_not_asked", %error, "A consent could not be asked for.");
                Self::internal()
            }
            Error::Store(error) => error.into(),
        }
    }
}

/// A server that a client named.
fn host(field: &str, text: Option<&str>) -> Result<Option<Host>, Problem> {
    let parsed = text.map(|text| {
        text.parse::<Host>().map_err(|error| Problem::field(field, &error.to_string()))
    });
    parsed.transpose()
}

/// What a client wants to connect, read.
fn wanted(provider: Option<String>, new: OtherMailbox) -> Result<Wanted, Problem> {
    let username = new.username.as_deref().map(|text| input::line("username", text));
    Ok(Wanted {
        provider,
        address: new.address.as_deref().map(|text| input::address("address", text)).transpose()?,
        imap: host("imap", new.imap.as_deref())?,
        smtp: host("smtp", new.smtp.as_deref())?,
        username: username.transpose()?,
        password: new.password,
        session: None,
    })
}

impl Mailbox {
    /// A mailbox as it is told.
    pub fn new(state: &State, stored: StoredMailbox) -> Self {
        let StoredMailbox { id, user, connection, pending, .. } = stored;
        let (shown, pending) = match connection {
            Some(connection) if connection.state == MailboxState::Disconnected => {
                (pending.or(Some(connection)), None)
            }
            Some(connection) => (Some(connection), pending),
            None => (pending, None),
        };
        let time = |time: Option<Time>| time.map(Time::to_rfc3339);
        let address = |it: &StoredConnection| it.address.as_ref().map(ToString::to_string);
        let pending = pending.map(|it| Pending {
            address: address(&it),
            provider: it.provider,
            detail: it.detail,
        });
        let shown = shown.as_ref();
        let provider = shown.map(|it| it.provider.clone()).unwrap_or_default();
        Self {
            id: id.0,
            user_id: user.0,
            address: shown.and_then(address),
            state: shown.map_or(StateName::Disconnected, |it| it.state.into()),
            detail: shown.and_then(connect::detail),
            connected_at: time(shown.and_then(|it| it.connected_at)),
            last_sync_at: time(shown.and_then(|it| it.last_sync_at)),
            pending,
            consent_url: state.connector.consent_url(&provider),
            provider,
        }
    }
}

/// What a client is told of a mailbox whose connection was begun.
async fn begun(
    state: &State,
    of: SubAccountId,
    started: Started,
) -> Result<Json<Connecting>, Problem> {
    let stored = state.store.mailbox(of, started.mailbox).await?;
    let stored = stored.ok_or_else(Problem::not_found)?;
    let mailbox = Mailbox::new(state, stored);
    let pending_detail = mailbox.pending.and_then(|pending| pending.detail);
    Ok(Json(Connecting {
        id: mailbox.id,
        state: mailbox.state,
        detail: pending_detail.or(mailbox.detail),
        authorization_url: started.authorization_url,
    }))
}

/// Lists the mailboxes, by the time they were made.
#[utoipa::path(get, path = "/mailboxes", tag = "mailboxes", params(MailboxQuery),
    responses((status = 200, description = "A page of mailboxes.", body = List<Mailbox>)))]
pub async fn list(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    Query(query): Query<MailboxQuery>,
) -> Result<Json<List<Mailbox>>, Problem> {
    let user = query.user_id.map(|id| id.to_string()).unwrap_or_default();
    let listing = Listing::open(of, &["mailboxes", &user], query.limit, query.cursor.as_deref())?;
    let user = query.user_id.map(UserId);
    let mailboxes = state.store.mailboxes(of, user, listing.window()).await?;
    let position = |mailbox: &StoredMailbox| Position { at: 0, id: mailbox.id.0 };
    Ok(Json(listing.page(mailboxes, position, |mailbox| Mailbox::new(&state, mailbox))))
}

/// Connects a mailbox: by a consent at the provider, or by a password, which is tried at once.
#[utoipa::path(post, path = "/mailboxes", tag = "mailboxes",
    responses((status = 201, description = "It was begun; `state` says how far it is.", body = Connecting)))]
pub async fn create(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    Json(new): Json<NewMailbox>,
) -> Result<(StatusCode, Json<Connecting>), Problem> {
    let NewMailbox { user_id, provider, address, imap, smtp, username, password } = new;
    let rest =
        OtherMailbox { user_id: None, provider: None, address, imap, smtp, username, password };
    let wanted = wanted(Some(provider), rest)?;
    let started = state.connector.connect(of, UserId(user_id), wanted).await;
    let started = started.map_err(|error| match error {
        connect::Error::Nobody => Problem::field("user_id", "names no user"),
        error => error.into(),
    })?;
    Ok((StatusCode::CREATED, begun(&state, of, started).await?))
}

/// Shows a mailbox.
#[utoipa::path(get, path = "/mailboxes/{id}", tag = "mailboxes", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The mailbox.", body = Mailbox)))]
pub async fn show(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    Id(id): Id,
) -> Result<Json<Mailbox>, Problem> {
    let mailbox = state.store.mailbox(of, MailboxId(id)).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(Mailbox::new(&state, mailbox)))
}

/// Connects another address in the place of this one, which works on until the new one is active.
#[utoipa::path(put, path = "/mailboxes/{id}", tag = "mailboxes", params(("id" = Uuid, Path)),
    responses((status = 200, description = "It was begun.", body = Connecting)))]
pub async fn replace(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    Id(id): Id,
    Json(mut other): Json<OtherMailbox>,
) -> Result<Json<Connecting>, Problem> {
    if let Some(user) = other.user_id {
        let mailbox = state.store.mailbox(of, MailboxId(id)).await?;
        if mailbox.ok_or_else(Problem::not_found)?.user != UserId(user) {
            return Err(Problem::field("user_id", "must be the mailbox's user"));
        }
    }
    let wanted = wanted(other.provider.take(), other)?;
    let started = state.connector.replace(of, MailboxId(id), wanted).await?;
    begun(&state, of, started).await
}

/// Asks for consent, or takes the password, again.
#[utoipa::path(post, path = "/mailboxes/{id}/reauthorize", tag = "mailboxes",
    params(("id" = Uuid, Path)), request_body = Option<Reauthorization>,
    responses((status = 200, description = "It was begun.", body = Connecting)))]
pub async fn reauthorize(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    Id(id): Id,
    OptionalJson(asked): OptionalJson<Reauthorization>,
) -> Result<Json<Connecting>, Problem> {
    let again = Again { password: asked.password, session: None };
    let started = state.connector.reauthorize(of, MailboxId(id), again).await?;
    begun(&state, of, started).await
}

/// Tracks the threads again that stopped when an earlier connection of the same address ended.
#[utoipa::path(post, path = "/mailboxes/{id}/resume", tag = "mailboxes",
    params(("id" = Uuid, Path)),
    responses((status = 200, description = "They are tracked; what came meanwhile is searched for.",
        body = Mailbox)))]
pub async fn resume(
    state: Shared<Arc<State>>,
    account: Account,
    Id(id): Id,
) -> Result<Json<Mailbox>, Problem> {
    state.connector.resume(account.0, MailboxId(id)).await?;
    show(state, account, Id(id)).await
}

/// Disconnects a mailbox: its threads stop, its tokens are erased, and revoked where the provider can.
#[utoipa::path(delete, path = "/mailboxes/{id}", tag = "mailboxes", params(("id" = Uuid, Path)),
    responses((status = 204, description = "It is disconnected; what was synced stays readable.")))]
pub async fn disconnect(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    match state.connector.disconnect(of, MailboxId(id)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found()),
    }
}
