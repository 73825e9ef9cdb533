//! Where the SMTP listener's mail goes: it is read, its author checked, and filed in a batch.

use std::sync::Arc;

use crate::clock;
use crate::decide::Decision;
use crate::mail;
use crate::model::{
    Address, Door, Envelope, Matched, MessageId, Outcome, Reason, Recipient, Route, SubAccountId,
    Trust, TrustResults, UserId, Verdict, VerdictId,
};
use crate::smtp::{Delivery, MailObject, Receiver, Rejection, Unavailable};
use crate::store::{self, Filing, RawMail, Store};

use super::batch::{Batch, Refused};
use super::flow::{self, Pending};
use super::prepare::{Read, Reader};
use super::rate::Rate;
use super::trust::Verifier;

/// Mail above this size is read on a thread of its own, so that other sessions go on.
const READ_INLINE_MAX: usize = 262_144;

/// The gateway behind the SMTP listener.
pub struct Gateway {
    pub store: Arc<Store>,
    pub batch: Batch,
    pub reader: Reader,
    /// `None`: the header From is believed (`verify = "off"`).
    pub verifier: Option<Arc<Verifier>>,
    pub rate: Rate,
}

impl Receiver for Gateway {
    async fn route(&self, address: &Address) -> Result<Route, Unavailable> {
        self.store.route(address).await.map_err(|error| {
            tracing::warn!(code = "route_unavailable", %error, "A recipient could not be looked up.");
            Unavailable
        })
    }

    async fn deliver(&self, mail: MailObject) -> Delivery {
        let MailObject { envelope, content } = mail;
        if !self.rate.allows(&envelope, clock::now()) {
            return Delivery::Throttled;
        }
        let Some((read, raw)) = self.read(content).await else {
            return Delivery::Unavailable;
        };
        let trust = self.trust(&envelope, &read).await;
        let submissions = self.reader.submissions(&read, &envelope, &trust);
        // It is packed; unpacked it would take up as much again while it waits.
        drop(read);
        let mut delivery = Delivery::Durable;
        for submission in submissions {
            let pending = Pending {
                submission,
                content: raw.clone(),
                envelope: Some(envelope.clone()),
                again: None,
            };
            match self.batch.file(pending).await {
                Ok(Some(decision)) => {
                    flow::tell(&decision.verdict);
                    self.rate.count(&decision, clock::now());
                }
                // Its sub-account was erased meanwhile: when the sender comes again, RCPT says so.
                Ok(None) => delivery = Delivery::Unavailable,
                // The sender comes again; what is filed already is then a duplicate.
                Err(Refused::Unavailable) => delivery = Delivery::Unavailable,
                Err(Refused::Full) => delivery = Delivery::Full,
            }
        }
        delivery
    }

    async fn reject(&self, rejection: Rejection) {
        let accounts = rejection.recipients.iter().filter_map(refused_owner);
        for (sub_account, user, address) in accounts {
            let verdict = rejected(&rejection, user, address);
            let decision =
                Decision { sub_account, verdict, changes: Vec::new(), events: Vec::new() };
            if let Err(error) = self.record(decision).await {
                tracing::warn!(code = "verdict_lost", %error, "A refusal could not be recorded.");
            }
        }
    }
}

impl Gateway {
    /// Records a verdict on a mail that was not stored.
    async fn record(&self, decision: Decision) -> Result<(), store::Error> {
        let filing = Filing { decision, content: RawMail::default(), envelope: None, again: None };
        self.store.file(&[], |_| vec![filing.clone()]).await.map(drop)
    }

    /// Reads a mail, and packs it while the one before it is being filed.
    async fn read(&self, content: Vec<u8>) -> Option<(Read, RawMail)> {
        let is_small = content.len() <= READ_INLINE_MAX;
        let reader = self.reader.clone();
        let read = move || {
            let read = reader.read(Arc::new(content));
            let raw = RawMail::pack(&read.content);
            (read, raw)
        };
        if is_small { Some(read()) } else { tokio::task::spawn_blocking(read).await.ok() }
    }

    /// B2: is the author who they say?
    async fn trust(&self, envelope: &Envelope, read: &Read) -> TrustResults {
        let Some(verifier) = &self.verifier else {
            return TrustResults::without_checks(Trust::Local);
        };
        if is_first_steps(envelope) {
            return TrustResults::without_checks(Trust::Local);
        }
        verifier.verify(envelope, &read.content, read.email.headers.from.as_ref()).await
    }
}

/// B2: under a domain that ends in `.localhost`, mail from a loopback peer is believed.
fn is_first_steps(envelope: &Envelope) -> bool {
    let is_local = |domain: &str| domain == "localhost" || domain.ends_with(".localhost");
    envelope.peer.to_canonical().is_loopback()
        && envelope.recipients.iter().all(|recipient| is_local(recipient.address.domain()))
}

fn refused_owner(recipient: &Recipient) -> Option<(SubAccountId, Option<UserId>, &Address)> {
    match recipient.route {
        Route::User { sub_account, user } => Some((sub_account, Some(user), &recipient.address)),
        Route::Revoked { sub_account, user } => Some((sub_account, user, &recipient.address)),
        Route::Postmaster | Route::Unknown => None,
    }
}

/// The verdict of a mail that was refused before it was stored.
fn rejected(rejection: &Rejection, user: Option<UserId>, address: &Address) -> Verdict {
    debug_assert_eq!(rejection.reason.outcome(), Outcome::Rejected);
    let headers = mail::parse::headers(&rejection.header, &mail::Limits::default());
    let address =
        (rejection.reason == Reason::UnknownRecipient).then(|| address.normal().to_owned());
    let message_id: Option<MessageId> = headers.message_id;
    let now = clock::now();
    let id = VerdictId(crate::model::NewIds::new(now, clock::seed()).next_id());
    Verdict {
        matched: Matched { address, what: Some(rejection.what.clone()), rule: None },
        message_id,
        user_id: user,
        ..Verdict::new(id, now, Door::Smtp, rejection.reason)
    }
}
