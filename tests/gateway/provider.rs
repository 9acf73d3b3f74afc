//! A provider by hand, for what the simulator does not do: it plays the same bytes to every request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A part of an answer, and the pause before it.
pub(crate) type Beat = (Duration, String);

/// What happened at it.
#[derive(Clone, Default)]
pub(crate) struct Provider {
    pub(crate) port: u16,
    pub(crate) connections: Arc<AtomicUsize>,
    /// Connections whose other side went away before the answer was played.
    pub(crate) left: Arc<AtomicUsize>,
}

impl Provider {
    /// Plays `beats` to the first request of each connection. The next request on it is read and dropped without an
    /// answer, which is the worst moment to close.
    pub(crate) async fn start(beats: Vec<Beat>) -> Self {
        Self::start_at(0, beats).await
    }

    /// As [`Self::start`], at a port; 0 is any.
    pub(crate) async fn start_at(port: u16, beats: Vec<Beat>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let provider = Provider { port, ..Provider::default() };
        let shared = provider.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::Relaxed);
                let (beats, left) = (beats.clone(), Arc::clone(&shared.left));
                tokio::spawn(async move {
                    if play(stream, &beats).await.is_none() {
                        left.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        provider
    }
}

async fn play(mut stream: TcpStream, beats: &[Beat]) -> Option<()> {
    let mut buffer = vec![0; 64 * 1024];
    stream.read(&mut buffer).await.ok().filter(|read| *read > 0)?;
    for (pause, text) in beats {
        let mut more = [0; 1];
        tokio::select! {
            () = tokio::time::sleep(*pause) => {}
            read = stream.read(&mut more) => if matches!(read, Ok(0) | Err(_)) { return None },
        }
        stream.write_all(text.as_bytes()).await.ok()?;
    }
    let _ = stream.read(&mut buffer).await;
    Some(())
}

/// A beat without a pause.
pub(crate) fn at_once(text: impl Into<String>) -> Beat {
    (Duration::ZERO, text.into())
}

/// The head of a stream of events.
pub(crate) fn stream_head() -> Beat {
    at_once("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
}

/// A chunk of a body, after a pause.
pub(crate) fn chunk(pause: Duration, data: &str) -> Beat {
    (pause, format!("{:x}\r\n{data}\r\n", data.len()))
}

/// A whole unary answer of Chat that says "hello", with more headers.
pub(crate) fn hello(headers: &str) -> Beat {
    const BODY: &str = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}"#;
    at_once(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{BODY}",
        BODY.len()
    ))
}
