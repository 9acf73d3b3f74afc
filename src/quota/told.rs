//! What the headers of an answer say of quotas: of windows of hours and days. What is renewed within minutes is the pace's.
//!
//! | headers | what is left | for whom |
//! |---|---|---|
//! | `anthropic-ratelimit-unified-{5h,7d,…}-{status,utilization,reset}` | 1 less the utilization; nothing if rejected | the account |
//! | `anthropic-ratelimit-unified-{status,utilization,reset}` | the same | the account |
//! | `anthropic-ratelimit-unified-7d_opus-…`, and so any name of a model | the same | models with that name |
//! | `x-ratelimit-{limit,remaining,reset}-{requests,tokens}-{hour,day,week,month}` | remaining of the limit | the family |
//! | `x-ratelimit-{…}-{requests,tokens}`, `x-ratelimit-{…}`, `ratelimit-{…}` with a reset that is far | the same | the family |
//!
//! Only a provider that says "rejected" has told that nothing is left. A number of zero may be a bucket that gives one
//! request each minute: when that has room, the pace knows.

use http::HeaderMap;

use crate::limits::hint::wait_ms;
use crate::pool::Millis;

/// A reset that is no further away may be that of a limit a minute, or of a few.
const FAR_MS: u64 = 5 * 60_000;
/// What is left where the provider has not said that it is nothing.
const LITTLE: f64 = 0.001;
const UNIFIED: &str = "anthropic-ratelimit-unified-";

/// What is left of one window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Left {
    /// Of the whole, 0 to 1.
    pub left: f64,
    /// When it is whole again.
    pub reset: Option<Millis>,
}

/// What the headers of one answer tell. Of several windows the one with the least left.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Told {
    /// Of those that all models of the account share.
    pub account: Option<Left>,
    /// Of all that concern the model that was asked for.
    pub family: Option<Left>,
}

/// Reads the headers of an answer of `model`. What cannot be read is as if it was not told.
pub fn told(headers: &HeaderMap, model: &str, now: Millis) -> Told {
    let mut told = Told::default();
    for name in headers.keys().map(http::HeaderName::as_str) {
        if let Some(rest) = name.strip_prefix(UNIFIED) {
            let Some((window, shared)) = unified_window(rest, model) else { continue };
            let left = share(headers, window, now);
            told.family = least(told.family, left);
            if shared {
                told.account = least(told.account, left);
            }
        } else if name.strip_prefix("x-").unwrap_or(name).starts_with("ratelimit-remaining") {
            told.family = least(told.family, counted(headers, name, now));
        }
    }
    told
}

/// The window that a header of the `unified` family is about, with the hyphen behind it, and whether all models share it.
/// `None` if it does not concern the model, is no window, or not the header that is looked for.
fn unified_window<'h>(rest: &'h str, model: &str) -> Option<(&'h str, bool)> {
    // A window is looked at once: by its utilization, or by its status if there is none.
    let window = rest.strip_suffix("utilization").or_else(|| rest.strip_suffix("status"))?;
    let Some(name) = window.strip_suffix('-') else { return window.is_empty().then_some(("", true)) };
    let (span, of) = name.split_once('_').map_or((name, None), |(span, of)| (span, Some(of)));
    let long = span.strip_suffix(['h', 'd', 'w']).is_some_and(|count| count.parse::<u16>().is_ok());
    (long && of.is_none_or(|of| model.contains(of))).then_some((window, of.is_none()))
}

fn share(headers: &HeaderMap, window: &str, now: Millis) -> Option<Left> {
    let get = |part: &str| text(headers, &format!("{UNIFIED}{window}{part}"));
    let rejected = get("status").is_some_and(|status| status.trim().eq_ignore_ascii_case("rejected"));
    let used = get("utilization").and_then(|used| used.trim().parse::<f64>().ok()).filter(|used| used.is_finite());
    let left = match used {
        _ if rejected => 0.0,
        Some(used) => (1.0 - used).clamp(LITTLE, 1.0),
        None => return None,
    };
    Some(Left { left, reset: get("reset").and_then(|reset| moment(reset, now)) })
}

fn counted(headers: &HeaderMap, remaining: &str, now: Millis) -> Option<Left> {
    let number = |text: &str| text.trim().split(['.', ',', ';']).next()?.parse::<u64>().ok();
    let get = |part: &str| text(headers, &remaining.replace("remaining", part));
    let reset = get("reset").and_then(|reset| moment(reset, now));
    let long = match remaining.rsplit('-').next().unwrap_or_default() {
        "hour" | "day" | "week" | "month" => true,
        "minute" | "second" => false,
        _ => reset.is_some_and(|reset| reset.since(now) > FAR_MS),
    };
    let limit = get("limit").and_then(number).filter(|limit| *limit > 0 && long)?;
    let remaining = text(headers, remaining).and_then(number)?;
    Some(Left { left: (remaining as f64 / limit as f64).clamp(LITTLE, 1.0), reset })
}

/// Of two that have the same, the one that is renewed later.
fn least(one: Option<Left>, other: Option<Left>) -> Option<Left> {
    let order = |a: &Left, b: &Left| a.left.total_cmp(&b.left).then(b.reset.cmp(&a.reset));
    one.into_iter().chain(other).min_by(order)
}

