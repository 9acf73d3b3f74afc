//! Google's error model (google.rpc.Status in JSON), both ways.

use serde_json::Value;

use crate::ir::{ApiError, ErrorKind};
use crate::json::Writer;

const TYPE: &str = "type.googleapis.com/google.rpc.";
/// Bytes of an unreadable body that are shown.
const EXCERPT_BYTES_MAX: usize = 200;
/// Errors wrapped in errors' messages, as some proxies of Google's send them.
const WRAPPED_MAX: usize = 3;

/// Reads an error body: any bytes at all. `status` is the HTTP status, below 400 when the error came inside a stream.
pub fn decode_error(status: u16, body: &[u8]) -> ApiError {
    let value: Option<Value> = serde_json::from_slice(body).ok();
    match value.as_ref().and_then(error_object) {
        Some(error) => read(status, &inner_most(error.clone())),
        None => unreadable(status, body),
    }
}

/// Unwraps errors in messages, as far as the bound goes.
fn inner_most(mut error: Value) -> Value {
    for _ in 0..WRAPPED_MAX {
        let text = error.get("message").and_then(Value::as_str).filter(|text| text.starts_with(['{', '[']));
        let parsed = text.and_then(|text| serde_json::from_str::<Value>(text).ok());
        let Some(found) = parsed.as_ref().and_then(error_object).cloned() else { break };
        error = found;
    }
    error
}

/// The value of `error`, in an object or in the first object of an array.
fn error_object(value: &Value) -> Option<&Value> {
    match value {
        Value::Array(items) => items.iter().find_map(|item| item.get("error")),
        _ => value.get("error"),
    }
}

fn unreadable(status: u16, body: &[u8]) -> ApiError {
    let kind = if status < 400 { ErrorKind::BadGateway } else { ErrorKind::from_status(status) };
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    let message = if text.is_empty() {
        format!("the provider answered with status {status} and no words")
    } else if text.starts_with('<') {
        format!("the provider answered with status {status} and a web page")
    } else {
        let end = text.char_indices().map(|(at, _)| at).find(|at| *at >= EXCERPT_BYTES_MAX).unwrap_or(text.len());
        format!("the provider answered with status {status}: {}", text.get(..end).unwrap_or_default())
    };
    ApiError::new(kind, message)
}

/// What the details say.
#[derive(Default)]
struct Details {
    reason: Option<String>,
    quota: Option<String>,
    field: Option<String>,
    retry_after_ms: Option<u64>,
}

fn read(status: u16, error: &Value) -> ApiError {
    let text = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default();
    let code = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    let status = if status < 400 { code.filter(|code| *code >= 400).unwrap_or(500) } else { status };
    let message = match error.as_str() {
        Some(text) => text,
        None if text("message").is_empty() => "the provider gave no reason",
        None => text("message"),
    };
    let details = details(error.get("details"));
    let word = text("status");
    ApiError {
        kind: kind(status, word, message, &details),
        message: message.to_owned(),
        code: details.reason.or(details.quota).or_else(|| (!word.is_empty()).then(|| word.to_owned())),
        param: details.field,
        retry_after_ms: details.retry_after_ms,
    }
}

fn details(value: Option<&Value>) -> Details {
    let mut found = Details::default();
    for detail in value.and_then(Value::as_array).into_iter().flatten() {
        let text = |pointer: &str| detail.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let Some(kind) = detail.get("@type").and_then(Value::as_str) else { continue };
        match kind.rsplit('.').next().unwrap_or_default() {
            "ErrorInfo" => {
                found.reason = found.reason.or_else(|| text("/reason"));
                let delay = text("/metadata/quotaResetDelay").and_then(|text| duration_ms(&text));
                found.retry_after_ms = found.retry_after_ms.or(delay);
            }
            "RetryInfo" => {
                // The nearest word wins over an ErrorInfo's.
                found.retry_after_ms = text("/retryDelay").and_then(|text| duration_ms(&text)).or(found.retry_after_ms);
            }
            "QuotaFailure" => {
                let violations = detail.get("violations").and_then(Value::as_array).into_iter().flatten();
                let ids: Vec<&str> = violations.filter_map(|one| one.get("quotaId")?.as_str()).collect();
                // The longest lock counts.
                let id = ids.iter().find(|id| is_daily(id)).or(ids.first());
                found.quota = found.quota.or_else(|| id.map(|id| (*id).to_owned()));
            }
            "BadRequest" => {
                found.field = found.field.or_else(|| text("/fieldViolations/0/field"));
            }
            _ => {}
        }
    }
    found
}

