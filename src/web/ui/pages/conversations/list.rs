//! The list: the latest conversation first, found by words, and narrowed by whose they are, what is new, how
//! they are followed and in which mailbox.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State as Shared;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use uuid::Uuid;

use crate::mail::pretence;
use crate::model::words::Query as Words;
use crate::model::{ConversationId, MailboxId, SendStatus, SubAccountId, Sync, Time, UserId};
use crate::store::{Inbox, Position, Preview, StoredConversation, StoredMailbox, Window};
use crate::web::State;
use crate::web::input::Query;
use crate::web::ui::failure::Failure;
use crate::web::ui::people::Shown;
use crate::web::ui::{Shell, SignedIn, Tab, filters, page, text};

/// Conversations of a page.
const LIMIT: usize = 40;
/// Conversations that are looked at for a page of those that a filter lets through.
const LOOKED_AT_MAX: usize = 2_000;
/// Messages that are looked at for a page of conversations in which something was found.
const FOUND_MAX: i64 = 400;
/// People to choose from.
const PEOPLE_MAX: i64 = 200;

/// What the address of the page asks for. What it does not understand it leaves out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    q: String,
    /// `unread`.
    show: String,
    /// `tracked`, `stopped`.
    state: String,
    /// A user's id, or `me`.
    of: String,
    /// A mailbox's id.
    mailbox: String,
    after: String,
}

#[derive(Template)]
#[template(path = "conversations.html", config = "src/web/ui/askama.toml")]
struct List {
    shell: Shell,
    asked: Asked,
    items: Vec<Item>,
    people: Vec<Choice>,
    mailboxes: Vec<Choice>,
    unread: i64,
    /// The address of the next page.
    next: Option<String>,
    /// So many were looked at for this one.
    looked_at: usize,
    /// Mail that is not in the list or the search yet.
    to_come: i64,
    is_first: bool,
}

struct Item {
    id: ConversationId,
    contact: Shown,
    subject: String,
    at: Time,
    count: i64,
    sync: Sync,
    is_unread: bool,
    preview: Preview,
}

struct Choice {
    id: String,
    name: String,
    is_chosen: bool,
}

/// A page of conversations, and where the next begins.
struct Found {
    conversations: Vec<StoredConversation>,
    next: Option<String>,
    /// So many were looked at.
    looked_at: usize,
}

/// Shows the list.
pub async fn show(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let (of, me) = (signed_in.sub_account(), signed_in.user.id);
    let whose = asked.whose(&signed_in);
    let Found { mut conversations, next, looked_at } = match Words::parse(&asked.q) {
        Some(words) => search(&state, of, (whose, me), &words, &asked).await?,
        None => browse(&state, of, (whose, me), &asked).await?,
    };
    if let Some(user) = whose {
        conversations = state.store.as_seen_by(of, user, conversations).await?;
    }
    let ids: Vec<ConversationId> = conversations.iter().map(|it| it.id).collect();
    let unread = state.store.unread_among(of, me, ids.iter().copied()).await?;
    let mut previews = state.store.previews(of, whose, ids).await?;
    let items = conversations.into_iter().map(|it| {
        let is_unread = unread.contains(&it.id);
        Item::new(it, is_unread, &mut previews)
    });
    let reach = state.store.search_reach(of).await?;
    let list = List {
        items: items.collect(),
        people: people(&state, &signed_in, &asked).await?,
        mailboxes: mailboxes(&state, &signed_in, &asked).await?,
        unread: state.store.unread_count(of, me).await?,
        looked_at,
        next: next.map(|after| asked.link(&[("after", &after)])),
        to_come: reach.last - reach.done,
        is_first: asked.after.is_empty(),
        shell: signed_in.shell(Tab::Conversations),
        asked,
    };
    Ok(page(&list))
}

impl Asked {
    /// Whose conversations are listed: for who is no admin, the own.
    fn whose(&self, signed_in: &SignedIn) -> Option<UserId> {
        signed_in.scope().or_else(|| match self.of.as_str() {
            "me" => Some(signed_in.user.id),
            id => id.parse().ok().map(UserId),
        })
    }

    fn is_unread_only(&self) -> bool {
        self.show == "unread"
    }

    fn is_narrowed(&self) -> bool {
        let asked = [&self.q, &self.show, &self.state, &self.of, &self.mailbox];
        asked.into_iter().any(|value| !value.is_empty())
    }

    fn sync(&self) -> Option<Sync> {
        Sync::parse(&self.state)
    }

