//! Whole answers, both ways.

use super::grounding::Grounding;
use super::thoughts::Pending;
use super::wire::{CandidateWire, FeedbackWire, ResponseWire};
use super::write::{Style, is_part};
use super::{cited, error, form, nested, part, stop, usage};
use crate::dialects::DecodeError;
use crate::ir::{Block, BlockKind, Choice, LossKind, Losses, ReplyContext, Response, StopReason};
use crate::json::{Extra, Num, Raw, Str, Writer};
use crate::repair::names;
use crate::{Dialect, json};

/// Reads a whole answer. An array of chunks, as the streaming endpoint gives without `alt=sse`, is put together.
///
/// # Errors
/// When the body is not JSON of the shape of an answer, or is an error object (Google sends some with status 200).
pub fn decode_response(body: &[u8]) -> Result<Response<'_>, DecodeError> {
    if !body.trim_ascii_start().starts_with(b"[") {
        return complete(read(json::parse(body)?)?);
    }
    let chunks: Vec<ResponseWire<'_>> = json::parse(body)?;
    let mut whole: Option<Response<'_>> = None;
    for chunk in chunks {
        let next = read(chunk)?;
        match &mut whole {
            None => whole = Some(next),
            Some(whole) => join(whole, next),
        }
    }
    let mut whole = whole.ok_or_else(|| DecodeError::new("the provider's answer is an empty array"))?;
    finish(&mut whole);
    complete(whole)
}

/// The last steps with a whole answer. One that is nothing but a call that cannot be read is no answer: it fails, so that
/// it is asked for again.
fn complete(mut response: Response<'_>) -> Result<Response<'_>, DecodeError> {
    if !response.choices.is_empty() && response.choices.iter().all(is_broken_call) {
        let choice = response.choices.first();
        let reason = choice.and_then(|choice| choice.stop_raw.as_deref()).unwrap_or_default();
        let message: Option<String> = choice.and_then(|choice| choice.extra.get("finishMessage")).and_then(Raw::read);
        return Err(DecodeError::at("candidates[].finishReason", stop::broken_call(reason, message.as_deref())));
    }
    response.choices.iter_mut().for_each(cited::attach);
    Ok(response)
}

/// Whether a call that cannot be read is all that was said.
fn is_broken_call(choice: &Choice<'_>) -> bool {
    let silent = |block: &Block<'_>| match &block.kind {
        BlockKind::Reasoning(_) => true,
        BlockKind::Text { text, .. } => text.is_empty(),
        _ => false,
    };
    choice.stop == StopReason::Malformed && choice.blocks.iter().all(silent)
}

