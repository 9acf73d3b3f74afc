//! How long to wait, by whatever the refusing provider said.
//!
//! | where | form |
//! |---|---|
//! | `retry-after-ms` | milliseconds |
//! | `retry-after` | seconds, also fractional, or an HTTP date (RFC 9110 §10.2.3) |
//! | `x-ratelimit-reset-*` | `6m0s`, seconds, or epoch seconds; counts only if its `-remaining-*` is zero or absent |
//! | `anthropic-ratelimit-*-reset` | RFC 3339; the same rule; `unified` ones are epoch seconds with a `-status` |
//! | Google `RetryInfo.retryDelay` | `3.512s` |
//! | Google `ErrorInfo.metadata` | `quotaResetDelay` `1h16m0.667923083s`, `quotaResetTimeStamp` RFC 3339 |
//! | Google `QuotaFailure.quotaId` | `…PerDay…`, `…PerMinute…` |
//! | message | `Please retry in 37.5s`, `try again in 20ms`, `reset after 19h14m47s`, `regain access on 2025-11-01 at 00:00 UTC` |
//!
//! The most exact evidence wins: retry headers, then details, then the message, then reset headers, which say when a
//! bucket is *full* again and so often too much.

use serde_json::Value;

use super::duration;
use crate::pool::time::Millis;

/// Longest part of an error body that is read, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// How deep a JSON text inside a `message` is followed (Code Assist wraps once).
const NESTING_MAX: u8 = 2;
/// Details of one error that are looked at.
const DETAILS_MAX: usize = 32;
/// A number from here on is a moment of the epoch in seconds, not a wait.
const EPOCH_SECONDS_MIN: u64 = 1_000_000_000;
/// A number from here on is a moment of the epoch in milliseconds.
const EPOCH_MILLIS_MIN: u64 = 1_000_000_000_000;
const DAY_MS: u64 = 86_400_000;
/// Google's daily quotas are renewed at midnight in California: 08:00 UTC in winter. In summer this is an hour late, which
/// the early probe makes good.
const DAILY_RESET_UTC_MS: u64 = 8 * 3_600_000;
/// Wait for a per-minute quota that names no delay.
const PER_MINUTE_MS: u64 = 60_000;
/// A delay below this is not believed for a daily quota: Google adds a short `retryDelay` to those too.
const DAILY_DELAY_MS_MIN: u64 = 3_600_000;

/// Where a hint was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HintSource {
    /// Header `retry-after-ms`.
    RetryAfterMs,
    /// Header `retry-after`.
    RetryAfter,
    /// Headers `x-ratelimit-reset-*`, `anthropic-ratelimit-*-reset`.
    ResetHeader,
    /// Google `RetryInfo.retryDelay`.
    RetryInfo,
    /// Google metadata `quotaResetDelay`.
    QuotaResetDelay,
    /// Google metadata `quotaResetTimeStamp`.
    QuotaResetTime,
    /// Google `quotaId` that names a day or a minute.
    QuotaId,
    /// The words of the message.
    Message,
}

impl HintSource {
    /// The name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            HintSource::RetryAfterMs => "retry_after_ms",
            HintSource::RetryAfter => "retry_after",
            HintSource::ResetHeader => "reset_header",
            HintSource::RetryInfo => "retry_info",
            HintSource::QuotaResetDelay => "quota_reset_delay",
            HintSource::QuotaResetTime => "quota_reset_time",
            HintSource::QuotaId => "quota_id",
            HintSource::Message => "message",
        }
    }
}

/// What the provider said about when to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint {
    /// Milliseconds from now, rounded up, at most [`duration::WAIT_MS_MAX`].
    pub wait_ms: u64,
    /// Where it was found.
    pub source: HintSource,
    /// A daily quota is used up: it is not worth trying before the wait is over.
    pub daily: bool,
}

