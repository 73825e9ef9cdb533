//! Opening a store: where it is, who may hold it, what version its tables are.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Executor, PgPool, SqlitePool};

use super::route::Routes;
use super::wal::{self, Log};
use super::{Database, Error, Result, Sqlite, Store, events};

static ON_SQLITE: Migrator = sqlx::migrate!("migrations/sqlite");
static ON_POSTGRES: Migrator = sqlx::migrate!("migrations/postgres");

/// What to open, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// `sqlite:PATH`, or `postgres://…`.
    pub url: String,
    pub holder: Holder,
    /// Connections to PostgreSQL at most.
    pub connections_max: u32,
    /// How long a caller waits for a connection or a lock.
    pub wait_max: Duration,
}

/// Who opens it: one gateway serves one SQLite store; commands may work beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    Gateway,
    Command,
    /// Looks at what is there, and makes and changes nothing, tables included.
    Onlooker,
}

impl Options {
    /// The store of that URL, with the defaults.
    pub fn new(url: impl Into<String>, holder: Holder) -> Self {
        Self { url: url.into(), holder, connections_max: 10, wait_max: Duration::from_secs(10) }
    }
}

impl Store {
    /// Opens the store, makes it if there is none, and brings its tables up to date; for an onlooker it
    /// does neither.
    pub async fn open(options: Options) -> Result<Self> {
        let distrusted = Arc::new(AtomicBool::new(false));
        let database = match options.url.split_once(':') {
            Some(("sqlite", path)) => {
                let path = path.strip_prefix("//").unwrap_or(path);
                Database::Sqlite(Sqlite::open(Path::new(path), &options, &distrusted).await?)
            }
            Some(("postgres" | "postgresql", _)) => {
                Database::Postgres(open_postgres(&options, &distrusted).await?)
            }
            _ => {
                return Err(Error::refused(
                    "the store's url must be sqlite:PATH or postgres://USER@HOST/DATABASE",
                ));
            }
        };
        Ok(Self { database, distrusted, routes: Routes::default(), news: events::news() })
    }

    /// Ends all connections; what was committed stays.
    pub async fn close(&self) {
        match &self.database {
            Database::Sqlite(sqlite) => {
                sqlite.readers.close().await;
                sqlite.writer.close().await;
            }
            Database::Postgres(pool) => pool.close().await,
        }
    }
}

/// How the tables that are there stand to those that this program knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tables {
    UpToDate,
    /// So many migrations are still to be run.
    Behind(usize),
    /// A newer program made them.
    Ahead,
}

statements! {
    MIGRATIONS_DONE = "select version from _sqlx_migrations order by version";
}

impl Store {
    /// Compares the tables with what this program knows.
    pub async fn tables(&self) -> Result<Tables> {
        let mut tx = self.reader().await?;
        let known = if tx.is_postgres() { &ON_POSTGRES } else { &ON_SQLITE };
        let done: Vec<(i64,)> = tx.all(MIGRATIONS_DONE, Vec::new()).await?;
        let known: BTreeSet<i64> = known.iter().map(|migration| migration.version).collect();
        let done: BTreeSet<i64> = done.into_iter().map(|(version,)| version).collect();
        Ok(match known.difference(&done).count() {
            _ if !done.is_subset(&known) => Tables::Ahead,
            0 => Tables::UpToDate,
            behind => Tables::Behind(behind),
        })
    }
}

impl Sqlite {
    async fn open(path: &Path, options: &Options, distrusted: &Arc<AtomicBool>) -> Result<Self> {
        if options.holder == Holder::Onlooker {
            return Self::look(path, options).await;
        }
        let directory = make_directory(path)?;
        let lock = match options.holder {
            Holder::Gateway => Some(lock_for_gateway(path)?),
            Holder::Command | Holder::Onlooker => None,
        };
        make_file(path)?;
        // Two starters migrate one after the other; the lock goes with `directory`.
        wait_for_lock(&directory, path).await?;
        let connect = writer_options(path, options);
        let mut connection = connect.connect().await?;
        migrate(&ON_SQLITE, &mut connection).await?;
        connection.close().await?;
        let writer = open_writer(connect, options, distrusted).await?;
        let readers = open_readers(path, options).await?;
        let log = Log::start(connect_options(path, options), writer.clone()).await?;
        Ok(Self { path: path.to_owned(), writer, readers, log, _lock: lock })
    }

    /// Nothing can be written by these connections.
    async fn look(path: &Path, options: &Options) -> Result<Self> {
        let (writer, readers) =
            (open_readers(path, options).await?, open_readers(path, options).await?);
        let looking = connect_options(path, options).read_only(true);
        let log = Log::start(looking, writer.clone()).await?;
        Ok(Self { path: path.to_owned(), writer, readers, log, _lock: None })
    }
}

fn writer_options(path: &Path, options: &Options) -> SqliteConnectOptions {
    connect_options(path, options)
        .page_size(PAGE_BYTES)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        // What is erased is overwritten. Filing deletes nothing, so it costs filing nothing.
        .pragma("secure_delete", "on")
        .pragma("cache_size", "-8192")
        .pragma("wal_autocheckpoint", wal::BACKSTOP_PAGES)
        // What a backup made it grow to, it gives back.
        .pragma("journal_size_limit", wal::KEPT_BYTES)
}

