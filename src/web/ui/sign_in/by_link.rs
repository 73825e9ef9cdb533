//! A link that signs in once: of the first start, of an invitation, or after a lost password. It is used up
//! by the button, so that programs that look at links do not use it up.

use askama::Template;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};

use crate::clock;
use crate::model::{NewIds, SubAccountId, TokenId, TokenScope};
use crate::store::{NewToken, Purpose};
use crate::web::State;
use crate::web::auth::{new_token, token_hash};
use crate::web::ui::failure::Failure;
use crate::web::ui::{assets, filters, page, session};

#[derive(Template)]
#[template(path = "link.html", config = "src/web/ui/askama.toml")]
struct Ask<'a> {
    code: &'a str,
}

#[derive(Template)]
#[template(path = "welcome.html", config = "src/web/ui/askama.toml")]
struct Welcome<'a> {
    name: String,
    bcc_address: String,
    /// Of the first start only.
    token: Option<SecretString>,
    url: &'a str,
}

/// Shows the button.
pub fn ask(code: &str) -> Response {
    page(&Ask { code })
}

/// Uses the link up, and signs its user in.
pub async fn sign_in(state: &State, parts: &Parts, code: &str) -> Result<Response, Failure> {
    let taken = state.store.take_sign_in_link(token_hash(code), clock::now()).await?;
    let Some(link) = taken else { return Err(Failure::new(StatusCode::GONE, "error.link_used")) };
    let (of, id) = (link.sub_account, link.user);
    let jar = session::begin(state, (of, id), parts).await?;
    let user = state.store.user(of, id).await?.ok_or_else(Failure::not_found)?;
    let token = match link.purpose {
        Purpose::FirstStart => Some(first_token(state, of).await?),
        Purpose::Invitation => None,
        Purpose::SignIn => {
            // Who asked for this link has lost it; another is chosen without it.
            state.store.forget_password(of, id).await?;
            None
        }
    };
    let bcc_address = user.bcc_address.map(|address| address.to_string()).unwrap_or_default();
    let jar = super::browser_mark::leave(state, jar, id);
    let welcome = Welcome { name: user.name, bcc_address, token, url: &state.public_url };
    Ok((jar, page(&welcome)).into_response())
}

/// A token of the API for whoever has just set the gateway up.
async fn first_token(state: &State, of: SubAccountId) -> Result<SecretString, Failure> {
    let token = new_token();
    let (now, mut ids) = (clock::now(), NewIds::new(clock::now(), clock::seed()));
    let hash = token_hash(token.expose_secret());
    let new = NewToken { id: TokenId(ids.next_id()), hash, name: "first sign-in".to_owned() };
    match state.store.add_token(of, new, TokenScope::Write, now).await? {
        true => Ok(token),
        false => Err(Failure::not_found()),
    }
}
