//! Messages to turns; the message of an answer goes the same way.

use std::collections::BTreeMap;

use super::tools::{arguments, quoted};
use crate::Dialect;
use crate::dialects::DecodeError;
use crate::dialects::openai_chat::wire::{
    self, AudioWire, CallWire, CalledCustomWire, CalledFunctionWire, Content, FileWire, ImageUrlWire, Later,
    MessageWire, PartWire,
};
use crate::dialects::openai_chat::{form, media};
use crate::ir::{
    Block, BlockKind, CacheMark, Media, MediaSource, ReasoningBlock, Role, ToolResult, ToolUse, ToolUseKind, Turn,
};
use crate::json::{Extra, Raw, Str};

/// The calls seen so far: results say only an id.
#[derive(Default)]
struct Calls<'a> {
    by_id: BTreeMap<Str<'a>, (Str<'a>, ToolUseKind)>,
    /// Legacy calls without a result: name and made id.
    legacy: Vec<(Str<'a>, Str<'a>)>,
}

/// Reads the messages of a request.
pub(super) fn turns(messages: Vec<MessageWire<'_>>) -> Result<Vec<Turn<'_>>, DecodeError> {
    let mut calls = Calls::default();
    let mut turns = Vec::with_capacity(messages.len());
    for (at, wire) in messages.into_iter().enumerate() {
        turns.push(turn(wire, &format!("messages[{at}]"), at, &mut calls)?);
    }
    Ok(turns)
}

fn turn<'a>(mut wire: MessageWire<'a>, path: &str, at: usize, calls: &mut Calls<'a>) -> Result<Turn<'a>, DecodeError> {
    let role = wire.role.take().ok_or_else(|| missing(path, "role", "say who speaks"))?;
    let role = match role.as_str() {
        "system" => Role::System,
        "developer" => Role::Developer,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" | "function" => {
            return result(wire, role == "function", path, at, calls);
        }
        other => {
            let member = format!("{path}.role");
            let message = format!("`{member}` is `{other}`: use system, developer, user, assistant or tool");
            return Err(DecodeError::at(member, message));
        }
    };
    if role != Role::Assistant && wire.content.is_none() && wire.rest.get("content").is_none() {
        return Err(missing(path, "content", "say something, or leave the message out"));
    }
    let mut turn = Turn::new(role, Vec::new());
    turn.name = wire.name.take();
    if role == Role::Assistant {
        said(&mut wire, &mut turn, path, &|n| format!("call_made_{at}_{n}"))?;
        calls.note(&turn);
    } else {
        turn.blocks = content(wire.content.take(), &mut wire.cache_control, &mut turn.form, path)?;
    }
    turn.extra = leftover(wire);
    Ok(turn)
}

/// Reads what an assistant message says into `turn`: reasoning, content, refusal, images, calls. `made_id` gives ids to
/// calls that have none.
pub(super) fn said<'a>(
    wire: &mut MessageWire<'a>,
    turn: &mut Turn<'a>,
    path: &str,
    made_id: &dyn Fn(usize) -> String,
) -> Result<(), DecodeError> {
    let spelled = match wire.reasoning_content {
        Some(_) => Some((&mut wire.reasoning_content, 0)),
        None => Some((&mut wire.reasoning, form::TURN_REASONING)),
    };
    if let Some((slot, bit)) = spelled
        && let Some(text) = slot.and_then(wire::string).filter(|text| !text.is_empty())
    {
        *slot = None;
        turn.form |= bit;
        turn.blocks.push(Block::new(reasoning(vec![text])));
    }
    let mut said = content(wire.content.take(), &mut wire.cache_control, &mut turn.form, path)?;
    if let Some(annotations) = wire.annotations
        && let Some(BlockKind::Text { citations, .. }) =
            said.iter_mut().map(|block| &mut block.kind).find(|kind| matches!(kind, BlockKind::Text { .. }))
    {
        wire.annotations = None;
        *citations = Some(wire::raw(annotations));
    }
    turn.blocks.append(&mut said);
    if let Some(text) = wire.refusal.and_then(wire::string).filter(|text| !text.is_empty()) {
        wire.refusal = None;
        turn.blocks.push(Block::new(BlockKind::Refusal { text }));
    }
    if let Some(images) = wire.images.and_then(images) {
        wire.images = None;
        turn.blocks.extend(images);
    }
    if let Some(value) = wire.tool_calls.take() {
        let list: Vec<Later<'a>> = wire::read(value, || format!("{path}.tool_calls"))?;
        if list.is_empty() {
            turn.form |= form::TURN_CALLS_EMPTY;
        }
        for (n, value) in list.into_iter().enumerate() {
            turn.blocks.push(call(value, &format!("{path}.tool_calls[{n}]"), n, made_id)?);
        }
    }
    if let Some(value) = wire.function_call {
        let inner: CalledFunctionWire<'a> = wire::read(value, || format!("{path}.function_call"))?;
        // Some servers write an empty one always.
        if let Some(name) = inner.name.filter(|name| !name.is_empty()) {
            wire.function_call = None;
            let id = Str::from(made_id(usize::MAX));
            let call = ToolUse { id, name, input: arguments(inner.arguments), kind: ToolUseKind::Function };
            let mut extra = Extra::default();
            wire::nest("function.", inner.rest, &mut extra);
            turn.blocks.push(Block { extra, form: form::BLOCK_LEGACY, ..Block::new(BlockKind::ToolUse(call)) });
        }
    }
    Ok(())
}

