//! Mail to `postmaster`, which is kept for who runs the gateway (B1, RFC 5321 4.5.1): what waits, one of it
//! read, and put away. It belongs to no sub-account, and makes no contact.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum_extra::extract::cookie::CookieJar;

use crate::mail::pretence;
use crate::model::{Message, Outcome, Reason, SubAccountId, Time, Verdict, VerdictId};
use crate::store::{Position, Seen, Store, Undone, VerdictFilter};
use crate::web::api::messages;
use crate::web::auth::{Caller, Reader};
use crate::web::input::Id;
use crate::web::page::{List, Listing};
use crate::web::ui::failure::Failure;
use crate::web::ui::pages::conversations::size;
use crate::web::ui::people::Shown;
use crate::web::ui::{Operator, Shell, Tab, done, filters, page, text};
use crate::web::{State, now_and_ids};

/// Mails of the list.
const LISTED: u32 = 20;
/// Characters of a mail that are shown; all of it can be downloaded.
const EXCERPT_CHARS_MAX: usize = 20_000;

/// The routes of these pages.
pub fn router() -> Router<Arc<State>> {
    Router::new()
        .route("/admin/postmaster/{id}", get(show))
        .route("/admin/postmaster/{id}/raw", get(raw))
        .route("/admin/postmaster/{id}/discard", post(discard))
        .route("/admin/postmaster/{id}/undo", post(undo))
}

/// A mail in the list.
pub struct Post {
    pub href: String,
    pub title: String,
    pub from: Option<Shown>,
    pub at: Time,
}

impl Post {
    fn new(seen: &Seen) -> Self {
        let mail = seen.mail.as_ref();
        Self {
            href: href(seen.verdict.id),
            title: title(mail.map_or("", |mail| &mail.subject)),
            from: mail.and_then(|mail| mail.from.as_ref()).map(Shown::person),
            at: seen.verdict.at,
        }
    }
}

/// What waits, the latest first, from a cursor on.
pub async fn waiting(store: &Store, cursor: Option<&str>) -> Result<List<Post>, Failure> {
    let of = SubAccountId::OPERATOR;
    let listing = Listing::open(of, &["postmaster"], Some(LISTED), cursor)?;
    let filter = VerdictFilter { reason: Some(Reason::Postmaster), ..VerdictFilter::default() };
    let seen = store.activity(of, &filter, listing.window()).await?;
    let position = |seen: &Seen| Position { at: 0, id: seen.verdict.id.0 };
    Ok(listing.page(seen, position, |seen| Post::new(&seen)))
}

fn href(id: VerdictId) -> String {
    format!("/admin/postmaster/{id}")
}

fn title(subject: &str) -> String {
    match subject.trim() {
        "" => text::words("activity.no_subject").to_owned(),
        subject => pretence::visible(subject),
    }
}

#[derive(Template)]
#[template(path = "postmaster.html", config = "src/web/ui/askama.toml")]
struct Page {
    shell: Shell,
    href: String,
    title: String,
    from: Option<Shown>,
    to: Vec<Shown>,
    at: Time,
    expires_at: Option<Time>,
    message_id: String,
    text: String,
    /// Names and sizes.
    files: Vec<(String, String)>,
    /// It waits; otherwise it was put away, and can be taken back.
    is_waiting: bool,
}

async fn show(
    Shared(state): Shared<Arc<State>>,
    Operator(operator): Operator,
    Id(id): Id,
) -> Result<Response, Failure> {
    let (verdict, message) = kept(&state, VerdictId(id)).await?;
    let text = messages::new_text(&state, SubAccountId::OPERATOR, &message).await?;
    let text: String = text.unwrap_or_default().trim().chars().take(EXCERPT_CHARS_MAX).collect();
    let file =
        |file: &crate::model::Attachment| (pretence::visible(&file.file_name), size(file.size));
    Ok(page(&Page {
        shell: operator.shell(Tab::Admin),
        href: href(verdict.id),
        title: title(&message.subject),
        from: message.from.as_ref().map(Shown::person),
        to: message.to.iter().map(Shown::person).collect(),
        at: verdict.at,
        expires_at: verdict.expires_at,
        message_id: format!("<{}>", message.message_id),
        text: pretence::straight(&text),
        files: message.attachments.iter().map(file).collect(),
        is_waiting: verdict.outcome() == Outcome::Held,
    }))
}

/// A mail that is still there, with its verdict.
async fn kept(state: &State, id: VerdictId) -> Result<(Verdict, Message), Failure> {
    let of = SubAccountId::OPERATOR;
    let verdict = state.store.verdict(of, id).await?.ok_or_else(Failure::not_found)?;
    let message = verdict.stored_message_id.ok_or_else(Failure::not_found)?;
    let message = state.store.message(of, message).await?.ok_or_else(Failure::not_found)?;
    Ok((verdict, message))
}

/// The mail as it came.
async fn raw(
    Shared(state): Shared<Arc<State>>,
    _: Operator,
    Id(id): Id,
) -> Result<Response, Failure> {
    let (_, message) = kept(&state, VerdictId(id)).await?;
    let answer = messages::raw(Shared(state), Reader(Caller::Admin), Id(message.id.0)).await?;
    Ok(answer.into_response())
}

async fn discard(
    Shared(state): Shared<Arc<State>>,
    Operator(operator): Operator,
    jar: CookieJar,
    Id(id): Id,
) -> Result<Response, Failure> {
    let (of, actor) = (SubAccountId::OPERATOR, operator.reader().0.actor());
    let discarded = state.store.discard(of, VerdictId(id), &actor, now_and_ids()).await?;
    after(jar, discarded, "flash.discarded", id)
}

async fn undo(
    Shared(state): Shared<Arc<State>>,
    Operator(operator): Operator,
    jar: CookieJar,
    Id(id): Id,
) -> Result<Response, Failure> {
    let (of, actor) = (SubAccountId::OPERATOR, operator.reader().0.actor());
    let undone = state.store.undo(of, VerdictId(id), &actor, now_and_ids()).await?;
    after(jar, undone, "flash.undone", id)
}

fn after(
    jar: CookieJar,
    what: Undone,
    message: &'static str,
    id: uuid::Uuid,
) -> Result<Response, Failure> {
    match what {
        Undone::Done(_) => Ok(done(jar, message, &href(VerdictId(id)))),
        // Somebody was here before; the page shows how it stands.
        Undone::DoesNotFit => Ok(done(jar, "flash.not_fitting", &href(VerdictId(id)))),
        Undone::NotFound => Err(Failure::not_found()),
    }
}
