//! Verdicts, as the API shows them, and what is held behind them.

use uuid::Uuid;

use super::messages::{json, known};
use super::value::values;
use super::{Result, Store, Tx, Window};
use crate::model::{
    ConversationId, Door, MessageId, MessageKey, Outcome, Reason, StoredMessageId, SubAccountId,
    Time, UserId, Verdict, VerdictId,
};

macro_rules! verdict_columns {
    () => {
        "id, at, door, reason, matched, message_id, user_id, conversation_id, stored_message_id,
        candidates, report, trust, expires_at, recheck_at"
    };
}

pub(super) use verdict_columns;

/// Has a user seen a message, whoever's it is (B9)? PostgreSQL would read all verdicts for an `exists`, and
/// SQLite all of the user's without `coalesce`.
macro_rules! is_seen_by {
    ($of:expr, $message:expr, $user:expr) => {
        concat!(
            "(select 1 from verdicts where verdicts.sub_account = ",
            $of,
            " and verdicts.stored_message_id = ",
            $message,
            " and verdicts.stored_message_id is not null and coalesce(verdicts.user_id, null) = ",
            $user,
            " limit 1) is not null"
        )
    };
}

pub(super) use is_seen_by;

/// The filters that every list of verdicts has; each is left out by null.
macro_rules! verdict_filters {
    () => {
        " from verdicts where sub_account = $1 and id < $2
        and (cast($4 as text) is null or outcome = $4)
        and (cast($5 as text) is null or reason = $5)
        and (cast($6 as text) is null or door = $6)
        and (cast($7 as uuid) is null or user_id = $7)"
    };
}

statements! {
    VERDICT = concat!("select ", verdict_columns!(), " from verdicts
        where sub_account = $1 and id = $2");
    VERDICTS = concat!("select ", verdict_columns!(), verdict_filters!(),
        " order by id desc limit $3");
    VERDICTS_OF_OUTCOME = concat!("select ", verdict_columns!(), verdict_filters!(),
        " and outcome = $4 order by id desc limit $3");
    VERDICTS_OF_OWNER = concat!("select ", verdict_columns!(), verdict_filters!(),
        " and user_id = $7 order by id desc limit $3");
    /// A mail is found by its key, or as the stored message that has the id as its own: its few verdicts first, of
    /// which those are kept that the filters let through. Each join is in this order, or SQLite reads all verdicts.
    VERDICTS_OF_MESSAGE = concat!("with found(verdict_id) as (
            select keyed.id from verdicts as keyed
            where keyed.sub_account = $1 and keyed.message_key = $8
            union select private.id from verdicts as private
            where private.sub_account = $1 and private.message_key = $9
            union select stored.id from aliases cross join verdicts as stored
            where aliases.sub_account = $1 and aliases.key = $8 and aliases.own
                and stored.sub_account = aliases.sub_account
                and stored.stored_message_id = aliases.message_id)
        select ", verdict_columns!(), " from found cross join (select *", verdict_filters!(), ") as verdicts
        where id = verdict_id order by id desc limit $3");
}

/// Which verdicts are listed.
#[derive(Clone, Debug, Default)]
pub struct VerdictFilter {
    pub message_id: Option<MessageId>,
    /// The key of that id as mail has it that was seen in a mailbox and not kept.
    pub private_key: Option<MessageKey>,
    pub outcome: Option<Outcome>,
    pub reason: Option<Reason>,
    pub door: Option<Door>,
    pub user_id: Option<UserId>,
}

/// By which index verdicts are found.
pub(super) enum Index {
    Owner,
    Outcome,
    Id,
}

impl Index {
    /// The shortest of what is asked for. A user has a few of all; of all mail little is held, though a user may have
    /// much that is not.
    pub(super) const fn of(outcome: Option<Outcome>, user: Option<UserId>) -> Self {
        match (outcome, user) {
            (Some(Outcome::Held), _) | (Some(_), None) => Self::Outcome,
            (_, Some(_)) => Self::Owner,
            (None, None) => Self::Id,
        }
    }
}

/// A verdict as its columns are.
#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: Uuid,
    at: i64,
    door: String,
    reason: String,
    matched: String,
    message_id: Option<String>,
    user_id: Option<Uuid>,
    conversation_id: Option<Uuid>,
    stored_message_id: Option<Uuid>,
    candidates: Option<String>,
    report: Option<String>,
    trust: Option<String>,
    expires_at: Option<i64>,
    recheck_at: Option<i64>,
}

impl Row {
    pub(super) fn read(self) -> Result<Verdict> {
        Ok(Verdict {
            id: VerdictId(self.id),
            at: Time::from_micros(self.at),
            door: known(Door::parse(&self.door), &self.door)?,
            reason: known(Reason::parse(&self.reason), &self.reason)?,
            matched: json(&self.matched)?,
            message_id: self.message_id.as_deref().and_then(MessageId::parse),
            private_key: None,
            user_id: self.user_id.map(UserId),
            conversation_id: self.conversation_id.map(ConversationId),
            stored_message_id: self.stored_message_id.map(StoredMessageId),
            candidates: self.candidates.map_or(Ok(Vec::new()), |text| json(&text))?,
            report: self.report.map_or(Ok(Vec::new()), |text| json(&text))?,
            trust: self.trust.map(|text| json(&text)).transpose()?,
            expires_at: self.expires_at.map(Time::from_micros),
            recheck_at: self.recheck_at.map(Time::from_micros),
        })
    }
}

impl Store {
    /// The verdicts of a sub-account, newest first.
    pub async fn verdicts(
        &self,
        of: SubAccountId,
        filter: &VerdictFilter,
        window: Window,
    ) -> Result<Vec<Verdict>> {
        let mut tx = self.reader().await?;
        // A reason has one outcome, by which there is an index.
        let outcome = filter.outcome.or(filter.reason.map(Reason::outcome));
        let mut values = values![of, window.descending_start().id, window.limit];
        values.extend(values![outcome.map(Outcome::name), filter.reason.map(Reason::name)]);
        values.extend(values![filter.door.map(Door::name), filter.user_id]);
        let rows: Vec<Row> = match &filter.message_id {
            Some(id) => {
                values.extend(values![id.key(), filter.private_key]);
                tx.all(VERDICTS_OF_MESSAGE, values).await?
            }
            None => {
                let sql = match Index::of(outcome, filter.user_id) {
                    Index::Owner => VERDICTS_OF_OWNER,
                    Index::Outcome => VERDICTS_OF_OUTCOME,
                    Index::Id => VERDICTS,
                };
                tx.all(sql, values).await?
            }
        };
        rows.into_iter().map(Row::read).collect()
    }

    /// A verdict.
    pub async fn verdict(&self, of: SubAccountId, id: VerdictId) -> Result<Option<Verdict>> {
        let mut tx = self.reader().await?;
        read_verdict(&mut tx, of, id).await
    }
}

/// A verdict.
pub(super) async fn read_verdict(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    id: VerdictId,
) -> Result<Option<Verdict>> {
    let row: Option<Row> = tx.optional(VERDICT, values![of, id]).await?;
    row.map(Row::read).transpose()
}
