//! The pages, one file each.

mod account;
mod email;

use std::sync::Arc;

use axum::Router;

use crate::web::State;

/// Their routes.
pub fn router() -> Router<Arc<State>> {
    Router::new().merge(account::router()).merge(email::router())
}
