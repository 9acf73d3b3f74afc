//! Items and parts to blocks, for requests and answers alike.

use std::fmt::Arguments;

use serde_json::value::RawValue;

use super::wire::{
    AudioWire, CallWire, Content, Kind, MediaPart, MessageWire, OutputWire, PictureWire, ReasoningItem, TextPart,
    TextWirePart, keep, missing, read,
};
use super::{DIALECT, form, namespaces, quiet, seal};
use crate::dialects::DecodeError;
use crate::ir::{Block, BlockKind, CacheMark, Media, MediaSource, ReasoningBlock, ToolResult, ToolUse, ToolUseKind};
use crate::json::{Extra, Raw, Str};

/// An item.
pub(super) enum Item<'a> {
    /// A message.
    Message(MessageWire<'a>),
    /// Anything else: one block.
    Block(Block<'a>),
}

/// Whose words a message is in: decides how text parts are usually spelled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// `input_text`: users, operators and tools.
    Input,
    /// `output_text`: the model.
    Output,
}

/// Reads the item that stands at `at`.
pub(super) fn item<'a>(value: &'a RawValue, at: Arguments<'_>) -> Result<Item<'a>, DecodeError> {
    let kind: Kind<'_> = read(value.get(), at)?;
    let known = match kind.kind.as_deref() {
        Some("message") => Item::Message(read(value.get(), at)?),
        None if kind.role.is_some() => Item::Message(read(value.get(), at)?),
        Some("function_call") => Item::Block(call(value, ToolUseKind::Function, at)?),
        Some("custom_tool_call") => Item::Block(call(value, ToolUseKind::Custom, at)?),
        Some("function_call_output") => Item::Block(output(value, ToolUseKind::Function, at)?),
        Some("custom_tool_call_output") => Item::Block(output(value, ToolUseKind::Custom, at)?),
        Some("image_generation_call") => Item::Block(picture(value)),
        Some("reasoning") => Item::Block(reasoning(read(value.get(), at)?, at)?),
        // An item_reference may be an id alone.
        None if kind.id.is_none() => return Err(missing(at, "type")),
        _ => Item::Block(opaque(value)),
    };
    Ok(known)
}

/// An item or part as it stands.
pub(super) fn opaque(value: &RawValue) -> Block<'_> {
    Block::new(BlockKind::Opaque { dialect: DIALECT, raw: keep(value) })
}

/// The blocks of a message's or a result's parts.
pub(super) fn parts<'a>(list: &[&'a RawValue], side: Side, at: Arguments<'_>) -> Result<Vec<Block<'a>>, DecodeError> {
    list.iter().enumerate().map(|(n, value)| part(value, side, format_args!("{at}[{n}]"))).collect()
}

/// Reads one part.
pub(super) fn part<'a>(value: &'a RawValue, side: Side, at: Arguments<'_>) -> Result<Block<'a>, DecodeError> {
    let kind: Kind<'_> = read(value.get(), at)?;
    let block = match kind.kind.as_deref() {
        Some("input_text" | "output_text" | "text") => text_part(read(value.get(), at)?, side, at)?,
        Some("refusal" | "input_image" | "input_file" | "input_audio") => media_part(value, at)?,
        Some(_) => None,
        None => return Err(missing(at, "type")),
    };
    Ok(block.unwrap_or_else(|| {
        let mut block = opaque(value);
        block.form = form::PART;
        block
    }))
}

