//! The file as written: one field a key, with its default and its unit.
//!
//! The doc comments here are the descriptions in `conf/schema.json`. Keys without a default are `Option`, also where
//! they are required: that something is missing is said together with all else that is wrong.

mod account;
mod client;
mod custody;
mod mapping;
mod mcp;
mod models;
mod passthrough;
mod protections;
mod resilience;
mod server;
mod upstream;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::account::{Account, OAuth};
pub use self::client::{Budget, Budgets, Client, OldKey};
pub use self::custody::Custody;
pub use self::mapping::{Mapping, MappingSync};
pub use self::mcp::{Mcp, McpTimeouts};
pub use self::models::{Profile, Repair};
pub use self::passthrough::Passthrough;
pub use self::protections::{
    AccountLimits, Breaker, Continuation, Family, Health, Hedging, Move, Overload, Pace, Quota, SafeMode, State, WarmUp,
};
pub use self::resilience::{Affinity, Cooldown, GraceRetry, Peek, PerClient, Resilience};
pub use self::server::Server;
pub use self::upstream::{PlatformName, Quirks, Spoken, Timeouts, Upstream};
use super::units::OneOrMany;
use crate::routing::{Cause, DialectChoice, Sign};

/// The configuration of Interlingua.
///
/// Time spans are written with a unit (250ms, 30s, 5m, 1h30m), sizes too (64KiB, 100MiB). `${env:NAME}`, `${file:/path}`
/// and `${vault:NAME}` stand for the value of an environment variable, the content of a file or a secret that
/// `interlingua vault set` has kept, in credentials, keys, header values and URLs; a relative path starts at the folder of
/// this file. `$${` is a literal `${`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The gateway itself.
    pub server: Server,
    /// Who may use the gateway. Default: none, which is anybody who reaches a loopback address.
    #[schemars(with = "Vec<Client>")]
    pub clients: Vec<Option<Client>>,
    /// Providers: one entry for each address and dialect.
    #[schemars(with = "Vec<Upstream>")]
    pub upstreams: Vec<Option<Upstream>>,
    /// Names of the tiers of accounts; accounts of an earlier tier are used first.
    pub tiers: Vec<String>,
    /// Your accounts at the providers.
    #[schemars(with = "Vec<Account>")]
    pub accounts: Vec<Option<Account>>,
    /// Which models go where.
    #[schemars(with = "Vec<Rule>")]
    pub models: Vec<Option<Rule>>,
    /// Requests that agents make for themselves.
    pub background: Background,
    /// What is known of models beside what the program knows. Later entries outrank earlier ones. Default: none.
    #[schemars(with = "Vec<Profile>")]
    pub profiles: Vec<Option<Profile>>,
    /// What is mended in requests that their target would refuse. Each has a switch and is reported as a loss.
    pub repair: Repair,
    /// Models that share a limit at their provider. Default: none, so each model is a family of its own.
    #[schemars(with = "Vec<Family>")]
    pub families: Vec<Option<Family>>,
    /// Retries and protections. Each has a switch; all off leaves a plain translating proxy.
    pub resilience: Resilience,
    /// What is learned of the accounts, kept through a restart.
    pub state: State,
    /// Names of models that stand for others.
    pub mapping: Mapping,
    /// Seals of reasoning that a client cannot carry.
    pub custody: Custody,
    /// Tool servers (MCP), by the name under which clients reach them: `/mcp/NAME`. Default: none.
    #[schemars(with = "BTreeMap<String, Mcp>")]
    pub mcp: BTreeMap<String, Option<Mcp>>,
    /// Files, batches, stored answers and whatever else only a provider of the caller's dialect can serve.
    pub passthrough: Passthrough,
    /// Whether upstreams of the platform code_assist may be used.
    pub code_assist: CodeAssist,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            server: Server::default(),
            clients: Vec::new(),
            upstreams: Vec::new(),
            tiers: ["ultra-business", "ultra", "pro", "free", "unknown"].map(str::to_owned).to_vec(),
            accounts: Vec::new(),
            models: Vec::new(),
            background: Background::default(),
            profiles: Vec::new(),
            repair: Repair::default(),
            families: Vec::new(),
            resilience: Resilience::default(),
            state: State::default(),
            mapping: Mapping::default(),
            custody: Custody::default(),
            mcp: BTreeMap::new(),
            passthrough: Passthrough::default(),
            code_assist: CodeAssist::default(),
        }
    }
}