fn is_daily(quota: &str) -> bool {
    quota.contains("PerDay") || quota.contains("Daily")
}

fn kind(status: u16, word: &str, message: &str, details: &Details) -> ErrorKind {
    let by_reason = match details.reason.as_deref().unwrap_or_default() {
        "API_KEY_INVALID"
        | "API_KEY_EXPIRED"
        | "ACCESS_TOKEN_EXPIRED"
        | "ACCESS_TOKEN_TYPE_UNSUPPORTED"
        | "CREDENTIALS_MISSING"
        | "ACCOUNT_STATE_INVALID" => Some(ErrorKind::Authentication),
        "API_KEY_SERVICE_BLOCKED"
        | "SERVICE_DISABLED"
        | "CONSUMER_SUSPENDED"
        | "CONSUMER_INVALID"
        | "VALIDATION_REQUIRED"
        | "IAM_PERMISSION_DENIED" => Some(ErrorKind::Permission),
        "BILLING_DISABLED" => Some(ErrorKind::Billing),
        "RATE_LIMIT_EXCEEDED" => Some(ErrorKind::RateLimit),
        "QUOTA_EXHAUSTED" | "INSUFFICIENT_G1_CREDITS_BALANCE" => Some(ErrorKind::QuotaExhausted),
        "MODEL_CAPACITY_EXHAUSTED" => Some(ErrorKind::Overloaded),
        CONTEXT_REASON => Some(ErrorKind::ContextLength),
        _ => None,
    };
    let daily = details.quota.as_deref().is_some_and(is_daily);
    let lower = message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let class = match word {
        // Some gateways answer every error with one HTTP status; Google's own word knows better.
        _ if status != 400 && status != 500 => ErrorKind::from_status(status),
        "UNAUTHENTICATED" => ErrorKind::Authentication,
        "PERMISSION_DENIED" => ErrorKind::Permission,
        "NOT_FOUND" => ErrorKind::NotFound,
        "RESOURCE_EXHAUSTED" => ErrorKind::RateLimit,
        "CANCELLED" => ErrorKind::Cancelled,
        "UNAVAILABLE" => ErrorKind::Unavailable,
        "DEADLINE_EXCEEDED" => ErrorKind::Timeout,
        _ => ErrorKind::from_status(status),
    };
    match class {
        _ if daily && status == 429 => ErrorKind::QuotaExhausted,
        _ if by_reason.is_some() => by_reason.unwrap_or(class),
        ErrorKind::InvalidRequest => {
            let tokens = says(&["token"]) && says(&["exceed", "too long", "maximum", "too large"]);
            if tokens && !says(&["output token", "max_output", "maxoutput", "budget"]) || says(&["context length"]) {
                ErrorKind::ContextLength
            } else if says(&["api key not valid", "api key not found", "api key expired", "api_key_invalid"]) {
                ErrorKind::Authentication
            } else if word == "FAILED_PRECONDITION" && says(&["billing", "free tier"]) {
                ErrorKind::Billing
            } else if word == "FAILED_PRECONDITION" && says(&["location"]) {
                ErrorKind::Permission
            } else {
                class
            }
        }
        ErrorKind::RateLimit if says(&["no capacity available"]) => ErrorKind::Overloaded,
        ErrorKind::RateLimit if says(&["limit: 0", "exhausted your capacity"]) => ErrorKind::QuotaExhausted,
        ErrorKind::Unavailable if says(&["overloaded", "no capacity", "high demand"]) => ErrorKind::Overloaded,
        _ => class,
    }
}

/// The gateway's own reason: Google tells a context overflow by words only.
const CONTEXT_REASON: &str = "CONTEXT_LENGTH_EXCEEDED";

