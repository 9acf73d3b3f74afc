//! What the operator's API answers. Members are added to it, never renamed; those that are not here are in `extra`.

use serde::{Deserialize, Serialize};

use crate::Extra;

/// A moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct When {
    /// RFC 3339, in UTC.
    pub at: String,
    /// Milliseconds from the answer on; negative for what has been.
    pub in_ms: i64,
}

/// What keeps an account from requests, or does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// Nothing does.
    Ready,
    /// Nothing does for most models.
    Limited,
    /// All its slots are in use.
    Busy,
    /// It rests for all models.
    Cooling,
    /// It has failed too often; one request at a time tries it.
    HalfOpen,
    /// It has failed too often.
    Open,
    /// The configuration, or what a provider said of it, has shut it out.
    Disabled,
    /// One that this version does not know.
    #[serde(untagged)]
    Other(String),
}

/// A state with what is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Standing {
    /// The state.
    pub state: State,
    /// Why, if it is not ready.
    #[serde(default)]
    pub reason: Option<String>,
    /// When it ends.
    #[serde(default)]
    pub until: Option<When>,
    /// All else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// One account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Account {
    /// Its id.
    pub account: String,
    /// Its tier.
    pub tier: String,
    /// The upstreams that its credential opens.
    pub upstreams: Vec<String>,
    /// What keeps it from requests, or does not.
    pub standing: Standing,
    /// Requests at work.
    pub in_flight: u32,
    /// Most of them at a time.
    #[serde(default)]
    pub limit: Option<u32>,
    /// Its locks.
    #[serde(default)]
    pub cooldowns: Vec<Cooldown>,
    /// Requests since the start that it has served.
    pub served: u64,
    /// And that have failed there.
    pub failed: u64,
    /// All else: breaker, paces, quotas.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A lock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Cooldown {
    /// Whose.
    pub account: String,
    /// For which family of models; `None`: for all.
    #[serde(default)]
    pub family: Option<String>,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: When,
    /// Until when.
    pub until: When,
    /// All else.
    #[serde(flatten)]
    pub extra: Extra,
}

#[derive(Debug, Deserialize)]
pub(super) struct Cooldowns {
    pub(super) cooldowns: Vec<Cooldown>,
}

/// Accounts by state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Tally {
    /// All of them.
    pub total: usize,
    /// Those that nothing keeps from requests.
    pub ready: usize,
    /// The other states.
    #[serde(flatten)]
    pub extra: Extra,
}

/// An upstream with its accounts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UpstreamHealth {
    /// Its id.
    pub upstream: String,
    /// `ok`, `degraded` (some account is out) or `down` (no account can take a request).
    pub status: String,
    /// Its accounts.
    pub accounts: Tally,
    /// Requests at work there.
    pub in_flight: u32,
    /// All else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How the gateway and its upstreams are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Health {
    /// As of an upstream, over all of them.
    pub status: String,
    /// All accounts.
    pub accounts: Tally,
    /// The upstreams.
    pub upstreams: Vec<UpstreamHealth>,
    /// Requests at work.
    pub in_flight: i64,
    /// Requests that wait in line for an account.
    pub waiting: usize,
    /// Whether new requests are turned away for maintenance.
    #[serde(default)]
    pub paused: bool,
    /// All else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Models: what is listed, the rules, the mappings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Models {
    /// What `/v1/models` lists.
    pub listed: Vec<String>,
    /// The rules.
    pub rules: Vec<Rule>,
    /// Names that stand for others.
    pub mappings: Vec<Mapped>,
    /// All else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A rule for models.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Rule {
    /// A name, or a pattern.
    pub name: String,
    /// The model in the provider's words; `None` for a pattern.
    #[serde(default)]
    pub model: Option<String>,
    /// Where it goes.
    pub upstreams: Vec<String>,
    /// All else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A name that stands for another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Mapped {
    /// The name.
    pub name: String,
    /// What it stands for.
    pub target: String,
    /// Whether some rule takes the target.
    pub served: bool,
    /// All else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Paused {
    /// Since when.
    pub since: When,
    /// What callers read.
    #[serde(default)]
    pub reason: Option<String>,
    /// All else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Whether the gateway takes new requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Activity {
    /// The pause that holds.
    #[serde(default)]
    pub paused: Option<Paused>,
    /// Requests at work.
    pub in_flight: i64,
    /// All else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Which configuration is in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Generation {
    /// Its number.
    pub generation: u64,
}