fn text_part<'a>(mut wire: TextWirePart<'a>, side: Side, at: Arguments<'_>) -> Result<Option<Block<'a>>, DecodeError> {
    let Some(text) = wire.text else { return Err(missing(at, "text")) };
    let spelled = wire.kind.as_deref().and_then(|kind| form::SPELLINGS.iter().position(|known| *known == kind));
    let usual = if side == Side::Input { 1 } else { 2 };
    let mut bits = spelled.filter(|spelled| *spelled != usual).unwrap_or(0) as u8;
    if wire.annotations.as_ref().is_some_and(is_empty_list) {
        wire.annotations = None;
        bits |= form::ANNOTATIONS_EMPTY;
    }
    if let Some(logprobs) = wire.logprobs {
        if is_empty_list(&logprobs) {
            bits |= form::LOGPROBS_EMPTY;
        } else {
            // An answer's stand at its choice for all to see.
            wire.rest.push("\0logprobs", logprobs);
        }
    }
    Ok(Some(Block {
        kind: BlockKind::Text { text, citations: wire.annotations },
        signature: None,
        cache: wire.cache_control.map(CacheMark),
        extra: wire.rest,
        form: bits,
    }))
}

fn is_empty_list(value: &Raw<'_>) -> bool {
    value.is_array() && value.get().trim_matches(['[', ']']).trim().is_empty()
}

/// A refusal, image, file or audio part; `None` when it has none of the members it is known by.
fn media_part<'a>(value: &'a RawValue, at: Arguments<'_>) -> Result<Option<Block<'a>>, DecodeError> {
    let wire: MediaPart<'a> = read(value.get(), at)?;
    let mut extra = wire.rest;
    quiet::hush(&mut extra, "detail", |value| value.get() == "\"auto\"");
    let mut bits = 0;
    let name = wire.filename;
    let kind = match wire.kind.as_deref() {
        Some("refusal") => match wire.refusal {
            Some(text) => BlockKind::Refusal { text },
            None => return Err(missing(at, "refusal")),
        },
        Some("input_image") => match (wire.image_url, wire.file_id) {
            (Some(url), file_id) => {
                keep_str(&mut extra, "file_id", file_id);
                BlockKind::Image(image_of(url, &mut extra))
            }
            (None, Some(id)) => BlockKind::Image(Media { mime: None, source: MediaSource::FileId(id), name: None }),
            (None, None) => return Ok(None),
        },
        Some("input_file") => {
            let (mime, source) = match (wire.file_data, wire.file_url, wire.file_id) {
                (Some(data), None, None) => match data_url(&data) {
                    Some((mime, base64)) => {
                        if !is_plain_data_url(&data, &mime, &base64) {
                            keep_str(&mut extra, "file_data", Some(data));
                        }
                        (Some(mime), MediaSource::Base64(base64))
                    }
                    None if data.starts_with("data:") => return Ok(None),
                    None => {
                        bits |= form::FILE_BARE;
                        (None, MediaSource::Base64(data))
                    }
                },
                (None, Some(url), None) => (None, MediaSource::Url(url)),
                (None, None, Some(id)) => (None, MediaSource::FileId(id)),
                _ => return Ok(None),
            };
            return Ok(Some(media_block(
                BlockKind::File(Media { mime, source, name }),
                wire.cache_control,
                extra,
                bits,
            )));
        }
        _ => {
            let Some(inner) = wire.input_audio else { return Err(missing(at, "input_audio")) };
            let audio: AudioWire<'a> = read(inner.get(), format_args!("{at}.input_audio"))?;
            let (Some(data), Some(format), true) = (audio.data, audio.format, audio.rest.is_empty()) else {
                return Ok(None);
            };
            let mime = Some(Str::from(format!("audio/{format}")));
            BlockKind::Audio(Media { mime, source: MediaSource::Base64(data), name: None })
        }
    };
    keep_str(&mut extra, "filename", name);
    Ok(Some(media_block(kind, wire.cache_control, extra, bits)))
}

fn media_block<'a>(kind: BlockKind<'a>, cache: Option<Raw<'a>>, extra: Extra<'a>, form: u8) -> Block<'a> {
    Block { kind, signature: None, cache: cache.map(CacheMark), extra, form }
}

fn keep_str(extra: &mut Extra<'_>, key: &'static str, value: Option<Str<'_>>) {
    if let Some(raw) = value.and_then(|value| Raw::from_value(&value.as_str())) {
        extra.push(key, raw);
    }
}

