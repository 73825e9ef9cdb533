//! The whole, as its users see it: mail in by SMTP, contacts and conversations out by the API; on both
//! databases.

use serde_json::{Value, json};

use crate::support::gateway::{Account, Gateway};
use crate::support::postgres::fresh_database;
use crate::support::sender::Sender;

const ANNA: &str = "anna@ours.example";

/// Runs a story on embedded SQLite and on PostgreSQL.
fn on_both(story: impl Fn(&Gateway, &Account)) {
    let gateway = Gateway::start();
    story(&gateway, &gateway.account(ANNA));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let gateway = Gateway::setup().with("STORE__URL", runtime.block_on(fresh_database())).start();
    story(&gateway, &gateway.account(ANNA));
}

/// A mail of these header lines and that body.
fn mail(header: &[&str], body: &str) -> Vec<u8> {
    format!("{}\r\n\r\n{body}\r\n", header.join("\r\n")).into_bytes()
}

fn send(gateway: &Gateway, to: &str, content: &[u8]) {
    let mut sender = Sender::connect(gateway.smtp()).unwrap();
    let reply = sender.send("anna@ours.example", to, content).unwrap();
    assert_eq!(reply.code, 250, "{reply:?}");
    assert_eq!(sender.command("QUIT").unwrap().code, 221);
}

fn only(items: Vec<Value>) -> Value {
    assert_eq!(items.len(), 1, "{items:#?}");
    items.into_iter().next().unwrap()
}

fn last_verdict(account: &Account) -> Value {
    account.api.read("/api/v1/verdicts?limit=1")["items"][0].clone()
}

fn release(account: &Account, verdict: &Value, body: Value) -> Value {
    let id = verdict["id"].as_str().unwrap();
    account.api.post(&format!("/api/v1/verdicts/{id}/release"), &body).expect(200)
}

fn offer(id: &str, to: &str) -> Vec<u8> {
    let (id, to) = (format!("Message-ID: <{id}>"), format!("To: {to}"));
    let header = [
        "From: Anna <anna@ours.example>",
        &to,
        "Subject: Offer",
        &id,
        "Date: Mon, 5 Jan 2026 15:04:00 +0100",
    ];
    mail(&header, "Dear Carl,\r\nhere is our offer.\r\n-- \r\nAnna")
}

#[test]
fn a_copy_becomes_a_contact_and_a_conversation() {
    on_both(|gateway, account| {
        send(gateway, &account.bcc_address, &offer("a@x", "Carl Customer <Carl@Customer.example>"));
        let contact = only(account.api.list("/api/v1/contacts"));
        assert_eq!(
            (contact["email"].as_str(), contact["name"].as_str()),
            (Some("carl@customer.example"), Some("Carl Customer"))
        );
        let conversation = only(account.api.list("/api/v1/conversations"));
        assert_eq!(conversation["subject"], "Offer");
        assert_eq!(conversation["message_count"], 1);
        assert_eq!(conversation["contact"]["id"], contact["id"]);
        let id = conversation["id"].as_str().unwrap();
        let message = only(account.api.list(&format!("/api/v1/conversations/{id}/messages")));
        assert_eq!(message["message_id"], "a@x");
        assert_eq!(message["direction"], "outbound");
        assert_eq!(message["kind"], "mail");
        assert_eq!(message["doors"], json!(["smtp"]));
        assert_eq!(message["user_id"], account.user_id.as_str());
        assert_eq!(message["date"], "2026-01-05T14:04:00.000Z");
        assert_eq!(message["new_text"].as_str().unwrap().trim(), "Dear Carl,\nhere is our offer.");
        let raw =
            account.api.get(&format!("/api/v1/messages/{}/raw", message["id"].as_str().unwrap()));
        assert_eq!(raw.body, offer("a@x", "Carl Customer <Carl@Customer.example>"));
        let verdict = only(account.api.list("/api/v1/verdicts"));
        assert_eq!(
            (verdict["outcome"].as_str(), verdict["rule"].as_str()),
            (Some("filed"), Some("B3"))
        );
        assert_eq!(verdict["stored_message_id"], message["id"]);
        assert_eq!(verdict["conversation_id"], conversation["id"]);
    });
}

