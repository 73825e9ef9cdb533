//! A raw mail as it is kept: packed with zstd (RFC 8878) where that is shorter. Prose of 3 to 10 KB becomes
//! half, HTML less, a file's base64 three quarters: so much less is written, read and backed up.
//!
//! No column says which it is: what is as long as the mail itself is the mail itself.

use std::cell::RefCell;
use std::io::Read;
use std::sync::Arc;

use zstd::bulk::Compressor;

use super::{Error, Result};

/// The fastest that still shortens base64. More effort gains a few per cent for many times as long.
const LEVEL: i32 = 1;
/// A longer mail has a compressor of its own: a thread's keeps the memory that its longest mail needed.
const SHARED_COMPRESSOR_MAX: usize = 262_144;

thread_local! {
    /// To make one takes as long as to pack a mail with it. `None`: there is no memory for it.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = RefCell::new(Compressor::new(LEVEL).ok());
}

/// A raw mail, as the store keeps it. Copies of it share its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawMail {
    /// Bytes of the mail itself.
    size: usize,
    kept: Arc<Vec<u8>>,
}

impl RawMail {
    /// Packs a mail.
    pub fn pack(mail: &[u8]) -> Self {
        let packed = packed(mail).filter(|it| it.len() < mail.len());
        Self { size: mail.len(), kept: Arc::new(packed.unwrap_or_else(|| mail.to_vec())) }
    }

    /// The mail as it came.
    pub fn unpack(&self) -> Result<Vec<u8>> {
        if self.kept.len() == self.size {
            return Ok(self.kept.to_vec());
        }
        zstd::bulk::decompress(&self.kept, self.size).map_err(Error::damaged)
    }

    /// Bytes of the mail itself.
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Bytes that it takes up.
    pub fn kept_bytes(&self) -> usize {
        self.kept.len()
    }

    /// As the columns `raw` and `raw_size` have it.
    pub(super) fn of_row(raw: Vec<u8>, raw_size: i64) -> Self {
        Self { size: usize::try_from(raw_size).unwrap_or_default(), kept: Arc::new(raw) }
    }

    /// The bytes that are stored, shared.
    pub(super) fn kept(&self) -> Arc<Vec<u8>> {
        Arc::clone(&self.kept)
    }
}

/// `None`: it stays as it is.
fn packed(mail: &[u8]) -> Option<Vec<u8>> {
    if mail.len() > SHARED_COMPRESSOR_MAX {
        return zstd::bulk::compress(mail, LEVEL).ok();
    }
    COMPRESSOR.with_borrow_mut(|compressor| compressor.as_mut()?.compress(mail).ok())
}

/// Of what is kept, so much more than is asked for is needed: a block (RFC 8878 3.1.1.2) is read as a whole.
pub(super) const BLOCK_BYTES_MAX: i64 = 131_072 + 64;

/// At most so many bytes of a mail, from a beginning of what is kept.
pub(super) fn beginning(mut kept: Vec<u8>, is_plain: bool, bytes: i64) -> Vec<u8> {
    let bytes = usize::try_from(bytes).unwrap_or_default();
    if is_plain {
        kept.truncate(bytes);
        return kept;
    }
    let mut beginning = Vec::new();
    let most = u64::try_from(bytes).unwrap_or(u64::MAX);
    // What stands before the cut is read all the same.
    let _ = zstd::stream::read::Decoder::with_buffer(kept.as_slice())
        .and_then(|mail| mail.take(most).read_to_end(&mut beginning));
    beginning
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: u32) -> Vec<u8> {
        (0..lines).flat_map(|n| format!("Line {n} of a mail.\r\n").into_bytes()).collect()
    }

    #[test]
    fn comes_back_as_it_came() {
        let noise: Vec<u8> =
            (0_u32..600).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        for mail in [Vec::new(), b"a".to_vec(), noise, text(4_000), vec![0; 1_000_000]] {
            let raw = RawMail::pack(&mail);
            assert!(raw.kept_bytes() <= mail.len());
            let stored = RawMail::of_row(raw.kept().to_vec(), mail.len() as i64);
            assert_eq!(stored.unpack().unwrap(), mail);
        }
    }

    #[test]
    fn takes_up_less() {
        assert!(RawMail::pack(&text(4_000)).kept_bytes() * 3 < text(4_000).len());
    }

    /// A mail may look like a packed one: its length says that it is not.
    #[test]
    fn a_mail_that_looks_packed_is_itself() {
        let disguised = RawMail::pack(&text(4_000)).kept().to_vec();
        let raw = RawMail::pack(&disguised);
        assert_eq!(raw.unpack().unwrap(), disguised);
    }

    #[test]
    fn its_beginning_is_read_from_a_part() {
        let long = text(80_000);
        let kept = RawMail::pack(&long).kept();
        let part = kept.iter().take(kept.len() / 2).copied().collect();
        assert_eq!(beginning(part, false, 1_000), &long[..1_000]);
        assert_eq!(beginning(b"not packed".to_vec(), true, 3), b"not");
    }

    #[test]
    fn damage_is_told() {
        let raw = RawMail::of_row(b"not packed".to_vec(), 1_000);
        assert!(raw.unpack().is_err());
    }
}
