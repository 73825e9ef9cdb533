//! Compressed RTF (MS-OXRTFCP), from its bytes to RTF.

use super::stream::u32_le;

/// What the dictionary holds at the start (MS-OXRTFCP 2.1.2.1).
const DICTIONARY: &[u8] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \
\\fmodern \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\
\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";
/// It is a ring of this many bytes.
const RING: usize = 4096;
const COMPRESSED: u32 = 0x7546_5A4C;
const UNCOMPRESSED: u32 = 0x414C_454D;
/// More RTF than this is cut off, whatever size the header claims.
const SIZE_MAX: usize = 8 * 1024 * 1024;

/// The RTF, as much of it as can be read; `None` when this is no compressed RTF.
pub fn decompress(bytes: &[u8]) -> Option<Vec<u8>> {
    let (_compressed_size, rest) = u32_le(bytes)?;
    let (size, rest) = u32_le(rest)?;
    let (kind, rest) = u32_le(rest)?;
    let (_crc, rest) = u32_le(rest)?;
    let size = usize::try_from(size).ok()?.min(SIZE_MAX);
    match kind {
        COMPRESSED => Some(inflate(rest, size)),
        UNCOMPRESSED => Some(rest.get(..size).unwrap_or(rest).to_vec()),
        _ => None,
    }
}

/// Each byte of input makes at most 17 of output, and there are never more than `size`.
fn inflate(bytes: &[u8], size: usize) -> Vec<u8> {
    let mut ring = Ring::new();
    let mut out = Vec::new();
    let mut input = bytes.iter().copied();
    while let Some(control) = input.next() {
        for bit in 0..8 {
            if out.len() >= size {
                return out;
            }
            if control & (1 << bit) == 0 {
                let Some(byte) = input.next() else { return out };
                ring.push(byte);
                out.push(byte);
                continue;
            }
            let (Some(high), Some(low)) = (input.next(), input.next()) else { return out };
            let reference = usize::from(u16::from_be_bytes([high, low]));
            let (offset, length) = (reference >> 4, (reference & 0xF) + 2);
            // MS-OXRTFCP 2.2.2.1: a reference to the place of writing is the end.
            if offset == ring.at {
                return out;
            }
            for byte in 0..length {
                let byte = ring.byte(offset + byte);
                ring.push(byte);
                out.push(byte);
            }
        }
    }
    out.truncate(size);
    out
}

/// The dictionary.
struct Ring {
    bytes: [u8; RING],
    /// Where the next byte goes.
    at: usize,
}

impl Ring {
    fn new() -> Self {
        let mut ring = Self { bytes: [b' '; RING], at: 0 };
        DICTIONARY.iter().for_each(|byte| ring.push(*byte));
        ring
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.at) {
            *place = byte;
        }
        self.at = (self.at + 1) % RING;
    }

    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at % RING).copied().unwrap_or(b' ')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_with_the_dictionary_of_the_specification() {
        assert_eq!(DICTIONARY.len(), 207);
    }

    /// The examples of MS-OXRTFCP 4.1.
    #[test]
    fn reads_the_examples_of_the_specification() {
        let simple = b"\x2d\0\0\0\x2b\0\0\0LZFu\xf1\xc5\xc7\xa7\x03\0\x0a\0rcpg125B2\x0a\xf3 hel\
            \x09\0 bw\x05\xb0ld}\x0a\x80\x0f\xa0";
        let rtf = decompress(simple).unwrap();
        assert_eq!(rtf, b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n");
        let crossing = b"\x1a\0\0\0\x1c\0\0\0LZFu\xe2\xd4\x4b\x51\x41\0\x04 WXYZ\x0dn}\x01\x0e\xb0";
        let rtf = decompress(crossing).unwrap();
        assert_eq!(rtf, b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}");
    }

    #[test]
    fn does_not_believe_a_size() {
        let mut bytes = b"\xff\xff\xff\xff\xff\xff\xff\xffLZFu\0\0\0\0".to_vec();
        // References of 17 bytes to the start of the dictionary, for ever.
        bytes.extend([0xFF, 0, 0x0F, 0, 0x0F, 0, 0x0F, 0, 0x0F].repeat(300_000));
        assert!(decompress(&bytes).unwrap().len() <= SIZE_MAX + 17);
        assert_eq!(decompress(b"\0\0\0\0\0\0\0\0????\0\0\0\0"), None);
        assert_eq!(decompress(b"short"), None);
    }
}
