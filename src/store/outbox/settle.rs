//! Handing over, and what came of it.

use uuid::Uuid;

use super::doubt;
use crate::model::outgoing::Route;
use crate::model::{
    Event, EventId, EventType, MessageId, RecipientReport, SendStatus, StoredMessageId,
    SubAccountId, Time,
};
use crate::store::columns::{json, json_or_null};
use crate::store::messages::known;
use crate::store::tx::Tx;
use crate::store::value::values;
use crate::store::{Result, Store, events, record};

statements! {
    /// Only who still has the lease hands over. From here on it is not due: nobody sends it again.
    HAND_OVER = "update outbox set handed_at = added.column4, due_at = null \
        from {rows uuid uuid uuid bigint} as added \
        where outbox.sub_account = coalesce(added.column1, null) \
            and outbox.id = coalesce(added.column2, null) and outbox.lease = added.column3 \
            and outbox.leased_until >= added.column4 and outbox.due_at is not null \
            and outbox.status in ('queued', 'retrying') \
        returning outbox.sub_account, outbox.id";
    /// What is not known is known after all when the Sent copy was seen since, if nobody had it before; what
    /// is sent has bounced when a report on an earlier try says so. A copy that an earlier try wants is
    /// wanted still.
    SETTLE = "update outbox set status = case \
                when added.column4 = 'unknown' and outbox.copy_seen_at >= outbox.handed_at \
                    and outbox.route not like '%\"state\":\"accepted\"%' then 'sent' \
                when added.column4 = 'sent' and outbox.report is not null then 'bounced' \
                else added.column4 end, \
            route = added.column5, detail = added.column6, attempts = added.column7, \
            due_at = added.column8, deadline = added.column9, \
            sent_at = coalesce(added.column10, outbox.copy_seen_at), \
            report = coalesce(added.column11, outbox.report), \
            copy_wanted = (added.column12 or outbox.copy_wanted) \
                and outbox.copy_seen_at is null and outbox.copied_at is null, \
            handed_at = case when added.column8 is null then outbox.handed_at end, \
            leased_until = null \
        from {rows uuid uuid uuid text text text bigint bigint bigint bigint text boolean} as added \
        where outbox.sub_account = coalesce(added.column1, null) \
            and outbox.id = coalesce(added.column2, null) and outbox.lease = added.column3 \
            and outbox.status in ('queued', 'retrying', 'unknown') \
        returning outbox.sub_account, outbox.id, outbox.status";
    REPORT = "select report from outbox where sub_account = $1 and id = $2 and report is not null";
    REWRITES = "update connections set rewrites_ids = true where sub_account = $1 \
        and id = (select connection_id from outbox where sub_account = $1 and id = $2)";
}

/// What came of a try.
#[derive(Clone, Debug)]
pub struct Settle {
    pub sub_account: SubAccountId,
    pub message: StoredMessageId,
    pub lease: Uuid,
    pub status: SendStatus,
    pub route: Route,
    pub detail: Option<String>,
    pub attempts: u32,
    pub due_at: Option<Time>,
    pub deadline: Option<Time>,
    /// What became of recipients that were refused while others were taken.
    pub report: Vec<RecipientReport>,
    /// A copy is to be put into the Sent folder (S6).
    pub copy_wanted: bool,
    /// The id that the server says it gave the mail (S7).
    pub alias: Option<MessageId>,
    pub at: Time,
    /// For the events that this makes.
    pub event_ids: [EventId; 2],
}

impl Settle {
    fn row(&self, report: &[RecipientReport]) -> Result<Vec<super::super::value::Value>> {
        let is_sent = matches!(self.status, SendStatus::Sent | SendStatus::Bounced);
        let report = (!report.is_empty()).then_some(&report);
        let mut row = values![self.sub_account, self.message, self.lease, self.status.name()];
        row.extend(values![json(&self.route)?, self.detail.as_deref(), self.attempts]);
        row.extend(values![self.due_at, self.deadline, is_sent.then_some(self.at)]);
        row.extend(values![json_or_null(report)?, self.copy_wanted]);
        Ok(row)
    }

    /// The events of a message that has come to this.
    fn events(&self, status: SendStatus) -> Vec<(SubAccountId, Event)> {
        let types: &[EventType] = match status {
            SendStatus::Sent => &[EventType::MessageSent],
            SendStatus::Bounced => &[EventType::MessageSent, EventType::MessageBounced],
            SendStatus::Failed => &[EventType::MessageFailed],
            _ => &[],
        };
        let event = |(event_type, id): (&EventType, &EventId)| {
            let (event_type, object_id) = (*event_type, self.message.0);
            (self.sub_account, Event { id: *id, event_type, object_id, at: self.at })
        };
        types.iter().zip(&self.event_ids).map(event).collect()
    }
}

impl Store {
    /// Says durably that these mails are about to be handed over; answers those that may be.
    pub async fn hand_over(
        &self,
        mails: &[(SubAccountId, StoredMessageId, Uuid)],
        now: Time,
    ) -> Result<Vec<(SubAccountId, StoredMessageId)>> {
        let mut tx = self.writer().await?;
        let rows = mails.iter().flat_map(|(of, id, lease)| values![*of, *id, *lease, now]);
        let handed: Vec<(Uuid, Uuid)> = tx.all_of_rows(HAND_OVER, rows.collect()).await?;
        tx.commit().await?;
        Ok(handed.into_iter().map(|(of, id)| (SubAccountId(of), StoredMessageId(id))).collect())
    }

    /// Records what came of tries, with the events that says so. What was taken over by others since is
    /// theirs.
    pub async fn settle(&self, settles: &[Settle]) -> Result<()> {
        let mut tx = self.writer().await?;
        let accounts: Vec<SubAccountId> = settles.iter().map(|it| it.sub_account).collect();
        events::lock(&mut tx, &accounts).await?;
        let mut rows = Vec::new();
        for settle in settles {
            let report = reported(&mut tx, settle).await?;
            rows.extend(settle.row(&report)?);
        }
        let settled: Vec<(Uuid, Uuid, String)> = tx.all_of_rows(SETTLE, rows).await?;
        let (mut told, mut aliases) = (Vec::new(), Vec::new());
        for (of, id, status) in settled {
            let status = known(SendStatus::parse(&status), &status)?;
            let is_it = |it: &&Settle| it.sub_account.0 == of && it.message.0 == id;
            let Some(settle) = settles.iter().find(is_it) else { continue };
            told.extend(settle.events(status));
            if let Some(alias) = &settle.alias {
                aliases.extend(values![of, alias.key(), id, id, true]);
                tx.execute(REWRITES, values![of, id]).await?;
            }
        }
        tx.execute_rows(record::ADD_ALIASES, aliases).await?;
        events::append(&mut tx, &told).await?;
        tx.commit().await
    }
}

/// What became of recipients, with what reports said before.
async fn reported(tx: &mut Tx<'_>, settle: &Settle) -> Result<Vec<RecipientReport>> {
    if settle.report.is_empty() {
        return Ok(Vec::new());
    }
    let place = values![settle.sub_account, settle.message];
    let before: Option<(String,)> = tx.optional(REPORT, place).await?;
    doubt::merged(before.as_ref().map(|(report,)| report.as_str()), &settle.report)
}
