//! `/settings/email`: the mailbox that is synced both ways, and the address for Bcc.

mod mailbox;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State as Shared;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum_extra::extract::cookie::CookieJar;

use crate::model::MailboxState;
use crate::web::State;
use crate::web::api::users;
use crate::web::input::Id;
use crate::web::ui::failure::Failure;
use crate::web::ui::{Errors, Fields, Shell, SignedIn, Tab, done, filters, page, text};
use mailbox::{Choice, Mailbox};

/// The routes of the page.
pub fn router() -> Router<Arc<State>> {
    Router::new()
        .route("/settings/email", get(show))
        .route("/settings/email/connect", post(mailbox::connect))
        .route("/settings/email/reauthorize", post(mailbox::reauthorize))
        .route("/settings/email/resume", post(mailbox::resume))
        .route("/settings/email/leave", post(mailbox::leave))
        .route("/settings/email/disconnect", post(mailbox::disconnect))
        .route("/settings/email/bcc-address", post(renew_address))
        .route("/settings/email/smart-bcc.vcf", get(card))
}

#[derive(Template)]
#[template(path = "email.html", config = "src/web/ui/askama.toml")]
struct Email {
    shell: Shell,
    errors: Errors,
    /// As the form to connect was filled in.
    fields: Fields,
    mailbox: Option<Mailbox>,
    /// It was connected just now: what was proved is said (M2).
    is_new: bool,
    /// All mail with contacts is kept (T9).
    follows_contacts: bool,
    /// One was connected before.
    was_one: bool,
    /// Mails that wait to go through the mailbox; when it is gone they fail.
    waiting: i64,
    /// The sub-account has a provider, by which mail goes without a mailbox (S1).
    has_provider: bool,
    choices: Vec<Choice>,
    bcc_address: Option<String>,
}

async fn show(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    uri: Uri,
) -> Result<Response, Failure> {
    let fields = Fields::parse(uri.query().unwrap_or_default().as_bytes()).unwrap_or_default();
    shown(&state, &signed_in, Errors::default(), fields).await
}

/// The page, with what is wrong about the form that was sent.
async fn shown(
    state: &State,
    signed_in: &SignedIn,
    errors: Errors,
    fields: Fields,
) -> Result<Response, Failure> {
    let (mailbox, was_one) = mailbox::current(state, signed_in).await?;
    let of = signed_in.sub_account();
    let settings = state.store.account_settings(of).await?;
    let waiting = match &mailbox {
        Some(mailbox) => state.store.waiting_count(of, mailbox.connection).await?,
        None => 0,
    };
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let email = Email {
        shell: signed_in.shell(Tab::Email),
        choices: mailbox::choices(state, fields.text("provider")),
        bcc_address: address(signed_in),
        waiting,
        has_provider: settings.as_ref().is_some_and(|settings| settings.provider.is_some()),
        follows_contacts: settings.is_some_and(|settings| settings.switches.follow_contacts),
        is_new: fields.is_on("proved"),
        errors,
        fields,
        mailbox,
        was_one,
    };
    Ok((status, page(&email)).into_response())
}

fn address(signed_in: &SignedIn) -> Option<String> {
    signed_in.user.bcc_address.as_ref().map(ToString::to_string)
}

async fn renew_address(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    jar: CookieJar,
) -> Result<Response, Failure> {
    let user = Id(signed_in.user.id.0);
    users::renew_bcc_address(Shared(state), signed_in.manager(), user).await?;
    Ok(done(jar, "flash.address_renewed", "/settings/email"))
}

/// The address as a contact, for the address book of a mail program: vCard 3.0 (RFC 2426), as Outlook does
/// not read 4.0.
async fn card(signed_in: SignedIn) -> Result<Response, Failure> {
    let address = address(&signed_in).ok_or_else(Failure::not_found)?;
    let name = text::words("email.card_name");
    let card = format!(
        "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:{name}\r\nN:{name};;;;\r\n\
         EMAIL;TYPE=INTERNET:{address}\r\nNOTE:{}\r\nEND:VCARD\r\n",
        text::words("email.card_note")
    );
    let headers = [
        (header::CONTENT_TYPE, "text/vcard; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"smart-bcc.vcf\""),
    ];
    Ok((headers, card).into_response())
}
