//! The calls of `/api/v1`, one file for each resource. Each call reads its input, asks the store, and
//! writes JSON; the description of the API is made from the same lines.

pub mod attachments;
pub mod contacts;
mod conversations;
pub mod events;
pub mod mailboxes;
pub mod messages;
mod sending;
pub mod settings;
mod sub_accounts;
pub mod users;
pub mod verdicts;
pub mod webhooks;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::State;

pub use users::new_bcc_address;

/// All calls, under their full paths.
pub fn router() -> OpenApiRouter<Arc<State>> {
    let calls = OpenApiRouter::new()
        .routes(routes!(sub_accounts::create))
        .routes(routes!(sub_accounts::erase))
        .routes(routes!(settings::show, settings::change))
        .routes(routes!(users::list, users::create))
        .routes(routes!(users::show, users::change, users::delete))
        .routes(routes!(users::renew_bcc_address))
        .routes(routes!(contacts::list, contacts::create))
        .routes(routes!(contacts::show, contacts::change, contacts::erase))
        .routes(routes!(contacts::messages))
        .routes(routes!(conversations::list))
        .routes(routes!(conversations::show, conversations::erase))
        .routes(routes!(conversations::messages))
        .routes(routes!(messages::show, sending::cancel))
        .routes(routes!(sending::create))
        .routes(routes!(sending::resolve))
        .routes(routes!(sending::bulk))
        .routes(routes!(messages::raw))
        .routes(routes!(attachments::download))
        .routes(routes!(mailboxes::list, mailboxes::create))
        .routes(routes!(mailboxes::show, mailboxes::replace, mailboxes::disconnect))
        .routes(routes!(mailboxes::reauthorize))
        .routes(routes!(mailboxes::resume))
        .routes(routes!(verdicts::list))
        .routes(routes!(verdicts::show))
        .routes(routes!(verdicts::release))
        .routes(routes!(verdicts::discard))
        .routes(routes!(verdicts::undo))
        .routes(routes!(events::stream))
        .routes(routes!(webhooks::list, webhooks::create))
        .routes(routes!(webhooks::delete))
        .routes(routes!(webhooks::deliveries))
        .routes(routes!(webhooks::resend));
    OpenApiRouter::with_openapi(super::openapi::frame()).nest("/api/v1", calls)
}
