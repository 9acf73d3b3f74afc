//! Messages to turns; the message of an answer goes the same way.

use std::collections::BTreeMap;

use super::details::{self, PRIVATE};
use super::part::{images, part, reasoning};
use super::tools::{arguments, quoted};
use crate::Dialect;
use crate::dialects::DecodeError;
use crate::dialects::openai_chat::form;
use crate::dialects::openai_chat::wire::{
    self, CallWire, CalledCustomWire, CalledFunctionWire, Content, Later, MessageWire,
};
use crate::ir::{Block, BlockKind, CacheMark, Role, ToolResult, ToolUse, ToolUseKind, Turn};
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
    let detailed = wire.reasoning_details.map(details::read).unwrap_or_default();
    let mut seals = Vec::new();
    if let Some(details::Thoughts { blocks, late }) = detailed {
        turn.form |= form::TURN_DETAILS;
        turn.blocks.extend(blocks);
        seals = late;
    } else if let Some((slot, bit)) = spelled
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
    details::attach(seals, &mut turn.blocks);
    Ok(())
}

/// Members that this role has no use for, with those that nobody knows.
pub(super) fn leftover(wire: MessageWire<'_>) -> Extra<'_> {
    let mut extra = wire.rest;
    // What blocks were made of is written again, but is no loss elsewhere.
    let read = wire.reasoning_details.is_some_and(|value| details::read(value).is_some());
    for (key, value) in [
        ("reasoning_content", wire.reasoning_content),
        ("reasoning", wire.reasoning),
        ("reasoning_details", wire.reasoning_details),
    ] {
        if let Some(value) = value {
            extra.push(if read { format!("{PRIVATE}{key}") } else { key.to_owned() }, wire::raw(value));
        }
    }
    for (key, value) in [
        ("audio", wire.audio),
        ("tool_calls", wire.tool_calls),
        ("function_call", wire.function_call),
        ("refusal", wire.refusal),
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
        Some(Content::List(parts)) => {
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

/// The error of a member that must be there.
pub(super) fn missing(path: &str, member: &str, hint: &str) -> DecodeError {
    let param = format!("{path}.{member}");
    DecodeError::at(param.as_str(), format!("`{param}` is missing: {hint}"))
}
