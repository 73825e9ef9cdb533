//! The pages, asked as a browser asks: cookies, forms, redirects. The browser tests look at them.

mod mailbox;
mod notices;
mod organisation;
mod pages;
mod settings;
mod signing_in;
mod threads;

use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mailweave::clock;
use mailweave::model::{Role, User, UserId};
use mailweave::store::{Link, Purpose};
use mailweave::web::auth::token_hash;
use serde_json::json;
use sha2::{Digest, Sha256};
use tower::ServiceExt;

pub use super::api::Api;

/// A browser with its cookies.
pub struct Browser<'a> {
    api: &'a Api,
    cookies: Vec<(String, String)>,
}

pub struct Shown {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub html: String,
}

impl Shown {
    pub fn location(&self) -> &str {
        self.headers.get(header::LOCATION).map_or("", |it| it.to_str().unwrap())
    }

    #[track_caller]
    pub fn has(&self, words: &str) -> &Self {
        assert!(self.html.contains(words), "no {words:?} ({}): {}", self.status, self.html);
        self
    }

    /// The value of a field of the form that is shown.
    #[track_caller]
    pub fn value(&self, name: &str) -> String {
        let field = self.html.split(&format!("name=\"{name}\" value=\"")).nth(1);
        field.and_then(|rest| rest.split('"').next()).expect(name).to_owned()
    }
}

impl<'a> Browser<'a> {
    pub const fn new(api: &'a Api) -> Self {
        Self { api, cookies: Vec::new() }
    }

    /// A browser of a new user of that role, signed in by link.
    pub async fn of(api: &'a Api, email: &str, role: &str) -> Self {
        Self::with_user(api, email, role).await.0
    }

    /// The same, and the user's id.
    pub async fn with_user(api: &'a Api, email: &str, role: &str) -> (Self, String) {
        let is_operator = role == Role::Operator.name();
        let role = if is_operator { "admin" } else { role };
        let user = json!({"name": "Ann Example", "email": email, "role": role});
        let user = api.post("/users", user).await;
        let id = user.text("id");
        if is_operator {
            // No call of a sub-account makes one.
            let promoted = |user: &mut User| -> Result<(), ()> {
                user.role = Role::Operator;
                Ok(())
            };
            let changed = api.store.change_user(api.sub_account(), id.parse().unwrap(), promoted);
            changed.await.unwrap().unwrap().unwrap();
        }
        let code = link(api, id.parse().unwrap(), Purpose::Invitation).await;
        let mut browser = Self::new(api);
        let shown = browser.post("/sign-in", &[("code", &code)]).await;
        assert_eq!(shown.status, StatusCode::OK);
        (browser, id)
    }

    pub async fn get(&mut self, path: &str) -> Shown {
        self.send(Method::GET, path, &[("accept", "text/html")], String::new()).await
    }

    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Shown {
        self.post_from("same-origin", path, fields).await
    }

    /// Sends a form that may have files, without any.
    pub async fn post_parts(&mut self, path: &str, fields: &[(&str, &str)]) -> Shown {
        self.post_body(path, &fields.iter().map(part).collect::<String>()).await
    }

    /// The same with a file.
    pub async fn post_file(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        file: (&str, &str),
    ) -> Shown {
        self.post_files(path, fields, &[file]).await
    }

    /// The same with several.
    pub async fn post_files(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        files: &[(&str, &str)],
    ) -> Shown {
        let files = files.iter().map(|(name, content)| {
            format!(
                "--b\r\nContent-Disposition: form-data; name=\"files\"; filename=\"{name}\"\r\n\
                 Content-Type: text/plain\r\n\r\n{content}\r\n"
            )
        });
        let parts: String = fields.iter().map(part).chain(files).collect();
        self.post_body(path, &parts).await
    }

    async fn post_body(&mut self, path: &str, parts: &str) -> Shown {
        let body = format!("{parts}--b--\r\n");
        let headers = [
            ("content-type", "multipart/form-data; boundary=b"),
            ("sec-fetch-site", "same-origin"),
        ];
        self.send(Method::POST, path, &headers, body).await
    }

    /// Sends a form and follows where it leads.
    pub async fn submit(&mut self, path: &str, fields: &[(&str, &str)]) -> Shown {
        let shown = self.post(path, fields).await;
        assert_eq!(shown.status, StatusCode::SEE_OTHER, "{}", shown.html);
        let to = shown.location().to_owned();
        self.get(&to).await
    }

