-- How many held mails wait for a user is on every page. The same in migrations/sqlite.

create index verdicts_held on verdicts (sub_account, user_id, outcome)
where outcome = 'held' and reason <> 'expired';
