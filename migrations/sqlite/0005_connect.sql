-- Connecting mailboxes. The same in migrations/postgres.

-- Until then one gateway asks the provider for a new token, and no other does.
alter table connections add column refresh_until integer;
