//! A conversation: its messages, the latest at the end, its threads with how they are followed, and who is
//! on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::cookie::CookieJar;
use serde::Deserialize;
use uuid::Uuid;

use super::compose::{self, UNDO_SECONDS};
use super::draft::{Composer, Content};
use super::files;
use super::message::{Beside, Message};
use super::readable;
use super::reading::{Reading, reading};
use crate::clock;
use crate::decide::send::can_be_answered;
use crate::mail::pretence;
use crate::model::{
    self, ContactId, ConversationId, Direction, NewIds, SendStatus, State as MessageState,
    StoredMessageId, SubAccountId, Sync, ThreadId, UserId,
};
use crate::store::{Position, StoredConversation, StoredThread, Window};
use crate::web::State;
use crate::web::api::verdicts;
use crate::web::input::{Id, OptionalJson, Query};
use crate::web::ui::failure::Failure;
use crate::web::ui::people::{self, Shown};
use crate::web::ui::{Shell, SignedIn, Tab, done, filters, page};

/// Messages of a page.
const LIMIT: usize = 25;
/// So many of the latest are open.
const OPEN: usize = 3;
/// Other people who are named.
const PEOPLE_MAX: usize = 30;

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// Earlier messages than this one.
    before: Option<Uuid>,
    /// A mail that was sent just now, and can be taken back.
    sent: Option<Uuid>,
    /// The message that is answered, where it is not the latest.
    reply: Option<Uuid>,
    /// The answer goes to everybody.
    all: Option<u8>,
    /// The draft of it that is gone on with, where there are several.
    draft: Option<Uuid>,
}

#[derive(Template)]
#[template(path = "thread.html", config = "src/web/ui/askama.toml")]
struct Page {
    shell: Shell,
    id: ConversationId,
    contact_id: ContactId,
    contact: Shown,
    subject: String,
    parts: Vec<Part>,
    threads: Vec<Thread>,
    people: Vec<Shown>,
    /// So many more there are.
    people_more: usize,
    /// The address of earlier messages.
    earlier: Option<String>,
    is_latest: bool,
    count: i64,
    /// The answer, when there is something to answer.
    composer: Option<Composer>,
    /// There is a draft, or somebody asked for it.
    is_writing: bool,
    /// The way to answer everybody instead.
    answer_all: Option<String>,
    /// A mail that was sent just now, and for how many milliseconds it can be taken back.
    undo: Option<(Uuid, i64)>,
}

/// Messages of one thread that stand together.
struct Part {
    /// The id of its thread: two may have one subject.
    thread: String,
    subject: String,
    /// How its thread is followed.
    sync: Sync,
    messages: Vec<Message>,
}

impl Part {
    fn is_tracked(&self) -> bool {
        self.sync == Sync::Tracked
    }

    fn is_stopped(&self) -> bool {
        self.sync == Sync::Stopped
    }
}

struct Thread {
    subject: String,
    sync: Sync,
    /// Why it is no longer followed, in words.
    reason: Option<&'static str>,
    /// It was followed in the reader's own mailbox.
    is_mine: bool,
}

/// Shows a conversation. What came in has been read then.
pub async fn show(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    Id(id): Id,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    shown(&state, &signed_in, ConversationId(id), (asked, None)).await
}

/// The conversation, with an answer in it that was refused.
pub async fn refused(
    state: &State,
    signed_in: &SignedIn,
    id: ConversationId,
    mut composer: Composer,
) -> Result<Response, Failure> {
    if let (Ok(answered), false) = (composer.reply_to.parse(), composer.has_quote) {
        let message = readable(state, signed_in, StoredMessageId(answered)).await?;
        composer.quote = quote_of(&*reading(state, signed_in.sub_account(), &message).await?);
    }
    let answer = Answer { composer, is_writing: true, answer_all: None };
    let shown = shown(state, signed_in, id, (Asked::default(), Some(answer))).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, shown).into_response())
}

