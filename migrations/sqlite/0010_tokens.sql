-- How far tokens reach, and when they were last used. The same in migrations/postgres.

alter table tokens add column scope text not null default 'write';
alter table tokens add column used_at integer;
