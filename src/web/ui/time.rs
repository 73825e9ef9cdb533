//! Times as the reader's clock shows them, with the exact time beside.

use std::fmt;

use askama::filters::HtmlSafe;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::text;
use crate::model::Time;

/// The reader's clock.
#[derive(Clone, Debug)]
pub struct Clock {
    zone: TimeZone,
    now: Time,
}

/// A time as HTML: `<time datetime="…" title="…">today 14:05</time>`.
pub struct Shown {
    exact: String,
    full: String,
    short: String,
}

impl Clock {
    /// A clock of that zone, of the IANA time zone database; UTC where there is no such zone.
    pub fn new(zone: &str, now: Time) -> Self {
        Self { zone: TimeZone::get(zone).unwrap_or(TimeZone::UTC), now }
    }

    /// A time as short as it can be understood.
    pub fn show(&self, time: Time) -> Shown {
        let (at, now) = (self.zoned(time), self.zoned(self.now));
        let days = at.date().until(now.date()).map_or(i32::MAX, |span| span.get_days());
        let said = |format: &str| at.strftime(format).to_string();
        let short = match days {
            0 => said("%H:%M"),
            1 => format!("{} {}", text::words("time.yesterday"), said("%H:%M")),
            2..=6 => said("%A %H:%M"),
            // What is to come.
            i32::MIN..0 if at.year() != now.year() => said("%-d %b %Y %H:%M"),
            _ if at.year() == now.year() => said("%-d %b %H:%M"),
            _ => said("%-d %b %Y"),
        };
        Shown { exact: time.to_rfc3339(), full: said("%A %-d %B %Y, %H:%M:%S %Z"), short }
    }

    fn zoned(&self, time: Time) -> Zoned {
        let clamped = time.as_micros().clamp(-9_000_000_000_000_000, 250_000_000_000_000_000);
        let timestamp = Timestamp::from_microsecond(clamped).unwrap_or(Timestamp::UNIX_EPOCH);
        timestamp.to_zoned(self.zone.clone())
    }
}

// Nothing of it comes from outside: digits, names of days, months and zones.
impl HtmlSafe for Shown {}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { exact, full, short } = self;
        write!(f, "<time datetime=\"{exact}\" title=\"{full}\">{short}</time>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        Time::parse_rfc3339(text).unwrap()
    }

    #[test]
    fn shows_times_in_the_zone_of_the_reader() {
        let clock = Clock::new("Europe/Berlin", time("2026-03-10T23:30:00Z"));
        let rows = [
            ("2026-03-10T23:05:00Z", ">00:05<"),
            ("2026-03-10T21:05:00Z", ">yesterday 22:05<"),
            ("2026-03-07T21:05:00Z", ">Saturday 22:05<"),
            ("2026-01-07T21:05:00Z", ">7 Jan 22:05<"),
            ("2024-07-07T21:05:00Z", ">7 Jul 2024<"),
            ("2026-04-07T21:05:00Z", ">7 Apr 23:05<"),
            ("2027-01-07T21:05:00Z", ">7 Jan 2027 22:05<"),
        ];
        for (text, shown) in rows {
            let html = clock.show(time(text)).to_string();
            assert!(html.contains(shown) && html.contains(&text[..19]), "{html}");
        }
        assert!(
            Clock::new("No/Where", Time::default())
                .show(Time::default())
                .to_string()
                .contains("00:00")
        );
    }
}
