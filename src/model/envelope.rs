//! The SMTP envelope (RFC 5321 2.3.1) and whom its recipients are.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Address, SubAccountId, Time, UserId};

/// Whom a recipient address belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Route {
    /// A smart BCC address of a user.
    User { sub_account: SubAccountId, user: UserId },
    /// `postmaster` (RFC 5321 4.5.1).
    Postmaster,
    /// Was a smart BCC address once; refused like an unknown one, but its sub-account is told why. Of a
    /// user who was erased the address alone is left.
    Revoked { sub_account: SubAccountId, user: Option<UserId> },
    /// Nobody's.
    Unknown,
}

/// A recipient that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    pub address: Address,
    pub route: Route,
}

/// Whom a mail came from, by SMTP, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// MAIL FROM; `None` for the null reverse-path `<>`.
    pub reverse_path: Option<Address>,
    /// RCPT TO, each once.
    pub recipients: Vec<Recipient>,
    /// The client's address, as PROXY says when there is one.
    pub peer: IpAddr,
    /// The name of EHLO or HELO.
    pub helo: String,
    /// It came over TLS.
    pub tls: bool,
    pub received_at: Time,
}
