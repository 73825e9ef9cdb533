-- The tables of the first release. The same in migrations/postgres, with that database's type names.
-- Every key begins with the sub-account, so that the store can be divided by it.
-- Times are microseconds since 1970; JSON is text that only the gateway reads.

create table sub_accounts (
    sub_account blob not null,
    name text not null,
    settings text not null,
    -- The SMTP relay, JSON, encrypted with the key of the data directory.
    provider blob,
    created_at integer not null,
    primary key (sub_account)
) strict;

-- The operator's own: what comes for postmaster is kept there.
insert into sub_accounts (sub_account, name, settings, created_at)
values (zeroblob(16), 'operator', '{}', 0);

create table tokens (
    sub_account blob not null,
    id blob not null,
    -- SHA-256 of the token.
    hash blob not null,
    name text not null,
    created_at integer not null,
    primary key (sub_account, id)
) strict;
create unique index tokens_hash on tokens (hash);

create table users (
    sub_account blob not null,
    id blob not null,
    name text not null,
    email text not null,
    time_zone text not null,
    created_at integer not null,
    primary key (sub_account, id)
) strict;
create unique index users_email on users (sub_account, email);

-- Every address a user writes from: the sign-in address and the aliases.
create table user_addresses (
    sub_account blob not null,
    address text not null,
    user_id blob not null,
    written text not null,
    is_alias integer not null,
    confirmed integer not null,
    primary key (sub_account, address, user_id)
) strict;
create index user_addresses_user on user_addresses (sub_account, user_id);

-- Links that sign a user in once.
create table sign_in_links (
    sub_account blob not null,
    -- SHA-256 of the code in the link.
    hash blob not null,
    user_id blob not null,
    expires_at integer not null,
    primary key (sub_account, hash)
) strict;
create unique index sign_in_links_hash on sign_in_links (hash);

create table bcc_addresses (
    sub_account blob not null,
    address text not null,
    user_id blob not null,
    created_at integer not null,
    revoked_at integer,
    primary key (sub_account, address)
) strict;
-- The one look-up that does not know its sub-account yet: RCPT TO.
create unique index bcc_addresses_address on bcc_addresses (address);
create index bcc_addresses_user on bcc_addresses (sub_account, user_id);

-- Addresses, and domains written as @domain.
create table never_log (
    sub_account blob not null,
    entry text not null,
    primary key (sub_account, entry)
) strict;

create table contacts (
    sub_account blob not null,
    id blob not null,
    email text not null,
    written text not null,
    name text,
    source text not null,
    external_id text,
    unsubscribed integer not null,
    created_at integer not null,
    primary key (sub_account, id)
) strict;
create unique index contacts_email on contacts (sub_account, email);
create index contacts_external_id on contacts (sub_account, external_id) where external_id is not null;

create table conversations (
    sub_account blob not null,
    id blob not null,
    contact_id blob not null,
    subject text not null,
    last_message_at integer not null,
    message_count integer not null,
    created_at integer not null,
    primary key (sub_account, id)
) strict;
create unique index conversations_contact on conversations (sub_account, contact_id);
create index conversations_recent on conversations (sub_account, last_message_at, id);

create table threads (
    sub_account blob not null,
    id blob not null,
    conversation_id blob not null,
    subject text not null,
    sync text not null,
    sync_reason text,
    -- The conversation GUID of Outlook's Thread-Index.
    thread_index blob,
    -- JSON list of the addresses on its messages.
    participants text not null,
    created_at integer not null,
    primary key (sub_account, id)
) strict;
create index threads_conversation on threads (sub_account, conversation_id);
create index threads_index on threads (sub_account, thread_index) where thread_index is not null;

