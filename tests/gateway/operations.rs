//! Questions beside a model's answer: counts, vectors, pictures, speech, legacy completions, and streams as one array.

use std::time::Duration;

use serde_json::{Value, json};

use super::call::Call;
use super::protocol::Protocol;
use super::provider::{Provider, at_once};
use super::rig::{Gateway, Mock};
use super::stage::Stage;
use super::wire::Wire;

async fn stage() -> (Mock, Gateway) {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&Stage::with(mock.port, &["a"])).await;
    (mock, gateway)
}

fn count(model: &str) -> Call {
    let body = json!({"model": model, "messages": [{"role": "user", "content": "How many tokens are these?"}]});
    Call::post("/v1/messages/count_tokens?beta=true", body.to_string())
        .header("anthropic-beta", "token-counting-2024-11-01")
}

/// The calls that ask for a count, and where the number stands.
pub(crate) fn counts(model: &str) -> [(Call, &'static str); 3] {
    let text = "How many tokens are these?";
    let contents = json!([{"role": "user", "parts": [{"text": text}]}]);
    [
        (count(model), "/input_tokens"),
        (Call::post("/v1/responses/input_tokens", json!({"model": model, "input": text}).to_string()), "/input_tokens"),
        (
            Call::post(&format!("/v1beta/models/{model}:countTokens"), json!({"contents": contents}).to_string()),
            "/totalTokens",
        ),
    ]
}

#[tokio::test]
async fn wire_112_every_client_has_tokens_counted_by_every_upstream_that_can() {
    let (mock, gateway) = stage().await;
    for upstream in ["anthropic", "responses", "gemini"] {
        for (call, member) in counts(&format!("{upstream}/m")) {
            let before = mock.requests().await.len();
            let answer = gateway.send(&call).await;
            assert_eq!(answer.status, 200, "{upstream} {}: {}", call.path, answer.text());
            assert!(answer.json().pointer(member).and_then(Value::as_u64).is_some_and(|n| n > 3), "{}", answer.text());
            assert_eq!(answer.header("x-interlingua-estimate"), None, "{upstream} {}", call.path);
            assert_eq!(mock.requests().await.len(), before + 1, "{upstream} {}", call.path);
        }
    }
    assert_eq!(mock.last("a").await["body"]["max_tokens"], Value::Null);
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn wire_112_who_cannot_be_asked_is_estimated_without_an_account() {
    let (mock, gateway) = stage().await;
    for (call, member) in counts("chat/m") {
        let answer = gateway.send(&call).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.json().pointer(member).and_then(Value::as_u64).is_some_and(|n| n > 3), "{}", answer.text());
        assert_eq!(answer.header("x-interlingua-estimate"), Some("true"));
    }
    assert_eq!(mock.requests().await.len(), 0);
    let off = Gateway::start(&Stage::with(mock.port, &["a"]).upstream("quirks: { count_tokens: false }")).await;
    assert_eq!(off.send(&count("anthropic/m")).await.header("x-interlingua-estimate"), Some("true"));
    assert_eq!(mock.requests().await.len(), 0, "the switch is off");
}

#[tokio::test]
async fn wire_112_a_provider_that_fails_is_estimated_and_a_bad_request_told() {
    let (mock, gateway) = stage().await;
    for fault in ["429:30", "500", "529", "close", "404"] {
        let answer = gateway.send(&count(&format!("anthropic/m+fault={fault}"))).await;
        assert_eq!((answer.status, answer.header("x-interlingua-estimate")), (200, Some("true")), "{fault}");
    }
    let asked = mock.requests().await.len();
    let answer = gateway.send(&count("anthropic/m")).await;
    assert_eq!(answer.header("x-interlingua-estimate"), Some("true"), "it said 404: it is not asked for a while");
    assert_eq!(mock.requests().await.len(), asked);
    let wrong = Call::post("/v1/messages/count_tokens", r#"{"model":"anthropic/m","messages":"#);
    let answer = gateway.send(&wrong).await;
    assert_eq!(answer.status, 400);
    Protocol::Anthropic.error(&answer);
    // The limit of counting is not the limit of the model.
    let said = gateway.send(&Protocol::Anthropic.call("anthropic/m", "hello", false)).await;
    assert_eq!(said.status, 200, "{}", said.text());
}

#[tokio::test]
async fn estimates_learn_from_what_was_billed() {
    let (_mock, gateway) = stage().await;
    let text = "Ein langer Satz mit vielen Wörtern, der zehnmal wiederholt wird. ".repeat(40);
    let body = json!({"model": "chat/m", "max_tokens": 9, "messages": [{"role": "user", "content": text}]}).to_string();
    let ask = Call::post("/v1/messages", body.clone());
    let number = Call::post("/v1/messages/count_tokens", body);
    let mut real = 0;
    for _ in 0..12 {
        let answer = gateway.send(&ask).await.json();
        let usage = &answer["usage"];
        real = usage["input_tokens"].as_u64().unwrap() + usage["cache_read_input_tokens"].as_u64().unwrap_or(0);
    }
    let estimated = gateway.send(&number).await.json()["input_tokens"].as_u64().unwrap();
    let (low, high) = (real * 9 / 10, real * 11 / 10);
    assert!((low..=high).contains(&estimated), "{estimated} estimated, {real} billed");
}

#[tokio::test]
async fn vectors_on_both_dialects_that_have_them_and_advice_elsewhere() {
    let (mock, gateway) = stage().await;
    for upstream in ["chat", "gemini"] {
        let body = json!({"model": format!("{upstream}/embed"), "input": ["one", "two"]});
        let answer = gateway.send(&Call::post("/v1/embeddings", body.to_string())).await;
        assert_eq!(answer.status, 200, "{upstream}: {}", answer.text());
        let data = answer.json()["data"].as_array().cloned().unwrap();
        assert_eq!(data.len(), 2);
        assert!(data.iter().all(|item| item["embedding"].as_array().is_some_and(|numbers| numbers.len() == 8)));
        let content = json!({"content": {"parts": [{"text": "one"}]}});
        let path = format!("/v1beta/models/{upstream}/embed:embedContent");
        let answer = gateway.send(&Call::post(&path, content.to_string())).await;
        assert_eq!(answer.status, 200, "{upstream}: {}", answer.text());
        assert_eq!(answer.json()["embedding"]["values"].as_array().unwrap().len(), 8);
    }
    let before = mock.requests().await.len();
    for upstream in ["anthropic", "responses"] {
        let body = json!({"model": format!("{upstream}/embed"), "input": "one"});
        let answer = gateway.send(&Call::post("/v1/embeddings", body.to_string())).await;
        assert_eq!(answer.status, 400, "{upstream}");
        let (_, message) = Protocol::Chat.error(&answer);
        assert!(message.contains("embeddings") && message.contains("Gemini"), "{message}");
    }
    assert_eq!(mock.requests().await.len(), before);
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn the_next_account_serves_other_operations_too() {
    let mock = Mock::start("rules: [{ match: { key: key-a }, faults: ['429:30'] }]").await;
    let gateway = Gateway::start(&Stage::with(mock.port, &["a", "b"])).await;
    for n in 0..4 {
        let body = json!({"model": "chat/embed", "input": format!("text {n}")});
        let answer = gateway.send(&Call::post("/v1/embeddings", body.to_string())).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert!(mock.count("a").await <= 1 && mock.count("b").await == 4);
    // The books of the last answer are closed after its last byte.
    gateway.comes_to_rest().await;
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("interlingua_attempts_total", &[("account", "b"), ("outcome", "ok")]), 4);
    assert!(metrics.sum("interlingua_tokens_total", &[("account", "b")]) > 0);
}

#[tokio::test]
async fn speech_keeps_its_bytes_and_its_type() {
    let (_mock, gateway) = stage().await;
    let body = json!({"model": "chat/tts", "input": "hello", "voice": "alloy", "response_format": "mp3"});
    let answer = gateway.send(&Call::post("/v1/audio/speech", body.to_string())).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("audio/mpeg")));
    assert!(answer.body.starts_with(b"ID3\x04\xff\xfb") && answer.body.len() > 100);
    let body = json!({"model": "gemini/tts", "input": "hello", "voice": "alloy", "response_format": "wav"});
    let answer = gateway.send(&Call::post("/v1/audio/speech", body.to_string())).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    assert!(answer.header("content-type").unwrap().starts_with("audio/") && answer.body.starts_with(b"RIFF"));
}

#[tokio::test]
async fn pictures_and_transcriptions() {
    let (_mock, gateway) = stage().await;
    for upstream in ["chat", "gemini"] {
        let body = json!({"model": format!("{upstream}/image"), "prompt": "a cat"});
        let answer = gateway.send(&Call::post("/v1/images/generations", body.to_string())).await;
        assert_eq!(answer.status, 200, "{upstream}: {}", answer.text());
        assert!(answer.json()["data"][0]["b64_json"].as_str().is_some_and(|data| data.starts_with("iVBOR")));
        let form = format!(
            "--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\n{upstream}/whisper\r\n--b\r\n\
             content-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\ncontent-type: audio/wav\r\n\r\nRIFFdata\r\n--b--\r\n"
        );
        let call = Call { headers: Vec::new(), ..Call::post("/v1/audio/transcriptions", form) };
        let answer = gateway.send(&call.header("content-type", "multipart/form-data; boundary=b")).await;
        assert_eq!(answer.status, 200, "{upstream}: {}", answer.text());
        assert!(answer.json()["text"].as_str().is_some_and(|text| !text.is_empty()), "{}", answer.text());
    }
}

#[tokio::test]
async fn legacy_completions_on_every_dialect() {
    let (_mock, gateway) = stage().await;
    for upstream in ["chat", "responses", "anthropic", "gemini"] {
        let mut body = json!({"model": format!("{upstream}/m"), "prompt": "one two", "max_tokens": 50});
        let answer = gateway.send(&Call::post("/v1/completions", body.to_string())).await;
        assert_eq!(answer.status, 200, "{upstream}: {}", answer.text());
        let whole = answer.json();
        assert_eq!(
            (&whole["object"], &whole["choices"][0]["text"]),
            (&json!("text_completion"), &json!("You said: one two"))
        );
        assert!(whole["usage"]["completion_tokens"].as_u64().is_some_and(|n| n > 0), "{whole}");
        body["stream"] = json!(true);
        let answer = gateway.send(&Call::post("/v1/completions", body.to_string())).await;
        assert_eq!(answer.status, 200, "{upstream}: {}", answer.text());
        assert!(answer.header("content-type").unwrap().starts_with("text/event-stream"));
        let events = super::protocol::events(&answer.text()).unwrap();
        let text: String = events
            .iter()
            .filter_map(|(_, data)| serde_json::from_str::<Value>(data).ok())
            .filter_map(|value| value["choices"][0]["text"].as_str().map(str::to_owned))
            .collect();
        assert_eq!(text, "You said: one two", "{upstream}");
        assert_eq!(events.last().unwrap().1, "[DONE]", "{upstream}");
    }
}

#[tokio::test]
async fn wire_008_a_gemini_stream_without_alt_sse_is_one_array() {
    let (_mock, gateway) = stage().await;
    for upstream in ["chat", "responses", "anthropic", "gemini"] {
        let mut call = Protocol::Gemini.call(&format!("{upstream}/m"), "one two three", true);
        call.path = call.path.replace("?alt=sse", "");
        let answer = gateway.send(&call).await;
        assert_eq!(answer.status, 200, "{upstream}");
        assert!(answer.header("content-type").unwrap().starts_with("application/json"));
        assert_eq!(answer.header("content-length"), None, "it is streamed");
        let chunks = answer.json();
        let chunks = chunks.as_array().unwrap();
        let parts = chunks.iter().filter_map(|chunk| chunk["candidates"][0]["content"]["parts"].as_array()).flatten();
        let text: String = parts.filter_map(|part| part["text"].as_str()).collect();
        assert_eq!(text, "You said: one two three", "{upstream}");
        assert!(chunks.len() > 1, "{upstream}");
    }
}

#[tokio::test]
async fn wire_008_an_error_is_the_last_element_of_an_array() {
    let (_mock, gateway) = stage().await;
    for upstream in ["chat", "gemini"] {
        let mut call = Protocol::Gemini.call(
            &format!("{upstream}/m+fault=close-mid-event:1"),
            "one two three four five six",
            true,
        );
        call.path = call.path.replace("?alt=sse", "");
        let answer = gateway.send(&call).await;
        let chunks = answer.json();
        let chunks = chunks.as_array().unwrap();
        assert!(chunks.len() > 1 && chunks.last().unwrap()["error"]["code"].is_u64(), "{upstream}: {chunks:?}");
    }
    let mut call = Protocol::Gemini.call("gemini/m+fault=400", "x", true);
    call.path = call.path.replace("?alt=sse", "");
    let answer = gateway.send(&call).await;
    assert_eq!((answer.status, &answer.json()[0]["error"]["code"]), (400, &json!(400)));
}

#[tokio::test]
async fn wire_018_each_element_of_an_array_leaves_at_once() {
    let (_mock, gateway) = stage().await;
    let mut call = Protocol::Gemini.call("anthropic/m+fault=delay-chunk:300", "one two three", true);
    call.path = call.path.replace("?alt=sse", "");
    let mut wire = Wire::connect(gateway.port).await;
    wire.send(&call.sized()).await;
    assert_eq!(wire.head().await.unwrap().status, 200);
    let first = wire.until("You").await;
    assert!(first.starts_with('[') && !first.contains("three"), "{first}");
}

#[tokio::test]
async fn wire_059_websockets_are_refused_with_a_way_out() {
    let (mock, gateway) = stage().await;
    for path in ["/v1/responses", "/v1/realtime?model=gpt-realtime", "/v1/chat/completions"] {
        let call = Call::get(path)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let answer = gateway.send(&call).await;
        assert_eq!(answer.status, 426, "{path}");
        assert!(answer.json()["error"]["message"].as_str().unwrap().contains("POST"));
    }
    assert_eq!(mock.requests().await.len(), 0);
}

#[tokio::test]
async fn a_slow_count_does_not_keep_an_agent_waiting_for_a_slot() {
    let mock = Mock::start("rules: [{ match: { model: slow }, faults: ['delay-head:3000'] }]").await;
    let gateway = Gateway::start(&Stage::new(mock.port).account("a", "concurrency: 1")).await;
    let mut wire = Wire::connect(gateway.port).await;
    wire.send(&Protocol::Anthropic.call("anthropic/slow", "hello", false).sized()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let begun = std::time::Instant::now();
    let answer = gateway.send(&count("anthropic/m")).await;
    assert_eq!((answer.status, answer.header("x-interlingua-estimate")), (200, Some("true")));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn an_answer_that_breaks_off_while_it_passes_is_cut() {
    let beats =
        vec![at_once("HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")];
    let provider = Provider::start([beats, vec![(Duration::from_millis(200), "zz\r\n".to_owned())]].concat()).await;
    let mock = Mock::start("").await;
    let stage = Stage::with(mock.port, &["a"]).elsewhere("own", "openai_chat", provider.port, "");
    let gateway = Gateway::start(&stage.model("match: own, upstream: own")).await;
    let body = json!({"model": "own", "input": "hello", "voice": "alloy"});
    let answer = Call::post("/v1/audio/speech", body.to_string()).try_send(gateway.port).await;
    assert!(answer.as_ref().is_err_and(|error| error.contains("closed")), "{answer:?}");
    gateway.comes_to_rest().await;
}
