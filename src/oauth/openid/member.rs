//! Who somebody is, by an ID token (OpenID Connect Core 3.1.3.7): signature, issuer, audience, expiry and nonce
//! are right, the address is verified and of a domain that the organisation is believed for.

use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{DecodingKey, Header, Validation};
use serde::Deserialize;

use super::signature::ALGORITHMS;
use crate::model::{Address, Organisation};
use crate::oauth::Error;

/// Clocks of two servers may differ by this, in seconds.
const CLOCK_SECONDS: u64 = 60;

#[derive(Deserialize)]
struct Claims {
    // One issuer: of a list, any would do.
    #[serde(rename = "iss")]
    _issuer: String,
    #[serde(rename = "aud")]
    audience: Audience,
    #[serde(rename = "azp")]
    authorized: Option<String>,
    nonce: Option<String>,
    email: Option<String>,
    email_verified: Option<Truth>,
    preferred_username: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// Core 5.1 asks for a boolean; some write it as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Truth {
    Plain(bool),
    Written(String),
}

/// The address of whom a token is about, when it answers the request with this nonce.
pub fn read(
    token: &str,
    keys: &JwkSet,
    organisation: &Organisation,
    nonce: &str,
) -> Result<Address, Error> {
    let claims =
        signed(token, keys, organisation).ok_or_else(|| wrong("is not what it must be"))?;
    if !claims.is_for(&organisation.client_id) {
        return Err(wrong("is meant for another application"));
    }
    if claims.nonce.as_deref() != Some(nonce) {
        return Err(wrong("answers another request"));
    }
    let address = claims.address(organisation.trusts_preferred_username);
    let address = address.ok_or_else(|| {
        Error::Consent("The provider does not vouch for an e-mail address.".to_owned())
    })?;
    match organisation.allowed_domains.iter().any(|domain| domain == address.domain()) {
        true => Ok(address),
        false => Err(Error::Consent("The provider is not believed for that domain.".to_owned())),
    }
}

fn wrong(what: &str) -> Error {
    Error::Broken(format!("The provider's ID token {what}."))
}

/// The claims, if one of the keys signed them, and issuer, audience and times are right.
fn signed(token: &str, keys: &JwkSet, organisation: &Organisation) -> Option<Claims> {
    let header = jsonwebtoken::decode_header(token).ok()?;
    let key = DecodingKey::from_jwk(key(&header, keys)?).ok()?;
    let mut expected = Validation::new(header.alg);
    expected.leeway = CLOCK_SECONDS;
    expected.validate_nbf = true;
    expected.set_audience(&[&organisation.client_id]);
    expected.set_issuer(&[&organisation.issuer]);
    expected.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
    let checked = jsonwebtoken::decode::<Claims>(token, &key, &expected).ok()?;
    ALGORITHMS.contains(&header.alg).then_some(checked.claims)
}

/// The key that a token names; where it names none, the only one there is.
fn key<'a>(header: &Header, keys: &'a JwkSet) -> Option<&'a Jwk> {
    let is_for_this = |key: &&Jwk| {
        let use_ = key.common.public_key_use.as_ref();
        let algorithm = key.common.key_algorithm.map(|it| it.to_string());
        use_.is_none_or(|it| *it == PublicKeyUse::Signature)
            && algorithm.is_none_or(|it| it == format!("{:?}", header.alg))
    };
    match &header.kid {
        Some(id) => keys.find(id).filter(is_for_this),
        None => {
            let mut fitting = keys.keys.iter().filter(is_for_this);
            let only = fitting.next();
            only.filter(|_| fitting.next().is_none())
        }
    }
}

impl Claims {
    /// Core 3.1.3.7, 3 to 5: ours alone, or handed to us by name.
    fn is_for(&self, client: &str) -> bool {
        let is_alone = match &self.audience {
            Audience::One(one) => one == client,
            Audience::Many(many) => many.iter().all(|one| one == client),
        };
        match &self.authorized {
            Some(party) => party == client,
            None => is_alone,
        }
    }

    fn address(&self, trusts_preferred_username: bool) -> Option<Address> {
        let is_verified = match &self.email_verified {
            Some(Truth::Plain(truth)) => *truth,
            Some(Truth::Written(text)) => text == "true",
            None => false,
        };
        let verified = self.email.as_ref().filter(|_| is_verified);
        let preferred = self.preferred_username.as_ref().filter(|_| trusts_preferred_username);
        Address::parse(verified.or(preferred)?)
    }
}
