//! What goes wrong at one account is made good by another, before the client has seen anything.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::call::Call;
use super::process::free_port;
use super::protocol::{ALL, Protocol, events};
use super::provider::{Provider, chunk, stream_head};
use super::rig::{Gateway, Mock, eventually};
use super::stage::Stage;

/// No waits of our own, and no memory: each request meets the broken account anew.
const QUICK: &str = "grace_retry: { enabled: false }, affinity: { enabled: false }, cooldown: { enabled: false }, \
    pace: { enabled: false }, breaker: { enabled: false }, overload: { enabled: false }";

/// Every protocol, streamed and not, in its provider's own dialect and a foreign one.
fn ways() -> impl Iterator<Item = (Protocol, &'static str, bool)> {
    ALL.into_iter().flat_map(|protocol| {
        let foreign = if protocol == Protocol::Gemini { "chat" } else { "gemini" };
        [(protocol.name(), false), (protocol.name(), true), (foreign, false), (foreign, true)]
            .map(|(target, stream)| (protocol, target, stream))
    })
}

/// The better account `a` has a fault that nobody must notice.
async fn unnoticed(faults: &str, streams_only: bool) {
    let mock = Mock::start(&format!("rules: [{{match: {{key: key-a}}, faults: [{faults}]}}]")).await;
    let stage = Stage::new(mock.port).account("a", "tier: pro").account("b", "tier: free").resilience(QUICK);
    let stage = stage
        .resilience("peek: { first_content: { anthropic: 400ms, others: 400ms }, heartbeats_max: 8 }")
        .upstream("timeouts: { first_byte: 400ms, idle: 400ms }");
    let gateway = Gateway::start(&stage).await;
    for (protocol, target, stream) in ways().filter(|(.., stream)| *stream || !streams_only) {
        let before = mock.count("a").await;
        let text = format!("{} {target} {stream}", protocol.name());
        let answer = gateway.send(&protocol.call(&format!("{target}/m"), &text, stream)).await;
        assert_eq!(protocol.said(&answer, stream), Ok(format!("You said: {text}")), "{faults}");
        // Twice at most: a kept connection that closes without a word may never have carried the request.
        let asked = mock.count("a").await - before;
        assert!(
            asked == 1 || (asked == 2 && faults != "'hang'"),
            "{faults}: the better account was asked {asked} times"
        );
    }
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn an_error_inside_a_200() {
    unnoticed("'error-first:503'", true).await;
    unnoticed("'error-first:429'", true).await;
    unnoticed("'error-after:0:500'", true).await;
}

#[tokio::test]
async fn an_empty_or_headless_answer() {
    unnoticed("'empty'", false).await;
    unnoticed("'close-after:0'", false).await;
    unnoticed("'html:502'", false).await;
}

#[tokio::test]
async fn a_stream_that_is_cut_or_broken_before_its_first_content() {
    unnoticed("'close-mid-event:0'", false).await;
    unnoticed("'malformed:0'", false).await;
    unnoticed("'reset-after:10'", false).await;
}

#[tokio::test]
async fn a_provider_that_never_answers() {
    unnoticed("'hang'", false).await;
}

#[tokio::test]
async fn a_stream_that_falls_silent_before_its_first_content() {
    unnoticed("'hang-after:0'", true).await;
}

/// A stream that says only that it lives.
async fn heartbeats(dialect: &str, beat: &str, resilience: &str) {
    let mock = Mock::start("").await;
    let beats = std::iter::repeat_n(chunk(Duration::from_millis(20), beat), 300);
    let provider = Provider::start(std::iter::once(stream_head()).chain(beats).collect()).await;
    let stage = Stage::with(mock.port, &["b"])
        .resilience(QUICK)
        .resilience(resilience)
        .elsewhere("a", dialect, provider.port, ", tier: pro")
        .model("match: both, upstream: [a, chat], dialect: as_declared");
    let gateway = Gateway::start(&stage).await;
    for (number, protocol) in (1..).zip(ALL) {
        let begun = Instant::now();
        let answer = gateway.send(&protocol.call("both", "hello", true)).await;
        assert_eq!(protocol.said(&answer, true), Ok("You said: hello".to_owned()), "{protocol:?} {beat:?}");
        assert!(begun.elapsed() < Duration::from_secs(3), "{protocol:?} {beat:?} took {:?}", begun.elapsed());
        let gone = || async { provider.left.load(Ordering::Relaxed) == number };
        assert!(eventually(Duration::from_secs(2), gone).await, "{protocol:?}: the silent stream is let go");
    }
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn a_stream_of_heartbeats_alone() {
    let ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
    heartbeats("anthropic", ping, "peek: { heartbeats_max: 5 }").await;
    let patience = "peek: { first_content: { anthropic: 300ms, others: 300ms } }";
    heartbeats("openai_chat", ": processing\n\n", patience).await;
}

#[tokio::test]
async fn a_connection_that_is_closed_or_reset_before_a_head() {
    unnoticed("'close'", false).await;
    unnoticed("'reset'", false).await;
}

#[tokio::test]
async fn statuses_that_another_account_can_make_good() {
    for fault in ["401", "402", "403", "429", "429-quota", "429-bare", "500", "502", "503", "504", "529"] {
        unnoticed(&format!("'{fault}'"), false).await;
    }
}

#[tokio::test]
async fn a_connection_that_is_refused() {
    let mock = Mock::start("").await;
    let stage = Stage::with(mock.port, &["b"])
        .resilience(QUICK)
        .elsewhere("a", "anthropic", free_port(), ", tier: pro")
        .model("match: both, upstream: [a, anthropic]");
    let gateway = Gateway::start(&stage).await;
    for protocol in ALL {
        for stream in [false, true] {
            let answer = gateway.send(&protocol.call("both", "hello", stream)).await;
            assert_eq!(protocol.said(&answer, stream), Ok("You said: hello".to_owned()), "{protocol:?}");
        }
    }
    let refused =
        gateway.metrics().await.sum("interlingua_attempts_total", &[("account", "a"), ("outcome", "connect")]);
    assert_eq!(refused, 8, "the dead account was asked each time");
}

#[tokio::test]
async fn a_stream_that_is_cut_after_content_ends_with_the_dialects_error_and_one_terminal() {
    let mock = Mock::start("").await;
    let stage = Stage::with(mock.port, &["a", "b"]).resilience(QUICK).resilience("continuation: { mode: off }");
    let gateway = Gateway::start(&stage).await;
    for (protocol, target, _) in ways().filter(|(.., stream)| *stream) {
        for fault in ["close-mid-event:2", "error-after:2:529", "malformed:2", "no-finish"] {
            let before = mock.requests().await.len();
            let model = format!("{target}/m+fault={fault}");
            let answer = gateway.send(&protocol.call(&model, "one two three four five six seven", true)).await;
            assert_eq!(answer.status, 200);
            let events = events(&answer.text()).unwrap_or_else(|error| panic!("{protocol:?} {model}: {error}"));
            let said = protocol.text(&events);
            assert!("You said: one two three four five six seven".starts_with(&said) && !said.is_empty(), "{said}");
            let (ends, errors) = protocol.ends(&events);
            // Chat closes every stream with [DONE], also one that failed; the others end with the error itself.
            let ends_wanted = if protocol == Protocol::Chat { 0..=1 } else { 0..=0 };
            assert!(ends_wanted.contains(&ends) && errors == 1, "{protocol:?} {model}: {ends}, {errors}: {events:#?}");
            assert_eq!(mock.requests().await.len(), before + 1, "nobody begins anew after content");
        }
    }
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn the_same_refusal_from_some_accounts_is_the_answer() {
    let names = ["a", "b", "c", "d", "e"];
    let mock = Mock::start("rules: [{faults: ['500']}]").await;
    let gateway = Gateway::start(&Stage::with(mock.port, &names).resilience("same_refusal_max: 2")).await;
    for protocol in ALL {
        let before = mock.requests().await.len();
        let answer = gateway.send(&protocol.call(&format!("{}/m", protocol.name()), "x", false)).await;
        assert_eq!(answer.status, 500);
        protocol.error(&answer);
        assert_eq!(mock.requests().await.len() - before, 2, "{protocol:?}: two accounts said the same");
    }
    // What is the request's own fault is asked once.
    mock.script("rules: [{faults: ['400']}]").await;
    for protocol in ALL {
        let before = mock.requests().await.len();
        let answer = gateway.send(&protocol.call("chat/m", "x", true)).await;
        assert_eq!((answer.status, mock.requests().await.len() - before), (400, 1), "{protocol:?}");
    }
}

#[tokio::test]
async fn what_one_dialect_cannot_say_another_upstream_takes() {
    let mock = Mock::start("").await;
    let stage = Stage::with(mock.port, &["a"])
        .resilience(QUICK)
        .model("match: sound, upstream: [anthropic, chat], model: m, dialect: as_declared")
        .model("match: deaf, upstream: anthropic, model: m");
    let gateway = Gateway::start(&stage).await;
    let ask = |model: &str| {
        let sound = r#"{"type":"input_audio","input_audio":{"data":"UklGRg==","format":"wav"}}"#;
        let parts = format!(r#"[{{"type":"text","text":"hello"}},{sound}]"#);
        let body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":{parts}}}]}}"#);
        Call::post("/v1/chat/completions", body)
    };
    let answer = gateway.send(&ask("sound")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(mock.requests().await.len(), 1, "Anthropic's dialect has no sound, so it was not asked");
    let answer = gateway.send(&ask("deaf")).await;
    assert_eq!((answer.status, mock.requests().await.len()), (400, 1), "{}", answer.text());
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn another_model_stands_in() {
    let mock = Mock::start("rules: [{match: {model: 'broken*'}, faults: ['503']}]").await;
    let stage = Stage::with(mock.port, &["a", "b"]).resilience(QUICK).model(
        "match: best, upstream: anthropic, model: broken-1, fallbacks: [{ upstream: chat, model: broken-2 }, { model: gemini/good }]",
    );
    let gateway = Gateway::start(&stage).await;
    for protocol in ALL {
        for stream in [false, true] {
            let answer = gateway.send(&protocol.call("best", "hello", stream)).await;
            assert_eq!(protocol.said(&answer, stream), Ok("You said: hello".to_owned()), "{protocol:?}");
            // In the client's own dialect the provider's bytes pass, with its name of the model.
            let shown = answer.text();
            assert!(
                protocol == Protocol::Gemini || !shown.contains("\"good\""),
                "the caller's own name is shown: {shown}"
            );
        }
    }
}
