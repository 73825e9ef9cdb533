//! Browsers that are signed in, known by the hash of what their cookie holds.

use uuid::Uuid;

use super::value::values;
use super::{Result, Store};
use crate::model::{SubAccountId, Time, UserId};

statements! {
    SESSION = "select sub_account, hash, user_id, agent, created_at, seen_at from sessions
        where hash = $1 and expires_at > $2";
    SESSIONS = "select sub_account, hash, user_id, agent, created_at, seen_at from sessions
        where sub_account = $1 and user_id = $2 and expires_at > $3 order by seen_at desc limit 50";
    ADD_SESSION = "insert into sessions
        (sub_account, hash, user_id, agent, created_at, seen_at, expires_at)
        select sub_account, $3, id, $4, $5, $5, $6 from users where sub_account = $1 and id = $2";
    TOUCH_SESSION = "update sessions set seen_at = $3, expires_at = $4
        where sub_account = $1 and hash = $2";
    REMOVE_SESSION = "delete from sessions where sub_account = $1 and hash = $2";
    REMOVE_OTHER_SESSIONS = "delete from sessions
        where sub_account = $1 and user_id = $2 and hash <> $3";
}

/// A browser that signs in.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// SHA-256 of what the cookie holds.
    pub hash: [u8; 32],
    /// What it says it is.
    pub agent: String,
    pub expires_at: Time,
}

/// A browser that is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub sub_account: SubAccountId,
    pub user: UserId,
    pub hash: [u8; 32],
    pub agent: String,
    pub created_at: Time,
    pub seen_at: Time,
}

#[derive(sqlx::FromRow)]
struct Row {
    sub_account: Uuid,
    hash: Vec<u8>,
    user_id: Uuid,
    agent: String,
    created_at: i64,
    seen_at: i64,
}

impl Row {
    fn read(self) -> Result<Session> {
        let hash = self.hash.try_into();
        Ok(Session {
            sub_account: SubAccountId(self.sub_account),
            user: UserId(self.user_id),
            hash: hash.map_err(|_| super::Error::damaged("a session whose hash is none"))?,
            agent: self.agent,
            created_at: Time::from_micros(self.created_at),
            seen_at: Time::from_micros(self.seen_at),
        })
    }
}

impl Store {
    /// Signs a browser in. `false`: the user is gone.
    pub async fn add_session(
        &self,
        of: SubAccountId,
        user: UserId,
        session: NewSession,
        now: Time,
    ) -> Result<bool> {
        let mut tx = self.writer().await?;
        let mut values = values![of, user, session.hash, session.agent, now];
        values.extend(values![session.expires_at]);
        let added = tx.execute(ADD_SESSION, values).await?;
        tx.commit().await?;
        Ok(added > 0)
    }

    /// The session of a cookie, while it lasts.
    pub async fn session(&self, hash: [u8; 32], now: Time) -> Result<Option<Session>> {
        let mut tx = self.reader().await?;
        let row: Option<Row> = tx.optional(SESSION, values![hash, now]).await?;
        row.map(Row::read).transpose()
    }

    /// The sessions of a user, the latest first.
    pub async fn sessions(
        &self,
        of: SubAccountId,
        user: UserId,
        now: Time,
    ) -> Result<Vec<Session>> {
        let mut tx = self.reader().await?;
        let rows: Vec<Row> = tx.all(SESSIONS, values![of, user, now]).await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Notes that a session is in use.
    pub async fn touch_session(
        &self,
        session: &Session,
        now: Time,
        expires_at: Time,
    ) -> Result<()> {
        let mut tx = self.writer().await?;
        let values = values![session.sub_account, session.hash, now, expires_at];
        tx.execute(TOUCH_SESSION, values).await?;
        tx.commit().await
    }

    /// Signs a browser out.
    pub async fn end_session(&self, of: SubAccountId, hash: [u8; 32]) -> Result<()> {
        let mut tx = self.writer().await?;
        tx.execute(REMOVE_SESSION, values![of, hash]).await?;
        tx.commit().await
    }

    /// Signs every browser of a user out but one.
    pub async fn end_other_sessions(
        &self,
        of: SubAccountId,
        user: UserId,
        kept: [u8; 32],
    ) -> Result<()> {
        let mut tx = self.writer().await?;
        tx.execute(REMOVE_OTHER_SESSIONS, values![of, user, kept]).await?;
        tx.commit().await
    }
}
