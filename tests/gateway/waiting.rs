//! Requests wait in one line; conversations for their account as long as its cache is worth.

use std::time::{Duration, Instant};

use super::call::Call;
use super::protocol::Protocol;
use super::rig::{Gateway, Mock, eventually};
use super::stage::Stage;
use super::wire::Wire;

fn call(text: &str) -> Call {
    Protocol::Chat.call("chat/m", text, false)
}

async fn waiting(gateway: &Gateway, number: i64) {
    let waits = || async { gateway.metrics().await.sum("interlingua_waiting", &[]) == number };
    assert!(eventually(Duration::from_secs(3), waits).await, "{number} wait");
}

/// A request that is not waited for.
async fn begin(gateway: &Gateway, call: &Call) -> Wire {
    let mut wire = Wire::connect(gateway.port).await;
    wire.send(&call.sized()).await;
    wire
}

/// The texts in the order in which the provider got them.
async fn order(mock: &Mock) -> Vec<String> {
    let text =
        |request: &serde_json::Value| request["body"]["messages"][0]["content"].as_str().expect("a text").to_owned();
    mock.requests().await.iter().map(text).collect()
}

#[tokio::test]
async fn who_comes_first_is_served_first_and_who_leaves_frees_its_place() {
    let mock = Mock::start("rules: [{faults: ['delay-head:250']}]").await;
    let gateway = Gateway::start(&Stage::new(mock.port).account("a", "concurrency: 1")).await;
    let mut wires = vec![begin(&gateway, &call("0")).await];
    let at_work = || async { mock.total("in_flight").await == 1 };
    assert!(eventually(Duration::from_secs(2), at_work).await);
    for number in 1..=4 {
        wires.push(begin(&gateway, &call(&number.to_string())).await);
        waiting(&gateway, number).await;
    }
    drop(wires.remove(2));
    for mut wire in wires {
        assert_eq!(wire.answer().await.expect("an answer").status, 200);
    }
    assert_eq!(order(&mock).await, ["0", "1", "3", "4"]);
    gateway.comes_to_rest().await;
    let metrics = gateway.metrics().await;
    for (result, number) in [("served", 3), ("left", 1), ("refused", 0)] {
        assert_eq!(metrics.sum("interlingua_wait_seconds_count", &[("result", result)]), number, "{result}");
    }
}

#[tokio::test]
async fn patience_is_for_the_whole_request() {
    let mock = Mock::start("rules: [{faults: ['delay-head:3000']}]").await;
    let stage = Stage::new(mock.port).account("a", "concurrency: 1").resilience("wait_for_slot: 300ms");
    let gateway = Gateway::start(&stage).await;
    let _held = begin(&gateway, &call("held")).await;
    let at_work = || async { mock.total("in_flight").await == 1 };
    assert!(eventually(Duration::from_secs(2), at_work).await);
    let begun = Instant::now();
    let answer = gateway.send(&call("late")).await;
    assert_eq!(answer.status, 429, "{}", answer.text());
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(290) && took < Duration::from_millis(900), "{took:?}");
}

/// A conversation whose account is busy for 700 ms while another is free: who serves its next turn, and how fast?
async fn moved(rule: &str, profile: &str) -> (bool, Duration) {
    let mock = Mock::start("rules: [{match: {model: slow}, faults: ['delay-head:700']}]").await;
    let stage = ["a", "b"].iter().fold(Stage::new(mock.port), |stage, name| stage.account(name, "concurrency: 1"));
    let stage = stage.resilience(&format!("affinity: {{ move: {{ {rule} }} }}")).more(profile);
    let gateway = Gateway::start(&stage).await;
    let turn = |model: &str| Protocol::Chat.call(model, "a long story", false).header("x-session-id", "story");
    assert_eq!(gateway.send(&turn("chat/m")).await.status, 200);
    gateway.comes_to_rest().await;
    let home = mock.requests().await.last().expect("one")["key"].clone();
    let _busy = begin(&gateway, &turn("chat/slow")).await;
    let at_work = || async { mock.total("in_flight").await == 1 };
    assert!(eventually(Duration::from_secs(2), at_work).await);
    let begun = Instant::now();
    assert_eq!(gateway.send(&turn("chat/m")).await.status, 200);
    let took = begun.elapsed();
    (mock.requests().await.last().expect("some")["key"] != home, took)
}

#[tokio::test]
async fn lesson_9_a_conversation_waits_as_long_as_its_cache_is_worth() {
    let (has_moved, took) = moved("rule: by_price, minute_usd: 0.001, cold_million_usd: 1000", "").await;
    assert!(!has_moved && took >= Duration::from_millis(400), "a dear cache is waited for: {took:?}");
    let (has_moved, took) = moved("rule: by_price, minute_usd: 1000, cold_million_usd: 0.001", "").await;
    assert!(has_moved && took < Duration::from_millis(400), "a cheap one is not: {took:?}");
    let priced = "profiles: [{ match: m, price_input: 1000, price_cached: 0 }]";
    let (has_moved, _) = moved("rule: by_price, minute_usd: 0.001, cold_million_usd: 0", priced).await;
    assert!(!has_moved, "the model's own price counts");
}

#[tokio::test]
async fn whether_a_conversation_waits_can_be_set() {
    assert!(moved("rule: at_once", "").await.0);
    assert!(!moved("rule: never", "").await.0);
}

#[tokio::test]
async fn a_pinned_account_serves_while_it_can() {
    let mock = Mock::start("").await;
    let stage = Stage::new(mock.port)
        .account("a", "tier: ultra")
        .account("b", "tier: pro, concurrency: 1")
        .account("c", "tier: free");
    let gateway = Gateway::start(&stage.clone().resilience("pinned_account: b")).await;
    for number in 0..3 {
        assert_eq!(gateway.send(&call(&format!("pinned {number}"))).await.status, 200);
    }
    assert_eq!((mock.count("a").await, mock.count("b").await), (0, 3));
    // For one request by its header, which stays here.
    for number in 0..3 {
        let call = call(&format!("asked {number}")).header("x-interlingua-account", "c");
        assert_eq!(gateway.send(&call).await.status, 200);
    }
    assert_eq!(mock.count("c").await, 3);
    assert!(!mock.last("c").await.to_string().contains("x-interlingua-account"));
    // Who cannot serve is stood in for.
    mock.script("rules: [{match: {key: key-b}, faults: ['429:30']}]").await;
    for number in 0..3 {
        assert_eq!(gateway.send(&call(&format!("fallback {number}"))).await.status, 200);
    }
    assert_eq!((mock.count("a").await, mock.count("b").await), (3, 4));
    let unknown = call("unknown").header("x-interlingua-account", "nobody");
    assert_eq!(gateway.send(&unknown).await.status, 200);
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("interlingua_affinity_total", &[("account", "c"), ("result", "pinned")]), 3);
}

#[tokio::test]
async fn models_of_a_family_share_their_limit() {
    let mock = Mock::start("rules: [{match: {key: key-a}, faults: ['429:30']}]").await;
    let stage = Stage::new(mock.port)
        .account("a", "tier: pro")
        .account("b", "tier: free")
        .more("families: [{ name: opus, match: 'opus-*' }]");
    let gateway = Gateway::start(&stage).await;
    for (model, asked) in [("opus-1", 1), ("opus-2", 1), ("sonnet", 2)] {
        let answer = gateway.send(&Protocol::Chat.call(&format!("chat/{model}"), model, false)).await;
        assert_eq!((answer.status, mock.count("a").await), (200, asked), "{model}");
    }
}
