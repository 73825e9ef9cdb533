-- Events in the order of their commits, and whom they are delivered to. The same in migrations/sqlite.

alter table events rename to former_events;
alter index events_pkey rename to former_events_pkey;
drop index events_object;
create table events (
    sub_account uuid not null,
    -- Ascends in the order of commits, without gaps; a reader behind one misses none. The last row of a
    -- sub-account is never removed, so that no position is given twice.
    position bigint not null,
    id uuid not null,
    type text not null,
    -- Null once what it names was erased.
    object_id uuid,
    at bigint not null,
    primary key (sub_account, position)
);
insert into events (sub_account, position, id, type, object_id, at)
select sub_account, row_number() over (partition by sub_account order by id), id, type, object_id, at
from former_events;
drop table former_events;
create index events_object on events (sub_account, object_id);

-- Where a CRM is told of events.
create table webhooks (
    sub_account uuid not null,
    id uuid not null,
    url text not null,
    -- JSON list of the types it is told; empty for all.
    types text not null,
    -- What deliveries are signed with, sealed.
    secret bytea not null,
    -- The last event that was put in its queue.
    position bigint not null,
    -- Until then one gateway has its queue in hand.
    leased_until bigint not null,
    -- Attempts that failed in a row, and until when none is made for them.
    failures bigint not null,
    rests_until bigint not null,
    created_at bigint not null,
    primary key (sub_account, id)
);

-- The queue of each webhook, and what became of it: ids only, what is told is read when it is told.
create table webhook_deliveries (
    sub_account uuid not null,
    webhook_id uuid not null,
    -- The event's.
    id uuid not null,
    position bigint not null,
    type text not null,
    -- pending, delivered, failed, dropped.
    state text not null,
    attempts bigint not null,
    -- Of the last attempt: the status of HTTP, or else what went wrong.
    status bigint,
    error text,
    -- From when its 24 hours count.
    since bigint not null,
    attempted_at bigint,
    -- Set while it is pending.
    next_attempt_at bigint,
    primary key (sub_account, webhook_id, id)
);
create index webhook_deliveries_pending on webhook_deliveries (sub_account, webhook_id, position)
where next_attempt_at is not null;
