//! Requests and answers to the IR.

pub(super) mod details;
mod message;
mod part;
mod response;
mod tools;

use serde::Deserialize;

use super::form;
use super::wire::{self, FormatWire, JsonSchemaWire, Later, RequestWire, Texts};
use crate::Dialect;
use crate::dialects::{DecodeError, Endpoint};
use crate::ir::{Effort, LogprobsConfig, OutputFormat, ReasoningConfig, Request, Sampling};
use crate::json::{Extra, Num, Raw, Str};

pub(super) use part::thoughts;
pub use response::decode_response;
pub(super) use response::{AUDIO_KEPT, AUDIO_MARK, DETAILS_KEPT};
pub(super) use tools::{SEARCH_OPTIONS, arguments};

/// Reads a request body.
///
/// # Errors
/// When the body is no JSON object, `model` or `messages` is missing, or a known member has the wrong type; the error
/// names the member. Members, tools, parts and calls that are not known never give an error.
pub fn decode_request<'a>(body: &'a [u8], endpoint: &Endpoint<'a>) -> Result<Request<'a>, DecodeError> {
    let mut wire: RequestWire<'a> = wire::read_body(body)?;
    let model = wire.model.take().or_else(|| endpoint.model.clone());
    let model = model.ok_or_else(|| DecodeError::at("model", "`model` is missing: name the model to ask"))?;
    let messages = wire.messages.take();
    let messages = messages
        .ok_or_else(|| DecodeError::at("messages", "`messages` is missing: send the conversation as a list"))?;

    let mut request = Request::new(Dialect::OpenAiChat, model);
    request.turns = message::turns(messages)?;
    request.extra = std::mem::take(&mut wire.rest);
    request.stream = wire.stream.or(endpoint.stream).unwrap_or(false);
    set(&mut request.form, form::REQUEST_STREAM_FALSE, wire.stream == Some(false));
    tools::read(&mut wire, &mut request)?;
    settings(&mut wire, &mut request);
    request.sampling = Sampling {
        temperature: wire.temperature,
        top_p: wire.top_p,
        top_k: wire.top_k,
        presence_penalty: wire.presence_penalty,
        frequency_penalty: wire.frequency_penalty,
        seed: wire.seed,
    };
    request.parallel_tool_calls = wire.parallel_tool_calls;
    request.candidates = wire.n;
    match (wire.max_completion_tokens, wire.max_tokens) {
        (Some(cap), Some(old)) => {
            request.max_output_tokens = Some(cap);
            request.extra.push("max_tokens", old.as_raw().clone());
        }
        (None, Some(cap)) => {
            request.max_output_tokens = Some(cap);
            request.form |= form::REQUEST_MAX_TOKENS;
        }
        (cap, None) => request.max_output_tokens = cap,
    }
    match wire.stop {
        Some(Texts::Text(text)) => {
            request.stop.push(text);
            request.form |= form::REQUEST_STOP_STRING;
        }
        Some(Texts::List(texts)) => {
            set(&mut request.form, form::REQUEST_STOP_EMPTY, texts.is_empty());
            request.stop = texts;
        }
        None => {}
    }
    if let Some(word) = wire.reasoning_effort {
        effort(word, &mut request);
    }
    if request.reasoning.is_none() {
        reasoning_object(&mut request);
    }
    if let Some(value) = wire.response_format {
        request.output_format = Some(output_format(value, &mut request.extra)?);
    }
    Ok(request)
}

/// Members that other dialects have in other words, beside the usual ones.
fn settings<'a>(wire: &mut RequestWire<'a>, request: &mut Request<'a>) {
    match (wire.user.take(), wire.safety_identifier.take()) {
        (None, Some(user)) => {
            request.user = Some(user);
            request.form |= form::REQUEST_SAFETY_IDENTIFIER;
        }
        (user, other) => {
            request.user = user;
            if let Some(other) = other {
                request.extra.push("safety_identifier", tools::quoted(&other));
            }
        }
    }
    request.service_tier = wire.service_tier.take();
    request.metadata = wire.metadata.map(wire::raw);
    request.prompt_cache_key = wire.prompt_cache_key.take();
    request.verbosity = wire.verbosity.take();
    request.store = wire.store;
    match (wire.logprobs, wire.top_logprobs.take()) {
        (Some(true), top) => request.logprobs = Some(LogprobsConfig { top }),
        (off, top) => {
            set(&mut request.form, form::REQUEST_LOGPROBS_FALSE, off == Some(false));
            if let Some(top) = top {
                request.extra.push("top_logprobs", top.as_raw().clone());
            }
        }
    }
}

