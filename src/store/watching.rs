//! What is watched: active connections, how far their folders were read, and what is still to be
//! searched for.

use uuid::Uuid;

use super::tx::Tx;
use super::value::{Value, values};
use super::{Error, Filing, Result, Store};
use crate::clock;
use crate::decide::Change;
use crate::model::{
    Account, ConnectionId, Folder, FolderRole, MessageId, SubAccountId, ThreadId, Time, UserId,
};

statements! {
    WATCHED = "select sub_account, id, user_id, account, sent_folder, connected_at \
        from connections where state = 'active' order by sub_account, id";
    WATCHED_OF = "select connections.sub_account, connections.id, connections.user_id, \
            connections.account, connections.sent_folder, connections.connected_at \
        from {rows uuid} as asked join connections on connections.sub_account = asked.column1 \
        where connections.state = 'active'";
    TOUCH = "update connections set last_sync_at = $3 \
        where sub_account = $1 and id = $2 and state = 'active'";
    ADVANCE = "update folders set uid_next = $6 where sub_account = $1 and connection_id = $2 \
        and name = $3 and uid_validity = $4 and uid_next = $5";
    FOLDERS = "select name, role, uid_validity, uid_next from folders \
        where sub_account = $1 and connection_id = $2 order by name";
    ADD_FOLDER = "insert into folders (sub_account, connection_id, name, role, uid_validity, uid_next) \
        values ($1, $2, $3, $4, $5, $6) \
        on conflict (sub_account, connection_id, name) do update set role = excluded.role, \
            uid_validity = excluded.uid_validity, uid_next = excluded.uid_next";
    /// That it was not known yet is told no more. That copies are filed was seen of the folder before.
    SENT_FOLDER = "update connections set sent_folder = $3, detail = case \
            when state = 'active' and sent_folder is null then null else detail end, \
            files_sent_at = case when sent_folder is null or sent_folder = $3 then files_sent_at end \
        where sub_account = $1 and id = $2";
    /// Where a thread is to be searched for, a withheld mail asked for, or a sent copy can be filed.
    ALL_SEARCHES = "select sub_account, connection_id from searches where created_at <= $1 \
        union select sub_account, connection_id from withheld where next_at <= $1 \
        union select outbox.sub_account, outbox.connection_id from outbox \
        join connections on connections.sub_account = outbox.sub_account \
            and connections.id = outbox.connection_id \
        where outbox.copy_wanted and connections.sent_folder is not null";
    SEARCHES = "select thread_id, created_at from searches where sub_account = $1 and connection_id = $2 \
        and created_at <= $3 order by created_at limit 100";
    /// It stays: what was not searched for was not found to be absent (S5).
    PUT_OFF = "update searches set created_at = $4 where sub_account = $1 and connection_id = $2 \
        and thread_id = $3";
    IDS_OF_THREAD = "select message_id, reference_ids from messages \
        where sub_account = $1 and thread_id = $2 order by at desc limit 10";
    FILES_SENT = "select files_sent_at from connections where sub_account = $1 and id = $2";
    SENT_FOLDER_OF = "select sent_folder from connections where sub_account = $1 and id = $2";
    /// Not what was asked for anew while it was searched for: that may not have been seen.
    SEARCHED = "delete from searches where sub_account = $1 and connection_id = $2 \
        and thread_id = $3 and created_at = $4";
}

/// A connection that is to be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    pub sub_account: SubAccountId,
    pub connection: ConnectionId,
    pub user: UserId,
    pub account: Account,
    /// By its name on the wire; `None` while it is not known.
    pub sent_folder: Option<String>,
    pub connected_at: Time,
}

/// What a page of found mail moves beside its verdicts (T7).
#[derive(Clone, Copy, Debug)]
pub struct Advance<'a> {
    pub sub_account: SubAccountId,
    pub connection: ConnectionId,
    /// The folder as it was read.
    pub folder: &'a Folder,
    /// The lowest UID that is not seen then; `None` for mail that was searched for, or asked for again.
    pub uid_next: Option<u32>,
    pub now: Time,
}

/// What became of an [`Advance`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advanced {
    Yes,
    /// The cursor is not where it was: another watcher was here.
    Moved,
    /// The connection has ended.
    Gone,
}

