//! A connected mailbox, proved step by step: its consent, its servers, and what they let us do.

use futures_util::stream::{self, StreamExt};

use crate::access::{LoginError, Logins};
use crate::app::App;
use crate::config::Config;
use crate::connect::{Connector, Failure, detail};
use crate::model::{Address, ConnectionId, MailboxState, SubAccountId};
use crate::store::{Holder, StoredConnection};

use super::Check;

/// So many are proved at once: each waits for its servers most of the time.
const AT_ONCE: usize = 8;

/// Every connection of this address, of whichever sub-account.
pub(super) async fn check(config: &Config, text: &str) -> Vec<Check> {
    let name = "mailbox";
    let Some(address) = Address::parse(text) else {
        let advice = "name a mailbox by its address, such as ann@example.com";
        return vec![Check::fail(name, format!("{text:?} is no e-mail address"), advice)];
    };
    if !has_key(config) {
        let advice = "start the gateway once, or set data_dir to where its key is";
        let found = format!("there is no gateway's key in {}", config.data_dir.display());
        return vec![Check::fail(name, found, advice)];
    }
    let checks = check_those_of(config, Some(&address)).await;
    if checks.is_empty() {
        let advice = "connect it on the page Settings, Email, or with POST /api/v1/mailboxes";
        return vec![Check::fail(name, format!("{address} is not connected"), advice)];
    }
    checks
}

/// Every connection that has not ended. Without a key nothing was ever connected.
pub(super) async fn check_every(config: &Config) -> Vec<Check> {
    if has_key(config) { check_those_of(config, None).await } else { Vec::new() }
}

fn has_key(config: &Config) -> bool {
    config.data_dir.join("key").exists()
}

async fn check_those_of(config: &Config, address: Option<&Address>) -> Vec<Check> {
    match connections(config, address).await {
        Ok((connector, found)) => check_all(&connector, found).await,
        Err(error) => {
            vec![Check::fail("mailbox", error, "mend that first; no mailbox was looked at")]
        }
    }
}

type Found = (SubAccountId, StoredConnection);

async fn connections(
    config: &Config,
    address: Option<&Address>,
) -> Result<(Connector, Vec<Found>), String> {
    crate::tls::install_provider();
    let in_words = |error: crate::store::Error| error.to_string();
    let app =
        App::open(config.clone(), Holder::Command).await.map_err(|error| error.to_string())?;
    let connector = app.connector().map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    for (of, id) in app.store.connections_of(address).await.map_err(in_words)? {
        let connection = app.store.connection(of, id).await.map_err(in_words)?;
        found.extend(connection.map(|connection| (of, connection)));
    }
    Ok((connector, found))
}

async fn check_all(connector: &Connector, found: Vec<Found>) -> Vec<Check> {
    let checks = found
        .into_iter()
        .map(|(of, connection)| async move { check_one(connector, of, &connection).await });
    stream::iter(checks).buffered(AT_ONCE).concat().await
}

async fn check_one(
    connector: &Connector,
    of: SubAccountId,
    connection: &StoredConnection,
) -> Vec<Check> {
    let mut checks = vec![state(of, connection)];
    if connection.state != MailboxState::Active {
        return checks;
    }
    match connector.login(of, connection.id, false).await {
        Ok(login) => {
            checks.push(Check::ok("mailbox consent", format!("{} can sign in", login.username)));
            let proof = connector.prove(&connection.account, &login).await;
            checks.extend(proof.steps.into_iter().map(|step| match step.result {
                Ok(found) => Check::ok(step.name, found),
                Err(Failure { what, remedy }) => Check::fail(step.name, what, remedy),
            }));
        }
        Err(error) => checks.push(consent(&error, connection.id)),
    }
    checks
}

fn state(of: SubAccountId, connection: &StoredConnection) -> Check {
    let name = "mailbox";
    let address = connection.address.as_ref().map(ToString::to_string).unwrap_or_default();
    let (state, provider) = (connection.state.name(), &connection.provider);
    let found = format!("{address} of sub-account {of} is {state} ({provider})");
    let detail = detail(connection);
    let advice = || detail.clone().unwrap_or_else(|| "authorise it again".to_owned());
    match connection.state {
        MailboxState::Active => match &detail {
            Some(detail) => Check::warn(name, found, detail.clone()),
            None => Check::ok(name, found),
        },
        MailboxState::Connecting => Check::warn(name, found, advice()),
        MailboxState::NeedsReauth | MailboxState::Disconnected => {
            Check::fail(name, found, advice())
        }
    }
}

fn consent(error: &LoginError, id: ConnectionId) -> Check {
    let advice = match error {
        LoginError::NeedsReauth => "authorise it again on the page Settings, Email",
        LoginError::Unavailable(_) => "look whether the provider answers, then try again",
    };
    Check::fail("mailbox consent", format!("connection {id}: {error}"), advice)
}
