//! Nothing is sent twice and nothing is lost, whenever the gateway is killed (S5, E4, G-1): through a relay
//! and through a connected mailbox, on both databases, counted where the mail arrives.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{PATIENCE, Sending};
use crate::support::gateway::{Account, Gateway, Setup};
use crate::support::lab::{Mailbox, lab};
use crate::support::postfix::Postfix;
use crate::support::postgres;
use crate::support::relay::Relay;

const CALLERS: usize = 6;
/// People whom each caller writes to: mail to one of them waits for the mail before.
const PEOPLE: usize = 5;

/// The way that the mail goes, and how it is seen at its end.
trait Way {
    const KIND: &'static str;
    /// Each caller asks for a mail so often.
    const EVERY: Duration;

    /// Whom the callers write to, each to so many.
    fn people(&self) -> Vec<Vec<String>>;
    /// The content of every mail that has arrived.
    fn arrived(&self) -> Vec<String>;
    /// Has the server passed on everything it took?
    fn is_idle(&self) -> bool;
    /// Makes out what became of mail that is unknown; `has_come` tells which of it has arrived.
    fn resolve(&self, sending: &Sending, unknown: &[Value], has_come: &dyn Fn(&Value) -> bool);
}

/// CRMs that ask for mails without pause, and repeat with its key what was not answered.
struct Callers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Vec<String>>>,
}

struct Shared {
    account: Account,
    kind: &'static str,
    every: Duration,
    people: Vec<Vec<String>>,
    target: Mutex<Option<SocketAddr>>,
    stopping: AtomicBool,
}

impl Callers {
    fn start<W: Way>(way: &W, account: &Account, target: SocketAddr) -> Self {
        let shared = Arc::new(Shared {
            account: account.clone(),
            kind: W::KIND,
            every: W::EVERY,
            people: way.people(),
            target: Mutex::new(Some(target)),
            stopping: AtomicBool::new(false),
        });
        let caller = |number| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.call(number))
        };
        let threads = (0..CALLERS).map(caller).collect();
        Self { shared, threads }
    }

    fn aim(&self, target: Option<SocketAddr>) {
        *self.shared.target.lock().expect("no panic") = target;
    }

    /// The ids of all that was taken.
    fn stop(self) -> Vec<String> {
        self.shared.stopping.store(true, Ordering::Relaxed);
        self.threads.into_iter().flat_map(|it| it.join().expect("no panic")).collect()
    }
}

impl Shared {
    fn call(&self, caller: usize) -> Vec<String> {
        let mut taken = Vec::new();
        while !self.stopping.load(Ordering::Relaxed) {
            let number = taken.len();
            let mail = json!({"kind": self.kind, "user_id": self.account.user_id,
                "to": [self.people[caller][number % PEOPLE]],
                "subject": format!("{caller} {number}"), "text": "Hello"});
            let key = format!("{caller}-{number}");
            taken.push(self.until_taken(&key, &mail));
            std::thread::sleep(self.every);
        }
        taken
    }

