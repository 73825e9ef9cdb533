//! The store, every test on both databases.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mailweave::decide::facts::{Facts, Question};
use mailweave::decide::{Change, Decision};
use mailweave::model::{
    Address, Contact, ContactId, Conversation, ConversationId, Direction, Door, Doors, Event,
    EventId, EventType, Kind, Matched, Message, MessageId, Person, Reason, Route, State,
    StoredMessageId, SubAccountId, Thread, ThreadId, Time, UserId, Verdict, VerdictId,
};
use mailweave::store::{Again, Error, Filing, Holder, Mail, Options, RawMail, Store};
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use crate::support::postgres;

mod erasing;
mod events;
mod growth;
mod opening;
mod outbox;
mod search;
mod threads;
mod undoing;
mod watching;

/// A store that is thrown away, and a way to look into its tables behind its back.
pub(crate) struct Fresh {
    store: Store,
    pub(crate) url: String,
    /// The SQLite file's, unless it is PostgreSQL.
    directory: Option<tempfile::TempDir>,
}

pub(crate) const ACCOUNT: SubAccountId = SubAccountId(Uuid::from_u128(1));
pub(crate) const USER: UserId = UserId(Uuid::from_u128(2));
const NOW: Time = Time::from_micros(1_700_000_000_000_000);

/// An empty store on each database, with a sub-account and a user.
pub(crate) async fn both() -> [Fresh; 2] {
    let [sqlite, postgres] = both_empty().await;
    for fresh in [&sqlite, &postgres] {
        fresh.add_account(ACCOUNT).await;
    }
    [sqlite, postgres]
}

async fn both_empty() -> [Fresh; 2] {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}/data/mail.db", directory.path().display());
    let sqlite = Fresh { store: open(&url).await, url, directory: Some(directory) };
    let url = postgres::fresh_database().await;
    [sqlite, Fresh { store: open(&url).await, url, directory: None }]
}

pub(crate) async fn open(url: &str) -> Store {
    Store::open(Options::new(url, Holder::Command)).await.unwrap()
}

impl Fresh {
    fn is_postgres(&self) -> bool {
        self.directory.is_none()
    }

    fn file(&self) -> std::path::PathBuf {
        self.directory.as_ref().unwrap().path().join("data/mail.db")
    }

    /// Runs a statement behind the store's back; answers every cell of every row as text.
    pub(crate) async fn sql(&self, sql: &str) -> Vec<Vec<String>> {
        let sql = AssertSqlSafe(sql.to_owned());
        if self.is_postgres() {
            let pool = sqlx::PgPool::connect(&self.url).await.unwrap();
            let rows = sqlx::raw_sql(sql).fetch_all(&pool).await.unwrap();
            pool.close().await;
            rows.iter().map(|row| (0..row.len()).map(|i| pg_cell(row, i)).collect()).collect()
        } else {
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.file());
            let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
            let rows = sqlx::query(sql).fetch_all(&pool).await.unwrap();
            pool.close().await;
            rows.iter().map(|row| (0..row.len()).map(|i| sqlite_cell(row, i)).collect()).collect()
        }
    }

    pub(crate) async fn count(&self, table: &str) -> usize {
        self.sql(&format!("select count(*) from {table}")).await[0][0].parse().unwrap()
    }

    pub(crate) fn id(&self, id: Uuid) -> String {
        if self.is_postgres() { format!("'{id}'") } else { format!("x'{}'", id.simple()) }
    }

    async fn add_account(&self, of: SubAccountId) {
        let (of, user) = (self.id(of.0), self.id(USER.0));
        let yes = if self.is_postgres() { "true" } else { "1" };
        for sql in [
            format!(
                "insert into sub_accounts (sub_account, name, settings, created_at) values ({of}, 'Acme', '{{}}', 0)"
            ),
            format!(
                "insert into users (sub_account, id, name, email, time_zone, created_at) values ({of}, {user}, 'Ann', 'ann@acme.example', 'UTC', 0)"
            ),
            format!(
                "insert into user_addresses (sub_account, address, user_id, written, is_alias, confirmed) values ({of}, 'ann@acme.example', {user}, 'Ann@acme.example', not {yes}, {yes})"
            ),
        ] {
            self.sql(&sql).await;
        }
    }

    async fn add_bcc_address(&self, of: SubAccountId, address: &str, revoked_at: &str) {
        let (of, user) = (self.id(of.0), self.id(USER.0));
        self.sql(&format!("insert into bcc_addresses (sub_account, address, user_id, created_at, revoked_at) values ({of}, '{address}', {user}, 0, {revoked_at})")).await;
    }

    /// Every table, every row, every column, as text.
    pub(crate) async fn dump(&self) -> BTreeMap<String, String> {
        let tables = if self.is_postgres() {
            "select table_name::text from information_schema.tables where table_schema = 'public'"
        } else {
            "select name from sqlite_master where type = 'table'"
        };
        let mut dump = BTreeMap::new();
        for table in self.sql(tables).await {
            let rows = self.sql(&format!("select * from {}", table[0])).await;
            let text: Vec<String> = rows.iter().map(|row| row.join("|")).collect();
            dump.insert(table[0].clone(), text.join("\n"));
        }
        dump
    }
}

