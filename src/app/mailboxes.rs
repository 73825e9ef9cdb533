//! Connected mailboxes: what connects them, and who watches them.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::outgoing::perimeter;
use super::{App, Error};
use crate::connect::{self, Connector};
use crate::model::Host;
use crate::reach::Reach;
use crate::{tls, watch};

impl App {
    /// What connects mailboxes, and knows how they are signed in to. The servers that the operator named
    /// may be anywhere; those that users name are inside the perimeter (D12).
    pub fn connector(&self) -> Result<Connector, Error> {
        let config = &self.config;
        let named: Vec<&Host> = config
            .providers
            .values()
            .flat_map(|provider| [provider.imap.as_ref(), provider.smtp.as_ref()])
            .flatten()
            .collect();
        let options = connect::Options {
            store: Arc::clone(&self.store),
            secrets: self.secrets.clone(),
            providers: config.providers.clone(),
            tls: tls::client_config(config.tls.extra_roots.as_deref())?,
            reach: Reach::within(perimeter(config, &[])?, named),
            hostname: config.smtp.hostname.clone(),
            public_url: config.http.public_url.clone(),
        };
        Ok(Connector::new(options)?)
    }

    /// Watches every active mailbox until it is told to stop.
    pub(super) fn watch(
        &self,
        connector: Connector,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + Send + use<> {
        let options = watch::driver::Options {
            imap: connector.imap().clone(),
            message_bytes_max: self.config.smtp.max_message_bytes,
            pace: watch::plan::Pace::default(),
        };
        let (store, reader) = (Arc::clone(&self.store), self.reader.clone());
        watch::driver::run(store, reader, options, Arc::new(connector), stop)
    }
}
