//! What a delivery report (RFC 3464) or a complaint (RFC 5965) says of its recipients. To which mail
//! it belongs is for others to find out.

use super::auto::{DELIVERY_STATUS, FEEDBACK};
use super::fields::Head;
use super::lines::Lines;
use super::structure::Structure;
use super::{Automatic, Limits, decode, values};
use crate::model::{Address, RecipientReport};

/// Recipients that are read of one report.
const RECIPIENTS_MAX: usize = 1_000;

/// Reads the report that the mail was judged to be.
pub(super) fn read(
    automatic: Option<&Automatic>,
    head: &Head<'_>,
    structure: &Structure<'_>,
    text: &str,
    limits: &Limits,
) -> Vec<RecipientReport> {
    let mut reports = match automatic {
        Some(Automatic::DeliveryReport) => delivery(head, structure, text, limits),
        Some(Automatic::Complaint) => complaint(structure, limits),
        _ => Vec::new(),
    };
    reports.truncate(RECIPIENTS_MAX);
    reports
}

/// The status part; without one what Exim's field or qmail's text says.
fn delivery(
    head: &Head<'_>,
    structure: &Structure<'_>,
    text: &str,
    limits: &Limits,
) -> Vec<RecipientReport> {
    let mut reports: Vec<RecipientReport> = Vec::new();
    for block in blocks_of(structure, DELIVERY_STATUS, limits) {
        let lines = &mut Lines::new(&block);
        reports.extend(recipient(&Head::read(lines, limits, |_| false)));
    }
    if reports.is_empty() {
        reports = failed_recipients(head, text);
    }
    if reports.is_empty() {
        reports = qmail(text);
    }
    reports
}

/// The blocks of fields in the first part of one of these kinds, apart at empty lines.
fn blocks_of(structure: &Structure<'_>, kinds: &[&str], limits: &Limits) -> Vec<Vec<u8>> {
    let mut parts = structure.parts.iter();
    let Some(part) = parts.find(|part| kinds.contains(&part.media.name.as_str())) else {
        return Vec::new();
    };
    let (bytes, _) = decode::bytes(part);
    let text = decode::with_line_feeds(String::from_utf8_lossy(&bytes));
    let blocks = text.split("\n\n").filter(|block| !block.trim().is_empty());
    blocks.take(limits.parts_max).map(|block| block.trim_start().as_bytes().to_vec()).collect()
}

/// RFC 3464 2.3: the fields of one recipient. The block about the mail has none of them.
fn recipient(block: &Head<'_>) -> Option<RecipientReport> {
    // RFC 3464 2.3.1: the original recipient is the one that the sender knows.
    let named = ["original-recipient", "final-recipient"];
    let address = named.iter().find_map(|name| typed_address(block.first(name)?))?;
    let status = block.token("status").and_then(|status| status_code(&status));
    let status = status.or_else(|| status_code(&block.token("diagnostic-code")?));
    // Some leave the action out, and OpenSMTPD calls it "error"; then the class of the status says it (RFC 3463 2).
    let is_permanent = status.as_ref().is_some_and(|status| status.starts_with('5'));
    let action = block.token("action").unwrap_or_default();
    let goes_on = GOES_ON.iter().any(|it| action.starts_with(it));
    let has_failed = action.starts_with("failed") || (is_permanent && !goes_on);
    Some(report(address, status, has_failed))
}

/// RFC 3464 2.3.3: the actions that are not the end of the mail.
const GOES_ON: [&str; 4] = ["delayed", "delivered", "relayed", "expanded"];

/// RFC 3464 2.1.2: `rfc822;ann@example.com`. Some leave the type out, some add brackets.
fn typed_address(value: &[u8]) -> Option<String> {
    let text = values::raw(value).into_owned();
    let address = text.split_once(';').map_or(text.as_str(), |(_, address)| address);
    let address = address.trim().trim_matches(['<', '>']).trim();
    // Not everything that gets mail has an address: X.400 does not.
    Address::parse(address).map(|address| address.written().to_owned())
}