async fn open_writer(
    connect: SqliteConnectOptions,
    options: &Options,
    distrusted: &Arc<AtomicBool>,
) -> Result<SqlitePool> {
    // What undoes a statement for a batch is small, and not worth a file each time. A migration sorts
    // whole tables, and has its file.
    let connect = connect.pragma("temp_store", "memory");
    let distrusted = Arc::clone(distrusted);
    SqlitePoolOptions::new()
        .max_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .acquire_timeout(options.wait_max)
        .after_release(move |_, _| {
            let is_trusted = !distrusted.swap(false, Ordering::Relaxed);
            Box::pin(async move { Ok(is_trusted) })
        })
        .connect_with(connect)
        .await
        .map_err(Error::from)
}

async fn open_readers(path: &Path, options: &Options) -> Result<SqlitePool> {
    let connect = connect_options(path, options).read_only(true).pragma("cache_size", "-1024");
    SqlitePoolOptions::new()
        .max_connections(READERS)
        .test_before_acquire(false)
        .acquire_timeout(options.wait_max)
        .connect_with(connect)
        .await
        .map_err(Error::from)
}

fn connect_options(path: &Path, options: &Options) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(options.wait_max)
        .statement_cache_capacity(STATEMENTS_CACHED)
        // A statement for many rows is a screen of question marks, and its values are nobody's business.
        .disable_statement_logging()
}

/// A mail's own rows are one page or many; what finds it again by its id and by its conversation is a page each
/// that lies anywhere, and of those the smaller are written with a fifth less CPU (measured at 50 mails a
/// commit of 1 KB, and no slower for mails of 100 KB).
const PAGE_BYTES: u32 = 4_096;
const READERS: u32 = 4;
/// Every statement, and those for many rows in each of their seven lengths.
const STATEMENTS_CACHED: usize = 400;

/// A node that stands still, or is cut off, must not keep all others waiting. Said once connected: a pooler in
/// between takes no options.
const LIMITS_ON_POSTGRES: &str = "set lock_timeout = '10s'; \
    set idle_in_transaction_session_timeout = '60s'; \
    set tcp_keepalives_idle = 30; set tcp_user_timeout = 60000";

async fn open_postgres(options: &Options, distrusted: &Arc<AtomicBool>) -> Result<PgPool> {
    let connect = PgConnectOptions::from_str(&options.url)
        .map_err(|error| Error::refused(format!("the store's url cannot be read: {error}")))?
        .application_name("mailweave")
        .statement_cache_capacity(STATEMENTS_CACHED)
        .disable_statement_logging();
    let distrusted = Arc::clone(distrusted);
    let pool = PgPoolOptions::new()
        .max_connections(options.connections_max)
        .test_before_acquire(false)
        .acquire_timeout(options.wait_max)
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(LIMITS_ON_POSTGRES).await.map(drop) })
        })
        // A connection that rested may be gone.
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                let rested = meta.idle_for > Duration::from_secs(1);
                Ok(!rested || sqlx::Connection::ping(connection).await.is_ok())
            })
        })
        .after_release(move |_, _| {
            let is_trusted = !distrusted.swap(false, Ordering::Relaxed);
            Box::pin(async move { Ok(is_trusted) })
        })
        .connect_with(connect)
        .await?;
    if options.holder != Holder::Onlooker {
        migrate(&ON_POSTGRES, &pool).await?;
    }
    Ok(pool)
}

async fn migrate<'a, A>(migrator: &Migrator, pool: A) -> Result<()>
where
    A: sqlx::Acquire<'a>,
    <A::Connection as std::ops::Deref>::Target: sqlx::migrate::Migrate,
{
    migrator.run(pool).await.map_err(|error| match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
        MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_) => Error::refused(
            "the store was made by another version of this program, with tables that this one \
             does not know: start that version, or a newer one",
        ),
        other => {
            Error::refused(format!("the store's tables cannot be brought up to date: {other}"))
        }
    })
}

/// Makes the directory of the file for us alone, and opens it.
fn make_directory(path: &Path) -> Result<File> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&directory)
        .map_err(|error| refused(&directory, "cannot be made", &error))?;
    File::open(&directory).map_err(|error| refused(&directory, "cannot be opened", &error))
}

/// Makes the file for us alone, or checks that it is ours to write.
fn make_file(path: &Path) -> Result<()> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|error| refused(path, "cannot be opened for writing", &error))?;
    let meta = file.metadata().map_err(|error| refused(path, "cannot be examined", &error))?;
    if meta.uid() != rustix::process::geteuid().as_raw() {
        let why = format!(
            "{} belongs to user {}: start as that user, or give the file to this one",
            path.display(),
            meta.uid()
        );
        return Err(Error::refused(why));
    }
    if meta.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(|error| {
            refused(path, "can be read by others, and that cannot be changed", &error)
        })?;
    }
    Ok(())
}

/// Waits for the other starter without keeping the thread, which may be the one it runs on.
async fn wait_for_lock(file: &File, path: &Path) -> Result<()> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(TryLockError::Error(error)) => {
                return Err(refused(path, "cannot be locked", &error));
            }
        }
    }
}

/// Takes the lock that one gateway holds while it serves.
fn lock_for_gateway(path: &Path) -> Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&name)
        .map_err(|error| refused(&name, "cannot be opened for writing", &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::refused(format!(
            "another gateway is serving {}: stop it, or give this one a data_dir of its own",
            path.display()
        ))),
        Err(TryLockError::Error(error)) => Err(refused(&name, "cannot be locked", &error)),
    }
}

fn refused(path: &Path, what: &str, error: &std::io::Error) -> Error {
    Error::refused(format!("{} {what}: {error}", path.display()))
}
