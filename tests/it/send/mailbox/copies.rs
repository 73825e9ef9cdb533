//! As whom it goes, that its thread is followed from then on, and that Sent has it once (S1, S4, S6).

use serde_json::json;

use super::super::on_both;
use super::{Outlook, field, message_id};
use crate::support::lab::lab;

/// Sends two mails; each arrives, and stands in Sent once.
fn are_in_sent_once(outlook: &Outlook) {
    let carl = lab().address("carl");
    // When the second's copy was seen, a second copy of the first would have been there for long.
    let messages = [1, 2].map(|_| {
        let message = outlook.send_to(&carl.address);
        outlook.wait_for_copy(&message["id"])
    });
    let own = messages.each_ref().map(|it| it["message_id"].as_str().unwrap().to_owned());
    let copies = outlook.mailbox.wait_for_mails("Sent Items", 2);
    let ours = |mail| field(mail, "X-Mailweave-Message-ID").unwrap();
    assert_eq!(
        copies.iter().map(ours).collect::<Vec<_>>(),
        own.each_ref().map(|id| format!("<{id}>"))
    );

    let arrived = carl.wait_for_mails("INBOX", 2);
    for (message, mail) in messages.iter().zip(&arrived) {
        assert_eq!(message["from"]["email"], outlook.mailbox.address.as_str());
        assert_eq!(message["sending"]["via"], "mailbox");
        assert!(field(mail, "From").unwrap().contains(&outlook.mailbox.address), "{mail:?}");
    }
    assert_eq!(outlook.mailbox.account()["submissions"], 2);
    assert_eq!(outlook.wait_for_messages(&messages[0], 2).len(), 2);
    let conversation = messages[0]["conversation_id"].as_str().unwrap();
    let conversation = outlook.account.api.read(&format!("/api/v1/conversations/{conversation}"));
    let threads = conversation["threads"].as_array().unwrap();
    assert!(threads.len() == 2 && threads.iter().all(|it| it["sync"] == "tracked"), "{threads:?}");
    assert_eq!(outlook.events("message.sent"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_files_copies_is_given_none() {
    on_both(|setup| are_in_sent_once(&Outlook::new(setup))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_files_no_copies_is_given_one() {
    on_both(|setup| {
        let mailbox = lab().mailbox("anna");
        mailbox.behave(&json!({"saves_sent": false}));
        let setup = lab().known_to(setup).with("PROVIDERS__OUTLOOK__SAVES_SENT", "false");
        let outlook = Outlook::of(setup, mailbox);
        are_in_sent_once(&outlook);
        // It is what was sent, byte by byte.
        let copy = outlook.mailbox.mails("Sent Items").remove(0);
        let id = format!("/api/v1/verdicts?message_id={}&door=send", message_id(&copy));
        let stored = outlook.account.api.list(&id)[0]["stored_message_id"].clone();
        let path = format!("/api/v1/messages/{}/raw", stored.as_str().unwrap());
        let raw = String::from_utf8(outlook.account.api.get(&path).body).unwrap();
        assert_eq!(copy.content, raw);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_files_copies_unexpectedly_is_given_none() {
    on_both(|setup| {
        let mailbox = lab().mailbox("anna");
        mailbox.behave(&json!({"rewrites_ids": true}));
        let setup = lab().known_to(setup).with("PROVIDERS__OUTLOOK__SAVES_SENT", "false");
        are_in_sent_once(&Outlook::of(setup, mailbox));
    })
    .await;
}
