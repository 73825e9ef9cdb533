//! Which thread a mail belongs to (T2), in whatever order its mails arrive.

use std::collections::BTreeSet;

use mailweave::model::MessageId;

use super::build::*;

const CARL: &str = "carl@customer.example";

/// The groups of mails that ended in one thread, after all were judged.
fn groups(world: &World, ids_text: &str) -> BTreeSet<BTreeSet<MessageId>> {
    let account = world.facts.account(ACCOUNT).unwrap();
    let mut groups = std::collections::BTreeMap::<_, BTreeSet<MessageId>>::new();
    for id in ids(ids_text) {
        let facts = account.ids.get(&id.key()).into_iter().flatten();
        for fact in facts.filter(|fact| fact.own) {
            groups.entry(fact.thread).or_default().insert(id.clone());
        }
    }
    groups.into_values().collect()
}

fn permutations(mails: &[Mail]) -> Vec<Vec<Mail>> {
    if mails.len() <= 1 {
        return vec![mails.to_vec()];
    }
    let mut all = Vec::new();
    for first in 0..mails.len() {
        let mut rest = mails.to_vec();
        let head = rest.remove(first);
        for mut tail in permutations(&rest) {
            tail.insert(0, head.clone());
            all.push(tail);
        }
    }
    all
}

#[test]
fn the_order_of_arrival_changes_nothing() {
    let tables: [(&str, Vec<Mail>, usize); 5] = [
        (
            "a chain",
            vec![
                mail("a@x"),
                mail("b@x").answers("a@x"),
                mail("c@x").answers("b@x").names("a@x b@x"),
                mail("d@x").answers("c@x"),
            ],
            1,
        ),
        (
            "a parent that never comes",
            vec![
                mail("b@x").answers("lost@x"),
                mail("c@x").answers("lost@x"),
                mail("d@x").names("lost@x c@x"),
            ],
            1,
        ),
        (
            "two threads that a late mail joins",
            vec![mail("a@x"), mail("b@x"), mail("c@x").answers("a@x").names("b@x")],
            1,
        ),
        (
            "a loop",
            vec![
                mail("a@x").answers("b@x"),
                mail("b@x").answers("a@x"),
                mail("c@x").answers("c@x"),
            ],
            2,
        ),
        ("strangers", vec![mail("a@x"), mail("b@x"), mail("c@x")], 3),
    ];
    for (name, mails, threads) in tables {
        let mut seen = BTreeSet::new();
        for order in permutations(&mails) {
            let mut world = world();
            for mail in order {
                world.judge(mail.to(CARL));
            }
            let groups = groups(&world, "a@x b@x c@x d@x");
            assert_eq!(groups.len(), threads, "{name}");
            seen.insert(groups);
        }
        assert_eq!(seen.len(), 1, "{name}: every order groups alike");
    }
}

#[test]
fn a_known_thread_is_joined_whoever_is_in_to() {
    let mut world = world().with(mail("a@x").to(CARL));
    let decision = world.judge(mail("b@x").to("new@elsewhere.example").answers("a@x"));
    assert_eq!(decision.verdict.matched.rule.as_deref(), Some("B5"));
    assert!(new_contacts(&decision).is_empty());
}

#[test]
fn in_reply_to_speaks_before_references_and_new_before_old() {
    let mut world = world();
    let one = world.judge(mail("a@x").to(CARL));
    let two = world.judge(mail("b@x").to("dora@customer.example"));
    let thread = |decision: &_| message(decision).thread_id;
    let by_reply = world.judge(mail("c@x").to(CARL).answers("a@x").names("a@x b@x"));
    assert_eq!(thread(&by_reply), thread(&one));
    let by_newest = world.judge(mail("d@x").to(CARL).names("a@x b@x"));
    assert_eq!(thread(&by_newest), thread(&two));
}

#[test]
fn threads_of_two_customers_are_never_merged() {
    let mut world =
        world().with(mail("a@x").to(CARL)).with(mail("b@x").to("dora@customer.example"));
    world.judge(mail("c@x").to(CARL).answers("a@x").names("b@x"));
    assert_eq!(groups(&world, "a@x b@x").len(), 2);
}

#[test]
fn the_subject_alone_never_joins() {
    let mut world = world().with(mail("a@x").to(CARL));
    let same_subject = world.judge(mail("b@x").to(CARL));
    assert_eq!(groups(&world, "a@x b@x").len(), 2);
    assert!(message(&same_subject).thread_id.is_some());
}

#[test]
fn thread_index_joins_only_with_somebody_of_the_thread() {
    let mut world = world().with(mail("a@x").to(CARL).index(5));
    let with_carl = world.judge(mail("b@x").to(CARL).index(5));
    assert_eq!(with_carl.verdict.matched.rule.as_deref(), Some("B5"));
    let stranger = mail("c@x").from("ben@ours.example").to("zoe@other.example").index(5);
    let with_a_stranger = world.judge(stranger);
    assert_eq!(with_a_stranger.verdict.matched.rule.as_deref(), Some("B3"));
    // The user is on every thread of theirs, and a copied draft keeps its index.
    let by_the_same = world.judge(mail("d@x").to("zoe@other.example").index(5));
    assert_eq!(by_the_same.verdict.matched.rule.as_deref(), Some("B3"));
}

#[test]
fn an_outsider_who_guessed_an_id_is_held() {
    let mut world = world().with(mail("a@x").to(CARL));
    let guessed =
        world.judge(mail("b@x").from("eve@evil.example").to("ann@ours.example").answers("a@x"));
    assert_eq!(guessed.verdict.reason.name(), "unknown_sender");
}

/// B9.
#[test]
fn held_mail_makes_nothing_a_duplicate_and_no_thread() {
    let mut world = world();
    world.judge(mail("a@x").to(CARL).trust(mailweave::model::Trust::Unverified));
    assert_eq!(world.judge(mail("a@x").to(CARL)).verdict.reason.name(), "filed");
}
