//! What pages hear while they are open: which conversations have changed, and that the own mailbox, the
//! activity, the contacts or the gateway have, a few times a second at most, and nothing of what is in them.
//! The page then asks for itself anew, as who it is.
//!
//! Events are read once for all pages of a sub-account, and not at all while no page is open. Most verdicts make
//! none (V1: what is ignored has one, too), so the ids of new verdicts are looked at beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State as Shared;
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Sse};
use futures_util::StreamExt;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::SignedIn;
use crate::clock;
use crate::model::{
    ConversationId, EventType, MailboxId, Message, Role, StoredMessageId, SubAccountId, UserId,
    VerdictId,
};
use crate::store::{Error, News, Store, StoredEvent};
use crate::web::State;
use crate::web::api::events::UNBUFFERED;

/// What comes within so long is told together.
const TOGETHER: Duration = Duration::from_millis(400);
/// And while mail pours in: nobody reads so fast, and every open page costs the mail some of its time.
const TOGETHER_OF_MUCH: Duration = Duration::from_secs(2);
/// Other processes may write, too, and tell nobody.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Events that are read to say which conversations have changed; of more, it is only said that much has.
const READ_MAX: u32 = 200;
/// What came so lately is news to who has just begun to listen: verdicts in seconds, and events.
const JUST_NOW_SECONDS: i64 = 10;
const WAKING_EVENTS: i64 = 10;
/// A sign of life this often.
const SIGN_EVERY: Duration = Duration::from_secs(20);

/// What all open pages listen to.
pub struct Live {
    changes: broadcast::Sender<Arc<Change>>,
    /// How many pages of each sub-account are open. A mutex: held for a look, never while waiting.
    pages: Mutex<BTreeMap<SubAccountId, usize>>,
    closed: CancellationToken,
}

/// What has changed in a sub-account.
#[derive(Debug)]
struct Change {
    of: SubAccountId,
    /// By whose mail it is.
    conversations: BTreeMap<Option<UserId>, BTreeSet<ConversationId>>,
    /// Whose mailboxes have changed how they stand.
    mailboxes: BTreeSet<UserId>,
    /// Whose verdicts are new, or others than before.
    verdicts: BTreeSet<Option<UserId>>,
    /// There are more contacts, or others.
    has_contacts: bool,
    /// Too much to say what.
    is_much: bool,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            changes: broadcast::Sender::new(64),
            pages: Mutex::default(),
            closed: CancellationToken::new(),
        }
    }
}

impl Live {
    /// Follows the events until it is told to stop.
    pub async fn follow(&self, store: Arc<Store>, stop: CancellationToken) {
        let mut news = store.news();
        let mut reached: BTreeMap<SubAccountId, Reached> = BTreeMap::new();
        let mut together = TOGETHER;
        while !stop.is_cancelled() {
            let heard = stop.run_until_cancelled(heard(&mut news, together)).await;
            let Some(fresh) = heard else { break };
            together = TOGETHER;
            let listening = self.listening();
            if listening.is_empty() {
                reached.clear();
                continue;
            }
            reached.retain(|of, _| listening.contains(of));
            for of in listening {
                let is_fresh = fresh.contains(&of);
                match self.tell(&store, (of, is_fresh), &mut reached).await {
                    Ok(is_much) if is_much => together = TOGETHER_OF_MUCH,
                    Ok(_) => {}
                    Err(error) => {
                        tracing::debug!(%error, "Open pages could not be told of changes.");
                    }
                }
            }
            if !fresh.is_empty() {
                let _ = self.changes.send(Arc::new(Change::nothing(SubAccountId::OPERATOR)));
            }
        }
        self.closed.cancel();
    }

    /// The sub-accounts of which a page is open.
    fn listening(&self) -> BTreeSet<SubAccountId> {
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.keys().copied().collect()
    }

    fn count(&self, of: SubAccountId, by: isize) {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let count = pages.entry(of).or_default();
        *count = count.saturating_add_signed(by);
        if *count == 0 {
            pages.remove(&of);
        }
    }

