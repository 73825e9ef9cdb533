//! Real servers and clients send to the gateway: Debian's Postfix relays, swaks, msmtp and Python's
//! smtplib submit. What arrived is read back through the REST API.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::{Connection, SqliteConnection};

use super::support::gateway::{Account, Gateway};
use super::support::postfix::Postfix;
use super::support::sender::Sender;

const PATIENCE: Duration = Duration::from_secs(60);

/// A mail that a person wrote to a customer, with what often breaks on the way: dots at the start of
/// lines, trailing blanks, a long line, bytes above ASCII.
fn mail(account: &Account, message_id: &str) -> String {
    let long = "long ".repeat(190);
    format!(
        "From: Anna Actor <{}>\r\n\
         To: Carl Customer <carl@customer.test>\r\n\
         Subject: The offer\r\n\
         Date: Mon, 16 Nov 2026 10:00:00 +0100\r\n\
         Message-ID: <{message_id}>\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\
         \r\n\
         Dear Carl,\r\n\
         .a line that begins with a dot\r\n\
         ..and one with two\r\n\
         .\r\n\
         trailing blanks  \r\n\
         {long}\r\n\
         Grüße\r\n",
        account.email
    )
}

/// What the gateway has of a mail.
struct Filed {
    message: Value,
    raw: Vec<u8>,
}

/// Waits until the mail is filed, and reads it with its contact and conversation.
#[track_caller]
fn filed(account: &Account, message_id: &str) -> Filed {
    let deadline = Instant::now() + PATIENCE;
    let verdict = loop {
        let mut verdicts = account.api.list(&format!("/api/v1/verdicts?message_id={message_id}"));
        if let Some(verdict) = verdicts.pop() {
            assert_eq!(verdicts, Vec::<Value>::new(), "one mail has one verdict");
            break verdict;
        }
        assert!(Instant::now() < deadline, "no verdict on {message_id}");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(verdict["outcome"], "filed", "{verdict}");
    assert_eq!(verdict["door"], "smtp");
    let id = verdict["stored_message_id"].as_str().expect("a stored message");
    let message = account.api.read(&format!("/api/v1/messages/{id}"));
    let raw = account.api.get(&format!("/api/v1/messages/{id}/raw"));
    assert_eq!(raw.status, 200);
    Filed { message, raw: raw.body }
}

impl Filed {
    /// It is outbound mail to Carl, who is now a contact with a conversation.
    #[track_caller]
    fn is_mail_to_carl(&self, account: &Account) {
        assert_eq!(self.message["direction"], "outbound");
        assert_eq!(self.message["subject"], "The offer");
        assert_eq!(self.message["from"]["email"], account.email.as_str());
        assert_eq!(self.message["to"][0]["email"], "carl@customer.test");
        let contacts = account.api.list("/api/v1/contacts?email=carl@customer.test");
        assert_eq!(contacts.len(), 1, "{contacts:?}");
        assert_eq!(contacts[0]["name"], "Carl Customer");
        let contact = contacts[0]["id"].as_str().expect("an id");
        let conversations =
            account.api.list(&format!("/api/v1/conversations?contact_id={contact}"));
        assert_eq!(conversations.len(), 1, "{conversations:?}");
        assert_eq!(self.message["conversation_id"], conversations[0]["id"]);
    }

    /// The body came through byte by byte; servers on the way only add header fields before.
    #[track_caller]
    fn has_body_of(&self, sent: &str) {
        let (_, body) = sent.split_once("\r\n\r\n").expect("a body");
        let raw = String::from_utf8_lossy(&self.raw);
        assert!(raw.ends_with(&format!("\r\n\r\n{body}")), "{raw}");
    }
}

/// How many messages the sub-account has.
fn message_count(account: &Account) -> u64 {
    let conversations = account.api.list("/api/v1/conversations");
    conversations.iter().filter_map(|conversation| conversation["message_count"].as_u64()).sum()
}

/// Runs a client with the mail on its standard input.
#[track_caller]
fn run(command: &mut Command, input: &str) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; ./test installs it"));
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).expect("the client reads");
    drop(stdin);
    let output = child.wait_with_output().expect("an end");
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Hands a mail to Postfix.
fn submit(postfix: &Postfix, account: &Account, content: &str) {
    let mut sender = Sender::connect(postfix.address()).expect("Postfix answers");
    let reply = sender.send(&account.email, &account.bcc_address, content.as_bytes());
    assert_eq!(reply.expect("a reply").code, 250);
}

