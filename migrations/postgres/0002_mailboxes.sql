-- Connected mailboxes and what they track. The same in migrations/sqlite.

-- The account that a user has connected, or is connecting. One a user that is not disconnected.
create table mailboxes (
    sub_account uuid not null,
    id uuid not null,
    user_id uuid not null,
    -- The connection in use; null before the first is active.
    connection_id uuid,
    -- What is being connected: the first one, or another address (M4).
    pending_id uuid,
    created_at bigint not null,
    primary key (sub_account, id)
);
create index mailboxes_user on mailboxes (sub_account, user_id);

-- One way into a mailbox, from its consent to its end. Threads belong to the connection they were sent through.
create table connections (
    sub_account uuid not null,
    id uuid not null,
    mailbox_id uuid not null,
    user_id uuid not null,
    provider text not null,
    -- Normal form; null until the provider has said whose account it is.
    address text,
    -- JSON: hosts, user name, how it signs in. No secret.
    account text not null,
    -- JSON: tokens or password, sealed. Null once it is erased (M4, M5).
    secret bytea,
    -- Counts every change of the secret, so that two refreshers cannot both store theirs.
    secret_version bigint not null,
    -- connecting, active, needs_reauth, disconnected.
    state text not null,
    detail text,
    -- The folder of sent mail, by its name on the wire.
    sent_folder text,
    created_at bigint not null,
    connected_at bigint,
    last_sync_at bigint,
    primary key (sub_account, id)
);
create index connections_mailbox on connections (sub_account, mailbox_id);
create index connections_state on connections (state);

-- Consents under way (RFC 6749 10.12): one use, ten minutes.
create table consents (
    sub_account uuid not null,
    -- SHA-256 of the state parameter.
    hash bytea not null,
    connection_id uuid not null,
    -- JSON: PKCE verifier, nonce, redirect address; sealed.
    secret bytea not null,
    expires_at bigint not null,
    primary key (sub_account, hash)
);
create unique index consents_hash on consents (hash);
create index consents_expires on consents (expires_at);

-- How far a folder has been read (T7).
create table folders (
    sub_account uuid not null,
    connection_id uuid not null,
    -- On the wire: modified UTF-7 (RFC 3501 5.1.3).
    name text not null,
    -- inbox, sent, other.
    role text not null,
    uid_validity bigint not null,
    uid_next bigint not null,
    primary key (sub_account, connection_id, name)
);

-- Threads that became tracked late: their ids are still to be searched for (T10).
create table searches (
    sub_account uuid not null,
    connection_id uuid not null,
    thread_id uuid not null,
    created_at bigint not null,
    primary key (sub_account, connection_id, thread_id)
);

-- The connection that a user's threads are tracked in: the active one of the user's mailbox.
alter table users add column connection_id uuid;
-- The connection that a thread belongs to; null while it was never tracked.
alter table threads add column connection_id uuid;
create index threads_connection on threads (sub_account, connection_id) where connection_id is not null;
