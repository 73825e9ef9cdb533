//! Users and their smart BCC addresses.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::model::{self, Address, Role, SubAccountId, UserId};
use crate::store::{Error, Mail, Position};
use crate::web::auth::{Account, Manager};
use crate::web::error::{Code, Problem};
use crate::web::input::{self, Id, Json, Query, or_default};
use crate::web::page::{List, Listing};
use crate::web::{State, now_and_ids};

/// A person of the sub-account.
#[derive(Serialize, ToSchema)]
pub struct User {
    id: Uuid,
    name: String,
    email: String,
    aliases: Vec<String>,
    time_zone: String,
    /// Copies sent here are filed in the CRM.
    #[schema(required)]
    bcc_address: Option<String>,
    /// What the user may do in the pages: `user`, `admin` (of the sub-account) or `operator`.
    role: &'static str,
}

impl User {
    /// Whose it is.
    pub const fn id(&self) -> Uuid {
        self.id
    }
}

impl From<model::User> for User {
    fn from(user: model::User) -> Self {
        Self {
            id: user.id.0,
            name: user.name,
            email: user.email.to_string(),
            aliases: user.aliases.iter().map(Address::to_string).collect(),
            time_zone: user.time_zone,
            bcc_address: user.bcc_address.as_ref().map(Address::to_string),
            role: user.role.name(),
        }
    }
}

/// A user who is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    pub name: String,
    /// The sign-in address.
    pub email: String,
    /// Other addresses the user writes from; they count as confirmed.
    #[serde(default, deserialize_with = "or_default")]
    #[schema(nullable)]
    pub aliases: Vec<String>,
    /// A name of the IANA time zone database; `UTC` when left out.
    pub time_zone: Option<String>,
    /// `user`, unless it says `admin`.
    pub role: Option<String>,
}

/// What is to be changed of a user.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    pub name: Option<String>,
    pub email: Option<String>,
    pub aliases: Option<Vec<String>>,
    pub time_zone: Option<String>,
    /// `user` or `admin`.
    pub role: Option<String>,
}

/// A smart BCC address.
#[derive(Serialize, ToSchema)]
pub struct BccAddress {
    bcc_address: String,
}

/// Which page of a list is asked for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
    pub cursor: Option<String>,
}

/// What becomes of the mail of a user who is deleted.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeleteQuery {
    /// Keeps what is filed; what is held goes in any case.
    #[serde(default)]
    #[param(required = false)]
    pub keep_messages: bool,
}

pub(super) const ALIASES_MAX: usize = 100;

/// A new smart BCC address: 100 random bits, so that nobody finds it by trying.
pub fn new_bcc_address(domain: &str) -> Option<Address> {
    const LETTERS: [char; 32] = [
        'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r',
        's', 't', 'u', 'v', 'w', 'x', 'y', 'z', '2', '3', '4', '5', '6', '7',
    ];
    let bits = crate::clock::seed();
    let letter = |place: usize| LETTERS.get((bits >> (5 * place)) as usize & 31);
    let local: String = (0..20).filter_map(letter).collect();
    Address::parse(&format!("{local}@{domain}"))
}

fn bcc_address(state: &State) -> Result<Address, Problem> {
    let domain = state.bcc_domains.first();
    domain.and_then(|domain| new_bcc_address(domain)).ok_or_else(Problem::internal)
}

/// An address that somebody outside this gateway has.
pub fn outside_address(state: &State, field: &str, text: &str) -> Result<Address, Problem> {
    let address = input::address(field, text)?;
    if state.bcc_domains.iter().any(|domain| domain == address.domain()) {
        let detail = format!("`{field}` must not be under a smart BCC domain.");
        return Err(Problem::new(Code::OwnDomain, detail));
    }
    Ok(address)
}

fn aliases(state: &State, texts: &[String]) -> Result<Vec<Address>, Problem> {
    if texts.len() > ALIASES_MAX {
        return Err(Problem::field("aliases", "must have at most 100 addresses"));
    }
    let mut aliases: Vec<Address> = Vec::with_capacity(texts.len());
    for text in texts {
        let alias = outside_address(state, "aliases", text)?;
        if !aliases.contains(&alias) {
            aliases.push(alias);
        }
    }
    aliases.sort();
    Ok(aliases)
}

fn time_zone(text: &str) -> Result<String, Problem> {
    match jiff::tz::TimeZone::get(text) {
        Ok(zone) => Ok(zone.iana_name().unwrap_or(text).to_owned()),
        Err(_) => Err(Problem::field("time_zone", "must be a zone such as Europe/Berlin")),
    }
}

/// The role of that name; who runs the gateway is not for a sub-account to say.
fn role(text: Option<&str>) -> Result<Role, Problem> {
    let role = text.map_or(Some(Role::User), Role::parse);
    let may_give = role.filter(|role| *role < Role::Operator);
    may_give.ok_or_else(|| Problem::field("role", "must be `user` or `admin`"))
}

/// A conflict of the store here means that the sign-in address is taken.
fn email_taken(error: Error) -> Problem {
    match error {
        Error::Conflict(_) => Problem::new(
            Code::EmailTaken,
            "Change that user, or give it this address as an alias of both.",
        ),
        error => error.into(),
    }
}

