//! What a failure means: whose fault it is, whom it concerns, what to try next and how long to leave it alone.
//!
//! One table (`table.rs`), first row that matches. Scope is decided *before* anything is locked: a refusal that is
//! the request's own fault locks nobody, or one bad request takes every account out in turn. Trouble of the provider
//! locks no account either, since another account would meet the same.

#[cfg(test)]
mod seal_tests;
mod table;
#[cfg(test)]
mod tests;

use interlingua_filters::Dialect;
use interlingua_filters::ir::{ApiError, ErrorKind};

use super::hint::Hint;

/// Longest part of a message that is looked at, in bytes.
const MESSAGE_BYTES_MAX: usize = 4096;

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The request's: it fails everywhere in the same way.
    Client,
    /// The account's: key, money, quota, limit. Never shown to a client as its own.
    Account,
    /// The provider's.
    Provider,
    /// The way to the provider.
    Network,
    /// Ours: a wrong base URL, an address that the provider does not serve.
    Gateway,
}

impl Fault {
    /// The name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Fault::Client => "client",
            Fault::Account => "account",
            Fault::Provider => "provider",
            Fault::Network => "network",
            Fault::Gateway => "gateway",
        }
    }
}

/// What a failure concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// This request alone.
    Request,
    /// This account for this model family.
    AccountModel,
    /// This account for all models.
    Account,
    /// All accounts of one project. No row of the table says so: a caller that knows the projects and shares cooldowns
    /// widens [`Scope::AccountModel`] to it.
    Project,
    /// All accounts behind our source address.
    Address,
    /// This model at this provider, for all accounts.
    Model,
    /// The provider, for all accounts.
    Provider,
}

impl Scope {
    /// The name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Request => "request",
            Scope::AccountModel => "account_model",
            Scope::Account => "account",
            Scope::Project => "project",
            Scope::Address => "address",
            Scope::Model => "model",
            Scope::Provider => "provider",
        }
    }
}

/// What to try next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Nothing: give the error to the client.
    No,
    /// Another account at once.
    OtherAccount,
    /// The same account after so many milliseconds, if the grace budget allows; else another one.
    SameAccountAfter(u64),
}

/// How a connection or an answer broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// The host's name was not found.
    Dns,
    /// No connection: refused, unreachable, or not in time.
    Connect,
    /// The egress proxy cannot be used.
    Proxy,
    /// The TLS handshake failed.
    Tls,
    /// The connection was closed or reset before an answer.
    Reset,
    /// No answer, or no content, within the limit.
    Timeout,
    /// The answer ended before its end.
    Truncated,
    /// The answer ended without any content.
    Empty,
    /// The answer cannot be read.
    Malformed,
}

/// Why, in a bounded set for metrics and for people who ask why an account is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each reason is explained at its row of the table")]
pub enum Reason {
    Dns,
    Connect,
    Proxy,
    Tls,
    Reset,
    NoAnswer,
    Truncated,
    EmptyAnswer,
    Malformed,
    Signature,
    ContextLength,
    ContentPolicy,
    TooLarge,
    ObjectMissing,
    KeyInvalid,
    Region,
    Billing,
    AccountDisabled,
    OperatorNeeded,
    Unauthorized,
    SpendLimit,
    OverOwnLimit,
    NotEntitled,
    Capacity,
    Overloaded,
    QuotaExhausted,
    RateLimit,
    ModelMissing,
    Forbidden,
    EndpointMissing,
    Conflict,
    Cancelled,
    Unavailable,
    ProviderTimeout,
    ProviderError,
    BadRequest,
    Unexpected,
    /// Set by the operator.
    Manual,
    /// Little is left of the quota of a protected model. Not a refusal: nothing is to be found out by a probe.
    QuotaProtected,
}

impl Reason {
    /// All reasons with their names in metrics, logs and stored cooldowns.
    pub const NAMES: &'static [(Reason, &'static str)] = &[
        (Reason::Dns, "dns"),
        (Reason::Connect, "connect"),
        (Reason::Proxy, "proxy"),
        (Reason::Tls, "tls"),
        (Reason::Reset, "reset"),
        (Reason::NoAnswer, "no_answer"),
        (Reason::Truncated, "truncated"),
        (Reason::EmptyAnswer, "empty_answer"),
        (Reason::Malformed, "malformed"),
        (Reason::Signature, "signature"),
        (Reason::ContextLength, "context_length"),
        (Reason::ContentPolicy, "content_policy"),
        (Reason::TooLarge, "too_large"),
        (Reason::ObjectMissing, "object_missing"),
        (Reason::KeyInvalid, "key_invalid"),
        (Reason::Region, "region"),
        (Reason::Billing, "billing"),
        (Reason::AccountDisabled, "account_disabled"),
        (Reason::OperatorNeeded, "operator_needed"),
        (Reason::Unauthorized, "unauthorized"),
        (Reason::SpendLimit, "spend_limit"),
        (Reason::OverOwnLimit, "over_own_limit"),
        (Reason::NotEntitled, "not_entitled"),
        (Reason::Capacity, "capacity"),
        (Reason::Overloaded, "overloaded"),
        (Reason::QuotaExhausted, "quota_exhausted"),
        (Reason::RateLimit, "rate_limit"),
        (Reason::ModelMissing, "model_missing"),
        (Reason::Forbidden, "forbidden"),
        (Reason::EndpointMissing, "endpoint_missing"),
        (Reason::Conflict, "conflict"),
        (Reason::Cancelled, "cancelled"),
        (Reason::Unavailable, "unavailable"),
        (Reason::ProviderTimeout, "provider_timeout"),
        (Reason::ProviderError, "provider_error"),
        (Reason::BadRequest, "bad_request"),
        (Reason::Unexpected, "unexpected"),
        (Reason::Manual, "manual"),
        (Reason::QuotaProtected, "quota_protected"),
    ];

    /// The name in metrics, logs and stored cooldowns.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(reason, _)| *reason == self).map_or("unexpected", |(_, name)| name)
    }

    /// The reason of a [`Self::name`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(reason, _)| *reason)
    }
}

