//! The operator changes what a running gateway does: names of models, maintenance; and asks where a model would go.

use std::time::Duration;

use serde_json::{Value, json};

use super::call::Call;
use super::process::program;
use super::protocol::{ALL, Protocol};
use super::rig::{Gateway, Mock, eventually};
use super::stage::Stage;

fn run(gateway: &Gateway, arguments: &[&str]) -> (i32, String, String) {
    let url = format!("http://127.0.0.1:{}", gateway.admin);
    let output = program(&[arguments, &["--url", &url]].concat()).current_dir("/").output().expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("an exit code"), text(output.stdout), text(output.stderr))
}

fn said(gateway: &Gateway, arguments: &[&str]) -> String {
    let (code, said, error) = run(gateway, arguments);
    assert_eq!(code, 0, "{arguments:?}: {error}");
    said
}

async fn asked_for(gateway: &Gateway, mock: &Mock, name: &str) -> Option<String> {
    let answer = gateway.send(&Protocol::Anthropic.call(name, "hello", false)).await;
    (answer.status == 200).then_some(())?;
    mock.last("a").await["body"]["model"].as_str().map(str::to_owned)
}

fn stage(mock: &Mock) -> Stage {
    Stage::with(mock.port, &["a"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_stands_for_another_model_from_the_next_request_on_and_after_a_restart() {
    let (mock, folder) = (Mock::start("").await, tempfile::tempdir().expect("a folder"));
    let state = folder.path().join("state.db");
    let stage = stage(&mock).state(state.to_str().expect("UTF-8"));
    let gateway = Gateway::start(&stage).await;
    assert_eq!(asked_for(&gateway, &mock, "fast").await.as_deref(), Some("fast"));
    assert!(said(&gateway, &["models", "map", "fast", "anthropic/claude-haiku-4-5"]).contains("stands for"));
    assert!(said(&gateway, &["models", "map", "big-*", "x"]).contains("big-*"));
    assert_eq!(asked_for(&gateway, &mock, "fast").await.as_deref(), Some("claude-haiku-4-5"));
    assert_eq!(asked_for(&gateway, &mock, "big-one").await.as_deref(), Some("x"));
    let answer = gateway.send(&Protocol::Chat.call("fast", "hello", false)).await.json();
    assert_eq!(answer["model"], "fast", "the client sees the name that it asked for");
    let models = Call::get("/v1/models").send(gateway.port).await.json();
    let listed: Vec<&str> =
        models["data"].as_array().expect("a list").iter().filter_map(|one| one["id"].as_str()).collect();
    assert!(listed.contains(&"fast") && !listed.contains(&"big-*"), "{listed:?}");
    let list = said(&gateway, &["models", "list"]);
    assert!(list.contains("fast") && list.contains("anthropic/claude-haiku-4-5"), "{list}");
    for (name, target, why) in [("a b", "x", "white space"), ("m", "", "is empty"), ("m", "{1}", "no target")] {
        let (code, _, error) = run(&gateway, &["models", "map", name, target]);
        assert!(code == 1 && error.contains(why), "{name} {target}: {error}");
    }

    let port = (gateway.port, gateway.admin);
    drop(gateway);
    let gateway = Gateway::start(&stage).await;
    assert_ne!((gateway.port, gateway.admin), port);
    assert_eq!(asked_for(&gateway, &mock, "fast").await.as_deref(), Some("claude-haiku-4-5"));
    said(&gateway, &["models", "unmap", "fast"]);
    assert_eq!(asked_for(&gateway, &mock, "fast").await.as_deref(), Some("fast"));
    let (code, _, error) = run(&gateway, &["models", "unmap", "fast"]);
    assert!(code == 1 && error.contains("stands for no other model"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_gateways_keep_their_names_equal_and_removed_ones_stay_away() {
    const KEY: &str = "admin-key-of-the-hub";
    let (mock, folder) = (Mock::start("").await, tempfile::tempdir().expect("a folder"));
    let at = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let hub = Gateway::start(&stage(&mock).state(&at("hub.db")).server(&format!("admin_keys: ['{KEY}']"))).await;
    let sync = |key: &str| {
        format!("mapping: {{ sync: {{ url: 'http://127.0.0.1:{}', token: '{key}', interval: 5s }} }}", hub.admin)
    };
    let spoke = Gateway::start(&stage(&mock).state(&at("spoke.db")).more(&sync(KEY))).await;
    let hub_says = async |method: &'static str, path: &str, body: &str| {
        let call = Call { method, ..Call::post(path, body) }.header("authorization", &format!("Bearer {KEY}"));
        call.send(hub.admin).await
    };
    assert_eq!(hub_says("PUT", "/api/models/mappings/smart", r#"{"target":"gpt-5"}"#).await.status, 200);
    said(&spoke, &["models", "map", "fast", "gemini-2.5-flash"]);
    assert!(said(&spoke, &["mapping", "sync"]).contains("2 names"));
    assert_eq!(asked_for(&spoke, &mock, "smart").await.as_deref(), Some("gpt-5"));
    assert_eq!(asked_for(&hub, &mock, "fast").await.as_deref(), Some("gemini-2.5-flash"));

    said(&spoke, &["models", "unmap", "smart"]);
    let gone = async || {
        let told = hub_says("GET", "/api/config/mapping", "").await.json();
        told["entries"]["smart"]["deleted"] == true
    };
    assert!(eventually(Duration::from_secs(15), gone).await, "the spoke syncs by itself");
    assert_eq!(asked_for(&spoke, &mock, "smart").await.as_deref(), Some("smart"));
    assert_eq!(spoke.metrics().await.sum("interlingua_mapping_synced", &[]), 1);

    // A wrong key is told once, and nothing is lost.
    spoke
        .rewrite(&stage(&mock).state(&at("spoke.db")).more(&sync("a-key-that-is-wrong")).yaml(spoke.port, spoke.admin));
    assert_eq!(Call::post("/api/reload", "").send(spoke.admin).await.status, 200);
    let (code, _, error) = run(&spoke, &["mapping", "sync"]);
    assert!(code == 1 && error.contains("status 401"), "{error}");
    assert_eq!(asked_for(&spoke, &mock, "fast").await.as_deref(), Some("gemini-2.5-flash"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_gateway_ends_what_is_at_work_and_turns_new_requests_away_in_their_dialect() {
    let mock = Mock::start("rules: [{match: {model: slow}, faults: ['delay-chunk:150']}]").await;
    let gateway = Gateway::start(&stage(&mock)).await;
    let long = "a word and another word and one more word for a stream of many pieces";
    let stream = {
        let call = Protocol::Anthropic.call("slow", long, true);
        let port = gateway.port;
        tokio::spawn(async move { call.send(port).await })
    };
    let works = async || gateway.metrics().await.sum("interlingua_account_in_flight", &[]) == 1;
    assert!(eventually(Duration::from_secs(5), works).await);
    let told = said(&gateway, &["pause", "new disks are put in"]);
    assert!(told.contains("paused") && told.contains("at work still"), "{told}");
    for client in ALL {
        for stream in [false, true] {
            let answer = gateway.send(&client.call("m", "hello", stream)).await;
            assert_eq!(answer.status, 503, "{client:?}");
            assert!(answer.header("retry-after").is_some(), "{client:?}");
            let message = answer.json()["error"]["message"].clone();
            assert!(
                message.as_str().is_some_and(|text| text.contains("maintenance: new disks are put in")),
                "{client:?}: {message}"
            );
        }
    }
    assert_eq!(Call::get("/readyz").send(gateway.port).await.status, 503);
    assert_eq!(Call::get("/healthz").send(gateway.port).await.status, 200);
    assert_eq!(Call::get("/v1/models").send(gateway.port).await.status, 200);
    let answer = stream.await.expect("it ends");
    assert_eq!(Protocol::Anthropic.said(&answer, true), Ok(format!("You said: {long}")));
    assert!(said(&gateway, &["resume"]).contains("it takes requests"));
    assert_eq!(gateway.send(&Protocol::Chat.call("m", "hello", false)).await.status, 200);
    assert_eq!(Call::get("/readyz").send(gateway.port).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_of_a_model_is_explained_with_what_the_accounts_do_now() {
    let mock = Mock::start("rules: [{match: {key: key-a}, faults: ['429:600']}]").await;
    let gateway = Gateway::start(&Stage::new(mock.port).account("a", "tier: pro").account("b", "tier: free")).await;
    assert_eq!(gateway.send(&Protocol::Anthropic.call("m", "hello", false)).await.status, 200);
    gateway.comes_to_rest().await;
    let told = Call::get("/api/explain?model=m&protocol=anthropic").send(gateway.admin).await.json();
    let step = &told["steps"][0];
    assert_eq!((&told["rule"], &step["kind"], &step["model"]), (&json!("*"), &json!("target"), &json!("m")));
    let lanes: Vec<(&str, &str)> = step["upstreams"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| Some((one["dialect"].as_str()?, one["lane"].as_str()?)))
        .collect();
    assert!(lanes.contains(&("anthropic", "passes")) && lanes.contains(&("gemini", "translated")), "{lanes:?}");
    assert_eq!(step["candidates"][0]["account"], "b");
    assert_eq!(step["candidates"][0]["passed_over"], Value::Null);
    assert!(step["candidates"][1]["passed_over"].as_str().is_some_and(|why| why.contains("rate_limit")), "{step}");
    let text = said(&gateway, &["explain", "m", "--live", "--protocol", "anthropic"]);
    assert!(text.contains("takes the rule '*'") && text.contains("it rests: rate_limit"), "{text}");
    for (query, status) in [("", 400), ("?model=m&protocol=morse", 400), ("?model=m&colour=red", 400)] {
        assert_eq!(Call::get(&format!("/api/explain{query}")).send(gateway.admin).await.status, status, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_path_that_is_described_answers_and_every_answer_is_described() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&stage(&mock)).await;
    let api = Call::get("/api/openapi.json").send(gateway.admin).await.json();
    assert_eq!(api["openapi"].as_str().map(|version| &version[..2]), Some("3."));
    let paths = api["paths"].as_object().expect("paths");
    assert!(paths.len() >= 15, "{}", paths.len());
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().expect("operations") {
            assert!(
                operation["summary"].is_string() || operation["description"].is_string(),
                "{method} {path} says what it does"
            );
            assert!(operation["responses"]["default"].is_object(), "{method} {path} may fail");
        }
        if operations["get"].is_object() && !path.contains('{') {
            let answer = Call::get(path).send(gateway.admin).await;
            let wants = operations["get"]["parameters"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one["required"] == true));
            assert_eq!(answer.status, if wants { 400 } else { 200 }, "{path}: {}", answer.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quotas_and_warm_ups_are_shown_and_asked_for() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&stage(&mock).resilience("warm_up: { models: [m] }")).await;
    assert!(said(&gateway, &["quota", "show"]).contains("no provider has told"));
    let (code, _, error) = run(&gateway, &["quota", "refresh", "a"]);
    assert!(code == 1 && error.contains("tells no quotas"), "{error}");
    let (code, _, error) = run(&gateway, &["quota", "refresh", "nobody"]);
    assert!(code == 1 && error.contains("there is no account 'nobody'"), "{error}");
    assert!(said(&gateway, &["warmup", "history"]).contains("none was sent"));
    let sent = said(&gateway, &["warmup", "run"]);
    assert!(sent.contains("1 sent") && sent.contains("ok"), "{sent}");
    assert!(said(&gateway, &["warmup", "history"]).contains("ok"));
    assert!(said(&gateway, &["reload"]).contains("is in force"));
}
