//! Erasure: a contact, a user, a sub-account, with raw mail, files, ids, events, and what verdicts say
//! of them. That a mail was judged stays known; whose it was does not.
//!
//! SQLite overwrites what is deleted, and its log is cut after an erasure. PostgreSQL's autovacuum does
//! that in its own time. Mail in other people's conversations that mentions an erased contact stays.
//!
//! Each begins with the lock that filing begins with: what was known of somebody is not acted on once
//! that somebody is gone.

use uuid::Uuid;

use super::columns::json;
use super::tx::Tx;
use super::value::values;
use super::{Database, Error, Result, Store, events, inboxes, named};
use crate::model::{Address, ContactId, ConversationId, SubAccountId, Time, UserId};

/// What becomes of a user's mail when the user goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mail {
    Keep,
    Erase,
}

statements! {
    CONTACT_TO_ERASE = "select email, written from contacts where sub_account = $1 and id = $2";
    USER_TO_ERASE = "select name from users where sub_account = $1 and id = $2";
    MESSAGES_OF_CONTACT = "select messages.id from conversations join messages \
            on messages.sub_account = conversations.sub_account \
            and messages.conversation_id = conversations.id \
        where conversations.sub_account = $1 and conversations.contact_id = $2";
    MESSAGES_OF_CONVERSATION = "select id from messages \
        where sub_account = $1 and conversation_id = $2 and conversation_id is not null";
    /// A mail that another user has seen, too, is not the user's alone (B9).
    MESSAGES_OF_USER = "select id from messages \
        where sub_account = $1 and user_id = $2 and user_id is not null \
            and not exists (select 1 from verdicts where verdicts.sub_account = $1 \
                and verdicts.stored_message_id = messages.id \
                and verdicts.stored_message_id is not null and verdicts.user_id <> $2)";
    HELD_OF_USER = "select id from messages \
        where sub_account = $1 and user_id = $2 and user_id is not null and state = 'held'";
    /// An address in JSON, whatever its case; `like` would take its `_` for any letter.
    VERDICTS_NAMING = "select id, stored_message_id from verdicts where sub_account = $1 \
        and (replace(lower(matched), $2, '') <> lower(matched) \
            or replace(lower(candidates), $2, '') <> lower(candidates) \
            or replace(lower(report), $2, '') <> lower(report))";
    /// What waits, or was discarded and can be taken back, from that address or to it.
    HELD_NAMING = "select messages.id from verdicts cross join messages \
        where verdicts.sub_account = $1 and verdicts.outcome in ('held', 'ignored') \
            and verdicts.stored_message_id is not null \
            and messages.sub_account = verdicts.sub_account \
            and messages.id = verdicts.stored_message_id and messages.state = 'held' \
            and (replace(lower(messages.sender), $2, '') <> lower(messages.sender) \
                or replace(lower(messages.recipients_to), $2, '') <> lower(messages.recipients_to) \
                or replace(lower(messages.recipients_cc), $2, '') <> lower(messages.recipients_cc))";
    VERDICTS_OF_USER = "select id from verdicts where sub_account = $1 and user_id = $2";
    VERDICTS_OF_MESSAGES = "select verdicts.id from {rows uuid uuid} as asked cross join verdicts \
        where verdicts.sub_account = asked.column1 \
            and verdicts.stored_message_id = asked.column2 \
            and verdicts.stored_message_id is not null";
    HELD_OF_VERDICTS = "select messages.id from {rows uuid uuid} as asked cross join messages \
        where messages.sub_account = asked.column1 and messages.id = asked.column2 \
            and messages.state = 'held'";
    CONVERSATIONS_OF_MESSAGES = "select distinct messages.conversation_id \
        from {rows uuid uuid} as asked cross join messages \
        where messages.sub_account = asked.column1 and messages.id = asked.column2 \
            and messages.conversation_id is not null";
    /// What a verdict says of people. A held mail that went reads as expired: it is not there.
    BLANK_VERDICTS = "update verdicts set matched = '{}', message_id = null, message_key = null, \
            user_id = null, conversation_id = null, stored_message_id = null, candidates = null, \
            report = null, trust = null, expires_at = null, recheck_at = null, \
            reason = case when outcome = 'held' then 'expired' else reason end \
        where (sub_account, id) in {rows uuid uuid}";
    REMOVE_ACTIONS = "delete from verdict_actions where (sub_account, verdict_id) in {rows uuid uuid}";
    REMOVE_ATTACHMENTS = "delete from attachments where (sub_account, message_id) in {rows uuid uuid}";
    REMOVE_ALIASES = "delete from aliases where (sub_account, message_id) in {rows uuid uuid}";
    REMOVE_LINKS = "delete from message_contacts where (sub_account, message_id) in {rows uuid uuid}";
    REMOVE_OUTGOING = "delete from outbox where (sub_account, id) in {rows uuid uuid}";
    REMOVE_WORDS = "delete from search_messages where (sub_account, message_id) in {rows uuid uuid}";
    REMOVE_DRAFTS_IN = "delete from drafts where sub_account = $1 and conversation_id = $2";
    REMOVE_DRAFTS_OF = "delete from drafts where sub_account = $1 and user_id = $2";
    REMOVE_INBOX = "delete from inboxes where sub_account = $1 and user_id = $2";
    REMOVE_MESSAGES = "delete from messages where (sub_account, id) in {rows uuid uuid}";
    REMOVE_LINKS_OF_CONTACT = "delete from message_contacts where sub_account = $1 and contact_id = $2";
    CONVERSATION_OF_CONTACT = "select id from conversations where sub_account = $1 and contact_id = $2";
    THREADS_OF_MESSAGES = "select distinct messages.thread_id \
        from {rows uuid uuid} as asked cross join messages \
        where messages.sub_account = asked.column1 and messages.id = asked.column2 \
            and messages.thread_id is not null";
    REMOVE_EMPTY_THREADS = "delete from threads where (sub_account, id) in {rows uuid uuid} \
        and not exists (select 1 from messages where messages.sub_account = threads.sub_account \
            and messages.thread_id = threads.id and messages.thread_id is not null)";
    REMOVE_CONVERSATION = "delete from conversations where sub_account = $1 and id = $2";
    REMOVE_CONTACT = "delete from contacts where sub_account = $1 and id = $2";
    REMOVE_SESSIONS = "delete from sessions where sub_account = $1 and user_id = $2";
    REMOVE_CREDENTIALS = "delete from credentials where sub_account = $1 and user_id = $2";
    REMOVE_ADDRESS_LINKS = "delete from address_links where sub_account = $1 and user_id = $2";
    REMOVE_SIGN_IN_LINKS = "delete from sign_in_links where sub_account = $1 and user_id = $2";
    DISOWN_MESSAGES = "update messages set user_id = null where sub_account = $1 and user_id = $2 \
        and user_id is not null";
    DISOWN_VERDICTS = "update verdicts set user_id = null where sub_account = $1 and user_id = $2";
    CONNECTIONS_OF_USER = "select id from connections where sub_account = $1 and user_id = $2";
    STOP_THREADS_OF_USER = "update threads set sync = 'stopped', sync_reason = 'mailbox_disconnected' \
        where sub_account = $1 and sync = 'tracked' and connection_id is not null \
            and connection_id in (select id from connections \
                where sub_account = $1 and user_id = $2)";
    REMOVE_FOLDERS = "delete from folders where (sub_account, connection_id) in {rows uuid uuid}";
    REMOVE_SEARCHES = "delete from searches where (sub_account, connection_id) in {rows uuid uuid}";
    REMOVE_WITHHELD = "delete from withheld where (sub_account, connection_id) in {rows uuid uuid}";
    REMOVE_UNCLAIMED = "delete from unclaimed where (sub_account, connection_id) in {rows uuid uuid}";
    REMOVE_CONSENTS = "delete from consents where (sub_account, connection_id) in {rows uuid uuid}";
    REMOVE_CONNECTIONS = "delete from connections where sub_account = $1 and user_id = $2";
    MAILBOXES_OF_USER = "select id from mailboxes where sub_account = $1 and user_id = $2";
    REMOVE_MAILBOXES = "delete from mailboxes where sub_account = $1 and user_id = $2";
    REMOVE_USER = "delete from users where sub_account = $1 and id = $2";
    REMOVE_ADDRESSES = "delete from user_addresses where sub_account = $1 and user_id = $2";
    /// They stay, nobody's: mail to them is refused as to any that was revoked, and none is made again.
    RETIRE_BCC_ADDRESSES = "update bcc_addresses \
            set user_id = $3, revoked_at = coalesce(revoked_at, $4) \
        where sub_account = $1 and user_id = $2";
}

