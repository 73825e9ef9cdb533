//! `/settings/developers/webhooks/ID`: how a webhook is doing, and what became of each event.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State as Shared};
use axum::response::Response;
use axum::routing::{get, post};
use axum_extra::extract::cookie::CookieJar;
use uuid::Uuid;

use crate::clock;
use crate::model::{Delivery, DeliveryState, EventId, Time, Webhook, WebhookId};
use crate::store::Window;
use crate::web::State;
use crate::web::input::Id;
use crate::web::ui::failure::Failure;
use crate::web::ui::{Admin, Shell, Tab, done, filters, page};

/// Deliveries shown.
const SHOWN: i64 = 100;

/// The routes of the page.
pub fn router() -> Router<Arc<State>> {
    Router::new()
        .route("/settings/developers/webhooks/{id}", get(show))
        .route("/settings/developers/webhooks/{id}/deliveries/{event}/resend", post(resend))
}

#[derive(Template)]
#[template(path = "webhook.html", config = "src/web/ui/askama.toml")]
struct Page {
    shell: Shell,
    webhook: Webhook,
    rests_until: Option<Time>,
    deliveries: Vec<Delivery>,
}

impl Page {
    /// How a delivery is shown: the class and the words of its state.
    fn tag(state: &DeliveryState) -> (&'static str, &'static str) {
        match state {
            DeliveryState::Pending => ("warn", "webhook.pending"),
            DeliveryState::Delivered => ("good", "webhook.delivered"),
            DeliveryState::Failed => ("bad", "webhook.failed"),
            DeliveryState::Dropped => ("", "webhook.dropped"),
        }
    }
}

async fn show(
    Shared(state): Shared<Arc<State>>,
    Admin(admin): Admin,
    Id(id): Id,
) -> Result<Response, Failure> {
    let (of, id) = (admin.sub_account(), WebhookId(id));
    let webhooks = state.store.webhooks(of).await?;
    let webhook = webhooks.into_iter().find(|webhook| webhook.id == id);
    let webhook = webhook.ok_or_else(Failure::not_found)?;
    let window = Window { after: None, limit: SHOWN };
    let now = clock::now();
    Ok(page(&Page {
        shell: admin.shell(Tab::Developers),
        rests_until: Some(webhook.rests_until).filter(|until| *until > now),
        deliveries: state.store.deliveries(of, id, window).await?,
        webhook,
    }))
}

async fn resend(
    Shared(state): Shared<Arc<State>>,
    Admin(admin): Admin,
    jar: CookieJar,
    Path((id, event)): Path<(Uuid, Uuid)>,
) -> Result<Response, Failure> {
    let (of, webhook) = (admin.sub_account(), WebhookId(id));
    let again = state.store.deliver_again(of, webhook, EventId(event), clock::now()).await?;
    match again {
        Some(_) => {
            Ok(done(jar, "flash.event_resent", &format!("/settings/developers/webhooks/{id}")))
        }
        None => Err(Failure::not_found()),
    }
}
