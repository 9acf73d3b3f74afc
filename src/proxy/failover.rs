//! Phases `error_while_proxy` and `fail_to_connect`: whose fault was it, and who is next.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use interlingua_filters::dialects::decode_error;
use interlingua_filters::ir::{ApiError, ErrorKind};
use parking_lot::Mutex;
use pingora::{Error, ErrorSource, ErrorType};

use super::access;
use super::clock::now;
use super::continuation;
use super::ctx::{Again, Attempt, Booked, Ctx, Walk};
use super::errand::{Errand, Passage};
use super::gateway::Gateway;
use super::logging;
use super::passthrough;
use super::platform;
use super::redact::redact;
use super::response::REFUSAL_BYTES_MAX;
use super::settings::limits;
use super::trail;
use crate::config::Upstream;
use crate::egress;
use crate::health::Health;
use crate::limits::{Failure, Fault, Reason, Retry, Transport, allowance, classify, hint};
use crate::pool::Millis;
use crate::pool::ask::ATTEMPTS_MAX;
use crate::routing::{Cause, Step};

/// How long before a refusal an upstream must have served others, for the refusal to be about the request alone.
const SERVING_MS: u64 = 1_000;

impl Gateway {
    /// Judges a failed attempt. The error that is returned says whether Pingora asks `upstream_peer` again.
    pub fn judge(&self, ctx: &mut Ctx, mut error: Box<Error>, reused: bool) -> Box<Error> {
        if ctx.outbox.lost_race() {
            // Another account was faster. This one is not to blame, and what it has told of its tokens is in the books.
            if let Some(attempt) = ctx.attempt.take() {
                logging::settle(self, ctx, &attempt, false);
            }
            error.set_retry(false);
            return error;
        }
        let impatient = ctx.outbox.take_patience_over();
        if error.esource() == &ErrorSource::Downstream && !impatient {
            // The client left. Nobody is to blame and nobody else is asked.
            ctx.walk.client_left = true;
            error.set_retry(false);
            return error;
        }
        let Some(mut attempt) = ctx.attempt.take() else {
            error.set_retry(false);
            return error;
        };
        continuation::take_back(ctx, &mut attempt);
        let transport = match () {
            () if impatient => Some(Transport::Timeout),
            () if attempt.failure.is_some() => None,
            () if attempt.status == 0 || attempt.accepted() => Some(transport(&error, attempt.status)),
            () => None,
        };
        let stale = reused && attempt.status == 0 && transport == Some(Transport::Reset);
        if stale && !ctx.walk.reconnected {
            // The provider closed a kept-alive connection as we used it: it has not seen the request.
            ctx.walk.reconnected = true;
            ctx.walk.again = Some(Again { lease: attempt.lease, wait: Duration::ZERO, counted: false });
            error.set_retry(true);
            return error;
        }
        if access::renews(self, ctx, &attempt) {
            ctx.trail.note(&attempt, trail::RENEWED, None);
            // An access token can end before its time; the account has not refused anything.
            ctx.walk.again = Some(Again { lease: attempt.lease, wait: Duration::ZERO, counted: false });
            error.set_retry(true);
            return error;
        }
        let mut told = attempt.told(transport);
        let failure = self.book(ctx, &attempt, &mut told, transport);
        ctx.trail.note(&attempt, failure.reason.name(), Some(redact(&told.message)));
        if ctx.outbox.committed() {
            let retry = continuation::goes_on(self, ctx, &mut attempt, &told, &failure);
            ctx.walk.error = Some(public(&told, &failure));
            if !retry {
                // Kept: its dialect's error event ends the stream.
                ctx.attempt = Some(attempt);
            }
            error.set_retry(retry);
            return error;
        }
        // Nobody sees this answer, but what its provider told of it is billed.
        logging::bill(self, ctx, &attempt);
        if repairs(ctx, &failure) {
            self.metrics.custody.with_label_values(&["repaired"]).inc();
            ctx.walk.seals_dropped = true;
            ctx.walk.error = Some(public(&told, &failure));
            ctx.walk.again = Some(Again { lease: attempt.lease, wait: Duration::ZERO, counted: true });
            error.set_retry(true);
            return error;
        }
        ctx.walk.refusal = match ctx.inbound.as_ref().map(|inbound| &inbound.errand) {
            Some(Errand::Pass(_)) => passthrough::refusal(&attempt, &failure, REFUSAL_BYTES_MAX),
            _ => None,
        };
        let retry = decide(self, ctx, attempt, &told, &failure, transport);
        error.set_retry(retry);
        error
    }

