//! Is a mail one that is known already (B9)?

use crate::model::{Door, MessageId, StoredMessageId};

use super::case::Case;
use super::facts::IdFact;
use super::plan::Copy;

/// What is known of other mails with the same Message-ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// No other mail has it.
    New,
    /// It is this message.
    Same(StoredMessageId),
    /// Another mail has the same id, but is not the same mail.
    Conflict,
}

/// Compares a mail with those that have its id. Held mail is never among them.
pub fn compare(case: &Case<'_>, copy: &Copy<'_>) -> Known {
    let own = own_facts(case, copy.message_id);
    if own.is_empty() {
        return Known::New;
    }
    match own.iter().find(|fact| is_same(case, copy, fact)) {
        Some(fact) => Known::Same(fact.message),
        None => Known::Conflict,
    }
}

fn own_facts<'a>(case: &Case<'a>, id: &MessageId) -> Vec<&'a IdFact> {
    let facts = case.account.ids.get(&id.key());
    facts.into_iter().flatten().filter(|fact| fact.own).collect()
}

fn is_same(case: &Case<'_>, copy: &Copy<'_>, fact: &IdFact) -> bool {
    let email = &case.submission.email;
    if fact.forwarded && copy.carrier.is_none() && email.text_hash == fact.text_hash {
        // The forward itself once more: its own id is an alias of the mail that was filed from it.
        return true;
    }
    let from = copy.from.map(|from| from.email.normal());
    if from != fact.from.as_deref() {
        return false;
    }
    if fact.forwarded || copy.carrier.is_some() {
        // A forward's header block has minutes and often no zone, and its text is quoted: the id and
        // the author are all that can be compared.
        return true;
    }
    let by_smtp_twice = case.submission.door == Door::Smtp && fact.doors.contains(Door::Smtp);
    copy.date == fact.date && (!by_smtp_twice || email.text_hash == fact.text_hash)
}
