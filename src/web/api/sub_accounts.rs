//! Sub-accounts: made and erased by the operator.

use std::sync::Arc;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::model::{SubAccountId, TokenId};
use crate::store::NewToken;
use crate::web::auth::{self, Admin};
use crate::web::error::Problem;
use crate::web::input::{self, Id, Json};
use crate::web::{State, now_and_ids};

/// A sub-account that is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSubAccount {
    name: String,
}

/// A sub-account that was made, with its first token.
#[derive(Serialize, ToSchema)]
pub struct SubAccount {
    id: Uuid,
    name: String,
    /// Its first token; it is shown this once.
    api_token: String,
}

/// Makes a sub-account with its first token.
#[utoipa::path(post, path = "/sub-accounts", tag = "sub-accounts",
    responses((status = 201, description = "It was made.", body = SubAccount)))]
pub async fn create(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Json(new): Json<NewSubAccount>,
) -> Result<(StatusCode, Json<SubAccount>), Problem> {
    let name = input::line("name", &new.name)?;
    let (now, mut ids) = now_and_ids();
    let id = SubAccountId(ids.next_id());
    let token = auth::new_token();
    let kept = NewToken {
        id: TokenId(ids.next_id()),
        hash: auth::token_hash(token.expose_secret()),
        name: "first".to_owned(),
    };
    state.store.add_sub_account(id, &name, kept, now).await?;
    let made = SubAccount { id: id.0, name, api_token: token.expose_secret().to_owned() };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Erases a sub-account and everything of it.
#[utoipa::path(delete, path = "/sub-accounts/{id}", tag = "sub-accounts",
    params(("id" = Uuid, Path)),
    responses((status = 204, description = "It is gone.")))]
pub async fn erase(
    Shared(state): Shared<Arc<State>>,
    _: Admin,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    // M5: what its users have consented to is taken back at the providers.
    state.connector.disconnect_everybody(SubAccountId(id)).await?;
    match state.store.erase_sub_account(SubAccountId(id)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found()),
    }
}
