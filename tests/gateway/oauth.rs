//! Accounts with refresh tokens.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::RsaKeyPair;
use serde_json::{Value, json};

use super::call::Call;
use super::platforms::stage;
use super::protocol::Protocol;
use super::rig::{Gateway, Mock};
use super::stage::Stage;

async fn asked(mock: &Mock, what: &str) -> u64 {
    let told: Value = Call::get("/_mock/oauth").send(mock.port).await.json();
    told[what].as_u64().expect("a count")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_fetches_one_token_and_one_project() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&stage(mock.port)).await;
    let port = gateway.port;
    let clients: Vec<_> = (0..20)
        .map(|number| {
            tokio::spawn(async move {
                let call = Protocol::Gemini.call("ca/m", &format!("client {number}"), true);
                Protocol::Gemini.said(&call.send(port).await, true)
            })
        })
        .collect();
    for (number, client) in clients.into_iter().enumerate() {
        assert_eq!(client.await.expect("a client"), Ok(format!("You said: client {number}")));
    }
    assert_eq!((asked(&mock, "refreshes").await, asked(&mock, "loads").await), (1, 1));
}

#[tokio::test]
async fn a_token_that_is_refused_early_is_replaced_once() {
    let mock = Mock::start("rules: [{match: {key: key-ca, nth: 1}, faults: ['401']}]").await;
    let gateway = Gateway::start(&stage(mock.port)).await;
    let call = Protocol::Chat.call("ca/m", "hello", false);
    assert_eq!(Protocol::Chat.said(&gateway.send(&call).await, false), Ok("You said: hello".to_owned()));
    assert_eq!(asked(&mock, "refreshes").await, 2);
    mock.script("rules: [{match: {key: key-ca}, faults: ['401']}]").await;
    assert_eq!(gateway.send(&call).await.status, 503, "the account's trouble is not the client's");
    assert_eq!(asked(&mock, "refreshes").await, 3, "once for each request");
}

#[tokio::test]
async fn a_revoked_account_is_out_until_it_has_another_token() {
    let mock = Mock::start("").await;
    let root = format!("http://127.0.0.1:{}", mock.port);
    let with = |refresh_token: &str| {
        let oauth =
            format!("oauth: {{ client_id: mine, refresh_token: {refresh_token}, token_url: '{root}/oauth/token' }}");
        Stage::new(mock.port)
            .entry(
                &format!("id: v, provider: vertex, project: p, base_url: '{root}'"),
                &format!("id: first, upstream: v, tier: pro, {oauth}"),
            )
            .entry("", "id: second, upstream: v, tier: free, credential: key-second")
            .account("a", "")
            .model("match: 'v/*', upstream: v, model: '{1}'")
    };
    let gateway = Gateway::start(&with("key-revoked")).await;
    // Each a conversation of its own, so that nothing keeps it where it is.
    let call = |number: u32| Protocol::Anthropic.call("v/m", &format!("hello {number}"), false);
    for number in 0..3 {
        assert_eq!(gateway.send(&call(number)).await.status, 200);
    }
    assert_eq!((mock.count("second").await, asked(&mock, "refreshes").await), (3, 1));
    assert!(!gateway.process.log().contains("key-revoked"));
    gateway.rewrite(&with("key-first").yaml(gateway.port, gateway.admin));
    assert_eq!(Call::post("/api/reload", "").send(gateway.admin).await.status, 200);
    assert_eq!(gateway.send(&call(3)).await.status, 200);
    assert_eq!((mock.count("first").await, mock.count("second").await), (1, 3), "it is let in again at once");
}

#[tokio::test]
async fn a_revoked_account_is_out_after_a_restart_too_until_it_has_another_token() {
    let (folder, mock) = (tempfile::tempdir().expect("a folder"), Mock::start("").await);
    let file = folder.path().join("state.db");
    let root = format!("http://127.0.0.1:{}", mock.port);
    let with = |refresh_token: &str| {
        let oauth =
            format!("oauth: {{ client_id: mine, refresh_token: {refresh_token}, token_url: '{root}/oauth/token' }}");
        Stage::new(mock.port)
            .entry(
                &format!("id: v, provider: vertex, project: p, base_url: '{root}'"),
                &format!("id: first, upstream: v, tier: pro, {oauth}"),
            )
            .entry("", "id: second, upstream: v, tier: free, credential: key-second")
            .account("a", "")
            .model("match: 'v/*', upstream: v, model: '{1}'")
            .state(file.to_str().expect("UTF-8"))
    };
    let call = |number: u32| Protocol::Anthropic.call("v/m", &format!("hello {number}"), false);
    let standing = async |gateway: &Gateway| {
        let all = Call::get("/api/accounts/status").send(gateway.admin).await.json();
        let all = all["accounts"].as_array().expect("a list").clone();
        all.into_iter().find(|one| one["account"] == "first").expect("it")["standing"].clone()
    };
    let restarted = async |mut gateway: Gateway, stage: Stage| {
        tokio::time::sleep(Duration::from_millis(400)).await;
        gateway.process.signal("KILL");
        assert!(gateway.process.end(Duration::from_secs(5)).await.is_some());
        Gateway::start(&stage).await
    };
    let gateway = Gateway::start(&with("key-revoked")).await;
    assert_eq!(gateway.send(&call(0)).await.status, 200);
    let gateway = restarted(gateway, with("key-revoked")).await;
    let told = standing(&gateway).await;
    assert!(
        told["state"] == "disabled" && told["reason"].as_str().is_some_and(|why| why.contains("new one")),
        "{told}"
    );
    assert_eq!(gateway.send(&call(1)).await.status, 200);
    assert_eq!((asked(&mock, "refreshes").await, mock.count("second").await), (1, 2), "nobody asks for it again");
    gateway.rewrite(&with("key-first").yaml(gateway.port, gateway.admin));
    assert_eq!(Call::post("/api/reload", "").send(gateway.admin).await.status, 200);
    assert_eq!(gateway.send(&call(2)).await.status, 200);
    assert_eq!(mock.count("first").await, 1, "let in by a reload");
    gateway.rewrite(&with("key-revoked").yaml(gateway.port, gateway.admin));
    assert_eq!(Call::post("/api/reload", "").send(gateway.admin).await.status, 200);
    assert_eq!(gateway.send(&call(3)).await.status, 200);
    assert_eq!(standing(&gateway).await["state"], "disabled");
    let gateway = restarted(gateway, with("key-first")).await;
    assert_eq!(gateway.send(&call(4)).await.status, 200);
    assert_eq!(mock.count("first").await, 2, "let in by a start with another token");
    assert!(!String::from_utf8_lossy(&std::fs::read(&file).expect("the state")).contains("key-revoked"));
}

