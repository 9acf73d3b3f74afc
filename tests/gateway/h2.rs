//! HTTP/2 with prior knowledge.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, SizeHint};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::call::Call;
use super::wire::Answer;

/// A body in pieces that tells its length, or does not.
pub(crate) struct Pieces {
    left: Bytes,
    tells: bool,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(None);
        }
        let size = self.left.len().min(10_000);
        Poll::Ready(Some(Ok(Frame::data(self.left.split_to(size)))))
    }

    fn size_hint(&self) -> SizeHint {
        if self.tells { SizeHint::with_exact(self.left.len() as u64) } else { SizeHint::default() }
    }
}

/// A connection, for many requests at once.
#[derive(Clone)]
pub(crate) struct H2(SendRequest<Pieces>);

impl H2 {
    pub(crate) async fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the gateway accepts");
        stream.set_nodelay(true).expect("a TCP socket");
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("a handshake");
        tokio::spawn(connection);
        H2(sender)
    }

    /// Sends a request; `sized` says whether it has a content-length.
    pub(crate) async fn send(&self, call: &Call, sized: bool) -> Result<Answer, String> {
        let mut answer = self.begin(call, sized).await?;
        let body = answer.1.collect().await.map_err(|error| format!("cut: {error}"))?;
        answer.0.body = body.to_bytes().to_vec();
        Ok(answer.0)
    }

    /// Sends a request and reads the head of its answer.
    pub(crate) async fn begin(&self, call: &Call, sized: bool) -> Result<(Answer, hyper::body::Incoming), String> {
        let mut request = Request::builder().method(call.method).uri(format!("http://gateway.test{}", call.path));
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let body = Pieces { left: Bytes::from(call.body.clone()), tells: sized };
        let request = request.body(body).map_err(|error| error.to_string())?;
        let mut sender = self.0.clone();
        sender.ready().await.map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(|error| format!("no answer: {error:?}"))?;
        for name in ["connection", "keep-alive", "transfer-encoding"] {
            assert!(!response.headers().contains_key(name), "RFC 9113 section 8.2.2 forbids {name}");
        }
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap_or("?").to_owned()));
        let answer = Answer { status: response.status().as_u16(), headers: headers.collect(), body: Vec::new() };
        Ok((answer, response.into_body()))
    }
}
