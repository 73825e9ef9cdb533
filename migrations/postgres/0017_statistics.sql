-- SQLite is told here how the tables are shaped once there is much mail; PostgreSQL finds out by itself.
select 1;
