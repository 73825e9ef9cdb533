//! What goes out through a connected mailbox (S1, S2, S4 to S7, T6), through the laboratory's servers, or
//! a scripted one where the laboratory would be too friendly.

mod bounces;
mod bulk;
mod copies;
mod doubt;
mod ids;
mod limits;
mod waits;

use std::ops::Deref;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{PATIENCE, Sending};
use crate::support::gateway::Setup;
use crate::support::lab::{Mail, Mailbox, lab};
use crate::support::relay::Relay;

/// A gateway with a user who has connected a mailbox.
pub struct Outlook {
    sending: Sending,
    pub mailbox: Mailbox,
    /// The connected mailbox's, in the API.
    pub id: String,
}

impl Deref for Outlook {
    type Target = Sending;

    fn deref(&self) -> &Sending {
        &self.sending
    }
}

impl Outlook {
    /// With the laboratory as it is.
    pub fn new(setup: Setup) -> Self {
        Self::of(lab().known_to(setup), lab().mailbox("anna"))
    }

    /// What is sent goes to this server.
    pub fn through(setup: Setup, relay: &Relay) -> Self {
        let smtp = format!("{}?plain", relay.address);
        let setup = lab().known_to(setup).with("PROVIDERS__OUTLOOK__SMTP", smtp);
        Self::of(setup, lab().mailbox("anna"))
    }

    /// With this mailbox of the laboratory.
    pub fn of(setup: Setup, mailbox: Mailbox) -> Self {
        let gateway = setup.with("OUTGOING__RETRY_AFTER_SECONDS", "1").start();
        let account = gateway.account("anna@acme.test");
        let id = lab().connect(&gateway, &account, &mailbox.address);
        Self { sending: Sending { gateway, account }, mailbox, id }
    }

    /// Sends a mail and waits until it has gone; the message.
    #[track_caller]
    pub fn send_to(&self, to: &str) -> Value {
        let receipt = self.send(&self.mail(to));
        self.wait_for(&receipt["id"], "sent")
    }

    /// Waits until the message's Sent copy was seen; the message.
    #[track_caller]
    pub fn wait_for_copy(&self, id: &Value) -> Value {
        let has_copy = |message: &Value| {
            let doors = message["doors"].as_array().expect("a list");
            doors.contains(&json!("imap"))
        };
        self.wait_until(id, "seen in Sent", has_copy)
    }

    /// Waits until the conversation of a message has so many; all of them.
    #[track_caller]
    pub fn wait_for_messages(&self, of: &Value, count: usize) -> Vec<Value> {
        let conversation = of["conversation_id"].as_str().expect("a conversation");
        let path = format!("/api/v1/conversations/{conversation}/messages");
        let mut messages = Vec::new();
        until(&format!("there are {count} messages"), || {
            messages = self.account.api.list(&path);
            messages.len() >= count
        });
        assert_eq!(messages.len(), count, "{messages:#?}");
        messages
    }

    /// The state of the connected mailbox.
    pub fn state(&self) -> Value {
        self.account.api.read(&format!("/api/v1/mailboxes/{}", self.id))["state"].clone()
    }

    /// How many events of a type there were of a message.
    pub fn events(&self, event_type: &str) -> i64 {
        let statement = format!("select count(*) from events where type = '{event_type}'");
        self.sql(&statement).expect("a number")
    }
}

/// Waits until it is so.
#[track_caller]
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE * 2;
    while !is_so() {
        assert!(Instant::now() < deadline, "it never came that {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What a header field says, on one line.
pub fn field(mail: &Mail, name: &str) -> Option<String> {
    let unfolded = mail.content.replace("\r\n ", " ").replace("\r\n\t", " ");
    let mut lines = unfolded.lines().take_while(|line| !line.is_empty());
    let value = lines.find_map(|line| line.strip_prefix(&format!("{name}: ")))?;
    Some(value.trim().to_owned())
}

/// The id of a mail, without brackets.
pub fn message_id(mail: &Mail) -> String {
    let id = field(mail, "Message-ID").expect("an id");
    id.trim_matches(['<', '>']).to_owned()
}

/// A mail to Anna from somebody who was written to; `more` are lines of its header.
pub fn reply(from: &str, to: &str, id: &str, more: &str) -> String {
    format!(
        "From: Carl <{from}>\nTo: {to}\nSubject: Re: Offer\nMessage-ID: <{id}>\n\
         Date: Thu, 26 Nov 2026 10:00:00 +0100\n{more}\nThank you: {id}\n"
    )
}
