//! One verdict: what was decided, from what, what was done to it, and what can be done.

use std::sync::Arc;

use askama::Template;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::{colour, door_words, outcome_words, sentence, title};
use crate::mail::pretence;
use crate::model::{Address, Outcome, Reason, Time, Verdict, VerdictId};
use crate::store::{Action, Seen};
use crate::web::State;
use crate::web::api::messages;
use crate::web::input::Id;
use crate::web::ui::failure::Failure;
use crate::web::ui::pages::conversations::size;
use crate::web::ui::people::Shown;
use crate::web::ui::{Errors, Shell, SignedIn, Tab, filters, page, text};

/// Characters of a mail that are shown, so that one knows it again.
const EXCERPT_CHARS_MAX: usize = 3_000;
/// Recipients of a report that are shown.
const RECIPIENTS_MAX: usize = 20;

#[derive(Template)]
#[template(path = "verdict.html", config = "src/web/ui/askama.toml")]
struct One {
    shell: Shell,
    errors: Errors,
    href: String,
    tag: &'static str,
    colour: &'static str,
    title: String,
    sentence: String,
    at: Time,
    door: &'static str,
    rule: String,
    reason: &'static str,
    /// What the decision found in the mail (V1).
    matched: Vec<String>,
    /// Of a report about another mail, what it says of each recipient.
    report: Vec<Reported>,
    message_id: Option<String>,
    from: Option<Shown>,
    to: Vec<Shown>,
    excerpt: Option<String>,
    /// Its files, of mail that waits for somebody to decide: their names and sizes.
    files: Vec<(String, String)>,
    /// Where the mail is, as it came, of such mail.
    raw: Option<String>,
    checks: Vec<Check>,
    conversation: Option<String>,
    expires_at: Option<Time>,
    can: Can,
    /// Whose mail it is, of one that is not the reader's.
    owner: Option<String>,
    candidates: Vec<Shown>,
    history: Vec<(&'static str, String, Time)>,
}

/// What a report says of a recipient.
struct Reported {
    address: String,
    /// Its enhanced status code (RFC 3463); empty in a complaint.
    status: String,
    /// What the status means.
    words: Option<&'static str>,
}

/// What a check of the sender said.
struct Check {
    name: &'static str,
    result: String,
    is_good: bool,
}

/// What can be done.
struct Can {
    release: bool,
    choose: bool,
    needs_contact: bool,
    add_alias: bool,
    /// By a link that is sent there first.
    prove_alias: bool,
    without_files: bool,
    discard: bool,
    undo: bool,
}

impl Can {
    fn of(verdict: &Verdict, signed_in: &SignedIn) -> Self {
        let is_held = is_held(verdict);
        let is_left_out = verdict.reason == Reason::AttachmentTooLarge;
        let is_undone_by_us = matches!(
            verdict.reason,
            Reason::Filed | Reason::IdConflict | Reason::Released | Reason::Discarded
        );
        Self {
            release: is_held,
            choose: is_held,
            needs_contact: needs_contact(verdict),
            add_alias: is_held
                && verdict.reason == Reason::UnknownSender
                && verdict.user_id.is_some(),
            prove_alias: !signed_in.is_admin(),
            without_files: is_left_out,
            discard: is_held,
            undo: (is_undone_by_us || is_left_out) && verdict.stored_message_id.is_some(),
        }
    }

    const fn any(&self) -> bool {
        self.release || self.without_files || self.discard || self.undo
    }
}

/// Does the mail itself not tell whose conversation it belongs to?
pub fn needs_contact(verdict: &Verdict) -> bool {
    matches!(verdict.reason, Reason::NoRecipient | Reason::AmbiguousForward)
}

/// Does it wait for somebody to decide?
pub fn is_held(verdict: &Verdict) -> bool {
    verdict.outcome() == Outcome::Held && verdict.stored_message_id.is_some()
}

pub async fn show(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    Id(id): Id,
) -> Result<Response, Failure> {
    shown(&state, &signed_in, VerdictId(id), Errors::default()).await
}

/// The verdict, if it is one that the reader may see.
pub async fn verdict(
    state: &State,
    signed_in: &SignedIn,
    id: VerdictId,
) -> Result<Verdict, Failure> {
    let verdict = state.store.verdict(signed_in.sub_account(), id).await?;
    let verdict = verdict.ok_or_else(Failure::not_found)?;
    match signed_in.scope() {
        Some(user) if verdict.user_id != Some(user) => Err(Failure::not_found()),
        _ => Ok(verdict),
    }
}

/// A mail that waits, as it came: who decides about it can look at all of it.
pub async fn raw(
    Shared(state): Shared<Arc<State>>,
    signed_in: SignedIn,
    Id(id): Id,
) -> Result<Response, Failure> {
    let verdict = verdict(&state, &signed_in, VerdictId(id)).await?;
    let message = verdict.stored_message_id.filter(|_| is_held(&verdict));
    let message = message.ok_or_else(Failure::not_found)?;
    let answer = messages::raw(Shared(state), signed_in.reader(), Id(message.0)).await?;
    Ok(answer.into_response())
}

/// The page, with what is wrong about the form that was sent.
pub async fn shown(
    state: &Arc<State>,
    signed_in: &SignedIn,
    id: VerdictId,
    errors: Errors,
) -> Result<Response, Failure> {
    let of = signed_in.sub_account();
    let verdict = verdict(state, signed_in, id).await?;
    let (excerpt, files) = kept(state, signed_in, &verdict).await?;
    let actions = state.store.actions(of, id).await?;
    let history = history(state, signed_in, actions).await?;
    let owner = verdict.user_id.filter(|user| *user != signed_in.user.id);
    let owner = match owner {
        Some(user) => state.store.user(of, user).await?.map(|user| user.name),
        None => None,
    };
    let seen = state.store.seen(of, verdict).await?.ok_or_else(Failure::not_found)?;
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::CONFLICT };
    let one = One {
        shell: signed_in.shell(Tab::Activity),
        errors,
        excerpt,
        files,
        history,
        owner,
        ..one(&seen, signed_in)
    };
    Ok((status, page(&one)).into_response())
}

