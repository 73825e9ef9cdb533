//! What the CRM sends: what kind of mail it is, which way it goes, and how far it has come.

use std::fmt;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{
    Address, ConnectionId, Host, RecipientReport, Security, StoredMessageId, Time, UserId,
};

/// Why it is sent (S1 to S3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SendKind {
    /// A person to a person.
    Individual,
    /// One mail to many, each gets their own.
    Bulk,
    /// Written by an automation of the CRM.
    Workflow,
}

impl SendKind {
    /// Its name in the API and the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Individual => "individual",
            Self::Bulk => "bulk",
            Self::Workflow => "workflow",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Individual, Self::Bulk, Self::Workflow].into_iter().find(|it| it.name() == name)
    }
}

/// How far the sending of a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SendStatus {
    /// It waits for its first try.
    Queued,
    /// It was put off, and will be tried again.
    Retrying,
    Sent,
    /// It will not be tried again.
    Failed,
    /// The server may have it or not (S5).
    Unknown,
    /// It was sent, and a delivery report says that it did not arrive.
    Bounced,
    Cancelled,
}

impl SendStatus {
    const ALL: [Self; 7] = [
        Self::Queued,
        Self::Retrying,
        Self::Sent,
        Self::Failed,
        Self::Unknown,
        Self::Bounced,
        Self::Cancelled,
    ];

    /// Its name in the API and the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Retrying => "retrying",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Bounced => "bounced",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// The way a mail goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Via {
    /// The user's connected mailbox.
    Mailbox(ConnectionId),
    /// The sub-account provider.
    Relay,
}

/// From whom and to whom, as SMTP is told (RFC 5321 2.3.1). Kept as JSON with the message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    pub from: Address,
    pub recipients: Vec<Delivery>,
}

/// One recipient, and what became of the mail for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub address: Address,
    pub state: DeliveryState,
    /// What the server said of them alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
}

/// What became of a mail for one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Still to be tried.
    Waiting,
    Accepted,
    Refused,
}

impl Route {
    /// To all of them, for the first time.
    pub fn new(from: Address, recipients: impl IntoIterator<Item = Address>) -> Self {
        let waiting = |address| Delivery { address, state: DeliveryState::Waiting, reply: None };
        let mut route = Self { from, recipients: Vec::new() };
        for address in recipients {
            if !route.recipients.iter().any(|it| it.address == address) {
                route.recipients.push(waiting(address));
            }
        }
        route
    }

    /// Those who are still to be tried.
    pub fn waiting(&self) -> impl Iterator<Item = &Address> {
        let waiting = |it: &&Delivery| it.state == DeliveryState::Waiting;
        self.recipients.iter().filter(waiting).map(|it| &it.address)
    }

    /// Has somebody got it?
    pub fn is_accepted_by_some(&self) -> bool {
        self.recipients.iter().any(|it| it.state == DeliveryState::Accepted)
    }

    /// Who is still waiting gets it no more.
    pub fn refuse_waiting(&mut self, why: &str) {
        for delivery in &mut self.recipients {
            if delivery.state == DeliveryState::Waiting {
                delivery.state = DeliveryState::Refused;
                delivery.reply = Some(why.to_owned());
            }
        }
    }

    /// What a delivery report would say of those who were refused at once.
    pub fn refused(&self) -> Vec<RecipientReport> {
        let refused = self.recipients.iter().filter(|it| it.state == DeliveryState::Refused);
        let report = |it: &Delivery| RecipientReport {
            address: it.address.written().to_owned(),
            status: it.reply.as_deref().and_then(enhanced_status).unwrap_or("5.0.0").to_owned(),
            hard: true,
        };
        refused.map(report).collect()
    }
}

/// The enhanced status code in a reply (RFC 3463 2): `550 5.1.1 No such user`.
pub fn enhanced_status(reply: &str) -> Option<&str> {
    reply.split_whitespace().take(2).find(|word| {
        let numbers = word.split('.').map(|part| part.len() <= 3 && part.parse::<u16>().is_ok());
        word.split('.').count() == 3 && numbers.into_iter().all(|is_number| is_number)
    })
}

