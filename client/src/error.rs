//! What can go wrong, as a caller can act on it.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

/// What went wrong.
///
/// ```
/// use interlingua_client::Error;
///
/// fn again(error: &Error) -> bool {
///     error.retry_after().is_some() || error.status().is_some_and(|status| status >= 500)
/// }
/// assert!(!again(&Error::Interrupted));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The gateway, or the provider behind it, refused. Boxed for its size.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// No gateway was found where one was looked for.
    #[error("no gateway was found: {0}")]
    NotFound(String),
    /// A URL, key or file that cannot be used.
    #[error("{0}")]
    Settings(String),
    /// No connection, or it broke before the answer began.
    #[error("the gateway at {url} cannot be reached: {}", root(source.as_ref()))]
    Connection {
        /// Where it was looked for.
        url: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Nothing came within the time.
    #[error("nothing came from the gateway within {0:?}")]
    Timeout(Duration),
    /// A stream ended before its end.
    #[error("the stream broke off before its end")]
    Interrupted,
    /// An answer that cannot be read.
    #[error("the {what} cannot be read: {source}")]
    Unreadable {
        /// What it should be.
        what: &'static str,
        /// Why it is not.
        source: serde_json::Error,
    },
    /// An answer, or one event of a stream, that is longer than the client reads.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// The model still called tools after so many turns.
    #[error("the model still calls tools after {0} turns")]
    TooManyTurns(u32),
}

/// A refusal: an HTTP status with a body, or an error inside of a stream.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}{message}", self.status.map_or_else(String::new, |status| format!("{status}: ")))]
#[non_exhaustive]
pub struct Refusal {
    /// HTTP status; `None` inside of a stream.
    pub status: Option<u16>,
    /// The class, such as `rate_limit_error`. The operator's API has none.
    pub kind: Option<String>,
    /// The code, such as `model_not_found`.
    pub code: Option<String>,
    /// For people.
    pub message: String,
    /// The field of the request that it is about.
    pub param: Option<String>,
    /// The request's id in the gateway's log.
    pub request_id: Option<String>,
    /// How long the gateway asks to wait.
    pub retry_after: Option<Duration>,
}

/// The innermost cause: what stands around it says no more.
fn root<'e>(error: &'e (dyn std::error::Error + 'static)) -> &'e (dyn std::error::Error + 'static) {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

impl Error {
    /// The refusal, if it is one.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Error::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// HTTP status of a refusal.
    pub fn status(&self) -> Option<u16> {
        self.refusal()?.status
    }

    /// Code of a refusal.
    pub fn code(&self) -> Option<&str> {
        self.refusal()?.code.as_deref()
    }

    /// Id of the refused request in the gateway's log.
    pub fn request_id(&self) -> Option<&str> {
        self.refusal()?.request_id.as_deref()
    }

    /// How long the gateway asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.refusal()?.retry_after
    }

    pub(crate) fn unreadable(what: &'static str) -> impl FnOnce(serde_json::Error) -> Self {
        move |source| Error::Unreadable { what, source }
    }
}

/// Both shapes of errors: `{"error": {…}}` of Chat Completions, and RFC 9457 of the operator's API.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    error: Option<Value>,
    title: Option<String>,
    detail: Option<String>,
}

impl Refusal {
    /// Reads a body. What is no JSON gives the status alone, so that no page of a load balancer becomes a message.
    pub(crate) fn read(status: Option<u16>, body: &[u8]) -> Self {
        let body: Body = serde_json::from_slice(body).unwrap_or_default();
        let error = body.error.unwrap_or_default();
        let text = |name: &str| match &error[name] {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let message = text("message").or_else(|| error.as_str().map(str::to_owned)).or(body.detail).or(body.title);
        Refusal {
            status,
            kind: text("type"),
            code: text("code"),
            message: message.unwrap_or_else(|| "no reason was given".to_owned()),
            param: text("param"),
            request_id: None,
            retry_after: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_of_errors_are_read() {
        let chat = br#"{"error":{"message":"slow down","type":"rate_limit_error","code":"rate_limit","param":null}}"#;
        let refusal = Refusal::read(Some(429), chat);
        assert_eq!((refusal.kind.as_deref(), refusal.code.as_deref()), (Some("rate_limit_error"), Some("rate_limit")));
        assert_eq!((refusal.to_string().as_str(), refusal.param), ("429: slow down", None));
        let problem = br#"{"title":"Not Found","status":404,"detail":"there is no account 'x'"}"#;
        assert_eq!(Refusal::read(Some(404), problem).message, "there is no account 'x'");
        assert_eq!(Refusal::read(None, br#"{"error":{"message":"cut","code":502}}"#).to_string(), "cut");
        assert_eq!(Refusal::read(Some(502), b"<html>").to_string(), "502: no reason was given");
        assert_eq!(Refusal::read(Some(502), b"[]").to_string(), "502: no reason was given");
    }
}
