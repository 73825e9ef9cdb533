//! Delivery reports (B8): the mail that they give back is marked as bounced, with status and words.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{PATIENCE, Sending};
use crate::support::relay::Relay;
use crate::support::sender::Sender;

/// What a mail server says of a mail that it could not deliver (RFC 3464).
fn report(message_id: &str, to: &str) -> String {
    format!(
        "From: Mail Delivery System <MAILER-DAEMON@mx.test>\r\nTo: {to}\r\n\
         Subject: Undelivered Mail\r\nMessage-ID: <dsn-{message_id}>\r\nMIME-Version: 1.0\r\n\
         Auto-Submitted: auto-replied\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nIt could not be delivered.\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; mx.test\r\n\r\n\
         Final-Recipient: rfc822; carl@customer.test\r\nAction: failed\r\nStatus: 5.1.1\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n\
         --b\r\nContent-Type: message/rfc822\r\n\r\n\
         From: anna@acme.test\r\nTo: carl@customer.test\r\nSubject: Offer\r\n\
         Message-ID: <{message_id}>\r\n\r\nHello\r\n--b--\r\n"
    )
}

#[test]
fn a_report_at_the_smart_bcc_address_marks_what_the_crm_sent() {
    let relay = Relay::start();
    let sending = Sending::through(&relay);
    let receipt = sending.send(&sending.mail("carl@customer.test"));
    sending.wait_for(&receipt["id"], "sent");
    let deliver = |message_id: &str| {
        let mail = report(message_id, &sending.account.bcc_address);
        let mut sender = Sender::connect(sending.gateway.smtp()).expect("a connection");
        let reply =
            sender.send("", &sending.account.bcc_address, mail.as_bytes()).expect("a reply");
        assert_eq!(reply.code, 250);
    };
    deliver("somebody-elses@customer.test");
    assert_eq!(sending.message(&receipt["id"])["status"], "sent");
    deliver(receipt["message_id"].as_str().expect("an id"));
    let message = sending.wait_for(&receipt["id"], "bounced");
    let recipient = &message["sending"]["recipients"][0];
    assert_eq!((&recipient["state"], &recipient["reply"]), (&"bounced".into(), &"5.1.1".into()));
    assert!(message["sending"]["detail"].as_str().expect("words").contains("5.1.1"));
    // It is recorded as what it is, and no message is made of it.
    let verdicts = sending.account.api.list("/api/v1/verdicts?outcome=ignored");
    assert!(verdicts.iter().all(|it: &Value| it["reason"] == "delivery_report"), "{verdicts:?}");
    let deadline = Instant::now() + PATIENCE.min(Duration::from_secs(1));
    assert!(verdicts.len() == 2 && Instant::now() < deadline);
}
