//! Submission against servers that lie, break and misbehave: nothing of what is said in clear survives into
//! TLS, no sign-in is sent in clear, and nothing is waited for or kept without end (F8, E6).

use std::time::Duration;

use mailweave::model::outgoing::Route;
use mailweave::model::{Address, Credentials, Login};
use mailweave::reach::Reach;
use mailweave::submission::{Connection, Ending, Error, Options};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Says its lines, each after a line of the client's; answers everything that the client said.
async fn scripted(lines: &'static [&'static str]) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut said = String::new();
        for (at, line) in lines.iter().enumerate() {
            if at > 0 && !heard(&mut stream, &mut said).await {
                return said;
            }
            if stream.write_all(line.as_bytes()).await.is_err() {
                return said;
            }
        }
        while heard(&mut stream, &mut said).await {}
        said
    });
    (port, served)
}

async fn heard(stream: &mut TcpStream, said: &mut String) -> bool {
    let mut bytes = [0; 4_096];
    match stream.read(&mut bytes).await {
        Ok(count) if count > 0 => {
            said.push_str(&String::from_utf8_lossy(&bytes[..count]));
            true
        }
        _ => false,
    }
}

async fn open(port: u16, how: &str, login: Login) -> Result<Connection, Error> {
    let tls = mailweave::tls::client_config(None).unwrap();
    let mut options = Options::new(tls, Reach::anywhere(), "mx.example");
    options.open_time = Duration::from_secs(20);
    let host = format!("127.0.0.1:{port}?{how}").parse().unwrap();
    Connection::open(&options, &host, &login).await
}

fn token() -> Login {
    let credentials = Credentials::Token("canary-token".into());
    Login { username: "ann@acme.example".to_owned(), credentials }
}

fn password() -> Login {
    let credentials = Credentials::Password("canary-password".into());
    Login { username: "ann@acme.example".to_owned(), credentials }
}

const EHLO: &str = "250-mx\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN XOAUTH2\r\n";

#[tokio::test]
async fn what_is_said_behind_starttls_in_clear_is_never_taken_for_an_answer() {
    const INJECTED: &str = "220 go\r\n250-forged\r\n250 AUTH PLAIN\r\n235 welcome\r\n";
    let (port, served) = scripted(&["220 mx\r\n", EHLO, INJECTED]).await;
    let refused = open(port, "starttls", password()).await.err().unwrap();
    assert!(matches!(refused, Error::Tls(_)), "{refused:?}");
    let said = served.await.unwrap();
    assert!(!said.contains("AUTH") && !said.contains("canary"), "{said}");
}

#[tokio::test]
async fn nothing_is_signed_in_to_in_clear() {
    for answers in [
        &["220 mx\r\n", "250-mx\r\n250 AUTH PLAIN XOAUTH2\r\n"][..],
        &["220 mx\r\n", EHLO, "454 4.7.0 not now\r\n"],
        &["554 go away\r\n"],
    ] {
        for login in [password(), token()] {
            let (port, served) = scripted(answers).await;
            let refused = open(port, "starttls", login).await.err().unwrap();
            assert!(matches!(refused, Error::Unsupported(_) | Error::Refused(_)), "{refused:?}");
            let said = served.await.unwrap();
            assert!(!said.contains("AUTH"), "{said}");
        }
    }
}

#[tokio::test]
async fn gmail_s_challenge_is_met_with_an_empty_line_and_kept() {
    // {"status":"400"}
    const CHALLENGE: &str = "334 eyJzdGF0dXMiOiI0MDAifQ==\r\n";
    const REFUSAL: &str =
        "535-5.7.8 Username and Password not accepted.\r\n535 5.7.8 See the page\r\n";
    let (port, served) = scripted(&["220 mx\r\n", EHLO, CHALLENGE, REFUSAL]).await;
    let refused = open(port, "plain", token()).await.err().unwrap();
    let Error::Denied { reply, json } = refused else { panic!("{refused:?}") };
    assert_eq!((reply.code, json.as_deref()), (535, Some("{\"status\":\"400\"}")));
    assert!(reply.text.contains("5.7.8"), "{}", reply.text);
    let said = served.await.unwrap();
    assert_eq!(said.matches("AUTH XOAUTH2 ").count(), 1, "{said}");
    assert!(said.contains("\r\n\r\n"), "{said:?}");
}

