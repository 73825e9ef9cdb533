//! Clients that mean harm, or do not read descriptions: C18, D16, D17, D19.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use mailweave::model::Trust;
use serde_json::{Value, json};
use tower::ServiceExt;
use uuid::Uuid;

use super::api::{ADMIN, Api, OUTLOOK, mail};

#[tokio::test]
async fn ids_of_another_sub_account_answer_like_ids_of_nothing() {
    for api in Api::both_with(OUTLOOK).await {
        let ann = api.add_user("ann@acme.example").await;
        let hook = api.post("/webhooks", json!({"url": "https://1.1.1.1/"})).await.text("id");
        let connecting = json!({"user_id": ann, "provider": "outlook"});
        let mailbox = api.post("/mailboxes", connecting).await.text("id");
        let bulk = api.send_bulk(&ann).await;
        let body = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain\nContent-Disposition: attachment; filename=a.txt\n\nnotes\n--b--\n";
        let verdict = api.mail_in(&ann, &mail("1@x", "One", body), Trust::Dmarc).await;
        let verdict = api.get(&format!("/verdicts/{verdict}")).await;
        let message = api.get(&format!("/messages/{}", verdict.text("stored_message_id"))).await;
        let id_of = |path: &str| match path.split('/').nth(3).unwrap() {
            "users" => ann.clone(),
            "contacts" => Uuid::nil().to_string(),
            "conversations" => message.text("conversation_id"),
            "messages" => message.text("id"),
            "attachments" => message.json["attachments"][0]["id"].as_str().unwrap().to_owned(),
            "verdicts" => verdict.text("id"),
            "sub-accounts" => api.id.clone(),
            "webhooks" => hook.clone(),
            "mailboxes" => mailbox.clone(),
            "bulk" => bulk.clone(),
            other => panic!("{other} has no id here: add it"),
        };
        let contact = api.get("/contacts").await.items()[0]["id"].as_str().unwrap().to_owned();
        let (_, stranger) = api.add_sub_account("Other").await;
        let mut tried = 0;
        for (template, item) in api.description["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys().filter(|_| template.contains("{id}")) {
                let id =
                    if template.contains("/contacts/") { contact.clone() } else { id_of(template) };
                let method: Method = method.to_uppercase().parse().unwrap();
                let theirs = ask(&api, &method, template, &id, &stranger).await;
                let nothing =
                    ask(&api, &method, template, &Uuid::now_v7().to_string(), &stranger).await;
                let garbage = ask(&api, &method, template, "..%2f..%2fetc", &stranger).await;
                let expected = if template.contains("sub-accounts") { 403 } else { 404 };
                assert_eq!(theirs.status.as_u16(), expected, "{method} {template}");
                assert_eq!(theirs.json, nothing.json, "{method} {template}");
                assert_eq!(theirs.json, garbage.json, "{method} {template}");
                tried += 1;
            }
        }
        assert!(tried >= 17, "{tried}");
        for query in [
            format!("/verdicts?user_id={ann}"),
            format!("/conversations?contact_id={contact}"),
            "/verdicts?message_id=1@x".to_owned(),
            "/contacts?q=bob".to_owned(),
            "/contacts?email=bob@client.example".to_owned(),
        ] {
            let answer = api.call(Method::GET, &query, &stranger, &Value::Null).await;
            assert_eq!(answer.json, json!({"items": [], "next_cursor": null}), "{query}");
        }
    }
}

async fn ask(
    api: &Api,
    method: &Method,
    template: &str,
    id: &str,
    token: &str,
) -> super::api::Answer {
    let path = template.replace("{id}", id);
    let body = match method.as_str() {
        "PATCH" => "{}",
        "PUT" => "{\"provider\": \"outlook\"}",
        _ if template.ends_with("/resolve") => "{\"as\": \"sent\"}",
        _ => "",
    };
    let json = [("content-type", "application/json")];
    api.send(method.clone(), &path, Some(token), &json, body).await
}

