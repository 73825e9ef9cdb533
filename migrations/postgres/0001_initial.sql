-- The tables of the first release. The same in migrations/sqlite, with that database's type names.
-- Every key begins with the sub-account, so that the store can be divided by it.
-- Times are microseconds since 1970; JSON is text that only the gateway reads.

create table sub_accounts (
    sub_account uuid not null,
    name text not null,
    settings text not null,
    -- The SMTP relay, JSON, encrypted with the key of the data directory.
    provider bytea,
    created_at bigint not null,
    primary key (sub_account)
);

-- The operator's own: what comes for postmaster is kept there.
insert into sub_accounts (sub_account, name, settings, created_at)
values ('00000000-0000-0000-0000-000000000000', 'operator', '{}', 0);

create table tokens (
    sub_account uuid not null,
    id uuid not null,
    -- SHA-256 of the token.
    hash bytea not null,
    name text not null,
    created_at bigint not null,
    primary key (sub_account, id)
);
create unique index tokens_hash on tokens (hash);

create table users (
    sub_account uuid not null,
    id uuid not null,
    name text not null,
    email text not null,
    time_zone text not null,
    created_at bigint not null,
    primary key (sub_account, id)
);
create unique index users_email on users (sub_account, email);

-- Every address a user writes from: the sign-in address and the aliases.
create table user_addresses (
    sub_account uuid not null,
    address text not null,
    user_id uuid not null,
    written text not null,
    is_alias boolean not null,
    confirmed boolean not null,
    primary key (sub_account, address, user_id)
);
create index user_addresses_user on user_addresses (sub_account, user_id);

-- Links that sign a user in once.
create table sign_in_links (
    sub_account uuid not null,
    -- SHA-256 of the code in the link.
    hash bytea not null,
    user_id uuid not null,
    expires_at bigint not null,
    primary key (sub_account, hash)
);
create unique index sign_in_links_hash on sign_in_links (hash);

create table bcc_addresses (
    sub_account uuid not null,
    address text not null,
    user_id uuid not null,
    created_at bigint not null,
    revoked_at bigint,
    primary key (sub_account, address)
);
-- The one look-up that does not know its sub-account yet: RCPT TO.
create unique index bcc_addresses_address on bcc_addresses (address);
create index bcc_addresses_user on bcc_addresses (sub_account, user_id);

-- Addresses, and domains written as @domain.
create table never_log (
    sub_account uuid not null,
    entry text not null,
    primary key (sub_account, entry)
);

create table contacts (
    sub_account uuid not null,
    id uuid not null,
    email text not null,
    written text not null,
    name text,
    source text not null,
    external_id text,
    unsubscribed boolean not null,
    created_at bigint not null,
    primary key (sub_account, id)
);
create unique index contacts_email on contacts (sub_account, email);
create index contacts_external_id on contacts (sub_account, external_id) where external_id is not null;

create table conversations (
    sub_account uuid not null,
    id uuid not null,
    contact_id uuid not null,
    subject text not null,
    last_message_at bigint not null,
    message_count bigint not null,
    created_at bigint not null,
    primary key (sub_account, id)
);
create unique index conversations_contact on conversations (sub_account, contact_id);
create index conversations_recent on conversations (sub_account, last_message_at, id);

create table threads (
    sub_account uuid not null,
    id uuid not null,
    conversation_id uuid not null,
    subject text not null,
    sync text not null,
    sync_reason text,
    -- The conversation GUID of Outlook's Thread-Index.
    thread_index bytea,
    -- JSON list of the addresses on its messages.
    participants text not null,
    created_at bigint not null,
    primary key (sub_account, id)
);
create index threads_conversation on threads (sub_account, conversation_id);
create index threads_index on threads (sub_account, thread_index) where thread_index is not null;

