//! The facts for the questions of a batch: a few statements, however many questions there are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use super::tx::Tx;
use super::value::values;
use super::{Error, Result, events};
use crate::decide::facts::{
    AccountFacts, ContactFact, Facts, IdFact, PrivateFact, Question, ThreadFact,
};
use crate::model::{
    ConnectionId, ContactId, ConversationId, Doors, FolderRole, Matched, MessageKey, Person,
    StoredMessageId, SubAccountId, Sync, ThreadId, Time, UserId,
};

statements! {
    /// The settings of the sub-accounts; everything that is known of addresses: contacts and their
    /// conversation, users and the connection of their mailbox, never-log by address and by domain, smart
    /// BCC addresses; and the mails of ids: of one that very many carry, the first hundred are enough, and
    /// held mail is not known (B9). It is asked for every batch, and to ask costs more than to answer: so it
    /// is one. A row asks for an address or for an id.
    KNOWN = "with asked(sub_account, address, domain, key) as {rows uuid text text bytea}, \
            found as (select aliases.sub_account, aliases.key, aliases.own, aliases.message_id, \
                row_number() over (partition by aliases.sub_account, aliases.key \
                    order by aliases.own desc, aliases.slot) as place \
                from asked cross join aliases where aliases.sub_account = asked.sub_account \
                    and aliases.key = asked.key) \
        select cast(5 as bigint) as kind, found.sub_account as sub_account, \
            cast(null as text) as said, messages.id as id, messages.conversation_id as other, \
            found.key as key, found.own as own, messages.thread_id as thread_id, \
            messages.sender as sender, messages.sent_date as sent_date, \
            messages.text_hash as text_hash, messages.doors as doors, \
            messages.forwarded as forwarded, \
            outbox.connection_id is not null and outbox.copy_seen_at is null as lacks_copy \
        from found cross join messages left join outbox \
            on outbox.sub_account = messages.sub_account and outbox.id = messages.id \
        where found.place <= 100 and messages.sub_account = found.sub_account \
            and messages.id = found.message_id and messages.state <> 'held' \
        union all select 1, asked.sub_account, asked.address, contacts.id, conversations.id, \
            null, null, null, null, null, null, null, null, null \
        from asked cross join contacts left join conversations \
            on conversations.sub_account = contacts.sub_account \
            and conversations.contact_id = contacts.id \
        where contacts.sub_account = asked.sub_account and contacts.email = asked.address \
        union all select 2, asked.sub_account, asked.address, users.id, users.connection_id, \
            null, null, null, null, null, null, null, null, null \
        from asked cross join user_addresses cross join users \
        where user_addresses.sub_account = asked.sub_account \
            and user_addresses.address = asked.address and user_addresses.confirmed \
            and users.sub_account = user_addresses.sub_account \
            and users.id = user_addresses.user_id \
        union all select 3, asked.sub_account, asked.address, null, null, \
            null, null, null, null, null, null, null, null, null \
        from asked cross join never_log \
        where never_log.sub_account = asked.sub_account and never_log.entry = asked.address \
        union all select 3, asked.sub_account, asked.address, null, null, \
            null, null, null, null, null, null, null, null, null \
        from asked cross join never_log \
        where never_log.sub_account = asked.sub_account and never_log.entry = asked.domain \
        union all select 4, asked.sub_account, asked.address, null, null, \
            null, null, null, null, null, null, null, null, null \
        from asked cross join bcc_addresses \
        where bcc_addresses.sub_account = asked.sub_account \
            and bcc_addresses.address = asked.address \
        union all select 0, sub_accounts.sub_account, sub_accounts.settings, null, null, \
            null, null, null, null, null, null, null, null, null \
        from (select distinct asked.sub_account from asked) as accounts cross join sub_accounts \
        where sub_accounts.sub_account = accounts.sub_account";
    THREADS_OF_INDEX = "select threads.sub_account, threads.thread_index, threads.id \
        from {rows uuid bytea} as asked cross join threads \
        where threads.sub_account = asked.column1 and threads.thread_index = asked.column2";
    PRIVATE = "select verdicts.sub_account, verdicts.message_key, verdicts.user_id, \
            verdicts.matched \
        from {rows uuid bytea} as asked cross join verdicts \
        where verdicts.sub_account = asked.column1 and verdicts.message_key = asked.column2 \
            and (verdicts.outcome = 'ignored' and verdicts.message_id is null \
                or verdicts.reason = 'taken_back' \
                or verdicts.reason = 'discarded' and verdicts.door = 'imap')";
    THREADS = "select threads.sub_account, threads.id, threads.conversation_id, \
            threads.participants, threads.created_at, threads.sync, threads.connection_id \
        from {rows uuid uuid} as asked cross join threads \
        where threads.sub_account = asked.column1 and threads.id = asked.column2";
}

