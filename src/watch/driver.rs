//! The only loop of way 2 that waits: it watches every active connection, and stops when that ends.
//! What is done with what is found stands in `flow`; when something is tried again, in `plan`.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::changes::{Changes, Whose};
use super::flow::Way;
use super::imap::{self, Session, Wake};
use super::leg::{Leg, View};
use super::mailbox::Error;
use super::plan::{End, Next, Pace, Plan};
use super::turns::Turns;
use crate::access::{LoginError, Logins, Trouble};
use crate::clock;
use crate::ingest::prepare::Reader;
use crate::model::{Auth, ConnectionId, SubAccountId};
use crate::store::{Store, Watched};

/// How often it is looked who is to be watched.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After being woken so often for nothing, there are pauses.
const IN_VAIN_MAX: u32 = 3;
/// The first of them.
const PAUSE: Duration = Duration::from_millis(100);

/// What all watchers share.
pub struct Options {
    pub imap: imap::Options,
    pub message_bytes_max: usize,
    pub pace: Pace,
}

/// Watches until it is told to stop.
pub async fn run<L: Logins>(
    store: Arc<Store>,
    reader: Reader,
    options: Options,
    logins: Arc<L>,
    stop: CancellationToken,
) {
    let shared =
        Shared { store, reader, options: Arc::new(options), logins, turns: Arc::default() };
    let mut watchers = BTreeMap::new();
    let mut changes = Changes::new(shared.store.news());
    let tasks = TaskTracker::new();
    loop {
        let whose = changes.take();
        if let Err(error) = shared.look(&whose, &mut watchers, &tasks, &stop).await {
            tracing::warn!(code = "watch_look_failed", %error, "It could not be read who is to be watched.");
            changes.forget();
        }
        if stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_none() {
            break;
        }
    }
    tasks.close();
    tasks.wait().await;
}

struct Shared<L> {
    store: Arc<Store>,
    reader: Reader,
    options: Arc<Options>,
    logins: Arc<L>,
    turns: Arc<Turns>,
}

/// One connection that is watched.
struct Running {
    watched: Watched,
    stop: CancellationToken,
    wake: Arc<Notify>,
}

type Watchers = BTreeMap<(SubAccountId, ConnectionId), Running>;

impl<L: Logins> Shared<L> {
    /// Starts and stops watchers, so that exactly the active connections have one.
    async fn look(
        &self,
        whose: &Whose,
        watchers: &mut Watchers,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<(), crate::store::Error> {
        let wanted = match whose {
            Whose::All => self.store.watched().await?,
            Whose::These(these) => self.store.watched_of(these.iter().copied()).await?,
        };
        let wanted: BTreeMap<_, _> =
            wanted.into_iter().map(|it| ((it.sub_account, it.connection), it)).collect();
        watchers.retain(|key, running| {
            let stays = !whose.includes(key.0)
                || wanted.get(key).is_some_and(|it| is_same(it, &running.watched));
            if !stays {
                running.stop.cancel();
            }
            stays && !running.stop.is_cancelled()
        });
        for (key, watched) in wanted {
            watchers.entry(key).or_insert_with(|| self.start(watched, tasks, stop));
        }
        metrics::gauge!("mailweave_watched_mailboxes").set(watchers.len() as f64);
        for key in self.store.connections_to_search().await? {
            if let Some(running) = watchers.get(&key) {
                running.wake.notify_one();
            }
        }
        Ok(())
    }

    fn start(&self, watched: Watched, tasks: &TaskTracker, stop: &CancellationToken) -> Running {
        let running =
            Running { watched: watched.clone(), stop: stop.child_token(), wake: Arc::default() };
        let knows_sent = AtomicBool::new(watched.sent_folder.is_some());
        let way = Arc::new(Way {
            store: Arc::clone(&self.store),
            reader: self.reader.clone(),
            watched,
            message_bytes_max: self.options.message_bytes_max,
            knows_sent,
        });
        for leg in [Leg::Inbox, Leg::Sent] {
            let watcher = Watcher {
                leg,
                way: Arc::clone(&way),
                options: Arc::clone(&self.options),
                logins: Arc::clone(&self.logins),
                turns: Arc::clone(&self.turns),
                stop: running.stop.clone(),
                wake: Arc::clone(&running.wake),
            };
            tasks.spawn(watcher.run());
        }
        running
    }
}

/// What a watcher learns by itself does not start it anew.
fn is_same(one: &Watched, other: &Watched) -> bool {
    one.account == other.account && one.connected_at == other.connected_at && one.user == other.user
}

/// One session of a connection: it never holds more than two.
struct Watcher<L> {
    leg: Leg,
    way: Arc<Way>,
    options: Arc<Options>,
    logins: Arc<L>,
    turns: Arc<Turns>,
    stop: CancellationToken,
    /// Something is to be done beside waiting.
    wake: Arc<Notify>,
}

impl<L: Logins> Watcher<L> {
    async fn run(self) {
        let stop = self.stop.clone();
        stop.run_until_cancelled(self.go_on()).await;
    }

    /// Nobody else can say that a password is good no more.
    fn pace(&self) -> Pace {
        match self.way.watched.account.auth {
            Auth::Password => Pace { ask_after: Duration::ZERO, ..self.options.pace },
            Auth::Xoauth2 => self.options.pace,
        }
    }

