//! One attempt at one webhook: where it may go, how it is signed (Standard Webhooks), what is made of the
//! answer. When it is attempted, and how often, is not decided here.

use std::error::Error as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Response, redirect};
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP};
use url::{Host, Url};

use super::retry::Answer;
use crate::model::{EventId, SubAccountId, Time, WebhookId};
use crate::perimeter::{self, Perimeter};

/// For an attempt as a whole: name, connection, answer.
const TIME_MAX: Duration = Duration::from_secs(10);
/// For the rest of an answer, once its status is known.
const REST_MAX: Duration = Duration::from_secs(1);
/// Bytes of an answer that are read before its connection is given up.
const ANSWER_BYTES_MAX: usize = 65_536;
/// Header fields of an answer.
const ANSWER_FIELDS_MAX: usize = 100;
/// For the look-up of a host that is about to become a webhook's.
const LOOKUP_MAX: Duration = Duration::from_secs(5);
/// The longest URL.
const URL_BYTES_MAX: usize = 2_048;

/// Why a URL cannot be a webhook's; it is for people to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    #[error("must be a URL of at most 2048 characters that begins with https:// or http://")]
    Unreadable,
    #[error("must not hold a user name or a password")]
    Credentials,
    #[error("must not hold a fragment (#)")]
    Fragment,
    #[error("must use port 80, 443, or one above 1023")]
    Port,
    #[error("is not at a public address; the operator may allow it with outgoing.allowed_networks")]
    Private,
}

/// Where webhooks are sent from.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    perimeter: Perimeter,
}

/// What is sent.
pub struct Post<'a> {
    pub url: &'a str,
    /// As the customer was shown it.
    pub secret: &'a str,
    pub id: EventId,
    pub body: &'a str,
    pub now: Time,
}

/// What a webhook's secret is sealed to.
pub fn secret_place(of: SubAccountId, id: WebhookId) -> Vec<u8> {
    [b"webhook".as_slice(), of.0.as_bytes(), id.0.as_bytes()].concat()
}

impl Client {
    /// One that reaches what the perimeter admits, and believes these authorities.
    pub fn new(perimeter: Perimeter, tls: Arc<rustls::ClientConfig>) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(Arc::unwrap_or_clone(tls))
            .dns_resolver(Arc::new(perimeter.clone()))
            // A proxy would resolve names where nobody looks at the addresses.
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .timeout(TIME_MAX)
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(Duration::from_secs(30))
            .http1_only()
            .http1_max_headers(ANSWER_FIELDS_MAX)
            .user_agent(concat!("Mailweave/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, perimeter })
    }

    /// Can it be a webhook's URL? Its host is looked up, to tell a person at once; what counts is where
    /// it is when something is sent.
    pub async fn check(&self, text: &str) -> Result<Url, BadUrl> {
        let url = self.read(text)?;
        let host = url.host_str().unwrap_or_default();
        match tokio::time::timeout(LOOKUP_MAX, self.perimeter.resolve(host)).await {
            Ok(Err(perimeter::Error::Refused { .. })) => Err(BadUrl::Private),
            // A host may come into being later.
            _ => Ok(url),
        }
    }

    /// Reads a URL. A literal address never passes through the resolver: it is looked at here.
    fn read(&self, text: &str) -> Result<Url, BadUrl> {
        if text.len() > URL_BYTES_MAX {
            return Err(BadUrl::Unreadable);
        }
        let url = Url::parse(text).map_err(|_| BadUrl::Unreadable)?;
        if !["http", "https"].contains(&url.scheme()) {
            return Err(BadUrl::Unreadable);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadUrl::Credentials);
        }
        if url.fragment().is_some() {
            return Err(BadUrl::Fragment);
        }
        // Nobody else's protocol is spoken to: mail servers, shells, databases of old.
        if !matches!(url.port_or_known_default(), Some(80 | 443 | 1024..)) {
            return Err(BadUrl::Port);
        }
        let address = match url.host().ok_or(BadUrl::Unreadable)? {
            Host::Ipv4(address) => Some(IpAddr::V4(address)),
            Host::Ipv6(address) => Some(IpAddr::V6(address)),
            Host::Domain(_) => None,
        };
        match address {
            Some(address) if !self.perimeter.admits(address) => Err(BadUrl::Private),
            _ => Ok(url),
        }
    }