/// Everything of a sub-account: one statement a table.
const TABLES: &[&str] = &[
    "delete from sub_accounts where sub_account = $1",
    "delete from tokens where sub_account = $1",
    "delete from sign_in_links where sub_account = $1",
    "delete from address_links where sub_account = $1",
    "delete from credentials where sub_account = $1",
    "delete from sessions where sub_account = $1",
    "delete from mailboxes where sub_account = $1",
    "delete from connections where sub_account = $1",
    "delete from consents where sub_account = $1",
    "delete from folders where sub_account = $1",
    "delete from searches where sub_account = $1",
    "delete from withheld where sub_account = $1",
    "delete from unclaimed where sub_account = $1",
    "delete from outbox where sub_account = $1",
    "delete from users where sub_account = $1",
    "delete from user_addresses where sub_account = $1",
    "delete from bcc_addresses where sub_account = $1",
    "delete from never_log where sub_account = $1",
    "delete from contacts where sub_account = $1",
    "delete from conversations where sub_account = $1",
    "delete from threads where sub_account = $1",
    "delete from messages where sub_account = $1",
    "delete from message_contacts where sub_account = $1",
    "delete from attachments where sub_account = $1",
    "delete from aliases where sub_account = $1",
    "delete from verdicts where sub_account = $1",
    "delete from verdict_actions where sub_account = $1",
    "delete from events where sub_account = $1",
    "delete from webhooks where sub_account = $1",
    "delete from webhook_deliveries where sub_account = $1",
    "delete from idempotency where sub_account = $1",
    "delete from search_progress where sub_account = $1",
    "delete from search_messages where sub_account = $1",
    "delete from drafts where sub_account = $1",
    "delete from inboxes where sub_account = $1",
];

