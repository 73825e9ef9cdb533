//! Mail that takes several tries, and mail that cannot go: what an earlier try did is neither forgotten nor
//! taken for the work of a later one, and nobody waits for what is not theirs (S1, S5, S6).

use mailweave::model::{Auth, RecipientReport};
use mailweave::store::StoredConnection;

use super::*;

const VIA: Via = Via::Mailbox(MAILBOX);
const BOB: &str = "bob@example.com";
const CC: &str = "cc@example.com";

/// A mail to Bob and another through the mailbox.
async fn enqueue_for_two(fresh: &Fresh) -> StoredMessageId {
    let id = enqueue(fresh, (BOB, "a@x", &[]), (VIA, None)).await;
    let route = Envelope::new(address("ann@acme.example"), [address(BOB), address(CC)]);
    let route = serde_json::to_string(&route).unwrap();
    fresh.sql(&format!("update outbox set route = '{route}'")).await;
    id
}

/// Takes it, hands it over, and settles it a second later, with what became of Bob and of the other.
async fn try_it(
    fresh: &Fresh,
    (status, states, copy_wanted): (SendStatus, [DeliveryState; 2], bool),
    seconds: i64,
) {
    let mail = claim_one(fresh, seconds).await;
    assert!(hand_over(fresh, &mail, seconds).await);
    let mut route = mail.route.clone();
    for (recipient, state) in route.recipients.iter_mut().zip(states) {
        recipient.state = state;
    }
    let is_retried = status == SendStatus::Retrying;
    let settle = Settle {
        status,
        report: if status == SendStatus::Bounced { route.refused() } else { Vec::new() },
        route,
        due_at: is_retried.then(|| at(seconds + 60)),
        copy_wanted,
        ..settled(&mail, seconds + 1)
    };
    fresh.store.settle(&[settle]).await.unwrap();
}

/// A delivery report says that the first of them did not get it.
async fn bounce(fresh: &Fresh, message: StoredMessageId) {
    let report =
        vec![RecipientReport { address: BOB.to_owned(), status: "5.1.1".to_owned(), hard: true }];
    let change = Change::Bounced { message, report, at: NOW };
    let mut filing = sample(BOB, "a@x").filing(Reason::DeliveryReport, Some(message), vec![change]);
    filing.decision.events.clear();
    fresh.store.file(&[], |_| vec![filing.clone()]).await.unwrap();
}

#[tokio::test]
async fn mail_that_waits_for_its_mailbox_holds_up_no_relay() {
    for fresh in both().await {
        add_mailbox(&fresh, true).await;
        enqueue(&fresh, (BOB, "a@x", &[]), (VIA, None)).await;
        let by_relay = enqueue(&fresh, (BOB, "b@x", &["a@x"]), (Via::Relay, None)).await;
        fresh.sql("update connections set state = 'needs_reauth'").await;
        assert_eq!(claim_one(&fresh, 1).await.message, by_relay);
    }
}

#[tokio::test]
async fn a_bounce_of_one_keeps_the_mail_from_nobody_who_waits() {
    use DeliveryState::{Accepted, Refused, Waiting};
    for (last, words) in [(Accepted, vec!["bob@"]), (Refused, vec!["bob@", "cc@"])] {
        for fresh in both().await {
            add_mailbox(&fresh, true).await;
            let id = enqueue_for_two(&fresh).await;
            try_it(&fresh, (SendStatus::Retrying, [Accepted, Waiting], false), 1).await;
            bounce(&fresh, id).await;
            assert_eq!(status(&fresh, id).await, SendStatus::Retrying);
            let ended = if last == Accepted { SendStatus::Sent } else { SendStatus::Bounced };
            try_it(&fresh, (ended, [Accepted, last], false), 70).await;
            assert_eq!(status(&fresh, id).await, SendStatus::Bounced);
            let report = fresh.sql("select report from outbox").await[0][0].clone();
            assert!(words.iter().all(|word| report.contains(word)), "{report}");
            assert_eq!(report.matches("bob@").count(), 1, "{report}");
        }
    }
}

#[tokio::test]
async fn a_bounce_shows_that_it_went_although_it_was_taken_for_absent() {
    for fresh in both().await {
        add_mailbox(&fresh, true).await;
        let id = unknown(&fresh).await;
        fresh.sql("update outbox set status = 'retrying', due_at = 1, handed_at = null").await;
        bounce(&fresh, id).await;
        assert_eq!(status(&fresh, id).await, SendStatus::Bounced);
        assert_eq!(claim(&fresh, 100).await.len(), 0);
    }
}

