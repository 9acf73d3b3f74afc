//! `finishReason` and stop reasons.

use crate::ir::StopReason;

/// What a finish reason means; a call of a tool outranks any word for it, as Google says `STOP` then.
pub(super) fn decode(reason: &str, called: bool) -> StopReason {
    match reason {
        _ if called => StopReason::ToolUse,
        "STOP" => StopReason::EndTurn,
        "MAX_TOKENS" => StopReason::MaxTokens,
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "LANGUAGE"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "MODEL_ARMOR" => StopReason::Refusal,
        "MALFORMED_FUNCTION_CALL"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MALFORMED_RESPONSE"
        | "MISSING_THOUGHT_SIGNATURE" => StopReason::Malformed,
        _ => StopReason::Other,
    }
}

/// Google's word.
pub(super) fn encode(stop: StopReason) -> &'static str {
    match stop {
        StopReason::EndTurn | StopReason::ToolUse | StopReason::StopSequence => "STOP",
        StopReason::MaxTokens => "MAX_TOKENS",
        StopReason::Refusal => "SAFETY",
        StopReason::Malformed => "MALFORMED_FUNCTION_CALL",
        StopReason::Pause | StopReason::Other => "OTHER",
    }
}

/// For people: why an answer was held back.
pub(super) fn explain(what: &str, reason: &str, message: Option<&str>) -> String {
    match message {
        Some(message) => format!("{what} was blocked ({reason}): {message}"),
        None => format!("{what} was blocked by the provider ({reason})."),
    }
}