#[test]
fn the_same_mail_again_is_one_message() {
    on_both(|gateway, account| {
        for _ in 0..3 {
            send(gateway, &account.bcc_address, &offer("a@x", "carl@customer.example"));
        }
        let verdicts = account.api.list("/api/v1/verdicts");
        let outcomes: Vec<_> = verdicts.iter().map(|it| it["outcome"].as_str().unwrap()).collect();
        assert_eq!(outcomes, ["duplicate", "duplicate", "filed"]);
        assert_eq!(verdicts[0]["stored_message_id"], verdicts[2]["stored_message_id"]);
        assert_eq!(only(account.api.list("/api/v1/conversations"))["message_count"], 1);
    });
}

#[test]
fn an_answer_of_somebody_on_the_thread_joins_it() {
    on_both(|gateway, account| {
        send(gateway, &account.bcc_address, &offer("a@x", "carl@customer.example"));
        let header = [
            "From: carl@customer.example",
            "To: anna@ours.example",
            "Subject: Re: Offer",
            "Message-ID: <b@x>",
            "In-Reply-To: <a@x>",
        ];
        send(
            gateway,
            &account.bcc_address,
            &mail(&header, "Too dear.\r\n\r\nOn Mon, Anna wrote:\r\n> our offer"),
        );
        let conversation = only(account.api.list("/api/v1/conversations"));
        let id = conversation["id"].as_str().unwrap();
        let messages = account.api.list(&format!("/api/v1/conversations/{id}/messages"));
        assert_eq!(messages.len(), 2);
        assert_eq!(messages[0]["thread_id"], messages[1]["thread_id"]);
        assert_eq!(messages[1]["direction"], "inbound");
        assert_eq!(messages[1]["new_text"].as_str().unwrap().trim(), "Too dear.");
        assert_eq!(
            only(
                account.api.read(&format!("/api/v1/conversations/{id}"))["threads"]
                    .as_array()
                    .unwrap()
                    .clone()
            )["subject"],
            "Offer"
        );
    });
}

#[test]
fn a_forward_is_filed_under_the_person_it_is_from() {
    on_both(|gateway, account| {
        let header = [
            "From: anna@ours.example",
            &format!("To: {}", account.bcc_address),
            "Subject: Fwd: Order",
            "Message-ID: <f@x>",
            "In-Reply-To: <original@x>",
        ];
        let body = "FYI\r\n\r\n---------- Forwarded message ---------\r\nFrom: Dora Buyer <dora@buyer.example>\r\nDate: Mon, Jan 5, 2026 at 3:04 PM\r\nSubject: Order\r\nTo: <anna@ours.example>\r\n\r\nI order ten.\r\n";
        send(gateway, &account.bcc_address, &mail(&header, body));
        let contact = only(account.api.list("/api/v1/contacts"));
        assert_eq!(
            (contact["email"].as_str(), contact["name"].as_str()),
            (Some("dora@buyer.example"), Some("Dora Buyer"))
        );
        let id = contact["id"].as_str().unwrap();
        let message = only(account.api.list(&format!("/api/v1/contacts/{id}/messages")));
        assert_eq!(
            (message["direction"].as_str(), message["subject"].as_str()),
            (Some("inbound"), Some("Order"))
        );
        assert_eq!(message["message_id"], "original@x");
        assert_eq!(message["new_text"].as_str().unwrap().trim(), "I order ten.");
        assert_eq!(last_verdict(account)["rule"], "B6");
    });
}

#[test]
fn mail_of_an_unknown_sender_waits_and_is_released_with_an_alias() {
    on_both(|gateway, account| {
        let header = [
            "From: anna@private.example",
            "To: carl@customer.example",
            "Subject: Hi",
            "Message-ID: <a@x>",
        ];
        send(gateway, &account.bcc_address, &mail(&header, "Hello"));
        let verdict = last_verdict(account);
        assert_eq!(
            (verdict["outcome"].as_str(), verdict["reason"].as_str()),
            (Some("held"), Some("unknown_sender"))
        );
        assert!(account.api.list("/api/v1/contacts").is_empty());
        let stored = verdict["stored_message_id"].as_str().unwrap();
        let message = account.api.read(&format!("/api/v1/messages/{stored}"));
        assert_eq!(
            (&message["conversation_id"], message["text"].as_str().unwrap().trim()),
            (&Value::Null, "Hello")
        );
        let after = release(account, &verdict, json!({"add_alias": true}));
        assert_eq!(
            (after["outcome"].as_str(), after["reason"].as_str()),
            (Some("filed"), Some("released"))
        );
        assert_eq!(only(account.api.list("/api/v1/contacts"))["email"], "carl@customer.example");
        let user = account.api.read(&format!("/api/v1/users/{}", account.user_id));
        assert_eq!(user["aliases"], json!(["anna@private.example"]));
        let again = [
            "From: anna@private.example",
            "To: carl@customer.example",
            "Subject: Hi",
            "Message-ID: <b@x>",
        ];
        send(gateway, &account.bcc_address, &mail(&again, "Hello again"));
        assert_eq!(last_verdict(account)["outcome"], "filed");
    });
}