async fn shown(
    state: &State,
    signed_in: &SignedIn,
    id: ConversationId,
    (asked, given): (Asked, Option<Answer>),
) -> Result<Response, Failure> {
    let of = signed_in.sub_account();
    let conversation = conversation(state, signed_in, id).await?;
    let found = latest(state, signed_in, id, asked.before).await?;
    let answer = match given {
        Some(given) => Some(given),
        None => answer(state, signed_in, id, &found.messages, &asked).await?,
    };
    let threads = state.store.threads(of, id).await?;
    let page_of =
        assemble(state, signed_in, (conversation, threads), found, asked.before.is_none());
    let mut page_of = page_of.await?;
    page_of.undo = undo(state, of, &page_of, asked.sent).await?;
    page_of.answer_with(answer);
    if let Some(composer) = &mut page_of.composer {
        composer.file_max = files::limit(state, of).await?;
        composer.from = compose::sent_as(state, signed_in).await?;
    }
    let shown = page(&page_of);
    if asked.before.is_none() {
        read_now(state, signed_in, id).await?;
    }
    Ok(shown)
}

/// The conversation, as far as who is signed in may see it. Where that is nothing, it is as if there were none.
pub async fn conversation(
    state: &State,
    signed_in: &SignedIn,
    id: ConversationId,
) -> Result<StoredConversation, Failure> {
    let of = signed_in.sub_account();
    let found = state.store.conversation(of, id).await?.ok_or_else(Failure::not_found)?;
    let Some(user) = signed_in.scope() else { return Ok(found) };
    let seen = state.store.as_seen_by(of, user, vec![found]).await?.pop();
    seen.ok_or_else(Failure::not_found)
}

/// Messages in their order.
struct Found {
    messages: Vec<model::Message>,
    is_more: bool,
}

async fn latest(
    state: &State,
    signed_in: &SignedIn,
    id: ConversationId,
    before: Option<Uuid>,
) -> Result<Found, Failure> {
    let of = signed_in.sub_account();
    let after = match before {
        None => None,
        Some(before) => {
            let message = readable(state, signed_in, StoredMessageId(before)).await?;
            Some(Position { at: message.at.as_micros(), id: before })
        }
    };
    let window = Window { after, limit: i64::try_from(LIMIT + 1).unwrap_or(i64::MAX) };
    let found = state.store.latest_messages(of, signed_in.scope(), id, window).await?;
    let is_more = found.len() > LIMIT;
    let messages: Vec<_> = found.into_iter().take(LIMIT).rev().collect();
    Ok(Found { messages, is_more })
}

async fn assemble(
    state: &State,
    signed_in: &SignedIn,
    (conversation, threads): (StoredConversation, Vec<StoredThread>),
    found: Found,
    is_latest: bool,
) -> Result<Page, Failure> {
    let of = signed_in.sub_account();
    let messages = &found.messages;
    let users =
        people::users(&state.store, of, messages.iter().filter_map(|it| it.user_id)).await?;
    let skipped = messages.iter().filter(|it| it.state == MessageState::Skipped);
    let left_out = state.store.skipped_by(of, skipped.map(|it| it.id)).await?;
    let own = messages.iter().filter(|it| it.direction == Some(Direction::Outbound));
    let shipments = state.store.shipments(of, own.map(|it| it.id)).await?;
    let authors = messages.iter().filter_map(|it| it.from.as_ref()).map(|from| &from.email);
    let colleagues = state.store.users_among(of, authors).await?;
    let beside = Beside {
        shipments: &shipments,
        users: &users,
        left_out: &left_out,
        colleagues: &colleagues,
        contact: &conversation.contact_email,
        reader: signed_in.user.id,
        now: clock::now(),
    };
    let by_id: BTreeMap<ThreadId, &StoredThread> = threads.iter().map(|it| (it.id, it)).collect();
    let mut parts: Vec<(Option<ThreadId>, Part)> = Vec::new();
    for (number, message) in messages.iter().enumerate() {
        let is_open = number + OPEN >= messages.len();
        let reading = reading(state, of, message).await?;
        let shown = Message::new(message, reading, &beside, is_open);
        match parts.last_mut().filter(|(thread, _)| *thread == message.thread_id) {
            Some((_, part)) => part.messages.push(shown),
            None => {
                let thread = message.thread_id.and_then(|it| by_id.get(&it).copied());
                let subject = thread.map_or(&message.subject, |it| &it.subject);
                let part = Part {
                    thread: message.thread_id.map(|it| it.to_string()).unwrap_or_default(),
                    subject: pretence::visible(subject),
                    sync: thread.map_or(Sync::None, |it| it.sync),
                    messages: vec![shown],
                };
                parts.push((message.thread_id, part));
            }
        }
    }
    let earlier = found.is_more.then(|| messages.first()).flatten();
    let others = others(&conversation, messages, &users);
    Ok(Page {
        id: conversation.id,
        contact_id: conversation.contact_id,
        contact: Shown::contact(&conversation.contact_email, conversation.contact_name.as_deref()),
        subject: pretence::visible(&conversation.subject),
        parts: parts.into_iter().map(|(_, part)| part).collect(),
        threads: threads_of(&threads, messages, signed_in.user.id),
        people: others.iter().take(PEOPLE_MAX).map(|it| Shown::person(it)).collect(),
        people_more: others.len().saturating_sub(PEOPLE_MAX),
        earlier: earlier.map(|it| format!("/conversations/{}?before={}", conversation.id, it.id)),
        is_latest,
        count: conversation.message_count,
        composer: None,
        is_writing: false,
        answer_all: None,
        undo: None,
        shell: signed_in.shell(Tab::Conversations),
    })
}