/// Reads the wait from a refusal. `header` looks a header up by its lower-case name; `body` is the error body, or the
/// event that carried an error inside a stream, as it came. `None` if the provider said nothing.
///
/// Reset headers are believed on 429 alone: providers send them with every answer.
pub fn hint<'h>(status: u16, header: &dyn Fn(&str) -> Option<&'h str>, body: &[u8], now: Millis) -> Option<Hint> {
    let details = Details::read(body, now);
    let found = retry_headers(header, now)
        .or_else(|| details.best())
        .or_else(|| details.message.map(|wait| (wait, HintSource::Message)))
        .or_else(|| if status == 429 { reset_headers(header, now) } else { None });
    if details.daily {
        let (wait, source) = found.filter(|(wait, _)| *wait >= DAILY_DELAY_MS_MIN).unwrap_or_else(|| {
            let today = now.0.saturating_add(DAY_MS - DAILY_RESET_UTC_MS) % DAY_MS;
            (DAY_MS - today, HintSource::QuotaId)
        });
        return Some(Hint { wait_ms: wait.min(duration::WAIT_MS_MAX), source, daily: true });
    }
    let (wait, source) = found.or_else(|| details.per_minute.then_some((PER_MINUTE_MS, HintSource::QuotaId)))?;
    Some(Hint { wait_ms: wait.min(duration::WAIT_MS_MAX), source, daily: false })
}

/// Milliseconds from `now` that a header or field value means, in any form: a duration, seconds, epoch seconds or
/// milliseconds, RFC 3339, HTTP date. What is past is 0.
pub fn wait_ms(text: &str, now: Millis) -> Option<u64> {
    let text = text.trim();
    if let Some(ms) = duration::plain(text, 1000) {
        let seconds = ms / 1000;
        let wait = if seconds >= EPOCH_MILLIS_MIN {
            Millis(seconds).since(now)
        } else if seconds >= EPOCH_SECONDS_MIN {
            Millis(ms).since(now)
        } else {
            ms
        };
        return Some(wait.min(duration::WAIT_MS_MAX));
    }
    duration::parse(text).or_else(|| moment(text).map(|at| at.since(now).min(duration::WAIT_MS_MAX)))
}

/// A moment in RFC 3339 or as an HTTP date. What lies before 1970 is its start.
fn moment(text: &str) -> Option<Millis> {
    if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
        return Some(Millis(u64::try_from(timestamp.as_millisecond()).unwrap_or(0)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let since = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Millis(u64::try_from(since.as_millis()).ok()?))
}

fn retry_headers<'h>(header: &dyn Fn(&str) -> Option<&'h str>, now: Millis) -> Option<(u64, HintSource)> {
    header("retry-after-ms")
        .and_then(|text| duration::plain(text, 1))
        .map(|wait| (wait, HintSource::RetryAfterMs))
        .or_else(|| {
            header("retry-after").and_then(|text| wait_ms(text, now)).map(|wait| (wait, HintSource::RetryAfter))
        })
}

/// The longest reset among the buckets that are empty (or say nothing of what remains).
fn reset_headers<'h>(header: &dyn Fn(&str) -> Option<&'h str>, now: Millis) -> Option<(u64, HintSource)> {
    /// Reset header, the header that says whether its bucket is empty, and that header's word for it.
    const BUCKETS: &[(&str, &str, &str)] = &[
        ("x-ratelimit-reset-requests", "x-ratelimit-remaining-requests", "0"),
        ("x-ratelimit-reset-tokens", "x-ratelimit-remaining-tokens", "0"),
        ("x-ratelimit-reset", "x-ratelimit-remaining", "0"),
        ("anthropic-ratelimit-requests-reset", "anthropic-ratelimit-requests-remaining", "0"),
        ("anthropic-ratelimit-tokens-reset", "anthropic-ratelimit-tokens-remaining", "0"),
        ("anthropic-ratelimit-input-tokens-reset", "anthropic-ratelimit-input-tokens-remaining", "0"),
        ("anthropic-ratelimit-output-tokens-reset", "anthropic-ratelimit-output-tokens-remaining", "0"),
        ("anthropic-ratelimit-unified-reset", "anthropic-ratelimit-unified-status", "rejected"),
        ("anthropic-ratelimit-unified-5h-reset", "anthropic-ratelimit-unified-5h-status", "rejected"),
        ("anthropic-ratelimit-unified-7d-reset", "anthropic-ratelimit-unified-7d-status", "rejected"),
    ];
    BUCKETS
        .iter()
        .filter(|(_, state, empty)| header(state).is_none_or(|value| value.trim() == *empty))
        .filter_map(|(reset, _, _)| wait_ms(header(reset)?, now))
        .max()
        .map(|wait| (wait, HintSource::ResetHeader))
}

/// What an error body says about time.
#[derive(Debug, Default)]
struct Details {
    retry_info: Option<u64>,
    quota_reset_delay: Option<u64>,
    quota_reset_time: Option<u64>,
    message: Option<u64>,
    daily: bool,
    per_minute: bool,
}

