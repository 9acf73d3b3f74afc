//! What watches the accounts, and what goes on when one fails; as meant.

use std::path::PathBuf;
use std::time::Duration;

use super::Config;
use crate::routing::Pattern;

/// Requests and tokens a minute of each account and family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Switch.
    pub enabled: bool,
    /// From this part of a limit on, requests are spread. 1 to 100.
    pub slow_at_percent: u16,
    /// Longest pause that spreads them.
    pub pause_max: Duration,
    /// A learned limit grows up to this part of it in one step. 100 to 1000.
    pub skip_at_percent: u16,
    /// What a refusal takes from a learned limit where it measures nothing. 1 to 90.
    pub decrease_percent: u8,
    /// The first step by which a learned limit grows; each further one is twice as large. 1 to 100.
    pub increase_percent: u8,
}

/// Accounts that fail again and again rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breaker {
    /// Switch.
    pub enabled: bool,
    /// Failures in a row that open it. At least 1.
    pub failures: u32,
    /// How long it is open before one request may try.
    pub open: Duration,
    /// The same after tries that failed, at most.
    pub open_max: Duration,
    /// With no other account left, an open one is tried no more often than this.
    pub last_resort: Duration,
}

/// Fewer requests at a time for an overloaded upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overload {
    /// Switch.
    pub enabled: bool,
    /// Requests that may always be at work there. At least 1.
    pub floor: u32,
    /// How long it must be well before its ceiling is lifted.
    pub calm: Duration,
}

/// Looks whether upstreams can be reached again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Switch.
    pub enabled: bool,
    /// How often.
    pub interval: Duration,
}

/// One upstream of last resort.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SafeMode {
    /// Its id; `None`: there is no safe mode. It is one of `upstreams`, and some account opens it.
    pub upstream: Option<String>,
    /// The model there; `None`: the one that is asked for.
    pub model: Option<String>,
    /// Failures that switch it on. At least 1.
    pub failures: u32,
    /// Within this time.
    pub within: Duration,
    /// How often what failed is tried.
    pub check_every: Duration,
    /// Tries in a row that must go well. At least 1.
    pub successes: u32,
}

/// Quotas that providers tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Switch.
    pub enabled: bool,
    /// How often they are read. At least five minutes.
    pub refresh: Duration,
    /// Models that an account keeps for itself when little is left.
    pub protected: Vec<Pattern>,
    /// Little: below this part of the quota, 0 to 100.
    pub protect_below_percent: u8,
    /// Accounts of one project rest together.
    pub shared_projects: bool,
}

/// Small requests that start windows of quotas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WarmUp {
    /// Switch.
    pub enabled: bool,
    /// Models in the providers' words.
    pub models: Vec<String>,
    /// How often it is looked whether one is due.
    pub interval: Duration,
    /// Shortest time between two of one account and model.
    pub cooldown: Duration,
    /// Only accounts with less than half of their quota.
    pub only_low_quota: bool,
}

/// Whether another account goes on with a broken answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContinuationMode {
    /// The stream ends with an error.
    Off,
    /// Where the model can be made to go on.
    #[default]
    Auto,
}

/// Another account goes on with a broken answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Continuation {
    /// Switch.
    pub mode: ContinuationMode,
    /// How often in one answer, 1 to 8.
    pub times_max: u32,
    /// Most bytes of an answer that are kept for this.
    pub bytes_max: usize,
}

/// A second request when the first is slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hedging {
    /// Switch.
    pub enabled: bool,
    /// How long the first may take to its first content.
    pub after: Duration,
    /// Most requests that are hedged, 1 to 100.
    pub share_percent: u8,
}

/// Whether a conversation waits for its account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MoveRule {
    /// As long as the prompt cache there is worth.
    #[default]
    ByPrice,
    /// It moves.
    AtOnce,
    /// It waits as long as any request may.
    Never,
}

/// Whether a conversation waits for its account, and what decides it. Money in millionths of a US dollar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// How.
    pub rule: MoveRule,
    /// What a minute of waiting is worth. At least 1,000.
    pub minute_microusd: u64,
    /// What a million tokens of a prompt cost more without a cache.
    pub cold_million_microusd: u64,
}

/// What is kept through a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The file; `None`: nothing is kept. Its folder need not exist.
    pub file: Option<PathBuf>,
}

/// Models that share a limit at their provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    /// Its name.
    pub name: String,
    /// Models in the provider's words. At least one.
    pub models: Vec<Pattern>,
}

impl Family {
    /// The name of the first family that takes a model, else the model's own.
    pub fn of<'f>(families: &'f [Family], model: &'f str) -> &'f str {
        let family = families.iter().find(|family| family.models.iter().any(|pattern| pattern.matches(model)));
        family.map_or(model, |family| family.name.as_str())
    }
}

impl Config {
    /// The name under which a model's limits, cooldowns and quotas are kept: that of the first family which takes it,
    /// else its own.
    pub fn family<'c>(&'c self, model: &'c str) -> &'c str {
        Family::of(&self.families, model)
    }
}

/// What the provider allows an account, as the operator knows it; for each family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountLimits {
    /// Requests a minute. At least 1.
    pub requests_per_minute: Option<u64>,
    /// Tokens a minute. At least 1.
    pub tokens_per_minute: Option<u64>,
}
