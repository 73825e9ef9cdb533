//! A held mail is judged again: because somebody released it (V3), or because DNS answers now (B2).

use std::sync::Arc;

use crate::decide::{self, Decision, Facts, Question};
use crate::mail::{self, Email, Forward};
use crate::model::{
    Address, Envelope, NewIds, Outcome, Person, Reason, Route, Standing, SubAccountId, Time, Trust,
    TrustResults, UserId, VerdictId,
};
use crate::store::{self, Filing, Store, Undone, Waiting};

use super::prepare::{self, Read, Reader};

/// What somebody asks for.
#[derive(Clone, Debug)]
pub struct Request {
    pub sub_account: SubAccountId,
    pub verdict: VerdictId,
    /// The contact it belongs to; needed where the mail does not tell.
    pub contact_email: Option<Address>,
    /// Leave out the files that are too large.
    pub without_files: bool,
    /// Who asks: the name of a token or a user.
    pub actor: String,
}

/// Why it cannot be released.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no such held mail")]
    NotFound,
    #[error("the mail does not tell whose it is; choose the contact with contact_email")]
    ContactNeeded(Reason),
    #[error("a file of the mail is too large; file the mail without it with without_files")]
    WithoutFilesNeeded,
    #[error(transparent)]
    Store(#[from] store::Error),
}

/// Judges a held mail once more, as one that somebody vouches for; or files one that was left out
/// without its file (A2).
pub async fn release(
    store: &Store,
    reader: &Reader,
    request: Request,
    now: Time,
    seed: u128,
) -> Result<(), Error> {
    let (account, id) = (request.sub_account, request.verdict);
    let waiting = store.waiting(account, id).await?.ok_or(Error::NotFound)?;
    if waiting.standing.reason == Reason::AttachmentTooLarge.name() {
        return file_without_files(store, &request, now, seed).await;
    }
    let results = waiting.trust.clone();
    let results = results.unwrap_or_else(|| TrustResults::without_checks(Trust::Released));
    let judged = Judged {
        trust: TrustResults { trust: Trust::Released, ..results },
        again: again(&waiting, true, request.without_files),
        contact: request.contact_email,
        recorded: recorded("release", request.actor, &waiting.standing),
        waiting,
    };
    match judge_again(store, reader, judged, now, seed).await? {
        Ok(_) => Ok(()),
        Err(reason) => Err(Error::ContactNeeded(reason)),
    }
}

async fn file_without_files(
    store: &Store,
    request: &Request,
    now: Time,
    seed: u128,
) -> Result<(), Error> {
    if !request.without_files {
        return Err(Error::WithoutFilesNeeded);
    }
    let ids = NewIds::new(now, seed);
    let (account, id) = (request.sub_account, request.verdict);
    match store.file_without_files(account, id, &request.actor, (now, ids)).await? {
        Undone::Done(_) => Ok(()),
        Undone::NotFound | Undone::DoesNotFit => Err(Error::NotFound),
    }
}

/// Judges a mail once more whose sender was checked again. `Err` is the reason for which it still waits.
pub async fn recheck(
    store: &Store,
    reader: &Reader,
    waiting: Waiting,
    trust: TrustResults,
    now: Time,
    seed: u128,
) -> Result<Result<Decision, Reason>, store::Error> {
    let judged = Judged {
        trust,
        again: again(&waiting, false, false),
        contact: None,
        recorded: recorded("recheck", "gateway".to_owned(), &waiting.standing),
        waiting,
    };
    judge_again(store, reader, judged, now, seed).await
}

fn again(waiting: &Waiting, released: bool, without_files: bool) -> decide::Again {
    decide::Again {
        verdict: waiting.verdict,
        message: waiting.message,
        at: waiting.at,
        released,
        contact: None,
        without_files,
    }
}

fn recorded(action: &'static str, actor: String, before: &Standing) -> store::Again {
    store::Again { action, actor, before_json: serde_json::json!(before).to_string() }
}