impl Store {
    /// Erases a contact with its conversation; `false` if there is none.
    pub async fn erase_contact(&self, of: SubAccountId, contact: ContactId) -> Result<bool> {
        let mut tx = self.writer().await?;
        events::lock(&mut tx, &[of]).await?;
        let found: Option<(String, String)> =
            tx.optional(CONTACT_TO_ERASE, values![of, contact]).await?;
        let Some((email, written)) = found else { return Ok(false) };
        let conversation: Option<(Uuid,)> =
            tx.optional(CONVERSATION_OF_CONTACT, values![of, contact]).await?;
        let messages = tx.all(MESSAGES_OF_CONTACT, values![of, contact]).await?;
        erase_messages(&mut tx, of, messages).await?;
        erase_mentions(&mut tx, of, &email).await?;
        erase_held(&mut tx, of, &[email, written]).await?;
        tx.execute(REMOVE_LINKS_OF_CONTACT, values![of, contact]).await?;
        let mut objects = vec![contact.0];
        if let Some((conversation,)) = conversation {
            inboxes::forget(&mut tx, of, ConversationId(conversation)).await?;
            tx.execute(REMOVE_DRAFTS_IN, values![of, conversation]).await?;
            tx.execute(REMOVE_CONVERSATION, values![of, conversation]).await?;
            objects.push(conversation);
        }
        events::forget(&mut tx, of, objects).await?;
        tx.execute(REMOVE_CONTACT, values![of, contact]).await?;
        tx.commit().await?;
        self.forget_log().await?;
        Ok(true)
    }

    /// Erases a conversation with its mail; its contact stays. `false` if there is none.
    pub async fn erase_conversation(
        &self,
        of: SubAccountId,
        conversation: ConversationId,
    ) -> Result<bool> {
        let mut tx = self.writer().await?;
        events::lock(&mut tx, &[of]).await?;
        let messages = tx.all(MESSAGES_OF_CONVERSATION, values![of, conversation]).await?;
        erase_messages(&mut tx, of, messages).await?;
        inboxes::forget(&mut tx, of, conversation).await?;
        tx.execute(REMOVE_DRAFTS_IN, values![of, conversation]).await?;
        events::forget(&mut tx, of, [conversation.0]).await?;
        let removed = tx.execute(REMOVE_CONVERSATION, values![of, conversation]).await?;
        tx.commit().await?;
        self.forget_log().await?;
        Ok(removed > 0)
    }

