//! Windows code pages, of which TNEF and RTF speak by number.

use mail_parser::decoders::charsets::map::charset_decoder;

use super::stream::u32_le;

/// A code page by its number; what is not known is read as Windows-1252.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodePage(u32);

impl Default for CodePage {
    fn default() -> Self {
        Self(1252)
    }
}

impl CodePage {
    /// UTF-16, little end first.
    pub const UTF_16: Self = Self(1200);

    /// By its number.
    pub fn new(number: u32) -> Self {
        Self(number)
    }

    /// The number as TNEF writes it.
    pub fn read(data: &[u8]) -> Self {
        u32_le(data).map_or_else(Self::default, |(number, _)| Self(number))
    }

    /// Text in this code page, up to its first NUL.
    pub fn decode(self, bytes: &[u8]) -> String {
        let mut text = match self.decoder() {
            Some(decode) => decode(bytes),
            None => String::from_utf8_lossy(bytes).into_owned(),
        };
        if let Some(end) = text.find('\0') {
            text.truncate(end);
        }
        text
    }

    fn decoder(self) -> Option<fn(&[u8]) -> String> {
        let name = match self.0 {
            65001 | 20127 => return None,
            1200 => "utf-16le".to_owned(),
            874 => "windows-874".to_owned(),
            932 => "shift_jis".to_owned(),
            936 | 20936 => "gbk".to_owned(),
            949 | 51949 => "euc-kr".to_owned(),
            950 => "big5".to_owned(),
            54936 => "gb18030".to_owned(),
            866 => "ibm866".to_owned(),
            850 => "ibm850".to_owned(),
            10000 => "macintosh".to_owned(),
            20866 => "koi8-r".to_owned(),
            21866 => "koi8-u".to_owned(),
            20932 | 51932 => "euc-jp".to_owned(),
            50220..=50222 => "iso-2022-jp".to_owned(),
            page @ 1250..=1258 => format!("cp{page}"),
            page @ 28591..=28606 => format!("iso-8859-{}", page - 28590),
            _ => "cp1252".to_owned(),
        };
        charset_decoder(name.as_bytes())
    }
}
