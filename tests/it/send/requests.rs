//! What is asked for, and what is refused at once (S1 to S5, S9, S10, T6, E1).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Sending, on_both};
use crate::support::gateway::Gateway;
use crate::support::relay::Relay;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_is_sent_once_and_stands_in_its_conversation() {
    on_both(|setup| {
        let relay = Relay::start();
        let sending = Sending::of(setup, &relay);
        let mut mail = sending.mail("Carl@Customer.test");
        mail["cc"] = json!([{"email": "dora@customer.test", "name": "Dora"}]);
        mail["bcc"] = json!(["hidden@customer.test"]);
        let receipt = sending.send(&mail);
        assert_eq!((&receipt["status"], &receipt["bulk_id"]), (&json!("queued"), &Value::Null));
        let message = sending.wait_for(&receipt["id"], "sent");
        assert_eq!(message["message_id"], receipt["message_id"]);
        assert_eq!(message["direction"], "outbound");
        assert_eq!(message["doors"], json!(["send"]));
        assert_eq!(message["from"], json!({"email": "anna@acme.test", "name": "Anna Actor"}));
        assert_eq!(message["text"].as_str().unwrap().trim(), "Hello Carl");
        assert!(!message.to_string().replace("sending", "").contains("\"bcc\""));
        let received = relay.wait_for(1);
        assert_eq!(received.len(), 1);
        assert_eq!(received[0].from, "anna@acme.test");
        let to = ["Carl@customer.test", "dora@customer.test", "hidden@customer.test"];
        assert_eq!(received[0].to, to);
        let id = receipt["message_id"].as_str().unwrap();
        assert!(received[0].content.contains(&format!("Message-ID: <{id}>\r\n")));
        assert!(!received[0].content.contains("hidden@"));
        let contacts = sending.account.api.list("/api/v1/contacts");
        assert_eq!(contacts.len(), 1);
        assert_eq!(contacts[0]["email"], "carl@customer.test");
        let verdicts = sending.account.api.list(&format!("/api/v1/verdicts?message_id={id}"));
        assert_eq!((verdicts.len(), &verdicts[0]["door"]), (1, &json!("send")));
    })
    .await;
}

/// S4: somebody new who is named twice is one contact, and gets one mail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_named_twice_is_one() {
    on_both(|setup| {
        let relay = Relay::start();
        let sending = Sending::of(setup, &relay);
        let mut mail = sending.mail("carl@customer.test");
        mail["to"] = json!(["carl@customer.test", "CARL@customer.test"]);
        let receipt = sending.send(&mail);
        sending.wait_for(&receipt["id"], "sent");
        assert_eq!(relay.wait_for(1)[0].to, ["carl@customer.test"]);
        assert_eq!(sending.account.api.list("/api/v1/contacts").len(), 1);
    })
    .await;
}

#[test]
fn an_answer_joins_the_thread_with_the_headers_of_a_mail_client() {
    let relay = Relay::start();
    let sending = Sending::through(&relay);
    let first = sending.send(&sending.mail("carl@customer.test"));
    let first = sending.wait_for(&first["id"], "sent");
    let mut answer = sending.mail("carl@customer.test");
    answer["reply_to_message_id"] = first["id"].clone();
    answer["subject"] = json!("Re: Offer");
    let answer = sending.send(&answer);
    let answer = sending.wait_for(&answer["id"], "sent");
    assert_eq!(answer["thread_id"], first["thread_id"]);
    assert_eq!(answer["in_reply_to"], json!([first["message_id"]]));
    let content = relay.wait_for(2)[1].content.replace("\r\n ", " ");
    let parent = first["message_id"].as_str().unwrap();
    for field in [format!("References: <{parent}>"), "Thread-Topic: Offer".to_owned()] {
        assert!(content.contains(&field), "{field} is not in\n{content}");
    }
    // In no thread, but in the conversation that was named.
    let mut other = sending.mail("somebody@else.test");
    other["conversation_id"] = first["conversation_id"].clone();
    let other = sending.send(&other);
    let other = sending.wait_for(&other["id"], "sent");
    assert_eq!(other["conversation_id"], first["conversation_id"]);
    assert_ne!(other["thread_id"], first["thread_id"]);
}

