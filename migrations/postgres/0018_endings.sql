-- How a word that is still being typed may end, PostgreSQL's index knows by itself.
select 1;
