//! `finishReason` and stop reasons.

use crate::ir::StopReason;

/// Characters of a message that are passed on: it repeats what the model wrote.
const MESSAGE_CHARS_MAX: usize = 500;

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

/// For people: the model's call cannot be read, and nothing else was said.
pub(super) fn broken_call(reason: &str, message: Option<&str>) -> String {
    let message: String = message.unwrap_or("no more is known").chars().take(MESSAGE_CHARS_MAX).collect();
    format!("the model wrote a function call that cannot be read ({reason}): {message}")
}

/// For people: why an answer was held back.
pub(super) fn explain(what: &str, reason: &str, message: Option<&str>) -> String {
    match message {
        Some(message) => format!("{what} was blocked ({reason}): {message}"),
        None => format!("{what} was blocked by the provider ({reason})."),
    }
}
