//! Verdicts: what was decided about mail, and what can be done about it (V2, V3).

use std::sync::Arc;

use axum::extract::State as Shared;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::users::{ALIASES_MAX, outside_address};
use crate::clock;
use crate::ingest::release;
use crate::model::{
    self, Address, Door, MessageId, Outcome, Pepper, Reason, SubAccountId, Time, UserId, VerdictId,
    verdict::explanation,
};
use crate::store::{self, Action, Position, Undone, VerdictFilter};
use crate::web::auth::Reader;
use crate::web::error::{Code, Problem, ProblemDetails};
use crate::web::input::{Id, Json, OptionalJson, Query, or_default};
use crate::web::page::{List, Listing};
use crate::web::{State, now_and_ids};

/// What was decided about one mail that was seen.
#[derive(Serialize, ToSchema)]
pub struct Verdict {
    id: Uuid,
    #[schema(value_type = String, format = DateTime)]
    at: Time,
    /// `smtp`, `imap`, `graph`, `ews`, `import` or `send`.
    door: &'static str,
    /// `filed`, `duplicate`, `held`, `ignored`, `skipped` or `rejected`.
    outcome: &'static str,
    reason: &'static str,
    /// The rule that decided.
    rule: String,
    /// The reason in a sentence.
    explanation: String,
    #[schema(required)]
    message_id: Option<String>,
    #[schema(required)]
    user_id: Option<Uuid>,
    #[schema(required)]
    conversation_id: Option<Uuid>,
    /// The message that is filed, held or skipped, or of which this is a duplicate.
    #[schema(required)]
    stored_message_id: Option<Uuid>,
    /// Whom a held mail may belong to.
    candidates: Vec<Candidate>,
    /// What a delivery report or a complaint says.
    #[schema(required)]
    report: Option<Report>,
    /// What the checks of the sender said.
    #[schema(required)]
    trust: Option<Trust>,
    /// When what is held is removed.
    #[schema(required, value_type = Option<String>, format = DateTime)]
    expires_at: Option<Time>,
}

/// Somebody whom a held mail may be filed with.
#[derive(Serialize, ToSchema)]
pub struct Candidate {
    email: String,
    #[schema(required)]
    name: Option<String>,
}

/// What a delivery report says.
#[derive(Serialize, ToSchema)]
pub struct Report {
    recipients: Vec<RecipientReport>,
}

/// What a delivery report says of one recipient.
#[derive(Serialize, ToSchema)]
pub struct RecipientReport {
    address: String,
    /// The enhanced status code (RFC 3463); null where the report names none, as a complaint does.
    #[schema(required)]
    status: Option<String>,
    /// It will not get better by trying again.
    hard: bool,
}

/// Words of RFC 8601: `pass`, `fail`, `none` and others.
#[derive(Serialize, ToSchema)]
pub struct Trust {
    /// Why the author is believed, or `unverified`, or `unknown`.
    trust: &'static str,
    #[schema(required)]
    spf: Option<String>,
    dkim: Vec<String>,
    #[schema(required)]
    dmarc: Option<String>,
}

/// A verdict with what was done to it.
#[derive(Serialize, ToSchema)]
pub struct VerdictActions {
    #[serde(flatten)]
    verdict: Verdict,
    actions: Vec<DoneAction>,
}

/// What somebody did to a verdict.
#[derive(Serialize, ToSchema)]
pub struct DoneAction {
    #[schema(value_type = String, format = DateTime)]
    at: Time,
    /// `release`, `discard`, `undo` or `recheck`.
    action: String,
    /// Who did it.
    actor: String,
}

