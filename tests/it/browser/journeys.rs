//! Ways that a salesperson goes from end to end: the address is copied and a mail forwarded to it, a mail is
//! written with a file, taken back, sent after all, or sent later; and what is open follows what happens. No page
//! complains, and each can be read by everybody.

use std::time::{Duration, Instant};

use thirtyfour::prelude::*;

use super::visitor::Visitor;
use crate::support::browser::Chrome;
use crate::support::gateway::Gateway;
use crate::support::relay::Relay;
use crate::support::sender::Sender;

fn start() -> Gateway {
    Gateway::setup()
        .with("SMTP__VERIFY", "off")
        .with("OUTGOING__ALLOWED_NETWORKS", "127.0.0.0/8")
        .start()
}

fn url(gateway: &Gateway, path: &str) -> String {
    format!("http://{}{path}", gateway.http())
}

/// Brings a mail to a smart BCC address.
fn bring(gateway: &Gateway, to: &str, mail: &str) {
    let mut sender = Sender::connect(gateway.smtp()).unwrap();
    let mail = mail.replace('\n', "\r\n");
    let reply = sender.send("you@example.com", to, mail.as_bytes()).unwrap();
    assert_eq!(reply.code, 250, "{}", reply.text);
}

impl Visitor {
    /// What the browser's clipboard holds, as pasting it shows.
    async fn pasted(&self) -> String {
        let field = self.find("#q").await;
        field.click().await.unwrap();
        field.send_keys(Key::Control + "v").await.unwrap();
        let pasted = self.0.run("return document.querySelector('#q').value").await;
        pasted.as_str().unwrap().to_owned()
    }

    /// The sub-account sends through it from now on.
    async fn gives_relay(&self, gateway: &Gateway, relay: &Relay) {
        self.go(&url(gateway, "/settings/sub-account")).await;
        let port = relay.address.port().to_string();
        for (field, value) in
            [("#host", "127.0.0.1"), ("#port", &port), ("#default_from", "you@example.com")]
        {
            self.fill(field, value).await;
        }
        self.0.run("document.querySelector('#security').value = 'plain'").await;
        self.press("Save the relay").await;
        self.sees("The relay is saved").await;
        self.is_clean().await;
    }

    async fn writes(&self, gateway: &Gateway, subject: &str) {
        self.go(&url(gateway, "/conversations/new")).await;
        self.fill("#to", "Bob Stone <bob@client.example>").await;
        self.fill("#subject", subject).await;
        self.find(".rich").await.send_keys("As we said.").await.unwrap();
    }

