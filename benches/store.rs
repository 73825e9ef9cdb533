//! How many mails a second the store files, beside plain rows of the same bytes in SQLite, in one run:
//! `cargo bench --bench store [-- SECONDS]`. The ratio says what contact, conversation, thread, ids,
//! verdict and event cost; the machine cancels out.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a benchmark may fail"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use mailweave::decide::facts::{Facts, Question};
use mailweave::decide::{Change, Decision};
use mailweave::model::{
    Address, Contact, ContactId, Conversation, ConversationId, Direction, Door, Doors, Event,
    EventId, EventType, Kind, Matched, Message, MessageId, Person, Reason, State, StoredMessageId,
    SubAccountId, Thread, ThreadId, Time, UserId, Verdict, VerdictId,
};
use mailweave::store::{Filing, Holder, Options, RawMail, Store};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, QueryBuilder};
use uuid::Uuid;

const MAIL_BYTES: usize = 10_240;
const CONTACTS: usize = 1_000;
const OF: SubAccountId = SubAccountId::OPERATOR;
const NOW: Time = Time::from_micros(1_700_000_000_000_000);

#[tokio::main]
async fn main() {
    let seconds = std::env::args().filter_map(|text| text.parse().ok()).next().unwrap_or(3.0);
    let time = Duration::from_secs_f64(seconds);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let url = match std::env::var("MAILWEAVE_BENCH_URL") {
        Ok(url) => url,
        Err(_) => format!("sqlite:{}/store.db", directory.path().display()),
    };
    let store = Store::open(Options::new(url, Holder::Gateway)).await.expect("the store opens");
    println!(
        "{:>6} {:>10} {:>10} {:>7} {:>12} {:>10}",
        "batch", "filings/s", "rows/s", "ratio", "CPU ms/1000", "RSS MB"
    );
    for batch in [1, 8, 64] {
        let before = cpu_seconds();
        let filings = rate(time, batch, filing(&store, batch)).await;
        let cpu = (cpu_seconds() - before) / (filings * seconds) * 1e6;
        let rows = plain_rows(directory.path(), time, batch).await;
        let ratio = filings / rows;
        println!(
            "{batch:>6} {filings:>10.0} {rows:>10.0} {ratio:>7.2} {cpu:>12.0} {:>10.0}",
            rss_mb()
        );
    }
}

/// Runs batches for the time; answers mails a second.
async fn rate(time: Duration, batch: usize, mut step: impl AsyncFnMut(usize)) -> f64 {
    let start = Instant::now();
    let mut mails = 0;
    while start.elapsed() < time {
        step(mails).await;
        mails += batch;
    }
    mails as f64 / start.elapsed().as_secs_f64()
}

fn filing(store: &Store, batch: usize) -> impl AsyncFnMut(usize) {
    let content = RawMail::pack(&content());
    async move |_| {
        static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let first = NEXT.fetch_add(batch, std::sync::atomic::Ordering::Relaxed);
        let mails: Vec<Mail> = (first..first + batch).map(Mail::new).collect();
        let questions: Vec<_> = mails.iter().map(|mail| (OF, mail.question())).collect();
        let judge = |mut facts: Facts| {
            let judged = mails.iter().map(|mail| {
                let decision = mail.judge(&facts);
                facts.apply(&decision);
                Filing { decision, content: content.clone(), envelope: None, again: None }
            });
            judged.collect()
        };
        store.file(&questions, judge).await.expect("the batch is filed");
    }
}

/// The same bytes as rows of one table, one statement and one commit a batch.
async fn plain_rows(directory: &std::path::Path, time: Duration, batch: usize) -> f64 {
    let mut connection = SqliteConnectOptions::new()
        .filename(directory.join(format!("plain{batch}.db")))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .connect()
        .await
        .expect("SQLite opens");
    let table = "create table mails (id blob primary key, raw blob not null)";
    sqlx::query(table).execute(&mut connection).await.expect("the table is made");
    let content = content();
    rate(time, batch, async |_| {
        let mut transaction = connection.begin().await.expect("begins");
        let mut insert = QueryBuilder::new("insert into mails (id, raw) ");
        insert.push_values(0..batch, |mut row, _| {
            row.push_bind(Uuid::now_v7()).push_bind(content.clone());
        });
        insert.build().execute(&mut *transaction).await.expect("the rows are added");
        transaction.commit().await.expect("commits");
    })
    .await
}

fn content() -> Vec<u8> {
    (0..MAIL_BYTES).map(|n| b'a' + (n * 7 % 23) as u8).collect()
}

/// A first mail to one of the contacts in turn.
struct Mail {
    contact: Address,
    message_id: MessageId,
}

