//! What goes wrong, as the client is told: problem details (RFC 9457) with a code that stays.
//! Says nothing of what only the operator may know: that is logged where it is made.

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// What went wrong, by a code that clients may rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    InvalidRequest,
    InvalidCursor,
    Unauthorized,
    Forbidden,
    NotFound,
    EventsGone,
    TooManyReaders,
    TooManyConnections,
    TooManyConnectionsOfAddress,
    TooManyWebhooks,
    MethodNotAllowed,
    Timeout,
    EmailTaken,
    ContactExists,
    ActionDoesNotFit,
    ContactNeeded,
    IdempotencyKeyInUse,
    MailboxExists,
    MailboxNotConnected,
    MessageUnderWay,
    StatusDoesNotFit,
    AttachmentLeftOut,
    MessageLeftOut,
    BodyTooLarge,
    UnsupportedMediaType,
    InvalidValue,
    PublicDomain,
    OwnDomain,
    ProviderNotReady,
    IdempotencyKeyReused,
    NoSender,
    AttachmentTooLarge,
    TypeNotAllowed,
    MessageTooLarge,
    Unsubscribed,
    Internal,
    Unavailable,
}

impl Code {
    /// The HTTP status it comes with.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest | Self::InvalidCursor => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Timeout => StatusCode::REQUEST_TIMEOUT,
            Self::EmailTaken
            | Self::ContactExists
            | Self::ActionDoesNotFit
            | Self::ContactNeeded
            | Self::MailboxExists
            | Self::MailboxNotConnected
            | Self::TooManyWebhooks
            | Self::MessageUnderWay
            | Self::StatusDoesNotFit
            | Self::IdempotencyKeyInUse => StatusCode::CONFLICT,
            Self::TooManyReaders | Self::TooManyConnectionsOfAddress => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::AttachmentLeftOut | Self::MessageLeftOut | Self::EventsGone => StatusCode::GONE,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::InvalidValue
            | Self::PublicDomain
            | Self::OwnDomain
            | Self::ProviderNotReady
            | Self::NoSender
            | Self::AttachmentTooLarge
            | Self::TypeNotAllowed
            | Self::MessageTooLarge
            | Self::Unsubscribed
            | Self::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::TooManyConnections | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The code in words: the same for every occurrence (RFC 9457 3.1.3).
    const fn title(self) -> &'static str {
        match self {
            Self::InvalidRequest => "The request cannot be read",
            Self::InvalidCursor => "The cursor is not one of this list",
            Self::Unauthorized => "A valid token is needed",
            Self::Forbidden => "This token may not do that",
            Self::NotFound => "There is no such thing",
            Self::EventsGone => "The events behind this one are not kept",
            Self::TooManyReaders => "Too many read events at once",
            Self::TooManyConnections => "All connections are taken",
            Self::TooManyConnectionsOfAddress => "Too many connections of this address",
            Self::TooManyWebhooks => "There are as many webhooks as there may be",
            Self::MethodNotAllowed => "The method does not fit the path",
            Self::Timeout => "The request took too long to arrive",
            Self::EmailTaken => "Another user has this address",
            Self::ContactExists => "There is a contact with this address",
            Self::ActionDoesNotFit => "The verdict is not in a state for this action",
            Self::ContactNeeded => "It is not known whose conversation this mail belongs to",
            Self::IdempotencyKeyInUse => "The first request with this key is not done yet",
            Self::MailboxExists => "The user has a connected mailbox",
            Self::MailboxNotConnected => "The mailbox is not connected",
            Self::ProviderNotReady => "The operator has not set this provider up",
            Self::MessageUnderWay => "The message is on its way just now",
            Self::StatusDoesNotFit => "The message has come too far for that",
            Self::AttachmentLeftOut => "The attachment was left out",
            Self::MessageLeftOut => "The message was left out",
            Self::BodyTooLarge => "The body is too large",
            Self::UnsupportedMediaType => "The body must be JSON",
            Self::InvalidValue => "A value is not acceptable",
            Self::PublicDomain => "A public mail provider cannot be a colleague domain",
            Self::OwnDomain => "The address belongs to this gateway",
            Self::IdempotencyKeyReused => "The key was used for another request",
            Self::NoSender => "Nothing can send this mail",
            Self::AttachmentTooLarge => "An attachment is too large",
            Self::TypeNotAllowed => "An attachment is of a type that is not allowed",
            Self::MessageTooLarge => "The message is too large",
            Self::Unsubscribed => "The recipients have unsubscribed",
            Self::Internal => "Something went wrong here",
            Self::Unavailable => "The store cannot be reached",
        }
    }
}

/// A problem: what every refusal of the API is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub code: Code,
    detail: Cow<'static, str>,
}

/// A problem as it is written (RFC 9457 3.1).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDetails {
    /// Always `about:blank`: the code tells problems apart.
    r#type: &'static str,
    title: &'static str,
    status: u16,
    code: Code,
    /// What was wrong this time, and what to do about it.
    detail: Cow<'static, str>,
}

impl Problem {
    /// A problem, and what to do about it.
    pub fn new(code: Code, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { code, detail: detail.into() }
    }

    /// There is no such object, or it is another sub-account's: the same answer for both.
    pub const fn not_found() -> Self {
        let detail = "Check the path and the id; what was deleted is gone.";
        Self { code: Code::NotFound, detail: Cow::Borrowed(detail) }
    }

    /// It is our fault; what it was is in the log.
    pub const fn internal() -> Self {
        let detail = "The log of the gateway says what it was. Try again later.";
        Self { code: Code::Internal, detail: Cow::Borrowed(detail) }
    }

    /// The request's own words are wrong.
    pub fn invalid(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::InvalidRequest, detail)
    }

    /// A field that was read holds something that cannot be taken.
    pub fn field(name: &str, what: &str) -> Self {
        Self::new(Code::InvalidValue, format!("`{name}` {what}."))
    }

    /// What was wrong this time, and what to do about it.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The problem as it is written.
    pub fn details(self) -> ProblemDetails {
        ProblemDetails {
            r#type: "about:blank",
            title: self.code.title(),
            status: self.code.status().as_u16(),
            code: self.code,
            detail: self.detail,
        }
    }
}

/// The media type of a problem (RFC 9457 3).
pub const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let code = self.code;
        let mut response = (code.status(), Json(self.clone().details())).into_response();
        // Pages say it in their own way.
        response.extensions_mut().insert(self);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
        match code {
            // RFC 6750 3: a refusal names the scheme.
            Code::Unauthorized => {
                let challenge = HeaderValue::from_static("Bearer realm=\"mailweave\"");
                headers.insert(header::WWW_AUTHENTICATE, challenge);
            }
            Code::Unavailable | Code::IdempotencyKeyInUse | Code::TooManyReaders => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}

impl From<crate::store::Error> for Problem {
    fn from(error: crate::store::Error) -> Self {
        use crate::store::Error;
        match &error {
            Error::Unavailable(_) | Error::Full | Error::Conflict(_) => {
                tracing::warn!(%error, "The store did not take a request.");
                Self::new(Code::Unavailable, "Try again in a moment.")
            }
            Error::Refused { .. } | Error::Damaged { .. } => {
                tracing::error!(%error, "The store failed a request.");
                Self::internal()
            }
        }
    }
}
