//! Below `resilience`: what watches the accounts, and what goes on when one fails.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::config::units::{ByteSize, OneOrMany, TimeSpan};
use crate::config::{ContinuationMode, MoveRule};

/// Requests and tokens a minute of each account and family of models: met without being hit. What a limit is, the
/// providers' headers tell; where they are silent it is learned from refusals.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Pace {
    /// Switch.
    pub enabled: bool,
    /// From this part of a limit on, requests are spread in time. In percent, 1 to 100.
    pub slow_at_percent: u64,
    /// Longest pause that spreads them. 0s: none.
    pub pause_max: TimeSpan,
    /// A limit that nobody named is learned: measured between refusals. While it is used up and nothing is refused, it grows
    /// up to this part of it in one step. In percent, 100 to 1000.
    pub skip_at_percent: u64,
    /// What a refusal takes from a learned limit where it measures nothing, in percent, 1 to 90.
    pub decrease_percent: u64,
    /// The first step by which a learned limit grows, in percent, 1 to 100; each further one is twice as large.
    pub increase_percent: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            enabled: true,
            slow_at_percent: 80,
            pause_max: TimeSpan::ms(100),
            skip_at_percent: 120,
            decrease_percent: 10,
            increase_percent: 5,
        }
    }
}

/// Accounts that fail again and again, for whatever reason but a limit, rest.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Breaker {
    /// Switch.
    pub enabled: bool,
    /// Failures in a row that open it. At least 1.
    pub failures: u64,
    /// How long it is open before one request may try.
    pub open: TimeSpan,
    /// The same when tries fail: it doubles up to this.
    pub open_max: TimeSpan,
    /// With no other account left, an open one is tried, but no more often than this.
    pub last_resort: TimeSpan,
}

impl Default for Breaker {
    fn default() -> Self {
        Breaker {
            enabled: true,
            failures: 5,
            open: TimeSpan::secs(30),
            open_max: TimeSpan::secs(600),
            last_resort: TimeSpan::secs(1),
        }
    }
}

/// A provider that says it is overloaded (529, 503) says so to all accounts: then fewer requests go there at a time.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Overload {
    /// Switch.
    pub enabled: bool,
    /// Requests that may always be at work at one upstream. At least 1.
    pub floor: u64,
    /// How long the upstream must be well before its ceiling is lifted.
    pub calm: TimeSpan,
}

impl Default for Overload {
    fn default() -> Self {
        Overload { enabled: true, floor: 2, calm: TimeSpan::secs(60) }
    }
}

/// Looks whether upstreams whose accounts rest after failures can be reached again.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Health {
    /// Switch.
    pub enabled: bool,
    /// How often.
    pub interval: TimeSpan,
}

impl Default for Health {
    fn default() -> Self {
        Health { enabled: true, interval: TimeSpan::secs(10) }
    }
}

/// When all else fails again and again, requests go to one upstream of last resort until what failed is well.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SafeMode {
    /// The upstream of last resort; without one there is no safe mode. Default: none.
    pub upstream: Option<String>,
    /// The model there. Default: the one that is asked for.
    pub model: Option<String>,
    /// Failures that switch it on. At least 1.
    pub failures: u64,
    /// Within this time.
    pub within: TimeSpan,
    /// How often what failed is tried.
    pub check_every: TimeSpan,
    /// Tries in a row that must go well. At least 1.
    pub successes: u64,
}

impl Default for SafeMode {
    fn default() -> Self {
        SafeMode {
            upstream: None,
            model: None,
            failures: 5,
            within: TimeSpan::secs(300),
            check_every: TimeSpan::secs(3600),
            successes: 3,
        }
    }
}

/// Quotas of accounts whose provider tells them: Code Assist is asked, of others headers are read.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Quota {
    /// Switch.
    pub enabled: bool,
    /// How often they are read. At least 5m.
    pub refresh: TimeSpan,
    /// Models, or patterns, that an account keeps for itself when little is left. Default: none.
    pub protected: OneOrMany<String>,
    /// Little: below this part of the quota, in percent, 0 to 100.
    pub protect_below_percent: u64,
    /// Accounts of one project rest together.
    pub shared_projects: bool,
}

