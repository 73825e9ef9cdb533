//! Dates as mail programs write them for eyes, in their languages. They must say a day and a time of
//! day; a zone they need not.

use crate::model::Time;

use super::language::{self, Language};

/// Dates are shorter, in characters.
const LENGTH_MAX: usize = 200;

/// Reads a date. `languages` are those of the block, best first: they tell which of the names of a
/// month and which order of numbers is meant. Without a zone it is `offset_seconds` ahead of UTC.
pub fn read(text: &str, languages: &[&Language], offset_seconds: i32) -> Option<Time> {
    let words = Words::read(text);
    let clock = words.clock();
    let month_first = languages.iter().any(|language| language.puts_month_first());
    let taken = clock.as_ref().map(|clock| clock.at..clock.end).unwrap_or(0..0);
    let day = match words.month(languages) {
        Some((at, month)) => words.named_day(at, month, &taken)?,
        None => words.numeric_day(&taken, month_first)?,
    };
    let clock = clock.or_else(|| words.dotted_clock(day.end))?;
    let offset = words.zone(clock.end).unwrap_or(offset_seconds);
    let date = jiff::civil::Date::new(day.year, day.month, day.day).ok()?;
    let time = jiff::civil::Time::new(clock.hour(&words)?, clock.minute, clock.second, 0).ok()?;
    let utc = jiff::tz::Offset::UTC.to_timestamp(date.to_datetime(time)).ok()?;
    Some(Time::from_seconds(utc.as_second() - i64::from(offset)))
}

/// A piece of a date.
#[derive(Debug, PartialEq, Eq)]
enum Word {
    Number { value: u32, digits: usize },
    Letters(String),
    Sign(char),
}

struct Words(Vec<Word>);

/// A day, and where in the words it ends.
struct Day {
    year: i16,
    month: i8,
    day: i8,
    end: usize,
}

/// A time of day, and the words that it takes.
struct Clock {
    at: usize,
    end: usize,
    hour: u32,
    minute: i8,
    second: i8,
}

impl Words {
    fn read(text: &str) -> Self {
        let mut words = Vec::new();
        for c in text.chars().take(LENGTH_MAX).flat_map(char::to_lowercase) {
            match (c, words.last_mut()) {
                ('0'..='9', Some(Word::Number { value, digits })) if *digits < 9 => {
                    *value = *value * 10 + c.to_digit(10).unwrap_or(0);
                    *digits += 1;
                }
                ('0'..='9', _) => {
                    words.push(Word::Number { value: c.to_digit(10).unwrap_or(0), digits: 1 });
                }
                (c, Some(Word::Letters(letters))) if is_letter(c) => letters.push(c),
                (c, _) if is_letter(c) => words.push(Word::Letters(c.to_string())),
                ('：', _) => words.push(Word::Sign(':')),
                ('−' | '–', _) => words.push(Word::Sign('-')),
                (c, _) if super::line::is_space(c) => words.push(Word::Sign(' ')),
                (c, _) => words.push(Word::Sign(c)),
            }
        }
        Self(words)
    }

    fn number(&self, at: usize) -> Option<(u32, usize)> {
        match self.0.get(at)? {
            Word::Number { value, digits } => Some((*value, *digits)),
            _ => None,
        }
    }

    fn letters(&self, at: usize) -> Option<&str> {
        match self.0.get(at)? {
            Word::Letters(letters) => Some(letters),
            _ => None,
        }
    }

    fn is_sign(&self, at: usize, sign: char) -> bool {
        self.0.get(at) == Some(&Word::Sign(sign))
    }

    /// The first `15:04`, `15:04:05`, `15h04` or `15時04分`.
    fn clock(&self) -> Option<Clock> {
        (0..self.0.len()).find_map(|at| {
            let is_hour_mark = |mark: &str| matches!(mark, "h" | "時" | "时" | "点" | "點" | "시");
            let has_hours =
                self.is_sign(at + 1, ':') || self.letters(at + 1).is_some_and(is_hour_mark);
            if !has_hours {
                return None;
            }
            let minute_at = if self.is_sign(at + 2, ' ') { at + 3 } else { at + 2 };
            self.clock_at(at, minute_at, ':')
        })
    }

