//! The request log, the ledger of usage, and the audit log.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::call::Call;
use super::process::{WAIT_MAX, program};
use super::protocol::{ALL, Protocol};
use super::rig::{Gateway, Mock, eventually};
use super::stage::Stage;
use super::wire::Answer;

/// What is logged is in the file after this.
const WRITTEN: Duration = Duration::from_secs(5);
/// No account is left out for what it did before.
const QUICK: &str = "grace_retry: { enabled: false }, affinity: { enabled: false }, cooldown: { enabled: false }, \
    pace: { enabled: false }, breaker: { enabled: false }, overload: { enabled: false }";
/// What is said again by the simulated model.
const WORDS: &str = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen";

/// Two accounts; models named m cost a dollar for a million tokens in, and ten out.
fn stage(mock: &Mock, folder: &Path, more: &str) -> Stage {
    let file = folder.join("records.db");
    let audit = folder.join("audit");
    Stage::new(mock.port)
        .account("a", "tier: pro")
        .account("b", "tier: free")
        .upstream("quirks: { prefill: prefix }")
        .resilience(QUICK)
        .more("profiles: [{ match: m, price_input: 1, price_cached: 0.1, price_output: 10 }]")
        .more(&format!("records: {{ file: '{}'{more} }}", file.display()))
        .more(&format!("audit: {{ folder: '{}' }}", audit.display()))
}

