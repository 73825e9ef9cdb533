//! What the mail of the last days was like, for the question what another setting would have done to it.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::messages::json;
use super::value::values;
use super::{Result, Store};
use crate::model::{Address, Person, SendKind, SubAccountId, Time};

statements! {
    RECENT_MESSAGES = "select id, state, direction, doors, recipients_to, recipients_cc from messages
        where sub_account = $1 and id >= $2 and state <> 'held' order by id desc limit $3";
    RECENT_FILES = "select attachments.message_id, file_name, size, state, reason
        from {rows uuid uuid} as asked cross join attachments
        where attachments.sub_account = asked.column1 and attachments.message_id = asked.column2
            and not inline";
    RECENT_VERDICTS = "select reason, count(*) from (select reason from verdicts
            where sub_account = $1 and id >= $2 order by id desc limit $3) as recent
        group by reason";
    /// Mail that was filed although nothing proved its sender.
    RECENT_UNPROVED = "select count(*) from (select trust, outcome from verdicts
            where sub_account = $1 and id >= $2 and outcome = 'filed' order by id desc limit $3) as recent
        where trust like '%\"trust\":\"unverified\"%' or trust like '%\"trust\":\"unknown\"%'";
    /// What was sent, and of bulk mail from whom it says it is.
    RECENT_SENT = "select recent.user_id, recent.connection_id, recent.kind, messages.sender
        from (select sub_account, id, user_id, connection_id, kind from outbox
            where sub_account = $1 and id >= $2 order by id desc limit $3) as recent
        left join messages on messages.sub_account = recent.sub_account
            and messages.id = recent.id and recent.kind = 'bulk'";
    /// Without `coalesce` SQLite reads those of all sub-accounts.
    MAILBOXES_OF_USERS = "select user_id, address from connections
        where sub_account = $1 and coalesce(state, null) in ('active', 'needs_reauth')
            and address is not null";
    CONTACTS_KNOWN = "select contacts.email from {rows uuid text} as asked cross join contacts
        where contacts.sub_account = asked.column1 and contacts.email = asked.column2";
}

/// So many of each are looked at: the latest.
const LOOKED_AT: i64 = 5_000;

/// The mail of the last days, as far as settings look at it.
#[derive(Clone, Debug, Default)]
pub struct RecentMail {
    pub messages: Vec<RecentMessage>,
    /// Verdicts by their reason's code.
    pub verdicts: BTreeMap<String, i64>,
    /// Mail that was filed although nothing proved its sender.
    pub unproved: i64,
    /// Bulk mail that went out through the mailbox of its user.
    pub bulk_by_mailbox: i64,
    /// Bulk mail that went out through the relay, and was from the address of the user's mailbox.
    pub bulk_from_mailbox: i64,
    /// Only the latest were looked at, as there were more.
    pub is_part: bool,
}

/// A message that is filed or left out.
#[derive(Clone, Debug)]
pub struct RecentMessage {
    pub is_left_out: bool,
    pub is_outbound: bool,
    /// It came to the smart BCC address.
    pub is_smart_bcc: bool,
    /// Normal forms.
    pub to: Vec<String>,
    /// Normal forms of those in Cc, and are they contacts?
    pub cc: Vec<(String, bool)>,
    pub files: Vec<RecentFile>,
}

/// A file that is no picture of a body.
#[derive(Clone, Debug)]
pub struct RecentFile {
    pub name: String,
    pub size: u64,
    pub is_stored: bool,
    /// Why it is not: a reason's code.
    pub reason: Option<String>,
}

type MessageRow = (Uuid, String, Option<String>, i64, String, String);
type SentRow = (Uuid, Option<Uuid>, String, Option<String>);
type FileRow = (Uuid, String, i64, String, Option<String>);

