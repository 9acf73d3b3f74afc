//! Clients as written.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::{OneOrMany, SecretText};

/// Somebody who may use the gateway, and how much. A limit that is left out is none.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["id", "keys"]))]
pub struct Client {
    /// Name in logs and metrics: what was spent stays with it through reloads. Letters, digits and `. _ - @ /`, at most 64.
    #[schemars(required)]
    pub id: Option<String>,
    /// What people call it. At most 200 characters. Default: none.
    pub label: Option<String>,
    /// Keys of this client, at least one; several allow for a change of keys. Each has at least 16 characters, or is
    /// written as `sha256:` with the 64 hexadecimal digits of its SHA-256.
    #[serde(default)]
    pub keys: OneOrMany<SecretText>,
    /// Keys that are taken until a moment. At most 16. Default: none.
    #[serde(default)]
    #[schemars(with = "Vec<OldKey>")]
    pub old_keys: Vec<Option<OldKey>>,
    /// Whether its keys are taken. Default: true.
    pub enabled: Option<bool>,
    /// From when on its keys are not taken any more: RFC 3339, as in 2027-01-31T18:00:00Z. Default: never.
    pub expires: Option<String>,
    /// Only from these addresses: one or a list, each an address or a network as in 10.1.0.0/16. What counts is the address
    /// that the connection comes from, not what a header says. Default: all.
    pub addresses: Option<OneOrMany<String>>,
    /// Only these models; `*` stands for anything. A request is let through if the name that it asks for matches, or the
    /// model in the provider's words that the rule sends it to. Default: all.
    pub models: Option<OneOrMany<String>>,
    /// Most requests a minute: so many at once, and from then on as the minute goes by. Default: no limit.
    pub requests_per_minute: Option<u64>,
    /// Most tokens a minute, of prompts and answers, counted likewise. Default: no limit.
    pub tokens_per_minute: Option<u64>,
    /// Most requests at a time. Default: no limit.
    pub concurrency: Option<u64>,
    /// What may be spent.
    #[serde(default)]
    pub budgets: Budgets,
}

/// A key that was replaced.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["key", "until"]))]
pub struct OldKey {
    /// As in `keys`.
    #[schemars(required)]
    pub key: Option<SecretText>,
    /// Until when it is taken: RFC 3339.
    #[schemars(required)]
    pub until: Option<String>,
}

/// What a client may spend. Days and months are those of the calendar, in UTC.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Budgets {
    /// From midnight to midnight, UTC.
    pub daily: Budget,
    /// From the first of a month to the first of the next, UTC.
    pub monthly: Budget,
}

/// What may be spent in a period. The request that reaches its end is served; those after it are refused.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// In tokens of prompts (also those that were read from a cache) and answers. Default: no limit.
    pub tokens: Option<u64>,
    /// In US dollars. A model without prices costs nothing; prices can be set in `profiles`. Default: no limit.
    pub usd: Option<f64>,
}
