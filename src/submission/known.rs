//! What Exchange Online and Outlook.com are known to refuse (PROTOCOL A9), in words, and what helps. Pure.

/// What a refusal says of the server, and what to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// After "The server".
    pub what: &'static str,
    pub remedy: &'static str,
}

/// The refusal that a reply is, known by its enhanced code, or by the words where several share one.
pub fn known(reply: &str) -> Option<Known> {
    let lower = reply.to_ascii_lowercase();
    let is_it = |words: &[&str]| words.iter().any(|word| has(&lower, word));
    let (_, what, remedy) = KNOWN.iter().find(|(words, ..)| is_it(words))?;
    Some(Known { what, remedy })
}

/// Does a reply say that, and not within a longer number or address?
fn has(reply: &str, word: &str) -> bool {
    let is_within = |before: &str| before.ends_with(|c: char| c.is_ascii_digit() || c == '.');
    reply.match_indices(word).any(|(at, _)| reply.get(..at).is_some_and(|it| !is_within(it)))
}

const BLOCKED: &str = "has blocked this mailbox for a while, after many mails that it refused";

const KNOWN: [(&[&str], &str, &str); 11] = [
    (
        &["5.7.139", "smtpclientauthentication is disabled"],
        "does not let this mailbox send: SMTP AUTH is turned off",
        SMTP_OFF,
    ),
    (
        &["5.7.30", "basic authentication is not supported"],
        "takes no passwords any more",
        "Connect the mailbox as Outlook, with a consent in the place of the password.",
    ),
    (
        &["5.7.60", "sendasdenied"],
        "does not let this account send as the mailbox",
        "Sign in as the mailbox's owner, or let an administrator grant Send As.",
    ),
    (
        &["432 4.3.2", "concurrent connections"],
        "is used by too many programs at once",
        "Wait some minutes and try again; Exchange allows three connections for each mailbox.",
    ),
    (
        &["554 5.2.0 "],
        "has put a limit on what this mailbox sends",
        "Exchange lets a mailbox send to 10,000 people a day: wait until tomorrow, and send bulk mail through \
         another provider.",
    ),
    (
        &["5.2.251"],
        BLOCKED,
        "Make room in the mailbox, which is full, and wait: only Microsoft lifts the block.",
    ),
    (
        &["5.2.252"],
        BLOCKED,
        "Let an administrator grant Send As for the address, and wait: only Microsoft lifts the block.",
    ),
    (
        &["5.2.253"],
        BLOCKED,
        "Let an administrator give the mailbox a licence, and wait: only Microsoft lifts the block.",
    ),
    (
        &["5.2.254"],
        BLOCKED,
        "Send to fewer people at once, and wait: only Microsoft lifts the block.",
    ),
    (
        &["5.2.255"],
        BLOCKED,
        "Correct the addresses that do not exist, and wait: only Microsoft lifts the block.",
    ),
    (&["5.2.25"], BLOCKED, "Mend what was refused, and wait: only Microsoft lifts the block."),
];

/// Who may turn SMTP AUTH on, and how.
pub const SMTP_OFF: &str = "An administrator can turn SMTP AUTH on for the mailbox (Set-CASMailbox \
                            -SmtpClientAuthenticationDisabled $false; see https://aka.ms/smtp_auth_disabled) \
                            or for the organisation, and must not block it by security defaults.";
