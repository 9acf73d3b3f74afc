//! Errors, both ways.

use super::*;
use crate::ir::{ApiError, ErrorKind};

fn kind(status: u16, body: &str) -> ErrorKind {
    decode_error(status, body.as_bytes()).kind
}

#[test]
fn the_vendors_own_form_is_read_whole() {
    let body = r#"{"error":{"message":"Unsupported parameter: 'temperature'","type":"invalid_request_error","param":"temperature","code":null}}"#;
    let error = decode_error(400, body.as_bytes());
    assert_eq!(error.kind, ErrorKind::InvalidRequest);
    assert_eq!(error.param.as_deref(), Some("temperature"));
    assert_eq!(error.code, None);
}

#[test]
fn codes_outrank_the_status() {
    let code = |code: &str| format!(r#"{{"error":{{"message":"m","type":"x_error","code":"{code}"}}}}"#);
    assert_eq!(kind(400, &code("context_length_exceeded")), ErrorKind::ContextLength);
    assert_eq!(kind(429, &code("insufficient_quota")), ErrorKind::QuotaExhausted);
    assert_eq!(kind(429, &code("rate_limit_exceeded")), ErrorKind::RateLimit);
    assert_eq!(kind(200, &code("server_is_overloaded")), ErrorKind::Overloaded);
    assert_eq!(kind(400, &code("model_not_found")), ErrorKind::NotFound);
    assert_eq!(kind(500, &code("strange")), ErrorKind::Internal);
}

#[test]
fn wire_154_overflow_is_known_by_words() {
    let body = r#"{"error":{"message":"Your input exceeds the context window of this model.","type":"invalid_request_error","code":null}}"#;
    assert_eq!(kind(400, body), ErrorKind::ContextLength);
    assert_eq!(kind(429, body), ErrorKind::RateLimit);
    let mut out = Vec::new();
    let status =
        encode_error(&ApiError::new(ErrorKind::ContextLength, "prompt is too long: 9 tokens > 8 maximum"), &mut out);
    assert_eq!(status, 400);
    let error = &parsed(&out)["error"];
    assert_eq!(error["code"], "context_length_exceeded");
    assert_eq!(error["type"], "invalid_request_error");
    assert_eq!(error["message"], "prompt is too long: 9 tokens > 8 maximum");
}

#[test]
fn any_bytes_give_an_error() {
    for body in
        ["", "<html>Bad gateway</html>", "[]", "null", "7", "\"x\"", "{}", "[{\"error\":{}}]", "{\"error\":5}", "\u{0}"]
    {
        let error = decode_error(502, body.as_bytes());
        assert_eq!(error.kind, ErrorKind::BadGateway, "{body}");
        assert!(!error.message.is_empty() && !error.message.contains('<'), "{body}");
    }
    assert_eq!(decode_error(503, b"\xff\xfe").kind, ErrorKind::Unavailable);
    assert_eq!(decode_error(429, br#"[{"error":{"message":"slow"}}]"#).message, "slow");
    assert_eq!(decode_error(400, br#"{"detail":"Unsupported content type"}"#).message, "Unsupported content type");
    assert_eq!(decode_error(401, br#"{"error":"no key"}"#).message, "no key");
}

#[test]
fn a_long_message_is_cut_between_characters() {
    let body = serde_json::json!({"error": {"message": "ü".repeat(10_000)}}).to_string();
    let message = decode_error(400, body.as_bytes()).message;
    assert!(message.len() <= 4_096 && message.len() > 4_000);
}

#[test]
fn a_usage_limit_tells_when_it_ends() {
    let body = r#"{"error":{"type":"usage_limit_reached","message":"The usage limit has been reached","plan_type":"plus","resets_in_seconds":90}}"#;
    let error = decode_error(429, body.as_bytes());
    assert_eq!((error.kind, error.retry_after_ms), (ErrorKind::QuotaExhausted, Some(90_000)));
    assert_eq!(error.code.as_deref(), Some("usage_limit_reached"));
}

#[test]
fn every_class_is_said_and_read_again() {
    use ErrorKind::*;
    for kind in [
        InvalidRequest,
        ContextLength,
        Authentication,
        Billing,
        Permission,
        NotFound,
        RateLimit,
        QuotaExhausted,
        Internal,
        Unavailable,
        Timeout,
        Overloaded,
    ] {
        let mut out = Vec::new();
        let status = encode_error(&ApiError::new(kind, "m"), &mut out);
        assert_eq!(status, kind.status());
        assert_eq!(decode_error(status, &out).kind, kind);
        for member in ["message", "type", "param", "code"] {
            assert!(parsed(&out)["error"].get(member).is_some(), "{member}");
        }
    }
}

#[test]
fn foreign_codes_become_the_clients_own() {
    let mut error = ApiError::new(ErrorKind::RateLimit, "m");
    error.code = Some("RATE_LIMIT_EXCEEDED".to_owned());
    let mut out = Vec::new();
    encode_error(&error, &mut out);
    assert_eq!(parsed(&out)["error"]["code"], "rate_limit_exceeded");
}
