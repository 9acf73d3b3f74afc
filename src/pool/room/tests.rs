//! What is played is what comes.

use proptest::prelude::*;

use crate::limits::allowance::{Allowance, Meter};
use crate::limits::pace::{self, Cost, Known};
use crate::pool::{AccountSpec, Ask, Attempted, Millis, Registry, Settings, select};

const NOW: Millis = Millis(1_760_000_000_000);

/// How an account's limits are known.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Named by the operator: so many in any minute.
    Operator,
    /// Told by a server whose bucket refills.
    Bucket,
    /// Told by a server whose window turns over.
    Window,
}

/// Accounts with these limits a minute, at the end of which nothing is left in any of them.
fn spent(limits: &[u64], tokens: bool, kind: Kind) -> (Registry, Millis) {
    let settings =
        Settings { pace: pace::Settings { pause_ms_max: 0, ..pace::Settings::default() }, ..Settings::default() };
    let registry = Registry::new(settings);
    let known = |limit: u64| match (kind, tokens) {
        (Kind::Operator, false) => Known { requests: Some(limit), tokens: None },
        (Kind::Operator, true) => Known { requests: None, tokens: Some(limit) },
        _ => Known::default(),
    };
    let specs: Vec<AccountSpec> = (0..)
        .zip(limits)
        .map(|(number, limit)| AccountSpec {
            id: format!("a{number}"),
            upstream: "up".to_owned(),
            tier: 0,
            concurrency: 0,
            enabled: true,
            limits: known(*limit),
            project: None,
        })
        .collect();
    registry.reconcile(&specs, settings);
    let mut now = NOW;
    if !matches!(kind, Kind::Operator) {
        // Four answers: that is how often a bucket must have shown itself.
        for used in 1..=4 {
            for (number, limit) in limits.iter().enumerate() {
                let id = format!("a{number}");
                let lease = asked(&registry, 0, Some(&id), now).expect("it has room");
                let part = limit * used / 5;
                let reset_ms = match kind {
                    Kind::Bucket => part * 60_000 / limit,
                    _ => NOW.plus(47_000).since(now),
                };
                let meter = Meter { limit: Some(*limit), remaining: Some(limit - part), reset_ms: Some(reset_ms) };
                let both = if tokens {
                    Allowance { tokens: Some(meter), ..Allowance::default() }
                } else {
                    Allowance { requests: Some(meter), ..Allowance::default() }
                };
                lease.told(&both, now);
                lease.settle(0, now);
            }
            now = now.plus(10);
        }
    }
    while let Some(lease) = asked(&registry, 10, None, now) {
        drop(lease);
        now = now.plus(1);
    }
    (registry, now)
}

fn asked(registry: &Registry, tokens: u64, only: Option<&str>, now: Millis) -> Option<crate::pool::Lease> {
    select(registry, &ask(&Attempted::default(), tokens, only), now).ok()
}

fn ask<'a>(attempted: &'a Attempted, tokens: u64, required: Option<&'a str>) -> Ask<'a> {
    let cost = Cost { tokens };
    Ask { upstreams: &["up"], family: "m", attempted, bound: None, required, eligible: None, cost }
}

