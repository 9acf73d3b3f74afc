//! The pool as a whole: cases by name, then against a naive model, then with many threads.

mod model;
mod protections;
mod threads;

use super::{
    AccountSpec, Ask, Attempted, BoundAccount, Lease, Millis, Registry, Settings, Skip, Unavailable, UnavailableReason,
    explain, select,
};
use crate::limits::classify::{Failure, Fault, Reason, Retry, Scope};
use crate::limits::cooldown;
use crate::limits::pace::{Cost, Known};

const NOW: Millis = Millis(1_000_000);

fn settings() -> Settings {
    Settings {
        cooldown: cooldown::Settings { jitter_permille: 0, ..cooldown::Settings::default() },
        ..Settings::default()
    }
}

fn account(id: &str, tier: u8, concurrency: u32) -> AccountSpec {
    AccountSpec {
        id: id.to_owned(),
        upstream: "up".to_owned(),
        tier,
        concurrency,
        enabled: true,
        limits: Known::default(),
        project: None,
    }
}

fn pool(specs: &[AccountSpec]) -> Registry {
    let registry = Registry::new(settings());
    registry.reconcile(specs, settings());
    registry
}

fn three() -> Registry {
    pool(&[account("a", 1, 2), account("b", 1, 2), account("c", 2, 2)])
}

fn ask(attempted: &Attempted) -> Ask<'_> {
    Ask {
        upstreams: &["up"],
        family: "opus",
        attempted,
        bound: None,
        required: None,
        eligible: None,
        cost: Cost::default(),
    }
}

fn take(registry: &Registry) -> Result<Lease, Unavailable> {
    select(registry, &ask(&Attempted::default()), NOW)
}

fn ids(leases: &[Lease]) -> Vec<&str> {
    leases.iter().map(Lease::account_id).collect()
}

fn limit(scope: Scope, ms: u64) -> Failure {
    Failure {
        fault: Fault::Account,
        scope,
        retry: Retry::OtherAccount,
        cooldown_ms: Some(ms),
        reason: Reason::RateLimit,
        hinted: true,
    }
}

#[test]
fn tier_then_least_in_flight_then_longest_idle() {
    let registry = three();
    let mut held: Vec<Lease> = (0..6).map(|_| take(&registry).unwrap()).collect();
    assert_eq!(ids(&held), ["a", "b", "a", "b", "c", "c"]);
    let refused = take(&registry).unwrap_err();
    assert_eq!(refused, Unavailable { reason: UnavailableReason::AllBusy, soonest: None });
    held.clear();
    // `a` was used before `b`, so it is idle longer.
    assert_eq!(take(&registry).unwrap().account_id(), "a");
    assert_eq!(take(&registry).unwrap().account_id(), "b");
}

#[test]
fn load_is_relative_to_the_limit() {
    let registry = pool(&[account("small", 1, 1), account("large", 1, 4)]);
    let held: Vec<Lease> = (0..5).map(|_| take(&registry).unwrap()).collect();
    assert_eq!(ids(&held), ["small", "large", "large", "large", "large"]);
}

#[test]
fn lesson_11_the_very_next_selection_sees_a_lock() {
    let registry = three();
    let lease = take(&registry).unwrap();
    assert_eq!(lease.account_id(), "a");
    lease.failed(&limit(Scope::AccountModel, 5_000), NOW, 0);
    drop(lease);
    let held: Vec<Lease> = (0..2).map(|_| take(&registry).unwrap()).collect();
    assert_eq!(ids(&held), ["b", "b"]);
    let attempted = Attempted::default();
    let other = Ask { family: "haiku", ..ask(&attempted) };
    assert_eq!(select(&registry, &other, NOW).unwrap().account_id(), "a", "another family is free");
    assert_eq!(select(&registry, &ask(&attempted), NOW.plus(5_000)).unwrap().account_id(), "a", "the lock has ended");
}

#[test]
fn lesson_10_when_all_are_locked_the_soonest_end_is_told() {
    let registry = three();
    let mut attempted = Attempted::default();
    for ms in [90_000, 30_000, 50_000] {
        let lease = select(&registry, &ask(&attempted), NOW).unwrap();
        attempted.record(&lease);
        lease.failed(&limit(Scope::AccountModel, ms), NOW, 0);
    }
    let soonest = Some(NOW.plus(30_000));
    let same = select(&registry, &ask(&attempted), NOW).unwrap_err();
    assert_eq!(same, Unavailable { reason: UnavailableReason::AllAttempted, soonest });
    assert_eq!(take(&registry).unwrap_err(), Unavailable { reason: UnavailableReason::AllCooling, soonest });
}