-- One mail, once. Text and files are read from `raw`, which stands last so that lists never touch it.
create table messages (
    sub_account uuid not null,
    id uuid not null,
    state text not null,
    conversation_id uuid,
    thread_id uuid,
    message_id text not null,
    in_reply_to text not null,
    reference_ids text not null,
    direction text,
    kind text not null,
    sender text,
    recipients_to text not null,
    recipients_cc text not null,
    subject text not null,
    sent_date bigint,
    at bigint not null,
    doors bigint not null,
    user_id uuid,
    text_hash bytea not null,
    id_conflict boolean not null,
    forwarded boolean not null,
    -- JSON of the SMTP envelope, for what is judged again: held mail.
    envelope text,
    raw_size bigint not null,
    raw bytea not null,
    primary key (sub_account, id)
);
create index messages_conversation on messages (sub_account, conversation_id, at, id) where conversation_id is not null;
create index messages_thread on messages (sub_account, thread_id) where thread_id is not null;
create index messages_user on messages (sub_account, user_id, id) where user_id is not null;

-- Contacts that a message is linked to beside the owner of its conversation (B4).
create table message_contacts (
    sub_account uuid not null,
    contact_id uuid not null,
    message_id uuid not null,
    primary key (sub_account, contact_id, message_id)
);
create index message_contacts_message on message_contacts (sub_account, message_id);

create table attachments (
    sub_account uuid not null,
    id uuid not null,
    message_id uuid not null,
    position bigint not null,
    file_name text not null,
    content_type text not null,
    size bigint not null,
    sha256 bytea not null,
    inline boolean not null,
    state text not null,
    reason text,
    primary key (sub_account, id)
);
create index attachments_message on attachments (sub_account, message_id, position);

-- Message-IDs, by key: a message's own ids, and those it names in References and In-Reply-To.
-- `slot` is nil for the first message that has the id as its own, so that two mails of one Message-ID
-- that race cannot both be the first. It is the message's id for others that have it, and the thread's
-- id for a thread whose messages name it: once, however many do.
create table aliases (
    sub_account uuid not null,
    key bytea not null,
    slot uuid not null,
    message_id uuid not null,
    own boolean not null,
    primary key (sub_account, key, slot)
);
create index aliases_message on aliases (sub_account, message_id);

create table verdicts (
    sub_account uuid not null,
    id uuid not null,
    at bigint not null,
    door text not null,
    reason text not null,
    outcome text not null,
    matched text not null,
    message_id text,
    -- Set when the mail cannot be found through `aliases`: it is held, or was never stored.
    message_key bytea,
    user_id uuid,
    conversation_id uuid,
    stored_message_id uuid,
    candidates text,
    report text,
    trust text,
    expires_at bigint,
    -- When the check of the sender is tried again (B2), and until when.
    recheck_at bigint,
    primary key (sub_account, id)
);
create index verdicts_outcome on verdicts (sub_account, outcome, id);
create index verdicts_stored on verdicts (sub_account, stored_message_id) where stored_message_id is not null;
create index verdicts_message_key on verdicts (sub_account, message_key) where message_key is not null;
create index verdicts_expires on verdicts (expires_at) where expires_at is not null;
create index verdicts_recheck on verdicts (recheck_at) where recheck_at is not null;

-- What people did to verdicts (V3): the state before, so that it can be undone.
create table verdict_actions (
    sub_account uuid not null,
    id uuid not null,
    verdict_id uuid not null,
    at bigint not null,
    action text not null,
    actor text not null,
    before text not null,
    primary key (sub_account, id)
);
create index verdict_actions_verdict on verdict_actions (sub_account, verdict_id, id);

create table events (
    sub_account uuid not null,
    id uuid not null,
    type text not null,
    object_id uuid not null,
    at bigint not null,
    primary key (sub_account, id)
);
create index events_object on events (sub_account, object_id);

-- Answers of writing calls, for their repetition (Idempotency-Key).
create table idempotency (
    sub_account uuid not null,
    key text not null,
    request_hash bytea not null,
    status bigint not null,
    body text not null,
    created_at bigint not null,
    primary key (sub_account, key)
);
create index idempotency_created on idempotency (created_at);
