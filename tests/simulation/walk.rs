//! The gateway's side of one request, as `src/proxy` has it: choose, wait in line, send, judge, try again or answer.
//!
//! Every decision that has a pure form is the product's own: selection, leases, the line, whether a conversation waits for
//! its account, what a failure means, when the same refusal stops. What is written anew here is only the order in which
//! they are asked, and it is to stay as short as that order is. `queue` has the waiting.

use interlingua::breaker::CircuitState;
use interlingua::config::{Move, MoveRule};
use interlingua::limits::{
    Cost, Defaults, Failure, Fault, Reason, Refusals, Retry, Transport, allowance, classify, hint,
};
use interlingua::pool::affinity;
use interlingua::pool::{
    Affinity, Ask, Attempted, BoundAccount, Lease, Millis, Registry, Unavailable, UnavailableReason, pass,
};
use interlingua_filters::Dialect;
use interlingua_filters::dialects::decode_error;
use interlingua_filters::ir::ErrorKind;
use interlingua_filters::profiles::Profile;

use super::line_steps::Queue;
use super::provider::{Headers, Question};
use super::queue::{Found, Stand};
use super::stay;

/// Attempts of one request: the product's default.
const ATTEMPTS_MAX: u32 = 64;
/// Longest time of one request before its answer begins: the product's default.
const DEADLINE_MS: u64 = 300_000;
/// How long a request waits for accounts: the product's default.
pub(crate) const PATIENCE_MS: u64 = 10_000;
/// The one family of models.
pub(crate) const FAMILY: &str = "model";
/// What a minute of waiting and a cold prompt are worth: the product's defaults.
const MOVING: Move = Move { rule: MoveRule::ByPrice, minute_microusd: 500_000, cold_million_microusd: 2_500_000 };

/// One request on its way.
pub(crate) struct Walk {
    pub(crate) question: Question,
    pub(crate) begun: u64,
    /// Where it waits, while it does.
    pub(crate) stand: Option<Stand>,
    pub(crate) attempts: u32,
    pub(crate) lease: Option<Lease>,
    pub(crate) arrival: u64,
    pub(crate) attempted: Attempted,
    refusals: Refusals,
    barred: Vec<&'static str>,
    /// What this request's refusals have done: upstream, account, number of the failure, reason.
    booked: Vec<(&'static str, String, u64, Reason)>,
    /// When it last began to look for an account, and how long it has waited for all before.
    looked_at: u64,
    waited: u64,
    second_round: bool,
    grace_used: bool,
    limited: bool,
    broken: bool,
    soonest: Option<Millis>,
    /// Status that the client sees when nobody is left.
    error: Option<u16>,
}

/// What comes of a look at the pool.
pub(crate) enum Look {
    /// Sends with this lease, after so many milliseconds.
    Send { pause: u64 },
    /// Waits in line until this moment, or until it is woken.
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
    Answer {
        status: u16,
        again: Option<u64>,
    },
}

/// What the gateway remembers between requests.
pub(crate) struct Gateway {
    pub(crate) registry: Registry,
    pub(crate) affinity: Affinity,
    pub(crate) queue: Queue<u64>,
    pub(crate) upstreams: Vec<(&'static str, Dialect)>,
}

impl Walk {
    pub(crate) fn new(question: Question, now: u64) -> Self {
        Walk {
            question,
            begun: now,
            stand: None,
            attempts: 0,
            lease: None,
            arrival: 0,
            attempted: Attempted::default(),
            refusals: Refusals::default(),
            barred: Vec::new(),
            booked: Vec::new(),
            looked_at: now,
            waited: 0,
            second_round: false,
            grace_used: false,
            limited: false,
            broken: false,
            soonest: None,
            error: None,
        }
    }