#[test]
fn the_bound_account_wins_over_the_tier_and_its_fate_is_told() {
    let registry = three();
    let mut attempted = Attempted::default();
    let bound = |attempted: &Attempted, id: &str| {
        select(&registry, &Ask { bound: Some(id), ..ask(attempted) }, NOW).map(|lease| (lease.bound(), lease)).unwrap()
    };
    let (fate, first) = bound(&attempted, "c");
    assert_eq!((fate, first.account_id()), (BoundAccount::Served, "c"));
    let (_, second) = bound(&attempted, "c");
    let (fate, third) = bound(&attempted, "c");
    assert_eq!((fate, third.account_id()), (BoundAccount::Busy, "a"));
    drop((second, third));
    attempted.record(&first);
    assert_eq!(bound(&attempted, "c").0, BoundAccount::Attempted);
    first.failed(&limit(Scope::Account, 9_000), NOW, 0);
    assert_eq!(bound(&Attempted::default(), "c").0, BoundAccount::Cooling { until: NOW.plus(9_000) });
    assert_eq!(bound(&attempted, "nobody").0, BoundAccount::Gone);
    assert_eq!(take(&registry).unwrap().bound(), BoundAccount::None);
}

#[test]
fn a_required_account_is_the_only_one() {
    let registry = three();
    let attempted = Attempted::default();
    let required = |id| select(&registry, &Ask { required: Some(id), ..ask(&attempted) }, NOW);
    let reason = |id| required(id).unwrap_err().reason;
    let one = required("c").unwrap();
    let _two = required("c").unwrap();
    assert_eq!(reason("c"), UnavailableReason::AllBusy);
    one.failed(&limit(Scope::AccountModel, 8_000), NOW, 0);
    let cooling = Unavailable { reason: UnavailableReason::AllCooling, soonest: Some(NOW.plus(8_000)) };
    assert_eq!(required("c").unwrap_err(), cooling);
    assert_eq!(reason("nobody"), UnavailableReason::NoneConfigured);
    registry.suspend("a", "the token was revoked");
    assert_eq!(reason("a"), UnavailableReason::AllDisabled);
    registry.resume("a");
    assert!(required("a").is_ok());
}

#[test]
fn every_reason_for_nothing_has_its_name() {
    let attempted = Attempted::default();
    let none = pool(&[]);
    assert_eq!(take(&none).unwrap_err().reason, UnavailableReason::NoneConfigured);
    let off = pool(&[AccountSpec { enabled: false, ..account("a", 1, 1) }]);
    assert_eq!(take(&off).unwrap_err().reason, UnavailableReason::AllDisabled);
    let registry = three();
    let refuse = |_: &str| false;
    let picky = Ask { eligible: Some(&refuse), ..ask(&attempted) };
    assert_eq!(select(&registry, &picky, NOW).unwrap_err().reason, UnavailableReason::NoneEligible);
    let look = |id: &str| registry.get(id).is_some_and(|state| state.tier() == 2);
    let picky = Ask { eligible: Some(&look), ..ask(&attempted) };
    assert_eq!(select(&registry, &picky, NOW).unwrap().account_id(), "c", "the filter may look accounts up");
}

#[test]
fn a_request_ends_after_its_attempts() {
    let specs: Vec<_> = (0..100).map(|n| account(&format!("a{n}"), 1, 1)).collect();
    let registry = pool(&specs);
    let mut attempted = Attempted::default();
    let mut tries = 0;
    while let Ok(lease) = select(&registry, &ask(&attempted), NOW) {
        attempted.record(&lease);
        tries += 1;
    }
    assert_eq!(tries, super::ask::ATTEMPTS_MAX);
    assert_eq!(select(&registry, &ask(&attempted), NOW).unwrap_err().reason, UnavailableReason::AllAttempted);
}

#[test]
fn lesson_2_one_request_probes_a_long_lock_and_success_clears_it() {
    let registry = pool(&[account("a", 1, 3)]);
    take(&registry).unwrap().failed(&limit(Scope::AccountModel, 600_000), NOW, 0);
    let half = NOW.plus(300_000);
    let attempted = Attempted::default();
    assert!(select(&registry, &ask(&attempted), half.plus(0)).is_ok_and(|lease| lease.is_probe()), "dropped unjudged");
    assert_eq!(select(&registry, &ask(&attempted), half).unwrap_err().reason, UnavailableReason::AllCooling);
    let later = half.plus(150_000);
    let probe = select(&registry, &ask(&attempted), later).unwrap();
    assert!(probe.is_probe());
    assert!(select(&registry, &ask(&attempted), later.plus(100_000)).is_err(), "one at a time");
    assert!(probe.succeeded(later));
    assert!(!select(&registry, &ask(&attempted), later).unwrap().is_probe());
}