struct Judged {
    waiting: Waiting,
    trust: TrustResults,
    again: decide::Again,
    contact: Option<Address>,
    recorded: store::Again,
}

/// Nothing is written when the mail would be held as before, nor when somebody released it and the rules
/// would keep nothing of it: a release loses no mail. `Err` is then the reason.
async fn judge_again(
    store: &Store,
    reader: &Reader,
    judged: Judged,
    now: Time,
    seed: u128,
) -> Result<Result<Decision, Reason>, store::Error> {
    let Judged { waiting, trust, mut again, contact, recorded } = judged;
    let account = waiting.sub_account;
    let mut read = read_aside(reader, &waiting).await?;
    again.contact = contact.map(|address| named(address, &read.email, &read.forward));
    if let (Some(author), Forward::Unsure(_)) = (&again.contact, &read.forward) {
        read.forward = mail::forward::find_by(&read.email, author);
    }
    let owners = owners(&waiting);
    let submission = reader.submission(&read, waiting.door, account, owners, trust, now);
    let submission = prepare::again(submission, again);
    let questions: [(SubAccountId, Question); 1] = [(account, submission.question())];
    let (released, standing) = (submission.is_released(), waiting.standing.reason.as_str());
    let mut waits = None;
    let filings = store.file(&questions, |facts: Facts| {
        let decision = decide::ingest(&facts, &submission, &mut NewIds::new(now, seed));
        let Some(decision) = decision else { return Vec::new() };
        let reason = decision.verdict.reason;
        waits = match decision.verdict.outcome() {
            Outcome::Held => Some(reason),
            Outcome::Ignored if released => Some(reason),
            _ => None,
        };
        // Held for another reason, it is to say so, and who it may be of.
        let is_news = reason.name() != standing && reason.outcome() == Outcome::Held;
        if waits.is_some() && !is_news {
            return Vec::new();
        }
        vec![Filing {
            decision,
            content: waiting.content.clone(),
            envelope: waiting.envelope.clone(),
            again: Some(recorded.clone()),
        }]
    });
    let filed = filings.await?.into_iter().next().map(|filing| filing.decision);
    Ok(match (filed, waits) {
        (Some(decision), None) => Ok(decision),
        (_, waits) => Err(waits.unwrap_or(Reason::Expired)),
    })
}

/// Reads the mail on a thread of its own: it may be large.
pub(super) async fn read_aside(reader: &Reader, waiting: &Waiting) -> Result<Read, store::Error> {
    let (reader, raw) = (reader.clone(), waiting.content.clone());
    let read = move || Ok(reader.read(Arc::new(raw.unpack()?)));
    tokio::task::spawn_blocking(read)
        .await
        .unwrap_or_else(|error| Err(store::Error::damaged(error)))
}

/// The users it was sent to, as its envelope says; else the one whose verdict it is.
fn owners(waiting: &Waiting) -> Vec<UserId> {
    let of_envelope = |envelope: &Envelope| -> Vec<UserId> {
        let routes = envelope.recipients.iter().map(|recipient| &recipient.route);
        let users = routes.filter_map(|route| match route {
            Route::User { sub_account, user } if *sub_account == waiting.sub_account => Some(*user),
            _ => None,
        });
        users.collect()
    };
    let owners = waiting.envelope.as_ref().map(of_envelope).unwrap_or_default();
    if owners.is_empty() { waiting.user.into_iter().collect() } else { owners }
}

/// The chosen contact with the name it has on the mail.
fn named(address: Address, email: &Email, forward: &Forward) -> Person {
    let headers = &email.headers;
    let on_it = headers.from.iter().chain(&headers.to).chain(&headers.cc);
    let forwarded = match forward {
        Forward::Of(mail) => std::slice::from_ref(&mail.from).iter().chain(&mail.to),
        Forward::Unsure(people) => people.iter().chain(&[]),
        Forward::None => [].iter().chain(&[]),
    };
    let known = on_it.chain(forwarded).find(|person| person.email == address);
    known.cloned().unwrap_or(Person::new(address))
}
