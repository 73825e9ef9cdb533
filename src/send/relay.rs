//! The relay of a sub-account (S3), sealed in its settings; and the connection to it.

use crate::model::outgoing::Relay;
use crate::model::{Address, Credentials, Login, SubAccountId};
use crate::secrets::Secrets;
use crate::submission::{self, Connection, Demand};

/// Why a relay cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("it was sealed with another key, and has to be given again")]
    OtherKey,
    #[error("what was sealed cannot be read")]
    Damaged,
}

fn place(of: SubAccountId) -> Vec<u8> {
    [b"sub_account_provider", of.0.as_bytes().as_slice()].concat()
}

/// Seals it for the settings of its sub-account.
pub fn seal(secrets: &Secrets, of: SubAccountId, relay: &Relay) -> Result<Vec<u8>, Error> {
    let json = serde_json::to_vec(relay).map_err(|_| Error::Damaged)?;
    Ok(secrets.seal(&place(of), &json))
}

/// Opens it.
pub fn unseal(secrets: &Secrets, of: SubAccountId, sealed: &[u8]) -> Result<Relay, Error> {
    let json = secrets.unseal(&place(of), sealed).ok_or(Error::OtherKey)?;
    serde_json::from_slice(&json).map_err(|_| Error::Damaged)
}

/// What it may send as.
pub fn names(relay: &Relay) -> Option<crate::decide::send::RelayNames> {
    let default_from = Address::parse(&relay.default_from)?;
    let allowed_domains = relay.allowed_domains.clone();
    Some(crate::decide::send::RelayNames { default_from, allowed_domains })
}

/// Connects, and signs in where the relay asks for it; or why not, in words.
pub async fn connect(options: &submission::Options, relay: &Relay) -> Result<Connection, String> {
    let unfit = || "The relay's host cannot be used.".to_owned();
    let (host, if_offered) = relay.target().ok_or_else(unfit)?;
    let demand = if if_offered { Demand::Nothing } else { Demand::Tls };
    let login = Login {
        username: relay.username.clone(),
        credentials: Credentials::Password(relay.password.clone()),
    };
    let login = Some(&login).filter(|login| !login.username.is_empty());
    let opened = Connection::open_with(options, &host, login, demand).await;
    opened.map_err(|error| format!("{host}: {error}"))
}