    fn mailbox(&self) -> Option<MailboxId> {
        self.mailbox.parse().ok().map(MailboxId)
    }

    /// Those that the choice of state and mailbox lets through.
    async fn fitting(
        &self,
        state: &State,
        of: SubAccountId,
        mut found: Vec<StoredConversation>,
    ) -> Result<Vec<StoredConversation>, Failure> {
        found.retain(|it| self.sync().is_none_or(|sync| it.sync == sync));
        if let Some(mailbox) = self.mailbox() {
            let ids = found.iter().map(|it| it.id);
            let followed = state.store.followed_in(of, mailbox, ids).await?;
            found.retain(|it| followed.contains(&it.id));
        }
        Ok(found)
    }

    /// The address of this page with some things asked otherwise, from the first page on.
    fn link(&self, changes: &[(&str, &str)]) -> String {
        let own = [
            ("q", &self.q),
            ("show", &self.show),
            ("state", &self.state),
            ("of", &self.of),
            ("mailbox", &self.mailbox),
        ];
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in own {
            let changed = changes.iter().find(|(changed, _)| *changed == name);
            let value = changed.map_or(value.as_str(), |(_, value)| value);
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        if let Some((name, value)) = changes.iter().find(|(name, _)| *name == "after") {
            query.append_pair(name, value);
        }
        let query = query.finish();
        if query.is_empty() {
            "/conversations".to_owned()
        } else {
            format!("/conversations?{query}")
        }
    }

    /// The same with another choice of what is shown.
    fn link_show(&self, show: &str) -> String {
        self.link(&[("show", show)])
    }

    fn link_state(&self, state: &str) -> String {
        self.link(&[("state", state)])
    }

    /// Behind which conversation the page begins.
    fn after(&self) -> Option<Position> {
        let bytes = URL_SAFE_NO_PAD.decode(&self.after).ok()?;
        let (at, id) = bytes.split_first_chunk::<8>()?;
        Some(Position { at: i64::from_be_bytes(*at), id: Uuid::from_slice(id).ok()? })
    }
}

fn mark(position: Position) -> String {
    URL_SAFE_NO_PAD.encode([position.at.to_be_bytes().as_slice(), position.id.as_bytes()].concat())
}

/// The latest conversations, as many as the filters let through.
async fn browse(
    state: &State,
    of: SubAccountId,
    (whose, me): (Option<UserId>, UserId),
    asked: &Asked,
) -> Result<Found, Failure> {
    let wanted = if asked.is_unread_only() { Inbox::Unread } else { Inbox::All };
    let whose = if asked.is_unread_only() { Some(whose.unwrap_or(me)) } else { whose };
    let mut after = asked.after();
    let mut conversations: Vec<StoredConversation> = Vec::new();
    let mut looked_at = 0;
    let is_chosen = asked.sync().is_some() || asked.mailbox().is_some();
    let step = if is_chosen { 4 * LIMIT } else { LIMIT + 1 };
    loop {
        let window = Window { after, limit: i64::try_from(step).unwrap_or(i64::MAX) };
        let rows = match whose {
            Some(user) => state.store.inbox(of, user, wanted, window).await?,
            None => state.store.conversations(of, None, window).await?,
        };
        let (count, last) = (rows.len(), rows.last().map(StoredConversation::position));
        conversations.extend(asked.fitting(state, of, rows).await?);
        looked_at += count;
        let is_over = count < step;
        if is_over || conversations.len() > LIMIT || looked_at >= LOOKED_AT_MAX {
            let next = if conversations.len() > LIMIT {
                conversations.truncate(LIMIT);
                conversations.last().map(StoredConversation::position)
            } else {
                last.filter(|_| !is_over)
            };
            return Ok(Found { conversations, next: next.map(mark), looked_at });
        }
        after = last;
    }
}

/// The conversations with the messages that have all the words, the latest found first.
async fn search(
    state: &State,
    of: SubAccountId,
    (whose, me): (Option<UserId>, UserId),
    words: &Words,
    asked: &Asked,
) -> Result<Found, Failure> {
    let before = asked.after.parse().ok();
    let found = state.store.search(of, whose, words, before, FOUND_MAX).await?;
    let is_over = i64::try_from(found.len()).unwrap_or(i64::MAX) < FOUND_MAX;
    let mut conversations: Vec<StoredConversation> = Vec::new();
    let mut next = found.last().filter(|_| !is_over).map(|it| it.position);
    let unread = match asked.is_unread_only() {
        true => {
            let ids = found.iter().map(|hit| hit.conversation);
            Some(state.store.unread_among(of, whose.unwrap_or(me), ids).await?)
        }
        false => None,
    };
    let is_wanted = |id| unread.as_ref().is_none_or(|unread| unread.contains(id));
    let mut seen = std::collections::BTreeSet::new();
    for hit in found.iter().filter(|hit| is_wanted(&hit.conversation)) {
        if !seen.insert(hit.conversation) {
            continue;
        }
        if conversations.len() == LIMIT {
            next = Some(hit.position + 1);
            break;
        }
        let Some(conversation) = state.store.conversation(of, hit.conversation).await? else {
            continue;
        };
        conversations.extend(asked.fitting(state, of, vec![conversation]).await?);
    }
    let next = next.map(|position| position.to_string());
    Ok(Found { conversations, next, looked_at: found.len() })
}

async fn people(
    state: &State,
    signed_in: &SignedIn,
    asked: &Asked,
) -> Result<Vec<Choice>, Failure> {
    if !signed_in.is_admin() {
        return Ok(Vec::new());
    }
    let window = Window { after: None, limit: PEOPLE_MAX };
    let users = state.store.users(signed_in.sub_account(), window).await?;
    let choice = |user: crate::model::User| {
        let id = user.id.0.to_string();
        Choice { is_chosen: asked.of == id, name: user.name, id }
    };
    Ok(users.into_iter().filter(|user| user.id != signed_in.user.id).map(choice).collect())
}

/// The mailboxes to choose from.
async fn mailboxes(
    state: &State,
    signed_in: &SignedIn,
    asked: &Asked,
) -> Result<Vec<Choice>, Failure> {
    let window = Window { after: None, limit: PEOPLE_MAX };
    let (of, whose) = (signed_in.sub_account(), signed_in.scope());
    let mailboxes = state.store.mailboxes(of, whose, window).await?;
    let choice = |mailbox: StoredMailbox| {
        let (id, address) = (mailbox.id.0.to_string(), mailbox.connection?.address?);
        Some(Choice { is_chosen: asked.mailbox == id, name: address.to_string(), id })
    };
    Ok(mailboxes.into_iter().filter_map(choice).collect())
}

impl Item {
    fn new(
        conversation: StoredConversation,
        is_unread: bool,
        previews: &mut BTreeMap<ConversationId, Preview>,
    ) -> Self {
        let name = conversation.contact_name.as_deref();
        let preview = previews.remove(&conversation.id).unwrap_or_default();
        Self {
            id: conversation.id,
            contact: Shown::contact(&conversation.contact_email, name),
            subject: pretence::visible(&conversation.subject),
            at: conversation.last_message_at,
            count: conversation.message_count,
            sync: conversation.sync,
            is_unread,
            preview: Preview { text: pretence::straight(&preview.text), ..preview },
        }
    }

