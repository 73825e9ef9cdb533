//! What goes wrong, as a page: what happened and what to do about it, or the way to sign in.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use super::{assets, filters, page, text};
use crate::web::error::{Code, Problem};

/// Why there is no page.
#[derive(Debug)]
pub enum Failure {
    /// Nobody is signed in; afterwards it goes on at this path.
    SignIn(Option<String>),
    /// A page that says what happened.
    Page { status: StatusCode, title: &'static str, detail: String },
}

impl Failure {
    /// A failure whose title and detail are the words of `KEY` and `KEY_detail`.
    pub fn new(status: StatusCode, key: &'static str) -> Self {
        let detail = text::words(&format!("{key}_detail")).to_owned();
        Self::Page { status, title: text::words(key), detail }
    }

    /// There is no such page, or it is somebody else's: the same answer for both.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "error.not_found")
    }

    /// Somebody else may see it: an admin.
    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "error.forbidden")
    }

    /// It is our fault; what it was is in the log.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "error.internal")
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        match problem.code {
            Code::NotFound => Self::not_found(),
            Code::Forbidden => Self::forbidden(),
            Code::Internal => Self::internal(),
            Code::Unavailable => Self::new(StatusCode::SERVICE_UNAVAILABLE, "error.unavailable"),
            code => {
                let (status, title) = (code.status(), text::words("error.refused"));
                Self::Page { status, title, detail: problem.detail().to_owned() }
            }
        }
    }
}

impl From<crate::store::Error> for Failure {
    fn from(error: crate::store::Error) -> Self {
        Problem::from(error).into()
    }
}

#[derive(Template)]
#[template(path = "failure.html", config = "src/web/ui/askama.toml")]
struct FailurePage {
    status: u16,
    title: &'static str,
    detail: String,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::SignIn(next) => {
                let query = next.map(|next| {
                    let next: String =
                        url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
                    format!("?next={next}")
                });
                Redirect::to(&format!("/sign-in{}", query.unwrap_or_default())).into_response()
            }
            Self::Page { status, title, detail } => {
                let shown = FailurePage { status: status.as_u16(), title, detail };
                (status, page(&shown)).into_response()
            }
        }
    }
}
