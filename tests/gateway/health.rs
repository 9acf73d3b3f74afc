//! Upstreams that cannot be reached, and how soon they are used again.

use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use super::process::free_port;
use super::protocol::Protocol;
use super::provider::{Provider, hello};
use super::rig::{Gateway, eventually};
use super::stage::Stage;

const LOOKS: &str = "interlingua_health_checks_total";

/// One account whose breaker opens at once and stays open for longer than any test.
fn stage(port: u16, health: &str) -> Stage {
    Stage::new(port)
        .account("unused", "models: [other]")
        .elsewhere("down", "openai_chat", port, "")
        .model("match: m, upstream: down")
        .resilience("breaker: { failures: 1, open: 10m, open_max: 10m, last_resort: 10m }, wait_for_slot: 0s")
        .resilience(health)
}

async fn ask(gateway: &Gateway) -> u16 {
    gateway.send(&Protocol::Chat.call("m", "hello", false)).await.status
}

#[tokio::test]
async fn a_provider_that_is_back_serves_soon_although_its_breaker_is_open_for_long() {
    let port = free_port();
    let gateway = Gateway::start(&stage(port, "health: { interval: 200ms }")).await;
    for _ in 0..3 {
        assert!(ask(&gateway).await >= 429);
    }
    let looked = || async { gateway.metrics().await.sum(LOOKS, &[("result", "failed")]) >= 2 };
    assert!(eventually(Duration::from_secs(10), looked).await, "{}", gateway.process.log());
    let provider = Provider::start_at(port, vec![hello("")]).await;
    let serves = || async { ask(&gateway).await == 200 };
    assert!(eventually(Duration::from_secs(5), serves).await, "{}", gateway.process.log());
    let looks = gateway.metrics().await.sum(LOOKS, &[("result", "reached")]);
    assert!(looks <= 1, "who serves is not looked at: {looks}");
    drop(provider);
}

#[tokio::test]
async fn nothing_is_said_to_who_is_looked_at() {
    let port = free_port();
    let gateway = Gateway::start(&stage(port, "health: { interval: 200ms }")).await;
    assert!(ask(&gateway).await >= 429);
    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
    let (mut stream, _) =
        tokio::time::timeout(Duration::from_secs(10), listener.accept()).await.expect("a look").expect("a connection");
    let mut all = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut all)).await;
    assert!(read.is_ok(), "it is closed at once");
    assert_eq!(String::from_utf8_lossy(&all), "");
}

#[tokio::test]
async fn nobody_is_looked_at_who_can_be_reached_or_with_the_monitor_off() {
    let port = free_port();
    let gateway = Gateway::start(&stage(port, "health: { enabled: false, interval: 100ms }")).await;
    assert!(ask(&gateway).await >= 429);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(gateway.metrics().await.sum(LOOKS, &[]), 0);
    let provider = Provider::start(vec![hello("")]).await;
    let gateway = Gateway::start(&stage(provider.port, "health: { interval: 100ms }")).await;
    assert_eq!(ask(&gateway).await, 200);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(gateway.metrics().await.sum(LOOKS, &[]), 0);
}
