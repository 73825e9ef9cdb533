//! An HTTP client as small as the tests need: one request a connection, blocking. It speaks HTTP/1.0,
//! so that an answer ends with its connection and is never chunked.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Somebody who calls the REST API with a token.
#[derive(Clone, Debug)]
pub struct Caller {
    pub address: SocketAddr,
    pub token: String,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    /// Status line and header, in lower case.
    pub head: String,
    /// The same, as it was written.
    pub raw_head: String,
    pub body: Vec<u8>,
}

impl Caller {
    pub fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None)
    }

    /// The JSON of a page that must be there.
    pub fn read(&self, path: &str) -> Value {
        self.get(path).expect(200)
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path, Some(body))
    }

    /// All items of a list, page by page.
    pub fn list(&self, path: &str) -> Vec<Value> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let first = format!("{path}{separator}limit=200");
        let mut items = Vec::new();
        let mut next = Some(first.clone());
        while let Some(page_path) = next {
            let mut page = self.read(&page_path);
            next = page["next_cursor"].as_str().map(|cursor| format!("{first}&cursor={cursor}"));
            match page["items"].take() {
                Value::Array(page_items) => items.extend(page_items),
                other => panic!("{page_path} has no items: {other}"),
            }
        }
        items
    }

    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.try_call(method, path, body)
            .unwrap_or_else(|error| panic!("{method} {path} at {}: {error}", self.address))
    }

    /// The same, for a gateway that may not be there.
    pub fn try_call(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> std::io::Result<Answer> {
        let body = body.map(Value::to_string).unwrap_or_default();
        self.request(method, path, ("application/json", ""), &body)
    }

    /// A writing call with an `Idempotency-Key`.
    pub fn post_with_key(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.try_post_with_key(path, key, body)
            .unwrap_or_else(|error| panic!("POST {path} at {}: {error}", self.address))
    }

    /// The same, for a gateway that may not be there.
    pub fn try_post_with_key(
        &self,
        path: &str,
        key: &str,
        body: &Value,
    ) -> std::io::Result<Answer> {
        let header = format!("Idempotency-Key: {key}\r\n");
        self.request("POST", path, ("application/json", &header), &body.to_string())
    }

    /// Sends a form, as a browser does.
    pub fn form(&self, path: &str, form: &str) -> Answer {
        self.request("POST", path, ("application/x-www-form-urlencoded", ""), form)
            .unwrap_or_else(|error| panic!("POST {path} at {}: {error}", self.address))
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        (content_type, headers): (&str, &str),
        body: &str,
    ) -> std::io::Result<Answer> {
        let Self { address, token } = self;
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(Duration::from_secs(60)))?;
        write!(
            socket,
            "{method} {path} HTTP/1.0\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: {content_type}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut bytes = Vec::new();
        socket.read_to_end(&mut bytes)?;
        Answer::parse(bytes).ok_or_else(|| std::io::Error::other("no HTTP answer"))
    }
}

impl Answer {
    fn parse(mut bytes: Vec<u8>) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let body = bytes.split_off(end + 4);
        let head = std::str::from_utf8(&bytes).ok()?;
        let status = head.split_ascii_whitespace().nth(1)?.parse().ok()?;
        Some(Self { status, head: head.to_lowercase(), raw_head: head.to_owned(), body })
    }

    /// The body as JSON, when the status is the one expected.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{text}");
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}
