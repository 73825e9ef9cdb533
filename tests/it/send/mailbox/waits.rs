//! Mail of a mailbox that cannot be signed in to (S1, M3): it waits and says so, and goes out when that is
//! mended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use super::super::on_both;
use super::{Outlook, until};
use crate::support::lab::lab;
use crate::support::relay::{Act, Relay};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_waits_for_a_new_consent_and_says_so() {
    on_both(|setup| {
        let outlook = Outlook::new(setup);
        let carl = lab().address("carl");
        outlook.mailbox.revoke_consent();
        outlook.mailbox.kick();
        until("it needs a new consent", || outlook.state() == "needs_reauth");
        let receipt = outlook.send(&outlook.mail(&carl.address));
        std::thread::sleep(Duration::from_secs(4));
        let message = outlook.message(&receipt["id"]);
        assert_eq!(
            (&message["status"], &message["sending"]["via"]),
            (&"queued".into(), &"mailbox".into())
        );
        let words = message["sending"]["detail"].as_str().unwrap();
        assert!(words.contains("until the mailbox is authorised again"), "{words}");
        assert_eq!(message["sending"]["attempts"], 0);

        let path = format!("/api/v1/mailboxes/{}/reauthorize", outlook.id);
        let begun = outlook.account.api.post(&path, &json!({})).expect(200);
        lab().accept(&outlook.gateway, &begun, &outlook.mailbox.address);
        let message = outlook.wait_for(&receipt["id"], "sent");
        outlook.wait_for_copy(&message["id"]);
        assert_eq!(carl.wait_for_mails("INBOX", 1).len(), 1);
        assert_eq!(outlook.mailbox.wait_for_mails("Sent Items", 1).len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_revoked_while_mail_waits_is_found_out() {
    on_both(|setup| {
        let outlook = Outlook::new(setup);
        let carl = lab().address("carl");
        outlook.mailbox.revoke_consent();
        let receipt = outlook.send(&outlook.mail(&carl.address));
        until("it needs a new consent", || outlook.state() == "needs_reauth");
        let words = outlook.message(&receipt["id"])["sending"]["detail"].clone();
        assert!(words.as_str().unwrap().contains("authorised again"), "{words}");
        let path = format!("/api/v1/mailboxes/{}/reauthorize", outlook.id);
        let begun = outlook.account.api.post(&path, &json!({})).expect(200);
        lab().accept(&outlook.gateway, &begun, &outlook.mailbox.address);
        outlook.wait_for(&receipt["id"], "sent");
        assert_eq!(carl.wait_for_mails("INBOX", 1).len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_that_is_refused_is_said_and_tried_again() {
    on_both(|setup| {
        let refuses = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&refuses);
        let relay = Relay::of_mailboxes(move |at, _| {
            let words = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is \
                disabled for the Tenant";
            (at == "AUTH" && told.load(Ordering::SeqCst)).then(|| Act::Say(words.to_owned()))
        });
        let outlook = Outlook::through(setup, &relay);
        refuses.store(true, Ordering::SeqCst);
        let receipt = outlook.send(&outlook.mail("carl@customer.test"));
        let message = outlook.wait_for(&receipt["id"], "retrying");
        let words = message["sending"]["detail"].as_str().unwrap();
        assert!(words.contains("535 5.7.139 Authentication unsuccessful"), "{words}");
        assert_eq!(relay.count("MAIL"), 0);
        // IMAP goes on: the mailbox is followed, and no new consent would help.
        assert_eq!(outlook.state(), "active");
        refuses.store(false, Ordering::SeqCst);
        outlook.wait_for(&receipt["id"], "sent");
        assert_eq!(relay.mails().len(), 1);
    })
    .await;
}
