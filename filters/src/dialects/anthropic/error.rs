//! Errors: `{"type":"error","error":{"type":…,"message":…},"request_id":…}`.
//!
//! The class is in `error.type`; what has no type of its own (context overflow, unpaid, quota) is known by its words.

use crate::ir::{ApiError, ErrorKind};
use crate::json::{Num, Raw, Str, Writer};
use crate::wire_object;

wire_object! {
    struct ErrorBody<'a> {
        error: Raw<'a> = "error",
        message: Str<'a> = "message",
    }
}

wire_object! {
    struct ErrorWire<'a> {
        kind: Str<'a> = "type",
        message: Str<'a> = "message",
        status: Str<'a> = "status",
        code: Raw<'a> = "code",
    }
}

/// Characters of a body that is no JSON which an error message repeats.
const EXCERPT_MAX: usize = 300;

/// Wording by which clients of this dialect know a context overflow.
const TOO_LONG: &str = "prompt is too long";

/// Reads an error answer of any shape.
pub fn decode_error(status: u16, body: &[u8]) -> ApiError {
    let Ok(text) = std::str::from_utf8(body) else {
        return ApiError::new(
            ErrorKind::from_status(status),
            format!("the provider answered HTTP {status} in no text"),
        );
    };
    // Google's front ends wrap an error in a list.
    let first = serde_json::from_str::<Vec<Raw<'_>>>(text).ok().and_then(|list| list.into_iter().next());
    let text = first.as_ref().map_or(text, Raw::get);
    let Ok(body) = serde_json::from_str::<ErrorBody<'_>>(text) else {
        return ApiError::new(ErrorKind::from_status(status), excerpt(status, text));
    };
    let nested = body.error.as_ref();
    let wire = nested.and_then(Raw::read::<ErrorWire<'_>>).unwrap_or_default();
    let message = wire.message.or_else(|| nested.and_then(Raw::read::<Str<'_>>)).or(body.message);
    let message = match message {
        Some(message) if !message.trim().is_empty() => message.0.into_owned(),
        _ => excerpt(status, text),
    };
    let known = wire.kind.as_deref().and_then(kind_of_type).or_else(|| wire.status.as_deref().and_then(kind_of_status));
    let numeric = wire.code.as_ref().and_then(Raw::read::<Num<'_>>).and_then(|code| code.as_u64());
    let status =
        if status < 400 { numeric.and_then(|code| u16::try_from(code).ok()).unwrap_or(status) } else { status };
    let kind = by_words(known.unwrap_or_else(|| ErrorKind::from_status(status)), &message);
    let mut error = ApiError::new(kind, message);
    error.code = wire.code.as_ref().and_then(Raw::read::<Str<'_>>).map(|code| code.0.into_owned());
    if error.code.is_none() {
        // A type that says more than its class, or a Google status: worth keeping.
        let foreign = wire.kind.filter(|kind| kind_of_type(kind).is_none()).or(wire.status);
        error.code = foreign.map(|word| word.0.into_owned());
    }
    error
}

/// Writes an error for a client of this dialect and gives its HTTP status.
pub fn encode_error(error: &ApiError, out: &mut Vec<u8>) -> u16 {
    body(error, &mut Writer::new(out));
    match error.kind {
        ErrorKind::Overloaded => 529,
        kind => kind.status(),
    }
}

/// Writes the error object, as a body or as the data of an `error` event.
pub(super) fn body(error: &ApiError, w: &mut Writer<'_>) {
    w.object(|w| {
        w.key("type").str("error");
        w.key("error").object(|w| {
            w.key("type").str(type_of(error.kind));
            match error.kind {
                ErrorKind::ContextLength => w.key("message").str(&too_long(&error.message)),
                _ => w.key("message").str(&error.message),
            }
        });
    });
}

fn type_of(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidRequest | ErrorKind::ContextLength | ErrorKind::MethodNotAllowed => "invalid_request_error",
        ErrorKind::Authentication => "authentication_error",
        ErrorKind::Billing => "billing_error",
        ErrorKind::Permission => "permission_error",
        ErrorKind::NotFound => "not_found_error",
        ErrorKind::TooLarge => "request_too_large",
        ErrorKind::RateLimit | ErrorKind::QuotaExhausted => "rate_limit_error",
        ErrorKind::Cancelled | ErrorKind::Internal | ErrorKind::BadGateway | ErrorKind::Unavailable => "api_error",
        ErrorKind::Timeout => "timeout_error",
        ErrorKind::Overloaded => "overloaded_error",
    }
}

fn kind_of_type(word: &str) -> Option<ErrorKind> {
    Some(match word {
        "invalid_request_error" => ErrorKind::InvalidRequest,
        "authentication_error" => ErrorKind::Authentication,
        "billing_error" => ErrorKind::Billing,
        "permission_error" => ErrorKind::Permission,
        "not_found_error" => ErrorKind::NotFound,
        "request_too_large" => ErrorKind::TooLarge,
        "rate_limit_error" => ErrorKind::RateLimit,
        "timeout_error" => ErrorKind::Timeout,
        "overloaded_error" => ErrorKind::Overloaded,
        _ => return None,
    })
}

/// Vertex AI serves this dialect with Google's errors.
fn kind_of_status(word: &str) -> Option<ErrorKind> {
    Some(match word {
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" => ErrorKind::InvalidRequest,
        "UNAUTHENTICATED" => ErrorKind::Authentication,
        "PERMISSION_DENIED" => ErrorKind::Permission,
        "NOT_FOUND" => ErrorKind::NotFound,
        "RESOURCE_EXHAUSTED" => ErrorKind::RateLimit,
        "CANCELLED" => ErrorKind::Cancelled,
        "INTERNAL" => ErrorKind::Internal,
        "UNAVAILABLE" => ErrorKind::Unavailable,
        "DEADLINE_EXCEEDED" => ErrorKind::Timeout,
        _ => return None,
    })
}

/// The class, with what only the message tells.
fn by_words(kind: ErrorKind, message: &str) -> ErrorKind {
    let says = |words: &str| memchr::memmem::find(message.to_ascii_lowercase().as_bytes(), words.as_bytes()).is_some();
    match kind {
        ErrorKind::InvalidRequest | ErrorKind::TooLarge
            if says(TOO_LONG)
                || says("exceed context limit")
                || says("context window")
                || says("maximum context length")
                || says("input is too long") =>
        {
            ErrorKind::ContextLength
        }
        ErrorKind::InvalidRequest | ErrorKind::Permission if says("credit balance is too low") => ErrorKind::Billing,
        ErrorKind::InvalidRequest | ErrorKind::RateLimit if says("reached your specified api usage limits") => {
            ErrorKind::QuotaExhausted
        }
        // "Number of concurrent connections has exceeded your rate limit" and the like stay what they are.
        kind => kind,
    }
}

/// A context overflow in the words that clients of this dialect look for: `prompt is too long: N tokens > M maximum`.
/// The numbers are read out of the message where it has them.
fn too_long(message: &str) -> String {
    // Both are this dialect's own; clients read the numbers out of either.
    if message.contains(TOO_LONG) || message.contains("exceed context limit") {
        return message.to_owned();
    }
    match numbers(message).as_slice() {
        [first, second, ..] if first != second => {
            format!("{TOO_LONG}: {} tokens > {} maximum", first.max(second), first.min(second))
        }
        _ => format!("{TOO_LONG}: {message}"),
    }
}

/// Smallest number taken for a count of tokens in an overflow: no model's context is smaller.
const CONTEXT_MIN: u64 = 1_000;

/// The counts of tokens in a message, in order; numbers inside names such as `gpt-4-0613` are none.
fn numbers(message: &str) -> Vec<u64> {
    let word_ends =
        |c: char| c.is_whitespace() || matches!(c, '(' | ')' | '=' | '>' | '<' | ';' | ':' | '/' | '"' | '\'');
    message
        .split(word_ends)
        .map(|word| word.trim_end_matches(['.', ',']))
        .filter(|word| word.bytes().all(|byte| byte.is_ascii_digit() || byte == b',' || byte == b'_'))
        .filter_map(|word| word.replace([',', '_'], "").parse().ok())
        .filter(|number| *number >= CONTEXT_MIN)
        .collect()
}

fn excerpt(status: u16, text: &str) -> String {
    let text = text.trim();
    if text.is_empty() {
        return format!("the provider answered HTTP {status} without a body");
    }
    if text.starts_with('<') {
        return format!("the provider answered HTTP {status} with a page for people instead of JSON");
    }
    let cut: String = text.chars().take(EXCERPT_MAX).collect();
    format!("the provider answered HTTP {status}: {cut}")
}
