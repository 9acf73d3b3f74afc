use loom::thread;

use super::account::AccountSpec;
use super::slots::Slots;
use super::{Ask, Attempted, Lease, Millis, Registry, Settings, StoredPool, Unavailable, UnavailableReason, select};
use crate::limits::cooldown;
use crate::limits::pace::{Cost, Known};
use crate::limits::{Failure, Fault, Reason, Retry, Scope};

/// All checks by name. Each fails by a panic.
pub const ALL: &[(&str, fn())] = &[
    ("three_threads_never_have_more_slots_than_there_are", three_threads_never_have_more_slots_than_there_are),
    ("two_requests_take_and_give_back_one_slot", two_requests_take_and_give_back_one_slot),
    ("a_lease_ends_while_one_selects_and_one_reloads", a_lease_ends_while_one_selects_and_one_reloads),
    ("a_long_lock_is_probed_by_one_at_a_time", a_long_lock_is_probed_by_one_at_a_time),
    ("a_failure_is_seen_by_the_very_next_selection", a_failure_is_seen_by_the_very_next_selection),
];

const NOW: Millis = Millis(1_000_000);

fn settings() -> Settings {
    Settings {
        cooldown: cooldown::Settings { jitter_permille: 0, ..cooldown::Settings::default() },
        ..Settings::default()
    }
}

fn spec(id: &str, concurrency: u32) -> AccountSpec {
    let (id, upstream) = (id.to_owned(), "up".to_owned());
    AccountSpec { id, upstream, tier: 0, concurrency, enabled: true, limits: Known::default(), project: None }
}

fn pool(specs: &[AccountSpec]) -> Registry {
    let registry = Registry::new(settings());
    registry.reconcile(specs, settings());
    registry
}

fn take(registry: &Registry, now: Millis) -> Result<Lease, Unavailable> {
    let attempted = Attempted::default();
    let ask = Ask {
        upstreams: &["up"],
        family: "m",
        attempted: &attempted,
        bound: None,
        required: None,
        eligible: None,
        cost: Cost::default(),
    };
    select(registry, &ask, now)
}

fn quota() -> Failure {
    Failure {
        fault: Fault::Account,
        scope: Scope::AccountModel,
        retry: Retry::OtherAccount,
        cooldown_ms: Some(600_000),
        reason: Reason::QuotaExhausted,
        hinted: true,
    }
}

fn three_threads_never_have_more_slots_than_there_are() {
    loom::model(|| {
        let slots = loom::sync::Arc::new(Slots::new(2));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let slots = slots.clone();
                thread::spawn(move || {
                    if slots.reserve(true) {
                        assert!(slots.in_flight() <= 2);
                        slots.give_back();
                    }
                })
            })
            .collect();
        let mine = slots.reserve(true);
        assert!(slots.in_flight() <= 2);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        if mine {
            slots.give_back();
        }
        assert_eq!(slots.in_flight(), 0);
        assert!(slots.reserve(true) && slots.reserve(true) && !slots.reserve(true));
    });
}

fn two_requests_take_and_give_back_one_slot() {
    loom::model(|| {
        let registry = pool(&[spec("a", 1)]);
        let other = registry.clone();
        let thread = thread::spawn(move || match take(&other, NOW) {
            Ok(lease) => assert_eq!(lease.account().in_flight(), 1),
            Err(refused) => assert_eq!(refused.reason, UnavailableReason::AllBusy),
        });
        if let Ok(lease) = take(&registry, NOW) {
            assert_eq!(lease.account().in_flight(), 1);
        }
        thread.join().unwrap();
        assert!(take(&registry, NOW).is_ok(), "the slot is back");
    });
}

fn a_lease_ends_while_one_selects_and_one_reloads() {
    loom::model(|| {
        let registry = pool(&[spec("a", 1), spec("b", 1)]);
        let lease = take(&registry, NOW).unwrap();
        let (selecting, reloading) = (registry.clone(), registry.clone());
        let selects = thread::spawn(move || drop(take(&selecting, NOW)));
        let reloads = thread::spawn(move || {
            reloading.reconcile(&[spec("b", 1)], settings());
            reloading.reconcile(&[spec("b", 1), spec("a", 1)], settings());
        });
        drop(lease);
        selects.join().unwrap();
        reloads.join().unwrap();
        let all = [take(&registry, NOW).unwrap(), take(&registry, NOW).unwrap()];
        assert_ne!(all[0].account_id(), all[1].account_id());
        assert!(take(&registry, NOW).is_err());
    });
}

fn a_long_lock_is_probed_by_one_at_a_time() {
    loom::model(|| {
        let registry = pool(&[spec("a", 3)]);
        take(&registry, NOW).unwrap().failed(&quota(), NOW, 0);
        let (other, later) = (registry.clone(), NOW.plus(300_000));
        let thread = thread::spawn(move || take(&other, later));
        let mine = take(&registry, later);
        let theirs = thread.join().unwrap();
        assert_eq!(u8::from(mine.is_ok()) + u8::from(theirs.is_ok()), 1);
        for probe in [mine, theirs].into_iter().flatten() {
            assert!(probe.is_probe() && probe.succeeded(later));
        }
        assert!(!take(&registry, later).unwrap().is_probe());
    });
}

fn a_failure_is_seen_by_the_very_next_selection() {
    loom::model(|| {
        let registry = pool(&[spec("a", 2)]);
        let lease = take(&registry, NOW).unwrap();
        let other = registry.clone();
        let thread = thread::spawn(move || take(&other, NOW).is_ok());
        lease.failed(&quota(), NOW, 0);
        assert!(take(&registry, NOW).is_err());
        thread.join().unwrap();
        drop(lease);
        assert_eq!(registry.export(NOW).accounts.len(), 1);
        registry.import(&StoredPool::default(), NOW);
    });
}
