//! The IR to `generationConfig` and `toolConfig`.

use super::config::{CALLING, CALLING_PATH, GENERATION, ORIGINAL_SCHEMA, TOOL_CONFIG};
use super::think::{self, Plan};
use super::{bounds, form, nested, tools};
use crate::Dialect;
use crate::dialects::{Encoded, Target};
use crate::ir::{LossKind, OutputFormat, Request, Tool, ToolChoice, ToolKind};
use crate::json::{Extra, Raw, Str, Writer};
use crate::repair::schema;

/// Writes the member `toolConfig`, when there is something in it.
pub(super) fn tool_config(w: &mut Writer<'_>, request: &Request<'_>, target: &Target, encoded: &mut Encoded) {
    let own = request.origin == Dialect::Gemini;
    let choice = request.tool_choice.as_ref().filter(|choice| own || foreign_choice(choice, request, encoded));
    let mixes = !own && tools::mixes(request, target);
    if choice.is_none() && !mixes && !(own && request.form & form::HAS_TOOL_CONFIG != 0) {
        return;
    }
    let bits = if own { request.form } else { 0 };
    w.key(form::spell(bits, form::TOOL_CONFIG_SNAKE, "toolConfig", "tool_config")).object(|w| {
        if let Some(choice) = choice {
            w.key(form::spell(bits, form::CALLING_SNAKE, CALLING, "function_calling_config"));
            calling(w, choice, request, target);
        }
        if mixes {
            // Without it functions beside a search are answered with 400.
            w.key("includeServerSideToolInvocations").bool(true);
        }
        if own {
            nested::write(w, &request.extra, TOOL_CONFIG, Some(CALLING));
        }
    });
}

/// Whether a choice of another dialect can be said.
fn foreign_choice(choice: &ToolChoice<'_>, request: &Request<'_>, encoded: &mut Encoded) -> bool {
    let functions = request.tools.iter().any(|tool| !matches!(tool.kind, ToolKind::Hosted { .. }));
    let said = functions && !matches!(choice, ToolChoice::Opaque(_));
    if !said && !matches!(choice, ToolChoice::Auto | ToolChoice::None) {
        encoded.losses.add("tool_choice", LossKind::Dropped);
    }
    said
}

fn calling(w: &mut Writer<'_>, choice: &ToolChoice<'_>, request: &Request<'_>, target: &Target) {
    let style = tools::style(request, target);
    let bits = if style.own { request.form } else { 0 };
    let (mode, names) = match choice {
        ToolChoice::Opaque(raw) => return w.raw(raw),
        ToolChoice::Auto if bits & form::VALIDATED != 0 => ("VALIDATED", None),
        ToolChoice::Auto => ("AUTO", None),
        ToolChoice::None => ("NONE", None),
        ToolChoice::Required => ("ANY", None),
        ToolChoice::Named(name) => ("ANY", Some(std::slice::from_ref(name))),
        ToolChoice::Among { names, required: true } => ("ANY", Some(names.as_slice())),
        ToolChoice::Among { names, required: false } => ("VALIDATED", Some(names.as_slice())),
    };
    w.object(|w| {
        w.key("mode").str(mode);
        if let Some(names) = names {
            w.key(form::spell(bits, form::ALLOWED_SNAKE, "allowedFunctionNames", "allowed_function_names"));
            w.array(|w| {
                for name in names {
                    w.str(&style.name(name));
                }
            });
        }
        if style.own {
            nested::write(w, &request.extra, CALLING_PATH, None);
        }
    });
}

/// Writes the member `generationConfig`, when there is something in it.
pub(super) fn generation(w: &mut Writer<'_>, request: &Request<'_>, target: &Target, encoded: &mut Encoded) {
    let own = request.origin == Dialect::Gemini;
    let bits = if own { request.form } else { 0 };
    let mut text = Vec::new();
    Writer::new(&mut text).object(|w| {
        let losses = &mut encoded.losses;
        if own {
            numbers(w, request, bounds::stops(&request.stop, target, losses), bits);
            let key = form::spell(bits, form::MAX_OUTPUT_SNAKE, "maxOutputTokens", "max_output_tokens");
            w.opt_num(key, request.max_output_tokens.as_ref());
            if let Some(config) = &request.reasoning {
                think::own(w, config, request, target, losses);
            }
        } else {
            let within = bounds::within(request, target, losses);
            numbers(w, &within, &within.stop, 0);
            let plan = Plan::new(request, target, losses);
            w.opt_num("maxOutputTokens", plan.cap.as_ref());
            plan.write(w);
        }
        output_format(w, request, target, encoded);
        if own {
            nested::write(w, &request.extra, GENERATION, None);
        }
    });
    let Some(raw) = std::str::from_utf8(&text).ok().and_then(Raw::parse) else { return };
    if text != b"{}" || bits & form::HAS_GENERATION != 0 {
        w.key(form::spell(bits, form::GENERATION_SNAKE, GENERATION, "generation_config")).raw(&raw);
    }
}

