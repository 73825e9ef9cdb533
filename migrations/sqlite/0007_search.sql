-- What is known of conversations for the eye: the words of their messages, and what is new to whom. It is
-- made in the background from events, so that no mail waits for it. The same in migrations/postgres.

-- How far it is: the last event that it was made from.
create table search_progress (
    sub_account blob not null,
    position integer not null,
    primary key (sub_account)
) strict;

create table search_messages (
    sub_account blob not null,
    message_id blob not null,
    -- Its place in the index, where later messages come later.
    position integer not null,
    -- Each once, in normal form, with spaces between; among them whose they are.
    words text not null,
    -- The beginning of what is new in it, for lists.
    preview text not null,
    primary key (sub_account, message_id)
) strict;
create unique index search_messages_position on search_messages (position);

create virtual table search_words using fts5(
    words, content = 'search_messages', content_rowid = 'position', detail = 'none', tokenize = 'ascii'
);
-- What is erased is erased from the index, too.
insert into search_words (search_words, rank) values ('secure-delete', 1);
create trigger search_messages_added after insert on search_messages begin
  insert into search_words (rowid, words) values (new.position, new.words);
end;
create trigger search_messages_removed after delete on search_messages begin
  insert into search_words (search_words, rowid, words) values ('delete', old.position, old.words);
end;

-- What somebody has begun to write.
create table drafts (
    sub_account blob not null,
    id blob not null,
    user_id blob not null,
    -- That it answers in; null for a new one.
    conversation_id blob,
    -- JSON: recipients, subject, text, HTML.
    content text not null,
    saved_at integer not null,
    primary key (sub_account, id)
) strict;
create index drafts_user on drafts (sub_account, user_id, saved_at);

-- The conversations that a user has mail in.
create table inboxes (
    sub_account blob not null,
    user_id blob not null,
    conversation_id blob not null,
    -- Of the user's latest message.
    subject text not null,
    last_message_at integer not null,
    -- Zero when nothing came in that is news.
    last_inbound_at integer not null,
    -- What came in until then has been read.
    seen_at integer not null,
    primary key (sub_account, user_id, conversation_id)
) strict;
create index inboxes_recent on inboxes (sub_account, user_id, last_message_at, conversation_id);
create index inboxes_unread on inboxes (sub_account, user_id, last_message_at, conversation_id)
where last_inbound_at > seen_at;
create index inboxes_conversation on inboxes (sub_account, conversation_id);
