//! `/contacts`: the people outside, found by name or address; one of them changed, or erased.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State as Shared;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum_extra::extract::cookie::CookieJar;
use serde_json::json;

use crate::model::ContactId;
use crate::store::{Position, StoredContact};
use crate::web::State;
use crate::web::api::contacts::{self, ContactChange};
use crate::web::input::{self, Id, Json};
use crate::web::page::Listing;
use crate::web::ui::failure::Failure;
use crate::web::ui::people::Shown;
use crate::web::ui::{Admin, Errors, Fields, Shell, SignedIn, Tab, done, filters, page, text};

/// Rows of a page.
const ROWS: u32 = 50;

/// The routes of the pages.
pub fn router() -> Router<Arc<State>> {
    Router::new()
        .route("/contacts", get(list))
        .route("/contacts/{id}", get(show).post(change))
        .route("/contacts/{id}/erase", post(erase))
}

#[derive(Template)]
#[template(path = "contacts.html", config = "src/web/ui/askama.toml")]
struct Contacts {
    shell: Shell,
    search: String,
    /// It begins with the newest, and follows what comes.
    is_first: bool,
    contacts: Vec<(StoredContact, Shown)>,
    more: Option<String>,
}

#[derive(Template)]
#[template(path = "contact.html", config = "src/web/ui/askama.toml")]
struct Contact {
    shell: Shell,
    errors: Errors,
    contact: StoredContact,
    shown: Shown,
    source: &'static str,
    is_admin: bool,
}

async fn list(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    uri: Uri,
) -> Result<Response, Failure> {
    let fields = Fields::parse(uri.query().unwrap_or_default().as_bytes()).unwrap_or_default();
    let (of, search) = (signed_in.sub_account(), fields.text("q"));
    let listing =
        Listing::open(of, &["contacts page", search], Some(ROWS), fields.filled("cursor"))?;
    let text = input::search(Some(search))?;
    let found = state.store.contacts(of, text, listing.window()).await?;
    let position = |contact: &StoredContact| Position { at: 0, id: contact.id.0 };
    let rows = listing.page(found, position, |contact| {
        let shown = Shown::contact(&contact.email, contact.name.as_deref());
        (contact, shown)
    });
    let more = rows.next_cursor.map(|cursor| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("q", search).append_pair("cursor", &cursor);
        format!("/contacts?{}", query.finish())
    });
    Ok(page(&Contacts {
        shell: signed_in.shell(Tab::Contacts),
        search: search.to_owned(),
        is_first: fields.filled("cursor").is_none(),
        contacts: rows.items,
        more,
    }))
}

async fn show(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    Id(id): Id,
) -> Result<Response, Failure> {
    shown(&state, &signed_in, ContactId(id), Errors::default()).await
}

async fn shown(
    state: &State,
    signed_in: &SignedIn,
    id: ContactId,
    errors: Errors,
) -> Result<Response, Failure> {
    let contact = state.store.contact(signed_in.sub_account(), id).await?;
    let contact = contact.ok_or_else(Failure::not_found)?;
    let source = text::words(match contact.source.as_str() {
        "smart_bcc" => "contacts.by_bcc",
        "import" => "contacts.by_import",
        "api" => "contacts.by_api",
        _ => "contacts.by_mail",
    });
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let is_admin = signed_in.is_admin();
    let shell = signed_in.shell(Tab::Contacts);
    let shown = Shown::contact(&contact.email, contact.name.as_deref());
    Ok((status, page(&Contact { shell, errors, contact, shown, source, is_admin })).into_response())
}

async fn change(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    jar: CookieJar,
    Id(id): Id,
    fields: Fields,
) -> Result<Response, Failure> {
    let mut asked = json!({
        "name": fields.filled("name"),
        "external_id": fields.filled("external_id"),
    });
    // S9: what the person has said is undone by an admin alone, and by one who saw it: the person may have
    // unsubscribed since the page was opened.
    let is_unsubscribed = fields.is_on("unsubscribed");
    if signed_in.is_admin()
        && is_unsubscribed != fields.is_on("was_unsubscribed")
        && let Some(asked) = asked.as_object_mut()
    {
        asked.insert("unsubscribed".to_owned(), is_unsubscribed.into());
    }
    let read = serde_json::from_value::<ContactChange>(asked);
    let change = read.map_err(|_| Failure::new(StatusCode::BAD_REQUEST, "error.form"))?;
    let account = signed_in.account();
    match contacts::change(Shared(Arc::clone(&state)), account, Id(id), Json(change)).await {
        Ok(_) => Ok(done(jar, "flash.contact_saved", &format!("/contacts/{id}"))),
        Err(problem) => {
            shown(&state, &signed_in, ContactId(id), Errors::of_problem(&problem)).await
        }
    }
}

async fn erase(
    Shared(state): Shared<Arc<State>>,
    Admin(signed_in): Admin,
    jar: CookieJar,
    Id(id): Id,
) -> Result<Response, Failure> {
    contacts::erase(Shared(state), signed_in.account(), Id(id)).await?;
    Ok(done(jar, "flash.contact_erased", "/contacts"))
}