#[tokio::test]
async fn a_late_copy_ends_the_tries_of_what_was_taken_for_absent() {
    use DeliveryState::{Accepted, Waiting};
    for (first, becomes) in [(Waiting, SendStatus::Sent), (Accepted, SendStatus::Retrying)] {
        for fresh in both().await {
            add_mailbox(&fresh, true).await;
            let id = enqueue_for_two(&fresh).await;
            try_it(&fresh, (SendStatus::Retrying, [first, Waiting], false), 1).await;
            see_copy(&fresh, id).await;
            assert_eq!(status(&fresh, id).await, becomes);
            let is_ended = becomes == SendStatus::Sent;
            assert_eq!(claim(&fresh, 100).await.is_empty(), is_ended);
        }
    }
}

#[tokio::test]
async fn what_is_never_there_is_not_sent_again_after_its_deadline() {
    for fresh in both().await {
        add_mailbox(&fresh, true).await;
        let id = unknown(&fresh).await;
        for (deadline, becomes) in [(5_000, SendStatus::Unknown), (9_000, SendStatus::Retrying)] {
            let deadline = at(deadline).as_micros();
            fresh.sql(&format!("update outbox set deadline = {deadline}")).await;
            for seconds in [3, 2_000, 6_000] {
                sweep(&fresh, seconds).await;
                search(&fresh).await;
            }
            sweep(&fresh, 6_001).await;
            assert_eq!(status(&fresh, id).await, becomes);
        }
    }
}

#[tokio::test]
async fn a_deadline_does_not_count_the_time_for_which_the_gateway_was_off() {
    for (claimed_at, expected) in [(130, 900), (600, 900), (50_000, 50_800)] {
        for fresh in both().await {
            add_mailbox(&fresh, true).await;
            enqueue_for_two(&fresh).await;
            let [due, deadline] = [100, 900].map(|seconds| at(seconds).as_micros());
            fresh
                .sql(&format!(
                    "update outbox set status = 'retrying', due_at = {due}, deadline = {deadline}"
                ))
                .await;
            let mail = claim_one(&fresh, claimed_at).await;
            assert_eq!(mail.deadline, Some(at(expected)));
            // Claimed anew after a crash, it has not still longer.
            let again = claim_one(&fresh, claimed_at + LEASE_SECONDS + 1).await;
            assert_eq!(again.deadline, Some(at(expected)));
        }
    }
}

#[tokio::test]
async fn a_copy_that_an_earlier_try_left_says_nothing_of_this_one() {
    use DeliveryState::{Accepted, Waiting};
    for is_cut in [false, true] {
        for fresh in both().await {
            add_mailbox(&fresh, true).await;
            let id = enqueue_for_two(&fresh).await;
            try_it(&fresh, (SendStatus::Retrying, [Accepted, Waiting], false), 1).await;
            see_copy_at(&fresh, 3).await;
            let mail = claim_one(&fresh, 70).await;
            assert!(hand_over(&fresh, &mail, 71).await);
            if is_cut {
                sweep(&fresh, 71 + LEASE_SECONDS).await;
            } else {
                settle(&fresh, &mail, SendStatus::Unknown, 72).await;
            }
            assert_eq!(status(&fresh, id).await, SendStatus::Unknown);
            for seconds in [200, 2_000, 2_001, 100_000] {
                sweep(&fresh, seconds).await;
                search(&fresh).await;
            }
            assert_eq!(status(&fresh, id).await, SendStatus::Unknown, "its absence cannot be seen");
        }
    }
}

/// The copy was seen at that time.
async fn see_copy_at(fresh: &Fresh, seconds: i64) {
    let at = at(seconds).as_micros();
    fresh.sql(&format!("update outbox set copy_seen_at = {at}")).await;
}