#[test]
fn a_call_that_is_repeated_with_its_key_sends_once() {
    let relay = Relay::start();
    let sending = Sending::through(&relay);
    let mail = sending.mail("carl@customer.test");
    let answers: Vec<Value> = (0..3)
        .map(|_| {
            let answer = sending.account.api.post_with_key("/api/v1/messages", "key-1", &mail);
            answer.expect(202)
        })
        .collect();
    assert!(answers.iter().all(|answer| answer == &answers[0]), "{answers:?}");
    sending.wait_for(&answers[0]["id"], "sent");
    let other = sending.send(&sending.mail("dora@customer.test"));
    sending.wait_for(&other["id"], "sent");
    assert_eq!(relay.mails().len(), 2);
}

#[test]
fn without_a_way_to_send_it_is_refused_at_once() {
    let gateway = Gateway::start();
    let account = gateway.account("anna@acme.test");
    for kind in ["individual", "bulk", "workflow"] {
        let mail = json!({"kind": kind, "user_id": account.user_id, "to": ["c@customer.test"],
            "subject": "x", "text": "y"});
        let refused = account.api.post("/api/v1/messages", &mail).expect(422);
        assert_eq!(refused["code"], "no_sender");
    }
    assert!(account.api.list("/api/v1/contacts").is_empty());
}

#[test]
fn what_would_break_a_header_or_a_command_is_refused() {
    let relay = Relay::start();
    let sending = Sending::through(&relay);
    let bad_addresses = [
        "carl",
        "carl@",
        "a@b\r\nRCPT TO:<x@y>",
        "a@b> SIZE=1 <",
        "a@b\u{0}c",
        "a b@c.test",
        "<a@b.test>",
        "",
    ];
    let mut rows: Vec<(&str, Value, u16, &str)> = bad_addresses
        .iter()
        .flat_map(|address| {
            ["to", "cc", "bcc"].map(|field| (field, json!([address]), 422, "invalid_value"))
        })
        .collect();
    rows.extend([
        ("from", json!("a@b\r\nBcc: x@y"), 422, "invalid_value"),
        ("to", json!([]), 422, "invalid_value"),
        ("to", json!([{"email": "a@b.test", "name": "x\r\nBcc: y@z"}]), 422, "invalid_value"),
        ("to", json!(["x@bcc.localhost"]), 422, "own_domain"),
        ("subject", json!("x\r\nBcc: y@z.test"), 422, "invalid_value"),
        ("subject", json!("x\ny"), 422, "invalid_value"),
        ("subject", json!("x\u{0}y"), 422, "invalid_value"),
        ("text", json!("x\u{0}y"), 422, "invalid_value"),
        ("user_id", json!("018f0000-0000-7000-8000-000000000000"), 422, "invalid_value"),
        ("conversation_id", json!("018f0000-0000-7000-8000-000000000000"), 422, "invalid_value"),
        (
            "reply_to_message_id",
            json!("018f0000-0000-7000-8000-000000000000"),
            422,
            "invalid_value",
        ),
        ("send_at", json!("tomorrow"), 400, "invalid_request"),
        ("send_at", json!("9999-01-01T00:00:00Z"), 422, "invalid_value"),
        ("kind", json!("spam"), 400, "invalid_request"),
        ("unknown", json!(1), 400, "invalid_request"),
    ]);
    for (field, value, status, code) in rows {
        let mut mail = sending.mail("carl@customer.test");
        mail[field] = value.clone();
        let refused = sending.account.api.post("/api/v1/messages", &mail).expect(status);
        assert_eq!(refused["code"], code, "{field} {value}: {refused}");
    }
    assert!(relay.mails().is_empty() && relay.count("connect") == 0);
}

