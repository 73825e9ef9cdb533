//! The mailbox that is synced both ways: how it stands, and connecting, updating, disconnecting it, by the
//! same functions as the API. The provider is reached by a page of its own, as the policy of pages lets no
//! form lead elsewhere.

use std::sync::Arc;

use askama::Template;
use axum::extract::State as Shared;
use axum::response::Response;
use axum_extra::extract::cookie::CookieJar;

use crate::connect::{self, Again, Error, Started, Wanted, folder_name};
use crate::model::{Access, Address, Auth, ConnectionId, MailboxId, MailboxState, Time};
use crate::store::{StoredConnection, StoredMailbox, Window};
use crate::web::State;
use crate::web::ui::failure::Failure;
use crate::web::ui::{Errors, Fields, SignedIn, assets, done, filters, page, text};

/// Mailboxes of a user that are looked at; one at most is not disconnected.
const MAILBOXES_MAX: i64 = 200;
/// Outlook first, as most have it.
const ORDER: [&str; 5] = ["outlook", "outlook_personal", "gmail", "exchange", "imap"];

/// How a mailbox stands, as the page shows it.
pub struct Mailbox {
    pub id: MailboxId,
    pub connection: ConnectionId,
    pub provider: String,
    pub address: String,
    pub state: MailboxState,
    pub detail: Option<String>,
    /// Where sent mail is, as people read it.
    pub sent_folder: Option<String>,
    pub last_sync_at: Option<Time>,
    pub connected_at: Option<Time>,
    /// What is being connected in its place.
    pub pending: Option<Pending>,
    /// It signs in with a password.
    pub has_password: bool,
    pub consent_url: Option<String>,
}

/// Another address that is being connected.
pub struct Pending {
    /// The address, or the provider where it is not known yet.
    pub name: String,
    pub detail: Option<String>,
}

/// A provider that can be chosen.
pub struct Choice {
    pub name: String,
    pub title: String,
    pub hint: String,
    /// The operator has registered an application there, or none is needed.
    pub is_ready: bool,
    pub is_checked: bool,
    pub has_password: bool,
}

#[derive(Template)]
#[template(path = "consent.html", config = "src/web/ui/askama.toml")]
struct Consent {
    url: String,
}

impl Mailbox {
    fn new(state: &State, stored: StoredMailbox) -> Option<Self> {
        let StoredMailbox { id, connection, pending, .. } = stored;
        let (shown, pending) = match connection {
            Some(former) if former.state == MailboxState::Disconnected => (pending?, None),
            Some(current) => (current, pending),
            None => (pending?, None),
        };
        Some(Self {
            id,
            connection: shown.id,
            address: address(&shown),
            state: shown.state,
            detail: connect::detail(&shown),
            sent_folder: shown.sent_folder.as_deref().map(folder_name),
            last_sync_at: shown.last_sync_at,
            connected_at: shown.connected_at,
            pending: pending.map(Pending::new),
            has_password: shown.account.auth == Auth::Password,
            consent_url: state.connector.consent_url(&shown.provider),
            provider: title(&shown.provider),
        })
    }

    /// Is what was tried the mailbox's now? What could not be proved stays beside the former (M4).
    const fn has_come(&self) -> bool {
        matches!(self.state, MailboxState::Active) && self.pending.is_none()
    }
}

impl Pending {
    fn new(stored: StoredConnection) -> Self {
        let address = Some(address(&stored)).filter(|address| !address.is_empty());
        let name = address.unwrap_or_else(|| title(&stored.provider));
        Self { name, detail: stored.detail }
    }
}

fn address(connection: &StoredConnection) -> String {
    connection.address.as_ref().map(Address::to_string).unwrap_or_default()
}

/// The user's mailbox, if one is connected or being connected; and was one before?
pub async fn current(
    state: &State,
    signed_in: &SignedIn,
) -> Result<(Option<Mailbox>, bool), Failure> {
    let window = Window { after: None, limit: MAILBOXES_MAX };
    let user = Some(signed_in.user.id);
    let all = state.store.mailboxes(signed_in.sub_account(), user, window).await?;
    let was_one = !all.is_empty();
    let current = all.into_iter().rev().find_map(|stored| Mailbox::new(state, stored));
    Ok((current, was_one))
}

/// The providers that can be chosen, Outlook first. The first that is set up here is.
pub fn choices(state: &State, chosen: &str) -> Vec<Choice> {
    let providers = state.connector.providers();
    let place = |name: &str| ORDER.iter().position(|it| *it == name).unwrap_or(ORDER.len());
    let mut names: Vec<&String> = providers.keys().collect();
    names.sort_by_key(|name| place(name));
    // What is not set up can be chosen and is refused; nobody is led to it.
    let is_ready = |name: &&&String| providers.get(**name).is_some_and(|it| it.is_ready());
    let first = names.iter().find(is_ready).or(names.first());
    let first = first.map(|name| name.as_str()).unwrap_or_default();
    let chosen = if chosen.is_empty() { first } else { chosen }.to_owned();
    let choice = |name: &String| {
        let provider = providers.get(name)?;
        let hint = text::known(&format!("email.{name}_hint")).unwrap_or_default();
        Some(Choice {
            title: title(name),
            hint: hint.to_owned(),
            is_ready: provider.is_ready(),
            is_checked: *name == chosen,
            has_password: matches!(provider.access, Access::Password),
            name: name.clone(),
        })
    };
    names.into_iter().filter_map(choice).collect()
}

fn title(name: &str) -> String {
    match text::known(&format!("email.{name}_name")) {
        Some(words) => words.to_owned(),
        None => name.to_owned(),
    }
}

