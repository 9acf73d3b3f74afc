//! The configuration changes under load: as a whole or not at all, and nobody notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::call::Call;
use super::protocol::{ALL, Protocol};
use super::rig::{Gateway, Mock, eventually};
use super::stage::Stage;
use super::wire::Wire;

const SWAPS: usize = 100;
/// Clients that ask without pause while the file changes.
const CLIENTS: usize = 8;

/// A stage in which `marker` is a name of the model `m`, and no earlier marker is.
fn marked(stage: &Stage, marker: usize) -> Stage {
    stage.clone().model(&format!("match: marker-{marker}, upstream: anthropic, model: 'm-{marker}'"))
}

async fn generation(gateway: &Gateway) -> u64 {
    gateway.metrics().await.sum("interlingua_config_generation", &[]) as u64
}

/// Whether the name of a marker is served as the one configuration that has it says.
async fn serves(gateway: &Gateway, marker: usize) -> bool {
    gateway.send(&Call::get("/v1/models")).await.text().contains(&format!("\"marker-{marker}\""))
}

/// Asks without pause until told to stop; gives how many were served, and what was not.
async fn ask(port: u16, client: usize, stop: Arc<AtomicBool>) -> (usize, Vec<String>) {
    let (mut served, mut failed, mut wire) = (0, Vec::new(), Wire::connect(port).await);
    while !stop.load(Ordering::Relaxed) {
        let (protocol, stream) = (ALL[(client + served) % 4], served % 2 == 0);
        let text = format!("client {client} request {served}");
        wire.send(&protocol.call("chat/m", &text, stream).sized()).await;
        match wire.answer().await.and_then(|answer| protocol.said(&answer, stream)) {
            Ok(said) if said == format!("You said: {text}") => served += 1,
            other => {
                failed.push(format!("{text}: {other:?}"));
                wire = Wire::connect(port).await;
            }
        }
    }
    (served, failed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_swaps_under_load_fail_nobody_and_apply_no_bad_one() {
    let mock = Mock::start("").await;
    let good = Stage::new(mock.port).account("a", "concurrency: 100");
    let bad_stage = good.clone().server("a_key_that_does_not_exist: 1");
    let gateway = Gateway::start_logging(&marked(&good, 0), "info,interlingua::access=off").await;
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> =
        (0..CLIENTS).map(|number| tokio::spawn(ask(gateway.port, number, Arc::clone(&stop)))).collect();

    for swap in 1..=SWAPS {
        let bad = swap % 2 == 0;
        let text = marked(if bad { &bad_stage } else { &good }, swap).yaml(gateway.port, gateway.admin);
        let before = generation(&gateway).await;
        gateway.rewrite(&text);
        let answer = Call::post("/api/reload", "").send(gateway.admin).await;
        assert_eq!(answer.status, if bad { 422 } else { 200 }, "swap {swap}: {}", answer.text());
        assert_eq!(serves(&gateway, swap).await, !bad, "swap {swap}");
        let last_good = if bad { swap - 1 } else { swap };
        assert!(serves(&gateway, last_good).await, "swap {swap}: what was in force stays");
        assert!(
            last_good == 1 || !serves(&gateway, last_good - 2).await,
            "swap {swap}: nothing is left of the one before"
        );
        let after = generation(&gateway).await;
        assert!(if bad { after == before } else { after > before }, "swap {swap}: generation {before}, then {after}");
    }
    stop.store(true, Ordering::Relaxed);
    let mut served = 0;
    for client in clients {
        let (count, failed) = client.await.expect("a client");
        assert!(failed.is_empty(), "{failed:#?}");
        served += count;
    }
    assert!(served > SWAPS, "{served} requests were served meanwhile");
    let metrics = gateway.metrics().await;
    assert!(metrics.sum("interlingua_config_reloads_total", &[("result", "applied")]) >= 50);
    assert!(metrics.sum("interlingua_config_reloads_total", &[("result", "refused")]) >= 50);
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn a_rewritten_file_and_sighup_are_taken_up() {
    let mock = Mock::start("").await;
    let good = Stage::with(mock.port, &["a"]);
    let gateway = Gateway::start(&marked(&good, 0)).await;
    for marker in 1..=3 {
        gateway.rewrite(&marked(&good, marker).yaml(gateway.port, gateway.admin));
        let seen = || async { serves(&gateway, marker).await };
        assert!(eventually(Duration::from_secs(10), seen).await, "the watch sees rewrite {marker}");
    }
    let before = generation(&gateway).await;
    gateway.process.signal("HUP");
    assert!(eventually(Duration::from_secs(5), || async { generation(&gateway).await == before + 1 }).await, "SIGHUP");
    std::fs::write(&gateway.file, "server: { lisen: x }").expect("the file is written");
    gateway.process.signal("HUP");
    let told = || async { gateway.process.log().contains("did you mean `listen`?") };
    assert!(eventually(Duration::from_secs(5), told).await, "the log says what is wrong");
    assert!(serves(&gateway, 3).await);
    assert_eq!(generation(&gateway).await, before + 1);
}

#[tokio::test]
async fn a_running_stream_keeps_the_configuration_it_began_with() {
    let mock = Mock::start("").await;
    let good = Stage::with(mock.port, &["a"]);
    let gateway = Gateway::start(&marked(&good, 1)).await;
    let mut wire = Wire::connect(gateway.port).await;
    wire.send(&Protocol::Chat.call("marker-1+long:60+fault=delay-chunk:20", "x", true).sized()).await;
    // The exact name is taken with its suffix by the rule for all names; both configurations have that one.
    assert_eq!(wire.head().await.expect("a stream").status, 200);
    let mut body = wire.until("data:").await;
    gateway.rewrite(&Stage::with(mock.port, &["other"]).yaml(gateway.port, gateway.admin));
    assert_eq!(Call::post("/api/reload", "").send(gateway.admin).await.status, 200);
    assert!(!serves(&gateway, 1).await);
    while let Some(piece) = wire.piece().await.expect("the stream goes on although its account is gone") {
        body.push_str(&String::from_utf8_lossy(&piece));
    }
    Protocol::Chat.streamed(&body).expect("a whole stream");
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn cooldowns_and_bindings_survive_a_reload() {
    let mock = Mock::start("rules: [{match: {key: key-a}, faults: ['429:300']}]").await;
    let good = Stage::new(mock.port).account("a", "tier: pro").account("b", "tier: free");
    let gateway = Gateway::start(&marked(&good, 1)).await;
    let call = Protocol::Chat.call("m", "hello", false);
    assert_eq!(gateway.send(&call).await.status, 200);
    assert_eq!(mock.count("a").await, 1);
    gateway.rewrite(&marked(&good, 2).yaml(gateway.port, gateway.admin));
    assert_eq!(Call::post("/api/reload", "").send(gateway.admin).await.status, 200);
    for _ in 0..5 {
        assert_eq!(gateway.send(&call).await.status, 200);
    }
    assert_eq!(mock.count("a").await, 1, "the limited account still rests");
    let rests = gateway.metrics().await.sum("interlingua_account_cooldown_seconds", &[("account", "a")]);
    assert!((250..=330).contains(&rests), "{rests}");
}

#[tokio::test]
async fn more_attempts_may_be_asked_for_than_at_the_start() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let mock = Mock::start("rules: [{match: {nth: [2, 3, 4, 5, 6]}, faults: ['500']}]").await;
    let stage = Stage::with(mock.port, &names).resilience("same_refusal_max: 0");
    let gateway = Gateway::start(&stage.clone().resilience("attempts_max: 1")).await;
    assert_eq!(gateway.send(&Protocol::Chat.call("m", "one", false)).await.status, 200);
    gateway.rewrite(&stage.resilience("attempts_max: 6").yaml(gateway.port, gateway.admin));
    assert_eq!(Call::post("/api/reload", "").send(gateway.admin).await.status, 200);
    assert_eq!(gateway.send(&Protocol::Chat.call("m", "two", false)).await.status, 200);
    assert_eq!(mock.requests().await.len(), 7);
}

#[tokio::test]
async fn the_admin_api_wants_its_key() {
    let mock = Mock::start("").await;
    let stage = Stage::with(mock.port, &["a"]).server("admin_keys: [admin-key-of-the-operator]");
    let gateway = Gateway::start(&stage).await;
    for path in ["/api/reload", "/metrics"] {
        let call = if path == "/metrics" { Call::get(path) } else { Call::post(path, "") };
        for wrong in ["", "Bearer", "Bearer wrong", "Basic admin-key-of-the-operator"] {
            assert_eq!(
                call.clone().header("authorization", wrong).send(gateway.admin).await.status,
                401,
                "{path} {wrong}"
            );
        }
        assert_eq!(
            call.clone().header("authorization", "Bearer admin-key-of-the-operator").send(gateway.admin).await.status,
            200
        );
    }
    assert_eq!(Call::get("/healthz").send(gateway.admin).await.status, 200);
    assert_eq!(Call::get("/nowhere").send(gateway.admin).await.status, 401, "a stranger learns nothing of the paths");
    let known = |path: &str| Call::get(path).header("authorization", "Bearer admin-key-of-the-operator");
    assert_eq!(known("/nowhere").send(gateway.admin).await.status, 404);
    assert_eq!(known("/api/reload").send(gateway.admin).await.status, 405);
}
