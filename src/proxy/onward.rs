//! From one step of a route to the next: for which cause, with what memory.
//!
//! A step is left when none of its accounts can take the request, for the causes that were met there; or at once, when
//! the provider found fault with the request itself in a way that some fallback is for. What is left behind stays there:
//! the next step begins anew with every account. The caller hears of the request's own fault if no later step can serve
//! either, since that is what the caller can mend.

use std::time::Instant;

use super::clock::now;
use super::ctx::{Inbound, Walk};
use super::gateway::Gateway;
use crate::config::Resilience;
use crate::limits::{Failure, Fault, Reason};
use crate::pool::{Ask, Skip, Unavailable, UnavailableReason, explain};
use crate::routing::{Cause, Causes, Route, StepKind};

impl Walk {
    /// Notes why an attempt failed.
    pub(super) fn met(&mut self, route: Option<&Route>, upstream: &str, failure: &Failure) {
        if let Some(cause) = Cause::of(failure.reason) {
            self.causes = self.causes.with(cause);
        }
        match failure.fault {
            Fault::Provider | Fault::Network | Fault::Gateway => {
                let kind = route.and_then(|route| route.steps.get(self.step)).map(|step| step.kind);
                self.note_trouble(kind, [upstream], failure.reason);
            }
            Fault::Account => self.rests = true,
            Fault::Client => {}
        }
    }

    /// Notes that providers are in trouble, or cannot be reached.
    pub(super) fn note_trouble<'u>(
        &mut self,
        kind: Option<StepKind>,
        upstreams: impl IntoIterator<Item = &'u str>,
        reason: Reason,
    ) {
        if kind == Some(StepKind::SafeMode) {
            return;
        }
        self.trouble = Some(reason);
        for upstream in upstreams {
            if !self.troubled.iter().any(|known| known == upstream) {
                self.troubled.push(upstream.to_owned());
            }
        }
    }

    /// Notes why no account of the present step takes the request. What was met in attempts says more, but for limits.
    pub(super) fn passed_over(&mut self, cause: Option<Cause>) {
        if let Some(cause) = cause.filter(|cause| *cause == Cause::Limits || self.causes.is_empty()) {
            self.causes = self.causes.with(cause);
        }
    }

    /// Goes on to the next step that is for what the present one met. `false` if there is none.
    pub(super) fn onward(&mut self, route: &Route) -> bool {
        if self.causes.is_empty() {
            // Its accounts could not be opened, or the request cannot be said there.
            self.causes = self.causes.with(Cause::Unavailable);
        }
        match route.next(self.step, self.causes, self.seen) {
            Some(step) => self.enter(route, step),
            None => {
                self.step = route.steps.len();
                return false;
            }
        }
        true
    }

    /// Goes on from a fault of the request itself, which the caller is told as `self.error`. `false` if no later step is
    /// for it.
    pub(super) fn turn(&mut self, route: &Route, cause: Option<Cause>) -> bool {
        let Some(step) = cause.and_then(|cause| self.turn_to(route, cause)) else { return false };
        if self.verdict.is_none() {
            self.verdict.clone_from(&self.error);
        }
        self.enter(route, step);
        true
    }

    fn turn_to(&self, route: &Route, cause: Cause) -> Option<usize> {
        let causes = Causes::NONE.with(cause);
        route.next(self.step, causes, self.seen).filter(|_| cause.is_about_request())
    }

    /// The walk is at its end with a failure that is not the request's: a fault of the request outranks it.
    pub(super) fn conclude(&mut self, cause: Option<Cause>) {
        if cause.is_some_and(|cause| !cause.is_about_request())
            && let Some(verdict) = self.verdict.take()
        {
            self.error = Some(verdict);
        }
    }

    /// Whether all that failed was trouble of providers, or on the way to them.
    pub(super) fn is_trouble(&self) -> bool {
        self.trouble.is_some() && !self.limited && !self.rests && self.verdict.is_none()
    }

    pub(super) fn enter(&mut self, route: &Route, step: usize) {
        self.seen |= 1 << self.step.min(31);
        self.step = step;
        self.attempted = crate::pool::Attempted::default();
        self.barred.clear();
        self.refusals.clear();
        self.grace_used = false;
        self.causes = Causes::NONE;
        let is_last_resort = route.steps.get(step).is_some_and(|step| step.kind == StepKind::SafeMode);
        if let Some(trial) = self.trial.take_if(|_| is_last_resort)
            && self.is_trouble()
        {
            trial.failed(now());
        }
    }
}

/// Why no account takes a request, as far as the attempts have not told.
pub(super) fn why(gateway: &Gateway, ask: &Ask<'_>, unavailable: &Unavailable) -> Option<Cause> {
    match unavailable.reason {
        UnavailableReason::AllAttempted => None,
        UnavailableReason::NoneEligible | UnavailableReason::AllDisabled | UnavailableReason::NoneConfigured => {
            Some(Cause::Unavailable)
        }
        UnavailableReason::AllBusy | UnavailableReason::AllPaced => Some(Cause::Limits),
        UnavailableReason::AllBroken => Some(Cause::Unavailable),
        UnavailableReason::AllCooling => {
            // A walk over all accounts, but only where the request has met the end of a step.
            let views = explain(&gateway.registry, ask, now());
            let limited = |skip: &Skip| matches!(skip, Skip::Cooling { reason, .. } if Cause::of(*reason) != Some(Cause::Unavailable));
            let any = views.iter().filter_map(|view| view.skipped.as_ref()).any(limited);
            Some(if any { Cause::Limits } else { Cause::Unavailable })
        }
    }
}

/// Whether a request that meets `cause` now would go on to another step.
pub(super) fn could_turn(inbound: Option<&Inbound>, walk: &Walk, resilience: &Resilience, cause: Cause) -> bool {
    inbound.is_some_and(|inbound| {
        resilience.retry_status
            && Instant::now() < inbound.deadline
            && walk.attempts < inbound.errand.attempts_max(resilience.attempts_max)
            && walk.turn_to(&inbound.route, cause).is_some()
    })
}
