//! The configuration: a file, over it the environment, checked as a whole before anything starts.
//! Only `app` and the commands read it; everybody else is handed options of their own.

mod environment;
mod keys;
mod providers;
mod raw;
mod sign_in;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

pub use keys::{Keys, applies_at_run_time};
pub use raw::RawConfig;

use crate::decide::send::Pace;
use crate::model::{Address, Organisation, Providers};
use crate::perimeter::Network;
use crate::send::retry::Patience;
use crate::smtp::limits::Limits;
use crate::web::Connections;

/// Everything the gateway was told, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file it was read from, if there is one.
    pub file: Option<PathBuf>,
    pub data_dir: PathBuf,
    pub smtp: Smtp,
    pub http: Http,
    pub tls: Tls,
    /// `sqlite:PATH` or `postgres://…`.
    pub store_url: SecretString,
    pub dns_resolver: Resolver,
    /// Networks that are not public, and may be connected to all the same.
    pub allowed_networks: Vec<Network>,
    pub log: raw::Log,
    pub providers: Providers,
    /// Whose people sign in by OpenID Connect.
    pub organisation: Option<Organisation>,
    /// What was set where, to tell what changed.
    pub keys: Keys,
    pub sending: Sending,
}

/// How the CRM's mail is sent.
#[derive(Debug, Clone)]
pub struct Sending {
    /// Mails on their way at once.
    pub connections: usize,
    pub pace: Pace,
    pub patience: Patience,
}

/// The SMTP listener.
#[derive(Debug, Clone)]
pub struct Smtp {
    pub listen: Vec<SocketAddr>,
    pub hostname: String,
    /// Smart BCC domains in normal form; at least one.
    pub domains: Vec<String>,
    pub max_message_bytes: usize,
    pub proxy_protocol: bool,
    /// Whose PROXY headers are believed; at least one network.
    pub proxy_from: Vec<Network>,
    pub verify: Verify,
    pub limits: Limits,
}

/// Is the sender asked about (B2)?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// SPF, DKIM and DMARC.
    Dns,
    /// The header From is believed: tests, private networks.
    Off,
}

/// The web listener.
#[derive(Debug, Clone)]
pub struct Http {
    pub listen: SocketAddr,
    pub public_url: String,
    pub tls: bool,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub proxy_from: Vec<Network>,
    /// `None`: made on first start and kept in the data directory.
    pub admin_token: Option<SecretString>,
    pub limits: Connections,
}

/// Certificates.
#[derive(Debug, Clone)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub extra_roots: Option<PathBuf>,
}

/// Where DNS is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolver {
    System,
    Server(SocketAddr),
}

/// What is wrong with the configuration: the key, where it was set, and what was expected.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read {}: {source}", file.display())]
    Unreadable { file: PathBuf, source: std::io::Error },
    #[error("{}: {message}", place(file.as_deref(), *line))]
    Syntax { file: Option<PathBuf>, line: Option<usize>, message: String },
    #[error("{key} ({origin}): expected {expected}, found {found}")]
    Value { key: String, origin: String, expected: &'static str, found: String },
    #[error("the environment variable {variable} names no key of the configuration; {hint}")]
    UnknownVariable { variable: String, hint: String },
}

fn place(file: Option<&Path>, line: Option<usize>) -> String {
    match (file, line) {
        (Some(file), Some(line)) => format!("{}, line {line}", file.display()),
        (Some(file), None) => file.display().to_string(),
        (None, _) => "the environment".to_owned(),
    }
}

