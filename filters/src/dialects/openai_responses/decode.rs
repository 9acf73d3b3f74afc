//! Requests: bytes to turns.

use std::collections::HashMap;

use serde_json::value::RawValue;

use super::items::{self, Item, Side, parts};
use super::wire::{
    ChoiceWire, Content, FormatWire, MessageWire, ReasoningWire, RequestWire, TextWire, ToolWire, keep, missing, read,
};
use super::{DIALECT, form, seal};
use crate::dialects::{DecodeError, Endpoint};
use crate::ir::{
    Block, BlockKind, CacheMark, Effort, OutputFormat, ReasoningConfig, Request, Role, Sampling, Tool, ToolChoice,
    ToolKind, Turn,
};
use crate::json::{Raw, Str};

/// Members one of which must be there: they are what the model answers to.
const SUBJECTS: [&str; 3] = ["previous_response_id", "conversation", "prompt"];

/// Reads a request body.
///
/// # Errors
/// When it is not JSON, lacks a member that it needs or has one of a wrong type; the error names the member.
pub fn decode_request<'a>(body: &'a [u8], endpoint: &Endpoint<'a>) -> Result<Request<'a>, DecodeError> {
    let text = std::str::from_utf8(body).map_err(|_| DecodeError::new("the body is not UTF-8: send JSON in UTF-8"))?;
    let mut wire: RequestWire<'a> = read(text, format_args!(""))?;
    let model = match (wire.model.take(), &endpoint.model) {
        (Some(model), _) => model,
        (None, Some(model)) => model.clone(),
        (None, None) => return Err(DecodeError::at("model", "`model` is missing: name the model that shall answer")),
    };
    let mut request = Request::new(DIALECT, model);
    request.form = if wire.stream.is_some() { form::STREAM } else { 0 };
    request.stream = wire.stream.or(endpoint.stream).unwrap_or(false);
    if let Some(text) = wire.instructions.take() {
        let mut turn = Turn::new(Role::System, vec![Block::text(text)]);
        turn.form = form::INSTRUCTIONS;
        request.turns.push(turn);
    }
    input(wire.input.take(), &wire, &mut request)?;
    tools(wire.tools.take(), &mut request)?;
    if let Some(choice) = wire.tool_choice {
        request.tool_choice = Some(tool_choice(choice, &request.tools)?);
    }
    request.parallel_tool_calls = wire.parallel_tool_calls;
    request.sampling = Sampling { temperature: wire.temperature, top_p: wire.top_p, ..Sampling::default() };
    request.max_output_tokens = wire.max_output_tokens;
    request.reasoning = wire.reasoning.map(|reasoning| reasoning_config(reasoning, &mut request.form));
    request.extra = wire.rest;
    if let Some(text) = wire.text {
        text_config(text, &mut request)?;
    }
    match (wire.user, wire.safety_identifier) {
        (Some(user), other) => {
            request.user = Some(user);
            if let Some(raw) = other.and_then(|other| Raw::from_value(&other.as_str())) {
                request.extra.push("safety_identifier", raw);
            }
        }
        (None, Some(user)) => {
            request.user = Some(user);
            request.form |= form::SAFETY_IDENTIFIER;
        }
        (None, None) => {}
    }
    Ok(request)
}

fn input<'a>(input: Option<Content<'a>>, wire: &RequestWire<'a>, request: &mut Request<'a>) -> Result<(), DecodeError> {
    match input {
        Some(Content::Text(text)) => {
            request.form |= form::INPUT_STRING;
            request.turns.push(Turn::new(Role::User, vec![Block::text(text)]));
        }
        Some(Content::List(list)) => {
            let mut names = HashMap::new();
            request.turns.reserve(list.len());
            for (n, value) in list.into_iter().enumerate() {
                turn(value, n, &mut request.turns, &mut names)?;
            }
        }
        None => {
            request.form |= form::INPUT_ABSENT;
            let subject = SUBJECTS.iter().any(|key| wire.rest.get(key).is_some_and(|value| !value.is_null()));
            if !subject {
                return Err(DecodeError::at(
                    "input",
                    "`input` is missing: send a text or a list of items (or `previous_response_id`, `conversation` or \
                     `prompt`)",
                ));
            }
        }
    }
    Ok(())
}

/// Reads item `n` onto the end of `turns`. `names` knows the tools' names by call id.
fn turn<'a>(
    value: &'a RawValue,
    n: usize,
    turns: &mut Vec<Turn<'a>>,
    names: &mut HashMap<Str<'a>, Str<'a>>,
) -> Result<(), DecodeError> {
    let mut block = match items::item(value, format_args!("input[{n}]"))? {
        Item::Message(message) => {
            turns.push(message_turn(message, n)?);
            return Ok(());
        }
        Item::Block(block) => block,
    };
    let role = match &mut block.kind {
        BlockKind::ToolUse(call) => {
            names.insert(call.id.clone(), call.name.clone());
            Role::Assistant
        }
        BlockKind::ToolResult(result) => {
            result.name = names.get(&result.id).cloned();
            Role::Tool
        }
        BlockKind::Opaque { raw, .. } => opaque_role(raw),
        _ => Role::Assistant,
    };
    if seal::is_carrier(&block) {
        return_seal(block, turns);
    } else {
        turns.push(Turn::new(role, vec![block]));
    }
    Ok(())
}

