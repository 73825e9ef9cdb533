//! Signing in: XOAUTH2 with a token, or a password. A refused token is answered by Gmail with a challenge
//! that must be met with an empty line, never with the token again.

use async_imap::imap_proto::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};

use super::Error;
use super::session::{SMALL, Session, Step, in_time, quoted};
use crate::model::{Credentials, Login};

/// Exchange takes commands of 10,240 bytes at most; longer tokens are sent when it asks for them.
const COMMAND_BYTES_MAX: usize = 8_000;
/// So many challenges are met; one is all there should be.
const CHALLENGES_MAX: usize = 3;

impl Session {
    pub(super) async fn sign_in(&mut self, login: &Login) -> Result<(), Error> {
        let signed_in = match &login.credentials {
            Credentials::Token(token) => {
                let first = format!(
                    "user={}\u{1}auth=Bearer {}\u{1}\u{1}",
                    login.username,
                    token.expose_secret()
                );
                self.authenticate("XOAUTH2", first.into()).await
            }
            Credentials::Password(password) if self.can("AUTH=PLAIN") => {
                let first = format!("\0{}\0{}", login.username, password.expose_secret());
                self.authenticate("PLAIN", first.into()).await
            }
            Credentials::Password(password) => self.login(&login.username, password).await,
        };
        signed_in.map_err(|error| denied(error, None))
    }

    async fn login(&mut self, username: &str, password: &SecretString) -> Result<(), Error> {
        if self.can("LOGINDISABLED") {
            return Err(Error::Unsupported("signing in with a password"));
        }
        let password = quoted(password.expose_secret())
            .map_err(|_| Error::Unsupported("passwords with characters beyond ASCII"))?;
        self.run(&format!("LOGIN {} {password}", quoted(username)?), SMALL, |_| {}).await
    }

    /// RFC 3501 6.2.2, with the first answer in the command where the server takes it (RFC 4959).
    async fn authenticate(&mut self, mechanism: &str, first: SecretString) -> Result<(), Error> {
        let answer = STANDARD.encode(first.expose_secret());
        let at_once = self.can("SASL-IR") && answer.len() < COMMAND_BYTES_MAX;
        let command = match at_once {
            true => format!("AUTHENTICATE {mechanism} {answer}"),
            false => format!("AUTHENTICATE {mechanism}"),
        };
        let mut left = (!at_once).then_some(answer);
        let mut said = None;
        let time = self.options().command_time;
        let handshake = async {
            let tag = self.begin(&command, SMALL).await?;
            let mut ignore = |_: &Response<'_>| {};
            for _ in 0..=CHALLENGES_MAX {
                let step = loop {
                    match self.step(&tag, "AUTHENTICATE", &mut ignore).await? {
                        Step::Data => {}
                        step => break step,
                    }
                };
                let Step::Continue(challenge) = step else { return Ok(()) };
                if let Some(answer) = left.take() {
                    self.write_line(&answer).await?;
                    continue;
                }
                said = challenge.and_then(|text| STANDARD.decode(text.trim()).ok());
                self.write_line("").await?;
            }
            Err(Error::Hostile("the server does not end the sign-in".to_owned()))
        };
        let outcome = in_time(time, handshake).await;
        if outcome.is_ok() {
            self.ended();
        }
        let json = said.map(|said| String::from_utf8_lossy(&said).chars().take(500).collect());
        outcome.map_err(|error| denied(error, json))
    }
}

/// What a refusal says of the user: nothing, when it is the server that cannot just now.
fn denied(error: Error, json: Option<String>) -> Error {
    match error {
        Error::Refused { text, is_bad: false, .. } if !will_pass(&text) => {
            Error::Denied { text, json }
        }
        other => other,
    }
}

/// RFC 5530 3, and the words of servers that have no codes: an outage behind the door, too much at once.
pub fn will_pass(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    PASSING.iter().any(|words| text.contains(words))
}

const PASSING: &[&str] = &[
    "[limit]",
    "[inuse]",
    "[serverbug]",
    // Gmail and Yahoo; `Account exceeded command or bandwidth limits.`
    "[throttled]",
    "[overquota]",
    "bandwidth limits",
    // Cyrus, when what it asks cannot be asked: `Login failed: generic failure`.
    "generic failure",
    // Exchange: `User is authenticated but not connected.`
    "not connected",
    "too many",
    "temporary",
    "temporarily",
    "try again",
    "unavailable",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_says_nothing_of_the_user() {
        let is_denied = |text: &str, is_bad| {
            let (command, text) = ("AUTHENTICATE".to_owned(), text.to_owned());
            let error = denied(Error::Refused { command, text, is_bad }, None);
            matches!(error, Error::Denied { .. })
        };
        for text in [
            "[UNAVAILABLE] Temporary authentication failure.",
            "[LIMIT] Too many connections",
            "[THROTTLED]",
            "[SERVERBUG] Internal error occurred. Refer to server log",
            "[INUSE] Mailbox is locked",
            "Too many simultaneous connections. (Failure)",
            "Temporary System Error",
            "Account exceeded command or bandwidth limits. (Failure)",
            "Login failed: generic failure",
        ] {
            assert!(!is_denied(text, false), "{text}");
        }
        assert!(!is_denied("User is authenticated but not connected.", true));
        assert!(!is_denied("Command Argument Error. 12", true));
        for text in [
            "AUTHENTICATE failed.",
            "[AUTHENTICATIONFAILED] Invalid credentials (Failure)",
            "[EXPIRED] That password isn't valid any more",
            "",
        ] {
            assert!(is_denied(text, false), "{text}");
        }
    }
}
