//! What people do to verdicts (V2, V3), and calls that are repeated.

use axum::http::{Method, StatusCode};
use mailweave::model::Trust;
use serde_json::{Value, json};

use super::api::{Api, mail};

#[tokio::test]
async fn held_mail_is_discarded_and_taken_back() {
    for api in Api::both().await {
        let ann = api.add_user("ann@acme.example").await;
        let raw = mail("held@x", "Offer", "\nHi\n");
        let id = api.mail_in(&ann, &raw, Trust::Unverified).await;
        let before = api.get(&format!("/verdicts/{id}")).await.json;
        assert_eq!(before["reason"], "unverified_sender");
        let discarded = api.post(&format!("/verdicts/{id}/discard"), Value::Null).await;
        assert_eq!(
            (&discarded.json["outcome"], &discarded.json["reason"]),
            (&json!("ignored"), &json!("discarded"))
        );
        let twice = api.post(&format!("/verdicts/{id}/discard"), Value::Null).await;
        assert_eq!((twice.status, twice.code()), (StatusCode::CONFLICT, "action_does_not_fit"));
        let undone = api.post(&format!("/verdicts/{id}/undo"), Value::Null).await.json;
        for field in ["outcome", "reason", "explanation", "expires_at", "stored_message_id"] {
            assert_eq!(undone[field], before[field], "{field}");
        }
        let nothing = api.post(&format!("/verdicts/{id}/undo"), Value::Null).await;
        assert_eq!(nothing.status, StatusCode::CONFLICT);
        let actions = api.get(&format!("/verdicts/{id}")).await.json["actions"].clone();
        let names: Vec<&Value> =
            actions.as_array().unwrap().iter().map(|one| &one["action"]).collect();
        assert_eq!(names, ["discard", "undo"]);
        assert!(actions[0]["actor"].as_str().unwrap().starts_with("token "));
    }
}

/// D17: who comes second is told that the mail has become something else, not that the store is away.
#[tokio::test]
async fn people_who_act_on_one_mail_at_once_are_told_who_was_first() {
    for api in Api::both().await {
        let ann = api.add_user("ann@acme.example").await;
        for round in 0..10 {
            let raw = mail(&format!("{round}@x"), "Offer", "\nHi\n");
            let id = api.mail_in(&ann, &raw, Trust::Unverified).await;
            let path = format!("/verdicts/{id}");
            let release = async || api.post(&format!("{path}/release"), Value::Null).await;
            let discard = async || api.post(&format!("{path}/discard"), Value::Null).await;
            let answers = tokio::join!(release(), discard(), release(), discard(), release());
            let answers = [answers.0, answers.1, answers.2, answers.3, answers.4];
            let done = answers.iter().filter(|answer| answer.status == StatusCode::OK).count();
            assert_eq!(done, 1);
            for answer in answers.iter().filter(|answer| answer.status != StatusCode::OK) {
                assert_eq!(answer.code(), "action_does_not_fit", "{}", answer.json);
            }
        }
    }
}

#[tokio::test]
async fn filed_mail_that_is_taken_back_leaves_nothing_behind() {
    for api in Api::both().await {
        let ann = api.add_user("ann@acme.example").await;
        let first = api.mail_in(&ann, &mail("1@x", "One", "\nHi\n"), Trust::Dmarc).await;
        let second = api.mail_in(&ann, &mail("2@x", "Two", "\nHo\n"), Trust::Dmarc).await;
        let undone = api.post(&format!("/verdicts/{second}/undo"), Value::Null).await;
        assert_eq!(undone.json["reason"], "taken_back", "{}", undone.json);
        assert_eq!(undone.json["conversation_id"], Value::Null);
        let conversations = api.get("/conversations").await;
        assert_eq!(conversations.items()[0]["message_count"], 1);
        assert_eq!(conversations.items()[0]["subject"], "One");
        let message = api.get(&format!("/messages/{}", undone.text("stored_message_id"))).await;
        assert_eq!(
            (&message.json["state"], &message.json["thread_id"]),
            (&json!("held"), &Value::Null)
        );
        api.post(&format!("/verdicts/{first}/undo"), Value::Null).await;
        assert!(api.get("/conversations").await.items().is_empty());
        assert!(api.get("/contacts").await.items().is_empty());
        // It is found by its Message-ID all the same, and can be filed again.
        for id in ["2@x", "%3C2@x%3E"] {
            let found = api.get(&format!("/verdicts?message_id={id}")).await;
            assert_eq!(found.items()[0]["id"], second.to_string());
        }
        let back = api.post(&format!("/verdicts/{second}/release"), Value::Null).await;
        assert_eq!(back.json["reason"], "released", "{}", back.json);
        assert_eq!(api.get("/conversations").await.items().len(), 1);
        let held = api.post(&format!("/verdicts/{second}/undo"), Value::Null).await;
        assert_eq!(held.json["reason"], "taken_back");
    }
}

