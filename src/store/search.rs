//! Finding messages by their words, and the index that this needs: SQLite's FTS5, PostgreSQL's GIN. Both
//! are given words in the normal form of [`Words`], so both find the same. The index is made in the
//! background from events, in the order of commits: how far it is, it says.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::raw::{self, BLOCK_BYTES_MAX};
use super::rows::ROWS_MAX;
use super::tx::Tx;
use super::value::{Value, values};
use super::{Result, Store, events, inboxes};
use crate::model::words::{self, Query, Words};
use crate::model::{
    ConversationId, Direction, Message, SendStatus, State, StoredMessageId, SubAccountId, UserId,
};

statements! {
    FOUND_ON_SQLITE = "select search_messages.position, messages.id, messages.conversation_id \
        from search_words cross join search_messages cross join messages \
        where search_words match $2 and search_words.rowid < $3 \
            and search_messages.position = search_words.rowid \
            and search_messages.sub_account = $1 \
            and messages.sub_account = search_messages.sub_account \
            and messages.id = search_messages.message_id \
            and messages.conversation_id is not null \
        order by search_words.rowid desc limit $4";
    ENDINGS_ON_SQLITE = "select term from search_words_known where term >= $1 and term < $2 limit $3";
    FOUND_ON_POSTGRES = "select search_messages.position, messages.id, messages.conversation_id \
        from (select sub_account, message_id, position from search_messages \
            where sub_account = $1 and lexemes @@ cast($2 as tsquery) and position < $3 \
            order by position desc limit $4) as search_messages \
        join messages on messages.sub_account = search_messages.sub_account \
            and messages.id = search_messages.message_id \
        where messages.conversation_id is not null \
        order by search_messages.position desc";
    PREVIEWS = concat!("select asked.column2, messages.direction, messages.state, \
            coalesce(search_messages.preview, '') as preview, outbox.status \
        from {rows uuid uuid uuid} as asked cross join messages \
        left join search_messages on search_messages.sub_account = messages.sub_account \
            and search_messages.message_id = messages.id \
        left join outbox on outbox.sub_account = messages.sub_account and outbox.id = messages.id \
        where messages.sub_account = asked.column1 and messages.id = (select m.id from messages m \
            where m.sub_account = asked.column1 and m.conversation_id = asked.column2 \
                and m.conversation_id is not null \
                and (asked.column3 is null or m.user_id = asked.column3 or ",
        super::verdicts::is_seen_by!("asked.column1", "m.id", "asked.column3"), ") \
            order by m.at desc, m.id desc limit 1)");
    PROGRESS = "select position from search_progress where sub_account = $1";
    BEGIN_PROGRESS = "insert into search_progress (sub_account, position) \
        select sub_account, 0 from sub_accounts where sub_account = $1 on conflict do nothing";
    /// What was erased while it was read is not put in.
    STILL_THERE = "select messages.id from {rows uuid uuid} as asked cross join messages \
        where messages.sub_account = asked.column1 and messages.id = asked.column2";
    MOVE_PROGRESS = "update search_progress set position = $3 where sub_account = $1 and position = $2";
    /// The beginning of a mail, where its text is; the files behind it are not searched.
    BEGINNING = "select substr(raw, 1, cast($3 as integer)) as beginning, length(raw) = raw_size as is_plain \
        from messages where sub_account = $1 and id = $2";
    BEGINNINGS = "select messages.id, substr(messages.raw, 1, cast(asked.column3 as integer)) as beginning, \
            length(messages.raw) = messages.raw_size as is_plain \
        from {rows uuid uuid bigint} as asked cross join messages \
        where messages.sub_account = asked.column1 and messages.id = asked.column2";
    /// Who has a message (B9). `coalesce`: SQLite would go through all verdicts that are somebody's.
    READERS = "select distinct verdicts.stored_message_id, verdicts.user_id \
        from {rows uuid uuid} as asked cross join verdicts \
        where verdicts.sub_account = asked.column1 and verdicts.stored_message_id = asked.column2 \
            and verdicts.stored_message_id is not null \
            and coalesce(verdicts.user_id, null) is not null";
    /// Those of these messages that are another's, with who has them, too.
    OTHERS = "select messages.sub_account, messages.id, asked.column3 \
        from {rows uuid uuid uuid} as asked cross join messages \
        where messages.sub_account = asked.column1 and messages.id = asked.column2 \
            and (messages.user_id is null or messages.user_id <> asked.column3)";
    WORDS = "select position, words, preview from search_messages \
        where sub_account = $1 and message_id = $2";
    PUT_WORDS = "insert into search_messages (sub_account, message_id, position, words, preview) \
        values ($1, $2, $3, $4, $5)";
    REMOVE_WORDS = "delete from search_messages where (sub_account, message_id) in {rows uuid uuid}";
    ADD_WORDS = "insert into search_messages (sub_account, message_id, position, words, preview) \
        select added.column1, added.column2, \
            (select coalesce(max(search_messages.position), 0) from search_messages) + added.column3, \
            added.column4, added.column5 \
        from {rows uuid uuid bigint text text} as added where added.column1 is not null";
    ACCOUNTS_BEHIND = "select accounts.sub_account, (select max(events.position) from events \
            where events.sub_account = accounts.sub_account) as last, \
            coalesce(search_progress.position, 0) as done \
        from sub_accounts as accounts left join search_progress \
            on search_progress.sub_account = accounts.sub_account \
        where (select max(events.position) from events \
            where events.sub_account = accounts.sub_account) > coalesce(search_progress.position, 0)";
}

