//! What stands in the heads of requests and answers.

use super::protocol::{ALL, Protocol};
use super::provider::{Provider, hello};
use super::rig::{Gateway, Mock};
use super::stage::Stage;

#[tokio::test]
async fn wire_012_the_head_of_a_stream_keeps_others_from_collecting_it() {
    let mock = Mock::start("").await;
    let gateway = Gateway::start(&Stage::with(mock.port, &["a"])).await;
    for protocol in ALL {
        for target in ALL.map(Protocol::name) {
            let call = protocol.call(&format!("{target}/m"), "x", true).header("accept-encoding", "gzip, br");
            let answer = gateway.send(&call).await;
            let way = format!("{protocol:?} to {target}");
            let kind = answer.header("content-type").unwrap_or_default();
            assert!(kind.starts_with("text/event-stream"), "{way}: {kind}");
            assert_eq!(answer.header("cache-control"), Some("no-cache"), "{way}");
            assert_eq!(answer.header("x-accel-buffering"), Some("no"), "{way}");
            assert_eq!(answer.header("content-length"), None, "{way}");
            assert_eq!(answer.header("content-encoding"), None, "{way}");
        }
    }
}

#[tokio::test]
async fn wire_014_nothing_compressed_is_asked_for_or_taken() {
    let mock = Mock::start("").await;
    // It compresses all the same.
    let zip = Provider::start(vec![hello("content-encoding: gzip\r\n")]).await;
    let stage =
        Stage::new(mock.port).account("a", "tier: free").elsewhere("zip", "openai_chat", zip.port, ", tier: pro");
    let gateway = Gateway::start(&stage.model("match: zipped, upstream: [zip, chat]")).await;
    let call = Protocol::Chat.call("zipped", "x", false).header("accept-encoding", "gzip");
    let answer = gateway.send(&call).await;
    assert_eq!(Protocol::Chat.said(&answer, false), Ok("You said: x".to_owned()));
    assert!(zip.connections.load(std::sync::atomic::Ordering::Relaxed) > 0, "the better account was asked first");
    assert_eq!(mock.last("a").await["headers"]["accept-encoding"], "identity");
}
