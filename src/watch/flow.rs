//! The spine of way 2. A page of headers becomes verdicts: from the headers it is known what belongs, of
//! that the bodies are fetched, and all is recorded with the folder's cursor in one transaction. Read
//! this first.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::oneshot;

use crate::clock;
use crate::decide::{self, Change, Facts, Fetched, Part, Question, Tracked};
use crate::ingest::flow::tell;
use crate::ingest::prepare::Reader;
use crate::mail::Headers;
use crate::model::{
    Folder, FolderRole, MessageId, MessageKey, NewIds, Reason, StoredMessageId, SubAccountId,
};
use crate::store::{Advance, Filing, Page, Store, Watched};

use super::folder::Mail;
use super::mailbox::{Body, Error, Header, Mailbox};

/// Bytes of bodies in memory at once, but for one mail alone.
const BODIES_BYTES_MAX: usize = 4 * 1_048_576;
/// So many mails are asked for in one command. Each way to Exchange and back takes a tenth of a second.
const BEGINNINGS_MAX: usize = 8;
/// So often are parts of a page fetched: an answer to an answer on one page takes one round more.
const ROUNDS_MAX: usize = 16;
/// So many ids that a private mail names are kept.
const NAMED_MAX: usize = 20;

/// What the flow needs beside the mailbox.
pub struct Way {
    pub store: Arc<Store>,
    pub reader: Reader,
    pub watched: Watched,
    /// Larger mails are left out (A2).
    pub message_bytes_max: usize,
    /// The folder of sent mail is known for certain: a copy that turns up elsewhere is none (T8).
    pub knows_sent: AtomicBool,
}

/// How far a page goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Step {
    /// Where the cursor moves; `None` for mail that was searched for.
    pub uid_next: Option<u32>,
    /// UIDs behind it whose headers are asked for while the store works.
    pub ahead: Option<(u32, u32)>,
}

impl Step {
    /// A step of the cursor, and no look ahead.
    pub const fn to(uid_next: u32) -> Self {
        Self { uid_next: Some(uid_next), ahead: None }
    }
}

/// What a page came to.
#[derive(Debug, Default)]
pub struct Progress {
    /// Verdicts that were recorded.
    pub verdicts: usize,
    /// A copy of what the CRM sent turned up: the folder is where sent mail is kept (T8).
    pub found_sent: bool,
    /// The first UID for which memory had no room: it, and those behind it, must be asked for again.
    pub left: Option<u32>,
    /// What the mailbox answered of the UIDs ahead, unless the page ended before them.
    pub ahead: Option<Result<Vec<Header>, Error>>,
}

/// Judges a page of mails of a folder and moves its cursor to the step's `uid_next`, or as far as memory
/// allows: the folder tells.
pub async fn page<M: Mailbox>(
    way: &Way,
    mailbox: &mut M,
    folder: &mut Folder,
    headers: Vec<Header>,
    mut step: Step,
) -> Result<Progress, Error> {
    let mut mails: Vec<Mail> =
        headers.into_iter().filter_map(|header| Mail::of(way, folder.role, header)).collect();
    let (mut rounds, mut left) = (0, None);
    loop {
        let mut needs = Vec::new();
        let (decided, is_decided) = oneshot::channel();
        let filed = file(way, folder, &mails, step.uid_next, (&mut needs, decided));
        let (filed, ahead) = tokio::join!(filed, look_ahead(mailbox, step.ahead, is_decided));
        match filed? {
            Page::Incomplete => {
                rounds += 1;
                let first_left = complete(way, mailbox, &mut mails, &needs, rounds).await?;
                if let Some(first_left) = first_left {
                    left = Some(first_left);
                    step = step.uid_next.map_or(step, |_| Step::to(first_left));
                }
            }
            Page::Moved => return Err(Error::Lost("another watcher was here".to_owned())),
            Page::Gone => return Err(Error::Ended),
            Page::Filed(filings) => {
                folder.uid_next = step.uid_next.unwrap_or(folder.uid_next);
                let progress = progress(&filings);
                if progress.found_sent && folder.role == FolderRole::Sent {
                    way.knows_sent.store(true, Ordering::Relaxed);
                }
                return Ok(Progress { left, ahead, ..progress });
            }
        }
    }
}

