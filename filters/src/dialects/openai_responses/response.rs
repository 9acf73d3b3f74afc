//! Whole answers.

use serde::Deserialize;

use super::echo::{self, Frame, Status, written};
use super::items::{self, Item, Side, parts};
use super::quiet::ITEM_MEMBER;
use super::wire::{Content, MessageWire, ResponseWire, read};
use super::write;
use super::{DIALECT, form, seal, usage};
use crate::dialects::DecodeError;
use crate::ir::{
    ApiError, Block, BlockKind, Choice, ErrorKind, Losses, Media, MediaSource, ReasoningBlock, ReplyContext, Response,
    StopReason, ToolUse, ToolUseKind,
};
use crate::json::{Extra, Raw, Str, Writer};

/// Reads a whole answer.
///
/// # Errors
/// When it is not JSON or not a `response` object. An error object with status 200 is none: read it with
/// [`decode_error`](super::decode_error).
pub fn decode_response(body: &[u8]) -> Result<Response<'_>, DecodeError> {
    let text = std::str::from_utf8(body).map_err(|_| DecodeError::new("the provider's answer is not UTF-8"))?;
    let wire: ResponseWire<'_> = read(text, format_args!(""))?;
    if wire.output.is_none() && wire.rest.get("output").is_none() {
        return Err(DecodeError::at("output", "the provider's answer has no `output`: it is not a response object"));
    }
    let mut extra = wire.rest;
    let mut blocks = Vec::new();
    for value in wire.output.unwrap_or_default() {
        // What a provider writes otherwise than expected passes through unread: an answer is worth more than its form.
        match items::item(value, format_args!("output[]")) {
            Ok(Item::Block(block)) => blocks.push(block),
            Ok(Item::Message(message)) => match message_blocks(message) {
                Some(found) => blocks.extend(found),
                None => blocks.push(items::opaque(value)),
            },
            Err(_) => blocks.push(items::opaque(value)),
        }
    }
    let created = wire.created_at.as_ref().and_then(crate::json::Num::as_u64);
    if let Some(number) =
        wire.created_at.filter(|number| created.map(|n| n.to_string()).as_deref() != Some(number.get()))
        && let Some(raw) = Raw::from_string(number.get().to_owned())
    {
        extra.push("created_at", raw);
    }
    let stop = stop(wire.status.as_deref(), extra.get("incomplete_details"), &blocks);
    let choice =
        Choice { index: 0, blocks, stop, stop_raw: wire.status, stop_sequence: None, extra: Extra::default(), form: 0 };
    Ok(Response {
        origin: DIALECT,
        id: wire.id,
        model: wire.model,
        created,
        choices: vec![choice],
        usage: wire.usage.map(usage::decode),
        extra,
    })
}

/// The blocks of a message item; `None` when it has no content that could bear the item's own members.
fn message_blocks(wire: MessageWire<'_>) -> Option<Vec<Block<'_>>> {
    let (mut blocks, start) = match wire.content? {
        Content::Text(text) => (vec![Block::text(text)], form::ITEM_START | form::ITEM_STRING),
        Content::List(list) => (parts(&list, Side::Output, format_args!("content")).ok()?, form::ITEM_START),
    };
    let first = blocks.first_mut()?;
    first.form |= start;
    let names = [("type", wire.kind), ("role", wire.role)];
    for (key, value) in names {
        if let Some(raw) = value.and_then(|value| Raw::from_value(&value.as_str())) {
            first.extra.push(format!("{ITEM_MEMBER}{key}"), raw);
        }
    }
    for (key, value) in wire.rest.0 {
        first.extra.push(format!("{ITEM_MEMBER}{key}"), value);
    }
    Some(blocks)
}

/// Why an answer ended. A call that was seen is the reason whatever the provider's word.
pub(super) fn stop(status: Option<&str>, details: Option<&Raw<'_>>, blocks: &[Block<'_>]) -> StopReason {
    let called = blocks.iter().any(|block| matches!(block.kind, BlockKind::ToolUse(_)));
    let refused = blocks.iter().any(|block| matches!(block.kind, BlockKind::Refusal { .. }));
    stop_reason(status, details, called, refused)
}

