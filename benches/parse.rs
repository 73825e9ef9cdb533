//! What it costs to read and judge a mail, beside mail-parser alone on the same mails: mail of the load
//! generator in three sizes, mail that is HTML alone, and the mails of the tests. `cargo bench --bench
//! parse`, `-- WORD` for the sets with that word in their name.

#![allow(clippy::expect_used, clippy::indexing_slicing, reason = "a benchmark may fail")]

#[path = "load/mail.rs"]
mod mail;

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mailweave::decide::facts::AccountFacts;
use mailweave::decide::{self, Facts};
use mailweave::ingest::prepare::Reader;
use mailweave::model::{Address, Door, NewIds, SubAccountId, Time, Trust, TrustResults, UserId};
use uuid::Uuid;

use mail::Mail;

// That of the product, for both sides.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ACTOR: &str = "anna@acme.test";
const SUB_ACCOUNT: SubAccountId = SubAccountId(Uuid::from_u128(1));
const USER: UserId = UserId(Uuid::from_u128(2));
const RATIO_MAX: f64 = 3.0;
/// Each side reads all mails of a set this often; the fastest time is the least disturbed one.
const ROUNDS: usize = 30;

/// What the gateway has at hand when a mail comes.
struct Bench {
    reader: Reader,
    facts: Facts,
    trust: TrustResults,
    now: Time,
}

fn main() {
    let bench = Bench::new();
    let made = |size: usize| {
        let mut mail = Mail::new(ACTOR, size);
        let content = |number| {
            let bytes = mail.numbered(number);
            Arc::new(bytes.strip_suffix(b".\r\n").unwrap_or(bytes).to_vec())
        };
        (0..50).map(content).collect()
    };
    let sets: [(&str, Vec<Arc<Vec<u8>>>); 5] = [
        ("1 KB, text", made(1_024)),
        ("10 KB, text and HTML", made(10_240)),
        ("10 KB, HTML alone", html_alone(&made(10_240))),
        ("100 KB, with a PDF", made(102_400)),
        ("the tests' mails", test_mails()),
    ];
    let word = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let is_wanted = |name: &str| word.as_ref().is_none_or(|word| name.contains(word.as_str()));
    println!(
        "| mails | mail-parser | parse and decide | ratio | |\n| --- | --- | --- | --- | --- |"
    );
    for (name, mails) in sets.iter().filter(|(name, _)| is_wanted(name)) {
        bench.compare(name, mails);
    }
    if word.is_some() {
        return;
    }
    let all: Vec<_> = sets.into_iter().flat_map(|(_, mails)| mails).collect();
    bench.compare("all", &all);
}

impl Bench {
    fn new() -> Self {
        let actor = Address::parse(ACTOR).expect("an address");
        let users = BTreeMap::from([(actor.normal().to_owned(), vec![USER])]);
        let account = AccountFacts { users, ..AccountFacts::default() };
        Self {
            reader: Reader {
                bcc_domains: Arc::from(["bcc.localhost".to_owned()]),
                limits: mailweave::mail::Limits::default(),
                pepper: mailweave::model::Pepper::new([1; 32]),
            },
            facts: Facts { accounts: BTreeMap::from([(SUB_ACCOUNT, account)]) },
            trust: TrustResults {
                trust: Trust::Local,
                spf: None,
                spf_domain: None,
                dkim: Vec::new(),
                dmarc: None,
            },
            now: Time::from_micros(1_795_000_000_000_000),
        }
    }

    /// Reads and judges one mail as the gateway does.
    fn judge(&self, content: &Arc<Vec<u8>>) {
        let read = self.reader.read(Arc::clone(content));
        let submission = self.reader.submission(
            &read,
            Door::Smtp,
            SUB_ACCOUNT,
            vec![USER],
            self.trust.clone(),
            self.now,
        );
        black_box(submission.question());
        let mut ids = NewIds::new(self.now, 7);
        black_box(decide::ingest(&self.facts, &submission, &mut ids));
    }

    /// Both sides in turn, and a line of the table.
    fn compare(&self, name: &str, mails: &[Arc<Vec<u8>>]) {
        let parser = mail_parser::MessageParser::default();
        let mut best = (Duration::MAX, Duration::MAX);
        for _ in 0..ROUNDS {
            best.0 = best.0.min(timed(mails, |mail| {
                black_box(parser.parse(mail.as_slice()));
            }));
            best.1 = best.1.min(timed(mails, |mail| self.judge(mail)));
        }
        let micros = |time: Duration| time.as_secs_f64() * 1e6 / mails.len() as f64;
        let ratio = micros(best.1) / micros(best.0);
        println!(
            "| {name} | {:.1} µs | {:.1} µs | {ratio:.2} | {} |",
            micros(best.0),
            micros(best.1),
            if ratio <= RATIO_MAX { "ok" } else { "**short**" }
        );
    }
}

fn timed(mails: &[Arc<Vec<u8>>], mut read: impl FnMut(&Arc<Vec<u8>>)) -> Duration {
    let began = Instant::now();
    mails.iter().for_each(&mut read);
    began.elapsed()
}

/// The same mails with their HTML as the whole body.
fn html_alone(mails: &[Arc<Vec<u8>>]) -> Vec<Arc<Vec<u8>>> {
    let one = |mail: &Arc<Vec<u8>>| {
        let text = String::from_utf8_lossy(mail);
        let (head, _) = text.split_once("Content-Type:").expect("a header");
        let html = text.find("Content-Type: text/html").and_then(|at| text.get(at..));
        let html = html.expect("an HTML part").trim_end().trim_end_matches("--=_a1--");
        Arc::new(format!("{head}{html}").into_bytes())
    };
    mails.iter().map(one).collect()
}

/// Every .eml of the tests, in the order of their names.
fn test_mails() -> Vec<Arc<Vec<u8>>> {
    let mut paths = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "eml") {
                paths.push(path);
            }
        }
    }
    paths.sort();
    paths.iter().map(|path| Arc::new(fs::read(path).expect("a mail"))).collect()
}
