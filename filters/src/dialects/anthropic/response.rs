//! Whole answers.

use super::own::{self, JoinParts as _};
use super::wire::{ResponseWire, block_form, choice_form, required};
use super::{decode, stop, usage};
use crate::Dialect;
use crate::dialects::DecodeError;
use crate::ir::{Block, BlockKind, Choice, Losses, ReplyContext, Response, Signature, StopReason};
use crate::json::{Raw, Str, Writer};
use crate::wire_object;

wire_object! {
    /// `stop_details`: why an answer was refused.
    pub(super) struct StopDetailsWire<'a> {
        explanation: Str<'a> = "explanation",
    }
}

/// Reads a whole answer.
///
/// # Errors
/// When the body is not JSON, is an error object, or a known member has a wrong type.
pub fn decode_response(body: &[u8]) -> Result<Response<'_>, DecodeError> {
    let wire: ResponseWire<'_> = crate::json::parse(body)?;
    if wire.kind.as_deref() == Some("error") || wire.rest.get("error").is_some() {
        return Err(DecodeError::new(super::decode_error(200, body).message));
    }
    let mut form = 0;
    if wire.kind.is_none() {
        form |= choice_form::NO_TYPE;
    }
    if wire.role.is_none() {
        form |= choice_form::NO_ROLE;
    }
    let list = required(wire.content, "content")?;
    let mut blocks = Vec::with_capacity(list.len() + 1);
    for (index, raw) in list.into_iter().enumerate() {
        blocks.push(decode::answer_block(raw, index)?);
    }
    let called = blocks.iter().any(|block| matches!(block.kind, BlockKind::ToolUse(_)));
    let stop = stop::decode(wire.stop_reason.as_deref(), called);
    if stop == StopReason::Refusal {
        blocks.extend(wire.rest.get("stop_details").and_then(explanation).map(|text| {
            let mut block = Block::new(BlockKind::Refusal { text });
            block.form = block_form::STOP_DETAILS;
            block
        }));
    }
    let choice = Choice {
        index: 0,
        blocks,
        stop,
        stop_raw: wire.stop_reason,
        stop_sequence: wire.stop_sequence,
        extra: crate::json::Extra::default(),
        form,
    };
    Ok(Response {
        origin: Dialect::Anthropic,
        id: wire.id,
        model: wire.model,
        created: None,
        choices: vec![choice],
        usage: wire.usage.map(usage::decode),
        extra: wire.rest,
    })
}

