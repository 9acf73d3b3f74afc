//! After the commit point: another account goes on with an answer that broke off.
//!
//! An attempt that dies behind the commit point leaves what the client has ([`Continuing`]). `upstream_peer` is asked
//! again as for any retry: the same step's other accounts, then the route's fallbacks, and the same account when nobody
//! else is there. The request is the client's with the begun answer at its end
//! ([`prepare_rest`](interlingua_filters::request::prepare_rest)); who cannot go on with it is left out. The new
//! attempt's reply takes over the encoder of the client's stream. An attempt that fails before it adds anything gives it
//! back, and is not counted. When nobody goes on, the stream ends with the error that broke it.
//!
//! While an attempt is waited for, the client hears nothing; the wait is that between two reads (`timeouts.idle`).
//!
//! A client that does not stream has seen nothing: its answer begins anew elsewhere, as before.

use std::time::Instant;

use interlingua_filters::Dialect;
use interlingua_filters::continuation::Transcript;
use interlingua_filters::dialects::Prefill;
use interlingua_filters::ir::ApiError;
use interlingua_filters::reply::Reply;

use super::answer::Answer;
use super::ctx::{Attempt, Ctx, Inbound};
use super::errand::Errand;
use super::gateway::Gateway;
use super::logging;
use crate::config::{Config, ContinuationMode, Upstream};
use crate::limits::{Failure, Fault};

/// An answer that another account is to go on with.
pub struct Continuing {
    /// What the client has; `None` while an attempt goes on with it.
    broken: Option<Answer>,
    /// What broke it: how the stream ends when nobody goes on.
    pub error: ApiError,
    /// Continuations begun, this one included.
    times: u32,
    /// When the last attempt may begin.
    until: Instant,
    /// Where in the route it broke.
    step: usize,
    /// Whether the accounts that were tried were asked again.
    last_resort: bool,
}

/// Has the reply keep what is needed to go on with it. Where nobody goes on from a text, it can still be asked anew before
/// its first word.
pub(super) fn keep(config: &Config, inbound: &Inbound, reply: &mut Reply) {
    let configured = &config.resilience.continuation;
    let generates = matches!(inbound.errand, Errand::Generate { .. });
    let goes_on = |upstream: &Upstream| match upstream.dialect {
        Dialect::Anthropic | Dialect::Gemini => true,
        Dialect::OpenAiChat => upstream.quirks.prefill != Prefill::None,
        Dialect::OpenAiResponses => false,
    };
    if configured.mode == ContinuationMode::Off || !generates || !inbound.stream {
        return;
    }
    if inbound.route.steps.iter().flat_map(|step| &step.upstreams).any(|upstream| goes_on(upstream)) {
        reply.keep(configured.bytes_max);
    } else {
        reply.keep_until_text(configured.bytes_max);
    }
}

/// The text that the next attempt goes on from; `None` for a request that begins.
pub(super) fn said(ctx: &Ctx) -> Option<&str> {
    let broken = ctx.continuing.as_ref()?.broken.as_ref()?;
    broken.reply()?.transcript().map(Transcript::said)
}

/// Gives the client's stream to an attempt that goes on.
pub(super) fn resume(ctx: &mut Ctx, attempt: &mut Attempt) {
    if let Some(continuing) = &mut ctx.continuing
        && let Some(mut broken) = continuing.broken.take()
    {
        attempt.reply.resume(&mut broken);
    }
}

/// Takes the client's stream back from an attempt that failed without adding to it.
pub(super) fn take_back(ctx: &mut Ctx, attempt: &mut Attempt) {
    let Some(continuing) = &mut ctx.continuing else { return };
    let added = attempt.reply.reply().is_none_or(|reply| !reply.is_continued() || reply.has_content());
    if continuing.broken.is_none() && !added {
        continuing.broken = Some(std::mem::replace(&mut attempt.reply, Answer::raw(false)));
    }
}

