//! The outbox on both databases: who has a mail in hand, in which order mail goes, and what is made of
//! mail whose outcome nobody knows (S5).

use mailweave::decide::send::Pace;
use mailweave::model::outgoing::{DeliveryState, Route as Envelope};
use mailweave::model::{Account, ConnectionId, NewIds, Outgoing, SendKind, SendStatus, Via};
use mailweave::store::{Claimed, Resolution, Resolved, Settle};

use super::*;

mod earlier;
mod follow;
mod limits;
mod outage;

const MAILBOX: ConnectionId = ConnectionId(Uuid::from_u128(70));
const PACE: Pace =
    Pace { per_mailbox_per_minute: 30, connections_per_mailbox: 3, connections_per_relay: 20 };
const LEASE_SECONDS: i64 = 60;
const HOSTS: &str = r#"{"imap":"127.0.0.1:993","smtp":"127.0.0.1:587","username":"ann","auth":"password","saves_sent":true}"#;
const QUARTER_OF_AN_HOUR: i64 = 15 * 60;

/// A mailbox that is watched, and known to file what is sent through it or not.
async fn add_mailbox(fresh: &Fresh, files_sent: bool) {
    let (of, user, id) = (fresh.id(ACCOUNT.0), fresh.id(USER.0), fresh.id(MAILBOX.0));
    let files_sent_at = if files_sent { "1" } else { "null" };
    fresh
        .sql(&format!(
            "insert into connections (sub_account, id, mailbox_id, user_id, provider, account, \
                secret_version, state, sent_folder, files_sent_at, created_at, connected_at) \
            values ({of}, {id}, {id}, {user}, 'outlook', '{HOSTS}', 0, 'active', 'Sent', \
                {files_sent_at}, 0, 0)"
        ))
        .await;
}

