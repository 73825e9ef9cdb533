//! Who calls: a token in the `Authorization` header (RFC 6750 2.1) and nowhere else. The token decides
//! the sub-account; the operator's admin token reaches only what is the operator's.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State as Shared};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::State;
use super::error::{Code, Problem};
use crate::model::{Role, SubAccountId, TokenId, User, UserId};
use crate::store::TokenOwner;

/// Whose token it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The operator.
    Admin,
    /// A sub-account.
    Token { sub_account: SubAccountId, token: TokenId },
    /// A person who is signed in to the pages.
    User { sub_account: SubAccountId, user: UserId },
}

impl Caller {
    /// The sub-account that its calls are kept under.
    pub const fn sub_account(self) -> SubAccountId {
        match self {
            Self::Admin => SubAccountId::OPERATOR,
            Self::Token { sub_account, .. } | Self::User { sub_account, .. } => sub_account,
        }
    }

    /// Its name in what is recorded of actions.
    pub fn actor(self) -> String {
        match self {
            Self::Admin => "admin".to_owned(),
            Self::Token { token, .. } => format!("token {token}"),
            Self::User { user, .. } => format!("user {user}"),
        }
    }
}

/// A new API token: 256 random bits.
pub fn new_token() -> SecretString {
    let bits: [u8; 32] = crate::clock::random_bytes();
    format!("mw_{}", URL_SAFE_NO_PAD.encode(bits)).into()
}

/// What the store keeps of a token.
pub fn token_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Longer than any token we make; a longer one is not even hashed.
const TOKEN_LENGTH_MAX: usize = 512;

/// Lets only callers with a valid token through, and notes who it is.
pub async fn authenticate(
    Shared(state): Shared<Arc<State>>,
    mut request: Request,
    next: Next,
) -> Response {
    match identify(&state, request.method(), request.headers()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

async fn identify(
    state: &Arc<State>,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Caller, Problem> {
    let token = bearer(headers).ok_or_else(unauthorized)?;
    let hash = token_hash(token);
    // Hashes are compared, so that neither length nor content of the token shows in the time.
    let admin = token_hash(state.admin_token.expose_secret());
    if hash.ct_eq(&admin).into() {
        return Ok(Caller::Admin);
    }
    let found = state.store.token_owner(&hash).await?;
    let owner = found.ok_or_else(unauthorized)?;
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    if !is_read && !owner.scope.is_write() {
        return Err(forbidden("This token may only read. Use one that may write."));
    }
    note_use(state, owner);
    let TokenOwner { sub_account, token, .. } = owner;
    Ok(Caller::Token { sub_account, token })
}

/// When a token was last used is known this exactly, in seconds, and no call waits for it.
const USED_SECONDS: i64 = 600;

fn note_use(state: &Arc<State>, owner: TokenOwner) {
    let now = crate::clock::now();
    if owner.used_at.is_some_and(|used_at| used_at.plus_seconds(USED_SECONDS) > now) {
        return;
    }
    let state = Arc::clone(state);
    tokio::spawn(async move {
        if let Err(error) = state.store.touch_token(owner.sub_account, owner.token, now).await {
            tracing::debug!(%error, "When a token was used could not be noted.");
        }
    });
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    let is_token = (1..=TOKEN_LENGTH_MAX).contains(&token.len());
    (scheme.eq_ignore_ascii_case("bearer") && is_token).then_some(token)
}

fn unauthorized() -> Problem {
    let detail = "Send `Authorization: Bearer TOKEN` with a token that is still valid.";
    Problem::new(Code::Unauthorized, detail)
}

fn forbidden(detail: &'static str) -> Problem {
    Problem::new(Code::Forbidden, detail)
}

/// The operator, by the admin token.
pub struct Admin;

/// A sub-account, by one of its tokens.
pub struct Account(pub SubAccountId);

/// Whoever changes users: a sub-account by its token, which is worth an admin, or a person.
pub struct Manager {
    pub sub_account: SubAccountId,
    pub role: Role,
}

impl Manager {
    /// Who runs the gateway is changed by those who do alone.
    pub fn check(&self, user: &User) -> Result<(), Problem> {
        match user.role > self.role {
            true => Err(forbidden("This user runs the gateway: only who does, too, may do that.")),
            false => Ok(()),
        }
    }
}

/// Whoever reads mail and verdicts: a sub-account its own, the operator those of `postmaster`.
pub struct Reader(pub Caller);

impl Caller {
    /// May it still call: is its token valid, or the person there?
    pub async fn is_valid(self, state: &State) -> Result<bool, crate::store::Error> {
        match self {
            Self::Admin => Ok(true),
            Self::Token { sub_account, token } => state.store.has_token(sub_account, token).await,
            Self::User { sub_account, user } => {
                Ok(state.store.user(sub_account, user).await?.is_some())
            }
        }
    }
}

impl Reader {
    /// Whose mail is read.
    pub const fn sub_account(&self) -> SubAccountId {
        self.0.sub_account()
    }
}

fn caller(parts: &Parts) -> Result<Caller, Problem> {
    parts.extensions.get::<Caller>().copied().ok_or_else(unauthorized)
}

impl<S: Sync> FromRequestParts<S> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match caller(parts)? {
            Caller::Admin => Ok(Self),
            Caller::Token { .. } | Caller::User { .. } => {
                Err(forbidden("This call needs the admin token."))
            }
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Account {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match caller(parts)? {
            Caller::Token { sub_account, .. } | Caller::User { sub_account, .. } => {
                Ok(Self(sub_account))
            }
            Caller::Admin => Err(forbidden("This call needs a token of the sub-account.")),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Manager {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Account(sub_account) = Account::from_request_parts(parts, state).await?;
        Ok(Self { sub_account, role: Role::Admin })
    }
}

impl<S: Sync> FromRequestParts<S> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        caller(parts).map(Self)
    }
}
