//! Where a consent comes back (RFC 6749 4.1.2): the answer is held against what was asked, the code becomes
//! tokens, the account and the scopes are looked at, and only then anything is connected (D11).

use secrecy::{ExposeSecret, SecretString};

use super::begin::{Waiting, consent_row, state_hash};
use super::secret::Kept;
use super::{Connector, Inner};
use crate::clock;
use crate::model::{Account, Address, Credentials, Login, MailboxState, OAuth, SubAccountId};
use crate::oauth::{self, Granted, Identity};
use crate::store::StoredConnection;

/// What the browser brings back from the provider.
#[derive(Clone, Debug, Default)]
pub struct Callback {
    pub state: SecretString,
    pub code: Option<SecretString>,
    pub error: Option<String>,
    pub error_description: Option<String>,
    /// RFC 9207: who answers.
    pub iss: Option<String>,
    /// The session of the browser that brings it.
    pub session: Option<[u8; 32]>,
}

/// What became of a consent, in words for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finished {
    /// The mailbox with this address is connected, as somebody signed in to the pages has asked, or the API.
    Connected { address: Address, is_from_page: bool },
    /// Nothing was connected, and why.
    Refused(String),
}

const STALE: &str = "This answer was used before, or it took longer than ten minutes. Nothing was \
                     connected. Start again on the settings page.";
const OTHER_BROWSER: &str = "This consent was asked for in another browser, or you are signed out here. \
                             Nothing was connected. Sign in, and start again on the settings page.";
const FOREIGN: &str = "The answer came from another provider than the one that was asked. Nothing was \
                       connected. Start again on the settings page.";
const OURS: &str = "The gateway itself failed over this answer, and its log says where. Start again on the \
                    settings page; if it stays so, tell who runs the gateway.";
const STORE: &str = "The gateway cannot reach its store just now. Start again in a moment.";

/// Scopes that are about the user and the tokens, not about mail.
const ABOUT_THE_USER: [&str; 5] = ["openid", "profile", "email", "offline_access", "address"];

impl Connector {
    /// Finishes a consent. It goes on though the browser may go away: a code is good once.
    pub async fn finish(&self, callback: Callback) -> Finished {
        let this = self.clone();
        let work = async move { this.finish_now(callback).await };
        match Self::to_the_end(work).await {
            Some(Ok((address, is_from_page))) => Finished::Connected { address, is_from_page },
            Some(Err(words)) => Finished::Refused(words),
            None => Finished::Refused(OURS.to_owned()),
        }
    }

    async fn finish_now(&self, callback: Callback) -> Result<(Address, bool), String> {
        let inner = &self.0;
        let hash = state_hash(callback.state.expose_secret());
        let consent = inner.store.take_consent(hash, clock::now()).await.map_err(away)?;
        let consent = consent.ok_or(STALE)?;
        let (of, id) = (consent.sub_account, consent.connection);
        let plain = inner.secrets.unseal(&consent_row(of, id), &consent.secret).ok_or(STALE)?;
        let waiting: Waiting = serde_json::from_slice(&plain).map_err(|_| STALE)?;
        let connection = inner.store.connection(of, id).await.map_err(away)?;
        if waiting.session.is_some() && waiting.session != callback.session {
            return Err(OTHER_BROWSER.to_owned());
        }
        let is_open = |it: &StoredConnection| it.state != MailboxState::Disconnected;
        let connection = connection.filter(is_open).ok_or(
            "The mailbox was disconnected, or another was chosen, before this answer came. Nothing was \
             connected.",
        )?;
        let is_from_page = waiting.session.is_some();
        let finished = self.with_consent(of, &connection, waiting, callback).await;
        if let Err(words) = &finished {
            let told = inner.store.set_connection_detail(of, id, Some(words)).await;
            told.map_err(away)?;
        }
        finished.map(|address| (address, is_from_page))
    }

    async fn with_consent(
        &self,
        of: SubAccountId,
        connection: &StoredConnection,
        waiting: Waiting,
        callback: Callback,
    ) -> Result<Address, String> {
        let inner = &self.0;
        let provider = inner.provider(&connection.provider).map_err(|error| error.to_string())?;
        let oauth = provider.oauth().ok_or("This provider asks for no consent.")?;
        if callback.iss.as_deref().is_some_and(|iss| !oauth::is_issuer(iss, oauth)) {
            return Err(FOREIGN.to_owned());
        }
        if let Some(error) = &callback.error {
            let description = callback.error_description.as_deref().unwrap_or_default();
            return Err(oauth::in_words(error, description));
        }
        let code = callback.code.ok_or("The provider brought neither a code nor an error.")?;
        let verifier = waiting.verifier.into();
        let code = code.expose_secret();
        let granted = inner.oauth.exchange(oauth, &waiting.redirect, code, &verifier).await;
        let granted = granted.map_err(|error| error.to_string())?;
        let looked_at = look(oauth, connection, &granted, &waiting.nonce);
        let (address, refresh) = match looked_at {
            Ok(looked_at) => looked_at,
            Err(words) => {
                let account = account(oauth, connection, &granted, &waiting.nonce);
                let provider = (connection.provider.clone(), oauth.clone());
                self.give_back(provider, account, granted.refresh);
                return Err(words);
            }
        };
        inner.keep_consent(of, connection, &refresh).await?;
        inner.tokens.put((of, connection.id), &granted).await;
        let username = address.to_string();
        let account = Account { username: username.clone(), ..connection.account.clone() };
        let login = Login { username, credentials: Credentials::Token(granted.access) };
        let settled = self.settle(of, connection, (address.clone(), account), &login).await;
        match settled.map_err(|error| error.to_string())? {
            None => Ok(address),
            Some(words) => Err(words),
        }
    }
}

