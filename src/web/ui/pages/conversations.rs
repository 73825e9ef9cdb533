//! `/conversations`: the list with its search and filters, the thread with its messages, and what hangs on
//! them. A user reads the own mail, an admin that of the sub-account.

mod again;
mod compose;
mod download;
mod draft;
mod files;
mod frame;
mod list;
mod message;
mod quote;
mod reading;
mod refusal;
mod thread;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::model::{ConversationId, Message, StoredMessageId};
use crate::web::State;
use crate::web::ui::SignedIn;
use crate::web::ui::failure::Failure;
use crate::web::ui::live;

pub use message::size;
pub use reading::Readings;

/// The routes of these pages.
pub fn router() -> Router<Arc<State>> {
    Router::new()
        .route("/conversations", get(list::show))
        .route("/conversations/live", get(live::stream))
        .route("/conversations/new", get(compose::show))
        .route("/conversations/drafts", post(compose::keep))
        .route(
            "/conversations/send",
            post(compose::submit).layer(DefaultBodyLimit::max(files::FORM_BYTES_MAX)),
        )
        .route("/conversations/messages/{id}/take-back", post(again::take_back))
        .route("/conversations/messages/{id}/again", post(again::write_again))
        .route("/conversations/messages/{id}/resolve", post(again::resolve))
        .route("/conversations/{id}", get(thread::show))
        .route("/conversations/{id}/unread", post(thread::mark_unread))
        .route("/conversations/messages/{id}/body", get(frame::show))
        .route("/conversations/messages/{id}/raw", get(download::raw))
        .route("/conversations/messages/{id}/without-files", post(thread::file_without_files))
        .route("/conversations/files/{id}", get(download::file))
}

/// Where a conversation is; without one, where all are.
fn path(conversation: Option<ConversationId>) -> String {
    match conversation {
        Some(id) => format!("/conversations/{id}"),
        None => "/conversations".to_owned(),
    }
}

/// A message that who is signed in may read. Somebody else's is as if there were none.
async fn readable(
    state: &State,
    signed_in: &SignedIn,
    id: StoredMessageId,
) -> Result<Message, Failure> {
    let of = signed_in.sub_account();
    let message = state.store.message(of, id).await?.ok_or_else(Failure::not_found)?;
    if let Some(user) = signed_in.scope()
        && message.user_id != Some(user)
        && !state.store.is_message_of(of, user, id).await?
    {
        return Err(Failure::not_found());
    }
    Ok(message)
}
