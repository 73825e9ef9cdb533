//! How a connection begins and ends: its rows, its consents, and what becomes of the threads that were
//! tracked in it (M3 to M6). Each step is one transaction, with its event.

use uuid::Uuid;

use super::mailboxes::{StoredMailbox, read_mailbox};
use super::tx::Tx;
use super::users::LOCK_USER;
use super::value::values;
use super::{Error, Result, Store, events, outbox};
use crate::model::{
    Account, Address, ConnectionId, Event, EventId, EventType, MailboxId, MailboxState,
    SubAccountId, Time, UserId,
};

statements! {
    MAILBOX_OF_USER = "select id from mailboxes where sub_account = $1 and user_id = $2 \
        order by id desc limit 1";
    ADD_MAILBOX = "insert into mailboxes \
        (sub_account, id, user_id, connection_id, pending_id, created_at) \
        values ($1, $2, $3, null, null, $4)";
    SET_PENDING = "update mailboxes set pending_id = $3 where sub_account = $1 and id = $2";
    SET_CONNECTION = "update mailboxes set connection_id = $3, pending_id = null \
        where sub_account = $1 and id = $2";
    /// Not while another has taken its place.
    LEAVE_PENDING = "update mailboxes set pending_id = null \
        where sub_account = $1 and id = $2 and pending_id = $3";
    ADD_CONNECTION = "insert into connections (sub_account, id, mailbox_id, user_id, provider, \
            address, account, secret, secret_version, state, created_at) \
        values ($1, $2, $3, $4, $5, $6, $7, $8, 0, 'connecting', $9)";
    ADD_CONSENT = "insert into consents (sub_account, hash, connection_id, secret, expires_at) \
        select sub_account, $2, id, $4, $5 from connections \
        where sub_account = $1 and id = $3 and state <> 'disconnected'";
    TAKE_CONSENT = "delete from consents where hash = $1 \
        returning sub_account, connection_id, secret, expires_at";
    FORGET_CONSENTS = "delete from consents where expires_at <= $1";
    ACTIVATE = "update connections set state = 'active', detail = $3, address = $4, account = $5, \
            sent_folder = coalesce($6, sent_folder), connected_at = coalesce(connected_at, $7) \
        where sub_account = $1 and id = $2 and state <> 'disconnected'";
    MAILBOX_OF = "select mailbox_id from connections where sub_account = $1 and id = $2";
    NEED_REAUTH = "update connections set state = 'needs_reauth', detail = $3 \
        where sub_account = $1 and id = $2 and state = 'active' and secret_version = $4 \
        returning mailbox_id";
    STATE_AND_SECRET = "select state, provider, address, secret from connections \
        where sub_account = $1 and id = $2";
    END = "update connections set state = 'disconnected', detail = $3, secret = null, \
            secret_version = secret_version + 1, refresh_until = null \
        where sub_account = $1 and id = $2";
    STOP_THREADS = "update threads set sync = 'stopped', sync_reason = $3 \
        where sub_account = $1 and connection_id = $2 and connection_id is not null \
        and sync = 'tracked'";
    REMOVE_FOLDERS = "delete from folders where sub_account = $1 and connection_id = $2";
    REMOVE_SEARCHES = "delete from searches where sub_account = $1 and connection_id = $2";
    REMOVE_WITHHELD = "delete from withheld where sub_account = $1 and connection_id = $2";
    REMOVE_CONSENTS = "delete from consents where sub_account = $1 and connection_id = $2";
    TRACK_IN = "update users set connection_id = $3 where sub_account = $1 and id = $2";
    /// In this order, or SQLite reads all threads of the sub-account.
    THREADS_TO_RESUME = "select threads.id from connections cross join threads \
        where connections.sub_account = $1 and connections.mailbox_id = $2 \
            and connections.address = $3 and threads.sub_account = connections.sub_account \
            and threads.connection_id = connections.id and threads.sync = 'stopped' \
        order by threads.id";
    RESUME = "update threads set sync = 'tracked', sync_reason = null, connection_id = $3 \
        where sub_account = $1 and id = $2 and sync = 'stopped'";
    SEARCH = "insert into searches (sub_account, connection_id, thread_id, created_at) \
        values ($1, $2, $3, $4) on conflict do nothing";
}

