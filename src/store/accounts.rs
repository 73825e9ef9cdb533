//! Sub-accounts and their settings.

use super::tokens::NewToken;
use super::value::values;
use super::{Error, Result, Store};
use crate::model::{Settings, SubAccountId, Time};

statements! {
    ADD_SUB_ACCOUNT = "insert into sub_accounts (sub_account, name, settings, created_at)
        values ($1, $2, $3, $4)";
    ANY_SUB_ACCOUNT = "select sub_account from sub_accounts where sub_account <> $1 limit 1";
    /// Changes nothing, and makes later writers of the row wait, on both databases.
    LOCK_SUB_ACCOUNT = "update sub_accounts set name = name where sub_account = $1";
    SETTINGS = "select settings, provider from sub_accounts where sub_account = $1";
    NEVER_LOG = "select entry from never_log where sub_account = $1 order by entry";
    SET_SETTINGS = "update sub_accounts set settings = $2, provider = $3 where sub_account = $1";
    CLEAR_NEVER_LOG = "delete from never_log where sub_account = $1";
    ADD_NEVER_LOG = "insert into never_log (sub_account, entry)
        select * from {rows uuid text} as added where column1 is not null
        on conflict do nothing";
}

/// What a sub-account can change about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountSettings {
    pub switches: Settings,
    /// Normal forms of addresses, and domains as `@domain`.
    pub never_log: Vec<String>,
    /// The SMTP relay, sealed.
    pub provider: Option<Vec<u8>>,
}

impl Store {
    /// Makes a sub-account with its first token.
    pub async fn add_sub_account(
        &self,
        id: SubAccountId,
        name: &str,
        token: NewToken,
        now: Time,
    ) -> Result<()> {
        let settings = to_json(&Settings::default())?;
        let mut tx = self.writer().await?;
        tx.execute(ADD_SUB_ACCOUNT, values![id, name, settings, now]).await?;
        tx.execute(super::tokens::ADD_TOKEN, values![id, token.id, token.hash, token.name, now])
            .await?;
        tx.commit().await
    }

    /// Is there a sub-account beside the operator's own?
    pub async fn has_sub_accounts(&self) -> Result<bool> {
        let mut tx = self.reader().await?;
        let any: Option<(uuid::Uuid,)> =
            tx.optional(ANY_SUB_ACCOUNT, values![SubAccountId::OPERATOR]).await?;
        Ok(any.is_some())
    }

    /// The settings of a sub-account.
    pub async fn account_settings(&self, of: SubAccountId) -> Result<Option<AccountSettings>> {
        let mut tx = self.reader().await?;
        read_settings(&mut tx, of).await
    }

    /// Changes the settings of a sub-account, unless `change` refuses; two changes cannot cross.
    pub async fn change_settings<E>(
        &self,
        of: SubAccountId,
        change: impl FnOnce(&mut AccountSettings) -> Result<(), E>,
    ) -> Result<Option<Result<AccountSettings, E>>> {
        let mut tx = self.writer().await?;
        tx.execute(LOCK_SUB_ACCOUNT, values![of]).await?;
        let Some(mut settings) = read_settings(&mut tx, of).await? else { return Ok(None) };
        if let Err(refusal) = change(&mut settings) {
            return Ok(Some(Err(refusal)));
        }
        let switches = to_json(&settings.switches)?;
        let values = values![of, switches, settings.provider.clone()];
        tx.execute(SET_SETTINGS, values).await?;
        tx.execute(CLEAR_NEVER_LOG, values![of]).await?;
        let rows = settings.never_log.iter().flat_map(|entry| values![of, entry]).collect();
        tx.execute_rows(ADD_NEVER_LOG, rows).await?;
        tx.commit().await?;
        Ok(Some(Ok(settings)))
    }
}

async fn read_settings(
    tx: &mut super::Tx<'_>,
    of: SubAccountId,
) -> Result<Option<AccountSettings>> {
    let row: Option<(String, Option<Vec<u8>>)> = tx.optional(SETTINGS, values![of]).await?;
    let Some((switches, provider)) = row else { return Ok(None) };
    let switches = serde_json::from_str(&switches).map_err(Error::damaged)?;
    let never_log: Vec<(String,)> = tx.all(NEVER_LOG, values![of]).await?;
    let never_log = never_log.into_iter().map(|(entry,)| entry).collect();
    Ok(Some(AccountSettings { switches, never_log, provider }))
}

fn to_json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(Error::damaged)
}
