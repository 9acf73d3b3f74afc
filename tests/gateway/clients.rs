//! Clients with limits, over sockets: what they may, how they are refused, and how the operator steers them.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::call::Call;
use super::process::{WAIT_MAX, program};
use super::protocol::{ALL, Protocol};
use super::rig::{Gateway, Mock, eventually};
use super::stage::Stage;
use super::wire::{Answer, Wire};

/// The longest time from spending to the disk.
const SPENDING_WRITTEN: Duration = Duration::from_millis(1500);
/// Prices that every model of these tests has.
const PRICES: &str = "profiles: [{ match: '*', price_input: 1000, price_output: 1000 }]";

fn key(id: &str) -> String {
    format!("key-of-the-client-{id}")
}

/// Clients of the file, each an id and the rest of its entry.
fn clients<'a>(all: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut text = "clients:\n".to_owned();
    for (id, more) in all {
        let comma = if more.is_empty() { "" } else { ", " };
        let _ = writeln!(text, "  - {{ id: {id}, keys: {}{comma}{more} }}", key(id));
    }
    text
}

async fn gateway<'a>(all: impl IntoIterator<Item = (&'a str, &'a str)>) -> (Mock, Gateway) {
    let mock = Mock::start("").await;
    let stage = Stage::new(mock.port).account("a", "concurrency: 100").more(PRICES).more(&clients(all));
    let gateway = Gateway::start(&stage).await;
    (mock, gateway)
}

/// A request of a client, with its key where the protocol has it.
fn ask(protocol: Protocol, model: &str, key: &str) -> Call {
    let call = protocol.call(model, "hello there", false);
    match protocol {
        Protocol::Chat | Protocol::Responses => call.header("authorization", &format!("Bearer {key}")),
        Protocol::Anthropic => call.header("x-api-key", key),
        Protocol::Gemini => call.header("x-goog-api-key", key),
    }
}

async fn api(gateway: &Gateway, method: &'static str, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    Call { method, ..Call::post(path, body) }.send(gateway.admin).await
}

