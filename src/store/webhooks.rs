//! Webhooks and the log of their deliveries, as a sub-account sees them. Their queues are worked off in
//! [`super::deliveries`].

use uuid::Uuid;

use super::value::values;
use super::{Error, Result, Store, Window};
use crate::model::{
    Delivery, DeliveryState, EventId, EventType, SubAccountId, Time, Webhook, WebhookId,
};

statements! {
    /// It is told what is written from now on.
    ADD_WEBHOOK = "insert into webhooks (sub_account, id, url, types, secret, position, \
            leased_until, failures, rests_until, created_at) \
        select sub_accounts.sub_account, $2, $3, $4, $5, \
            coalesce((select max(events.position) from events where events.sub_account = $1), 0), \
            0, 0, 0, $6 \
        from sub_accounts where sub_accounts.sub_account = $1 \
            and (select count(*) from webhooks where webhooks.sub_account = $1) < $7";
    WEBHOOKS = "select id, url, types, failures, rests_until, created_at, \
            (select count(*) from webhook_deliveries as waiting \
                where waiting.sub_account = webhooks.sub_account \
                and waiting.webhook_id = webhooks.id and waiting.next_attempt_at is not null) \
            + coalesce((select max(events.position) from events \
                where events.sub_account = webhooks.sub_account), webhooks.position) \
            - webhooks.position as pending \
        from webhooks where sub_account = $1 order by id";
    REMOVE_WEBHOOK = "delete from webhooks where sub_account = $1 and id = $2";
    REMOVE_DELIVERIES = "delete from webhook_deliveries where sub_account = $1 and webhook_id = $2";
    DELIVERIES = "select id, type, state, attempts, status, error, attempted_at, next_attempt_at \
        from webhook_deliveries where sub_account = $1 and webhook_id = $2 and id < $3 \
        order by id desc limit $4";
    DELIVERY = "select id, type, state, attempts, status, error, attempted_at, next_attempt_at \
        from webhook_deliveries where sub_account = $1 and webhook_id = $2 and id = $3";
    SEND_AGAIN = "update webhook_deliveries set state = 'pending', since = $4, \
            next_attempt_at = $4 \
        where sub_account = $1 and webhook_id = $2 and id = $3";
    /// Who sends again by hand has mended the target.
    WAKE_WEBHOOK = "update webhooks set rests_until = 0 where sub_account = $1 and id = $2";
}

/// Webhooks of a sub-account at most.
const WEBHOOKS_MAX: i64 = 20;

/// A webhook that is to be made.
#[derive(Clone, Debug)]
pub struct NewWebhook {
    pub id: WebhookId,
    pub url: String,
    pub types: Vec<EventType>,
    /// What deliveries are signed with, sealed.
    pub secret: Vec<u8>,
}

type WebhookRow = (Uuid, String, String, i64, i64, i64, i64);
type DeliveryRow =
    (Uuid, String, String, i64, Option<i64>, Option<String>, Option<i64>, Option<i64>);

impl Store {
    /// Adds a webhook. `false`: there are as many as there may be.
    pub async fn add_webhook(&self, of: SubAccountId, new: NewWebhook, now: Time) -> Result<bool> {
        let NewWebhook { id, url, types, secret } = new;
        let mut tx = self.writer().await?;
        let types = types_to_json(&types)?;
        let values = values![of, id, url, types, secret, now, WEBHOOKS_MAX];
        let added = tx.execute(ADD_WEBHOOK, values).await?;
        tx.commit().await?;
        Ok(added > 0)
    }

    /// The webhooks of a sub-account, in the order in which they were made.
    pub async fn webhooks(&self, of: SubAccountId) -> Result<Vec<Webhook>> {
        let mut tx = self.reader().await?;
        let rows: Vec<WebhookRow> = tx.all(WEBHOOKS, values![of]).await?;
        rows.into_iter().map(webhook).collect()
    }

    /// Removes a webhook with its queue and its log; `false` if there is none.
    pub async fn remove_webhook(&self, of: SubAccountId, id: WebhookId) -> Result<bool> {
        let mut tx = self.writer().await?;
        let removed = tx.execute(REMOVE_WEBHOOK, values![of, id]).await?;
        tx.execute(REMOVE_DELIVERIES, values![of, id]).await?;
        tx.commit().await?;
        Ok(removed > 0)
    }

    /// What became of the events of a webhook, newest first.
    pub async fn deliveries(
        &self,
        of: SubAccountId,
        id: WebhookId,
        window: Window,
    ) -> Result<Vec<Delivery>> {
        let mut tx = self.reader().await?;
        let before = window.descending_start().id;
        let values = values![of, id, before, window.limit];
        let rows: Vec<DeliveryRow> = tx.all(DELIVERIES, values).await?;
        rows.into_iter().map(delivery).collect()
    }

    /// Delivers an event once more, at once and for another 24 hours; `None` if it was never delivered
    /// there.
    pub async fn deliver_again(
        &self,
        of: SubAccountId,
        id: WebhookId,
        event: EventId,
        now: Time,
    ) -> Result<Option<Delivery>> {
        let mut tx = self.writer().await?;
        tx.execute(SEND_AGAIN, values![of, id, event, now]).await?;
        tx.execute(WAKE_WEBHOOK, values![of, id]).await?;
        let row: Option<DeliveryRow> = tx.optional(DELIVERY, values![of, id, event]).await?;
        tx.commit().await?;
        row.map(delivery).transpose()
    }
}

fn webhook(
    (id, url, types, failures, rests_until, created_at, pending): WebhookRow,
) -> Result<Webhook> {
    Ok(Webhook {
        id: WebhookId(id),
        url,
        types: types_from_json(&types)?,
        failures: u32::try_from(failures).map_err(Error::damaged)?,
        rests_until: Time::from_micros(rests_until),
        pending,
        created_at: Time::from_micros(created_at),
    })
}

fn delivery(row: DeliveryRow) -> Result<Delivery> {
    let (id, event_type, state, attempts, status, error, attempted_at, next_attempt_at) = row;
    let unknown = || Error::damaged(format!("a delivery is {event_type:?}, {state:?}"));
    Ok(Delivery {
        id: EventId(id),
        event_type: EventType::parse(&event_type).ok_or_else(unknown)?,
        state: DeliveryState::parse(&state).ok_or_else(unknown)?,
        attempts: u32::try_from(attempts).map_err(Error::damaged)?,
        status: status.map(u16::try_from).transpose().map_err(Error::damaged)?,
        error,
        attempted_at: attempted_at.map(Time::from_micros),
        next_attempt_at: next_attempt_at.map(Time::from_micros),
    })
}

fn types_to_json(types: &[EventType]) -> Result<String> {
    let names: Vec<&str> = types.iter().map(|event_type| event_type.name()).collect();
    serde_json::to_string(&names).map_err(Error::damaged)
}

/// The types that a webhook wants.
pub(super) fn types_from_json(json: &str) -> Result<Vec<EventType>> {
    let names: Vec<String> = serde_json::from_str(json).map_err(Error::damaged)?;
    let types = names.iter().map(|name| EventType::parse(name));
    let known: Option<Vec<EventType>> = types.collect();
    known.ok_or_else(|| Error::damaged(format!("a webhook wants {json}")))
}
