//! Nothing is sent twice and nothing is lost, whenever the gateway is killed (S5, E4, G-1): through the
//! real Postfix, counted at the recipient's server.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{PATIENCE, Sending};
use crate::support::gateway::{Account, Gateway};
use crate::support::postfix::Postfix;
use crate::support::relay::{Received, Relay};

const CALLERS: usize = 3;

/// CRMs that ask for mails without pause, and repeat with its key what was not answered.
struct Callers {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Vec<String>>>,
}

struct Shared {
    account: Account,
    target: Mutex<Option<SocketAddr>>,
    stopping: AtomicBool,
}

impl Callers {
    fn start(account: &Account, target: SocketAddr) -> Self {
        let shared = Arc::new(Shared {
            account: account.clone(),
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
            let mail = json!({"kind": "workflow", "user_id": self.account.user_id,
                "to": [format!("c{caller}-{number}@customer.test")],
                "subject": format!("{caller} {number}"), "text": "Hello"});
            let key = format!("{caller}-{number}");
            taken.push(self.until_taken(&key, &mail));
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

/// How often each mail came to the recipient's server.
fn arrivals(mails: &[Received]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for mail in mails {
        let id = mail.content.split("Message-ID: <").nth(1).and_then(|it| it.split('>').next());
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

fn survives_kills(kills: usize) {
    let recipient = Relay::start();
    let next_hop = format!("smtp:[127.0.0.1]:{}", recipient.address.port());
    let postfix =
        Postfix::relaying_to(recipient.address, &format!("default_transport = {next_hop}"));
    let setup = Gateway::setup().with("OUTGOING__RETRY_AFTER_SECONDS", "1");
    let mut gateway = setup.start();
    let account = gateway.account("anna@acme.test");
    Sending::use_relay_at(&account, postfix.address());
    let callers = Callers::start(&account, gateway.http());
    for _ in 0..kills {
        std::thread::sleep(Duration::from_millis(rand::random_range(20..400)));
        gateway.kill9();
        callers.aim(None);
        gateway.restart();
        callers.aim(Some(gateway.http()));
    }
    let ids = callers.stop();
    let api = gateway.again(&account).api;
    let message = |id: &String| api.read(&format!("/api/v1/messages/{id}"));
    let under_way = |id: &String| {
        let status = message(id)["status"].clone();
        status == "queued" || status == "retrying"
    };
    wait_until("nothing is under way", || !ids.iter().any(under_way));
    wait_until("Postfix has passed on what it has", || postfix.is_idle());
    // Nothing came twice, and what is said to be sent has come.
    let first = arrivals(&recipient.mails());
    assert!(first.values().all(|count| *count == 1), "{first:?}");
    let mut unknown = 0;
    for id in &ids {
        let message = message(id);
        let has_come = first.contains_key(message["message_id"].as_str().expect("an id"));
        match message["status"].as_str() {
            Some("sent") => assert!(has_come, "lost: {message}"),
            // What cannot be known is said to be so; who looks at the recipient's can tell.
            Some("unknown") => {
                unknown += 1;
                let how = if has_come { "sent" } else { "resend" };
                api.post(&format!("/api/v1/messages/{id}/resolve"), &json!({"as": how}))
                    .expect(200);
            }
            _ => panic!("{message}"),
        }
    }
    wait_until("nothing is under way", || !ids.iter().any(under_way));
    wait_until("Postfix has passed on what it has", || postfix.is_idle());
    let last = arrivals(&recipient.mails());
    println!("{kills} kills, {} mails, {unknown} unknown", ids.len());
    assert!(last.values().all(|count| *count == 1) && last.len() == ids.len(), "{last:?}");
}

#[test]
fn loses_and_doubles_nothing_when_killed_100_times() {
    survives_kills(100);
}
