//! Retries and protections, as meant.

use std::time::Duration;

use interlingua_filters::Dialect;

use super::{Breaker, Continuation, Health, Hedging, Move, Overload, Pace, Quota, SafeMode, WarmUp};

/// Retries and protections. Everything off leaves a plain translating proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resilience {
    /// Attempts of one request. 1: no retry.
    pub attempts_max: u32,
    /// Longest time until the commit point, over all attempts.
    pub deadline: Duration,
    /// The same refusal from this many accounts is the answer. 0: off.
    pub same_refusal_max: u32,
    /// A second try on the same account.
    pub grace_retry: GraceRetry,
    /// Accounts that refused rest.
    pub cooldown: Cooldown,
    /// Conversations stay on their account.
    pub affinity: Affinity,
    /// Limits of the time before the first content.
    pub peek: Peek,
    /// How long a request waits for an account that is busy or at its limit. 0: not at all.
    pub wait_for_slot: Duration,
    /// Retry after a network error.
    pub retry_network: bool,
    /// Retry after an error status.
    pub retry_status: bool,
    /// Use the fallbacks of the rules. If off, [`Config::routes`] has none.
    pub fallbacks: bool,
    /// Limits of the providers, met without being hit.
    pub pace: Pace,
    /// Accounts that fail again and again rest.
    pub breaker: Breaker,
    /// Overloaded providers get fewer requests at a time.
    pub overload: Overload,
    /// Looks whether upstreams can be reached again.
    pub health: Health,
    /// One upstream of last resort.
    pub safe_mode: SafeMode,
    /// Quotas that providers tell.
    pub quota: Quota,
    /// Small requests that start windows of quotas.
    pub warm_up: WarmUp,
    /// Another account goes on with a broken answer.
    pub continuation: Continuation,
    /// A second request when the first is slow.
    pub hedging: Hedging,
    /// The account that all requests go to while it can serve them. One of the accounts.
    pub pinned_account: Option<String>,
}

/// A second try on the same account, to keep its prompt cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraceRetry {
    /// Switch.
    pub enabled: bool,
    /// Only if the provider asks to wait no longer than this.
    pub wait_max: Duration,
}

/// Accounts that refused rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cooldown {
    /// Switch.
    pub enabled: bool,
    /// Rest after a refusal without a hint.
    pub default: Duration,
    /// Rest after a used-up quota without a hint.
    pub quota_default: Duration,
    /// Longest rest, whatever the provider says.
    pub max: Duration,
    /// Random part, 0 to 100 percent of the rest.
    pub jitter_percent: u8,
}

/// Conversations stay on their account, to keep its prompt cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Affinity {
    /// Switch.
    pub enabled: bool,
    /// A binding ends when unused for this long.
    pub ttl: Duration,
    /// Most bindings; the least recently used goes first.
    pub entries_max: usize,
    /// A binding ends after this many failures in a row.
    pub unbind_after_failures: u32,
    /// A binding ends when its account rests longer than this.
    pub unbind_after_lock: Duration,
    /// Wait for the account, or move.
    pub moving: Move,
}

/// Limits of the time before the first content of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peek {
    /// Switch.
    pub enabled: bool,
    /// Until the first content of one attempt.
    pub first_content: PerClient,
    /// Until the first content, over all attempts.
    pub total: PerClient,
    /// Heartbeats without content of one attempt.
    pub heartbeats_max: u32,
}

/// A time span that depends on what the client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PerClient {
    /// Clients of the Anthropic dialect.
    pub anthropic: Duration,
    /// All others.
    pub others: Duration,
}

impl PerClient {
    /// The span for a client's dialect.
    pub fn of(self, client: Dialect) -> Duration {
        match client {
            Dialect::Anthropic => self.anthropic,
            Dialect::OpenAiChat | Dialect::OpenAiResponses | Dialect::Gemini => self.others,
        }
    }
}
