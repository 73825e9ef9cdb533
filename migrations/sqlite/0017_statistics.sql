-- How the tables that grow with the mail are shaped once there is much of it. Told nothing, SQLite takes it that
-- a sub-account has ten rows of anything, and reads all that it has where an index would find the few that are
-- asked for. PostgreSQL finds out by itself. Each line: rows, then how many share the first column of the index,
-- the first two, and so on (https://www.sqlite.org/fileformat2.html#stat1tab).

analyze sqlite_schema;
insert into sqlite_stat1 (tbl, idx, stat) values
    ('messages', 'sqlite_autoindex_messages_1', '10000000 1000000 1'),
    ('messages', 'messages_conversation', '10000000 1000000 10 10 1'),
    ('messages', 'messages_thread', '10000000 1000000 10'),
    ('messages', 'messages_user', '10000000 1000000 100000 1'),
    ('aliases', 'aliases', '20000000 2000000 2 1'),
    ('aliases', 'aliases_message', '20000000 2000000 2'),
    ('verdicts', 'sqlite_autoindex_verdicts_1', '10000000 1000000 1'),
    ('verdicts', 'verdicts_outcome', '10000000 1000000 200000 1'),
    ('verdicts', 'verdicts_user', '10000000 1000000 100000 1'),
    ('verdicts', 'verdicts_held', '100000 10000 1000 1000'),
    ('verdicts', 'verdicts_stored', '10000000 1000000 2'),
    ('verdicts', 'verdicts_message_key', '10000000 1000000 2'),
    ('verdict_actions', 'sqlite_autoindex_verdict_actions_1', '100000 10000 1'),
    ('verdict_actions', 'verdict_actions_verdict', '100000 10000 2 1'),
    ('events', 'events', '10000000 1000000 1'),
    ('events', 'events_object', '10000000 1000000 2'),
    ('threads', 'sqlite_autoindex_threads_1', '5000000 500000 1'),
    ('threads', 'threads_index', '1000000 100000 2'),
    ('threads', 'threads_connection', '1000000 100000 10000'),
    ('threads', 'threads_followed', '1000000 100000 5 5'),
    ('conversations', 'sqlite_autoindex_conversations_1', '1000000 100000 1'),
    ('conversations', 'conversations_contact', '1000000 100000 1'),
    ('conversations', 'conversations_recent', '1000000 100000 2 1'),
    ('contacts', 'sqlite_autoindex_contacts_1', '1000000 100000 1'),
    ('contacts', 'contacts_email', '1000000 100000 1'),
    ('contacts', 'contacts_external_id', '1000000 100000 2'),
    -- Its second column is as good as the key's: the key is the shorter.
    ('contacts', 'contacts_folded', '1000000 100000 2 2'),
    ('inboxes', 'sqlite_autoindex_inboxes_1', '1000000 100000 10000 1'),
    ('inboxes', 'inboxes_conversation', '1000000 100000 2'),
    ('inboxes', 'inboxes_recent', '1000000 100000 10000 2 1'),
    ('inboxes', 'inboxes_unread', '100000 10000 1000 2 1'),
    ('message_contacts', 'sqlite_autoindex_message_contacts_1', '1000000 100000 10 1'),
    ('message_contacts', 'message_contacts_message', '1000000 100000 2'),
    ('attachments', 'sqlite_autoindex_attachments_1', '1000000 100000 1'),
    ('attachments', 'attachments_message', '1000000 100000 2 1'),
    ('search_messages', 'sqlite_autoindex_search_messages_1', '10000000 1000000 1'),
    ('outbox', 'sqlite_autoindex_outbox_1', '1000000 100000 1'),
    ('outbox', 'outbox_copies', '1000 100 10');
analyze sqlite_schema;
