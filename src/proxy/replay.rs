//! A downstream session whose request has been read whole.
//!
//! Pingora replays a request body on a retry only up to 64 KiB, and only in some framings. So once the gateway has read
//! the body, it puts this session in the place of Pingora's: it gives the body to every attempt, whatever its size and
//! whether it came with a content-length, in chunks or as HTTP/2 frames, and it writes to the client what the
//! [`Outbox`] holds instead of what the provider sent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;
use http::HeaderMap;
use parking_lot::Mutex;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::Digest;
use pingora::protocols::http::custom::CustomMessageWrite;
use pingora::protocols::http::custom::server::Session as CustomSession;
use pingora::protocols::http::{HttpTask, ServerSession};
use pingora::protocols::l4::socket::SocketAddr;
use pingora::{Error, ErrorType, Result};
use pingora_proxy::Session;

use super::outbox::Outbox;

/// Where the real session waits to be put back: Pingora reuses the connection only of a session it made.
#[derive(Default)]
pub struct Berth(Mutex<Option<Box<ServerSession>>>);

/// See the module.
struct Replay {
    inner: Option<Box<ServerSession>>,
    body: Bytes,
    outbox: Arc<Outbox>,
    berth: Arc<Berth>,
    /// What stands for the request once the real session was put back.
    vacant_header: RequestHeader,
}

/// Puts a [`Replay`] into the place of `session`'s downstream, which must have been read to the end of its body.
///
/// # Errors
/// None in practice: a constant request line is built.
pub(super) fn install(session: &mut Session, body: Bytes, outbox: Arc<Outbox>) -> Result<Arc<Berth>> {
    let berth = Arc::new(Berth::default());
    let vacant_header = RequestHeader::build("POST", b"/", Some(0))?;
    let vacant = Box::new(ServerSession::new_custom(Box::new(())));
    let inner = std::mem::replace(&mut session.downstream_session, vacant);
    let replay = Replay { inner: Some(inner), body, outbox, berth: Arc::clone(&berth), vacant_header };
    *session.downstream_session = ServerSession::new_custom(Box::new(replay));
    Ok(berth)
}

/// Puts the real session back, as it must be before Pingora finishes the request.
pub(super) async fn restore(session: &mut Session, berth: &Berth) {
    if let Some(replay) = session.downstream_session.as_custom_mut() {
        // This is the one call that Pingora itself never makes on a downstream session.
        let _ = replay.finish_custom().await;
        if let Some(inner) = berth.0.lock().take() {
            session.downstream_session = inner;
        }
    }
}

impl Replay {
    fn get(&self) -> Result<&ServerSession> {
        self.inner.as_deref().ok_or_else(gone)
    }

    fn get_mut(&mut self) -> Result<&mut ServerSession> {
        self.inner.as_deref_mut().ok_or_else(gone)
    }
}

#[expect(clippy::unnecessary_box_returns, reason = "Pingora's results hold boxed errors")]
fn gone() -> Box<Error> {
    Error::explain(ErrorType::InternalError, "the downstream session was put back")
}

#[async_trait]
impl CustomSession for Replay {
    fn req_header(&self) -> &RequestHeader {
        self.inner.as_deref().map_or(&self.vacant_header, ServerSession::req_header)
    }

    fn req_header_mut(&mut self) -> &mut RequestHeader {
        self.inner.as_deref_mut().map_or(&mut self.vacant_header, ServerSession::req_header_mut)
    }

    async fn read_body_bytes(&mut self) -> Result<Option<Bytes>> {
        Ok(None)
    }

    async fn drain_request_body(&mut self) -> Result<()> {
        Ok(())
    }

    async fn write_response_header(&mut self, response: Box<ResponseHeader>, _end: bool) -> Result<()> {
        self.get_mut()?.write_response_header(response).await
    }

    async fn write_response_header_ref(&mut self, response: &ResponseHeader, _end: bool) -> Result<()> {
        self.get_mut()?.write_response_header_ref(response).await
    }

    async fn write_body(&mut self, data: Bytes, end: bool) -> Result<()> {
        self.get_mut()?.write_response_body(data, end).await
    }

    async fn write_trailers(&mut self, trailers: HeaderMap) -> Result<()> {
        self.get_mut()?.write_response_trailers(trailers).await
    }