fn sqlite_cell(row: &sqlx::sqlite::SqliteRow, i: usize) -> String {
    if let Ok(text) = row.try_get_unchecked::<Option<String>, _>(i) {
        return text.unwrap_or_default();
    }
    let bytes: Option<Vec<u8>> = row.try_get_unchecked(i).unwrap();
    String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
}

/// `raw_sql` answers in PostgreSQL's text format.
fn pg_cell(row: &sqlx::postgres::PgRow, i: usize) -> String {
    use sqlx::ValueRef;
    let value = row.try_get_raw(i).unwrap();
    if value.is_null() {
        return String::new();
    }
    let text = value.as_str().unwrap();
    let hex = text.strip_prefix("\\x").unwrap_or_default();
    let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    let bytes: Vec<u8> = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
    if hex.is_empty() { text.to_owned() } else { String::from_utf8_lossy(&bytes).into_owned() }
}

/// A mail as a test thinks of it.
#[derive(Clone)]
struct Sample {
    contact: &'static str,
    message_id: String,
    names: Vec<String>,
    content: String,
    at: Time,
}

fn sample(contact: &'static str, message_id: &str) -> Sample {
    Sample {
        contact,
        message_id: message_id.to_owned(),
        names: Vec::new(),
        content: format!("To: {contact}\r\nMessage-ID: <{message_id}>\r\n\r\nHello\r\n"),
        at: NOW,
    }
}

impl Sample {
    fn question(&self) -> Question {
        let mut question = Question::default();
        question.addresses.extend([self.contact.to_owned(), "ann@acme.example".to_owned()]);
        question.keys = self.ids().iter().map(MessageId::key).collect();
        question
    }

    fn ids(&self) -> Vec<MessageId> {
        let ids = std::iter::once(&self.message_id).chain(&self.names);
        ids.map(|id| MessageId::parse(id).unwrap()).collect()
    }

    /// A small policy: a known id of its own is a duplicate, a named one joins its thread.
    fn judge(&self, facts: &Facts) -> Vec<Filing> {
        let Some(account) = facts.account(ACCOUNT) else { return Vec::new() };
        let ids = self.ids();
        let known = |id: &MessageId| account.ids.get(&id.key()).into_iter().flatten();
        if let Some(first) = known(&ids[0]).find(|fact| fact.own) {
            let seen = Change::SeenAt { message: first.message, door: Door::Import };
            return vec![self.filing(Reason::Duplicate, Some(first.message), vec![seen])];
        }
        let mut changes = Vec::new();
        let address = Address::parse(self.contact).unwrap();
        let contact = account.contacts.get(address.normal());
        let contact_id = contact.map_or_else(|| ContactId(Uuid::now_v7()), |contact| contact.id);
        if contact.is_none() {
            changes.push(Change::AddContact(Contact {
                id: contact_id,
                email: address.clone(),
                name: Some("Bob".to_owned()),
                source: "smart_bcc",
                created_at: NOW,
            }));
        }
        let conversation = contact.and_then(|contact| contact.conversation);
        let conversation_id = conversation.unwrap_or_else(|| ConversationId(Uuid::now_v7()));
        if conversation.is_none() {
            changes.push(Change::AddConversation(Conversation {
                id: conversation_id,
                contact_id,
                created_at: NOW,
            }));
        }
        let joined = ids[1..].iter().flat_map(known).map(|fact| fact.thread).next();
        let thread_id = joined.unwrap_or_else(|| ThreadId(Uuid::now_v7()));
        if joined.is_none() {
            changes.push(Change::AddThread(Thread {
                id: thread_id,
                conversation_id,
                subject: "Offer".to_owned(),
                thread_index: None,
                participants: BTreeSet::from([address.normal().to_owned()]),
                connection: None,
                created_at: NOW,
            }));
        }
        let message = self.message(State::Filed, Some((conversation_id, thread_id)));
        let id = message.id;
        changes.push(Change::AddMessage(Box::new(message)));
        for (i, named) in ids.iter().enumerate() {
            let own = i == 0;
            changes.push(Change::AddAlias { key: named.key(), message: id, own, first: own });
        }
        vec![self.filing(Reason::Filed, Some(id), changes)]
    }