async fn client(gateway: &Gateway, id: &str) -> Value {
    let answer = Call::get(&format!("/api/clients/{id}")).send(gateway.admin).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// What a client hears at its limit: the status, the protocol's kind, the message, and how many seconds to wait.
fn refused(protocol: Protocol, answer: &Answer) -> (u16, String, String, Option<u64>) {
    let (kind, message) = protocol.error(answer);
    (answer.status, kind, message, answer.header("retry-after").map(|wait| wait.parse().expect("seconds")))
}

#[tokio::test]
async fn each_limit_in_each_protocol() {
    const LIMITS: [(&str, &str, &str, bool); 6] = [
        ("rate", "requests_per_minute: 1", "1 requests a minute", false),
        ("tokens", "tokens_per_minute: 5", "5 tokens a minute", false),
        ("day", "budgets: { daily: { tokens: 1 } }", "daily budget of 1 tokens", true),
        ("day-usd", "budgets: { daily: { usd: 0.001 } }", "daily budget of $0.001000", true),
        ("month", "budgets: { monthly: { tokens: 1 } }", "monthly budget of 1 tokens", true),
        ("month-usd", "budgets: { monthly: { usd: 0.001 } }", "monthly budget of $0.001000", true),
    ];
    let ids =
        ALL.iter().flat_map(|protocol| LIMITS.map(|(id, limit, ..)| (format!("{}-{id}", protocol.name()), limit)));
    let ids: Vec<(String, &str)> = ids.collect();
    let (mock, gateway) = gateway(ids.iter().map(|(id, limit)| (id.as_str(), *limit))).await;
    for protocol in ALL {
        for (limit, _, said, is_budget) in LIMITS {
            let id = format!("{}-{limit}", protocol.name());
            let first = gateway.send(&ask(protocol, "m", &key(&id))).await;
            assert_eq!(first.status, 200, "{id}: {}", first.text());
            let settled = || async { client(&gateway, &id).await["today"]["tokens"].as_u64() > Some(0) };
            assert!(eventually(WAIT_MAX, settled).await, "{id}: what was used is booked");
            let (status, kind, message, wait) = refused(protocol, &gateway.send(&ask(protocol, "m", &key(&id))).await);
            let wanted = match protocol {
                Protocol::Anthropic => "rate_limit_error",
                Protocol::Gemini => "RESOURCE_EXHAUSTED",
                _ if is_budget => "insufficient_quota",
                _ => "rate_limit_error",
            };
            assert_eq!((status, kind.as_str()), (429, wanted), "{id}: {message}");
            assert!(message.contains(said) && message.contains(&id), "{id}: {message}");
            let longest = if limit.starts_with("month") { 31 * 86_400 } else { 86_400 };
            let wait = wait.expect("retry-after");
            assert!(if is_budget { (1..=longest).contains(&wait) } else { (1..=601).contains(&wait) }, "{id}: {wait}");
            if is_budget {
                assert!(message.contains("T00:00:00Z"), "{id}: {message}");
            }
        }
    }
    let asked = ALL.len() * LIMITS.len();
    assert_eq!(mock.count("a").await, asked, "no refused request reaches a provider");
    let metrics = gateway.metrics_with(&key("chat-rate")).await;
    assert_eq!(metrics.sum("interlingua_attempts_total", &[("account", "a")]), asked.cast_signed() as i64);
    assert_eq!(metrics.sum("interlingua_account_cooldown_seconds", &[]), 0, "the accounts hear nothing of it");
    for (client, limit) in
        [("chat-rate", "requests"), ("gemini-day-usd", "daily_usd"), ("anthropic-month", "monthly_tokens")]
    {
        assert_eq!(
            metrics.sum("interlingua_client_refusals_total", &[("client", client), ("limit", limit)]),
            1,
            "{client}"
        );
    }
    let used =
        metrics.sum("interlingua_client_budget_used_permille", &[("client", "chat-day"), ("budget", "daily_tokens")]);
    assert!(used > 1000, "{used}");
}

#[tokio::test]
async fn a_client_at_work_hears_that_in_its_protocol_and_its_place_comes_back() {
    let ids: Vec<&str> = ALL.iter().map(|protocol| protocol.name()).collect();
    let (mock, gateway) = gateway(ids.iter().map(|id| (*id, "concurrency: 1"))).await;
    for protocol in ALL {
        let key = key(protocol.name());
        let mut busy = Wire::connect(gateway.port).await;
        busy.send(&ask(protocol, "m+fault=hang", &key).sized()).await;
        assert!(eventually(WAIT_MAX, || async { mock.total("in_flight").await == 1 }).await);
        let (status, _, message, wait) = refused(protocol, &gateway.send(&ask(protocol, "m", &key)).await);
        assert_eq!((status, wait), (429, Some(1)), "{message}");
        assert!(message.contains("1 requests at work at a time"), "{message}");
        assert_eq!(gateway.send(&Call::get("/v1/models").header("x-api-key", &key)).await.status, 200);
        drop(busy);
        let free = || async { gateway.send(&ask(protocol, "m", &key)).await.status == 200 };
        assert!(eventually(WAIT_MAX, free).await, "{protocol:?}: who left gives its place back");
        for _ in 0..20 {
            // Each on a connection of its own, at once behind the last byte of the one before.
            assert_eq!(gateway.send(&ask(protocol, "m", &key)).await.status, 200, "{protocol:?}");
        }
    }
}

#[tokio::test]
async fn a_key_that_is_not_good_is_told_why() {
    let old = format!(
        "old_keys: [{{ key: {}, until: '2020-01-01T00:00:00Z' }}, {{ key: {}, until: '2099-01-01T00:00:00Z' }}]",
        key("gone"),
        key("going")
    );
    let (mock, gateway) = gateway([
        ("off", "enabled: false"),
        ("ended", "expires: '2020-01-01T00:00:00+01:00'"),
        ("far", "addresses: [10.0.0.0/8, '2001:db8::1']"),
        ("near", "addresses: 127.0.0.0/8, expires: '2099-01-01T00:00:00Z'"),
        ("changed", old.as_str()),
    ])
    .await;
    for protocol in ALL {
        for (id, status, said) in [
            ("off", 401, "switched off"),
            ("ended", 401, "was good until 2019-12-31T23:00:00Z"),
            ("far", 403, "may not come from 127.0.0.1"),
            ("gone", 401, "was replaced"),
            ("nobody", 401, "not one of this gateway's"),
        ] {
            let answer = gateway.send(&ask(protocol, "m", &key(id))).await;
            let (_, message) = protocol.error(&answer);
            assert_eq!(answer.status, status, "{id}: {message}");
            assert!(message.contains(said) && answer.header("retry-after").is_none(), "{id}: {message}");
        }
        for id in ["near", "changed", "going"] {
            assert_eq!(gateway.send(&ask(protocol, "m", &key(id))).await.status, 200, "{id}");
        }
    }
    assert_eq!(mock.count("a").await, 12);
}

#[tokio::test]
async fn a_client_has_the_models_that_it_may_use() {
    let mock = Mock::start("").await;
    let stage = Stage::new(mock.port)
        .account("a", "")
        .model("match: fast, upstream: chat, model: gpt-5-mini")
        .model("match: 'gpt-*', upstream: chat, list: [gpt-5, gpt-5-mini]")
        .more(&clients([("by-name", "models: [fast]"), ("by-model", "models: 'gpt-5-mini'"), ("all", "")]));
    let gateway = Gateway::start(&stage).await;
    for (id, good, bad, listed) in [
        ("by-name", &["fast"][..], &["gpt-5-mini", "gpt-5", "chat/gpt-5"][..], json!(["fast"])),
        (
            "by-model",
            &["fast", "gpt-5-mini", "chat/gpt-5-mini"],
            &["gpt-5", "chat/gpt-5"],
            json!(["fast", "gpt-5-mini"]),
        ),
        ("all", &["fast", "gpt-5", "chat/x"], &[], json!(["fast", "gpt-5", "gpt-5-mini"])),
    ] {
        for protocol in ALL {
            for model in good {
                assert_eq!(gateway.send(&ask(protocol, model, &key(id))).await.status, 200, "{id} {model}");
            }
            for model in bad {
                let answer = gateway.send(&ask(protocol, model, &key(id))).await;
                let (_, message) = protocol.error(&answer);
                assert_eq!(answer.status, 403, "{id} {model}: {message}");
                assert!(message.contains(model) && message.contains(id), "{message}");
            }
        }
        let get = async |path: &str| {
            gateway.send(&Call::get(path).header("authorization", &format!("Bearer {}", key(id)))).await
        };
        let list = get("/v1/models").await.json();
        let ids: Vec<&str> =
            list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect();
        assert_eq!(json!(ids), listed, "{id}");
        assert_eq!(get("/v1/models/fast").await.status, 200);
        assert_eq!(get("/v1/models/gpt-5").await.status, if id == "all" { 200 } else { 403 });
    }
    let embed = Call::post("/v1/embeddings", json!({"model": "gpt-5", "input": "x"}).to_string());
    assert_eq!(
        gateway.send(&embed.header("x-api-key", &key("by-name"))).await.status,
        403,
        "not by another question either"
    );
}

#[tokio::test]
async fn what_passes_is_no_way_around() {
    let (_mock, gateway) =
        gateway([("some", "models: [m]"), ("poor", "budgets: { daily: { tokens: 1000 } }"), ("free", "")]).await;
    let send = async |id: &str, call: Call| {
        gateway.send(&call.header("authorization", &format!("Bearer {}", key(id)))).await.status
    };
    let batch =
        || Call::post("/v1/batches", json!({"input_file_id": "f", "endpoint": "/v1/chat/completions"}).to_string());
    let compact = |model: &str| Call::post("/v1/responses/compact", json!({"model": model, "input": "x"}).to_string());
    assert_eq!(send("some", batch()).await, 403, "which models it runs cannot be told");
    assert_eq!(send("poor", batch()).await, 403, "what it uses cannot be counted");
    assert_ne!(send("free", batch()).await, 403);
    assert_eq!(send("some", compact("other")).await, 403);
    assert_ne!(send("some", compact("m")).await, 403);
    for id in ["some", "poor"] {
        assert_eq!(send(id, Call::get("/v1/files")).await, 200, "{id} may read");
    }
}

#[tokio::test]
async fn what_is_local_or_counted_is_no_request_of_a_model() {
    let (_mock, gateway) = gateway([("one", "requests_per_minute: 1, concurrency: 1")]).await;
    let key = key("one");
    let count = json!({"model": "m", "messages": [{"role": "user", "content": "How many?"}]}).to_string();
    for _ in 0..3 {
        for path in ["/v1/models", "/v1/models/m", "/metrics"] {
            assert_eq!(gateway.send(&Call::get(path).header("x-api-key", &key)).await.status, 200, "{path}");
        }
        let counted = Call::post("/v1/messages/count_tokens", count.clone()).header("x-api-key", &key);
        assert_eq!(gateway.send(&counted).await.status, 200);
    }
    let answer = gateway.send(&ask(Protocol::Chat, "m", &key)).await;
    assert_eq!(answer.status, 200);
    let told = |answer: &Answer, name: &str| answer.header(&format!("x-ratelimit-{name}-requests")).map(str::to_owned);
    assert_eq!(told(&answer, "limit").as_deref(), Some("1"));
    assert_eq!(told(&answer, "remaining").as_deref(), Some("0"));
    assert!(told(&answer, "reset").is_some_and(|reset| reset.ends_with("ms")));
    let refused = gateway.send(&ask(Protocol::Responses, "m", &key)).await;
    assert_eq!((refused.status, told(&refused, "remaining").as_deref()), (429, Some("0")));
    let other = gateway.send(&ask(Protocol::Anthropic, "m", &key)).await;
    assert_eq!((other.status, told(&other, "limit")), (429, None), "they are OpenAI's names");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_requests_at_once_never_more_than_4_are_at_work() {
    let mock = Mock::start("rules: [{match: {percent: 100}, faults: ['delay-first:20']}]").await;
    let stage = Stage::new(mock.port).account("a", "concurrency: 100").more(&clients([("four", "concurrency: 4")]));
    let gateway = Gateway::start(&stage).await;
    let port = gateway.port;
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            tokio::spawn(async move {
                let (protocol, stream) = (ALL[number % 4], number % 8 < 4);
                let mut call = ask(protocol, "m", &key("four"));
                call.body = protocol.call("m", "hello", stream).body;
                call.path = protocol.call("m", "hello", stream).path;
                let mut refused = 0;
                loop {
                    let answer = call.send(port).await;
                    match answer.status {
                        200 => return refused,
                        429 => refused += 1,
                        other => panic!("{other}: {}", answer.text()),
                    }
                    tokio::time::sleep(Duration::from_millis(30 + number as u64)).await;
                }
            })
        })
        .collect();
    let mut refused = 0;
    for task in tasks {
        refused += task.await.expect("a client");
    }
    assert!(refused > 0, "there were more than it may");
    let metrics = gateway.metrics_with(&key("four")).await;
    let most = metrics.sum("interlingua_account_in_flight_max", &[("account", "a")]);
    assert!(most <= 4, "{most} at the account at once");
    let free = || async { client(&gateway, "four").await["in_flight"] == 0 };
    assert!(eventually(WAIT_MAX, free).await);
    let state = client(&gateway, "four").await;
    assert!(state["in_flight_max"].as_u64() <= Some(4) && state["today"]["requests"] == 64, "{state}");
}