    /// Writes what the outbox holds. Of the provider's tasks only their end and their failure count.
    async fn response_duplex_vec(&mut self, tasks: Vec<HttpTask>) -> Result<bool> {
        let mut failed = None;
        let mut upstream_ended = false;
        for task in tasks {
            match task {
                HttpTask::Failed(error) => failed = Some(error),
                HttpTask::Header(_, true) if self.outbox.committed() => {
                    // An answer that passes and has no body: no filter hears of its end.
                    self.outbox.end();
                    upstream_ended = true;
                }
                task => upstream_ended |= task.is_end(),
            }
        }
        let mut done = false;
        if let Some(parcel) = self.outbox.take() {
            let mut writes = Vec::with_capacity(2);
            writes.extend(parcel.header.map(|header| HttpTask::Header(header, false)));
            if !parcel.body.is_empty() || parcel.end {
                writes.push(HttpTask::Body(Some(Bytes::from(parcel.body)), parcel.end));
            }
            done = self.get_mut()?.response_duplex_vec(writes).await?;
        }
        match failed {
            Some(error) if !self.outbox.ended() => Err(error),
            _ if upstream_ended && !self.outbox.ended() => {
                Err(Error::explain(ErrorType::ConnectionClosed, "the provider's answer ended early").into_up())
            }
            _ => Ok(done || upstream_ended || failed.is_some()),
        }
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        if let Ok(inner) = self.get_mut() {
            inner.set_read_timeout(timeout);
        }
    }

    fn get_read_timeout(&self) -> Option<Duration> {
        self.get().ok()?.get_read_timeout()
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        if let Ok(inner) = self.get_mut() {
            inner.set_write_timeout(timeout);
        }
    }

    fn get_write_timeout(&self) -> Option<Duration> {
        self.get().ok()?.get_write_timeout()
    }

    fn set_total_drain_timeout(&mut self, timeout: Option<Duration>) {
        if let Ok(inner) = self.get_mut() {
            inner.set_total_drain_timeout(timeout);
        }
    }

    fn get_total_drain_timeout(&self) -> Option<Duration> {
        self.get().ok()?.get_total_drain_timeout()
    }

    fn request_summary(&self) -> String {
        self.get().map(ServerSession::request_summary).unwrap_or_default()
    }

    fn response_written(&self) -> Option<&ResponseHeader> {
        self.get().ok()?.response_written()
    }

    async fn shutdown(&mut self, _code: u32, _context: &str) {
        if let Ok(inner) = self.get_mut() {
            inner.shutdown().await;
        }
    }

    fn is_body_done(&mut self) -> bool {
        true
    }

    async fn finish(&mut self) -> Result<()> {
        self.get_mut()?.finish_body().await
    }

    fn is_body_empty(&mut self) -> bool {
        self.body.is_empty()
    }

    /// Waits for the client to leave, for its patience to end, or for a hedge to be faster.
    async fn read_body_or_idle(&mut self, _no_body_expected: bool) -> Result<Option<Bytes>> {
        let patience = self.outbox.patience();
        let outbox = Arc::clone(&self.outbox);
        let left = self.get_mut()?.read_body_or_idle(true);
        tokio::select! {
            biased;
            result = left => result,
            () = outbox.overtaken() => {
                Err(Error::explain(ErrorType::ReadTimedout, "another account was faster"))
            }
            () = sleep_until(patience) => {
                outbox.give_up_patience();
                Err(Error::explain(ErrorType::ReadTimedout, "no content from the provider in time"))
            }
        }
    }

    fn body_bytes_sent(&self) -> usize {
        self.get().map(ServerSession::body_bytes_sent).unwrap_or_default()
    }

    fn body_bytes_read(&self) -> usize {
        self.body.len()
    }

    fn digest(&self) -> Option<&Digest> {
        self.get().ok()?.digest()
    }

    fn digest_mut(&mut self) -> Option<&mut Digest> {
        self.get_mut().ok()?.digest_mut()
    }

    fn client_addr(&self) -> Option<&SocketAddr> {
        self.get().ok()?.client_addr()
    }

    fn server_addr(&self) -> Option<&SocketAddr> {
        self.get().ok()?.server_addr()
    }

    fn pseudo_raw_h1_request_header(&self) -> Bytes {
        self.get().map(ServerSession::to_h1_raw).unwrap_or_default()
    }

    fn enable_retry_buffering(&mut self) {}

    fn retry_buffer_truncated(&self) -> bool {
        false
    }

    /// The whole body, on every attempt.
    fn get_retry_buffer(&self) -> Option<Bytes> {
        Some(self.body.clone())
    }

    async fn finish_custom(&mut self) -> Result<()> {
        *self.berth.0.lock() = self.inner.take();
        Ok(())
    }

    fn take_custom_message_reader(
        &mut self,
    ) -> Option<Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>> {
        None
    }

    fn restore_custom_message_reader(
        &mut self,
        _reader: Box<dyn Stream<Item = Result<Bytes>> + Unpin + Send + Sync + 'static>,
    ) -> Result<()> {
        Ok(())
    }

    fn take_custom_message_writer(&mut self) -> Option<Box<dyn CustomMessageWrite>> {
        None
    }

    fn restore_custom_message_writer(&mut self, _writer: Box<dyn CustomMessageWrite>) -> Result<()> {
        Ok(())
    }
}

/// `None`: for ever.
async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