-- One mail, once. Text and files are read from `raw`, which stands last so that lists never touch it.
create table messages (
    sub_account blob not null,
    id blob not null,
    state text not null,
    conversation_id blob,
    thread_id blob,
    message_id text not null,
    in_reply_to text not null,
    reference_ids text not null,
    direction text,
    kind text not null,
    sender text,
    recipients_to text not null,
    recipients_cc text not null,
    subject text not null,
    sent_date integer,
    at integer not null,
    doors integer not null,
    user_id blob,
    text_hash blob not null,
    id_conflict integer not null,
    forwarded integer not null,
    -- JSON of the SMTP envelope, for what is judged again: held mail.
    envelope text,
    raw_size integer not null,
    raw blob not null,
    primary key (sub_account, id)
) strict;
create index messages_conversation on messages (sub_account, conversation_id, at, id) where conversation_id is not null;
create index messages_thread on messages (sub_account, thread_id) where thread_id is not null;
create index messages_user on messages (sub_account, user_id, id) where user_id is not null;

-- Contacts that a message is linked to beside the owner of its conversation (B4).
create table message_contacts (
    sub_account blob not null,
    contact_id blob not null,
    message_id blob not null,
    primary key (sub_account, contact_id, message_id)
) strict;
create index message_contacts_message on message_contacts (sub_account, message_id);

create table attachments (
    sub_account blob not null,
    id blob not null,
    message_id blob not null,
    position integer not null,
    file_name text not null,
    content_type text not null,
    size integer not null,
    sha256 blob not null,
    inline integer not null,
    state text not null,
    reason text,
    primary key (sub_account, id)
) strict;
create index attachments_message on attachments (sub_account, message_id, position);

-- Message-IDs, by key: a message's own ids, and those it names in References and In-Reply-To.
-- `slot` is nil for the first message that has the id as its own, so that two mails of one Message-ID
-- that race cannot both be the first. It is the message's id for others that have it, and the thread's
-- id for a thread whose messages name it: once, however many do.
create table aliases (
    sub_account blob not null,
    key blob not null,
    slot blob not null,
    message_id blob not null,
    own integer not null,
    primary key (sub_account, key, slot)
) strict, without rowid;
create index aliases_message on aliases (sub_account, message_id);

create table verdicts (
    sub_account blob not null,
    id blob not null,
    at integer not null,
    door text not null,
    reason text not null,
    outcome text not null,
    matched text not null,
    message_id text,
    -- Set when the mail cannot be found through `aliases`: it is held, or was never stored.
    message_key blob,
    user_id blob,
    conversation_id blob,
    stored_message_id blob,
    candidates text,
    report text,
    trust text,
    expires_at integer,
    -- When the check of the sender is tried again (B2), and until when.
    recheck_at integer,
    primary key (sub_account, id)
) strict;
create index verdicts_outcome on verdicts (sub_account, outcome, id);
create index verdicts_stored on verdicts (sub_account, stored_message_id) where stored_message_id is not null;
create index verdicts_message_key on verdicts (sub_account, message_key) where message_key is not null;
create index verdicts_expires on verdicts (expires_at) where expires_at is not null;
create index verdicts_recheck on verdicts (recheck_at) where recheck_at is not null;

-- What people did to verdicts (V3): the state before, so that it can be undone.
create table verdict_actions (
    sub_account blob not null,
    id blob not null,
    verdict_id blob not null,
    at integer not null,
    action text not null,
    actor text not null,
    before text not null,
    primary key (sub_account, id)
) strict;
create index verdict_actions_verdict on verdict_actions (sub_account, verdict_id, id);

create table events (
    sub_account blob not null,
    id blob not null,
    type text not null,
    object_id blob not null,
    at integer not null,
    primary key (sub_account, id)
) strict;
create index events_object on events (sub_account, object_id);

-- Answers of writing calls, for their repetition (Idempotency-Key).
create table idempotency (
    sub_account blob not null,
    key text not null,
    request_hash blob not null,
    status integer not null,
    body text not null,
    created_at integer not null,
    primary key (sub_account, key)
) strict;
create index idempotency_created on idempotency (created_at);