    /// Tells what the events and verdicts of a sub-account say that were not told yet; were they many?
    async fn tell(
        &self,
        store: &Store,
        (of, is_fresh): (SubAccountId, bool),
        reached: &mut BTreeMap<SubAccountId, Reached>,
    ) -> Result<bool, Error> {
        let last = store.event_bounds(of).await?.last;
        let place = reached.entry(of).or_insert_with(|| Reached::now(last, is_fresh));
        let verdicts = store.verdict_owners_after(of, place.verdict, READ_MAX).await?;
        let before = std::mem::replace(&mut place.event, last);
        place.verdict = verdicts.last().map_or(place.verdict, |(newest, _)| *newest);
        if last <= before && verdicts.is_empty() {
            return Ok(false);
        }
        let read_max = i64::from(READ_MAX);
        let mut change = Change::nothing(of);
        change.is_much = last - before > read_max || verdicts.len() as i64 == read_max;
        if change.is_much {
            place.verdict = VerdictId::first_at(clock::now());
        } else {
            let events = store.events_after(of, before, READ_MAX).await?;
            change.verdicts.extend(verdicts.into_iter().map(|(_, owner)| owner));
            change.read(store, &events).await?;
        }
        let is_much = change.is_much;
        // Nobody listens: nobody misses it.
        let _ = self.changes.send(Arc::new(change));
        Ok(is_much)
    }
}

/// How far the changes of a sub-account were told.
struct Reached {
    /// The position of the last event.
    event: i64,
    verdict: VerdictId,
}

impl Reached {
    /// From here on; what has just woken us is told, too: a mail makes some events at once.
    fn now(last: i64, is_fresh: bool) -> Self {
        let since = clock::now().plus_seconds(-JUST_NOW_SECONDS);
        let event = if is_fresh { last - WAKING_EVENTS } else { last };
        Self { event, verdict: VerdictId::first_at(since) }
    }
}

/// The sub-accounts of which there is news; of none when it is time to look by oneself.
async fn heard(news: &mut broadcast::Receiver<News>, together: Duration) -> BTreeSet<SubAccountId> {
    let mut fresh = BTreeSet::new();
    match tokio::time::timeout(LOOK_EVERY, news.recv()).await {
        Ok(Ok(News::Written(of) | News::Forgotten(of))) => fresh.extend([of]),
        // More than is kept: what was kept tells enough.
        Ok(Err(RecvError::Lagged(_))) => {}
        Ok(Err(RecvError::Closed)) | Err(_) => return fresh,
    }
    tokio::time::sleep(together).await;
    loop {
        match news.try_recv() {
            Ok(News::Written(of) | News::Forgotten(of)) => fresh.extend([of]),
            Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => return fresh,
        }
    }
}

fn is_of_message(event_type: EventType) -> bool {
    matches!(
        event_type,
        EventType::MessageFiled
            | EventType::MessageQueued
            | EventType::MessageSent
            | EventType::MessageFailed
            | EventType::MessageBounced
    )
}

fn is_of_mailbox(event_type: EventType) -> bool {
    matches!(
        event_type,
        EventType::MailboxActive | EventType::MailboxNeedsReauth | EventType::MailboxDisconnected
    )
}

fn is_of_contact(event_type: EventType) -> bool {
    matches!(event_type, EventType::ContactCreated | EventType::ContactUnsubscribed)
}

fn is_of_verdict(event_type: EventType) -> bool {
    event_type == EventType::VerdictHeld
}

impl Change {
    const fn nothing(of: SubAccountId) -> Self {
        Self {
            of,
            conversations: BTreeMap::new(),
            mailboxes: BTreeSet::new(),
            verdicts: BTreeSet::new(),
            has_contacts: false,
            is_much: false,
        }
    }

    /// Is there mail of the page's sub-account in it, whoever's?
    fn is_of_mail(&self, page: &Page) -> bool {
        self.of == page.of && !self.conversations.is_empty()
    }