    fn hold(&self) -> Filing {
        let message = self.message(State::Held, None);
        let id = message.id;
        let mut filing = self.filing(
            Reason::UnverifiedSender,
            Some(id),
            vec![Change::AddMessage(Box::new(message))],
        );
        filing.decision.verdict.expires_at = Some(NOW.plus_seconds(30 * 86_400));
        filing.decision.verdict.recheck_at = Some(NOW.plus_seconds(60));
        filing
    }

    fn message(&self, state: State, place: Option<(ConversationId, ThreadId)>) -> Message {
        let ids = self.ids();
        Message {
            id: StoredMessageId(Uuid::now_v7()),
            state,
            conversation_id: place.map(|(conversation, _)| conversation),
            thread_id: place.map(|(_, thread)| thread),
            message_id: ids[0].clone(),
            in_reply_to: Vec::new(),
            references: ids[1..].to_vec(),
            direction: Some(Direction::Outbound),
            kind: Kind::Mail,
            from: Some(Person::new(Address::parse("Ann@acme.example").unwrap())),
            to: vec![Person::new(Address::parse(self.contact).unwrap())],
            cc: Vec::new(),
            subject: format!("Offer {}", self.message_id),
            date: Some(NOW),
            at: self.at,
            doors: Doors::only(Door::Smtp),
            user_id: Some(USER),
            text_hash: [7; 32],
            id_conflict: false,
            forwarded: false,
            attachments: Vec::new(),
        }
    }

    fn filing(
        &self,
        reason: Reason,
        stored_message_id: Option<StoredMessageId>,
        changes: Vec<Change>,
    ) -> Filing {
        let verdict = Verdict {
            id: VerdictId(Uuid::now_v7()),
            at: NOW,
            door: Door::Smtp,
            reason,
            matched: Matched { address: Some(self.contact.to_owned()), ..Matched::default() },
            message_id: Some(self.ids()[0].clone()),
            private_key: None,
            user_id: Some(USER),
            conversation_id: None,
            stored_message_id,
            candidates: Vec::new(),
            report: Vec::new(),
            trust: None,
            expires_at: None,
            recheck_at: None,
        };
        let event = Event {
            id: EventId(Uuid::now_v7()),
            event_type: EventType::MessageFiled,
            object_id: stored_message_id.map_or(verdict.id.0, |id| id.0),
            at: NOW,
        };
        let decision = Decision { sub_account: ACCOUNT, verdict, changes, events: vec![event] };
        let content = RawMail::pack(self.content.as_bytes());
        Filing { decision, content, envelope: None, again: None }
    }
}

/// Files samples as one batch, each judged with the outcomes of those before it.
async fn file(store: &Store, samples: &[Sample]) -> Result<Vec<Filing>, Error> {
    let questions: Vec<_> = samples.iter().map(|sample| (ACCOUNT, sample.question())).collect();
    let judge = |mut facts: Facts| {
        let mut filings = Vec::new();
        for sample in samples {
            for filing in sample.judge(&facts) {
                facts.apply(&filing.decision);
                filings.push(filing);
            }
        }
        filings
    };
    store.file(&questions, judge).await
}

