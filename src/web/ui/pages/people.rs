//! `/settings/people`: the users of the sub-account, their roles, and invitations.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum_extra::extract::cookie::CookieJar;
use secrecy::{ExposeSecret, SecretString};

use crate::clock;
use crate::model::{Address, Role, Time, User, UserId};
use crate::store::{Link, Purpose, Window};
use crate::web::State;
use crate::web::api::users::{self, DeleteQuery, NewUser, UserChange};
use crate::web::auth::{new_token, token_hash};
use crate::web::input::{Id, Json, Query};
use crate::web::ui::failure::Failure;
use crate::web::ui::notices::{self, Letter, Sent};
use crate::web::ui::{Admin, Errors, Fields, Shell, SignedIn, Tab, done, filters, page, text};

/// How long an invitation, and a link after a lost password, work: a week, and a day.
const INVITATION_SECONDS: i64 = 7 * 24 * 3_600;
const LINK_SECONDS: i64 = 24 * 3_600;
/// Users of a page; a larger sub-account keeps its users by the API.
const USERS_MAX: i64 = 1_000;

/// The routes of the page.
pub fn router() -> Router<Arc<State>> {
    Router::new()
        .route("/settings/people", get(show).post(invite))
        .route("/settings/people/{id}/role", post(set_role))
        .route("/settings/people/{id}/link", post(make_link))
        .route("/settings/people/{id}/remove", post(remove))
}

#[derive(Template)]
#[template(path = "people.html", config = "src/web/ui/askama.toml")]
struct People {
    shell: Shell,
    errors: Errors,
    fields: Fields,
    zone: String,
    people: Vec<Person>,
    /// A link that was made just now.
    link: Option<Made>,
}

/// A link, for whom, and what became of the mail that brings it.
struct Made {
    name: String,
    email: Address,
    link: SecretString,
    sent: Sent,
}

struct Person {
    href: String,
    name: String,
    email: String,
    aliases: String,
    role: Role,
    is_me: bool,
    is_operator: bool,
    invited_until: Option<Time>,
}

async fn show(
    Shared(state): Shared<Arc<State>>,
    Admin(signed_in): Admin,
) -> Result<Response, Failure> {
    shown(&state, &signed_in, Errors::default(), Fields::default(), None).await
}

async fn shown(
    state: &State,
    signed_in: &SignedIn,
    errors: Errors,
    fields: Fields,
    link: Option<Made>,
) -> Result<Response, Failure> {
    let of = signed_in.sub_account();
    let users = state.store.users(of, Window { after: None, limit: USERS_MAX }).await?;
    let invited = state.store.sign_in_links(of, Purpose::Invitation).await?;
    let invited: BTreeMap<UserId, Time> = invited.into_iter().collect();
    let person = |user: User| Person {
        href: format!("/settings/people/{}", user.id),
        aliases: user.aliases.iter().map(Address::to_string).collect::<Vec<_>>().join(", "),
        is_me: user.id == signed_in.user.id,
        is_operator: user.role == Role::Operator,
        invited_until: invited.get(&user.id).copied(),
        email: user.email.to_string(),
        name: user.name,
        role: user.role,
    };
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let people = People {
        shell: signed_in.shell(Tab::People),
        errors,
        fields,
        zone: signed_in.user.time_zone.clone(),
        people: users.into_iter().map(person).collect(),
        link,
    };
    Ok((status, page(&people)).into_response())
}

/// Adds a user, and sends the link that lets them in; where that cannot be, it is shown, this once.
async fn invite(
    Shared(state): Shared<Arc<State>>,
    Admin(signed_in): Admin,
    fields: Fields,
) -> Result<Response, Failure> {
    let new = NewUser {
        name: fields.text("name").to_owned(),
        email: fields.text("email").to_owned(),
        aliases: Vec::new(),
        time_zone: Some(fields.text("time_zone").to_owned()),
        role: Some(fields.text("role").to_owned()),
    };
    let made = users::create(Shared(Arc::clone(&state)), signed_in.account(), Json(new)).await;
    let user = match made {
        Ok((_, Json(user))) => user,
        Err(problem) => {
            let errors = match problem.code {
                crate::web::error::Code::EmailTaken => {
                    Errors::of_field("email", text::words("error.email_taken"))
                }
                _ => Errors::of_problem(&problem),
            };
            return shown(&state, &signed_in, errors, fields, None).await;
        }
    };
    let user = state.store.user(signed_in.sub_account(), UserId(user.id())).await?;
    let user = user.ok_or_else(Failure::not_found)?;
    let made = mailed(&state, &signed_in, user, Purpose::Invitation).await?;
    shown(&state, &signed_in, Errors::default(), Fields::default(), Some(made)).await
}

