//! The PROXY protocol on a real socket.

use mailweave::smtp::driver::Proxy;

use super::listener::{ACCEPTED, Running};

const LOOPBACK: std::net::Ipv4Addr = std::net::Ipv4Addr::LOCALHOST;

async fn behind_balancer() -> Running {
    Running::start(|options| {
        options.proxy = Proxy::From(vec!["127.0.0.0/30".parse().unwrap()]);
        options.limits.proxy_seconds = 3;
        options.limits.connections_per_ip = 1;
    })
    .await
}

#[tokio::test]
async fn believes_the_balancer_about_the_client() {
    let running = behind_balancer().await;
    let mut client = running.connect(LOOPBACK).await;
    client.send("PROXY TCP4 203.0.113.9 192.0.2.1 4000 25\r\nNOOP\r\n").await;
    assert!(client.reply().await.starts_with("220"));
    assert!(client.reply().await.starts_with("250"), "what followed in one piece is kept");
    assert_eq!(client.mail("x").await, ACCEPTED);
    assert_eq!(running.only().envelope.peer.to_string(), "203.0.113.9");

    let mut same = running.connect(LOOPBACK).await;
    same.send("PROXY TCP4 203.0.113.9 192.0.2.1 4001 25\r\n").await;
    assert!(same.reply().await.starts_with("421 4.7.0"), "counted by the client's address");
    let mut other = running.connect(LOOPBACK).await;
    other.send("PROXY TCP6 2001:db8::1 2001:db8::2 4001 25\r\n").await;
    assert!(other.reply().await.starts_with("220"));
}

#[tokio::test]
async fn takes_the_balancers_own_checks() {
    let running = behind_balancer().await;
    let mut client = running.connect(LOOPBACK).await;
    client.send(b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00").await;
    assert!(client.reply().await.starts_with("220"));
}

#[tokio::test]
async fn believes_nobody_else() {
    // PROXY is never believed from an unlisted peer.
    let running = behind_balancer().await;
    let mut client = running.connect([127, 0, 0, 9].into()).await;
    assert_eq!(client.reply().await, "", "closed before it says anything");
    let mut balancer = running.connect([127, 0, 0, 2].into()).await;
    balancer.send("PROXY TCP4 203.0.113.9 192.0.2.1 4000 25\r\n").await;
    assert!(balancer.reply().await.starts_with("220"));
}

#[tokio::test]
async fn speaks_to_nobody_without_the_header() {
    let running = behind_balancer().await;
    for early in ["EHLO x\r\n", "PROXY TCP4 nonsense\r\n", "PROXY TCP4 203.0", ""] {
        let mut client = running.connect(LOOPBACK).await;
        client.send(early).await;
        assert_eq!(client.reply().await, "", "{early:?}");
    }
}
