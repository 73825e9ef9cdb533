//! Mails as people write them, made once and patched in place: each has its own Message-ID, subject and
//! first line, and goes to one of 1,000 contacts in turn.

use std::fmt::Write;

/// How many contacts the mails go to.
pub const CONTACTS: u64 = 1_000;

/// Placeholders as wide as what takes their place.
const NUMBER: &str = "@NUMBER@@@@@";
const CONTACT: &str = "@CON";

const SENTENCES: [&str; 6] = [
    "Thank you for the time you took yesterday; the whole team enjoyed it.",
    "Attached you find the figures we spoke about, with the changes marked.",
    "Could you tell me by Thursday whether the second option would suit you?",
    "Our technicians will be with you on the 14th between nine and eleven.",
    "The price holds until the end of the quarter, delivery is included.",
    "If anything is unclear, call me at any time: +49 30 1234567.",
];

/// A mail with its end of DATA, and where its number and its contact stand.
#[derive(Clone)]
pub struct Mail {
    bytes: Vec<u8>,
    numbers: Vec<usize>,
    contacts: Vec<usize>,
}

impl Mail {
    /// A mail from `from` of about so many bytes: 1 KB is plain text, more is text and HTML, and from
    /// 50 KB on most of it is a PDF.
    pub fn new(from: &str, size: usize) -> Self {
        let head = format!(
            "From: Anna Actor <{from}>\r\n\
             To: \"Customer {CONTACT}\" <customer-{CONTACT}@customers.test>\r\n\
             Subject: Your offer {NUMBER}\r\n\
             Date: Mon, 16 Nov 2026 10:00:00 +0100\r\n\
             Message-ID: <{NUMBER}.{CONTACT}@acme.test>\r\n\
             MIME-Version: 1.0\r\n\
             User-Agent: Mailer 1.0\r\n"
        );
        let mut text = head;
        let room = size.saturating_sub(text.len());
        match size {
            0..2_000 => plain(&mut text, room),
            2_000..50_000 => alternative(&mut text, room),
            _ => with_file(&mut text, room),
        }
        text.push_str(".\r\n");
        let places = |word: &str| text.match_indices(word).map(|(at, _)| at).collect();
        let (numbers, contacts) = (places(NUMBER), places(CONTACT));
        Self { bytes: text.into_bytes(), numbers, contacts }
    }

    /// The content and its end, as DATA carries it, of the mail with this number.
    pub fn numbered(&mut self, number: u64) -> &[u8] {
        let digits = format!("{number:0width$}", width = NUMBER.len());
        patch(&mut self.bytes, &self.numbers, &digits);
        let contact = format!("{:0width$}", number % CONTACTS, width = CONTACT.len());
        patch(&mut self.bytes, &self.contacts, &contact);
        &self.bytes
    }
}

fn patch(bytes: &mut [u8], places: &[usize], value: &str) {
    for place in places {
        bytes[*place..*place + value.len()].copy_from_slice(value.as_bytes());
    }
}

fn plain(text: &mut String, room: usize) {
    text.push_str("Content-Type: text/plain; charset=utf-8\r\n\r\n");
    prose(text, room, "", "");
}

fn alternative(text: &mut String, room: usize) {
    text.push_str("Content-Type: multipart/alternative; boundary=\"=_a1\"\r\n\r\n--=_a1\r\n");
    bodies(text, room);
    text.push_str("--=_a1--\r\n");
}

fn with_file(text: &mut String, room: usize) {
    text.push_str("Content-Type: multipart/mixed; boundary=\"=_m1\"\r\n\r\n--=_m1\r\n");
    text.push_str("Content-Type: multipart/alternative; boundary=\"=_a1\"\r\n\r\n--=_a1\r\n");
    bodies(text, 6_000);
    text.push_str(
        "--=_a1--\r\n--=_m1\r\nContent-Type: application/pdf; name=\"offer.pdf\"\r\n\
         Content-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment; filename=\"offer.pdf\"\r\n\r\n",
    );
    base64_lines(text, room.saturating_sub(6_500));
    text.push_str("--=_m1--\r\n");
}

/// A third of it is text, the rest HTML.
fn bodies(text: &mut String, room: usize) {
    text.push_str(
        "Content-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: quoted-printable\r\n\r\n",
    );
    prose(text, room / 3, "", "");
    text.push_str(
        "--=_a1\r\nContent-Type: text/html; charset=utf-8\r\n\
         Content-Transfer-Encoding: quoted-printable\r\n\r\n<html><body>\r\n",
    );
    prose(text, room * 2 / 3, "<p class=3D\"MsoNormal\">=\r\n", "</p>");
    text.push_str("</body></html>\r\n");
}

fn prose(text: &mut String, room: usize, before: &str, after: &str) {
    let end = text.len() + room;
    let _ = write!(text, "{before}Dear customer, this is mail {NUMBER}.{after}\r\n\r\n");
    for sentence in SENTENCES.iter().cycle() {
        if text.len() >= end {
            return;
        }
        let _ = write!(text, "{before}{sentence}{after}\r\n");
    }
}

/// A PDF's signature, then bytes without meaning, in lines of 76 characters (RFC 2045 6.8).
fn base64_lines(text: &mut String, room: usize) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut state = 1_u32;
    for line in 0..room.div_ceil(78) {
        let start = if line == 0 { "JVBERi0x" } else { "" };
        text.push_str(start);
        for _ in start.len()..76 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text.push(char::from(ALPHABET[(state >> 26) as usize]));
        }
        text.push_str("\r\n");
    }
}