#[test]
fn a_release_that_fails_makes_no_alias() {
    on_both(|gateway, account| {
        let header = ["From: anna@private.example", "Subject: To nobody", "Message-ID: <a@x>"];
        send(gateway, &account.bcc_address, &mail(&header, "Hello"));
        let verdict = last_verdict(account);
        assert_eq!(verdict["reason"], "unknown_sender");
        let path = format!("/api/v1/verdicts/{}/release", verdict["id"].as_str().unwrap());
        account.api.post(&path, &json!({"add_alias": true})).expect(409);
        let user = account.api.read(&format!("/api/v1/users/{}", account.user_id));
        assert_eq!(user["aliases"], json!([]));
    });
}

#[test]
fn what_nobody_can_tell_is_assigned_by_a_person_and_can_be_taken_back() {
    on_both(|gateway, account| {
        let header = ["From: anna@ours.example", "Subject: Hidden", "Message-ID: <a@x>"];
        send(gateway, &account.bcc_address, &mail(&header, "Everyone is in Bcc"));
        let verdict = last_verdict(account);
        assert_eq!(verdict["reason"], "no_recipient");
        let id = verdict["id"].as_str().unwrap();
        let refused = account.api.post(&format!("/api/v1/verdicts/{id}/release"), &json!({}));
        assert_eq!(refused.status, 409, "{}", String::from_utf8_lossy(&refused.body));
        release(account, &verdict, json!({"contact_email": "carl@customer.example"}));
        assert_eq!(only(account.api.list("/api/v1/conversations"))["message_count"], 1);
        let undone =
            account.api.post(&format!("/api/v1/verdicts/{id}/undo"), &json!({})).expect(200);
        assert_eq!(
            (undone["outcome"].as_str(), undone["reason"].as_str()),
            (Some("held"), Some("no_recipient"))
        );
        assert!(account.api.list("/api/v1/contacts").is_empty());
        account.api.post(&format!("/api/v1/verdicts/{id}/discard"), &json!({})).expect(200);
        assert_eq!(last_verdict(account)["reason"], "discarded");
        account.api.post(&format!("/api/v1/verdicts/{id}/undo"), &json!({})).expect(200);
        assert_eq!(last_verdict(account)["reason"], "no_recipient");
    });
}

#[test]
fn a_held_mail_that_comes_again_is_held_once() {
    on_both(|gateway, account| {
        let header = |id: &'static str| ["From: anna@ours.example", "Subject: Hidden", id];
        let first = mail(&header("Message-ID: <a@x>"), "Everyone is in Bcc");
        // G3: its sender did not hear the 250.
        for _ in 0..3 {
            send(gateway, &account.bcc_address, &first);
        }
        let verdict = only(account.api.list("/api/v1/verdicts"));
        assert_eq!(verdict["reason"], "no_recipient");
        // Another text with the same id, and the same text with another id, are other mails.
        send(
            gateway,
            &account.bcc_address,
            &mail(&header("Message-ID: <a@x>"), "Another text!!!!!"),
        );
        send(
            gateway,
            &account.bcc_address,
            &mail(&header("Message-ID: <b@x>"), "Everyone is in Bcc"),
        );
        assert_eq!(account.api.list("/api/v1/verdicts").len(), 3);
        // B9: what is held makes no other a duplicate, nor does what was discarded hold it back.
        let id = verdict["id"].as_str().unwrap();
        account.api.post(&format!("/api/v1/verdicts/{id}/discard"), &json!({})).expect(200);
        send(gateway, &account.bcc_address, &first);
        assert_eq!(account.api.list("/api/v1/verdicts").len(), 4);
    });
}

