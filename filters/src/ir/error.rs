//! Errors that any dialect can say.

/// What went wrong, in the field's common classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// 400: the request is malformed or asks what the model cannot do.
    InvalidRequest,
    /// 400: the prompt is longer than the model's context.
    ContextLength,
    /// 401: no or wrong credential.
    Authentication,
    /// 402: unpaid.
    Billing,
    /// 403: not allowed.
    Permission,
    /// 404: no such model or endpoint.
    NotFound,
    /// 405: the endpoint has no such method.
    MethodNotAllowed,
    /// 413: body too large.
    TooLarge,
    /// 429: a limit of requests or tokens is reached for now.
    RateLimit,
    /// 429: the account's quota is used up until it is renewed or paid for.
    QuotaExhausted,
    /// 499: the client left.
    Cancelled,
    /// 500: the provider failed.
    Internal,
    /// 502: the provider answered what nobody can read.
    BadGateway,
    /// 503: the provider is not available.
    Unavailable,
    /// 504: too slow.
    Timeout,
    /// 529 at Anthropic, 503 elsewhere: the provider has too much to do.
    Overloaded,
}

impl ErrorKind {
    /// HTTP status of this class for clients that know no special one (529 is Anthropic's alone).
    pub fn status(self) -> u16 {
        match self {
            ErrorKind::InvalidRequest | ErrorKind::ContextLength => 400,
            ErrorKind::Authentication => 401,
            ErrorKind::Billing => 402,
            ErrorKind::Permission => 403,
            ErrorKind::NotFound => 404,
            ErrorKind::MethodNotAllowed => 405,
            ErrorKind::TooLarge => 413,
            ErrorKind::RateLimit | ErrorKind::QuotaExhausted => 429,
            ErrorKind::Cancelled => 499,
            ErrorKind::Internal => 500,
            ErrorKind::BadGateway => 502,
            ErrorKind::Unavailable | ErrorKind::Overloaded => 503,
            ErrorKind::Timeout => 504,
        }
    }

    /// The class of an HTTP status, when the body does not say more.
    pub fn from_status(status: u16) -> Self {
        match status {
            401 => ErrorKind::Authentication,
            402 => ErrorKind::Billing,
            403 => ErrorKind::Permission,
            404 => ErrorKind::NotFound,
            405 => ErrorKind::MethodNotAllowed,
            408 | 504 => ErrorKind::Timeout,
            413 => ErrorKind::TooLarge,
            429 => ErrorKind::RateLimit,
            499 => ErrorKind::Cancelled,
            400..=499 => ErrorKind::InvalidRequest,
            502 => ErrorKind::BadGateway,
            503 => ErrorKind::Unavailable,
            529 => ErrorKind::Overloaded,
            _ => ErrorKind::Internal,
        }
    }
}

/// An error, as a provider or the gateway says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// What went wrong.
    pub kind: ErrorKind,
    /// For people: what happened and what to do.
    pub message: String,
    /// The provider's machine-readable code (`context_length_exceeded`, `API_KEY_INVALID`, `RATE_LIMIT_EXCEEDED`).
    pub code: Option<String>,
    /// The field at fault (OpenAI `param`).
    pub param: Option<String>,
    /// Wait before the next try, in milliseconds, when the body says so (Google RetryInfo and metadata, message texts
    /// are read by the gateway's hint parser, not here).
    pub retry_after_ms: Option<u64>,
}

impl ApiError {
    /// An error without code, field or wait.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        ApiError { kind, message: message.into(), code: None, param: None, retry_after_ms: None }
    }
}