/// The mail that was sent just now, while it can be taken back.
async fn undo(
    state: &State,
    of: SubAccountId,
    page_of: &Page,
    sent: Option<Uuid>,
) -> Result<Option<(Uuid, i64)>, Failure> {
    let mut shown = page_of.parts.iter().flat_map(|part| &part.messages);
    let Some(id) = sent.filter(|sent| shown.any(|it| it.id.0 == *sent)) else { return Ok(None) };
    let shipments = state.store.shipments(of, [StoredMessageId(id)]).await?;
    let queued = shipments.into_values().find(|it| it.status == SendStatus::Queued);
    let due_at = queued.and_then(|shipment| shipment.due_at);
    let left_ms = due_at.map(|due| (due.as_micros() - clock::now().as_micros()) / 1_000);
    Ok(left_ms.filter(|left| (1..=UNDO_SECONDS * 1_000).contains(left)).map(|left| (id, left)))
}

/// The form for the answer.
struct Answer {
    composer: Composer,
    is_writing: bool,
    answer_all: Option<String>,
}

impl Page {
    fn answer_with(&mut self, answer: Option<Answer>) {
        if let Some(answer) = answer.filter(|_| self.is_latest) {
            self.is_writing = answer.is_writing;
            self.answer_all = answer.answer_all;
            self.composer = Some(answer.composer);
        }
    }
}

/// The answer to the message that was chosen, or else to the latest; or what was begun of it.
async fn answer(
    state: &State,
    signed_in: &SignedIn,
    id: ConversationId,
    messages: &[model::Message],
    asked: &Asked,
) -> Result<Option<Answer>, Failure> {
    let (of, user) = (signed_in.sub_account(), &signed_in.user);
    let Some(message) = answered(state, signed_in, id, (messages, asked.reply)).await? else {
        return Ok(None);
    };
    let reading = reading(state, of, &message).await?;
    let mailbox = state.store.sending_mailbox(of, user.id).await?.map(|it| it.address);
    let is_own = |it: &model::Person| {
        it.email == user.email
            || user.aliases.contains(&it.email)
            || mailbox.as_ref() == Some(&it.email)
            || state.bcc_domains.iter().any(|ours| ours == it.email.domain())
    };
    let to_all = compose::answer(&message, &reading.reply_to, is_own, true);
    // A later draft does not hide the one that was chosen.
    let draft = match asked.draft {
        Some(draft) => state.store.draft(of, user.id, draft).await?,
        None => state.store.draft_in(of, user.id, id).await?,
    };
    let draft = draft.filter(|draft| draft.conversation == Some(id));
    let kept = draft.and_then(|draft| {
        let content: Content = serde_json::from_str(&draft.content).ok()?;
        let is_of_it = asked.reply.is_none() || content.reply_to == asked.reply;
        (content.sent_as.is_none() && is_of_it).then_some((draft.id, content))
    });
    let is_to_all = asked.all == Some(1);
    let is_writing = kept.is_some() || is_to_all || asked.reply.is_some();
    let (draft, mut content) = kept.unwrap_or_else(|| {
        let id = NewIds::new(clock::now(), clock::seed()).next_id();
        (id, compose::answer(&message, &reading.reply_to, is_own, false))
    });
    // What was begun to one can still go to everybody.
    if is_to_all {
        content.copy_to_all_of(&to_all);
    }
    let can_be_all = !content.lacks_of(&to_all).is_empty();
    let mut composer = content.composer(draft, Some(id.0), &user.time_zone);
    composer.quote = quote_of(&reading).filter(|_| !composer.has_quote);
    let all = || format!("/conversations/{id}?reply={}&all=1#reply", message.id);
    Ok(Some(Answer { composer, is_writing, answer_all: can_be_all.then(all) }))
}

