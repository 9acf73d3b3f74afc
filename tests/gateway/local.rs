//! What the gateway answers by itself, in the words of the caller's own SDK.

use serde_json::json;

use super::call::Call;
use super::h2::H2;
use super::protocol::{ALL, Protocol};
use super::rig::{Gateway, Mock};
use super::stage::Stage;
use super::wire::Wire;

const KEY: &str = "client-key-of-the-laptop";

async fn gateway(clients: bool) -> (Mock, Gateway) {
    let mock = Mock::start("").await;
    let mut stage = Stage::with(mock.port, &["a"]).model("match: fast, upstream: chat, model: gpt-5-mini");
    stage = stage
        .model("match: 'gpt-*', upstream: chat, list: [gpt-5, gpt-5-mini]")
        .model("match: secret, upstream: chat, hidden: true");
    if clients {
        stage = stage.more(&format!("clients:\n  - {{ id: laptop, keys: [{KEY}] }}"));
    }
    let gateway = Gateway::start(&stage).await;
    (mock, gateway)
}

#[tokio::test]
async fn the_models_in_three_shapes() {
    let (_mock, gateway) = gateway(false).await;
    let list = |path: &'static str, header: Option<&'static str>| {
        let call = Call::get(path);
        header.map_or(call.clone(), |name| call.header(name, "x"))
    };
    let names = ["fast", "gpt-5", "gpt-5-mini"];
    for path in ["/v1/models", "/models", "/v1/models?limit=1000"] {
        let openai = gateway.send(&list(path, None)).await.json();
        assert_eq!(openai["object"], "list");
        let ids: Vec<_> =
            openai["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
        assert_eq!(ids, names, "{path}");
        assert!(
            openai["data"][0]["created"].is_u64()
                && openai["data"][0]["object"] == "model"
                && openai["data"][0]["owned_by"].is_string()
        );
    }
    let anthropic = gateway.send(&list("/v1/models", Some("anthropic-version"))).await.json();
    assert_eq!(
        (&anthropic["has_more"], &anthropic["first_id"], &anthropic["last_id"]),
        (&json!(false), &json!("fast"), &json!("gpt-5-mini"))
    );
    assert!(
        anthropic["data"].as_array().unwrap().iter().all(|model| model["type"] == "model"
            && model["display_name"].is_string()
            && model["created_at"].is_string())
    );
    for call in [list("/v1beta/models", None), list("/v1/models", Some("x-goog-api-key"))] {
        let gemini = gateway.send(&call).await.json();
        assert_eq!(gemini["models"][0]["name"], "models/fast");
        assert!(gemini["models"][0]["supportedGenerationMethods"].to_string().contains("streamGenerateContent"));
    }
}

#[tokio::test]
async fn single_models() {
    let (_mock, gateway) = gateway(false).await;
    assert_eq!(gateway.send(&Call::get("/v1/models/fast")).await.json()["id"], "fast");
    assert_eq!(
        gateway.send(&Call::get("/v1/models/secret")).await.json()["object"],
        "model",
        "hidden is not forbidden"
    );
    let anthropic = Call::get("/v1/models/vendor%2Fname").header("anthropic-version", "2023-06-01");
    assert_eq!(gateway.send(&anthropic).await.json()["id"], "vendor/name");
    assert_eq!(gateway.send(&Call::get("/v1beta/models/fast")).await.json()["name"], "models/fast");
}

#[tokio::test]
async fn signs_of_life_need_no_key_and_answer_head() {
    let (mock, gateway) = gateway(true).await;
    for path in ["/", "/healthz", "/readyz"] {
        let get = gateway.send(&Call::get(path)).await;
        assert_eq!(get.status, 200, "{path}");
        let mut wire = Wire::connect(gateway.port).await;
        for _ in 0..2 {
            wire.send(&Call { method: "HEAD", ..Call::get(path) }.sized()).await;
            let head = wire.answer_to(true).await.expect("an answer");
            assert_eq!(head.status, 200, "{path}");
            assert_eq!(head.header("content-length"), get.header("content-length"), "{path}");
        }
        // Nothing of a body came: the next answer begins right behind.
        wire.send(&Call::get(path).sized()).await;
        assert_eq!(wire.answer().await.expect("an answer").body, get.body);
    }
    assert_eq!(gateway.send(&Call::get("/metrics")).await.status, 401, "the metrics tell of accounts");
    let metrics = gateway.send(&Call::get("/metrics").header("authorization", &format!("Bearer {KEY}"))).await;
    assert!(metrics.text().contains("interlingua_account_limit{account=\"a\""));
    assert!(metrics.header("content-type").expect("a type").starts_with("text/plain"));
    gateway.rewrite(&Stage::new(mock.port).account("a", "enabled: false").yaml(gateway.port, gateway.admin));
    assert_eq!(Call::post("/api/reload", "").send(gateway.admin).await.status, 200);
    assert_eq!(gateway.send(&Call::get("/readyz")).await.status, 503, "no account, no readiness");
    assert_eq!(gateway.send(&Call::get("/healthz")).await.status, 200);
}

#[tokio::test]
async fn wrong_paths_and_methods_in_the_callers_dialect() {
    let (mock, gateway) = gateway(false).await;
    for (call, status, protocol) in [
        (Call::get("/nowhere"), 404, Protocol::Chat),
        (Call::post("/v1/nowhere", "{}"), 404, Protocol::Chat),
        (Call::post("/v1/messages/nowhere", "{}"), 404, Protocol::Anthropic),
        (Call::get("/v1/nowhere").header("anthropic-version", "2023-06-01"), 404, Protocol::Anthropic),
        (Call::get("/nowhere").header("x-goog-api-key", "k"), 404, Protocol::Gemini),
        (Call::post("/v1beta/models/m:predictNothing", "{}"), 404, Protocol::Gemini),
        (Call::get("/v1/chat/completions"), 405, Protocol::Chat),
        (Call::get("/v1/responses"), 405, Protocol::Responses),
        (Call::get("/v1/messages"), 405, Protocol::Anthropic),
        (Call { method: "DELETE", ..Call::get("/v1/messages") }, 405, Protocol::Anthropic),
        (Call::get("/v1beta/models/m:generateContent"), 405, Protocol::Gemini),
        (Call::get("/v1/embeddings"), 405, Protocol::Chat),
        (Call::get("/v1/messages/count_tokens"), 405, Protocol::Anthropic),
    ] {
        let answer = gateway.send(&call).await;
        assert_eq!(answer.status, status, "{} {}", call.method, call.path);
        protocol.error(&answer);
        assert_eq!(answer.header("allow"), (status == 405).then_some("POST"), "{} {}", call.method, call.path);
        let name = if protocol == Protocol::Anthropic { "request-id" } else { "x-request-id" };
        assert!(answer.header(name).is_some_and(|id| id.starts_with("req_")), "{} {}", call.method, call.path);
    }
    assert_eq!(mock.requests().await.len(), 0);
}

#[tokio::test]
async fn a_clients_key_is_taken_in_four_places_and_a_wrong_one_refused() {
    let (mock, gateway) = gateway(true).await;
    let with = |protocol: Protocol, place: &str, key: &str| {
        let call = protocol.call("m", "hello", false);
        match place {
            "authorization" => call.header("authorization", &format!("Bearer {key}")),
            "?key=" => {
                let joint = if call.path.contains('?') { '&' } else { '?' };
                Call { path: format!("{}{joint}key={key}", call.path), ..call }
            }
            name => call.header(name, key),
        }
    };
    let places = ["authorization", "x-api-key", "x-goog-api-key", "?key="];
    for protocol in ALL {
        for place in places {
            let answer = gateway.send(&with(protocol, place, KEY)).await;
            assert_eq!(protocol.said(&answer, false), Ok("You said: hello".to_owned()), "{protocol:?} {place}");
        }
    }
    let served = mock.requests().await.len();
    for protocol in ALL {
        for (place, key) in places.map(|place| (place, "client-key-of-a-stranger")).into_iter().chain([("x-other", "")])
        {
            let mut wire = Wire::connect(gateway.port).await;
            for _ in 0..2 {
                wire.send(&with(protocol, place, key).sized()).await;
                let Ok(answer) = wire.answer().await else { break };
                assert_eq!(answer.status, 401, "{protocol:?} {place}");
                let (kind, message) = protocol.error(&answer);
                let wanted = match protocol {
                    Protocol::Gemini => "UNAUTHENTICATED",
                    Protocol::Anthropic => "authentication_error",
                    _ => "invalid_request_error",
                };
                assert!(kind == wanted || kind == "authentication_error", "{protocol:?}: {kind}");
                assert!(message.contains("key") && !message.contains("stranger"), "{message}");
                if answer.header("connection") == Some("close") {
                    wire = Wire::connect(gateway.port).await;
                }
            }
            let answer =
                H2::connect(gateway.port).await.send(&with(protocol, place, key), true).await.expect("an answer");
            assert_eq!(answer.status, 401);
        }
    }
    assert_eq!(gateway.send(&Call::get("/v1/models")).await.status, 401);
    assert_eq!(gateway.send(&Call::get("/v1/models").header("x-api-key", KEY)).await.status, 200);
    assert_eq!(mock.requests().await.len(), served, "no stranger reached a provider");
}
