//! The proof that a mailbox works (M2): each thing that will be needed is done once.

use std::time::Duration;

use super::remedy::{self, Failure};
use crate::model::{Account, Login};
use crate::submission::{self, Connection};
use crate::watch::imap::{self, Session, folders};

/// IDLE is begun and ended; this long it may wait in between.
const IDLE: Duration = Duration::from_millis(50);
/// A server that has not signed us in by then would not do for watching either.
const OPEN: Duration = Duration::from_secs(25);

/// Something that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub name: &'static str,
    /// What was found, or what failed.
    pub result: Result<String, Failure>,
}

/// Everything that was tried, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    pub steps: Vec<Step>,
    /// The folder of sent mail by its name on the wire, if it was recognised.
    pub sent_folder: Option<String>,
}

impl Proof {
    /// What our own code failed over is not proved.
    pub fn failed() -> Self {
        let mut proof = Self::default();
        proof.add("proof", Err(remedy::failed()));
        proof
    }

    /// The first thing that failed.
    pub fn failure(&self) -> Option<&Failure> {
        self.steps.iter().find_map(|step| step.result.as_ref().err())
    }

    fn add(&mut self, name: &'static str, result: Result<String, Failure>) -> bool {
        let is_good = result.is_ok();
        self.steps.push(Step { name, result });
        is_good
    }
}

/// Tries everything; what cannot be tried because of what failed before is left out.
pub async fn prove(
    imap: &imap::Options,
    submission: &submission::Options,
    account: &Account,
    login: &Login,
) -> Proof {
    // Somebody waits for the answer: both servers are asked at once.
    let imap = imap::Options { open_time: OPEN, ..imap.clone() };
    let submission = submission::Options { open_time: OPEN, ..submission.clone() };
    let (mut proof, sent) =
        tokio::join!(receiving(&imap, account, login), sending(&submission, account, login));
    proof.add("smtp sign-in", sent);
    proof
}

async fn receiving(imap: &imap::Options, account: &Account, login: &Login) -> Proof {
    let mut proof = Proof::default();
    match Session::open(imap, &account.imap, login).await {
        Ok(session) => {
            let found = format!("{} signs in {}", account.imap, login.username);
            proof.add("imap sign-in", Ok(found));
            read(&mut proof, session, account).await;
        }
        Err(error) => {
            proof.add("imap sign-in", Err(remedy::imap(&error, account)));
        }
    }
    proof
}

async fn sending(
    submission: &submission::Options,
    account: &Account,
    login: &Login,
) -> Result<String, Failure> {
    match Connection::open(submission, &account.smtp, login).await {
        Ok(connection) => {
            connection.quit().await;
            Ok(format!("{} signs in {}", account.smtp, login.username))
        }
        Err(error) => Err(remedy::smtp(&error, account)),
    }
}

async fn read(proof: &mut Proof, mut session: Session, account: &Account) {
    let idle = async {
        session.examine("INBOX").await?;
        session.idle(IDLE, std::future::pending()).await
    };
    let idle = idle.await.map(|_| "the server tells of new mail by itself".to_owned());
    let idle = idle.map_err(|error| remedy::reading(&error, account));
    if !proof.add("imap idle", idle) {
        return;
    }
    let sent = async {
        let roles = folders::roles(&session.folders().await?, None, account.saves_sent);
        if let Some(name) = &roles.sent {
            session.examine(name).await?;
        }
        Ok::<_, imap::Error>(roles.sent)
    };
    let found = sent.await.map_err(|error| remedy::reading(&error, account));
    proof.sent_folder = found.as_ref().ok().cloned().flatten();
    let found = found.map(|name| match name {
        Some(name) => format!("sent mail is in {name}"),
        None => {
            "not recognised by its name; it is learnt from the first mail that is sent".to_owned()
        }
    });
    proof.add("sent folder", found);
    session.logout().await;
}