    /// Books a failure: the account's cooldown, the conversation's binding, metrics and log.
    ///
    /// `told` gets the wait that the provider's headers ask for, so that a client can be told.
    pub fn book(&self, ctx: &Ctx, attempt: &Attempt, told: &mut ApiError, transport: Option<Transport>) -> Failure {
        let now = now();
        let header = |name: &str| attempt.headers.get(name).and_then(|value| value.to_str().ok());
        let wait = hint(attempt.status, &header, &attempt.refusal, now);
        told.retry_after_ms = told.retry_after_ms.or(wait.map(|wait| wait.wait_ms));
        let status = (attempt.status != 0).then_some(attempt.status);
        let defaults = limits(&ctx.snapshot.config.resilience);
        let mut failure = classify(attempt.upstream.dialect, status, Some(told), wait, transport, &defaults);
        match ctx.inbound.as_ref().map(|inbound| &inbound.errand) {
            Some(Errand::Pass(passage)) => passthrough::amend(passage, attempt.status, transport, &mut failure),
            Some(errand) if errand.counts() => self.amend_count(ctx, attempt, told, &mut failure),
            _ => {}
        }
        // A proxy of the account alone tells nothing of the upstream.
        let shared = transport != Some(Transport::Proxy) || attempt.account.proxy.is_none();
        if transport.is_some_and(Health::is_unreachable) && shared {
            self.health.failed(&attempt.upstream.id, false, now);
        } else if attempt.status != 0 {
            self.health.reached(&attempt.upstream.id);
        }
        let (account, reason) = (attempt.account.id.as_str(), failure.reason.name());
        self.metrics.attempts.with_label_values(&[attempt.upstream.id.as_str(), account, reason]).inc();
        if !attempt.accepted() && !attempt.lease.surprised(&failure) {
            // What a surprising refusal says of limits may be about the request alone; its lock can be taken back.
            attempt.lease.told(&allowance(&header, now), now);
            self.quota_told(account, &attempt.model, &attempt.headers, attempt.sent_at(now));
        }
        let cooldown = attempt.lease.failed(&failure, now, ctx.id ^ u64::from(ctx.walk.attempts));
        if !attempt.accepted() {
            // Refused, or never seen: it took nothing.
            attempt.lease.settle(0, now);
        }
        if is_limit(failure.reason) || matches!(failure.reason, Reason::Overloaded | Reason::Capacity) {
            self.hedges.refused(now);
        }
        if failure.reason == Reason::QuotaExhausted {
            let reset = wait.filter(|_| failure.hinted).map(|wait| now.plus(wait.wait_ms));
            self.quota_refused(account, &attempt.model, reset);
        }
        if let Some(session) = ctx.inbound.as_ref().and_then(|inbound| inbound.bindable(ctx.walk.step))
            && (failure.fault == Fault::Account || cooldown.is_some())
        {
            self.affinity.refused(session, account, now);
            if let Some(cooldown) = &cooldown {
                self.affinity.locked(session, account, cooldown.until.since(now), now);
            }
        }
        tracing::info!(
            request = ctx.request_id(),
            account,
            upstream = attempt.upstream.id,
            status = attempt.status,
            reason,
            fault = failure.fault.name(),
            cooldown_ms = cooldown.map(|cooldown| cooldown.until.since(now)),
            message = redact(&told.message),
            "attempt failed"
        );
        failure
    }
}

/// Whether a refused seal is worth one more attempt without any, at the same account. It has a budget of its own: the
/// account is well, and its prompt cache warm.
fn repairs(ctx: &Ctx, failure: &Failure) -> bool {
    let config = &ctx.snapshot.config;
    // A strict gateway would refuse the loss.
    let may = config.custody.repair_retry && !config.server.strict && !ctx.walk.seals_dropped;
    let in_time = ctx.inbound.as_ref().is_some_and(|inbound| Instant::now() < inbound.deadline);
    failure.reason == Reason::Signature && may && in_time
}

