//! Servers whose certificate has a fault, and servers that say something in clear behind STARTTLS, at both ends
//! of a mailbox: nobody signs in to them, nothing is read from them, and the user is told what it is (F8, F9,
//! E3).

use std::path::PathBuf;
use std::sync::Arc;

use mailweave::config::Config;
use mailweave::connect::{self, Connector, Step};
use mailweave::model::{Account, Auth, Credentials, Login};
use mailweave::reach::Reach;
use mailweave::secrets::Secrets;
use mailweave::submission::{self, Demand};
use mailweave::watch::imap::{self, Session};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::store::both;

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Expired,
    OtherName,
    SelfSigned,
    /// As `openssl req -x509` makes it.
    SelfSignedAuthority,
}

/// An authority that the gateway is told to believe.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A server that shows such a certificate.
    fn server(&self, fault: Fault) -> TlsAcceptor {
        let name = if matches!(fault, Fault::OtherName) { "other.example" } else { "localhost" };
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        if matches!(fault, Fault::Expired) {
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2021, 1, 1);
        }
        if matches!(fault, Fault::SelfSignedAuthority) {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = match fault {
            Fault::Expired | Fault::OtherName => params.signed_by(&key, &self.issuer),
            Fault::SelfSigned | Fault::SelfSignedAuthority => params.self_signed(&key),
        };
        let (certificate, key) = (certificate.unwrap(), PrivateKeyDer::Pkcs8(key.into()));
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Says its lines in clear, each but the first after one of the client's, then begins TLS if it is to; answers
/// all that was said to it in clear, or inside TLS.
async fn serve(
    lines: &'static [&'static str],
    tls: Option<TlsAcceptor>,
) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut said = String::new();
        for (at, line) in lines.iter().enumerate() {
            if at > 0 {
                said += &heard(&mut stream).await;
            }
            stream.write_all(line.as_bytes()).await.unwrap();
        }
        let mut inside = Vec::new();
        match tls {
            Some(tls) => {
                if let Ok(mut stream) = tls.accept(stream).await {
                    let _cut_off = stream.read_to_end(&mut inside).await;
                }
            }
            None => {
                let _cut_off = stream.read_to_end(&mut inside).await;
            }
        }
        said + String::from_utf8_lossy(&inside).as_ref()
    });
    (port, served)
}

async fn heard(stream: &mut TcpStream) -> String {
    let mut bytes = [0; 4_096];
    let count = stream.read(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes[..count]).into_owned()
}

const IMAP: &[&str] = &["* OK ready\r\n", "W0 OK go\r\n"];
const SMTP: &[&str] = &["220 mx\r\n", "250-mx\r\n250 STARTTLS\r\n", "220 go\r\n"];

fn login() -> Login {
    let credentials = Credentials::Password("canary".into());
    Login { username: "ann".to_owned(), credentials }
}

async fn connector(authority: &Authority) -> Connector {
    mailweave::tls::install_provider();
    let [fresh, _] = both().await;
    let options = connect::Options {
        store: Arc::new(crate::store::open(&fresh.url).await),
        secrets: Secrets::new([7; 32]),
        providers: Config::parse("", None, []).unwrap().providers,
        tls: mailweave::tls::client_config(Some(&authority.file())).unwrap(),
        reach: Reach::anywhere(),
        hostname: "localhost".to_owned(),
        public_url: "http://127.0.0.1".to_owned(),
    };
    Connector::new(options).unwrap()
}

/// What is told of a step that failed.
fn told(steps: &[Step], name: &str) -> String {
    let step = steps.iter().find(|step| step.name == name).unwrap();
    step.result.as_ref().unwrap_err().to_string()
}

