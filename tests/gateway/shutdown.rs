//! The process ends when it is told to, and no request with it.

use std::time::{Duration, Instant};

use super::h2::H2;
use super::process::{Running, program};
use super::protocol::Protocol;
use super::rig::{Gateway, Mock};
use super::stage::Stage;
use super::wire::Wire;
use http_body_util::BodyExt as _;

#[tokio::test]
async fn sigterm_lets_running_streams_end_and_then_leaves() {
    let mock = Mock::start("").await;
    let mut gateway = Gateway::start(&Stage::with(mock.port, &["a"])).await;
    let call = |protocol: Protocol| protocol.call("chat/m+long:40+fault=delay-chunk:40", "x", true);
    let mut wire = Wire::connect(gateway.port).await;
    wire.send(&call(Protocol::Anthropic).sized()).await;
    assert_eq!(wire.head().await.expect("a stream").status, 200);
    let mut body = wire.until("data:").await;
    let connection = H2::connect(gateway.port).await;
    let (_, stream) = connection.begin(&call(Protocol::Chat), true).await.expect("a stream");
    let mut idle = Wire::connect(gateway.port).await;

    gateway.process.signal("TERM");
    while let Some(piece) = wire.piece().await.expect("the stream goes on") {
        body.push_str(&String::from_utf8_lossy(&piece));
    }
    Protocol::Anthropic.streamed(&body).expect("a whole stream");
    let rest = stream.collect().await.expect("the HTTP/2 stream goes on").to_bytes();
    Protocol::Chat.streamed(&String::from_utf8_lossy(&rest)).expect("a whole stream");

    let ended = Instant::now();
    let status = gateway.process.end(Duration::from_secs(10)).await.expect("the process leaves");
    assert!(status.success(), "{status}");
    assert!(ended.elapsed() < Duration::from_secs(3), "it left {:?} after the last stream", ended.elapsed());
    assert!(idle.closes(Duration::from_secs(1)).await);
}

#[tokio::test]
async fn sigterm_without_requests_leaves_at_once() {
    let mock = Mock::start("").await;
    let mut gateway = Gateway::start(&Stage::with(mock.port, &["a"])).await;
    gateway.process.signal("TERM");
    let status = gateway.process.end(Duration::from_secs(5)).await.expect("the process leaves");
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn the_drain_has_an_end() {
    let mock = Mock::start("").await;
    let stage = Stage::with(mock.port, &["a"]).server("drain_timeout: 1s");
    let mut gateway = Gateway::start(&stage).await;
    let mut wire = Wire::connect(gateway.port).await;
    wire.send(&Protocol::Chat.call("m+fault=hang", "x", false).sized()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    gateway.process.signal("TERM");
    assert!(gateway.process.end(Duration::from_secs(8)).await.is_some(), "a stuck request does not hold the process");
}

#[tokio::test]
async fn an_address_in_use_is_named_and_the_process_fails() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&Stage::with(mock.port, &["a"])).await;
    let path = gateway.file.to_str().expect("a UTF-8 path");
    let mut second = Running::start("second", program(&["serve", "--config", path]));
    let status = second.end(Duration::from_secs(10)).await.expect("it ends");
    assert_eq!(status.code(), Some(1));
    let log = second.log();
    assert!(log.contains(&format!("cannot listen on 127.0.0.1:{}", gateway.port)) && log.contains("in use"), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    let listen = format!("127.0.0.1:{}", mock.port);
    let mut mock = Running::start("second mock", program(&["mock", "--listen", &listen]));
    assert_eq!(mock.end(Duration::from_secs(10)).await.expect("it ends").code(), Some(1));
    assert!(mock.log().contains(&listen), "{}", mock.log());
}
