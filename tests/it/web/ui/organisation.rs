//! Signing in by one's account at an organisation, and every way in which that is not one's account (D11, D14).

use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mailweave::clock;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

use super::{Api, Browser, Shown};
use crate::support::openid::{CLIENT_ID, Key, OpenId};

const ANN: &str = "ann@firm.example";

fn configuration(provider: &OpenId) -> String {
    format!(
        "[outgoing]\nallowed_networks = [\"127.0.0.0/8\"]\n[sign_in.openid]\nissuer = \"{}\"\n\
         client_id = \"{CLIENT_ID}\"\nclient_secret = \"hush\"\nname = \"Firm\"\n\
         allowed_domains = [\"firm.example\"]\n",
        provider.issuer()
    )
}

/// A request that a browser was sent to the provider with.
struct Request {
    url: Url,
}

impl Request {
    async fn begin(browser: &mut Browser<'_>) -> Self {
        let shown = browser.get("/sign-in/openid?next=%2Factivity").await;
        assert_eq!(shown.status, StatusCode::SEE_OTHER, "{}", shown.html);
        Self { url: Url::parse(shown.location()).unwrap() }
    }

    fn parameter(&self, name: &str) -> String {
        let found = self.url.query_pairs().find(|(key, _)| key == name);
        found.unwrap_or_else(|| panic!("no {name} in {}", self.url)).1.into_owned()
    }

    /// Where the provider sends the browser back to.
    fn callback(&self) -> String {
        format!("/sign-in/openid/callback?code=c1&state={}", self.parameter("state"))
    }

    /// What a true ID token says.
    fn claims(&self, provider: &OpenId) -> Value {
        let now = clock::now().as_seconds();
        json!({"iss": provider.issuer(), "aud": CLIENT_ID, "sub": "1", "iat": now, "exp": now + 300,
            "nonce": self.parameter("nonce"), "email": ANN, "email_verified": true})
    }
}

