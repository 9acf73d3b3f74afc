//! Randomness, caps, reasoning and form of the answer.

use super::form;
use crate::Dialect;
use crate::dialects::Target;
use crate::ir::{Effort, LossKind, Losses, OutputFormat, ReasoningConfig, Request};
use crate::json::{Num, Writer};
use crate::profiles::ThinkingControl;
use crate::repair::names;

/// Least `max_output_tokens` that OpenAI takes.
const OUTPUT_TOKENS_MIN: u64 = 16;

/// Most alternatives to a token.
const LOGPROBS_MAX: u64 = 20;

/// Longest name of a schema, in bytes.
const SCHEMA_NAME_MAX: usize = 64;

/// Settings of a request of this dialect, as they came.
pub(super) fn own(w: &mut Writer<'_>, request: &Request<'_>) {
    w.opt_num("temperature", request.sampling.temperature.as_ref());
    w.opt_num("top_p", request.sampling.top_p.as_ref());
    w.opt_num("max_output_tokens", request.max_output_tokens.as_ref());
    if let Some(reasoning) = &request.reasoning {
        w.key("reasoning").object(|w| own_reasoning(w, reasoning, request.form));
    }
    if request.form & form::TEXT != 0 || request.output_format.is_some() {
        w.key("text").object(|w| own_text(w, request));
    }
    w.opt_str("service_tier", request.service_tier.as_deref());
    w.opt_raw("metadata", request.metadata.as_ref());
    w.opt_str("prompt_cache_key", request.prompt_cache_key.as_deref());
    w.opt_bool("store", request.store);
    w.opt_num("top_logprobs", request.logprobs.as_ref().and_then(|logprobs| logprobs.top.as_ref()));
    let name = if request.form & form::SAFETY_IDENTIFIER == 0 { "user" } else { "safety_identifier" };
    w.opt_str(name, request.user.as_deref());
}

fn own_reasoning(w: &mut Writer<'_>, reasoning: &ReasoningConfig<'_>, bits: u32) {
    if let Some(effort) = reasoning.effort.filter(|_| reasoning.extra.get("effort").is_none()) {
        let max = bits & form::EFFORT_MAX != 0;
        w.key("effort").str(if max { "max" } else { effort.as_openai() });
    }
    let summary = (bits >> form::SUMMARY_SHIFT) & 0b11;
    if let Some(word) = summary.checked_sub(1).and_then(|at| form::SUMMARIES.get(at as usize)) {
        w.key("summary").str(word);
    }
    w.extra(&reasoning.extra);
}

fn own_text(w: &mut Writer<'_>, request: &Request<'_>) {
    let nested = |prefix: &'static str| {
        request.extra.iter().filter_map(move |(key, value)| key.strip_prefix(prefix).map(|key| (key, value)))
    };
    match &request.output_format {
        Some(OutputFormat::Opaque(raw)) => w.key("format").raw(raw),
        Some(format) => w.key("format").object(|w| {
            format_members(w, format);
            nested("text.format.").for_each(|(key, value)| w.key(key).raw(value));
        }),
        None => {}
    }
    w.opt_str("verbosity", request.verbosity.as_deref());
    nested("text.").filter(|(key, _)| !key.starts_with("format.")).for_each(|(key, value)| w.key(key).raw(value));
}

fn format_members(w: &mut Writer<'_>, format: &OutputFormat<'_>) {
    match format {
        OutputFormat::Text => w.key("type").str("text"),
        OutputFormat::JsonObject => w.key("type").str("json_object"),
        OutputFormat::JsonSchema { name, description, schema, strict } => {
            w.key("type").str("json_schema");
            w.opt_str("name", name.as_deref());
            w.opt_str("description", description.as_deref());
            w.key("schema").raw(schema);
            w.opt_bool("strict", *strict);
        }
        OutputFormat::Opaque(_) => {}
    }
}

/// Settings of a request of another dialect. Gives whether the model will reason, as far as the client said.
pub(super) fn foreign(w: &mut Writer<'_>, request: &Request<'_>, target: &Target, losses: &mut Losses) -> bool {
    foreign_sampling(w, request, target, losses);
    if let Some(cap) = &request.max_output_tokens {
        let most = target.profile.output_tokens_max.unwrap_or(u64::MAX);
        let fitted = match cap.as_u64() {
            Some(tokens) if target.repairs.bounds => Some(tokens.clamp(OUTPUT_TOKENS_MIN, most.max(OUTPUT_TOKENS_MIN))),
            _ => None,
        };
        match fitted.filter(|fitted| Some(*fitted) != cap.as_u64()) {
            Some(fitted) => {
                losses.add("max_output_tokens", LossKind::Clamped);
                w.key("max_output_tokens").u64(fitted);
            }
            None => w.key("max_output_tokens").num(cap),
        }
    }
    foreign_text(w, request, target, losses);
    request.reasoning.as_ref().is_some_and(|reasoning| foreign_reasoning(w, reasoning, request.origin, target, losses))
}

fn foreign_sampling(w: &mut Writer<'_>, request: &Request<'_>, target: &Target, losses: &mut Losses) {
    let sampling = &request.sampling;
    if target.profile.sampling == Some(false) && target.repairs.bounds {
        for (field, given) in [("temperature", &sampling.temperature), ("top_p", &sampling.top_p)] {
            // 1 is the only value these models take, and their default.
            if given.as_ref().is_some_and(|number| (number.as_f64() - 1.0).abs() > f64::EPSILON) {
                losses.add(field, LossKind::Dropped);
            }
        }
    } else {
        let most = target.profile.temperature_max.filter(|_| target.repairs.bounds).unwrap_or(f64::INFINITY);
        match &sampling.temperature {
            Some(number) if number.as_f64() > most => {
                losses.add("temperature", LossKind::Clamped);
                w.key("temperature").num(&Num::from(most));
            }
            number => w.opt_num("temperature", number.as_ref()),
        }
        w.opt_num("top_p", sampling.top_p.as_ref());
    }
    for (field, given) in [
        ("top_k", &sampling.top_k),
        ("presence_penalty", &sampling.presence_penalty),
        ("frequency_penalty", &sampling.frequency_penalty),
        ("seed", &sampling.seed),
    ] {
        if given.is_some() {
            losses.add(field, LossKind::Dropped);
        }
    }
}

