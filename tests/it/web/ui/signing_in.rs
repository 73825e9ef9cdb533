//! Signing in with a second factor, the limits on tries, and who is kept out by them.

use axum::http::StatusCode;
use serde_json::json;

use super::{Api, Browser};
use crate::support::totp::code;

const PASSWORD: &str = "correct horse";

async fn with_password<'a>(api: &'a Api, email: &str) -> Browser<'a> {
    let mut browser = Browser::of(api, email, "user").await;
    let form = [("first", "1"), ("new", PASSWORD)];
    assert_eq!(browser.post("/settings/account/password", &form).await.location(), "/");
    browser
}

fn between<'a>(html: &'a str, before: &str, after: &str) -> &'a str {
    html.split(before).nth(1).unwrap().split(after).next().unwrap()
}

#[tokio::test]
async fn a_second_factor_is_asked_for_and_each_code_is_good_once() {
    for api in &Api::both().await {
        let mut browser = with_password(api, "ann@example.com").await;
        let setup = browser.post("/settings/account/second-factor/begin", &[]).await;
        let letters = between(&setup.html, "<code class=\"letters\">", "<").to_owned();
        let sealed = between(&setup.html, "name=\"secret\" value=\"", "\"").to_owned();
        let wrong = [("secret", sealed.as_str()), ("code", "000000")];
        assert_eq!(
            browser.post("/settings/account/second-factor", &wrong).await.status.as_u16(),
            422
        );
        let first = code(&letters, 0);
        let right = [("secret", sealed.as_str()), ("code", first.as_str())];
        let kept = browser.post("/settings/account/second-factor", &right).await;
        kept.has("Your recovery codes");
        let recovery = between(&kept.html, "<li><code>", "<").to_owned();
        // Nor does the form that was opened before there was a factor replace it.
        let again = browser.post("/settings/account/second-factor", &right).await;
        assert_eq!(again.status, StatusCode::BAD_REQUEST);

        let password =
            [("email", "ann@example.com"), ("password", PASSWORD), ("next", "/activity")];
        let mut other = Browser::new(api);
        let asked = other.post("/sign-in", &password).await;
        assert!(
            asked.location().starts_with("/sign-in/code?next=%2Factivity"),
            "{}",
            asked.location()
        );
        assert_eq!(other.get("/activity").await.status, StatusCode::SEE_OTHER, "not yet");
        let used = other.post("/sign-in/code", &[("code", &first), ("next", "/activity")]).await;
        assert_eq!(used.status, StatusCode::UNPROCESSABLE_ENTITY, "it set the factor up");
        let next = code(&letters, 30);
        let done = other.post("/sign-in/code", &[("code", &next), ("next", "/activity")]).await;
        assert_eq!(done.location(), "/activity");
        assert_eq!(other.get("/activity").await.status, StatusCode::OK);
        for status in [303, 422] {
            let mut lost = Browser::new(api);
            lost.post("/sign-in", &password).await;
            let typed = recovery.to_lowercase();
            assert_eq!(
                lost.post("/sign-in/code", &[("code", &typed)]).await.status.as_u16(),
                status
            );
        }
        // An open screen is not enough to put another app in its place.
        let begin = "/settings/account/second-factor/begin";
        for wrong in ["", "guessed it"] {
            let refused = other.post(begin, &[("current", wrong)]).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
            refused.has("neither your current password nor a code");
        }
        other.post(begin, &[("current", PASSWORD)]).await.has("class=\"letters\"");
        let off = [("current", PASSWORD)];
        let shown = other.submit("/settings/account/second-factor/remove", &off).await;
        shown.has("The second factor is off");
        assert_eq!(Browser::new(api).post("/sign-in", &password).await.location(), "/activity");
    }
}

#[tokio::test]
async fn guessing_ends_and_the_owner_still_signs_in() {
    let [api, _] = Api::both().await;
    let mut owner = with_password(&api, "ann@example.com").await;
    owner.post("/sign-out", &[]).await;
    let mut statuses = Vec::new();
    for _ in 0..12 {
        let form = [("email", "ann@example.com"), ("password", "guessed it")];
        statuses.push(Browser::new(&api).post("/sign-in", &form).await.status.as_u16());
    }
    assert_eq!((statuses[0], statuses[11]), (422, 429), "{statuses:?}");
    // A browser that has signed in before is counted for itself.
    let form = [("email", "ann@example.com"), ("password", PASSWORD)];
    assert_eq!(owner.post("/sign-in", &form).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn no_spelling_of_an_address_begins_the_count_anew() {
    let [api, _] = Api::both().await;
    with_password(&api, "ann@example.com").await;
    let mut last = StatusCode::OK;
    for n in 0..12 {
        let email = ["ann@example.com", "Ann@EXAMPLE.com", "ann@example.com."][n % 3];
        let form = [("email", email), ("password", "guessed it")];
        last = Browser::new(&api).post("/sign-in", &form).await.status;
    }
    assert_eq!(last, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn who_has_no_password_turns_the_second_factor_off_by_a_code() {
    for api in &Api::both().await {
        let mut browser = Browser::of(api, "ann@example.com", "user").await;
        let setup = browser.post("/settings/account/second-factor/begin", &[]).await;
        let letters = between(&setup.html, "<code class=\"letters\">", "<").to_owned();
        let first = code(&letters, 0);
        let secret = setup.value("secret");
        let form = [("secret", secret.as_str()), ("code", first.as_str())];
        browser.post("/settings/account/second-factor", &form).await.has("Your recovery codes");
        let off = "/settings/account/second-factor/remove";
        for wrong in ["", "000000", &first] {
            let refused = browser.post(off, &[("current", wrong)]).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
        }
        let next = code(&letters, 30);
        browser.submit(off, &[("current", &next)]).await.has("The second factor is off");
    }
}

#[tokio::test]
async fn guessing_the_password_of_an_open_screen_ends() {
    let [api, _] = Api::both().await;
    // Without a relay nobody asks for another address.
    let relay = json!({"sub_account_provider": {"host": "127.0.0.1", "port": 1, "username": "u",
        "password": "p", "default_from": "ann@example.com", "allowed_domains": ["example.com"]}});
    assert_eq!(api.patch("/settings", relay).await.status, StatusCode::OK);
    for (page, fields) in [
        ("/settings/account/password", [("new", "battery staple"), ("", "")]),
        ("/settings/account/addresses", [("purpose", "email"), ("address", "b@example.org")]),
    ] {
        let email = format!("{}@example.com", fields[0].0);
        let mut browser = with_password(&api, &email).await;
        let wrong = [fields.as_slice(), &[("current", "guessed it")]].concat();
        for _ in 0..10 {
            browser.post(page, &wrong).await.has("not your current password");
        }
        browser.post(page, &wrong).await.has("Too many tries");
        let right = [fields.as_slice(), &[("current", PASSWORD)]].concat();
        browser.post(page, &right).await.has("Too many tries");
    }
}

#[tokio::test]
async fn the_first_visit_takes_the_zone_of_the_browser() {
    let [api, _] = Api::both().await;
    for (email, zone, kept) in
        [("ann@example.com", "Europe/Berlin", "Europe/Berlin"), ("bob@example.com", "Mars", "UTC")]
    {
        let mut browser = Browser::of(&api, email, "user").await;
        let first = [("first", "1"), ("new", PASSWORD), ("time_zone", zone)];
        assert_eq!(browser.post("/settings/account/password", &first).await.location(), "/");
        browser.get("/settings/account").await.has(&format!("value=\"{kept}\""));
    }
}
