-- Mail that a server lists and does not give: its folder is read on without it, and it is asked for again
-- (V1). The same in migrations/sqlite.

create table withheld (
    sub_account uuid not null,
    connection_id uuid not null,
    -- The folder by its name on the wire, and what its UIDs mean.
    folder text not null,
    uid_validity bigint not null,
    uid bigint not null,
    -- How often it was asked for since it was left out, and when it is again.
    tries bigint not null,
    created_at bigint not null,
    next_at bigint not null,
    primary key (sub_account, connection_id, folder, uid_validity, uid)
);
create index withheld_next on withheld (next_at);
