//! Request bodies to the intermediate representation.

use std::collections::HashMap;

use serde_json::value::RawValue;

use super::blocks::{add, blocks};
use super::wire::{
    FormatWire, MessageWire, MetadataWire, OutputConfigWire, RequestWire, Tag, ThinkingConfigWire, ToolChoiceWire,
    ToolWire, keep, object_of, read, read_opt, request_form, required, tool_form, turn_form,
};
use crate::Dialect;
use crate::dialects::{DecodeError, Endpoint};
use crate::ir::{
    Block, BlockKind, CacheMark, Effort, OutputFormat, ReasoningConfig, Request, Role, Tool, ToolChoice, ToolKind, Turn,
};
use crate::json::Str;

/// Reads the body of `POST /v1/messages`. The body of `count_tokens` is the same without `max_tokens`, so a missing cap
/// is no error here.
///
/// # Errors
/// When the body is not JSON, a known member has a wrong type, or a required one is missing.
pub fn decode_request<'a>(body: &'a [u8], endpoint: &Endpoint<'a>) -> Result<Request<'a>, DecodeError> {
    let wire: RequestWire<'a> = crate::json::parse(body)?;
    let model = match read_opt(wire.model, "model")? {
        Some(model) => model,
        None => required(endpoint.model.clone(), "model")?,
    };
    let mut request = Request::new(Dialect::Anthropic, model);
    request.extra = wire.rest;
    let stream: Option<bool> = read_opt(wire.stream, "stream")?;
    if stream.is_some() {
        request.form |= request_form::STREAM;
    }
    request.stream = stream.or(endpoint.stream).unwrap_or(false);
    request.max_output_tokens = read_opt(wire.max_tokens, "max_tokens")?;
    request.sampling.temperature = read_opt(wire.temperature, "temperature")?;
    request.sampling.top_p = read_opt(wire.top_p, "top_p")?;
    request.sampling.top_k = read_opt(wire.top_k, "top_k")?;
    if let Some(stops) = read_opt::<Vec<Str<'a>>>(wire.stop_sequences, "stop_sequences")? {
        if stops.is_empty() {
            request.form |= request_form::NO_STOPS;
        }
        request.stop = stops;
    }
    if let Some(raw) = wire.system {
        request.turns.push(system(raw)?);
    }
    let list: Vec<&RawValue> = read(required(wire.messages, "messages")?, "messages")?;
    for (index, raw) in list.into_iter().enumerate() {
        request.turns.push(message(raw, index)?);
    }
    name_results(&mut request.turns);
    if let Some(raw) = wire.tools {
        tools(raw, &mut request)?;
    }
    if let Some(raw) = wire.tool_choice {
        tool_choice(raw, &mut request)?;
    }
    if let Some(raw) = wire.metadata {
        let metadata: MetadataWire<'a> = read(raw, "metadata")?;
        if metadata.user_id.is_none() || !metadata.rest.is_empty() {
            request.extra.push("metadata", object_of(&metadata.rest));
        }
        request.user = metadata.user_id;
    }
    if let Some(raw) = wire.service_tier {
        match read::<Str<'a>>(raw, "service_tier")?.as_str() {
            "auto" => request.service_tier = Some("auto".into()),
            "standard_only" => request.service_tier = Some("default".into()),
            // A tier of a later version.
            _ => request.extra.push("service_tier", keep(raw)),
        }
    }
    if let Some(raw) = wire.thinking {
        thinking(raw, &mut request)?;
    }
    if let Some(raw) = wire.output_config {
        output_config(raw, &mut request)?;
    }
    if let Some(raw) = wire.output_format {
        if request.output_format.is_none() {
            request.output_format = Some(output_format(raw, "output_format")?);
            request.form |= request_form::TOP_FORMAT;
        } else {
            request.extra.push("output_format", keep(raw));
        }
    }
    Ok(request)
}

fn system(raw: &RawValue) -> Result<Turn<'_>, DecodeError> {
    content(raw, Role::System, "system")
}

/// A turn from content that may be a string or a list of blocks.
fn content<'a>(raw: &'a RawValue, role: Role, param: &str) -> Result<Turn<'a>, DecodeError> {
    let mut turn = Turn::new(role, Vec::new());
    match raw.get().as_bytes().first() {
        Some(b'"') => {
            turn.blocks.push(Block::text(read::<Str<'a>>(raw, param)?));
            turn.form = turn_form::STRING;
        }
        Some(b'[') => turn.blocks = blocks(raw, role, param)?,
        _ => return Err(DecodeError::at(param, format!("`{param}` must be a string or a list of content blocks"))),
    }
    Ok(turn)
}

fn message(raw: &RawValue, index: usize) -> Result<Turn<'_>, DecodeError> {
    let wire: MessageWire<'_> = read(raw, &format!("messages.{index}"))?;
    let role = match required(wire.role, format!("messages.{index}.role"))?.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => Role::System,
        other => {
            return Err(DecodeError::at(
                format!("messages.{index}.role"),
                format!("`messages.{index}.role` is `{other}`: it must be `user`, `assistant` or `system`"),
            ));
        }
    };
    let param = format!("messages.{index}.content");
    let mut turn = content(required(wire.content, param.as_str())?, role, &param)?;
    turn.extra = wire.rest;
    if role == Role::System {
        turn.form |= turn_form::MESSAGE;
    }
    Ok(turn)
}

