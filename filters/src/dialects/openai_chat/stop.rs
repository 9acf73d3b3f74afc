//! Finish reasons both ways.

use crate::ir::StopReason;

/// What a provider's `finish_reason` means. Compatible servers pass other dialects' words through, so those are known
/// too; an unknown word is [`StopReason::Other`].
pub(super) fn from_word(word: &str) -> StopReason {
    match word.to_ascii_lowercase().as_str() {
        "stop" | "end_turn" | "eos" | "eos_token" | "completed" => StopReason::EndTurn,
        "length" | "max_tokens" | "max_output_tokens" | "model_length" | "model_context_window_exceeded" => {
            StopReason::MaxTokens
        }
        "tool_calls" | "function_call" | "tool_use" => StopReason::ToolUse,
        "stop_sequence" => StopReason::StopSequence,
        "content_filter" | "content-filter" | "refusal" | "safety" | "sensitive" => StopReason::Refusal,
        "pause_turn" => StopReason::Pause,
        "malformed_function_call" => StopReason::Malformed,
        _ => StopReason::Other,
    }
}

/// The `finish_reason` of a client; `called` says whether the answer holds a call (`wire_030`: it decides).
pub(super) fn word(stop: StopReason, called: bool) -> &'static str {
    match stop {
        StopReason::MaxTokens => "length",
        StopReason::Refusal => "content_filter",
        _ if called => "tool_calls",
        _ => "stop",
    }
}
