//! The judgement of a mail that was found in a connected mailbox (T1 to T5, T9, B8, S7). It decides from
//! the header wherever that is enough, and otherwise says what is still to be fetched: a body only of a
//! mail that belongs to a CRM thread (T3).

use crate::mail::Automatic;
use crate::model::{
    Direction, Door, FolderRole, NewIds, Person, Reason, StoredMessageId, Sync, UserId,
};

use super::case::{Case, Ruling};
use super::facts::{Facts, IdFact};
use super::plan::{Copy, Joined, Place, Plan};
use super::same::{self, Known};
use super::submission::{Fetched, Found, Submission};
use super::{Decision, filing, thread};

/// What is to become of a mail that was found.
#[derive(Clone, Debug)]
pub enum Tracked {
    Decided(Box<Decision>),
    /// It has its verdict: it was moved, or its folder is read anew.
    SeenBefore,
    /// More of it is needed first.
    Needs(Part),
}

/// A part of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// To and Cc; and of a delivery report, the ids of the mail it is about.
    People,
    /// All of it.
    Whole,
}

/// What the rules say: a ruling, or why there is none yet.
enum Step<'a> {
    Rule(Box<Ruling<'a>>),
    SeenBefore,
    Needs(Part),
}

/// Judges a mail that was found. `None` when its sub-account does not exist any more, or when it was not
/// found in a mailbox.
pub fn track(facts: &Facts, submission: &Submission, ids: &mut NewIds) -> Option<Tracked> {
    let account = facts.account(submission.sub_account)?;
    let found = submission.found.as_ref()?;
    let case = Case { submission, account };
    Some(match judge(&case, found) {
        Step::Rule(ruling) => Tracked::Decided(Box::new(filing::decide(&case, *ruling, ids))),
        Step::SeenBefore => Tracked::SeenBefore,
        Step::Needs(part) => Tracked::Needs(part),
    })
}

fn judge<'a>(case: &Case<'a>, found: &'a Found) -> Step<'a> {
    let copy = Copy::of_mail(case.submission);
    if let Some(fact) = original(case, found) {
        return sighting(case, &copy, fact);
    }
    let id_conflict = match same::compare(case, &copy) {
        Known::New if is_taken_out(case) => return Step::SeenBefore,
        Known::New => false,
        Known::Conflict => true,
        Known::Same(message) => return seen_again(case, message),
    };
    match thread_of(case, found, &copy) {
        Some(joined) => in_thread(case, found, copy, joined, id_conflict),
        None => in_no_thread(case, found, copy),
    }
}

/// V3: somebody took it out of the CRM. To move it to another folder does not bring it back.
fn is_taken_out(case: &Case<'_>) -> bool {
    case.account.private.contains_key(&case.submission.message_id.key())
}

/// S7: the message that this is the Sent copy of, known by our own header, or by the header in which
/// Outlook.com keeps the id it replaced. Where mail from outside may be, these headers are anybody's, and
/// mean nothing.
fn original<'a>(case: &Case<'a>, found: &Found) -> Option<&'a IdFact> {
    let ids = &case.submission.email.headers.original_ids;
    if !case.may_be_sent_copy(found) {
        return None;
    }
    let facts = ids.iter().filter_map(|id| case.account.ids.get(&id.key())).flatten();
    facts.into_iter().find(|fact| fact.own)
}

/// The Sent copy of a message that is known: one message, with one more id (S6, S7). That the message
/// was seen does not say that its copy was: it may have come to a user, too.
fn sighting<'a>(case: &Case<'a>, copy: &Copy<'a>, fact: &IdFact) -> Step<'a> {
    let ids = case.account.ids.get(&copy.message_id.key());
    let has_id = ids.into_iter().flatten().any(|id| id.own && id.message == fact.message);
    match has_id && fact.doors.contains(Door::Imap) && !fact.lacks_copy {
        true => Step::SeenBefore,
        false => Step::Rule(Box::new(Ruling::SentCopy(fact.message))),
    }
}

fn seen_again<'a>(case: &Case<'a>, message: StoredMessageId) -> Step<'a> {
    let is_sent_copy = case.is_sent_copy(message);
    let mut known = case.account.ids.values().flatten().filter(|fact| fact.message == message);
    let is_seen =
        |fact: &IdFact| fact.doors.contains(Door::Imap) && !(is_sent_copy && fact.lacks_copy);
    match known.any(is_seen) {
        true => Step::SeenBefore,
        false if is_sent_copy => Step::Rule(Box::new(Ruling::SentCopy(message))),
        false => Step::Rule(Box::new(Ruling::Duplicate(message))),
    }
}