    /// Erases a user with the addresses and, if so asked, the mail; `false` if there is none. The smart
    /// BCC address stops.
    pub async fn erase_user(
        &self,
        of: SubAccountId,
        user: UserId,
        mail: Mail,
        now: Time,
    ) -> Result<bool> {
        let mut tx = self.writer().await?;
        events::lock(&mut tx, &[of]).await?;
        let found: Option<(String,)> = tx.optional(USER_TO_ERASE, values![of, user]).await?;
        if found.is_none() {
            return Ok(false);
        }
        match mail {
            Mail::Erase => erase_mail_of_user(&mut tx, of, user).await?,
            Mail::Keep => disown_mail_of_user(&mut tx, of, user).await?,
        }
        tx.execute(REMOVE_SESSIONS, values![of, user]).await?;
        tx.execute(REMOVE_CREDENTIALS, values![of, user]).await?;
        erase_mailboxes_of_user(&mut tx, of, user).await?;
        tx.execute(REMOVE_SIGN_IN_LINKS, values![of, user]).await?;
        tx.execute(REMOVE_ADDRESS_LINKS, values![of, user]).await?;
        tx.execute(REMOVE_INBOX, values![of, user]).await?;
        tx.execute(REMOVE_DRAFTS_OF, values![of, user]).await?;
        tx.execute(REMOVE_ADDRESSES, values![of, user]).await?;
        tx.revokes = true;
        tx.execute(RETIRE_BCC_ADDRESSES, values![of, user, Uuid::nil(), now]).await?;
        tx.execute(REMOVE_USER, values![of, user]).await?;
        tx.commit().await?;
        self.forget_log().await?;
        Ok(true)
    }

    /// Erases a sub-account and everything of it; `false` if there is none. The operator's own stays.
    pub async fn erase_sub_account(&self, of: SubAccountId) -> Result<bool> {
        if of == SubAccountId::OPERATOR {
            return Ok(false);
        }
        let mut tx = self.writer().await?;
        tx.revokes = true;
        let mut removed = 0;
        for sql in TABLES.iter().copied() {
            removed += tx.execute(sql, values![of]).await?;
        }
        tx.news.insert(events::News::Forgotten(of));
        tx.commit().await?;
        self.forget_log().await?;
        Ok(removed > 0)
    }

    /// Copies SQLite's log into its place and cuts it, so that erased bytes are not in it either.
    async fn forget_log(&self) -> Result<()> {
        let Database::Sqlite(sqlite) = &self.database else { return Ok(()) };
        let done = sqlx::query("pragma wal_checkpoint(truncate)").execute(&sqlite.writer).await;
        done.map(drop).map_err(|error| self.failed(error))
    }
}

/// The user's mailboxes are watched no longer, and their secrets are gone; threads in them stop.
async fn erase_mailboxes_of_user(tx: &mut Tx<'_>, of: SubAccountId, user: UserId) -> Result<()> {
    tx.execute(STOP_THREADS_OF_USER, values![of, user]).await?;
    let connections: Vec<(Uuid,)> = tx.all(CONNECTIONS_OF_USER, values![of, user]).await?;
    let rows: Vec<_> = connections.iter().flat_map(|(id,)| values![of, *id]).collect();
    let all = [REMOVE_FOLDERS, REMOVE_SEARCHES, REMOVE_WITHHELD, REMOVE_UNCLAIMED, REMOVE_CONSENTS];
    for sql in all {
        tx.execute_rows(sql, rows.clone()).await?;
    }
    tx.execute(REMOVE_CONNECTIONS, values![of, user]).await?;
    let mailboxes: Vec<(Uuid,)> = tx.all(MAILBOXES_OF_USER, values![of, user]).await?;
    tx.execute(REMOVE_MAILBOXES, values![of, user]).await?;
    events::forget(tx, of, mailboxes.into_iter().map(|(id,)| id)).await
}

/// The mail stays, and names nobody who is gone. What is held goes: nobody is left to release it.
async fn disown_mail_of_user(tx: &mut Tx<'_>, of: SubAccountId, user: UserId) -> Result<()> {
    let held = tx.all(HELD_OF_USER, values![of, user]).await?;
    erase_messages(tx, of, held).await?;
    tx.execute(DISOWN_MESSAGES, values![of, user]).await?;
    tx.execute(DISOWN_VERDICTS, values![of, user]).await.map(drop)
}