/// As [`stop`], with what was seen of the blocks.
pub(super) fn stop_reason(status: Option<&str>, details: Option<&Raw<'_>>, called: bool, refused: bool) -> StopReason {
    #[derive(Deserialize)]
    struct Details<'a> {
        #[serde(borrow, default)]
        reason: Option<Str<'a>>,
    }
    if called {
        return StopReason::ToolUse;
    }
    let reason = details.and_then(Raw::read::<Details<'_>>).and_then(|details| details.reason);
    match (status, reason.as_deref()) {
        (Some("incomplete"), Some("max_output_tokens")) => StopReason::MaxTokens,
        (Some("incomplete"), Some("content_filter")) => StopReason::Refusal,
        (Some("incomplete" | "failed" | "cancelled"), _) => StopReason::Other,
        (Some("in_progress" | "queued"), _) => StopReason::Pause,
        _ if refused => StopReason::Refusal,
        _ => StopReason::EndTurn,
    }
}

/// Writes a whole answer.
pub fn encode_response(response: &Response<'_>, context: &ReplyContext, out: &mut Vec<u8>) -> Losses {
    let mut w = Writer::new(out);
    if response.origin == DIALECT {
        encode_own(&mut w, response, context);
        return Losses::default();
    }
    let mut frame = Frame::new(context);
    frame.adopt(None, response.model.as_deref());
    let choice = response.choices.first();
    let output = choice.map_or_else(Vec::new, |choice| foreign_items(&choice.blocks, context));
    let refused =
        choice.is_some_and(|choice| choice.blocks.iter().any(|block| matches!(block.kind, BlockKind::Refusal { .. })));
    let malformed = malformed();
    let status = status(choice.map_or(StopReason::Refusal, |choice| choice.stop), refused, &malformed);
    frame.write(&mut w, status, &output, |w| match &response.usage {
        Some(ledger) => usage::encode(w, ledger),
        None => echo::usage(w, None),
    });
    Losses::default()
}

/// The error of an answer whose call cannot be read.
pub(super) fn malformed() -> ApiError {
    ApiError::new(ErrorKind::Internal, "the model wrote a tool call that cannot be read: try again")
}

/// The status that says why an answer ended. `refused` tells whether it holds words of refusal: that is a complete
/// answer here.
pub(super) fn status(stop: StopReason, refused: bool, malformed: &ApiError) -> Status<'_> {
    match stop {
        StopReason::MaxTokens => Status::Incomplete("max_output_tokens"),
        StopReason::Refusal if !refused => Status::Incomplete("content_filter"),
        StopReason::Malformed => Status::Failed(malformed),
        _ => Status::Completed,
    }
}

/// An answer of this dialect, as it came.
fn encode_own(w: &mut Writer<'_>, response: &Response<'_>, context: &ReplyContext) {
    let extra = &response.extra;
    w.object(|w| {
        w.opt_str("id", response.id.as_deref());
        if let Some(model) = response.model.as_deref() {
            w.key("model").str(if context.model.is_empty() { model } else { &context.model });
        }
        if let Some(created) = response.created.filter(|_| extra.get("created_at").is_none()) {
            w.key("created_at").u64(created);
        }
        let choice = response.choices.first();
        w.opt_str("status", choice.and_then(|choice| choice.stop_raw.as_deref()));
        if extra.get("output").is_none() {
            let blocks = choice.map_or(&[][..], |choice| &choice.blocks);
            w.key("output").array(|w| own_items(w, blocks));
        }
        if let Some(ledger) = &response.usage {
            w.key("usage");
            match &ledger.raw {
                Some(raw) => w.raw(raw),
                None => usage::encode(w, ledger),
            }
        }
        w.extra(extra);
    });
}

fn own_items(w: &mut Writer<'_>, blocks: &[Block<'_>]) {
    let same_item =
        |left: &Block<'_>, right: &Block<'_>| write::is_part(left) && write::is_part(right) && !starts_item(right);
    for run in blocks.chunk_by(same_item) {
        match run {
            [block] if !write::is_part(block) => write::own_item(w, block),
            [first, ..] => own_message(w, first, run),
            [] => {}
        }
    }
}

