//! A store, a mailbox in the laboratory, and a watcher between them.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mailweave::access::{LoginError, Logins, Trouble};
use mailweave::ingest::flow::{self as arrive, Pending};
use mailweave::ingest::prepare::Reader;
use mailweave::model::{
    Account, Auth, ConnectionId, Credentials, Door, Folder, FolderRole, Login, Pepper,
    SubAccountId, Trust, TrustResults,
};
use mailweave::store::{RawMail, Store};
use mailweave::watch::driver;
use mailweave::watch::imap;
use mailweave::watch::plan::Pace;
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
    /// Whose tokens; a password is used without.
    mailbox: Option<Mailbox>,
    /// The last token; a new one is asked for when it was refused.
    token: Mutex<Option<String>>,
    pub renewals: AtomicU32,
    pub refusals: AtomicU32,
    /// What the user was told last: why it cannot be watched.
    pub trouble: Mutex<Option<Trouble>>,
    /// So many times the code that signs in fails.
    pub failures: AtomicU32,
}

impl Logins for Keys {
    async fn login(
        &self,
        _: SubAccountId,
        _: ConnectionId,
        renew: bool,
    ) -> Result<Login, LoginError> {
        let one_less = |left: u32| left.checked_sub(1);
        let failure = self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less);
        assert!(failure.is_err(), "a failure of our own");
        let Some(mailbox) = &self.mailbox else {
            let credentials = Credentials::Password(PASSWORD.into());
            return Ok(Login { username: "ann".to_owned(), credentials });
        };
        let username = mailbox.address.clone();
        let mut token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if renew || token.is_none() {
            self.renewals.fetch_add(u32::from(renew), Ordering::SeqCst);
            *token = Some(mailbox.access_token());
        }
        let credentials = Credentials::Token(token.clone().expect("a token").into());
        Ok(Login { username, credentials })
    }

    async fn refused(&self, _: SubAccountId, _: ConnectionId, _: &str) {
        self.refusals.fetch_add(1, Ordering::SeqCst);
    }

    async fn watched(&self, _: SubAccountId, _: ConnectionId, trouble: Option<&Trouble>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble.cloned();
    }
}

/// Ann's mailbox is connected, and her mail `first@acme` to Carl came to her smart BCC address.
pub struct World {
    pub fresh: Fresh,
    pub store: Arc<Store>,
    pub reader: Reader,
    /// None with a scripted server.
    mailbox: Option<Mailbox>,
    pub keys: Arc<Keys>,
    options: driver::Options,
    running: Option<(CancellationToken, JoinHandle<()>)>,
}

impl World {
    /// One with a mailbox of its own in the laboratory.
    pub async fn new(fresh: Fresh) -> Self {
        Self::at(fresh, lab().mailbox("ann"), &lab().imap()).await
    }

    /// One with this mailbox of the laboratory, behind this host.
    pub async fn at(fresh: Fresh, mailbox: Mailbox, host: &str) -> Self {
        let tls = mailweave::tls::client_config(Some(&lab().ca())).expect("TLS");
        let options = options(imap::Options::new(tls), Duration::from_secs(2));
        Self::of(fresh, Some(mailbox), host, options).await
    }

    /// One whose server is none of the laboratory's.
    pub async fn of_scripted(fresh: Fresh, server: SocketAddr) -> Self {
        let tls = mailweave::tls::client_config(None).expect("TLS");
        let command_time = Duration::from_secs(4);
        let imap = imap::Options { command_time, ..imap::Options::new(tls) };
        let options = options(imap, Duration::from_millis(500));
        Self::of(fresh, None, &format!("{server}?plain"), options).await
    }

