//! The registry against a model that walks everything.

use proptest::prelude::*;

use super::{
    AccountSpec, Ask, Attempted, BoundAccount, Failure, Lease, Millis, Registry, Scope, Settings, Unavailable,
    UnavailableReason, explain, limit, select,
};
use crate::breaker::{Circuit, circuit};
use crate::limits::allowance::{Allowance, Meter};
use crate::limits::classify::{Fault, Reason};
use crate::limits::cooldown::{self, Cooldowns, Lock, Standing};
use crate::limits::overload::Ceiling;
use crate::limits::pace::{Charge, Cost, Known, Paces, Terms};
use crate::pool::standing::{Cause, Fate};

const ACCOUNTS: usize = 6;
const UPSTREAMS: [&str; 3] = ["up", "west", "east"];
const FAMILIES: [&str; 3] = ["opus", "haiku", "flash"];

#[derive(Clone, Debug)]
enum Op {
    Select {
        upstreams: usize,
        family: usize,
        tried: Vec<usize>,
        bound: Option<usize>,
        required: Option<usize>,
        not: usize,
        tokens: u64,
    },
    Drop(usize),
    Again(usize),
    Told(usize, Option<(u64, u64, u64)>, Option<(u64, u64, u64)>),
    Settle(usize, u64),
    Trouble(usize, Reason),
    Forgive(usize),
    ResetBreaker(usize),
    Reachable(usize),
    Fail {
        lease: usize,
        scope: Scope,
        ms: u64,
        hinted: bool,
        seed: u64,
    },
    Succeed(usize),
    Clear(usize, Option<usize>),
    Suspend(usize, bool),
    Reconcile(Vec<Option<(usize, u8, u32, bool)>>),
    Step(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let select = (
        1..8_usize,
        0..3_usize,
        proptest::collection::vec(0..20_usize, 0..3),
        proptest::option::weighted(0.3, 0..ACCOUNTS),
        proptest::option::weighted(0.1, 0..ACCOUNTS),
        0..20_usize,
        prop_oneof![Just(0_u64), 1..50_u64, 50..2_000_u64],
    )
        .prop_map(|(upstreams, family, tried, bound, required, not, tokens)| Op::Select {
            upstreams,
            family,
            tried,
            bound,
            required,
            not,
            tokens,
        });
    let meter = || proptest::option::of((1..30_u64, 0..30_u64, 0..90_000_u64));
    let many = || proptest::option::of((100..1_500_u64, 0..1_500_u64, 0..90_000_u64));
    let trouble =
        prop_oneof![5 => Just(Reason::ProviderError), 1 => Just(Reason::Overloaded), 1 => Just(Reason::BadRequest)];
    let scope = prop_oneof![3 => Just(Scope::AccountModel), 1 => Just(Scope::Account), 1 => Just(Scope::Provider)];
    let fail = (0..20_usize, scope, prop_oneof![1..5_000_u64, 60_000..700_000_u64], any::<bool>(), any::<u64>())
        .prop_map(|(lease, scope, ms, hinted, seed)| Op::Fail { lease, scope, ms, hinted, seed });
    let spec = proptest::option::weighted(0.8, (0..3_usize, 0..3_u8, 0..4_u32, proptest::bool::weighted(0.9)));
    prop_oneof![
        14 => select,
        2 => (0..20_usize).prop_map(Op::Again),
        4 => (0..20_usize, meter(), many()).prop_map(|(n, requests, tokens)| Op::Told(n, requests, tokens)),
        3 => (0..20_usize, 0..3_000_u64).prop_map(|(n, tokens)| Op::Settle(n, tokens)),
        6 => (0..20_usize, trouble).prop_map(|(n, reason)| Op::Trouble(n, reason)),
        2 => (0..20_usize).prop_map(Op::Forgive),
        1 => (0..ACCOUNTS).prop_map(Op::ResetBreaker),
        1 => (0..3_usize).prop_map(Op::Reachable),
        6 => (0..20_usize).prop_map(Op::Drop),
        6 => fail,
        3 => (0..20_usize).prop_map(Op::Succeed),
        1 => (0..ACCOUNTS, proptest::option::of(0..3_usize)).prop_map(|(id, family)| Op::Clear(id, family)),
        1 => (0..ACCOUNTS, any::<bool>()).prop_map(|(id, on)| Op::Suspend(id, on)),
        1 => proptest::collection::vec(spec, ACCOUNTS).prop_map(Op::Reconcile),
        5 => prop_oneof![0..3_000_u64, 20_000..400_000_u64].prop_map(Op::Step),
    ]
}

#[derive(Debug, Default)]
struct Account {
    present: Option<(usize, u8, u32, bool)>,
    suspended: bool,
    in_flight: u32,
    used: u64,
    locks: Cooldowns,
    circuit: Circuit,
    paces: Paces,
}

struct Held {
    lease: Lease,
    account: usize,
    family: &'static str,
    taken: u64,
    probe: bool,
    tries: bool,
    cost: Cost,
    charge: Charge,
    pause_ms: u64,
}

struct Model {
    accounts: Vec<Account>,
    ceilings: [Ceiling; 3],
    sequence: u64,
    settings: Settings,
}

struct Question<'a> {
    upstreams: Vec<usize>,
    family: &'a str,
    tried: Vec<usize>,
    probed: bool,
    last_resorts: usize,
    not: usize,
    cost: Cost,
}

