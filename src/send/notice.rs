//! A mail of the gateway itself to one person: an invitation, the link that confirms an address, a test. It goes
//! out through the sub-account's relay while somebody waits, and what the relay answers is told in its words. It
//! is kept nowhere: it may hold a link that signs in.

use std::sync::Arc;
use std::time::Duration;

use super::{flow, relay};
use crate::clock;
use crate::mail::compose::{self, Draft};
use crate::mail::thread_index::ThreadIndex;
use crate::model::outgoing::{Relay, Route};
use crate::model::{Address, Person, SubAccountId, Time};
use crate::secrets::Secrets;
use crate::store::{self, Store};
use crate::submission::{self, Ending};

/// So long does somebody wait for a page.
const TIME_MAX: Duration = Duration::from_secs(30);
/// RFC 3834 5: no program answers it.
const AUTOMATIC: &[u8] = b"Auto-Submitted: auto-generated\r\n";

/// Sends notices.
pub struct Notices {
    pub store: Arc<Store>,
    pub secrets: Secrets,
    /// To relays, which customers name.
    pub relays: submission::Options,
}

/// What is said, and to whom.
#[derive(Clone, Debug)]
pub struct Notice {
    pub to: Person,
    pub subject: String,
    pub text: String,
    /// A name of the IANA time zone database.
    pub time_zone: String,
}

/// Why it was not sent.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The sub-account has none, or it cannot be read any more.
    #[error("the sub-account has no SMTP relay")]
    NoRelay,
    /// What the relay answered, or how it could not be asked.
    #[error("{0}")]
    Relay(String),
}

impl Notices {
    /// Is there a relay to send through?
    pub async fn can_send(&self, of: SubAccountId) -> Result<bool, store::Error> {
        Ok(self.relay(of).await?.is_some())
    }

    /// Sends it; what the relay answered when it took it.
    pub async fn send(&self, of: SubAccountId, notice: Notice) -> Result<String, Error> {
        let relay = self.relay(of).await?.ok_or(Error::NoRelay)?;
        let from = Address::parse(&relay.default_from).ok_or(Error::NoRelay)?;
        let mut route = Route::new(from.clone(), [notice.to.email.clone()]);
        let content = [AUTOMATIC, &compose::write(&draft(from, notice, clock::now()))].concat();
        let sent = tokio::time::timeout(TIME_MAX, self.submit(&relay, &mut route, &content)).await;
        let late = |_| Error::Relay(format!("{}: no answer within 30 seconds", relay.host));
        sent.map_err(late)?.map_err(Error::Relay)
    }

    async fn submit(
        &self,
        relay: &Relay,
        route: &mut Route,
        content: &[u8],
    ) -> Result<String, String> {
        let mut connection = relay::connect(&self.relays, relay).await?;
        let told = |words: &dyn std::fmt::Display| format!("{}: {words}", relay.host);
        connection.offer(route, content).await.map_err(|error| told(&error))?;
        match connection.hand_over(content).await {
            Ending::Accepted(reply) => Ok(told(&reply)),
            Ending::Refused(reply) => Err(told(&reply)),
            Ending::Lost(why) => Err(told(&why)),
            Ending::Unknown => Err(told(&"the connection was lost while it was answering")),
        }
    }

    async fn relay(&self, of: SubAccountId) -> Result<Option<Relay>, store::Error> {
        let settings = self.store.account_settings(of).await?;
        let sealed = settings.and_then(|settings| settings.provider);
        Ok(sealed.and_then(|sealed| relay::unseal(&self.secrets, of, &sealed).ok()))
    }
}

fn draft(from: Address, notice: Notice, now: Time) -> Draft {
    Draft {
        message_id: flow::new_message_id(&from),
        from: Person { email: from, name: Some("Mailweave".to_owned()) },
        reply_to: None,
        to: vec![notice.to],
        cc: Vec::new(),
        subject: notice.subject,
        date: now,
        time_zone: notice.time_zone,
        in_reply_to: None,
        references: Vec::new(),
        thread_index: ThreadIndex::begin(now, clock::random_bytes()),
        text: Some(notice.text),
        html: None,
        files: Vec::new(),
        unsubscribe_url: None,
    }
}
