//! What a session is called away for: threads to be searched for (T10, S5), copies to be filed (S6), and mail
//! to be asked for again that was not given (V1).

use tokio::time::{Duration, Instant};

use super::super::flow::{Progress, Way};
use super::super::folder::{self, OWN_ID};
use super::super::imap::{self, Session};
use super::super::mailbox::{Among, Error, Mailbox};
use super::{INBOX, View, closed, is_lost};
use crate::clock;
use crate::model::{FolderRole, ThreadId, Time};
use crate::store::Wanted;

/// A copy may be as old as the mail in the outbox.
const COPY_SECONDS: i64 = 30 * 24 * 3_600;
/// And it is among so many UIDs, the newest: to search all of a large folder may take a server minutes.
const COPY_UIDS: u32 = 5_000;
/// One that is not taken for so long is given up.
const GIVEN_UP_SECONDS: i64 = 24 * 3_600;
/// A search that the server would not make is made again after so long.
const SEARCH_AGAIN_SECONDS: i64 = 3_600;
/// One over which the connection was lost.
const SEARCH_AFTER_LOSS_SECONDS: i64 = 300;
/// So often is a thread searched for: answers to answers that name only their parent take a round each.
const SEARCH_ROUNDS_MAX: usize = 8;
/// How long it is left undone what cannot be done just now, and what ended the session.
const NOT_NOW: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
const AFTER_LOSS: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(300));

impl View {
    /// Searches, files copies, and asks for what was not given. What is not done is asked for again and
    /// again, and answered more rarely.
    pub(super) async fn do_chores(
        &mut self,
        way: &Way,
        session: &mut Session,
    ) -> Result<(), Error> {
        let chores = async {
            let is_searched = self.search(way, session).await?;
            let is_filed = self.file_copies(way, session).await?;
            // Last: to ask for such a mail may end the session.
            Box::pin(self.ask_for_withheld(way, session)).await?;
            Ok(is_filed && is_searched)
        };
        let done = chores.await;
        match &done {
            Ok(true) => self.chores.end(),
            Ok(false) => self.chores.lengthen(Instant::now(), NOT_NOW),
            Err(_) => self.chores.lengthen(Instant::now(), AFTER_LOSS),
        }
        done.map(drop)
    }

    /// T10: threads that became tracked late. Answers if that could be done.
    async fn search(&mut self, way: &Way, session: &mut Session) -> Result<bool, Error> {
        let (of, connection) = (way.watched.sub_account, way.watched.connection);
        let searches = way.store.searches(of, connection).await?;
        let known = way.store.folders(of, connection).await?;
        // Until the Inbox has its cursor, nothing in it is old.
        if searches.is_empty() || !known.iter().any(|folder| folder.name == INBOX) {
            return Ok(searches.is_empty());
        }
        Box::pin(self.search_for_all(way, session, &searches)).await?;
        Ok(true)
    }

    async fn search_for_all(
        &mut self,
        way: &Way,
        session: &mut Session,
        searches: &[(ThreadId, Time)],
    ) -> Result<(), Error> {
        let (of, connection) = (way.watched.sub_account, way.watched.connection);
        let (home, role) = (self.open.name.clone(), self.open.role);
        let mut places = vec![(INBOX.to_owned(), FolderRole::Inbox)];
        if role == FolderRole::Sent {
            places.push((home.clone(), role));
        }
        // S5: what was not looked for in Sent was not found to be absent there.
        let is_all =
            role == FolderRole::Sent || way.store.sent_folder(of, connection).await?.is_none();
        for search @ (thread, _) in searches {
            let until = clock::now().plus_seconds(SEARCH_AGAIN_SECONDS);
            match self.search_for(way, session, *thread, &places).await {
                Ok(true) if is_all => way.store.searched(of, connection, *search).await?,
                Ok(_) => way.store.put_search_off(of, connection, *thread, until).await?,
                // Asked again at once, a server that cannot search would only end each session.
                Err(error @ (Error::Refused(_) | Error::Broken(_) | Error::Unreadable(_))) => {
                    way.store.put_search_off(of, connection, *thread, until).await?;
                    self.open = closed();
                    refused(error)?;
                }
                Err(error) if is_lost(&error) => {
                    // The next session waits at Sent first.
                    let until = clock::now().plus_seconds(SEARCH_AFTER_LOSS_SECONDS);
                    way.store.put_search_off(of, connection, *thread, until).await?;
                    return Err(error);
                }
                Err(error) => return Err(error),
            }
        }
        self.go_home(way, session, (&home, role)).await
    }