type Answer = Result<(usize, bool, BoundAccount), Unavailable>;

/// Limits that the operator knows of an account.
fn known(account: usize) -> Known {
    match account {
        1 => Known { requests: Some(4), tokens: None },
        2 => Known { requests: None, tokens: Some(1_000) },
        _ => Known::default(),
    }
}

/// The first two share a project.
fn project(account: usize) -> Option<String> {
    (account < 2).then(|| "project".to_owned())
}

fn meter((limit, remaining, reset): (u64, u64, u64)) -> Meter {
    Meter { limit: Some(limit), remaining: Some(remaining), reset_ms: Some(reset) }
}

fn id(account: usize) -> String {
    format!("a{account}")
}

impl Account {
    fn on(&self) -> bool {
        !self.suspended && self.present.is_some_and(|(_, _, _, enabled)| enabled)
    }

    fn full(&self) -> bool {
        self.present.is_some_and(|(_, _, limit, _)| limit > 0 && self.in_flight >= limit)
    }

    fn fate(&self, n: usize, family: &str, cost: Cost, settings: &Settings, now: Millis) -> Fate {
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
    fn fate(&self, n: usize, question: &Question<'_>, now: Millis) -> Fate {
        self.accounts[n].fate(n, question.family, question.cost, &self.settings, now)
    }

    fn at_ceiling(&self, upstream: usize, now: Millis) -> bool {
        let here = self.accounts.iter().filter(|account| account.present.is_some_and(|(at, ..)| at == upstream));
        let at_work: u32 = here.map(|account| account.in_flight).sum();
        self.ceilings[upstream].at(now, &self.settings.overload).is_some_and(|ceiling| at_work >= ceiling)
    }

    fn standing(&self, n: usize, question: &Question<'_>, now: Millis) -> BoundAccount {
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
    fn last_resort_at(&self, n: usize, question: &Question<'_>, now: Millis) -> Option<Millis> {
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

    fn despairs(&self, n: usize, question: &Question<'_>, now: Millis) -> bool {
        let account = &self.accounts[n];
        let Some((upstream, ..)) = account.present else { return false };
        let ready = self.last_resort_at(n, question, now).is_some_and(|at| at <= now);
        let mine = question.upstreams.contains(&upstream) && !question.tried.contains(&n) && question.not != n;
        ready && mine && account.on() && !account.full() && !self.at_ceiling(upstream, now) && question.last_resorts < 3
    }

    fn opens(&self, n: usize, question: &Question<'_>, now: Millis) -> Option<Millis> {
        let until = self.fate(n, question, now).until(true)?;
        let sooner = self.last_resort_at(n, question, now).filter(|_| question.last_resorts < 3);
        Some(sooner.map_or(until, |sooner| sooner.min(until).max(now)))
    }

    fn answer(&self, question: &Question<'_>, bound: Option<usize>, required: Option<usize>, now: Millis) -> Answer {
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
            (tier, probe(n), load, account.used, order, n)
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

    fn nothing(&self, question: &Question<'_>, now: Millis) -> Unavailable {
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

    fn reconcile(&mut self, specs: &[Option<(usize, u8, u32, bool)>]) {
        for (account, spec) in self.accounts.iter_mut().zip(specs) {
            account.present = *spec;
            if spec.is_none() && account.in_flight == 0 {
                *account = Account::default();
            }
        }
        for (upstream, ceiling) in self.ceilings.iter_mut().enumerate() {
            if !self.accounts.iter().any(|account| account.present.is_some_and(|(at, ..)| at == upstream)) {
                *ceiling = Ceiling::default();
            }
        }
    }
}

fn reconcile(registry: &Registry, specs: &[Option<(usize, u8, u32, bool)>], settings: Settings) {
    let specs: Vec<_> = specs
        .iter()
        .enumerate()
        .filter_map(|(n, spec)| {
            let (upstream, tier, concurrency, enabled) = (*spec)?;
            Some(AccountSpec {
                limits: known(n),
                project: project(n),
                id: id(n),
                upstream: UPSTREAMS[upstream].to_owned(),
                tier,
                concurrency,
                enabled,
            })
        })
        .collect();
    registry.reconcile(&specs, settings);
}

fn run(ops: Vec<Op>) -> Result<(), TestCaseError> {
    let settings = Settings {
        cooldown: cooldown::Settings::default(),
        breaker: circuit::Settings { failures: 2, ..circuit::Settings::default() },
        ..Settings::default()
    };
    let registry = Registry::new(settings);
    let accounts = (0..ACCOUNTS).map(|_| Account::default()).collect();
    let mut model = Model { accounts, ceilings: [Ceiling::default(); 3], sequence: 0, settings };
    let first: Vec<_> = (0..ACCOUNTS).map(|n| Some((n % 2, (n % 3) as u8, 2, true))).collect();
    reconcile(&registry, &first, settings);
    model.reconcile(&first);
    let mut held: Vec<Held> = Vec::new();
    let mut now = Millis(1_000_000);
    for op in ops {
        match op {
            Op::Step(ms) => now = now.plus(ms),
            Op::Reconcile(specs) => {
                reconcile(&registry, &specs, settings);
                model.reconcile(&specs);
            }
            Op::Suspend(n, on) => {
                let known = if on { registry.suspend(&id(n), "test") } else { registry.resume(&id(n)) };
                prop_assert_eq!(known, model.accounts[n].present.is_some());
                model.accounts[n].suspended = if known { on } else { model.accounts[n].suspended };
            }
            Op::Clear(n, family) => {
                let family = family.map(|family| FAMILIES[family]);
                registry.clear(&id(n), family);
                if model.accounts[n].present.is_some() {
                    model.accounts[n].locks.clear(family);
                }
            }
            Op::Select { upstreams, family, tried, bound, required, not, tokens } => {
                select_both(
                    &registry,
                    &mut model,
                    &mut held,
                    (upstreams, family, &tried, bound, required, not, tokens),
                    now,
                )?;
            }
            Op::Drop(n) if n < held.len() => {
                let gone = held.swap_remove(n);
                let account = &mut model.accounts[gone.account];
                account.in_flight -= 1;
                let mut charge = gone.charge;
                account.paces.close(gone.family, &mut charge);
                if gone.probe {
                    account.locks.end_probe(gone.family);
                }
                if gone.tries {
                    account.circuit.end_try();
                }
            }
            Op::Again(n) if n < held.len() => {
                let one = &mut held[n];
                let pause = one.lease.again(now);
                model.sequence += 1;
                one.taken = model.sequence;
                let (known, account) = (known(one.account), &mut model.accounts[one.account]);
                let terms = Terms { known: &known, settings: &settings.pace };
                account.paces.close(one.family, &mut one.charge);
                (one.pause_ms, one.charge) = account.paces.take(one.family, one.cost, one.taken, terms, now);
                prop_assert_eq!(pause, one.pause_ms);
            }
            Op::Told(n, requests, tokens) if n < held.len() => {
                let told =
                    Allowance { requests: requests.map(meter), tokens: tokens.map(meter), ..Allowance::default() };
                let one = &mut held[n];
                one.lease.told(&told, now);
                model.accounts[one.account].paces.told(one.family, &mut one.charge, &told, now);
            }
            Op::Settle(n, tokens) if n < held.len() => {
                let one = &mut held[n];
                one.lease.settle(tokens, now);
                model.accounts[one.account].paces.settle(one.family, &mut one.charge, tokens, now);
            }
            Op::Trouble(n, reason) if n < held.len() => {
                let (fault, scope) = match reason {
                    Reason::Overloaded => (Fault::Provider, Scope::Provider),
                    Reason::BadRequest => (Fault::Client, Scope::Request),
                    _ => (Fault::Provider, Scope::Request),
                };
                let failure = Failure { fault, cooldown_ms: None, reason, ..limit(scope, 1) };
                prop_assert_eq!(held[n].lease.failed(&failure, now, 0), None);
                prop_assert_eq!(fail(&mut model, &mut held[n], &failure, 0, now), None);
            }
            Op::Forgive(n) if n < held.len() => {
                let one = &held[n];
                let event = one.lease.event();
                registry.forgive(&id(one.account), one.family, event, now);
                if model.accounts[one.account].present.is_some() && event > 0 {
                    for other in model.fellows(one.account) {
                        model.accounts[other].locks.forgive(one.family, event, now);
                    }
                    let account = &mut model.accounts[one.account];
                    account.paces.forgive(one.family, event);
                    account.circuit.forgive(event);
                    account.locks.forgive(one.family, event, now);
                }
            }
            Op::ResetBreaker(n) => {
                registry.reset_breaker(&id(n));
                if model.accounts[n].present.is_some() {
                    model.accounts[n].circuit = Circuit::default();
                }
            }
            Op::Reachable(upstream) => {
                registry.note_reachable(&[UPSTREAMS[upstream]], now);
                for account in &mut model.accounts {
                    if account.present.is_some_and(|(at, ..)| at == upstream) {
                        account.circuit.half_open(now);
                    }
                }
            }
            Op::Fail { lease, scope, ms, hinted, seed } if lease < held.len() => {
                let failure = Failure { hinted, ..limit(scope, ms) };
                let got = held[lease].lease.failed(&failure, now, seed);
                let expected = fail(&mut model, &mut held[lease], &failure, seed, now);
                prop_assert_eq!(got.map(|lock| lock.until), expected);
            }
            Op::Succeed(n) if n < held.len() => {
                let got = held[n].lease.succeeded(now);
                prop_assert_eq!(got, succeed(&mut model, &held[n], now));
            }
            _ => {}
        }
        for (n, account) in model.accounts.iter().enumerate() {
            let live = registry.get(&id(n)).map(|state| state.in_flight());
            prop_assert_eq!(live, account.present.map(|_| account.in_flight));
        }
    }
    Ok(())
}

impl Model {
    /// The other accounts of its project.
    fn fellows(&self, n: usize) -> Vec<usize> {
        let both = n < 2 && self.accounts[0].present.is_some() && self.accounts[1].present.is_some();
        if both { vec![1 - n] } else { Vec::new() }
    }
}

fn succeed(model: &mut Model, held: &Held, now: Millis) -> bool {
    let account = &mut model.accounts[held.account];
    account.paces.served(held.family, held.taken, now);
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

fn fail(model: &mut Model, held: &mut Held, failure: &Failure, seed: u64, now: Millis) -> Option<Millis> {
    model.sequence += 1;
    let (event, taken, settings) = (model.sequence, held.taken, model.settings);
    let at_work = |model: &Model, upstream| {
        let here = model.accounts.iter().filter(|one| one.present.is_some_and(|(at, ..)| at == upstream));
        here.map(|one| one.in_flight).sum::<u32>()
    };
    let (known, account) = (known(held.account), &mut model.accounts[held.account]);
    if failure.reason == Reason::RateLimit {
        let terms = Terms { known: &known, settings: &settings.pace };
        account.paces.refused(held.family, &held.charge, event, terms, now);
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

type Asked<'a> = (usize, usize, &'a [usize], Option<usize>, Option<usize>, usize, u64);

fn select_both(
    registry: &Registry,
    model: &mut Model,
    held: &mut Vec<Held>,
    (mask, family, tried, bound, required, not, tokens): Asked<'_>,
    now: Millis,
) -> Result<(), TestCaseError> {
    let family = FAMILIES[family];
    // From the last to the first, so that the order of upstreams is not that of their creation.
    let upstreams: Vec<usize> = (0..3).rev().filter(|n| mask & (1 << n) != 0).collect();
    let mut attempted = Attempted::default();
    let cost = Cost { tokens };
    let mut question = Question { upstreams, family, tried: Vec::new(), probed: false, last_resorts: 0, not, cost };
    for one in tried {
        if let Some(lease) = held.get(*one) {
            attempted.record(&lease.lease);
            question.tried.push(lease.account);
            question.probed |= lease.probe;
            question.last_resorts += usize::from(lease.lease.is_last_resort());
        } else if *one < ACCOUNTS {
            attempted.insert(&id(*one));
            question.tried.push(*one);
        }
    }
    let names: Vec<&str> = question.upstreams.iter().map(|n| UPSTREAMS[*n]).collect();
    let (bound_id, required_id) = (bound.map(id), required.map(id));
    let eligible = |account: &str| account != id(not);
    let ask = Ask {
        upstreams: &names,
        family,
        attempted: &attempted,
        bound: bound_id.as_deref(),
        required: required_id.as_deref(),
        eligible: Some(&eligible),
        cost,
    };
    let told = explain(registry, &ask, now).into_iter().find(|view| view.order == Some(0)).map(|view| view.id);
    let expected = model.answer(&question, bound, required, now);
    match (select(registry, &ask, now), expected) {
        (Ok(lease), Ok((account, probe, fate))) => {
            prop_assert_eq!(lease.account_id(), id(account));
            prop_assert_eq!((lease.is_probe(), lease.bound()), (probe, fate));
            prop_assert_eq!(told, Some(id(account)), "explain must tell what select does");
            model.sequence += 1;
            let (taken, settings, known) = (model.sequence, model.settings, known(account));
            let state = &mut model.accounts[account];
            state.in_flight += 1;
            prop_assert!(state.present.unwrap().2 == 0 || state.in_flight <= state.present.unwrap().2);
            state.used = taken;
            let tries = probe && state.circuit.is_open();
            if probe {
                state.locks.begin_probe(family, now, &settings.cooldown);
                state.circuit.begin_try(now);
            }
            let terms = Terms { known: &known, settings: &settings.pace };
            let (pause_ms, charge) = state.paces.take(family, cost, taken, terms, now);
            prop_assert_eq!(lease.pause_ms(), pause_ms);
            prop_assert!(pause_ms <= settings.pace.pause_ms_max);
            held.push(Held { lease, account, family, taken, probe, tries, cost, charge, pause_ms });
        }
        (Err(got), Err(expected)) => {
            prop_assert_eq!(got.reason, expected.reason);
            // Who waits for a slot does not wait for a moment.
            prop_assert!(
                got.reason == UnavailableReason::AllBusy || got.soonest == expected.soonest,
                "{got:?} {expected:?}"
            );
            prop_assert_eq!(told, None);
        }
        (got, expected) => prop_assert!(false, "got {got:?}, expected {expected:?}"),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]
    #[test]
    fn it_does_what_a_walk_over_everything_does(ops in proptest::collection::vec(op(), 1..150)) {
        run(ops)?;
    }
}
