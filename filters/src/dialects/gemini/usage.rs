//! `usageMetadata` and the ledger.
//!
//! Google counts thoughts apart from the candidates, cached tokens inside the prompt, and the prompts of its own
//! tools apart from both.

use crate::ir::Usage;
use crate::json::{Num, Raw, Writer};
use crate::wire_object;

wire_object! {
    /// The counts of `usageMetadata`.
    struct UsageWire<'a> {
        prompt: Num<'a> = "promptTokenCount",
        cached: Num<'a> = "cachedContentTokenCount",
        tool_prompt: Num<'a> = "toolUsePromptTokenCount",
        candidates: Num<'a> = "candidatesTokenCount",
        thoughts: Num<'a> = "thoughtsTokenCount",
    }
}

/// Reads `usageMetadata`; whatever it holds, the answer itself stays good.
pub(super) fn decode(raw: Raw<'_>) -> Usage<'_> {
    let wire: UsageWire<'_> = raw.read().unwrap_or_default();
    let count = |num: &Option<Num<'_>>| num.as_ref().and_then(Num::as_u64).unwrap_or_default();
    let (prompt, cached) = (count(&wire.prompt), count(&wire.cached));
    Usage {
        uncached: prompt.saturating_sub(cached).saturating_add(count(&wire.tool_prompt)),
        cache_read: cached,
        output: count(&wire.candidates),
        reasoning: count(&wire.thoughts),
        raw: Some(raw),
        ..Usage::default()
    }
}

/// Whether a usage object counts anything: the first chunks of a stream name only the kind of traffic.
pub(super) fn counts(usage: &Usage<'_>) -> bool {
    usage.raw.as_ref().is_some_and(is_own)
}

/// Writes the value of `usageMetadata`.
pub(super) fn encode(w: &mut Writer<'_>, usage: &Usage<'_>, own: bool) {
    if let Some(raw) = usage.raw.as_ref().filter(|raw| own || is_own(raw)) {
        return w.raw(raw);
    }
    w.object(|w| {
        w.key("promptTokenCount").u64(usage.input_total());
        if usage.cache_read > 0 {
            w.key("cachedContentTokenCount").u64(usage.cache_read);
        }
        w.key("candidatesTokenCount").u64(usage.output);
        if usage.reasoning > 0 {
            w.key("thoughtsTokenCount").u64(usage.reasoning);
        }
        w.key("totalTokenCount").u64(usage.input_total().saturating_add(usage.output_total()));
    });
}

/// Events do not say whose usage object they carry; no other dialect's has this word.
fn is_own(raw: &Raw<'_>) -> bool {
    memchr::memmem::find(raw.get().as_bytes(), b"TokenCount\"").is_some()
}
