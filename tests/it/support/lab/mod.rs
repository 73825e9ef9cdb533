//! The laboratory of `tests/lab`: Dovecot, Postfix and an OAuth 2.0 server that play Exchange Online. It
//! is started once a test run and ends with it; each test has mailboxes of its own, so that tests do not
//! disturb one another.

mod client;
mod mailbox;
mod proxy;

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::gateway::{Account, Gateway, Setup};
use super::http::{Answer, Caller};
use super::postfix;

pub use client::{Client, Mail};
pub use mailbox::Mailbox;
#[allow(unused_imports, reason = "as above")]
pub use proxy::Proxy;

/// The application as it is registered with the OAuth server.
pub const CLIENT_ID: &str = "mailweave";
pub const CLIENT_SECRET: &str = "laboratory-secret";
/// The password of every mailbox.
pub const PASSWORD: &str = "laboratory";
/// What an application asks for that reads and sends mail.
pub const SCOPE: &str = "https://outlook.office.com/IMAP.AccessAsUser.All \
    https://outlook.office.com/SMTP.Send offline_access";

/// Servers that run.
pub struct Lab {
    /// It ends with its standard input, however this process ends.
    _process: Child,
    described: Value,
}

/// The laboratory of this test run.
pub fn lab() -> &'static Lab {
    static LAB: OnceLock<Lab> = OnceLock::new();
    LAB.get_or_init(Lab::start)
}