/// Google Code Assist as an upstream. Off, because Google may close accounts that are used through other programs than its
/// own; README.md says more.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CodeAssist {
    /// Switch. Set it only for accounts that you are entitled to use in this way. Default: false.
    pub enabled: bool,
}

/// Which models go where. Exact names win, then the pattern with the most characters that are not `*`, then the one
/// declared first.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["match", "upstream"]))]
pub struct Rule {
    /// Name of a model as clients say it, or a pattern; `*` stands for anything. Matched without `models/`,
    /// `publishers/…/models/` and `[1m]`.
    #[serde(rename = "match")]
    #[schemars(required)]
    pub pattern: Option<String>,
    /// The upstream, or a list: one pool over all of their accounts.
    #[serde(default)]
    pub upstream: OneOrMany<String>,
    /// The model in the provider's words; `{1}` is what the first `*` stands for, `{0}` the whole name. Default: `{0}`.
    pub model: Option<String>,
    /// How the upstreams are ordered for a client. prefer_own: those of the client's own dialect first, so that nothing
    /// is translated without need. own_if_offered: only those, if there is any. as_declared: as they stand. Default:
    /// prefer_own.
    #[serde(default)]
    pub dialect: DialectChoice,
    /// What is tried when no account of the target can serve, in order. Default: none.
    #[serde(default)]
    #[schemars(with = "Vec<Fallback>")]
    pub fallbacks: Vec<Option<Fallback>>,
    /// Where requests go first that may have long answers; then the target. Default: none.
    pub large_output: Option<LargeOutput>,
    /// Where requests go first that an agent makes for itself (see `background`); then the target. Default: none.
    pub background: Option<Aside>,
    /// Names to show in the list of models, for a pattern. Default: none.
    #[serde(default)]
    pub list: Vec<String>,
    /// Keep an exact name out of the list of models. Default: false.
    #[serde(default)]
    pub hidden: bool,
}

/// Where requests go whose cap of output tokens is large. At least one of `upstream` and `model` is written.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LargeOutput {
    /// More output tokens than this (`max_tokens` and its like). Default: 32000.
    pub over: Option<u64>,
    /// The upstream, or a list. Default: those of the rule.
    #[serde(default)]
    pub upstream: OneOrMany<String>,
    /// The model in the provider's words, with `{1}` as in the rule. Default: the model of the rule.
    pub model: Option<String>,
    /// As in the rule. Default: prefer_own.
    #[serde(default)]
    pub dialect: DialectChoice,
}

/// Another place for some requests of a rule. At least one of `upstream` and `model` is written.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Aside {
    /// The upstream, or a list. Default: those of the rule.
    #[serde(default)]
    pub upstream: OneOrMany<String>,
    /// The model in the provider's words, with `{1}` as in the rule. Default: the model of the rule.
    pub model: Option<String>,
    /// As in the rule. Default: prefer_own.
    #[serde(default)]
    pub dialect: DialectChoice,
}

/// What is tried when a target fails.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fallback {
    /// The upstream, or a list. If left out, `model` is a name that the rules themselves send on, with their fallbacks.
    #[serde(default)]
    pub upstream: OneOrMany<String>,
    /// The model in the provider's words, with `{1}` as in the rule. Default: the model of the rule.
    pub model: Option<String>,
    /// As in the rule. Default: prefer_own.
    #[serde(default)]
    pub dialect: DialectChoice,
    /// For which causes, one or a list. limits: all accounts are at a limit or busy. unavailable: the provider is in trouble
    /// or cannot be reached, or no account can be used. context_length: the request is too long for the model.
    /// content_policy: the provider blocked the prompt or the whole answer. Default: limits and unavailable.
    #[schemars(with = "Option<OneOrMany<Cause>>")]
    pub on: Option<OneOrMany<Cause>>,
}

/// Which requests of agents are known as their own, for rules with a place for them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Background {
    /// Switch.
    pub enabled: bool,
    /// What they ask for. title: a name for the conversation. topic: whether a message begins a new topic. summary: a line
    /// or two that sum the conversation up, not its compaction. quota: a request of one token that reads the limits.
    /// warm_up: a request that only warms a cache. suggestion: what the person might type next. next_speaker: whether the
    /// model should go on by itself. Default: all.
    pub signs: Vec<Sign>,
}

impl Default for Background {
    fn default() -> Self {
        Background { enabled: true, signs: Sign::ALL.to_vec() }
    }
}
