//! Pace, breaker, ceiling, projects and forgiveness in one selection.

use super::{
    AccountSpec, Ask, Attempted, BoundAccount, Failure, Fault, Lease, Millis, NOW, Reason, Registry, Retry, Scope,
    Skip, UnavailableReason, account, ask, explain, ids, limit, pool, select, settings, take, three,
};
use crate::breaker::CircuitState;
use crate::limits::allowance::{Allowance, Meter};
use crate::limits::cooldown::Standing;
use crate::limits::pace::{Cost, Known};
use crate::limits::{Defaults, Refusals, Transport, classify};
use crate::pool::StoredPool;
use crate::pool::pass;
use interlingua_filters::Dialect;

fn trouble() -> Failure {
    classify(Dialect::Anthropic, Some(500), None, None, None, &Defaults::default())
}

fn with_limits(id: &str, requests: Option<u64>, tokens: Option<u64>) -> AccountSpec {
    AccountSpec { limits: Known { requests, tokens }, ..account(id, 1, 9) }
}

fn want(registry: &Registry, tokens: u64, now: Millis) -> Result<Lease, super::Unavailable> {
    select(registry, &Ask { cost: Cost { tokens }, ..ask(&Attempted::default()) }, now)
}

fn break_account(registry: &Registry, id: &str, now: Millis) {
    for _ in 0..5 {
        let attempted = Attempted::default();
        let lease = select(registry, &Ask { required: Some(id), ..ask(&attempted) }, now).unwrap();
        assert_eq!(lease.failed(&trouble(), now, 0), None);
    }
}

#[test]
fn requests_go_where_there_is_room_and_the_exact_moment_is_told() {
    let registry = pool(&[with_limits("a", Some(2), None), with_limits("b", Some(3), None)]);
    let held: Vec<Lease> = (0..5).map(|_| want(&registry, 0, NOW).unwrap()).collect();
    assert_eq!(ids(&held), ["a", "b", "a", "b", "b"]);
    let refused = want(&registry, 0, NOW).unwrap_err();
    assert_eq!(refused.reason, UnavailableReason::AllPaced);
    let soonest = refused.soonest.unwrap();
    drop(held);
    assert!(want(&registry, 0, Millis(soonest.0 - 1)).is_err());
    let lease = want(&registry, 0, soonest).unwrap();
    assert_eq!(lease.pause_ms(), 100, "the rest of the wait is a pause");
}

#[test]
fn a_large_prompt_passes_over_those_that_have_room_for_small_ones_only() {
    let registry = pool(&[with_limits("a", None, Some(1_000)), with_limits("b", None, Some(10_000))]);
    drop(want(&registry, 900, NOW).unwrap());
    drop(want(&registry, 900, NOW).unwrap());
    let attempted = Attempted::default();
    let large = Ask { cost: Cost { tokens: 5_000 }, bound: Some("a"), ..ask(&attempted) };
    let skipped = explain(&registry, &large, NOW).into_iter().find(|view| view.id == "a").unwrap().skipped;
    let Some(Skip::Paced { until }) = skipped else { panic!("{skipped:?}") };
    let lease = select(&registry, &large, NOW).unwrap();
    assert_eq!((lease.account_id(), lease.bound()), ("b", BoundAccount::Paced { until }));
    assert_eq!(want(&registry, 50, NOW).unwrap().account_id(), "a");
    lease.settle(10, NOW);
    assert_eq!(want(&registry, 5_000, NOW).unwrap().account_id(), "b", "seen by the very next selection");
}

#[test]
fn headers_close_and_open_an_account_at_once() {
    let registry = pool(&[account("a", 1, 9)]);
    let lease = take(&registry).unwrap();
    let told = |remaining, reset_ms| Allowance {
        requests: Some(Meter { limit: Some(60), remaining: Some(remaining), reset_ms: Some(reset_ms) }),
        ..Allowance::default()
    };
    lease.told(&told(0, 30_000), NOW);
    assert_eq!(take(&registry).unwrap_err().soonest, Some(NOW.plus(29_900)));
    assert!(matches!(lease.account().standing("opus", NOW), Standing::Closed { .. }));
    assert_eq!(lease.account().standing("haiku", NOW), Standing::Open);
    lease.told(&told(40, 20_000), NOW);
    assert!(take(&registry).is_ok());
}

