//! What people do to verdicts beside releasing (V3): discard what is held, undo what was done. Every
//! action is recorded with how the verdict stood before.

use uuid::Uuid;

use super::columns::{json, verdict_row};
use super::messages::{json as read_json, known, read_message};
use super::tx::Tx;
use super::value::{Value, values};
use super::verdicts::read_verdict;
use super::{Result, Store, again, events, inboxes, named};
use crate::model::{
    Door, Event, EventId, EventType, Matched, Message, NewIds, Outcome, Reason, Standing, State,
    SubAccountId, Time, Verdict, VerdictId,
};

statements! {
    /// Changes nothing, and makes later writers of the row wait, on both databases.
    LOCK_VERDICT = "update verdicts set door = door where sub_account = $1 and id = $2";
    ACTIONS = "select at, action, actor from verdict_actions
        where sub_account = $1 and verdict_id = $2 order by id limit 200";
    LAST_BEFORE = "select before from verdict_actions
        where sub_account = $1 and verdict_id = $2 and action = $3 order by id desc limit 1";
    SET_STATE = "update messages set state = $3 where sub_account = $1 and id = $2";
    TAKE_BACK = "update messages set state = 'held', conversation_id = null, thread_id = null
        where sub_account = $1 and id = $2";
    CONTACTS_OF_MESSAGE = "select contact_id from message_contacts
        where sub_account = $1 and message_id = $2";
    OWNER = "select contact_id from conversations where sub_account = $1 and id = $2";
    REMOVE_WORDS = "delete from search_messages where sub_account = $1 and message_id = $2";
    REMOVE_EMPTY_THREAD = "delete from threads where sub_account = $1 and id = $2
        and not exists (select 1 from messages where messages.sub_account = $1
            and messages.thread_id = $2)";
    REMOVE_EMPTY_CONVERSATION = "delete from conversations
        where sub_account = $1 and id = $2 and message_count = 0";
    /// A contact that mail made, and of which nothing is left.
    REMOVE_LONELY_CONTACT = "delete from contacts where sub_account = $1 and id = $2
        and source in ('smart_bcc', 'import') and external_id is null and not unsubscribed
        and not exists (select 1 from conversations
            where conversations.sub_account = $1 and conversations.contact_id = $2)
        and not exists (select 1 from message_contacts
            where message_contacts.sub_account = $1 and message_contacts.contact_id = $2)";
}

/// Something that somebody did to a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    pub at: Time,
    /// `release`, `discard`, `undo`, `recheck`.
    pub action: String,
    /// Who: a token, the operator, or the gateway.
    pub actor: String,
}

/// What came of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undone {
    /// The verdict as it is now.
    Done(Box<Verdict>),
    /// There is no such verdict.
    NotFound,
    /// The verdict is not in a state for it, or its mail is no longer there.
    DoesNotFit,
}

/// How long what was taken back waits, in seconds (B13).
const HELD_SECONDS: i64 = 30 * 24 * 3600;

impl Store {
    /// What was done to a verdict, in order.
    pub async fn actions(&self, of: SubAccountId, id: VerdictId) -> Result<Vec<Action>> {
        let mut tx = self.reader().await?;
        let rows: Vec<(i64, String, String)> = tx.all(ACTIONS, values![of, id]).await?;
        let action = |(at, action, actor)| Action { at: Time::from_micros(at), action, actor };
        Ok(rows.into_iter().map(action).collect())
    }

    /// Discards what is held. It can be taken back until it expires.
    pub async fn discard(
        &self,
        of: SubAccountId,
        id: VerdictId,
        actor: &str,
        (now, mut ids): (Time, NewIds),
    ) -> Result<Undone> {
        let mut tx = self.writer().await?;
        let Some((former, Some(_))) = standing(&mut tx, of, id).await? else {
            return missing(&mut tx, of, id).await;
        };
        if former.outcome() != Outcome::Held {
            return Ok(Undone::DoesNotFit);
        }
        let verdict = Verdict {
            reason: Reason::Discarded,
            matched: Matched { rule: None, ..former.matched.clone() },
            recheck_at: None,
            ..former.clone()
        };
        let action = values![of, ids.next_id(), id, now, "discard", actor, standing_json(&former)?];
        done(tx, of, action, verdict).await
    }

