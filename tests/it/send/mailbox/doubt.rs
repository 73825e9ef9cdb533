//! Mail whose outcome nobody knows (S5): the Sent folder says what became of it, or its user does.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::on_both;
use super::{Outlook, until};
use crate::support::lab::{Proxy, lab};
use crate::support::relay::{Act, Relay};

/// S5: so long after it was handed over, what is not in Sent was not sent.
const QUARTER_OF_AN_HOUR: i64 = 15 * 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_found_in_sent_was_sent() {
    on_both(|setup| {
        let proxy = Proxy::to(lab().smtp_address());
        let smtp = format!("localhost:{}?starttls", proxy.port());
        let setup = lab().known_to(setup).with("PROVIDERS__OUTLOOK__SMTP", smtp);
        let outlook = Outlook::of(setup, lab().mailbox("anna"));
        let carl = lab().address("carl");
        outlook.mailbox.behave(&json!({"end_seconds": 3}));
        let receipt = outlook.send(&outlook.mail(&carl.address));
        until("the server has it", || outlook.mailbox.account()["submissions"] == 1);
        proxy.cut();
        let message = outlook.wait_for(&receipt["id"], "sent");
        assert_eq!(message["sending"]["attempts"], 1);
        outlook.mailbox.behave(&json!({"end_seconds": 0}));
        outlook.let_pass(QUARTER_OF_AN_HOUR);
        let second = outlook.send_to(&carl.address);
        outlook.wait_for_copy(&second["id"]);
        assert_eq!(carl.wait_for_mails("INBOX", 2).len(), 2);
        assert_eq!(outlook.mailbox.wait_for_mails("Sent Items", 2).len(), 2);
        assert_eq!(outlook.events("message.sent"), 2);
    })
    .await;
}

/// A server that loses what comes to it in these turns without a word.
fn losing(turns: &'static [usize]) -> Relay {
    Relay::of_mailboxes(move |at, count| {
        (at == "." && turns.contains(&count)).then_some(Act::Close)
    })
}

/// The Sent folder was searched when a copy must have been there.
fn is_searched(outlook: &Outlook) -> bool {
    let searched = "select count(*) from outbox where status = 'unknown' \
        and searched_at >= handed_at + 900000000";
    let searching = "select count(*) from searches";
    outlook.sql(searched) == Some(1) && outlook.sql(searching) == Some(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_absent_where_copies_are_filed_is_sent_again() {
    on_both(|setup| {
        let relay = losing(&[2]);
        let outlook = Outlook::through(setup, &relay);
        let first = outlook.send_to("carl@customer.test");
        outlook.mailbox.append("Sent Items", &relay.mails()[0].content);
        outlook.wait_for_copy(&first["id"]);
        let receipt = outlook.send(&outlook.mail("dora@customer.test"));
        outlook.wait_for(&receipt["id"], "unknown");
        std::thread::sleep(Duration::from_secs(5));
        assert_eq!(outlook.message(&receipt["id"])["status"], "unknown");
        outlook.let_pass(QUARTER_OF_AN_HOUR);
        let message = outlook.wait_for(&receipt["id"], "sent");
        assert_eq!(message["sending"]["attempts"], 2);
        let mails = relay.mails();
        let id = message["message_id"].as_str().unwrap();
        assert_eq!(mails.len(), 3);
        assert!(mails[1..].iter().all(|mail| mail.content.contains(id)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_absent_elsewhere_is_unknown_until_somebody_says() {
    on_both(|setup| {
        let relay = losing(&[1, 2]);
        let outlook = Outlook::through(setup, &relay);
        let lost = |to: &str| {
            let receipt = outlook.send(&outlook.mail(to));
            outlook.wait_for(&receipt["id"], "unknown");
            outlook.let_pass(QUARTER_OF_AN_HOUR);
            until("Sent is searched", || is_searched(&outlook));
            std::thread::sleep(Duration::from_secs(5));
            assert_eq!(outlook.message(&receipt["id"])["status"], "unknown");
            receipt
        };
        let resolve = |receipt: &Value, how: &str| {
            let path = format!("/api/v1/messages/{}/resolve", receipt["id"].as_str().unwrap());
            outlook.account.api.post(&path, &json!({"as": how})).expect(200)
        };
        let carl = lost("carl@customer.test");
        assert_eq!(resolve(&carl, "sent")["status"], "sent");
        let dora = lost("dora@customer.test");
        resolve(&dora, "resend");
        outlook.wait_for(&dora["id"], "sent");
        let arrived: Vec<String> = relay.mails().into_iter().flat_map(|mail| mail.to).collect();
        assert_eq!(arrived, ["carl@customer.test", "dora@customer.test", "dora@customer.test"]);
        assert_eq!(outlook.events("message.sent"), 2);
    })
    .await;
}
