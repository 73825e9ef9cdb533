//! Links that sign a user in once.

use uuid::Uuid;

use crate::model::{SubAccountId, Time, UserId};

use super::value::values;
use super::{Result, Store};

statements! {
    ADD_LINK = "insert into sign_in_links (sub_account, hash, user_id, expires_at)
        values ($1, $2, $3, $4)";
    TAKE_LINK = "delete from sign_in_links where hash = $1
        returning sub_account, user_id, expires_at";
}

impl Store {
    /// Keeps the hash of a link's code.
    pub async fn add_sign_in_link(
        &self,
        of: SubAccountId,
        user: UserId,
        hash: [u8; 32],
        expires_at: Time,
    ) -> Result<()> {
        let mut tx = self.writer().await?;
        tx.execute(ADD_LINK, values![of, hash, user, expires_at]).await?;
        tx.commit().await
    }

    /// Uses a link up: whom it signs in, if it is still good.
    pub async fn take_sign_in_link(
        &self,
        hash: [u8; 32],
        now: Time,
    ) -> Result<Option<(SubAccountId, UserId)>> {
        let mut tx = self.writer().await?;
        let row: Option<(Uuid, Uuid, i64)> = tx.optional(TAKE_LINK, values![hash]).await?;
        tx.commit().await?;
        let good = row.filter(|(_, _, expires_at)| *expires_at > now.as_micros());
        Ok(good.map(|(sub_account, user, _)| (SubAccountId(sub_account), UserId(user))))
    }
}
