//! Requests: bytes to turns.

pub(super) mod tools;

use std::collections::HashMap;

use serde_json::value::RawValue;

use super::items::{self, Item, Side, parts};
use super::namespaces::{self, Namespaces, may_add_tools};
use super::quiet::{self, hush};
use super::wire::{Content, FormatWire, MessageWire, ReasoningWire, RequestWire, TextWire, keep, missing, read};
use super::{DIALECT, form, seal};
use crate::dialects::{DecodeError, EncodeError, Endpoint};
use crate::ir::{
    Block, BlockKind, Effort, LogprobsConfig, OutputFormat, ReasoningConfig, Request, Role, Sampling, Turn,
};
use crate::json::{Extra, Num, Raw, Str};

/// What `include` names to get log probabilities.
pub(super) const INCLUDE_LOGPROBS: &str = "message.output_text.logprobs";
/// What `include` names to get reasoning that can be sent back.
pub(super) const INCLUDE_SEALS: &str = "reasoning.encrypted_content";

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
    let namespaces = tools::read(wire.tools.take(), wire.input.as_ref(), may_add_tools(text), &mut request)?;
    input(wire.input.take(), &wire, &namespaces, &mut request)?;
    if let Some(choice) = wire.tool_choice {
        request.tool_choice = Some(tools::choice(choice, &request.tools)?);
    }
    request.parallel_tool_calls = wire.parallel_tool_calls;
    request.sampling = Sampling { temperature: wire.temperature, top_p: wire.top_p, ..Sampling::default() };
    request.max_output_tokens = wire.max_output_tokens;
    request.service_tier = wire.service_tier;
    request.metadata = wire.metadata;
    request.prompt_cache_key = wire.prompt_cache_key;
    request.store = wire.store;
    request.reasoning = wire.reasoning.map(|reasoning| reasoning_config(reasoning, &mut request.form));
    // What the tools left behind stands there already.
    request.extra.0.extend(wire.rest.0);
    logprobs(wire.top_logprobs, &mut request);
    hush_members(&mut request.extra);
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

/// Log probabilities are wanted when `include` says so, or when alternatives are.
fn logprobs<'a>(top: Option<Num<'a>>, request: &mut Request<'a>) {
    let include: Vec<Str<'_>> = request.extra.get("include").and_then(Raw::read).unwrap_or_default();
    let included = include.iter().any(|what| *what == INCLUDE_LOGPROBS);
    if !included && top.as_ref().is_some_and(|top| top.get() == "0") {
        request.extra.push("\0top_logprobs", Raw::parse("0").unwrap_or(Raw::NULL));
    } else if included || top.is_some() {
        request.logprobs = Some(LogprobsConfig { top });
    }
}

/// Members that ask for nothing, or for what every answer of the gateway holds, or that mean something to this
/// dialect's provider only.
fn hush_members(extra: &mut Extra<'_>) {
    hush(extra, "include", |value| {
        let list: Option<Vec<Str<'_>>> = value.read();
        list.is_some_and(|list| list.iter().all(|what| *what == INCLUDE_LOGPROBS || *what == INCLUDE_SEALS))
    });
    hush(extra, "client_metadata", |_| true);
    hush(extra, "stream_options", |_| true);
    hush(extra, "truncation", |value| value.get() == "\"disabled\"");
    hush(extra, "background", |value| value.get() == "false");
}

/// Whether a provider of another dialect can serve the request at all.
///
/// # Errors
/// When it refers to what is stored at a provider of this dialect, or wants what only such a provider does.
pub fn refuse_stored(request: &Request<'_>) -> Result<(), EncodeError> {
    const STORED: [(&str, &str); 4] = [
        ("previous_response_id", "keeps no responses; send the whole conversation in `input`"),
        ("conversation", "keeps no conversations; send the whole conversation in `input`"),
        ("prompt", "keeps no prompt templates; send the prompt's text in `instructions` and `input`"),
        (
            "background",
            "does not answer in the background; leave `background` out, and `stream` the answer if it is long",
        ),
    ];
    for (member, why) in STORED {
        if request.extra.get(member).is_some_and(|value| !matches!(value.get(), "null" | "false")) {
            return Err(EncodeError::at(member, format!("this model is served by a provider that {why}")));
        }
    }
    Ok(())
}

fn input<'a>(
    input: Option<Content<'a>>,
    wire: &RequestWire<'a>,
    namespaces: &Namespaces,
    request: &mut Request<'a>,
) -> Result<(), DecodeError> {
    match input {
        Some(Content::Text(text)) => {
            request.form |= form::INPUT_STRING;
            request.turns.push(Turn::new(Role::User, vec![Block::text(text)]));
        }
        Some(Content::List(list)) => {
            let mut names = HashMap::new();
            request.turns.reserve(list.len());
            for (n, value) in list.into_iter().enumerate() {
                turn(value, n, namespaces, &mut request.turns, &mut names)?;
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
    namespaces: &Namespaces,
    turns: &mut Vec<Turn<'a>>,
    names: &mut HashMap<Str<'a>, Str<'a>>,
) -> Result<(), DecodeError> {
    if is_additional_tools(value) {
        // The tools are among the request's: nothing of the conversation is lost where the item means nothing.
        let mut turn = Turn::new(Role::Developer, Vec::new());
        turn.extra.push(quiet::ITEM, keep(value));
        turns.push(turn);
        return Ok(());
    }
    let mut block = match items::item(value, format_args!("input[{n}]"))? {
        Item::Message(message) => {
            turns.push(message_turn(message, n)?);
            return Ok(());
        }
        Item::Block(block) => block,
    };
    let role = match &mut block.kind {
        BlockKind::ToolUse(call) => {
            if let Some((namespace, name)) = items::in_namespace(&block.extra) {
                call.name = Str::from(namespaces.flat(&namespace, &name));
            }
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

fn is_additional_tools(value: &RawValue) -> bool {
    value.get().contains("additional_tools")
        && namespaces::adds_tools(value).is_some()
        && serde_json::from_str::<super::wire::Kind<'_>>(value.get())
            .is_ok_and(|kind| kind.kind.as_deref() == Some("additional_tools"))
}

fn message_turn(mut wire: MessageWire<'_>, n: usize) -> Result<Turn<'_>, DecodeError> {
    quiet::hush_item(&mut wire.rest);
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
    if let Some(raw) = wire.verbosity {
        match raw.read::<Str<'_>>().map(Str::into_owned) {
            Some(word) => request.verbosity = Some(word),
            None => request.extra.push("text.verbosity", raw),
        }
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
