//! A request without any seal, for the provider that has refused one.

use crate::Dialect;
use crate::ir::{Block, BlockKind, LossKind, Losses, ReasoningBlock, Request, Role, Turn};

/// The loss under which dropped seals are told.
const LOSS: &str = "reasoning.signature";

/// Takes every seal off `request`, and what makes no sense without one.
///
/// Thoughts go: none of the providers with seals takes a thought without. Anthropic's stay as unsealed ones, which its
/// encoder leaves out by itself and, where an open tool loop has no sealed thought then, switches thinking off.
pub(crate) fn drop_seals(request: &mut Request<'_>, upstream: Dialect, losses: &mut Losses) {
    losses.add(LOSS, LossKind::Dropped);
    let responses = request.origin == Dialect::OpenAiResponses && upstream == Dialect::OpenAiResponses;
    let spoke: Vec<bool> = request.turns.iter().map(|turn| !turn.blocks.is_empty()).collect();
    for turn in request.turns.iter_mut().filter(|turn| turn.role == Role::Assistant) {
        turn.blocks.retain_mut(|block| keeps(block, upstream));
        if responses {
            // Items that the provider gave out together are asked for together: without their ids they stand alone.
            take_id(&mut turn.extra);
            turn.blocks.iter_mut().for_each(|block| drop_id(block));
        }
    }
    let mut spoke = spoke.into_iter();
    request.turns.retain(|turn| !(spoke.next().unwrap_or(false) && turn.blocks.is_empty()));
    if upstream == Dialect::Anthropic && request.origin == Dialect::Anthropic {
        mark_unsealed(&mut request.turns);
    }
}

/// Takes the seal off a block; `false` if nothing is left of it then.
fn keeps(block: &mut Block<'_>, upstream: Dialect) -> bool {
    let seal = block.signature.take();
    match &block.kind {
        BlockKind::Reasoning(_) => upstream == Dialect::Anthropic,
        // A text that stood for its seal only.
        BlockKind::Text { text, .. } => seal.is_none() || !text.is_empty(),
        _ => true,
    }
}

fn drop_id(block: &mut Block<'_>) {
    if matches!(block.kind, BlockKind::ToolUse(_)) {
        take_id(&mut block.extra);
    }
}

/// The decoder of Responses keeps ids quietly.
fn take_id(extra: &mut crate::json::Extra<'_>) {
    extra.take("id");
    extra.take("\0id");
}

/// An encoder of its own dialect writes what it was told, but for thoughts that cannot be sent. So the last answer gets
/// an empty one, if it has none: thinking is switched off where the provider would ask for it.
fn mark_unsealed(turns: &mut [Turn<'_>]) {
    let last = turns.iter_mut().rev().find(|turn| turn.role == Role::Assistant);
    if let Some(turn) = last.filter(|turn| !turn.blocks.iter().any(is_thought)) {
        let thought = ReasoningBlock { text: Vec::new(), redacted: false, id: None };
        turn.blocks.insert(0, Block::new(BlockKind::Reasoning(thought)));
    }
}

fn is_thought(block: &Block<'_>) -> bool {
    matches!(block.kind, BlockKind::Reasoning(_))
}