/// Milliseconds, rounded up, of a duration as Google writes it: `3.5s`, `539.477544ms`, `1h16m0.667s`.
fn duration_ms(text: &str) -> Option<u64> {
    let mut rest = text.trim();
    let mut total = 0.0_f64;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, tail) = rest.split_at(end);
        let end = tail.find(|letter: char| letter.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let unit_ms = match unit.trim() {
            "h" => 3_600_000.0,
            "m" => 60_000.0,
            "s" => 1_000.0,
            "ms" => 1.0,
            "us" | "µs" => 0.001,
            "ns" => 0.000_001,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * unit_ms;
        rest = tail;
    }
    // A hair of rounding noise must not become a millisecond.
    Some((total - 1e-6).ceil().max(0.0) as u64)
}

/// Writes an error body at the end of `out` and gives the HTTP status.
pub fn encode_error(error: &ApiError, out: &mut Vec<u8>) -> u16 {
    let (code, word) = status(error.kind);
    Writer::new(out).object(|w| {
        w.key("error").object(|w| {
            w.key("code").u64(code.into());
            w.key("message").str(&error.message);
            w.key("status").str(word);
            let reason = reason(error);
            if reason.is_none() && error.param.is_none() && error.retry_after_ms.is_none() {
                return;
            }
            w.key("details").array(|w| {
                if let Some(reason) = reason {
                    w.object(|w| {
                        w.key("@type").str(&format!("{TYPE}ErrorInfo"));
                        w.key("reason").str(reason);
                        w.key("domain").str("googleapis.com");
                    });
                }
                if let Some(field) = &error.param {
                    w.object(|w| {
                        w.key("@type").str(&format!("{TYPE}BadRequest"));
                        w.key("fieldViolations").array(|w| {
                            w.object(|w| {
                                w.key("field").str(field);
                                w.key("description").str(&error.message);
                            });
                        });
                    });
                }
                if let Some(wait) = error.retry_after_ms {
                    w.object(|w| {
                        w.key("@type").str(&format!("{TYPE}RetryInfo"));
                        w.key("retryDelay").str(&seconds(wait));
                    });
                }
            });
        });
    });
    code
}

/// Google's JSON form of a duration: seconds with at most three decimals.
fn seconds(ms: u64) -> String {
    match (ms / 1_000, ms % 1_000) {
        (whole, 0) => format!("{whole}s"),
        (whole, rest) => format!("{whole}.{}s", format!("{rest:03}").trim_end_matches('0')),
    }
}

fn reason(error: &ApiError) -> Option<&str> {
    // The status words are said already.
    let code = error.code.as_deref().filter(|code| *code != status(error.kind).1);
    match error.kind {
        ErrorKind::ContextLength => Some(CONTEXT_REASON),
        ErrorKind::QuotaExhausted => Some(code.unwrap_or("QUOTA_EXHAUSTED")),
        ErrorKind::Overloaded => Some(code.unwrap_or("MODEL_CAPACITY_EXHAUSTED")),
        _ => code,
    }
}

fn status(kind: ErrorKind) -> (u16, &'static str) {
    let word = match kind {
        ErrorKind::InvalidRequest | ErrorKind::ContextLength | ErrorKind::TooLarge => "INVALID_ARGUMENT",
        ErrorKind::Authentication => "UNAUTHENTICATED",
        ErrorKind::Billing => "FAILED_PRECONDITION",
        ErrorKind::Permission => "PERMISSION_DENIED",
        ErrorKind::NotFound => "NOT_FOUND",
        ErrorKind::MethodNotAllowed => "UNIMPLEMENTED",
        ErrorKind::RateLimit | ErrorKind::QuotaExhausted => "RESOURCE_EXHAUSTED",
        ErrorKind::Cancelled => "CANCELLED",
        ErrorKind::Internal | ErrorKind::BadGateway => "INTERNAL",
        ErrorKind::Unavailable | ErrorKind::Overloaded => "UNAVAILABLE",
        ErrorKind::Timeout => "DEADLINE_EXCEEDED",
    };
    (kind.status(), word)
}
