//! `mailweave backup` and `mailweave restore`: the store with its key in one file, and back.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{Ending, Error, look_at_store, print, sqlite_file};
use crate::config::Config;
use crate::store::{Beside, Store};

/// Copy store and key into one file, while the gateway runs
///
/// The copy is consistent: what was answered 250 before it began is in it, whole. It holds the key that
/// opens its secrets, and mail: keep it as safe as the data directory. The configuration and the
/// certificates are not in it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  mailweave backup /backup/mailweave-$(date +%F)

A store in PostgreSQL is copied with pg_dump, and the data directory beside it.")]
pub struct Backup {
    /// The file to make; it must not exist
    file: PathBuf,
}

/// Put a backup back, where there is no store yet
///
/// Stop the gateway first. Nothing is overwritten: move the old data directory away, or set another.
/// Mail that was still to be sent when the backup was made may have been sent since: it becomes `unknown`,
/// and is sent again only where its user says so.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  mailweave restore /backup/mailweave-2026-11-26")]
pub struct Restore {
    /// A file that `mailweave backup` made
    file: PathBuf,
}

/// What lies beside the store and belongs to it.
const BESIDE: [&str; 2] = ["key", "admin-token"];

pub(super) async fn back_up(config: Config, arguments: Backup) -> Result<Ending, Error> {
    let store = look_at_store(&config).await?;
    let mut beside = Vec::new();
    for name in BESIDE {
        let path = config.data_dir.join(name);
        match fs::read(&path) {
            Ok(content) => beside.push((name.to_owned(), content)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(told(&path, "cannot be read", &error)),
        }
    }
    let done = store.back_up(&arguments.file, &beside).await;
    store.close().await;
    done.map_err(|error| Error::Usage(format!("no backup was made: {error}")))?;
    let bytes = fs::metadata(&arguments.file)?.len();
    print(&format!("{} holds the store and its key, {bytes} bytes.\n", arguments.file.display()))?;
    Ok(Ending::Good)
}

pub(super) async fn restore(config: Config, arguments: Restore) -> Result<Ending, Error> {
    let Some(to) = sqlite_file(&config) else {
        return Err(Error::Usage(
            "the store is PostgreSQL: put it back with pg_restore or psql, and the data directory \
             beside it"
                .to_owned(),
        ));
    };
    if !arguments.file.is_file() {
        return Err(Error::Usage(format!("there is no file {}", arguments.file.display())));
    }
    // What SQLite keeps beside a store it would lay over whatever store it finds there.
    let log = ["-wal", "-shm", "-journal"].map(|end| {
        let mut name = to.clone().into_os_string();
        name.push(end);
        PathBuf::from(name)
    });
    let there = BESIDE.iter().map(|name| config.data_dir.join(name));
    let there = there.chain([to.clone()]).chain(log);
    if let Some(path) = there.into_iter().find(|path| path.exists()) {
        return Err(Error::Usage(format!(
            "{} is there already, and nothing is overwritten: move it away, or set another data_dir",
            path.display()
        )));
    }
    make_directory(&config.data_dir)?;
    // The key first: a store without its key is of no use, and a key without a store does no harm.
    let put = |beside: &[Beside]| {
        for (name, content) in beside.iter().filter(|(name, _)| BESIDE.contains(&name.as_str())) {
            write(&config.data_dir.join(name), content)?;
        }
        Ok(())
    };
    let restored = Store::restore(&arguments.file, &to, put).await;
    restored.map_err(|error| Error::Usage(format!("nothing was put back: {error}")))?;
    print(&format!("{} is back; start it with `mailweave serve`.\n", to.display()))?;
    Ok(Ending::Good)
}

fn make_directory(path: &Path) -> Result<(), Error> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| told(path, "cannot be made", &error))
}

fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn told(path: &Path, what: &str, error: &std::io::Error) -> Error {
    Error::Usage(format!("{} {what}: {error}", path.display()))
}
