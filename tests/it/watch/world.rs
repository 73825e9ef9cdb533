//! A store, a mailbox in the laboratory, and a watcher between them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mailweave::access::{LoginError, Logins};
use mailweave::ingest::flow::{self as arrive, Pending};
use mailweave::ingest::prepare::Reader;
use mailweave::model::{
    Account, Auth, ConnectionId, Credentials, Door, Login, Pepper, SubAccountId, Trust,
    TrustResults,
};
use mailweave::store::Store;
use mailweave::watch::driver;
use mailweave::watch::imap;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::store::{ACCOUNT, Fresh, USER, both, open};
use crate::support::lab::{Mailbox, PASSWORD, lab};

/// How long servers and a debug binary on a busy machine may take.
pub const PATIENCE: Duration = Duration::from_secs(90);
pub const CONNECTION: ConnectionId = ConnectionId(Uuid::from_u128(70));
/// The user, and a customer.
pub const ANN: &str = "Ann <ann@acme.example>";
pub const CARL: &str = "Carl <carl@customer.example>";

/// A mail as people write them.
pub fn mail(id: &str, from: &str, to: &str, more: &str) -> String {
    format!(
        "From: {from}\nTo: {to}\nSubject: Secret {id}\nMessage-ID: <{id}>\n\
        Date: Tue, 14 Nov 2023 22:13:20 +0000\n{more}\nBody of {id}\n"
    )
}

/// A mail that answers another.
pub fn reply(id: &str, from: &str, to: &str, parent: &str) -> String {
    mail(id, from, to, &format!("In-Reply-To: <{parent}>\n"))
}

/// How the watcher signs in.
pub struct Keys {
    mailbox: Mailbox,
    is_password: bool,
    /// The last token; a new one is asked for when it was refused.
    token: Mutex<Option<String>>,
    pub renewals: AtomicU32,
    pub refusals: AtomicU32,
}

impl Logins for Keys {
    async fn login(
        &self,
        _: SubAccountId,
        _: ConnectionId,
        renew: bool,
    ) -> Result<Login, LoginError> {
        let username = self.mailbox.address.clone();
        if self.is_password {
            let credentials = Credentials::Password(PASSWORD.into());
            return Ok(Login { username, credentials });
        }
        let mut token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if renew || token.is_none() {
            self.renewals.fetch_add(u32::from(renew), Ordering::SeqCst);
            *token = Some(self.mailbox.access_token());
        }
        let credentials = Credentials::Token(token.clone().expect("a token").into());
        Ok(Login { username, credentials })
    }

    async fn refused(&self, _: SubAccountId, _: ConnectionId, _: &str) {
        self.refusals.fetch_add(1, Ordering::SeqCst);
    }
}

/// Ann's mailbox is connected, and her mail `first@acme` to Carl came to her smart BCC address.
pub struct World {
    pub fresh: Fresh,
    pub store: Arc<Store>,
    pub reader: Reader,
    pub mailbox: Mailbox,
    pub keys: Arc<Keys>,
    running: Option<(CancellationToken, JoinHandle<()>)>,
}

impl World {
    /// One with a mailbox of its own.
    pub async fn new(fresh: Fresh) -> Self {
        Self::of(fresh, lab().mailbox("ann"), &lab().imap(), false).await
    }

    pub async fn of(fresh: Fresh, mailbox: Mailbox, imap: &str, is_password: bool) -> Self {
        let store = Arc::new(open(&fresh.url).await);
        let reader = Reader {
            bcc_domains: Arc::from(["bcc.example".to_owned()]),
            limits: mailweave::mail::Limits::default(),
            pepper: Pepper::new([3; 32]),
        };
        let keys = Arc::new(Keys {
            mailbox: mailbox.clone(),
            is_password,
            token: Mutex::default(),
            renewals: AtomicU32::new(0),
            refusals: AtomicU32::new(0),
        });
        let world = Self { fresh, store, reader, mailbox, keys, running: None };
        world.connect(imap).await;
        world.arrives(&mail("first@acme", ANN, CARL, "")).await;
        world
    }

