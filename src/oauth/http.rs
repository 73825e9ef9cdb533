//! The one HTTP client that tokens travel with: no redirects, no cookies, bounded in time and size.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use oauth2::http::{HeaderMap, StatusCode, header};
use oauth2::{HttpRequest, HttpResponse};
use rustls::ClientConfig;
use serde_json::Value;
use url::Url;

use super::Error;
use crate::perimeter::Perimeter;

/// For one answer in all.
const TIME_MAX: Duration = Duration::from_secs(20);
/// An answer with three tokens has some kilobytes.
const BODY_BYTES_MAX: usize = 65_536;
/// A server that asks for a longer pause is asked again after this one.
const RETRY_AFTER_MAX: u64 = 3_600;
/// No access token is believed to live longer.
const LIFE_SECONDS_MAX: u64 = 86_400;

/// Sends requests of the oauth2 crate.
#[derive(Clone, Debug)]
pub struct Http {
    client: reqwest::Client,
}

impl Http {
    /// With these authorities, to whatever host the operator named.
    pub fn new(tls: &Arc<ClientConfig>) -> Result<Self, Error> {
        Self::build(tls, reqwest::Client::builder())
    }

    /// The same, to what the perimeter admits. A proxy would resolve names where nobody looks at the addresses.
    pub fn within(perimeter: &Perimeter, tls: &Arc<ClientConfig>) -> Result<Self, Error> {
        let resolver = Arc::new(perimeter.clone());
        Self::build(tls, reqwest::Client::builder().dns_resolver(resolver).no_proxy())
    }

    fn build(tls: &Arc<ClientConfig>, builder: reqwest::ClientBuilder) -> Result<Self, Error> {
        let mut tls = ClientConfig::clone(tls);
        tls.alpn_protocols = Vec::new();
        let client = builder
            .tls_backend_preconfigured(tls)
            // RFC 9700 2.6: a token goes to the endpoint it is meant for and nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIME_MAX)
            .connect_timeout(TIME_MAX / 2)
            .referer(false)
            .build()
            .map_err(|error| Error::Broken(error.to_string()))?;
        Ok(Self { client })
    }

    /// The same, as the oauth2 crate wants to be handed it.
    pub fn sender(
        &self,
    ) -> impl Fn(HttpRequest) -> BoxFuture<'static, Result<HttpResponse, Error>> + Send + Sync + use<>
    {
        let http = self.clone();
        move |request| {
            let http = http.clone();
            Box::pin(async move { http.send(request).await })
        }
    }

    /// What is to be read at a URL.
    pub async fn get(&self, url: &Url) -> Result<Vec<u8>, Error> {
        let broken = |error| Error::Broken(format!("The provider's address is wrong: {error}."));
        let request = oauth2::http::Request::get(url.as_str()).body(Vec::new()).map_err(broken)?;
        let answer = self.send(request).await?;
        match answer.status() {
            StatusCode::OK => Ok(answer.into_body()),
            status => {
                let text =
                    format!("The provider does not say what it is (HTTP {}).", status.as_u16());
                Err(Error::Broken(text))
            }
        }
    }

    /// One request. What is no answer to it, and what asks for a pause, is an error already here.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        let (parts, body) = request.into_parts();
        let url = parts.uri.to_string();
        let request = self.client.request(parts.method, url).headers(parts.headers).body(body);
        let mut response = request.send().await.map_err(|error| unavailable(&error))?;
        let status = response.status();
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            let text = format!("The provider cannot answer just now (HTTP {}).", status.as_u16());
            return Err(Error::Unavailable { text, retry_after: retry_after(response.headers()) });
        }
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| unavailable(&error))? {
            if body.len() + piece.len() > BODY_BYTES_MAX {
                return Err(Error::Broken("The provider's answer does not end.".to_owned()));
            }
            body.extend_from_slice(&piece);
        }
        let mut answer = HttpResponse::new(tidy(body));
        *answer.status_mut() = status;
        answer.headers_mut().extend(response.headers().clone());
        Ok(answer)
    }
}

fn unavailable(error: &reqwest::Error) -> Error {
    // The URL is left out: what an error says may end up before a user.
    let why = match (error.is_timeout(), error.is_connect()) {
        (true, _) => "does not answer in time",
        (_, true) => "cannot be reached",
        _ => "broke off the connection",
    };
    Error::Unavailable { text: format!("The provider {why}."), retry_after: None }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: u64 = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds.min(RETRY_AFTER_MAX)))
}

/// `expires_in` as a number of seconds that can be: Microsoft has sent it as text, others below zero.
fn tidy(body: Vec<u8>) -> Vec<u8> {
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(&body) else { return body };
    let Some(life) = fields.get_mut("expires_in") else { return body };
    let seconds = match &*life {
        Value::String(text) => text.trim().parse().unwrap_or(0.0),
        value => value.as_f64().unwrap_or(0.0),
    };
    // The conversion saturates, and turns what is no number into 0.
    *life = Value::from((seconds as u64).min(LIFE_SECONDS_MAX));
    serde_json::to_vec(&fields).unwrap_or(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_a_number_of_seconds_that_can_be() {
        let rows = [
            ("3599", 3599),
            ("\"3599\"", 3599),
            ("-1", 0),
            ("1e18", 86_400),
            ("99999999999999999999999", 86_400),
            ("null", 0),
            ("{}", 0),
        ];
        for (written, seconds) in rows {
            let body = tidy(format!("{{\"expires_in\":{written}}}").into_bytes());
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["expires_in"], seconds, "{written}");
        }
        for body in ["<html>", "[]", "", "{\"a\":1}"] {
            assert_eq!(tidy(body.into()), body.as_bytes());
        }
    }
}