fn starts_item(block: &Block<'_>) -> bool {
    block.form & form::ITEM_START != 0
}

fn own_message(w: &mut Writer<'_>, first: &Block<'_>, run: &[Block<'_>]) {
    w.object(|w| {
        if !starts_item(first) {
            w.key("type").str("message");
            w.key("role").str("assistant");
        }
        for (key, value) in first.extra.iter() {
            if let Some(key) = key.strip_prefix(ITEM_MEMBER) {
                w.key(key).raw(value);
            }
        }
        match &first.kind {
            BlockKind::Text { text, .. } if first.form & form::ITEM_STRING != 0 => w.key("content").str(text),
            _ => w.key("content").array(|w| {
                for block in run {
                    write::own_part(w, block, Side::Output);
                }
            }),
        }
    });
}

/// The items of another dialect's answer, each as JSON.
fn foreign_items(blocks: &[Block<'_>], context: &ReplyContext) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut message: Vec<Vec<u8>> = Vec::new();
    for block in blocks {
        let id = |prefix: &str, found: &[Vec<u8>]| context.id(prefix, found.len() as u64 + 1);
        match &block.kind {
            BlockKind::Text { text, citations } if !text.is_empty() => {
                let annotations = citations.as_ref().map(|raw| annotations(raw, text)).unwrap_or_default();
                message.push(written(|w| text_part(w, text, &annotations)));
            }
            BlockKind::Refusal { text } if !text.is_empty() => message.push(written(|w| refusal_part(w, text))),
            BlockKind::Image(Media { source: MediaSource::Base64(data), .. }) => {
                flush(&mut message, &mut found, context);
                found.push(written(|w| image_item(w, &id("ig_", &found), data)));
            }
            BlockKind::Image(media) | BlockKind::Audio(media) | BlockKind::Video(media) | BlockKind::File(media) => {
                message.push(written(|w| text_part(w, &media_note(media), &[])));
            }
            BlockKind::ToolUse(call) => {
                flush(&mut message, &mut found, context);
                let prefix = call_prefix(call.kind);
                found.push(written(|w| call_item(w, &id(prefix, &found), call, &call.input, "completed")));
            }
            BlockKind::Reasoning(reasoning) => {
                flush(&mut message, &mut found, context);
                if !reasoning.text.is_empty() || block.signature.is_some() {
                    found.push(written(|w| {
                        let slot = seal::to_slot(block.signature.as_ref(), reasoning.redacted, false);
                        reasoning_item(w, &id("rs_", &found), reasoning, slot.as_deref());
                    }));
                }
            }
            _ => {}
        }
        if seal::needs_carrier(block) {
            flush(&mut message, &mut found, context);
            let slot = seal::to_slot(block.signature.as_ref(), false, false);
            found.push(written(|w| carrier_item(w, &id("rs_", &found), slot.as_deref())));
        }
    }
    flush(&mut message, &mut found, context);
    found
}

fn flush(parts: &mut Vec<Vec<u8>>, found: &mut Vec<Vec<u8>>, context: &ReplyContext) {
    if !parts.is_empty() {
        let id = context.id("msg_", found.len() as u64 + 1);
        found.push(written(|w| message_item(w, &id, "completed", parts)));
        parts.clear();
    }
}

/// What is said of a medium that an answer here cannot hold.
pub(super) fn media_note(media: &Media<'_>) -> String {
    match &media.source {
        MediaSource::Url(url) => format!("[The model made a medium: {url}]"),
        _ => format!(
            "[The model made a medium of type {} that this protocol cannot carry.]",
            media.mime.as_deref().unwrap_or("unknown")
        ),
    }
}

/// A message item with whole parts.
pub(super) fn message_item(w: &mut Writer<'_>, id: &str, status: &str, parts: &[Vec<u8>]) {
    w.object(|w| {
        w.key("id").str(id);
        w.key("type").str("message");
        w.key("status").str(status);
        w.key("role").str("assistant");
        w.key("content").array(|w| parts.iter().for_each(|part| w.written(part)));
    });
}

/// An `output_text` part, with all that strict clients ask of it.
pub(super) fn text_part(w: &mut Writer<'_>, text: &str, annotations: &[Vec<u8>]) {
    w.object(|w| {
        w.key("type").str("output_text");
        w.key("text").str(text);
        w.key("annotations").array(|w| annotations.iter().for_each(|annotation| w.written(annotation)));
        w.key("logprobs").array(|_| {});
    });
}

/// A `refusal` part.
pub(super) fn refusal_part(w: &mut Writer<'_>, text: &str) {
    w.object(|w| {
        w.key("type").str("refusal");
        w.key("refusal").str(text);
    });
}

/// How ids of call items begin.
pub(super) fn call_prefix(kind: ToolUseKind) -> &'static str {
    match kind {
        ToolUseKind::Function => "fc_",
        ToolUseKind::Custom => "ctc_",
    }
}

/// A call item with `input` for its input.
pub(super) fn call_item(w: &mut Writer<'_>, id: &str, call: &ToolUse<'_>, input: &str, status: &str) {
    let empty = call.kind == ToolUseKind::Function && input.trim().is_empty() && status == "completed";
    w.object(|w| {
        w.key("id").str(id);
        write::call_members(w, call, Some(&call.id), &call.name, if empty { "{}" } else { input });
        w.key("status").str(status);
    });
}

/// A reasoning item.
pub(super) fn reasoning_item(w: &mut Writer<'_>, id: &str, reasoning: &ReasoningBlock<'_>, slot: Option<&str>) {
    w.object(|w| {
        w.key("id").str(id);
        w.key("type").str("reasoning");
        write::text_list(w, "summary", "summary_text", &reasoning.text);
        w.opt_str("encrypted_content", slot);
    });
}

/// A reasoning item that only carries the seal of the item before it.
pub(super) fn carrier_item(w: &mut Writer<'_>, id: &str, slot: Option<&str>) {
    reasoning_item(w, id, &ReasoningBlock { text: Vec::new(), redacted: false, id: None }, slot);
}

/// A picture that the model made.
pub(super) fn image_item(w: &mut Writer<'_>, id: &str, base64: &str) {
    w.object(|w| {
        w.key("id").str(id);
        w.key("type").str("image_generation_call");
        w.key("status").str("completed");
        w.key("result").str(base64);
    });
}

/// Citations of another dialect that name a web page, as annotations of the whole `text`.
fn annotations(citations: &Raw<'_>, text: &str) -> Vec<Vec<u8>> {
    let list: Vec<Raw<'_>> = citations.read().unwrap_or_default();
    list.iter().filter_map(|citation| annotation(citation, text.chars().count())).collect()
}

/// A citation as `url_citation`; `None` when it names no page. `length` of the text in characters stands in for places
/// that the dialect does not say.
pub(super) fn annotation(citation: &Raw<'_>, length: usize) -> Option<Vec<u8>> {
    let value = citation.to_value();
    let kind = value.get("type")?.as_str()?;
    let placed = ["url", "title", "start_index", "end_index"].iter().all(|key| value.get(key).is_some());
    let own =
        matches!(kind, "file_citation" | "container_file_citation" | "file_path") || (kind == "url_citation" && placed);
    if own {
        return Some(citation.get().as_bytes().to_vec());
    }
    // Chat nests what it says of a page.
    let page = value.get("url_citation").unwrap_or(&value);
    let url = page.get("url")?.as_str()?;
    let at = |key: &str, other: usize| page.get(key).and_then(serde_json::Value::as_u64).unwrap_or(other as u64);
    Some(written(|w| {
        w.object(|w| {
            w.key("type").str("url_citation");
            w.key("start_index").u64(at("start_index", 0));
            w.key("end_index").u64(at("end_index", length));
            w.key("url").str(url);
            w.key("title").str(page.get("title").and_then(serde_json::Value::as_str).unwrap_or(url));
        });
    }))
}
