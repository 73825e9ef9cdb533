//! Lets mails that are on their way at once share transactions: one task takes what waits, says durably
//! what is about to be handed over and what became of the rest, and answers everybody. A mail that is
//! alone waits for nobody.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::clock;
use crate::model::{StoredMessageId, SubAccountId};
use crate::store::{Result, Settle, Store};

/// More than this in one transaction brings nothing.
const BATCH_MAX: usize = 64;
/// Those beyond wait to be allowed to wait.
const QUEUE_MAX: usize = 1_024;

type Mail = (SubAccountId, StoredMessageId, Uuid);

enum Note {
    /// May this mail be handed over?
    HandOver(Mail, oneshot::Sender<bool>),
    Settle(Box<Settle>, oneshot::Sender<bool>),
}

/// The way to the task that records.
#[derive(Clone)]
pub(super) struct Recorder(mpsc::Sender<Note>);

impl Recorder {
    /// Starts the task; it ends when the last `Recorder` is dropped and all that waited is answered.
    pub(super) fn start(store: Arc<Store>) -> Self {
        let (notes, waiting) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(run(store, waiting));
        Self(notes)
    }

    /// Says durably that the server may have the mail from now on. `false`: it must not be handed over;
    /// somebody else has it, or that could not be written.
    pub(super) async fn hand_over(&self, mail: Mail) -> bool {
        let (answer, answered) = oneshot::channel();
        let asked = self.0.send(Note::HandOver(mail, answer)).await;
        asked.is_ok() && answered.await.unwrap_or(false)
    }

    /// Records what became of a mail; `false` when that could not be written.
    pub(super) async fn settle(&self, settle: Settle) -> bool {
        let (answer, answered) = oneshot::channel();
        let asked = self.0.send(Note::Settle(Box::new(settle), answer)).await;
        asked.is_ok() && answered.await.unwrap_or(false)
    }
}

async fn run(store: Arc<Store>, mut waiting: mpsc::Receiver<Note>) {
    let mut notes = Vec::with_capacity(BATCH_MAX);
    while waiting.recv_many(&mut notes, BATCH_MAX).await > 0 {
        let (mut mails, mut hand_overs) = (Vec::new(), Vec::new());
        let (mut settles, mut settled) = (Vec::new(), Vec::new());
        for note in notes.drain(..) {
            match note {
                Note::HandOver(mail, answer) => {
                    mails.push(mail);
                    hand_overs.push(answer);
                }
                Note::Settle(settle, answer) => {
                    settles.push(*settle);
                    settled.push(answer);
                }
            }
        }
        hand_over(&store, &mails, hand_overs).await;
        settle(&store, &settles, settled).await;
    }
}

async fn hand_over(store: &Store, mails: &[Mail], answers: Vec<oneshot::Sender<bool>>) {
    if mails.is_empty() {
        return;
    }
    let handed = match store.hand_over(mails, clock::now()).await {
        Ok(handed) => handed.into_iter().collect::<BTreeSet<_>>(),
        Err(error) => {
            tracing::warn!(code = "outbox_unwritable", %error, "Mails are not handed over: that could not be recorded.");
            BTreeSet::new()
        }
    };
    for ((of, message, _), answer) in mails.iter().zip(answers) {
        let _ = answer.send(handed.contains(&(*of, *message)));
    }
}

async fn settle(store: &Store, settles: &[Settle], answers: Vec<oneshot::Sender<bool>>) {
    if settles.is_empty() {
        return;
    }
    let together = store.settle(settles).await;
    for (settle, answer) in settles.iter().zip(answers) {
        let outcome = match &together {
            Ok(()) => Ok(()),
            // One that fails does so alone.
            Err(_) => alone(store, settle).await,
        };
        if let Err(error) = &outcome {
            tracing::error!(message.id = %settle.message, code = "outbox_unsettled", %error, "What became of message {} could not be recorded.", settle.message);
        }
        let _ = answer.send(outcome.is_ok());
    }
}

async fn alone(store: &Store, settle: &Settle) -> Result<()> {
    store.settle(std::slice::from_ref(settle)).await
}
