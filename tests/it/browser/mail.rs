//! Hostile mail in a real browser (D1, D3, D4): nothing of it runs and nothing of it is fetched, with both
//! walls, and with either of them alone. Without any, it does: so it is known that this would be seen.

use std::sync::Arc;

use mailweave::mail::safe::{self, Remote};

use crate::support::browser::Chrome;
use crate::support::gateway::Gateway;
use crate::support::sender::Sender;
use crate::support::trap::Trap;
use crate::support::vectors::VECTORS;

/// All vectors, aimed at a trap: what runs and what is fetched is seen there.
fn vectors(trap: &Trap) -> String {
    let host = format!("{}/caught", trap.host());
    // Written without a quote, so that it fits between any.
    let codes: Vec<String> = format!("//{host}/ran").bytes().map(|byte| byte.to_string()).collect();
    let attack = format!("fetch(String.fromCharCode({})+", codes.join(","));
    let all: Vec<String> = VECTORS
        .iter()
        .map(|vector| vector.replace("{host}", &host).replace("attack(", &attack))
        .collect();
    // One that leads elsewhere would take the others along.
    let all = all.into_iter().filter(|vector| !vector.contains("http-equiv=refresh"));
    all.collect::<Vec<_>>().join("\n<hr>\n")
}

/// Clicks on whatever can be clicked, and moves over whatever is there.
const PROVOKE: &str = "for (const it of document.querySelectorAll('*')) { \
    for (const type of ['pointerenter', 'mouseover', 'focus', 'error', 'load', 'toggle']) it.dispatchEvent(new Event(type)); \
    if (it.tagName === 'A') { it.target = '_self'; } } \
    for (const it of document.querySelectorAll('a[href^=javascript], a[href^=vbscript]')) it.click();";

/// Long enough for what would happen to happen.
async fn settle() {
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_mail_runs_nothing_and_fetches_nothing_behind_either_wall() {
    let trap = Trap::start().await;
    let chrome = Chrome::start().await;
    let hostile = vectors(&trap);

    // The first wall alone: made safe, and shown without any policy.
    let safe = safe::html(&hostile, &Arc::default(), Remote::Blocked);
    trap.serve("/first", &safe.html, None);
    chrome.goto(&trap.address("/first")).await;
    chrome.run(PROVOKE).await;
    settle().await;
    assert_eq!(trap.caught(), Vec::<String>::new());

    // The second wall alone: as it came, in the frame and under the policy of the pages.
    trap.serve("/second", &hostile, Some(safe::POLICY));
    let frame = "<iframe src=\"/second\" sandbox=\"allow-popups allow-popups-to-escape-sandbox\" width=900 height=900></iframe>";
    trap.serve("/around", frame, None);
    for path in ["/around", "/second"] {
        chrome.goto(&trap.address(path)).await;
        settle().await;
        assert_eq!(trap.caught(), Vec::<String>::new(), "{path}");
    }

    // No wall: this is what they keep out.
    trap.serve("/none", &hostile, None);
    chrome.goto(&trap.address("/none")).await;
    settle().await;
    let caught = trap.caught();
    assert!(caught.iter().any(|path| path.contains("ran")) && caught.len() > 10, "{caught:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_mail_is_read_in_the_page_and_its_pictures_come_when_asked_for() {
    let trap = Trap::start().await;
    let gateway = Gateway::setup().with("SMTP__VERIFY", "off").start();
    let chrome = Chrome::signed_in(&gateway).await;
    let hostile = vectors(&trap);
    let picture = format!(
        "<img id=asked src=\"http://{}/caught/asked.png\" width=40 height=40>",
        trap.host()
    );
    let mail = format!(
        "From: You <you@example.com>\r\nTo: \"<script>x</script>\" <bob@client.example>\r\n\
         Subject: <img src=x onerror=alert(1)>\r\nMessage-ID: <hostile@x.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/html; charset=utf-8\r\n\r\n{picture}{}\r\n",
        hostile.replace('\n', "\r\n")
    );
    let bcc = gateway.greeting().split("Smart BCC address").nth(1).unwrap();
    let bcc = bcc.split_whitespace().next().unwrap();
    let mut sender = Sender::connect(gateway.smtp()).unwrap();
    assert_eq!(sender.send("you@example.com", bcc, mail.as_bytes()).unwrap().code, 250);

    chrome.open(&gateway, "/conversations").await;
    chrome.complaints().await;
    chrome.click(".mail").await;
    chrome.click(".formatted > summary").await;
    chrome.wait_for(".formatted iframe").await;
    settle().await;
    assert_eq!(trap.caught(), Vec::<String>::new());
    assert_eq!(chrome.complaints().await, Vec::<String>::new());
    assert_eq!(
        chrome.run("return document.querySelectorAll('.text script, .text img').length").await,
        0
    );

    chrome.click(".formatted .notice a").await;
    settle().await;
    let caught = trap.caught();
    assert!(caught.iter().any(|path| path.contains("asked.png")), "{caught:?}");
    assert!(!caught.iter().any(|path| path.contains("ran")), "{caught:?}");
}
