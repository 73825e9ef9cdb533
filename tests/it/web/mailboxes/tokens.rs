//! Tokens: renewed ahead of their end, one renewal at a time, stored before they are used, and what a
//! provider may answer instead (M3, D13, D21).

use axum::http::StatusCode;
use mailweave::access::{LoginError, Logins};
use mailweave::model::{Credentials, Login};
use secrecy::ExposeSecret;
use serde_json::json;

use super::desk::Desk;
use crate::support::lab::lab;
use crate::web::api::connector;

fn token(login: Result<Login, LoginError>) -> String {
    match login.unwrap().credentials {
        Credentials::Token(token) => token.expose_secret().to_owned(),
        Credentials::Password(_) => panic!("a password"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_ask_at_once_renew_once_in_each_gateway_and_never_at_once() {
    for desk in Desk::both().await {
        let mailbox = lab().mailbox("flight");
        // A used refresh token ends at once: two renewals with the same one would end the consent.
        mailbox.behave(&json!({"strict_rotation": true}));
        let id = desk.connect(&mailbox).await;
        let connection = desk.connection(&id).await.id;
        let of = desk.api.sub_account();
        // Two other gateways over the same store, which have no token yet.
        let gateways = [
            connector(&desk.api.store, &desk.api.config),
            connector(&desk.api.store, &desk.api.config),
        ];
        let mut asking = tokio::task::JoinSet::new();
        for n in 0..12 {
            let gateway = gateways[n % 2].clone();
            asking.spawn(async move { token(gateway.login(of, connection, false).await) });
        }
        let mut tokens: Vec<String> = asking.join_all().await;
        tokens.sort();
        tokens.dedup();
        assert_eq!(tokens.len(), 2);
        assert_eq!(mailbox.account()["refreshes"], 2);
        assert_eq!(desk.mailbox(&id).await["state"], "active");
        // The one that connected it still has the token that came with the consent.
        token(desk.connector().login(of, connection, false).await);
        assert_eq!(mailbox.account()["refreshes"], 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_short_life_is_renewed_ahead_and_every_rotated_token_is_kept() {
    for desk in Desk::both().await {
        let mailbox = lab().mailbox("short");
        mailbox.behave(&json!({"strict_rotation": true, "access_seconds": 1}));
        let id = desk.connect(&mailbox).await;
        let connection = desk.connection(&id).await.id;
        let of = desk.api.sub_account();
        for n in 1..=3 {
            let before = desk.secret(connection).await;
            // Each is a gateway that has just started.
            let gateway = connector(&desk.api.store, &desk.api.config);
            token(gateway.login(of, connection, false).await);
            assert_eq!(mailbox.account()["refreshes"], n);
            assert_ne!(desk.secret(connection).await, before);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_goes_away_while_a_token_is_renewed_loses_nothing() {
    for desk in Desk::both().await {
        let mailbox = lab().mailbox("gone");
        mailbox.behave(&json!({"strict_rotation": true}));
        let id = desk.connect(&mailbox).await;
        let connection = desk.connection(&id).await.id;
        let of = desk.api.sub_account();
        let gateway = connector(&desk.api.store, &desk.api.config);
        for wait in [0, 1, 5, 20] {
            let asked = gateway.login(of, connection, false);
            let _ = tokio::time::timeout(std::time::Duration::from_millis(wait), asked).await;
        }
        token(gateway.login(of, connection, false).await);
        let other = connector(&desk.api.store, &desk.api.config);
        token(other.login(of, connection, false).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_fails_is_asked_once_and_then_left_alone() {
    for desk in Desk::both().await {
        for fault in ["429", "500", "temporarily_unavailable"] {
            let mailbox = lab().mailbox("faulty");
            let id = desk.connect(&mailbox).await;
            let connection = desk.connection(&id).await.id;
            mailbox.behave(&json!({"fault": fault, "fault_times": 3}));
            let gateway = connector(&desk.api.store, &desk.api.config);
            for _ in 0..10 {
                let refused = gateway.login(desk.api.sub_account(), connection, false).await;
                assert!(matches!(refused, Err(LoginError::Unavailable(_))), "{fault}: {refused:?}");
            }
            assert_eq!(mailbox.account()["fault_times"], 2, "{fault}");
            assert_eq!(desk.mailbox(&id).await["state"], "active");
            desk.api.delete(&format!("/mailboxes/{id}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consent_that_has_ended_is_asked_for_again_and_the_operator_s_fault_is_not() {
    for desk in Desk::both().await {
        let rows = [
            ("invalid_grant", "needs_reauth", "revoked"),
            ("expired_grant", "needs_reauth", "run out"),
            ("interaction_required", "needs_reauth", "second factor"),
            ("conditional_access", "needs_reauth", "conditional access"),
            ("consent_required", "needs_reauth", "consent is missing"),
            ("invalid_client", "active", "client_secret"),
            ("unauthorized_client", "active", "client_id"),
            ("invalid_scope", "active", "scopes"),
        ];
        for (fault, state, words) in rows {
            let mailbox = lab().mailbox("ended");
            let id = desk.connect(&mailbox).await;
            let connection = desk.connection(&id).await.id;
            mailbox.behave(&json!({"fault": fault}));
            let gateway = connector(&desk.api.store, &desk.api.config);
            let refused = gateway.login(desk.api.sub_account(), connection, false).await;
            let asks_user = matches!(refused, Err(LoginError::NeedsReauth));
            assert_eq!(asks_user, state == "needs_reauth", "{fault}: {refused:?}");
            let told = desk.mailbox(&id).await;
            assert_eq!(told["state"], state, "{fault}");
            assert!(told["detail"].as_str().unwrap().contains(words), "{fault}: {told}");
            let events = desk.events().await;
            let expected = if asks_user { "mailbox.needs_reauth" } else { "mailbox.active" };
            assert_eq!(events.last(), Some(&expected), "{fault}");
            let gone = desk.api.delete(&format!("/mailboxes/{id}")).await;
            assert_eq!(gone.status, StatusCode::NO_CONTENT);
        }
    }
}
