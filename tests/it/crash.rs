//! What was answered 250 is there, once, whatever happens to the process (G-1, G-10): killed at any
//! instant, told to stop, frozen.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::support::gateway::{Account, Gateway};
use super::support::load::{Load, contact_of};
use super::support::postgres;

const SESSIONS: usize = 6;
/// G-1: a start after a crash takes less than this, without repair by hand.
const START_MAX: Duration = Duration::from_secs(10);

/// Each mail is there exactly once, and each contact and conversation too.
#[track_caller]
fn holds_exactly(account: &Account, mut expected: Vec<String>) {
    let contacts = account.api.list("/api/v1/contacts");
    assert_eq!(contacts.len(), contact_count(&expected), "{contacts:?}");
    let conversations = account.api.list("/api/v1/conversations");
    assert_eq!(conversations.len(), contacts.len());
    let mut found = Vec::new();
    for conversation in &conversations {
        let id = conversation["id"].as_str().expect("an id");
        let messages = account.api.list(&format!("/api/v1/conversations/{id}/messages"));
        assert_eq!(conversation["message_count"], messages.len(), "the count is the truth");
        found.extend(
            messages
                .iter()
                .map(|message| message["message_id"].as_str().expect("a Message-ID").to_owned()),
        );
    }
    found.sort();
    expected.sort();
    assert!(found == expected, "{}", difference(&found, &expected));
}

/// How many contacts these mails went to.
fn contact_count(ids: &[String]) -> usize {
    ids.iter().map(|id| contact_of(id)).collect::<BTreeSet<_>>().len()
}

/// What is lost and what is doubled, in a line each.
fn difference(found: &[String], expected: &[String]) -> String {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    found.iter().for_each(|id| *counts.entry(id).or_default() += 1);
    expected.iter().for_each(|id| *counts.entry(id).or_default() -= 1);
    let lines = counts.iter().filter(|(_, count)| **count != 0);
    lines.map(|(id, count)| format!("{id}: {count:+}\n")).collect()
}

/// Kills the gateway so many times at random instants under load, and counts.
fn survives_kills(mut gateway: Gateway, kills: usize) {
    let account = gateway.account("anna@acme.test");
    let load = Load::start(&account, SESSIONS, gateway.smtp());
    load.wait_for(1);
    let mut slowest = Duration::ZERO;
    for kill in 0..kills {
        // Every fifth is killed while sessions are only coming back.
        if kill % 5 != 0 {
            load.wait_for(1);
        }
        std::thread::sleep(Duration::from_millis(rand::random_range(1..150)));
        gateway.kill9();
        load.aim(None);
        slowest = slowest.max(gateway.restart());
        load.aim(Some(gateway.smtp()));
    }
    load.wait_for(SESSIONS);
    let sent = load.stop();
    println!("{kills} kills, {} mails, slowest start {slowest:?}", sent.len());
    assert!(slowest < START_MAX, "a start took {slowest:?}");
    holds_exactly(&gateway.again(&account), sent);
}

#[test]
fn loses_and_doubles_nothing_when_killed_100_times_on_sqlite() {
    survives_kills(Gateway::start(), 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loses_and_doubles_nothing_when_killed_on_postgresql() {
    let url = postgres::fresh_database().await;
    let gateway = Gateway::setup().with("STORE__URL", url).start();
    tokio::task::block_in_place(|| survives_kills(gateway, 15));
}

#[test]
fn stops_cleanly_under_load_and_goes_on_where_it_was() {
    let mut gateway = Gateway::start();
    let account = gateway.account("anna@acme.test");
    let load = Load::start(&account, SESSIONS, gateway.smtp());
    load.wait_for(50);
    load.aim(None);
    gateway.signal("TERM");
    let status = gateway.wait_for_exit(Duration::from_secs(30));
    assert_eq!(status.code(), Some(0), "{}", gateway.log());
    gateway.restart();
    load.aim(Some(gateway.smtp()));
    load.wait_for(50);
    holds_exactly(&gateway.again(&account), load.stop());
}

#[test]
fn goes_on_after_it_was_frozen() {
    let gateway = Gateway::start();
    let account = gateway.account("anna@acme.test");
    let load = Load::start(&account, SESSIONS, gateway.smtp());
    load.wait_for(20);
    gateway.signal("STOP");
    std::thread::sleep(Duration::from_secs(3));
    let before = load.acknowledged();
    gateway.signal("CONT");
    load.wait_for(20);
    assert!(load.acknowledged() >= before + 20);
    holds_exactly(&account, load.stop());
}
