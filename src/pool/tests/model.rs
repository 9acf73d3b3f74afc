//! The registry against a model that walks everything.

use proptest::prelude::*;

use super::{
    AccountSpec, Ask, Attempted, BoundAccount, Failure, Lease, Millis, Registry, Scope, Settings, Unavailable,
    UnavailableReason, explain, limit, select,
};
use crate::limits::cooldown::{self, Cooldowns, Lock, Standing};
use crate::limits::pace::{self, Cost, Known};

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
    },
    Drop(usize),
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
    )
        .prop_map(|(upstreams, family, tried, bound, required, not)| Op::Select {
            upstreams,
            family,
            tried,
            bound,
            required,
            not,
        });
    let scope = prop_oneof![3 => Just(Scope::AccountModel), 1 => Just(Scope::Account), 1 => Just(Scope::Provider)];
    let fail = (0..20_usize, scope, prop_oneof![1..5_000_u64, 60_000..700_000_u64], any::<bool>(), any::<u64>())
        .prop_map(|(lease, scope, ms, hinted, seed)| Op::Fail { lease, scope, ms, hinted, seed });
    let spec = proptest::option::weighted(0.8, (0..3_usize, 0..3_u8, 0..4_u32, proptest::bool::weighted(0.9)));
    prop_oneof![
        12 => select,
        6 => (0..20_usize).prop_map(Op::Drop),
        6 => fail,
        3 => (0..20_usize).prop_map(Op::Succeed),
        1 => (0..ACCOUNTS, proptest::option::of(0..3_usize)).prop_map(|(id, family)| Op::Clear(id, family)),
        1 => (0..ACCOUNTS, any::<bool>()).prop_map(|(id, on)| Op::Suspend(id, on)),
        1 => proptest::collection::vec(spec, ACCOUNTS).prop_map(Op::Reconcile),
        5 => prop_oneof![0..3_000_u64, 20_000..400_000_u64].prop_map(Op::Step),
    ]
}

#[derive(Clone, Debug, Default)]
struct Account {
    present: Option<(usize, u8, u32, bool)>,
    suspended: bool,
    in_flight: u32,
    used: u64,
    locks: Cooldowns,
}

struct Held {
    lease: Lease,
    account: usize,
    family: &'static str,
    taken: u64,
    probe: bool,
}

struct Model {
    accounts: Vec<Account>,
    sequence: u64,
    settings: Settings,
}

struct Question<'a> {
    upstreams: Vec<usize>,
    family: &'a str,
    tried: Vec<usize>,
    probed: bool,
    not: usize,
}

type Answer = Result<(usize, bool, BoundAccount), Unavailable>;

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

    fn fate(&self, account: usize, question: &Question<'_>, now: Millis) -> BoundAccount {
        let here = self.present.is_some_and(|(upstream, ..)| question.upstreams.contains(&upstream));
        if !here || !self.on() || question.not == account {
            return BoundAccount::Gone;
        }
        if question.tried.contains(&account) {
            return BoundAccount::Attempted;
        }
        match self.locks.standing(question.family, now) {
            Standing::Closed { until, .. } => BoundAccount::Cooling { until },
            Standing::Probe { until } if question.probed => BoundAccount::Cooling { until },
            _ if self.full() => BoundAccount::Busy,
            _ => BoundAccount::Served,
        }
    }
}

impl Model {
    fn answer(&self, question: &Question<'_>, bound: Option<usize>, required: Option<usize>, now: Millis) -> Answer {
        use UnavailableReason as Why;
        let probe = |account: &Account| matches!(account.locks.standing(question.family, now), Standing::Probe { .. });
        if let Some(required) = required {
            let account = &self.accounts[required];
            if account.present.is_none() {
                return Err(Unavailable { reason: Why::NoneConfigured, soonest: None });
            }
            let reason = match account.fate(required, question, now) {
                BoundAccount::Served => return Ok((required, probe(account), BoundAccount::None)),
                BoundAccount::Busy => Why::AllBusy,
                BoundAccount::Cooling { .. } => Why::AllCooling,
                BoundAccount::Attempted => Why::AllAttempted,
                _ if !account.on() => Why::AllDisabled,
                _ => Why::NoneEligible,
            };
            let soonest = account.locks.longest(question.family, now).map(|lock| lock.until);
            return Err(Unavailable { reason, soonest });
        }
        let fate = bound.map_or(BoundAccount::None, |bound| self.accounts[bound].fate(bound, question, now));
        if let (BoundAccount::Served, Some(bound)) = (fate, bound) {
            return Ok((bound, probe(&self.accounts[bound]), fate));
        }
        let best = (0..ACCOUNTS)
            .filter(|n| self.accounts[*n].fate(*n, question, now) == BoundAccount::Served)
            .min_by_key(|n| {
                let account = &self.accounts[*n];
                let (upstream, tier, limit, _) = account.present.unwrap();
                let weight = if limit == 0 { 3 } else { limit };
                let load = (u64::from(account.in_flight) << 32) / u64::from(weight);
                let order = question.upstreams.iter().position(|at| *at == upstream);
                (tier, probe(account), load, account.used, order, *n)
            });
        best.map(|best| (best, probe(&self.accounts[best]), fate)).ok_or_else(|| self.nothing(question, now))
    }