#[tokio::test]
async fn each_fault_of_a_certificate_has_its_sentence_at_both_ends() {
    let authority = Authority::new();
    let connector = connector(&authority).await;
    for (fault, what, remedy) in [
        (Fault::Expired, "its certificate has expired.", "must renew it"),
        (Fault::OtherName, "is for another name (other.example).", "Check the host"),
        (Fault::SelfSigned, "is self-signed", "tls.extra_roots"),
        (Fault::SelfSignedAuthority, "is self-signed", "tls.extra_roots"),
    ] {
        for (how, imap, smtp) in [("tls", &[][..], &[][..]), ("starttls", IMAP, SMTP)] {
            let (imap_port, at_imap) = serve(imap, Some(authority.server(fault))).await;
            let (smtp_port, at_smtp) = serve(smtp, Some(authority.server(fault))).await;
            let account = Account {
                imap: format!("localhost:{imap_port}?{how}").parse().unwrap(),
                smtp: format!("localhost:{smtp_port}?{how}").parse().unwrap(),
                username: "ann".to_owned(),
                auth: Auth::Password,
                saves_sent: true,
            };
            let proof = connector.prove(&account, &login()).await;
            for (step, host) in [("imap sign-in", &account.imap), ("smtp sign-in", &account.smtp)] {
                let told = told(&proof.steps, step);
                let begins = format!("{host} is not to be trusted: its certificate");
                assert!(told.starts_with(&begins), "{told}");
                assert!(told.contains(what) && told.contains(remedy), "{fault:?} {how}: {told}");
            }
            let said = at_imap.await.unwrap() + at_smtp.await.unwrap().as_str();
            assert!(!said.contains("canary") && !said.contains("AUTH"), "{said}");
        }
    }
}

/// E3: what is offered is used, and there is no way back to clear text, whatever is asked of the server.
#[tokio::test]
async fn a_relay_whose_certificate_has_a_fault_is_given_nothing_in_clear() {
    let authority = Authority::new();
    mailweave::tls::install_provider();
    let tls = mailweave::tls::client_config(Some(&authority.file())).unwrap();
    let options = submission::Options::new(tls, Reach::anywhere(), "localhost");
    for fault in [Fault::Expired, Fault::OtherName, Fault::SelfSigned] {
        for demand in [Demand::Everything, Demand::Tls, Demand::Nothing] {
            let (port, served) = serve(SMTP, Some(authority.server(fault))).await;
            let host = format!("localhost:{port}?starttls").parse().unwrap();
            let login = login();
            let opened =
                submission::Connection::open_with(&options, &host, Some(&login), demand).await;
            let refused = opened.err().unwrap();
            assert!(matches!(refused, submission::Error::Tls(_)), "{refused:?}");
            let said = served.await.unwrap();
            assert_eq!(said, "EHLO localhost\r\nSTARTTLS\r\n", "{fault:?} {demand:?}");
        }
    }
}

/// Opens a session at a server that is to have STARTTLS.
async fn open(port: u16) -> Result<Session, imap::Error> {
    let options = imap::Options::new(mailweave::tls::client_config(None).unwrap());
    let host = format!("localhost:{port}?starttls").parse().unwrap();
    Session::open(&options, &host, &login()).await
}

#[tokio::test]
async fn what_an_imap_server_says_in_clear_behind_starttls_is_never_taken_for_an_answer() {
    mailweave::tls::install_provider();
    const INJECTED: &str = "W0 OK go\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nW0 OK told\r\n\
        * CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nW1 OK welcome\r\n";
    let (port, served) = serve(&["* OK ready\r\n", INJECTED], None).await;
    let refused = open(port).await.err().unwrap();
    assert!(matches!(refused, imap::Error::Tls(_)), "{refused:?}");
    let said = served.await.unwrap();
    assert!(!said.contains("CAPABILITY") && !said.contains("LOGIN"), "{said}");
    assert!(!said.contains("AUTHENTICATE") && !said.contains("canary"), "{said}");
}

#[tokio::test]
async fn an_imap_server_without_starttls_is_not_signed_in_to() {
    mailweave::tls::install_provider();
    for (answer, is_refused) in [
        (&["* OK ready\r\n", "W0 BAD what is that?\r\n"][..], true),
        (&["* OK ready\r\n", "W0 NO not now\r\n"], true),
        // RFC 3501 7.1.4: it would be signed in to as nobody knows whom, and never go to TLS.
        (&["* PREAUTH welcome\r\n"], false),
    ] {
        let (port, served) = serve(answer, None).await;
        let error = open(port).await.err().unwrap();
        assert_eq!(matches!(error, imap::Error::Refused { .. }), is_refused, "{error:?}");
        let said = served.await.unwrap();
        assert!(!said.contains("LOGIN") && !said.contains("canary"), "{said}");
    }
}
