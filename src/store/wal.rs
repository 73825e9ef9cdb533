//! SQLite's write-ahead log is copied into its place by a task of its own, so that no mail waits for it.
//!
//! By default the commit that fills the log copies it, and every session stands still meanwhile. Here a
//! second connection copies beside the writer (`passive`). Under steady load that alone never reaches
//! the log's end, so beyond a length the last pages are copied while the writer waits (`restart`); they are
//! few, because what was written meanwhile is copied first, again and again.

use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection, SqlitePool};
use tokio::sync::mpsc;

use super::Result;

/// So often is the log looked at while mail comes.
const PAUSE: Duration = Duration::from_millis(50);
/// Copied from this length on: 64 MB. A page that many commits have written is copied once; in a large store
/// each mail writes pages that lie far apart, and copying them after every 8 MB took a quarter of the time.
const COPY_PAGES: i64 = 16_000;
/// Begun anew from this length on: 128 MB.
const RESTART_PAGES: i64 = 32_000;
/// So long a file it may stay when it begins anew: as long as that.
pub(super) const KEPT_BYTES: &str = "134217728";
/// The commit itself copies from this length on, should the task fall behind: 256 MB.
pub(super) const BACKSTOP_PAGES: &str = "64000";
/// What may be left to copy while all mail waits: 2 MB.
const REST_PAGES: i64 = 512;
/// What was written while the log was copied is copied so many times, each time there is less of it.
const COPIES_MAX: u32 = 8;

/// Tells the task that something was committed; when it is dropped, the task ends.
pub(super) struct Log(mpsc::Sender<()>);

impl Log {
    /// Starts the task for a store with this writer.
    pub(super) async fn start(options: SqliteConnectOptions, writer: SqlitePool) -> Result<Self> {
        // A reader that stands in the way is not waited for: the next turn comes soon.
        let options = options.busy_timeout(Duration::from_millis(5));
        let connection = options.pragma("cache_size", "-512").connect().await?;
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(run(connection, writer, receiver));
        Ok(Self(sender))
    }

    /// Something was committed.
    pub(super) fn grew(&self) {
        // Full: the task knows already.
        let _ = self.0.try_send(());
    }
}

async fn run(mut connection: SqliteConnection, writer: SqlitePool, mut grew: mpsc::Receiver<()>) {
    while grew.recv().await.is_some() {
        tokio::time::sleep(PAUSE).await;
        // What fails here is seen by the writer too, and told by it.
        let _ = copy(&mut connection, &writer).await;
    }
    let _ = connection.close().await;
}

async fn copy(connection: &mut SqliteConnection, writer: &SqlitePool) -> sqlx::Result<()> {
    if checkpoint(connection, LENGTH).await?.length < COPY_PAGES {
        return Ok(());
    }
    let mut state = checkpoint(connection, COPY).await?;
    if state.length < RESTART_PAGES {
        return Ok(());
    }
    let mut copies = 1;
    while state.rest() > REST_PAGES && copies < COPIES_MAX {
        let after = checkpoint(connection, COPY).await?;
        if after.copied == state.copied {
            // Somebody reads what was there before, and the log cannot begin anew until that ends.
            return Ok(());
        }
        state = after;
        copies += 1;
    }
    // Who finds the database locked sleeps, up to a tenth of a second; who waits for the writer is woken.
    let _held = writer.acquire().await?;
    checkpoint(connection, RESTART).await.map(drop)
}

const LENGTH: &str = "pragma wal_checkpoint(noop)";
const COPY: &str = "pragma wal_checkpoint(passive)";
const RESTART: &str = "pragma wal_checkpoint(restart)";

/// How far the log is copied, in pages.
struct State {
    length: i64,
    copied: i64,
}

impl State {
    const fn rest(&self) -> i64 {
        self.length - self.copied
    }
}

async fn checkpoint(
    connection: &mut SqliteConnection,
    pragma: &'static str,
) -> sqlx::Result<State> {
    let (_busy, length, copied): (i64, i64, i64) =
        sqlx::query_as(pragma).fetch_one(connection).await?;
    Ok(State { length, copied })
}
