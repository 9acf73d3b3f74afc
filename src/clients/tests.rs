//! Clients against simple models of what they may.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;

use super::rate::Rate;
use super::*;

const NOON: Millis = Millis(1_800_014_400_000);
const DAY_MS: u64 = 86_400_000;

/// Limits of which a token drains in whole nanoseconds, so that the model needs no rounding.
const ROUND: [u64; 8] = [1, 2, 3, 10, 60, 600, 60_000, 1_000_000];

/// A token bucket as a textbook has it: filled step by step, in tokens times nanoseconds of a minute.
struct Bucket {
    level: i128,
    limit: i128,
    at: u64,
}

impl Bucket {
    const MINUTE: i128 = 60_000_000_000;

    fn new(limit: u64) -> Self {
        Bucket { level: i128::from(limit) * Self::MINUTE, limit: limit.into(), at: NOON.0 }
    }

    fn fill(&mut self, now: u64) {
        self.level += i128::from(now - self.at) * 1_000_000 * self.limit;
        self.level = self.level.min(self.limit * Self::MINUTE);
        self.at = now;
    }

    fn has(&self, cost: u64) -> bool {
        self.level >= i128::from(cost).min(self.limit) * Self::MINUTE
    }

    fn take(&mut self, cost: u64) {
        self.level -= i128::from(cost) * Self::MINUTE;
    }
}

proptest! {
    #[test]
    fn a_rate_is_a_token_bucket(
        limit in prop::sample::select(ROUND.to_vec()),
        steps in prop::collection::vec((0_u64..40_000, 0_u64..=200), 1..60),
    ) {
        let (mut rate, mut bucket, mut now) = (Rate::default(), Bucket::new(limit), NOON.0);
        for (passes, percent) in steps {
            now += passes;
            bucket.fill(now);
            let cost = limit * percent / 100;
            let wait = rate.wait_ms(cost, limit, Millis(now));
            prop_assert_eq!(wait == 0, bucket.has(cost), "cost {} of {}", cost, limit);
            if wait == 0 {
                rate.take(cost, limit, Millis(now));
                bucket.take(cost);
            } else {
                let mut later = Bucket { ..bucket };
                later.fill(now + wait - 1);
                prop_assert!(!later.has(cost), "the wait is not too long");
                later.fill(now + wait);
                prop_assert!(later.has(cost), "and long enough");
                prop_assert_eq!(rate.wait_ms(cost, limit, Millis(now + wait)), 0);
            }
            let left = bucket.level.max(0) / Bucket::MINUTE;
            prop_assert_eq!(i128::from(rate.left(limit, Millis(now))), left);
        }
    }

    #[test]
    fn wrong_guesses_never_make_more_room_than_there_was(
        limit in 1_u64..100_000,
        steps in prop::collection::vec((0_u64..20_000, 0_u64..=100, 0_u64..=120, 0_usize..8), 1..80),
    ) {
        // `truth` knew from the beginning what each request uses, but for what was thought too little.
        let (mut rate, mut truth, mut now, mut open) = (Rate::default(), Rate::default(), NOON.0, Vec::new());
        for (passes, thought, used, ends) in steps {
            now += passes;
            let (thought, used) = (limit * thought / 100, limit * used / 100);
            if rate.wait_ms(thought, limit, Millis(now)) == 0 {
                open.push((rate.take(thought, limit, Millis(now)), thought, used));
                truth.take(used.min(thought), limit, Millis(now));
            }
            while open.len() > ends {
                let (taken, thought, used) = open.swap_remove((now as usize + ends) % open.len());
                rate.settle(taken, used, Millis(now));
                truth.take(used.saturating_sub(thought), limit, Millis(now));
            }
            let (own, most) = (rate.left(limit, Millis(now)), truth.left(limit, Millis(now)));
            prop_assert!(own <= most + 1, "room for {} where {} is left", own, most);
        }
    }

    #[test]
    fn a_guess_that_is_set_right_at_once_was_never_made(
        limit in 1_u64..100_000,
        requests in prop::collection::vec((0_u64..20_000, 0_u64..=100, 0_u64..=100), 1..40),
    ) {
        let (mut rate, mut truth, mut now) = (Rate::default(), Rate::default(), NOON.0);
        for (passes, thought, used) in requests {
            now += passes;
            let (thought, used) = (limit * thought / 100, limit * used / 100);
            let taken = rate.take(thought, limit, Millis(now));
            rate.settle(taken, used, Millis(now));
            truth.take(used, limit, Millis(now));
            let (own, whole) = (rate.left(limit, Millis(now)), truth.left(limit, Millis(now)));
            prop_assert!(own.abs_diff(whole) <= 1, "{} and {}", own, whole);
        }
    }

    #[test]
    fn any_moment_and_any_number_is_taken(cost: u64, limit: u64, moments: [u64; 3]) {
        let (mut rate, state) = (Rate::default(), Arc::new(ClientState::default()));
        let taken = rate.take(cost, limit, Millis(moments[0]));
        rate.settle(taken, cost / 2, Millis(moments[1]));
        let wait = rate.wait_ms(cost, limit, Millis(moments[2]));
        prop_assert!(wait <= 11 * 60_000 + 1, "{}", wait);
        let limits = Limits { tokens_per_minute: Some(limit), daily: some(limit), monthly: some(cost), ..Limits::default() };
        for moment in moments {
            if let Ok(tab) = state.admit(&limits, weight(cost), Millis(moment)) {
                tab.spend(spent(cost), Millis(moment));
                tab.settle(Millis(moment));
            }
        }
    }
}

