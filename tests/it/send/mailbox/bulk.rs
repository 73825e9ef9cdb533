//! Bulk mail (S2, S3, T6): through the mailbox when that is its From, else through the relay; a thread for
//! each recipient, and none of them shared by those who answer.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::on_both;
use super::{Outlook, field, message_id, reply};
use crate::support::lab::{Mailbox, lab};
use crate::support::relay::Relay;

const RECIPIENTS: usize = 3;

fn bulk(outlook: &Outlook, from: Option<&str>, to: &[Mailbox]) -> Vec<Value> {
    let mut mail = outlook.mail("nobody@customer.test");
    mail["kind"] = json!("bulk");
    mail["from"] = json!(from);
    mail["to"] = to.iter().map(|it| json!(it.address)).collect();
    let receipt = outlook.send(&mail);
    let messages = receipt["messages"].as_array().unwrap();
    messages.iter().map(|it| outlook.wait_for(&it["id"], "sent")).collect()
}

fn distinct(messages: &[Value], field: &str) -> usize {
    messages.iter().map(|it| it[field].to_string()).collect::<BTreeSet<_>>().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_mail_goes_through_the_mailbox_whose_address_it_is_from() {
    on_both(|setup| {
        let relay = Relay::start();
        let outlook = Outlook::new(setup);
        outlook.use_relay(&relay);
        let own = outlook.mailbox.address.clone();
        let people: Vec<Mailbox> = (0..RECIPIENTS).map(|_| lab().address("person")).collect();

        let messages = bulk(&outlook, Some(&own), &people);
        assert!(messages.iter().all(|it| it["sending"]["via"] == "mailbox"), "{messages:#?}");
        for what in ["thread_id", "conversation_id", "message_id"] {
            assert_eq!(distinct(&messages, what), RECIPIENTS, "{what}");
        }
        assert_eq!(outlook.mailbox.wait_for_mails("Sent Items", RECIPIENTS).len(), RECIPIENTS);
        for (person, message) in people.iter().zip(&messages) {
            let arrived = person.wait_for_mails("INBOX", 1).remove(0);
            assert!(field(&arrived, "From").unwrap().contains(&own), "{arrived:?}");
            assert!(field(&arrived, "List-Unsubscribe").is_some(), "{arrived:?}");
            let parent = format!("In-Reply-To: <{}>\n", message_id(&arrived));
            let id = format!("answer-of-{}", person.address);
            outlook.mailbox.deliver(&person.address, &reply(&person.address, &own, &id, &parent));
            let both = outlook.wait_for_messages(message, 2);
            assert_eq!(both[0]["thread_id"], both[1]["thread_id"]);
            assert_eq!(both[1]["from"]["email"], person.address.as_str());
        }
        assert!(relay.mails().is_empty());

        for from in [None, Some("sales@acme.test"), Some("anna@acme.test")] {
            let messages = bulk(&outlook, from, &people);
            let by_relay = |it: &Value| it["sending"]["via"] == "sub_account_provider";
            assert!(messages.iter().all(by_relay), "{messages:#?}");
        }
        assert_eq!(relay.mails().len(), 3 * RECIPIENTS);
        assert_eq!(outlook.mailbox.account()["submissions"], RECIPIENTS);

        // Unless the sub-account wants all of it there; what a person writes goes by the mailbox still.
        let always = json!({"bulk_sender": "always_provider"});
        outlook.account.api.call("PATCH", "/api/v1/settings", Some(&always)).expect(200);
        let messages = bulk(&outlook, Some(&own), &people[..1]);
        assert_eq!(messages[0]["sending"]["via"], "sub_account_provider");
        assert_eq!(outlook.send_to(&people[0].address)["sending"]["via"], "mailbox");
    })
    .await;
}
