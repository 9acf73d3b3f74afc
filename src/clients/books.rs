//! What a client has spent in this day and this month. Days and months are those of the calendar, in UTC.

use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use crate::pool::Millis;

/// A day, in milliseconds.
const DAY_MS: u64 = 86_400_000;
/// A clock that was set back by less than this renews no budget; one that was further ahead had been wrong.
const AHEAD_MAX_MS: u64 = 2 * DAY_MS;

/// What was spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Requests that were let in.
    #[serde(default)]
    pub requests: u64,
    /// Tokens of prompts (also those read from a cache) and answers.
    pub tokens: u64,
    /// What they cost, in millionths of a US dollar.
    pub microusd: u64,
    /// Tokens of models without prices, which are in `tokens` but cost nothing in `microusd`.
    #[serde(default)]
    pub unpriced: u64,
}

impl Spent {
    /// Adds to it.
    pub fn add(&mut self, more: Spent) {
        self.requests = self.requests.saturating_add(more.requests);
        self.tokens = self.tokens.saturating_add(more.tokens);
        self.microusd = self.microusd.saturating_add(more.microusd);
        self.unpriced = self.unpriced.saturating_add(more.unpriced);
    }
}

/// What was spent in one day or month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// When it began, in milliseconds of the epoch.
    pub start: u64,
    /// When the next one begins.
    pub end: u64,
    /// What was spent in it.
    pub spent: Spent,
}

/// The day and the month.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Books {
    /// This day.
    pub day: Period,
    /// This month.
    pub month: Period,
}

impl Books {
    /// Begins a new day and a new month when it is time.
    pub fn turn(&mut self, now: Millis) {
        for (period, bounds) in [(&mut self.day, day as fn(Millis) -> (u64, u64)), (&mut self.month, month)] {
            if now.0 >= period.end || now.0.saturating_add(AHEAD_MAX_MS) < period.start {
                let (start, end) = bounds(now);
                *period = Period { start, end, spent: Spent::default() };
            }
        }
    }

    /// Books what was spent.
    pub fn add(&mut self, spent: Spent, now: Millis) {
        self.turn(now);
        self.day.spent.add(spent);
        self.month.spent.add(spent);
    }

    /// Takes over what was spent before a restart, as far as it is of this day and month.
    pub fn restore(&mut self, stored: &Books, now: Millis) {
        self.turn(now);
        for (own, stored) in [(&mut self.day, stored.day), (&mut self.month, stored.month)] {
            if own.start == stored.start {
                own.spent.add(stored.spent);
            }
        }
    }
}

/// The day of a moment: its first millisecond, and that of the next.
fn day(now: Millis) -> (u64, u64) {
    let start = now.0 - now.0 % DAY_MS;
    (start, start.saturating_add(DAY_MS))
}

/// The month of a moment. At the end of the calendar it never ends.
fn month(now: Millis) -> (u64, u64) {
    let moment = i64::try_from(now.0).ok().and_then(|now| Timestamp::from_millisecond(now).ok());
    let date = Offset::UTC.to_datetime(moment.unwrap_or(Timestamp::MAX)).date();
    let first = date.first_of_month();
    let ms = |date: jiff::civil::Date| {
        let moment = Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()?;
        u64::try_from(moment.as_millisecond()).ok()
    };
    let end = first.checked_add(1.month()).ok().and_then(ms);
    (ms(first).unwrap_or(0), end.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Millis {
        Millis(u64::try_from(text.parse::<Timestamp>().unwrap().as_millisecond()).unwrap())
    }

    fn one(tokens: u64) -> Spent {
        Spent { requests: 1, tokens, microusd: 2 * tokens, unpriced: 0 }
    }

    #[test]
    fn days_and_months_are_those_of_the_calendar_in_utc() {
        let bounds = |text| {
            let ((day, next), (first, following)) = (day(at(text)), month(at(text)));
            [day, next, first, following].map(|ms| Timestamp::from_millisecond(ms.cast_signed()).unwrap().to_string())
        };
        let dates = |days: [&str; 4]| days.map(|day| format!("{day}T00:00:00Z"));
        assert_eq!(bounds("2028-02-29T23:59:59.999Z"), dates(["2028-02-29", "2028-03-01", "2028-02-01", "2028-03-01"]));
        assert_eq!(
            bounds("2026-12-31T23:30:00-02:00"),
            dates(["2027-01-01", "2027-01-02", "2027-01-01", "2027-02-01"])
        );
        assert_eq!(month(Millis(u64::MAX)).1, u64::MAX, "beyond the calendar nothing panics");
    }

    #[test]
    fn a_new_day_is_empty_and_the_month_goes_on() {
        let mut books = Books::default();
        books.add(one(10), at("2026-11-29T23:59:59Z"));
        books.add(one(5), at("2026-11-30T00:00:00Z"));
        assert_eq!((books.day.spent.tokens, books.month.spent.tokens), (5, 15));
        books.add(one(1), at("2026-12-01T00:00:00Z"));
        assert_eq!((books.day.spent, books.month.spent), (one(1), one(1)));
    }

    #[test]
    fn a_clock_that_is_set_back_renews_nothing() {
        let mut books = Books::default();
        books.add(one(10), at("2026-12-01T00:00:10Z"));
        books.turn(at("2026-11-30T23:59:00Z"));
        assert_eq!(books.month.spent.tokens, 10);
        books.add(one(7), at("2040-01-01T00:00:00Z"));
        books.turn(at("2026-12-01T00:01:00Z"));
        assert_eq!(books.month.start, at("2026-12-01T00:00:00Z").0, "but one that had been far ahead is not kept to");
    }

    #[test]
    fn only_what_is_of_this_day_and_month_comes_back() {
        let mut stored = Books::default();
        stored.add(one(10), at("2026-11-20T10:00:00Z"));
        let mut books = Books::default();
        books.restore(&stored, at("2026-11-21T00:00:00Z"));
        assert_eq!((books.day.spent, books.month.spent), (Spent::default(), one(10)));
        let mut books = Books::default();
        books.restore(&stored, at("2026-12-01T00:00:00Z"));
        assert_eq!(books.month.spent, Spent::default());
    }
}