    fn nothing(&self, question: &Question<'_>, now: Millis) -> Unavailable {
        use UnavailableReason as Why;
        let here = |n: &usize| self.accounts[*n].present.is_some_and(|(at, ..)| question.upstreams.contains(&at));
        let all: Vec<usize> = (0..ACCOUNTS).filter(here).collect();
        let fates: Vec<_> = all.iter().map(|n| self.accounts[*n].fate(*n, question, now)).collect();
        let reason = if fates.contains(&BoundAccount::Busy) {
            Why::AllBusy
        } else if fates.iter().any(|fate| matches!(fate, BoundAccount::Cooling { .. })) {
            Why::AllCooling
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
        let end = |n: &usize| self.accounts[*n].locks.longest(question.family, now).map(|lock| lock.until);
        Unavailable { reason, soonest: all.iter().filter(standing_in_the_way).filter_map(end).min() }
    }

    fn reconcile(&mut self, specs: &[Option<(usize, u8, u32, bool)>]) {
        for (account, spec) in self.accounts.iter_mut().zip(specs) {
            account.present = *spec;
            if spec.is_none() && account.in_flight == 0 {
                *account = Account::default();
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
                id: id(n),
                upstream: UPSTREAMS[upstream].to_owned(),
                tier,
                concurrency,
                enabled,
                limits: Known::default(),
                project: None,
            })
        })
        .collect();
    registry.reconcile(&specs, settings);
}

fn run(ops: Vec<Op>) -> Result<(), TestCaseError> {
    let settings = Settings {
        cooldown: cooldown::Settings::default(),
        pace: pace::Settings { enabled: false, ..pace::Settings::default() },
        ..Settings::default()
    };
    let registry = Registry::new(settings);
    let mut model = Model { accounts: vec![Account::default(); ACCOUNTS], sequence: 0, settings };
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
            Op::Select { upstreams, family, tried, bound, required, not } => {
                select_both(&registry, &mut model, &mut held, (upstreams, family, &tried, bound, required, not), now)?;
            }
            Op::Drop(n) if n < held.len() => {
                let gone = held.swap_remove(n);
                let account = &mut model.accounts[gone.account];
                account.in_flight -= 1;
                if gone.probe {
                    account.locks.end_probe(gone.family);
                }
            }
            Op::Fail { lease, scope, ms, hinted, seed } if lease < held.len() => {
                let failure = Failure { hinted, ..limit(scope, ms) };
                let got = held[lease].lease.failed(&failure, now, seed);
                let expected = fail(&mut model, &held[lease], &failure, seed, now);
                prop_assert_eq!(got.map(|lock| lock.until), expected);
            }
            Op::Succeed(n) if n < held.len() => {
                let got = held[n].lease.succeeded(now);
                prop_assert_eq!(got, model.accounts[held[n].account].locks.succeeded(held[n].family, held[n].taken));
            }
            Op::Drop(_) | Op::Fail { .. } | Op::Succeed(_) => {}
        }
        for (n, account) in model.accounts.iter().enumerate() {
            let live = registry.get(&id(n)).map(|state| state.in_flight());
            prop_assert_eq!(live, account.present.map(|_| account.in_flight));
        }
    }
    Ok(())
}

fn fail(model: &mut Model, held: &Held, failure: &Failure, seed: u64, now: Millis) -> Option<Millis> {
    let family = match failure.scope {
        Scope::AccountModel => Some(held.family),
        Scope::Account => None,
        _ => return None,
    };
    model.sequence += 1;
    let (event, taken) = (model.sequence, held.taken);
    let lock = Lock { ms: failure.cooldown_ms?, hinted: failure.hinted, reason: failure.reason, taken, event, seed };
    let settings = model.settings.cooldown;
    model.accounts[held.account].locks.lock(family, lock, now, &settings).map(|lock| lock.until)
}

type Asked<'a> = (usize, usize, &'a [usize], Option<usize>, Option<usize>, usize);

fn select_both(
    registry: &Registry,
    model: &mut Model,
    held: &mut Vec<Held>,
    (mask, family, tried, bound, required, not): Asked<'_>,
    now: Millis,
) -> Result<(), TestCaseError> {
    let family = FAMILIES[family];
    // From the last to the first, so that the order of upstreams is not that of their creation.
    let upstreams: Vec<usize> = (0..3).rev().filter(|n| mask & (1 << n) != 0).collect();
    let mut attempted = Attempted::default();
    let mut question = Question { upstreams, family, tried: Vec::new(), probed: false, not };
    for one in tried {
        if let Some(lease) = held.get(*one) {
            attempted.record(&lease.lease);
            question.tried.push(lease.account);
            question.probed |= lease.probe;
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
        cost: Cost::default(),
    };
    let told = explain(registry, &ask, now).into_iter().find(|view| view.order == Some(0)).map(|view| view.id);
    let expected = model.answer(&question, bound, required, now);
    match (select(registry, &ask, now), expected) {
        (Ok(lease), Ok((account, probe, fate))) => {
            prop_assert_eq!(lease.account_id(), id(account));
            prop_assert_eq!((lease.is_probe(), lease.bound()), (probe, fate));
            prop_assert_eq!(told, Some(id(account)), "explain must tell what select does");
            model.sequence += 1;
            let settings = model.settings.cooldown;
            let state = &mut model.accounts[account];
            state.in_flight += 1;
            state.used = model.sequence;
            if probe {
                state.locks.begin_probe(family, now, &settings);
            }
            held.push(Held { lease, account, family, taken: model.sequence, probe });
        }
        (Err(got), Err(expected)) => {
            prop_assert_eq!(got, expected);
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
