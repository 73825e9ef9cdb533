//! Every reply that the listener gives, named once, with the line of the RFC that asks for it. What is
//! said to whom is `session`'s matter.

/// A reply of one line (RFC 5321 4.2) with its enhanced status code (RFC 2034).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The stable code under which a refusal stands in the log and in the counters.
    pub name: &'static str,
    /// RFC 5321 4.2.3.
    pub code: u16,
    /// RFC 3463 and 5248.
    pub enhanced: &'static str,
    /// For people.
    pub text: &'static str,
}

const fn reply(name: &'static str, code: u16, enhanced: &'static str, text: &'static str) -> Reply {
    Reply { name, code, enhanced, text }
}

impl Reply {
    /// It refuses something, for now (4xx) or for good (5xx).
    pub const fn is_refusal(&self) -> bool {
        self.code >= 400
    }

    /// It counts towards the errors after which a connection is closed. What a client can do nothing
    /// about (4xx) does not.
    pub const fn is_error(&self) -> bool {
        self.code >= 500
    }

    /// Adds its line to what will be sent.
    pub fn write(&self, output: &mut Vec<u8>) {
        line(output, &format!("{} {} {}", self.code, self.enhanced, self.text));
    }
}

// 2xx: done. RFC 5321 4.2.3 unless another is named.
/// RSET, NOOP (RFC 5321 4.1.1.5, 4.1.1.9).
pub const OK: Reply = reply("ok", 250, "2.0.0", "OK");
/// MAIL (RFC 5321 4.1.1.2; X.1.0 of RFC 3463 3.2).
pub const SENDER_OK: Reply = reply("sender_ok", 250, "2.1.0", "Sender OK");
/// RCPT (RFC 5321 4.1.1.3; X.1.5 of RFC 3463 3.2).
pub const RECIPIENT_OK: Reply = reply("recipient_ok", 250, "2.1.5", "Recipient OK");
/// RFC 5321 6.1: with it we have taken responsibility for the mail.
pub const ACCEPTED: Reply = reply("accepted", 250, "2.0.0", "Kept on stable storage");
/// RFC 3207 4.
pub const READY_FOR_TLS: Reply = reply("ready_for_tls", 220, "2.0.0", "Ready to start TLS");
/// RFC 5321 4.1.1.10.
pub const GOODBYE: Reply = reply("goodbye", 221, "2.0.0", "Goodbye");
/// RFC 5321 4.1.1.8.
pub const HELP: Reply =
    reply("help", 214, "2.0.0", "EHLO HELO MAIL RCPT DATA BDAT STARTTLS RSET NOOP VRFY QUIT");
/// RFC 5321 3.5.3: the same for every name, so that none can be learnt.
pub const CANNOT_VERIFY: Reply =
    reply("cannot_verify", 252, "2.1.5", "Not verified; send mail and see");
/// RFC 5321 4.1.1.4. Intermediate replies carry no enhanced code (RFC 2034 4).
pub const START_MAIL: &str = "354 End with <CRLF>.<CRLF>";

// 4xx: try again.
/// RFC 5321 3.8: the server is being stopped.
pub const STOPPING: Reply = reply("stopping", 421, "4.3.2", "Stopping; try again");
/// RFC 5321 4.5.3.2.
pub const TOO_SLOW: Reply = reply("too_slow", 421, "4.4.2", "Timeout; closing");
/// RFC 5321 4.2.3: instead of the greeting. X.7.0 of RFC 3463 3.8.
pub const TOO_MANY_CONNECTIONS: Reply =
    reply("too_many_connections", 421, "4.7.0", "Too many connections; try again");
/// RFC 5321 7.8: whoever makes nothing but errors is sent away.
pub const TOO_MANY_ERRORS: Reply = reply("too_many_errors", 421, "4.7.0", "Too many errors");
/// RFC 5321 7.8.
pub const TOO_MANY_MAILS: Reply =
    reply("too_many_mails", 421, "4.7.0", "Too many mails on one connection; connect again");
/// RFC 5321 7.8, RULES B1: addresses are not to be guessed.
pub const TOO_MANY_UNKNOWN: Reply =
    reply("too_many_unknown_recipients", 421, "4.7.0", "Too many unknown recipients; try later");
/// RULES B1: the store cannot say; the sender tries again.
pub const UNAVAILABLE: Reply = reply("store_unavailable", 451, "4.3.0", "Not now; try again");
/// RFC 5321 4.2.3 (451); X.7.1 of RFC 3463 3.8.
pub const THROTTLED: Reply = reply("throttled", 451, "4.7.1", "Too much mail of late; try again");
/// RFC 5321 4.2.3 (452); X.3.1 of RFC 3463 3.4.
pub const FULL: Reply = reply("store_full", 452, "4.3.1", "No space left; try again");
/// RFC 5321 4.2.3 (452), for a mail that found no memory in time.
pub const NO_MEMORY: Reply = reply("no_memory", 452, "4.3.1", "Too many large mails; try again");
/// RFC 5321 4.5.3.1.10.
pub const TOO_MANY_RECIPIENTS: Reply =
    reply("too_many_recipients", 452, "4.5.3", "Too many recipients; send the rest again");

// 5xx: refused.
/// RFC 5321 4.5.3.1.9.
pub const LINE_TOO_LONG: Reply = reply("line_too_long", 500, "5.5.6", "Line too long");
/// RFC 5321 4.2.3 (500); 4.1.2 has no control characters.
pub const UNREADABLE: Reply =
    reply("unreadable_command", 500, "5.5.2", "Control characters in a command");
