//! In which sub-accounts a mailbox may have been connected, or have ended, since it was asked before: to
//! read thousands of connections each second would cost more than to watch them.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;
use tokio::time::Instant;

use crate::model::SubAccountId;
use crate::store::News;

/// Other processes may connect mailboxes, too, and tell nobody.
const ALL_EVERY: Duration = Duration::from_secs(15);

/// What was heard, and when all were asked for.
pub struct Changes {
    news: Receiver<News>,
    /// `None`: they must be.
    all_at: Option<Instant>,
}

/// The sub-accounts that are to be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    All,
    These(BTreeSet<SubAccountId>),
}

impl Changes {
    /// Listens from now on.
    pub const fn new(news: Receiver<News>) -> Self {
        Self { news, all_at: None }
    }

    /// What may have changed. A mailbox that changes tells an event, so that news of its sub-account is
    /// heard.
    pub fn take(&mut self) -> Whose {
        let mut these = BTreeSet::new();
        loop {
            match self.news.try_recv() {
                Ok(News::Written(of) | News::Forgotten(of)) => {
                    these.insert(of);
                }
                Err(TryRecvError::Lagged(_)) => self.forget(),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        if self.all_at.is_some_and(|at| at.elapsed() < ALL_EVERY) {
            return Whose::These(these);
        }
        self.all_at = Some(Instant::now());
        Whose::All
    }

    /// Some of it was not heard, or could not be looked at: next it is all.
    pub const fn forget(&mut self) {
        self.all_at = None;
    }
}

impl Whose {
    /// Is it one of them?
    pub fn includes(&self, of: SubAccountId) -> bool {
        match self {
            Self::All => true,
            Self::These(these) => these.contains(&of),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::broadcast;
    use uuid::Uuid;

    use super::*;

    fn these<const N: usize>(ids: [u128; N]) -> Whose {
        Whose::These(ids.map(|id| SubAccountId(Uuid::from_u128(id))).into())
    }

    #[test]
    fn after_all_only_what_there_is_news_of_is_looked_at_unless_some_was_missed() {
        let (tell, news) = broadcast::channel(2);
        let written = |id| {
            tell.send(News::Written(SubAccountId(Uuid::from_u128(id)))).unwrap();
        };
        let mut changes = Changes::new(news);
        assert_eq!(changes.take(), Whose::All);
        assert_eq!(changes.take(), these([]));
        written(1);
        written(1);
        assert_eq!(changes.take(), these([1]));
        assert_eq!(changes.take(), these([]));
        (1..=5).for_each(written);
        assert_eq!(changes.take(), Whose::All);
        changes.forget();
        assert_eq!(changes.take(), Whose::All);
        assert!(these([4]).includes(SubAccountId(Uuid::from_u128(4))));
        assert!(!these([4]).includes(SubAccountId(Uuid::from_u128(5))));
    }
}
