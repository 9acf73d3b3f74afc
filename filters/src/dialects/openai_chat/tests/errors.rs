//! Errors both ways.

use super::*;
use crate::ir::{ApiError, ErrorKind};

const ALL: [ErrorKind; 16] = [
    ErrorKind::InvalidRequest,
    ErrorKind::ContextLength,
    ErrorKind::Authentication,
    ErrorKind::Billing,
    ErrorKind::Permission,
    ErrorKind::NotFound,
    ErrorKind::MethodNotAllowed,
    ErrorKind::TooLarge,
    ErrorKind::RateLimit,
    ErrorKind::QuotaExhausted,
    ErrorKind::Cancelled,
    ErrorKind::Internal,
    ErrorKind::BadGateway,
    ErrorKind::Unavailable,
    ErrorKind::Timeout,
    ErrorKind::Overloaded,
];

fn kind(status: u16, body: &str) -> ErrorKind {
    decode_error(status, body.as_bytes()).kind
}

#[test]
fn every_class_comes_back_by_status_and_inside_a_stream() {
    for wanted in ALL {
        let mut out = Vec::new();
        let status = encode_error(&ApiError::new(wanted, "words"), &mut out);
        assert_eq!(status, wanted.status());
        for status in [status, 200] {
            let error = decode_error(status, &out);
            assert_eq!((error.kind, error.message.as_str()), (wanted, "words"), "{status}");
        }
    }
}

#[test]
fn real_bodies_are_classified() {
    for (status, body, wanted) in [
        (
            404,
            r#"{"error":{"code":"model_not_found","message":"The model `x` does not exist","param":null,"type":"invalid_request_error"}}"#,
            ErrorKind::NotFound,
        ),
        (
            400,
            r#"{"error":{"code":null,"message":"Web search options not supported with this model.","param":"web_search_options","type":"invalid_request_error"}}"#,
            ErrorKind::InvalidRequest,
        ),
        (
            400,
            r#"{"error":{"message":"This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
            ErrorKind::ContextLength,
        ),
        (
            400,
            r#"{"object":"error","message":"This model's maximum context length is 4096 tokens.","type":"BadRequestError","param":null,"code":400}"#,
            ErrorKind::ContextLength,
        ),
        (
            401,
            r#"{"error":{"message":"Incorrect API key provided: sk-x.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#,
            ErrorKind::Authentication,
        ),
        (
            400,
            r#"[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}]"#,
            ErrorKind::Authentication,
        ),
        (
            429,
            r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
            ErrorKind::QuotaExhausted,
        ),
        (
            429,
            r#"{"error":{"message":"Rate limit reached for gpt-4o on tokens per min (TPM): too many tokens","type":"tokens","param":null,"code":"rate_limit_exceeded"}}"#,
            ErrorKind::RateLimit,
        ),
        (
            402,
            r#"{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}"#,
            ErrorKind::Billing,
        ),
        (
            200,
            r#"{"error":{"message":"Provider returned error","code":502,"metadata":{"raw":"boom"}}}"#,
            ErrorKind::BadGateway,
        ),
        (
            200,
            r#"{"error":{"code":429,"message":"Resource exhausted","status":"RESOURCE_EXHAUSTED"}}"#,
            ErrorKind::RateLimit,
        ),
        (422, r#"{"detail":[{"loc":["body","messages"],"msg":"field required"}]}"#, ErrorKind::InvalidRequest),
        (503, "<html><body>Service Unavailable</body></html>", ErrorKind::Unavailable),
        (500, "", ErrorKind::Internal),
        (502, "upstream connect error", ErrorKind::BadGateway),
        (200, r#"{"error":"it broke"}"#, ErrorKind::Internal),
    ] {
        assert_eq!(kind(status, body), wanted, "{body}");
    }
}

#[test]
fn messages_say_what_is_known() {
    let message = |body: &str| decode_error(500, body.as_bytes()).message;
    assert_eq!(message(r#"{"error":"it broke"}"#), "it broke");
    assert_eq!(
        message(r#"{"error":{"message":"Provider returned error","metadata":{"raw":"boom"}}}"#),
        "Provider returned error: boom"
    );
    assert_eq!(message("plain words"), "plain words");
    assert!(message("<html>secret page</html>").contains("status 500"));
    assert!(message(&"é".repeat(9000)).len() <= 4096);
    assert_eq!(decode_error(400, br#"{"error":{"message":"m","param":"p","code":"c"}}"#).param.as_deref(), Some("p"));
}

#[test]
fn wire_154_overflow_has_the_code_that_clients_know() {
    let mut out = Vec::new();
    let error =
        ApiError { code: Some("prompt_too_long".to_owned()), ..ApiError::new(ErrorKind::ContextLength, "long") };
    encode_error(&error, &mut out);
    let text = String::from_utf8(out).unwrap();
    assert_eq!(
        text,
        r#"{"error":{"message":"long","type":"invalid_request_error","param":null,"code":"context_length_exceeded"}}"#
    );
}
