//! Works off the queues of webhooks: each by itself, so that a target that is dead or slow delays no
//! other. Within a queue events go out in their order, one after the other; one that fails is attempted
//! again later, and those behind it need not wait for that.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::retry::{self, Answer, Next};
use super::webhook::{Client, Post, secret_place};
use super::{Error, Objects, tell};
use crate::model::{DeliveryState, Time};
use crate::secrets::Secrets;
use crate::store::{Due, Outcome, Queue, QueueLease, Round, Settled, Store};

/// Queues in hand at once.
const QUEUES_MAX: usize = 256;
/// Deliveries of a round.
const ROUND: u32 = 64;
/// A round is settled after this long, however much of it is left.
const ROUND_TIME: Duration = Duration::from_secs(5);
/// A lease: a round, its last attempt, and time to settle it.
const LEASE_SECONDS: i64 = 20;
/// How often due work is looked for: retries, and events of other processes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between two looks, however much news there is.
const PAUSE: Duration = Duration::from_millis(20);
/// How often old events and the log of their deliveries are removed.
const EXPIRE_EVERY: Duration = Duration::from_secs(3600);
/// Before a queue is taken again whose events could not be read.
const STORE_PAUSE_SECONDS: i64 = 5;
/// The log of deliveries is kept for as long as events are.
const KEPT_SECONDS: i64 = 30 * 24 * 3600;
/// What is said of events that waited behind a target that did not come back.
const GIVEN_UP: &str = "not attempted: the target failed for 24 hours";

/// Delivers events to webhooks.
pub struct Driver {
    pub store: Arc<Store>,
    pub objects: Arc<dyn Objects>,
    pub secrets: Secrets,
    pub client: Client,
    /// What time it is.
    pub clock: Arc<dyn Fn() -> Time + Send + Sync>,
}

