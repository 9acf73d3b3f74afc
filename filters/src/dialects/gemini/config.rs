//! `generationConfig` and `toolConfig` to the IR.

use super::wire::{CallingWire, GenerationWire, ThinkingWire, ToolConfigWire};
use super::{form, nested, tools};
use crate::dialects::DecodeError;
use crate::ir::{Effort, LogprobsConfig, OutputFormat, ReasoningConfig, Request, ToolChoice};
use crate::json::{Extra, Raw, Str, Writer};

/// Where leftovers of these objects stand in `Request::extra`.
pub(super) const GENERATION: &str = "generationConfig";
pub(super) const TOOL_CONFIG: &str = "toolConfig";
pub(super) const CALLING: &str = "functionCallingConfig";
pub(super) const CALLING_PATH: &str = "toolConfig.functionCallingConfig";
/// The output schema as written, when the IR's is a translation of it.
pub(super) const ORIGINAL_SCHEMA: &str = "\0responseSchema";

pub(super) fn decode_generation<'a>(mut wire: GenerationWire<'a>, request: &mut Request<'a>) {
    request.form |= form::HAS_GENERATION | wire.snake;
    request.sampling.temperature = wire.temperature.take();
    request.sampling.seed = wire.seed.take();
    request.sampling.top_p = wire.top_p.take();
    request.sampling.top_k = wire.top_k.take();
    request.sampling.presence_penalty = wire.presence_penalty.take();
    request.sampling.frequency_penalty = wire.frequency_penalty.take();
    request.max_output_tokens = wire.max_output_tokens.take();
    request.candidates = wire.candidates.take();
    nested::keep(&mut request.extra, GENERATION, std::mem::take(&mut wire.rest));
    logprobs(&mut wire, request);
    if let Some(stop) = wire.stop.take() {
        if stop.is_empty() {
            let key = form::spell(wire.snake, form::STOP_SNAKE, "stopSequences", "stop_sequences");
            let empty = Raw::parse("[]").unwrap_or(Raw::NULL);
            nested::keep(&mut request.extra, GENERATION, Extra(vec![(Str::from(key), empty)]));
        }
        request.stop = stop;
    }
    if let Some(thinking) = wire.thinking.take() {
        request.form |= thinking.snake;
        request.reasoning = Some(reasoning(thinking, &mut request.form));
    }
    output_format(wire, request);
}

/// A number of alternatives without the wish itself means nothing to the IR, and stays as it is.
fn logprobs<'a>(wire: &mut GenerationWire<'a>, request: &mut Request<'a>) {
    let top = wire.logprobs.take();
    match wire.wants_logprobs {
        Some(true) => request.logprobs = Some(LogprobsConfig { top }),
        wanted => {
            let key = form::spell(wire.snake, form::LOGPROBS_SNAKE, "responseLogprobs", "response_logprobs");
            let mut rest = Extra::default();
            if wanted.is_some() {
                rest.push(key, Raw::FALSE);
            }
            if let Some(top) = top {
                rest.push("logprobs", top.as_raw().clone());
            }
            nested::keep(&mut request.extra, GENERATION, rest);
        }
    }
}

fn reasoning<'a>(wire: ThinkingWire<'a>, bits: &mut u32) -> ReasoningConfig<'a> {
    let mut config = ReasoningConfig { visible: wire.visible, extra: wire.rest, ..ReasoningConfig::default() };
    if let Some(budget) = wire.budget {
        config.adaptive = budget.get() == "-1";
        config.enabled = Some(budget.as_u64() != Some(0));
        config.budget = Some(budget).filter(|_| !config.adaptive);
    }
    if let Some(level) = wire.level {
        config.effort = Effort::parse(&level).filter(|effort| {
            let word = level_word(*effort);
            level == word || level == word.to_ascii_uppercase().as_str()
        });
        match config.effort {
            Some(_) => {
                config.enabled = config.enabled.or(Some(true));
                if level.starts_with(|first: char| first.is_ascii_uppercase()) {
                    *bits |= form::LEVEL_UPPER;
                }
            }
            None => {
                let key = form::spell(wire.snake, form::LEVEL_SNAKE, "thinkingLevel", "thinking_level");
                config.extra.push(key, Raw::from_value(&level.as_str()).unwrap_or(Raw::NULL));
            }
        }
    }
    config
}

