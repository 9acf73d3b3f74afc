//! A provider's whole answer to the IR.

use super::details::PRIVATE;
use super::message;
use crate::Dialect;
use crate::dialects::DecodeError;
use crate::dialects::openai_chat::wire::{self, ChoiceWire, Later, MessageWire, ResponseWire, SaidAudioWire};
use crate::dialects::openai_chat::{decode_error, media, stop, stream, usage};
use crate::ir::{Block, BlockKind, Choice, Media, MediaSource, Response, Role, StopReason, Turn};
use crate::json::{Extra, Raw, Str};

/// Marks blocks that were read out of a message's `audio`.
pub(in crate::dialects::openai_chat) const AUDIO_MARK: &str = "\0audio";
/// Before the name `audio` of a message, which is kept to be written again.
pub(in crate::dialects::openai_chat) const AUDIO_KEPT: &str = "\0answer.";
/// Before the names of a message's members that thoughts were read out of, which are kept to be written again.
pub(in crate::dialects::openai_chat) const DETAILS_KEPT: &str = "\0message.";

/// Reads a provider's whole answer.
///
/// # Errors
/// When it is no answer: not JSON, an error inside HTTP 200 (its message is the error's; [`decode_error`] reads the
/// rest of it), or without `choices`.
pub fn decode_response(body: &[u8]) -> Result<Response<'_>, DecodeError> {
    let mut wire: ResponseWire<'_> = wire::read_body(body)?;
    let failed = wire.rest.get("error").is_some_and(|error| !error.is_null());
    let Some(choices) = wire.choices.take().filter(|choices| !failed || !choices.is_empty()) else {
        if failed || wire.rest.get("message").is_some() || wire.rest.get("detail").is_some() {
            return Err(DecodeError::at("error", decode_error(200, body).message));
        }
        return Err(DecodeError::at("choices", "the provider's answer has no `choices`"));
    };
    let mut extra = wire.rest;
    let created = wire.created.as_ref().and_then(crate::json::Num::as_u64);
    if let (None, Some(odd)) = (created, wire.created) {
        extra.push("created", odd.as_raw().clone());
    }
    if let Some(object) = wire.object.filter(|object| object != "chat.completion") {
        extra.push("object", super::tools::quoted(&object));
    }
    let spent = wire.usage.and_then(|value| usage::decode(wire::raw(value)));
    if let (None, Some(odd)) = (&spent, wire.usage) {
        extra.push("usage", wire::raw(odd));
    }
    let seed = wire.id.clone().unwrap_or_default();
    let each = choices.into_iter().enumerate();
    let choices = each.map(|(at, wire)| choice(wire, at, &seed)).collect::<Result<_, _>>()?;
    Ok(Response { origin: Dialect::OpenAiChat, id: wire.id, model: wire.model, created, choices, usage: spent, extra })
}

fn choice<'a>(wire: ChoiceWire<'a>, at: usize, seed: &str) -> Result<Choice<'a>, DecodeError> {
    let mut message: MessageWire<'a> = wire.message.unwrap_or_default();
    message.role = None;
    let mut turn = Turn::new(Role::Assistant, Vec::new());
    message::said(&mut message, &mut turn, &format!("choices[{at}].message"), &|n| stream::made_id(seed, at, n))?;
    let mut extra = wire.rest;
    if let Some(value) = message.audio.filter(|value| audio(value, &mut turn.blocks)) {
        message.audio = None;
        extra.push(format!("{AUDIO_KEPT}audio"), wire::raw(value));
    }
    for (key, value) in message::leftover(message).0 {
        let kept = key.strip_prefix(PRIVATE).map(|key| format!("{DETAILS_KEPT}{key}"));
        extra.push(kept.unwrap_or_else(|| format!("message.{key}")), value);
    }
    let index = wire.index.as_ref().and_then(crate::json::Num::as_u64).and_then(|index| u32::try_from(index).ok());

    let met = met_stop_sequence(&extra);
    let stop = match wire.finish_reason.as_deref() {
        None | Some("") => StopReason::EndTurn,
        Some(word) => stop::from_word(word),
    };
    let has = |wanted: fn(&BlockKind<'_>) -> bool| turn.blocks.iter().any(|block| wanted(&block.kind));
    let stop = match stop {
        _ if has(|kind| matches!(kind, BlockKind::ToolUse(_))) => StopReason::ToolUse,
        StopReason::EndTurn if has(|kind| matches!(kind, BlockKind::Refusal { .. })) => StopReason::Refusal,
        StopReason::EndTurn if met.is_some() => StopReason::StopSequence,
        // A call was announced that is not there.
        StopReason::ToolUse => StopReason::EndTurn,
        other => other,
    };
    Ok(Choice {
        index: index.unwrap_or(u32::try_from(at).unwrap_or(u32::MAX)),
        blocks: turn.blocks,
        stop,
        stop_raw: wire.finish_reason,
        stop_sequence: met,
        extra,
        form: turn.form,
    })
}

/// Reads sound that the model made, and what it says; false when it is no such thing.
fn audio<'a>(value: Later<'a>, blocks: &mut Vec<Block<'a>>) -> bool {
    let Ok(wire) = serde_json::from_str::<SaidAudioWire<'a>>(value.get()) else { return false };
    let Some(data) = wire.data.filter(|data| !data.is_empty()) else { return false };
    let mark = || {
        let mut extra = Extra::default();
        extra.push(AUDIO_MARK, Raw::TRUE);
        extra
    };
    if let Some(text) = wire.transcript.filter(|text| !text.is_empty()) {
        blocks.push(Block { extra: mark(), ..Block::text(text) });
    }
    let mime = media::sound_mime(&data).map(Str::from);
    let medium = Media { mime, source: MediaSource::Base64(data), name: None };
    blocks.push(Block { extra: mark(), ..Block::new(BlockKind::Audio(medium)) });
    true
}

/// vLLM's `stop_reason`: the text that was met, or the number of a token.
fn met_stop_sequence<'a>(extra: &Extra<'a>) -> Option<Str<'a>> {
    extra.get("stop_reason").and_then(Raw::read::<String>).map(Str::from)
}
