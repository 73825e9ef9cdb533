//! API tokens, known by their hashes.

use uuid::Uuid;

use super::value::values;
use super::{Error, Result, Store};
use crate::model::{SubAccountId, Time, TokenId, TokenScope};

statements! {
    TOKEN_OWNER = "select sub_account, id, scope, used_at from tokens where hash = $1";
    TOKENS = "select id, name, scope, created_at, used_at from tokens where sub_account = $1 order by id";
    TOUCH_TOKEN = "update tokens set used_at = $3 where sub_account = $1 and id = $2";
    SET_SCOPE = "update tokens set scope = $3 where sub_account = $1 and id = $2";
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

/// Whose a token is, and how far it reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenOwner {
    pub sub_account: SubAccountId,
    pub token: TokenId,
    pub scope: TokenScope,
    /// About when it was last used.
    pub used_at: Option<Time>,
}

/// A token as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub id: TokenId,
    pub name: String,
    pub scope: TokenScope,
    pub created_at: Time,
    /// About when it was last used.
    pub used_at: Option<Time>,
}

impl Store {
    /// Whose token it is; `None` when it is nobody's, or no longer.
    pub async fn token_owner(&self, hash: &[u8; 32]) -> Result<Option<TokenOwner>> {
        let mut tx = self.reader().await?;
        let row: Option<(Uuid, Uuid, String, Option<i64>)> =
            tx.optional(TOKEN_OWNER, values![*hash]).await?;
        let Some((sub_account, token, name, used_at)) = row else { return Ok(None) };
        Ok(Some(TokenOwner {
            sub_account: SubAccountId(sub_account),
            token: TokenId(token),
            scope: scope(&name)?,
            used_at: used_at.map(Time::from_micros),
        }))
    }

    /// The tokens of a sub-account, oldest first.
    pub async fn tokens(&self, of: SubAccountId) -> Result<Vec<Token>> {
        let mut tx = self.reader().await?;
        let rows: Vec<(Uuid, String, String, i64, Option<i64>)> =
            tx.all(TOKENS, values![of]).await?;
        rows.into_iter()
            .map(|(id, name, scope_name, created_at, used_at)| {
                Ok(Token {
                    id: TokenId(id),
                    name,
                    scope: scope(&scope_name)?,
                    created_at: Time::from_micros(created_at),
                    used_at: used_at.map(Time::from_micros),
                })
            })
            .collect()
    }

    /// Remembers that a token was used.
    pub async fn touch_token(&self, of: SubAccountId, id: TokenId, now: Time) -> Result<()> {
        let mut tx = self.writer().await?;
        tx.execute(TOUCH_TOKEN, values![of, id, now]).await?;
        tx.commit().await
    }

    /// Is there still this token?
    pub async fn has_token(&self, of: SubAccountId, id: TokenId) -> Result<bool> {
        let mut tx = self.reader().await?;
        let row: Option<(Uuid,)> = tx.optional(HAS_TOKEN, values![of, id]).await?;
        Ok(row.is_some())
    }

    /// Adds a token. `false`: there is no such sub-account.
    pub async fn add_token(
        &self,
        of: SubAccountId,
        token: NewToken,
        scope: TokenScope,
        now: Time,
    ) -> Result<bool> {
        let mut tx = self.writer().await?;
        let values = values![of, token.id, token.hash, token.name, now];
        let added = tx.execute(ADD_TOKEN, values).await?;
        tx.execute(SET_SCOPE, values![of, token.id, scope.name()]).await?;
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

fn scope(name: &str) -> Result<TokenScope> {
    TokenScope::parse(name).ok_or_else(|| Error::damaged(format!("a token may {name:?}")))
}