/// Asks for the headers ahead once nothing more is asked about this page, while the store writes.
async fn look_ahead<M: Mailbox>(
    mailbox: &mut M,
    ahead: Option<(u32, u32)>,
    is_decided: oneshot::Receiver<()>,
) -> Option<Result<Vec<Header>, Error>> {
    let (from, to) = ahead?;
    is_decided.await.ok()?;
    Some(mailbox.headers(from, to).await)
}

/// Decides and records, in one transaction, and tells when it has decided; where more must be known, nothing
/// is done, and `needs` says what.
async fn file(
    way: &Way,
    folder: &Folder,
    mails: &[Mail],
    uid_next: Option<u32>,
    (needs, decided): (&mut Vec<(usize, Part)>, oneshot::Sender<()>),
) -> Result<Page, Error> {
    let advance = Advance {
        sub_account: way.watched.sub_account,
        connection: way.watched.connection,
        folder,
        uid_next,
        now: clock::now(),
    };
    let (now, seed) = (clock::now(), clock::seed());
    let mut decided = Some(decided);
    let decide = |facts| {
        let judged = judge(mails, facts, NewIds::new(now, seed));
        *needs = judged.needs;
        let filings = judged.filings.into_iter();
        let filings = filings.map(|(mail, filing)| claimed(way, mail, filing));
        let filings = needs.is_empty().then(|| filings.collect());
        if let Some(decided) = filings.as_ref().and_then(|_| decided.take()) {
            // Nobody may be waiting to look ahead.
            let _ = decided.send(());
        }
        filings
    };
    Ok(way.store.file_page(&questions(way, mails), &advance, decide).await?)
}

/// Fetches what is still needed of each mail. Answers the first UID that must wait for the next page.
async fn complete<M: Mailbox>(
    way: &Way,
    mailbox: &mut M,
    mails: &mut Vec<Mail>,
    needs: &[(usize, Part)],
    rounds: usize,
) -> Result<Option<u32>, Error> {
    let fetched = fetch(way, mailbox, mails, needs).await?;
    let enough = if rounds < ROUNDS_MAX { fetched } else { needs.first().map(|(at, _)| *at) };
    let left = enough.and_then(|at| Some(mails.get(at)?.uid));
    if let Some(at) = enough {
        mails.truncate(at);
    }
    mails.retain(|mail| !mail.is_gone);
    Ok(left)
}

/// Fetches the parts. Answers the first mail that does not fit into memory beside those before it.
async fn fetch<M: Mailbox>(
    way: &Way,
    mailbox: &mut M,
    mails: &mut [Mail],
    needs: &[(usize, Part)],
) -> Result<Option<usize>, Error> {
    let mut bytes: usize = mails.iter().map(|mail| mail.content.kept_bytes()).sum();
    let (mut asked, mut beginnings) = (Vec::new(), BTreeMap::new());
    for (place, (at, part)) in needs.iter().enumerate() {
        if bytes > BODIES_BYTES_MAX && *at > 0 {
            return Ok(Some(*at));
        }
        let Some(uid) = mails.get(*at).map(|mail| mail.uid) else { continue };
        if *part == Part::Whole && !asked.contains(&uid) {
            asked = wholes(mails, needs.iter().skip(place));
            beginnings = mailbox.beginnings(&asked).await?;
        }
        let Some(mail) = mails.get_mut(*at) else { continue };
        match part {
            Part::People => {
                let people = mailbox.people(mail.uid).await?;
                let reported = match mail.is_report() {
                    true => mailbox.reported(mail.uid).await?,
                    false => Vec::new(),
                };
                mail.add_people(way, &people, reported);
            }
            Part::Whole => {
                let beginning = beginnings.remove(&mail.uid);
                match mailbox.body(mail.uid, beginning, way.message_bytes_max).await? {
                    Body::Whole(content) => mail.become_whole(way, content, Fetched::Whole),
                    Body::TooLarge(header) => mail.become_whole(way, header, Fetched::TooLarge),
                    Body::Gone => mail.is_gone = true,
                }
                bytes += mail.content.kept_bytes();
            }
        }
    }
    Ok(None)
}

/// The next mails that are wanted whole, as many as are asked for in one command.
fn wholes<'n>(mails: &[Mail], needs: impl Iterator<Item = &'n (usize, Part)>) -> Vec<u32> {
    let wholes = needs.filter(|(_, part)| *part == Part::Whole);
    wholes.filter_map(|(at, _)| Some(mails.get(*at)?.uid)).take(BEGINNINGS_MAX).collect()
}

