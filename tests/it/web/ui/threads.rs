//! What a thread says of its messages beside their words: from whom they are, of when, how far their sending is,
//! and as whom an answer goes.

use axum::http::StatusCode;
use mailweave::clock;
use mailweave::decide::send::Pace;
use mailweave::ingest::index;
use mailweave::model::{EventId, SendStatus, Trust};
use mailweave::store::Settle;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Api, Browser};
use crate::web::api::mail;

const PACE: Pace =
    Pace { per_mailbox_per_minute: 30, connections_per_mailbox: 3, connections_per_relay: 20 };

/// A mail of Ann to Bob, and Cleo in Cc.
fn first(id: &str) -> String {
    mail(id, "Offer", "Cc: cleo@client.example\n\nHello\n")
}

fn reply(from: &str, id: &str) -> String {
    let date = jiff::fmt::rfc2822::to_string(&jiff::Zoned::now()).unwrap();
    format!(
        "From: {from}\nTo: ann@acme.example\nSubject: Re: Offer\nMessage-ID: <{id}>\nDate: {date}\n\
         In-Reply-To: <one@x>\n\nYes.\n"
    )
}

/// Where the conversation of that mail is, once it is filed.
async fn filed(api: &Api, user: &str, raw: &str) -> String {
    let verdict = api.mail_in(user, raw, Trust::Dmarc).await;
    let verdict = api.get(&format!("/verdicts/{verdict}")).await;
    format!("/conversations/{}", verdict.text("conversation_id"))
}

async fn catch_up(api: &Api) {
    index::catch_up(&api.store, &CancellationToken::new()).await.unwrap();
}

async fn give_relay(api: &Api) {
    let relay = json!({"host": "127.0.0.1", "port": 1, "username": "u", "password": "p",
        "default_from": "desk@acme.example", "allowed_domains": ["acme.example"]});
    let set = api.patch("/settings", json!({"sub_account_provider": relay})).await;
    assert_eq!(set.status, StatusCode::OK);
}

/// What is due comes to this.
async fn settle(api: &Api, status: SendStatus, due_in_seconds: Option<i64>) {
    let now = clock::now().plus_seconds(60);
    for mail in api.store.claim(now, now.plus_seconds(60), &PACE, 10).await.unwrap() {
        let settle = Settle {
            sub_account: mail.sub_account,
            message: mail.message,
            lease: mail.lease,
            status,
            route: mail.route.clone(),
            detail: Some("550 5.7.1 not today".to_owned()),
            attempts: 1,
            due_at: due_in_seconds.map(|seconds| now.plus_seconds(seconds)),
            deadline: due_in_seconds.map(|_| now.plus_seconds(86_400)),
            report: Vec::new(),
            copy_wanted: false,
            alias: None,
            at: now,
            event_ids: [EventId(Uuid::now_v7()), EventId(Uuid::now_v7())],
        };
        api.store.settle(&[settle]).await.unwrap();
    }
}

#[tokio::test]
async fn mail_from_another_address_than_the_contacts_is_marked() {
    for api in &Api::both().await {
        let (mut ann, id) = Browser::with_user(api, "ann@acme.example", "user").await;
        filed(api, &id, &first("one@x")).await;
        let here = filed(api, &id, &reply("Bob Stone <bob@client.example>", "two@x")).await;
        let mark = "Another address than that of Bob Stone";
        let shown = ann.get(&here).await;
        shown.has(" data-thread=\"0");
        assert!(!shown.html.contains(mark), "{}", shown.html);
        // By the contact's own name.
        filed(api, &id, &reply("Bob Stone <cleo@client.example>", "three@x")).await;
        let shown = ann.get(&here).await;
        shown.has("<span class=\"quiet\">cleo@client.example</span> <span class=\"tag warn\">");
        assert_eq!(shown.html.matches(mark).count(), 1);
    }
}

#[tokio::test]
async fn the_date_of_the_sender_is_not_the_time_and_is_shown_where_it_differs() {
    let [api, _] = Api::both().await;
    let (mut ann, id) = Browser::with_user(&api, "ann@acme.example", "user").await;
    let dated = first("one@x").replace("3 Nov 2026", "3 Nov 2099").replace("Tue, ", "");
    let here = filed(&api, &id, &dated).await;
    let shown = ann.get(&here).await;
    shown.has("<dt>Date of the sender</dt><dd><time datetime=\"2099-11-03");
    let when = shown.html.split("<span class=\"when\">").nth(1).unwrap();
    assert!(!when.split("</span>").next().unwrap().contains("2099"), "{when}");
    filed(&api, &id, &reply("Bob Stone <bob@client.example>", "two@x")).await;
    assert_eq!(ann.get(&here).await.html.matches("Date of the sender").count(), 1);
}

