//! A conversation stays with its account, so that the provider's prompt cache stays warm.

use serde_json::{Value, json};

use super::call::Call;
use super::protocol::{ALL, Protocol};
use super::rig::{Gateway, Mock};
use super::stage::Stage;

/// The account that a request went to, by the hash of its key.
async fn asked(mock: &Mock) -> String {
    mock.requests().await.last().expect("a request")["key"].as_str().expect("a hash").to_owned()
}

async fn ask(gateway: &Gateway, mock: &Mock, call: &Call) -> String {
    let answer = gateway.send(call).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    asked(mock).await
}

/// The conversation of `first` after `turns` more turns.
fn conversation(protocol: Protocol, first: &str, turns: usize) -> Call {
    let call = protocol.call("m", first, false);
    let mut body: Value = serde_json::from_slice(&call.body).expect("JSON");
    for turn in 0..turns {
        let (answer, question) = (format!("answer {turn}"), format!("question {turn}"));
        match protocol {
            Protocol::Chat | Protocol::Anthropic => {
                let turns = body["messages"].as_array_mut().expect("messages");
                turns.push(json!({"role": "assistant", "content": answer}));
                turns.push(json!({"role": "user", "content": question}));
            }
            Protocol::Responses => {
                let mut input = match &body["input"] {
                    Value::String(text) => vec![json!({"role": "user", "content": text})],
                    other => other.as_array().expect("items").clone(),
                };
                input.push(json!({"role": "assistant", "content": answer}));
                input.push(json!({"role": "user", "content": question}));
                body["input"] = json!(input);
            }
            Protocol::Gemini => {
                let turns = body["contents"].as_array_mut().expect("contents");
                turns.push(json!({"role": "model", "parts": [{"text": answer}]}));
                turns.push(json!({"role": "user", "parts": [{"text": question}]}));
            }
        }
    }
    Call { body: body.to_string().into_bytes(), ..call }
}

#[tokio::test]
async fn the_turns_of_a_conversation_go_to_one_account_and_others_elsewhere() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&Stage::with(mock.port, &["a", "b", "c", "d"])).await;
    for protocol in ALL {
        let mut accounts = std::collections::HashSet::new();
        for number in 0..8 {
            // Responses says a first turn as a string or as an item: the bodies of one client keep to one of them.
            let turns = usize::from(protocol == Protocol::Responses);
            let first = format!("{} conversation {number}", protocol.name());
            let account = ask(&gateway, &mock, &conversation(protocol, &first, turns)).await;
            for turn in turns + 1..turns + 4 {
                let next = ask(&gateway, &mock, &conversation(protocol, &first, turn)).await;
                assert_eq!(next, account, "{first}, turn {turn}");
            }
            accounts.insert(account);
        }
        assert!(accounts.len() >= 3, "{protocol:?}: other conversations are spread over {} accounts", accounts.len());
    }
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("interlingua_affinity_total", &[("result", "hit")]), 96);
    assert_eq!(metrics.sum("interlingua_affinity_total", &[("result", "new")]), 32);
}

#[tokio::test]
async fn what_agents_say_of_their_session_binds_it() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&Stage::with(mock.port, &["a", "b", "c", "d", "e"])).await;
    let with = |member: Value, text: &str, protocol: Protocol| {
        let call = protocol.call("m", text, false);
        let mut body: Value = serde_json::from_slice(&call.body).expect("JSON");
        body.as_object_mut().expect("an object").extend(member.as_object().expect("an object").clone());
        Call { body: body.to_string().into_bytes(), ..call }
    };
    let header = |name: &'static str| move |text: &str| Protocol::Chat.call("m", text, false).header(name, "5e1d-77");
    type Way = Box<dyn Fn(&str) -> Call>;
    let ways: Vec<(&str, Way)> = vec![
        ("x-session-id", Box::new(header("x-session-id"))),
        ("x-claude-code-session-id", Box::new(header("x-claude-code-session-id"))),
        ("session_id", Box::new(header("session_id"))),
        ("conversation_id", Box::new(header("conversation_id"))),
        (
            "user_id",
            Box::new(move |text| {
                with(json!({"metadata": {"user_id": "user_ab_account_cd_session_5e1d"}}), text, Protocol::Anthropic)
            }),
        ),
        ("prompt_cache_key", Box::new(move |text| with(json!({"prompt_cache_key": "k"}), text, Protocol::Responses))),
    ];
    for (name, call) in ways {
        let account = ask(&gateway, &mock, &call("the first text")).await;
        for text in ["another text", "and another", "a compacted conversation"] {
            // Requests of others come between.
            ask(&gateway, &mock, &Protocol::Gemini.call("m", &format!("{name} {text}"), false)).await;
            assert_eq!(ask(&gateway, &mock, &call(text)).await, account, "{name}: {text}");
        }
    }
}

#[tokio::test]
async fn a_limited_conversation_moves_for_one_request_and_returns() {
    let mock = Mock::start("").await;
    let stage = Stage::with(mock.port, &["a", "b", "c"])
        .resilience("grace_retry: { enabled: false }, cooldown: { jitter_percent: 0 }");
    let gateway = Gateway::start(&stage).await;
    let call = |turn| conversation(Protocol::Anthropic, "a long story", turn);
    let home = ask(&gateway, &mock, &call(0)).await;
    let names = ["a", "b", "c"];
    let mut key = None;
    for name in names {
        if mock.last(name).await["key"] == home.as_str() {
            key = Some(format!("key-{name}"));
        }
    }
    let key = key.expect("one of the accounts");
    mock.script(&format!("rules: [{{match: {{key: {key}, nth: [1]}}, faults: ['429:1']}}]")).await;
    let away = ask(&gateway, &mock, &call(1)).await;
    assert_ne!(away, home, "this request moved");
    tokio::time::sleep(std::time::Duration::from_millis(1300)).await;
    for turn in 2..5 {
        assert_eq!(ask(&gateway, &mock, &call(turn)).await, home, "turn {turn} is back");
    }
    assert_eq!(gateway.metrics().await.sum("interlingua_affinity_total", &[("result", "hit")]), 4);
}

#[tokio::test]
async fn a_stored_response_is_continued_at_its_account() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&Stage::with(mock.port, &["a", "b", "c", "d"])).await;
    let mut previous: Option<String> = None;
    for turn in 0..5 {
        // Others come between, so that chance would lead elsewhere.
        ask(&gateway, &mock, &Protocol::Chat.call("m", &format!("between {turn}"), false)).await;
        let mut body = json!({"model": "responses/m", "input": format!("turn {turn}")});
        if let Some(id) = &previous {
            body["previous_response_id"] = json!(id);
        }
        let answer = gateway.send(&Call::post("/v1/responses", body.to_string())).await;
        assert_eq!(answer.status, 200, "turn {turn}: {}", answer.text());
        previous = Some(answer.json()["id"].as_str().expect("an id").to_owned());
    }
}