/// The key of no account, made for tests, with a token endpoint here.
fn robot(token_url: &str) -> (String, String) {
    let text = include_str!("../fixtures/not-a-real-service-account.json");
    let mut key: Value = serde_json::from_str(text).expect("JSON");
    key["token_uri"] = token_url.into();
    let pem: String =
        key["private_key"].as_str().expect("a key").lines().filter(|line| !line.contains("---")).collect();
    let pair = RsaKeyPair::from_pkcs8(&STANDARD.decode(pem).expect("base64")).expect("an RSA key");
    (key.to_string(), STANDARD.encode(pair.public().as_ref()))
}

#[tokio::test]
async fn a_service_account_signs_for_its_tokens_and_names_its_project() {
    const EMAIL: &str = "robot@not-a-real-project.iam.gserviceaccount.com";
    let mock = Mock::start("").await;
    let root = format!("http://127.0.0.1:{}", mock.port);
    let (key, public) = robot(&format!("{root}/oauth/token"));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key.json");
    std::fs::write(&file, key).expect("written");
    let stage = Stage::new(mock.port)
        .entry(
            &format!("id: v, provider: vertex, base_url: '{root}'"),
            &format!("id: robot, upstream: v, service_account: '${{file:{}}}'", file.display()),
        )
        .account("a", "")
        .model("match: 'v/*', upstream: v, model: '{1}'");
    let gateway = Gateway::start_logging(&stage, "debug").await;
    let call = Protocol::Chat.call("v/m", "hello", false);
    assert_eq!(gateway.send(&call).await.status, 503, "the endpoint does not know it");
    let register = format!(r#"{{"service_account": "{EMAIL}", "public_key": "{public}"}}"#);
    assert_eq!(Call::post("/_mock/oauth", register.as_bytes()).send(mock.port).await.status, 200);
    assert_eq!(Call::post("/api/reload", "").send(gateway.admin).await.status, 200);
    let cleared = Call { method: "DELETE", ..Call::post("/api/resilience/cooldowns?all=true", "") };
    assert_eq!(cleared.send(gateway.admin).await.status, 200);
    // A failure is the answer for a while; another key is another matter.
    let spaced =
        std::fs::read_to_string(&file).expect("the key").replace("\"0000000000000000\"", "\"0000000000000001\"");
    std::fs::write(&file, spaced).expect("written");
    assert_eq!(Call::post("/api/reload", "").send(gateway.admin).await.status, 200);
    for _ in 0..3 {
        let answer = gateway.send(&call).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let last = Call::get(&format!("/_mock/requests?last=1&key={EMAIL}")).send(mock.port).await.json();
    let target = last["requests"][0]["target"].as_str().expect("a path");
    assert!(target.starts_with("/v1/projects/not-a-real-project/locations/global/"), "{target}");
    assert_eq!(asked(&mock, "refreshes").await, 2, "one was refused, one serves all");
    let log = gateway.process.log();
    assert!(log.contains("invalid_grant") && !log.contains("PRIVATE KEY") && !log.contains("ya29."), "{log}");
}

#[tokio::test]
async fn headers_of_an_account_outrank_those_of_its_upstream_and_are_never_shown() {
    let mock = Mock::start("").await;
    let root = format!("http://127.0.0.1:{}", mock.port);
    let stage = Stage::new(mock.port)
        .entry(
            &format!("id: own, dialect: openai_chat, base_url: '{root}/v1', headers: {{ x-team: of-the-upstream, x-all: all }}"),
            "id: one, upstream: own, credential: key-one, headers: { X-Team: canary-of-one, x-more: canary-more }",
        )
        .model("match: 'own/*', upstream: own, model: '{1}'");
    let gateway = Gateway::start_logging(&stage, "trace").await;
    let answer = gateway.send(&Protocol::Chat.call("own/m", "hello", false)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let headers = mock.last("one").await["headers"].clone();
    assert_eq!((&headers["x-team"], &headers["x-all"]), (&json!("canary-of-one"), &json!("all")));
    assert_eq!(headers["x-more"], "canary-more");
    assert!(!gateway.process.log().contains("canary-"), "not in the log");
    let status = Call::get("/api/accounts/one").send(gateway.admin).await;
    assert!(status.status == 200 && !status.text().contains("canary-"));
}