    async fn of(
        fresh: Fresh,
        mailbox: Option<Mailbox>,
        host: &str,
        options: driver::Options,
    ) -> Self {
        let store = Arc::new(open(&fresh.url).await);
        let reader = Reader {
            bcc_domains: Arc::from(["bcc.example".to_owned()]),
            limits: mailweave::mail::Limits::default(),
            pepper: Pepper::new([3; 32]),
        };
        let keys = Arc::new(Keys {
            mailbox: mailbox.clone(),
            token: Mutex::default(),
            renewals: AtomicU32::new(0),
            refusals: AtomicU32::new(0),
            trouble: Mutex::default(),
            failures: AtomicU32::new(0),
        });
        let world = Self { fresh, store, reader, mailbox, keys, options, running: None };
        world.connect(host).await;
        world.arrives(&mail("first@acme", ANN, CARL, "")).await;
        world
    }

    /// The mailbox in the laboratory.
    pub fn mailbox(&self) -> &Mailbox {
        self.mailbox.as_ref().expect("a mailbox in the laboratory")
    }

    async fn connect(&self, imap: &str) {
        let fresh = &self.fresh;
        let account = Account {
            imap: imap.parse().expect("a host"),
            smtp: "localhost:587".parse().expect("a host"),
            username: "ann".to_owned(),
            auth: Auth::Xoauth2,
            saves_sent: true,
        };
        let account = serde_json::to_string(&account).expect("JSON");
        let (of, user, id) = (fresh.id(ACCOUNT.0), fresh.id(USER.0), fresh.id(CONNECTION.0));
        fresh.sql(&format!("insert into connections (sub_account, id, mailbox_id, user_id, provider, account, secret_version, state, created_at, connected_at) values ({of}, {id}, {id}, {user}, 'outlook', '{account}', 0, 'active', 0, 0)")).await;
        fresh.sql(&format!("update users set connection_id = {id}")).await;
    }

    /// The connection, as a statement has it.
    pub fn connection(&self) -> String {
        self.fresh.id(CONNECTION.0)
    }

    /// A mail comes to Ann's smart BCC address.
    pub async fn arrives(&self, mail: &str) {
        let content = Arc::new(mail.replace('\n', "\r\n").into_bytes());
        let read = self.reader.read(Arc::clone(&content));
        let trust = TrustResults::without_checks(Trust::Dmarc);
        let now = mailweave::clock::now();
        let submission = self.reader.submission(&read, Door::Smtp, ACCOUNT, vec![USER], trust, now);
        let pending =
            Pending { submission, content: RawMail::pack(&content), envelope: None, again: None };
        arrive::file(&self.store, &[pending], now, Uuid::now_v7().as_u128()).await.expect("filed");
    }

    /// The Inbox was empty when the watcher was last there.
    pub async fn has_read_nothing_of_the_inbox(&self) {
        let (name, role) = ("INBOX".to_owned(), FolderRole::Inbox);
        let inbox = Folder { name, role, uid_validity: 9, uid_next: 1 };
        self.store.set_folder(ACCOUNT, CONNECTION, &inbox).await.expect("a cursor");
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
        let stop = CancellationToken::new();
        let running = driver::run(
            Arc::clone(&self.store),
            self.reader.clone(),
            driver::Options { imap: self.options.imap.clone(), ..self.options },
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
        if !self.comes(is_so).await {
            panic!("it never came that {what}; verdicts: {:?}", self.verdicts().await);
        }
    }

    /// Waits until it is so, or for as long as one should.
    pub async fn comes(&self, is_so: impl AsyncFn(&Self) -> bool) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self).await {
            if Instant::now() > deadline {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        true
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

/// Waits as long as nobody would notice: tests do not wait for minutes.
fn options(imap: imap::Options, probe_every: Duration) -> driver::Options {
    let pace = Pace {
        wait_first: Duration::from_millis(50),
        wait_max: Duration::from_secs(2),
        unready_max: Duration::from_secs(2),
        probe_every,
        poll_every: Duration::from_millis(300),
        ask_after: Duration::from_secs(600),
    };
    driver::Options { imap, message_bytes_max: 10_000_000, pace }
}

/// A test on both databases, each with a mailbox of its own.
pub async fn worlds() -> Vec<World> {
    let mut worlds = Vec::new();
    for fresh in both().await {
        worlds.push(World::new(fresh).await);
    }
    worlds
}