#[tokio::test]
async fn who_leaves_early_is_billed_what_was_used() {
    let (mock, gateway) = gateway([("a", ""), ("b", "")]).await;
    for (id, model) in [("a", "m+fault=hang-after:2"), ("b", "m+fault=hang")] {
        let mut wire = Wire::connect(gateway.port).await;
        let call = Protocol::Chat.call(model, &"many words ".repeat(50), true).header("x-api-key", &key(id));
        wire.send(&call.sized()).await;
        assert!(eventually(WAIT_MAX, || async { mock.total("in_flight").await == 1 }).await);
        if id == "a" {
            assert_eq!(wire.head().await.expect("a head").status, 200);
            wire.until("content").await;
        }
        drop(wire);
        let billed = || async { client(&gateway, id).await["today"]["tokens"].as_u64() > Some(50) };
        assert!(eventually(WAIT_MAX, billed).await, "{id}: the prompt of a hundred words was read");
        assert!(eventually(WAIT_MAX, || async { mock.total("in_flight").await == 0 }).await);
    }
}

#[tokio::test]
async fn budgets_survive_a_restart_and_a_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("state.db");
    let mock = Mock::start("").await;
    let stage = Stage::new(mock.port).account("a", "").more(PRICES).state(file.to_str().expect("UTF-8"));
    let stage = stage.more(&clients([("poor", "budgets: { daily: { tokens: 1 }, monthly: { usd: 1000 } }")]));
    let mut spent = None;
    for signal in ["TERM", "KILL", "TERM"] {
        let mut gateway = Gateway::start(&stage).await;
        let status = gateway.send(&ask(Protocol::Chat, "m", &key("poor"))).await.status;
        assert_eq!(status, if spent.is_none() { 200 } else { 429 }, "{signal}");
        let booked = || async { client(&gateway, "poor").await["today"]["tokens"].as_u64() > Some(0) };
        assert!(eventually(WAIT_MAX, booked).await);
        let now = client(&gateway, "poor").await;
        let now = (now["today"].clone(), now["this_month"].clone());
        assert!(now.0["usd"].as_f64() > Some(0.0) && now.0["unpriced_tokens"] == 0, "{now:?}");
        assert_eq!(*spent.get_or_insert(now.clone()), now, "{signal}");
        if signal == "KILL" {
            tokio::time::sleep(SPENDING_WRITTEN).await;
        }
        gateway.process.signal(signal);
        assert!(gateway.process.end(WAIT_MAX).await.is_some());
    }
}

