//! Sender trust (B2) against a name server on loopback: who is believed, who is not, and of whom it
//! is not known. ATTACKS C1 to C5, G-7.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::DkimSigner;
use mailweave::ingest::dns::{self, Dns};
use mailweave::ingest::trust::{Options, Verifier};
use mailweave::model::{Address, Envelope, Person, Time, Trust, TrustResults};

pub mod zone;

use zone::{Fault, PEER, Zone};

const MAIL: &str = "From: Bea <bea@firm.example>\r\nTo: carl@customer.example\r\n\
                    Subject: The offer\r\nMessage-ID: <offer@firm.example>\r\n\r\nDear Carl,\r\n";
const SPF: &str = "v=spf1 ip4:192.0.2.25 -all";
const SPF_OF_OTHERS: &str = "v=spf1 ip4:198.51.100.1 -all";

/// A mail on its way, with what DNS says about it.
struct Case {
    zone: Zone,
    reverse_path: Option<&'static str>,
    helo: &'static str,
    from: Option<&'static str>,
    raw: Vec<u8>,
}

impl Case {
    fn new() -> Self {
        Self {
            zone: Zone::default(),
            reverse_path: Some("bea@firm.example"),
            helo: "mail.firm.example",
            from: Some("bea@firm.example"),
            raw: MAIL.as_bytes().to_vec(),
        }
    }

    fn zone(mut self, change: impl FnOnce(Zone) -> Zone) -> Self {
        self.zone = change(self.zone);
        self
    }

    fn reverse_path(mut self, path: Option<&'static str>) -> Self {
        self.reverse_path = path;
        self
    }

    fn raw(mut self, raw: &str) -> Self {
        self.raw = raw.as_bytes().to_vec();
        self
    }

    /// Signs with a fresh key whose public half is published.
    fn signed(self, domain: &str, fields: &[&str]) -> Self {
        self.signed_with(domain, fields, false)
    }

    fn signed_with(mut self, domain: &str, fields: &[&str], body_length: bool) -> Self {
        let (signed, key) = sign(&self.raw, domain, fields, body_length);
        self.raw = signed;
        self.zone(|zone| zone.txt(&format!("s._domainkey.{domain}"), &key))
    }

    fn envelope(&self) -> Envelope {
        Envelope {
            reverse_path: self.reverse_path.and_then(Address::parse),
            recipients: Vec::new(),
            peer: PEER,
            helo: self.helo.to_owned(),
            tls: true,
            received_at: Time::from_seconds(1_800_000_000),
        }
    }

    async fn verify(self) -> TrustResults {
        let server = self.zone.clone().serve().await;
        let verifier = verifier(server.address, Duration::from_millis(300));
        verify(&self, &verifier).await
    }
}

fn sign(raw: &[u8], domain: &str, fields: &[&str], body_length: bool) -> (Vec<u8>, String) {
    let pkcs8 = Ed25519Key::generate_pkcs8().unwrap();
    let key = Ed25519Key::from_pkcs8_der(&pkcs8).unwrap();
    let public = base64::engine::general_purpose::STANDARD.encode(key.public_key());
    let signature = DkimSigner::from_key(key)
        .domain(domain)
        .selector("s")
        .headers(fields.iter().copied())
        .body_length(body_length)
        .sign(raw)
        .unwrap();
    let signed = [signature.to_header().into_bytes(), raw.to_vec()].concat();
    (signed, format!("v=DKIM1; k=ed25519; p={public}"))
}

fn verifier(resolver: SocketAddr, query_timeout: Duration) -> Verifier {
    Verifier::new(&options(resolver, query_timeout)).unwrap()
}

fn options(resolver: SocketAddr, query_timeout: Duration) -> Options {
    Options {
        dns: dns::Options { server: Some(resolver), query_timeout, ..dns::Options::default() },
        ..Options::default()
    }
}

async fn verify(case: &Case, verifier: &Verifier) -> TrustResults {
    let from = case.from.map(|from| Person::new(Address::parse(from).unwrap()));
    verifier.verify(&case.envelope(), &case.raw, from.as_ref()).await
}

