-- Addresses that users want to have, until the link that was sent to them is used. The same in
-- migrations/sqlite.

create table address_links (
    sub_account uuid not null,
    -- SHA-256 of the code in the link.
    hash bytea not null,
    user_id uuid not null,
    address text not null,
    -- 'alias', or 'email': the sign-in address.
    purpose text not null,
    expires_at bigint not null,
    primary key (sub_account, hash)
);
create unique index address_links_hash on address_links (hash);
create index address_links_user on address_links (sub_account, user_id);