async fn erase_mail_of_user(tx: &mut Tx<'_>, of: SubAccountId, user: UserId) -> Result<()> {
    let messages: Vec<(Uuid,)> = tx.all(MESSAGES_OF_USER, values![of, user]).await?;
    let rows = messages.iter().flat_map(|(message,)| values![of, *message]).collect();
    let conversations: Vec<(Uuid,)> = tx.all_of_rows(CONVERSATIONS_OF_MESSAGES, rows).await?;
    erase_messages(tx, of, messages).await?;
    for (conversation,) in conversations {
        tx.execute(super::again::RECOUNT, values![of, conversation]).await?;
    }
    tx.execute(DISOWN_MESSAGES, values![of, user]).await?;
    let verdicts = tx.all(VERDICTS_OF_USER, values![of, user]).await?;
    blank_verdicts(tx, of, verdicts).await
}

/// Messages with all that belongs to them, the threads that they leave empty, and what verdicts say of
/// them.
async fn erase_messages(tx: &mut Tx<'_>, of: SubAccountId, messages: Vec<(Uuid,)>) -> Result<()> {
    let rows: Vec<_> = messages.iter().flat_map(|(message,)| values![of, *message]).collect();
    let verdicts = tx.all_of_rows(VERDICTS_OF_MESSAGES, rows.clone()).await?;
    blank_verdicts(tx, of, verdicts).await?;
    let threads: Vec<(Uuid,)> = tx.all_of_rows(THREADS_OF_MESSAGES, rows.clone()).await?;
    let keys = named::keys(tx, of, &messages).await?;
    let all = [REMOVE_ATTACHMENTS, REMOVE_ALIASES, REMOVE_LINKS, REMOVE_WORDS, REMOVE_OUTGOING];
    for sql in all.into_iter().chain([REMOVE_MESSAGES]) {
        tx.execute_rows(sql, rows.clone()).await?;
    }
    named::keep(tx, of, &threads, &keys).await?;
    let threads = threads.into_iter().flat_map(|(thread,)| values![of, thread]).collect();
    tx.execute_rows(REMOVE_EMPTY_THREADS, threads).await?;
    events::forget(tx, of, messages.into_iter().map(|(message,)| message)).await
}

/// What was decided about mail of that address that is in no conversation, and what is held for it.
async fn erase_mentions(tx: &mut Tx<'_>, of: SubAccountId, email: &str) -> Result<()> {
    let address =
        Address::parse(email).ok_or_else(|| Error::damaged("a contact without address"))?;
    // With its quotes: joann@x.org is not ann@x.org.
    let quoted = json(&address.normal())?;
    let verdicts: Vec<(Uuid, Option<Uuid>)> = tx.all(VERDICTS_NAMING, values![of, quoted]).await?;
    let stored = verdicts.iter().filter_map(|(_, message)| *message);
    let rows = stored.flat_map(|message| values![of, message]).collect();
    let held = tx.all_of_rows(HELD_OF_VERDICTS, rows).await?;
    erase_messages(tx, of, held).await?;
    blank_verdicts(tx, of, verdicts.into_iter().map(|(verdict, _)| (verdict,)).collect()).await
}

/// Held mail that is from that address or to it, in any of its forms: released, it would bring its
/// contact back. Mail keeps an address as it was written, and so may have another form than verdicts.
async fn erase_held(tx: &mut Tx<'_>, of: SubAccountId, forms: &[String]) -> Result<()> {
    for form in forms {
        let quoted = json(&form.to_lowercase())?;
        let held = tx.all(HELD_NAMING, values![of, quoted]).await?;
        erase_messages(tx, of, held).await?;
    }
    Ok(())
}

async fn blank_verdicts(tx: &mut Tx<'_>, of: SubAccountId, verdicts: Vec<(Uuid,)>) -> Result<()> {
    let rows: Vec<_> = verdicts.iter().flat_map(|(verdict,)| values![of, *verdict]).collect();
    tx.execute_rows(BLANK_VERDICTS, rows.clone()).await?;
    tx.execute_rows(REMOVE_ACTIONS, rows).await?;
    events::forget(tx, of, verdicts.into_iter().map(|(verdict,)| verdict)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sub_account_is_erased_from_every_table() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/sqlite");
        let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        let text: String = files.map(|file| std::fs::read_to_string(file).unwrap()).collect();
        let tables = text.lines().filter_map(|line| line.strip_prefix("create table "));
        let names = tables.filter_map(|line| line.split(' ').next());
        // A table that takes another's place has its name afterwards.
        for table in names.map(|name| name.trim_end_matches("_by_key")) {
            let erased = format!("delete from {table} where sub_account = $1");
            assert!(TABLES.contains(&erased.as_str()), "{table}");
        }
    }
}
