//! The pages' own work: activity, the address for Bcc, people.

use axum::http::{StatusCode, header};
use mailweave::model::Trust;

use super::{Api, Browser};
use crate::web::api::mail;

#[tokio::test]
async fn held_mail_is_released_discarded_and_undone_by_the_page() {
    for api in &Api::both().await {
        let (mut browser, ann) = Browser::with_user(api, "ann@acme.example", "user").await;
        let hostile = "<script>alert(1)</script>";
        let held = api.mail_in(&ann, &mail("held@x", hostile, "\nHi\n"), Trust::Unverified).await;
        let list = browser.get("/activity?outcome=held").await;
        list.has("&#60;script&#62;alert(1)").has("nothing proves it").has("bob@client.example");
        assert!(!list.html.contains(hostile), "D2");
        let one = format!("/activity/{held}");
        browser.get(&one).await.has("Checks of the sender").has("&#60;held@x&#62;").has("Hi");
        // It is looked at as a whole before anybody decides.
        let raw = format!("{one}/raw");
        browser.get(&one).await.has(&raw);
        let whole = browser.get(&raw).await;
        whole.has("Message-ID: <held@x>");
        assert!(
            whole.headers[header::CONTENT_DISPOSITION].to_str().unwrap().contains("attachment")
        );
        let mut bea = Browser::of(api, "bea@acme.example", "user").await;
        assert_eq!(bea.get(&raw).await.status, StatusCode::NOT_FOUND);
        // Every page says that something waits, to whom it may concern.
        browser.get("/contacts").await.has("Held mails: 1");
        assert!(!bea.get("/contacts").await.html.contains("Held mails"));
        browser
            .submit(&format!("{one}/discard"), &[])
            .await
            .has("Somebody discarded it")
            .has("Ann Example");
        browser.submit(&format!("{one}/undo"), &[]).await.has("nothing proves it");
        browser.submit(&format!("{one}/release"), &[]).await.has("because somebody released it");
        assert_eq!(browser.get(&raw).await.status, StatusCode::NOT_FOUND, "it is in its thread");
        assert!(!browser.get("/contacts").await.html.contains("Held mails"));
        let again = browser.post(&format!("{one}/release"), &[]).await;
        assert_eq!(again.status, StatusCode::CONFLICT);
        // V2: by its Message-ID, its subject, an address.
        for asked in ["%3Cheld%40x%3E", "held%40x", "ALERT", "bob%40client"] {
            browser.get(&format!("/activity?q={asked}")).await.has(&one);
        }
        // Whatever is listed otherwise.
        for asked in ["outcome=held&q=%3Cheld%40x%3E", "outcome=ignored&q=held%40x"] {
            browser.get(&format!("/activity?{asked}")).await.has(&one);
        }
        browser.get("/activity?q=%3Cother%40x%3E").await.has("This mail never came here");
        let none = browser.get("/activity?q=100%25_").await;
        none.has("Nothing was found").has("data-live=\"false\"");
    }
}

#[tokio::test]
async fn what_matched_is_said_with_the_verdict() {
    for api in &Api::both().await {
        let (mut ann, id) = Browser::with_user(api, "ann@acme.example", "user").await;
        let list = mail("list@x", "News", "List-Id: <news.client.example>\n\nHi\n");
        let verdict = api.mail_in(&id, &list, Trust::Dmarc).await;
        let shown = ann.get(&format!("/activity/{verdict}")).await;
        shown.has("<dt>What matched</dt><dd>List-Id</dd>");
        let report = std::fs::read_to_string("tests/data/eml/dsn_postfix.eml").unwrap();
        let verdict = api.mail_in(&id, &report.replace('\r', ""), Trust::Dmarc).await;
        let shown = ann.get(&format!("/activity/{verdict}")).await;
        shown.has("<dt>What it reports</dt>").has("not delivered, for good");
    }
}