async fn facts(store: &Store, question: Question) -> Facts {
    let mut seen = Facts::default();
    let look = |facts| {
        seen = facts;
        Vec::new()
    };
    store.file(&[(ACCOUNT, question)], look).await.unwrap();
    seen
}

#[tokio::test]
async fn both_databases_know_every_statement() {
    for fresh in both_empty().await {
        fresh.store.prepare_statements().await.unwrap();
        fresh.store.ping().await.unwrap();
    }
}

#[tokio::test]
async fn both_databases_have_the_same_tables_columns_and_indexes() {
    let [sqlite, postgres] = both_empty().await;
    let columns = [
        sqlite.sql("select m.name, c.name from sqlite_master m join pragma_table_info(m.name) c where m.type = 'table' and m.name not like 'sqlite%' and m.name not like '%migrations' and m.name not like 'search_words%' order by 1, 2").await,
        postgres.sql("select table_name::text, column_name::text from information_schema.columns where table_schema = 'public' and table_name not like '%migrations' and column_name <> 'lexemes' order by table_name collate \"C\", column_name collate \"C\"").await,
    ];
    assert_eq!(columns[0], columns[1]);
    let indexes = [
        sqlite.sql("select name from sqlite_master where type = 'index' and sql is not null order by 1").await,
        postgres.sql("select indexname::text from pg_indexes where schemaname = 'public' and indexname not like '%_pkey' and indexname <> 'search_messages_lexemes' order by indexname collate \"C\"").await,
    ];
    assert_eq!(indexes[0], indexes[1]);
    assert!(columns[0].len() > 100 && indexes[0].len() > 15);
}

#[tokio::test]
async fn every_key_begins_with_the_sub_account() {
    let [sqlite, _] = both_empty().await;
    let firsts = sqlite.sql("select m.name, c.name from sqlite_master m join pragma_table_info(m.name) c where m.type = 'table' and m.name not like 'sqlite%' and m.name not like '%migrations' and m.name not like 'search_words%' and c.pk = 1").await;
    assert!(firsts.len() > 15 && firsts.iter().all(|row| row[1] == "sub_account"), "{firsts:?}");
}

#[tokio::test]
async fn answers_truly_what_is_known() {
    for fresh in both().await {
        let of = fresh.id(ACCOUNT.0);
        fresh.add_bcc_address(ACCOUNT, "x1@bcc.localhost", "null").await;
        for entry in ["boss@acme.example", "@secret.example"] {
            fresh
                .sql(&format!(
                    "insert into never_log (sub_account, entry) values ({of}, '{entry}')"
                ))
                .await;
        }
        let first = file(&fresh.store, &[sample("bob@example.com", "a@x")]).await.unwrap();
        let mut reply = sample("bob@example.com", "b@x");
        reply.names = vec!["a@x".to_owned(), "unseen@x".to_owned()];
        file(&fresh.store, &[reply]).await.unwrap();
        let held = sample("bob@example.com", "held@x").hold();
        fresh.store.file(&[], |_| vec![held.clone()]).await.unwrap();

        let mut question = Question::default();
        let addresses = ["bob@example.com", "new@example.com", "ann@acme.example"];
        let more = ["boss@acme.example", "eve@secret.example", "x1@bcc.localhost"];
        question.addresses.extend(addresses.iter().chain(&more).map(|&a| a.to_owned()));
        let key = |id: &str| MessageId::parse(id).unwrap().key();
        question.keys.extend(["a@x", "b@x", "unseen@x", "held@x", "none@x"].map(key));
        let facts = facts(&fresh.store, question).await;
        let account = facts.account(ACCOUNT).unwrap();

        assert_eq!(account.users, BTreeMap::from([("ann@acme.example".to_owned(), vec![USER])]));
        assert_eq!(account.contacts.len(), 1);
        assert!(account.contacts["bob@example.com"].conversation.is_some());
        let never: Vec<&String> = account.never_log.iter().collect();
        assert_eq!(never, ["boss@acme.example", "eve@secret.example"]);
        assert_eq!(account.bcc_addresses.len(), 1);
        let message = first[0].decision.verdict.stored_message_id.unwrap();
        let own: Vec<_> = account.ids[&key("a@x")].iter().filter(|fact| fact.own).collect();
        assert_eq!(own.len(), 1);
        assert_eq!((own[0].message, own[0].text_hash), (message, [7; 32]));
        assert_eq!(own[0].from.as_deref(), Some("ann@acme.example"));
        assert!(
            account.ids[&key("unseen@x")]
                .iter()
                .all(|fact| !fact.own && fact.thread == own[0].thread)
        );
        assert!(!account.ids.contains_key(&key("held@x")), "held mail is known to nobody");
        assert!(!account.ids.contains_key(&key("none@x")));
        assert!(account.threads[&own[0].thread].participants.contains("bob@example.com"));
    }
}

