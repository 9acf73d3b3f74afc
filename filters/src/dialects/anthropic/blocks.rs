//! Content blocks of requests and answers.

use serde_json::value::RawValue;

use super::wire::{
    MediaWire, SourceWire, Tag, TextWire, ThinkingWire, ToolResultWire, ToolUseWire, block_form, keep, read, required,
};
use crate::Dialect;
use crate::dialects::DecodeError;
use crate::ir::{
    Block, BlockKind, CacheMark, Media, MediaSource, ReasoningBlock, Role, Signature, ToolResult, ToolUse, ToolUseKind,
};
use crate::json::Str;

/// Names a member of the block at hand, for errors.
type At<'f> = &'f dyn Fn(&str) -> String;

/// The blocks of a list in a turn of `role`.
pub(super) fn blocks<'a>(raw: &'a RawValue, role: Role, param: &str) -> Result<Vec<Block<'a>>, DecodeError> {
    let list: Vec<&'a RawValue> = read(raw, param)?;
    let mut blocks = Vec::with_capacity(list.len());
    for (index, raw) in list.into_iter().enumerate() {
        let block = block(raw, role, &|field| format!("{param}.{index}{field}"))?;
        push(&mut blocks, block);
    }
    Ok(blocks)
}

/// Adds a block; a Gemini seal in a `redacted_thinking` block goes back to the block before it, where the answer's
/// encoder took it from: Gemini has no hidden thoughts of its own, and wants its seal on the very part it gave it with.
pub(super) fn push<'a>(blocks: &mut Vec<Block<'a>>, mut block: Block<'a>) {
    let carried = matches!(&block.kind, BlockKind::Reasoning(reasoning) if reasoning.redacted)
        && block.signature.as_ref().is_some_and(|seal| seal.issuer == Dialect::Gemini);
    if !carried {
        return blocks.push(block);
    }
    let sealable = |block: &&mut Block<'a>| {
        block.signature.is_none() && matches!(block.kind, BlockKind::Text { .. } | BlockKind::ToolUse(_))
    };
    match blocks.last_mut().filter(sealable) {
        Some(last) => last.signature = block.signature,
        None => {
            let mut empty = Block::text("");
            empty.signature = block.signature.take();
            blocks.push(empty);
        }
    }
}

/// One block.
pub(super) fn block<'a>(raw: &'a RawValue, role: Role, at: At<'_>) -> Result<Block<'a>, DecodeError> {
    let tag: Tag<'a> = read(raw, &at(""))?;
    match required(tag.kind, at(".type"))?.as_str() {
        // Blocks of a tool result cannot hold results again: anything deeper is kept as it is.
        "tool_result" if role != Role::Tool => tool_result(raw, at),
        "tool_use" if role != Role::Tool => tool_use(raw, at),
        "text" => text(raw, at),
        "image" => media(raw, at, BlockKind::Image),
        "document" => media(raw, at, BlockKind::File),
        "thinking" => thinking(raw, at),
        "redacted_thinking" => redacted(raw, at),
        _ => Ok(opaque(raw)),
    }
}

fn opaque(raw: &RawValue) -> Block<'_> {
    Block::new(BlockKind::Opaque { dialect: Dialect::Anthropic, raw: keep(raw) })
}

fn text<'a>(raw: &'a RawValue, at: At<'_>) -> Result<Block<'a>, DecodeError> {
    let wire: TextWire<'a> = read(raw, &at(""))?;
    let text = required(wire.text, at(".text"))?;
    let mut block = Block::new(BlockKind::Text { text, citations: wire.citations });
    block.cache = wire.cache.map(CacheMark);
    block.extra = wire.rest;
    Ok(block)
}

fn media<'a>(raw: &'a RawValue, at: At<'_>, kind: fn(Media<'a>) -> BlockKind<'a>) -> Result<Block<'a>, DecodeError> {
    let wire: MediaWire<'a> = read(raw, &at(""))?;
    let source = required(wire.source, at(".source"))?;
    let Some((mime, bytes)) = known_source(read(source, &at(".source"))?) else {
        return Ok(opaque(raw));
    };
    let mut extra = wire.rest;
    if let (MediaSource::Text(_), None) = (&bytes, &mime) {
        // A document of text blocks: others get the text, this dialect gets the source as it was.
        extra.push("source", keep(source));
    }
    let mut block = Block::new(kind(Media { mime, source: bytes, name: wire.title }));
    block.cache = wire.cache.map(CacheMark);
    block.extra = extra;
    Ok(block)
}

