//! Whether and when a request is sent again. Pure: time and seed are arguments.

use std::time::Duration;

use http::HeaderMap;

use crate::Error;

/// How often and how long a request is sent again.
///
/// Only what may succeed then is: 408, 429, 5xx, and connections that fail before the answer's first byte; never a stream
/// that has begun. Of the operator's API only questions are asked again, and commands that were never sent.
///
/// ```
/// use std::time::Duration;
/// use interlingua_client::Retry;
///
/// let patient = Retry { attempts_max: 10, total: Duration::from_secs(300), ..Retry::default() };
/// assert_eq!(Retry::NEVER.attempts_max, 1);
/// # let _ = patient;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// Attempts at most, the first one among them.
    pub attempts_max: u32,
    /// Longest time from the first attempt to the beginning of the last. A wait that would end later is not begun.
    pub total: Duration,
    /// The first wait where the gateway names none; it doubles with each attempt. Up to a quarter of it is taken off, so that
    /// many clients do not come back at once.
    pub first: Duration,
    /// Longest wait where the gateway names none.
    pub wait_max: Duration,
}

impl Default for Retry {
    /// Three attempts within two minutes; waits from half a second to eight.
    fn default() -> Self {
        Retry {
            attempts_max: 3,
            total: Duration::from_mins(2),
            first: Duration::from_millis(500),
            wait_max: Duration::from_secs(8),
        }
    }
}

impl Retry {
    /// One attempt.
    pub const NEVER: Retry =
        Retry { attempts_max: 1, total: Duration::ZERO, first: Duration::ZERO, wait_max: Duration::ZERO };

    /// How long to wait before the next attempt, after `attempts` of them in `elapsed`. `None`: there is none.
    ///
    /// A wait that the gateway named is never shortened; up to a tenth, a second at most, is added, as others were told the
    /// same.
    pub(crate) fn wait(&self, attempts: u32, elapsed: Duration, told: Option<Duration>, seed: u64) -> Option<Duration> {
        if attempts >= self.attempts_max {
            return None;
        }
        let part = |of: Duration| of.mul_f64((seed % 1024) as f64 / 1024.0);
        let wait = match told {
            Some(told) => told.saturating_add(part((told / 10).min(Duration::from_secs(1)))),
            None => {
                let doubled =
                    self.first.saturating_mul(1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX));
                let wait = doubled.min(self.wait_max);
                wait.saturating_sub(part(wait / 4))
            }
        };
        (elapsed.saturating_add(wait) <= self.total).then_some(wait)
    }
}

/// Whether another attempt may succeed. `is_safe`: the request may be done twice.
pub(crate) fn may_succeed(error: &Error, is_safe: bool) -> bool {
    match error {
        Error::Connection { source, .. } => {
            is_safe || source.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_connect)
        }
        Error::Refused(refusal) => {
            is_safe && refusal.status.is_some_and(|status| matches!(status, 408 | 429 | 500..=599))
        }
        _ => false,
    }
}

/// The wait in a header: `retry-after-ms` first, as it is exact, then `retry-after` in seconds or as a date (RFC 9110 section
/// 10.2.3).
pub(crate) fn told(headers: &HeaderMap, now: std::time::SystemTime) -> Option<Duration> {
    /// A day: what is longer is no wait but a refusal.
    const SECONDS_MAX: f64 = 86_400.0;
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    let seconds = |number: f64| Duration::from_secs_f64(number.min(SECONDS_MAX));
    if let Some(millis) = text("retry-after-ms").and_then(number) {
        return Some(seconds(millis / 1000.0));
    }
    let after = text("retry-after")?;
    match number(after) {
        Some(number) => Some(seconds(number)),
        None => httpdate::parse_http_date(after).ok().map(|at| at.duration_since(now).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use proptest::prelude::*;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_exact_header_wins_and_dates_are_read() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_445_412_480 - 20);
        let told = |pairs: &[(&'static str, &str)]| told(&headers(pairs), now);
        assert_eq!(told(&[("retry-after", "2"), ("retry-after-ms", "1500")]), Some(Duration::from_millis(1500)));
        assert_eq!(told(&[("retry-after", "2")]), Some(Duration::from_secs(2)));
        assert_eq!(told(&[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")]), Some(Duration::from_secs(20)));
        assert_eq!(told(&[("retry-after", "Tue, 21 Oct 2014 07:28:00 GMT")]), Some(Duration::ZERO));
        for bad in ["", "-1", "soon", "nan", "inf"] {
            assert_eq!(told(&[("retry-after", bad)]), None, "{bad}");
        }
        assert_eq!(told(&[("retry-after", "1e300")]), Some(Duration::from_hours(24)));
        assert_eq!(told(&[]), None);
    }

    #[test]
    fn what_is_the_caller_s_fault_is_not_asked_again() {
        let refused = |status| Error::Refused(Box::new(crate::Refusal::read(Some(status), b"")));
        for status in [408, 429, 500, 502, 503, 529] {
            assert!(may_succeed(&refused(status), true) && !may_succeed(&refused(status), false), "{status}");
        }
        for status in [400, 401, 403, 404, 409, 413, 422] {
            assert!(!may_succeed(&refused(status), true), "{status}");
        }
        let broken = Error::Connection { url: String::new(), source: "reset".into() };
        assert!(may_succeed(&broken, true) && !may_succeed(&broken, false));
        for error in [Error::Interrupted, Error::Timeout(Duration::ZERO), Error::TooManyTurns(1)] {
            assert!(!may_succeed(&error, true));
        }
    }

    proptest! {
        #[test]
        fn waits_are_bounded_and_never_shorter_than_told(
            attempts in 1..100_u32, elapsed in 0..200_u64, told in proptest::option::of(0..200_000_u64), seed: u64,
        ) {
            let (retry, elapsed) = (Retry { attempts_max: 50, ..Retry::default() }, Duration::from_secs(elapsed));
            let told = told.map(Duration::from_millis);
            match retry.wait(attempts, elapsed, told, seed) {
                Some(wait) => {
                    prop_assert!(attempts < 50 && elapsed + wait <= retry.total);
                    prop_assert!(told.is_none_or(|told| wait >= told && wait <= told + Duration::from_secs(1)));
                    prop_assert!(told.is_some() || (wait <= retry.wait_max && wait >= retry.first * 3 / 4));
                }
                None => prop_assert!(
                    attempts >= 50 || elapsed + told.unwrap_or(retry.wait_max) + Duration::from_secs(1) > retry.total
                ),
            }
        }
    }
}