/// Puts a carried seal back onto the block it was taken from: the last of the model's words.
fn return_seal<'a>(carrier: Block<'a>, turns: &mut Vec<Turn<'a>>) {
    let last = turns.last_mut().filter(|turn| turn.role == Role::Assistant).and_then(|turn| turn.blocks.last_mut());
    match last {
        Some(block)
            if block.signature.is_none() && matches!(block.kind, BlockKind::ToolUse(_) | BlockKind::Text { .. }) =>
        {
            block.signature = carrier.signature;
        }
        _ => {
            let mut block = Block::text("");
            block.signature = carrier.signature;
            turns.push(Turn::new(Role::Assistant, vec![block]));
        }
    }
}

fn message_turn(wire: MessageWire<'_>, n: usize) -> Result<Turn<'_>, DecodeError> {
    let role = match wire.role.as_deref() {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system") => Role::System,
        Some("developer") => Role::Developer,
        Some(other) => {
            let param = format!("input[{n}].role");
            let message = format!("`{param}` is `{other}`: use `user`, `assistant`, `system` or `developer`");
            return Err(DecodeError::at(param, message));
        }
        None => return Err(missing(format_args!("input[{n}]"), "role")),
    };
    let side = if role == Role::Assistant { Side::Output } else { Side::Input };
    let mut form = if wire.kind.is_none() { form::TYPE_OMITTED } else { 0 };
    let blocks = match wire.content {
        Some(Content::Text(text)) => {
            form |= form::CONTENT_STRING;
            vec![Block::text(text)]
        }
        Some(Content::List(list)) => parts(&list, side, format_args!("input[{n}].content"))?,
        None => {
            form |= form::CONTENT_ABSENT;
            Vec::new()
        }
    };
    Ok(Turn { role, blocks, name: None, extra: wire.rest, form })
}

/// On whose side an item stands that only this dialect knows.
fn opaque_role(raw: &Raw<'_>) -> Role {
    #[derive(serde::Deserialize)]
    struct Spoken<'a> {
        #[serde(borrow, default, rename = "type")]
        kind: Option<Str<'a>>,
        #[serde(borrow, default)]
        role: Option<Str<'a>>,
    }
    let Some(spoken) = raw.read::<Spoken<'_>>() else { return Role::User };
    match (spoken.role.as_deref(), spoken.kind.as_deref()) {
        (Some("developer"), _) => Role::Developer,
        (Some("system"), _) => Role::System,
        (_, None | Some("item_reference" | "mcp_approval_response")) => Role::User,
        (_, Some(kind)) if kind.ends_with("_output") => Role::Tool,
        _ => Role::Assistant,
    }
}

fn tools<'a>(list: Option<Vec<&'a RawValue>>, request: &mut Request<'a>) -> Result<(), DecodeError> {
    let Some(list) = list else { return Ok(()) };
    if list.is_empty() {
        request.form |= form::TOOLS_EMPTY;
    }
    for (n, value) in list.into_iter().enumerate() {
        request.tools.push(tool(value, n)?);
    }
    Ok(())
}

fn tool(value: &RawValue, n: usize) -> Result<Tool<'_>, DecodeError> {
    #[derive(serde::Deserialize)]
    struct ToolType<'a> {
        #[serde(borrow, default, rename = "type")]
        kind: Option<Str<'a>>,
    }
    let at = format_args!("tools[{n}]");
    let kind: ToolType<'_> = read(value.get(), at)?;
    let Some(kind) = kind.kind else { return Err(missing(at, "type")) };
    if !matches!(kind.as_str(), "function" | "custom") {
        let kind_of = ToolKind::Hosted { raw: keep(value) };
        return Ok(Tool {
            name: kind,
            description: None,
            strict: None,
            kind: kind_of,
            cache: None,
            extra: crate::json::Extra::default(),
            form: 0,
        });
    }
    let mut wire: ToolWire<'_> = read(value.get(), at)?;
    let Some(name) = wire.name else { return Err(missing(at, "name")) };
    let (tool_kind, other, key) = if kind.as_str() == "function" {
        (ToolKind::Function { parameters: wire.parameters }, wire.format, "format")
    } else {
        (ToolKind::Custom { format: wire.format }, wire.parameters, "parameters")
    };
    if let Some(other) = other {
        wire.rest.push(key, other);
    }
    Ok(Tool {
        name,
        description: wire.description,
        strict: wire.strict,
        kind: tool_kind,
        cache: wire.cache_control.map(CacheMark),
        extra: wire.rest,
        form: 0,
    })
}

