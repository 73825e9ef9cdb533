//! The binary as an operator runs it: connecting, doctor, private hosts, and what its log and its store
//! hold of secrets (D12, D21).

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::gateway::{Gateway, Setup};
use crate::support::lab::{CLIENT_SECRET, lab};

fn setup() -> Setup {
    lab().known_to(Gateway::setup()).with("LOG__FILTER", "trace")
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(120);
    while !is_so() {
        assert!(Instant::now() < deadline, "it never came that {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn doctor(gateway: &Gateway, address: &str) -> (bool, Value) {
    run_doctor(gateway, &["doctor", "--json", "--mailbox", address])
}

fn run_doctor(gateway: &Gateway, words: &[&str]) -> (bool, Value) {
    let output = Command::new(env!("CARGO_BIN_EXE_mailweave"))
        .args(words)
        .current_dir(gateway.directory())
        .envs(gateway.environment())
        .output()
        .unwrap();
    (output.status.success(), serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn serve_follows_a_connected_mailbox_and_doctor_proves_it() {
    let gateway = setup().start();
    let account = gateway.account("ann@acme.test");
    let mailbox = lab().mailbox("served");
    let id = lab().connect(&gateway, &account, &mailbox.address);
    let path = format!("/api/v1/mailboxes/{id}");
    assert_eq!(account.api.read(&path)["state"], "active");
    let (is_good, answer) = doctor(&gateway, &mailbox.address);
    assert!(is_good, "{answer}");
    let names: Vec<&str> = answer["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["mailbox", "mailbox consent", "imap sign-in", "imap idle", "sent folder", "smtp sign-in"]
    );
    assert!(!doctor(&gateway, "nobody@lab.test").0);
    // Without an address it looks at every mailbox, after all else.
    let (_, all) = run_doctor(&gateway, &["doctor", "--json"]);
    let all = all["checks"].to_string();
    assert!(all.contains("smtp sign-in") && all.contains(&mailbox.address), "{all}");

    mailbox.revoke_consent();
    mailbox.kick();
    until("it needs a new consent", || account.api.read(&path)["state"] == "needs_reauth");
    let (is_good, answer) = doctor(&gateway, &mailbox.address);
    assert!(!is_good);
    assert!(answer["checks"][0]["advice"].as_str().unwrap().contains("Authorise"), "{answer}");
}

#[test]
fn users_cannot_send_us_into_private_networks() {
    let gateway = setup().start();
    let account = gateway.account("ann@acme.test");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    for host in ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1", "127.1"] {
        let wanted = json!({
            "user_id": account.user_id, "provider": "imap", "address": "ann@acme.test",
            "imap": format!("{host}:{port}?tls"), "smtp": "127.0.0.1:25?starttls", "password": "canary",
        });
        let begun = account.api.post("/api/v1/mailboxes", &wanted).expect(201);
        assert_eq!(begun["state"], "connecting");
        let detail = begun["detail"].as_str().unwrap();
        assert!(
            detail.contains("not connected to") || detail.contains("cannot be reached"),
            "{detail}"
        );
    }
    assert!(listener.accept().is_err(), "somebody connected");
}

/// A token endpoint that grants canaries.
fn canaries() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
            let mut request = [0; 16_384];
            while stream.read(&mut request).is_ok_and(|count| count > 0) {}
            let body = r#"{"access_token":"canary-access-token","token_type":"Bearer","expires_in":3600,
                "refresh_token":"canary-refresh-token"}"#;
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
            let answer = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    port
}

#[test]
fn no_secret_is_in_the_log_nor_readable_in_the_store() {
    let port = canaries();
    let gateway = setup()
        .with("PROVIDERS__TRAP__CLIENT_ID", "trap")
        .with("PROVIDERS__TRAP__CLIENT_SECRET", "canary-client-secret")
        .with("PROVIDERS__TRAP__AUTHORIZE_URL", format!("http://127.0.0.1:{port}/authorize"))
        .with("PROVIDERS__TRAP__TOKEN_URL", format!("http://127.0.0.1:{port}/token"))
        .with("PROVIDERS__TRAP__IMAP", lab().imap())
        .with("PROVIDERS__TRAP__SMTP", lab().smtp())
        .with("PROVIDERS__TRAP__SCOPES", "mail")
        .with("PROVIDERS__TRAP__AUTH", "xoauth2")
        .with("OUTGOING__ALLOWED_NETWORKS", "127.0.0.0/8")
        .start();
    let account = gateway.account("ann@acme.test");
    let mailbox = lab().mailbox("trap");
    let wanted =
        json!({"user_id": account.user_id, "provider": "trap", "address": mailbox.address});
    let begun = account.api.post("/api/v1/mailboxes", &wanted).expect(201);
    let url: url::Url = begun["authorization_url"].as_str().unwrap().parse().unwrap();
    let (_, state) = url.query_pairs().find(|(name, _)| name == "state").unwrap();
    let shown = gateway.admin().get(&format!("/oauth/callback?code=canary-code&state={state}"));
    // The laboratory's servers do not know the canary; it was kept, sealed, and tried.
    assert_eq!(shown.status, 400);
    assert!(String::from_utf8_lossy(&shown.body).contains("IMAP server"));

    let bob = account.api.post("/api/v1/users", &json!({"name": "Bob", "email": "bob@acme.test"}));
    let bob = bob.expect(201)["id"].clone();
    let wanted = json!({
        "user_id": bob, "provider": "imap", "address": mailbox.address, "imap": lab().imap(),
        "smtp": lab().smtp(), "password": "canary-password",
    });
    let begun = account.api.post("/api/v1/mailboxes", &wanted).expect(201);
    assert_eq!(begun["state"], "connecting", "{begun}");

    let log = gateway.log();
    assert!(log.contains("connection_unproved"), "the log is there");
    assert!(!log.contains("canary-"), "{}", lines_with(&log, "canary-"));
    assert!(!log.contains(state.as_ref()) && !log.contains(CLIENT_SECRET));
    let mut files = 0;
    for entry in std::fs::read_dir(gateway.data_dir()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            files += 1;
            assert!(!holds(&path, b"canary-"), "{}", path.display());
            assert!(!holds(&path, state.as_bytes()), "{}", path.display());
        }
    }
    assert!(files >= 2);
}

fn lines_with(log: &str, word: &str) -> String {
    log.lines().filter(|line| line.contains(word)).take(5).collect::<Vec<_>>().join("\n")
}

fn holds(path: &Path, word: &[u8]) -> bool {
    std::fs::read(path).unwrap().windows(word.len()).any(|part| part == word)
}
