//! What stands in a request's way, and where the request goes then: fallbacks by cause, places of their own for long answers
//! and for what agents ask for themselves, safe mode.

use std::time::Duration;

use serde_json::{Value, json};

use super::call::Call;
use super::process::program;
use super::protocol::{ALL, Protocol};
use super::provider::{Provider, at_once};
use super::rig::{Gateway, Mock, eventually};
use super::stage::Stage;

/// Each attempt shows itself: no waits, no memory of accounts.
const PLAIN: &str = "grace_retry: { enabled: false }, affinity: { enabled: false }, cooldown: { enabled: false }, \
                     pace: { enabled: false }, breaker: { enabled: false }, wait_for_slot: 0s";

/// The provider of each model: what it does is its name.
const SCRIPT: &str = "rules:
- {match: {model: context}, faults: [context]}
- {match: {model: policy}, faults: [policy]}
- {match: {model: blocked}, scenario: blocked}
- {match: {model: limits}, faults: ['429:60']}
- {match: {model: trouble}, faults: ['500']}
- {match: {model: bad}, faults: ['400']}
";

/// A fallback for each cause alone, and the last for the usual ones.
const EACH: &str = "fallbacks: [{ upstream: gemini, model: for-context, on: context_length }, \
                    { upstream: chat, model: for-policy, on: [content_policy] }, \
                    { upstream: responses, model: for-limits, on: limits }, \
                    { upstream: anthropic, model: for-trouble, on: unavailable }]";

/// A rule `TARGET-WHAT` for the upstream TARGET and the model WHAT, for all four.
fn to_each(stage: Stage, more: &str) -> Stage {
    ["chat", "responses", "anthropic", "gemini"].into_iter().fold(stage, |stage, target| {
        stage.model(&format!("match: '{target}-*', upstream: {target}, model: '{{1}}', {more}"))
    })
}

/// The models that were asked for since `before`, in order.
async fn asked(mock: &Mock, before: usize) -> Vec<String> {
    let model = |request: &Value| {
        let path = request["path"].as_str().unwrap_or_default();
        let body = request["body"]["model"].as_str().map(str::to_owned);
        let in_path = || path.split("/models/").nth(1).and_then(|rest| rest.split(':').next()).map(str::to_owned);
        body.or_else(in_path).unwrap_or_else(|| panic!("{request}"))
    };
    mock.requests().await.iter().skip(before).map(model).collect()
}

