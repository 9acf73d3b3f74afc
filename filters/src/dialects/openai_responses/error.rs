//! Errors: `{"error":{"message","type","param","code"}}`, and the forms that come instead of it.

use serde_json::Value;

use crate::ir::{ApiError, ErrorKind};
use crate::json::Writer;

/// Most bytes of a provider's message that are passed on.
const MESSAGE_BYTES_MAX: usize = 4_096;

/// Words by which an overflow of the context is known when no code says so.
const OVERFLOW_WORDS: [&str; 7] = [
    "maximum context length",
    "context window",
    "context length",
    "prompt is too long",
    "input is too long",
    "input tokens exceed",
    "exceeds the maximum number of tokens",
];

/// Reads an error body of any form: OpenAI's own, an error event, a failed `response`, FastAPI's `detail`, a list of
/// these, or no JSON at all. HTTP status 200 stands for an error inside a stream.
pub fn decode_error(status: u16, body: &[u8]) -> ApiError {
    let value = serde_json::from_slice::<Value>(body).unwrap_or(Value::Null);
    let value = match &value {
        Value::Array(list) => list.first().unwrap_or(&Value::Null),
        other => other,
    };
    from_value(status, value)
}

/// Reads an error out of a JSON tree.
pub(super) fn from_value(status: u16, value: &Value) -> ApiError {
    let response = value.get("response").unwrap_or(value);
    let object = match response.get("error").or_else(|| value.get("error")) {
        Some(Value::String(message)) => return classified(status, message, None, None, value),
        Some(object @ Value::Object(_)) => object,
        _ => value,
    };
    let message = match (object.get("message"), object.get("detail")) {
        (Some(Value::String(message)), _) => message.clone(),
        (_, Some(Value::String(detail))) => detail.clone(),
        (_, Some(detail)) => {
            detail.get("message").and_then(Value::as_str).map_or_else(|| detail.to_string(), str::to_owned)
        }
        _ => String::new(),
    };
    let kind = object.get("type").and_then(Value::as_str).filter(|kind| *kind != "error");
    let code = match object.get("code").or_else(|| object.get("detail")?.get("code")) {
        Some(Value::String(code)) => Some(code.as_str()),
        _ => None,
    };
    classified(status, &message, kind, code, object)
}

fn classified(status: u16, message: &str, kind: Option<&str>, code: Option<&str>, object: &Value) -> ApiError {
    let class = classify(status, &message.to_lowercase(), kind.unwrap_or_default(), code.unwrap_or_default());
    let mut message = message.to_owned();
    if message.is_empty() {
        message = match code.or(kind) {
            Some(word) => format!("the provider answered `{word}` without a message"),
            None => format!("the provider answered HTTP {status} without a readable error"),
        };
    }
    let end = (0..=MESSAGE_BYTES_MAX.min(message.len())).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
    message.truncate(end);
    let seconds = object.get("resets_in_seconds").and_then(Value::as_u64);
    ApiError {
        kind: class,
        message,
        // ChatGPT's backend says in `type` what others say in `code`.
        code: code.or_else(|| kind.filter(|kind| !is_type(kind))).map(str::to_owned),
        param: object.get("param").and_then(Value::as_str).map(str::to_owned),
        retry_after_ms: seconds.map(|seconds| seconds.saturating_mul(1_000)),
    }
}

/// Whether the word is one of OpenAI's error types, which say no more than the status.
fn is_type(word: &str) -> bool {
    word.ends_with("_error") || matches!(word, "tokens" | "requests")
}

