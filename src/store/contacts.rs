//! Contacts, as the API shows and changes them.

use super::folded::{self, folded};
use super::users::address;
use super::value::values;
use super::window::containing;
use super::{Result, Store, Tx, Window, events};
use crate::clock;
use crate::model::{Address, ContactId, Event, EventId, EventType, SubAccountId, Time};

statements! {
    CONTACTS = "select id, written, name, source, external_id, unsubscribed, created_at
        from contacts where sub_account = $1 and id < $2 order by id desc limit $3";
    /// The list inside reads nothing but its index.
    CONTACTS_FOUND = "select id, written, name, source, external_id, unsubscribed, created_at
        from contacts where sub_account = $1 and id in (
            select found.id from contacts as found
            where found.sub_account = $1 and found.id < $2 and found.folded like $4 escape '!'
            order by found.id desc limit $3)
        order by id desc";
    CONTACT_OF_EMAIL = "select id, written, name, source, external_id, unsubscribed, created_at
        from contacts where sub_account = $1 and email = $2";
    CONTACT = "select id, written, name, source, external_id, unsubscribed, created_at
        from contacts where sub_account = $1 and id = $2";
    /// Changes nothing, and makes later writers of the row wait, on both databases.
    LOCK_CONTACT = "update contacts set source = source where sub_account = $1 and id = $2";
    ADD_CONTACT = "insert into contacts
        (sub_account, id, email, written, name, source, external_id, unsubscribed, created_at, folded)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    SET_CONTACT = "update contacts set email = $3, written = $4, name = $5, external_id = $6,
        unsubscribed = $7, folded = $8 where sub_account = $1 and id = $2";
}

/// A contact with what the CRM says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredContact {
    pub id: ContactId,
    pub email: Address,
    pub name: Option<String>,
    /// What made it: `smart_bcc`, `import`, `api`.
    pub source: String,
    /// The CRM's own id.
    pub external_id: Option<String>,
    /// Gets no bulk mail (S9).
    pub unsubscribed: bool,
    pub created_at: Time,
}

impl StoredContact {
    fn folded(&self) -> String {
        folded::of_contact(self.name.as_deref(), &self.email)
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: uuid::Uuid,
    written: String,
    name: Option<String>,
    source: String,
    external_id: Option<String>,
    unsubscribed: bool,
    created_at: i64,
}

impl Row {
    fn read(self) -> Result<StoredContact> {
        Ok(StoredContact {
            id: ContactId(self.id),
            email: address(&self.written)?,
            name: self.name,
            source: self.source,
            external_id: self.external_id,
            unsubscribed: self.unsubscribed,
            created_at: Time::from_micros(self.created_at),
        })
    }
}

impl Store {
    /// The contacts of a sub-account that have the text in their name or address, newest first.
    pub async fn contacts(
        &self,
        of: SubAccountId,
        text: Option<&str>,
        window: Window,
    ) -> Result<Vec<StoredContact>> {
        let mut tx = self.reader().await?;
        let mut values = values![of, window.descending_start().id, window.limit];
        let rows: Vec<Row> = match text {
            None => tx.all(CONTACTS, values).await?,
            Some(text) => {
                values.extend(values![containing(&folded(text))]);
                tx.all(CONTACTS_FOUND, values).await?
            }
        };
        rows.into_iter().map(Row::read).collect()
    }

    /// The contact with this address.
    pub async fn contact_of(
        &self,
        of: SubAccountId,
        email: &Address,
    ) -> Result<Option<StoredContact>> {
        let mut tx = self.reader().await?;
        let row: Option<Row> = tx.optional(CONTACT_OF_EMAIL, values![of, email.normal()]).await?;
        row.map(Row::read).transpose()
    }

    /// A contact.
    pub async fn contact(&self, of: SubAccountId, id: ContactId) -> Result<Option<StoredContact>> {
        let mut tx = self.reader().await?;
        read_contact(&mut tx, of, id).await
    }

    /// Adds a contact. [`super::Error::Conflict`]: there is one with this address.
    pub async fn add_contact(
        &self,
        of: SubAccountId,
        contact: &StoredContact,
        event: Event,
    ) -> Result<()> {
        let mut tx = self.writer().await?;
        events::lock(&mut tx, &[of]).await?;
        let (normal, written) = (contact.email.normal(), contact.email.written());
        let mut values = values![of, contact.id, normal, written, contact.name.as_deref()];
        values.extend(values![&contact.source, contact.external_id.as_deref()]);
        values.extend(values![contact.unsubscribed, contact.created_at, contact.folded()]);
        tx.execute(ADD_CONTACT, values).await?;
        events::append(&mut tx, &[(of, event)]).await?;
        tx.commit().await
    }

    /// Changes a contact, unless `change` refuses; two changes cannot cross. `event` tells of one who
    /// unsubscribed.
    /// [`super::Error::Conflict`]: another has the address.
    pub async fn change_contact<E>(
        &self,
        of: SubAccountId,
        id: ContactId,
        event: EventId,
        change: impl FnOnce(&mut StoredContact) -> Result<(), E>,
    ) -> Result<Option<Result<StoredContact, E>>> {
        let mut tx = self.writer().await?;
        events::lock(&mut tx, &[of]).await?;
        tx.execute(LOCK_CONTACT, values![of, id]).await?;
        let Some(mut contact) = read_contact(&mut tx, of, id).await? else { return Ok(None) };
        let was_unsubscribed = contact.unsubscribed;
        if let Err(refusal) = change(&mut contact) {
            return Ok(Some(Err(refusal)));
        }
        let (normal, written) = (contact.email.normal(), contact.email.written());
        let mut values = values![of, id, normal, written, contact.name.as_deref()];
        values.extend(values![contact.external_id.as_deref(), contact.unsubscribed]);
        values.extend(values![contact.folded()]);
        tx.execute(SET_CONTACT, values).await?;
        if contact.unsubscribed && !was_unsubscribed {
            let event_type = EventType::ContactUnsubscribed;
            let event = Event { id: event, event_type, object_id: id.0, at: clock::now() };
            events::append(&mut tx, &[(of, event)]).await?;
        }
        tx.commit().await?;
        Ok(Some(Ok(contact)))
    }
}

async fn read_contact(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    id: ContactId,
) -> Result<Option<StoredContact>> {
    let row: Option<Row> = tx.optional(CONTACT, values![of, id]).await?;
    row.map(Row::read).transpose()
}