    /// Drops a file where one writes, as from a folder.
    async fn drops(&self, name: &str, text: &str) {
        let drop = format!(
            "const data = new DataTransfer(); \
             data.items.add(new File(['{text}'], '{name}', {{ type: 'text/plain' }})); \
             for (const type of ['dragover', 'drop']) document.querySelector('.editor').dispatchEvent( \
                 new DragEvent(type, {{ bubbles: true, cancelable: true, dataTransfer: data }}));"
        );
        self.0.run(&drop).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_copied_address_takes_a_forward_and_the_open_page_shows_it_filed() {
    let gateway = start();
    let visitor = Visitor(Chrome::signed_in(&gateway).await);
    visitor.go(&url(&gateway, "/settings/email")).await;
    let shown = visitor.find("#bcc").await.text().await.unwrap();
    visitor.click("[data-copy=bcc]").await;
    visitor.sees("Copied").await;
    visitor.is_clean().await;
    // The first pages carried the stylesheet; by now the browser has it.
    visitor.0.until("return document.cookie.includes('style=')").await;
    visitor.go(&url(&gateway, "/activity")).await;
    visitor.find("link[rel=stylesheet]").await;
    visitor.is_clean().await;
    let address = visitor.pasted().await;
    assert_eq!(address, shown);
    visitor.go(&url(&gateway, "/activity")).await;
    visitor.sees("Nothing has arrived yet").await;
    // Most of what is not stored makes no event.
    let lunch = "From: You <you@example.com>\nTo: You <you@example.com>\nSubject: Lunch?\n\
        Message-ID: <lunch@example.com>\n\nAt noon?\n";
    bring(&gateway, &address, lunch);
    visitor.sees("all its recipients are colleagues").await;

    // B6: forwarded to that address alone.
    let forward = format!(
        "From: You <you@example.com>\nTo: {address}\nSubject: FW: A question\n\
         Message-ID: <forward@example.com>\n\nPlease see below.\n\n\
         ________________________________\nFrom: Dora Client <dora@client.example>\n\
         Sent: Monday, November 2, 2026 10:00 AM\nTo: You <you@example.com>\n\
         Subject: A question\n\nHow much is it?\n"
    );
    bring(&gateway, &address, &forward);
    visitor.sees("you forwarded it, and it is from dora@client.example").await;
    visitor.is_clean().await;
    visitor.press("A question").await;
    visitor.press("Open the conversation").await;
    visitor.sees("How much is it?").await;
    visitor.is_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_with_a_dropped_file_is_taken_back_and_sent_after_all_once() {
    let (gateway, relay) = (start(), Relay::start());
    let visitor = Visitor(Chrome::signed_in(&gateway).await);
    visitor.gives_relay(&gateway, &relay).await;
    visitor.writes(&gateway, "Forty seats").await;
    visitor.drops("offer.txt", "Forty seats, twenty each.").await;
    visitor.sees("offer.txt").await;
    visitor.is_clean().await;
    visitor.click(".compose-actions [value=send]").await;
    // Within the ten seconds.
    visitor.click(".undo button").await;
    visitor.sees("The mail was taken back. Here it is.").await;
    visitor.sees("offer.txt").await;
    visitor.is_clean().await;
    assert_eq!(visitor.find(".rich").await.text().await.unwrap(), "As we said.");

    visitor.click(".compose-actions [value=send]").await;
    visitor.find(".undo button").await;
    let mails = relay.wait_for(1);
    assert_eq!(mails.len(), 1, "what was taken back never went");
    assert_eq!(mails[0].to, ["bob@client.example"]);
    assert!(mails[0].content.contains("offer.txt"), "{}", mails[0].content);
    // The open page says so by itself, and that it is too late now.
    visitor.0.until(IS_SENT).await;
    visitor.0.until("return !document.querySelector('.undo')").await;
    visitor.is_clean().await;
    assert_eq!(relay.mails().len(), 1);
}

/// The open thread says that its mail is sent.
const IS_SENT: &str =
    "return document.querySelector('.message-foot .tag.good')?.textContent == 'Sent'";

/// The next full minute that is not too near, as the form takes it.
const SOON: &str = "const at = new Date(Math.ceil((Date.now() + 15e3) / 6e4) * 6e4); \
    document.querySelector('#send_at').value = at.toISOString().slice(0, 16)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_for_later_waits_and_goes_at_its_time() {
    let (gateway, relay) = (start(), Relay::start());
    let visitor = Visitor(Chrome::signed_in(&gateway).await);
    visitor.gives_relay(&gateway, &relay).await;
    visitor.writes(&gateway, "In a minute").await;
    visitor.click(".later > summary").await;
    visitor.0.run(SOON).await;
    visitor.press("Send then").await;
    visitor.sees("The mail will be sent at the time you chose").await;
    assert!(relay.mails().is_empty(), "it waits");
    visitor.is_clean().await;
    let deadline = Instant::now() + Duration::from_secs(200);
    while relay.mails().is_empty() {
        assert!(Instant::now() < deadline, "it never went");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    visitor.0.until(IS_SENT).await;
    visitor.is_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contacts_and_the_gateway_follow_what_comes() {
    let gateway = start();
    let address = gateway.greeting().split("Smart BCC address").nth(1).unwrap();
    let address = address.split_whitespace().next().unwrap();
    let visitor = Visitor(Chrome::signed_in(&gateway).await);
    visitor.go(&url(&gateway, "/contacts")).await;
    visitor.sees("Nobody yet").await;
    let mail = |name: &str| {
        format!(
            "From: You <you@example.com>\nTo: {name} Client <{name}@client.example>\nSubject: Hi\n\
             Message-ID: <{name}@example.com>\n\nHello.\n"
        )
    };
    bring(&gateway, address, &mail("Dora"));
    visitor.sees("Dora Client").await;
    visitor.is_clean().await;
    let here = visitor.0.driver.window().await.unwrap();
    let other = visitor.0.driver.new_tab().await.unwrap();
    visitor.0.driver.switch_to_window(other).await.unwrap();
    visitor.go(&url(&gateway, "/admin")).await;
    visitor.sees("1 in all").await;
    bring(&gateway, address, &mail("Eve"));
    visitor.sees("2 in all").await;
    visitor.is_clean().await;
    visitor.0.driver.switch_to_window(here).await.unwrap();
    visitor.sees("Eve Client").await;
}