/// S10, A1.
#[test]
fn files_obey_the_rule_before_anything_is_queued() {
    let relay = Relay::start();
    let sending = Sending::through(&relay);
    let file = |name: &str, content: &[u8]| {
        json!([{"file_name": name, "content_type": "application/octet-stream",
            "content_base64": STANDARD.encode(content)}])
    };
    let pdf = |size: usize| [b"%PDF-1.4".as_slice(), &vec![b' '; size - 8]].concat();
    let rows = [
        (file("a.pdf", &pdf(3_145_729)), "attachment_too_large"),
        (file("a.exe", b"MZ\x90\x00"), "type_not_allowed"),
        (file("a.pdf", b"MZ\x90\x00"), "type_not_allowed"),
        (file("a\r\nb.pdf", &pdf(10)), "invalid_value"),
    ];
    for (attachments, code) in rows {
        let mut mail = sending.mail("carl@customer.test");
        mail["attachments"] = attachments;
        let refused = sending.account.api.post("/api/v1/messages", &mail).expect(422);
        assert_eq!(refused["code"], code);
    }
    assert!(sending.account.api.list("/api/v1/contacts").is_empty());
    let mut mail = sending.mail("carl@customer.test");
    mail["attachments"] = file("a.pdf", &pdf(3_145_728));
    let receipt = sending.send(&mail);
    let message = sending.wait_for(&receipt["id"], "sent");
    assert_eq!(message["attachments"][0]["size"], 3_145_728);
    assert_eq!(message["attachments"][0]["state"], "stored");
}

#[test]
fn a_from_that_the_relay_may_not_send_as_becomes_its_own() {
    let relay = Relay::start();
    let sending = Sending::through(&relay);
    let rows = [
        (json!("bob@acme.test"), "bob@acme.test", None),
        (json!("bob@elsewhere.test"), "crm@acme.test", Some("bob@elsewhere.test")),
        (Value::Null, "anna@acme.test", None),
    ];
    for (number, (asked, from, reply_to)) in rows.into_iter().enumerate() {
        let mut mail = sending.mail("carl@customer.test");
        mail["kind"] = json!("workflow");
        mail["from"] = asked;
        let receipt = sending.send(&mail);
        sending.wait_for(&receipt["id"], "sent");
        let received = &relay.wait_for(number + 1)[number];
        assert_eq!(received.from, from);
        let field = reply_to.map(|address| format!("Reply-To: \"Anna Actor\" <{address}>"));
        let content = received.content.replace("\r\n ", " ");
        assert_eq!(content.contains("Reply-To:"), reply_to.is_some(), "{content}");
        assert!(field.is_none_or(|_| content.contains(reply_to.unwrap())));
    }
}