/// Hard is what failed: nobody tries again, whatever the class of its status (RFC 3464 2.3.3).
fn report(address: String, status: Option<String>, has_failed: bool) -> RecipientReport {
    RecipientReport { address, hard: has_failed, status: status.unwrap_or_default() }
}

/// The first enhanced status code (RFC 3463 2) in the text.
fn status_code(text: &str) -> Option<String> {
    let is_between = |c: char| !c.is_ascii_digit() && c != '.';
    let mut words = text.split(is_between).map(|word| word.trim_matches('.'));
    words.find(|word| is_status(word)).map(str::to_owned)
}

fn is_status(word: &str) -> bool {
    let fields: Vec<&str> = word.split('.').collect();
    let is_number = |field: &&str| (1..=3).contains(&field.len());
    matches!(fields.as_slice(), ["2" | "4" | "5", _, _]) && fields.iter().all(is_number)
}

/// Exim and Gmail: `X-Failed-Recipients: ann@example.com, bob@example.com`, of what has failed for
/// good. The code stands in the text, if at all.
fn failed_recipients(head: &Head<'_>, text: &str) -> Vec<RecipientReport> {
    let people = head.all("x-failed-recipients");
    let people = people.flat_map(|value| values::people(value, RECIPIENTS_MAX).0);
    let status = status_code(text);
    let status = status.filter(|status| status.starts_with('5')).unwrap_or("5.0.0".to_owned());
    people
        .map(|person| report(person.email.written().to_owned(), Some(status.clone()), true))
        .collect()
}

/// qmail (and who copies it): `<ann@example.com>:` on a line, and the reason below it.
fn qmail(text: &str) -> Vec<RecipientReport> {
    let mut reports: Vec<RecipientReport> = Vec::new();
    let mut reason_lines = 0;
    for line in text.lines() {
        let line = line.trim();
        // Below it comes the mail that failed.
        if line.starts_with("--- ") {
            break;
        }
        let address = line.strip_prefix('<').and_then(|line| line.strip_suffix(">:"));
        if let Some(address) = address.and_then(Address::parse) {
            reports.push(report(address.written().to_owned(), None, false));
            reason_lines = REASON_LINES_MAX;
        } else if reason_lines > 0 {
            reason_lines -= 1;
            explain(reports.last_mut(), line);
        }
    }
    reports
}

/// A reason is not longer than so many lines.
const REASON_LINES_MAX: usize = 5;

fn explain(last: Option<&mut RecipientReport>, line: &str) {
    if let Some(last) = last.filter(|last| last.status.is_empty())
        && let Some(status) = status_code(line).or_else(|| class_of_reply(line))
    {
        last.hard = status.starts_with('5');
        last.status = status;
    }
}

/// What a reply without an enhanced code says (RFC 5321 4.2.1), and qmail in words.
fn class_of_reply(line: &str) -> Option<String> {
    let is_code = |word: &&str| word.len() == 3 && word.starts_with(['4', '5']);
    let is_digits = |word: &&str| word.bytes().all(|byte| byte.is_ascii_digit());
    let code = line.split(|c: char| !c.is_ascii_alphanumeric()).filter(is_code).find(is_digits);
    let is_final = line.contains("permanent error") || line.contains("permanent fatal error");
    match code {
        Some(code) if code.starts_with('4') => Some("4.0.0".to_owned()),
        Some(_) => Some("5.0.0".to_owned()),
        None => is_final.then(|| "5.0.0".to_owned()),
    }
}

/// RFC 5965 3.2: `Original-Rcpt-To`, as often as there are recipients; else to whom the mail went
/// that is complained about.
fn complaint(structure: &Structure<'_>, limits: &Limits) -> Vec<RecipientReport> {
    let blocks = blocks_of(structure, FEEDBACK, limits);
    let mut reports = Vec::new();
    for block in &blocks {
        let head = Head::read(&mut Lines::new(block), limits, |_| false);
        let named = head.all("original-rcpt-to").filter_map(typed_address);
        let room = RECIPIENTS_MAX.saturating_sub(reports.len());
        reports.extend(named.take(room).map(|address| report(address, None, false)));
    }
    if reports.is_empty() {
        reports = recipients_of_attached(structure, limits);
    }
    reports
}

