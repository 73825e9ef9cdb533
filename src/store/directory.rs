//! What the operator's commands look for without knowing the sub-account. Everybody else is handed one.

use uuid::Uuid;

use super::value::values;
use super::{Result, Store};
use crate::model::{Address, SubAccountId, UserId};

statements! {
    SUB_ACCOUNTS = "select sub_account, name from sub_accounts order by created_at";
    USERS_WITH_ADDRESS = "select sub_account, user_id from user_addresses
        where address = $1 and confirmed order by sub_account, user_id limit 100";
    KEY_MARK = "select key_mark from sub_accounts where sub_account = $1";
    SET_KEY_MARK = "update sub_accounts set key_mark = $2 where sub_account = $1 and key_mark is null";
    FIRST_USERS = "select email from users order by created_at limit 20";
}

impl Store {
    /// All sub-accounts and their names, the oldest first.
    pub async fn sub_accounts(&self) -> Result<Vec<(SubAccountId, String)>> {
        let mut tx = self.reader().await?;
        let rows: Vec<(Uuid, String)> = tx.all(SUB_ACCOUNTS, Vec::new()).await?;
        let named = rows.into_iter().map(|(id, name)| (SubAccountId(id), name));
        Ok(named.filter(|(id, _)| *id != SubAccountId::OPERATOR).collect())
    }

    /// By what the key is known that secrets in this store are sealed with.
    pub async fn key_mark(&self) -> Result<Option<Vec<u8>>> {
        let mut tx = self.reader().await?;
        let row: Option<(Option<Vec<u8>>,)> =
            tx.optional(KEY_MARK, values![SubAccountId::OPERATOR]).await?;
        Ok(row.and_then(|(mark,)| mark))
    }

    /// Notes it, once and for all.
    pub async fn set_key_mark(&self, mark: &[u8]) -> Result<()> {
        let mut tx = self.writer().await?;
        tx.execute(SET_KEY_MARK, values![SubAccountId::OPERATOR, mark]).await?;
        tx.commit().await
    }

    /// Everybody who writes from an address, in whatever sub-account.
    pub async fn users_with_address(
        &self,
        address: &Address,
    ) -> Result<Vec<(SubAccountId, UserId)>> {
        let mut tx = self.reader().await?;
        let values = values![address.normal()];
        let rows: Vec<(Uuid, Uuid)> = tx.all(USERS_WITH_ADDRESS, values).await?;
        Ok(rows.into_iter().map(|(account, user)| (SubAccountId(account), UserId(user))).collect())
    }

    /// Sign-in addresses of the users who were first, for an answer that says whom there is.
    pub async fn first_users(&self) -> Result<Vec<String>> {
        let mut tx = self.reader().await?;
        let rows: Vec<(String,)> = tx.all(FIRST_USERS, Vec::new()).await?;
        Ok(rows.into_iter().map(|(email,)| email).collect())
    }
}
