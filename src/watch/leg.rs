//! What one session of a mailbox looks after. Two are enough: one waits at the Inbox; the other waits at
//! Sent, looks into the folders that rules may move mail to, and does the chores (T8, T10, V1).

mod chores;
mod withheld;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use tokio::time::{Duration, Instant};

use super::caution::{Caution, Trouble};
use super::flow::{Progress, Way};
use super::folder;
use super::imap::{self, Listed, Session, Wake, folders};
use super::mailbox::Error;
use super::pause::Pause;
use crate::clock;
use crate::model::{Folder, FolderRole};

/// Which of the two sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    Inbox,
    Sent,
}

const INBOX: &str = "INBOX";
/// So often is it remembered that all is read, when nothing comes.
const TOUCH_EVERY: Duration = Duration::from_secs(600);
/// So often are all folders found anew, the one of sent mail among them.
const LIST_EVERY: Duration = Duration::from_secs(3_600);
/// The longest time for which a folder that ends sessions is left alone.
const REST_MAX: Duration = Duration::from_secs(3_600);
/// A folder whose UIDs lose their meaning again so soon belongs to a broken server.
const RESET_AGAIN: Duration = Duration::from_secs(600);

/// What a session sees. It outlives the session: what was learnt of a server's faults is not forgotten
/// when it is connected to again.
pub struct View {
    leg: Leg,
    /// The folder that is open.
    open: Folder,
    others: Vec<String>,
    /// The folder of sent mail could not be opened: it is tried again with the next round.
    is_sent_closed: bool,
    listed_at: Instant,
    /// When the other folders were looked at; so often they are, however busy this one is.
    others_at: Instant,
    others_every: Duration,
    touched_at: Instant,
    /// When a folder was last read anew, by its name.
    resets: BTreeMap<String, Instant>,
    /// How carefully a folder is read, by its name, where that was necessary.
    cautions: BTreeMap<String, Caution>,
    /// The other folders that ended a session: were they not left alone for a while, none of those behind
    /// them would be looked at, and Sent not be waited at.
    rests: BTreeMap<String, Pause>,
    /// The same of searches and copies.
    chores: Pause,
}

impl View {
    /// Before the first session; other folders are looked at so often.
    pub fn new(leg: Leg, others_every: Duration) -> Self {
        let now = Instant::now();
        Self {
            leg,
            open: closed(),
            others: Vec::new(),
            is_sent_closed: false,
            listed_at: now,
            others_at: now,
            others_every,
            touched_at: now,
            resets: BTreeMap::new(),
            cautions: BTreeMap::new(),
            rests: BTreeMap::new(),
            chores: Pause::default(),
        }
    }

    /// Finds the folders, and reads what came while nobody watched.
    pub async fn open(&mut self, way: &Way, session: &mut Session) -> Result<(), Error> {
        self.open = closed();
        if self.leg == Leg::Inbox {
            return self.enter(way, session, INBOX, FolderRole::Inbox).await.map(drop);
        }
        self.list(way, session).await?;
        self.look_at_others(way, session).await?;
        match self.may_be_called() {
            true => self.do_chores(way, session).await,
            false => Ok(()),
        }
    }

    /// Is there a use in calling it away to search and to file copies?
    pub fn may_be_called(&self) -> bool {
        self.chores.is_over(Instant::now())
    }

    /// Reads what is new. Nobody trusts that the server told: a look costs one command. Answers whether
    /// there was anything.
    pub async fn look(
        &mut self,
        way: &Way,
        session: &mut Session,
        woken: Wake,
    ) -> Result<bool, Error> {
        let mut progress = Progress::default();
        if !self.is_guest() {
            let caution = self.cautions.entry(self.open.name.clone()).or_default();
            let looked = folder::look(way, session, &mut self.open, caution).await;
            progress = noted(looked, caution)?;
        }
        let is_time = woken != Wake::Changed || self.others_at.elapsed() >= self.others_every;
        if self.leg == Leg::Inbox {
            self.touch(way).await?;
        } else if is_time {
            self.others_at = Instant::now();
            if self.is_sent_closed || self.listed_at.elapsed() >= LIST_EVERY {
                self.list(way, session).await?;
            } else {
                self.list_others(way, session).await?;
            }
            self.look_at_others(way, session).await?;
        }
        // Who calls away knows that something is wanted; thousands that nobody calls need not ask for it.
        if self.leg == Leg::Sent && woken == Wake::Interrupted {
            self.do_chores(way, session).await?;
        }
        Ok(progress.verdicts > 0)
    }

    /// The Inbox is read by its own session; who has nowhere else to wait only waits there.
    fn is_guest(&self) -> bool {
        self.leg == Leg::Sent && self.open.role == FolderRole::Inbox
    }

    /// Remembers from time to time that all is read.
    async fn touch(&mut self, way: &Way) -> Result<(), Error> {
        if self.touched_at.elapsed() < TOUCH_EVERY {
            return Ok(());
        }
        self.touched_at = Instant::now();
        let watched = &way.watched;
        let touched =
            way.store.touch_connection(watched.sub_account, watched.connection, clock::now());
        if touched.await? { Ok(()) } else { Err(Error::Ended) }
    }

