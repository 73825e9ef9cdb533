//! `backup` while mail comes in, `restore` into another place, and `demo` (G-11).

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use mailweave::clock;
use mailweave::model::{EventId, NewIds, StoredMessageId};
use mailweave::store::{Resolution, Resolved, Store};
use sqlx::Connection;
use uuid::Uuid;

use super::store::{ACCOUNT, both, open};
use super::support::gateway::{Account, Gateway};
use super::support::sender::Sender;

fn mailweave(data_dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mailweave"))
        .args(arguments)
        .current_dir(data_dir.parent().expect("a parent"))
        .env("MAILWEAVE_DATA_DIR", data_dir)
        .output()
        .expect("the program")
}

fn send(gateway: &Gateway, account: &Account, number: u32) {
    let mut sender = Sender::connect(gateway.smtp()).expect("the gateway answers");
    let mail = format!(
        "From: Anna <{}>\r\nTo: carl@customer.test\r\nSubject: {number}\r\n\
         Message-ID: <{number}@acme.test>\r\n\r\nText\r\n",
        account.email
    );
    let reply = sender.send(&account.email, &account.bcc_address, mail.as_bytes());
    assert_eq!(reply.expect("a reply").code, 250);
}

#[test]
fn a_backup_made_while_mail_comes_in_is_whole_and_serves_elsewhere() {
    let gateway = Gateway::start();
    let account = gateway.account("anna@acme.test");
    let (sent, done) = (AtomicU32::new(0), AtomicBool::new(false));
    let copy = gateway.directory().join("copy");
    let file = copy.to_str().expect("a path");
    let before = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                let number = sent.load(Ordering::Acquire);
                send(&gateway, &account, number);
                sent.store(number + 1, Ordering::Release);
            }
        });
        while sent.load(Ordering::Acquire) < 20 {
            std::thread::yield_now();
        }
        let before = sent.load(Ordering::Acquire);
        let output = mailweave(&gateway.data_dir(), &["backup", file]);
        done.store(true, Ordering::Release);
        assert!(output.status.success(), "{output:?}");
        before
    });
    let again = mailweave(&gateway.data_dir(), &["backup", file]);
    assert_eq!(again.status.code(), Some(2), "nothing is overwritten: {again:?}");

    let setup = Gateway::setup();
    let restored = mailweave(&setup.data_dir(), &["restore", file]);
    assert!(restored.status.success(), "{restored:?}");
    let twice = mailweave(&setup.data_dir(), &["restore", file]);
    assert_eq!(twice.status.code(), Some(2), "{twice:?}");
    assert!(String::from_utf8_lossy(&twice.stderr).contains("nothing is overwritten"), "{twice:?}");
    let keys = [gateway.data_dir(), setup.data_dir()].map(|place| std::fs::read(place.join("key")));
    assert_eq!(keys[0].as_ref().expect("a key"), keys[1].as_ref().expect("a key"));

    let other = setup.start();
    let account = other.again(&account);
    let filed = account.api.list("/api/v1/verdicts").len();
    let sent = sent.load(Ordering::Acquire) as usize;
    assert!((before as usize..=sent).contains(&filed), "{before} <= {filed} <= {sent}");
    send(&other, &account, 1_000_000);
    assert_eq!(account.api.list("/api/v1/verdicts").len(), filed + 1);
}

/// Mail in the outbox of the store: its status, when it is due, until when it is in hand, when it was handed
/// over.
const OUTBOX: [[&str; 4]; 6] = [
    ["queued", "1", "null", "null"],
    ["retrying", "1", "null", "1"],
    ["queued", "1", "9", "null"],
    ["queued", "null", "9", "1"],
    ["sent", "null", "null", "1"],
    ["failed", "null", "null", "1"],
];