impl From<model::Verdict> for Verdict {
    fn from(verdict: model::Verdict) -> Self {
        let rule = verdict.matched.rule.clone();
        let recipients: Vec<RecipientReport> = verdict
            .report
            .into_iter()
            .map(|one| RecipientReport {
                status: one.named_status().map(str::to_owned),
                address: one.address,
                hard: one.hard,
            })
            .collect();
        Self {
            id: verdict.id.0,
            at: verdict.at,
            door: verdict.door.name(),
            outcome: verdict.reason.outcome().name(),
            reason: verdict.reason.name(),
            rule: rule.unwrap_or_else(|| verdict.reason.rule().to_owned()),
            explanation: explanation(verdict.reason, &verdict.matched),
            message_id: verdict.message_id.map(|id| id.to_string()),
            user_id: verdict.user_id.map(|id| id.0),
            conversation_id: verdict.conversation_id.map(|id| id.0),
            stored_message_id: verdict.stored_message_id.map(|id| id.0),
            candidates: verdict
                .candidates
                .into_iter()
                .map(|one| Candidate { email: one.email, name: one.name })
                .collect(),
            report: (!recipients.is_empty()).then_some(Report { recipients }),
            trust: verdict.trust.map(|trust| Trust {
                trust: trust.trust.name(),
                spf: trust.spf,
                dkim: trust.dkim,
                dmarc: trust.dmarc,
            }),
            expires_at: verdict.expires_at,
        }
    }
}

impl From<Action> for DoneAction {
    fn from(action: Action) -> Self {
        Self { at: action.at, action: action.action, actor: action.actor }
    }
}

/// Which verdicts are listed.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct VerdictsQuery {
    /// With or without angle brackets.
    message_id: Option<String>,
    outcome: Option<String>,
    reason: Option<String>,
    door: Option<String>,
    user_id: Option<Uuid>,
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    cursor: Option<String>,
}

impl VerdictsQuery {
    fn filter(&self, of: SubAccountId, pepper: &Pepper) -> Result<VerdictFilter, Problem> {
        let unfit =
            || Problem::invalid("`message_id` must be one such as CAF=x1@mail.example.com.");
        let message_id = self.message_id.as_deref();
        let message_id =
            message_id.map(|text| MessageId::parse(text).ok_or_else(unfit)).transpose()?;
        Ok(VerdictFilter {
            private_key: message_id.as_ref().map(|id| pepper.key(of, id)),
            message_id,
            outcome: named("outcome", self.outcome.as_deref(), &Outcome::ALL, Outcome::name)?,
            reason: named("reason", self.reason.as_deref(), &Reason::ALL, Reason::name)?,
            door: named("door", self.door.as_deref(), &Door::ALL, Door::name)?,
            user_id: self.user_id.map(UserId),
        })
    }
}

fn named<T: Copy>(
    parameter: &str,
    text: Option<&str>,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Result<Option<T>, Problem> {
    let Some(text) = text else { return Ok(None) };
    let found = all.iter().find(|it| name(**it) == text).copied();
    let names = || all.iter().map(|it| name(*it)).collect::<Vec<_>>().join(", ");
    let unknown = || Problem::invalid(format!("`{parameter}` must be one of {}.", names()));
    found.map(Some).ok_or_else(unknown)
}

/// Lists the verdicts, newest first.
#[utoipa::path(get, path = "/verdicts", tag = "verdicts", params(VerdictsQuery),
    responses((status = 200, description = "A page of verdicts.", body = List<Verdict>)))]
pub async fn list(
    Shared(state): Shared<Arc<State>>,
    reader: Reader,
    Query(query): Query<VerdictsQuery>,
) -> Result<Json<List<Verdict>>, Problem> {
    let of = reader.sub_account();
    let filter = query.filter(of, &state.reader.pepper)?;
    let filters = format!("{filter:?}");
    let list = ["verdicts", &filters];
    let listing = Listing::open(of, &list, query.limit, query.cursor.as_deref())?;
    let verdicts = state.store.verdicts(of, &filter, listing.window()).await?;
    let position = |verdict: &model::Verdict| Position { at: 0, id: verdict.id.0 };
    Ok(Json(listing.page(verdicts, position, Verdict::from)))
}

/// Shows a verdict, and what was done to it.
#[utoipa::path(get, path = "/verdicts/{id}", tag = "verdicts", params(("id" = Uuid, Path)),
    responses((status = 200, description = "The verdict.", body = VerdictActions)))]
