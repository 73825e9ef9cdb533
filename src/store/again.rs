//! What is judged anew: the mail that waits, and how its former verdict makes room (V3, B2).

use uuid::Uuid;

use super::tx::Tx;
use super::value::values;
use super::{Error, RawMail, Result, Store};
use crate::clock;
use crate::decide::Decision;
use crate::model::{
    ConversationId, Door, Envelope, NewIds, Standing, StoredMessageId, SubAccountId, ThreadId,
    Time, TrustResults, UserId, VerdictId,
};

statements! {
    WAITING = "select verdicts.sub_account, verdicts.id as verdict_id, verdicts.at, verdicts.door, \
            verdicts.user_id, verdicts.reason, verdicts.matched, verdicts.candidates, \
            verdicts.expires_at, verdicts.trust, messages.id as message_id, messages.envelope, \
            messages.raw, messages.raw_size \
        from verdicts join messages on messages.sub_account = verdicts.sub_account \
            and messages.id = verdicts.stored_message_id \
        where verdicts.sub_account = $1 and verdicts.id = $2 \
            and verdicts.outcome in ('held', 'skipped') and messages.state in ('held', 'skipped')";
    DUE = "select sub_account, id from verdicts \
        where recheck_at is not null and recheck_at <= $1 order by recheck_at limit $2";
    POSTPONE = "update verdicts set recheck_at = $3 where sub_account = $1 and id = $2 \
        and outcome = 'held'";
    STANDING = "select outcome, stored_message_id from verdicts where sub_account = $1 and id = $2";
    REMOVE_VERDICT = "delete from verdicts where sub_account = $1 and id = $2";
    ADD_ACTION = "insert into verdict_actions (sub_account, id, verdict_id, at, action, actor, before) \
        values ($1, $2, $3, $4, $5, $6, $7)";
    REMOVE_MESSAGE = "delete from messages where sub_account = $1 and id = $2 \
        and state in ('held', 'skipped') returning conversation_id, thread_id";
    REMOVE_ATTACHMENTS = "delete from attachments where sub_account = $1 and message_id = $2";
    REMOVE_LINKS = "delete from message_contacts where sub_account = $1 and message_id = $2";
    REMOVE_ALIASES = "delete from aliases where sub_account = $1 and message_id = $2";
    RECOUNT = "update conversations set \
            message_count = (select count(*) from messages \
                where messages.sub_account = $1 and messages.conversation_id = $2), \
            last_message_at = coalesce((select max(messages.at) from messages \
                where messages.sub_account = $1 and messages.conversation_id = $2), created_at), \
            subject = coalesce((select messages.subject from messages \
                where messages.sub_account = $1 and messages.conversation_id = $2 \
                order by messages.at desc, messages.id desc limit 1), '') \
        where sub_account = $1 and id = $2";
}

/// A mail that waits for somebody, or for DNS, with all that judging it anew needs.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub sub_account: SubAccountId,
    pub verdict: VerdictId,
    pub message: StoredMessageId,
    /// When it came.
    pub at: Time,
    pub door: Door,
    /// How its verdict stands, for `undo`.
    pub standing: Standing,
    /// What the checks of its sender said.
    pub trust: Option<TrustResults>,
    pub user: Option<UserId>,
    /// `None` when it did not come by SMTP.
    pub envelope: Option<Envelope>,
    pub content: RawMail,
}

#[derive(sqlx::FromRow)]
struct WaitingRow {
    sub_account: Uuid,
    verdict_id: Uuid,
    at: i64,
    door: String,
    user_id: Option<Uuid>,
    reason: String,
    matched: String,
    candidates: Option<String>,
    expires_at: Option<i64>,
    trust: Option<String>,
    message_id: Uuid,
    envelope: Option<String>,
    raw: Vec<u8>,
    raw_size: i64,
}

impl Store {
    /// The mail of a verdict, if it is held or was skipped for a file.
    pub async fn waiting(&self, of: SubAccountId, verdict: VerdictId) -> Result<Option<Waiting>> {
        let mut tx = self.reader().await?;
        let row: Option<WaitingRow> = tx.optional(WAITING, values![of, verdict]).await?;
        row.map(WaitingRow::read).transpose()
    }

