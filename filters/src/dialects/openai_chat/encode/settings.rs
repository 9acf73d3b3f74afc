//! What a request says beside its conversation, its tools and the form of its answer.
//!
//! A client of another dialect cannot know what this model takes, so its wishes are brought into the bounds of the model's
//! profile. A client of this dialect gets what it wrote, and the provider's own word on it.

use super::{Context, form};
use crate::ir::{Effort, LossKind, ReasoningConfig, Request};
use crate::json::{Num, Writer};
use crate::profiles::ThinkingControl;
use crate::repair::names;

/// Longest `user`, in bytes.
const USER_BYTES_MAX: usize = 64;
/// Most stop sequences.
const STOPS_MAX: usize = 4;
/// Most alternatives of a token.
const TOP_LOGPROBS_MAX: u64 = 20;

/// Writes all of it.
pub(super) fn write(w: &mut Writer<'_>, request: &Request<'_>, cx: &mut Context<'_>) {
    sampling(w, request, cx);
    limits(w, request, cx);
    // What stood in an object goes back in it, see `rest`.
    let object = cx.own && request.form & form::REQUEST_REASONING_OBJECT != 0;
    if let Some(config) = request.reasoning.as_ref().filter(|_| !object) {
        reasoning(w, request, config, cx);
    }
    logprobs(w, request, cx);
    user(w, request, cx);
    account(w, request, cx);
}

fn sampling(w: &mut Writer<'_>, request: &Request<'_>, cx: &mut Context<'_>) {
    let sampling = &request.sampling;
    let profile = &cx.target.profile;
    // Models that reason take only the defaults, unless they are told not to reason and can obey.
    let told_not_to = request.reasoning.as_ref().and_then(|config| config.effort) == Some(Effort::None);
    let reasons = !(told_not_to && profile.thinking_off == Some(true));
    let refused = |takes: Option<bool>| cx.bounds() && reasons && takes == Some(false);
    let (sampling_refused, penalties_refused) = (refused(profile.sampling), refused(profile.penalties));
    let hottest = profile.temperature_max.filter(|_| cx.bounds());
    for (field, given, default, refused, max) in [
        ("temperature", &sampling.temperature, 1.0, sampling_refused, hottest),
        ("top_p", &sampling.top_p, 1.0, sampling_refused, None),
        ("presence_penalty", &sampling.presence_penalty, 0.0, penalties_refused, None),
        ("frequency_penalty", &sampling.frequency_penalty, 0.0, penalties_refused, None),
    ] {
        let Some(number) = given else { continue };
        match max {
            _ if refused && (number.as_f64() - default).abs() <= f64::EPSILON => {}
            _ if refused => cx.encoded.losses.add(field, LossKind::Dropped),
            Some(max) if number.as_f64() > max => {
                w.key(field).num(&Num::from(max));
                cx.encoded.losses.add(field, LossKind::Clamped);
            }
            _ => w.key(field).num(number),
        }
    }
    w.opt_num("seed", sampling.seed.as_ref());
    let most = cx.target.profile.candidates_max;
    clamped(w, "n", request.candidates.as_ref(), most, "n", cx);
    // Compatible servers take it; OpenAI does not. So only a client of this dialect gets it through.
    if cx.own {
        w.opt_num("top_k", sampling.top_k.as_ref());
    } else if sampling.top_k.is_some() {
        cx.encoded.losses.add("top_k", LossKind::Dropped);
    }
}

/// Writes a count, not above `max`; `field` is what the loss calls it.
fn clamped(
    w: &mut Writer<'_>,
    key: &str,
    given: Option<&Num<'_>>,
    max: Option<u64>,
    field: &'static str,
    cx: &mut Context<'_>,
) {
    let Some(number) = given else { return };
    match max.filter(|_| cx.bounds()) {
        Some(max) if number.as_f64() > max as f64 => {
            w.key(key).u64(max);
            cx.encoded.losses.add(field, LossKind::Clamped);
        }
        _ => w.key(key).num(number),
    }
}

/// Which name the token cap goes by.
pub(super) fn cap_name(request: &Request<'_>, cx: &Context<'_>) -> &'static str {
    let written = cx.own && request.form & form::REQUEST_MAX_TOKENS != 0;
    if cx.target.quirks.max_tokens_name || written { "max_tokens" } else { "max_completion_tokens" }
}

fn limits(w: &mut Writer<'_>, request: &Request<'_>, cx: &mut Context<'_>) {
    let most = cx.target.profile.output_tokens_max;
    clamped(w, cap_name(request, cx), request.max_output_tokens.as_ref(), most, "max_output_tokens", cx);
    let said = |bit: u32| cx.own && request.form & bit != 0;
    match request.stop.as_slice() {
        [] if said(form::REQUEST_STOP_EMPTY) => w.key("stop").array(|_| {}),
        [] => {}
        _ if cx.bounds() && cx.target.profile.stop == Some(false) => {
            cx.encoded.losses.add("stop_sequences", LossKind::Dropped);
        }
        [one] if said(form::REQUEST_STOP_STRING) => w.key("stop").str(one),
        all => {
            let take = if cx.bounds() { STOPS_MAX } else { all.len() };
            w.key("stop").array(|w| all.iter().take(take).for_each(|text| w.str(text)));
            if all.len() > take {
                cx.encoded.losses.add("stop_sequences", LossKind::Clamped);
            }
        }
    }
}

