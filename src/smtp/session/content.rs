//! The content of a mail while it arrives: how much of it is kept, and why it will be refused.

use memchr::memchr_iter;

use crate::smtp::reply::{self, Reply};

/// Why a mail is refused at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    TooLarge,
    /// A line that is a dot and that another server may take for the end of the mail.
    Smuggling,
    /// There was no memory for it in time.
    NoMemory,
    /// RFC 5321 6.3.
    Loop,
}

impl Fault {
    /// How the client is told.
    pub fn reply(self) -> Reply {
        match self {
            Self::TooLarge => reply::TOO_LARGE,
            Self::Smuggling => reply::SMUGGLING,
            Self::NoMemory => reply::NO_MEMORY,
            Self::Loop => reply::LOOP,
        }
    }
}

/// So much needs nobody's permission.
pub const FREE_BYTES: u64 = 131_072;
/// So much is kept of a mail that will be refused: its header, for the record.
const HEADER_MAX: usize = 65_536;

/// Content that arrives.
#[derive(Debug)]
pub struct Content {
    bytes: Vec<u8>,
    /// The greatest size that is accepted.
    limit: u64,
    /// What RFC 1870 SIZE announced.
    announced: Option<u64>,
    /// So many bytes may be kept.
    granted: u64,
    /// The first fault counts.
    fault: Option<Fault>,
}

impl Content {
    /// Content of at most `limit` bytes, of which SIZE announced so many.
    pub fn new(limit: u64, announced: Option<u64>) -> Self {
        let granted = FREE_BYTES.min(limit);
        let expected = announced.unwrap_or(0).min(granted);
        let bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(0));
        Self { bytes, limit, announced, granted, fault: None }
    }

    /// For how many bytes in all permission is needed before more is taken.
    pub fn wanted(&self) -> Option<u64> {
        if self.fault.is_some() || self.granted >= self.limit || self.room() > 0 {
            return None;
        }
        // Once and for all: two mails that hold a half each and wait for the other half never end.
        Some(self.announced.filter(|size| *size > self.granted).unwrap_or(self.limit))
    }

    /// Permission for so many bytes in all was given.
    pub fn grant(&mut self, bytes: u64) {
        self.granted = bytes.clamp(self.granted, self.limit);
        let more = usize::try_from(self.granted).unwrap_or(0).saturating_sub(self.bytes.len());
        self.bytes.reserve_exact(more);
    }

    /// So many bytes may be taken before `wanted` must be asked again.
    pub fn room(&self) -> usize {
        if self.fault.is_some() || self.granted >= self.limit {
            return usize::MAX;
        }
        let kept = self.bytes.len() as u64;
        usize::try_from(self.granted.saturating_sub(kept)).unwrap_or(usize::MAX)
    }

    /// Takes more of it.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.fault.is_none() && (self.bytes.len() + bytes.len()) as u64 > self.limit {
            self.refuse(Fault::TooLarge);
        }
        let kept = match self.fault {
            None => bytes,
            Some(_) => {
                let room = HEADER_MAX.saturating_sub(self.bytes.len());
                bytes.get(..room).unwrap_or(bytes)
            }
        };
        self.bytes.extend_from_slice(kept);
    }

    /// It will be refused: all but its header is dropped.
    pub fn refuse(&mut self, fault: Fault) {
        if self.fault.is_none() {
            self.fault = Some(fault);
            self.bytes.truncate(HEADER_MAX);
            self.bytes.shrink_to_fit();
        }
    }

    /// Why it will be refused, as far as is known.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Its end: the content, or why it is refused and the header.
    pub fn finish(mut self, hops_max: usize) -> Result<Vec<u8>, (Fault, Vec<u8>)> {
        if self.fault.is_none() && hops(&self.bytes) > hops_max {
            self.refuse(Fault::Loop);
        }
        match self.fault {
            None => Ok(self.bytes),
            Some(fault) => {
                self.bytes.truncate(HEADER_MAX);
                Err((fault, self.bytes))
            }
        }
    }
}

/// The `Received` fields of the header (RFC 5321 4.4).
fn hops(content: &[u8]) -> usize {
    const NAME: &[u8] = b"Received:";
    let mut count = 0;
    let mut start = 0;
    for end in memchr_iter(b'\n', content) {
        let line = content.get(start..end).unwrap_or_default();
        if line.is_empty() || line == b"\r" {
            break;
        }
        let is_hop = line.get(..NAME.len()).is_some_and(|name| name.eq_ignore_ascii_case(NAME));
        count += usize::from(is_hop);
        start = end + 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_hops_in_the_header_only() {
        let mail = b"received: a\r\nX: b\r\nReceived:\r\n c\r\n\r\nReceived: d\r\n";
        assert_eq!(hops(mail), 2);
        assert_eq!(hops(b"Received: without an end"), 0);
    }

    #[test]
    fn accepts_the_limit_and_not_one_more() {
        let finished = |count: usize| {
            let mut content = Content::new(10, None);
            content.push(&vec![b'x'; count]);
            content.finish(1).map(|bytes| bytes.len()).map_err(|(fault, _)| fault)
        };
        assert_eq!(finished(10), Ok(10));
        assert_eq!(finished(11), Err(Fault::TooLarge));
    }

    #[test]
    fn keeps_the_header_of_what_it_refuses() {
        let mut content = Content::new(1_000_000, None);
        content.push(b"Message-ID: <a@b>\r\n\r\n");
        content.refuse(Fault::Smuggling);
        content.push(&[b'x'; 100_000]);
        let (fault, header) = content.finish(100).unwrap_err();
        assert_eq!(fault, Fault::Smuggling);
        assert!(header.starts_with(b"Message-ID: <a@b>"));
        assert_eq!(header.len(), HEADER_MAX);
    }

    #[test]
    fn asks_once_for_all_it_may_need() {
        let mut content = Content::new(1_000_000, None);
        assert_eq!(content.wanted(), None);
        content.push(&[b'x'; FREE_BYTES as usize]);
        assert_eq!(content.wanted(), Some(1_000_000));
        content.grant(1_000_000);
        assert_eq!(content.wanted(), None);
    }

    #[test]
    fn asks_for_what_was_announced() {
        let mut content = Content::new(1_000_000, Some(200_000));
        content.push(&[b'x'; FREE_BYTES as usize]);
        assert_eq!(content.wanted(), Some(200_000));
        content.grant(200_000);
        content.push(&vec![b'x'; 200_000 - FREE_BYTES as usize]);
        assert_eq!(content.wanted(), Some(1_000_000), "more than was announced");
    }
}
