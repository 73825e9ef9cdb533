//! What failed, in a sentence, and what helps, in another: for every refusal that mail providers are known
//! to give. Pure.

use std::fmt;

use crate::access::Trouble;
use crate::model::{Account, Auth, Host};
use crate::reach;
use crate::submission;
use crate::text;
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

/// The words of a key, and what helps by `KEY_do`.
fn failure(key: &str, what: &[&dyn fmt::Display]) -> Failure {
    helped(key, what, text::words(&format!("{key}_do")).to_owned())
}

/// The words of a key, with what helps.
fn helped(key: &str, what: &[&dyn fmt::Display], remedy: String) -> Failure {
    Failure { what: text::fill(key, what), remedy }
}

/// Words of a server in a sentence.
fn quoted(text: &str) -> String {
    const CHARS_MAX: usize = 300;
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(CHARS_MAX).collect::<String>().trim().to_owned()
}

/// The words on a certificate, by what is wrong with it.
const CERTIFICATES: [(&str, &str); 4] = [
    (reach::EXPIRED, "remedy.expired_do"),
    (reach::OTHER_NAME, "remedy.other_name_do"),
    (reach::UNKNOWN_ISSUER, "remedy.unknown_issuer_do"),
    (reach::NOT_VALID, "remedy.not_valid_do"),
];

/// What an IMAP server, or the way to it, refused.
pub fn imap(error: &imap::Error, account: &Account) -> Failure {
    let host = &account.imap;
    match error {
        imap::Error::Denied { text, .. } => imap_denied(text, account),
        imap::Error::Refused { text, .. } if not_connected(text) => imap_denied(text, account),
        imap::Error::Refused { command, text, .. } => {
            failure("remedy.imap_refused", &[host, command, &quoted(text)])
        }
        imap::Error::Unsupported("IDLE") => failure("remedy.no_idle", &[host]),
        imap::Error::Unsupported(what) => failure("remedy.imap_lacks", &[host, what]),
        imap::Error::Tls(why) => tls(host, why),
        imap::Error::Private(why) => private(host, why),
        imap::Error::Unreachable(why) | imap::Error::Silent(why) => {
            failure("remedy.imap_unreachable", &[host, &quoted(why)])
        }
        imap::Error::Lost(why) => failure("remedy.imap_lost", &[host, &quoted(why)]),
        imap::Error::Hostile(why) => failure("remedy.imap_hostile", &[host, &quoted(why)]),
    }
}

/// `BAD User is authenticated but not connected`: Exchange's words for several things at once.
fn not_connected(text: &str) -> bool {
    text.to_ascii_lowercase().contains("authenticated but not connected")
}

fn imap_denied(said: &str, account: &Account) -> Failure {
    let host = &account.imap;
    let imap_off = text::words("remedy.imap_off");
    if not_connected(said) {
        let remedy = text::with("remedy.not_connected_do", imap_off);
        return helped("remedy.not_connected", &[host, &account.username], remedy);
    }
    let remedy = match account.auth {
        Auth::Password => text::words("remedy.new_password").to_owned(),
        Auth::Xoauth2 => format!("{} {imap_off}", text::words("remedy.new_consent")),
    };
    helped("remedy.imap_denied", &[host, &quoted(said)], remedy)
}

/// What an SMTP server, or the way to it, refused.
pub fn smtp(error: &submission::Error, account: &Account) -> Failure {
    let host = &account.smtp;
    match error {
        submission::Error::Denied { reply, .. } | submission::Error::Refused(reply) => {
            smtp_refused(&reply.to_string(), account)
        }
        submission::Error::Unsupported(what) => failure("remedy.smtp_lacks", &[host, what]),
        submission::Error::Tls(why) => tls(host, why),
        submission::Error::Private(why) => private(host, why),
        submission::Error::Unreachable(why) => {
            failure("remedy.smtp_unreachable", &[host, &quoted(why)])
        }
        submission::Error::Lost(why) => failure("remedy.smtp_lost", &[host, &quoted(why)]),
        submission::Error::Hostile(why) => failure("remedy.smtp_hostile", &[host, &quoted(why)]),
    }
}

fn smtp_refused(reply: &str, account: &Account) -> Failure {
    let host = &account.smtp;
    let what: [&dyn fmt::Display; 2] = [host, &quoted(reply)];
    if let Some(known) = submission::known(reply) {
        return helped(known.what, &what, known.remedy.to_owned());
    }
    let lower = reply.to_ascii_lowercase();
    if ["5.2.2 ", "mailbox full", "quota"].iter().any(|word| lower.contains(word)) {
        return failure("remedy.mailbox_full", &what);
    }
    let remedy = match account.auth {
        Auth::Password => text::words("remedy.new_password").to_owned(),
        Auth::Xoauth2 => {
            let (consent, off) =
                (text::words("remedy.new_consent"), text::words("remedy.smtp_off"));
            text::fill("remedy.if_it_stays", &[&consent, &off])
        }
    };
    helped("remedy.smtp_denied", &what, remedy)
}

/// Why a mailbox that was proved cannot be watched any more.
pub fn watching(trouble: &Trouble, account: &Account) -> Failure {
    let host = &account.imap;
    match trouble {
        Trouble::Unreachable(why) => failure("remedy.imap_unreachable", &[host, &quoted(why)]),
        Trouble::Lost(why) => failure("remedy.watch_lost", &[host, &quoted(why)]),
        Trouble::Refused(text) if not_connected(text) => imap_denied(text, account),
        Trouble::Refused(text) => failure("remedy.watch_refused", &[host, &quoted(text)]),
        Trouble::Untrusted(why) => tls(host, why),
        Trouble::Broken(why) => failure("remedy.imap_hostile", &[host, &quoted(why)]),
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
    failure("remedy.unreadable", &[host, &quoted(why)])
}

/// It is not the server's doing.
pub fn failed() -> Failure {
    failure("remedy.failed", &[])
}

/// What is said of a mailbox whose server has so many mails that it does not give.
pub fn withheld(count: i64, account: &Account) -> Failure {
    match count {
        1 => failure("remedy.withheld_one", &[&account.imap]),
        _ => failure("remedy.withheld", &[&account.imap, &count]),
    }
}

fn tls(host: &Host, why: &str) -> Failure {
    let why = why.strip_prefix(&host.name).and_then(|it| it.strip_prefix(": ")).unwrap_or(why);
    let what: [&dyn fmt::Display; 2] = [host, &quoted(why)];
    match CERTIFICATES.iter().find(|(words, _)| why.contains(words)) {
        Some((_, remedy)) => helped("remedy.certificate", &what, text::words(remedy).to_owned()),
        None => failure("remedy.handshake", &what),
    }
}

fn private(host: &Host, why: &str) -> Failure {
    let why = why.split(". ").next().unwrap_or_default();
    failure("remedy.private", &[host, &quoted(why)])
}

/// What is said of a mailbox whose server goes on refusing.
pub fn refused(said: &str) -> String {
    if not_connected(said) {
        let (consent, off) = (text::words("remedy.new_consent"), text::words("remedy.imap_off"));
        return text::fill("remedy.refused_not_connected", &[&consent, &off]);
    }
    text::with("remedy.refused", quoted(said))
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
