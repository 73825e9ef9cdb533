//! Sub-accounts, settings, users, contacts and conversations.

use axum::http::{Method, StatusCode};
use mailweave::model::{EventType, Trust};
use mailweave::store::StoredEvent;
use serde_json::{Value, json};

use super::api::{ADMIN, Api, OUTLOOK, mail};
use super::ui::Browser;

#[tokio::test]
async fn every_documented_call_answers_as_described() {
    for api in Api::both_with(OUTLOOK).await {
        let ann = api.add_user("ann@acme.example").await;
        let held = api.mail_in(&ann, &mail("held@x", "Held", "\nHi\n"), Trust::Unverified).await;
        let with_file = mail("filed@x", "Offer", FILE);
        let filed = api.mail_in(&ann, &with_file, Trust::Dmarc).await;
        for path in ["/users", "/contacts", "/conversations", "/verdicts", "/settings"] {
            assert_eq!(api.get(path).await.status, StatusCode::OK);
        }
        let verdict = api.get(&format!("/verdicts/{filed}")).await;
        let message = api.get(&format!("/messages/{}", verdict.text("stored_message_id"))).await;
        let file = message.json["attachments"][0]["id"].as_str().unwrap().to_owned();
        let conversation = message.text("conversation_id");
        let contact = api.get("/contacts").await.items()[0]["id"].as_str().unwrap().to_owned();
        for path in [
            format!("/messages/{}/raw", message.text("id")),
            format!("/attachments/{file}"),
            format!("/users/{ann}"),
            format!("/contacts/{contact}"),
            format!("/contacts/{contact}/messages"),
            format!("/conversations/{conversation}"),
            format!("/conversations/{conversation}/messages"),
        ] {
            assert_eq!(api.get(&path).await.status, StatusCode::OK, "{path}");
        }
        let no_body = Value::Null;
        let hook = api.post("/webhooks", json!({"url": "https://1.1.1.1/"})).await.text("id");
        let unknown = format!("/webhooks/{hook}/deliveries/{}/resend", uuid::Uuid::nil());
        let bulk = api.send_bulk(&ann).await;
        let sent = api.get(&format!("/bulk/{bulk}")).await;
        assert_eq!(sent.status, StatusCode::OK);
        let writing = json!({"kind": "individual", "user_id": ann, "to": ["bob@client.example"],
            "subject": "Hello", "text": "Hi"});
        let queued = api.post("/messages", writing).await.text("id");
        let connecting = json!({"user_id": ann, "provider": "outlook"});
        let mailbox = api.post("/mailboxes", connecting.clone()).await.text("id");
        for (method, path, body, status) in [
            ("POST", "/contacts".to_owned(), json!({"email": "new@client.example"}), 201),
            ("POST", format!("/users/{ann}/bcc-address"), no_body.clone(), 201),
            ("POST", format!("/verdicts/{held}/discard"), no_body.clone(), 200),
            ("POST", format!("/verdicts/{held}/undo"), no_body.clone(), 200),
            ("POST", format!("/verdicts/{held}/release"), no_body.clone(), 200),
            ("PATCH", format!("/users/{ann}"), json!({"name": "Anna"}), 200),
            ("PATCH", format!("/contacts/{contact}"), json!({"name": null}), 200),
            ("PATCH", "/settings".to_owned(), json!({"follow_contacts": true}), 200),
            ("POST", format!("/messages/{queued}/resolve"), json!({"as": "sent"}), 409),
            ("DELETE", format!("/messages/{queued}"), no_body.clone(), 204),
            ("GET", "/mailboxes".to_owned(), no_body.clone(), 200),
            ("GET", format!("/mailboxes/{mailbox}"), no_body.clone(), 200),
            ("PUT", format!("/mailboxes/{mailbox}"), json!({"provider": "outlook"}), 409),
            ("POST", format!("/mailboxes/{mailbox}/reauthorize"), no_body.clone(), 200),
            ("POST", format!("/mailboxes/{mailbox}/resume"), no_body.clone(), 409),
            ("DELETE", format!("/mailboxes/{mailbox}"), no_body.clone(), 204),
            ("GET", "/events".to_owned(), no_body.clone(), 200),
            ("GET", "/webhooks".to_owned(), no_body.clone(), 200),
            ("GET", format!("/webhooks/{hook}/deliveries"), no_body.clone(), 200),
            ("POST", unknown, no_body.clone(), 404),
            ("DELETE", format!("/webhooks/{hook}"), no_body.clone(), 204),
            ("DELETE", format!("/conversations/{conversation}"), no_body.clone(), 204),
            ("DELETE", format!("/contacts/{contact}"), no_body.clone(), 204),
            ("DELETE", format!("/users/{ann}"), no_body.clone(), 204),
        ] {
            let method: Method = method.parse().unwrap();
            let answer = api.call(method, &path, &api.token, &body).await;
            assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.json);
        }
        let path = format!("/sub-accounts/{}", api.id);
        let gone = api.call(Method::DELETE, &path, ADMIN, &Value::Null).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT);
        assert_every_call_was_made(&api);
    }
}

