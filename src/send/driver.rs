//! The only loop of way 3 that waits: it takes what is due, sends each mail on a connection of its own, and
//! records what became of it. What follows from an answer stands in `retry`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::recorder::Recorder;
use super::relay;
use super::retry::{self, Answer, Next, Patience, Tries};
use crate::access::{LoginError, Logins};
use crate::clock;
use crate::decide::send::Pace;
use crate::mail;
use crate::model::outgoing::{Relay, Route};
use crate::model::{
    ConnectionId, EventId, Host, MessageId, NewIds, RecipientReport, SendStatus, Time, Via,
};
use crate::secrets::Secrets;
use crate::store::{self, Claimed, Settle, Store};
use crate::submission::{self, Connection, Ending};

/// It is looked for what is due so often, when nobody rings: other processes put mail into the outbox,
/// and mail becomes due by itself.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// When somebody rings, others are about to: what is due is taken for all of them together.
const GATHER: Duration = Duration::from_millis(5);
/// A lease lasts so long, and is prolonged while its mail is under way: a process that dies is found out
/// soon, one that waits for a slow server is not mistaken for dead.
const LEASE_SECONDS: i64 = 60;
const RENEW_EVERY: Duration = Duration::from_secs(15);
/// What is in doubt is looked after so often.
const SWEEP_EVERY: Duration = Duration::from_secs(2);

/// Mail that is under way may end for so long when the gateway stops.
const END_TIME: Duration = Duration::from_secs(25);

/// Rings when mail was put into the outbox.
pub type Bell = Arc<Notify>;

/// How mail is sent.
#[derive(Clone)]
pub struct Options {
    /// To mailboxes' servers.
    pub mailboxes: submission::Options,
    /// To relays, which customers name.
    pub relays: submission::Options,
    pub pace: Pace,
    /// Mails on their way at once.
    pub connections: usize,
    pub patience: Patience,
}

/// What every mail on its way shares.
struct Shared<L> {
    store: Arc<Store>,
    secrets: Secrets,
    options: Options,
    logins: Arc<L>,
    recorder: Recorder,
    /// How many mails are under way on each lease. A mutex: it is held for a line.
    leases: Mutex<BTreeMap<Uuid, usize>>,
    bell: Bell,
}

/// Sends until it is told to stop; what is under way ends.
pub async fn run<L: Logins>(
    store: Arc<Store>,
    secrets: Secrets,
    options: Options,
    logins: Arc<L>,
    bell: Bell,
    stop: CancellationToken,
) {
    let shared = Arc::new(Shared {
        recorder: Recorder::start(Arc::clone(&store)),
        store,
        secrets,
        options,
        logins,
        leases: Mutex::default(),
        bell,
    });
    let (tasks, mails) = (TaskTracker::new(), TaskTracker::new());
    let upkeep = Arc::clone(&shared);
    let ended = CancellationToken::new();
    let (sweeping, renewing) = (stop.clone(), ended.clone());
    tasks.spawn(async move { upkeep.sweep(sweeping).await });
    let upkeep = Arc::clone(&shared);
    tasks.spawn(async move { upkeep.renew(renewing).await });
    while !stop.is_cancelled() {
        shared.look(&mails).await;
        let woken = async {
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = shared.bell.notified() => tokio::time::sleep(GATHER).await,
            }
        };
        stop.run_until_cancelled(woken).await;
    }
    mails.close();
    // What a slow server still holds is in doubt at the next start, and looked after then.
    let _ = tokio::time::timeout(END_TIME, mails.wait()).await;
    ended.cancel();
    tasks.close();
    tasks.wait().await;
}

impl<L: Logins> Shared<L> {
    /// Takes all that may go now. What may not yet may when a mail ends, which rings.
    async fn look(self: &Arc<Self>, mails: &TaskTracker) {
        let room = self.options.connections.saturating_sub(mails.len());
        if room == 0 {
            return;
        }
        let now = clock::now();
        let until = now.plus_seconds(LEASE_SECONDS);
        let claimed = match self.store.claim(now, until, &self.options.pace, room).await {
            Ok(claimed) => claimed,
            Err(error) => {
                tracing::warn!(code = "outbox_unreadable", %error, "It could not be read what is to be sent.");
                return;
            }
        };
        for mail in claimed {
            self.hold(mail.lease);
            let shared = Arc::clone(self);
            mails.spawn(async move {
                let lease = mail.lease;
                shared.send(mail).await;
                shared.release(lease);
                shared.bell.notify_one();
            });
        }
    }