/// Whether the client of `request` asked for the usage chunk (`stream_options.include_usage`): what
/// [`ReplyContext::include_usage`](crate::ir::ReplyContext) must say. Always false for requests of other dialects.
pub fn asks_for_usage(request: &Request<'_>) -> bool {
    #[derive(Deserialize)]
    struct Options {
        include_usage: Option<bool>,
    }
    request.origin == Dialect::OpenAiChat
        && request.stream
        && request
            .extra
            .get("stream_options")
            .and_then(Raw::read::<Options>)
            .is_some_and(|options| options.include_usage == Some(true))
}

fn set(bits: &mut u32, bit: u32, on: bool) {
    if on {
        *bits |= bit;
    }
}

/// A word of another scale (Groq `default`) stays as it is.
fn effort<'a>(word: Str<'a>, request: &mut Request<'a>) {
    let known = Effort::parse(&word).filter(|effort| word == effort.as_openai() || word == "off" || word == "max");
    match known {
        Some(effort) => {
            set(&mut request.form, form::REQUEST_EFFORT_ALT, word != effort.as_openai());
            request.reasoning = Some(ReasoningConfig {
                effort: Some(effort),
                enabled: Some(effort != Effort::None),
                ..ReasoningConfig::default()
            });
        }
        None => request.extra.push("reasoning_effort", Raw::from_value(&word.as_str()).unwrap_or(Raw::NULL)),
    }
}

/// OpenRouter's `reasoning` and the `thinking` of Z.ai, DeepSeek and others: objects that say it in more words.
fn reasoning_object(request: &mut Request<'_>) {
    #[derive(Deserialize)]
    struct Wish {
        effort: Option<String>,
        max_tokens: Option<u64>,
        budget_tokens: Option<u64>,
        enabled: Option<bool>,
        exclude: Option<bool>,
        #[serde(rename = "type")]
        kind: Option<String>,
    }
    for (key, value) in &mut request.extra.0 {
        if key != "reasoning" && key != "thinking" {
            continue;
        }
        let Some(wish) = value.read::<Wish>() else { continue };
        let effort = wish.effort.as_deref().and_then(Effort::parse);
        let budget = wish.max_tokens.or(wish.budget_tokens);
        let kind = match wish.kind.as_deref() {
            Some("enabled" | "adaptive" | "auto") => Some(true),
            Some("disabled") => Some(false),
            _ => None,
        };
        let implied = (effort.is_some() || budget.is_some()).then_some(effort != Some(Effort::None));
        let enabled = wish.enabled.or(kind).or(implied);
        if enabled.is_none() && wish.exclude.is_none() {
            continue;
        }
        request.reasoning = Some(ReasoningConfig {
            effort,
            budget: budget.map(Num::from),
            enabled,
            adaptive: wish.kind.as_deref() == Some("adaptive"),
            visible: wish.exclude.map(|exclude| !exclude),
            extra: Extra::default(),
        });
        *key = Str::from(format!("{}{key}", details::PRIVATE));
        request.form |= form::REQUEST_REASONING_OBJECT;
        return;
    }
}

fn output_format<'a>(value: Later<'a>, extra: &mut Extra<'a>) -> Result<OutputFormat<'a>, DecodeError> {
    const PATH: &str = "response_format";
    let wire: FormatWire<'a> = wire::read(value, || PATH.to_owned())?;
    let Some(kind) = wire.kind else {
        return Err(DecodeError::at(
            "response_format.type",
            "`response_format.type` is missing: say text, json_object or json_schema",
        ));
    };
    match (kind.as_str(), wire.json_schema) {
        ("text", None) => {
            wire::nest("response_format.", wire.rest, extra);
            Ok(OutputFormat::Text)
        }
        ("json_object", None) => {
            wire::nest("response_format.", wire.rest, extra);
            Ok(OutputFormat::JsonObject)
        }
        ("json_schema", Some(inner)) => {
            let inner: JsonSchemaWire<'a> = wire::read(inner, || "response_format.json_schema".to_owned())?;
            let Some(schema) = inner.schema else { return Ok(OutputFormat::Opaque(wire::raw(value))) };
            wire::nest("response_format.", wire.rest, extra);
            wire::nest("response_format.json_schema.", inner.rest, extra);
            let (name, description, strict) = (inner.name, inner.description, inner.strict);
            Ok(OutputFormat::JsonSchema { name, description, schema, strict })
        }
        _ => Ok(OutputFormat::Opaque(wire::raw(value))),
    }
}
