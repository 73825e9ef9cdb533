//! Where a connection begins: what a user wants is checked, kept, and either tried at once (a password) or
//! the user is sent to the provider (a consent).

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::secret::Kept;
use super::{Connector, Error, Inner, Place, new_ids};
use crate::clock;
use crate::model::{
    Access, Account, Address, Auth, ConnectionId, Host, MailboxId, Provider, SubAccountId, UserId,
};
use crate::oauth;
use crate::store::{Begun, NewConnection, StoredConsent};

/// A consent is waited for so long.
const CONSENT_SECONDS: i64 = 600;
/// Longer user names and passwords are no server's.
const TEXT_BYTES_MAX: usize = 1_024;

/// What a user wants to connect.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// A provider's name; `None`: the one of the mailbox that is replaced.
    pub provider: Option<String>,
    pub address: Option<Address>,
    pub imap: Option<Host>,
    pub smtp: Option<Host>,
    pub username: Option<String>,
    pub password: Option<SecretString>,
    /// The session that asks: only the browser that holds it can bring the consent back. `None`: the CRM
    /// asks, and sends its user's browser.
    pub session: Option<[u8; 32]>,
}

/// What a user brings who authorises a mailbox again.
#[derive(Clone, Debug, Default)]
pub struct Again {
    pub password: Option<SecretString>,
    /// As in [`Wanted`].
    pub session: Option<[u8; 32]>,
}

/// What was begun.
#[derive(Clone, Debug)]
pub struct Started {
    pub mailbox: MailboxId,
    /// Where the user consents; `None`: a password was tried already.
    pub authorization_url: Option<String>,
}

/// What proves the answer to a consent, sealed beside it.
#[derive(Serialize, Deserialize)]
pub(super) struct Waiting {
    pub verifier: String,
    pub nonce: String,
    pub redirect: String,
    pub session: Option<[u8; 32]>,
}

impl Connector {
    /// Begins to connect a mailbox of a user (M1).
    pub async fn connect(
        &self,
        of: SubAccountId,
        user: UserId,
        wanted: Wanted,
    ) -> Result<Started, Error> {
        let inner = &self.0;
        let (new, provider) = inner.new_connection(of, &wanted)?;
        let id = MailboxId(new_ids().next_id());
        let begun = inner.store.connect_mailbox(of, user, (id, new.clone()), clock::now()).await?;
        self.go_on(of, begun, &new, (provider, wanted.session)).await
    }

    /// Begins to connect another account in the place of the connected one (M4).
    pub async fn replace(
        &self,
        of: SubAccountId,
        id: MailboxId,
        mut wanted: Wanted,
    ) -> Result<Started, Error> {
        let inner = &self.0;
        let mailbox = inner.store.mailbox(of, id).await?.ok_or(Error::Nobody)?;
        let former = mailbox.connection.ok_or(Error::NotConnected)?;
        wanted.provider.get_or_insert(former.provider);
        let (new, provider) = inner.new_connection(of, &wanted)?;
        match inner.store.replace_mailbox(of, id, &new, clock::now()).await? {
            Begun::Nobody => Err(Error::NotConnected),
            begun => self.go_on(of, begun, &new, (provider, wanted.session)).await,
        }
    }

    /// Asks for consent, or for the password, again (M3); also where the first try came to nothing.
    pub async fn reauthorize(
        &self,
        of: SubAccountId,
        id: MailboxId,
        again: Again,
    ) -> Result<Started, Error> {
        let inner = &self.0;
        let connection = inner.connection_of(of, id).await?;
        if connection.state == crate::model::MailboxState::Disconnected {
            return Err(Error::NotConnected);
        }
        let provider = inner.provider(&connection.provider)?;
        let authorization_url = match connection.account.auth {
            Auth::Xoauth2 => {
                let expected = connection.address.as_ref();
                let asked = inner.ask((of, connection.id), provider, expected, again.session);
                Some(asked.await?)
            }
            Auth::Password => {
                let password = again.password.ok_or(missing("password"))?;
                self.change_password(of, connection, check_text("password", password)?).await?;
                None
            }
        };
        Ok(Started { mailbox: id, authorization_url })
    }

    async fn go_on(
        &self,
        of: SubAccountId,
        begun: Begun,
        new: &NewConnection,
        (provider, session): (&Provider, Option<[u8; 32]>),
    ) -> Result<Started, Error> {
        let mailbox = match begun {
            Begun::Yes(mailbox) => mailbox,
            Begun::Taken => return Err(Error::Taken),
            Begun::Nobody => return Err(Error::Nobody),
        };
        let authorization_url = match new.account.auth {
            Auth::Xoauth2 => {
                let place = (of, new.id);
                Some(self.0.ask(place, provider, new.address.as_ref(), session).await?)
            }
            Auth::Password => {
                let connection = self.0.store.connection(of, new.id).await?;
                self.settle_password(of, connection.ok_or(Error::Nobody)?).await?;
                None
            }
        };
        Ok(Started { mailbox, authorization_url })
    }
}

impl Inner {
    /// What is to be connected, checked.
    fn new_connection(
        &self,
        of: SubAccountId,
        wanted: &Wanted,
    ) -> Result<(NewConnection, &Provider), Error> {
        let provider = self.provider(wanted.provider.as_deref().unwrap_or_default())?;
        let id = ConnectionId(new_ids().next_id());
        let (address, account) = account(provider, wanted)?;
        let secret = match (&provider.access, &wanted.password) {
            (Access::Password, Some(password)) => {
                let password = check_text("password", password.clone())?;
                Some(Kept::Password(password).seal(&self.secrets, (of, id)))
            }
            (Access::Password, None) => return Err(missing("password")),
            (Access::OAuth(_), _) => None,
        };
        let provider_name = provider.name.clone();
        Ok((NewConnection { id, provider: provider_name, address, account, secret }, provider))
    }