#[tokio::test]
async fn only_a_valid_token_in_the_header_opens_the_door() {
    let [api, _] = Api::both().await;
    let path = "/api/v1/users";
    for (query, authorization) in [
        ("", None),
        ("", Some("Bearer")),
        ("", Some("Bearer ")),
        ("", Some("Bearer mw_wrong")),
        ("", Some("Basic dTpw")),
        ("?access_token=TOKEN", None),
        ("?token=TOKEN", None),
    ] {
        let path = format!("{path}{}", query.replace("TOKEN", &api.token));
        let header = authorization.map(|value| ("authorization", value));
        let headers: Vec<_> = header.into_iter().collect();
        let answer = api.send(Method::GET, &path, None, &headers, "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{authorization:?} {query}");
        assert!(answer.header(header::WWW_AUTHENTICATE).starts_with("Bearer"));
        assert!(!answer.json.to_string().contains(&api.token));
    }
    let long = "x".repeat(100_000);
    assert_eq!(api.send(Method::GET, path, Some(&long), &[], "").await.status.as_u16(), 401);
    let twice = [("authorization", "Bearer a"), ("authorization", "Bearer b")];
    assert_eq!(api.send(Method::GET, path, None, &twice, "").await.status.as_u16(), 401);
    let made = api.post("/sub-accounts", json!({"name": "Mine"})).await;
    assert_eq!(made.status, StatusCode::FORBIDDEN);
    let gone = format!("/sub-accounts/{}", api.id);
    api.call(Method::DELETE, &gone, ADMIN, &Value::Null).await;
    assert_eq!(api.get("/users").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_is_not_as_described_is_refused_with_a_problem() {
    let [api, _] = Api::both().await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_name = format!("{{\"email\":\"a@b.example\",\"name\":{deep}}}");
    let large = format!("{{\"email\":\"a@b.example\",\"name\":\"{}\"}}", "x".repeat(2_000_000));
    let json = "application/json";
    for (content_type, body, status) in [
        (json, "", 400),
        (json, "{", 400),
        (json, "null", 400),
        (json, "[]", 400),
        (json, &deep, 400),
        (json, &deep_name, 400),
        (json, &large, 413),
        (json, r#"{"email":"a@b.example","email":"c@d.example"}"#, 400),
        (json, r#"{"email":"a@b.example","is_admin":true}"#, 400),
        (json, r#"{"email":"a@b.example","sub_account":"x"}"#, 400),
        (json, r#"{"email":1e400}"#, 400),
        (json, r#"{"email":["a@b.example"]}"#, 400),
        (json, r#"{"name":"nobody"}"#, 400),
        (json, r#"{"email":"a@b.example","name":"a\u0000b"}"#, 400),
        (json, r#"{"email":"a@b.example","name":"\ud800"}"#, 400),
        (json, r#"{"email":"not an address"}"#, 422),
        (json, r#"{"email":"a@b.example","name":""}"#, 422),
        (json, r#"{"email":"a@b.example","name":"a\nb"}"#, 422),
        ("text/plain", r#"{"email":"a@b.example"}"#, 415),
        ("application/x-www-form-urlencoded", "email=a@b.example", 415),
    ] {
        let headers = [("content-type", content_type)];
        let path = "/api/v1/contacts";
        let answer = api.send(Method::POST, path, Some(&api.token), &headers, body).await;
        let shown: String = body.chars().take(80).collect();
        assert_eq!(answer.status.as_u16(), status, "{shown}: {}", answer.json);
    }
    assert!(api.get("/contacts").await.items().is_empty());
}

#[tokio::test]
async fn queries_methods_and_paths_that_do_not_exist_are_refused() {
    let [api, _] = Api::both().await;
    let many: String = (0..5_000).map(|i| format!("&f{i}=1")).collect();
    for query in [
        "limit=-1",
        "limit=0",
        "limit=201",
        "limit=1e9",
        "limit=99999999999999999999",
        "limit=abc",
        "limit=1&limit=2",
        "cursor=zzz",
        "offset=5",
        "q=%00",
        &many,
    ] {
        let answer = api.get(&format!("/contacts?{query}")).await;
        let shown: String = query.chars().take(40).collect();
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{shown}");
    }
    let bad_id = api.get("/conversations?contact_id=nobody").await;
    assert_eq!(bad_id.status, StatusCode::BAD_REQUEST);
    for method in [Method::PUT, Method::TRACE, Method::OPTIONS, Method::PATCH] {
        let answer = api.call(method.clone(), "/contacts", &api.token, &Value::Null).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
    for path in [
        "/api/v1",
        "/api/v1/",
        "/api/v1/users/",
        "/api/v2/users",
        "/mailboxes",
        "/api/v1/mailbox",
        "/api/v1/webhook",
        "/api/v1/event",
        "/..%2f..%2fetc/passwd",
        "/api/v1/messages/%00",
        "/api/v1/attachments/....//x",
        "/api/v1/messages/%5c..%5c",
        "/api/v1/users/..%2f..",
        "/healthz/x",
    ] {
        let answer = api.send(Method::GET, path, Some(&api.token), &[], "").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(api.send(Method::GET, path, None, &[], "").await.status, StatusCode::OK);
    }
}

/// RFC 8461 3.2.
#[tokio::test]
async fn the_policy_of_tls_names_our_host() {
    let [api, _] = Api::both().await;
    let policy = api.send(Method::GET, "/.well-known/mta-sts.txt", None, &[], "").await;
    assert_eq!(policy.status, StatusCode::OK);
    assert_eq!(policy.headers["content-type"], "text/plain; charset=utf-8");
    let expected = "version: STSv1\r\nmode: enforce\r\nmx: mx.example\r\nmax_age: 604800\r\n";
    assert_eq!(policy.bytes, expected);
}

#[tokio::test]
async fn a_form_that_trickles_is_not_waited_for() {
    let [api, _] = Api::both().await;
    let bytes = futures_util::stream::unfold((), async |()| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Some((Ok::<_, Infallible>("a"), ()))
    });
    let request = Request::post("/sign-in")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from_stream(bytes));
    let answer = api.router.clone().oneshot(request.unwrap());
    let answer = tokio::time::timeout(Duration::from_secs(90), answer).await;
    assert!(answer.expect("it is given up").unwrap().status().is_client_error());
}
