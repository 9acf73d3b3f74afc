//! The gateway's side of one request, as `src/proxy` has it: choose, wait in line, send, judge, try again or answer.
//!
//! Every decision that has a pure form is the product's own: selection, leases, what a failure means, when the same
//! refusal stops, which account a session is bound to. What is written anew here is only the order in which they are
//! asked, and it is to stay as short as that order is.

use interlingua::limits::{
    Cost, Defaults, Failure, Fault, Reason, Refusals, Retry, Transport, allowance, classify, hint,
};
use interlingua::pool::affinity;
use interlingua::pool::{
    Affinity, Ask, Attempted, BoundAccount, Lease, Millis, Registry, Unavailable, UnavailableReason, select,
};
use interlingua_filters::Dialect;
use interlingua_filters::dialects::decode_error;
use interlingua_filters::ir::ErrorKind;

use super::provider::{Headers, Question};

/// Attempts of one request: the product's default.
const ATTEMPTS_MAX: u32 = 64;
/// Longest time of one request before its answer begins: the product's default.
const DEADLINE_MS: u64 = 300_000;
/// How long a request waits for an account: the product's default.
pub(crate) const PATIENCE_MS: u64 = 10_000;
/// The one family of models.
pub(crate) const FAMILY: &str = "model";

/// One request on its way.
pub(crate) struct Walk {
    pub(crate) question: Question,
    pub(crate) begun: u64,
    /// Waits in line no longer than this.
    pub(crate) patient_until: Option<u64>,
    pub(crate) attempts: u32,
    pub(crate) lease: Option<Lease>,
    attempted: Attempted,
    refusals: Refusals,
    barred: Vec<&'static str>,
    /// Locks that this request's refusals have set: account, number of the failure, reason.
    events: Vec<(String, u64, Reason)>,
    grace_used: bool,
    limited: bool,
    soonest: Option<Millis>,
    /// Status that the client sees when nobody is left.
    error: Option<u16>,
}

/// What comes of a look at the pool.
pub(crate) enum Look {
    /// Sends with this lease, after so many milliseconds.
    Send { pause: u64 },
    /// Waits in line until this moment, or until a slot is given back.
    Wait { until: u64 },
    /// The answer to the client: a status, and when to come again.
    Answer { status: u16, again: Option<u64> },
}

/// What comes of a failed attempt.
pub(crate) enum Next {
    /// Another look at the pool.
    Look,
    /// The same account again, after so many milliseconds.
    Same(u64),
    Answer { status: u16, again: Option<u64> },
}

