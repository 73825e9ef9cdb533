//! `/activity`: what became of every mail, and why; and what can be done about it (V1-V3).

mod act;
mod list;
mod one;
mod upload;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::mail::pretence;
use crate::model::verdict::explanation;
use crate::model::{Door, Outcome, UserId, Verdict};
use crate::store::Seen;
use crate::web::State;
use crate::web::ui::text;

/// An upload is read as it comes and kept in part: any mail may be dropped.
const UPLOAD_BYTES_MAX: usize = 64 * 1_048_576;

/// The routes of the pages.
pub fn router() -> Router<Arc<State>> {
    Router::new()
        .route("/activity", get(list::show))
        .route("/activity/why", post(upload::why).layer(DefaultBodyLimit::max(UPLOAD_BYTES_MAX)))
        .route("/activity/{id}", get(one::show))
        .route("/activity/{id}/raw", get(one::raw))
        .route("/activity/{id}/release", post(act::release))
        .route("/activity/{id}/discard", post(act::discard))
        .route("/activity/{id}/undo", post(act::undo))
}

/// The class of a tag for an outcome.
const fn colour(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Filed => "good",
        Outcome::Held => "warn",
        Outcome::Skipped => "info",
        Outcome::Rejected => "bad",
        Outcome::Duplicate | Outcome::Ignored => "",
    }
}

fn outcome_words(outcome: Outcome) -> &'static str {
    text::words(match outcome {
        Outcome::Filed => "activity.filed",
        Outcome::Duplicate => "activity.duplicate",
        Outcome::Held => "activity.held",
        Outcome::Ignored => "activity.ignored",
        Outcome::Skipped => "activity.skipped",
        Outcome::Rejected => "activity.rejected",
    })
}

/// How it came to be seen, as who reads says it.
fn door_words(verdict: &Verdict, reader: UserId) -> &'static str {
    text::words(match verdict.door {
        Door::Smtp => "activity.door_smtp",
        Door::Imap | Door::Graph | Door::Ews if verdict.user_id == Some(reader) => {
            "activity.door_mailbox"
        }
        Door::Imap | Door::Graph | Door::Ews => "activity.door_other_mailbox",
        Door::Import => "activity.door_import",
        Door::Send => "activity.door_send",
    })
}

/// Why it became so, in words. They name people as the mail does.
fn sentence(verdict: &Verdict) -> String {
    pretence::visible(&explanation(verdict.reason, &verdict.matched))
}

/// What a mail is called in a list: its subject, or else what is known of it.
fn title(seen: &Seen) -> String {
    match &seen.mail {
        Some(mail) if !mail.subject.trim().is_empty() => pretence::visible(&mail.subject),
        Some(_) => text::words("activity.no_subject").to_owned(),
        None => text::words("activity.not_kept").to_owned(),
    }
}