/// A message that was found, and its place in the index: those that came later have a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    pub position: i64,
    pub message: StoredMessageId,
    pub conversation: ConversationId,
}

/// A message with the words that it is found by.
#[derive(Clone, Debug)]
pub struct Indexed {
    pub message: Message,
    pub words: Words,
    /// The beginning of what is new in it.
    pub preview: String,
}

/// How a message begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// A user of the sub-account has written it.
    pub is_own: bool,
    /// It was left out for a file that is too large (A2).
    pub is_left_out: bool,
    /// How far the sending of it is, of what the CRM sends.
    pub status: Option<SendStatus>,
    pub text: String,
}

type PreviewRow = (Uuid, Option<String>, String, String, Option<String>);

/// How far what follows the events is, and how far they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventReach {
    pub done: i64,
    pub last: i64,
}

/// So many endings of a word are looked up one by one.
const ENDINGS_MAX: usize = 50;
/// As much of a mail as is read for its words.
const BEGINNING_BYTES: i64 = 1_048_576;

/// How the last word may go on, where that is said in a few words: FTS5 reads each from its end, and for the
/// beginning of a word it sorts all mail that has it. None: in too many ways.
async fn endings(tx: &mut Tx<'_>, query: &Query) -> Result<Vec<String>> {
    let Some(word) = query.open_word() else { return Ok(Vec::new()) };
    let behind = format!("{word}{}", char::MAX);
    let known: Vec<(String,)> =
        tx.all(ENDINGS_ON_SQLITE, values![word, behind, ENDINGS_MAX as i64 + 1]).await?;
    let is_few = known.len() <= ENDINGS_MAX;
    Ok(known.into_iter().map(|(term,)| term).filter(|_| is_few).collect())
}