fn classify(status: u16, message: &str, kind: &str, code: &str) -> ErrorKind {
    for word in [code, kind] {
        let class = match word {
            "context_length_exceeded" | "string_above_max_length" => ErrorKind::ContextLength,
            "insufficient_quota" | "usage_limit_reached" | "billing_hard_limit_reached" | "quota_exceeded" => {
                ErrorKind::QuotaExhausted
            }
            "billing_not_active" | "billing_error" => ErrorKind::Billing,
            "rate_limit_exceeded" | "rate_limit_error" | "too_many_requests" | "tokens" | "requests" => {
                ErrorKind::RateLimit
            }
            "invalid_api_key" | "authentication_error" | "token_expired" | "account_deactivated" => {
                ErrorKind::Authentication
            }
            "permission_error" | "usage_not_included" | "unsupported_country_region_territory" => ErrorKind::Permission,
            "model_not_found" | "not_found_error" | "previous_response_not_found" => ErrorKind::NotFound,
            "server_is_overloaded" | "overloaded_error" | "overloaded" | "slow_down" | "engine_overloaded" => {
                ErrorKind::Overloaded
            }
            "timeout" | "timeout_error" | "request_timeout" => ErrorKind::Timeout,
            "request_too_large" => ErrorKind::TooLarge,
            "service_unavailable" | "service_unavailable_error" => ErrorKind::Unavailable,
            _ => continue,
        };
        return class;
    }
    let by_status = match status {
        200..=299 if kind == "invalid_request_error" || code.starts_with("invalid_") => ErrorKind::InvalidRequest,
        200..=299 => ErrorKind::Internal,
        _ => ErrorKind::from_status(status),
    };
    let may_overflow = matches!(by_status, ErrorKind::InvalidRequest | ErrorKind::TooLarge)
        || (by_status == ErrorKind::Internal && (200..=299).contains(&status));
    if may_overflow && OVERFLOW_WORDS.iter().any(|words| message.contains(words)) {
        return ErrorKind::ContextLength;
    }
    match by_status {
        ErrorKind::RateLimit if message.contains("exceeded your current quota") => ErrorKind::QuotaExhausted,
        ErrorKind::Internal | ErrorKind::Unavailable if message.contains("overloaded") => ErrorKind::Overloaded,
        other => other,
    }
}

/// Writes an error body and gives the HTTP status to send it with.
pub fn encode_error(error: &ApiError, out: &mut Vec<u8>) -> u16 {
    Writer::new(out).object(|w| {
        w.key("error").object(|w| {
            w.key("message").str(&error.message);
            w.key("type").str(kind_word(error.kind));
            nullable(w, "param", error.param.as_deref());
            nullable(w, "code", code(error));
        });
    });
    error.kind.status()
}

/// Writes the `error` of a failed `response`: it has a code always.
pub(super) fn in_response(w: &mut Writer<'_>, error: &ApiError) {
    w.object(|w| {
        w.key("code").str(code(error).unwrap_or(match error.kind {
            ErrorKind::InvalidRequest => "invalid_prompt",
            _ => "server_error",
        }));
        w.key("message").str(&error.message);
    });
}

fn nullable(w: &mut Writer<'_>, key: &str, value: Option<&str>) {
    match value {
        Some(value) => w.key(key).str(value),
        None => w.key(key).null(),
    }
}

/// The code for OpenAI clients: theirs for the classes that they act on, else the provider's when it has OpenAI's form.
fn code(error: &ApiError) -> Option<&str> {
    let own = error.code.as_deref().filter(|code| {
        !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    });
    match error.kind {
        ErrorKind::ContextLength => Some("context_length_exceeded"),
        ErrorKind::RateLimit => own.or(Some("rate_limit_exceeded")),
        ErrorKind::QuotaExhausted => own.or(Some("insufficient_quota")),
        ErrorKind::Authentication => own.or(Some("invalid_api_key")),
        ErrorKind::Overloaded => own.filter(|code| *code != "overloaded_error").or(Some("server_is_overloaded")),
        _ => own,
    }
}

fn kind_word(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidRequest | ErrorKind::ContextLength | ErrorKind::MethodNotAllowed | ErrorKind::TooLarge => {
            "invalid_request_error"
        }
        ErrorKind::Authentication => "authentication_error",
        ErrorKind::Billing => "billing_error",
        ErrorKind::Permission => "permission_error",
        ErrorKind::NotFound => "not_found_error",
        ErrorKind::RateLimit => "rate_limit_error",
        ErrorKind::QuotaExhausted => "insufficient_quota",
        ErrorKind::Timeout => "timeout_error",
        ErrorKind::Overloaded | ErrorKind::Unavailable => "service_unavailable_error",
        ErrorKind::Cancelled | ErrorKind::Internal | ErrorKind::BadGateway => "server_error",
    }
}
