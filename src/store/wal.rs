//! SQLite's write-ahead log is copied into its place by a task of its own, so that no mail waits for it.
//!
//! By default the commit that fills the log copies it, and every session stands still meanwhile. Here a
//! second connection copies beside the writer (`passive`). Under steady load that alone never reaches
//! the log's end, so beyond a length the last pages are copied while the writer waits (`restart`).

use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tokio::sync::mpsc;

use super::Result;

/// So often is the log looked at while mail comes.
const PAUSE: Duration = Duration::from_millis(50);
/// Copied from this length on: 64 MB. A page that many commits have written is copied once; in a large store
/// each mail writes pages that lie far apart, and copying them after every 8 MB took a quarter of the time.
const COPY_PAGES: i64 = 8_000;
/// Begun anew from this length on: 128 MB.
const RESTART_PAGES: i64 = 16_000;
/// So long a file it may stay when it begins anew: as long as that.
pub(super) const KEPT_BYTES: &str = "134217728";
/// The commit itself copies from this length on, should the task fall behind: 256 MB.
pub(super) const BACKSTOP_PAGES: &str = "32000";

/// Tells the task that something was committed; when it is dropped, the task ends.
pub(super) struct Log(mpsc::Sender<()>);

impl Log {
    /// Starts the task for a store.
    pub(super) async fn start(options: SqliteConnectOptions) -> Result<Self> {
        // A reader that stands in the way is not waited for: the next turn comes soon.
        let options = options.busy_timeout(Duration::from_millis(5));
        let connection = options.pragma("cache_size", "-512").connect().await?;
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(copy(connection, receiver));
        Ok(Self(sender))
    }

    /// Something was committed.
    pub(super) fn grew(&self) {
        // Full: the task knows already.
        let _ = self.0.try_send(());
    }
}

async fn copy(mut connection: SqliteConnection, mut grew: mpsc::Receiver<()>) {
    while grew.recv().await.is_some() {
        tokio::time::sleep(PAUSE).await;
        // What fails here is seen by the writer too, and told by it.
        let Ok(length) = pages(&mut connection, LENGTH).await else { continue };
        if length < COPY_PAGES {
            continue;
        }
        if pages(&mut connection, COPY).await.is_ok_and(|length| length >= RESTART_PAGES) {
            let _ = pages(&mut connection, RESTART).await;
        }
    }
    let _ = connection.close().await;
}

const LENGTH: &str = "pragma wal_checkpoint(noop)";
const COPY: &str = "pragma wal_checkpoint(passive)";
const RESTART: &str = "pragma wal_checkpoint(restart)";

/// Runs a checkpoint; answers how long the log is.
async fn pages(connection: &mut SqliteConnection, pragma: &'static str) -> sqlx::Result<i64> {
    let (_busy, length, _copied): (i64, i64, i64) =
        sqlx::query_as(pragma).fetch_one(connection).await?;
    Ok(length)
}