    async fn connect(&self, imap: &str) {
        let fresh = &self.fresh;
        let account = Account {
            imap: imap.parse().expect("a host"),
            smtp: lab().smtp().parse().expect("a host"),
            username: self.mailbox.address.clone(),
            auth: if self.keys.is_password { Auth::Password } else { Auth::Xoauth2 },
            saves_sent: true,
        };
        let account = serde_json::to_string(&account).expect("JSON");
        let (of, user, id) = (fresh.id(ACCOUNT.0), fresh.id(USER.0), fresh.id(CONNECTION.0));
        fresh.sql(&format!("insert into connections (sub_account, id, mailbox_id, user_id, provider, account, secret_version, state, created_at, connected_at) values ({of}, {id}, {id}, {user}, 'outlook', '{account}', 0, 'active', 0, 0)")).await;
        fresh.sql(&format!("update users set connection_id = {id}")).await;
    }

    /// A mail comes to Ann's smart BCC address.
    pub async fn arrives(&self, mail: &str) {
        let content = Arc::new(mail.replace('\n', "\r\n").into_bytes());
        let read = self.reader.read(Arc::clone(&content));
        let trust = TrustResults::without_checks(Trust::Dmarc);
        let now = mailweave::clock::now();
        let submission = self.reader.submission(&read, Door::Smtp, ACCOUNT, vec![USER], trust, now);
        let pending = Pending { submission, content, envelope: None, again: None };
        arrive::file(&self.store, &[pending], now, Uuid::now_v7().as_u128()).await.expect("filed");
    }

    /// Starts the watcher, and waits until both of its sessions have read their folders.
    pub async fn watch(&mut self) {
        self.start();
        self.until("Inbox and Sent have cursors", async |world| {
            let folders = world.store.folders(ACCOUNT, CONNECTION).await.expect("folders");
            folders.iter().any(|it| it.role.name() == "inbox")
                && folders.iter().any(|it| it.role.name() == "sent")
        })
        .await;
    }

    /// Starts the watcher.
    pub fn start(&mut self) {
        let ca = lab().ca();
        let tls = mailweave::tls::client_config(Some(&ca)).expect("TLS");
        let options =
            driver::Options { imap: imap::Options::new(tls), message_bytes_max: 10_000_000 };
        let stop = CancellationToken::new();
        let running = driver::run(
            Arc::clone(&self.store),
            self.reader.clone(),
            options,
            Arc::clone(&self.keys),
            stop.clone(),
        );
        self.running = Some((stop, tokio::spawn(running)));
    }

    /// Stops the watcher, as when the gateway stops.
    pub async fn stop(&mut self) {
        if let Some((stop, task)) = self.running.take() {
            stop.cancel();
            task.await.expect("the watcher ends");
        }
    }

    /// Waits until it is so.
    pub async fn until(&self, what: &str, is_so: impl AsyncFn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self).await {
            if Instant::now() > deadline {
                panic!("it never came that {what}; verdicts: {:?}", self.verdicts().await);
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Waits until so many messages are in conversations.
    pub async fn until_messages(&self, count: usize) {
        let what = format!("there are {count} messages");
        self.until(&what, async |world| world.messages().await >= count).await;
    }

    /// Waits until so many verdicts were given.
    pub async fn until_verdicts(&self, count: usize) {
        let what = format!("there are {count} verdicts");
        self.until(&what, async |world| world.verdicts().await.len() >= count).await;
    }

    pub async fn messages(&self) -> usize {
        self.fresh.count("messages").await
    }

    /// The reasons of all verdicts, in their order.
    pub async fn verdicts(&self) -> Vec<String> {
        let rows = self.fresh.sql("select reason from verdicts order by id").await;
        rows.into_iter().flatten().collect()
    }
}

/// A test on both databases, each with a mailbox of its own.
pub async fn worlds() -> Vec<World> {
    let mut worlds = Vec::new();
    for fresh in both().await {
        worlds.push(World::new(fresh).await);
    }
    worlds
}
