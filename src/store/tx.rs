//! A connection at work, on either database: the one place where a statement meets sqlx.

use std::collections::BTreeSet;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Executor, FromRow, Postgres, SqlSafeStr, Sqlite};

use super::events::News;
use super::value::{Value, for_postgres, for_sqlite};
use super::{Error, Result, Store, rows};
use crate::model::SubAccountId;

/// A reader, or a transaction. A transaction that is dropped before [`Tx::commit`] is rolled back.
pub(super) struct Tx<'s> {
    lease: Lease,
    store: &'s Store,
    /// The sub-accounts whose rows it holds, on PostgreSQL.
    pub(super) locked: BTreeSet<SubAccountId>,
    /// What is told once it is committed.
    pub(super) news: BTreeSet<News>,
    /// Smart BCC addresses are revoked by it.
    pub(super) revokes: bool,
}

pub(super) enum Lease {
    SqliteReader(PoolConnection<Sqlite>),
    SqliteWriter(sqlx::Transaction<'static, Sqlite>),
    PostgresReader(PoolConnection<Postgres>),
    PostgresWriter(sqlx::Transaction<'static, Postgres>),
}

/// A row that both databases can give: a tuple of columns, or a struct that derives `FromRow`.
pub(super) trait AnyRow:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

impl<R> AnyRow for R where
    R: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

/// Expands its body once for each database; `$arguments` are the values as that database wants them.
macro_rules! on_both {
    ($tx:expr, $values:expr, |$connection:ident, $arguments:ident| $body:expr) => {
        match &mut $tx.lease {
            Lease::SqliteReader(lease) => {
                let ($connection, $arguments) = (&mut **lease, for_sqlite($values)?);
                $body
            }
            Lease::SqliteWriter(lease) => {
                let ($connection, $arguments) = (&mut **lease, for_sqlite($values)?);
                $body
            }
            Lease::PostgresReader(lease) => {
                let ($connection, $arguments) = (&mut **lease, for_postgres($values)?);
                $body
            }
            Lease::PostgresWriter(lease) => {
                let ($connection, $arguments) = (&mut **lease, for_postgres($values)?);
                $body
            }
        }
    };
}

impl<'s> Tx<'s> {
    pub(super) const fn new(store: &'s Store, lease: Lease) -> Self {
        Self { lease, store, locked: BTreeSet::new(), news: BTreeSet::new(), revokes: false }
    }

    /// All rows of a statement.
    pub(super) async fn all<R: AnyRow>(
        &mut self,
        sql: impl SqlSafeStr,
        values: Vec<Value>,
    ) -> Result<Vec<R>> {
        let sql = sql.into_sql_str();
        let rows = on_both!(self, values, |connection, arguments| {
            sqlx::query_as_with::<_, R, _>(sql, arguments).fetch_all(connection).await
        });
        rows.map_err(|error| self.store.failed(error))
    }

    /// The first row of a statement, if it has one.
    pub(super) async fn optional<R: AnyRow>(
        &mut self,
        sql: impl SqlSafeStr,
        values: Vec<Value>,
    ) -> Result<Option<R>> {
        let sql = sql.into_sql_str();
        let row = on_both!(self, values, |connection, arguments| {
            sqlx::query_as_with::<_, R, _>(sql, arguments).fetch_optional(connection).await
        });
        row.map_err(|error| self.store.failed(error))
    }

    /// Runs a statement; answers how many rows it changed.
    pub(super) async fn execute(
        &mut self,
        sql: impl SqlSafeStr,
        values: Vec<Value>,
    ) -> Result<u64> {
        let sql = sql.into_sql_str();
        let changed = on_both!(self, values, |connection, arguments| {
            let done = sqlx::query_with(sql, arguments).execute(connection).await;
            done.map(|done| done.rows_affected())
        });
        changed.map_err(|error| self.store.failed(error))
    }

    /// Runs a statement with `{rows …}` in it for many rows: one run for 512 of them, none for none.
    pub(super) async fn execute_rows(
        &mut self,
        sql: &'static str,
        rows: Vec<Value>,
    ) -> Result<u64> {
        let mut changed = 0;
        for (sql, values) in rows::statements(sql, rows, self.is_postgres()) {
            changed += self.execute(sql, values).await?;
        }
        Ok(changed)
    }

    /// Runs statements with `{rows …}` in them, each for its own rows. SQLite is given them all at once: it
    /// costs more to hand a statement to its thread than to run it for a few rows.
    pub(super) async fn execute_together<const N: usize>(
        &mut self,
        statements: [(&'static str, Vec<Value>); N],
    ) -> Result<()> {
        let alone = self.is_postgres();
        let together = if alone { None } else { rows::together(&statements) };
        if let Some((sql, values)) = together {
            return self.execute(sql, values).await.map(drop);
        }
        for (sql, rows) in statements {
            self.execute_rows(sql, rows).await?;
        }
        Ok(())
    }

    /// All rows that a statement with `{rows …}` in it finds for many asked.
    pub(super) async fn all_of_rows<R: AnyRow>(
        &mut self,
        sql: &'static str,
        rows: Vec<Value>,
    ) -> Result<Vec<R>> {
        let mut found = Vec::new();
        for (sql, values) in rows::statements(sql, rows, self.is_postgres()) {
            found.extend(self.all(sql, values).await?);
        }
        Ok(found)
    }

    /// Makes durable what was written. Nothing is, before this returns.
    pub(super) async fn commit(self) -> Result<()> {
        let done = match self.lease {
            Lease::SqliteReader(_) | Lease::PostgresReader(_) => Ok(()),
            Lease::SqliteWriter(transaction) => transaction.commit().await,
            Lease::PostgresWriter(transaction) => transaction.commit().await,
        };
        // Even one that failed may have come through.
        if self.revokes {
            self.store.routes.forget();
        }
        done.map_err(|error| self.store.failed(error))?;
        self.store.committed(self.news);
        Ok(())
    }

    /// Is it PostgreSQL? For the few statements that only it needs.
    pub(super) const fn is_postgres(&self) -> bool {
        matches!(self.lease, Lease::PostgresReader(_) | Lease::PostgresWriter(_))
    }

    /// Lets the database parse a statement.
    pub(super) async fn prepare(&mut self, sql: String) -> Result<()> {
        // The caller has it from the constants of this module.
        let sql = AssertSqlSafe(sql).into_sql_str();
        let prepared = match &mut self.lease {
            Lease::SqliteReader(lease) => lease.prepare(sql).await.map(drop),
            Lease::SqliteWriter(lease) => lease.prepare(sql).await.map(drop),
            Lease::PostgresReader(lease) => lease.prepare(sql).await.map(drop),
            Lease::PostgresWriter(lease) => lease.prepare(sql).await.map(drop),
        };
        prepared.map_err(Error::from)
    }
}