pub async fn show(
    Shared(state): Shared<Arc<State>>,
    reader: Reader,
    Id(id): Id,
) -> Result<Json<VerdictActions>, Problem> {
    let (of, id) = (reader.sub_account(), VerdictId(id));
    let verdict = state.store.verdict(of, id).await?.ok_or_else(Problem::not_found)?.into();
    let actions = state.store.actions(of, id).await?;
    let actions = actions.into_iter().map(DoneAction::from).collect();
    Ok(Json(VerdictActions { verdict, actions }))
}

/// How a held mail is to be filed.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Release {
    /// The contact whose conversation it belongs to; needed where the mail does not tell.
    #[schema(nullable)]
    pub contact_email: Option<String>,
    /// The sender's address becomes an alias of the user whose smart BCC address it was sent to.
    #[serde(deserialize_with = "or_default")]
    #[schema(nullable)]
    pub add_alias: bool,
    /// Files that are too large are left out.
    #[serde(deserialize_with = "or_default")]
    #[schema(nullable)]
    pub without_files: bool,
}

impl Release {
    /// Without the files that are too large.
    pub const fn without_files() -> Self {
        Self { contact_email: None, add_alias: false, without_files: true }
    }
}

/// Files a mail that is held, or that was left out for a file.
#[utoipa::path(post, path = "/verdicts/{id}/release", tag = "verdicts",
    params(("id" = Uuid, Path)), request_body = Option<Release>,
    responses(
        (status = 200, description = "The verdict as it is now.", body = Verdict),
        (status = 409, description = "It is not held, or the contact has to be chosen.",
            content_type = "application/problem+json", body = ProblemDetails)))]
pub async fn release(
    Shared(state): Shared<Arc<State>>,
    reader: Reader,
    Id(id): Id,
    OptionalJson(asked): OptionalJson<Release>,
) -> Result<Json<Verdict>, Problem> {
    let (of, id) = (reader.sub_account(), VerdictId(id));
    let contact_email = asked.contact_email.as_deref();
    let contact_email =
        contact_email.map(|text| outside_address(&state, "contact_email", text)).transpose()?;
    let verdict = state.store.verdict(of, id).await?.ok_or_else(Problem::not_found)?;
    let alias = match asked.add_alias {
        true => add_alias(&state, of, &verdict).await?,
        false => None,
    };
    let request = release::Request {
        sub_account: of,
        verdict: id,
        contact_email,
        without_files: asked.without_files,
        actor: reader.0.actor(),
    };
    let (now, seed) = (clock::now(), clock::seed());
    let released = release::release(&state.store, &state.reader, request, now, seed).await;
    if let Err(error) = released {
        if let Some((user, alias)) = alias {
            remove_alias(&state, of, user, &alias).await?;
        }
        return Err(not_released(error));
    }
    let verdict = state.store.verdict(of, id).await?.ok_or_else(Problem::not_found)?;
    Ok(Json(verdict.into()))
}

/// Makes the sender of a held mail an alias of its user, who is then its author (B2). Answers what was added.
async fn add_alias(
    state: &State,
    of: SubAccountId,
    verdict: &model::Verdict,
) -> Result<Option<(UserId, Address)>, Problem> {
    let (id, sender) = unknown_sender(state, of, verdict).await?;
    let mut added = None;
    let add = |user: &mut model::User| {
        if !user.aliases.contains(&sender) {
            if user.aliases.len() >= ALIASES_MAX {
                return Err(Problem::field("add_alias", "a user has at most 100 aliases"));
            }
            user.aliases.push(sender.clone());
            added = Some((id, sender));
        }
        Ok(())
    };
    state.store.change_user(of, id, add).await?.ok_or_else(no_alias)??;
    Ok(added)
}