const MANY: &str = "\"Surname, Given\" <given.surname@customer.example>,\r\n ";
const FIELDS: [&str; 4] = ["From", "To", "Subject", "Message-ID"];

#[tokio::test]
async fn believes_in_the_order_of_b2() {
    let with_spf = |zone: Zone| zone.txt("firm.example", SPF);
    let with_dmarc = |zone: Zone| zone.txt("_dmarc.firm.example", "v=DMARC1; p=reject");
    let rows = [
        ("dmarc by spf", Case::new().zone(with_spf).zone(with_dmarc), Trust::Dmarc),
        (
            "dmarc by dkim",
            Case::new()
                .zone(with_dmarc)
                .zone(|zone| zone.txt("firm.example", SPF_OF_OTHERS))
                .signed("firm.example", &FIELDS),
            Trust::Dmarc,
        ),
        (
            "dkim before spf",
            Case::new().zone(with_spf).signed("firm.example", &FIELDS),
            Trust::Dkim,
        ),
        ("spf alone", Case::new().zone(with_spf), Trust::Spf),
        (
            "spf of a mail to six hundred people",
            Case::new()
                .zone(with_spf)
                .raw(&format!("Cc: {}x@y.example\r\n{MAIL}", MANY.repeat(600))),
            Trust::Spf,
        ),
        ("nothing", Case::new(), Trust::Unverified),
        ("dmarc without a pass", Case::new().zone(with_dmarc), Trust::Unverified),
        (
            "spf of the greeting for the null path",
            Case::new()
                .reverse_path(None)
                .zone(with_dmarc)
                .zone(|zone| zone.txt("mail.firm.example", SPF)),
            Trust::Dmarc,
        ),
        (
            "dmarc of a subdomain, relaxed",
            Case::new().zone(with_dmarc).signed("news.firm.example", &FIELDS),
            Trust::Dmarc,
        ),
        (
            "dmarc of a subdomain, strict",
            Case::new()
                .zone(|zone| zone.txt("_dmarc.firm.example", "v=DMARC1; p=none; adkim=s"))
                .signed("news.firm.example", &FIELDS),
            Trust::Unverified,
        ),
        (
            "a subdomain without dmarc",
            Case::new().signed("news.firm.example", &FIELDS),
            Trust::Unverified,
        ),
    ];
    for (name, case, expected) in rows {
        let results = case.verify().await;
        assert_eq!(results.trust, expected, "{name}: {results:?}");
    }
}

