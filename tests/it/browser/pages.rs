//! The pages in a real browser: whole journeys, nothing on the console, axe-core clean on each page; and the
//! pictures for README (`.ci/screenshots`).

use super::visitor::Visitor;
use crate::support::browser::Look;
use crate::support::gateway::Gateway;
use crate::support::sender::Sender;
use crate::support::totp::code;

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
    let visitor = Visitor::with(Look::DESK).await;
    visitor.go(&place.link).await;
    visitor.sees("This link works once").await;
    visitor.is_clean().await;
    visitor.press("Sign in").await;
    visitor.sees("Welcome, You").await;
    visitor.is_clean().await;
    visitor.fill("#new", "correct horse").await;
    visitor.press("Save and go on").await;
    visitor.sees("Your password is saved").await;
    visitor.is_clean().await;
    visitor.go(&place.url("/settings/email")).await;
    visitor.sees(&place.address).await;
    visitor.is_clean().await;
    visitor.press("Make a new address").await;
    visitor.sees("The old address stops at once").await;
    visitor.is_clean().await;
    visitor.press("Make a new address now").await;
    visitor.sees("The old one has stopped").await;

    visitor.press("Activity").await;
    visitor.sees("all its recipients are colleagues").await;
    visitor.is_clean().await;
    visitor.press("Contract, signed").await;
    visitor.sees("is not the address of any user here").await;
    visitor.is_clean().await;
    visitor.picture("verdict-held").await;
    visitor.click("[name=add_alias]").await;
    visitor.press("Release").await;
    visitor.sees("Released: the mail is filed").await;
    visitor.is_clean().await;
    visitor.press("Undo").await;
    visitor.sees("Undone.").await;
    visitor.go(&place.url("/activity?outcome=held")).await;
    visitor.press("Choose the contact").await;
    visitor.fill("#contact_email", "eve@client.example").await;
    visitor.press("Release").await;
    visitor.sees("eve@client.example").await;
    visitor.fill_why(&place, "<nobody@nowhere.example>").await;
    visitor.sees("This mail never came here").await;
    visitor.fill_why(&place, "lunch@example.com").await;
    visitor.sees("all its recipients are colleagues").await;

    visitor.click(".me summary").await;
    visitor.press("Sign out").await;
    visitor.sees("You are signed out").await;
    visitor.is_clean().await;
    visitor.fill("#email", "you@example.com").await;
    visitor.fill("#password", "wrong horse").await;
    visitor.press("Sign in").await;
    visitor.sees("do not go together").await;
    visitor.is_clean().await;
    visitor.fill("#password", "correct horse").await;
    visitor.press("Sign in").await;
    visitor.sees("Conversations").await;
    visitor.signs_in_with_a_second_factor(&place).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_say_what_they_change_and_hold() {
    let place = Place::new();
    place.post();
    let visitor = Visitor::with(Look::DARK).await;
    visitor.sign_in_by_link(&place).await;
    visitor.go(&place.url("/settings/sub-account")).await;
    visitor.is_clean().await;
    visitor.fill("#colleague_domains", "customer.example").await;
    visitor.press("Review changes").await;
    visitor.sees("as they were to colleagues alone: 1.").await;
    visitor.is_clean().await;
    visitor.press("Save these settings").await;
    visitor.sees("The settings are saved").await;
    visitor.fill("#colleague_domains", "gmail.com").await;
    visitor.press("Review changes").await;
    visitor.sees("Everybody may have an address at gmail.com").await;
    visitor.is_clean().await;
    visitor.go(&place.url("/settings/people")).await;
    visitor.fill("#name", "Dora").await;
    visitor.fill("#email", "dora@example.com").await;
    visitor.press("Invite").await;
    visitor.sees("A sign-in link for Dora").await;
    visitor.is_clean().await;
    visitor.go(&place.url("/contacts")).await;
    visitor.is_clean().await;
    visitor.press("Bob Stone").await;
    visitor.sees("came by smart BCC").await;
    visitor.is_clean().await;
    visitor.go(&place.url("/settings/account")).await;
    visitor.is_clean().await;
    visitor.press("Set it up").await;
    visitor.sees("Scan this with your authenticator app").await;
    visitor.is_clean().await;
    visitor.go(&place.url("/no/such/page")).await;
    visitor.sees("There is no such page").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_can_be_read_and_set_without_scripts() {
    let place = Place::new();
    place.post();
    let visitor = Visitor::with(Look { has_scripts: false, ..Look::PHONE }).await;
    visitor.sign_in_by_link(&place).await;
    visitor.go(&place.url("/activity?outcome=held")).await;
    visitor.press("Discard").await;
    visitor.sees("Discarded. You can undo this.").await;
    visitor.press("Undo").await;
    visitor.sees("Undone.").await;
    visitor.go(&place.url("/settings/sub-account")).await;
    visitor.click("[name=follow_contacts]").await;
    visitor.press("Review changes").await;
    visitor.press("Save these settings").await;
    visitor.sees("The settings are saved").await;
    visitor.go(&place.url("/settings/email")).await;
    visitor.press("Make a new address").await;
    visitor.press("Make a new address now").await;
    visitor.sees("The old one has stopped").await;
}

/// The main pages on screens of every width, light and dark; with SCREENSHOTS they are kept.
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
        let visitor = Visitor::with(look).await;
        visitor.sign_in_by_link(&place).await;
        for path in [
            "activity",
            "contacts",
            "settings/email",
            "settings/account",
            "settings/sub-account",
            "settings/people",
            "settings/developers",
            "settings/developers/api",
            "admin",
            "conversations",
            "conversations/new",
        ] {
            visitor.go(&place.url(&format!("/{path}"))).await;
            visitor.is_clean().await;
            visitor.picture(&format!("{}-{name}", path.replace('/', "-"))).await;
        }
        visitor.go(&place.url("/conversations")).await;
        visitor.click(".mail").await;
        visitor.find(".message").await;
        visitor.is_clean().await;
        visitor.picture(&format!("thread-{name}")).await;
        // An answer that is refused.
        visitor.click(".message-foot a.door").await;
        visitor.find(".rich").await.send_keys("Gladly.").await.unwrap();
        visitor.click(".compose-actions [value=send]").await;
        // That there is no way to send was said before, too.
        visitor.find(".composer [role=alert]").await;
        visitor.is_clean().await;
        visitor.picture(&format!("refused-{name}")).await;
    }
}