impl Default for Quota {
    fn default() -> Self {
        Quota {
            enabled: true,
            refresh: TimeSpan::secs(900),
            protected: OneOrMany(Vec::new()),
            protect_below_percent: 10,
            shared_projects: true,
        }
    }
}

/// Small requests that start the windows of quotas which run from their first use.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WarmUp {
    /// Switch. Each spends a few tokens.
    pub enabled: bool,
    /// Models in the providers' words. Default: none.
    pub models: OneOrMany<String>,
    /// How often it is looked whether one is due.
    pub interval: TimeSpan,
    /// Shortest time between two of one account and model.
    pub cooldown: TimeSpan,
    /// Only accounts with less than half of their quota.
    pub only_low_quota: bool,
}

impl Default for WarmUp {
    fn default() -> Self {
        WarmUp {
            enabled: false,
            models: OneOrMany(Vec::new()),
            interval: TimeSpan::secs(3600),
            cooldown: TimeSpan::secs(4 * 3600),
            only_low_quota: false,
        }
    }
}

/// When a provider breaks off in the middle of an answer, another account goes on from there, in the same stream.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Continuation {
    /// off: the stream ends with an error. auto: where the model can be made to go on with a text that was begun.
    #[schemars(schema_with = "continuation_schema")]
    pub mode: ContinuationMode,
    /// How often in one answer, 1 to 8.
    pub times_max: u64,
    /// Most of an answer that is kept for this, in memory, for each stream. A longer one is not gone on with.
    pub bytes_max: ByteSize,
}

impl Default for Continuation {
    fn default() -> Self {
        Continuation { mode: ContinuationMode::Auto, times_max: 2, bytes_max: ByteSize(1 << 20) }
    }
}

/// A second request to another account when the first is slow to begin; the slower one is cancelled. Costs tokens.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Hedging {
    /// Switch.
    pub enabled: bool,
    /// How long the first may take to its first content.
    pub after: TimeSpan,
    /// Most requests that are hedged, in percent of all, 1 to 100.
    pub share_percent: u64,
}

impl Default for Hedging {
    fn default() -> Self {
        Hedging { enabled: false, after: TimeSpan::secs(8), share_percent: 5 }
    }
}

/// Whether a conversation waits for its account when that is busy or resting, or moves to another one.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Move {
    /// by_price: it waits as long as the prompt cache there is worth. at_once: it moves. never: it waits as long as any
    /// request may.
    #[schemars(schema_with = "move_schema")]
    pub rule: MoveRule,
    /// What a minute of waiting is worth, in US dollars, 0.001 to 1000.
    pub minute_usd: f64,
    /// What a million tokens of a prompt cost more without a cache, in US dollars, for models without a price, 0 to 1000.
    pub cold_million_usd: f64,
}

impl Default for Move {
    fn default() -> Self {
        Move { rule: MoveRule::ByPrice, minute_usd: 0.5, cold_million_usd: 2.5 }
    }
}

/// What is learned of the accounts, kept through a restart: cooldowns, paces, breakers, quotas, conversations.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct State {
    /// Switch.
    pub enabled: bool,
    /// The file. A relative path starts at the folder of this file. Default: interlingua/state.db in $STATE_DIRECTORY, or
    /// in $XDG_STATE_HOME, or in ~/.local/state.
    pub file: Option<String>,
}

impl Default for State {
    fn default() -> Self {
        State { enabled: true, file: None }
    }
}

/// Models that share a limit at their provider: cooldowns and paces count for all of them together.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["name", "match"]))]
pub struct Family {
    /// Its name in logs and metrics. Letters, digits and `. _ - @ /`, at most 64.
    #[schemars(required)]
    pub name: Option<String>,
    /// Models in the provider's words; `*` stands for anything. The first family that takes a model has it.
    #[serde(rename = "match", default)]
    pub models: OneOrMany<String>,
}

/// What the provider allows the account, where you know it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AccountLimits {
    /// Requests a minute, for each family of models. Default: as the provider tells.
    pub requests_per_minute: Option<u64>,
    /// Tokens a minute, for each family of models. Default: as the provider tells.
    pub tokens_per_minute: Option<u64>,
}

fn continuation_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["off", "auto"], "default": "auto" })
}

fn move_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["by_price", "at_once", "never"], "default": "by_price" })
}
