//! What the CRM sends: by which way, as whom, with which files (S1 to S3, S10), and what is recorded of
//! it before it goes (S4, T6).

mod admit;

pub use admit::{Admission, Lane, Load, Loads, Open, Pace, admit, deal};

use std::collections::BTreeSet;

use crate::mail::{Email, File};
use crate::model::settings::BulkSender;
use crate::model::{
    Address, ConnectionId, ConversationId, Direction, EventType, Kind, MailboxState, NewIds,
    Outgoing, Person, SendKind, Settings, State, User, Via,
};

use super::case::{Case, Ruling};
use super::facts::Facts;
use super::files;
use super::plan::{Copy, Place, Plan};
use super::submission::Submission;
use super::{Change, Decision, filing, thread};

/// What is known of who sends.
#[derive(Clone, Debug)]
pub struct Sender {
    pub user: User,
    /// The mailbox that the user has connected.
    pub mailbox: Option<Mailbox>,
    pub relay: Option<RelayNames>,
    pub settings: Settings,
}

/// A connected mailbox, as far as it decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    pub connection: ConnectionId,
    pub address: Address,
    pub state: MailboxState,
    /// Its server gives mail other Message-IDs (S7).
    pub rewrites_ids: bool,
}

/// What the relay may send as (S3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayNames {
    pub default_from: Address,
    pub allowed_domains: Vec<String>,
}

/// By which way a mail goes, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    pub via: Via,
    pub from: Person,
    pub reply_to: Option<Person>,
    pub rewrites_ids: bool,
}

/// Why a mail is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// S3: a relay is needed, and there is none.
    NoSender,
    /// S10, by the file's name.
    AttachmentTooLarge(String),
    TypeNotAllowed(String),
}

/// By which way, and as whom (S1 to S3). `asked` is the From that the caller asked for.
pub fn choose(kind: SendKind, asked: Option<&Person>, sender: &Sender) -> Result<Choice, Refusal> {
    let mailbox =
        sender.mailbox.as_ref().filter(|mailbox| goes_through(kind, asked, sender, mailbox));
    match (mailbox, &sender.relay) {
        (Some(mailbox), _) => Ok(Choice {
            via: Via::Mailbox(mailbox.connection),
            from: Person { email: mailbox.address.clone(), name: name(asked, sender) },
            reply_to: None,
            rewrites_ids: mailbox.rewrites_ids,
        }),
        (None, Some(relay)) => Ok(through_relay(asked, sender, relay)),
        (None, None) => Err(Refusal::NoSender),
    }
}

/// Does it go through the user's mailbox? One that must be authorised again is waited for (S1).
fn goes_through(
    kind: SendKind,
    asked: Option<&Person>,
    sender: &Sender,
    mailbox: &Mailbox,
) -> bool {
    let is_connected = matches!(mailbox.state, MailboxState::Active | MailboxState::NeedsReauth);
    let matches = asked.is_some_and(|asked| asked.email == mailbox.address);
    is_connected
        && match kind {
            SendKind::Individual => true,
            SendKind::Bulk => {
                matches && sender.settings.bulk_sender == BulkSender::MailboxWhenFromMatches
            }
            SendKind::Workflow => false,
        }
}

/// S3: as the address that was asked for, if the relay may send as its domain; anything else would fail
/// DMARC, and is put where answers go to.
fn through_relay(asked: Option<&Person>, sender: &Sender, relay: &RelayNames) -> Choice {
    let email = asked.map_or(&sender.user.email, |asked| &asked.email);
    let is_allowed = relay.allowed_domains.iter().any(|domain| domain == email.domain())
        || *email == relay.default_from;
    let wanted = Person { email: email.clone(), name: name(asked, sender) };
    let (from, reply_to) = match is_allowed {
        true => (wanted, None),
        false => {
            let email = relay.default_from.clone();
            (Person { email, name: wanted.name.clone() }, Some(wanted))
        }
    };
    Choice { via: Via::Relay, from, reply_to, rewrites_ids: false }
}

fn name(asked: Option<&Person>, sender: &Sender) -> Option<String> {
    let asked = asked.and_then(|asked| asked.name.clone());
    asked.or_else(|| Some(sender.user.name.clone()))
}

/// S10: files obey the rule that mail obeys (A1), before anything is queued.
pub fn check_files(files: &[File], settings: &Settings) -> Result<(), Refusal> {
    for file in files {
        match files::rule(file, settings).1 {
            None => {}
            Some(files::TOO_LARGE) => {
                return Err(Refusal::AttachmentTooLarge(file.file_name.clone()));
            }
            Some(_) => return Err(Refusal::TypeNotAllowed(file.file_name.clone())),
        }
    }
    Ok(())
}

/// A mail that is to be sent, beside what every submission has.
#[derive(Clone, Debug)]
pub struct Sending {
    pub outgoing: Outgoing,
    /// Where the caller wants it.
    pub conversation: Option<ConversationId>,
}

/// What is recorded of a mail before it is sent: the message in its conversation and thread, and its
/// place in the outbox. `None` when its sub-account does not exist any more.
pub fn send(facts: &Facts, submission: &Submission, ids: &mut NewIds) -> Option<Decision> {
    let account = facts.account(submission.sub_account)?;
    let sending = submission.sending.as_ref()?;
    let case = Case { submission, account };
    let mut decision = filing::decide(&case, Ruling::File(plan(&case, sending)), ids);
    for event in &mut decision.events {
        if event.event_type == EventType::MessageFiled {
            event.event_type = EventType::MessageQueued;
        }
    }
    decision.changes.push(Change::Enqueue(Box::new(sending.outgoing.clone())));
    Some(decision)
}

fn plan<'a>(case: &Case<'a>, sending: &Sending) -> Plan<'a> {
    let copy = Copy::of_mail(case.submission);
    let place = match (sending.conversation, thread::find(case.account, &copy)) {
        (Some(here), Some(joined)) if joined.conversation == here => Place::Thread(joined),
        (Some(here), _) => Place::In(here),
        (None, Some(joined)) => Place::Thread(joined),
        (None, None) => Place::With(contacts(case, &copy)),
    };
    let user = Some(sending.outgoing.user);
    Plan { copy, direction: Direction::Outbound, user, place, rule: "S4", id_conflict: false }
}

/// B3, as far as it can be: a mail that the CRM sends has a place whoever it goes to, so that one can
/// see what became of it.
fn contacts<'a>(case: &Case<'a>, copy: &Copy<'a>) -> Vec<&'a Person> {
    let outsiders = |person: &&'a Person| case.is_outsider(&person.email);
    let wanted = |person: &&'a Person| !case.is_never_log(&person.email);
    let mut named = BTreeSet::new();
    let once = |person: &&'a Person| named.insert(person.email.normal());
    let chosen: Vec<&Person> =
        copy.to.iter().filter(outsiders).filter(wanted).filter(once).collect();
    match chosen.is_empty() {
        true => copy.to.iter().take(1).collect(),
        false => chosen,
    }
}

/// May this mail be answered from the CRM? What is held has no place yet, and nobody reads answers to a
/// delivery report.
pub fn can_be_answered(state: State, kind: Kind) -> bool {
    state != State::Held && kind != Kind::DeliveryReport
}

/// Is there nothing in it? Only a broken caller would send that.
pub fn is_empty(email: &Email, subject: &str) -> bool {
    subject.trim().is_empty() && email.text.trim().is_empty() && email.files.is_empty()
}
