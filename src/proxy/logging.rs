//! Phase `logging`: the books are closed.

use std::borrow::Cow;

use interlingua_filters::Dialect;
use interlingua_filters::ir::{Loss, Losses, Usage};
use pingora::Error;
use pingora_proxy::Session;

use super::clock::now;
use super::cost::billed;
use super::ctx::{Attempt, Ctx, Spent};
use super::gateway::Gateway;
use super::{continuation, passthrough, recording, redact, replay, safe_mode, terms, trail};
use crate::pool::session_key::response_key;

/// Puts the downstream session back, settles the last attempt, and writes metrics and the log line.
pub(super) async fn logging(gateway: &Gateway, session: &mut Session, error: Option<&Error>, ctx: &mut Ctx) {
    if let Some(berth) = ctx.berth.take() {
        replay::restore(session, &berth).await;
    }
    // A second request that is still under way is not waited for.
    ctx.hedge = None;
    if let Some(attempt) = ctx.attempt.take() {
        settle(gateway, ctx, &attempt, error.is_none() || ctx.walk.hedged);
    }
    continuation::settle(gateway, ctx);
    safe_mode::ended(gateway, ctx);
    if let Some(tab) = ctx.tab.take() {
        tab.settle(now());
    }
    let (protocol, mode) = (ctx.protocol(), ctx.mode());
    let metrics = &gateway.metrics;
    let status = ctx.outcome.status.to_string();
    metrics.requests.with_label_values(&[protocol, mode, &status]).inc();
    metrics.duration.with_label_values(&[protocol, mode]).observe(ctx.started.elapsed().as_secs_f64());
    if let Some(first_byte) = ctx.outcome.first_byte {
        metrics.first_byte.with_label_values(&[protocol, mode]).observe(first_byte.as_secs_f64());
    }
    metrics.in_flight.dec();
    if !ctx.outcome.local {
        metrics.attempts_per_request.observe(f64::from(ctx.walk.attempts));
    }
    line(session, ctx);
    recording::note(gateway, session, ctx);
}

/// Of an unknown path nobody knows what stands in it.
fn shown_path<'a>(path: &'a str, ctx: &Ctx) -> Cow<'a, str> {
    if ctx.inbound.is_some() { Cow::Borrowed(path) } else { Cow::Owned(redact::path(path)) }
}

pub(super) fn settle(gateway: &Gateway, ctx: &mut Ctx, attempt: &Attempt, clean: bool) {
    let labels = [attempt.upstream.id.as_str(), attempt.account.id.as_str()];
    let now = now();
    if let Some(told) = &attempt.failure {
        // It broke after the commit point: the stream ended with the dialect's error event.
        let reason = gateway.book(ctx, attempt, &mut told.clone(), None).reason;
        ctx.trail.note(attempt, reason.name(), Some(redact::redact(&told.message)));
        ctx.outcome.error.get_or_insert_with(|| told.message.clone());
    } else if clean && attempt.reply.ended() {
        attempt.lease.succeeded(now);
        ctx.trail.note(attempt, trail::OK, None);
        safe_mode::served(gateway, ctx, &attempt.upstream.id);
        gateway.reached(&attempt.upstream.id);
        if let Some(session) = ctx.inbound.as_ref().and_then(|inbound| inbound.bindable(ctx.walk.step)) {
            gateway.affinity.served(session, &attempt.account.id, now);
        }
        let answer = attempt.reply.answer_id().filter(|_| {
            ctx.dialect == Dialect::OpenAiResponses && attempt.upstream.dialect == Dialect::OpenAiResponses
        });
        if let Some(id) = answer {
            let key = response_key(ctx.client.as_deref().unwrap_or_default(), id);
            gateway.affinity.served(key, &attempt.account.id, now);
        }
        passthrough::remember(gateway, ctx, attempt, now);
        if ctx.continuing.is_none() {
            gateway.learn(ctx, attempt);
        }
        gateway.metrics.attempts.with_label_values(&[labels[0], labels[1], "ok"]).inc();
        gateway.metrics.custody.with_label_values(&["restored"]).inc_by(attempt.restored as u64);
        if ctx.walk.seals_dropped {
            gateway.metrics.custody.with_label_values(&["repair_worked"]).inc();
        }
    } else if ctx.walk.client_left {
        ctx.outcome.error.get_or_insert_with(|| "the client left".to_owned());
        ctx.trail.note(attempt, trail::LEFT, None);
        gateway.metrics.attempts.with_label_values(&[labels[0], labels[1], "client_left"]).inc();
    } else {
        ctx.trail.note(attempt, trail::OVERTAKEN, None);
    }
    if let Some(own) = attempt.reply.own_usage() {
        attempt.lease.settle(billed(attempt.upstream.dialect, own), now);
        // What goes on with an answer was asked more than the client's body tells.
        let whole = clean && attempt.reply.ended() && ctx.continuing.is_none();
        if let Some(inbound) = ctx.inbound.as_ref().filter(|_| whole) {
            gateway.costs.learn(inbound, attempt, own);
        }
        count(gateway, attempt, own);
    }
    if let Some(used) = terms::used(gateway, ctx, attempt, clean && attempt.reply.ended()) {
        note_spent(ctx, attempt, &used);
    }
    if let Some(usage) = attempt.reply.usage() {
        ctx.outcome.usage = Some(usage.counts());
    }
    for loss in attempt.encoded.losses.iter().chain(attempt.reply.losses().into_iter().flat_map(Losses::iter)) {
        gateway.metrics.losses.with_label_values(&[labels[0], bounded(loss), loss.kind.name()]).inc();
        if gateway.records.is_on() {
            ctx.outcome.losses.push(loss.clone());
        }
    }
}