impl Lab {
    fn start() -> Self {
        let up = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/up");
        let mut process = Command::new(&up)
            .arg("--json")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; ./test installs it", up.display()));
        let mut line = String::new();
        let output = process.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut line).expect("a description");
        let described = serde_json::from_str(&line).expect("the laboratory is up");
        Self { _process: process, described }
    }

    fn port(&self, name: &str) -> u16 {
        let port = self.described[format!("{name}_port")].as_u64();
        port.and_then(|port| u16::try_from(port).ok()).expect("a port")
    }

    fn at(&self, name: &str) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port(name)).into()
    }

    /// The authority that the servers' certificate is of, for `tls.extra_roots`.
    pub fn ca(&self) -> PathBuf {
        PathBuf::from(self.described["ca"].as_str().expect("a path"))
    }

    /// IMAP with TLS from the first byte, as the configuration writes it.
    pub fn imap(&self) -> String {
        format!("localhost:{}?tls", self.port("imaps"))
    }

    /// IMAP without TLS, so that a [`Proxy`] can read along.
    pub fn imap_in_clear(&self) -> SocketAddr {
        self.at("imap")
    }

    /// The same listener as [`Lab::imap`], for a [`Proxy`].
    pub fn imap_address(&self) -> SocketAddr {
        self.at("imaps")
    }

    /// Submission, with STARTTLS and sign-in.
    pub fn smtp(&self) -> String {
        format!("localhost:{}?starttls", self.port("submission"))
    }

    /// The same listener as [`Lab::smtp`].
    pub fn smtp_address(&self) -> SocketAddr {
        self.at("submission")
    }

    /// Where mail from the world comes in; no sign-in, everything is delivered into its mailbox.
    pub fn mail_server(&self) -> SocketAddr {
        self.at("smtp")
    }

    /// Has Postfix passed on everything it took?
    pub fn is_idle(&self) -> bool {
        let directory = self.described["directory"].as_str().expect("a path");
        postfix::is_empty(&Path::new(directory).join("postfix/queue"))
    }

    /// Where Postfix takes what it is to deliver for others; what is refused there comes back as a report.
    pub fn relay(&self) -> SocketAddr {
        self.at("inside")
    }

    pub fn authorize_url(&self) -> String {
        self.oauth_url("authorize")
    }

    /// Who signs ID tokens.
    pub fn issuer(&self) -> String {
        self.described["issuer"].as_str().expect("an issuer").to_owned()
    }

    pub fn token_url(&self) -> String {
        self.oauth_url("token")
    }

    pub fn revoke_url(&self) -> String {
        self.oauth_url("revoke")
    }

    fn oauth_url(&self, end: &str) -> String {
        format!("https://localhost:{}/common/oauth2/v2.0/{end}", self.port("oauths"))
    }

    /// A mailbox of its own for a test: empty, with the folders of Exchange. `name` is the address's
    /// beginning.
    pub fn mailbox(&'static self, name: &str) -> Mailbox {
        self.mailbox_with_sent(name, "Sent Items")
    }

    /// One whose folder of sent mail has this name, as it is on the wire.
    pub fn mailbox_with_sent(&'static self, name: &str, sent: &str) -> Mailbox {
        let mailbox = self.address(name);
        let mut client = mailbox.client();
        for folder in [sent, "Drafts", "Deleted Items", "Junk Email"] {
            client.create(folder);
        }
        mailbox.behave(&json!({ "sent_folder": sent }));
        mailbox
    }

    /// An address that mail can be sent to; its mailbox has an Inbox only.
    pub fn address(&'static self, name: &str) -> Mailbox {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Mailbox::new(self, format!("{name}-{number}@lab.test"))
    }

    fn control(&self, path: &str, body: &Value) -> Value {
        self.caller().post(path, body).expect(200)
    }

    /// The OAuth server without TLS.
    pub fn oauth_address(&self) -> SocketAddr {
        self.at("oauth")
    }

    fn caller(&self) -> Caller {
        Caller { address: self.oauth_address(), token: "none".to_owned() }
    }

    /// A gateway that knows the laboratory as `outlook`.
    pub fn known_to(&self, setup: Setup) -> Setup {
        setup
            .with("TLS__EXTRA_ROOTS", self.ca().display().to_string())
            .with("PROVIDERS__OUTLOOK__CLIENT_ID", CLIENT_ID)
            .with("PROVIDERS__OUTLOOK__CLIENT_SECRET", CLIENT_SECRET)
            .with("PROVIDERS__OUTLOOK__AUTHORIZE_URL", self.authorize_url())
            .with("PROVIDERS__OUTLOOK__TOKEN_URL", self.token_url())
            .with("PROVIDERS__OUTLOOK__IMAP", self.imap())
            .with("PROVIDERS__OUTLOOK__SMTP", self.smtp())
    }

    /// Connects a user's mailbox by consent; its id.
    pub fn connect(&self, gateway: &Gateway, account: &Account, address: &str) -> String {
        let wanted = json!({"user_id": account.user_id, "provider": "outlook", "address": address});
        let begun = account.api.post("/api/v1/mailboxes", &wanted).expect(201);
        self.accept(gateway, &begun, address);
        begun["id"].as_str().expect("an id").to_owned()
    }

    /// Consents to what the gateway has begun, and comes back to it.
    pub fn accept(&self, gateway: &Gateway, begun: &Value, address: &str) {
        let url = begun["authorization_url"].as_str().expect("a URL");
        let back = self.consent(url, address, true);
        let (_, query) = back.split_once('?').expect("a query");
        let shown = gateway.admin().get(&format!("/oauth/callback?{query}"));
        assert_eq!(shown.status, 200, "{}", String::from_utf8_lossy(&shown.body));
    }

    /// Does as a browser does on the consent page: signs in as `address` and accepts, or cancels. Answers
    /// where it is led back to. `url` is what the gateway sent the user to.
    pub fn consent(&self, url: &str, address: &str, accepts: bool) -> String {
        let path = url.split_once("/common/").map(|(_, path)| format!("/common/{path}"));
        let path = path.expect("a URL of the laboratory");
        let page = self.caller().get(&path);
        assert_eq!(page.status, 200, "{}", String::from_utf8_lossy(&page.body));
        let decision = if accepts { "accept" } else { "cancel" };
        let form = format!("address={}&decision={decision}", address.replace('@', "%40"));
        location(&self.caller().form(&path, &form))
    }
}

/// Where a redirection leads, as it was written.
fn location(answer: &Answer) -> String {
    assert_eq!(answer.status, 302, "{}", String::from_utf8_lossy(&answer.body));
    let line = answer.raw_head.lines().find(|line| line.to_lowercase().starts_with("location:"));
    line.expect("a location").split_once(": ").expect("a value").1.to_owned()
}