#[test]
fn a_broken_account_is_left_out_tried_by_one_and_closed_by_a_success() {
    let registry = pool(&[account("a", 0, 3), account("b", 1, 9)]);
    break_account(&registry, "a", NOW);
    assert_eq!(registry.get("a").unwrap().circuit(NOW).state, CircuitState::Open);
    assert_eq!(take(&registry).unwrap().account_id(), "b");
    let half = NOW.plus(30_000);
    let attempted = Attempted::default();
    let probe = select(&registry, &ask(&attempted), half).unwrap();
    assert!(probe.is_probe() && probe.account_id() == "a");
    assert_eq!(select(&registry, &ask(&attempted), half).unwrap().account_id(), "b", "one at a time");
    drop(probe);
    let probe = select(&registry, &ask(&attempted), half).unwrap();
    assert_eq!(probe.account_id(), "a", "a try without a verdict wedges nothing");
    assert!(probe.succeeded(half));
    assert_eq!(registry.get("a").unwrap().circuit(half).state, CircuitState::Closed);
}

#[test]
fn with_nobody_else_a_broken_account_is_tried_but_seldom() {
    let registry = pool(&[account("a", 0, 3)]);
    break_account(&registry, "a", NOW);
    let soon = NOW.plus(500);
    let refused = select(&registry, &ask(&Attempted::default()), soon).unwrap_err();
    assert_eq!((refused.reason, refused.soonest), (UnavailableReason::AllBroken, Some(NOW.plus(1_000))));
    let last = select(&registry, &ask(&Attempted::default()), NOW.plus(1_000)).unwrap();
    assert!(last.is_last_resort() && last.is_probe());
    last.failed(&trouble(), NOW.plus(1_001), 0);
    drop(last);
    assert!(select(&registry, &ask(&Attempted::default()), NOW.plus(1_999)).is_err());
    let last = select(&registry, &ask(&Attempted::default()), NOW.plus(2_000)).unwrap();
    assert!(last.succeeded(NOW.plus(2_001)));
    assert!(!select(&registry, &ask(&Attempted::default()), NOW.plus(2_002)).unwrap().is_probe());
}

#[test]
fn a_reachable_upstream_and_the_operator_open_breakers() {
    let registry = pool(&[AccountSpec { upstream: "up+west".to_owned(), ..account("a", 0, 3) }]);
    let attempted = Attempted::default();
    let here = Ask { upstreams: &["up+west"], ..ask(&attempted) };
    for _ in 0..5 {
        select(&registry, &here, NOW).unwrap().failed(&trouble(), NOW, 0);
    }
    assert_eq!(registry.note_reachable(&["east"], NOW), 0);
    assert!(select(&registry, &here, NOW).is_err());
    assert_eq!(registry.note_reachable(&["west"], NOW), 1);
    assert!(select(&registry, &here, NOW).unwrap().is_probe());
    assert!(registry.reset_breaker("a"));
    assert!(!select(&registry, &here, NOW).unwrap().is_probe());
}

#[test]
fn lesson_14_an_overloaded_upstream_gets_fewer_at_a_time_and_nobody_is_locked() {
    let registry = three();
    let held: Vec<Lease> = (0..6).map(|_| take(&registry).unwrap()).collect();
    let overloaded = classify(Dialect::Anthropic, Some(529), None, None, None, &Defaults::default());
    for lease in &held {
        assert_eq!(lease.failed(&overloaded, NOW, 0), None);
    }
    assert_eq!(registry.ceilings(NOW)[0].ceiling, Some(3));
    drop(held);
    let held: Vec<Lease> = (0..3).map(|_| take(&registry).unwrap()).collect();
    assert_eq!(take(&registry).unwrap_err().reason, UnavailableReason::AllBusy, "who comes now waits in line");
    let attempted = Attempted::default();
    assert!(explain(&registry, &ask(&attempted), NOW).iter().any(|view| view.skipped == Some(Skip::Overloaded)));
    let bound = select(&registry, &Ask { required: Some("a"), ..ask(&attempted) }, NOW).unwrap_err();
    assert_eq!(bound.reason, UnavailableReason::AllBusy);
    for lease in &held {
        lease.succeeded(NOW);
    }
    assert!(take(&registry).is_ok(), "three successes: one more");
    assert!(select(&registry, &ask(&attempted), NOW.plus(60_000)).is_ok());
    assert_eq!(registry.get("a").unwrap().circuit(NOW).failures, 0);
}