    /// Files a mail that was left out for a file, without that file (A2). It has its place in a thread
    /// already, so that nothing is judged again.
    pub async fn file_without_files(
        &self,
        of: SubAccountId,
        id: VerdictId,
        actor: &str,
        (now, mut ids): (Time, NewIds),
    ) -> Result<Undone> {
        let mut tx = self.writer().await?;
        let Some((former, Some(message))) = standing(&mut tx, of, id).await? else {
            return missing(&mut tx, of, id).await;
        };
        if former.reason != Reason::AttachmentTooLarge {
            return Ok(Undone::DoesNotFit);
        }
        let verdict = Verdict { reason: Reason::Released, ..former.clone() };
        tx.execute(SET_STATE, values![of, message.id, State::Filed.name()]).await?;
        let event = event(EventType::MessageFiled, message.id.0, now, &mut ids);
        events::append(&mut tx, &[(of, event)]).await?;
        let action = values![of, ids.next_id(), id, now, "release", actor, standing_json(&former)?];
        done(tx, of, action, verdict).await
    }

    /// Undoes the last action: what was discarded or released is as before, and what was filed is taken
    /// out of the CRM and held.
    pub async fn undo(
        &self,
        of: SubAccountId,
        id: VerdictId,
        actor: &str,
        (now, mut ids): (Time, NewIds),
    ) -> Result<Undone> {
        let mut tx = self.writer().await?;
        let Some((former, Some(message))) = standing(&mut tx, of, id).await? else {
            return missing(&mut tx, of, id).await;
        };
        let Some(verdict) = undone(&mut tx, of, &former, now).await? else {
            return Ok(Undone::DoesNotFit);
        };
        if verdict.reason == Reason::AttachmentTooLarge {
            tx.execute(SET_STATE, values![of, message.id, State::Skipped.name()]).await?;
            // Whoever follows reads it again: it is shown as left out, and its words are not found.
            let event = event(EventType::MessageFiled, message.id.0, now, &mut ids);
            events::append(&mut tx, &[(of, event)]).await?;
        } else if message.conversation_id.is_some() {
            take_out(&mut tx, of, &message).await?;
            let event = event(EventType::VerdictHeld, id.0, now, &mut ids);
            events::append(&mut tx, &[(of, event)]).await?;
        }
        let action = values![of, ids.next_id(), id, now, "undo", actor, standing_json(&former)?];
        done(tx, of, action, verdict).await
    }
}

/// Records the action and how the verdict stands after it.
async fn done(
    mut tx: Tx<'_>,
    of: SubAccountId,
    action: Vec<Value>,
    verdict: Verdict,
) -> Result<Undone> {
    tx.execute(again::ADD_ACTION, action).await?;
    replace(&mut tx, of, &verdict).await?;
    tx.commit().await?;
    Ok(Undone::Done(Box::new(verdict)))
}

/// A verdict, locked, and its stored mail.
async fn standing(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    id: VerdictId,
) -> Result<Option<(Verdict, Option<Message>)>> {
    events::lock(tx, &[of]).await?;
    tx.execute(LOCK_VERDICT, values![of, id]).await?;
    let Some(verdict) = read_verdict(tx, of, id).await? else { return Ok(None) };
    let message = match verdict.stored_message_id {
        Some(message) => read_message(tx, of, message).await?,
        None => None,
    };
    Ok(Some((verdict, message)))
}

async fn missing(tx: &mut Tx<'_>, of: SubAccountId, id: VerdictId) -> Result<Undone> {
    let is_there = read_verdict(tx, of, id).await?.is_some();
    Ok(if is_there { Undone::DoesNotFit } else { Undone::NotFound })
}