/// Tells each result the name of the tool whose call it answers.
fn name_results(turns: &mut [Turn<'_>]) {
    let mut names: HashMap<String, String> = HashMap::new();
    for block in turns.iter_mut().flat_map(|turn| turn.blocks.iter_mut()) {
        match &mut block.kind {
            BlockKind::ToolUse(call) => {
                names.insert(call.id.as_str().to_owned(), call.name.as_str().to_owned());
            }
            BlockKind::ToolResult(result) => {
                result.name = names.get(result.id.as_str()).map(|name| Str::from(name.clone()));
            }
            _ => {}
        }
    }
}

fn tools<'a>(raw: &'a RawValue, request: &mut Request<'a>) -> Result<(), DecodeError> {
    let list: Vec<&'a RawValue> = read(raw, "tools")?;
    if list.is_empty() {
        request.form |= request_form::NO_TOOLS;
    }
    for (index, raw) in list.into_iter().enumerate() {
        request.tools.push(tool(raw, &format!("tools.{index}"))?);
    }
    Ok(())
}

fn tool<'a>(raw: &'a RawValue, param: &str) -> Result<Tool<'a>, DecodeError> {
    let tag: Tag<'a> = read(raw, param)?;
    let mut form = 0;
    match tag.kind {
        None => {}
        Some(kind) if kind == "custom" => form = tool_form::CUSTOM,
        Some(kind) => {
            return Ok(Tool {
                name: kind,
                description: None,
                strict: None,
                kind: ToolKind::Hosted { raw: keep(raw) },
                cache: None,
                extra: crate::json::Extra::default(),
                form,
            });
        }
    }
    let wire: ToolWire<'a> = read(raw, param)?;
    Ok(Tool {
        name: required(wire.name, format!("{param}.name"))?,
        description: wire.description,
        strict: wire.strict,
        kind: ToolKind::Function { parameters: wire.input_schema },
        cache: wire.cache.map(CacheMark),
        extra: wire.rest,
        form,
    })
}

fn tool_choice<'a>(raw: &'a RawValue, request: &mut Request<'a>) -> Result<(), DecodeError> {
    let wire: ToolChoiceWire<'a> = read(raw, "tool_choice")?;
    let kind = required(wire.kind, "tool_choice.type")?;
    // `name` belongs to `tool` alone; anything else here is a form that only this dialect knows.
    let plain = wire.rest.is_empty() && (wire.name.is_some() == (kind == "tool"));
    let choice = match (kind.as_str(), wire.name) {
        ("auto", _) if plain => ToolChoice::Auto,
        ("any", _) if plain => ToolChoice::Required,
        ("none", _) if plain => ToolChoice::None,
        ("tool", Some(name)) if plain => ToolChoice::Named(name),
        ("tool", None) => {
            return Err(DecodeError::at("tool_choice.name", "`tool_choice.name` is missing: name the tool to call"));
        }
        _ => ToolChoice::Opaque(keep(raw)),
    };
    if plain && !matches!(choice, ToolChoice::Opaque(_)) {
        request.parallel_tool_calls = wire.serial.map(|serial| !serial);
    }
    request.tool_choice = Some(choice);
    Ok(())
}

fn thinking<'a>(raw: &'a RawValue, request: &mut Request<'a>) -> Result<(), DecodeError> {
    let wire: ThinkingConfigWire<'a> = read(raw, "thinking")?;
    let (enabled, adaptive) = match required(wire.kind, "thinking.type")?.as_str() {
        "enabled" => (true, false),
        "disabled" => (false, false),
        "adaptive" => (true, true),
        _ => {
            request.extra.push("thinking", keep(raw));
            return Ok(());
        }
    };
    let mut config = ReasoningConfig {
        enabled: Some(enabled),
        adaptive,
        budget: wire.budget,
        extra: wire.rest,
        ..Default::default()
    };
    match wire.display.as_deref() {
        Some("summarized") => config.visible = Some(true),
        Some("omitted") => config.visible = Some(false),
        Some(other) => {
            if let Some(value) = crate::json::Raw::from_value(&other) {
                config.extra.push("display", value);
            }
        }
        None => {}
    }
    request.reasoning = Some(config);
    Ok(())
}

fn output_config<'a>(raw: &'a RawValue, request: &mut Request<'a>) -> Result<(), DecodeError> {
    let mut wire: OutputConfigWire<'a> = read(raw, "output_config")?;
    let mut said = false;
    if let Some(word) = wire.effort {
        match word.as_str() {
            "low" | "medium" | "high" | "xhigh" | "max" => {
                request.reasoning.get_or_insert_default().effort = Effort::parse(&word);
                if word == "xhigh" {
                    request.form |= request_form::XHIGH;
                }
                said = true;
            }
            // A level that the common scale does not know stays as it is.
            other => {
                if let Some(value) = crate::json::Raw::from_value(&other) {
                    wire.rest.push("effort", value);
                }
            }
        }
    }
    if let Some(format) = wire.format {
        request.output_format = Some(output_format(format, "output_config.format")?);
        said = true;
    }
    if !said || !wire.rest.is_empty() {
        request.extra.push("output_config", object_of(&wire.rest));
    }
    Ok(())
}

fn output_format<'a>(raw: &'a RawValue, param: &str) -> Result<OutputFormat<'a>, DecodeError> {
    let wire: FormatWire<'a> = read(raw, param)?;
    if wire.kind.as_deref() != Some("json_schema") || !wire.rest.is_empty() {
        return Ok(OutputFormat::Opaque(keep(raw)));
    }
    Ok(OutputFormat::JsonSchema {
        name: wire.name,
        description: wire.description,
        schema: required(wire.schema, format!("{param}.schema"))?,
        strict: wire.strict,
    })
}

/// Adds one block of an answer.
pub(super) fn answer_block<'a>(
    raw: &'a RawValue,
    index: usize,
    blocks: &mut Vec<Block<'a>>,
) -> Result<(), DecodeError> {
    add(raw, Role::Assistant, &|field| format!("content.{index}{field}"), blocks)
}
