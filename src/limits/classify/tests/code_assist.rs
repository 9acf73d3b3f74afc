//! Refusals of Code Assist, with the bodies that they come in.

use super::*;

/// A Code Assist refusal as it comes, read the way the proxy reads it.
fn code_assist(status: u16, error: &str) -> Failure {
    let body = format!("[{{\"error\":{error}}}]");
    let now = crate::pool::time::Millis(1_760_986_800_000);
    let told = interlingua_filters::dialects::decode_error(Gemini, status, body.as_bytes());
    let hint = crate::limits::hint(status, &|_| None, body.as_bytes(), now);
    classify(Gemini, Some(status), Some(&told), hint, None, &D)
}

#[test]
fn code_assist_refusals_have_their_scopes() {
    let info = |reason: &str, more: &str| {
        format!(
            r#"{{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"{reason}","domain":"cloudcode-pa.googleapis.com"{more}}}"#
        )
    };
    let error = |code: u16, message: &str, details: &str| {
        format!(r#"{{"code":{code},"message":"{message}","status":"X","details":[{details}]}}"#)
    };
    let metadata = r#","metadata":{"uiMessage":"true","model":"gemini-2.5-pro","quotaResetDelay":"539.477544ms"}"#;
    let help = r#"{"@type":"type.googleapis.com/google.rpc.Help","links":[]}"#;
    let cases = [
        // The detail that counts is not always the first.
        (
            429,
            error(
                429,
                "You have exhausted your capacity on this model.",
                &format!("{help},{}", info("RATE_LIMIT_EXCEEDED", metadata)),
            ),
            (Reason::RateLimit, Scope::AccountModel, Some(540)),
        ),
        (
            429,
            error(429, "x", &info("QUOTA_EXHAUSTED", r#","metadata":{"quotaResetTimeStamp":"2025-10-20T20:00:00Z"}"#)),
            (Reason::QuotaExhausted, Scope::AccountModel, Some(3_600_000)),
        ),
        (
            429,
            error(
                429,
                "No capacity available for model gemini-2.5-pro on the server",
                &info("MODEL_CAPACITY_EXHAUSTED", ""),
            ),
            (Reason::Capacity, Scope::Model, None),
        ),
        (
            429,
            error(429, "No capacity available for model gemini-2.5-pro on the server", ""),
            (Reason::Capacity, Scope::Model, None),
        ),
        (
            429,
            error(429, "Your quota will reset after 19h14m47s.", ""),
            (Reason::RateLimit, Scope::AccountModel, Some(69_287_000)),
        ),
        (
            403,
            error(403, "x", &info("VALIDATION_REQUIRED", "")),
            (Reason::OperatorNeeded, Scope::Account, Some(600_000)),
        ),
        (
            404,
            error(404, "Requested entity was not found.", "").replace("\"X\"", "\"NOT_FOUND\""),
            (Reason::ModelMissing, Scope::AccountModel, Some(60_000)),
        ),
        (429, error(429, "quota, limit: 0, model: g", ""), (Reason::NotEntitled, Scope::AccountModel, Some(60_000))),
        (
            429,
            error(
                429,
                r#"{\"error\":{\"code\":429,\"message\":\"Please retry in 7s\",\"status\":\"RESOURCE_EXHAUSTED\"}}"#,
                "",
            ),
            (Reason::RateLimit, Scope::AccountModel, Some(7_000)),
        ),
    ];
    for (status, error, expected) in cases {
        let failure = code_assist(status, &error);
        assert_eq!((failure.reason, failure.scope, failure.cooldown_ms), expected, "{error}");
    }
}
