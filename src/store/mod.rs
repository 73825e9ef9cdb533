//! The only place with SQL: embedded SQLite, or PostgreSQL, behind one [`Store`].
//!
//! # How a statement is written
//!
//! Its text is a constant in lower case with `$1`, `$2` and named columns, the same for both databases,
//! declared with [`statements!`] so that a test lets both databases parse it:
//!
//! ```text
//! statements! {
//!     CONTACT = "select email, name from contacts where sub_account = $1 and id = $2";
//!     ADD_NEVER_LOG = "insert into never_log (sub_account, entry)
//!         select * from {rows uuid text} as added where column1 is not null
//!         on conflict do nothing";
//! }
//!
//! impl Store {
//!     pub async fn contact(&self, of: SubAccountId, id: ContactId) -> Result<Option<Contact>> {
//!         let mut tx = self.reader().await?;
//!         let row: Option<ContactRow> = tx.optional(CONTACT, values![of, id]).await?;
//!         row.map(ContactRow::read).transpose()
//!     }
//! }
//! ```
//!
//! [`Store::writer`] gives a transaction, which must be ended with `tx.commit().await?`; [`Store::reader`]
//! a connection that only reads. A row is a tuple, or a struct that derives `sqlx::FromRow`; types are
//! `i64`, `bool`, `String`, `Vec<u8>`, `Uuid`, and `Option` of them. `{rows …}` stands for a list of
//! rows (see `rows`): `tx.execute_rows` and `tx.all_of_rows` take their values row after row. A file's
//! list of statements is named in [`statements`].
//!
//! This was to be macros that expand every body twice; an enum of connections and one of values do the
//! same with plain functions, once.