#[test]
fn a_wrongly_filed_mail_is_taken_out_and_put_back() {
    on_both(|gateway, account| {
        send(gateway, &account.bcc_address, &offer("a@x", "carl@customer.example"));
        let verdict = last_verdict(account);
        let id = verdict["id"].as_str().unwrap();
        let undone =
            account.api.post(&format!("/api/v1/verdicts/{id}/undo"), &json!({})).expect(200);
        assert_eq!(
            (undone["outcome"].as_str(), undone["reason"].as_str()),
            (Some("held"), Some("taken_back"))
        );
        assert!(account.api.list("/api/v1/conversations").is_empty());
        let back = release(account, &undone, json!({}));
        assert_eq!(back["outcome"], "filed");
        assert_eq!(only(account.api.list("/api/v1/conversations"))["message_count"], 1);
    });
}

fn with_file(name: &str, content_type: &str, content: &str) -> Vec<u8> {
    let header = [
        "From: anna@ours.example",
        "To: carl@customer.example",
        "Subject: File",
        "Message-ID: <file@x>",
        "MIME-Version: 1.0",
        "Content-Type: multipart/mixed; boundary=b",
    ];
    let body = format!(
        "--b\r\nContent-Type: text/plain\r\n\r\nSee the file.\r\n--b\r\nContent-Type: {content_type}\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n\r\n{content}\r\n--b--"
    );
    mail(&header, &body)
}

#[test]
fn a_wanted_file_downloads_and_an_unwanted_one_is_a_tombstone() {
    on_both(|gateway, account| {
        send(gateway, &account.bcc_address, &with_file("note.txt", "text/plain", "Just text."));
        let message = account.api.read(&format!(
            "/api/v1/messages/{}",
            last_verdict(account)["stored_message_id"].as_str().unwrap()
        ));
        let file = only(message["attachments"].as_array().unwrap().clone());
        assert_eq!(
            (file["file_name"].as_str(), file["state"].as_str()),
            (Some("note.txt"), Some("stored"))
        );
        let answer =
            account.api.get(&format!("/api/v1/attachments/{}", file["id"].as_str().unwrap()));
        assert_eq!((answer.status, answer.body.as_slice()), (200, b"Just text.".as_slice()));
        let head = &answer.head;
        assert!(
            head.contains("content-disposition: attachment") && head.contains("nosniff"),
            "{head}"
        );
        let exe = with_file("setup.exe", "application/octet-stream", "MZ not a real program");
        send(
            gateway,
            &account.bcc_address,
            &String::from_utf8(exe).unwrap().replace("file@x", "exe@x").into_bytes(),
        );
        let verdict = last_verdict(account);
        assert_eq!(verdict["outcome"], "filed");
        let message = account
            .api
            .read(&format!("/api/v1/messages/{}", verdict["stored_message_id"].as_str().unwrap()));
        let file = only(message["attachments"].as_array().unwrap().clone());
        assert_eq!(
            (file["state"].as_str(), file["reason"].as_str()),
            (Some("left_out"), Some("type_not_allowed"))
        );
        let answer =
            account.api.get(&format!("/api/v1/attachments/{}", file["id"].as_str().unwrap()));
        assert_eq!(answer.status, 410);
    });
}

#[test]
fn an_oversize_file_keeps_its_message_out_until_it_is_filed_without() {
    on_both(|gateway, account| {
        let large = "A line of text that is repeated often.\r\n".repeat(100_000);
        send(gateway, &account.bcc_address, &with_file("large.txt", "text/plain", &large));
        let verdict = last_verdict(account);
        assert_eq!(
            (verdict["outcome"].as_str(), verdict["reason"].as_str()),
            (Some("skipped"), Some("attachment_too_large"))
        );
        assert!(verdict["explanation"].as_str().unwrap().contains("large.txt"));
        assert_eq!(only(account.api.list("/api/v1/contacts"))["email"], "carl@customer.example");
        let path = format!("/api/v1/verdicts/{}", verdict["id"].as_str().unwrap());
        assert_eq!(account.api.post(&format!("{path}/release"), &json!({})).status, 409);
        let after = release(account, &verdict, json!({"without_files": true}));
        let undone = account.api.post(&format!("{path}/undo"), &json!({})).expect(200);
        assert_eq!(undone["reason"], "attachment_too_large");
        assert_eq!(release(account, &verdict, json!({"without_files": true})), after);
        assert_eq!(
            (after["outcome"].as_str(), after["reason"].as_str()),
            (Some("filed"), Some("released"))
        );
        assert_eq!(only(account.api.list("/api/v1/conversations"))["message_count"], 1);
    });
}