/// Gemini's word for an effort. It has none for `none` and `max`: the nearest one stands for them.
pub(super) fn level_word(effort: Effort) -> &'static str {
    match effort {
        Effort::None | Effort::Minimal => "minimal",
        Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High | Effort::Max => "high",
    }
}

fn output_format<'a>(wire: GenerationWire<'a>, request: &mut Request<'a>) {
    let json = wire.mime.as_deref() == Some("application/json");
    request.output_format = match (wire.mime.as_deref(), wire.schema, wire.json_schema) {
        (None, None, None) => None,
        (Some("text/plain"), None, None) => Some(OutputFormat::Text),
        (Some(_), None, None) if json => Some(OutputFormat::JsonObject),
        (Some(_), None, Some(schema)) if json => Some(schema_format(schema)),
        (Some(_), Some(schema), None) if json => {
            request.form |= form::OPENAPI_SCHEMA;
            let schema = tools::keep_standard(&mut request.extra, ORIGINAL_SCHEMA, schema);
            Some(schema_format(schema))
        }
        (mime, schema, json_schema) => {
            let mut text = Vec::new();
            Writer::new(&mut text).object(|w| {
                let key = |bit, camel, snake| form::spell(wire.snake, bit, camel, snake);
                w.opt_str(key(form::MIME_TYPE_SNAKE, "responseMimeType", "response_mime_type"), mime);
                w.opt_raw(key(form::SCHEMA_SNAKE, "responseSchema", "response_schema"), schema.as_ref());
                let key = key(form::JSON_SCHEMA_SNAKE, "responseJsonSchema", "response_json_schema");
                w.opt_raw(key, json_schema.as_ref());
            });
            String::from_utf8(text).ok().and_then(Raw::from_string).map(OutputFormat::Opaque)
        }
    };
}

fn schema_format(schema: Raw<'_>) -> OutputFormat<'_> {
    OutputFormat::JsonSchema { name: None, description: None, schema, strict: None }
}

pub(super) fn decode_tool_config<'a>(wire: ToolConfigWire<'a>, request: &mut Request<'a>) -> Result<(), DecodeError> {
    request.form |= form::HAS_TOOL_CONFIG | wire.snake;
    nested::keep(&mut request.extra, TOOL_CONFIG, wire.rest);
    let Some(raw) = wire.calling else { return Ok(()) };
    // Read from the body's own text, so that names borrow from it.
    let Some(calling) = tools::reread::<CallingWire<'_>>(&raw) else {
        let param = "toolConfig.functionCallingConfig";
        return Err(DecodeError::at(param, format!("{param} must be an object with a mode and allowedFunctionNames")));
    };
    let mode = calling.mode.as_deref();
    let names = calling.names.as_deref();
    let choice = match (mode, names) {
        (Some("AUTO"), None) => ToolChoice::Auto,
        (Some("NONE"), None) => ToolChoice::None,
        (Some("ANY"), None) => ToolChoice::Required,
        (Some("VALIDATED"), None) => {
            request.form |= form::VALIDATED;
            ToolChoice::Auto
        }
        (Some("ANY"), Some([name])) => ToolChoice::Named(name.clone().into_owned()),
        (Some("ANY" | "VALIDATED"), Some(names @ [_, ..])) => ToolChoice::Among {
            names: names.iter().map(|name| name.clone().into_owned()).collect(),
            required: mode == Some("ANY"),
        },
        _ => {
            request.tool_choice = Some(ToolChoice::Opaque(raw));
            return Ok(());
        }
    };
    request.form |= calling.snake;
    let rest = calling.rest.into_owned();
    nested::keep(&mut request.extra, CALLING_PATH, rest);
    request.tool_choice = Some(choice);
    Ok(())
}
