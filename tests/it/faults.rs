//! The disk fails or is full, descriptors run out, certificates are replaced while running: the
//! gateway says so to whoever sends, loses nothing, and recovers without a restart (G-2, G-3, G-8, G-9).

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::support::gateway::{Account, Gateway};
use super::support::postgres::Server;
use super::support::sender::{Reply, Sender};

fn mail(account: &Account, id: &str, size: usize) -> Vec<u8> {
    let mut mail = format!(
        "From: Anna Actor <{}>\r\nTo: Carl <carl@customer.test>\r\nSubject: {id}\r\n\
         Date: Mon, 16 Nov 2026 10:00:00 +0100\r\nMessage-ID: <{id}>\r\n\r\n",
        account.email
    )
    .into_bytes();
    while mail.len() < size {
        mail.extend_from_slice(b"One line of a mail that is as long as it has to be.\r\n");
    }
    mail
}

fn send(gateway: &Gateway, account: &Account, id: &str, size: usize) -> Reply {
    let mut sender = Sender::connect(gateway.smtp()).expect("the gateway answers");
    let content = mail(account, id, size);
    let reply = sender.send(&account.email, &account.bcc_address, &content);
    reply.expect("a reply, whatever it says")
}

/// Sends until it is taken: the fault is over, so it will be.
#[track_caller]
fn send_until_taken(gateway: &Gateway, account: &Account, id: &str, size: usize) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let reply = send(gateway, account, id, size);
        if reply.code == 250 {
            return;
        }
        assert!(Instant::now() < deadline, "it does not recover: {}", reply.text);
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// The Message-IDs that are filed.
fn filed(account: &Account) -> Vec<String> {
    let mut ids = Vec::new();
    for conversation in account.api.list("/api/v1/conversations") {
        let id = conversation["id"].as_str().expect("an id");
        for message in account.api.list(&format!("/api/v1/conversations/{id}/messages")) {
            ids.push(message["message_id"].as_str().expect("a Message-ID").to_owned());
        }
    }
    ids.sort();
    ids
}

/// strace on a running gateway, making its calls fail.
struct Inject(Child);

impl Inject {
    fn into(gateway: &Gateway, fault: &str) -> Self {
        let mut strace = Command::new("strace")
            .args(["-f", "-p", &gateway.process_id().to_string(), "-o", "/dev/null"])
            .args(["-e", "trace=fsync,fdatasync", "-e", &format!("inject={fault}")])
            .stderr(Stdio::piped())
            .spawn()
            .expect("strace; ./test installs it");
        let mut lines = BufReader::new(strace.stderr.take().expect("a pipe")).lines();
        let first = lines.next().expect("strace speaks").expect("text");
        assert!(first.contains("attached"), "{first}");
        std::thread::spawn(move || lines.for_each(drop));
        Self(strace)
    }

    /// Detaches; the gateway runs on without the fault.
    fn end(mut self) {
        let order = format!("kill -INT {}", self.0.id());
        assert!(Command::new("sh").args(["-c", &order]).status().expect("sh").success());
        let _ = self.0.wait();
    }
}

#[test]
fn answers_451_when_the_disk_does_not_sync() {
    let gateway = Gateway::start();
    let account = gateway.account("anna@acme.test");
    assert_eq!(send(&gateway, &account, "before@acme.test", 2_000).code, 250);
    let inject = Inject::into(&gateway, "fsync,fdatasync:error=EIO");
    for _ in 0..3 {
        let reply = send(&gateway, &account, "during@acme.test", 2_000);
        assert_eq!(reply.code, 451, "{}", reply.text);
    }
    inject.end();
    send_until_taken(&gateway, &account, "during@acme.test", 2_000);
    send_until_taken(&gateway, &account, "after@acme.test", 2_000);
    assert_eq!(filed(&account), ["after@acme.test", "before@acme.test", "during@acme.test"]);
}

/// A gateway whose data directory is a disk of 64 MiB. It runs in a mount namespace of its own, which is
/// reached through its entry in /proc.
fn on_a_small_disk() -> (Gateway, PathBuf) {
    const MOUNT: &str = "mkdir -p \"$MAILWEAVE_DATA_DIR\" && \
        mount -t tmpfs -o size=64m,mode=700 tmpfs \"$MAILWEAVE_DATA_DIR\" && exec \"$@\"";
    let setup = Gateway::setup().under(["unshare", "-Urm", "sh", "-c", MOUNT, "sh"]);
    let gateway = setup.start();
    let data = gateway.data_dir().display().to_string();
    let inside = PathBuf::from(format!("/proc/{}/root{data}", gateway.process_id()));
    (gateway, inside)
}

