//! What users have begun to write, kept until it is sent or thrown away.

use uuid::Uuid;

use super::value::values;
use super::{Result, Store};
use crate::model::{ConversationId, SubAccountId, Time, UserId};

statements! {
    DRAFTS = "select id, conversation_id, content, saved_at from drafts
        where sub_account = $1 and user_id = $2 order by saved_at desc limit 200";
    DRAFT = "select id, conversation_id, content, saved_at from drafts
        where sub_account = $1 and user_id = $2 and id = $3";
    DRAFT_IN = "select id, conversation_id, content, saved_at from drafts
        where sub_account = $1 and user_id = $2 and conversation_id = $3
        order by saved_at desc limit 1";
    /// Nobody changes another's. What was kept on its way while the mail was sent comes late: for a minute it does
    /// not make a draft again of what was sent, by which it can be taken back.
    KEEP_DRAFT = "insert into drafts (sub_account, id, user_id, conversation_id, content, saved_at)
        select * from {rows uuid uuid uuid uuid text bigint} as added where column1 is not null
        on conflict (sub_account, id) do update set content = excluded.content,
            saved_at = excluded.saved_at where drafts.user_id = excluded.user_id
            and (drafts.content not like '%\"sent_as\":\"%\"}'
                or excluded.content like '%\"sent_as\":\"%\"}'
                or drafts.saved_at < excluded.saved_at - 60000000)";
    REMOVE_DRAFT = "delete from drafts where sub_account = $1 and user_id = $2 and id = $3";
    /// More than a hundred are not kept. What was sent is only there to be taken back, and pushes nothing out
    /// that was not: `sent_as` is the last that the pages write.
    REMOVE_OLD_DRAFTS = "delete from drafts where sub_account = $1 and user_id = $2
        and content not like '%\"sent_as\":\"%\"}'
        and saved_at < (select min(kept.saved_at) from (select saved_at from drafts
            where sub_account = $1 and user_id = $2 and content not like '%\"sent_as\":\"%\"}'
            order by saved_at desc limit 100) as kept)";
    REMOVE_OLD_SENT = "delete from drafts where sub_account = $1 and user_id = $2
        and content like '%\"sent_as\":\"%\"}'
        and saved_at < (select min(kept.saved_at) from (select saved_at from drafts
            where sub_account = $1 and user_id = $2 and content like '%\"sent_as\":\"%\"}'
            order by saved_at desc limit 100) as kept)";
}

/// Something begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    pub id: Uuid,
    pub conversation: Option<ConversationId>,
    /// JSON that the pages write and read.
    pub content: String,
    pub saved_at: Time,
}

/// What is to be kept.
#[derive(Clone, Debug)]
pub struct NewDraft {
    pub id: Uuid,
    pub conversation: Option<ConversationId>,
    pub content: String,
}

type Row = (Uuid, Option<Uuid>, String, i64);

fn read((id, conversation, content, saved_at): Row) -> Draft {
    let conversation = conversation.map(ConversationId);
    Draft { id, conversation, content, saved_at: Time::from_micros(saved_at) }
}

impl Store {
    /// The drafts of a user, the latest first.
    pub async fn drafts(&self, of: SubAccountId, user: UserId) -> Result<Vec<Draft>> {
        let mut tx = self.reader().await?;
        let rows: Vec<Row> = tx.all(DRAFTS, values![of, user]).await?;
        Ok(rows.into_iter().map(read).collect())
    }

    /// A draft of a user.
    pub async fn draft(&self, of: SubAccountId, user: UserId, id: Uuid) -> Result<Option<Draft>> {
        let mut tx = self.reader().await?;
        let row: Option<Row> = tx.optional(DRAFT, values![of, user, id]).await?;
        Ok(row.map(read))
    }

    /// The user's latest draft in a conversation.
    pub async fn draft_in(
        &self,
        of: SubAccountId,
        user: UserId,
        conversation: ConversationId,
    ) -> Result<Option<Draft>> {
        let mut tx = self.reader().await?;
        let row: Option<Row> = tx.optional(DRAFT_IN, values![of, user, conversation]).await?;
        Ok(row.map(read))
    }

    /// Keeps a draft, in the place of what it was before; or not, when that was sent just now.
    pub async fn keep_draft(
        &self,
        of: SubAccountId,
        user: UserId,
        draft: NewDraft,
        now: Time,
    ) -> Result<bool> {
        let mut tx = self.writer().await?;
        let row = values![of, draft.id, user, draft.conversation, draft.content, now];
        let kept = tx.execute_rows(KEEP_DRAFT, row).await?;
        tx.execute(REMOVE_OLD_DRAFTS, values![of, user]).await?;
        tx.execute(REMOVE_OLD_SENT, values![of, user]).await?;
        tx.commit().await?;
        Ok(kept > 0)
    }

    /// Throws a draft away.
    pub async fn remove_draft(&self, of: SubAccountId, user: UserId, id: Uuid) -> Result<()> {
        let mut tx = self.writer().await?;
        tx.execute(REMOVE_DRAFT, values![of, user, id]).await?;
        tx.commit().await
    }
}
