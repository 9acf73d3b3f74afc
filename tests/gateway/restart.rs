//! What is learned outlives the process, however it ends.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::json;

use super::call::Call;
use super::process::WAIT_MAX;
use super::protocol::Protocol;
use super::provider::{Provider, hello};
use super::rig::{Gateway, Mock, eventually};
use super::stage::Stage;
use super::wire::Wire;

/// Rounds of the kill test, unless `KILLS` says another number.
const KILLS: usize = 10;
/// Clients that ask without pause while the process is killed.
const CLIENTS: usize = 6;
/// The longest time from an event to the disk: a lock.
const LOCK_WRITTEN: Duration = Duration::from_millis(300);
/// And a binding.
const BINDING_WRITTEN: Duration = Duration::from_millis(1500);

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Term,
    Kill,
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("state/state.db");
    (folder, file)
}

fn keeping(stage: Stage, file: &Path) -> Stage {
    stage.state(file.to_str().expect("a UTF-8 path"))
}

async fn end(mut gateway: Gateway, how: End) {
    match how {
        End::Term => gateway.process.signal("TERM"),
        End::Kill => {
            tokio::time::sleep(BINDING_WRITTEN).await;
            gateway.process.signal("KILL");
        }
    }
    let status = gateway.process.end(WAIT_MAX).await.expect("it ends");
    assert_eq!(status.success(), how == End::Term, "{status}");
}

/// A turn of a conversation that is told from others by its first words.
fn turn(conversation: usize) -> Call {
    Protocol::Anthropic.call("m", &format!("conversation {conversation}"), false)
}

async fn cooling(gateway: &Gateway, account: &str) -> i64 {
    gateway.metrics().await.sum("interlingua_account_cooldown_seconds", &[("account", account)])
}

#[tokio::test]
async fn cooldowns_and_conversations_survive_both_ends() {
    for how in [End::Term, End::Kill] {
        let (_folder, file) = place();
        let mock = Mock::start("rules: [{match: {key: key-limited, nth: 1}, faults: ['429:600']}]").await;
        let stage = Stage::new(mock.port).account("limited", "tier: ultra").account("a", "").account("b", "");
        let stage = keeping(stage.account("c", ""), &file);
        let gateway = Gateway::start(&stage).await;
        let mut accounts = Vec::new();
        for conversation in 0..8 {
            assert_eq!(gateway.send(&turn(conversation)).await.status, 200);
            accounts.push(asked(&mock).await);
        }
        let before = cooling(&gateway, "limited").await;
        assert!(before > 500, "{before}");
        end(gateway, how).await;

        let gateway = Gateway::start(&stage).await;
        let after = cooling(&gateway, "limited").await;
        assert!((before - 30..=before).contains(&after), "{how:?}: {before}s before, {after}s after");
        // Backwards, so that the order of the accounts alone does not bring them back.
        for conversation in (0..8).rev() {
            assert_eq!(gateway.send(&turn(conversation)).await.status, 200);
            let key = asked(&mock).await;
            assert_eq!(key, accounts[conversation], "{how:?}: conversation {conversation}");
        }
        assert_eq!(mock.count("limited").await, 1, "{how:?}: the limited account still rests");
    }
}

#[tokio::test]
async fn an_open_breaker_survives_both_ends() {
    for how in [End::Term, End::Kill] {
        let (_folder, file) = place();
        let mock = Mock::start("rules: [{match: {key: key-a}, faults: ['500']}]").await;
        let stage = Stage::new(mock.port).account("a", "tier: ultra").account("b", "");
        let stage = stage
            .resilience("breaker: { failures: 2, open: 5m }, same_refusal_max: 0, grace_retry: { enabled: false }");
        let stage = keeping(stage, &file);
        let gateway = Gateway::start(&stage).await;
        let open = async |gateway: &Gateway| {
            let circuits = Call::get("/api/resilience/circuits").send(gateway.admin).await.json();
            circuits["circuits"][0]["state"].as_str().expect("a state").to_owned()
        };
        for number in 0..6 {
            assert_eq!(gateway.send(&turn(number)).await.status, 200);
        }
        assert_eq!(open(&gateway).await, "open");
        let asked = mock.count("a").await;
        end(gateway, how).await;
        let gateway = Gateway::start(&stage).await;
        assert_eq!(open(&gateway).await, "open", "{how:?}");
        assert_eq!(gateway.send(&turn(9)).await.status, 200);
        assert_eq!(mock.count("a").await, asked, "{how:?}: it is left alone");
        let reset = Call::post("/api/resilience/circuits/a/reset", "").send(gateway.admin).await;
        assert_eq!(reset.json()["state"], "closed");
    }
}

