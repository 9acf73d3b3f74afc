//! Why an answer ended.

use crate::ir::StopReason;

/// The meaning of `stop_reason`; a call that was seen outranks it.
pub(super) fn decode(word: Option<&str>, called: bool) -> StopReason {
    match word {
        _ if called => StopReason::ToolUse,
        Some("end_turn") => StopReason::EndTurn,
        Some("max_tokens" | "model_context_window_exceeded") => StopReason::MaxTokens,
        Some("tool_use") => StopReason::ToolUse,
        Some("stop_sequence") => StopReason::StopSequence,
        Some("refusal") => StopReason::Refusal,
        Some("pause_turn") => StopReason::Pause,
        _ => StopReason::Other,
    }
}

/// The word for it. `tool_use` is said exactly when a call was sent: clients wait for one then.
pub(super) fn encode(stop: StopReason, called: bool) -> &'static str {
    match stop {
        _ if called => "tool_use",
        StopReason::EndTurn | StopReason::ToolUse | StopReason::Malformed | StopReason::Other => "end_turn",
        StopReason::MaxTokens => "max_tokens",
        StopReason::StopSequence => "stop_sequence",
        StopReason::Refusal => "refusal",
        StopReason::Pause => "pause_turn",
    }
}
