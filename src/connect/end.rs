//! The end of a connection (M4, M5): its secrets are erased here at once, and taken back at the provider
//! where it offers that for this one application (RFC 7009). Nobody is signed out anywhere.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::secret::Kept;
use super::{Connector, Error, Inner, new_ids};
use crate::clock;
use crate::model::{Address, EventId, MailboxId, OAuth, SubAccountId, UserId};
use crate::store::{Ended, Position, Window};

/// Of a user, that are not disconnected, there is one.
const MAILBOXES_MAX: i64 = 100;
/// So often is a revocation tried.
const TRIES: u32 = 4;
/// The pause after the first try; each is longer than the one before.
const PAUSE: Duration = Duration::from_secs(5);

impl Connector {
    /// Disconnects a mailbox. `false`: there is none.
    pub async fn disconnect(&self, of: SubAccountId, id: MailboxId) -> Result<bool, Error> {
        let told = (EventId(new_ids().next_id()), clock::now());
        let Some(ended) = self.0.store.disconnect_mailbox(of, id, told).await? else {
            return Ok(false);
        };
        for ended in ended {
            self.revoke_later(of, ended);
        }
        Ok(true)
    }

    /// Leaves another account that is being connected to a mailbox. `false`: there is none.
    pub async fn leave(&self, of: SubAccountId, id: MailboxId) -> Result<bool, Error> {
        let Some(ended) = self.0.store.leave_pending(of, id).await? else { return Ok(false) };
        self.revoke_later(of, ended);
        Ok(true)
    }

    /// Disconnects whatever mailboxes a user has, as when the user goes.
    pub async fn disconnect_all(&self, of: SubAccountId, user: UserId) -> Result<(), Error> {
        self.disconnect_each(of, Some(user)).await
    }

    /// Ends all mailboxes of a sub-account, as [`Self::disconnect`] does.
    pub async fn disconnect_everybody(&self, of: SubAccountId) -> Result<(), Error> {
        self.disconnect_each(of, None).await
    }

    async fn disconnect_each(&self, of: SubAccountId, user: Option<UserId>) -> Result<(), Error> {
        let mut after = None;
        loop {
            let window = Window { after, limit: MAILBOXES_MAX };
            let mailboxes = self.0.store.mailboxes(of, user, window).await?;
            let Some(last) = mailboxes.last() else { return Ok(()) };
            after = Some(Position { at: 0, id: last.id.0 });
            for mailbox in mailboxes {
                self.disconnect(of, mailbox.id).await?;
            }
        }
    }

    /// Tracks the threads of an earlier connection again (M5). Answers how many.
    pub async fn resume(&self, of: SubAccountId, id: MailboxId) -> Result<usize, Error> {
        match self.0.store.resume_mailbox(of, id, clock::now()).await? {
            Some(threads) => Ok(threads),
            None if self.0.store.mailbox(of, id).await?.is_none() => Err(Error::Nobody),
            None => Err(Error::NotConnected),
        }
    }

    /// Takes the consent of a connection that ended back, beside everything else.
    pub(super) fn revoke_later(&self, of: SubAccountId, ended: Ended) {
        let place = (of, ended.id);
        self.0.tokens.forget(place);
        let provider = self.0.providers.get(&ended.provider);
        let Some(oauth) = provider.and_then(|provider| provider.oauth()) else { return };
        let kept = ended.secret.and_then(|sealed| Kept::unseal(&self.0.secrets, place, &sealed));
        if let Some(Kept::RefreshToken(refresh)) = kept {
            self.give_back((ended.provider, oauth.clone()), ended.address, Some(refresh));
        }
    }

    /// Takes a refresh token of an account back where the provider lets us, beside everything else. Not
    /// while another connection lives by a consent of that account (M6): providers end them together.
    pub(super) fn give_back(
        &self,
        (provider, oauth): (String, OAuth),
        account: Option<Address>,
        refresh: Option<SecretString>,
    ) {
        let Some(refresh) = refresh.filter(|_| oauth.revoke_url.is_some()) else { return };
        let inner = Arc::clone(&self.0);
        tokio::spawn(async move {
            for tried in 1..=TRIES {
                if inner.is_needed(&provider, account.as_ref()).await {
                    return;
                }
                match inner.oauth.revoke(&oauth, &refresh).await {
                    Ok(_) => return,
                    Err(error) => {
                        tracing::warn!(code = "token_not_revoked", %error, "A token could not be revoked at the provider; it is erased here.");
                    }
                }
                tokio::time::sleep(PAUSE * tried).await;
            }
        });
    }
}

impl Inner {
    /// Is there a connection that would end with this account's consent? Who cannot say takes nothing away.
    async fn is_needed(&self, provider: &str, account: Option<&Address>) -> bool {
        match account {
            Some(address) => self.store.is_consented(provider, address).await.unwrap_or(true),
            None => false,
        }
    }
}