/// Fills the disk to the last byte.
fn fill(path: &PathBuf) {
    let mut ballast = File::create(path).expect("a file");
    for chunk in [1 << 20, 1 << 12, 1] {
        while ballast.write_all(&vec![b'x'; chunk]).is_ok() {}
    }
}

#[test]
fn answers_452_when_the_disk_is_full_and_recovers_without_a_restart() {
    let (gateway, disk) = on_a_small_disk();
    let account = gateway.account("anna@acme.test");
    assert_eq!(send(&gateway, &account, "before@acme.test", 100_000).code, 250);
    fill(&disk.join("ballast"));
    for _ in 0..3 {
        let reply = send(&gateway, &account, "during@acme.test", 1_000_000);
        assert_eq!(reply.code, 452, "{}", reply.text);
    }
    assert_eq!(filed(&account), ["before@acme.test"], "what is there stays readable");
    fs::remove_file(disk.join("ballast")).expect("space is back");
    send_until_taken(&gateway, &account, "during@acme.test", 1_000_000);
    assert_eq!(filed(&account), ["before@acme.test", "during@acme.test"]);
}

#[test]
fn answers_4xx_at_the_limit_of_file_sizes_and_recovers_without_a_restart() {
    let gateway = Gateway::start();
    let account = gateway.account("anna@acme.test");
    let limit = |bytes: &str| {
        let process = gateway.process_id().to_string();
        let order = Command::new("prlimit").args(["--pid", &process, bytes]).status();
        assert!(order.expect("prlimit").success());
    };
    limit("--fsize=100000:unlimited");
    let reply = send(&gateway, &account, "during@acme.test", 1_000_000);
    assert!((400..500).contains(&reply.code), "{}", reply.text);
    limit("--fsize=unlimited:unlimited");
    send_until_taken(&gateway, &account, "during@acme.test", 1_000_000);
    assert_eq!(filed(&account), ["during@acme.test"]);
}

/// A29, G-9: descriptors run out, and the listener goes on when they are back.
#[test]
fn goes_on_after_descriptors_ran_out() {
    let gateway = Gateway::start();
    let account = gateway.account("anna@acme.test");
    let process = gateway.process_id().to_string();
    let open = fs::read_dir(format!("/proc/{process}/fd")).expect("its descriptors").count();
    let limit = format!("--nofile={0}:{0}", open + 20);
    let limited = Command::new("prlimit").args(["--pid", &process, &limit]).status();
    assert!(limited.expect("prlimit").success());
    let crowd: Vec<TcpStream> = (0..60)
        .map(|_| TcpStream::connect(gateway.smtp()).expect("the backlog takes it"))
        .collect();
    std::thread::sleep(Duration::from_secs(1));
    drop(crowd);
    send_until_taken(&gateway, &account, "after@acme.test", 500);
    assert_eq!(filed(&account), ["after@acme.test"]);
}

const SHOW_CERTIFICATE: &str = "
import smtplib, ssl, sys
with smtplib.SMTP(sys.argv[1], int(sys.argv[2])) as smtp:
    smtp.starttls(context=ssl._create_unverified_context())
    sys.stdout.write(ssl.DER_cert_to_PEM_cert(smtp.sock.getpeercert(True)))
";

