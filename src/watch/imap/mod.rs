//! IMAP (RFC 3501) as far as a watcher needs it. async-imap reads the answers; the commands are written
//! here, because its own take a refusal or an early end for success. A guard stands under its parser.

mod fetch;
pub mod folders;
pub mod guard;
mod idle;
mod session;
mod sign_in;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use crate::reach::{self, Reach};

pub use folders::{Listed, Roles};
pub use idle::Wake;
pub use session::{Selected, Session, Status};
pub(super) use sign_in::will_pass;

/// How sessions are opened.
#[derive(Clone)]
pub struct Options {
    pub tls: Arc<ClientConfig>,
    pub reach: Reach,
    /// For the connection and the sign-in together.
    pub open_time: Duration,
    /// For a command; for a large body, for each piece of it.
    pub command_time: Duration,
}

impl Options {
    /// With the limits that suit a provider on the internet.
    pub fn new(tls: Arc<ClientConfig>) -> Self {
        let (open_time, command_time) = (Duration::from_secs(60), Duration::from_secs(60));
        Self { tls, reach: Reach::anywhere(), open_time, command_time }
    }

    /// To hosts within reach alone (D12).
    #[must_use]
    pub fn within(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }
}

/// Why the server did not do what was asked; by what the caller does about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers there.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// Nobody lets us in, in the time there is; who knows what work that makes.
    #[error("cannot be reached: {0}")]
    Silent(String),
    /// It leads where nobody but the operator may send us.
    #[error("{0}")]
    Private(String),
    /// The certificate is not to be believed, or TLS failed otherwise.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The sign-in was refused; `json` is what an OAuth server said of it.
    #[error("the sign-in was refused: {text}")]
    Denied { text: String, json: Option<String> },
    /// A command was refused: NO, or BAD, which says that it was not even understood.
    #[error("{command} was refused: {text}")]
    Refused { command: String, text: String, is_bad: bool },
    /// The server cannot do what is needed.
    #[error("the server does not offer {0}")]
    Unsupported(&'static str),
    /// The connection ended, or nothing came in time; a BYE says why.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// The server answers what no server should.
    #[error("{0}")]
    Hostile(String),
}

impl Error {
    /// Will it help to try again later, with nothing changed?
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable(_) | Self::Silent(_) | Self::Lost(_) | Self::Refused { .. }
        )
    }
}

impl From<reach::Error> for Error {
    fn from(error: reach::Error) -> Self {
        match error {
            reach::Error::Private(_) => Self::Private(error.to_string()),
            reach::Error::Unreachable(why) => Self::Unreachable(why),
            reach::Error::Tls(why) => Self::Tls(why),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Lost(error.to_string())
    }
}

impl From<Error> for super::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied { .. } => Self::Denied(error.to_string()),
            Error::Tls(why) => Self::Untrusted(why),
            Error::Hostile(_) | Error::Unsupported(_) | Error::Private(_) => {
                Self::Broken(error.to_string())
            }
            Error::Refused { .. } => Self::Refused(error.to_string()),
            Error::Unreachable(why) => Self::Unreachable(why),
            Error::Silent(why) | Error::Lost(why) => Self::Lost(why),
        }
    }
}
