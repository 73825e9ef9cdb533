-- SQLite keeps some tables in the order of their key from here on (see migrations/sqlite); PostgreSQL has
-- its rows in a heap, always.
select 1;
