-- Addresses that users want to have, until the link that was sent to them is used. The same in
-- migrations/postgres.

create table address_links (
    sub_account blob not null,
    -- SHA-256 of the code in the link.
    hash blob not null,
    user_id blob not null,
    address text not null,
    -- 'alias', or 'email': the sign-in address.
    purpose text not null,
    expires_at integer not null,
    primary key (sub_account, hash)
) strict;
create unique index address_links_hash on address_links (hash);
create index address_links_user on address_links (sub_account, user_id);