async fn get(gateway: &Gateway, path: &str) -> Value {
    let answer = Call::get(path).send(gateway.admin).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

async fn requests(gateway: &Gateway, query: &str) -> Vec<Value> {
    get(gateway, &format!("/api/logs?{query}")).await["requests"].as_array().expect("a list").clone()
}

/// Waits until so many requests are in the log.
async fn logged(gateway: &Gateway, count: usize) {
    let all = async || Call::get("/api/logs?limit=1000").send(gateway.admin).await;
    let is_there = eventually(WRITTEN, || async {
        let answer = all().await;
        answer.status == 200 && answer.json()["requests"].as_array().map(Vec::len) == Some(count)
    })
    .await;
    assert!(is_there, "{count} requests are not in the log: {}", all().await.text());
}

fn id_of(answer: &Answer) -> String {
    answer.header("request-id").or(answer.header("x-request-id")).expect("an id").to_owned()
}

fn run(gateway: &Gateway, arguments: &[&str]) -> (bool, String, String) {
    let config = gateway.file.to_str().expect("a UTF-8 path");
    let output = program(&[arguments, &["--config", config]].concat()).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn a_failover_shows_each_attempt_with_its_status_and_its_cost() {
    let folder = tempfile::tempdir().expect("a folder");
    let mock = Mock::start("rules: [{match: {key: key-a}, faults: ['529']}]").await;
    let gateway = Gateway::start(&stage(&mock, folder.path(), "")).await;
    let answer = gateway.send(&Protocol::Anthropic.call("anthropic/m", WORDS, true)).await;
    assert_eq!(answer.status, 200);
    logged(&gateway, 1).await;
    let id = id_of(&answer);
    let found = get(&gateway, &format!("/api/logs/{id}")).await;
    let attempts = found["attempts"].as_array().expect("attempts");
    assert_eq!(attempts.len(), 2, "{found}");
    let told = |at: usize, name: &str| attempts[at][name].clone();
    assert_eq!(
        (told(0, "account"), told(0, "status"), told(0, "outcome")),
        (json!("a"), json!(529), json!("overloaded"))
    );
    assert_eq!((told(1, "account"), told(1, "status"), told(1, "outcome")), (json!("b"), json!(200), json!("ok")));
    assert!(told(0, "microusd").is_null() && told(0, "message").is_string(), "{found}");
    let (input, output) = (&found["tokens"]["uncached"], &found["tokens"]["output"]);
    let cost = input.as_u64().expect("input") + 10 * output.as_u64().expect("output");
    assert!(cost > 0 && found["microusd"] == cost && told(1, "microusd") == cost, "{found}");
    assert_eq!(
        (&found["account"], &found["upstream"], &found["served_model"]),
        (&json!("b"), &json!("anthropic"), &json!("m"))
    );
    assert_eq!(
        (&found["protocol"], &found["mode"], &found["path"]),
        (&json!("anthropic"), &json!("stream"), &json!("/v1/messages"))
    );
    assert!(found["first_byte_ms"].is_u64() && found["bytes_in"].as_u64() > Some(50), "{found}");
    assert!(found["bytes_out"].as_u64() >= Some(answer.text().len() as u64 / 2), "{found}");
    assert!(
        found["request_body"].is_null() && found["answer_body"].is_null(),
        "bodies are kept by wish alone: {found}"
    );

    let (ok, shown, error) = run(&gateway, &["logs", "show", &id]);
    assert!(
        ok && shown.contains("529") && shown.contains("overloaded") && shown.contains("anthropic/m"),
        "{shown}{error}"
    );
    let (ok, _, error) = run(&gateway, &["logs", "show", "req_0"]);
    assert!(!ok && error.contains("no request 'req_0'"), "{error}");
}

#[tokio::test]
async fn requests_are_found_by_what_is_known_of_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let mock = Mock::start("rules: [{match: {key: key-a}, faults: ['429']}]").await;
    let gateway = Gateway::start(&stage(&mock, folder.path(), "")).await;
    for (number, model) in ["m", "other", "m"].into_iter().enumerate() {
        assert_eq!(gateway.send(&Protocol::Chat.call(model, &format!("{number}"), false)).await.status, 200);
    }
    let refused = gateway.send(&Call::post("/v1/chat/completions", "{\"messages\":[]}")).await;
    assert_eq!(refused.status, 400);
    let lost = gateway.send(&Call::get("/v1/nothing?key=sk-a-secret-of-the-client-0123")).await;
    assert_eq!(lost.status, 404);
    // What is no request for a model is not logged.
    assert_eq!(gateway.send(&Call::get("/healthz")).await.status, 200);
    logged(&gateway, 5).await;
    for (query, count) in [
        ("model=other", 1),
        ("text=OTHE", 1),
        ("account=a", 3),
        ("account=nobody", 0),
        ("status=ok", 3),
        ("status=4xx", 2),
        ("status=failed&text=nothing", 1),
        ("since=1h", 5),
        ("until=1h", 0),
        ("min_ms=60000", 0),
        ("limit=2", 2),
    ] {
        assert_eq!(requests(&gateway, query).await.len(), count, "{query}");
    }
    let by_id = requests(&gateway, &format!("id={}", id_of(&refused))).await;
    assert!(by_id.len() == 1 && by_id[0]["error"].as_str().is_some_and(|why| why.contains("model")), "{by_id:?}");
    let all = get(&gateway, "/api/logs?limit=1000").await.to_string();
    assert!(!all.contains("sk-a-secret") && all.contains("/v1/nothing"), "{all}");

    // Pages, the newest first, without a gap and without an entry twice.
    let (mut seen, mut query) = (Vec::new(), "limit=2".to_owned());
    loop {
        let page = get(&gateway, &format!("/api/logs?{query}")).await;
        seen.extend(
            page["requests"].as_array().expect("a list").iter().map(|one| one["seq"].as_i64().expect("a number")),
        );
        let Some(next) = page["next"].as_i64() else { break };
        query = format!("limit=2&before={next}");
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
    for wrong in ["status=teapot", "since=yesterday", "limit=0", "sine=1h", "after=1"] {
        assert_eq!(Call::get(&format!("/api/logs?{wrong}")).send(gateway.admin).await.status, 400, "{wrong}");
    }

    let (ok, shown, error) = run(&gateway, &["logs", "search", "other"]);
    assert!(ok && shown.lines().count() == 2 && shown.contains("other"), "{shown}{error}");
    let (ok, shown, error) = run(&gateway, &["logs", "tail", "--once", "--status", "failed", "--json"]);
    let first: Value = serde_json::from_str(shown.lines().next().unwrap_or_default()).expect("JSON");
    assert!(ok && shown.lines().count() == 2 && first["status"] == 400, "{shown}{error}");
}

#[tokio::test]
async fn who_follows_the_log_hears_of_each_request_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&stage(&mock, folder.path(), "")).await;
    logged(&gateway, 0).await;
    let mut after = get(&gateway, "/api/logs/tail").await["next"].as_i64().expect("where to go on");
    let quiet = Instant::now();
    assert_eq!(get(&gateway, &format!("/api/logs/tail?after={after}&wait_ms=200")).await["requests"], json!([]));
    assert!(quiet.elapsed() >= Duration::from_millis(200));
    let mut heard = Vec::new();
    let sent = async {
        for number in 0..20 {
            assert_eq!(
                gateway.send(&Protocol::Gemini.call("m", &format!("{number}"), number % 2 == 0)).await.status,
                200
            );
        }
    };
    let listened = async {
        let until = Instant::now() + WAIT_MAX;
        while heard.len() < 20 && Instant::now() < until {
            let told = get(&gateway, &format!("/api/logs/tail?after={after}&limit=3")).await;
            heard.extend(told["requests"].as_array().expect("a list").iter().map(|one| one["seq"].as_i64()));
            after = told["next"].as_i64().expect("where to go on");
        }
    };
    tokio::join!(sent, listened);
    assert_eq!(heard, (1..=20).map(Some).collect::<Vec<_>>());
}

