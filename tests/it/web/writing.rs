//! Writing in the pages: drafts, sending by the function that the API calls, and taking back.

use axum::http::StatusCode;
use mailweave::model::Trust;
use serde_json::json;

use super::api::{Api, mail};
use super::ui::Browser;

const DRAFT: &str = "018f0000-0000-7000-8000-000000000001";

#[tokio::test]
async fn a_draft_is_its_authors_and_comes_back_safe() {
    for api in &Api::both().await {
        let mut ann = Browser::of(api, "ann@acme.example", "user").await;
        let mut bea = Browser::of(api, "bea@acme.example", "admin").await;
        let html = "<b onclick=alert(1)>Hello</b><script>alert(2)</script>";
        let fields = [
            ("draft", DRAFT),
            ("to", "bob@client.example"),
            ("subject", "A <b>question"),
            ("text", "Hello"),
            ("html", html),
        ];
        assert_eq!(ann.post("/conversations/drafts", &fields).await.status, StatusCode::NO_CONTENT);
        let shown = ann.get(&format!("/conversations/new?draft={DRAFT}")).await;
        shown
            .has("bob@client.example")
            .has("A &#60;b&#62;question")
            .has("&#60;b&#62;Hello&#60;/b&#62;");
        assert!(
            !shown.html.contains("onclick") && !shown.html.contains("alert(2)"),
            "{}",
            shown.html
        );
        let others = bea.get(&format!("/conversations/new?draft={DRAFT}")).await;
        assert!(!others.html.contains("bob@client.example"));
        // Nobody writes over another's.
        let over = [
            ("draft", DRAFT),
            ("to", "eve@evil.example"),
            ("subject", "x"),
            ("text", "x"),
            ("html", ""),
        ];
        bea.post("/conversations/drafts", &over).await;
        ann.get(&format!("/conversations/new?draft={DRAFT}")).await.has("bob@client.example");
    }
}

#[tokio::test]
async fn a_mail_is_queued_can_be_taken_back_for_ten_seconds_and_is_a_draft_again() {
    for api in &Api::both().await {
        let mut ann = Browser::of(api, "ann@acme.example", "user").await;
        let fields = [
            ("draft", DRAFT),
            ("to", "Bob <bob@client.example>"),
            ("subject", "Offer"),
            ("text", "Hello"),
            ("html", ""),
            ("do", "send"),
        ];
        let refused = ann.post_parts("/conversations/send", &fields).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        refused.has("There is no way to send yet").has("bob@client.example");
        give_relay(api).await;
        for (name, value, says) in
            [("to", "bob", "bob is no address"), ("to", "", "Give at least one address")]
        {
            let wrong: Vec<_> = fields
                .iter()
                .map(|(it, old)| (*it, if *it == name { value } else { *old }))
                .collect();
            ann.post_parts("/conversations/send", &wrong).await.has(says);
        }
        let sent = ann.post_parts("/conversations/send", &fields).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.html);
        let to = sent.location().to_owned();
        let id = to.split("#m-").nth(1).unwrap().to_owned();
        let to = to.split('#').next().unwrap().to_owned();
        // Twice is once.
        assert_eq!(
            ann.post_parts("/conversations/send", &fields).await.location().split('#').next(),
            Some(to.as_str())
        );
        let message = api.get(&format!("/messages/{id}")).await;
        assert_eq!(
            (&message.json["status"], &message.json["subject"]),
            (&json!("queued"), &json!("Offer"))
        );
        ann.get(&to).await.has("Waiting to be sent").has("You can still take it back");
        let mut bea = Browser::of(api, "bea@acme.example", "user").await;
        let path = format!("/conversations/messages/{id}/take-back");
        assert_eq!(bea.post(&path, &[]).await.status, StatusCode::NOT_FOUND);
        let again = ann.submit(&path, &[]).await;
        let late = ann.get(&to).await;
        assert!(!late.html.contains("You can still take it back"), "{}", late.html);
        again.has("Here it is").has("bob@client.example");
        assert_eq!(api.get(&format!("/messages/{id}")).await.json["status"], "cancelled");
        // The form from before, to which a browser can go back, is told so.
        let before = ann.post_parts("/conversations/send", &fields).await;
        before.has("You took this mail back").has("bob@client.example");
        // What the draft says now is sent.
        for shown in [again, before] {
            let draft = shown.value("draft");
            let fields: Vec<_> = fields
                .iter()
                .map(|(it, old)| (*it, if *it == "draft" { draft.as_str() } else { *old }))
                .collect();
            let sent = ann.post_parts("/conversations/send", &fields).await;
            assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.html);
            let second = sent.location().split("#m-").nth(1).unwrap();
            assert_eq!(api.get(&format!("/messages/{second}")).await.json["status"], "queued");
        }
    }
}

/// A relay that nobody hears at.
async fn give_relay(api: &Api) {
    let provider = json!({"sub_account_provider": {"host": "127.0.0.1", "port": 1, "username": "u",
        "password": "p", "default_from": "ann@acme.example", "allowed_domains": ["acme.example"]}});
    assert_eq!(api.patch("/settings", provider).await.status, StatusCode::OK);
}

