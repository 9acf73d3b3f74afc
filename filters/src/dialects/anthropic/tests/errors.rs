use proptest::prelude::*;

use super::*;
use crate::ir::{ApiError, ErrorKind};

fn written(error: &ApiError) -> (u16, Value) {
    let mut out = Vec::new();
    let status = encode_error(error, &mut out);
    (status, serde_json::from_slice(&out).unwrap())
}

#[test]
fn the_providers_errors_are_read() {
    for (status, body, kind) in [
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"max_tokens: Field required"},"request_id":"req_1"}"#,
            ErrorKind::InvalidRequest,
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 212345 tokens > 200000 maximum"}}"#,
            ErrorKind::ContextLength,
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000"}}"#,
            ErrorKind::ContextLength,
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the API."}}"#,
            ErrorKind::Billing,
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits. You will regain access on 2026-12-01."}}"#,
            ErrorKind::QuotaExhausted,
        ),
        (
            401,
            r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}"#,
            ErrorKind::Authentication,
        ),
        (402, r#"{"type":"error","error":{"type":"billing_error","message":"pay"}}"#, ErrorKind::Billing),
        (403, r#"{"type":"error","error":{"type":"permission_error","message":"no"}}"#, ErrorKind::Permission),
        (404, r#"{"type":"error","error":{"type":"not_found_error","message":"model: x"}}"#, ErrorKind::NotFound),
        (413, r#"{"type":"error","error":{"type":"request_too_large","message":"big"}}"#, ErrorKind::TooLarge),
        (429, r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}"#, ErrorKind::RateLimit),
        (500, r#"{"type":"error","error":{"type":"api_error","message":"boom"}}"#, ErrorKind::Internal),
        (504, r#"{"type":"error","error":{"type":"timeout_error","message":"slow"}}"#, ErrorKind::Timeout),
        (529, r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, ErrorKind::Overloaded),
        (200, r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#, ErrorKind::Overloaded),
        (429, r#"[{"error":{"code":429,"message":"Quota","status":"RESOURCE_EXHAUSTED"}}]"#, ErrorKind::RateLimit),
        (502, "<html><body>Bad Gateway</body></html>", ErrorKind::BadGateway),
        (503, "", ErrorKind::Unavailable),
        (500, r#"{"error":"plain"}"#, ErrorKind::Internal),
        (400, r#"{"message":"plain"}"#, ErrorKind::InvalidRequest),
        (400, "[]", ErrorKind::InvalidRequest),
    ] {
        let error = decode_error(status, body.as_bytes());
        assert_eq!(error.kind, kind, "{body}");
        assert!(!error.message.is_empty() && !error.message.contains("<html"), "{}", error.message);
    }
}

#[test]
fn every_class_keeps_its_meaning_on_the_way_through() {
    use ErrorKind as E;
    for kind in [
        E::InvalidRequest,
        E::ContextLength,
        E::Authentication,
        E::Billing,
        E::Permission,
        E::NotFound,
        E::TooLarge,
        E::RateLimit,
        E::Cancelled,
        E::Internal,
        E::BadGateway,
        E::Unavailable,
        E::Timeout,
        E::Overloaded,
    ] {
        let (status, body) = written(&ApiError::new(kind, "words"));
        assert_eq!(status, if kind == E::Overloaded { 529 } else { kind.status() });
        assert_eq!(decode_error(status, body.to_string().as_bytes()).kind, kind);
    }
}

#[test]
fn wire_154_overflow_in_the_words_that_clients_read() {
    let own = "prompt is too long: 212345 tokens > 200000 maximum";
    for (said, told) in [
        (own, own),
        (
            "This model's maximum context length is 128000 tokens. However, your messages resulted in 130001 tokens.",
            "prompt is too long: 130001 tokens > 128000 maximum",
        ),
        (
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            "prompt is too long: 1200000 tokens > 1048576 maximum",
        ),
        (
            "gpt-4-0613: maximum context length is 8,192 tokens, you requested 9,000 tokens (8000 in your prompt; 1000 for the completion).",
            "prompt is too long: 9000 tokens > 8192 maximum",
        ),
        (
            "Your input exceeds the context window of this model.",
            "prompt is too long: Your input exceeds the context window of this model.",
        ),
    ] {
        let (status, body) = written(&ApiError::new(ErrorKind::ContextLength, said));
        assert_eq!((status, body["error"]["message"].as_str()), (400, Some(told)));
        assert_eq!(body["error"]["type"], "invalid_request_error");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_an_error(status in 100..600u16, body in proptest::collection::vec(any::<u8>(), 0..64)) {
        prop_assert!(!decode_error(status, &body).message.is_empty());
    }
}
