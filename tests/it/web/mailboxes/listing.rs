//! The list of conversations, narrowed to a mailbox.

use axum::http::StatusCode;
use mailweave::model::Trust;
use serde_json::json;
use uuid::Uuid;

use super::desk::Desk;
use crate::support::lab::lab;
use crate::web::api::mail;
use crate::web::ui::Browser;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailbox_shows_what_is_followed_in_it_and_another_user_s_shows_nothing() {
    for desk in Desk::both().await {
        let api = &desk.api;
        // Filed by smart BCC, while no mailbox was there.
        api.mail_in(&desk.user, &mail("one@x", "By smart BCC", "\nHi\n"), Trust::Dmarc).await;
        let (mailbox, other) = (lab().mailbox("listing"), lab().mailbox("listing"));
        let id = desk.connect(&mailbox).await;
        let sent = json!({"kind": "individual", "user_id": desk.user, "to": ["carl@client.example"],
            "subject": "By mailbox", "text": "Hello"});
        assert_eq!(api.post("/messages", sent).await.status, StatusCode::ACCEPTED);
        let mut chief = Browser::of(api, "chief@acme.example", "admin").await;
        let all = chief.get("/conversations").await;
        all.has("By smart BCC").has("By mailbox").has(&mailbox.address);
        for query in ["", "&state=tracked", "&of=", "&show="] {
            let narrowed = chief.get(&format!("/conversations?mailbox={id}{query}")).await;
            narrowed.has("By mailbox").has(&format!("value=\"{id}\" selected"));
            assert!(!narrowed.html.contains("By smart BCC"), "{query}");
        }
        for none in [Uuid::nil().to_string(), other.address] {
            let shown = chief.get(&format!("/conversations?mailbox={none}")).await;
            let is_understood = none.parse::<Uuid>().is_ok();
            assert_eq!(shown.html.contains("By mailbox"), !is_understood, "{none}");
        }
        let mut bob = Browser::of(api, "bob@acme.example", "user").await;
        let shown = bob.get(&format!("/conversations?mailbox={id}")).await;
        assert!(!shown.html.contains("By mailbox") && !shown.html.contains(&mailbox.address));
    }
}
