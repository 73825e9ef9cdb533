//! The settings of a sub-account, and contacts.

use axum::http::StatusCode;
use mailweave::model::Trust;

use super::{Api, Browser, Shown};
use crate::web::api::mail;

/// The form as the page has it.
const FORM: [(&str, &str); 10] = [
    ("untrusted_sender", "hold"),
    ("colleague_domains", ""),
    ("never_log", ""),
    ("bcc_starts_thread", "1"),
    ("bulk_sender", "mailbox_when_from_matches"),
    ("attachment_limit", "3"),
    ("attachment_types", "jpg, jpeg, png, mp4, mpeg, zip, rar, pdf, doc, docx, txt"),
    ("oversize_attachment", "skip_message"),
    ("contacts_from_cc", ""),
    ("follow_contacts", ""),
];

const PAGE: &str = "/settings/sub-account";

fn with<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let rest = FORM.into_iter().filter(|(field, _)| *field != name);
    rest.chain([(name, value)]).collect()
}

/// Sends the form as the page has it now, with this in it.
async fn change(browser: &mut Browser<'_>, fields: &[(&str, &str)]) -> Shown {
    let version = browser.get(PAGE).await.value("version");
    browser.post(PAGE, &[fields, &[("version", &version)]].concat()).await
}

#[tokio::test]
async fn a_setting_says_what_it_would_have_changed_and_is_saved_after_that() {
    for api in &Api::both().await {
        let (mut chief, ann) = Browser::with_user(api, "ann@acme.example", "admin").await;
        api.mail_in(&ann, &mail("1@x", "One", "\nHi\n"), Trust::Dmarc).await;
        api.mail_in(&ann, &mail("2@x", "Two", "\nHi\n"), Trust::Unverified).await;
        chief.get(PAGE).await.has("value=\"3\"").has("docx");
        assert_eq!(change(&mut chief, &FORM).await.location(), PAGE);
        chief.get(PAGE).await.has("Nothing was different");
        let rows = [
            ("untrusted_sender", "accept", "held and would have been filed: 1."),
            ("colleague_domains", "client.example", "to colleagues alone: 1."),
            ("never_log", "bob@client.example", "would not have been stored: 1."),
            ("bcc_starts_thread", "", "would not have been followed: 1."),
            ("follow_contacts", "1", "not kept: 0."),
            ("bulk_sender", "always_provider", "would have gone through the relay: 0."),
        ];
        for (name, value, words) in rows {
            let review = change(&mut chief, &with(name, value)).await;
            assert_eq!(review.status, StatusCode::OK);
            review.has(words);
        }
        assert_eq!(
            api.get("/settings").await.json["follow_contacts"],
            false,
            "nothing is saved yet"
        );
        let mut form = with("never_log", "@client.example\r\nEve@Other.example");
        form.push(("seen", "1"));
        change(&mut chief, &form).await;
        chief.get(PAGE).await.has("The settings are saved").has("eve@other.example");
        let never_log = &api.get("/settings").await.json["never_log"];
        assert_eq!(*never_log, serde_json::json!(["@client.example", "eve@other.example"]));
        let wrong = change(&mut chief, &with("colleague_domains", "gmail.com")).await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
        wrong.has("Everybody may have an address at gmail.com");
        change(&mut chief, &with("attachment_limit", "1000")).await.has("up to 35");
        let mut user = Browser::of(api, "bob@acme.example", "user").await;
        assert_eq!(user.post(PAGE, &form).await.status, StatusCode::FORBIDDEN);
    }
}

#[tokio::test]
async fn what_another_admin_has_saved_meanwhile_is_not_overwritten() {
    for api in &Api::both().await {
        let mut ann = Browser::of(api, "ann@acme.example", "admin").await;
        let mut bob = Browser::of(api, "bob@acme.example", "admin").await;
        let opened = ann.get(PAGE).await.value("version");
        let form = [with("never_log", "bank@home.example").as_slice(), &[("seen", "1")]].concat();
        assert_eq!(change(&mut bob, &form).await.location(), PAGE);

        let mine = with("colleague_domains", "acme.example");
        let mut mine = [mine.as_slice(), &[("version", &opened)]].concat();
        // When it is looked at, and when it was looked at before.
        for seen in ["", "1"] {
            mine.push(("seen", seen));
            let refused = ann.post(PAGE, &mine).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
            refused.has("Somebody else has saved these settings").has("bank@home.example");
            mine.pop();
        }
        let settings = api.get("/settings").await.json;
        assert_eq!(settings["never_log"], serde_json::json!(["bank@home.example"]));
        assert_eq!(settings["colleague_domains"], serde_json::json!([]));
    }
}

#[tokio::test]
async fn the_relay_is_kept_and_its_password_is_never_shown() {
    let [api, _] = Api::both().await;
    let mut chief = Browser::of(&api, "ann@acme.example", "admin").await;
    let mut form = vec![
        ("host", "smtp.relay.example"),
        ("port", "587"),
        ("username", "acme"),
        ("default_from", "hello@acme.example"),
        ("allowed_domains", "acme.example"),
    ];
    let page = "/settings/sub-account/provider";
    chief.post(page, &form).await.has("is needed for a new host or user name");
    form.push(("password", "hunter2hunter2"));
    let shown = chief.submit(page, &form).await;
    shown.has("The relay is saved").has("smtp.relay.example");
    assert!(!shown.html.contains("hunter2"), "G7");
    form.pop();
    form[1].1 = "465";
    form.push(("security", "tls"));
    chief.submit(page, &form).await.has("value=\"465\"").has("value=\"tls\" selected");
    // A relay that knows this gateway by its address asks nobody to sign in.
    form[2].1 = "";
    chief.submit(page, &form).await.has("The relay is saved");
    chief.submit(&format!("{page}/remove"), &[]).await.has("The relay is removed");
}

#[tokio::test]
async fn contacts_are_found_changed_and_erased() {
    let [api, _] = Api::both().await;
    let (mut chief, ann) = Browser::with_user(&api, "ann@acme.example", "admin").await;
    api.mail_in(&ann, &mail("1@x", "One", "\nHi\n"), Trust::Dmarc).await;
    let list = chief.get("/contacts?q=stone").await;
    list.has("Bob Stone");
    let one = format!("/contacts/{}", &list.html.split("href=\"/contacts/").nth(1).unwrap()[..36]);
    let mut user = Browser::of(&api, "bob@acme.example", "user").await;
    chief.submit(&one, &[("name", "Bobby"), ("unsubscribed", "1")]).await.has("Bobby");
    // S9: only an admin undoes what the person said.
    user.submit(&one, &[("name", "Bob")]).await.has("Gets no bulk mail");
    // Nor does an admin who saved a page that was opened before.
    chief.submit(&one, &[("name", "Bobby")]).await.has("name=\"was_unsubscribed\"");
    let undone = [("name", "Bobby"), ("was_unsubscribed", "1")];
    assert!(!chief.submit(&one, &undone).await.html.contains("name=\"was_unsubscribed\""));
    assert_eq!(user.post(&format!("{one}/erase"), &[]).await.status, StatusCode::FORBIDDEN);
    chief.submit(&format!("{one}/erase"), &[]).await.has("are erased");
    assert_eq!(chief.get(&one).await.status, StatusCode::NOT_FOUND);
}
