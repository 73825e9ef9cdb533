//! Delivery reports that come back to the mailbox (B8): the real ones of Postfix.

use serde_json::{Value, json};

use super::super::on_both;
use super::Outlook;
use crate::support::lab::lab;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_in_the_mailbox_marks_the_mail_that_it_is_about() {
    for rewrites_ids in [false, true] {
        on_both(|setup| {
            let outlook = Outlook::new(setup);
            outlook.mailbox.behave(&json!({"rewrites_ids": rewrites_ids}));
            let gone = lab().address("bounce").address;
            let receipt = outlook.send(&outlook.mail(&gone));
            let message = outlook.wait_for(&receipt["id"], "bounced");
            let recipient = &message["sending"]["recipients"][0];
            assert_eq!(recipient["email"], gone.as_str());
            assert_eq!(
                (&recipient["state"], &recipient["reply"]),
                (&"bounced".into(), &"5.1.1".into())
            );
            let words = message["sending"]["detail"].as_str().unwrap();
            assert!(words.contains(&gone) && words.contains("5.1.1"), "{words}");
            // The report stands beside it, as what it is.
            let messages = outlook.wait_for_messages(&message, 2);
            let kinds: Vec<&Value> = messages.iter().map(|it| &it["kind"]).collect();
            assert_eq!(kinds, [&json!("mail"), &json!("delivery_report")]);
            assert_eq!(messages[0]["thread_id"], messages[1]["thread_id"]);
            assert_eq!(outlook.events("message.bounced"), 1);
            assert_eq!(outlook.account.api.list("/api/v1/contacts").len(), 1);
        })
        .await;
    }
}
