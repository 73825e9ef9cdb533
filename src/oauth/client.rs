//! What is asked of an OAuth server: consent, tokens for a code, new tokens for a refresh token, and that
//! a token be worth nothing any more. Written by the oauth2 crate, sent by `http`.

use std::sync::Arc;
use std::time::Duration;

use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
    BasicTokenType,
};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet,
    EndpointSet, ExtraTokenFields, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken,
    RequestTokenError, RevocationUrl, Scope, StandardRevocableToken, StandardTokenResponse,
    TokenResponse, TokenUrl,
};
use rustls::ClientConfig;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::Error;
use super::http::Http;
use crate::model::{Address, OAuth};

/// Asks OAuth servers.
#[derive(Clone, Debug)]
pub struct Client {
    http: Http,
}

/// A consent that is asked for: where the user is sent, and what proves the answer.
#[derive(Clone, Debug)]
pub struct Asked {
    pub url: String,
    /// RFC 6749 10.12: comes back with the answer.
    pub state: SecretString,
    /// RFC 7636: proves that who has the code also asked for it.
    pub verifier: SecretString,
    /// OpenID Connect Core 3.1.2.1: comes back in the ID token.
    pub nonce: SecretString,
}

/// What an OAuth server grants.
#[derive(Clone, Debug)]
pub struct Granted {
    pub access: SecretString,
    /// How long the access token lives.
    pub life: Duration,
    pub refresh: Option<SecretString>,
    /// `None`: what was asked for (RFC 6749 5.1).
    pub scopes: Option<Vec<String>>,
    pub id_token: Option<SecretString>,
}

/// Where `expires_in` is not told.
const LIFE_USUAL: Duration = Duration::from_secs(3_600);

/// OpenID Connect Core 3.1.3.3.
#[derive(Clone, Serialize, Deserialize)]
struct WithIdToken {
    #[serde(default)]
    id_token: Option<String>,
}

impl std::fmt::Debug for WithIdToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WithIdToken(***)")
    }
}

impl ExtraTokenFields for WithIdToken {}

type Tokens = StandardTokenResponse<WithIdToken, BasicTokenType>;

type Inner = oauth2::Client<
    BasicErrorResponse,
    Tokens,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

impl Client {
    /// With the authorities that outgoing connections trust.
    pub fn new(tls: &Arc<ClientConfig>) -> Result<Self, Error> {
        Ok(Self { http: Http::new(tls)? })
    }

    /// One that asks by this.
    pub(super) const fn by(http: Http) -> Self {
        Self { http }
    }

    /// The request for a consent to connect a mailbox. Makes secrets, sends nothing.
    pub fn ask(
        &self,
        oauth: &OAuth,
        redirect: &str,
        expected: Option<&Address>,
    ) -> Result<Asked, Error> {
        match expected {
            Some(address) => self.request(oauth, redirect, Some(("login_hint", address.written()))),
            // Who is signed in there already is not always whom the user means to connect.
            None if !oauth.authorize_url.query_pairs().any(|(name, _)| name == "prompt") => {
                self.request(oauth, redirect, Some(("prompt", "select_account")))
            }
            None => self.request(oauth, redirect, None),
        }
    }

    /// The request to know who somebody is, or for a consent.
    pub(super) fn request(
        &self,
        oauth: &OAuth,
        redirect: &str,
        parameter: Option<(&str, &str)>,
    ) -> Result<Asked, Error> {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let (state, nonce) = (CsrfToken::new_random_len(32), CsrfToken::new_random_len(32));
        let client = inner(oauth)?.set_redirect_uri(redirect_url(redirect)?);
        let mut request = client
            .authorize_url(|| state.clone())
            .add_scopes(oauth.scopes.iter().cloned().map(Scope::new))
            .set_pkce_challenge(challenge);
        if oauth.tells_identity() {
            request = request.add_extra_param("nonce", nonce.secret());
        }
        if let Some((name, value)) = parameter {
            request = request.add_extra_param(name, value);
        }
        let (url, state) = request.url();
        Ok(Asked {
            url: url.to_string(),
            state: state.into_secret().into(),
            verifier: verifier.into_secret().into(),
            nonce: nonce.into_secret().into(),
        })
    }

