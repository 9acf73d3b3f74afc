//! Requests with a place of their own: those that agents make for themselves, and those with long answers.

use super::ctx::Ctx;
use super::errand::Errand;
use super::gateway::Gateway;
use crate::routing::Look;

/// Puts the place of such a request before the target. The body is looked at only where the rule has a place for what
/// might be found.
pub(super) fn steer(gateway: &Gateway, ctx: &mut Ctx) {
    let (signs, dialect) = (ctx.snapshot.config.background, ctx.dialect);
    let Some(inbound) = ctx.inbound.as_mut() else { return };
    if !matches!(inbound.errand, Errand::Generate { .. }) {
        return;
    }
    let cap = inbound.skim.output_cap;
    let look = if inbound.route.background.is_some() && !signs.is_empty() {
        Look::at(dialect, &inbound.body, cap)
    } else {
        None
    };
    inbound.sign = inbound.route.shape(look.as_ref(), signs, cap);
    let kind = inbound.route.steps.first().map_or("target", |step| step.kind.name());
    gateway.metrics.routes.with_label_values(&[kind, inbound.sign.map_or("", |sign| sign.name())]).inc();
}
