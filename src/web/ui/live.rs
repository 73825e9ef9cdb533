//! What pages hear while they are open: which conversations have changed, and that the own mailbox has, a few
//! times a second at most, and nothing of what is in them. The page then asks for itself anew, as who it is.
//!
//! Events are read once for all pages of a sub-account, and not at all while no page is open.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State as Shared;
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Sse};
use futures_util::StreamExt;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::SignedIn;
use crate::clock;
use crate::model::{
    ConversationId, EventType, MailboxId, Message, StoredMessageId, SubAccountId, UserId,
};
use crate::store::{Error, News, Store};
use crate::web::State;
use crate::web::api::events::UNBUFFERED;

/// What comes within so long is told together.
const TOGETHER: Duration = Duration::from_millis(400);
/// Other processes may write, too, and tell nobody.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Events that are read to say which conversations have changed; of more, it is only said that much has.
const READ_MAX: u32 = 200;
/// A sign of life this often.
const SIGN_EVERY: Duration = Duration::from_secs(20);

/// What all open pages listen to.
pub struct Live {
    changes: broadcast::Sender<Arc<Change>>,
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
    /// Too much to say what.
    is_much: bool,
}

impl Default for Live {
    fn default() -> Self {
        Self { changes: broadcast::Sender::new(64), closed: CancellationToken::new() }
    }
}

impl Live {
    /// Follows the events until it is told to stop.
    pub async fn follow(&self, store: Arc<Store>, stop: CancellationToken) {
        let mut news = store.news();
        let mut reached: BTreeMap<SubAccountId, i64> = BTreeMap::new();
        while !stop.is_cancelled() {
            let Some(fresh) = stop.run_until_cancelled(heard(&mut news)).await else { break };
            if self.changes.receiver_count() == 0 {
                reached.clear();
                continue;
            }
            let accounts: BTreeSet<_> = fresh.into_iter().chain(reached.keys().copied()).collect();
            for of in accounts {
                if let Err(error) = self.tell(&store, of, &mut reached).await {
                    tracing::debug!(%error, "Open pages could not be told of changes.");
                }
            }
        }
        self.closed.cancel();
    }

    /// Tells what the events of a sub-account say that were not told yet.
    async fn tell(
        &self,
        store: &Store,
        of: SubAccountId,
        reached: &mut BTreeMap<SubAccountId, i64>,
    ) -> Result<(), Error> {
        let last = store.event_bounds(of).await?.last;
        let from = *reached.entry(of).or_insert(last - 1);
        if last <= from {
            return Ok(());
        }
        reached.insert(of, last);
        let is_much = last - from > i64::from(READ_MAX);
        let mut change = Change::nothing(of);
        change.is_much = is_much;
        if !is_much {
            let events = store.events_after(of, from, READ_MAX).await?;
            let of_type = |is_wanted: fn(EventType) -> bool| -> BTreeSet<Uuid> {
                let told = events.iter().filter(|event| is_wanted(event.event_type));
                told.filter_map(|it| it.object_id).collect()
            };
            let messages = of_type(is_of_message).into_iter().map(StoredMessageId);
            for Message { user_id, conversation_id, .. } in store.messages(of, messages).await? {
                change.conversations.entry(user_id).or_default().extend(conversation_id);
            }
            for id in of_type(is_of_mailbox) {
                let mailbox = store.mailbox(of, MailboxId(id)).await?;
                change.mailboxes.extend(mailbox.map(|mailbox| mailbox.user));
            }
        }
        // Nobody listens: nobody misses it.
        let _ = self.changes.send(Arc::new(change));
        Ok(())
    }
}

/// The sub-accounts of which there is news; of none when it is time to look by oneself.
async fn heard(news: &mut broadcast::Receiver<News>) -> BTreeSet<SubAccountId> {
    let mut fresh = BTreeSet::new();
    match tokio::time::timeout(LOOK_EVERY, news.recv()).await {
        Ok(Ok(News::Written(of) | News::Forgotten(of))) => fresh.insert(of),
        Ok(Err(RecvError::Lagged(_) | RecvError::Closed)) | Err(_) => return fresh,
    };
    tokio::time::sleep(TOGETHER).await;
    while let Ok(News::Written(of) | News::Forgotten(of)) = news.try_recv() {
        fresh.insert(of);
    }
    fresh
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

impl Change {
    const fn nothing(of: SubAccountId) -> Self {
        Self { of, conversations: BTreeMap::new(), mailboxes: BTreeSet::new(), is_much: false }
    }

    /// What a page is told: the conversations, and `mailbox` for the own one; `*` for much. `None`: nothing
    /// for it.
    fn for_page(&self, of: SubAccountId, me: UserId, scope: Option<UserId>) -> Option<String> {
        if self.of != of {
            return None;
        }
        if self.is_much {
            return Some("*".to_owned());
        }
        let mine = self.conversations.iter().filter(|(user, _)| scope.is_none() || **user == scope);
        let mut ids: BTreeSet<String> =
            mine.flat_map(|(_, ids)| ids).map(ConversationId::to_string).collect();
        ids.extend(self.mailboxes.contains(&me).then(|| "mailbox".to_owned()));
        (!ids.is_empty()).then(|| ids.into_iter().collect::<Vec<_>>().join(" "))
    }
}

/// The stream of an open page.
pub async fn stream(Shared(state): Shared<Arc<State>>, signed_in: SignedIn) -> impl IntoResponse {
    let changes = state.live.changes.subscribe();
    let listener = Listener { state, signed_in, changes };
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

impl Listener {
    /// What the page is told next. `None`: nothing any more.
    async fn next(&mut self) -> Option<String> {
        let closed = self.state.live.closed.clone();
        let (of, me) = (self.signed_in.sub_account(), self.signed_in.user.id);
        loop {
            let change = match closed.run_until_cancelled(self.changes.recv()).await? {
                Ok(change) if change.for_page(of, me, None).is_none() => continue,
                Ok(change) => Some(change),
                Err(RecvError::Lagged(_)) => None,
                Err(RecvError::Closed) => return None,
            };
            if !self.may_still_listen().await {
                return None;
            }
            let scope = self.signed_in.scope();
            let data = change.map_or_else(|| Some("*".to_owned()), |it| it.for_page(of, me, scope));
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

    #[test]
    fn a_page_hears_of_its_own_mail_only() {
        let (of, other) = (SubAccountId(Uuid::from_u128(1)), SubAccountId(Uuid::from_u128(2)));
        let [ann, bea] = [3, 4].map(|n| UserId(Uuid::from_u128(n)));
        let id = ConversationId(Uuid::from_u128(5));
        let mut change = Change::nothing(of);
        change.conversations.insert(Some(ann), BTreeSet::from([id]));
        assert_eq!(change.for_page(of, bea, None), Some(id.to_string()));
        assert_eq!(change.for_page(of, ann, Some(ann)), Some(id.to_string()));
        assert_eq!(change.for_page(of, bea, Some(bea)), None);
        assert_eq!(change.for_page(other, ann, None), None);
    }

    #[test]
    fn the_mailbox_is_told_to_its_user_alone() {
        let of = SubAccountId(Uuid::from_u128(1));
        let [ann, bea] = [3, 4].map(|n| UserId(Uuid::from_u128(n)));
        let mut change = Change::nothing(of);
        change.mailboxes.insert(ann);
        assert_eq!(change.for_page(of, ann, Some(ann)).as_deref(), Some("mailbox"));
        assert_eq!(change.for_page(of, bea, None), None, "an admin has another");
    }
}
