//! How servers are told that the last message is an answer to be gone on with.
//!
//! Sources: docs.mistral.ai "Prefix", api-docs.deepseek.com "Chat Prefix Completion", docs.vllm.ai
//! "OpenAI-Compatible Server" (`continue_final_message`), openrouter.ai/docs "Assistant Prefill" (nothing to tell).

use super::form;
use crate::dialects::{Prefill, Target};
use crate::ir::{BlockKind, Request, Role, Turn};
use crate::json::{Raw, Writer};

/// Members of a request that goes on with its last message.
const GOES_ON: [(&str, bool); 2] = [("continue_final_message", true), ("add_generation_prompt", false)];

/// Whether the request ends in a begun answer, and the server wants to be told by `prefill`.
fn is_told(request: &Request<'_>, target: &Target, prefill: Prefill) -> bool {
    let has_begun = |turn: &Turn<'_>| {
        let calls = turn.blocks.iter().any(|block| matches!(block.kind, BlockKind::ToolUse(_)));
        turn.role == Role::Assistant && !calls
    };
    target.quirks.prefill == prefill && request.turns.last().is_some_and(has_begun)
}

/// Whether the last message of a rebuilt conversation is to be marked.
pub(super) fn marks_last(request: &Request<'_>, target: &Target) -> bool {
    is_told(request, target, Prefill::Prefix)
}

/// Writes the members beside a rebuilt conversation.
pub(super) fn members(w: &mut Writer<'_>, request: &Request<'_>, target: &Target) {
    if is_told(request, target, Prefill::ContinueFinalMessage) {
        for (key, value) in GOES_ON {
            w.key(key).bool(value);
        }
    }
}

/// Marks a request of this dialect, which is otherwise written as it came, in the server's own words.
pub(crate) fn mark(request: &mut Request<'_>, target: &Target) {
    let raw = |value: bool| Raw::from_value(&value).unwrap_or(Raw::NULL);
    if marks_last(request, target)
        && let Some(last) = request.turns.last_mut()
    {
        let _ = last.extra.take("prefix");
        last.extra.push("prefix", raw(true));
    }
    if is_told(request, target, Prefill::ContinueFinalMessage) {
        for (key, value) in GOES_ON {
            let _ = request.extra.take(key);
            request.extra.push(key, raw(value));
        }
    }
    // Many servers take an answer's text as a string only.
    if let Some(Turn { blocks, form, .. }) = request.turns.last_mut()
        && matches!(blocks.as_slice(), [block] if matches!(block.kind, BlockKind::Text { .. }))
    {
        *form |= form::TURN_STRING;
    }
}
