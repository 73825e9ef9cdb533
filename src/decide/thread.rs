//! Which known thread a mail belongs to (T2).

use std::collections::BTreeSet;

use crate::model::{ConversationId, MessageKey, ThreadId};

use super::facts::AccountFacts;
use super::plan::{Copy, Joined};

/// The thread a mail belongs to: the one that its In-Reply-To names, or else its References, newest
/// first; or else the thread of messages that name this mail (the answer came before it); or else the
/// thread of its Thread-Index, when somebody of that thread is on the mail. Never by subject.
pub fn find(account: &AccountFacts, copy: &Copy<'_>) -> Option<Joined> {
    let by_id = keys_in_order(copy).into_iter().find_map(|key| thread_of(account, key));
    let by_answer = || answered_in(account, copy.message_id.key());
    let by_index = || by_thread_index(account, copy);
    let (thread, conversation) = by_id.or_else(by_answer).or_else(by_index)?;
    let merge = others(account, copy, thread, conversation);
    Some(Joined { thread, conversation, merge })
}

/// The known thread inside a conversation that a mail belongs to.
pub fn find_in(
    account: &AccountFacts,
    copy: &Copy<'_>,
    conversation: ConversationId,
) -> Option<Joined> {
    let all = all_threads(account, copy);
    let mut here = all.into_iter().filter(|(_, of)| *of == conversation).map(|(thread, _)| thread);
    let thread = here.next()?;
    Some(Joined { thread, conversation, merge: here.collect() })
}

/// In-Reply-To, then References from the newest.
fn keys_in_order(copy: &Copy<'_>) -> Vec<MessageKey> {
    let references = copy.references.iter().rev();
    copy.in_reply_to.iter().chain(references).map(|id| id.key()).collect()
}

type Found = (ThreadId, ConversationId);

/// The thread that has or names an id. Its own message speaks before those that only name it.
fn thread_of(account: &AccountFacts, key: MessageKey) -> Option<Found> {
    let facts = account.ids.get(&key)?;
    let fact = facts.iter().find(|fact| fact.own).or(facts.first())?;
    Some((fact.thread, fact.conversation))
}

/// The thread of a message that names this one.
fn answered_in(account: &AccountFacts, own: MessageKey) -> Option<Found> {
    let fact = account.ids.get(&own)?.iter().find(|fact| !fact.own)?;
    Some((fact.thread, fact.conversation))
}

fn by_thread_index(account: &AccountFacts, copy: &Copy<'_>) -> Option<Found> {
    let threads = account.thread_indexes.get(&copy.thread_index?)?;
    threads.iter().find_map(|id| {
        let thread = account.threads.get(id)?;
        // Not the user or a colleague: they are on every thread of theirs.
        let others = copy.people().filter(|person| !account.is_colleague(&person.email));
        let known = others.map(|it| it.email.normal()).any(|it| thread.participants.contains(it));
        known.then_some((*id, thread.conversation))
    })
}

/// Every thread that the mail's ids lead to, in the order of judgement, each once.
fn all_threads(account: &AccountFacts, copy: &Copy<'_>) -> Vec<Found> {
    let named = keys_in_order(copy).into_iter().flat_map(|key| account.ids.get(&key));
    let named = named.flatten();
    let answers = account.ids.get(&copy.message_id.key());
    let answers = answers.into_iter().flatten().filter(|fact| !fact.own);
    let mut seen = BTreeSet::new();
    let found = named.chain(answers).map(|fact| (fact.thread, fact.conversation));
    found.chain(by_thread_index(account, copy)).filter(|(id, _)| seen.insert(*id)).collect()
}

/// Threads of the same conversation that this mail joins into one. Those of another conversation stay
/// as they are: no mail moves the mail of one customer to another.
fn others(
    account: &AccountFacts,
    copy: &Copy<'_>,
    thread: ThreadId,
    conversation: ConversationId,
) -> Vec<ThreadId> {
    let all = all_threads(account, copy).into_iter();
    all.filter(|(id, of)| *of == conversation && *id != thread).map(|(id, _)| id).collect()
}

/// Is that address on the thread?
pub fn is_on(account: &AccountFacts, thread: ThreadId, address: &str) -> bool {
    account.threads.get(&thread).is_some_and(|thread| thread.participants.contains(address))
}
