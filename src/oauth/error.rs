//! Why an OAuth server did not do what was asked: by its `error`, never by its numbers, which Microsoft
//! changes. The AADSTS numbers only help to say it in words.

use std::time::Duration;

/// By what is done about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The user must consent again.
    #[error("{0}")]
    Consent(String),
    /// The application is not registered as it should be: the operator's to mend, no user's.
    #[error("{0}")]
    Application(String),
    /// Later, and not before that time where one is told.
    #[error("{text}")]
    Unavailable { text: String, retry_after: Option<Duration> },
    /// It answers what no OAuth server should.
    #[error("{0}")]
    Broken(String),
}

impl Error {
    /// Will it help to try again later, with nothing changed?
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Broken(_))
    }

    /// What an `error` of the token endpoint asks for (RFC 6749 5.2, and what Microsoft adds).
    pub fn of(error: &str, description: &str) -> Self {
        let text = in_words(error, description);
        match error {
            "invalid_client"
            | "unauthorized_client"
            | "invalid_scope"
            | "invalid_resource"
            | "invalid_target"
            | "unsupported_grant_type"
            | "invalid_request" => Self::Application(text),
            "temporarily_unavailable" | "server_error" | "slow_down" => {
                Self::Unavailable { text, retry_after: None }
            }
            // invalid_grant, interaction_required, consent_required, login_required, access_denied, and
            // whatever else: asking again with the same words will not help.
            _ => Self::Consent(text),
        }
    }
}

/// What a user is told of a refusal, and what helps.
pub fn in_words(error: &str, description: &str) -> String {
    let hint = hints(description).or_else(|| general(error));
    match hint {
        Some(hint) => hint.to_owned(),
        None => format!("The provider refused ({}). Authorise the mailbox again.", name(error)),
    }
}

/// By the numbers in the description; they are hints and nothing else.
fn hints(description: &str) -> Option<&'static str> {
    let hint = HINTS.iter().find(|(numbers, _)| {
        numbers.iter().any(|number| {
            let found = description.split_once("AADSTS").map(|(_, rest)| rest);
            found.is_some_and(|rest| {
                rest.split(|c: char| !c.is_ascii_digit()).next() == Some(*number)
            })
        })
    });
    hint.map(|(_, words)| *words)
}

const DECLINED: &str =
    "The consent was declined, so nothing was connected. Start again, and accept.";

/// Microsoft's numbers, as its reference of error codes explains them.
const HINTS: [(&[&str], &str); 13] = [
    (&["65004"], DECLINED),
    (
        &["50173", "50133", "70043"],
        "The sign-in was revoked, because the password was changed or an administrator ended it. \
         Authorise the mailbox again.",
    ),
    (
        &["70008", "700082", "700084"],
        "The consent has run out, because it was not used for a long time. Authorise the mailbox again.",
    ),
    (
        &["50076", "50079", "50074"],
        "Microsoft asks for a second factor. Authorise the mailbox again, and confirm the sign-in.",
    ),
    (
        &["53000", "53001", "53002", "53003", "53004", "530035", "530032"],
        "A conditional access rule of your organisation blocks this sign-in. Ask an administrator to allow \
         the application, then authorise the mailbox again.",
    ),
    (
        &["65001", "90094", "90097", "90008"],
        "The consent is missing. Authorise the mailbox again and accept; where only administrators may \
         consent, ask one to grant it for the organisation.",
    ),
    (
        &["50057", "50034", "50053"],
        "The account does not exist there any more, or is disabled. Ask an administrator of your \
         organisation.",
    ),
    (
        &["7000215", "7000222", "70002", "7000216"],
        "The operator's client_secret is wrong or has expired. The operator must make a new one at the \
         provider and set it in the configuration.",
    ),
    (
        &["700016", "700011", "700025", "650052", "500113", "50011"],
        "The operator's application is not known there, or its redirect address is another. The operator \
         must compare client_id and the redirect address with the registration.",
    ),
    (
        &["54005"],
        "The answer to this sign-in was used already. Start again: authorise the mailbox again.",
    ),
    (
        &["650056", "650057"],
        "The operator's application lacks permissions in its registration, or your organisation has not \
         granted them. The operator must compare the API permissions with those it asks for; where only \
         administrators may consent, ask one to grant them for the organisation.",
    ),
    (
        &["70011", "28002", "28003", "500011"],
        "The provider does not know the scopes or the resource that were asked for. The operator must check \
         the scopes in the configuration and the API permissions of the application.",
    ),
    (
        &["50196"],
        "The provider was asked too often and asks for a pause. It is tried again by itself.",
    ),
];