/// A message that is put into the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    pub message: StoredMessageId,
    pub kind: SendKind,
    pub user: UserId,
    pub via: Via,
    pub route: Route,
    /// Not before then.
    pub send_at: Option<Time>,
    /// The mails of one bulk sending have one.
    pub bulk: Option<uuid::Uuid>,
    /// The caller's key, and which mail of the call it is (S5).
    pub request: Option<(String, i64)>,
}

/// The SMTP relay of a sub-account (S3). Kept as sealed JSON.
#[derive(Clone, Serialize, Deserialize)]
pub struct Relay {
    pub host: String,
    pub port: u16,
    /// Empty: the relay knows us by our address, nobody signs in.
    pub username: String,
    #[serde(serialize_with = "exposed")]
    pub password: SecretString,
    /// What is sent from another domain than `allowed_domains` is sent from here.
    pub default_from: String,
    pub allowed_domains: Vec<String>,
    /// `None`: TLS is demanded; on this machine itself it is used where it is offered.
    #[serde(default)]
    pub security: Option<RelaySecurity>,
}

/// How the connection to a relay is kept private, when somebody says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RelaySecurity {
    Tls,
    StartTls,
    /// To this machine itself only.
    Plain,
}

fn exposed<S: serde::Serializer>(secret: &SecretString, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(secrecy::ExposeSecret::expose_secret(secret))
}

impl Relay {
    /// Where it is; and whether TLS is left to what the server offers.
    pub fn target(&self) -> Option<(Host, bool)> {
        let option = match self.security {
            None => "",
            Some(RelaySecurity::Tls) => "?tls",
            Some(RelaySecurity::StartTls) => "?starttls",
            Some(RelaySecurity::Plain) => "?plain",
        };
        let host: Host = format!("{}:{}{option}", self.host, self.port).parse().ok()?;
        let is_open = self.security.is_none() && host.security == Security::StartTls;
        let if_offered = is_open && host.is_loopback();
        Some((host, if_offered))
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Relay({}:{})", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_enhanced_status_of_a_reply() {
        for (reply, status) in [
            ("550 5.1.1 No such user", Some("5.1.1")),
            ("5.7.139 Authentication unsuccessful", Some("5.7.139")),
            ("550 No such user", None),
            ("550 a.b.c", None),
            ("", None),
        ] {
            assert_eq!(enhanced_status(reply), status, "{reply}");
        }
    }

    #[test]
    fn a_relay_abroad_is_never_clear() {
        let relay = |host: &str, port, security| Relay {
            host: host.to_owned(),
            port,
            username: String::new(),
            password: "secret".into(),
            default_from: String::new(),
            allowed_domains: Vec::new(),
            security,
        };
        let rows = [
            ("smtp.example.com", 587, None, Some((Security::StartTls, false))),
            ("smtp.example.com", 465, None, Some((Security::Tls, false))),
            ("smtp.example.com", 587, Some(RelaySecurity::Plain), None),
            ("127.0.0.1", 2525, None, Some((Security::StartTls, true))),
            ("127.0.0.1", 2525, Some(RelaySecurity::StartTls), Some((Security::StartTls, false))),
            ("localhost", 25, Some(RelaySecurity::Plain), Some((Security::Plain, false))),
            ("no such host", 25, None, None),
        ];
        for (host, port, security, expected) in rows {
            let target = relay(host, port, security).target();
            assert_eq!(target.map(|(host, open)| (host.security, open)), expected, "{host}:{port}");
        }
        assert!(!format!("{:?}", relay("x", 1, None)).contains("secret"));
    }

    #[test]
    fn a_recipient_named_twice_gets_one_mail() {
        let address = |text: &str| Address::parse(text).unwrap();
        let to = ["a@x.example", "A@X.example", "b@x.example"].map(address);
        assert_eq!(Route::new(address("f@x.example"), to).waiting().count(), 2);
    }
}
