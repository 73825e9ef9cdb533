//! Signing in by one's account at an organisation, in a real browser, through the pages of the laboratory: its
//! provider is made of Authlib, by others.

use serde_json::json;

use super::mailbox::setup;
use super::visitor::Visitor;
use crate::support::browser::Look;
use crate::support::gateway::Gateway;
use crate::support::lab::{CLIENT_ID, CLIENT_SECRET, lab};

fn gateway() -> Gateway {
    setup()
        .with("OUTGOING__ALLOWED_NETWORKS", "127.0.0.0/8, ::1/128")
        .with("SIGN_IN__OPENID__ISSUER", lab().issuer())
        .with("SIGN_IN__OPENID__CLIENT_ID", CLIENT_ID)
        .with("SIGN_IN__OPENID__CLIENT_SECRET", CLIENT_SECRET)
        .with("SIGN_IN__OPENID__NAME", "Example Ltd")
        .with("SIGN_IN__OPENID__ALLOWED_DOMAINS", "lab.test")
        .start()
}

impl Visitor {
    async fn sign_in_as(&self, address: &str) {
        self.press("Sign in with Example Ltd").await;
        self.sees("Permissions requested").await;
        self.fill("[name=address]", address).await;
        self.press("Accept").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_organisation_s_own_page_signs_its_people_in() {
    let gateway = gateway();
    let (member, stranger) = (lab().address("member"), lab().address("stranger"));
    gateway.account(&member.address);
    let visitor = Visitor::with(Look::DESK).await;
    visitor.go(&format!("http://{}/settings/account", gateway.http())).await;
    visitor.sees("or by password").await;
    visitor.is_clean().await;
    visitor.picture("sign-in-organisation").await;
    visitor.sign_in_as(&member.address).await;
    visitor.sees("must vouch for its e-mail address").await;
    for account in [&member, &stranger] {
        account.behave(&json!({"email_verified": true}));
    }
    visitor.sign_in_as(&stranger.address).await;
    visitor.sees("Nobody here signs in by the address of that account").await;
    visitor.sign_in_as(&member.address).await;
    // On to the page that was asked for at first.
    visitor.sees("Where you are signed in").await;
    visitor.sees("Anna Actor").await;
    assert!(gateway.log().contains("openid_refused"));
}