#[tokio::test]
async fn knows_nothing_of_a_sub_account_that_is_gone() {
    for fresh in both().await {
        fresh.store.erase_sub_account(ACCOUNT).await.unwrap();
        let filings = file(&fresh.store, &[sample("bob@example.com", "a@x")]).await.unwrap();
        assert!(filings.is_empty());
        assert_eq!(fresh.count("messages").await, 0);
    }
}

#[tokio::test]
async fn makes_one_contact_of_mails_that_race() {
    for fresh in both().await {
        let other = open(&fresh.url).await;
        let stores = [&fresh.store, &other];
        let mails = (0..20).map(|n| {
            let store = stores[n % 2];
            async move { file(store, &[sample("bob@example.com", &format!("{n}@x"))]).await }
        });
        for outcome in futures_util::future::join_all(mails).await {
            outcome.unwrap();
        }
        assert_eq!(fresh.count("contacts").await, 1);
        assert_eq!(fresh.count("conversations").await, 1);
        assert_eq!(fresh.count("messages").await, 20);
        assert_eq!(fresh.sql("select message_count from conversations").await[0][0], "20");
    }
}

#[tokio::test]
async fn stores_a_message_id_once_when_it_arrives_a_hundred_times_at_once() {
    for fresh in both().await {
        let other = open(&fresh.url).await;
        let stores = [&fresh.store, &other];
        let mails = (0..100).map(|n| {
            let store = stores[n % 2];
            async move { file(store, &[sample("bob@example.com", "same@x")]).await }
        });
        for outcome in futures_util::future::join_all(mails).await {
            outcome.unwrap();
        }
        assert_eq!(fresh.count("messages").await, 1);
        assert_eq!(fresh.count("verdicts where outcome = 'duplicate'").await, 99);
        assert_eq!(fresh.sql("select doors from messages").await[0][0], "17", "both doors");
    }
}

#[tokio::test]
async fn files_a_batch_of_more_mails_than_one_statement_takes() {
    for fresh in both().await {
        let batch: Vec<Sample> =
            (0..150).map(|n| sample("bob@example.com", &format!("{n}@x"))).collect();
        assert_eq!(file(&fresh.store, &batch).await.unwrap().len(), 150);
        assert_eq!(fresh.count("messages").await, 150);
        assert_eq!(fresh.count("contacts").await, 1);
        assert_eq!(fresh.sql("select message_count from conversations").await[0][0], "150");
    }
}

#[tokio::test]
async fn a_conversation_shows_its_latest_message_whatever_comes_later() {
    for fresh in both().await {
        let mut newer = sample("bob@example.com", "new@x");
        newer.at = NOW.plus_seconds(60);
        file(&fresh.store, &[newer]).await.unwrap();
        file(&fresh.store, &[sample("bob@example.com", "old@x")]).await.unwrap();
        let row = &fresh.sql("select subject, last_message_at from conversations").await[0];
        assert_eq!(row[0], "Offer new@x");
        assert_eq!(row[1], NOW.plus_seconds(60).as_micros().to_string());
    }
}

#[tokio::test]
async fn a_batch_that_fails_leaves_nothing() {
    for fresh in both().await {
        let before = fresh.dump().await;
        let good = sample("bob@example.com", "a@x");
        let outcome = fresh
            .store
            .file(&[(ACCOUNT, good.question())], |facts| {
                let filing = good.judge(&facts).remove(0);
                vec![filing.clone(), filing]
            })
            .await;
        assert!(matches!(outcome, Err(Error::Conflict(_))), "{outcome:?}");
        assert_eq!(fresh.dump().await, before);
        file(&fresh.store, &[good]).await.unwrap();
        assert_eq!(fresh.count("messages").await, 1);
    }
}

