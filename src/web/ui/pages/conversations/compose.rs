//! Writing: the form, the drafts that are kept while one writes, and sending by the function that the API
//! calls. What is sent waits ten seconds, in which it can be taken back: `again`.

use std::sync::Arc;

use askama::Template;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum_extra::extract::cookie::CookieJar;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Deserialize;
use uuid::Uuid;

use super::draft::{Composer, Content, lines_of, people};
use super::files::{self, Form};
use super::refusal::Refused;
use super::{path, readable};
use super::{quote, thread};
use crate::clock;
use crate::mail::compose::NewFile;
use crate::model::{
    ConversationId, Direction, Message, NewIds, Person, SendKind, SendStatus, StoredMessageId, Time,
};
use crate::send::flow;
use crate::store::NewDraft;
use crate::web::State;
use crate::web::error::Problem;
use crate::web::input::Query;
use crate::web::ui::failure::Failure;
use crate::web::ui::people::Shown;
use crate::web::ui::{Errors, Fields, Shell, SignedIn, Tab, done, filters, page, text};

/// So long a mail can be taken back, in seconds.
pub const UNDO_SECONDS: i64 = 10;

#[derive(Template)]
#[template(path = "compose.html", config = "src/web/ui/askama.toml")]
struct Compose {
    shell: Shell,
    composer: Composer,
    drafts: Vec<Kept>,
}

/// A draft in the list.
struct Kept {
    href: String,
    title: String,
    at: Time,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    draft: Option<Uuid>,
    to: String,
}

/// Shows the form for a new mail, or one that was begun.
pub async fn show(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    Query(asked): Query<Asked>,
) -> Result<Response, Failure> {
    let (of, user) = (signed_in.sub_account(), signed_in.user.id);
    let draft = match asked.draft {
        Some(id) => state.store.draft(of, user, id).await?,
        None => None,
    };
    let zone = &signed_in.user.time_zone;
    let composer = match draft {
        Some(draft) => {
            let content: Content = serde_json::from_str(&draft.content).unwrap_or_default();
            content.composer(draft.id, draft.conversation.map(|id| id.0), zone)
        }
        None => Content { to: asked.to, ..Content::default() }.composer(new_id(), None, zone),
    };
    shown(&state, &signed_in, composer).await
}

async fn shown(
    state: &State,
    signed_in: &SignedIn,
    mut composer: Composer,
) -> Result<Response, Failure> {
    composer.file_max = files::limit(state, signed_in.sub_account()).await?;
    composer.from = sent_as(state, signed_in).await?;
    let status =
        if composer.errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let drafts = state.store.drafts(signed_in.sub_account(), signed_in.user.id).await?;
    let kept = drafts.into_iter().filter(|draft| draft.id != composer.draft).filter_map(|draft| {
        let content: Content = serde_json::from_str(&draft.content).ok()?;
        let title = match content.subject.trim() {
            "" => text::words("compose.no_subject").to_owned(),
            subject => subject.to_owned(),
        };
        let title =
            if content.to.is_empty() { title } else { format!("{title} · {}", content.to) };
        let href = place(draft.id, draft.conversation, &content);
        content.sent_as.is_none().then_some(Kept { href, title, at: draft.saved_at })
    });
    let drafts = kept.collect();
    let compose = Compose { shell: signed_in.shell(Tab::Conversations), composer, drafts };
    Ok((status, page(&compose)).into_response())
}

/// As whom what is written would be sent; `None`: there is no way to send.
pub async fn sent_as(state: &State, signed_in: &SignedIn) -> Result<Option<String>, Failure> {
    let from = flow::sent_as(&state.office, signed_in.sub_account(), signed_in.user.id).await;
    Ok(from.map_err(Problem::from)?.map(|from| Shown::person(&from).line()))
}

/// Where one goes on with a draft: with an answer, in its conversation.
pub fn place(draft: Uuid, conversation: Option<ConversationId>, content: &Content) -> String {
    match (conversation, content.reply_to) {
        (Some(id), Some(reply_to)) => {
            format!("/conversations/{id}?reply={reply_to}&draft={draft}#reply")
        }
        _ => format!("/conversations/new?draft={draft}"),
    }
}

