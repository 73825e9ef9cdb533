//! The pages for developers, and for who runs the gateway.

use std::time::Duration;

use axum::http::StatusCode;
use mailweave::model::{SubAccountId, Trust};
use serde_json::{Value, json};

use super::api::{Api, mail};
use super::events::add_contact;
use super::ui::Browser;

const HERE: &str = "/settings/developers";
/// How long a busy machine may take for what needs no time.
const PATIENCE: Duration = Duration::from_secs(60);

/// What stands between two texts.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no {start} in {text}"));
    rest.split_once(end).unwrap().0
}

#[tokio::test]
async fn a_token_is_shown_once_used_within_its_scope_and_revoked() {
    for api in Api::both().await {
        let mut admin = Browser::of(&api, "ann@acme.example", "admin").await;
        let fields = [("name", "Reports"), ("scope", "read")];
        let made = admin.post("/settings/developers/tokens", &fields).await;
        assert_eq!(made.status, StatusCode::OK);
        let token = between(&made.html, "id=\"secret\">", "<").to_owned();
        assert!(token.starts_with("mw_"), "{token}");
        let page = admin.get(HERE).await;
        page.has("Reports").has("Only read").has("never");
        assert!(!page.html.contains(&token), "shown once");
        let call = async |method: &str, path: &str, body: Value| {
            api.call(method.parse().unwrap(), path, &token, &body).await.status.as_u16()
        };
        assert_eq!(call("GET", "/contacts", Value::Null).await, 200);
        assert_eq!(call("POST", "/contacts", json!({"email": "b@x.example"})).await, 403);
        assert_eq!(call("DELETE", "/webhooks/x", Value::Null).await, 403);
        let used = async {
            while admin.get(HERE).await.html.contains("<span class=\"quiet\">never") {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, used).await.unwrap();
        let page = admin.get(HERE).await;
        let row = page.html.split("<tr>").find(|row| row.contains("Reports")).unwrap();
        let revoke = between(row, "action=\"", "\"").to_owned();
        admin.submit(&revoke, &[]).await.has("The token is revoked.");
        assert_eq!(call("GET", "/contacts", Value::Null).await, 401);
        assert_eq!(admin.post(&revoke, &[]).await.status, StatusCode::NOT_FOUND);
        let nameless = admin.post("/settings/developers/tokens", &[("name", " ")]).await;
        assert_eq!(nameless.status, StatusCode::UNPROCESSABLE_ENTITY);
        nameless.has("name-error");
    }
}

#[tokio::test]
async fn a_webhook_is_added_watched_and_deleted() {
    for api in Api::both().await {
        let mut admin = Browser::of(&api, "ann@acme.example", "admin").await;
        let bad = [("url", "http://10.0.0.1/"), ("events", "message.filed")];
        let refused = admin.post("/settings/developers/webhooks", &bad).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        refused.has("public address").has("value=\"http://10.0.0.1/\"");
        assert!(refused.html.contains("value=\"message.filed\" checked"), "{}", refused.html);
        let good = [("url", "http://127.0.0.1:1025/"), ("events", "contact.created")];
        let made = admin.post("/settings/developers/webhooks", &good).await;
        assert!(between(&made.html, "id=\"secret\">", "<").starts_with("whsec_"));
        add_contact(&api.store, api.sub_account(), "b@x.example").await;
        super::webhooks::deliver(&api).await;
        let page = admin.get(HERE).await;
        page.has("http://127.0.0.1:1025/").has("1 failure in a row");
        let webhook = between(&page.html, "class=\"url\" href=\"", "\"").to_owned();
        let log = admin.get(&webhook).await;
        log.has("contact.created").has("no connection").has("Waiting");
        let resend = format!("{webhook}/deliveries{}", between(&log.html, "/deliveries", "\""));
        admin.submit(&resend, &[]).await.has("The event is sent again.");
        admin.submit(&format!("{webhook}/delete"), &[]).await.has("No webhooks yet");
        assert_eq!(admin.get(&webhook).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn pages_are_for_those_whose_business_it_is() {
    for api in Api::both().await {
        let mut user = Browser::of(&api, "u@acme.example", "user").await;
        let mut admin = Browser::of(&api, "a@acme.example", "admin").await;
        let mut operator = Browser::of(&api, "o@acme.example", "operator").await;
        for path in [HERE, "/settings/developers/api"] {
            assert_eq!(user.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
            assert_eq!(admin.get(path).await.status, StatusCode::OK, "{path}");
        }
        let fields = [("name", "x"), ("scope", "write")];
        let refused = user.post("/settings/developers/tokens", &fields).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert_eq!(admin.get("/admin").await.status, StatusCode::FORBIDDEN);
        let writer = api.add_user("w@acme.example").await;
        api.mail_in(&writer, &mail("1@x", "Hi", "\nHello"), Trust::Unverified).await;
        let page = operator.get("/admin").await;
        page.has("Acme").has("1 in all").has("class=\"graph\"").has(api.store.database());
        page.has("Up</span>").has("The hours as a table");
        assert!(!page.html.contains("with the latest mail"), "all are shown");
        admin.get("/settings/developers/api").await.has("/api/v1/webhooks/{id}/deliveries");
    }
}

#[tokio::test]
async fn of_many_sub_accounts_those_with_the_latest_mail_are_shown() {
    for api in Api::both().await {
        let mut operator = Browser::of(&api, "o@acme.example", "operator").await;
        let writer = api.add_user("w@acme.example").await;
        for number in 0..50 {
            api.add_sub_account(&format!("Newer {number}")).await;
        }
        api.mail_in(&writer, &mail("1@x", "Hi", "\nHello"), Trust::Dmarc).await;
        // It is the oldest of them, and the only one that anything happens in.
        let page = operator.get("/admin").await;
        page.has(">Acme<br>")
            .has("The 50 with the latest mail, of 51 sub-accounts")
            .has("1 in all");
        assert!(!page.html.contains(">Newer 0<br>"));
    }
}

#[tokio::test]
async fn all_mail_to_postmaster_can_be_reached() {
    for api in &Api::both().await {
        let mut operator = Browser::of(api, "op@acme.example", "operator").await;
        for number in 0..21 {
            let raw = mail(&format!("{number}@x"), &format!("Abuse {number}."), "\nHi\n");
            api.mail_into(SubAccountId::OPERATOR, Vec::new(), &raw, Trust::Unverified).await;
        }
        let page = operator.get("/admin").await;
        page.has("Abuse 20.").has("Abuse 1.");
        assert!(!page.html.contains("Abuse 0."));
        let next = between(&page.html, "href=\"/admin?posts=", "#").to_owned();
        let page = operator.get(&format!("/admin?posts={next}")).await;
        assert!(!page.has("Abuse 0.").html.contains("Abuse 1."));
        assert!(!page.html.contains("/admin?posts="), "there is no more");
    }
}

#[tokio::test]
async fn mail_to_postmaster_is_shown_to_who_runs_the_gateway_alone() {
    // B1
    for api in &Api::both().await {
        let mut operator = Browser::of(api, "op@acme.example", "operator").await;
        operator.get("/admin").await.has("Nothing waits for you");
        let raw = mail("pm@x", "Abuse <b>", "\nPlease look\n");
        let id = api.mail_into(SubAccountId::OPERATOR, Vec::new(), &raw, Trust::Unverified).await;
        let here = format!("/admin/postmaster/{id}");
        operator.get("/admin").await.has(&here).has("Abuse &#60;b&#62;");
        operator.get(&here).await.has("Please look").has("It is removed").has("&#60;pm@x&#62;");
        operator.get(&format!("{here}/raw")).await.has("Please look");
        operator.submit(&format!("{here}/discard"), &[]).await.has("Discarded.").has("Undo");
        operator.get("/admin").await.has("Nothing waits for you");
        operator.submit(&format!("{here}/discard"), &[]).await.has("Somebody may have been here");
        operator.submit(&format!("{here}/undo"), &[]).await.has("Undone.");
        operator.get("/admin").await.has(&here);

        let mut admin = Browser::of(api, "ann@acme.example", "admin").await;
        for path in [here.clone(), format!("{here}/raw")] {
            assert_eq!(admin.get(&path).await.status, StatusCode::FORBIDDEN);
        }
        let refused = admin.post(&format!("{here}/discard"), &[]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        // Nor is other mail read that way.
        let user = api.add_user("bea@acme.example").await;
        let other = api.mail_in(&user, &mail("1@x", "Offer", "\nHi\n"), Trust::Dmarc).await;
        let other = operator.get(&format!("/admin/postmaster/{other}")).await;
        assert_eq!(other.status, StatusCode::NOT_FOUND);
    }
}
