//! Files and mails as they came, as downloads only (A4): by the functions of the API, for who may read the
//! message.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::response::{IntoResponse, Response};

use super::readable;
use crate::model::{AttachmentId, StoredMessageId};
use crate::web::State;
use crate::web::api::{attachments, messages};
use crate::web::input::Id;
use crate::web::ui::SignedIn;
use crate::web::ui::failure::Failure;

/// A file of a message.
pub async fn file(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    Id(id): Id,
) -> Result<Response, Failure> {
    let found = state.store.attachment(signed_in.sub_account(), AttachmentId(id)).await?;
    let (_, message) = found.ok_or_else(Failure::not_found)?;
    readable(&state, &signed_in, message).await?;
    let answer = attachments::download(Shared(state), signed_in.reader(), Id(id)).await?;
    Ok(answer.into_response())
}

/// A mail as it came.
pub async fn raw(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    Id(id): Id,
) -> Result<Response, Failure> {
    readable(&state, &signed_in, StoredMessageId(id)).await?;
    let answer = messages::raw(Shared(state), signed_in.reader(), Id(id)).await?;
    Ok(answer.into_response())
}
