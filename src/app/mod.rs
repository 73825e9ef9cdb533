//! Builds everything from the configuration, starts it, and stops it in order. The only place that
//! knows all the others.

mod admin_token;
mod demo;
mod first_start;
mod mailboxes;
pub mod outgoing;
mod reload;
mod sending;
mod serve;

use std::fs::{self, DirBuilder};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::ExposeSecret;

pub use reload::SetFilter;
pub use serve::{demo, serve};

use crate::config::Config;
use crate::ingest::prepare::Reader;
use crate::mail;
use crate::secrets::Secrets;
use crate::store::{self, Holder, Store};

/// What the gateway and every command work with.
pub struct App {
    pub config: Config,
    pub store: Arc<Store>,
    pub secrets: Secrets,
    pub reader: Reader,
}

/// Why it does not start; each says what to change.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot use the data directory {}: {source}. Set data_dir to a directory that this user may write", path.display())]
    DataDir { path: PathBuf, source: std::io::Error },
    #[error("everybody may write into the data directory {}, and could put another key or store there: chmod 700 it", path.display())]
    OpenToAll { path: PathBuf },
    #[error("cannot use the key {}: {source}. It belongs to this store: put the right file back, readable by this user alone", path.display())]
    Key { path: PathBuf, source: std::io::Error },
    #[error("the key {} is {what}: copy the key of the node that served this store before, or of its backup, to that place", path.display())]
    OtherKey { path: PathBuf, what: &'static str },
    #[error("cannot open the store: {0}")]
    Store(#[from] store::Error),
    #[error("cannot use the certificate: {0}")]
    Tls(#[from] crate::tls::Error),
    #[error("cannot listen on {address} ({key}): {source}")]
    Listen { key: &'static str, address: String, source: std::io::Error },
    #[error("cannot ask DNS: {0}")]
    Dns(#[from] crate::ingest::dns::Error),
    #[error("cannot ask mailbox providers: {0}")]
    Providers(#[from] crate::oauth::Error),
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl App {
    /// Opens the data directory, the key and the store; makes what is missing.
    pub async fn open(config: Config, holder: Holder) -> Result<Self, Error> {
        open_data_dir(&config.data_dir)?;
        let url = config.store_url.expose_secret();
        let store = Arc::new(Store::open(store::Options::new(url, holder)).await?);
        let secrets = secrets(&config, &store).await?;
        store.set_key_mark(&secrets.derived(KEY_MARK)).await?;
        let reader = Reader {
            bcc_domains: config.smtp.domains.clone().into(),
            limits: mail::Limits::default(),
            pepper: secrets.pepper(),
        };
        Ok(Self { config, store, secrets, reader })
    }
}

/// What the key is known by is derived for.
const KEY_MARK: &str = "mark of the key";

/// The key in the data directory, made when there is none. With another one than the store's secrets are
/// sealed with, every mailbox would have to be authorised anew.
pub async fn secrets(config: &Config, store: &Store) -> Result<Secrets, Error> {
    let path = config.data_dir.join("key");
    let mark = store.key_mark().await?;
    if mark.is_some() && !path.exists() {
        return Err(Error::OtherKey {
            path,
            what: "not there, and the store's secrets are sealed",
        });
    }
    let secrets = match Secrets::open(&path) {
        Ok(secrets) => secrets,
        Err(source) => return Err(Error::Key { path, source }),
    };
    match mark.is_none_or(|mark| mark == secrets.derived(KEY_MARK)) {
        true => Ok(secrets),
        false => Err(Error::OtherKey {
            path,
            what: "not the one that the store's secrets are sealed with",
        }),
    }
}

/// Mail is nobody else's to read: the directory is made its owner's alone, and its files are. In one that
/// everybody may write into, others could replace them (but for those under a sticky bit, as in /tmp).
fn open_data_dir(path: &Path) -> Result<(), Error> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    let metadata = made.and_then(|()| fs::metadata(path));
    let metadata = metadata.map_err(|source| Error::DataDir { path: path.to_owned(), source })?;
    match metadata.permissions().mode() & 0o1002 {
        0o0002 => Err(Error::OpenToAll { path: path.to_owned() }),
        _ => Ok(()),
    }
}
