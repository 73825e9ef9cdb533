//! STARTTLS on a real socket (RFC 3207), and certificates that change.

use std::sync::Arc;

use mailweave::tls::{self, Certificates};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::listener::{ACCEPTED, Client, Running};

const READY: &str = "220 2.0.0 Ready to start TLS";

struct Secured {
    running: Running,
    certificates: Arc<Certificates>,
    folder: TempDir,
}

impl Secured {
    async fn start() -> Self {
        tls::install_provider();
        let folder = tempfile::tempdir().unwrap();
        let certificates = open(&folder, "a");
        let running = Running::start(|options| {
            options.certificates = Some(Arc::clone(&certificates));
            options.limits.handshake_seconds = 5;
            options.limits.connections = 4;
        })
        .await;
        Self { running, certificates, folder }
    }

    /// A client with the handshake behind it.
    async fn client(
        &self,
        version: &'static SupportedProtocolVersion,
    ) -> Client<TlsStream<TcpStream>> {
        let mut client = self.running.client().await;
        assert_eq!(client.say("STARTTLS").await, READY);
        let leaf = self.certificates.leaf().unwrap();
        Client::new(handshake(client.stream, leaf, version).await.unwrap())
    }
}

fn open(folder: &TempDir, name: &str) -> Arc<Certificates> {
    let path = |end: &str| folder.path().join(format!("{name}.{end}"));
    Certificates::open(&path("pem"), &path("key"), &["mx.example".to_owned()]).unwrap()
}

async fn handshake(
    stream: TcpStream,
    leaf: CertificateDer<'static>,
    version: &'static SupportedProtocolVersion,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(leaf).unwrap();
    let config = ClientConfig::builder_with_protocol_versions(&[version])
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("mx.example").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

#[tokio::test]
async fn takes_mail_over_tls_1_2_and_1_3() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let secured = Secured::start().await;
        let mut client = secured.client(version).await;
        assert_eq!(client.mail("x").await, ACCEPTED);
        assert!(secured.running.only().envelope.tls);
        assert!(client.say("QUIT").await.starts_with("221"));
    }
}

/// A10 (CVE-2011-0411).
#[tokio::test]
async fn forgets_what_came_in_clear_behind_starttls() {
    let secured = Secured::start().await;
    let mut client = secured.running.client().await;
    client.send("EHLO c\r\nSTARTTLS\r\nEHLO i\r\nMAIL FROM:<injected@x.example>\r\n").await;
    assert!(client.reply().await.contains("STARTTLS"));
    assert_eq!(client.reply().await, READY);
    let leaf = secured.certificates.leaf().unwrap();
    let stream = handshake(client.stream, leaf, &rustls::version::TLS13).await.unwrap();
    let mut client = Client::new(stream);
    client.is_in_step().await;
    assert!(client.say("RCPT TO:<user1@bcc.example>").await.starts_with("503"));
}

#[tokio::test]
async fn begins_anew_inside_tls() {
    let secured = Secured::start().await;
    let mut client = secured.running.client().await;
    client.begin().await;
    assert_eq!(client.say("STARTTLS").await, READY);
    let leaf = secured.certificates.leaf().unwrap();
    let stream = handshake(client.stream, leaf, &rustls::version::TLS13).await.unwrap();
    let mut client = Client::new(stream);
    assert!(client.say("RCPT TO:<user1@bcc.example>").await.starts_with("503"));
    assert!(client.say("MAIL FROM:<a@b.example>").await.starts_with("503"));
    assert!(!client.say("EHLO c").await.contains("STARTTLS"));
    assert!(client.say("STARTTLS").await.starts_with("503"));
}

/// With four places, a handshake that leaks its place is seen at the fifth.
#[tokio::test]
async fn ends_handshakes_that_are_none_and_leaks_nothing() {
    let secured = Secured::start().await;
    let hello_of_tls_1_0 = [
        &b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x01"[..],
        &[7; 32],
        b"\x00\x00\x02\x00\x2f\x01\x00",
    ]
    .concat();
    let sslv3 = b"\x16\x03\x00\x00\x05\x01\x00\x00\x01\x03".to_vec();
    for hello in [&b"garbage\r\nNOOP\r\n".repeat(20)[..], &hello_of_tls_1_0, &sslv3].repeat(20) {
        let mut client = secured.running.client().await;
        assert_eq!(client.say("STARTTLS").await, READY);
        let _cut_off = client.stream.write_all(hello).await;
        let _cut_off = client.stream.shutdown().await;
        let mut rest = Vec::new();
        let _cut_off = tokio::io::AsyncReadExt::read_to_end(&mut client.stream, &mut rest).await;
        assert!(!rest.starts_with(b"2"), "{}", rest.escape_ascii());
    }
    let mut silent = secured.running.client().await;
    assert_eq!(silent.say("STARTTLS").await, READY);
    silent.is_closed().await;
    assert_eq!(secured.client(&rustls::version::TLS13).await.mail("x").await, ACCEPTED);
}

#[tokio::test]
async fn shows_the_new_certificate_without_ending_a_session() {
    let secured = Secured::start().await;
    let mut former = secured.client(&rustls::version::TLS13).await;
    let first = secured.certificates.leaf();
    open(&secured.folder, "b");
    for end in ["pem", "key"] {
        let path = |name: &str| secured.folder.path().join(format!("{name}.{end}"));
        std::fs::copy(path("b"), path("a")).unwrap();
    }
    secured.certificates.reload().unwrap();
    assert_ne!(secured.certificates.leaf(), first);
    assert_eq!(secured.client(&rustls::version::TLS12).await.mail("new").await, ACCEPTED);
    assert_eq!(former.mail("former").await, ACCEPTED);
}

#[tokio::test]
async fn does_not_offer_tls_without_a_certificate() {
    let running = Running::start(|_| {}).await;
    let mut client = running.client().await;
    assert!(!client.say("EHLO c").await.contains("STARTTLS"));
    assert!(client.say("STARTTLS").await.starts_with("502"));
}
