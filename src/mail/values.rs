//! What the values of header fields say: text, people, times, media types. The grammar and the
//! character sets are mail-parser's; here its input is bounded and its output made fit to show.

use std::borrow::Cow;

use mail_parser::parsers::MessageStream;
use mail_parser::{Addr, Address as Parsed, HeaderValue};
use memchr::memchr_iter;

use super::pieces::WORD_BYTES_MAX;
use super::{charset, pieces, unstructured};
use crate::model::{Address, Person, Time};

/// Bytes of a Content-Type that are read, and parameters: mail-parser is quadratic in their number.
const MEDIA_BYTES_MAX: usize = 8_192;
const PARAMETERS_MAX: usize = 200;
/// Bytes of a field of text that are read: more than the 998 characters that are kept need.
const TEXT_BYTES_MAX: usize = 65_536;
/// RFC 5322 2.1.1: no line is longer.
const LINE_CHARS_MAX: usize = 998;
const NAME_CHARS_MAX: usize = 255;

/// A media type or a disposition with its parameters (RFC 2045 5.1, RFC 2183).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct MediaType {
    /// `type/subtype` or the disposition, in lower case.
    pub name: String,
    parameters: Vec<(String, String)>,
}

impl MediaType {
    /// A media type without parameters.
    pub(super) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), parameters: Vec::new() }
    }

    /// Reads the value of a Content-Type or Content-Disposition, RFC 2231 and RFC 2047 decoded.
    pub(super) fn parse(value: &[u8]) -> Option<Self> {
        let mut ends = value.iter().enumerate().filter(|(_, byte)| **byte == b';');
        let bytes_max = ends.nth(PARAMETERS_MAX).map_or(MEDIA_BYTES_MAX, |(at, _)| at);
        let value = pieces::close_up(readable(value, bytes_max.min(MEDIA_BYTES_MAX)));
        let value = pieces::join_pieces(value);
        let HeaderValue::ContentType(parsed) = MessageStream::new(&value).parse_content_type()
        else {
            return None;
        };
        let mut name = parsed.c_type.trim().to_ascii_lowercase();
        if let Some(subtype) = &parsed.c_subtype {
            name.push('/');
            // Where the semicolon was forgotten, the parameters stand behind white space.
            let subtype = subtype.split_whitespace().next().unwrap_or_default();
            name.push_str(&subtype.to_ascii_lowercase());
        }
        let attributes = parsed.attributes.into_iter().flatten();
        let parameters = attributes
            .map(|attribute| (attribute.name.into_owned(), attribute.value.into_owned()))
            .collect();
        Some(Self { name, parameters })
    }

    /// The value of a parameter, whose name is in lower case.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let mut parameters = self.parameters.iter();
        parameters.find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Has it the parameter with that value, in whatever case?
    pub(super) fn says(&self, name: &str, value: &str) -> bool {
        self.parameter(name).is_some_and(|said| said.trim().eq_ignore_ascii_case(value))
    }

    /// Is it of the type, such as `multipart`?
    pub(super) fn is_of(&self, kind: &str) -> bool {
        self.name.split('/').next() == Some(kind)
    }
}

/// Unstructured text (RFC 5322 2.2.1) as one line: decoded, without control characters.
pub(super) fn line(value: &[u8]) -> String {
    let text = unstructured::decoded(&bounded(value, TEXT_BYTES_MAX));
    let one_line = text.trim().chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    one_line.filter(|c| !c.is_control() && !sets_apart(*c)).take(LINE_CHARS_MAX).collect()
}

/// The text of a field that has no encoded words.
pub(super) fn raw(value: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(value.trim_ascii())
}

/// Everybody a field of addresses names, at most `count_max`, groups opened, and how many addresses
/// it had. What is no address, such as `undisclosed-recipients:;`, is left out.
pub(super) fn people(value: &[u8], count_max: usize) -> (Vec<Person>, usize) {
    if let Some(person) = one_plain(value).filter(|_| count_max > 0) {
        return (vec![person], 1);
    }
    let value = pieces::space_quotes(readable(value, usize::MAX));
    let HeaderValue::Address(parsed) = MessageStream::new(&value).parse_address() else {
        return (Vec::new(), 0);
    };
    let addresses: Vec<&Addr<'_>> = match &parsed {
        Parsed::List(list) => list.iter().collect(),
        Parsed::Group(groups) => groups.iter().flat_map(|group| &group.addresses).collect(),
    };
    let count = addresses.iter().filter(|addr| addr.address.is_some()).count();
    (addresses.into_iter().filter_map(person).take(count_max).collect(), count)
}

