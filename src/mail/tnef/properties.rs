//! MAPI properties as TNEF writes them (MS-OXTNEF 2.1.3.4), each with its id, its type and its first
//! value. What is made of them is not decided here.

use super::code_page::CodePage;
use super::stream::{u16_le, u32_le};

/// Property ids (MS-OXPROPS).
pub mod tag {
    pub const BODY: u16 = 0x1000;
    pub const RTF_COMPRESSED: u16 = 0x1009;
    pub const BODY_HTML: u16 = 0x1013;
    pub const DISPLAY_NAME: u16 = 0x3001;
    pub const ATTACH_DATA: u16 = 0x3701;
    pub const ATTACH_FILENAME: u16 = 0x3704;
    pub const ATTACH_LONG_FILENAME: u16 = 0x3707;
    pub const ATTACH_MIME_TAG: u16 = 0x370E;
    pub const ATTACH_CONTENT_ID: u16 = 0x3712;
    pub const INTERNET_CPID: u16 = 0x3FDE;
}

/// MS-OXCDATA 2.11.1: types of values.
mod kind {
    pub const SHORT: u16 = 0x0002;
    pub const LONG: u16 = 0x0003;
    pub const FLOAT: u16 = 0x0004;
    pub const DOUBLE: u16 = 0x0005;
    pub const CURRENCY: u16 = 0x0006;
    pub const APPLICATION_TIME: u16 = 0x0007;
    pub const ERROR: u16 = 0x000A;
    pub const BOOLEAN: u16 = 0x000B;
    pub const OBJECT: u16 = 0x000D;
    pub const LONG_LONG: u16 = 0x0014;
    pub const STRING_8: u16 = 0x001E;
    pub const UNICODE: u16 = 0x001F;
    pub const SYSTEM_TIME: u16 = 0x0040;
    pub const CLASS_ID: u16 = 0x0048;
    pub const BINARY: u16 = 0x0102;
    /// Set when there are many values.
    pub const MANY: u16 = 0x1000;
}

/// From here on a property is known by a name instead of by its id.
const NAMED_FROM: u16 = 0x8000;

/// One property.
pub struct Property<'a> {
    pub id: u16,
    kind: u16,
    /// Its first value, as bytes.
    pub value: &'a [u8],
}

impl Property<'_> {
    /// An OLE object or a mail, not plain bytes.
    pub fn is_object(&self) -> bool {
        self.kind == kind::OBJECT
    }

    /// The value as text, up to its first NUL.
    pub fn text(&self, code_page: CodePage) -> String {
        let code_page = if self.kind == kind::UNICODE { CodePage::UTF_16 } else { code_page };
        code_page.decode(self.value)
    }
}

/// The properties of one list.
pub struct Properties<'a> {
    left: u32,
    rest: &'a [u8],
}

impl<'a> Properties<'a> {
    /// An unreadable list is an empty one.
    pub fn read(data: &'a [u8]) -> Self {
        let (left, rest) = u32_le(data).unwrap_or((0, &[]));
        Self { left, rest }
    }
}

impl<'a> Iterator for Properties<'a> {
    type Item = Property<'a>;

    /// The count is only believed as far as there are bytes: each property takes 8 at least.
    fn next(&mut self) -> Option<Property<'a>> {
        self.left = self.left.checked_sub(1)?;
        let (kind, rest) = u16_le(self.rest)?;
        let (id, rest) = u16_le(rest)?;
        let rest = if id >= NAMED_FROM { skip_name(rest)? } else { rest };
        let (value, rest) = values(kind, rest)?;
        self.rest = rest;
        Some(Property { id, kind, value })
    }
}

/// A name is a GUID and a number, or a GUID and a string.
fn skip_name(bytes: &[u8]) -> Option<&[u8]> {
    let (is_string, rest) = u32_le(bytes.get(16..)?)?;
    let (number_or_length, rest) = u32_le(rest)?;
    match is_string {
        0 => Some(rest),
        _ => rest.get(padded(number_or_length)?..),
    }
}

/// The first of the values, and what follows them all.
fn values(kind: u16, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let is_many = kind & kind::MANY != 0;
    let single = kind & !kind::MANY;
    let is_long = matches!(single, kind::OBJECT | kind::STRING_8 | kind::UNICODE | kind::BINARY);
    let (count, mut rest) = if is_many || is_long { u32_le(bytes)? } else { (1, bytes) };
    let mut first: Option<&[u8]> = None;
    for _ in 0..count {
        // A value takes 4 bytes at least: the loop ends with the bytes, whatever the count says.
        let (value, after) = if is_long { long_value(rest)? } else { short_value(single, rest)? };
        first = first.or(Some(value));
        rest = after;
    }
    Some((first.unwrap_or_default(), rest))
}

fn long_value(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = u32_le(bytes)?;
    let value = rest.get(..usize::try_from(length).ok()?)?;
    Some((value, rest.get(padded(length)?..).unwrap_or_default()))
}

fn short_value(kind: u16, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = match kind {
        kind::SHORT | kind::BOOLEAN | kind::LONG | kind::FLOAT | kind::ERROR => 4,
        kind::DOUBLE
        | kind::CURRENCY
        | kind::APPLICATION_TIME
        | kind::LONG_LONG
        | kind::SYSTEM_TIME => 8,
        kind::CLASS_ID => 16,
        _ => return None,
    };
    bytes.split_at_checked(length)
}

/// Values are padded to multiples of 4 bytes.
fn padded(length: u32) -> Option<usize> {
    usize::try_from(length).ok()?.checked_next_multiple_of(4)
}