/// A mail to a customer, put into the outbox; `names`: the mail that it answers.
async fn enqueue(
    fresh: &Fresh,
    (to, message_id, names): (&'static str, &str, &[&str]),
    (via, send_at): (Via, Option<Time>),
) -> StoredMessageId {
    let names = names.iter().map(|it| (*it).to_owned()).collect();
    let sample = Sample { names, ..sample(to, message_id) };
    let queue = |facts: Facts| {
        let mut filing = sample.judge(&facts).remove(0);
        let changes = &mut filing.decision.changes;
        let message = changes.iter().find_map(|change| match change {
            Change::AddMessage(message) => Some((message.id, message.conversation_id)),
            _ => None,
        });
        let (message, conversation) = message.unwrap();
        changes.push(Change::Enqueue(Box::new(Outgoing {
            message,
            kind: SendKind::Individual,
            user: USER,
            via,
            route: Envelope::new(address("ann@acme.example"), [address(to)]),
            send_at,
            bulk: None,
            request: None,
        })));
        filing.decision.verdict.conversation_id = conversation;
        vec![filing]
    };
    let filed = fresh.store.file(&[(ACCOUNT, sample.question())], queue).await.unwrap();
    filed[0].decision.verdict.stored_message_id.unwrap()
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn at(seconds: i64) -> Time {
    NOW.plus_seconds(seconds)
}

/// One that goes through the relay, now.
async fn enqueue_one(fresh: &Fresh) -> StoredMessageId {
    enqueue(fresh, ("bob@example.com", "a@x", &[]), (Via::Relay, None)).await
}

async fn claim(fresh: &Fresh, seconds: i64) -> Vec<Claimed> {
    let (now, until) = (at(seconds), at(seconds + LEASE_SECONDS));
    fresh.store.claim(now, until, &PACE, 100).await.unwrap()
}

/// Takes the only mail that is due.
async fn claim_one(fresh: &Fresh, seconds: i64) -> Claimed {
    let mut claimed = claim(fresh, seconds).await;
    assert_eq!(claimed.len(), 1, "{claimed:?}");
    claimed.remove(0)
}

/// May it be handed over?
async fn hand_over(fresh: &Fresh, mail: &Claimed, seconds: i64) -> bool {
    let mails = [(mail.sub_account, mail.message, mail.lease)];
    let handed = fresh.store.hand_over(&mails, at(seconds)).await.unwrap();
    handed == [(mail.sub_account, mail.message)]
}

async fn settle(fresh: &Fresh, mail: &Claimed, status: SendStatus, seconds: i64) {
    let is_retried = status == SendStatus::Retrying;
    let mut route = mail.route.clone();
    if status == SendStatus::Sent {
        route.recipients[0].state = DeliveryState::Accepted;
    }
    let settle = Settle {
        status,
        route,
        due_at: is_retried.then(|| at(seconds + 60)),
        deadline: is_retried.then(|| mail.deadline.unwrap_or(at(86_400))),
        ..settled(mail, seconds)
    };
    fresh.store.settle(&[settle]).await.unwrap();
}

/// What is the same whatever came of a try.
fn settled(mail: &Claimed, seconds: i64) -> Settle {
    Settle {
        sub_account: mail.sub_account,
        message: mail.message,
        lease: mail.lease,
        status: SendStatus::Failed,
        route: mail.route.clone(),
        detail: Some(format!("said at {seconds}")),
        attempts: mail.attempts + 1,
        due_at: None,
        deadline: None,
        report: Vec::new(),
        copy_wanted: false,
        alias: None,
        at: at(seconds),
        event_ids: [EventId(Uuid::now_v7()), EventId(Uuid::now_v7())],
    }
}

async fn sweep(fresh: &Fresh, seconds: i64) {
    let ids = NewIds::new(at(seconds), Uuid::now_v7().as_u128());
    fresh.store.sweep_outbox(at(seconds), ids).await.unwrap();
}

async fn status(fresh: &Fresh, id: StoredMessageId) -> SendStatus {
    fresh.store.shipments(ACCOUNT, [id]).await.unwrap()[&id].status
}

async fn told(fresh: &Fresh) -> usize {
    fresh.sql("select id from events where type = 'message.sent'").await.len()
}

#[tokio::test]
async fn who_has_lost_the_lease_neither_hands_over_nor_settles() {
    for fresh in both().await {
        let id = enqueue_one(&fresh).await;
        let old = claim_one(&fresh, 0).await;
        assert_eq!(claim(&fresh, LEASE_SECONDS).await.len(), 0, "it is in hand still");
        let new = claim_one(&fresh, LEASE_SECONDS + 1).await;
        assert_eq!((old.message, new.message), (id, id));
        assert!(!hand_over(&fresh, &old, LEASE_SECONDS + 2).await);
        settle(&fresh, &old, SendStatus::Failed, LEASE_SECONDS + 2).await;
        assert_eq!(status(&fresh, id).await, SendStatus::Queued);
        assert!(hand_over(&fresh, &new, LEASE_SECONDS + 3).await);
        assert!(!hand_over(&fresh, &new, LEASE_SECONDS + 3).await, "once");
        settle(&fresh, &old, SendStatus::Retrying, LEASE_SECONDS + 4).await;
        settle(&fresh, &new, SendStatus::Sent, LEASE_SECONDS + 4).await;
        assert_eq!((status(&fresh, id).await, told(&fresh).await), (SendStatus::Sent, 1));
        settle(&fresh, &new, SendStatus::Failed, LEASE_SECONDS + 5).await;
        assert_eq!(status(&fresh, id).await, SendStatus::Sent, "what is settled stays");
        assert_eq!(claim(&fresh, 100_000).await.len(), 0);
    }
}

#[tokio::test]
async fn two_who_claim_at_once_share_what_is_due() {
    for fresh in both().await {
        for n in 0..10 {
            let to: &'static str = Box::leak(format!("c{n}@example.com").into_boxed_str());
            enqueue(&fresh, (to, &format!("{n}@x"), &[]), (Via::Relay, None)).await;
        }
        let other = open(&fresh.url).await;
        let (now, until) = (at(0), at(LEASE_SECONDS));
        let claims = tokio::join!(
            fresh.store.claim(now, until, &PACE, 5),
            other.claim(now, until, &PACE, 5),
        );
        let both = [claims.0.unwrap(), claims.1.unwrap()].concat();
        let ids: BTreeSet<_> = both.iter().map(|it| it.message).collect();
        assert_eq!((both.len(), ids.len()), (10, 10));
    }
}

#[tokio::test]
async fn who_has_much_to_send_keeps_nobody_waiting() {
    for fresh in both().await {
        add_mailbox(&fresh, true).await;
        for n in 0..30 {
            let to: &'static str = Box::leak(format!("c{n}@example.com").into_boxed_str());
            enqueue(&fresh, (to, &format!("{n}@x"), &[]), (Via::Relay, None)).await;
        }
        let via = Via::Mailbox(MAILBOX);
        let last = enqueue(&fresh, ("bob@example.com", "last@x", &[]), (via, None)).await;
        let few = fresh.store.claim(at(0), at(LEASE_SECONDS), &PACE, 5).await.unwrap();
        assert_eq!(few.len(), 5);
        assert!(few.iter().any(|it| it.message == last), "it does not wait for the thirty");
        assert_eq!(claim(&fresh, 1).await.len(), 16, "as many as the relay may have at once");
        assert_eq!(claim(&fresh, 1).await.len(), 0);
    }
}

#[tokio::test]
async fn a_lease_that_is_prolonged_is_kept() {
    for fresh in both().await {
        enqueue_one(&fresh).await;
        let mail = claim_one(&fresh, 0).await;
        fresh.store.renew_leases(&[mail.lease], at(500)).await.unwrap();
        assert_eq!(claim(&fresh, 499).await.len(), 0);
        assert!(hand_over(&fresh, &mail, 499).await);
    }
}

#[tokio::test]
async fn a_lease_that_ends_is_in_doubt_only_after_the_hand_over() {
    for fresh in both().await {
        let id = enqueue_one(&fresh).await;
        let mail = claim_one(&fresh, 0).await;
        sweep(&fresh, LEASE_SECONDS + 1).await;
        assert_eq!(status(&fresh, id).await, SendStatus::Queued);
        assert!(!hand_over(&fresh, &mail, LEASE_SECONDS + 1).await);
        let mail = claim_one(&fresh, LEASE_SECONDS + 2).await;
        assert!(hand_over(&fresh, &mail, LEASE_SECONDS + 3).await);
        sweep(&fresh, 3 * LEASE_SECONDS).await;
        assert_eq!(status(&fresh, id).await, SendStatus::Unknown);
        sweep(&fresh, 100_000).await;
        assert_eq!(claim(&fresh, 100_001).await.len(), 0, "a relay has no Sent folder");
        // Its answer comes late, but it comes.
        settle(&fresh, &mail, SendStatus::Sent, 100_002).await;
        assert_eq!((status(&fresh, id).await, told(&fresh).await), (SendStatus::Sent, 1));
    }
}

/// A mail through the mailbox whose outcome is not known; handed over at 1.
async fn unknown(fresh: &Fresh) -> StoredMessageId {
    let via = Via::Mailbox(MAILBOX);
    let id = enqueue(fresh, ("bob@example.com", "a@x", &[]), (via, None)).await;
    let mail = claim_one(fresh, 0).await;
    assert!(hand_over(fresh, &mail, 1).await);
    settle(fresh, &mail, SendStatus::Unknown, 2).await;
    assert_eq!(status(fresh, id).await, SendStatus::Unknown);
    id
}

/// The watch has searched for what it was to search for; how many threads those were.
async fn search(fresh: &Fresh) -> usize {
    let threads = fresh.store.searches(ACCOUNT, MAILBOX).await.unwrap();
    for thread in &threads {
        fresh.store.searched(ACCOUNT, MAILBOX, *thread).await.unwrap();
    }
    threads.len()
}

#[tokio::test]
async fn absence_counts_after_a_quarter_of_an_hour_and_a_search() {
    for fresh in both().await {
        add_mailbox(&fresh, true).await;
        let id = unknown(&fresh).await;
        sweep(&fresh, 3).await;
        assert_eq!(search(&fresh).await, 1, "at once");
        for seconds in [4, 100, QUARTER_OF_AN_HOUR] {
            sweep(&fresh, seconds).await;
            assert_eq!(search(&fresh).await, 0);
            assert_eq!(status(&fresh, id).await, SendStatus::Unknown, "{seconds}");
        }
        for _ in 0..3 {
            sweep(&fresh, QUARTER_OF_AN_HOUR + 1).await;
            assert_eq!(status(&fresh, id).await, SendStatus::Unknown, "not yet searched again");
        }
        assert_eq!(search(&fresh).await, 1, "and late");
        sweep(&fresh, QUARTER_OF_AN_HOUR + 2).await;
        assert_eq!(status(&fresh, id).await, SendStatus::Retrying);
        let again = claim_one(&fresh, QUARTER_OF_AN_HOUR + 3).await;
        assert!(hand_over(&fresh, &again, QUARTER_OF_AN_HOUR + 3).await);
        settle(&fresh, &again, SendStatus::Sent, QUARTER_OF_AN_HOUR + 4).await;
        assert_eq!((status(&fresh, id).await, told(&fresh).await), (SendStatus::Sent, 1));
    }
}

#[tokio::test]
async fn absence_proves_nothing_where_it_cannot() {
    let rows: [(&str, bool, &str); 4] = [
        ("a mailbox that is not known to file copies", false, "select 1"),
        ("one that is not watched", true, "update connections set state = 'needs_reauth'"),
        ("one without a Sent folder", true, "update connections set sent_folder = null"),
        ("a thread that is too long to search for all of it", true, "select 1"),
    ];
    for (number, (what, files_sent, change)) in rows.into_iter().enumerate() {
        for fresh in both().await {
            add_mailbox(&fresh, files_sent).await;
            let id = unknown(&fresh).await;
            fresh.sql(change).await;
            if number == 3 {
                for n in 0..10 {
                    let answer = Sample {
                        names: vec!["a@x".to_owned()],
                        ..sample("bob@example.com", &format!("answer-{n}@x"))
                    };
                    file(&fresh.store, &[answer]).await.unwrap();
                }
            }
            for seconds in [3, QUARTER_OF_AN_HOUR + 1, QUARTER_OF_AN_HOUR + 2, 100_000] {
                sweep(&fresh, seconds).await;
                search(&fresh).await;
            }
            assert_eq!(status(&fresh, id).await, SendStatus::Unknown, "{what}");
            assert_eq!(claim(&fresh, 100_001).await.len(), 0, "{what}");
        }
    }
}

#[tokio::test]
async fn a_user_says_what_became_of_it() {
    for fresh in both().await {
        add_mailbox(&fresh, true).await;
        let resolve = async |id, resolution, seconds| {
            let event = EventId(Uuid::now_v7());
            let resolved = fresh.store.resolve(ACCOUNT, id, resolution, event, at(seconds));
            resolved.await.unwrap().unwrap()
        };
        let id = unknown(&fresh).await;
        assert_eq!(resolve(id, Resolution::Resend, 10).await, Resolved::Yes);
        let mail = claim_one(&fresh, 11).await;
        assert_eq!(mail.deadline, None, "its patience begins anew");
        let known = Resolved::IsKnown(SendStatus::Retrying);
        assert_eq!(resolve(id, Resolution::Sent, 11).await, known);
        assert!(hand_over(&fresh, &mail, 12).await);
        settle(&fresh, &mail, SendStatus::Unknown, 13).await;
        assert_eq!(resolve(id, Resolution::Sent, 14).await, Resolved::Yes);
        assert_eq!((status(&fresh, id).await, told(&fresh).await), (SendStatus::Sent, 1));
        assert_eq!(claim(&fresh, 100_000).await.len(), 0);
    }
}

/// S6: where the provider files copies there is one, or comes one; elsewhere Sent is given it, once.
#[tokio::test]
async fn what_a_user_says_was_sent_stands_in_sent() {
    let nothing = "update outbox set attempts = attempts";
    let seen = "update outbox set copy_seen_at = 5";
    let ended = "update connections set state = 'disconnected'";
    for (files_copies, change, wants) in [
        ("true", nothing, false),
        ("false", nothing, true),
        ("false", seen, false),
        ("false", ended, false),
    ] {
        for fresh in both().await {
            add_mailbox(&fresh, false).await;
            let hosts =
                HOSTS.replace("\"saves_sent\":true", &format!("\"saves_sent\":{files_copies}"));
            fresh.sql(&format!("update connections set account = '{hosts}'")).await;
            let id = unknown(&fresh).await;
            fresh.sql(change).await;
            let event = EventId(Uuid::now_v7());
            let resolved = fresh.store.resolve(ACCOUNT, id, Resolution::Sent, event, at(10));
            assert_eq!(resolved.await.unwrap(), Some(Resolved::Yes));
            let copy = fresh.store.wanted_copy(ACCOUNT, MAILBOX).await.unwrap();
            assert_eq!(copy.is_some(), wants, "{files_copies} {change}");
            assert_eq!(status(&fresh, id).await, SendStatus::Sent);
        }
    }
}

#[tokio::test]
async fn mail_of_a_conversation_goes_in_its_order() {
    for fresh in both().await {
        let mail = |id, names, send_at| {
            enqueue(&fresh, ("bob@example.com", id, names), (Via::Relay, send_at))
        };
        let later = mail("later@x", &[], Some(at(1_000))).await;
        let first = mail("a@x", &[], None).await;
        let second = mail("b@x", &["a@x"], None).await;
        let other = enqueue(&fresh, ("carol@example.com", "c@y", &[]), (Via::Relay, None)).await;
        let claimed = claim(&fresh, 1).await;
        let ids: BTreeSet<_> = claimed.iter().map(|it| it.message).collect();
        assert_eq!(ids, BTreeSet::from([first, other]), "what is for later holds nothing up");
        let (held, sent) = match &claimed[..] {
            [one, two] if one.message == first => (one, two),
            [one, two] => (two, one),
            _ => unreachable!(),
        };
        settle(&fresh, sent, SendStatus::Sent, 2).await;
        settle(&fresh, held, SendStatus::Retrying, 2).await;
        assert_eq!(claim(&fresh, 3).await.len(), 0, "the first is tried again before");
        let again = claim_one(&fresh, 63).await;
        assert_eq!((again.message, again.deadline), (first, Some(at(86_400))));
        assert!(hand_over(&fresh, &again, 64).await);
        assert_eq!(claim(&fresh, 65).await.len(), 0, "it is on its way");
        settle(&fresh, &again, SendStatus::Unknown, 66).await;
        let next = claim_one(&fresh, 67).await;
        assert_eq!(next.message, second, "what is in doubt holds nothing up");
        settle(&fresh, &next, SendStatus::Sent, 68).await;
        assert_eq!(claim_one(&fresh, 1_000).await.message, later);
    }
}

/// The Sent copy of a message is seen.
async fn see_copy(fresh: &Fresh, message: StoredMessageId) {
    let seen = sample("bob@example.com", "a@x");
    let change = Change::SentCopySeen { message, is_renamed: false };
    let mut filing = seen.filing(Reason::Duplicate, Some(message), vec![change]);
    filing.decision.events.clear();
    fresh.store.file(&[], |_| vec![filing.clone()]).await.unwrap();
}

#[tokio::test]
async fn only_a_copy_that_is_not_ours_proves_that_the_server_files_them() {
    let rows = [
        ("the server's", "copy_wanted = false", true),
        ("ours", "copied_at = 5", false),
        // As after a crash between the copy and the note of it.
        ("ours, and nobody could say so", "copy_wanted = true", false),
    ];
    for (what, change, proves) in rows {
        for fresh in both().await {
            add_mailbox(&fresh, false).await;
            let id = unknown(&fresh).await;
            let change = if fresh.is_postgres() {
                change.to_owned()
            } else {
                change.replace("true", "1").replace("false", "0")
            };
            fresh.sql(&format!("update outbox set status = 'sent', {change}")).await;
            see_copy(&fresh, id).await;
            let known = "select id from connections where files_sent_at is not null";
            assert_eq!(fresh.sql(known).await.len(), usize::from(proves), "{what}");
            assert!(fresh.store.wanted_copy(ACCOUNT, MAILBOX).await.unwrap().is_none(), "{what}");
        }
    }
}

#[tokio::test]
async fn a_copy_that_is_seen_before_the_answer_is_lost_says_that_it_was_sent() {
    for fresh in both().await {
        add_mailbox(&fresh, false).await;
        let via = Via::Mailbox(MAILBOX);
        let id = enqueue(&fresh, ("bob@example.com", "a@x", &[]), (via, None)).await;
        let mail = claim_one(&fresh, 0).await;
        assert!(hand_over(&fresh, &mail, 0).await);
        see_copy(&fresh, id).await;
        settle(&fresh, &mail, SendStatus::Unknown, 2).await;
        assert_eq!((status(&fresh, id).await, told(&fresh).await), (SendStatus::Sent, 1));
    }
}

#[tokio::test]
async fn a_sent_mail_awaits_its_copy_until_that_is_seen() {
    for fresh in both().await {
        add_mailbox(&fresh, false).await;
        let id = unknown(&fresh).await;
        let lacks = async || {
            let facts = facts(&fresh.store, sample("bob@example.com", "a@x").question()).await;
            let own: Vec<_> = facts.accounts[&ACCOUNT].ids.values().flatten().cloned().collect();
            assert!(!own.is_empty() && own.iter().all(|fact| fact.message == id));
            own.iter().all(|fact| fact.lacks_copy)
        };
        assert!(lacks().await);
        see_copy(&fresh, id).await;
        assert!(!lacks().await);
    }
}

#[tokio::test]
async fn another_sent_folder_has_yet_to_prove_that_copies_are_filed_there() {
    for fresh in both().await {
        add_mailbox(&fresh, true).await;
        let proved = "select id from connections where files_sent_at is not null";
        for (name, count) in [("Sent", 1), ("Sent Items", 0)] {
            fresh.store.set_sent_folder(ACCOUNT, MAILBOX, name).await.unwrap();
            assert_eq!(fresh.sql(proved).await.len(), count, "{name}");
        }
    }
}