#[test]
fn lesson_4_one_request_makes_one_probe_and_only_after_free_accounts() {
    let registry = pool(&[account("a", 1, 3), account("b", 1, 3), account("free", 1, 3), account("low", 2, 3)]);
    for id in ["a", "b"] {
        registry.cool(id, Some("opus"), 600_000, Reason::QuotaExhausted, NOW);
    }
    let later = NOW.plus(400_000);
    let mut attempted = Attempted::default();
    let mut seen = Vec::new();
    while let Ok(lease) = select(&registry, &ask(&attempted), later) {
        attempted.record(&lease);
        seen.push((lease.account_id().to_owned(), lease.is_probe()));
    }
    let expected = [("free", false), ("a", true), ("low", false)];
    assert_eq!(seen, expected.map(|(id, probe)| (id.to_owned(), probe)));
}

#[test]
fn a_full_account_that_only_a_probe_could_use_is_locked_for_who_has_probed() {
    let registry = pool(&[account("a", 1, 3), account("b", 1, 1)]);
    let _slot = select(&registry, &Ask { required: Some("b"), ..ask(&Attempted::default()) }, NOW).unwrap();
    for id in ["a", "b"] {
        registry.cool(id, None, 600_000, Reason::QuotaExhausted, NOW);
    }
    let (later, soonest) = (NOW.plus(400_000), Some(NOW.plus(600_000)));
    let mut attempted = Attempted::default();
    let probe = select(&registry, &ask(&attempted), later).unwrap();
    assert!(probe.is_probe());
    let busy = select(&registry, &ask(&attempted), later).unwrap_err();
    assert_eq!(busy, Unavailable { reason: UnavailableReason::AllBusy, soonest });
    attempted.record(&probe);
    let cooling = select(&registry, &ask(&attempted), later).unwrap_err();
    assert_eq!(cooling, Unavailable { reason: UnavailableReason::AllCooling, soonest });
}

#[test]
fn a_stream_that_began_before_the_lock_does_not_clear_it() {
    let registry = pool(&[account("a", 1, 3)]);
    let (stream, refused) = (take(&registry).unwrap(), take(&registry).unwrap());
    refused.failed(&limit(Scope::AccountModel, 5_000), NOW, 0);
    assert!(!stream.succeeded(NOW.plus(10)));
    assert!(take(&registry).is_err());
}

#[test]
fn trouble_of_the_provider_locks_nobody() {
    let registry = three();
    let lease = take(&registry).unwrap();
    for scope in [Scope::Request, Scope::Provider, Scope::Model, Scope::Address] {
        assert_eq!(lease.failed(&limit(scope, 5_000), NOW, 0), None);
    }
    assert_eq!(lease.account().counts().failed, 4);
    assert!(lease.account().cooldowns(NOW).is_empty());
}

#[test]
fn a_reload_keeps_what_is_alive() {
    let registry = three();
    let lease = take(&registry).unwrap();
    lease.failed(&limit(Scope::AccountModel, 50_000), NOW, 0);
    let before = registry.get("a").unwrap();
    registry.reconcile(&[account("c", 0, 9), account("a", 1, 1)], settings());
    assert!(std::sync::Arc::ptr_eq(&before, &registry.get("a").unwrap()));
    assert_eq!((before.in_flight(), before.limit(), before.cooldowns(NOW).len()), (1, 1, 1));
    assert_eq!(take(&registry).unwrap().account_id(), "c", "the lock is still seen");
    assert!(registry.get("b").is_none());
}

#[test]
fn a_gone_account_finishes_its_leases_and_comes_back_as_itself() {
    let registry = pool(&[account("a", 1, 1)]);
    let lease = take(&registry).unwrap();
    registry.reconcile(&[], settings());
    assert_eq!(take(&registry).unwrap_err().reason, UnavailableReason::NoneConfigured);
    registry.reconcile(&[account("a", 1, 1)], settings());
    assert_eq!(take(&registry).unwrap_err().reason, UnavailableReason::AllBusy, "its slot is still in use");
    drop(lease);
    assert!(take(&registry).is_ok());
}

