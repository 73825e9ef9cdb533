//! A mailbox of the laboratory: what a test puts in and takes out, and how its account is to behave.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Client, Lab, Mail, SCOPE};
use crate::support::sender::Sender;

/// How long servers on a busy machine may take to deliver.
const PATIENCE: Duration = Duration::from_secs(60);

/// One address, and its mailbox in Dovecot.
#[derive(Clone)]
pub struct Mailbox {
    lab: &'static Lab,
    pub address: String,
}

impl Mailbox {
    pub(super) fn new(lab: &'static Lab, address: String) -> Self {
        Self { lab, address }
    }

    /// A client that is signed in as its owner: Outlook, if you like.
    pub fn client(&self) -> Client {
        Client::sign_in(self.lab.imap_in_clear(), &self.address)
    }

    /// Puts a mail into a folder; its UID.
    pub fn append(&self, folder: &str, content: &str) -> u32 {
        self.client().append(folder, content)
    }

    /// Mail from the world: through Postfix, into the Inbox.
    pub fn deliver(&self, from: &str, content: &str) {
        let mut sender = Sender::connect(self.lab.mail_server()).expect("Postfix answers");
        let reply = sender.send(from, &self.address, crlf(content).as_bytes()).expect("a reply");
        assert_eq!(reply.code, 250, "{}", reply.text);
    }

    /// All mails of a folder; none if there is no such folder.
    pub fn mails(&self, folder: &str) -> Vec<Mail> {
        self.client().mails(folder)
    }

    /// Waits until the folder has so many mails.
    #[track_caller]
    pub fn wait_for_mails(&self, folder: &str, count: usize) -> Vec<Mail> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mails = self.mails(folder);
            if mails.len() >= count {
                assert_eq!(mails.len(), count, "{folder} of {}", self.address);
                return mails;
            }
            let there = mails.len();
            assert!(Instant::now() < deadline, "{there} of {count} mails in {folder}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Changes how the account behaves: a field of `Account` in tests/lab/laboratory/accounts.py, such as
    /// `rewrites_ids`, `saves_sent`, `access_seconds`, `strict_rotation`, `fault`, `withheld_scopes`.
    pub fn behave(&self, how: &Value) -> Value {
        self.lab.control(&self.path(), how)
    }

    /// How it behaves, and what happened to it: `consents`, `refreshes`, `revocations`, `submissions`.
    pub fn account(&self) -> Value {
        self.behave(&json!({}))
    }

    fn path(&self) -> String {
        format!("/lab/accounts/{}", self.address)
    }

    /// What the token endpoint answers after a consent: `access_token`, `refresh_token`, `expires_in`.
    pub fn tokens(&self) -> Value {
        self.lab.control("/lab/tokens", &json!({ "address": self.address, "scope": SCOPE }))
    }

    /// An access token for IMAP and SMTP.
    pub fn access_token(&self) -> String {
        self.tokens()["access_token"].as_str().expect("a token").to_owned()
    }

    /// Every access token of the account has expired; refresh tokens work on.
    pub fn expire_tokens(&self) {
        self.lab.control("/lab/expire", &json!({ "address": self.address }));
    }

    /// The user takes the consent back: no token works any more.
    pub fn revoke_consent(&self) {
        self.lab.control("/lab/revoke", &json!({ "address": self.address }));
    }

    /// The server ends the mailbox's sessions.
    pub fn kick(&self) {
        self.lab.control("/lab/kick", &json!({ "address": self.address }));
    }
}

/// Lines end with CRLF, whatever they ended with.
pub(super) fn crlf(content: &str) -> String {
    content.replace("\r\n", "\n").replace('\n', "\r\n")
}
