//! A gateway in this process with its watchers, a user, and the laboratory's provider.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use mailweave::connect::Connector;
use mailweave::ingest::prepare::Reader;
use mailweave::model::{ConnectionId, MailboxId, Pepper, Trust};
use mailweave::store::{StoredConnection, StoredMailbox};
use mailweave::watch::driver;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::lab::{CLIENT_ID, CLIENT_SECRET, Mailbox, lab};
use crate::web::api::{Answer, Api};
use crate::web::ui::{Browser, Shown};

/// How long servers and a debug binary on a busy machine may take.
pub const PATIENCE: Duration = Duration::from_secs(120);
pub const ANN: &str = "ann@acme.example";
pub const CARL: &str = "carl@client.example";

/// The laboratory as a provider, in the words of the configuration.
pub fn configuration(more: &str) -> String {
    let lab = lab();
    let ca: PathBuf = lab.ca();
    format!(
        "[tls]\nextra_roots = {ca:?}\n[providers.outlook]\nclient_id = {CLIENT_ID:?}\n\
         client_secret = {CLIENT_SECRET:?}\nauthorize_url = {:?}\ntoken_url = {:?}\nimap = {:?}\n\
         smtp = {:?}\n{more}",
        lab.authorize_url(),
        lab.token_url(),
        lab.imap(),
        lab.smtp()
    )
}

pub struct Desk {
    pub api: Api,
    pub user: String,
    watching: Option<(CancellationToken, JoinHandle<()>)>,
}

impl Desk {
    /// One on each database.
    pub async fn both() -> [Self; 2] {
        let revoke_url = format!("revoke_url = {:?}\n", lab().revoke_url());
        Self::both_with(&configuration(&revoke_url)).await
    }

    pub async fn both_with(configuration: &str) -> [Self; 2] {
        let [sqlite, postgres] = Api::both_with(configuration).await;
        [Self::of(sqlite).await, Self::of(postgres).await]
    }

    async fn of(api: Api) -> Self {
        let user = api.add_user(ANN).await;
        Self { api, user, watching: None }
    }

    pub fn connector(&self) -> &Connector {
        &self.api.connector
    }

    /// Watches what is active.
    pub fn watch(&mut self) {
        let reader = Reader {
            bcc_domains: Arc::from(["bcc.example".to_owned()]),
            limits: mailweave::mail::Limits::default(),
            pepper: Pepper::new([1; 32]),
        };
        let options = driver::Options {
            imap: self.connector().imap().clone(),
            message_bytes_max: 10_000_000,
            pace: mailweave::watch::plan::Pace::default(),
        };
        let logins = Arc::new(self.connector().clone());
        let (store, stop) = (Arc::clone(&self.api.store), CancellationToken::new());
        let running = driver::run(store, reader, options, logins, stop.clone());
        self.watching = Some((stop, tokio::spawn(running)));
    }

    pub async fn stop(&mut self) {
        if let Some((stop, task)) = self.watching.take() {
            stop.cancel();
            task.await.unwrap();
        }
    }

    /// Begins to connect the mailbox; the answer has the URL.
    pub async fn begin(&self, mailbox: &Mailbox) -> Answer {
        let wanted =
            json!({"user_id": self.user, "provider": "outlook", "address": mailbox.address});
        let begun = self.api.post("/mailboxes", wanted).await;
        assert_eq!(begun.status, StatusCode::CREATED, "{}", begun.json);
        begun
    }

    /// Brings back what the provider answers.
    pub async fn bring_back(&self, location: &str) -> Shown {
        let (_, query) = location.split_once('?').unwrap();
        Browser::new(&self.api).get(&format!("/oauth/callback?{query}")).await
    }

    /// Consents as that account, and brings it back.
    pub async fn consent(&self, begun: &Answer, mailbox: &Mailbox) -> Shown {
        let url = begun.text("authorization_url");
        self.bring_back(&lab().consent(&url, &mailbox.address, true)).await
    }

    /// Connects the mailbox; its id.
    pub async fn connect(&self, mailbox: &Mailbox) -> String {
        let begun = self.begin(mailbox).await;
        let shown = self.consent(&begun, mailbox).await;
        assert_eq!(shown.status, StatusCode::OK, "{}", shown.html);
        shown.has(&mailbox.address);
        begun.text("id")
    }

