//! Warm-ups: small requests that the gateway sends by itself.

use std::time::Duration;

use serde_json::{Value, json};

use super::call::Call;
use super::protocol::Protocol;
use super::rig::{Gateway, Mock, eventually};
use super::stage::Stage;

const SENT: &str = "interlingua_warm_ups_total";

fn upstreams(port: u16) -> Stage {
    let stage = Stage::new(port).account("off", "enabled: false").account("other", "models: [other]");
    [("c", "openai_chat"), ("r", "openai_responses"), ("a", "anthropic"), ("g", "gemini")]
        .iter()
        .fold(stage, |stage, (name, dialect)| stage.elsewhere(name, dialect, port, ", models: [m]"))
}

async fn sent(gateway: &Gateway, wanted: i64, result: &str) {
    let enough = || async { gateway.metrics().await.sum(SENT, &[("result", result)]) >= wanted };
    assert!(eventually(Duration::from_secs(10), enough).await, "{}", gateway.process.log());
}

#[tokio::test]
async fn each_account_and_model_gets_one_small_request_and_no_second_before_its_time() {
    let mock = Mock::start("").await;
    let stage = upstreams(mock.port).resilience("warm_up: { enabled: true, models: [m], interval: 100ms }");
    let gateway = Gateway::start(&stage).await;
    sent(&gateway, 4, "ok").await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    for (account, most) in [
        ("c", "/max_tokens"),
        ("r", "/max_output_tokens"),
        ("a", "/max_tokens"),
        ("g", "/generationConfig/maxOutputTokens"),
    ] {
        assert_eq!(mock.count(account).await, 1, "{account}");
        let last = mock.last(account).await;
        assert_eq!(last["headers"]["user-agent"], concat!("interlingua/", env!("CARGO_PKG_VERSION")));
        let body = &last["body"];
        let most = body.pointer(most).or_else(|| body.pointer("/max_completion_tokens")).and_then(Value::as_u64);
        // OpenAI's Responses take no fewer.
        assert!(matches!(most, Some(1 | 16)), "{body}");
        assert!(body.to_string().contains("automatic check"), "{body}");
    }
    assert_eq!((mock.count("off").await, mock.count("other").await), (0, 0));
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum(SENT, &[]), 4);
    assert!(metrics.sum("interlingua_tokens_total", &[("account", "c")]) > 0, "what it costs is in the books");
    assert_eq!(metrics.sum("interlingua_requests_total", &[("mode", "unary")]), 0, "it is no client's request");
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn nothing_is_sent_unasked() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&upstreams(mock.port).resilience("warm_up: { models: [m], interval: 100ms }")).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(gateway.metrics().await.sum(SENT, &[]), 0);
    assert_eq!(mock.requests().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_refusal_locks_the_account_as_any_other_and_the_next_look_tries_again() {
    let mock = Mock::start("rules: [{match: {key: key-c, nth: 1}, faults: ['429:2']}]").await;
    let stage = Stage::new(mock.port)
        .elsewhere("c", "openai_chat", mock.port, ", models: [m]")
        .account("unused", "models: [other]")
        .model("match: 'c/*', upstream: c, model: '{1}'")
        .resilience("warm_up: { enabled: true, models: [m], interval: 100ms }, wait_for_slot: 0s");
    let gateway = Gateway::start(&stage).await;
    sent(&gateway, 1, "rate_limit").await;
    let answer = gateway.send(&Protocol::Chat.call("c/m", "hello", false)).await;
    assert_eq!((answer.status, mock.count("c").await), (429, 1), "the very next request sees the lock");
    sent(&gateway, 1, "ok").await;
    assert_eq!(mock.count("c").await, 2, "not before the lock has ended");
    assert_eq!(gateway.send(&Protocol::Chat.call("c/m", "hello", false)).await.status, 200);
}

#[tokio::test]
async fn only_accounts_with_a_low_quota_are_warmed_up_where_that_is_wanted() {
    let mock = Mock::start("").await;
    let root = format!("http://127.0.0.1:{}", mock.port);
    let upstream = format!("id: ca, dialect: code_assist, base_url: '{root}', quirks: {{ json_schema: false }}");
    let mut stage = Stage::with(mock.port, &["unused"]).entry(&upstream, "").more("code_assist: { enabled: true }");
    for (id, left) in [("low", 0.4), ("full", 0.9)] {
        let told = json!({"key": format!("key-{id}"), "left": {"m": left}}).to_string();
        assert_eq!(Call::post("/_mock/quota", told).send(mock.port).await.status, 200);
        let oauth = format!("oauth: {{ client_id: mine, refresh_token: key-{id}, token_url: '{root}/oauth/token' }}");
        stage = stage.entry("", &format!("id: {id}, upstream: ca, models: [m], {oauth}"));
    }
    let stage = stage.resilience("warm_up: { enabled: true, models: [m], interval: 100ms, only_low_quota: true }");
    let gateway = Gateway::start(&stage).await;
    sent(&gateway, 1, "ok").await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!((mock.count("low").await, mock.count("full").await), (1, 0));
    assert_eq!(mock.last("low").await["target"], "/v1internal:generateContent");
    assert_eq!(mock.last("low").await["body"]["request"]["generationConfig"]["maxOutputTokens"], 1);
}
