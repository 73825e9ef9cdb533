//! Who on a mail is a contact, a colleague, a participant (B3).

use std::collections::BTreeSet;

use crate::model::{Matched, Person, Reason};

use super::case::{Case, Ruling};
use super::plan::Copy;

/// The contacts of an outbound mail, the owner of the conversation first; or why it has none.
pub fn contacts_of<'a>(
    case: &Case<'a>,
    copy: &Copy<'a>,
) -> Result<Vec<&'a Person>, Box<Ruling<'a>>> {
    let to = outsiders(case, copy.to);
    let cc = outsiders(case, copy.cc);
    if to.is_empty() && cc.is_empty() {
        return Err(Box::new(nobody(case, copy)));
    }
    let wanted_to = wanted(case, &to);
    let wanted_cc = wanted(case, &cc);
    if wanted_to.is_empty() && wanted_cc.is_empty() {
        let address = to.first().or(cc.first()).map(|person| person.email.normal().to_owned());
        let matched = Matched { address, ..Matched::default() };
        return Err(Box::new(Ruling::Ignore(Reason::NeverLog, matched)));
    }
    let with_cc = case.account.settings.contacts_from_cc;
    let contacts: Vec<&Person> = match with_cc {
        true => wanted_to.into_iter().chain(wanted_cc.iter().copied()).collect(),
        false => wanted_to,
    };
    if contacts.is_empty() {
        // The only outsiders are in Cc, where they are participants: somebody chooses.
        let first = wanted_cc.first().copied();
        return Err(Box::new(Ruling::choose(Reason::NoRecipient, wanted_cc).naming(first)));
    }
    Ok(distinct(contacts))
}

/// A mail on which no outsider can be seen: among colleagues, or everyone was in Bcc.
fn nobody<'a>(case: &Case<'a>, copy: &Copy<'a>) -> Ruling<'a> {
    let recipients = copy.to.iter().chain(copy.cc);
    let mut colleagues = recipients.filter(|person| !case.is_ours(&person.email));
    match colleagues.next() {
        Some(colleague) => {
            let address = Some(colleague.email.normal().to_owned());
            Ruling::Ignore(Reason::InternalOnly, Matched { address, ..Matched::default() })
        }
        None => Ruling::hold(Reason::NoRecipient, None),
    }
}

fn outsiders<'a>(case: &Case<'a>, people: &'a [Person]) -> Vec<&'a Person> {
    people.iter().filter(|person| case.is_outsider(&person.email)).collect()
}

fn wanted<'a>(case: &Case<'a>, people: &[&'a Person]) -> Vec<&'a Person> {
    people.iter().copied().filter(|person| !case.is_never_log(&person.email)).collect()
}

fn distinct(people: Vec<&Person>) -> Vec<&Person> {
    let mut seen = BTreeSet::new();
    people.into_iter().filter(|person| seen.insert(person.email.normal().to_owned())).collect()
}

/// The author of an inbound mail as its contact; or why that cannot be.
pub fn contact_from<'a>(
    case: &Case<'a>,
    from: &'a Person,
) -> Result<Vec<&'a Person>, Box<Ruling<'a>>> {
    may_be_logged(case, Some(from))?;
    Ok(vec![from])
}

/// B3: nothing of an author on the never-log list is kept, in a known thread neither.
pub fn may_be_logged<'a>(case: &Case<'a>, author: Option<&Person>) -> Result<(), Box<Ruling<'a>>> {
    let Some(author) = author.filter(|author| case.is_never_log(&author.email)) else {
        return Ok(());
    };
    let address = Some(author.email.normal().to_owned());
    Err(Box::new(Ruling::Ignore(Reason::NeverLog, Matched { address, ..Matched::default() })))
}