fn image_of<'a>(url: Str<'a>, extra: &mut Extra<'a>) -> Media<'a> {
    if let Some((mime, data)) = data_url(&url) {
        if !is_plain_data_url(&url, &mime, &data) {
            keep_str(extra, "image_url", Some(url));
        }
        return Media { mime: Some(mime), source: MediaSource::Base64(data), name: None };
    }
    Media { mime: None, source: MediaSource::Url(url), name: None }
}

/// Whether a `data:` URL says no more than its type and its bytes.
fn is_plain_data_url(url: &str, mime: &str, data: &str) -> bool {
    url.len() == "data:;base64,".len() + mime.len() + data.len()
}

/// The type and the base64 text of a `data:` URL (RFC 2397); `None` for any other.
fn data_url<'a>(url: &Str<'a>) -> Option<(Str<'a>, Str<'a>)> {
    let (mime_end, data_start) = {
        let rest = url.strip_prefix("data:")?;
        let comma = rest.find(',')?;
        let head = rest.get(..comma)?.strip_suffix(";base64")?;
        let mime_end = head.find(';').unwrap_or(head.len());
        ("data:".len() + mime_end, "data:".len() + comma + 1)
    };
    if let Str(std::borrow::Cow::Borrowed(text)) = url {
        return Some((Str::from(text.get(5..mime_end)?), Str::from(text.get(data_start..)?)));
    }
    Some((Str::from(url.get(5..mime_end)?.to_owned()), Str::from(url.get(data_start..)?.to_owned())))
}

fn call<'a>(value: &'a RawValue, kind: ToolUseKind, at: Arguments<'_>) -> Result<Block<'a>, DecodeError> {
    let mut wire: CallWire<'a> = read(value.get(), at)?;
    let mut bits = 0;
    let given = wire.call_id.filter(|id| !id.is_empty());
    let id = match given {
        Some(id) => id,
        // Some compatible servers know the item's id only.
        None => match wire.rest.get("id").and_then(Raw::read::<Str<'_>>).filter(|id| !id.is_empty()) {
            Some(id) => {
                bits = form::CALL_ID_ABSENT;
                id.into_owned()
            }
            None => return Err(missing(at, "call_id")),
        },
    };
    let Some(mut name) = wire.name else { return Err(missing(at, "name")) };
    if let Some(namespace) = wire.namespace {
        if let Some(word) = namespace.read::<Str<'_>>() {
            keep_str(&mut wire.rest, quiet::NAME, Some(name.reborrow()));
            name = namespaces::of_answer(&word, name);
        }
        wire.rest.push("\0namespace", namespace);
    }
    quiet::hush_item(&mut wire.rest);
    let (input, other, key) = match kind {
        ToolUseKind::Function => (wire.arguments, wire.input, "arguments"),
        ToolUseKind::Custom => (wire.input, wire.arguments, "input"),
    };
    let Some(input) = input else { return Err(missing(at, key)) };
    keep_str(&mut wire.rest, if key == "input" { "arguments" } else { "input" }, other);
    let call = ToolUse { id, name, input, kind };
    Ok(Block { kind: BlockKind::ToolUse(call), signature: None, cache: None, extra: wire.rest, form: bits })
}

/// The namespace and the name of a call that was read, if it has a namespace.
pub(super) fn in_namespace(extra: &Extra<'_>) -> Option<(Str<'static>, Str<'static>)> {
    let text = |key: &str| extra.get(key).and_then(Raw::read::<Str<'_>>).map(Str::into_owned);
    Some((text("\0namespace")?, text(quiet::NAME)?))
}

/// A picture that the model made; one that is not there is an item that only this dialect knows.
fn picture(value: &RawValue) -> Block<'_> {
    let wire: PictureWire<'_> = serde_json::from_str(value.get()).unwrap_or_default();
    let Some(data) = wire.result.filter(|data| !data.is_empty()) else { return opaque(value) };
    let mime = format!("image/{}", wire.output_format.as_deref().unwrap_or("png"));
    let media = Media { mime: Some(Str::from(mime)), source: MediaSource::Base64(data), name: None };
    let mut block = Block::new(BlockKind::Image(media));
    block.extra.push(quiet::ITEM, keep(value));
    block
}

