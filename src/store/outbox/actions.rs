//! What people do to mail that is in the outbox: cancel it, say what became of it, unsubscribe from it.

use uuid::Uuid;

use super::doubt;
use crate::model::outgoing::Route;
use crate::model::{
    Account, ContactId, Event, EventId, EventType, NewIds, SendStatus, StoredMessageId,
    SubAccountId, Time,
};
use crate::store::messages::{json, known};
use crate::store::tx::Tx;
use crate::store::value::values;
use crate::store::{Error, Result, Store, columns, events};

statements! {
    /// Changes nothing, and makes later writers of the row wait, on both databases.
    LOCK = "update outbox set kind = kind where sub_account = $1 and id = $2";
    STANDING = "select status, leased_until, due_at from outbox where sub_account = $1 and id = $2";
    ROUTE = "select route, report from outbox where sub_account = $1 and id = $2";
    CANCEL = "update outbox set status = 'cancelled', due_at = null, lease = null, \
            leased_until = null, detail = $3 \
        where sub_account = $1 and id = $2";
    CANCEL_IN_PART = "update outbox set status = 'bounced', due_at = null, lease = null, \
            leased_until = null, deadline = null, detail = $3, route = $4, report = $5, \
            sent_at = coalesce(sent_at, $6) \
        where sub_account = $1 and id = $2";
    RESOLVE_SENT = "update outbox set status = 'sent', sent_at = coalesce(sent_at, $3), \
            detail = null, lease = null, \
            copy_wanted = (copy_wanted or $4) and copy_seen_at is null and copied_at is null \
        where sub_account = $1 and id = $2";
    ACCOUNT = "select connections.account from outbox join connections \
            on connections.sub_account = outbox.sub_account \
            and connections.id = outbox.connection_id \
        where outbox.sub_account = $1 and outbox.id = $2 and connections.state <> 'disconnected'";
    RESOLVE_RESEND = "update outbox set status = 'retrying', due_at = $3, handed_at = null, \
            deadline = null, searched_at = null, lease = null, detail = null \
        where sub_account = $1 and id = $2";
    UNSUBSCRIBER = "select contacts.id, contacts.unsubscribed from outbox \
        join conversations on conversations.sub_account = outbox.sub_account \
            and conversations.id = outbox.conversation_id \
        join contacts on contacts.sub_account = conversations.sub_account \
            and contacts.id = conversations.contact_id \
        where outbox.sub_account = $1 and outbox.id = $2";
    UNSUBSCRIBER_BY_ADDRESS = "select id, unsubscribed from contacts \
        where sub_account = $1 and email = $2";
    UNSUBSCRIBE = "update contacts set unsubscribed = true where sub_account = $1 and id = $2";
    UNSUBSCRIBED_OF = "select contacts.email from {rows uuid text} as asked cross join contacts \
        where contacts.sub_account = asked.column1 and contacts.email = asked.column2 \
            and contacts.unsubscribed";
}

/// What became of a wish to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    Yes,
    /// Some have it already; nobody else will.
    InPart,
    /// It is on its way just now.
    UnderWay,
    /// It has come to this already.
    TooLate(SendStatus),
}

/// What a user says of a mail whose outcome is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolution {
    Sent,
    Resend,
}

/// What became of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved {
    Yes,
    /// Its outcome is known: this.
    IsKnown(SendStatus),
}

type Standing = (String, Option<i64>, Option<i64>);

impl Store {
    /// Cancels what is not sent. Where some have it already, it ends for the others as when their time is
    /// up. `None`: the CRM did not send such a message.
    pub async fn cancel(
        &self,
        of: SubAccountId,
        id: StoredMessageId,
        (now, ids): (Time, NewIds),
    ) -> Result<Option<Cancelled>> {
        let mut tx = self.writer().await?;
        events::lock(&mut tx, &[of]).await?;
        let Some((status, leased_until, due_at)) = standing(&mut tx, of, id).await? else {
            return Ok(None);
        };
        let is_waiting = matches!(status, SendStatus::Queued | SendStatus::Retrying);
        if !is_waiting {
            return Ok(Some(Cancelled::TooLate(status)));
        }
        // Before the hand-over it can still be taken away from who has it in hand.
        if due_at.is_none() && leased_until.is_some_and(|until| until >= now) {
            return Ok(Some(Cancelled::UnderWay));
        }
        if due_at.is_none() {
            return Ok(Some(Cancelled::TooLate(SendStatus::Unknown)));
        }
        let cancelled = cancel(&mut tx, of, id, (now, ids)).await?;
        tx.commit().await?;
        Ok(Some(cancelled))
    }

