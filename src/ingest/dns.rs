//! The one resolver of the gateway: questions, their time limits, and the cache of answers. What the
//! answers mean for a mail is `trust`'s business.
//!
//! The cache is the resolver's own: bounded in entries, negative answers briefly, failures never. A
//! second one of parsed records was tried in thought and left out: it would save microseconds, and
//! records of several kinds under one name could be made to displace each other from outside.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData};
use hickory_resolver::system_conf::read_system_conf;

/// Negative answers are forgotten after this long, whatever their SOA says: somebody who has just
/// published a record should not have to wait a day.
const NEGATIVE_TTL_MAX: Duration = Duration::from_secs(300);
/// Positive answers are forgotten after this long, whatever their TTL says.
const POSITIVE_TTL_MAX: Duration = Duration::from_secs(24 * 3_600);

/// Whom to ask, and how long to wait.
#[derive(Clone, Debug)]
pub struct Options {
    /// The resolver; `None` for those that the system is configured with.
    pub server: Option<SocketAddr>,
    /// For one question to one server; a question is asked twice before it has failed.
    pub query_timeout: Duration,
    /// Answers that are kept.
    pub cache_entries_max: u64,
    /// Questions under way at once.
    pub queries_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            server: None,
            query_timeout: Duration::from_secs(3),
            cache_entries_max: 16_384,
            queries_max: 1_024,
        }
    }
}

/// Why there is no resolver.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system's configuration is to be mended, or another resolver named.
    #[error(
        "the system's resolver configuration cannot be used; set dns.resolver to an address with a port, such as \"127.0.0.1:53\""
    )]
    System(#[source] NetError),
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// The resolver did not answer, or could not: worth asking again.
    #[error("DNS does not answer: {0}")]
    Unanswered(String),
    /// No such name can exist.
    #[error("not a domain name")]
    BadName,
}

/// A mail exchanger (RFC 5321 5.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Exchanger {
    pub preference: u16,
    /// In lower case, without a final dot.
    pub host: String,
}

/// The resolver. Clones share their cache.
#[derive(Clone)]
pub struct Dns {
    resolver: TokioResolver,
}

impl Dns {
    /// Opens the resolver; asks nothing yet.
    pub fn open(options: &Options) -> Result<Self, Error> {
        let (config, settings) = match options.server {
            Some(server) => (only_server(server), ResolverOpts::default()),
            None => read_system_conf().map_err(Error::System)?,
        };
        let resolver = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(settings_of(options, settings))
            .build()
            .map_err(Error::System)?;
        Ok(Self { resolver })
    }

    /// The resolver itself, for mail-auth.
    pub fn resolver(&self) -> &TokioResolver {
        &self.resolver
    }

    /// The mail exchangers of a domain, best first; none if it has none.
    pub async fn exchangers(&self, domain: &str) -> Result<Vec<Exchanger>, LookupError> {
        let records = found(self.resolver.mx_lookup(fqdn(domain)?).await)?;
        let mut exchangers: Vec<Exchanger> = records
            .into_iter()
            .filter_map(|data| match data {
                RData::MX(mx) => {
                    Some(Exchanger { preference: mx.preference, host: host_name(&mx.exchange) })
                }
                _ => None,
            })
            .collect();
        exchangers.sort();
        Ok(exchangers)
    }

    /// The addresses of a host; none if it has none.
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, LookupError> {
        let name = fqdn(host)?;
        let (v4, v6) =
            tokio::join!(self.resolver.ipv4_lookup(name.clone()), self.resolver.ipv6_lookup(name));
        let records = found(v4)?.into_iter().chain(found(v6)?);
        Ok(records.filter_map(|data| data.ip_addr()).collect())
    }

    /// The text records of a name, each in one piece; none if it has none.
    pub async fn texts(&self, name: &str) -> Result<Vec<String>, LookupError> {
        let records = found(self.resolver.txt_lookup(fqdn(name)?).await)?;
        let texts = records.into_iter().filter_map(|data| match data {
            RData::TXT(txt) => Some(txt.txt_data.concat()),
            _ => None,
        });
        Ok(texts.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect())
    }
}

fn only_server(address: SocketAddr) -> ResolverConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    let server = NameServerConfig::new(address.ip(), true, connections.to_vec());
    ResolverConfig::from_name_servers(vec![server])
}

fn settings_of(options: &Options, system: ResolverOpts) -> ResolverOpts {
    let mut settings = system;
    settings.timeout = options.query_timeout;
    settings.attempts = 2;
    settings.cache_size = options.cache_entries_max;
    settings.max_active_requests = options.queries_max;
    settings.positive_max_ttl = Some(POSITIVE_TTL_MAX);
    settings.negative_max_ttl = Some(NEGATIVE_TTL_MAX);
    settings.edns0 = true;
    // What a mail proves must come from DNS, not from this machine's own list of names.
    settings.use_hosts_file = ResolveHosts::Never;
    settings
}

/// With its final dot: search domains never apply.
fn fqdn(name: &str) -> Result<Name, LookupError> {
    let mut name = Name::from_str_relaxed(name).map_err(|_| LookupError::BadName)?;
    name.set_fqdn(true);
    Ok(name)
}

fn host_name(name: &Name) -> String {
    name.to_lowercase().to_ascii().trim_end_matches('.').to_owned()
}

/// "There is no such record" is an answer, too.
fn found(
    answer: Result<hickory_resolver::lookup::Lookup, NetError>,
) -> Result<Vec<RData>, LookupError> {
    match answer {
        Ok(lookup) => Ok(lookup.answers().iter().map(|record| record.data.clone()).collect()),
        Err(error) if error.is_no_records_found() => Ok(Vec::new()),
        Err(error) => Err(LookupError::Unanswered(error.to_string())),
    }
}
