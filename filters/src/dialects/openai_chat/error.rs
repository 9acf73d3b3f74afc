//! Error bodies both ways.
//!
//! OpenAI says `{"error":{message,type,param,code}}`. Compatible servers say the same with a number for `code`
//! (OpenRouter, Google's endpoint, vLLM), a list around it (Google), the inner object alone (older vLLM, Mistral),
//! `{"detail":…}` (FastAPI), a string, or a page of a proxy in between.

use serde::Deserialize;
use serde_json::Value;

use crate::ir::{ApiError, ErrorKind};
use crate::json::Writer;

/// Longest message passed on, in bytes: a page of a proxy is no message.
const MESSAGE_BYTES_MAX: usize = 4096;

/// Words by which servers say that the prompt is too long; there is no code that all of them use.
const CONTEXT_WORDS: [&str; 9] = [
    "context length",
    "context window",
    "maximum context",
    "prompt is too long",
    "input is too long",
    "too many tokens",
    "reduce the length of the messages",
    "exceeds the maximum number of tokens",
    "input token count",
];

/// Reads an error body of a provider: any bytes at all. `status` is the HTTP status, or 200 for an error inside a
/// stream.
pub fn decode_error(status: u16, body: &[u8]) -> ApiError {
    let whole: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let whole = match &whole {
        Value::Array(list) => list.first().unwrap_or(&Value::Null),
        other => other,
    };
    let inner = match whole.get("error") {
        Some(Value::Null) | None => whole,
        Some(inner) => inner,
    };
    let message = message(inner, whole).unwrap_or_else(|| plain_text(status, body));
    let word = |key: &str| inner.get(key).and_then(Value::as_str).filter(|word| !word.is_empty());
    let number = inner.get("code").and_then(Value::as_u64).or_else(|| word("code").and_then(|code| code.parse().ok()));
    let code = word("code").filter(|code| code.parse::<u64>().is_err());
    let said = u16::try_from(number.unwrap_or(0)).ok().filter(|code| (400..600).contains(code));
    let hints = Hints { status, said, code, kind: word("type"), google: word("status"), message: &message };
    ApiError {
        kind: hints.classify(),
        code: code.or(word("status")).map(str::to_owned),
        param: word("param").map(str::to_owned),
        retry_after_ms: None,
        message,
    }
}

fn message(inner: &Value, whole: &Value) -> Option<String> {
    let text = match inner {
        Value::String(text) => text.clone(),
        inner => {
            let said = |key: &str| inner.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
            // OpenRouter hides the provider's words behind "Provider returned error".
            let raw = inner.pointer("/metadata/raw").and_then(Value::as_str).filter(|raw| !raw.is_empty());
            match (said("message").or_else(|| said("msg")), raw) {
                (Some(message), Some(raw)) => format!("{message}: {raw}"),
                (Some(message), None) => message.to_owned(),
                (None, _) => match whole.get("detail").or_else(|| whole.get("message"))? {
                    Value::String(text) => text.clone(),
                    Value::Null => return None,
                    // FastAPI lists what is wrong with each field.
                    other => other.to_string(),
                },
            }
        }
    };
    (!text.trim().is_empty()).then(|| cut(&text))
}

/// What a body without a readable message says.
fn plain_text(status: u16, body: &[u8]) -> String {
    let text = std::str::from_utf8(body).unwrap_or_default().trim();
    if text.is_empty() || text.starts_with(['<', '{', '[']) {
        return format!("the provider answered with status {status} and no readable message");
    }
    cut(text)
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(MESSAGE_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

/// All that tells the class of an error, the surest first.
struct Hints<'h> {
    /// HTTP status.
    status: u16,
    /// A status that the body says.
    said: Option<u16>,
    code: Option<&'h str>,
    kind: Option<&'h str>,
    google: Option<&'h str>,
    message: &'h str,
}

impl Hints<'_> {
    fn classify(&self) -> ErrorKind {
        let words = self.message.to_ascii_lowercase();
        let exact = [self.code, self.kind].into_iter().flatten().find_map(by_word);
        let status = (self.status >= 400).then_some(self.status).or(self.said);
        // A limit of tokens a minute also speaks of tokens: only a refused request can be too long.
        let refused =
            !matches!(status, Some(401 | 402 | 403 | 404 | 405 | 429)) && !matches!(exact, Some(ErrorKind::RateLimit));
        if refused && CONTEXT_WORDS.iter().any(|known| words.contains(known)) {
            return ErrorKind::ContextLength;
        }
        if words.contains("api key not valid") || words.contains("incorrect api key") {
            return ErrorKind::Authentication;
        }
        exact
            .or_else(|| status.map(ErrorKind::from_status))
            .or_else(|| self.google.and_then(by_google_status))
            .or_else(|| self.kind.and_then(by_broad_type))
            .unwrap_or(ErrorKind::Internal)
    }
}

