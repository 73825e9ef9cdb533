//! Connecting mailboxes (M1 to M6): consent or password, proof, and the end of a connection. The spine is
//! `begin`, where a connection begins, and `finish`, where a consent comes back; both end in `settle`, which
//! proves it and makes it the mailbox's. `tokens` answers who signs in later.

mod begin;
mod end;
mod finish;
mod prove;
mod remedy;
mod secret;
mod settle;
mod tokens;
mod told;

use std::sync::Arc;

use rustls::ClientConfig;

use crate::model::{
    ConnectionId, MailboxId, MailboxState, NewIds, Provider, Providers, SubAccountId,
};
use crate::reach::Reach;
use crate::secrets::Secrets;
use crate::store::{self, Store, StoredConnection};
use crate::watch::imap;
use crate::{clock, oauth, submission};

pub use crate::watch::imap::folders::decoded as folder_name;
pub use begin::{Again, Started, Wanted};
pub use finish::{Callback, Finished};
pub use prove::{Proof, Step};
pub use remedy::Failure;
pub use told::detail;

/// What connecting works with.
pub struct Options {
    pub store: Arc<Store>,
    pub secrets: Secrets,
    pub providers: Providers,
    pub tls: Arc<ClientConfig>,
    pub reach: Reach,
    /// The name in EHLO.
    pub hostname: String,
    /// How browsers reach us; providers send them back below it.
    pub public_url: String,
}

/// Connects mailboxes, and knows how they are signed in to. Clones share everything.
#[derive(Clone)]
pub struct Connector(Arc<Inner>);

struct Inner {
    store: Arc<Store>,
    secrets: Secrets,
    providers: Providers,
    oauth: oauth::Client,
    imap: imap::Options,
    submission: submission::Options,
    /// Compared by the provider letter by letter (RFC 9700 2.1).
    redirect: String,
    tokens: tokens::Tokens,
}

/// Why nothing was begun; by what the caller does about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no provider {name:?}; there are {known}")]
    UnknownProvider { name: String, known: String },
    /// The operator has registered no application there.
    #[error(
        "the operator has not set up {name}: it needs providers.{name}.client_id in the configuration"
    )]
    NotReady { name: String },
    /// Something that was given cannot be used, or something is missing.
    #[error("{name} {what}")]
    Field { name: &'static str, what: &'static str },
    #[error("the user has a connected mailbox")]
    Taken,
    #[error("there is no such user or mailbox")]
    Nobody,
    #[error("the mailbox is not connected")]
    NotConnected,
    #[error(transparent)]
    OAuth(#[from] oauth::Error),
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// A connection, and whose it is.
type Place = (SubAccountId, ConnectionId);

impl Connector {
    /// Ready to connect.
    pub fn new(options: Options) -> Result<Self, oauth::Error> {
        let Options { store, secrets, providers, tls, reach, hostname, public_url } = options;
        Ok(Self(Arc::new(Inner {
            store,
            secrets,
            providers,
            oauth: oauth::Client::new(&tls)?,
            imap: imap::Options::new(Arc::clone(&tls)).within(reach.clone()),
            submission: submission::Options::new(tls, reach, &hostname),
            redirect: format!("{public_url}/oauth/callback"),
            tokens: tokens::Tokens::default(),
        })))
    }

    /// The providers that there are.
    pub fn providers(&self) -> &Providers {
        &self.0.providers
    }

    /// How IMAP sessions are opened.
    pub fn imap(&self) -> &imap::Options {
        &self.0.imap
    }

    /// How connections for submission are opened.
    pub fn submission(&self) -> &submission::Options {
        &self.0.submission
    }

    /// The page of the provider on which a consent can be taken back by hand.
    pub fn consent_url(&self, provider: &str) -> Option<String> {
        let oauth = self.0.providers.get(provider)?.oauth()?;
        oauth.consent_url.as_ref().map(ToString::to_string)
    }

    /// Work that is to be done to its end, though who asked for it may go away: a token that was given
    /// must be stored, whoever still waits.
    async fn to_the_end<T: Send + 'static>(
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        tokio::spawn(work).await.ok()
    }
}

impl Inner {
    fn provider(&self, name: &str) -> Result<&Provider, Error> {
        let unknown = || {
            let known: Vec<&str> = self.providers.keys().map(String::as_str).collect();
            Error::UnknownProvider { name: name.to_owned(), known: known.join(", ") }
        };
        let provider = self.providers.get(name).ok_or_else(unknown)?;
        match provider.is_ready() {
            true => Ok(provider),
            false => Err(Error::NotReady { name: name.to_owned() }),
        }
    }

    /// The connection that a mailbox is authorised again through.
    async fn connection_of(
        &self,
        of: SubAccountId,
        id: MailboxId,
    ) -> Result<StoredConnection, Error> {
        let mailbox = self.store.mailbox(of, id).await?.ok_or(Error::Nobody)?;
        // One that has ended is only the last that there was.
        let open = mailbox.connection.filter(|it| it.state != MailboxState::Disconnected);
        open.or(mailbox.pending).ok_or(Error::NotConnected)
    }
}

/// Ids for what is made now.
fn new_ids() -> NewIds {
    NewIds::new(clock::now(), clock::seed())
}
