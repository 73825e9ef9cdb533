//! A copy of an SQLite store in one file, made while mail comes in, and its way back. Files that belong
//! to the store, its key above all, travel in a table of the copy. PostgreSQL has tools of its own.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use super::{Database, Error, Result, Store};

/// A file beside the store: its name and what is in it.
pub type Beside = (String, Vec<u8>);

/// Reads as one transaction does: a consistent state, whatever is written meanwhile.
const COPY: &str = "vacuum into $1";
const ADD_TABLE: &str =
    "create table backup_files (name text primary key, content blob not null) strict";
const ADD_FILE: &str = "insert into backup_files (name, content) values ($1, $2)";
const FILES: &str = "select name, content from backup_files order by name";
const REMOVE_TABLE: &str = "drop table backup_files";
/// S5: what waited, or was on its way, when the copy was made may have been sent since; and without the
/// time of a hand-over its absence from the Sent folder proves nothing.
const DOUBT: &str = "update outbox set status = 'unknown', due_at = null, lease = null, \
        leased_until = null, handed_at = null, searched_at = null, detail = $1 \
    where due_at is not null or leased_until is not null";
const RESTORED: &str =
    "The store was restored from a backup; whether this mail was sent since then is not known.";

impl Store {
    /// Copies the store and the files beside it into a file that must not exist yet.
    pub async fn back_up(&self, to: &Path, beside: &[Beside]) -> Result<()> {
        let Database::Sqlite(sqlite) = &self.database else {
            return Err(Error::refused(
                "the store is PostgreSQL: copy it with pg_dump, and the data directory beside it",
            ));
        };
        let part = part_of(to)?;
        make(&part)?;
        let copied = async {
            let path = part.display().to_string();
            sqlx::query(COPY).bind(path).execute(&sqlite.readers).await?;
            add_files(&part, beside).await
        };
        finish(copied.await, &part, to)
    }

    /// Puts a copy in the place of a store, where none may be, once `put` has put the files that were beside
    /// it there. What it was about to send waits for its user's word (S5).
    pub async fn restore(
        from: &Path,
        to: &Path,
        put: impl FnOnce(&[Beside]) -> io::Result<()>,
    ) -> Result<()> {
        let part = part_of(to)?;
        make(&part)?;
        let restored = async {
            fs::copy(from, &part).map_err(|error| told(from, "cannot be read", &error))?;
            take_files(&part).await
        };
        let restored = restored.await.map_err(|error| {
            let from = from.display();
            Error::refused(format!("{from} is no backup that can be put back: {error}"))
        });
        let done = restored.and_then(|files| {
            put(&files).map_err(|error| told(to, "cannot have what belongs beside it", &error))
        });
        finish(done, &part, to)
    }
}

async fn add_files(copy: &Path, beside: &[Beside]) -> Result<()> {
    let mut copy = open(copy).await?;
    sqlx::query(ADD_TABLE).execute(&mut copy).await?;
    for (name, content) in beside {
        sqlx::query(ADD_FILE).bind(name).bind(content).execute(&mut copy).await?;
    }
    Ok(copy.close().await?)
}

async fn take_files(copy: &Path) -> Result<Vec<Beside>> {
    let mut copy = open(copy).await?;
    let files = sqlx::query_as(FILES).fetch_all(&mut copy).await?;
    sqlx::query(REMOVE_TABLE).execute(&mut copy).await?;
    sqlx::query(DOUBT).bind(RESTORED).execute(&mut copy).await?;
    copy.close().await?;
    Ok(files)
}

async fn open(path: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(false);
    Ok(options.pragma("synchronous", "full").pragma("secure_delete", "on").connect().await?)
}

/// What is not whole yet has another name.
fn part_of(to: &Path) -> Result<PathBuf> {
    if to.exists() {
        return Err(Error::refused(format!("{} is there already: nothing was done", to.display())));
    }
    let mut part = to.as_os_str().to_owned();
    part.push(".part");
    Ok(part.into())
}

/// An empty file that only its owner may read.
fn make(part: &Path) -> Result<()> {
    let mut options = OpenOptions::new();
    let made = options.write(true).create(true).truncate(true).mode(0o600).open(part);
    made.map(drop).map_err(|error| told(part, "cannot be made", &error))
}

/// Durable under its own name, or gone.
fn finish(done: Result<()>, part: &Path, to: &Path) -> Result<()> {
    let finished =
        done.and_then(|()| name(part, to).map_err(|error| told(to, "cannot be written", &error)));
    if finished.is_err() {
        // It is of no use; who cannot remove it was told why it failed.
        let _ = fs::remove_file(part);
    }
    finished
}

fn name(part: &Path, to: &Path) -> io::Result<()> {
    File::open(part)?.sync_all()?;
    // A link does not replace what came there meanwhile, as a renaming would.
    fs::hard_link(part, to)?;
    fs::remove_file(part)?;
    let directory = to.parent().filter(|path| !path.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

fn told(path: &Path, what: &str, error: &io::Error) -> Error {
    Error::refused(format!("{} {what}: {error}", path.display()))
}
