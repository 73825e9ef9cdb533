//! The pages, one file each.

mod account;
mod activity;
mod admin;
mod callback;
mod contacts;
mod conversations;
mod developers;
mod email;
mod people;
mod reference;
mod sub_account;
mod webhook;

use std::sync::Arc;

use axum::Router;

use crate::web::State;

pub use conversations::Readings;

/// Their routes.
pub fn router() -> Router<Arc<State>> {
    Router::new()
        .merge(account::router())
        .merge(admin::router())
        .merge(developers::router())
        .merge(reference::router())
        .merge(webhook::router())
        .merge(activity::router())
        .merge(contacts::router())
        .merge(conversations::router())
        .merge(callback::router())
        .merge(email::router())
        .merge(people::router())
        .merge(sub_account::router())
}
