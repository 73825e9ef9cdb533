//! Mail that was sent from the pages and is not done with: it is taken back, is written again when it failed,
//! or somebody says what became of it.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::Response;
use axum_extra::extract::cookie::CookieJar;

use super::compose::{new_id, place};
use super::draft::Content;
use super::files::Attached;
use super::{path, readable};
use crate::clock;
use crate::model::outgoing::DeliveryState;
use crate::model::{Address, ConversationId, Message, NewIds, SendStatus, StoredMessageId};
use crate::store::{Cancelled, NewDraft, Resolution, Shipment};
use crate::web::State;
use crate::web::api::messages;
use crate::web::input::Id;
use crate::web::ui::failure::Failure;
use crate::web::ui::{Fields, SignedIn, done};

/// Takes a mail back that is not on its way yet; it is a draft again.
pub async fn take_back(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    jar: CookieJar,
    Id(id): Id,
) -> Result<Response, Failure> {
    let message = readable(&state, &signed_in, StoredMessageId(id)).await?;
    let of = signed_in.sub_account();
    let there = path(message.conversation_id);
    match state.store.cancel(of, message.id, crate::web::now_and_ids()).await? {
        Some(Cancelled::Yes) => {}
        _ => return Ok(done(jar, "flash.not_taken_back", &there)),
    }
    let again = draft_again(&state, &signed_in, &message, &[]).await?;
    Ok(done(jar, "flash.taken_back", &again.unwrap_or(there)))
}

/// What was sent as this message, as a draft again, and where one goes on with it. `None`: it was not written
/// here, or is forgotten.
async fn draft_again(
    state: &State,
    signed_in: &SignedIn,
    message: &Message,
    has_it: &[Address],
) -> Result<Option<String>, Failure> {
    let (of, user) = (signed_in.sub_account(), signed_in.user.id);
    for draft in state.store.drafts(of, user).await? {
        let mut content: Content = serde_json::from_str(&draft.content).unwrap_or_default();
        if content.sent_as == Some(message.id.0) {
            content.sent_as = None;
            content.attached = Attached::all_of(message);
            content.leave_out(has_it);
            // The id of the old one is the key of the mail that was sent (S5).
            let again = keep_anew(state, signed_in, draft.conversation, &content).await?;
            state.store.remove_draft(of, user, draft.id).await?;
            return Ok(Some(again));
        }
    }
    Ok(None)
}

async fn keep_anew(
    state: &State,
    signed_in: &SignedIn,
    conversation: Option<ConversationId>,
    content: &Content,
) -> Result<String, Failure> {
    let id = new_id();
    let again = place(id, conversation, content);
    let content = serde_json::to_string(content).unwrap_or_default();
    let kept = NewDraft { id, conversation, content };
    let (of, user) = (signed_in.sub_account(), signed_in.user.id);
    state.store.keep_draft(of, user, kept, clock::now()).await?;
    Ok(again)
}

/// Who has got it: they are not written to again.
fn has_it(shipment: Option<&Shipment>) -> Vec<Address> {
    let Some(Shipment { route, report, .. }) = shipment else { return Vec::new() };
    let came_back = |address: &Address| {
        report.iter().any(|it| Address::parse(&it.address).is_some_and(|it| it == *address))
    };
    let accepted = route.recipients.iter().filter(|it| it.state == DeliveryState::Accepted);
    // A report that names nobody of them speaks of all.
    let is_named = route.recipients.iter().any(|it| came_back(&it.address));
    let all_came_back = !report.is_empty() && !is_named;
    let arrived = accepted.filter(|it| !all_came_back && !came_back(&it.address));
    arrived.map(|it| it.address.clone()).collect()
}

/// Makes a draft of a mail that was not sent, or did not arrive.
pub async fn write_again(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    jar: CookieJar,
    Id(id): Id,
) -> Result<Response, Failure> {
    let message = readable(&state, &signed_in, StoredMessageId(id)).await?;
    let of = signed_in.sub_account();
    let shipment = state.store.shipments(of, [message.id]).await?.remove(&message.id);
    let has_failed = |it: &Shipment| matches!(it.status, SendStatus::Failed | SendStatus::Bounced);
    if !shipment.as_ref().is_some_and(has_failed) {
        return Err(Failure::not_found());
    }
    let has_it = has_it(shipment.as_ref());
    let again = match draft_again(&state, &signed_in, &message, &has_it).await? {
        Some(again) => again,
        None => {
            let text = messages::new_text(&state, of, &message).await?;
            let mut content = Content::of_message(&message, text.unwrap_or_default());
            content.leave_out(&has_it);
            // It answers no mail, so that it is a new one.
            keep_anew(&state, &signed_in, None, &content).await?
        }
    };
    Ok(done(jar, "flash.written_again", &again))
}

/// Says what became of a mail of which it is not known (S5).
pub async fn resolve(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    jar: CookieJar,
    Id(id): Id,
    fields: Fields,
) -> Result<Response, Failure> {
    let message = readable(&state, &signed_in, StoredMessageId(id)).await?;
    let resolution = match fields.text("as") {
        "sent" => Resolution::Sent,
        "resend" => Resolution::Resend,
        _ => return Err(Failure::new(StatusCode::BAD_REQUEST, "error.form")),
    };
    let of = signed_in.sub_account();
    let (now, mut ids) = (clock::now(), NewIds::new(clock::now(), clock::seed()));
    let event = crate::model::EventId(ids.next_id());
    state.store.resolve(of, message.id, resolution, event, now).await?;
    let there = path(message.conversation_id);
    Ok(done(jar, "flash.resolved", &there))
}