#[tokio::test]
async fn each_cause_goes_where_it_should() {
    let mock = Mock::start(SCRIPT).await;
    let stage = to_each(Stage::with(mock.port, &["a"]).resilience(PLAIN), EACH);
    let gateway = Gateway::start(&stage).await;
    for client in ALL {
        for target in ALL {
            for stream in [false, true] {
                for (what, wanted) in [
                    ("context", "for-context"),
                    ("policy", "for-policy"),
                    ("blocked", "for-policy"),
                    ("limits", "for-limits"),
                    ("trouble", "for-trouble"),
                ] {
                    let before = mock.requests().await.len();
                    let model = format!("{}-{what}", target.name());
                    let answer = gateway.send(&client.call(&model, "hello", stream)).await;
                    let name = format!("{client:?} → {model}, stream {stream}");
                    assert_eq!(client.said(&answer, stream), Ok("You said: hello".to_owned()), "{name}");
                    assert_eq!(asked(&mock, before).await, [what, wanted], "{name}");
                }
            }
        }
    }
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn without_a_fallback_for_it_the_client_hears_the_provider_itself() {
    let mock = Mock::start(SCRIPT).await;
    let usual = "fallbacks: [{ upstream: chat, model: elsewhere }]";
    let gateway = Gateway::start(&to_each(Stage::with(mock.port, &["a"]).resilience(PLAIN), usual)).await;
    for client in ALL {
        for target in ALL {
            for (what, words) in
                [("context", ["context", "too long", "exceeds"]), ("policy", ["polic", "safety", "polic"])]
            {
                let before = mock.requests().await.len();
                let answer = gateway.send(&client.call(&format!("{}-{what}", target.name()), "hello", true)).await;
                assert_eq!(answer.status, 400, "{client:?} {target:?}: {}", answer.text());
                let (_, message) = client.error(&answer);
                assert!(words.iter().any(|word| message.contains(word)), "{client:?} {target:?}: {message}");
                assert_eq!(asked(&mock, before).await, [what]);
            }
            // What the provider held back inside a success is an answer, too.
            let before = mock.requests().await.len();
            let answer = gateway.send(&client.call(&format!("{}-blocked", target.name()), "hello", false)).await;
            assert_eq!((answer.status, asked(&mock, before).await), (200, vec!["blocked".to_owned()]), "{target:?}");
            // The usual causes go on as ever.
            for what in ["limits", "trouble"] {
                let before = mock.requests().await.len();
                let answer = gateway.send(&client.call(&format!("{}-{what}", target.name()), "hello", false)).await;
                assert_eq!(client.said(&answer, false), Ok("You said: hello".to_owned()));
                assert_eq!(asked(&mock, before).await, [what, "elsewhere"]);
            }
            // And a request that is wrong everywhere is asked once.
            let before = mock.requests().await.len();
            let answer = gateway.send(&client.call(&format!("{}-bad", target.name()), "hello", false)).await;
            assert_eq!((answer.status, asked(&mock, before).await), (400, vec!["bad".to_owned()]));
        }
    }
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn a_fallback_begins_anew_and_the_requests_own_fault_outranks_its_trouble() {
    let script = format!("{SCRIPT}- {{match: {{model: half, key: key-a}}, faults: ['500']}}\n");
    let mock = Mock::start(&script).await;
    let stage = Stage::new(mock.port)
        .account("a", "tier: pro")
        .account("b", "tier: free")
        .resilience(PLAIN)
        .model("match: long, upstream: chat, model: context, fallbacks: [{ upstream: chat, model: half, on: context_length }]")
        .model("match: lost, upstream: chat, model: context, fallbacks: [{ upstream: chat, model: trouble, on: context_length }]");
    let gateway = Gateway::start(&stage).await;
    for client in ALL {
        let before = mock.requests().await.len();
        let answer = gateway.send(&client.call("long", "hello", true)).await;
        assert_eq!(client.said(&answer, true), Ok("You said: hello".to_owned()), "{client:?}");
        assert_eq!(asked(&mock, before).await, ["context", "half", "half"]);
        let before = mock.requests().await.len();
        let answer = gateway.send(&client.call("lost", "hello", true)).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        let (_, message) = client.error(&answer);
        assert!(message.contains("210001"), "the client can mend the length, and hears of it: {message}");
        assert_eq!(asked(&mock, before).await, ["context", "trouble", "trouble"]);
    }
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn an_answer_that_was_blocked_after_words_is_the_clients() {
    let mock = Mock::start("").await;
    let body = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"half an answer"},"finish_reason":"content_filter"}]}"#;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
    let provider = Provider::start(vec![at_once(format!("{head}{body}"))]).await;
    let stage = Stage::with(mock.port, &["a"])
        .resilience(PLAIN)
        .elsewhere("x", "openai_chat", provider.port, "")
        .model("match: half, upstream: x, fallbacks: [{ upstream: chat, model: elsewhere, on: content_policy }]");
    let gateway = Gateway::start(&stage).await;
    for client in ALL {
        let answer = gateway.send(&client.call("half", "hello", false)).await;
        assert_eq!(client.said(&answer, false), Ok("half an answer".to_owned()), "{client:?}");
    }
    assert_eq!(mock.requests().await.len(), 0);
}

/// A request of Claude Code for a title, as each protocol would carry it.
fn title(client: Protocol, model: &str) -> Call {
    let system = "You are a title generator. You output ONLY a thread title. Nothing else.";
    let mut call = client.call(model, "hello", false);
    let mut body: Value = serde_json::from_slice(&call.body).expect("JSON");
    match client {
        Protocol::Chat => {
            body["messages"] = json!([{"role": "system", "content": system}, {"role": "user", "content": "hello"}]);
        }
        Protocol::Responses => body["instructions"] = json!(system),
        Protocol::Anthropic => body["system"] = json!([{"type": "text", "text": system}]),
        Protocol::Gemini => body["systemInstruction"] = json!({"parts": [{"text": system}]}),
    }
    call.body = body.to_string().into_bytes();
    call
}

/// A request for so many output tokens.
fn capped(client: Protocol, model: &str, cap: u64) -> Call {
    let mut call = client.call(model, "hello", false);
    let mut body: Value = serde_json::from_slice(&call.body).expect("JSON");
    match client {
        Protocol::Chat => body["max_completion_tokens"] = json!(cap),
        Protocol::Responses => body["max_output_tokens"] = json!(cap),
        Protocol::Anthropic => body["max_tokens"] = json!(cap),
        Protocol::Gemini => body["generationConfig"] = json!({"maxOutputTokens": cap}),
    }
    call.body = body.to_string().into_bytes();
    call
}

