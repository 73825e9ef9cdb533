//! Outlook's Thread-Index and Thread-Topic (MS-OXOMSG 2.2.1.3 and 2.2.1.2), as it writes them: Outlook
//! threads by these, whatever References say.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::fields::Head;
use super::lines::Lines;
use super::{Limits, values};
use crate::model::Time;

/// A reserved byte and five of the time, then the conversation's GUID.
const HEAD_BYTES: usize = 22;
/// One answer.
const CHILD_BYTES: usize = 5;
/// No exchange has more answers; a longer index begins anew below its head. With these it stands on a line
/// of less than 998 bytes (RFC 5322 2.1.1).
const CHILDREN_MAX: usize = 100;
/// From 1601, where FILETIME begins, to 1970, in units of 100 ns.
const EPOCH: u64 = 116_444_736_000_000_000;

/// The bytes of a Thread-Index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadIndex(Vec<u8>);

impl ThreadIndex {
    /// Of a mail that begins a conversation.
    pub fn begin(now: Time, guid: [u8; 16]) -> Self {
        let time = file_time(now).to_be_bytes();
        // Both layouts in use agree here: the first byte of any FILETIME of this age is the reserved 1.
        let time = time.first_chunk::<6>().copied().unwrap_or_default();
        Self([time.as_slice(), &guid].concat())
    }

    /// Reads the one of a stored mail.
    pub fn of_mail(raw: &[u8]) -> Option<Self> {
        let head = Head::of_mail(&mut Lines::new(raw), &Limits::default());
        let value = values::raw(head.first("thread-index")?).into_owned();
        let compact: Vec<u8> = value.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let bytes = STANDARD.decode(compact).ok()?;
        (bytes.len() >= HEAD_BYTES).then_some(Self(bytes))
    }

    /// Of an answer to the mail that has this one: a block more. `random` tells two answers apart that
    /// are written in one instant.
    pub fn answer(&self, now: Time, random: u8) -> Self {
        let mut bytes = self.0.clone();
        if bytes.len() > HEAD_BYTES + CHILDREN_MAX * CHILD_BYTES {
            bytes.truncate(HEAD_BYTES);
        }
        let passed = file_time(now).saturating_sub(self.began());
        // A delta code and 31 bits of the time: in steps of 26 ms for 1.7 years, then of 0.8 s.
        let block = match passed >> 49 {
            0 => (passed >> 18) & 0x7fff_ffff,
            _ => 0x8000_0000 | ((passed >> 23) & 0x7fff_ffff),
        };
        bytes.extend(u32::try_from(block).unwrap_or(u32::MAX).to_be_bytes());
        bytes.push(random);
        Self(bytes)
    }

    /// When the conversation began, as a FILETIME.
    fn began(&self) -> u64 {
        let time = self.0.first_chunk::<6>().copied().unwrap_or_default();
        time.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)) << 16
    }

    /// As it stands in the header.
    pub fn to_base64(&self) -> String {
        STANDARD.encode(&self.0)
    }
}

fn file_time(time: Time) -> u64 {
    let since_1970 = u64::try_from(time.as_micros()).unwrap_or_default();
    since_1970.saturating_mul(10).saturating_add(EPOCH)
}

/// What stands before the subject of answers and forwards, in the languages of most senders.
const PREFIXES: [&str; 18] = [
    "re", "fw", "fwd", "aw", "wg", "sv", "vs", "tr", "rv", "enc", "odp", "pd", "antw", "ynt", "r",
    "i", "res", "ref",
];

/// The Thread-Topic of a subject: without the prefixes of answers and forwards.
pub fn topic(subject: &str) -> &str {
    let mut topic = subject.trim();
    while let Some((prefix, rest)) = topic.split_once(':') {
        if !PREFIXES.iter().any(|known| known.eq_ignore_ascii_case(prefix.trim())) {
            break;
        }
        topic = rest.trim_start();
    }
    topic
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_seconds(1_790_000_000);

    #[test]
    fn an_answer_has_one_block_more_and_the_same_guid() {
        let first = ThreadIndex::begin(NOW, [7; 16]);
        assert_eq!((first.0.len(), first.0[0], &first.0[6..]), (22, 1, [7; 16].as_slice()));
        let answer = first.answer(NOW.plus_seconds(3_600), 0x51);
        assert_eq!((answer.0.len(), &answer.0[..22]), (27, first.0.as_slice()));
        // An hour in steps of 2^18 * 100 ns, less what the head cuts off.
        let steps = u32::from_be_bytes(answer.0[22..26].try_into().unwrap());
        let hour = 36_000_000_000_u64 >> 18;
        assert!((hour..hour + 2).contains(&u64::from(steps)), "{steps} {hour}");
        assert_eq!(answer.0[26], 0x51);
        let years_later = first.answer(NOW.plus_seconds(3 * 365 * 86_400), 0);
        assert_eq!(years_later.0[22] & 0x80, 0x80);
    }

    #[test]
    fn reads_the_one_of_a_mail() {
        let index = ThreadIndex::begin(NOW, [9; 16]).answer(NOW, 1);
        let mail = format!("Subject: x\r\nThread-Index: {}\r\n\r\nbody", index.to_base64());
        assert_eq!(ThreadIndex::of_mail(mail.as_bytes()), Some(index));
        assert_eq!(ThreadIndex::of_mail(b"Thread-Index: AAECAwQF\r\n\r\n"), None);
        assert_eq!(ThreadIndex::of_mail(b"Subject: x\r\n\r\n"), None);
    }

    #[test]
    fn never_grows_without_end() {
        let mut index = ThreadIndex::begin(NOW, [1; 16]);
        for _ in 0..1_000 {
            index = index.answer(NOW, 1);
        }
        assert!(index.0.len() <= HEAD_BYTES + (CHILDREN_MAX + 2) * CHILD_BYTES);
        let longest = ThreadIndex(vec![1; HEAD_BYTES + CHILDREN_MAX * CHILD_BYTES]);
        let line = format!("Thread-Index: {}", longest.answer(NOW, 1).to_base64());
        assert!(line.len() <= 998, "{}", line.len());
    }

    #[test]
    fn a_topic_has_no_prefixes() {
        for (subject, expected) in [
            ("Offer", "Offer"),
            ("Re: Offer", "Offer"),
            ("RE: AW: Fwd: Offer", "Offer"),
            ("Note: Offer", "Note: Offer"),
            ("Re:", ""),
            ("", ""),
        ] {
            assert_eq!(topic(subject), expected, "{subject}");
        }
    }
}
