//! A `generateContent` body to the IR.

use std::collections::HashSet;

use super::wire::{ContentWire, PartWire, RequestWire};
use super::{books, config, form, locate, nested, part, thoughts, tools};
use crate::dialects::{DecodeError, Endpoint};
use crate::ir::{Block, BlockKind, Request, Role, Turn};
use crate::json::{Extra, Raw, Str};
use crate::{Dialect, json};

/// Reads a request. Model and mode come from the endpoint: the body has neither.
///
/// # Errors
/// When the body is not JSON, a known member has a wrong type, `contents` is missing, a role is unknown, or a part
/// holds several kinds of data.
pub fn decode_request<'a>(body: &'a [u8], endpoint: &Endpoint<'a>) -> Result<Request<'a>, DecodeError> {
    let wire: RequestWire<'a> = json::parse(body).map_err(|error| locate::explain(body, &error))?;
    let contents = wire.contents.ok_or_else(|| DecodeError::at("contents", "contents is missing: say something"))?;
    let model = endpoint.model.clone().or_else(|| body_model(&wire.rest)).unwrap_or_default();
    let mut request = Request::new(Dialect::Gemini, model);
    request.stream = endpoint.stream.unwrap_or_default();
    request.form = wire.snake;
    books::decode(wire.labels, wire.tier, &mut request);
    nested::keep_own(&mut request.extra, wire.rest);
    if let Some(system) = wire.system {
        request.turns.push(system_turn(system)?);
    }
    if contents.single {
        request.form |= form::CONTENTS_SINGLE;
    }
    for (index, content) in contents.items.into_iter().enumerate() {
        request.turns.push(turn(content, index)?);
    }
    if let Some(wire) = wire.tools {
        request.form |= form::HAS_TOOLS | if wire.single { form::TOOLS_SINGLE } else { 0 };
        request.tools = tools::decode(wire.items)?;
    }
    if let Some(wire) = wire.tool_config {
        config::decode_tool_config(wire, &mut request)?;
    }
    if let Some(wire) = wire.generation {
        config::decode_generation(wire, &mut request);
    }
    link_calls(&mut request.turns);
    Ok(request)
}

/// Some clients repeat the model in the body.
fn body_model<'a>(rest: &Extra<'a>) -> Option<Str<'a>> {
    let name: String = rest.get("model")?.read()?;
    let name = name.strip_prefix("models/").unwrap_or(&name);
    Some(Str::from(name.to_owned()))
}

