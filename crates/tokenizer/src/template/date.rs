//! `strftime_now`: the date for templates that tell it to the model.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use minijinja::{Error, ErrorKind};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A point in time as the calendar shows it.
struct Civil {
    year: i64,
    /// 1 to 12
    month: i64,
    /// 1 to 31
    day: i64,
    /// 0 to 365
    day_of_year: i64,
    /// 0 is Sunday.
    weekday: i64,
    /// 0 to 86399
    second_of_day: i64,
}

/// RFC 3339, in UTC.
pub fn timestamp(now: SystemTime) -> String {
    format_utc(now, "%Y-%m-%dT%H:%M:%SZ").expect("its directives are known")
}

/// Python's `strftime`, in UTC. `-` after the percent sign leaves out leading zeros.
pub(super) fn format_utc(now: SystemTime, format: &str) -> Result<String, Error> {
    let civil = Civil::new(unix_seconds(now));
    let mut text = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        let (directive, pad) = match chars.next() {
            Some('-') => (chars.next(), Pad::No),
            other => (other, Pad::Zeros),
        };
        civil.write(&mut text, directive, pad).ok_or_else(|| {
            let shown = directive.map_or_else(|| "its end".to_owned(), |c| format!("%{c}"));
            Error::new(ErrorKind::InvalidOperation, format!("strftime_now does not know {shown}"))
        })?;
    }
    Ok(text)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pad {
    Zeros,
    No,
}

impl Civil {
    /// Days to dates as in Howard Hinnant's "chrono-compatible low-level date algorithms".
    fn new(unix_seconds: i64) -> Self {
        let days = unix_seconds.div_euclid(86_400);
        let shifted = days + 719_468; // since 0000-03-01
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_from_march = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_from_march + 2) / 153;
        let month = (month_from_march + 2) % 12 + 1;
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let before_march = 59 + i64::from(is_leap);
        let day_of_year =
            if month > 2 { day_from_march + before_march } else { day_from_march - 306 };
        Self {
            year,
            month,
            day: day_from_march - (153 * month_from_march + 2) / 5 + 1,
            day_of_year,
            weekday: (days + 4).rem_euclid(7),
            second_of_day: unix_seconds.rem_euclid(86_400),
        }
    }

    /// Writes one directive; `None` if there is no such.
    fn write(&self, text: &mut String, directive: Option<char>, pad: Pad) -> Option<()> {
        let (hour, minute) = (self.second_of_day / 3_600, self.second_of_day / 60 % 60);
        let (month, weekday) = (MONTHS[self.month as usize - 1], WEEKDAYS[self.weekday as usize]);
        let (value, width) = match directive? {
            'Y' => (self.year, 4),
            'y' => (self.year.rem_euclid(100), 2),
            'm' => (self.month, 2),
            'd' => (self.day, 2),
            'H' => (hour, 2),
            'I' => ((hour + 11) % 12 + 1, 2),
            'M' => (minute, 2),
            'S' => (self.second_of_day % 60, 2),
            'j' => (self.day_of_year + 1, 3),
            'w' => (self.weekday, 1),
            other => {
                match other {
                    'B' => text.push_str(month),
                    'b' | 'h' => text.push_str(&month[..3]),
                    'A' => text.push_str(weekday),
                    'a' => text.push_str(&weekday[..3]),
                    'p' => text.push_str(if hour < 12 { "AM" } else { "PM" }),
                    'Z' => text.push_str("UTC"),
                    'z' => text.push_str("+0000"),
                    '%' => text.push('%'),
                    'F' => self.write_all(text, "Y-m-d")?,
                    'T' => self.write_all(text, "H:M:S")?,
                    _ => return None,
                }
                return Some(());
            }
        };
        let width = if pad == Pad::Zeros { width } else { 0 };
        write!(text, "{value:0width$}").expect("writing to a string cannot fail");
        Some(())
    }

    /// Letters are directives, the rest is text.
    fn write_all(&self, text: &mut String, directives: &str) -> Option<()> {
        for c in directives.chars() {
            if c.is_ascii_alphabetic() {
                self.write(text, Some(c), Pad::Zeros)?;
            } else {
                text.push(c);
            }
        }
        Some(())
    }
}

fn unix_seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => since.as_secs() as i64,
        Err(before) => -(before.duration().as_secs() as i64),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn check(unix_seconds: u64, format: &str, expected: &str) {
        let now = UNIX_EPOCH + Duration::from_secs(unix_seconds);
        assert_eq!(format_utc(now, format).unwrap(), expected);
    }

    #[test]
    fn dates_as_python_writes_them() {
        check(0, "%Y-%m-%d %H:%M:%S %A %j", "1970-01-01 00:00:00 Thursday 001");
        check(1_709_210_096, "%d %b %y, %-d %B %I:%M %p %a", "29 Feb 24, 29 February 12:34 PM Thu");
        check(1_735_689_599, "%F %T %j %Z%z %w%%", "2024-12-31 23:59:59 366 UTC+0000 2%");
        check(951_868_800, "%-d.%-m.%Y %-H", "1.3.2000 0");
        assert!(format_utc(UNIX_EPOCH, "%Q").unwrap_err().to_string().contains("%Q"));
    }
}