fn reasoning(w: &mut Writer<'_>, request: &Request<'_>, config: &ReasoningConfig<'_>, cx: &mut Context<'_>) {
    let profile = &cx.target.profile;
    let off = config.effort == Some(Effort::None) || (config.effort.is_none() && config.enabled == Some(false));
    if cx.bounds() && profile.thinking == Some(ThinkingControl::None) {
        if !off {
            cx.encoded.losses.add("reasoning", LossKind::Dropped);
        }
    } else if let Some(effort) = config.effort {
        let alt = cx.own && request.form & form::REQUEST_EFFORT_ALT != 0;
        let word = match effort {
            Effort::None if alt => "off",
            Effort::Max if alt => "max",
            other => in_range(other, cx).as_openai(),
        };
        w.key("reasoning_effort").str(word);
    } else if off {
        // `none` is refused by most models. What comes nearest is the least effort, where it is known.
        match (profile.thinking_off, profile.effort_min) {
            (Some(true), _) => w.key("reasoning_effort").str("none"),
            (Some(false), Some(_)) if cx.bounds() => {
                w.key("reasoning_effort").str(in_range(Effort::None, cx).as_openai());
            }
            _ => cx.encoded.losses.add("reasoning.enabled", LossKind::Dropped),
        }
    } else if let Some(budget) = config.budget.as_ref().and_then(Num::as_u64) {
        w.key("reasoning_effort").str(in_range(Effort::from_budget(budget), cx).as_openai());
        cx.encoded.losses.add("reasoning.budget", LossKind::Approximated);
    }
    if !cx.own {
        // OpenAI shows no thoughts here; others do, and cannot be told not to.
        if config.visible == Some(false) && !off && (cx.resembles() || cx.target.quirks.reasoning_content) {
            cx.encoded.losses.add("reasoning.visible", LossKind::Dropped);
        }
        cx.encoded.losses.drop_extra("reasoning", &config.extra);
    }
}

/// The effort nearest to `wanted` that the model has a word for.
fn in_range(wanted: Effort, cx: &mut Context<'_>) -> Effort {
    let profile = &cx.target.profile;
    let obeys = wanted == Effort::None && profile.thinking_off == Some(true);
    if !cx.bounds() || obeys {
        return wanted;
    }
    let least = profile.effort_min.unwrap_or(Effort::None);
    let found = wanted.max(least).min(profile.effort_max.unwrap_or(Effort::Max));
    if found != wanted {
        cx.encoded.losses.add("reasoning.effort", LossKind::Clamped);
    }
    found
}

fn logprobs(w: &mut Writer<'_>, request: &Request<'_>, cx: &mut Context<'_>) {
    let Some(config) = &request.logprobs else {
        if cx.own && request.form & form::REQUEST_LOGPROBS_FALSE != 0 {
            w.key("logprobs").bool(false);
        }
        return;
    };
    if cx.bounds() && cx.target.profile.logprobs == Some(false) {
        return cx.encoded.losses.add("logprobs", LossKind::Dropped);
    }
    w.key("logprobs").bool(true);
    clamped(w, "top_logprobs", config.top.as_ref(), Some(TOP_LOGPROBS_MAX), "top_logprobs", cx);
}

fn user(w: &mut Writer<'_>, request: &Request<'_>, cx: &mut Context<'_>) {
    let Some(user) = &request.user else { return };
    if cx.own && request.form & form::REQUEST_SAFETY_IDENTIFIER != 0 {
        return w.key("safety_identifier").str(user);
    }
    if !cx.bounds() || user.len() <= USER_BYTES_MAX {
        return w.key("user").str(user);
    }
    // Stable, so that the provider still tells users apart.
    w.key("user").str(&names::tool_name(user, USER_BYTES_MAX, names::is_plain));
    cx.encoded.losses.add("user", LossKind::Approximated);
}

/// What is between the client and the provider's books, caches and stores, and how much is said.
fn account(w: &mut Writer<'_>, request: &Request<'_>, cx: &mut Context<'_>) {
    let strange = !cx.own && cx.resembles();
    for (key, given) in [
        ("service_tier", &request.service_tier),
        ("prompt_cache_key", &request.prompt_cache_key),
        ("verbosity", &request.verbosity),
    ] {
        match given {
            Some(_) if strange => cx.encoded.losses.add(key, LossKind::Dropped),
            given => w.opt_str(key, given.as_deref()),
        }
    }
    if cx.own {
        w.opt_bool("store", request.store);
        return w.opt_raw("metadata", request.metadata.as_ref());
    }
    // Answers are not kept here unless they shall be: `false` needs no words.
    let store = request.store == Some(true);
    if store && strange {
        cx.encoded.losses.add("store", LossKind::Dropped);
    } else if store {
        w.key("store").bool(true);
    }
    match &request.metadata {
        // wire 122: OpenAI takes labels of answers that are stored, and of no others.
        Some(_) if strange || !store => cx.encoded.losses.add("metadata", LossKind::Dropped),
        labels => w.opt_raw("metadata", labels.as_ref()),
    }
}
