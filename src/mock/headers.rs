//! The headers with which each provider answers.

use super::clock::{go_duration, rfc3339_in};
use super::dialect::Dialect;
use super::limits::Standing;
use super::seal::Seal;
use std::time::Duration;

/// Requests and tokens a minute that are told when the script sets no limit.
const UNLIMITED: [u64; 2] = [10_000, 2_000_000];

/// The id of a request, in the provider's form.
pub(crate) fn request_id(dialect: Dialect, seal: Seal, number: u64) -> String {
    match dialect {
        Dialect::Chat | Dialect::Responses => format!("req_{}", seal.hex("request", number, 0, 32)),
        Dialect::Anthropic => format!("req_011{}", seal.letters("request", number, 0, 21)),
        Dialect::Gemini => seal.letters("request", number, 0, 22),
    }
}

/// The headers of every answer, errors too.
pub(crate) fn common(
    dialect: Dialect,
    request_id: &str,
    standing: [Option<Standing>; 2],
) -> Vec<(&'static str, String)> {
    let [requests, tokens] = [0, 1].map(|at: usize| {
        let limit = UNLIMITED.get(at).copied().unwrap_or_default();
        let free = Standing { limit, remaining: limit - 1, reset: Duration::from_millis(6) };
        standing.get(at).copied().flatten().unwrap_or(free)
    });
    match dialect {
        Dialect::Chat | Dialect::Responses => vec![
            ("x-request-id", request_id.to_owned()),
            ("openai-version", "2020-10-01".into()),
            ("openai-organization", "org-mock".into()),
            ("openai-processing-ms", "42".into()),
            ("x-ratelimit-limit-requests", requests.limit.to_string()),
            ("x-ratelimit-limit-tokens", tokens.limit.to_string()),
            ("x-ratelimit-remaining-requests", requests.remaining.to_string()),
            ("x-ratelimit-remaining-tokens", tokens.remaining.to_string()),
            ("x-ratelimit-reset-requests", go_duration(requests.reset)),
            ("x-ratelimit-reset-tokens", go_duration(tokens.reset)),
        ],
        Dialect::Anthropic => vec![
            ("request-id", request_id.to_owned()),
            ("anthropic-organization-id", "00000000-0000-4000-8000-00000000000a".into()),
            ("anthropic-ratelimit-requests-limit", requests.limit.to_string()),
            ("anthropic-ratelimit-requests-remaining", requests.remaining.to_string()),
            ("anthropic-ratelimit-requests-reset", rfc3339_in(requests.reset)),
            ("anthropic-ratelimit-input-tokens-limit", tokens.limit.to_string()),
            ("anthropic-ratelimit-input-tokens-remaining", tokens.remaining.to_string()),
            ("anthropic-ratelimit-input-tokens-reset", rfc3339_in(tokens.reset)),
            ("anthropic-ratelimit-output-tokens-limit", tokens.limit.to_string()),
            ("anthropic-ratelimit-output-tokens-remaining", tokens.remaining.to_string()),
            ("anthropic-ratelimit-output-tokens-reset", rfc3339_in(tokens.reset)),
            ("anthropic-ratelimit-tokens-limit", tokens.limit.to_string()),
            ("anthropic-ratelimit-tokens-remaining", tokens.remaining.to_string()),
            ("anthropic-ratelimit-tokens-reset", rfc3339_in(tokens.reset)),
        ],
        Dialect::Gemini => vec![
            ("vary", "Origin, X-Origin, Referer".into()),
            ("server", "scaffolding on HTTPServer2".into()),
            ("x-xss-protection", "0".into()),
            ("x-frame-options", "SAMEORIGIN".into()),
            ("x-content-type-options", "nosniff".into()),
            ("server-timing", "gfet4t7; dur=42".into()),
        ],
    }
}

/// The content type of JSON, as each provider writes it.
pub(crate) fn json_type(dialect: Dialect) -> &'static str {
    if dialect == Dialect::Gemini { "application/json; charset=UTF-8" } else { "application/json" }
}

/// The content type of a stream.
pub(crate) fn stream_type(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Gemini => "text/event-stream",
        _ => "text/event-stream; charset=utf-8",
    }
}
