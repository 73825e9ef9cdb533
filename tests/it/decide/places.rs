//! Whose conversation a mail is filed in, which way it went, and who becomes a contact (B2 to B7).

use mailweave::decide::Change;
use mailweave::model::verdict::explanation;
use mailweave::model::{Direction, Door, EventType, State, Time, Trust};

use super::build::*;

/// B3.
#[test]
fn the_first_outsider_in_to_owns_the_conversation() {
    let mut world = world();
    let to = "ben@ours.example, Carl Customer <carl@customer.example>, dora@customer.example";
    let decision = world.judge(mail("a@x").to(to).cc("erik@customer.example"));
    assert_eq!(new_contacts(&decision), ["carl@customer.example", "dora@customer.example"]);
    assert_eq!(decision.verdict.matched.address.as_deref(), Some("carl@customer.example"));
    assert_eq!(message(&decision).direction, Some(Direction::Outbound));
    let links = decision.changes.iter().filter(|it| matches!(it, Change::LinkContact { .. }));
    assert_eq!(links.count(), 1);
    let conversations =
        decision.changes.iter().filter(|it| matches!(it, Change::AddConversation(_)));
    assert_eq!(conversations.count(), 1);
}

#[test]
fn people_in_cc_become_contacts_when_the_switch_is_on() {
    let mut world = world().settings(|it| it.contacts_from_cc = true);
    let decision = world.judge(mail("a@x").to("carl@customer.example").cc("dora@customer.example"));
    assert_eq!(new_contacts(&decision), ["carl@customer.example", "dora@customer.example"]);
}

#[test]
fn the_name_of_a_known_contact_is_not_overwritten() {
    let mut world = world().contact("carl@customer.example", 100);
    let decision = world.judge(mail("a@x").to("Someone Else <carl@customer.example>"));
    assert!(new_contacts(&decision).is_empty());
    assert_eq!(message(&decision).conversation_id.unwrap().0.as_u128(), 101);
}

#[test]
fn two_mails_of_one_batch_make_one_contact() {
    let mut world = world();
    let first = world.judge(mail("a@x").to("Carl@Customer.example"));
    let second = world.judge(mail("b@x").to("carl@customer.example"));
    assert_eq!((new_contacts(&first).len(), new_contacts(&second).len()), (1, 0));
    assert_eq!(message(&first).conversation_id, message(&second).conversation_id);
    assert_ne!(message(&first).thread_id, message(&second).thread_id);
}

#[test]
fn the_owner_of_a_shared_address_is_the_actor() {
    for owner in [ANN, BEN] {
        let shared =
            mail("a@x").from("sales@ours.example").to("c@customer.example").owner(&[owner]);
        assert_eq!(world().judge(shared).verdict.user_id, Some(owner));
    }
}

#[test]
fn a_copy_that_a_colleague_sent_to_the_address_of_another_is_the_colleagues() {
    let decision = world().judge(mail("a@x").from("ben@ours.example").to("c@customer.example"));
    assert_eq!(decision.verdict.user_id, Some(BEN));
}

#[test]
fn our_own_addresses_never_become_contacts() {
    let to = "k3y@bcc.example, carl@customer.example";
    let decision = world().judge(mail("a@x").to(to).cc("old@bcc.example"));
    assert_eq!(new_contacts(&decision), ["carl@customer.example"]);
    let threads = decision.changes.iter().find_map(|change| match change {
        Change::AddThread(thread) => Some(thread.participants.clone()),
        _ => None,
    });
    let expected = ["ann@ours.example", "carl@customer.example"].map(str::to_owned);
    assert_eq!(threads.unwrap(), expected.into());
}

#[test]
fn a_forward_is_filed_under_the_person_it_is_really_from() {
    let forward = mail("f@x")
        .answers("original@x")
        .forwards(forwarded("carl@customer.example", "ann@ours.example"));
    let decision = world().judge(forward);
    let filed = message(&decision);
    assert_eq!(filed.direction, Some(Direction::Inbound));
    assert_eq!(filed.subject, "Order");
    assert_eq!(filed.date, Some(Time::from_seconds(1_600_000_000)));
    assert_eq!(filed.message_id, id("original@x"));
    assert!(filed.forwarded);
    assert_eq!(new_contacts(&decision), ["carl@customer.example"]);
}

#[test]
fn a_forward_of_the_actors_own_mail_uses_its_to() {
    let forward = mail("f@x").forwards(forwarded("ann@private.example", "carl@customer.example"));
    let decision = world().judge(forward);
    assert_eq!(message(&decision).direction, Some(Direction::Outbound));
    assert_eq!(new_contacts(&decision), ["carl@customer.example"]);
    let sentence = explanation(decision.verdict.reason, &decision.verdict.matched);
    assert!(sentence.ends_with("it was sent to carl@customer.example."), "{sentence}");
}

#[test]
fn the_same_forward_twice_is_a_duplicate_and_so_is_its_original() {
    let forward = || {
        mail("f@x")
            .answers("original@x")
            .forwards(forwarded("carl@customer.example", "ann@ours.example"))
    };
    let mut world = world().with(forward());
    assert_eq!(world.judge(forward()).verdict.reason.name(), "duplicate");
    let original = mail("original@x").from("carl@customer.example").to("ann@ours.example");
    let original = original.answers("").released(None).email(|it| it.text_hash = [3; 32]);
    assert_eq!(world.judge(original).verdict.reason.name(), "duplicate");
}