#[test]
fn what_is_not_stored_is_explained_by_its_message_id() {
    on_both(|gateway, account| {
        let internal = offer("internal@x", "anna@ours.example");
        send(gateway, &account.bcc_address, &internal);
        let list = [
            "From: anna@ours.example",
            "To: list@lists.example",
            "Message-ID: <list@x>",
            "List-Id: <list.lists.example>",
            "Precedence: list",
        ];
        send(gateway, &account.bcc_address, &mail(&list, "Hi all"));
        for (id, reason) in [("internal@x", "internal_only"), ("list@x", "mailing_list")] {
            let verdict = only(account.api.list(&format!("/api/v1/verdicts?message_id={id}")));
            assert_eq!(
                (verdict["outcome"].as_str(), verdict["reason"].as_str()),
                (Some("ignored"), Some(reason))
            );
            assert_eq!(verdict["stored_message_id"], Value::Null);
        }
        assert!(account.api.list("/api/v1/contacts").is_empty());
    });
}

#[test]
fn an_address_that_was_replaced_is_refused_and_its_sub_account_told() {
    on_both(|gateway, account| {
        let path = format!("/api/v1/users/{}/bcc-address", account.user_id);
        let new = account.api.post(&path, &json!({})).expect(201);
        assert_ne!(new["bcc_address"], account.bcc_address.as_str());
        let mut sender = Sender::connect(gateway.smtp()).unwrap();
        let reply = sender
            .send("anna@ours.example", &account.bcc_address, &offer("a@x", "carl@customer.example"))
            .unwrap();
        assert_eq!(reply.code, 550, "{reply:?}");
        let verdict = last_verdict(account);
        assert_eq!(
            (verdict["outcome"].as_str(), verdict["reason"].as_str()),
            (Some("rejected"), Some("unknown_recipient"))
        );
        send(gateway, new["bcc_address"].as_str().unwrap(), &offer("a@x", "carl@customer.example"));
        assert_eq!(last_verdict(account)["outcome"], "filed");
    });
}

#[test]
fn mail_to_postmaster_is_the_operators() {
    on_both(|gateway, account| {
        send(gateway, "postmaster@bcc.localhost", &offer("a@x", "carl@customer.example"));
        assert!(account.api.list("/api/v1/verdicts").is_empty());
        let verdict = only(gateway.admin().list("/api/v1/verdicts"));
        assert_eq!(verdict["reason"], "postmaster");
        let id = verdict["stored_message_id"].as_str().unwrap();
        assert_eq!(gateway.admin().read(&format!("/api/v1/messages/{id}"))["message_id"], "a@x");
    });
}

#[test]
fn one_mail_to_two_sub_accounts_is_two_messages() {
    on_both(|gateway, account| {
        let other = gateway.account("anna@ours.example");
        let mut sender = Sender::connect(gateway.smtp()).unwrap();
        for command in [
            "EHLO x.example".to_owned(),
            "MAIL FROM:<anna@ours.example>".to_owned(),
            format!("RCPT TO:<{}>", account.bcc_address),
            format!("RCPT TO:<{}>", other.bcc_address),
        ] {
            assert_eq!(sender.command(&command).unwrap().code, 250, "{command}");
        }
        assert_eq!(sender.command("DATA").unwrap().code, 354);
        let content = String::from_utf8(offer("a@x", "carl@customer.example")).unwrap();
        assert_eq!(sender.command(&format!("{content}.")).unwrap().code, 250);
        for account in [account, &other] {
            assert_eq!(only(account.api.list("/api/v1/conversations"))["message_count"], 1);
        }
        let foreign = only(other.api.list("/api/v1/contacts"));
        let path = format!("/api/v1/contacts/{}", foreign["id"].as_str().unwrap());
        assert_eq!(account.api.get(&path).status, 404);
    });
}

#[test]
fn a_contact_that_is_erased_leaves_nothing() {
    let gateway = Gateway::start();
    let account = gateway.account(ANNA);
    let secret = "xyzzy-quokka-secret";
    let content = String::from_utf8(offer("a@x", "carl@customer.example")).unwrap();
    send(&gateway, &account.bcc_address, content.replace("our offer", secret).as_bytes());
    send(&gateway, &account.bcc_address, &offer("b@x", "dora@customer.example"));
    let carl = only(account.api.list("/api/v1/contacts?email=carl@customer.example"));
    let path = format!("/api/v1/contacts/{}", carl["id"].as_str().unwrap());
    assert_eq!(account.api.call("DELETE", &path, None).status, 204);
    assert_eq!(account.api.get(&path).status, 404);
    assert_eq!(only(account.api.list("/api/v1/contacts"))["email"], "dora@customer.example");
    let files = std::fs::read_dir(gateway.data_dir()).unwrap();
    for file in files.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        let content = std::fs::read(&file).unwrap();
        for trace in [secret, "carl@customer.example"] {
            let found = content.windows(trace.len()).any(|it| it == trace.as_bytes());
            assert!(!found, "{} still has {trace}", file.display());
        }
    }
}

