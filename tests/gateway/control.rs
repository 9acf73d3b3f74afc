//! The operator looks at a running gateway and steers it: over the API, and by the commands that ask it.

use std::process::Output;
use std::time::Duration;

use serde_json::{Value, json};

use super::call::Call;
use super::process::{free_port, program};
use super::protocol::Protocol;
use super::rig::{Gateway, Mock, eventually};
use super::stage::Stage;
use super::wire::Answer;

const KEY: &str = "admin-key-of-the-operator";

/// Two accounts; the one that is asked first is limited for ten minutes.
async fn limited() -> (Mock, Gateway) {
    let mock = Mock::start("rules: [{match: {key: key-a}, faults: ['429:600']}]").await;
    let stage = Stage::new(mock.port).account("a", "tier: pro").account("b", "tier: free, concurrency: 7");
    let gateway = Gateway::start(&stage.resilience("safe_mode: { upstream: chat }")).await;
    assert_eq!(gateway.send(&Protocol::Anthropic.call("m", "hello", false)).await.status, 200);
    (mock, gateway)
}

async fn get(gateway: &Gateway, path: &str) -> Value {
    let answer = Call::get(path).send(gateway.admin).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

async fn send(gateway: &Gateway, method: &'static str, path: &str, body: &str) -> Answer {
    Call { method, ..Call::post(path, body) }.send(gateway.admin).await
}

/// A refusal as RFC 9457 has it, and what it says.
fn problem(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let body = answer.json();
    assert!(body["status"] == status && body["title"].is_string(), "{body}");
    body["detail"].as_str().expect("a detail").to_owned()
}

/// A moment: RFC 3339, and in so many seconds.
fn seconds(when: &Value) -> i64 {
    let at = when["at"].as_str().unwrap_or_else(|| panic!("{when} is a moment"));
    assert!(at.ends_with('Z') && at.as_bytes().get(10) == Some(&b'T'), "{at}");
    when["in_ms"].as_i64().expect("milliseconds").div_euclid(1000)
}

#[tokio::test]
async fn the_state_of_the_accounts_is_told() {
    let (_mock, gateway) = limited().await;
    // An answer is booked a moment after its last byte.
    gateway.comes_to_rest().await;
    let accounts = get(&gateway, "/api/accounts/status").await["accounts"].clone();
    let (a, b) = (&accounts[0], &accounts[1]);
    assert_eq!(
        (&a["account"], &a["tier"], &a["in_flight"], &a["limit"]),
        (&json!("a"), &json!("pro"), &json!(0), &json!(3))
    );
    assert_eq!(a["upstreams"], json!(["chat", "responses", "anthropic", "gemini"]));
    assert_eq!(a["standing"]["state"], "limited");
    assert!(a["standing"]["reason"].as_str().is_some_and(|why| why.contains("rate_limit for m")), "{a}");
    assert!((590..=670).contains(&seconds(&a["standing"]["until"])), "{a}");
    assert!((290..=340).contains(&seconds(&a["standing"]["next_probe"])), "{a}");
    assert_eq!((&b["standing"]["state"], &b["limit"], &b["served"]), (&json!("ready"), &json!(7), &json!(1)));
    assert_eq!(b["cached_token_ratio"], json!(0.0));
    assert!(seconds(&b["last_used"]) <= 0);

    let health = get(&gateway, "/api/resilience/health").await;
    assert_eq!(
        (&health["status"], &health["waiting"], &health["durable"]),
        (&json!("degraded"), &json!(0), &json!(false))
    );
    assert_eq!((&health["accounts"]["total"], &health["accounts"]["limited"]), (&json!(2), &json!(1)));
    assert_eq!(health["upstreams"].as_array().expect("a list").len(), 4);
    assert_eq!(health["safe_mode"]["active"], false);

    let circuits = get(&gateway, "/api/resilience/circuits").await["circuits"].clone();
    assert_eq!((&circuits[0]["account"], &circuits[0]["state"]), (&json!("a"), &json!("closed")));
    let paces = get(&gateway, "/api/resilience/aimd").await;
    assert!(paces["paces"].is_array() && paces["ceilings"].is_array(), "{paces}");
}

#[tokio::test]
async fn cooldowns_are_listed_and_cleared() {
    let (mock, gateway) = limited().await;
    let path = "/api/resilience/cooldowns";
    let all = get(&gateway, path).await["cooldowns"].clone();
    assert_eq!(
        (all.as_array().map(Vec::len), &all[0]["account"], &all[0]["family"]),
        (Some(1), &json!("a"), &json!("m"))
    );
    assert!(all[0]["reason"] == "rate_limit" && seconds(&all[0]["since"]) <= 0 && seconds(&all[0]["until"]) > 500);
    for (query, count) in
        [("?account=a", 1), ("?account=b", 0), ("?family=m", 1), ("?family=x", 0), ("?account=a&family=m", 1)]
    {
        let found = get(&gateway, &format!("{path}{query}")).await;
        assert_eq!(found["cooldowns"].as_array().map(Vec::len), Some(count), "{query}");
    }
    assert!(problem(&send(&gateway, "DELETE", path, "").await, 400).contains("all=true"));
    assert!(problem(&send(&gateway, "DELETE", &format!("{path}?account=nobody"), "").await, 404).contains("nobody"));
    assert!(problem(&send(&gateway, "DELETE", &format!("{path}?acount=a"), "").await, 400).contains("acount"));
    let cleared = send(&gateway, "DELETE", &format!("{path}?account=a&family=x"), "").await.json();
    assert_eq!(cleared, json!({"cooldowns": []}));
    assert_eq!(get(&gateway, path).await["cooldowns"].as_array().map(Vec::len), Some(1));
    let cleared = send(&gateway, "DELETE", &format!("{path}?all=true"), "").await.json();
    assert_eq!(cleared["cooldowns"][0]["account"], "a");
    assert_eq!(get(&gateway, path).await, json!({"cooldowns": []}));
    mock.script("rules: []").await;
    assert_eq!(gateway.send(&Protocol::Anthropic.call("m", "another", false)).await.status, 200);
    assert_eq!(mock.count("a").await, 2, "the account is used again at once");
}

#[tokio::test]
async fn breakers_are_closed_by_hand() {
    let mock = Mock::start("rules: [{match: {key: key-a}, faults: ['500']}]").await;
    let stage = Stage::new(mock.port).account("a", "tier: pro").account("b", "tier: free");
    let gateway =
        Gateway::start(&stage.resilience("breaker: { failures: 2, open: 60s }, grace_retry: { enabled: false }")).await;
    for number in 0..4 {
        assert_eq!(gateway.send(&Protocol::Chat.call("m", &format!("hello {number}"), false)).await.status, 200);
    }
    let circuit = get(&gateway, "/api/resilience/circuits").await["circuits"][0].clone();
    assert_eq!((&circuit["account"], &circuit["state"]), (&json!("a"), &json!("open")));
    assert!(seconds(&circuit["next_probe"]) > 30, "{circuit}");
    let account = get(&gateway, "/api/accounts/status").await["accounts"][0].clone();
    assert_eq!(account["standing"]["state"], "open");
    let path = "/api/resilience/circuits/nobody/reset";
    assert!(problem(&send(&gateway, "POST", path, "").await, 404).contains("nobody"));
    assert_eq!(send(&gateway, "POST", "/api/resilience/circuits/a/reset", "").await.json()["state"], "closed");
}

#[tokio::test]
async fn safe_mode_is_set_by_hand() {
    let (_mock, gateway) = limited().await;
    let path = "/api/safe-mode";
    let on = send(&gateway, "PUT", path, r#"{"mode":"on"}"#).await.json();
    assert!(on["active"] == true && on["scopes"][0]["scope"] == "*" && on["scopes"][0]["mode"] == "on", "{on}");
    assert_eq!(get(&gateway, path).await, on);
    let auto = send(&gateway, "PUT", path, r#"{"mode":"auto","scope":"*"}"#).await.json();
    assert_eq!(auto["active"], false);
    let one = send(&gateway, "PUT", path, r#"{"mode":"on","scope":"gemini"}"#).await.json();
    let gemini = one["scopes"].as_array().expect("a list").iter().find(|scope| scope["scope"] == "gemini").expect("it");
    assert_eq!(gemini["active"], true);
    assert!(problem(&send(&gateway, "PUT", path, r#"{"mode":"on","scope":"moon"}"#).await, 404).contains("moon"));
    assert!(problem(&send(&gateway, "PUT", path, r#"{"mode":"maybe"}"#).await, 400).contains("maybe"));
    for body in ["", "{}", "[1]", r#"{"mode":"on","scop":"*"}"#] {
        problem(&send(&gateway, "PUT", path, body).await, 400);
    }
    problem(&send(&gateway, "PATCH", path, "").await, 405);
    problem(&send(&gateway, "GET", "/api/nowhere", "").await, 404);

    let mock = Mock::start("").await;
    let without = Gateway::start(&Stage::with(mock.port, &["a"])).await;
    assert!(problem(&send(&without, "PUT", path, r#"{"mode":"on"}"#).await, 409).contains("safe_mode.upstream"));
    assert_eq!(get(&without, path).await["upstream"], Value::Null);
}

#[tokio::test]
async fn without_keys_no_web_page_may_ask_and_with_keys_nobody_without_one() {
    let (mock, gateway) = limited().await;
    let call = Call { method: "DELETE", ..Call::post("/api/resilience/cooldowns?all=true", "") };
    problem(&call.clone().header("origin", "https://example.com").send(gateway.admin).await, 403);
    let mut rebound = String::from_utf8(call.sized()).expect("text");
    rebound = rebound.replace("host: localhost", "host: rebound.example.com:8081");
    let mut wire = super::wire::Wire::connect(gateway.admin).await;
    wire.send(rebound.as_bytes()).await;
    problem(&wire.answer().await.expect("an answer"), 403);
    assert_eq!(get(&gateway, "/api/resilience/cooldowns").await["cooldowns"].as_array().map(Vec::len), Some(1));

    let locked = Gateway::start(&Stage::with(mock.port, &["b"]).server(&format!("admin_keys: [{KEY}]"))).await;
    for path in ["/api/accounts/status", "/api/resilience/health", "/api/safe-mode"] {
        problem(&Call::get(path).send(locked.admin).await, 401);
        assert_eq!(
            Call::get(path).header("authorization", &format!("Bearer {KEY}")).send(locked.admin).await.status,
            200
        );
    }
}

/// Runs a command and gives its exit code and what it said, on both ways.
fn run(arguments: &[&str], key: Option<&str>) -> (i32, String, String) {
    let mut command = program(arguments);
    if let Some(key) = key {
        command.env("INTERLINGUA_ADMIN_KEY", key);
    }
    let Output { status, stdout, stderr } = command.current_dir("/").output().expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code().expect("an exit code"), text(stdout), text(stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_show_and_steer() {
    let (_mock, gateway) = limited().await;
    let config = gateway.file.to_str().expect("UTF-8").to_owned();
    let said = |arguments: &[&str]| {
        let (code, said, error) = run(&[arguments, &["--config", &config]].concat(), None);
        assert_eq!(code, 0, "{arguments:?}: {error}");
        said
    };
    let line = |text: &str, name: &str| {
        text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} in\n{text}")).to_owned()
    };
    let accounts = said(&["accounts", "status"]);
    let a = line(&accounts, "a ");
    assert!(a.contains("limited") && a.contains("0/3") && a.contains("rate_limit for m, ends in 1"), "{accounts}");
    assert!(
        line(&accounts, "b ").contains("ready") && accounts.contains("2 accounts, 2 can take requests"),
        "{accounts}"
    );
    let cooldowns = said(&["cooldowns", "list"]);
    assert!(
        line(&cooldowns, "a ").contains("rate_limit") && cooldowns.starts_with("ACCOUNT  FAMILY  ENDS IN"),
        "{cooldowns}"
    );
    assert!(said(&["cooldowns", "list", "b"]).contains("no account rests"));
    let breakers = said(&["breaker", "list"]);
    assert!(line(&breakers, "a ").contains("closed") && breakers.contains("0 of 2 are not closed"), "{breakers}");
    assert!(said(&["breaker", "reset", "a"]).contains("the breaker of a is closed"));
    assert!(line(&said(&["safe-mode", "on"]), "all upstreams").contains("set by the operator"));
    assert!(said(&["safe-mode", "status"]).contains("chat serves in the place of others now"));
    assert!(said(&["safe-mode", "auto"]).contains("chat stands by"));
    assert!(said(&["safe-mode", "off", "--upstream", "gemini"]).contains("chat stands by"));
    let json: Value = serde_json::from_str(&said(&["accounts", "status", "--json"])).expect("JSON");
    assert_eq!(json["accounts"][0]["account"], "a");
    assert!(said(&["cooldowns", "clear", "a", "--family", "x"]).contains("nothing to clear"));
    assert!(said(&["cooldowns", "clear", "a"]).contains("rate_limit"));
    assert!(said(&["cooldowns", "clear", "--all"]).contains("nothing to clear"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_say_what_to_do_when_they_cannot() {
    let mock = Mock::start("").await;
    let keyed = Stage::with(mock.port, &["a"]).server(&format!("admin_keys: ['{KEY}']"));
    let gateway = Gateway::start(&keyed).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    let fails = |arguments: &[&str], key: Option<&str>, code: i32, parts: &[&str]| {
        let (ended, said, error) = run(arguments, key);
        assert_eq!(ended, code, "{arguments:?}: {error}");
        assert!(said.is_empty(), "{said}");
        for part in parts {
            assert!(error.contains(part), "{part} in: {error}");
        }
    };
    let url = format!("http://127.0.0.1:{}", gateway.admin);
    let config = gateway.file.to_str().expect("UTF-8");
    assert_eq!(run(&["accounts", "status", "--config", config], None).0, 0, "the key comes from the file");
    assert_eq!(run(&["accounts", "status", "--url", &url], Some(KEY)).0, 0, "and from the environment");
    fails(&["accounts", "status", "--url", &url], None, 1, &["wants an admin key", "INTERLINGUA_ADMIN_KEY"]);
    fails(&["accounts", "status", "--url", &url], Some("a-wrong-key-of-16"), 1, &["wants an admin key"]);
    let digest = file(
        "digest.yaml",
        &format!("server: {{ admin_listen: '127.0.0.1:{}', admin_keys: ['sha256:00'] }}", gateway.admin),
    );
    fails(&["safe-mode", "--config", &digest], None, 1, &["has no key that can be read here"]);
    let plain = file("plain.yaml", "accounts: [{ id: a, credential: '${env:NOT_HERE}' }]");
    fails(&["breaker", "list", "--config", &plain], None, 1, &["admin_listen: 127.0.0.1:8081", "restart"]);
    let nobody = format!("127.0.0.1:{}", free_port());
    let dead = file("dead.yaml", &format!("server: {{ admin_listen: '{nobody}' }}"));
    fails(&["cooldowns", "list", "--config", &dead], None, 1, &["no gateway answers", &nobody, "Is it running"]);
    fails(
        &["accounts", "status", "--url", &format!("http://127.0.0.1:{}", mock.port)],
        None,
        1,
        &["not the admin API"],
    );
    fails(&["accounts", "status", "--config", "/does/not/exist"], None, 1, &["/does/not/exist"]);
    let wrong =
        [&["accounts"][..], &["cooldowns", "clear"], &["cooldowns", "clear", "a", "--all"], &["safe-mode", "perhaps"]];
    for arguments in wrong {
        fails(arguments, None, 2, &["Usage"]);
    }
    fails(&["breaker", "reset", "x", "--config", config], None, 1, &["there is no account 'x'"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn safe_mode_by_hand_sends_requests_to_the_fallback_until_it_is_off() {
    let mock = Mock::start("").await;
    let with = |failures: u32| {
        Stage::with(mock.port, &["a"])
            .resilience(&format!("safe_mode: {{ upstream: last, model: refuge, failures: {failures} }}"))
            .elsewhere("last", "openai_chat", mock.port, "")
            .model("match: best, upstream: anthropic, model: good")
            .model("match: other, upstream: gemini, model: good")
    };
    let mut gateway = Gateway::start(&with(1)).await;
    let config = gateway.file.to_str().expect("UTF-8").to_owned();
    let said = |arguments: &[&str]| {
        let (code, said, error) = run(&[&["safe-mode"], arguments, &["--config", &config]].concat(), None);
        assert_eq!(code, 0, "{arguments:?}: {error}");
        said
    };
    let served = async |model: &str, by: &str| {
        for (client, stream) in [(Protocol::Anthropic, true), (Protocol::Chat, false), (Protocol::Gemini, true)] {
            let (last, a) = (mock.count("last").await, mock.count("a").await);
            let answer = gateway.send(&client.call(model, "hello", stream)).await;
            assert_eq!(client.said(&answer, stream), Ok("You said: hello".to_owned()), "{client:?}");
            let asked = (mock.count("last").await - last, mock.count("a").await - a);
            assert_eq!(asked, if by == "last" { (1, 0) } else { (0, 1) }, "{client:?} {model} by {by}");
        }
    };
    let reload = async |failures: u32| {
        gateway.rewrite(&with(failures).yaml(gateway.port, gateway.admin));
        assert_eq!(send(&gateway, "POST", "/api/reload", "").await.status, 200);
    };
    assert!(said(&["status"]).contains("last as refuge stands by"));
    served("best", "a").await;

    assert!(said(&["on"]).contains("last as refuge serves in the place of others now"));
    served("best", "last").await;
    served("other", "last").await;
    assert_eq!(mock.last("last").await["body"]["model"], "refuge");
    let status = said(&["status"]);
    let all = status.lines().find(|line| line.starts_with("all upstreams")).expect("a line");
    assert!(all.contains("on") && all.contains("set by the operator"), "{status}");
    assert_eq!(get(&gateway, "/api/resilience/health").await["safe_mode"]["active"], true);
    assert_eq!(gateway.metrics().await.sum("interlingua_safe_mode", &[("scope", "*")]), 1);
    reload(2).await;
    assert_eq!(get(&gateway, "/api/safe-mode").await["active"], true, "a reload changes nothing");
    served("best", "last").await;

    said(&["off"]);
    served("best", "a").await;
    said(&["auto"]);
    said(&["on", "--upstream", "anthropic"]);
    served("best", "last").await;
    served("other", "a").await;
    said(&["off", "--upstream", "anthropic"]);
    reload(1).await;
    mock.script("rules: [{match: {model: good, dialect: anthropic}, faults: ['500']}]").await;
    for _ in 0..3 {
        assert_eq!(gateway.send(&Protocol::Chat.call("best", "hello", false)).await.status, 500);
    }
    assert!(said(&["status"]).contains("stands by"), "held off, failures do not switch it on");
    mock.script("").await;
    served("best", "a").await;
    for part in ["safe mode is on", "safe mode is off"] {
        gateway.process.line(part).await.expect("a line of the log");
    }
}

#[tokio::test]
async fn what_was_set_by_hand_survives_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("state.db");
    let mock = Mock::start("").await;
    let stage = Stage::with(mock.port, &["a"]).resilience("safe_mode: { upstream: chat }");
    let stage = stage.state(file.to_str().expect("UTF-8"));
    let mut gateway = Gateway::start(&stage).await;
    assert_eq!(send(&gateway, "PUT", "/api/safe-mode", r#"{"mode":"on"}"#).await.status, 200);
    assert_eq!(get(&gateway, "/api/resilience/health").await["durable"], true);
    tokio::time::sleep(Duration::from_millis(300)).await;
    gateway.process.signal("KILL");
    assert!(gateway.process.end(Duration::from_secs(5)).await.is_some());
    let gateway = Gateway::start(&stage).await;
    assert!(
        eventually(Duration::from_secs(1), || async { get(&gateway, "/api/safe-mode").await["active"] == true }).await
    );
}