    /// Which folder is which; then the one of sent mail is open, or else the Inbox.
    async fn list(&mut self, way: &Way, session: &mut Session) -> Result<(), Error> {
        let listed = session.folders().await?;
        let (of, connection) = (way.watched.sub_account, way.watched.connection);
        let known = way.store.sent_folder(of, connection).await?;
        let saves_sent = way.watched.account.saves_sent;
        let mut roles = folders::roles(&listed, known.as_deref(), saves_sent);
        if roles.sent.is_none() && !saves_sent {
            roles.sent = made_sent(session, &listed).await?;
        }
        // A name alone is a guess, where the provider files copies, until one was seen there: many a mailbox
        // has a folder that another program once made for them.
        let is_told = roles.is_sent_told || !saves_sent && roles.sent.is_some();
        let is_certain = is_told || way.store.files_sent(of, connection).await?;
        way.knows_sent.store(is_certain, Ordering::Relaxed);
        if let Some(sent) = roles.sent.as_deref().filter(|sent| known.as_deref() != Some(*sent)) {
            way.store.set_sent_folder(of, connection, sent).await?;
        }
        self.others = roles.others;
        self.listed_at = Instant::now();
        let Some(sent) = roles.sent else { return self.visit_inbox(way, session).await };
        let entered = self.enter(way, session, &sent, FolderRole::Sent).await;
        self.is_sent_closed = matches!(entered, Err(Error::Refused(_)));
        match self.is_sent_closed {
            true => self.visit_inbox(way, session).await,
            false => entered.map(drop),
        }
    }

    /// People make folders and rename them, and rules move mail there at once (T8): each round begins with
    /// the folders that there are then. The one of sent mail may be another now, too.
    async fn list_others(&mut self, way: &Way, session: &mut Session) -> Result<(), Error> {
        let listed = session.folders().await?;
        let is_home = self.open.role == FolderRole::Sent;
        let sent = is_home.then_some(self.open.name.as_str());
        let roles = folders::roles(&listed, sent, way.watched.account.saves_sent);
        if roles.sent.as_deref() != sent {
            return self.list(way, session).await;
        }
        self.others = roles.others;
        Ok(())
    }

    /// Opens a folder and reads all that is new in it.
    async fn enter(
        &mut self,
        way: &Way,
        session: &mut Session,
        name: &str,
        role: FolderRole,
    ) -> Result<Progress, Error> {
        let mut selected = self.examine(session, name).await?;
        if selected.uid_next == 0 {
            selected.uid_next = session.status(name).await?.uid_next;
        }
        self.open = self.place(way, session, (name, role), selected).await?;
        if self.open.uid_next >= selected.uid_next {
            return Ok(Progress::default());
        }
        let caution = self.cautions.entry(name.to_owned()).or_default();
        let read = folder::catch_up(way, session, &mut self.open, selected.uid_next, caution);
        let read = Box::pin(read).await;
        // Here there is a mail for certain, and not only a connection that ended meanwhile.
        if read.as_ref().is_err_and(is_lost) {
            caution.handle_loss(self.open.uid_next);
        }
        noted(read, caution)
    }

    /// RFC 3501 6.3.1: from here on no other folder is open, and none at all if this one is refused.
    async fn examine(
        &mut self,
        session: &mut Session,
        name: &str,
    ) -> Result<imap::Selected, imap::Error> {
        self.open = closed();
        session.examine(name).await
    }

    /// Where a folder was read up to. When its UIDs have lost their meaning it is read from its beginning:
    /// what was seen before is known by its ids, so that nothing is lost and nothing comes twice (T7).
    async fn place(
        &mut self,
        way: &Way,
        session: &mut Session,
        (name, role): (&str, FolderRole),
        selected: imap::Selected,
    ) -> Result<Folder, Error> {
        let (of, connection) = (way.watched.sub_account, way.watched.connection);
        let known = way.store.folders(of, connection).await?;
        let known = known.into_iter().find(|folder| folder.name == name);
        let uid_validity = selected.uid_validity;
        let at = |uid_next| Folder { name: name.to_owned(), role, uid_validity, uid_next };
        let uid_next = match known {
            Some(folder)
                if folder.uid_validity == selected.uid_validity
                    && folder.uid_next <= selected.uid_next
                    && folder.role == role =>
            {
                return Ok(folder);
            }
            Some(folder) if folder.uid_validity == selected.uid_validity && folder.role != role => {
                folder.uid_next.min(selected.uid_next)
            }
            Some(_) => self.reset(name)?,
            None => match Box::pin(folder::beginning(way, session, selected.uid_next)).await {
                Ok(uid_next) => uid_next,
                Err(error) => {
                    let caution = self.cautions.entry(name.to_owned()).or_default();
                    if is_of_mails(&error) || is_lost(&error) && caution.handle_loss(0) {
                        // One of the mails is the reason: they are all looked at, with caution.
                        let begun = at(folder::look_back(selected.uid_next));
                        way.store.set_folder(of, connection, &begun).await?;
                    }
                    return Err(error);
                }
            },
        };
        let folder = at(uid_next);
        way.store.set_folder(of, connection, &folder).await?;
        Ok(folder)
    }

