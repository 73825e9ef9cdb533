//! What failed, in a sentence, and what helps, in another: for every refusal that mail providers are known
//! to give. Pure.

use std::fmt;

use crate::access::Trouble;
use crate::model::{Account, Auth, Host};
use crate::reach;
use crate::submission::{self, SMTP_OFF};
use crate::watch::imap;

/// What failed, and what to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub what: String,
    pub remedy: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.what, self.remedy)
    }
}

fn failure(what: impl Into<String>, remedy: &str) -> Failure {
    Failure { what: what.into(), remedy: remedy.to_owned() }
}

/// Words of a server in a sentence.
fn quoted(text: &str) -> String {
    const CHARS_MAX: usize = 300;
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(CHARS_MAX).collect::<String>().trim().to_owned()
}

const NEW_CONSENT: &str = "Authorise the mailbox again, signed in as the owner of this mailbox.";
const NEW_PASSWORD: &str = "Check user name and password; many providers want an app password, made on their \
                            security page.";
const IMAP_OFF: &str = "An administrator can turn IMAP on for the mailbox (Exchange: Set-CASMailbox \
                        -ImapEnabled $true); check, too, that the account that consented owns the mailbox \
                        and that it has a licence.";
/// What helps with a certificate, by what is wrong with it; with TLS otherwise.
const CERTIFICATES: [(&str, &str); 4] = [
    (reach::EXPIRED, "Whoever runs that server must renew it."),
    (reach::OTHER_NAME, "Check the host: it must be one of the names that the certificate is for."),
    (
        reach::UNKNOWN_ISSUER,
        "The server needs a certificate of a public authority; the operator can add a private one with \
         tls.extra_roots.",
    ),
    (reach::NOT_VALID, "Ask who runs that server."),
];
const HANDSHAKE: &str = "Check the host and the port, and that nothing in between answers in its place; the \
                         server must have TLS 1.2 or 1.3.";
const REACH: &str =
    "Check the host and the port, and that nothing between here and there blocks it.";

/// What an IMAP server, or the way to it, refused.
pub fn imap(error: &imap::Error, account: &Account) -> Failure {
    let host = &account.imap;
    match error {
        imap::Error::Denied { text, .. } => imap_denied(text, account),
        imap::Error::Refused { text, .. } if not_connected(text) => imap_denied(text, account),
        imap::Error::Refused { command, text, .. } => failure(
            format!("The IMAP server {host} refused {command}: {}.", quoted(text)),
            "Try again in some minutes; if it stays so, ask who runs that server.",
        ),
        imap::Error::Unsupported("IDLE") => failure(
            format!("The IMAP server {host} cannot tell of new mail by itself (IDLE)."),
            "Ask who runs that server to turn IDLE on; replies could not be followed without it.",
        ),
        imap::Error::Unsupported(what) => failure(
            format!("The IMAP server {host} does not offer {what}."),
            "Choose another provider for this mailbox, or another way to sign in.",
        ),
        imap::Error::Tls(why) => tls(host, why),
        imap::Error::Private(why) => private(host, why),
        imap::Error::Unreachable(why) | imap::Error::Silent(why) => {
            failure(format!("The IMAP server {host} cannot be reached: {}.", quoted(why)), REACH)
        }
        imap::Error::Lost(why) => lost("IMAP", host, why),
        imap::Error::Hostile(why) => hostile("IMAP", host, why),
    }
}

/// `BAD User is authenticated but not connected`: Exchange's words for several things at once.
fn not_connected(text: &str) -> bool {
    text.to_ascii_lowercase().contains("authenticated but not connected")
}

fn imap_denied(text: &str, account: &Account) -> Failure {
    let host = &account.imap;
    if not_connected(text) {
        return failure(
            format!(
                "{host} knows the account, but gives no access to the mailbox {}.",
                account.username
            ),
            &format!(
                "The account that consented is not the mailbox's, or IMAP is turned off for it, or it was \
                 signed in to too often: wait some minutes and try again. {IMAP_OFF}"
            ),
        );
    }
    let remedy = match account.auth {
        Auth::Password => NEW_PASSWORD.to_owned(),
        Auth::Xoauth2 => format!("{NEW_CONSENT} {IMAP_OFF}"),
    };
    failure(format!("The IMAP server {host} refused the sign-in: {}.", quoted(text)), &remedy)
}

/// What an SMTP server, or the way to it, refused.
pub fn smtp(error: &submission::Error, account: &Account) -> Failure {
    let host = &account.smtp;
    match error {
        submission::Error::Denied { reply, .. } | submission::Error::Refused(reply) => {
            smtp_refused(&reply.to_string(), account)
        }
        submission::Error::Unsupported(what) => failure(
            format!("The SMTP server {host} does not offer {what}."),
            "Choose another host or port: 465 has TLS from the start, 587 offers STARTTLS.",
        ),
        submission::Error::Tls(why) => tls(host, why),
        submission::Error::Private(why) => private(host, why),
        submission::Error::Unreachable(why) => {
            failure(format!("The SMTP server {host} cannot be reached: {}.", quoted(why)), REACH)
        }
        submission::Error::Lost(why) => lost("SMTP", host, why),
        submission::Error::Hostile(why) => hostile("SMTP", host, why),
    }
}

