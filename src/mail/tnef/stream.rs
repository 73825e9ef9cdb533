//! The outer layer of TNEF: a signature, a key, then attributes, each with its length and checksum
//! (MS-OXTNEF 2.1.3).

/// Attributes by their id, the type in the upper half (MS-OXTNEF 2.1.3.3).
pub mod attribute {
    /// `attAttachRendData`: begins the attributes of the next attachment.
    pub const ATTACH_BEGIN: u32 = 0x0006_9002;
    /// `attAttachData`: the bytes of the attachment.
    pub const ATTACH_DATA: u32 = 0x0006_800F;
    /// `attAttachTitle`: its short name, in the code page of the mail.
    pub const ATTACH_TITLE: u32 = 0x0001_8010;
    /// `attAttachment`: its MAPI properties.
    pub const ATTACH_PROPERTIES: u32 = 0x0006_9005;
    /// `attBody`: the plain body, in the code page of the mail.
    pub const BODY: u32 = 0x0002_800C;
    /// `attMsgProps`: the MAPI properties of the mail.
    pub const MESSAGE_PROPERTIES: u32 = 0x0006_9003;
    /// `attOemCodepage`: the code page of what is not Unicode.
    pub const CODE_PAGE: u32 = 0x0006_9007;
}

/// MS-OXTNEF 2.1.3.1 `TNEFSignature`.
const SIGNATURE: u32 = 0x223E_9F78;

/// One attribute.
pub struct Attribute<'a> {
    pub id: u32,
    pub data: &'a [u8],
}

/// The attributes, one after the other.
pub struct Stream<'a> {
    rest: &'a [u8],
}

impl<'a> Stream<'a> {
    /// `None` without the signature.
    pub fn open(bytes: &'a [u8]) -> Option<Self> {
        let (signature, rest) = u32_le(bytes)?;
        // The key that follows tells apart attachments of one mail; nobody needs it.
        (signature == SIGNATURE).then_some(Self { rest: rest.get(2..)? })
    }

    /// The next attribute, and whether its checksum is right.
    fn step(&mut self) -> Option<(Attribute<'a>, bool)> {
        let (_level, rest) = self.rest.split_first()?;
        let (id, rest) = u32_le(rest)?;
        let (length, rest) = u32_le(rest)?;
        let (data, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        let (checksum, rest) = u16_le(rest)?;
        self.rest = rest;
        Some((Attribute { id, data }, checksum == sum(data)))
    }
}

impl<'a> Iterator for Stream<'a> {
    type Item = Attribute<'a>;

    /// Each attribute takes 11 bytes at least, so a stream ends whatever it claims. One that is cut
    /// off ends it; one with a wrong checksum is damaged and left out.
    fn next(&mut self) -> Option<Attribute<'a>> {
        loop {
            let (attribute, is_whole) = self.step()?;
            if is_whole {
                return Some(attribute);
            }
        }
    }
}

/// MS-OXTNEF 2.1.3.2 `Checksum`: the sum of the bytes, modulo 65536.
fn sum(data: &[u8]) -> u16 {
    data.iter().fold(0, |sum, byte| sum.wrapping_add(u16::from(*byte)))
}

/// Takes a 32 bit number off the front.
pub fn u32_le(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*number), rest))
}

/// Takes a 16 bit number off the front.
pub fn u16_le(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (number, rest) = bytes.split_first_chunk::<2>()?;
    Some((u16::from_le_bytes(*number), rest))
}