/// Codes and types that mean one thing only.
fn by_word(word: &str) -> Option<ErrorKind> {
    Some(match word {
        "context_length_exceeded" | "context_window_exceeded" | "max_tokens_exceeded" => ErrorKind::ContextLength,
        "invalid_api_key" | "authentication_error" | "invalid_authentication_error" => ErrorKind::Authentication,
        "insufficient_quota" | "exceeded_current_quota_error" | "billing_hard_limit_reached" => {
            ErrorKind::QuotaExhausted
        }
        "billing_error" | "billing_not_active" | "insufficient_balance" => ErrorKind::Billing,
        "permission_error" | "permission_denied" => ErrorKind::Permission,
        "model_not_found" | "not_found_error" => ErrorKind::NotFound,
        "method_not_allowed" => ErrorKind::MethodNotAllowed,
        "request_too_large" => ErrorKind::TooLarge,
        "rate_limit_exceeded" | "rate_limit_error" | "rate_limit_reached_error" => ErrorKind::RateLimit,
        "request_cancelled" => ErrorKind::Cancelled,
        "bad_gateway" => ErrorKind::BadGateway,
        "service_unavailable" | "service_unavailable_error" => ErrorKind::Unavailable,
        "timeout" | "timeout_error" => ErrorKind::Timeout,
        "server_is_overloaded" | "overloaded_error" | "engine_overloaded_error" | "slow_down" => ErrorKind::Overloaded,
        _ => return None,
    })
}

/// Types that many errors share.
fn by_broad_type(word: &str) -> Option<ErrorKind> {
    Some(match word {
        "invalid_request_error" | "BadRequestError" | "invalid_request" => ErrorKind::InvalidRequest,
        "tokens" | "requests" => ErrorKind::RateLimit,
        "server_error" | "api_error" | "internal_error" => ErrorKind::Internal,
        _ => return None,
    })
}

fn by_google_status(word: &str) -> Option<ErrorKind> {
    Some(match word {
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" => ErrorKind::InvalidRequest,
        "UNAUTHENTICATED" => ErrorKind::Authentication,
        "PERMISSION_DENIED" => ErrorKind::Permission,
        "NOT_FOUND" => ErrorKind::NotFound,
        "RESOURCE_EXHAUSTED" => ErrorKind::RateLimit,
        "CANCELLED" => ErrorKind::Cancelled,
        "UNAVAILABLE" => ErrorKind::Unavailable,
        "DEADLINE_EXCEEDED" => ErrorKind::Timeout,
        _ => return None,
    })
}

/// Whether an event without choices is an error that does not say `error` where it should: a list around it, or the
/// inner object alone.
pub(super) fn is_bare(data: &str) -> bool {
    #[derive(Deserialize)]
    struct Shape {
        error: Option<serde::de::IgnoredAny>,
        object: Option<String>,
        message: Option<String>,
        detail: Option<serde::de::IgnoredAny>,
    }
    let shape = if data.starts_with('[') {
        serde_json::from_str::<Vec<Shape>>(data).ok().and_then(|list| list.into_iter().next())
    } else {
        serde_json::from_str(data).ok()
    };
    shape.is_some_and(|shape: Shape| {
        shape.error.is_some()
            || shape.detail.is_some()
            || shape.message.is_some()
            || shape.object.is_some_and(|object| object == "error")
    })
}

/// Writes `error` as OpenAI would and gives the HTTP status.
pub fn encode_error(error: &ApiError, out: &mut Vec<u8>) -> u16 {
    let (kind, code) = words(error.kind);
    // Clients match these codes; for the rest the provider's own code says most.
    let fixed = matches!(error.kind, ErrorKind::ContextLength | ErrorKind::QuotaExhausted | ErrorKind::Overloaded);
    let code = if fixed { code } else { error.code.as_deref().or(code) };
    Writer::new(out).object(|w| {
        w.key("error").object(|w| {
            w.key("message").str(&error.message);
            w.key("type").str(kind);
            match &error.param {
                Some(param) => w.key("param").str(param),
                None => w.key("param").null(),
            }
            match code {
                Some(code) => w.key("code").str(code),
                None => w.key("code").null(),
            }
        });
    });
    error.kind.status()
}

/// Type and code of a class.
fn words(kind: ErrorKind) -> (&'static str, Option<&'static str>) {
    match kind {
        ErrorKind::InvalidRequest => ("invalid_request_error", None),
        ErrorKind::ContextLength => ("invalid_request_error", Some("context_length_exceeded")),
        ErrorKind::Authentication => ("authentication_error", Some("invalid_api_key")),
        ErrorKind::Billing => ("billing_error", Some("billing_not_active")),
        ErrorKind::Permission => ("permission_error", None),
        ErrorKind::NotFound => ("not_found_error", None),
        ErrorKind::MethodNotAllowed => ("invalid_request_error", Some("method_not_allowed")),
        ErrorKind::TooLarge => ("request_too_large", None),
        ErrorKind::RateLimit => ("rate_limit_error", Some("rate_limit_exceeded")),
        ErrorKind::QuotaExhausted => ("insufficient_quota", Some("insufficient_quota")),
        ErrorKind::Cancelled => ("server_error", Some("request_cancelled")),
        ErrorKind::Internal => ("server_error", None),
        ErrorKind::BadGateway => ("server_error", Some("bad_gateway")),
        ErrorKind::Unavailable => ("server_error", Some("service_unavailable")),
        ErrorKind::Timeout => ("timeout_error", Some("timeout")),
        ErrorKind::Overloaded => ("server_error", Some("server_is_overloaded")),
    }
}
