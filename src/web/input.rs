//! What clients send, taken strictly: JSON bodies, query strings and ids, with a problem for whatever
//! is not as described. Knows no resource; what a field means is checked where it is used.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::error::Elapsed;
use uuid::Uuid;

use super::error::{Code, Problem};
use crate::model::Address;

/// The largest body, in bytes.
const BODY_BYTES_MAX: usize = 1_048_576;
/// How long a body may take to arrive, and so much longer as it has bytes.
const BODY_TIME: Duration = Duration::from_secs(30);
const BYTES_PER_SECOND_MIN: u64 = 250_000;

/// Mail with files is sent here; base64 makes a third more of 35 MiB.
const LARGE_PATH: &str = "/api/v1/messages";
const LARGE_BYTES_MAX: usize = 48 * 1_048_576;
/// So many large bodies arrive at once, and one is worked on; others wait a while for their turn.
static LARGE_ARRIVING: Semaphore = Semaphore::const_new(3);
static LARGE_AT_WORK: Semaphore = Semaphore::const_new(1);
const LARGE_WAIT: Duration = Duration::from_secs(30);

/// Reads the whole body, within its limits, before anything else is done with the request.
pub async fn whole_body(request: Request, next: Next) -> Response {
    let is_large = request.uri().path() == LARGE_PATH && request.method() == Method::POST;
    let (parts, body) = request.into_parts();
    let announced = body.size_hint().upper().unwrap_or(u64::MAX);
    let takes_turns = is_large && announced > BODY_BYTES_MAX as u64;
    let Ok(arriving) = turn(&LARGE_ARRIVING, takes_turns).await else { return busy() };
    let bytes_max = if is_large { LARGE_BYTES_MAX } else { BODY_BYTES_MAX };
    let seconds = announced.min(bytes_max as u64) / BYTES_PER_SECOND_MIN;
    let time = BODY_TIME + Duration::from_secs(seconds);
    let read = tokio::time::timeout(time, to_bytes(body, bytes_max)).await;
    match read {
        Ok(Ok(bytes)) => {
            let Ok(_at_work) = turn(&LARGE_AT_WORK, takes_turns).await else { return busy() };
            drop(arriving);
            next.run(Request::from_parts(parts, Body::from(bytes))).await
        }
        Ok(Err(_)) if is_large => {
            Problem::new(Code::BodyTooLarge, "Send at most 48 MiB.").into_response()
        }
        Ok(Err(_)) => Problem::new(Code::BodyTooLarge, "Send at most 1 MiB.").into_response(),
        Err(_) => Problem::new(
            Code::Timeout,
            "Send the body without pausing, at 250 kB a second or faster.",
        )
        .into_response(),
    }
}

/// A turn, for who takes turns. The semaphores are never closed.
async fn turn(
    turns: &'static Semaphore,
    takes_turns: bool,
) -> Result<Option<SemaphorePermit<'static>>, Elapsed> {
    match takes_turns {
        true => Ok(tokio::time::timeout(LARGE_WAIT, turns.acquire()).await?.ok()),
        false => Ok(None),
    }
}

fn busy() -> Response {
    let detail = "Others are sending large mails, too: try again in a minute.";
    Problem::new(Code::Unavailable, detail).into_response()
}

/// A JSON body. Unknown fields, repeated keys, wrong types and NUL are refused.
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = is_json(request.headers());
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|_| Problem::new(Code::BodyTooLarge, "Send at most 1 MiB."))?;
        if !is_json {
            let detail = "Send the body with `Content-Type: application/json`.";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        read_json(&bytes).map(Self)
    }
}

/// A JSON body of the path that takes large ones.
pub struct LargeJson<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for LargeJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let is_json = is_json(request.headers());
        // It was read, within its limit, by `whole_body`.
        let bytes = to_bytes(request.into_body(), LARGE_BYTES_MAX).await.unwrap_or_default();
        if !is_json {
            let detail = "Send the body with `Content-Type: application/json`.";
            return Err(Problem::new(Code::UnsupportedMediaType, detail));
        }
        if names_nul(&bytes) {
            let detail = "No mail may contain NUL (\\u0000).";
            return Err(Problem::new(Code::InvalidValue, detail));
        }
        read_json(&bytes).map(Self)
    }
}