/// Declares statements, and the file's list of them.
macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:expr;)*) => {
        $($(#[$doc])* pub(in crate::store) const $name: &str = $sql;)*

        /// The statements of this file by name.
        pub(in crate::store) const STATEMENTS: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

mod accounts;
mod actions;
mod activity;
mod address_links;
mod again;
mod backup;
mod columns;
mod connecting;
mod contacts;
mod conversations;
mod credentials;
mod deliveries;
mod directory;
mod drafts;
mod erase;
mod error;
mod events;
mod expire;
mod facts;
mod file;
mod folded;
mod idempotency;
mod inboxes;
mod mailboxes;
mod messages;
mod named;
mod open;
mod outbox;
mod overview;
mod raw;
mod recent;
mod record;
mod redelivery;
mod route;
mod rows;
mod search;
mod sessions;
mod sign_in;
mod space;
mod tokens;
mod tracking;
mod tx;
mod unclaimed;
mod users;
mod value;
mod verdicts;
mod wal;
mod watching;
mod webhooks;
mod window;
mod withheld;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::{PgPool, SqlitePool};
use tokio::sync::broadcast;

pub use accounts::AccountSettings;
pub use actions::{Action, Undone};
pub use activity::{Seen, SeenMail};
pub use address_links::{AddressUse, NewAddress};
pub use again::Waiting;
pub use backup::Beside;
pub use connecting::{Begun, Ended, NewConnection, Proved, StoredConsent};
pub use contacts::StoredContact;
pub use conversations::{StoredConversation, StoredThread};
pub use credentials::Credentials;
pub use deliveries::{Due, Outcome, Queue, QueueLease, Round, Settled};
pub use drafts::{Draft, NewDraft};
pub use erase::Mail;
pub use error::{Error, Result};
pub use events::{Bounds, News, StoredEvent};
pub use file::{Again, Filing, Page};
pub use idempotency::Reservation;
pub use inboxes::Inbox;
pub use mailboxes::{SealedSecret, StoredConnection, StoredMailbox};
pub use open::{Holder, Options, Tables};
pub use outbox::{
    Answered, Cancelled, Claimed, Progress, Resolution, Resolved, Settle, Shipment, Wanted,
};
pub use overview::{AccountOverview, HOURS, OutboxWaiting, Rates};
pub use raw::RawMail;
pub use recent::{RecentFile, RecentMail, RecentMessage};
pub use search::{EventReach, Found, Indexed, Preview};
pub use sessions::{NewSession, Session};
pub use sign_in::{Link, Purpose};
pub use tokens::{NewToken, Token, TokenOwner};
use tx::{Lease, Tx};
pub use verdicts::VerdictFilter;
pub use watching::{Advance, Watched};
pub use webhooks::NewWebhook;
pub use window::{Position, Window};
pub use withheld::Withheld;

/// Where everything is kept.
pub struct Store {
    database: Database,
    /// Set when a write failed in a way after which its connection cannot be trusted; the pool then
    /// closes the connection instead of keeping it.
    distrusted: Arc<AtomicBool>,
    routes: route::Routes,
    news: broadcast::Sender<News>,
}

enum Database {
    Sqlite(Sqlite),
    Postgres(PgPool),
}

struct Sqlite {
    path: PathBuf,
    /// One connection: SQLite has one writer at a time.
    writer: SqlitePool,
    readers: SqlitePool,
    log: wal::Log,
    /// Held as long as the gateway serves; see [`Holder`].
    _lock: Option<std::fs::File>,
}

impl Store {
    /// A connection that only reads.
    async fn reader(&self) -> Result<Tx<'_>> {
        let lease = match &self.database {
            Database::Sqlite(sqlite) => sqlite.readers.acquire().await.map(Lease::SqliteReader),
            Database::Postgres(pool) => pool.acquire().await.map(Lease::PostgresReader),
        };
        lease.map(|lease| Tx::new(self, lease)).map_err(Error::from)
    }

    /// A transaction. On SQLite it is the only one.
    async fn writer(&self) -> Result<Tx<'_>> {
        let lease = match &self.database {
            Database::Sqlite(sqlite) => {
                sqlite.writer.begin_with("begin immediate").await.map(Lease::SqliteWriter)
            }
            Database::Postgres(pool) => pool.begin().await.map(Lease::PostgresWriter),
        };
        lease.map(|lease| Tx::new(self, lease)).map_err(|error| self.failed(error))
    }

    /// Remembers when a connection must not be used again.
    fn failed(&self, error: sqlx::Error) -> Error {
        let error = Error::from(error);
        if !error.spares_connection() {
            self.distrusted.store(true, Ordering::Relaxed);
        }
        error
    }

    fn committed(&self, news: BTreeSet<News>) {
        if let Database::Sqlite(sqlite) = &self.database {
            sqlite.log.grew();
        }
        for news in news {
            // Nobody listens: nobody misses it.
            let _ = self.news.send(news);
        }
    }

    /// Answers if the store can be read (`/readyz`).
    pub async fn ping(&self) -> Result<()> {
        let mut tx = self.reader().await?;
        tx.optional::<(i64,)>(PING, Vec::new()).await.map(drop)
    }

    /// Lets the database parse every statement of this module.
    pub async fn prepare_statements(&self) -> Result<()> {
        let mut tx = self.writer().await?;
        for (name, sql) in statements_as_text(tx.is_postgres()) {
            let prepared = tx.prepare(sql).await;
            prepared.map_err(|error| Error::damaged(format!("{name}: {error}")))?;
        }
        Ok(())
    }
}

statements! {
    PING = "select cast(1 as bigint) as answer";
}

/// All statements by name.
pub fn statements() -> impl Iterator<Item = (&'static str, &'static str)> {
    let files = [
        STATEMENTS,
        accounts::STATEMENTS,
        actions::STATEMENTS,
        activity::STATEMENTS,
        address_links::STATEMENTS,
        again::STATEMENTS,
        connecting::STATEMENTS,
        contacts::STATEMENTS,
        conversations::STATEMENTS,
        credentials::STATEMENTS,
        deliveries::STATEMENTS,
        directory::STATEMENTS,
        drafts::STATEMENTS,
        erase::STATEMENTS,
        events::STATEMENTS,
        expire::STATEMENTS,
        facts::STATEMENTS,
        idempotency::STATEMENTS,
        inboxes::STATEMENTS,
        mailboxes::STATEMENTS,
        messages::STATEMENTS,
        named::STATEMENTS,
        overview::STATEMENTS,
        open::STATEMENTS,
        recent::STATEMENTS,
        record::STATEMENTS,
        redelivery::STATEMENTS,
        route::STATEMENTS,
        sessions::STATEMENTS,
        search::STATEMENTS,
        sign_in::STATEMENTS,
        tokens::STATEMENTS,
        tracking::STATEMENTS,
        unclaimed::STATEMENTS,
        users::STATEMENTS,
        verdicts::STATEMENTS,
        watching::STATEMENTS,
        webhooks::STATEMENTS,
        withheld::STATEMENTS,
    ];
    files.into_iter().flatten().copied().chain(outbox::all_statements())
}

/// The text of all statements as one database gets it, lists of rows two rows long.
pub fn statements_as_text(is_postgres: bool) -> impl Iterator<Item = (&'static str, String)> {
    statements()
        .filter(move |(name, _)| {
            !name.ends_with(if is_postgres { "_ON_SQLITE" } else { "_ON_POSTGRES" })
        })
        .map(move |(name, sql)| (name, rows::with_rows(sql, 2, is_postgres).as_str().to_owned()))
}
