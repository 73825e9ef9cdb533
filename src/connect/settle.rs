//! The end of both ways in: a connection is proved, and becomes the mailbox's.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use secrecy::SecretString;

use super::prove::{self, Proof};
use super::{Connector, Error, Inner, Place, new_ids};
use crate::clock;
use crate::model::{Account, Address, Credentials, EventId, Login, MailboxState, SubAccountId};
use crate::store::{Ended, Proved, StoredConnection};

use super::secret::Kept;

/// What a mailbox that was proved without a folder of sent mail is told.
pub(super) const NO_SENT_FOLDER: &str = "The folder of sent mail was not recognised by its name; it is learnt \
                                         from the first mail that is sent.";

impl Connector {
    /// Proves a connection with the password that is kept of it. What fails is told in its detail.
    pub(super) async fn settle_password(
        &self,
        of: SubAccountId,
        connection: StoredConnection,
    ) -> Result<(), Error> {
        let this = self.clone();
        let work = async move {
            let inner = &this.0;
            let place = (of, connection.id);
            let secret = inner.store.connection_secret(of, connection.id).await?;
            let sealed = secret.and_then(|secret| secret.sealed);
            let kept = sealed.and_then(|sealed| Kept::unseal(&inner.secrets, place, &sealed));
            let Some(Kept::Password(password)) = kept else { return Err(Error::NotConnected) };
            let (whose, login) = with_password(&connection, password)?;
            this.settle(of, &connection, whose, &login).await.map(drop)
        };
        Self::to_the_end(work).await.unwrap_or(Err(Error::NotConnected))
    }

    /// Proves a connection with another password, and keeps that. While one works it stays until the other
    /// is proved: a typo does not end it.
    pub(super) async fn change_password(
        &self,
        of: SubAccountId,
        connection: StoredConnection,
        password: SecretString,
    ) -> Result<(), Error> {
        let this = self.clone();
        let work = async move {
            let (inner, place) = (&this.0, (of, connection.id));
            let works = connection.state == MailboxState::Active;
            let kept = Kept::Password(password.clone());
            if !works {
                inner.keep_password(place, &kept).await?;
            }
            let (whose, login) = with_password(&connection, password)?;
            let Ok(proof) = this.proved(of, &connection, &whose.1, &login).await? else {
                return Ok(());
            };
            if works {
                inner.keep_password(place, &kept).await?;
            }
            this.activate(of, &connection, whose, proof).await
        };
        Self::to_the_end(work).await.unwrap_or(Err(Error::NotConnected))
    }

    /// Proves a connection and makes it the mailbox's (M2). Answers why it could not be proved, if so; the
    /// connection's detail says it, too.
    pub(super) async fn settle(
        &self,
        of: SubAccountId,
        connection: &StoredConnection,
        (address, account): (Address, Account),
        login: &Login,
    ) -> Result<Option<String>, Error> {
        match self.proved(of, connection, &account, login).await? {
            Ok(proof) => {
                self.activate(of, connection, (address, account), proof).await?;
                Ok(None)
            }
            Err(text) => Ok(Some(text)),
        }
    }

    /// Proves a connection. What fails is told in its detail, and answered.
    async fn proved(
        &self,
        of: SubAccountId,
        connection: &StoredConnection,
        account: &Account,
        login: &Login,
    ) -> Result<Result<Proof, String>, Error> {
        let proof = self.prove(account, login).await;
        let Some(failure) = proof.failure() else { return Ok(Ok(proof)) };
        let text = failure.to_string();
        self.0.store.set_connection_detail(of, connection.id, Some(&text)).await?;
        tracing::info!(connection.id = %connection.id, code = "connection_unproved", "Connection {} could not be proved: {text}", connection.id);
        Ok(Err(text))
    }

    async fn activate(
        &self,
        of: SubAccountId,
        connection: &StoredConnection,
        whose: (Address, Account),
        proof: Proof,
    ) -> Result<(), Error> {
        if let Some(ended) = self.0.activate(of, connection, whose, proof).await? {
            self.revoke_later(of, ended);
        }
        Ok(())
    }

    /// Proves that a mailbox can be signed in to, waited for, and sent through.
    pub async fn prove(&self, account: &Account, login: &Login) -> Proof {
        let inner = Arc::clone(&self.0);
        let proving = prove::prove(&inner.imap, &inner.submission, account, login);
        // Somebody waits for a sentence, whatever fails.
        AssertUnwindSafe(Box::pin(proving)).catch_unwind().await.unwrap_or_else(|_| Proof::failed())
    }
}

/// Whose connection it is, and how it is signed in to.
fn with_password(
    connection: &StoredConnection,
    password: SecretString,
) -> Result<((Address, Account), Login), Error> {
    let address = connection.address.clone().ok_or(Error::Nobody)?;
    let account = connection.account.clone();
    let username = account.username.clone();
    let login = Login { username, credentials: Credentials::Password(password) };
    Ok(((address, account), login))
}

impl Inner {
    /// Keeps it in the place of what was kept.
    async fn keep_password(&self, (of, id): Place, kept: &Kept) -> Result<(), Error> {
        let sealed = kept.seal(&self.secrets, (of, id));
        let secret = self.store.connection_secret(of, id).await?.ok_or(Error::Nobody)?;
        match self.store.swap_secret(of, id, secret.version, &sealed).await? {
            true => Ok(()),
            false => Err(Error::NotConnected),
        }
    }

    async fn activate(
        &self,
        of: SubAccountId,
        connection: &StoredConnection,
        (address, account): (Address, Account),
        proof: Proof,
    ) -> Result<Option<Ended>, Error> {
        let has_sent = proof.sent_folder.is_some() || connection.sent_folder.is_some();
        let detail = (!has_sent).then(|| NO_SENT_FOLDER.to_owned());
        let proved = Proved { address, account, sent_folder: proof.sent_folder, detail };
        let told = (EventId(new_ids().next_id()), clock::now());
        Ok(self.store.activate_connection(of, connection.id, &proved, told).await?)
    }
}