/// One person as most mails name one, `Ann Lee <ann@x.org>`, the name in quotes or not; of anything else
/// nothing is said. mail-parser reads it to the same, and takes longer.
fn one_plain(value: &[u8]) -> Option<Person> {
    let (name, rest) = std::str::from_utf8(value).ok()?.trim().split_once('<')?;
    let email = rest.strip_suffix('>')?;
    let name = name.trim_end_matches(' ');
    let name = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_of_name = |byte: u8| is_plain(byte) || byte == b' ';
    let is_of_email = |byte: u8| is_plain(byte) || matches!(byte, b'@' | b'.' | b'+');
    let is_whole = !name.is_empty() && !name.contains("  ") && name.trim() == name;
    if !is_whole || !name.bytes().all(is_of_name) || !email.bytes().all(is_of_email) {
        return None;
    }
    let email = Address::parse(email)?;
    Some(Person { email, name: Some(name.chars().take(NAME_CHARS_MAX).collect()) })
}

fn person(addr: &Addr<'_>) -> Option<Person> {
    let address = addr.address.as_deref()?;
    if let (Some(local), Some('@')) = (addr.name.as_deref(), address.chars().next()) {
        // mail-parser takes a quoted local part (RFC 5322 3.4.1) for a name.
        let quoted = local.replace('\\', "\\\\").replace('"', "\\\"");
        return Address::parse(&format!("\"{quoted}\"{address}")).map(Person::new);
    }
    let email = Address::parse(address)?;
    let name = addr.name.as_deref().map(display_name).filter(|name| {
        // Outlook repeats an address without a name as its name, often in quotes.
        !name.is_empty() && !name.trim_matches(['\'', '"']).eq_ignore_ascii_case(email.written())
    });
    Some(Person { email, name })
}

/// A name fit to show: one line, without control characters and without marks of direction.
pub(super) fn display_name(name: &str) -> String {
    let one_line = name.trim().chars().map(|c| if c.is_whitespace() { ' ' } else { c });
    let shown = one_line.filter(|c| !c.is_control() && !sets_apart(*c) && !marks_direction(*c));
    shown.take(NAME_CHARS_MAX).collect::<String>().trim().to_owned()
}

/// Characters that set text of another direction apart: nothing is lost without them. Those that force a
/// direction on what follows are kept, for whoever shows it to show them, too (B18).
pub(super) fn sets_apart(c: char) -> bool {
    matches!(c, '\u{202A}'..='\u{202C}' | '\u{2066}'..='\u{2069}')
}

/// Marks that honest Arabic and Hebrew text has, too.
pub(super) fn marks_direction(c: char) -> bool {
    matches!(c, '\u{200E}' | '\u{200F}' | '\u{061C}')
}

/// A Date field (RFC 5322 3.3) between 1970 and 9999, and its zone in seconds east of UTC; one without a zone
/// is taken for UTC.
pub(super) fn time(value: &[u8]) -> Option<(Time, i32)> {
    let value = match is_written_today(value.trim_ascii()) {
        true => Cow::Borrowed(value),
        false => Cow::Owned(as_written_today(value).into_bytes()),
    };
    let value = readable(&value, LINE_CHARS_MAX);
    let HeaderValue::DateTime(date) = MessageStream::new(&value).parse_date() else {
        return None;
    };
    let is_real = (1970..=9999).contains(&date.year)
        && (1..=12).contains(&date.month)
        && (1..=31).contains(&date.day)
        && date.hour <= 23
        && date.minute <= 59
        // RFC 5322 3.3: a leap second is 60.
        && date.second <= 60
        && date.tz_hour <= 23
        && date.tz_minute <= 59;
    let seconds = is_real.then(|| date.to_timestamp())?;
    let east = i32::from(date.tz_hour) * 3_600 + i32::from(date.tz_minute) * 60;
    let offset = if date.tz_before_gmt { -east } else { east };
    (seconds >= 0).then(|| (Time::from_seconds(seconds), offset))
}

