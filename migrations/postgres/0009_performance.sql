-- What a mail costs as the store grows. The same in migrations/sqlite.

-- Each entry in an order other than that of arrival costs a mail a page of its own, once the store is
-- large. The threads of a conversation are those of its messages, which are in that order already; by
-- themselves only those are looked for that are, or were, followed.
drop index threads_conversation;
create index threads_followed on threads (sub_account, conversation_id, sync) where sync <> 'none';
