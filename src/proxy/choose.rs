//! Which account takes the request: step by step along its route, in line where all are at work or at a limit.
//!
//! One request waits for accounts no longer than `wait_for_slot`, however often it has to; and not beyond its deadline. A
//! conversation waits for its own account first, as long as the prompt cache there is worth (see [`super::stay`]).

use std::time::{Duration, Instant};

use interlingua_filters::ir::ApiError;

use super::clock::now;
use super::ctx::{Ctx, Inbound, Walk};
use super::gateway::Gateway;
use super::upstream_peer::unplanned;
use super::wait::{self, Patience};
use super::{onward, stay};
use crate::breaker::CircuitState;
use crate::config::{Config, MoveRule};
use crate::limits::Reason;
use crate::pool::{Ask, BoundAccount, Lease, Unavailable, UnavailableReason, pass};
use crate::routing::{Cause, Causes, Step};

/// The account of the first step that has one free, or will have one in time.
///
/// # Errors
/// What the caller hears when nobody can serve.
pub(super) async fn choose(gateway: &Gateway, ctx: &mut Ctx) -> Result<(Lease, Step), ApiError> {
    if ctx.walk.arrival == 0 {
        ctx.walk.arrival = gateway.queue.arrive();
    }
    let mut last = UnavailableReason::NoneConfigured;
    loop {
        let begun = Instant::now();
        let inbound = ctx.inbound.as_ref().ok_or_else(unplanned)?;
        let Some(step) = inbound.route.steps.get(ctx.walk.step).cloned() else {
            if goes_round(&mut ctx.walk, inbound, &ctx.snapshot.config) {
                continue;
            }
            break;
        };
        let found = at_step(gateway, ctx, inbound, &step).await;
        ctx.walk.waited += begun.elapsed();
        match found {
            Ok(lease) => {
                spread(gateway, ctx, &lease).await;
                return Ok((lease, step));
            }
            Err((why, cause)) => {
                last = why.reason;
                ctx.walk.note(&why, &step);
                ctx.walk.passed_over(cause);
                if let Some(inbound) = &ctx.inbound {
                    ctx.walk.onward(&inbound.route);
                }
            }
        }
    }
    gateway.metrics.refusals.with_label_values(&[name(last)]).inc();
    let model = ctx.inbound.as_ref().map_or("", |inbound| inbound.model.as_str());
    Err(ctx.walk.nobody(model, now()))
}

/// A lease on an account of one step.
///
/// # Errors
/// Why there is none, and which fallbacks that is a cause for.
async fn at_step(
    gateway: &Gateway,
    ctx: &Ctx,
    inbound: &Inbound,
    step: &Step,
) -> Result<Lease, (Unavailable, Option<Cause>)> {
    let (config, roster) = (&ctx.snapshot.config, &ctx.snapshot.roster);
    // What an agent asks for itself says nothing of where its conversation belongs.
    let session = inbound.bindable(ctx.walk.step);
    let bound = session.and_then(|session| gateway.affinity.bound(session, now()));
    let held = |object| gateway.holders.bound(object, now()).or_else(|| gateway.affinity.bound(object, now()));
    let holder = inbound.continues.and_then(held);
    let holder = holder.filter(|account| roster.account(account).is_some());
    let pinned = inbound.pinned.as_deref().filter(|_| inbound.errand.has_model());
    let open = ctx.walk.open(step);
    let eligible = |id: &str| {
        let account = roster.account(id);
        account.is_some_and(|account| {
            account.upstream_in(&open).is_some() && (!inbound.errand.has_model() || account.takes(&step.model))
        })
    };
    let pools = roster.pools(&open);
    let family = inbound.errand.family(config, &step.model);
    let ask = Ask {
        upstreams: &pools,
        family: &family,
        attempted: &ctx.walk.attempted,
        bound: pinned.or(bound.as_deref()),
        required: holder.as_deref(),
        eligible: Some(&eligible),
        cost: gateway.costs.of(inbound, &step.model),
    };
    let is_last = inbound.route.next(ctx.walk.step, Causes::NONE.with(Cause::Limits), ctx.walk.seen).is_none();
    let patience = Patience {
        until: until(ctx, inbound),
        whole: inbound.errand.wait(config.resilience.wait_for_slot),
        timed: is_last,
        arrival: ctx.walk.arrival,
        model: wait::number(&step.model),
    };
    let own = bound.as_deref().filter(|own| pinned.is_none() && holder.is_none() && is_well(gateway, own));
    if let Some(own) = own {
        let most = stays(gateway, config, inbound, &step.model, patience.until);
        let patience = Patience { until: Instant::now() + most, timed: true, ..patience };
        if let Ok(lease) = wait::lease(gateway, &Ask { required: Some(own), bound: None, ..ask }, patience).await {
            gateway.metrics.affinity.with_label_values(&[lease.account_id(), "hit"]).inc();
            return Ok(lease);
        }
    }
    let found = wait::lease(gateway, &ask, patience).await;
    // Before a client is sent away, a limit that nobody has named is tried.
    let found = found.or_else(|why| if is_last { pass(&gateway.registry, &ask, why, now()) } else { Err(why) });
    let lease = match found {
        Ok(lease) => lease,
        Err(why) => {
            let cause = onward::why(gateway, &ask, &why);
            return Err((why, cause));
        }
    };
    if pinned.is_some() {
        let result = if lease.bound() == BoundAccount::Served { "pinned" } else { "off" };
        gateway.metrics.affinity.with_label_values(&[lease.account_id(), result]).inc();
    } else {
        note_affinity(gateway, session, bound.as_deref(), &lease);
    }
    Ok(lease)
}