    /// Until when it waits for an account.
    fn patient_until(&self, now: u64) -> u64 {
        (now + PATIENCE_MS.saturating_sub(self.waited)).min(self.begun + DEADLINE_MS)
    }
}

impl Gateway {
    pub(crate) fn new(
        registry: Registry,
        settings: affinity::Settings,
        upstreams: Vec<(&'static str, Dialect)>,
    ) -> Self {
        Gateway { registry, affinity: Affinity::new(settings), queue: Queue::default(), upstreams }
    }

    /// `choose` and `at_step`: its own account first, as long as that is worth it, then any. `woken` gets who is to look
    /// next.
    pub(crate) fn choose(&mut self, walk: &mut Walk, now: u64, woken: &mut Vec<u64>) -> Look {
        if walk.arrival == 0 {
            walk.arrival = self.queue.arrive();
        }
        walk.looked_at = now;
        let session = walk.question.session.map(u128::from);
        let own = session.and_then(|session| self.affinity.bound(session, Millis(now)));
        if let Some(own) = own.filter(|own| self.is_well(own, now)) {
            let cold = stay::cold_microusd(walk.question.prompt, &Profile::default(), &MOVING);
            let most = stay::wait_ms(&MOVING, cold, None, walk.patient_until(now) - now);
            match self.enter(walk, Some(own.to_string()), now + most, now, woken) {
                Found::Lease(lease) => return self.taken(walk, lease, now),
                Found::Wait(until) => return Look::Wait { until },
                Found::None(_) => {}
            }
        }
        self.any(walk, now, woken)
    }

    fn is_well(&self, account: &str, now: u64) -> bool {
        let state = self.registry.get(account).map(|account| account.circuit(Millis(now)).state);
        state == Some(CircuitState::Closed)
    }

    /// It was woken, or the time that it waited for has come.
    pub(crate) fn turn(&mut self, walk: &mut Walk, timer: bool, now: u64, woken: &mut Vec<u64>) -> Look {
        let own = walk.stand.as_ref().is_some_and(|stand| stand.own.is_some());
        match self.on_turn(walk, timer, now, woken) {
            Found::Lease(lease) => self.taken(walk, lease, now),
            Found::Wait(until) => Look::Wait { until },
            Found::None(_) if own => self.any(walk, now, woken),
            Found::None(why) => match self.ask(walk, None, now, |ask| pass(&self.registry, ask, why, Millis(now))) {
                Ok(lease) => self.taken(walk, lease, now),
                Err(why) => self.nobody(walk, &why, now, woken),
            },
        }
    }

    fn any(&mut self, walk: &mut Walk, now: u64, woken: &mut Vec<u64>) -> Look {
        walk.waited += now - std::mem::replace(&mut walk.looked_at, now);
        let until = walk.patient_until(now);
        match self.enter(walk, None, until, now, woken) {
            Found::Lease(lease) => self.taken(walk, lease, now),
            Found::Wait(until) => Look::Wait { until },
            Found::None(why) => match self.ask(walk, None, now, |ask| pass(&self.registry, ask, why, Millis(now))) {
                Ok(lease) => self.taken(walk, lease, now),
                Err(why) => self.nobody(walk, &why, now, woken),
            },
        }
    }

    /// What the pool is asked. `own`: only this account.
    pub(crate) fn ask<T>(&self, walk: &Walk, own: Option<&str>, now: u64, with: impl FnOnce(&Ask<'_>) -> T) -> T {
        let session = walk.question.session.map(u128::from);
        let bound = session.filter(|_| own.is_none()).and_then(|session| self.affinity.bound(session, Millis(now)));
        let open: Vec<&str> =
            self.upstreams.iter().map(|(name, _)| *name).filter(|name| !walk.barred.contains(name)).collect();
        with(&Ask {
            upstreams: &open,
            family: FAMILY,
            attempted: &walk.attempted,
            bound: bound.as_deref(),
            required: own,
            eligible: None,
            cost: Cost { tokens: walk.question.estimate },
        })
    }

    fn taken(&self, walk: &mut Walk, lease: Lease, now: u64) -> Look {
        if let Some(session) = walk.question.session.map(u128::from)
            && let Some(account) = self.affinity.bound(session, Millis(now))
        {
            match lease.bound() {
                BoundAccount::Cooling { until } => {
                    self.affinity.locked(session, &account, until.since(Millis(now)), Millis(now));
                }
                BoundAccount::Gone => self.affinity.unbind(session),
                _ => {}
            }
        }
        walk.waited += now - walk.looked_at;
        let pause = lease.pause_ms();
        walk.lease = Some(lease);
        walk.attempts += 1;
        Look::Send { pause }
    }

    /// Another round, or what the client hears.
    fn nobody(&mut self, walk: &mut Walk, why: &Unavailable, now: u64, woken: &mut Vec<u64>) -> Look {
        walk.waited += now - std::mem::replace(&mut walk.looked_at, now);
        use UnavailableReason::{AllAttempted, AllBroken, AllBusy, AllCooling, AllPaced};
        walk.limited |= matches!(why.reason, AllBusy | AllPaced);
        walk.broken |= why.reason == AllBroken;
        walk.soonest = walk.soonest.into_iter().chain(why.soonest).min();
        let opens =
            matches!(why.reason, AllPaced | AllCooling | AllBroken) || (why.reason == AllAttempted && walk.limited);
        if opens && !walk.second_round && why.soonest.is_some_and(|at| at.0.max(now) < walk.patient_until(now)) {
            walk.second_round = true;
            walk.attempted = Attempted::default();
            walk.barred.clear();
            return self.choose(walk, now, woken);
        }
        let again = walk.soonest.map(|at| at.since(Millis(now)).max(1));
        match walk.error {
            Some(status) if !walk.limited => Look::Answer { status, again: again.filter(|_| status >= 500) },
            _ if walk.broken && !walk.limited => Look::Answer { status: 503, again },
            _ if walk.limited || again.is_some() => Look::Answer { status: 429, again: again.or(Some(1000)) },
            _ => Look::Answer { status: 503, again: None },
        }
    }

    /// `judge` and `decide` of `failover`.
    pub(crate) fn failed(
        &mut self,
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
                let wait = hint(status, &header, body.as_bytes(), Millis(now));
                let told = decode_error(dialect, status, body.as_bytes());
                let failure = classify(dialect, Some(status), Some(&told), wait, None, &Defaults::default());
                if !lease.surprised(&failure) {
                    lease.told(&allowance(&header, Millis(now)), Millis(now));
                }
                (failure, wait.map(|wait| wait.wait_ms))
            }
            Err(transport) => (classify(dialect, None, None, None, Some(transport), &Defaults::default()), None),
        };
        let cooldown = lease.failed(&failure, Millis(now), seed);
        lease.settle(0, Millis(now));
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
        walk.booked.push((name, lease.account_id().to_owned(), lease.event(), failure.reason));
        let stops = walk.refusals.stops(name, lease.account_id(), &failure, lease.surprised(&failure));
        if stops && failure.fault != Fault::Network {
            self.forgive(walk, name, failure.reason, now);
        }
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
        if stops {
            walk.barred.push(name);
        }
        (failure, Next::Look)
    }

    /// Not about the accounts, then: what this request has done to them is taken back.
    fn forgive(&self, walk: &mut Walk, upstream: &str, reason: Reason, now: u64) {
        let alike = |booked: &mut (&str, String, u64, Reason)| booked.0 == upstream && booked.3 == reason;
        for (_, account, event, _) in walk.booked.extract_if(.., alike) {
            self.registry.forgive(&account, FAMILY, event, Millis(now));
        }
    }

    /// `upstream_response_filter`: what the headers of a good answer tell.
    pub(crate) fn told(walk: &Walk, headers: &Headers, now: u64) {
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
