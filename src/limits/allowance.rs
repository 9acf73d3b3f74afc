//! What a provider's headers say of its limits.
//!
//! | family | limit, remaining, reset |
//! |---|---|
//! | `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` | numbers; `6m0s`, seconds, or epoch seconds |
//! | the same with `-minute` behind it, or `x-ratelimit-{…}` alone | as above, requests |
//! | `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}` | numbers; RFC 3339 |
//! | `anthropic-ratelimit-unified-{5h,7d,}-{status,utilization,reset}` | a part of a whole; epoch seconds |
//!
//! Of several token limits the one with the smallest part left counts.

use super::hint::wait_ms;
use crate::pool::time::Millis;

/// Largest number that is believed.
const LIMIT_MAX: u64 = 10_000_000_000;

/// One limit, as the headers of an answer tell it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// So much in a period.
    pub limit: Option<u64>,
    /// So much of it is left.
    pub remaining: Option<u64>,
    /// Milliseconds until all of it is there again.
    pub reset_ms: Option<u64>,
}

/// A limit whose size is not told, but the part that is left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// What is left, in thousandths.
    pub left_permille: u32,
    /// Milliseconds until all of it is there again.
    pub reset_ms: Option<u64>,
}

/// All that the headers of an answer say of limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Requests.
    pub requests: Option<Meter>,
    /// Tokens.
    pub tokens: Option<Meter>,
    /// Of several such limits the one with the least left.
    pub share: Option<Share>,
}

impl Allowance {
    /// Whether nothing was told.
    pub fn is_empty(&self) -> bool {
        *self == Allowance::default()
    }
}

/// Names of a limit, of what remains of it, and of its reset.
type Names = (&'static str, &'static str, &'static str);

const REQUESTS: &[Names] = &[
    ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    (
        "anthropic-ratelimit-requests-limit",
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
    ),
    ("x-ratelimit-limit-requests-minute", "x-ratelimit-remaining-requests-minute", "x-ratelimit-reset-requests-minute"),
    ("x-ratelimit-limit-req-minute", "x-ratelimit-remaining-req-minute", "x-ratelimit-reset-req-minute"),
    ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"),
    ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"),
];

const TOKENS: &[Names] = &[
    ("x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("anthropic-ratelimit-tokens-limit", "anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
    (
        "anthropic-ratelimit-input-tokens-limit",
        "anthropic-ratelimit-input-tokens-remaining",
        "anthropic-ratelimit-input-tokens-reset",
    ),
    (
        "anthropic-ratelimit-output-tokens-limit",
        "anthropic-ratelimit-output-tokens-remaining",
        "anthropic-ratelimit-output-tokens-reset",
    ),
    ("x-ratelimit-limit-tokens-minute", "x-ratelimit-remaining-tokens-minute", "x-ratelimit-reset-tokens-minute"),
    (
        "x-ratelimit-limit-tokens-per-minute",
        "x-ratelimit-remaining-tokens-per-minute",
        "x-ratelimit-reset-tokens-per-minute",
    ),
];

/// Status, used part, and reset of a limit whose size is not told.
const SHARES: &[Names] = &[
    (
        "anthropic-ratelimit-unified-5h-status",
        "anthropic-ratelimit-unified-5h-utilization",
        "anthropic-ratelimit-unified-5h-reset",
    ),
    (
        "anthropic-ratelimit-unified-7d-status",
        "anthropic-ratelimit-unified-7d-utilization",
        "anthropic-ratelimit-unified-7d-reset",
    ),
    (
        "anthropic-ratelimit-unified-status",
        "anthropic-ratelimit-unified-utilization",
        "anthropic-ratelimit-unified-reset",
    ),
];

/// Reads the limits off the headers of an answer. `header` looks one up by its lower-case name. What cannot be read is as
/// if it was not told.
pub fn allowance<'h>(header: &dyn Fn(&str) -> Option<&'h str>, now: Millis) -> Allowance {
    let tightest = |all: &[Names]| {
        let told = all.iter().filter_map(|names| meter(header, names, now));
        told.min_by_key(|meter| match (meter.remaining, meter.limit) {
            (Some(remaining), Some(limit)) => remaining.saturating_mul(1_000_000) / limit.max(1),
            (Some(0), None) => 0,
            _ => u64::MAX,
        })
    };
    let shares = SHARES.iter().filter_map(|names| share(header, names, now));
    Allowance {
        requests: tightest(REQUESTS),
        tokens: tightest(TOKENS),
        share: shares.min_by_key(|share| (share.left_permille, std::cmp::Reverse(share.reset_ms))),
    }
}

fn meter<'h>(header: &dyn Fn(&str) -> Option<&'h str>, names: &Names, now: Millis) -> Option<Meter> {
    let limit = header(names.0).and_then(number).filter(|limit| *limit > 0);
    let remaining = header(names.1).and_then(number);
    // Of a limit without a number nothing can be counted; but an empty one says when it is full.
    let told = remaining.is_some_and(|remaining| limit.is_some() || remaining == 0) || limit.is_some();
    let reset_ms = header(names.2).and_then(|text| wait_ms(text, now));
    told.then_some(Meter { limit, remaining, reset_ms })
}