/// Whether log probabilities are asked for. Writes how many.
pub(super) fn foreign_logprobs(
    w: &mut Writer<'_>,
    request: &Request<'_>,
    target: &Target,
    losses: &mut Losses,
) -> bool {
    let Some(logprobs) = &request.logprobs else { return false };
    if target.profile.logprobs == Some(false) && target.repairs.bounds {
        losses.add("logprobs", LossKind::Dropped);
        return false;
    }
    match &logprobs.top {
        Some(top) if target.repairs.bounds && top.as_f64() > LOGPROBS_MAX as f64 => {
            losses.add("top_logprobs", LossKind::Clamped);
            w.key("top_logprobs").u64(LOGPROBS_MAX);
        }
        top => w.opt_num("top_logprobs", top.as_ref()),
    }
    true
}

fn foreign_text(w: &mut Writer<'_>, request: &Request<'_>, target: &Target, losses: &mut Losses) {
    let verbosity = request.verbosity.as_deref();
    let format = request.output_format.as_ref().filter(|format| !matches!(format, OutputFormat::Opaque(_)));
    if verbosity.is_none() && format.is_none() {
        return;
    }
    w.key("text").object(|w| {
        match format {
            Some(OutputFormat::JsonSchema { name, description, schema, strict }) => w.key("format").object(|w| {
                w.key("type").str("json_schema");
                let name = name.as_deref().filter(|name| !name.is_empty()).unwrap_or("response");
                let fitted = if target.repairs.names {
                    names::tool_name(name, SCHEMA_NAME_MAX, names::is_plain)
                } else {
                    name.into()
                };
                if fitted != name {
                    losses.add("response_format.name", LossKind::Approximated);
                }
                w.key("name").str(&fitted);
                w.opt_str("description", description.as_deref());
                w.key("schema").raw(schema);
                w.opt_bool("strict", *strict);
            }),
            Some(format) => w.key("format").object(|w| format_members(w, format)),
            None => {}
        }
        w.opt_str("verbosity", verbosity);
    });
}

fn foreign_reasoning(
    w: &mut Writer<'_>,
    reasoning: &ReasoningConfig<'_>,
    origin: Dialect,
    target: &Target,
    losses: &mut Losses,
) -> bool {
    losses.drop_extra("reasoning", &reasoning.extra);
    if target.profile.thinking == Some(ThinkingControl::None) && target.repairs.bounds {
        if reasoning.enabled != Some(false) {
            losses.add("reasoning", LossKind::Dropped);
        }
        return false;
    }
    let is_off = reasoning.enabled == Some(false);
    let effort =
        if is_off { off(reasoning, origin, target, losses) } else { effort(reasoning, origin, target, losses) };
    let summary = match reasoning.visible {
        _ if is_off => false,
        Some(visible) => visible,
        // Anthropic shows thoughts whenever it thinks.
        None => origin == Dialect::Anthropic,
    };
    if effort.is_some() || summary {
        w.key("reasoning").object(|w| {
            w.opt_str("effort", effort.map(Effort::as_openai));
            if summary {
                w.key("summary").str("auto");
            }
        });
    }
    true
}

/// What comes nearest to no reasoning.
fn off(reasoning: &ReasoningConfig<'_>, origin: Dialect, target: &Target, losses: &mut Losses) -> Option<Effort> {
    let said = origin == Dialect::OpenAiChat && reasoning.effort.is_some();
    let profile = &target.profile;
    match profile.thinking_off {
        Some(true) => return Some(Effort::None),
        Some(false) if target.repairs.bounds => {}
        _ if said => return reasoning.effort,
        _ => {}
    }
    // Not every model knows the word `none`: the least that it knows, or its own default, must do.
    let kind = if profile.effort_min.is_some() { LossKind::Approximated } else { LossKind::Dropped };
    losses.add("reasoning", kind);
    profile.effort_min
}

/// The effort to ask for. Of a model that is not known only three words are sure; Chat's words are OpenAI's own.
fn effort(reasoning: &ReasoningConfig<'_>, origin: Dialect, target: &Target, losses: &mut Losses) -> Option<Effort> {
    let budget = reasoning.budget.as_ref().filter(|_| !reasoning.adaptive).and_then(Num::as_u64);
    let wished = reasoning.effort.or_else(|| {
        let effort = Effort::from_budget(budget?);
        losses.add("reasoning.budget", LossKind::Approximated);
        Some(effort)
    })?;
    let said = origin == Dialect::OpenAiChat && reasoning.effort.is_some();
    if !target.repairs.bounds && reasoning.effort.is_some() {
        return Some(wished);
    }
    let (unknown_min, unknown_max) = if said { (Effort::None, Effort::Max) } else { (Effort::Low, Effort::High) };
    let least = target.profile.effort_min.unwrap_or(unknown_min);
    let known = wished.clamp(least, target.profile.effort_max.unwrap_or(unknown_max).max(least));
    if known != wished {
        losses.add("reasoning.effort", LossKind::Clamped);
    }
    Some(known)
}