/// The id of a draft that begins.
pub fn new_id() -> Uuid {
    NewIds::new(clock::now(), clock::seed()).next_id()
}

/// Keeps what has been written so far; called by the page while one writes.
pub async fn keep(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    fields: Fields,
) -> Result<StatusCode, Failure> {
    let content = Content::of_fields(&fields);
    let is_kept = keep_as(&state, &signed_in, &fields, &content).await?;
    Ok(if is_kept { StatusCode::NO_CONTENT } else { StatusCode::CONFLICT })
}

/// Answers whether it is kept: what was sent just now is not made a draft again.
async fn keep_as(
    state: &State,
    signed_in: &SignedIn,
    fields: &Fields,
    content: &Content,
) -> Result<bool, Failure> {
    let Ok(id) = fields.text("draft").parse() else { return Err(Failure::not_found()) };
    keep_under(state, signed_in, id, (fields, content)).await
}

/// What was written after one went back to the form of a mail that was sent is a draft of its own. Answers whether
/// it is kept: what says the same as that mail is not.
async fn keep_beside(
    state: &State,
    signed_in: &SignedIn,
    fields: &Fields,
    content: &Content,
) -> Result<bool, Failure> {
    let Ok(id) = fields.text("draft").parse() else { return Err(Failure::not_found()) };
    let sent = state.store.draft(signed_in.sub_account(), signed_in.user.id, id).await?;
    let Some(sent) = sent else { return Ok(false) };
    let sent: Content = serde_json::from_str(&sent.content).unwrap_or_default();
    // Its files went with it.
    if (Content { sent_as: None, missing: content.missing.clone(), ..sent }) == *content {
        return Ok(false);
    }
    keep_under(state, signed_in, new_id(), (fields, content)).await
}

async fn keep_under(
    state: &State,
    signed_in: &SignedIn,
    id: Uuid,
    (fields, content): (&Fields, &Content),
) -> Result<bool, Failure> {
    let draft = NewDraft {
        id,
        conversation: fields.text("conversation").parse().ok().map(ConversationId),
        content: serde_json::to_string(content).unwrap_or_default(),
    };
    let (of, user) = (signed_in.sub_account(), signed_in.user.id);
    Ok(state.store.keep_draft(of, user, draft, clock::now()).await?)
}

/// What a form asks for: send, send later, keep, throw away.
pub async fn submit(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    jar: CookieJar,
    Form { fields, files, excess }: Form,
) -> Result<Response, Failure> {
    let mut content = Content::of_fields(&fields);
    let conversation = fields.text("conversation").parse::<Uuid>().ok();
    let back = path(conversation.map(ConversationId));
    match fields.text("do") {
        "discard" => {
            if let Ok(id) = fields.text("draft").parse() {
                let (of, user) = (signed_in.sub_account(), signed_in.user.id);
                state.store.remove_draft(of, user, id).await?;
            }
            Ok(done(jar, "flash.draft_discarded", &back))
        }
        "keep" => {
            content.miss(&files);
            let is_kept = keep_as(&state, &signed_in, &fields, &content).await?
                || keep_beside(&state, &signed_in, &fields, &content).await?;
            let kept = match is_kept {
                false => "flash.not_kept_sent",
                true if content.missing.is_empty() => "flash.draft_kept",
                true => "flash.not_kept_files",
            };
            Ok(done(jar, kept, &back))
        }
        how => {
            content.miss(&files);
            let sent = match excess {
                Some(words) => Err(Refused::Because(Errors::of_field("files", words))),
                None => send(&state, &signed_in, (&fields, &content, how == "later"), files).await,
            };
            match sent {
                Ok(sent) => Ok(after(&state, &signed_in, jar, sent).await?),
                Err(refused) => {
                    let (draft, errors) = refused.again(&fields)?;
                    let zone = &signed_in.user.time_zone;
                    let mut composer = content.composer(draft, conversation, zone);
                    composer.send_at = fields.text("send_at").to_owned();
                    composer.errors = errors;
                    again(&state, &signed_in, composer).await
                }
            }
        }
    }
}

