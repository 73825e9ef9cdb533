//! The pages in a real browser: whole journeys, nothing on the console, axe-core clean on each page; and the
//! pictures for README (`.ci/screenshots`).

mod driver;

use driver::{Browser, Look};

use crate::support::gateway::Gateway;
use crate::support::sender::Sender;

/// A gateway as its first user finds it, who is `you@example.com`.
struct Place {
    gateway: Gateway,
    link: String,
    address: String,
}

impl Place {
    fn new() -> Self {
        let gateway = Gateway::start();
        let told = |name: &str| {
            let mut lines = gateway.greeting().lines();
            let line = lines.find_map(|line| line.trim().strip_prefix(name)).unwrap();
            line.trim().to_owned()
        };
        let code = told("Sign-in link (works once)").split_once("code=").unwrap().1.to_owned();
        let link = format!("http://{}/sign-in?code={code}", gateway.http());
        let address = told("Smart BCC address");
        Self { gateway, link, address }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.gateway.http())
    }

    fn mail(&self, from: &str, header: &[&str], body: &str) {
        let mail = format!("From: {from}\r\n{}\r\n\r\n{body}\r\n", header.join("\r\n"));
        let mut sender = Sender::connect(self.gateway.smtp()).unwrap();
        let sent = sender.send("you@example.com", &self.address, mail.as_bytes()).unwrap();
        assert_eq!(sent.code, 250, "{sent:?}");
    }

    /// Mail of which each has another fate.
    fn post(&self) {
        let you = "You <you@example.com>";
        self.mail(
            you,
            &[
                "To: Ann Customer <ann@customer.example>",
                "Subject: Offer for the autumn campaign",
                "Message-ID: <offer@example.com>",
            ],
            "Hello Ann,\r\nhere is the offer.",
        );
        self.mail(
            you,
            &[
                "To: Bob Stone <bob@builders.example>, Carla <carla@builders.example>",
                "Subject: Meeting on Thursday",
                "Message-ID: <meeting@example.com>",
            ],
            "See you at ten.",
        );
        self.mail(
            you,
            &["Subject: A word to all of you", "Message-ID: <all@example.com>"],
            "To everybody in Bcc.",
        );
        self.mail(
            you,
            &["To: You <you@example.com>", "Subject: Lunch?", "Message-ID: <lunch@example.com>"],
            "At noon?",
        );
        self.mail(
            "You <you@private.example>",
            &[
                "To: Dora Client <dora@client.example>",
                "Subject: Contract, signed",
                "Message-ID: <contract@private.example>",
            ],
            "Here it is, signed. I hope you had a good week.",
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_user_signs_in_and_decides_about_held_mail() {
    let place = Place::new();
    place.post();
    let browser = Browser::open(Look::DESK).await;
    browser.go(&place.link).await;
    browser.sees("This link works once").await;
    browser.is_clean().await;
    browser.press("Sign in").await;
    browser.sees("Welcome, You").await;
    browser.is_clean().await;
    browser.fill("#new", "correct horse").await;
    browser.press("Save and go on").await;
    browser.go(&place.url("/settings/email")).await;
    browser.sees(&place.address).await;
    browser.sees("Your password is saved").await;
    browser.is_clean().await;
    browser.press("Make a new address").await;
    browser.sees("The old address stops at once").await;
    browser.is_clean().await;
    browser.press("Make a new address now").await;
    browser.sees("The old one has stopped").await;

    browser.press("Activity").await;
    browser.sees("all its recipients are colleagues").await;
    browser.is_clean().await;
    browser.press("Contract, signed").await;
    browser.sees("is not the address of any user here").await;
    browser.is_clean().await;
    browser.click("[name=add_alias]").await;
    browser.press("Release").await;
    browser.sees("Released: the mail is filed").await;
    browser.is_clean().await;
    browser.press("Undo").await;
    browser.sees("Undone.").await;
    browser.go(&place.url("/activity?outcome=held")).await;
    browser.press("Choose the contact").await;
    browser.fill("#contact_email", "eve@client.example").await;
    browser.press("Release").await;
    browser.sees("eve@client.example").await;
    browser.fill_why(&place, "<nobody@nowhere.example>").await;
    browser.sees("This mail never came here").await;
    browser.fill_why(&place, "lunch@example.com").await;
    browser.sees("all its recipients are colleagues").await;

    browser.click(".me summary").await;
    browser.press("Sign out").await;
    browser.sees("You are signed out").await;
    browser.is_clean().await;
    browser.fill("#email", "you@example.com").await;
    browser.fill("#password", "wrong horse").await;
    browser.press("Sign in").await;
    browser.sees("do not go together").await;
    browser.is_clean().await;
    browser.fill("#password", "correct horse").await;
    browser.press("Sign in").await;
    browser.sees("Sign out").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_say_what_they_change_and_hold() {
    let place = Place::new();
    place.post();
    let browser = Browser::open(Look::DARK).await;
    browser.sign_in_by_link(&place).await;
    browser.go(&place.url("/settings/sub-account")).await;
    browser.is_clean().await;
    browser.fill("#colleague_domains", "customer.example").await;
    browser.press("Review changes").await;
    browser.sees("as they were to colleagues alone: 1.").await;
    browser.is_clean().await;
    browser.press("Save these settings").await;
    browser.sees("The settings are saved").await;
    browser.fill("#colleague_domains", "gmail.com").await;
    browser.press("Review changes").await;
    browser.sees("Everybody may have an address at gmail.com").await;
    browser.is_clean().await;
    browser.go(&place.url("/settings/people")).await;
    browser.fill("#name", "Dora").await;
    browser.fill("#email", "dora@example.com").await;
    browser.press("Invite").await;
    browser.sees("A sign-in link for Dora").await;
    browser.is_clean().await;
    browser.go(&place.url("/contacts")).await;
    browser.is_clean().await;
    browser.press("Bob Stone").await;
    browser.sees("came by smart BCC").await;
    browser.is_clean().await;
    browser.go(&place.url("/settings/account")).await;
    browser.is_clean().await;
    browser.press("Set it up").await;
    browser.sees("Scan this with your authenticator app").await;
    browser.is_clean().await;
    browser.go(&place.url("/no/such/page")).await;
    browser.sees("There is no such page").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_can_be_read_and_set_without_scripts() {
    let place = Place::new();
    place.post();
    let browser = Browser::open(Look { has_scripts: false, ..Look::PHONE }).await;
    browser.sign_in_by_link(&place).await;
    browser.go(&place.url("/activity?outcome=held")).await;
    browser.press("Discard").await;
    browser.sees("Discarded. You can undo this.").await;
    browser.press("Undo").await;
    browser.sees("Undone.").await;
    browser.go(&place.url("/settings/sub-account")).await;
    browser.click("[name=follow_contacts]").await;
    browser.press("Review changes").await;
    browser.press("Save these settings").await;
    browser.sees("The settings are saved").await;
    browser.go(&place.url("/settings/email")).await;
    browser.press("Make a new address").await;
    browser.press("Make a new address now").await;
    browser.sees("The old one has stopped").await;
}

/// The main pages on screens of every width, light and dark; with MAILWEAVE_SCREENSHOTS they are kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_fit_every_screen() {
    let looks = [
        ("light", Look { width: 1600, height: 1000, ..Look::DESK }),
        ("dark", Look { width: 1024, ..Look::DARK }),
        ("phone", Look::PHONE),
        ("phone-dark", Look { is_dark: true, ..Look::PHONE }),
    ];
    for (name, look) in looks {
        let place = Place::new();
        place.post();
        let browser = Browser::open(look).await;
        browser.sign_in_by_link(&place).await;
        for path in [
            "activity",
            "contacts",
            "settings/email",
            "settings/account",
            "settings/sub-account",
            "settings/people",
        ] {
            browser.go(&place.url(&format!("/{path}"))).await;
            browser.is_clean().await;
            browser.picture(&format!("{}-{name}", path.replace('/', "-"))).await;
        }
    }
}

impl Browser {
    async fn sign_in_by_link(&self, place: &Place) {
        self.go(&place.link).await;
        self.press("Sign in").await;
        self.sees("Welcome, You").await;
    }

    async fn fill_why(&self, place: &Place, text: &str) {
        self.go(&place.url("/activity")).await;
        self.fill("#q", text).await;
        self.press("Find").await;
    }
}