impl Store {
    /// The mail that came since then.
    pub async fn recent_mail(&self, of: SubAccountId, since: Time) -> Result<RecentMail> {
        let first = first_id(since);
        let mut tx = self.reader().await?;
        let rows: Vec<MessageRow> = tx.all(RECENT_MESSAGES, values![of, first, LOOKED_AT]).await?;
        let asked = rows.iter().flat_map(|row| values![of, row.0]).collect();
        let files: Vec<FileRow> = tx.all_of_rows(RECENT_FILES, asked).await?;
        let verdicts: Vec<(String, i64)> =
            tx.all(RECENT_VERDICTS, values![of, first, LOOKED_AT]).await?;
        let unproved: Option<(i64,)> =
            tx.optional(RECENT_UNPROVED, values![of, first, LOOKED_AT]).await?;
        let sent: Vec<SentRow> = tx.all(RECENT_SENT, values![of, first, LOOKED_AT]).await?;
        let mailboxes: Vec<(Uuid, String)> = tx.all(MAILBOXES_OF_USERS, values![of]).await?;
        let (bulk_by_mailbox, bulk_from_mailbox) = bulk(&sent, &mailboxes)?;
        let is_part = [rows.len(), sent.len()].iter().any(|count| *count as i64 == LOOKED_AT);
        let mut messages = messages(rows, files)?;
        let mut cc: Vec<&str> = Vec::new();
        for message in &messages {
            cc.extend(message.cc.iter().map(|(email, _)| email.as_str()));
        }
        cc.sort_unstable();
        cc.dedup();
        let asked = cc.iter().flat_map(|email| values![of, *email]).collect();
        let known: Vec<(String,)> = tx.all_of_rows(CONTACTS_KNOWN, asked).await?;
        for (email, is_contact) in messages.iter_mut().flat_map(|message| &mut message.cc) {
            *is_contact = known.iter().any(|(known,)| known == email);
        }
        Ok(RecentMail {
            messages,
            verdicts: verdicts.into_iter().collect(),
            unproved: unproved.map_or(0, |(count,)| count),
            bulk_by_mailbox,
            bulk_from_mailbox,
            is_part,
        })
    }
}

/// Of bulk mail: how much went through mailboxes, and how much of the relay's could have.
fn bulk(sent: &[SentRow], mailboxes: &[(Uuid, String)]) -> Result<(i64, i64)> {
    let addresses: BTreeMap<Uuid, Address> = mailboxes
        .iter()
        .filter_map(|(user, address)| Some((*user, Address::parse(address)?)))
        .collect();
    let (mut by_mailbox, mut from_mailbox) = (0, 0);
    for (user, connection, kind, sender) in sent {
        if kind != SendKind::Bulk.name() {
            continue;
        }
        if connection.is_some() {
            by_mailbox += 1;
            continue;
        }
        let sender: Option<Person> = sender.as_deref().map(json).transpose()?;
        let own = addresses.get(user);
        from_mailbox += i64::from(own.is_some() && own == sender.as_ref().map(|it| &it.email));
    }
    Ok((by_mailbox, from_mailbox))
}

fn messages(rows: Vec<MessageRow>, files: Vec<FileRow>) -> Result<Vec<RecentMessage>> {
    let mut by_message: BTreeMap<Uuid, Vec<RecentFile>> = BTreeMap::new();
    for (message, name, size, state, reason) in files {
        let size = u64::try_from(size).unwrap_or(0);
        let file = RecentFile { name, size, is_stored: state == "stored", reason };
        by_message.entry(message).or_default().push(file);
    }
    let normal = |text: &str| -> Result<Vec<String>> {
        let people: Vec<Person> = json(text)?;
        Ok(people.iter().map(|person| person.email.normal().to_owned()).collect())
    };
    rows.into_iter()
        .map(|(id, state, direction, doors, to, cc)| {
            Ok(RecentMessage {
                is_left_out: state == "skipped",
                is_outbound: direction.as_deref() == Some("outbound"),
                is_smart_bcc: crate::model::Doors(doors)
                    .iter()
                    .any(|it| it == crate::model::Door::Smtp),
                to: normal(&to)?,
                cc: normal(&cc)?.into_iter().map(|email| (email, false)).collect(),
                files: by_message.remove(&id).unwrap_or_default(),
            })
        })
        .collect()
}

/// The least id that something made then can have (RFC 9562 5.7): ids begin with their time.
fn first_id(since: Time) -> Uuid {
    let millis = u128::try_from(since.as_millis()).unwrap_or(0);
    Uuid::from_u128(millis << 80)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bulk_mail_is_told_apart_by_its_way_and_its_author() {
        let [ann, bea] = [1, 2].map(Uuid::from_u128);
        let from = |email: &str| Some(format!("{{\"email\":\"{email}\",\"name\":null}}"));
        let sent = [
            (ann, Some(Uuid::max()), "bulk".to_owned(), from("ann@acme.example")),
            (ann, None, "bulk".to_owned(), from("Ann@acme.example")),
            (ann, None, "bulk".to_owned(), from("news@acme.example")),
            (bea, None, "bulk".to_owned(), from("bea@acme.example")),
            (ann, None, "workflow".to_owned(), None),
        ];
        let mailboxes = [(ann, "ann@acme.example".to_owned())];
        assert_eq!(bulk(&sent, &mailboxes).ok(), Some((1, 1)));
    }
}