    /// Tokens for the code that a consent brought.
    pub async fn exchange(
        &self,
        oauth: &OAuth,
        redirect: &str,
        code: &str,
        verifier: &SecretString,
    ) -> Result<Granted, Error> {
        let client = inner(oauth)?.set_redirect_uri(redirect_url(redirect)?);
        let verifier = PkceCodeVerifier::new(verifier.expose_secret().to_owned());
        let code = AuthorizationCode::new(code.to_owned());
        let request = client.exchange_code(code).set_pkce_verifier(verifier);
        let send = self.http.sender();
        granted(request.request_async(&send).await)
    }

    /// New tokens for a refresh token. The scopes are those of the consent (RFC 6749 6).
    pub async fn refresh(&self, oauth: &OAuth, refresh: &SecretString) -> Result<Granted, Error> {
        let client = inner(oauth)?;
        let refresh = RefreshToken::new(refresh.expose_secret().to_owned());
        let request = client.exchange_refresh_token(&refresh);
        let send = self.http.sender();
        granted(request.request_async(&send).await)
    }

    /// Takes a refresh token back, where the server lets us (RFC 7009). `false`: it does not.
    pub async fn revoke(&self, oauth: &OAuth, refresh: &SecretString) -> Result<bool, Error> {
        let Some(url) = &oauth.revoke_url else { return Ok(false) };
        let url = RevocationUrl::new(url.to_string()).map_err(broken)?;
        let client = inner(oauth)?.set_revocation_url(url);
        let refresh = RefreshToken::new(refresh.expose_secret().to_owned());
        let request = client.revoke_token(refresh.into()).map_err(broken)?;
        let send = self.http.sender();
        match request.request_async(&send).await {
            Ok(()) => Ok(true),
            Err(RequestTokenError::Request(error)) => Err(error),
            Err(error) => Err(broken(error)),
        }
    }
}

fn inner(oauth: &OAuth) -> Result<Inner, Error> {
    let client = oauth2::Client::new(ClientId::new(oauth.client_id.clone()))
        // Every provider takes the secret in the body; not every one takes HTTP Basic.
        .set_auth_type(AuthType::RequestBody)
        .set_auth_uri(AuthUrl::new(oauth.authorize_url.to_string()).map_err(broken)?)
        .set_token_uri(TokenUrl::new(oauth.token_url.to_string()).map_err(broken)?);
    Ok(match &oauth.client_secret {
        Some(secret) => {
            client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()))
        }
        None => client,
    })
}

fn redirect_url(text: &str) -> Result<RedirectUrl, Error> {
    RedirectUrl::new(text.to_owned()).map_err(broken)
}

fn broken(error: impl std::fmt::Display) -> Error {
    Error::Broken(error.to_string())
}

fn granted(
    answer: Result<Tokens, RequestTokenError<Error, BasicErrorResponse>>,
) -> Result<Granted, Error> {
    let tokens = match answer {
        Ok(tokens) => tokens,
        Err(RequestTokenError::ServerResponse(refusal)) => {
            let description = refusal.error_description().map_or("", String::as_str);
            return Err(Error::of(refusal.error().as_ref(), description));
        }
        Err(RequestTokenError::Request(error)) => return Err(error),
        // What could not be read may hold tokens: it is not told.
        Err(RequestTokenError::Parse(..) | RequestTokenError::Other(_)) => {
            return Err(Error::Broken("The provider's answer cannot be read.".to_owned()));
        }
    };
    let text = |secret: &String| SecretString::from(secret.clone());
    Ok(Granted {
        access: text(tokens.access_token().secret()),
        life: tokens.expires_in().unwrap_or(LIFE_USUAL),
        refresh: tokens.refresh_token().map(|token| text(token.secret())),
        scopes: tokens.scopes().map(|all| all.iter().map(|scope| scope.to_string()).collect()),
        id_token: tokens.extra_fields().id_token.as_ref().map(text),
    })
}
