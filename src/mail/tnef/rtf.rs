//! The body that RTF carries: the HTML or text that was wrapped in it (MS-OXRTFEX), or else its words.
//! Fonts, colours, pictures and tables are not kept.

use super::code_page::CodePage;

/// What the RTF was made from.
#[derive(Debug, PartialEq, Eq)]
pub enum Body {
    Html(String),
    Text(String),
}

/// Groups that hold tables and pictures, not words.
const DESTINATIONS: [&[u8]; 12] = [
    b"fonttbl",
    b"colortbl",
    b"stylesheet",
    b"info",
    b"pict",
    b"object",
    b"header",
    b"footer",
    b"listtable",
    b"listoverridetable",
    b"themedata",
    b"generator",
];
/// Groups in groups that are told apart; deeper ones count as one.
const DEPTH_MAX: usize = 500;

/// The body of an RTF document.
pub fn body(rtf: &[u8]) -> Body {
    let mut reader = Reader::new(rtf);
    while reader.step().is_some() {}
    reader.flush();
    match reader.is_html {
        true => Body::Html(reader.out),
        false => Body::Text(reader.out.trim_end().to_owned()),
    }
}

/// What holds within a group, and ends with it.
#[derive(Clone, Copy, Default)]
struct Group {
    /// Not part of the body.
    hidden: bool,
    /// Within `{\*\htmltag …}`: a piece of the HTML, word for word.
    tag: bool,
    /// Between `\htmlrtf` and `\htmlrtf0`: only for readers of RTF.
    for_rtf: bool,
    /// How many characters stand in for one `\u`.
    stand_ins: usize,
}

struct Reader<'a> {
    rest: &'a [u8],
    group: Group,
    outer: Vec<Group>,
    /// Groups beyond the depth that is told apart.
    uncounted: usize,
    code_page: CodePage,
    is_html: bool,
    /// Characters that still stand in for the last `\u`.
    skip: usize,
    /// Bytes in the code page that wait for their neighbours.
    bytes: Vec<u8>,
    /// The first half of a pair of `\u`.
    surrogate: Option<u16>,
    out: String,
}

impl<'a> Reader<'a> {
    fn new(rest: &'a [u8]) -> Self {
        Self {
            rest,
            group: Group { stand_ins: 1, ..Group::default() },
            outer: Vec::new(),
            uncounted: 0,
            code_page: CodePage::default(),
            is_html: false,
            skip: 0,
            bytes: Vec::new(),
            surrogate: None,
            out: String::new(),
        }
    }