#[test]
fn lesson_1_a_poisoned_request_stops_and_locks_nobody() {
    let specs: Vec<_> = (0..6).map(|n| with_limits(&format!("a{n}"), Some(100), None)).collect();
    let registry = pool(&specs);
    let (mut refusals, mut attempted, mut seen) = (Refusals::default(), Attempted::default(), Vec::new());
    let failure = limit(Scope::AccountModel, 30_000);
    loop {
        let lease = select(&registry, &ask(&attempted), NOW).unwrap();
        assert!(lease.failed(&failure, NOW, 0).is_some());
        attempted.record(&lease);
        seen.push((lease.account_id().to_owned(), lease.event()));
        if refusals.stops("up", lease.account_id(), &failure, lease.surprised(&failure)) {
            break;
        }
    }
    assert_eq!(seen.len(), 3);
    for (id, event) in &seen {
        assert!(registry.forgive(id, "opus", *event, NOW));
        assert!(!registry.forgive(id, "opus", *event, NOW), "once");
    }
    assert!(registry.accounts().iter().all(|state| state.cooldowns(NOW).is_empty()));
}

#[test]
fn accounts_that_are_truly_exhausted_do_not_stop_the_walk() {
    let specs: Vec<_> = (0..6).map(|n| with_limits(&format!("a{n}"), Some(10), None)).collect();
    let registry = pool(&specs);
    drop((0..48).map(|_| take(&registry).unwrap()).collect::<Vec<_>>());
    let (mut refusals, mut attempted) = (Refusals::default(), Attempted::default());
    let failure = limit(Scope::AccountModel, 30_000);
    while let Ok(lease) = select(&registry, &ask(&attempted), NOW) {
        lease.failed(&failure, NOW, 0);
        attempted.record(&lease);
        assert!(!refusals.stops("up", lease.account_id(), &failure, lease.surprised(&failure)));
    }
    assert_eq!(attempted.len(), 6);
}

#[test]
fn a_lock_that_something_else_confirms_is_not_forgiven_and_what_was_before_comes_back() {
    let registry = pool(&[account("a", 1, 9)]);
    let (one, two) = (take(&registry).unwrap(), take(&registry).unwrap());
    let bare = Failure { hinted: false, ..limit(Scope::AccountModel, 5_000) };
    one.failed(&bare, NOW, 0);
    two.failed(&bare, NOW, 0);
    assert!(!registry.forgive("a", "opus", one.event(), NOW), "the other says so too");
    two.failed(&limit(Scope::AccountModel, 600_000), NOW, 0);
    assert!(registry.forgive("a", "opus", two.event(), NOW));
    let (_, lock) = registry.get("a").unwrap().cooldowns(NOW).remove(0);
    assert_eq!(lock.until, NOW.plus(5_000));
    assert!(!registry.forgive("a", "opus", 0, NOW) && !registry.forgive("nobody", "opus", 9, NOW));
}

#[test]
fn accounts_of_one_project_rest_together_for_limits_alone() {
    let spec = |id: &str, project: &str| AccountSpec { project: Some(project.to_owned()), ..account(id, 1, 9) };
    let specs = [spec("a", "p"), spec("b", "p"), spec("c", "q")];
    let registry = pool(&specs);
    let locked = |registry: &Registry| {
        let states = registry.accounts();
        states
            .iter()
            .filter(|state| !state.cooldowns(NOW).is_empty())
            .map(|state| state.id().to_owned())
            .collect::<Vec<_>>()
    };
    let lease = take(&registry).unwrap();
    lease.failed(&limit(Scope::AccountModel, 30_000), NOW, 0);
    assert_eq!(locked(&registry), ["a", "b"]);
    assert!(registry.forgive("a", "opus", lease.event(), NOW));
    assert!(locked(&registry).is_empty(), "forgiven together");
    let key = Failure { reason: Reason::KeyInvalid, hinted: false, ..limit(Scope::Account, 30_000) };
    lease.failed(&key, NOW, 0);
    assert_eq!(locked(&registry), ["a"], "a key is one account's own");
    let alone = crate::pool::Settings { shared_projects: false, ..settings() };
    let registry = Registry::new(alone);
    registry.reconcile(&specs, alone);
    take(&registry).unwrap().failed(&limit(Scope::AccountModel, 30_000), NOW, 0);
    assert_eq!(locked(&registry), ["a"]);
}

