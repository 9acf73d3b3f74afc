//! A second request when the first is slow: who is heard, who is cancelled, and when there is none.

use std::time::{Duration, Instant};

use super::protocol::{ALL, Protocol};
use super::provider::{Provider, chunk, stream_head};
use super::rig::{Gateway, Mock, eventually};
use super::stage::Stage;
use super::wire::Wire;

const HEDGES: &str = "interlingua_hedges_total";
const ON: &str = "hedging: { enabled: true, after: 150ms, share_percent: 100 }";

/// The account `slow` is asked first, and `other` if it does not begin.
async fn rig(script: &str, resilience: &str) -> (Mock, Gateway) {
    let mock = Mock::start(script).await;
    let stage = Stage::new(mock.port).account("slow", "tier: pro").account("other", "tier: free");
    let gateway = Gateway::start(&stage.resilience(resilience)).await;
    (mock, gateway)
}

async fn counted(gateway: &Gateway, result: &str) -> i64 {
    gateway.metrics().await.sum(HEDGES, &[("result", result)])
}

#[tokio::test]
async fn the_second_is_heard_when_the_first_does_not_begin() {
    let (mock, gateway) = rig("rules: [{match: {key: key-slow}, faults: ['delay-head:20000']}]", ON).await;
    let mut number = 0;
    for protocol in ALL {
        for stream in [false, true] {
            number += 1;
            let (text, begun) = (format!("hello {number}"), Instant::now());
            let answer = gateway.send(&protocol.call("m", &text, stream)).await;
            assert_eq!(answer.header("connection"), Some("close"), "it says what becomes of the connection");
            assert_eq!(protocol.said(&answer, stream), Ok(format!("You said: {text}")), "{protocol:?} {stream}");
            assert!(begun.elapsed() < Duration::from_secs(5), "{protocol:?} {stream}: {:?}", begun.elapsed());
        }
    }
    assert_eq!((counted(&gateway, "won").await, mock.count("slow").await, mock.count("other").await), (8, 8, 8));
    gateway.comes_to_rest().await;
    let ok = gateway.metrics().await.sum("interlingua_requests_total", &[("status", "200"), ("mode", "stream")]);
    assert_eq!(ok, 4, "each is one request");
    let attempts = gateway.metrics().await;
    assert_eq!(attempts.sum("interlingua_attempts_total", &[("account", "slow")]), 0, "to be slow is no failure");
    assert_eq!(attempts.sum("interlingua_attempts_total", &[("account", "other"), ("outcome", "ok")]), 8);
}

#[tokio::test]
async fn the_first_is_heard_when_it_begins_before_the_second_and_the_second_is_cancelled() {
    let script = "rules: [{match: {key: key-slow}, faults: ['delay-head:700']}, {match: {key: key-other}, faults: ['delay-head:20000']}]";
    let (mock, gateway) = rig(script, ON).await;
    for (number, stream) in [false, true].into_iter().enumerate() {
        let call = Protocol::Anthropic.call("m", &format!("hello {number}"), stream);
        let said = Protocol::Anthropic.said(&gateway.send(&call).await, stream);
        assert_eq!(said, Ok(format!("You said: hello {number}")));
    }
    let lost = || async { counted(&gateway, "lost").await == 2 };
    assert!(eventually(Duration::from_secs(5), lost).await, "{}", gateway.process.log());
    gateway.comes_to_rest().await;
    assert_eq!((mock.count("slow").await, mock.count("other").await), (2, 2));
}