const DRAFT: &str = "018f0000-0000-7000-8000-000000000001";

const FIELDS: [(&str, &str); 5] = [
    ("draft", DRAFT),
    ("to", "bob@client.example"),
    ("subject", "Offer"),
    ("text", "Forty seats"),
    ("html", ""),
];

#[tokio::test]
async fn what_is_sent_later_or_tried_again_says_when() {
    for api in &Api::both().await {
        give_relay(api).await;
        let mut ann = Browser::of(api, "ann@acme.example", "user").await;
        let tomorrow = jiff::Zoned::now().saturating_add(jiff::Span::new().days(1));
        let tomorrow = tomorrow.strftime("%Y-%m-%dT%H:%M").to_string();
        let later = [FIELDS.as_slice(), &[("do", "later"), ("send_at", &tomorrow)]].concat();
        let sent = ann.post_parts("/conversations/send", &later).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.html);
        let here = sent.location().to_owned();
        ann.get(&here).await.has(">To be sent <time datetime=");

        let mut now = [FIELDS.as_slice(), &[("do", "send")]].concat();
        let other = Uuid::now_v7().to_string();
        now[0].1 = &other;
        ann.post_parts("/conversations/send", &now).await;
        ann.get(&here).await.has(">Waiting to be sent</span>");
        settle(api, SendStatus::Retrying, Some(3_600)).await;
        ann.get(&here).await.has(">Will be tried again <time datetime=");
    }
}