impl Driver {
    /// Works until it is told to stop; attempts under way are settled.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut news = self.store.news();
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut expire = tokio::time::interval(EXPIRE_EVERY);
        let mut workers = JoinSet::new();
        while !stop.is_cancelled() {
            self.start_workers(&mut workers, &stop).await;
            tokio::select! {
                heard = news.recv() => if heard == Err(RecvError::Closed) { break },
                _ = look.tick() => {}
                Some(_) = workers.join_next() => {}
                _ = expire.tick() => self.expire().await,
                () = stop.cancelled() => break,
            }
            stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
            while news.try_recv().is_ok() {}
        }
        while workers.join_next().await.is_some() {}
    }

    /// Delivers what is due now, as often as it is due now.
    pub async fn once(self: &Arc<Self>) -> Result<(), Error> {
        loop {
            let mut workers = JoinSet::new();
            for queue in self.store.due_queues((self.clock)(), u32::MAX).await? {
                let driver = Arc::clone(self);
                workers.spawn(async move { driver.work(queue, &CancellationToken::new()).await });
            }
            if workers.is_empty() {
                return Ok(());
            }
            while let Some(done) = workers.join_next().await {
                done.unwrap_or(Ok(()))?;
            }
        }
    }

    async fn start_workers(self: &Arc<Self>, workers: &mut JoinSet<()>, stop: &CancellationToken) {
        let room = u32::try_from(QUEUES_MAX.saturating_sub(workers.len())).unwrap_or(0);
        let due = match self.store.due_queues((self.clock)(), room).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(code = "webhooks_not_read", %error, "Webhooks could not be read; they are read again.");
                return;
            }
        };
        for queue in due {
            let (driver, stop) = (Arc::clone(self), stop.clone());
            workers.spawn(async move {
                if let Err(error) = driver.work(queue, &stop).await {
                    tracing::warn!(code = "webhook_not_settled", webhook.id = %queue.webhook, %error,
                        "Webhook {} was not worked off; its events are delivered again.", queue.webhook);
                }
            });
        }
    }

    /// Works off a queue, round by round, until nothing is due.
    async fn work(&self, queue: Queue, stop: &CancellationToken) -> Result<(), Error> {
        let mut follows = None;
        loop {
            let now = (self.clock)();
            let lease = QueueLease { until: now.plus_seconds(LEASE_SECONDS), follows };
            let Some(round) = self.store.take_round(queue, lease, now, ROUND).await? else {
                return Ok(());
            };
            let mut outcome = self.deliver(queue, &round, stop).await;
            let is_resting = outcome.rests_until > (self.clock)();
            outcome.keeps_lease = round.is_more && !is_resting && !stop.is_cancelled();
            let keeps_lease = outcome.keeps_lease;
            self.store.settle_round(queue, lease, outcome).await?;
            if !keeps_lease {
                return Ok(());
            }
            follows = Some(lease.until);
        }
    }

    /// Attempts what is due, one after the other.
    async fn deliver(&self, queue: Queue, round: &Round, stop: &CancellationToken) -> Outcome {
        let place = secret_place(queue.sub_account, queue.webhook);
        let secret = self.secrets.unseal(&place, &round.secret).unwrap_or_default();
        let secret = String::from_utf8(secret).unwrap_or_default();
        let mut outcome = Outcome {
            settled: Vec::new(),
            failures: round.failures,
            rests_until: Time::default(),
            give_up: None,
            keeps_lease: false,
        };
        let end = Instant::now() + ROUND_TIME;
        for due in &round.due {
            if Instant::now() > end || stop.is_cancelled() || outcome.rests_until > (self.clock)() {
                break;
            }
            match tell(self.objects.as_ref(), queue.sub_account, &due.event).await {
                Ok(Some(body)) => {
                    let (url, id, now) = (&round.url, due.event.id, (self.clock)());
                    let post = Post { url, secret: &secret, id, body: &body, now };
                    let answer = self.client.post(&post).await;
                    note(&mut outcome, due, answer, (self.clock)());
                }
                // The store is away: the round ends, and the event is taken again.
                Err(error) if error.is_transient() => {
                    outcome.rests_until = (self.clock)().plus_seconds(STORE_PAUSE_SECONDS);
                }
                Ok(None) | Err(_) => outcome.settled.push(dropped(due)),
            }
        }
        outcome
    }

    async fn expire(&self) {
        let now = (self.clock)();
        let done = async {
            while self.store.expire_events(now).await? > 0 {}
            self.store.expire_deliveries(now.plus_seconds(-KEPT_SECONDS)).await
        };
        if let Err(error) = done.await {
            tracing::warn!(code = "events_not_expired", %error, "Old events were not removed; they are later.");
        }
    }
}

/// Notes what an attempt came to.
fn note(outcome: &mut Outcome, due: &Due, answer: Answer, now: Time) {
    let (state, next_attempt_at) = match retry::next(&answer, due.attempts, due.since, now) {
        Next::Delivered => (DeliveryState::Delivered, None),
        Next::Again(at) => (DeliveryState::Pending, Some(at)),
        Next::Failed => (DeliveryState::Failed, None),
    };
    metrics::counter!("mailweave_webhook_attempts_total", "state" => state.name()).increment(1);
    outcome.failures = if answer.is_delivered() { 0 } else { outcome.failures.saturating_add(1) };
    if !answer.is_delivered() {
        outcome.rests_until = retry::rest(&answer, outcome.failures, now);
    }
    if retry::is_ailing(outcome.failures) {
        outcome.give_up = Some((now.plus_seconds(-retry::TRIED_SECONDS), GIVEN_UP));
    }
    let Answer { status, error, .. } = answer;
    let (id, attempts) = (due.event.id, due.attempts + 1);
    let attempted_at = Some(now);
    outcome.settled.push(Settled {
        id,
        state,
        attempts,
        status,
        error,
        attempted_at,
        next_attempt_at,
    });
}

/// There is nothing to tell any more.
fn dropped(due: &Due) -> Settled {
    Settled {
        id: due.event.id,
        state: DeliveryState::Dropped,
        attempts: due.attempts,
        status: None,
        error: None,
        attempted_at: None,
        next_attempt_at: None,
    }
}
