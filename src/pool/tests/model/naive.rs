//! A pool that walks everything.

use std::collections::BTreeMap;

use super::{ACCOUNTS, Held};
use crate::breaker::{Circuit, circuit};
use crate::limits::Meter;
use crate::limits::classify::{Failure, Fault, Reason, Scope};
use crate::limits::cooldown::{Cooldowns, Lock, Standing};
use crate::limits::overload::Ceiling;
use crate::limits::pace::{Cost, Known, Paces, Terms};
use crate::pool::standing::{Cause, Fate};
use crate::pool::{BoundAccount, Millis, Settings, Unavailable, UnavailableReason};

#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) present: Option<(usize, u8, u32, bool)>,
    pub(super) suspended: bool,
    pub(super) in_flight: u32,
    pub(super) used: u64,
    pub(super) locks: Cooldowns,
    pub(super) circuit: Circuit,
    pub(super) paces: Paces,
    /// Used of the quota that all families share, in tenths, and of those of single families.
    pub(super) spent: u8,
    pub(super) own: BTreeMap<&'static str, u8>,
}

pub(super) struct Model {
    pub(super) accounts: Vec<Account>,
    pub(super) ceilings: [Ceiling; 3],
    pub(super) sequence: u64,
    pub(super) settings: Settings,
}

pub(super) struct Question<'a> {
    pub(super) upstreams: Vec<usize>,
    pub(super) family: &'a str,
    pub(super) tried: Vec<usize>,
    pub(super) probed: bool,
    pub(super) last_resorts: usize,
    pub(super) not: usize,
    pub(super) cost: Cost,
}

pub(super) type Answer = Result<(usize, bool, BoundAccount), Unavailable>;

/// Limits that the operator knows of an account.
pub(super) fn known(account: usize) -> Known {
    match account {
        1 => Known { requests: Some(4), tokens: None },
        2 => Known { requests: None, tokens: Some(1_000) },
        _ => Known::default(),
    }
}

/// The first two share a project.
pub(super) fn project(account: usize) -> Option<String> {
    (account < 2).then(|| "project".to_owned())
}

pub(super) fn meter((limit, remaining, reset): (u64, u64, u64)) -> Meter {
    Meter { limit: Some(limit), remaining: Some(remaining), reset_ms: Some(reset) }
}

pub(super) fn id(account: usize) -> String {
    format!("a{account}")
}

impl Account {
    pub(super) fn on(&self) -> bool {
        !self.suspended && self.present.is_some_and(|(_, _, _, enabled)| enabled)
    }

    pub(super) fn full(&self) -> bool {
        self.present.is_some_and(|(_, _, limit, _)| limit > 0 && self.in_flight >= limit)
    }

    pub(super) fn fate(&self, n: usize, family: &str, cost: Cost, settings: &Settings, now: Millis) -> Fate {
        let known = known(n);
        let paced = self.paces.opens(family, cost, Terms { known: &known, settings: &settings.pace }, now);
        let pace = paced.map_or(Standing::Open, |at| Standing::Closed { at, until: at });
        Fate::of(&[
            (self.locks.standing(family, now), Cause::Cooldown),
            (self.circuit.standing(now, &settings.breaker), Cause::Breaker),
            (pace, Cause::Pace),
        ])
    }
}

impl Model {
    pub(super) fn fate(&self, n: usize, question: &Question<'_>, now: Millis) -> Fate {
        self.accounts[n].fate(n, question.family, question.cost, &self.settings, now)
    }

    pub(super) fn at_ceiling(&self, upstream: usize, now: Millis) -> bool {
        let here = self.accounts.iter().filter(|account| account.present.is_some_and(|(at, ..)| at == upstream));
        let at_work: u32 = here.map(|account| account.in_flight).sum();
        self.ceilings[upstream].at(now, &self.settings.overload).is_some_and(|ceiling| at_work >= ceiling)
    }

    pub(super) fn standing(&self, n: usize, question: &Question<'_>, now: Millis) -> BoundAccount {
        let account = &self.accounts[n];
        let here = account.present.map(|(upstream, ..)| upstream).filter(|at| question.upstreams.contains(at));
        let Some(upstream) = here.filter(|_| account.on() && question.not != n) else { return BoundAccount::Gone };
        if question.tried.contains(&n) {
            return BoundAccount::Attempted;
        }
        let fate = self.fate(n, question, now);
        match (fate.until(question.probed), fate.cause) {
            (Some(until), Cause::Cooldown) => BoundAccount::Cooling { until },
            (Some(until), Cause::Breaker) => BoundAccount::Broken { until },
            (Some(until), Cause::Pace) => BoundAccount::Paced { until },
            _ if account.full() || self.at_ceiling(upstream, now) => BoundAccount::Busy,
            _ => BoundAccount::Served,
        }
    }