#[tokio::test]
async fn a_filing_that_is_cut_between_statements_leaves_nothing_or_all() {
    for fresh in both().await {
        for polls in 0..60 {
            let sample = sample("bob@example.com", &format!("{polls}@x"));
            let mut filing = Box::pin(file(&fresh.store, std::slice::from_ref(&sample)));
            for _ in 0..polls {
                let step = tokio::time::timeout(std::time::Duration::from_millis(2), &mut filing);
                if step.await.is_ok() {
                    break;
                }
            }
        }
        file(&fresh.store, &[sample("bob@example.com", "last@x")]).await.unwrap();
        let messages = fresh.count("messages").await;
        assert!(messages >= 1);
        for table in ["verdicts", "events", "threads", "aliases"] {
            assert_eq!(fresh.count(table).await, messages, "{table}");
        }
        let counted: usize =
            fresh.sql("select message_count from conversations").await[0][0].parse().unwrap();
        assert_eq!(counted, messages);
    }
}

#[tokio::test]
async fn knows_whom_an_address_belongs_to_until_it_is_revoked() {
    for fresh in both().await {
        fresh.add_bcc_address(ACCOUNT, "x1@bcc.localhost", "null").await;
        fresh.add_bcc_address(ACCOUNT, "x2@bcc.localhost", "5").await;
        let [one, two, none, post] = [
            "X1@bcc.localhost",
            "x2@bcc.localhost",
            "x3@bcc.localhost",
            "Postmaster@bcc.localhost",
        ]
        .map(|text| Address::parse(text).unwrap());
        let user = Route::User { sub_account: ACCOUNT, user: USER };
        let revoked = Route::Revoked { sub_account: ACCOUNT, user: Some(USER) };
        let looks = (0..200).map(|n| fresh.store.route(if n % 2 == 0 { &one } else { &none }));
        for (n, route) in futures_util::future::join_all(looks).await.into_iter().enumerate() {
            assert_eq!(route.unwrap(), if n % 2 == 0 { user.clone() } else { Route::Unknown });
        }
        assert_eq!(fresh.store.route(&two).await.unwrap(), revoked);
        assert_eq!(fresh.store.route(&post).await.unwrap(), Route::Postmaster);
        let next = Address::parse("x9@bcc.localhost").unwrap();
        let now = Time::from_micros(7);
        assert!(fresh.store.replace_bcc_address(ACCOUNT, USER, &next, now).await.unwrap());
        assert_eq!(fresh.store.route(&one).await.unwrap(), revoked);
        assert_eq!(fresh.store.route(&next).await.unwrap(), user);
        // Beside PostgreSQL another node may do it, which is not heard here.
        if fresh.url.starts_with("postgres") {
            fresh.sql("update bcc_addresses set revoked_at = 7").await;
            assert_eq!(fresh.store.route(&next).await.unwrap(), revoked);
        }
    }
}

#[tokio::test]
async fn a_look_up_that_is_cut_answers_the_others() {
    for fresh in both().await {
        fresh.add_bcc_address(ACCOUNT, "x1@bcc.localhost", "null").await;
        let one = Address::parse("x1@bcc.localhost").unwrap();
        for _ in 0..20 {
            let mut cut = Box::pin(fresh.store.route(&one));
            let _ = futures_util::poll!(&mut cut);
            let mut waiting = Box::pin(fresh.store.route(&one));
            let answer = futures_util::poll!(&mut waiting);
            drop(cut);
            let route = match answer {
                std::task::Poll::Ready(route) => route,
                std::task::Poll::Pending => waiting.await,
            };
            assert!(matches!(route.unwrap(), Route::User { .. }));
        }
    }
}