    /// Reads what events say.
    async fn read(&mut self, store: &Store, events: &[StoredEvent]) -> Result<(), Error> {
        let of = self.of;
        let told = |is_wanted: fn(EventType) -> bool| -> BTreeSet<Uuid> {
            let told = events.iter().filter(|event| is_wanted(event.event_type));
            told.filter_map(|it| it.object_id).collect()
        };
        let messages = told(is_of_message).into_iter().map(StoredMessageId);
        for Message { user_id, conversation_id, .. } in store.messages(of, messages).await? {
            self.conversations.entry(user_id).or_default().extend(conversation_id);
            // What is filed by hand has another verdict than before.
            self.verdicts.insert(user_id);
        }
        for id in told(is_of_mailbox) {
            let mailbox = store.mailbox(of, MailboxId(id)).await?;
            self.mailboxes.extend(mailbox.map(|mailbox| mailbox.user));
        }
        let held = told(is_of_verdict).into_iter().map(VerdictId);
        self.verdicts.extend(store.verdict_owners(of, held).await?);
        self.has_contacts = events.iter().any(|event| is_of_contact(event.event_type));
        Ok(())
    }

    /// What a page is told: the conversations; `mailbox` for the own one, `activity`, `contacts`; `*` for much;
    /// and to who runs the gateway `admin`, whatever has changed where. `None`: nothing for it.
    fn for_page(&self, page: &Page) -> Option<String> {
        if self.of == SubAccountId::OPERATOR {
            return page.is_operator.then(|| "admin".to_owned());
        }
        if self.of != page.of {
            return None;
        }
        if self.is_much {
            return Some("*".to_owned());
        }
        let is_seen = |user: &Option<UserId>| page.scope.is_none() || *user == page.scope;
        let mine = self.conversations.iter().filter(|(user, _)| is_seen(user));
        let mut told: BTreeSet<String> =
            mine.flat_map(|(_, ids)| ids).map(ConversationId::to_string).collect();
        let others = [
            ("mailbox", self.mailboxes.contains(&page.me)),
            ("activity", self.verdicts.iter().any(is_seen)),
            ("contacts", self.has_contacts),
        ];
        told.extend(others.iter().filter(|(_, is_so)| *is_so).map(|(name, _)| (*name).to_owned()));
        (!told.is_empty()).then(|| told.into_iter().collect::<Vec<_>>().join(" "))
    }
}

/// Who looks at an open page.
struct Page {
    of: SubAccountId,
    me: UserId,
    /// Whose mail is seen; `None`: everybody's.
    scope: Option<UserId>,
    is_operator: bool,
}

impl Page {
    fn of(signed_in: &SignedIn) -> Self {
        Self {
            of: signed_in.sub_account(),
            me: signed_in.user.id,
            scope: signed_in.scope(),
            is_operator: signed_in.user.role >= Role::Operator,
        }
    }
}

/// The stream of an open page.
pub async fn stream(Shared(state): Shared<Arc<State>>, signed_in: SignedIn) -> impl IntoResponse {
    let listener = Listener::new(state, signed_in);
    let stream = futures_util::stream::unfold(listener, |mut listener| async move {
        let data = listener.next().await?;
        Some((Event::default().event("changed").data(data), listener))
    });
    let stream = stream.map(Ok::<_, Infallible>);
    (UNBUFFERED, Sse::new(stream).keep_alive(KeepAlive::new().interval(SIGN_EVERY)))
}

/// An open page that listens.
struct Listener {
    state: Arc<State>,
    signed_in: SignedIn,
    changes: broadcast::Receiver<Arc<Change>>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.state.live.count(self.signed_in.sub_account(), -1);
    }
}

impl Listener {
    fn new(state: Arc<State>, signed_in: SignedIn) -> Self {
        let changes = state.live.changes.subscribe();
        state.live.count(signed_in.sub_account(), 1);
        Self { state, signed_in, changes }
    }

