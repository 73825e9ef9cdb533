//! Mail that was sent from the pages and is not done with: it is taken back, is written again when it failed,
//! or somebody says what became of it.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::Response;
use axum_extra::extract::cookie::CookieJar;
use uuid::Uuid;

use super::compose::{new_id, place};
use super::draft::Content;
use super::files::Attached;
use super::{path, readable};
use crate::clock;
use crate::decide::send::can_be_answered;
use crate::model::outgoing::DeliveryState;
use crate::model::{
    Address, ConversationId, Message, NewIds, Person, SendStatus, StoredMessageId, SubAccountId,
    UserId,
};
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
    // It is a draft of who wrote it, whoever takes it back.
    let author = message.user_id.unwrap_or(signed_in.user.id);
    let shipment = state.store.shipments(of, [message.id]).await?.remove(&message.id);
    let again = begun(&state, &signed_in, author, (&message, shipment.as_ref()), &[]).await?;
    Ok(match author == signed_in.user.id {
        true => done(jar, "flash.taken_back", &again),
        false => done(jar, "flash.taken_back_of_other", &there),
    })
}

/// A mail as a draft of a user, and where one goes on with it: as it was written, or where nothing is left of that,
/// made of the mail itself.
async fn begun(
    state: &State,
    signed_in: &SignedIn,
    user: UserId,
    (message, shipment): (&Message, Option<&Shipment>),
    has_it: &[Address],
) -> Result<String, Failure> {
    let of = signed_in.sub_account();
    if let Some(again) = draft_again(state, (of, user), message, has_it).await? {
        return Ok(again);
    }
    let texts = messages::texts(state, of, message).await?;
    // Whom the author has named to nobody, nobody else is told.
    let is_author = message.user_id == Some(user);
    let bcc = shipment.filter(|_| is_author).map(|it| bcc(it, message)).unwrap_or_default();
    let mut content = Content::of_message(message, texts, &bcc);
    content.reply_to = answered(state, signed_in, message).await?;
    content.leave_out(has_it);
    // Where it answers nothing, whom it goes to says where it belongs.
    let here = message.conversation_id.filter(|_| content.reply_to.is_some());
    keep_anew(state, (of, user), here, &content).await
}

/// What a user sent as this message, as a draft again, and where one goes on with it. `None`: it was not written
/// here, or is forgotten.
async fn draft_again(
    state: &State,
    (of, user): (SubAccountId, UserId),
    message: &Message,
    has_it: &[Address],
) -> Result<Option<String>, Failure> {
    for draft in state.store.drafts(of, user).await? {
        let mut content: Content = serde_json::from_str(&draft.content).unwrap_or_default();
        if content.sent_as == Some(message.id.0) {
            content.sent_as = None;
            content.attached = Attached::all_of(message);
            content.leave_out(has_it);
            // The id of the old one is the key of the mail that was sent (S5).
            let again = keep_anew(state, (of, user), draft.conversation, &content).await?;
            state.store.remove_draft(of, user, draft.id).await?;
            return Ok(Some(again));
        }
    }
    Ok(None)
}

async fn keep_anew(
    state: &State,
    (of, user): (SubAccountId, UserId),
    conversation: Option<ConversationId>,
    content: &Content,
) -> Result<String, Failure> {
    let id = new_id();
    let again = place(id, conversation, content);
    let content = serde_json::to_string(content).unwrap_or_default();
    let kept = NewDraft { id, conversation, content };
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

/// Who is a recipient and not named in the mail.
fn bcc(shipment: &Shipment, message: &Message) -> Vec<Person> {
    let is_named = |address: &Address| {
        message.to.iter().chain(&message.cc).any(|person| person.email == *address)
    };
    let recipients = shipment.route.recipients.iter().map(|it| &it.address);
    recipients.filter(|address| !is_named(address)).cloned().map(Person::new).collect()
}

/// The mail that a mail answered, where it can be answered again from here.
async fn answered(
    state: &State,
    signed_in: &SignedIn,
    message: &Message,
) -> Result<Option<Uuid>, Failure> {
    let Some(parent) = message.in_reply_to.first() else { return Ok(None) };
    let parent = state.store.message_having(signed_in.sub_account(), parent).await?;
    let Some(parent) = parent else { return Ok(None) };
    // Somebody else's is as if there were none.
    let Ok(parent) = readable(state, signed_in, parent).await else { return Ok(None) };
    let is_here = parent.conversation_id == message.conversation_id;
    Ok((is_here && can_be_answered(parent.state, parent.kind)).then_some(parent.id.0))
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
    let (me, mail) = (signed_in.user.id, (&message, shipment.as_ref()));
    let again = begun(&state, &signed_in, me, mail, &has_it).await?;
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
