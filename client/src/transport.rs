//! Requests over HTTP: sent, bounded in time, refused, and sent again.

use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderMap, Method, header};
use reqwest::Url;

use crate::retry::{may_succeed, told};
use crate::{Error, Refusal, Retry, discover};

/// Longest body that is read whole, in bytes.
const BODY_BYTES_MAX: usize = 64 << 20;
/// Longest body of a refusal, in bytes.
const REFUSAL_BYTES_MAX: usize = 1 << 20;

/// One side of a gateway: its clients', or its operator's.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    http: reqwest::Client,
    pub(crate) url: Url,
    key: Option<Key>,
    pub(crate) limits: Limits,
}

/// Times and retries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) retry: Retry,
    pub(crate) connect: Duration,
    /// Until the answer's header; of an answer that is not streamed until its end.
    pub(crate) answer: Duration,
    /// Longest silence inside of a stream.
    pub(crate) idle: Duration,
}

/// A key, which no `Debug` shows.
#[derive(Clone)]
pub(crate) struct Key(pub(crate) header::HeaderValue);

impl Key {
    pub(crate) fn new(text: &str) -> Result<Self, Error> {
        let bad = || Error::Settings("the key holds a character that a header cannot carry".to_owned());
        let mut value = header::HeaderValue::try_from(format!("Bearer {}", text.trim())).map_err(|_| bad())?;
        value.set_sensitive(true);
        Ok(Key(value))
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(redacted)")
    }
}

/// What is sent.
pub(crate) struct Question<'q> {
    pub(crate) method: Method,
    /// Below the URL, without a slash at its beginning.
    pub(crate) path: &'q str,
    pub(crate) body: Option<Bytes>,
    /// Whether it may be done twice.
    pub(crate) is_safe: bool,
}

impl Transport {
    pub(crate) fn new(url: Url, key: Option<Key>, limits: Limits) -> Result<Self, Error> {
        let builder = reqwest::Client::builder()
            .user_agent(concat!("interlingua-client/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(limits.connect)
            // A key goes to who was named, and nowhere else.
            .redirect(reqwest::redirect::Policy::none());
        let builder = if discover::is_loopback(&url) { builder.no_proxy() } else { builder };
        let http = builder.build().map_err(|error| Error::Settings(format!("TLS cannot be set up: {error}")))?;
        Ok(Transport { http, url, key, limits })
    }

    /// Asks until there is an answer, or an error that stays. Gives a good answer with its header alone.
    pub(crate) async fn send(&self, question: &Question<'_>) -> Result<reqwest::Response, Error> {
        let begun = Instant::now();
        let mut attempts = 0;
        loop {
            let error = match self.once(question).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            attempts += 1;
            let wait = may_succeed(&error, question.is_safe)
                .then(|| self.limits.retry.wait(attempts, begun.elapsed(), error.retry_after(), seed()))
                .flatten();
            let Some(wait) = wait else { return Err(error) };
            tokio::time::sleep(wait).await;
        }
    }

    /// As [`Self::send`], and the whole body. What breaks off in its body is not asked for again.
    pub(crate) async fn ask(&self, question: &Question<'_>) -> Result<(Bytes, Option<String>), Error> {
        let response = self.send(question).await?;
        let id = request_id(response.headers());
        Ok((self.within(read(response, BODY_BYTES_MAX)).await?, id))
    }

    async fn once(&self, question: &Question<'_>) -> Result<reqwest::Response, Error> {
        let url = self
            .url
            .join(question.path)
            .map_err(|error| Error::Settings(format!("the path cannot be read: {error}")))?;
        let mut request = self.http.request(question.method.clone(), url);
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, key.0.clone());
        }
        if let Some(body) = &question.body {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body.clone());
        }
        self.within(async {
            let response = request.send().await.map_err(|error| self.broken(error))?;
            let status = response.status();
            if status.is_success() {
                return Ok(response);
            }
            let headers = response.headers().clone();
            // A body that breaks off takes nothing of what the status says.
            let body = read(response, REFUSAL_BYTES_MAX).await.unwrap_or_default();
            Err(Error::Refused(Box::new(Refusal {
                request_id: request_id(&headers),
                retry_after: told(&headers, SystemTime::now()),
                ..Refusal::read(Some(status.as_u16()), &body)
            })))
        })
        .await
    }

    async fn within<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let limit = self.limits.answer;
        tokio::time::timeout(limit, work).await.unwrap_or(Err(Error::Timeout(limit)))
    }

    fn broken(&self, error: reqwest::Error) -> Error {
        Error::Connection { url: self.url.to_string(), source: Box::new(error.without_url()) }
    }
}

async fn read(response: reqwest::Response, most: usize) -> Result<Bytes, Error> {
    let mut body = Vec::new();
    let mut stream = std::pin::pin!(response.bytes_stream());
    while let Some(piece) = std::future::poll_fn(|context| stream.as_mut().poll_next(context)).await {
        body.extend_from_slice(&piece.map_err(|_| Error::Interrupted)?);
        if body.len() > most {
            return Err(Error::TooLong(most));
        }
    }
    Ok(Bytes::from(body))
}

/// The request's id in the gateway's log.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<String> {
    headers.get("x-request-id")?.to_str().ok().map(str::to_owned)
}

/// Random enough to spread clients: the keys of std's hash maps differ from process to process and count up.
fn seed() -> u64 {
    RandomState::new().hash_one(0)
}
