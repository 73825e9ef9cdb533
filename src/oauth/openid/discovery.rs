//! What a provider says of itself (OpenID Connect Discovery 4): its endpoints and its keys, for as long as it is
//! believed to stay so.

use jsonwebtoken::jwk::JwkSet;
use serde::Deserialize;
use url::Url;

use super::Provider;
use crate::model::{Time, is_confidential};
use crate::oauth::Error;

/// For so long its word is taken, in seconds.
const GOOD_SECONDS: i64 = 3_600;
/// A provider that fails is asked again after so long, in seconds.
const BAD_SECONDS: i64 = 10;
/// Keys change without a word: one that is not known is looked for, but not more often than that, in seconds.
const NEW_KEYS_SECONDS: i64 = 60;

/// The endpoints.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Metadata {
    issuer: String,
    pub authorization_endpoint: Url,
    pub token_endpoint: Url,
    jwks_uri: Url,
}

/// What is known, since when.
#[derive(Default)]
pub struct Known {
    metadata: Option<(Result<Metadata, Error>, Time)>,
    keys: Option<(JwkSet, Time)>,
}

impl Known {
    /// The endpoints, asked for where they are not known.
    pub async fn metadata(&mut self, of: &Provider, now: Time) -> Result<Metadata, Error> {
        if let Some((metadata, at)) = &self.metadata {
            let seconds = if metadata.is_ok() { GOOD_SECONDS } else { BAD_SECONDS };
            if now < at.plus_seconds(seconds) {
                return metadata.clone();
            }
        }
        let metadata = of.metadata().await;
        self.metadata = Some((metadata.clone(), now));
        metadata
    }

    /// The keys, asked for where they are not known, or where none is the one that is looked for.
    async fn keys(&mut self, of: &Provider, id: Option<&str>, now: Time) -> Result<JwkSet, Error> {
        let url = self.metadata(of, now).await?.jwks_uri;
        if let Some((keys, at)) = &self.keys {
            let is_there = id.is_none_or(|id| keys.find(id).is_some());
            let seconds = if is_there { GOOD_SECONDS } else { NEW_KEYS_SECONDS };
            if now < at.plus_seconds(seconds) {
                return Ok(keys.clone());
            }
        }
        let unreadable = |_| Error::Broken("The provider's keys cannot be read.".to_owned());
        let keys: JwkSet = serde_json::from_slice(&of.read(&url).await?).map_err(unreadable)?;
        self.keys = Some((keys.clone(), now));
        Ok(keys)
    }
}

impl Provider {
    /// The keys that a token may be signed with.
    pub(super) async fn keys(&self, token: &str, now: Time) -> Result<JwkSet, Error> {
        let unreadable = |_| Error::Broken("The ID token cannot be read.".to_owned());
        let header = jsonwebtoken::decode_header(token).map_err(unreadable)?;
        self.known.lock().await.keys(self, header.kid.as_deref(), now).await
    }

    /// How many keys it says that it signs with.
    pub async fn signing_keys(&self, now: Time) -> Result<usize, Error> {
        Ok(self.known.lock().await.keys(self, None, now).await?.keys.len())
    }

    async fn metadata(&self) -> Result<Metadata, Error> {
        let issuer = &self.organisation.issuer;
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let url = Url::parse(&url).map_err(|error| Error::Broken(error.to_string()))?;
        let metadata = Metadata::read(&self.read(&url).await?, issuer)?;
        self.admit(&metadata.token_endpoint)?;
        Ok(metadata)
    }
}

impl Metadata {
    fn read(json: &[u8], issuer: &str) -> Result<Self, Error> {
        let broken = |text: &str| Error::Broken(text.to_owned());
        let read = serde_json::from_slice::<Self>(json);
        let read = read.map_err(|_| broken("The provider does not say what it is."))?;
        // Discovery 4.3: letter by letter, so that one issuer cannot speak for another.
        if read.issuer != issuer {
            return Err(broken("The provider calls itself by another issuer's name."));
        }
        let urls = [&read.authorization_endpoint, &read.token_endpoint, &read.jwks_uri];
        if !urls.into_iter().all(is_confidential) {
            return Err(broken("The provider is not reached by https."));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"issuer": "https://id.example/x", "jwks_uri": "https://keys.example/",
        "authorization_endpoint": "https://id.example/a", "token_endpoint": "https://id.example/t",
        "scopes_supported": ["openid"]}"#;

    #[test]
    fn a_provider_speaks_for_itself_alone_and_by_https() {
        let read = |json: &str| Metadata::read(json.as_bytes(), "https://id.example/x");
        assert_eq!(read(GOOD).unwrap().token_endpoint.path(), "/t");
        for (from, to) in [
            ("example/x", "example/x/"),
            ("example/x", "example/X"),
            ("https://id.example/t", "http://id.example/t"),
            ("https://keys", "http://keys"),
            ("https://id.example/a", "javascript:alert(1)"),
            ("\"token_endpoint\"", "\"token\""),
        ] {
            assert!(read(&GOOD.replace(from, to)).is_err(), "{to}");
        }
        assert!(read("<html>").is_err());
    }
}
