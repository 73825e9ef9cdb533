-- Events in the order of their commits, and whom they are delivered to. The same in migrations/postgres.

alter table events rename to former_events;
drop index events_object;
create table events (
    sub_account blob not null,
    -- Ascends in the order of commits, without gaps; a reader behind one misses none. The last row of a
    -- sub-account is never removed, so that no position is given twice.
    position integer not null,
    id blob not null,
    type text not null,
    -- Null once what it names was erased.
    object_id blob,
    at integer not null,
    primary key (sub_account, position)
) strict, without rowid;
insert into events (sub_account, position, id, type, object_id, at)
select sub_account, row_number() over (partition by sub_account order by id), id, type, object_id, at
from former_events;
drop table former_events;
create index events_object on events (sub_account, object_id);

-- Where a CRM is told of events.
create table webhooks (
    sub_account blob not null,
    id blob not null,
    url text not null,
    -- JSON list of the types it is told; empty for all.
    types text not null,
    -- What deliveries are signed with, sealed.
    secret blob not null,
    -- The last event that was put in its queue.
    position integer not null,
    -- Until then one gateway has its queue in hand.
    leased_until integer not null,
    -- Attempts that failed in a row, and until when none is made for them.
    failures integer not null,
    rests_until integer not null,
    created_at integer not null,
    primary key (sub_account, id)
) strict;

-- The queue of each webhook, and what became of it: ids only, what is told is read when it is told.
create table webhook_deliveries (
    sub_account blob not null,
    webhook_id blob not null,
    -- The event's.
    id blob not null,
    position integer not null,
    type text not null,
    -- pending, delivered, failed, dropped.
    state text not null,
    attempts integer not null,
    -- Of the last attempt: the status of HTTP, or else what went wrong.
    status integer,
    error text,
    -- From when its 24 hours count.
    since integer not null,
    attempted_at integer,
    -- Set while it is pending.
    next_attempt_at integer,
    primary key (sub_account, webhook_id, id)
) strict, without rowid;
create index webhook_deliveries_pending on webhook_deliveries (sub_account, webhook_id, position)
where next_attempt_at is not null;
