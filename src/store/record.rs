//! The record of a batch: every decision's rows, one statement a table, nothing for a table without rows.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::columns::{attachment_row, json, json_or_null, message_row, verdict_row};
use super::file::{Again, Filing};
use super::tracking::{self, Tracking};
use super::tx::Tx;
use super::value::{Value, values};
use super::{Error, Result, actions, again, events, folded, outbox, search};
use crate::decide::Change;
use crate::model::contact::PARTICIPANTS_MAX;
use crate::model::{
    ConversationId, Doors, Event, EventType, Message, Outcome, Outgoing, State, StoredMessageId,
    SubAccountId, Sync, ThreadId, Time, UserId,
};

statements! {
    ADD_CONTACTS = "insert into contacts (sub_account, id, email, written, name, source, \
            unsubscribed, created_at, folded) \
        select * from {rows uuid uuid text text text text boolean bigint text} as added \
        where column1 is not null";
    ADD_CONVERSATIONS = "insert into conversations (sub_account, id, contact_id, created_at, \
            message_count, last_message_at, subject) \
        select * from {rows uuid uuid uuid bigint bigint bigint text} as added \
        where column1 is not null";
    /// `coalesce` here and below: SQLite's planner, left the choice, may read the whole table and look each
    /// row up in the list; an expression leaves it only the key of the table.
    COUNT_MESSAGES = "update conversations set \
            message_count = conversations.message_count + added.column3, \
            subject = case when added.column4 >= conversations.last_message_at \
                then added.column5 else conversations.subject end, \
            last_message_at = case when added.column4 >= conversations.last_message_at \
                then added.column4 else conversations.last_message_at end \
        from {rows uuid uuid bigint bigint text} as added \
        where conversations.sub_account = coalesce(added.column1, null) \
            and conversations.id = coalesce(added.column2, null)";
    ADD_THREADS = "insert into threads (sub_account, id, conversation_id, subject, sync, \
            connection_id, thread_index, participants, created_at) \
        select * from {rows uuid uuid uuid text text uuid bytea text bigint} as added \
        where column1 is not null";
    PARTICIPANTS = "select threads.sub_account, threads.id, threads.participants \
        from {rows uuid uuid} as asked cross join threads \
        where threads.sub_account = asked.column1 and threads.id = asked.column2";
    EXTEND_THREADS = "update threads set participants = added.column3, \
            thread_index = coalesce(threads.thread_index, added.column4) \
        from {rows uuid uuid text bytea} as added \
        where threads.sub_account = coalesce(added.column1, null) \
            and threads.id = coalesce(added.column2, null)";
    MOVE_MESSAGES = "update messages set thread_id = $3 where sub_account = $1 and thread_id = $2";
    /// What is searched for in vain would be taken for absent (S5), were it nowhere searched for.
    MOVE_SEARCHES = "insert into searches (sub_account, connection_id, thread_id, created_at) \
        select searches.sub_account, searches.connection_id, threads.id, searches.created_at \
        from searches join threads on threads.sub_account = searches.sub_account \
            and threads.id = $3 \
        where searches.sub_account = $1 and searches.thread_id = $2 on conflict do nothing";
    REMOVE_SEARCHES = "delete from searches where sub_account = $1 and thread_id = $2";
    REMOVE_THREAD = "delete from threads where sub_account = $1 and id = $2 \
        returning participants, thread_index, sync, connection_id";
    ADD_MESSAGES = "insert into messages (sub_account, id, state, conversation_id, thread_id, \
            message_id, in_reply_to, reference_ids, direction, kind, sender, recipients_to, \
            recipients_cc, subject, sent_date, at, doors, user_id, text_hash, id_conflict, \
            forwarded, envelope, raw_size, raw) \
        select * from {rows uuid uuid text uuid uuid text text text text text text text text text \
            bigint bigint bigint uuid bytea boolean boolean text bigint bytea} as added \
        where column1 is not null";
    ADD_ATTACHMENTS = "insert into attachments (sub_account, id, message_id, position, file_name, \
            content_type, size, sha256, inline, state, reason) \
        select * from {rows uuid uuid uuid bigint text text bigint bytea boolean text text} as added \
        where column1 is not null";
    /// A second message of the same id does not get here as a first: the key refuses it.
    ADD_FIRST_ALIASES = "insert into aliases (sub_account, key, slot, message_id, own) \
        select * from {rows uuid bytea uuid uuid boolean} as added where column1 is not null";
    ADD_ALIASES = "insert into aliases (sub_account, key, slot, message_id, own) \
        select * from {rows uuid bytea uuid uuid boolean} as added where column1 is not null \
        on conflict do nothing";
    LINK_CONTACTS = "insert into message_contacts (sub_account, contact_id, message_id) \
        select * from {rows uuid uuid uuid} as added where column1 is not null \
        on conflict do nothing";
    ADD_SIGHTINGS = "update messages set doors = messages.doors | added.column3 \
        from {rows uuid uuid bigint} as added \
        where messages.sub_account = coalesce(added.column1, null) \
            and messages.id = coalesce(added.column2, null)";
    ADD_VERDICTS = "insert into verdicts (sub_account, id, at, door, reason, outcome, matched, \
            message_id, message_key, user_id, conversation_id, stored_message_id, candidates, \
            report, trust, expires_at, recheck_at) \
        select * from {rows uuid uuid bigint text text text text text bytea uuid uuid uuid text \
            text text bigint bigint} as added \
        where column1 is not null";
}