/// RFC 5321 4.2.4.
pub const UNKNOWN_COMMAND: Reply = reply("unknown_command", 500, "5.5.1", "Unknown command");
/// RFC 5321 4.1.2; RFC 6531 3.1 allows UTF-8 in MAIL, RCPT and VRFY only.
pub const NOT_ASCII: Reply = reply("not_ascii", 501, "5.5.2", "Not ASCII");
/// RFC 5321 4.2.3 (501).
pub const BAD_ARGUMENT: Reply = reply("bad_argument", 501, "5.5.4", "Syntax: see RFC 5321");
/// RFC 5321 4.2.4.
pub const NOT_IMPLEMENTED: Reply = reply("not_implemented", 502, "5.5.1", "Not implemented");
/// RFC 5321 4.1.4.
pub const BAD_SEQUENCE: Reply = reply("bad_sequence", 503, "5.5.1", "Bad sequence of commands");
/// RFC 7504 3: no mail is taken on this connection.
pub const BARE_LF: Reply = reply("bare_lf", 521, "5.5.2", "A line ends with CRLF; closing");
/// RFC 7504 3: somebody's browser was made to speak to us.
pub const HTTP: Reply = reply("http", 521, "5.5.1", "This is SMTP; closing");
/// RULES B1: the same words for addresses that never were and those that are no more.
pub const UNKNOWN_RECIPIENT: Reply =
    reply("unknown_recipient", 550, "5.1.1", "No such address here");
/// RFC 5321 3.6.2, 7.9: no mail is passed on.
pub const NOT_OURS: Reply = reply("relay_denied", 550, "5.7.1", "Not an address of ours");
/// PROTOCOL G2: a line end that other servers may read as the end of the mail.
pub const SMUGGLING: Reply =
    reply("bare_line_end", 550, "5.6.11", "CR or LF alone where lines must end with CRLF");
/// RFC 1870 6.1 (2), (3).
pub const TOO_LARGE: Reply = reply("too_large", 552, "5.3.4", "Mail too large");
/// RFC 5321 4.2.3 (553); X.1.7 of RFC 3463 3.2.
pub const BAD_SENDER: Reply = reply("bad_sender", 553, "5.1.7", "Not an e-mail address");
/// RFC 5321 4.2.3 (553); X.1.3 of RFC 3463 3.2.
pub const BAD_RECIPIENT: Reply = reply("bad_recipient", 553, "5.1.3", "Not an e-mail address");
/// RFC 6531 3.5.
pub const NEEDS_SMTPUTF8: Reply =
    reply("needs_smtputf8", 553, "5.6.7", "An address that is not ASCII needs SMTPUTF8");
/// RFC 5321 3.3.
pub const NO_RECIPIENTS: Reply = reply("no_recipients", 554, "5.5.1", "No valid recipients");
/// RFC 5321 6.3.
pub const LOOP: Reply = reply("loop", 554, "5.4.6", "Too many Received fields; a loop");
/// RFC 5321 4.1.1.11.
pub const BAD_PARAMETER: Reply = reply("bad_parameter", 555, "5.5.4", "Parameter not known");

/// The greeting (RFC 5321 4.2; without an enhanced code: RFC 2034 4).
pub fn greeting(output: &mut Vec<u8>, hostname: &str) {
    line(output, &format!("220 {hostname} ESMTP Mailweave"));
}

/// The answer to HELO.
pub fn helo(output: &mut Vec<u8>, hostname: &str) {
    line(output, &format!("250 {hostname}"));
}

/// The answer to EHLO (RFC 5321 4.1.1.1).
pub fn ehlo(output: &mut Vec<u8>, hostname: &str, size: u64, starttls: Starttls) {
    line(output, &format!("250-{hostname}"));
    line(output, "250-PIPELINING"); // RFC 2920
    line(output, &format!("250-SIZE {size}")); // RFC 1870
    if starttls == Starttls::Offered {
        line(output, "250-STARTTLS"); // RFC 3207; 4.2: never inside TLS
    }
    line(output, "250-ENHANCEDSTATUSCODES"); // RFC 2034
    line(output, "250-8BITMIME"); // RFC 6152
    line(output, "250-SMTPUTF8"); // RFC 6531
    // RFC 3030. Exchange Online sends mail that has bare LF by BDAT only.
    line(output, "250 CHUNKING");
}

/// Whether STARTTLS is among the extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starttls {
    Offered,
    Absent,
}

/// A chunk was taken (RFC 3030 2).
pub fn chunk(output: &mut Vec<u8>, bytes: u64) {
    line(output, &format!("250 2.0.0 {bytes} octets received"));
}

/// 354: send the mail.
pub fn start_mail(output: &mut Vec<u8>) {
    line(output, START_MAIL);
}

fn line(output: &mut Vec<u8>, text: &str) {
    output.extend_from_slice(text.as_bytes());
    output.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_code_enhanced_code_and_text() {
        let mut output = Vec::new();
        UNKNOWN_RECIPIENT.write(&mut output);
        assert_eq!(output, b"550 5.1.1 No such address here\r\n");
    }

    #[test]
    fn offers_starttls_only_in_clear() {
        let offer = |starttls| {
            let mut output = Vec::new();
            ehlo(&mut output, "mx.example", 1000, starttls);
            String::from_utf8(output).unwrap()
        };
        assert!(offer(Starttls::Offered).contains("250-STARTTLS\r\n"));
        assert!(!offer(Starttls::Absent).contains("STARTTLS"));
        assert!(offer(Starttls::Absent).ends_with("\r\n250 CHUNKING\r\n"));
    }
}
