//! The configuration as it is written: every key with its default, nothing checked but its type.

use std::collections::BTreeMap;

use secrecy::SecretString;
use serde::Deserialize;

use crate::smtp::limits::Limits;
use crate::web::Connections;

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawConfig {
    pub data_dir: String,
    pub smtp: Smtp,
    pub http: Http,
    pub tls: Tls,
    pub store: Store,
    pub dns: Dns,
    pub outgoing: Outgoing,
    pub sign_in: SignIn,
    pub log: Log,
    /// Mail providers by name; their defaults are built in.
    pub providers: BTreeMap<String, Provider>,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            data_dir: "data".to_owned(),
            smtp: Smtp::default(),
            http: Http::default(),
            tls: Tls::default(),
            store: Store::default(),
            dns: Dns::default(),
            outgoing: Outgoing::default(),
            sign_in: SignIn::default(),
            log: Log::default(),
            providers: BTreeMap::new(),
        }
    }
}

/// This machine.
const LOOPBACK: [&str; 2] = ["127.0.0.0/8", "::1"];
/// Loopback, private and link-local networks (RFC 1122, 1918, 6598, 3927, 4193, 4291), where a load
/// balancer stands.
const PRIVATE_NETWORKS: [&str; 9] = [
    "127.0.0.0/8",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "::1",
    "fc00::/7",
    "fe80::/10",
];

/// `[smtp]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Smtp {
    pub listen: Vec<String>,
    pub hostname: String,
    pub domains: Vec<String>,
    pub max_message_bytes: usize,
    pub proxy_protocol: bool,
    pub proxy_from: Vec<String>,
    pub verify: String,
    pub limits: Limits,
}

impl Default for Smtp {
    fn default() -> Self {
        Self {
            listen: vec!["127.0.0.1:2525".to_owned()],
            hostname: "localhost".to_owned(),
            domains: vec!["bcc.localhost".to_owned()],
            max_message_bytes: 36_700_160,
            proxy_protocol: false,
            proxy_from: PRIVATE_NETWORKS.map(str::to_owned).to_vec(),
            verify: "dns".to_owned(),
            limits: Limits::default(),
        }
    }
}

/// `[http]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    pub listen: String,
    pub public_url: String,
    pub tls: bool,
    pub proxy_from: Vec<String>,
    pub admin_token: SecretString,
    pub limits: Connections,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8025".to_owned(),
            public_url: String::new(),
            tls: false,
            proxy_from: LOOPBACK.map(str::to_owned).to_vec(),
            admin_token: SecretString::default(),
            limits: Connections::default(),
        }
    }
}

/// `[tls]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    pub certificate: String,
    pub key: String,
    pub extra_roots: String,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            certificate: "certs/cert.pem".to_owned(),
            key: "certs/key.pem".to_owned(),
            extra_roots: String::new(),
        }
    }
}

/// `[store]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Store {
    pub url: SecretString,
    pub blobs: String,
}

impl Default for Store {
    fn default() -> Self {
        Self { url: SecretString::default(), blobs: "store".to_owned() }
    }
}

/// `[dns]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dns {
    pub resolver: String,
}

impl Default for Dns {
    fn default() -> Self {
        Self { resolver: "system".to_owned() }
    }
}

/// `[outgoing]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outgoing {
    pub allowed_networks: Vec<String>,
    pub connections: usize,
    pub connections_per_relay: usize,
    pub connections_per_mailbox: usize,
    pub per_mailbox_per_minute: usize,
    pub retry_after_seconds: u32,
    pub give_up_after_hours: u32,
}

impl Default for Outgoing {
    fn default() -> Self {
        Self {
            allowed_networks: Vec::new(),
            connections: 100,
            connections_per_relay: 20,
            connections_per_mailbox: 3,
            per_mailbox_per_minute: 30,
            retry_after_seconds: 60,
            give_up_after_hours: 24,
        }
    }
}

/// `[sign_in]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SignIn {
    pub openid: OpenId,
}

/// `[sign_in.openid]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenId {
    pub issuer: String,
    pub client_id: String,
    pub client_secret: SecretString,
    pub name: String,
    pub allowed_domains: Vec<String>,
    pub trust_preferred_username: bool,
}

impl Default for OpenId {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            client_id: String::new(),
            client_secret: SecretString::default(),
            name: "your organisation".to_owned(),
            allowed_domains: Vec::new(),
            trust_preferred_username: false,
        }
    }
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    pub filter: String,
    pub format: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { filter: "info".to_owned(), format: "text".to_owned() }
    }
}

/// `[providers.NAME]`: where a mailbox provider is; a key that is absent has the preset's value.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Provider {
    pub client_id: Option<String>,
    pub client_secret: Option<SecretString>,
    pub authorize_url: Option<String>,
    pub token_url: Option<String>,
    pub revoke_url: Option<String>,
    pub consent_url: Option<String>,
    pub issuer: Option<String>,
    pub scopes: Option<Vec<String>>,
    pub watch: Option<String>,
    pub imap: Option<String>,
    pub smtp: Option<String>,
    pub auth: Option<String>,
    pub saves_sent: Option<bool>,
}