/// Whether another attempt follows.
fn decide(
    gateway: &Gateway,
    ctx: &mut Ctx,
    attempt: Attempt,
    told: &ApiError,
    failure: &Failure,
    transport: Option<Transport>,
) -> bool {
    let snapshot = Arc::clone(&ctx.snapshot);
    let resilience = &snapshot.config.resilience;
    let walk = &mut ctx.walk;
    walk.error = Some(public(told, failure));
    walk.limited |= is_limit(failure.reason);
    let route = ctx.inbound.as_ref().map(|inbound| &inbound.route);
    let cause = Cause::of(failure.reason);
    walk.met(route, &attempt.upstream.id, failure);
    let enabled = if transport.is_some() { resilience.retry_network } else { resilience.retry_status };
    let late = ctx.inbound.as_ref().is_none_or(|inbound| Instant::now() >= inbound.deadline);
    let errand = ctx.inbound.as_ref().map(|inbound| &inbound.errand);
    let attempts_max = errand.map_or(1, |errand| errand.attempts_max(resilience.attempts_max));
    let searches = errand.and_then(Errand::passage).is_some_and(Passage::searches);
    let stops = !searches && poisons(gateway, walk, &attempt, failure);
    if !enabled || late || walk.attempts >= attempts_max {
        walk.conclude(cause);
        return false;
    }
    if failure.retry == Retry::No {
        return route.is_some_and(|route| walk.turn(route, cause));
    }
    if let Retry::SameAccountAfter(wait_ms) = failure.retry
        && resilience.grace_retry.enabled
        && !walk.grace_used
        && Duration::from_millis(wait_ms) <= resilience.grace_retry.wait_max
    {
        walk.grace_used = true;
        walk.again = Some(Again { lease: attempt.lease, wait: Duration::from_millis(wait_ms), counted: true });
        return true;
    }
    walk.attempted.record(&attempt.lease);
    if stops {
        walk.barred.push(attempt.upstream.id.clone());
    }
    true
}

/// Notes a refusal. `true` if enough accounts of the upstream have said the same to this request: then it is not about
/// them, and what it did to them is taken back. So a request that everybody refuses locks nobody. What a provider in
/// trouble has done to them stays: so their breakers open.
fn poisons(gateway: &Gateway, walk: &mut Walk, attempt: &Attempt, failure: &Failure) -> bool {
    let (upstream, account, lease) = (&attempt.upstream.id, &attempt.account.id, &attempt.lease);
    if walk.booked.len() < ATTEMPTS_MAX {
        walk.booked.push(Booked {
            upstream: upstream.clone(),
            account: lease.shared_id(),
            family: lease.family().to_owned(),
            reason: failure.reason,
            at: now(),
            event: lease.event(),
        });
    }
    if !walk.refusals.stops(upstream, account, failure, lease.surprised(failure)) {
        return false;
    }
    let same = |booked: &Booked| booked.upstream == *upstream && booked.reason == failure.reason;
    let alike: Vec<Booked> = walk.booked.extract_if(.., |booked| same(booked)).collect();
    let since = alike.iter().map(|booked| booked.at).min().unwrap_or_default();
    let is_about_request = match failure.fault {
        // No request makes a connection fail.
        Fault::Network => false,
        // A provider that serves others meanwhile is well; one that does not is in trouble.
        Fault::Provider => gateway.serving.has_since(upstream, Millis(since.0.saturating_sub(SERVING_MS))),
        Fault::Account | Fault::Client | Fault::Gateway => true,
    };
    for booked in alike {
        if is_about_request
            && walk.refusals.same(upstream, failure.reason).any(|account| *account == *booked.account)
            && gateway.registry.forgive(&booked.account, &booked.family, booked.event, now())
        {
            gateway.metrics.forgiven.with_label_values(&[&booked.account]).inc();
        }
    }
    gateway.queue.released();
    true
}

/// When each upstream last answered well.
#[derive(Default)]
pub(super) struct Serving {
    /// By upstream; as many as are configured.
    seen: Mutex<HashMap<String, Millis>>,
}

impl Serving {
    /// The first content of an answer has come.
    pub(super) fn note(&self, upstream: &str, now: Millis) {
        let mut seen = self.seen.lock();
        match seen.get_mut(upstream) {
            Some(at) => *at = now,
            None => {
                seen.insert(upstream.to_owned(), now);
            }
        }
    }

    /// Whether one has come at `since` or later.
    fn has_since(&self, upstream: &str, since: Millis) -> bool {
        self.seen.lock().get(upstream).is_some_and(|at| *at >= since)
    }
}

