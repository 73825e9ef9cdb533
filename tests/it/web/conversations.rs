//! The conversation pages: who reads what, that hostile mail is shown as text, and that nothing typed into
//! the search is anything but words.

use axum::http::{StatusCode, header};
use mailweave::ingest::index;
use mailweave::model::Trust;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::api::{Api, mail};
use super::ui::Browser;

async fn catch_up(api: &Api) {
    index::catch_up(&api.store, &CancellationToken::new()).await.unwrap();
}

/// The id of the user with that address.
async fn user(api: &Api, email: &str) -> String {
    let users = api.get("/users").await;
    let user = users.items().iter().find(|user| user["email"] == email).unwrap().clone();
    user["id"].as_str().unwrap().to_owned()
}

/// A browser of Ann, an admin, and a mail of hers that is filed.
async fn ann_with<'a>(api: &'a Api, subject: &str, body: &str) -> (Browser<'a>, String, String) {
    let browser = Browser::of(api, "ann@acme.example", "admin").await;
    let ann = user(api, "ann@acme.example").await;
    let verdict = api.mail_in(&ann, &mail("one@x", subject, body), Trust::Dmarc).await;
    let verdict = api.get(&format!("/verdicts/{verdict}")).await;
    catch_up(api).await;
    (browser, verdict.text("conversation_id"), verdict.text("stored_message_id"))
}

const BODY: &str = "Content-Type: text/plain\n\nHello Bob, see https://x.example/\"onmouseover=alert(1).\n\nOn Monday Bob wrote:\n> old <script>alert(1)</script>\n";

