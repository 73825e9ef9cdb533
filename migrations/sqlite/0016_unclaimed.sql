-- Ids that private mail names, by keys that tell nobody which they are (T1), for as long as its verdict is
-- kept: a mail of a CRM thread that comes later may bring one of them (T2). The same in migrations/postgres.

create table unclaimed (
    sub_account blob not null,
    key blob not null,
    -- In whose mailbox it was named.
    connection_id blob not null,
    expires_at integer not null,
    primary key (sub_account, key, connection_id)
) strict, without rowid;
create index unclaimed_expires on unclaimed (expires_at);
