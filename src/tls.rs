//! The certificate of the listeners: read at the start, made when there is none, read again when it
//! changes. Who needs TLS, and on which port, is not decided here.

mod outgoing;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_util::sync::CancellationToken;
use x509_parser::prelude::{FromDer as _, X509Certificate};

pub use outgoing::client_config;

/// Why there is no certificate to be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} exists and {} does not: bring both, or remove both and a pair is made", there.display(), missing.display())]
    Missing { there: PathBuf, missing: PathBuf },
    #[error("cannot read {}: {source}", file.display())]
    Unreadable { file: PathBuf, source: pem::Error },
    #[error("{} and {} do not fit together: {source}", certificate.display(), key.display())]
    Unfit { certificate: PathBuf, key: PathBuf, source: rustls::Error },
    #[error("cannot make a certificate: {0}")]
    NotMade(#[from] rcgen::Error),
    #[error("cannot write {}: {source}", file.display())]
    Unwritable { file: PathBuf, source: std::io::Error },
    #[error("TLS cannot be set up: {0}")]
    NoTls(#[from] rustls::Error),
}

/// When the two files were last changed.
type Stamp = [Option<SystemTime>; 2];

/// A certificate and its key, replaced while sessions use the former.
#[derive(Debug)]
pub struct Certificates {
    current: ArcSwap<CertifiedKey>,
    // A mutex: two reloads at once must not leave the older stamp.
    files: Mutex<Files>,
}

/// The pair that is in use, and how old it was when it was read.
#[derive(Clone, Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    stamp: Stamp,
}

/// Below this many days somebody should renew the certificate.
pub const DAYS_LOW: i64 = 14;
/// How often the files are looked at.
const WATCHED_EVERY: Duration = Duration::from_secs(10);

/// The one source of cryptography in the process. Safe to call again.
pub fn install_provider() {
    // The error says that one is installed already, which is what is wanted.
    let _installed = rustls::crypto::ring::default_provider().install_default();
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

impl Certificates {
    /// Opens a pair of PEM files. When neither exists, a self-signed pair for `names` is made.
    pub fn open(certificate: &Path, key: &Path, names: &[String]) -> Result<Arc<Self>, Error> {
        match (certificate.exists(), key.exists()) {
            (false, false) => make(certificate, key, names)?,
            (true, false) => return Err(missing(certificate, key)),
            (false, true) => return Err(missing(key, certificate)),
            (true, true) => {}
        }
        let files = Files::new(certificate, key);
        let current = ArcSwap::from_pointee(read(certificate, key)?);
        Ok(Arc::new(Self { current, files: Mutex::new(files) }))
    }

    /// Reads the files again. What is wrong with them leaves the former pair in use.
    pub fn reload(&self) -> Result<(), Error> {
        let mut files = self.files();
        files.stamp = stamp(&files.certificate, &files.key);
        self.current.store(Arc::new(read(&files.certificate, &files.key)?));
        Ok(())
    }

    /// Uses other files from now on, unless something is wrong with them.
    pub fn replace(&self, certificate: &Path, key: &Path) -> Result<(), Error> {
        let mut files = self.files();
        let next = Files::new(certificate, key);
        self.current.store(Arc::new(read(certificate, key)?));
        *files = next;
        Ok(())
    }

    /// Reads the files again whenever they have changed, until told to stop.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(WATCHED_EVERY)).await.is_some() {
            if !self.has_changed() {
                continue;
            }
            match self.reload() {
                Ok(()) => tracing::info!(code = "certificate_reloaded", "The certificate is new."),
                Err(error) => tracing::warn!(
                    code = "certificate_unusable",
                    %error,
                    "The new certificate cannot be used; the former stays in use."
                ),
            }
        }
    }

    /// The configuration of a listener that shows this certificate. TLS 1.2 and 1.3.
    pub fn server_config(self: &Arc<Self>, alpn: &[&[u8]]) -> Result<Arc<ServerConfig>, Error> {
        let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(self) as _;
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Ok(Arc::new(config))
    }

    /// The certificate in use, in DER; the first of its chain.
    pub fn leaf(&self) -> Option<CertificateDer<'static>> {
        self.current.load().cert.first().cloned()
    }

    /// Until when it is valid, in seconds since 1970; `None` when it cannot be understood.
    pub fn valid_until(&self) -> Option<i64> {
        let leaf = self.leaf()?;
        let (_, certificate) = X509Certificate::from_der(&leaf).ok()?;
        Some(certificate.validity().not_after.timestamp())
    }

    fn has_changed(&self) -> bool {
        let files = self.files();
        stamp(&files.certificate, &files.key) != files.stamp
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Files {
    fn new(certificate: &Path, key: &Path) -> Self {
        let stamp = stamp(certificate, key);
        Self { certificate: certificate.to_owned(), key: key.to_owned(), stamp }
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

fn missing(there: &Path, missing: &Path) -> Error {
    Error::Missing { there: there.to_owned(), missing: missing.to_owned() }
}

fn stamp(certificate: &Path, key: &Path) -> Stamp {
    [certificate, key].map(|file| fs::metadata(file).and_then(|data| data.modified()).ok())
}

fn read(certificate: &Path, key: &Path) -> Result<CertifiedKey, Error> {
    let unreadable = |file: &Path| {
        let file = file.to_owned();
        move |source| Error::Unreadable { file, source }
    };
    let chain = chain(certificate).map_err(unreadable(certificate))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(unreadable(key))?;
    let unfit =
        |source| Error::Unfit { certificate: certificate.to_owned(), key: key.to_owned(), source };
    let signing_key = provider().key_provider.load_private_key(private).map_err(unfit)?;
    let pair = CertifiedKey::new(chain, signing_key);
    pair.keys_match().map_err(unfit)?;
    Ok(pair)
}

/// The certificates of a file, at least one: a file without any was named by mistake.
fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect)?;
    if chain.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(chain) }
}

