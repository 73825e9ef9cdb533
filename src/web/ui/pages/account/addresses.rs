//! One's addresses: those one writes from, and the one that signs in. Whoever wants another is sent a link there,
//! and uses it signed in: so the mail is theirs, and nobody else is talked into giving an address away.

use std::sync::Arc;

use askama::Template;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use axum_extra::extract::cookie::CookieJar;
use secrecy::ExposeSecret;

use super::shown;
use crate::clock;
use crate::model::{Address, User};
use crate::store::{self, AddressUse, NewAddress};
use crate::web::State;
use crate::web::api::users::outside_address;
use crate::web::auth::{new_token, token_hash};
use crate::web::ui::failure::Failure;
use crate::web::ui::notices::{self, Letter, Sent};
use crate::web::ui::sign_in::proof;
use crate::web::ui::{Errors, Fields, Shell, SignedIn, Tab, done, filters, page, text};

/// A link works so long: a day.
const LINK_SECONDS: i64 = 24 * 3_600;
const ALIASES_MAX: usize = 100;
/// What is said when one is on its way.
pub const LINK_SENT: &str = "flash.address_link_sent";

#[derive(Template)]
#[template(path = "address.html", config = "src/web/ui/askama.toml")]
struct Confirm<'a> {
    shell: Shell,
    code: &'a str,
    wanted: NewAddress,
}

/// Sends a link to an address that is wanted.
pub async fn ask(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    parts: Parts,
    jar: CookieJar,
    fields: Fields,
) -> Result<Response, Failure> {
    let wanted = match read(&state, (&signed_in, &parts), &fields).await? {
        Ok(wanted) => wanted,
        Err(errors) => return shown(&state, &signed_in, errors).await,
    };
    match send_link(&state, &signed_in, &wanted).await? {
        Ok(()) => Ok(done(jar, LINK_SENT, "/settings/account")),
        Err(words) => {
            shown(&state, &signed_in, Errors::of_field(field(wanted.purpose), words)).await
        }
    }
}

/// Sends a link that proves an address. `Err` says in words why it could not be sent.
pub async fn send_link(
    state: &State,
    signed_in: &SignedIn,
    wanted: &NewAddress,
) -> Result<Result<(), String>, Failure> {
    let code = new_token();
    let (whose, hash) = (whose(signed_in), token_hash(code.expose_secret()));
    let (now, until) = (clock::now(), clock::now().plus_seconds(LINK_SECONDS));
    if !state.store.add_address_link(whose, wanted, hash, (now, until)).await? {
        return Ok(Err(text::words("error.too_many_links").to_owned()));
    }
    let letter = letter(state, &signed_in.user, wanted, code.expose_secret());
    Ok(match notices::send(state, signed_in, letter).await? {
        Sent::Taken(_) => Ok(()),
        Sent::Refused(answer) => Err(text::with("error.link_not_sent", answer)),
        Sent::NoRelay => Err(text::words("account.no_relay").to_owned()),
    })
}

/// What is wanted, unless something is wrong with it. Another sign-in address is for who knows the password.
async fn read(
    state: &State,
    (signed_in, parts): (&SignedIn, &Parts),
    fields: &Fields,
) -> Result<Result<NewAddress, Errors>, Failure> {
    let bad_form = || Failure::new(StatusCode::BAD_REQUEST, "error.form");
    let purpose = AddressUse::parse(fields.text("purpose")).ok_or_else(bad_form)?;
    let field = field(purpose);
    let wrong = |key| Ok(Err(Errors::of_field(field, text::words(key))));
    let Ok(address) = outside_address(state, "address", fields.text("address")) else {
        return wrong("error.no_address");
    };
    let user = &signed_in.user;
    let has = user.email == address || purpose == AddressUse::Alias && has_alias(user, &address);
    if has {
        return wrong("error.own_address");
    }
    if purpose == AddressUse::Email
        && let Some(objection) =
            proof::by_password(state, (signed_in, parts), fields.raw("current")).await?
    {
        return Ok(Err(Errors::of_field("email_current", text::words(objection))));
    }
    Ok(Ok(NewAddress { address, purpose }))
}

fn letter<'a>(state: &State, user: &User, wanted: &NewAddress, code: &str) -> Letter<'a> {
    let (subject, words) = match wanted.purpose {
        AddressUse::Alias => ("mail.alias_subject", "mail.alias"),
        AddressUse::Email => ("mail.email_subject", "mail.email"),
    };
    let paragraphs = vec![
        text::with(words, format!("{} ({})", user.name, user.email)),
        format!("{}/settings/account/address?code={code}", state.public_url),
        text::words("mail.address_until").to_owned(),
    ];
    Letter { to: notices::person(&wanted.address, &user.name), subject, paragraphs }
}

