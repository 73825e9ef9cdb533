//! What becomes of threads when a consent ends, an address changes, or a mailbox is disconnected and
//! connected again (M3 to M6).

use axum::http::StatusCode;
use mailweave::access::{Logins as _, Trouble};
use mailweave::model::EventType;
use serde_json::json;

use super::desk::{Desk, mail, reply};
use crate::support::lab::lab;
use crate::web::api::ADMIN;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_consent_stops_watching_and_a_new_one_fetches_what_was_missed() {
    for mut desk in Desk::both().await {
        let mailbox = lab().mailbox("revoked");
        let id = desk.connect(&mailbox).await;
        desk.watch();
        desk.copy("first@acme", "").await;
        desk.until_watched(&id).await;
        mailbox.append("INBOX", &reply("r1@client", "first@acme"));
        desk.until_filed(&["first@acme", "r1@client"]).await;

        mailbox.revoke_consent();
        mailbox.kick();
        desk.until_state(&id, "needs_reauth").await;
        assert_eq!(desk.events().await, ["mailbox.active", "mailbox.needs_reauth"]);
        // It waits for the user: the thread is not stopped.
        assert_eq!(desk.threads().await, [("tracked".to_owned(), String::new())]);
        mailbox.append("INBOX", &reply("r2@client", "r1@client"));
        mailbox.append(
            "Sent Items",
            &mail(
                "own@acme",
                &mailbox.address,
                "carl@client.example",
                "In-Reply-To: <r1@client>\n",
            ),
        );

        let again = desk.api.post(&format!("/mailboxes/{id}/reauthorize"), json!({})).await;
        assert_eq!(again.status, StatusCode::OK, "{}", again.json);
        let shown = desk.consent(&again, &mailbox).await;
        assert_eq!(shown.status, StatusCode::OK, "{}", shown.html);
        desk.until_filed(&["first@acme", "own@acme", "r1@client", "r2@client"]).await;
        assert_eq!(desk.mailbox(&id).await["state"], "active");
        desk.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_a_mailbox_cannot_be_watched_is_shown_for_as_long_as_it_is_so() {
    for desk in Desk::both().await {
        let id = desk.connect(&lab().mailbox("trouble")).await;
        let connection = desk.connection(&id).await.id;
        let of = desk.api.sub_account();
        let detail = async || desk.mailbox(&id).await["detail"].clone();
        let usual = detail().await;
        let trouble = Trouble::Untrusted(mailweave::reach::UNKNOWN_ISSUER.to_owned());
        desk.connector().watched(of, connection, Some(&trouble)).await;
        assert!(detail().await.as_str().unwrap().contains("tls.extra_roots"));
        assert_eq!(desk.mailbox(&id).await["state"], "active");
        desk.connector().watched(of, connection, None).await;
        assert_eq!(detail().await, usual);
        // What the user is asked for is not hidden by what is no trouble any more.
        desk.connector().refused(of, connection, "no").await;
        let asked = detail().await;
        desk.connector().watched(of, connection, Some(&trouble)).await;
        desk.connector().watched(of, connection, None).await;
        assert_eq!(detail().await, asked);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_events_of_a_mailbox_tell_it_as_the_api_does() {
    for desk in Desk::both().await {
        let id = desk.connect(&lab().mailbox("told")).await;
        let (objects, of) = (desk.api.objects(), desk.api.sub_account());
        let object = objects.object(of, EventType::MailboxActive, id.parse().unwrap()).await;
        let told: serde_json::Value = serde_json::from_str(&object.unwrap().unwrap()).unwrap();
        assert_eq!(told, desk.mailbox(&id).await);
        let event =
            json!({"type": "mailbox.active", "timestamp": "2026-01-01T00:00:00Z", "data": told});
        let schema = json!({"$ref": "#/components/schemas/Event"});
        desk.api.check_json(&schema, &event, "mailbox.active");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_account_cannot_authorise_a_mailbox_again() {
    for desk in Desk::both().await {
        let (mailbox, other) = (lab().mailbox("own"), lab().mailbox("strange"));
        let id = desk.connect(&mailbox).await;
        let kept = desk.secret(desk.connection(&id).await.id).await;
        let again = desk.api.post(&format!("/mailboxes/{id}/reauthorize"), json!({})).await;
        let shown = desk.consent(&again, &other).await;
        assert_eq!(shown.status, StatusCode::BAD_REQUEST);
        shown.has("You signed in as");
        assert_eq!(desk.mailbox(&id).await["state"], "active");
        assert_eq!(desk.secret(desk.connection(&id).await.id).await, kept);
    }
}

/// M4.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_address_takes_over_once_it_is_active() {
    for mut desk in Desk::both().await {
        let (old, new) = (lab().mailbox("old"), lab().mailbox("new"));
        let id = desk.connect(&old).await;
        let former = desk.connection(&id).await.id;
        desk.watch();
        desk.copy("first@acme", "").await;
        desk.until_watched(&id).await;

        let wanted = json!({"address": new.address});
        let begun = desk
            .api
            .call(axum::http::Method::PUT, &format!("/mailboxes/{id}"), &desk.api.token, &wanted)
            .await;
        assert_eq!(begun.status, StatusCode::OK, "{}", begun.json);
        assert_eq!(begun.json["state"], "active");
        let told = desk.mailbox(&id).await;
        assert_eq!(told["address"], old.address.as_str());
        assert_eq!(told["pending"]["address"], new.address.as_str());
        // The former one works on until then.
        old.append("INBOX", &reply("r1@client", "first@acme"));
        desk.until_filed(&["first@acme", "r1@client"]).await;

        let shown = desk.consent(&begun, &new).await;
        assert_eq!(shown.status, StatusCode::OK, "{}", shown.html);
        let told = desk.mailbox(&id).await;
        assert_eq!((&told["state"], &told["pending"]), (&json!("active"), &json!(null)));
        assert_eq!(told["address"], new.address.as_str());
        assert_eq!(desk.threads().await, [("stopped".to_owned(), "mailbox_replaced".to_owned())]);
        assert_eq!(desk.secret(former).await, None);
        assert_eq!(desk.events().await, ["mailbox.active", "mailbox.active"]);
        desk.until("the former token is revoked", async |_| old.account()["revocations"] == 1)
            .await;

        // New mail is followed in the new mailbox; the old thread is not.
        desk.copy("second@acme", "").await;
        desk.until_watched(&id).await;
        new.append("INBOX", &reply("late@client", "first@acme"));
        new.append("INBOX", &reply("r2@client", "second@acme"));
        desk.until_filed(&["first@acme", "r1@client", "r2@client", "second@acme"]).await;
        desk.stop().await;
    }
}

/// M5.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disconnected_mailbox_is_not_read_and_resume_brings_back_what_was_missed() {
    for mut desk in Desk::both().await {
        let mailbox = lab().mailbox("resumed");
        let id = desk.connect(&mailbox).await;
        let former = desk.connection(&id).await.id;
        desk.watch();
        desk.copy("first@acme", "").await;
        desk.until_watched(&id).await;
        mailbox.append("INBOX", &reply("r1@client", "first@acme"));
        desk.until_filed(&["first@acme", "r1@client"]).await;

        let path = format!("/mailboxes/{id}");
        assert_eq!(desk.api.delete(&path).await.status, StatusCode::NO_CONTENT);
        assert_eq!(desk.mailbox(&id).await["state"], "disconnected");
        assert_eq!(desk.secret(former).await, None);
        assert_eq!(
            desk.threads().await,
            [("stopped".to_owned(), "mailbox_disconnected".to_owned())]
        );
        desk.until("the token is revoked", async |_| mailbox.account()["revocations"] == 1).await;
        assert_eq!(desk.events().await, ["mailbox.active", "mailbox.disconnected"]);
        // New mail of the CRM is not tracked; what was synced stays.
        desk.copy("untracked@acme", "").await;
        assert_eq!(desk.threads().await[0].0, "none");
        mailbox.append("INBOX", &reply("r2@client", "r1@client"));
        let refused = desk.api.post(&format!("{path}/resume"), json!(null)).await;
        assert_eq!(refused.code(), "mailbox_not_connected");
        let refused = desk.api.post(&format!("{path}/reauthorize"), json!(null)).await;
        assert_eq!(refused.code(), "mailbox_not_connected");

        // A consent that came to nothing is asked for again.
        let begun = desk.begin(&mailbox).await;
        let shown = desk.consent(&begun, &lab().mailbox("stranger")).await;
        assert_eq!(shown.status, StatusCode::BAD_REQUEST);
        let again = desk.api.post(&format!("{path}/reauthorize"), json!({})).await;
        assert_eq!(again.status, StatusCode::OK, "{}", again.json);

        // Connecting again does not restart old threads.
        assert_eq!(desk.connect(&mailbox).await, id);
        assert_ne!(desk.connection(&id).await.id, former);
        desk.until_watched(&id).await;
        mailbox.append("INBOX", &reply("r3@client", "r2@client"));
        mailbox.append("INBOX", &reply("r4@client", "first@acme"));
        let stopped = "/verdicts?message_id=r4@client";
        desk.until("the answer is seen and left", async |desk| {
            let verdicts = desk.api.get(stopped).await;
            verdicts.items().iter().any(|it| it["reason"] == "thread_stopped")
        })
        .await;

        // Until the user says so.
        let resumed = desk.api.post(&format!("{path}/resume"), json!(null)).await;
        assert_eq!(resumed.json["state"], "active", "{}", resumed.json);
        desk.until_filed(&[
            "first@acme",
            "r1@client",
            "r2@client",
            "r3@client",
            "r4@client",
            "untracked@acme",
        ])
        .await;
        desk.stop().await;
    }
}

/// M4, S4.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_thread_goes_on_by_what_is_sent_through_the_next_mailbox() {
    for mut desk in Desk::both().await {
        let (old, new) = (lab().mailbox("before"), lab().mailbox("after"));
        let id = desk.connect(&old).await;
        desk.copy("first@acme", "").await;
        let path = format!("/mailboxes/{id}");
        assert_eq!(desk.api.delete(&path).await.status, StatusCode::NO_CONTENT);
        assert_eq!(desk.connect(&new).await, id);
        let stopped = ("stopped".to_owned(), "mailbox_disconnected".to_owned());
        assert_eq!(desk.threads().await, [stopped]);
        desk.watch();
        desk.until_watched(&id).await;

        let first = desk.api.get("/verdicts?message_id=first@acme").await;
        let sent = json!({
            "kind": "individual", "user_id": desk.user, "to": [{"email": "carl@client.example"}],
            "subject": "Offer", "text": "Well?",
            "reply_to_message_id": first.items()[0]["stored_message_id"],
        });
        let sent = desk.api.post("/messages", sent).await;
        assert_eq!(sent.status, StatusCode::ACCEPTED, "{}", sent.json);
        assert_eq!(desk.threads().await, [("tracked".to_owned(), String::new())]);
        new.append("INBOX", &reply("r1@client", &sent.text("message_id")));
        desk.until("the answer is filed", async |desk| {
            desk.filed().await.contains(&"r1@client".to_owned())
        })
        .await;
        desk.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_user_s_consent_is_taken_back() {
    for desk in Desk::both().await {
        let mailbox = lab().mailbox("deleted");
        let id = desk.connect(&mailbox).await;
        let path = format!("/users/{}?keep_messages=true", desk.user);
        assert_eq!(desk.api.delete(&path).await.status, StatusCode::NO_CONTENT);
        desk.until("the token is revoked", async |_| mailbox.account()["revocations"] == 1).await;
        assert_eq!(desk.events().await, ["mailbox.active", "mailbox.disconnected"]);
        let gone = desk.api.get(&format!("/mailboxes/{id}")).await;
        assert_eq!(gone.status, StatusCode::NOT_FOUND);
    }
}

/// M5.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erased_sub_account_s_consents_are_taken_back() {
    for desk in Desk::both().await {
        let mailbox = lab().mailbox("erased");
        let (id, token) = desk.api.add_sub_account("Other").await;
        let post = async |path: &str, body| {
            desk.api.call(axum::http::Method::POST, path, &token, &body).await
        };
        let user = post("/users", json!({"name": "Bea", "email": "bea@other.example"})).await;
        let wanted = json!({"user_id": user.text("id"), "provider": "outlook"});
        let begun = post("/mailboxes", wanted).await;
        desk.consent(&begun, &mailbox).await;
        let path = format!("/sub-accounts/{id}");
        let erased = desk.api.call(axum::http::Method::DELETE, &path, ADMIN, &json!(null)).await;
        assert_eq!(erased.status, StatusCode::NO_CONTENT, "{}", erased.json);
        desk.until("the token is revoked", async |_| mailbox.account()["revocations"] == 1).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_mailbox_serves_users_of_several_sub_accounts_each_with_its_own_threads() {
    for mut desk in Desk::both().await {
        let mailbox = lab().mailbox("shared");
        let id = desk.connect(&mailbox).await;
        let (_, token) = desk.api.add_sub_account("Other").await;
        let post = async |path: &str, body| {
            desk.api.call(axum::http::Method::POST, path, &token, &body).await
        };
        let user = post("/users", json!({"name": "Bea", "email": "bea@other.example"})).await;
        let wanted = json!({"user_id": user.text("id"), "provider": "outlook"});
        let begun = post("/mailboxes", wanted).await;
        let shown = desk.consent(&begun, &mailbox).await;
        assert_eq!(shown.status, StatusCode::OK, "{}", shown.html);
        // Nobody sees the other's.
        let foreign = desk.api.get(&format!("/mailboxes/{}", begun.text("id"))).await;
        assert_eq!(foreign.status, StatusCode::NOT_FOUND);
        assert_eq!(desk.api.get("/mailboxes").await.items().len(), 1);
        desk.watch();
        desk.copy("first@acme", "").await;
        desk.until_watched(&id).await;
        mailbox.append("INBOX", &reply("r1@client", "first@acme"));
        desk.until_filed(&["first@acme", "r1@client"]).await;
        // What is taken back at the provider would end the other's, too.
        assert_eq!(
            desk.api.delete(&format!("/mailboxes/{id}")).await.status,
            StatusCode::NO_CONTENT
        );
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        assert_eq!(mailbox.account()["revocations"], 0);
        let theirs = format!("/mailboxes/{}", begun.text("id"));
        let delete = axum::http::Method::DELETE;
        desk.api.call(delete, &theirs, &token, &json!(null)).await;
        desk.until("the last token is revoked", async |_| mailbox.account()["revocations"] == 1)
            .await;
        let get = axum::http::Method::GET;
        let others = desk.api.call(get, "/conversations", &token, &json!(null)).await;
        assert!(others.items().is_empty());
        desk.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_who_is_deleted_leaves_no_mailbox_behind() {
    for desk in Desk::both().await {
        let mailbox = lab().mailbox("leaving");
        let id = desk.connect(&mailbox).await;
        let connection = desk.connection(&id).await.id;
        let gone = desk.api.delete(&format!("/users/{}", desk.user)).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT);
        assert!(desk.api.get("/mailboxes").await.items().is_empty());
        let of = desk.api.sub_account();
        assert_eq!(desk.api.store.connection(of, connection).await.unwrap(), None);
        assert!(desk.api.store.watched().await.unwrap().is_empty());
    }
}
