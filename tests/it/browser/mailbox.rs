//! A mailbox is connected in a real browser, through the consent pages of the laboratory that plays
//! Microsoft, and disconnected again.

use std::net::TcpListener;

use super::visitor::Visitor;
use crate::support::browser::Look;
use crate::support::gateway::{Gateway, Setup};
use crate::support::lab::{CLIENT_ID, CLIENT_SECRET, Mailbox, lab};

/// A port that nobody has: the provider sends the browser back to an address that is known before.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A gateway that browsers find where it says, and that believes the laboratory's certificates.
pub fn setup() -> Setup {
    let address = format!("127.0.0.1:{}", free_port());
    Gateway::setup()
        .with("HTTP__LISTEN", address)
        .with("TLS__EXTRA_ROOTS", lab().ca().display().to_string())
}

fn gateway() -> Gateway {
    let lab = lab();
    setup()
        .with("PROVIDERS__OUTLOOK__CLIENT_ID", CLIENT_ID)
        .with("PROVIDERS__OUTLOOK__CLIENT_SECRET", CLIENT_SECRET)
        .with("PROVIDERS__OUTLOOK__AUTHORIZE_URL", lab.authorize_url())
        .with("PROVIDERS__OUTLOOK__TOKEN_URL", lab.token_url())
        .with("PROVIDERS__OUTLOOK__IMAP", lab.imap())
        .with("PROVIDERS__OUTLOOK__SMTP", lab.smtp())
        .start()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outlook_is_connected_by_its_consent_page_and_disconnected() {
    let gateway = gateway();
    let mailbox = lab().mailbox("browser");
    let visitor = Visitor::with(Look::DESK).await;
    let code = gateway.greeting().split("code=").nth(1).unwrap();
    let code = code.split_whitespace().next().unwrap().to_owned();
    let url = |path: &str| format!("http://{}{path}", gateway.http());
    visitor.go(&url(&format!("/sign-in?code={code}"))).await;
    visitor.press("Sign in").await;
    visitor.sees("Welcome, You").await;
    visitor.go(&url("/settings/email")).await;
    visitor.sees("Outlook (Microsoft 365)").await;
    visitor.is_clean().await;
    visitor.press("Connect").await;
    // On to the provider, by the page between.
    visitor.sees("Permissions requested").await;
    visitor.fill("[name=address]", &mailbox.address).await;
    visitor.press("Accept").await;
    // Back on the page that it began on (M1), with what was proved (M2).
    visitor.sees("is connected").await;
    visitor.sees(&mailbox.address).await;
    for proved in ["Signed in", "New mail is pushed", "Sent mail is in Sent", "Sending is allowed"]
    {
        visitor.sees(proved).await;
    }
    visitor.sees("Inbox and Sent are watched").await;
    visitor.is_clean().await;
    visitor.picture("settings-email-connected").await;
    visitor.writes_and_is_answered(&gateway, &mailbox).await;
    visitor.go(&url("/settings/email")).await;
    // What becomes of it is shown as it happens, and on every page.
    mailbox.revoke_consent();
    mailbox.kick();
    visitor.sees("Needs your consent again").await;
    visitor.is_clean().await;
    visitor.go(&url("/conversations")).await;
    visitor.sees("Your mailbox no longer lets Mailweave in").await;
    visitor.is_clean().await;
    visitor.picture("conversations-needs-consent").await;
    visitor.press("Consent again").await;
    visitor.press("Consent again").await;
    visitor.sees("Permissions requested").await;
    visitor.fill("[name=address]", &mailbox.address).await;
    visitor.press("Accept").await;
    visitor.sees("is connected").await;
    visitor.disconnects_elsewhere(url).await;
}

impl Visitor {
    /// Sends a mail, and sees the answer come without doing anything.
    async fn writes_and_is_answered(&self, gateway: &Gateway, mailbox: &Mailbox) {
        let customer = lab().mailbox("customer");
        self.go(&format!("http://{}/conversations/new", gateway.http())).await;
        // From whom, before one has written.
        self.sees(&format!("<{}>", mailbox.address)).await;
        self.is_clean().await;
        self.picture("compose").await;
        self.fill("#to", &customer.address).await;
        self.fill("#subject", "Forty seats").await;
        self.find(".rich").await.send_keys("Shall we?").await.unwrap();
        self.click(".compose-actions [value=send]").await;
        self.sees("Sent from here").await;
        self.is_clean().await;
        let sent = customer.wait_for_mails("INBOX", 1).remove(0);
        let id = sent.content.split("Message-ID:").nth(1).unwrap();
        let id = id.split_whitespace().next().unwrap();
        let (from, to) = (&customer.address, &mailbox.address);
        let answer = format!(
            "From: {from}\nTo: {to}\nSubject: Re: Forty seats\nMessage-ID: <yes@{to}>\n\
             In-Reply-To: {id}\n\nYes, gladly.\n"
        );
        mailbox.deliver(from, &answer);
        self.sees("Yes, gladly.").await;
        // It fades in.
        self.0.until("return document.getAnimations().length == 0").await;
        self.is_clean().await;
        self.picture("thread-answered").await;
        self.writes_for_tomorrow().await;
    }

    /// It says when it goes.
    async fn writes_for_tomorrow(&self) {
        self.click(".reply-box > summary").await;
        self.find(".rich").await.send_keys("And then?").await.unwrap();
        self.click(".later > summary").await;
        let tomorrow = "const at = new Date(Date.now() + 864e5).toISOString().slice(0, 16); \
            document.querySelector('#send_at').value = at";
        self.0.run(tomorrow).await;
        self.press("Send then").await;
        self.sees("To be sent").await;
        self.is_clean().await;
        self.picture("thread-later").await;
    }

    /// In another window, while this one shows a thread: there it stops before one's eyes.
    async fn disconnects_elsewhere(&self, url: impl Fn(&str) -> String) {
        self.go(&url("/conversations")).await;
        self.click(".mail").await;
        self.sees("In sync").await;
        let here = self.0.driver.window().await.unwrap();
        let other = self.0.driver.new_tab().await.unwrap();
        self.0.driver.switch_to_window(other).await.unwrap();
        self.go(&url("/settings/email")).await;
        self.press("Update email").await;
        self.sees("The present mailbox works on until").await;
        self.sees("from the present address, also those for later, are not sent then: 1.").await;
        self.press("Disconnect").await;
        self.sees("Threads of this mailbox stop").await;
        self.sees("New mail cannot be sent from the CRM until").await;
        self.is_clean().await;
        self.press("Disconnect this mailbox").await;
        self.sees("What was synced stays readable").await;
        self.sees("A mailbox was connected before").await;
        self.is_clean().await;
        self.0.driver.switch_to_window(here).await.unwrap();
        self.sees("Your email settings").await;
        self.find(".part-sync .warn").await;
        self.is_clean().await;
        self.picture("thread-stopped").await;
    }
}
