//! A client that leaves takes its request with it: the provider's work ends, and the slot is free again.

use std::time::Duration;

use super::h2::H2;
use super::protocol::{ALL, Protocol};
use super::rig::{Gateway, Mock, eventually};
use super::stage::Stage;
use super::wire::Wire;

/// "Soon", on a busy machine.
const SOON: Duration = Duration::from_secs(3);

async fn rig() -> (Mock, Gateway) {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&Stage::new(mock.port).account("a", "concurrency: 2")).await;
    (mock, gateway)
}

/// The provider's work has ended, the slot is back, and the account serves the next request.
async fn all_is_free(mock: &Mock, gateway: &Gateway, what: &str) {
    let free = || async { mock.total("in_flight").await == 0 };
    assert!(eventually(SOON, free).await, "{what}: the provider still works for nobody");
    gateway.comes_to_rest().await;
    let answer = gateway.send(&Protocol::Chat.call("m", "next", false)).await;
    assert_eq!(answer.status, 200, "{what}: {}", answer.text());
}

#[tokio::test]
async fn before_the_first_byte() {
    let (mock, gateway) = rig().await;
    for protocol in ALL {
        for (stream, fault) in [(false, "hang"), (true, "hang"), (true, "hang-after:0")] {
            let mut wire = Wire::connect(gateway.port).await;
            wire.send(&protocol.call(&format!("m+fault={fault}"), "x", stream).sized()).await;
            let begun = || async { mock.total("in_flight").await == 1 };
            assert!(eventually(SOON, begun).await, "the provider is asked");
            drop(wire);
            all_is_free(&mock, &gateway, &format!("{protocol:?} {stream} {fault}")).await;
        }
    }
    let metrics = gateway.metrics().await;
    assert_eq!(metrics.sum("interlingua_attempts_total", &[("outcome", "client_left")]), 12, "nobody is to blame");
    assert_eq!(metrics.sum("interlingua_account_cooldown_seconds", &[]), 0);
}

#[tokio::test]
async fn while_it_waits_for_a_slot() {
    let (mock, gateway) = rig().await;
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut wire = Wire::connect(gateway.port).await;
        wire.send(&Protocol::Chat.call("m+fault=hang", "x", true).sized()).await;
        busy.push(wire);
    }
    let full = || async { mock.total("in_flight").await == 2 };
    assert!(eventually(SOON, full).await, "both slots are taken");
    let mut waiting = Wire::connect(gateway.port).await;
    waiting.send(&Protocol::Chat.call("m", "x", true).sized()).await;
    let at_work = |count| {
        let gateway = &gateway;
        move || async move { gateway.metrics().await.sum("interlingua_in_flight", &[]) == count }
    };
    assert!(eventually(SOON, at_work(4)).await, "the third waits, and the question for the metrics");
    drop(waiting);
    assert!(eventually(SOON, at_work(3)).await, "its client's leaving is noticed before a slot is free");
    drop(busy);
    all_is_free(&mock, &gateway, "afterwards").await;
}

#[tokio::test]
async fn in_the_middle_of_a_stream() {
    let (mock, gateway) = rig().await;
    for protocol in ALL {
        for target in ["chat", "anthropic", "gemini", "responses"] {
            let call = protocol.call(&format!("{target}/m+long:100000+fault=delay-chunk:5"), "x", true);
            let mut wire = Wire::connect(gateway.port).await;
            wire.send(&call.sized()).await;
            assert_eq!(wire.head().await.expect("a stream").status, 200);
            wire.until("data:").await;
            drop(wire);
            all_is_free(&mock, &gateway, &format!("{protocol:?} {target}")).await;
        }
    }
}

#[tokio::test]
async fn over_http_2() {
    let (mock, gateway) = rig().await;
    let connection = H2::connect(gateway.port).await;
    for fault in ["hang", "hang-after:0", "delay-chunk:5"] {
        let call = Protocol::Anthropic.call(&format!("chat/m+long:100000+fault={fault}"), "x", true);
        let begun = tokio::time::timeout(Duration::from_millis(400), connection.begin(&call, true)).await;
        // Dropping the answer resets the stream; the connection stays.
        drop(begun);
        all_is_free(&mock, &gateway, fault).await;
    }
    // The whole connection goes.
    let call = Protocol::Chat.call("m+fault=hang", "x", true);
    let other = H2::connect(gateway.port).await;
    let task = tokio::spawn(async move { other.begin(&call, true).await.map(|_| ()) });
    assert!(eventually(SOON, || async { mock.total("in_flight").await == 1 }).await);
    task.abort();
    all_is_free(&mock, &gateway, "the connection").await;
}

#[tokio::test]
async fn while_it_waits_for_a_slot_or_a_retry() {
    let mock = Mock::start(
        "rules: [{match: {model: 'slow*'}, faults: [hang]}, {match: {model: 'grace*'}, faults: ['429:1']}]",
    )
    .await;
    let stage = Stage::new(mock.port).account("a", "concurrency: 1").resilience("wait_for_slot: 20s");
    let gateway = Gateway::start(&stage).await;
    let mut busy = Wire::connect(gateway.port).await;
    busy.send(&Protocol::Chat.call("slow", "x", false).sized()).await;
    assert!(eventually(SOON, || async { mock.total("in_flight").await == 1 }).await);
    let mut waits = Wire::connect(gateway.port).await;
    waits.send(&Protocol::Chat.call("other", "x", false).sized()).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    drop((waits, busy));
    all_is_free(&mock, &gateway, "waiting for a slot").await;

    let mut wire = Wire::connect(gateway.port).await;
    wire.send(&Protocol::Chat.call("grace", "x", false).sized()).await;
    let asked = mock.requests().await.len();
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(wire);
    all_is_free(&mock, &gateway, "waiting for a grace retry").await;
    let _ = asked;
}

#[tokio::test]
async fn a_slow_reader_is_served_to_the_end() {
    let (mock, gateway) = rig().await;
    let mut wire = Wire::connect(gateway.port).await;
    wire.send(&Protocol::Anthropic.call("chat/m+long:3000", "x", true).sized()).await;
    assert_eq!(wire.head().await.expect("a stream").status, 200);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut body = Vec::new();
    while let Some(piece) = wire.piece().await.expect("the stream goes on") {
        body.extend(piece);
    }
    Protocol::Anthropic.streamed(&String::from_utf8(body).expect("UTF-8")).expect("a whole stream");
    all_is_free(&mock, &gateway, "a slow reader").await;
}
