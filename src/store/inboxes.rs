//! Which conversations a user has mail in, and what of it is new to the user.

use std::collections::BTreeMap;

use super::conversations::{Row, StoredConversation};
use super::tx::Tx;
use super::value::values;
use super::{Result, Store, Window};
use crate::model::{
    ConversationId, Direction, Door, Doors, MailboxId, Message, StoredMessageId, SubAccountId,
    Time, UserId,
};

/// What is read of a conversation as a user has it, and of whom it is with.
macro_rules! inbox_columns {
    () => {
        "select c.id, i.subject, i.last_message_at, c.message_count,
            p.id as contact_id, p.written, p.name,
            (select cast(max(case t.sync when 'tracked' then 2 when 'stopped' then 1 else 0 end) as bigint)
            from threads t where t.sub_account = c.sub_account and t.conversation_id = c.id
            and t.sync <> 'none') as sync
            from inboxes i
            join conversations c on c.sub_account = i.sub_account and c.id = i.conversation_id
            join contacts p on p.sub_account = c.sub_account and p.id = c.contact_id "
    };
}

/// Messages of a conversation that a user sent or got: it is the user's, or the user has it, too (B9).
macro_rules! seen {
    ($of:literal, $user:literal, $conversation:literal) => {
        concat!(
            "m.sub_account = ",
            $of,
            " and m.conversation_id = ",
            $conversation,
            " and m.conversation_id is not null and (m.user_id = ",
            $user,
            " or ",
            super::verdicts::is_seen_by!($of, "m.id", $user),
            ")"
        )
    };
    (asked) => {
        seen!("asked.column1", "asked.column2", "asked.column3")
    };
    (inboxes) => {
        seen!("inboxes.sub_account", "inboxes.user_id", "inboxes.conversation_id")
    };
}

/// A conversation that is in the inbox already: what is later counts.
macro_rules! or_later {
    () => {
        " on conflict (sub_account, user_id, conversation_id) do update set
            subject = case when excluded.last_message_at >= inboxes.last_message_at
                then excluded.subject else inboxes.subject end,
            last_message_at = case when excluded.last_message_at > inboxes.last_message_at
                then excluded.last_message_at else inboxes.last_message_at end,
            last_inbound_at = case when excluded.last_inbound_at > inboxes.last_inbound_at
                then excluded.last_inbound_at else inboxes.last_inbound_at end"
    };
}