fn one(seen: &Seen, signed_in: &SignedIn) -> One {
    let verdict = &seen.verdict;
    let outcome = verdict.outcome();
    let rule = verdict.matched.rule.clone();
    let candidates = verdict
        .candidates
        .iter()
        .filter_map(|one| Some(Shown::contact(&Address::parse(&one.email)?, one.name.as_deref())));
    One {
        shell: signed_in.shell(Tab::Activity),
        errors: Errors::default(),
        href: format!("/activity/{}", verdict.id),
        tag: outcome_words(outcome),
        colour: colour(outcome),
        title: title(seen),
        sentence: sentence(verdict),
        at: verdict.at,
        door: door_words(verdict, signed_in.user.id),
        rule: rule.unwrap_or_else(|| verdict.reason.rule().to_owned()),
        reason: verdict.reason.name(),
        matched: matched(verdict),
        report: report(verdict),
        message_id: verdict.message_id.as_ref().map(|id| format!("<{id}>")),
        from: seen.mail.as_ref().and_then(|mail| mail.from.as_ref()).map(Shown::person),
        to: seen.mail.iter().flat_map(|mail| mail.to.iter().take(20).map(Shown::person)).collect(),
        excerpt: None,
        files: Vec::new(),
        raw: is_held(verdict).then(|| format!("/activity/{}/raw", verdict.id)),
        checks: checks(verdict),
        conversation: verdict.conversation_id.map(|id| format!("/conversations/{id}")),
        expires_at: verdict.expires_at.filter(|_| outcome == Outcome::Held),
        can: Can::of(verdict, signed_in),
        owner: None,
        candidates: candidates.collect(),
        history: Vec::new(),
    }
}

/// Of mail of which nothing is kept only the folder is noted, and nothing matched.
fn matched(verdict: &Verdict) -> Vec<String> {
    let what = verdict.matched.what.as_ref().filter(|_| verdict.private_key.is_none());
    let found = [what, verdict.matched.address.as_ref()];
    found.into_iter().flatten().map(|it| pretence::visible(it)).collect()
}

fn report(verdict: &Verdict) -> Vec<Reported> {
    let reported = verdict.report.iter().take(RECIPIENTS_MAX).map(|it| Reported {
        address: pretence::visible(&it.address),
        status: pretence::visible(&it.status),
        words: match it.status.chars().next() {
            Some('2') => Some("activity.report_good"),
            _ if it.hard => Some("activity.report_hard"),
            Some(_) => Some("activity.report_soft"),
            // A complaint tells of a mail that arrived.
            None => None,
        },
    });
    reported.collect()
}

fn checks(verdict: &Verdict) -> Vec<Check> {
    let Some(trust) = &verdict.trust else { return Vec::new() };
    let check =
        |name, result: &str| Check { name, result: result.to_owned(), is_good: result == "pass" };
    let mut checks = vec![check("DMARC", trust.dmarc.as_deref().unwrap_or("none"))];
    checks.extend(trust.dkim.iter().take(5).map(|result| check("DKIM", result)));
    checks.push(check("SPF", trust.spf.as_deref().unwrap_or("none")));
    checks
}

/// The beginning of what the mail says, of mail that is kept and not left out; and its files, while it waits.
async fn kept(
    state: &Arc<State>,
    signed_in: &SignedIn,
    verdict: &Verdict,
) -> Result<(Option<String>, Vec<(String, String)>), Failure> {
    let of = signed_in.sub_account();
    let none = (None, Vec::new());
    let Some(id) = verdict.stored_message_id else { return Ok(none) };
    let Some(message) = state.store.message(of, id).await? else { return Ok(none) };
    let text = messages::new_text(state, of, &message).await?;
    let excerpt = text.map(|text| text.trim().chars().take(EXCERPT_CHARS_MAX).collect::<String>());
    let excerpt = excerpt.map(|text| pretence::straight(&text));
    let files = message.attachments.iter().filter(|_| is_held(verdict));
    let files = files.map(|file| (pretence::visible(&file.file_name), size(file.size)));
    Ok((excerpt, files.collect()))
}

async fn history(
    state: &State,
    signed_in: &SignedIn,
    actions: Vec<Action>,
) -> Result<Vec<(&'static str, String, Time)>, Failure> {
    let mut history = Vec::new();
    for action in actions {
        let words = text::words(match action.action.as_str() {
            "release" => "activity.did_release",
            "discard" => "activity.did_discard",
            "undo" => "activity.did_undo",
            _ => "activity.did_recheck",
        });
        history.push((words, actor(state, signed_in, &action.actor).await?, action.at));
    }
    Ok(history)
}

/// Who did something: a user by name, others as they are recorded.
async fn actor(state: &State, signed_in: &SignedIn, actor: &str) -> Result<String, Failure> {
    let id = actor.strip_prefix("user ").and_then(|id| id.parse().ok());
    let user = match id {
        Some(id) => state.store.user(signed_in.sub_account(), id).await?,
        None => None,
    };
    Ok(match user {
        Some(user) => user.name,
        None if actor.starts_with("token ") => text::words("activity.by_token").to_owned(),
        None if id.is_some() => text::words("activity.by_somebody").to_owned(),
        None => text::words("activity.by_gateway").to_owned(),
    })
}
