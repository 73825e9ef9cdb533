//! SMTP submission (RFC 6409): a connection to a mailbox's own server, signed in. lettre speaks SMTP on a
//! stream that was made here, for its own STARTTLS takes what was said in clear for the first answer
//! inside TLS; what is said in the transaction is the sender's.

mod known;
mod sign_in;
mod stream;
mod transaction;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::{ClientId, ServerInfo};
use lettre::transport::smtp::response::Response;
use rustls::ClientConfig;
use tokio::time::timeout;

use crate::model::{Host, Login};
use crate::reach::{self, Reach};

pub use known::{Known, known};
pub use transaction::Ending;

/// How connections are opened.
#[derive(Clone)]
pub struct Options {
    pub tls: Arc<ClientConfig>,
    pub reach: Reach,
    /// The name in EHLO.
    pub hello: String,
    /// For the connection and the sign-in together.
    pub open_time: Duration,
    /// For one command and its answer.
    pub command_time: Duration,
}

impl Options {
    /// With the limits that suit a provider on the internet.
    pub fn new(tls: Arc<ClientConfig>, reach: Reach, hello: &str) -> Self {
        let (open_time, command_time) = (Duration::from_secs(60), Duration::from_secs(60));
        Self { tls, reach, hello: hello.to_owned(), open_time, command_time }
    }
}

/// What must be had of a server before a mail is given to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// TLS as the host says, and the sign-in.
    Everything,
    /// TLS as the host says. A relay that asks nobody to sign in knows us by our address.
    Tls,
    /// Nothing but what the server offers: for a relay on this machine itself. What it offers is used,
    /// and if that fails there is no way back to clear text.
    Nothing,
}

/// What a server answered: the code, and its words on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    pub text: String,
}

impl Reply {
    /// RFC 5321 4.2.1: 4yz may be tried again.
    pub const fn is_transient(&self) -> bool {
        self.code / 100 == 4
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

/// Why the server did not do what was asked; by what the caller does about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers there.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// It leads where nobody but the operator may send us.
    #[error("{0}")]
    Private(String),
    /// The certificate is not to be believed, or TLS failed otherwise.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// The sign-in was refused; `json` is what an OAuth server said of it.
    #[error("the sign-in was refused: {reply}")]
    Denied { reply: Reply, json: Option<String> },
    /// A command was refused.
    #[error("{0}")]
    Refused(Reply),
    /// The server cannot do what is needed.
    #[error("the server does not offer {0}")]
    Unsupported(&'static str),
    /// The connection ended, or nothing came in time.
    #[error("the connection was lost: {0}")]
    Lost(String),
    /// The server answers what no server should.
    #[error("{0}")]
    Hostile(String),
}

impl Error {
    /// Will it help to try again later, with nothing changed?
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Lost(_) => true,
            Self::Denied { reply, .. } | Self::Refused(reply) => reply.is_transient(),
            Self::Private(_) | Self::Tls(_) | Self::Unsupported(_) | Self::Hostile(_) => false,
        }
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

impl From<lettre::transport::smtp::Error> for Error {
    fn from(error: lettre::transport::smtp::Error) -> Self {
        use std::error::Error as _;
        let text = error.source().map(|source| one_line(&source.to_string())).unwrap_or_default();
        match error.status() {
            Some(code) => Self::Refused(Reply { code: code.into(), text }),
            None if error.is_response() => {
                Self::Hostile("the server's answer cannot be read".into())
            }
            None => Self::Lost(text),
        }
    }
}

/// Answers of a server on one line, and not beyond what a person reads.
fn one_line(text: &str) -> String {
    const CHARS_MAX: usize = 500;
    let spaced = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    spaced.take(CHARS_MAX).collect::<String>().trim().to_owned()
}

/// A connection that is signed in. It serves one transaction after the other; after an error, or when a
/// command was given up, it is dropped: nobody knows any more which answer belongs to what.
pub struct Connection {
    smtp: AsyncSmtpConnection,
    command_time: Duration,
    mark: stream::Mark,
}

impl Connection {
    /// Connects and signs in.
    pub async fn open(options: &Options, host: &Host, login: &Login) -> Result<Self, Error> {
        Self::open_with(options, host, Some(login), Demand::Everything).await
    }

    /// The same, for a relay that may need less of us: `None` signs nobody in.
    pub async fn open_with(
        options: &Options,
        host: &Host,
        login: Option<&Login>,
        demand: Demand,
    ) -> Result<Self, Error> {
        let open = async {
            let stream = stream::connect(options, host, demand).await?;
            let mark = stream.mark();
            let hello = ClientId::Domain(options.hello.clone());
            let smtp =
                AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello).await?;
            let mut connection = Self { smtp, command_time: options.command_time, mark };
            let asks = sign_in::is_offered(&connection) || demand == Demand::Everything;
            if let Some(login) = login.filter(|_| asks) {
                sign_in::sign_in(&mut connection, login).await?;
            }
            Ok(connection)
        };
        match timeout(options.open_time, open).await {
            Ok(opened) => opened,
            Err(_) => Err(Error::Unreachable(format!("{host} does not answer in time"))),
        }
    }

    /// What the server offered after the handshake.
    pub fn server(&self) -> &ServerInfo {
        self.smtp.server_info()
    }

    /// One command, with its CRLF, and the answer to it, in time.
    pub async fn command(&mut self, command: impl fmt::Display) -> Result<Response, Error> {
        let answer = timeout(self.command_time, self.smtp.command(command)).await;
        Ok(answer.map_err(|_| Error::Lost("no answer in time".to_owned()))??)
    }

    /// The connection as lettre has it, for what takes other times than a command.
    pub const fn smtp(&mut self) -> &mut AsyncSmtpConnection {
        &mut self.smtp
    }

    /// Says goodbye; what is answered does not matter.
    pub async fn quit(mut self) {
        let _ = self.command("QUIT\r\n").await;
    }
}
