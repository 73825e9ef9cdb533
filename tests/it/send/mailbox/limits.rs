//! The limits of Exchange Online: 30 mails a minute and 3 connections of one mailbox, counted at the
//! server, whatever the CRM asks for.

use std::time::Duration;

use super::super::on_both;
use super::Outlook;
use crate::support::relay::{Act, Relay};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailbox_sends_30_mails_a_minute_on_3_connections() {
    on_both(|setup| {
        let relay = Relay::of_mailboxes(|at, _| {
            if at == "." {
                std::thread::sleep(Duration::from_millis(100));
            }
            None
        });
        let outlook = Outlook::through(setup, &relay);
        let receipts: Vec<_> =
            (0..35).map(|n| outlook.send(&outlook.mail(&format!("c{n}@customer.test")))).collect();
        relay.wait_for(30);
        std::thread::sleep(Duration::from_secs(4));
        assert_eq!((relay.mails().len(), relay.most_at_once()), (30, 3));
        outlook.let_pass(60);
        for receipt in &receipts {
            outlook.wait_for(&receipt["id"], "sent");
        }
        assert_eq!((relay.mails().len(), relay.most_at_once()), (35, 3));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailbox_that_is_told_to_slow_down_does() {
    on_both(|setup| {
        let relay = Relay::of_mailboxes(|at, count| {
            let words = "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded";
            (at == "." && count <= 2).then(|| Act::Say(words.to_owned()))
        });
        let outlook = Outlook::through(setup, &relay);
        let receipt = outlook.send(&outlook.mail("carl@customer.test"));
        let retrying = outlook.wait_for(&receipt["id"], "retrying");
        let words = retrying["sending"]["detail"].as_str().unwrap();
        assert!(words.contains("432 4.3.2 STOREDRV.ClientSubmit"), "{words}");
        let message = outlook.wait_for(&receipt["id"], "sent");
        assert_eq!((&message["sending"]["attempts"], relay.mails().len()), (&3.into(), 1));
    })
    .await;
}
