//! What can go wrong in the store, by what the caller does about it.

use std::sync::Arc;

use sqlx::error::DatabaseError;

/// Why the store could not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be reached or written just now; trying again later may help (`451`, `503`).
    #[error("the store cannot be reached or written just now: {0}")]
    Unavailable(#[source] Arc<sqlx::Error>),
    /// There is no room (`452`, `507`).
    #[error("the store has no room left")]
    Full,
    /// Another writer was first: a row of that key exists, or the databases' locks crossed (`409`).
    #[error("another writer was first: {0}")]
    Conflict(String),
    /// It must not be opened as it is; a person has to change something.
    #[error("{why}")]
    Refused { why: String },
    /// What is stored is not what this program wrote; a person has to look at it.
    #[error("the store is damaged: {what}")]
    Damaged { what: String },
}

/// What the stores of a module answer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Will it do any good to try again later, without a person's help?
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Full | Self::Conflict(_) => true,
            Self::Refused { .. } | Self::Damaged { .. } => false,
        }
    }

    /// May the connection on which it happened be used further? After a failed write or fsync it may
    /// hold pages that never reached the disk, and is closed.
    pub(super) const fn spares_connection(&self) -> bool {
        matches!(self, Self::Conflict(_))
    }

    /// What is stored cannot be understood.
    pub(crate) fn damaged(what: impl std::fmt::Display) -> Self {
        Self::Damaged { what: what.to_string() }
    }

    pub(super) fn refused(why: impl std::fmt::Display) -> Self {
        Self::Refused { why: why.to_string() }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(cause) => match cause_of(cause.as_ref()) {
                Cause::Later => Self::Unavailable(Arc::new(error)),
                Cause::Full => Self::Full,
                Cause::Conflict => Self::Conflict(error.to_string()),
                Cause::Damage => Self::damaged(error),
            },
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. }
            | sqlx::Error::RowNotFound
            | sqlx::Error::TypeNotFound { .. } => Self::damaged(error),
            _ => Self::Unavailable(Arc::new(error)),
        }
    }
}

enum Cause {
    Later,
    Full,
    Conflict,
    Damage,
}

fn cause_of(error: &dyn DatabaseError) -> Cause {
    let code = error.code().unwrap_or_default();
    match code.parse::<u32>() {
        Ok(code) if code.to_string().len() < 5 => cause_in_sqlite(code),
        _ => cause_in_postgres(&code),
    }
}

/// SQLite's extended result codes; the low byte is the primary one.
const fn cause_in_sqlite(code: u32) -> Cause {
    /// `SQLITE_IOERR_WRITE`: a quota or a file size limit, which SQLite does not call "full".
    const IOERR_WRITE: u32 = 778;
    match (code, code & 0xff) {
        (IOERR_WRITE, _) | (_, 13) => Cause::Full,
        // SQLITE_CONSTRAINT.
        (_, 19) => Cause::Conflict,
        // SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_ERROR, SQLITE_MISMATCH, SQLITE_RANGE.
        (_, 1 | 11 | 20 | 25 | 26) => Cause::Damage,
        _ => Cause::Later,
    }
}

/// SQLSTATE of PostgreSQL.
fn cause_in_postgres(code: &str) -> Cause {
    match code {
        "53100" => Cause::Full,
        "40001" | "40P01" | "23505" | "23503" => Cause::Conflict,
        "XX001" | "XX002" => Cause::Damage,
        code => match code.get(..2) {
            Some("08" | "25" | "53" | "55" | "57" | "58") => Cause::Later,
            _ => Cause::Damage,
        },
    }
}
