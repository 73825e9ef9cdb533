//! Messages and their files, as the API shows them.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::value::values;
use super::window::Position;
use super::{Error, RawMail, Result, Store, Tx, Window};
use crate::model::{
    Attachment, AttachmentId, ContactId, ConversationId, Direction, Doors, FileState, Kind,
    Message, MessageId, Person, State, StoredMessageId, SubAccountId, ThreadId, Time, UserId,
    VerdictId,
};

/// What is read of a message: everything but the raw mail.
macro_rules! message_columns {
    () => {
        "id, state, conversation_id, thread_id, message_id, in_reply_to, reference_ids, direction,
        kind, sender, recipients_to, recipients_cc, subject, sent_date, at, doors, user_id,
        text_hash, id_conflict, forwarded"
    };
}

statements! {
    /// Of several that have it as their own, the first.
    HAVING_ID = "select message_id from aliases where sub_account = $1 and key = $2 and own
        order by slot limit 1";
    MESSAGE = concat!("select ", message_columns!(), " from messages
        where sub_account = $1 and id = $2");
    MESSAGES = concat!("select ", message_columns!(), " from messages
        where (sub_account, id) in {rows uuid uuid}");
    MESSAGES_OF_CONVERSATION = concat!("select ", message_columns!(), " from messages
        where sub_account = $1 and conversation_id = $2 and (at, id) > ($3, $4)
        order by at, id limit $5");
    /// Those of the contact's own conversation, and those it is linked to: two look-ups, because an `or`
    /// of both reads every message.
    MESSAGES_OF_CONTACT = concat!("with listed(listed_id) as (
            select id from (select id from messages
                where sub_account = $1 and (at, id) > ($3, $4)
                and conversation_id = (select conversations.id from conversations
                    where conversations.sub_account = $1 and conversations.contact_id = $2)
                order by at, id limit $5) as own
            union select message_id from message_contacts
                where sub_account = $1 and contact_id = $2)
        select ", message_columns!(), " from listed cross join messages
        where sub_account = $1 and id = listed_id and (at, id) > ($3, $4)
        order by at, id limit $5");
    /// The latest first, for reading backwards.
    MESSAGES_BEFORE = concat!("select ", message_columns!(), " from messages
        where sub_account = $1 and conversation_id = $2 and conversation_id is not null
        and (at, id) < ($3, $4) order by at desc, id desc limit $5");
    /// Of those that a user sent, got, or was seen to have (B9).
    MESSAGES_OF_USER_BEFORE = concat!("select ", message_columns!(), " from messages
        where sub_account = $1 and conversation_id = $2 and conversation_id is not null
        and (at, id) < ($3, $4) and (user_id = $6 or ",
        super::verdicts::is_seen_by!("$1", "messages.id", "$6"), ")
        order by at desc, id desc limit $5");
    IS_OF_USER = concat!("select messages.id from messages
        where sub_account = $1 and id = $2 and (user_id = $3 or ",
        super::verdicts::is_seen_by!("$1", "messages.id", "$3"), ")");
    SKIPPED_BY = "select stored_message_id, id from verdicts
        where (sub_account, stored_message_id) in {rows uuid uuid}
        and stored_message_id is not null and outcome = 'skipped'";
    RAW = "select raw, raw_size from messages where sub_account = $1 and id = $2";
    ATTACHMENTS = "select id, message_id, position, file_name, content_type, size, sha256, inline,
        state, reason from attachments
        where (sub_account, message_id) in {rows uuid uuid} order by message_id, position";
    ATTACHMENT = "select id, message_id, position, file_name, content_type, size, sha256, inline,
        state, reason from attachments where sub_account = $1 and id = $2";
}

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    state: String,
    conversation_id: Option<Uuid>,
    thread_id: Option<Uuid>,
    message_id: String,
    in_reply_to: String,
    reference_ids: String,
    direction: Option<String>,
    kind: String,
    sender: Option<String>,
    recipients_to: String,
    recipients_cc: String,
    subject: String,
    sent_date: Option<i64>,
    at: i64,
    doors: i64,
    user_id: Option<Uuid>,
    text_hash: Vec<u8>,
    id_conflict: bool,
    forwarded: bool,
}

impl Row {
    fn read(self, attachments: Vec<Attachment>) -> Result<Message> {
        Ok(Message {
            id: StoredMessageId(self.id),
            state: known(State::parse(&self.state), &self.state)?,
            conversation_id: self.conversation_id.map(ConversationId),
            thread_id: self.thread_id.map(ThreadId),
            message_id: known(MessageId::parse(&self.message_id), &self.message_id)?,
            in_reply_to: json(&self.in_reply_to)?,
            references: json(&self.reference_ids)?,
            direction: self
                .direction
                .map(|name| known(Direction::parse(&name), &name))
                .transpose()?,
            kind: known(Kind::parse(&self.kind), &self.kind)?,
            from: self.sender.map(|sender| json::<Person>(&sender)).transpose()?,
            to: json(&self.recipients_to)?,
            cc: json(&self.recipients_cc)?,
            subject: self.subject,
            date: self.sent_date.map(Time::from_micros),
            at: Time::from_micros(self.at),
            doors: Doors(self.doors),
            user_id: self.user_id.map(UserId),
            text_hash: hash(self.text_hash)?,
            id_conflict: self.id_conflict,
            forwarded: self.forwarded,
            attachments,
        })
    }
}

#[derive(sqlx::FromRow)]
struct AttachmentRow {
    id: Uuid,
    message_id: Uuid,
    position: i64,
    file_name: String,
    content_type: String,
    size: i64,
    sha256: Vec<u8>,
    inline: bool,
    state: String,
    reason: Option<String>,
}

impl AttachmentRow {
    fn read(self) -> Result<Attachment> {
        let states = [FileState::Stored, FileState::LeftOut];
        let state = states.into_iter().find(|state| state.name() == self.state);
        Ok(Attachment {
            id: AttachmentId(self.id),
            position: known(u32::try_from(self.position).ok(), &self.position)?,
            file_name: self.file_name,
            content_type: self.content_type,
            size: known(u64::try_from(self.size).ok(), &self.size)?,
            sha256: hash(self.sha256)?,
            inline: self.inline,
            state: known(state, &self.state)?,
            reason: self.reason.map(|reason| known(reason_name(&reason), &reason)).transpose()?,
        })
    }
}

fn reason_name(text: &str) -> Option<&'static str> {
    ["attachment_too_large", "type_not_allowed"].into_iter().find(|name| *name == text)
}

impl Store {
    /// A message, filed, skipped or held.
    pub async fn message(&self, of: SubAccountId, id: StoredMessageId) -> Result<Option<Message>> {
        let mut tx = self.reader().await?;
        read_message(&mut tx, of, id).await
    }

    /// These messages, as far as there are such, in no order.
    pub async fn messages(
        &self,
        of: SubAccountId,
        ids: impl IntoIterator<Item = StoredMessageId>,
    ) -> Result<Vec<Message>> {
        let mut tx = self.reader().await?;
        let asked = ids.into_iter().flat_map(|id| values![of, id]).collect();
        let rows = tx.all_of_rows(MESSAGES, asked).await?;
        with_attachments(&mut tx, of, rows).await
    }

    /// The messages of a conversation, oldest first.
    pub async fn messages_of_conversation(
        &self,
        of: SubAccountId,
        id: ConversationId,
        window: Window,
    ) -> Result<Vec<Message>> {
        let mut tx = self.reader().await?;
        let Position { at, id: last } = window.ascending_start();
        let values = values![of, id, at, last, window.limit];
        let rows = tx.all(MESSAGES_OF_CONVERSATION, values).await?;
        with_attachments(&mut tx, of, rows).await
    }

    /// The latest messages of a conversation before a position, the latest first; all of them, or those of
    /// one user.
    pub async fn latest_messages(
        &self,
        of: SubAccountId,
        user: Option<UserId>,
        id: ConversationId,
        window: Window,
    ) -> Result<Vec<Message>> {
        let mut tx = self.reader().await?;
        let Position { at, id: first } = window.descending_start();
        let mut values = values![of, id, at, first, window.limit];
        let rows = match user {
            None => tx.all(MESSAGES_BEFORE, values).await?,
            Some(user) => {
                values.extend(values![user]);
                tx.all(MESSAGES_OF_USER_BEFORE, values).await?
            }
        };
        with_attachments(&mut tx, of, rows).await
    }

    /// The message that has a Message-ID as its own.
    pub async fn message_having(
        &self,
        of: SubAccountId,
        id: &MessageId,
    ) -> Result<Option<StoredMessageId>> {
        let mut tx = self.reader().await?;
        let row: Option<(Uuid,)> = tx.optional(HAVING_ID, values![of, id.key()]).await?;
        Ok(row.map(|(id,)| StoredMessageId(id)))
    }

    /// Did the user send or get the message?
    pub async fn is_message_of(
        &self,
        of: SubAccountId,
        user: UserId,
        id: StoredMessageId,
    ) -> Result<bool> {
        let mut tx = self.reader().await?;
        let row: Option<(Uuid,)> = tx.optional(IS_OF_USER, values![of, id, user]).await?;
        Ok(row.is_some())
    }

    /// The verdicts by which messages were left out (A2).
    pub async fn skipped_by(
        &self,
        of: SubAccountId,
        messages: impl IntoIterator<Item = StoredMessageId>,
    ) -> Result<BTreeMap<StoredMessageId, VerdictId>> {
        let mut tx = self.reader().await?;
        let asked = messages.into_iter().flat_map(|id| values![of, id]).collect();
        let rows: Vec<(Uuid, Uuid)> = tx.all_of_rows(SKIPPED_BY, asked).await?;
        let read = |(message, verdict)| (StoredMessageId(message), VerdictId(verdict));
        Ok(rows.into_iter().map(read).collect())
    }

    /// The messages that a contact is on, as the owner of their conversation or beside the owner (B4),
    /// oldest first.
    pub async fn messages_of_contact(
        &self,
        of: SubAccountId,
        id: ContactId,
        window: Window,
    ) -> Result<Vec<Message>> {
        let mut tx = self.reader().await?;
        let Position { at, id: last } = window.ascending_start();
        let values = values![of, id, at, last, window.limit];
        let rows = tx.all(MESSAGES_OF_CONTACT, values).await?;
        with_attachments(&mut tx, of, rows).await
    }

    /// A mail as it came.
    pub async fn raw(&self, of: SubAccountId, id: StoredMessageId) -> Result<Option<Vec<u8>>> {
        let mut tx = self.reader().await?;
        let row: Option<(Vec<u8>, i64)> = tx.optional(RAW, values![of, id]).await?;
        row.map(|(raw, size)| RawMail::of_row(raw, size).unpack()).transpose()
    }

    /// A file, and the message it is of.
    pub async fn attachment(
        &self,
        of: SubAccountId,
        id: AttachmentId,
    ) -> Result<Option<(Attachment, StoredMessageId)>> {
        let mut tx = self.reader().await?;
        let row: Option<AttachmentRow> = tx.optional(ATTACHMENT, values![of, id]).await?;
        let Some(row) = row else { return Ok(None) };
        let message = StoredMessageId(row.message_id);
        row.read().map(|attachment| Some((attachment, message)))
    }
}

/// A message with its files.
pub(super) async fn read_message(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    id: StoredMessageId,
) -> Result<Option<Message>> {
    let row: Option<Row> = tx.optional(MESSAGE, values![of, id]).await?;
    let messages = with_attachments(tx, of, row.into_iter().collect()).await?;
    Ok(messages.into_iter().next())
}

async fn with_attachments(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    rows: Vec<Row>,
) -> Result<Vec<Message>> {
    let asked = rows.iter().flat_map(|row| values![of, row.id]).collect();
    let found: Vec<AttachmentRow> = tx.all_of_rows(ATTACHMENTS, asked).await?;
    let mut files: BTreeMap<Uuid, Vec<Attachment>> = BTreeMap::new();
    for row in found {
        files.entry(row.message_id).or_default().push(row.read()?);
    }
    rows.into_iter()
        .map(|row| {
            let attachments = files.remove(&row.id).unwrap_or_default();
            row.read(attachments)
        })
        .collect()
}

/// A value that only this program writes.
pub(super) fn known<T>(value: Option<T>, stored: &impl std::fmt::Debug) -> Result<T> {
    value.ok_or_else(|| Error::damaged(format!("{stored:?} is not known")))
}

/// JSON that only this program writes.
pub(super) fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(Error::damaged)
}

fn hash(bytes: Vec<u8>) -> Result<[u8; 32]> {
    bytes.try_into().map_err(|_| Error::damaged("a hash has not 32 bytes"))
}