#[tokio::test]
async fn long_answers_and_what_agents_ask_have_places_of_their_own() {
    let mock = Mock::start(SCRIPT).await;
    let places = "background: { upstream: chat, model: small }, large_output: { over: 5000, model: wide }";
    let broken = "background: { model: trouble }, large_output: { over: 5000, upstream: chat, model: context }";
    let stage = Stage::with(mock.port, &["a"])
        .resilience(PLAIN)
        .model(&format!("match: best, upstream: anthropic, model: good, {places}"))
        .model(&format!("match: down, upstream: anthropic, model: good, {broken}"))
        .model("match: none, upstream: anthropic, model: good");
    let mut gateway = Gateway::start(&stage).await;
    for client in ALL {
        for (model, call, wanted) in [
            ("best", title(client, "best"), vec!["small"]),
            ("best", capped(client, "best", 5001), vec!["wide"]),
            ("best", capped(client, "best", 5000), vec!["good"]),
            ("best", client.call("best", "hello", false), vec!["good"]),
            ("down", title(client, "down"), vec!["trouble", "good"]),
            ("down", capped(client, "down", 6000), vec!["context", "good"]),
            ("none", title(client, "none"), vec!["good"]),
            ("none", capped(client, "none", 6000), vec!["good"]),
        ] {
            let before = mock.requests().await.len();
            let answer = gateway.send(&call).await;
            assert_eq!(client.said(&answer, false), Ok("You said: hello".to_owned()), "{client:?} {model} {wanted:?}");
            assert_eq!(asked(&mock, before).await, wanted, "{client:?} {model}");
        }
    }
    let metrics = gateway.metrics().await;
    let routed = |route| metrics.sum("interlingua_routes_total", &[("route", route)]);
    assert_eq!((routed("background"), routed("large_output"), routed("target")), (8, 8, 16));
    assert_eq!(metrics.sum("interlingua_routes_total", &[("sign", "title")]), 8);
    let line = gateway.process.line("route=\"background\"").await.expect("a line of the log");
    assert!(line.contains("sign=\"title\""), "{line}");

    let off = stage.clone().more("background: { enabled: true, signs: [quota] }").yaml(gateway.port, gateway.admin);
    gateway.rewrite(&off);
    assert_eq!(Call::post("/api/reload", "").send(gateway.admin).await.status, 200);
    let before = mock.requests().await.len();
    gateway.send(&title(Protocol::Anthropic, "best")).await;
    assert_eq!(asked(&mock, before).await, ["good"], "the sign is switched off");
}

#[tokio::test]
async fn what_an_agent_asks_for_itself_does_not_move_its_conversation() {
    let mock = Mock::start("").await;
    let stage = Stage::new(mock.port)
        .account("a", "")
        .account("b", "")
        .entry("", "id: c, upstream: chat, credential: key-c, tier: ultra")
        .model("match: best, upstream: anthropic, model: good, background: { upstream: chat, model: small }");
    let gateway = Gateway::start(&stage).await;
    let session = |call: Call| call.header("x-session-id", "one");
    gateway.send(&session(Protocol::Anthropic.call("best", "hello", false))).await;
    let first = if mock.count("a").await == 1 { "a" } else { "b" };
    for round in 1..=4 {
        gateway.send(&session(title(Protocol::Anthropic, "best"))).await;
        assert_eq!(mock.count("c").await, round, "the title goes elsewhere");
        gateway.send(&session(Protocol::Anthropic.call("best", "hello", false))).await;
        assert_eq!(mock.count(first).await, round + 1, "the conversation stays");
    }
}

/// Safe mode in short times: on after two failures, a try each 300 ms, off after two good ones.
fn safe(mock: &Mock) -> Stage {
    Stage::with(mock.port, &["a"])
        .resilience(PLAIN)
        .resilience(
            "safe_mode: { upstream: last, model: refuge, failures: 2, within: 1m, check_every: 300ms, successes: 2 }",
        )
        .elsewhere("last", "openai_chat", mock.port, "")
        .model("match: best, upstream: anthropic, model: good")
        .model("match: other, upstream: gemini, model: good")
}

async fn is_on(gateway: &Gateway, scope: &str) -> bool {
    gateway.metrics().await.sum("interlingua_safe_mode", &[("scope", scope)]) == 1
}