fn smtp_refused(reply: &str, account: &Account) -> Failure {
    let host = &account.smtp;
    let lower = reply.to_ascii_lowercase();
    let is_full = ["5.2.2 ", "mailbox full", "quota"].iter().any(|word| lower.contains(word));
    let (what, remedy) = match submission::known(reply) {
        Some(known) => (known.what, known.remedy),
        None if is_full => {
            ("says that the mailbox is full", "Make room in the mailbox, then try again.")
        }
        None => {
            let remedy = match account.auth {
                Auth::Password => NEW_PASSWORD.to_owned(),
                Auth::Xoauth2 => format!("{NEW_CONSENT} If it stays so: {SMTP_OFF}"),
            };
            let what = format!("The SMTP server {host} refused the sign-in: {}.", quoted(reply));
            return failure(what, &remedy);
        }
    };
    failure(format!("The SMTP server {host} {what} ({}).", quoted(reply)), remedy)
}

/// Why a mailbox that was proved cannot be watched any more.
pub fn watching(trouble: &Trouble, account: &Account) -> Failure {
    let host = &account.imap;
    match trouble {
        Trouble::Unreachable(why) => {
            failure(format!("The IMAP server {host} cannot be reached: {}.", quoted(why)), REACH)
        }
        Trouble::Lost(why) => failure(
            format!("The IMAP server {host} broke off time and again: {}.", quoted(why)),
            "It is tried again by itself; if it stays so, ask who runs that server.",
        ),
        Trouble::Refused(text) if not_connected(text) => imap_denied(text, account),
        Trouble::Refused(text) => failure(
            format!("The IMAP server {host} does not let us read: {}.", quoted(text)),
            "It is tried again by itself; if it stays so, ask who runs that server.",
        ),
        Trouble::Untrusted(why) => tls(host, why),
        Trouble::Broken(why) => hostile("IMAP", host, why),
        Trouble::Unreadable(why) => unreadable(host, why),
        Trouble::Failed => failed(),
    }
}

/// What was refused by a server that has signed us in, or what became of that: it is an IMAP server, then.
pub fn reading(error: &imap::Error, account: &Account) -> Failure {
    match error {
        imap::Error::Hostile(why) => unreadable(&account.imap, why),
        error => imap(error, account),
    }
}

fn unreadable(host: &Host, why: &str) -> Failure {
    failure(
        format!(
            "The IMAP server {host} signs in, and then answers what cannot be read: {}.",
            quoted(why)
        ),
        "Ask who runs that server, and tell who runs the gateway, whose log says when it was.",
    )
}

/// It is not the server's doing.
pub fn failed() -> Failure {
    failure(
        "The gateway itself failed over this mailbox.",
        "Tell who runs the gateway, whose log says where; nothing is wrong with the mailbox.",
    )
}

/// What is said of a mailbox whose server has so many mails that it does not give.
pub fn withheld(count: i64, account: &Account) -> Failure {
    let host = &account.imap;
    let (what, them) = match count {
        1 => (format!("The IMAP server {host} has a mail that it does not give."), "It is"),
        _ => {
            (format!("The IMAP server {host} has {count} mails that it does not give."), "They are")
        }
    };
    let remedy = format!(
        "{them} asked for again for a week. What you miss may come when you move it to another folder in \
         your mail program, and back."
    );
    failure(what, &remedy)
}

fn tls(host: &Host, why: &str) -> Failure {
    let why = why.strip_prefix(&host.name).and_then(|it| it.strip_prefix(": ")).unwrap_or(why);
    match CERTIFICATES.iter().find(|(words, _)| why.contains(words)) {
        Some((_, remedy)) => {
            failure(format!("{host} is not to be trusted: {}.", quoted(why)), remedy)
        }
        None => failure(format!("TLS with {host} cannot be begun: {}.", quoted(why)), HANDSHAKE),
    }
}

fn private(host: &Host, why: &str) -> Failure {
    let why = why.split(". ").next().unwrap_or_default();
    failure(
        format!("{host} is not connected to: {}.", quoted(why)),
        "Name a server on the internet, or let the operator add its network to \
         outgoing.allowed_networks.",
    )
}

fn lost(protocol: &str, host: &Host, why: &str) -> Failure {
    failure(
        format!("The {protocol} server {host} broke off: {}.", quoted(why)),
        "Try again in some minutes.",
    )
}

fn hostile(protocol: &str, host: &Host, why: &str) -> Failure {
    failure(
        format!(
            "What answers at {host} is no {protocol} server that can be used: {}.",
            quoted(why)
        ),
        "Check the host and the port.",
    )
}