    /// Takes one token; each takes a byte at least.
    fn step(&mut self) -> Option<()> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        match first {
            b'{' => self.enter(),
            b'}' => self.leave(),
            b'\\' => self.control()?,
            b'\r' | b'\n' => {}
            byte => self.push_byte(*byte),
        }
        Some(())
    }

    fn enter(&mut self) {
        self.skip = 0;
        match self.outer.len() < DEPTH_MAX {
            true => self.outer.push(self.group),
            false => self.uncounted += 1,
        }
    }

    fn leave(&mut self) {
        self.skip = 0;
        match self.uncounted {
            0 => self.group = self.outer.pop().unwrap_or(self.group),
            _ => self.uncounted -= 1,
        }
    }

    /// A control symbol or a control word with its number.
    fn control(&mut self) -> Option<()> {
        let (first, rest) = self.rest.split_first()?;
        if !first.is_ascii_alphabetic() {
            self.rest = rest;
            self.symbol(*first);
            return Some(());
        }
        let word = take_while(&mut self.rest, |byte| byte.is_ascii_alphabetic());
        let number = take_while(&mut self.rest, |byte| byte == b'-' || byte.is_ascii_digit());
        if let Some((b' ', rest)) = self.rest.split_first() {
            self.rest = rest;
        }
        let number = std::str::from_utf8(number).ok().and_then(|text| text.parse::<i64>().ok());
        self.word(word, number);
        Some(())
    }

    fn symbol(&mut self, symbol: u8) {
        match symbol {
            b'\'' => {
                let hex = self.rest.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
                let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
                if let Some(byte) = byte {
                    self.rest = self.rest.get(2..).unwrap_or_default();
                    self.push_byte(byte);
                }
            }
            // `{\*\word …}`: to be left out by who does not know the word.
            b'*' => self.group.hidden = true,
            b'~' => self.push('\u{a0}'),
            b'_' => self.push('-'),
            b'\\' | b'{' | b'}' => self.push_byte(symbol),
            b'\r' | b'\n' => self.push('\n'),
            _ => {}
        }
    }

    fn word(&mut self, word: &[u8], number: Option<i64>) {
        match word {
            b"fromhtml" => self.is_html = true,
            b"ansicpg" => {
                let page = number.and_then(|number| u32::try_from(number).ok());
                self.code_page = page.map_or(self.code_page, CodePage::new);
            }
            // MS-OXRTFEX 2.1.3.1.3: a fragment of the HTML.
            b"htmltag" => (self.group.hidden, self.group.tag) = (false, true),
            b"htmlrtf" => self.group.for_rtf = number != Some(0),
            b"uc" => {
                let count = number.and_then(|number| usize::try_from(number).ok());
                self.group.stand_ins = count.unwrap_or(1).min(100);
            }
            b"u" => self.unicode(number.unwrap_or_default()),
            b"bin" => {
                let length = number.and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
                self.rest = self.rest.get(length..).unwrap_or_default();
            }
            b"par" | b"line" | b"row" | b"sect" | b"page" => self.push('\n'),
            b"tab" | b"cell" => self.push('\t'),
            b"lquote" => self.push('‘'),
            b"rquote" => self.push('’'),
            b"ldblquote" => self.push('“'),
            b"rdblquote" => self.push('”'),
            b"bullet" => self.push('•'),
            b"endash" => self.push('–'),
            b"emdash" => self.push('—'),
            word if DESTINATIONS.contains(&word) => self.group.hidden = true,
            _ => {}
        }
    }

    /// `\u`: one UTF-16 unit, signed; stand-ins for older readers follow.
    fn unicode(&mut self, number: i64) {
        let Ok(unit) = u16::try_from(number.rem_euclid(65_536)) else { return };
        let pair = self.surrogate.take().map_or_else(|| vec![unit], |high| vec![high, unit]);
        let is_first_half = (0xD800..0xDC00).contains(&unit);
        if is_first_half {
            self.surrogate = Some(unit);
        } else {
            self.skip = 0;
            char::decode_utf16(pair).for_each(|unit| self.push(unit.unwrap_or('\u{fffd}')));
        }
        self.skip = self.group.stand_ins;
    }

    fn is_shown(&self) -> bool {
        !self.group.hidden && !self.group.for_rtf
    }

    fn push(&mut self, c: char) {
        if self.skip > 0 {
            self.skip -= 1;
        } else if self.is_shown() {
            self.flush();
            self.out.push(c);
        }
    }

    fn push_byte(&mut self, byte: u8) {
        if self.skip > 0 {
            self.skip -= 1;
        } else if self.is_shown() {
            self.bytes.push(byte);
        }
    }

    fn flush(&mut self) {
        if !self.bytes.is_empty() {
            let bytes = std::mem::take(&mut self.bytes);
            self.out.push_str(&self.code_page.decode(&bytes));
        }
    }
}

fn take_while<'a>(rest: &mut &'a [u8], wanted: impl Fn(u8) -> bool) -> &'a [u8] {
    let length = rest.iter().position(|byte| !wanted(*byte)).unwrap_or(rest.len());
    let (taken, after) = rest.split_at_checked(length).unwrap_or_default();
    *rest = after;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(rtf: &str) -> Body {
        body(rtf.as_bytes())
    }

    #[test]
    fn unwraps_html() {
        let rtf = r"{\rtf1\ansi\ansicpg1251\fromhtml1 \deff0{\fonttbl{\f0\fswiss Arial;}}
{\*\htmltag18 <html>}{\*\htmltag50 <body>}\htmlrtf {\htmlrtf0 {\*\htmltag64 <p>}\'cf\'f0\'e8\'e2\'e5\'f2, \u8364?\{x\}
\htmlrtf \par\htmlrtf0{\*\htmltag72 </p>}{\*\mhtmltag84 <a>}\htmlrtf }\htmlrtf0{\*\htmltag58 </body>}}";
        assert_eq!(html(rtf), Body::Html("<html><body><p>Привет, €{x}</p></body>".to_owned()));
    }

    #[test]
    fn reads_the_words_of_any_other_rtf() {
        let rtf = r"{\rtf1\ansi\ansicpg1252\fromtext{\fonttbl{\f0 Arial;}}{\*\generator Riched20;}\uc1\pard Hello\tab B\'fccher\par \uc2\u-10179??\u-8704??!\line end\par}";
        assert_eq!(html(rtf), Body::Text("Hello\tBücher\n😀!\nend".to_owned()));
    }

    #[test]
    fn ends_whatever_it_is_given() {
        for rtf in ["", "{", "}", "\\", "\\'", "\\'z", "{\\u", "\\bin99999999999999999999 ", "\\u9"]
        {
            let _ = html(rtf);
        }
        let deep = "{".repeat(100_000) + "\\par deep" + &"}".repeat(200_000);
        assert_eq!(html(&deep), Body::Text("\ndeep".to_owned()));
    }
}
