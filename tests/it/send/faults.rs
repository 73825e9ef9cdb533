//! Relays that refuse, put off, vanish and flood (E3, E5, E6): every answer at every step.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::{Sending, on_both};
use crate::support::gateway::Gateway;
use crate::support::relay::{Act, Relay};
use crate::trust::zone::Zone;

const STEPS: [&str; 6] = ["connect", "EHLO", "MAIL", "RCPT", "DATA", "."];

fn say(text: &str) -> Option<Act> {
    Some(Act::Say(text.to_owned()))
}

/// What became of each recipient of a mail.
fn states(message: &Value) -> Vec<&str> {
    let recipients = message["sending"]["recipients"].as_array().unwrap();
    recipients.iter().map(|it| it["state"].as_str().unwrap()).collect()
}

#[test]
fn what_is_put_off_at_any_step_is_tried_again_and_sent_once() {
    for step in STEPS {
        let relay = Relay::scripted(move |at, count| {
            (at == step && count == 1).then(|| Act::Say("451 4.7.1 not just now".to_owned()))
        });
        let sending = Sending::through(&relay);
        let receipt = sending.send(&sending.mail("carl@customer.test"));
        let message = sending.wait_for(&receipt["id"], "sent");
        assert_eq!(message["sending"]["attempts"], 2, "{step}");
        assert_eq!(relay.mails().len(), 1, "{step}");
    }
}

#[test]
fn what_is_lost_before_the_end_is_tried_again() {
    for step in &STEPS[..5] {
        let relay =
            Relay::scripted(move |at, count| (at == *step && count == 1).then_some(Act::Close));
        let sending = Sending::through(&relay);
        let receipt = sending.send(&sending.mail("carl@customer.test"));
        sending.wait_for(&receipt["id"], "sent");
        assert_eq!(relay.mails().len(), 1, "{step}");
    }
}