#[tokio::test]
async fn safe_mode_goes_on_by_failures_and_off_by_good_tries() {
    let mock = Mock::start("rules: [{match: {model: good, dialect: anthropic}, faults: ['500']}]").await;
    let mut gateway = Gateway::start(&safe(&mock)).await;
    for client in [Protocol::Chat, Protocol::Gemini] {
        assert!(!is_on(&gateway, "anthropic").await);
        assert_eq!(gateway.send(&client.call("best", "hello", false)).await.status, 500, "nothing else is configured");
    }
    let on = || async { is_on(&gateway, "anthropic").await };
    assert!(eventually(Duration::from_secs(2), on).await, "two failures switch it on");
    assert!(!is_on(&gateway, "*").await, "of the other upstreams nothing is known");
    for client in ALL {
        for stream in [false, true] {
            let answer = gateway.send(&client.call("best", "hello", stream)).await;
            assert_eq!(client.said(&answer, stream), Ok("You said: hello".to_owned()), "{client:?}");
        }
    }
    let before = mock.requests().await.len();
    let answer = gateway.send(&Protocol::Chat.call("other", "hello", false)).await;
    assert_eq!((answer.status, asked(&mock, before).await), (200, vec!["good".to_owned()]), "others go their way");

    // A try that fails costs its request nothing but time.
    tokio::time::sleep(Duration::from_millis(350)).await;
    let before = mock.requests().await.len();
    let answer = gateway.send(&Protocol::Anthropic.call("best", "hello", true)).await;
    assert_eq!(Protocol::Anthropic.said(&answer, true), Ok("You said: hello".to_owned()));
    assert_eq!(asked(&mock, before).await, ["good", "refuge"]);

    mock.script("").await;
    let mut models = Vec::new();
    for _ in 0..60 {
        let before = mock.requests().await.len();
        assert_eq!(gateway.send(&Protocol::Chat.call("best", "hello", false)).await.status, 200);
        models.extend(asked(&mock, before).await);
        if !is_on(&gateway, "anthropic").await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(!is_on(&gateway, "anthropic").await, "it recovers: {models:?}");
    assert_eq!(models.iter().filter(|model| *model == "good").count(), 2, "by two tries: {models:?}");
    assert_eq!(models.last().map(String::as_str), Some("good"));
    gateway.process.line("safe mode is on").await.expect("a line of the log");
    gateway.process.line("safe mode is off").await.expect("a line of the log");
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn a_missing_endpoint_switches_everything_at_once_and_limits_nothing() {
    let script = "rules: [{match: {model: good, dialect: anthropic}, faults: ['429:30']}, {match: {model: gone}, faults: ['html:404']}]";
    let mock = Mock::start(script).await;
    let gateway = Gateway::start(&safe(&mock).model("match: gone, upstream: responses, model: gone")).await;
    for _ in 0..6 {
        assert_eq!(gateway.send(&Protocol::Chat.call("best", "hello", false)).await.status, 429);
    }
    assert!(!is_on(&gateway, "anthropic").await && !is_on(&gateway, "*").await, "limits are no trouble");
    assert_ne!(gateway.send(&Protocol::Chat.call("gone", "hello", false)).await.status, 200);
    let on = || async { is_on(&gateway, "*").await };
    assert!(eventually(Duration::from_secs(2), on).await);
    for model in ["best", "other", "gone"] {
        let before = mock.requests().await.len();
        let answer = gateway.send(&Protocol::Responses.call(model, "hello", true)).await;
        assert_eq!(Protocol::Responses.said(&answer, true), Ok("You said: hello".to_owned()), "{model}");
        assert_eq!(asked(&mock, before).await, ["refuge"], "{model}");
    }
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn open_breakers_are_trouble_for_safe_mode_too() {
    let mock = Mock::start("rules: [{match: {model: good}, faults: ['500']}]").await;
    let stage = Stage::with(mock.port, &["a"])
        .resilience("affinity: { enabled: false }, grace_retry: { enabled: false }, wait_for_slot: 0s")
        .resilience("breaker: { failures: 1 }, safe_mode: { upstream: last, model: refuge, failures: 3, within: 1m }")
        .elsewhere("last", "openai_chat", mock.port, "")
        .model("match: best, upstream: anthropic, model: good");
    let gateway = Gateway::start(&stage).await;
    for (status, number) in [(500, 1), (503, 1), (503, 1)] {
        assert!(!is_on(&gateway, "anthropic").await);
        let answer = gateway.send(&Protocol::Chat.call("best", "hello", false)).await;
        assert_eq!((answer.status, mock.requests().await.len()), (status, number), "{}", answer.text());
    }
    let on = || async { is_on(&gateway, "anthropic").await };
    assert!(eventually(Duration::from_secs(2), on).await, "who meets only open breakers has no way, either");
    let answer = gateway.send(&Protocol::Chat.call("best", "hello", false)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[test]
fn explain_tells_causes_and_places() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("the file is written");
        path.to_str().expect("a UTF-8 path").to_owned()
    };
    let rule = format!(
        "match: best, upstream: anthropic, {EACH}, background: {{ model: small }}, large_output: {{ upstream: chat }}"
    );
    let stage = Stage::with(9, &["a"]).model(&rule).resilience("safe_mode: { upstream: gemini }");
    let config = write("gateway.yaml", &stage.yaml(8080, 8081));
    let asked = |more: &[&str]| {
        let arguments = [&["explain", "best", "--config", config.as_str()], more].concat();
        let output = program(&arguments).output().expect("the program runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let said = asked(&[]);
    for part in [
        "fallback 1 (on context_length): model 'for-context' at gemini",
        "fallback 2 (on content_policy)",
        "fallback 3 (on limits)",
        "fallback 4 (on unavailable)",
        "more than 32000 output tokens go to model 'best' at chat first",
        "go to model 'small' at anthropic first",
        "In safe mode requests go to gemini first",
    ] {
        assert!(said.contains(part), "{part} in:\n{said}");
    }
    let call = title(Protocol::Anthropic, "best");
    let body = write("title.json", std::str::from_utf8(&call.body).expect("UTF-8"));
    let said = asked(&["--protocol", "anthropic", "--request", &body]);
    assert!(said.contains("route=background") && said.contains("title"), "{said}");
    assert!(said.contains("for what agents ask for themselves: model 'small' at anthropic"), "{said}");
}

#[tokio::test]
async fn the_example_of_fallbacks_does_what_it_says() {
    let script = "rules:
- {match: {model: 'claude-long'}, faults: [context]}
- {match: {model: 'claude-rude'}, faults: [policy]}
- {match: {model: 'claude-busy'}, faults: ['429:60']}
- {match: {model: 'gpt-5', dialect: openai_responses, key: key-tired}, faults: ['500']}
";
    let mock = Mock::start(script).await;
    let root = env!("CARGO_MANIFEST_DIR");
    let text = std::fs::read_to_string(format!("{root}/conf/examples/fallbacks.yaml")).expect("the example");
    let here = format!("http://127.0.0.1:{}", mock.port);
    let mut gateway_text = text;
    for place in [
        "https://api.anthropic.com",
        "https://api.openai.com",
        "https://generativelanguage.googleapis.com",
        "http://127.0.0.1:11434",
    ] {
        assert!(gateway_text.contains(place), "{place}");
        gateway_text = gateway_text.replace(place, &here);
    }
    for name in ["ANTHROPIC", "OPENAI", "GEMINI"] {
        gateway_text = gateway_text.replace(&format!("${{env:{name}_API_KEY}}"), "key-a");
    }
    let gateway = Gateway::start(&Stage::with(mock.port, &["a"])).await;
    let listen = gateway_text.replace("127.0.0.1:8080", &format!("127.0.0.1:{}", gateway.port));
    gateway.rewrite(&listen.replace("127.0.0.1:8081", &format!("127.0.0.1:{}", gateway.admin)));
    let reload = Call::post("/api/reload", "").send(gateway.admin).await;
    assert_eq!(reload.status, 200, "{}", reload.text());
    for client in ALL {
        for (call, wanted) in [
            (client.call("claude-opus-4-6", "hello", false), vec!["claude-opus-4-6"]),
            (client.call("claude-long", "hello", false), vec!["claude-long", "gemini-2.5-pro"]),
            (client.call("claude-rude", "hello", false), vec!["claude-rude", "gpt-5"]),
            (title(client, "claude-opus-4-6"), vec!["gemini-2.5-flash-lite"]),
            (capped(client, "gpt-5", 100_001), vec!["gemini-2.5-pro"]),
        ] {
            let before = mock.requests().await.len();
            let answer = gateway.send(&call).await;
            assert_eq!(client.said(&answer, false), Ok("You said: hello".to_owned()), "{client:?} {wanted:?}");
            assert_eq!(asked(&mock, before).await, wanted, "{client:?}");
        }
    }
    let before = mock.requests().await.len();
    let answer = gateway.send(&Protocol::Anthropic.call("claude-busy", "hello", true)).await;
    assert_eq!(Protocol::Anthropic.said(&answer, true), Ok("You said: hello".to_owned()));
    assert_eq!(asked(&mock, before).await, ["claude-busy", "gpt-5"]);
}
