//! Bodies that are one JSON value, whatever their content type says.

use serde::de::IgnoredAny;

use crate::Dialect;
use crate::dialects::{decode_error, decode_response};
use crate::ir::{ApiError, ErrorKind, Response};
use crate::json::{Raw, Str, parse};
use crate::wire_object;

/// Status that stands for an error whose body says none.
const STATUS_UNKNOWN: u16 = 500;

/// What a whole body is.
pub(super) enum Whole<'a> {
    /// An answer.
    Answer(Response<'a>),
    /// An error, though the status was a success.
    Error(ApiError),
    /// A stream written as a JSON array (Gemini without `alt=sse`): its events.
    Events(Vec<Raw<'a>>),
    /// JSON of another form.
    Strange(ApiError),
    /// No JSON, or not all of it.
    Broken(ApiError),
}

wire_object! {
    /// What tells an error from an answer in every dialect.
    struct Outcome<'a> {
        /// The error.
        error: Raw<'a> = "error",
        /// Anthropic's word for what the body is.
        kind: Raw<'a> = "type",
    }
}

wire_object! {
    /// What errors say of their status.
    struct Status<'a> {
        /// Gemini's status, others' words.
        code: Raw<'a> = "code",
        /// Some compatible servers' status, Gemini's word.
        status: Raw<'a> = "status",
    }
}

/// Tells what `body` is, which came with a status of success from a provider that speaks `upstream`.
pub(super) fn read(upstream: Dialect, body: &[u8]) -> Whole<'_> {
    if parse::<IgnoredAny>(body).is_err() {
        return Whole::Broken(bad_gateway(if body.iter().all(u8::is_ascii_whitespace) {
            "the provider's answer is empty"
        } else {
            "the provider's answer is not JSON, or ended before it was complete"
        }));
    }
    let items: Option<Vec<Raw<'_>>> = parse(body).ok();
    if let Some(items) = items {
        return array(upstream, body, items);
    }
    if let Some(status) = error_status(body) {
        return Whole::Error(decode_error(upstream, status, body));
    }
    match decode_response(upstream, body) {
        Ok(response) => Whole::Answer(response),
        Err(error) => Whole::Strange(bad_gateway(&format!("the provider's answer cannot be read: {error}"))),
    }
}

fn array<'a>(upstream: Dialect, body: &[u8], items: Vec<Raw<'a>>) -> Whole<'a> {
    match items.first().map(|first| error_status(first.get().as_bytes())) {
        Some(Some(status)) => Whole::Error(decode_error(upstream, status, body)),
        Some(None) if upstream == Dialect::Gemini => Whole::Events(items),
        _ => Whole::Strange(bad_gateway("the provider's answer is a JSON array, which its protocol does not know")),
    }
}

/// The status of an error body; `None` when the body is no error.
fn error_status(body: &[u8]) -> Option<u16> {
    let outcome: Outcome<'_> = parse(body).ok()?;
    let is_error_type = outcome.kind.as_ref().and_then(Raw::read::<Str<'_>>).is_some_and(|kind| kind == "error");
    match &outcome.error {
        // Some compatible servers send an empty error beside a good answer.
        Some(error) if !matches!(error.get(), "false" | "\"\"" | "{}") => {
            let status: Status<'_> = error.read().unwrap_or_default();
            let said = [status.code, status.status].into_iter().flatten().find_map(|raw| raw.read::<u16>());
            Some(said.filter(|said| (400..600).contains(said)).unwrap_or(STATUS_UNKNOWN))
        }
        _ => is_error_type.then_some(STATUS_UNKNOWN),
    }
}

fn bad_gateway(message: &str) -> ApiError {
    ApiError::new(ErrorKind::BadGateway, message)
}