    /// When the breaker of an account may be tried as the last resort, if only that closes it.
    pub(super) fn last_resort_at(&self, n: usize, question: &Question<'_>, now: Millis) -> Option<Millis> {
        let account = &self.accounts[n];
        let fate = self.fate(n, question, now);
        let locked = account.locks.standing(question.family, now) != Standing::Open;
        let paced = {
            let without = Account { paces: Paces::default(), circuit: account.circuit, ..Account::default() };
            let only = without.fate(n, question.family, question.cost, &self.settings, now);
            matches!(only.standing, Standing::Closed { .. }) && only.cause == Cause::Breaker
        };
        let known = known(n);
        let terms = Terms { known: &known, settings: &self.settings.pace };
        let room = account.paces.opens(question.family, question.cost, terms, now).is_none();
        let at = account.circuit.last_resort_at(&self.settings.breaker);
        at.filter(|_| paced && room && !locked && matches!(fate.standing, Standing::Closed { .. }))
    }

    pub(super) fn despairs(&self, n: usize, question: &Question<'_>, now: Millis) -> bool {
        let account = &self.accounts[n];
        let Some((upstream, ..)) = account.present else { return false };
        let ready = self.last_resort_at(n, question, now).is_some_and(|at| at <= now);
        let mine = question.upstreams.contains(&upstream) && !question.tried.contains(&n) && question.not != n;
        ready && mine && account.on() && !account.full() && !self.at_ceiling(upstream, now) && question.last_resorts < 3
    }

    pub(super) fn opens(&self, n: usize, question: &Question<'_>, now: Millis) -> Option<Millis> {
        let until = self.fate(n, question, now).until(true)?;
        let sooner = self.last_resort_at(n, question, now).filter(|_| question.last_resorts < 3);
        Some(sooner.map_or(until, |sooner| sooner.min(until).max(now)))
    }

    pub(super) fn answer(
        &self,
        question: &Question<'_>,
        bound: Option<usize>,
        required: Option<usize>,
        now: Millis,
    ) -> Answer {
        use UnavailableReason as Why;
        let probe = |n: usize| matches!(self.fate(n, question, now).standing, Standing::Probe { .. });
        if let Some(required) = required {
            let account = &self.accounts[required];
            if account.present.is_none() {
                return Err(Unavailable { reason: Why::NoneConfigured, soonest: None });
            }
            let reason = match self.standing(required, question, now) {
                BoundAccount::Served => return Ok((required, probe(required), BoundAccount::None)),
                BoundAccount::Broken { .. } if self.despairs(required, question, now) => {
                    return Ok((required, true, BoundAccount::None));
                }
                BoundAccount::Busy => Why::AllBusy,
                BoundAccount::Cooling { .. } => Why::AllCooling,
                BoundAccount::Broken { .. } => Why::AllBroken,
                BoundAccount::Paced { .. } => Why::AllPaced,
                BoundAccount::Attempted => Why::AllAttempted,
                _ if !account.on() => Why::AllDisabled,
                _ => Why::NoneEligible,
            };
            return Err(Unavailable { reason, soonest: self.opens(required, question, now) });
        }
        let fate = bound.map_or(BoundAccount::None, |bound| self.standing(bound, question, now));
        if let (Some(bound), BoundAccount::Served) = (bound, fate) {
            return Ok((bound, probe(bound), fate));
        }
        let rank = |n: usize| {
            let account = &self.accounts[n];
            let (upstream, tier, limit, _) = account.present.unwrap();
            let weight = if limit == 0 { 3 } else { limit };
            let load = (u64::from(account.in_flight) << 32) / u64::from(weight);
            let order = question.upstreams.iter().position(|at| *at == upstream);
            let spent = account.spent.max(account.own.get(question.family).copied().unwrap_or(0));
            (tier, probe(n), load, spent, account.used, order, n)
        };
        let free = (0..ACCOUNTS).filter(|n| self.standing(*n, question, now) == BoundAccount::Served);
        if let Some(best) = free.min_by_key(|n| rank(*n)) {
            return Ok((best, probe(best), fate));
        }
        let nothing = self.nothing(question, now);
        let broken = (0..ACCOUNTS).filter(|n| self.despairs(*n, question, now));
        let last = broken.min_by_key(|n| {
            let (upstream, tier, ..) = self.accounts[*n].present.unwrap();
            let order = question.upstreams.iter().position(|at| *at == upstream);
            (tier, self.last_resort_at(*n, question, now), order, *n)
        });
        match last.filter(|_| nothing.reason != Why::AllBusy) {
            Some(last) => Ok((last, true, fate)),
            None => Err(nothing),
        }
    }