    /// What the page is told next. `None`: nothing any more.
    async fn next(&mut self) -> Option<String> {
        let closed = self.state.live.closed.clone();
        loop {
            let page = Page::of(&self.signed_in);
            let change = match closed.run_until_cancelled(self.changes.recv()).await? {
                // Whoever has become an admin since sees the mail of others.
                Ok(change) if change.for_page(&page).is_none() && !change.is_of_mail(&page) => {
                    continue;
                }
                Ok(change) => Some(change),
                Err(RecvError::Lagged(_)) => None,
                Err(RecvError::Closed) => return None,
            };
            if !self.may_still_listen().await {
                return None;
            }
            let page = Page::of(&self.signed_in);
            let data = change.map_or_else(|| Some("*".to_owned()), |it| it.for_page(&page));
            if data.is_some() {
                return data;
            }
        }
    }

    /// A page stays open for days: meanwhile the user may have signed out, or be an admin no more.
    async fn may_still_listen(&mut self) -> bool {
        let (store, session) = (&self.state.store, &self.signed_in.session);
        let Ok(Some(session)) = store.session(session.hash, clock::now()).await else {
            return false;
        };
        let Ok(Some(user)) = store.user(session.sub_account, session.user).await else {
            return false;
        };
        self.signed_in.user = user;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF: SubAccountId = SubAccountId(Uuid::from_u128(1));
    const ANN: UserId = UserId(Uuid::from_u128(3));
    const BEA: UserId = UserId(Uuid::from_u128(4));

    /// A page of a user of the sub-account.
    fn page(me: UserId) -> Page {
        Page { of: OF, me, scope: Some(me), is_operator: false }
    }

    #[test]
    fn a_page_hears_of_its_own_mail_only() {
        let id = ConversationId(Uuid::from_u128(5));
        let mut change = Change::nothing(OF);
        change.conversations.insert(Some(ANN), BTreeSet::from([id]));
        let everybody = Page { scope: None, ..page(BEA) };
        assert_eq!(change.for_page(&everybody), Some(id.to_string()));
        assert_eq!(change.for_page(&page(ANN)), Some(id.to_string()));
        assert_eq!(change.for_page(&page(BEA)), None);
        let other = SubAccountId(Uuid::from_u128(2));
        assert_eq!(change.for_page(&Page { of: other, ..page(ANN) }), None);
    }

    #[test]
    fn the_mailbox_is_told_to_its_user_alone() {
        let mut change = Change::nothing(OF);
        change.mailboxes.insert(ANN);
        assert_eq!(change.for_page(&page(ANN)).as_deref(), Some("mailbox"));
        let admin = Page { scope: None, ..page(BEA) };
        assert_eq!(change.for_page(&admin), None, "an admin has another");
    }

    #[test]
    fn verdicts_are_told_to_who_sees_them_and_the_gateway_to_who_runs_it() {
        let mut change = Change::nothing(OF);
        change.verdicts.insert(Some(ANN));
        assert_eq!(change.for_page(&page(ANN)).as_deref(), Some("activity"));
        assert_eq!(change.for_page(&page(BEA)), None);
        change.has_contacts = true;
        assert_eq!(change.for_page(&page(BEA)).as_deref(), Some("contacts"));
        let operator = Page { scope: None, is_operator: true, ..page(BEA) };
        assert_eq!(change.for_page(&operator).as_deref(), Some("activity contacts"));
        let anything = Change::nothing(SubAccountId::OPERATOR);
        assert_eq!(anything.for_page(&operator).as_deref(), Some("admin"));
        assert_eq!(anything.for_page(&page(ANN)), None);
    }

    #[test]
    fn a_sub_account_is_looked_at_while_a_page_of_it_is_open() {
        let live = Live::default();
        live.count(OF, 1);
        live.count(OF, 1);
        live.count(OF, -1);
        assert_eq!(live.listening(), BTreeSet::from([OF]));
        live.count(OF, -1);
        assert!(live.listening().is_empty());
    }
}
