//! Why a mail that was written is not taken, beside the field that it lies in, in words for who wrote it. The
//! rules are those of the API.

use uuid::Uuid;

use super::compose::new_id;
use super::draft::{ADDRESSES_MAX, BadLine};
use super::files::{self, Gone};
use crate::model::{Person, SubAccountId};
use crate::send::flow;
use crate::web::State;
use crate::web::error::{Code, Problem};
use crate::web::ui::failure::Failure;
use crate::web::ui::{Errors, Fields, text};

/// Why a mail was not taken.
pub enum Refused {
    Because(Errors),
    /// It is the form of a mail that was taken back: the browser went back to it.
    TakenBack,
    Failed(Failure),
}

impl Refused {
    /// As which draft the form is shown again, and what is wrong with it.
    pub fn again(self, fields: &Fields) -> Result<(Uuid, Errors), Failure> {
        match self {
            Self::Because(errors) => {
                Ok((fields.text("draft").parse().unwrap_or_else(|_| new_id()), errors))
            }
            Self::TakenBack => {
                Ok((new_id(), Errors::of_field("", text::words("error.taken_back"))))
            }
            Self::Failed(failure) => Err(failure),
        }
    }

    /// Something is wrong with a field; with none, with the mail as a whole.
    pub fn field(field: &str, key: &str) -> Self {
        Self::Because(Errors::of_field(field, text::words(key)))
    }

    /// A line is no line of addresses.
    pub fn line(field: &str, bad: &BadLine<'_>) -> Self {
        let words = match bad {
            BadLine::NoAddress(bad) => text::with("error.compose_address", bad),
            BadLine::TooMany => text::with("error.compose_addresses", ADDRESSES_MAX),
        };
        Self::Because(Errors::of_field(field, words))
    }

    /// A smart BCC address is among the recipients.
    pub fn own_address(field: &str, ours: &Person) -> Self {
        let words = text::with("error.compose_own", ours.email.written());
        Self::Because(Errors::of_field(field, words))
    }

    /// A file of another mail does not go along.
    pub fn file(gone: Gone) -> Self {
        let error = match gone {
            Gone::Erased(name) => text::with("error.compose_gone", name),
            Gone::TooLarge => files::too_large(),
            Gone::Failed(failure) => return Self::Failed(failure),
        };
        Self::Because(Errors::of_field("files", error))
    }

    /// It was not queued: about a file, beside the files; else what the API would say of it.
    pub async fn by_flow(state: &State, of: SubAccountId, error: flow::Error) -> Self {
        let refusal = match error {
            flow::Error::Refused(refusal) => refusal,
            error => return Self::by_problem(Problem::from(error)),
        };
        match files::refused(state, of, &refusal).await {
            Ok(Some(words)) => Self::Because(Errors::of_field("files", words)),
            Ok(None) => Self::field("", "error.no_sender"),
            Err(failure) => Self::Failed(failure),
        }
    }

    fn by_problem(problem: Problem) -> Self {
        match problem.code {
            Code::Internal | Code::Unavailable => Self::Failed(problem.into()),
            _ => Self::Because(Errors::of_field("", problem.detail())),
        }
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}