    /// `15.04`, as Danes and Finns write it, behind the day.
    fn dotted_clock(&self, from: usize) -> Option<Clock> {
        (from..self.0.len()).find_map(|at| {
            self.is_sign(at + 1, '.').then(|| self.clock_at(at, at + 2, '.')).flatten()
        })
    }

    /// The clock with its hour and its minute at these places.
    fn clock_at(&self, at: usize, minute_at: usize, separator: char) -> Option<Clock> {
        let (hour, hour_digits) = self.number(at)?;
        let (minute, minute_digits) = self.number(minute_at)?;
        if hour > 24 || hour_digits > 2 || minute > 59 || minute_digits != 2 {
            return None;
        }
        let second = self
            .number(minute_at + 2)
            .filter(|(second, digits)| {
                self.is_sign(minute_at + 1, separator) && *second < 61 && *digits == 2
            })
            .map(|(second, _)| second.min(59));
        let end = if second.is_some() { minute_at + 3 } else { minute_at + 1 };
        let minute = i8::try_from(minute).ok()?;
        Some(Clock { at, end, hour, minute, second: i8::try_from(second.unwrap_or(0)).ok()? })
    }

    /// The last word that names a month: in front may stand a weekday that looks like one (`mar.` is a
    /// Tuesday and a March).
    fn month(&self, languages: &[&Language]) -> Option<(usize, i8)> {
        let in_these = |letters: &str| month_in(letters, &mut languages.iter().copied());
        let found = (0..self.0.len()).rev().find_map(|at| Some((at, in_these(self.letters(at)?)?)));
        // Programs mix languages: the labels of one, the date of another.
        found.or_else(|| {
            let in_any = |letters: &str| month_in(letters, &mut language::languages());
            (0..self.0.len()).rev().find_map(|at| Some((at, in_any(self.letters(at)?)?)))
        })
    }

    /// The day and the year around the name of a month: `5 Jan 2026`, `Jan 5, 2026`, `2026. jan. 5.`.
    fn named_day(&self, month_at: usize, month: i8, taken: &std::ops::Range<usize>) -> Option<Day> {
        let numbers =
            || (0..self.0.len()).filter(|at| !taken.contains(at) && self.number(*at).is_some());
        let long_year =
            numbers().find(|at| self.number(*at).is_some_and(|(_, digits)| digits == 4));
        let small = |at: &usize| Some(*at) != long_year;
        let before = numbers().filter(|at| *at < month_at).rfind(small);
        let after = numbers().filter(|at| *at > month_at).find(small);
        let day_at = before.or(after)?;
        let year = match (long_year, before, after) {
            (Some(at), _, _) => self.number(at)?.0,
            (None, Some(_), Some(at)) if self.number(at)?.1 == 2 => 2000 + self.number(at)?.0,
            _ => return None,
        };
        let end = day_at.max(month_at).max(long_year.or(after).unwrap_or(0)) + 1;
        Day::new(year, u32::try_from(month).ok()?, self.number(day_at)?.0, end)
    }

    /// A day of three numbers.
    fn numeric_day(&self, taken: &std::ops::Range<usize>, month_first: bool) -> Option<Day> {
        let mut numbers =
            (0..self.0.len()).filter(|at| !taken.contains(at) && self.number(*at).is_some());
        let (first_at, second_at, third_at) = (numbers.next()?, numbers.next()?, numbers.next()?);
        let (first, first_digits) = self.number(first_at)?;
        let (second, _) = self.number(second_at)?;
        let (third, third_digits) = self.number(third_at)?;
        let end = third_at + 1;
        if first_digits == 4 {
            return Day::new(first, second, third, end);
        }
        let year = match third_digits {
            4 => third,
            // Three numbers between two signs, not the start of more.
            2 if self.0.get(third_at - 1) != self.0.get(end) => 2000 + third,
            _ => return None,
        };
        // Dots are for days first, in English too; and a thirteenth month there is not.
        let month_first =
            (month_first && !self.is_sign(first_at + 1, '.') && first <= 12) || second > 12;
        match month_first {
            true => Day::new(year, first, second, end),
            false => Day::new(year, second, first, end),
        }
    }

