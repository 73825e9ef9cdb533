//! Consents: what comes back is held against what was asked (M1, M2, D11).

use axum::http::StatusCode;
use serde_json::json;
use url::Url;

use super::desk::{Desk, configuration};
use crate::support::lab::{SCOPE, lab};
use crate::web::events::Stream;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailbox_is_connected_by_consent_and_shown_with_its_address() {
    for desk in Desk::both().await {
        let mailbox = lab().mailbox("consent");
        let begun = desk.begin(&mailbox).await;
        assert_eq!(begun.json["state"], "connecting");
        let url: Url = begun.text("authorization_url").parse().unwrap();
        let parameter = |name: &str| {
            let found = url.query_pairs().find(|(key, _)| key == name);
            found.map(|(_, value)| value.into_owned()).unwrap_or_default()
        };
        assert_eq!(parameter("code_challenge_method"), "S256");
        assert_eq!(parameter("redirect_uri"), "http://127.0.0.1/oauth/callback");
        assert_eq!(parameter("login_hint"), mailbox.address);
        assert!(parameter("state").len() >= 43 && parameter("nonce").len() >= 43);
        for scope in SCOPE.split_whitespace() {
            assert!(parameter("scope").contains(scope), "{scope}");
        }
        let shown = desk.consent(&begun, &mailbox).await;
        assert_eq!(shown.status, StatusCode::OK, "{}", shown.html);
        shown.has(&mailbox.address).has("/settings/email");
        let told = desk.mailbox(&begun.text("id")).await;
        assert_eq!(told["state"], "active");
        assert_eq!(told["address"], mailbox.address.as_str());
        assert_eq!(told["detail"], json!(null));
        assert!(told["connected_at"].is_string());
        assert_eq!(desk.events().await, ["mailbox.active"]);
        let mut events = Stream::open(&desk.api, "?types=mailbox.active", Some("0")).await;
        let event = events.next(&desk.api).await;
        assert_eq!(event.data["data"], told);
        let connection = desk.connection(&begun.text("id")).await;
        assert_eq!(connection.sent_folder.as_deref(), Some("Sent Items"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_expected_address_whoever_consents_is_connected() {
    for desk in Desk::both().await {
        let mailbox = lab().mailbox("whoever");
        let wanted = json!({"user_id": desk.user, "provider": "outlook"});
        let begun = desk.api.post("/mailboxes", wanted).await;
        let shown = desk.consent(&begun, &mailbox).await;
        assert_eq!(shown.status, StatusCode::OK, "{}", shown.html);
        assert_eq!(desk.mailbox(&begun.text("id")).await["address"], mailbox.address.as_str());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_good_once_and_only_with_its_own_state() {
    for desk in Desk::both().await {
        let mailbox = lab().mailbox("once");
        let begun = desk.begin(&mailbox).await;
        let url = begun.text("authorization_url");
        let answer = lab().consent(&url, &mailbox.address, true);
        // Forged, missing, and twice the same.
        for query in ["?code=x", "?code=x&state=forged", "?state=", "?"] {
            let shown = desk.bring_back(query).await;
            assert_eq!(shown.status, StatusCode::BAD_REQUEST, "{query}");
            shown.has("Nothing was connected");
        }
        // Whoever asks anew means the new answer.
        let id = begun.text("id");
        let again = desk.api.post(&format!("/mailboxes/{id}/reauthorize"), json!({})).await;
        let shown = desk.bring_back(&answer).await;
        assert_eq!(shown.status, StatusCode::BAD_REQUEST);
        let answer = lab().consent(&again.text("authorization_url"), &mailbox.address, true);
        assert_eq!(desk.bring_back(&answer).await.status, StatusCode::OK);
        let shown = desk.bring_back(&answer).await;
        assert_eq!(shown.status, StatusCode::BAD_REQUEST);
        shown.has("used before");
        assert_eq!(desk.mailbox(&id).await["state"], "active");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_that_was_asked_for_by_another_connects_nothing() {
    for desk in Desk::both().await {
        let (mine, victim) = (lab().mailbox("attacker"), lab().mailbox("victim"));
        let begun = desk.begin(&mine).await;
        let state = state_of(&begun.text("authorization_url"));
        // The code of another flow, under this state: PKCE tells.
        let other = desk.api.add_user("eve@acme.example").await;
        let wanted = json!({"user_id": other, "provider": "outlook"});
        let stolen = desk.api.post("/mailboxes", wanted).await;
        let answer = lab().consent(&stolen.text("authorization_url"), &victim.address, true);
        let code = answer.split("code=").nth(1).unwrap().split('&').next().unwrap();
        let shown = desk.bring_back(&format!("?code={code}&state={state}")).await;
        assert_eq!(shown.status, StatusCode::BAD_REQUEST, "{}", shown.html);
        assert_eq!(desk.mailbox(&begun.text("id")).await["state"], "connecting");

        // An answer that says it is another provider's (RFC 9207).
        let begun = desk.begin(&mine).await;
        let answer = lab().consent(&begun.text("authorization_url"), &mine.address, true);
        let shown = desk.bring_back(&format!("{answer}&iss=https%3A%2F%2Fevil.example%2F")).await;
        assert_eq!(shown.status, StatusCode::BAD_REQUEST);
        shown.has("another provider");
        assert!(desk.events().await.is_empty());
    }
}

fn state_of(url: &str) -> String {
    let url: Url = url.parse().unwrap();
    let found = url.query_pairs().find(|(name, _)| name == "state");
    found.map(|(_, state)| state.into_owned()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_account_than_the_expected_one_is_not_connected() {
    for desk in Desk::both().await {
        let (expected, other) = (lab().mailbox("expected"), lab().mailbox("other"));
        let begun = desk.begin(&expected).await;
        let shown = desk.consent(&begun, &other).await;
        assert_eq!(shown.status, StatusCode::BAD_REQUEST);
        shown.has(&other.address).has(&expected.address).has("Nothing was connected");
        let told = desk.mailbox(&begun.text("id")).await;
        assert_eq!(told["state"], "connecting");
        assert!(told["detail"].as_str().unwrap().contains("You signed in as"), "{told}");
        let pending = desk.stored(&begun.text("id")).await.pending.unwrap();
        assert_eq!(desk.secret(pending.id).await, None);
        // What was granted is given back.
        desk.until("the token is revoked", async |_| other.account()["revocations"] == 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_user_did_not_grant_is_said_in_words() {
    for desk in Desk::both().await {
        let mailbox = lab().mailbox("scopes");
        let rows = [
            (
                json!({"withheld_scopes": ["https://outlook.office.com/SMTP.Send"]}),
                "send mail as you",
            ),
            (
                json!({"withheld_scopes": ["https://outlook.office.com/IMAP.AccessAsUser.All"]}),
                "read your mail",
            ),
            (json!({"withheld_scopes": ["offline_access"]}), "no lasting consent"),
            (
                json!({"withheld_scopes": [], "consent_error": "consent_required"}),
                "consent is missing",
            ),
            (json!({"consent_error": "temporarily_unavailable"}), "cannot answer just now"),
        ];
        for (behaviour, words) in rows {
            mailbox.behave(&behaviour);
            let begun = desk.begin(&mailbox).await;
            let shown = desk.consent(&begun, &mailbox).await;
            assert_eq!(shown.status, StatusCode::BAD_REQUEST, "{behaviour}");
            shown.has(words);
            let told = desk.mailbox(&begun.text("id")).await;
            assert!(told["detail"].as_str().unwrap().contains(words), "{told}");
        }
        mailbox.behave(&json!({"consent_error": null}));
        let begun = desk.begin(&mailbox).await;
        let declined = lab().consent(&begun.text("authorization_url"), &mailbox.address, false);
        desk.bring_back(&declined).await.has("declined");
        assert!(desk.events().await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_provider_keeps_closed_is_told_with_its_remedy() {
    for desk in Desk::both().await {
        let mailbox = lab().mailbox("closed");
        for (service, words) in [("smtp", "SMTP server"), ("imap", "IMAP server")] {
            mailbox.behave(&json!({"closed_services": [service]}));
            let begun = desk.begin(&mailbox).await;
            let shown = desk.consent(&begun, &mailbox).await;
            assert_eq!(shown.status, StatusCode::BAD_REQUEST, "{service}");
            shown.has(words).has("administrator");
            assert_eq!(desk.mailbox(&begun.text("id")).await["state"], "connecting");
        }
        assert!(desk.events().await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn providers_that_are_not_there_or_not_ready_are_told() {
    for desk in Desk::both_with(&configuration("")).await {
        let user = &desk.user;
        let rows = [
            (json!({"user_id": user, "provider": "aol"}), "invalid_value"),
            (json!({"user_id": user, "provider": "gmail"}), "provider_not_ready"),
            (
                json!({"user_id": user, "provider": "outlook", "imap": "evil.example:993"}),
                "invalid_value",
            ),
            (json!({"user_id": user, "provider": "outlook", "password": "x"}), "invalid_value"),
            (
                json!({"user_id": user, "provider": "imap", "address": "a@b.example"}),
                "invalid_value",
            ),
            (json!({"user_id": uuid::Uuid::nil(), "provider": "outlook"}), "invalid_value"),
        ];
        for (wanted, code) in rows {
            let refused = desk.api.post("/mailboxes", wanted.clone()).await;
            assert_eq!(refused.code(), code, "{wanted}: {}", refused.json);
        }
        assert!(desk.api.get("/mailboxes").await.items().is_empty());
    }
}