    /// Each mail may be named by another that is found later, in this folder or the other: it is searched
    /// until the thread's ids grow no more. Answers if they do not.
    async fn search_for(
        &mut self,
        way: &Way,
        session: &mut Session,
        thread: ThreadId,
        places: &[(String, FolderRole)],
    ) -> Result<bool, Error> {
        let of = way.watched.sub_account;
        let mut ids = way.store.ids_of_thread(of, thread).await?;
        for _ in 0..SEARCH_ROUNDS_MAX {
            let known = ids.clone();
            for (name, role) in places {
                self.enter_to_search(way, session, name, *role).await?;
                folder::search(way, session, &mut self.open, &ids).await?;
                ids = way.store.ids_of_thread(of, thread).await?;
            }
            if ids == known {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// S6: what was sent through a provider that files no copies. One copy, never two: what is there is
    /// not filed again, also when it was filed and nobody could say so any more. Answers if that could be
    /// done.
    async fn file_copies(&mut self, way: &Way, session: &mut Session) -> Result<bool, Error> {
        let (of, connection) = (way.watched.sub_account, way.watched.connection);
        while let Some(copy) = way.store.wanted_copy(of, connection).await? {
            if self.open.role != FolderRole::Sent {
                return Ok(false);
            }
            match Box::pin(self.file_copy(way, session, &copy)).await {
                Ok(()) => way.store.copied(of, copy.message, clock::now()).await?,
                // A mailbox that stays full, say: it stands before all later copies.
                Err(Error::Refused(why)) if is_late(&copy) => {
                    tracing::error!(connection.id = %connection, code = "copy_given_up", %why, "The Sent folder of connection {connection} took no copy for a day; it stays without.");
                    way.store.copied(of, copy.message, clock::now()).await?;
                }
                // Whether it is there cannot be asked, or it is not taken just now.
                Err(Error::Refused(why)) => {
                    tracing::warn!(connection.id = %connection, code = "copy_put_off", %why, "The Sent folder of connection {connection} takes no copy yet.");
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    async fn file_copy(
        &mut self,
        way: &Way,
        session: &mut Session,
        copy: &Wanted,
    ) -> Result<(), Error> {
        let connection = way.watched.connection;
        let since = Among::Since(clock::now().plus_seconds(-COPY_SECONDS));
        let newest = Among::From(self.open.uid_next.saturating_sub(COPY_UIDS).max(1));
        // A server whose dates are absurd finds nothing since any day (F12).
        for among in [since, newest] {
            // The second: a server that files copies after all, with ids of its own (S7).
            for field in ["MESSAGE-ID", OWN_ID] {
                if !session.search(among, field, &copy.message_id).await?.is_empty() {
                    return Ok(());
                }
            }
        }
        match session.append(&self.open.name, &copy.content).await {
            // RFC 9051 7.1: the folder is gone, or has another name now. Where it is, the next look tells.
            Err(imap::Error::Refused { text, .. }) if is_gone(&text) => {
                self.is_sent_closed = true;
                Err(Error::Refused(text))
            }
            // It does not take it, and would not the next time.
            Err(imap::Error::Refused { text, .. }) if !imap::will_pass(&text) => {
                tracing::warn!(connection.id = %connection, code = "copy_refused", %text, "The Sent folder of connection {connection} took no copy.");
                Ok(())
            }
            appended => Ok(appended?),
        }
    }

    /// Opens a folder for what is known to be in it.
    pub(super) async fn enter_to_search(
        &mut self,
        way: &Way,
        session: &mut Session,
        name: &str,
        role: FolderRole,
    ) -> Result<Progress, Error> {
        match role {
            // How far it is read is known by its own session alone, which reads on meanwhile.
            FolderRole::Inbox => self.visit_inbox(way, session).await.map(|()| Progress::default()),
            _ if self.open.name == name => Ok(Progress::default()),
            role => self.enter(way, session, name, role).await,
        }
    }
}

fn is_late(copy: &Wanted) -> bool {
    copy.sent_at.is_some_and(|at| at.plus_seconds(GIVEN_UP_SECONDS) < clock::now())
}

fn is_gone(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("[trycreate]") || text.contains("[nonexistent]")
}

/// After a refusal the session goes on; after anything else it cannot.
fn refused(error: Error) -> Result<(), Error> {
    match error {
        Error::Refused(why) => {
            tracing::warn!(code = "search_refused", %why, "A server would not search.");
            Ok(())
        }
        error => Err(error),
    }
}
