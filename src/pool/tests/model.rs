//! The registry against a model that walks everything.

mod naive;

use proptest::prelude::*;

use self::naive::{Account, Model, Question, fail, id, known, meter, project, succeed};

use super::{
    AccountSpec, Ask, Attempted, Failure, Lease, Millis, Registry, Scope, Settings, UnavailableReason, explain, limit,
    select,
};
use crate::breaker::{Circuit, circuit};
use crate::limits::allowance::Allowance;
use crate::limits::classify::{Fault, Reason};
use crate::limits::cooldown;
use crate::limits::overload::Ceiling;
use crate::limits::pace::{Charge, Cost, Terms};

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
    Left(usize, Option<usize>, u8),
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
        3 => (0..ACCOUNTS, proptest::option::of(0..3_usize), 0..=10_u8)
            .prop_map(|(id, family, tenths)| Op::Left(id, family, tenths)),
        1 => proptest::collection::vec(spec, ACCOUNTS).prop_map(Op::Reconcile),
        5 => prop_oneof![0..3_000_u64, 20_000..400_000_u64].prop_map(Op::Step),
    ]
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
            Op::Left(n, family, spent) => {
                let (family, left) = (family.map(|family| FAMILIES[family]), 1.0 - (f64::from(spent) + 0.5) / 10.0);
                // It is told again when it ends.
                let until = now.plus(1_000_000_000);
                registry.note_left(&id(n), family, left, until, now);
                if model.accounts[n].present.is_some() {
                    let account = &mut model.accounts[n];
                    match family {
                        Some(family) => _ = account.own.insert(family, spent),
                        None => account.spent = spent,
                    }
                }
            }
            Op::Clear(n, family) => {
                let family = family.map(|family| FAMILIES[family]);
                registry.clear(&id(n), family);
                if model.accounts[n].present.is_some() {
                    let account = &mut model.accounts[n];
                    if account.locks.reason(family) == Some(Reason::RateLimit) {
                        account.paces.forget(family);
                    }
                    account.locks.clear(family);
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
                prop_assert_eq!(got, succeed(&mut model, &mut held[n], now));
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
