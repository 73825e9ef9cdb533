-- What waits in the outbox by the way that it goes, so that those who have much to send keep nobody waiting.
-- The same in migrations/sqlite.

-- A way is a mailbox's connection, or else the relay of the sub-account, which has its id.
create index outbox_lanes on outbox (sub_account, coalesce(connection_id, sub_account), due_at, id)
where due_at is not null;
drop index outbox_due;
drop index outbox_waiting;