#[test]
fn lesson_13_a_figure_does_not_clear_what_a_refusal_set_but_one_may_see() {
    let registry = pool(&[account("a", 1, 9)]);
    let quota = Failure { reason: Reason::QuotaExhausted, ..limit(Scope::AccountModel, 900_000) };
    take(&registry).unwrap().failed(&quota, NOW, 0);
    assert!(!registry.note_quota("a", "opus", Millis(NOW.0 - 1), NOW.plus(5)), "asked before the refusal");
    assert!(take(&registry).is_err());
    assert!(registry.note_quota("a", "opus", NOW.plus(1), NOW.plus(5)));
    let attempted = Attempted::default();
    let probe = select(&registry, &ask(&attempted), NOW.plus(5)).unwrap();
    assert!(probe.is_probe() && select(&registry, &ask(&attempted), NOW.plus(5)).is_err());
    assert!(probe.succeeded(NOW.plus(9)));
    assert!(select(&registry, &ask(&attempted), NOW.plus(9)).is_ok());
}

#[test]
fn a_retry_on_the_same_lease_is_a_new_attempt() {
    let registry = pool(&[with_limits("a", Some(100), None)]);
    let lease = take(&registry).unwrap();
    lease.failed(&limit(Scope::AccountModel, 90_000), NOW, 0);
    lease.again(NOW.plus(1_000));
    assert_eq!(lease.account().paces(NOW.plus(1_000))[0].requests.last_minute, 2);
    assert!(lease.succeeded(NOW.plus(1_500)), "sent after the lock was set");
}