fn general(error: &str) -> Option<&'static str> {
    Some(match error {
        "access_denied" => DECLINED,
        "invalid_grant" => "The consent is not valid any more. Authorise the mailbox again.",
        "consent_required" => {
            "The consent is missing. Authorise the mailbox again and accept; where only administrators may \
             consent, ask one to grant it for the organisation."
        }
        "interaction_required" | "login_required" => {
            "The provider wants you to sign in again. Authorise the mailbox again."
        }
        "invalid_client" | "unauthorized_client" => {
            "The provider does not accept the operator's application. The operator must check client_id \
             and client_secret."
        }
        "invalid_scope" | "invalid_resource" | "invalid_target" => {
            "The provider does not know what was asked for. The operator must check the scopes."
        }
        "temporarily_unavailable" | "server_error" | "slow_down" => {
            "The provider cannot answer just now. It is tried again by itself."
        }
        _ => return None,
    })
}

/// An error's name, as far as it is one: what comes is anybody's text.
fn name(error: &str) -> String {
    let is_name = |c: &char| c.is_ascii_alphanumeric() || *c == '_' || *c == '-';
    error.chars().filter(is_name).take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_follows_the_error_and_never_the_number() {
        let consent = |error: &Error| matches!(error, Error::Consent(_));
        let application = |error: &Error| matches!(error, Error::Application(_));
        let later = |error: &Error| matches!(error, Error::Unavailable { .. });
        let rows: [(&str, &str, fn(&Error) -> bool, &str); 17] = [
            ("invalid_grant", "AADSTS50173: revoked", consent, "revoked"),
            ("invalid_grant", "AADSTS700082: expired", consent, "run out"),
            ("invalid_grant", "", consent, "not valid any more"),
            ("interaction_required", "AADSTS50076: mfa", consent, "second factor"),
            ("interaction_required", "AADSTS53003: blocked", consent, "conditional access"),
            ("consent_required", "AADSTS65001", consent, "administrators"),
            (
                "invalid_client",
                "AADSTS7000215: Invalid client secret",
                application,
                "client_secret",
            ),
            // A number that names the user's fault does not make an operator's fault the user's.
            ("invalid_client", "AADSTS50173", application, "revoked"),
            ("unauthorized_client", "AADSTS700016", application, "client_id"),
            ("invalid_scope", "AADSTS70011", application, "scopes"),
            ("invalid_scope", "AADSTS28003: empty", application, "scopes"),
            ("invalid_resource", "AADSTS500011: principal", application, "resource"),
            ("consent_required", "AADSTS650056: misconfigured", consent, "API permissions"),
            ("invalid_request", "AADSTS650057: resource", application, "API permissions"),
            ("invalid_grant", "AADSTS54005: redeemed", consent, "used already"),
            ("temporarily_unavailable", "AADSTS50196: loop", later, "pause"),
            ("<script>", "whatever", consent, "(script)"),
        ];
        for (error, description, is_right, words) in rows {
            let found = Error::of(error, description);
            assert!(is_right(&found), "{error}: {found:?}");
            assert!(found.to_string().contains(words), "{error}: {found}");
        }
    }

    #[test]
    fn a_number_is_read_whole() {
        assert!(hints("AADSTS500110: other").is_none());
        assert!(hints("AADSTS50011: redirect").is_some());
    }
}