    /// Back to the first mail; but not time and again.
    fn reset(&mut self, name: &str) -> Result<u32, Error> {
        tracing::warn!(
            code = "folder_reset",
            "A folder's UIDs lost their meaning; it is read anew."
        );
        if self.resets.get(name).is_some_and(|at| at.elapsed() < RESET_AGAIN) {
            return Err(Error::Broken("the server numbers a folder anew each time".to_owned()));
        }
        self.resets.insert(name.to_owned(), Instant::now());
        Ok(1)
    }

    /// STATUS tells whether anything came; only then a folder is opened.
    async fn look_at_others(&mut self, way: &Way, session: &mut Session) -> Result<(), Error> {
        let (of, connection) = (way.watched.sub_account, way.watched.connection);
        let known = way.store.folders(of, connection).await?;
        let (home, role) = (self.open.name.clone(), self.open.role);
        let mut found_sent = false;
        for name in self.others.clone() {
            if self.rests.get(&name).is_some_and(|rest| !rest.is_over(Instant::now())) {
                continue;
            }
            match self.look_at(way, session, &name, &known).await {
                Ok(progress) if progress.found_sent => found_sent = true,
                Ok(_) => {
                    self.rests.remove(&name);
                }
                // Refused: the folder, or a mail in it; it is looked at again with the next round.
                Err(Error::Refused(_)) => {}
                Err(error) => {
                    let bounds = (self.others_every.min(REST_MAX), REST_MAX);
                    self.rests.entry(name).or_default().lengthen(Instant::now(), bounds);
                    return Err(error);
                }
            }
        }
        if found_sent {
            // T8: it was learnt where sent mail is kept.
            return Box::pin(self.list(way, session)).await;
        }
        self.go_home(way, session, (&home, role)).await
    }

    async fn look_at(
        &mut self,
        way: &Way,
        session: &mut Session,
        name: &str,
        known: &[Folder],
    ) -> Result<Progress, Error> {
        let status = session.status(name).await?;
        let cursor = known.iter().find(|folder| folder.name == name);
        let is_read = cursor.is_some_and(|folder| {
            folder.uid_validity == status.uid_validity && folder.uid_next == status.uid_next
        });
        match is_read {
            true => Ok(Progress::default()),
            false => self.enter(way, session, name, FolderRole::Other).await,
        }
    }

    async fn go_home(
        &mut self,
        way: &Way,
        session: &mut Session,
        (home, role): (&str, FolderRole),
    ) -> Result<(), Error> {
        if self.open.name == home {
            return Ok(());
        }
        match role {
            FolderRole::Inbox => self.visit_inbox(way, session).await,
            role => self.enter(way, session, home, role).await.map(drop),
        }
    }

    /// The Inbox has a session of its own that moves its cursor; here nothing is read from it but what is
    /// searched for, below where that session has come.
    async fn visit_inbox(&mut self, way: &Way, session: &mut Session) -> Result<(), Error> {
        let uid_validity = self.examine(session, INBOX).await?.uid_validity;
        let (of, connection) = (way.watched.sub_account, way.watched.connection);
        let known = way.store.folders(of, connection).await?;
        let known = known.into_iter().find(|folder| folder.name == INBOX);
        let (name, role) = (INBOX.to_owned(), FolderRole::Inbox);
        let unread = Folder { name, role, uid_validity, uid_next: 1 };
        self.open = known.filter(|it| it.uid_validity == uid_validity).unwrap_or(unread);
        Ok(())
    }
}

/// What came of reading a folder, remembered for its next page.
fn noted(read: Result<Progress, Error>, caution: &mut Caution) -> Result<Progress, Error> {
    match &read {
        Err(Error::Unreadable(_)) => caution.handle_trouble(Trouble::Unreadable),
        Err(Error::Refused(_)) => caution.handle_trouble(Trouble::Refused),
        _ => {}
    }
    read
}

/// Does it tell of the mails that were asked for?
const fn is_of_mails(error: &Error) -> bool {
    matches!(error, Error::Unreadable(_) | Error::Refused(_))
}

const fn is_lost(error: &Error) -> bool {
    matches!(error, Error::Lost(_))
}

/// S6: where nobody else files copies, there is a folder for them.
async fn made_sent(session: &mut Session, listed: &[Listed]) -> Result<Option<String>, Error> {
    let name = folders::new_sent(listed);
    match session.create(&name).await {
        Ok(()) => Ok(Some(name)),
        Err(imap::Error::Refused { text, .. }) => {
            tracing::warn!(code = "sent_not_made", %text, "There is no folder of sent mail, and none can be made.");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Before any folder is open.
fn closed() -> Folder {
    Folder { name: String::new(), role: FolderRole::Other, uid_validity: 0, uid_next: 1 }
}