#[tokio::test]
async fn what_was_still_to_be_sent_waits_for_its_user_after_a_restore() {
    let place = tempfile::tempdir().expect("a directory");
    let [fresh, _] = both().await;
    for (n, [status, due_at, leased_until, handed_at]) in OUTBOX.iter().enumerate() {
        let (of, id) = (fresh.id(ACCOUNT.0), fresh.id(Uuid::from_u128(n as u128)));
        fresh.sql(&format!("insert into outbox (sub_account, id, conversation_id, user_id, kind, status, route, attempts, due_at, lease, leased_until, handed_at, copy_wanted, created_at) values ({of}, {id}, {id}, {id}, 'workflow', '{status}', '{{}}', 0, {due_at}, null, {leased_until}, {handed_at}, 0, 0)")).await;
    }
    let (copy, put_back) = (place.path().join("copy"), place.path().join("mailweave.db"));
    open(&fresh.url).await.back_up(&copy, &[]).await.expect("a backup");
    Store::restore(&copy, &put_back, |_| Ok(())).await.expect("a store");

    let url = format!("sqlite:{}", put_back.display());
    let store = open(&url).await;
    let now = clock::now();
    store.expire_leases(now).await.expect("a start");
    for days in 0..3 {
        let now = now.plus_seconds(days * 86_400);
        store.sweep_outbox(now, NewIds::new(now, 1)).await.expect("a sweep");
    }
    let mut tables = sqlx::SqliteConnection::connect(&url).await.expect("a store");
    assert!(due(&mut tables).await.is_empty(), "nothing goes by itself");
    let statuses: Vec<String> = sqlx::query_scalar("select status from outbox order by id")
        .fetch_all(&mut tables)
        .await
        .expect("an outbox");
    assert_eq!(statuses, ["unknown", "unknown", "unknown", "unknown", "sent", "failed"]);
    let (id, event) = (StoredMessageId(Uuid::from_u128(0)), EventId(Uuid::from_u128(9)));
    let resolved = store.resolve(ACCOUNT, id, Resolution::Resend, event, now).await;
    assert_eq!(resolved.expect("an answer"), Some(Resolved::Yes));
    assert_eq!(due(&mut tables).await, vec![now.as_micros()]);
}

/// When the mails of an outbox are due.
async fn due(tables: &mut sqlx::SqliteConnection) -> Vec<i64> {
    let due = sqlx::query_scalar("select due_at from outbox where due_at is not null");
    due.fetch_all(tables).await.expect("an outbox")
}

#[test]
fn what_is_no_backup_is_not_put_back() {
    let place = tempfile::tempdir().expect("a directory");
    std::fs::write(place.path().join("file"), "no backup").expect("a file");
    let data = place.path().join("data");
    for file in ["file", "missing"] {
        let file = place.path().join(file).display().to_string();
        let output = mailweave(&data, &["restore", &file]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(!data.join("mailweave.db").exists() && !data.join("key").exists());
    }
}

#[tokio::test]
async fn demo_shows_a_conversation_and_leaves_nothing() {
    let place = tempfile::tempdir().expect("a directory");
    let mut demo = Command::new(env!("CARGO_BIN_EXE_mailweave"))
        .arg("demo")
        .current_dir(place.path())
        .env("TMPDIR", place.path())
        .env("MAILWEAVE_SMTP__LISTEN", "127.0.0.1:0")
        .env("MAILWEAVE_HTTP__LISTEN", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program");
    let lines = BufReader::new(demo.stdout.take().expect("an output")).lines();
    let said: Vec<String> =
        lines.map_while(Result::ok).take_while(|line| !line.starts_with("ready ")).collect();
    assert!(said.iter().any(|line| line.contains("Sign-in link")), "{said:?}");
    let store = place.path().join(format!("mailweave-demo-{}/mailweave.db", demo.id()));
    let mut store = sqlx::SqliteConnection::connect(&format!("sqlite:{}", store.display()))
        .await
        .expect("a store");
    let reasons: Vec<String> = sqlx::query_scalar("select reason from verdicts order by id")
        .fetch_all(&mut store)
        .await
        .expect("verdicts");
    assert_eq!(reasons, ["filed", "filed", "filed", "filed", "unknown_sender"]);
    store.close().await.expect("the end");
    let ended = Command::new("kill").arg(demo.id().to_string()).status().expect("kill");
    assert!(ended.success() && demo.wait().expect("an end").success());
    assert_eq!(std::fs::read_dir(place.path()).expect("a directory").count(), 0);
}

#[test]
fn a_store_is_served_with_its_own_key_alone() {
    let mut gateway = Gateway::start();
    let key = gateway.data_dir().join("key");
    let own = std::fs::read(&key).expect("a key");
    gateway.kill9();
    let serve = || mailweave(&gateway.data_dir(), &["serve"]);
    for other in [None, Some([7; 32])] {
        std::fs::remove_file(&key).expect("it was there");
        if let Some(other) = other {
            std::fs::write(&key, other).expect("a file");
        }
        let output = serve();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains("copy the key"), "{said}");
        if other.is_none() {
            assert!(!key.exists(), "none is made in its place");
            std::fs::write(&key, [0; 32]).expect("a file");
        }
    }
    std::fs::write(&key, own).expect("a file");
    gateway.restart();
}
