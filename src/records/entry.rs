//! One request as it is kept. Members are added, never renamed: older files have older entries.

use std::ops::AddAssign;

use bytes::Bytes;
use interlingua_filters::ir::Usage;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A request with its bodies, if they are to be kept.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// What is kept of each request.
    pub entry: Entry,
    /// The body as the client sent it.
    pub request: Option<Body>,
    /// The body as the client saw it.
    pub answer: Option<Body>,
}

/// A body, or its beginning.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// Its bytes, as far as they are kept. Not yet redacted.
    pub bytes: Bytes,
    /// How long it was, in bytes.
    pub whole: u64,
}

/// Tokens by class. The classes do not overlap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Tokens {
    /// Input at full price.
    pub uncached: u64,
    /// Input from a prompt cache.
    pub cache_read: u64,
    /// Input written to a cache of five minutes, or of unknown length.
    pub cache_write_5m: u64,
    /// Input written to a cache of one hour.
    pub cache_write_1h: u64,
    /// Output without what is told as reasoning.
    pub output: u64,
    /// Output that is told as reasoning.
    pub reasoning: u64,
}

impl From<&Usage<'_>> for Tokens {
    fn from(usage: &Usage<'_>) -> Self {
        Tokens {
            uncached: usage.uncached,
            cache_read: usage.cache_read,
            cache_write_5m: usage.cache_write_5m,
            cache_write_1h: usage.cache_write_1h,
            output: usage.output,
            reasoning: usage.reasoning,
        }
    }
}

impl AddAssign for Tokens {
    fn add_assign(&mut self, other: Self) {
        self.uncached = self.uncached.saturating_add(other.uncached);
        self.cache_read = self.cache_read.saturating_add(other.cache_read);
        self.cache_write_5m = self.cache_write_5m.saturating_add(other.cache_write_5m);
        self.cache_write_1h = self.cache_write_1h.saturating_add(other.cache_write_1h);
        self.output = self.output.saturating_add(other.output);
        self.reasoning = self.reasoning.saturating_add(other.reasoning);
    }
}

impl Tokens {
    /// All input.
    pub fn input(&self) -> u64 {
        self.uncached + self.cache_read + self.cache_write_5m + self.cache_write_1h
    }

    /// All output.
    pub fn answered(&self) -> u64 {
        self.output + self.reasoning
    }

    /// Whether there are none.
    pub fn is_none(&self) -> bool {
        *self == Tokens::default()
    }
}

/// One attempt at one account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tried {
    /// The account.
    pub account: String,
    /// The upstream.
    pub upstream: String,
    /// The model in the provider's words.
    pub model: String,
    /// The provider's HTTP status; 0 if none came.
    pub status: u16,
    /// `ok`, `client_left`, `overtaken` (another account was faster), `renewed` (a refused access token was replaced), or
    /// why it failed.
    pub outcome: String,
    /// What the provider said, without what looks like a credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When it began, in milliseconds after the request.
    pub after_ms: u64,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// What it used, as told or estimated.
    #[serde(default, skip_serializing_if = "Tokens::is_none")]
    pub tokens: Tokens,
    /// What that cost, in millionths of a US dollar; `None` without a price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub microusd: Option<u64>,
}

/// One request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = RequestEntry)]
pub struct Entry {
    /// Its id, as the client was told it.
    pub id: String,
    /// When it began, in milliseconds of the epoch.
    pub at_ms: u64,
    /// Who called, if clients are configured.
    pub client: Option<String>,
    /// What the client speaks.
    pub protocol: String,
    /// `unary`, `stream` or `local`.
    pub mode: String,
    /// The HTTP method.
    pub method: String,
    /// The path, without its query.
    pub path: String,
    /// The model as the client named it.
    pub model: Option<String>,
    /// The rule that took it.
    pub rule: Option<String>,
    /// The model that was asked last, in the provider's words.
    pub served_model: Option<String>,
    /// The upstream that was asked last.
    pub upstream: Option<String>,
    /// The account that was asked last.
    pub account: Option<String>,
    /// The HTTP status that the client got; 0 if it left before.
    pub status: u16,
    /// What was tried, in order.
    pub attempts: Vec<Tried>,
    /// What all attempts used.
    pub tokens: Tokens,
    /// What that cost, in millionths of a US dollar, as far as there are prices; `None` if there are none.
    pub microusd: Option<u64>,
    /// Attempts that used tokens without a price.
    #[serde(default)]
    pub unpriced: u64,
    /// What the translation could not say.
    #[serde(default)]
    pub losses: Vec<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// Milliseconds to the first byte of the answer.
    pub first_byte_ms: Option<u64>,
    /// Milliseconds to its end.
    pub total_ms: u64,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
}

impl Entry {
    /// Sums up the attempts.
    pub fn add_up(&mut self) {
        for tried in &self.attempts {
            self.tokens += tried.tokens;
            self.unpriced += u64::from(!tried.tokens.is_none() && tried.microusd.is_none());
            if let Some(microusd) = tried.microusd {
                self.microusd = Some(self.microusd.unwrap_or(0).saturating_add(microusd));
            }
        }
        if let Some(last) = self.attempts.iter().rfind(|tried| tried.outcome == "ok").or(self.attempts.last()) {
            self.served_model = Some(last.model.clone());
            self.upstream = Some(last.upstream.clone());
            self.account = Some(last.account.clone());
        }
    }
}
