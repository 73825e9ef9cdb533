//! The pages, one file each.

mod account;
mod activity;
mod email;
mod people;

use std::sync::Arc;

use axum::Router;

use crate::web::State;

/// Their routes.
pub fn router() -> Router<Arc<State>> {
    Router::new()
        .merge(account::router())
        .merge(activity::router())
        .merge(email::router())
        .merge(people::router())
}
