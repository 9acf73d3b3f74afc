//! Whole answers.

use super::answer::Answer;
use super::own;
use super::wire::{ResponseWire, block_form, choice_form, required};
use super::{decode, stop, usage};
use crate::Dialect;
use crate::dialects::DecodeError;
use crate::ir::{Block, BlockKind, Choice, Losses, ReplyContext, Response, StopReason};
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
        decode::answer_block(raw, index, &mut blocks)?;
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

/// Writes a whole answer; only the first choice, as this dialect has no other. Gives what was lost of an answer of
/// another dialect, in that dialect's words.
pub fn encode_response(response: &Response<'_>, context: &ReplyContext, out: &mut Vec<u8>) -> Losses {
    let own = response.origin == Dialect::Anthropic;
    let choice = response.choices.iter().min_by_key(|choice| choice.index);
    let form = choice.filter(|_| own).map_or(0, |choice| choice.form);
    let blocks = choice.map_or(&[][..], |choice| &choice.blocks);
    let mut answer = Answer::new(response.origin);
    if !own {
        answer.choices(&response.choices, choice);
    }
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
        w.key("content").array(|w| {
            for block in blocks {
                if own {
                    own_block(block, w);
                } else {
                    answer.block(block, w);
                }
            }
        });
        stop_members(choice, answer.called, own, w);
        if response.usage.is_some() || !own {
            w.key("usage");
            usage::encode(response.usage.as_ref(), own, w);
        }
        if own {
            w.extra(&response.extra);
        }
    });
    answer.losses
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
    if own::is_written(block) {
        own::block(block, w);
    }
}