#[test]
fn what_is_learned_is_kept_across_a_restart() {
    let registry = pool(&[with_limits("a", Some(2), None), account("b", 1, 9), account("c", 2, 9)]);
    drop((0..2).map(|_| select(&registry, &Ask { required: Some("a"), ..ask(&Attempted::default()) }, NOW).unwrap()));
    for _ in 0..2 {
        drop(select(&registry, &Ask { required: Some("a"), ..ask(&Attempted::default()) }, NOW));
    }
    break_account(&registry, "b", NOW);
    registry.cool("c", Some("haiku"), 50_000, Reason::QuotaExhausted, NOW);
    let text = serde_json::to_string(&registry.export(NOW)).unwrap();
    let text = text.replacen(r#"{"id":"#, r#"{"of_the_future":{"x":1},"id":"#, 1);
    let again = pool(&[with_limits("a", Some(2), None), account("b", 1, 9), account("c", 2, 9)]);
    again.import(&serde_json::from_str::<StoredPool>(&text).unwrap(), NOW.plus(1));
    assert_eq!(again.export(NOW.plus(1)), registry.export(NOW.plus(1)));
    let attempted = Attempted::default();
    assert_eq!(select(&again, &ask(&attempted), NOW.plus(1)).unwrap().account_id(), "c");
    let haiku = Ask { family: "haiku", ..ask(&attempted) };
    assert_eq!(select(&again, &haiku, NOW.plus(1)).unwrap().account_id(), "a", "paces are of one family");
    again.import(&serde_json::from_str(r#"{"accounts":[{"id":"nobody"},{}]}"#).unwrap(), NOW);
}

#[test]
fn a_suspension_and_a_ceiling_are_kept_across_a_restart() {
    let specs = [account("a", 1, 9), account("b", 1, 9)];
    let registry = pool(&specs);
    registry.suspend_for("a", "the refresh token was revoked", 7);
    let held: Vec<Lease> = (0..8).map(|_| take(&registry).unwrap()).collect();
    let overloaded = Failure { reason: Reason::Overloaded, cooldown_ms: None, ..limit(Scope::Provider, 1) };
    held[0].failed(&overloaded, NOW, 0);
    let ceiling = |registry: &Registry, now| registry.ceilings(now)[0].ceiling;
    assert_eq!(ceiling(&registry, NOW), Some(4));
    let text = serde_json::to_string(&registry.export(NOW)).unwrap();
    let stored: StoredPool = serde_json::from_str(&text).unwrap();
    let again = pool(&specs);
    again.import(&stored, NOW.plus(1));
    assert_eq!(again.export(NOW.plus(1)), stored);
    assert_eq!(again.get("a").unwrap().suspended().as_deref(), Some("the refresh token was revoked"));
    assert_eq!((ceiling(&again, NOW.plus(1)), ceiling(&again, NOW.plus(60_000))), (Some(4), None));
    let leases: Vec<Lease> = (0..4).map(|_| take(&again).unwrap()).collect();
    assert!(leases.iter().all(|lease| lease.account_id() == "b"));
    assert_eq!(take(&again).unwrap_err().reason, UnavailableReason::AllBusy);
    assert!(again.resume("a") && again.export(NOW.plus(1)).accounts.iter().all(|one| one.suspended.is_none()));
}

#[test]
fn what_is_known_of_an_account_is_given_to_it_when_it_appears() {
    let registry = pool(&[account("a", 1, 9)]);
    registry.cool("a", Some("opus"), 50_000, Reason::QuotaExhausted, NOW);
    registry.suspend("a", "by test");
    let stored = registry.export(NOW);
    let again = pool(&[account("b", 1, 9)]);
    again.import(&stored, NOW);
    assert_eq!(again.export(NOW.plus(1)), stored, "nothing is lost while it is away");
    again.reconcile(&[account("b", 2, 9), account("a", 1, 9)], settings());
    assert_eq!(again.get("a").unwrap().suspended().as_deref(), Some("by test"));
    again.resume("a");
    let attempted = Attempted::default();
    assert_eq!(select(&again, &ask(&attempted), NOW.plus(2)).unwrap().account_id(), "b", "its lock is there at once");
    again.reconcile(&[account("b", 2, 9)], settings());
    assert_eq!(again.export(NOW.plus(3)).accounts[0].cooldowns, stored.accounts[0].cooldowns, "gone once more");
    again.reconcile(&[account("b", 2, 9), account("a", 1, 9)], settings());
    assert_eq!(select(&again, &ask(&attempted), NOW.plus(4)).unwrap().account_id(), "b");
    again.reconcile(&[account("b", 2, 9)], settings());
    again.export(NOW.plus(5));
    assert_eq!(again.export(NOW.plus(30 * 86_400_000 + 5)).accounts, [], "it ages");
}

#[test]
fn among_equals_the_account_with_the_most_quota_is_taken() {
    let registry = pool(&[account("a", 1, 9), account("b", 1, 9), account("c", 2, 9)]);
    let first = |family: &str| {
        let attempted = Attempted::default();
        let lease = select(&registry, &Ask { family, ..ask(&attempted) }, NOW).unwrap();
        lease.account_id().to_owned()
    };
    let until = NOW.plus(3_600_000);
    assert!(registry.note_left("a", None, 0.45, until, NOW) && !registry.note_left("a", None, 0.43, until, NOW));
    registry.note_left("b", None, 0.85, until, NOW);
    assert_eq!([first("opus"), first("opus"), first("haiku")], ["b", "b", "b"]);
    registry.note_left("b", Some("opus"), 0.05, until, NOW);
    assert_eq!([first("opus"), first("haiku")], ["a", "b"], "one family's own quota is not that of others");
    registry.note_left("c", None, 1.0, until, NOW);
    assert_eq!(first("opus"), "a", "the tier counts more");
    let held = take(&registry).unwrap();
    assert_eq!((held.account_id(), first("opus").as_str()), ("a", "b"), "and so does the load");
    drop(held);
    registry.note_left("a", None, 1.0, until, NOW);
    registry.note_left("b", None, 1.0, until, NOW);
    registry.note_left("b", Some("opus"), 1.0, until, NOW);
    assert_ne!(first("opus"), first("opus"), "with the same left, the one that is idle longer");
}

#[test]
fn transport_failures_open_a_breaker_and_the_request_s_own_faults_do_not() {
    let registry = pool(&[account("a", 1, 9)]);
    let reset = classify(Dialect::Gemini, None, None, None, Some(Transport::Reset), &Defaults::default());
    let bad =
        Failure { fault: Fault::Client, retry: Retry::No, reason: Reason::BadRequest, ..limit(Scope::Request, 1) };
    for _ in 0..20 {
        take(&registry).unwrap().failed(&bad, NOW, 0);
    }
    for n in 0..5 {
        assert_eq!(registry.get("a").unwrap().circuit(NOW).failures, n);
        take(&registry).unwrap().failed(&reset, NOW, 0);
    }
    assert!(take(&registry).is_err());
}

/// Both accounts were refused twice, 30 s apart, after 30 requests: one comes back in a second.
fn two_with_learned_limits() -> (Registry, Millis) {
    let registry = pool(&[account("a", 1, 9), account("b", 1, 9)]);
    let attempted = Attempted::default();
    let bare = Failure { hinted: false, cooldown_ms: None, ..limit(Scope::AccountModel, 0) };
    for (from, apart) in [(NOW, 0), (NOW.plus(27_000), 100)] {
        for (n, id) in (0..31).flat_map(|n| [(n, "a"), (n, "b")]) {
            let now = from.plus(n * apart);
            let lease = select(&registry, &Ask { required: Some(id), ..ask(&attempted) }, now).unwrap();
            if n == 30 {
                assert_eq!(lease.failed(&bare, now, 0), None);
            } else {
                lease.succeeded(now);
            }
        }
    }
    (registry, NOW.plus(30_000))
}

#[test]
fn a_limit_that_nobody_named_is_passed_by_one_request_before_a_client_is_refused() {
    let (registry, now) = two_with_learned_limits();
    let attempted = Attempted::default();
    let ask = ask(&attempted);
    let why = select(&registry, &ask, now).unwrap_err();
    assert_eq!((why.reason, why.soonest), (UnavailableReason::AllPaced, Some(now.plus(900))));
    assert_eq!(pass(&registry, &ask, why, now).unwrap_err(), why, "both have refused just now");
    let fill = |now| drop(std::iter::from_fn(|| select(&registry, &ask, now).ok()).collect::<Vec<_>>());
    let later = now.plus(6_000);
    fill(later);
    let one = pass(&registry, &ask, why, later).unwrap();
    let other = pass(&registry, &ask, why, later).unwrap();
    assert!(one.is_pass() && one.account_id() != other.account_id());
    assert!(pass(&registry, &ask, why, later).is_err(), "one at a time on each");
    one.succeeded(later);
    let again = pass(&registry, &ask, why, later).unwrap();
    assert_eq!(again.account_id(), one.account_id(), "it was served: the limit is higher");
    let required = Ask { required: Some("nobody"), ..ask };
    assert!(pass(&registry, &required, why, later).is_err());
    let known = pool(&[with_limits("a", Some(1), None)]);
    drop(want(&known, 0, NOW).unwrap());
    let why = want(&known, 0, NOW).unwrap_err();
    assert!(pass(&known, &ask, why, NOW).is_err(), "a limit that somebody named is never passed");
}

#[test]
fn an_account_whose_cooldown_is_cleared_by_hand_takes_requests_at_once() {
    let registry = pool(&[account("a", 1, 9)]);
    let lease = want(&registry, 0, NOW).unwrap();
    let empty = Meter { limit: Some(60), remaining: Some(0), reset_ms: Some(60_000) };
    lease.told(&Allowance { requests: Some(empty), ..Allowance::default() }, NOW);
    assert!(lease.failed(&limit(Scope::AccountModel, 60_000), NOW, 0).is_some());
    assert!(want(&registry, 0, NOW).is_err());
    assert!(registry.clear("a", Some(lease.family())));
    assert_eq!(want(&registry, 0, NOW).unwrap().account_id(), "a");
}
