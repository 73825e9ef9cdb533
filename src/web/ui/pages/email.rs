//! `/settings/email`: the mailbox that is synced both ways, and the address for Bcc.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::State as Shared;
use axum::response::Response;
use axum::routing::get;

use crate::web::State;
use crate::web::ui::failure::Failure;
use crate::web::ui::{Shell, SignedIn, Tab, filters, page};

/// The routes of the page.
pub fn router() -> Router<Arc<State>> {
    Router::new().route("/settings/email", get(show))
}

#[derive(Template)]
#[template(path = "email.html", config = "src/web/ui/askama.toml")]
struct Email {
    shell: Shell,
    bcc_address: Option<String>,
}

async fn show(
    Shared(_state): Shared<Arc<State>>,
    signed_in: SignedIn,
) -> Result<Response, Failure> {
    let bcc_address = signed_in.user.bcc_address.as_ref().map(ToString::to_string);
    Ok(page(&Email { shell: signed_in.shell(Tab::Email), bcc_address }))
}