#[tokio::test]
async fn the_sent_copy_of_who_got_it_first_is_filed_whatever_becomes_of_the_rest() {
    use DeliveryState::{Accepted, Refused, Waiting};
    for fresh in both().await {
        add_mailbox(&fresh, false).await;
        let id = enqueue_for_two(&fresh).await;
        try_it(&fresh, (SendStatus::Retrying, [Accepted, Waiting], true), 1).await;
        try_it(&fresh, (SendStatus::Retrying, [Accepted, Waiting], false), 70).await;
        let wanted = async || fresh.store.wanted_copy(ACCOUNT, MAILBOX).await.unwrap();
        assert_eq!(wanted().await.map(|it| it.message), Some(id));
        fresh.store.copied(ACCOUNT, id, at(100)).await.unwrap();
        try_it(&fresh, (SendStatus::Bounced, [Accepted, Refused], true), 200).await;
        assert!(wanted().await.is_none(), "one copy, never two");
    }
}

#[tokio::test]
async fn a_search_that_failed_found_nothing_out() {
    for fresh in both().await {
        add_mailbox(&fresh, true).await;
        let id = unknown(&fresh).await;
        let late = QUARTER_OF_AN_HOUR + 1;
        sweep(&fresh, 3).await;
        search(&fresh).await;
        sweep(&fresh, late).await;
        let (thread, _) = fresh.store.searches(ACCOUNT, MAILBOX).await.unwrap()[0];
        let put_off = async |until| {
            fresh.store.put_search_off(ACCOUNT, MAILBOX, thread, until).await.unwrap();
        };
        put_off(mailweave::clock::now().plus_seconds(3_600)).await;
        assert!(fresh.store.searches(ACCOUNT, MAILBOX).await.unwrap().is_empty(), "not now");
        assert!(fresh.store.connections_to_search().await.unwrap().is_empty());
        for seconds in [late + 1, late + 1_000] {
            sweep(&fresh, seconds).await;
            assert_eq!(status(&fresh, id).await, SendStatus::Unknown);
        }
        put_off(NOW).await;
        assert_eq!(search(&fresh).await, 1);
        sweep(&fresh, late + 1_001).await;
        assert_eq!(status(&fresh, id).await, SendStatus::Retrying);
    }
}

#[tokio::test]
async fn nobody_is_woken_for_a_copy_before_it_is_known_where_it_goes() {
    for fresh in both().await {
        add_mailbox(&fresh, false).await;
        enqueue_for_two(&fresh).await;
        try_it(&fresh, (SendStatus::Sent, [DeliveryState::Accepted; 2], true), 1).await;
        let called = async || fresh.store.connections_to_search().await.unwrap().len();
        assert_eq!(called().await, 1);
        fresh.sql("update connections set sent_folder = null").await;
        assert_eq!(called().await, 0);
    }
}

async fn connection(fresh: &Fresh) -> StoredConnection {
    fresh.store.connection(ACCOUNT, MAILBOX).await.unwrap().unwrap()
}

#[tokio::test]
async fn what_is_mended_is_told_no_more() {
    let account = Account {
        imap: "127.0.0.1:993".parse().unwrap(),
        smtp: "127.0.0.1:587".parse().unwrap(),
        username: "ann".to_owned(),
        auth: Auth::Xoauth2,
        saves_sent: true,
    };
    let account = serde_json::to_string(&account).unwrap();
    for fresh in both().await {
        add_mailbox(&fresh, false).await;
        fresh.sql(&format!("update connections set account = '{account}', detail = 'told'")).await;
        let swap = async |version| {
            assert!(fresh.store.swap_secret(ACCOUNT, MAILBOX, version, b"new").await.unwrap());
        };
        fresh.sql("update connections set state = 'needs_reauth'").await;
        swap(0).await;
        assert_eq!(connection(&fresh).await.detail.as_deref(), Some("told"), "not proved yet");
        fresh.sql("update connections set state = 'active', sent_folder = null").await;
        swap(1).await;
        assert_eq!(connection(&fresh).await.detail.as_deref(), Some("told"), "it is lacking still");
        fresh.store.set_sent_folder(ACCOUNT, MAILBOX, "Sent").await.unwrap();
        assert_eq!(connection(&fresh).await.detail, None);
        fresh.sql("update connections set detail = 'told'").await;
        fresh.store.set_sent_folder(ACCOUNT, MAILBOX, "Sent Items").await.unwrap();
        assert_eq!(connection(&fresh).await.detail.as_deref(), Some("told"), "of something else");
        swap(2).await;
        assert_eq!(connection(&fresh).await.detail, None);
    }
}
