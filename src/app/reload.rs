//! SIGHUP: certificates and configuration are read again. What can change at run time does, for
//! connections from then on; what cannot is named in the log. A mistake leaves everything as it was.

use std::sync::Arc;

use crate::config::{self, Config};
use crate::smtp::driver;
use crate::tls::Certificates;

/// Sets the filter of the log.
pub type SetFilter = Box<dyn Fn(&str) + Send>;

/// What a running gateway can be told anew.
pub struct Reload {
    pub config: Config,
    pub certificates: Arc<Certificates>,
    pub smtp: Arc<driver::Settings>,
    pub set_filter: SetFilter,
}

impl Reload {
    /// Reads everything again.
    pub fn run(&mut self) {
        match self.config.load_again() {
            Ok(next) => self.take_over(next),
            Err(error) => {
                tracing::error!(code = "configuration_kept", %error, "The former configuration stays.");
            }
        }
        self.read_certificates();
    }

    fn take_over(&mut self, next: Config) {
        let changed = self.config.keys.changed(&next.keys);
        // Those of `demo` are its own, and in no file.
        if changed.iter().any(|key| key.starts_with("tls.")) {
            self.config.tls = next.tls;
        }
        let (applied, waiting): (Vec<_>, Vec<_>) =
            changed.into_iter().partition(|key| config::applies_at_run_time(key));
        self.smtp.change(next.smtp.max_message_bytes, next.smtp.limits.clone());
        (self.set_filter)(&next.log.filter);
        self.config.keys = next.keys;
        let applied = applied.join(", ");
        tracing::info!(
            code = "configuration_reloaded",
            applied,
            "The configuration was read again."
        );
        if !waiting.is_empty() {
            let keys = waiting.join(", ");
            tracing::warn!(
                code = "restart_needed",
                keys,
                "These keys take effect after a restart."
            );
        }
    }

    fn read_certificates(&self) {
        let files = &self.config.tls;
        match self.certificates.replace(&files.certificate, &files.key) {
            Ok(()) => {
                tracing::info!(code = "certificates_reloaded", "The certificates were read again.");
            }
            Err(error) => {
                tracing::error!(code = "certificates_kept", %error, "The former certificates stay.");
            }
        }
    }
}