fn moment(text: &str, now: Millis) -> Option<Millis> {
    wait_ms(text, now).filter(|wait| *wait > 0).map(|wait| now.plus(wait))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    /// 2025-10-20T19:00:00Z
    const NOW: Millis = Millis(1_760_986_800_000);
    const HOUR_MS: u64 = 3_600_000;

    fn read(model: &str, headers: &[(&'static str, &'static str)]) -> Told {
        let pairs =
            headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        told(&pairs.collect(), model, NOW)
    }

    fn left(left: f64, reset_ms: u64) -> Left {
        Left { left, reset: Some(NOW.plus(reset_ms)) }
    }

    #[test]
    fn the_window_with_the_least_left_counts_and_that_of_another_model_does_not() {
        let headers = [
            ("anthropic-ratelimit-unified-status", "allowed_warning"),
            ("anthropic-ratelimit-unified-reset", "1760990400"),
            ("anthropic-ratelimit-unified-5h-status", "allowed"),
            ("anthropic-ratelimit-unified-5h-utilization", "0.5"),
            ("anthropic-ratelimit-unified-5h-reset", "1760990400"),
            ("anthropic-ratelimit-unified-7d-status", "allowed_warning"),
            ("anthropic-ratelimit-unified-7d-utilization", "0.75"),
            ("anthropic-ratelimit-unified-7d-reset", "1761080400"),
            ("anthropic-ratelimit-unified-7d_opus-utilization", "0.875"),
            ("anthropic-ratelimit-unified-7d_opus-reset", "1761080400"),
            ("anthropic-ratelimit-unified-overage-utilization", "0.99"),
            ("anthropic-ratelimit-unified-1m-utilization", "0.98"),
        ];
        let week = left(0.25, 26 * HOUR_MS);
        assert_eq!(read("claude-sonnet-4-5", &headers), Told { account: Some(week), family: Some(week) });
        let opus = Told { account: Some(week), family: Some(left(0.125, 26 * HOUR_MS)) };
        assert_eq!(read("claude-opus-4-5", &headers), opus);
    }

    #[test]
    fn nothing_is_left_only_where_the_provider_says_so() {
        let rejected =
            [("anthropic-ratelimit-unified-status", "rejected"), ("anthropic-ratelimit-unified-reset", "1760990400")];
        assert_eq!(read("m", &rejected).account, Some(left(0.0, HOUR_MS)));
        let overage = [
            ("anthropic-ratelimit-unified-5h-status", "allowed"),
            ("anthropic-ratelimit-unified-5h-utilization", "1.04"),
            ("anthropic-ratelimit-unified-5h-reset", "1760990400"),
        ];
        assert_eq!(read("m", &overage).account, Some(left(LITTLE, HOUR_MS)));
        let bucket = [
            ("x-ratelimit-limit-requests", "14400"),
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "24h0m0s"),
        ];
        assert_eq!(read("m", &bucket), Told { account: None, family: Some(left(LITTLE, 24 * HOUR_MS)) });
    }

    #[test]
    fn limits_a_minute_are_no_quotas() {
        let day = [
            ("x-ratelimit-limit-requests-minute", "30"),
            ("x-ratelimit-remaining-requests-minute", "0"),
            ("x-ratelimit-reset-requests-minute", "26.28"),
            ("x-ratelimit-limit-requests-day", "14400"),
            ("x-ratelimit-remaining-requests-day", "7200"),
            ("x-ratelimit-reset-requests-day", "7200.5"),
            ("x-ratelimit-limit-tokens-minute", "60000"),
            ("x-ratelimit-remaining-tokens-minute", "1"),
        ];
        assert_eq!(read("m", &day), Told { account: None, family: Some(left(0.5, 7_200_500)) });
        let openai = [
            ("x-ratelimit-limit-requests", "5000"),
            ("x-ratelimit-remaining-requests", "10"),
            ("x-ratelimit-reset-requests", "59.8s"),
            ("x-ratelimit-limit-tokens", "450000"),
            ("x-ratelimit-remaining-tokens", "4"),
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-remaining", "1"),
            ("anthropic-ratelimit-requests-reset", "2025-10-20T19:00:45Z"),
        ];
        assert_eq!(read("m", &openai), Told::default());
        let free =
            [("x-ratelimit-limit", "50"), ("x-ratelimit-remaining", "10"), ("x-ratelimit-reset", "1760990400000")];
        assert_eq!(read("m", &free).family, Some(left(0.2, HOUR_MS)));
    }

    proptest::proptest! {
        #[test]
        fn any_value_is_read_without_panic_and_is_a_part(value in "[ -~]{0,20}", name in "[a-z0-9_-]{0,12}", now: u64) {
            let names = [
                format!("{UNIFIED}{name}-utilization"),
                format!("{UNIFIED}{name}utilization"),
                format!("{UNIFIED}{name}status"),
                format!("x-ratelimit-remaining-{name}"),
                format!("x-ratelimit-limit-{name}"),
                format!("x-ratelimit-reset-{name}"),
                format!("{UNIFIED}5h-utilization"),
            ];
            let value = HeaderValue::from_str(&value).unwrap();
            let headers = names.iter().map(|name| (HeaderName::from_bytes(name.as_bytes()).unwrap(), value.clone()));
            let Told { account, family } = told(&headers.collect(), "m", Millis(now));
            for one in account.into_iter().chain(family) {
                proptest::prop_assert!((0.0..=1.0).contains(&one.left));
            }
        }
    }
}