fn questions(way: &Way, mails: &[Mail]) -> Vec<(SubAccountId, Question)> {
    let of = way.watched.sub_account;
    // A page without mail still asks for its sub-account: the cursor moves under its lock.
    let empty = mails.is_empty().then(|| (of, Question::default()));
    mails.iter().map(|mail| (of, mail.submission.question())).chain(empty).collect()
}

/// What is decided of a page, and what must be known before more can be.
#[derive(Default)]
struct Judged<'m> {
    filings: Vec<(&'m Mail, Filing)>,
    needs: Vec<(usize, Part)>,
}

/// Decides each mail in order, the decisions before it applied to the facts.
fn judge(mails: &[Mail], mut facts: Facts, mut ids: NewIds) -> Judged<'_> {
    let mut judged = Judged::default();
    for (at, mail) in mails.iter().enumerate() {
        match judge_one(mail, &facts, &mut ids) {
            Some(Tracked::Needs(part)) => judged.needs.push((at, part)),
            Some(Tracked::Decided(decision)) => {
                facts.apply(&decision);
                let content = mail.content.clone();
                let filing = Filing { decision: *decision, content, envelope: None, again: None };
                judged.filings.push((mail, filing));
            }
            Some(Tracked::SeenBefore) | None => {}
        }
    }
    judged
}

/// T2: the ids that a private mail names are kept, by keyed hashes; and those that a mail brings to its thread are
/// held against them, so that what named them before is searched for (T10).
fn claimed(way: &Way, mail: &Mail, mut filing: Filing) -> Filing {
    let keyed = |key| way.reader.pepper.keyed(way.watched.sub_account, key);
    let decision = &mut filing.decision;
    if decision.verdict.reason == Reason::NotACrmThread {
        let (connection, until) =
            (way.watched.connection, decision.verdict.expires_at.unwrap_or_default());
        let named = named(&mail.submission.email.headers).into_iter();
        let name = |key| Change::Name { key: keyed(key), connection, until };
        decision.changes.extend(named.map(name));
        return filing;
    }
    let brought = brought(&decision.changes, mail).into_iter();
    let claim = |(key, message)| Change::Claim { key: keyed(key), message };
    decision.changes.extend(brought.map(claim));
    filing
}

/// The ids that a mail names, of very many the newest.
fn named(headers: &Headers) -> BTreeSet<MessageKey> {
    let named = headers.in_reply_to.iter().chain(headers.references.iter().rev());
    named.take(NAMED_MAX).map(MessageId::key).collect()
}

/// The ids by which messages are known from now on: of a mail that is filed, and of one that was filed by
/// another way, its own and those it names.
fn brought(changes: &[Change], mail: &Mail) -> BTreeSet<(MessageKey, StoredMessageId)> {
    let mut brought = BTreeSet::new();
    for change in changes {
        match change {
            Change::AddAlias { key, message, .. } => {
                brought.insert((*key, *message));
            }
            Change::SeenAt { message, .. } => {
                let own = mail.submission.message_id.key();
                let all = named(&mail.submission.email.headers).into_iter().chain([own]);
                brought.extend(all.map(|key| (key, *message)));
            }
            _ => {}
        }
    }
    brought
}

/// V4: a mail on which our own code fails harms no other. What of it was not fetched stays where it is.
fn judge_one(mail: &Mail, facts: &Facts, ids: &mut NewIds) -> Option<Tracked> {
    let attempt = AssertUnwindSafe(|| decide::track(facts, &mail.submission, ids));
    catch_unwind(attempt).unwrap_or_else(|_| {
        let unreadable = crate::ingest::prepare::as_unreadable(&mail.submission);
        catch_unwind(AssertUnwindSafe(|| decide::track(facts, &unreadable, ids))).unwrap_or(None)
    })
}

fn progress(filings: &[Filing]) -> Progress {
    for filing in filings {
        tell(&filing.decision.verdict);
    }
    let copies = filings.iter().flat_map(|filing| &filing.decision.changes);
    Progress {
        verdicts: filings.len(),
        found_sent: copies.into_iter().any(|it| matches!(it, Change::SentCopySeen { .. })),
        ..Progress::default()
    }
}