/// When each of these is served if they stand in line, to 5 ms.
fn served(registry: &Registry, waiting: &[u64], mut now: Millis) -> Vec<u64> {
    let mut at = Vec::new();
    for tokens in waiting {
        while asked(registry, *tokens, None, now).is_none() {
            now = now.plus(5);
        }
        at.push(now.0);
    }
    at
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_turn_that_is_played_is_the_one_that_comes(
        limits in proptest::collection::vec(4u64..60, 1..5),
        waiting in 1usize..60,
        kind in prop_oneof![Just(Kind::Operator), Just(Kind::Bucket), Just(Kind::Window)],
        tokens in any::<bool>(),
    ) {
        let limits: Vec<u64> = limits.iter().map(|limit| if tokens { limit * 10 } else { *limit }).collect();
        // Of unequal ones it is not told which go to which account.
        let waiting = vec![10; waiting];
        let (registry, now) = spent(&limits, tokens, kind);
        let attempted = Attempted::default();
        let mut rooms = registry.rooms(&ask(&attempted, 0, None), waiting.len(), now);
        prop_assert!(!rooms.lacks_slots());
        let played: Vec<u64> = waiting.iter().map(|tokens| {
            let cost = Cost { tokens: *tokens };
            let turn = rooms.turn(cost).expect("there are accounts").0;
            rooms.play(cost);
            turn
        }).collect();
        let came = served(&registry, &waiting, now);
        for (place, (played, came)) in played.iter().zip(&came).enumerate() {
            // A token is rounded down for each account, and large ones may go elsewhere.
            let slack = 100 + (came - now.0) / 4 + 60_000 / limits.iter().min().expect("some");
            prop_assert!(played.abs_diff(*came) <= slack, "{place}: played {} came {}", played - now.0, came - now.0);
        }
    }
}

#[test]
fn many_are_played_in_part_and_take_the_same_time() {
    let (registry, now) = spent(&vec![60; 1_000], false, Kind::Operator);
    let attempted = Attempted::default();
    let all = ask(&attempted, 10, None);
    let mut rooms = registry.rooms(&all, 4_096, now);
    assert!(rooms.rooms.len() <= super::ROOMS_MAX && rooms.rooms.len() * 4_096 / rooms.every <= 2 * super::LOOKS_MAX);
    let first = rooms.turn(all.cost).expect("there are accounts");
    for _ in 0..4_096 {
        rooms.play(all.cost);
    }
    // Some sixty thousand a minute, in the order in which they were spent.
    let turn = rooms.turn(all.cost).expect("there are accounts");
    assert!((2_000..=7_000).contains(&turn.since(first)), "{} ms", turn.since(first));
}

#[test]
fn who_has_room_but_no_slot_is_told() {
    let (registry, _) = spent(&[4], false, Kind::Operator);
    let later = NOW.plus(200_000);
    let spec = AccountSpec {
        id: "a0".to_owned(),
        upstream: "up".to_owned(),
        tier: 0,
        concurrency: 1,
        enabled: true,
        limits: Known::default(),
        project: None,
    };
    registry.reconcile(&[spec], Settings::default());
    let attempted = Attempted::default();
    let any = ask(&attempted, 1, None);
    let lease = asked(&registry, 1, None, later).expect("it is free");
    let rooms = registry.rooms(&any, 1, later);
    assert!(rooms.lacks_slots());
    assert_eq!(rooms.turn(any.cost), Some(later), "as far as limits go");
    drop(lease);
    assert!(!registry.rooms(&any, 1, later).lacks_slots());
    assert_eq!(registry.rooms(&ask(&attempted, 1, Some("b")), 1, later).turn(any.cost), None, "nobody would do");
}

#[test]
fn who_comes_again_is_told_when_it_stands_first_if_it_can_wait_for_the_rest_then() {
    let (registry, now) = spent(&[600], true, Kind::Bucket);
    let attempted = Attempted::default();
    let mut rooms = registry.rooms(&ask(&attempted, 0, None), 10, now);
    for _ in 0..10 {
        rooms.play(Cost { tokens: 30 });
    }
    let large = Cost { tokens: 300 };
    let (first, own) = (rooms.turn(Cost::default()), rooms.turn(large));
    let (first, own) = (first.expect("an account").since(now), own.expect("an account").since(now));
    assert!((25_000..=35_000).contains(&first) && (25_000..=35_000).contains(&(own - first)), "{first} {own}");
    let told = |whole_ms| rooms.told(large, whole_ms).map(|at| at.since(now));
    assert_eq!(told(60_000), Some(first - first / super::EARLY));
    assert_eq!(told(10_000), Some(own - own / super::EARLY), "it would be refused again");
}