fn output<'a>(value: &'a RawValue, kind: ToolUseKind, at: Arguments<'_>) -> Result<Block<'a>, DecodeError> {
    let mut wire: OutputWire<'a> = read(value.get(), at)?;
    let Some(id) = wire.call_id.filter(|id| !id.is_empty()) else { return Err(missing(at, "call_id")) };
    let (content, form) = match wire.output {
        Some(Content::Text(text)) => (vec![Block::text(text)], form::OUTPUT_STRING),
        Some(Content::List(list)) => (parts(&list, Side::Input, format_args!("{at}.output"))?, 0),
        None if wire.rest.take("output").is_some() => (Vec::new(), form::OUTPUT_NULL),
        None => return Err(missing(at, "output")),
    };
    quiet::hush_item(&mut wire.rest);
    let result = ToolResult { id, name: None, content, is_error: None, kind };
    Ok(Block { kind: BlockKind::ToolResult(result), signature: None, cache: None, extra: wire.rest, form })
}

fn reasoning<'a>(wire: ReasoningItem<'a>, at: Arguments<'_>) -> Result<Block<'a>, DecodeError> {
    let mut extra = wire.rest;
    quiet::hush_item(&mut extra);
    let mut bits = 0;
    let mut text = Vec::new();
    match &wire.summary {
        None => bits |= form::SUMMARY_ABSENT,
        Some(summary) => text = texts(summary, "summary_text", "summary", &mut extra, format_args!("{at}.summary"))?,
    }
    match &wire.content {
        Some(content) if content.is_empty() => bits |= form::CONTENT_EMPTY,
        Some(content) if text.is_empty() => {
            text = texts(content, "reasoning_text", "content", &mut extra, format_args!("{at}.content"))?;
            bits |= form::TEXT_IS_CONTENT;
        }
        Some(content) => {
            // Everyone else gets all the words; here both lists come back.
            let words = texts(content, "reasoning_text", "content", &mut extra, format_args!("{at}.content"))?;
            text.extend(words);
            for (key, own, list) in
                [("summary", quiet::SUMMARY, &wire.summary), ("content", quiet::CONTENT, &wire.content)]
            {
                if let Some(list) = list.as_ref().filter(|_| extra.get(key).is_none()) {
                    keep_list(&mut extra, own, list);
                }
            }
        }
        None => {}
    }
    let (signature, redacted) = wire.encrypted_content.map_or((None, false), seal::from_slot);
    let block = ReasoningBlock { text, redacted, id: wire.id };
    Ok(Block { kind: BlockKind::Reasoning(block), signature, cache: None, extra, form: bits })
}

/// The texts of a summary or of reasoning content. Parts that are more than a text are kept as written, too.
fn texts<'a>(
    list: &[&'a RawValue],
    kind: &str,
    key: &'static str,
    extra: &mut Extra<'a>,
    at: Arguments<'_>,
) -> Result<Vec<Str<'a>>, DecodeError> {
    let mut found = Vec::with_capacity(list.len());
    let mut plain = true;
    for (n, value) in list.iter().enumerate() {
        let part: TextPart<'a> = read(value.get(), format_args!("{at}[{n}]"))?;
        plain &= part.rest.is_empty() && part.kind.as_deref() == Some(kind) && part.text.is_some();
        found.extend(part.text);
    }
    if !plain {
        keep_list(extra, key, list);
    }
    Ok(found)
}

fn keep_list(extra: &mut Extra<'_>, key: &'static str, list: &[&RawValue]) {
    let text = format!("[{}]", list.iter().map(|value| value.get()).collect::<Vec<_>>().join(","));
    if let Some(raw) = Raw::from_string(text) {
        extra.push(key, raw);
    }
}
