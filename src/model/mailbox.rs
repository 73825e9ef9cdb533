//! Connected mailboxes: where their servers are, how they are signed in to, and how they stand.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

/// How a mailbox stands, as the API shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailboxState {
    /// The consent or the proof of it is under way.
    Connecting,
    Active,
    /// The provider wants the user to consent again (M3).
    NeedsReauth,
    Disconnected,
}

impl MailboxState {
    const ALL: [Self; 4] = [Self::Connecting, Self::Active, Self::NeedsReauth, Self::Disconnected];

    /// Its name in the API and the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Active => "active",
            Self::NeedsReauth => "needs_reauth",
            Self::Disconnected => "disconnected",
        }
    }

    /// The state of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// Where a connection leads, without its secret. Kept as JSON with the connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub imap: Host,
    pub smtp: Host,
    /// What it signs in with.
    pub username: String,
    pub auth: Auth,
    /// The provider files a copy of what is sent in the Sent folder by itself (S6).
    pub saves_sent: bool,
}

/// How a mailbox is signed in to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// An OAuth 2.0 access token.
    Xoauth2,
    Password,
}

/// What a mailbox is signed in with, for one try.
#[derive(Clone, Debug)]
pub struct Login {
    pub username: String,
    pub credentials: Credentials,
}

/// A secret of a mailbox.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// An access token, for XOAUTH2.
    Token(SecretString),
    Password(SecretString),
}

/// What a folder is watched for (T8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FolderRole {
    Inbox,
    Sent,
    /// One that rules may move mail to.
    Other,
}

impl FolderRole {
    /// Its name in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Sent => "sent",
            Self::Other => "other",
        }
    }

    /// The role of that name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Inbox, Self::Sent, Self::Other].into_iter().find(|role| role.name() == name)
    }
}

/// How far a folder has been read (T7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// On the wire: modified UTF-7 (RFC 3501 5.1.3).
    pub name: String,
    pub role: FolderRole,
    /// While this number stays, UIDs keep their meaning (RFC 3501 2.3.1.1).
    pub uid_validity: u32,
    /// The lowest UID that was not seen yet.
    pub uid_next: u32,
}

/// A server for outgoing connections: `host:port`, with `?tls`, `?starttls` or `?plain` where the port
/// does not say it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Host {
    pub name: String,
    pub port: u16,
    pub security: Security,
}

/// How a connection is kept from being read by others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte (RFC 8314).
    Tls,
    /// TLS after STARTTLS, which is demanded.
    StartTls,
    /// None; only to this machine itself.
    Plain,
}

/// Why a text is not a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    #[error("must be HOST:PORT, like imap.example.com:993")]
    Form,
    #[error("may end in ?tls, ?starttls or ?plain, nothing else")]
    Security,
    #[error("?plain is allowed to this machine only (localhost, 127.0.0.1, ::1)")]
    PlainAbroad,
}

/// A name that DNS could hold (RFC 1035 2.3.4).
const NAME_MAX: usize = 253;

impl Host {
    /// Is it this machine?
    pub fn is_loopback(&self) -> bool {
        let bare = self.name.trim_start_matches('[').trim_end_matches(']');
        self.name == "localhost"
            || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// What is asked for a connection: the name without the brackets of an IPv6 address.
    pub fn dial(&self) -> (&str, u16) {
        (self.name.trim_start_matches('[').trim_end_matches(']'), self.port)
    }

    /// RFC 8314 3: these ports have TLS from the start.
    const fn usual_security(port: u16) -> Security {
        match port {
            993 | 465 => Security::Tls,
            _ => Security::StartTls,
        }
    }
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let (server, option) = match text.split_once('?') {
            Some((server, option)) => (server, Some(option)),
            None => (text, None),
        };
        let (name, port) = server.rsplit_once(':').ok_or(HostError::Form)?;
        let port: u16 = port.parse().map_err(|_| HostError::Form)?;
        let is_bracketed = name.starts_with('[') && name.ends_with(']');
        let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let is_good = match is_bracketed {
            true => name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok(),
            false => !name.is_empty() && name.len() <= NAME_MAX && name.bytes().all(is_name_byte),
        };
        if !is_good || port == 0 {
            return Err(HostError::Form);
        }
        let security = match option {
            None => Self::usual_security(port),
            Some("tls") => Security::Tls,
            Some("starttls") => Security::StartTls,
            Some("plain") => Security::Plain,
            Some(_) => return Err(HostError::Security),
        };
        let host = Self { name: name.to_ascii_lowercase(), port, security };
        if security == Security::Plain && !host.is_loopback() {
            return Err(HostError::PlainAbroad);
        }
        Ok(host)
    }
}

impl TryFrom<String> for Host {
    type Error = HostError;

    fn try_from(text: String) -> Result<Self, HostError> {
        text.parse()
    }
}

impl From<Host> for String {
    fn from(host: Host) -> Self {
        host.to_string()
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.port)?;
        match self.security {
            security if security == Self::usual_security(self.port) => Ok(()),
            Security::Tls => f.write_str("?tls"),
            Security::StartTls => f.write_str("?starttls"),
            Security::Plain => f.write_str("?plain"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_says_where_and_how() {
        let rows = [
            ("outlook.office365.com:993", Security::Tls),
            ("smtp.office365.com:587", Security::StartTls),
            ("smtp.example.com:465", Security::Tls),
            ("127.0.0.1:10993?tls", Security::Tls),
            ("mail.example.com:993?starttls", Security::StartTls),
            ("localhost:10143?plain", Security::Plain),
            ("[::1]:10143?plain", Security::Plain),
        ];
        for (text, security) in rows {
            let host: Host = text.parse().unwrap();
            assert_eq!((host.to_string().as_str(), host.security), (text, security));
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        use HostError::{Form, PlainAbroad, Security};
        let rows = [
            ("", Form),
            ("example.com", Form),
            ("example.com:0", Form),
            ("example.com:70000", Form),
            ("user@example.com:993", Form),
            ("exam ple.com:993", Form),
            (":993", Form),
            ("[::1:993", Form),
            ("example.com:993?ssl", Security),
            ("example.com:143?plain", PlainAbroad),
            ("127.0.0.1.example.com:143?plain", PlainAbroad),
        ];
        for (text, error) in rows {
            assert_eq!(text.parse::<Host>(), Err(error), "{text}");
        }
    }
}
