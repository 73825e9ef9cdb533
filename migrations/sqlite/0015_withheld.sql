-- Mail that a server lists and does not give: its folder is read on without it, and it is asked for again
-- (V1). The same in migrations/postgres.

create table withheld (
    sub_account blob not null,
    connection_id blob not null,
    -- The folder by its name on the wire, and what its UIDs mean.
    folder text not null,
    uid_validity integer not null,
    uid integer not null,
    -- How often it was asked for since it was left out, and when it is again.
    tries integer not null,
    created_at integer not null,
    next_at integer not null,
    primary key (sub_account, connection_id, folder, uid_validity, uid)
) strict;
create index withheld_next on withheld (next_at);