impl Mail {
    fn new(number: usize) -> Self {
        let contact = format!("contact{}@example.com", number % CONTACTS);
        let id = format!("{number}.{}@sender.example", Uuid::now_v7());
        Self {
            contact: Address::parse(&contact).expect("an address"),
            message_id: MessageId::parse(&id).expect("an id"),
        }
    }

    fn question(&self) -> Question {
        let addresses = [self.contact.normal(), "ann@acme.example"].map(str::to_owned);
        Question {
            addresses: BTreeSet::from(addresses),
            keys: BTreeSet::from([self.message_id.key()]),
            thread_indexes: BTreeSet::new(),
            private_keys: BTreeSet::new(),
        }
    }

    fn judge(&self, facts: &Facts) -> Decision {
        let mut changes = Vec::new();
        let mut events = Vec::new();
        let mut tell = |event_type, object_id| {
            events.push(Event { id: EventId(Uuid::now_v7()), event_type, object_id, at: NOW });
        };
        let nobody = BTreeMap::new();
        let contacts = facts.account(OF).map_or(&nobody, |account| &account.contacts);
        let known = contacts.get(self.contact.normal());
        let conversation_id = known
            .and_then(|contact| contact.conversation)
            .unwrap_or_else(|| ConversationId(Uuid::now_v7()));
        if known.is_none() {
            let contact = self.new_contact();
            tell(EventType::ContactCreated, contact.id.0);
            tell(EventType::ConversationCreated, conversation_id.0);
            let contact_id = contact.id;
            changes.push(Change::AddContact(contact));
            let conversation = Conversation { id: conversation_id, contact_id, created_at: NOW };
            changes.push(Change::AddConversation(conversation));
        }
        let thread = self.new_thread(conversation_id);
        let message = self.message(&thread);
        let (id, key) = (message.id, self.message_id.key());
        tell(EventType::MessageFiled, id.0);
        changes.push(Change::AddThread(thread));
        changes.push(Change::AddMessage(Box::new(message)));
        changes.push(Change::AddAlias { key, message: id, own: true, first: true });
        Decision { sub_account: OF, verdict: self.verdict(id, conversation_id), changes, events }
    }

    fn new_contact(&self) -> Contact {
        Contact {
            id: ContactId(Uuid::now_v7()),
            email: self.contact.clone(),
            name: None,
            source: "smart_bcc",
            created_at: NOW,
        }
    }

    fn new_thread(&self, conversation_id: ConversationId) -> Thread {
        Thread {
            id: ThreadId(Uuid::now_v7()),
            conversation_id,
            subject: "An offer".to_owned(),
            thread_index: None,
            participants: BTreeSet::from([self.contact.normal().to_owned()]),
            connection: None,
            created_at: NOW,
        }
    }

    fn message(&self, thread: &Thread) -> Message {
        Message {
            id: StoredMessageId(Uuid::now_v7()),
            state: State::Filed,
            conversation_id: Some(thread.conversation_id),
            thread_id: Some(thread.id),
            message_id: self.message_id.clone(),
            in_reply_to: Vec::new(),
            references: Vec::new(),
            direction: Some(Direction::Outbound),
            kind: Kind::Mail,
            from: Address::parse("ann@acme.example").map(Person::new),
            to: vec![Person::new(self.contact.clone())],
            cc: Vec::new(),
            subject: "An offer".to_owned(),
            date: Some(NOW),
            at: NOW,
            doors: Doors::only(Door::Smtp),
            user_id: Some(UserId(Uuid::from_u128(2))),
            text_hash: [7; 32],
            id_conflict: false,
            forwarded: false,
            attachments: Vec::new(),
        }
    }

    fn verdict(&self, message: StoredMessageId, conversation: ConversationId) -> Verdict {
        let address = Some(self.contact.normal().to_owned());
        Verdict {
            id: VerdictId(Uuid::now_v7()),
            at: NOW,
            door: Door::Smtp,
            reason: Reason::Filed,
            matched: Matched { address, ..Matched::default() },
            message_id: Some(self.message_id.clone()),
            private_key: None,
            user_id: Some(UserId(Uuid::from_u128(2))),
            conversation_id: Some(conversation),
            stored_message_id: Some(message),
            candidates: Vec::new(),
            report: Vec::new(),
            trust: None,
            expires_at: None,
            recheck_at: None,
        }
    }
}

/// User and system time of this process so far (Linux).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks =
        stat.split_whitespace().skip(13).take(2).filter_map(|text| text.parse::<f64>().ok());
    ticks.sum::<f64>() / 100.0
}

/// Resident memory of this process (Linux).
fn rss_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.split_whitespace().next().and_then(|kb| kb.parse().ok()).unwrap_or(0.0) / 1024.0
}