/// The verdict as it is when the last action is undone; `None` when there is nothing to undo.
async fn undone(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    former: &Verdict,
    now: Time,
) -> Result<Option<Verdict>> {
    let action = match former.reason {
        Reason::Discarded => "discard",
        Reason::Released => "release",
        // What the CRM sends is where it belongs; cancelling it is another call.
        _ if former.door == Door::Send => return Ok(None),
        Reason::Filed | Reason::IdConflict | Reason::AttachmentTooLarge => {
            return Ok(Some(Verdict {
                reason: Reason::TakenBack,
                // It was found by the rule that filed it; that one decides no more.
                matched: Matched { rule: None, ..former.matched.clone() },
                conversation_id: None,
                candidates: Vec::new(),
                expires_at: Some(now.plus_seconds(HELD_SECONDS)),
                ..former.clone()
            }));
        }
        _ => return Ok(None),
    };
    let row: Option<(String,)> = tx.optional(LAST_BEFORE, values![of, former.id, action]).await?;
    let Some((before,)) = row else { return Ok(None) };
    let before: Standing = read_json(&before)?;
    let reason = known(Reason::parse(&before.reason), &before.reason)?;
    if reason == Reason::AttachmentTooLarge {
        // It kept its place all the time.
        return Ok(Some(Verdict { reason, matched: before.matched, ..former.clone() }));
    }
    Ok(Some(Verdict {
        reason,
        matched: before.matched,
        candidates: before.candidates,
        expires_at: Some(before.expires_at.unwrap_or(now.plus_seconds(HELD_SECONDS))),
        conversation_id: None,
        ..former.clone()
    }))
}

/// Takes a message out of its conversation, with whatever it alone had made.
async fn take_out(tx: &mut Tx<'_>, of: SubAccountId, message: &Message) -> Result<()> {
    let (id, conversation) = (message.id, message.conversation_id);
    let mut contacts: Vec<(Uuid,)> = tx.all(CONTACTS_OF_MESSAGE, values![of, id]).await?;
    contacts.extend(tx.optional::<(Uuid,)>(OWNER, values![of, conversation]).await?);
    let keys = named::keys(tx, of, &[(id.0,)]).await?;
    for sql in [TAKE_BACK, again::REMOVE_ALIASES, again::REMOVE_LINKS, REMOVE_WORDS] {
        tx.execute(sql, values![of, id]).await?;
    }
    let thread: Vec<(Uuid,)> = message.thread_id.iter().map(|thread| (thread.0,)).collect();
    named::keep(tx, of, &thread, &keys).await?;
    let mut gone = vec![id.0];
    tx.execute(REMOVE_EMPTY_THREAD, values![of, message.thread_id]).await?;
    if let Some(conversation) = conversation {
        tx.execute(again::RECOUNT, values![of, conversation]).await?;
        if tx.execute(REMOVE_EMPTY_CONVERSATION, values![of, conversation]).await? > 0 {
            inboxes::forget(tx, of, conversation).await?;
            gone.push(conversation.0);
        } else {
            inboxes::recount(tx, of, conversation).await?;
        }
    }
    for (contact,) in contacts {
        if tx.execute(REMOVE_LONELY_CONTACT, values![of, contact]).await? > 0 {
            gone.push(contact);
        }
    }
    events::forget(tx, of, gone).await
}

async fn replace(tx: &mut Tx<'_>, of: SubAccountId, verdict: &Verdict) -> Result<()> {
    tx.execute(again::REMOVE_VERDICT, values![of, verdict.id]).await?;
    tx.execute_rows(super::record::ADD_VERDICTS, verdict_row(of, verdict)?).await.map(drop)
}

fn standing_json(verdict: &Verdict) -> Result<String> {
    json(&Standing::of(verdict))
}

fn event(event_type: EventType, object_id: Uuid, at: Time, ids: &mut NewIds) -> Event {
    Event { id: EventId(ids.next_id()), event_type, object_id, at }
}