fn some(tokens: u64) -> Budget {
    Budget { tokens: Some(tokens), microusd: Some(tokens) }
}

fn weight(tokens: u64) -> Weight {
    Weight { estimate: Estimate { tokens, microusd: tokens }, slot: true }
}

fn spent(tokens: u64) -> Spent {
    Spent { requests: 0, tokens, microusd: tokens, unpriced: 0 }
}

fn state() -> Arc<ClientState> {
    Arc::default()
}

fn limit(result: Result<Tab, Refusal>) -> Option<Limit> {
    result.err().map(|refusal| refusal.limit)
}

#[test]
fn a_request_that_is_refused_takes_nothing() {
    let limits = Limits { requests_per_minute: Some(2), concurrency: Some(1), ..Limits::default() };
    let state = state();
    let tab = state.admit(&limits, weight(1), NOON).unwrap();
    for _ in 0..5 {
        assert_eq!(limit(state.admit(&limits, weight(1), NOON)), Some(Limit::Concurrency));
    }
    drop(tab);
    assert!(state.admit(&limits, weight(1), NOON).is_ok());
    let refusal = state.admit(&limits, weight(1), NOON).unwrap_err();
    assert_eq!((refusal.limit, refusal.allowed, refusal.wait_ms), (Limit::Requests, 2, 30_000));
}

#[test]
fn the_place_is_free_with_the_end_and_that_is_foretold() {
    let limits = Limits { concurrency: Some(2), ..Limits::default() };
    let state = state();
    let (one, other) = (state.admit(&limits, weight(1), NOON).unwrap(), state.admit(&limits, weight(1), NOON).unwrap());
    let foretold = || state.admit(&limits, weight(1), NOON).unwrap_err().ending;
    assert!(!foretold());
    one.ends();
    one.ends();
    assert!(foretold());
    drop(one);
    assert_eq!(state.status(&limits, NOON).in_flight, 1);
    let third = state.admit(&limits, weight(1), NOON).unwrap();
    assert!(!foretold(), "the one that was about to end has ended");
    drop((other, third));
    let status = state.status(&limits, NOON);
    assert_eq!((status.in_flight, status.in_flight_max), (0, 2));
}

#[test]
fn a_budget_is_open_until_it_is_reached_and_then_shut_until_it_is_renewed() {
    let limits = Limits { daily: Budget { tokens: Some(100), microusd: None }, ..Limits::default() };
    let state = state();
    let spend = |tokens, now| {
        let tab = state.admit(&limits, weight(10), now)?;
        tab.spend(spent(tokens), now);
        tab.settle(now);
        Ok::<_, Refusal>(())
    };
    spend(99, NOON).unwrap();
    spend(50, NOON).unwrap();
    let refusal = spend(1, NOON).unwrap_err();
    assert_eq!((refusal.limit, refusal.used, refusal.used_up), (Limit::DailyTokens, 149, true));
    let renewed = NOON.0 + refusal.wait_ms;
    assert!(renewed.is_multiple_of(DAY_MS) && refusal.wait_ms <= DAY_MS, "{refusal:?}");
    assert!(spend(1, Millis(renewed - 1)).is_err());
    spend(1, Millis(renewed)).unwrap();
}

