-- What is known of conversations for the eye: the words of their messages, and what is new to whom. It is
-- made in the background from events, so that no mail waits for it. The same in migrations/sqlite.

-- How far it is: the last event that it was made from.
create table search_progress (
    sub_account uuid not null,
    position bigint not null,
    primary key (sub_account)
);

create table search_messages (
    sub_account uuid not null,
    message_id uuid not null,
    -- Its place in the index, where later messages come later.
    position bigint not null,
    -- Each once, in normal form, with spaces between; among them whose they are.
    words text not null,
    -- The beginning of what is new in it, for lists.
    preview text not null,
    primary key (sub_account, message_id)
);
create unique index search_messages_position on search_messages (position);
-- SQLite has its virtual table for it.
alter table search_messages add column lexemes tsvector not null
generated always as (array_to_tsvector(string_to_array(words, ' '))) stored;
create index search_messages_lexemes on search_messages using gin (lexemes) with (fastupdate = off);

-- What somebody has begun to write.
create table drafts (
    sub_account uuid not null,
    id uuid not null,
    user_id uuid not null,
    -- That it answers in; null for a new one.
    conversation_id uuid,
    -- JSON: recipients, subject, text, HTML.
    content text not null,
    saved_at bigint not null,
    primary key (sub_account, id)
);
create index drafts_user on drafts (sub_account, user_id, saved_at);

-- The conversations that a user has mail in.
create table inboxes (
    sub_account uuid not null,
    user_id uuid not null,
    conversation_id uuid not null,
    -- Of the user's latest message.
    subject text not null,
    last_message_at bigint not null,
    -- Zero when nothing came in that is news.
    last_inbound_at bigint not null,
    -- What came in until then has been read.
    seen_at bigint not null,
    primary key (sub_account, user_id, conversation_id)
);
create index inboxes_recent on inboxes (sub_account, user_id, last_message_at, conversation_id);
create index inboxes_unread on inboxes (sub_account, user_id, last_message_at, conversation_id)
where last_inbound_at > seen_at;
create index inboxes_conversation on inboxes (sub_account, conversation_id);
