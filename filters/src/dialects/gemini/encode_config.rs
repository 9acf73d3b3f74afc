//! The IR to `generationConfig` and `toolConfig`.

use super::config::{CALLING, CALLING_PATH, GENERATION, ORIGINAL_SCHEMA, TOOL_CONFIG, level_word};
use super::family::Family;
use super::write::function_name;
use super::{encode, form, nested, tools};
use crate::Dialect;
use crate::dialects::{Encoded, Target};
use crate::ir::{Effort, LossKind, OutputFormat, ReasoningConfig, Request, ToolChoice, ToolKind};
use crate::json::{Extra, Num, Raw, Writer};
use crate::repair::schema;

/// Thinking budgets that 2.5 models take (ai.google.dev/gemini-api/docs/thinking): Pro cannot go below its minimum.
const PRO_BUDGET: (u64, u64) = (128, 32_768);
const FLASH_BUDGET_MAX: u64 = 24_576;
/// Tokens of the cap that are kept for the answer itself when a budget has to be cut.
const ANSWER_TOKENS_MIN: u64 = 1_024;

/// Writes the member `toolConfig`, when there is something in it.
pub(super) fn tool_config(w: &mut Writer<'_>, request: &Request<'_>, encoded: &mut Encoded) {
    let own = request.origin == Dialect::Gemini;
    let choice = request.tool_choice.as_ref().filter(|choice| own || foreign_choice(choice, request, encoded));
    if choice.is_none() && !(own && request.form & form::HAS_TOOL_CONFIG != 0) {
        return;
    }
    let bits = if own { request.form } else { 0 };
    w.key(form::spell(bits, form::TOOL_CONFIG_SNAKE, "toolConfig", "tool_config")).object(|w| {
        if let Some(choice) = choice {
            w.key(form::spell(bits, form::CALLING_SNAKE, CALLING, "function_calling_config"));
            calling(w, choice, request, bits);
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

fn calling(w: &mut Writer<'_>, choice: &ToolChoice<'_>, request: &Request<'_>, bits: u32) {
    let own = request.origin == Dialect::Gemini;
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
                    w.str(&if own { name.as_str().into() } else { function_name(name) });
                }
            });
        }
        if own {
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
        let key = |bit, camel, snake| form::spell(bits, bit, camel, snake);
        let sampling = &request.sampling;
        w.opt_num("temperature", sampling.temperature.as_ref());
        w.opt_num(key(form::TOP_P_SNAKE, "topP", "top_p"), sampling.top_p.as_ref());
        w.opt_num(key(form::TOP_K_SNAKE, "topK", "top_k"), sampling.top_k.as_ref());
        let presence = key(form::PRESENCE_SNAKE, "presencePenalty", "presence_penalty");
        w.opt_num(presence, sampling.presence_penalty.as_ref());
        let frequency = key(form::FREQUENCY_SNAKE, "frequencyPenalty", "frequency_penalty");
        w.opt_num(frequency, sampling.frequency_penalty.as_ref());
        w.opt_num("seed", seed(request, encoded).as_ref());
        let candidates = key(form::CANDIDATES_SNAKE, "candidateCount", "candidate_count");
        w.opt_num(candidates, request.candidates.as_ref());
        let cap = output_cap(request, target);
        w.opt_num(key(form::MAX_OUTPUT_SNAKE, "maxOutputTokens", "max_output_tokens"), cap.as_ref());
        let (stops, cut) = encode::stops(request);
        if cut {
            encoded.losses.add("stop", LossKind::Clamped);
        }
        if !stops.is_empty() {
            w.key(key(form::STOP_SNAKE, "stopSequences", "stop_sequences")).array(|w| {
                stops.iter().filter(|stop| own || !stop.is_empty()).for_each(|stop| w.str(stop));
            });
        }
        if let Some(reasoning) = &request.reasoning {
            thinking(w, reasoning, cap.as_ref(), request, target, encoded);
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

/// The client's cap; without one the configured default, as the other dialects' clients expect long answers whole.
fn output_cap<'a>(request: &Request<'a>, target: &Target) -> Option<Num<'a>> {
    if request.origin == Dialect::Gemini {
        return request.max_output_tokens.clone();
    }
    let default = Some(target.quirks.default_max_output_tokens).filter(|tokens| *tokens > 0);
    match &request.max_output_tokens {
        Some(cap) => Some(cap.as_u64().map_or_else(|| cap.clone(), Num::from)),
        None => default.map(Num::from),
    }
}

/// Gemini's seeds have 32 bits.
fn seed<'a>(request: &Request<'a>, encoded: &mut Encoded) -> Option<Num<'a>> {
    let seed = request.sampling.seed.clone()?;
    if request.origin == Dialect::Gemini || seed.as_i64().is_some_and(|seed| i32::try_from(seed).is_ok()) {
        return Some(seed);
    }
    encoded.losses.add("seed", LossKind::Clamped);
    let bits = seed.as_i64().map_or_else(|| seed.as_f64() as u64, i64::cast_unsigned);
    Some(Num::from(bits & 0x7fff_ffff))
}