    /// A user says what became of an unknown mail, or that it is to be sent again (S5).
    pub async fn resolve(
        &self,
        of: SubAccountId,
        id: StoredMessageId,
        resolution: Resolution,
        event: EventId,
        now: Time,
    ) -> Result<Option<Resolved>> {
        let mut tx = self.writer().await?;
        events::lock(&mut tx, &[of]).await?;
        let Some((status, ..)) = standing(&mut tx, of, id).await? else { return Ok(None) };
        if status != SendStatus::Unknown {
            return Ok(Some(Resolved::IsKnown(status)));
        }
        match resolution {
            Resolution::Sent => {
                let copy_wanted = lacks_copies(&mut tx, of, id).await?;
                tx.execute(RESOLVE_SENT, values![of, id, now, copy_wanted]).await?;
                let event_type = EventType::MessageSent;
                let event = Event { id: event, event_type, object_id: id.0, at: now };
                events::append(&mut tx, &[(of, event)]).await?;
            }
            Resolution::Resend => {
                tx.execute(RESOLVE_RESEND, values![of, id, now]).await?;
            }
        }
        tx.commit().await?;
        Ok(Some(Resolved::Yes))
    }

    /// The recipient of a bulk mail wants no more (S9). Where the mail was deleted, its address (in normal
    /// form) tells who that is. `None`: the recipient was erased meanwhile.
    pub async fn unsubscribe(
        &self,
        (of, mail): (SubAccountId, StoredMessageId),
        address: Option<String>,
        event: EventId,
        now: Time,
    ) -> Result<Option<ContactId>> {
        let mut tx = self.writer().await?;
        events::lock(&mut tx, &[of]).await?;
        let mut row: Option<(Uuid, bool)> = tx.optional(UNSUBSCRIBER, values![of, mail]).await?;
        if let (None, Some(address)) = (&row, address) {
            row = tx.optional(UNSUBSCRIBER_BY_ADDRESS, values![of, address]).await?;
        }
        let Some((contact, is_unsubscribed)) = row else { return Ok(None) };
        if !is_unsubscribed {
            tx.execute(UNSUBSCRIBE, values![of, contact]).await?;
            let event_type = EventType::ContactUnsubscribed;
            let event = Event { id: event, event_type, object_id: contact, at: now };
            events::append(&mut tx, &[(of, event)]).await?;
        }
        tx.commit().await?;
        Ok(Some(ContactId(contact)))
    }

    /// Which of these addresses (normal forms) are of contacts that want no bulk mail.
    pub async fn unsubscribed(
        &self,
        of: SubAccountId,
        addresses: impl IntoIterator<Item = String>,
    ) -> Result<Vec<String>> {
        let mut tx = self.reader().await?;
        let rows = addresses.into_iter().flat_map(|address| values![of, address]).collect();
        let found: Vec<(String,)> = tx.all_of_rows(UNSUBSCRIBED_OF, rows).await?;
        Ok(found.into_iter().map(|(address,)| address).collect())
    }
}

/// S6: went it through a mailbox whose provider files no copies? Then Sent is given one, unless one is found
/// there: who says that a mail was sent expects it where sent mail is.
async fn lacks_copies(tx: &mut Tx<'_>, of: SubAccountId, id: StoredMessageId) -> Result<bool> {
    let row: Option<(String,)> = tx.optional(ACCOUNT, values![of, id]).await?;
    let account: Option<Account> = row.map(|(account,)| json(&account)).transpose()?;
    Ok(account.is_some_and(|account| !account.saves_sent))
}

/// Those who have it cannot be told otherwise: of them it is sent, of the others refused.
async fn cancel(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    id: StoredMessageId,
    (now, mut ids): (Time, NewIds),
) -> Result<Cancelled> {
    let row: Option<(String, Option<String>)> = tx.optional(ROUTE, values![of, id]).await?;
    let (route, before) = row.ok_or_else(|| Error::damaged("a mail without a route"))?;
    let mut route: Route = json(&route)?;
    if !route.is_accepted_by_some() {
        tx.execute(CANCEL, values![of, id, Option::<String>::None]).await?;
        return Ok(Cancelled::Yes);
    }
    let words = "It was cancelled before they got it.";
    route.refuse_waiting(words);
    let report = columns::json(&doubt::merged(before.as_deref(), &route.refused())?)?;
    let route = columns::json(&route)?;
    tx.execute(CANCEL_IN_PART, values![of, id, words, route, report, now]).await?;
    let told = [EventType::MessageSent, EventType::MessageBounced].map(|event_type| {
        (of, Event { id: EventId(ids.next_id()), event_type, object_id: id.0, at: now })
    });
    events::append(tx, &told).await?;
    Ok(Cancelled::InPart)
}

async fn standing(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    id: StoredMessageId,
) -> Result<Option<(SendStatus, Option<Time>, Option<Time>)>> {
    tx.execute(LOCK, values![of, id]).await?;
    let row: Option<Standing> = tx.optional(STANDING, values![of, id]).await?;
    let Some((status, leased_until, due_at)) = row else { return Ok(None) };
    let status = known(SendStatus::parse(&status), &status)?;
    Ok(Some((status, leased_until.map(Time::from_micros), due_at.map(Time::from_micros))))
}
