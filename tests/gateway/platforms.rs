//! Vertex AI, Azure OpenAI and Code Assist, each from every protocol.

use serde_json::{Value, json};

use super::call::Call;
use super::operations::counts;
use super::protocol::{ALL, Protocol};
use super::provider::{Provider, at_once};
use super::rig::{Gateway, Mock};
use super::stage::Stage;

/// All platforms on one simulator, each with an account of its own.
pub(crate) fn stage(port: u16) -> Stage {
    let root = format!("http://127.0.0.1:{port}");
    let vertex = format!("base_url: '{root}', project: p-1, location: us-central1");
    let token_url = format!("token_url: '{root}/oauth/token'");
    let ca = format!(
        "id: ca, upstream: ca, concurrency: 50, oauth: {{ client_id: mine, refresh_token: key-ca, {token_url} }}"
    );
    let stage = Stage::with(port, &["a"])
        .entry(&format!("id: v-gemini, provider: vertex, {vertex}"), "")
        .entry(
            &format!("id: v-claude, provider: vertex-claude, {vertex}"),
            "id: v, upstream: [v-gemini, v-claude], credential: key-v",
        )
        .entry(&format!("id: az, provider: azure, base_url: '{root}'"), "")
        .entry(
            &format!("id: az-chat, provider: azure-chat, base_url: '{root}/openai/v1'"),
            "id: az, upstream: [az, az-chat], credential: key-az",
        )
        .entry(
            &format!("id: az-old, provider: azure-chat, api_version: 2024-10-21, base_url: '{root}'"),
            "id: az-old, upstream: az-old, credential: key-az-old",
        )
        .entry(&format!("id: ca, dialect: code_assist, base_url: '{root}', quirks: {{ json_schema: false }}"), &ca)
        .more("code_assist: { enabled: true }");
    ["v-gemini", "v-claude", "az", "az-chat", "az-old", "ca"]
        .iter()
        .fold(stage, |stage, id| stage.model(&format!("match: '{id}/*', upstream: {id}, model: '{{1}}'")))
}

#[tokio::test]
async fn every_platform_serves_every_protocol_in_both_modes() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start_logging(&stage(mock.port), "debug").await;
    for (upstream, account, unary, streamed) in [
        (
            "v-gemini",
            "v",
            "/v1/projects/p-1/locations/us-central1/publishers/google/models/m:generateContent",
            "/v1/projects/p-1/locations/us-central1/publishers/google/models/m:streamGenerateContent?alt=sse",
        ),
        (
            "v-claude",
            "v",
            "/v1/projects/p-1/locations/us-central1/publishers/anthropic/models/m:rawPredict",
            "/v1/projects/p-1/locations/us-central1/publishers/anthropic/models/m:streamRawPredict",
        ),
        ("az", "az", "/openai/v1/responses", "/openai/v1/responses"),
        ("az-chat", "az", "/openai/v1/chat/completions", "/openai/v1/chat/completions"),
        (
            "az-old",
            "az-old",
            "/openai/deployments/m/chat/completions?api-version=2024-10-21",
            "/openai/deployments/m/chat/completions?api-version=2024-10-21",
        ),
        ("ca", "ca", "/v1internal:generateContent", "/v1internal:streamGenerateContent?alt=sse"),
    ] {
        for protocol in ALL {
            for stream in [false, true] {
                let call = protocol.call(&format!("{upstream}/m"), "hello", stream);
                let said = protocol.said(&gateway.send(&call).await, stream);
                assert_eq!(said, Ok("You said: hello".to_owned()), "{upstream} {protocol:?} {stream}");
                let last = mock.last(account).await;
                assert_eq!(last["target"], if stream { streamed } else { unary }, "wire_084 {protocol:?}");
                assert_eq!(last["headers"]["user-agent"], concat!("interlingua/", env!("CARGO_PKG_VERSION")));
            }
        }
    }
    let log = gateway.process.log();
    assert!(log.contains("ca/m"), "the log tells of the requests");
    for secret in ["ya29.", "key-ca", "key-az", "key-v"] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

#[tokio::test]
async fn wire_111_claude_on_vertex_gets_its_version_in_the_body_and_known_betas_alone() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&stage(mock.port)).await;
    let body = r#"{"model":"v-claude/m",  "max_tokens": 64,"messages":[{"role":"user","content":"hi \u00e9"}]}"#;
    let call = Call::post("/v1/messages", body)
        .header("anthropic-version", "2023-06-01")
        .header("anthropic-beta", "claude-code-20250219,interleaved-thinking-2025-05-14");
    assert_eq!(Protocol::Anthropic.said(&gateway.send(&call).await, false), Ok("You said: hi é".to_owned()));
    let last = mock.last("v").await;
    assert_eq!(last["headers"]["anthropic-beta"], "interleaved-thinking-2025-05-14");
    assert_eq!(last["headers"].get("anthropic-version"), None);
    let sent = r#"{"anthropic_version":"vertex-2023-10-16",  "max_tokens": 64,"messages":[{"role":"user","content":"hi \u00e9"}]}"#;
    assert_eq!(last["body_bytes"], sent.len(), "every other byte stays");
    assert_eq!(last["body"], serde_json::from_str::<Value>(sent).expect("JSON"));
}