/// The form once more, an answer within its conversation.
async fn again(
    state: &Arc<State>,
    signed_in: &SignedIn,
    composer: Composer,
) -> Result<Response, Failure> {
    if let (Ok(conversation), false) = (composer.conversation.parse(), composer.reply_to.is_empty())
        && let Ok(shown) =
            thread::refused(state, signed_in, ConversationId(conversation), composer.clone()).await
    {
        return Ok(shown);
    }
    shown(state, signed_in, composer).await
}

struct Sent {
    message: StoredMessageId,
    is_later: bool,
}

async fn send(
    state: &Arc<State>,
    signed_in: &SignedIn,
    (fields, content, is_later): (&Fields, &Content, bool),
    files: Vec<NewFile>,
) -> Result<Sent, Refused> {
    let request = request(state, signed_in, (fields, content, is_later), files).await?;
    let queued = match flow::enqueue(&state.office, request).await {
        Ok(queued) => queued,
        Err(error) => return Err(Refused::by_flow(state, signed_in.sub_account(), error).await),
    };
    state.bell.notify_one();
    let mail = queued.mails.first().ok_or_else(Failure::internal)?;
    if mail.status == SendStatus::Cancelled {
        // The page has kept it anew before it was sent.
        if let Ok(id) = fields.text("draft").parse() {
            let (of, user) = (signed_in.sub_account(), signed_in.user.id);
            state.store.remove_draft(of, user, id).await.map_err(Failure::from)?;
        }
        return Err(Refused::TakenBack);
    }
    let message = mail.message;
    let kept = Content { sent_as: Some(message.0), missing: Vec::new(), ..content.clone() };
    // It was sent, whether or not the draft can say so.
    let _ = keep_as(state, signed_in, fields, &kept).await;
    Ok(Sent { message, is_later })
}

async fn request(
    state: &Arc<State>,
    signed_in: &SignedIn,
    (fields, content, is_later): (&Fields, &Content, bool),
    mut files: Vec<NewFile>,
) -> Result<flow::Request, Refused> {
    let addresses = |name: &str, line: &str| {
        let people = people(line).map_err(|bad| Refused::line(name, &bad))?;
        // What is sent is in the CRM anyway.
        let is_ours = |it: &Person| state.bcc_domains.iter().any(|ours| ours == it.email.domain());
        match people.iter().find(|it| is_ours(it)) {
            Some(ours) => Err(Refused::own_address(name, ours)),
            None => Ok(people),
        }
    };
    let to = addresses("to", &content.to)?;
    let (cc, bcc) = (addresses("cc", &content.cc)?, addresses("bcc", &content.bcc)?);
    if to.is_empty() {
        return Err(Refused::field("to", "error.compose_to"));
    }
    files.extend(files::fetch(state, signed_in, &content.attached).await.map_err(Refused::file)?);
    if content.is_empty() && files.is_empty() {
        return Err(Refused::field("", "error.compose_empty"));
    }
    let now = clock::now();
    let send_at = match is_later {
        true => Some(
            local_time(fields.text("send_at"), &signed_in.user.time_zone)
                .filter(|at| *at > now)
                .ok_or_else(|| Refused::field("send_at", "error.compose_time"))?,
        ),
        false => Some(now.plus_seconds(UNDO_SECONDS)),
    };
    let reply_to = content.reply_to.map(StoredMessageId);
    let quoted = match reply_to.filter(|_| !content.has_quote) {
        Some(id) => {
            let message = readable(state, signed_in, id).await?;
            Some(quote::of(state, signed_in, &message).await.map_err(Failure::from)?)
        }
        None => None,
    };
    // A form that is sent twice is one mail.
    let at = if is_later { fields.text("send_at") } else { "" };
    let key = fields.filled("draft");
    let key = key.map(|draft| format!("page-{draft}-{}", attempt(content, at, &files)));
    Ok(flow::Request {
        sub_account: signed_in.sub_account(),
        kind: SendKind::Individual,
        user: signed_in.user.id,
        from: None,
        to,
        cc,
        bcc,
        subject: content.subject.clone(),
        text: Some(quote::text(&content.text, quoted.as_ref())),
        html: Some(quote::html(&content.html, &content.text, quoted.as_ref())),
        files,
        conversation: conversation(state, signed_in, fields).await?,
        reply_to,
        send_at,
        key,
    })
}