    fn until_taken(&self, key: &str, mail: &Value) -> String {
        let deadline = Instant::now() + Duration::from_secs(600);
        loop {
            let target = *self.target.lock().expect("no panic");
            if let Some(address) = target {
                let mut api = self.account.api.clone();
                api.address = address;
                if let Ok(answer) = api.try_post_with_key("/api/v1/messages", key, mail) {
                    match answer.status {
                        202 => {
                            return answer.expect(202)["id"].as_str().expect("an id").to_owned();
                        }
                        // Its first try is still running, or the store is just opening.
                        409 | 503 => {}
                        status => panic!("{status}: {}", String::from_utf8_lossy(&answer.body)),
                    }
                }
            }
            assert!(Instant::now() < deadline, "{key} was never taken");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A relay that passes on to the recipients' server.
struct ByRelay {
    recipients: Relay,
    postfix: Postfix,
}

impl ByRelay {
    fn start() -> Self {
        let recipients = Relay::start();
        let next_hop = format!("smtp:[127.0.0.1]:{}", recipients.address.port());
        let settings = format!("default_transport = {next_hop}");
        let postfix = Postfix::relaying_to(recipients.address, &settings);
        Self { recipients, postfix }
    }
}

impl Way for ByRelay {
    const KIND: &'static str = "workflow";
    const EVERY: Duration = Duration::ZERO;

    fn people(&self) -> Vec<Vec<String>> {
        let person = |caller, n| format!("c{caller}-{n}@customer.test");
        (0..CALLERS).map(|it| (0..PEOPLE).map(|n| person(it, n)).collect()).collect()
    }

    fn arrived(&self) -> Vec<String> {
        self.recipients.mails().into_iter().map(|mail| mail.content).collect()
    }

    fn is_idle(&self) -> bool {
        self.postfix.is_idle()
    }

    /// What cannot be known is said to be so; who looks at the recipients' can tell.
    fn resolve(&self, sending: &Sending, unknown: &[Value], has_come: &dyn Fn(&Value) -> bool) {
        for message in unknown {
            let how = if has_come(message) { "sent" } else { "resend" };
            let path = format!("/api/v1/messages/{}/resolve", message["id"].as_str().unwrap());
            sending.account.api.post(&path, &json!({"as": how})).expect(200);
        }
    }
}

/// A mailbox of the laboratory, which files what is sent.
struct ByMailbox {
    people: Vec<Vec<Mailbox>>,
}

impl ByMailbox {
    fn start() -> Self {
        let person = |_| lab().address("person");
        let people = (0..CALLERS).map(|_| (0..PEOPLE).map(person).collect()).collect();
        Self { people }
    }
}

impl Way for ByMailbox {
    const KIND: &'static str = "individual";
    const EVERY: Duration = Duration::from_millis(50);

    fn people(&self) -> Vec<Vec<String>> {
        let addresses = |it: &Vec<Mailbox>| it.iter().map(|it| it.address.clone()).collect();
        self.people.iter().map(addresses).collect()
    }

    fn arrived(&self) -> Vec<String> {
        let mails = self.people.iter().flatten().flat_map(|person| person.mails("INBOX"));
        mails.map(|mail| mail.content).collect()
    }

    fn is_idle(&self) -> bool {
        lab().is_idle()
    }

    /// The Sent folder says it; what is not there after a quarter of an hour goes again. Nobody is asked.
    fn resolve(&self, sending: &Sending, _: &[Value], _: &dyn Fn(&Value) -> bool) {
        sending.let_pass(15 * 60);
    }
}

/// How often each mail came.
fn counted(arrived: &[String]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for content in arrived {
        let id = content.split("Message-ID: <").nth(1).and_then(|it| it.split('>').next());
        *counts.entry(id.expect("an id").to_owned()).or_default() += 1;
    }
    counts
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE * 5;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn setup(setup: Setup) -> Setup {
    setup
        .with("OUTGOING__RETRY_AFTER_SECONDS", "1")
        .with("OUTGOING__PER_MAILBOX_PER_MINUTE", "100000")
}

/// Where several gateways may be at work, what one had in hand, or was asked, is nobody's when so much
/// has passed; one that starts alone knows it at once.
const UNTIL_NOBODYS: i64 = 301;

fn survives_kills<W: Way>(way: &W, mut sending: Sending, kills: usize) {
    let callers = Callers::start(way, &sending.account, sending.gateway.http());
    for _ in 0..kills {
        std::thread::sleep(Duration::from_millis(rand::random_range(50..1_500)));
        sending.gateway.kill9();
        callers.aim(None);
        sending.let_pass(UNTIL_NOBODYS);
        sending.gateway.restart();
        callers.aim(Some(sending.gateway.http()));
    }
    let ids = callers.stop();
    sending.account = sending.gateway.again(&sending.account);
    let api = &sending.account.api;
    let message = |id: &String| api.read(&format!("/api/v1/messages/{id}"));
    let has_status = |all: &[&str]| {
        ids.iter().any(|id| all.contains(&message(id)["status"].as_str().expect("a status")))
    };
    wait_until("nothing is under way", || !has_status(&["queued", "retrying"]));
    wait_until("the server has passed on what it has", || way.is_idle());
    // Nothing came twice, and what is said to be sent has come.
    let first = counted(&way.arrived());
    assert!(first.values().all(|count| *count == 1), "{first:?}");
    let has_come = |it: &Value| first.contains_key(it["message_id"].as_str().expect("an id"));
    let (unknown, known): (Vec<_>, Vec<_>) =
        ids.iter().map(message).partition(|it| it["status"] == "unknown");
    for message in &known {
        assert!(message["status"] == "sent" && has_come(message), "lost: {message}");
    }
    way.resolve(&sending, &unknown, &has_come);
    wait_until("all is sent", || !has_status(&["queued", "retrying", "unknown"]));
    wait_until("the server has passed on what it has", || way.is_idle());
    let last = counted(&way.arrived());
    println!("{kills} kills, {} mails, {} unknown", ids.len(), unknown.len());
    assert!(last.values().all(|count| *count == 1) && last.len() == ids.len(), "{last:?}");
    assert!(ids.iter().all(|id| message(id)["status"] == "sent"));
}

fn survives_kills_by_relay(of: Setup, kills: usize) {
    let way = ByRelay::start();
    let gateway = setup(of).start();
    let account = gateway.account("anna@acme.test");
    Sending::use_relay_at(&account, way.postfix.address());
    survives_kills(&way, Sending { gateway, account }, kills);
}

fn survives_kills_by_mailbox(of: Setup, kills: usize) {
    let way = ByMailbox::start();
    let gateway = setup(lab().known_to(of)).start();
    let account = gateway.account("anna@acme.test");
    lab().connect(&gateway, &account, &lab().mailbox("anna").address);
    survives_kills(&way, Sending { gateway, account }, kills);
}

/// On PostgreSQL.
async fn shared() -> Setup {
    Gateway::setup().with("STORE__URL", postgres::fresh_database().await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loses_and_doubles_nothing_by_relay_on_sqlite_when_killed_25_times() {
    tokio::task::block_in_place(|| survives_kills_by_relay(Gateway::setup(), 25));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loses_and_doubles_nothing_by_relay_on_postgres_when_killed_25_times() {
    let setup = shared().await;
    tokio::task::block_in_place(|| survives_kills_by_relay(setup, 25));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loses_and_doubles_nothing_by_mailbox_on_sqlite_when_killed_25_times() {
    tokio::task::block_in_place(|| survives_kills_by_mailbox(Gateway::setup(), 25));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loses_and_doubles_nothing_by_mailbox_on_postgres_when_killed_25_times() {
    let setup = shared().await;
    tokio::task::block_in_place(|| survives_kills_by_mailbox(setup, 25));
}