impl Visitor {
    async fn sign_in_by_link(&self, place: &Place) {
        self.go(&place.link).await;
        self.press("Sign in").await;
        self.sees("Welcome, You").await;
    }

    /// Sets it up, and comes back without the telephone.
    async fn signs_in_with_a_second_factor(&self, place: &Place) {
        self.go(&place.url("/settings/account")).await;
        self.press("Set it up").await;
        let letters = self.find("code.letters").await.text().await.unwrap();
        self.fill("#code", &code(&letters, 0)).await;
        self.press("Turn it on").await;
        self.sees("Your recovery codes").await;
        self.is_clean().await;
        let recovery = self.find("li code").await.text().await.unwrap();
        self.go(&place.url("/settings/account")).await;
        self.press("Set it up again").await;
        self.press("Turn it off").await;
        self.is_clean().await;
        self.picture("settings-account-second").await;
        self.click(".me summary").await;
        self.press("Sign out").await;
        self.fill("#email", "you@example.com").await;
        self.fill("#password", "correct horse").await;
        self.press("Sign in").await;
        self.sees("recovery codes").await;
        self.is_clean().await;
        self.fill("#code", &recovery).await;
        self.press("Sign in").await;
        self.sees("Conversations").await;
    }

    async fn fill_why(&self, place: &Place, text: &str) {
        self.go(&place.url("/activity")).await;
        self.fill("#q", text).await;
        self.press("Find").await;
    }
}