#[tokio::test]
async fn a_contact_is_chosen_where_the_mail_does_not_tell() {
    let [api, _] = Api::both().await;
    let (mut browser, ann) = Browser::with_user(&api, "ann@acme.example", "user").await;
    let raw = "From: Ann <ann@acme.example>\nSubject: To all\nMessage-ID: <bcc@x>\n\nHi\n";
    let held = api.mail_in(&ann, raw, Trust::Dmarc).await;
    let release = format!("/activity/{held}/release");
    let refused = browser.post(&release, &[]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    refused.has("Whose conversation does it belong to?");
    let chosen = [("contact_email", "dora@client.example")];
    browser.submit(&release, &chosen).await.has("dora@client.example");
}

#[tokio::test]
async fn users_see_their_own_mail_and_admins_all() {
    let [api, _] = Api::both().await;
    let (mut ann, ann_id) = Browser::with_user(&api, "ann@acme.example", "user").await;
    let (mut bob, _) = Browser::with_user(&api, "bob@acme.example", "user").await;
    let (mut chief, _) = Browser::with_user(&api, "chief@acme.example", "admin").await;
    let held = api.mail_in(&ann_id, &mail("own@x", "Private", "\nHi\n"), Trust::Unverified).await;
    let one = format!("/activity/{held}");
    for (browser, status) in [(&mut ann, 200), (&mut bob, 404), (&mut chief, 200)] {
        assert_eq!(browser.get(&one).await.status.as_u16(), status);
        let listed = browser.get("/activity").await.html.contains(&one);
        let found = browser.get("/activity?q=Private").await.html.contains(&one);
        assert_eq!((listed, found), (status == 200, status == 200));
    }
    // Whose mail it is, is said to who reads along.
    let owner = "</span><span>Ann Example</span></div>";
    chief.get("/activity").await.has(owner);
    chief.get(&one).await.has(" · Ann Example</span></div>");
    assert!(!ann.get("/activity").await.html.contains(owner));
    assert_eq!(bob.post(&format!("{one}/discard"), &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(ann.get("/settings/people").await.status, StatusCode::FORBIDDEN);
    // C18: nor anybody of another sub-account.
    let [other, _] = Api::both().await;
    let (mut stranger, _) = Browser::with_user(&other, "eve@evil.example", "admin").await;
    assert_eq!(stranger.get(&one).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_address_for_bcc_is_shown_saved_and_renewed() {
    let [api, _] = Api::both().await;
    let (mut browser, _) = Browser::with_user(&api, "ann@acme.example", "user").await;
    let address = |html: &str| {
        let start = html.find("<code id=\"bcc\">").unwrap() + 15;
        html[start..].split('<').next().unwrap().to_owned()
    };
    let first = address(&browser.get("/settings/email").await.html);
    browser.get("/settings/email").await.has(&format!("mailto:?bcc={first}"));
    let card = browser.get("/settings/email/smart-bcc.vcf").await;
    assert!(card.headers[header::CONTENT_DISPOSITION].to_str().unwrap().contains("attachment"));
    card.has(&format!("EMAIL;TYPE=INTERNET:{first}\r\n"));
    let shown = browser.submit("/settings/email/bcc-address", &[]).await;
    shown.has("The old one has stopped");
    assert_ne!(address(&shown.html), first);
}

#[tokio::test]
async fn an_invitation_lets_somebody_in_once_and_roles_hold() {
    for api in &Api::both().await {
        let (mut chief, _) = Browser::with_user(api, "chief@acme.example", "admin").await;
        let form = [
            ("name", "Dora"),
            ("email", "dora@acme.example"),
            ("time_zone", "Europe/Berlin"),
            ("role", "user"),
        ];
        let invited = chief.post("/settings/people", &form).await;
        let code =
            invited.html.split("code=").nth(1).unwrap().split('<').next().unwrap().to_owned();
        let again = chief.post("/settings/people", &form).await;
        assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
        again.has("Another user has this address");
        let operator = [
            ("name", "E"),
            ("email", "e@acme.example"),
            ("time_zone", "UTC"),
            ("role", "operator"),
        ];
        assert_eq!(chief.post("/settings/people", &operator).await.status.as_u16(), 422);
        let mut dora = Browser::new(api);
        dora.get(&format!("/sign-in?code={code}")).await.has("This link works once");
        let welcome = dora.post("/sign-in", &[("code", &code)]).await;
        assert!(
            welcome.has("Welcome, Dora").status == StatusCode::OK && !welcome.html.contains("mw_")
        );
        assert_eq!(
            Browser::new(api).post("/sign-in", &[("code", &code)]).await.status,
            StatusCode::GONE
        );
        assert_eq!(dora.get("/settings/people").await.status, StatusCode::FORBIDDEN);
        let id = chief.get("/settings/people").await.html;
        let id = id.split("/settings/people/").nth(1).unwrap()[..36].to_owned();
        chief
            .submit(&format!("/settings/people/{id}/role"), &[("role", "admin")])
            .await
            .has("role is saved");
        assert_eq!(dora.get("/settings/people").await.status, StatusCode::OK);
        chief.submit(&format!("/settings/people/{id}/remove"), &[]).await.has("user is removed");
        assert_eq!(dora.get("/settings/email").await.status, StatusCode::SEE_OTHER);
    }
}

#[tokio::test]
async fn whoever_pretends_to_be_another_is_shown_as_such_on_every_page() {
    for api in &Api::both().await {
        let (mut browser, ann) = Browser::with_user(api, "ann@acme.example", "user").await;
        let to = |name: &str, email: &str, id: &str| {
            let to = format!("To: {name} <{email}>");
            mail(id, "Offer", "\nHi\n").replace("To: Bob Stone <bob@client.example>", &to)
        };
        let boss = to("\"ceo@client.example\"", "evil@x.example", "one@x");
        api.mail_in(&ann, &boss, Trust::Dmarc).await;
        let apple = to("Shop", "shop@xn--pple-43d.com", "two@x");
        let held = api.mail_in(&ann, &apple, Trust::Unverified).await;
        let warning = "The name says ceo@client.example, but";
        let contacts = browser.get("/contacts").await;
        contacts.has(warning);
        let one = contacts.html.split("/contacts/").nth(1).unwrap().split('"').next().unwrap();
        browser.get(&format!("/contacts/{one}")).await.has(warning);
        let lookalike = "it looks like apple.com";
        let list = browser.get("/activity").await;
        list.has(warning).has(lookalike);
        browser.get(&format!("/activity/{held}")).await.has(lookalike);
    }
}