const FILE: &str = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\nHere it is.\n--b\nContent-Type: text/plain; name=\"a b.txt\"\nContent-Disposition: attachment; filename=\"a b.txt\"\n\nnotes\n--b--\n";

fn assert_every_call_was_made(api: &Api) {
    let called = api.called.lock().unwrap();
    for (path, item) in api.description["paths"].as_object().unwrap() {
        for method in ["get", "post", "patch", "delete", "put"] {
            let is_documented = item.get(method).is_some();
            let was_called = called.contains(&(method.to_uppercase(), path.clone()));
            assert_eq!(is_documented, was_called, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_user_is_made_changed_and_deleted() {
    for api in Api::both().await {
        let new = json!({"name": " Ann ", "email": "Ann@Acme.Example", "aliases":
            ["sales@acme.example", "SALES@acme.example"], "time_zone": "Europe/Berlin"});
        let made = api.post("/users", new).await;
        assert_eq!(made.status, StatusCode::CREATED);
        let id = made.text("id");
        let address = made.text("bcc_address");
        let (local, domain) = address.split_once('@').unwrap();
        assert!(local.len() == 20 && domain == "bcc.example", "{address}");
        assert_eq!(made.text("email"), "Ann@Acme.Example");
        assert_eq!(made.json["aliases"], json!(["sales@acme.example"]));
        let again = api.post("/users", json!({"name": "B", "email": "ann@acme.example"})).await;
        assert_eq!((again.status, again.code()), (StatusCode::CONFLICT, "email_taken"));
        let own = api.post("/users", json!({"name": "B", "email": "x@bcc.example"})).await;
        assert_eq!(own.code(), "own_domain");
        // A shared address may be the alias of several users.
        let shared = json!({"name": "B", "email": "b@acme.example", "aliases":
            ["sales@acme.example"]});
        assert_eq!(api.post("/users", shared).await.status, StatusCode::CREATED);

        let renewed = api.post(&format!("/users/{id}/bcc-address"), Value::Null).await;
        assert_ne!(renewed.text("bcc_address"), address);
        let change = json!({"email": "a@acme.example", "aliases": []});
        let changed = api.patch(&format!("/users/{id}"), change).await;
        assert_eq!(changed.text("bcc_address"), renewed.text("bcc_address"));
        assert_eq!(changed.json["aliases"], json!([]));
        assert_eq!(api.get(&format!("/users/{id}")).await.json, changed.json);
        let bad = api.patch(&format!("/users/{id}"), json!({"time_zone": "Mars/Olympus"})).await;
        assert_eq!((bad.status.as_u16(), bad.code()), (422, "invalid_value"));

        assert_eq!(api.delete(&format!("/users/{id}")).await.status, StatusCode::NO_CONTENT);
        assert_eq!(api.get(&format!("/users/{id}")).await.status, StatusCode::NOT_FOUND);
        assert_eq!(api.delete(&format!("/users/{id}")).await.status, StatusCode::NOT_FOUND);
        assert_eq!(api.get("/users").await.items().len(), 1);
    }
}

/// INTERFACE: what is absent is null, in what is sent as well.
#[tokio::test]
async fn null_is_as_if_left_out() {
    let [api, _] = Api::both().await;
    let user = json!({"name": "Ann", "email": "ann@acme.example", "aliases": null, "role": null});
    let made = api.post("/users", user).await;
    assert_eq!((made.status, &made.json["aliases"]), (StatusCode::CREATED, &json!([])));
    let user = json!({"name": "Bea", "email": "bea@acme.example", "aliases": ["Bea@acme.example"]});
    let made = api.post("/users", user).await;
    assert_eq!(made.json["aliases"], json!([]), "the sign-in address is no alias");
    let contact = json!({"email": "bob@x.example", "name": null, "unsubscribed": null});
    let bob = api.post("/contacts", contact).await;
    assert_eq!(bob.json["unsubscribed"], json!(false));
    let found = api.get("/contacts?email=&q=bob&cursor=").await;
    assert_eq!(found.items().len(), 1, "what is blank is not asked for");
    // Told once, when it becomes so.
    let path = format!("/contacts/{}", bob.text("id"));
    for unsubscribed in [true, true, false] {
        let changed = api.patch(&path, json!({"unsubscribed": unsubscribed})).await;
        assert_eq!(changed.json["unsubscribed"], json!(unsubscribed));
    }
    let told = api.store.events_after(api.sub_account(), 0, 100).await.unwrap();
    let is_it = |event: &&StoredEvent| event.event_type == EventType::ContactUnsubscribed;
    assert_eq!(told.iter().filter(is_it).count(), 1);
}

#[tokio::test]
async fn a_list_is_walked_by_its_cursors() {
    for api in Api::both().await {
        for i in 0..7 {
            let new = json!({"email": format!("c{i}@client.example"), "name": format!("C {i}")});
            assert_eq!(api.post("/contacts", new).await.status, StatusCode::CREATED);
        }
        let mut path = "/contacts?limit=3".to_owned();
        let mut seen = Vec::new();
        let mut pages = Vec::new();
        loop {
            let page = api.get(&path).await;
            pages.push(page.items().len());
            seen.extend(page.items().iter().map(|item| item["email"].clone()));
            let Some(cursor) = page.json["next_cursor"].as_str() else { break };
            path = format!("/contacts?limit=3&cursor={cursor}");
        }
        assert_eq!(pages, [3, 3, 1]);
        let newest_first: Vec<Value> =
            (0..7).rev().map(|i| json!(format!("c{i}@client.example"))).collect();
        assert_eq!(seen, newest_first);
        let cursor = api.get("/contacts?limit=3").await.text("next_cursor");
        let other = api.get(&format!("/users?cursor={cursor}")).await;
        assert_eq!((other.status, other.code()), (StatusCode::BAD_REQUEST, "invalid_cursor"));
        let (_, stranger) = api.add_sub_account("Other").await;
        let path = format!("/contacts?limit=3&cursor={cursor}");
        let crossed = api.call(Method::GET, &path, &stranger, &Value::Null).await;
        assert_eq!(crossed.code(), "invalid_cursor");
    }
}

#[tokio::test]
async fn searches_for_text_and_nothing_but_text() {
    for api in Api::both().await {
        for (email, name) in [
            ("percent@client.example", "100% sure"),
            ("under_score@client.example", "Bob"),
            ("umlaut@client.example", "Ärzte GmbH"),
            ("bang@client.example", "Wow!"),
        ] {
            let new = json!({"email": email, "name": name});
            assert_eq!(api.post("/contacts", new).await.status, StatusCode::CREATED);
        }
        for (q, found) in [
            ("%25", 1),
            ("_", 1),
            ("!", 1),
            ("BOB", 1),
            ("%C3%84rzte", 1),
            ("%C3%A4RZTE", 1),
            ("CLIENT.example", 4),
            ("';drop%20table%20contacts--", 0),
            ("%22NEAR(a%20b)*", 0),
            ("", 4),
        ] {
            let answer = api.get(&format!("/contacts?q={q}")).await;
            assert_eq!(answer.items().len(), found, "{q}");
            assert_eq!(api.get(&format!("/conversations?q={q}")).await.items().len(), 0);
        }
        let long = "x".repeat(257);
        assert_eq!(api.get(&format!("/contacts?q={long}")).await.status.as_u16(), 400);
        let found = api.get("/contacts?email=Under_Score@client.example").await;
        assert_eq!(found.items()[0]["email"], "under_score@client.example");
        assert_eq!(api.get("/contacts?email=nobody").await.items().len(), 0);
        let taken = json!({"email": "BANG@client.example"});
        assert_eq!(api.post("/contacts", taken.clone()).await.code(), "contact_exists");
        let id = found.items()[0]["id"].as_str().unwrap();
        assert_eq!(api.patch(&format!("/contacts/{id}"), taken).await.code(), "contact_exists");
    }
}

#[tokio::test]
async fn settings_keep_what_is_not_changed_and_never_show_the_password() {
    for api in Api::both().await {
        let defaults = api.get("/settings").await.json;
        assert_eq!(defaults["attachment_limit"], 3_145_728);
        let relay = json!({"host": "smtp.relay.example", "port": 587, "username": "u",
            "password": "a planted canary", "default_from": "crm@acme.example",
            "allowed_domains": ["Acme.Example"]});
        let change = json!({"untrusted_sender": "accept", "colleague_domains": ["ACME.example"],
            "never_log": ["Boss@client.example", "@Lawyer.example"],
            "sub_account_provider": relay});
        let changed = api.patch("/settings", change).await;
        assert_eq!(changed.status, StatusCode::OK, "{}", changed.json);
        assert!(!changed.json.to_string().contains("canary"));
        assert_eq!(changed.json["never_log"], json!(["@lawyer.example", "boss@client.example"]));
        assert_eq!(changed.json["colleague_domains"], json!(["acme.example"]));
        assert_eq!(changed.json["attachment_types"], defaults["attachment_types"]);
        let stored = api.store.account_settings(api.sub_account()).await.unwrap().unwrap();
        let sealed = stored.provider.unwrap();
        assert!(!sealed.windows(6).any(|part| part == b"canary" || part == b"relay."));

        let mut same = changed.json["sub_account_provider"].clone();
        same["port"] = json!(465);
        let kept = api.patch("/settings", json!({"sub_account_provider": same})).await;
        assert_eq!(kept.json["sub_account_provider"]["port"], 465);
        same["host"] = json!("smtp.thief.example");
        let moved = api.patch("/settings", json!({"sub_account_provider": same})).await;
        assert_eq!((moved.status.as_u16(), moved.code()), (422, "invalid_value"));
        // A relay that knows us by our address: nobody signs in.
        let open = json!({"host": "127.0.0.1", "port": 25, "username": null, "password": null,
            "default_from": "crm@acme.example", "allowed_domains": []});
        let open = api.patch("/settings", json!({"sub_account_provider": open})).await;
        assert_eq!(open.json["sub_account_provider"]["username"], Value::Null, "{}", open.json);
        let none = api.patch("/settings", json!({"sub_account_provider": null})).await;
        assert_eq!(none.json["sub_account_provider"], Value::Null);

        for domain in ["gmail.com", "Outlook.com", "hotmail.co.uk", "web.de", "163.com"] {
            let refused = api.patch("/settings", json!({"colleague_domains": [domain]})).await;
            assert_eq!((refused.status.as_u16(), refused.code()), (422, "public_domain"));
        }
        for bad in [
            json!({"attachment_limit": 0}),
            json!({"attachment_types": ["../x"]}),
            json!({"never_log": ["not an address"]}),
            json!({"colleague_domains": ["a b"]}),
        ] {
            assert_eq!(api.patch("/settings", bad.clone()).await.status.as_u16(), 422, "{bad}");
        }
        assert_eq!(api.get("/settings").await.json, none.json);
    }
}

#[tokio::test]
async fn a_token_of_the_sub_account_changes_nobody_who_runs_the_gateway() {
    for api in &Api::both().await {
        let (mut oda, id) = Browser::with_user(api, "oda@acme.example", "operator").await;
        let path = format!("/users/{id}");
        for (method, path, body) in [
            (Method::PATCH, path.clone(), json!({"email": "eve@evil.example"})),
            (Method::PATCH, path.clone(), json!({"role": "user"})),
            (Method::POST, format!("{path}/bcc-address"), Value::Null),
            (Method::DELETE, path.clone(), Value::Null),
        ] {
            let refused = api.call(method, &path, &api.token, &body).await;
            assert_eq!((refused.status, refused.code()), (StatusCode::FORBIDDEN, "forbidden"));
        }
        let zone = json!({"time_zone": "Europe/Berlin"});
        assert_eq!(api.patch(&path, zone).await.text("email"), "oda@acme.example");
        // Who it is may.
        let renewed = oda.post("/settings/email/bcc-address", &[]).await;
        assert_eq!(renewed.status, StatusCode::SEE_OTHER);
    }
}
