//! Who wrote a mail, and whether that is believed (B2, B7, B12).

use crate::model::settings::UntrustedSender;
use crate::model::{Door, Person, Reason, Trust, UserId};

use super::case::{Case, Ruling};
use super::facts::PrivateFact;
use super::plan::{Copy, Joined};
use super::same::{self, Known};
use super::thread;

/// Who wrote it.
#[derive(Clone, Debug)]
pub enum Author<'a> {
    /// A user of the sub-account.
    User(UserId),
    /// Somebody outside who answers in a known thread (B7).
    Participant(Joined),
    /// Somebody outside whose mail is taken all the same: imported, accepted or released.
    Outsider(&'a Person),
}

/// Who wrote a mail; or that it is held until somebody says so.
pub fn author<'a>(case: &Case<'a>, copy: &Copy<'a>) -> Result<Author<'a>, Box<Ruling<'a>>> {
    let headers = &case.submission.email.headers;
    let Some(from) = copy.from else {
        return Err(Box::new(authorless(headers.other_authors.first())));
    };
    match case.user_of(&from.email) {
        Some(user) if is_trusted(case) || is_in_mailbox(case, copy, user) => Ok(Author::User(user)),
        Some(_) => Err(Box::new(Ruling::hold(Reason::UnverifiedSender, Some(&from.email)))),
        None => outsider(case, copy, from),
    }
}

/// Nobody in From, or several: nobody can be verified (ATTACKS B11).
fn authorless(someone: Option<&Person>) -> Ruling<'_> {
    match someone {
        Some(person) => Ruling::hold(Reason::UnverifiedSender, Some(&person.email)),
        None => Ruling::hold(Reason::UnknownSender, None),
    }
}

/// Believed, or the switch says that it is to be taken as if it were.
fn is_trusted(case: &Case<'_>) -> bool {
    let accept = case.account.settings.untrusted_sender == UntrustedSender::Accept;
    accept || case.submission.trust.trust.is_believed()
}

/// B2: the user did write it, for it is in the Sent folder of the user's connected mailbox, or it is the
/// mail that came from there.
fn is_in_mailbox(case: &Case<'_>, copy: &Copy<'_>, user: UserId) -> bool {
    let private = case.account.private.get(&case.submission.private_key());
    let sent = |fact: &PrivateFact| fact.sent && fact.user == Some(user);
    if private.is_some_and(|facts| facts.iter().any(sent)) {
        return true;
    }
    let Known::Same(message) = same::compare(case, copy) else { return false };
    let mut known = case.account.ids.values().flatten().filter(|fact| fact.message == message);
    known.any(|fact| fact.doors.contains(Door::Imap) || fact.doors.contains(Door::Send))
}

fn outsider<'a>(
    case: &Case<'a>,
    copy: &Copy<'a>,
    from: &'a Person,
) -> Result<Author<'a>, Box<Ruling<'a>>> {
    let known = thread::find(case.account, copy);
    let address = from.email.normal();
    if let Some(joined) = known.filter(|it| thread::is_on(case.account, it.thread, address)) {
        // B7: a reply-all of somebody who is on the thread.
        return match is_trusted(case) {
            true => Ok(Author::Participant(joined)),
            false => {
                let hold = Ruling::hold(Reason::UnverifiedSender, Some(&from.email));
                Err(Box::new(hold.by("B7")))
            }
        };
    }
    if is_taken(case, copy) {
        return Ok(Author::Outsider(from));
    }
    Err(Box::new(Ruling::hold(Reason::UnknownSender, Some(&from.email))))
}

/// Is mail of somebody unknown taken? When somebody released it, when the switch accepts it, and when
/// it is imported and a user is among its recipients (B12).
fn is_taken(case: &Case<'_>, copy: &Copy<'_>) -> bool {
    if case.submission.is_released() {
        return true;
    }
    match case.submission.door {
        Door::Import => {
            let mut recipients = copy.to.iter().chain(copy.cc);
            recipients.any(|person| case.account.users.contains_key(person.email.normal()))
        }
        _ => case.account.settings.untrusted_sender == UntrustedSender::Accept,
    }
}

/// Will another try at DNS change the judgement (B2)?
pub fn is_worth_a_recheck(case: &Case<'_>, reason: Reason) -> bool {
    reason == Reason::UnverifiedSender && case.submission.trust.trust == Trust::Unknown
}