/// Writes a batch inside its transaction.
pub(super) async fn write(tx: &mut Tx<'_>, filings: &[&Filing]) -> Result<()> {
    let mut left = Vec::new();
    for filing in filings {
        if let Some(Again { action, actor, before_json }) = &filing.again {
            let of = filing.decision.sub_account;
            let thread =
                again::take_out(tx, &filing.decision, (*action, actor, before_json)).await?;
            left.extend(thread.map(|thread| (of, thread)));
        }
    }
    let mut rows = Rows::default();
    for filing in filings {
        rows.add(filing)?;
    }
    rows.write(tx).await?;
    for (of, thread) in left {
        tx.execute(actions::REMOVE_EMPTY_THREAD, values![of, thread]).await?;
    }
    Ok(())
}

/// What a batch adds to each table, row after row.
#[derive(Default)]
struct Rows {
    contacts: Vec<Value>,
    conversations: BTreeMap<(SubAccountId, ConversationId), NewConversation>,
    counts: BTreeMap<(SubAccountId, ConversationId), Count>,
    threads: Vec<Value>,
    extensions: BTreeMap<(SubAccountId, ThreadId), Extension>,
    merges: Vec<(SubAccountId, ThreadId, ThreadId)>,
    messages: Vec<Value>,
    attachments: Vec<Value>,
    /// In which thread the batch's messages are.
    places: BTreeMap<StoredMessageId, ThreadId>,
    tracking: Tracking,
    first_aliases: Vec<Value>,
    aliases: Vec<Value>,
    links: Vec<Value>,
    sightings: BTreeMap<(SubAccountId, StoredMessageId), Doors>,
    /// Who has them.
    readers: BTreeSet<(SubAccountId, StoredMessageId, UserId)>,
    verdicts: Vec<Value>,
    outgoing: Vec<(SubAccountId, Outgoing, ConversationId, Time)>,
    events: Vec<(SubAccountId, Event)>,
}

struct NewConversation {
    contact: Uuid,
    created_at: Time,
}

/// How many messages a conversation gains, and the latest of them.
#[derive(Default)]
struct Count {
    messages: i64,
    latest: Time,
    subject: String,
}

#[derive(Default)]
struct Extension {
    participants: BTreeSet<String>,
    thread_index: Option<[u8; 16]>,
}

impl Rows {
    fn add(&mut self, filing: &Filing) -> Result<()> {
        let of = filing.decision.sub_account;
        for change in &filing.decision.changes {
            self.add_change(of, change, filing)?;
        }
        self.verdicts.extend(verdict_row(of, &filing.decision.verdict)?);
        let told = filing.decision.events.iter().cloned();
        self.events.extend(told.map(|event| (of, event)));
        Ok(())
    }

