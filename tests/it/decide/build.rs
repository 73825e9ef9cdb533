//! Mails and facts for the tables, in few words.

use std::sync::Arc;

use mailweave::decide::facts::{AccountFacts, ContactFact};
use mailweave::decide::{self, Again, Change, Decision, Facts, Submission};
use mailweave::mail::{Automatic, Defect, Email, File, Forward, Forwarded};
use mailweave::model::settings::UntrustedSender;
use mailweave::model::{
    Address, ContactId, ConversationId, Door, Message, MessageId, NewIds, Outcome, Pepper, Person,
    Reason, Settings, StoredMessageId, SubAccountId, Time, Trust, TrustResults, UserId, VerdictId,
};
use uuid::Uuid;

pub const ACCOUNT: SubAccountId = SubAccountId(Uuid::from_u128(1));
pub const ANN: UserId = UserId(Uuid::from_u128(10));
pub const BEN: UserId = UserId(Uuid::from_u128(11));

pub fn person(text: &str) -> Person {
    match text.split_once('<') {
        Some((name, email)) => Person {
            email: Address::parse(email.trim_end_matches('>')).unwrap(),
            name: Some(name.trim().to_owned()),
        },
        None => Person::new(Address::parse(text).unwrap()),
    }
}

pub fn people(text: &str) -> Vec<Person> {
    text.split(',').map(str::trim).filter(|it| !it.is_empty()).map(person).collect()
}

pub fn id(text: &str) -> MessageId {
    MessageId::parse(text).unwrap()
}

pub fn ids(text: &str) -> Vec<MessageId> {
    text.split_whitespace().map(id).collect()
}

/// A mail before judgement; by default Ann's own, believed, to nobody.
#[derive(Clone)]
pub struct Mail {
    pub submission: Submission,
}

pub fn mail(id_text: &str) -> Mail {
    let mut email = Email::default();
    email.headers.message_id = Some(id(id_text));
    email.headers.from = Some(person("ann@ours.example"));
    email.headers.subject = "Offer".to_owned();
    email.headers.date = Some(Time::from_seconds(1_700_000_000));
    email.text = "Hello".to_owned();
    email.text_hash = [1; 32];
    let submission = Submission {
        sub_account: ACCOUNT,
        door: Door::Smtp,
        owners: vec![ANN],
        trust: TrustResults::without_checks(Trust::Dmarc),
        email: Arc::new(email),
        message_id: id(id_text),
        forward: Forward::None,
        bcc_domains: Arc::from(["bcc.example".to_owned()]),
        received_at: Time::from_seconds(1_700_000_060),
        pepper: Pepper::new([0; 32]),
        again: None,
        found: None,
        sending: None,
    };
    Mail { submission }
}

impl Mail {
    pub fn email(mut self, change: impl FnOnce(&mut Email)) -> Self {
        change(Arc::make_mut(&mut self.submission.email));
        self
    }

    pub fn from(self, text: &str) -> Self {
        let from = people(text).into_iter().next();
        self.email(|email| email.headers.from = from)
    }

    pub fn to(self, text: &str) -> Self {
        self.email(|email| email.headers.to = people(text))
    }

    pub fn cc(self, text: &str) -> Self {
        self.email(|email| email.headers.cc = people(text))
    }

    pub fn answers(self, text: &str) -> Self {
        self.email(|email| email.headers.in_reply_to = ids(text))
    }

    pub fn names(self, text: &str) -> Self {
        self.email(|email| email.headers.references = ids(text))
    }

    pub fn index(self, byte: u8) -> Self {
        self.email(|email| email.headers.thread_index = Some([byte; 16]))
    }

    pub fn automatic(self, what: Automatic) -> Self {
        self.email(|email| email.automatic = Some(what))
    }

    pub fn defect(self, defect: Defect) -> Self {
        self.email(|email| email.defects.push(defect))
    }

    pub fn trust(mut self, trust: Trust) -> Self {
        self.submission.trust = TrustResults::without_checks(trust);
        self
    }

    pub fn door(mut self, door: Door) -> Self {
        self.submission.door = door;
        self
    }

    pub fn owner(mut self, owners: &[UserId]) -> Self {
        self.submission.owners = owners.to_vec();
        self
    }