/// A connection that begins.
#[derive(Clone, Debug)]
pub struct NewConnection {
    pub id: ConnectionId,
    pub provider: String,
    /// The one that is expected; `None`: whoever consents.
    pub address: Option<Address>,
    pub account: Account,
    /// A password, sealed.
    pub secret: Option<Vec<u8>>,
}

/// What became of a beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    Yes(MailboxId),
    /// The user has a mailbox that is connected.
    Taken,
    /// There is no such user, or no such mailbox that is connected.
    Nobody,
}

/// A connection that is proved.
#[derive(Clone, Debug)]
pub struct Proved {
    pub address: Address,
    pub account: Account,
    /// By its name on the wire.
    pub sent_folder: Option<String>,
    /// What is still to be known, if anything is.
    pub detail: Option<String>,
}

/// A connection that has ended, and what can still be revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub id: ConnectionId,
    pub provider: String,
    /// Whose account it was, as far as that is known.
    pub address: Option<Address>,
    /// It is erased here.
    pub secret: Option<Vec<u8>>,
}

/// A consent under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredConsent {
    pub sub_account: SubAccountId,
    pub connection: ConnectionId,
    pub secret: Vec<u8>,
}

/// Why threads stop, as the API tells it.
const REPLACED: &str = "mailbox_replaced";
const DISCONNECTED: &str = "mailbox_disconnected";

impl Store {
    /// Begins to connect a mailbox of a user, who has none that is connected. One that the user had before
    /// is connected anew; an attempt that came to nothing is dropped.
    pub async fn connect_mailbox(
        &self,
        of: SubAccountId,
        user: UserId,
        new: (MailboxId, NewConnection),
        now: Time,
    ) -> Result<Begun> {
        let (id, connection) = new;
        let mut tx = self.writer().await?;
        if tx.execute(LOCK_USER, values![of, user]).await? == 0 {
            return Ok(Begun::Nobody);
        }
        let known: Option<(Uuid,)> = tx.optional(MAILBOX_OF_USER, values![of, user]).await?;
        let mailbox = match known {
            Some((known,)) => read_mailbox(&mut tx, of, MailboxId(known)).await?,
            None => None,
        };
        let is_connected = mailbox.as_ref().is_some_and(is_connected);
        if is_connected {
            return Ok(Begun::Taken);
        }
        if mailbox.is_none() {
            tx.execute(ADD_MAILBOX, values![of, id, user, now]).await?;
        }
        let id = mailbox.as_ref().map_or(id, |mailbox| mailbox.id);
        set_pending(&mut tx, of, (id, user, mailbox.as_ref()), &connection, now).await?;
        tx.commit().await?;
        Ok(Begun::Yes(id))
    }

    /// Begins to connect another account in the place of the one that is connected, which works on until
    /// the new one is active (M4).
    pub async fn replace_mailbox(
        &self,
        of: SubAccountId,
        id: MailboxId,
        new: &NewConnection,
        now: Time,
    ) -> Result<Begun> {
        let mut tx = self.writer().await?;
        let Some(mailbox) = read_mailbox(&mut tx, of, id).await? else { return Ok(Begun::Nobody) };
        if !is_connected(&mailbox) {
            return Ok(Begun::Nobody);
        }
        tx.execute(LOCK_USER, values![of, mailbox.user]).await?;
        set_pending(&mut tx, of, (id, mailbox.user, Some(&mailbox)), new, now).await?;
        tx.commit().await?;
        Ok(Begun::Yes(id))
    }

    /// Keeps a consent under way, by the hash of its state. `false`: its connection has ended.
    pub async fn add_consent(
        &self,
        hash: [u8; 32],
        consent: &StoredConsent,
        expires_at: Time,
    ) -> Result<bool> {
        let (of, connection) = (consent.sub_account, consent.connection);
        let mut tx = self.writer().await?;
        // Who asks anew means this answer and no earlier one.
        tx.execute(REMOVE_CONSENTS, values![of, connection]).await?;
        let values = values![of, hash, connection, consent.secret.as_slice(), expires_at];
        let added = tx.execute(ADD_CONSENT, values).await?;
        tx.commit().await?;
        Ok(added > 0)
    }