/// The certificate that the listener shows, in PEM without line ends.
fn shown_certificate(address: SocketAddr) -> String {
    let output = Command::new("python3")
        .args(["-c", SHOW_CERTIFICATE, &address.ip().to_string(), &address.port().to_string()])
        .output()
        .expect("python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    one_line(&String::from_utf8_lossy(&output.stdout))
}

fn one_line(pem: &str) -> String {
    pem.split_whitespace().collect()
}

#[test]
fn takes_a_new_certificate_on_sighup_and_keeps_sessions() {
    let gateway = Gateway::start();
    let account = gateway.account("anna@acme.test");
    let mut session = Sender::connect(gateway.smtp()).expect("the gateway answers");
    let first = shown_certificate(gateway.smtp());
    let pair = rcgen::generate_simple_self_signed(["renewed.test".to_owned()]).expect("a pair");
    let certs = gateway.directory().join("certs");
    fs::write(certs.join("key.pem"), pair.signing_key.serialize_pem()).expect("the key");
    fs::write(certs.join("cert.pem"), pair.cert.pem()).expect("the certificate");
    gateway.signal("HUP");
    let deadline = Instant::now() + Duration::from_secs(30);
    while shown_certificate(gateway.smtp()) != one_line(&pair.cert.pem()) {
        assert!(Instant::now() < deadline, "the certificate is still {first}");
    }
    let content = mail(&account, "same-session@acme.test", 500);
    let reply = session.send(&account.email, &account.bcc_address, &content);
    assert_eq!(reply.expect("the session lives").code, 250);
}

#[test]
fn keeps_the_former_certificate_when_the_new_one_is_broken() {
    let gateway = Gateway::start();
    let first = shown_certificate(gateway.smtp());
    let certificate = gateway.directory().join("certs/cert.pem");
    fs::write(certificate, "no certificate").expect("a file");
    gateway.signal("HUP");
    let deadline = Instant::now() + Duration::from_secs(30);
    while !gateway.log().contains("cert.pem") {
        assert!(Instant::now() < deadline, "nothing is said of it:\n{}", gateway.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(shown_certificate(gateway.smtp()), first);
}

/// G8, E: the database goes away between two mails, and in the middle of one, and comes back.
#[test]
fn goes_on_when_postgresql_was_away() {
    let postgres = Server::start();
    let gateway = Gateway::setup().with("STORE__URL", postgres.url()).start();
    let account = gateway.account("anna@acme.test");
    send_until_taken(&gateway, &account, "before@acme.test", 500);

    let mut session = Sender::connect(gateway.smtp()).expect("the gateway answers");
    for command in ["EHLO client.test".to_owned(), format!("MAIL FROM:<{}>", account.email)] {
        assert_eq!(session.command(&command).expect("a reply").code, 250);
    }
    let recipient = format!("RCPT TO:<{}>", account.bcc_address);
    assert_eq!(session.command(&recipient).expect("a reply").code, 250);
    assert_eq!(session.command("DATA").expect("a reply").code, 354);
    postgres.stop();
    let content = mail(&account, "while@acme.test", 500);
    let text = String::from_utf8(content).expect("text") + "\r\n.";
    let reply = session.command(&text).expect("a reply");
    assert_eq!(reply.code, 451, "{reply:?}");
    assert_eq!(send(&gateway, &account, "while@acme.test", 500).code, 451);

    postgres.again();
    send_until_taken(&gateway, &account, "while@acme.test", 500);
    send_until_taken(&gateway, &account, "after@acme.test", 500);
    assert_eq!(filed(&account), ["after@acme.test", "before@acme.test", "while@acme.test"]);
}

/// Waits until the log says something, and gives all of it.
fn logged(gateway: &Gateway, what: &str) -> String {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !gateway.log().contains(what) {
        assert!(Instant::now() < deadline, "no {what} in:\n{}", gateway.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    gateway.log()
}

#[test]
fn takes_a_new_configuration_on_sighup_and_says_what_needs_a_restart() {
    let gateway = Gateway::start();
    let file = gateway.directory().join("config.toml");
    let mut session = Sender::connect(gateway.smtp()).expect("the gateway answers");
    let text = "[smtp]\nhostname = \"mx.other.test\"\nmax_message_bytes = 70000\n\
                [smtp.limits]\nrecipients = 7\n[log]\nfilter = \"debug\"\n";
    fs::write(&file, text).expect("the file");
    gateway.signal("HUP");
    let log = logged(&gateway, "restart_needed");
    assert!(log.contains("log.filter, smtp.limits.recipients, smtp.max_message_bytes"), "{log}");
    assert!(log.contains("smtp.hostname"), "{log}");
    let mut sender = Sender::connect(gateway.smtp()).expect("the gateway answers");
    let now = sender.command("EHLO again.test").expect("a reply").text;
    assert!(now.contains("SIZE 70000") && !now.contains("mx.other.test"), "{now}");
    let before = session.command("EHLO again.test").expect("a reply").text;
    assert!(before.contains("SIZE 36700160"), "an open session keeps what it began with: {before}");
    drop((session, sender));
    logged(&gateway, "DEBUG mailweave::smtp");

    fs::write(&file, "[smtp]\nlisten = 5\n").expect("the file");
    gateway.signal("HUP");
    let log = logged(&gateway, "configuration_kept");
    assert!(log.contains("config.toml, line 2: smtp.listen: invalid type"), "{log}");
    Sender::connect(gateway.smtp()).expect("the gateway goes on");
}