impl<T: serde::Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// A JSON body that may be left out.
pub struct OptionalJson<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        let request = Request::from_parts(parts, Body::from(bytes));
        Json::from_request(request, state).await.map(|Json(value)| Self(value))
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = value.and_then(|value| value.split(';').next()).unwrap_or("");
    media_type.trim().eq_ignore_ascii_case("application/json")
}

fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if names_nul(bytes) {
        return Err(Problem::invalid("Text must not contain NUL (\\u0000)."));
    }
    // serde_json follows 128 levels and stops there, so that depth cannot exhaust the stack.
    serde_json::from_slice(bytes).map_err(|error| Problem::invalid(format!("The body: {error}.")))
}

/// Is there an escaped NUL in it? (A bare one is no JSON.) PostgreSQL cannot store one in text.
fn names_nul(json: &[u8]) -> bool {
    let mut rest = json;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let (_, escape) = rest.split_at(at);
        if escape.starts_with(b"\\u0000") {
            return true;
        }
        rest = escape.get(2..).unwrap_or_default();
    }
    false
}

/// A query string. Unknown and repeated parameters, wrong types and NUL are refused.
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        if parts.uri.query().is_some_and(|query| query.contains("%00")) {
            return Err(Problem::invalid("The query must not contain NUL."));
        }
        // What is only read can be asked for less exactly than what is changed.
        let uri = match parts.method {
            Method::GET => without_blanks(&parts.uri),
            _ => parts.uri.clone(),
        };
        match axum::extract::Query::try_from_uri(&uri) {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(Problem::invalid(format!("{}.", rejection.body_text()))),
        }
    }
}

/// A parameter without a value is one that is not given: `?email=&q=ann` is what a form makes of `q` alone.
fn without_blanks(uri: &Uri) -> Uri {
    let given = |pair: &&str| pair.split_once('=').is_some_and(|(_, value)| !value.is_empty());
    let query: Vec<&str> = uri.query().unwrap_or_default().split('&').filter(given).collect();
    format!("/?{}", query.join("&")).parse().unwrap_or_else(|_| uri.clone())
}

/// The id in the path. What is no id is an object that does not exist.
pub struct Id(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(text)) => text.parse().map(Self).map_err(|_| Problem::not_found()),
            Err(_) => Err(Problem::not_found()),
        }
    }
}

/// Reads a field of which `null` means something else than its absence.
pub fn given<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// Reads a field of which `null` means the same as its absence.
pub fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// The longest name or other line of text, in characters.
const LINE_CHARS_MAX: usize = 255;

/// One line of text that is not empty.
pub fn line(field: &str, text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > LINE_CHARS_MAX {
        return Err(Problem::field(field, "must have 1 to 255 characters"));
    }
    if text.chars().any(char::is_control) {
        return Err(Problem::field(field, "must be one line without control characters"));
    }
    Ok(text.to_owned())
}

/// An e-mail address.
pub fn address(field: &str, text: &str) -> Result<Address, Problem> {
    Address::parse(text).ok_or_else(|| Problem::field(field, "must be an e-mail address"))
}

/// The normal form of a domain.
pub fn domain(field: &str, text: &str) -> Result<String, Problem> {
    let address = Address::parse(&format!("x@{text}"));
    match address {
        Some(address) if address.local() == "x" => Ok(address.domain().to_owned()),
        _ => Err(Problem::field(field, "must be a domain such as example.com")),
    }
}

/// The longest text that is searched for, in characters.
const SEARCH_CHARS_MAX: usize = 256;

/// A text to search for.
pub fn search(text: Option<&str>) -> Result<Option<&str>, Problem> {
    match text.map(str::trim) {
        Some(text) if text.chars().count() > SEARCH_CHARS_MAX => {
            Err(Problem::invalid("`q` must have at most 256 characters."))
        }
        Some("") | None => Ok(None),
        text => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_an_escaped_nul_and_nothing_else() {
        assert!(names_nul(br#"{"a":"x\u0000"}"#) && names_nul(br#""\\\u0000""#));
        assert!(!names_nul(br#""\\u0000""#) && !names_nul(br#""\u0001""#) && !names_nul(b"\\"));
    }

    #[test]
    fn takes_a_domain_in_its_normal_form_only() {
        assert_eq!(domain("d", "Bücher.Example").unwrap(), "xn--bcher-kva.example");
        for bad in ["", "a b", "@x", "y@z.example", "a..b", "a<b.example"] {
            assert!(domain("d", bad).is_err(), "{bad}");
        }
    }
}
