//! Events leave the real process: a webhook's event is delivered again, with the same id, when the process
//! is killed between delivery and mark (D10), and a stream that is open keeps nothing from stopping (D18).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;
use standardwebhooks::Webhook;

use super::support::gateway::{Gateway, Setup};
use super::support::postgres;

/// How long a busy machine may take for what needs no time.
const PATIENCE: Duration = Duration::from_secs(90);

/// A request that was read to its end, and is not answered yet.
struct Asked {
    stream: TcpStream,
    headers: axum::http::HeaderMap,
    body: Vec<u8>,
}

fn ask(listener: &TcpListener) -> Asked {
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut headers = axum::http::HeaderMap::new();
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    loop {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        let name: axum::http::HeaderName = name.parse().unwrap();
        headers.insert(name, value.parse().unwrap());
    }
    let length = headers["content-length"].to_str().unwrap().parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    Asked { stream, headers, body }
}

/// Kills the gateway when the receiver has the event and the gateway does not know.
fn is_delivered_again_after_a_kill(setup: Setup) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let mut gateway = setup.with("OUTGOING__ALLOWED_NETWORKS", "127.0.0.1").start();
    let account = gateway.account("anna@acme.test");
    let made = account.api.post("/api/v1/webhooks", &json!({"url": url})).expect(201);
    let contact = json!({"email": "bob@client.example"});
    account.api.post("/api/v1/contacts", &contact).expect(201);
    let first = ask(&listener);
    gateway.kill9();
    drop(first.stream);

    gateway.restart();
    let account = gateway.again(&account);
    let mut second = ask(&listener);
    assert_eq!(second.headers["webhook-id"], first.headers["webhook-id"]);
    assert_eq!(second.body, first.body);
    let key = Webhook::new(made["secret"].as_str().unwrap()).unwrap();
    key.verify(&second.body, &second.headers).unwrap();
    second.stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
    let log = format!("/api/v1/webhooks/{}/deliveries", made["id"].as_str().unwrap());
    let start = Instant::now();
    while account.api.list(&log)[0]["state"] != "delivered" {
        assert!(start.elapsed() < PATIENCE, "{:?}", account.api.list(&log));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_kill_between_delivery_and_mark_repeats_the_event_on_sqlite() {
    is_delivered_again_after_a_kill(Gateway::setup());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_between_delivery_and_mark_repeats_the_event_on_postgresql() {
    let setup = Gateway::setup().with("STORE__URL", postgres::fresh_database().await);
    tokio::task::block_in_place(|| is_delivered_again_after_a_kill(setup));
}

#[test]
fn an_open_stream_tells_at_once_and_ends_when_the_gateway_stops() {
    let mut gateway = Gateway::start();
    let account = gateway.account("anna@acme.test");
    let mut stream = TcpStream::connect(gateway.http()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let token = &account.api.token;
    let request =
        format!("GET /api/v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut lines = BufReader::new(stream).lines();
    let mut wait_for = |start: &str| {
        lines.by_ref().map(Result::unwrap).find(|line| line.starts_with(start)).unwrap()
    };
    wait_for("id: ");
    account.api.post("/api/v1/contacts", &json!({"email": "b@x.example"})).expect(201);
    assert_eq!(wait_for("event: "), "event: contact.created");
    let data: serde_json::Value = serde_json::from_str(&wait_for("data: ")[6..]).unwrap();
    assert_eq!(data["data"]["email"], "b@x.example");
    gateway.signal("TERM");
    assert!(gateway.wait_for_exit(PATIENCE).success());
    assert!(lines.all(|line| line.is_ok()), "it ends as an answer ends");
}
