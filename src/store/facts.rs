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
    /// The settings of the sub-accounts, and everything that is known of addresses: contacts and their
    /// conversation, users and the connection of their mailbox, never-log by address and by domain, smart
    /// BCC addresses. It is asked for every batch, and to ask costs more than to answer: so it is one.
    PEOPLE = "with asked(sub_account, address, domain) as {rows uuid text text} \
        select cast(1 as bigint) as kind, asked.sub_account, asked.address, \
            contacts.id as id, conversations.id as conversation_id \
        from asked cross join contacts left join conversations \
            on conversations.sub_account = contacts.sub_account \
            and conversations.contact_id = contacts.id \
        where contacts.sub_account = asked.sub_account and contacts.email = asked.address \
        union all select 2, asked.sub_account, asked.address, users.id, users.connection_id \
        from asked cross join user_addresses cross join users \
        where user_addresses.sub_account = asked.sub_account \
            and user_addresses.address = asked.address and user_addresses.confirmed \
            and users.sub_account = user_addresses.sub_account \
            and users.id = user_addresses.user_id \
        union all select 3, asked.sub_account, asked.address, null, null \
        from asked cross join never_log \
        where never_log.sub_account = asked.sub_account and never_log.entry = asked.address \
        union all select 3, asked.sub_account, asked.address, null, null \
        from asked cross join never_log \
        where never_log.sub_account = asked.sub_account and never_log.entry = asked.domain \
        union all select 4, asked.sub_account, asked.address, null, null \
        from asked cross join bcc_addresses \
        where bcc_addresses.sub_account = asked.sub_account \
            and bcc_addresses.address = asked.address \
        union all select 0, sub_accounts.sub_account, sub_accounts.settings, null, null \
        from (select distinct asked.sub_account from asked) as accounts cross join sub_accounts \
        where sub_accounts.sub_account = accounts.sub_account";
    /// Of an id that very many mails carry, the first hundred are enough; held mail is not known (B9).
    IDS = "with found as (select aliases.sub_account, aliases.key, aliases.own, aliases.message_id, \
            row_number() over (partition by aliases.sub_account, aliases.key \
                order by aliases.own desc, aliases.slot) as place \
            from {rows uuid bytea} as asked cross join aliases \
            where aliases.sub_account = asked.column1 and aliases.key = asked.column2) \
        select found.sub_account, found.key, found.own, messages.id, messages.thread_id, \
            messages.conversation_id, messages.sender, messages.sent_date, messages.text_hash, \
            messages.doors, messages.forwarded, \
            outbox.connection_id is not null and outbox.copy_seen_at is null as lacks_copy \
        from found cross join messages left join outbox \
            on outbox.sub_account = messages.sub_account and outbox.id = messages.id \
        where found.place <= 100 and messages.sub_account = found.sub_account \
            and messages.id = found.message_id and messages.state <> 'held'";
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

/// Reads the facts for a first look, in nobody's way.
pub(super) async fn glance(
    tx: &mut Tx<'_>,
    questions: &[(SubAccountId, Question)],
) -> Result<Facts> {
    Asked::new(questions).facts(tx).await
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

type PeopleRow = (i64, Uuid, String, Option<Uuid>, Option<Uuid>);

#[derive(sqlx::FromRow)]
struct IdRow {
    sub_account: Uuid,
    key: Vec<u8>,
    own: bool,
    id: Uuid,
    thread_id: Option<Uuid>,
    conversation_id: Option<Uuid>,
    sender: Option<String>,
    sent_date: Option<i64>,
    text_hash: Vec<u8>,
    doors: i64,
    forwarded: bool,
    lacks_copy: bool,
}

impl<'q> Asked<'q> {
    async fn facts(&self, tx: &mut Tx<'_>) -> Result<Facts> {
        let mut facts = Facts::default();
        self.people(tx, &mut facts).await?;
        self.ids(tx, &mut facts).await?;
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

    /// Of an account too that is asked for nobody, its settings are read.
    async fn people(&self, tx: &mut Tx<'_>, facts: &mut Facts) -> Result<()> {
        let mut rows = Vec::with_capacity(self.addresses.len() * 3);
        for (of, address) in &self.addresses {
            let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
            rows.extend(values![*of, *address, format!("@{domain}")]);
        }
        let asked: BTreeSet<_> = self.addresses.iter().map(|(of, _)| *of).collect();
        for of in self.accounts.difference(&asked) {
            rows.extend(values![*of, "", ""]);
        }
        let found = tx.all_of_rows::<PeopleRow>(PEOPLE, rows).await?;
        let (accounts, people): (Vec<_>, Vec<_>) = found.into_iter().partition(|row| row.0 == 0);
        for (_, of, settings, ..) in accounts {
            let settings = serde_json::from_str(&settings).map_err(Error::damaged)?;
            let account = AccountFacts { settings: Arc::new(settings), ..AccountFacts::default() };
            facts.accounts.insert(SubAccountId(of), account);
        }
        for row in people {
            let Some(account) = facts.accounts.get_mut(&SubAccountId(row.1)) else { continue };
            add_person(account, row);
        }
        Ok(())
    }

    async fn ids(&self, tx: &mut Tx<'_>, facts: &mut Facts) -> Result<()> {
        let rows = self.keys.iter().flat_map(|(of, key)| values![*of, *key]).collect();
        for row in tx.all_of_rows::<IdRow>(IDS, rows).await? {
            let Some(account) = facts.accounts.get_mut(&SubAccountId(row.sub_account)) else {
                continue;
            };
            let key = MessageKey(bytes(&row.key)?);
            if let Some(fact) = row.read()? {
                account.ids.entry(key).or_default().push(fact);
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

fn add_person(account: &mut AccountFacts, row: PeopleRow) {
    match row {
        (1, _, address, Some(contact), conversation) => {
            let conversation = conversation.map(ConversationId);
            account.contacts.insert(address, ContactFact { id: ContactId(contact), conversation });
        }
        (2, _, address, Some(user), connection) => {
            if let Some(connection) = connection {
                account.connections.insert(UserId(user), ConnectionId(connection));
            }
            account.users.entry(address).or_default().push(UserId(user));
        }
        (3, _, address, ..) => {
            account.never_log.insert(address);
        }
        (_, _, address, ..) => {
            account.bcc_addresses.insert(address);
        }
    }
}

impl IdRow {
    /// `None` for a row without a place: it is held.
    fn read(self) -> Result<Option<IdFact>> {
        let (Some(thread), Some(conversation)) = (self.thread_id, self.conversation_id) else {
            return Ok(None);
        };
        let sender: Option<Person> = match &self.sender {
            Some(json) => Some(serde_json::from_str(json).map_err(Error::damaged)?),
            None => None,
        };
        Ok(Some(IdFact {
            own: self.own,
            message: StoredMessageId(self.id),
            thread: ThreadId(thread),
            conversation: ConversationId(conversation),
            from: sender.map(|person| person.email.normal().to_owned()),
            date: self.sent_date.map(Time::from_micros),
            text_hash: bytes(&self.text_hash)?,
            doors: Doors(self.doors),
            forwarded: self.forwarded,
            lacks_copy: self.lacks_copy,
        }))
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
