//! Who consented, as the ID token says (OpenID Connect Core 2). It comes from the token endpoint over TLS,
//! which stands in for its signature (3.1.3.7, 6); all else is checked. Pure.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use url::Url;

use super::Error;
use crate::model::{Address, OAuth, Time};

/// The account that consented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Every address that it is known by; the first is its mailbox's.
    pub addresses: Vec<Address>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    exp: i64,
    nonce: Option<String>,
    email: Option<String>,
    preferred_username: Option<String>,
    upn: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Clocks of two servers may differ by this.
const CLOCK_SECONDS: i64 = 300;

impl Identity {
    /// Reads an ID token that answers the request with this nonce.
    pub fn read(token: &str, oauth: &OAuth, nonce: &str, now: Time) -> Result<Self, Error> {
        let wrong = |what: &str| Error::Broken(format!("The provider's ID token {what}."));
        let claims = claims(token).ok_or_else(|| wrong("cannot be read"))?;
        let is_ours = match &claims.aud {
            Audience::One(audience) => *audience == oauth.client_id,
            Audience::Many(all) => all.contains(&oauth.client_id),
        };
        if !is_ours {
            return Err(wrong("is meant for another application"));
        }
        if !is_issuer(&claims.iss, oauth) {
            return Err(wrong("is from somebody else"));
        }
        if claims.nonce.as_deref() != Some(nonce) {
            return Err(wrong("answers another request"));
        }
        if claims.exp.saturating_add(CLOCK_SECONDS) < now.as_seconds() {
            return Err(wrong("has expired"));
        }
        let names = [claims.email, claims.preferred_username, claims.upn];
        let mut addresses: Vec<Address> = Vec::new();
        for address in names.into_iter().flatten().filter_map(|name| Address::parse(&name)) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        match addresses.is_empty() {
            true => Err(wrong("names no e-mail address")),
            false => Ok(Self { addresses }),
        }
    }

    /// Is it the account of this address?
    pub fn is(&self, address: &Address) -> bool {
        self.addresses.iter().any(|own| own.normal() == address.normal())
    }
}

/// Is this the issuer? Tenants of one have paths of their own (and RFC 9207 2.4: compared, where it is told).
pub fn is_issuer(text: &str, oauth: &OAuth) -> bool {
    Url::parse(text).is_ok_and(|url| url.origin() == oauth.issuer.origin())
}

fn claims(token: &str) -> Option<Claims> {
    let mut parts = token.split('.');
    let (_, claims, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    let json = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn oauth() -> OAuth {
        let url = |text: &str| Url::parse(text).unwrap();
        OAuth {
            client_id: "app".to_owned(),
            client_secret: None,
            authorize_url: url("https://login.example/common/authorize"),
            token_url: url("https://login.example/common/token"),
            revoke_url: None,
            consent_url: None,
            issuer: url("https://login.example/common/authorize"),
            scopes: vec!["openid".to_owned()],
        }
    }

    fn read(claims: &str) -> Result<Identity, Error> {
        let token = format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims));
        Identity::read(&token, &oauth(), "n1", Time::from_seconds(1_000_000))
    }

    const GOOD: &str = r#"{"iss":"https://login.example/tenant/v2.0","aud":"app","exp":1003600,
        "nonce":"n1","email":"Ann@Firm.example","preferred_username":"ann@firm.example","upn":"a@b.example"}"#;

    #[test]
    fn an_id_token_says_whose_account_it_is() {
        let identity = read(GOOD).unwrap();
        assert_eq!(identity.addresses.len(), 2);
        assert!(identity.is(&Address::parse("ANN@firm.example").unwrap()));
        assert!(identity.is(&Address::parse("a@b.example").unwrap()));
        assert!(!identity.is(&Address::parse("eve@firm.example").unwrap()));
    }

    #[test]
    fn an_id_token_of_another_request_application_or_issuer_is_refused() {
        let rows = [
            ("\"nonce\":\"n1\"", "\"nonce\":\"n2\"", "another request"),
            ("\"nonce\":\"n1\",", "", "another request"),
            ("\"aud\":\"app\"", "\"aud\":[\"other\"]", "another application"),
            ("https://login.example/", "https://evil.example/", "somebody else"),
            ("https://login.example/", "http://login.example/", "somebody else"),
            ("1003600", "900000", "expired"),
        ];
        for (from, to, words) in rows {
            let error = read(&GOOD.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(words), "{to}: {error}");
        }
        for token in ["", "a.b", "a.b.c", "a.b.c.d", "e30.e30.e30"] {
            assert!(Identity::read(token, &oauth(), "n1", Time::from_seconds(0)).is_err());
        }
    }
}