/// The claims with some of them changed; null takes one away.
fn with(mut claims: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

#[track_caller]
fn is_refused(shown: &Shown, browser: &Browser<'_>, why: &str) {
    assert_eq!(shown.status, StatusCode::FORBIDDEN, "{why}");
    shown.has("role=\"alert\"").has("Sign in with Firm");
    assert_eq!(browser.cookie("session"), None, "{why}");
}

#[tokio::test]
async fn whoever_the_organisation_vouches_for_signs_in_and_nobody_becomes_a_user_by_it() {
    let provider = OpenId::start().await;
    for api in &Api::both_with(&configuration(&provider)).await {
        let mut browser = Browser::new(api);
        browser
            .get("/sign-in?next=/activity")
            .await
            .has("href=\"/sign-in/openid?next=%2Factivity\"");
        let stranger = Request::begin(&mut browser).await;
        provider.answer(provider.key().sign(&stranger.claims(&provider)));
        let refused = browser.get(&stranger.callback()).await;
        is_refused(&refused, &browser, "no user of that address");
        refused.has("Ask your admin for an invitation");

        api.post("/users", json!({"name": "Ann", "email": "Ann@Firm.example"})).await;
        let request = Request::begin(&mut browser).await;
        assert_eq!(request.parameter("redirect_uri"), "http://127.0.0.1/sign-in/openid/callback");
        assert_eq!(request.parameter("code_challenge_method"), "S256");
        assert_eq!(request.parameter("scope"), "openid email profile");
        provider.answer(provider.key().sign(&request.claims(&provider)));
        let done = browser.get(&request.callback()).await;
        assert_eq!(done.location(), "/activity", "{}", done.html);
        browser.get("/settings/account").await.has("Ann");

        // RFC 7636 4.6: who redeems the code also asked for it.
        let form = provider.asked().pop().unwrap();
        let form: Vec<_> = url::form_urlencoded::parse(form.as_bytes()).collect();
        let (_, verifier) = form.iter().find(|(name, _)| name == "code_verifier").unwrap();
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
        assert_eq!(request.parameter("code_challenge"), challenge);
    }
    let discoveries = provider.asked().iter().filter(|path| *path == "discovery").count();
    assert_eq!(discoveries, 2, "once for each gateway");
}

#[tokio::test]
async fn a_token_that_is_not_what_it_must_be_signs_nobody_in() {
    let provider = OpenId::start().await;
    let [api, _] = Api::both_with(&configuration(&provider)).await;
    for email in [ANN, "eve@other.example"] {
        api.post("/users", json!({"name": "Ann", "email": email})).await;
    }
    let now = clock::now().as_seconds();
    let rows = [
        json!({"nonce": "another"}),
        json!({"nonce": null}),
        json!({"aud": "another"}),
        json!({"aud": [CLIENT_ID, "another"]}),
        json!({"aud": null}),
        json!({"azp": "another"}),
        json!({"exp": now - 120}),
        json!({"exp": null}),
        json!({"exp": "tomorrow"}),
        json!({"nbf": now + 600}),
        json!({"iss": "https://evil.example"}),
        json!({"iss": [provider.issuer(), "https://evil.example"]}),
        json!({"iss": null}),
        json!({"sub": null}),
        json!({"email_verified": false}),
        json!({"email_verified": null}),
        json!({"email_verified": "yes"}),
        json!({"email": null, "preferred_username": ANN}),
        json!({"email": "eve@other.example"}),
        json!({"email": "ann@firm.example@evil.example"}),
        json!({"email": 7}),
    ];
    for changes in rows {
        let mut browser = Browser::new(&api);
        let request = Request::begin(&mut browser).await;
        let claims = with(request.claims(&provider), &changes);
        provider.answer(provider.key().sign(&claims));
        let shown = browser.get(&request.callback()).await;
        is_refused(&shown, &browser, &changes.to_string());
    }
    // What is left as it was does sign in, so that each refusal has its own reason.
    let mut browser = Browser::new(&api);
    let request = Request::begin(&mut browser).await;
    let claims = with(request.claims(&provider), &json!({"aud": [CLIENT_ID], "azp": CLIENT_ID}));
    provider.answer(provider.key().sign(&claims));
    assert_eq!(browser.get(&request.callback()).await.location(), "/activity");
}

#[tokio::test]
async fn a_signature_of_nobody_or_somebody_else_is_none() {
    let provider = OpenId::start().await;
    let [api, _] = Api::both_with(&configuration(&provider)).await;
    api.post("/users", json!({"name": "Ann", "email": ANN})).await;
    let (key, other) = (provider.key(), Key::new("first"));
    let forge = |how: &str, claims: &Value| match how {
        "another key of the same name" => other.sign(claims),
        "a key of no name" => Key::new("second").sign(claims),
        "none" => {
            let token = key.sign_as(&json!({"alg": "none"}), claims);
            token.rsplit_once('.').unwrap().0.to_owned() + "."
        }
        "the public key as a secret" => {
            key.sign_as(&json!({"alg": "HS256", "kid": "first"}), claims)
        }
        "another algorithm" => key.sign_as(&json!({"alg": "ES384", "kid": "first"}), claims),
        "changed afterwards" => {
            let token = key.sign(&with(claims.clone(), &json!({"email": "x@firm.example"})));
            let signed = key.sign(claims);
            let [signed, signature] =
                [signed.rsplit_once('.').unwrap().0, token.rsplit('.').next().unwrap()];
            format!("{signed}.{signature}")
        }
        _ => "no token".to_owned(),
    };
    for how in [
        "another key of the same name",
        "a key of no name",
        "none",
        "the public key as a secret",
        "another algorithm",
        "changed afterwards",
        "nothing",
    ] {
        let mut browser = Browser::new(&api);
        let request = Request::begin(&mut browser).await;
        provider.answer(forge(how, &request.claims(&provider)));
        is_refused(&browser.get(&request.callback()).await, &browser, how);
    }
}

#[tokio::test]
async fn a_request_is_its_browser_s_own_and_is_answered_once() {
    let provider = OpenId::start().await;
    let [api, _] = Api::both_with(&configuration(&provider)).await;
    api.post("/users", json!({"name": "Ann", "email": ANN})).await;
    let mut browser = Browser::new(&api);
    let request = Request::begin(&mut browser).await;
    let token = || provider.key().sign(&request.claims(&provider));
    let callback = request.callback();

    // No browser of ours; another's request; another state; none.
    let mut victim = Browser::new(&api);
    provider.answer(token());
    is_refused(&victim.get(&callback).await, &victim, "login CSRF: no request of this browser");
    Request::begin(&mut victim).await;
    is_refused(&victim.get(&callback).await, &victim, "login CSRF: another browser's state");
    for path in ["/sign-in/openid/callback?code=c1", "/sign-in/openid/callback?code=c1&state=x"] {
        is_refused(&browser.get(path).await, &browser, path);
    }
    let other_issuer = format!("{callback}&iss=https%3A%2F%2Fevil.example");
    let mut mixed = Browser { api: &api, cookies: browser.cookies.clone() };
    // RFC 9207: and it is used up by that.
    is_refused(&mixed.get(&other_issuer).await, &mixed, "mix-up");
    is_refused(&browser.get(&callback).await, &browser, "used up");
    assert!(!provider.asked().iter().any(|it| it.contains("code=")), "no code was redeemed");

    let again = Request::begin(&mut browser).await;
    let kept = browser.cookies.clone();
    provider.answer(provider.key().sign(&again.claims(&provider)));
    assert_eq!(browser.get(&again.callback()).await.location(), "/activity");
    assert_eq!(browser.cookie("openid"), None);
    // The browser's own cookie, brought back.
    let mut replayed = Browser { api: &api, cookies: kept };
    provider.answer(provider.key().sign(&again.claims(&provider)));
    is_refused(&replayed.get(&again.callback()).await, &replayed, "reused");
}

#[tokio::test]
async fn a_session_that_was_there_before_is_worth_nothing_afterwards() {
    let provider = OpenId::start().await;
    let [api, _] = Api::both_with(&configuration(&provider)).await;
    let mut browser = Browser::of(&api, ANN, "user").await;
    let before = Browser { api: &api, cookies: browser.cookies.clone() };
    let request = Request::begin(&mut browser).await;
    provider.answer(provider.key().sign(&request.claims(&provider)));
    assert_eq!(browser.get(&request.callback()).await.location(), "/activity");
    assert_ne!(browser.cookie("session"), before.cookie("session"));
    let mut before = before;
    assert_eq!(before.get("/activity").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn keys_that_change_are_looked_for_and_a_provider_that_is_another_is_not_believed() {
    let provider = OpenId::start().await;
    let [api, other] = Api::both_with(&configuration(&provider)).await;
    api.post("/users", json!({"name": "Ann", "email": ANN})).await;
    // A new key before any was fetched; declined; a code that is none.
    let new = Key::new("second");
    provider.publish(&[provider.key(), &new]);
    let mut browser = Browser::new(&api);
    let request = Request::begin(&mut browser).await;
    let declined = format!("{}&error=access_denied", request.callback());
    browser.get(&declined).await.has("declined there");
    let request = Request::begin(&mut browser).await;
    is_refused(&browser.get(&request.callback()).await, &browser, "invalid_grant");
    let request = Request::begin(&mut browser).await;
    provider.answer(new.sign(&request.claims(&provider)));
    assert_eq!(browser.get(&request.callback()).await.location(), "/activity");

    // Once for each gateway: what a provider said of itself is kept for a while.
    let [third, _] = Api::both_with(&configuration(&provider)).await;
    for (api, name, value) in [
        (&other, "issuer", "https://evil.example"),
        (&third, "token_endpoint", "https://169.254.169.254/token"),
    ] {
        provider.describe(&with(provider.described(), &json!({name: value})));
        let mut browser = Browser::new(api);
        let shown = browser.get("/sign-in/openid").await;
        is_refused(&shown, &browser, value);
    }
}

#[tokio::test]
async fn a_second_factor_of_here_is_asked_for_here() {
    let provider = OpenId::start().await;
    let [api, _] = Api::both_with(&configuration(&provider)).await;
    let user = api.post("/users", json!({"name": "Ann", "email": ANN})).await.text("id");
    let (of, user) = (api.sub_account(), user.parse().unwrap());
    api.store.set_second_factor((of, user), Some((vec![1], 0)), &[], [0; 32]).await.unwrap();
    let mut browser = Browser::new(&api);
    let request = Request::begin(&mut browser).await;
    provider.answer(provider.key().sign(&request.claims(&provider)));
    let asked = browser.get(&request.callback()).await;
    assert_eq!(asked.location(), "/sign-in/code?next=%2Factivity");
    assert_eq!(browser.cookie("session"), None);
}

#[tokio::test]
async fn a_provider_inside_the_perimeter_is_not_asked_and_without_one_there_is_no_door() {
    let provider = OpenId::start().await;
    let inside = configuration(&provider).replace("127.0.0.0/8", "10.0.0.0/8");
    let [api, _] = Api::both_with(&inside).await;
    let mut browser = Browser::new(&api);
    is_refused(&browser.get("/sign-in/openid").await, &browser, "a private address");
    assert_eq!(provider.asked(), Vec::<String>::new());
    let [plain, _] = Api::both().await;
    let mut browser = Browser::new(&plain);
    assert!(!browser.get("/sign-in").await.html.contains("/sign-in/openid"));
    for path in ["/sign-in/openid", "/sign-in/openid/callback?code=c&state=s"] {
        assert_eq!(browser.get(path).await.status, StatusCode::NOT_FOUND);
    }
}
