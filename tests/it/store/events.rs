//! Events in the order of their commits: a reader that resumes misses none and sees none twice,
//! whoever writes at the same time, whatever is erased or expires.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use mailweave::store::{Bounds, News, StoredContact};
use sqlx::migrate::Migrator;

use super::*;

const OTHER: SubAccountId = SubAccountId(Uuid::from_u128(9));
const DAY: i64 = 24 * 3600;

fn contact(email: &str, at: Time) -> (StoredContact, Event) {
    let contact = StoredContact {
        id: ContactId(Uuid::now_v7()),
        email: Address::parse(email).unwrap(),
        name: None,
        source: "api".to_owned(),
        external_id: None,
        unsubscribed: false,
        created_at: at,
    };
    let id = EventId(Uuid::now_v7());
    let event = Event { id, event_type: EventType::ContactCreated, object_id: contact.id.0, at };
    (contact, event)
}

async fn add_contact(store: &Store, of: SubAccountId, email: &str, at: Time) -> StoredContact {
    let (contact, event) = contact(email, at);
    store.add_contact(of, &contact, event).await.unwrap();
    contact
}

async fn positions(store: &Store, of: SubAccountId) -> Vec<i64> {
    let events = store.events_after(of, 0, 100_000).await.unwrap();
    events.into_iter().map(|event| event.position).collect()
}

/// Reads on from where it stopped, and remembers every event.
#[derive(Default)]
struct Reader {
    position: i64,
    seen: Vec<Uuid>,
}

impl Reader {
    async fn read(&mut self, store: &Store) -> usize {
        let events = store.events_after(ACCOUNT, self.position, 100).await.unwrap();
        for event in &events {
            assert_eq!(event.position, self.position + 1, "in order, without a gap");
            self.position = event.position;
            self.seen.push(event.id.0);
        }
        events.len()
    }
}

#[tokio::test]
async fn a_batch_is_in_its_order_and_each_sub_account_counts_for_itself() {
    for fresh in both().await {
        fresh.add_account(OTHER).await;
        let samples: Vec<Sample> =
            (0..150).map(|n| sample("bob@example.com", &format!("{n}@x"))).collect();
        let filings = file(&fresh.store, &samples).await.unwrap();
        add_contact(&fresh.store, OTHER, "x@x.example", NOW).await;
        let events = fresh.store.events_after(ACCOUNT, 0, 1_000).await.unwrap();
        let filed: Vec<EventId> =
            filings.iter().flat_map(|filing| &filing.decision.events).map(|it| it.id).collect();
        assert_eq!(events.iter().map(|event| event.id).collect::<Vec<_>>(), filed);
        assert_eq!(positions(&fresh.store, ACCOUNT).await, (1..=150).collect::<Vec<_>>());
        assert_eq!(positions(&fresh.store, OTHER).await, [1]);
        let at = fresh.store.events_at(ACCOUNT, &[7, 3, 500]).await.unwrap();
        assert_eq!(at.iter().map(|event| event.position).collect::<Vec<_>>(), [3, 7]);
        let last = fresh.store.last_positions([ACCOUNT, OTHER, SubAccountId::OPERATOR]).await;
        let mut last = last.unwrap();
        last.sort();
        assert_eq!(last, [(SubAccountId::OPERATOR, 0), (ACCOUNT, 150), (OTHER, 1)]);
    }
}