    async fn post_from(&mut self, site: &str, path: &str, fields: &[(&str, &str)]) -> Shown {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        let headers =
            [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", site)];
        self.send(Method::POST, path, &headers, form.extend_pairs(fields).finish()).await
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Shown {
        let mut request = Request::builder().method(method).uri(path).header("host", "here");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        let cookies = cookies.collect::<Vec<_>>().join("; ");
        if !cookies.is_empty() {
            request = request.header("cookie", cookies);
        }
        let request = request.body(Body::from(body)).unwrap();
        let answer = self.api.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        for cookie in parts.headers.get_all(header::SET_COOKIE) {
            self.keep(cookie.to_str().unwrap());
        }
        let html = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
        Shown { status: parts.status, headers: parts.headers, html }
    }

    fn keep(&mut self, cookie: &str) {
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
        let (name, rest) = cookie.split_once('=').unwrap();
        let value = rest.split(';').next().unwrap();
        self.cookies.retain(|(kept, _)| kept != name);
        if !cookie.contains("Max-Age=0") {
            self.cookies.push((name.to_owned(), value.to_owned()));
        }
    }

    fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.iter().find(|(kept, _)| kept == name).map(|(_, value)| value.as_str())
    }
}

/// A field as a form that may have files sends it.
fn part((name, value): &(&str, &str)) -> String {
    format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
}

async fn link(api: &Api, user: UserId, purpose: Purpose) -> String {
    let code = format!("code for {user}");
    let link = Link { sub_account: api.sub_account(), user, purpose };
    let until = clock::now().plus_seconds(60);
    api.store.add_sign_in_link(link, token_hash(&code), until).await.unwrap();
    code
}

#[tokio::test]
async fn whoever_is_not_signed_in_is_led_to_the_sign_in_and_back() {
    let [api, _] = Api::both().await;
    let mut browser = Browser::new(&api);
    for path in ["/settings/email", "/settings/account"] {
        let shown = browser.get(path).await;
        assert_eq!(shown.status, StatusCode::SEE_OTHER);
        let next = path.replace('/', "%2F");
        assert_eq!(shown.location(), format!("/sign-in?next={next}"));
    }
    browser.get("/sign-in?next=/settings/email").await.has("value=\"/settings/email\"");
    browser.get("/sign-in?next=//evil.example").await.has("name=\"next\" value=\"/\"");
    let page = browser.get("/no/such/page").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    page.has("<!doctype html>");
    // Below /api/ a program asks, even one that accepts what a browser does.
    let problem = browser.get("/api/v1/no-such-call").await;
    assert_eq!(problem.headers[header::CONTENT_TYPE], "application/problem+json");
}

#[tokio::test]
async fn a_link_and_then_a_password_sign_in() {
    for api in &Api::both().await {
        let mut browser = Browser::of(api, "ann@example.com", "user").await;
        let shown = browser.get("/settings/email").await;
        shown.has("@bcc.example").has("Ann Example");
        let first = [("first", "1"), ("new", "correct horse")];
        let kept = browser.cookie("session").unwrap().to_owned();
        assert_eq!(browser.post("/settings/account/password", &first).await.location(), "/");
        browser.get("/settings/account").await.has("Your password is saved");
        assert!(!browser.get("/settings/account").await.html.contains("password is saved"));
        // Again, and now the current one is asked for.
        let wrong = [("current", "wrong"), ("new", "battery staple")];
        let refused = browser.post("/settings/account/password", &wrong).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        refused.has("not your current password");
        let mut other = Browser::new(api);
        for (password, status) in [("wrong horse", 422), ("correct horse", 303)] {
            let form =
                [("email", "Ann@Example.com"), ("password", password), ("next", "/activity")];
            assert_eq!(other.post("/sign-in", &form).await.status.as_u16(), status);
        }
        assert_ne!(other.cookie("session").unwrap(), kept, "a session of its own");
        let form = [("current", "correct horse"), ("new", "battery staple")];
        other.submit("/settings/account/password", &form).await.has("Where you are signed in");
        let shown = browser.get("/settings/email").await;
        assert_eq!(shown.status, StatusCode::SEE_OTHER, "signed out by the new password");
        other.submit("/sign-out", &[]).await.has("You are signed out");
        assert_eq!(other.get("/settings/email").await.status, StatusCode::SEE_OTHER);
    }
}

#[tokio::test]
async fn unknown_users_and_wrong_passwords_are_answered_alike() {
    let [api, _] = Api::both().await;
    let _known = Browser::of(&api, "ann@example.com", "user").await;
    let mut answers = Vec::new();
    for email in ["ann@example.com", "nobody@example.com", "no address"] {
        let form = [("email", email), ("password", "guessed it")];
        let shown = Browser::new(&api).post("/sign-in", &form).await;
        answers.push((shown.status, shown.html.replace(email, "")));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn forms_of_other_sites_are_refused_and_pages_forbid_what_they_do_not_do() {
    let [api, _] = Api::both().await;
    let mut browser = Browser::of(&api, "ann@example.com", "user").await;
    for site in ["cross-site", "same-site"] {
        let refused = browser.post_from(site, "/sign-out", &[]).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
    }
    let shown = browser.get("/settings/email").await;
    assert_eq!(shown.status, StatusCode::OK);
    let policy = shown.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    for part in ["default-src 'none'", "frame-ancestors 'none'", "script-src 'self'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !shown.html.contains("style="), "{policy}");
    assert_eq!(shown.headers[header::CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn what_is_no_address_of_a_page_is_said_by_a_page() {
    let [api, _] = Api::both().await;
    let mut browser = Browser::of(&api, "ann@example.com", "admin").await;
    for (path, status, words) in [
        ("/conversations/abc", StatusCode::NOT_FOUND, "There is no such page"),
        ("/activity/abc", StatusCode::NOT_FOUND, "There is no such page"),
        ("/settings/developers/webhooks/abc", StatusCode::NOT_FOUND, "There is no such page"),
        ("/conversations?q=%00", StatusCode::NOT_FOUND, "There is no such page"),
        ("/conversations/new?draft=abc", StatusCode::NOT_FOUND, "There is no such page"),
        ("/conversations/send", StatusCode::METHOD_NOT_ALLOWED, "There is nothing to see"),
        ("/sign-out", StatusCode::METHOD_NOT_ALLOWED, "There is nothing to see"),
    ] {
        let shown = browser.get(path).await;
        assert_eq!(shown.status, status, "{path}");
        shown.has(words).has("<html");
    }
    assert_eq!(browser.get("/settings").await.location(), "/settings/email");
    let api_path = browser.get("/api/v1/conversations/abc").await;
    let kind = api_path.headers[header::CONTENT_TYPE].to_str().unwrap();
    assert_eq!(kind, "application/problem+json");
}

#[tokio::test]
async fn the_first_page_carries_the_stylesheet_and_the_others_name_what_is_kept() {
    let [api, _] = Api::both().await;
    let mut browser = Browser::of(&api, "ann@example.com", "user").await;
    for path in ["/settings/email", "/sign-in", "/no/such/page"] {
        let shown = browser.get(path).await;
        let text = shown.html.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
        let policy = shown.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        let hash = STANDARD.encode(Sha256::digest(text));
        assert!(policy.contains(&format!("style-src 'self' 'sha256-{hash}';")), "{policy}");
        assert!(!shown.html.contains("rel=\"stylesheet\""));
    }
    let shown = browser.get("/settings/email").await;
    let sheet = shown.html.split("data-sheet=\"").nth(1).unwrap().split('"').next().unwrap();
    // What the page names is there, for a year.
    let style = browser.get(sheet).await;
    assert!(style.status == StatusCode::OK && style.html.contains("--accent"));
    assert!(style.headers[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
    // The script says so when the browser has it; one of another release is another.
    let mark = sheet.split('.').nth(1).unwrap();
    for (kept, is_linked) in [("00000000", false), (mark, true)] {
        browser.cookies.retain(|(name, _)| name != "style");
        browser.cookies.push(("style".to_owned(), kept.to_owned()));
        let shown = browser.get("/settings/email").await;
        let link = format!("<link rel=\"stylesheet\" href=\"{sheet}\">");
        assert_eq!(shown.html.contains(&link), is_linked, "{kept}");
        assert_eq!(shown.html.contains("<style>"), !is_linked, "{kept}");
    }
}