#[tokio::test]
async fn bodies_are_kept_as_the_client_sent_and_saw_them_within_bounds_and_without_keys() {
    let folder = tempfile::tempdir().expect("a folder");
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&stage(&mock, folder.path(), ", bodies: all, body_bytes_max: 2KiB")).await;
    let secret = "sk-proj-0123456789abcdefghij";
    for (protocol, stream) in ALL.into_iter().flat_map(|protocol| [(protocol, true), (protocol, false)]) {
        // Another provider's dialect, so that what the client saw is not what the provider sent.
        let model = if protocol == Protocol::Anthropic { "gemini/m" } else { "anthropic/m" };
        let answer = gateway.send(&protocol.call(model, &format!("keep {secret} to yourself"), stream)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let path = format!("/api/logs/{}", id_of(&answer));
        assert!(eventually(WRITTEN, async || Call::get(&path).send(gateway.admin).await.status == 200).await);
        let found = get(&gateway, &path).await;
        let (asked, seen) = (&found["request_body"]["text"], &found["answer_body"]["text"]);
        let (asked, seen) = (asked.as_str().expect("a text"), seen.as_str().expect("a text"));
        assert!(asked.contains("keep [redacted] to yourself"), "{asked}");
        let saw = answer.text().replace(secret, "[redacted]");
        assert!(
            !seen.contains(secret) && saw.starts_with(&seen[..seen.len().min(200)]),
            "{protocol:?}: {seen} of {saw}"
        );
        assert_eq!(found["answer_body"]["bytes"], answer.body.len(), "{protocol:?} {stream}");
    }
    let long = gateway.send(&Protocol::Chat.call("m", &"long ".repeat(2_000), true)).await;
    let path = format!("/api/logs/{}", id_of(&long));
    assert!(eventually(WRITTEN, async || Call::get(&path).send(gateway.admin).await.status == 200).await);
    let found = get(&gateway, &path).await;
    for body in ["request_body", "answer_body"] {
        assert_eq!(
            (found[body]["text"].as_str().map(str::len), &found[body]["cut"]),
            (Some(2048), &json!(true)),
            "{body}"
        );
        assert!(found[body]["bytes"].as_u64() > Some(10_000));
    }
    let refused = gateway.send(&Call::post("/v1/messages", "{\"max_tokens\": 1}")).await;
    let path = format!("/api/logs/{}", id_of(&refused));
    assert!(eventually(WRITTEN, async || Call::get(&path).send(gateway.admin).await.status == 200).await);
    let found = get(&gateway, &path).await;
    assert_eq!(found["request_body"]["text"], "{\"max_tokens\": 1}");
    assert_eq!(found["answer_body"]["text"].as_str(), Some(refused.text().as_str()));
}

#[tokio::test]
async fn bodies_of_failures_alone_are_kept_if_that_is_asked_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let mock = Mock::start("rules: [{match: {model: bad}, faults: ['400']}]").await;
    let gateway = Gateway::start(&stage(&mock, folder.path(), ", bodies: errors")).await;
    let good = gateway.send(&Protocol::Chat.call("m", "hello", false)).await;
    let bad = gateway.send(&Protocol::Chat.call("bad", "hello", false)).await;
    assert_eq!((good.status, bad.status), (200, 400));
    logged(&gateway, 2).await;
    let kept = async |answer: &Answer| {
        let found = get(&gateway, &format!("/api/logs/{}", id_of(answer))).await;
        (found["request_body"].is_object(), found["answer_body"].is_object())
    };
    assert_eq!((kept(&good).await, kept(&bad).await), ((false, false), (true, true)));
}

