//! Content blocks of requests and answers.

use serde_json::value::RawValue;

use super::wire::{
    MediaWire, SourceWire, SourcedWire, Tag, TextWire, ThinkingWire, ToolResultWire, ToolUseWire, WHOLE, block_form,
    keep, read, required,
};
use crate::Dialect;
use crate::dialects::DecodeError;
use crate::ir::{
    Block, BlockKind, CacheMark, Media, MediaSource, ReasoningBlock, Role, Signature, ToolResult, ToolUse, ToolUseKind,
};
use crate::json::Str;

/// The type of text documents.
const PLAIN: &str = "text/plain";

/// Names a member of the block at hand, for errors.
type At<'f> = &'f dyn Fn(&str) -> String;

/// The blocks of a list in a turn of `role`.
pub(super) fn blocks<'a>(raw: &'a RawValue, role: Role, param: &str) -> Result<Vec<Block<'a>>, DecodeError> {
    let list: Vec<&'a RawValue> = read(raw, param)?;
    let mut blocks = Vec::with_capacity(list.len());
    for (index, raw) in list.into_iter().enumerate() {
        add(raw, role, &|field| format!("{param}.{index}{field}"), &mut blocks)?;
    }
    Ok(blocks)
}

/// Adds what one block of the list is.
pub(super) fn add<'a>(
    raw: &'a RawValue,
    role: Role,
    at: At<'_>,
    blocks: &mut Vec<Block<'a>>,
) -> Result<(), DecodeError> {
    if !document_of_parts(raw, at, blocks)? {
        push(blocks, block(raw, role, at)?);
    }
    Ok(())
}

/// Adds a block; a Gemini seal in a `redacted_thinking` block goes back to the block before it, where the answer's
/// encoder took it from: Gemini has no hidden thoughts of its own, and wants its seal on the very part it gave it with.
fn push<'a>(blocks: &mut Vec<Block<'a>>, mut block: Block<'a>) {
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
fn block<'a>(raw: &'a RawValue, role: Role, at: At<'_>) -> Result<Block<'a>, DecodeError> {
    let tag: Tag<'a> = read(raw, &at(""))?;
    match required(tag.kind, at(".type"))?.as_str() {
        // Blocks of a tool result cannot hold results again: anything deeper is kept as it is.
        "tool_result" if role != Role::Tool => tool_result(raw, at),
        "tool_use" if role != Role::Tool => tool_use(raw, at),
        "text" => text(raw, at),
        "image" => media(raw, at, BlockKind::Image),
        "document" => media(raw, at, BlockKind::File),
        "search_result" => Ok(search_result(raw).unwrap_or_else(|| opaque(raw))),
        "container_upload" => Ok(container_upload(raw).unwrap_or_else(|| opaque(raw))),
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
    let mut block = Block::new(kind(Media { mime, source: bytes, name: wire.title }));
    block.cache = wire.cache.map(CacheMark);
    block.extra = wire.rest;
    Ok(block)
}

/// A document whose source is a list of blocks. Other dialects get its texts and pictures one behind the other, this one
/// gets it as it came. Gives whether it was one.
fn document_of_parts<'a>(raw: &'a RawValue, at: At<'_>, blocks: &mut Vec<Block<'a>>) -> Result<bool, DecodeError> {
    let tag: Tag<'a> = read(raw, &at(""))?;
    if tag.kind.as_deref() != Some("document") {
        return Ok(false);
    }
    let wire: MediaWire<'a> = read(raw, &at(""))?;
    let source: Option<SourceWire<'a>> = wire.source.and_then(|source| serde_json::from_str(source.get()).ok());
    let source = source.filter(|source| source.kind.as_deref() == Some("content"));
    let Some(content) = source.and_then(|source| source.content) else { return Ok(false) };
    let Some(mut parts) = parts(content, wire.title.as_ref()) else { return Ok(false) };
    if let Some((first, rest)) = parts.split_first_mut() {
        first.cache = wire.cache.map(CacheMark);
        first.extra = wire.rest;
        first.extra.push(WHOLE, keep(raw));
        for part in rest {
            part.form |= block_form::SHADOW;
        }
    }
    let any = !parts.is_empty();
    blocks.append(&mut parts);
    Ok(any)
}