/// A gateway without clients in its file, and where it keeps those that commands make.
async fn open() -> (Mock, Stage, Gateway, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let mock = Mock::start("").await;
    let stage = Stage::new(mock.port).account("a", "").state(folder.path().join("state.db").to_str().expect("UTF-8"));
    let gateway = Gateway::start(&stage).await;
    (mock, stage, gateway, folder)
}

#[tokio::test]
async fn a_client_is_made_changed_given_a_new_key_and_revoked() {
    let (_mock, stage, mut gateway, folder) = open().await;
    assert_eq!(gateway.send(&ask(Protocol::Chat, "m", "anything")).await.status, 200, "everybody is let in");
    let body = json!({"id": "team/bot", "label": "The bot", "models": ["m*"], "concurrency": 3, "budgets": {"daily": {"usd": 2.5}}});
    let made = api(&gateway, "POST", "/api/clients", &body).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    let first = made["key"].as_str().expect("a key").to_owned();
    assert!(first.starts_with("ilk_") && first.len() == 47, "{first}");
    assert!(made["notes"][0].as_str().is_some_and(|note| note.contains("first client")), "{made}");
    assert_eq!((&made["client"]["origin"], &made["client"]["state"]), (&json!("command"), &json!("active")));
    let status = async |gateway: &Gateway, key: &str| gateway.send(&ask(Protocol::Anthropic, "m", key)).await.status;
    assert_eq!((status(&gateway, "anything").await, status(&gateway, &first).await), (401, 200), "the door is shut");
    assert_eq!(api(&gateway, "POST", "/api/clients", &body).await.status, 409);
    let file = std::fs::read(folder.path().join("state.db")).expect("the file");
    let wal = std::fs::read(folder.path().join("state.db-wal")).unwrap_or_default();
    let holds = |bytes: &[u8]| bytes.windows(first.len()).any(|window| window == first.as_bytes());
    assert!(!holds(&file) && !holds(&wal), "the key itself is nowhere");

    let path = "/api/clients/team%2Fbot";
    let change = json!({"concurrency": null, "requests_per_minute": 100, "budgets": {"daily": {"tokens": 5000}}});
    let changed = api(&gateway, "PATCH", path, &change).await.json();
    assert_eq!(
        (&changed["concurrency"], &changed["requests_per_minute"]["limit"]),
        (&Value::Null, &json!(100)),
        "{changed}"
    );
    assert_eq!(changed["budgets"].as_array().map(Vec::len), Some(2), "{changed}");
    for bad in [
        json!({"concurrency": 0}),
        json!({"expires": "tomorrow"}),
        json!({"addresses": ["nowhere"]}),
        json!({"models": []}),
    ] {
        let answer = api(&gateway, "PATCH", path, &bad).await;
        assert_eq!(answer.status, 422, "{bad}: {}", answer.text());
    }
    for bad in [json!({"keys": ["x"]}), json!({"colour": "red"}), json!({"id": "other"}), json!([1])] {
        assert_eq!(api(&gateway, "PATCH", path, &bad).await.status, 400, "{bad}");
    }
    assert_eq!(api(&gateway, "PATCH", "/api/clients/nobody", &json!({"label": "x"})).await.status, 404);

    let rotated = api(&gateway, "POST", &format!("{path}/rotate?grace=1h"), &Value::Null).await.json();
    let second = rotated["key"].as_str().expect("a key").to_owned();
    assert_eq!((status(&gateway, &first).await, status(&gateway, &second).await), (200, 200), "both for an hour");
    assert!(
        rotated["client"]["old_keys"][0]["in_ms"].as_i64().is_some_and(|ms| (3_590_000..=3_600_000).contains(&ms)),
        "{rotated}"
    );
    let third =
        api(&gateway, "POST", &format!("{path}/rotate"), &Value::Null).await.json()["key"].as_str().unwrap().to_owned();
    for (key, wanted) in [(&first, 401), (&second, 401), (&third, 200)] {
        assert_eq!(status(&gateway, key).await, wanted, "without a grace only the newest is taken");
    }
    assert_eq!(api(&gateway, "POST", &format!("{path}/rotate?grace=soon"), &Value::Null).await.status, 400);

    gateway.process.signal("KILL");
    assert!(gateway.process.end(WAIT_MAX).await.is_some());
    let gateway = Gateway::start(&stage).await;
    assert_eq!((status(&gateway, "anything").await, status(&gateway, &third).await), (401, 200), "it outlives a kill");
    let mut wire = Wire::connect(gateway.port).await;
    wire.send(&ask(Protocol::Chat, "m", &third).sized()).await;
    assert_eq!(wire.answer().await.unwrap().status, 200);
    let other = api(&gateway, "POST", "/api/clients", &json!({"id": "other"})).await.json();
    assert_eq!(other["notes"], json!([]));
    let revoked = api(&gateway, "DELETE", path, &Value::Null).await;
    assert_eq!((revoked.status, revoked.json()["notes"].clone()), (200, json!([])), "{}", revoked.text());
    wire.send(&ask(Protocol::Chat, "m", &third).sized()).await;
    assert_eq!(wire.answer().await.unwrap().status, 401, "at the next request, also on a connection that is kept");
    assert_eq!(api(&gateway, "DELETE", path, &Value::Null).await.status, 404);
    let last = api(&gateway, "DELETE", "/api/clients/other", &Value::Null).await.json();
    assert!(last["notes"][0].as_str().is_some_and(|note| note.contains("last client")), "{last}");
    assert_eq!(status(&gateway, "anything").await, 200);
}