/// What the simulator billed in all: tokens in, and out.
async fn billed(mock: &Mock) -> (u64, u64) {
    let stats = Call::get("/_mock/stats").send(mock.port).await.json();
    let number = |name: &str| stats["total"]["billed"][name].as_u64().expect("a number");
    let input = ["uncached", "cached", "written_5m", "written_1h"].map(number).iter().sum();
    (input, number("output") + number("reasoning"))
}

fn used(used: &Value) -> (u64, u64) {
    let number = |name: &str| used["tokens"][name].as_u64().expect("a number");
    let input = ["uncached", "cache_read", "cache_write_5m", "cache_write_1h"].map(number).iter().sum();
    (input, number("output") + number("reasoning"))
}

#[tokio::test]
async fn the_ledger_equals_what_the_simulator_billed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&stage(&mock, folder.path(), "")).await;
    let mut sent = 0;
    for (at, target) in ["chat/m", "responses/m", "anthropic/m", "gemini/m"].into_iter().enumerate() {
        // Well, and refused. What is cut before its usage was told is billed, and nobody can know how much.
        for fault in ["", "429", "500", "529"] {
            let rule = format!("rules: [{{match: {{key: key-a}}, faults: ['{fault}']}}]");
            mock.script(if fault.is_empty() { "" } else { &rule }).await;
            for stream in [true, false] {
                for protocol in [ALL[at], ALL[(at + 1) % 4]] {
                    let answer = gateway.send(&protocol.call(target, WORDS, stream)).await;
                    assert_eq!(answer.status, 200, "{target} {fault}: {}", answer.text());
                    sent += 1;
                }
            }
        }
    }
    // Broken off behind the commit point, and gone on with; Gemini tells what it bills with each chunk.
    let before_cuts = sent;
    for protocol in ALL {
        for fault in ["reset-at:5", "close-at:7", "end-at:4"] {
            mock.script(&format!("rules: [{{match: {{key: key-a}}, faults: ['{fault}']}}]")).await;
            let answer = gateway.send(&protocol.call("gemini/m", WORDS, true)).await;
            assert_eq!(answer.status, 200);
            sent += 1;
        }
    }
    gateway.comes_to_rest().await;
    logged(&gateway, sent).await;
    let usage = get(&gateway, "/api/usage?group_by=account,upstream").await;
    let is_equal =
        eventually(WRITTEN, async || used(&get(&gateway, "/api/usage").await["total"]) == billed(&mock).await);
    assert!(is_equal.await, "billed {:?}, in the ledger {:?} of {usage}", billed(&mock).await, used(&usage["total"]));
    let total = &usage["total"];
    assert_eq!((&total["requests"], &total["errors"], &total["unpriced"]), (&json!(sent), &json!(0), &json!(0)));
    let gone_on = gateway.metrics().await.sum("interlingua_continuations_total", &[("result", "completed")]) as usize;
    assert!(gone_on > 0 && gone_on <= sent - before_cuts, "{gone_on}");
    assert_eq!(total["attempts"].as_u64(), Some(mock.total("requests").await), "{usage}");
    // The groups are the whole, and so are the requests in the log.
    let groups = usage["groups"].as_array().expect("groups");
    assert_eq!(groups.len(), 8, "{usage}");
    let sum = |name: &str| groups.iter().map(|group| group[name].as_u64().unwrap_or(0)).sum::<u64>();
    assert_eq!((sum("requests"), sum("microusd")), (sent as u64, total["microusd"].as_u64().unwrap_or(0)));
    let all = requests(&gateway, "limit=1000").await;
    let (input, output) = all.iter().map(used).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    assert_eq!((input, output), used(total));
    let cost: u64 = all.iter().filter_map(|one| one["microusd"].as_u64()).sum();
    assert_eq!(Some(cost), total["microusd"].as_u64());

    let day = get(&gateway, "/api/usage?group_by=day,model&since=2h&account=b").await;
    assert!(day["groups"][0]["day"].as_str().is_some_and(|day| day.len() == 10), "{day}");
    let answer = Call::get("/api/usage?group_by=colour").send(gateway.admin).await;
    assert!(answer.status == 400 && answer.text().contains("served_model"), "{}", answer.text());
    let (ok, shown, error) = run(&gateway, &["usage", "--by", "upstream,account", "--since", "1d"]);
    assert!(ok && shown.lines().count() == 10 && shown.contains("total") && shown.contains('$'), "{shown}{error}");
}

