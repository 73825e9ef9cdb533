//! The page that connects a mailbox; the browser tests go through the provider's own pages.

use axum::http::StatusCode;
use serde_json::json;

use super::{Api, Browser};

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
