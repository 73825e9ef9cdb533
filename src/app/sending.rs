//! What the CRM sends: where it is taken, and who sends it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use url::{Host as UrlHost, Url};

use super::outgoing::perimeter;
use super::{App, Error};
use crate::access::Logins;
use crate::model::Host;
use crate::perimeter::Network;
use crate::reach::Reach;
use crate::send::flow::Office;
use crate::send::notice::Notices;
use crate::send::unsubscribe::Links;
use crate::send::{self, Bell, driver};
use crate::{submission, tls};
use secrecy::ExposeSecret;

impl App {
    /// Where mail that is to be sent is taken.
    pub(super) fn office(&self) -> Office {
        let config = &self.config;
        Office {
            store: Arc::clone(&self.store),
            secrets: self.secrets.clone(),
            reader: self.reader.clone(),
            links: Links::new(&self.secrets),
            public_url: config.http.public_url.trim_end_matches('/').to_owned(),
            message_bytes_max: config.smtp.max_message_bytes,
        }
    }

    /// An embedded store is served by one process: what the last one had in hand, nobody has. On
    /// PostgreSQL others may be at work, and leases end by themselves.
    pub(super) async fn take_over(&self) -> Result<(), Error> {
        if self.config.store_url.expose_secret().starts_with("sqlite:") {
            self.store.expire_leases(crate::clock::now()).await?;
        }
        Ok(())
    }

    /// Sends what is in the outbox until it is told to stop.
    pub(super) fn send<L: Logins>(
        &self,
        logins: Arc<L>,
        bell: Bell,
        stop: CancellationToken,
    ) -> Result<impl Future<Output = ()> + Send + use<L>, Error> {
        let config = &self.config;
        let tls = tls::client_config(config.tls.extra_roots.as_deref())?;
        let hello = &config.smtp.hostname;
        let relays = self.relays()?;
        let providers = config.providers.values();
        let named: Vec<&Host> = providers.filter_map(|it| it.smtp.as_ref()).collect();
        let mailboxes = Reach::within(perimeter(config, &[])?, named);
        let options = send::Options {
            mailboxes: submission::Options::new(tls, mailboxes, hello),
            relays,
            pace: config.sending.pace,
            connections: config.sending.connections,
            patience: config.sending.patience,
        };
        let (store, secrets) = (Arc::clone(&self.store), self.secrets.clone());
        Ok(driver::run(store, secrets, options, logins, bell, stop))
    }

    /// What the gateway itself has to say goes out through relays, too.
    pub(super) fn notices(&self) -> Result<Notices, Error> {
        let (store, secrets) = (Arc::clone(&self.store), self.secrets.clone());
        Ok(Notices { store, secrets, relays: self.relays()? })
    }

    /// How relays are reached, which customers name.
    fn relays(&self) -> Result<submission::Options, Error> {
        let config = &self.config;
        let tls = tls::client_config(config.tls.extra_roots.as_deref())?;
        let reach = Reach::within(perimeter(config, &self.own_machine())?, []);
        Ok(submission::Options::new(tls, reach, &config.smtp.hostname))
    }

    /// First steps on one's own machine: a gateway that is only known there may send through a relay
    /// there. Elsewhere the operator opens that (`outgoing.allowed_networks`).
    fn own_machine(&self) -> Vec<Network> {
        let url = Url::parse(&self.config.http.public_url).ok();
        let is_here = match url.as_ref().and_then(Url::host) {
            Some(UrlHost::Domain(name)) => name == "localhost",
            Some(UrlHost::Ipv4(address)) => address.is_loopback(),
            Some(UrlHost::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        let networks = ["127.0.0.0/8", "::1"].iter().filter_map(|text| text.parse().ok());
        networks.filter(|_| is_here).collect()
    }
}
