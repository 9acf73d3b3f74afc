//! The gateway's own small requests to providers: access tokens, and what a platform must be asked before its first answer.
//!
//! They go over Pingora's connector, so there is one TLS stack with one crypto provider and one set of roots in the program.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use pingora::connectors::http::Connector;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::client::HttpSession;
use pingora::upstreams::peer::{ALPN, HttpPeer};

use crate::config::BaseUrl;
use crate::egress::Way;

/// The name under which the gateway calls providers.
pub(crate) const USER_AGENT: &str = concat!("interlingua/", env!("CARGO_PKG_VERSION"));
/// Longest time of one request, from the look-up of the name to the end of the answer.
const TOTAL: Duration = Duration::from_secs(20);
/// TCP connect, then with TLS.
const CONNECT: Duration = Duration::from_secs(5);
/// Longest answer that is read, in bytes: the state of some ten thousand accounts, which the commands ask for.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Sends requests, each on a connection of its own: they are rare.
pub(crate) struct Http {
    connector: Arc<Connector>,
    /// Through a proxy, and not otherwise.
    way: Option<Way>,
}

/// A request.
pub(crate) struct Question<'q> {
    pub(crate) method: &'static str,
    /// Where to.
    pub(crate) base: &'q BaseUrl,
    /// What follows the path of `base`.
    pub(crate) suffix: &'q str,
    /// Beside `host`, `user-agent` and those of the body.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Media type of the body.
    pub(crate) kind: &'static str,
    pub(crate) body: String,
}

/// An answer.
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// No answer came. Says where to and why, and nothing of what was sent.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HttpError {
    /// Not within the time.
    #[error("{0} did not answer within {TOTAL:?}")]
    Slow(String),
    /// The answer is too long.
    #[error("the answer of {0} is longer than {ANSWER_BYTES_MAX} bytes")]
    TooLong(String),
    /// The connection or the answer broke.
    #[error("{host} cannot be asked: {why}")]
    Broken {
        /// Where to.
        host: String,
        /// Why not.
        why: String,
    },
}

impl Http {
    pub(crate) fn new() -> Self {
        Http { connector: Arc::new(Connector::new(None)), way: None }
    }

    /// The same, on the way of an account; `None` is directly.
    pub(crate) fn on(&self, way: Option<Way>) -> Self {
        Http { connector: Arc::clone(&self.connector), way }
    }

    /// Asks, within a bounded time.
    pub(crate) async fn ask(&self, question: &Question<'_>) -> Result<Told, HttpError> {
        let host = || question.base.authority();
        match tokio::time::timeout(TOTAL, self.exchange(question)).await {
            Ok(Ok(Some(told))) => Ok(told),
            Ok(Ok(None)) => Err(HttpError::TooLong(host())),
            // The kind alone: Pingora's context may quote the request.
            Ok(Err(error)) => Err(HttpError::Broken { host: host(), why: error.etype().as_str().to_owned() }),
            Err(_) => Err(HttpError::Slow(host())),
        }
    }

    /// `None`: the answer is too long.
    async fn exchange(&self, question: &Question<'_>) -> pingora::Result<Option<Told>> {
        let base = question.base;
        let path = format!("{}{}", base.path, question.suffix);
        let mut head = RequestHeader::build(question.method, path.as_bytes(), Some(8))?;
        head.insert_header(header::HOST, base.authority())?;
        head.insert_header(header::USER_AGENT, HeaderValue::from_static(USER_AGENT))?;
        head.insert_header(header::ACCEPT, HeaderValue::from_static("application/json"))?;
        head.insert_header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))?;
        for (name, value) in &question.headers {
            head.insert_header(name.clone(), value.clone())?;
        }
        if question.method != "GET" {
            head.insert_header(header::CONTENT_TYPE, HeaderValue::from_static(question.kind))?;
            head.insert_header(header::CONTENT_LENGTH, question.body.len())?;
        }
        let told = self.carry(base, head, Bytes::from(question.body.clone()), TOTAL).await?;
        Ok(told.map(|(head, body)| Told { status: head.status.as_u16(), body: body.into() }))
    }

    /// Sends a request as it is, on a connection of its own. The answer is to be read.
    pub(crate) async fn send(
        &self,
        peer: &HttpPeer,
        mut head: RequestHeader,
        body: Bytes,
    ) -> pingora::Result<HttpSession<()>> {
        let (mut session, _) = self.connector.get_http_session(peer).await?;
        head.insert_header(header::CONNECTION, HeaderValue::from_static("close"))?;
        let has_body = head.method != "GET";
        session.write_request_header(Box::new(head)).await?;
        if has_body {
            session.write_request_body(body, true).await?;
        }
        session.finish_request_body().await?;
        Ok(session)
    }

    /// As [`Self::send`], and reads the answer whole; `total` bounds each read and
    /// write. `None`: the answer is too long.
    pub(crate) async fn carry(
        &self,
        base: &BaseUrl,
        head: RequestHeader,
        body: Bytes,
        total: Duration,
    ) -> pingora::Result<Option<(ResponseHeader, Bytes)>> {
        let mut peer = match &self.way {
            None => HttpPeer::new(look_up(&base.host, base.port).await?, base.tls, base.host.clone()),
            Some(way) => {
                let (host, port) = way.hop();
                let hop = look_up(host, port).await.map_err(|why| way.lost(&why))?;
                let found = if way.looks_up() { Some(look_up(&base.host, base.port).await?) } else { None };
                way.peer(base, hop, found, CONNECT)
            }
        };
        peer.options.connection_timeout = Some(CONNECT);
        peer.options.total_connection_timeout = Some(CONNECT + CONNECT);
        peer.options.read_timeout = Some(total);
        peer.options.write_timeout = Some(total);
        peer.options.alpn = ALPN::H1;
        let mut session = self.send(&peer, head, body).await?;
        session.read_response_header().await?;
        let broken = || pingora::Error::new(pingora::ErrorType::ConnectionClosed);
        let head = session.response_header().cloned().ok_or_else(broken)?;
        let mut body = Vec::new();
        while let Some(piece) = session.read_response_body().await? {
            body.extend_from_slice(&piece);
            if body.len() > ANSWER_BYTES_MAX {
                return Ok(None);
            }
        }
        Ok(Some((head, Bytes::from(body))))
    }
}

async fn look_up(host: &str, port: u16) -> pingora::Result<SocketAddr> {
    let lost = || pingora::Error::new(pingora::ErrorType::ConnectNoRoute);
    let mut found = tokio::net::lookup_host((host, port)).await.map_err(|_| lost())?;
    found.next().ok_or_else(lost)
}