/// Whether an attempt that broke behind the commit point is worth another. Asked once for each that broke.
pub(super) fn may_go_on(gateway: &Gateway, ctx: &Ctx, attempt: &Attempt) -> bool {
    let Some(reply) = attempt.reply.reply() else { return false };
    let configured = &ctx.snapshot.config.resilience.continuation;
    // One that has its end is asked about again when the provider's bytes end.
    if configured.mode == ContinuationMode::Off || ctx.walk.client_left || reply.ended() {
        return false;
    }
    let Some(inbound) = ctx.inbound.as_ref().filter(|inbound| inbound.stream) else { return false };
    if !matches!(inbound.errand, Errand::Generate { .. }) {
        return false;
    }
    let attempts_max = inbound.errand.attempts_max(ctx.snapshot.config.resilience.attempts_max);
    let begun = ctx.continuing.as_ref();
    if reply.is_continued() && !reply.has_content() {
        return ctx.walk.attempts < attempts_max && begun.is_some_and(|begun| Instant::now() < begun.until);
    }
    let times = begun.map_or(0, |begun| begun.times);
    let obstacle = reply.obstacle();
    if let Some(obstacle) = obstacle.filter(|_| times == 0) {
        gateway.metrics.continuations.with_label_values(&["impossible"]).inc();
        tracing::info!(
            request = ctx.request_id(),
            reason = obstacle.name(),
            "the broken answer cannot be gone on with"
        );
    }
    obstacle.is_none() && times < configured.times_max && ctx.walk.attempts < attempts_max
}

/// Makes ready for another attempt, which `upstream_peer` chooses. `false`: the stream ends here.
pub(super) fn goes_on(
    gateway: &Gateway,
    ctx: &mut Ctx,
    attempt: &mut Attempt,
    told: &ApiError,
    failure: &Failure,
) -> bool {
    if let Some(continuing) = ctx.continuing.as_ref().filter(|continuing| continuing.broken.is_some()) {
        // It had not begun to go on.
        ctx.walk.attempted.record(&attempt.lease);
        if failure.fault == Fault::Client {
            // What it does not take, its other accounts do not take either.
            ctx.walk.barred.push(attempt.upstream.id.clone());
        }
        let attempts_max = ctx.snapshot.config.resilience.attempts_max;
        return Instant::now() < continuing.until && ctx.walk.attempts < attempts_max;
    }
    if complete(ctx, attempt) || !may_go_on(gateway, ctx, attempt) {
        return false;
    }
    let bill = attempt.reply.reply().and_then(Reply::bill).unwrap_or_default();
    logging::spend(gateway, ctx, attempt, &bill.usage);
    let times = ctx.continuing.as_ref().map_or(0, |before| before.times) + 1;
    tracing::info!(
        request = ctx.request_id(),
        account = attempt.account.id,
        upstream = attempt.upstream.id,
        times,
        said_bytes = attempt.reply.reply().and_then(Reply::transcript).map(|transcript| transcript.said().len()),
        input_tokens = bill.usage.input_total(),
        output_tokens = bill.usage.output_total(),
        input_untold = bill.input_untold,
        output_estimated = bill.estimated,
        "another account goes on with the answer"
    );
    ctx.walk.attempted.record(&attempt.lease);
    ctx.continuing = Some(Continuing {
        broken: Some(std::mem::replace(&mut attempt.reply, Answer::raw(false))),
        error: attempt.failure.clone().unwrap_or_else(|| told.clone()),
        times,
        until: Instant::now() + ctx.snapshot.config.resilience.deadline,
        step: ctx.walk.step,
        last_resort: false,
    });
    true
}

/// Ends an answer of which the client lacks but the last event.
fn complete(ctx: &Ctx, attempt: &mut Attempt) -> bool {
    let mut out = Vec::new();
    let is_whole = attempt.reply.complete(&mut out);
    ctx.outbox.append(&mut out);
    is_whole
}

/// Whether, with nobody else left, the accounts that were tried may be asked again, the one that broke among them: once.
pub(super) fn asks_again(ctx: &mut Ctx) -> bool {
    let Some(continuing) = &mut ctx.continuing else { return false };
    if continuing.broken.is_none() || std::mem::replace(&mut continuing.last_resort, true) {
        return false;
    }
    ctx.walk.step = continuing.step;
    ctx.walk.attempted = crate::pool::Attempted::default();
    ctx.walk.barred.clear();
    true
}

/// The last event of a stream with which nobody went on.
pub(super) fn end(ctx: &mut Ctx, event: &mut Vec<u8>) -> bool {
    let Some(continuing) = &mut ctx.continuing else { return false };
    let Some(broken) = &mut continuing.broken else { return false };
    ctx.outcome.usage = broken.usage().cloned();
    broken.error_event(&continuing.error, event);
    true
}

/// Counts what came of it.
pub(super) fn settle(gateway: &Gateway, ctx: &Ctx) {
    if ctx.continuing.is_some() {
        let result = match &ctx.outcome.error {
            None => "completed",
            Some(_) if ctx.walk.client_left => "client_left",
            Some(_) => "failed",
        };
        gateway.metrics.continuations.with_label_values(&[result]).inc();
    }
}