#[test]
fn what_is_at_work_is_reserved_and_comes_back() {
    let limits = Limits { monthly: Budget { tokens: None, microusd: Some(100) }, ..Limits::default() };
    let state = state();
    let tabs: Vec<Tab> = (0..2).map(|_| state.admit(&limits, weight(60), NOON).unwrap()).collect();
    let refusal = state.admit(&limits, weight(60), NOON).unwrap_err();
    assert_eq!((refusal.limit, refusal.used, refusal.used_up), (Limit::MonthlyUsd, 0, false));
    assert!(refusal.wait_ms <= 1000, "it is no matter of the next month");
    drop(tabs);
    assert!(state.admit(&limits, weight(60), NOON).is_ok());
    assert_eq!(state.status(&limits, NOON).this_month.microusd, 0);
}

#[test]
fn the_refusal_that_lasts_longest_is_told() {
    let limits = Limits { requests_per_minute: Some(1), daily: some(1), monthly: some(1), ..Limits::default() };
    let state = state();
    let tab = state.admit(&limits, weight(5), NOON).unwrap();
    tab.spend(spent(5), NOON);
    assert!(matches!(limit(state.admit(&limits, weight(1), NOON)), Some(Limit::MonthlyTokens | Limit::MonthlyUsd)));
}

#[test]
fn all_attempts_are_billed_also_after_the_end() {
    let limits = Limits { tokens_per_minute: Some(1000), ..Limits::default() };
    let state = state();
    let tab = state.admit(&limits, weight(800), NOON).unwrap();
    tab.spend(spent(100), NOON);
    tab.spend(spent(200), NOON);
    tab.settle(NOON);
    let left = || state.status(&limits, NOON).tokens.unwrap().left;
    assert_eq!(left(), 700);
    tab.spend(spent(50), NOON);
    tab.settle(NOON);
    assert_eq!((left(), state.status(&limits, NOON).today.tokens), (650, 350));
    drop(state.admit(&limits, weight(100), NOON).unwrap());
    assert_eq!(left(), 550, "who is never settled has used what was thought");
}

#[test]
fn a_request_larger_than_a_minute_is_let_in_alone_and_leaves_a_debt() {
    let limits = Limits { tokens_per_minute: Some(1000), ..Limits::default() };
    let state = state();
    drop(state.admit(&limits, weight(3000), NOON).unwrap());
    let refusal = state.admit(&limits, weight(1), NOON).unwrap_err();
    assert_eq!((refusal.limit, refusal.wait_ms), (Limit::Tokens, 120_060));
}

#[test]
fn what_was_spent_outlives_reloads_and_restarts() {
    let clients = Clients::default();
    clients.follow(["a", "b"].into_iter(), NOON);
    let unlimited = Limits::default();
    let spend = |clients: &Clients, id: &str| {
        let tab = clients.state(id).admit(&unlimited, weight(1), NOON).unwrap();
        tab.spend(spent(7), NOON);
    };
    spend(&clients, "a");
    clients.follow(["b"].into_iter(), NOON);
    clients.follow(["a", "b"].into_iter(), NOON);
    let tokens = |clients: &Clients, id: &str| clients.state(id).status(&unlimited, NOON).today.tokens;
    assert_eq!((tokens(&clients, "a"), tokens(&clients, "b")), (7, 0));
    let kept = clients.export(NOON);
    assert_eq!(kept.len(), 1, "who has spent nothing needs no record");
    let again = Clients::default();
    again.follow(["a", "b"].into_iter(), NOON);
    again.import(&kept, NOON);
    assert_eq!(tokens(&again, "a"), 7);
    let late = Clients::default();
    late.import(&kept, Millis(NOON.0 + 40 * DAY_MS));
    assert_eq!(late.export(Millis(NOON.0 + 40 * DAY_MS)), []);
}

#[test]
fn threads_never_have_more_at_work_than_allowed() {
    const ALLOWED: u32 = 4;
    let limits = Limits { concurrency: Some(ALLOWED), ..Limits::default() };
    let (state, at_work, served) = (state(), AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..2000 {
                    let Ok(tab) = state.admit(&limits, weight(1), NOON) else { continue };
                    assert!(at_work.fetch_add(1, Ordering::SeqCst) < ALLOWED);
                    tab.spend(spent(1), NOON);
                    std::thread::yield_now();
                    at_work.fetch_sub(1, Ordering::SeqCst);
                    served.fetch_add(1, Ordering::Relaxed);
                    drop(tab);
                }
            });
        }
    });
    let status = state.status(&limits, NOON);
    assert_eq!((status.in_flight, status.today.tokens), (0, u64::from(served.into_inner())));
    assert!(status.in_flight_max <= ALLOWED);
}