/// The message that is answered: what came in stands before what one has written.
async fn answered(
    state: &State,
    signed_in: &SignedIn,
    id: ConversationId,
    (messages, chosen): (&[model::Message], Option<Uuid>),
) -> Result<Option<model::Message>, Failure> {
    let fits = |it: &&model::Message| can_be_answered(it.state, it.kind);
    if let Some(chosen) = chosen {
        let message = readable(state, signed_in, StoredMessageId(chosen)).await?;
        let is_here = message.conversation_id == Some(id) && fits(&&message);
        return Ok(Some(message).filter(|_| is_here));
    }
    let inbound = |it: &&model::Message| fits(it) && it.direction == Some(Direction::Inbound);
    Ok(messages.iter().rfind(inbound).or_else(|| messages.iter().rfind(fits)).cloned())
}

/// What stands below an answer, as it was made safe.
fn quote_of(reading: &Reading) -> Option<String> {
    let quote = reading.whole.as_ref().unwrap_or(&reading.new);
    (!quote.is_empty()).then(|| quote.clone())
}

/// The threads of the messages that are shown, the latest first.
fn threads_of(
    threads: &[StoredThread],
    messages: &[model::Message],
    reader: UserId,
) -> Vec<Thread> {
    let is_shown = |it: &&StoredThread| messages.iter().any(|one| one.thread_id == Some(it.id));
    let shown = threads.iter().rev().filter(is_shown).map(|thread| Thread {
        subject: pretence::visible(&thread.subject),
        sync: thread.sync,
        is_mine: thread.user == Some(reader),
        reason: thread.reason.as_deref().map(|reason| match reason {
            "mailbox_replaced" => "sync.mailbox_replaced",
            "mailbox_disconnected" => "sync.mailbox_disconnected",
            _ => "sync.stopped",
        }),
    });
    shown.collect()
}

/// Who is on the messages beside the contact and the users.
fn others<'a>(
    conversation: &StoredConversation,
    messages: &'a [model::Message],
    users: &BTreeMap<UserId, model::User>,
) -> Vec<&'a model::Person> {
    let is_user = |address: &model::Address| {
        users.values().any(|user| user.email == *address || user.aliases.contains(address))
    };
    let mut seen = std::collections::BTreeSet::new();
    let everybody = messages.iter().flat_map(|it| it.from.iter().chain(&it.to).chain(&it.cc));
    everybody
        .filter(|it| it.email != conversation.contact_email && !is_user(&it.email))
        .filter(|it| seen.insert(&it.email))
        .collect()
}

async fn read_now(state: &State, signed_in: &SignedIn, id: ConversationId) -> Result<(), Failure> {
    let (of, user) = (signed_in.sub_account(), signed_in.user.id);
    if !state.store.unread_among(of, user, [id]).await?.is_empty() {
        // Whoever reads can read on while nothing can be written.
        let _ = state.store.set_seen(of, user, id, true).await;
    }
    Ok(())
}

impl Thread {
    fn is_tracked(&self) -> bool {
        self.sync == Sync::Tracked
    }

    fn is_stopped(&self) -> bool {
        self.sync == Sync::Stopped
    }
}

/// Marks what came in as new again.
pub async fn mark_unread(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    jar: CookieJar,
    Id(id): Id,
) -> Result<Response, Failure> {
    let (of, user) = (signed_in.sub_account(), signed_in.user.id);
    let found = conversation(&state, &signed_in, ConversationId(id)).await?;
    state.store.set_seen(of, user, found.id, false).await?;
    Ok(done(jar, "flash.marked_unread", "/conversations"))
}

/// Files a message that was left out, without the file for which it was (A2).
pub async fn file_without_files(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    jar: CookieJar,
    Id(id): Id,
) -> Result<Response, Failure> {
    let of = signed_in.sub_account();
    let message = readable(&state, &signed_in, StoredMessageId(id)).await?;
    let verdicts = state.store.skipped_by(of, [message.id]).await?;
    let verdict = verdicts.get(&message.id).copied().ok_or_else(Failure::not_found)?;
    let asked = OptionalJson(verdicts::Release::without_files());
    verdicts::release(Shared(state), signed_in.reader(), Id(verdict.0), asked).await?;
    match message.conversation_id {
        Some(conversation) => {
            Ok(done(jar, "flash.filed_without_files", &format!("/conversations/{conversation}")))
        }
        None => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}