impl Store {
    /// The messages that have all the words, the latest first, behind a position; of one user, or of all.
    pub async fn search(
        &self,
        of: SubAccountId,
        user: Option<UserId>,
        query: &Query,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Vec<Found>> {
        let mut tx = self.reader().await?;
        let (sql, written) = if tx.is_postgres() {
            (FOUND_ON_POSTGRES, query.for_postgres(of, user))
        } else {
            let endings = endings(&mut tx, query).await?;
            (FOUND_ON_SQLITE, query.for_sqlite(of, user, &endings))
        };
        let values = values![of, written, before.unwrap_or(i64::MAX), limit];
        let rows: Vec<(i64, Uuid, Uuid)> = tx.all(sql, values).await?;
        let found = |(position, message, conversation)| Found {
            position,
            message: StoredMessageId(message),
            conversation: ConversationId(conversation),
        };
        Ok(rows.into_iter().map(found).collect())
    }

    /// How the latest message of each of these conversations begins; of one user's messages, or of all.
    pub async fn previews(
        &self,
        of: SubAccountId,
        user: Option<UserId>,
        conversations: impl IntoIterator<Item = ConversationId>,
    ) -> Result<BTreeMap<ConversationId, Preview>> {
        let mut tx = self.reader().await?;
        let asked = conversations.into_iter().flat_map(|id| values![of, id, user]).collect();
        let rows: Vec<PreviewRow> = tx.all_of_rows(PREVIEWS, asked).await?;
        let read = |(id, direction, state, text, status): PreviewRow| {
            let is_own = direction.as_deref() == Some(Direction::Outbound.name());
            let is_left_out = state == State::Skipped.name();
            let status = status.as_deref().and_then(SendStatus::parse);
            (ConversationId(id), Preview { is_own, is_left_out, status, text })
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// The sub-accounts whose index is behind their events, and how far it and they are.
    pub async fn behind_in_search(&self) -> Result<Vec<(SubAccountId, EventReach)>> {
        let mut tx = self.reader().await?;
        let rows: Vec<(Uuid, i64, i64)> = tx.all(ACCOUNTS_BEHIND, values![]).await?;
        let read = |(of, last, done)| (SubAccountId(of), EventReach { done, last });
        Ok(rows.into_iter().map(read).collect())
    }

    /// How far the index of a sub-account is.
    pub async fn search_reach(&self, of: SubAccountId) -> Result<EventReach> {
        let last = self.event_bounds(of).await?.last;
        let mut tx = self.reader().await?;
        let row: Option<(i64,)> = tx.optional(PROGRESS, values![of]).await?;
        Ok(EventReach { done: row.map_or(0, |(done,)| done), last })
    }

    /// The beginning of a mail as it came.
    pub async fn beginning(
        &self,
        of: SubAccountId,
        id: StoredMessageId,
    ) -> Result<Option<Vec<u8>>> {
        let mut tx = self.reader().await?;
        let row: Option<(Vec<u8>, bool)> =
            tx.optional(BEGINNING, values![of, id, BEGINNING_BYTES + BLOCK_BYTES_MAX]).await?;
        Ok(row.map(|(raw, is_plain)| raw::beginning(raw, is_plain, BEGINNING_BYTES)))
    }

    /// The beginnings of mails as they came, each as long as it may be.
    pub async fn beginnings(
        &self,
        of: SubAccountId,
        ids: impl IntoIterator<Item = StoredMessageId>,
        bytes: i64,
    ) -> Result<BTreeMap<StoredMessageId, Vec<u8>>> {
        let mut tx = self.reader().await?;
        let most = bytes + BLOCK_BYTES_MAX;
        let asked = ids.into_iter().flat_map(|id| values![of, id, most]).collect();
        let rows: Vec<(Uuid, Vec<u8>, bool)> = tx.all_of_rows(BEGINNINGS, asked).await?;
        let read =
            |(id, raw, is_plain)| (StoredMessageId(id), raw::beginning(raw, is_plain, bytes));
        Ok(rows.into_iter().map(read).collect())
    }

    /// Puts messages into the index and moves it on from one event to another; `false`: another was
    /// first. A message that is there already is put in anew.
    pub async fn index(
        &self,
        of: SubAccountId,
        (from, to): (i64, i64),
        messages: &[Indexed],
    ) -> Result<bool> {
        let mut tx = self.writer().await?;
        // Erasure waits, or is waited for.
        events::lock(&mut tx, &[of]).await?;
        tx.execute(BEGIN_PROGRESS, values![of]).await?;
        if tx.execute(MOVE_PROGRESS, values![of, from, to]).await? == 0 {
            return Ok(false);
        }
        let read: BTreeMap<Uuid, &Indexed> =
            messages.iter().map(|indexed| (indexed.message.id.0, indexed)).collect();
        let asked = read.keys().flat_map(|id| values![of, *id]).collect();
        let there: Vec<(Uuid,)> = tx.all_of_rows(STILL_THERE, asked).await?;
        let latest: BTreeMap<Uuid, &Indexed> =
            there.iter().filter_map(|(id,)| Some((*id, *read.get(id)?))).collect();
        let ids: Vec<Value> = latest.keys().flat_map(|id| values![of, *id]).collect();
        let readers: Vec<(Uuid, Uuid)> = tx.all_of_rows(READERS, ids.clone()).await?;
        let readers: BTreeSet<(Uuid, UserId)> =
            readers.into_iter().map(|(message, user)| (message, UserId(user))).collect();
        tx.execute_rows(REMOVE_WORDS, ids).await?;
        // Each statement counts from the highest place so far.
        let numbered = (0..ROWS_MAX as i64).cycle().map(|place| place + 1).zip(latest.values());
        let mut rows = Vec::new();
        let mut shares = Vec::new();
        for (place, Indexed { message, words, preview }) in numbered {
            let mut words = words.clone();
            let others = readers.range((message.id.0, UserId(Uuid::nil()))..);
            let others = others.take_while(|(id, _)| *id == message.id.0).map(|(_, user)| *user);
            let users: BTreeSet<UserId> = others.chain(message.user_id).collect();
            for user in users {
                words.add_user(user);
                shares.push((message, user));
            }
            rows.extend(values![of, message.id, place, words.joined(), preview]);
        }
        tx.execute_rows(ADD_WORDS, rows).await?;
        shares.retain(|(message, _)| message.state != State::Held);
        inboxes::add(&mut tx, of, shares.into_iter()).await?;
        tx.commit().await?;
        Ok(true)
    }
}

/// Lets other users who have a message, too, find it (B9).
pub(super) async fn share_all(
    tx: &mut Tx<'_>,
    readers: impl IntoIterator<Item = (SubAccountId, StoredMessageId, UserId)>,
) -> Result<()> {
    let asked = readers.into_iter().flat_map(|(of, message, user)| values![of, message, user]);
    let others: Vec<(Uuid, Uuid, Uuid)> = tx.all_of_rows(OTHERS, asked.collect()).await?;
    for (of, message, user) in others {
        share(tx, SubAccountId(of), StoredMessageId(message), UserId(user)).await?;
    }
    Ok(())
}

/// If it can be found already; else whoever has it will find it when its words are read.
async fn share(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    message: StoredMessageId,
    user: UserId,
) -> Result<()> {
    let row: Option<(i64, String, String)> = tx.optional(WORDS, values![of, message]).await?;
    let Some((position, words, preview)) = row else { return Ok(()) };
    let word = words::of_user(user);
    if words.split(' ').any(|known| known == word) {
        return Ok(());
    }
    tx.execute_rows(REMOVE_WORDS, values![of, message]).await?;
    let words = format!("{words} {word}");
    tx.execute(PUT_WORDS, values![of, message, position, words, preview]).await?;
    inboxes::share(tx, of, message, user).await
}