impl Config {
    /// Reads the file (`config.toml` where none is named and one exists), then the environment.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let default = Path::new("config.toml");
        let file = file.or_else(|| default.exists().then_some(default));
        let text = match file {
            Some(file) => std::fs::read_to_string(file)
                .map_err(|source| Error::Unreadable { file: file.to_owned(), source })?,
            None => String::new(),
        };
        Self::parse(&text, file, environment)
    }

    /// Reads it again, as it is now (SIGHUP).
    pub fn load_again(&self) -> Result<Self, Error> {
        Self::load(self.file.as_deref(), environment::of_process())
    }

    /// Reads it as the process finds it.
    pub fn load_here(file: Option<&Path>) -> Result<Self, Error> {
        Self::load(file, environment::of_process())
    }

    /// The same from the text of the file.
    pub fn parse(
        text: &str,
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        // The file alone first: its mistakes are told by line.
        let syntax = |error: &toml::de::Error| syntax(text, file, "", error);
        let alone = toml::Deserializer::parse(text).map_err(|error| syntax(&error))?;
        check_types(alone).map_err(|(key, error)| self::syntax(text, file, &key, &error))?;
        let mut table: toml::Table = toml::from_str(text).map_err(|error| syntax(&error))?;
        environment::overlay(&mut table, environment)?;
        let keys = Keys::of(&table);
        let raw = check_types(toml::Value::Table(table));
        let raw = raw.map_err(|(key, error)| self::syntax("", None, &key, &error))?;
        check(raw, keys, file)
    }
}

/// The raw configuration, or the key whose value is of the wrong type.
fn check_types<'a, D>(source: D) -> Result<RawConfig, (String, toml::de::Error)>
where
    D: serde::Deserializer<'a, Error = toml::de::Error>,
{
    serde_path_to_error::deserialize(source)
        .map_err(|error| (error.path().to_string(), error.into_inner()))
}

fn syntax(text: &str, file: Option<&Path>, key: &str, error: &toml::de::Error) -> Error {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map(|before| before.matches('\n').count() + 1);
    let what = error.message().replace('\n', " ");
    let message = if matches!(key, "" | ".") { what } else { format!("{key}: {what}") };
    Error::Syntax {
        file: file.map(Path::to_owned),
        line: line.filter(|_| !text.is_empty()),
        message,
    }
}

fn check(raw: RawConfig, keys: Keys, file: Option<&Path>) -> Result<Config, Error> {
    let origin = match file {
        Some(file) => format!("{} or the environment", file.display()),
        None => "the environment".to_owned(),
    };
    let checker = Checker { origin };
    let data_dir = PathBuf::from(&raw.data_dir);
    Ok(Config {
        providers: checker.providers(&raw)?,
        organisation: checker.organisation(&raw.sign_in.openid)?,
        file: file.map(Path::to_owned),
        store_url: checker.store_url(&raw, &data_dir)?,
        smtp: checker.smtp(&raw)?,
        http: checker.http(&raw)?,
        tls: Tls {
            certificate: raw.tls.certificate.into(),
            key: raw.tls.key.into(),
            extra_roots: Some(PathBuf::from(raw.tls.extra_roots))
                .filter(|path| !path.as_os_str().is_empty()),
        },
        dns_resolver: checker.resolver(&raw.dns.resolver)?,
        allowed_networks: checker
            .networks("outgoing.allowed_networks", &raw.outgoing.allowed_networks)?,
        sending: checker.sending(&raw.outgoing)?,
        log: checker.log(raw.log)?,
        keys,
        data_dir,
    })
}

/// Checks values; knows where they may have been set.
struct Checker {
    origin: String,
}

impl Checker {
    fn wrong(&self, key: &str, expected: &'static str, found: &str) -> Error {
        let (key, origin, found) = (key.to_owned(), self.origin.clone(), format!("\"{found}\""));
        Error::Value { key, origin, expected, found }
    }

    fn socket(&self, key: &str, text: &str) -> Result<SocketAddr, Error> {
        text.parse()
            .map_err(|_| self.wrong(key, "ADDRESS:PORT such as 127.0.0.1:2525 or [::]:25", text))
    }