    /// What is wrong with the latest mail, where the CRM has sent it: it is not seen by who waits for an answer.
    fn trouble(&self) -> Option<&'static str> {
        match self.preview.status? {
            SendStatus::Failed => Some("status.failed"),
            SendStatus::Bounced => Some("status.bounced"),
            SendStatus::Unknown => Some("status.unknown"),
            _ => None,
        }
    }

    fn is_tracked(&self) -> bool {
        self.sync == Sync::Tracked
    }

    fn is_stopped(&self) -> bool {
        self.sync == Sync::Stopped
    }
}

impl List {
    /// How many were found, in words: of more than a page it is only known that there are more.
    fn found(&self) -> String {
        let key = if self.next.is_some() { "list.found_or_more" } else { "list.found" };
        text::with(key, self.items.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_keep_what_was_asked_and_start_anew() {
        let asked = Asked {
            q: "a&b \"c\"".to_owned(),
            show: "unread".to_owned(),
            after: "x".to_owned(),
            ..Asked::default()
        };
        assert_eq!(asked.link_show(""), "/conversations?q=a%26b+%22c%22");
        let next = asked.link(&[("after", "y")]);
        assert_eq!(next, "/conversations?q=a%26b+%22c%22&show=unread&after=y");
        assert_eq!(Asked::default().link(&[]), "/conversations");
    }

    #[test]
    fn a_mark_is_read_again_and_anything_else_is_none() {
        let position = Position { at: -5, id: Uuid::max() };
        let asked = |after: String| Asked { after, ..Asked::default() };
        assert_eq!(asked(mark(position)).after(), Some(position));
        for bad in ["", "!", "AAAA", "%00"] {
            assert_eq!(asked(bad.to_owned()).after(), None);
        }
    }
}