/// Texts and pictures of a source, when it holds nothing else; texts in a row are one document.
fn parts<'a>(content: &'a RawValue, title: Option<&Str<'a>>) -> Option<Vec<Block<'a>>> {
    let document = |text: String| {
        let media = Media { mime: Some(PLAIN.into()), source: MediaSource::Text(text.into()), name: title.cloned() };
        Block::new(BlockKind::File(media))
    };
    if let Ok(text) = serde_json::from_str::<String>(content.get()) {
        return Some(vec![document(text)]);
    }
    let list: Vec<&'a RawValue> = serde_json::from_str(content.get()).ok()?;
    let (mut parts, mut words): (Vec<Block<'a>>, Vec<Str<'a>>) = (Vec::new(), Vec::new());
    for raw in list {
        match block(raw, Role::Tool, &|field| field.to_owned()).ok()?.kind {
            BlockKind::Text { text, .. } => words.push(text),
            BlockKind::Image(media) => {
                parts.extend(joined(&mut words).map(document));
                parts.push(Block::new(BlockKind::Image(media)));
            }
            _ => return None,
        }
    }
    parts.extend(joined(&mut words).map(document));
    Some(parts)
}

/// The texts as one, when there are any; the list is empty then.
fn joined(words: &mut Vec<Str<'_>>) -> Option<String> {
    let words = std::mem::take(words);
    (!words.is_empty()).then(|| words.iter().map(Str::as_str).collect::<Vec<_>>().join("\n\n"))
}

/// A result of the client's own search: for others a text document that begins with its source.
fn search_result(raw: &RawValue) -> Option<Block<'_>> {
    let wire: SourcedWire<'_> = serde_json::from_str(raw.get()).ok()?;
    let texts: Vec<TextWire<'_>> = serde_json::from_str(wire.content?.get()).ok()?;
    let texts: Option<Vec<Str<'_>>> = texts.into_iter().map(|text| text.text).collect();
    let mut words = vec![wire.source?];
    words.extend(texts?);
    let source = MediaSource::Text(joined(&mut words)?.into());
    Some(whole(raw, Media { mime: Some(PLAIN.into()), source, name: wire.title }, wire.cache, wire.rest))
}

/// A stored file for the provider's own tools; it is bound to the account like any other.
fn container_upload(raw: &RawValue) -> Option<Block<'_>> {
    let wire: SourcedWire<'_> = serde_json::from_str(raw.get()).ok()?;
    let media = Media { mime: None, source: MediaSource::FileId(wire.file_id?), name: None };
    Some(whole(raw, media, wire.cache, wire.rest))
}

/// A document that this dialect writes as it came.
fn whole<'a>(
    raw: &'a RawValue,
    media: Media<'a>,
    cache: Option<crate::json::Raw<'a>>,
    rest: crate::json::Extra<'a>,
) -> Block<'a> {
    let mut block = Block::new(BlockKind::File(media));
    block.cache = cache.map(CacheMark);
    block.extra = rest;
    block.extra.push(WHOLE, keep(raw));
    block
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
        _ => None,
    }
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
    let is_direct =
        wire.rest.get("caller").is_some_and(|caller| caller.to_value() == serde_json::json!({"type": "direct"}));
    if is_direct {
        wire.rest.take("caller");
    }
    let mut block = Block::new(BlockKind::ToolUse(ToolUse {
        id: required(wire.id, at(".id"))?,
        name: required(wire.name, at(".name"))?,
        input,
        kind: ToolUseKind::Function,
    }));
    block.form = if is_direct { block_form::DIRECT } else { 0 };
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
        // The gateway's mark on a thought that nobody sealed (see `own::unsealed`) holds no seal.
        seal => {
            let seal = seal.map(|seal| Signature::from_slot(Dialect::Anthropic, seal));
            block.signature = seal.filter(|seal| !seal.value.is_empty());
        }
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