    fn smtp(&self, raw: &RawConfig) -> Result<Smtp, Error> {
        let smtp = &raw.smtp;
        let listen = smtp.listen.iter().map(|text| self.socket("smtp.listen", text));
        let listen = listen.collect::<Result<Vec<_>, _>>()?;
        if listen.is_empty() {
            return Err(self.wrong("smtp.listen", "at least one ADDRESS:PORT", ""));
        }
        let domains = smtp.domains.iter().map(|text| self.domain("smtp.domains", text));
        let domains = domains.collect::<Result<Vec<_>, _>>()?;
        if domains.is_empty() {
            return Err(self.wrong("smtp.domains", "at least one domain", ""));
        }
        let verify = match smtp.verify.as_str() {
            "dns" => Verify::Dns,
            "off" => Verify::Off,
            other => return Err(self.wrong("smtp.verify", "\"dns\" or \"off\"", other)),
        };
        let proxy_from = self.networks("smtp.proxy_from", &smtp.proxy_from)?;
        if proxy_from.is_empty() {
            return Err(self.wrong("smtp.proxy_from", "at least one network", ""));
        }
        if smtp.max_message_bytes == 0 {
            return Err(self.wrong("smtp.max_message_bytes", "at least 1", "0"));
        }
        if let Some(name) = smtp.limits.zero() {
            return Err(self.wrong(&format!("smtp.limits.{name}"), "at least 1", "0"));
        }
        Ok(Smtp {
            listen,
            hostname: self.domain("smtp.hostname", &smtp.hostname)?,
            domains,
            max_message_bytes: smtp.max_message_bytes,
            proxy_protocol: smtp.proxy_protocol,
            proxy_from,
            verify,
            limits: smtp.limits.clone(),
        })
    }

    fn domain(&self, key: &str, text: &str) -> Result<String, Error> {
        let address = Address::parse(&format!("postmaster@{text}"));
        let domain = address.map(|address| address.domain().to_owned());
        domain.ok_or_else(|| self.wrong(key, "a domain name such as bcc.example.com", text))
    }

    fn http(&self, raw: &RawConfig) -> Result<Http, Error> {
        let listen = self.socket("http.listen", &raw.http.listen)?;
        let url = match raw.http.public_url.as_str() {
            "" => local_url(listen, raw.http.tls),
            url => url.trim_end_matches('/').to_owned(),
        };
        let host = url.strip_prefix("https://").or(url.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.contains(['/', ' ', '?', '#'])) {
            let expected = "a URL without a path, such as https://mail.example.com";
            return Err(self.wrong("http.public_url", expected, &url));
        }
        if raw.http.limits.connections == 0 || raw.http.limits.connections_per_ip == 0 {
            return Err(self.wrong("http.limits", "at least 1 connection", "0"));
        }
        let token = raw.http.admin_token.expose_secret();
        Ok(Http {
            listen,
            public_url: url,
            tls: raw.http.tls,
            proxy_from: self.networks("http.proxy_from", &raw.http.proxy_from)?,
            limits: raw.http.limits,
            admin_token: (!token.is_empty()).then(|| raw.http.admin_token.clone()),
        })
    }

    fn store_url(&self, raw: &RawConfig, data_dir: &Path) -> Result<SecretString, Error> {
        if raw.store.blobs != "store" {
            // Raw mail lives in the store; the key is there for the day it can live elsewhere.
            return Err(self.wrong(
                "store.blobs",
                "\"store\" (others are not supported yet)",
                &raw.store.blobs,
            ));
        }
        let url = raw.store.url.expose_secret();
        if url.is_empty() {
            return Ok(format!("sqlite:{}", data_dir.join("mailweave.db").display()).into());
        }
        let known = ["sqlite:", "postgres://", "postgresql://"];
        if !known.iter().any(|scheme| url.starts_with(scheme)) {
            let expected = "nothing, sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE";
            return Err(self.wrong("store.url", expected, "another kind of URL"));
        }
        Ok(url.to_owned().into())
    }