/// Reads the facts inside the transaction in which they will be acted on. Batches of several nodes judge
/// one after the other; SQLite has one writer anyway.
pub(super) async fn read(tx: &mut Tx<'_>, questions: &[(SubAccountId, Question)]) -> Result<Facts> {
    let asked = Asked::new(questions);
    let accounts: Vec<SubAccountId> = asked.accounts.iter().copied().collect();
    events::lock(tx, &accounts).await?;
    asked.facts(tx).await
}

/// The questions of all mails of a batch, each thing once.
#[derive(Default)]
struct Asked<'q> {
    accounts: BTreeSet<SubAccountId>,
    addresses: BTreeSet<(SubAccountId, &'q str)>,
    keys: BTreeSet<(SubAccountId, MessageKey)>,
    thread_indexes: BTreeSet<(SubAccountId, [u8; 16])>,
    private: BTreeSet<(SubAccountId, MessageKey)>,
}

type ThreadRow = (Uuid, Uuid, Uuid, String, i64, String, Option<Uuid>);

/// What is known of an address, or of an id (`kind` 5).
#[derive(sqlx::FromRow)]
struct KnownRow {
    kind: i64,
    sub_account: Uuid,
    /// The address; of `kind` 0 the settings.
    said: Option<String>,
    id: Option<Uuid>,
    /// The conversation, or a user's connection.
    other: Option<Uuid>,
    key: Option<Vec<u8>>,
    own: Option<bool>,
    thread_id: Option<Uuid>,
    sender: Option<String>,
    sent_date: Option<i64>,
    text_hash: Option<Vec<u8>>,
    doors: Option<i64>,
    forwarded: Option<bool>,
    lacks_copy: Option<bool>,
}

impl<'q> Asked<'q> {
    async fn facts(&self, tx: &mut Tx<'_>) -> Result<Facts> {
        let mut facts = Facts::default();
        self.known(tx, &mut facts).await?;
        self.thread_indexes(tx, &mut facts).await?;
        threads(tx, &mut facts).await?;
        self.private(tx, &mut facts).await?;
        Ok(facts)
    }

    fn new(questions: &'q [(SubAccountId, Question)]) -> Self {
        let mut asked = Self::default();
        for (of, question) in questions {
            asked.accounts.insert(*of);
            asked
                .addresses
                .extend(question.addresses.iter().map(|address| (*of, address.as_str())));
            asked.keys.extend(question.keys.iter().map(|key| (*of, *key)));
            asked.thread_indexes.extend(question.thread_indexes.iter().map(|guid| (*of, *guid)));
            asked.private.extend(question.private_keys.iter().map(|key| (*of, *key)));
        }
        asked
    }

    /// Of an account too that is asked for nothing, its settings are read.
    async fn known(&self, tx: &mut Tx<'_>, facts: &mut Facts) -> Result<()> {
        let mut rows = Vec::with_capacity((self.addresses.len() + self.keys.len()) * 4);
        let (no_text, no_key) = (Option::<&str>::None, Option::<MessageKey>::None);
        for (of, address) in &self.addresses {
            let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
            rows.extend(values![*of, *address, format!("@{domain}"), no_key]);
        }
        for (of, key) in &self.keys {
            rows.extend(values![*of, no_text, no_text, *key]);
        }
        let asked: BTreeSet<_> = self.addresses.iter().map(|(of, _)| *of).collect();
        for of in self.accounts.difference(&asked) {
            rows.extend(values![*of, "", "", no_key]);
        }
        let found = tx.all_of_rows::<KnownRow>(KNOWN, rows).await?;
        let (accounts, known): (Vec<_>, Vec<_>) = found.into_iter().partition(|row| row.kind == 0);
        for row in accounts {
            let settings = row.said.unwrap_or_default();
            let settings = serde_json::from_str(&settings).map_err(Error::damaged)?;
            let account = AccountFacts { settings: Arc::new(settings), ..AccountFacts::default() };
            facts.accounts.insert(SubAccountId(row.sub_account), account);
        }
        for row in known {
            let Some(account) = facts.accounts.get_mut(&SubAccountId(row.sub_account)) else {
                continue;
            };
            match row.kind {
                5 => row.add_id(account)?,
                _ => row.add_person(account),
            }
        }
        Ok(())
    }

    async fn thread_indexes(&self, tx: &mut Tx<'_>, facts: &mut Facts) -> Result<()> {
        let rows = self.thread_indexes.iter().flat_map(|(of, guid)| values![*of, *guid]).collect();
        let found: Vec<(Uuid, Vec<u8>, Uuid)> = tx.all_of_rows(THREADS_OF_INDEX, rows).await?;
        for (of, guid, thread) in found {
            if let Some(account) = facts.accounts.get_mut(&SubAccountId(of)) {
                let threads = account.thread_indexes.entry(bytes(&guid)?).or_default();
                threads.push(ThreadId(thread));
            }
        }
        Ok(())
    }
}