fn recipients_of_attached(structure: &Structure<'_>, limits: &Limits) -> Vec<RecipientReport> {
    let is_mail = |name: &str| matches!(name, "message/rfc822" | "text/rfc822-headers");
    let part = structure.parts.iter().find(|part| is_mail(&part.media.name));
    let Some(part) = part else { return Vec::new() };
    let (bytes, _) = decode::bytes(part);
    let head = Head::of_mail(&mut Lines::new(&bytes), limits);
    let people = head.all("to").flat_map(|value| values::people(value, RECIPIENTS_MAX).0);
    let reports = people.map(|person| report(person.email.written().to_owned(), None, false));
    reports.take(RECIPIENTS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_status_codes() {
        for (text, expected) in [
            ("5.1.1", Some("5.1.1")),
            ("5.1.1 (bad destination mailbox)", Some("5.1.1")),
            ("smtp; 550 5.1.1 <a@b.c>: unknown", Some("5.1.1")),
            ("smtp;550-5.7.26 blocked", Some("5.7.26")),
            ("(#5.1.2)", Some("5.1.2")),
            ("host 192.0.2.1 said 550", None),
            ("3.1.1", None),
            ("5.1", None),
            ("5.1.1.", Some("5.1.1")),
            ("", None),
        ] {
            assert_eq!(status_code(text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn hard_is_what_failed_for_good() {
        for (block, expected) in [
            (
                "Final-Recipient: rfc822; a@b.c\nAction: failed\nStatus: 5.1.1",
                Some(("5.1.1", true)),
            ),
            (
                "Final-Recipient: rfc822;a@b.c\nAction: delayed\nStatus: 4.4.1",
                Some(("4.4.1", false)),
            ),
            ("Final-Recipient: a@b.c\nAction: failed\nStatus: 4.4.7", Some(("4.4.7", true))),
            (
                "Final-Recipient: rfc822;<a@b.c>\nAction: delivered\nStatus: 2.0.0",
                Some(("2.0.0", false)),
            ),
            (
                "Final-Recipient: rfc822;a@b.c\nAction: failed\nDiagnostic-Code: smtp; 550 5.7.1 no",
                Some(("5.7.1", true)),
            ),
            ("Final-Recipient: rfc822;a@b.c\nAction: failed", Some(("", true))),
            ("Final-Recipient: rfc822;a@b.c\nAction: error\nStatus: 5.0.0", Some(("5.0.0", true))),
            (
                "Final-Recipient: rfc822;a@b.c\nAction: delayed\nStatus: 5.0.0",
                Some(("5.0.0", false)),
            ),
            ("Reporting-MTA: dns; mx.example\nArrival-Date: x", None),
            ("Final-Recipient: x400; /C=GB/", None),
        ] {
            let limits = Limits::default();
            let head = Head::read(&mut Lines::new(block.as_bytes()), &limits, |_| false);
            let found = recipient(&head);
            let found = found.as_ref().map(|report| (report.status.as_str(), report.hard));
            assert_eq!(found, expected, "{block}");
        }
    }

    #[test]
    fn reads_the_words_of_qmail() {
        let text = "Hi. This is the qmail-send program at mx.example.\n\n<a@b.c>:\n\
                    192.0.2.1 does not like recipient.\nRemote host said: 550 5.1.1 Unknown\n\n\
                    <d@e.f>:\nSorry, no mailbox here by that name. (#5.1.1)\n\n\
                    --- Below this line is a copy of the message.\n\n<g@h.i>:\n";
        let found: Vec<(String, bool)> =
            qmail(text).into_iter().map(|report| (report.address, report.hard)).collect();
        assert_eq!(found, [("a@b.c".to_owned(), true), ("d@e.f".to_owned(), true)]);
        for (reason, expected) in [
            ("Remote host said: 552 Error: disk quota exceeded", "5.0.0"),
            ("This is a permanent error; I've given up.", "5.0.0"),
            ("Remote host said: 421 later", "4.0.0"),
            ("I could not find any host with 3 or 12345 names.", ""),
        ] {
            assert_eq!(qmail(&format!("<a@b.c>:\n{reason}\n"))[0].status, expected, "{reason}");
        }
    }
}