#[tokio::test]
async fn what_is_released_takes_the_place_of_what_was_held_once() {
    for fresh in both().await {
        let sample = sample("bob@example.com", "held@x");
        let held = sample.hold();
        fresh.store.file(&[], |_| vec![held.clone()]).await.unwrap();
        let verdict = held.decision.verdict.id;
        let waiting = fresh.store.waiting(ACCOUNT, verdict).await.unwrap().unwrap();
        assert_eq!(waiting.content, held.content);
        assert_eq!(fresh.store.due_rechecks(NOW, 10).await.unwrap(), []);
        let later = NOW.plus_seconds(60);
        assert_eq!(fresh.store.due_rechecks(later, 10).await.unwrap(), [(ACCOUNT, verdict)]);

        let release = |facts: Facts| {
            let mut filing = sample.judge(&facts).remove(0);
            filing.decision.verdict.id = verdict;
            for change in &mut filing.decision.changes {
                if let Change::AddMessage(message) = change {
                    message.id = waiting.message;
                }
                if let Change::AddAlias { message, .. } = change {
                    *message = waiting.message;
                }
            }
            filing.decision.verdict.stored_message_id = Some(waiting.message);
            let actor = "user Ann".to_owned();
            let before_json = "{\"reason\":\"unverified_sender\"}".to_owned();
            filing.again = Some(Again { action: "release", actor, before_json });
            vec![filing]
        };
        fresh.store.file(&[(ACCOUNT, sample.question())], release).await.unwrap();
        assert_eq!(fresh.count("messages").await, 1);
        assert_eq!(fresh.count("verdicts").await, 1);
        assert_eq!(fresh.sql("select state from messages").await[0][0], "filed");
        assert_eq!(
            fresh.sql("select action, actor from verdict_actions").await,
            [["release", "user Ann"]]
        );
        assert!(fresh.store.waiting(ACCOUNT, verdict).await.unwrap().is_none());
        assert_eq!(fresh.store.due_rechecks(later, 10).await.unwrap(), []);
        let twice = fresh.store.file(&[(ACCOUNT, sample.question())], release).await;
        assert!(matches!(twice, Err(Error::Conflict(_))), "somebody else was first");
        assert_eq!(fresh.count("verdict_actions").await, 1);
    }
}

