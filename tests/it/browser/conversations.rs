//! Conversations as a person uses them: new mail appears by itself, is found while one types, is read, and a
//! draft is kept while one writes. No page complains.

use serde_json::json;

use crate::support::browser::Chrome;
use crate::support::gateway::Gateway;
use crate::support::sender::Sender;

fn bcc_address(gateway: &Gateway) -> &str {
    let rest = gateway.greeting().split("Smart BCC address").nth(1).unwrap();
    rest.split_whitespace().next().unwrap()
}

fn arrive(gateway: &Gateway, to: &str, subject: &str, text: &str) {
    let id = subject.replace(' ', ".");
    let mail = format!(
        "From: You <you@example.com>\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{id}@x.example>\r\n\r\n{text}\r\n"
    );
    let mut sender = Sender::connect(gateway.smtp()).unwrap();
    let reply = sender.send("you@example.com", bcc_address(gateway), mail.as_bytes()).unwrap();
    assert_eq!(reply.code, 250, "{}", reply.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_appears_by_itself_is_found_while_one_types_and_is_read() {
    let gateway = Gateway::setup().with("SMTP__VERIFY", "off").start();
    let chrome = Chrome::signed_in(&gateway).await;
    chrome.open(&gateway, "/conversations").await;
    chrome.wait_for(".empty").await;
    chrome.complaints().await;
    arrive(&gateway, "Bob Stone <bob@client.example>", "The offer", "Forty seats, as discussed.");
    chrome.wait_for(".mail").await;
    chrome.run("document.querySelector('.mail').focus()").await;
    arrive(&gateway, "Cleo Park <cleo@other.example>", "Lunch", "At noon?");
    chrome.wait_for(".mails li:nth-child(2)").await;
    // Whoever is at a mail of the list is still there.
    chrome.until("return document.activeElement.textContent.includes('The offer')").await;

    let search = chrome.wait_for("input[type=search]").await;
    search.send_keys("discussed").await.unwrap();
    chrome.until("return document.querySelectorAll('.mail').length == 1").await;
    let told = "return document.querySelector('[data-told]').textContent";
    chrome.until(&format!("{told} == 'Conversations found: 1'")).await;
    chrome.click(".mail").await;
    let text = "return document.querySelector('.text')?.textContent.includes('Forty seats')";
    chrome.until(text).await;

    // A key opens the answer, and one is in its text; where keys are off it does nothing.
    let press = |key: &'static str| {
        let chrome = &chrome;
        async move { chrome.wait_for("body").await.send_keys(key).await.unwrap() }
    };
    let is_writing = "return document.activeElement.className == 'rich'";
    chrome.run("localStorage.setItem('keys', 'off')").await;
    press("r").await;
    assert_eq!(chrome.run("return document.querySelector('.reply-box').open").await, json!(false));
    chrome.run("localStorage.removeItem('keys')").await;
    press("r").await;
    chrome.until(is_writing).await;
    chrome.run("document.activeElement.blur()").await;
    press("r").await;
    chrome.until(is_writing).await;
    assert_eq!(chrome.wait_for(".rich").await.text().await.unwrap(), "");

    // In the open thread, too.
    arrive(&gateway, "Bob Stone <bob@client.example>", "One more thing", "The price holds.");
    chrome.until("return document.querySelectorAll('.message').length == 2").await;
    assert_eq!(chrome.complaints().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_writes_is_kept_and_nothing_is_lost_when_it_cannot_be_sent() {
    let gateway = Gateway::setup().with("SMTP__VERIFY", "off").start();
    let chrome = Chrome::signed_in(&gateway).await;
    chrome.open(&gateway, "/conversations/new").await;
    chrome.complaints().await;
    chrome.wait_for("#to").await.send_keys("Bob <bob@client.example>").await.unwrap();
    chrome.wait_for("#subject").await.send_keys("A question").await.unwrap();
    let rich = chrome.wait_for(".rich").await;
    rich.click().await.unwrap();
    chrome.click("[data-do=bold]").await;
    rich.send_keys("Where is it?").await.unwrap();
    chrome.until("return document.querySelector('[data-kept]').textContent != ''").await;
    assert_eq!(chrome.complaints().await, Vec::<String>::new());

    chrome.open(&gateway, "/conversations/new").await;
    chrome.click(".drafts summary").await;
    chrome.click(".drafts a").await;
    chrome.until("return location.search.startsWith('?draft=')").await;
    chrome.wait_for(".rich b").await;
    let subject = chrome.run("return document.querySelector('#subject').value").await;
    assert_eq!(subject, json!("A question"));
    // Nobody has connected a mailbox: it says so, and what was written is still there.
    chrome.click(".compose-actions [value=send]").await;
    chrome.wait_for("[role=alert]").await;
    assert_eq!(chrome.wait_for(".rich").await.text().await.unwrap(), "Where is it?");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_kept_is_not_said_to_be_and_is_not_lost_to_the_sign_in() {
    let gateway = Gateway::setup().with("SMTP__VERIFY", "off").start();
    let chrome = Chrome::signed_in(&gateway).await;
    chrome.open(&gateway, "/conversations/new").await;
    chrome.wait_for("#to").await.send_keys("Bob <bob@client.example>").await.unwrap();
    chrome.driver.delete_all_cookies().await.unwrap();
    let rich = chrome.wait_for(".rich").await;
    rich.send_keys("A long letter").await.unwrap();
    let is_said = "return document.querySelector('[data-kept]').textContent.includes('signed out')";
    chrome.until(is_said).await;
    chrome.run("document.querySelector('[data-kept]').textContent = ''").await;
    chrome.click(".compose-actions [value=send]").await;
    chrome.until(is_said).await;
    assert_eq!(chrome.wait_for(".rich").await.text().await.unwrap(), "A long letter");
}