/// Makes a link, and sends it where there is a relay.
async fn mailed(
    state: &State,
    signed_in: &SignedIn,
    user: User,
    purpose: Purpose,
) -> Result<Made, Failure> {
    let is_new = purpose == Purpose::Invitation;
    let seconds = if is_new { INVITATION_SECONDS } else { LINK_SECONDS };
    let link = link(state, signed_in, user.id, purpose, seconds).await?;
    let [subject, words, until] = match is_new {
        true => ["mail.invitation_subject", "mail.invitation", "mail.invitation_until"],
        false => ["mail.link_subject", "mail.link", "mail.link_until"],
    };
    let paragraphs = vec![
        text::with("mail.hello", &user.name),
        text::with(words, &signed_in.user.name),
        link.expose_secret().to_owned(),
        text::words(until).to_owned(),
    ];
    let to = notices::person(&user.email, &user.name);
    let sent = notices::send(state, signed_in, Letter { to, subject, paragraphs }).await?;
    Ok(Made { name: user.name, email: user.email, link, sent })
}

async fn link(
    state: &State,
    signed_in: &SignedIn,
    user: UserId,
    purpose: Purpose,
    seconds: i64,
) -> Result<SecretString, Failure> {
    let code = new_token();
    let hash = token_hash(code.expose_secret());
    let link = Link { sub_account: signed_in.sub_account(), user, purpose };
    let until = clock::now().plus_seconds(seconds);
    state.store.add_sign_in_link(link, hash, until).await?;
    Ok(format!("{}/sign-in?code={}", state.public_url, code.expose_secret()).into())
}

/// A new link for somebody who lost the invitation, or the password.
async fn make_link(
    Shared(state): Shared<Arc<State>>,
    Admin(signed_in): Admin,
    Id(id): Id,
) -> Result<Response, Failure> {
    let user = other(&state, &signed_in, UserId(id)).await?;
    let credentials = state.store.credentials(signed_in.sub_account(), user.id).await?;
    let purpose = match credentials.password {
        Some(_) => Purpose::SignIn,
        None => Purpose::Invitation,
    };
    let made = mailed(&state, &signed_in, user, purpose).await?;
    shown(&state, &signed_in, Errors::default(), Fields::default(), Some(made)).await
}

async fn set_role(
    Shared(state): Shared<Arc<State>>,
    Admin(signed_in): Admin,
    jar: CookieJar,
    Id(id): Id,
    fields: Fields,
) -> Result<Response, Failure> {
    other(&state, &signed_in, UserId(id)).await?;
    let role = Some(fields.text("role").to_owned());
    let change = UserChange { name: None, email: None, aliases: None, time_zone: None, role };
    users::change(Shared(state), signed_in.manager(), Id(id), Json(change)).await?;
    Ok(done(jar, "flash.role_saved", "/settings/people"))
}

async fn remove(
    Shared(state): Shared<Arc<State>>,
    Admin(signed_in): Admin,
    jar: CookieJar,
    Id(id): Id,
    fields: Fields,
) -> Result<Response, Failure> {
    other(&state, &signed_in, UserId(id)).await?;
    let query = DeleteQuery { keep_messages: !fields.is_on("erase") };
    users::delete(Shared(state), signed_in.manager(), Id(id), Query(query)).await?;
    Ok(done(jar, "flash.user_removed", "/settings/people"))
}

/// Somebody else: nobody takes the own role away by mistake.
async fn other(state: &State, signed_in: &SignedIn, id: UserId) -> Result<User, Failure> {
    let user = state.store.user(signed_in.sub_account(), id).await?;
    let user = user.ok_or_else(Failure::not_found)?;
    if user.id == signed_in.user.id {
        return Err(Failure::forbidden());
    }
    signed_in.manager().check(&user)?;
    Ok(user)
}
