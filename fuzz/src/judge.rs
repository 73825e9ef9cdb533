//! A sub-account with one user, before whom mails are read and judged.

use std::collections::BTreeMap;
use std::sync::Arc;

use mailweave::decide::facts::AccountFacts;
use mailweave::decide::{self, Decision, Facts};
use mailweave::ingest::prepare::{Read, Reader};
use mailweave::mail::{self, Limits};
use mailweave::model::{Address, Door, NewIds, SubAccountId, Time, Trust, TrustResults, UserId};
use uuid::Uuid;

pub const SUB_ACCOUNT: SubAccountId = SubAccountId(Uuid::from_u128(1));
pub const USER: UserId = UserId(Uuid::from_u128(2));
/// The user's address.
pub const ACTOR: &str = "anna@acme.test";

/// Reads a mail. Where the gateway would keep one on which our code fails as unreadable, this fails.
pub fn read(content: &[u8]) -> Read {
    let email = mail::parse::read(content, &Limits::default());
    let forward = mail::forward::find(&email);
    Read { email: Arc::new(email), forward, content: Arc::new(content.to_vec()) }
}

/// Judges what was read, as mail that the user sent to the smart BCC address.
pub fn judge(read: &Read) -> Decision {
    let reader = Reader {
        bcc_domains: Arc::from(["bcc.example".to_owned()]),
        limits: Limits::default(),
        pepper: mailweave::model::Pepper::new([1; 32]),
    };
    let now = Time::from_micros(1_795_000_000_000_000);
    let trust = TrustResults {
        trust: Trust::Local,
        spf: None,
        spf_domain: None,
        dkim: Vec::new(),
        dmarc: None,
    };
    let submission = reader.submission(read, Door::Smtp, SUB_ACCOUNT, vec![USER], trust, now);
    decide::ingest(&facts(), &submission, &mut NewIds::new(now, 7))
        .expect("a mail before a known sub-account is decided")
}

fn facts() -> Facts {
    let actor = Address::parse(ACTOR).expect("an address");
    let users = BTreeMap::from([(actor.normal().to_owned(), vec![USER])]);
    let account = AccountFacts { users, ..AccountFacts::default() };
    Facts { accounts: BTreeMap::from([(SUB_ACCOUNT, account)]) }
}