#[tokio::test]
async fn files_go_along_after_undo_and_are_named_where_they_are_to_be_attached_again() {
    for api in &Api::both().await {
        let mut ann = Browser::of(api, "ann@acme.example", "user").await;
        let fields = [
            ("draft", DRAFT),
            ("to", "bob@client.example"),
            ("subject", "Offer"),
            ("text", "Hello"),
            ("html", ""),
        ];
        let how = |how: &'static str| [fields.as_slice(), &[("do", how)]].concat();
        let file = ("offer 1.txt", "forty seats");
        let send = "/conversations/send";
        let refused = ann.post_file(send, &how("send"), file).await;
        refused.has("no way to send yet").has("Attach again: offer 1.txt");
        ann.post_file(send, &how("keep"), file).await;
        let kept = ann.get(&format!("/conversations/new?draft={DRAFT}")).await;
        kept.has("Your draft is kept without its files").has("Attach again: offer 1.txt");

        // Too much of it is said where one attaches.
        let large = "x".repeat(33 << 20);
        let refused = ann.post_file(send, &how("send"), ("large.txt", &large)).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        refused.has("too large together: a mail may have 32 MB").has("At most 3 MB each");

        give_relay(api).await;
        let sent = ann.post_file(send, &how("send"), file).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.html);
        let id = sent.location().split("#m-").nth(1).unwrap().to_owned();
        let back = format!("/conversations/messages/{id}/take-back");
        let again = ann.submit(&back, &[]).await;
        again.has("<span class=\"file-name\">offer 1.txt</span>");
        assert!(!again.html.contains("Attach again"), "{}", again.html);
        let (draft, attached) = (again.value("draft"), again.value("attached"));
        let mut second = how("send");
        second[0] = ("draft", &draft);
        second.push(("attached", &attached));
        let sent = ann.post_file(send, &second, ("more.txt", "and one")).await;
        let id = sent.location().split("#m-").nth(1).unwrap();
        let files = api.get(&format!("/messages/{id}")).await.json["attachments"].clone();
        let names: Vec<_> = files.as_array().unwrap().iter().map(|it| &it["file_name"]).collect();
        assert_eq!(names, ["more.txt", "offer 1.txt"]);
        // Nobody sends the files of another's mail.
        let mut bea = Browser::of(api, "bea@acme.example", "user").await;
        assert_eq!(bea.post_parts(send, &second).await.status, StatusCode::NOT_FOUND);
    }
}

/// A mail to Ann in the thread of what she wrote first, filed at her smart BCC address.
fn answer_of_bob(id: &str, header: &str, text: &str) -> String {
    format!(
        "From: Bob Stone <bob@client.example>\nTo: ann@acme.example, Cleo <cleo@client.example>\n{header}\
         Subject: Re: Offer\nMessage-ID: <{id}>\nIn-Reply-To: <one@x>\n\n{text}\n"
    )
}

#[tokio::test]
async fn every_mail_can_be_answered_where_its_author_wants_answers() {
    for api in &Api::both().await {
        let (mut ann, id) = Browser::with_user(api, "ann@acme.example", "user").await;
        api.mail_in(&id, &mail("one@x", "Offer", "\nHello\n"), Trust::Dmarc).await;
        let asks = "Reply-To: Desk <desk@client.example>\n";
        let filed = answer_of_bob("two@x", asks, "Ask <b>there</b>.");
        let verdict = api.mail_in(&id, &filed, Trust::Dmarc).await;
        api.mail_in(&id, &answer_of_bob("three@x", "", "Later words."), Trust::Dmarc).await;
        let verdict = api.get(&format!("/verdicts/{verdict}")).await;
        let (thread, message) =
            (verdict.text("conversation_id"), verdict.text("stored_message_id"));
        let here = format!("/conversations/{thread}");
        ann.get(&here).await.has("value=\"&#34;Bob Stone&#34; &#60;bob@client.example&#62;\"");
        let chosen = ann.get(&format!("{here}?reply={message}")).await;
        chosen.has("value=\"&#34;Desk&#34; &#60;desk@client.example&#62;\"");
        assert_eq!(chosen.value("reply_to"), message);
        // What is quoted can be read, and does nothing.
        chosen.has("<div class=\"text quoted\" dir=\"auto\">Ask &lt;b&gt;there&lt;/b&gt;.");
        let all = format!("{here}?reply={message}&all=1");
        chosen.has(&all.replace('&', "&#38;"));
        ann.get(&all).await.has("&#34;Cleo&#34; &#60;cleo@client.example&#62;");

        // What is refused comes back where it was written.
        let (draft, text) = (chosen.value("draft"), "My answer");
        let fields = [
            ("draft", draft.as_str()),
            ("conversation", &thread),
            ("reply_to", &message),
            ("to", "nobody"),
            ("text", text),
            ("html", ""),
            ("do", "send"),
        ];
        let refused = ann.post_parts("/conversations/send", &fields).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        refused.has("nobody is no address").has(">My answer</textarea>").has("Later words.");
        // And what was begun, where it belongs.
        ann.post("/conversations/drafts", &fields).await;
        let list = ann.get("/conversations/new").await;
        let kept = format!("{here}?reply={message}&draft={draft}");
        list.has(&format!("{kept}#reply").replace('&', "&#38;"));
        ann.get(&format!("{here}?reply={message}")).await.has(">My answer</textarea>");
        // A later one does not hide it.
        let mut later = fields;
        let other = uuid::Uuid::now_v7().to_string();
        (later[0], later[2], later[4]) =
            (("draft", other.as_str()), ("reply_to", ""), ("text", "Another"));
        ann.post("/conversations/drafts", &later).await;
        let shown = ann.get(&kept).await;
        shown.has(">My answer</textarea>");
        assert_eq!(shown.value("draft"), draft);
    }
}