statements! {
    INBOX = concat!(
        inbox_columns!(),
        "where i.sub_account = $1 and i.user_id = $2
        and (i.last_message_at, i.conversation_id) < ($3, $4)
        order by i.last_message_at desc, i.conversation_id desc limit $5"
    );
    UNREAD = concat!(
        inbox_columns!(),
        "where i.sub_account = $1 and i.user_id = $2 and i.last_inbound_at > i.seen_at
        and (i.last_message_at, i.conversation_id) < ($3, $4)
        order by i.last_message_at desc, i.conversation_id desc limit $5"
    );
    FOLLOWED_IN = "select distinct threads.conversation_id \
        from {rows uuid uuid uuid} as asked cross join threads cross join connections \
        where threads.sub_account = asked.column1 and threads.conversation_id = asked.column2 \
            and threads.sync <> 'none' and connections.sub_account = threads.sub_account \
            and connections.id = threads.connection_id and connections.mailbox_id = asked.column3";
    UNREAD_AMONG = "select i.conversation_id from {rows uuid uuid uuid} as asked cross join inboxes i
        where i.sub_account = asked.column1 and i.user_id = asked.column2
        and i.conversation_id = asked.column3 and i.last_inbound_at > i.seen_at";
    /// Counted up to so many: more is more.
    UNREAD_COUNT = "select count(*) as unread from (select 1 as one from inboxes
        where sub_account = $1 and user_id = $2 and last_inbound_at > seen_at limit 100) as counted";
    /// Of the messages that the user may see, as [`Store::latest_messages`] has it.
    SEEN_BY = concat!(
        "select messages.conversation_id, messages.subject, messages.at,
            (select count(*) from messages m where ", seen!(asked), ") as seen
        from {rows uuid uuid uuid} as asked cross join messages
        where messages.sub_account = asked.column1
            and messages.id = (select m.id from messages m where ", seen!(asked), "
                order by m.at desc, m.id desc limit 1)"
    );
    HAS = "select cast(1 as bigint) as one from inboxes where sub_account = $1 and user_id = $2 and conversation_id = $3";
    SEE = "update inboxes set seen_at = last_inbound_at
        where sub_account = $1 and user_id = $2 and conversation_id = $3 and last_inbound_at > seen_at";
    UNSEE = "update inboxes set seen_at = last_inbound_at - 1
        where sub_account = $1 and user_id = $2 and conversation_id = $3 and last_inbound_at > 0";
    ADD_TO_INBOXES = concat!(
        "insert into inboxes (sub_account, user_id, conversation_id, subject,
            last_message_at, last_inbound_at, seen_at)
        select * from {rows uuid uuid uuid text bigint bigint bigint} as added where column1 is not null",
        or_later!()
    );
    /// A message of somebody else.
    SHARE = concat!(
        "insert into inboxes (sub_account, user_id, conversation_id, subject,
            last_message_at, last_inbound_at, seen_at)
        select m.sub_account, asked.column3, m.conversation_id, m.subject, m.at,
            case when m.direction = 'inbound' and m.doors <> asked.column4 then m.at else 0 end, 0
        from {rows uuid uuid uuid bigint} as asked cross join messages m
        where m.sub_account = asked.column1 and m.id = asked.column2
            and m.conversation_id is not null",
        or_later!()
    );
    REMOVE_FROM_ALL = "delete from inboxes where sub_account = $1 and conversation_id = $2";
    REMOVE_EMPTY = concat!(
        "delete from inboxes where sub_account = $1 and conversation_id = $2
        and not exists (select 1 from messages m where ", seen!(inboxes), ")"
    );
    /// As [`ADD_TO_INBOXES`] has it: what has come by that one door alone is no news.
    RECOUNT = concat!(
        "update inboxes set
            subject = (select m.subject from messages m where ", seen!(inboxes), "
                order by m.at desc, m.id desc limit 1),
            last_message_at = (select max(m.at) from messages m where ", seen!(inboxes), "),
            last_inbound_at = coalesce((select max(m.at) from messages m where ", seen!(inboxes), "
                and m.direction = 'inbound' and m.doors <> $3), 0)
        where sub_account = $1 and conversation_id = $2"
    );
}

/// Which of a user's conversations are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inbox {
    All,
    Unread,
}

/// What a batch of messages says of one user's conversation.
#[derive(Default)]
struct Latest {
    subject: String,
    message_at: i64,
    inbound_at: i64,
}

/// Puts messages into the inboxes of users who have them.
pub(super) async fn add<'m>(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    messages: impl Iterator<Item = (&'m Message, UserId)>,
) -> Result<()> {
    let mut entries: BTreeMap<(UserId, ConversationId), Latest> = BTreeMap::new();
    for (message, user) in messages {
        let Some(conversation) = message.conversation_id else { continue };
        let entry = entries.entry((user, conversation)).or_default();
        let at = message.at.as_micros();
        if at >= entry.message_at {
            entry.message_at = at;
            entry.subject.clone_from(&message.subject);
        }
        if is_news(message) {
            entry.inbound_at = entry.inbound_at.max(at);
        }
    }
    let mut rows = Vec::new();
    for ((user, conversation), latest) in entries {
        let Latest { subject, message_at, inbound_at } = latest;
        rows.extend(values![of, user, conversation, subject, message_at, inbound_at, 0_i64]);
    }
    tx.execute_rows(ADD_TO_INBOXES, rows).await.map(drop)
}

/// Puts a message into the inbox of another user who has it, too (B9).
pub(super) async fn share(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    message: StoredMessageId,
    user: UserId,
) -> Result<()> {
    let imported = Doors::only(Door::Import).0;
    tx.execute_rows(SHARE, values![of, message, user, imported]).await.map(drop)
}

/// A message is no longer in the conversation: what the inboxes say of it is what the others say, and
/// nothing where there are none.
pub(super) async fn recount(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    conversation: ConversationId,
) -> Result<()> {
    tx.execute(REMOVE_EMPTY, values![of, conversation]).await?;
    let imported = Doors::only(Door::Import).0;
    tx.execute(RECOUNT, values![of, conversation, imported]).await.map(drop)
}

/// The conversation is gone.
pub(super) async fn forget(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    conversation: ConversationId,
) -> Result<()> {
    tx.execute(REMOVE_FROM_ALL, values![of, conversation]).await.map(drop)
}

