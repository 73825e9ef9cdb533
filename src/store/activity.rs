//! Verdicts with the mail behind them, as the Activity page lists and searches them.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::messages::json;
use super::value::values;
use super::verdicts::{Index, Row, VerdictFilter};
use super::window::containing;
use super::{Position, Result, Store, Tx, Window};
use crate::model::{Outcome, Person, SubAccountId, UserId, Verdict, VerdictId};

/// The verdicts that a search looks at, of an outcome and of a user; each is left out by null. What is given stands
/// here once more, plainly: by that an index is found.
macro_rules! looked_at {
    ($plainly:literal) => {
        concat!(
            " from verdicts where sub_account = $1 and id < $2
                and (cast($4 as text) is null or outcome = $4)
                and (cast($5 as uuid) is null or user_id = $5)",
            $plainly,
            " order by id desc"
        )
    };
}

/// Looks at so many verdicts and no further, so that the answer comes soon however many there are.
macro_rules! search {
    ($plainly:literal) => {
        concat!(
            "select ",
            super::verdicts::verdict_columns!(),
            " from (
            select latest.*, messages.subject, messages.sender, messages.recipients_to,
                messages.recipients_cc
            from (select *",
            looked_at!($plainly),
            " limit $7) as latest
            left join messages on messages.sub_account = latest.sub_account
                and messages.id = latest.stored_message_id) as looked_at
        where lower(subject) like $6 escape '!' or subject like $8 escape '!'
            or lower(sender) like $6 escape '!' or lower(recipients_to) like $6 escape '!'
            or lower(recipients_cc) like $6 escape '!' or lower(matched) like $6 escape '!'
            or lower(message_id) like $6 escape '!'
        order by id desc limit $3"
        )
    };
}

/// The last that a search has looked at.
macro_rules! looked_upto {
    ($plainly:literal) => {
        concat!("select id", looked_at!($plainly), " limit 1 offset $3")
    };
}

statements! {
    SEARCH = search!("");
    SEARCH_OF_OUTCOME = search!(" and outcome = $4");
    SEARCH_OF_OWNER = search!(" and user_id = $5");
    /// Whose they are that were made since.
    OWNERS_AFTER = "select id, user_id from verdicts where sub_account = $1 and id > $2
        order by id limit $3";
    OWNERS = "select verdicts.user_id from {rows uuid uuid} as asked cross join verdicts
        where verdicts.sub_account = asked.column1 and verdicts.id = asked.column2";
    MAIL = "select messages.id, messages.subject, messages.sender, messages.recipients_to
        from {rows uuid uuid} as asked cross join messages
        where messages.sub_account = asked.column1 and messages.id = asked.column2";
    /// Every page asks, so it looks at so many and no further.
    HELD_OF = "select count(*) from (select 1 as one from verdicts
            where sub_account = $1 and user_id = $2 and outcome = 'held' and reason <> 'expired'
            limit 100) as held";
    /// In the order of the index of what is held, by which SQLite takes that one and reads nothing that has expired.
    HELD = "select count(*) from (select 1 as one from verdicts
            where sub_account = $1 and outcome = 'held' and reason <> 'expired'
            order by user_id limit 100) as held";
    LOOKED_UPTO = looked_upto!("");
    LOOKED_UPTO_OF_OUTCOME = looked_upto!(" and outcome = $4");
    LOOKED_UPTO_OF_OWNER = looked_upto!(" and user_id = $5");
}

/// How many verdicts a search looks at, at once.
const LOOKED_AT: i64 = 20_000;

/// A verdict, and what its mail was about while it is stored.
#[derive(Clone, Debug)]
pub struct Seen {
    pub verdict: Verdict,
    pub mail: Option<SeenMail>,
}

/// What a list shows of a mail.
#[derive(Clone, Debug)]
pub struct SeenMail {
    pub subject: String,
    pub from: Option<Person>,
    pub to: Vec<Person>,
}

#[derive(sqlx::FromRow)]
struct MailRow {
    id: Uuid,
    subject: String,
    sender: Option<String>,
    recipients_to: String,
}

impl MailRow {
    fn read(self) -> Result<(Uuid, SeenMail)> {
        let from = self.sender.map(|text| json(&text)).transpose()?;
        let mail = SeenMail { subject: self.subject, from, to: json(&self.recipients_to)? };
        Ok((self.id, mail))
    }
}

impl Store {
    /// The verdicts of a sub-account with their mail, newest first.
    pub async fn activity(
        &self,
        of: SubAccountId,
        filter: &VerdictFilter,
        window: Window,
    ) -> Result<Vec<Seen>> {
        let verdicts = self.verdicts(of, filter, window).await?;
        let mut tx = self.reader().await?;
        with_mail(&mut tx, of, verdicts).await
    }