/// What the gateway remembers between requests.
pub(crate) struct Gateway {
    pub(crate) registry: Registry,
    pub(crate) affinity: Affinity,
    pub(crate) upstreams: Vec<(&'static str, Dialect)>,
    pub(crate) same_refusals_max: usize,
}

impl Walk {
    pub(crate) fn new(question: Question, now: u64, same_refusals_max: usize) -> Self {
        Walk {
            question,
            begun: now,
            patient_until: None,
            attempts: 0,
            lease: None,
            attempted: Attempted::default(),
            refusals: Refusals::new(same_refusals_max),
            barred: Vec::new(),
            events: Vec::new(),
            grace_used: false,
            limited: false,
            soonest: None,
            error: None,
        }
    }
}

impl Gateway {
    pub(crate) fn new(registry: Registry, settings: affinity::Settings, upstreams: Vec<(&'static str, Dialect)>) -> Self {
        Gateway { registry, affinity: Affinity::new(settings), upstreams, same_refusals_max: 3 }
    }

    /// `choose` of `upstream_peer`.
    pub(crate) fn look(&self, walk: &mut Walk, now: u64) -> Look {
        let session = walk.question.session.map(u128::from);
        let bound = session.and_then(|session| self.affinity.bound(session, Millis(now)));
        let open: Vec<&str> =
            self.upstreams.iter().map(|(name, _)| *name).filter(|name| !walk.barred.contains(name)).collect();
        let ask = Ask {
            upstreams: &open,
            family: FAMILY,
            attempted: &walk.attempted,
            bound: bound.as_deref(),
            required: None,
            eligible: None,
            cost: Cost { tokens: walk.question.estimate },
        };
        match select(&self.registry, &ask, Millis(now)) {
            Ok(lease) => {
                if let (Some(session), Some(account)) = (session, &bound) {
                    match lease.bound() {
                        BoundAccount::Cooling { until } => {
                            self.affinity.locked(session, account, until.since(Millis(now)), Millis(now));
                        }
                        BoundAccount::Gone => self.affinity.unbind(session),
                        _ => {}
                    }
                }
                let pause = lease.pause_ms();
                walk.lease = Some(lease);
                walk.attempts += 1;
                Look::Send { pause }
            }
            Err(unavailable) => self.nobody(walk, unavailable, now),
        }
    }

    fn nobody(&self, walk: &mut Walk, unavailable: Unavailable, now: u64) -> Look {
        let patient_until = *walk.patient_until.get_or_insert(now + PATIENCE_MS);
        let soonest = unavailable.soonest.map(|at| at.0);
        let waits = match unavailable.reason {
            UnavailableReason::AllBusy => true,
            UnavailableReason::AllCooling | UnavailableReason::AllPaced | UnavailableReason::AllBroken => {
                soonest.is_some_and(|at| at <= patient_until)
            }
            _ => false,
        };
        if waits && now < patient_until {
            return Look::Wait { until: soonest.unwrap_or(patient_until).clamp(now + 1, patient_until) };
        }
        walk.limited |= matches!(unavailable.reason, UnavailableReason::AllBusy | UnavailableReason::AllPaced);
        walk.soonest = walk.soonest.into_iter().chain(unavailable.soonest).min();
        let again = walk.soonest.map(|at| at.since(Millis(now)).max(1));
        match walk.error {
            Some(status) if !walk.limited => Look::Answer { status, again: None },
            _ if walk.limited || again.is_some() => Look::Answer { status: 429, again: again.or(Some(1000)) },
            _ => Look::Answer { status: 503, again: None },
        }
    }

    /// `judge` and `decide` of `failover`.
    pub(crate) fn failed(
        &self,
        walk: &mut Walk,
        answer: Result<(u16, &str, &Headers), Transport>,
        now: u64,
        seed: u64,
    ) -> (Failure, Next) {
        let lease = walk.lease.take().expect("an attempt has a lease");
        let upstream = lease.account().upstream();
        let (name, dialect) = *self.upstreams.iter().find(|(name, _)| *name == upstream).expect("a known upstream");
        let (failure, again) = match answer {
            Ok((status, body, headers)) => {
                let header = |name: &str| found(headers, name);
                lease.told(&allowance(&header, Millis(now)), Millis(now));
                let wait = hint(status, &header, body.as_bytes(), Millis(now));
                let told = decode_error(dialect, status, body.as_bytes());
                let failure = classify(dialect, Some(status), Some(&told), wait, None, &Defaults::default());
                (failure, wait.map(|wait| wait.wait_ms))
            }
            Err(transport) => (classify(dialect, None, None, None, Some(transport), &Defaults::default()), None),
        };
        let cooldown = lease.failed(&failure, Millis(now), seed);
        if let Some(session) = walk.question.session.map(u128::from)
            && (failure.fault == Fault::Account || cooldown.is_some())
        {
            self.affinity.refused(session, lease.account_id(), Millis(now));
            if let Some(cooldown) = &cooldown {
                let lock_ms = cooldown.until.since(Millis(now));
                self.affinity.locked(session, lease.account_id(), lock_ms, Millis(now));
            }
        }
        let status = public_status(answer.ok().map(|(status, ..)| status), &failure);
        walk.error = Some(status);
        walk.limited |= limits(failure.reason);
        walk.events.push((lease.account_id().to_owned(), lease.event(), failure.reason));
        let late = now >= walk.begun + DEADLINE_MS;
        if late || walk.attempts >= ATTEMPTS_MAX || failure.retry == Retry::No {
            return (failure, Next::Answer { status, again });
        }
        if let Retry::SameAccountAfter(wait) = failure.retry
            && !walk.grace_used
        {
            walk.grace_used = true;
            walk.attempts += 1;
            let pause = lease.again(Millis(now));
            walk.lease = Some(lease);
            return (failure, Next::Same(wait + pause));
        }
        walk.attempted.record(&lease);
        if walk.refusals.stops(name, lease.account_id(), &failure, lease.surprised(&failure)) {
            walk.barred.push(name);
            // Not about the accounts, then: what they were locked for rests on nothing.
            for (account, event, _) in walk.events.iter().filter(|(.., reason)| *reason == failure.reason) {
                self.registry.forgive(account, FAMILY, *event);
            }
        }
        (failure, Next::Look)
    }

    /// `upstream_response_filter`: what the headers of a good answer tell.
    pub(crate) fn told(&self, walk: &Walk, headers: &Headers, now: u64) {
        if let Some(lease) = &walk.lease {
            lease.told(&allowance(&|name: &str| found(headers, name), Millis(now)), Millis(now));
        }
    }

    /// `settle` of `logging`, for an answer that ended well.
    pub(crate) fn served(&self, walk: &mut Walk, now: u64) {
        let Some(lease) = walk.lease.take() else { return };
        lease.settle(walk.question.prompt + walk.question.output, Millis(now));
        lease.succeeded(Millis(now));
        if let Some(session) = walk.question.session {
            self.affinity.served(u128::from(session), lease.account_id(), Millis(now));
        }
    }
}

fn found<'h>(headers: &'h Headers, name: &str) -> Option<&'h str> {
    headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

fn limits(reason: Reason) -> bool {
    matches!(reason, Reason::RateLimit | Reason::QuotaExhausted | Reason::SpendLimit | Reason::OverOwnLimit)
}

fn public_status(status: Option<u16>, failure: &Failure) -> u16 {
    match failure.fault {
        Fault::Account if !limits(failure.reason) => ErrorKind::Unavailable.status(),
        _ => status.unwrap_or(ErrorKind::BadGateway.status()),
    }
}