#[test]
fn erasing_a_contact_leaves_held_mail_of_a_longer_address() {
    on_both(|gateway, account| {
        send(gateway, &account.bcc_address, &offer("a@x", "ann@customer.example"));
        let joann = ["From: joann@customer.example", "To: anna@ours.example", "Message-ID: <b@x>"];
        send(gateway, &account.bcc_address, &mail(&joann, "Hello"));
        let held = last_verdict(account);
        assert_eq!(held["reason"], "unknown_sender");
        let ann = only(account.api.list("/api/v1/contacts"));
        let path = format!("/api/v1/contacts/{}", ann["id"].as_str().unwrap());
        assert_eq!(account.api.call("DELETE", &path, None).status, 204);
        assert_eq!(last_verdict(account), held);
        let stored = held["stored_message_id"].as_str().unwrap();
        assert_eq!(account.api.read(&format!("/api/v1/messages/{stored}"))["message_id"], "b@x");
    });
}

#[test]
fn mail_that_cannot_be_read_is_kept_and_what_is_behind_it_goes_on() {
    on_both(|gateway, account| {
        send(gateway, &account.bcc_address, b"");
        let verdict = last_verdict(account);
        assert_eq!(verdict["outcome"], "held", "{verdict}");
        let stored = verdict["stored_message_id"].as_str().unwrap();
        assert_eq!(account.api.get(&format!("/api/v1/messages/{stored}/raw")).status, 200);
        let nul = String::from_utf8(offer("nul@x", "carl@customer.example")).unwrap();
        send(gateway, &account.bcc_address, nul.replace("offer.", "of\0fer.").as_bytes());
        assert_eq!(last_verdict(account)["outcome"], "filed");
    });
}

/// G5, B1 to B26: whatever a mail is made of, it is taken, and has one verdict.
#[test]
fn every_odd_mail_is_taken_and_judged_once() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/eml");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mails: Vec<Vec<u8>> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
        .map(|path| std::fs::read(path).unwrap())
        .collect();
    on_both(|gateway, account| {
        for mail in &mails {
            send(gateway, &account.bcc_address, mail);
        }
        assert_eq!(account.api.list("/api/v1/verdicts").len(), mails.len());
        for path in ["conversations", "contacts", "verdicts?reason=unreadable"] {
            account.api.list(&format!("/api/v1/{path}"));
        }
    });
}

#[test]
fn the_sign_in_link_of_the_first_start_works_once() {
    let gateway = Gateway::start();
    let link = gateway
        .greeting()
        .lines()
        .find_map(|line| line.trim().strip_prefix("Sign-in link"))
        .map(str::to_owned);
    let link = link.expect("a link is printed");
    let code = link.split_once("code=").unwrap().1.trim().to_owned();
    let asked = gateway.admin().get(&format!("/sign-in?code={code}"));
    assert!(asked.status == 200 && String::from_utf8_lossy(&asked.body).contains("<button"));
    for expected in [200, 410] {
        let form = gateway.admin().form("/sign-in", &format!("code={code}"));
        assert_eq!(form.status, expected);
        assert_eq!(String::from_utf8_lossy(&form.body).contains("mw_"), expected == 200);
    }
}

#[test]
fn a_flood_of_new_contacts_is_asked_to_come_later() {
    let limit = "SMTP__LIMITS__CONTACTS_PER_SUB_ACCOUNT_PER_MINUTE";
    let gateway = Gateway::setup().with(limit, "1").start();
    let account = gateway.account(ANNA);
    let send = |number: usize| {
        let mail = offer(&format!("{number}@x"), &format!("c{number}@customer.example"));
        let mut sender = Sender::connect(gateway.smtp()).unwrap();
        sender.send(ANNA, &account.bcc_address, &mail).unwrap().code
    };
    // A minute may end between two of them.
    let codes: Vec<u16> = (0..4).map(send).collect();
    assert_eq!(codes[0], 250);
    assert!(codes.contains(&451), "{codes:?}");
    let made = codes.iter().filter(|code| **code == 250).count();
    assert_eq!(account.api.list("/api/v1/contacts").len(), made);
}
