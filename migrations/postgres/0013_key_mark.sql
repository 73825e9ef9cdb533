-- By what the key is known that the store's secrets are sealed with; and verdicts of one user. The same in
-- migrations/sqlite.

-- In the operator's row alone.
alter table sub_accounts add column key_mark bytea;
create index verdicts_user on verdicts (sub_account, user_id, id) where user_id is not null;