fn thinking(
    w: &mut Writer<'_>,
    config: &ReasoningConfig<'_>,
    cap: Option<&Num<'_>>,
    request: &Request<'_>,
    target: &Target,
    encoded: &mut Encoded,
) {
    let family = Family::of(&target.model);
    if request.origin == Dialect::Gemini {
        return own_thinking(w, config, request.form, family, encoded);
    }
    encoded.losses.drop_extra("reasoning", &config.extra);
    if family == Family::Plain {
        if config.enabled != Some(false) && config.effort != Some(Effort::None) {
            encoded.losses.add("reasoning", LossKind::Dropped);
        }
        return;
    }
    let off = config.enabled == Some(false) || config.effort == Some(Effort::None);
    let amount = if family == Family::Three {
        Amount::Level(level(config, off, &target.model, encoded))
    } else {
        Amount::Budget(budget(config, off, cap, &target.model, encoded))
    };
    w.key("thinkingConfig").object(|w| {
        match amount {
            Amount::Level(Some(level)) => w.key("thinkingLevel").str(level_word(level)),
            Amount::Budget(Some(tokens)) => w.key("thinkingBudget").u64(tokens),
            Amount::Budget(None) if config.adaptive => w.key("thinkingBudget").num(&minus_one()),
            Amount::Level(None) | Amount::Budget(None) => {}
        }
        if !off {
            w.opt_bool("includeThoughts", config.visible);
        }
    });
}

enum Amount {
    Level(Option<Effort>),
    Budget(Option<u64>),
}

/// `None` leaves it to the model, which chooses by itself.
fn level(config: &ReasoningConfig<'_>, off: bool, model: &str, encoded: &mut Encoded) -> Option<Effort> {
    let asked = if off {
        Effort::None
    } else {
        let budget = config.budget.as_ref().and_then(Num::as_u64);
        config.effort.or_else(|| budget.map(Effort::from_budget))?
    };
    // Only Flash models go below `low`; no model of this generation stops thinking.
    let pro = model.contains("pro");
    let level = match asked {
        Effort::None | Effort::Minimal if pro => Effort::Low,
        Effort::None => Effort::Minimal,
        Effort::Max => Effort::High,
        other => other,
    };
    if level != asked || config.effort.is_none() {
        encoded.losses.add("reasoning", LossKind::Approximated);
    }
    Some(level)
}

/// `None` leaves it to the model.
fn budget(
    config: &ReasoningConfig<'_>,
    off: bool,
    cap: Option<&Num<'_>>,
    model: &str,
    encoded: &mut Encoded,
) -> Option<u64> {
    let given = config.budget.as_ref().and_then(Num::as_u64);
    let asked = if off { 0 } else { given.or_else(|| config.effort.map(Effort::budget_tokens))? };
    let (min, max) = if model.contains("pro") { PRO_BUDGET } else { (0, FLASH_BUDGET_MAX) };
    let mut tokens = asked.clamp(min, max);
    if let Some(cap) = cap.and_then(Num::as_u64) {
        // Thoughts count into the cap: without room beside them there would be no answer.
        tokens = tokens.min(cap.saturating_sub(ANSWER_TOKENS_MIN).max(cap / 2)).max(min);
    }
    if given.is_none() && !off {
        encoded.losses.add("reasoning", LossKind::Approximated);
    } else if tokens != asked {
        encoded.losses.add("reasoning", LossKind::Clamped);
    }
    Some(tokens)
}

/// As it came, save for a level that 2.5 models do not know.
fn own_thinking(w: &mut Writer<'_>, config: &ReasoningConfig<'_>, bits: u32, family: Family, encoded: &mut Encoded) {
    let key = |bit, camel, snake| form::spell(bits, bit, camel, snake);
    w.key(key(form::THINKING_SNAKE, "thinkingConfig", "thinking_config")).object(|w| {
        let budget_key = key(form::BUDGET_SNAKE, "thinkingBudget", "thinking_budget");
        if config.adaptive {
            w.key(budget_key).num(&minus_one());
        }
        w.opt_num(budget_key, config.budget.as_ref());
        if let Some(effort) = config.effort {
            if family == Family::TwoFive && config.budget.is_none() && !config.adaptive {
                encoded.losses.add("generationConfig.thinkingConfig.thinkingLevel", LossKind::Approximated);
                w.key(budget_key).u64(effort.budget_tokens().min(FLASH_BUDGET_MAX));
            } else {
                let word = level_word(effort);
                w.key(key(form::LEVEL_SNAKE, "thinkingLevel", "thinking_level"));
                if bits & form::LEVEL_UPPER == 0 { w.str(word) } else { w.str(&word.to_ascii_uppercase()) }
            }
        }
        w.opt_bool(key(form::INCLUDE_SNAKE, "includeThoughts", "include_thoughts"), config.visible);
        w.extra(&config.extra);
    });
}

fn minus_one() -> Num<'static> {
    serde_json::from_str("-1").unwrap_or_else(|_| Num::from(0_u64))
}

fn output_format(w: &mut Writer<'_>, request: &Request<'_>, target: &Target, encoded: &mut Encoded) {
    let own = request.origin == Dialect::Gemini;
    let bits = if own { request.form } else { 0 };
    let Some(format) = &request.output_format else { return };
    if !own && !matches!(format, OutputFormat::Text) && !json_beside_functions(request, target) {
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

/// Before Gemini 3 a JSON answer cannot be asked for beside functions.
fn json_beside_functions(request: &Request<'_>, target: &Target) -> bool {
    let functions = request.tools.iter().any(|tool| !matches!(tool.kind, ToolKind::Hosted { .. }));
    !functions || Family::of(&target.model) == Family::Three
}

crate::wire_object! {
    /// An object of which nothing is known.
    struct Members<'a> {}
}
