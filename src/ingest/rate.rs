//! How much mail one sub-account may send in a minute (ATTACKS C15): a runaway rule in somebody's
//! Outlook must not fill the disk of everybody.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::model::{Envelope, Route, SubAccountId};

/// The limiter of all sub-accounts. Its keys are routes that exist, so they are as many as customers.
pub struct Rate {
    limiter: Option<DefaultKeyedRateLimiter<SubAccountId>>,
}

impl Rate {
    /// So many mails a minute for each sub-account; 0 is no limit.
    pub fn new(per_minute: u32) -> Self {
        let limiter =
            NonZeroU32::new(per_minute).map(|limit| RateLimiter::keyed(Quota::per_minute(limit)));
        Self { limiter }
    }

    /// May this mail come now? It counts against each sub-account it is for.
    pub fn allows(&self, envelope: &Envelope) -> bool {
        let Some(limiter) = &self.limiter else { return true };
        let accounts: BTreeSet<SubAccountId> = envelope
            .recipients
            .iter()
            .filter_map(|recipient| account_of(&recipient.route))
            .collect();
        accounts.iter().all(|account| limiter.check_key(account).is_ok())
    }
}

fn account_of(route: &Route) -> Option<SubAccountId> {
    match route {
        Route::User { sub_account, .. } => Some(*sub_account),
        Route::Postmaster => Some(SubAccountId::OPERATOR),
        Route::Revoked { .. } | Route::Unknown => None,
    }
}