    /// It forwards that mail, to the smart BCC address alone.
    pub fn forwards(mut self, forward: Forward) -> Self {
        self.submission.forward = forward;
        self.to("ann-x@bcc.example")
    }

    /// Released, with a contact chosen or not.
    pub fn released(mut self, contact: Option<&str>) -> Self {
        self.submission.trust = TrustResults::without_checks(Trust::Released);
        self.submission.again = Some(Again {
            verdict: VerdictId(Uuid::from_u128(500)),
            message: StoredMessageId(Uuid::from_u128(501)),
            at: Time::from_seconds(1_700_000_060),
            released: true,
            contact: contact.map(person),
            without_files: false,
        });
        self
    }

    pub fn file(self, name: &str, size: u64) -> Self {
        let file = File {
            file_name: name.to_owned(),
            content_type: "application/pdf".to_owned(),
            sniffed: Some("pdf"),
            has_nul: true,
            size,
            sha256: [7; 32],
            inline: false,
            content_id: None,
        };
        self.email(|email| email.files.push(file))
    }
}

pub fn forwarded(from: &str, to: &str) -> Forward {
    Forward::Of(Box::new(Forwarded {
        from: person(from),
        to: people(to),
        cc: Vec::new(),
        subject: "Order".to_owned(),
        date: Some(Time::from_seconds(1_600_000_000)),
        message_id: None,
        in_reply_to: Vec::new(),
        references: Vec::new(),
        text: "I order".to_owned(),
        is_attached: false,
    }))
}

/// What is known: Ann (with an alias), Ben, and what was filed before.
pub struct World {
    pub facts: Facts,
    pub ids: NewIds,
}

pub fn world() -> World {
    let mut account = AccountFacts::default();
    account.users.insert("ann@ours.example".to_owned(), vec![ANN]);
    account.users.insert("ann@private.example".to_owned(), vec![ANN]);
    account.users.insert("ben@ours.example".to_owned(), vec![BEN]);
    account.users.insert("sales@ours.example".to_owned(), vec![ANN, BEN]);
    let mut facts = Facts::default();
    facts.accounts.insert(ACCOUNT, account);
    World { facts, ids: NewIds::new(Time::from_seconds(1_700_000_000), 7) }
}

impl World {
    fn account(&mut self) -> &mut AccountFacts {
        self.facts.accounts.get_mut(&ACCOUNT).unwrap()
    }

    pub fn settings(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        change(&mut settings);
        self.account().settings = Arc::new(settings);
        self
    }

    pub fn accepting(self) -> Self {
        self.settings(|settings| settings.untrusted_sender = UntrustedSender::Accept)
    }

    pub fn never_log(mut self, address: &str) -> Self {
        self.account().never_log.insert(address.to_owned());
        self
    }

    pub fn contact(mut self, email: &str, number: u128) -> Self {
        let fact = ContactFact {
            id: ContactId(Uuid::from_u128(number)),
            conversation: Some(ConversationId(Uuid::from_u128(number + 1))),
        };
        self.account().contacts.insert(email.to_owned(), fact);
        self
    }

    /// Judges a mail and remembers what came of it.
    pub fn judge(&mut self, mail: Mail) -> Decision {
        let decision = decide::ingest(&self.facts, &mail.submission, &mut self.ids).unwrap();
        self.facts.apply(&decision);
        decision
    }

    /// The same, for a world that a mail is to be filed in first.
    pub fn with(mut self, mail: Mail) -> Self {
        let decision = self.judge(mail);
        assert_eq!(decision.verdict.outcome(), Outcome::Filed, "{:?}", decision.verdict);
        self
    }
}

pub fn message(decision: &Decision) -> &Message {
    let added = decision.changes.iter().find_map(|change| match change {
        Change::AddMessage(message) => Some(&**message),
        _ => None,
    });
    added.expect("a message was added")
}

pub fn new_contacts(decision: &Decision) -> Vec<String> {
    let contacts = decision.changes.iter().filter_map(|change| match change {
        Change::AddContact(contact) => Some(contact.email.normal().to_owned()),
        _ => None,
    });
    contacts.collect()
}

pub fn reason(decision: &Decision) -> Reason {
    decision.verdict.reason
}