#[test]
fn what_is_refused_fails_with_the_words_of_the_server() {
    for step in ["MAIL", "RCPT", "DATA", "."] {
        let relay = Relay::scripted(move |at, _| {
            (at == step).then(|| Act::Say("550 5.7.1 we do not like you".to_owned()))
        });
        let sending = Sending::through(&relay);
        let receipt = sending.send(&sending.mail("carl@customer.test"));
        let message = sending.wait_for(&receipt["id"], "failed");
        let detail = message["sending"]["detail"].as_str().unwrap();
        assert!(detail.contains("5.7.1 we do not like you"), "{step}: {detail}");
        assert_eq!(relay.count(step), 1, "{step}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_cut_off_after_the_end_is_unknown_until_somebody_says() {
    on_both(|setup| {
        let relay = Relay::scripted(|at, count| (at == "." && count <= 2).then_some(Act::Close));
        let sending = Sending::of(setup, &relay);
        let receipts = ["carl@customer.test", "dora@customer.test"].map(|to| {
            let receipt = sending.send(&sending.mail(to));
            sending.wait_for(&receipt["id"], "unknown");
            receipt
        });
        // It is not sent again by itself, whatever else is.
        let third = sending.send(&sending.mail("third@customer.test"));
        sending.wait_for(&third["id"], "sent");
        assert_eq!(relay.mails().len(), 3);
        let resolve = |receipt: &serde_json::Value, how: &str| {
            let path = format!("/api/v1/messages/{}/resolve", receipt["id"].as_str().unwrap());
            sending.account.api.post(&path, &json!({"as": how}))
        };
        assert_eq!(resolve(&receipts[0], "sent").expect(200)["status"], "sent");
        resolve(&receipts[1], "resend").expect(200);
        sending.wait_for(&receipts[1]["id"], "sent");
        let refused = resolve(&receipts[0], "resend").expect(409);
        assert_eq!(refused["code"], "status_does_not_fit");
        let mails = relay.wait_for(4);
        // The same Message-ID, by which the receiver knows it.
        let ids = [1, 3].map(|n: usize| {
            let content = &mails[n].content;
            content.lines().find(|line| line.starts_with("Message-ID")).unwrap().to_owned()
        });
        assert_eq!((mails.len(), &ids[0]), (4, &ids[1]));
    })
    .await;
}

#[test]
fn one_recipient_who_is_refused_keeps_the_mail_from_nobody() {
    let relay = Relay::scripted(|at, count| match (at, count) {
        ("RCPT", 2) => say("550 5.1.1 no such user"),
        ("RCPT", 3) => say("450 4.2.0 try later"),
        _ => None,
    });
    let sending = Sending::through(&relay);
    let mut mail = sending.mail("carl@customer.test");
    mail["cc"] = json!(["nobody@customer.test", "later@customer.test"]);
    let receipt = sending.send(&mail);
    let message = sending.wait_for(&receipt["id"], "bounced");
    let mails = relay.wait_for(2);
    assert_eq!(mails[0].to, ["carl@customer.test"]);
    assert_eq!(mails[1].to, ["later@customer.test"]);
    assert_eq!(states(&message), ["accepted", "refused", "accepted"]);
    assert!(message["sending"]["recipients"][1]["reply"].as_str().unwrap().contains("5.1.1"));
}

#[test]
fn one_recipient_who_is_refused_ends_it_for_nobody_who_is_put_off() {
    let relay = Relay::scripted(|at, count| match (at, count) {
        ("RCPT", 1) => say("450 4.2.0 try later"),
        ("RCPT", 2) => say("550 5.1.1 no such user"),
        _ => None,
    });
    let sending = Sending::through(&relay);
    let mut mail = sending.mail("later@customer.test");
    mail["cc"] = json!(["nobody@customer.test"]);
    let receipt = sending.send(&mail);
    let message = sending.wait_for(&receipt["id"], "bounced");
    assert_eq!(relay.wait_for(1)[0].to, ["later@customer.test"]);
    assert_eq!(states(&message), ["accepted", "refused"]);
}

#[test]
fn a_mail_that_is_refused_ends_it_for_nobody_who_is_put_off() {
    let relay = Relay::scripted(|at, count| match (at, count) {
        ("RCPT", 1) => say("450 4.2.0 try later"),
        (".", 1) => say("554 5.7.1 not for them"),
        _ => None,
    });
    let sending = Sending::through(&relay);
    let mut mail = sending.mail("later@customer.test");
    mail["cc"] = json!(["nobody@customer.test"]);
    let receipt = sending.send(&mail);
    let message = sending.wait_for(&receipt["id"], "bounced");
    assert_eq!(states(&message), ["accepted", "refused"]);
    assert!(message["sending"]["recipients"][1]["reply"].as_str().unwrap().contains("5.7.1"));
}

#[test]
fn what_some_have_is_cancelled_for_the_others_alone() {
    let relay = Relay::scripted(|at, count| match (at, count) {
        ("RCPT", 2..) => say("450 4.2.0 try later"),
        _ => None,
    });
    let sending = Sending::through(&relay);
    let mut mail = sending.mail("carl@customer.test");
    mail["cc"] = json!(["later@customer.test"]);
    let receipt = sending.send(&mail);
    sending.wait_for(&receipt["id"], "retrying");
    let path = format!("/api/v1/messages/{}", receipt["id"].as_str().unwrap());
    // Just now it may be on its way.
    while sending.account.api.call("DELETE", &path, None).status != 204 {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let message = sending.message(&receipt["id"]);
    assert_eq!(message["status"], "bounced", "{message:#}");
    assert_eq!(states(&message), ["accepted", "refused"]);
    assert_eq!(relay.mails().len(), 1);
}

#[test]
fn a_hostile_relay_is_an_error_and_nothing_more() {
    let hostile = [
        Act::Flood("250-x".repeat(100)),
        Act::Flood("250-and so on\r\n".to_owned()),
        Act::Say("999 what".to_owned()),
        Act::Say("hello".to_owned()),
        Act::Say("25".to_owned()),
        Act::Say("250 \0\0\0".to_owned()),
        Act::Say("250 \u{fffd}\u{1b}[2J".to_owned()),
    ];
    for act in hostile {
        let first = act.clone();
        let relay =
            Relay::scripted(move |at, count| (at == "EHLO" && count == 1).then(|| first.clone()));
        let sending = Sending::through(&relay);
        let receipt = sending.send(&sending.mail("carl@customer.test"));
        sending.wait_for(&receipt["id"], "sent");
        assert_eq!(relay.mails().len(), 1, "{act:?}");
    }
}

#[test]
fn a_relay_that_is_down_loses_nothing_and_keeps_the_order() {
    let relay = Relay::scripted(|at, count| (at == "connect" && count <= 3).then_some(Act::Close));
    let sending = Sending::through(&relay);
    let receipts: Vec<_> = (0..10)
        .map(|n| {
            let mut mail = sending.mail("carl@customer.test");
            mail["subject"] = json!(format!("Number {n}"));
            sending.send(&mail)
        })
        .collect();
    for receipt in &receipts {
        sending.wait_for(&receipt["id"], "sent");
    }
    let subjects: Vec<String> = relay
        .mails()
        .iter()
        .map(|mail| mail.content.split("Subject: ").nth(1).unwrap()[..8].to_owned())
        .collect();
    assert_eq!(subjects, (0..10).map(|n| format!("Number {n}")).collect::<Vec<_>>());
}

#[test]
fn tls_that_is_demanded_or_fails_never_falls_back_to_clear() {
    // It offers STARTTLS and cannot do it: what follows the 220 is no handshake.
    let relay = Relay::scripted(|at, _| match at {
        "EHLO" => say("250-relay.test\r\n250 STARTTLS"),
        "STARTTLS" => say("220 go on"),
        _ => None,
    });
    let sending = Sending::through(&relay);
    let receipt = sending.send(&sending.mail("carl@customer.test"));
    let message = sending.wait_for(&receipt["id"], "retrying");
    assert!(message["sending"]["detail"].as_str().unwrap().contains("TLS"), "{message}");
    assert_eq!((relay.mails().len(), relay.count("MAIL")), (0, 0));

    // It does not offer it, and it is demanded.
    let relay = Relay::start();
    let provider = json!({"sub_account_provider": {
        "host": "127.0.0.1", "port": relay.address.port(), "username": "acme", "password": "pw",
        "default_from": "crm@acme.test", "security": "starttls"}});
    sending.account.api.call("PATCH", "/api/v1/settings", Some(&provider)).expect(200);
    let receipt = sending.send(&sending.mail("dora@customer.test"));
    let message = sending.wait_for(&receipt["id"], "retrying");
    assert!(message["sending"]["detail"].as_str().unwrap().contains("STARTTLS"), "{message}");
    assert_eq!((relay.count("AUTH"), relay.count("MAIL")), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_is_found_by_the_resolver_that_the_operator_named() {
    let zone = Zone::default().a("relay.corp.test", Ipv4Addr::LOCALHOST).serve().await;
    tokio::task::block_in_place(|| {
        let relay = Relay::start();
        let setup = Gateway::setup().with("DNS__RESOLVER", zone.address.to_string());
        let sending = Sending::of(setup, &relay);
        let provider = json!({"sub_account_provider": {
            "host": "relay.corp.test", "port": relay.address.port(), "username": "acme",
            "password": "pw", "default_from": "crm@acme.test"}});
        sending.account.api.call("PATCH", "/api/v1/settings", Some(&provider)).expect(200);
        let receipt = sending.send(&sending.mail("carl@customer.test"));
        // It is there, and no password is told in clear to a host that is not this machine by its name.
        let message = sending.wait_for(&receipt["id"], "retrying");
        assert!(message["sending"]["detail"].as_str().unwrap().contains("STARTTLS"), "{message}");
        assert_eq!((relay.count("EHLO") > 0, relay.count("AUTH")), (true, 0));
    });
}
