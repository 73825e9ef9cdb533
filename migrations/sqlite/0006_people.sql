-- How people sign in to the pages, and what they may do there. The same in migrations/postgres.

-- user, admin (of the sub-account), operator (of the whole gateway).
alter table users add column role text not null default 'user';
-- Somebody has to be able to let others in: the first of each sub-account.
update users set role = 'admin' where not exists (select 1 from users as earlier
    where earlier.sub_account = users.sub_account and earlier.id < users.id);
-- Signing in knows the address alone.
create index users_sign_in on users (email);

-- What a link is for: first_start, sign_in, invitation.
alter table sign_in_links add column purpose text not null default 'first_start';

-- What a user proves to be the user with.
create table credentials (
    sub_account blob not null,
    user_id blob not null,
    -- PHC string of argon2id; null until one is chosen.
    password text,
    password_at integer,
    -- The secret of one-time passwords, sealed; null while there is no second factor.
    totp blob,
    -- The last step that was used: a code is good once (RFC 6238 5.2).
    totp_step integer not null,
    -- JSON list: SHA-256 of the recovery codes that are left, in hexadecimal.
    recovery text not null,
    primary key (sub_account, user_id)
) strict;

-- Browsers that are signed in.
create table sessions (
    sub_account blob not null,
    -- SHA-256 of the id in the cookie.
    hash blob not null,
    user_id blob not null,
    -- What the browser said it is, for the list of sessions.
    agent text not null,
    created_at integer not null,
    seen_at integer not null,
    expires_at integer not null,
    primary key (sub_account, hash)
) strict;
create unique index sessions_hash on sessions (hash);
create index sessions_user on sessions (sub_account, user_id);
create index sessions_expires on sessions (expires_at);
