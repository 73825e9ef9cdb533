//! How a mailbox is signed in to, for those who watch it and those who send through it, and how it is told
//! that it cannot be watched. Only what is asked: who answers, with a password or with a fresh token, is
//! not known here.

use std::future::Future;

use crate::model::{ConnectionId, Login, SubAccountId};

/// Who knows how mailboxes are signed in to.
pub trait Logins: Send + Sync + 'static {
    /// What the connection is signed in with; `renew`: what was given last was refused.
    fn login(
        &self,
        of: SubAccountId,
        connection: ConnectionId,
        renew: bool,
    ) -> impl Future<Output = Result<Login, LoginError>> + Send;

    /// The server goes on refusing: the user must be asked (M3).
    fn refused(
        &self,
        of: SubAccountId,
        connection: ConnectionId,
        text: &str,
    ) -> impl Future<Output = ()> + Send;

    /// The mailbox cannot be watched for now (F1, F9); `None`: it can.
    fn watched(
        &self,
        of: SubAccountId,
        connection: ConnectionId,
        trouble: Option<&Trouble>,
    ) -> impl Future<Output = ()> + Send;
}

/// Why a mailbox cannot be watched, by what helps; with the words of the server, or of the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    Unreachable(String),
    Lost(String),
    Refused(String),
    /// Its certificate is not to be believed.
    Untrusted(String),
    /// It answers what no server should.
    Broken(String),
    /// What it answers about some mails cannot be read.
    Unreadable(String),
    /// Our own code failed.
    Failed,
}

/// Why there is nothing to sign in with.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The user must consent again; it is told already.
    #[error("the mailbox must be authorised again")]
    NeedsReauth,
    /// Not just now: the provider or the store does not answer.
    #[error("{0}")]
    Unavailable(String),
}

impl LoginError {
    /// Will it help to try again later, with nothing changed?
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}
