//! Seals in `encrypted_content`, the protocol's one slot for them.
//!
//! A seal of another issuer travels there wrapped by [`Signature::carried`]. Three cases need more:
//!
//! - **Seals on calls and texts** (Gemini's thought signatures). The slot is that of a reasoning item, so an item with an
//!   empty summary, a *carrier*, follows the item that is sealed; it can follow a streamed call, whose seal comes last.
//!   When the client sends it back, the seal returns to the block before it.
//! - **Redacted thinking** (Anthropic). Thinking may also be sealed without being redacted and have no text, so the word
//!   `redacted:` before the seal keeps the two apart.
//! - **Thoughts without a seal** (from Chat providers). A reasoning item with an id and nothing else asks OpenAI for one
//!   that it never made. So an empty seal of a dialect that has none stands in, and the item is dropped on the way there.

use super::DIALECT;
use crate::Dialect;
use crate::ir::{Block, BlockKind, ReasoningBlock, Signature};
use crate::json::Str;

const REDACTED: &str = "redacted:";

/// The text for `encrypted_content` of a reasoning block; `None` for one that needs no seal, because its `id` is known
/// to the provider.
pub(super) fn to_slot(signature: Option<&Signature<'_>>, redacted: bool, native: bool) -> Option<String> {
    match signature {
        Some(seal) if redacted && seal.issuer != DIALECT => {
            let marked = Signature { issuer: seal.issuer, value: Str::from(format!("{REDACTED}{}", seal.value)) };
            Some(marked.carried(DIALECT).as_str().to_owned())
        }
        Some(seal) => Some(seal.carried(DIALECT).as_str().to_owned()),
        None if native => None,
        None => {
            let unsealed = Signature { issuer: Dialect::OpenAiChat, value: Str::from("") };
            Some(unsealed.carried(DIALECT).as_str().to_owned())
        }
    }
}

/// Reads `encrypted_content`: the seal, and whether the block is redacted.
pub(super) fn from_slot(slot: Str<'_>) -> (Option<Signature<'_>>, bool) {
    let seal = Signature::from_slot(DIALECT, slot);
    if seal.issuer == DIALECT {
        return (Some(seal), false);
    }
    match seal.value.strip_prefix(REDACTED) {
        Some(value) => (Some(Signature { issuer: seal.issuer, value: Str::from(value.to_owned()) }), true),
        None => (Some(seal), false),
    }
}

/// Whether a reasoning block only carries the seal of the block before it.
pub(super) fn is_carrier(block: &Block<'_>) -> bool {
    let BlockKind::Reasoning(ReasoningBlock { text, .. }) = &block.kind else { return false };
    text.is_empty() && block.signature.as_ref().is_some_and(|seal| seal.issuer == Dialect::Gemini)
}

/// Whether `block` has a seal that needs a carrier.
pub(super) fn needs_carrier(block: &Block<'_>) -> bool {
    matches!(block.kind, BlockKind::ToolUse(_) | BlockKind::Text { .. } | BlockKind::Image(_))
        && block.signature.is_some()
}
