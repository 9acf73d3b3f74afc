//! What is kept of a request, put together when it has ended.

use std::time::{Duration, Instant};

use bytes::Bytes;
use pingora_proxy::Session;

use super::clock::now;
use super::ctx::Ctx;
use super::gateway::Gateway;
use super::redact::path as hidden_path;
use super::trail;
use crate::config::BodyRule;
use crate::records::redact::redact;
use crate::records::{Body, Entry, Record, Tokens, Tried, WARM_UP};

/// Longest text of a name, a path or an error that is kept, in bytes.
const TEXT_BYTES_MAX: usize = 512;

/// Notes a request that reached a model, or that was refused.
pub(super) fn note(gateway: &Gateway, session: &Session, ctx: &mut Ctx) {
    if !gateway.records.is_on() || (ctx.inbound.is_none() && ctx.outcome.error.is_none()) {
        return;
    }
    let head = session.req_header();
    let mut entry = entry(ctx);
    head.method.as_str().clone_into(&mut entry.method);
    // Of an unknown path nobody knows what stands in it.
    let path = head.uri.path();
    entry.path = shown(&if ctx.inbound.is_none() { hidden_path(path) } else { path.to_owned() });
    entry.bytes_out = session.downstream_session.body_bytes_sent() as u64;
    let config = &ctx.snapshot.config.records;
    let keeps = match config.bodies {
        BodyRule::None => false,
        BodyRule::Errors => entry.error.is_some() || entry.status >= 400,
        BodyRule::All => true,
    };
    let mut record = Record { entry, ..Record::default() };
    if keeps {
        let part = |body: Bytes, whole: u64| {
            let kept = body.len().min(config.body_bytes_max);
            // A part would hold the whole.
            let bytes = if kept < body.len() { Bytes::copy_from_slice(&body[..kept]) } else { body };
            Body { bytes, whole }
        };
        record.request = ctx.outcome.asked.take().map(|body| {
            let whole = body.len() as u64;
            part(body, whole)
        });
        let answer = ctx.outcome.answer.take().or_else(|| ctx.outbox.kept());
        record.answer = answer.map(|(bytes, whole)| part(bytes.into(), whole));
    }
    gateway.records.put(record);
}

/// Notes what a request has used that no client hears of: the second of two, or a warm-up.
pub(super) fn note_unheard(gateway: &Gateway, ctx: &Ctx, is_warm_up: bool) {
    if gateway.records.is_on() && ctx.trail.iter().next().is_some() {
        let mut entry = entry(ctx);
        if is_warm_up {
            entry.client = Some(WARM_UP.to_owned());
        }
        gateway.records.used(&entry);
    }
}

fn entry(ctx: &Ctx) -> Entry {
    let (inbound, outcome) = (ctx.inbound.as_ref(), &ctx.outcome);
    let total = ctx.started.elapsed();
    let losses = outcome.losses.iter().map(|loss| format!("{};{}", cut(&loss.field), loss.kind.name()));
    let mut entry = Entry {
        id: ctx.request_id(),
        at_ms: now().0.saturating_sub(ms(total)),
        client: ctx.client.clone(),
        protocol: ctx.protocol().to_owned(),
        mode: ctx.mode().to_owned(),
        model: inbound.map(|inbound| cut(&inbound.model).to_owned()).filter(|model| !model.is_empty()),
        rule: inbound.map(|inbound| inbound.route.rule.clone()).filter(|rule| !rule.is_empty()),
        status: outcome.status,
        attempts: attempts(ctx),
        losses: losses.collect(),
        error: outcome.error.as_deref().map(shown),
        first_byte_ms: outcome.first_byte.map(ms),
        total_ms: ms(total),
        bytes_in: outcome.bytes_in,
        ..Entry::default()
    };
    entry.add_up();
    entry
}

/// The attempts, each with what it used. More may have been used than there is room for attempts.
fn attempts(ctx: &Ctx) -> Vec<Tried> {
    let after = |at: Instant| ms(at.saturating_duration_since(ctx.started));
    let mut left: Vec<_> = ctx.outcome.spent.iter().collect();
    let mut all: Vec<Tried> = Vec::new();
    for tried in ctx.trail.iter() {
        let mut one = Tried {
            account: tried.account.id.clone(),
            upstream: tried.upstream.id.clone(),
            model: tried.model.clone(),
            status: tried.status,
            outcome: tried.outcome.to_owned(),
            message: tried.message.as_deref().map(|message| cut(message).to_owned()),
            after_ms: after(tried.started),
            ms: ms(tried.ended.saturating_duration_since(tried.started)),
            ..Tried::default()
        };
        if let Some(at) = left.iter().position(|spent| spent.started == tried.started) {
            let spent = left.remove(at);
            (one.tokens, one.microusd) = (Tokens::from(&spent.usage), spent.microusd);
        }
        all.push(one);
    }
    all.extend(left.into_iter().map(|spent| Tried {
        account: spent.account.clone(),
        upstream: spent.upstream.clone(),
        model: spent.model.clone(),
        outcome: trail::OK.to_owned(),
        after_ms: after(spent.started),
        tokens: Tokens::from(&spent.usage),
        microusd: spent.microusd,
        ..Tried::default()
    }));
    all
}

/// A text without what looks like a credential.
fn shown(text: &str) -> String {
    String::from_utf8_lossy(&redact(cut(text).as_bytes())).into_owned()
}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or(text)
}

fn ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
