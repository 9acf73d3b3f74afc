//! Request bodies of every size and framing reach the account that answers, whole.

use std::fmt::Write as _;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::call::Call;
use super::h2::H2;
use super::process::WAIT_MAX;
use super::protocol::{ALL, Protocol};
use super::rig::{Gateway, Mock};
use super::stage::Stage;
use super::wire::Wire;

/// The first two requests are limited, whoever asks.
const TWO_REFUSALS: &str = "rules: [{match: {nth: [1, 2]}, faults: ['429:30']}]";

/// A prompt that is not one byte over and over.
fn prompt(bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 16);
    for number in 0.. {
        let _ = write!(text, "{number} é ");
        if text.len() >= bytes {
            return text;
        }
    }
    text
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

async fn gateway(mock: &Mock) -> Gateway {
    Gateway::start(&Stage::with(mock.port, &["a", "b", "c"]).resilience("same_refusal_max: 0")).await
}

#[tokio::test]
async fn bodies_in_every_framing_survive_two_refusals() {
    let mock = Mock::start("").await;
    let gateway = gateway(&mock).await;
    for size in [300 << 10, 3 << 20] {
        let call = Protocol::Chat.call(&format!("gpt-{size}"), &prompt(size), false);
        for framing in ["h1 length", "h1 chunks", "h2 length", "h2 frames"] {
            // Each framing asks for a model of its own: the refusals before have limited the accounts for the others.
            let model = format!("gpt-{size}-{}", framing.replace(' ', "-"));
            let body = String::from_utf8(call.body.clone()).unwrap().replacen(&format!("gpt-{size}"), &model, 1);
            let call = Call { body: body.into_bytes(), ..call.clone() };
            mock.script(TWO_REFUSALS).await;
            let before = mock.requests().await.len();
            let answer = match framing {
                "h1 length" => gateway.send(&call).await,
                "h1 chunks" => {
                    let mut wire = Wire::connect(gateway.port).await;
                    wire.send(&call.chunked(7_000)).await;
                    wire.answer().await.expect("an answer")
                }
                _ => H2::connect(gateway.port).await.send(&call, framing == "h2 length").await.expect("an answer"),
            };
            let said = Protocol::Chat.said(&answer, false).unwrap_or_else(|error| panic!("{framing}, {size}: {error}"));
            assert!(said.starts_with("You said: 0 é 1 é "), "{said}");
            let seen = mock.requests().await.split_off(before);
            assert_eq!(seen.len(), 3, "{framing}, {size}");
            let keys: std::collections::HashSet<_> = seen.iter().map(|request| request["key"].to_string()).collect();
            assert_eq!(keys.len(), 3, "three accounts were asked");
            for request in seen {
                assert_eq!(
                    request["body_sha256"],
                    digest(&call.body),
                    "{framing}, {size}: attempt {}",
                    request["number"]
                );
            }
        }
    }
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn a_large_body_is_translated_again_for_each_attempt() {
    let mock = Mock::start("").await;
    let gateway = gateway(&mock).await;
    let text = prompt(300 << 10);
    for client in ALL {
        let target = if client == Protocol::Anthropic { "gemini" } else { "anthropic" };
        mock.script(TWO_REFUSALS).await;
        let answer = gateway.send(&client.call(&format!("{target}/m-{}", client.name()), &text, true)).await;
        client.said(&answer, true).unwrap_or_else(|error| panic!("{client:?}: {error}"));
        let seen = mock.requests().await.split_off(mock.requests().await.len() - 3);
        for request in &seen {
            assert_eq!(request["body"], seen[0]["body"], "{client:?}");
            assert!(request["body"].to_string().contains(&json!(text).to_string()), "{client:?}");
        }
    }
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_is_told_to_go_on() {
    let mock = Mock::start("").await;
    let gateway = gateway(&mock).await;
    let call = Protocol::Responses.call("gpt-5", &prompt(200_000), false).header("expect", "100-continue");
    let mut wire = Wire::connect(gateway.port).await;
    for _ in 0..2 {
        wire.send(&call.head_only()).await;
        assert_eq!(wire.head().await.expect("an interim answer").status, 100);
        wire.send(&call.body).await;
        let answer = wire.answer().await.expect("an answer");
        Protocol::Responses.said(&answer, false).expect("a whole answer");
    }
    assert!(mock.requests().await.iter().all(|request| request["headers"]["expect"].is_null()), "it does not travel");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_in_the_callers_dialect_and_the_connection_closed() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&Stage::with(mock.port, &["a"]).server("body_bytes_max: 100KiB")).await;
    for protocol in ALL {
        let call = protocol.call("m", &prompt(400_000), false);
        for bytes in [call.sized(), call.chunked(9_000)] {
            let mut wire = Wire::connect(gateway.port).await;
            wire.try_send(&bytes).await;
            let answer = wire.answer().await.unwrap_or_else(|error| panic!("{protocol:?}: {error}"));
            assert_eq!(answer.status, 413, "{protocol:?}");
            let (_, message) = protocol.error(&answer);
            assert!(message.contains("102400 bytes"), "{message}");
            assert!(wire.closes(WAIT_MAX).await, "{protocol:?}: what is left of the body is no request");
        }
        for sized in [true, false] {
            let answer = H2::connect(gateway.port).await.send(&call, sized).await.expect("an answer");
            assert_eq!(answer.status, 413, "{protocol:?}");
            protocol.error(&answer);
        }
    }
    // A client that asks first is told before it has sent anything.
    let call = Protocol::Chat.call("m", &prompt(400_000), false).header("expect", "100-continue");
    let mut wire = Wire::connect(gateway.port).await;
    wire.send(&call.head_only()).await;
    assert_eq!(wire.head().await.expect("an answer").status, 413);
    assert_eq!(mock.requests().await.len(), 0);
    gateway.comes_to_rest().await;
}

#[tokio::test]
async fn a_body_that_breaks_off_or_is_no_json_asks_nobody() {
    let mock = Mock::start("").await;
    let gateway = gateway(&mock).await;
    let call = Protocol::Anthropic.call("m", &prompt(100_000), false);
    let mut wire = Wire::connect(gateway.port).await;
    let bytes = call.sized();
    wire.send(&bytes[..bytes.len() / 2]).await;
    wire.finish_sending().await;
    let _ = wire.answer().await;
    for (body, part) in [("{\"model\"", "JSON"), ("[]", "object"), ("{}", "model"), ("\u{feff}", "JSON")] {
        let answer = gateway.send(&Call::post("/v1/messages", body)).await;
        assert_eq!(answer.status, 400, "{body}");
        let (kind, message) = Protocol::Anthropic.error(&answer);
        assert_eq!(kind, "invalid_request_error");
        assert!(message.contains(part), "{message}");
    }
    let compressed = gateway.send(&call.header("content-encoding", "gzip")).await;
    assert_eq!(compressed.status, 400);
    assert_eq!(mock.requests().await.len(), 0);
    gateway.comes_to_rest().await;
}