impl Asked<'_> {
    /// Mail that was seen in mailboxes and not kept (T1).
    async fn private(&self, tx: &mut Tx<'_>, facts: &mut Facts) -> Result<()> {
        let rows = self.private.iter().flat_map(|(of, key)| values![*of, *key]).collect();
        let found: Vec<(Uuid, Vec<u8>, Option<Uuid>, String)> =
            tx.all_of_rows(PRIVATE, rows).await?;
        for (of, key, user, matched) in found {
            let Some(account) = facts.accounts.get_mut(&SubAccountId(of)) else { continue };
            let matched: Matched = serde_json::from_str(&matched).map_err(Error::damaged)?;
            let sent = matched.what.as_deref() == Some(FolderRole::Sent.name());
            let fact = PrivateFact { user: user.map(UserId), sent };
            account.private.entry(MessageKey(bytes(&key)?)).or_default().push(fact);
        }
        Ok(())
    }
}

impl KnownRow {
    fn add_person(self, account: &mut AccountFacts) {
        let address = self.said.unwrap_or_default();
        match (self.kind, self.id) {
            (1, Some(contact)) => {
                let conversation = self.other.map(ConversationId);
                let fact = ContactFact { id: ContactId(contact), conversation };
                account.contacts.insert(address, fact);
            }
            (2, Some(user)) => {
                if let Some(connection) = self.other {
                    account.connections.insert(UserId(user), ConnectionId(connection));
                }
                account.users.entry(address).or_default().push(UserId(user));
            }
            (3, _) => {
                account.never_log.insert(address);
            }
            _ => {
                account.bcc_addresses.insert(address);
            }
        }
    }

    /// A row without a place is held, and left out.
    fn add_id(self, account: &mut AccountFacts) -> Result<()> {
        let (Some(message), Some(thread), Some(conversation)) =
            (self.id, self.thread_id, self.other)
        else {
            return Ok(());
        };
        let sender: Option<Person> = match &self.sender {
            Some(json) => Some(serde_json::from_str(json).map_err(Error::damaged)?),
            None => None,
        };
        let key = MessageKey(bytes(&self.key.unwrap_or_default())?);
        account.ids.entry(key).or_default().push(IdFact {
            own: self.own.unwrap_or_default(),
            message: StoredMessageId(message),
            thread: ThreadId(thread),
            conversation: ConversationId(conversation),
            from: sender.map(|person| person.email.normal().to_owned()),
            date: self.sent_date.map(Time::from_micros),
            text_hash: bytes(&self.text_hash.unwrap_or_default())?,
            doors: Doors(self.doors.unwrap_or_default()),
            forwarded: self.forwarded.unwrap_or_default(),
            lacks_copy: self.lacks_copy.unwrap_or_default(),
        });
        Ok(())
    }
}

/// The threads that the ids and Thread-Indexes name.
async fn threads(tx: &mut Tx<'_>, facts: &mut Facts) -> Result<()> {
    let mut named = BTreeSet::new();
    for (of, account) in &facts.accounts {
        let by_id = account.ids.values().flatten().map(|fact| fact.thread);
        let by_index = account.thread_indexes.values().flatten().copied();
        named.extend(by_id.chain(by_index).map(|thread| (*of, thread)));
    }
    let rows = named.iter().flat_map(|(of, thread)| values![*of, *thread]).collect();
    let found: Vec<ThreadRow> = tx.all_of_rows(THREADS, rows).await?;
    let mut threads: BTreeMap<SubAccountId, BTreeMap<ThreadId, ThreadFact>> = BTreeMap::new();
    for (of, thread, conversation, participants, created_at, sync, connection) in found {
        let sync = Sync::parse(&sync).ok_or_else(|| Error::damaged("a thread's sync"))?;
        let fact = ThreadFact {
            conversation: ConversationId(conversation),
            participants: serde_json::from_str(&participants).map_err(Error::damaged)?,
            created_at: Time::from_micros(created_at),
            sync,
            connection: connection.map(ConnectionId),
        };
        threads.entry(SubAccountId(of)).or_default().insert(ThreadId(thread), fact);
    }
    for (of, threads) in threads {
        facts.accounts.entry(of).or_default().threads = threads;
    }
    Ok(())
}

fn bytes<const N: usize>(stored: &[u8]) -> Result<[u8; N]> {
    stored.try_into().map_err(|_| Error::damaged("a key or hash of the wrong length"))
}