    fn hold(&self, lease: Uuid) {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        *leases.entry(lease).or_default() += 1;
    }

    fn release(&self, lease: Uuid) {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = leases.get_mut(&lease) {
            *count -= 1;
            if *count == 0 {
                leases.remove(&lease);
            }
        }
    }

    /// Prolongs the leases of what is under way, until all is.
    async fn renew(&self, ended: CancellationToken) {
        while ended.run_until_cancelled(tokio::time::sleep(RENEW_EVERY)).await.is_some() {
            let held: Vec<Uuid> = {
                let leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
                leases.keys().copied().collect()
            };
            let until = clock::now().plus_seconds(LEASE_SECONDS);
            if let Err(error) = self.store.renew_leases(&held, until).await {
                tracing::warn!(code = "leases_not_renewed", %error, "The leases of mail that is under way were not prolonged.");
            }
        }
    }

    async fn sweep(&self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(SWEEP_EVERY)).await.is_some() {
            let now = clock::now();
            let ids = NewIds::new(now, clock::seed());
            if let Err(error) = self.store.sweep_outbox(now, ids).await {
                tracing::warn!(code = "sweep_failed", %error, "Mail in doubt could not be looked after.");
            }
        }
    }

    /// One mail, to what becomes of it.
    async fn send(&self, mail: Claimed) {
        if mail.is_unsubscribed {
            let words = "The recipient has unsubscribed.";
            return self.close(&mail, SendStatus::Cancelled, words).await;
        }
        if mail.is_stranded {
            let words = "The mailbox was disconnected before this mail was sent.";
            return self.close(&mail, SendStatus::Failed, words).await;
        }
        let mut route = mail.route.clone();
        let Some(Tried { answer, saves_sent, alias }) = self.submit(&mail, &mut route).await else {
            return;
        };
        let answer = retry::parted(answer, &mail.route, &mut route);
        let is_accepted = matches!(answer, Answer::Accepted { .. });
        if !is_accepted {
            route = retry::undone(&mail.route, route);
        }
        let tries = Tries { attempts: mail.attempts, deadline: mail.deadline };
        let random = clock::seed() as u32;
        let how = (random, &self.options.patience);
        let next = retry::next(answer, &mut route, tries, clock::now(), how);
        tracing::info!(message.id = %mail.message, code = "mail_tried", status = next.status.name(), "Message {} is {}.", mail.message, next.status.name());
        metrics::counter!("mailweave_sends_total", "status" => next.status.name()).increment(1);
        let copy_wanted = is_accepted && !saves_sent;
        let report = reported(next.status, &route);
        let settle = Settle {
            status: next.status,
            detail: next.detail,
            due_at: next.due_at,
            deadline: next.deadline,
            report,
            copy_wanted,
            alias,
            ..settle(&mail, route)
        };
        self.recorder.settle(settle).await;
    }

    /// Ends a mail that is not tried; whom an earlier try reached has it all the same.
    async fn close(&self, mail: &Claimed, status: SendStatus, words: &str) {
        let mut route = mail.route.clone();
        let (mut status, mut detail, mut report) = (status, Some(words.to_owned()), Vec::new());
        if route.is_accepted_by_some() {
            Next { status, detail, .. } = retry::given_up(&mut route, words);
            report = reported(status, &route);
        }
        let attempts = mail.attempts;
        let settle = Settle { status, detail, attempts, report, ..settle(mail, route) };
        self.recorder.settle(settle).await;
    }

    /// One try. `None`: it is somebody else's now, or it will be tried when the lease ends. With the
    /// answer, whether the provider files the sent copy by itself (S6).
    async fn submit(&self, mail: &Claimed, route: &mut Route) -> Option<Tried> {
        let content = match self.content(mail).await {
            Ok(content) => content?,
            Err(error) => return Some(Tried::not(Answer::Later { reply: error.to_string() })),
        };
        let (mut connection, saves_sent) = match self.open(mail).await {
            Ok(opened) => opened,
            Err(answer) => return Some(Tried::not(answer)),
        };
        if let Err(error) = connection.offer(route, &content).await {
            return Some(Tried::not(before_the_end(error)));
        }
        if !self.recorder.hand_over((mail.sub_account, mail.message, mail.lease)).await {
            return None;
        }
        let answer = match connection.hand_over(&content).await {
            Ending::Accepted(reply) => Answer::Accepted { reply: reply.to_string() },
            Ending::Refused(reply) => refused(&reply),
            Ending::Lost(why) => {
                Answer::Later { reply: format!("The mail was not taken to its end: {why}") }
            }
            Ending::Unknown => {
                let why = "The connection was lost while the server was answering.";
                Answer::Unknown { why: why.to_owned() }
            }
        };
        let alias = alias(&answer, &content).filter(|_| mail.via != Via::Relay);
        Some(Tried { answer, saves_sent, alias })
    }

    /// The mail itself; what is large does not come with the claim. `None`: it was erased.
    async fn content(&self, mail: &Claimed) -> Result<Option<Arc<Vec<u8>>>, store::Error> {
        match &mail.content {
            Some(content) => Ok(Some(Arc::clone(content))),
            None => Ok(self.store.raw(mail.sub_account, mail.message).await?.map(Arc::new)),
        }
    }

    async fn open(&self, mail: &Claimed) -> Result<(Connection, bool), Answer> {
        match mail.via {
            Via::Mailbox(connection) => self.open_mailbox(mail, connection).await,
            Via::Relay => Ok((self.open_relay(mail).await?, true)),
        }
    }

    async fn open_relay(&self, mail: &Claimed) -> Result<Connection, Answer> {
        let later = |reply| Answer::Later { reply };
        let relay = self.relay(mail).map_err(later)?;
        relay::connect(&self.options.relays, &relay).await.map_err(later)
    }

    fn relay(&self, mail: &Claimed) -> Result<Relay, String> {
        let none = || "The sub-account has no SMTP relay any more.".to_owned();
        let sealed = mail.relay.as_ref().ok_or_else(none)?;
        let relay = relay::unseal(&self.secrets, mail.sub_account, sealed);
        relay.map_err(|error| format!("The relay: {error}."))
    }

    /// Signs in to the user's own server; with a new token, when the first is refused.
    async fn open_mailbox(
        &self,
        mail: &Claimed,
        connection: ConnectionId,
    ) -> Result<(Connection, bool), Answer> {
        let of = mail.sub_account;
        let later = |reply: String| Answer::Later { reply };
        let account = self.store.account_of(of, connection).await;
        let account = account.map_err(|error| later(error.to_string()))?;
        let account = account.ok_or_else(|| later("The mailbox is gone.".to_owned()))?;
        for renew in [false, true] {
            let login = self.logins.login(of, connection, renew).await;
            let login = login.map_err(|error| match error {
                LoginError::NeedsReauth => {
                    let reply = "The mailbox must be authorised again.".to_owned();
                    Answer::NotYet { reply }
                }
                LoginError::Unavailable(why) => later(why),
            })?;
            match Connection::open(&self.options.mailboxes, &account.smtp, &login).await {
                Ok(opened) => return Ok((opened, account.saves_sent)),
                Err(error) if !renew && is_of_the_token(&error) => {}
                Err(error) => return Err(unopened(&account.smtp, &error)),
            }
        }
        Err(later("The sign-in was refused.".to_owned()))
    }
}

