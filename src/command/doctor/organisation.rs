//! The organisation whose provider signs people in: does it say what it is, and which keys it signs with?

use super::Check;
use crate::app::outgoing;
use crate::clock;
use crate::config::Config;

const NAME: &str = "sign_in.openid";

/// `None`: nobody signs in by an organisation.
pub(super) async fn check(config: &Config) -> Option<Check> {
    let issuer = config.organisation.as_ref()?.issuer.clone();
    let failed = |why: &str| {
        let back = format!("{}/sign-in/openid/callback", config.http.public_url);
        let advice = format!(
            "compare sign_in.openid.issuer, letter by letter, with what the provider calls itself; \
             the address that it sends people back to is {back}"
        );
        Some(Check::fail(NAME, format!("{issuer}: {why}"), advice))
    };
    let provider = match outgoing::organisation(config) {
        Ok(provider) => provider?,
        Err(error) => return failed(&error.to_string()),
    };
    match provider.signing_keys(clock::now()).await {
        Ok(0) => failed("it names no key to sign with"),
        Ok(keys) => Some(Check::ok(NAME, format!("{issuer} answers, and signs with {keys} keys"))),
        Err(error) => failed(&error.to_string()),
    }
}