/// Books the tokens of an attempt whose answer the client does not get: once, when it is given up.
pub(super) fn bill(gateway: &Gateway, ctx: &mut Ctx, attempt: &Attempt) {
    if let Some(own) = attempt.reply.own_usage() {
        attempt.lease.settle(billed(attempt.upstream.dialect, own), now());
        spend(gateway, ctx, attempt, own);
    }
}

/// Notes what an attempt has used: in the metrics, and for who asked.
pub(super) fn spend(gateway: &Gateway, ctx: &mut Ctx, attempt: &Attempt, usage: &Usage<'_>) {
    count(gateway, attempt, usage);
    note_spent(ctx, attempt, usage);
}

/// Notes what an attempt has used for who asked; where the provider did not tell it, as it is estimated.
fn note_spent(ctx: &mut Ctx, attempt: &Attempt, usage: &Usage<'_>) {
    let spent = Spent {
        started: attempt.started,
        account: attempt.account.id.clone(),
        upstream: attempt.upstream.id.clone(),
        model: attempt.model.clone(),
        usage: usage.counts(),
        microusd: ctx.snapshot.config.profiles.find(&attempt.model).cost_microusd(usage),
    };
    terms::spend(ctx, &spent);
    ctx.outcome.spent.push(spent);
}

/// Adds what a provider told to the metrics.
fn count(gateway: &Gateway, attempt: &Attempt, usage: &Usage<'_>) {
    let (account, upstream) = (attempt.account.id.as_str(), attempt.upstream.id.as_str());
    for (class, tokens) in [
        ("uncached", usage.uncached),
        ("cache_read", usage.cache_read),
        ("cache_write_5m", usage.cache_write_5m),
        ("cache_write_1h", usage.cache_write_1h),
        ("output", usage.output),
        ("reasoning", usage.reasoning),
    ] {
        if tokens > 0 {
            gateway.metrics.tokens.with_label_values(&[upstream, account, class]).inc_by(tokens);
        }
    }
}

/// A caller can make up member names; only those the encoders name are labels.
fn bounded(loss: &Loss) -> &'static str {
    match loss.field {
        Cow::Borrowed(name) => name,
        Cow::Owned(_) => "other",
    }
}

fn line(session: &Session, ctx: &Ctx) {
    let head = session.req_header();
    let usage = ctx.outcome.usage.clone().unwrap_or_default();
    tracing::info!(
        target: "interlingua::access",
        request = ctx.request_id(),
        client = ctx.client,
        protocol = ctx.protocol(),
        mode = ctx.mode(),
        method = head.method.as_str(),
        path = &*shown_path(head.uri.path(), ctx),
        model = ctx.inbound.as_ref().map(|inbound| inbound.model.as_str()),
        rule = ctx.inbound.as_ref().map(|inbound| inbound.route.rule.as_str()),
        route = ctx.inbound.as_ref().and_then(|inbound| Some(inbound.route.steps.first()?.kind.name())),
        sign = ctx.inbound.as_ref().and_then(|inbound| Some(inbound.sign?.name())),
        step = ctx.inbound.as_ref().and_then(|inbound| Some(inbound.route.steps.get(ctx.walk.step)?.kind.name())),
        status = ctx.outcome.status,
        attempts = ctx.walk.attempts,
        seals_dropped = ctx.walk.seals_dropped,
        first_byte_ms = ctx.outcome.first_byte.map(|time| time.as_millis() as u64),
        total_ms = ctx.started.elapsed().as_millis() as u64,
        input_tokens = usage.input_total(),
        cached_tokens = usage.cache_read,
        output_tokens = usage.output_total(),
        error = ctx.outcome.error,
        "request"
    );
}
