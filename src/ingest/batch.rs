//! Lets concurrent deliveries share one transaction and one fsync: one task takes what waits, at most
//! [`BATCH_MAX`], files it, and answers everybody. Who is answered together comes back together, so the
//! next batch waits a moment for half of those who deliver: while their mail is filed, that of the other half
//! is read. A mail that comes alone waits for nobody. A batch that fails is tried one by one, so that a mail
//! fails alone.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::{mpsc, oneshot};

use crate::clock;
use crate::decide::Decision;
use crate::store::{Error, Store};

use super::flow::{self, Pending};
use super::prepare;

/// More than this in one transaction brings nothing (measured: PostgreSQL loses above 64).
const BATCH_MAX: usize = 64;
/// Nor more bytes of mail than this, but for one mail alone: the store holds copies of a batch in memory.
const BATCH_BYTES_MAX: usize = 1_048_576;
/// So long is waited for mail that is expected: less than a batch takes, at the resolution of the clock.
const GATHER_MAX: Duration = Duration::from_millis(1);
/// Deliveries that may wait; those beyond wait to be allowed to wait.
const QUEUE_MAX: usize = 1_024;

/// What became of a mail: its decision, `None` when its sub-account is gone.
pub type Outcome = Result<Option<Decision>, Refused>;

/// A mail that was not filed; its sender comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The store cannot be written just now.
    Unavailable,
    /// There is no room.
    Full,
}

impl From<&Error> for Refused {
    fn from(error: &Error) -> Self {
        match error {
            Error::Full => Self::Full,
            _ => Self::Unavailable,
        }
    }
}

struct Waiting {
    pending: Pending,
    answer: oneshot::Sender<Outcome>,
}

/// The way to the task that files.
#[derive(Clone)]
pub struct Batch {
    queue: mpsc::Sender<Waiting>,
}

impl Batch {
    /// Starts the task; it ends when the last `Batch` is dropped and all that waited is answered.
    pub fn start(store: Arc<Store>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(run(store, waiting));
        Self { queue }
    }

    /// Files a mail; it is durable when this returns a decision.
    pub async fn file(&self, pending: Pending) -> Outcome {
        let (answer, answered) = oneshot::channel();
        if self.queue.send(Waiting { pending, answer }).await.is_err() {
            return Err(Refused::Unavailable);
        }
        answered.await.unwrap_or(Err(Refused::Unavailable))
    }
}

async fn run(store: Arc<Store>, mut waiting: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::with_capacity(BATCH_MAX);
    let mut expected = 1;
    loop {
        // What did not fit into the last batch goes with what came meanwhile.
        if batch.is_empty() && waiting.recv_many(&mut batch, BATCH_MAX).await == 0 {
            return;
        }
        gather(&mut waiting, &mut batch, expected).await;
        let (pending, answers): (Vec<_>, Vec<_>) =
            batch.drain(..fitting(&batch)).map(|it| (it.pending, it.answer)).unzip();
        let outcomes = file_all(&store, &pending).await;
        // So many deliver at the same time: each sends its next mail only when it was answered.
        expected = pending.len() + batch.len() + waiting.len();
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            // A session that went away meanwhile needs no answer; its mail is filed all the same.
            let _ = answer.send(outcome);
        }
    }
}

/// Takes what waits, and waits a moment for half of those who are expected. Of all of them in one batch,
/// nobody's mail would be read while it is filed, and nothing filed while they are read: measured, a quarter
/// less; and ever smaller batches cost ever more statements and fsyncs.
async fn gather(waiting: &mut mpsc::Receiver<Waiting>, batch: &mut Vec<Waiting>, expected: usize) {
    let expected = expected.div_ceil(2).min(BATCH_MAX);
    let end = tokio::time::Instant::now() + GATHER_MAX;
    while batch.len() < expected && fitting(batch) == batch.len() {
        let room = BATCH_MAX - batch.len();
        match tokio::time::timeout_at(end, waiting.recv_many(batch, room)).await {
            Ok(received) if received > 0 => {}
            _ => return,
        }
    }
}

/// How many mails from the first on go into one batch.
fn fitting(waiting: &[Waiting]) -> usize {
    let mut bytes = 0;
    let fits = |it: &&Waiting| {
        bytes += it.pending.content.kept_bytes();
        bytes <= BATCH_BYTES_MAX
    };
    waiting.iter().take_while(fits).count().max(1)
}

/// V4: mail on which our own code fails is held or refused; it does not end the task that files.
async fn file_guarded(store: &Store, batch: &[Pending]) -> Result<Vec<Option<Decision>>, Error> {
    let filed = flow::file(store, batch, clock::now(), clock::seed());
    let filed = AssertUnwindSafe(filed).catch_unwind().await;
    filed.unwrap_or_else(|_| Err(Error::damaged("our own code failed on a mail")))
}

async fn file_all(store: &Store, batch: &[Pending]) -> Vec<Outcome> {
    let error = match file_guarded(store, batch).await {
        Ok(decisions) => return decisions.into_iter().map(Ok).collect(),
        Err(error) => error,
    };
    tracing::error!(code = "batch_failed", mails = batch.len(), %error, "A batch of mails could not be filed.");
    // Mails that are in conflict with themselves must not take the others along, time after time.
    if error.is_transient() && !matches!(error, Error::Conflict(_)) {
        // The store is away for all of them: trying each would only take longer.
        return batch.iter().map(|_| Err(Refused::from(&error))).collect();
    }
    let mut outcomes = Vec::with_capacity(batch.len());
    for pending in batch {
        outcomes.push(file_alone(store, pending).await.map_err(|error| Refused::from(&error)));
    }
    outcomes
}

/// V4: what the store refuses for what it says is kept as unreadable.
async fn file_alone(store: &Store, pending: &Pending) -> Result<Option<Decision>, Error> {
    let first = |decisions: Vec<Option<Decision>>| decisions.into_iter().next().flatten();
    let one = std::slice::from_ref(pending);
    let error = match file_guarded(store, one).await {
        Ok(decisions) => return Ok(first(decisions)),
        Err(error) if error.is_transient() => return Err(error),
        Err(error) => error,
    };
    tracing::error!(code = "mail_unreadable", %error, "A mail could not be filed and is kept as unreadable.");
    let submission = prepare::as_unreadable(&pending.submission);
    let kept = Pending { submission, ..pending.clone() };
    file_guarded(store, &[kept]).await.map(first)
}
