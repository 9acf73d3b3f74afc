use std::sync::Barrier;
use std::thread;

use super::{Attempted, Lease, NOW, Scope, account, ask, limit, pool, select, take};
use crate::limits::allowance::{Allowance, Meter};
use crate::limits::classify::{Failure, Fault, Reason};
use crate::limits::pace::Cost;
use crate::pool::{Ask, Registry, explain};

fn in_flight(registry: &Registry) -> Vec<u32> {
    registry.accounts().iter().map(|state| state.in_flight()).collect()
}

#[test]
fn parallel_requests_spread_evenly_and_never_pass_the_limit() {
    let specs: Vec<_> = (0..7).map(|n| account(&format!("a{n}"), 1, 3)).collect();
    let registry = pool(&specs);
    for round in 1..=20_usize {
        let start = Barrier::new(8);
        let held: Vec<Lease> = thread::scope(|scope| {
            let many: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        (0..round % 4).filter_map(|_| take(&registry).ok()).collect::<Vec<Lease>>()
                    })
                })
                .collect();
            many.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let counts = in_flight(&registry);
        assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{counts:?}");
        assert_eq!(counts.iter().sum::<u32>() as usize, held.len());
        assert_eq!(held.len(), (8 * (round % 4)).min(21));
    }
    assert_eq!(in_flight(&registry), [0; 7]);
}

fn broken() -> Failure {
    Failure { cooldown_ms: None, fault: Fault::Provider, reason: Reason::ProviderError, ..limit(Scope::Request, 1) }
}

fn told(remaining: u64) -> Allowance {
    let meter = Meter { limit: Some(90), remaining: Some(remaining), reset_ms: Some(30_000) };
    Allowance { requests: Some(meter), ..Allowance::default() }
}

#[test]
fn no_slot_is_lost_whatever_happens_at_once() {
    let specs: Vec<_> = (0..10).map(|n| account(&format!("a{n}"), n % 3, 3)).collect();
    let registry = pool(&specs);
    thread::scope(|scope| {
        for worker in 0..6_u64 {
            let (registry, specs) = (&registry, &specs);
            scope.spawn(move || {
                let mut held = Vec::new();
                for n in 0..3_000_u64 {
                    let now = NOW.plus(n * 10);
                    let family = ["opus", "haiku"][(n % 2) as usize];
                    let attempted = Attempted::default();
                    let cost = Cost { tokens: n % 900 };
                    if let Ok(lease) = select(registry, &Ask { family, cost, ..ask(&attempted) }, now) {
                        assert!(lease.account().in_flight() <= 3);
                        match (n * 7 + worker) % 11 {
                            0 => drop(lease.failed(&limit(Scope::AccountModel, 50), now, n)),
                            1 => drop(lease.failed(&limit(Scope::Account, 50), now, n)),
                            2 => drop(lease.succeeded(now)),
                            3 => drop(lease.failed(&broken(), now, n)),
                            4 => lease.told(&told(n % 90), now),
                            5 => lease.settle(n % 700, now),
                            6 => drop(lease.again(now)),
                            _ => {}
                        }
                        held.push(lease);
                    }
                    if held.len() > 3 {
                        drop(held.remove((n % 3) as usize));
                    }
                    if worker == 0 && n % 100 == 0 {
                        // Half of the accounts go and come back.
                        let keep = if n % 200 == 0 { &specs[..5] } else { &specs[..] };
                        registry.reconcile(keep, super::settings());
                    }
                }
            });
        }
    });
    registry.reconcile(&specs, super::settings());
    assert_eq!(in_flight(&registry), [0; 10]);
    assert_eq!(registry.ceilings(NOW)[0].in_flight, 0);
    assert!(specs.iter().all(|spec| registry.reset_breaker(&spec.id)));
    let attempted = Attempted::default();
    let views = explain(&registry, &ask(&attempted), NOW.plus(10_000_000));
    assert!(views.iter().all(|view| view.skipped.is_none()));
    let later = NOW.plus(10_000_000);
    // Each in a minute of its own: what was learned of limits does not matter then.
    let all: Vec<_> =
        (0..60).filter_map(|n| select(&registry, &ask(&attempted), later.plus(n * 61_000)).ok()).collect();
    assert_eq!(all.len(), 30, "every slot can be taken again");
}

/// `cargo nextest run --release -p interlingua --run-ignored only selection_is_fast --no-capture`
#[test]
#[ignore = "prints a time; run it in release"]
fn selection_is_fast_with_900_of_1000_locked() {
    const ROUNDS: u32 = 200_000;
    let specs: Vec<_> = (0..1_000).map(|n| account(&format!("account-{n:04}"), (n % 5) as u8, 3)).collect();
    let registry = pool(&specs);
    for n in 0..900 {
        registry.cool(&format!("account-{n:04}"), Some("opus"), 3_000_000, Reason::QuotaExhausted, NOW);
    }
    let attempted = Attempted::default();
    let mut held: std::collections::VecDeque<Lease> = (0..150).filter_map(|_| take(&registry).ok()).collect();
    let start = std::time::Instant::now();
    for _ in 0..ROUNDS {
        held.pop_front();
        held.extend(select(&registry, &ask(&attempted), NOW).ok());
    }
    let each = start.elapsed() / ROUNDS;
    println!("select and release: {each:?}");
    for n in 0..15 {
        registry.cool("account-0000", Some(&format!("family-{n}")), 3_000_000, Reason::RateLimit, NOW);
    }
    let start = std::time::Instant::now();
    for _ in 0..ROUNDS {
        held.pop_front();
        held.extend(select(&registry, &ask(&attempted), NOW).ok());
    }
    println!("select and release, 16 families with locks: {:?}", start.elapsed() / ROUNDS);
    held.clear();
    for n in 900..1_000 {
        registry.cool(&format!("account-{n:04}"), Some("opus"), 3_000_000, Reason::QuotaExhausted, NOW);
    }
    let start = std::time::Instant::now();
    for _ in 0..ROUNDS {
        assert!(select(&registry, &ask(&attempted), NOW).is_err());
    }
    println!("all locked: {:?}", start.elapsed() / ROUNDS);
    assert!(each.as_micros() < 50, "a walk over the locked ones has come back: {each:?}");
}
