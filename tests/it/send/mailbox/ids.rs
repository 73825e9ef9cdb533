//! Every id of a sent mail leads to its thread (S7, T2): ours, the one that the server gave it, which its
//! reply names or only the Sent copy shows, and Outlook's Thread-Index.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::on_both;
use super::{Outlook, field, message_id, reply};
use crate::support::gateway::Setup;
use crate::support::lab::{Mailbox, lab};

/// Outlook.com as the laboratory plays it; `how` it differs from that.
fn outlook_com(setup: Setup, how: &Value) -> (Outlook, Mailbox) {
    let mailbox = lab().mailbox("anna");
    mailbox.behave(&json!({"rewrites_ids": true}));
    mailbox.behave(how);
    let saves_sent = how["saves_sent"] != false;
    let setup =
        lab().known_to(setup).with("PROVIDERS__OUTLOOK__SAVES_SENT", saves_sent.to_string());
    (Outlook::of(setup, mailbox), lab().address("carl"))
}

/// Carl answers with these header lines.
fn answers(outlook: &Outlook, carl: &Mailbox, id: &str, more: &str) {
    let to = &outlook.mailbox.address;
    outlook.mailbox.deliver(&carl.address, &reply(&carl.address, to, id, more));
}

fn are_in_one_thread(messages: &[Value]) {
    let thread = &messages[0]["thread_id"];
    assert!(messages.iter().all(|it| it["thread_id"] == *thread), "{messages:#?}");
    let inbound = messages.iter().filter(|it| it["direction"] == "inbound");
    assert_eq!(inbound.count(), messages.len() - 1, "{messages:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_join_by_either_id_or_by_the_thread_index() {
    on_both(|setup| {
        let (outlook, carl) = outlook_com(setup, &json!({}));
        let message = outlook.send_to(&carl.address);
        let message = outlook.wait_for_copy(&message["id"]);
        let arrived = carl.wait_for_mails("INBOX", 1).remove(0);
        let (ours, theirs) = (message["message_id"].as_str().unwrap(), message_id(&arrived));
        assert!(theirs != ours && theirs.ends_with("outlook.com"), "{theirs}");
        let mut index = STANDARD.decode(field(&arrived, "Thread-Index").unwrap()).unwrap();
        index.extend([0, 0, 1, 2, 3]);
        let index = STANDARD.encode(index);

        answers(&outlook, &carl, "to-theirs@c.test", &format!("In-Reply-To: <{theirs}>\n"));
        answers(&outlook, &carl, "to-ours@c.test", &format!("References: <{ours}>\n"));
        answers(&outlook, &carl, "by-index@c.test", &format!("Thread-Index: {index}\n"));
        // Somebody who is not on the thread does not get in by its index.
        let stranger = reply(
            "x@evil.test",
            &outlook.mailbox.address,
            "stranger@evil.test",
            &format!("Thread-Index: {index}\n"),
        )
        .replace(&outlook.mailbox.address, "y@evil.test");
        outlook.mailbox.deliver("x@evil.test", &stranger);
        answers(&outlook, &carl, "last@c.test", "In-Reply-To: <by-index@c.test>\n");
        are_in_one_thread(&outlook.wait_for_messages(&message, 5));

        // From the second on, ours stands in References, too.
        let second = outlook.send_to(&carl.address);
        let arrived = carl.wait_for_mails("INBOX", 2).remove(1);
        let own = second["message_id"].as_str().unwrap();
        assert!(field(&arrived, "References").unwrap().contains(own), "{arrived:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reply_alone_names_the_id() {
    on_both(|setup| {
        // What stands in Sent is our copy, with our id.
        let (outlook, carl) = outlook_com(setup, &json!({"saves_sent": false}));
        let message = outlook.send_to(&carl.address);
        let theirs = message_id(&carl.wait_for_mails("INBOX", 1)[0]);
        answers(&outlook, &carl, "answer@c.test", &format!("In-Reply-To: <{theirs}>\n"));
        are_in_one_thread(&outlook.wait_for_messages(&message, 2));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_copy_alone_shows_the_id() {
    on_both(|setup| {
        let (outlook, carl) = outlook_com(setup, &json!({"names_id": false}));
        let message = outlook.send_to(&carl.address);
        let theirs = message_id(&carl.wait_for_mails("INBOX", 1)[0]);
        outlook.wait_for_copy(&message["id"]);
        answers(&outlook, &carl, "answer@c.test", &format!("In-Reply-To: <{theirs}>\n"));
        are_in_one_thread(&outlook.wait_for_messages(&message, 2));
        // What was learnt from the copy is known to who writes the next mail.
        let second = outlook.send_to(&carl.address);
        let arrived = carl.wait_for_mails("INBOX", 2).remove(1);
        let own = second["message_id"].as_str().unwrap();
        assert!(field(&arrived, "References").is_some_and(|it| it.contains(own)), "{arrived:?}");
    })
    .await;
}
