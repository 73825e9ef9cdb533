//! The end of a connection (M4, M5): its secrets are erased here at once, and taken back at the provider
//! where it offers that for this one application (RFC 7009). Nobody is signed out anywhere.

use std::time::Duration;

use secrecy::SecretString;

use super::secret::Kept;
use super::{Connector, Error, new_ids};
use crate::clock;
use crate::model::{EventId, MailboxId, OAuth, SubAccountId};
use crate::store::Ended;

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
            self.give_back(oauth.clone(), Some(refresh));
        }
    }

    /// Takes a refresh token back where the provider lets us, beside everything else.
    pub(super) fn give_back(&self, oauth: OAuth, refresh: Option<SecretString>) {
        let Some(refresh) = refresh.filter(|_| oauth.revoke_url.is_some()) else { return };
        let client = self.0.oauth.clone();
        tokio::spawn(async move {
            for tried in 1..=TRIES {
                match client.revoke(&oauth, &refresh).await {
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
