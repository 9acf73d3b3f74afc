//! The key `mapping`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::units::{SecretText, TimeSpan};

/// Names of models that stand for others, beside the rules of `models`: they are set by `interlingua models map` while the
/// gateway runs, and looked at before the rules.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Mapping {
    /// Another gateway whose names are kept equal to those here. Default: none.
    pub sync: Option<MappingSync>,
}

/// Another gateway whose names are kept equal to those here. Of two changes the later wins.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["url", "token"]))]
pub struct MappingSync {
    /// Its admin API, such as `https://other.example:8443`; `http` on loopback alone.
    #[schemars(required)]
    pub url: Option<String>,
    /// One of its `admin_keys`.
    #[schemars(required)]
    pub token: Option<SecretText>,
    /// How often, at least 5s.
    pub interval: TimeSpan,
}

impl Default for MappingSync {
    fn default() -> Self {
        MappingSync { url: None, token: None, interval: TimeSpan::secs(60) }
    }
}
