//! Token endpoints that answer what none should (D13), and that send us elsewhere (D12).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mailweave::model::OAuth;
use mailweave::oauth::{Client, Error, Granted};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Answers every request with this; counts them.
async fn endpoint(answer: String) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counter.fetch_add(1, Ordering::SeqCst);
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = vec![0; 16_384];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    (port, asked)
}

fn http(status: &str, more: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\n{more}\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

fn oauth(port: u16) -> OAuth {
    let url = |path: &str| format!("http://127.0.0.1:{port}/{path}").parse().unwrap();
    OAuth {
        client_id: "app".to_owned(),
        client_secret: Some("canary-secret".into()),
        authorize_url: url("authorize"),
        token_url: url("token"),
        revoke_url: Some(url("revoke")),
        consent_url: None,
        issuer: url("authorize"),
        scopes: vec!["mail".to_owned()],
    }
}

async fn refreshed(answer: String) -> Result<Granted, Error> {
    let (port, _) = endpoint(answer).await;
    client().refresh(&oauth(port), &"canary-refresh".into()).await
}

fn client() -> Client {
    mailweave::tls::install_provider();
    Client::new(&mailweave::tls::client_config(None).unwrap()).unwrap()
}

#[tokio::test]
async fn odd_answers_are_errors_that_say_nothing_secret() {
    let huge = format!("{{\"access_token\":\"{}\"}}", "x".repeat(10 * 1_048_576));
    let rows = [
        (http("200 OK", "", "<html>sign in</html>"), "cannot be read"),
        (http("200 OK", "", "{\"token_type\":\"Bearer\",\"x\":\"canary\"}"), "cannot be read"),
        (http("200 OK", "", &huge), "does not end"),
        (http("204 No Content", "", ""), "cannot be read"),
        (http("400 Bad Request", "", "<html>"), "cannot be read"),
        (http("500 Oops", "", "{}"), "HTTP 500"),
        ("HTTP/1.1 nonsense\r\n\r\n".to_owned(), "The provider"),
        (String::new(), "The provider"),
    ];
    for (answer, words) in rows {
        let error = refreshed(answer).await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
        assert!(error.to_string().contains(words), "{words}: {error}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}

#[tokio::test]
async fn a_pause_that_is_asked_for_is_kept_within_bounds() {
    for (asked, expected) in [("7", Some(7)), ("99999999", Some(3_600)), ("soon", None)] {
        let answer = http("429 Slow", &format!("Retry-After: {asked}\r\n"), "{}");
        let Err(Error::Unavailable { retry_after, .. }) = refreshed(answer).await else {
            panic!("{asked}")
        };
        assert_eq!(retry_after, expected.map(Duration::from_secs), "{asked}");
    }
}

#[tokio::test]
async fn a_life_that_cannot_be_is_brought_within_bounds() {
    for (written, seconds) in [("-1", 0), ("1e18", 86_400), ("\"3599\"", 3_599), ("null", 0)] {
        let body = format!(
            "{{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":{written}}}"
        );
        let granted = refreshed(http("200 OK", "", &body)).await.unwrap();
        assert_eq!(granted.life, Duration::from_secs(seconds), "{written}");
        assert!(granted.refresh.is_none());
    }
}

#[tokio::test]
async fn a_token_is_not_sent_after_a_redirection() {
    let (elsewhere, asked) = endpoint(http("200 OK", "", "{}")).await;
    for status in ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"] {
        let location = format!("Location: http://127.0.0.1:{elsewhere}/token\r\n");
        let refused = refreshed(http(status, &location, "")).await;
        assert!(refused.is_err(), "{status}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_token_is_taken_back_by_https_alone_and_only_where_the_provider_lets_us() {
    // RFC 7009 2; that it is taken back is tested against the laboratory, which speaks HTTPS.
    let (port, asked) = endpoint(http("200 OK", "", "")).await;
    assert!(client().revoke(&oauth(port), &"refresh".into()).await.is_err());
    let nowhere = OAuth { revoke_url: None, ..oauth(port) };
    assert!(!client().revoke(&nowhere, &"refresh".into()).await.unwrap());
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}
