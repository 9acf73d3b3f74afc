//! Numbers of other dialects within what Gemini and the model take.

use crate::dialects::Target;
use crate::ir::{LossKind, Losses, Request, Sampling};
use crate::json::{Num, Str};

/// Stop sequences that Gemini takes (ai.google.dev/api/generate-content, `stopSequences`).
const STOP_MAX: usize = 5;
/// Alternatives a token that Gemini names (`logprobs`).
const TOP_LOGPROBS_MAX: u64 = 20;

/// A request with nothing but the numbers of `request`, as the target takes them.
pub(super) fn within<'a>(request: &Request<'a>, target: &Target, losses: &mut Losses) -> Request<'a> {
    let mut out = Request::new(request.origin, Str::default());
    out.sampling = request.sampling.clone();
    out.candidates.clone_from(&request.candidates);
    out.logprobs.clone_from(&request.logprobs);
    // OpenAI's way to say that only the chosen tokens' are wanted.
    if let Some(config) = &mut out.logprobs {
        config.top = config.top.take().filter(|top| top.as_u64() != Some(0));
    }
    let no_blanks = request.stop.iter().filter(|stop| !(target.repairs.empty_parts && stop.is_empty()));
    out.stop = no_blanks.cloned().collect();
    if target.repairs.bounds {
        refused(&mut out, target, losses);
        clamped(&mut out, target, losses);
    }
    out
}

/// Takes out what the model answers with an error.
fn refused(out: &mut Request<'_>, target: &Target, losses: &mut Losses) {
    let profile = &target.profile;
    let Sampling { temperature, top_p, top_k, presence_penalty, frequency_penalty, .. } = &mut out.sampling;
    let mut take = |allowed: Option<bool>, members: [(&'static str, &mut Option<Num<'_>>); 3]| {
        for (name, slot) in members {
            if allowed == Some(false) && slot.take().is_some() {
                losses.add(name, LossKind::Dropped);
            }
        }
    };
    take(profile.sampling, [("temperature", temperature), ("top_p", top_p), ("top_k", top_k)]);
    take(
        profile.penalties,
        [("presence_penalty", presence_penalty), ("frequency_penalty", frequency_penalty), ("", &mut None)],
    );
    if profile.logprobs == Some(false) && out.logprobs.take().is_some() {
        losses.add("logprobs", LossKind::Dropped);
    }
    if profile.stop == Some(false) && !out.stop.is_empty() {
        out.stop.clear();
        losses.add("stop", LossKind::Dropped);
    }
}

fn clamped(out: &mut Request<'_>, target: &Target, losses: &mut Losses) {
    let profile = &target.profile;
    if let (Some(temperature), Some(max)) = (&mut out.sampling.temperature, profile.temperature_max)
        && temperature.as_f64() > max
    {
        *temperature = Num::from(max);
        losses.add("temperature", LossKind::Clamped);
    }
    if let Some(seed) = &mut out.sampling.seed
        && seed.as_i64().is_none_or(|seed| i32::try_from(seed).is_err())
    {
        // Gemini's seeds have 32 bits.
        let bits = seed.as_i64().map_or_else(|| seed.as_f64() as u64, i64::cast_unsigned);
        *seed = Num::from(bits & 0x7fff_ffff);
        losses.add("seed", LossKind::Clamped);
    }
    if let (Some(count), Some(max)) = (&mut out.candidates, profile.candidates_max) {
        at_most(count, max, "n", losses);
    }
    if let Some(top) = out.logprobs.as_mut().and_then(|config| config.top.as_mut()) {
        at_most(top, TOP_LOGPROBS_MAX, "top_logprobs", losses);
    }
    let kept = stops(&out.stop, target, losses).len();
    out.stop.truncate(kept);
}

/// The stop sequences that fit.
pub(super) fn stops<'s, 'a>(all: &'s [Str<'a>], target: &Target, losses: &mut Losses) -> &'s [Str<'a>] {
    match all.split_at_checked(STOP_MAX) {
        Some((kept, [_, ..])) if target.repairs.bounds => {
            losses.add("stop", LossKind::Clamped);
            kept
        }
        _ => all,
    }
}

fn at_most(number: &mut Num<'_>, max: u64, name: &'static str, losses: &mut Losses) {
    if number.as_u64().is_some_and(|number| number > max) {
        *number = Num::from(max);
        losses.add(name, LossKind::Clamped);
    }
}