/// What a failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whose fault.
    pub fault: Fault,
    /// Whom it concerns.
    pub scope: Scope,
    /// What to try next.
    pub retry: Retry,
    /// How long the scope is to be left alone, in milliseconds; `None` if nothing is locked.
    pub cooldown_ms: Option<u64>,
    /// Why.
    pub reason: Reason,
    /// The provider itself said how long: such a cooldown does not grow with repetition, and such a refusal is about
    /// this very account.
    pub hinted: bool,
}

/// Numbers that the table needs. A lock of 0 means that this kind of failure locks nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// Longest hint for which the same account is waited for, to keep its prompt cache, in milliseconds. 0: never.
    pub same_account_ms_max: u64,
    /// Wait before the same account is tried again after trouble of the provider, in milliseconds. 0: never.
    pub provider_wait_ms: u64,
    /// Lock after a rate limit without a hint, in milliseconds. It doubles with each window that is refused again.
    pub rate_limit_ms: u64,
    /// Lock after an exhausted quota without a hint, in milliseconds.
    pub quota_ms: u64,
    /// Lock after a refused credential, in milliseconds. It doubles likewise.
    pub credential_ms: u64,
    /// Lock of an account that is not paid for, disabled, or waits for its owner, in milliseconds.
    pub billing_ms: u64,
    /// Lock of an account for a model that it does not have, in milliseconds. It doubles likewise.
    pub model_ms: u64,
}

impl Default for Defaults {
    fn default() -> Self {
        Defaults {
            same_account_ms_max: 2_000,
            provider_wait_ms: 1_000,
            rate_limit_ms: 5_000,
            quota_ms: 600_000,
            credential_ms: 60_000,
            billing_ms: 600_000,
            model_ms: 60_000,
        }
    }
}

impl Defaults {
    /// Locks nothing and waits for nothing: failures only move the request on.
    pub const OFF: Defaults = Defaults {
        same_account_ms_max: 0,
        provider_wait_ms: 0,
        rate_limit_ms: 0,
        quota_ms: 0,
        credential_ms: 0,
        billing_ms: 0,
        model_ms: 0,
    };
}

/// Says what a failure means. `status` is the HTTP status, `None` if there was none; `error` is what the body or an event
/// inside a 200 said; `hint` is what [`super::hint()`] found; `transport` is set if the answer did not come or broke.
pub fn classify(
    dialect: Dialect,
    status: Option<u16>,
    error: Option<&ApiError>,
    hint: Option<Hint>,
    transport: Option<Transport>,
    defaults: &Defaults,
) -> Failure {
    let case = Case::new(dialect, status, error, hint, transport);
    let row = table::TABLE.iter().find(|row| (row.when)(&case)).unwrap_or(&table::UNEXPECTED);
    let said_ms = hint.map(|hint| hint.wait_ms).or_else(|| error.and_then(|error| error.retry_after_ms));
    row.failure(said_ms, defaults)
}

/// A failure as the rows look at it.
struct Case<'a> {
    dialect: Dialect,
    /// The HTTP status; that of the error's class if it came inside a 200 or without a status.
    status: u16,
    kind: ErrorKind,
    code: &'a str,
    /// In lower case.
    message: String,
    daily: bool,
    transport: Option<Transport>,
}

impl<'a> Case<'a> {
    fn new(
        dialect: Dialect,
        status: Option<u16>,
        error: Option<&'a ApiError>,
        hint: Option<Hint>,
        transport: Option<Transport>,
    ) -> Self {
        let bad = status.filter(|status| *status >= 300);
        let kind = error.map_or_else(|| ErrorKind::from_status(bad.unwrap_or(502)), |error| error.kind);
        let message = error.map_or("", |error| error.message.as_str());
        let message = message.get(..message.floor_char_boundary(MESSAGE_BYTES_MAX)).unwrap_or_default();
        Case {
            dialect,
            // Without a status and an error there is nothing to go by; the last row takes it.
            status: bad.or_else(|| error.map(|error| error.kind.status())).unwrap_or(0),
            kind,
            code: error.and_then(|error| error.code.as_deref()).unwrap_or_default(),
            message: message.to_ascii_lowercase(),
            daily: hint.is_some_and(|hint| hint.daily),
            transport,
        }
    }

    fn says(&self, phrases: &[&str]) -> bool {
        phrases.iter().any(|phrase| self.message.contains(phrase))
    }

    fn code_is(&self, codes: &[&str]) -> bool {
        codes.iter().any(|code| self.code.eq_ignore_ascii_case(code))
    }

    /// 429 in any form. OpenAI sends some of these inside a stream, where only the class tells.
    fn limited(&self) -> bool {
        self.status == 429 || matches!(self.kind, ErrorKind::RateLimit | ErrorKind::QuotaExhausted)
    }

    /// Google's `limit: 0`: the account's plan has none of this model.
    fn limit_is_zero(&self) -> bool {
        self.message.match_indices("limit: 0").any(|(at, found)| {
            let after = self.message.get(at + found.len()..).unwrap_or_default();
            let after = after.strip_prefix('.').unwrap_or(after);
            !after.starts_with(|c: char| c.is_ascii_digit())
        })
    }
}
