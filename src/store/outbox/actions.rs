//! What people do to mail that is in the outbox: cancel it, say what became of it, unsubscribe from it.

use uuid::Uuid;

use crate::model::{
    ContactId, Event, EventId, EventType, SendStatus, StoredMessageId, SubAccountId, Time,
};
use crate::store::messages::known;
use crate::store::tx::Tx;
use crate::store::value::values;
use crate::store::{Result, Store, events};

statements! {
    /// Changes nothing, and makes later writers of the row wait, on both databases.
    LOCK = "update outbox set kind = kind where sub_account = $1 and id = $2";
    STANDING = "select status, leased_until, due_at from outbox where sub_account = $1 and id = $2";
    CANCEL = "update outbox set status = 'cancelled', due_at = null, lease = null, \
            leased_until = null, detail = $3 \
        where sub_account = $1 and id = $2";
    RESOLVE_SENT = "update outbox set status = 'sent', sent_at = coalesce(sent_at, $3), \
            detail = null, lease = null where sub_account = $1 and id = $2";
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
    /// Cancels what is not sent. `None`: the CRM did not send such a message.
    pub async fn cancel(
        &self,
        of: SubAccountId,
        id: StoredMessageId,
        now: Time,
    ) -> Result<Option<Cancelled>> {
        let mut tx = self.writer().await?;
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
        tx.execute(CANCEL, values![of, id, Option::<String>::None]).await?;
        tx.commit().await?;
        Ok(Some(Cancelled::Yes))
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
                tx.execute(RESOLVE_SENT, values![of, id, now]).await?;
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
