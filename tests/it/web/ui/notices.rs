//! What the gateway writes to people, through a relay that says what it likes: invitations, the test mail, and
//! the links that prove an address.

use std::net::SocketAddr;

use axum::http::StatusCode;
use mailweave::clock;
use mailweave::model::Trust;
use mailweave::store::{AddressUse, NewAddress};
use mailweave::web::auth::token_hash;
use serde_json::json;

use super::{Api, Browser};
use crate::support::relay::{Act, Relay};

async fn use_relay(api: &Api, address: SocketAddr) {
    let relay = json!({"host": "127.0.0.1", "port": address.port(), "username": "acme",
        "password": "pw", "default_from": "crm@acme.example", "allowed_domains": ["acme.example"]});
    let set = api.patch("/settings", json!({"sub_account_provider": relay})).await;
    assert_eq!(set.status, StatusCode::OK, "{}", set.json);
}

/// The text of a mail, its lines joined where quoted-printable broke them.
fn text(content: &str) -> String {
    let text = content.replace("=\r\n", "").replace("=\n", "");
    text.replace("=3D", "=").replace("=3d", "=")
}

/// What follows in a mail, up to the end of the line.
fn after<'a>(text: &'a str, mark: &str) -> &'a str {
    let (_, rest) = text.split_once(mark).unwrap_or_else(|| panic!("no {mark} in {text}"));
    rest.split_whitespace().next().unwrap()
}

fn refusing() -> Relay {
    Relay::scripted(|step, _| {
        (step == "RCPT").then(|| Act::Say("550 5.7.1 We do not know you".to_owned()))
    })
}

#[tokio::test]
async fn an_invitation_is_sent_and_is_shown_to_be_passed_on_where_it_cannot_be() {
    for api in &Api::both().await {
        let mut chief = Browser::of(api, "ann@acme.example", "admin").await;
        let invite = |email: &'static str| {
            [("name", "Bob"), ("email", email), ("time_zone", "UTC"), ("role", "user")]
        };
        let page = "/settings/people";
        chief.post(page, &invite("bob@acme.example")).await.has("/sign-in?code=");

        let relay = Relay::start();
        use_relay(api, relay.address).await;
        let shown = chief.post(page, &invite("cleo@acme.example")).await;
        shown.has("on its way to cleo@acme.example").has("127.0.0.1: 250");
        assert!(!shown.html.contains("/sign-in?code="), "it is for who reads the mail");
        let mail = relay.wait_for(1).remove(0);
        assert_eq!((mail.from.as_str(), mail.to.len()), ("crm@acme.example", 1));
        let written = text(&mail.content);
        assert!(written.contains("Auto-Submitted: auto-generated"), "{written}");
        let code = after(&written, "/sign-in?code=");
        let mut cleo = Browser::new(api);
        cleo.post("/sign-in", &[("code", code)]).await.has("Welcome, Bob");

        let refusing = refusing();
        use_relay(api, refusing.address).await;
        let shown = chief.post(page, &invite("dora@acme.example")).await;
        shown.has("550 5.7.1 We do not know you").has("/sign-in?code=");
        // No word of it is kept: neither as a message nor in the outbox.
        assert_eq!(api.get("/conversations").await.items().len(), 0);
    }
}

#[tokio::test]
async fn a_test_mail_says_what_the_relay_answered_in_its_words() {
    let [api, _] = Api::both().await;
    let mut chief = Browser::of(&api, "ann@acme.example", "admin").await;
    let path = "/settings/sub-account/provider/test";
    let (good, bad) = (Relay::start(), refusing());
    let gone = SocketAddr::from(([127, 0, 0, 1], 9));
    for (address, words) in [
        (good.address, "took a test mail to ann@acme.example"),
        (bad.address, "127.0.0.1: 550 5.7.1 We do not know you"),
        (gone, "cannot be reached"),
    ] {
        use_relay(&api, address).await;
        chief.post(path, &[]).await.has(words).has("id=\"tested\"");
    }
    assert_eq!(good.wait_for(1)[0].to, ["ann@acme.example"]);
    let mut user = Browser::of(&api, "bob@acme.example", "user").await;
    assert_eq!(user.post(path, &[]).await.status, StatusCode::FORBIDDEN);
}

/// B2.
#[tokio::test]
async fn an_alias_is_one_when_its_link_was_used_by_who_asked_for_it() {
    for api in &Api::both().await {
        let (mut ann, id) = Browser::with_user(api, "ann@acme.example", "user").await;
        let page = "/settings/account/addresses";
        let ask = |address: &'static str| [("purpose", "alias"), ("address", address)];
        ann.get("/settings/account").await.has("no relay to send it through");
        let refused = ann.post(page, &ask("ann@home.example")).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);

        let relay = Relay::start();
        use_relay(api, relay.address).await;
        for (address, words) in [
            ("nobody", "no email address"),
            ("x@bcc.example", "no email address"),
            ("Ann@acme.example", "You have this address already"),
        ] {
            ann.post(page, &ask(address)).await.has(words);
        }
        ann.submit(page, &ask("ann@home.example")).await.has("not confirmed");
        let mail = relay.wait_for(1).remove(0);
        assert_eq!(mail.to, ["ann@home.example"]);
        let written = text(&mail.content);
        let link = after(&written, "http://127.0.0.1");
        assert!(link.starts_with("/settings/account/address?code="), "{link}");
        let code = link.split_once('=').unwrap().1;
        let aliases = async || api.get(&format!("/users/{id}")).await.json["aliases"].clone();
        // Looking confirms nothing; nor does somebody else; nor nobody.
        ann.get(link).await.has("Mail that comes from ann@home.example");
        let mut eve = Browser::of(api, "eve@acme.example", "admin").await;
        let confirm = [("code", code)];
        let path = "/settings/account/address";
        assert_eq!(eve.get(link).await.status, StatusCode::GONE);
        assert_eq!(eve.post(path, &confirm).await.status, StatusCode::GONE);
        assert_eq!(Browser::new(api).post(path, &confirm).await.status, StatusCode::SEE_OTHER);
        assert_eq!(aliases().await, json!([]));
        ann.submit(path, &confirm).await.has("The address is yours");
        assert_eq!(aliases().await, json!(["ann@home.example"]));
        let gone = [("address", "ann@home.example")];
        ann.submit("/settings/account/addresses/remove", &gone).await.has("The address is removed");
        assert_eq!(ann.post(path, &confirm).await.status, StatusCode::GONE, "it was good once");
        assert_eq!(aliases().await, json!([]));
    }
}