    fn resolver(&self, text: &str) -> Result<Resolver, Error> {
        match text {
            "system" => Ok(Resolver::System),
            other => match other.parse() {
                Ok(address) => Ok(Resolver::Server(address)),
                Err(_) => Err(self.wrong("dns.resolver", "\"system\" or ADDRESS:PORT", other)),
            },
        }
    }

    fn networks(&self, key: &str, texts: &[String]) -> Result<Vec<Network>, Error> {
        let expected = "addresses or networks such as 127.0.0.1, 10.0.0.0/8 or fd00::/8";
        let network = |text: &String| text.parse().map_err(|_| self.wrong(key, expected, text));
        texts.iter().map(network).collect()
    }

    fn sending(&self, raw: &raw::Outgoing) -> Result<Sending, Error> {
        let counts = [
            ("outgoing.connections", raw.connections),
            ("outgoing.connections_per_relay", raw.connections_per_relay),
            ("outgoing.connections_per_mailbox", raw.connections_per_mailbox),
            ("outgoing.per_mailbox_per_minute", raw.per_mailbox_per_minute),
            ("outgoing.retry_after_seconds", raw.retry_after_seconds as usize),
            ("outgoing.give_up_after_hours", raw.give_up_after_hours as usize),
        ];
        if let Some((key, value)) = counts.into_iter().find(|(_, value)| *value == 0) {
            return Err(self.wrong(key, "at least 1", &value.to_string()));
        }
        let patience = Patience {
            first_seconds: raw.retry_after_seconds.into(),
            give_up_seconds: i64::from(raw.give_up_after_hours) * 3_600,
            ..Patience::default()
        };
        let pace = Pace {
            per_mailbox_per_minute: raw.per_mailbox_per_minute,
            connections_per_mailbox: raw.connections_per_mailbox,
            connections_per_relay: raw.connections_per_relay,
        };
        Ok(Sending { connections: raw.connections, pace, patience })
    }

    fn log(&self, log: raw::Log) -> Result<raw::Log, Error> {
        if !["text", "json"].contains(&log.format.as_str()) {
            return Err(self.wrong("log.format", "\"text\" or \"json\"", &log.format));
        }
        if tracing_subscriber::EnvFilter::try_new(&log.filter).is_err() {
            let expected = "a filter such as info or mailweave=debug,info";
            return Err(self.wrong("log.filter", expected, &log.filter));
        }
        Ok(log)
    }
}

impl Http {
    /// A port that was free is known only now; links without a `public_url` of the operator's name it.
    pub fn bound_to(&mut self, address: SocketAddr) {
        if self.public_url == local_url(self.listen, self.tls) {
            self.public_url = local_url(address, self.tls);
        }
    }
}

