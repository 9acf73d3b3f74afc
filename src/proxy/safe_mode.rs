//! Safe mode among the requests: what the configuration says of it, and who is told when it changes.

use std::sync::Arc;

use super::clock::now;
use super::ctx::Ctx;
use super::errand::Errand;
use super::gateway::Gateway;
use super::settings::ms;
use crate::audit::{Audit, Event};
use crate::breaker::safe_mode::{Decision, SafeMode, Settings};
use crate::config::Config;
use crate::routing::{Step, StepKind, normalise};

/// The states at the start; each change is a line of the log.
pub(super) fn new(config: &Config, audit: Audit) -> SafeMode {
    let mode = SafeMode::new(settings(config));
    mode.on_change(Box::new(move |change| {
        let (scope, why) = (change.scope.as_str(), change.why);
        audit.note(Event::SafeMode { scope: scope.to_owned(), active: change.active, why: why.to_owned() });
        if change.active {
            tracing::warn!(scope, why, "safe mode is on: requests go to the upstream of last resort first");
        } else {
            tracing::info!(scope, why, "safe mode is off: requests go their normal way");
        }
    }));
    mode
}

/// What is configured.
pub(super) fn settings(config: &Config) -> Settings {
    let safe_mode = &config.resilience.safe_mode;
    Settings {
        fallback: safe_mode.upstream.clone(),
        model: safe_mode.model.clone(),
        failures: safe_mode.failures,
        within_ms: ms(safe_mode.within),
        check_every_ms: ms(safe_mode.check_every),
        successes: safe_mode.successes,
        upstreams: config.upstreams.iter().map(|upstream| upstream.id.clone()).collect(),
    }
}

/// Puts the upstream of last resort before or behind the steps of a request for a model's answer, as safe mode has it.
pub(super) fn steer(gateway: &Gateway, ctx: &mut Ctx) {
    let config = &ctx.snapshot.config;
    let configured = &config.resilience.safe_mode;
    let Some(upstream) = configured.upstream.as_ref() else { return };
    let Some(inbound) = ctx.inbound.as_mut() else { return };
    if !matches!(inbound.errand, Errand::Generate { .. }) {
        return;
    }
    let Some(target) = inbound.route.steps.first() else { return };
    let ids: Vec<&str> = target.upstreams.iter().map(|upstream| upstream.id.as_str()).collect();
    if ids.iter().all(|id| id == upstream) {
        // It goes there in any case.
        return;
    }
    let decision = gateway.safe_mode.active(&ids, now());
    let Some(upstream) = config.upstreams.iter().find(|known| known.id == *upstream) else { return };
    let model = configured.model.clone().unwrap_or_else(|| normalise(&inbound.model).to_owned());
    let step = Step::new(vec![Arc::clone(upstream)], model, StepKind::SafeMode);
    match decision {
        Decision::Normal => {}
        Decision::Safe => inbound.route.put_first(step),
        Decision::Try(trial) => {
            inbound.route.put_last(step);
            ctx.walk.trial = Some(trial);
        }
    }
}

/// A model's answer came whole through `upstream`.
pub(super) fn served(gateway: &Gateway, ctx: &mut Ctx, upstream: &str) {
    let Some(inbound) = ctx.inbound.as_ref() else { return };
    let kind = inbound.route.steps.get(ctx.walk.step).map(|step| step.kind);
    if !matches!(inbound.errand, Errand::Generate { .. }) || kind == Some(StepKind::SafeMode) {
        return;
    }
    match ctx.walk.trial.take() {
        Some(trial) => trial.succeeded(upstream, now()),
        None => gateway.safe_mode.note_success(upstream),
    }
}

/// The request is at its end. If nothing came of it through trouble of the providers alone, safe mode is told.
pub(super) fn ended(gateway: &Gateway, ctx: &mut Ctx) {
    let trial = ctx.walk.trial.take();
    let generates = ctx.inbound.as_ref().is_some_and(|inbound| matches!(inbound.errand, Errand::Generate { .. }));
    let unanswered = ctx.outcome.error.is_some() && !ctx.outbox.committed() && !ctx.walk.client_left;
    let Some(reason) = ctx.walk.trouble.filter(|_| generates && unanswered && ctx.walk.is_trouble()) else { return };
    match trial {
        Some(trial) => trial.failed(now()),
        None => {
            let upstreams: Vec<&str> = ctx.walk.troubled.iter().map(String::as_str).collect();
            gateway.safe_mode.note_failure(&upstreams, reason, now());
        }
    }
}
