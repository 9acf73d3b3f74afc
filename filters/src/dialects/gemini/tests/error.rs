use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::ir::{ApiError, ErrorKind};

fn read(status: u16, body: &Value) -> ApiError {
    decode_error(status, body.to_string().as_bytes())
}

fn google(code: u16, status: &str, message: &str, details: &Value) -> ApiError {
    read(code, &json!({"error": {"code": code, "message": message, "status": status, "details": details}}))
}

#[test]
fn wire_095_a_bad_key_is_400_but_authentication() {
    let details = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com"}]);
    let error = google(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", &details);
    assert_eq!((error.kind, error.code.as_deref()), (ErrorKind::Authentication, Some("API_KEY_INVALID")));
    let bare = google(400, "INVALID_ARGUMENT", "API key not valid.", &json!([]));
    assert_eq!(bare.kind, ErrorKind::Authentication);
}

#[test]
fn wire_095_context_overflow_is_known_by_words() {
    let words = "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).";
    assert_eq!(google(400, "INVALID_ARGUMENT", words, &Value::Null).kind, ErrorKind::ContextLength);
    let cap = "max_output_tokens must not exceed 65536 tokens";
    assert_eq!(google(400, "INVALID_ARGUMENT", cap, &Value::Null).kind, ErrorKind::InvalidRequest);
}

#[test]
fn wire_096_errors_in_arrays() {
    let error = read(429, &json!([{"error": {"code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED"}}]));
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::RateLimit, "slow"));
}

#[test]
fn quotas_and_waits() {
    let quota = |id: &str, delay: &str| {
        json!([
            {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": "A"}, {"quotaId": id}]},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay},
        ])
    };
    let minute = google(429, "RESOURCE_EXHAUSTED", "m", &quota("GenerateRequestsPerMinute", "3.5s"));
    assert_eq!((minute.kind, minute.retry_after_ms), (ErrorKind::RateLimit, Some(3_500)));
    let day = google(429, "RESOURCE_EXHAUSTED", "m", &quota("GenerateRequestsPerDay", "1h16m0.667s"));
    assert_eq!((day.kind, day.retry_after_ms), (ErrorKind::QuotaExhausted, Some(4_560_667)));
    let info = json!([{"@type": "x.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED", "metadata": {"quotaResetDelay": "539.477544ms"}}]);
    assert_eq!(google(429, "RESOURCE_EXHAUSTED", "m", &info).retry_after_ms, Some(540));
    let bad = json!([{"@type": "x.RetryInfo", "retryDelay": "soon"}, {"@type": 5}, 7]);
    assert_eq!(google(429, "RESOURCE_EXHAUSTED", "m", &bad).retry_after_ms, None);
}

#[test]
fn wrapped_and_unreadable_bodies() {
    let inner =
        json!([{"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}]).to_string();
    assert_eq!(read(503, &json!({"error": {"message": inner}})).kind, ErrorKind::Overloaded);
    let page = decode_error(502, b"<html>secret</html>");
    assert_eq!(page.kind, ErrorKind::BadGateway);
    assert!(!page.message.contains("secret"));
    assert_eq!(decode_error(401, b"").kind, ErrorKind::Authentication);
    assert!(decode_error(500, "é".repeat(999).as_bytes()).message.len() < 300);
    assert_eq!(read(404, &json!({"error": "gone"})).message, "gone");
}

#[test]
fn wire_145_codes_are_integers_and_every_kind_comes_back() {
    use ErrorKind::*;
    for kind in [
        InvalidRequest,
        ContextLength,
        Authentication,
        Billing,
        Permission,
        NotFound,
        MethodNotAllowed,
        TooLarge,
        RateLimit,
        QuotaExhausted,
        Cancelled,
        Internal,
        BadGateway,
        Unavailable,
        Timeout,
        Overloaded,
    ] {
        let error =
            ApiError { param: Some("a".to_owned()), retry_after_ms: Some(3_500), ..ApiError::new(kind, "words") };
        let mut out = Vec::new();
        let status = encode_error(&error, &mut out);
        let body = value(&out);
        assert_eq!((body["error"]["code"].as_u64(), status), (Some(kind.status().into()), kind.status()));
        assert_eq!(body["error"]["details"].as_array().unwrap().last().unwrap()["retryDelay"], "3.5s");
        let back = decode_error(status, &out);
        assert_eq!((back.kind, back.message.as_str(), back.param.as_deref()), (kind, "words", Some("a")));
        assert_eq!(back.retry_after_ms, Some(3_500));
    }
    let mut out = Vec::new();
    encode_error(&ApiError::new(ErrorKind::NotFound, "no"), &mut out);
    assert_eq!(value(&out), json!({"error": {"code": 404, "message": "no", "status": "NOT_FOUND"}}));
}

proptest! {
    #[test]
    fn any_bytes_are_some_error(status in any::<u16>(), bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        prop_assert!(!decode_error(status, &bytes).message.is_empty());
    }

    #[test]
    fn waits_come_back(wait in 0_u64..1_000_000_000) {
        let mut out = Vec::new();
        let error = ApiError { retry_after_ms: Some(wait), ..ApiError::new(ErrorKind::RateLimit, "m") };
        let status = encode_error(&error, &mut out);
        prop_assert_eq!(decode_error(status, &out), ApiError { code: Some("RESOURCE_EXHAUSTED".to_owned()), ..error });
    }
}
