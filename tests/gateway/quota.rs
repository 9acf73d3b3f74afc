//! Quotas that a provider tells: protected models, exhaustion, projects that share.

use std::time::Duration;

use serde_json::json;

use super::call::Call;
use super::protocol::Protocol;
use super::rig::{Gateway, Mock, eventually};
use super::stage::Stage;

/// Code Assist accounts with these refresh tokens, in this order of preference.
fn stage(port: u16, accounts: &[(&str, &str)], resilience: &str) -> Stage {
    let root = format!("http://127.0.0.1:{port}");
    let upstream = format!("id: ca, dialect: code_assist, base_url: '{root}', quirks: {{ json_schema: false }}");
    let stage = Stage::new(port).entry(&upstream, "");
    let stage = accounts.iter().zip(["pro", "free"]).fold(stage, |stage, ((id, token), tier)| {
        let oauth = format!("oauth: {{ client_id: mine, refresh_token: {token}, token_url: '{root}/oauth/token' }}");
        stage.entry("", &format!("id: {id}, upstream: ca, tier: {tier}, {oauth}"))
    });
    stage
        .account("unused", "")
        .model("match: 'ca/*', upstream: ca, model: '{1}'")
        .resilience(resilience)
        .more("code_assist: { enabled: true }")
}

async fn tell(mock: &Mock, body: serde_json::Value) {
    let call = Call::post("/_mock/quota", body.to_string());
    assert_eq!(call.send(mock.port).await.status, 200);
}

async fn read(gateway: &Gateway, accounts: i64) {
    let name = "interlingua_quota_reads_total";
    let all = || async { gateway.metrics().await.sum(name, &[]) >= accounts };
    assert!(eventually(Duration::from_secs(10), all).await, "{}", gateway.process.log());
}

/// Each a conversation of its own, so that nothing keeps it where it is.
async fn ask(gateway: &Gateway, number: u32) -> u16 {
    gateway.send(&Protocol::Gemini.call("ca/m", &format!("hello {number}"), false)).await.status
}

#[tokio::test]
async fn a_protected_model_is_left_alone_where_little_is_left_and_reloads_change_that() {
    let mock = Mock::start("").await;
    tell(&mock, json!({"key": "key-low", "left": {"m": 0.05}})).await;
    tell(&mock, json!({"key": "key-full", "left": {"m": 0.9}})).await;
    let with = |quota: &str| stage(mock.port, &[("low", "key-low"), ("full", "key-full")], quota);
    let gateway = Gateway::start(&with("quota: { protected: [m] }")).await;
    read(&gateway, 2).await;
    for number in 0..3 {
        assert_eq!(ask(&gateway, number).await, 200);
    }
    assert_eq!((mock.count("low").await, mock.count("full").await), (0, 3), "{}", gateway.process.log());
    gateway.rewrite(&with("quota: { protected: [m], protect_below_percent: 4 }").yaml(gateway.port, gateway.admin));
    assert_eq!(Call::post("/api/reload", "").send(gateway.admin).await.status, 200);
    assert_eq!(ask(&gateway, 3).await, 200);
    assert_eq!(mock.count("low").await, 1, "the better tier is used again at once");
    assert_eq!(gateway.metrics().await.sum("interlingua_quota_reads_total", &[]), 2, "a reload asks nobody");
}

#[tokio::test]
async fn a_used_up_quota_is_known_before_it_refuses_and_all_used_up_is_told_with_the_reset() {
    let mock = Mock::start("").await;
    for key in ["key-a", "key-b"] {
        tell(&mock, json!({"key": key, "left": {"m": 0.0, "n": 0.5}, "reset_s": 900})).await;
    }
    let gateway = Gateway::start(&stage(mock.port, &[("a", "key-a"), ("b", "key-b")], "")).await;
    read(&gateway, 2).await;
    let answer = gateway.send(&Protocol::Gemini.call("ca/m", "hello", false)).await;
    assert_eq!(answer.status, 429, "{}", answer.text());
    let wait: u64 = answer.header("retry-after").expect("a wait").parse().expect("seconds");
    assert!((300..=1000).contains(&wait), "{wait}");
    assert_eq!(mock.count("a").await + mock.count("b").await, 0, "nobody was asked in vain");
    let other = gateway.send(&Protocol::Gemini.call("ca/n", "hello", false)).await;
    assert_eq!(other.status, 200, "another model is open");
}

#[tokio::test]
async fn a_refusal_stops_all_accounts_of_the_project_unless_that_is_switched_off() {
    for (shares, asked) in [(true, 1), (false, 2)] {
        let mock = Mock::start("rules: [{match: {key: key-one}, faults: ['429-quota:1200']}]").await;
        tell(&mock, json!({"key": "key-one", "left": {"m": 0.9}})).await;
        let quota = format!("quota: {{ shared_projects: {shares} }}");
        // Two accounts with one refresh token are in one project.
        let gateway = Gateway::start(&stage(mock.port, &[("a", "key-one"), ("b", "key-one")], &quota)).await;
        read(&gateway, 2).await;
        assert_eq!(ask(&gateway, 0).await, 429);
        assert_eq!(mock.count("one").await, asked, "shares: {shares}");
        assert_eq!(ask(&gateway, 1).await, 429);
        assert_eq!(mock.count("one").await, asked, "nobody is asked until the reset");
    }
}

#[tokio::test]
async fn a_provider_that_cannot_tell_is_not_asked_again_soon_and_serves_all_the_same() {
    let mock = Mock::start("").await;
    tell(&mock, json!({"key": "key-a", "status": 503})).await;
    let gateway = Gateway::start(&stage(mock.port, &[("a", "key-a")], "")).await;
    read(&gateway, 1).await;
    assert_eq!(ask(&gateway, 0).await, 200);
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let told = Call::get("/_mock/oauth").send(mock.port).await.json();
    assert_eq!(told["quotas"], 1, "five minutes must pass");
    assert!(!gateway.process.log().contains("ya29."), "no token in the log");
}