/// B13.
#[tokio::test]
async fn held_mail_goes_after_its_time_and_its_verdict_says_so() {
    for fresh in both().await {
        let held = sample("bob@example.com", "held@x").hold();
        fresh.store.file(&[], |_| vec![held.clone()]).await.unwrap();
        assert_eq!(fresh.store.expire_held(NOW.plus_seconds(29 * 86_400)).await.unwrap(), 0);
        assert_eq!(fresh.store.expire_held(NOW.plus_seconds(30 * 86_400)).await.unwrap(), 1);
        assert_eq!(fresh.count("messages").await, 0);
        assert_eq!(fresh.sql("select outcome, reason from verdicts").await, [["held", "expired"]]);
        assert_eq!(fresh.store.expire_held(NOW.plus_seconds(90 * 86_400)).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn answers_are_kept_a_day_for_their_repetition() {
    for fresh in both().await {
        let (of, at) = (fresh.id(ACCOUNT.0), NOW.as_micros());
        let hash = if fresh.is_postgres() { "''" } else { "x''" };
        fresh.sql(&format!("insert into idempotency (sub_account, key, request_hash, status, body, created_at) values ({of}, 'k', {hash}, 201, '{{}}', {at})")).await;
        assert_eq!(fresh.store.expire_answers(NOW.plus_seconds(86_400)).await.unwrap(), 0);
        assert_eq!(fresh.store.expire_answers(NOW.plus_seconds(86_401)).await.unwrap(), 1);
    }
}

/// Whatever of bob is in a table, or in the bytes of SQLite's file and log.
async fn traces(fresh: &Fresh) -> Vec<String> {
    let is_trace = |text: &str| {
        let lower = text.to_lowercase();
        ["bob@example.com", "a@x", "b@x", "top secret"].iter().any(|word| lower.contains(word))
    };
    let dump = fresh.dump().await;
    let mut traces: Vec<String> =
        dump.iter().filter(|(_, text)| is_trace(text)).map(|(table, _)| table.clone()).collect();
    if !fresh.is_postgres() {
        for name in ["data/mail.db", "data/mail.db-wal"] {
            let path = fresh.directory.as_ref().unwrap().path().join(name);
            let bytes = std::fs::read(path).unwrap_or_default();
            if is_trace(&String::from_utf8_lossy(&bytes)) {
                traces.push(name.to_owned());
            }
        }
    }
    traces
}

/// These words, and noise: so they are kept as they are.
fn unpackable(words: &str, bytes: u32) -> Vec<u8> {
    let noise = (0..bytes).map(|n| (n.wrapping_mul(n).wrapping_mul(2_654_435_761) >> 13) as u8);
    words.bytes().chain(noise).collect()
}

/// Mail with bob, filed and held, and one with carol.
async fn fill(fresh: &Fresh) -> Vec<Filing> {
    let mut first = sample("bob@example.com", "a@x");
    first.content.push_str(&"top secret ".repeat(3_000));
    let mut reply = sample("bob@example.com", "b@x");
    reply.names = vec!["a@x".to_owned()];
    let carol = sample("carol@example.com", "c@y");
    let filings = file(&fresh.store, &[first, reply, carol]).await.unwrap();
    let mut held = sample("bob@example.com", "b@xheld").hold();
    held.content = RawMail::pack(&unpackable("top secret", 20_000));
    fresh.store.file(&[], |_| vec![held.clone()]).await.unwrap();
    filings
}

#[tokio::test]
async fn an_erased_contact_leaves_no_byte() {
    for fresh in both().await {
        let filings = fill(&fresh).await;
        assert!(traces(&fresh).await.len() >= 5);
        let Some(Change::AddContact(bob)) = filings[0].decision.changes.first() else { panic!() };
        assert!(fresh.store.erase_contact(ACCOUNT, bob.id).await.unwrap());
        assert_eq!(traces(&fresh).await, Vec::<String>::new());
        assert_eq!(fresh.count("contacts").await, 1);
        assert_eq!(fresh.count("messages").await, 1);
        assert_eq!(fresh.count("threads").await, 1);
        let named = fresh.sql("select id from events where object_id is not null").await;
        assert_eq!(named.len(), 1);
        assert_eq!(fresh.count("verdicts").await, 4, "that they were judged stays known");
        assert!(!fresh.store.erase_contact(ACCOUNT, bob.id).await.unwrap());
        assert!(
            !fresh.store.erase_contact(SubAccountId(Uuid::from_u128(9)), bob.id).await.unwrap()
        );
    }
}

#[tokio::test]
async fn an_erased_user_takes_the_mail_along_or_leaves_it() {
    for (mail, messages) in [(Mail::Keep, 3), (Mail::Erase, 0)] {
        for fresh in both().await {
            fill(&fresh).await;
            fresh.add_bcc_address(ACCOUNT, "x1@bcc.localhost", "null").await;
            assert!(
                fresh.store.erase_user(ACCOUNT, USER, mail, Time::from_micros(5)).await.unwrap()
            );
            assert_eq!(fresh.count("messages").await, messages, "held mail goes in any case");
            assert_eq!(fresh.count("threads").await, messages.min(2));
            assert_eq!(fresh.count("users").await + fresh.count("user_addresses").await, 0);
            let old = Address::parse("x1@bcc.localhost").unwrap();
            let route = fresh.store.route(&old).await.unwrap();
            assert_eq!(route, Route::Revoked { sub_account: ACCOUNT, user: None });
            assert!(!fresh.dump().await["bcc_addresses"].contains(&USER.0.to_string()));
            let counted = fresh.sql("select sum(message_count) from conversations").await;
            assert_eq!(counted[0][0], messages.to_string());
        }
    }
}

#[tokio::test]
async fn an_erased_sub_account_leaves_nothing_and_touches_no_other() {
    for fresh in both().await {
        let empty = fresh.dump().await;
        let other = SubAccountId(Uuid::from_u128(9));
        fresh.add_account(other).await;
        fill(&fresh).await;
        assert!(fresh.store.erase_sub_account(ACCOUNT).await.unwrap());
        assert_eq!(traces(&fresh).await, Vec::<String>::new());
        let left = fresh.dump().await;
        for (table, text) in &empty {
            let lines = |text: &str| text.lines().count();
            assert_eq!(lines(text), lines(&left[table]), "{table}");
        }
        assert!(!fresh.store.erase_sub_account(ACCOUNT).await.unwrap());
        assert!(!fresh.store.erase_sub_account(SubAccountId::OPERATOR).await.unwrap());
    }
}