#[test]
fn a_forward_of_a_mail_that_is_filed_is_a_duplicate_of_it() {
    let mut world = world().with(mail("a@x").to("carl@customer.example"));
    let forward =
        mail("f@x").answers("a@x").forwards(forwarded("ann@ours.example", "carl@customer.example"));
    assert_eq!(world.judge(forward).verdict.reason.name(), "duplicate");
}

#[test]
fn a_participant_who_answers_to_all_joins_the_thread_and_makes_no_contact() {
    let first = mail("a@x").to("carl@customer.example").cc("dora@customer.example");
    let mut world = world().with(first);
    let answer = mail("b@x").from("dora@customer.example").to("ann@ours.example").answers("a@x");
    let decision = world.judge(answer);
    assert_eq!(decision.verdict.matched.rule.as_deref(), Some("B7"));
    let sentence = explanation(decision.verdict.reason, &decision.verdict.matched);
    assert!(sentence.contains("dora@customer.example answered"), "{sentence}");
    assert_eq!(message(&decision).direction, Some(Direction::Inbound));
    assert!(new_contacts(&decision).is_empty());
}

/// A2.
#[test]
fn a_skipped_message_makes_its_contact_and_advances_its_thread() {
    let mut world = world();
    let skipped = world.judge(mail("a@x").to("carl@customer.example").file("big.pdf", 4_000_000));
    assert_eq!(message(&skipped).state, State::Skipped);
    assert_eq!(new_contacts(&skipped), ["carl@customer.example"]);
    assert_eq!(skipped.verdict.matched.what.as_deref(), Some("big.pdf"));
    let answer = world.judge(mail("b@x").to("carl@customer.example").answers("a@x"));
    assert_eq!(message(&answer).thread_id, message(&skipped).thread_id);
}

#[test]
fn mail_that_is_released_keeps_its_verdict_and_its_row() {
    let released = mail("a@x").trust(Trust::Unverified).released(Some("carl@customer.example"));
    let again = released.submission.again.clone().unwrap();
    let decision = world().judge(released);
    assert_eq!(decision.verdict.id, again.verdict);
    assert_eq!(message(&decision).id, again.message);
    let types: Vec<EventType> = decision.events.iter().map(|event| event.event_type).collect();
    assert!(types.contains(&EventType::MessageFiled));
}

#[test]
fn the_direction_of_an_assigned_mail_follows_its_author() {
    for (from, to, expected) in [
        ("ann@ours.example", "", Direction::Outbound),
        ("carl@customer.example", "ann@ours.example", Direction::Inbound),
        ("ann@unknown-alias.example", "carl@customer.example", Direction::Outbound),
        ("stranger@x.example", "ann@ours.example", Direction::Inbound),
    ] {
        let assigned = mail("a@x").from(from).to(to).released(Some("carl@customer.example"));
        let decision = world().judge(assigned);
        assert_eq!(message(&decision).direction, Some(expected), "{from} -> {to}");
    }
}

/// T5, B5, B12.
#[test]
fn an_answer_from_another_address_stays_in_its_thread_when_somebody_vouches_for_it() {
    let answer = || mail("b@y").from("carl@home.example").to("ann@ours.example").answers("a@x");
    for vouched_for in [answer().door(Door::Import), answer().released(None)] {
        let mut world = world();
        let sent = world.judge(mail("a@x").to("carl@customer.example"));
        let decision = world.judge(vouched_for);
        assert_eq!(message(&decision).thread_id, message(&sent).thread_id);
        assert_eq!(message(&decision).direction, Some(Direction::Inbound));
        assert_eq!(new_contacts(&decision), [] as [String; 0]);
    }
    let mut world = world().settings(|it| it.colleague_domains = vec!["ours.example".to_owned()]);
    let sent = world.judge(mail("a@x").to("carl@customer.example, zoe@ours.example"));
    let by_colleague = mail("b@y").from("zoe@ours.example").to("carl@customer.example");
    let decision = world.judge(by_colleague.answers("a@x"));
    assert_eq!(message(&decision).thread_id, message(&sent).thread_id);
    assert_eq!(message(&decision).direction, Some(Direction::Outbound));
}

/// B6, B7: what a customer forwards is the customer's mail.
#[test]
fn a_forward_of_somebody_else_is_a_mail_of_theirs() {
    let forward = || {
        mail("b@x")
            .from("carl@customer.example")
            .answers("a@x")
            .forwards(forwarded("ceo@victim.example", "ann@ours.example"))
    };
    let mut world = world().with(mail("a@x").to("carl@customer.example"));
    let decision = world.judge(forward());
    assert_eq!(decision.verdict.matched.rule.as_deref(), Some("B7"));
    assert_eq!(message(&decision).from.as_ref().unwrap().email.normal(), "carl@customer.example");
    assert!(new_contacts(&decision).is_empty());
    let mut accepting = super::build::world().accepting();
    assert_eq!(new_contacts(&accepting.judge(forward())), ["carl@customer.example"]);
    let mut releasing = super::build::world();
    assert_eq!(new_contacts(&releasing.judge(forward().released(None))), ["ceo@victim.example"]);
}

/// B9: whoever releases a forward cannot file twice what it carries.
#[test]
fn a_released_forward_of_a_mail_that_is_filed_is_a_duplicate_of_it() {
    let original = mail("a@x").from("carl@customer.example").to("ann@ours.example");
    let mut world = world().with(original.released(None).email(|it| it.text_hash = [3; 32]));
    let forward = mail("f@x").answers("a@x");
    let forward = forward.forwards(forwarded("carl@customer.example", "ann@ours.example"));
    let released = forward.released(Some("carl@customer.example"));
    assert_eq!(world.judge(released).verdict.reason.name(), "duplicate");
}