    /// The mailbox as the API shows it.
    pub async fn mailbox(&self, id: &str) -> Value {
        let shown = self.api.get(&format!("/mailboxes/{id}")).await;
        assert_eq!(shown.status, StatusCode::OK);
        shown.json
    }

    /// The mailbox as the store has it.
    pub async fn stored(&self, id: &str) -> StoredMailbox {
        let id: MailboxId = MailboxId(id.parse().unwrap());
        self.api.store.mailbox(self.api.sub_account(), id).await.unwrap().unwrap()
    }

    pub async fn connection(&self, id: &str) -> StoredConnection {
        self.stored(id).await.connection.unwrap()
    }

    /// What is kept of a connection's consent, sealed.
    pub async fn secret(&self, id: ConnectionId) -> Option<Vec<u8>> {
        let secret = self.api.store.connection_secret(self.api.sub_account(), id).await.unwrap();
        secret.unwrap().sealed
    }

    /// The types of all events of mailboxes.
    pub async fn events(&self) -> Vec<&'static str> {
        let events = self.api.store.events_after(self.api.sub_account(), 0, 1_000).await.unwrap();
        let names = events.into_iter().map(|event| event.event_type.name());
        names.filter(|name| name.starts_with("mailbox.")).collect()
    }

    /// Ann's copy of a mail to Carl comes to her smart BCC address.
    pub async fn copy(&self, id: &str, more: &str) {
        self.api.mail_in(&self.user, &mail(id, ANN, CARL, more), Trust::Dmarc).await;
    }

    /// The ids of all mails in conversations.
    pub async fn filed(&self) -> Vec<String> {
        let mut ids = Vec::new();
        for conversation in self.api.get("/conversations").await.items() {
            let path = format!("/conversations/{}/messages", conversation["id"].as_str().unwrap());
            let messages = self.api.get(&path).await;
            let id = |message: &Value| message["message_id"].as_str().unwrap().to_owned();
            ids.extend(messages.items().iter().map(id));
        }
        ids.sort();
        ids
    }

    /// How the threads stand: `sync`, and the reason.
    pub async fn threads(&self) -> Vec<(String, String)> {
        let mut threads = Vec::new();
        for conversation in self.api.get("/conversations").await.items() {
            let path = format!("/conversations/{}", conversation["id"].as_str().unwrap());
            let shown = self.api.get(&path).await.json;
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let all = shown["threads"].as_array().unwrap();
            threads.extend(all.iter().map(|it| (text(&it["sync"]), text(&it["reason"]))));
        }
        threads.sort();
        threads
    }

    /// Waits until it is so.
    pub async fn until(&self, what: &str, is_so: impl AsyncFn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self).await {
            assert!(Instant::now() < deadline, "it never came that {what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until these mails are in conversations.
    pub async fn until_filed(&self, ids: &[&str]) {
        let what = format!("{ids:?} are filed");
        self.until(&what, async |desk| desk.filed().await == ids).await;
    }

    pub async fn until_state(&self, id: &str, state: &str) {
        let what = format!("the mailbox is {state}");
        self.until(&what, async |desk| desk.mailbox(id).await["state"] == state).await;
    }

    /// Waits until everything of the mailbox's Inbox and Sent folder was looked at.
    pub async fn until_watched(&self, id: &str) {
        let connection = self.connection(id).await.id;
        self.until("Inbox and Sent have cursors", async |desk| {
            let (of, store) = (desk.api.sub_account(), &desk.api.store);
            store.folders(of, connection).await.unwrap().len() >= 2
        })
        .await;
    }
}

/// A mail as people write them.
pub fn mail(id: &str, from: &str, to: &str, more: &str) -> String {
    let date = jiff::fmt::rfc2822::to_string(&jiff::Zoned::now()).unwrap();
    format!(
        "From: {from}\nTo: {to}\nSubject: Offer\nMessage-ID: <{id}>\nDate: {date}\n{more}\n\
         Body of {id}\n"
    )
}

/// Carl's answer.
pub fn reply(id: &str, parent: &str) -> String {
    mail(id, CARL, ANN, &format!("In-Reply-To: <{parent}>\n"))
}