    fn add_change(&mut self, of: SubAccountId, change: &Change, filing: &Filing) -> Result<()> {
        match change {
            Change::AddContact(contact) => self.contacts.extend(values![
                of,
                contact.id,
                contact.email.normal(),
                contact.email.written(),
                contact.name.clone(),
                contact.source,
                false,
                contact.created_at,
                folded::of_contact(contact.name.as_deref(), &contact.email),
            ]),
            Change::AddConversation(conversation) => {
                let (contact, created_at) = (conversation.contact_id.0, conversation.created_at);
                let new = NewConversation { contact, created_at };
                self.conversations.insert((of, conversation.id), new);
            }
            Change::AddThread(thread) => self.threads.extend(values![
                of,
                thread.id,
                thread.conversation_id,
                &thread.subject,
                thread.connection.map_or(Sync::None, |_| Sync::Tracked).name(),
                thread.connection,
                thread.thread_index,
                json(&thread.participants)?,
                thread.created_at,
            ]),
            Change::AddMessage(message) => self.add_message(of, message, filing)?,
            Change::AddAlias { key, message, own, first } => {
                let slot = self.slot(*message, *own, *first);
                let rows = if *first { &mut self.first_aliases } else { &mut self.aliases };
                rows.extend(values![of, *key, slot, *message, *own]);
            }
            Change::LinkContact { contact, message } => {
                self.links.extend(values![of, *contact, *message]);
            }
            Change::ExtendThread { thread, participants, thread_index } => {
                let extension = self.extensions.entry((of, *thread)).or_default();
                extension.participants.extend(participants.iter().cloned());
                extension.thread_index = extension.thread_index.or(*thread_index);
            }
            Change::Enqueue(outgoing) => {
                if let Some(conversation) = filing.decision.verdict.conversation_id {
                    let at = filing.decision.verdict.at;
                    self.outgoing.push((of, (**outgoing).clone(), conversation, at));
                }
            }
            Change::MergeThread { from, into, .. } => self.merges.push((of, *from, *into)),
            Change::TrackThread { .. }
            | Change::ReopenThread { .. }
            | Change::Keep { .. }
            | Change::Name { .. }
            | Change::Claim { .. }
            | Change::AskAgain { .. }
            | Change::SentCopySeen { .. }
            | Change::Bounced { .. } => {
                self.tracking.add(of, change, filing.decision.verdict.at);
            }
            Change::SeenAt { message, door } => {
                let doors = self.sightings.entry((of, *message)).or_default();
                *doors = doors.with(*door);
                let user = filing.decision.verdict.user_id;
                self.readers.extend(user.map(|user| (of, *message, user)));
            }
        }
        Ok(())
    }

    fn add_message(&mut self, of: SubAccountId, message: &Message, filing: &Filing) -> Result<()> {
        let envelope = match message.state {
            State::Held => json_or_null(filing.envelope.as_ref())?,
            State::Filed | State::Skipped => None,
        };
        self.messages.extend(message_row(of, message, envelope, &filing.content)?);
        for attachment in &message.attachments {
            self.attachments.extend(attachment_row(of, message.id, attachment));
        }
        if let Some(thread) = message.thread_id {
            self.places.insert(message.id, thread);
        }
        if let Some(conversation) = message.conversation_id {
            let count = self.counts.entry((of, conversation)).or_default();
            count.messages += 1;
            if count.messages == 1 || message.at >= count.latest {
                count.latest = message.at;
                count.subject.clone_from(&message.subject);
            }
        }
        Ok(())
    }

    /// Own ids: nil for the first message of the id, which guards against a second first, and the
    /// message for others. Ids that are only named: their thread, once, however many of its messages
    /// name them.
    fn slot(&self, message: StoredMessageId, own: bool, first: bool) -> Uuid {
        match self.places.get(&message) {
            _ if first => Uuid::nil(),
            Some(thread) if !own => thread.0,
            _ => message.0,
        }
    }