    /// Seconds ahead of UTC, when something behind the clock says so.
    fn zone(&self, from: usize) -> Option<i32> {
        (from..self.0.len()).find_map(|at| {
            if let Some(offset) = self.letters(at).and_then(named_zone) {
                let signed = (at + 1..at + 3).find_map(|at| self.signed_offset(at));
                return Some(signed.unwrap_or(offset * 900));
            }
            // A bare sign needs all four digits: `- 15` may be anything.
            self.signed_offset(at).filter(|_| {
                self.number(at + 1).is_some_and(|(_, digits)| digits == 4)
                    || self.is_sign(at + 2, ':')
            })
        })
    }

    /// `+0100`, `+01:00`, `+1`.
    fn signed_offset(&self, at: usize) -> Option<i32> {
        let sign = match self.0.get(at)? {
            Word::Sign('+') => 1,
            Word::Sign('-') => -1,
            _ => return None,
        };
        let (value, digits) = self.number(at + 1)?;
        let (hours, minutes) = match digits {
            4 => (value / 100, value % 100),
            1 | 2 if self.is_sign(at + 2, ':') => (value, self.number(at + 3)?.0),
            1 | 2 => (value, 0),
            _ => return None,
        };
        let seconds = i32::try_from(hours * 3600 + minutes.min(59) * 60).ok()?;
        (hours <= 14).then_some(sign * seconds)
    }
}

fn is_letter(c: char) -> bool {
    // Combining marks belong to the letter before them: İ is two characters in lower case.
    c.is_alphabetic() || matches!(c, '\u{300}'..='\u{36f}')
}

/// The month that a word begins to name, by the longest beginning.
fn month_in(word: &str, languages: &mut dyn Iterator<Item = &Language>) -> Option<i8> {
    let mut best: Option<(usize, i8)> = None;
    for language in languages {
        for (names, month) in language.months.split(' ').zip(1..) {
            let length = names
                .split('|')
                .filter(|name| word.starts_with(name))
                .map(str::len)
                .max()
                .unwrap_or(0);
            if length > best.map_or(0, |(length, _)| length) {
                best = Some((length, month));
            }
        }
    }
    best.map(|(_, month)| month)
}

/// Zones that programs name, in quarters of an hour ahead of UTC. Names that mean several zones are
/// not among them, but for those of RFC 5322 4.3.
fn named_zone(name: &str) -> Option<i32> {
    let hours = match name {
        "utc" | "gmt" | "z" | "ut" | "wet" => 0,
        "cet" | "mez" | "bst" | "west" => 1,
        "cest" | "mesz" | "eet" | "sast" => 2,
        "eest" | "msk" | "trt" | "мск" => 3,
        "sgt" | "hkt" | "awst" => 8,
        "jst" | "kst" => 9,
        "aest" => 10,
        "aedt" => 11,
        "nzst" => 12,
        "nzdt" => 13,
        "est" | "cdt" => -5,
        "edt" => -4,
        "cst" | "mdt" => -6,
        "mst" | "pdt" => -7,
        "pst" => -8,
        "akdt" => -8,
        "hst" => -10,
        _ => return None,
    };
    Some(hours * 4)
}

impl Day {
    fn new(year: u32, month: u32, day: u32, end: usize) -> Option<Self> {
        // A Thai year is 543 ahead.
        let year = i16::try_from(year).ok().filter(|year| (1970..2400).contains(year))?;
        Some(Self { year, month: i8::try_from(month).ok()?, day: i8::try_from(day).ok()?, end })
    }
}

impl Clock {
    /// The hour of 24, by what stands beside the clock.
    fn hour(&self, words: &Words) -> Option<i8> {
        let hour = match (self.half(words), self.hour) {
            (Some(Half::Morning), 12) => 0,
            (Some(Half::Evening), hour @ 1..=11) => hour + 12,
            (_, 24) => 0,
            (_, hour) => hour,
        };
        i8::try_from(hour).ok()
    }

    /// In front stand the words of Chinese, Japanese and Korean, behind all others.
    fn half(&self, words: &Words) -> Option<Half> {
        let before = (self.at.saturating_sub(2)..self.at).filter_map(|at| words.letters(at));
        if let Some(half) = before.filter_map(half_before).next() {
            return Some(half);
        }
        let behind: String = words.0.iter().skip(self.end).take(8).filter_map(initial).collect();
        half_behind(behind.trim())
    }
}

