-- What contacts are searched by: name and address in small letters of any script, made by the gateway
-- (SQLite's `lower` knows ASCII only). The index holds it beside the key, so that a search that finds
-- nothing reads that alone, in order, and not every row of the table.
alter table contacts add column folded text not null default '';
update contacts set folded = lower(coalesce(name, '') || '
' || email);
create index contacts_folded on contacts (sub_account, id, folded);
