//! A whole answer as events.

use super::logprobs;
use crate::ir::stream::{BlockStart, Delta, Sink};
use crate::ir::{Block, BlockKind, Event, Media, Response, StopReason};
use crate::json::{Raw, Str};

/// Gives the events that `response` would have come in, in the shape that [`Event`] promises.
///
/// What events have no words for stays behind: a block's and a choice's members without a field, tool results.
pub fn expand(response: &Response<'_>, sink: &mut Sink<'_>) {
    let reborrow = |text: &Option<Str<'_>>| text.as_ref().map(|text| Str::from(text.as_str().to_owned()));
    sink(Event::Start { id: reborrow(&response.id), model: reborrow(&response.model) });
    // First, because some dialects show input tokens at the start.
    if let Some(usage) = &response.usage {
        sink(Event::Usage(usage.clone()));
    }
    let mut index = 0;
    for choice in &response.choices {
        let mut logprobs = logprobs::of(choice, response.origin);
        for block in &choice.blocks {
            if let Some(start) = start_of(block) {
                sink(Event::BlockStart { index, choice: choice.index, block: start });
                deltas_of(block, response, index, sink);
                if let (BlockKind::Text { .. } | BlockKind::Refusal { .. }, Some(raw)) = (&block.kind, logprobs) {
                    let raw = raw.reborrow();
                    sink(Event::Delta { index, delta: Delta::Logprobs { dialect: response.origin, raw } });
                    logprobs = None;
                }
                sink(Event::BlockStop { index });
                index += 1;
            }
        }
        sink(Event::Finish {
            choice: choice.index,
            stop: choice.stop,
            stop_sequence: reborrow(&choice.stop_sequence),
            note: None,
        });
    }
    if response.choices.is_empty() {
        // The prompt itself was refused.
        sink(Event::Finish { choice: 0, stop: StopReason::Refusal, stop_sequence: None, note: None });
    }
    sink(Event::End);
}

fn start_of<'b>(block: &'b Block<'_>) -> Option<BlockStart<'b>> {
    Some(match &block.kind {
        BlockKind::Text { .. } => BlockStart::Text,
        BlockKind::Refusal { .. } => BlockStart::Refusal,
        BlockKind::Reasoning(reasoning) => {
            BlockStart::Reasoning { redacted: reasoning.redacted, id: reasoning.id.as_ref().map(Str::reborrow) }
        }
        BlockKind::ToolUse(call) => {
            BlockStart::ToolUse { id: call.id.reborrow(), name: call.name.reborrow(), kind: call.kind }
        }
        // One event serves all media: the MIME type tells them apart.
        BlockKind::Image(media) | BlockKind::Audio(media) | BlockKind::Video(media) | BlockKind::File(media) => {
            BlockStart::Image(Media::clone(media))
        }
        BlockKind::Opaque { dialect, raw } => BlockStart::Opaque { dialect: *dialect, raw: raw.reborrow() },
        BlockKind::ToolResult(_) => return None,
    })
}

fn deltas_of(block: &Block<'_>, response: &Response<'_>, index: u32, sink: &mut Sink<'_>) {
    let mut give = |delta: Delta<'_>| sink(Event::Delta { index, delta });
    match &block.kind {
        BlockKind::Text { text, citations } => {
            give(Delta::Text(text.reborrow()));
            let citations: Vec<Raw<'_>> = citations.as_ref().and_then(Raw::read).unwrap_or_default();
            for raw in citations {
                give(Delta::Citation { dialect: response.origin, raw });
            }
        }
        BlockKind::Refusal { text } => give(Delta::Text(text.reborrow())),
        BlockKind::Reasoning(reasoning) => {
            for (number, text) in reasoning.text.iter().enumerate() {
                if number > 0 {
                    give(Delta::NextPart);
                }
                give(Delta::Text(text.reborrow()));
            }
        }
        BlockKind::ToolUse(call) if !call.input.is_empty() => give(Delta::Input(call.input.reborrow())),
        _ => {}
    }
    if let Some(signature) = &block.signature {
        give(Delta::Signature(signature.clone()));
    }
}