impl Inner {
    /// M3: it is stored before it is used.
    async fn keep_consent(
        &self,
        of: SubAccountId,
        connection: &StoredConnection,
        refresh: &SecretString,
    ) -> Result<(), String> {
        let place = (of, connection.id);
        let sealed = Kept::RefreshToken(refresh.clone()).seal(&self.secrets, place);
        // A renewal of the former token may be under way, and be stored first.
        for _ in 0..3 {
            let secret = self.store.connection_secret(of, connection.id).await.map_err(away)?;
            let version = secret.map_or(0, |secret| secret.version);
            let swapped = self.store.swap_secret(of, connection.id, version, &sealed).await;
            if swapped.map_err(away)? {
                return Ok(());
            }
        }
        Err("The mailbox was disconnected before this answer came. Nothing was connected."
            .to_owned())
    }
}

/// Is it the account that was expected, and is all granted that is needed? Answers whose mailbox it is, and
/// what is kept.
fn look(
    oauth: &OAuth,
    connection: &StoredConnection,
    granted: &Granted,
    nonce: &str,
) -> Result<(Address, SecretString), String> {
    let address = whose(oauth, connection.address.as_ref(), granted, nonce)?;
    let missing = missing_scopes(oauth, granted);
    if !missing.is_empty() {
        return Err(format!(
            "The consent lacks {}. Nothing was connected. Start again, and leave every permission \
             switched on.",
            missing.join(" and ")
        ));
    }
    let refresh = granted.refresh.clone().ok_or(
        "The provider gave no lasting consent (no refresh token), so mail could be followed for an hour \
         only. Nothing was connected. The operator must let the application ask for offline access.",
    )?;
    Ok((address, refresh))
}

fn whose(
    oauth: &OAuth,
    expected: Option<&Address>,
    granted: &Granted,
    nonce: &str,
) -> Result<Address, String> {
    if !oauth.tells_identity() {
        // Its server says whose mailbox it is: a token opens no other.
        return expected.cloned().ok_or_else(|| "Say which address is to be connected.".to_owned());
    }
    let token = granted.id_token.as_ref().ok_or("The provider does not say who consented.")?;
    let identity = Identity::read(token.expose_secret(), oauth, nonce, clock::now());
    let identity = identity.map_err(|error| error.to_string())?;
    match (expected, identity.addresses.first()) {
        (Some(expected), _) if identity.is(expected) => Ok(expected.clone()),
        (Some(expected), Some(found)) => Err(format!(
            "You signed in as {found}, and {expected} was to be connected. Nothing was connected. Start \
             again and choose {expected}, or ask for {found} to be connected."
        )),
        (None, Some(found)) => Ok(found.clone()),
        (_, None) => Err("The provider does not say who consented.".to_owned()),
    }
}

/// Whose consent it is, as far as that is told.
fn account(
    oauth: &OAuth,
    connection: &StoredConnection,
    granted: &Granted,
    nonce: &str,
) -> Option<Address> {
    let token = granted.id_token.as_ref().filter(|_| oauth.tells_identity());
    let identity = token
        .and_then(|token| Identity::read(token.expose_secret(), oauth, nonce, clock::now()).ok());
    match identity {
        Some(identity) => identity.addresses.into_iter().next(),
        None => connection.address.clone(),
    }
}

/// What was asked for and not granted, in words. RFC 6749 3.3: the server may grant less.
fn missing_scopes(oauth: &OAuth, granted: &Granted) -> Vec<String> {
    let Some(scopes) = &granted.scopes else { return Vec::new() };
    let wanted = oauth.scopes.iter().filter(|it| !ABOUT_THE_USER.contains(&it.as_str()));
    let is_missing = |wanted: &&String| !scopes.iter().any(|scope| is_same(scope, wanted));
    wanted.filter(is_missing).map(|scope| scope_in_words(scope)).collect()
}

/// Microsoft names a resource by several hosts, and may leave it out.
fn is_same(one: &str, other: &str) -> bool {
    fn last(scope: &str) -> &str {
        let name = scope.trim_end_matches('/').rsplit('/').next().unwrap_or(scope);
        if name.contains('.') { name } else { scope }
    }
    one.eq_ignore_ascii_case(other) || last(one).eq_ignore_ascii_case(last(other))
}

fn scope_in_words(scope: &str) -> String {
    let what = match scope.rsplit('/').next().unwrap_or_default() {
        "IMAP.AccessAsUser.All" => "the permission to read your mail",
        "SMTP.Send" => "the permission to send mail as you",
        _ if scope == "https://mail.google.com/" => "the permission to read and send your mail",
        _ => "a permission",
    };
    format!("{what} ({scope})")
}

fn away(error: crate::store::Error) -> String {
    tracing::warn!(code = "consent_lost", %error, "A consent could not be recorded.");
    STORE.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_the_same_however_its_resource_is_named() {
        let imap = "https://outlook.office.com/IMAP.AccessAsUser.All";
        assert!(is_same("https://outlook.office365.com/IMAP.AccessAsUser.All", imap));
        assert!(is_same("imap.accessasuser.all", imap));
        assert!(!is_same("https://outlook.office.com/SMTP.Send", imap));
        assert!(is_same("https://mail.google.com/", "https://mail.google.com/"));
        assert!(!is_same("https://www.googleapis.com/auth/mail", "https://mail.google.com/"));
    }
}