impl Details {
    fn read(body: &[u8], now: Millis) -> Self {
        let mut details = Details::default();
        let body = body.get(..BODY_BYTES_MAX).unwrap_or(body);
        let text = String::from_utf8_lossy(body);
        details.read_text(&text, now, 0);
        details
    }

    fn best(&self) -> Option<(u64, HintSource)> {
        self.retry_info
            .map(|wait| (wait, HintSource::RetryInfo))
            .or(self.quota_reset_delay.map(|wait| (wait, HintSource::QuotaResetDelay)))
            .or(self.quota_reset_time.map(|wait| (wait, HintSource::QuotaResetTime)))
    }

    /// JSON, JSON behind `data:`, JSON with commas left over from splitting an array, or plain words.
    fn read_text(&mut self, text: &str, now: Millis, depth: u8) {
        let trimmed = text.trim();
        let trimmed = trimmed.strip_prefix("data:").unwrap_or(trimmed);
        let json = trimmed.trim_matches(|c: char| c == ',' || c.is_whitespace());
        match serde_json::from_str::<Value>(json) {
            Ok(value @ (Value::Object(_) | Value::Array(_))) => self.read_value(&value, now, depth),
            _ => self.message = self.message.or_else(|| message_wait(text, now)),
        }
    }

    fn read_value(&mut self, value: &Value, now: Millis, depth: u8) {
        // Stream endpoints wrap the error in an array.
        let value = value.get(0).unwrap_or(value);
        // Responses put the error under `response` in a `response.failed` event.
        let error = value.get("error").or_else(|| value.pointer("/response/error")).unwrap_or(value);
        for detail in error.get("details").and_then(Value::as_array).into_iter().flatten().take(DETAILS_MAX) {
            self.read_detail(detail, now);
        }
        let Some(message) = error.get("message").or_else(|| value.get("message")).and_then(Value::as_str) else {
            // Some servers write `{"error": "words"}`.
            self.message = self.message.or_else(|| error.as_str().and_then(|text| message_wait(text, now)));
            return;
        };
        if depth < NESTING_MAX && message.trim_start().starts_with(['{', '[']) {
            self.read_text(message, now, depth + 1);
        } else {
            self.message = self.message.or_else(|| message_wait(message, now));
        }
    }

    /// One `google.rpc` detail. All of them are looked at, in any order; the longest of a kind counts.
    fn read_detail(&mut self, detail: &Value, now: Millis) {
        let text = |value: Option<&Value>| value.and_then(Value::as_str).and_then(|text| wait_ms(text, now));
        self.retry_info = self.retry_info.max(text(detail.get("retryDelay")));
        if let Some(metadata) = detail.get("metadata") {
            self.quota_reset_delay = self.quota_reset_delay.max(text(metadata.get("quotaResetDelay")));
            self.quota_reset_time = self.quota_reset_time.max(text(metadata.get("quotaResetTimeStamp")));
        }
        for violation in detail.get("violations").and_then(Value::as_array).into_iter().flatten().take(DETAILS_MAX) {
            let id = violation.get("quotaId").and_then(Value::as_str).unwrap_or_default();
            self.daily |= id.contains("PerDay") || id.contains("Daily");
            self.per_minute |= id.contains("PerMinute");
        }
    }
}

/// The wait that a sentence names.
fn message_wait(message: &str, now: Millis) -> Option<u64> {
    const BEFORE_A_DURATION: &[&str] = &[
        "retry in ",
        "try again in ",
        "try again after ",
        "retry after ",
        "reset after ",
        "resets after ",
        "reset in ",
        "resets in ",
        "available in ",
        "available again in ",
        "wait ",
    ];
    let message = message.get(..message.floor_char_boundary(BODY_BYTES_MAX))?;
    // ASCII only, so that byte offsets stay the same.
    let lower = message.to_ascii_lowercase();
    for phrase in BEFORE_A_DURATION {
        for (at, _) in lower.match_indices(phrase) {
            let after = lower.get(at + phrase.len()..).unwrap_or_default().trim_start();
            let after = after.strip_prefix("about ").or_else(|| after.strip_prefix("approximately ")).unwrap_or(after);
            if let Some((wait, _)) = duration::scan(after) {
                return Some(wait);
            }
        }
    }
    let (_, date) = lower.split_once("regain access on ")?;
    let mut words = date.split_whitespace();
    let (day, time) = (words.next()?, words.nth(1)?);
    let time = time.trim_end_matches('.');
    moment(&format!("{day}T{time}:00Z")).map(|at| at.since(now).min(duration::WAIT_MS_MAX))
}

#[cfg(test)]
mod tests;
