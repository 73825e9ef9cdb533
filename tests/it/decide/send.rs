//! By which way a mail goes, and as whom (S1 to S3): every kind, From, mailbox and relay.

use mailweave::decide::send::{Mailbox, Refusal, RelayNames, Sender, choose};
use mailweave::model::settings::BulkSender;
use mailweave::model::{
    Address, ConnectionId, MailboxState, Person, Role, SendKind, Settings, Time, User, Via,
};
use uuid::Uuid;

use super::build::{ANN, person};

const MAILBOX: ConnectionId = ConnectionId(Uuid::from_u128(70));
/// Of the mailbox, of the relay's domain, and of neither.
const OWN: &str = "ann@outlook.example";
const ALLOWED: &str = "sales@acme.example";
const FOREIGN: &str = "ann@elsewhere.example";

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn sender(mailbox: Option<MailboxState>, relay: bool, bulk_sender: BulkSender) -> Sender {
    let mailbox = mailbox.map(|state| Mailbox {
        connection: MAILBOX,
        address: address(OWN),
        state,
        rewrites_ids: false,
    });
    let user = User {
        id: ANN,
        name: "Ann".to_owned(),
        email: address("ann@acme.example"),
        aliases: Vec::new(),
        time_zone: "UTC".to_owned(),
        bcc_address: None,
        role: Role::User,
        created_at: Time::from_seconds(0),
    };
    let relay = relay.then(|| RelayNames {
        default_from: address("crm@acme.example"),
        allowed_domains: vec!["acme.example".to_owned()],
    });
    Sender { user, mailbox, relay, settings: Settings { bulk_sender, ..Settings::default() } }
}

/// In the words of the tables: `mailbox`, `relay as FROM`, `relay as FROM for REPLY-TO`, `no_sender`.
fn chosen(kind: SendKind, from: &str, sender: &Sender) -> String {
    let asked = Some(from).filter(|from| !from.is_empty()).map(person);
    match choose(kind, asked.as_ref(), sender) {
        Ok(choice) if choice.via == Via::Mailbox(MAILBOX) => {
            assert_eq!((choice.from.email.normal(), choice.reply_to), (OWN, None));
            "mailbox".to_owned()
        }
        Ok(choice) => {
            let for_whom = |it: &Person| format!(" for {}", it.email.normal());
            let reply_to = choice.reply_to.as_ref().map(for_whom).unwrap_or_default();
            format!("relay as {}{reply_to}", choice.from.email.normal())
        }
        Err(Refusal::NoSender) => "no_sender".to_owned(),
        Err(refusal) => panic!("{refusal:?}"),
    }
}

/// What the relay sends it as.
fn by_relay(from: &str) -> String {
    match from {
        "" => "relay as ann@acme.example".to_owned(),
        ALLOWED => format!("relay as {ALLOWED}"),
        _ => format!("relay as crm@acme.example for {from}"),
    }
}

#[test]
fn every_mail_has_its_way() {
    use BulkSender::{AlwaysProvider, MailboxWhenFromMatches};
    use MailboxState::{Active, Connecting, Disconnected, NeedsReauth};
    let states = [None, Some(Connecting), Some(Active), Some(NeedsReauth), Some(Disconnected)];
    let mut rows = 0;
    for state in states {
        // One that must be authorised again is waited for.
        let is_connected = matches!(state, Some(Active | NeedsReauth));
        for kind in [SendKind::Individual, SendKind::Bulk, SendKind::Workflow] {
            for from in ["", OWN, "Ann@Outlook.example", ALLOWED, FOREIGN] {
                for bulk_sender in [MailboxWhenFromMatches, AlwaysProvider] {
                    let is_own = from.eq_ignore_ascii_case(OWN);
                    let by_mailbox = is_connected
                        && match kind {
                            SendKind::Individual => true,
                            SendKind::Bulk => is_own && bulk_sender == MailboxWhenFromMatches,
                            SendKind::Workflow => false,
                        };
                    for relay in [true, false] {
                        let expected = match (by_mailbox, relay) {
                            (true, _) => "mailbox".to_owned(),
                            (false, true) => by_relay(&from.to_lowercase()),
                            (false, false) => "no_sender".to_owned(),
                        };
                        let sender = sender(state, relay, bulk_sender);
                        let what = format!("{kind:?} {from:?} {state:?} {bulk_sender:?} {relay}");
                        assert_eq!(chosen(kind, from, &sender), expected, "{what}");
                        rows += 1;
                    }
                }
            }
        }
    }
    assert_eq!(rows, 5 * 3 * 5 * 2 * 2);
}

#[test]
fn the_name_is_the_one_asked_for_or_the_users() {
    let sender = sender(Some(MailboxState::Active), true, BulkSender::AlwaysProvider);
    for (kind, from, name) in [
        (SendKind::Individual, "", "Ann"),
        (SendKind::Individual, "Ann of Acme <ann@outlook.example>", "Ann of Acme"),
        (SendKind::Workflow, "Sales <sales@acme.example>", "Sales"),
        (SendKind::Workflow, "sales@acme.example", "Ann"),
    ] {
        let asked = Some(from).filter(|from| !from.is_empty()).map(person);
        let choice = choose(kind, asked.as_ref(), &sender).unwrap();
        assert_eq!(choice.from.name.as_deref(), Some(name), "{from}");
    }
}
