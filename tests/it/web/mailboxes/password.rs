//! Mailboxes of any host with a password, which is tried at once.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::desk::Desk;
use crate::support::lab::{Mailbox, PASSWORD, lab};

fn wanted(desk: &Desk, mailbox: &Mailbox, password: &str) -> Value {
    json!({
        "user_id": desk.user,
        "provider": "imap",
        "address": mailbox.address,
        "imap": lab().imap(),
        "smtp": lab().smtp(),
        "password": password,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_tried_at_once_and_may_be_given_again() {
    for desk in Desk::both().await {
        let mailbox = lab().mailbox("password");
        let begun = desk.api.post("/mailboxes", wanted(&desk, &mailbox, "wrong")).await;
        assert_eq!(begun.status, StatusCode::CREATED, "{}", begun.json);
        assert_eq!(begun.json["state"], "connecting");
        assert_eq!(begun.json["authorization_url"], json!(null));
        assert!(begun.text("detail").contains("app password"), "{}", begun.json);
        assert!(desk.events().await.is_empty());

        let again = format!("/mailboxes/{}/reauthorize", begun.text("id"));
        assert_eq!(desk.api.post(&again, json!({})).await.code(), "invalid_value");
        let tried = desk.api.post(&again, json!({"password": PASSWORD})).await;
        assert_eq!(tried.json["state"], "active", "{}", tried.json);
        assert_eq!(tried.json["detail"], json!(null));
        assert_eq!(desk.events().await, ["mailbox.active"]);

        // A typo ends nothing that works.
        let connection = desk.connection(&begun.text("id")).await.id;
        let before = desk.secret(connection).await;
        let typo = desk.api.post(&again, json!({"password": "wrong"})).await;
        assert_eq!(typo.json["state"], "active", "{}", typo.json);
        assert!(typo.text("detail").contains("app password"), "{}", typo.json);
        assert_eq!(desk.secret(connection).await, before);
        let tried = desk.api.post(&again, json!({"password": PASSWORD})).await;
        assert_eq!(tried.json["detail"], json!(null), "{}", tried.json);
        assert_ne!(desk.secret(connection).await, before, "it is sealed anew");

        // One mailbox a user.
        let second = desk.api.post("/mailboxes", wanted(&desk, &mailbox, PASSWORD)).await;
        assert_eq!(second.code(), "mailbox_exists");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_host_is_told() {
    for desk in Desk::both().await {
        let mailbox = lab().mailbox("hosts");
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = nobody.local_addr().unwrap().port();
        drop(nobody);
        let closed = format!("127.0.0.1:{port}?tls");
        for (key, host, words) in [
            ("imap", closed.as_str(), "cannot be reached"),
            ("smtp", closed.as_str(), "cannot be reached"),
        ] {
            let mut wanted = wanted(&desk, &mailbox, PASSWORD);
            wanted[key] = json!(host);
            let begun = desk.api.post("/mailboxes", wanted).await;
            assert_eq!(begun.json["state"], "connecting", "{}", begun.json);
            assert!(begun.text("detail").contains(words), "{}", begun.json);
        }
        for host in ["nonsense", "mail.example:143?plain", "mail.example:0"] {
            let mut wanted = wanted(&desk, &mailbox, PASSWORD);
            wanted["imap"] = json!(host);
            assert_eq!(desk.api.post("/mailboxes", wanted).await.code(), "invalid_value");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    // Without tls.extra_roots nobody knows the laboratory's authority (F9).
    for desk in Desk::both_with("").await {
        let mailbox = lab().mailbox("certificate");
        let begun = desk.api.post("/mailboxes", wanted(&desk, &mailbox, PASSWORD)).await;
        assert_eq!(begun.json["state"], "connecting", "{}", begun.json);
        let detail = begun.text("detail");
        assert!(detail.contains("certificate") && detail.contains("tls.extra_roots"), "{detail}");
    }
}