/// T2; and for a delivery report, the thread of the mail it is about (B8).
fn thread_of(case: &Case<'_>, found: &Found, copy: &Copy<'_>) -> Option<Joined> {
    let reported = || {
        let facts = found.reports_on.iter().filter_map(|id| case.account.ids.get(&id.key()));
        let fact = facts.flatten().find(|fact| fact.own)?;
        let (thread, conversation) = (fact.thread, fact.conversation);
        Some(Joined { thread, conversation, merge: Vec::new() })
    };
    thread::find(case.account, copy).or_else(reported)
}

fn in_thread<'a>(
    case: &Case<'a>,
    found: &Found,
    copy: Copy<'a>,
    joined: Joined,
    id_conflict: bool,
) -> Step<'a> {
    let sync = case.account.threads.get(&joined.thread).map_or(Sync::None, |thread| thread.sync);
    match sync {
        Sync::None => return in_no_thread(case, found, copy),
        Sync::Stopped => return not_kept(case, Reason::ThreadStopped),
        Sync::Tracked => {}
    }
    if copy.from.is_some_and(|from| case.is_never_log(&from.email)) {
        return not_kept(case, Reason::NeverLog);
    }
    if found.fetched < Fetched::Whole {
        return Step::Needs(Part::Whole);
    }
    file(case, found, copy, Place::Thread(joined), ("T2", id_conflict))
}

/// T9: mail with a contact is a CRM thread too, when the switch says so. Else it is none of ours (T1).
fn in_no_thread<'a>(case: &Case<'a>, found: &Found, copy: Copy<'a>) -> Step<'a> {
    let is_followed = is_followed(case, found);
    let may_belong = is_followed
        || copy.thread_index.is_some_and(|guid| case.account.thread_indexes.contains_key(&guid))
        || case.submission.email.automatic == Some(Automatic::DeliveryReport);
    if may_belong && found.fetched < Fetched::People {
        return Step::Needs(Part::People);
    }
    let contacts = match is_followed {
        true => contacts_on(case, found, &copy),
        false => Vec::new(),
    };
    if contacts.is_empty() {
        return not_kept(case, Reason::NotACrmThread);
    }
    if found.fetched < Fetched::Whole {
        return Step::Needs(Part::Whole);
    }
    file(case, found, copy, Place::With(contacts), ("T9", false))
}

/// T9: does the switch say so of mail that came then? Servers tell when that was to the second.
fn is_followed(case: &Case<'_>, found: &Found) -> bool {
    let settings = &case.account.settings;
    let since = settings.follow_contacts_since.unwrap_or_default();
    settings.follow_contacts
        && found.received_at.is_none_or(|at| at.as_seconds() >= since.as_seconds())
}

/// The contacts with whom the user exchanges this mail. What programs write is no exchange.
fn contacts_on<'a>(case: &Case<'a>, found: &Found, copy: &Copy<'a>) -> Vec<&'a Person> {
    if case.submission.email.automatic.is_some() {
        return Vec::new();
    }
    let is_contact = |person: &&'a Person| {
        case.account.contacts.contains_key(person.email.normal())
            && case.is_outsider(&person.email)
            && !case.is_never_log(&person.email)
    };
    match direction(case, found, copy) {
        Direction::Outbound => copy.to.iter().filter(is_contact).collect(),
        Direction::Inbound => copy.from.into_iter().filter(is_contact).collect(),
    }
}

fn file<'a>(
    case: &Case<'a>,
    found: &Found,
    copy: Copy<'a>,
    place: Place<'a>,
    (rule, id_conflict): (&'static str, bool),
) -> Step<'a> {
    let direction = direction(case, found, &copy);
    let user = case.submission.owner();
    Step::Rule(Box::new(Ruling::File(Plan { copy, direction, user, place, rule, id_conflict })))
}

/// What the user or a colleague wrote goes out, all else comes in.
fn direction(case: &Case<'_>, found: &Found, copy: &Copy<'_>) -> Direction {
    let by_colleague = copy.from.is_some_and(|from| case.is_colleague(&from.email));
    match found.folder == FolderRole::Sent || by_colleague {
        true => Direction::Outbound,
        false => Direction::Inbound,
    }
}

/// Nothing of it is kept but the key of its id, and that once (T1).
fn not_kept<'a>(case: &Case<'a>, reason: Reason) -> Step<'a> {
    let known = case.account.private.get(&case.submission.private_key());
    let owner: Option<UserId> = case.submission.owner();
    match known.is_some_and(|facts| facts.iter().any(|fact| fact.user == owner)) {
        true => Step::SeenBefore,
        false => Step::Rule(Box::new(Ruling::Private(reason))),
    }
}