/// What is said of a mailbox whose server goes on refusing.
pub fn refused(text: &str) -> String {
    if not_connected(text) {
        return format!(
            "The server knows the account, but gives no access to the mailbox. {NEW_CONSENT} {IMAP_OFF}"
        );
    }
    format!("The mail server refuses the sign-in ({}). Authorise the mailbox again.", quoted(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::submission::Reply;

    fn account(auth: Auth) -> Account {
        Account {
            imap: "outlook.office365.com:993".parse().unwrap(),
            smtp: "smtp.office365.com:587".parse().unwrap(),
            username: "ann@firm.example".to_owned(),
            auth,
            saves_sent: true,
        }
    }

    #[test]
    fn every_known_refusal_of_smtp_has_its_remedy() {
        let rows = [
            (
                "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the \
              Tenant.",
                "Set-CASMailbox -SmtpClientAuthenticationDisabled",
            ),
            ("535 5.7.3 Authentication unsuccessful", "Authorise the mailbox again"),
            ("550 5.7.30 Basic authentication is not supported", "Connect the mailbox as Outlook"),
            ("550 5.7.60 SMTP; Client does not have permissions to send as this sender", "Send As"),
            ("432 4.3.2 Concurrent connections limit exceeded", "three connections"),
            ("554 5.2.2 mailbox full", "Make room"),
            ("554 5.2.0 daily limit exceeded", "until tomorrow"),
            ("550 5.2.252 throttled", "only Microsoft"),
            ("535 wrong", "Authorise the mailbox again"),
        ];
        for (line, words) in rows {
            let (code, text) = line.split_once(' ').unwrap();
            let reply = Reply { code: code.parse().unwrap(), text: text.to_owned() };
            let error = submission::Error::Denied { reply, json: None };
            let said = smtp(&error, &account(Auth::Xoauth2)).to_string();
            assert!(said.contains(words), "{line}: {said}");
        }
    }

    #[test]
    fn every_trouble_of_a_watched_mailbox_has_its_remedy() {
        let why = || "because".to_owned();
        for (trouble, words) in [
            (Trouble::Unreachable(why()), "Check the host"),
            (Trouble::Lost(why()), "by itself"),
            (Trouble::Refused(why()), "by itself"),
            (
                Trouble::Refused("User is authenticated but not connected.".to_owned()),
                "wait some minutes",
            ),
            (Trouble::Untrusted(format!("a.example: {}", reach::EXPIRED)), "must renew it"),
            (Trouble::Broken(why()), "no IMAP server"),
            (Trouble::Unreadable(why()), "answers what cannot be read: because."),
            (Trouble::Failed, "The gateway itself failed"),
        ] {
            let said = watching(&trouble, &account(Auth::Xoauth2)).to_string();
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn who_has_signed_us_in_is_an_imap_server() {
        let error = imap::Error::Hostile("the server's answer cannot be read".to_owned());
        let account = account(Auth::Xoauth2);
        assert!(imap(&error, &account).what.contains("no IMAP server"));
        let said = reading(&error, &account).to_string();
        assert!(said.contains("signs in, and then") && !said.contains("no IMAP server"), "{said}");
        let idle = imap::Error::Unsupported("IDLE");
        assert_eq!(reading(&idle, &account), imap(&idle, &account));
    }

    #[test]
    fn mails_that_are_not_given_are_counted() {
        let said = |count| withheld(count, &account(Auth::Xoauth2)).to_string();
        assert!(said(1).contains("has a mail that") && said(1).contains("It is asked"));
        assert!(said(3).contains("has 3 mails that") && said(3).contains("They are asked"));
    }

    #[test]
    fn every_known_refusal_of_imap_has_its_remedy() {
        let denied = |text: &str| imap::Error::Denied { text: text.to_owned(), json: None };
        let rows = [
            (denied("AUTHENTICATE failed."), "ImapEnabled"),
            (denied("User is authenticated but not connected."), "is not the mailbox's"),
            (imap::Error::Unsupported("IDLE"), "IDLE on"),
            (imap::Error::Tls(reach::EXPIRED.to_owned()), "must renew it"),
            (imap::Error::Tls(format!("{} (b.example)", reach::OTHER_NAME)), "Check the host: it"),
            (imap::Error::Tls(reach::UNKNOWN_ISSUER.to_owned()), "tls.extra_roots"),
            (imap::Error::Tls("received corrupt message".to_owned()), "cannot be begun"),
            (imap::Error::Private("x is private".to_owned()), "outgoing.allowed_networks"),
            (imap::Error::Unreachable("refused".to_owned()), "Check the host"),
            (imap::Error::Lost("Connection is closed. 13".to_owned()), "Try again"),
        ];
        for (error, words) in rows {
            let said = imap(&error, &account(Auth::Xoauth2)).to_string();
            assert!(said.contains(words), "{said}");
        }
        let said = imap(&denied("no"), &account(Auth::Password)).to_string();
        assert!(said.contains("app password"), "{said}");
    }
}