/// The `type` under which a tool is named in `tool_choice`.
pub(super) fn choice_kind(name: &str, tools: &[Tool<'_>]) -> &'static str {
    let custom = tools.iter().any(|tool| tool.name == *name && matches!(tool.kind, ToolKind::Custom { .. }));
    if custom { "custom" } else { "function" }
}

fn tool_choice<'a>(value: &'a RawValue, tools: &[Tool<'a>]) -> Result<ToolChoice<'a>, DecodeError> {
    let opaque = || ToolChoice::Opaque(keep(value));
    match value.get().as_bytes().first() {
        Some(b'"') => {
            let word: Str<'a> = read(value.get(), format_args!("tool_choice"))?;
            return Ok(match word.as_str() {
                "auto" => ToolChoice::Auto,
                "none" => ToolChoice::None,
                "required" => ToolChoice::Required,
                _ => opaque(),
            });
        }
        Some(b'{') => {}
        _ => {
            return Err(DecodeError::at(
                "tool_choice",
                "`tool_choice` must be `auto`, `none`, `required` or an object that names a tool",
            ));
        }
    }
    let Ok(wire) = serde_json::from_str::<ChoiceWire<'a>>(value.get()) else { return Ok(opaque()) };
    let fits = |wire: &ChoiceWire<'a>| {
        wire.rest.is_empty()
            && wire.mode.is_none()
            && wire.tools.is_none()
            && wire.name.as_ref().is_some_and(|name| wire.kind.as_deref() == Some(choice_kind(name, tools)))
    };
    if fits(&wire) {
        return Ok(wire.name.map_or_else(opaque, ToolChoice::Named));
    }
    let required = match wire.mode.as_deref() {
        Some("required") => true,
        Some("auto") => false,
        _ => return Ok(opaque()),
    };
    match wire.tools {
        Some(list)
            if wire.kind.as_deref() == Some("allowed_tools")
                && wire.name.is_none()
                && wire.rest.is_empty()
                && list.iter().all(fits) =>
        {
            let names = list.into_iter().filter_map(|entry| entry.name).collect();
            Ok(ToolChoice::Among { names, required })
        }
        _ => Ok(opaque()),
    }
}

fn reasoning_config<'a>(wire: ReasoningWire<'a>, bits: &mut u32) -> ReasoningConfig<'a> {
    let mut config = ReasoningConfig { extra: wire.rest, ..ReasoningConfig::default() };
    if let Some(word) = wire.effort {
        config.effort = Effort::parse(&word);
        config.enabled = config.effort.map(|effort| effort != Effort::None);
        if word == "max" {
            *bits |= form::EFFORT_MAX;
        } else if config.effort.map(Effort::as_openai) != Some(word.as_str())
            && let Some(raw) = Raw::from_value(&word.as_str())
        {
            config.extra.push("effort", raw);
        }
    }
    if let Some(word) = wire.summary {
        config.visible = Some(true);
        match form::SUMMARIES.iter().position(|known| word == **known) {
            Some(at) => *bits |= (at as u32 + 1) << form::SUMMARY_SHIFT,
            None => {
                if let Some(raw) = Raw::from_value(&word.as_str()) {
                    config.extra.push("summary", raw);
                }
            }
        }
    }
    config
}

/// Reads `text`. Members without a field are kept under `text.…` and `text.format.…`.
fn text_config<'a>(wire: TextWire<'a>, request: &mut Request<'a>) -> Result<(), DecodeError> {
    request.form |= form::TEXT;
    for (key, value) in wire.rest.0 {
        request.extra.push(format!("text.{key}"), value);
    }
    let Some(value) = wire.format else { return Ok(()) };
    let format: FormatWire<'a> = read(value.get(), format_args!("text.format"))?;
    let plain = format.name.is_none() && format.schema.is_none() && format.strict.is_none();
    let known = match format.kind.as_deref() {
        Some("text") if plain && format.description.is_none() => Some(OutputFormat::Text),
        Some("json_object") if plain && format.description.is_none() => Some(OutputFormat::JsonObject),
        Some("json_schema") => {
            let Some(schema) = format.schema else { return Err(missing(format_args!("text.format"), "schema")) };
            Some(OutputFormat::JsonSchema {
                name: format.name,
                description: format.description,
                schema,
                strict: format.strict,
            })
        }
        None => return Err(missing(format_args!("text.format"), "type")),
        Some(_) => None,
    };
    match known {
        Some(known) => {
            request.output_format = Some(known);
            for (key, value) in format.rest.0 {
                request.extra.push(format!("text.format.{key}"), value);
            }
        }
        None => request.output_format = Some(OutputFormat::Opaque(keep(value))),
    }
    Ok(())
}
