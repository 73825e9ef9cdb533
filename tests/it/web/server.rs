//! The HTTP server on a real socket, with shrunk limits (D18).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::routing::get;
use axum::{Extension, Router};
use futures_util::StreamExt;
use mailweave::web::{Connections, Front, Lasting, Limits, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

struct Server {
    address: std::net::SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        Self::of(Router::new().route("/", get(async || "hello")), limits).await
    }

    async fn of(router: Router, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(listener, router, Front::default(), limits, stop.clone()));
        Self { address, stop, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes, and reads until the server closes.
    async fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // The server may refuse before everything is sent.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

fn hasty() -> Limits {
    let connections = Connections { connections: 8, connections_per_ip: 4 };
    let short = Duration::from_millis(200);
    Limits { connections, header: short, header_when_few: short, ..Limits::default() }
}

/// Asks until there is a place.
async fn asked_again(server: &Server) -> String {
    loop {
        let answer = server.exchange(REQUEST).await;
        if !answer.starts_with("HTTP/1.1 429 ") {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn slow_and_silent_clients_make_room_for_others() {
    let server = Server::start(hasty()).await;
    let mut slow = Vec::new();
    for bytes in [&b"G"[..], b"", b"GET / HTTP/1.1\r\nHo", b"PRI * HTTP/2.0\r\n"] {
        let mut stream = server.connect().await;
        stream.write_all(bytes).await.unwrap();
        slow.push(stream);
    }
    assert!(asked_again(&server).await.ends_with("hello"));
    // One that asks once and then keeps its connection idle is closed as well.
    let mut idle = server.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    idle.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("hello"));
}

#[tokio::test]
async fn who_finds_no_place_is_told_so() {
    let patient = Duration::from_secs(60);
    let limits = Limits { header: patient, header_when_few: patient, ..hasty() };
    let server = Server::start(limits).await;
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(server.connect().await);
    }
    let answer = server.exchange(REQUEST).await;
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("Retry-After"), "{answer}");
    assert!(answer.contains("too_many_connections_of_address"), "{answer}");
    drop(held);
    assert!(asked_again(&server).await.ends_with("hello"));

    let connections = Connections { connections: 1, connections_per_ip: 4 };
    let server = Server::start(Limits { connections, ..limits }).await;
    let _held = server.connect().await;
    let answer = server.exchange(REQUEST).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("application/problem+json"), "{answer}");
}

#[tokio::test]
async fn oversize_and_ambiguous_requests_are_refused() {
    let server = Server::start(hasty()).await;
    let many_headers = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(100_000));
    let long_path = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1_000_000));
    for bytes in [many_headers.as_bytes(), long_path.as_bytes(), b"EHLO mail.example\r\n\r\n"] {
        let answer = server.exchange(bytes).await;
        assert!(!answer.contains(" 200 "), "{answer}");
    }
    let smuggled = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n";
    let answer = server.exchange(smuggled).await;
    assert!(!answer.contains("hello"), "{answer}");
    assert!(server.exchange(REQUEST).await.ends_with("hello"));
}

#[tokio::test]
async fn stops_when_it_is_told_to() {
    let server = Server::start(hasty()).await;
    let _idle = server.connect().await;
    assert!(server.exchange(REQUEST).await.ends_with("hello"));
    server.stop.cancel();
    server.task.await.unwrap();
}

/// An answer without an end, which tells when it is dropped.
fn endless(
    pieces: impl futures_util::Stream<Item = Vec<u8>> + Send + 'static,
) -> (Router, tokio::sync::mpsc::Receiver<()>) {
    let (dropped, is_dropped) = tokio::sync::mpsc::channel(1);
    // A handler may run more than once, the stream only once.
    let once = Arc::new(Mutex::new(Some((Box::pin(pieces), dropped))));
    let answer = move |Extension(lasting): Extension<Lasting>| {
        let (pieces, dropped) = once.lock().unwrap().take().unwrap();
        let guard = (lasting.begin(), dropped);
        let body = pieces.map(move |piece| {
            let _held = &guard;
            Ok::<_, std::convert::Infallible>(piece)
        });
        async move { Body::from_stream(body) }
    };
    (Router::new().route("/", get(answer)), is_dropped)
}

#[tokio::test]
async fn a_reader_that_never_reads_is_dropped() {
    let full = futures_util::stream::repeat_with(|| vec![b'x'; 65_536]);
    let (router, mut is_dropped) = endless(full);
    let limits = Limits { write: Duration::from_millis(200), ..Limits::default() };
    let server = Server::of(router, limits).await;
    let mut reader = server.connect().await;
    reader.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert_eq!(is_dropped.recv().await, None, "the stream is given up");
    drop(reader);
}

#[tokio::test]
async fn a_stream_outlasts_other_connections() {
    let ticks = tokio::time::interval(Duration::from_millis(20));
    let ticks = futures_util::stream::unfold(ticks, async |mut ticks| {
        ticks.tick().await;
        Some((b"tick".to_vec(), ticks))
    });
    let (router, mut is_dropped) = endless(ticks);
    let short = Duration::from_millis(50);
    let limits = Limits { connection: short, grace: short, ..Limits::default() };
    let server = Server::of(router, limits).await;
    let mut reader = server.connect().await;
    reader.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    // Many times as long as the limit.
    let mut text = String::new();
    while text.matches("tick").count() < 100 {
        let mut bytes = [0; 4096];
        let length = reader.read(&mut bytes).await.unwrap();
        assert!(length > 0, "closed after {text}");
        text.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
    }
    drop(reader);
    assert_eq!(is_dropped.recv().await, None);
}