#[tokio::test]
async fn a_reader_that_resumes_misses_none_of_ten_thousand_whoever_writes() {
    const WRITERS: usize = 4;
    const BATCHES: usize = 32;
    const BATCH: usize = 60;
    const CONTACTS: usize = 580;
    for fresh in both().await {
        // PostgreSQL is written by two nodes.
        let second = fresh.is_postgres().then_some(open(&fresh.url).await);
        let second = second.as_ref().unwrap_or(&fresh.store);
        let running = AtomicUsize::new(WRITERS + 1);
        let mail = async |writer: usize| {
            let store = if writer.is_multiple_of(2) { &fresh.store } else { second };
            for batch in 0..BATCHES {
                let samples: Vec<Sample> = (0..BATCH)
                    .map(|n| sample("bob@example.com", &format!("{writer}.{batch}.{n}@x")))
                    .collect();
                file(store, &samples).await.unwrap();
            }
            running.fetch_sub(1, Ordering::Relaxed);
        };
        let contacts = async {
            for n in 0..CONTACTS {
                add_contact(second, ACCOUNT, &format!("c{n}@x.example"), NOW).await;
            }
            running.fetch_sub(1, Ordering::Relaxed);
        };
        let read = async {
            let mut reader = Reader::default();
            loop {
                let is_over = running.load(Ordering::Relaxed) == 0;
                // A restart: only the position is carried over.
                let store = open(&fresh.url).await;
                while reader.read(&store).await > 0 {}
                store.close().await;
                if is_over {
                    return reader.seen;
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        let writers = futures_util::future::join_all((0..WRITERS).map(mail));
        let (_, (), seen) = tokio::join!(writers, contacts, read);
        let expected = WRITERS * BATCHES * BATCH + CONTACTS;
        assert_eq!(seen.len(), fresh.count("events").await);
        assert!(seen.len() >= expected, "{} of {expected}", seen.len());
        let distinct: BTreeSet<Uuid> = seen.iter().copied().collect();
        assert_eq!(distinct.len(), seen.len(), "each once");
    }
}

#[tokio::test]
async fn what_is_erased_keeps_its_place_and_names_nothing() {
    for fresh in both().await {
        let filings = fill(&fresh).await;
        let before = fresh.store.event_bounds(ACCOUNT).await.unwrap();
        let Some(Change::AddContact(bob)) = filings[0].decision.changes.first() else { panic!() };
        let mut news = fresh.store.news();
        assert!(fresh.store.erase_contact(ACCOUNT, bob.id).await.unwrap());
        assert_eq!(news.try_recv().unwrap(), News::Forgotten(ACCOUNT));
        assert_eq!(fresh.store.event_bounds(ACCOUNT).await.unwrap(), before);
        let named = fresh.sql("select id from events where object_id is not null").await;
        assert_eq!(named.len(), 1, "carol's");
        add_contact(&fresh.store, ACCOUNT, "bob@example.com", NOW).await;
        assert_eq!(news.try_recv().unwrap(), News::Written(ACCOUNT));
        let after = fresh.store.event_bounds(ACCOUNT).await.unwrap();
        assert_eq!(after.last, before.last + 1, "no position is given twice");
    }
}

#[tokio::test]
async fn events_expire_from_the_front_and_the_last_one_stays() {
    for fresh in both().await {
        fresh.add_account(OTHER).await;
        assert_eq!(fresh.store.expire_events(NOW).await.unwrap(), 0);
        for day in 0..40 {
            let email = format!("day{day}@x.example");
            add_contact(&fresh.store, ACCOUNT, &email, NOW.plus_seconds(day * DAY)).await;
        }
        add_contact(&fresh.store, OTHER, "x@x.example", NOW).await;
        let bounds = async |of| fresh.store.event_bounds(of).await.unwrap();
        let now = NOW.plus_seconds(39 * DAY);
        assert_eq!(fresh.store.expire_events(now).await.unwrap(), 9);
        assert_eq!(bounds(ACCOUNT).await, Bounds { first: 10, last: 40 });
        assert_eq!(bounds(OTHER).await, Bounds { first: 1, last: 1 });
        let later = NOW.plus_seconds(400 * DAY);
        assert_eq!(fresh.store.expire_events(later).await.unwrap(), 30);
        assert_eq!(bounds(ACCOUNT).await, Bounds { first: 40, last: 40 });
        add_contact(&fresh.store, ACCOUNT, "next@x.example", later).await;
        assert_eq!(bounds(ACCOUNT).await.last, 41);
        assert_eq!(bounds(SubAccountId::OPERATOR).await, Bounds::default());
    }
}

#[tokio::test]
async fn the_events_of_a_former_release_get_their_places() {
    let directory = tempfile::tempdir().unwrap();
    let [sqlite, postgres] = ["sqlite", "postgres"].map(|database| {
        let (from, to) = (Path::new("migrations").join(database), directory.path().join(database));
        std::fs::create_dir(&to).unwrap();
        for file in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(from)).unwrap() {
            let file = file.unwrap();
            if file.file_name().to_str().unwrap() < "0004" {
                std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
            }
        }
        to
    });
    let file = directory.path().join("mail.db");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file).create_if_missing(true);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    Migrator::new(sqlite).await.unwrap().run(&pool).await.unwrap();
    for n in [3, 1, 2] {
        let id = format!("x'{n:032}'");
        let sql = format!(
            "insert into events values ({id}, {id}, 'contact.created', {id}, 5), \
             (zeroblob(16), {id}, 'verdict.held', {id}, 5)"
        );
        sqlx::query(AssertSqlSafe(sql)).execute(&pool).await.unwrap();
    }
    pool.close().await;
    let url = format!("sqlite:{}", file.display());
    assert_eq!(positions(&open(&url).await, SubAccountId::OPERATOR).await, [1, 2, 3]);

    let url = postgres::fresh_database().await;
    let pool = sqlx::PgPool::connect(&url).await.unwrap();
    Migrator::new(postgres).await.unwrap().run(&pool).await.unwrap();
    for n in [3, 1, 2] {
        let id = Uuid::from_u128(n);
        let sql = format!(
            "insert into events values ('{id}', '{id}', 'contact.created', '{id}', 5), ('{}', '{id}', 'verdict.held', '{id}', 5)",
            Uuid::nil()
        );
        sqlx::query(AssertSqlSafe(sql)).execute(&pool).await.unwrap();
    }
    pool.close().await;
    let store = open(&url).await;
    assert_eq!(positions(&store, SubAccountId::OPERATOR).await, [1, 2, 3]);
    assert_eq!(positions(&store, SubAccountId(Uuid::from_u128(2))).await, [1]);
}
