//! The page that connects a mailbox; the browser tests go through the provider's own pages.

use axum::http::StatusCode;
use mailweave::model::Trust;
use serde_json::json;

use super::{Api, Browser};
use crate::support::lab::{Mailbox, PASSWORD, lab};
use crate::web::api::{OUTLOOK, mail};
use crate::web::mailboxes::configuration;

#[tokio::test]
async fn providers_are_offered_outlook_first_and_what_is_wrong_stands_beside_its_field() {
    let [api, _] = Api::both().await;
    let mut browser = Browser::of(&api, "ann@acme.example", "user").await;
    let shown = browser.get("/settings/email").await;
    let place = |name: &str| shown.html.find(&format!("value=\"{name}\"")).unwrap();
    assert!(place("outlook") < place("gmail") && place("gmail") < place("imap"));
    let wrong = [
        (vec![("provider", "imap"), ("address", "no address")], "This is no email address"),
        (
            vec![("provider", "imap"), ("address", "a@b.example"), ("imap", "nonsense")],
            "imap.example.com:993",
        ),
    ];
    for (form, words) in wrong {
        let refused = browser.post("/settings/email/connect", &form).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        refused.has(words);
    }
    for action in ["disconnect", "reauthorize", "resume"] {
        let path = format!("/settings/email/{action}");
        assert_eq!(browser.post(&path, &[]).await.status, StatusCode::NOT_FOUND, "{action}");
    }
}

#[tokio::test]
async fn what_is_kept_of_a_mailbox_is_said_as_the_switch_has_it() {
    for api in &Api::both().await {
        let mut browser = Browser::of(api, "ann@acme.example", "user").await;
        browser.get("/settings/email").await.has("Only mail of threads that began in the CRM");
        let follow = json!({"follow_contacts": true});
        assert_eq!(api.patch("/settings", follow).await.status, StatusCode::OK);
        let shown = browser.get("/settings/email").await;
        shown.has("and all mail between you and contacts");
        assert!(!shown.html.contains("Only mail of threads"));
    }
}

#[tokio::test]
async fn what_was_typed_for_another_provider_does_not_keep_outlook_from_its_consent() {
    let [api, _] = Api::both_with(OUTLOOK).await;
    let mut browser = Browser::of(&api, "ann@acme.example", "user").await;
    let form = [
        ("provider", "outlook"),
        ("imap", "nonsense"),
        ("smtp", "mail.example:465"),
        ("username", "ann"),
        ("password", "secret"),
    ];
    let shown = browser.post("/settings/email/connect", &form).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.html);
    shown.has("On to your provider");
}

/// Connects that mailbox by the form.
async fn connect(browser: &mut Browser<'_>, mailbox: &Mailbox, password: &str) -> String {
    let (imap, smtp) = (lab().imap(), lab().smtp());
    let form = [
        ("provider", "imap"),
        ("address", mailbox.address.as_str()),
        ("imap", &imap),
        ("smtp", &smtp),
        ("password", password),
    ];
    let shown = browser.submit("/settings/email/connect", &form).await;
    assert_eq!(shown.status, StatusCode::OK, "{}", shown.html);
    shown.html
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_says_whether_a_password_did_and_lets_one_leave_what_did_not() {
    for api in &Api::both_with(&configuration("")).await {
        let (mut browser, ann) = Browser::with_user(api, "ann@acme.example", "user").await;
        let (first, second) = (lab().mailbox("paged"), lab().mailbox("other"));
        let shown = connect(&mut browser, &first, "wrong").await;
        assert!(shown.contains("</svg>Not connected</span>"), "{shown}");
        assert!(!shown.contains("Being connected"), "{shown}");
        let shown = connect(&mut browser, &first, PASSWORD).await;
        assert!(shown.contains("Your mailbox is connected.") && shown.contains("class=\"proved\""));
        assert!(shown.contains("New mail cannot be sent from the CRM until"), "{shown}");
        assert!(!shown.contains("are not sent then"), "{shown}");

        // The former one is active all the while.
        let shown = connect(&mut browser, &second, "wrong").await;
        assert!(shown.contains("The mailbox is not connected yet"), "{shown}");
        assert!(!shown.contains("Your mailbox is connected."), "{shown}");
        assert!(shown.contains(&format!("{} could not be connected.", second.address)), "{shown}");
        let left = browser.submit("/settings/email/leave", &[]).await;
        left.has("The present mailbox stays.").has(&first.address);
        assert!(!left.html.contains("could not be connected."), "{}", left.html);

        // What waits is lost with the mailbox, and the page says how much that is.
        let tomorrow = mailweave::clock::now().plus_seconds(86_400).to_rfc3339();
        let later = json!({"kind": "individual", "user_id": ann, "to": ["bob@client.example"],
            "subject": "Later", "text": "Hi", "send_at": tomorrow});
        assert_eq!(api.post("/messages", later).await.status, StatusCode::ACCEPTED);
        let shown = browser.get("/settings/email").await;
        shown.has("from the present address, also those for later, are not sent then: 1.");
        shown.has("only if this address is connected again before they are due: 1.");

        // Whose thread has stopped is led to where it goes on.
        let verdict = api.mail_in(&ann, &mail("one@x", "Offer", "\nHi\n"), Trust::Dmarc).await;
        let here = api.get(&format!("/verdicts/{verdict}")).await.text("conversation_id");
        let here = format!("/conversations/{here}");
        let shown = browser.get(&here).await;
        assert!(!shown.has("In sync").html.contains("Your email settings"), "{}", shown.html);
        browser.submit("/settings/email/disconnect", &[]).await.has("The mailbox is disconnected.");
        browser.get(&here).await.has("was disconnected.").has("Your email settings");
    }
}