/// Whether an account may be insisted on. One that fails is the last resort of who does: but others are left here.
fn is_well(gateway: &Gateway, account: &str) -> bool {
    let state = gateway.registry.get(account).map(|account| account.circuit(now()).state);
    state == Some(CircuitState::Closed)
}

/// Until when the request may wait for an account.
fn until(ctx: &Ctx, inbound: &Inbound) -> Instant {
    let usual = ctx.snapshot.config.resilience.wait_for_slot;
    let left = inbound.errand.wait(usual).saturating_sub(ctx.walk.waited);
    (Instant::now() + left).min(inbound.deadline)
}

/// How long a conversation waits for its account. Only one that the account has served before is bound, so its cache
/// there is warm.
fn stays(gateway: &Gateway, config: &Config, inbound: &Inbound, model: &str, until: Instant) -> Duration {
    let moving = &config.resilience.affinity.moving;
    let left = until.saturating_duration_since(Instant::now());
    let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    let cold = match moving.rule {
        MoveRule::ByPrice => {
            let tokens = gateway.costs.prompt(inbound, model);
            stay::cold_microusd(tokens, &config.profiles.find(model), moving)
        }
        MoveRule::AtOnce | MoveRule::Never => 0,
    };
    Duration::from_millis(stay::wait_ms(moving, cold, None, left_ms))
}

/// Pauses where a limit is near, so that requests are spread before it.
async fn spread(gateway: &Gateway, ctx: &mut Ctx, lease: &Lease) {
    let pause = Duration::from_millis(lease.pause_ms());
    let left = ctx.inbound.as_ref().map(|inbound| inbound.deadline.saturating_duration_since(Instant::now()));
    let pause = pause.min(left.unwrap_or_default());
    if !pause.is_zero() {
        gateway.metrics.pauses.with_label_values(&[lease.account_id()]).inc();
        tokio::time::sleep(pause).await;
    }
}

/// What the choice means for the conversation's binding.
fn note_affinity(gateway: &Gateway, session: Option<u128>, bound: Option<&str>, lease: &Lease) {
    let result = match (session, lease.bound()) {
        (None, _) => "off",
        (Some(_), BoundAccount::None) => "new",
        (Some(_), BoundAccount::Served) => "hit",
        (Some(_), _) => "moved",
    };
    gateway.metrics.affinity.with_label_values(&[lease.account_id(), result]).inc();
    let (Some(session), Some(account)) = (session, bound) else { return };
    match lease.bound() {
        BoundAccount::Cooling { until } => {
            let now = now();
            gateway.affinity.locked(session, account, until.since(now), now);
        }
        BoundAccount::Gone => gateway.affinity.unbind(session),
        BoundAccount::None
        | BoundAccount::Served
        | BoundAccount::Busy
        | BoundAccount::Paced { .. }
        | BoundAccount::Broken { .. }
        | BoundAccount::Attempted => {}
    }
}

/// Whether the route's step that opens first is gone back to, and waited for: all its accounts rest or are at a limit, be
/// it that this very request was told so, and it opens within the patience. The client need not hear of it.
fn goes_round(walk: &mut Walk, inbound: &Inbound, config: &Config) -> bool {
    let left = inbound.errand.wait(config.resilience.wait_for_slot).saturating_sub(walk.waited);
    let left = left.min(inbound.deadline.saturating_duration_since(Instant::now()));
    let Some((at, step)) = walk.opens.take().filter(|_| !walk.second_round) else { return false };
    let goes = Duration::from_millis(at.since(now())) < left;
    if goes {
        walk.second_round = true;
        // What was told of it is over by the time it is looked at again.
        walk.soonest = None;
        walk.enter(&inbound.route, step);
    }
    goes
}

impl Walk {
    /// Remembers why a step had nobody, for what the caller hears at the end.
    fn note(&mut self, why: &Unavailable, step: &Step) {
        use UnavailableReason::{AllAttempted, AllBroken, AllBusy, AllCooling, AllPaced};
        self.limited |= matches!(why.reason, AllBusy | AllPaced);
        self.rests |= why.reason == AllCooling;
        self.broken |= why.reason == AllBroken;
        if why.reason == AllBroken {
            // Met without an attempt, it is the same trouble as that which opened the breakers.
            self.note_trouble(
                Some(step.kind),
                step.upstreams.iter().map(|upstream| upstream.id.as_str()),
                Reason::Unavailable,
            );
        }
        self.soonest = self.soonest.into_iter().chain(why.soonest).min();
        let opens =
            matches!(why.reason, AllPaced | AllCooling | AllBroken) || (why.reason == AllAttempted && self.limited);
        let here = why.soonest.filter(|_| opens).map(|at| (at, self.step));
        self.opens = self.opens.into_iter().chain(here).min();
    }
}

/// A metrics label.
fn name(reason: UnavailableReason) -> &'static str {
    match reason {
        UnavailableReason::AllBusy => "busy",
        UnavailableReason::AllPaced => "paced",
        UnavailableReason::AllCooling => "cooling",
        UnavailableReason::AllBroken => "broken",
        UnavailableReason::AllAttempted => "attempted",
        UnavailableReason::NoneEligible => "not_eligible",
        UnavailableReason::AllDisabled => "disabled",
        UnavailableReason::NoneConfigured => "not_configured",
    }
}