impl Advance<'_> {
    pub(super) async fn apply(&self, tx: &mut Tx<'_>) -> Result<Advanced> {
        let place = values![self.sub_account, self.connection];
        let touch = [place.clone(), values![self.now]].concat();
        if tx.execute(TOUCH, touch).await? == 0 {
            return Ok(Advanced::Gone);
        }
        let Some(uid_next) = self.uid_next else { return Ok(Advanced::Yes) };
        let folder = self.folder;
        let step = values![folder.name.as_str(), folder.uid_validity, folder.uid_next, uid_next];
        let moved = tx.execute(ADVANCE, [place, step].concat()).await?;
        Ok(if moved > 0 { Advanced::Yes } else { Advanced::Moved })
    }

    /// T8: where a copy of what the CRM sent turned up is where sent mail is kept. It is learnt with the copy:
    /// a copy elsewhere says nothing for the folder that was taken for it before (S5).
    pub(super) async fn learn(&self, tx: &mut Tx<'_>, filings: &[Filing]) -> Result<()> {
        let is_copy = |change: &Change| matches!(change, Change::SentCopySeen { .. });
        let has_copy = filings.iter().any(|filing| filing.decision.changes.iter().any(is_copy));
        if !has_copy || self.folder.role != FolderRole::Other {
            return Ok(());
        }
        let values = values![self.sub_account, self.connection, self.folder.name.as_str()];
        tx.execute(SENT_FOLDER, values).await.map(drop)
    }
}

type WatchedRow = (Uuid, Uuid, Uuid, String, Option<String>, Option<i64>);

impl Store {
    /// Every connection that is to be watched.
    pub async fn watched(&self) -> Result<Vec<Watched>> {
        let mut tx = self.reader().await?;
        let rows: Vec<WatchedRow> = tx.all(WATCHED, Vec::new()).await?;
        rows.into_iter().map(watched).collect()
    }

    /// Those of these sub-accounts.
    pub async fn watched_of(
        &self,
        accounts: impl IntoIterator<Item = SubAccountId>,
    ) -> Result<Vec<Watched>> {
        let mut tx = self.reader().await?;
        let rows = accounts.into_iter().map(Value::from).collect();
        let rows: Vec<WatchedRow> = tx.all_of_rows(WATCHED_OF, rows).await?;
        rows.into_iter().map(watched).collect()
    }

    /// The folders of a connection that have a cursor.
    pub async fn folders(&self, of: SubAccountId, id: ConnectionId) -> Result<Vec<Folder>> {
        let mut tx = self.reader().await?;
        let rows: Vec<(String, String, i64, i64)> = tx.all(FOLDERS, values![of, id]).await?;
        rows.into_iter().map(folder).collect()
    }

    /// Gives a folder its cursor, or a new one when its UIDs lost their meaning.
    pub async fn set_folder(
        &self,
        of: SubAccountId,
        id: ConnectionId,
        folder: &Folder,
    ) -> Result<()> {
        let mut tx = self.writer().await?;
        let values = values![
            of,
            id,
            folder.name.as_str(),
            folder.role.name(),
            i64::from(folder.uid_validity),
            i64::from(folder.uid_next),
        ];
        tx.execute(ADD_FOLDER, values).await?;
        tx.commit().await
    }

    /// Remembers that all is read up to now; `false` when the connection has ended.
    pub async fn touch_connection(
        &self,
        of: SubAccountId,
        id: ConnectionId,
        now: Time,
    ) -> Result<bool> {
        let mut tx = self.writer().await?;
        let touched = tx.execute(TOUCH, values![of, id, now]).await?;
        tx.commit().await?;
        Ok(touched > 0)
    }

    /// Remembers which folder holds sent mail (T8).
    pub async fn set_sent_folder(
        &self,
        of: SubAccountId,
        id: ConnectionId,
        name: &str,
    ) -> Result<()> {
        let mut tx = self.writer().await?;
        tx.execute(SENT_FOLDER, values![of, id, name]).await?;
        tx.commit().await
    }