    /// Uses a consent up: which it was, if it is still good (RFC 6749 10.12: once, and not for long).
    pub async fn take_consent(&self, hash: [u8; 32], now: Time) -> Result<Option<StoredConsent>> {
        let mut tx = self.writer().await?;
        let row: Option<(Uuid, Uuid, Vec<u8>, i64)> =
            tx.optional(TAKE_CONSENT, values![hash]).await?;
        tx.commit().await?;
        let good = row.filter(|(_, _, _, expires_at)| *expires_at > now.as_micros());
        Ok(good.map(|(of, connection, secret, _)| StoredConsent {
            sub_account: SubAccountId(of),
            connection: ConnectionId(connection),
            secret,
        }))
    }

    /// Removes consents that nobody came back from.
    pub async fn expire_consents(&self, now: Time) -> Result<u64> {
        let mut tx = self.writer().await?;
        let removed = tx.execute(FORGET_CONSENTS, values![now]).await?;
        tx.commit().await?;
        Ok(removed)
    }

    /// A connection is proved: it is the mailbox's now, and the former one ends (M4). Answers the one that
    /// ended; [`Error::Conflict`] when this one has ended meanwhile.
    pub async fn activate_connection(
        &self,
        of: SubAccountId,
        id: ConnectionId,
        proved: &Proved,
        (event, now): (EventId, Time),
    ) -> Result<Option<Ended>> {
        let mut tx = self.writer().await?;
        events::lock(&mut tx, &[of]).await?;
        let account = serde_json::to_string(&proved.account).map_err(Error::damaged)?;
        let (detail, sent) = (proved.detail.as_deref(), proved.sent_folder.as_deref());
        let values = values![of, id, detail, proved.address.normal(), account, sent, now];
        let gone = || Error::Conflict("the connection has ended".to_owned());
        if tx.execute(ACTIVATE, values).await? == 0 {
            return Err(gone());
        }
        let (mailbox,): (Uuid,) =
            tx.optional(MAILBOX_OF, values![of, id]).await?.ok_or_else(gone)?;
        let mailbox = read_mailbox(&mut tx, of, MailboxId(mailbox)).await?.ok_or_else(gone)?;
        let former = mailbox.connection.as_ref().map(|it| it.id).filter(|it| *it != id);
        let ended = match former {
            Some(former) => end(&mut tx, of, former, REPLACED).await?,
            None => None,
        };
        tx.execute(SET_CONNECTION, values![of, mailbox.id, id]).await?;
        tx.execute(TRACK_IN, values![of, mailbox.user, id]).await?;
        outbox::follow(&mut tx, of, (mailbox.id, id), &proved.address).await?;
        tell(&mut tx, of, (event, EventType::MailboxActive, mailbox.id), now).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// The user must consent again (M3). `false`: it was said before, or the secret is another by now.
    pub async fn need_reauth(
        &self,
        (of, id): (SubAccountId, ConnectionId),
        version: i64,
        detail: &str,
        (event, now): (EventId, Time),
    ) -> Result<bool> {
        let mut tx = self.writer().await?;
        events::lock(&mut tx, &[of]).await?;
        let row: Option<(Uuid,)> =
            tx.optional(NEED_REAUTH, values![of, id, detail, version]).await?;
        let Some((mailbox,)) = row else { return Ok(false) };
        let told = (event, EventType::MailboxNeedsReauth, MailboxId(mailbox));
        tell(&mut tx, of, told, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Leaves another account that is being connected to a mailbox, which stays (M4). Answers what ended;
    /// `None`: there is nothing to leave.
    pub async fn leave_pending(&self, of: SubAccountId, id: MailboxId) -> Result<Option<Ended>> {
        let mut tx = self.writer().await?;
        events::lock(&mut tx, &[of]).await?;
        let mailbox = read_mailbox(&mut tx, of, id).await?.filter(is_connected);
        let Some(pending) = mailbox.and_then(|mailbox| mailbox.pending) else { return Ok(None) };
        if tx.execute(LEAVE_PENDING, values![of, id, pending.id]).await? == 0 {
            return Ok(None);
        }
        let ended = end(&mut tx, of, pending.id, DISCONNECTED).await?;
        tx.commit().await?;
        Ok(ended)
    }

    /// Disconnects a mailbox (M5): its threads stop, its secrets are erased. Answers what ended; `None`:
    /// there is no such mailbox.
    pub async fn disconnect_mailbox(
        &self,
        of: SubAccountId,
        id: MailboxId,
        (event, now): (EventId, Time),
    ) -> Result<Option<Vec<Ended>>> {
        let mut tx = self.writer().await?;
        events::lock(&mut tx, &[of]).await?;
        let Some(mailbox) = read_mailbox(&mut tx, of, id).await? else { return Ok(None) };
        let was_connected = is_connected(&mailbox);
        let mut ended = Vec::new();
        for connection in mailbox.connection.iter().chain(&mailbox.pending) {
            ended.extend(end(&mut tx, of, connection.id, DISCONNECTED).await?);
        }
        let last = mailbox.connection.or(mailbox.pending).map(|connection| connection.id);
        tx.execute(SET_CONNECTION, values![of, id, last]).await?;
        tx.execute(TRACK_IN, values![of, mailbox.user, None::<ConnectionId>]).await?;
        if was_connected {
            tell(&mut tx, of, (event, EventType::MailboxDisconnected, id), now).await?;
        }
        tx.commit().await?;
        Ok(Some(ended))
    }

    /// Tracks the threads again that stopped when an earlier connection of the same address ended, and has
    /// what came meanwhile searched for (M5, T10). `None`: the mailbox is not connected.
    pub async fn resume_mailbox(
        &self,
        of: SubAccountId,
        id: MailboxId,
        now: Time,
    ) -> Result<Option<usize>> {
        let mut tx = self.writer().await?;
        events::lock(&mut tx, &[of]).await?;
        let Some(mailbox) = read_mailbox(&mut tx, of, id).await? else { return Ok(None) };
        let Some(connection) = mailbox.connection.filter(|it| it.state == MailboxState::Active)
        else {
            return Ok(None);
        };
        let address = connection.address.as_ref().map(Address::normal);
        let threads: Vec<(Uuid,)> = tx.all(THREADS_TO_RESUME, values![of, id, address]).await?;
        for (thread,) in &threads {
            tx.execute(RESUME, values![of, *thread, connection.id]).await?;
            tx.execute(SEARCH, values![of, connection.id, *thread, now]).await?;
        }
        tx.commit().await?;
        Ok(Some(threads.len()))
    }
}

/// Is there one that works, or that only waits for its user?
fn is_connected(mailbox: &StoredMailbox) -> bool {
    let state = mailbox.connection.as_ref().map(|connection| connection.state);
    matches!(state, Some(MailboxState::Active | MailboxState::NeedsReauth))
}

/// Puts a new connection where the mailbox is being connected; an earlier attempt ends.
async fn set_pending(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    (id, user, mailbox): (MailboxId, UserId, Option<&StoredMailbox>),
    new: &NewConnection,
    now: Time,
) -> Result<()> {
    if let Some(former) = mailbox.and_then(|mailbox| mailbox.pending.as_ref()) {
        end(tx, of, former.id, DISCONNECTED).await?;
    }
    let account = serde_json::to_string(&new.account).map_err(Error::damaged)?;
    let address = new.address.as_ref().map(Address::normal);
    let (provider, secret) = (new.provider.as_str(), new.secret.clone());
    let values = values![of, new.id, id, user, provider, address, account, secret, now];
    tx.execute(ADD_CONNECTION, values).await?;
    tx.execute(SET_PENDING, values![of, id, new.id]).await.map(drop)
}

/// Ends a connection; `None` when it had ended before.
async fn end(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    id: ConnectionId,
    reason: &str,
) -> Result<Option<Ended>> {
    let row: Option<(String, String, Option<String>, Option<Vec<u8>>)> =
        tx.optional(STATE_AND_SECRET, values![of, id]).await?;
    let Some((state, provider, address, secret)) = row else { return Ok(None) };
    if state == MailboxState::Disconnected.name() {
        return Ok(None);
    }
    tx.execute(END, values![of, id, None::<&str>]).await?;
    tx.execute(STOP_THREADS, values![of, id, reason]).await?;
    for sql in [REMOVE_FOLDERS, REMOVE_SEARCHES, REMOVE_WITHHELD, REMOVE_CONSENTS] {
        tx.execute(sql, values![of, id]).await?;
    }
    let address = address.as_deref().and_then(Address::parse);
    Ok(Some(Ended { id, provider, address, secret }))
}

async fn tell(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    (id, event_type, mailbox): (EventId, EventType, MailboxId),
    at: Time,
) -> Result<()> {
    events::append(tx, &[(of, Event { id, event_type, object_id: mailbox.0, at })]).await
}