#[tokio::test]
async fn a_stranger_is_made_an_alias_by_the_stranger_s_own_link_alone() {
    for api in &Api::both().await {
        let relay = Relay::start();
        use_relay(api, relay.address).await;
        let (mut ann, id) = Browser::with_user(api, "ann@acme.example", "user").await;
        let raw = "From: carl@customer.example\nTo: ann@acme.example\nMessage-ID: <1@c>\n\nHi\n";
        let verdict = api.mail_in(&id, raw, Trust::Dmarc).await;
        let page = format!("/activity/{verdict}");
        ann.get(&page).await.has("A link is sent to carl@customer.example");
        let mut chief = Browser::of(api, "chief@acme.example", "admin").await;
        chief.get(&page).await.has("This is Ann Example: make the sender an alias of theirs");
        let add = [("add_alias", "1")];
        ann.submit(&format!("{page}/release"), &add).await.has("The link is on its way");
        let mail = relay.wait_for(1).remove(0);
        assert_eq!(mail.to, ["carl@customer.example"]);
        let held = api.get(&format!("/verdicts/{verdict}")).await.json;
        assert_eq!(held["reason"], "unknown_sender");
        assert_eq!(api.get(&format!("/users/{id}")).await.json["aliases"], json!([]));

        let written = text(&mail.content);
        let code = after(&written, "/settings/account/address?code=");
        ann.submit("/settings/account/address", &[("code", code)])
            .await
            .has("The address is yours");
        assert_eq!(
            api.get(&format!("/users/{id}")).await.json["aliases"],
            json!(["carl@customer.example"])
        );
    }
}

#[tokio::test]
async fn a_link_runs_out_and_strangers_are_not_written_to_again_and_again() {
    for api in &Api::both().await {
        let relay = Relay::start();
        use_relay(api, relay.address).await;
        let (mut ann, id) = Browser::with_user(api, "ann@acme.example", "user").await;
        let whose = (api.sub_account(), id.parse().unwrap());
        let address = mailweave::model::Address::parse("old@home.example").unwrap();
        let wanted = NewAddress { address, purpose: AddressUse::Alias };
        let (now, past) = (clock::now(), clock::now().plus_seconds(-1));
        api.store.add_address_link(whose, &wanted, token_hash("old"), (now, past)).await.unwrap();
        let late = ann.post("/settings/account/address", &[("code", "old")]).await;
        assert_eq!(late.status, StatusCode::GONE);
        let form = [("purpose", "alias"), ("address", "stranger@home.example")];
        for _ in 0..10 {
            assert_eq!(
                ann.post("/settings/account/addresses", &form).await.status,
                StatusCode::SEE_OTHER
            );
        }
        ann.post("/settings/account/addresses", &form).await.has("Too many links");
        assert_eq!(relay.wait_for(10).len(), 10);
    }
}

#[tokio::test]
async fn the_sign_in_address_changes_by_password_and_link_and_the_former_is_told() {
    for api in &Api::both().await {
        let relay = Relay::start();
        use_relay(api, relay.address).await;
        let (mut ann, id) = Browser::with_user(api, "ann@acme.example", "user").await;
        Browser::of(api, "bob@acme.example", "user").await;
        let password = [("first", "1"), ("new", "correct horse")];
        ann.post("/settings/account/password", &password).await;
        let ask = |address: &'static str, current: &'static str| {
            [("purpose", "email"), ("address", address), ("current", current)]
        };
        let page = "/settings/account/addresses";
        ann.post(page, &ask("ann@new.example", "guessed it"))
            .await
            .has("not your current password");
        for (number, address) in ["bob@acme.example", "ann@new.example"].into_iter().enumerate() {
            ann.submit(page, &ask(address, "correct horse")).await.has("to sign in");
            let written = text(&relay.wait_for(number + 1)[number].content);
            let code = after(&written, "address?code=").to_owned();
            let done = ann.post("/settings/account/address", &[("code", &code)]).await;
            let is_free = address != "bob@acme.example";
            let expected = if is_free { StatusCode::SEE_OTHER } else { StatusCode::CONFLICT };
            assert_eq!(done.status, expected, "{address}");
        }
        let told = relay.wait_for(3).remove(2);
        assert_eq!(told.to, ["ann@acme.example"]);
        assert!(text(&told.content).contains("ann@new.example"));
        let user = api.get(&format!("/users/{id}")).await.json;
        assert_eq!(
            (&user["email"], &user["aliases"]),
            (&json!("ann@new.example"), &json!(["ann@acme.example"]))
        );
        let sign_in = [("email", "ann@new.example"), ("password", "correct horse")];
        assert_eq!(Browser::new(api).post("/sign-in", &sign_in).await.location(), "/");
    }
}
