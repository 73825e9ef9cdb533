//! API tokens, known by their hashes.

use uuid::Uuid;

use super::value::values;
use super::{Result, Store};
use crate::model::{SubAccountId, Time, TokenId};

statements! {
    TOKEN_OWNER = "select sub_account, id from tokens where hash = $1";
    HAS_TOKEN = "select id from tokens where sub_account = $1 and id = $2";
    ADD_TOKEN = "insert into tokens (sub_account, id, hash, name, created_at)
        select sub_account, $2, $3, $4, $5 from sub_accounts where sub_account = $1";
    REMOVE_TOKEN = "delete from tokens where sub_account = $1 and id = $2";
}

/// A token as it is kept.
pub struct NewToken {
    pub id: TokenId,
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// For the person who looks at the list.
    pub name: String,
}

impl Store {
    /// Whose token it is; `None` when it is nobody's, or no longer.
    pub async fn token_owner(&self, hash: &[u8; 32]) -> Result<Option<(SubAccountId, TokenId)>> {
        let mut tx = self.reader().await?;
        let row: Option<(Uuid, Uuid)> = tx.optional(TOKEN_OWNER, values![*hash]).await?;
        Ok(row.map(|(sub_account, id)| (SubAccountId(sub_account), TokenId(id))))
    }

    /// Is there still this token?
    pub async fn has_token(&self, of: SubAccountId, id: TokenId) -> Result<bool> {
        let mut tx = self.reader().await?;
        let row: Option<(Uuid,)> = tx.optional(HAS_TOKEN, values![of, id]).await?;
        Ok(row.is_some())
    }

    /// Adds a token. `false`: there is no such sub-account.
    pub async fn add_token(&self, of: SubAccountId, token: NewToken, now: Time) -> Result<bool> {
        let mut tx = self.writer().await?;
        let values = values![of, token.id, token.hash, token.name, now];
        let added = tx.execute(ADD_TOKEN, values).await?;
        tx.commit().await?;
        Ok(added > 0)
    }

    /// Revokes a token, at once. `false`: there is none.
    pub async fn remove_token(&self, of: SubAccountId, id: TokenId) -> Result<bool> {
        let mut tx = self.writer().await?;
        let removed = tx.execute(REMOVE_TOKEN, values![of, id]).await?;
        tx.commit().await?;
        Ok(removed > 0)
    }
}
