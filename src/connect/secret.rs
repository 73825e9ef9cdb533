//! What a connection is signed in with, at rest: sealed, and good only in its own row.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::Place;
use crate::secrets::Secrets;

/// What is kept of a user's consent.
#[derive(Clone, Debug)]
pub enum Kept {
    RefreshToken(SecretString),
    Password(SecretString),
}

/// As it is sealed.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Written {
    RefreshToken(String),
    Password(String),
}

impl Kept {
    /// Seals it for a connection.
    pub fn seal(&self, secrets: &Secrets, place: Place) -> Vec<u8> {
        let written = match self {
            Self::RefreshToken(token) => Written::RefreshToken(token.expose_secret().to_owned()),
            Self::Password(password) => Written::Password(password.expose_secret().to_owned()),
        };
        // A text in an enum can always be written.
        secrets.seal(&row(place), &serde_json::to_vec(&written).unwrap_or_default())
    }

    /// Opens what was sealed for a connection; `None` when the key is another.
    pub fn unseal(secrets: &Secrets, place: Place, sealed: &[u8]) -> Option<Self> {
        let plain = secrets.unseal(&row(place), sealed)?;
        Some(match serde_json::from_slice(&plain).ok()? {
            Written::RefreshToken(token) => Self::RefreshToken(token.into()),
            Written::Password(password) => Self::Password(password.into()),
        })
    }
}

fn row((of, id): Place) -> Vec<u8> {
    [b"connection", of.0.as_bytes().as_slice(), id.0.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::{ConnectionId, SubAccountId};

    #[test]
    fn a_secret_opens_in_its_own_row_only_and_is_never_shown() {
        let secrets = Secrets::new([1; 32]);
        let place = |id| (SubAccountId(Uuid::from_u128(1)), ConnectionId(Uuid::from_u128(id)));
        let kept = Kept::RefreshToken("canary".into());
        let sealed = kept.seal(&secrets, place(1));
        let opened = Kept::unseal(&secrets, place(1), &sealed);
        assert!(matches!(opened, Some(Kept::RefreshToken(it)) if it.expose_secret() == "canary"));
        assert!(Kept::unseal(&secrets, place(2), &sealed).is_none());
        assert!(!format!("{kept:?}").contains("canary"));
    }
}