#[test]
fn a_limit_that_shrinks_is_kept_from_then_on() {
    let registry = pool(&[account("a", 1, 3)]);
    let mut held: Vec<Lease> = (0..3).map(|_| take(&registry).unwrap()).collect();
    registry.reconcile(&[account("a", 1, 2)], settings());
    held.pop();
    assert!(take(&registry).is_err());
    held.pop();
    assert!(take(&registry).is_ok());
}

#[test]
fn every_protection_can_be_switched_off() {
    let off =
        Settings { slots: false, cooldown: cooldown::Settings { enabled: false, ..settings().cooldown }, ..settings() };
    let registry = Registry::new(off);
    registry.reconcile(&[account("a", 1, 1)], off);
    let held: Vec<Lease> = (0..50).map(|_| take(&registry).unwrap()).collect();
    assert_eq!(held[0].failed(&limit(Scope::Account, 5_000), NOW, 0), None);
    assert!(take(&registry).is_ok());
    let unlimited = pool(&[account("a", 1, 0)]);
    let held: Vec<Lease> = (0..50).map(|_| take(&unlimited).unwrap()).collect();
    assert_eq!(held.len(), 50);
}

#[test]
fn lesson_16_locks_are_kept_across_a_restart() {
    let registry = three();
    registry.cool("a", Some("opus"), 50_000, Reason::QuotaExhausted, NOW);
    registry.cool("b", None, 20_000, Reason::Unauthorized, NOW);
    let stored = registry.export(NOW);
    assert_eq!(stored.accounts.iter().map(|account| account.cooldowns.len()).sum::<usize>(), 2);
    let again = three();
    again.import(&stored, NOW.plus(1_000));
    assert_eq!(again.export(NOW.plus(1_000)), stored);
    let attempted = Attempted::default();
    assert_eq!(select(&again, &ask(&attempted), NOW.plus(1_000)).unwrap().account_id(), "c");
    assert!(again.clear("a", Some("opus")));
    assert_eq!(select(&again, &ask(&attempted), NOW.plus(1_000)).unwrap().account_id(), "a");
}

#[test]
fn invented_families_do_not_fill_the_memory_nor_push_out_long_locks() {
    let registry = three();
    registry.cool("a", Some("opus"), 3_000_000, Reason::QuotaExhausted, NOW);
    for n in 0..1_000 {
        registry.cool("a", Some(&format!("no-such-{n}")), 60_000, Reason::ModelMissing, NOW);
    }
    let locks = registry.export(NOW).accounts.iter().map(|account| account.cooldowns.len()).sum::<usize>();
    assert!(locks <= super::registry::FAMILIES_MAX);
    assert_eq!(take(&registry).unwrap().account_id(), "b");
}

#[test]
fn a_release_wakes_who_waits() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    let registry = three();
    let woken = Arc::new(AtomicU32::new(0));
    let (counter, handle) = (Arc::clone(&woken), registry.clone());
    assert!(registry.on_release(move || {
        // No lock is held here: the hook may select.
        drop(handle.accounts());
        counter.fetch_add(1, Ordering::Relaxed);
    }));
    drop(take(&registry));
    assert_eq!(woken.load(Ordering::Relaxed), 1);
    assert!(!registry.on_release(|| {}));
}

#[test]
fn explain_says_why_each_was_passed_over() {
    let mut specs: Vec<_> = ["a", "b", "c", "d", "e", "f"].iter().map(|id| account(id, 1, 1)).collect();
    specs[4].enabled = false;
    let registry = pool(&specs);
    let mut attempted = Attempted::default();
    attempted.insert("a");
    let busy = take(&registry).unwrap();
    assert_eq!(busy.account_id(), "a");
    let _busy = take(&registry).unwrap();
    registry.cool("c", None, 7_000, Reason::Billing, NOW);
    let eligible = |id: &str| id != "d";
    let views = explain(&registry, &Ask { eligible: Some(&eligible), ..ask(&attempted) }, NOW);
    let told: Vec<_> = views.iter().map(|view| (view.id.as_str(), view.order, view.skipped.clone())).collect();
    let cooling = Skip::Cooling { reason: Reason::Billing, until: NOW.plus(7_000), next_probe: None };
    assert_eq!(
        told,
        [
            ("f", Some(0), None),
            ("a", None, Some(Skip::Attempted)),
            ("b", None, Some(Skip::Busy)),
            ("c", None, Some(cooling)),
            ("d", None, Some(Skip::NotEligible)),
            ("e", None, Some(Skip::Disabled(None))),
        ]
    );
}
