//! Seals that a client cannot carry come back to the provider that issued them, and a refused seal costs one retry.
//!
//! The simulator signs as the providers do and looks strictly at what comes back.

use std::time::Duration;

use serde_json::{Value, json};

use super::call::Call;
use super::protocol::{Protocol, events};
use super::rig::{Gateway, Mock, eventually};
use super::stage::Stage;
use super::wire::Answer;

/// Models that think, call a tool and insist on their own thought when the result comes.
const INSISTING: [(&str, &str); 3] = [
    ("anthropic", "claude-sonnet-4-5+think-tool"),
    ("gemini", "gemini-3-pro+think-tool"),
    ("responses", "gpt-5+think-tool"),
];

/// What a Chat client says first.
fn opening(model: &str, text: &str, stream: bool) -> Value {
    json!({
        "model": model, "stream": stream, "reasoning_effort": "high",
        "messages": [{"role": "user", "content": text}],
        "tools": [{"type": "function", "function": {"name": "get_weather", "parameters": {
            "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
        }}}],
    })
}

async fn chat(gateway: &Gateway, body: &Value) -> Answer {
    gateway.send(&Call::post("/v1/chat/completions", body.to_string())).await
}

/// The message that the client puts into its history: what the protocol has members for, and no more.
fn message(answer: &Answer, stream: bool) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (mut content, mut calls) = (String::new(), Vec::<Value>::new());
    if stream {
        for (_, data) in events(&answer.text()).expect("events") {
            let delta = serde_json::from_str::<Value>(&data).unwrap_or_default()["choices"][0]["delta"].clone();
            content.push_str(delta["content"].as_str().unwrap_or_default());
            for piece in delta["tool_calls"].as_array().into_iter().flatten() {
                let at = piece["index"].as_u64().expect("an index") as usize;
                if at == calls.len() {
                    calls.push(piece.clone());
                    calls[at].as_object_mut().expect("a call").remove("index");
                } else {
                    let more = piece["function"]["arguments"].as_str().unwrap_or_default();
                    let whole = format!("{}{more}", calls[at]["function"]["arguments"].as_str().unwrap_or_default());
                    calls[at]["function"]["arguments"] = json!(whole);
                }
            }
        }
    } else {
        let message = &answer.json()["choices"][0]["message"];
        content = message["content"].as_str().unwrap_or_default().to_owned();
        calls = message["tool_calls"].as_array().cloned().unwrap_or_default();
    }
    assert!(!calls.is_empty(), "{}", answer.text());
    json!({"role": "assistant", "content": content, "tool_calls": calls})
}

/// The request with the results of the calls.
fn with_results(opening: &Value, message: &Value) -> Value {
    let mut body = opening.clone();
    let turns = body["messages"].as_array_mut().expect("messages");
    turns.push(message.clone());
    for call in message["tool_calls"].as_array().expect("calls") {
        turns.push(json!({"role": "tool", "tool_call_id": call["id"], "content": "sunny"}));
    }
    body
}

/// The seal of the one call in what the provider got, at the part that it must stand on.
fn seal_in(provider: &str, sent: &Value) -> Option<String> {
    let seal = match provider {
        "anthropic" => {
            let content = sent["messages"][1]["content"].as_array().expect("blocks");
            let kinds: Vec<&Value> = content.iter().map(|block| &block["type"]).collect();
            (kinds == ["thinking", "tool_use"]).then(|| &content[0]["signature"])?
        }
        "gemini" => {
            let parts = sent["contents"][1]["parts"].as_array().expect("parts");
            &parts.iter().find(|part| part["functionCall"].is_object()).expect("a call")["thoughtSignature"]
        }
        _ => {
            let items = sent["input"].as_array().expect("items");
            let call = items.iter().position(|item| item["type"] == "function_call").expect("a call");
            &items[call - 1]["encrypted_content"]
        }
    };
    seal.as_str().filter(|seal| *seal != "skip_thought_signature_validator").map(str::to_owned)
}

#[tokio::test]
async fn wire_149_a_chat_client_uses_tools_with_thinking_models() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&Stage::with(mock.port, &["own"])).await;
    for (provider, model) in INSISTING {
        for stream in [false, true] {
            let opening = opening(&format!("{provider}/{model}"), &format!("{provider} {stream}"), stream);
            let message = message(&chat(&gateway, &opening).await, stream);
            let answer = chat(&gateway, &with_results(&opening, &message)).await;
            let said = Protocol::Chat.said(&answer, stream);
            assert_eq!(
                said,
                Ok("The tool returned: sunny".to_owned()).map(|text| match provider {
                    "gemini" => r#"The tool returned: {"result":"sunny"}"#.to_owned(),
                    _ => text,
                })
            );
            let sent = mock.last("own").await["body"].clone();
            assert!(seal_in(provider, &sent).is_some_and(|seal| seal.len() > 20), "{provider}: {sent}");
        }
    }
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("interlingua_custody_total", &[("event", "restored")]), 6);
    assert_eq!(metrics.sum("interlingua_custody_total", &[("event", "repaired")]), 0);
}

#[tokio::test]
async fn without_custody_the_seal_is_lost_and_one_repair_is_tried() {
    let mock = Mock::start("").await;
    let stage = Stage::with(mock.port, &["own"]).more("custody: { enabled: false }");
    let gateway = Gateway::start(&stage).await;
    for (provider, model) in INSISTING {
        let opening = opening(&format!("{provider}/{model}"), provider, false);
        let message = message(&chat(&gateway, &opening).await, false);
        let before = mock.count("own").await;
        let answer = chat(&gateway, &with_results(&opening, &message)).await;
        assert_eq!(answer.status, 400, "{provider} insists: {}", answer.text());
        assert_eq!(mock.count("own").await - before, 2, "{provider}");
        assert_eq!(seal_in(provider, &mock.last("own").await["body"]), None, "{provider}");
    }
}