/// Members that this role has no use for, with those that nobody knows.
pub(super) fn leftover(wire: MessageWire<'_>) -> Extra<'_> {
    let mut extra = wire.rest;
    for (key, value) in [
        ("tool_calls", wire.tool_calls),
        ("function_call", wire.function_call),
        ("refusal", wire.refusal),
        ("reasoning_content", wire.reasoning_content),
        ("reasoning", wire.reasoning),
        ("images", wire.images),
        ("annotations", wire.annotations),
        ("cache_control", wire.cache_control),
    ] {
        if let Some(value) = value {
            extra.push(key, wire::raw(value));
        }
    }
    for (key, text) in [("tool_call_id", wire.tool_call_id), ("name", wire.name)] {
        if let Some(text) = text {
            extra.push(key, quoted(&text));
        }
    }
    extra
}

/// A tool's result, by the role `tool` or the legacy role `function`.
fn result<'a>(
    mut wire: MessageWire<'a>,
    legacy: bool,
    path: &str,
    at: usize,
    calls: &mut Calls<'a>,
) -> Result<Turn<'a>, DecodeError> {
    if wire.content.is_none() && wire.rest.get("content").is_none() {
        return Err(missing(path, "content", "give the tool's answer"));
    }
    let mut turn = Turn::new(Role::Tool, Vec::new());
    turn.name = wire.name.take();
    let id = if legacy {
        turn.form |= form::TURN_LEGACY;
        let name = turn.name.as_ref().ok_or_else(|| missing(path, "name", "name the function that answers"))?;
        let open = calls.legacy.iter().rposition(|(open, _)| open == name);
        open.map_or_else(|| Str::from(format!("call_made_{at}")), |open| calls.legacy.remove(open).1)
    } else {
        wire.tool_call_id.take().ok_or_else(|| missing(path, "tool_call_id", "name the call that it answers"))?
    };
    let (name, kind) = match calls.by_id.get(&id) {
        Some((name, kind)) => (Some(name.clone()), *kind),
        None => (turn.name.clone(), ToolUseKind::Function),
    };
    let content = content(wire.content.take(), &mut wire.cache_control, &mut turn.form, path)?;
    turn.blocks.push(Block::new(BlockKind::ToolResult(ToolResult { id, name, content, is_error: None, kind })));
    turn.extra = leftover(wire);
    Ok(turn)
}

impl<'a> Calls<'a> {
    fn note(&mut self, turn: &Turn<'a>) {
        for block in &turn.blocks {
            if let BlockKind::ToolUse(call) = &block.kind {
                self.by_id.insert(call.id.clone(), (call.name.clone(), call.kind));
                if block.form & form::BLOCK_LEGACY != 0 {
                    self.legacy.push((call.name.clone(), call.id.clone()));
                }
            }
        }
    }
}

fn content<'a>(
    content: Option<Content<'a>>,
    cache: &mut Option<Later<'a>>,
    bits: &mut u8,
    path: &str,
) -> Result<Vec<Block<'a>>, DecodeError> {
    let mut blocks = match content {
        None => Vec::new(),
        Some(Content::Text(text)) if text.is_empty() => {
            *bits |= form::TURN_EMPTY_STRING;
            Vec::new()
        }
        Some(Content::Text(text)) => {
            *bits |= form::TURN_STRING;
            vec![Block::text(text)]
        }
        Some(Content::Parts(parts)) => {
            if parts.is_empty() {
                *bits |= form::TURN_EMPTY_LIST;
            }
            let each = parts.into_iter().enumerate();
            each.map(|(n, value)| part(value, &format!("{path}.content[{n}]"))).collect::<Result<_, _>>()?
        }
    };
    // A mark beside the content marks its last part, unless that carries one of its own.
    if let Some(block) = blocks.last_mut().filter(|block| block.cache.is_none())
        && let Some(value) = cache.take()
    {
        *bits |= form::TURN_CACHE;
        block.cache = Some(CacheMark(wire::raw(value)));
    }
    Ok(blocks)
}