    /// Sessions, one after the other.
    async fn go_on(&self) {
        let mut plan = Plan::new(self.pace());
        let mut view = View::new(self.leg, self.options.pace.probe_every);
        let mut renew = false;
        loop {
            let mut signed_in_at = None;
            let tries = (&mut plan, &mut signed_in_at);
            let session = AssertUnwindSafe(self.session(tries, &mut view, renew));
            // Whatever fails in it, the mailbox is watched again: nobody else would notice.
            let error = session.catch_unwind().await.unwrap_or(Error::Failed);
            let end = match &error {
                Error::Ended => return self.stop.cancel(),
                Error::Denied(_) => End::Denied,
                Error::Broken(_) | Error::Untrusted(_) | Error::Failed => End::Broken,
                Error::Unready(_) | Error::Unreachable(_) => End::Unready,
                Error::Lost(_) | Error::Refused(_) | Error::Unreadable(_) | Error::Store(_) => {
                    End::Lost
                }
            };
            let lasted = signed_in_at.map_or(Duration::ZERO, |at: Instant| at.elapsed());
            let connection = self.way.watched.connection;
            tracing::info!(connection.id = %connection, code = "session_ended", %error, "A session of connection {connection} ended.");
            let next = plan.handle_end(end, lasted, clock::seed() as u32);
            if let Some(trouble) = error.trouble().filter(|_| plan.is_in_trouble()) {
                plan.handle_told();
                self.tell(Some(&trouble)).await;
            }
            match next {
                Next::Connect { after, renew: again } => {
                    renew = again;
                    self.turns.wait(&self.way.watched.account.imap, after).await;
                }
                Next::AskUser => {
                    let of = self.way.watched.sub_account;
                    Box::pin(self.logins.refused(of, connection, &error.to_string())).await;
                    return self.stop.cancel();
                }
            }
        }
    }

    /// The user is told that it cannot be watched, or that it can.
    async fn tell(&self, trouble: Option<&Trouble>) {
        let (of, connection) = (self.way.watched.sub_account, self.way.watched.connection);
        Box::pin(self.logins.watched(of, connection, trouble)).await;
    }

    /// One session, to its end. The large futures are boxed and end before the waiting: an async function
    /// is as large as its largest branch for all its life, and thousands of these wait.
    async fn session(
        &self,
        (plan, signed_in_at): (&mut Plan, &mut Option<Instant>),
        view: &mut View,
        renew: bool,
    ) -> Error {
        // Who waits for a turn needs no more room than that.
        let turn = self.turns.of(&self.way.watched.account.imap).await;
        let mut session = match Box::pin(self.open(renew)).await {
            Ok(session) => session,
            Err(error) => return error,
        };
        turn.succeeded();
        plan.handle_signed_in();
        *signed_in_at = Some(Instant::now());
        if let Err(error) = Box::pin(view.open(&self.way, &mut session)).await {
            return error;
        }
        plan.handle_read_all();
        if plan.takes_back() {
            self.tell(None).await;
        }
        let mut in_vain = 0;
        loop {
            let woken = match self.wait(&mut session, view).await {
                Ok(woken) => woken,
                Err(error) => return error.into(),
            };
            match Box::pin(view.look(&self.way, &mut session, woken)).await {
                Ok(found) if found || woken != Wake::Changed => in_vain = 0,
                Ok(_) => in_vain += 1,
                Err(error) => return error,
            }
            // Told of mail time and again and none there: it is no hot loop (F3).
            if in_vain > IN_VAIN_MAX {
                tokio::time::sleep(PAUSE.saturating_mul(in_vain.min(50))).await;
            }
        }
    }

    async fn open(&self, renew: bool) -> Result<Box<Session>, Error> {
        let watched = &self.way.watched;
        let login = self.logins.login(watched.sub_account, watched.connection, renew).await;
        let login = login.map_err(|error| match error {
            LoginError::NeedsReauth => Error::Ended,
            LoginError::Unavailable(why) => Error::Unready(why),
        })?;
        let host = &watched.account.imap;
        Ok(Box::new(Session::open(&self.options.imap, host, &login).await?))
    }

    /// It is called for each second for as long as there is something to do.
    async fn called(&self, view: &View) {
        loop {
            self.wake.notified().await;
            if view.may_be_called() {
                return;
            }
        }
    }

    async fn wait(&self, session: &mut Session, view: &View) -> Result<Wake, imap::Error> {
        let called = async {
            match self.leg {
                Leg::Inbox => std::future::pending().await,
                Leg::Sent => self.called(view).await,
            }
        };
        let mut called = std::pin::pin!(called.fuse());
        if session.can("IDLE") {
            match session.idle(self.options.pace.probe_every, &mut called).await {
                // Offered and refused: it is asked now and then, as where there is none.
                Err(error) if !session.can("IDLE") => {
                    tracing::info!(code = "idle_refused", %error, "A server refuses IDLE, which it offers.");
                }
                waited => return waited,
            }
        }
        tokio::select! {
            () = tokio::time::sleep(self.options.pace.poll_every) => Ok(Wake::Timeout),
            () = called => Ok(Wake::Interrupted),
        }
    }
}
