//! The laboratory itself plays what it says it plays.

use mailweave::model::{Credentials, Login};
use mailweave::watch::imap::{Error, Options, Session};
use serde_json::Value;

use crate::support::http::Caller;
use crate::support::lab::{CLIENT_ID, CLIENT_SECRET, Mailbox, PASSWORD, lab};

const CALLBACK: &str = "http%3A%2F%2F127.0.0.1%3A8025%2Foauth%2Fcallback";
const SCOPES: &str =
    "openid%20offline_access%20https%3A%2F%2Foutlook.office.com%2FIMAP.AccessAsUser.All";
/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Signs in to IMAP; the capabilities that are offered then.
async fn sign_in(mailbox: &Mailbox, credentials: Credentials) -> Result<Session, Error> {
    let tls = mailweave::tls::client_config(Some(&lab().ca())).unwrap();
    let login = Login { username: mailbox.address.clone(), credentials };
    Session::open(&Options::new(tls), &lab().imap().parse().unwrap(), &login).await
}

async fn sign_in_with_token(mailbox: &Mailbox, token: String) -> Result<Session, Error> {
    sign_in(mailbox, Credentials::Token(token.into())).await
}

/// Goes through the consent as the user, and asks for tokens as the gateway.
fn consented(mailbox: &Mailbox, verifier: &str) -> (u16, Value) {
    let url = format!(
        "{}?client_id={CLIENT_ID}&response_type=code&redirect_uri={CALLBACK}&scope={SCOPES}&state=s1\
         &code_challenge={CHALLENGE}&code_challenge_method=S256",
        lab().authorize_url()
    );
    let back = lab().consent(&url, &mailbox.address, true);
    assert!(back.starts_with("http://127.0.0.1:8025/oauth/callback?code="), "{back}");
    assert!(back.ends_with("&state=s1"), "{back}");
    let code = back.split_once("code=").unwrap().1.split_once('&').unwrap().0.to_owned();
    token(&format!(
        "grant_type=authorization_code&code={code}&redirect_uri={CALLBACK}&code_verifier={verifier}"
    ))
}

fn refreshed(token_before: &Value) -> (u16, Value) {
    let before = token_before["refresh_token"].as_str().unwrap();
    token(&format!("grant_type=refresh_token&refresh_token={before}"))
}

fn token(form: &str) -> (u16, Value) {
    let caller = Caller { address: lab().oauth_address(), token: "none".to_owned() };
    let form = format!("client_id={CLIENT_ID}&client_secret={CLIENT_SECRET}&{form}");
    let answer = caller.form("/common/oauth2/v2.0/token", &form);
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

#[tokio::test]
async fn a_consent_gives_tokens_that_open_the_mailbox_until_they_expire() {
    let mailbox = lab().mailbox("ann");
    let (status, refused) = consented(&mailbox, &"x".repeat(43));
    assert_eq!((status, &refused["error"]), (400, &Value::from("invalid_grant")));
    assert!(refused["error_description"].as_str().unwrap().starts_with("AADSTS"));
    let (status, tokens) = consented(&mailbox, VERIFIER);
    assert_eq!(status, 200, "{tokens}");
    let access = tokens["access_token"].as_str().unwrap().to_owned();
    assert!(sign_in_with_token(&mailbox, access.clone()).await.is_ok());

    mailbox.expire_tokens();
    let refused = sign_in_with_token(&mailbox, access).await.err();
    assert!(matches!(refused, Some(Error::Denied { .. })), "{refused:?}");
    let (status, tokens) = refreshed(&tokens);
    assert_eq!(status, 200, "{tokens}");
    let access = tokens["access_token"].as_str().unwrap().to_owned();
    assert!(sign_in_with_token(&mailbox, access).await.is_ok());

    mailbox.revoke_consent();
    assert_eq!(refreshed(&tokens).0, 400);
}

#[tokio::test]
async fn it_offers_over_imap_what_exchange_online_offers() {
    let mailbox = lab().mailbox("ann");
    let session = sign_in(&mailbox, Credentials::Password(PASSWORD.into())).await.unwrap();
    for offered in ["IDLE", "SASL-IR", "UIDPLUS", "MOVE", "NAMESPACE", "LITERAL+"] {
        assert!(session.can(offered), "{offered}");
    }
    for withheld in ["SPECIAL-USE", "CONDSTORE", "QRESYNC", "ESEARCH", "NOTIFY", "COMPRESS=DEFLATE"]
    {
        assert!(!session.can(withheld), "{withheld}");
    }
}