    /// Verdicts that have a text in an address, a subject or a Message-ID; and where to look further, if
    /// there are more than it has looked at.
    pub async fn search_activity(
        &self,
        of: SubAccountId,
        (outcome, user): (Option<Outcome>, Option<UserId>),
        text: &str,
        window: Window,
    ) -> Result<(Vec<Seen>, Option<Position>)> {
        let mut tx = self.reader().await?;
        let mut values = values![of, window.descending_start().id, window.limit];
        values.extend(values![outcome.map(Outcome::name), user]);
        values.extend(values![containing(&text.to_lowercase()), LOOKED_AT, containing(text)]);
        let (search, looked_upto) = of_search(outcome, user);
        let rows: Vec<Row> = tx.all(search, values).await?;
        let verdicts: Vec<Verdict> = rows.into_iter().map(Row::read).collect::<Result<_>>()?;
        let is_full = verdicts.len() as i64 >= window.limit;
        let mut upto = values![of, window.descending_start().id, LOOKED_AT - 1];
        upto.extend(values![outcome.map(Outcome::name), user]);
        let upto: Option<(Uuid,)> =
            if is_full { None } else { tx.optional(looked_upto, upto).await? };
        let further = upto.map(|(id,)| Position { at: 0, id });
        Ok((with_mail(&mut tx, of, verdicts).await?, further))
    }

    /// A verdict with its mail.
    pub async fn seen(&self, of: SubAccountId, verdict: Verdict) -> Result<Option<Seen>> {
        let mut tx = self.reader().await?;
        Ok(with_mail(&mut tx, of, vec![verdict]).await?.into_iter().next())
    }

    /// Verdicts that were made after one, in order, and whose they are.
    pub async fn verdict_owners_after(
        &self,
        of: SubAccountId,
        after: VerdictId,
        limit: u32,
    ) -> Result<Vec<(VerdictId, Option<UserId>)>> {
        let mut tx = self.reader().await?;
        let rows: Vec<(Uuid, Option<Uuid>)> =
            tx.all(OWNERS_AFTER, values![of, after, limit]).await?;
        Ok(rows.into_iter().map(|(id, user)| (VerdictId(id), user.map(UserId))).collect())
    }

    /// Whose verdicts these are.
    pub async fn verdict_owners(
        &self,
        of: SubAccountId,
        ids: impl IntoIterator<Item = VerdictId>,
    ) -> Result<Vec<Option<UserId>>> {
        let asked = ids.into_iter().flat_map(|id| values![of, id]).collect();
        let mut tx = self.reader().await?;
        let rows: Vec<(Option<Uuid>,)> = tx.all_of_rows(OWNERS, asked).await?;
        Ok(rows.into_iter().map(|(user,)| user.map(UserId)).collect())
    }

    /// How many mails wait for somebody; 100 stands for more, too.
    pub async fn held_count(&self, of: SubAccountId, user: Option<UserId>) -> Result<i64> {
        let mut tx = self.reader().await?;
        let row: Option<(i64,)> = match user {
            Some(user) => tx.optional(HELD_OF, values![of, user]).await?,
            None => tx.optional(HELD, values![of]).await?,
        };
        Ok(row.map_or(0, |(count,)| count))
    }
}

/// The statements that find what is asked for by its index.
const fn of_search(outcome: Option<Outcome>, user: Option<UserId>) -> (&'static str, &'static str) {
    match Index::of(outcome, user) {
        Index::Owner => (SEARCH_OF_OWNER, LOOKED_UPTO_OF_OWNER),
        Index::Outcome => (SEARCH_OF_OUTCOME, LOOKED_UPTO_OF_OUTCOME),
        Index::Id => (SEARCH, LOOKED_UPTO),
    }
}

async fn with_mail(tx: &mut Tx<'_>, of: SubAccountId, verdicts: Vec<Verdict>) -> Result<Vec<Seen>> {
    let stored = verdicts.iter().filter_map(|verdict| verdict.stored_message_id);
    let asked = stored.flat_map(|message| values![of, message]).collect();
    let rows: Vec<MailRow> = tx.all_of_rows(MAIL, asked).await?;
    let mail = rows.into_iter().map(MailRow::read).collect::<Result<BTreeMap<_, _>>>()?;
    let seen = verdicts.into_iter().map(|verdict| {
        let mail = verdict.stored_message_id.and_then(|id| mail.get(&id.0).cloned());
        Seen { verdict, mail }
    });
    Ok(seen.collect())
}
