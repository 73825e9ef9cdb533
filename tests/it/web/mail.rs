//! Messages, raw mail and files, as they are read; and that erasure leaves nothing to read.

use axum::http::{Method, StatusCode, header};
use mailweave::model::{SubAccountId, Trust};
use serde_json::{Value, json};

use super::api::{ADMIN, Api, mail};

const PARTS: &str = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html; charset=utf-8\n\n<p>Hello <b>Bob</b></p><script>alert(1)</script>\n--b\nContent-Type: text/html; name=\"x.txt\"\nContent-Disposition: attachment; filename=\"..\\\\..\\\\n\u{202e}otes.txt\"\n\nplain notes\n--b\nContent-Type: application/x-msdownload; name=\"run.exe\"\nContent-Disposition: attachment; filename=\"run.exe\"\nContent-Transfer-Encoding: base64\n\nTVqQAAMAAAAEAAAA\n--b--\n";

/// B10, A3, A4.
#[tokio::test]
async fn a_message_shows_what_its_mail_says() {
    for api in Api::both().await {
        let ann = api.add_user("ann@acme.example").await;
        let verdict = api.mail_in(&ann, &mail("one@x", "Offer", PARTS), Trust::Dmarc).await;
        let verdict = api.get(&format!("/verdicts/{verdict}")).await;
        assert_eq!(verdict.json["outcome"], "filed", "{}", verdict.json);
        let message = api.get(&format!("/messages/{}", verdict.text("stored_message_id"))).await;
        let json = &message.json;
        assert_eq!(json["from"], json!({"email": "ann@acme.example", "name": "Ann"}));
        assert_eq!(json["to"], json!([{"email": "bob@client.example", "name": "Bob Stone"}]));
        assert_eq!(
            (&json["message_id"], &json["direction"]),
            (&json!("one@x"), &json!("outbound"))
        );
        assert_eq!(json["date"], "2026-11-03T10:00:00.000Z");
        assert_eq!((&json["status"], &json["doors"]), (&Value::Null, &json!(["smtp"])));
        assert!(json["text"].as_str().unwrap().contains("Hello"));
        assert!(json["html"].as_str().unwrap().contains("<b>Bob</b>"));
        assert!(json["new_text"].as_str().unwrap().contains("Hello"));

        let files = json["attachments"].as_array().unwrap();
        assert_eq!(files.len(), 2);
        let (notes, program) = (&files[0], &files[1]);
        assert_eq!(
            (&program["state"], &program["reason"]),
            (&json!("left_out"), &json!("type_not_allowed"))
        );
        let gone = api.get(&format!("/attachments/{}", program["id"].as_str().unwrap())).await;
        assert_eq!((gone.status, gone.code()), (StatusCode::GONE, "attachment_left_out"));
        let file = api.get(&format!("/attachments/{}", notes["id"].as_str().unwrap())).await;
        assert_eq!(file.status, StatusCode::OK);
        assert!(file.bytes.starts_with(b"plain notes"));
        assert_eq!(file.bytes.len() as u64, notes["size"].as_u64().unwrap());
        let disposition = file.header(header::CONTENT_DISPOSITION);
        assert!(disposition.starts_with("attachment; filename=\"") && disposition.is_ascii());
        assert!(!disposition.contains(['\\', '/']) && !disposition.contains("%E2%80%AE"));
        assert_eq!(file.header(header::CONTENT_TYPE), "application/octet-stream");
        assert!(file.header(header::CONTENT_SECURITY_POLICY).starts_with("sandbox"));

        let raw = api.get(&format!("/messages/{}/raw", message.text("id"))).await;
        assert_eq!(raw.header(header::CONTENT_TYPE), "message/rfc822");
        assert!(raw.header(header::CONTENT_DISPOSITION).starts_with("attachment"));
        assert!(raw.bytes.starts_with(b"From: Ann"));
    }
}

