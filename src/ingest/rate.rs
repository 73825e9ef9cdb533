//! How much mail one sub-account may send in a minute, and how many contacts it may make (ATTACKS C15): a
//! runaway rule in somebody's Outlook must not fill the disk of everybody.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::decide::{Change, Decision};
use crate::model::{Envelope, Route, SubAccountId, Time};

/// The limiter of all sub-accounts. Its keys are routes that exist, so they are as many as customers.
pub struct Rate {
    mails: Option<DefaultKeyedRateLimiter<SubAccountId>>,
    contacts: Option<Contacts>,
}

/// The contacts that mail made, counted by the minute.
struct Contacts {
    per_minute: u32,
    /// Of each sub-account the minute it last made some in, and how many. Sessions share it, each for the
    /// time of a look-up.
    made: Mutex<BTreeMap<SubAccountId, (i64, u32)>>,
}

impl Rate {
    /// So many mails, and so many new contacts, a minute for each sub-account; 0 is no limit.
    pub fn new(mails_per_minute: u32, contacts_per_minute: u32) -> Self {
        let limit = NonZeroU32::new(mails_per_minute);
        let mails = limit.map(|limit| RateLimiter::keyed(Quota::per_minute(limit)));
        let contacts = (contacts_per_minute > 0)
            .then(|| Contacts { per_minute: contacts_per_minute, made: Mutex::default() });
        Self { mails, contacts }
    }

    /// May this mail come now? It counts against each sub-account it is for. Whether it would make a
    /// contact is not known yet: of a sub-account that has made its share, every mail comes later.
    pub fn allows(&self, envelope: &Envelope, now: Time) -> bool {
        let routes = envelope.recipients.iter().map(|recipient| &recipient.route);
        let accounts: BTreeSet<SubAccountId> = routes.filter_map(account_of).collect();
        let may_make = |account: &SubAccountId| {
            self.contacts.as_ref().is_none_or(|contacts| contacts.may_make(*account, now))
        };
        let may_send = |account: &SubAccountId| {
            self.mails.as_ref().is_none_or(|mails| mails.check_key(account).is_ok())
        };
        accounts.iter().all(may_make) && accounts.iter().all(may_send)
    }

    /// Counts the contacts that a mail made. Mails under way at the limit may go beyond it.
    pub fn count(&self, decision: &Decision, now: Time) {
        let Some(contacts) = &self.contacts else { return };
        let new = |change: &&Change| matches!(change, Change::AddContact(_));
        let made = decision.changes.iter().filter(new).count();
        if made > 0 {
            contacts.count(decision.sub_account, made, now);
        }
    }
}

impl Contacts {
    fn may_make(&self, account: SubAccountId, now: Time) -> bool {
        let made = self.made().get(&account).copied();
        made.is_none_or(|(minute, made)| minute != minute_of(now) || made < self.per_minute)
    }

    fn count(&self, account: SubAccountId, more: usize, now: Time) {
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        let mut all = self.made();
        let entry = all.entry(account).or_default();
        let former = if entry.0 == minute_of(now) { entry.1 } else { 0 };
        *entry = (minute_of(now), former.saturating_add(more));
    }

    fn made(&self) -> MutexGuard<'_, BTreeMap<SubAccountId, (i64, u32)>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn minute_of(time: Time) -> i64 {
    time.as_millis() / 60_000
}

fn account_of(route: &Route) -> Option<SubAccountId> {
    match route {
        Route::User { sub_account, .. } => Some(*sub_account),
        Route::Postmaster => Some(SubAccountId::OPERATOR),
        Route::Revoked { .. } | Route::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_new_contacts_is_made_once_a_minute_by_each() {
        let [one, other] = [1, 2].map(|n| SubAccountId(uuid::Uuid::from_u128(n)));
        let contacts = Contacts { per_minute: 3, made: Mutex::default() };
        let at = |seconds| Time::from_micros(1_700_000_040_000_000).plus_seconds(seconds);
        contacts.count(one, 2, at(0));
        assert!(contacts.may_make(one, at(1)));
        contacts.count(one, 2, at(2));
        assert!(!contacts.may_make(one, at(59)) && contacts.may_make(other, at(59)));
        assert!(contacts.may_make(one, at(60)));
        contacts.count(one, 1, at(61));
        assert!(contacts.may_make(one, at(62)), "a new minute counts from nothing");
    }
}
