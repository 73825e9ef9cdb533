//! A relay that is away for a day (E5): nothing is lost, each conversation keeps its order, and what is given up
//! after the time that there is says so.

use mailweave::send::retry::{self, Answer, Patience, Tries};

use super::*;

const PEOPLE: [&str; 8] = [
    "a@x.example",
    "b@x.example",
    "c@x.example",
    "d@x.example",
    "e@x.example",
    "f@x.example",
    "g@x.example",
    "h@x.example",
];
/// Mails to each.
const MAILS: usize = 8;
const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const WORDS: &str = "connection refused";

/// Mails to all, by turns, each of a conversation naming the one before.
async fn enqueue_all(fresh: &Fresh) {
    for n in 0..MAILS {
        for to in PEOPLE {
            let before = [format!("{}-{to}", n.saturating_sub(1))];
            let names: Vec<&str> = before.iter().filter(|_| n > 0).map(String::as_str).collect();
            enqueue(fresh, (to, &format!("{n}-{to}"), &names), (Via::Relay, None)).await;
        }
    }
}

/// The relay is away: what is due is tried in vain.
async fn try_in_vain(fresh: &Fresh, seconds: i64) {
    for mail in claim(fresh, seconds).await {
        let mut route = mail.route.clone();
        let tries = Tries { attempts: mail.attempts, deadline: mail.deadline };
        let answer = Answer::Later { reply: WORDS.to_owned() };
        let how = (u32::MAX / 2, &Patience::default());
        let next = retry::next(answer, &mut route, tries, at(seconds), how);
        let settle = Settle {
            status: next.status,
            route,
            detail: next.detail,
            due_at: next.due_at,
            deadline: next.deadline,
            ..settled(&mail, seconds)
        };
        fresh.store.settle(&[settle]).await.unwrap();
    }
}

/// The relay is there: what is due is sent, until nothing is. Whose mails went, in their order.
async fn send_all(fresh: &Fresh, seconds: i64) -> Vec<StoredMessageId> {
    let mut sent = Vec::new();
    loop {
        let claimed = claim(fresh, seconds).await;
        if claimed.is_empty() {
            return sent;
        }
        for mail in claimed {
            assert!(hand_over(fresh, &mail, seconds).await);
            settle(fresh, &mail, SendStatus::Sent, seconds).await;
            sent.push(mail.message);
        }
    }
}

#[tokio::test]
async fn what_waits_for_a_relay_that_is_away_for_a_day_goes_in_its_order() {
    for (hours, given_up) in [(23, 0), (25, PEOPLE.len())] {
        for fresh in both().await {
            enqueue_all(&fresh).await;
            for seconds in (0..hours * HOUR).step_by(10 * 60) {
                try_in_vain(&fresh, seconds).await;
            }
            let waiting = fresh.store.outbox_waiting().await.unwrap().waiting;
            assert_eq!(waiting as usize, PEOPLE.len() * MAILS - given_up, "the queue is seen");
            let failed = "select detail from outbox where status = 'failed'";
            assert_eq!(fresh.sql(failed).await, vec![vec![WORDS.to_owned()]; given_up]);
            let events = "select type from events where type = 'message.failed'";
            assert_eq!(fresh.sql(events).await.len(), given_up);

            let mut sent = Vec::new();
            for minute in 0..120 {
                sent.extend(send_all(&fresh, hours * HOUR + minute * MINUTE).await);
            }
            assert_eq!(sent.len(), PEOPLE.len() * MAILS - given_up, "none is lost");
            in_their_order(&fresh, &sent).await;
        }
    }
}

/// Of each conversation, they went as they were written.
async fn in_their_order(fresh: &Fresh, sent: &[StoredMessageId]) {
    let mut ids: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for id in sent {
        let message = fresh.store.message(ACCOUNT, *id).await.unwrap().unwrap();
        let (n, to) = message.message_id.as_str().split_once('-').unwrap();
        ids.entry(to.to_owned()).or_default().push(n.to_owned());
    }
    assert_eq!(ids.len(), PEOPLE.len());
    for went in ids.values() {
        assert!(went.is_sorted() && went.len() + 1 >= MAILS, "{went:?}");
    }
}
