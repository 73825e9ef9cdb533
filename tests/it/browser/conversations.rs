//! Conversations as a person uses them: new mail appears by itself, is found while one types, is read, and a
//! draft is kept while one writes. No page complains.

use serde_json::json;

use super::visitor::Visitor;
use crate::support::browser::Chrome;
use crate::support::gateway::Gateway;
use crate::support::sender::Sender;

fn bcc_address(gateway: &Gateway) -> &str {
    let rest = gateway.greeting().split("Smart BCC address").nth(1).unwrap();
    rest.split_whitespace().next().unwrap()
}

/// Brings a mail as it is to the smart BCC address.
fn bring(gateway: &Gateway, mail: &str) {
    let mut sender = Sender::connect(gateway.smtp()).unwrap();
    let mail = mail.replace("\r\n", "\n").replace('\n', "\r\n");
    let reply = sender.send("you@example.com", bcc_address(gateway), mail.as_bytes()).unwrap();
    assert_eq!(reply.code, 250, "{}", reply.text);
}

fn arrive(gateway: &Gateway, to: &str, subject: &str, text: &str) {
    let id = subject.replace(' ', ".");
    bring(
        gateway,
        &format!(
            "From: You <you@example.com>\nTo: {to}\nSubject: {subject}\nMessage-ID: <{id}@x.example>\n\n{text}\n"
        ),
    );
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

/// With a picture on another server, and a file of a type that is not kept.
const STRANGE: &str = "From: \"Bob Stone\" <bob@client.example>
To: you@example.com
Subject: Re: Offer
Message-ID: <strange@x.example>
In-Reply-To: <Offer@x.example>
Date: 3 Nov 2099 10:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/html; charset=utf-8

<p>Look at <b>this</b>: <img src=\"https://elsewhere.example/a.png\" width=90 height=40></p>
--b
Content-Type: application/x-sh; name=run.sh
Content-Disposition: attachment; filename=run.sh

exit
--b--
";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_strange_about_a_thread_is_said_and_can_be_read_by_everybody() {
    let gateway = Gateway::setup().with("SMTP__VERIFY", "off").start();
    arrive(&gateway, "Bob Stone <bob@client.example>, evil@x.example", "Offer", "Forty seats.");
    bring(&gateway, STRANGE);
    // By another, in the contact's name.
    let other = "From: \"bob@client.example\" <evil@x.example>\nTo: you@example.com\nSubject: Re: Offer\n\
        Message-ID: <other@x.example>\nIn-Reply-To: <Offer@x.example>\n\nPay to this account, please.\n";
    bring(&gateway, other);
    bring(&gateway, &other.replace("this account", "that account"));
    let visitor = Visitor(Chrome::signed_in(&gateway).await);
    visitor.go(&format!("http://{}/conversations", gateway.http())).await;
    visitor.press("Bob Stone").await;
    visitor.sees("Another address than that of Bob Stone").await;
    visitor.sees("The name says bob@client.example, but the mail is from another address").await;
    visitor.sees("Another mail carries the same Message-ID").await;
    visitor.sees("Left out: this type is not kept").await;
    visitor
        .0
        .run("for (const it of document.querySelectorAll('.message details')) it.open = true")
        .await;
    visitor.sees("Date of the sender").await;
    visitor.sees("SHA-256").await;
    visitor.sees("They are not loaded").await;
    visitor.is_clean().await;
    visitor.0.run("document.querySelector('.another').scrollIntoView()").await;
    visitor.picture("thread-strange").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_mail_is_found_with_whom_it_is_really_from() {
    let gateway = Gateway::setup().with("SMTP__VERIFY", "off").start();
    let block = "Please see below.\n\n________________________________\n\
        From: Dora Client <dora@client.example>\nSent: Monday, November 2, 2026 10:00 AM\n\
        To: You <you@example.com>\nSubject: A question\n\nHow much is it?\n";
    arrive(&gateway, bcc_address(&gateway), "FW: A question", block);
    let visitor = Visitor(Chrome::signed_in(&gateway).await);
    visitor.go(&format!("http://{}/conversations", gateway.http())).await;
    visitor.press("Dora Client").await;
    visitor.sees("How much is it?").await;
    visitor.is_clean().await;
    visitor.go(&format!("http://{}/activity", gateway.http())).await;
    visitor.sees("you forwarded it, and it is from dora@client.example").await;

    // What a report says of another mail is in its verdict.
    bring(&gateway, include_str!("../../data/eml/dsn_postfix.eml"));
    visitor.go(&format!("http://{}/activity?outcome=ignored", gateway.http())).await;
    visitor.press("Mail that is not kept").await;
    visitor.sees("What it reports").await;
    visitor.sees("not delivered, for good").await;
    visitor.is_clean().await;
    visitor.picture("verdict-report").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_mail_is_unsubscribed_from_by_a_page_for_everybody() {
    let gateway = Gateway::setup().with("SMTP__VERIFY", "off").start();
    let account = gateway.account("ann@acme.example");
    let relay = json!({"host": "relay.example", "port": 587, "username": "u", "password": "p",
        "default_from": "news@acme.example", "allowed_domains": ["acme.example"]});
    let settings = json!({"sub_account_provider": relay});
    account.api.call("PATCH", "/api/v1/settings", Some(&settings)).expect(200);
    let bulk = json!({"kind": "bulk", "user_id": account.user_id, "to": ["bob@client.example"],
        "subject": "News", "text": "Hello"});
    let sent = account.api.post("/api/v1/messages", &bulk).expect(202);
    let id = sent["id"].as_str().unwrap();
    let raw = account.api.get(&format!("/api/v1/messages/{id}/raw"));
    let raw = String::from_utf8(raw.body).unwrap().replace("\r\n ", "");
    let token = raw.split("/unsubscribe/").nth(1).unwrap();
    let token = token.split(['>', '\r']).next().unwrap();
    let visitor = Visitor(Chrome::start().await);
    visitor.go(&format!("http://{}/unsubscribe/{token}", gateway.http())).await;
    visitor.sees("You will get no more of these mails").await;
    visitor.is_clean().await;
    visitor.press("Unsubscribe").await;
    visitor.sees("You are unsubscribed").await;
    visitor.is_clean().await;
}

/// A mail with a file that is larger than is kept.
fn too_large() -> String {
    let file = "QUJD".repeat(19).repeat(60_000).into_bytes();
    let lines: Vec<_> = file.chunks(76).map(|line| String::from_utf8_lossy(line)).collect();
    format!(
        "From: You <you@example.com>\nTo: Bob Stone <bob@client.example>\nSubject: Plans\n\
         Message-ID: <plans@x.example>\nMIME-Version: 1.0\n\
         Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\n\n\
         The plans you asked for.\n--b\nContent-Type: application/pdf; name=plans.pdf\n\
         Content-Disposition: attachment; filename=plans.pdf\nContent-Transfer-Encoding: base64\n\n\
         {}\n--b--\n",
        lines.join("\n")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_thread_follows_what_becomes_of_its_mail() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gateway = Gateway::setup()
        .with("SMTP__VERIFY", "off")
        .with("OUTGOING__ALLOWED_NETWORKS", "127.0.0.0/8")
        .start();
    bring(&gateway, &too_large());
    let visitor = Visitor(Chrome::signed_in(&gateway).await);
    let url = |path: &str| format!("http://{}{path}", gateway.http());

    // A relay that nobody is at.
    visitor.go(&url("/settings/sub-account")).await;
    let port = address.port().to_string();
    for (field, value) in
        [("#host", "127.0.0.1"), ("#port", &port), ("#default_from", "you@example.com")]
    {
        visitor.fill(field, value).await;
    }
    visitor.press("Save the relay").await;
    visitor.sees("The relay is saved").await;
    visitor.go(&url("/conversations")).await;
    visitor.press("Bob Stone").await;
    visitor.sees("This mail was left out").await;
    let here = visitor.0.driver.window().await.unwrap();
    let thread = visitor.0.driver.current_url().await.unwrap().to_string();
    let other = visitor.0.driver.new_tab().await.unwrap();
    visitor.0.driver.switch_to_window(other).await.unwrap();
    visitor.go(&thread).await;
    visitor.press("File it without the file").await;
    visitor.sees("The mail is filed without the file").await;
    visitor.0.driver.switch_to_window(here).await.unwrap();
    visitor.sees("The plans you asked for.").await;

    visitor.click(".reply-box > summary").await;
    visitor.find(".rich").await.send_keys("Well?").await.unwrap();
    visitor.click(".compose-actions [value=send]").await;
    visitor.sees("Waiting to be sent").await;
    visitor.sees("Will be tried again").await;
}
