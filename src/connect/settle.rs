//! The end of both ways in: a connection is proved, and becomes the mailbox's.

use std::sync::Arc;

use super::prove::{self, Proof};
use super::{Connector, Error, Inner, new_ids};
use crate::clock;
use crate::model::{Account, Address, Credentials, EventId, Login, SubAccountId};
use crate::store::{Ended, Proved, StoredConnection};

use super::secret::Kept;

/// What a mailbox that was proved without a folder of sent mail is told.
const NO_SENT_FOLDER: &str = "The folder of sent mail was not recognised by its name; it is learnt from the \
                              first mail that is sent.";

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
            let address = connection.address.clone().ok_or(Error::Nobody)?;
            let account = connection.account.clone();
            let login = Login {
                username: account.username.clone(),
                credentials: Credentials::Password(password),
            };
            this.settle(of, &connection, (address, account), &login).await.map(drop)
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
        let inner = &self.0;
        let proof = self.prove(&account, login).await;
        if let Some(failure) = proof.failure() {
            let text = failure.to_string();
            inner.store.set_connection_detail(of, connection.id, Some(&text)).await?;
            tracing::info!(connection.id = %connection.id, code = "connection_unproved", "Connection {} could not be proved: {text}", connection.id);
            return Ok(Some(text));
        }
        let ended = inner.activate(of, connection, (address, account), proof).await?;
        if let Some(ended) = ended {
            self.revoke_later(of, ended);
        }
        Ok(None)
    }

    /// Proves that a mailbox can be signed in to, waited for, and sent through.
    pub async fn prove(&self, account: &Account, login: &Login) -> Proof {
        let inner = Arc::clone(&self.0);
        Box::pin(prove::prove(&inner.imap, &inner.submission, account, login)).await
    }
}

impl Inner {
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
