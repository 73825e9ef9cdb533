//! Filing: facts, judgement and record of a batch of mails in one transaction.

use super::watching::{Advance, Advanced};
use super::{Error, RawMail, Result, Store, facts, record, redelivery};
use crate::decide::Decision;
use crate::decide::facts::{Facts, Question};
use crate::model::{Envelope, SubAccountId};

/// One mail that was judged, with what is kept of it.
#[derive(Clone, Debug)]
pub struct Filing {
    pub decision: Decision,
    /// The raw mail, stored if the decision adds a message.
    pub content: RawMail,
    /// Stored with a held mail, so that it can be judged again.
    pub envelope: Option<Envelope>,
    /// Set when a verdict that exists is judged anew.
    pub again: Option<Again>,
}

/// Why a verdict is judged anew (V3). Its row, and the row of its held or skipped message, are replaced
/// by those of the decision, which has the same ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Again {
    /// `release`, `discard`, `undo`, `recheck`.
    pub action: &'static str,
    /// The user, token or program that asked for it.
    pub actor: String,
    /// What is needed to undo it.
    pub before_json: String,
}

/// What became of a page of found mail.
#[derive(Debug)]
pub enum Page {
    Filed(Vec<Filing>),
    /// More must be known of a mail first.
    Incomplete,
    /// Another watcher was here.
    Moved,
    /// The connection has ended.
    Gone,
}

/// So often is a batch judged anew when another writer was first.
const ATTEMPTS_MAX: u32 = 5;

impl Store {
    /// Answers the questions, lets `decide` judge, and makes durable what it decided, all or nothing.
    ///
    /// A sub-account that is gone has no facts. When another writer was first, the questions are
    /// answered and judged anew, so `decide` may be called more than once.
    pub async fn file(
        &self,
        questions: &[(SubAccountId, Question)],
        mut decide: impl FnMut(Facts) -> Vec<Filing>,
    ) -> Result<Vec<Filing>> {
        let mut attempt = 1;
        loop {
            match self.try_to_file(questions, &mut decide).await {
                Err(Error::Conflict(_)) if attempt < ATTEMPTS_MAX => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    async fn try_to_file(
        &self,
        questions: &[(SubAccountId, Question)],
        decide: &mut impl FnMut(Facts) -> Vec<Filing>,
    ) -> Result<Vec<Filing>> {
        let mut tx = self.writer().await?;
        let facts = facts::read(&mut tx, questions).await?;
        let filings = decide(facts);
        self.room_for(&filings)?;
        let new = redelivery::first_seen(&mut tx, &filings).await?;
        record::write(&mut tx, &new).await?;
        tx.commit().await?;
        Ok(filings)
    }

    /// Files mails that were found in a folder, and moves its cursor in the same transaction (T7).
    /// `decide` answers `None` when it must know more first; then nothing is done.
    pub async fn file_page(
        &self,
        questions: &[(SubAccountId, Question)],
        advance: &Advance<'_>,
        mut decide: impl FnMut(Facts) -> Option<Vec<Filing>>,
    ) -> Result<Page> {
        let mut attempt = 1;
        loop {
            match self.try_to_file_page(questions, advance, &mut decide).await {
                Err(Error::Conflict(_)) if attempt < ATTEMPTS_MAX => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    async fn try_to_file_page(
        &self,
        questions: &[(SubAccountId, Question)],
        advance: &Advance<'_>,
        decide: &mut impl FnMut(Facts) -> Option<Vec<Filing>>,
    ) -> Result<Page> {
        let mut tx = self.writer().await?;
        let facts = facts::read(&mut tx, questions).await?;
        match advance.apply(&mut tx).await? {
            Advanced::Yes => {}
            Advanced::Moved => return Ok(Page::Moved),
            Advanced::Gone => return Ok(Page::Gone),
        }
        let Some(filings) = decide(facts) else { return Ok(Page::Incomplete) };
        self.room_for(&filings)?;
        record::write(&mut tx, &filings.iter().collect::<Vec<_>>()).await?;
        advance.learn(&mut tx, &filings).await?;
        tx.commit().await?;
        Ok(Page::Filed(filings))
    }

    fn room_for(&self, filings: &[Filing]) -> Result<()> {
        let bytes: usize = filings.iter().map(|filing| filing.content.kept_bytes()).sum();
        if self.has_room_for(bytes as u64) { Ok(()) } else { Err(Error::Full) }
    }
}