#[tokio::test]
async fn a_second_that_fails_harms_nobody_and_one_that_serves_hides_a_failure_of_the_first() {
    let script =
        "rules: [{match: {key: key-slow}, faults: ['delay-head:900']}, {match: {key: key-other}, faults: ['400']}]";
    let (_mock, gateway) = rig(script, ON).await;
    let call = Protocol::Chat.call("m", "hello", true);
    assert_eq!(Protocol::Chat.said(&gateway.send(&call).await, true), Ok("You said: hello".to_owned()));
    assert_eq!(counted(&gateway, "failed").await, 1);
    let script = "rules: [{match: {key: key-slow}, faults: ['delay-head:500', '400']}, {match: {key: key-other}, faults: ['delay-head:1200']}]";
    let (_mock, gateway) = rig(script, ON).await;
    let answer = gateway.send(&call).await;
    assert_eq!(Protocol::Chat.said(&answer, true), Ok("You said: hello".to_owned()), "{}", gateway.process.log());
    assert_eq!(counted(&gateway, "won").await, 1);
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn a_second_that_breaks_off_after_it_has_begun_ends_with_an_error_event() {
    let begin = r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"hel"},"finish_reason":null}]}"#;
    let beats = vec![
        stream_head(),
        chunk(Duration::ZERO, &format!("{begin}\n\n")),
        (Duration::from_millis(200), "junk".to_owned()),
    ];
    let breaks = Provider::start(beats).await;
    let mock = Mock::start("rules: [{match: {key: key-hangs}, faults: ['delay-head:20000']}]").await;
    let stage = Stage::new(mock.port)
        .account("unused", "models: [other]")
        .elsewhere("hangs", "openai_chat", mock.port, ", tier: pro")
        .elsewhere("breaks", "openai_chat", breaks.port, ", tier: free")
        .model("match: m, upstream: [hangs, breaks]")
        .resilience("continuation: { mode: 'off' }")
        .resilience(ON);
    let gateway = Gateway::start(&stage).await;
    let answer = gateway.send(&Protocol::Chat.call("m", "hello", true)).await;
    let text = answer.text();
    assert!(answer.status == 200 && text.contains("hel") && text.contains("error"), "{text}");
    gateway.comes_to_rest().await;
    assert_eq!(mock.count("hangs").await, 1);
}

#[tokio::test]
async fn who_has_a_warm_cache_waits_and_so_does_everybody_when_providers_refuse() {
    let slow = "rules: [{match: {key: key-slow}, faults: ['delay-head:500']}]";
    let (mock, gateway) = rig("", ON).await;
    let call = Protocol::Chat.call("m", "one conversation", false);
    assert_eq!(gateway.send(&call).await.status, 200);
    // The conversation is bound when its answer is behind.
    gateway.comes_to_rest().await;
    mock.script(slow).await;
    assert_eq!(gateway.send(&call).await.status, 200);
    assert_eq!(gateway.metrics().await.sum(HEDGES, &[]), 0, "its account has the cache");
    mock.script("rules: [{match: {key: key-slow}, faults: ['429:1']}]").await;
    assert_eq!(gateway.send(&Protocol::Chat.call("m", "another", false)).await.status, 200);
    tokio::time::sleep(Duration::from_millis(1300)).await;
    mock.script(slow).await;
    assert_eq!(gateway.send(&Protocol::Chat.call("m", "a third", false)).await.status, 200);
    for result in ["won", "lost", "failed"] {
        assert_eq!(counted(&gateway, result).await, 0, "a limit was met a moment ago: {result}");
    }
}

#[tokio::test]
async fn nothing_is_hedged_unasked_or_beyond_the_share_and_who_leaves_cancels_both() {
    let slow = "rules: [{match: {key: 'key-*'}, faults: ['delay-head:600']}]";
    for resilience in ["", "hedging: { enabled: true, after: 100ms, share_percent: 1 }"] {
        let (_mock, gateway) = rig(slow, resilience).await;
        for number in 0..3 {
            assert_eq!(gateway.send(&Protocol::Chat.call("m", &format!("{number}"), false)).await.status, 200);
        }
        assert_eq!(gateway.metrics().await.sum(HEDGES, &[]), 0, "{resilience}");
    }
    let (mock, gateway) = rig("rules: [{match: {key: 'key-*'}, faults: ['delay-head:20000']}]", ON).await;
    let mut wire = Wire::connect(gateway.port).await;
    wire.send(&Protocol::Chat.call("m", "hello", true).sized()).await;
    let both = || async { mock.count("slow").await + mock.count("other").await == 2 };
    assert!(eventually(Duration::from_secs(5), both).await, "{}", gateway.process.log());
    drop(wire);
    gateway.comes_to_rest().await;
    assert_eq!(counted(&gateway, "lost").await, 1);
}
