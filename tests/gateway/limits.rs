//! Limits of the providers are met without being hit, and what cannot be served now is told exactly.

use std::time::{Duration, Instant};

use super::protocol::Protocol;
use super::provider::{Provider, chunk, stream_head};
use super::rig::{Gateway, Mock, eventually};
use super::stage::Stage;
use super::wire::Answer;

/// Refusals that the provider gave, by all of the gateway's accounts.
async fn refused(gateway: &Gateway) -> i64 {
    let metrics = gateway.metrics().await;
    metrics.sum("interlingua_attempts_total", &[("outcome", "rate_limit")])
        + metrics.sum("interlingua_attempts_total", &[("outcome", "quota_exhausted")])
}

fn milliseconds(answer: &Answer) -> u64 {
    let text = answer.header("retry-after-ms").unwrap_or_else(|| panic!("retry-after-ms: {answer:?}"));
    let seconds: u64 = answer.header("retry-after").and_then(|text| text.parse().ok()).expect("whole seconds");
    let exact: u64 = text.parse().expect("milliseconds");
    assert_eq!(seconds, exact.div_ceil(1000).max(1), "the two say the same");
    exact
}

/// So many requests, evenly over the time; each must be answered.
async fn load(gateway: &Gateway, protocol: Protocol, requests: u32, over: Duration) {
    let (begun, port) = (Instant::now(), gateway.port);
    let mut tasks = Vec::new();
    for number in 0..requests {
        tokio::time::sleep_until((begun + over * number / requests).into()).await;
        let call =
            protocol.call(&format!("{}/m", protocol.name()), &format!("request {number}"), number.is_multiple_of(2));
        tasks.push(tokio::spawn(async move { call.send(port).await }));
    }
    for (number, task) in tasks.into_iter().enumerate() {
        let answer = task.await.expect("no panic");
        assert_eq!(answer.status, 200, "request {number}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_ninety_percent_of_the_limits_no_provider_refuses() {
    // Each bucket holds 60 and gets one a second: two keys can be asked 2 × 68 times in 8 s. Most come at once.
    let stage = |port: u16, limits: &str| {
        let stage = ["a", "b"].iter().fold(Stage::new(port), |stage, name| stage.account(name, limits));
        stage.resilience("wait_for_slot: 20s")
    };
    // What the operator names is the limit of any minute: two accounts have 120, however the provider counts.
    for (protocol, limits, requests) in
        [(Protocol::Anthropic, "", 122), (Protocol::Gemini, "limits: { requests_per_minute: 60 }", 108)]
    {
        let mock = Mock::start("keys: { 'key-*': { rpm: 60 } }").await;
        let gateway = Gateway::start(&stage(mock.port, limits)).await;
        load(&gateway, protocol, requests, Duration::from_secs(1)).await;
        assert_eq!(refused(&gateway).await, 0, "{protocol:?}");
        gateway.comes_to_rest().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_met_without_being_hit_too() {
    let mock = Mock::start("keys: { 'key-*': { tpm: 6000 } }").await;
    let gateway = Gateway::start(&Stage::with(mock.port, &["a", "b"]).resilience("wait_for_slot: 20s")).await;
    let port = gateway.port;
    let text = "A sentence of some forty characters, or so. ".repeat(20);
    let mut served = 0;
    // Some 400 tokens each, prompt and answer: two buckets of 6000 and 200 a second.
    for number in 0..30 {
        let call = Protocol::Chat.call("chat/m", &format!("{number} {text}"), false);
        let answer = call.send(port).await;
        assert_eq!(answer.status, 200, "request {number}: {}", answer.text());
        served += 1;
    }
    assert_eq!((served, refused(&gateway).await), (30, 0));
}

#[tokio::test]
async fn overload_is_told_with_the_moment_at_which_there_is_room() {
    let mock = Mock::start("keys: { 'key-*': { rpm: 30 } }").await;
    let stage = Stage::with(mock.port, &["a", "b"]).resilience("wait_for_slot: 0s");
    let gateway = Gateway::start(&stage).await;
    let mut told = None;
    for number in 0..70 {
        let call = Protocol::Anthropic.call("anthropic/m", &format!("request {number}"), false);
        let answer = gateway.send(&call).await;
        if answer.status != 200 {
            assert_eq!(answer.status, 429, "{}", answer.text());
            told = Some(milliseconds(&answer));
            break;
        }
    }
    // One more every two seconds for each key.
    let told = told.expect("two buckets of thirty do not last for seventy");
    assert!((1..=2_100).contains(&told), "{told} ms");
    assert!(refused(&gateway).await <= 1, "the limit is known from the headers");
    tokio::time::sleep(Duration::from_millis(told + 20)).await;
    let answer = gateway.send(&Protocol::Anthropic.call("anthropic/m", "now", false)).await;
    assert_eq!(answer.status, 200, "who comes when it was told is served: {}", answer.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_before_is_counted() {
    // One a second: of ten that come at once, three can be served within the patience.
    let mock = Mock::start("keys: { 'key-*': { rpm: 60 } }").await;
    let stage = Stage::with(mock.port, &["a"]).resilience("wait_for_slot: 3500ms");
    let gateway = Gateway::start(&stage).await;
    load(&gateway, Protocol::Anthropic, 59, Duration::from_millis(10)).await;
    let (begun, port) = (Instant::now(), gateway.port);
    let tasks: Vec<_> = (0..10)
        .map(|number| {
            let call = Protocol::Anthropic.call("anthropic/m", &format!("late {number}"), false);
            tokio::spawn(async move { (call.send(port).await, Instant::now()) })
        })
        .collect();
    let (mut served, mut told) = (0, Vec::new());
    for task in tasks {
        let (answer, at) = task.await.expect("no panic");
        match answer.status {
            200 => served += 1,
            429 => {
                assert!(at - begun < Duration::from_millis(1_500), "refused when it was clear: {:?}", at - begun);
                told.push(milliseconds(&answer) + u64::try_from((at - begun).as_millis()).expect("a short while"));
            }
            status => panic!("{status}: {}", answer.text()),
        }
    }
    assert!((3..=6).contains(&served), "{served} served");
    assert!(told.iter().all(|told| (2_500..=6_500).contains(told)), "their turn is after the others': {told:?}");
    assert_eq!(refused(&gateway).await, 0);
}

#[tokio::test]
async fn accounts_that_rest_for_a_moment_are_waited_for() {
    let rules = "rules: [{match: {key: key-a, nth: [1]}, faults: ['429:2']}, {match: {key: key-b, nth: [1]}, faults: ['429:1']}]";
    let mock = Mock::start(rules).await;
    let stage = Stage::with(mock.port, &["a", "b"])
        .resilience("grace_retry: { enabled: false }, cooldown: { jitter_percent: 0 }");
    let gateway = Gateway::start(&stage).await;
    let begun = Instant::now();
    let (first, port) = (Protocol::Chat.call("chat/m", "first", false), gateway.port);
    let first = tokio::spawn(async move { first.send(port).await });
    let known =
        || async { gateway.metrics().await.sum("interlingua_attempts_total", &[("outcome", "rate_limit")]) == 2 };
    assert!(eventually(Duration::from_secs(2), known).await);
    // All rest: the one that was refused by both waits, and so does one that comes later.
    let second = gateway.send(&Protocol::Chat.call("chat/m", "second", false)).await;
    assert_eq!((second.status, first.await.expect("no panic").status), (200, 200), "{}", second.text());
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(3), "{took:?}");
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("interlingua_wait_seconds_count", &[("result", "served")]), 2);
    assert_eq!(metrics.sum("interlingua_waiting", &[]), 0);
}

#[tokio::test]
async fn what_rests_too_long_is_not_waited_for() {
    let mock = Mock::start("rules: [{faults: ['429:30']}]").await;
    let stage = Stage::with(mock.port, &["a", "b"]).resilience("cooldown: { jitter_percent: 0 }");
    let gateway = Gateway::start(&stage).await;
    for _ in 0..2 {
        let begun = Instant::now();
        let answer = gateway.send(&Protocol::Chat.call("chat/m", "hello", false)).await;
        assert_eq!(answer.status, 429, "{}", answer.text());
        assert!((28_000..=30_000).contains(&milliseconds(&answer)), "{answer:?}");
        assert!(begun.elapsed() < Duration::from_secs(1), "refused at once: {:?}", begun.elapsed());
    }
}

/// A request that every account refuses, and others of the same family of models.
async fn poisoned(fault: &str, asked: usize) {
    let names = ["a", "b", "c", "d", "e"];
    let mock = Mock::start("").await;
    let stage = Stage::with(mock.port, &names)
        .resilience("affinity: { enabled: false }, wait_for_slot: 200ms, grace_retry: { enabled: false }")
        .more("families: [{ name: all, match: '*' }]");
    let gateway = Gateway::start(&stage).await;
    let serves = |round: &'static str| {
        let gateway = &gateway;
        async move {
            for number in 0..names.len() {
                let answer = gateway.send(&Protocol::Chat.call("chat/m", &format!("{round} {number}"), false)).await;
                assert_eq!(answer.status, 200, "{round} {number}: {}", answer.text());
            }
        }
    };
    serves("before").await;
    for round in 1..=3 {
        let before = mock.requests().await.len();
        let poison = Protocol::Chat.call(&format!("chat/m+fault={fault}"), "poison", false);
        let answer = gateway.send(&poison).await;
        assert_eq!(answer.status, 429, "{}", answer.text());
        assert_eq!(mock.requests().await.len() - before, asked, "{fault} {round}: as many as it takes to know");
        serves("after").await;
        let resting = gateway.metrics().await.sum("interlingua_account_cooldown_seconds", &[]);
        assert_eq!(resting, 0, "{fault} {round}: nobody is locked");
    }
    for name in names {
        assert!(mock.count(name).await >= 4, "{name} serves on");
    }
}

#[tokio::test]
async fn lesson_1_a_request_that_all_refuse_locks_nobody() {
    poisoned("429-bare", 3).await;
}

#[tokio::test]
async fn lesson_1_not_even_when_the_refusals_name_an_end() {
    poisoned("429:30", 3).await;
}

#[tokio::test]
async fn a_provider_that_dies_costs_nobody_an_answer() {
    let (mut dying, living) = (Some(Mock::start("").await), Mock::start("").await);
    let port = dying.as_ref().expect("it lives").port;
    let stage = Stage::with(living.port, &["b"])
        .resilience("affinity: { enabled: false }")
        .elsewhere("a", "openai_chat", port, ", tier: pro")
        .model("match: both, upstream: [a, chat], model: m");
    let gateway = Gateway::start(&stage).await;
    let ask = |number: usize| Protocol::Chat.call("both", &format!("request {number}"), number.is_multiple_of(2));
    assert_eq!(gateway.send(&ask(0)).await.status, 200);
    drop(dying.take());
    let begun = Instant::now();
    let open = || async { gateway.metrics().await.sum("interlingua_account_breaker", &[("account", "a")]) == 2 };
    let mut number = 1;
    while !open().await {
        assert!(begun.elapsed() < Duration::from_secs(1), "the breaker opens within a second");
        let answer = gateway.send(&ask(number)).await;
        assert_eq!(answer.status, 200, "request {number}: {}", answer.text());
        number += 1;
    }
    let asked = gateway.metrics().await.sum("interlingua_attempts_total", &[("account", "a")]);
    for number in 100..140 {
        assert_eq!(gateway.send(&ask(number)).await.status, 200);
    }
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("interlingua_attempts_total", &[("account", "a")]), asked, "it is left alone");
}

/// Six accounts at a provider that is in trouble, and one at another.
fn six(dying: u16, living: u16) -> Stage {
    let stage = Stage::with(living, &["b"]).resilience("affinity: { enabled: false }");
    let upstream = format!("id: dying, dialect: openai_chat, base_url: 'http://127.0.0.1:{dying}/v1'");
    let account = |name: &str| format!("id: {name}, upstream: dying, credential: key-{name}, tier: pro");
    let stage = stage.entry(&upstream, &account("d1"));
    let stage = ["d2", "d3", "d4", "d5", "d6"].iter().fold(stage, |stage, name| stage.entry("", &account(name)));
    stage.model("match: both, upstream: [dying, chat], model: m")
}

/// Sends until all six breakers are open; every request must be answered. How long that took, and how many attempts at
/// that provider failed in the end.
async fn until_all_are_open(gateway: &Gateway) -> (Duration, i64) {
    let (begun, mut number) = (Instant::now(), 0);
    let mut ask = || {
        number += 1;
        Protocol::Chat.call("both", &format!("request {number}"), number % 2 == 0)
    };
    let open = || async { gateway.metrics().await.sum("interlingua_account_breaker", &[]) };
    while open().await < 2 * 6 {
        assert!(begun.elapsed() < Duration::from_secs(5), "breakers open: {}", open().await);
        let answer = gateway.send(&ask()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let took = begun.elapsed();
    for _ in 0..100 {
        assert_eq!(gateway.send(&ask()).await.status, 200);
    }
    let metrics = gateway.metrics().await;
    let (all, ok) = ([("upstream", "dying")].as_slice(), [("upstream", "dying"), ("outcome", "ok")].as_slice());
    let name = "interlingua_attempts_total";
    (took, metrics.sum(name, all) - metrics.sum(name, ok))
}

#[tokio::test]
async fn in_an_outage_breakers_open_although_each_request_meets_it_anew() {
    let (mut dying, living) = (Some(Mock::start("").await), Mock::start("").await);
    let gateway = Gateway::start(&six(dying.as_ref().expect("it lives").port, living.port)).await;
    assert_eq!(gateway.send(&Protocol::Chat.call("both", "hello", false)).await.status, 200);
    drop(dying.take());
    let (took, failed) = until_all_are_open(&gateway).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(failed <= 6 * 5, "{failed} attempts failed: five for each of six");
}

#[tokio::test]
async fn errors_of_a_provider_that_serves_nobody_open_breakers_too() {
    let (dying, living) = (Mock::start("").await, Mock::start("").await);
    let gateway = Gateway::start(&six(dying.port, living.port).resilience("grace_retry: { enabled: false }")).await;
    assert_eq!(gateway.send(&Protocol::Chat.call("both", "hello", false)).await.status, 200);
    dying.script("rules: [{faults: ['500']}]").await;
    let (took, failed) = until_all_are_open(&gateway).await;
    assert!(took < Duration::from_secs(3), "one second after it has served for the last time: {took:?}");
    assert!(failed > 0);
}

#[tokio::test]
async fn errors_that_one_request_gets_while_others_are_served_open_none() {
    let mock = Mock::start("rules: [{match: {model: bad}, faults: ['500']}]").await;
    let stage = Stage::with(mock.port, &["a", "b", "c"]);
    let gateway =
        Gateway::start(&stage.resilience("affinity: { enabled: false }, grace_retry: { enabled: false }")).await;
    for round in 0..8 {
        let good = Protocol::Chat.call("chat/m", &format!("round {round}"), false);
        assert_eq!(gateway.send(&good).await.status, 200);
        let bad = Protocol::Chat.call("chat/bad", &format!("round {round}"), false);
        assert_eq!(gateway.send(&bad).await.status, 500);
    }
    assert_eq!(gateway.metrics().await.sum("interlingua_account_breaker", &[]), 0);
}

#[tokio::test]
async fn what_a_dead_attempt_was_billed_is_in_the_books_once() {
    let event = |name: &str, data: &str| format!("event: {name}\ndata: {data}\n\n");
    let begin = event(
        "message_start",
        r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":321,"output_tokens":7}}}"#,
    ) + &event(
        "content_block_start",
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
    ) + &event(
        "content_block_delta",
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hel"}}"#,
    );
    let dies = Provider::start(vec![
        stream_head(),
        chunk(Duration::ZERO, &begin),
        (Duration::from_millis(50), "junk".to_owned()),
    ])
    .await;
    let living = Mock::start("").await;
    let upstream = format!("id: dies, dialect: anthropic, base_url: 'http://127.0.0.1:{}', stream: always", dies.port);
    let stage = Stage::with(living.port, &["b"])
        .entry(&upstream, "id: dies, upstream: dies, credential: key-dies, tier: pro")
        .model("match: both, upstream: [dies, chat], model: m");
    let gateway = Gateway::start(&stage).await;
    let answer = gateway.send(&Protocol::Chat.call("both", "hello", false)).await;
    assert_eq!(Protocol::Chat.said(&answer, false), Ok("You said: hello".to_owned()));
    gateway.comes_to_rest().await;
    let metrics = gateway.metrics().await;
    let tokens = |class| metrics.sum("interlingua_tokens_total", &[("account", "dies"), ("class", class)]);
    assert_eq!((tokens("uncached"), tokens("output")), (321, 7));
    assert!(metrics.sum("interlingua_tokens_total", &[("account", "b"), ("class", "output")]) > 0);
}
