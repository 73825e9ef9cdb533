//! How far mails have come, as the API shows it; and what the sender must know of a user.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::via;
use crate::decide::send::Mailbox;
use crate::model::outgoing::Route;
use crate::model::{
    Account, Address, ConnectionId, MailboxState, MessageId, RecipientReport, SendKind, SendStatus,
    StoredMessageId, SubAccountId, Time, UserId, Via,
};
use crate::store::messages::{json, known};
use crate::store::tx::Tx;
use crate::store::value::values;
use crate::store::{Error, Result, Store};

statements! {
    SHIPMENTS = "select outbox.id, outbox.kind, outbox.connection_id, outbox.status, outbox.route, \
            outbox.detail, outbox.report, outbox.attempts, outbox.send_at, outbox.due_at, \
            outbox.sent_at, outbox.bulk_id, connections.state \
        from {rows uuid uuid} as asked cross join outbox \
        left join connections on connections.sub_account = outbox.sub_account \
            and connections.id = outbox.connection_id \
        where outbox.sub_account = asked.column1 and outbox.id = asked.column2";
    PROGRESS = "select status, count(*) from outbox where sub_account = $1 and bulk_id = $2 \
        and bulk_id is not null group by status";
    OF_REQUEST = "select outbox.id, messages.message_id, outbox.status, outbox.bulk_id, outbox.route \
        from outbox cross join messages \
        where outbox.sub_account = $1 and outbox.request_key = $2 \
            and outbox.request_key is not null and outbox.created_at > $3 \
            and messages.sub_account = outbox.sub_account and messages.id = outbox.id \
        order by outbox.request_place";
    /// The mailbox in use; one of which only another address is being connected stays in use (M4).
    MAILBOX = "select connections.id, connections.address, connections.state, \
            connections.rewrites_ids \
        from connections where connections.sub_account = $1 and connections.user_id = $2 \
            and connections.state in ('active', 'needs_reauth') and connections.address is not null \
        order by case when connections.id = (select users.connection_id from users \
                where users.sub_account = $1 and users.id = $2) then 0 else 1 end, \
            case connections.state when 'active' then 0 else 1 end, connections.id desc limit 1";
    WAITING = "select count(*) from outbox where due_at is not null \
        and sub_account = $1 and coalesce(connection_id, sub_account) = $2";
    ACCOUNT = "select account from connections where sub_account = $1 and id = $2";
}

/// How far the sending of a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shipment {
    pub message: StoredMessageId,
    pub kind: SendKind,
    pub via: Via,
    pub status: SendStatus,
    pub route: Route,
    /// What the server said, or why it waits.
    pub detail: Option<String>,
    pub report: Vec<RecipientReport>,
    pub attempts: u32,
    pub send_at: Option<Time>,
    pub due_at: Option<Time>,
    pub sent_at: Option<Time>,
    pub bulk: Option<Uuid>,
    /// How its mailbox stands.
    pub mailbox: Option<MailboxState>,
}

/// A message that a call has made already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    pub message: StoredMessageId,
    pub message_id: MessageId,
    pub status: SendStatus,
    pub bulk: Option<Uuid>,
    pub to: Option<Address>,
}

/// How many mails of a bulk sending stand how.
pub type Progress = BTreeMap<SendStatus, i64>;

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    kind: String,
    connection_id: Option<Uuid>,
    status: String,
    route: String,
    detail: Option<String>,
    report: Option<String>,
    attempts: i64,
    send_at: Option<i64>,
    due_at: Option<i64>,
    sent_at: Option<i64>,
    bulk_id: Option<Uuid>,
    state: Option<String>,
}

