//! Opening a store: what is refused, in words; and what happens when there is no room.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::*;

async fn refusal(url: &str, holder: Holder) -> String {
    match Store::open(Options::new(url, holder)).await {
        Err(Error::Refused { why }) => why,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was opened"),
    }
}

fn sqlite_url(directory: &tempfile::TempDir) -> String {
    format!("sqlite:{}/data/mail.db", directory.path().display())
}

#[tokio::test]
async fn files_are_for_their_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let _store = open(&sqlite_url(&directory)).await;
    let mode = |name: &str| {
        std::fs::metadata(directory.path().join(name)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode("data"), 0o700);
    for name in ["data/mail.db", "data/mail.db-wal", "data/mail.db-shm"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
}

#[tokio::test]
async fn refuses_what_is_not_ours_to_write() {
    let directory = tempfile::tempdir().unwrap();
    open(&sqlite_url(&directory)).await.close().await;
    let file = directory.path().join("data/mail.db");
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&file, Some(65_534), None).unwrap();
        let why = refusal(&sqlite_url(&directory), Holder::Command).await;
        assert!(why.contains("belongs to user 65534"), "{why}");
    } else {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o400)).unwrap();
        let why = refusal(&sqlite_url(&directory), Holder::Command).await;
        assert!(why.contains("cannot be opened for writing"), "{why}");
    }
}

#[tokio::test]
async fn refuses_what_is_no_store() {
    let directory = tempfile::tempdir().unwrap();
    let why = refusal(&format!("sqlite:{}", directory.path().display()), Holder::Command).await;
    assert!(why.contains("cannot be opened for writing"), "{why}");
    let why = refusal("mysql://localhost/x", Holder::Command).await;
    assert!(why.contains("sqlite:PATH or postgres://"), "{why}");
    let file = directory.path().join("x.db");
    std::fs::write(&file, "not a database at all, but long enough to be read as one".repeat(99))
        .unwrap();
    let opened = Store::open(Options::new(format!("sqlite:{}", file.display()), Holder::Command));
    assert!(matches!(opened.await, Err(Error::Damaged { .. })));
}

#[tokio::test]
async fn one_gateway_serves_a_file_and_commands_work_beside_it() {
    let directory = tempfile::tempdir().unwrap();
    let url = sqlite_url(&directory);
    let gateway = Store::open(Options::new(&url, Holder::Gateway)).await.unwrap();
    let why = refusal(&url, Holder::Gateway).await;
    assert!(why.contains("another gateway is serving"), "{why}");
    open(&url).await.ping().await.unwrap();
    drop(gateway);
    Store::open(Options::new(&url, Holder::Gateway)).await.unwrap();
}

#[tokio::test]
async fn refuses_tables_of_a_newer_version() {
    for fresh in both_empty().await {
        let yes = if fresh.is_postgres() { "true" } else { "1" };
        let none = if fresh.is_postgres() { "''" } else { "x''" };
        fresh.sql(&format!("insert into _sqlx_migrations (version, description, success, checksum, execution_time) values (9999, 'later', {yes}, {none}, 0)")).await;
        let why = refusal(&fresh.url, Holder::Command).await;
        assert!(why.contains("another version of this program"), "{why}");
    }
}

#[tokio::test]
async fn starters_at_the_same_time_make_the_tables_once() {
    let directory = tempfile::tempdir().unwrap();
    for url in [sqlite_url(&directory), postgres::fresh_database().await] {
        let starts = (0..8).map(|_| open(&url));
        for store in futures_util::future::join_all(starts).await {
            store.ping().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_store_that_went_away_is_transient_and_comes_back() {
    let [_, fresh] = both().await;
    let name = fresh.sql("select current_database()::text").await[0][0].clone();
    file(&fresh.store, &[sample("bob@example.com", "a@x")]).await.unwrap();
    fresh.sql(&format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}' and pid <> pg_backend_pid()")).await;
    let mut outcome = file(&fresh.store, &[sample("bob@example.com", "b@x")]).await;
    for _ in 0..20 {
        match outcome {
            Ok(_) => break,
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
        outcome = file(&fresh.store, &[sample("bob@example.com", "b@x")]).await;
    }
    outcome.unwrap();
    assert_eq!(fresh.count("messages").await, 2);
}

/// Set for the copy of this test that runs with little room.
const LITTLE_ROOM: &str = "MAILWEAVE_TEST_LITTLE_ROOM";

#[test]
fn a_full_disk_refuses_mail_shows_what_is_there_and_goes_on_when_there_is_room() {
    if std::env::var_os(LITTLE_ROOM).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        return runtime.unwrap().block_on(fill_up_and_go_on());
    }
    // A limit on files stands for the full disk: it needs no privileges. It holds for a process, so
    // this test runs in one of its own.
    let name = "store::opening::a_full_disk_refuses_mail_shows_what_is_there_and_goes_on_when_there_is_room";
    let script = "trap '' XFSZ; ulimit -S -f 6000; exec \"$@\"";
    let status = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(LITTLE_ROOM, "1")
        .status();
    assert!(status.unwrap().success());
}

async fn fill_up_and_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let url = sqlite_url(&directory);
    let fresh = Fresh { store: open(&url).await, url, directory: Some(directory) };
    fresh.add_account(ACCOUNT).await;
    let mut filed = 0;
    let mail = |n: usize| {
        let mut mail = sample("bob@example.com", &format!("{n}@x"));
        mail.content.push_str(&"large ".repeat(20_000));
        mail
    };
    let refused = loop {
        match file(&fresh.store, &[mail(filed)]).await {
            Ok(_) => filed += 1,
            Err(error) => break error,
        }
        assert!(filed < 1_000, "the limit does not hold");
    };
    assert!(matches!(refused, Error::Full), "{refused:?}");
    assert!(filed > 0);
    assert_eq!(fresh.count("messages").await, filed, "what was answered is there, the rest is not");
    fresh.store.ping().await.unwrap();

    let limit = rustix::process::getrlimit(rustix::process::Resource::Fsize);
    let room = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    rustix::process::setrlimit(rustix::process::Resource::Fsize, room).unwrap();
    file(&fresh.store, &[mail(filed)]).await.unwrap();
    assert_eq!(fresh.count("messages").await, filed + 1);
}

/// A node that stands still with a lock in its hands keeps the mail of others waiting for a while only.
#[tokio::test]
async fn a_lock_that_another_holds_is_not_waited_for_without_end() {
    let [_, fresh] = both().await;
    let other = sqlx::PgPool::connect(&fresh.url).await.unwrap();
    let mut held = other.begin().await.unwrap();
    sqlx::query("select name from sub_accounts for update").execute(&mut *held).await.unwrap();
    let mails = [sample("bob@example.com", "a@x")];
    let waited =
        tokio::time::timeout(std::time::Duration::from_secs(60), file(&fresh.store, &mails)).await;
    assert!(matches!(waited, Ok(Err(Error::Unavailable(_)))), "{waited:?}");
    held.rollback().await.unwrap();
    assert_eq!(file(&fresh.store, &mails).await.unwrap().len(), 1);
}