#[tokio::test]
async fn a_release_loses_no_mail() {
    for api in Api::both().await {
        let ann = api.add_user("ann@acme.example").await;
        api.add_user("ben@acme.example").await;
        let raw = |to: &str, id: &str| {
            format!("From: ann@acme.example\n{to}Message-ID: <{id}>\nSubject: Hi\n\nHi\n")
        };
        for (to, id, reason) in [
            // Nothing would be kept of it by the rules: it waits on.
            ("To: ben@acme.example\n", "1@x", "unverified_sender"),
            // It waits for another reason now, and says so.
            ("", "2@x", "no_recipient"),
        ] {
            let verdict = api.mail_in(&ann, &raw(to, id), Trust::Unverified).await;
            let path = format!("/verdicts/{verdict}");
            let refused = api.post(&format!("{path}/release"), Value::Null).await;
            assert_eq!((refused.status, refused.code()), (StatusCode::CONFLICT, "contact_needed"));
            let held = api.get(&path).await;
            assert_eq!(
                (&held.json["outcome"], &held.json["reason"]),
                (&json!("held"), &json!(reason))
            );
            let raw = format!("/messages/{}/raw", held.text("stored_message_id"));
            assert_eq!(api.get(&raw).await.status, StatusCode::OK);
            let chosen = json!({"contact_email": "carl@customer.example"});
            let released = api.post(&format!("{path}/release"), chosen).await;
            assert_eq!(released.json["reason"], "released", "{}", released.json);
        }
        let machine =
            "From: no-reply@vendor.example\nTo: ann@acme.example\nMessage-ID: <3@x>\n\nHi\n";
        let verdict = api.mail_in(&ann, machine, Trust::Dmarc).await;
        let released = api.post(&format!("/verdicts/{verdict}/release"), Value::Null).await;
        assert_eq!(released.json["reason"], "released", "{}", released.json);
        let undone = api.post(&format!("/verdicts/{verdict}/undo"), Value::Null).await;
        assert_eq!(undone.json["reason"], "unknown_sender", "{}", undone.json);
    }
}

#[tokio::test]
async fn verdicts_are_found_by_what_they_say() {
    for api in Api::both().await {
        let ann = api.add_user("ann@acme.example").await;
        api.mail_in(&ann, &mail("1@x", "One", "\nHi\n"), Trust::Dmarc).await;
        api.mail_in(&ann, &mail("1@x", "One", "\nHi\n"), Trust::Dmarc).await;
        api.mail_in(&ann, &mail("2@x", "Two", "\nHo\n"), Trust::Unverified).await;
        let auto = mail("3@x", "Away", "Auto-Submitted: auto-replied\n\nI am away\n");
        api.mail_in(&ann, &auto, Trust::Dmarc).await;
        for (query, found) in [
            ("", 4),
            ("?outcome=held", 1),
            ("?outcome=filed&door=smtp", 1),
            ("?reason=duplicate", 1),
            ("?reason=duplicate&outcome=held", 0),
            ("?door=import", 0),
            ("?message_id=1@x", 2),
            ("?message_id=3@x", 1),
            ("?message_id=nobody@x", 0),
            (&format!("?user_id={ann}"), 4),
            ("?user_id=00000000-0000-0000-0000-000000000001", 0),
        ] {
            let answer = api.get(&format!("/verdicts{query}")).await;
            assert_eq!(answer.items().len(), found, "{query}");
        }
        let newest = api.get("/verdicts?limit=1").await;
        assert_eq!(newest.items()[0]["message_id"], "3@x");
        assert!(newest.items()[0]["explanation"].as_str().unwrap().ends_with('.'));
        for bad in ["?outcome=lost", "?door=window", "?reason=none", "?message_id=%20"] {
            assert_eq!(api.get(&format!("/verdicts{bad}")).await.status.as_u16(), 400, "{bad}");
        }
    }
}

#[tokio::test]
async fn a_call_repeated_with_its_key_is_done_once() {
    for api in Api::both().await {
        let send = async |key: &str, body: &Value| {
            let headers = [("content-type", "application/json"), ("idempotency-key", key)];
            let path = "/api/v1/contacts";
            api.send(Method::POST, path, Some(&api.token), &headers, &body.to_string()).await
        };
        let new = json!({"email": "bob@client.example"});
        let first = send("k1", &new).await;
        let second = send("k1", &new).await;
        assert_eq!((first.status, &first.json), (second.status, &second.json));
        assert_eq!(first.status, StatusCode::CREATED);
        assert!(second.headers.contains_key("idempotency-replayed"));
        assert_eq!(send("k2", &new).await.code(), "contact_exists");
        let replayed = send("k2", &new).await;
        assert_eq!((replayed.status, replayed.code()), (StatusCode::CONFLICT, "contact_exists"));
        let other = send("k1", &json!({"email": "eve@client.example"})).await;
        assert_eq!((other.status.as_u16(), other.code()), (422, "idempotency_key_reused"));
        assert_eq!(send("", &new).await.status, StatusCode::BAD_REQUEST);
        // The key of one sub-account says nothing to another.
        let (_, stranger) = api.add_sub_account("Other").await;
        let headers = [("content-type", "application/json"), ("idempotency-key", "k1")];
        let path = "/api/v1/contacts";
        let theirs =
            api.send(Method::POST, path, Some(&stranger), &headers, &new.to_string()).await;
        assert_eq!(theirs.status, StatusCode::CREATED);
        assert_ne!(theirs.json["id"], first.json["id"]);

        let raced = json!({"email": "race@client.example"});
        let answers = tokio::join!(send("k3", &raced), send("k3", &raced), send("k3", &raced));
        for answer in [answers.0, answers.1, answers.2] {
            let is_good =
                answer.status == StatusCode::CREATED || answer.code() == "idempotency_key_in_use";
            assert!(is_good, "{}", answer.json);
        }
        let found = api.get("/contacts?email=race@client.example").await;
        assert_eq!(found.items().len(), 1);
    }
}
