//! When nobody can serve, the caller hears why, and when to come again, in its own dialect.

use super::call::Call;
use super::protocol::{ALL, Protocol};
use super::rig::{Gateway, Mock};
use super::stage::Stage;

fn seconds(answer: &super::wire::Answer) -> u64 {
    let text = answer.header("retry-after").unwrap_or_else(|| panic!("retry-after: {answer:?}"));
    text.parse().unwrap_or_else(|_| panic!("whole seconds: {text}"))
}

#[tokio::test]
async fn wire_153_when_all_accounts_are_limited_a_status_and_the_soonest_reset_are_told() {
    let rules = "rules: [{match: {key: key-a}, faults: ['429:90']}, {match: {key: key-b}, faults: ['429:25']}, {match: {key: key-c}, faults: ['429-quota:600']}]";
    let mock = Mock::start(rules).await;
    let gateway =
        Gateway::start(&Stage::with(mock.port, &["a", "b", "c"]).resilience("cooldown: { jitter_percent: 0 }")).await;
    for protocol in ALL {
        for stream in [false, true] {
            // A model of its own, so that every account is asked; then again, when all are known to be limited.
            let model = format!("anthropic/m-{}-{stream}", protocol.name());
            for round in ["asked", "known"] {
                let before = mock.requests().await.len();
                let answer = gateway.send(&protocol.call(&model, "hello", stream)).await;
                assert_eq!(answer.status, 429, "{protocol:?} {round}: {}", answer.text());
                let wait = seconds(&answer);
                assert!((23..=25).contains(&wait), "{protocol:?} {round}: the soonest is 25 s, told were {wait} s");
                let (kind, message) = protocol.error(&answer);
                let wanted = match protocol {
                    Protocol::Gemini => "RESOURCE_EXHAUSTED",
                    _ => "rate_limit",
                };
                assert!(kind.contains(wanted), "{protocol:?}: {kind}");
                assert!(message.contains(&model), "{message}");
                let asked = mock.requests().await.len() - before;
                assert_eq!(asked, if round == "asked" { 3 } else { 0 }, "{protocol:?} {round}");
                if protocol == Protocol::Gemini {
                    let delay = answer.json()["error"]["details"].to_string();
                    assert!(delay.contains("RetryInfo") && delay.contains("retryDelay"), "{delay}");
                }
            }
        }
    }
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn an_accounts_own_trouble_is_never_told_as_the_clients() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&Stage::with(mock.port, &["a", "b"]).resilience("cooldown: { enabled: false }")).await;
    for fault in ["401", "402", "403"] {
        mock.script(&format!("rules: [{{faults: ['{fault}']}}]")).await;
        for protocol in ALL {
            for target in ["chat", "responses", "anthropic", "gemini"] {
                let answer = gateway.send(&protocol.call(&format!("{target}/m"), "hello", false)).await;
                assert_eq!(answer.status, 503, "{fault} {protocol:?} {target}: {}", answer.text());
                let (_, message) = protocol.error(&answer);
                assert!(message.contains("the gateway's account"), "{message}");
            }
        }
    }
}

#[tokio::test]
async fn busy_accounts_are_waited_for_and_then_named() {
    let mock = Mock::start("rules: [{faults: ['delay-head:400']}]").await;
    let stage = Stage::new(mock.port).account("a", "concurrency: 1").resilience("wait_for_slot: 5s");
    let gateway = Gateway::start(&stage).await;
    let call = Protocol::Chat.call("m", "hello", false);
    let (port, first) = (gateway.port, call.clone());
    let tasks: Vec<_> = (0..4)
        .map(|_| (first.clone(), port))
        .map(|(call, port)| tokio::spawn(async move { call.send(port).await }))
        .collect();
    for task in tasks {
        assert_eq!(task.await.expect("a task").status, 200, "four take turns on one slot");
    }
    assert_eq!(gateway.metrics().await.sum("interlingua_account_in_flight_max", &[]), 1);

    gateway.rewrite(
        &stage
            .clone()
            .resilience("deadline: 1m")
            .yaml(gateway.port, gateway.admin)
            .replace("wait_for_slot: 5s", "wait_for_slot: 0s"),
    );
    assert_eq!(Call::post("/api/reload", "").send(gateway.admin).await.status, 200);
    let held = tokio::spawn(async move { first.send(port).await });
    tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    let answer = gateway.send(&call).await;
    assert_eq!((answer.status, seconds(&answer)), (429, 1), "{}", answer.text());
    assert_eq!(held.await.expect("a task").status, 200);
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn a_model_that_nobody_serves_is_not_found() {
    let mock = Mock::start("").await;
    let stage = Stage::with(mock.port, &["a"]);
    let text = |port, admin| stage.yaml(port, admin).replace("match: '*'", "match: 'known-*'");
    let gateway = Gateway::start(&stage).await;
    gateway.rewrite(&text(gateway.port, gateway.admin));
    assert_eq!(Call::post("/api/reload", "").send(gateway.admin).await.status, 200);
    for protocol in ALL {
        let answer = gateway.send(&protocol.call("unknown", "hello", true)).await;
        assert_eq!(answer.status, 404, "{protocol:?}");
        let (_, message) = protocol.error(&answer);
        assert!(message.contains("'unknown'"), "{message}");
    }
    assert_eq!(mock.requests().await.len(), 0);
}