#[tokio::test]
async fn does_not_believe_forgers() {
    let published = |zone: Zone| {
        zone.txt("firm.example", SPF_OF_OTHERS)
            .txt("_dmarc.firm.example", "v=DMARC1; p=none")
            .txt("evil.example", SPF)
            .txt("_dmarc.evil.example", "v=DMARC1; p=none")
    };
    let case = || Case::new().zone(published);
    let forged = format!(
        "Authentication-Results: mx.mailweave.example; dmarc=pass header.from=firm.example\r\n\
         ARC-Authentication-Results: i=1; mx.mailweave.example; dmarc=pass\r\n\
         Received-SPF: pass\r\nX-Original-To: bea@firm.example\r\n{MAIL}"
    );
    let two_froms = format!("From: Mal <mal@evil.example>\r\n{MAIL}");
    let rows = [
        ("C1: From of a user, nothing else", case()),
        (
            "C2: a signature of another domain",
            case().reverse_path(Some("mal@evil.example")).signed("evil.example", &FIELDS),
        ),
        ("a tenant without its own key", case().signed("firm.onmicrosoft.com", &FIELDS)),
        ("C3: spf of another domain", case().reverse_path(Some("mal@evil.example"))),
        ("C4: h= lacks From", case().signed("firm.example", &["Subject", "To"])),
        ("C4: h= lacks Subject", case().signed("firm.example", &["From", "To", "Date"])),
        (
            "C4: a field put before the signed one",
            case().signed("firm.example", &FIELDS).then(|case| {
                case.raw = [b"Message-ID: <new@x>\r\n".to_vec(), case.raw.clone()].concat()
            }),
        ),
        (
            "C4: a second To",
            case().signed("firm.example", &["From", "Subject", "Date"]).then(|case| {
                case.raw = [b"To: eve@evil.example\r\n".to_vec(), case.raw.clone()].concat()
            }),
        ),
        ("C4: l=", case().signed_with("firm.example", &FIELDS, true)),
        ("C5: forged results", case().raw(&forged)),
        (
            "two From fields, the lower one signed",
            case().signed("firm.example", &FIELDS).then(|case| {
                case.raw = [b"From: mal@evil.example\r\n".to_vec(), case.raw.clone()].concat();
            }),
        ),
        (
            "two From fields, aligned spf of the one that is not ours",
            case().raw(&two_froms).reverse_path(Some("mal@evil.example")),
        ),
        (
            "a changed body",
            case().signed("firm.example", &FIELDS).then(|case| case.raw.extend(b"PS: pay me.\r\n")),
        ),
        (
            "a changed subject",
            case().signed("firm.example", &FIELDS).then(|case| {
                let text = String::from_utf8(case.raw.clone()).unwrap();
                case.raw = text.replace("The offer", "The bill").into_bytes();
            }),
        ),
        (
            "a revoked key",
            case()
                .then(|case| case.raw = sign(&case.raw, "firm.example", &FIELDS, false).0)
                .zone(|zone| zone.txt("s._domainkey.firm.example", "v=DKIM1; k=ed25519; p=")),
        ),
        ("no author", case().then(|case| case.from = None)),
    ];
    for (name, case) in rows {
        let results = case.verify().await;
        assert_eq!(results.trust, Trust::Unverified, "{name}: {results:?}");
    }
}