#[tokio::test]
async fn objects_are_found_at_their_account_after_a_restart() {
    let (_folder, file) = place();
    let mock = Mock::start("").await;
    let stage = keeping(Stage::with(mock.port, &["a", "b", "c"]), &file);
    let gateway = Gateway::start(&stage).await;
    let batch = Call::post("/v1/responses", r#"{"model":"responses/m","input":"hello","store":true}"#);
    let made = gateway.send(&batch).await.json();
    let maker = asked(&mock).await;
    end(gateway, End::Term).await;
    let gateway = Gateway::start(&stage).await;
    for _ in 0..4 {
        let path = format!("/v1/responses/{}", made["id"].as_str().expect("an id"));
        assert_eq!(gateway.send(&Call::get(&path)).await.status, 200);
        assert_eq!(asked(&mock).await, maker);
    }
}

#[tokio::test]
async fn a_state_that_cannot_be_kept_costs_no_request() {
    let (folder, file) = place();
    std::fs::write(folder.path().join("state"), "a file where the folder should be").expect("written");
    let mock = Mock::start("").await;
    let mut gateway = Gateway::start(&keeping(Stage::with(mock.port, &["a"]), &file)).await;
    assert!(gateway.process.line("nothing is kept through a restart").await.is_some());
    for number in 0..5 {
        assert_eq!(gateway.send(&turn(number)).await.status, 200);
    }
    end(gateway, End::Term).await;
}

#[tokio::test]
async fn a_damaged_file_is_set_aside_and_the_log_says_so() {
    let (folder, file) = place();
    std::fs::create_dir(folder.path().join("state")).expect("a folder");
    std::fs::write(&file, "not a database at all. ".repeat(500)).expect("written");
    let mock = Mock::start("").await;
    let stage = keeping(Stage::with(mock.port, &["a"]), &file);
    let mut gateway = Gateway::start(&stage).await;
    let line = gateway.process.line("it was set aside").await.expect("the log says so");
    assert!(line.contains("state.db.aside-"), "{line}");
    assert_eq!(gateway.send(&turn(0)).await.status, 200);
    let mut text = stage.yaml(gateway.port, gateway.admin);
    text = text.replace("state/state.db", "state/other.db");
    gateway.rewrite(&text);
    assert_eq!(Call::post("/api/reload", "").send(gateway.admin).await.status, 200);
    let line = gateway.process.line("state.file is").await.expect("a change of the file is told");
    assert!(line.contains("other.db") && line.contains("restart"), "{line}");
    end(gateway, End::Term).await;
}

/// Asks without pause until the gateway is gone. A request that was at work then may fail, no other.
async fn ask(port: u16, client: usize) -> usize {
    let (mut served, mut wire) = (0, Wire::connect(port).await);
    loop {
        let call = Protocol::Chat.call("m", &format!("client {client} request {served}"), served % 2 == 0);
        wire.send(&call.sized()).await;
        match wire.answer().await {
            Ok(answer) if answer.status == 200 => served += 1,
            Ok(answer) => panic!("client {client}: {} {}", answer.status, answer.text()),
            Err(_) => return served,
        }
    }
}

/// Requests that the provider has refused with 429. Its list of requests forgets the old ones.
async fn refused(mock: &Mock) -> u64 {
    let answer = Call::get("/_mock/stats").send(mock.port).await.json();
    answer["total"]["statuses"]["429"].as_u64().unwrap_or_else(|| panic!("429 in {answer}"))
}

/// The account that was asked last, as the hash of its key.
async fn asked(mock: &Mock) -> serde_json::Value {
    Call::get("/_mock/requests?last=1").send(mock.port).await.json()["requests"][0]["key"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_under_load_loses_neither_a_cooldown_nor_a_conversation_nor_a_slot() {
    let rounds = std::env::var("KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let (_folder, file) = place();
    let mock = Mock::start("rules: [{match: {key: key-limited}, faults: ['429:3000']}]").await;
    let stage = Stage::new(mock.port).account("limited", "tier: ultra");
    let accounts = ["a", "b", "c", "d"];
    let stage = accounts.iter().fold(stage, |stage, name| stage.account(name, "concurrency: 20"));
    let stage = keeping(stage, &file);
    // The round before has left this: which account a conversation of its was served by.
    let mut kept: Option<(usize, serde_json::Value)> = None;
    let mut starts = Vec::new();
    for round in 0..rounds {
        let began = Instant::now();
        let mut gateway = Gateway::start_logging(&stage, "info,interlingua::access=off").await;
        let line = gateway.process.line("state read").await.expect("the log says it");
        starts.push((began.elapsed(), line.split("took_ms=").nth(1).unwrap_or_default().to_owned()));
        assert_eq!(
            gateway.metrics().await.sum("interlingua_account_in_flight", &[]),
            0,
            "round {round}: no slot is lost"
        );
        if let Some((conversation, key)) = &kept {
            assert!(cooling(&gateway, "limited").await > 2000, "round {round}: the account still rests");
            for _ in 0..3 {
                assert_eq!(gateway.send(&turn(*conversation)).await.status, 200);
                assert_eq!(asked(&mock).await, *key, "round {round}");
            }
        }
        assert_eq!(gateway.send(&turn(round)).await.status, 200);
        kept = Some((round, asked(&mock).await));
        let clients: Vec<_> = (0..CLIENTS).map(|client| tokio::spawn(ask(gateway.port, client))).collect();
        tokio::time::sleep(if round == 0 {
            BINDING_WRITTEN
        } else {
            BINDING_WRITTEN + Duration::from_millis(37 * (round as u64 % 10))
        })
        .await;
        gateway.process.signal("KILL");
        assert!(gateway.process.end(WAIT_MAX).await.is_some());
        let mut served = 0;
        for client in clients {
            served += client.await.expect("a client");
        }
        assert!(served > 0, "round {round}: there was load");
        assert_eq!(refused(&mock).await, 1, "round {round}: the limited account was asked once in all");
    }
    let times: Vec<u128> = starts.iter().map(|(time, _)| time.as_millis()).collect();
    let reads: Vec<&str> = starts.iter().map(|(_, read)| read.as_str()).collect();
    println!("{rounds} rounds; milliseconds until ready: {times:?}; of them reading the state: {reads:?}");
}

#[tokio::test]
async fn a_lock_is_on_the_disk_at_once() {
    let (_folder, file) = place();
    let mock = Mock::start("rules: [{match: {key: key-a}, faults: ['429:600']}]").await;
    let stage = keeping(Stage::new(mock.port).account("a", "tier: ultra").account("b", ""), &file);
    let mut gateway = Gateway::start(&stage).await;
    assert_eq!(gateway.send(&turn(0)).await.status, 200);
    tokio::time::sleep(LOCK_WRITTEN).await;
    gateway.process.signal("KILL");
    assert!(gateway.process.end(WAIT_MAX).await.is_some());
    let gateway = Gateway::start(&stage).await;
    assert!(eventually(Duration::from_secs(1), || async { cooling(&gateway, "a").await > 500 }).await);
}

/// A Chat upstream `p` whose headers tell a limit a minute, and one a day of which a tenth is left.
async fn telling() -> Provider {
    Provider::start(vec![hello(
        "x-ratelimit-limit-requests-minute: 50\r\nx-ratelimit-remaining-requests-minute: 20\r\n\
         x-ratelimit-reset-requests-minute: 55\r\nx-ratelimit-limit-requests-day: 1000\r\n\
         x-ratelimit-remaining-requests-day: 90\r\nx-ratelimit-reset-requests-day: 7200\r\n",
    )])
    .await
}

async fn get(gateway: &Gateway, path: &str) -> serde_json::Value {
    Call::get(path).send(gateway.admin).await.json()
}

/// What is told of the account `p`.
async fn of_p(gateway: &Gateway) -> serde_json::Value {
    let all = get(gateway, "/api/accounts/status").await["accounts"].as_array().expect("a list").clone();
    all.into_iter().find(|one| one["account"] == "p").expect("the account")
}

#[tokio::test]
async fn paces_quotas_and_warm_ups_come_back() {
    for how in [End::Term, End::Kill] {
        let (_folder, file) = place();
        let (mock, provider) = (Mock::start("").await, telling().await);
        let stage =
            Stage::new(mock.port).account("warm", "models: [w]").elsewhere("p", "openai_chat", provider.port, "");
        let stage = stage
            .model("match: 'p/*', upstream: p, model: '{1}'")
            .resilience("quota: { protected: [big] }, warm_up: { enabled: true, models: [w], interval: 100ms }");
        let stage = keeping(stage, &file);
        let gateway = Gateway::start(&stage).await;
        assert_eq!(gateway.send(&Protocol::Chat.call("p/big", "hello", false)).await.status, 200);
        gateway.comes_to_rest().await;
        let warmed = || async { mock.count("warm").await == 1 };
        assert!(eventually(WAIT_MAX, warmed).await, "{}", gateway.process.log());
        gateway.comes_to_rest().await;
        let before = of_p(&gateway).await;
        assert_eq!(
            (&before["quotas"][0]["left_ratio"], &before["quotas"][0]["source"]),
            (&json!(0.09), &json!("header"))
        );
        assert_eq!(before["standing"]["state"], "limited", "protected: {before}");
        assert_eq!(before["paces"][0]["requests"]["limit"], 50, "{before}");
        end(gateway, how).await;

        let gateway = Gateway::start(&stage).await;
        let after = of_p(&gateway).await;
        for path in ["/quotas/0/left_ratio", "/quotas/0/reset/at", "/quotas/0/protected", "/standing/until/at"] {
            assert_eq!(after.pointer(path), before.pointer(path), "{how:?} {path}: {after}");
        }
        assert!(before.pointer("/quotas/0/reset/at").is_some(), "{before}");
        let requests = |told: &serde_json::Value| told["paces"][0]["requests"].clone();
        assert_eq!(requests(&after)["limit"], 50, "{how:?}: {after}");
        assert!(requests(&after)["used_ratio"].as_f64() >= Some(0.5), "{how:?}: {after}");
        let big = gateway.send(&Protocol::Chat.call("p/big", "hello", false)).await;
        assert_eq!((big.status, provider.connections.load(Ordering::Relaxed)), (429, 1), "{}", big.text());
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(mock.count("warm").await, 1, "{how:?}: it was warmed up before the restart");
    }
}

#[tokio::test]
async fn an_account_that_a_reload_adds_has_what_was_known_of_it() {
    let (_folder, file) = place();
    let mock = Mock::start("rules: [{match: {key: key-a}, faults: ['429:600']}]").await;
    let both = keeping(Stage::new(mock.port).account("b", "").account("a", "tier: ultra"), &file);
    let alone = keeping(Stage::with(mock.port, &["b"]), &file);
    let gateway = Gateway::start(&both).await;
    assert_eq!(gateway.send(&turn(0)).await.status, 200);
    end(gateway, End::Kill).await;
    let gateway = Gateway::start(&alone).await;
    let reload = async |stage: &Stage, number: usize| {
        gateway.rewrite(&stage.yaml(gateway.port, gateway.admin));
        assert_eq!(Call::post("/api/reload", "").send(gateway.admin).await.status, 200);
        assert_eq!(gateway.send(&turn(number)).await.status, 200);
        assert_eq!(mock.count("a").await, 1, "it rests still");
    };
    reload(&both, 1).await;
    assert!(cooling(&gateway, "a").await > 500);
    reload(&alone, 2).await;
    tokio::time::sleep(LOCK_WRITTEN).await;
    reload(&both, 3).await;
    assert!(cooling(&gateway, "a").await > 500, "also if it was only away for a while");
}