/// MIME type and source, when the source holds nothing but what these two can say.
fn known_source(wire: SourceWire<'_>) -> Option<(Option<Str<'_>>, MediaSource<'_>)> {
    let SourceWire { kind, media_type, data, url, file_id, content, rest } = wire;
    if !rest.is_empty() {
        return None;
    }
    match (kind?.as_str(), media_type, data, url, file_id, content) {
        ("base64", Some(mime), Some(data), None, None, None) => Some((Some(mime), MediaSource::Base64(data))),
        ("text", Some(mime), Some(data), None, None, None) => Some((Some(mime), MediaSource::Text(data))),
        ("url", None, None, Some(url), None, None) => Some((None, MediaSource::Url(url))),
        ("file", None, None, None, Some(id), None) => Some((None, MediaSource::FileId(id))),
        ("content", None, None, None, None, Some(content)) => Some((None, MediaSource::Text(joined(content)?))),
        _ => None,
    }
}

/// The text of a `content` source when it is all text.
fn joined(raw: &RawValue) -> Option<Str<'_>> {
    if let Ok(text) = serde_json::from_str::<Str<'_>>(raw.get()) {
        return Some(text);
    }
    let list: Vec<TextWire<'_>> = serde_json::from_str(raw.get()).ok()?;
    let texts: Option<Vec<&str>> = list.iter().map(|wire| wire.text.as_deref()).collect();
    Some(Str::from(texts?.join("\n\n")))
}

fn tool_use<'a>(raw: &'a RawValue, at: At<'_>) -> Result<Block<'a>, DecodeError> {
    let mut wire: ToolUseWire<'a> = read(raw, &at(""))?;
    let input = match wire.input {
        Some(input) => Str::from(input.get()),
        None => {
            required(wire.rest.take("input"), at(".input"))?;
            Str::from("null")
        }
    };
    let mut block = Block::new(BlockKind::ToolUse(ToolUse {
        id: required(wire.id, at(".id"))?,
        name: required(wire.name, at(".name"))?,
        input,
        kind: ToolUseKind::Function,
    }));
    block.cache = wire.cache.map(CacheMark);
    block.extra = wire.rest;
    Ok(block)
}

fn tool_result<'a>(raw: &'a RawValue, at: At<'_>) -> Result<Block<'a>, DecodeError> {
    let wire: ToolResultWire<'a> = read(raw, &at(""))?;
    let mut form = 0;
    let content = match wire.content {
        None => {
            form = block_form::NO_CONTENT;
            Vec::new()
        }
        Some(content) if content.get().starts_with('"') => {
            form = block_form::STRING;
            vec![Block::text(read::<Str<'a>>(content, &at(".content"))?)]
        }
        Some(content) => blocks(content, Role::Tool, &at(".content"))?,
    };
    let mut block = Block::new(BlockKind::ToolResult(ToolResult {
        id: required(wire.id, at(".tool_use_id"))?,
        name: None,
        content,
        is_error: wire.is_error,
        kind: ToolUseKind::Function,
    }));
    block.cache = wire.cache.map(CacheMark);
    block.extra = wire.rest;
    block.form = form;
    Ok(block)
}

fn thinking<'a>(raw: &'a RawValue, at: At<'_>) -> Result<Block<'a>, DecodeError> {
    let wire: ThinkingWire<'a> = read(raw, &at(""))?;
    let mut rest = wire.rest;
    if let Some(data) = wire.data.as_deref().and_then(|data| crate::json::Raw::from_value(&data)) {
        rest.push("data", data);
    }
    let text = vec![required(wire.thinking, at(".thinking"))?];
    let mut block = Block::new(BlockKind::Reasoning(ReasoningBlock { text, redacted: false, id: None }));
    match wire.signature {
        Some(seal) if seal.is_empty() => block.form = block_form::EMPTY_SEAL,
        seal => block.signature = seal.map(|seal| Signature::from_slot(Dialect::Anthropic, seal)),
    }
    block.extra = rest;
    Ok(block)
}

fn redacted<'a>(raw: &'a RawValue, at: At<'_>) -> Result<Block<'a>, DecodeError> {
    let wire: ThinkingWire<'a> = read(raw, &at(""))?;
    if wire.thinking.is_some() || wire.signature.is_some() {
        return Ok(opaque(raw));
    }
    let data = required(wire.data, at(".data"))?;
    let mut block = Block::new(BlockKind::Reasoning(ReasoningBlock { text: Vec::new(), redacted: true, id: None }));
    block.signature = Some(Signature::from_slot(Dialect::Anthropic, data));
    block.extra = wire.rest;
    Ok(block)
}
