//! Way 3, whole: the real gateway sends through a relay that is scripted, or through Postfix (S, E).

mod bounces;
mod composing;
mod faults;
mod kills;
mod mailbox;
mod requests;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row, SqliteConnection};
use tokio::runtime::Handle;

use crate::support::gateway::{Account, Gateway, Setup};
use crate::support::postgres;
use crate::support::relay::Relay;

/// How long a debug binary on a busy machine may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A gateway with a user whose sub-account has a relay.
pub struct Sending {
    pub gateway: Gateway,
    pub account: Account,
}

impl Sending {
    /// Through this relay.
    pub fn through(relay: &Relay) -> Self {
        Self::of(Gateway::setup(), relay)
    }

    /// The same, as it is set up.
    pub fn of(setup: Setup, relay: &Relay) -> Self {
        let gateway = setup.with("OUTGOING__RETRY_AFTER_SECONDS", "1").start();
        let account = gateway.account("anna@acme.test");
        let sending = Self { gateway, account };
        sending.use_relay(relay);
        sending
    }

    pub fn use_relay(&self, relay: &Relay) {
        Self::use_relay_at(&self.account, relay.address);
    }

    pub fn use_relay_at(account: &Account, address: SocketAddr) {
        let provider = json!({"sub_account_provider": {
            "host": "127.0.0.1", "port": address.port(), "username": "acme",
            "password": "pw", "default_from": "crm@acme.test", "allowed_domains": ["acme.test"]}});
        account.api.call("PATCH", "/api/v1/settings", Some(&provider)).expect(200);
    }

    /// A mail with what the test is not about filled in.
    pub fn mail(&self, to: &str) -> Value {
        json!({"kind": "individual", "user_id": self.account.user_id, "to": [to],
            "subject": "Offer", "text": "Hello Carl\n"})
    }

    pub fn send(&self, mail: &Value) -> Value {
        self.account.api.post("/api/v1/messages", mail).expect(202)
    }

    pub fn message(&self, id: &Value) -> Value {
        self.account.api.read(&format!("/api/v1/messages/{}", id.as_str().expect("an id")))
    }

    /// Waits until the message has this status; the message.
    #[track_caller]
    pub fn wait_for(&self, id: &Value, status: &str) -> Value {
        self.wait_until(id, status, |message| message["status"] == status)
    }

    /// Waits until it is so; the message.
    #[track_caller]
    pub fn wait_until(&self, id: &Value, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let message = self.message(id);
            if is_so(&message) {
                return message;
            }
            assert!(Instant::now() < deadline, "never {what}: {message:#}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Runs a statement behind the gateway's back; the first number that comes of it. Within
    /// [`on_both`].
    pub fn sql(&self, statement: &str) -> Option<i64> {
        let file = self.gateway.data_dir().join("mailweave.db");
        let url = self.gateway.environment().get("MAILWEAVE_STORE__URL");
        let statement = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()));
        Handle::current().block_on(async {
            match url {
                Some(url) => {
                    let mut database = PgConnection::connect(url).await.expect("the database");
                    let row = statement.fetch_optional(&mut database).await.expect("it is done");
                    row.map(|row| row.get(0))
                }
                None => {
                    let url = format!("sqlite:{}", file.display());
                    let mut database = SqliteConnection::connect(&url).await.expect("a file");
                    let row = statement.fetch_optional(&mut database).await.expect("it is done");
                    row.map(|row| row.get(0))
                }
            }
        })
    }

    /// Everything that is in the outbox, and every call that is not answered, is so much older.
    pub fn let_pass(&self, seconds: i64) {
        let earlier = |it: &str| format!("{it} = {it} - {}", seconds * 1_000_000);
        let columns = ["handed_at", "searched_at", "due_at", "deadline", "leased_until"];
        let columns = columns.map(earlier).join(", ");
        self.sql(&format!("update outbox set {columns}"));
        let created_at = earlier("created_at");
        self.sql(&format!("update idempotency set {created_at} where status = 0"));
    }
}

/// The same test on each database.
pub async fn on_both(test: impl Fn(Setup)) {
    tokio::task::block_in_place(|| test(Gateway::setup()));
    let url = postgres::fresh_database().await;
    tokio::task::block_in_place(|| test(Gateway::setup().with("STORE__URL", url)));
}
