//! What happens by itself as time passes: checks of senders that failed for want of DNS are repeated
//! for 24 hours (B2), and what was held for 30 days is removed (B13).

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::ready;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::model::{SubAccountId, Time, Trust, TrustResults, VerdictId};
use crate::store::{Error, Store, Waiting};

use super::prepare::Reader;
use super::release;
use super::trust::Verifier;

/// How often due work is looked for.
const EVERY: Duration = Duration::from_secs(30);
/// Mails that are asked for at a time, and checked at once: each may be 35 MB.
const DUE_MAX: u32 = 50;
const AT_ONCE: usize = 8;
/// B2: how long a check is repeated.
const RECHECK_SECONDS_MAX: i64 = 24 * 3600;
/// The wait after somebody else was at the same mail.
const CONFLICT_PAUSE_SECONDS: i64 = 60;
/// The longest wait between two checks.
const RECHECK_PAUSE_SECONDS_MAX: i64 = 3600;

/// Works until it is told to stop.
pub async fn run(
    store: Arc<Store>,
    reader: Reader,
    verifier: Option<Arc<Verifier>>,
    stop: CancellationToken,
) {
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        let work = stop.run_until_cancelled(once(&store, &reader, verifier.as_deref()));
        if let Some(Err(error)) = work.await {
            tracing::warn!(code = "maintenance_failed", %error, "Maintenance failed; it is tried again.");
        }
    }
}

/// Does all that is due now.
pub async fn once(
    store: &Store,
    reader: &Reader,
    verifier: Option<&Verifier>,
) -> Result<(), Error> {
    while store.expire_held(clock::now()).await? > 0 {}
    store.expire_answers(clock::now()).await?;
    store.expire_consents(clock::now()).await?;
    let Some(verifier) = verifier else { return Ok(()) };
    loop {
        let due = store.due_rechecks(clock::now(), DUE_MAX).await?;
        let count = due.len();
        let checks = due.into_iter().map(|due| check_due(store, reader, verifier, due));
        // Each waits for DNS most of the time.
        stream::iter(checks).buffer_unordered(AT_ONCE).try_for_each(|()| ready(Ok(()))).await?;
        if count < DUE_MAX as usize {
            return Ok(());
        }
    }
}

async fn check_due(
    store: &Store,
    reader: &Reader,
    verifier: &Verifier,
    (account, id): (SubAccountId, VerdictId),
) -> Result<(), Error> {
    match recheck(store, reader, verifier, (account, id)).await {
        Ok(()) => Ok(()),
        // Another node, or a person, was first. If nobody was, it must not be the next again at once.
        Err(Error::Conflict(_)) => {
            let soon = clock::now().plus_seconds(CONFLICT_PAUSE_SECONDS);
            store.postpone_recheck(account, id, Some(soon)).await
        }
        Err(error) if error.is_transient() => Err(error),
        Err(error) => {
            // V4: everything behind it goes on.
            tracing::error!(verdict.id = %id, code = "recheck_failed", %error, "Verdict {id} could not be judged again.");
            let later = clock::now().plus_seconds(RECHECK_PAUSE_SECONDS_MAX);
            store.postpone_recheck(account, id, Some(later)).await
        }
    }
}

async fn recheck(
    store: &Store,
    reader: &Reader,
    verifier: &Verifier,
    (account, id): (SubAccountId, VerdictId),
) -> Result<(), Error> {
    let Some(waiting) = store.waiting(account, id).await? else {
        return store.postpone_recheck(account, id, None).await;
    };
    let trust = verify_again(reader, verifier, &waiting).await?;
    // Without DNS, the user's Sent folder may still speak for the mail.
    let again = match trust.trust {
        Trust::Unknown => next(waiting.at, clock::now()),
        // Checked, and not believed: it waits for a person.
        _ => None,
    };
    let (now, seed) = (clock::now(), clock::seed());
    match release::recheck(store, reader, waiting, trust, now, seed).await? {
        Ok(decision) => {
            let reason = decision.verdict.reason.name();
            tracing::info!(verdict.id = %id, reason, "Verdict {id} was settled: its sender could be checked.");
            Ok(())
        }
        Err(_) => store.postpone_recheck(account, id, again).await,
    }
}

async fn verify_again(
    reader: &Reader,
    verifier: &Verifier,
    waiting: &Waiting,
) -> Result<TrustResults, Error> {
    let Some(envelope) = &waiting.envelope else {
        return Ok(TrustResults::without_checks(Trust::Unverified));
    };
    let read = release::read_aside(reader, waiting).await?;
    Ok(verifier.verify(envelope, &read.content, read.email.headers.from.as_ref()).await)
}

/// When it is checked next: after as long as it has waited, at most an hour, for a day in all.
fn next(first_seen: Time, now: Time) -> Option<Time> {
    let waited = now.as_seconds() - first_seen.as_seconds();
    let pause = waited.clamp(60, RECHECK_PAUSE_SECONDS_MAX);
    (waited < RECHECK_SECONDS_MAX).then(|| now.plus_seconds(pause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_again_ever_more_rarely_for_a_day() {
        let start = Time::from_seconds(0);
        let at = |seconds| next(start, Time::from_seconds(seconds)).map(Time::as_seconds);
        assert_eq!(at(0), Some(60));
        assert_eq!(at(600), Some(1_200));
        assert_eq!(at(50_000), Some(53_600));
        assert_eq!(at(90_000), None);
    }
}
