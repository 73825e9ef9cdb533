//! The content of a mail while it arrives: how much of it is kept, and why it will be refused.

use memchr::memchr_iter;

use crate::smtp::reply::{self, Reply};

/// Why a mail is refused at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    TooLarge,
    /// A line that is a dot and that another server may take for the end of the mail.
    Smuggling,
    /// There was no room for it on the disk.
    NoRoom,
    /// RFC 5321 6.3.
    Loop,
}

impl Fault {
    /// How the client is told.
    pub fn reply(self) -> Reply {
        match self {
            Self::TooLarge => reply::TOO_LARGE,
            Self::Smuggling => reply::SMUGGLING,
            Self::NoRoom => reply::FULL,
            Self::Loop => reply::LOOP,
        }
    }
}

/// From so much on, what came is set aside: it is not kept in memory.
pub const SET_ASIDE_FROM: usize = 131_072;
/// So much is kept of a mail that will be refused: its header, for the record.
const HEADER_MAX: usize = 65_536;

/// Content that arrives.
#[derive(Debug)]
pub struct Content {
    /// What was not set aside.
    bytes: Vec<u8>,
    /// The greatest size that is accepted.
    limit: u64,
    /// So many bytes were set aside, which had this beginning and so many `Received` fields.
    aside: u64,
    beginning: Vec<u8>,
    hops: usize,
    /// The first fault counts.
    fault: Option<Fault>,
}

/// Content that has ended.
#[derive(Debug)]
pub struct Whole {
    /// Bytes that were set aside and stand before the others.
    pub aside: u64,
    pub bytes: Vec<u8>,
}

impl Content {
    /// Content of at most `limit` bytes, of which SIZE (RFC 1870) announced so many.
    pub fn new(limit: u64, announced: Option<u64>) -> Self {
        let expected = announced.unwrap_or(0).min(limit).min(SET_ASIDE_FROM as u64);
        let bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(0));
        Self { bytes, limit, aside: 0, beginning: Vec::new(), hops: 0, fault: None }
    }

    /// What is to be set aside now, and behind how many bytes of it.
    pub fn set_aside(&mut self) -> Option<(Vec<u8>, u64)> {
        if self.fault.is_some() || self.bytes.len() < SET_ASIDE_FROM {
            return None;
        }
        if self.aside == 0 {
            self.beginning = self.bytes.get(..HEADER_MAX).unwrap_or(&self.bytes).to_vec();
            self.hops = hops(&self.bytes);
        }
        let behind = self.aside;
        self.aside += self.bytes.len() as u64;
        Some((std::mem::replace(&mut self.bytes, Vec::with_capacity(SET_ASIDE_FROM)), behind))
    }

    /// Takes more of it.
    pub fn push(&mut self, bytes: &[u8]) {
        let size = self.aside + (self.bytes.len() + bytes.len()) as u64;
        if self.fault.is_none() && size > self.limit {
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
            if self.aside > 0 {
                self.bytes = std::mem::take(&mut self.beginning);
            }
            self.bytes.truncate(HEADER_MAX);
            self.bytes.shrink_to_fit();
        }
    }

    /// Why it will be refused, as far as is known.
    pub fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Its end: the content, or why it is refused and the header.
    pub fn finish(mut self, hops_max: usize) -> Result<Whole, (Fault, Vec<u8>)> {
        // The header of what was set aside is taken to end in its first piece.
        let hops = if self.aside > 0 { self.hops } else { hops(&self.bytes) };
        if hops > hops_max {
            self.refuse(Fault::Loop);
        }
        match self.fault {
            None => Ok(Whole { aside: self.aside, bytes: self.bytes }),
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
            content.finish(1).map(|whole| whole.bytes.len()).map_err(|(fault, _)| fault)
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
    fn sets_aside_what_is_large() {
        let mut content = Content::new(1_000_000, Some(200_000));
        content.push(&[b'x'; SET_ASIDE_FROM - 1]);
        assert_eq!(content.set_aside(), None);
        content.push(b"xy");
        let (bytes, behind) = content.set_aside().unwrap();
        assert_eq!((bytes.len(), behind), (SET_ASIDE_FROM + 1, 0));
        content.push(b"z");
        assert_eq!(content.set_aside(), None);
        let whole = content.finish(1).unwrap();
        assert_eq!((whole.aside, whole.bytes), (SET_ASIDE_FROM as u64 + 1, b"z".to_vec()));
    }

    #[test]
    fn what_was_set_aside_counts() {
        let large = || {
            let mut content = Content::new(200_000, None);
            content.push(b"Received: a\r\nReceived: b\r\n\r\n");
            content.push(&[b'x'; SET_ASIDE_FROM]);
            assert!(content.set_aside().is_some());
            content
        };
        let (fault, header) = large().finish(1).unwrap_err();
        assert_eq!((fault, header.len()), (Fault::Loop, HEADER_MAX));
        assert!(header.starts_with(b"Received: a"));
        let mut content = large();
        content.push(&[b'y'; 100_000]);
        assert_eq!(content.fault(), Some(Fault::TooLarge));
        assert!(content.finish(2).unwrap_err().1.starts_with(b"Received: a"));
    }
}
