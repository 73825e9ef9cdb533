//! One row at least for each reason code; a reason without a row fails.

use std::collections::BTreeSet;

use mailweave::mail::{Automatic, Defect, Forward};
use mailweave::model::settings::OversizeAttachment;
use mailweave::model::verdict::explanation;
use mailweave::model::{Door, Outcome, Reason, Trust};

use super::build::*;

type Row = (&'static str, World, Mail, Reason);

fn rows() -> Vec<Row> {
    let customer = "carl@customer.example";
    let mut rows = filed(customer);
    rows.extend(held(customer));
    rows.extend(ignored(customer));
    rows
}

fn filed(customer: &str) -> Vec<Row> {
    vec![
        ("to a customer", world(), mail("a@x").to(customer), Reason::Filed),
        (
            "from an alias",
            world(),
            mail("a@x").from("ann@private.example").to(customer),
            Reason::Filed,
        ),
        ("by DKIM", world(), mail("a@x").to(customer).trust(Trust::Dkim), Reason::Filed),
        ("by SPF", world(), mail("a@x").to(customer).trust(Trust::Spf), Reason::Filed),
        (
            "unverified, accepted",
            world().accepting(),
            mail("a@x").to(customer).trust(Trust::Unverified),
            Reason::Filed,
        ),
        (
            "unknown author, accepted",
            world().accepting(),
            mail("a@x").from(customer).to("ann@ours.example"),
            Reason::Filed,
        ),
        (
            "imported from outside",
            world(),
            mail("a@x").from(customer).to("ann@ours.example").door(Door::Import),
            Reason::Filed,
        ),
        (
            "the same id, another mail",
            world().with(mail("a@x").to(customer)),
            mail("a@x").to(customer).email(|it| it.text_hash = [9; 32]),
            Reason::IdConflict,
        ),
        (
            "the same id, another author",
            world().with(mail("a@x").to(customer)),
            mail("a@x").from("ben@ours.example").to(customer),
            Reason::IdConflict,
        ),
        (
            "the same id, another date",
            world().with(mail("a@x").to(customer)),
            mail("a@x").to(customer).email(|it| it.headers.date = None),
            Reason::IdConflict,
        ),
        (
            "released with a contact",
            world(),
            mail("a@x").released(Some(customer)),
            Reason::Released,
        ),
        (
            "released from outside",
            world(),
            mail("a@x").from(customer).released(None),
            Reason::Released,
        ),
        (
            "a machine's, released",
            world(),
            mail("a@x").from("no-reply@vendor.example").to("ann@ours.example").released(None),
            Reason::Released,
        ),
        (
            "list mail, released",
            world(),
            mail("a@x").from(customer).automatic(Automatic::MailingList("List-Id")).released(None),
            Reason::Released,
        ),
        (
            "unreadable, released with a contact",
            world(),
            mail("a@x").from("").defect(Defect::Unreadable).released(Some(customer)),
            Reason::Released,
        ),
        (
            "the same mail",
            world().with(mail("a@x").to(customer)),
            mail("a@x").to(customer),
            Reason::Duplicate,
        ),
        (
            "the same mail, imported",
            world().with(mail("a@x").to(customer)),
            mail("a@x").to(customer).door(Door::Import).email(|it| it.text_hash = [9; 32]),
            Reason::Duplicate,
        ),
        (
            "an oversize file",
            world(),
            mail("a@x").to(customer).file("big.pdf", 3_145_729),
            Reason::AttachmentTooLarge,
        ),
        (
            "an oversize file, dropped",
            world().settings(|it| it.oversize_attachment = OversizeAttachment::DropFile),
            mail("a@x").to(customer).file("big.pdf", 3_145_729),
            Reason::Filed,
        ),
        (
            "a file at the limit",
            world(),
            mail("a@x").to(customer).file("big.pdf", 3_145_728),
            Reason::Filed,
        ),
        (
            "a forward",
            world(),
            mail("a@x").forwards(forwarded(customer, "ann@ours.example")),
            Reason::Filed,
        ),
    ]
}

fn held(customer: &str) -> Vec<Row> {
    let unsure = Forward::Unsure(people("x@one.example, y@two.example"));
    vec![
        (
            "a forward that nobody is to be seen on",
            world(),
            mail("a@x").forwards(forwarded("carl@customer.example", "ann@ours.example")).to(""),
            Reason::NoRecipient,
        ),
        (
            "somebody unknown",
            world(),
            mail("a@x").from("eve@evil.example").to(customer),
            Reason::UnknownSender,
        ),
        ("nobody in From", world(), mail("a@x").from("").to(customer), Reason::UnknownSender),
        (
            "nobody in From, accepting",
            world().accepting(),
            mail("a@x").from("").to(customer),
            Reason::UnknownSender,
        ),
        (
            "several in From",
            world(),
            mail("a@x")
                .from("")
                .email(|it| it.headers.other_authors = people("ann@ours.example, eve@evil.example"))
                .to(customer),
            Reason::UnverifiedSender,
        ),
        (
            "a forged user",
            world(),
            mail("a@x").to(customer).trust(Trust::Unverified),
            Reason::UnverifiedSender,
        ),
        (
            "DNS is down",
            world(),
            mail("a@x").to(customer).trust(Trust::Unknown),
            Reason::UnverifiedSender,
        ),
        (
            "a colleague's domain is no user",
            world().settings(|it| it.colleague_domains = vec!["ours.example".to_owned()]),
            mail("a@x").from("new@ours.example").to(customer),
            Reason::UnknownSender,
        ),
        (
            "an answer from the thread, unverified",
            world().with(mail("a@x").to(customer)),
            mail("b@x").from(customer).answers("a@x").trust(Trust::Unverified),
            Reason::UnverifiedSender,
        ),
        (
            "an answer from outside the thread",
            world().with(mail("a@x").to(customer)),
            mail("b@x").from("eve@evil.example").answers("a@x"),
            Reason::UnknownSender,
        ),
        (
            "an import of somebody else's mail",
            world(),
            mail("a@x").from("eve@evil.example").to(customer).door(Door::Import),
            Reason::UnknownSender,
        ),
        ("everyone in Bcc", world(), mail("a@x"), Reason::NoRecipient),
        ("only ourselves", world(), mail("a@x").to("k3y@bcc.example"), Reason::NoRecipient),
        (
            "outsiders only in Cc",
            world(),
            mail("a@x").to("ben@ours.example").cc(customer),
            Reason::NoRecipient,
        ),
        (
            "whose mail was forwarded is unsure",
            world(),
            mail("a@x").forwards(unsure),
            Reason::AmbiguousForward,
        ),
        (
            "a machine's mail was forwarded",
            world(),
            mail("a@x").forwards(forwarded("no-reply@shop.example", "ann@ours.example")),
            Reason::AmbiguousForward,
        ),
        (
            "nothing can be read",
            world(),
            mail("a@x").to(customer).defect(Defect::Unreadable),
            Reason::Unreadable,
        ),
        ("to postmaster", world(), mail("a@x").owner(&[]), Reason::Postmaster),
    ]
}

fn ignored(customer: &str) -> Vec<Row> {
    vec![
        ("only colleagues", world(), mail("a@x").to("ben@ours.example"), Reason::InternalOnly),
        (
            "a colleague's domain",
            world().settings(|it| it.colleague_domains = vec!["sister.example".to_owned()]),
            mail("a@x").to("x@sister.example"),
            Reason::InternalOnly,
        ),
        (
            "a forward of a colleague's mail to colleagues",
            world(),
            mail("a@x").forwards(forwarded("ben@ours.example", "ann@ours.example")),
            Reason::InternalOnly,
        ),
        (
            "everyone on the list",
            world().never_log(customer),
            mail("a@x").to(customer).cc("ben@ours.example"),
            Reason::NeverLog,
        ),
        (
            "a participant on the list",
            world().with(mail("a@x").to(customer)).never_log(customer),
            mail("b@x").from(customer).to("ann@ours.example").answers("a@x"),
            Reason::NeverLog,
        ),
        (
            "a forward of somebody on the list",
            world().never_log(customer),
            mail("a@x").forwards(forwarded(customer, "ann@ours.example")),
            Reason::NeverLog,
        ),
        (
            "an answer of a program",
            world(),
            mail("a@x").to(customer).automatic(Automatic::AutoReply("Auto-Submitted")),
            Reason::AutoGenerated,
        ),
        (
            "a machine, accepting",
            world().accepting(),
            mail("a@x").from("noreply@shop.example").to("ann@ours.example"),
            Reason::AutoGenerated,
        ),
        (
            "list mail",
            world(),
            mail("a@x").to(customer).automatic(Automatic::MailingList("List-Id")),
            Reason::MailingList,
        ),
        (
            "a delivery report",
            world(),
            mail("a@x").from("mailer-daemon@x.example").automatic(Automatic::DeliveryReport),
            Reason::DeliveryReport,
        ),
        ("a complaint", world(), mail("a@x").automatic(Automatic::Complaint), Reason::Complaint),
        (
            "our own mark",
            world(),
            mail("a@x").to(customer).email(|it| it.headers.loop_marks.push("1".to_owned())),
            Reason::Loop,
        ),
        (
            "from a smart BCC address",
            world(),
            mail("a@x").from("k3y@bcc.example").to(customer),
            Reason::Loop,
        ),
    ]
}

/// Reasons that are not decided here, and where they are.
const ELSEWHERE: [Reason; 9] = [
    Reason::TakenBack,        // by a person: `undo`
    Reason::Discarded,        // by a person: `discard`
    Reason::Expired,          // by time
    Reason::NotACrmThread,    // in a connected mailbox
    Reason::ThreadStopped,    // in a connected mailbox
    Reason::NotGiven,         // in a connected mailbox
    Reason::UnknownRecipient, // in the SMTP session
    Reason::TooLarge,         // in the SMTP session
    Reason::ProtocolError,    // in the SMTP session
];

/// B2 to B12, V4.
#[test]
fn every_row_of_the_policy_holds() {
    for (name, mut world, mail, expected) in rows() {
        let decision = world.judge(mail);
        assert_eq!(reason(&decision), expected, "{name}: {:?}", decision.verdict);
    }
}

#[test]
fn whoever_can_be_seen_is_not_called_hidden() {
    for (mail, said) in [
        (mail("a@x"), "everyone was in Bcc"),
        (mail("a@x").to("ben@ours.example").cc("carl@customer.example"), "carl@customer.example"),
    ] {
        let verdict = world().judge(mail).verdict;
        let sentence = explanation(verdict.reason, &verdict.matched);
        assert!(sentence.contains(said), "{sentence}");
        assert_eq!(sentence.contains("Bcc"), said.contains("Bcc"), "{sentence}");
    }
}

/// B11: each mail is a case of the rule that is expected, and of one behind it.
#[test]
fn the_first_rule_that_matches_decides() {
    let (carl, dora) = ("carl@customer.example", "dora@customer.example");
    let sent = || world().with(mail("a@x").to(carl));
    let unsure = || Forward::Unsure(vec![person(carl)]);
    let marked = |mail: Mail| mail.email(|it| it.headers.loop_marks.push("1".to_owned()));
    for (world, mail, expected) in [
        (world(), marked(mail("a@x").automatic(Automatic::DeliveryReport)), Reason::Loop),
        (
            world(),
            mail("a@x").from(dora).automatic(Automatic::MailingList("List-Id")),
            Reason::MailingList,
        ),
        (
            world(),
            mail("a@x").to(carl).trust(Trust::Unverified).automatic(Automatic::AutoReply("X")),
            Reason::AutoGenerated,
        ),
        (sent(), mail("a@x").to(carl).trust(Trust::Unverified), Reason::UnverifiedSender),
        (sent(), mail("a@x").to(carl).forwards(unsure()), Reason::Duplicate),
        (sent(), mail("b@x").answers("a@x").forwards(unsure()), Reason::AmbiguousForward),
        (sent(), mail("b@x").to("ben@ours.example").answers("a@x"), Reason::Filed),
        (
            world(),
            mail("a@x").to("ben@ours.example").file("big.pdf", 4_000_000),
            Reason::InternalOnly,
        ),
    ] {
        let (mut world, id) = (world, mail.submission.message_id.clone());
        assert_eq!(world.judge(mail).verdict.reason, expected, "{id}");
    }
}

#[test]
fn every_reason_has_a_row() {
    let seen: BTreeSet<Reason> = rows().into_iter().map(|row| row.3).chain(ELSEWHERE).collect();
    let missing: Vec<Reason> = Reason::ALL.into_iter().filter(|it| !seen.contains(it)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn nothing_is_stored_of_what_is_ignored() {
    for (name, mut world, mail, expected) in rows() {
        let decision = world.judge(mail);
        match expected.outcome() {
            Outcome::Ignored => {
                assert!(decision.changes.is_empty() && decision.events.is_empty(), "{name}");
                assert!(decision.verdict.stored_message_id.is_none(), "{name}");
            }
            _ => assert!(decision.verdict.stored_message_id.is_some(), "{name}"),
        }
    }
}

#[test]
fn what_is_held_expires_and_is_told() {
    for (name, mut world, mail, expected) in rows() {
        let is_new = mail.submission.again.is_none();
        let decision = world.judge(mail);
        let held = expected.outcome() == Outcome::Held;
        assert_eq!(decision.verdict.expires_at.is_some(), held, "{name}");
        if held && is_new {
            assert_eq!(decision.events.len(), 1, "{name}");
            assert!(message(&decision).conversation_id.is_none(), "{name}");
        }
    }
}

#[test]
fn only_a_check_that_failed_for_want_of_dns_is_repeated() {
    for (trust, repeated) in [(Trust::Unknown, true), (Trust::Unverified, false)] {
        let held = mail("a@x").to("carl@customer.example").trust(trust);
        assert_eq!(world().judge(held).verdict.recheck_at.is_some(), repeated);
    }
}