/// Writes what is said in numbers and stop sequences.
fn numbers(w: &mut Writer<'_>, request: &Request<'_>, stops: &[Str<'_>], bits: u32) {
    let key = |bit, camel, snake| form::spell(bits, bit, camel, snake);
    let sampling = &request.sampling;
    w.opt_num("temperature", sampling.temperature.as_ref());
    w.opt_num(key(form::TOP_P_SNAKE, "topP", "top_p"), sampling.top_p.as_ref());
    w.opt_num(key(form::TOP_K_SNAKE, "topK", "top_k"), sampling.top_k.as_ref());
    let presence = key(form::PRESENCE_SNAKE, "presencePenalty", "presence_penalty");
    w.opt_num(presence, sampling.presence_penalty.as_ref());
    let frequency = key(form::FREQUENCY_SNAKE, "frequencyPenalty", "frequency_penalty");
    w.opt_num(frequency, sampling.frequency_penalty.as_ref());
    w.opt_num("seed", sampling.seed.as_ref());
    w.opt_num(key(form::CANDIDATES_SNAKE, "candidateCount", "candidate_count"), request.candidates.as_ref());
    if let Some(config) = &request.logprobs {
        w.key(key(form::LOGPROBS_SNAKE, "responseLogprobs", "response_logprobs")).bool(true);
        w.opt_num("logprobs", config.top.as_ref());
    }
    if !stops.is_empty() {
        w.key(key(form::STOP_SNAKE, "stopSequences", "stop_sequences"));
        w.array(|w| stops.iter().for_each(|stop| w.str(stop)));
    }
}

fn output_format(w: &mut Writer<'_>, request: &Request<'_>, target: &Target, encoded: &mut Encoded) {
    let own = request.origin == Dialect::Gemini;
    let bits = if own { request.form } else { 0 };
    let Some(format) = &request.output_format else { return };
    if !own && !matches!(format, OutputFormat::Text) && !json_beside_tools(request, target) {
        encoded.losses.add("response_format", LossKind::Dropped);
        return;
    }
    let key = |bit, camel, snake| form::spell(bits, bit, camel, snake);
    let mime_key = key(form::MIME_TYPE_SNAKE, "responseMimeType", "response_mime_type");
    match format {
        OutputFormat::Text if own => w.key(mime_key).str("text/plain"),
        OutputFormat::Text => {}
        OutputFormat::JsonObject => w.key(mime_key).str("application/json"),
        OutputFormat::Opaque(raw) if own => {
            if let Some(members) = tools::reread::<Members<'_>>(raw) {
                w.extra(&members.rest);
            }
        }
        OutputFormat::Opaque(_) => encoded.losses.add("response_format", LossKind::Dropped),
        OutputFormat::JsonSchema { description, schema, .. } => {
            if description.is_some() {
                encoded.losses.add("response_format.description", LossKind::Dropped);
            }
            w.key(mime_key).str("application/json");
            let openapi = key(form::SCHEMA_SNAKE, "responseSchema", "response_schema");
            if own && bits & form::OPENAPI_SCHEMA != 0 {
                w.key(openapi).raw(original_schema(&request.extra, schema));
            } else if target.quirks.json_schema {
                w.key(key(form::JSON_SCHEMA_SNAKE, "responseJsonSchema", "response_json_schema")).raw(schema);
            } else if !target.repairs.schemas {
                w.key(openapi).raw(schema);
            } else {
                let subset = schema::gemini_subset(schema);
                if subset.lossy {
                    encoded.losses.add("response_format.schema", LossKind::Approximated);
                }
                w.key(openapi).value(&subset.schema);
            }
        }
    }
}

fn original_schema<'r>(extra: &'r Extra<'r>, schema: &'r Raw<'r>) -> &'r Raw<'r> {
    tools::original(extra, ORIGINAL_SCHEMA, schema).unwrap_or(schema)
}

/// Before Gemini 3 a JSON answer cannot be asked for beside functions, nor beside a search.
fn json_beside_tools(request: &Request<'_>, target: &Target) -> bool {
    let hosted = |tool: &Tool<'_>| matches!(tool.kind, ToolKind::Hosted { .. });
    let none = request.tools.iter().all(|tool| hosted(tool) && !tools::is_search(request.origin, tool));
    none || target.profile.json_with_tools != Some(false)
}

crate::wire_object! {
    /// An object of which nothing is known.
    struct Members<'a> {}
}
