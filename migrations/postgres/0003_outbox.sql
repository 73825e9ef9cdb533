-- What the CRM sends, and how far it has come. The same in migrations/sqlite.

create table outbox (
    sub_account uuid not null,
    -- The message's.
    id uuid not null,
    conversation_id uuid not null,
    user_id uuid not null,
    -- individual, bulk, workflow.
    kind text not null,
    -- The mailbox it goes through; null for the relay of the sub-account.
    connection_id uuid,
    -- The mails of one bulk sending have one.
    bulk_id uuid,
    -- queued, retrying, sent, failed, unknown, bounced, cancelled.
    status text not null,
    -- JSON: from whom, to whom, and what became of it for each.
    route text not null,
    -- What the server said, or why it waits.
    detail text,
    -- JSON: what a delivery report says.
    report text,
    attempts bigint not null,
    -- Not before then.
    send_at bigint,
    -- When it is tried next; null when it is not tried by itself, or is on its way.
    due_at bigint,
    -- When it is given up; set by the first try that failed.
    deadline bigint,
    -- Who has it in hand, and until when nobody else takes it.
    lease uuid,
    leased_until bigint,
    -- Since when the server may have it: set before the end of the mail is written (S5).
    handed_at bigint,
    sent_at bigint,
    -- Its Sent copy was seen.
    copy_seen_at bigint,
    -- Of what is unknown: when the Sent folder was last asked to be searched for it.
    searched_at bigint,
    -- A copy is to be put into the Sent folder (S6); and when it was.
    copy_wanted boolean not null,
    copied_at bigint,
    -- The caller's Idempotency-Key, and which mail of the call it is.
    request_key text,
    request_place bigint,
    created_at bigint not null,
    primary key (sub_account, id)
);
create index outbox_due on outbox (due_at, id) where due_at is not null;
create index outbox_leased on outbox (leased_until) where leased_until is not null;
create index outbox_under_way on outbox (sub_account, conversation_id, id)
where due_at is not null or leased_until is not null;
create index outbox_recent on outbox (handed_at)
where connection_id is not null and handed_at is not null;
create index outbox_unknown on outbox (sub_account, id) where status = 'unknown';
create index outbox_copies on outbox (sub_account, connection_id) where copy_wanted;
create index outbox_bulk on outbox (sub_account, bulk_id) where bulk_id is not null;
create index outbox_request on outbox (sub_account, request_key) where request_key is not null;
create index outbox_waiting on outbox (sub_account, connection_id) where due_at is not null;

-- Since when it is known that what is sent through it turns up in its Sent folder by itself (S5).
alter table connections add column files_sent_at bigint;
-- Its server gives mail other Message-IDs (S7).
alter table connections add column rewrites_ids boolean not null default false;
