//! Connections of clients and to providers are used again, and never for the wrong answer.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::call::Call;
use super::h2::H2;
use super::protocol::{ALL, Protocol};
use super::provider::{Provider, hello};
use super::rig::{Gateway, Mock};
use super::stage::Stage;
use super::wire::Wire;

const PLAIN: &str = "affinity: { enabled: false }, grace_retry: { enabled: false }";

#[tokio::test]
async fn many_requests_of_every_kind_share_one_client_connection() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&Stage::with(mock.port, &["a", "b"]).resilience(PLAIN)).await;
    let mut wire = Wire::connect(gateway.port).await;
    for round in 0..3 {
        for protocol in ALL {
            for (model, stream) in [("own", false), ("own", true), ("chat/m", true), ("anthropic/m", false)] {
                let text = format!("round {round} {model} {stream}");
                wire.send(&protocol.call(model, &text, stream).sized()).await;
                let answer = wire.answer().await.unwrap_or_else(|error| panic!("{protocol:?}, {text}: {error}"));
                assert_eq!(protocol.said(&answer, stream), Ok(format!("You said: {text}")));
            }
        }
        wire.send(&Call::get("/v1/models").sized()).await;
        assert_eq!(wire.answer().await.expect("the models").status, 200);
    }
    // Chunked requests too: the next one begins behind the last chunk.
    for _ in 0..2 {
        wire.send(&Protocol::Chat.call("m", "chunks", false).chunked(5)).await;
        assert_eq!(Protocol::Chat.said(&wire.answer().await.expect("an answer"), false).unwrap(), "You said: chunks");
    }
}

#[tokio::test]
async fn a_connection_lives_on_after_errors_or_says_that_it_is_closed() {
    let mock = Mock::start("").await;
    let gateway =
        Gateway::start(&Stage::with(mock.port, &["a"]).resilience("attempts_max: 1, cooldown: { enabled: false }"))
            .await;
    let mut wire = Wire::connect(gateway.port).await;
    for (call, status) in [
        (Call::get("/nowhere"), 404),
        (Call::post("/nowhere", "{\"a\":1}"), 404),
        (Call::get("/v1/messages"), 405),
        (Call::post("/v1/messages", "{"), 400),
        (Call::post("/v1/chat/completions", "{}"), 400),
        (Protocol::Chat.call("m+fault=500", "x", false), 500),
        (Protocol::Gemini.call("m+fault=429", "x", true), 429),
        (Protocol::Anthropic.call("m+fault=close", "x", true), 502),
        (Protocol::Responses.call("m+fault=400", "x", false), 400),
    ] {
        wire.send(&call.sized()).await;
        let answer = wire.answer().await.unwrap_or_else(|error| panic!("{} {}: {error}", call.method, call.path));
        assert_eq!(answer.status, status, "{} {}: {}", call.method, call.path, answer.text());
        if answer.header("connection") == Some("close") {
            assert!(wire.closes(Duration::from_secs(5)).await);
            wire = Wire::connect(gateway.port).await;
            continue;
        }
        wire.send(&Protocol::Chat.call("m", "after", false).sized()).await;
        let answer = wire.answer().await.unwrap_or_else(|error| panic!("after {} {}: {error}", call.method, call.path));
        assert_eq!(Protocol::Chat.said(&answer, false).unwrap(), "You said: after");
    }
}