/// What became of those who were refused while others got it.
fn reported(status: SendStatus, route: &Route) -> Vec<RecipientReport> {
    if status == SendStatus::Bounced { route.refused() } else { Vec::new() }
}

/// Would another token help? A server that cannot just now (454), or serves too many at once (432), says nothing
/// of the one it got.
const fn is_of_the_token(error: &submission::Error) -> bool {
    matches!(error, submission::Error::Denied { reply, .. } if !reply.is_transient())
}

/// Nothing was said of the mail yet: somebody can mend it, so it is tried again until the deadline.
fn unopened(host: &Host, error: &submission::Error) -> Answer {
    Answer::Later { reply: with_remedy(format!("{host}: {error}")) }
}

/// A step before the end of the mail did not go well.
fn before_the_end(error: submission::Error) -> Answer {
    match error {
        submission::Error::Refused(reply) => refused(&reply),
        error => Answer::Later { reply: error.to_string() },
    }
}

fn refused(reply: &submission::Reply) -> Answer {
    let words = with_remedy(reply.to_string());
    match reply.is_transient() {
        true => Answer::Later { reply: words },
        false => Answer::Refused { reply: words },
    }
}

/// The server's words (S5), and beside them what helps, where that is known.
fn with_remedy(words: String) -> String {
    match submission::known(&words) {
        Some(known) => format!("{}. {}", words.trim_end_matches('.'), known.remedy),
        None => words,
    }
}

