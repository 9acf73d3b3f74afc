use proptest::prelude::*;

use super::{Hint, HintSource, hint, wait_ms};
use crate::pool::time::Millis;

/// 2025-10-20T19:00:00Z
const NOW: Millis = Millis(1_760_986_800_000);

fn read(status: u16, headers: &[(&str, &'static str)], body: &str) -> Option<Hint> {
    let lookup = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    hint(status, &lookup, body.as_bytes(), NOW)
}

fn wait(status: u16, headers: &[(&str, &'static str)], body: &str) -> Option<(u64, HintSource)> {
    read(status, headers, body).map(|hint| (hint.wait_ms, hint.source))
}

#[test]
fn wire_129_retry_after_in_all_forms() {
    for (value, ms) in [
        ("7", 7_000),
        ("0.25", 250),
        ("0", 0),
        ("Mon, 20 Oct 2025 19:00:30 GMT", 30_000),
        ("Monday, 20-Oct-25 19:00:30 GMT", 30_000),
        ("Mon Oct 20 19:00:30 2025", 30_000),
        ("Mon, 20 Oct 2025 18:00:30 GMT", 0),
        ("1m30s", 90_000),
    ] {
        assert_eq!(wait(429, &[("retry-after", value)], ""), Some((ms, HintSource::RetryAfter)), "{value}");
    }
    assert_eq!(wait(429, &[("retry-after", "soon")], ""), None);
}

#[test]
fn wire_129_milliseconds_win_over_seconds() {
    let headers = [("retry-after", "2"), ("retry-after-ms", "1250")];
    assert_eq!(wait(503, &headers, ""), Some((1_250, HintSource::RetryAfterMs)));
}

#[test]
fn wire_129_openai_reset_counts_only_for_the_empty_bucket() {
    let headers = [
        ("x-ratelimit-remaining-requests", "9999"),
        ("x-ratelimit-reset-requests", "8h0m0s"),
        ("x-ratelimit-remaining-tokens", "0"),
        ("x-ratelimit-reset-tokens", "6m0s"),
    ];
    assert_eq!(wait(429, &headers, ""), Some((360_000, HintSource::ResetHeader)));
    assert_eq!(wait(200, &headers, ""), None, "these come with every answer");
}

#[test]
fn wire_129_anthropic_resets() {
    let headers = [
        ("anthropic-ratelimit-input-tokens-remaining", "0"),
        ("anthropic-ratelimit-input-tokens-reset", "2025-10-20T19:00:41Z"),
        ("anthropic-ratelimit-requests-remaining", "49"),
        ("anthropic-ratelimit-requests-reset", "2025-10-20T20:00:00Z"),
    ];
    assert_eq!(wait(429, &headers, ""), Some((41_000, HintSource::ResetHeader)));
    let unified = [
        ("anthropic-ratelimit-unified-5h-status", "rejected"),
        ("anthropic-ratelimit-unified-5h-reset", "1760994000"),
        ("anthropic-ratelimit-unified-7d-status", "allowed"),
        ("anthropic-ratelimit-unified-7d-reset", "1761500000"),
    ];
    assert_eq!(wait(429, &unified, ""), Some((7_200_000, HintSource::ResetHeader)));
}

const CODE_ASSIST: &str = r#"{"error":{"code":429,"message":"You have exhausted your capacity on this model. Your quota will reset after 19h14m47s.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.Help","links":[]},{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"RATE_LIMIT_EXCEEDED","domain":"cloudcode-pa.googleapis.com","metadata":{"uiMessage":"true","model":"gemini-2.5-pro","quotaResetDelay":"1h16m0.667923083s","quotaResetTimeStamp":"2025-10-20T20:16:00Z"}},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"3.512s"}]}}"#;

#[test]
fn google_details_are_read_wherever_they_stand() {
    assert_eq!(wait(429, &[], CODE_ASSIST), Some((3_512, HintSource::RetryInfo)));
    let without = CODE_ASSIST.replace(r#""retryDelay":"3.512s""#, r#""other":1"#);
    assert_eq!(wait(429, &[], &without), Some((4_560_668, HintSource::QuotaResetDelay)));
    let without = without.replace("quotaResetDelay", "x");
    assert_eq!(wait(429, &[], &without), Some((4_560_000, HintSource::QuotaResetTime)));
    let without = without.replace("quotaResetTimeStamp", "x");
    assert_eq!(wait(429, &[], &without), Some((69_287_000, HintSource::Message)));
}

#[test]
fn wire_096_google_errors_in_an_array_a_string_or_an_event() {
    let expected = Some((3_512, HintSource::RetryInfo));
    assert_eq!(wait(429, &[], &format!("[{CODE_ASSIST}]")), expected);
    assert_eq!(wait(429, &[], &format!("data: {CODE_ASSIST}\n\n")), expected);
    assert_eq!(wait(429, &[], &format!(",\n{CODE_ASSIST},")), expected);
    let nested = serde_json::json!({"error": {"message": CODE_ASSIST, "code": 429, "status": "Too Many Requests"}});
    assert_eq!(wait(429, &[], &nested.to_string()), expected);
}

#[test]
fn lesson_7_a_429_without_details_gives_nothing() {
    let bare = r#"{"error":{"code":429,"message":"Resource has been exhausted (e.g. check quota).","status":"RESOURCE_EXHAUSTED"}}"#;
    assert_eq!(read(429, &[], bare), None);
}

#[test]
fn a_daily_quota_lasts_until_it_is_renewed_whatever_the_delay_says() {
    let body = r#"{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details. Please retry in 37.5s.","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerMinutePerProjectPerModel-FreeTier"},{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"37s"}]}}"#;
    // 19:00 to 08:00 UTC.
    let expected = Hint { wait_ms: 13 * 3_600_000, source: HintSource::QuotaId, daily: true };
    assert_eq!(read(429, &[], body), Some(expected));
    let exact = body.replace("\"37s\"", "\"51820.6s\"");
    let expected = Hint { wait_ms: 51_820_600, source: HintSource::RetryInfo, daily: true };
    assert_eq!(read(429, &[], &exact), Some(expected));
}

#[test]
fn a_minute_quota_without_a_delay_lasts_a_minute() {
    let body = r#"{"error":{"code":429,"message":"Quota exceeded.","status":"RESOURCE_EXHAUSTED","details":[{"violations":[{"quotaId":"GenerateRequestsPerMinutePerProjectPerModel"}]}]}}"#;
    assert_eq!(wait(429, &[], body), Some((60_000, HintSource::QuotaId)));
}

#[test]
fn wire_129_message_texts() {
    for (message, ms) in [
        (
            "Rate limit reached for gpt-5 on requests per min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s. Visit",
            20_000,
        ),
        ("Rate limit reached on tokens per min (TPM). Please try again in 20ms.", 20),
        ("Rate limit reached. Please try again in 1m30s.", 90_000),
        ("Quota exceeded. Please retry in 37.5s.", 37_500),
        (
            "Requests have exceeded the rate limit of your tier. Please retry after 86400 seconds. Please go here",
            86_400_000,
        ),
        ("Please wait about 2 minutes", 120_000),
        (
            "You have reached your specified API usage limits. You will regain access on 2025-10-21 at 00:00 UTC.",
            18_000_000,
        ),
    ] {
        let body = serde_json::json!({"error": {"message": message, "type": "tokens", "code": "rate_limit_exceeded"}});
        assert_eq!(wait(429, &[], &body.to_string()), Some((ms, HintSource::Message)), "{message}");
        assert_eq!(wait(429, &[], message), Some((ms, HintSource::Message)), "plain text: {message}");
    }
    let failed = r#"{"type":"response.failed","response":{"error":{"code":"rate_limit_exceeded","message":"Please try again in 1.2s."}}}"#;
    assert_eq!(wait(200, &[], failed), Some((1_200, HintSource::Message)));
    assert_eq!(wait(429, &[], "please wait before you try again in a while"), None);
}

#[test]
fn a_message_wins_over_when_the_bucket_is_full_again() {
    let headers = [("x-ratelimit-reset-tokens", "6m0s")];
    let body = r#"{"error":{"message":"Please try again in 1.5s."}}"#;
    assert_eq!(wait(429, &headers, body), Some((1_500, HintSource::Message)));
}

#[test]
fn epoch_numbers_are_moments() {
    assert_eq!(wait_ms("1760986860", NOW), Some(60_000));
    assert_eq!(wait_ms("1760986860000", NOW), Some(60_000));
    assert_eq!(wait_ms("1760986860.5", NOW), Some(60_500));
    assert_eq!(wait_ms("1000", NOW), Some(1_000_000));
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(body in proptest::collection::vec(any::<u8>(), 0..200), value in "\\PC{0,30}", now: u64) {
        let value: &'static str = Box::leak(value.into_boxed_str());
        let found = hint(429, &|_| Some(value), &body, Millis(now));
        prop_assert!(found.is_none_or(|hint| hint.wait_ms <= crate::limits::duration::WAIT_MS_MAX));
    }

    #[test]
    fn a_date_and_its_seconds_agree(seconds in 0u64..2_000_000) {
        let at = jiff::Timestamp::from_millisecond(i64::try_from(NOW.0 + seconds * 1000).unwrap()).unwrap();
        prop_assert_eq!(wait_ms(&at.to_string(), NOW), Some(seconds * 1000));
        let date = std::time::UNIX_EPOCH + std::time::Duration::from_millis(NOW.0 + seconds * 1000);
        prop_assert_eq!(wait_ms(&httpdate::fmt_http_date(date), NOW), Some(seconds * 1000));
    }

    #[test]
    fn any_delay_survives_google_s_form(ms in 0u64..100_000_000) {
        let body = format!(r#"{{"error":{{"details":[{{"retryDelay":"{}.{:03}s"}}]}}}}"#, ms / 1000, ms % 1000);
        prop_assert_eq!(wait(429, &[], &body), Some((ms, HintSource::RetryInfo)));
    }
}