impl Attempt {
    /// Whether the provider took the request.
    pub fn accepted(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What the provider or the transport told, as an error.
    pub(super) fn told(&self, transport: Option<Transport>) -> ApiError {
        if let Some(failure) = &self.failure {
            return failure.clone();
        }
        match transport {
            Some(Transport::Timeout) => ApiError::new(ErrorKind::Timeout, "the provider did not answer in time"),
            Some(Transport::Proxy) => {
                ApiError::new(ErrorKind::BadGateway, "the egress proxy of the account cannot be used")
            }
            Some(_) if self.accepted() => {
                ApiError::new(ErrorKind::BadGateway, "the provider's answer ended before it was complete")
            }
            Some(_) => ApiError::new(ErrorKind::BadGateway, "the provider cannot be reached"),
            None => {
                let body = platform::error_body(&self.upstream, &self.refusal);
                decode_error(self.upstream.dialect, self.status, &body)
            }
        }
    }
}

impl Walk {
    /// The upstreams of a step that are still worth asking, in its order.
    pub(super) fn open<'s>(&self, step: &'s Step) -> Cow<'s, [Arc<Upstream>]> {
        if self.barred.is_empty() {
            return Cow::Borrowed(&step.upstreams);
        }
        step.upstreams.iter().filter(|upstream| !self.barred.contains(&upstream.id)).cloned().collect()
    }

    /// What the caller hears when no account is left.
    pub fn nobody(&mut self, model: &str, now: Millis) -> ApiError {
        if let Some(verdict) = self.verdict.take() {
            return verdict;
        }
        let wait_ms = self.soonest.map(|at| at.since(now).max(1));
        match self.error.take() {
            Some(error) if !self.limited => {
                let known = error.retry_after_ms.or(wait_ms.filter(|_| error.kind.status() >= 500));
                ApiError { retry_after_ms: known, ..error }
            }
            _ if self.broken && !self.limited => {
                let message = format!("every account that serves '{model}' has failed; try again later");
                ApiError { retry_after_ms: wait_ms, ..ApiError::new(ErrorKind::Unavailable, message) }
            }
            _ if self.limited || wait_ms.is_some() => {
                let message = format!("every account that serves '{model}' is at its limit; try again later");
                ApiError { retry_after_ms: wait_ms.or(Some(1000)), ..ApiError::new(ErrorKind::RateLimit, message) }
            }
            _ => {
                let message = format!("no account serves '{model}' now; the operator must look at the configuration");
                ApiError::new(ErrorKind::Unavailable, message)
            }
        }
    }
}

fn is_limit(reason: Reason) -> bool {
    matches!(reason, Reason::RateLimit | Reason::QuotaExhausted | Reason::SpendLimit | Reason::OverOwnLimit)
}

/// A failure as the caller may hear it: the account's troubles are not the caller's.
fn public(told: &ApiError, failure: &Failure) -> ApiError {
    let mut error = match failure.fault {
        Fault::Account if !is_limit(failure.reason) => {
            let message = "the gateway's account was refused by the provider; the operator must look at it";
            ApiError::new(ErrorKind::Unavailable, message)
        }
        _ => told.clone(),
    };
    error.message = redact(&error.message);
    error
}

/// What broke on the way. A connection that its provider gives up (HTTP/2 GOAWAY and RST_STREAM among the ways) is no
/// fault of the account.
pub(super) fn transport(error: &Error, status: u16) -> Transport {
    match error.etype() {
        kind if *kind == egress::FAILED => Transport::Proxy,
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => Transport::Timeout,
        ErrorType::TLSHandshakeFailure
        | ErrorType::TLSHandshakeTimedout
        | ErrorType::InvalidCert
        | ErrorType::HandshakeError => Transport::Tls,
        ErrorType::ConnectTimedout
        | ErrorType::ConnectRefused
        | ErrorType::ConnectNoRoute
        | ErrorType::ConnectError
        | ErrorType::SocketError => Transport::Connect,
        _ if (200..300).contains(&status) => Transport::Truncated,
        _ => Transport::Reset,
    }
}

#[cfg(test)]
mod tests {
    use interlingua_filters::Dialect;
    use pingora::{Error, ErrorType};

    use super::transport;
    use crate::limits::{Defaults, Fault, Transport, classify};

    #[test]
    fn wire_138_a_connection_given_up_is_no_fault_of_the_account() {
        for kind in [ErrorType::H2Error, ErrorType::ConnectionClosed, ErrorType::ReadError, ErrorType::WriteError] {
            let error = Error::explain(kind, "GOAWAY").into_up();
            for (status, wanted) in [(0, Transport::Reset), (200, Transport::Truncated)] {
                let found = transport(&error, status);
                assert_eq!(found, wanted);
                let failure = classify(Dialect::Gemini, None, None, None, Some(found), &Defaults::default());
                assert_ne!(failure.fault, Fault::Account);
            }
        }
    }
}