#[tokio::test]
async fn what_failed_is_seen_in_the_list_and_written_again() {
    for api in &Api::both().await {
        give_relay(api).await;
        let mut ann = Browser::of(api, "ann@acme.example", "user").await;
        let fields = [FIELDS.as_slice(), &[("do", "send")]].concat();
        let sent = ann.post_parts("/conversations/send", &fields).await;
        let (here, id) = sent.location().split_once("#m-").unwrap();
        let again = format!("/conversations/messages/{id}/again");
        assert_eq!(ann.post(&again, &[]).await.status, StatusCode::NOT_FOUND, "it is on its way");
        catch_up(api).await;
        let list = ann.get("/conversations").await;
        assert!(!list.has("Forty seats").html.contains("Not sent"), "{}", list.html);

        settle(api, SendStatus::Failed, None).await;
        ann.get("/conversations").await.has("Not sent:");
        ann.get(here).await.has("550 5.7.1 not today").has(&again);
        for _ in 0..2 {
            let draft = ann.submit(&again, &[]).await;
            draft.has("Here is the mail as a draft again.").has("Forty seats");
            assert_eq!(draft.value("to"), "bob@client.example");
            assert_ne!(draft.value("draft"), DRAFT);
        }
        let mut bea = Browser::of(api, "bea@acme.example", "user").await;
        assert_eq!(bea.post(&again, &[]).await.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn whoever_else_writes_a_mail_again_is_not_told_its_bcc() {
    for api in &Api::both().await {
        give_relay(api).await;
        let mut ann = Browser::of(api, "ann@acme.example", "user").await;
        let more = [("cc", "chief@acme.example"), ("bcc", "dora@client.example"), ("do", "send")];
        let fields = [FIELDS.as_slice(), &more].concat();
        let sent = ann.post_parts("/conversations/send", &fields).await;
        let (_, id) = sent.location().split_once("#m-").unwrap();
        settle(api, SendStatus::Failed, None).await;
        let again = format!("/conversations/messages/{id}/again");
        let mut chief = Browser::of(api, "chief@acme.example", "admin").await;
        let draft = chief.submit(&again, &[]).await;
        draft.has("Here is the mail as a draft again.").has("Forty seats");
        assert!(!draft.html.contains("dora@"), "{}", draft.html);
        assert_eq!(ann.submit(&again, &[]).await.value("bcc"), "dora@client.example");
    }
}

#[tokio::test]
async fn what_a_program_sent_is_taken_back_as_a_draft_of_its_author() {
    for api in &Api::both().await {
        give_relay(api).await;
        let (mut ann, user) = Browser::with_user(api, "ann@acme.example", "user").await;
        let mut chief = Browser::of(api, "chief@acme.example", "admin").await;
        let sending = |subject| {
            json!({"kind": "individual", "user_id": user, "to": ["bob@client.example"],
                "bcc": ["dora@client.example"], "subject": subject, "text": "Forty seats."})
        };
        let sent = api.post("/messages", sending("First")).await;
        let back = |id: &str| format!("/conversations/messages/{id}/take-back");
        let draft = ann.submit(&back(sent.text("id").as_str()), &[]).await;
        draft.has("The mail was taken back. Here it is.").has("Forty seats.");
        assert_eq!(draft.value("bcc"), "dora@client.example");
        let sent = api.post("/messages", sending("Second")).await;
        let taken = chief.submit(&back(sent.text("id").as_str()), &[]).await;
        taken.has("Whoever wrote it finds it under New mail");
        assert!(!taken.html.contains("dora@"), "{}", taken.html);
        ann.get("/conversations/new").await.has("Second · bob@client.example");
    }
}

#[tokio::test]
async fn what_a_program_sent_and_failed_is_written_again_whole() {
    for api in &Api::both().await {
        give_relay(api).await;
        let (mut ann, user) = Browser::with_user(api, "ann@acme.example", "user").await;
        let here = filed(api, &user, &first("one@x")).await;
        let parent = ann.get(&here).await.value("reply_to");
        let sending = json!({"kind": "individual", "user_id": user, "to": ["bob@client.example"],
            "bcc": ["dora@client.example"], "subject": "Re: Offer", "text": "Forty seats.\n\n> Hello",
            "html": "<p>Forty <b>seats</b>.</p><blockquote>Hello</blockquote>",
            "reply_to_message_id": parent});
        let sent = api.post("/messages", sending).await;
        assert_eq!(sent.status, StatusCode::ACCEPTED, "{}", sent.json);
        settle(api, SendStatus::Failed, None).await;

        let again = format!("/conversations/messages/{}/again", sent.text("id"));
        let draft = ann.submit(&again, &[]).await;
        draft.has("Here is the mail as a draft again.");
        let html = draft.value("html");
        assert!(html.contains("&#60;b&#62;seats") && html.contains("blockquote"), "{html}");
        let fields = ["draft", "conversation", "reply_to", "has_quote", "to", "bcc", "subject"]
            .map(|name| (name, draft.value(name)));
        assert_eq!(fields[2].1, parent, "the thread goes on");
        assert_eq!(fields[5].1, "dora@client.example");
        let mut fields: Vec<_> = fields.iter().map(|(name, it)| (*name, it.as_str())).collect();
        fields.extend([
            ("text", "Forty seats.\n\n> Hello"),
            ("html", "<p>Forty <b>seats</b>.</p><blockquote>Hello</blockquote>"),
            ("do", "send"),
        ]);
        let sent = ann.post_parts("/conversations/send", &fields).await;
        let (_, id) = sent.location().split_once("#m-").unwrap();
        let message = api.get(&format!("/messages/{id}")).await.json;
        assert_eq!(message["in_reply_to"], json!(["one@x"]));
        let (text, html) = (message["text"].as_str().unwrap(), message["html"].as_str().unwrap());
        assert_eq!(text.matches("Hello").count(), 1, "it is quoted once: {text}");
        assert_eq!(html.matches("Hello").count(), 1, "{html}");
    }
}

#[tokio::test]
async fn what_is_kept_while_it_is_sent_does_not_keep_it_from_being_taken_back() {
    for api in &Api::both().await {
        give_relay(api).await;
        let mut ann = Browser::of(api, "ann@acme.example", "user").await;
        let fields = [FIELDS.as_slice(), &[("do", "send")]].concat();
        assert_eq!(ann.post("/conversations/drafts", &FIELDS).await.status, StatusCode::NO_CONTENT);
        let sent = ann.post_parts("/conversations/send", &fields).await;
        let (_, id) = sent.location().split_once("#m-").unwrap();
        // It was on its way meanwhile.
        let late = ann.post("/conversations/drafts", &FIELDS).await;
        assert_eq!(late.status, StatusCode::CONFLICT);
        let keep = [FIELDS.as_slice(), &[("do", "keep")]].concat();
        let kept = ann.post_parts("/conversations/send", &keep).await.location().to_owned();
        ann.get(&kept).await.has("this mail was sent just now");
        // What was written since is another draft.
        let mut more = keep.clone();
        more[3].1 = "Fifty seats";
        let kept = ann.post_parts("/conversations/send", &more).await.location().to_owned();
        ann.get(&kept).await.has("Your draft is kept.");
        let drafts = ann.get("/conversations/new").await;
        assert!(!drafts.has("?draft=").html.contains(&format!("?draft={DRAFT}")));
        let back = ann.submit(&format!("/conversations/messages/{id}/take-back"), &[]).await;
        back.has("The mail was taken back. Here it is.").has("Forty seats");
    }
}

#[tokio::test]
async fn what_an_admin_takes_back_is_a_draft_of_who_wrote_it() {
    for api in &Api::both().await {
        give_relay(api).await;
        let mut ann = Browser::of(api, "ann@acme.example", "user").await;
        let mut chief = Browser::of(api, "chief@acme.example", "admin").await;
        let fields = [FIELDS.as_slice(), &[("do", "send")]].concat();
        let sent = ann.post_parts("/conversations/send", &fields).await;
        let (_, id) = sent.location().split_once("#m-").unwrap();
        let back = chief.submit(&format!("/conversations/messages/{id}/take-back"), &[]).await;
        back.has("Whoever wrote it finds it under New mail");
        let new = "/conversations/new";
        assert!(!chief.get(new).await.html.contains("?draft="));
        ann.get(new).await.has("?draft=").has("Offer · bob@client.example");
    }
}

#[tokio::test]
async fn an_answer_in_a_colleagues_conversation_goes_to_the_contact_and_says_from_whom() {
    for api in &Api::both().await {
        let (_, id) = Browser::with_user(api, "ann@acme.example", "user").await;
        let mut chief = Browser::of(api, "chief@acme.example", "admin").await;
        let here = filed(api, &id, &first("one@x")).await;
        let shown = chief.get(&here).await;
        shown.has("There is no way to send yet").has("</svg>Ann Example</span>\n<details");
        assert_eq!(shown.value("to"), "&#34;Bob Stone&#34; &#60;bob@client.example&#62;");
        let message = shown.value("reply_to");
        let all = chief.get(&format!("{here}?reply={message}&all=1")).await;
        assert_eq!(all.value("to"), shown.value("to"));
        let copies = all.value("cc");
        assert!(copies.contains("ann@acme.example") && copies.contains("cleo@"), "{copies}");

        give_relay(api).await;
        let from = "<span>From</span><span>Ann Example &#60;chief@acme.example&#62;</span>";
        for path in [here.as_str(), "/conversations/new"] {
            let shown = chief.get(path).await;
            assert!(!shown.has(from).html.contains("There is no way to send yet"));
        }
    }
}

#[tokio::test]
async fn a_page_that_is_full_does_not_say_that_it_is_all() {
    let [api, _] = Api::both().await;
    let (mut ann, id) = Browser::with_user(&api, "ann@acme.example", "user").await;
    for number in 0..41 {
        let raw = mail(&format!("{number}@x"), "Offer", "\nHello\n");
        let raw = raw.replace("bob@client.example", &format!("bob{number}@client.example"));
        api.mail_in(&id, &raw, Trust::Dmarc).await;
    }
    catch_up(&api).await;
    ann.get("/conversations").await.has("data-found=\"Conversations found: 40 or more\"");
}

#[tokio::test]
async fn the_sum_of_a_file_that_was_left_out_can_be_read() {
    let [api, _] = Api::both().await;
    let (mut ann, id) = Browser::with_user(&api, "ann@acme.example", "user").await;
    let body = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\
        Content-Type: text/plain\n\nHello\n--b\nContent-Type: application/x-sh; name=a.sh\n\
        Content-Disposition: attachment; filename=a.sh\n\nabc\n--b--\n";
    let here = filed(&api, &id, &mail("one@x", "Offer", body)).await;
    let shown = ann.get(&here).await;
    shown.has("<dt>Left out</dt><dd>a.sh<span>SHA-256 <code>ba7816bf8f01cfea414140de5dae2223b");
}

#[tokio::test]
async fn files_that_do_not_go_along_are_refused_in_words_beside_them() {
    let [api, _] = Api::both().await;
    give_relay(&api).await;
    let mut ann = Browser::of(&api, "ann@acme.example", "user").await;
    let fields = [FIELDS.as_slice(), &[("do", "send")]].concat();
    let path = "/conversations/send";
    let large = "x".repeat(3_145_729);
    for (file, words) in [
        (("a.sh", "abc"), "“a.sh” cannot be sent: it is none of JPG, JPEG, PNG,"),
        (("a.txt", large.as_str()), "“a.txt” is larger than 3 MB"),
    ] {
        ann.post_files(path, &fields, &[file]).await.has(words).has("value=\"Offer\"");
    }
    let many = [("a.txt", "abc"); 51];
    let refused = ann.post_files(path, &fields, &many).await;
    refused.has("A mail may have 50 files").has("value=\"Offer\"");
    let sent = ann.post_files(path, &fields, &many[1..]).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.html);
}

#[tokio::test]
async fn a_mail_to_many_is_answered_to_many_and_names_not_all_of_them() {
    let [api, _] = Api::both().await;
    give_relay(&api).await;
    let (mut ann, id) = Browser::with_user(&api, "ann@acme.example", "user").await;
    let crowd: Vec<String> = (0..200).map(|n| format!("p{n}@crowd.example")).collect();
    let raw = first("one@x").replace("Bob Stone <bob@client.example>", &crowd.join(",\n "));
    let here = filed(&api, &id, &raw).await;
    let shown = ann.get(&here).await;
    // The contact, thirty others, and Cleo in Cc.
    shown.has("And 170 more.");
    let fields = [("reply_to", shown.value("reply_to")), ("draft", shown.value("draft"))];
    let mut fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let to = crowd.join(", ");
    fields.extend([("to", to.as_str()), ("subject", "Re: Offer"), ("text", "Yes"), ("do", "send")]);
    let sent = ann.post_parts("/conversations/send", &fields).await;
    assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.html);
    let more: String = (0..501).map(|n| format!("q{n}@crowd.example, ")).collect();
    fields.retain(|(name, _)| *name != "to");
    fields.push(("to", &more));
    let refused = ann.post_parts("/conversations/send", &fields).await;
    refused.has("These are more than 500 addresses");
}

#[tokio::test]
async fn nobody_writes_into_a_conversation_that_they_cannot_see() {
    for api in &Api::both().await {
        give_relay(api).await;
        let (_, id) = Browser::with_user(api, "ann@acme.example", "user").await;
        let mut bea = Browser::of(api, "bea@acme.example", "user").await;
        let here = filed(api, &id, &first("one@x")).await;
        let conversation = here.strip_prefix("/conversations/").unwrap();
        let unread = bea.post(&format!("{here}/unread"), &[]).await;
        assert_eq!(unread.status, StatusCode::NOT_FOUND);
        let fields = [("conversation", conversation), ("to", "dora@client.example")];
        let fields = [fields.as_slice(), &[("text", "Hello"), ("do", "send")]].concat();
        let sent = bea.post_parts("/conversations/send", &fields).await;
        assert_eq!(sent.status, StatusCode::SEE_OTHER, "{}", sent.html);
        assert!(!sent.location().starts_with(&here), "{}", sent.location());
    }
}

#[tokio::test]
async fn an_answer_that_was_begun_goes_to_all_when_asked() {
    let [api, _] = Api::both().await;
    let (mut ann, id) = Browser::with_user(&api, "ann@acme.example", "user").await;
    let here = filed(&api, &id, &first("one@x")).await;
    let shown = ann.get(&here).await;
    let all =
        shown.html.split("class=\"button\" href=\"").nth(1).and_then(|it| it.split('"').next());
    let all = all.expect("a way to all").replace("&amp;", "&").replace("&#38;", "&");
    let (draft, message) = (shown.value("draft"), shown.value("reply_to"));
    let conversation = here.strip_prefix("/conversations/").unwrap();
    let begun = [
        ("draft", draft.as_str()),
        ("conversation", conversation),
        ("reply_to", &message),
        ("to", "bob@client.example"),
        ("text", "To all of you"),
    ];
    assert_eq!(ann.post("/conversations/drafts", &begun).await.status, StatusCode::NO_CONTENT);
    ann.get(&here).await.has("To all of you").has("Reply to all");
    let shown = ann.get(&all).await;
    shown.has("To all of you");
    assert_eq!(
        (shown.value("draft"), shown.value("cc")),
        (draft, "cleo@client.example".to_owned())
    );
    assert!(!shown.html.contains("Reply to all"));
}

#[tokio::test]
async fn the_own_address_for_bcc_is_not_needed_and_not_called_wrong() {
    let [api, _] = Api::both().await;
    give_relay(&api).await;
    let (mut ann, id) = Browser::with_user(&api, "ann@acme.example", "user").await;
    let bcc = api.get(&format!("/users/{id}")).await.text("bcc_address");
    let fields = [FIELDS.as_slice(), &[("bcc", bcc.as_str()), ("do", "send")]].concat();
    let refused = ann.post_parts("/conversations/send", &fields).await;
    refused.has(&format!("Leave {bcc} out: what you send from here is in the CRM anyway."));
}