/// The conversation that is written in. Where it cannot be seen, whom the mail goes to says where it belongs.
async fn conversation(
    state: &State,
    signed_in: &SignedIn,
    fields: &Fields,
) -> Result<Option<ConversationId>, Refused> {
    let Ok(id) = fields.text("conversation").parse() else { return Ok(None) };
    match thread::conversation(state, signed_in, ConversationId(id)).await {
        Ok(found) => Ok(Some(found.id)),
        Err(Failure::Page { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
        Err(failure) => Err(failure.into()),
    }
}

/// A draft that was changed is another mail than before; so it is with another file of the same name, or for
/// another time.
fn attempt(content: &Content, at: &str, files: &[NewFile]) -> String {
    use sha2::{Digest, Sha256};
    let json = serde_json::to_vec(content).unwrap_or_default();
    let parts = [json.as_slice(), at.as_bytes()].into_iter();
    let parts = parts.chain(files.iter().map(|file| file.content.as_ref()));
    // Each part by its own hash: where one ends and the next begins counts.
    let hash = parts.fold(Sha256::new(), |hash, part| hash.chain_update(Sha256::digest(part)));
    let hash: [u8; 32] = hash.finalize().into();
    hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// A time of a form, `2026-03-01T14:00`, in a zone.
fn local_time(text: &str, zone: &str) -> Option<Time> {
    let time: DateTime = text.parse().ok()?;
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let zoned = time.to_zoned(zone).ok()?;
    Some(Time::from_micros(zoned.timestamp().as_microsecond()))
}

/// On to the conversation, where the mail can be seen and taken back.
async fn after(
    state: &State,
    signed_in: &SignedIn,
    jar: CookieJar,
    sent: Sent,
) -> Result<Response, Failure> {
    let message = state.store.message(signed_in.sub_account(), sent.message).await?;
    let conversation = message.and_then(|message| message.conversation_id);
    let there = path(conversation);
    match sent.is_later {
        true => Ok(done(jar, "flash.scheduled", &there)),
        false => {
            let id = sent.message;
            Ok(Redirect::to(&format!("{there}?sent={id}#m-{id}")).into_response())
        }
    }
}

/// The form that answers a message: to its author, or where the author wants answers, or to everybody. What
/// went out, oneself or a colleague has written: it is gone on with, to whom it went.
pub fn answer(
    message: &Message,
    reply_to: &[Person],
    own: impl Fn(&Person) -> bool,
    is_to_all: bool,
) -> Content {
    let others = |people: Vec<&Person>| -> Vec<Person> {
        people.into_iter().filter(|it| !own(it)).cloned().collect()
    };
    let is_own =
        message.direction == Some(Direction::Outbound) || message.from.as_ref().is_none_or(&own);
    let asked = others(reply_to.iter().collect());
    let to = match is_own {
        true => others(message.to.iter().collect()),
        false if asked.is_empty() => others(message.from.iter().collect()),
        false => asked,
    };
    let (author, to_too) = (message.from.iter().filter(|_| is_own), message.to.iter());
    let everybody = author.chain(&message.cc).chain(to_too.filter(|_| !is_own));
    let mut cc = if is_to_all { others(everybody.collect()) } else { Vec::new() };
    cc.retain(|person| !to.iter().any(|it| it.email == person.email));
    let subject = message.subject.trim();
    let is_answer = subject.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("re:"));
    let subject = if is_answer { subject.to_owned() } else { format!("Re: {subject}") };
    let (to, cc) = (lines_of(&to), lines_of(&cc));
    Content { to, cc, subject, reply_to: Some(message.id.0), ..Content::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_zone() {
        let at = local_time("2026-07-01T14:00", "Europe/Berlin").unwrap();
        assert_eq!(at.to_rfc3339().get(..16), Some("2026-07-01T12:00"));
        assert!(local_time("tomorrow", "UTC").is_none());
        // There was no such hour; the next that there was is taken.
        assert!(local_time("2026-03-29T02:30", "Europe/Berlin").is_some());
    }
}