fn read(wire: ResponseWire<'_>) -> Result<Response<'_>, DecodeError> {
    if let Some(error) = &wire.error {
        let message = error::decode_error(0, format!("{{\"error\":{}}}", error.get()).as_bytes()).message;
        return Err(DecodeError::at("error", format!("the provider answered with an error: {message}")));
    }
    let mut extra = Extra::default();
    nested::keep_own(&mut extra, wire.rest);
    let mut choices = Vec::new();
    if let Some(candidates) = wire.candidates {
        if candidates.is_empty() {
            extra.push("candidates", Raw::parse("[]").unwrap_or(Raw::NULL));
        }
        for (at, candidate) in candidates.into_iter().enumerate() {
            choices.push(choice(candidate, at)?);
        }
    }
    if let Some(feedback) = wire.feedback {
        if choices.is_empty() {
            choices.extend(blocked(&feedback));
        }
        extra.push("promptFeedback", feedback);
    }
    let mut response = Response {
        origin: Dialect::Gemini,
        id: wire.id,
        model: wire.model,
        created: None,
        choices,
        usage: wire.usage.map(usage::decode),
        extra,
    };
    finish(&mut response);
    Ok(response)
}

/// The choice that stands for a prompt that was blocked.
fn blocked(feedback: &Raw<'_>) -> Option<Choice<'static>> {
    let feedback: FeedbackWire<'_> = feedback.read()?;
    let reason = feedback.reason?;
    let text = stop::explain("The prompt", &reason, feedback.message.as_deref());
    Some(Choice {
        index: 0,
        blocks: vec![explained(text)],
        stop: StopReason::Refusal,
        stop_raw: None,
        stop_sequence: None,
        extra: Extra::default(),
        form: form::BLOCKED,
    })
}

fn explained(text: String) -> Block<'static> {
    Block { form: form::EXPLAINED, ..Block::new(BlockKind::Refusal { text: Str::from(text) }) }
}

fn choice(wire: CandidateWire<'_>, at: usize) -> Result<Choice<'_>, DecodeError> {
    let mut choice = Choice {
        index: wire.index.as_ref().and_then(Num::as_u64).and_then(|index| index.try_into().ok()).unwrap_or(at as u32),
        blocks: Vec::new(),
        stop: StopReason::Other,
        stop_raw: wire.finish,
        stop_sequence: None,
        extra: Extra::default(),
        form: if wire.index.is_some() { 0 } else { form::NO_INDEX },
    };
    nested::keep_own(&mut choice.extra, wire.rest);
    let Some(content) = wire.content else {
        choice.form |= form::NO_CONTENT;
        return Ok(choice);
    };
    nested::keep(&mut choice.extra, "content", content.rest);
    match content.role {
        None => choice.form |= form::CONTENT_NO_ROLE,
        Some(role) if role != "model" => {
            choice.form |= form::CONTENT_NO_ROLE;
            choice.extra.push("content.role", Raw::from_value(&role.as_str()).unwrap_or(Raw::NULL));
        }
        Some(_) => {}
    }
    let Some(parts) = content.parts else {
        choice.form |= form::CONTENT_NO_PARTS;
        return Ok(choice);
    };
    for (place, part) in parts.items.into_iter().enumerate() {
        let block = part::block(part).map_err(|(member, message)| {
            let param = format!("candidates[{at}].content.parts[{place}].{member}");
            DecodeError::at(param.clone(), format!("{param} {message}"))
        })?;
        choice.blocks.push(block);
    }
    Ok(choice)
}

/// Puts a later chunk behind what came so far.
fn join<'a>(whole: &mut Response<'a>, next: Response<'a>) {
    whole.id = whole.id.take().or(next.id);
    whole.model = whole.model.take().or(next.model);
    whole.usage = next.usage.or(whole.usage.take());
    for (key, value) in next.extra.0 {
        whole.extra.take(&key);
        whole.extra.push(key, value);
    }
    for more in next.choices {
        let Some(choice) = whole.choices.iter_mut().find(|choice| choice.index == more.index) else {
            whole.choices.push(more);
            continue;
        };
        choice.blocks.retain(|block| block.form & form::EXPLAINED == 0 || !is_refusal(block));
        for block in more.blocks {
            join_block(&mut choice.blocks, block);
        }
        choice.stop_raw = more.stop_raw.or(choice.stop_raw.take());
        choice.form &= more.form;
        for (key, value) in more.extra.0 {
            choice.extra.take(&key);
            choice.extra.push(key, value);
        }
    }
}

fn is_refusal(block: &Block<'_>) -> bool {
    matches!(block.kind, BlockKind::Refusal { .. })
}

/// Text behind text is one text, unless either carries a seal or a leftover.
fn join_block<'a>(blocks: &mut Vec<Block<'a>>, next: Block<'a>) {
    let plain = |block: &Block<'_>| block.signature.is_none() && block.extra.is_empty();
    if let Some(last) = blocks.last_mut()
        && plain(last)
        && plain(&next)
    {
        match (&mut last.kind, &next.kind) {
            (BlockKind::Text { text, .. }, BlockKind::Text { text: more, .. }) => {
                return text.0.to_mut().push_str(more);
            }
            (BlockKind::Reasoning(known), BlockKind::Reasoning(more)) => {
                if let (Some(text), Some(more)) = (known.text.last_mut(), more.text.first()) {
                    text.0.to_mut().push_str(more);
                }
                return;
            }
            _ => {}
        }
    }
    blocks.push(next);
}

/// What can be said only of the whole: ids of calls, the stop reason, the words of a refusal.
fn finish(response: &mut Response<'_>) {
    let mut calls = 0;
    for choice in &mut response.choices {
        let mut called = false;
        for block in &mut choice.blocks {
            if let BlockKind::ToolUse(call) = &mut block.kind {
                called = true;
                if block.form & form::NO_ID != 0 {
                    call.id = Str::from(call_id(response.id.as_deref(), calls, &call.name));
                }
                calls += 1;
            }
        }
        if choice.form & form::BLOCKED != 0 {
            continue;
        }
        let reason = choice.stop_raw.as_deref().unwrap_or_default();
        choice.stop = stop::decode(reason, called);
        if choice.stop == StopReason::Refusal && choice.blocks.is_empty() {
            let message: Option<String> = choice.extra.get("finishMessage").and_then(Raw::read);
            choice.blocks.push(explained(stop::explain("The answer", reason, message.as_deref())));
        }
    }
}

/// An id for a call that came without one: unique in a conversation, because the answer's id is, and the same whenever
/// the same answer is read.
pub(super) fn call_id(response: Option<&str>, number: u32, name: &str) -> String {
    let id = match response.filter(|id| !id.is_empty()) {
        Some(response) => format!("call_{response}_{number}"),
        None => format!("call_{number}_{name}"),
    };
    names::call_id(&id).into_owned()
}