#[tokio::test]
async fn a_conversation_is_listed_found_and_read() {
    for api in &Api::both().await {
        let (mut ann, conversation, _) = ann_with(api, "Offer <b>1</b>", BODY).await;
        let here = format!("/conversations/{conversation}");
        let list = ann.get("/conversations").await;
        list.has(&here).has("Bob Stone").has("Offer &#60;b&#62;1").has("Hello Bob");
        ann.get("/conversations?q=hello").await.has(&here);
        ann.get("/conversations?q=stone+offer").await.has(&here);
        let none = ann.get("/conversations?q=hello+nowhere").await;
        assert!(!none.html.contains(&here));
        none.has("Nothing found");
        // What one has written is not new.
        for query in ["show=unread", "q=hello&show=unread"] {
            let none = ann.get(&format!("/conversations?{query}")).await;
            assert!(!none.html.contains(&here), "{query}: {}", none.html);
        }

        let thread = ann.get(&here).await;
        thread.has("Hello Bob").has("Smart BCC").has("Not tracked");
        assert!(!thread.html.contains("<script>alert") && !thread.html.contains(" onmouseover"));
        // Its history is there, folded away.
        thread.has("class=\"history\"").has("old &lt;script&gt;");
        assert_eq!(ann.get("/conversations/none").await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn whatever_is_typed_into_the_search_is_words() {
    for api in &Api::both().await {
        let (mut ann, ..) = ann_with(api, "Offer", BODY).await;
        for text in
            ["%22", "*", "NEAR(a", "%27%3b--", "a%00b", "%25", "words:x", "((((", "\u{1F600}"]
        {
            let shown = ann
                .get(&format!("/conversations?q={}", text.replace('\u{1F600}', "%F0%9F%98%80")))
                .await;
            assert!(
                shown.status == StatusCode::OK || text.contains("%00"),
                "{text}: {}",
                shown.status
            );
        }
        for query in ["after=x", "of=x", "state=x", "show=x", "before=x", "after=AAAA&q=a"] {
            assert_eq!(ann.get(&format!("/conversations?{query}")).await.status, StatusCode::OK);
        }
    }
}

#[tokio::test]
async fn a_user_reads_the_own_mail_and_nobody_elses() {
    for api in &Api::both().await {
        let (mut ann, conversation, message) = ann_with(api, "Offer", PARTS).await;
        let mut bea = Browser::of(api, "bea@acme.example", "user").await;
        let thread = ann.get(&format!("/conversations/{conversation}")).await;
        let file = thread.html.split("/conversations/files/").nth(1).unwrap();
        let file = file.split('"').next().unwrap().to_owned();
        let paths = [
            format!("/conversations/{conversation}"),
            format!("/conversations/messages/{message}/body"),
            format!("/conversations/messages/{message}/raw"),
            format!("/conversations/files/{file}"),
        ];
        for path in &paths {
            assert_eq!(ann.get(path).await.status, StatusCode::OK, "{path}");
            assert_eq!(bea.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
        }
        assert!(!bea.get("/conversations").await.html.contains(&conversation));
        assert!(!bea.get("/conversations?q=hello").await.html.contains(&conversation));
        assert!(!bea.get("/conversations?of=").await.html.contains(&conversation));
        // Another sub-account knows nothing of it.
        let (_, token) = api.add_sub_account("Other").await;
        let other = json!({"name": "Eve", "email": "eve@other.example", "role": "admin"});
        let other = api.call(axum::http::Method::POST, "/users", &token, &other).await;
        assert_eq!(other.status, StatusCode::CREATED);
    }
}

#[tokio::test]
async fn who_shares_a_contact_reads_nothing_of_a_colleagues_mail_in_it() {
    for api in &Api::both().await {
        let mut bea = Browser::of(api, "bea@acme.example", "user").await;
        let bea_id = user(api, "bea@acme.example").await;
        let hers = mail("bea@x", "Lunch", "\nAt noon?\n").replace("Ann <ann@", "Bea <bea@");
        api.mail_in(&bea_id, &hers, Trust::Dmarc).await;
        let later = BODY.replace("Hello", "Psst");
        let (mut ann, conversation, _) = ann_with(api, "Secret merger", &later).await;
        let here = format!("/conversations/{conversation}");
        for path in [here.as_str(), "/conversations", "/conversations?q=lunch"] {
            let shown = bea.get(path).await;
            shown.has("Lunch").has("Bob Stone");
            assert!(!shown.html.contains("Secret"), "{path}: {}", shown.html);
            assert!(!shown.html.contains("2 messages"), "{path}: {}", shown.html);
        }
        bea.get(&here).await.has("<dt>Messages</dt><dd>1</dd>");
        // An admin sees all of it.
        ann.get("/conversations").await.has("Secret merger").has("2 messages");
        ann.get(&here).await.has("<dt>Messages</dt><dd>2</dd>").has("Lunch");
    }
}

const PARTS: &str = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html; charset=utf-8\n\n<p>Hello <b>Bob</b></p><script>alert(1)</script><img src=x onerror=alert(2)><img src=\"https://cdn.example/a.png\">\n--b\nContent-Type: text/plain; name=\"notes.txt\"\nContent-Disposition: attachment; filename=\"notes.txt\"\n\nplain notes\n--b\nContent-Type: application/x-msdownload; name=\"run.exe\"\nContent-Disposition: attachment; filename=\"run.exe\"\nContent-Transfer-Encoding: base64\n\nTVqQAAMAAAAEAAAA\n--b--\n";

#[tokio::test]
async fn the_formatted_body_is_a_document_in_which_nothing_runs_and_nothing_is_loaded() {
    for api in &Api::both().await {
        let (mut ann, conversation, message) = ann_with(api, "Offer", PARTS).await;
        let body = ann.get(&format!("/conversations/messages/{message}/body")).await;
        body.has("Hello <b>Bob</b>");
        for bad in ["<script", "onerror", "cdn.example"] {
            assert!(!body.html.contains(bad), "{bad} in {}", body.html);
        }
        let policy = body.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        for part in
            ["sandbox", "default-src 'none'", "frame-ancestors 'self'", "form-action 'none'"]
        {
            assert!(policy.contains(part), "{policy}");
        }
        for part in ["allow-scripts", "allow-same-origin", "script-src", "http"] {
            assert!(!policy.contains(part), "{policy}");
        }
        // The pictures come when they are asked for; scripts never.
        let asked = ann.get(&format!("/conversations/messages/{message}/body?pictures=1")).await;
        asked.has("https://cdn.example/a.png");
        assert!(!asked.html.contains("<script") && !asked.html.contains("onerror"));
        let thread = ann.get(&format!("/conversations/{conversation}")).await;
        thread.has("sandbox=\"allow-popups allow-popups-to-escape-sandbox\"").has("Show pictures");
        // What was kept is a download, what was left out a tombstone.
        thread.has("notes.txt").has("run.exe").has("Left out: this type is not kept");
        let file = thread.html.split("/conversations/files/").nth(1).unwrap();
        let file =
            ann.get(&format!("/conversations/files/{}", file.split('"').next().unwrap())).await;
        let disposition = file.headers[header::CONTENT_DISPOSITION].to_str().unwrap();
        assert!(disposition.starts_with("attachment;"), "{disposition}");
        assert!(
            file.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("sandbox")
        );
    }
}