fn part<'a>(value: Later<'a>, path: &str) -> Result<Block<'a>, DecodeError> {
    let wire: PartWire<'a> = wire::read(value, || path.to_owned())?;
    let kind = wire.kind.ok_or_else(|| missing(path, "type", "say what kind of part it is"))?;
    let opaque = |value| Block::new(BlockKind::Opaque { dialect: Dialect::OpenAiChat, raw: wire::raw(value) });
    let known = match kind.as_str() {
        "text" => [wire.image_url, wire.input_audio, wire.file, wire.thinking].iter().all(Option::is_none),
        "image_url" => wire.text.is_none() && wire.file.is_none(),
        "input_audio" => wire.input_audio.is_some_and(|inner| inner.get().starts_with('{')),
        "thinking" => wire.thinking.is_some_and(|inner| inner.get().starts_with('[')),
        "file" | "refusal" => true,
        _ => false,
    };
    if !known {
        return Ok(opaque(value));
    }
    let mut block = Block::new(BlockKind::Opaque { dialect: Dialect::OpenAiChat, raw: Raw::NULL });
    block.cache = wire.cache_control.map(CacheMark);
    block.extra = wire.rest;
    block.kind = match kind.as_str() {
        "text" => {
            let text = wire.text.ok_or_else(|| missing(path, "text", "give the text"))?;
            BlockKind::Text { text, citations: None }
        }
        "refusal" => {
            block.form |= form::BLOCK_PART;
            BlockKind::Refusal { text: wire.refusal.ok_or_else(|| missing(path, "refusal", "give its words"))? }
        }
        "image_url" => {
            let inner = wire.image_url.ok_or_else(|| missing(path, "image_url", "give the picture's URL"))?;
            BlockKind::Image(image(inner, &mut block.extra, &mut block.form, path)?)
        }
        "input_audio" => match wire.input_audio {
            Some(inner) => BlockKind::Audio(audio(inner, &mut block.extra, path)?),
            None => return Ok(opaque(value)),
        },
        "file" => {
            let inner = wire.file.ok_or_else(|| missing(path, "file", "give the file"))?;
            BlockKind::File(file(inner, &mut block.extra, &mut block.form, path)?)
        }
        _ => match wire.thinking.and_then(thoughts) {
            Some(texts) => {
                block.form |= form::BLOCK_PART;
                reasoning(texts)
            }
            None => return Ok(opaque(value)),
        },
    };
    Ok(block)
}