    /// The verdicts whose sender is to be checked again by now, the longest due first.
    pub async fn due_rechecks(
        &self,
        now: Time,
        limit: u32,
    ) -> Result<Vec<(SubAccountId, VerdictId)>> {
        let mut tx = self.reader().await?;
        let due: Vec<(Uuid, Uuid)> = tx.all(DUE, values![now, limit]).await?;
        Ok(due.into_iter().map(|(of, id)| (SubAccountId(of), VerdictId(id))).collect())
    }

    /// Sets when the sender of a held mail is checked again; `None`: not any more.
    pub async fn postpone_recheck(
        &self,
        of: SubAccountId,
        verdict: VerdictId,
        next: Option<Time>,
    ) -> Result<()> {
        let mut tx = self.writer().await?;
        tx.execute(POSTPONE, values![of, verdict, next]).await?;
        tx.commit().await
    }
}

impl WaitingRow {
    fn read(self) -> Result<Waiting> {
        let door = Door::parse(&self.door).ok_or_else(|| Error::damaged("an unknown door"))?;
        let envelope = self.envelope.as_deref().map(serde_json::from_str).transpose();
        let trust = self.trust.as_deref().map(serde_json::from_str).transpose();
        let candidates = self.candidates.as_deref().map(serde_json::from_str).transpose();
        let standing = Standing {
            reason: self.reason,
            matched: serde_json::from_str(&self.matched).map_err(Error::damaged)?,
            candidates: candidates.map_err(Error::damaged)?.unwrap_or_default(),
            expires_at: self.expires_at.map(Time::from_micros),
        };
        Ok(Waiting {
            standing,
            trust: trust.map_err(Error::damaged)?,
            sub_account: SubAccountId(self.sub_account),
            verdict: VerdictId(self.verdict_id),
            message: StoredMessageId(self.message_id),
            at: Time::from_micros(self.at),
            door,
            user: self.user_id.map(UserId),
            envelope: envelope.map_err(Error::damaged)?,
            content: RawMail::of_row(self.raw, self.raw_size),
        })
    }
}

/// Removes the former verdict and its waiting message, whose rows are about to be written anew, and
/// records who did what. Somebody else may have been there first. Answers the thread it was in, which may
/// be empty once the rows are written.
pub(super) async fn take_out(
    tx: &mut Tx<'_>,
    decision: &Decision,
    (action, actor, before): (&str, &str, &str),
) -> Result<Option<ThreadId>> {
    let (of, verdict) = (decision.sub_account, decision.verdict.id);
    let standing: Option<(String, Option<Uuid>)> =
        tx.optional(STANDING, values![of, verdict]).await?;
    let Some((_, message)) =
        standing.filter(|(outcome, _)| outcome == "held" || outcome == "skipped")
    else {
        return Err(Error::Conflict("the mail does not wait any more".to_owned()));
    };
    tx.execute(REMOVE_VERDICT, values![of, verdict]).await?;
    let thread = match message {
        Some(message) => remove_message(tx, of, StoredMessageId(message)).await?,
        None => None,
    };
    let at = clock::now();
    let id = NewIds::new(at, clock::seed()).next_id();
    tx.execute(ADD_ACTION, values![of, id, verdict, at, action, actor, before]).await?;
    Ok(thread)
}

async fn remove_message(
    tx: &mut Tx<'_>,
    of: SubAccountId,
    message: StoredMessageId,
) -> Result<Option<ThreadId>> {
    let removed: Option<(Option<Uuid>, Option<Uuid>)> =
        tx.optional(REMOVE_MESSAGE, values![of, message]).await?;
    let Some((conversation, thread)) = removed else { return Ok(None) };
    tx.execute(REMOVE_ATTACHMENTS, values![of, message]).await?;
    if let Some(conversation) = conversation.map(ConversationId) {
        tx.execute(REMOVE_LINKS, values![of, message]).await?;
        tx.execute(REMOVE_ALIASES, values![of, message]).await?;
        tx.execute(RECOUNT, values![of, conversation]).await?;
    }
    Ok(thread.map(ThreadId))
}