#[derive(Clone, Copy)]
enum Half {
    Morning,
    Evening,
}

fn half_before(word: &str) -> Option<Half> {
    let is_one_of = |words: &[&str]| words.iter().any(|end| word.ends_with(end));
    if is_one_of(&["上午", "午前", "오전", "凌晨", "早上", "清晨", "öö"]) {
        return Some(Half::Morning);
    }
    is_one_of(&["下午", "午後", "오후", "晚上", "傍晚", "中午", "ös"]).then_some(Half::Evening)
}

/// What is needed of a word to recognise `p.m.`: letters, and spaces between.
fn initial(word: &Word) -> Option<&str> {
    match word {
        Word::Letters(letters) => Some(letters),
        Word::Sign('.') | Word::Number { .. } => None,
        Word::Sign(_) => Some(" "),
    }
}

fn half_behind(words: &str) -> Option<Half> {
    let mut words = words.split(' ').filter(|word| !word.is_empty());
    let first = words.next()?;
    let both = format!("{first}{}", words.next().filter(|word| *word == "m").unwrap_or_default());
    match both.as_str() {
        "am" | "πμ" | "de" | "öö" | "prip" => Some(Half::Morning),
        "pm" | "μμ" | "du" | "ös" => Some(Half::Evening),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In UTC of a clock that is two hours ahead.
    fn read_in(name: &str, text: &str) -> Option<String> {
        let languages: Vec<&Language> =
            language::languages().filter(|it| it.name == name).collect();
        read(text, &languages, 7_200).map(Time::to_rfc3339)
    }

    #[test]
    fn reads_the_dates_of_the_programs() {
        for (language, text) in [
            ("en", "Monday, January 5, 2026 3:04 PM"),
            ("en", "Mon, Jan 5, 2026 at 3:04\u{202f}PM"),
            ("en", "Mon, 5 Jan 2026 15:04:00 +0200"),
            ("en", "5 January 2026 at 14:04:00 CET"),
            ("en", "Monday, January 5, 2026 at 08:04:00 AM EST"),
            ("en", "1/5/2026 3:04 PM"),
            ("en", "2026-01-05 15:04"),
            ("en", "2026-01-05T13:04:00Z"),
            ("en", "05.01.2026 15:04"),
            ("en", "January 5, 2026 at 3:04:00 PM GMT+2"),
            ("de", "Montag, 5. Januar 2026 15:04"),
            ("de", "Mo., 5. Jan. 2026 um 15:04 Uhr"),
            ("de", "Montag, 05. Januar 2026 um 14:04:00 MEZ"),
            ("de", "05.01.26 15:04"),
            ("fr", "lundi 5 janvier 2026 15:04"),
            ("fr", "lun. 5 janv. 2026 à 15:04"),
            ("fr", "5 janvier 2026 à 15h04"),
            ("es", "lunes, 5 de enero de 2026 15:04"),
            ("es", "lun, 5 ene 2026 a las 15:04"),
            ("es", "lunes, 5 de enero de 2026 3:04 p. m."),
            ("es", "5/1/2026 03:04 p.\u{a0}m."),
            ("pt", "segunda-feira, 5 de janeiro de 2026 15:04"),
            ("pt", "seg., 5 de jan. de 2026 às 15:04"),
            ("it", "lunedì 5 gennaio 2026 15:04"),
            ("it", "lun 5 gen 2026 alle ore 15:04"),
            ("nl", "maandag 5 januari 2026 15:04"),
            ("nl", "ma 5 jan 2026 om 15:04"),
            ("pl", "poniedziałek, 5 stycznia 2026 15:04"),
            ("pl", "pon., 5 sty 2026 o 15:04"),
            ("sv", "den 5 januari 2026 15:04"),
            ("sv", "mån 5 jan. 2026 kl 15:04"),
            ("no", "mandag 5. januar 2026 15:04"),
            ("no", "man. 5. jan. 2026 kl. 15:04"),
            ("da", "5. januar 2026 15:04"),
            ("da", "5. januar 2026 kl. 15.04.00"),
            ("fi", "maanantai 5. tammikuuta 2026 15.04"),
            ("fi", "ma 5. tammik. 2026 klo 15.04"),
            ("fi", "5.1.2026 klo 15.04.00"),
            ("cs", "pondělí 5. ledna 2026 15:04"),
            ("sk", "pondelok 5. januára 2026 15:04"),
            ("hu", "2026. január 5., hétfő 15:04"),
            ("hu", "2026. 01. 05. 15:04"),
            ("ru", "5 января 2026 г. в 15:04"),
            ("ru", "понедельник, 5 января 2026 г. 15:04"),
            ("ru", "Понедельник, 5 января 2026, 16:04 +03:00"),
            ("uk", "5 січня 2026 р. 15:04"),
            ("uk", "пн, 5 січ. 2026 р. о 15:04"),
            ("tr", "5 Ocak 2026 Pazartesi 15:04"),
            ("tr", "5 Oca 2026 Pzt, 15:04"),
            ("el", "Δευτέρα, 5 Ιανουαρίου 2026 3:04 μμ"),
            ("el", "Δευ 5 Ιαν 2026 στις 3:04 μ.μ."),
            ("ro", "luni, 5 ianuarie 2026 15:04"),
            ("bg", "5 януари 2026 г. 15:04"),
            ("hr", "5. siječnja 2026. 15:04"),
            ("ja", "2026年1月5日月曜日 15:04"),
            ("ja", "2026年1月5日(月) 午後3:04"),
            ("ja", "2026年1月5日(月) 15時04分"),
            ("zh-Hans", "2026年1月5日 15:04"),
            ("zh-Hans", "2026年1月5日(星期一) 下午3:04"),
            ("zh-Hans", "2026-01-05 15:04:00"),
            ("zh-Hant", "2026年1月5日 下午 03:04"),
            ("ko", "2026년 1월 5일 월요일 오후 3:04"),
            ("ko", "2026년 1월 5일 (월) 오후 3시 04분"),
        ] {
            let time = read_in(language, text);
            assert_eq!(time.as_deref(), Some("2026-01-05T13:04:00.000Z"), "{language}: {text}");
        }
    }

    #[test]
    fn a_weekday_is_no_month() {
        for (language, text) in [
            ("es", "mar, 3 feb 2026 15:04"),
            ("fr", "mar. 3 févr. 2026 à 15:04"),
            ("nl", "maandag 3 februari 2026 15:04"),
            ("uk", "середа, 3 лютого 2026 р. 15:04"),
            ("es", "3/2/2026 15:04"),
            ("en", "2/3/2026 15:04"),
        ] {
            let time = read_in(language, text);
            assert_eq!(time.as_deref(), Some("2026-02-03T13:04:00.000Z"), "{language}: {text}");
        }
    }

    #[test]
    fn the_language_tells_months_of_one_name() {
        let november = read_in("pl", "5 listopada 2026 15:04");
        assert_eq!(november.as_deref(), Some("2026-11-05T13:04:00.000Z"));
        let october = read_in("hr", "5. listopada 2026. 15:04");
        assert_eq!(october.as_deref(), Some("2026-10-05T13:04:00.000Z"));
        assert_eq!(
            read_in("cs", "5. července 2026 15:04").as_deref(),
            Some("2026-07-05T13:04:00.000Z")
        );
        assert_eq!(
            read_in("cs", "5. června 2026 15:04").as_deref(),
            Some("2026-06-05T13:04:00.000Z")
        );
    }

    #[test]
    fn an_impossible_month_is_a_day() {
        assert_eq!(read_in("en", "25/1/2026 15:04").as_deref(), Some("2026-01-25T13:04:00.000Z"));
        assert_eq!(read_in("de", "1/25/2026 15:04").as_deref(), Some("2026-01-25T13:04:00.000Z"));
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "",
            "yesterday",
            "5 January 2026",
            "15:04",
            "32 January 2026 15:04",
            "5/13/13/2026 15:04",
            "5 January 2026 25:04",
            "99999999999999 January 99999999 15:04",
            "2026-13-45 15:04",
        ] {
            assert_eq!(read_in("en", text), None, "{text}");
        }
    }
}