#[tokio::test]
async fn wire_061_vertex_gets_no_ids_of_calls() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&stage(mock.port)).await;
    let body = json!({"contents": [
        {"role": "user", "parts": [{"text": "weather?"}]},
        {"role": "model", "parts": [{"functionCall": {"id": "call_1", "name": "f", "args": {}}}]},
        {"role": "user", "parts": [{"functionResponse": {"id": "call_1", "name": "f", "response": {"ok": true}}}]},
    ], "tools": [{"functionDeclarations": [{"name": "f"}]}]});
    let call = Call::post("/v1beta/models/v-gemini/m:generateContent", body.to_string());
    let answer = gateway.send(&call).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let sent = mock.last("v").await["body"].to_string();
    assert!(!sent.contains("call_1") && sent.contains("functionResponse"), "{sent}");
}

#[tokio::test]
async fn wire_083_wire_085_google_gets_what_the_client_said_and_only_in_its_project() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&stage(mock.port)).await;
    let ask = |upstream: &str, more: &str| {
        let body = format!(r#"{{"contents":[{{"role":"user","parts":[{{"text":"hello"}}]}}]{more}}}"#);
        Call::post(&format!("/v1beta/models/{upstream}/m:generateContent"), body)
    };
    let safety = r#","safetySettings":[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"BLOCK_NONE"}]"#;
    for (more, there) in [("", false), (safety, true)] {
        assert_eq!(gateway.send(&ask("ca", more)).await.status, 200);
        let request = mock.last("ca").await["body"]["request"].clone();
        assert_eq!(request.get("safetySettings").is_some(), there);
        assert!(request["session_id"].is_string());
    }
    for (project, status) in [("p-1", 200), ("p-2", 400)] {
        let name = format!("projects/{project}/locations/us-central1/cachedContents/1");
        let answer = gateway.send(&ask("v-gemini", &format!(r#","cachedContent":"{name}""#))).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
}

#[tokio::test]
async fn wire_095_a_bad_google_key_is_the_accounts_fault() {
    let mock = Mock::start("").await;
    let stage = Stage::new(mock.port).account("invalid", "tier: pro").account("good", "tier: free");
    let gateway = Gateway::start(&stage).await;
    for _ in 0..3 {
        let answer = gateway.send(&Protocol::Chat.call("gemini/m", "hello", false)).await;
        assert_eq!(Protocol::Chat.said(&answer, false), Ok("You said: hello".to_owned()));
    }
    assert_eq!((mock.count("invalid").await, mock.count("good").await), (1, 3), "it is left alone then");
}

#[tokio::test]
async fn wire_096_an_error_in_an_array_is_read() {
    const ERROR: &str = r#"[{"error":{"code":429,"message":"Resource has been exhausted (e.g. check quota).","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"37s"}]}}]"#;
    let head = format!(
        "HTTP/1.1 429 Too Many Requests\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n",
        ERROR.len()
    );
    let provider = Provider::start(vec![at_once(head + ERROR)]).await;
    let stage = Stage::with(provider.port, &["a"]).elsewhere("hand", "gemini", provider.port, "");
    let gateway = Gateway::start(&stage.model("match: hand, upstream: hand")).await;
    let answer = gateway.send(&Protocol::Chat.call("hand", "hello", true)).await;
    assert_eq!(answer.status, 429, "{}", answer.text());
    let wait: u64 = answer.header("retry-after").expect("a wait").parse().expect("seconds");
    assert!((30..=50).contains(&wait), "{wait}");
}

#[tokio::test]
async fn wire_112_every_platform_counts_in_its_own_words() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&stage(mock.port)).await;
    let root = "/v1/projects/p-1/locations/us-central1/publishers";
    let [gemini, claude] = ["google/models/m:countTokens", "anthropic/models/count-tokens:rawPredict"];
    for (upstream, account, path, inside) in [
        ("v-gemini", "v", format!("{root}/{gemini}"), "/contents"),
        ("v-claude", "v", format!("{root}/{claude}"), "/messages"),
        ("ca", "ca", "/v1internal:countTokens".to_owned(), "/request/contents"),
    ] {
        for (call, member) in counts(&format!("{upstream}/m")) {
            let answer = gateway.send(&call).await;
            assert_eq!(answer.status, 200, "{upstream} {}: {}", call.path, answer.text());
            assert!(answer.json().pointer(member).and_then(Value::as_u64).is_some_and(|n| n > 3), "{}", answer.text());
            assert_eq!(answer.header("x-interlingua-estimate"), None, "{upstream} {}", call.path);
            let last = mock.last(account).await;
            assert_eq!(last["target"], path, "{upstream} {}", call.path);
            assert!(last["body"].pointer(inside).is_some_and(Value::is_array), "{last}");
            match upstream {
                "v-claude" => assert_eq!(last["body"]["model"], "m"),
                "ca" => assert_eq!(last["body"]["request"]["model"], "models/m"),
                _ => assert_eq!(last["body"].get("model"), None),
            }
        }
    }
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn wire_112_code_assist_counts_contents_alone() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&stage(mock.port)).await;
    let body = json!({"generateContentRequest": {"model": "models/ca/m",
        "contents": [{"role": "user", "parts": [{"text": "hi"}]},
            {"role": "model", "parts": [{"text": "hm", "thought": true}, {"text": "Hello.", "thoughtSignature": "AQID"}]},
            {"role": "user", "parts": [{"text": "Count these words."}]}],
        "systemInstruction": {"parts": [{"text": "Be short."}]}}});
    let answer = gateway.send(&Call::post("/v1beta/models/ca/m:countTokens", body.to_string())).await;
    assert_eq!((answer.status, answer.header("x-interlingua-estimate")), (200, None), "{}", answer.text());
    let sent = mock.last("ca").await["body"].to_string();
    assert!(sent.contains("Count these words.") && sent.contains("hm"), "{sent}");
    assert!(!sent.contains("thought") && !sent.contains("systemInstruction"), "{sent}");
}