/// As most dates are: seconds, a zone in numbers, and nothing behind it.
fn is_written_today(date: &[u8]) -> bool {
    let has_zone = match date {
        [.., b' ', b'+' | b'-', a, b, c, d] => [a, b, c, d].iter().all(|it| it.is_ascii_digit()),
        _ => false,
    };
    has_zone && memchr_iter(b':', date).count() == 2
}

/// The date as a parser wants it: without comments, with seconds, and with a zone. Some programs write
/// `GMT+0800`, or `-700`.
fn as_written_today(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value.get(..LINE_CHARS_MAX).unwrap_or(value));
    let text = text.split('(').next().unwrap_or_default();
    let mut words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let Some(time) = words.iter().rposition(|word| word.contains(':')) else {
        return text.to_owned();
    };
    let has_zone = time + 1 < words.len();
    if let Some(word) = words.get_mut(time).filter(|word| word.matches(':').count() == 1) {
        word.push_str(":00");
    }
    match words.last_mut().filter(|_| has_zone) {
        Some(zone) => *zone = number_of(zone),
        None => words.push("+0000".to_owned()),
    }
    words.join(" ")
}

fn number_of(zone: &str) -> String {
    let number = zone.strip_prefix("GMT").or_else(|| zone.strip_prefix("UTC"));
    let zone = number.filter(|number| !number.is_empty()).unwrap_or(zone);
    match zone.split_at_checked(1) {
        Some((sign @ ("+" | "-"), digits))
            if digits.len() == 3 && digits.bytes().all(|it| it.is_ascii_digit()) =>
        {
            format!("{sign}0{digits}")
        }
        _ => zone.to_owned(),
    }
}

/// The value as mail-parser wants it, its encoded words joined.
fn readable(value: &[u8], bytes_max: usize) -> Cow<'_, [u8]> {
    pieces::join(bounded(value, bytes_max))
}

/// The value bounded, ended by a line feed, in UTF-8, and with no encoded word that would be searched
/// long for. Copies only when it must.
fn bounded(value: &[u8], bytes_max: usize) -> Cow<'_, [u8]> {
    let mut value = Cow::Borrowed(value.get(..bytes_max).unwrap_or(value));
    if !value.ends_with(b"\n") {
        value.to_mut().push(b'\n');
    }
    if value.len() > WORD_BYTES_MAX {
        disarm_open_words(&mut value);
    }
    in_utf_8(value)
}

/// RFC 6532 has UTF-8 in fields. Other bytes are from before it, or of programs that know of no rule: most
/// of them wrote what Windows writes.
fn in_utf_8(value: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    // A character that was cut off at the end is none of these.
    match std::str::from_utf8(&value).map_err(|error| error.error_len()) {
        Err(Some(_)) => charset::windows_1252(&value).into_owned().into_bytes().into(),
        Ok(_) | Err(None) => value,
    }
}