/// Connects a mailbox, or another one in the place of the one there is (M1, M4).
pub async fn connect(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    jar: CookieJar,
    fields: Fields,
) -> Result<Response, Failure> {
    let wanted = match wanted(&state, &signed_in, &fields) {
        Ok(wanted) => wanted,
        Err(errors) => return super::shown(&state, &signed_in, errors, fields).await,
    };
    let of = signed_in.sub_account();
    let (current, _) = current(&state, &signed_in).await?;
    let started = match current {
        Some(mailbox) if mailbox.state != MailboxState::Connecting => {
            state.connector.replace(of, mailbox.id, wanted).await
        }
        // What never became active is begun anew.
        _ => state.connector.connect(of, signed_in.user.id, wanted).await,
    };
    go_on(&state, &signed_in, jar, (fields, started), Mailbox::has_come).await
}

/// Asks for the consent, or takes the password, again (M3).
pub async fn reauthorize(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    jar: CookieJar,
    fields: Fields,
) -> Result<Response, Failure> {
    let mailbox = mine(&state, &signed_in).await?;
    let password = Some(fields.raw("password")).filter(|password| !password.is_empty());
    let again = Again {
        password: password.map(|password| password.to_owned().into()),
        session: Some(signed_in.session.hash),
    };
    let started = state.connector.reauthorize(signed_in.sub_account(), mailbox.id, again).await;
    // Another that is being connected says nothing about this one.
    let is_active = |it: &Mailbox| it.state == MailboxState::Active;
    go_on(&state, &signed_in, jar, (fields, started), is_active).await
}

/// Follows the threads again that stopped when the address was disconnected (M5).
pub async fn resume(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    jar: CookieJar,
) -> Result<Response, Failure> {
    let mailbox = mine(&state, &signed_in).await?;
    let resumed = state.connector.resume(signed_in.sub_account(), mailbox.id).await;
    match resumed {
        Ok(0) => Ok(done(jar, "flash.nothing_to_resume", "/settings/email")),
        Ok(_) => Ok(done(jar, "flash.resumed", "/settings/email")),
        Err(error) => Err(crate::web::error::Problem::from(error).into()),
    }
}

/// Leaves another account that is being connected; the mailbox stays as it is (M4).
pub async fn leave(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    jar: CookieJar,
) -> Result<Response, Failure> {
    let mailbox = mine(&state, &signed_in).await?;
    let left = state.connector.leave(signed_in.sub_account(), mailbox.id).await;
    left.map_err(crate::web::error::Problem::from)?;
    Ok(done(jar, "flash.left", "/settings/email"))
}

/// Disconnects it (M5).
pub async fn disconnect(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    jar: CookieJar,
) -> Result<Response, Failure> {
    let mailbox = mine(&state, &signed_in).await?;
    let ended = state.connector.disconnect(signed_in.sub_account(), mailbox.id).await;
    ended.map_err(crate::web::error::Problem::from)?;
    Ok(done(jar, "flash.disconnected", "/settings/email"))
}

async fn mine(state: &State, signed_in: &SignedIn) -> Result<Mailbox, Failure> {
    current(state, signed_in).await?.0.ok_or_else(Failure::not_found)
}

/// What the form asks for. Servers and password are asked for where the provider needs them, and sent by
/// browsers even while they are not shown: what was typed before another provider was chosen is not meant.
fn wanted(state: &State, signed_in: &SignedIn, fields: &Fields) -> Result<Wanted, Errors> {
    let provider = fields.filled("provider").map(str::to_owned);
    let chosen = provider.as_ref().and_then(|name| state.connector.providers().get(name));
    let is_by_consent = chosen.is_some_and(|it| !matches!(it.access, Access::Password));
    let none = Fields::default();
    let by_password = if is_by_consent { &none } else { fields };
    let address = fields.filled("address").map(|text| {
        let wrong = || Errors::of_field("address", text::words("error.address"));
        Address::parse(text).ok_or_else(wrong)
    });
    let host = |name: &'static str| {
        let parsed = by_password.filled(name).map(|text| {
            text.parse().map_err(|_| Errors::of_field(name, text::words("error.host")))
        });
        parsed.transpose()
    };
    let password = Some(by_password.raw("password")).filter(|password| !password.is_empty());
    Ok(Wanted {
        address: address.transpose()?,
        imap: host("imap")?,
        smtp: host("smtp")?,
        username: by_password.filled("username").map(str::to_owned),
        password: password.map(|password| password.to_owned().into()),
        session: Some(signed_in.session.hash),
        provider,
    })
}

/// On to the provider, or back to the page, which says how the password did: whether what was tried
/// `has_come` to be the mailbox's.
async fn go_on(
    state: &Arc<State>,
    signed_in: &SignedIn,
    jar: CookieJar,
    (fields, started): (Fields, Result<Started, Error>),
    has_come: impl FnOnce(&Mailbox) -> bool,
) -> Result<Response, Failure> {
    match started {
        Ok(Started { authorization_url: Some(url), .. }) => Ok(page(&Consent { url })),
        Ok(_) => match has_come(&mine(state, signed_in).await?) {
            true => Ok(done(jar, "flash.connected", "/settings/email?proved=1")),
            false => Ok(done(jar, "flash.not_connected", "/settings/email")),
        },
        Err(Error::Field { name, what }) => {
            let errors = Errors::of_field(name, text::with("error.this", what));
            super::shown(state, signed_in, errors, fields).await
        }
        Err(Error::NotReady { .. }) => {
            let errors = Errors::of_field("provider", text::words("error.provider_not_ready"));
            super::shown(state, signed_in, errors, fields).await
        }
        Err(error) => {
            let problem = crate::web::error::Problem::from(error);
            super::shown(state, signed_in, Errors::of_problem(&problem), fields).await
        }
    }
}