/// The provider's explanation of a refusal, for people.
pub(super) fn explanation(details: &Raw<'_>) -> Option<Str<'static>> {
    let wire: StopDetailsWire<'_> = details.read()?;
    wire.explanation.filter(|text| !text.is_empty()).map(Str::into_owned)
}

/// Writes a whole answer; only the first choice, as this dialect has no other.
pub fn encode_response(response: &Response<'_>, context: &ReplyContext, out: &mut Vec<u8>) -> Losses {
    let own = response.origin == Dialect::Anthropic;
    let choice = response.choices.iter().min_by_key(|choice| choice.index);
    let form = choice.filter(|_| own).map_or(0, |choice| choice.form);
    let blocks = choice.map_or(&[][..], |choice| &choice.blocks);
    Writer::new(out).object(|w| {
        match response.id.as_deref().filter(|id| own || id.starts_with("msg_")) {
            Some(id) => w.key("id").str(id),
            None => w.key("id").str(&context.id("msg_", 0)),
        }
        if form & choice_form::NO_TYPE == 0 {
            w.key("type").str("message");
        }
        if form & choice_form::NO_ROLE == 0 {
            w.key("role").str("assistant");
        }
        match response.model.as_deref().filter(|_| context.model.is_empty()) {
            Some(model) => w.key("model").str(model),
            None => w.key("model").str(&context.model),
        }
        let mut called = false;
        w.key("content").array(|w| {
            for block in blocks {
                if own {
                    own_block(block, w);
                } else {
                    called |= foreign_block(block, w);
                }
            }
        });
        stop_members(choice, called, own, w);
        if response.usage.is_some() || !own {
            w.key("usage");
            usage::encode(response.usage.as_ref(), own, w);
        }
        if own {
            w.extra(&response.extra);
        }
    });
    Losses::default()
}

fn stop_members(choice: Option<&Choice<'_>>, called: bool, own: bool, w: &mut Writer<'_>) {
    let sequence = choice.and_then(|choice| choice.stop_sequence.as_deref());
    if own {
        // What was `null` or absent is so again by `extra`.
        w.opt_str("stop_reason", choice.and_then(|choice| choice.stop_raw.as_deref()));
        return w.opt_str("stop_sequence", sequence);
    }
    // An answer without any choice is a prompt that was refused.
    let stop = choice.map_or(StopReason::Refusal, |choice| choice.stop);
    w.key("stop_reason").str(stop::encode(stop, called));
    match sequence {
        Some(sequence) => w.key("stop_sequence").str(sequence),
        None => w.key("stop_sequence").null(),
    }
}

fn own_block(block: &Block<'_>, w: &mut Writer<'_>) {
    if !(matches!(block.kind, BlockKind::Refusal { .. }) && block.form & block_form::STOP_DETAILS != 0) {
        own::block(block, w);
    }
}

/// Writes a block of another dialect; gives whether it was a call.
fn foreign_block(block: &Block<'_>, w: &mut Writer<'_>) -> bool {
    let seal = block.signature.as_ref().map(|seal| seal.carried(Dialect::Anthropic));
    match &block.kind {
        BlockKind::Text { text, .. } | BlockKind::Refusal { text } => {
            if !text.is_empty() {
                text_block(text, w);
            }
        }
        BlockKind::Image(medium) | BlockKind::Audio(medium) | BlockKind::Video(medium) | BlockKind::File(medium) => {
            text_block(&medium_note(medium.mime.as_deref()), w);
        }
        BlockKind::ToolUse(call) => {
            w.object(|w| {
                w.key("type").str("tool_use");
                w.key("id").str(&call.id);
                w.key("name").str(&call.name);
                w.key("input");
                own::input(call, false, w);
            });
            carried_seal(block.signature.as_ref(), w);
            return true;
        }
        BlockKind::Reasoning(reasoning) if reasoning.redacted => {
            if let Some(seal) = seal {
                redacted(&seal, w);
            }
            return false;
        }
        BlockKind::Reasoning(reasoning) => {
            let text = reasoning.text.join_parts();
            if !text.is_empty() || seal.is_some() {
                w.object(|w| {
                    w.key("type").str("thinking");
                    w.key("thinking").str(&text);
                    w.key("signature").str(seal.as_deref().unwrap_or_default());
                });
            }
            return false;
        }
        BlockKind::Opaque { dialect: Dialect::Anthropic, raw } => w.raw(raw),
        BlockKind::Opaque { .. } | BlockKind::ToolResult(_) => {}
    }
    carried_seal(block.signature.as_ref(), w);
    false
}

/// A seal on what has no slot for it here travels in a hidden thought behind it.
fn carried_seal(seal: Option<&Signature<'_>>, w: &mut Writer<'_>) {
    if let Some(seal) = seal.filter(|seal| seal.issuer == Dialect::Gemini) {
        redacted(&seal.carried(Dialect::Anthropic), w);
    }
}

fn redacted(data: &str, w: &mut Writer<'_>) {
    w.object(|w| {
        w.key("type").str("redacted_thinking");
        w.key("data").str(data);
    });
}

fn text_block(text: &str, w: &mut Writer<'_>) {
    w.object(|w| {
        w.key("type").str("text");
        w.key("text").str(text);
    });
}

/// What stands for a medium that the model made: answers of this dialect hold none.
pub(super) fn medium_note(mime: Option<&str>) -> String {
    format!("[The model made a part of type {} that this protocol cannot carry.]", mime.unwrap_or("unknown"))
}