/// What came of one try.
struct Tried {
    answer: Answer,
    /// The provider files the sent copy by itself (S6).
    saves_sent: bool,
    alias: Option<MessageId>,
}

impl Tried {
    /// The mail was not given to anybody.
    const fn not(answer: Answer) -> Self {
        Self { answer, saves_sent: true, alias: None }
    }
}

/// S7: the id that the server says it gave the mail (`250 2.0.0 OK <id> [Hostname=…]`), when that is
/// another than the mail's own.
fn alias(answer: &Answer, content: &[u8]) -> Option<MessageId> {
    let Answer::Accepted { reply } = answer else { return None };
    let (id, _) = reply.split_once('<')?.1.split_once('>')?;
    let id = MessageId::parse(id).filter(|id| id.as_str().contains('@'))?;
    let own = mail::parse::headers(content, &mail::Limits::default()).message_id;
    (own.as_ref() != Some(&id)).then_some(id)
}

/// What is settled in any case.
fn settle(mail: &Claimed, route: Route) -> Settle {
    let at: Time = clock::now();
    let mut ids = NewIds::new(at, clock::seed());
    Settle {
        sub_account: mail.sub_account,
        message: mail.message,
        lease: mail.lease,
        status: SendStatus::Failed,
        route,
        detail: None,
        attempts: mail.attempts.saturating_add(1),
        due_at: None,
        deadline: None,
        report: Vec::new(),
        copy_wanted: false,
        alias: None,
        at,
        event_ids: [EventId(ids.next_id()), EventId(ids.next_id())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_helps_stands_beside_the_server_s_words() {
        let refused = |code, text: &str| {
            let reply = submission::Reply { code, text: text.to_owned() };
            before_the_end(submission::Error::Refused(reply))
        };
        let words = "550 5.7.60 SMTP; Client does not have permissions to send as this sender";
        match refused(550, &words[4..]) {
            Answer::Refused { reply } => {
                assert!(reply.starts_with(words) && reply.ends_with("grant Send As."), "{reply}");
            }
            answer => panic!("{answer:?}"),
        }
        let full = "552 5.2.2 mailbox full".to_owned();
        assert_eq!(refused(552, &full[4..]), Answer::Refused { reply: full }, "it may be theirs");
    }

    #[test]
    fn only_a_lasting_refusal_asks_for_another_token() {
        for (code, renews) in [(535, true), (534, true), (454, false), (432, false)] {
            let reply = submission::Reply { code, text: String::new() };
            let error = submission::Error::Denied { reply, json: None };
            assert_eq!(is_of_the_token(&error), renews, "{code}");
        }
        assert!(!is_of_the_token(&submission::Error::Lost(String::new())));
    }

    #[test]
    fn reads_the_id_that_a_server_gave() {
        for (reply, id) in [
            ("250 2.0.0 OK <NEW@x.PROD.OUTLOOK.COM> [Hostname=y]", Some("NEW@x.PROD.OUTLOOK.COM")),
            ("250 2.0.0 Ok: queued as 4F1", None),
            ("250 2.0.0 OK <own@x> [Hostname=y]", None),
            ("250 <no-at-sign>", None),
            ("250 <never closed@x", None),
        ] {
            let answer = Answer::Accepted { reply: reply.to_owned() };
            let alias = alias(&answer, b"Message-ID: <own@x>\r\n\r\n");
            assert_eq!(alias.as_ref().map(MessageId::as_str), id, "{reply}");
        }
        assert_eq!(alias(&Answer::Later { reply: "450 <a@b>".to_owned() }, b""), None);
    }
}