/// Where a browser on this machine finds the gateway.
fn local_url(listen: SocketAddr, tls: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    let ip = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    format!("{scheme}://{}", SocketAddr::new(ip, listen.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, environment: &[(&str, &str)]) -> Result<Config, Error> {
        let environment =
            environment.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Config::parse(text, Some(Path::new("config.toml")), environment)
    }

    #[test]
    fn works_without_a_file() {
        let config = parse("", &[]).unwrap();
        assert_eq!(config.smtp.domains, ["bcc.localhost"]);
        assert_eq!(config.store_url.expose_secret(), "sqlite:data/mailweave.db");
    }

    #[test]
    fn the_environment_stands_over_the_file() {
        let file = "data_dir = \"x\"\n[smtp]\nlisten = [\"127.0.0.1:1\"]\nverify = \"dns\"\n";
        let environment = [
            ("MAILWEAVE_SMTP__LISTEN", "127.0.0.1:2, [::1]:3"),
            ("MAILWEAVE_SMTP__VERIFY", "off"),
            ("MAILWEAVE_SMTP__PROXY_PROTOCOL", "true"),
            ("MAILWEAVE_SMTP__PROXY_FROM", "203.0.113.7, fd00::/8"),
            ("MAILWEAVE_SMTP__LIMITS__CONNECTIONS", "7"),
            ("MAILWEAVE_HTTP__LISTEN", "127.0.0.1:0"),
            ("MAILWEAVE_OUTGOING__ALLOWED_NETWORKS", "127.0.0.0/8, ::1"),
            ("MAILWEAVE_DATA_DIR", "y"),
            ("HOME", "/root"),
        ];
        let config = parse(file, &environment).unwrap();
        assert_eq!(config.smtp.listen.len(), 2);
        assert_eq!((config.smtp.verify, config.smtp.limits.connections), (Verify::Off, 7));
        assert_eq!(config.data_dir, Path::new("y"));
        assert!(config.smtp.proxy_protocol);
        assert_eq!(config.smtp.proxy_from.len(), 2);
        assert_eq!(config.allowed_networks.len(), 2);
    }

    #[test]
    fn links_lead_where_it_listens_unless_told_otherwise() {
        for (file, expected) in [
            ("", "http://127.0.0.1:8025"),
            ("[http]\nlisten = \"0.0.0.0:80\"\n", "http://127.0.0.1:80"),
            ("[http]\nlisten = \"[::]:443\"\ntls = true\n", "https://[::1]:443"),
            ("[http]\nlisten = \"10.0.0.7:8025\"\n", "http://10.0.0.7:8025"),
            ("[http]\npublic_url = \"https://crm.example/\"\n", "https://crm.example"),
        ] {
            assert_eq!(parse(file, &[]).unwrap().http.public_url, expected, "{file}");
        }
    }

    #[test]
    fn mistakes_are_told_with_key_place_and_what_was_expected() {
        let tables: [(&str, &[(&str, &str)], &[&str]); 14] = [
            ("[smtp]\nlisten = 5\n", &[], &["config.toml, line 2", "invalid type"]),
            ("\n\n[smtp]\nlissten = []\n", &[], &["config.toml, line 4", "lissten", "listen"]),
            ("[smtp\n", &[], &["config.toml, line 1"]),
            ("[smtp]\nlisten = [\"here\"]\n", &[], &["smtp.listen", "ADDRESS:PORT", "here"]),
            ("[smtp]\nverify = \"maybe\"\n", &[], &["smtp.verify", "\"dns\" or \"off\""]),
            ("[smtp]\ndomains = []\n", &[], &["smtp.domains", "at least one"]),
            ("[smtp]\nproxy_from = []\n", &[], &["smtp.proxy_from", "at least one"]),
            ("[smtp]\nproxy_from = [\"lb\"]\n", &[], &["smtp.proxy_from", "10.0.0.0/8"]),
            (
                "[outgoing]\nallowed_networks = [\"10/8\"]\n",
                &[],
                &["allowed_networks", "10.0.0.0/8"],
            ),
            ("", &[("MAILWEAVE_SMTP_LISTEN", "x")], &["MAILWEAVE_SMTP_LISTEN", "two underscores"]),
            ("", &[("MAILWEAVE_SMTP__LISSTEN", "x")], &["environment", "lissten"]),
            ("", &[("MAILWEAVE_HTTP__TLS", "maybe")], &["environment", "http.tls", "boolean"]),
            ("[smtp.limits]\nerrors = \"x\"\n", &[], &["line 2", "smtp.limits.errors", "u32"]),
            ("[smtp.limits]\nconnections = 0\n", &[], &["smtp.limits.connections", "at least 1"]),
        ];
        for (file, environment, words) in tables {
            let error = parse(file, environment).unwrap_err().to_string();
            for word in words {
                assert!(error.contains(word), "{file:?} {environment:?}: {error}");
            }
        }
    }

    #[test]
    fn secrets_are_not_told() {
        let file = "[http]\nadmin_token = \"a very secret token\"\n[store]\nurl = \"postgres://u:hush@h/d\"\n";
        let debug = format!("{:?}", parse(file, &[]).unwrap());
        assert!(!debug.contains("very secret") && !debug.contains("hush"), "{debug}");
    }
}
