//! A thousand requests at once over accounts of which some fail; and how a pool spreads them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::h2::H2;
use super::protocol::ALL;
use super::rig::{Gateway, Mock, eventually};
use super::stage::Stage;
use super::wire::Wire;

const REQUESTS: usize = 1_000;
/// HTTP/2 connections that share half of them; the other half has a connection each.
const H2_CONNECTIONS: usize = 10;

/// Sends all at once and gives what failed, counted.
async fn storm(port: u16) -> BTreeMap<String, usize> {
    let mut shared = Vec::new();
    for _ in 0..H2_CONNECTIONS {
        shared.push(H2::connect(port).await);
    }
    let task = |number: usize| {
        let h2 = number.is_multiple_of(2).then(|| shared[(number / 2) % H2_CONNECTIONS].clone());
        async move {
            // All 4 protocols × unary and stream × 5 targets × both HTTPs, over and over.
            let (protocol, stream) = (ALL[(number / 2) % 4], (number / 8).is_multiple_of(2));
            let target = ["", "chat/", "responses/", "anthropic/", "gemini/"][(number / 16) % 5];
            let text = format!("request {number} of many");
            let call = protocol.call(&format!("{target}m"), &text, stream);
            let answer = match h2 {
                Some(connection) => connection.send(&call, number.is_multiple_of(4)).await,
                None => call.try_send(port).await,
            };
            let said = answer.and_then(|answer| protocol.said(&answer, stream));
            match said {
                Ok(said) if said == format!("You said: {text}") => None,
                Ok(other) => Some(format!("{protocol:?} {target} {stream}: another answer: {other}")),
                Err(error) => Some(format!("{protocol:?} {target} {stream}: {error}")),
            }
        }
    };
    let tasks: Vec<_> = (0..REQUESTS).map(|number| tokio::spawn(task(number))).collect();
    let mut failed = BTreeMap::new();
    for task in tasks {
        if let Some(error) = task.await.expect("no panic") {
            *failed.entry(error).or_default() += 1;
        }
    }
    failed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_at_once_with_a_limited_and_a_broken_account_all_succeed() {
    let rules = "rules: [{match: {key: key-a}, faults: ['429:20']}, {match: {key: key-b, every: 2}, faults: [close]}, {match: {key: key-b}, faults: [reset]}]";
    let mock = Mock::start(rules).await;
    let stage =
        ["a", "b", "c"].iter().fold(Stage::new(mock.port), |stage, name| stage.account(name, "concurrency: 100"));
    let gateway = Gateway::start_logging(&stage, "warn").await;
    let failed = storm(gateway.port).await;
    assert!(failed.is_empty(), "{} of {REQUESTS} failed: {failed:#?}", failed.values().sum::<usize>());
    gateway.comes_to_rest().await;
    assert!(eventually(Duration::from_secs(5), || async { mock.total("in_flight").await == 0 }).await);
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("interlingua_requests_total", &[("status", "200"), ("mode", "unary")]), 496);
    assert_eq!(metrics.sum("interlingua_requests_total", &[("status", "200"), ("mode", "stream")]), 504);
    for account in ["a", "b", "c"] {
        let most = metrics.sum("interlingua_account_in_flight_max", &[("account", account)]);
        assert!((1..=100).contains(&most), "{account}: {most} at once");
    }
    assert!(metrics.sum("interlingua_attempts_total", &[("account", "a"), ("outcome", "rate_limit")]) > 0);
    assert!(metrics.sum("interlingua_attempts_total", &[("account", "b"), ("outcome", "reset")]) > 0);
    assert_eq!(metrics.sum("interlingua_attempts_total", &[("account", "c"), ("outcome", "ok")]), 1000);
    assert!(metrics.sum("interlingua_account_cooldown_seconds", &[("account", "a")]) > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_at_once_take_turns_on_few_slots() {
    let mock = Mock::start("").await;
    let gateway =
        Gateway::start_logging(&Stage::with(mock.port, &["a", "b", "c"]).resilience("wait_for_slot: 1m"), "warn").await;
    let failed = storm(gateway.port).await;
    assert!(failed.is_empty(), "{} of {REQUESTS} failed: {failed:#?}", failed.values().sum::<usize>());
    gateway.comes_to_rest().await;
    for account in ["a", "b", "c"] {
        let most = gateway.metrics().await.sum("interlingua_account_in_flight_max", &[("account", account)]);
        assert_eq!(most, 3, "{account}: the default limit is reached and kept");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_comes_at_once_is_spread_evenly() {
    const CROWD: usize = 90;
    let mock = Mock::start("").await;
    let stage =
        ["a", "b", "c"].iter().fold(Stage::new(mock.port), |stage, name| stage.account(name, "concurrency: 50"));
    let gateway = Gateway::start(&stage).await;
    let port = gateway.port;
    let send = |number: usize| async move {
        let mut wire = Wire::connect(port).await;
        wire.send(&ALL[number % 4].call("m+fault=hang", &format!("request {number}"), number % 8 < 4).sized()).await;
        wire
    };
    let tasks: Vec<_> = (0..CROWD).map(|number| tokio::spawn(send(number))).collect();
    let mut wires = Vec::new();
    for task in tasks {
        wires.push(task.await.expect("no panic"));
    }
    let all = || async { mock.total("in_flight").await == CROWD as u64 };
    assert!(eventually(Duration::from_secs(10), all).await, "nobody is answered, so all are at work at once");
    let metrics = gateway.metrics().await;
    let at_work = ["a", "b", "c"].map(|account| metrics.sum("interlingua_account_in_flight", &[("account", account)]));
    assert_eq!(at_work, [30, 30, 30]);
    drop(wires);
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn tiers_fill_in_order_and_evenly() {
    let mock = Mock::start("rules: [{faults: [hang]}]").await;
    let mut stage = Stage::new(mock.port).resilience("affinity: { enabled: false }");
    for (name, tier) in [("a", "ultra"), ("b", "ultra"), ("c", "ultra"), ("d", "free"), ("e", "free")] {
        stage = stage.account(name, &format!("tier: {tier}, concurrency: 4"));
    }
    let gateway = Gateway::start(&stage).await;
    let mut held = Vec::new();
    for number in 1..=20_i64 {
        let call = ALL[number as usize % 4].call("m", &format!("conversation {number}"), number % 2 == 0);
        let mut wire = Wire::connect(gateway.port).await;
        wire.send(&call.sized()).await;
        held.push(wire);
        let seen = || async { mock.total("in_flight").await == number as u64 };
        assert!(eventually(Duration::from_secs(5), seen).await, "request {number} reaches a provider");
        let metrics = gateway.metrics().await;
        let of = |name: &str| metrics.sum("interlingua_account_in_flight", &[("account", name)]);
        for tier in [&["a", "b", "c"][..], &["d", "e"]] {
            let counts: Vec<i64> = tier.iter().map(|name| of(name)).collect();
            let (least, most) = (counts.iter().min().expect("some"), counts.iter().max().expect("some"));
            assert!(most - least <= 1, "after {number} requests: {counts:?}");
        }
        let (ultra, free) = (of("a") + of("b") + of("c"), of("d") + of("e"));
        assert_eq!((ultra, free), (number.min(12), (number - 12).max(0)), "the better tier first");
    }
    drop(held);
    gateway.comes_to_rest().await;
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("interlingua_account_in_flight_max", &[("tier", "ultra")]), 12);
    assert_eq!(metrics.sum("interlingua_account_limit", &[("tier", "free")]), 8);
}