/// What was imported is history, and what one has written is no news.
fn is_news(message: &Message) -> bool {
    let is_imported = message.doors.iter().all(|door| door == Door::Import);
    message.direction == Some(Direction::Inbound) && !is_imported
}

impl Store {
    /// The conversations that a user has mail in, the latest first, with the subject of the user's own
    /// latest mail.
    pub async fn inbox(
        &self,
        of: SubAccountId,
        user: UserId,
        wanted: Inbox,
        window: Window,
    ) -> Result<Vec<StoredConversation>> {
        let mut tx = self.reader().await?;
        let sql = match wanted {
            Inbox::All => INBOX,
            Inbox::Unread => UNREAD,
        };
        let after = window.descending_start();
        let rows: Vec<Row> =
            tx.all(sql, values![of, user, after.at, after.id, window.limit]).await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// The conversations as a user sees them, who may not see the mail of others in them: with the subject
    /// and time of the latest mail that may be seen, and the number of these. Those without any are left out.
    pub async fn as_seen_by(
        &self,
        of: SubAccountId,
        user: UserId,
        mut conversations: Vec<StoredConversation>,
    ) -> Result<Vec<StoredConversation>> {
        let mut tx = self.reader().await?;
        let asked = conversations.iter().flat_map(|it| values![of, user, it.id]).collect();
        let rows: Vec<(uuid::Uuid, String, i64, i64)> = tx.all_of_rows(SEEN_BY, asked).await?;
        let mut seen: BTreeMap<_, _> =
            rows.into_iter().map(|(id, subject, at, count)| (id, (subject, at, count))).collect();
        conversations.retain_mut(|it| {
            let Some((subject, at, count)) = seen.remove(&it.id.0) else { return false };
            it.subject = subject;
            it.last_message_at = Time::from_micros(at);
            it.message_count = count;
            true
        });
        Ok(conversations)
    }

    /// Those of the conversations in which something is new to the user.
    pub async fn unread_among(
        &self,
        of: SubAccountId,
        user: UserId,
        conversations: impl IntoIterator<Item = ConversationId>,
    ) -> Result<Vec<ConversationId>> {
        let mut tx = self.reader().await?;
        let asked = conversations.into_iter().flat_map(|id| values![of, user, id]).collect();
        let rows: Vec<(uuid::Uuid,)> = tx.all_of_rows(UNREAD_AMONG, asked).await?;
        Ok(rows.into_iter().map(|(id,)| ConversationId(id)).collect())
    }

    /// Those of the conversations that are, or were, followed in a mailbox.
    pub async fn followed_in(
        &self,
        of: SubAccountId,
        mailbox: MailboxId,
        conversations: impl IntoIterator<Item = ConversationId>,
    ) -> Result<Vec<ConversationId>> {
        let mut tx = self.reader().await?;
        let asked = conversations.into_iter().flat_map(|id| values![of, id, mailbox]).collect();
        let rows: Vec<(uuid::Uuid,)> = tx.all_of_rows(FOLLOWED_IN, asked).await?;
        Ok(rows.into_iter().map(|(id,)| ConversationId(id)).collect())
    }

    /// In how many conversations something is new to the user, counted to a hundred.
    pub async fn unread_count(&self, of: SubAccountId, user: UserId) -> Result<i64> {
        let mut tx = self.reader().await?;
        let row: Option<(i64,)> = tx.optional(UNREAD_COUNT, values![of, user]).await?;
        Ok(row.map_or(0, |(unread,)| unread))
    }

    /// Does the user have mail in that conversation?
    pub async fn has_conversation(
        &self,
        of: SubAccountId,
        user: UserId,
        conversation: ConversationId,
    ) -> Result<bool> {
        let mut tx = self.reader().await?;
        let row: Option<(i64,)> = tx.optional(HAS, values![of, user, conversation]).await?;
        Ok(row.is_some())
    }

    /// The user has read what came in; or wants to read it again.
    pub async fn set_seen(
        &self,
        of: SubAccountId,
        user: UserId,
        conversation: ConversationId,
        is_seen: bool,
    ) -> Result<()> {
        let mut tx = self.writer().await?;
        let sql = if is_seen { SEE } else { UNSEE };
        tx.execute(sql, values![of, user, conversation]).await?;
        tx.commit().await
    }
}
