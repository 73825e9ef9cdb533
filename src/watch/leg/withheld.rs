//! Mail that its server did not give when its folder was read: it is asked for again, ever more rarely, and
//! judged as any other once it is given (V1).

use super::super::caution;
use super::super::flow::{self, Progress, Step, Way};
use super::super::imap::Session;
use super::super::mailbox::{Error, Mailbox};
use super::{View, is_lost, is_of_mails};
use crate::clock;
use crate::model::{Door, Folder, FolderRole, NewIds, Reason, Verdict, VerdictId};
use crate::store::Withheld;

/// What became of a mail that was asked for again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// It was given, and judged; with the Sent copy of a mail that the CRM sent, or without.
    Given { found_sent: bool },
    /// It is not there any more, or its UID means another mail now.
    Gone,
    /// It still is not given.
    InVain,
}

impl View {
    /// Asks for what is due.
    pub(super) async fn ask_for_withheld(
        &mut self,
        way: &Way,
        session: &mut Session,
    ) -> Result<(), Error> {
        let place = (way.watched.sub_account, way.watched.connection);
        let due = way.store.withheld(place, clock::now()).await?;
        if due.is_empty() {
            return Ok(());
        }
        let known = way.store.folders(place.0, place.1).await?;
        let (home, role) = (self.open.name.clone(), self.open.role);
        let mut found_sent = false;
        for mail in &due {
            let folder = known.iter().find(|folder| folder.name == mail.folder);
            found_sent |= self.ask_for(way, session, (mail, folder)).await?;
        }
        match found_sent {
            // T8: it was learnt where sent mail is kept.
            true => Box::pin(self.list(way, session)).await,
            false => self.go_home(way, session, (&home, role)).await,
        }
    }

    /// Asks for one of them. Answers if the folder proved to be the one of sent mail.
    async fn ask_for(
        &mut self,
        way: &Way,
        session: &mut Session,
        (mail, folder): (&Withheld, Option<&Folder>),
    ) -> Result<bool, Error> {
        let place = (way.watched.sub_account, way.watched.connection);
        let now = clock::now();
        let next = caution::ask_again(mail.since, mail.tries, now);
        // First: to ask may end the session, and must not be done with each one then.
        let next_at = next.unwrap_or_else(|| caution::last_time(now));
        way.store.put_withheld_off(place, mail, next_at).await?;
        let asked = match folder {
            Some(folder) => {
                // What fails before the folder is open says nothing of this mail.
                let entered = self.enter_to_search(way, session, &mail.folder, folder.role);
                match Box::pin(entered).await {
                    Ok(entered) => {
                        let role = folder.role;
                        Box::pin(self.asked_for(way, session, mail, (role, entered))).await
                    }
                    Err(Error::Refused(_)) => return Ok(false),
                    Err(error) => return Err(error),
                }
            }
            None => Ok(Asked::Gone),
        };
        let in_vain = match &asked {
            Ok(asked) => *asked == Asked::InVain,
            // A connection may be lost for another reason, but not each time.
            Err(error) => is_of_mails(error) || is_lost(error) && mail.tries > 0,
        };
        if matches!(asked, Ok(Asked::Given { .. } | Asked::Gone)) {
            way.store.forget_withheld(place, mail).await?;
        } else if in_vain && next.is_none() {
            give_up(way, mail).await?;
        }
        match asked {
            Ok(asked) => Ok(asked == Asked::Given { found_sent: true }),
            // After a refusal the session goes on; after anything else it cannot.
            Err(Error::Refused(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn asked_for(
        &mut self,
        way: &Way,
        session: &mut Session,
        mail: &Withheld,
        (role, entered): (FolderRole, Progress),
    ) -> Result<Asked, Error> {
        let uid = mail.uid;
        if self.open.uid_validity != mail.uid_validity {
            return Ok(Asked::Gone);
        }
        let headers = session.headers(uid, uid).await?;
        if headers.is_empty() {
            let is_there = session.uids(uid, uid).await?.contains(&uid);
            return Ok(if is_there { Asked::InVain } else { Asked::Gone });
        }
        let progress = flow::page(way, session, &mut self.open, headers, Step::default()).await?;
        let found_sent = entered.found_sent || progress.found_sent;
        let found_sent = found_sent && role == FolderRole::Other;
        Ok(if progress.left.is_some() { Asked::InVain } else { Asked::Given { found_sent } })
    }
}

/// Nobody asks for it any more. No more is known of it than that it was there.
async fn give_up(way: &Way, mail: &Withheld) -> Result<(), Error> {
    let (connection, uid) = (way.watched.connection, mail.uid);
    let now = clock::now();
    let id = VerdictId(NewIds::new(now, clock::seed()).next_id());
    let verdict = Verdict {
        user_id: Some(way.watched.user),
        ..Verdict::new(id, now, Door::Imap, Reason::NotGiven)
    };
    way.store.give_up_withheld((way.watched.sub_account, connection), mail, &verdict).await?;
    metrics::counter!("mailweave_withheld_mails_given_up_total").increment(1);
    tracing::error!(connection.id = %connection, code = "mail_given_up", uid, "The server of connection {connection} did not give mail {uid} for days; it is asked for no more.");
    Ok(())
}