#[tokio::test]
async fn a_mail_forwarded_as_an_attachment_has_its_own_files() {
    let outer = "From: ann@acme.example\nTo: x@bcc.example\nSubject: Fwd: Plan\nMessage-ID: <f@x>\n\
        MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nFor the CRM.\n--b\n\
        Content-Type: image/png; name=logo.png\nContent-Disposition: attachment\n\nx\n--b\n\
        Content-Type: message/rfc822\nContent-Disposition: attachment; filename=\"Plan.eml\"\n\n\
        From: Bob <bob@client.example>\nTo: ann@acme.example\nSubject: Plan\nMessage-ID: <p@c>\n\
        Content-Type: multipart/mixed; boundary=inner\n\n--inner\n\nHere it is.\n--inner\n\
        Content-Type: text/plain; name=plan.txt\nContent-Disposition: attachment\n\n";
    for api in Api::both().await {
        let ann = api.add_user("ann@acme.example").await;
        // Two files that are small enough, in a mail that as one file would not be.
        let notes = "notes \n".repeat(300_000);
        let second =
            "--inner\nContent-Type: text/plain; name=more.txt\nContent-Disposition: attachment\n\n";
        let raw = format!("{outer}{notes}{second}{notes}--inner--\n--b--\n");
        let verdict = api.mail_in(&ann, &raw, Trust::Dmarc).await;
        let verdict = api.get(&format!("/verdicts/{verdict}")).await;
        assert_eq!(verdict.json["reason"], "filed", "{}", verdict.json);
        let message = api.get(&format!("/messages/{}", verdict.text("stored_message_id"))).await;
        assert_eq!(message.json["subject"], "Plan");
        // B6: it is Bob's mail, not the words of who forwarded it.
        for field in ["text", "new_text"] {
            assert_eq!(message.text(field).trim(), "Here it is.", "{field}");
        }
        let files = message.json["attachments"].as_array().unwrap();
        let names: Vec<&Value> = files.iter().map(|file| &file["file_name"]).collect();
        assert_eq!(names, ["plan.txt", "more.txt"]);
        for file in files {
            assert_eq!(file["state"], "stored", "{file}");
            let content = api.get(&format!("/attachments/{}", file["id"].as_str().unwrap())).await;
            assert!(content.bytes.starts_with(b"notes"));
            assert_eq!(content.bytes.len() as u64, file["size"].as_u64().unwrap());
        }
    }
}

#[tokio::test]
async fn a_conversation_is_listed_with_its_messages_oldest_first() {
    for api in Api::both().await {
        let ann = api.add_user("ann@acme.example").await;
        for i in 0..5 {
            let text = mail(&format!("{i}@x"), &format!("Offer {i}"), "\nHello\n");
            let text = if i == 3 {
                text.replace("Bob Stone", "Carla <carla@client.example>, Bob Stone")
            } else {
                text
            };
            api.mail_in(&ann, &text, Trust::Dmarc).await;
        }
        let found = api.get("/contacts?email=bob@client.example").await;
        let bob = found.items()[0]["id"].as_str().unwrap().to_owned();
        let conversations = api.get(&format!("/conversations?contact_id={bob}")).await;
        let [conversation] = conversations.items() else { panic!("{}", conversations.json) };
        assert_eq!(conversation["subject"], "Offer 4");
        assert_eq!(conversation["contact"]["email"], "bob@client.example");
        let id = conversation["id"].as_str().unwrap();
        let first = api.get(&format!("/conversations/{id}/messages?limit=2")).await;
        assert_eq!(first.items()[0]["subject"], "Offer 0");
        let cursor = first.text("next_cursor");
        let path = format!("/conversations/{id}/messages?limit=3&cursor={cursor}");
        let rest = api.get(&path).await;
        assert_eq!(rest.json["next_cursor"], Value::Null);
        let count = conversation["message_count"].as_u64().unwrap() as usize;
        assert_eq!(first.items().len() + rest.items().len(), count);
        // One of them stands in Carla's conversation, and is listed with Bob too (B4).
        let of_bob = api.get(&format!("/contacts/{bob}/messages")).await;
        assert_eq!(of_bob.items().len(), 5);
        assert_eq!(api.get("/conversations?q=OFFER").await.items().len(), 2);
        let threads = api.get(&format!("/conversations/{id}")).await;
        assert_eq!(threads.json["threads"].as_array().unwrap().len(), count);
    }
}