#[test]
fn bulk_mail_opens_a_thread_for_each_and_one_click_unsubscribes() {
    let relay = Relay::start();
    let sending = Sending::through(&relay);
    let people: Vec<String> = (0..5).map(|n| format!("c{n}@customer.test")).collect();
    let mut mail = sending.mail("x@y.test");
    mail["kind"] = json!("bulk");
    mail["to"] = json!(people);
    let receipt = sending.send(&mail);
    assert_eq!(receipt["messages"].as_array().unwrap().len(), 5);
    let messages: Vec<Value> = receipt["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| sending.wait_for(&message["id"], "sent"))
        .collect();
    for field in ["thread_id", "conversation_id", "message_id"] {
        let mut all: Vec<String> = messages.iter().map(|it| it[field].to_string()).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 5, "{field}");
    }
    let bulk = receipt["bulk_id"].as_str().unwrap();
    let progress = sending.account.api.read(&format!("/api/v1/bulk/{bulk}"));
    assert_eq!((&progress["total"], &progress["statuses"]), (&json!(5), &json!({"sent": 5})));

    let received = relay.wait_for(5);
    assert!(received.iter().all(|mail| mail.to.len() == 1));
    let first = received.iter().find(|mail| mail.to == ["c0@customer.test"]).unwrap();
    let content = first.content.replace("\r\n ", "").replace("\r\n\t", "");
    let link = content.split("List-Unsubscribe:").nth(1).unwrap();
    let link = link.split(['<', '>']).nth(1).unwrap();
    assert!(content.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"));
    let path = &link[link.find("/unsubscribe/").unwrap()..];

    // Who only looks at the link unsubscribes nobody, and a link that was changed is none.
    let api = &sending.account.api;
    assert_eq!(api.get(path).status, 200);
    let unsubscribed = || {
        let contact = api.list("/api/v1/contacts?email=c0@customer.test").remove(0);
        contact["unsubscribed"] == true
    };
    assert!(!unsubscribed());
    let tampered = format!("{}A", &path[..path.len() - 1]);
    assert_eq!(api.form(&tampered, "List-Unsubscribe=One-Click").status == 404, tampered != path);
    for _ in 0..2 {
        assert_eq!(api.form(path, "List-Unsubscribe=One-Click").status, 200);
        assert!(unsubscribed());
    }
    let again = sending.send(&mail);
    assert_eq!(again["unsubscribed"], json!(["c0@customer.test"]));
    assert_eq!(again["messages"].as_array().unwrap().len(), 4);
    mail["to"] = json!(["c0@customer.test"]);
    let refused = api.post("/api/v1/messages", &mail).expect(422);
    assert_eq!(refused["code"], "unsubscribed");
    // Mail of a person is not bulk mail.
    let personal = sending.send(&sending.mail("c0@customer.test"));
    sending.wait_for(&personal["id"], "sent");
    // An admin can undo it.
    let contact = api.list("/api/v1/contacts?email=c0@customer.test").remove(0);
    let (link_path, path) = (path, format!("/api/v1/contacts/{}", contact["id"].as_str().unwrap()));
    api.call("PATCH", &path, Some(&json!({"unsubscribed": false}))).expect(200);
    let receipt = sending.send(&mail);
    let message = sending.wait_for(&receipt["id"], "sent");
    // A link goes on working when its mail is gone.
    let conversation = message["conversation_id"].as_str().unwrap();
    api.call("DELETE", &format!("/api/v1/conversations/{conversation}"), None).expect(204);
    assert!(!unsubscribed());
    assert_eq!(api.form(link_path, "List-Unsubscribe=One-Click").status, 200);
    assert!(unsubscribed());
}

#[test]
fn what_is_not_sent_can_be_cancelled() {
    let relay = Relay::start();
    let sending = Sending::through(&relay);
    let mut later = sending.mail("carl@customer.test");
    later["send_at"] = json!("2027-06-01T10:00:00Z");
    let later = sending.send(&later);
    let now = sending.send(&sending.mail("carl@customer.test"));
    // What is for later holds nothing up.
    sending.wait_for(&now["id"], "sent");
    let message = sending.message(&later["id"]);
    assert_eq!(message["status"], "queued");
    assert_eq!(message["sending"]["send_at"], "2027-06-01T10:00:00.000Z");
    let path = |id: &Value| format!("/api/v1/messages/{}", id.as_str().unwrap());
    for _ in 0..2 {
        assert_eq!(sending.account.api.call("DELETE", &path(&later["id"]), None).status, 204);
    }
    assert_eq!(sending.message(&later["id"])["status"], "cancelled");
    let refused = sending.account.api.call("DELETE", &path(&now["id"]), None).expect(409);
    assert_eq!(refused["code"], "status_does_not_fit");
    assert_eq!(relay.mails().len(), 1);
}

#[test]
fn a_mail_with_nothing_in_it_is_not_sent() {
    let relay = Relay::start();
    let sending = Sending::through(&relay);
    let mut empty = sending.mail("carl@customer.test");
    for field in ["subject", "text", "html"] {
        empty.as_object_mut().unwrap().remove(field);
    }
    let refused = sending.account.api.call("POST", "/api/v1/messages", Some(&empty)).expect(422);
    assert_eq!(refused["detail"], "Give it a subject, a text or a file.");
    empty["subject"] = json!("A subject alone");
    sending.send(&empty);
}

#[test]
fn who_is_named_twice_in_bulk_mail_gets_it_once() {
    let relay = Relay::start();
    let sending = Sending::through(&relay);
    let mut mail = sending.mail("carl@customer.test");
    mail["kind"] = json!("bulk");
    mail["to"] =
        json!(["carl@customer.test", "dora@customer.test", {"email": "CARL@customer.test"}]);
    let receipt = sending.send(&mail);
    let messages = receipt["messages"].as_array().expect("messages");
    assert_eq!(messages.len(), 2, "{receipt:#}");
    for message in messages {
        sending.wait_for(&message["id"], "sent");
    }
    assert_eq!(relay.mails().len(), 2);
}
