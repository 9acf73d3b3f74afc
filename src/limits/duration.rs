//! Durations as providers write them: `6m0s`, `1.5s`, `250ms`, `1h16m0.667923083s`, `51820.6s`, `20 seconds`.
//!
//! One parser for all of them, because two differ sooner or later: a reader with optional groups takes `500ms` for 500
//! minutes. A unit is the whole run of letters after a number, and units must get smaller from left to right.

/// Longest wait that is believed, in milliseconds: 31 days. Longer ones are cut to this.
pub const WAIT_MS_MAX: u64 = 31 * 86_400_000;

const NANOS_PER_MS: u128 = 1_000_000;

/// Milliseconds (rounded up) of a text that is one duration and nothing else.
///
/// # Errors
/// `None` if anything is left over, a unit is missing or unknown, or units do not get smaller.
pub fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let (ms, length) = scan(text)?;
    (length == text.len()).then_some(ms)
}

/// Milliseconds (rounded up) of the duration that `text` begins with, and how many bytes it takes.
pub fn scan(text: &str) -> Option<(u64, usize)> {
    let mut nanos: u128 = 0;
    let mut consumed = None;
    let mut smallest = u128::MAX;
    let mut rest = text;
    while let Some((number, after_number)) = decimal_nanos(rest) {
        let unit_text = after_number.trim_start_matches(' ');
        let letters = unit_text.len() - unit_text.trim_start_matches(|c: char| c.is_alphabetic()).len();
        let Some((word, after_unit)) = unit_text.split_at_checked(letters) else { break };
        let Some(unit) = unit_seconds_nanos(word) else { break };
        if unit >= smallest {
            break;
        }
        smallest = unit;
        // `number` is in billionths of the unit.
        nanos = nanos.saturating_add(number.saturating_mul(unit) / 1_000_000_000);
        consumed = Some(text.len() - after_unit.len());
        rest = skip_joint(after_unit);
    }
    let ms = nanos.div_ceil(NANOS_PER_MS).min(u128::from(WAIT_MS_MAX));
    Some((u64::try_from(ms).ok()?, consumed?))
}

/// Milliseconds (rounded up) of a plain decimal number of `unit_ms` milliseconds each, as in `retry-after: 1.5`.
pub fn plain(text: &str, unit_ms: u64) -> Option<u64> {
    let (billionths, rest) = decimal_nanos(text.trim())?;
    if !rest.is_empty() {
        return None;
    }
    let ms = billionths.saturating_mul(u128::from(unit_ms)).div_ceil(1_000_000_000);
    u64::try_from(ms.min(u128::from(u64::MAX))).ok()
}