#[tokio::test]
async fn a_pipelined_request_is_answered_after_the_one_before() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&Stage::with(mock.port, &["a"])).await;
    for (stream, delay) in [(false, 0), (true, 0), (true, 30), (false, 30)] {
        let first = Protocol::Chat.call(&format!("m+fault=delay-head:{delay}"), "first", stream).sized();
        let second = Protocol::Anthropic.call("m", "second", stream).sized();
        let mut wire = Wire::connect(gateway.port).await;
        wire.send(&[first, second.clone(), second].concat()).await;
        let answer = wire.answer().await.expect("the first answer");
        assert_eq!(Protocol::Chat.said(&answer, stream).unwrap(), "You said: first");
        for _ in 0..2 {
            let answer = wire.answer().await.unwrap_or_else(|error| panic!("second, {stream} {delay}: {error}"));
            assert_eq!(Protocol::Anthropic.said(&answer, stream).unwrap(), "You said: second");
        }
    }
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn clients_of_http_1_0_and_connection_close_are_served_and_let_go() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&Stage::with(mock.port, &["a"])).await;
    for stream in [false, true] {
        let call = Protocol::Chat.call("m", "old", stream);
        let mut wire = Wire::connect(gateway.port).await;
        wire.send(&call.clone().header("connection", "close").sized()).await;
        let answer = wire.answer().await.expect("an answer");
        assert_eq!(Protocol::Chat.said(&answer, stream).unwrap(), "You said: old");
        assert!(wire.closes(Duration::from_secs(5)).await, "as the client asked");

        let old = String::from_utf8(call.sized()).unwrap().replace("HTTP/1.1", "HTTP/1.0");
        let mut wire = Wire::connect(gateway.port).await;
        wire.send(old.as_bytes()).await;
        let answer = wire.answer().await.expect("an answer");
        assert_eq!(answer.header("transfer-encoding"), None, "HTTP/1.0 has no chunks");
        assert_eq!(Protocol::Chat.said(&answer, stream).unwrap(), "You said: old");
    }
}

#[tokio::test]
async fn many_streams_share_one_http_2_connection() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&Stage::new(mock.port).account("a", "concurrency: 100")).await;
    let connection = H2::connect(gateway.port).await;
    let tasks: Vec<_> = (0..80)
        .map(|number| {
            let connection = connection.clone();
            tokio::spawn(async move {
                let (protocol, stream) = (ALL[number % 4], number % 8 < 4);
                let text = format!("number {number}");
                let call = protocol.call("anthropic/m", &text, stream);
                let answer = connection.send(&call, number % 3 == 0).await.expect("an answer");
                assert_eq!(protocol.said(&answer, stream), Ok(format!("You said: {text}")));
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("the request is served");
    }
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn kept_connections_that_the_provider_closes_cause_no_failure() {
    let provider = Provider::start(vec![hello("")]).await;
    let gateway = Gateway::start(&Stage::with(provider.port, &["a"])).await;
    for number in 0..40 {
        let answer = gateway.send(&Protocol::Chat.call("chat/m", "hi", false)).await;
        assert_eq!(Protocol::Chat.said(&answer, false), Ok("hello".to_owned()), "request {number}");
    }
    assert!(provider.connections.load(Ordering::Relaxed) >= 40, "each connection carried one answer");
    let metrics = gateway.metrics().await;
    let failed = metrics.sum("interlingua_attempts_total", &[])
        - metrics.sum("interlingua_attempts_total", &[("outcome", "ok")]);
    assert_eq!(failed, 0, "a stale connection is nobody's failure");
}

#[tokio::test]
async fn connections_to_a_provider_are_used_again() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&Stage::with(mock.port, &["a"])).await;
    let before = sockets(mock.port);
    for number in 0..30 {
        let (protocol, stream) = (ALL[number % 4], number % 2 == 0);
        let answer = gateway.send(&protocol.call("m", "again", stream)).await;
        protocol.said(&answer, stream).expect("a whole answer");
    }
    let made = sockets(mock.port).saturating_sub(before);
    // Each worker thread keeps its own.
    assert!(made <= 4, "30 requests one after the other opened {made} connections");
}

/// How many established connections on this machine lead to `port`.
fn sockets(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
    let wanted = format!("0100007F:{port:04X}");
    // Column 2 is the other side's address; state 01 is established, and connections closed by us linger as 06.
    table.lines().filter(|line| line.split_whitespace().nth(2) == Some(&wanted)).count()
}