#[tokio::test]
async fn clients_of_the_file_are_shown_and_not_changed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mock = Mock::start("").await;
    let stage = Stage::new(mock.port).account("a", "").state(folder.path().join("state.db").to_str().expect("UTF-8"));
    let gateway = Gateway::start(&stage.more(&clients([("laptop", "label: Mine, concurrency: 2")]))).await;
    let all = Call::get("/api/clients").send(gateway.admin).await.json();
    assert_eq!((&all["open"], &all["clients"][0]["origin"]), (&json!(false), &json!("file")));
    assert_eq!((&all["clients"][0]["label"], &all["clients"][0]["keys"]), (&json!("Mine"), &json!(1)));
    assert!(!all.to_string().contains(&key("laptop")));
    for (method, path, body) in [
        ("PATCH", "/api/clients/laptop", json!({"label": "x"})),
        ("DELETE", "/api/clients/laptop", Value::Null),
        ("POST", "/api/clients/laptop/rotate", Value::Null),
    ] {
        let answer = api(&gateway, method, path, &body).await;
        assert_eq!(answer.status, 409, "{method} {path}");
        assert!(answer.text().contains("in the configuration file"), "{}", answer.text());
    }
    assert_eq!(api(&gateway, "POST", "/api/clients", &json!({"id": "laptop"})).await.status, 409);
}