fn reasoning(text: Vec<Str<'_>>) -> BlockKind<'_> {
    BlockKind::Reasoning(ReasoningBlock { text, redacted: false, id: None })
}

/// Mistral's `thinking` part: a list of text parts; `None` when it holds anything else.
pub(in crate::dialects::openai_chat) fn thoughts(value: Later<'_>) -> Option<Vec<Str<'_>>> {
    let parts: Vec<PartWire<'_>> = serde_json::from_str(value.get()).ok()?;
    let plain = |part: PartWire<'_>| part.rest.is_empty() && part.kind.is_some_and(|kind| kind == "text");
    let texts: Option<Vec<Str<'_>>> = parts.iter().map(|part| part.text.clone()).collect();
    parts.into_iter().all(plain).then_some(texts?)
}

fn image<'a>(inner: Later<'a>, extra: &mut Extra<'a>, bits: &mut u8, path: &str) -> Result<Media<'a>, DecodeError> {
    let url = match wire::string(inner) {
        Some(url) => {
            *bits |= form::BLOCK_URL_STRING;
            url
        }
        None => {
            let path = format!("{path}.image_url");
            let inner: ImageUrlWire<'a> = wire::read(inner, || path.clone())?;
            wire::nest("image_url.", inner.rest, extra);
            inner.url.ok_or_else(|| missing(&path, "url", "give an address or a data URL"))?
        }
    };
    let (mime, source) = media::from_url(url);
    Ok(Media { mime, source, name: None })
}

fn audio<'a>(inner: Later<'a>, extra: &mut Extra<'a>, path: &str) -> Result<Media<'a>, DecodeError> {
    let path = format!("{path}.input_audio");
    let inner: AudioWire<'a> = wire::read(inner, || path.clone())?;
    wire::nest("input_audio.", inner.rest, extra);
    let data = inner.data.ok_or_else(|| missing(&path, "data", "give the sound as base64"))?;
    let format = inner.format.ok_or_else(|| missing(&path, "format", "say wav or mp3"))?;
    Ok(Media {
        mime: Some(Str::from(media::audio_mime(&format))),
        source: MediaSource::Base64(base64(data)),
        name: None,
    })
}

fn file<'a>(inner: Later<'a>, extra: &mut Extra<'a>, bits: &mut u8, path: &str) -> Result<Media<'a>, DecodeError> {
    let path = format!("{path}.file");
    let inner: FileWire<'a> = wire::read(inner, || path.clone())?;
    wire::nest("file.", inner.rest, extra);
    let (mime, source) = match (inner.file_data, inner.file_id) {
        (Some(data), id) => {
            if let Some(id) = id {
                extra.push("file.file_id", quoted(&id));
            }
            match media::from_url(data) {
                (None, MediaSource::Url(text)) if !text.contains(':') => {
                    *bits |= form::BLOCK_BARE_DATA;
                    (None, MediaSource::Base64(base64(text)))
                }
                read => read,
            }
        }
        (None, Some(id)) => (None, MediaSource::FileId(id)),
        (None, None) => return Err(missing(&path, "file_data", "give the file's data or its id")),
    };
    Ok(Media { mime, source, name: inner.filename })
}

/// Base64 in the standard alphabet; borrowed when it was so already.
fn base64(data: Str<'_>) -> Str<'_> {
    match data.0 {
        std::borrow::Cow::Borrowed(text) => media::standard(text),
        std::borrow::Cow::Owned(text) => media::standard(&text).into_owned(),
    }
}

/// The de-facto list `images` of an answer; `None` when it holds anything but `image_url` parts.
fn images(value: Later<'_>) -> Option<Vec<Block<'_>>> {
    let parts: Vec<Later<'_>> = serde_json::from_str(value.get()).ok()?;
    let blocks: Result<Vec<Block<'_>>, _> = parts.into_iter().map(|value| part(value, "images")).collect();
    let mut blocks = blocks.ok().filter(|blocks| !blocks.is_empty())?;
    for block in &mut blocks {
        block.form |= form::BLOCK_IMAGES;
    }
    blocks.iter().all(|block| matches!(block.kind, BlockKind::Image(_))).then_some(blocks)
}

fn call<'a>(
    value: Later<'a>,
    path: &str,
    n: usize,
    made_id: &dyn Fn(usize) -> String,
) -> Result<Block<'a>, DecodeError> {
    let wire: CallWire<'a> = wire::read(value, || path.to_owned())?;
    let mut block = Block::new(BlockKind::Opaque { dialect: Dialect::OpenAiChat, raw: Raw::NULL });
    block.extra = wire.rest;
    let custom = match (wire.kind.as_deref(), wire.function, wire.custom) {
        (Some("custom"), _, Some(_)) => true,
        (None | Some("function" | ""), Some(_), _) => false,
        (None | Some("function"), None, _) => return Err(missing(path, "function", "name the function called")),
        _ => {
            block.kind = BlockKind::Opaque { dialect: Dialect::OpenAiChat, raw: wire::raw(value) };
            block.extra = Extra::default();
            block.form = form::BLOCK_IN_CALLS;
            return Ok(block);
        }
    };
    if wire.kind.is_none_or(|kind| kind.is_empty()) {
        block.form |= form::BLOCK_NO_TYPE;
    }
    if wire.id.as_ref().is_some_and(|id| id.is_empty()) {
        block.extra.push("id", quoted(""));
    }
    let id = wire.id.filter(|id| !id.is_empty()).unwrap_or_else(|| {
        block.form |= form::BLOCK_ID_MADE;
        Str::from(made_id(n))
    });
    let (name, input, kind) = if custom {
        keep("function", wire.function, &mut block.extra);
        let inner: CalledCustomWire<'a> = read_inner(wire.custom, path, "custom")?;
        wire::nest("custom.", inner.rest, &mut block.extra);
        (inner.name, inner.input.unwrap_or_default(), ToolUseKind::Custom)
    } else {
        keep("custom", wire.custom, &mut block.extra);
        let inner: CalledFunctionWire<'a> = read_inner(wire.function, path, "function")?;
        wire::nest("function.", inner.rest, &mut block.extra);
        (inner.name, arguments(inner.arguments), ToolUseKind::Function)
    };
    let member = if custom { "custom.name" } else { "function.name" };
    let name = name.ok_or_else(|| missing(path, member, "name the tool called"))?;
    block.kind = BlockKind::ToolUse(ToolUse { id, name, input, kind });
    Ok(block)
}

fn read_inner<'a, T: serde::Deserialize<'a>>(
    value: Option<Later<'a>>,
    path: &str,
    key: &str,
) -> Result<T, DecodeError> {
    let value = value.ok_or_else(|| missing(path, key, "say what is called"))?;
    wire::read(value, || format!("{path}.{key}"))
}

fn keep<'a>(key: &'static str, value: Option<Later<'a>>, extra: &mut Extra<'a>) {
    if let Some(value) = value {
        extra.push(key, wire::raw(value));
    }
}

fn missing(path: &str, member: &str, hint: &str) -> DecodeError {
    let param = format!("{path}.{member}");
    DecodeError::at(param.as_str(), format!("`{param}` is missing: {hint}"))
}