    /// Keeps what proves the answer, and says where the user consents.
    async fn ask(
        &self,
        (of, connection): Place,
        provider: &Provider,
        expected: Option<&Address>,
        session: Option<[u8; 32]>,
    ) -> Result<String, Error> {
        let oauth = provider.oauth().ok_or(Error::NotReady { name: provider.name.clone() })?;
        let asked = self.oauth.ask(oauth, &self.redirect, expected)?;
        let hash = state_hash(asked.state.expose_secret());
        let waiting = Waiting {
            verifier: asked.verifier.expose_secret().to_owned(),
            nonce: asked.nonce.expose_secret().to_owned(),
            redirect: self.redirect.clone(),
            session,
        };
        let plain = serde_json::to_vec(&waiting)
            .map_err(|error| oauth::Error::Broken(error.to_string()))?;
        let secret = self.secrets.seal(&consent_row(of, connection), &plain);
        let consent = StoredConsent { sub_account: of, connection, secret };
        let expires_at = clock::now().plus_seconds(CONSENT_SECONDS);
        match self.store.add_consent(hash, &consent, expires_at).await? {
            true => Ok(asked.url),
            false => Err(Error::NotConnected),
        }
    }
}

/// What the store knows a state by.
pub(super) fn state_hash(state: &str) -> [u8; 32] {
    Sha256::digest(state.as_bytes()).into()
}

/// Where a consent's secrets are sealed for.
pub(super) fn consent_row(of: SubAccountId, connection: ConnectionId) -> Vec<u8> {
    [b"consent", of.0.as_bytes().as_slice(), connection.0.as_bytes()].concat()
}

/// Where it leads and what it signs in with, as far as it is known before the consent.
fn account(provider: &Provider, wanted: &Wanted) -> Result<(Option<Address>, Account), Error> {
    match &provider.access {
        Access::OAuth(_) => by_consent(provider, wanted),
        Access::Password => by_password(provider, wanted),
    }
}

fn by_consent(provider: &Provider, wanted: &Wanted) -> Result<(Option<Address>, Account), Error> {
    let set_by_operator = "is set by the operator for this provider; leave it out";
    // D12: a token is sent to the servers that it was given for, not to whom a user names.
    for (name, is_given) in [("imap", wanted.imap.is_some()), ("smtp", wanted.smtp.is_some())] {
        if is_given {
            return Err(Error::Field { name, what: set_by_operator });
        }
    }
    if wanted.password.is_some() {
        let what = "is not used with this provider: the user consents there; leave it out";
        return Err(Error::Field { name: "password", what });
    }
    let tells_identity = provider.oauth().is_some_and(|oauth| oauth.tells_identity());
    if wanted.address.is_none() && !tells_identity {
        return Err(missing("address"));
    }
    let (Some(imap), Some(smtp)) = (provider.imap.clone(), provider.smtp.clone()) else {
        return Err(Error::NotReady { name: provider.name.clone() });
    };
    let saves_sent = provider.saves_sent.unwrap_or_else(|| files_sent_mail(&smtp));
    let username = wanted.address.as_ref().map(ToString::to_string).unwrap_or_default();
    let account = Account { imap, smtp, username, auth: Auth::Xoauth2, saves_sent };
    Ok((wanted.address.clone(), account))
}

fn by_password(provider: &Provider, wanted: &Wanted) -> Result<(Option<Address>, Account), Error> {
    let imap = wanted.imap.clone().or_else(|| provider.imap.clone());
    let smtp = wanted.smtp.clone().or_else(|| provider.smtp.clone());
    let (imap, smtp) = (imap.ok_or(missing("imap"))?, smtp.ok_or(missing("smtp"))?);
    let by_name = || wanted.username.as_deref().and_then(Address::parse);
    let address = wanted.address.clone().or_else(by_name).ok_or(missing("address"))?;
    let username = wanted.username.clone().unwrap_or_else(|| address.to_string());
    let username = check_text("username", username.into())?.expose_secret().to_owned();
    let saves_sent = provider.saves_sent.unwrap_or_else(|| files_sent_mail(&smtp));
    let account = Account { imap, smtp, username, auth: Auth::Password, saves_sent };
    Ok((Some(address), account))
}

/// S6: what these servers send, their providers file themselves.
fn files_sent_mail(smtp: &Host) -> bool {
    let domains = ["office365.com", "outlook.com", "gmail.com", "googlemail.com"];
    domains.iter().any(|domain| {
        smtp.name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

const fn missing(name: &'static str) -> Error {
    Error::Field { name, what: "is needed with this provider" }
}

/// Text that can be sent to a server.
fn check_text(name: &'static str, text: SecretString) -> Result<SecretString, Error> {
    let plain = text.expose_secret();
    match plain.is_empty() || plain.len() > TEXT_BYTES_MAX || plain.chars().any(char::is_control) {
        true => Err(Error::Field { name, what: "must have 1 to 1024 bytes on one line" }),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_files_sent_mail_is_known_by_the_server() {
        for (host, expected) in [
            ("smtp.office365.com:587", true),
            ("smtp.gmail.com:465", true),
            ("smtp.example.com:465", false),
            ("notgmail.com:465", false),
        ] {
            assert_eq!(files_sent_mail(&host.parse().unwrap()), expected, "{host}");
        }
    }
}