/// Writes a whole answer at the end of `out`.
pub fn encode_response(response: &Response<'_>, context: &ReplyContext, out: &mut Vec<u8>) -> Losses {
    let own = response.origin == Dialect::Gemini;
    let mut losses = Losses::default();
    Writer::new(out).object(|w| {
        let choices = response.choices.iter().filter(|choice| !own || choice.form & form::BLOCKED == 0);
        let mut choices = choices.peekable();
        if choices.peek().is_some() {
            w.key("candidates")
                .array(|w| choices.for_each(|choice| candidate(w, choice, response.origin, &mut losses)));
        }
        if let Some(counts) = &response.usage {
            w.key("usageMetadata");
            usage::encode(w, counts, own);
        }
        let model = Some(context.model.as_str()).filter(|model| !model.is_empty());
        w.opt_str("modelVersion", model.or(response.model.as_deref()));
        match &response.id {
            Some(id) => w.key("responseId").str(id),
            None if own => {}
            None => w.key("responseId").str(&context.id("", 0)),
        }
        if own {
            nested::write_own(w, &response.extra);
        } else {
            lost_members(response, &mut losses);
        }
    });
    losses
}

/// What of an answer beside its alternatives has no place here.
fn lost_members(response: &Response<'_>, losses: &mut Losses) {
    losses.drop_answer_extra("", &response.extra);
    if response.usage.as_ref().is_some_and(|usage| usage.cache_write_5m + usage.cache_write_1h > 0) {
        losses.add("usage.cache_creation_input_tokens", LossKind::Dropped);
    }
}

fn candidate(w: &mut Writer<'_>, choice: &Choice<'_>, origin: Dialect, losses: &mut Losses) {
    let own = origin == Dialect::Gemini;
    let bits = if own { choice.form } else { 0 };
    let mut grounding = Grounding::default();
    w.object(|w| {
        if bits & form::NO_CONTENT == 0 {
            w.key("content").object(|w| {
                if bits & form::CONTENT_NO_PARTS == 0 {
                    w.key("parts").array(|w| {
                        let (mut pending, mut part) = (Pending::default(), 0);
                        for block in &choice.blocks {
                            if !client_part(w, block, own, &mut pending) {
                                lost_block(block, origin, losses);
                                continue;
                            }
                            if !own {
                                cited::foreign(block, origin, part, &mut grounding, losses);
                            }
                            part += 1;
                        }
                    });
                }
                if bits & form::CONTENT_NO_ROLE == 0 {
                    w.key("role").str("model");
                }
                if own {
                    nested::write(w, &choice.extra, "content", None);
                }
            });
        }
        match choice.stop_raw.as_deref() {
            raw if own => w.opt_str("finishReason", raw),
            _ => w.key("finishReason").str(stop::encode(choice.stop)),
        }
        if bits & form::NO_INDEX == 0 {
            w.key("index").u64(choice.index.into());
        }
        if own {
            cited::own(w, choice);
            nested::write_own(w, &choice.extra);
            return;
        }
        if !grounding.is_empty() {
            w.key("groundingMetadata");
            grounding.write(w);
        }
        cited::foreign_logprobs(w, choice, origin, losses);
        losses.stop(choice.stop, choice.stop_sequence.is_some());
        let mut rest = choice.extra.clone();
        rest.take("logprobs");
        losses.drop_answer_extra("choices[]", &rest);
    });
}

/// What a block that is no part here was.
fn lost_block(block: &Block<'_>, origin: Dialect, losses: &mut Losses) {
    if let BlockKind::Opaque { dialect, raw } = &block.kind
        && origin != Dialect::Gemini
    {
        losses.add(lost_kind(*dialect, raw), LossKind::Dropped);
    }
}

/// The path of a part that only `dialect` knows, in its words.
pub(super) fn lost_kind(dialect: Dialect, raw: &Raw<'_>) -> String {
    let kind = raw.read::<TypeWire<'_>>().and_then(|wire| wire.kind);
    let list = if dialect == Dialect::OpenAiResponses { "output[]" } else { "content[]" };
    kind.map_or_else(|| list.to_owned(), |kind| format!("{list}.{kind}"))
}

crate::wire_object! {
    /// What tells the kind of a block in the other dialects.
    struct TypeWire<'a> {
        kind: Str<'a> = "type",
    }
}

/// How parts are written for clients. They get ids of calls, since they send them back.
pub(super) fn client_style(own: bool) -> Style {
    Style { own, ids: true, result_parts: true, names: true }
}

/// Writes a block, and tells whether it is a part.
fn client_part(w: &mut Writer<'_>, block: &Block<'_>, own: bool, pending: &mut Pending) -> bool {
    // Form bits of other dialects mean other things.
    let explained = matches!(block.kind, BlockKind::Refusal { .. });
    if !is_part(block) && (own || !explained) {
        return false;
    }
    let mut seal = block.signature.as_ref().map(|seal| seal.carried(Dialect::Gemini));
    match &block.kind {
        BlockKind::Reasoning(thought) => pending.keep(thought, block.signature.as_ref()),
        BlockKind::ToolUse(_) if seal.is_none() => seal = pending.slot().map(Str::from),
        _ => {}
    }
    client_style(own).part(w, block, seal.as_deref());
    true
}
