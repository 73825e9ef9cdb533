//! Signing people in by their organisation's OpenID Connect provider: where its endpoints are (Discovery), its
//! keys, and who somebody is by an ID token whose signature is checked. Keeps what the provider says of itself
//! for a while, and nothing of people.

mod discovery;
mod member;
mod signature;

use std::sync::Arc;

use rustls::ClientConfig;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;
use url::{Host, Url};

use super::http::Http;
use super::{Asked, Client, Error};
use crate::model::{Address, OAuth, Organisation, Time};
use crate::perimeter::Perimeter;
use discovery::Known;

/// What is asked for: who it is, and by which address.
const SCOPES: [&str; 3] = ["openid", "email", "profile"];

/// Asks one organisation's provider who somebody is.
pub struct Provider {
    organisation: Organisation,
    perimeter: Perimeter,
    http: Http,
    client: Client,
    /// Held while the provider is asked about itself, so that it is asked once for all who wait.
    known: Mutex<Known>,
}

/// What came back for a request of [`Provider::ask`].
pub struct Answer<'a> {
    pub redirect: &'a str,
    pub code: &'a str,
    /// RFC 9207: who says that it answers, where it is told.
    pub issuer: Option<&'a str>,
    pub verifier: &'a SecretString,
    pub nonce: &'a SecretString,
}

impl Provider {
    /// One that is reached as far as the perimeter admits, and believes these authorities.
    pub fn new(
        organisation: Organisation,
        perimeter: Perimeter,
        tls: &Arc<ClientConfig>,
    ) -> Result<Self, Error> {
        signature::install();
        let http = Http::within(&perimeter, tls)?;
        let client = Client::by(http.clone());
        Ok(Self { organisation, perimeter, http, client, known: Mutex::default() })
    }

    /// As the button names it.
    pub fn name(&self) -> &str {
        &self.organisation.name
    }

    /// The request that somebody is sent there with.
    pub async fn ask(&self, redirect: &str, now: Time) -> Result<Asked, Error> {
        let oauth = self.oauth(now).await?;
        self.client.request(&oauth, redirect, None)
    }

    /// Whose address the provider vouches for.
    pub async fn member(&self, answer: &Answer<'_>, now: Time) -> Result<Address, Error> {
        let wrong = |text: &str| Error::Broken(text.to_owned());
        // RFC 9207 2.4: letter by letter.
        if answer.issuer.is_some_and(|issuer| issuer != self.organisation.issuer) {
            return Err(wrong("The answer is from another issuer."));
        }
        let oauth = self.oauth(now).await?;
        let exchange = self.client.exchange(&oauth, answer.redirect, answer.code, answer.verifier);
        let granted = exchange.await?;
        let token = granted.id_token.ok_or_else(|| wrong("There is no ID token."))?;
        let keys = self.keys(token.expose_secret(), now).await?;
        let nonce = answer.nonce.expose_secret();
        member::read(token.expose_secret(), &keys, &self.organisation, nonce)
    }

    /// The application, as the oauth2 crate is told of it.
    async fn oauth(&self, now: Time) -> Result<OAuth, Error> {
        let metadata = self.known.lock().await.metadata(self, now).await?;
        Ok(OAuth {
            client_id: self.organisation.client_id.clone(),
            client_secret: self.organisation.client_secret.clone(),
            issuer: metadata.authorization_endpoint.clone(),
            authorize_url: metadata.authorization_endpoint,
            token_url: metadata.token_endpoint,
            revoke_url: None,
            consent_url: None,
            scopes: SCOPES.map(str::to_owned).to_vec(),
        })
    }

    /// What is to be read at a URL of the provider. A host that is written as an address passes no resolver:
    /// it is looked at here.
    async fn read(&self, url: &Url) -> Result<Vec<u8>, Error> {
        self.admit(url)?;
        self.http.get(url).await
    }

    fn admit(&self, url: &Url) -> Result<(), Error> {
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(address.into()),
            Some(Host::Ipv6(address)) => Some(address.into()),
            Some(Host::Domain(_)) | None => None,
        };
        match address.is_none_or(|address| self.perimeter.admits(address)) {
            true => Ok(()),
            false => Err(Error::Broken("The provider is not at a public address.".to_owned())),
        }
    }
}
