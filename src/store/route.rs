//! Whom a recipient address belongs to. It is asked once a mail, so look-ups that wait at the same time
//! share a statement, and what was found is kept where nobody else can revoke it: beside SQLite, which has
//! one gateway, for a second. A revoked address is refused from the next mail on.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use uuid::Uuid;

use super::value::Value;
use super::{Result, Store};
use crate::model::{Address, Route, SubAccountId, UserId};

statements! {
    ROUTES = "select bcc_addresses.address, bcc_addresses.sub_account, bcc_addresses.user_id, \
            bcc_addresses.revoked_at \
        from {rows text} as asked cross join bcc_addresses \
        where bcc_addresses.address = asked.column1";
}

/// An address, and who wants to know.
type Asked = (String, oneshot::Sender<Result<Route>>);

/// The look-ups that wait. Whoever has the turn asks for all of them.
#[derive(Default)]
pub(super) struct Routes {
    // Held only to push or take the list.
    waiting: Mutex<Vec<Asked>>,
    turn: tokio::sync::Mutex<()>,
    // Held only to look or put.
    known: Mutex<Known>,
}

/// Addresses that belong to somebody, as was found since the last was revoked.
#[derive(Default)]
struct Known {
    routes: BTreeMap<String, Route>,
    /// When the first of them was found.
    since: Option<Instant>,
    /// How often addresses were revoked: what was read before then is not put here after it.
    revoked: u64,
}

/// So long they are known: a commit whose caller has gone away meanwhile tells nobody.
const KNOWN_FOR: Duration = Duration::from_secs(1);

/// So many addresses are known at most; then all are forgotten.
const KNOWN_MAX: usize = 4_096;

impl Store {
    /// Whom an address of our domains belongs to (B1).
    pub async fn route(&self, address: &Address) -> Result<Route> {
        // RFC 5321 4.5.1: postmaster is always accepted, whatever its case.
        if address.local() == "postmaster" {
            return Ok(Route::Postmaster);
        }
        if let Some(route) = self.routes.known(address.normal()) {
            return Ok(route);
        }
        loop {
            let mut answer = self.routes.wait_for(address.normal());
            let turn = tokio::select! {
                biased;
                // Nobody answers when the one who asked for us was cancelled: then we ask.
                Ok(route) = &mut answer => return route,
                turn = self.routes.turn.lock() => turn,
            };
            self.answer_all().await;
            drop(turn);
            if let Ok(route) = answer.try_recv() {
                return route;
            }
        }
    }

    async fn answer_all(&self) {
        let waiting = self.routes.take();
        if waiting.is_empty() {
            return;
        }
        let found = self.look_up(&waiting).await;
        for (address, answer) in waiting {
            let route = match &found {
                Ok(found) => Ok(found.get(&address).cloned().unwrap_or(Route::Unknown)),
                Err(error) => Err(error.clone()),
            };
            // Who does not listen any more has hung up.
            let _ = answer.send(route);
        }
    }

    async fn look_up(&self, waiting: &[Asked]) -> Result<BTreeMap<String, Route>> {
        let asked = waiting.iter().map(|(address, _)| Value::from(address)).collect();
        let before = self.routes.lock().revoked;
        let mut tx = self.reader().await?;
        let rows: Vec<(String, Uuid, Uuid, Option<i64>)> = tx.all_of_rows(ROUTES, asked).await?;
        let found: BTreeMap<String, Route> = rows.into_iter().map(read).collect();
        // Another node may revoke what PostgreSQL keeps, and would not be heard here.
        if !tx.is_postgres() {
            self.routes.keep(&found, before);
        }
        Ok(found)
    }
}

impl Routes {
    fn wait_for(&self, address: &str) -> oneshot::Receiver<Result<Route>> {
        let (sender, receiver) = oneshot::channel();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push((address.to_owned(), sender));
        receiver
    }

    fn known(&self, address: &str) -> Option<Route> {
        let mut known = self.lock();
        if known.since.is_some_and(|since| since.elapsed() > KNOWN_FOR) {
            known.routes.clear();
        }
        known.routes.get(address).cloned()
    }

    fn keep(&self, found: &BTreeMap<String, Route>, before: u64) {
        let mut known = self.lock();
        if known.revoked != before {
            return;
        }
        if known.routes.len() + found.len() > KNOWN_MAX {
            known.routes.clear();
        }
        if known.routes.is_empty() {
            known.since = Some(Instant::now());
        }
        let usable = found.iter().filter(|(_, route)| matches!(route, Route::User { .. }));
        known.routes.extend(usable.map(|(address, route)| (address.clone(), route.clone())));
    }

    /// Addresses were revoked: none is known any more.
    pub(super) fn forget(&self) {
        let mut known = self.lock();
        known.routes.clear();
        known.revoked += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn read((address, of, user, revoked_at): (String, Uuid, Uuid, Option<i64>)) -> (String, Route) {
    let sub_account = SubAccountId(of);
    let route = match revoked_at {
        None => Route::User { sub_account, user: UserId(user) },
        Some(_) => {
            let user = (!user.is_nil()).then_some(UserId(user));
            Route::Revoked { sub_account, user }
        }
    };
    (address, route)
}