fn share<'h>(header: &dyn Fn(&str) -> Option<&'h str>, names: &Names, now: Millis) -> Option<Share> {
    let rejected = header(names.0).is_some_and(|status| status.trim().eq_ignore_ascii_case("rejected"));
    let used = header(names.1).and_then(|text| text.trim().parse::<f64>().ok()).filter(|used| used.is_finite());
    if !rejected && used.is_none() {
        return None;
    }
    let used = used.map_or(0, |used| (used.clamp(0.0, 1.0) * 1000.0) as u32);
    // A whole that is used up may still be served, if the status says so.
    let left_permille = if rejected { 0 } else { (1000 - used).max(1) };
    Some(Share { left_permille, reset_ms: header(names.2).and_then(|text| wait_ms(text, now)) })
}

/// A count; some servers write `100.0`, or `100, 100;w=60`.
fn number(text: &str) -> Option<u64> {
    let digits: &str = text.trim().split(['.', ',', ';']).next()?;
    digits.parse().ok().map(|number: u64| number.min(LIMIT_MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Allowance, Meter, Millis, Share, allowance};

    /// 2025-10-20T19:00:00Z
    const NOW: Millis = Millis(1_760_986_800_000);

    fn read(headers: &[(&str, &'static str)]) -> Allowance {
        allowance(&|name| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value), NOW)
    }

    fn of(limit: u64, remaining: u64, reset_ms: u64) -> Meter {
        Meter { limit: Some(limit), remaining: Some(remaining), reset_ms: Some(reset_ms) }
    }

    #[test]
    fn openai_and_its_like() {
        let told = read(&[
            ("x-ratelimit-limit-requests", "5000"),
            ("x-ratelimit-remaining-requests", "4999"),
            ("x-ratelimit-reset-requests", "12ms"),
            ("x-ratelimit-limit-tokens", "450000"),
            ("x-ratelimit-remaining-tokens", "420000"),
            ("x-ratelimit-reset-tokens", "4s"),
        ]);
        assert_eq!((told.requests, told.tokens), (Some(of(5_000, 4_999, 12)), Some(of(450_000, 420_000, 4_000))));
    }

    #[test]
    fn anthropic_has_several_token_limits_and_the_tightest_counts() {
        let told = read(&[
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "49"),
            ("anthropic-ratelimit-requests-reset", "2025-10-20T19:00:02Z"),
            ("anthropic-ratelimit-input-tokens-limit", "40000"),
            ("anthropic-ratelimit-input-tokens-remaining", "10000"),
            ("anthropic-ratelimit-input-tokens-reset", "2025-10-20T19:00:45Z"),
            ("anthropic-ratelimit-output-tokens-limit", "8000"),
            ("anthropic-ratelimit-output-tokens-remaining", "7000"),
            ("anthropic-ratelimit-output-tokens-reset", "2025-10-20T19:00:08Z"),
        ]);
        assert_eq!((told.requests, told.tokens), (Some(of(50, 49, 2_000)), Some(of(40_000, 10_000, 45_000))));
    }

    #[test]
    fn a_part_of_a_whole() {
        let told = read(&[
            ("anthropic-ratelimit-unified-5h-status", "allowed"),
            ("anthropic-ratelimit-unified-5h-utilization", "0.25"),
            ("anthropic-ratelimit-unified-5h-reset", "1760990400"),
            ("anthropic-ratelimit-unified-7d-status", "allowed_warning"),
            ("anthropic-ratelimit-unified-7d-utilization", "0.9"),
            ("anthropic-ratelimit-unified-7d-reset", "1761500000"),
        ]);
        assert_eq!(told.share, Some(Share { left_permille: 100, reset_ms: Some(513_200_000) }));
        let told = read(&[
            ("anthropic-ratelimit-unified-status", "rejected"),
            ("anthropic-ratelimit-unified-reset", "1760986860"),
        ]);
        assert_eq!(told.share, Some(Share { left_permille: 0, reset_ms: Some(60_000) }));
    }

    #[test]
    fn what_says_nothing_is_nothing() {
        assert!(read(&[]).is_empty());
        assert!(read(&[("x-ratelimit-limit-requests", "-1"), ("x-ratelimit-remaining-requests", "many")]).is_empty());
        assert!(read(&[("x-ratelimit-limit-requests", "0"), ("x-ratelimit-remaining-requests", "9")]).is_empty());
        let empty = Some(Meter { limit: None, remaining: Some(0), reset_ms: Some(3_000) });
        assert_eq!(read(&[("ratelimit-remaining", "0"), ("ratelimit-reset", "3")]).requests, empty);
        let whole = Some(Meter { limit: Some(100), remaining: None, reset_ms: None });
        assert_eq!(read(&[("x-ratelimit-limit", "100, 100;w=60")]).requests, whole);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(value in "\\PC{0,30}", now: u64) {
            let value: &'static str = Box::leak(value.into_boxed_str());
            let told = allowance(&|_| Some(value), Millis(now));
            prop_assert!(told.requests.and_then(|meter| meter.limit).is_none_or(|limit| limit <= super::LIMIT_MAX));
        }
    }
}