    /// Makes one attempt.
    pub async fn post(&self, post: &Post<'_>) -> Answer {
        let url = match self.read(post.url) {
            Ok(url) => url,
            Err(bad) => return failed(format!("the URL {bad}")),
        };
        let Some(headers) = headers(post) else {
            return failed("the secret cannot be used; make the webhook anew");
        };
        let request = self.http.post(url).headers(headers).body(post.body.to_owned());
        match request.send().await {
            Ok(response) => answer(response).await,
            Err(error) => failed(words(&error)),
        }
    }
}

/// Standard Webhooks, "Webhook Headers": id, timestamp and signature over both and the body.
fn headers(post: &Post<'_>) -> Option<HeaderMap> {
    // A secret that could not be opened: signed with nothing, it would pass for anybody's.
    if post.secret.is_empty() {
        return None;
    }
    let key = standardwebhooks::Webhook::new(post.secret).ok()?;
    let (id, timestamp) = (post.id.to_string(), post.now.as_seconds());
    let signature = key.sign(&id, timestamp, post.body.as_bytes()).ok()?;
    let fields = [
        (CONTENT_TYPE.as_str(), "application/json".to_owned()),
        (HEADER_WEBHOOK_ID, id),
        (HEADER_WEBHOOK_TIMESTAMP, timestamp.to_string()),
        (HEADER_WEBHOOK_SIGNATURE, signature),
    ];
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.insert(name, value.parse().ok()?);
    }
    Some(headers)
}

fn failed(error: impl Into<String>) -> Answer {
    Answer { error: Some(error.into()), ..Answer::default() }
}

/// The status alone decides. What follows it is read and forgotten, so that the connection can be used
/// again, and only as far as that is cheap.
async fn answer(mut response: Response) -> Answer {
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let answer = Answer {
        status: Some(status.as_u16()),
        error: match status.as_u16() {
            200..=299 => None,
            300..=399 => Some(format!("answered {status}; redirects are not followed")),
            _ => Some(format!("answered {status}")),
        },
        retry_after: retry_after.and_then(|seconds| seconds.parse().ok()),
    };
    let rest = async {
        let mut length = 0;
        while let Ok(Some(chunk)) = response.chunk().await {
            length += chunk.len();
            if length > ANSWER_BYTES_MAX {
                break;
            }
        }
    };
    let _ = tokio::time::timeout(REST_MAX, rest).await;
    answer
}

