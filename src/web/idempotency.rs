//! Writing calls that are repeated with their `Idempotency-Key` are done once: the answer of the first
//! is kept for a day, sealed, because some answers hold secrets.

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State as Shared};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest, Sha256};

use super::State;
use super::auth::Caller;
use super::error::{Code, PROBLEM_JSON, Problem};
use crate::model::SubAccountId;
use crate::store::Reservation;

const KEY_LENGTH_MAX: usize = 255;

/// A key as one caller uses it.
struct Key {
    of: SubAccountId,
    text: String,
}

impl Key {
    /// What a kept answer is sealed to.
    fn place(&self) -> Vec<u8> {
        [b"idempotency", self.of.0.as_bytes().as_slice(), self.text.as_bytes()].concat()
    }
}

/// Runs a writing call once for each key.
pub async fn once(Shared(state): Shared<Arc<State>>, request: Request, next: Next) -> Response {
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let Some(caller) = request.extensions().get::<Caller>().copied() else {
        return next.run(request).await;
    };
    match key(request.headers()) {
        Ok(Some(text)) if !is_read => {
            let key = Key { of: caller.sub_account(), text };
            repeat_or_run(&state, key, request, next).await.unwrap_or_else(Problem::into_response)
        }
        Ok(_) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().unwrap_or("");
    if text.is_empty() || text.len() > KEY_LENGTH_MAX {
        return Err(Problem::invalid("`Idempotency-Key` must have 1 to 255 ASCII characters."));
    }
    Ok(Some(text.to_owned()))
}

async fn repeat_or_run(
    state: &Arc<State>,
    key: Key,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    // The body is in memory already and within its limit.
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let hash = request_hash(&parts.method, &parts.uri.to_string(), &body);
    let now = crate::clock::now();
    match state.store.reserve_key(key.of, &key.text, hash, now).await? {
        Reservation::New => {
            let request = Request::from_parts(parts, Body::from(body));
            // A client that hangs up must not leave the call half done: it runs to its end.
            let state = Arc::clone(state);
            let running = tokio::spawn(async move { run(&state, key, request, next).await });
            running.await.unwrap_or_else(|_| Err(Problem::internal()))
        }
        Reservation::Answered { status, body } => repeat(state, &key, status, &body),
        Reservation::Running => {
            let detail = "Wait for the first request's answer, then repeat it.";
            Err(Problem::new(Code::IdempotencyKeyInUse, detail))
        }
        Reservation::OtherRequest => {
            let detail = "Use a new `Idempotency-Key` for a new request.";
            Err(Problem::new(Code::IdempotencyKeyReused, detail))
        }
    }
}

fn request_hash(method: &Method, uri: &str, body: &Bytes) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [method.as_str().as_bytes(), uri.as_bytes(), body] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

async fn run(state: &State, key: Key, request: Request, next: Next) -> Result<Response, Problem> {
    let response = next.run(request).await;
    let (parts, body) = response.into_parts();
    // It is in memory already, too.
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    if parts.status.is_server_error() {
        state.store.release_key(key.of, &key.text).await?;
    } else {
        let sealed = STANDARD_NO_PAD.encode(state.secrets.seal(&key.place(), &body));
        let status = i64::from(parts.status.as_u16());
        // What was done was done, whether or not its answer can be kept.
        if let Err(error) = state.store.keep_answer(key.of, &key.text, status, sealed).await {
            tracing::error!(code = "answer_not_kept", %error, "The answer of a call with an Idempotency-Key could not be kept.");
        }
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn repeat(state: &State, key: &Key, status: i64, sealed: &str) -> Result<Response, Problem> {
    let sealed = STANDARD_NO_PAD.decode(sealed).unwrap_or_default();
    let body = state.secrets.unseal(&key.place(), &sealed).ok_or_else(Problem::internal)?;
    let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.ok_or_else(Problem::internal)?;
    let is_empty = body.is_empty();
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert("idempotency-replayed", HeaderValue::from_static("true"));
    headers.remove(header::CONTENT_TYPE);
    if !is_empty {
        let json = HeaderValue::from_static("application/json");
        let media_type = if status.is_success() { json } else { PROBLEM_JSON };
        headers.insert(header::CONTENT_TYPE, media_type);
    }
    Ok(response)
}
