//! AUTH (RFC 4954): XOAUTH2 with a token, or a password. Gmail says why it refuses a token in a challenge
//! that must be met with an empty line, which lettre's own AUTH does not do.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::response::Response;
use secrecy::{ExposeSecret, SecretString};

use super::{Connection, Error};
use crate::model::{Credentials, Login};

/// RFC 4954 4: no line of the exchange is longer.
const LINE_BYTES_MAX: usize = 12_288;
/// A server asks for more once in XOAUTH2 and twice in LOGIN.
const CHALLENGES_MAX: usize = 3;

/// Does the server ask anybody to sign in?
pub fn is_offered(connection: &Connection) -> bool {
    let all = [Mechanism::Xoauth2, Mechanism::Plain, Mechanism::Login];
    all.iter().any(|mechanism| connection.server().supports_auth_mechanism(*mechanism))
}

/// Signs in with whatever the login holds.
pub async fn sign_in(connection: &mut Connection, login: &Login) -> Result<(), Error> {
    let offers = |mechanism| connection.server().supports_auth_mechanism(mechanism);
    let answers = match &login.credentials {
        Credentials::Token(_) if !offers(Mechanism::Xoauth2) => {
            return Err(Error::Unsupported("signing in with a token (AUTH XOAUTH2)"));
        }
        Credentials::Token(token) => {
            let (user, token) = (&login.username, token.expose_secret());
            ("XOAUTH2", vec![format!("user={user}\u{1}auth=Bearer {token}\u{1}\u{1}")])
        }
        Credentials::Password(password) if offers(Mechanism::Plain) => {
            // RFC 4616 2.
            ("PLAIN", vec![format!("\0{}\0{}", login.username, password.expose_secret())])
        }
        Credentials::Password(password) if offers(Mechanism::Login) => {
            ("LOGIN", vec![login.username.clone(), password.expose_secret().to_owned()])
        }
        Credentials::Password(_) => {
            return Err(Error::Unsupported("signing in with a password (AUTH PLAIN or LOGIN)"));
        }
    };
    let (mechanism, answers) = answers;
    let answers = answers.into_iter().map(|text| STANDARD.encode(text).into()).collect();
    exchange(connection, mechanism, answers).await
}

/// The command, and an answer to each challenge; an empty line once nothing is left to be said.
async fn exchange(
    connection: &mut Connection,
    mechanism: &str,
    answers: Vec<SecretString>,
) -> Result<(), Error> {
    let mut left = answers.into_iter();
    // LOGIN takes no initial response.
    let first = if mechanism == "LOGIN" { None } else { left.next() };
    let command = match &first {
        Some(first) => format!("AUTH {mechanism} {}\r\n", first.expose_secret()),
        None => format!("AUTH {mechanism}\r\n"),
    };
    if command.len() > LINE_BYTES_MAX {
        return Err(Error::Unsupported("tokens as long as this one"));
    }
    let mut said = None;
    let mut answered = connection.command(command).await;
    for _ in 0..CHALLENGES_MAX {
        match answered {
            Ok(response) if response.has_code(334) => {
                let answer = left.next();
                if answer.is_none() {
                    said = challenge(&response);
                }
                let answer = answer.as_ref().map_or("", ExposeSecret::expose_secret);
                answered = connection.command(format!("{answer}\r\n")).await;
            }
            Ok(_) => return Ok(()),
            Err(Error::Refused(reply)) => return Err(Error::Denied { reply, json: said }),
            Err(error) => return Err(error),
        }
    }
    match answered {
        Ok(response) if !response.has_code(334) => Ok(()),
        Ok(_) => Err(Error::Hostile("the server does not end the sign-in".to_owned())),
        Err(Error::Refused(reply)) => Err(Error::Denied { reply, json: said }),
        Err(error) => Err(error),
    }
}

/// What a server says of a token that it refuses.
fn challenge(response: &Response) -> Option<String> {
    let said = STANDARD.decode(response.first_line()?.trim()).ok()?;
    Some(super::one_line(&String::from_utf8_lossy(&said)))
}
