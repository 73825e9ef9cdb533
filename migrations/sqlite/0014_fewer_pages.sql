-- What a mail costs: a table that is found by its key alone is kept in the order of that key, instead of
-- being two trees, the rows and their key. Each tree less is a page less that every commit writes.

create table threads_by_key (
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
    connection_id blob,
    primary key (sub_account, id)
) strict, without rowid;
insert into threads_by_key (sub_account, id, conversation_id, subject, sync, sync_reason, thread_index, participants, created_at, connection_id)
    select sub_account, id, conversation_id, subject, sync, sync_reason, thread_index, participants, created_at, connection_id
    from threads order by sub_account, id;
drop table threads;
alter table threads_by_key rename to threads;
create index threads_index on threads (sub_account, thread_index) where thread_index is not null;
create index threads_connection on threads (sub_account, connection_id) where connection_id is not null;
create index threads_followed on threads (sub_account, conversation_id, sync) where sync <> 'none';

create table verdicts_by_key (
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
) strict, without rowid;
insert into verdicts_by_key (sub_account, id, at, door, reason, outcome, matched, message_id, message_key, user_id, conversation_id, stored_message_id, candidates, report, trust, expires_at, recheck_at)
    select sub_account, id, at, door, reason, outcome, matched, message_id, message_key, user_id, conversation_id, stored_message_id, candidates, report, trust, expires_at, recheck_at
    from verdicts order by sub_account, id;
drop table verdicts;
alter table verdicts_by_key rename to verdicts;
create index verdicts_outcome on verdicts (sub_account, outcome, id);
create index verdicts_stored on verdicts (sub_account, stored_message_id) where stored_message_id is not null;
create index verdicts_message_key on verdicts (sub_account, message_key) where message_key is not null;
create index verdicts_expires on verdicts (expires_at) where expires_at is not null;
create index verdicts_recheck on verdicts (recheck_at) where recheck_at is not null;
create index verdicts_user on verdicts (sub_account, user_id, id) where user_id is not null;

create table message_contacts_by_key (
    sub_account blob not null,
    contact_id blob not null,
    message_id blob not null,
    primary key (sub_account, contact_id, message_id)
) strict, without rowid;
insert into message_contacts_by_key (sub_account, contact_id, message_id)
    select sub_account, contact_id, message_id from message_contacts
    order by sub_account, contact_id, message_id;
drop table message_contacts;
alter table message_contacts_by_key rename to message_contacts;
create index message_contacts_message on message_contacts (sub_account, message_id);
