//! Conversations and their threads, as the API shows them.

use uuid::Uuid;

use super::folded::folded;
use super::users::address;
use super::value::values;
use super::window::{Position, containing};
use super::{Error, Result, Store, Window};
use crate::model::{
    Address, ContactId, ConversationId, SubAccountId, Sync, ThreadId, Time, UserId,
};

/// What is read of a conversation, and of whom it is with.
macro_rules! conversation_columns {
    () => {
        "select c.id, c.subject, c.last_message_at, c.message_count,
            p.id as contact_id, p.written, p.name,
            (select cast(max(case t.sync when 'tracked' then 2 when 'stopped' then 1 else 0 end) as bigint)
            from threads t where t.sub_account = c.sub_account and t.conversation_id = c.id
            and t.sync <> 'none') as sync
            from conversations c
            join contacts p on p.sub_account = c.sub_account and p.id = c.contact_id "
    };
}

statements! {
    CONVERSATIONS = concat!(
        conversation_columns!(),
        "where c.sub_account = $1 and (c.last_message_at, c.id) < ($2, $3)
        order by c.last_message_at desc, c.id desc limit $4"
    );
    /// SQLite's `lower` knows ASCII only: hence the subject as it was typed, too.
    CONVERSATIONS_FOUND = concat!(
        conversation_columns!(),
        "where c.sub_account = $1 and (c.last_message_at, c.id) < ($2, $3)
        and (p.folded like $5 escape '!' or lower(c.subject) like $5 escape '!'
        or c.subject like $6 escape '!')
        order by c.last_message_at desc, c.id desc limit $4"
    );
    CONVERSATION = concat!(
        conversation_columns!(),
        "where c.sub_account = $1 and c.id = $2"
    );
    CONVERSATION_ID_OF = "select id from conversations where sub_account = $1 and contact_id = $2";
    THREADS_OF_CONVERSATION = "select distinct thread_id from messages
        where sub_account = $1 and conversation_id = $2 and conversation_id is not null
        and thread_id is not null order by thread_id limit 1000";
    THREADS = "select threads.id, threads.subject, threads.sync, threads.sync_reason,
            connections.user_id
        from {rows uuid uuid} as asked cross join threads
        left join connections on connections.sub_account = threads.sub_account
            and connections.id = threads.connection_id
        where threads.sub_account = asked.column1 and threads.id = asked.column2";
}

/// A conversation with whom it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredConversation {
    pub id: ConversationId,
    pub contact_id: ContactId,
    pub contact_email: Address,
    pub contact_name: Option<String>,
    /// Of its latest message.
    pub subject: String,
    pub last_message_at: Time,
    pub message_count: i64,
    /// Tracked if any of its threads is; else stopped if any is.
    pub sync: Sync,
}

impl StoredConversation {
    /// Where it stands in its list.
    pub const fn position(&self) -> Position {
        Position { at: self.last_message_at.as_micros(), id: self.id.0 }
    }
}

/// A thread of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredThread {
    pub id: ThreadId,
    pub subject: String,
    pub sync: Sync,
    /// Why it is no longer followed.
    pub reason: Option<String>,
    /// In whose mailbox it is followed, or was.
    pub user: Option<UserId>,
}

type ThreadRow = (Uuid, String, String, Option<String>, Option<Uuid>);

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: Uuid,
    subject: String,
    last_message_at: i64,
    message_count: i64,
    contact_id: Uuid,
    written: String,
    name: Option<String>,
    sync: Option<i64>,
}

impl Row {
    pub(super) fn read(self) -> Result<StoredConversation> {
        Ok(StoredConversation {
            id: ConversationId(self.id),
            contact_id: ContactId(self.contact_id),
            contact_email: address(&self.written)?,
            contact_name: self.name,
            subject: self.subject,
            last_message_at: Time::from_micros(self.last_message_at),
            message_count: self.message_count,
            sync: match self.sync {
                Some(2) => Sync::Tracked,
                Some(1) => Sync::Stopped,
                _ => Sync::None,
            },
        })
    }
}

impl Store {
    /// The conversations of a sub-account, the latest first, that have the text in their subject or in
    /// their contact's name or address.
    pub async fn conversations(
        &self,
        of: SubAccountId,
        text: Option<&str>,
        window: Window,
    ) -> Result<Vec<StoredConversation>> {
        let mut tx = self.reader().await?;
        let after = window.descending_start();
        let mut values = values![of, after.at, after.id, window.limit];
        let rows: Vec<Row> = match text {
            None => tx.all(CONVERSATIONS, values).await?,
            Some(text) => {
                values.extend(values![containing(&folded(text)), containing(text)]);
                tx.all(CONVERSATIONS_FOUND, values).await?
            }
        };
        rows.into_iter().map(Row::read).collect()
    }

    /// A conversation.
    pub async fn conversation(
        &self,
        of: SubAccountId,
        id: ConversationId,
    ) -> Result<Option<StoredConversation>> {
        let mut tx = self.reader().await?;
        let row: Option<Row> = tx.optional(CONVERSATION, values![of, id]).await?;
        row.map(Row::read).transpose()
    }

    /// The conversation with a contact.
    pub async fn conversation_with(
        &self,
        of: SubAccountId,
        contact: ContactId,
    ) -> Result<Option<ConversationId>> {
        let mut tx = self.reader().await?;
        let row: Option<(Uuid,)> = tx.optional(CONVERSATION_ID_OF, values![of, contact]).await?;
        Ok(row.map(|(id,)| ConversationId(id)))
    }

    /// The threads of a conversation, the first 1,000 of them.
    pub async fn threads(&self, of: SubAccountId, id: ConversationId) -> Result<Vec<StoredThread>> {
        let mut tx = self.reader().await?;
        let ids: Vec<(Uuid,)> = tx.all(THREADS_OF_CONVERSATION, values![of, id]).await?;
        let asked = ids.into_iter().flat_map(|(thread,)| values![of, thread]).collect();
        let mut rows: Vec<ThreadRow> = tx.all_of_rows(THREADS, asked).await?;
        rows.sort_unstable_by_key(|(thread, ..)| *thread);
        rows.into_iter()
            .map(|(id, subject, sync, reason, user)| {
                let sync = Sync::parse(&sync)
                    .ok_or_else(|| Error::damaged(format!("a thread's sync is {sync:?}")))?;
                Ok(StoredThread { id: ThreadId(id), subject, sync, reason, user: user.map(UserId) })
            })
            .collect()
    }
}