/// The mail could not be released: all is as it was.
async fn remove_alias(
    state: &State,
    of: SubAccountId,
    user: UserId,
    alias: &Address,
) -> Result<(), Problem> {
    let remove = |user: &mut model::User| {
        user.aliases.retain(|it| it != alias);
        Ok::<(), Problem>(())
    };
    state.store.change_user(of, user, remove).await?.ok_or_else(no_alias)?.map(drop)
}

fn no_alias() -> Problem {
    let detail = "Only the sender of mail held as `unknown_sender` can become an alias.";
    Problem::new(Code::ActionDoesNotFit, detail)
}

/// The user to whose address a held mail was sent, and its sender, who is no user.
pub async fn unknown_sender(
    state: &State,
    of: SubAccountId,
    verdict: &model::Verdict,
) -> Result<(UserId, Address), Problem> {
    let is_unknown = verdict.reason == Reason::UnknownSender;
    let (Some(user), Some(message), true) =
        (verdict.user_id, verdict.stored_message_id, is_unknown)
    else {
        return Err(no_alias());
    };
    let message = state.store.message(of, message).await?.ok_or_else(no_alias)?;
    Ok((user, message.from.ok_or_else(no_alias)?.email))
}

fn not_released(error: release::Error) -> Problem {
    match error {
        release::Error::NotFound => {
            Problem::new(Code::ActionDoesNotFit, "Only what is held or left out can be released.")
        }
        release::Error::ContactNeeded(reason) => {
            let detail = format!(
                "By the rules nobody is its contact (`{}`): choose one with `contact_email`; `candidates` may name it.",
                reason.name()
            );
            Problem::new(Code::ContactNeeded, detail)
        }
        release::Error::WithoutFilesNeeded => {
            let detail =
                "A file is too large; send `without_files: true` to file the mail without it.";
            Problem::new(Code::ActionDoesNotFit, detail)
        }
        // Two people had the same mail before them: it has become what the other one made of it.
        release::Error::Store(store::Error::Conflict(_)) => {
            Problem::new(Code::ActionDoesNotFit, "Somebody else was first; look at it again.")
        }
        release::Error::Store(error) => error.into(),
    }
}

/// Discards what is held. It can be undone until it expires.
#[utoipa::path(post, path = "/verdicts/{id}/discard", tag = "verdicts",
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The verdict as it is now.", body = Verdict),
        (status = 409, description = "It is not held.",
            content_type = "application/problem+json", body = ProblemDetails)))]
pub async fn discard(
    Shared(state): Shared<Arc<State>>,
    reader: Reader,
    Id(id): Id,
) -> Result<Json<Verdict>, Problem> {
    let (of, actor) = (reader.sub_account(), reader.0.actor());
    let done = state.store.discard(of, VerdictId(id), &actor, now_and_ids()).await?;
    after(done, "Only what is held can be discarded; undo what is filed.")
}

/// Undoes the last action: what was discarded or released is held again as before, and what was filed
/// or left out is taken out of the CRM and held.
#[utoipa::path(post, path = "/verdicts/{id}/undo", tag = "verdicts",
    params(("id" = Uuid, Path)),
    responses(
        (status = 200, description = "The verdict as it is now.", body = Verdict),
        (status = 409, description = "There is nothing to undo.",
            content_type = "application/problem+json", body = ProblemDetails)))]
pub async fn undo(
    Shared(state): Shared<Arc<State>>,
    reader: Reader,
    Id(id): Id,
) -> Result<Json<Verdict>, Problem> {
    let (of, actor) = (reader.sub_account(), reader.0.actor());
    let done = state.store.undo(of, VerdictId(id), &actor, now_and_ids()).await?;
    after(done, "Only what is filed, left out, released or discarded can be undone.")
}

fn after(done: Undone, detail: &'static str) -> Result<Json<Verdict>, Problem> {
    match done {
        Undone::Done(verdict) => Ok(Json((*verdict).into())),
        Undone::NotFound => Err(Problem::not_found()),
        Undone::DoesNotFit => Err(Problem::new(Code::ActionDoesNotFit, detail)),
    }
}