#[tokio::test]
async fn a_stalled_disk_costs_entries_of_the_log_and_no_request() {
    const REQUESTS: usize = 600;
    let folder = tempfile::tempdir().expect("a folder");
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&stage(&mock, folder.path(), ", queue_entries_max: 50")).await;
    assert_eq!(gateway.send(&Protocol::Chat.call("m", "first", false)).await.status, 200);
    logged(&gateway, 1).await;
    let holder = rusqlite::Connection::open(folder.path().join("records.db")).expect("the file");
    holder.execute_batch("BEGIN EXCLUSIVE").expect("a lock");
    let mut slowest = Duration::ZERO;
    for _ in 0..REQUESTS / 6 {
        let calls = (0..6).map(|number| {
            let call = Protocol::Chat.call("m", "hello", number % 2 == 0);
            let port = gateway.port;
            tokio::spawn(async move {
                let begun = Instant::now();
                (call.send(port).await.status, begun.elapsed())
            })
        });
        for call in calls.collect::<Vec<_>>() {
            let (status, took) = call.await.expect("a client");
            assert_eq!(status, 200);
            slowest = slowest.max(took);
        }
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    gateway.comes_to_rest().await;
    let metrics = gateway.metrics().await;
    let dropped = metrics.sum("interlingua_records_total", &[("result", "dropped")]) as usize;
    assert!((REQUESTS - 60..=REQUESTS).contains(&dropped), "{dropped}");
    let log = gateway.process.log();
    assert_eq!(log.matches("entries of the request log are dropped").count(), 1, "once a minute at most");
    // The log can be read all the same, and goes on when the disk does; the ledger lacks nothing.
    assert_eq!(requests(&gateway, "").await.len(), 1);
    holder.execute_batch("COMMIT").expect("the lock goes");
    let whole = eventually(WRITTEN, async || get(&gateway, "/api/usage").await["total"]["requests"] == REQUESTS + 1);
    assert!(whole.await, "{}", get(&gateway, "/api/usage").await);
    assert_eq!(get(&gateway, "/api/logs").await["dropped"], dropped);
    logged(&gateway, REQUESTS + 1 - dropped).await;
}

#[tokio::test]
async fn a_kill_leaves_a_file_that_can_be_read_and_the_next_start_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let mock = Mock::start("").await;
    let stage = stage(&mock, folder.path(), "");
    let mut gateway = Gateway::start(&stage).await;
    for number in 0..50 {
        assert_eq!(gateway.send(&Protocol::Chat.call("m", &format!("{number}"), number % 2 == 0)).await.status, 200);
    }
    logged(&gateway, 50).await;
    for number in 0..50 {
        assert_eq!(gateway.send(&Protocol::Chat.call("m", &format!("{number}"), false)).await.status, 200);
    }
    gateway.process.signal("KILL");
    gateway.process.end(WAIT_MAX).await.expect("it ends");
    let file = rusqlite::Connection::open(folder.path().join("records.db")).expect("the file");
    let check: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a look");
    let sums = "SELECT (SELECT count(*) FROM request), (SELECT sum(requests) FROM usage)";
    let (entries, requests): (i64, i64) = file.query_row(sums, [], |row| Ok((row.get(0)?, row.get(1)?))).expect("sums");
    assert!(check == "ok" && (50..=100).contains(&entries) && entries == requests, "{check} {entries} {requests}");
    drop(file);

    let mut gateway = Gateway::start(&stage).await;
    assert_eq!(gateway.send(&Protocol::Chat.call("m", "after", false)).await.status, 200);
    // An orderly end writes all there is.
    gateway.process.signal("TERM");
    gateway.process.end(WAIT_MAX).await.expect("it ends");
    let file = rusqlite::Connection::open(folder.path().join("records.db")).expect("the file");
    let after: i64 = file.query_row("SELECT count(*) FROM request", [], |row| row.get(0)).expect("a count");
    assert_eq!(after, entries + 1);
}

