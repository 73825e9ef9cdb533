//! The only place with SQL: one set of statements for SQLite and PostgreSQL, one transaction type.