fn system_turn(content: ContentWire<'_>) -> Result<Turn<'_>, DecodeError> {
    let mut turn = Turn::new(Role::System, Vec::new());
    turn.form = form::SYSTEM;
    nested::keep_own(&mut turn.extra, content.rest);
    match content.role.as_deref() {
        None => turn.form |= form::NO_ROLE,
        Some("user") => turn.form |= form::ROLE_USER,
        Some("system") => turn.form |= form::ROLE_SYSTEM,
        // Any role is ignored here.
        Some(other) => turn.extra.push("role", Raw::from_value(&other).unwrap_or(Raw::NULL)),
    }
    blocks(&mut turn, content.parts, "systemInstruction")?;
    Ok(turn)
}

fn turn(content: ContentWire<'_>, index: usize) -> Result<Turn<'_>, DecodeError> {
    let (role, bits) = match content.role.as_deref() {
        None => (Role::User, form::NO_ROLE),
        Some("user") => (Role::User, 0),
        Some("model") => (Role::Assistant, 0),
        Some("function") => (Role::Tool, form::ROLE_FUNCTION),
        Some("system") => (Role::System, form::ROLE_SYSTEM),
        Some(other) => {
            let message = format!("contents[{index}].role is {other:?}: use \"user\" or \"model\"");
            return Err(DecodeError::at(format!("contents[{index}].role"), message));
        }
    };
    let mut turn = Turn::new(role, Vec::new());
    turn.form = bits;
    nested::keep_own(&mut turn.extra, content.rest);
    blocks(&mut turn, content.parts, &format!("contents[{index}]"))?;
    Ok(turn)
}

fn blocks<'a>(
    turn: &mut Turn<'a>,
    parts: Option<super::wire::Many<PartWire<'a>>>,
    path: &str,
) -> Result<(), DecodeError> {
    let Some(parts) = parts else {
        turn.form |= form::NO_PARTS;
        return Ok(());
    };
    if parts.single {
        turn.form |= form::PARTS_SINGLE;
    }
    for (index, mut wire) in parts.items.into_iter().enumerate() {
        if let Some(thoughts) = wire.signature.as_deref().filter(|_| wire.call.is_some()).and_then(thoughts::carried) {
            wire.signature = None;
            thoughts::restore(&mut turn.blocks, thoughts);
        }
        let block = part::block(wire).map_err(|(member, message)| {
            let dot = if member.is_empty() { "" } else { "." };
            let param = format!("{path}.parts[{index}]{dot}{member}");
            DecodeError::at(param.clone(), format!("{param} {message}"))
        })?;
        turn.blocks.push(block);
        join_thought(&mut turn.blocks);
    }
    Ok(())
}

/// Joins the pieces of a streamed thought when the last of them has a seal of another provider.
///
/// Clients put the chunks of a stream into the history as so many parts. A thought of another provider was one block,
/// and its seal, which the stream tells last, is for the whole of it. Gemini's own seals stay with the part they came on.
fn join_thought(blocks: &mut Vec<Block<'_>>) {
    let Some((last, before)) = blocks.split_last() else { return };
    let sealed = last.signature.as_ref().is_some_and(|seal| seal.issuer != Dialect::Gemini);
    if !sealed || !matches!(last.kind, BlockKind::Reasoning(_)) {
        return;
    }
    let pieces = before.iter().rev().take_while(|block| is_piece(block)).count();
    let first = before.len() - pieces;
    let mut text = String::new();
    for block in blocks.get(first..).unwrap_or_default() {
        if let BlockKind::Reasoning(thought) = &block.kind {
            thought.text.iter().for_each(|piece| text.push_str(piece));
        }
    }
    blocks.drain(first..first + pieces);
    if let Some(Block { kind: BlockKind::Reasoning(whole), .. }) = blocks.last_mut() {
        whole.text = vec![Str::from(text)];
    }
}

/// Whether a block is a thought that neither has a seal nor anything else beside its words.
fn is_piece(block: &Block<'_>) -> bool {
    matches!(block.kind, BlockKind::Reasoning(_)) && block.signature.is_none() && block.extra.is_empty()
}

/// Gives ids to calls and results that have none, so that each result has its call's id. Gemini pairs them by name
/// and order within the turns before and after.
fn link_calls(turns: &mut [Turn<'_>]) {
    let mut taken: HashSet<String> = turns.iter().flat_map(|turn| &turn.blocks).filter_map(given_id).collect();
    let mut made = 0;
    let mut fresh = |prefix: &str, name: &str| loop {
        let id = format!("{prefix}_{made}_{name}");
        made += 1;
        if taken.insert(id.clone()) {
            return id;
        }
    };
    // The calls of the last model turn that wait for a result: where each stands, its name, whether its id was made.
    let mut open: Vec<Open> = Vec::new();
    for at in 0..turns.len() {
        let (before, rest) = turns.split_at_mut(at);
        let Some(turn) = rest.first_mut() else { return };
        let calls = turn.blocks.iter().any(|block| matches!(block.kind, BlockKind::ToolUse(_)));
        if turn.role == Role::Assistant && calls {
            open.clear();
        }
        for (place, block) in turn.blocks.iter_mut().enumerate() {
            let no_id = block.form & form::NO_ID != 0;
            match &mut block.kind {
                BlockKind::ToolUse(call) => {
                    if no_id {
                        call.id = Str::from(fresh("call", &call.name));
                    }
                    open.push(Open { at: (at, place), id: call.id.to_string(), name: call.name.to_string(), no_id });
                }
                BlockKind::ToolResult(result) => {
                    let name = result.name.as_deref().unwrap_or_default();
                    let by_id = open.iter().position(|call| !no_id && call.id == *result.id);
                    let by_name = || open.iter().position(|call| (no_id || call.no_id) && call.name == name);
                    let Some(found) = by_id.or_else(by_name) else {
                        if no_id {
                            result.id = Str::from(fresh("result", name));
                        }
                        continue;
                    };
                    let call = open.remove(found);
                    if no_id {
                        result.id = Str::from(call.id);
                    } else if call.no_id {
                        // The client named the result only: its id becomes the call's.
                        rename(before, call.at, &result.id);
                    }
                }
                _ => {}
            }
        }
    }
}

struct Open {
    at: (usize, usize),
    id: String,
    name: String,
    no_id: bool,
}

fn given_id(block: &Block<'_>) -> Option<String> {
    let id = match &block.kind {
        BlockKind::ToolUse(call) => &call.id,
        BlockKind::ToolResult(result) => &result.id,
        _ => return None,
    };
    (block.form & form::NO_ID == 0).then(|| id.to_string())
}

fn rename(turns: &mut [Turn<'_>], (turn, place): (usize, usize), id: &Str<'_>) {
    let block = turns.get_mut(turn).and_then(|turn| turn.blocks.get_mut(place));
    if let Some(Block { kind: BlockKind::ToolUse(call), .. }) = block {
        call.id = id.clone().into_owned();
    }
}