/// What went wrong, without what only the operator may know: where the host is inside.
fn words(error: &reqwest::Error) -> &'static str {
    let mut cause = error.source();
    while let Some(inner) = cause {
        match inner.downcast_ref::<perimeter::Error>() {
            Some(perimeter::Error::Refused { .. }) => return "the host is not at a public address",
            Some(perimeter::Error::Unresolved { .. }) => return "the host's address is not found",
            Some(perimeter::Error::Unreachable { .. }) => return "the host cannot be reached",
            None => cause = inner.source(),
        }
    }
    if error.is_timeout() {
        "no answer within 10 seconds"
    } else if error.is_connect() {
        "no connection: nobody listens, or the certificate is not trusted"
    } else {
        "the connection ended before there was an answer"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perimeter::System;

    fn client(allowed: &[&str]) -> Client {
        let allowed: Vec<_> = allowed.iter().map(|text| text.parse().unwrap()).collect();
        let perimeter = Perimeter::new(&allowed, Arc::new(System));
        Client::new(perimeter, crate::tls::client_config(None).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn takes_public_places_only() {
        let client = client(&[]);
        let table = [
            ("https://1.1.1.1/hook?key=x", Ok(())),
            ("http://8.8.8.8:8080/", Ok(())),
            ("https://[2606:4700::1111]/", Ok(())),
            ("https://no-such-host.invalid/", Ok(())),
            ("http://127.0.0.1/", Err(BadUrl::Private)),
            ("http://[::1]/", Err(BadUrl::Private)),
            ("http://0/", Err(BadUrl::Private)),
            ("http://127.1/", Err(BadUrl::Private)),
            ("http://2130706433/", Err(BadUrl::Private)),
            ("http://0x7f.1/", Err(BadUrl::Private)),
            ("http://0177.0.0.1/", Err(BadUrl::Private)),
            ("http://[::ffff:127.0.0.1]/", Err(BadUrl::Private)),
            ("http://[::ffff:7f00:1]/", Err(BadUrl::Private)),
            ("http://[64:ff9b::127.0.0.1]/", Err(BadUrl::Private)),
            ("http://169.254.169.254/latest/meta-data/", Err(BadUrl::Private)),
            ("http://10.1.2.3/", Err(BadUrl::Private)),
            ("http://100.64.0.1/", Err(BadUrl::Private)),
            ("http://[fe80::1]/", Err(BadUrl::Private)),
            ("http://[fd00::1]/", Err(BadUrl::Private)),
            ("http://127。0。0。1/", Err(BadUrl::Private)),
            ("http://①②⑦.0.0.1/", Err(BadUrl::Private)),
            ("http://localhost/", Err(BadUrl::Private)),
            ("http://LOCALHOST:8080/", Err(BadUrl::Private)),
            ("file:///etc/passwd", Err(BadUrl::Unreadable)),
            ("gopher://1.1.1.1/", Err(BadUrl::Unreadable)),
            ("javascript:alert(1)", Err(BadUrl::Unreadable)),
            ("//1.1.1.1/", Err(BadUrl::Unreadable)),
            ("https://", Err(BadUrl::Unreadable)),
            ("", Err(BadUrl::Unreadable)),
            ("http://1.1.1.1:25/", Err(BadUrl::Port)),
            ("http://1.1.1.1:0/", Err(BadUrl::Port)),
            ("https://1.1.1.1:22/", Err(BadUrl::Port)),
            ("https://user:pass@1.1.1.1/", Err(BadUrl::Credentials)),
            ("https://1.1.1.1@127.0.0.1/", Err(BadUrl::Credentials)),
            ("https://1.1.1.1/#x", Err(BadUrl::Fragment)),
        ];
        for (url, expected) in table {
            assert_eq!(client.check(url).await.map(drop), expected, "{url}");
        }
        let long = format!("https://1.1.1.1/{}", "x".repeat(URL_BYTES_MAX));
        assert_eq!(client.check(&long).await, Err(BadUrl::Unreadable));
    }

    #[tokio::test]
    async fn takes_what_the_operator_allows() {
        let client = client(&["127.0.0.0/8", "::1"]);
        for url in ["http://127.0.0.1:8080/", "http://localhost:8080/", "http://[::1]:8080/"] {
            assert!(client.check(url).await.is_ok(), "{url}");
        }
        assert_eq!(client.check("http://10.0.0.1/").await, Err(BadUrl::Private));
    }

    #[test]
    fn signs_as_the_specification_says() {
        // The example of the specification's own libraries.
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let id = EventId(uuid::Uuid::from_u128(7));
        let now = crate::clock::now();
        let post = Post { url: "", secret, id, body: "{\"type\":\"x\"}", now };
        let mut headers = headers(&post).unwrap();
        let key = standardwebhooks::Webhook::new(secret).unwrap();
        key.verify(post.body.as_bytes(), &headers).unwrap();
        assert!(key.verify(b"{\"type\":\"y\"}", &headers).is_err());
        assert!(super::headers(&Post { secret: "", ..post }).is_none());
        headers.insert(HEADER_WEBHOOK_ID, "another".parse().unwrap());
        assert!(key.verify(post.body.as_bytes(), &headers).is_err());
    }
}
