//! What users prove to be themselves with: passwords, one-time passwords, recovery codes.

use uuid::Uuid;

use super::columns::json;
use super::messages::json as read_json;
use super::value::values;
use super::{Result, Store};
use crate::model::{Address, SubAccountId, Time, UserId};

statements! {
    SIGNING_IN = "select users.sub_account, users.id, password, password_at, totp, totp_step, recovery
        from users left join credentials on credentials.sub_account = users.sub_account
            and credentials.user_id = users.id
        where users.email = $1 order by users.created_at limit 8";
    CREDENTIALS = "select sub_account, user_id, password, password_at, totp, totp_step, recovery
        from credentials where sub_account = $1 and user_id = $2";
    MAKE_CREDENTIALS = "insert into credentials (sub_account, user_id, totp_step, recovery)
        select sub_account, id, 0, '[]' from users where sub_account = $1 and id = $2
        on conflict do nothing";
    SET_PASSWORD = "update credentials set password = $3, password_at = $4
        where sub_account = $1 and user_id = $2";
    FORGET_PASSWORD = "update credentials set password = null, password_at = null
        where sub_account = $1 and user_id = $2";
    SET_TOTP = "update credentials set totp = $3, totp_step = $4, recovery = $5
        where sub_account = $1 and user_id = $2";
    /// A step is used once, and none before it afterwards.
    USE_TOTP = "update credentials set totp_step = $3
        where sub_account = $1 and user_id = $2 and totp_step < $3";
    /// Two who use one code at once: the text differs for the second.
    USE_RECOVERY = "update credentials set recovery = $4
        where sub_account = $1 and user_id = $2 and recovery = $3";
}

/// What a user signs in with. Nothing of it is readable without more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// PHC string; `None` until a password is chosen.
    pub password: Option<String>,
    pub password_at: Option<Time>,
    /// The secret of one-time passwords, sealed; `None` without a second factor.
    pub totp: Option<Vec<u8>>,
    /// The last step of it that was used.
    pub totp_step: i64,
    /// Hashes of the recovery codes that are left, in hexadecimal.
    pub recovery: Vec<String>,
}

#[derive(sqlx::FromRow)]
struct SigningIn {
    sub_account: Uuid,
    id: Uuid,
    password: Option<String>,
    password_at: Option<i64>,
    totp: Option<Vec<u8>>,
    totp_step: Option<i64>,
    recovery: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    password: Option<String>,
    password_at: Option<i64>,
    totp: Option<Vec<u8>>,
    totp_step: i64,
    recovery: String,
}

impl Row {
    fn read(self) -> Result<Credentials> {
        Ok(Credentials {
            password: self.password,
            password_at: self.password_at.map(Time::from_micros),
            totp: self.totp,
            totp_step: self.totp_step,
            recovery: read_json(&self.recovery)?,
        })
    }
}

impl SigningIn {
    fn read(self) -> Result<(SubAccountId, UserId, Credentials)> {
        let row = Row {
            password: self.password,
            password_at: self.password_at,
            totp: self.totp,
            totp_step: self.totp_step.unwrap_or(0),
            recovery: self.recovery.unwrap_or_else(|| "[]".to_owned()),
        };
        Ok((SubAccountId(self.sub_account), UserId(self.id), row.read()?))
    }
}

impl Store {
    /// Everybody with that sign-in address, in whatever sub-account, the oldest first.
    pub async fn users_signing_in(
        &self,
        email: &Address,
    ) -> Result<Vec<(SubAccountId, UserId, Credentials)>> {
        let mut tx = self.reader().await?;
        let rows: Vec<SigningIn> = tx.all(SIGNING_IN, values![email.normal()]).await?;
        rows.into_iter().map(SigningIn::read).collect()
    }

    /// What a user signs in with.
    pub async fn credentials(&self, of: SubAccountId, user: UserId) -> Result<Credentials> {
        let mut tx = self.reader().await?;
        let row: Option<Row> = tx.optional(CREDENTIALS, values![of, user]).await?;
        row.map(Row::read).transpose().map(Option::unwrap_or_default)
    }

    /// Sets a user's password, and signs every browser out but the one it was set with.
    pub async fn set_password(
        &self,
        of: SubAccountId,
        user: UserId,
        phc: &str,
        kept: [u8; 32],
        now: Time,
    ) -> Result<()> {
        let mut tx = self.writer().await?;
        tx.execute(MAKE_CREDENTIALS, values![of, user]).await?;
        tx.execute(SET_PASSWORD, values![of, user, phc, now]).await?;
        tx.execute(super::sessions::REMOVE_OTHER_SESSIONS, values![of, user, kept]).await?;
        tx.commit().await
    }

    /// Removes a password that was lost.
    pub async fn forget_password(&self, of: SubAccountId, user: UserId) -> Result<()> {
        let mut tx = self.writer().await?;
        tx.execute(FORGET_PASSWORD, values![of, user]).await?;
        tx.commit().await
    }

    /// Sets or removes the second factor, with its recovery codes, and signs every browser out but the one it
    /// was set with.
    pub async fn set_second_factor(
        &self,
        (of, user): (SubAccountId, UserId),
        totp: Option<(Vec<u8>, i64)>,
        recovery: &[String],
        kept: [u8; 32],
    ) -> Result<()> {
        let (secret, step) = match totp {
            Some((secret, step)) => (Some(secret), step),
            None => (None, 0),
        };
        let mut tx = self.writer().await?;
        tx.execute(MAKE_CREDENTIALS, values![of, user]).await?;
        tx.execute(SET_TOTP, values![of, user, secret, step, json(&recovery)?]).await?;
        tx.execute(super::sessions::REMOVE_OTHER_SESSIONS, values![of, user, kept]).await?;
        tx.commit().await
    }

    /// Uses a one-time password of that step up. `false`: it, or a later one, was used before.
    pub async fn use_totp_step(&self, of: SubAccountId, user: UserId, step: i64) -> Result<bool> {
        let mut tx = self.writer().await?;
        let used = tx.execute(USE_TOTP, values![of, user, step]).await?;
        tx.commit().await?;
        Ok(used > 0)
    }

    /// Uses a recovery code up, by its hash. `false`: there is none such left.
    pub async fn use_recovery_code(
        &self,
        of: SubAccountId,
        user: UserId,
        hash: &str,
    ) -> Result<bool> {
        let former = self.credentials(of, user).await?.recovery;
        let left: Vec<&String> = former.iter().filter(|code| *code != hash).collect();
        if left.len() == former.len() {
            return Ok(false);
        }
        let mut tx = self.writer().await?;
        let used =
            tx.execute(USE_RECOVERY, values![of, user, json(&former)?, json(&left)?]).await?;
        tx.commit().await?;
        Ok(used > 0)
    }
}