/// Makes `=?` that no `?=` follows in reach text: it becomes ` ?`. One pass from the end.
fn disarm_open_words(value: &mut Cow<'_, [u8]>) {
    let mut open = Vec::new();
    let mut close = usize::MAX;
    for (at, pair) in value.windows(2).enumerate().rev() {
        match pair {
            b"?=" => close = at,
            b"=?" if close.saturating_sub(at) > WORD_BYTES_MAX => open.push(at),
            _ => {}
        }
    }
    for at in open {
        if let Some(byte) = value.to_mut().get_mut(at) {
            *byte = b' ';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &str) -> String {
        let (people, count) = people(value.as_bytes(), 1_000);
        let names = people.iter().map(|person| match &person.name {
            Some(name) => format!("{name} {:?}", person.email),
            None => format!("{:?}", person.email),
        });
        format!("{count}: {}", names.collect::<Vec<_>>().join(", "))
    }

    #[test]
    fn reads_people_as_they_are_written() {
        for (value, expected) in [
            ("Ann Lee <ann@x.org>", "1: Ann Lee <ann@x.org>"),
            ("ann@x.org", "1: <ann@x.org>"),
            ("ann@x.org (Ann Lee)", "1: Ann Lee <ann@x.org>"),
            ("'ann@x.org' <ann@x.org>", "1: <ann@x.org>"),
            ("\"ceo@victim.example\" <evil@x.org>", "1: ceo@victim.example <evil@x.org>"),
            ("ceo@victim.example <evil@x.org>", "1: ceo@victim.example <evil@x.org>"),
            ("ceo@victim.example,<evil@x.org>", "2: <ceo@victim.example>, <evil@x.org>"),
            ("Lee, Ann <ann@x.org>", "1: Ann <ann@x.org>"),
            ("=?utf-8?q?Ann_L=C3=A9e?= <ann@x.org>", "1: Ann L\u{e9}e <ann@x.org>"),
            ("=?utf-8?q?Ann=0D=0ABcc:_x?= <ann@x.org>", "1: Ann  Bcc: x <ann@x.org>"),
            ("Ann\u{202e}nnA\u{202c} <ann@x.org>", "1: Ann\u{202e}nnA <ann@x.org>"),
            ("\u{2068}Ann\u{2069} <ann@x.org>", "1: Ann <ann@x.org>"),
            ("undisclosed-recipients:;", "0: "),
            ("Ann \"Annie\" Lee <ann@x.org>", "1: Ann Annie Lee <ann@x.org>"),
            ("Team: ann@x.org, Bob <bob@x.org>;", "2: <ann@x.org>, Bob <bob@x.org>"),
            ("\"Ann Lee\"@x.org", "1: <\"Ann Lee\"@x.org>"),
            ("a@b\0@c", "1: "),
            ("not an address", "0: "),
            ("<>", "0: "),
            ("", "0: "),
        ] {
            assert_eq!(shown(value), expected, "{value:?}");
        }
    }

    #[test]
    fn the_short_way_reads_what_the_long_way_reads() {
        let long = |value: &str| {
            let value = readable(value.as_bytes(), usize::MAX);
            let HeaderValue::Address(Parsed::List(list)) =
                MessageStream::new(&value).parse_address()
            else {
                return None;
            };
            list.first().and_then(person)
        };
        for value in [
            " Ann Lee <ann@x.org>\r\n",
            "Ann<ann@x.org>",
            "\"Ann Lee\" <Ann.Lee+crm@X.org>\r\n",
            "\"Ann\"<ann@x.org>",
            "Ann-Marie_2 <ann@x>",
            " ann <a.b-c_d@sub.x-y.org>",
        ] {
            let short = one_plain(value.as_bytes());
            assert!(short.is_some(), "{value:?}");
            assert_eq!(short, long(value), "{value:?}");
        }
        for value in [
            "<ann@x.org>",
            "ann@x.org",
            "Lee, Ann <ann@x.org>",
            "Ann (work) <ann@x.org>",
            "\"Ann \\\"A\\\" Lee\" <ann@x.org>",
            "=?utf-8?q?Ann?= <ann@x.org>",
            "Ann <ann@x.org>, Bob <bob@x.org>",
            "Ann <ann@x.org> (work)",
            "Ann  Lee <ann@x.org>",
            "Ann\r\n Lee <ann@x.org>",
            "ann@x.org <ann@x.org>",
            "\"Ann <ann@x.org>",
            "Ann <a@b@x.org>",
            "Team: Ann <ann@x.org>;",
        ] {
            assert_eq!(one_plain(value.as_bytes()), None, "{value:?}");
        }
    }

    #[test]
    fn reads_text_as_one_line() {
        for (value, expected) in [
            (" Hello\r\n", "Hello"),
            (" Hello\r\n world\r\n", "Hello world"),
            (" =?utf-8?B?R3LDvMOfZQ==?=\r\n", "Gr\u{fc}\u{df}e"),
            (" =?utf-8?Q?a?= =?utf-8?Q?b?=", "ab"),
            (" =?utf-8?Q?a=0D=0ABcc:_x@y?=", "a  Bcc: x@y"),
            (" =?utf-8?Q?never closed", "=?utf-8?Q?never closed"),
            (" =?UTF-8?B?5pel5pw=?=\r\n =?UTF-8?B?rOiqng==?=", "\u{65e5}\u{672c}\u{8a9e}"),
            (" a\0b\u{202e}c\u{202c}", "ab\u{202e}c"),
            ("", ""),
        ] {
            assert_eq!(line(value.as_bytes()), expected, "{value:?}");
        }
        assert_eq!(line(b" Gr\xFC\xDFe"), "Gr\u{fc}\u{df}e");
        assert_eq!(line("x".repeat(5_000_000).as_bytes()).chars().count(), 998);
    }

    #[test]
    fn reads_times_that_a_calendar_holds() {
        for (value, expected) in [
            ("Tue, 14 Nov 2023 22:13:20 +0000", Some(1_700_000_000)),
            ("14 Nov 2023 23:13:20 +0100 (CET)", Some(1_700_000_000)),
            ("Tue, 14 Nov 2023 22:13:20 GMT", Some(1_700_000_000)),
            ("Fri, 31 Dec 9999 23:59:59 +0000", Some(253_402_300_799)),
            ("Mon, 1 Jan 1900 00:00:00 +0000", None),
            ("Tue, 14 Nov 2023 22:13:20 -2400", Some(1_700_000_000)),
            ("Tue, 14 Nov 2023 22:13:20", Some(1_700_000_000)),
            ("Tue, 14 Nov 2023 22:13 GMT", Some(1_699_999_980)),
            ("14 Nov 2023 22:13", Some(1_699_999_980)),
            ("Wed, 15 Nov 2023 06:13:20 GMT+0800", Some(1_700_000_000)),
            ("Tue, 14 Nov 2023 15:13:20 -700", Some(1_700_000_000)),
            ("Tue, 14 Nov 2023 23:13:20 +0100 (GMT+01:00)", Some(1_700_000_000)),
            ("Tue, 34 Nov 2023 22:13:20 +0000", None),
            ("Sat, 0 Foo 0000 99:99:99 +9999", None),
            ("yesterday", None),
            ("", None),
        ] {
            let seconds = time(value.as_bytes()).map(|(time, _)| time.as_seconds());
            assert_eq!(seconds, expected, "{value:?}");
        }
    }

    #[test]
    fn a_time_knows_its_zone() {
        for (zone, expected) in
            [("+0530", 19_800), ("-0700", -25_200), ("GMT", 0), ("EST", -18_000)]
        {
            let value = format!("Tue, 14 Nov 2023 22:13:20 {zone}");
            assert_eq!(time(value.as_bytes()).unwrap().1, expected, "{zone}");
        }
    }

    #[test]
    fn reads_media_types() {
        let parse = |value: &str| MediaType::parse(value.as_bytes());
        let media = parse(" Text/PLAIN; Charset=\"utf-8\";\r\n format=Flowed\r\n").unwrap();
        assert_eq!(media.name, "text/plain");
        assert!(media.says("charset", "UTF-8") && media.says("format", "flowed"));
        let named = parse("attachment; filename*0*=utf-8\'\'a%20; filename*1*=%C3%A9.pdf").unwrap();
        assert_eq!(named.parameter("filename"), Some("a \u{e9}.pdf"));
        let cut = "attachment; filename*0*=iso-8859-1''Gr%FC; filename*1*=%DFe.pdf";
        assert_eq!(parse(cut).unwrap().parameter("filename"), Some("Gr\u{fc}\u{df}e.pdf"));
        let words = "attachment; filename=\"=?UTF-8?Q?M=C3=BC?= =?UTF-8?Q?ller.pdf?=\"";
        assert_eq!(parse(words).unwrap().parameter("filename"), Some("M\u{fc}ller.pdf"));
        let folded =
            "attachment; filename=\r\n\t\"=?koi8-r?B?8MHL?=\r\n =?koi8-r?Q?16.pdf?=\"; size=3";
        assert_eq!(parse(folded).unwrap().parameter("filename"), Some("Пак16.pdf"));
        let spaced = parse("multipart/mixed; boundary =\r\n\t\"b c\"").unwrap();
        assert_eq!(spaced.parameter("boundary"), Some("b c"));
        assert_eq!(parse("text/html charset=us-ascii").unwrap().name, "text/html");
        assert_eq!(parse("text").unwrap().name, "text");
        assert_eq!(parse(""), None);
    }

    #[test]
    fn words_that_never_close_are_text() {
        let hostile = "=?aa?q? ".repeat(100_000);
        let mut value = Cow::Borrowed(hostile.as_bytes());
        disarm_open_words(&mut value);
        assert!(!value.windows(2).any(|pair| pair == b"=?"));
        // The last two are near enough to the end of the other.
        let closed = format!("{hostile}?=");
        let mut value = Cow::Borrowed(closed.as_bytes());
        disarm_open_words(&mut value);
        let left = value.windows(2).filter(|pair| *pair == b"=?").count();
        assert!(left <= WORD_BYTES_MAX / 8 + 1, "{left}");
    }
}