/// A decimal number in billionths, and what follows it. No sign, no exponent; digits past the ninth are dropped.
fn decimal_nanos(text: &str) -> Option<(u128, &str)> {
    let (whole, rest) = digits(text);
    let (fraction, rest) = match rest.strip_prefix('.').map(digits) {
        Some((fraction, after)) if !fraction.is_empty() => (fraction, after),
        _ => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    // More digits than u64 holds: as long as can be, which callers cut to their bound.
    let whole = if whole.is_empty() { 0 } else { whole.parse::<u64>().unwrap_or(u64::MAX) };
    let mut billionths: u128 = 0;
    for place in 0..9 {
        let digit = fraction.as_bytes().get(place).map_or(0, |byte| u128::from(byte - b'0'));
        billionths = billionths * 10 + digit;
    }
    Some((u128::from(whole) * 1_000_000_000 + billionths, rest))
}

fn digits(text: &str) -> (&str, &str) {
    let length = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    text.split_at_checked(length).unwrap_or(("", text))
}

/// Between two parts of one duration: nothing, blanks, a comma or "and".
fn skip_joint(text: &str) -> &str {
    let text = text.trim_start_matches([' ', ',']);
    text.strip_prefix("and ").unwrap_or(text).trim_start_matches(' ')
}

/// Nanoseconds of a unit, by any spelling seen.
fn unit_seconds_nanos(word: &str) -> Option<u128> {
    const UNITS: &[(&[&str], u128)] = &[
        (&["ns", "nanosecond", "nanoseconds"], 1),
        (&["us", "µs", "μs", "microsecond", "microseconds"], 1_000),
        (&["ms", "msec", "msecs", "millisecond", "milliseconds"], 1_000_000),
        (&["s", "sec", "secs", "second", "seconds"], 1_000_000_000),
        (&["m", "min", "mins", "minute", "minutes"], 60_000_000_000),
        (&["h", "hr", "hrs", "hour", "hours"], 3_600_000_000_000),
        (&["d", "day", "days"], 86_400_000_000_000),
        (&["w", "week", "weeks"], 604_800_000_000_000),
    ];
    UNITS.iter().find(|(words, _)| words.iter().any(|known| known.eq_ignore_ascii_case(word))).map(|(_, nanos)| *nanos)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{WAIT_MS_MAX, parse, plain, scan};

    #[test]
    fn wire_129_every_form_that_providers_write() {
        for (text, ms) in [
            ("6m0s", 360_000),
            ("1.5s", 1_500),
            ("250ms", 250),
            ("1h16m0.667923083s", 4_560_668),
            ("539.477544ms", 540),
            ("51820.6s", 51_820_600),
            ("2h1m1s", 7_261_000),
            ("19h14m47s", 69_287_000),
            ("1d2h", 93_600_000),
            ("20 seconds", 20_000),
            ("1 minute and 30 seconds", 90_000),
            ("1 hour, 5 mins", 3_900_000),
            ("0s", 0),
            (".5s", 500),
            ("1ns", 1),
            ("3µs", 1),
        ] {
            assert_eq!(parse(text), Some(ms), "{text}");
        }
    }

    #[test]
    fn whole_milliseconds_are_not_minutes() {
        assert_eq!(parse("500ms"), Some(500));
        assert_eq!(parse("500m"), Some(30_000_000));
    }

    #[test]
    fn what_is_no_duration_is_none() {
        for text in ["", "s", "5", "5 parsecs", "1s2h", "1s1s", "-5s", "5s later", "1e3s", "NaN", "∞s", "1..5s"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_sentence_ends_the_duration() {
        assert_eq!(scan("37.5s. Please"), Some((37_500, 5)));
        assert_eq!(scan("1m30s (see docs)"), Some((90_000, 5)));
    }

    #[test]
    fn absurd_numbers_are_cut() {
        assert_eq!(parse("99999999999999999999999999w"), Some(WAIT_MS_MAX));
        assert_eq!(plain("99999999999999999999999999", 1000), Some(u64::MAX));
    }

    #[test]
    fn plain_numbers() {
        assert_eq!(plain("7", 1000), Some(7_000));
        assert_eq!(plain(" 0.25 ", 1000), Some(250));
        assert_eq!(plain("1.2", 1), Some(2));
        assert_eq!(plain("7s", 1000), None);
    }

    proptest! {
        #[test]
        fn reads_what_an_independent_printer_writes(ms in 0u64..WAIT_MS_MAX) {
            let span = jiff::SignedDuration::from_millis(i64::try_from(ms).unwrap());
            // `{:#}` is the short friendly form, such as `1h 16m 667ms`.
            prop_assert_eq!(parse(&format!("{span:#}")), Some(ms));
        }

        #[test]
        fn reads_the_compact_form_with_a_fraction(h in 0u64..48, m in 0u64..60, s in 0u64..60, ns in 0u32..1_000_000_000) {
            let text = format!("{h}h{m}m{s}.{ns:09}s");
            let expected = (h * 3600 + m * 60 + s) * 1000 + u64::from(ns.div_ceil(1_000_000));
            prop_assert_eq!(parse(&text), Some(expected));
        }

        #[test]
        fn never_panics_and_never_reads_past_the_end(text in "\\PC{0,40}") {
            if let Some((ms, length)) = scan(&text) {
                prop_assert!(ms <= WAIT_MS_MAX);
                prop_assert!(text.is_char_boundary(length));
            }
            let _ = plain(&text, 1000);
        }
    }
}
