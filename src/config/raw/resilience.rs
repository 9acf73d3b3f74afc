//! The key `resilience`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Breaker, Continuation, Health, Hedging, Move, Overload, Pace, Quota, SafeMode, WarmUp};
use crate::config::units::TimeSpan;

/// Retries and protections.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Resilience {
    /// Attempts of one request, over all accounts, 1 to 64. 1: no retry.
    pub attempts_max: u64,
    /// Longest time of one request before its answer begins, over all attempts.
    pub deadline: TimeSpan,
    /// The same refusal from this many accounts is the answer, since then the request or the provider is at fault.
    /// 0: off.
    pub same_refusal_max: u64,
    /// Retry after a network error.
    pub retry_network: bool,
    /// Retry after an error status.
    pub retry_status: bool,
    /// Use the fallbacks of the rules.
    pub fallbacks: bool,
    /// How long a request waits for an account that is busy or at its limit before it is answered with 429 or 503. 0s: not
    /// at all.
    pub wait_for_slot: TimeSpan,
    /// A second try on the same account, to keep its prompt cache.
    pub grace_retry: GraceRetry,
    /// Accounts that refused rest.
    pub cooldown: Cooldown,
    /// Conversations stay on their account, to keep its prompt cache.
    pub affinity: Affinity,
    /// Limits of the time before the first content of a stream.
    pub peek: Peek,
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
    /// All requests go to this account while it can serve them, and to the others when it cannot. Default: none.
    pub pinned_account: Option<String>,
}

impl Default for Resilience {
    fn default() -> Self {
        Resilience {
            attempts_max: 64,
            deadline: TimeSpan::secs(300),
            same_refusal_max: 3,
            retry_network: true,
            retry_status: true,
            fallbacks: true,
            wait_for_slot: TimeSpan::secs(10),
            grace_retry: GraceRetry::default(),
            cooldown: Cooldown::default(),
            affinity: Affinity::default(),
            peek: Peek::default(),
            pace: Pace::default(),
            breaker: Breaker::default(),
            overload: Overload::default(),
            health: Health::default(),
            safe_mode: SafeMode::default(),
            quota: Quota::default(),
            warm_up: WarmUp::default(),
            continuation: Continuation::default(),
            hedging: Hedging::default(),
            pinned_account: None,
        }
    }
}

/// A second try on the same account, to keep its prompt cache. One for each request.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GraceRetry {
    /// Switch.
    pub enabled: bool,
    /// Only if the provider asks to wait no longer than this.
    pub wait_max: TimeSpan,
}

impl Default for GraceRetry {
    fn default() -> Self {
        GraceRetry { enabled: true, wait_max: TimeSpan::secs(2) }
    }
}

/// Accounts that refused rest.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Cooldown {
    /// Switch.
    pub enabled: bool,
    /// Rest after a refusal without a hint of the provider.
    pub default: TimeSpan,
    /// Rest after a used-up quota without a hint.
    pub quota_default: TimeSpan,
    /// Longest rest, whatever the provider says.
    pub max: TimeSpan,
    /// Random part of the rest, in percent, 0 to 100, so that accounts do not all come back at once.
    pub jitter_percent: u64,
}

impl Default for Cooldown {
    fn default() -> Self {
        Cooldown {
            enabled: true,
            default: TimeSpan::secs(5),
            quota_default: TimeSpan::secs(600),
            max: TimeSpan::secs(3600),
            jitter_percent: 10,
        }
    }
}

/// Conversations stay on their account, to keep its prompt cache.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Affinity {
    /// Switch.
    pub enabled: bool,
    /// A binding ends when unused for this long.
    pub ttl: TimeSpan,
    /// Most bindings, 1 to 10 million; the least recently used goes first.
    pub entries_max: u64,
    /// A binding ends after this many failures in a row. At least 1.
    pub unbind_after_failures: u64,
    /// A binding ends when its account rests longer than this.
    pub unbind_after_lock: TimeSpan,
    /// Wait for the account, or move.
    #[serde(rename = "move")]
    pub moving: Move,
}

impl Default for Affinity {
    fn default() -> Self {
        Affinity {
            enabled: true,
            ttl: TimeSpan::secs(3600),
            entries_max: 10_000,
            unbind_after_failures: 3,
            unbind_after_lock: TimeSpan::secs(300),
            moving: Move::default(),
        }
    }
}

/// Limits of the time before the first content of a stream. Past a limit, the next account is asked.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Peek {
    /// Switch.
    pub enabled: bool,
    /// Until the first content of one attempt.
    pub first_content: PerClient,
    /// Until the first content, over all attempts.
    pub total: PerClient,
    /// Heartbeats without content in one attempt. At least 1.
    pub heartbeats_max: u64,
}

impl Default for Peek {
    fn default() -> Self {
        Peek {
            enabled: true,
            first_content: PerClient { anthropic: Some(TimeSpan::secs(60)), others: Some(TimeSpan::secs(30)) },
            total: PerClient { anthropic: Some(TimeSpan::secs(120)), others: Some(TimeSpan::secs(90)) },
            heartbeats_max: 20,
        }
    }
}

/// A time span that depends on what the client speaks. A key that is left out keeps its default.
#[derive(Clone, Default, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PerClient {
    /// For clients of the Anthropic dialect.
    pub anthropic: Option<TimeSpan>,
    /// For all others.
    pub others: Option<TimeSpan>,
}