    /// The connections in which something is to be searched for (T10, S5), asked for again (V1), or a copy
    /// filed (S6).
    pub async fn connections_to_search(&self) -> Result<Vec<(SubAccountId, ConnectionId)>> {
        let mut tx = self.reader().await?;
        let rows: Vec<(Uuid, Uuid)> = tx.all(ALL_SEARCHES, values![clock::now()]).await?;
        Ok(rows.into_iter().map(|(of, id)| (SubAccountId(of), ConnectionId(id))).collect())
    }

    /// The threads to be searched for in a connection, and when that was asked.
    pub async fn searches(
        &self,
        of: SubAccountId,
        id: ConnectionId,
    ) -> Result<Vec<(ThreadId, Time)>> {
        let mut tx = self.reader().await?;
        let now = clock::now();
        let rows: Vec<(Uuid, i64)> = tx.all(SEARCHES, values![of, id, now]).await?;
        let search = |(thread, at)| (ThreadId(thread), Time::from_micros(at));
        Ok(rows.into_iter().map(search).collect())
    }

    /// The ids of a thread's newest messages, and those they name.
    pub async fn ids_of_thread(
        &self,
        of: SubAccountId,
        thread: ThreadId,
    ) -> Result<Vec<MessageId>> {
        let mut tx = self.reader().await?;
        let rows: Vec<(String, String)> = tx.all(IDS_OF_THREAD, values![of, thread]).await?;
        let mut own = Vec::with_capacity(rows.len());
        let mut named: Vec<MessageId> = Vec::new();
        for (id, references) in rows {
            own.extend(MessageId::parse(&id));
            let references: Vec<MessageId> =
                serde_json::from_str(&references).map_err(Error::damaged)?;
            named.extend(references);
        }
        named.retain(|id| !own.contains(id));
        named.sort();
        named.dedup();
        Ok(own.into_iter().chain(named).collect())
    }

    /// Which folder holds sent mail, as far as it is known.
    pub async fn sent_folder(&self, of: SubAccountId, id: ConnectionId) -> Result<Option<String>> {
        let mut tx = self.reader().await?;
        let row: Option<(Option<String>,)> = tx.optional(SENT_FOLDER_OF, values![of, id]).await?;
        Ok(row.and_then(|(name,)| name))
    }

    /// Was a copy seen that the provider filed in the folder which is known?
    pub async fn files_sent(&self, of: SubAccountId, id: ConnectionId) -> Result<bool> {
        let mut tx = self.reader().await?;
        let row: Option<(Option<i64>,)> = tx.optional(FILES_SENT, values![of, id]).await?;
        Ok(row.is_some_and(|(at,)| at.is_some()))
    }

    /// A thread could not be searched for: it is tried again then.
    pub async fn put_search_off(
        &self,
        of: SubAccountId,
        id: ConnectionId,
        thread: ThreadId,
        until: Time,
    ) -> Result<()> {
        let mut tx = self.writer().await?;
        tx.execute(PUT_OFF, values![of, id, thread, until]).await?;
        tx.commit().await
    }

    /// A thread was searched for, as it was asked then.
    pub async fn searched(
        &self,
        of: SubAccountId,
        id: ConnectionId,
        (thread, asked_at): (ThreadId, Time),
    ) -> Result<()> {
        let mut tx = self.writer().await?;
        tx.execute(SEARCHED, values![of, id, thread, asked_at]).await?;
        tx.commit().await
    }
}

fn watched((of, id, user, account, sent_folder, connected_at): WatchedRow) -> Result<Watched> {
    Ok(Watched {
        sub_account: SubAccountId(of),
        connection: ConnectionId(id),
        user: UserId(user),
        account: serde_json::from_str(&account).map_err(Error::damaged)?,
        sent_folder,
        connected_at: Time::from_micros(connected_at.unwrap_or_default()),
    })
}

fn folder((name, role, uid_validity, uid_next): (String, String, i64, i64)) -> Result<Folder> {
    let number = |value: i64| u32::try_from(value).map_err(Error::damaged);
    Ok(Folder {
        name,
        role: FolderRole::parse(&role).ok_or_else(|| Error::damaged("a folder's role"))?,
        uid_validity: number(uid_validity)?,
        uid_next: number(uid_next)?,
    })
}