#[test]
fn postfix_relays_over_starttls() {
    let gateway = Gateway::start();
    let account = gateway.account("anna@acme.test");
    let postfix = Postfix::relaying_to(
        gateway.smtp(),
        "smtp_tls_security_level = encrypt\nsmtp_tls_loglevel = 1",
    );
    let content = mail(&account, "relayed@acme.test");
    submit(&postfix, &account, &content);
    let log = postfix.wait_for_log("status=sent", PATIENCE);
    assert!(log.contains("TLS connection established to 127.0.0.1"), "{log}");
    assert!(log.contains("250 2.0.0"), "{log}");
    let filed = filed(&account, "relayed@acme.test");
    filed.is_mail_to_carl(&account);
    filed.has_body_of(&content);
    assert_eq!(message_count(&account), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postfix_tries_again_after_451_and_delivers_once() {
    let database = tempfile::tempdir().expect("a directory");
    let url = format!("sqlite:{}", database.path().join("mailweave.db").display());
    let gateway = Gateway::setup().with("STORE__URL", url.clone()).start();
    let account = gateway.account("anna@acme.test");
    let postfix = Postfix::relaying_to(gateway.smtp(), "");
    // G-4: somebody else holds the database's write lock for longer than the gateway waits.
    let mut locker = SqliteConnection::connect(&url).await.expect("the database");
    sqlx::query("begin immediate").execute(&mut locker).await.expect("the lock");
    let content = mail(&account, "deferred@acme.test");
    submit(&postfix, &account, &content);
    let log = postfix.wait_for_log("status=deferred", PATIENCE);
    assert!(log.contains("451 4.3.0"), "{log}");
    sqlx::query("rollback").execute(&mut locker).await.expect("the lock is given back");
    postfix.wait_for_log("status=sent", PATIENCE);
    let filed = filed(&account, "deferred@acme.test");
    filed.is_mail_to_carl(&account);
    filed.has_body_of(&content);
    assert_eq!(message_count(&account), 1);
}

#[test]
fn postfix_brings_many_mails_once_each() {
    let gateway = Gateway::start();
    let account = gateway.account("anna@acme.test");
    let postfix = Postfix::relaying_to(gateway.smtp(), "smtp_tls_security_level = may");
    for n in 0..30 {
        submit(&postfix, &account, &mail(&account, &format!("many-{n}@acme.test")));
    }
    for n in 0..30 {
        filed(&account, &format!("many-{n}@acme.test")).is_mail_to_carl(&account);
    }
    assert_eq!(message_count(&account), 30);
}

/// Sends with one client, plain and over STARTTLS, and reads both mails back.
fn both_ways(send: impl Fn(&Gateway, &Account, &str, bool)) {
    let gateway = Gateway::start();
    let account = gateway.account("anna@acme.test");
    for (message_id, tls) in [("plain@acme.test", false), ("encrypted@acme.test", true)] {
        let content = mail(&account, message_id);
        send(&gateway, &account, &content, tls);
        let filed = filed(&account, message_id);
        filed.is_mail_to_carl(&account);
        filed.has_body_of(&content);
    }
    assert_eq!(message_count(&account), 2);
}

#[test]
fn swaks_sends_plain_and_over_starttls() {
    both_ways(|gateway, account, content, tls| {
        let mut swaks = Command::new("swaks");
        swaks
            .args(["--server", &gateway.smtp().to_string(), "--data", "-", "--suppress-data"])
            .args(["--from", &account.email, "--to", &account.bcc_address])
            .args(tls.then_some("--tls"));
        // swaks ends what it is given with one more line end.
        run(&mut swaks, content.trim_end());
    });
}

#[test]
fn msmtp_sends_plain_and_over_starttls() {
    both_ways(|gateway, account, content, tls| {
        let mut msmtp = Command::new("msmtp");
        msmtp
            .args(["--file=/dev/null", "--auth=off", "--tls-certcheck=off", "--tls-starttls=on"])
            .arg(format!("--tls={}", if tls { "on" } else { "off" }))
            .arg(format!("--host={}", gateway.smtp().ip()))
            .arg(format!("--port={}", gateway.smtp().port()))
            .arg(format!("--from={}", account.email))
            .arg(&account.bcc_address);
        run(&mut msmtp, &content.replace("\r\n", "\n"));
    });
}

const SMTPLIB: &str = "
import smtplib, ssl, sys
host, port, sender, recipient, tls = sys.argv[1:]
with smtplib.SMTP(host, int(port)) as smtp:
    if tls == 'true':
        context = ssl._create_unverified_context()
        smtp.starttls(context=context)
    smtp.sendmail(sender, [recipient], sys.stdin.buffer.read(), ['BODY=8BITMIME'])
";

#[test]
fn python_smtplib_sends_plain_and_over_starttls() {
    both_ways(|gateway, account, content, tls| {
        let address = gateway.smtp();
        let mut python = Command::new("python3");
        python
            .args(["-c", SMTPLIB, &address.ip().to_string(), &address.port().to_string()])
            .args([&account.email, &account.bcc_address, &tls.to_string()]);
        run(&mut python, content);
    });
}