#[tokio::test]
async fn passwords_are_sent_by_plain_or_else_by_login() {
    let plain = &["220 mx\r\n", EHLO, "235 welcome\r\n", "221 bye\r\n"];
    let (port, served) = scripted(plain).await;
    open(port, "plain", password()).await.unwrap().quit().await;
    // RFC 4616 2, in base64.
    assert!(
        served.await.unwrap().contains("AUTH PLAIN AGFubkBhY21lLmV4YW1wbGUAY2FuYXJ5LXBhc3N3b3Jk")
    );
    let login = &[
        "220 mx\r\n",
        "250-mx\r\n250 AUTH LOGIN\r\n",
        "334 VXNlcm5hbWU6\r\n",
        "334 UGFzc3dvcmQ6\r\n",
        "235 welcome\r\n",
    ];
    let (port, served) = scripted(login).await;
    drop(open(port, "plain", password()).await.unwrap());
    let said = served.await.unwrap();
    assert!(
        said.contains("AUTH LOGIN\r\nYW5uQGFjbWUuZXhhbXBsZQ==\r\nY2FuYXJ5LXBhc3N3b3Jk\r\n"),
        "{said}"
    );
}

#[tokio::test]
async fn what_does_not_end_is_given_up() {
    let endless: &'static str = Box::leak("x".repeat(400_000).into_boxed_str());
    let many: &'static str = Box::leak("250-more\r\n".repeat(40_000).into_boxed_str());
    let challenges: &'static [&'static str] = &[
        "220 mx\r\n",
        EHLO,
        "334 \r\n",
        "334 \r\n",
        "334 \r\n",
        "334 \r\n",
        "334 \r\n",
        "334 \r\n",
    ];
    for (how, lines) in [
        ("starttls", vec![endless]),
        ("starttls", vec!["220 mx\r\n", many]),
        ("plain", vec![endless]),
        ("plain", vec!["220 mx\r\n", many]),
        ("plain", vec!["220 mx\r\n", endless]),
        ("plain", vec!["999 what\r\n"]),
        ("plain", vec!["\0\0\0\r\n"]),
        ("plain", challenges.to_vec()),
    ] {
        let (port, served) = scripted(Box::leak(lines.into_boxed_slice())).await;
        let refused = open(port, how, token()).await.err().unwrap();
        assert!(
            matches!(refused, Error::Hostile(_) | Error::Lost(_) | Error::Refused(_)),
            "{how}: {refused:?}"
        );
        served.abort();
    }
}

/// What comes of a large mail in the midst of which the server says this, and goes.
async fn cut_off_in_data(words: &'static str) -> Ending {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let lines =
            ["220 mx", "250-mx\r\n250 AUTH PLAIN", "235 welcome", "250 ok", "250 ok", "354 go"];
        let mut said = String::new();
        for line in lines {
            stream.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
            assert!(heard(&mut stream, &mut said).await);
        }
        stream.write_all(words.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    });
    let mut connection = open(port, "plain", password()).await.unwrap();
    let address = |text| Address::parse(text).unwrap();
    let mut route = Route::new(address("ann@acme.example"), [address("carl@c.example")]);
    let content = format!("Subject: x\r\n\r\n{}", "a line of mail\r\n".repeat(2_000_000));
    connection.offer(&mut route, content.as_bytes()).await.unwrap();
    connection.hand_over(content.as_bytes()).await
}

#[tokio::test]
async fn a_mail_without_its_end_is_with_nobody() {
    let ending = cut_off_in_data("").await;
    assert!(matches!(ending, Ending::Lost(_)), "{ending:?}");
    let ending = cut_off_in_data("552 5.3.4 too large\r\n").await;
    assert!(matches!(&ending, Ending::Refused(reply) if reply.code == 552), "{ending:?}");
    // A yes to half a mail is none.
    let ending = cut_off_in_data("250 ok\r\n").await;
    assert!(matches!(ending, Ending::Lost(_)), "{ending:?}");
}
