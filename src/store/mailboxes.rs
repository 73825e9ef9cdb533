//! Mailboxes and their connections, as they are shown and as they are signed in with.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::users::address;
use super::value::values;
use super::{Error, Result, Store, Tx, Window};
use crate::model::{
    Account, Address, ConnectionId, MailboxId, MailboxState, SubAccountId, Time, UserId,
};

statements! {
    MAILBOXES = "select id, user_id, connection_id, pending_id, created_at from mailboxes \
        where sub_account = $1 and id > $2 and (user_id = $4 or $5) order by id limit $3";
    MAILBOX = "select id, user_id, connection_id, pending_id, created_at from mailboxes \
        where sub_account = $1 and id = $2";
    CONNECTIONS = "select connections.id, connections.mailbox_id, connections.user_id, \
            connections.provider, connections.address, connections.account, connections.state, \
            connections.detail, connections.sent_folder, connections.connected_at, \
            connections.last_sync_at, \
            (select count(*) from withheld where withheld.sub_account = connections.sub_account \
                and withheld.connection_id = connections.id) as withheld \
        from {rows uuid uuid} as asked cross join connections \
        where connections.sub_account = asked.column1 and connections.id = asked.column2";
    SECRET = "select secret, secret_version from connections where sub_account = $1 and id = $2";
    BY_ADDRESS = "select sub_account, id from connections where address = $1 \
        and state <> 'disconnected' order by sub_account, id";
    NOT_ENDED = "select sub_account, id from connections where state <> 'disconnected' \
        order by sub_account, id";
    /// Only who has it may ask the provider, until then; and only for the secret that is there.
    TAKE_REFRESH = "update connections set refresh_until = $4 where sub_account = $1 and id = $2 \
        and secret_version = $3 and state <> 'disconnected' \
        and (refresh_until is null or refresh_until <= $5)";
    GIVE_REFRESH_BACK = "update connections set refresh_until = null \
        where sub_account = $1 and id = $2 and secret_version = $3";
    /// A mailbox that works and lacks nothing has nothing to tell any more: what was told was of the former.
    SWAP_SECRET = "update connections set secret = $4, secret_version = secret_version + 1, \
            refresh_until = null, detail = case \
                when state = 'active' and sent_folder is not null then null else detail end \
        where sub_account = $1 and id = $2 and secret_version = $3 and state <> 'disconnected'";
    /// Somebody else's consent, or this user's in another place, with the same account (M6).
    CONSENTED = "select sub_account from connections where address = $1 and provider = $2 \
        and state <> 'disconnected' and secret is not null limit 1";
    /// Of a mailbox that works nothing is told but that its folder of sent mail is not known.
    SET_WATCH_DETAIL = "update connections \
        set detail = coalesce($3, case when sent_folder is null then $4 end) \
        where sub_account = $1 and id = $2 and state = 'active'";
    SET_DETAIL = "update connections set detail = $3 where sub_account = $1 and id = $2 \
        and state <> 'disconnected'";
}

/// A mailbox with what is connected and what is being connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredMailbox {
    pub id: MailboxId,
    pub user: UserId,
    /// The connection in use, or the last one.
    pub connection: Option<StoredConnection>,
    /// What is being connected: the first, or another (M4).
    pub pending: Option<StoredConnection>,
    pub created_at: Time,
}

/// A connection without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredConnection {
    pub id: ConnectionId,
    pub mailbox: MailboxId,
    pub user: UserId,
    pub provider: String,
    pub address: Option<Address>,
    pub account: Account,
    pub state: MailboxState,
    pub detail: Option<String>,
    pub sent_folder: Option<String>,
    pub connected_at: Option<Time>,
    pub last_sync_at: Option<Time>,
    /// So many mails its server lists and does not give.
    pub withheld: i64,
}

/// A sealed secret, and how often it was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedSecret {
    /// `None`: it was erased, or never given.
    pub sealed: Option<Vec<u8>>,
    pub version: i64,
}

type Row = (Uuid, Uuid, Option<Uuid>, Option<Uuid>, i64);

#[derive(sqlx::FromRow)]
struct ConnectionRow {
    id: Uuid,
    mailbox_id: Uuid,
    user_id: Uuid,
    provider: String,
    address: Option<String>,
    account: String,
    state: String,
    detail: Option<String>,
    sent_folder: Option<String>,
    connected_at: Option<i64>,
    last_sync_at: Option<i64>,
    withheld: i64,
}

impl Store {
    /// The mailboxes of a sub-account, or of one of its users, by the time they were made.
    pub async fn mailboxes(
        &self,
        of: SubAccountId,
        user: Option<UserId>,
        window: Window,
    ) -> Result<Vec<StoredMailbox>> {
        let mut tx = self.reader().await?;
        let (after, all) = (window.ascending_start().id, user.is_none());
        let rows: Vec<Row> = tx.all(MAILBOXES, values![of, after, window.limit, user, all]).await?;
        with_connections(&mut tx, of, rows).await
    }

    /// A mailbox.
    pub async fn mailbox(&self, of: SubAccountId, id: MailboxId) -> Result<Option<StoredMailbox>> {
        let mut tx = self.reader().await?;
        read_mailbox(&mut tx, of, id).await
    }

    /// A connection.
    pub async fn connection(
        &self,
        of: SubAccountId,
        id: ConnectionId,
    ) -> Result<Option<StoredConnection>> {
        let mut tx = self.reader().await?;
        Ok(read_connections(&mut tx, of, &[id.0]).await?.remove(&id.0))
    }