/// Shows the button: programs that look at links confirm nothing.
pub async fn show(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    parts: Parts,
) -> Result<Response, Failure> {
    let query = Fields::parse(parts.uri.query().unwrap_or_default().as_bytes()).unwrap_or_default();
    let code = query.text("code");
    let wanted = link(&state, &signed_in, code).await?;
    Ok(page(&Confirm { shell: signed_in.shell(Tab::Account), code, wanted }))
}

/// The address is the user's.
pub async fn confirm(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    jar: CookieJar,
    fields: Fields,
) -> Result<Response, Failure> {
    let wanted = link(&state, &signed_in, fields.text("code")).await?;
    let (of, id) = whose(&signed_in);
    let changed = state.store.change_user(of, id, |user| take(user, &wanted)).await;
    match changed {
        Err(store::Error::Conflict(_)) => {
            return Err(Failure::new(StatusCode::CONFLICT, "error.address_taken"));
        }
        Err(error) => return Err(error.into()),
        Ok(None) => return Err(Failure::not_found()),
        Ok(Some(Err(failure))) => return Err(failure),
        Ok(Some(Ok(_))) => {}
    }
    state.store.remove_address_links((of, id), &wanted).await?;
    if wanted.purpose == AddressUse::Email {
        tell_former(&state, &signed_in, &wanted.address).await?;
        return Ok(done(jar, "flash.email_changed", "/settings/account"));
    }
    Ok(done(jar, "flash.alias_added", "/settings/account"))
}

/// The former sign-in address stays one that the user writes from.
fn take(user: &mut User, wanted: &NewAddress) -> Result<(), Failure> {
    let address = wanted.address.clone();
    let former = match wanted.purpose {
        AddressUse::Alias => address,
        AddressUse::Email => {
            user.aliases.retain(|alias| *alias != address);
            std::mem::replace(&mut user.email, address)
        }
    };
    if !has_alias(user, &former) {
        user.aliases.push(former);
        user.aliases.sort();
    }
    match user.aliases.len() > ALIASES_MAX {
        true => Err(Failure::new(StatusCode::CONFLICT, "error.too_many_aliases")),
        false => Ok(()),
    }
}

/// Whoever lost the account to somebody else learns it there; that the relay takes it is not waited for twice.
async fn tell_former(
    state: &State,
    signed_in: &SignedIn,
    address: &Address,
) -> Result<(), Failure> {
    let user = &signed_in.user;
    let letter = Letter {
        to: notices::person(&user.email, &user.name),
        subject: "mail.changed_subject",
        paragraphs: vec![
            text::with("mail.hello", &user.name),
            text::with("mail.changed", address),
            text::words("mail.changed_not_you").to_owned(),
        ],
    };
    notices::send(state, signed_in, letter).await.map(drop)
}

/// Takes an alias away.
pub async fn remove(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    jar: CookieJar,
    fields: Fields,
) -> Result<Response, Failure> {
    let (of, id) = whose(&signed_in);
    let address = Address::parse(fields.text("address")).ok_or_else(Failure::not_found)?;
    let gone = |user: &mut User| -> Result<(), Failure> {
        user.aliases.retain(|alias| *alias != address);
        Ok(())
    };
    state.store.change_user(of, id, gone).await?.ok_or_else(Failure::not_found)??;
    Ok(done(jar, "flash.alias_removed", "/settings/account"))
}

/// What a link of the user's own proves.
async fn link(state: &State, signed_in: &SignedIn, code: &str) -> Result<NewAddress, Failure> {
    let found = state.store.address_link(whose(signed_in), token_hash(code), clock::now()).await?;
    found.ok_or_else(|| Failure::new(StatusCode::GONE, "error.address_link"))
}

const fn whose(signed_in: &SignedIn) -> (crate::model::SubAccountId, crate::model::UserId) {
    (signed_in.sub_account(), signed_in.user.id)
}

fn has_alias(user: &User, address: &Address) -> bool {
    user.aliases.contains(address)
}

/// Where it is said what is wrong.
const fn field(purpose: AddressUse) -> &'static str {
    match purpose {
        AddressUse::Alias => "alias",
        AddressUse::Email => "email",
    }
}
