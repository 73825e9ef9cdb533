//! What goes out to hosts that customers name: through the perimeter, and how events reach them.

use std::sync::Arc;

use super::{App, Error};
use crate::clock;
use crate::config::{Config, Resolver};
use crate::events::{Client, Driver};
use crate::ingest::dns::{self, Dns};
use crate::oauth::openid::Provider;
use crate::perimeter::{Network, Perimeter, System};
use crate::tls;
use crate::web;

/// Where connections to customers' hosts may go: to public addresses, to the networks that the operator
/// has opened, and to those of `open`.
pub fn perimeter(config: &Config, open: &[Network]) -> Result<Perimeter, Error> {
    let allowed = &[config.allowed_networks.as_slice(), open].concat();
    match config.dns_resolver {
        Resolver::System => Ok(Perimeter::new(allowed, Arc::new(System))),
        Resolver::Server(address) => {
            let options = dns::Options { server: Some(address), ..dns::Options::default() };
            let dns = Dns::open(&options)?;
            Ok(Perimeter::new(allowed, Arc::new(dns.resolver().clone())))
        }
    }
}

/// Where webhooks are sent from.
pub fn webhook_client(config: &Config) -> Result<Client, Error> {
    let tls = tls::client_config(config.tls.extra_roots.as_deref())?;
    let client = Client::new(perimeter(config, &[])?, tls);
    client.map_err(|error| Error::Io(std::io::Error::other(error)))
}

/// Who signs people in, where the operator has named an organisation.
pub fn organisation(config: &Config) -> Result<Option<Provider>, Error> {
    let Some(organisation) = config.organisation.clone() else { return Ok(None) };
    let tls = tls::client_config(config.tls.extra_roots.as_deref())?;
    let provider = Provider::new(organisation, perimeter(config, &[])?, &tls);
    provider.map(Some).map_err(|error| Error::Io(std::io::Error::other(error)))
}

/// Delivers events to webhooks, told as the API tells them.
pub fn deliveries(app: &App, state: &Arc<web::State>) -> Arc<Driver> {
    Arc::new(Driver {
        store: Arc::clone(&app.store),
        objects: Arc::<web::State>::clone(state),
        secrets: app.secrets.clone(),
        client: state.webhook_client.clone(),
        clock: Arc::new(clock::now),
    })
}