fn make(certificate: &Path, key: &Path, names: &[String]) -> Result<(), Error> {
    let pair = rcgen::generate_simple_self_signed(names)?;
    // The key first: without its certificate it is harmless.
    write(key, &pair.signing_key.serialize_pem(), 0o600)?;
    write(certificate, &pair.cert.pem(), 0o644)
}

fn write(file: &Path, text: &str, mode: u32) -> Result<(), Error> {
    let unwritable = |source| Error::Unwritable { file: file.to_owned(), source };
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(unwritable)?;
    }
    fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(file)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(unwritable)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn names() -> Vec<String> {
        vec!["mx.example".to_owned()]
    }

    #[test]
    fn makes_a_pair_when_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let (cert, key) = (folder.path().join("new/cert.pem"), folder.path().join("key.pem"));
        let first = Certificates::open(&cert, &key, &names()).unwrap().leaf();
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Certificates::open(&cert, &key, &names()).unwrap().leaf(), first);
    }

    #[test]
    fn refuses_half_a_pair_and_one_that_does_not_fit() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        Certificates::open(&path("a.pem"), &path("a.key"), &names()).unwrap();
        Certificates::open(&path("b.pem"), &path("b.key"), &names()).unwrap();
        let open = |cert: &str, key: &str| Certificates::open(&path(cert), &path(key), &names());
        assert!(matches!(open("a.pem", "none"), Err(Error::Missing { .. })));
        assert!(matches!(open("none", "a.key"), Err(Error::Missing { .. })));
        assert!(matches!(open("a.pem", "b.key"), Err(Error::Unfit { .. })));
        fs::write(path("b.pem"), "nothing").unwrap();
        let error = open("b.pem", "b.key").unwrap_err();
        assert!(matches!(error, Error::Unreadable { .. }), "{error}");
        let error = client_config(Some(&path("b.pem"))).unwrap_err();
        assert!(matches!(error, Error::Unreadable { .. }), "{error}");
    }

    #[test]
    fn keeps_the_former_pair_when_the_new_one_is_bad() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let pair = Certificates::open(&path("a.pem"), &path("a.key"), &names()).unwrap();
        let first = pair.leaf();
        fs::write(path("a.pem"), "nothing").unwrap();
        assert!(pair.reload().is_err());
        assert_eq!(pair.leaf(), first);
        let other = Certificates::open(&path("b.pem"), &path("b.key"), &names()).unwrap();
        fs::copy(path("b.pem"), path("a.pem")).unwrap();
        fs::copy(path("b.key"), path("a.key")).unwrap();
        pair.reload().unwrap();
        assert_eq!(pair.leaf(), other.leaf());
    }
}
