//! An answer as it comes.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use serde_json::Value;
use tokio::time::{Instant, Sleep};

use crate::chat::{ChatChunk, ChatResponse};
use crate::sse::Events;
use crate::{Accumulator, Error, Refusal};

/// The end of a stream that is whole.
const DONE: &[u8] = b"[DONE]";

/// An answer as it comes: a [`Stream`] of [`ChatChunk`]s. It ends after the answer's end, or after one error.
///
/// ```no_run
/// # use interlingua_client::{ChatRequest, Client};
/// # async fn run(client: Client) -> Result<(), interlingua_client::Error> {
/// let mut stream = client.chat_stream(&ChatRequest::new("gpt-text").user("Count to ten.")).await?;
/// while let Some(chunk) = stream.next().await {
///     print!("{}", chunk?.text());
/// }
/// # Ok(())
/// # }
/// ```
pub struct ChatStream {
    body: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    events: Events,
    /// Data of whole events. At most those of one piece of the body.
    waiting: VecDeque<Vec<u8>>,
    ended: bool,
    /// Longest silence, and when the present one is over.
    idle: Duration,
    silence: Pin<Box<Sleep>>,
    request_id: Option<String>,
}

impl ChatStream {
    pub(crate) fn new(
        body: impl Stream<Item = reqwest::Result<Bytes>> + Send + 'static,
        idle: Duration,
        request_id: Option<String>,
    ) -> Self {
        ChatStream {
            body: Box::pin(body),
            events: Events::default(),
            waiting: VecDeque::new(),
            ended: false,
            idle,
            silence: Box::pin(tokio::time::sleep(idle)),
            request_id,
        }
    }

    /// The request's id in the gateway's log.
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// The next piece; `None` after the end.
    pub async fn next(&mut self) -> Option<Result<ChatChunk, Error>> {
        std::future::poll_fn(|context| Pin::new(&mut *self).poll_next(context)).await
    }

    /// Reads on to the end and gives the whole answer.
    ///
    /// # Errors
    /// The stream's own. What had come before is lost then: with an [`Accumulator`] of your own it is not.
    pub async fn whole(mut self) -> Result<ChatResponse, Error> {
        let mut whole = Accumulator::default().named(self.request_id.clone());
        while let Some(chunk) = self.next().await {
            whole.push(chunk?);
        }
        Ok(whole.finish())
    }

    /// What an event says. `None`: the end.
    fn read(&self, data: &[u8]) -> Option<Result<ChatChunk, Error>> {
        if data == DONE {
            return None;
        }
        let unreadable = Error::unreadable("event of the stream");
        let value: Value = match serde_json::from_slice(data) {
            Ok(value) => value,
            Err(error) => return Some(Err(unreadable(error))),
        };
        if value.get("error").is_some_and(|error| !error.is_null()) {
            let refusal = Refusal { request_id: self.request_id.clone(), ..Refusal::read(None, data) };
            return Some(Err(Error::Refused(Box::new(refusal))));
        }
        Some(serde_json::from_value(value).map_err(unreadable))
    }

    fn end(&mut self, error: Error) -> Poll<Option<Result<ChatChunk, Error>>> {
        self.ended = true;
        Poll::Ready(Some(Err(error)))
    }
}

impl Stream for ChatStream {
    type Item = Result<ChatChunk, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if this.ended {
                return Poll::Ready(None);
            }
            if let Some(data) = this.waiting.pop_front() {
                let item = this.read(&data);
                this.ended = !matches!(item, Some(Ok(_)));
                return Poll::Ready(item);
            }
            match this.body.as_mut().poll_next(context) {
                Poll::Ready(Some(Ok(bytes))) => {
                    this.silence.as_mut().reset(Instant::now() + this.idle);
                    if let Err(error) = this.events.push(&bytes, &mut this.waiting) {
                        return this.end(error);
                    }
                }
                // How it broke says nothing that a caller could use.
                Poll::Ready(_) => return this.end(Error::Interrupted),
                Poll::Pending => {
                    return match this.silence.as_mut().poll(context) {
                        Poll::Ready(()) => this.end(Error::Timeout(this.idle)),
                        Poll::Pending => Poll::Pending,
                    };
                }
            }
        }
    }
}

impl std::fmt::Debug for ChatStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatStream")
            .field("request_id", &self.request_id)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Played(VecDeque<&'static str>, bool);

    impl Stream for Played {
        type Item = reqwest::Result<Bytes>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            match self.0.pop_front() {
                Some(piece) => Poll::Ready(Some(Ok(Bytes::from_static(piece.as_bytes())))),
                None if self.1 => Poll::Pending,
                None => Poll::Ready(None),
            }
        }
    }

    fn stream(pieces: &[&'static str], hangs: bool) -> ChatStream {
        let played = Played(pieces.iter().copied().collect(), hangs);
        ChatStream::new(played, Duration::from_millis(30), Some("id-1".into()))
    }

    const HELLO: &str = "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hello\"}}]}\n\n";

    #[tokio::test]
    async fn a_whole_stream_ends_well_and_once() {
        let mut whole = stream(&[": x\n\n", HELLO, "data: [DO", "NE]\n\n", HELLO], false);
        assert_eq!(whole.next().await.unwrap().unwrap().text(), "hello");
        assert!(whole.next().await.is_none() && whole.next().await.is_none());
        let answer = stream(&[HELLO, "data: [DONE]\n\n"], true).whole().await.unwrap();
        assert_eq!((answer.text().as_str(), answer.request_id.as_deref()), ("hello", Some("id-1")));
    }

    #[tokio::test]
    async fn what_is_not_whole_is_one_typed_error() {
        let after_hello = |rest: &'static str, hangs| async move {
            let mut stream = stream(&[HELLO, rest], hangs);
            assert!(stream.next().await.unwrap().is_ok());
            let error = stream.next().await.unwrap().unwrap_err();
            assert!(stream.next().await.is_none(), "one error");
            error
        };
        assert!(matches!(after_hello("", false).await, Error::Interrupted));
        assert!(matches!(after_hello("data: {\"id\":", false).await, Error::Interrupted));
        assert!(matches!(after_hello("", true).await, Error::Timeout(_)));
        assert!(matches!(after_hello("data: {nonsense\n\n", false).await, Error::Unreadable { .. }));
        let error = after_hello("data: {\"error\":{\"message\":\"cut\",\"code\":\"bad_gateway\"}}\n\n", false).await;
        assert_eq!((error.status(), error.code(), error.request_id()), (None, Some("bad_gateway"), Some("id-1")));
    }
}