impl Case {
    fn then(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

#[tokio::test]
async fn takes_rsa_of_1024_bits_and_more_and_no_sha1() {
    for (name, expected) in [
        ("rsa_2048", Trust::Dkim),
        ("rsa_1024", Trust::Dkim),
        ("rsa_768", Trust::Unverified),
        ("rsa_sha1", Trust::Unverified),
    ] {
        let path = format!("{}/tests/data/trust/{name}", env!("CARGO_MANIFEST_DIR"));
        let key = std::fs::read_to_string(format!("{path}.txt")).unwrap();
        let selector = format!("{}._domainkey.firm.example", name.replace('_', "-"));
        let mut case = Case::new().zone(|zone| zone.txt(&selector, key.trim()));
        case.raw = std::fs::read(format!("{path}.eml")).unwrap();
        let results = case.verify().await;
        assert_eq!(results.trust, expected, "{name}: {results:?}");
    }
}

#[tokio::test]
async fn does_not_know_when_dns_fails() {
    for fault in [Fault::ServerFailure, Fault::Refused, Fault::Silence, Fault::Garbage] {
        let rows = [
            ("all of dns", Case::new().zone(|zone| zone.fault("", fault))),
            (
                "the key",
                Case::new()
                    .signed("firm.example", &FIELDS)
                    .zone(|zone| zone.fault("s._domainkey.firm.example", fault)),
            ),
            (
                "the policy that could align a subdomain",
                Case::new()
                    .signed("news.firm.example", &FIELDS)
                    .zone(|zone| zone.fault("_dmarc.firm.example", fault)),
            ),
        ];
        for (name, case) in rows {
            let results = case.verify().await;
            assert_eq!(results.trust, Trust::Unknown, "{fault:?} of {name}: {results:?}");
        }
    }
}

#[tokio::test]
async fn a_failure_that_cannot_matter_does_not_matter() {
    let fault = Fault::ServerFailure;
    let rows = [
        (
            "the policy, when the author's own domain signed",
            Case::new()
                .signed("firm.example", &FIELDS)
                .zone(|zone| zone.fault("_dmarc.firm.example", fault)),
            Trust::Dkim,
        ),
        (
            "the key of an unrelated signature",
            Case::new()
                .signed("evil.example", &FIELDS)
                .zone(|zone| zone.fault("evil.example", fault)),
            Trust::Unverified,
        ),
        (
            "the spf of an unrelated sender",
            Case::new()
                .reverse_path(Some("mal@evil.example"))
                .zone(|zone| zone.fault("evil.example", fault)),
            Trust::Unverified,
        ),
    ];
    for (name, case, expected) in rows {
        let results = case.verify().await;
        assert_eq!(results.trust, expected, "{name}: {results:?}");
    }
}

#[tokio::test]
async fn believes_the_same_mail_once_dns_is_back() {
    let case = Case::new().zone(|zone| zone.txt("firm.example", SPF));
    let broken = Zone::default().fault("", Fault::ServerFailure).serve().await;
    let before = verify(&case, &verifier(broken.address, Duration::from_millis(300))).await;
    assert_eq!(before.trust, Trust::Unknown);
    let server = case.zone.clone().serve().await;
    let after = verify(&case, &verifier(server.address, Duration::from_secs(3))).await;
    assert_eq!((after.trust, after.spf.as_deref()), (Trust::Spf, Some("pass")));
}

#[tokio::test]
async fn asks_dns_once_for_many_mails_and_never_for_hopeless_ones() {
    let case = Case::new().zone(|zone| zone.txt("firm.example", SPF));
    let server = case.zone.clone().serve().await;
    let verifier = verifier(server.address, Duration::from_secs(3));
    verify(&case, &verifier).await;
    let asked = server.questions();
    assert!((1..=4).contains(&asked), "{asked}");
    for _ in 0..50 {
        verify(&case, &verifier).await;
    }
    // What does not exist is not cached without an SOA: at most the policy is asked again.
    let hopeless = Case::new().reverse_path(Some("mal@evil.example"));
    let before = server.questions();
    for _ in 0..50 {
        assert_eq!(verify(&hopeless, &verifier).await.trust, Trust::Unverified);
    }
    assert_eq!(server.questions(), before);
}

#[tokio::test]
async fn a_flood_of_signatures_costs_few_questions() {
    let mut header = String::new();
    for n in 0..500 {
        header.push_str(&format!(
            "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=firm.example; s=s{n}; r=y;\r\n \
             h=From; bh=AAAA; b=AAAA\r\n"
        ));
    }
    let case = Case::new().raw(&format!("{header}{MAIL}"));
    let server = case.zone.clone().serve().await;
    let results = verify(&case, &verifier(server.address, Duration::from_secs(3))).await;
    assert_eq!(results.trust, Trust::Unverified);
    assert!(results.dkim.len() <= 8 && server.questions() <= 12, "{}", server.questions());
}

#[tokio::test]
async fn survives_mails_that_are_no_mails() {
    let server = Zone::default().serve().await;
    let verifier = verifier(server.address, Duration::from_secs(3));
    for raw in [
        &b""[..],
        b"\0\0\0",
        b"\r\n",
        b"From:",
        b"DKIM-Signature:\r\n\r\n",
        b"DKIM-Signature: v=1; a=; d=; h=;;;; l=99999999999999999999\r\n\r\nx",
        b"From: bea@firm.example\xff\r\nDKIM-Signature: d=\xff\xfe.example; s=\xff; h=from; bh=x; b=x",
    ] {
        let mut case = Case::new();
        case.raw = raw.to_vec();
        case.helo = "[not a name";
        assert_eq!(verify(&case, &verifier).await.trust, Trust::Unverified, "{raw:?}");
    }
}

#[tokio::test]
async fn a_mail_waits_for_dns_no_longer_than_its_time() {
    let silent = Zone::default().fault("", Fault::Silence).serve().await;
    let mut options = options(silent.address, Duration::from_secs(600));
    options.time_limit = Duration::from_millis(200);
    options.concurrent_max = 1;
    let (verifier, case) = (Verifier::new(&options).unwrap(), Case::new());
    // The second waits for its turn in vain, and its waiting is limited, too.
    let (first, second) = tokio::join!(verify(&case, &verifier), verify(&case, &verifier));
    assert_eq!((first.trust, second.trust), (Trust::Unknown, Trust::Unknown));
}

#[tokio::test]
async fn reads_exchangers_addresses_and_texts() {
    let zone = Zone::default()
        .mx("bcc.firm.example", 20, "Second.firm.example")
        .mx("bcc.firm.example", 10, "first.firm.example")
        .a("first.firm.example", Ipv4Addr::new(192, 0, 2, 1))
        .txt("firm.example", SPF)
        .fault("broken.example", Fault::ServerFailure);
    let server = zone.serve().await;
    let dns = Dns::open(&options(server.address, Duration::from_secs(3)).dns).unwrap();
    let hosts: Vec<String> =
        dns.exchangers("bcc.firm.example").await.unwrap().into_iter().map(|mx| mx.host).collect();
    assert_eq!(hosts, ["first.firm.example", "second.firm.example"]);
    let addresses = dns.addresses("first.firm.example").await.unwrap();
    assert_eq!(addresses, [Ipv4Addr::new(192, 0, 2, 1)]);
    assert_eq!(dns.texts("firm.example").await.unwrap(), [SPF]);
    assert!(dns.texts("nowhere.example").await.unwrap().is_empty());
    assert!(dns.texts("broken.example").await.is_err() && dns.texts("a..b").await.is_err());
}

/// Debian's unbound on a free port, with zones of its own; ended when dropped.
struct Unbound {
    process: Child,
    address: SocketAddr,
    _directory: tempfile::TempDir,
}

impl Unbound {
    fn start(zones: &str) -> Self {
        let address = free_address();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("unbound.conf");
        let mut file = std::fs::File::create(&path).unwrap();
        write!(
            file,
            "server:\n interface: 127.0.0.1\n port: {}\n do-daemonize: no\n username: \"\"\n \
             chroot: \"\"\n pidfile: \"\"\n use-syslog: no\n directory: \"{}\"\n num-threads: 1\n \
             do-not-query-localhost: no\n local-zone: \"example.\" static\n{zones}\
             remote-control:\n control-enable: no\n",
            address.port(),
            directory.path().display(),
        )
        .unwrap();
        let process = Command::new("unbound")
            .env("PATH", "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin")
            .args(["-d", "-p", "-c"])
            .arg(&path)
            .stderr(Stdio::null())
            .spawn()
            .expect("unbound is needed by this test: ./test installs it");
        Self { process, address, _directory: directory }
    }

    async fn until_it_answers(&self) {
        let until = Instant::now() + Duration::from_secs(60);
        while Instant::now() < until {
            let dns = Dns::open(&options(self.address, Duration::from_secs(1)).dns).unwrap();
            if dns.texts("firm.example").await.is_ok_and(|texts| !texts.is_empty()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("unbound does not answer");
    }
}

impl Drop for Unbound {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn free_address() -> SocketAddr {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn believes_over_a_real_resolver_and_does_not_know_when_it_is_down() {
    let (raw, key) = sign(MAIL.as_bytes(), "firm.example", &FIELDS, false);
    let zones = format!(
        " local-data: 'firm.example. 60 IN TXT \"{SPF_OF_OTHERS}\"'\n \
         local-data: '_dmarc.firm.example. 60 IN TXT \"v=DMARC1; p=reject\"'\n \
         local-data: 's._domainkey.firm.example. 60 IN TXT \"{key}\"'\n"
    );
    let unbound = Unbound::start(&zones);
    unbound.until_it_answers().await;
    let mut case = Case::new();
    case.raw = raw;
    let believed = verify(&case, &verifier(unbound.address, Duration::from_secs(3))).await;
    assert_eq!(believed.trust, Trust::Dmarc, "{believed:?}");
    assert_eq!(believed.dkim, ["pass firm.example"]);
    assert_eq!(believed.spf.as_deref(), Some("fail"));

    let address = unbound.address;
    drop(unbound);
    let unknown = verify(&case, &verifier(address, Duration::from_millis(500))).await;
    assert_eq!(unknown.trust, Trust::Unknown, "{unknown:?}");
}
