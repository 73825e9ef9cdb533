//! The spine of way 1: facts are read, decisions made one after the other, and all of it recorded, in
//! one transaction. Read this first.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::decide::{self, Decision, Facts, Question, Submission};
use crate::model::{Envelope, NewIds, SubAccountId, Time, Verdict};
use crate::store::{self, Again, Filing, RawMail, Store};

use super::prepare;

/// A mail that waits for its judgement.
#[derive(Clone, Debug)]
pub struct Pending {
    pub submission: Submission,
    /// The raw mail.
    pub content: RawMail,
    /// Kept with held mail, so that its sender can be checked again.
    pub envelope: Option<Envelope>,
    /// Set when a stored mail is judged again: who asked, and for what.
    pub again: Option<Again>,
}

/// Counts a verdict, and says it to the log.
pub fn tell(verdict: &Verdict) {
    let (outcome, reason) = (verdict.outcome().name(), verdict.reason.name());
    metrics::counter!("mailweave_verdicts_total", "door" => verdict.door.name(), "outcome" => outcome, "reason" => reason)
        .increment(1);
    tracing::debug!(verdict.id = %verdict.id, outcome, reason, "A mail was judged.");
}

/// Judges mails and makes the decisions true: one transaction, durable when this returns. The decisions
/// come in the order of the mails; one whose sub-account is gone has none.
pub async fn file(
    store: &Store,
    batch: &[Pending],
    now: Time,
    seed: u128,
) -> Result<Vec<Option<Decision>>, store::Error> {
    let questions: Vec<(SubAccountId, Question)> = batch
        .iter()
        .map(|pending| (pending.submission.sub_account, pending.submission.question()))
        .collect();
    let filings = store.file(&questions, |facts| judge(batch, facts, now, seed)).await?;
    Ok(in_order(batch, filings))
}

/// Decides each mail in order, the decisions before it applied to the facts. Pure; a mail on which the
/// code fails becomes unreadable (V4) and harms no other.
fn judge(batch: &[Pending], mut facts: Facts, now: Time, seed: u128) -> Vec<Filing> {
    let mut ids = NewIds::new(now, seed);
    let mut filings = Vec::with_capacity(batch.len());
    for pending in batch {
        let Some(decision) = decide_one(&facts, &pending.submission, &mut ids) else { continue };
        facts.apply(&decision);
        filings.push(Filing {
            decision,
            content: pending.content.clone(),
            envelope: pending.envelope.clone(),
            again: pending.again.clone(),
        });
    }
    filings
}

fn decide_one(facts: &Facts, submission: &Submission, ids: &mut NewIds) -> Option<Decision> {
    let attempt = AssertUnwindSafe(|| decide::ingest(facts, submission, ids));
    match catch_unwind(attempt) {
        Ok(decision) => decision,
        Err(_) => decide::ingest(facts, &prepare::as_unreadable(submission), ids),
    }
}

/// A filing for each mail whose sub-account is there.
fn in_order(batch: &[Pending], filings: Vec<Filing>) -> Vec<Option<Decision>> {
    let mut filings = filings.into_iter().map(|filing| filing.decision).peekable();
    let one = |pending: &Pending| {
        let account = pending.submission.sub_account;
        filings.next_if(|decision| decision.sub_account == account)
    };
    batch.iter().map(one).collect()
}