    /// What a connection is signed in with, sealed.
    pub async fn connection_secret(
        &self,
        of: SubAccountId,
        id: ConnectionId,
    ) -> Result<Option<SealedSecret>> {
        let mut tx = self.reader().await?;
        let row: Option<(Option<Vec<u8>>, i64)> = tx.optional(SECRET, values![of, id]).await?;
        Ok(row.map(|(sealed, version)| SealedSecret { sealed, version }))
    }

    /// The connections that have not ended, of all sub-accounts (M6): those of an address, or all.
    pub async fn connections_of(
        &self,
        address: Option<&Address>,
    ) -> Result<Vec<(SubAccountId, ConnectionId)>> {
        let mut tx = self.reader().await?;
        let rows: Vec<(Uuid, Uuid)> = match address {
            Some(address) => tx.all(BY_ADDRESS, values![address.normal()]).await?,
            None => tx.all(NOT_ENDED, Vec::new()).await?,
        };
        Ok(rows.into_iter().map(|(of, id)| (SubAccountId(of), ConnectionId(id))).collect())
    }

    /// Does a connection that has not ended live by a consent of this account (M6)?
    pub async fn is_consented(&self, provider: &str, address: &Address) -> Result<bool> {
        let mut tx = self.reader().await?;
        let found: Option<(Uuid,)> =
            tx.optional(CONSENTED, values![address.normal(), provider]).await?;
        Ok(found.is_some())
    }

    /// Takes the turn of asking for a new token, until a time. `false`: another has it, or the secret is
    /// another by now.
    pub async fn take_refresh(
        &self,
        (of, id): (SubAccountId, ConnectionId),
        version: i64,
        now: Time,
        until: Time,
    ) -> Result<bool> {
        let mut tx = self.writer().await?;
        let taken = tx.execute(TAKE_REFRESH, values![of, id, version, until, now]).await?;
        tx.commit().await?;
        Ok(taken > 0)
    }

    /// Gives the turn back: nothing new came.
    pub async fn give_refresh_back(
        &self,
        of: SubAccountId,
        id: ConnectionId,
        version: i64,
    ) -> Result<()> {
        let mut tx = self.writer().await?;
        tx.execute(GIVE_REFRESH_BACK, values![of, id, version]).await?;
        tx.commit().await
    }

    /// Puts another secret in the place of this version. `false`: it is another by now, or was erased.
    pub async fn swap_secret(
        &self,
        of: SubAccountId,
        id: ConnectionId,
        version: i64,
        sealed: &[u8],
    ) -> Result<bool> {
        let mut tx = self.writer().await?;
        let swapped = tx.execute(SWAP_SECRET, values![of, id, version, sealed]).await?;
        tx.commit().await?;
        Ok(swapped > 0)
    }

    /// Says of a connection what its user or operator should know.
    pub async fn set_connection_detail(
        &self,
        of: SubAccountId,
        id: ConnectionId,
        detail: Option<&str>,
    ) -> Result<()> {
        let mut tx = self.writer().await?;
        tx.execute(SET_DETAIL, values![of, id, detail]).await?;
        tx.commit().await
    }

    /// Says why an active mailbox cannot be watched; `None`: it can, and only `no_sent_folder` may be left to
    /// be told.
    pub async fn set_watch_detail(
        &self,
        (of, id): (SubAccountId, ConnectionId),
        trouble: Option<&str>,
        no_sent_folder: &str,
    ) -> Result<()> {
        let mut tx = self.writer().await?;
        tx.execute(SET_WATCH_DETAIL, values![of, id, trouble, no_sent_folder]).await?;
        tx.commit().await
    }
}

pub(super) async fn read_mailbox(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    id: MailboxId,
) -> Result<Option<StoredMailbox>> {
    let row: Option<Row> = tx.optional(MAILBOX, values![of, id]).await?;
    let found = with_connections(tx, of, row.into_iter().collect()).await?;
    Ok(found.into_iter().next())
}

async fn with_connections(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    rows: Vec<Row>,
) -> Result<Vec<StoredMailbox>> {
    let ids = rows.iter().flat_map(|(_, _, connection, pending, _)| [*connection, *pending]);
    let ids: Vec<Uuid> = ids.flatten().collect();
    let mut connections = read_connections(tx, of, &ids).await?;
    let mut take = |id: Option<Uuid>| id.and_then(|id| connections.remove(&id));
    let mailboxes = rows.into_iter().map(|(id, user, connection, pending, created_at)| {
        let pending = pending.filter(|pending| connection != Some(*pending));
        StoredMailbox {
            id: MailboxId(id),
            user: UserId(user),
            connection: take(connection),
            pending: take(pending),
            created_at: Time::from_micros(created_at),
        }
    });
    Ok(mailboxes.collect())
}

async fn read_connections(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    ids: &[Uuid],
) -> Result<BTreeMap<Uuid, StoredConnection>> {
    let asked = ids.iter().flat_map(|id| values![of, *id]).collect();
    let rows: Vec<ConnectionRow> = tx.all_of_rows(CONNECTIONS, asked).await?;
    rows.into_iter().map(|row| Ok((row.id, row.read()?))).collect()
}

impl ConnectionRow {
    fn read(self) -> Result<StoredConnection> {
        let state = MailboxState::parse(&self.state);
        Ok(StoredConnection {
            id: ConnectionId(self.id),
            mailbox: MailboxId(self.mailbox_id),
            user: UserId(self.user_id),
            provider: self.provider,
            address: self.address.as_deref().map(address).transpose()?,
            account: serde_json::from_str(&self.account).map_err(Error::damaged)?,
            state: state.ok_or_else(|| Error::damaged("a connection's state"))?,
            detail: self.detail,
            sent_folder: self.sent_folder,
            connected_at: self.connected_at.map(Time::from_micros),
            last_sync_at: self.last_sync_at.map(Time::from_micros),
            withheld: self.withheld,
        })
    }
}
