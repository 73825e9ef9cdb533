//! TLS of outgoing connections: who is believed to be the server it says it is.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls_platform_verifier::Verifier;

use super::{Error, provider};

/// The system's authorities, and those in a PEM file of the operator's (`tls.extra_roots`). TLS 1.2 and
/// 1.3; there is no way to leave a certificate unchecked.
pub fn client_config(extra_roots: Option<&Path>) -> Result<Arc<ClientConfig>, Error> {
    let roots = match extra_roots {
        Some(file) => read_roots(file)?,
        None => Vec::new(),
    };
    let verifier = Verifier::new_with_extra_roots(roots, provider())?;
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous() // It is how rustls names any verifier that is not its own.
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn read_roots(file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let unreadable = |source| Error::Unreadable { file: file.to_owned(), source };
    super::chain(file).map_err(unreadable)
}
