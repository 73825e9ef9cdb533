//! What is on the wire (S8, E2): lines, dots, and a body that arrives as it was written.

use serde_json::json;

use super::Sending;
use crate::support::relay::Relay;

#[test]
fn dots_line_ends_and_long_lines_arrive_as_they_were_written() {
    let relay = Relay::start();
    let sending = Sending::through(&relay);
    let texts = [
        "a\n.\nb\n..\n.c\n".to_owned(),
        "a\rb\r\nc\n\n".to_owned(),
        "x".repeat(2_000),
        "Grüße 👋\n".repeat(50),
        ".\n".to_owned(),
    ];
    for (number, text) in texts.iter().enumerate() {
        let mut mail = sending.mail("carl@customer.test");
        mail["text"] = json!(text);
        let receipt = sending.send(&mail);
        let message = sending.wait_for(&receipt["id"], "sent");
        let plain = text.replace("\r\n", "\n").replace('\r', "\n");
        assert_eq!(message["text"].as_str().unwrap().trim_end(), plain.trim_end());
        let content = &relay.wait_for(number + 1)[number].content;
        assert!(
            content.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n']))
        );
        // What the relay has is what the API shows, byte by byte.
        let raw = sending
            .account
            .api
            .get(&format!("/api/v1/messages/{}/raw", receipt["id"].as_str().unwrap()));
        assert_eq!(String::from_utf8(raw.body).unwrap().trim_end(), content.trim_end());
    }
}

#[test]
fn the_date_is_in_the_zone_of_the_user() {
    let relay = Relay::start();
    let sending = Sending::through(&relay);
    let path = format!("/api/v1/users/{}", sending.account.user_id);
    let zone = json!({"time_zone": "Asia/Kolkata"});
    sending.account.api.call("PATCH", &path, Some(&zone)).expect(200);
    let receipt = sending.send(&sending.mail("carl@customer.test"));
    sending.wait_for(&receipt["id"], "sent");
    let content = &relay.wait_for(1)[0].content;
    let date = content.lines().find(|line| line.starts_with("Date: ")).unwrap();
    assert!(date.ends_with("+0530"), "{date}");
}