/// Lists the users, by the time they were made.
#[utoipa::path(get, path = "/users", tag = "users", params(ListQuery),
    responses((status = 200, description = "A page of users.", body = List<User>)))]
pub async fn list(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    Query(query): Query<ListQuery>,
) -> Result<Json<List<User>>, Problem> {
    let listing = Listing::open(of, &["users"], query.limit, query.cursor.as_deref())?;
    let users = state.store.users(of, listing.window()).await?;
    Ok(Json(listing.page(users, |user| Position { at: 0, id: user.id.0 }, User::from)))
}

/// Adds a user, with a smart BCC address.
#[utoipa::path(post, path = "/users", tag = "users",
    responses((status = 201, description = "The user was added.", body = User)))]
pub async fn create(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    Json(new): Json<NewUser>,
) -> Result<(StatusCode, Json<User>), Problem> {
    let (now, mut ids) = now_and_ids();
    let mut user = model::User {
        id: UserId(ids.next_id()),
        name: input::line("name", &new.name)?,
        email: outside_address(&state, "email", &new.email)?,
        aliases: aliases(&state, &new.aliases)?,
        time_zone: time_zone(new.time_zone.as_deref().unwrap_or("UTC"))?,
        bcc_address: Some(bcc_address(&state)?),
        role: role(new.role.as_deref())?,
        created_at: now,
    };
    user.aliases.retain(|alias| *alias != user.email);
    state.store.add_user(of, &user).await.map_err(email_taken)?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

/// Shows a user.
#[utoipa::path(get, path = "/users/{id}", tag = "users", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The user.", body = User)))]
pub async fn show(
    Shared(state): Shared<Arc<State>>,
    Account(of): Account,
    Id(id): Id,
) -> Result<Json<User>, Problem> {
    let user = state.store.user(of, UserId(id)).await?;
    user.map(|user| Json(user.into())).ok_or_else(Problem::not_found)
}

/// Changes a user; what is left out stays.
#[utoipa::path(patch, path = "/users/{id}", tag = "users", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The user as it is now.", body = User)))]
pub async fn change(
    Shared(state): Shared<Arc<State>>,
    manager: Manager,
    Id(id): Id,
    Json(change): Json<UserChange>,
) -> Result<Json<User>, Problem> {
    let of = manager.sub_account;
    let apply = |user: &mut model::User| {
        if change.email.is_some() || change.role.is_some() {
            manager.check(user)?;
        }
        if let Some(name) = &change.name {
            user.name = input::line("name", name)?;
        }
        if let Some(email) = &change.email {
            user.email = outside_address(&state, "email", email)?;
        }
        if let Some(texts) = &change.aliases {
            user.aliases = aliases(&state, texts)?;
        }
        if let Some(zone) = &change.time_zone {
            user.time_zone = time_zone(zone)?;
        }
        if let Some(name) = &change.role {
            user.role = role(Some(name))?;
        }
        user.aliases.retain(|alias| *alias != user.email);
        Ok::<(), Problem>(())
    };
    let changed = state.store.change_user(of, UserId(id), apply).await.map_err(email_taken)?;
    Ok(Json(changed.ok_or_else(Problem::not_found)??.into()))
}

/// Deletes a user, and the user's mail unless it is to be kept.
#[utoipa::path(delete, path = "/users/{id}", tag = "users",
    params(("id" = Uuid, Path), DeleteQuery),
    responses((status = 204, description = "The user is gone; the smart BCC address stops.")))]
pub async fn delete(
    Shared(state): Shared<Arc<State>>,
    manager: Manager,
    Id(id): Id,
    Query(query): Query<DeleteQuery>,
) -> Result<StatusCode, Problem> {
    let of = manageable(&state, &manager, UserId(id)).await?;
    // M5: what the user has consented to is taken back at the provider.
    state.connector.disconnect_all(of, UserId(id)).await?;
    let mail = if query.keep_messages { Mail::Keep } else { Mail::Erase };
    let (now, _) = now_and_ids();
    match state.store.erase_user(of, UserId(id), mail, now).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found()),
    }
}

/// Gives a user a new smart BCC address; the old one stops at once.
#[utoipa::path(post, path = "/users/{id}/bcc-address", tag = "users",
    params(("id" = Uuid, Path)),
    responses((status = 201, description = "The new address.", body = BccAddress)))]
pub async fn renew_bcc_address(
    Shared(state): Shared<Arc<State>>,
    manager: Manager,
    Id(id): Id,
) -> Result<(StatusCode, Json<BccAddress>), Problem> {
    let of = manageable(&state, &manager, UserId(id)).await?;
    let address = bcc_address(&state)?;
    let (now, _) = now_and_ids();
    match state.store.replace_bcc_address(of, UserId(id), &address, now).await? {
        true => Ok((StatusCode::CREATED, Json(BccAddress { bcc_address: address.to_string() }))),
        false => Err(Problem::not_found()),
    }
}

/// The sub-account of a user who may be changed.
async fn manageable(state: &State, manager: &Manager, id: UserId) -> Result<SubAccountId, Problem> {
    let of = manager.sub_account;
    manager.check(&state.store.user(of, id).await?.ok_or_else(Problem::not_found)?)?;
    Ok(of)
}
