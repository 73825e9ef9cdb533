//! What the page says of a mailbox that is connected and cannot be watched: its state stays, its detail tells
//! why and what helps (F1, F9), for as long as it is so.

use super::settle::NO_SENT_FOLDER;
use super::{Inner, Place, remedy};
use crate::access::Trouble;
use crate::model::MailboxState;
use crate::store::{self, StoredConnection};

/// Everything that its user should know of a connection: why it does not work, and what its server does not
/// give (V1).
pub fn detail(connection: &StoredConnection) -> Option<String> {
    let is_active = connection.state == MailboxState::Active;
    let withheld = (is_active && connection.withheld > 0)
        .then(|| remedy::withheld(connection.withheld, &connection.account).to_string());
    let said: Vec<String> = connection.detail.iter().cloned().chain(withheld).collect();
    (!said.is_empty()).then(|| said.join(" "))
}

impl Inner {
    /// Says it. That it is not said harms nothing but the page, so that it is tried with the next session.
    pub(super) async fn told(&self, place: Place, trouble: Option<&Trouble>) {
        if let Err(error) = self.tell(place, trouble).await {
            let id = place.1;
            tracing::warn!(connection.id = %id, code = "trouble_unsaid", %error, "It could not be recorded how connection {id} is watched.");
        }
    }

    async fn tell(&self, (of, id): Place, trouble: Option<&Trouble>) -> store::Result<()> {
        let connection = self.store.connection(of, id).await?;
        let Some(connection) = connection.filter(|it| it.state == MailboxState::Active) else {
            return Ok(());
        };
        let detail = trouble.map(|it| remedy::watching(it, &connection.account).to_string());
        // Thousands of sessions are opened, and hardly one has anything to tell.
        let usual = connection.sent_folder.is_none().then_some(NO_SENT_FOLDER);
        if connection.detail.as_deref() == detail.as_deref().or(usual) {
            return Ok(());
        }
        if let Some(detail) = &detail {
            tracing::warn!(connection.id = %id, code = "mailbox_unwatched", "Connection {id} cannot be watched: {detail}");
        }
        self.store.set_watch_detail((of, id), detail.as_deref(), NO_SENT_FOLDER).await
    }
}