#[tokio::test]
async fn what_is_kept_is_bounded_and_survives_a_reload() {
    let mock = Mock::start("").await;
    let stage = Stage::with(mock.port, &["own"]).more("custody: { entries_max: 1 }");
    let gateway = Gateway::start(&stage).await;
    // The simulator takes the sentinel of another maker from this scenario.
    let tolerant = |opening: &Value, message: &Value| {
        let mut body = with_results(opening, message);
        body["model"] = json!("gemini/gemini-3-pro+tool");
        body
    };
    let ask = |text: &str| opening("gemini/gemini-3-pro+think-tool", text, false);
    let first = message(&chat(&gateway, &ask("first")).await, false);
    let second = message(&chat(&gateway, &ask("second")).await, false);
    gateway.rewrite(&stage.clone().model("match: more, upstream: gemini").yaml(gateway.port, gateway.admin));
    let reloaded = eventually(Duration::from_secs(10), || async {
        gateway.send(&Call::get("/v1/models")).await.text().contains("\"more\"")
    });
    assert!(reloaded.await, "the file is not read again");
    for (text, message, kept) in [("second", second, true), ("first", first, false)] {
        let answer = chat(&gateway, &tolerant(&ask(text), &message)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(seal_in("gemini", &mock.last("own").await["body"]).is_some(), kept, "{text}");
    }
}

/// A client of the provider's own dialect whose history holds a seal that nobody made.
fn forged(provider: &str) -> Call {
    match provider {
        "anthropic" => Call::post(
            "/v1/messages",
            json!({
                "model": "anthropic/claude-sonnet-4-5+tool", "max_tokens": 4096,
                "thinking": {"type": "enabled", "budget_tokens": 2048},
                "tools": [{"name": "get_weather", "input_schema": {"type": "object"}}],
                "messages": [
                    {"role": "user", "content": "go"},
                    {"role": "assistant", "content": [
                        {"type": "thinking", "thinking": "hm", "signature": "Zm9yZ2Vk"},
                        {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {}},
                    ]},
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "sunny"}]},
                ],
            })
            .to_string(),
        ),
        "gemini" => Call::post(
            "/v1beta/models/gemini/gemini-3-pro+tool:generateContent",
            json!({
                "tools": [{"functionDeclarations": [{"name": "get_weather"}]}],
                "contents": [
                    {"role": "user", "parts": [{"text": "go"}]},
                    {"role": "model", "parts": [
                        {"functionCall": {"name": "get_weather", "args": {}}, "thoughtSignature": "Zm9yZ2Vk"},
                    ]},
                    {"role": "user", "parts": [
                        {"functionResponse": {"name": "get_weather", "response": {"result": "sunny"}}},
                    ]},
                ],
            })
            .to_string(),
        ),
        _ => Call::post(
            "/v1/responses",
            json!({
                "model": "responses/gpt-5+tool",
                "tools": [{"type": "function", "name": "get_weather", "parameters": {"type": "object"}}],
                "input": [
                    {"role": "user", "content": "go"},
                    {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAAforged"},
                    {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "get_weather", "arguments": "{}"},
                    {"type": "function_call_output", "call_id": "call_1", "output": "sunny"},
                ],
            })
            .to_string(),
        ),
    }
}

#[tokio::test]
async fn lesson_31_a_forged_seal_costs_one_repaired_retry_on_the_same_account() {
    let mock = Mock::start("").await;
    let stage = Stage::new(mock.port).account("own", "tier: pro").account("other", "tier: free");
    let gateway = Gateway::start(&stage.server("show_losses: true")).await;
    for provider in ["anthropic", "gemini", "responses"] {
        let before = mock.count("own").await;
        let answer = gateway.send(&forged(provider)).await;
        assert_eq!(answer.status, 200, "{provider}: {}", answer.text());
        assert_eq!(mock.count("own").await - before, 2, "{provider}");
        let losses = answer.header("x-interlingua-losses").unwrap_or_default().to_owned();
        assert!(losses.contains("reasoning.signature;dropped"), "{provider}: {losses}");
        let sent = mock.last("own").await["body"].to_string();
        assert!(!sent.contains("Zm9yZ2Vk") && !sent.contains("forged"), "{provider}: {sent}");
    }
    let metrics = gateway.metrics().await;
    for (event, count) in [("repaired", 3), ("repair_worked", 3)] {
        assert_eq!(metrics.sum("interlingua_custody_total", &[("event", event)]), count, "{event}");
    }
    assert_eq!(metrics.sum("interlingua_attempts_total", &[("account", "own"), ("outcome", "signature")]), 3);
    assert_eq!(metrics.sum("interlingua_account_cooldown_seconds", &[]), 0);
    assert_eq!(mock.count("other").await, 0);
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn the_repair_has_a_switch() {
    let mock = Mock::start("").await;
    for more in ["custody: { repair_retry: false }", ""] {
        let stage = Stage::with(mock.port, &["own"]).more(more);
        let stage = if more.is_empty() { stage.server("strict: true") } else { stage };
        let gateway = Gateway::start(&stage).await;
        let before = mock.count("own").await;
        let answer = gateway.send(&forged("anthropic")).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(answer.text().contains("Invalid `signature`"), "the provider's own words: {}", answer.text());
        assert_eq!(mock.count("own").await - before, 1);
    }
}
