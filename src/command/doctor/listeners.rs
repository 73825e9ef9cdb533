//! The listeners: does somebody answer where mail and browsers are to come?

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Check;
use crate::config::Config;

/// For connecting, and for the greeting.
const WAIT_MAX: Duration = Duration::from_secs(3);

pub(super) async fn check(config: &Config) -> Vec<Check> {
    let mut checks = Vec::new();
    for address in &config.smtp.listen {
        checks.push(check_smtp(reachable(*address), config.smtp.proxy_protocol).await);
    }
    checks.push(check_http(reachable(config.http.listen)).await);
    checks
}

async fn check_smtp(address: SocketAddr, proxy_protocol: bool) -> Check {
    let name = "smtp.listen";
    let Some(mut stream) = connect(address).await else { return nobody(name, address) };
    if proxy_protocol {
        return Check::ok(name, format!("{address} accepts connections (from the proxy)"));
    }
    let mut greeting = [0; 4];
    match timeout(WAIT_MAX, stream.read_exact(&mut greeting)).await {
        Ok(Ok(_)) if greeting.starts_with(b"220") => Check::ok(name, format!("{address} greets")),
        Ok(Ok(_)) if greeting.starts_with(b"421") => {
            let advice = "raise smtp.limits.connections, or look who holds so many";
            Check::warn(name, format!("{address} is too busy to greet"), advice)
        }
        _ => {
            let advice = "another program has the port: end it, or set smtp.listen to another";
            Check::fail(name, format!("what answers at {address} is no SMTP server"), advice)
        }
    }
}

async fn check_http(address: SocketAddr) -> Check {
    match connect(address).await {
        Some(_) => Check::ok("http.listen", format!("{address} accepts connections")),
        None => nobody("http.listen", address),
    }
}

fn nobody(name: &str, address: SocketAddr) -> Check {
    let found = format!("nobody answers at {address}");
    Check::warn(name, found, "start the gateway: `mailweave serve`")
}

async fn connect(address: SocketAddr) -> Option<TcpStream> {
    timeout(WAIT_MAX, TcpStream::connect(address)).await.ok()?.ok()
}

/// Who listens everywhere is reached on this machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::super::Status;
    use super::*;

    async fn greeted_with(greeting: &'static [u8]) -> Status {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(greeting).await.unwrap();
        });
        let check = check_smtp(address, false).await;
        task.await.unwrap();
        check.status
    }

    #[tokio::test]
    async fn tells_a_gateway_from_another_program() {
        assert_eq!(greeted_with(b"220 mail.firm.example ESMTP\r\n").await, Status::Ok);
        assert_eq!(greeted_with(b"421 4.3.2 busy\r\n").await, Status::Warn);
        assert_eq!(greeted_with(b"SSH-2.0-x\r\n").await, Status::Fail);
        assert_eq!(greeted_with(b"").await, Status::Fail);
    }

    #[test]
    fn who_listens_everywhere_is_reached_here() {
        for (listen, expected) in [
            ("0.0.0.0:25", "127.0.0.1:25"),
            ("[::]:25", "[::1]:25"),
            ("10.0.0.1:25", "10.0.0.1:25"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()), expected.parse().unwrap());
        }
    }
}