impl Row {
    fn read(self) -> Result<Shipment> {
        let state = |name: String| known(MailboxState::parse(&name), &name);
        Ok(Shipment {
            message: StoredMessageId(self.id),
            kind: known(SendKind::parse(&self.kind), &self.kind)?,
            via: via(self.connection_id),
            status: known(SendStatus::parse(&self.status), &self.status)?,
            route: json(&self.route)?,
            detail: self.detail,
            report: self.report.as_deref().map(json).transpose()?.unwrap_or_default(),
            attempts: u32::try_from(self.attempts).unwrap_or(u32::MAX),
            send_at: self.send_at.map(Time::from_micros),
            due_at: self.due_at.map(Time::from_micros),
            sent_at: self.sent_at.map(Time::from_micros),
            bulk: self.bulk_id,
            mailbox: self.state.map(state).transpose()?,
        })
    }
}

impl Store {
    /// How far the sending of these messages is; those that the CRM did not send are not among them.
    pub async fn shipments(
        &self,
        of: SubAccountId,
        ids: impl IntoIterator<Item = StoredMessageId>,
    ) -> Result<BTreeMap<StoredMessageId, Shipment>> {
        let mut tx = self.reader().await?;
        let rows = ids.into_iter().flat_map(|id| values![of, id]).collect();
        let rows: Vec<Row> = tx.all_of_rows(SHIPMENTS, rows).await?;
        let shipments = rows.into_iter().map(|row| row.read().map(|it| (it.message, it)));
        shipments.collect()
    }

    /// How a bulk sending stands; empty when there is none.
    pub async fn bulk_progress(&self, of: SubAccountId, bulk: Uuid) -> Result<Progress> {
        let mut tx = self.reader().await?;
        let rows: Vec<(String, i64)> = tx.all(PROGRESS, values![of, bulk]).await?;
        let count = |(status, count): (String, i64)| {
            known(SendStatus::parse(&status), &status).map(|status| (status, count))
        };
        rows.into_iter().map(count).collect()
    }

    /// The mailbox that a user has connected, as far as it decides how mail is sent.
    pub async fn sending_mailbox(&self, of: SubAccountId, user: UserId) -> Result<Option<Mailbox>> {
        let mut tx = self.reader().await?;
        let row: Option<(Uuid, String, String, bool)> =
            tx.optional(MAILBOX, values![of, user]).await?;
        let Some((id, address, state, rewrites_ids)) = row else { return Ok(None) };
        Ok(Some(Mailbox {
            connection: ConnectionId(id),
            address: known(Address::parse(&address), &address)?,
            state: known(MailboxState::parse(&state), &state)?,
            rewrites_ids,
        }))
    }

    /// How many mails wait to go through a mailbox.
    pub async fn waiting_count(&self, of: SubAccountId, mailbox: ConnectionId) -> Result<i64> {
        let mut tx = self.reader().await?;
        let row: Option<(i64,)> = tx.optional(WAITING, values![of, mailbox]).await?;
        Ok(row.map_or(0, |(count,)| count))
    }

    /// Where a connection leads.
    pub async fn account_of(&self, of: SubAccountId, id: ConnectionId) -> Result<Option<Account>> {
        let mut tx = self.reader().await?;
        let row: Option<(String,)> = tx.optional(ACCOUNT, values![of, id]).await?;
        let account =
            |(account,): (String,)| serde_json::from_str(&account).map_err(Error::damaged);
        row.map(account).transpose()
    }
}

pub(super) async fn answered(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    key: &str,
    since: Time,
) -> Result<Vec<Answered>> {
    let rows: Vec<(Uuid, String, String, Option<Uuid>, String)> =
        tx.all(OF_REQUEST, values![of, key, since]).await?;
    let read =
        |(id, message_id, status, bulk, route): (Uuid, String, String, Option<Uuid>, String)| {
            let route: Route = json(&route)?;
            Ok(Answered {
                message: StoredMessageId(id),
                message_id: known(MessageId::parse(&message_id), &message_id)?,
                status: known(SendStatus::parse(&status), &status)?,
                bulk,
                to: route.recipients.into_iter().next().map(|it| it.address),
            })
        };
    rows.into_iter().map(read).collect()
}