    async fn write(mut self, tx: &mut Tx<'_>) -> Result<()> {
        tx.execute_rows(ADD_CONTACTS, std::mem::take(&mut self.contacts)).await?;
        let counts = self.write_conversations(tx).await?;
        // Whether a message's sending is news is known last.
        let (mut unsure, sure): (Vec<_>, Vec<_>) = std::mem::take(&mut self.events)
            .into_iter()
            .partition(|(_, event)| event.event_type == EventType::MessageSent);
        let events = events::rows(tx, &sure).await?;
        // What nearly every mail has.
        tx.execute_together([
            (ADD_THREADS, std::mem::take(&mut self.threads)),
            (ADD_MESSAGES, std::mem::take(&mut self.messages)),
            (ADD_FIRST_ALIASES, std::mem::take(&mut self.first_aliases)),
            (COUNT_MESSAGES, counts),
            (ADD_VERDICTS, std::mem::take(&mut self.verdicts)),
            (events::ADD_EVENTS, events),
        ])
        .await?;
        tx.execute_rows(ADD_ATTACHMENTS, std::mem::take(&mut self.attachments)).await?;
        tx.execute_rows(ADD_ALIASES, std::mem::take(&mut self.aliases)).await?;
        tx.execute_rows(LINK_CONTACTS, std::mem::take(&mut self.links)).await?;
        self.write_sightings(tx).await?;
        self.extend_threads(tx).await?;
        self.merge_threads(tx).await?;
        let news = std::mem::take(&mut self.tracking).write(tx).await?;
        for (of, outgoing, conversation, at) in &self.outgoing {
            outbox::add(tx, *of, outgoing, *conversation, *at).await?;
        }
        unsure.retain(|(of, event)| news.is_told(*of, event));
        events::append(tx, &unsure).await
    }

    /// Adds the new ones; what is to be counted in the others is left.
    async fn write_conversations(&mut self, tx: &mut Tx<'_>) -> Result<Vec<Value>> {
        let mut rows = Vec::new();
        for ((of, id), new) in &self.conversations {
            let count = self.counts.remove(&(*of, *id)).unwrap_or_default();
            let latest = if count.messages == 0 { new.created_at } else { count.latest };
            let contact = new.contact;
            rows.extend(values![
                *of,
                *id,
                contact,
                new.created_at,
                count.messages,
                latest,
                count.subject
            ]);
        }
        tx.execute_rows(ADD_CONVERSATIONS, rows).await?;
        let mut rows = Vec::new();
        for ((of, id), count) in std::mem::take(&mut self.counts) {
            rows.extend(values![of, id, count.messages, count.latest, count.subject]);
        }
        Ok(rows)
    }

    async fn write_sightings(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        let sightings = std::mem::take(&mut self.sightings).into_iter();
        let rows = sightings.flat_map(|((of, message), doors)| values![of, message, doors.0]);
        tx.execute_rows(ADD_SIGHTINGS, rows.collect()).await?;
        search::share_all(tx, std::mem::take(&mut self.readers)).await
    }

    async fn extend_threads(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        let asked = self.extensions.keys().flat_map(|(of, thread)| values![*of, *thread]).collect();
        let stored: Vec<(Uuid, Uuid, String)> = tx.all_of_rows(PARTICIPANTS, asked).await?;
        let mut rows = Vec::new();
        for (of, thread, participants) in stored {
            let key = (SubAccountId(of), ThreadId(thread));
            let Some(extension) = self.extensions.remove(&key) else { continue };
            let mut all: BTreeSet<String> =
                serde_json::from_str(&participants).map_err(Error::damaged)?;
            let room = PARTICIPANTS_MAX.saturating_sub(all.len());
            let new: Vec<String> = extension.participants.difference(&all).cloned().collect();
            all.extend(new.into_iter().take(room));
            rows.extend(values![of, thread, json(&all)?, extension.thread_index]);
        }
        tx.execute_rows(EXTEND_THREADS, rows).await.map(drop)
    }

    /// Rare, so one after the other; in order, because what is merged may be merged again.
    async fn merge_threads(&mut self, tx: &mut Tx<'_>) -> Result<()> {
        for (of, from, into) in std::mem::take(&mut self.merges) {
            tx.execute(MOVE_MESSAGES, values![of, from, into]).await?;
            tx.execute(MOVE_SEARCHES, values![of, from, into]).await?;
            tx.execute(REMOVE_SEARCHES, values![of, from]).await?;
            let gone: Option<(String, Option<Vec<u8>>, String, Option<Uuid>)> =
                tx.optional(REMOVE_THREAD, values![of, from]).await?;
            let Some((participants, thread_index, sync, connection)) = gone else { continue };
            tx.execute(tracking::INHERIT, values![of, into, sync, connection]).await?;
            let extension = self.extensions.entry((of, into)).or_default();
            extension.participants = serde_json::from_str(&participants).map_err(Error::damaged)?;
            extension.thread_index = thread_index.and_then(|guid| guid.try_into().ok());
            self.extend_threads(tx).await?;
        }
        Ok(())
    }
}

/// Can the mail be found by its Message-ID only through its verdict?
pub(super) const fn needs_key(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Held | Outcome::Ignored | Outcome::Rejected)
}