    pub(super) fn nothing(&self, question: &Question<'_>, now: Millis) -> Unavailable {
        use UnavailableReason as Why;
        let here = |n: &usize| self.accounts[*n].present.is_some_and(|(at, ..)| question.upstreams.contains(&at));
        let all: Vec<usize> = (0..ACCOUNTS).filter(here).collect();
        let fates: Vec<_> = all.iter().map(|n| self.standing(*n, question, now)).collect();
        let reason = if fates.contains(&BoundAccount::Busy) {
            Why::AllBusy
        } else if fates.iter().any(|fate| matches!(fate, BoundAccount::Paced { .. })) {
            Why::AllPaced
        } else if fates.iter().any(|fate| matches!(fate, BoundAccount::Cooling { .. })) {
            Why::AllCooling
        } else if fates.iter().any(|fate| matches!(fate, BoundAccount::Broken { .. })) {
            Why::AllBroken
        } else if all.iter().any(|n| question.tried.contains(n)) {
            Why::AllAttempted
        } else if all.iter().any(|n| self.accounts[*n].on()) {
            Why::NoneEligible
        } else if all.is_empty() {
            Why::NoneConfigured
        } else {
            Why::AllDisabled
        };
        let standing_in_the_way = |n: &&usize| {
            let account = &self.accounts[**n];
            account.on() && question.not != **n
        };
        let end = |n: &usize| self.opens(*n, question, now);
        Unavailable { reason, soonest: all.iter().filter(standing_in_the_way).filter_map(end).min() }
    }

    pub(super) fn reconcile(&mut self, specs: &[Option<(usize, u8, u32, bool)>]) {
        for (account, spec) in self.accounts.iter_mut().zip(specs) {
            // A gone one is the same when it comes back.
            account.present = *spec;
        }
        for (upstream, ceiling) in self.ceilings.iter_mut().enumerate() {
            if !self.accounts.iter().any(|account| account.present.is_some_and(|(at, ..)| at == upstream)) {
                *ceiling = Ceiling::default();
            }
        }
    }
}

impl Model {
    /// The other accounts of its project.
    pub(super) fn fellows(&self, n: usize) -> Vec<usize> {
        let both = n < 2 && self.accounts[0].present.is_some() && self.accounts[1].present.is_some();
        if both { vec![1 - n] } else { Vec::new() }
    }
}

pub(super) fn succeed(model: &mut Model, held: &mut Held, now: Millis) -> bool {
    let (known, settings) = (known(held.account), model.settings);
    let account = &mut model.accounts[held.account];
    account.paces.served(held.family, &mut held.charge, Terms { known: &known, settings: &settings.pace }, now);
    let unlocked = account.locks.succeeded(held.family, held.taken);
    let closed = account.circuit.succeeded(held.taken);
    if let Some((upstream, ..)) = account.present {
        model.ceilings[upstream].served(held.taken);
    }
    if unlocked {
        for other in model.fellows(held.account) {
            model.accounts[other].locks.succeeded_elsewhere(held.family, held.taken);
        }
    }
    unlocked || closed
}

pub(super) fn fail(model: &mut Model, held: &mut Held, failure: &Failure, seed: u64, now: Millis) -> Option<Millis> {
    model.sequence += 1;
    let (event, taken, settings) = (model.sequence, held.taken, model.settings);
    let at_work = |model: &Model, upstream| {
        let here = model.accounts.iter().filter(|one| one.present.is_some_and(|(at, ..)| at == upstream));
        here.map(|one| one.in_flight).sum::<u32>()
    };
    let (known, account) = (known(held.account), &mut model.accounts[held.account]);
    if failure.reason == Reason::RateLimit {
        let terms = Terms { known: &known, settings: &settings.pace };
        let hint_ms = failure.cooldown_ms.filter(|_| failure.hinted);
        account.paces.refused(held.family, &mut held.charge, event, hint_ms, terms, now);
    }
    if matches!(failure.fault, Fault::Account | Fault::Client) {
        account.paces.settle(held.family, &mut held.charge, 0, now);
    }
    if circuit::counts(failure) {
        account.circuit.failed(taken, event, now, &settings.breaker);
    }
    if let (Reason::Overloaded, Some((upstream, ..))) = (failure.reason, account.present) {
        let at_work = at_work(model, upstream);
        model.ceilings[upstream].overloaded(at_work, taken, event, now, &settings.overload);
    }
    let family = match failure.scope {
        Scope::AccountModel => Some(held.family),
        Scope::Account => None,
        _ => return None,
    };
    let lock = Lock { ms: failure.cooldown_ms?, hinted: failure.hinted, reason: failure.reason, taken, event, seed };
    for other in model.fellows(held.account).into_iter().filter(|_| family.is_some()) {
        let lock = Lock { seed: seed.wrapping_add(1), ..lock };
        model.accounts[other].locks.lock(family, lock, now, &settings.cooldown);
    }
    model.accounts[held.account].locks.lock(family, lock, now, &settings.cooldown).map(|lock| lock.until)
}
