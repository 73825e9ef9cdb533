-- Ids that private mail names, by keys that tell nobody which they are (T1), for as long as its verdict is
-- kept: a mail of a CRM thread that comes later may bring one of them (T2). The same in migrations/sqlite.

create table unclaimed (
    sub_account uuid not null,
    key bytea not null,
    -- In whose mailbox it was named.
    connection_id uuid not null,
    expires_at bigint not null,
    primary key (sub_account, key, connection_id)
);
create index unclaimed_expires on unclaimed (expires_at);
