//! From bytes to submissions: what can be known of a mail without the store. Pure.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::decide::{Again, Submission};
use crate::mail::{self, Defect, Email, Forward};
use crate::model::{
    Address, Door, Envelope, Pepper, Route, SubAccountId, Time, TrustResults, UserId,
};

/// What is the same for every mail.
#[derive(Clone, Debug)]
pub struct Reader {
    /// Our smart BCC domains, in normal form.
    pub bcc_domains: Arc<[String]>,
    pub limits: mail::Limits,
    /// For the keys of mail that is not kept.
    pub pepper: Pepper,
}

/// A mail that was read once, for all sub-accounts it goes to.
#[derive(Clone, Debug)]
pub struct Read {
    pub email: Arc<Email>,
    pub forward: Forward,
    pub content: Arc<Vec<u8>>,
}

impl Reader {
    /// Reads a mail. One on which our own code fails is unreadable (V4), and so is kept as it came.
    pub fn read(&self, content: Arc<Vec<u8>>) -> Read {
        let read = catch_unwind(AssertUnwindSafe(|| {
            let email = mail::parse::read(&content, &self.limits);
            let forward = match self.is_for_us_alone(&email) {
                true => mail::forward::find(&email),
                false => Forward::None,
            };
            (email, forward)
        }));
        match read {
            Ok((email, forward)) => Read { email: Arc::new(email), forward, content },
            Err(_) => Read::unreadable(content),
        }
    }

    /// B6 asks whether a mail went to the smart BCC address alone: nobody else is to be seen on it.
    fn is_for_us_alone(&self, email: &Email) -> bool {
        let is_ours = |address: &Address| self.bcc_domains.iter().any(|it| it == address.domain());
        email.recipients().all(is_ours)
    }

    /// One submission for each sub-account that a mail goes to, its users in the order of RCPT.
    pub fn submissions(
        &self,
        read: &Read,
        envelope: &Envelope,
        trust: &TrustResults,
    ) -> Vec<Submission> {
        let mut owners: BTreeMap<SubAccountId, Vec<UserId>> = BTreeMap::new();
        for recipient in &envelope.recipients {
            match recipient.route {
                Route::User { sub_account, user } => {
                    let users = owners.entry(sub_account).or_default();
                    if !users.contains(&user) {
                        users.push(user);
                    }
                }
                // RFC 5321 4.5.1: mail to postmaster is kept for the operator.
                Route::Postmaster => {
                    owners.entry(SubAccountId::OPERATOR).or_default();
                }
                Route::Revoked { .. } | Route::Unknown => {}
            }
        }
        let one = |(sub_account, owners)| {
            let at = envelope.received_at;
            self.submission(read, Door::Smtp, sub_account, owners, trust.clone(), at)
        };
        owners.into_iter().map(one).collect()
    }

    /// A mail before one sub-account.
    pub fn submission(
        &self,
        read: &Read,
        door: Door,
        sub_account: SubAccountId,
        owners: Vec<UserId>,
        trust: TrustResults,
        received_at: Time,
    ) -> Submission {
        Submission {
            sub_account,
            door,
            owners,
            trust,
            email: Arc::clone(&read.email),
            pepper: self.pepper.clone(),
            message_id: read.email.message_id(&read.content),
            found: None,
            sending: None,
            forward: read.forward.clone(),
            bcc_domains: Arc::clone(&self.bcc_domains),
            received_at,
            again: None,
        }
    }
}

impl Read {
    /// A mail that cannot be read at all; its header fields may still tell who and what.
    pub fn unreadable(content: Arc<Vec<u8>>) -> Self {
        let email = Email { defects: vec![Defect::Unreadable], ..Email::default() };
        Self { email: Arc::new(email), forward: Forward::None, content }
    }
}

/// The same submission, as one that nothing can be read of.
pub fn as_unreadable(submission: &Submission) -> Submission {
    let email = Email {
        headers: submission.email.headers.clone(),
        defects: vec![Defect::Unreadable],
        ..Email::default()
    };
    Submission { email: Arc::new(email), forward: Forward::None, ..submission.clone() }
}

/// The same submission, of a mail that is stored already.
pub fn again(submission: Submission, again: Again) -> Submission {
    Submission { again: Some(again), ..submission }
}