#[tokio::test]
async fn a_reload_keeps_what_was_spent() {
    let mock = Mock::start("").await;
    let stage = |limit: &str| Stage::new(mock.port).account("a", "").more(&clients([("c", limit)]));
    let gateway = Gateway::start(&stage("requests_per_minute: 1, budgets: { daily: { tokens: 100000 } }")).await;
    assert_eq!(gateway.send(&ask(Protocol::Chat, "m", &key("c"))).await.status, 200);
    gateway.rewrite(
        &stage("requests_per_minute: 1000, budgets: { daily: { tokens: 1 } }").yaml(gateway.port, gateway.admin),
    );
    let reloaded = || async { client(&gateway, "c").await["requests_per_minute"]["limit"] == 1000 };
    assert!(eventually(WAIT_MAX, reloaded).await);
    let (status, _, message, _) = refused(Protocol::Chat, &gateway.send(&ask(Protocol::Chat, "m", &key("c"))).await);
    assert!(status == 429 && message.contains("daily budget"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_make_and_steer_clients() {
    let (_mock, _stage, gateway, _folder) = open().await;
    let config = gateway.file.to_str().expect("UTF-8").to_owned();
    let run = |arguments: &[&str]| {
        let output = program(&[arguments, &["--config", &config]].concat()).output().expect("the program runs");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let said = |arguments: &[&str]| {
        let (code, said, error) = run(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {error}");
        said
    };
    assert!(said(&["clients", "list"]).contains("everybody is let in"));
    let limits = ["--model", "m*", "--daily-usd", "2.50", "--tokens-per-minute", "50_000", "--label", "The bot"];
    let made = said(&[&["clients", "add", "team/bot"][..], &limits].concat());
    assert!(made.contains("ilk_") && made.contains("cannot be shown again") && made.contains("first client"), "{made}");
    let key = made.lines().find(|line| line.starts_with("ilk_")).expect("a key on a line of its own").to_owned();
    assert_eq!(gateway.send(&ask(Protocol::Gemini, "m", &key)).await.status, 200);
    let list = said(&["clients", "list"]);
    assert!(list.contains("team/bot") && list.contains("2.50 USD a day") && list.contains("The bot"), "{list}");
    let shown = said(&["clients", "set", "team/bot", "--tokens-per-minute", "none", "--monthly-tokens", "9"]);
    assert!(
        shown.contains("tokens a minute") && shown.contains("no limit") && shown.contains("9 tokens a month"),
        "{shown}"
    );
    assert!(said(&["clients", "set", "team/bot", "--disable"]).contains("disabled"));
    assert_eq!(gateway.send(&ask(Protocol::Gemini, "m", &key)).await.status, 401);
    assert!(said(&["clients", "set", "team/bot", "--enable"]).contains("active"));
    let rotated = said(&["clients", "rotate", "team/bot", "--grace", "1h"]);
    assert!(rotated.contains("is taken until") && rotated.contains("an old key ends in"), "{rotated}");
    let json: Value = serde_json::from_str(&said(&["clients", "show", "team/bot", "--json"])).expect("JSON");
    assert_eq!((&json["client"], &json["models"]), (&json!("team/bot"), &json!(["m*"])));
    for (arguments, why) in [
        (&["clients", "add", "team/bot"][..], "already"),
        (&["clients", "set", "team/bot"], "say what to change"),
        (&["clients", "set", "team/bot", "--concurrency", "0"], "out of bounds"),
        (&["clients", "show", "nobody"], "no client 'nobody'"),
    ] {
        let (code, _, error) = run(arguments);
        assert!(code == Some(1) && error.contains(why), "{arguments:?}: {error}");
    }
    let (code, _, error) = run(&["clients", "add", "x", "--concurrency", "many"]);
    assert!(code == Some(2) && error.contains("write a number"), "{error}");
    assert!(said(&["clients", "revoke", "team/bot"]).contains("is revoked"));
}