#[tokio::test]
async fn the_operator_reads_what_came_for_postmaster_and_nothing_else() {
    for api in Api::both().await {
        let operator = SubAccountId::OPERATOR;
        let raw = mail("pm@x", "Abuse", "\nPlease look\n");
        let verdict = api.mail_into(operator, Vec::new(), &raw, Trust::Unverified).await;
        let read = async |path: String| api.call(Method::GET, &path, ADMIN, &Value::Null).await;
        assert_eq!(read("/verdicts".to_owned()).await.items().len(), 1);
        let shown = read(format!("/verdicts/{verdict}")).await;
        assert_eq!(shown.json["reason"], "postmaster");
        let message = format!("/messages/{}", shown.text("stored_message_id"));
        assert!(read(message.clone()).await.text("text").contains("Please look"));
        assert_eq!(read(format!("{message}/raw")).await.status, StatusCode::OK);
        assert_eq!(api.get(&message).await.status, StatusCode::NOT_FOUND);
        for path in ["/users", "/contacts", "/conversations", "/settings"] {
            assert_eq!(read(path.to_owned()).await.status, StatusCode::FORBIDDEN);
        }
        let path = format!("/sub-accounts/{operator}");
        let erased = api.call(Method::DELETE, &path, ADMIN, &Value::Null).await;
        assert_eq!(erased.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn what_is_erased_cannot_be_read_any_more() {
    for api in Api::both().await {
        let ann = api.add_user("ann@acme.example").await;
        let verdict = api.mail_in(&ann, &mail("1@x", "Offer", PARTS), Trust::Dmarc).await;
        let shown = api.get(&format!("/verdicts/{verdict}")).await;
        let message = format!("/messages/{}", shown.text("stored_message_id"));
        let file = api.get(&message).await.json["attachments"][0]["id"].clone();
        let contact = api.get("/contacts").await.items()[0]["id"].as_str().unwrap().to_owned();
        assert_eq!(api.delete(&format!("/contacts/{contact}")).await.status.as_u16(), 204);
        for path in [
            message.clone(),
            format!("{message}/raw"),
            format!("/attachments/{}", file.as_str().unwrap()),
            format!("/contacts/{contact}"),
            format!("/contacts/{contact}/messages"),
        ] {
            assert_eq!(api.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
        }
        assert!(api.get("/conversations").await.items().is_empty());

        let kept = api.mail_in(&ann, &mail("2@x", "Kept", "\nHi\n"), Trust::Dmarc).await;
        let deleted = api.delete(&format!("/users/{ann}?keep_messages=true")).await;
        assert_eq!(deleted.status, StatusCode::NO_CONTENT);
        let kept = api.get(&format!("/verdicts/{kept}")).await;
        let path = format!("/messages/{}", kept.text("stored_message_id"));
        let left = api.get(&path).await;
        assert_eq!(
            (left.status, &left.json["user_id"]),
            (StatusCode::OK, &serde_json::Value::Null)
        );
    }
}

/// B9: a mail that two users have is not erased with one of them.
#[tokio::test]
async fn a_user_s_mail_is_erased_but_for_what_another_has_too() {
    for api in Api::both().await {
        let ann = api.add_user("ann@acme.example").await;
        let ben = api.add_user("ben@acme.example").await;
        let id_of = async |verdict| {
            api.get(&format!("/verdicts/{verdict}")).await.text("stored_message_id")
        };
        let shared = mail("1@x", "Shared", "\nHi\n");
        let shared_id = id_of(api.mail_in(&ann, &shared, Trust::Dmarc).await).await;
        assert_eq!(id_of(api.mail_in(&ben, &shared, Trust::Dmarc).await).await, shared_id);
        let own = api.mail_in(&ann, &mail("2@x", "Own", "\nHo\n"), Trust::Dmarc).await;
        let own_id = id_of(own).await;
        assert_eq!(api.delete(&format!("/users/{ann}")).await.status, StatusCode::NO_CONTENT);
        let left = api.get(&format!("/messages/{shared_id}")).await;
        assert_eq!(
            (left.status, &left.json["user_id"]),
            (StatusCode::OK, &serde_json::Value::Null)
        );
        let gone = api.get(&format!("/messages/{own_id}")).await;
        assert_eq!(gone.status, StatusCode::NOT_FOUND);
        assert_eq!(api.get("/conversations").await.items()[0]["message_count"], 1);
    }
}