#[tokio::test]
async fn without_a_folder_nothing_is_kept_and_the_api_says_so() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&Stage::with(mock.port, &["a"])).await;
    assert_eq!(gateway.send(&Protocol::Chat.call("m", "hello", false)).await.status, 200);
    for path in ["/api/logs", "/api/logs/tail", "/api/logs/req_0", "/api/usage", "/api/audit"] {
        let answer = Call::get(path).send(gateway.admin).await;
        assert!(answer.status == 409 && answer.text().contains("nothing is"), "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn what_changes_is_audited_without_names_and_keys() {
    let folder = tempfile::tempdir().expect("a folder");
    let mock = Mock::start("rules: [{match: {key: key-a}, faults: ['500']}]").await;
    let stage = Stage::new(mock.port)
        .account("a", "tier: pro")
        .account("b", "tier: free")
        .server("admin_keys: [admin-key-of-the-operator]")
        .resilience(
            "breaker: { failures: 2, open: 60s }, grace_retry: { enabled: false }, safe_mode: { upstream: chat }",
        )
        .more(&format!("audit: {{ folder: '{}' }}", folder.path().join("audit").display()));
    let gateway = Gateway::start(&stage).await;
    let admin = |call: Call| call.header("authorization", "Bearer admin-key-of-the-operator");
    for number in 0..4 {
        assert_eq!(gateway.send(&Protocol::Chat.call("m", &format!("hello {number}"), false)).await.status, 200);
    }
    let event = async |kind: &str| {
        let path = format!("/api/audit?event={kind}&limit=1");
        let told = admin(Call::get(&path)).send(gateway.admin).await.json();
        told["events"][0].clone()
    };
    assert!(eventually(WRITTEN, async || event("breaker").await["details"]["state"] == "open").await);
    let (_, hash, _) = run(&gateway, &["audit", "id", "a"]);
    let breaker = event("breaker").await;
    assert_eq!((breaker["account"].as_str(), &breaker["account_name"]), (Some(hash.trim()), &json!("a")));

    assert_eq!(admin(Call::post("/api/resilience/circuits/a/reset", "")).send(gateway.admin).await.status, 200);
    assert!(eventually(WRITTEN, async || event("admin_call").await["details"]["status"] == 200).await);
    let call = event("admin_call").await;
    let details = &call["details"];
    assert_eq!(
        (&details["method"], &details["path"]),
        (&json!("POST"), &json!("/api/resilience/circuits/{account}/reset"))
    );
    assert_eq!((&details["address"], &call["account_name"]), (&json!("127.0.0.1"), &json!("a")));
    assert_eq!(details["caller"].as_str().map(str::len), Some(8), "{call}");
    assert!(eventually(WRITTEN, async || event("breaker").await["details"]["state"] == "closed").await);
    let wrong =
        Call::post("/api/reload", "").header("authorization", "Bearer not-the-key-at-all").send(gateway.admin).await;
    assert_eq!(wrong.status, 401);
    assert!(eventually(WRITTEN, async || event("admin_call").await["details"]["status"] == 401).await);
    assert!(event("admin_call").await["details"]["caller"].is_null());

    let body = json!({"mode": "on"}).to_string();
    let set = admin(Call { method: "PUT", ..Call::post("/api/safe-mode", body) }).send(gateway.admin).await;
    assert_eq!(set.status, 200, "{}", set.text());
    assert!(eventually(WRITTEN, async || event("safe_mode").await["details"]["active"] == true).await);
    gateway.rewrite(&stage.clone().account("c", "").yaml(gateway.port, gateway.admin));
    assert!(eventually(WRITTEN, async || event("account").await["account_name"] == "c").await);
    assert!(
        event("account").await["details"]["change"] == "added" && event("reload").await["details"]["applied"] == true
    );

    let (ok, shown, error) = run(&gateway, &["audit", "list"]);
    assert!(ok && shown.contains("safe mode") && shown.contains("circuits/{account}/reset"), "{shown}{error}");
    for file in std::fs::read_dir(folder.path().join("audit")).expect("the folder") {
        let text = std::fs::read_to_string(file.expect("a file").path()).expect("the file");
        assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{text}");
        assert!(!text.contains("admin-key") && !text.contains("not-the-key") && !text.contains("\"a\""), "{text}");
    }
}
